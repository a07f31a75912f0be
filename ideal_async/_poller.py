"""The clock: one loop that looks at every task somebody waits for, when there may be something to see."""

import logging
import math
import random
from collections.abc import Awaitable, Callable, Hashable

import anyio
import anyio.lowlevel
import attrs

from ._errors import ConnectionFailed, IdealError, TaskFailed, Unauthorized
from ._forecast import Forecast, Track
from ._models import Task, TaskStatus
from ._observer import Observer
from ._retry import Failure, Retry
from ._schedule import Agenda
from ._waiter import Waiter
from ._watched import LastLooks, Watched, fail

logger = logging.getLogger("ideal_async")

#: Looks in flight that begin the moment they are due. Those that fall on one slot go out together, on few connections
#: that are warm: 300 tasks at once are found 1.15 s late with four and 1.5 s with two, and eight open half as many
#: connections more for no less.
_EAGER = 4
#: Seconds that a look is overdue before a fifth one begins beside those four, twice that before a sixth, and so on: a
#: backlog gets all the connections there are, and a cluster of looks waits its turn.
_PATIENCE = 0.5

#: Seconds. asyncio's timers fire up to its clock's resolution early, and sums are rounded: what is nearly due is due.
#: Else the loop would wake up and find nothing to do, again and again.
_RESOLUTION = 1e-6

#: What a look says is as old as its way back, and so is what a plan is made from. A look is therefore sent as long
#: before the planned moment as looks took lately: a running mean, in steps that keep looks of one slot together.
_LATENCY_WEIGHT = 0.1
_LATENCY_STEP = 0.05
_MOST_LATENCY = 1.0

#: What replanning one task costs, in steps of the walk over those that are not concerned; and steps in one turn of the
#: event loop, 2 ms of CPU in all.
_REPLAN_STEPS = 50
_STEPS_IN_TURN = 500
#: Looks in one turn of the event loop, where their answers come at once: 2 ms of CPU as well.
_LOOKS_IN_TURN = 8

#: Of the statuses and kinds that nobody knows, this many are remembered: they come from outside, and may never end.
_ODDITIES = 64
#: Characters of the words that a kind is made of.
_LONGEST_WORD = 40
_UNKNOWN = (
    "unknown task status %r: taken for a running task. "
    "Should it be an end without a video, waits end by their timeout only"
)


