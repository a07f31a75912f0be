"""A doubt can be confirmed: the task is looked at, compared with what was asked for, and given to its key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import attrs
import httpx
import pytest
from fakes import ID, ROOM, Service, answer, client_of, look

from ideal_async import (
    Budget,
    Busy,
    ConnectionFailed,
    Entry,
    InvalidRequest,
    Journal,
    SubmissionUnknown,
    Task,
    TaskInput,
)
from ideal_async._adoption import differences, missing

pytestmark = pytest.mark.anyio
LOST = httpx.ReadError("lost")
ECHO = {"imageUrl": ROOM.image_url, "duration": 5, "resolution": "720p", "modelType": "Flash"}


async def inline(function: Any, *args: object) -> Any:
    """Stay in the event loop: threads and virtual time do not mix."""
    await anyio.lowlevel.checkpoint()
    return function(*args)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "orders.journal") as journal:
        yield journal


async def lose(client: Any, *keys: str) -> None:
    for key in keys:
        with pytest.raises(SubmissionUnknown):
            await client.submit(ROOM, key=key)


async def test_a_doubt_is_confirmed(journal: Journal) -> None:
    """The key has its task, what was held is spent, and nothing is sent again."""
    service = Service(submit=LOST, look=look(input=ECHO))
    budget = Budget(100)
    async with client_of(service, journal=journal, budget=budget, _leave_loop=inline) as client:
        await lose(client, "a")
        assert (budget.unknown, budget.spent) == (20, 0)
        entry = await client.adopt("a", ID)
        assert (entry.state, entry.task_id) == ("submitted", ID)
        assert (budget.unknown, budget.spent, client.ledger.spent) == (0, 20, 20)
        assert await client.submit(ROOM, key="a") == ID
    assert len(service.submits) == 1


@pytest.mark.parametrize(("status", "state", "spent"), [("Success", "succeeded", 20), ("Failed", "failed", 0)])
async def test_a_task_that_has_ended_settles_its_key(journal: Journal, status: str, state: str, spent: int) -> None:
    """At once, and a failed one is refunded to whoever held its credits."""
    budget = Budget(100)
    service = Service(submit=LOST, look=look(status, input=ECHO))
    async with client_of(service, journal=journal, budget=budget, _leave_loop=inline) as client:
        await lose(client, "a")
        entry = await client.adopt("a", ID)
    assert entry.state == state
    assert (budget.unknown, budget.spent) == (0, spent)


@pytest.mark.parametrize(("end", "state"), [(look("Success"), "succeeded"), (answer(code=9038), "failed")])
async def test_a_task_that_has_ended_is_delivered_before_it_is_settled(
    journal: Journal, end: httpx.Response, state: str
) -> None:
    """A crash of the delivery must not lose it: who follows hears of it, as of any other task."""
    calls: list[str] = []
    budget = Budget(100)

    def on_end(entry: Entry) -> None:
        calls.append(entry.state)
        assert [entry.state for entry in journal.entries()] == ["submitted"]
        if len(calls) == 1:
            raise LookupError("the bucket is gone")

    service = Service(submit=LOST, look=end)
    more: dict[str, Any] = {"journal": journal, "budget": budget, "follow": True, "on_end": on_end}
    async with client_of(service, _leave_loop=inline, **more) as client:
        await lose(client, "a")
        assert (await client.adopt("a", ID, force=True)).state == "submitted"
        await anyio.sleep(200)
    assert calls == [state] * 2
    assert [entry.state for entry in journal.entries()] == [state]
    assert (budget.unknown, budget.spent) == (0, 20 if state == "succeeded" else 0)


async def test_another_process_may_confirm_it(journal: Journal) -> None:
    """It holds nothing for the key, so it charges nothing."""
    service = Service(submit=LOST, look=look(input=ECHO))
    async with client_of(service, journal=journal, _leave_loop=inline) as client:
        await lose(client, "a")
    async with client_of(service, journal=journal, _leave_loop=inline) as client:
        assert (await client.adopt("a", ID)).state == "submitted"
        assert client.ledger.spent == 0


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("field", "value"),
    [("imageUrl", "https://example.com/other.jpg"), ("duration", 10), ("prompt", "pan"), ("generateAudio", True)],
)
async def test_another_task_is_never_adopted(journal: Journal, field: str, value: Any, *, force: bool) -> None:
    """`force` covers what the echo lacks, not what it contradicts; the value itself is not repeated."""
    service = Service(submit=LOST, look=look(input={**ECHO, field: value}))
    async with client_of(service, journal=journal, _leave_loop=inline) as client:
        await lose(client, "a")
        with pytest.raises(ValueError, match=f"is not what was asked for: {field} differ"):
            await client.adopt("a", ID, force=force)
    assert [entry.state for entry in journal.entries()] == ["unknown"]


@pytest.mark.parametrize("echo", [None, {"imageUrl": ROOM.image_url}])
async def test_what_cannot_be_compared_needs_force(journal: Journal, echo: Any) -> None:
    """A person has made sure."""
    service = Service(submit=LOST, look=look(input=echo))
    async with client_of(service, journal=journal, _leave_loop=inline) as client:
        await lose(client, "a")
        with pytest.raises(ValueError, match=r"does not repeat .*duration.* force=True"):
            await client.adopt("a", ID)
        assert (await client.adopt("a", ID, force=True)).task_id == ID


async def test_a_prohibited_task_has_no_echo(journal: Journal) -> None:
    """9038 comes in its place: with force the key has failed, and is refunded."""
    budget = Budget(100)
    service = Service(submit=LOST, look=answer(code=9038, message="prohibited"))
    async with client_of(service, journal=journal, budget=budget, _leave_loop=inline) as client:
        await lose(client, "a")
        with pytest.raises(ValueError, match="the whole input"):
            await client.adopt("a", ID)
        assert (await client.adopt("a", ID, force=True)).state == "failed"
    assert budget.left == 100


async def test_two_equal_doubts_are_named(journal: Journal) -> None:
    """It may be either of them."""
    service = Service(submit=LOST, look=look(input=ECHO))
    async with client_of(service, journal=journal, _leave_loop=inline) as client:
        await lose(client, "a", "b")
        with pytest.raises(ValueError, match="b"):
            await client.adopt("a", ID)
        assert (await client.adopt("a", ID, force=True)).task_id == ID
        with pytest.raises(ValueError, match="a"):
            await client.adopt("b", ID, force=True)  # that task has its key


async def test_a_task_that_does_not_exist_is_not_adopted(journal: Journal) -> None:
    """The API says so, and the key stays in doubt."""
    service = Service(submit=LOST, look=answer(code=1011, message="no such task"))
    async with client_of(service, journal=journal, _leave_loop=inline) as client:
        await lose(client, "a")
        with pytest.raises(InvalidRequest):
            await client.adopt("a", ID)
    assert [entry.state for entry in journal.entries()] == ["unknown"]


async def test_only_what_is_in_doubt_can_be_adopted(journal: Journal) -> None:
    """Not what nobody asked for, nor what has its task."""
    service = Service(submit=answer(5), look=look(input=ECHO))
    async with client_of(service, journal=journal, _leave_loop=inline) as client:
        with pytest.raises(ValueError, match="no key 'a'"):
            await client.adopt("a", ID)
        await client.submit(ROOM, key="a")
        with pytest.raises(ValueError, match="'a'"):
            await client.adopt("a", ID)
    async with client_of(service) as client:
        with pytest.raises(RuntimeError, match="adopt needs a journal"):
            await client.adopt("a", ID)


async def test_closing_ends_an_adoption(journal: Journal) -> None:
    """Nothing is decided then."""

    async def never(_: httpx.Request) -> httpx.Response:
        await anyio.sleep(20)
        return look(input=ECHO)

    service = Service(submit=LOST, look=never)
    client = client_of(service, journal=journal, _leave_loop=inline)
    async with anyio.create_task_group() as tasks, client:
        await lose(client, "a")

        async def adopt() -> None:
            with pytest.raises(ConnectionFailed, match="closed during the look"):
                await client.adopt("a", ID)

        tasks.start_soon(adopt)
        await anyio.sleep(1)
    assert [entry.state for entry in journal.entries()] == ["unknown"]


async def test_a_store_without_a_persons_verbs_says_so() -> None:
    """A store of one's own need not have them."""

    class Store:
        def open(self) -> None: ...

        def intend(self, *_: Any, **__: Any) -> Busy:
            return Busy(1.0)

        def idle(self) -> None: ...

    store: Any = Store()
    async with client_of(Service(look=look()), journal=store, _leave_loop=inline) as client:
        with pytest.raises(TypeError, match="Store cannot adopt"):
            await client.adopt("a", ID)


def test_signatures_are_no_differences() -> None:
    """A presigned URL changes at every start of a program."""
    asked = attrs.evolve(ROOM, image_url=f"{ROOM.image_url}?sig=1")
    echo = TaskInput(image_url=f"{ROOM.image_url}?sig=2", duration=5, resolution="720p", model_type="Flash")
    task = Task(ID, "Processing", input=echo)
    assert differences(asked, task) == []
    assert missing(asked, task) == []
    assert differences(attrs.evolve(asked, last_image_url="https://e.com/b.jpg"), task) == []
    assert missing(attrs.evolve(asked, last_image_url="https://e.com/b.jpg"), task) == ["lastImageUrl"]
