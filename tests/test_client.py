"""What a caller of `AsyncClient` may rely on."""

import asyncio
import math
import os
import pickle
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, NoReturn

import anyio
import anyio.abc
import anyio.lowlevel
import attrs
import httpx
import pytest
from fakes import (
    BASE_URL,
    GENERATE,
    ID,
    KEY,
    ROOM,
    Service,
    answer,
    client_of,
    http,
    look,
    loopback,
    note_id,
    read_request,
)

from ideal_async import (
    AsyncClient,
    Budget,
    BudgetExceeded,
    ConnectionFailed,
    IdealError,
    ImageToVideo,
    InvalidRequest,
    Journal,
    NotTheApi,
    Observer,
    OutOfCredits,
    Pacing,
    Retry,
    Submission,
    SubmissionUnknown,
    Task,
    TaskFailed,
    Unauthorized,
    UnexpectedAnswer,
    WaitTimeout,
    _assembly,
    batch,
)
from ideal_async._transports import LaneTransport, RenewedTransport
from ideal_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio
OTHER = attrs.evolve(ROOM, prompt="another one")
SLOW = Retry(outage=600, wait_initial=10, wait_max=10)


@asynccontextmanager
async def opened(sandbox: Sandbox, **more: Any) -> AsyncGenerator[AsyncClient]:
    async with AsyncClient(sandbox.api_key, transport=sandbox.transport, **more) as client:
        yield client


def world(**more: Any) -> Sandbox:
    return Sandbox(render=False, **more)


class Gate:
    """A service that answers submits only when it is opened."""

    def __init__(self, reply: httpx.Response | None = None) -> None:
        self.reached, self.open = anyio.Event(), anyio.Event()
        self._reply = reply or answer(ID)

    async def __call__(self, _: httpx.Request) -> httpx.Response:
        """Answer, once it is open."""
        self.reached.set()
        await self.open.wait()
        return self._reply


async def watched(client: AsyncClient, task_id: int = ID, **more: Any) -> list[Task]:
    async with client.watch(task_id, **more) as looks:
        return [task async for task in looks]


def books(client: AsyncClient) -> tuple[int, int, int, int]:
    ledger = client.ledger
    return (ledger.reserved, ledger.spent, ledger.refunded, ledger.unknown)


# One video


async def test_one_call_makes_one_video() -> None:
    """Submit and wait; the credits are the page's."""
    sandbox = world()
    async with opened(sandbox) as client:
        task = await client.generate(ROOM)
        assert books(client) == (0, 20, 0, 0)
    assert task.succeeded
    assert task.output is not None
    assert (task.output.width, task.output.height) == (1280, 720)
    assert task.input.image_url == ROOM.image_url
    assert (sandbox.credits, len(sandbox.created)) == (9980, 1)


async def test_submit_look_and_wait_can_be_told_apart() -> None:
    """The id is an int, a look comes back whatever the status."""
    sandbox = world()
    async with opened(sandbox) as client:
        task_id = await client.submit(ROOM)
        assert task_id == sandbox.created[0].id == ID
        first = await client.fetch(task_id)
        assert not first.done
        last = await client.wait(task_id)
        assert last.succeeded
        assert await client.fetch(task_id) == attrs.evolve(last, output=(await client.fetch(task_id)).output)


async def test_every_field_reaches_the_service() -> None:
    """As the sandbox reads it, which knows only the page."""
    sandbox = world()
    request = ImageToVideo(
        "https://example.com/day.jpg",
        last_image_url="https://example.com/night.jpg",
        duration=10,
        resolution="1080p",
        model_type="Base",
        generate_audio=True,
        prompt="Day to night 🌙",
    )
    async with opened(sandbox) as client:
        await client.submit(request)
        assert books(client) == (0, 128, 0, 0)
    assert sandbox.created[0].input == {
        "imageUrl": "https://example.com/day.jpg",
        "lastImageUrl": "https://example.com/night.jpg",
        "duration": 10,
        "resolution": "1080p",
        "modelType": "Base",
        "generateAudio": True,
        "prompt": "Day to night 🌙",
    }


async def test_a_failed_task_is_refunded_in_the_books_too() -> None:
    """The service gives the credits back, so the ledger and the budget do; the last look is in the exception."""
    sandbox = world(faults="task: fail")
    budget = Budget(20)
    async with opened(sandbox, budget=budget) as client:
        with pytest.raises(TaskFailed) as caught:
            await client.generate(ROOM)
        assert books(client) == (0, 0, 20, 0)
        assert (budget.left, sandbox.credits) == (20, 10_000)
    assert caught.value.task is not None
    assert caught.value.task.status == "Failed"
    assert caught.value.task_id == ID


@pytest.mark.parametrize("by", ["wait", "fetch", "watch"])
async def test_prohibited_output_is_a_failed_task_without_a_look(by: str) -> None:
    """9038 on a look: refunded, whoever finds out."""
    sandbox = world(faults="task: prohibit")
    async with opened(sandbox) as client:
        task_id = await client.submit(ROOM)
        await anyio.sleep(600)
        look = partial(watched, client) if by == "watch" else getattr(client, by)
        with pytest.raises(TaskFailed) as caught:
            await look(task_id)
        assert books(client) == (0, 0, 20, 0)
    assert (caught.value.task, caught.value.task_id) == (None, task_id)


@pytest.mark.parametrize(
    ("prompt", "credits", "error"),
    [("nsfw", 100, "ContentRejected"), (None, 10, "OutOfCredits"), ("nude", 0, "ContentRejected")],
)
async def test_a_refusal_costs_nothing(prompt: str | None, credits: int, error: str) -> None:
    """9010 and 9051: told at once, released in the books, and the key is free again."""
    sandbox = world(credits=credits)
    async with opened(sandbox) as client:
        for _ in range(2):
            with pytest.raises(IdealError) as caught:
                await client.generate(attrs.evolve(ROOM, prompt=prompt), key="order-1")
            assert type(caught.value).__name__ == error
        assert books(client) == (0, 0, 0, 0)
    assert sandbox.created == []


async def test_a_wrong_key_is_told() -> None:
    """5002."""
    async with AsyncClient("wrong", transport=world().transport) as client:
        with pytest.raises(Unauthorized):
            await client.submit(ROOM)
        with pytest.raises(Unauthorized):
            await client.fetch(ID)
        with pytest.raises(Unauthorized) as caught:
            await client.wait(ID)
    assert caught.value.task_id == ID


# Bad arguments