class Poller:
    """Looks for all waiters of one client.

    Args:
        fetch: Looks at one task; never raises, it returns a `Failure` instead.
        forecast: Tells when to look.
        retry: Tells for how long failing looks are ridden out.
        looks_at_once: In flight, at most; when more are due, the most overdue goes first.
        start_soon: Runs a look in the client's own task.
        on_end: Told once of a task that ended (its id, the last look, a reason without one) before any waiter is.
        observer: Told of each look, and of how many tasks are waited for.
    """

    def __init__(
        self,
        fetch: Callable[[int], Awaitable[Task | Failure]],
        *,
        forecast: Forecast,
        retry: Retry,
        looks_at_once: int,
        start_soon: Callable[..., object],
        on_end: Callable[[int, Task | None, str | None], Awaitable[None]],
        observer: Observer | None = None,
    ) -> None:
        self._fetch = fetch
        self._forecast = forecast
        self._retry = retry
        self._looks_at_once = looks_at_once
        self._start_soon = start_soon
        self._on_end = on_end
        self._observer = observer
        self._watched: dict[int, Watched] = {}
        self._agenda = Agenda()
        self._in_flight = 0
        self._wake = anyio.Event()
        self._closed = False
        self._latency = 0.0
        self._last_looks = LastLooks(forecast.pacing.min_interval)
        self._odd_statuses: set[str] = set()
        self._kinds: set[Hashable] = set()
        self._checked: int | None = None  # the task that alone is looked at, because the API said that the key is wrong

    def __repr__(self) -> str:
        return f"<Poller: {len(self._watched)} tasks, {self._in_flight} looks in flight>"

    def __len__(self) -> int:
        return len(self._watched)

    def join(self, task_id: int, waiter: Waiter, *, kind: Hashable = None, submitted_at: float | None = None) -> None:
        """Let *waiter* hear of a task; looks begin with the first one and are shared by all."""
        if self._closed:
            fail(waiter, ConnectionFailed(_CLOSED), task_id)
            return
        now, pacing = anyio.current_time(), self._forecast.pacing
        watched = self._watched.get(task_id)
        if watched is None:
            watched = self._begin(task_id, kind, submitted_at, now)
        watched.waiters.append(waiter)
        if watched.last is not None:
            waiter.task = watched.last
            if waiter.every_look:
                waiter.notify()
        interval = watched.interval(pacing)
        if interval is not None and not watched.looking and watched.failures == 0:
            looked_at = watched.looked_at if watched.looked_at is not None else now - pacing.min_interval
            planned = self._agenda.due(task_id)
            if planned is None or looked_at + interval < planned:
                self._schedule(task_id, looked_at + interval)

    def last_look(self, task_id: int) -> tuple[float, Task] | None:
        """Return when a task that somebody waits for was seen running, and the look; `None`: not yet."""
        watched = self._watched.get(task_id)
        if watched is None or watched.last is None or watched.looked_at is None:
            return None
        return watched.looked_at, watched.last

    def _begin(self, task_id: int, kind: Hashable, submitted_at: float | None, now: float) -> Watched:
        """Begin to look at a task."""
        track = self._forecast.track(kind, now=now, submitted_at=submitted_at)
        watched = self._watched[task_id] = Watched(track, kind_known=kind is not None)
        if self._observer is not None:
            self._observer.waiting(+1)
        due = now + self._forecast.first(track, now=now, roll=random.random())
        self._last_looks.recall(task_id, watched)
        if watched.looked_at is not None:
            due = max(due, watched.looked_at + self._forecast.pacing.min_interval)
        self._schedule(task_id, due)
        return watched

    def leave(self, task_id: int, waiter: Waiter) -> None:
        """Stop hearing; with the last waiter the looks end."""
        watched = self._watched.get(task_id)
        if watched is None or waiter not in watched.waiters:
            return
        watched.waiters.remove(waiter)
        if not watched.waiters:
            self._drop(task_id, watched)
            self._last_looks.keep(task_id, watched, anyio.current_time())

    def _drop(self, task_id: int, watched: Watched) -> None:
        """Look no more at a task that has not ended."""
        self._forget(task_id)
        self._forecast.drop(watched.track)

    def _forget(self, task_id: int) -> None:
        del self._watched[task_id]
        self._agenda.discard(task_id)
        if task_id == self._checked:
            self._check_key(next(iter(self._watched), None))
        if self._observer is not None:
            self._observer.waiting(-1)

    def _schedule(self, task_id: int, due: float) -> None:
        earliest = self._agenda.next_due()
        self._agenda.put(task_id, due)
        if earliest is None or due < earliest:
            self._wake.set()

    async def run(self) -> None:
        """Look when it is time, until cancelled."""
        while True:
            try:
                await self._look_when_due()
            except Exception:  # a mistake of ours about one task must not end the waits for others
                logger.exception("the looks went wrong, they go on in a while")
                await anyio.sleep(self._forecast.pacing.min_interval)

    async def _look_when_due(self) -> None:
        """Begin the looks that are due, and wait for the next."""
        while (patience := self._patience()) < math.inf and (look := self._take(patience)) is not None:
            self._in_flight += 1
            self._start_soon(self._look_while_due, *look)
        due = self._next_due()
        self._wake = anyio.Event()
        with anyio.CancelScope(deadline=math.inf if due is None else due + patience):
            await self._wake.wait()

    def _patience(self) -> float:
        """Return the seconds that a look must be overdue for one more to begin."""
        return _PATIENCE * max(0, self._in_flight + 1 - _EAGER) if self._in_flight < self._looks_at_once else math.inf

    def _take(self, patience: float = 0.0) -> tuple[int, Watched, float] | None:
        """Take the most overdue task off the agenda if it is overdue by *patience*, with the seconds it is."""
        now = anyio.current_time()
        while (look := self._pop(now, patience)) is not None:
            task_id, due = look
            watched = self._watched[task_id]
            try:
                later = now + self._reconsider(watched, now)
            except Exception as error:  # noqa: BLE001 - as in _look
                self._fail_unexpectedly(task_id, watched, error)
                continue
            if later <= now + _RESOLUTION:
                watched.looking = True
                return task_id, watched, now - due
            self._agenda.put(task_id, later)
        return None

    def _pop(self, now: float, patience: float) -> tuple[int, float] | None:
        due = self._next_due()
        if due is None or due + patience > now + _RESOLUTION:
            return None
        if self._checked is None:
            return self._agenda.pop(due)
        self._agenda.discard(self._checked)
        return self._checked, due

    def _reconsider(self, watched: Watched, now: float) -> float:
        """Return how much later a first look can be made, in view of what others have shown since it was planned."""
        if watched.looked_at is not None or watched.interval(self._forecast.pacing) is not None:
            return 0.0
        return self._forecast.reconsider(watched.track, now=now, roll=random.random())

    def _next_due(self) -> float | None:
        return self._agenda.next_due() if self._checked is None else self._agenda.due(self._checked)

    def _check_key(self, task_id: int | None) -> None:
        """Look at one task alone, in a while, while the others wait; `None`: the key is right, all go on."""
        self._checked = task_id
        if task_id is not None:
            watched, now = self._watched[task_id], anyio.current_time()
            if not watched.looking:
                self._agenda.put(task_id, now + self._forecast.pacing.min_interval)
        self._wake.set()

    async def _look_while_due(self, task_id: int, watched: Watched, late: float) -> None:
        """Look at a task, then at whatever else is due: a burst needs no task of the event loop for each look."""
        looks = 0
        try:
            while not _is_end(outcome := await self._look(task_id, watched, late)):
                looks += 1
                if looks % _LOOKS_IN_TURN == 0:
                    await anyio.lowlevel.checkpoint()  # a transport of a test may answer without giving way
                look = self._take()
                if look is None:
                    return
                task_id, watched, late = look
        except Exception as error:  # noqa: BLE001 - as in _look
            self._fail_unexpectedly(task_id, watched, error)
            return
        finally:
            if self._in_flight >= min(_EAGER, self._looks_at_once):
                self._wake.set()  # the loop waits for longer than the next due
            self._in_flight -= 1
        try:
            await self._end(task_id, watched, outcome, anyio.current_time())
        except Exception as error:  # noqa: BLE001 - as in _look
            self._fail_unexpectedly(task_id, watched, error)

    async def _look(self, task_id: int, watched: Watched, late: float) -> Task | Failure:
        sent_at = anyio.current_time()
        outcome = await self._fetch(task_id)
        if self._observer is not None:
            self._observer.looked(task_id, outcome.error if isinstance(outcome, Failure) else outcome, late)
        watched.looked_at = now = anyio.current_time()
        if not isinstance(outcome, Failure):
            self._latency += _LATENCY_WEIGHT * (min(now - sent_at, _MOST_LATENCY) - self._latency)
            outcome = watched.confirm(outcome)
        if task_id == self._checked and not (isinstance(outcome, Failure) and isinstance(outcome.error, Unauthorized)):
            self._check_key(None)
        try:
            if _is_end(outcome) or self._watched.get(task_id) is not watched:
                pass  # the end comes later; or everybody left meanwhile
            elif isinstance(outcome, Failure):
                self._after_failure(task_id, watched, outcome, now)
            else:
                self._after_look(task_id, watched, outcome, now)
        except Exception as error:  # noqa: BLE001 - a mistake of ours about one task must not end the waits for others
            self._fail_unexpectedly(task_id, watched, error)
        return outcome

    def _after_look(self, task_id: int, watched: Watched, task: Task, now: float) -> None:
        """Plan the next look at a task that still runs, and show this one."""
        watched.looking, watched.failures = False, 0
        status = task.status
        if not isinstance(status, TaskStatus) and status not in self._odd_statuses:
            self._odd_statuses.add(status)
            if len(self._odd_statuses) <= _ODDITIES:
                logger.warning(_UNKNOWN, status[:40])
            else:
                self._odd_statuses.remove(status)
        if not watched.kind_known and self._is_kind(task.input.kind):
            # A task that was not submitted here tells only now what it is.
            self._forecast.drop(watched.track)
            watched.kind_known = True
            watched.track = self._forecast.track(task.input.kind, now=now, submitted_at=None)
        delay = self._forecast.after(
            watched.track,
            percentage=task.percentage,
            wait_number=task.wait_number,
            processing=status != TaskStatus.UNPROCESSED,
            now=now,
            roll=random.random(),
        )
        if watched.result_url is not None:
            delay = self._forecast.pacing.min_interval  # the next look tells whether it has succeeded
        ahead = _LATENCY_STEP * round(self._latency / _LATENCY_STEP)
        delay = max(delay - ahead, self._forecast.pacing.min_interval)
        interval = watched.interval(self._forecast.pacing)
        self._schedule(task_id, now + (delay if interval is None else min(delay, interval)))
        eta = self._forecast.eta(watched.track, now=now)
        if not watched.shown:
            # Nobody sees this look, but it is kept until the next: without the API's own object, half of its memory.
            task = attrs.evolve(task, eta=eta, raw={})
        elif eta is not None:
            task = attrs.evolve(task, eta=eta)
        watched.show(task)

    def _after_failure(self, task_id: int, watched: Watched, failure: Failure, now: float) -> None:
        """Plan the next look after one that failed, or end the waits."""
        watched.looking = False
        error = failure.error
        if isinstance(error, Unauthorized):
            if task_id == self._checked:
                self.fail_all(error)  # the key is everybody's
                return
            self._schedule(task_id, now + self._forecast.pacing.min_interval)
            if self._checked is None:  # a single one may be a hiccup: one task is looked at alone before all waits end
                logger.warning("the API says that the key is wrong (%s): looking once more before all waits end", error)
                self._check_key(task_id)
            return
        watched.note_failure(failure, now)
        delay = self._retry.look_delay(
            failure,
            attempt=watched.failures,
            elapsed=now - watched.failing_since,
            alike=now - watched.alike_since,
            roll=random.random(),
        )
        if delay is not None:
            logger.debug("look at %d: %s, again in %.1f s", task_id, type(error).__name__, delay)
            self._schedule(task_id, now + max(delay, self._forecast.pacing.min_interval))
            return
        self._drop(task_id, watched)
        watched.fail(error, task_id)

    def _is_kind(self, kind: tuple[str, str, int, bool] | None) -> bool:
        """Tell whether to learn from a task of this kind."""
        if kind is None or max(len(str(word)) for word in kind) > _LONGEST_WORD:
            return False
        if len(self._kinds) < _ODDITIES:
            self._kinds.add(kind)
        return kind in self._kinds

    async def _end(self, task_id: int, watched: Watched, outcome: Task | Failure, now: float) -> None:
        """Take in the end of a task; it counts even when nobody waits any more."""
        task, error = (None, outcome.error) if isinstance(outcome, Failure) else (outcome, None)
        await self._on_end(task_id, task, error.reason if isinstance(error, TaskFailed) else None)
        if self._watched.get(task_id) is not watched:
            return
        surprise = self._forecast.finish(watched.track, now=now, success=task is not None and task.succeeded)
        self._forget(task_id)
        if surprise:
            self._start_soon(self._replan, watched.track)
        if isinstance(outcome, Failure):
            watched.fail(outcome.error, task_id)
        else:
            watched.end(outcome)

    async def _replan(self, ended: Track) -> None:
        """Plan anew the next looks at all tasks that the surprising end of one concerns; they can only come sooner."""
        steps = 0
        for task_id in list(self._watched):
            steps += 1
            watched, due = self._watched.get(task_id), self._agenda.due(task_id)
            now = anyio.current_time()
            # It may be gone meanwhile, be looked at, be in trouble, or be due soon anyway.
            if (
                watched is not None
                and due is not None
                and not watched.failures
                and due > now + self._forecast.pacing.min_interval
            ):
                delay = self._forecast.replan(watched.track, because=ended, now=now, roll=random.random())
                if delay is not None:
                    self._schedule(task_id, min(due, now + delay))
                    steps += _REPLAN_STEPS
            if steps >= _STEPS_IN_TURN:
                steps = 0
                await anyio.lowlevel.checkpoint()  # others want the event loop too

    def _fail_unexpectedly(self, task_id: int, watched: Watched, error: Exception) -> None:
        """End the waits for one task with an error nobody foresaw."""
        logger.error("waiting for task %d went wrong", task_id, exc_info=error)
        for waiter in watched.waiters:
            waiter.error = error
            waiter.notify()
        if self._watched.get(task_id) is watched:
            self._drop(task_id, watched)

    def fail_all(self, error: IdealError | None = None) -> None:
        """End every wait; without *error* because the client is closed."""
        self._closed = self._closed or error is None
        for task_id, watched in list(self._watched.items()):
            self._drop(task_id, watched)
            watched.fail(error or ConnectionFailed(_CLOSED), task_id)


_CLOSED = "the client was closed before the end of this task was seen: wait for its id with a new client"


def _is_end(outcome: Task | Failure) -> bool:
    """There is nothing more to see; 9038 is a failed task."""
    return isinstance(outcome.error, TaskFailed) if isinstance(outcome, Failure) else outcome.done
