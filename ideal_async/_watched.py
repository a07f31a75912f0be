"""What the poller knows of each task that somebody waits for, and of those that everybody has just left."""

from collections import OrderedDict

import attrs

from ._errors import IdealError
from ._forecast import Pacing, Track
from ._identity import redact_url
from ._models import Task, TaskStatus
from ._retry import Failure
from ._waiter import Waiter


class Watched:
    """One task and those who wait for it."""

    __slots__ = (
        *("alike_since", "failing_since", "failures", "kind_known", "last", "looked_at", "looking"),
        *("result_url", "track", "trouble", "waiters"),
    )

    def __init__(self, track: Track, *, kind_known: bool) -> None:
        self.track = track
        self.kind_known = kind_known
        self.waiters: list[Waiter] = []
        self.last: Task | None = None
        self.looked_at: float | None = None
        self.looking = False
        self.trouble: object = None
        self.failures = 0
        self.failing_since = self.alike_since = 0.0
        self.result_url: str | None = None

    def note_failure(self, failure: Failure, now: float) -> None:
        """Count the failures in a row that are alike, and remember when they began."""
        if self.failures == 0:
            self.failing_since, self.trouble = now, None
        trouble = failure.passes, failure.limit
        if trouble != self.trouble:
            self.trouble, self.alike_since, self.failures = trouble, now, 0
        self.failures += 1

    def confirm(self, task: Task) -> Task:
        """Return a look; one with a status that nobody knows has succeeded when its result was there before."""
        if isinstance(task.status, TaskStatus) or task.output is None:
            self.result_url = None
            return task
        url, known = redact_url(task.output.result_url), self.result_url  # it may be signed anew for each look
        self.result_url = url
        return attrs.evolve(task, status=TaskStatus.SUCCESS) if url == known else task

    def interval(self, pacing: Pacing) -> float | None:
        """Return the seconds between looks that the most curious waiter asks for."""
        asked = [waiter.max_interval for waiter in self.waiters if waiter.max_interval is not None]
        return max(pacing.min_interval, min(asked)) if asked else None

    @property
    def shown(self) -> bool:
        """Whether somebody wants to see every look."""
        return any(waiter.every_look for waiter in self.waiters)

    def show(self, task: Task) -> None:
        """Show a look that found the task running."""
        self.last = task
        for waiter in self.waiters:
            waiter.task = task
            if waiter.every_look:
                waiter.notify()

    def end(self, task: Task) -> None:
        """Show the last look."""
        for waiter in self.waiters:
            waiter.task = task
            waiter.notify()

    def fail(self, error: IdealError, task_id: int) -> None:
        """End every wait with *error*."""
        for waiter in self.waiters:
            fail(waiter, error, task_id)


def fail(waiter: Waiter, error: IdealError, task_id: int) -> None:
    """End one wait with an exception of its own: a shared one would collect everybody's traceback."""
    waiter.error = error.again()
    waiter.error.task_id = task_id
    waiter.notify()


class LastLooks:
    """The last looks at tasks that everybody left, kept for *min_interval* seconds.

    Whoever comes back sooner must not look more often than agreed.
    """

    def __init__(self, min_interval: float) -> None:
        self._min_interval = min_interval
        self._left: OrderedDict[int, tuple[float, float, Task | None]] = OrderedDict()  # left at, looked at, last look

    def __len__(self) -> int:
        return len(self._left)

    def keep(self, task_id: int, watched: Watched, now: float) -> None:
        """Keep the last look at a task that everybody leaves *now*."""
        while self._left and next(iter(self._left.values()))[0] + self._min_interval <= now:
            self._left.popitem(last=False)
        looked_at = now if watched.looking else watched.looked_at
        if looked_at is not None:
            self._left[task_id] = now, looked_at, watched.last
            self._left.move_to_end(task_id)

    def recall(self, task_id: int, watched: Watched) -> None:
        """Give the last look, if there is one, to the new record of a task that somebody comes back to."""
        left = self._left.pop(task_id, None)
        if left is not None:
            _, watched.looked_at, watched.last = left
