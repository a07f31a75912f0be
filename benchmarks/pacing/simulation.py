"""A client's life in virtual time: every look at its moment, in order, as the poller would do it."""

import math
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, Protocol

import attrs

from benchmarks.pacing.services import Job
from ideal_async._forecast import Forecast, Pacing
from ideal_async._schedule import Agenda

MIN_INTERVAL = Pacing().min_interval  # seconds; a task that is due so soon need not be replanned
LOOK_COST = 1 / 6  # seconds of delay that one look is worth


@attrs.frozen
class Toll:
    """What waiting for one job came to."""

    looks: int
    delay: float  # seconds from its end to its discovery
    queue_seen: bool = False  # whether another had been seen waiting before it was submitted

    @property
    def cost(self) -> float:
        """The yardstick, seconds."""
        return self.looks * LOOK_COST + self.delay


class Pacer(Protocol):
    """What decides when to look; `first` and `after` return delays in seconds."""

    def first(self, job: Job, now: float, random: Random) -> tuple[Any, float]:
        """Return whatever it wants to remember of the job, and the delay."""
        ...

    def reconsider(self, track: Any, now: float, random: Random) -> float:
        """Return how much later than now a first look that is due should come."""
        ...

    def after(self, track: Any, job: Job, now: float, random: Random) -> float:
        """Look at a job that runs."""
        ...

    def finish(self, track: Any, now: float) -> bool:
        """Look at a job that has ended; return whether the others should be replanned."""
        ...

    def replan(self, track: Any, because: Any, now: float, random: Random) -> float | None:
        """Return the new delay after a surprising end, None if *track* is not concerned."""
        ...


@attrs.frozen
class Loop:
    """Sleeps *interval* seconds, give or take *spread*, before each look."""

    interval: float
    spread: float = 0.0

    def first(self, job: Job, now: float, random: Random) -> tuple[Any, float]:
        """Sleep first."""
        return None, self.after(None, job, now, random)

    def reconsider(self, track: Any, now: float, random: Random) -> float:  # noqa: ARG002
        """Look."""
        return 0.0

    def after(self, track: Any, job: Job, now: float, random: Random) -> float:  # noqa: ARG002 - a pacer's signature
        """Sleep again."""
        return self.interval + random.uniform(-self.spread, self.spread)

    def finish(self, track: Any, now: float) -> bool:  # noqa: ARG002 - a pacer's signature
        """Learn nothing."""
        return False

    def replan(self, track: Any, because: Any, now: float, random: Random) -> float | None:  # noqa: ARG002
        """Nothing changes."""
        return None


@attrs.frozen
class Backoff:
    """Doubles its sleep from *first* to *most* seconds, as retry libraries do."""

    first_sleep: float = 1.0
    most: float = 60.0

    def first(self, job: Job, now: float, random: Random) -> tuple[Any, float]:  # noqa: ARG002
        """Sleep first."""
        return [self.first_sleep], self.first_sleep

    def reconsider(self, track: Any, now: float, random: Random) -> float:  # noqa: ARG002
        """Look."""
        return 0.0

    def after(self, track: Any, job: Job, now: float, random: Random) -> float:  # noqa: ARG002
        """Sleep twice as long."""
        track[0] = min(2.0 * track[0], self.most)
        return float(track[0])

    def finish(self, track: Any, now: float) -> bool:  # noqa: ARG002
        """Learn nothing."""
        return False

    def replan(self, track: Any, because: Any, now: float, random: Random) -> float | None:  # noqa: ARG002
        """Nothing changes."""
        return None


