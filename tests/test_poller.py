"""One loop for all tasks: who is looked at when, and who hears of it."""

import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from ideal_async import (
    ApiError,
    AsyncClient,
    ConnectionFailed,
    IdealError,
    ImageToVideo,
    InvalidRequest,
    Journal,
    Pacing,
    RateLimited,
    RequestFailed,
    Retry,
    Task,
    TaskFailed,
    TaskInput,
    TaskStatus,
    Unauthorized,
)
from ideal_async._forecast import Forecast
from ideal_async._poller import Poller
from ideal_async._retry import Failure, Sent
from ideal_async._waiter import Waiter

RUNNING, SUCCESS = TaskStatus.PROCESSING, TaskStatus.SUCCESS


class Fixed(Forecast):
    """Looks at once, and then every five seconds: these tests are about the loop, not about the guess."""

    def __init__(self, every: float = 5.0) -> None:
        super().__init__(Pacing(min_interval=every, max_interval=max(60.0, every)))
        self.delay = every
        self.followed = 0
        self.finished: list[bool] = []

    def track(self, *args: Any, **more: Any) -> Any:
        """One more."""
        self.followed += 1
        return super().track(*args, **more)

    def first(self, *_: Any, **__: Any) -> float:
        """At once."""
        return 0.0

    def after(self, *_: Any, **__: Any) -> float:
        """Always the same."""
        return self.delay

    def eta(self, *_: Any, **__: Any) -> None:
        """No idea."""

    def finish(self, track: Any, *, now: float, success: bool) -> bool:
        """One less."""
        self.followed -= 1
        self.finished.append(success)
        return super().finish(track, now=now, success=success)

    def drop(self, track: Any) -> None:
        """One less."""
        self.followed -= 1
        super().drop(track)


class World:
    """What a look shows, and when each was made."""

    def __init__(self, show: Callable[[int], Task | Failure | Awaitable[Task | Failure]]) -> None:
        self.show = show
        self.looks: list[tuple[float, int]] = []
        self.ends: list[tuple[int, Task | None, str | None]] = []
        self.forecast = Fixed()

    async def fetch(self, task_id: int) -> Task | Failure:
        """Note the look, and show what there is to see."""
        self.looks.append((anyio.current_time() - self.began, task_id))
        shown = self.show(task_id)
        return await shown if isinstance(shown, Awaitable) else shown

    async def on_end(self, task_id: int, task: Task | None, reason: str | None) -> None:
        """Note the end."""
        self.ends.append((task_id, task, reason))

    @asynccontextmanager
    async def poller(self, *, looks_at_once: int = 10, retry: Retry | None = None) -> AsyncGenerator[Poller]:
        """Run a poller on it."""
        self.began = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            poller = Poller(
                self.fetch,
                forecast=self.forecast,
                retry=retry or Retry(),
                looks_at_once=looks_at_once,
                start_soon=tasks.start_soon,
                on_end=self.on_end,
            )
            tasks.start_soon(poller.run)
            yield poller
            tasks.cancel_scope.cancel()

    def times(self, task_id: int = 1) -> list[float]:
        """When a task was looked at."""
        return [time for time, id in self.looks if id == task_id]


def ends_at(seconds: float, status: TaskStatus = SUCCESS) -> Callable[[int], Task]:
    """Each task ends so many seconds after the first look of all."""
    began: list[float] = []

    def show(task_id: int) -> Task:
        began.append(anyio.current_time())
        over = anyio.current_time() - began[0] >= seconds
        return Task(task_id, status if over else RUNNING, len(began))

    return show


@contextmanager
def following(poller: Poller, task_id: int, waiter: Waiter) -> Iterator[None]:
    poller.join(task_id, waiter)
    try:
        yield
    finally:
        poller.leave(task_id, waiter)


async def follow(poller: Poller, task_id: int = 1, **more: Any) -> Task | Exception:
    waiter = Waiter(**more)
    with following(poller, task_id, waiter), suppress(IdealError):
        await waiter.next_look(task_id)
    outcome = waiter.error or waiter.task
    assert outcome is not None
    return outcome


def fail(error: IdealError) -> Failure:
    return Failure(Sent.ANSWERED, error)


@pytest.mark.anyio
async def test_a_task_is_looked_at_until_it_ends() -> None:
    """And then no more; its end is booked before any waiter is told."""
    world = World(ends_at(12))
    async with world.poller() as poller:
        task = await follow(poller)
        assert len(world.ends) == 1
        await anyio.sleep(60)
        assert len(poller) == 0
    assert isinstance(task, Task)
    assert task.succeeded
    assert world.times() == [0.0, 5.0, 10.0, 15.0]
    assert world.ends == [(1, task, None)]
    assert (world.forecast.finished, world.forecast.followed) == ([True], 0)


