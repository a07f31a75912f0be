"""One job of a batch: what is wanted, where it stands, what came of it."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import attrs

from ideal_async import ImageToVideo, estimate

from ._outage import Outage

if TYPE_CHECKING:
    from ideal_async.buckets import BucketPath

State = Literal[
    "waiting",  # not sent yet, nothing is spent
    "queued",  # paid, no worker has it yet
    "rendering",
    "downloading",
    "done",  # the files are there
    "failed",  # the service made no video; whether it refunds, `refunded` tells
    "refused",  # never accepted, nothing is spent
    "unknown",  # sent without an answer: it may have been paid
    "unfinished",  # paid, and the same command goes on with it
]
RUNNING: tuple[State, ...] = ("queued", "rendering", "downloading")
ENDED: tuple[State, ...] = ("done", "failed", "refused", "unknown", "unfinished")
#: How many times as long as the slowest of its kind so far a video may be forecast to need.
CREDIBLE = 1.5
#: Made videos, in parts of them too, from which a pace can be read.
ENOUGH = 1.5


@attrs.define(eq=False)
class Job:
    """One video of a batch. Moments are seconds since 1970, in UTC; `None` where they have not come.

    Attributes:
        index: From 0, in the order of the input.
        key: Names the job in files and on the screen.
        request: What is asked for.
        line: In the input file, from 1; `None` where there is none.
        earlier: What an earlier run paid for it, or may have, if it is taken from that run's results.
        flight_key: Its idempotency key: `key`, or that of its latest repetition; `None`: it may be sent any time.
        state: Where it stands.
        task_id: Once it is paid.
        percentage: Of the last look, 0 to 100.
        wait_number: Of the last look: tasks ahead in the queue.
        expected_at: When the poller expects its end.
        looks: How often it was looked at in this run.
        queued_at: The id came.
        waited_at: Last seen waiting for a worker.
        started_at: First seen rendering; it may have begun any time since `waited_at`.
        seen_at: Of the last look.
        ended_at: The video was made, where somebody knows: the sandbox does, the real service does not tell.
        found_at: The end was discovered.
        downloaded_at: The files stood on the disk.
        video: The MP4.
        cover: Its cover picture.
        width: Pixels.
        height: Pixels.
        error: Why there is no video.
        refunded: It failed, and the service promises its credits back.
        sunk: Credits of its earlier tasks, which failed without that promise.
        returned: Credits of its earlier tasks, which came back.
    """

    index: int
    key: str
    request: ImageToVideo
    line: int | None = None
    earlier: str = ""
    flight_key: str | None = attrs.field(default=attrs.Factory(lambda job: job.key, takes_self=True))
    state: State = "waiting"
    task_id: int | None = None
    percentage: int = 0
    wait_number: int = 0
    expected_at: float | None = None
    looks: int = 0
    queued_at: float | None = None
    waited_at: float | None = None
    started_at: float | None = None
    seen_at: float | None = None
    ended_at: float | None = None
    found_at: float | None = None
    downloaded_at: float | None = None
    video: "Path | BucketPath | None" = None
    cover: "Path | BucketPath | None" = None
    width: int | None = None
    height: int | None = None
    error: str | None = None
    refunded: bool = False
    sunk: int = 0
    returned: int = 0

    @property
    def credits(self) -> int:
        """What it costs, by the price table."""
        return estimate(self.request)

    @property
    def charged(self) -> int:
        """What it has cost, earlier tasks too: nothing before it is paid, nothing once it is refunded."""
        return self.sunk + (self.credits if self.task_id is not None and not self.refunded else 0)

    @property
    def lost(self) -> int:
        """What it has cost without a video, as far as is known."""
        return self.charged if self.state == "failed" else self.sunk

    def seconds_left(self, now: float) -> float | None:
        """Forecast the end; what is late is expected to be late by as much again. `None`: nobody knows."""
        return None if self.expected_at is None else abs(self.expected_at - now)

    def share(self, now: float) -> float:
        """Tell how much of the video is made, 0 to 1, between two looks as far as the forecast goes."""
        if self.state in ENDED or self.state == "downloading":
            return 1.0
        if self.state != "rendering":
            return 0.0
        seen = self.percentage / 100
        left = self.seconds_left(now)
        if left is None or self.seen_at is None or now <= self.seen_at:
            return seen
        gone = now - self.seen_at
        return seen + (1 - seen) * gone / (gone + left)


@attrs.define(eq=False)
class Board:
    """All jobs of a batch and how many stand where.

    Attributes:
        jobs: In the order of the input.
        started_at: When this run began, seconds since 1970.
        listeners: Called with each job that ended.
        counts: Jobs by state.
        running: The paid jobs that did not end yet.
        ended_before: The jobs that had ended when this run began.
        charged: Credits of the tasks that were paid, in this run or an earlier one.
        refunded: Credits of those of them that come back.
        trouble: Why the latest job was not sent, until one is.
        outage: Hears whether the API answers looks.
    """

    jobs: Sequence[Job]
    started_at: float
    listeners: list[Callable[[Job], object]] = attrs.field(factory=list[Callable[[Job], object]])
    counts: Counter[State] = attrs.field(init=False)
    running: set[Job] = attrs.field(init=False)
    charged: int = attrs.field(init=False)
    refunded: int = attrs.field(init=False)
    ended_before: frozenset[Job] = attrs.field(init=False)
    trouble: str = attrs.field(init=False, default="")
    outage: Outage = attrs.field(init=False, factory=Outage)
    _longest: dict[tuple[object, ...], float] = attrs.field(init=False, factory=dict[tuple[object, ...], float])
    _first_paid: float | None = attrs.field(init=False, default=None)
    _paid_elsewhere: set[Job] = attrs.field(init=False, factory=set[Job])

    def __attrs_post_init__(self) -> None:
        self.counts = Counter(job.state for job in self.jobs)
        self.running = {job for job in self.jobs if job.state in RUNNING}
        self.charged = sum(job.credits for job in self.jobs if job.task_id is not None)
        self.refunded = sum(job.credits for job in self.jobs if job.refunded)
        returned = sum(job.returned for job in self.jobs)
        self.charged += returned + sum(job.sunk for job in self.jobs)
        self.refunded += returned
        self.ended_before = frozenset(job for job in self.jobs if job.state in ENDED)

    def pay(self, job: Job, task_id: int, now: float) -> None:
        """Note the task of *job*, paid now."""
        job.task_id, job.queued_at, self.trouble = task_id, now, ""
        self._first_paid = self._first_paid or now
        self.charged += job.credits
        self.move(job, "queued")

    def find(self, job: Job, task_id: int) -> None:
        """Note the task of *job* that another process paid: it counts its credits, and their refund."""
        job.task_id = task_id
        self._paid_elsewhere.add(job)
        self.move(job, "queued")

    def move(self, job: Job, state: State) -> None:
        """Note that *job* came to *state*."""
        if state == job.state:
            return
        self.counts[job.state] -= 1
        self.counts[state] += 1
        job.state = state
        if state in RUNNING:
            self.running.add(job)
        else:
            self.running.discard(job)
        if state == "failed" and job.refunded and job not in self._paid_elsewhere:
            self.refunded += job.credits
        if state == "downloading" and job.found_at is not None and job.queued_at is not None:
            took = job.found_at - (job.waited_at or job.queued_at)
            self._longest[job.request.kind] = max(took, self._longest.get(job.request.kind, 0.0))
        if state in ENDED:
            for listener in self.listeners:
                listener(job)

    def leave_running(self) -> None:
        """This run ends: what still runs at the service is for the next one."""
        for job in list(self.running):
            self.move(job, "unfinished")

    @property
    def ended(self) -> int:
        """Jobs of which nothing more will come in this run."""
        return sum(self.counts[state] for state in ENDED)

    def seconds_left(self, now: float) -> float | None:
        """Forecast the end of the batch; `None` while too little is known.

        All that is left is made at the pace so far, where a video half made counts half: between two bursts of ends,
        and before the first, whole videos alone would tell nothing. Those in work end when the poller expects them to,
        if that is later. Before there is a pace, the poller's forecasts of all that was sent have to do.
        """
        half_made = sum(job.share(now) for job in self.running)
        made = self.ended - len(self.ended_before) + half_made
        began = self._first_paid or self.started_at
        if made >= ENOUGH:
            pace = (now - began) / made * (len(self.jobs) - self.ended - half_made)
            return max(
                pace, *_all_but_astray(self._left_for(job, now) for job in self.running if job.state != "queued")
            )
        left = [job.seconds_left(now) for job in self.running]
        return None if None in left or self.counts["waiting"] else max(_all_but_astray(left))

    def _left_for(self, job: Job, now: float) -> float | None:
        """The poller's forecast for *job*, unless others of its kind make it hard to believe."""
        left, longest = job.seconds_left(now), self._longest.get(job.request.kind)
        return left if left is None or longest is None else min(left, CREDIBLE * longest)


def _all_but_astray(seconds: Iterable[float | None]) -> list[float]:
    """Leave out what nobody knows, and the latest of twenty: one gone astray shall not set the clock for all."""
    known = sorted(each for each in seconds if each is not None)
    return known[: round(0.95 * (len(known) - 1)) + 1] or [0.0]