@pytest.mark.parametrize("call", ["submit", "generate"])
@pytest.mark.parametrize("wrong", ["https://example.com/room.jpg", {"imageUrl": "x"}, None])
async def test_what_is_no_request_is_not_sent(call: str, wrong: Any) -> None:
    """With the type that is wanted."""
    service = Service()
    async with client_of(service) as client:
        with pytest.raises(TypeError, match="an ImageToVideo is submitted, not"):
            await getattr(client, call)(wrong)
    assert service.requests == []


@pytest.mark.parametrize("call", ["fetch", "wait", "watch"])
@pytest.mark.parametrize("wrong", [str(ID), float(ID), None, True, Task(ID, "Success")])
async def test_what_is_no_id_is_not_looked_at(call: str, wrong: Any) -> None:
    """A string or a float would be another task's id sooner or later."""
    service = Service()
    async with client_of(service) as client:
        function = partial(watched, client) if call == "watch" else getattr(client, call)
        with pytest.raises(TypeError, match=r"a task id is an int.*task\.id"):
            await function(wrong)
    assert service.requests == []


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        ({"api_key": ""}, "no API key"),
        ({"api_key": "secret\n"}, "cannot be in a header"),
        ({"base_url": "http://api.ideal.house"}, "base_url must be https"),
        ({"http_client": httpx.AsyncClient(), "transport": Service()}, "pass http_client or transport, not both"),
        ({"max_requests_at_once": 0}, "max_requests_at_once must be 1 or more, not 0"),
    ],
)
def test_a_client_that_cannot_work_is_not_made(arguments: dict[str, Any], fix: str) -> None:
    """Told where it is made, not at the first request."""
    with pytest.raises(ValueError, match=fix):
        AsyncClient(**{"api_key": KEY, **arguments})


async def test_the_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Key and base URL; arguments go first."""
    monkeypatch.setenv("IDEAL_HOUSE_API_KEY", "from-the-environment")
    monkeypatch.setenv("IDEAL_HOUSE_BASE_URL", "https://gateway.example/ideal/")
    service = Service(look=look(), file=look())
    async with AsyncClient(transport=service) as client:
        await client.fetch(ID)
    async with AsyncClient("given", base_url=BASE_URL, transport=service) as client:
        await client.fetch(ID)
    first, second = service.requests
    assert (first.url.host, first.headers["APIKEY"]) == ("gateway.example", "from-the-environment")
    assert first.url.path.startswith("/ideal/api/v1/")
    assert (second.url.host, second.headers["APIKEY"]) == ("api.example", "given")


def test_without_a_key_in_the_environment_the_fix_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways."""
    monkeypatch.delenv("IDEAL_HOUSE_API_KEY", raising=False)
    with pytest.raises(ValueError, match="IDEAL_HOUSE_API_KEY"):
        AsyncClient()


async def test_the_page_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """https://api.ideal.house."""
    monkeypatch.delenv("IDEAL_HOUSE_BASE_URL", raising=False)
    service = Service(look=look())
    async with AsyncClient(KEY, transport=service) as client:
        await client.fetch(ID)
    assert str(service.requests[0].url) == f"https://api.ideal.house/api/v1/imageToVideo/result?taskId={ID}"


# One key, one video


async def test_the_same_key_is_one_flight() -> None:
    """Concurrently and later: one POST, one id, one charge, and everybody's callback runs."""
    sandbox = world()
    ids: list[int] = []
    told: list[int] = []

    async def order() -> None:
        task = await client.generate(ROOM, key="order-42", on_submit=note_id(told))
        ids.append(task.id)

    async with opened(sandbox) as client:
        async with anyio.create_task_group() as callers:
            for _ in range(5):
                callers.start_soon(order)
        await order()
        assert await client.submit(ROOM, key="order-42") == ID
        assert books(client) == (0, 20, 0, 0)
    assert ids == told == [ID] * 6
    assert len(sandbox.created) == 1


async def test_requests_without_a_key_are_different_videos() -> None:
    """However alike."""
    sandbox = world()
    async with opened(sandbox) as client:
        assert await client.submit(ROOM) != await client.submit(ROOM)
    assert len(sandbox.created) == 2


async def test_a_key_is_not_used_twice_for_different_requests() -> None:
    """While it flies and later; only the query string of a URL may differ."""
    gate = Gate()
    service = Service(submit=gate)
    signed = attrs.evolve(ROOM, image_url=f"{ROOM.image_url}?signature=2")
    async with client_of(service) as client:
        async with anyio.create_task_group() as callers:
            callers.start_soon(partial(client.submit, ROOM, key="a"))
            await gate.reached.wait()
            with pytest.raises(ValueError, match=r"key 'a' was used for a different request"):
                await client.submit(OTHER, key="a")
            gate.open.set()
        with pytest.raises(ValueError, match="one key is one video"):
            await client.submit(OTHER, key="a")
        assert await client.submit(signed, key="a") == ID
    assert len(service.submits) == 1


async def test_a_key_in_doubt_stays_in_doubt() -> None:
    """It may have been paid, so it is not sent again; each caller gets an exception of its own."""
    service = Service(submit=httpx.ReadError("lost"))
    async with client_of(service) as client:
        errors = []
        for _ in range(2):
            with pytest.raises(SubmissionUnknown) as caught:
                await client.submit(ROOM, key="order-42")
            errors.append(caught.value)
        assert books(client) == (0, 0, 0, 20)
    assert len(service.requests) == 1
    assert errors[0] is not errors[1]
    assert errors[0].key == "order-42"
    assert len(errors[0].fingerprint) == 16
    assert errors[0].sent_at.tzinfo is not None
    assert "order-42" in str(errors[0])
    assert isinstance(errors[0].__cause__, httpx.ReadError)


async def test_a_task_that_failed_is_refunded_once_however_often_its_key_is_used() -> None:
    """The key answers with the same task, and the credits came back only once."""
    sandbox = world(faults="task: fail")
    budget = Budget(20)
    async with opened(sandbox, budget=budget) as client:
        for _ in range(3):
            with pytest.raises(TaskFailed):
                await client.generate(ROOM, key="a")
        assert books(client) == (0, 0, 20, 0)
    assert (budget.left, len(sandbox.created)) == (20, 1)


# Callbacks


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_callbacks_may_be_sync_or_async(kind: str) -> None:
    """The id before anything else can fail, then each look but the last."""
    heard: list[Any] = []

    def sync(value: Any) -> None:
        heard.append(value)

    async def async_(value: Any) -> None:
        await anyio.sleep(0.1)
        heard.append(value)

    callback = sync if kind == "sync" else async_
    async with opened(world()) as client:
        await client.generate(ROOM, on_submit=callback, on_progress=callback)
    assert heard[0] == Submission(ID, None, ROOM, paid=True)
    assert len(heard) > 1
    assert all(isinstance(task, Task) and not task.done for task in heard[1:])


