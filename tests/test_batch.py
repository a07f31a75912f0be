"""A bounded window over a stream of requests, outcomes as they complete."""

import itertools
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import attrs
import httpx
import pytest
from fakes import ID, ROOM, Service, answer, client_of, look

from ideal_async import (
    AsyncClient,
    Budget,
    BudgetExceeded,
    ConnectionFailed,
    ImageToVideo,
    Outcome,
    Outcomes,
    OutOfCredits,
    Retry,
    Submission,
    SubmissionUnknown,
    TaskFailed,
    Unauthorized,
    WaitTimeout,
    batch,
)
from ideal_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def opened(sandbox: Sandbox, **more: Any) -> AsyncGenerator[AsyncClient]:
    async with AsyncClient(sandbox.api_key, transport=sandbox.transport, **more) as client:
        yield client


def world(**more: Any) -> Sandbox:
    return Sandbox(render=False, **{"credits": 10**9, "workers": 1000, **more})


class Rooms:
    """An endless supply of requests that counts how many were read."""

    def __init__(self, last: int | None = None) -> None:
        self.read = 0
        self._last = last

    def __iter__(self) -> Iterator[ImageToVideo]:
        for number in itertools.count() if self._last is None else range(self._last):
            self.read += 1
            yield attrs.evolve(ROOM, prompt=f"room {number}")


async def run(client: AsyncClient, requests: Iterable[Any] | AsyncIterable[Any], **more: Any) -> list[Outcome]:
    async with batch(client, requests, **more) as outcomes:
        return [outcome async for outcome in outcomes]


