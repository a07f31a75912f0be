"""When to look next: for the time being every `min_interval`."""

import heapq
from collections.abc import Hashable

import attrs

from ._models import Eta


@attrs.frozen
class Pacing:
    """How often to look.

    Args:
        min_interval: Seconds; never less between two looks at one task. The vendor advises 5 to 10.
        max_interval: Seconds; never more.
    """

    min_interval: float = 5.0
    max_interval: float = 60.0


@attrs.define
class Track:
    """What is known about one running task."""

    kind: Hashable
    submitted_at: float | None


class Forecast:
    """What one client has learned about how long tasks take."""

    def __init__(self, pacing: Pacing) -> None:
        self.pacing = pacing

    def track(self, kind: Hashable, *, now: float, submitted_at: float | None) -> Track:
        """Begin to follow a task."""
        del now
        return Track(kind, submitted_at)

    def first(self, track: Track, *, now: float, roll: float) -> float:
        """Tell the delay in seconds before the first look."""
        del now
        return 0.0 if track.submitted_at is None else self.pacing.min_interval * (1 + roll)

    def after(
        self, track: Track, *, percentage: int, wait_number: int, processing: bool, now: float, roll: float
    ) -> float:
        """Tell the delay in seconds before the next look."""
        del track, percentage, wait_number, processing, now, roll
        return self.pacing.min_interval

    def finish(self, track: Track, *, now: float, success: bool) -> None:
        """Learn from a task that ended."""

    def drop(self, track: Track) -> None:
        """Forget a task nobody waits for."""

    def eta(self, track: Track, *, now: float) -> Eta | None:
        """Tell when the task is expected to end."""


class Agenda:
    """The ids to look at, by time: a heap whose outdated entries are skipped when they come up."""

    def __init__(self) -> None:
        self._due: dict[int, float] = {}
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, id: object) -> bool:
        return id in self._due

    def put(self, id: int, due: float) -> None:
        """Schedule *id*, or schedule it anew."""
        self._due[id] = due
        heapq.heappush(self._heap, (due, id))

    def due(self, id: int) -> float:
        """Tell when *id* is due."""
        return self._due[id]

    def discard(self, id: int) -> None:
        """Take *id* off, if it is on."""
        self._due.pop(id, None)

    def next_due(self) -> float | None:
        """Tell when the next id is due."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop(self, now: float) -> int | None:
        """Take off the most overdue id, if one is due."""
        due = self.next_due()
        if due is None or due > now:
            return None
        _, id = heapq.heappop(self._heap)
        del self._due[id]
        return id