class Ours:
    """The library's rules, called as the poller calls them."""

    def __init__(self, pacing: Pacing | None = None) -> None:
        self.forecast = Forecast(pacing or Pacing())

    def first(self, job: Job, now: float, random: Random) -> tuple[Any, float]:
        """Track a new job."""
        track = self.forecast.track(job.kind, now=now, submitted_at=now)
        return track, self.forecast.first(track, now=now, roll=random.random())

    def reconsider(self, track: Any, now: float, random: Random) -> float:
        """Ask again."""
        return self.forecast.reconsider(track, now=now, roll=random.random())

    def after(self, track: Any, job: Job, now: float, random: Random) -> float:
        """Say what the look saw."""
        percentage, wait_number, processing = job.look(now)
        return self.forecast.after(
            track,
            percentage=percentage,
            wait_number=wait_number,
            processing=processing,
            now=now,
            roll=random.random(),
        )

    def finish(self, track: Any, now: float) -> bool:
        """Learn."""
        return self.forecast.finish(track, now=now, success=True)

    def replan(self, track: Any, because: Any, now: float, random: Random) -> float | None:
        """Plan anew."""
        return self.forecast.replan(track, because=because, now=now, roll=random.random())


def live(pacer: Pacer, jobs: Iterable[Job], random: Random) -> list[Toll]:
    """Wait for all *jobs*, and return each one's toll in the order of submission."""
    everyone = sorted(jobs, key=lambda job: job.submitted_at)
    agenda, arrived = Agenda(), 0
    tracks: dict[int, Any] = {}
    looks = [0] * len(everyone)
    tolls: dict[int, Toll] = {}
    queue_seen_at = math.inf
    while len(tolls) < len(everyone):
        due = agenda.next_due()
        if arrived < len(everyone) and (due is None or everyone[arrived].submitted_at <= due):
            now = everyone[arrived].submitted_at
            tracks[arrived], delay = pacer.first(everyone[arrived], now, random)
            agenda.put(arrived, now + delay)
            arrived += 1
        elif due is not None and (popped := agenda.pop(due)) is not None:
            index = popped[0]
            if not looks[index] and (delay := pacer.reconsider(tracks[index], due, random)) > 0.0:
                agenda.put(index, due + delay)
                continue
            looks[index] += 1
            if due < everyone[index].ended_at:
                if everyone[index].look(due)[1]:
                    queue_seen_at = min(queue_seen_at, due)
                agenda.put(index, due + pacer.after(tracks[index], everyone[index], due, random))
            else:
                job = everyone[index]
                tolls[index] = Toll(looks[index], due - job.ended_at, queue_seen=job.submitted_at > queue_seen_at)
                ended = tracks.pop(index)
                if pacer.finish(ended, due):
                    replan(pacer, agenda, tracks, ended, now=due, random=random)
    return [tolls[index] for index in range(len(everyone))]


def replan(pacer: Pacer, agenda: Agenda, tracks: dict[int, Any], ended: Any, *, now: float, random: Random) -> None:
    """Plan anew what the surprising end of one job concerns, as the poller does."""
    for other, track in tracks.items():
        planned = agenda.due(other) or 0.0
        if planned - now > MIN_INTERVAL:
            delay = pacer.replan(track, ended, now, random)
            if delay is not None:
                agenda.put(other, min(planned, now + delay))


@attrs.frozen
class Life:
    """The tolls of several lives under one pacer."""

    tolls: Sequence[Sequence[Toll]]

    def _mean(self, what: str, start: int = 0, stop: int | None = None) -> float:
        values = [getattr(toll, what) for life in self.tolls for toll in life[start:stop]]
        return float(sum(values) / len(values))

    @property
    def looks(self) -> float:
        """Looks per job."""
        return self._mean("looks")

    @property
    def delay(self) -> float:
        """Mean seconds from end to discovery."""
        return self._mean("delay")

    @property
    def worst(self) -> float:
        """The longest time an end went unnoticed, seconds."""
        return max(toll.delay for life in self.tolls for toll in life)

    @property
    def worst_with_queue(self) -> float:
        """The longest of those that were submitted after the queue was seen, seconds; 0 if none ever was."""
        return max((toll.delay for life in self.tolls for toll in life if toll.queue_seen), default=0.0)

    def cost(self, start: int = 0, stop: int | None = None) -> float:
        """Return the mean cost per job, of some of the jobs of each life, seconds."""
        return self._mean("cost", start, stop)