async def test_a_mistake_of_ours_is_no_end_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads hears of it, instead of what looks like the last outcome; the client goes on."""

    def mistaken(*_: Any) -> bool:
        raise LookupError("nobody foresaw it")

    monkeypatch.setattr(Outcomes, "_closes_the_intake", mistaken)
    service = Service(submit=answer(code=1011, message="no"), look=look("Success"))
    async with client_of(service) as client:
        with pytest.raises(ExceptionGroup) as raised:
            await run(client, Rooms(3))
        assert raised.group_contains(LookupError, match="nobody foresaw it")
        assert (await client.wait(ID)).succeeded


async def test_every_request_has_an_outcome() -> None:
    """As they complete, each with its index, its request and its task."""
    sandbox = world()
    async with opened(sandbox) as client:
        outcomes = await run(client, Rooms(50), max_in_flight=7)
    assert sorted(outcome.index for outcome in outcomes) == list(range(50))
    assert [outcome.index for outcome in outcomes] != list(range(50))
    for outcome in outcomes:
        assert outcome.request.prompt == f"room {outcome.index}"
        assert outcome.task is not None
        assert outcome.task.succeeded
        assert outcome.task_id == outcome.task.id
        assert (outcome.key, outcome.error) == (None, None)
    assert len(sandbox.created) == 50


async def test_no_requests_no_outcomes() -> None:
    """And no error."""
    async with client_of(Service()) as client:
        assert await run(client, []) == []


async def test_requests_may_have_keys() -> None:
    """Pairs, or requests alone, or mixed; one key is one task."""
    sandbox = world()
    requests = [("a", ROOM), ROOM, (None, ROOM), ("a", ROOM)]
    async with opened(sandbox) as client:
        outcomes = sorted(await run(client, requests), key=lambda outcome: outcome.index)
    assert [outcome.key for outcome in outcomes] == ["a", None, None, "a"]
    assert outcomes[0].task_id == outcomes[3].task_id
    assert len(sandbox.created) == 3


async def test_a_million_requests_are_not_read_ahead() -> None:
    """Never more than the window; a finished outcome that nobody has read yet still counts."""
    rooms = Rooms(1_000_000)
    async with opened(world()) as client, batch(client, rooms, max_in_flight=10) as outcomes:
        await anyio.sleep(3600)
        assert (rooms.read, outcomes.in_flight, outcomes.submitted) == (10, 10, 10)
        for number in range(1, 25):
            await anext(outcomes)
            await anyio.sleep(3600)
            assert (rooms.read, outcomes.in_flight) == (10 + number, 10)


async def test_the_window_is_kept_full() -> None:
    """Reading one lets one in, at once."""
    running: list[int] = []
    sandbox = world()
    async with opened(sandbox) as client, batch(client, Rooms(40), max_in_flight=10) as outcomes:
        async for _ in outcomes:
            await anyio.wait_all_tasks_blocked()
            running.append(outcomes.in_flight)
    assert set(running[:30]) == {10}


@pytest.mark.parametrize("window", [0, -1])
async def test_a_window_without_room_is_refused(window: int) -> None:
    """Nothing would ever happen."""
    async with client_of(Service()) as client:
        with pytest.raises(ValueError, match=f"max_in_flight must be 1 or more, not {window}"):
            batch(client, [ROOM], max_in_flight=window)


# Failures


async def test_one_failed_job_stops_no_other() -> None:
    """Failed, rejected, refused, in doubt: each is an outcome of its own."""
    faults = ["task 2: fail", "task 3: prohibit", "submit 5: drop after"]
    prompts = ["fine", "fails", "is prohibited by the dice", "nsfw", "lost", "fine"]
    sandbox = world(faults=faults)
    requests = [attrs.evolve(ROOM, prompt=prompt) for prompt in prompts]
    async with opened(sandbox, max_requests_at_once=1) as client:
        outcomes = sorted(await run(client, requests), key=lambda outcome: outcome.index)
    kinds = [type(outcome.error).__name__ for outcome in outcomes]
    assert sorted(kinds) == ["ContentRejected", "NoneType", "NoneType", "SubmissionUnknown", "TaskFailed", "TaskFailed"]
    for outcome in outcomes:
        assert (outcome.task is None) is (outcome.error is not None)
        if isinstance(outcome.error, TaskFailed):
            assert outcome.task_id == outcome.error.task_id is not None


@pytest.mark.parametrize("limited_by", ["credits", "budget", "key"])
async def test_what_makes_everything_further_hopeless_closes_the_intake(limited_by: str) -> None:
    """Running jobs finish, nothing more is read, and `stopped_by` says why."""
    rooms = Rooms()
    sandbox = world(credits=100 if limited_by == "credits" else 10**6)
    budget = Budget(100) if limited_by == "budget" else None
    key = "wrong" if limited_by == "key" else sandbox.api_key
    async with (
        AsyncClient(key, transport=sandbox.transport, budget=budget) as client,
        batch(client, rooms, max_in_flight=8) as outcomes,
    ):
        assert outcomes.stopped_by is None
        seen = [outcome async for outcome in outcomes]
        stopped_by = outcomes.stopped_by
    expected = {"credits": OutOfCredits, "budget": BudgetExceeded, "key": Unauthorized}[limited_by]
    assert isinstance(stopped_by, expected)
    made = [outcome for outcome in seen if outcome.task is not None]
    assert len(made) == len(sandbox.created) == (0 if limited_by == "key" else 5)
    assert all(isinstance(outcome.error, expected) for outcome in seen if outcome.task is None)
    assert rooms.read == len(seen) <= 16


async def test_a_closed_intake_does_not_wait_for_a_silent_source() -> None:
    """The next request may never come."""
    closed = anyio.Event()

    async def source() -> AsyncGenerator[ImageToVideo]:
        try:
            yield ROOM
            await anyio.sleep_forever()
        finally:
            closed.set()

    async with opened(world(credits=5)) as client, batch(client, source()) as outcomes:
        seen = [outcome async for outcome in outcomes]
        assert isinstance(outcomes.stopped_by, OutOfCredits)
    assert len(seen) == 1
    assert closed.is_set()


async def test_a_deadline_ends_everything() -> None:
    """What runs ends as `WaitTimeout` with its paid id, nothing more is read, and `stopped_by` says so."""
    rooms = Rooms()
    sandbox = world(faults=["task 1-3: takes 10", "task 4-: takes 1000"])
    async with opened(sandbox) as client, batch(client, rooms, max_in_flight=5, timeout=60) as outcomes:
        began = anyio.current_time()
        seen = [outcome async for outcome in outcomes]
        assert anyio.current_time() - began == 60
        assert isinstance(outcomes.stopped_by, TimeoutError)
    assert len([outcome for outcome in seen if outcome.task is not None]) == 3
    late = [outcome for outcome in seen if outcome.task is None]
    assert [type(outcome.error) for outcome in late] == [WaitTimeout] * 5
    assert all(outcome.task_id is not None for outcome in late)
    assert rooms.read == len(sandbox.created) == 8


async def test_a_deadline_does_not_wait_for_a_silent_source() -> None:
    """Nothing comes, and the time is up."""

    async def source() -> AsyncGenerator[ImageToVideo]:
        await anyio.sleep_forever()
        yield ROOM

    async with client_of(Service()) as client, batch(client, source(), timeout=5) as outcomes:
        assert [outcome async for outcome in outcomes] == []
        assert isinstance(outcomes.stopped_by, TimeoutError)


async def test_a_deadline_that_is_kept_stops_nothing() -> None:
    """All was read and done before."""
    async with opened(world()) as client, batch(client, [ROOM], timeout=3600) as outcomes:
        assert len([outcome async for outcome in outcomes]) == 1
        assert outcomes.stopped_by is None


async def test_the_first_reason_to_stop_stays() -> None:
    """Those that were under way fail for it too."""
    async with opened(world(credits=5)) as client, batch(client, [ROOM] * 3) as outcomes:
        first = await anext(outcomes)
        reason = outcomes.stopped_by
        assert reason is first.error
        assert [type(outcome.error) async for outcome in outcomes] == [OutOfCredits] * 2
        assert outcomes.stopped_by is reason


# What is read


@pytest.mark.parametrize(
    "wrong", [None, "https://example.com/room.jpg", {"image_url": "x"}, ("a",), (1, ROOM), ("a", ROOM, 1)]
)
async def test_what_is_no_request_is_told_behind_what_came_before(wrong: Any) -> None:
    """With its index, out of the iteration; what was good is finished."""
    async with opened(world()) as client:
        seen: list[Outcome] = []

        async def read() -> None:
            async with batch(client, [ROOM, ("k", ROOM), wrong, ROOM]) as outcomes:
                async for outcome in outcomes:
                    seen.append(outcome)  # noqa: PERF401 - what came before the error counts

        with pytest.raises(TypeError, match=r"request 2 must be an ImageToVideo or \(key, ImageToVideo\), not"):
            await read()
    assert sorted(outcome.index for outcome in seen) == [0, 1]
    assert all(outcome.task is not None for outcome in seen)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_what_the_source_raises_comes_out_as_it_is(kind: str) -> None:
    """Behind the outcomes of everything before it, in no group, with its cause."""

    def sync() -> Iterator[ImageToVideo]:
        yield ROOM
        raise LookupError("row 2") from ValueError("no url")

    async def async_() -> AsyncGenerator[ImageToVideo]:
        for room in sync():
            yield room

    seen: list[Outcome] = []
    async with opened(world()) as client:

        async def read() -> None:
            async with batch(client, sync() if kind == "sync" else async_()) as outcomes:
                async for outcome in outcomes:
                    seen.append(outcome)  # noqa: PERF401 - what came before the error counts

        with pytest.raises(LookupError, match="row 2") as caught:
            await read()
    assert isinstance(caught.value.__cause__, ValueError)
    assert len(seen) == 1


async def test_any_async_iterable_will_do() -> None:
    """A stream of anyio, for one."""
    send, receive = anyio.create_memory_object_stream[Any](10)
    for item in (ROOM, ("k", ROOM)):
        send.send_nowait(item)
    send.close()
    async with opened(world()) as client, receive:
        assert len(await run(client, receive)) == 2


async def test_what_cannot_be_iterated_is_told() -> None:
    """One request is not many."""
    async with client_of(Service()) as client:
        with pytest.raises(TypeError, match="not iterable"):
            await run(client, ROOM)  # type: ignore[arg-type]  # that is the point


# on_submit


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_each_paid_job_is_told(kind: str) -> None:
    """As soon as it is paid, with everything worth keeping."""
    told: list[Submission] = []

    async def async_(submission: Submission) -> None:
        told.append(submission)

    sandbox = world()
    async with opened(sandbox) as client:
        await run(client, [("a", ROOM), ROOM], on_submit=told.append if kind == "sync" else async_)
    first, second = sorted(told, key=lambda submission: submission.index or 0)
    assert (first.index, first.key, first.request) == (0, "a", ROOM)
    assert (second.index, second.key, second.request) == (1, None, ROOM)
    assert {submission.task_id for submission in told} == {task.id for task in sandbox.created}


async def test_a_callback_that_raises_fails_its_own_job_only() -> None:
    """The outcome has the exception and the paid id; the task can still be awaited."""

    def clumsy(submission: Submission) -> None:
        if submission.index == 1:
            raise KeyError

    sandbox = world()
    async with opened(sandbox) as client:
        outcomes = sorted(await run(client, [ROOM] * 3, on_submit=clumsy), key=lambda outcome: outcome.index)
        assert [type(outcome.error) for outcome in outcomes] == [type(None), KeyError, type(None)]
        assert outcomes[1].task_id is not None
        assert (await client.wait(outcomes[1].task_id)).succeeded


# Leaving


async def test_leaving_early_stops_submitting_and_detaches() -> None:
    """What was paid goes on at the service and can be awaited; nothing more is sent, nothing hangs."""
    rooms = Rooms()
    sandbox = world()
    async with opened(sandbox) as client:
        async with batch(client, rooms, max_in_flight=10) as outcomes:
            async for _ in outcomes:
                break
        read, paid = rooms.read, len(sandbox.created)
        await anyio.sleep(3600)
        assert (rooms.read, len(sandbox.created)) == (read, paid)
        assert all(task.status == "Success" for task in sandbox.created)
        assert (client.ledger.reserved, client.ledger.spent) == (0, 20 * paid)
        assert "0 tasks waited for" in repr(client)


@pytest.mark.parametrize("error", [ZeroDivisionError(), SystemExit(3), KeyboardInterrupt()])
async def test_a_users_own_exception_comes_out_as_it_is(error: BaseException) -> None:
    """Not in a group."""

    async def read() -> None:
        async with opened(world()) as client, batch(client, Rooms(), max_in_flight=3) as outcomes:
            async for _ in outcomes:
                raise error

    with pytest.raises(type(error)) as caught:
        await read()
    assert caught.value is error


async def test_a_batch_can_be_cancelled() -> None:
    """With everything in it; what left goes on."""
    sandbox = world()
    async with opened(sandbox) as client:
        with anyio.move_on_after(20) as scope:
            await run(client, Rooms(), max_in_flight=5)
        assert scope.cancelled_caught
        assert len(sandbox.created) == 5


async def test_an_async_generator_is_closed() -> None:
    """At its end and when the block is left early."""
    closed = 0

    async def source() -> AsyncGenerator[ImageToVideo]:
        nonlocal closed
        try:
            for room in Rooms():
                yield room
        finally:
            closed += 1

    async with opened(world()) as client, batch(client, source(), max_in_flight=2) as outcomes:
        await anext(outcomes)
    assert closed == 1


async def test_outcomes_are_read_inside_of_their_block() -> None:
    """Outside the fix is named."""
    async with opened(world()) as client:
        async with batch(client, [ROOM]) as outcomes:
            pass
        with pytest.raises(RuntimeError, match="inside of the block"):
            await anext(outcomes)


async def test_outcomes_end_once_and_for_all() -> None:
    """As an iterator should."""
    async with opened(world()) as client, batch(client, [ROOM]) as outcomes:
        assert isinstance(outcomes, Outcomes)
        assert len([outcome async for outcome in outcomes]) == 1
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(outcomes)


async def test_several_may_read_one_batch() -> None:
    """Each outcome comes out once."""
    seen: list[int] = []

    async with opened(world()) as client, batch(client, Rooms(20), max_in_flight=5) as outcomes:

        async def read() -> None:
            seen.extend([outcome.index async for outcome in outcomes])

        async with anyio.create_task_group() as readers:
            for _ in range(3):
                readers.start_soon(read)
    assert sorted(seen) == list(range(20))


async def test_a_client_does_other_things_meanwhile() -> None:
    """Two batches and a single video share one client and its poller."""
    sandbox = world()
    async with opened(sandbox) as client, anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(run, client, Rooms(10))
        assert (await client.generate(ROOM)).succeeded
    assert len(sandbox.created) == 21


async def test_a_closed_client_fails_each_job_with_its_id() -> None:
    """Somebody closed it in the middle."""
    service = Service(submit=answer(ID), look=look())
    seen: list[Outcome] = []
    async with anyio.create_task_group() as tasks, client_of(service) as client:

        async def read() -> None:
            seen.extend(await run(client, [ROOM]))

        tasks.start_soon(read)
        await anyio.sleep(10)
    assert [(type(outcome.error), outcome.task_id) for outcome in seen] == [(ConnectionFailed, ID)]


async def test_in_doubt_is_not_the_end_of_a_batch() -> None:
    """One lost answer among many; it is reported, and not sent again."""
    lost = iter([answer(1), httpx.ReadError("lost")])

    def respond(_: httpx.Request) -> Any:
        return next(lost, None) or answer(ID)

    service = Service(submit=respond, look=lambda request: look("Success", int(request.url.params["taskId"])))
    async with client_of(service, retry=Retry(), max_requests_at_once=1) as client:
        outcomes = await run(client, [ROOM] * 4)
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    assert [type(error) for error in errors] == [SubmissionUnknown]
    assert len(service.submits) == 4


# Whoever reads


async def test_a_generator_around_a_batch_may_be_left_half_way() -> None:
    """As with `watch`: leaving it cancels nobody, and what was paid goes on."""
    sandbox = world()

    async def each(client: AsyncClient) -> AsyncGenerator[Outcome]:
        async with batch(client, [ROOM] * 10, max_in_flight=2) as outcomes:
            async for outcome in outcomes:
                yield outcome

    async with opened(sandbox) as client:
        left = each(client)
        async for outcome in left:
            assert outcome.error is None
            break
        await anyio.sleep(1)  # the caller was not cancelled
        await left.aclose()
        await anyio.sleep(60)
        assert 1 <= len(sandbox.created) <= 4
        for task in sandbox.created:
            assert (await client.wait(task.id)).succeeded


async def test_a_batch_may_be_left_in_another_task_than_it_was_entered_in() -> None:
    """A framework may begin and end a response in different tasks."""
    sandbox = world()
    async with opened(sandbox) as client, anyio.create_task_group() as tasks:
        outcomes: Any = batch(client, [ROOM, ROOM])
        read: list[Outcome] = []

        async def enter() -> None:
            await outcomes.__aenter__()

        async def leave() -> None:
            read.append(await anext(aiter(outcomes)))
            await outcomes.__aexit__(None, None, None)

        async with anyio.create_task_group() as one:
            one.start_soon(enter)
        tasks.start_soon(leave)
    assert [outcome.error for outcome in read] == [None]