async def test_what_on_submit_raises_is_told_with_the_paid_id() -> None:
    """The caller's own exception, with a note; the task goes on and can be awaited."""

    def forget(_: Submission) -> NoReturn:
        raise KeyError("the database is down")

    async with opened(world()) as client:
        with pytest.raises(KeyError) as caught:
            await client.generate(ROOM, on_submit=forget)
        assert caught.value.__notes__ == [f"raised by on_submit for task {ID}, which is paid and goes on"]
        assert (await client.wait(ID)).succeeded
        assert books(client) == (0, 20, 0, 0)


async def test_what_on_progress_raises_ends_only_this_wait() -> None:
    """It is the caller's; the client goes on."""

    def give_up(_: Task) -> NoReturn:
        raise LookupError

    async with opened(world()) as client:
        with pytest.raises(LookupError):
            await client.generate(ROOM, on_progress=give_up)
        assert (await client.wait(ID)).succeeded


async def test_one_callers_failing_callback_is_not_anothers() -> None:
    """Two callers of one key: one forgets, one remembers."""
    told: list[int] = []

    def forget(_: Submission) -> NoReturn:
        raise KeyError

    async with opened(world()) as client, anyio.create_task_group() as callers:
        callers.start_soon(lambda: client.generate(ROOM, key="a", on_submit=note_id(told)))
        with pytest.raises(KeyError):
            await client.generate(ROOM, key="a", on_submit=forget)
    assert told == [ID]


# Deadlines


async def test_a_timeout_is_one_deadline_for_the_whole_call() -> None:
    """Submit and wait together; the task still runs, still paid, and is waited for again."""
    sandbox = world(faults=["submit: delay 4", "task: takes 60"])
    async with opened(sandbox) as client:
        began = anyio.current_time()
        with pytest.raises(WaitTimeout) as caught:
            await client.generate(ROOM, timeout=30)
        assert anyio.current_time() - began == 30
        assert caught.value.task_id == ID
        assert caught.value.task is not None
        assert (await client.wait(ID, timeout=60)).succeeded
        assert books(client) == (0, 20, 0, 0)


@pytest.mark.parametrize("timeout", [0, -1, 0.5])
async def test_no_time_at_all_is_a_timeout_too(timeout: float) -> None:
    """And no error of arithmetic."""
    async with opened(world(faults="look: delay 1")) as client:
        task_id = await client.submit(ROOM)
        with pytest.raises(WaitTimeout) as caught:
            await client.wait(task_id, timeout=timeout)
    assert (caught.value.task_id, caught.value.task) == (task_id, None)
    assert str(caught.value).endswith("; it is paid, so wait for this id again")


async def test_a_timeout_says_of_nothing_unseen_that_it_is_paid() -> None:
    """Anybody may wait for any number."""
    async with opened(world(faults="look: delay 1")) as client:
        with pytest.raises(WaitTimeout, match=r"task 12345 was not seen within 0\.5 s; wait for this id again"):
            await client.wait(12345, timeout=0.5)
        async with client.watch(12345, timeout=0.5) as looks:
            with pytest.raises(WaitTimeout, match="was not seen within"):
                await anext(looks)


async def test_any_number_of_seconds_will_do() -> None:
    """However large; but not NaN, which no clock reaches."""
    async with opened(world()) as client:
        with pytest.raises(ValueError, match="timeout is NaN"):
            await client.generate(ROOM, timeout=math.nan)
        assert (await client.generate(ROOM, timeout=10**400)).succeeded


async def test_a_deadline_before_the_request_left_withdraws_it() -> None:
    """All slots are taken: nothing is sent, nothing is spent, and the key is free."""
    gate = Gate()
    replies: list[Any] = [answer(ID), gate]
    service = Service(submit=replies)
    budget = Budget(120)
    async with client_of(service, budget=budget) as client, anyio.create_task_group() as callers:
        await client.submit(ROOM)  # the API has answered one, so there are four slots
        for _ in range(4):
            callers.start_soon(client.submit, ROOM)
        await gate.reached.wait()
        with pytest.raises(ConnectionFailed, match="nothing was spent"):
            await client.generate(ROOM, key="late", timeout=5)
        assert (len(service.submits), budget.left) == (5, 20)
        gate.open.set()
        assert await client.submit(ROOM, key="late") == ID
    assert (len(service.submits), budget.left) == (6, 0)


async def test_a_deadline_during_the_post_leaves_it_running() -> None:
    """The caller is told that nobody knows; the POST runs on, is booked, and its callback still runs."""
    gate = Gate()
    service = Service(submit=gate)
    told: list[int] = []
    async with client_of(service) as client:
        with pytest.raises(SubmissionUnknown) as caught:
            await client.generate(ROOM, key="a", timeout=5, on_submit=note_id(told))
        assert (caught.value.key, caught.value.task_id, told) == ("a", None, [])
        assert books(client) == (20, 0, 0, 0)
        gate.open.set()
        assert await client.submit(ROOM, key="a") == ID
        assert books(client) == (0, 20, 0, 0)
    assert (told, len(service.submits)) == ([ID], 1)


async def test_a_slow_callback_runs_once_whoever_left_meanwhile() -> None:
    """Two callers of one key with slow callbacks, of which the first loses patience while its own runs."""
    told: list[str] = []

    def tell(name: str) -> Callable[[Submission], Awaitable[None]]:
        async def slowly(_: Submission) -> None:
            await anyio.sleep(10)
            told.append(name)

        return slowly

    sandbox = world()
    async with opened(sandbox) as client, anyio.create_task_group() as callers:

        async def impatient() -> None:
            with pytest.raises(IdealError) as caught:
                await client.generate(ROOM, key="a", timeout=5, on_submit=tell("impatient"))
            assert caught.value.task_id == ID

        callers.start_soon(impatient)
        await client.generate(ROOM, key="a", on_submit=tell("patient"))
    assert sorted(told) == ["impatient", "patient"]