@pytest.mark.anyio
async def test_two_waiters_share_looks() -> None:
    """The second one costs nothing, and hears of the end at the same moment."""
    world = World(ends_at(12))
    heard: list[float] = []

    async def wait(poller: Poller, delay: float) -> None:
        await anyio.sleep(delay)
        await follow(poller)
        heard.append(anyio.current_time() - world.began)

    async with world.poller() as poller, anyio.create_task_group() as waiters:
        for delay in (0, 0, 7):
            waiters.start_soon(wait, poller, delay)
    assert world.times() == [0.0, 5.0, 10.0, 15.0]
    assert heard == [15.0, 15.0, 15.0]


@pytest.mark.anyio
async def test_without_a_waiter_there_are_no_looks() -> None:
    """The last one to leave turns off the light; what was known of the task is dropped."""
    world = World(ends_at(1000))
    async with world.poller() as poller:
        with anyio.move_on_after(12):
            await follow(poller)
        await anyio.sleep(100)
        assert (len(poller), world.forecast.followed) == (0, 0)
    assert world.times() == [0.0, 5.0, 10.0]


@pytest.mark.anyio
async def test_a_waiter_that_leaves_does_not_disturb_another() -> None:
    """Looks go on for who stays."""
    world = World(ends_at(12))
    async with world.poller() as poller, anyio.create_task_group() as waiters:
        waiters.start_soon(follow, poller)
        with anyio.move_on_after(3):
            await follow(poller)
    assert world.times() == [0.0, 5.0, 10.0, 15.0]


@pytest.mark.anyio
async def test_coming_back_is_no_way_to_look_more_often() -> None:
    """A caller that waits a second at a time, again and again, gets the looks of one that waits."""
    world = World(ends_at(1000))
    async with world.poller() as poller:
        for _ in range(29):
            with anyio.move_on_after(1):
                await follow(poller)
    assert world.times() == [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]


@pytest.mark.anyio
async def test_coming_back_during_a_look_counts_that_look() -> None:
    """It is on its way, whoever it was for."""

    async def slowly(task_id: int) -> Task:
        await anyio.sleep(2)
        return Task(task_id, RUNNING)

    world = World(slowly)
    async with world.poller() as poller:
        with anyio.move_on_after(1):
            await follow(poller)
        with anyio.move_on_after(10):
            await follow(poller)
    assert world.times() == [0.0, 6.0]


@pytest.mark.anyio
async def test_what_was_seen_by_those_who_left_is_soon_forgotten() -> None:
    """A million tasks that were once waited for fill no memory."""
    world = World(lambda task_id: Task(task_id, RUNNING))
    async with world.poller() as poller:
        for task_id in range(100):
            with anyio.move_on_after(1):
                await follow(poller, task_id)
        assert len(poller._last_looks) <= 6


@pytest.mark.anyio
async def test_a_watcher_is_shown_the_last_look_at_once() -> None:
    """Somebody opens a page in the middle of a task."""
    world = World(lambda task_id: Task(task_id, RUNNING, 30))
    async with world.poller() as poller, anyio.create_task_group() as waiters:
        waiters.start_soon(follow, poller)
        await anyio.sleep(7)
        task = await follow(poller, every_look=True)
        assert anyio.current_time() - world.began == 7
        waiters.cancel_scope.cancel()
    assert isinstance(task, Task)
    assert task.percentage == 30


@pytest.mark.anyio
async def test_who_came_back_is_shown_what_was_seen_last() -> None:
    """A page that is reloaded shows something at once."""
    world = World(lambda task_id: Task(task_id, RUNNING, 30))
    async with world.poller() as poller:
        with anyio.move_on_after(2):
            await follow(poller)
        task = await follow(poller, every_look=True)
        assert anyio.current_time() - world.began == 2
    assert isinstance(task, Task)


@pytest.mark.anyio
async def test_a_watcher_sees_every_look_and_misses_are_conflated() -> None:
    """A slow one gets the newest, never a backlog."""
    world = World(ends_at(32))
    seen: list[int] = []
    async with world.poller() as poller:
        waiter = Waiter(every_look=True)
        with following(poller, 1, waiter):
            while waiter.task is None or not waiter.task.done:
                task = await waiter.next_look(1)
                seen.append(task.percentage)
                await anyio.sleep(12 if len(seen) == 2 else 0)
    assert world.times() == [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0]
    assert seen == [1, 2, 4, 5, 6, 7, 8]


