"""A client's life in virtual time: every look at its moment, in order, as the poller would do it."""

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from random import Random
from typing import Any, Protocol

import attrs

from benchmarks.pacing.services import Job
from ideal_async._agenda import Agenda
from ideal_async._pacing import Forecast, Pacing

LOOK_COST = 1 / 6  # seconds of delay that one look is worth


@attrs.frozen
class Toll:
    """What waiting for one job came to."""

    looks: int
    delay: float

    @property
    def cost(self) -> float:
        """Seconds."""
        return self.looks * LOOK_COST + self.delay


class Pacer(Protocol):
    """What decides when to look."""

    def first(self, job: Job, now: float, random: Random) -> tuple[Any, float]: ...

    def after(self, track: Any, job: Job, now: float, random: Random) -> float: ...

    def finish(self, track: Any, now: float) -> None: ...


@attrs.frozen
class Fixed:
    """A loop that sleeps *interval* seconds, give or take *spread*, before each look."""

    interval: float
    spread: float = 0.0

    def first(self, job: Job, now: float, random: Random) -> tuple[Any, float]:  # noqa: ARG002
        """Sleep first."""
        return None, self.interval + random.uniform(-self.spread, self.spread)

    def after(self, track: Any, job: Job, now: float, random: Random) -> float:  # noqa: ARG002
        """Sleep again."""
        return self.interval + random.uniform(-self.spread, self.spread)

    def finish(self, track: Any, now: float) -> None:
        """Learn nothing."""


class Ours:
    """The library's rules."""

    def __init__(self, pacing: Pacing | None = None) -> None:
        self.forecast = Forecast(pacing or Pacing())

    def first(self, job: Job, now: float, random: Random) -> tuple[Any, float]:
        """Track a new job."""
        track = self.forecast.track(job.kind, now=now, submitted_at=now)
        return track, self.forecast.first(track, now=now, roll=random.random())

    def after(self, track: Any, job: Job, now: float, random: Random) -> float:
        """Say what the look saw."""
        percentage, wait_number, processing = job.look(now)
        return self.forecast.after(
            track, percentage=percentage, wait_number=wait_number, processing=processing, now=now, roll=random.random()
        )

    def finish(self, track: Any, now: float) -> None:
        """Learn."""
        self.forecast.finish(track, now=now, success=True)


def live(pacer: Pacer, jobs: Iterable[Job], random: Random) -> list[Toll]:
    """Wait for all *jobs*, and return each one's toll, in the order of submission."""
    everyone = list(jobs)
    agenda = Agenda()
    state: dict[int, tuple[Any, int, float]] = {}
    tolls: dict[int, Toll] = {}
    arrivals: list[tuple[float, int]] = []
    for index, job in enumerate(everyone):
        heappush(arrivals, (job.submitted_at, index))
    while arrivals or len(agenda):
        due = agenda.next_due()
        if arrivals and (due is None or arrivals[0][0] <= due):
            now, index = heappop(arrivals)
            track, delay = pacer.first(everyone[index], now, random)
            state[index] = track, 0, now
            agenda.put(index, now + delay)
            continue
        assert due is not None  # noqa: S101  the loop's own condition
        index = agenda.pop(due)  # type: ignore[assignment]
        job, (track, looks, _) = everyone[index], state[index]
        if due >= job.ended_at:
            del state[index]
            tolls[index] = Toll(looks + 1, due - job.ended_at)
            pacer.finish(track, due)
        else:
            delay = pacer.after(track, job, due, random)
            state[index] = track, looks + 1, due
            agenda.put(index, due + delay)
    return [tolls[index] for index in range(len(everyone))]


Build = Callable[[], Pacer]