async def test_a_refund_is_booked_for_a_task_whose_submitter_left() -> None:
    """It was cancelled during the POST; somebody else found the id and the end."""
    sandbox = world(faults=["submit: delay 3", "task: fail"])
    budget = Budget(20)
    told: list[int] = []
    async with opened(sandbox, budget=budget) as client:
        with anyio.move_on_after(1):
            await client.generate(ROOM, on_submit=note_id(told))
        await anyio.sleep(5)
        assert told == [ID]
        with pytest.raises(TaskFailed):
            await client.wait(ID)
        assert (books(client), budget.left) == ((0, 0, 20, 0), 20)


# Cancellation


@pytest.mark.parametrize("steps", range(0, 60, 2))
@pytest.mark.parametrize("keyed", [False, True])
async def test_a_caller_may_be_cancelled_at_every_await(steps: int, keyed: bool) -> None:
    """Whenever it is, there is at most one task, it is booked, its callback ran, and the client works on."""
    sandbox = world(speed=100)
    told: list[int] = []
    async with opened(sandbox) as client:
        async with anyio.create_task_group() as callers:
            key = "a" if keyed else None
            callers.start_soon(lambda: client.generate(ROOM, key=key, on_submit=note_id(told)))
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            callers.cancel_scope.cancel()
        await anyio.sleep(1)
        created = [task.id for task in sandbox.created]
        assert told == created
        assert books(client) == (0, 20 * len(created), 0, 0)
        again = await client.generate(ROOM, key=key)
        assert len(sandbox.created) == (1 if keyed else len(created) + 1)
        assert again.succeeded


async def test_what_breaks_in_a_thread_comes_out_as_it_is(real_time: None) -> None:
    """Only a thread that could not be started has words of its own."""
    del real_time

    def fail(words: str) -> None:
        raise RuntimeError(words)

    threads = anyio.CapacityLimiter(1)
    with pytest.raises(RuntimeError, match=r"^ours$"):
        await _assembly._in_thread(threads, fail, "ours")
    with pytest.raises(OSError, match="raise this process's limit of threads"):
        await _assembly._in_thread(threads, fail, "can't start new thread")


async def test_cancelled_before_the_post_left_nothing_is_sent() -> None:
    """The intent is withdrawn and the budget released."""
    gate = Gate()
    service = Service(submit=gate)
    budget = Budget(100)
    async with client_of(service, budget=budget) as client, anyio.create_task_group() as first:
        for _ in range(4):
            first.start_soon(client.submit, ROOM)
        await gate.reached.wait()
        async with anyio.create_task_group() as callers:
            callers.start_soon(client.submit, ROOM)
            await anyio.sleep(1)
            assert budget.left == 0
            callers.cancel_scope.cancel()
        await anyio.sleep(1)
        assert budget.left == 20
        gate.open.set()
    assert len(service.submits) == 4


async def test_a_key_can_be_used_again_in_the_moment_it_was_withdrawn() -> None:
    """The next caller does not inherit the cancellation."""
    gate = Gate()
    service = Service(submit=gate)
    async with client_of(service) as client, anyio.create_task_group() as callers:
        for _ in range(4):
            callers.start_soon(client.submit, ROOM)
        await gate.reached.wait()
        with anyio.move_on_after(1):
            await client.submit(ROOM, key="a")
        gate.open.set()
        assert await client.submit(ROOM, key="a") == ID
    assert len(service.submits) == 5


async def test_a_refused_request_is_not_sent_again_for_callers_that_have_left() -> None:
    """The API said 1003, and nobody is there any more who would pay for another attempt."""
    gate = Gate(answer(None, 1003))
    service = Service(submit=gate)
    async with client_of(service, budget=(budget := Budget(20))) as client:
        with anyio.move_on_after(1):
            await client.submit(ROOM, key="a")
        gate.open.set()
        await anyio.sleep(60)
        assert (len(service.submits), books(client), budget.left) == (1, (0, 0, 0, 0), 20)


async def test_one_of_two_callers_may_lose_patience() -> None:
    """Its deadline passes while the request waits for its turn; the other's goes on."""
    gate = Gate()
    service = Service(submit=gate)
    async with client_of(service) as client, anyio.create_task_group() as callers:
        for _ in range(4):
            callers.start_soon(client.submit, ROOM)
        await gate.reached.wait()
        callers.start_soon(partial(client.submit, ROOM, key="a"))
        with pytest.raises(ConnectionFailed, match="deadline"):
            await client.generate(ROOM, key="a", timeout=1)
        gate.open.set()
    assert len(service.submits) == 5


async def test_one_of_two_callers_may_leave() -> None:
    """The flight goes on for the other, and only its callback runs."""
    gate = Gate()
    service = Service(submit=gate)
    told: list[str] = []
    async with client_of(service) as client, anyio.create_task_group() as callers:
        for _ in range(4):
            callers.start_soon(client.submit, ROOM)
        await gate.reached.wait()
        callers.start_soon(lambda: client.generate(ROOM, key="a", timeout=30, on_submit=lambda _: told.append("stays")))
        with anyio.move_on_after(1):
            await client.generate(ROOM, key="a", on_submit=lambda _: told.append("left"))
        gate.open.set()
        await anyio.sleep(1)
        callers.cancel_scope.cancel()
    assert (told, len(service.submits)) == (["stays"], 5)


async def test_a_cancelled_fetch_stops_looking() -> None:
    """No caller, no looks: also while it repeats what failed."""
    service = Service(look=httpx.ReadError("lost"))
    async with client_of(service, retry=SLOW) as client:
        with anyio.move_on_after(3):
            await client.fetch(ID)
        await anyio.sleep(100)
    assert len(service.looks) == 1


async def test_a_cancelled_waiter_detaches() -> None:
    """The paid task goes on, nobody looks, and it can be awaited again by id."""
    sandbox = world()
    async with opened(sandbox) as client:
        with anyio.move_on_after(20):
            await client.generate(ROOM)
        assert "0 tasks waited for" in repr(client)
        await anyio.sleep(600)
        assert sandbox.created[0].status == "Success"
        assert (await client.wait(ID)).succeeded


# Waiting


async def test_waiters_of_one_id_share_its_looks() -> None:
    """Ten callers, one task, the looks of one."""
    service = Service(look=[look(), look(), look("Success")])
    async with client_of(service) as client, anyio.create_task_group() as callers:
        for _ in range(10):
            callers.start_soon(client.wait, ID)
    assert len(service.looks) == 3


async def test_any_id_of_the_account_can_be_awaited() -> None:
    """Submitted by whomever: another process, yesterday."""
    sandbox = world()
    async with opened(sandbox) as one:
        task_id = await one.submit(ROOM)
    async with opened(sandbox) as other:
        assert (await other.wait(task_id)).succeeded
        assert books(other) == (0, 0, 0, 0)