@pytest.mark.anyio
@pytest.mark.parametrize(("asked", "between"), [(8.0, 8.0), (1.0, 5.0), (100.0, 20.0)])
async def test_a_watcher_may_ask_for_more_looks_but_not_for_too_many(asked: float, between: float) -> None:
    """Between `min_interval` and what pacing has in mind."""
    world = World(lambda task_id: Task(task_id, RUNNING))
    world.forecast.after = lambda *_, **__: 20.0  # type: ignore[method-assign]  # another guess
    async with world.poller() as poller:
        waiter = Waiter(max_interval=asked)
        with anyio.move_on_after(50), following(poller, 1, waiter):
            await anyio.sleep_forever()
    assert world.times() == [between * number for number in range(len(world.times()))]


@pytest.mark.anyio
async def test_a_curious_watcher_brings_the_next_look_forward() -> None:
    """It comes in the middle of a long pause, and does not shorten what is shorter already."""
    world = World(lambda task_id: Task(task_id, RUNNING))
    world.forecast.after = lambda *_, **__: 60.0  # type: ignore[method-assign]  # another guess
    async with world.poller() as poller, anyio.create_task_group() as waiters:
        waiters.start_soon(follow, poller)
        await anyio.sleep(20)
        with anyio.move_on_after(25), following(poller, 1, Waiter(max_interval=30.0)):
            await anyio.sleep_forever()
        waiters.cancel_scope.cancel()
    assert world.times() == [0.0, 30.0]


@pytest.mark.anyio
async def test_a_watcher_may_come_while_the_end_is_being_booked() -> None:
    """The journal takes its time; who joins meanwhile is told too."""
    world = World(ends_at(0))
    booking = anyio.Event()

    async def book(*_: Any) -> None:
        booking.set()
        await anyio.sleep(3)

    world.on_end = book  # type: ignore[assignment, method-assign]  # a slow disk
    async with world.poller() as poller, anyio.create_task_group() as waiters:
        waiters.start_soon(follow, poller)
        await booking.wait()
        task = await follow(poller, max_interval=5.0)
    assert isinstance(task, Task)
    assert world.times() == [0.0]


@pytest.mark.anyio
async def test_the_end_counts_even_when_nobody_waits_any_more() -> None:
    """A refund is booked whoever hears of it."""

    async def slowly(task_id: int) -> Task:
        await anyio.sleep(2)
        return Task(task_id, TaskStatus.FAILED)

    world = World(slowly)
    async with world.poller() as poller:
        with anyio.move_on_after(1):
            await follow(poller)
        await anyio.sleep(5)
    assert world.ends == [(1, Task(1, TaskStatus.FAILED), None)]


@pytest.mark.anyio
async def test_a_result_nobody_waits_for_is_dropped() -> None:
    """The look was on its way when the last one left."""

    async def slowly(task_id: int) -> Task:
        await anyio.sleep(2)
        return Task(task_id, RUNNING)

    world = World(slowly)
    async with world.poller() as poller:
        with anyio.move_on_after(1):
            await follow(poller)
        await anyio.sleep(20)
        assert len(poller) == 0
    assert world.times() == [0.0]


# Many tasks


@pytest.mark.anyio
async def test_a_cluster_waits_its_turn_and_a_backlog_gets_all_the_connections_there_are() -> None:
    """Four looks begin at once; each further one when one is overdue by half a second more."""

    async def slow(number: int) -> Task:
        await anyio.sleep(10.0)
        return Task(number, SUCCESS)

    world = World(slow)
    async with world.poller(looks_at_once=7) as poller, anyio.create_task_group() as waiters:
        for number in range(10):
            waiters.start_soon(follow, poller, number)
        await anyio.sleep(9.0)
        assert [time for time, _ in world.looks] == pytest.approx([0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 1.5])
    assert [time for time, _ in world.looks[7:]] == pytest.approx([10.0, 10.0, 10.0])


