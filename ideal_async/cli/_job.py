"""One job of a batch: what is wanted, where it stands, what came of it."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import attrs

from ideal_async import ImageToVideo, estimate

State = Literal[
    "waiting",  # not sent yet, nothing is spent
    "queued",  # paid, no worker has it yet
    "rendering",
    "downloading",
    "done",  # the files are there
    "failed",  # the service made no video, and refunds
    "refused",  # never accepted, nothing is spent
    "unknown",  # sent without an answer: it may have been paid
    "unfinished",  # paid, and the same command goes on with it
]
RUNNING: tuple[State, ...] = ("queued", "rendering", "downloading")
ENDED: tuple[State, ...] = ("done", "failed", "refused", "unknown", "unfinished")


@attrs.define(eq=False)
class Job:
    """One video of a batch. Moments are seconds since 1970, in UTC; `None` where they have not come.

    Attributes:
        index: From 0, in the order of the input.
        key: Names the job, in the journal and in file names.
        request: What is asked for.
        line: In the input file, from 1; `None` where there is none.
        state: Where it stands.
        task_id: Once it is paid.
        percentage: Of the last look, 0 to 100.
        wait_number: Of the last look: tasks ahead in the queue.
        left: Seconds to its end, as the poller expects it.
        looks: How often it was looked at in this run.
        queued_at: The id came.
        started_at: First seen rendering.
        found_at: The end was discovered.
        downloaded_at: The files stood on the disk.
        video: The MP4.
        cover: Its cover picture.
        width: Pixels.
        height: Pixels.
        error: Why there is no video.
    """

    index: int
    key: str
    request: ImageToVideo
    line: int | None = None
    state: State = "waiting"
    task_id: int | None = None
    percentage: int = 0
    wait_number: int = 0
    left: float | None = None
    looks: int = 0
    queued_at: float | None = None
    started_at: float | None = None
    found_at: float | None = None
    downloaded_at: float | None = None
    video: Path | None = None
    cover: Path | None = None
    width: int | None = None
    height: int | None = None
    error: str | None = None

    @property
    def credits(self) -> int:
        """What it costs, by the price table."""
        return estimate(self.request)

    @property
    def paid(self) -> int:
        """What it cost, as far as is known: a failed task is refunded."""
        return self.credits if self.task_id is not None and self.state != "failed" else 0


@attrs.define(eq=False)
class Board:
    """All jobs of a batch and how many stand where.

    Attributes:
        jobs: In the order of the input.
        counts: Jobs by state.
        started_at: When the batch began, seconds since 1970.
        charged: Credits of the tasks this run paid for.
        refunded: Credits of those that failed.
        on_move: Told of each job that came to another state.
    """

    jobs: Sequence[Job]
    started_at: float
    counts: Counter[State] = attrs.field(init=False)
    charged: int = 0
    refunded: int = 0
    on_move: Callable[[Job], object] | None = None

    def __attrs_post_init__(self) -> None:
        self.counts = Counter(job.state for job in self.jobs)

    def move(self, job: Job, state: State) -> None:
        """Note that *job* came to *state*."""
        if state == job.state:
            return
        self.counts[job.state] -= 1
        self.counts[state] += 1
        job.state = state
        if self.on_move is not None:
            self.on_move(job)

    @property
    def ended(self) -> int:
        """Jobs of which nothing more will come in this run."""
        return sum(self.counts[state] for state in ENDED)

    def seconds_left(self, now: float) -> float | None:
        """Forecast the end of the batch; `None` while too little is known.

        Running tasks end when the poller expects the last of them; the rest leaves the queue as fast as jobs ended so
        far. The later of the two counts.
        """
        pace = (now - self.started_at) / self.ended if self.ended else None
        rest = None if pace is None else pace * (len(self.jobs) - self.ended)
        forecasts = [job.left for job in self.jobs if job.left is not None and job.state in RUNNING]
        return max([*forecasts, *([] if rest is None else [rest])], default=None)