async def test_an_outage_is_ridden_out() -> None:
    """Five minutes of a dead gateway in the middle of a wait."""
    lost: Iterator[httpx.Response | Exception] = iter(
        [*[httpx.Response(502)] * 3, *[httpx.ConnectError("no route")] * 5, *[httpx.Response(500)] * 3]
    )

    def respond(_: httpx.Request) -> httpx.Response | Exception:
        return next(lost, None) or look("Success")

    async with client_of(Service(look=respond)) as client:
        assert (await client.wait(ID)).succeeded


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (answer(None, 1011, "no such task"), InvalidRequest),
        (answer(None, 5002), Unauthorized),
        (answer({"percentage": 7}), UnexpectedAnswer),
        (answer({"id": 1.5, "status": "Success"}), UnexpectedAnswer),
        (answer({"id": ID, "status": "Success", "output": None}), UnexpectedAnswer),
        (httpx.Response(200, html="<h1>Welcome</h1>"), NotTheApi),
        (httpx.Response(503), IdealError),
        (httpx.ReadError("lost"), ConnectionFailed),
    ],
)
@pytest.mark.parametrize("call", ["fetch", "wait", "generate"])
async def test_every_error_after_the_submission_carries_the_task(
    call: str, reply: Any, error: type[IdealError]
) -> None:
    """And can be pickled; the key is in no line of the traceback."""
    service = Service(submit=answer(ID), look=reply)
    async with client_of(service, retry=Retry(outage=20)) as client:
        with pytest.raises(error) as caught:
            await (client.generate(ROOM) if call == "generate" else getattr(client, call)(ID))
    assert caught.value.task_id == ID
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    assert (type(again), again.task_id) == (type(caught.value), ID)
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value)) + repr(client)
    assert KEY not in shown
    assert KEY.encode() not in pickle.dumps(caught.value)


async def test_the_end_of_a_foreign_task_is_told_but_not_counted() -> None:
    """It was submitted elsewhere, so it was never in flight here and its credits are not ours to tell."""
    told: list[tuple[Any, ...]] = []

    class Listener(Observer):
        """Keeps what it hears of ends and of tasks in flight."""

        def ended(self, task_id: int, task: Task | None, credits: int | None) -> None:
            """Keep it."""
            told.append((task_id, task is not None and task.succeeded, credits))

        def in_flight(self, change: int) -> None:
            """Keep it."""
            told.append((change,))

    async with client_of(Service(look=look("Success")), observer=Listener()) as client:
        await client.wait(ID)
        assert told == [(ID, True, None)]


# Watching


async def test_a_watcher_sees_every_change_and_the_end() -> None:
    """The same look twice is no change."""
    shown = [
        look(percentage=0),
        look(percentage=0),
        look(percentage=50),
        look(percentage=50),
        look("Success", percentage=100),
    ]
    service = Service(look=shown)
    async with client_of(service) as client, client.watch(ID) as looks:
        seen = [(task.status, task.percentage) async for task in looks]
    assert seen == [("Processing", 0), ("Processing", 50), ("Success", 100)]


async def test_a_watcher_sees_a_failed_task_as_a_look() -> None:
    """A watcher wants to show it, not to handle it."""
    service = Service(look=[look(), look("Failed")])
    async with client_of(service) as client, client.watch(ID) as looks:
        assert [task.status async for task in looks] == ["Processing", "Failed"]


async def test_a_watcher_has_one_deadline() -> None:
    """For the whole block, and the last look is in the exception."""
    service = Service(look=look(percentage=30))
    async with client_of(service) as client:
        began = anyio.current_time()
        with pytest.raises(WaitTimeout) as caught:
            await watched(client, timeout=12)
        assert anyio.current_time() - began == 12
    assert caught.value.task is not None
    assert caught.value.task.percentage == 30


async def test_a_watcher_may_leave_early() -> None:
    """Its own exception comes out as it is, and the looks end."""
    service = Service(look=look())

    async def leave() -> None:
        async with client.watch(ID) as looks:
            async for _ in looks:
                raise ZeroDivisionError

    async with client_of(service) as client:
        with pytest.raises(ZeroDivisionError):
            await leave()
        count = len(service.looks)
        await anyio.sleep(100)
    assert len(service.looks) == count


async def test_a_watcher_may_want_more_looks() -> None:
    """Not more often than `min_interval`."""
    service = Service(look=look())
    pacing = Pacing(min_interval=5, max_interval=60)
    async with client_of(service, pacing=pacing) as client:
        with pytest.raises(WaitTimeout):
            await watched(client, timeout=61, max_interval=1)
    gaps = [later - earlier for earlier, later in zip(service.times, service.times[1:], strict=False)]
    assert set(gaps) == {5.0}


# Opening and closing


async def test_a_users_own_exception_comes_out_as_it_is() -> None:
    """Not in an `ExceptionGroup`, and not instead of its cause."""

    async def use(error: Exception) -> None:
        async with client_of(Service(look=look())) as client:
            await client.fetch(ID)
            raise error

    for error in (ZeroDivisionError(), KeyError("mine")):
        with pytest.raises(type(error)) as caught:
            await use(error)
        assert caught.value is error


async def test_the_block_can_be_cancelled() -> None:
    """With everything in it."""
    service = Service(look=look())
    with anyio.move_on_after(12) as scope:
        async with client_of(service) as client:
            await client.wait(ID)
    assert scope.cancelled_caught


async def test_a_closed_client_says_so() -> None:
    """Every call, and however it was closed."""
    service = Service()
    async with client_of(service) as client:
        pass
    never_opened = client_of(service)
    await never_opened.aclose()
    for closed in (client, never_opened):
        await closed.aclose()
        assert repr(closed) == f"<AsyncClient {BASE_URL}: closed>"
        for call in (
            closed.submit(ROOM),
            closed.fetch(ID),
            closed.wait(ID),
            closed.generate(ROOM),
            closed.__aenter__(),
        ):
            with pytest.raises(RuntimeError, match="this AsyncClient is closed: make a new one"):
                await call
        with pytest.raises(RuntimeError, match="closed"):
            await watched(closed)
    assert service.requests == []


async def test_on_asyncio_no_block_is_needed(anyio_backend_name: str) -> None:
    """Start-up and shutdown hooks are different tasks; on trio the fix is named."""
    client = client_of(Service(look=look("Success")))
    if anyio_backend_name == "trio":
        with pytest.raises(RuntimeError, match="use `async with"):
            await client.fetch(ID)
        return
    async with anyio.create_task_group() as hooks:
        hooks.start_soon(client.wait, ID)
    async with anyio.create_task_group() as hooks:
        hooks.start_soon(client.aclose)
    with pytest.raises(RuntimeError, match="closed"):
        await client.fetch(ID)