@pytest.mark.anyio
@pytest.mark.parametrize(("takes", "ahead"), [(0.4, 0.4), (0.315, 0.3), (3.0, 1.0), (0.001, 0.0)])
async def test_a_look_is_sent_as_long_before_its_moment_as_looks_take(takes: float, ahead: float) -> None:
    """So that its answer comes when planned; up to a second, in steps of 0.05 s, and never closer than agreed."""

    async def slow(number: int) -> Task:
        await anyio.sleep(takes)
        return Task(number, RUNNING)

    for planned, most in ((20.0, 1.0), (5.2, 0.2)):
        world = World(slow)
        world.forecast.delay = planned
        async with world.poller() as poller, anyio.create_task_group() as waiters:
            waiters.start_soon(follow, poller, 1)
            await anyio.sleep(60 * (planned + takes))
            waiters.cancel_scope.cancel()
        *_, before, last = world.times()
        assert last - before - takes == pytest.approx(planned - min(ahead, most), abs=0.005)


@pytest.mark.anyio
async def test_no_more_looks_at_once_than_agreed_and_the_most_overdue_goes_first() -> None:
    """Nobody starves: with room for three, thirty tasks are looked at in turn."""
    running, most = 0, 0

    async def slowly(task_id: int) -> Task:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.sleep(1)
        running -= 1
        return Task(task_id, RUNNING)

    world = World(slowly)
    async with world.poller(looks_at_once=3) as poller, anyio.create_task_group() as waiters:
        for task_id in range(30):
            waiters.start_soon(follow, poller, task_id)
        await anyio.sleep(29.5)
        waiters.cancel_scope.cancel()
    assert most == 3
    turns = [[id for _, id in world.looks[start : start + 30]] for start in (0, 30, 60)]
    assert [sorted(turn) for turn in turns] == [list(range(30))] * 3


@pytest.mark.anyio
async def test_answers_that_come_at_once_leave_the_event_loop_to_others_now_and_then() -> None:
    """As those of a mock do: eight looks in a turn, by each of the four that begin at once."""
    turns, looks = 0, Counter[int]()

    def show(task_id: int) -> Task:
        looks[turns] += 1
        return Task(task_id, RUNNING)

    world = World(show)
    async with world.poller() as poller, anyio.create_task_group() as waiters:
        for task_id in range(200):
            waiters.start_soon(follow, poller, task_id)
        while looks.total() < 200:
            await anyio.lowlevel.checkpoint()
            turns += 1
        waiters.cancel_scope.cancel()
    assert max(looks.values()) <= 2 * 4 * 8  # trio takes turns in any order: two of theirs may lie between two of ours


@pytest.mark.anyio
async def test_an_earlier_look_wakes_the_loop() -> None:
    """It sleeps until the next one, whichever that is by then."""
    world = World(lambda task_id: Task(task_id, RUNNING))
    async with world.poller() as poller, anyio.create_task_group() as waiters:
        waiters.start_soon(follow, poller, 1)
        await anyio.sleep(2)
        waiters.start_soon(follow, poller, 2)
        await anyio.sleep(11)
        waiters.cancel_scope.cancel()
    assert world.looks == [(0.0, 1), (2.0, 2), (5.0, 1), (7.0, 2), (10.0, 1), (12.0, 2)]


@pytest.mark.anyio
async def test_the_loop_sleeps_between_looks() -> None:
    """No timer ticks where nothing is due."""
    world = World(ends_at(2_000))
    async with world.poller() as poller:
        assert repr(poller) == "<Poller: 0 tasks, 0 looks in flight>"
        await follow(poller)
    assert len(world.looks) == 401


# Trouble


@pytest.mark.anyio
@pytest.mark.parametrize(
    "trouble",
    [ConnectionFailed("lost"), ApiError(503, "gateway", http_status=503), RateLimited(429, "slow", http_status=429)],
)
async def test_an_outage_is_ridden_out(trouble: IdealError) -> None:
    """Twenty minutes of it, when that is allowed; the task is paid."""
    looks = 0

    def show(task_id: int) -> Task | Failure:
        nonlocal looks
        looks += 1
        return fail(trouble) if anyio.current_time() - world.began < 1200 else Task(task_id, SUCCESS)

    world = World(show)
    async with world.poller(retry=Retry(outage=3600)) as poller:
        task = await follow(poller)
    assert isinstance(task, Task)
    gaps = [later - earlier for earlier, later in zip(world.times(), world.times()[1:], strict=False)]
    assert all(5.0 <= gap <= 30.0 for gap in gaps)
    assert looks < 100


