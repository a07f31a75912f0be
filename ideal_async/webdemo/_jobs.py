"""Jobs as the page shows them, and one stream of changes for every page that is open."""

import json
import secrets
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import attrs

from ideal_async import Eta, ImageToVideo, Task, TaskFailed, TaskStatus

#: Seconds between two signs of life on a quiet stream; proxies close what says nothing for a minute.
SIGN_OF_LIFE = 15.0

#: The stages of a job, in order; the last two are ends.
SENDING, QUEUED, WORKING, FETCHING, READY, FAILED = "sending", "queued", "working", "fetching", "ready", "failed"


def not_made(error: TaskFailed) -> str:
    """Say to a person that a task failed, and what became of its credits."""
    if error.refunded:
        return "The service could not make it; its credits came back."
    return "The service could not make it; whether its credits come back is not known."


@attrs.define(eq=False)
class Job:
    """One video somebody ordered.

    Attributes:
        key: The browser's idempotency key; also the job's name on the page.
        request: What was ordered.
        credits: What it costs.
        picture: URL at which a browser can see the photograph.
        task_id: The paid task, once there is one.
        stage: How far it is.
        percentage: 0 to 100.
        ahead: Tasks ahead in the queue.
        eta: When the end is expected.
        problem: Why there is no video.
        version: Of the last change, counted over all jobs.

    Example:
        >>> room = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p")
        >>> Job("order-42", room, credits=10, picture="/photos/room.jpg").percentage
        0
    """

    key: str
    request: ImageToVideo
    credits: int
    picture: str
    task_id: int | None = None
    stage: str = SENDING
    percentage: int = 0
    ahead: int = 0
    eta: Eta | None = None
    problem: str = ""
    version: int = 0

    def see(self, task: Task) -> None:
        """Take over what a look shows."""
        self.percentage, self.ahead, self.eta = task.percentage, task.wait_number, task.eta
        if task.succeeded:
            self.stage = FETCHING
        elif task.done:
            self.stage, self.problem = FAILED, not_made(TaskFailed.of(task))
        elif task.status == TaskStatus.UNPROCESSED or (task.wait_number > 0 and task.percentage == 0):
            self.stage = QUEUED
        else:
            self.stage = WORKING

    def show(self) -> dict[str, Any]:
        """Say it in JSON; the task id as a string, since JavaScript's numbers end at 2**53."""
        request = self.request
        return {
            "key": self.key,
            "task": self.task_id and str(self.task_id),
            "stage": self.stage,
            "percentage": self.percentage,
            "ahead": self.ahead,
            "eta": self.eta and round(self.eta.seconds, 1),
            "problem": self.problem,
            "picture": self.picture,
            "prompt": request.prompt or "",
            "credits": self.credits,
            "made": f"{request.resolution} · {request.duration} s · {request.model_type}"
            + (" · sound" if request.generate_audio else ""),
            "sound": request.generate_audio,
            "morph": request.last_image_url is not None,
        }


class Board:
    """Every job, and whoever looks at them.

    Example:
        >>> board = Board()
        >>> room = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p")
        >>> board.put(Job("order-42", room, credits=10, picture="/photos/room.jpg"))
    """

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        #: Names this run of the server: a page that has heard of another one starts anew.
        self.run = secrets.token_hex(8)
        self._version = 0
        self._changed = anyio.Event()
        self._closed = False

    def put(self, job: Job) -> None:
        """Show a job, or what has changed about it."""
        self._version += 1
        job.version = self._version
        self.jobs[job.key] = job
        self._notify()

    def close(self) -> None:
        """End every stream, so that the server can stop."""
        self._closed = True
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def stream(self) -> AsyncGenerator[str]:
        """Server-sent events: the run, every job as it stands, each change; what a slow page misses is conflated."""
        yield f"event: run\ndata: {self.run}\n\n"
        seen = 0
        while not self._closed:
            changed, version = self._changed, self._version
            for job in list(self.jobs.values()):
                if job.version > seen:
                    yield f"data: {json.dumps(job.show())}\n\n"
            seen = version
            with anyio.move_on_after(SIGN_OF_LIFE) as scope:
                await changed.wait()
            if scope.cancelled_caught:
                yield ": still here\n\n"