async def test_who_waits_when_the_client_closes_is_told() -> None:
    """Waiters, watchers and a look: the task is paid and goes on."""
    service = Service(submit=answer(ID), look=[look(), look()])
    errors: list[IdealError] = []
    slow = Service(look=lambda _: anyio.sleep_forever())  # type: ignore[arg-type, return-value]  # never answers

    async def call(function: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(ConnectionFailed) as caught:
            await function()
        errors.append(caught.value)

    async with anyio.create_task_group() as callers, client_of(service) as client, client_of(slow) as other:
        callers.start_soon(call, lambda: client.wait(ID))
        callers.start_soon(call, lambda: client.generate(ROOM))
        callers.start_soon(call, lambda: watched(client))
        callers.start_soon(call, lambda: other.fetch(ID))
        callers.start_soon(call, lambda: other.wait(ID))
        await anyio.sleep(3)
    assert [error.task_id for error in errors] == [ID] * 5
    assert all("closed" in str(error) for error in errors)


@pytest.mark.parametrize("attempt", range(8))
async def test_closing_waits_for_a_post_in_flight_and_refuses_what_has_not_left(attempt: int) -> None:
    """The paid one is booked and its callback runs; the queued ones cost nothing; nobody hangs, in whatever order."""
    replies: list[Any] = [answer(ID), lambda _: later()]
    service = Service(submit=replies, look=look())
    told: list[int] = []
    outcomes: list[str] = []

    async def later() -> httpx.Response:
        await anyio.sleep(10)
        return answer(ID)

    async def call(function: Callable[[], Awaitable[object]]) -> None:
        try:
            await function()
            outcomes.append("id")
        except ConnectionFailed as error:
            outcomes.append("closed" if error.task_id else "not sent")

    async with anyio.create_task_group() as callers, client_of(service, max_requests_at_once=2) as client:
        await client.submit(ROOM)  # the API has answered one, so two may go at once
        callers.start_soon(call, lambda: client.generate(ROOM, on_submit=note_id(told)))
        callers.start_soon(call, lambda: client.submit(ROOM))
        await anyio.sleep(1)
        for _ in range(2):
            callers.start_soon(call, lambda: client.submit(ROOM))
        await anyio.sleep(1)
    assert sorted(outcomes) == ["closed", "id", "not sent", "not sent"], attempt
    assert told == [ID]
    assert books(client) == (0, 60, 0, 0)


async def test_closing_while_it_starts_ends_it(anyio_backend_name: str) -> None:
    """A shutdown hook may run before the first request has begun."""
    if anyio_backend_name == "trio":
        return
    service = Service(look=look())
    client = client_of(service)
    async with anyio.create_task_group() as tasks:

        async def first() -> None:
            with pytest.raises((RuntimeError, ConnectionFailed)):
                await client.wait(ID)

        tasks.start_soon(first)
        tasks.start_soon(client.aclose)
    assert service.requests == []
    assert [task for task in asyncio.all_tasks() if task.get_name() == "ideal_async"] == []


async def test_asyncios_own_cancellation_of_closing_tears_no_post(anyio_backend_name: str) -> None:
    """`asyncio.wait_for(client.aclose(), 1)` passes our shields; the POST is finished first all the same."""
    if anyio_backend_name == "trio":
        return
    gate = Gate()
    service = Service(submit=gate)
    client = client_of(service)
    submitting = asyncio.create_task(client.submit(ROOM))
    await gate.reached.wait()
    closing = asyncio.create_task(client.aclose())
    second = asyncio.create_task(client.aclose())
    for _ in range(3):
        await asyncio.sleep(1)
        closing.cancel()
    assert not closing.done()
    assert not second.done()
    gate.open.set()
    assert await submitting == ID
    with pytest.raises(asyncio.CancelledError):
        await closing
    await second


async def test_asyncios_own_cancellation_of_a_caller_tears_no_post(anyio_backend_name: str) -> None:
    """`asyncio.wait_for(client.submit(...), 1)`: web frameworks cancel like this."""
    if anyio_backend_name == "trio":
        return
    gate = Gate()
    told: list[int] = []
    async with client_of(Service(submit=gate)) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.generate(ROOM, on_submit=note_id(told)), 1)
        gate.open.set()
        await asyncio.sleep(1)
        assert (told, books(client)) == ([ID], (0, 20, 0, 0))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_client_may_be_made_before_there_is_an_event_loop(backend: str) -> None:
    """At import time, as web backends like it; then it belongs to the loop that uses it first."""
    client = client_of(Service(look=look("Success")))

    async def use() -> Task:
        async with client:
            return await client.wait(ID)

    assert anyio.run(use, backend=backend).succeeded


def test_a_client_belongs_to_one_event_loop() -> None:
    """In the next one it says so, and closing it there touches nothing of the first."""
    client = client_of(Service(look=look()))
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        first.run_until_complete(client.fetch(ID))
        for call in (client.fetch(ID), client.wait(ID), client.submit(ROOM), client.aclose(), client.__aenter__()):
            with pytest.raises(RuntimeError, match="belongs to another event loop: make one in each event loop"):
                second.run_until_complete(call)
        assert first.run_until_complete(client.fetch(ID)).id == ID
        first.run_until_complete(client.aclose())
        second.run_until_complete(client.aclose())
    finally:
        first.close()
        second.close()


def test_when_its_event_loop_is_gone_a_client_is_closed() -> None:
    """`asyncio.run` twice with one client: the second time it says so instead of hanging."""
    client = client_of(Service(look=look()))
    asyncio.run(client.fetch(ID))
    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(client.fetch(ID))


def test_a_post_torn_apart_with_its_event_loop_is_in_doubt() -> None:
    """`asyncio.run` cancels everything at its end; what was on the wire may have been paid."""
    gate_open: list[anyio.Event] = []
    errors: list[BaseException] = []
    clients: list[AsyncClient] = []

    async def main() -> None:
        gate = Gate()
        gate_open.append(gate.open)
        client = client_of(Service(submit=gate))
        clients.append(client)

        async def submit() -> None:
            try:
                await client.submit(ROOM)
            except BaseException as error:
                errors.append(error)
                raise

        task = asyncio.create_task(submit())
        await gate.reached.wait()
        del task

    asyncio.run(main())
    assert [type(error) for error in errors] == [asyncio.CancelledError]
    assert books(clients[0]) == (0, 0, 0, 20)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