@pytest.mark.anyio
async def test_an_outage_ends_the_wait_when_it_lasts_too_long() -> None:
    """Counted from its first failed look, not from the beginning of the wait."""

    def show(task_id: int) -> Task | Failure:
        return fail(ConnectionFailed("lost")) if anyio.current_time() - world.began > 1000 else Task(task_id, RUNNING)

    world = World(show)
    async with world.poller(retry=Retry(outage=600)) as poller:
        error = await follow(poller)
        assert (len(poller), world.forecast.followed) == (0, 0)
    assert isinstance(error, ConnectionFailed)
    assert error.task_id == 1
    assert 1600 <= world.times()[-1] <= 1640


@pytest.mark.anyio
async def test_a_good_look_ends_an_outage() -> None:
    """Two short ones are not a long one."""

    def show(task_id: int) -> Task | Failure:
        now = anyio.current_time() - world.began
        if now > 1500:
            return Task(task_id, SUCCESS)
        return fail(ConnectionFailed("lost")) if now % 500 < 400 else Task(task_id, RUNNING)

    world = World(show)
    async with world.poller(retry=Retry(outage=450)) as poller:
        assert isinstance(await follow(poller), Task)


@pytest.mark.anyio
@pytest.mark.parametrize(("times", "ends"), [(2, False), (3, True)])
async def test_a_generic_failure_is_believed_the_third_time_in_a_row(times: int, ends: bool) -> None:
    """1001 may be a hiccup; it ends only its own task."""
    looks = 0

    def show(task_id: int) -> Task | Failure:
        nonlocal looks
        if task_id == 2:
            return Task(task_id, RUNNING)
        looks += 1
        return fail(RequestFailed(1001, "no", http_status=200)) if looks <= times else Task(task_id, SUCCESS)

    world = World(show)
    async with world.poller() as poller, anyio.create_task_group() as waiters:
        waiters.start_soon(follow, poller, 2)
        outcome = await follow(poller)
        assert len(poller) == 1
        waiters.cancel_scope.cancel()
    assert isinstance(outcome, RequestFailed if ends else Task)


@pytest.mark.anyio
async def test_an_outage_does_not_count_for_a_generic_failure() -> None:
    """After an hour without network the first 1001 is still the first."""
    odd = fail(RequestFailed(1001, "no", http_status=200))
    lost = fail(ConnectionFailed("lost"))
    shown: Iterator[Task | Failure] = iter([*[lost] * 10, odd, odd, lost, odd, odd, Task(1, SUCCESS)])
    async with World(lambda _: next(shown)).poller() as poller:
        assert isinstance(await follow(poller), Task)


