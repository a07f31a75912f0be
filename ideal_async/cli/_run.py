"""A batch from the first submit to the last file: downloads run while other videos are still being made."""

import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import anyio
import anyio.abc
import attrs

from ideal_async import (
    ApiError,
    AsyncClient,
    BudgetExceeded,
    IdealError,
    Outcome,
    Submission,
    SubmissionUnknown,
    Task,
    TaskFailed,
    TaskStatus,
    batch,
)

from ._job import Board, Job, State

#: Finished videos waiting for their download, or in it. Reading outcomes stops there, and so does submitting: files
#: should not fall far behind, since result URLs may expire.
DOWNLOADS = 20
#: Suffixes of cover pictures; one that has none of them is called .jpg, as on the vendor's page.
PICTURES = {".jpg", ".jpeg", ".png", ".webp"}


@attrs.define(eq=False)
class Run:
    """Makes every waiting job of a board.

    Attributes:
        client: Does the work.
        board: Its jobs are brought up to date all the time.
        out: The folder for the files; it exists.
        stem: Names the files of a job, without a suffix.
        stopped_by: What closed the intake before all jobs were submitted, if something did.
    """

    client: AsyncClient
    board: Board
    out: Path
    stem: Callable[[Job], str]
    stopped_by: Exception | None = None
    _slots: anyio.Semaphore = attrs.field(factory=lambda: anyio.Semaphore(DOWNLOADS))

    async def make_all(self, *, max_in_flight: int = 200, timeout: float | None = None) -> None:
        """Submit, follow and download; one failed job never stops the others.

        Args:
            max_in_flight: Jobs submitted and not ended, at most.
            timeout: Seconds for making the videos.
        """
        waiting = [job for job in self.board.jobs if job.state == "waiting"]
        async with anyio.create_task_group() as followers:

            def begin(submission: Submission) -> None:
                job = waiting[submission.index]
                self._queue(job, submission.task_id)
                followers.start_soon(self._follow, job, submission.task_id)

            requests = ((job.key, job.request) for job in waiting)
            async with (
                anyio.create_task_group() as downloads,
                batch(self.client, requests, max_in_flight=max_in_flight, timeout=timeout, on_submit=begin) as outcomes,
            ):
                async for outcome in outcomes:
                    job = waiting[outcome.index]
                    self._settle(job, outcome)
                    if outcome.task is not None:
                        await self._slots.acquire()
                        downloads.start_soon(self._download, job, outcome.task)
            self.stopped_by = outcomes.stopped_by
            followers.cancel_scope.cancel()

    def _queue(self, job: Job, task_id: int) -> None:
        job.task_id = task_id
        job.queued_at = time.time()
        self.board.charged += job.credits
        self.board.move(job, "queued")

    async def _follow(self, job: Job, task_id: int) -> None:
        """See what the shared poller sees; it looks no more often for that."""
        try:
            async with self.client.watch(task_id) as looks:
                async for task in looks:
                    job.looks += 1
                    if not task.done and job.state in ("queued", "rendering"):
                        self._see(job, task)
        except IdealError:
            job.looks += 1  # the batch hears the same, and tells why

    def _see(self, job: Job, task: Task) -> None:
        job.percentage, job.wait_number = task.percentage, task.wait_number
        job.left = None if task.eta is None else task.eta.seconds
        # "percentage above 0 outweighs waitNumber": the vendor's page shows 30 % with two ahead.
        if task.percentage > 0 or (task.status == TaskStatus.PROCESSING and task.wait_number == 0):
            if job.started_at is None:
                job.started_at = time.time()
            self.board.move(job, "rendering")

    def _settle(self, job: Job, outcome: Outcome) -> None:
        job.task_id = outcome.task_id
        job.left = None
        if outcome.task is not None:
            job.found_at = time.time()
            self.board.move(job, "downloading")
        elif outcome.error is not None:
            job.error = str(outcome.error)
            state = state_after(outcome.error)
            if state == "failed":
                job.found_at = time.time()
                self.board.refunded += job.credits
            self.board.move(job, state)

    async def _download(self, job: Job, task: Task) -> None:
        """Bring the video and its cover to the disk."""
        try:
            await self._bring(job, task)
        except (IdealError, OSError) as error:
            job.error = str(error)
            self.board.move(job, "unfinished")
        else:
            job.downloaded_at = time.time()
            self.board.move(job, "done")
        finally:
            self._slots.release()

    async def _bring(self, job: Job, task: Task) -> None:
        if task.output is None:
            return  # the client gives none out that succeeded without
        job.width, job.height = task.output.width, task.output.height
        name = self.stem(job)
        video = self.out / f"{name}.mp4"
        await self.client.download(task, video)
        job.video = video
        if task.output.cover:
            cover = self.out / f"{name}{suffix_of(task.output.cover)}"
            await self.client.download(task, cover, part="cover")
            job.cover = cover


def state_after(error: Exception) -> State:
    """Tell where a job stands that ended with *error*."""
    match error:
        case TaskFailed():
            return "failed"
        case SubmissionUnknown():
            return "unknown"
        case BudgetExceeded():
            return "waiting"
        case IdealError() if error.task_id is not None:
            return "unfinished"
        case ApiError():
            return "refused"
        case _:
            return "waiting"


def suffix_of(url: str) -> str:
    """Choose the suffix for a cover picture from its URL."""
    suffix = PurePosixPath(urlsplit(url).path).suffix.lower()
    return suffix if suffix in PICTURES else ".jpg"