async def test_a_client_does_not_survive_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes on one connection would read each other's answers."""
    async with client_of(Service(look=look())) as client:
        await client.fetch(ID)
        parent = os.getpid()
        monkeypatch.setattr("os.getpid", lambda: parent + 1)
        for call in (client.fetch(ID), client.submit(ROOM), client.aclose()):
            with pytest.raises(RuntimeError, match="before a fork: make one in each process"):
                await call
        monkeypatch.undo()
        assert (await client.fetch(ID)).id == ID


async def test_nested_use_is_one_use() -> None:
    """Entering what is open already changes nothing; the first exit closes."""
    client = client_of(Service(look=look()))
    async with client:
        async with client as same:
            assert same is client
            await client.fetch(ID)
        with pytest.raises(RuntimeError, match="closed"):
            await client.fetch(ID)


# Whose http client


async def test_a_users_http_client_stays_the_users() -> None:
    """Used as it is, without our key among its defaults, and open afterwards."""
    service = Service(look=look())
    async with httpx.AsyncClient(transport=service, headers={"X-Trace": "1"}) as http_client:
        async with AsyncClient(KEY, base_url=BASE_URL, http_client=http_client) as client:
            await client.fetch(ID)
        assert not http_client.is_closed
        assert "APIKEY" not in http_client.headers
    assert service.requests[0].headers["X-Trace"] == "1"


async def test_a_users_closed_http_client_is_told() -> None:
    """Nothing was sent, and nobody is told that it may have been."""
    http_client = httpx.AsyncClient(transport=Service())
    await http_client.aclose()
    async with AsyncClient(KEY, base_url=BASE_URL, http_client=http_client) as client:
        with pytest.raises(ConnectionFailed, match="the http client is closed"):
            await client.submit(ROOM)
        assert books(client) == (0, 0, 0, 0)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_fork_of_httpx_works_too(backend: str) -> None:
    """Call-compatible is enough."""
    httpx2 = pytest.importorskip("httpx2")
    quick = Pacing(min_interval=0.01, max_interval=0.02)

    def respond(request: Any) -> Any:
        assert request.headers["APIKEY"] == KEY
        reply = answer(ID) if request.url.path == GENERATE else look("Success")
        return httpx2.Response(reply.status_code, content=reply.content)

    async def main() -> Task:
        async with (
            httpx2.AsyncClient(transport=httpx2.MockTransport(respond)) as http_client,
            AsyncClient(KEY, base_url=BASE_URL, http_client=http_client, pacing=quick) as client,
        ):
            return await client.generate(ROOM)

    task = anyio.run(main, backend=backend)
    assert task.succeeded


# Money, in numbers