@pytest.mark.anyio
@pytest.mark.parametrize("step", ["fetch", "reconsider", "next_due"])
async def test_a_mistake_of_ours_ends_no_other_looks(
    step: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The wait it is about, where there is one, ends with it; the others go on."""
    mistakes: list[str] = []

    def show(task_id: int) -> Task:
        mistaken("fetch", task_id == 1)
        return Task(task_id, SUCCESS if anyio.current_time() - world.began > 20 else RUNNING)

    def mistaken(where: str, here: bool) -> None:
        if where == step and here and not mistakes:
            mistakes.append(where)
            raise LookupError("nobody foresaw it")

    world = World(show)

    def reconsider(*_: Any, **__: Any) -> float:
        mistaken("reconsider", here=True)
        return 0.0

    def next_due(poller: Poller) -> float | None:
        mistaken("next_due", len(poller) == 2)
        return ask(poller)

    ask = Poller._next_due
    monkeypatch.setattr(world.forecast, "reconsider", reconsider)
    monkeypatch.setattr(Poller, "_next_due", next_due)
    ended: dict[int, object] = {}

    async def wait(task_id: int) -> None:
        waiter = Waiter()
        poller.join(task_id, waiter)
        try:
            ended[task_id] = (await waiter.next_look(task_id)).status
        except LookupError as error:
            ended[task_id] = str(error)

    async with world.poller() as poller, anyio.create_task_group() as tasks:
        for task_id in (1, 2):
            tasks.start_soon(wait, task_id)
    # Behind a look the loop is asked on that task's behalf: on trio either of the two may come first.
    own = {SUCCESS, "nobody foresaw it"} if step == "next_due" else {"nobody foresaw it"}
    ends = [*ended.values()]
    ends.remove(SUCCESS)
    assert len(ends) == 1
    assert own >= {*ends}
    assert mistakes == [step]
    assert "LookupError: nobody foresaw it" in caplog.text


@pytest.mark.anyio
async def test_a_wrong_id_ends_its_own_wait_only() -> None:
    """1011, at once."""

    def show(task_id: int) -> Task | Failure:
        return fail(InvalidRequest(1011, "no such task", http_status=200)) if task_id == 1 else Task(task_id, RUNNING)

    world = World(show)
    async with world.poller() as poller, anyio.create_task_group() as waiters:
        waiters.start_soon(follow, poller, 2)
        error = await follow(poller)
        assert len(poller) == 1
        waiters.cancel_scope.cancel()
    assert isinstance(error, InvalidRequest)
    assert (error.task_id, world.times()) == (1, [0.0])


@pytest.mark.anyio
async def test_whose_look_is_on_its_way_can_vouch_for_the_key() -> None:
    """The task that was to be looked at alone has nobody left: another's look, already under way, decides."""

    async def show_late() -> Task:
        await anyio.sleep(20)
        return Task(2, RUNNING)

    def show(task_id: int) -> Any:
        return fail(Unauthorized(5002, "no", http_status=200)) if task_id == 1 else show_late()

    world, gone, stays = World(show), Waiter(), Waiter()
    async with world.poller() as poller:
        with following(poller, 2, stays):
            with following(poller, 1, gone):
                await anyio.sleep(2)
            await anyio.sleep(30)
    assert (world.times(1), world.times(2)) == ([0.0], [0.0, 25.0])
    assert (gone.error, stays.error) == (None, None)


@pytest.mark.anyio
async def test_a_refused_key_ends_every_wait() -> None:
    """5002: the key is everybody's; each waiter gets an exception of its own that names its task."""
    errors: list[IdealError] = []

    def show(task_id: int) -> Task | Failure:
        return fail(Unauthorized(5002, "no", http_status=200)) if task_id == 3 else Task(task_id, RUNNING)

    async def wait(poller: Poller, task_id: int) -> None:
        error = await follow(poller, task_id)
        assert isinstance(error, Unauthorized)
        errors.append(error)

    world = World(show)
    async with world.poller() as poller, anyio.create_task_group() as waiters:
        for task_id in (1, 1, 2, 3):
            waiters.start_soon(wait, poller, task_id)
    assert sorted(str(error.task_id) for error in errors) == ["1", "1", "2", "3"]
    assert len({id(error) for error in errors}) == 4
    assert world.forecast.followed == 0


@pytest.mark.anyio
async def test_prohibited_content_is_the_end_of_a_task() -> None:
    """9038: there is no task to show, but there is a refund to book."""
    world = World(lambda task_id: fail(TaskFailed("prohibited", task=None, task_id=task_id)))
    async with world.poller() as poller:
        error = await follow(poller)
    assert isinstance(error, TaskFailed)
    assert (error.reason, error.task_id, world.ends) == ("prohibited", 1, [(1, None, "prohibited")])
    assert world.forecast.finished == [False]


@pytest.mark.anyio
async def test_an_unknown_status_is_warned_of_once_and_the_task_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """It is not terminal: taken for the end it would lose a paid video, taken for an error too."""

    def show(task_id: int) -> Task:
        over = anyio.current_time() - world.began >= 20
        return Task(task_id, SUCCESS if over else "Paused" if task_id == 1 else "x" * 1000)

    world = World(show)
    with caplog.at_level(logging.WARNING, "ideal_async"):
        async with world.poller() as poller, anyio.create_task_group() as waiters:
            for task_id in (1, 2):
                waiters.start_soon(follow, poller, task_id)
    warnings = sorted(record.getMessage() for record in caplog.records)
    assert warnings == [
        f"unknown task status '{word}': taken for a running task. "
        "Should it be an end without a video, waits end by their timeout only"
        for word in ("Paused", "x" * 40)
    ]


# The end of the poller


@pytest.mark.anyio
async def test_who_waits_when_the_client_closes_is_told_and_so_is_who_comes_too_late() -> None:
    """Nobody waits for ever for a loop that is gone."""
    world = World(lambda task_id: Task(task_id, RUNNING))
    outcomes: list[Task | Exception] = []

    async def wait(poller: Poller) -> None:
        outcomes.append(await follow(poller))

    async with world.poller() as poller, anyio.create_task_group() as waiters:
        waiters.start_soon(wait, poller)
        await anyio.sleep(1)
        poller.fail_all()
        await wait(poller)
    assert [(type(error), getattr(error, "task_id", None)) for error in outcomes] == [(ConnectionFailed, 1)] * 2
    assert world.forecast.followed == 0


@pytest.mark.anyio
async def test_leaving_twice_is_leaving() -> None:
    """The end came first."""
    world = World(ends_at(0))
    async with world.poller() as poller:
        waiter = Waiter()
        poller.join(1, waiter)
        await waiter.next_look(1)
        poller.leave(1, waiter)
        poller.join(1, Waiter())
        poller.leave(1, waiter)
        poller.join(2, waiter)
        poller.leave(2, waiter)
        assert len(poller) == 1


@pytest.mark.anyio
async def test_the_kind_of_a_foreign_task_is_learned_from_its_first_look() -> None:
    """It was submitted elsewhere, and tells by its input what it is."""
    tracked: list[Any] = []

    class Noting(Fixed):
        """Keeps the kinds."""

        def track(self, kind: Any, **more: Any) -> Any:
            tracked.append(kind)
            return super().track(kind, **more)

    def show(task_id: int) -> Task:
        over = anyio.current_time() - world.began >= 10
        told = TaskInput(duration=5, resolution="720p") if task_id == 1 else TaskInput()
        return Task(task_id, SUCCESS if over else RUNNING, input=told)

    world = World(show)
    world.forecast = Noting()
    async with world.poller() as poller:
        await follow(poller, 1)
        await follow(poller, 2)
    assert tracked == [None, ("Flash", "720p", 5, False), None]
    assert world.forecast.followed == 0


@pytest.mark.anyio
async def test_the_age_of_a_task_is_known_from_its_submission() -> None:
    """Whoever joins with it says when that was; without it, a task that is an hour old would be left alone for 5 s."""
    told: list[float | None] = []

    class Noting(Fixed):
        """Keeps the submissions."""

        def track(self, kind: Any, **more: Any) -> Any:
            told.append(more["submitted_at"])
            return super().track(kind, **more)

    world = World(ends_at(0))
    world.forecast = Noting()
    async with world.poller() as poller:
        waiter = Waiter()
        poller.join(1, waiter, kind="a", submitted_at=world.began - 3600.0)
        await waiter.next_look(1)
    assert told == [world.began - 3600.0]


@pytest.mark.anyio
async def test_a_task_recalled_from_the_journal_is_as_old_as_its_entry(tmp_path: Path) -> None:
    """Sent an hour ago by a process that is gone: it is looked at within a second, not in five."""

    async def inline(function: Callable[..., Any], *args: object) -> Any:
        return function(*args)

    looks: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        data: Any = 7
        if request.method == "GET":
            looks.append(anyio.current_time())
            data = {"id": 7, "status": "Failed"}
        return httpx.Response(200, json={"code": 0, "message": "success", "data": data})

    request = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p")
    path = tmp_path / "orders.journal"
    for hour in (0, 1):
        if hour:
            with closing(sqlite3.connect(path)) as database, database:
                database.execute("UPDATE entries SET created_at = datetime(created_at, '-1 hour') || '+00:00'")
        with Journal(path) as journal:
            transport = httpx.MockTransport(answer)
            async with AsyncClient("key", transport=transport, journal=journal, _leave_loop=inline) as client:
                if not hour:
                    await client.submit(request, key="a")
                    continue
                began = anyio.current_time()
                with suppress(TaskFailed):
                    await client.generate(request, key="a")
                assert looks[0] - began < 1.3


@pytest.mark.anyio
async def test_a_first_look_is_put_off_when_others_have_shown_that_it_may() -> None:
    """Asked when it is due; not of a second look, nor for somebody who wants to see more of them."""

    class Later(Fixed):
        """Puts off the first look at everything, once."""

        def __init__(self) -> None:
            super().__init__()
            self.asked: list[Any] = []

        def reconsider(self, track: Any, **_: Any) -> float:
            """In twenty seconds."""
            self.asked.append(track)
            return 20.0 if len(self.asked) == 1 else 0.0

    world = World(ends_at(6))
    world.forecast = later = Later()
    async with world.poller() as poller:
        waiters = {1: Waiter(), 2: Waiter(max_interval=10.0)}
        for number, waiter in waiters.items():
            poller.join(number, waiter)
        for number, waiter in waiters.items():
            await waiter.next_look(number)
    assert world.times(1) == [20.0]
    assert world.times(2) == [0.0, 5.0, 10.0]
    assert len(later.asked) == 2


class Startled(Fixed):
    """Looks every fifty seconds; the first end is a surprise, and whatever is replanned is looked at a second later."""

    def __init__(self, then: float = 1.0) -> None:
        super().__init__(5.0)
        self.then = then
        self.replanned = 0

    def after(self, *_: Any, **__: Any) -> float:
        """Far off."""
        return 50.0

    def finish(self, track: Any, *, now: float, success: bool) -> bool:
        """A surprise."""
        super().finish(track, now=now, success=success)
        return len(self.finished) == 1

    def replan(self, *tracks: Any, **more: Any) -> float | None:
        """In a second, if it is concerned."""
        concerned = super().replan(*tracks, **more) is not None
        self.replanned += concerned
        return self.then if concerned else None


def one_ends(at: float) -> Callable[[int], Task]:
    """Task 1 is over so many seconds after the first look of all; the others run on."""
    show = ends_at(at)
    return lambda number: show(number) if number == 1 else Task(number, RUNNING, 5)


@pytest.mark.anyio
async def test_a_surprise_brings_forward_the_looks_at_its_neighbours() -> None:
    """Of the same kind only, however many; not of one that is due soon anyway, nor of one whose looks fail."""
    broken, other, soon = 26, 27, 28
    show = one_ends(0.0)
    world = World(lambda number: fail(ConnectionFailed("later")) if number == broken else show(number))
    world.forecast = forecast = Startled()
    async with world.poller(looks_at_once=50, retry=Retry(wait_initial=60.0, wait_max=60.0)) as poller:
        for number in range(2, 28):
            poller.join(number, Waiter(), kind="b" if number == other else "a")
        await anyio.sleep(20.0)
        poller.join(soon, Waiter(max_interval=5.0), kind="a")
        await anyio.sleep(1.0)
        poller.join(1, Waiter(), kind="a")
        await anyio.sleep(5.0)
    assert forecast.finished == [True]
    assert forecast.replanned == 24
    for number in range(2, 26):
        assert world.times(number) == pytest.approx([0.0, 22.0])
    assert world.times(other) == world.times(broken) == [0.0]
    assert world.times(soon) == pytest.approx([20.0, 25.0])


@pytest.mark.anyio
async def test_a_new_plan_never_puts_a_look_off() -> None:
    """A surprise makes ends more likely, not less: what was planned stays at the latest."""
    world = World(one_ends(0.0))
    world.forecast = forecast = Startled(then=1000.0)
    async with world.poller() as poller:
        poller.join(2, Waiter(), kind="a")
        await anyio.sleep(20.0)
        poller.join(1, Waiter(), kind="a")
        await anyio.sleep(60.0)
    assert forecast.replanned == 1
    assert world.times(2) == [0.0, 50.0]


@pytest.mark.anyio
async def test_who_leaves_before_being_replanned_is_forgotten() -> None:
    """Many are replanned in several turns of the event loop, and between two of them anybody may leave."""
    world = World(one_ends(0.0))
    world.forecast = forecast = Startled()
    async with world.poller(looks_at_once=50) as poller:
        waiters = {number: Waiter() for number in range(2, 32)}
        for number, waiter in waiters.items():
            poller.join(number, waiter, kind="a")
        await anyio.sleep(20.0)
        last = Waiter()
        poller.join(1, last, kind="a")
        await last.next_look(1)  # the others are about to be replanned
        for number, waiter in waiters.items():
            poller.leave(number, waiter)
        await anyio.sleep(5.0)
    assert forecast.replanned <= 10
    assert len(world.looks) == 31


@pytest.mark.anyio
async def test_what_is_due_when_the_loop_wakes_up_is_taken_however_it_is_rounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A loop that sleeps until a sum, and then compares a difference, would find nothing due for ever."""
    world = World(lambda task_id: Task(task_id, "Processing"))
    odd = next(due for due in (n / 7 for n in range(1, 10_000)) if (due + 0.5) - 0.5 < due)
    async with world.poller() as poller:
        for due in (odd, odd + 1e-7):  # both are due as far as the clock can tell
            poller.join(7, waiter := Waiter())
            poller._agenda.put(7, due)
            with monkeypatch.context() as patch:
                patch.setattr("ideal_async._poller.anyio.current_time", lambda: odd + 0.5)
                assert poller._take(0.5) is not None
            poller.leave(7, waiter)


@pytest.mark.anyio
async def test_a_delay_too_small_for_the_clock_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put off by it, a look would be due at the same time, again and again."""
    world = World(lambda task_id: Task(task_id, "Processing"))
    async with world.poller() as poller:
        poller.join(7, waiter := Waiter())
        monkeypatch.setattr(poller._forecast, "reconsider", lambda *_, **__: 1e-20)
        poller._agenda.put(7, anyio.current_time())
        await anyio.sleep(1)
        assert world.looks, "it was put off for ever"
        poller.leave(7, waiter)