async def test_a_client_does_not_remember_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks that nobody waits for would fill the memory; the oldest is forgotten, and can be awaited all the same."""
    monkeypatch.setattr("ideal_async._books.REMEMBERED", 2)
    async with opened(world()) as client:
        ids = [await client.submit(ROOM) for _ in range(3)]
        assert [task_id for task_id in ids if client._books.running(task_id)] == ids[1:]
        assert (await client.wait(ids[0])).succeeded


async def test_a_thousand_submits_do_not_overspend_a_budget() -> None:
    """At once: what fits is made, the rest is refused before anything is sent."""
    sandbox = world(credits=100_000)
    budget = Budget(5_000)
    refused: list[BudgetExceeded] = []

    async def submit() -> None:
        try:
            await client.submit(ROOM)
        except BudgetExceeded as error:
            refused.append(error)

    async with opened(sandbox, budget=budget) as client, anyio.create_task_group() as callers:
        for _ in range(1000):
            callers.start_soon(submit)
    assert (len(sandbox.created), len(refused)) == (250, 750)
    assert (budget.left, budget.spent, budget.reserved, sandbox.credits) == (0, 5_000, 0, 95_000)
    assert (refused[0].needed, refused[0].left) == (20, 0)


async def test_one_budget_may_serve_several_clients() -> None:
    """They share what is left; each has a ledger of its own."""
    sandbox = world()
    budget = Budget(40)
    async with opened(sandbox, budget=budget) as one, opened(sandbox, budget=budget) as other:
        await one.submit(ROOM)
        await other.submit(ROOM)
        for client in (one, other):
            with pytest.raises(BudgetExceeded):
                await client.submit(ROOM)
            assert books(client) == (0, 20, 0, 0)


async def test_out_of_credits_at_the_service_frees_the_budget() -> None:
    """The account has less than the budget."""
    budget = Budget(100)
    async with opened(world(credits=30), budget=budget) as client:
        await client.submit(ROOM)
        with pytest.raises(OutOfCredits):
            await client.submit(ROOM)
    assert budget.left == 80


# The guest in somebody's event loop


@pytest.mark.slow
@pytest.mark.usefixtures("real_time")
async def test_cancelled_callers_leak_no_pool_slots(anyio_backend_name: str) -> None:
    """Three hundred of them for a while, over real connections, cancelled as web frameworks do it.

    Plain httpx 0.28.1 loses its pool for good: requests that queue in httpcore's pool when they are cancelled leave
    slots behind that never come back.
    """

    async def serve(stream: anyio.abc.SocketStream) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            while True:
                await read_request(stream)
                await anyio.sleep(0.005)
                await stream.send(http(look().content))

    async def call(number: int) -> None:
        while True:
            patience = 0.001 * (1 + number % 20)
            if anyio_backend_name == "asyncio":
                with suppress(TimeoutError):
                    await asyncio.wait_for(client.fetch(ID), patience)
            else:
                with anyio.move_on_after(patience):
                    await client.fetch(ID)
            await anyio.sleep(0.001)

    async with loopback(serve) as base_url, AsyncClient(KEY, base_url=base_url) as client:
        with anyio.move_on_after(1.0):
            async with anyio.create_task_group() as callers:
                for number in range(300):
                    callers.start_soon(call, number)
        await anyio.sleep(0.2)  # the last ones unwind
        owned = [own._transport if isinstance(own, httpx.AsyncClient) else own for own in client._transports._own]
        transports = [own.pool for own in owned if isinstance(own, RenewedTransport)]
        assert len(transports) == 2
        (lanes,) = (own for own in owned if isinstance(own, LaneTransport))
        transports += [lane for lane, _ in lanes._idle]
        for transport in transports:
            assert isinstance(transport, httpx.AsyncHTTPTransport)
            pool: Any = transport._pool
            assert [repr(each) for each in pool.connections if "CONNECTING" in repr(each)] == []
            assert pool._requests == []
        async with anyio.create_task_group() as callers:
            for _ in range(20):
                callers.start_soon(client.fetch, ID)


@pytest.mark.slow
@pytest.mark.usefixtures("real_time")
async def test_a_client_of_its_own_talks_over_real_connections() -> None:
    """Two transports: one for submits, one for looks and downloads; both are closed with it."""
    seen: list[bytes] = []

    async def serve(stream: anyio.abc.SocketStream) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            while True:
                request = await read_request(stream)
                seen.append(request.partition(b" ")[0])
                reply = answer(ID) if request.startswith(b"POST") else look("Success")
                await stream.send(http(reply.content))

    async with loopback(serve) as base_url:
        async with AsyncClient(KEY, base_url=base_url, pacing=Pacing(min_interval=0.01, max_interval=0.05)) as client:
            assert (await client.generate(ROOM)).succeeded
        assert client._transports.web.is_closed
    assert seen == [b"POST", b"GET"]


@pytest.mark.parametrize("timeout", [0, -1, 0.0])
async def test_nothing_leaves_after_the_deadline(timeout: float) -> None:
    """Also when it had passed from the start."""
    service, budget = Service(submit=answer(ID), look=look()), Budget(100)
    async with client_of(service, budget=budget) as client:
        with pytest.raises(ConnectionFailed, match="nothing was spent"):
            await client.generate(ROOM, key="a", timeout=timeout)
        await anyio.sleep(1)
        assert service.requests == []
        assert budget.left == 100
        assert await client.submit(ROOM, key="a") == ID  # the key is free


# What cannot work


@pytest.mark.parametrize(
    ("settings", "fix"),
    [
        ({"journal": "orders.journal"}, r"pass journal=Journal\(path\)"),
        ({"journal": Journal}, r"pass journal=Journal\(path\)"),
        ({"budget": 500}, r"budget is a Budget, not 500: pass budget=Budget\(\.\.\.\)"),
        ({"retry": 3}, "retry is a Retry, not 3"),
        ({"pacing": 5.0}, r"pass pacing=Pacing\(\.\.\.\)"),
        ({"prices": {}}, "prices is a Prices"),
        ({"account": 5}, "account is a name of yours for who pays, not 5"),
        ({"observer": Observer}, "observer is an object of a class on top of Observer"),
        ({"observer": "prometheus"}, "observer is an object of a class on top of Observer, not 'prometheus'"),
        ({"on_end": "deliver"}, "on_end is a function, sync or async, not 'deliver'"),
        ({"max_requests_at_once": "5"}, "max_requests_at_once is a whole number, not '5'"),
        ({"max_requests_at_once": 2.5}, r"max_requests_at_once is a whole number, not 2\.5"),
        ({"max_requests_at_once": True}, "max_requests_at_once is a whole number, not True"),
        ({"base_url": b"https://api.example"}, "base_url is text such as https://api.ideal.house"),
        ({"api_key": 5}, "the API key must be str"),
        ({"api_key": b"key"}, "the API key must be str"),
    ],
)
def test_what_cannot_work_is_refused_when_the_client_is_made(settings: dict[str, Any], fix: str) -> None:
    """By type, in one line, with the fix."""
    with pytest.raises(TypeError, match=fix):
        AsyncClient(**{"api_key": KEY, **settings})


async def test_what_cannot_be_called_is_refused_before_anything_is_paid() -> None:
    """When it would be called it is too late."""
    service = Service(submit=answer(ID))
    wrong: Any = "deliver"
    async with client_of(service) as client:
        for call in (
            lambda: client.submit(ROOM, on_submit=wrong),
            lambda: client.generate(ROOM, on_submit=wrong),
            lambda: client.generate(ROOM, on_progress=wrong),
            lambda: client.wait(ID, on_progress=wrong),
        ):
            with pytest.raises(TypeError, match=r"on_\w+ is a function, sync or async, not 'deliver'"):
                await call()
        for more in ({"on_submit": wrong}, {"on_progress": wrong}, {"max_in_flight": wrong}):
            with pytest.raises(TypeError, match=r"\w+ is a .*, not 'deliver'"):
                batch(client, [ROOM], **more)
        with pytest.raises(TypeError, match="a batch is made by an AsyncClient, not 'deliver'"):
            batch(wrong, [ROOM])
    assert service.requests == []


def test_a_base_url_may_be_an_httpx_url() -> None:
    """People have one at hand."""
    url: Any = httpx.URL("https://api.example/")
    assert AsyncClient(KEY, base_url=url).origin == "https://api.example:443"


def test_a_budget_over_a_journals_rows_needs_the_journal() -> None:
    """Without one it would hold nobody back."""
    with pytest.raises(ValueError, match=r"pass journal=Journal\(path\) as well, or leave since out"):
        AsyncClient(KEY, budget=Budget(30, since=datetime(2026, 3, 25, tzinfo=UTC)))


async def test_a_timeout_is_a_number() -> None:
    """Text would be compared with the clock much later."""
    wrong: Any = "5"
    async with client_of(Service(submit=answer(ID))) as client:
        for call in (
            lambda: client.generate(ROOM, timeout=wrong),
            lambda: client.wait(ID, timeout=wrong),
            lambda: watched(client, timeout=wrong),
        ):
            with pytest.raises(TypeError, match="timeout is a number of seconds or None, not '5'"):
                await call()
        with pytest.raises(TypeError, match="max_age is a number of seconds or None, not '5'"):
            await client.fetch(ID, max_age=wrong)
        with pytest.raises(TypeError, match="max_interval is a number of seconds or None, not '5'"):
            await watched(client, max_interval=wrong)
        with pytest.raises(TypeError, match="timeout is a number of seconds"):
            batch(client, [], timeout=True)
        for key in (5, "a\0b", "\ud800", "", "ä" * 501):
            error = ValueError if isinstance(key, str) else TypeError
            with pytest.raises(error, match="a key must"):
                await client.submit(ROOM, key=key)  # type: ignore[arg-type]  # that is the mistake


async def test_what_ran_out_of_time_can_be_pickled() -> None:
    """With its last look, and so can an outcome that holds it."""
    async with client_of(Service(submit=answer(ID), look=look(percentage=30))) as client:
        with pytest.raises(WaitTimeout) as caught:
            await client.generate(ROOM, timeout=60)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own
    assert again.task == caught.value.task
    assert again.task is not None
    assert again.task.percentage == 30
