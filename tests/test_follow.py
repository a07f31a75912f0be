"""Somebody follows every paid task to its end, also when nobody awaits it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from fakes import BASE_URL, ID, KEY, ROOM, Service, answer, client_of, look

from ideal_async import AsyncClient, Entry, Intent, Journal, JournalFailed, Retry
from ideal_async._forecast import Forecast
from ideal_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio


async def inline(function: Any, *args: object) -> Any:
    """Stay in the event loop: threads and virtual time do not mix."""
    await anyio.lowlevel.checkpoint()
    return function(*args)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "orders.journal") as journal:
        yield journal


def states(journal: Journal) -> dict[str, str]:
    return {entry.key: entry.state for entry in journal.entries()}


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_what_nobody_awaits_is_delivered(journal: Journal, kind: str) -> None:
    """A backend submits and returns; the end comes by itself, with URLs that can be fetched now."""
    ended: list[Entry] = []

    async def later(entry: Entry) -> None:
        await anyio.sleep(1)
        ended.append(entry)

    on_end = ended.append if kind == "sync" else later
    with Sandbox(render=False, faults="task 2: fail") as sandbox:
        async with AsyncClient(
            "sandbox", transport=sandbox.transport, journal=journal, follow=True, on_end=on_end, _leave_loop=inline
        ) as client:
            for key in "ab":
                await client.submit(ROOM, key=key)
            await anyio.sleep(3600)
            entry = await client.lookup("a")
    assert sorted((entry.key, entry.state) for entry in ended) == [("a", "succeeded"), ("b", "failed")]
    assert states(journal) == {"a": "succeeded", "b": "failed"}
    assert entry is not None
    assert entry.state == "succeeded"


async def test_one_task_of_two_keys_is_followed_once(journal: Journal) -> None:
    """A service that was started anew gives the same id once more: nobody looks at it twice."""
    service = Service(submit=answer(ID), look=look("Success"))
    ended: list[Entry] = []
    more: dict[str, Any] = {"journal": journal, "follow": True, "on_end": ended.append, "_leave_loop": inline}
    async with client_of(service, **more) as client:
        for key in "ab":
            await client.submit(ROOM, key=key)
        await anyio.sleep(30)
    assert len(service.looks) == 1
    assert {entry.task_id for entry in ended} == {ID}
    assert set(states(journal).values()) == {"succeeded"}


async def test_an_end_is_written_down_behind_its_delivery(journal: Journal) -> None:
    """What could not be delivered is tried again, and is not forgotten by a restart."""
    calls: list[str] = []

    def fail(entry: Entry) -> None:
        calls.append(entry.state)
        assert states(journal) == {"a": "submitted"}
        raise LookupError("the bucket is gone")

    service = Service(submit=answer(ID), look=look("Success"))
    more: dict[str, Any] = {"journal": journal, "follow": True, "_leave_loop": inline}
    async with client_of(service, on_end=fail, **more) as client:
        await client.submit(ROOM, key="a")
        await anyio.sleep(150)
    assert calls == ["succeeded"] * 3  # at once, and after a minute each
    assert states(journal) == {"a": "submitted"}
    delivered: list[Entry] = []
    async with client_of(service, on_end=delivered.append, **more):
        await anyio.sleep(30)
    assert [(entry.key, entry.task and entry.task.id) for entry in delivered] == [("a", ID)]
    assert states(journal) == {"a": "succeeded"}


@pytest.mark.parametrize("verb", ["fetch", "fetch twice", "wait", "generate"])
async def test_whoever_sees_the_end_first_leaves_it_to_who_delivers(journal: Journal, verb: str) -> None:
    """A status page sees the end before the follower: it is written down behind the delivery all the same."""
    delivered: list[str] = []

    def fail(_: Entry) -> None:
        raise LookupError("the bucket is gone")

    service = Service(submit=answer(ID), look=look("Success"))
    more: dict[str, Any] = {"journal": journal, "follow": True, "_leave_loop": inline}
    async with client_of(service, on_end=fail, **more) as client:
        await client.submit(ROOM, key="a")
        for _ in range(2 if verb == "fetch twice" else 1):
            if verb == "generate":
                await client.generate(ROOM, key="a")
            else:
                await (client.wait(ID) if verb == "wait" else client.fetch(ID))
        await anyio.sleep(100)
        assert (await client.fetch(ID)).succeeded
        assert states(journal) == {"a": "submitted"}
    async with client_of(service, on_end=lambda entry: delivered.append(entry.key), **more):
        await anyio.sleep(100)
    assert delivered == ["a"]
    assert states(journal) == {"a": "succeeded"}


@pytest.mark.parametrize(
    ("end", "refunded"),
    [(look("Failed"), True), (look("Cancelled"), None), (answer(code=9038), True), (look("Success"), None)],
)
async def test_who_delivers_hears_what_is_known_of_the_credits(
    journal: Journal, end: httpx.Response, refunded: bool | None
) -> None:
    """The entry says what the journal is about to say."""
    ended: list[Entry] = []
    service = Service(submit=answer(ID), look=end)
    async with client_of(service, journal=journal, follow=True, on_end=ended.append, _leave_loop=inline) as client:
        await client.submit(ROOM, key="a")
        await anyio.sleep(60)
    assert [entry.refunded for entry in ended] == [entry.refunded for entry in journal.entries()] == [refunded]


async def test_who_waits_hears_of_the_end_at_once(journal: Journal) -> None:
    """A slow delivery holds up no waiter."""

    async def slowly(_: Entry) -> None:
        await anyio.sleep(100)

    service = Service(submit=answer(ID), look=look("Success"))
    async with client_of(service, journal=journal, follow=True, on_end=slowly, _leave_loop=inline) as client:
        begun = anyio.current_time()
        await client.generate(ROOM, key="a")
        assert anyio.current_time() - begun < 60
        assert states(journal) == {"a": "submitted"}
        await anyio.sleep(1)
    assert states(journal) == {"a": "succeeded"}  # closing waits for a delivery under way


async def test_several_clients_on_one_journal_look_once(journal: Journal, tmp_path: Path) -> None:
    """A task has one follower; when that one lets go, another takes it over."""
    service = Service(submit=answer(ID), look=look())
    ended: list[Entry] = []
    more: dict[str, Any] = {"follow": True, "on_end": ended.append, "_leave_loop": inline}
    with Journal(tmp_path / "orders.journal") as second, Journal(tmp_path / "other.journal") as other:
        async with client_of(service, journal=second, **more):
            async with client_of(service, journal=journal, **more) as client:
                await client.submit(ROOM, key="a")
                await anyio.sleep(100)
                looks = len(service.looks)
            alone = Service(submit=answer(ID), look=look())
            async with client_of(alone, journal=other, **more) as client:
                await client.submit(ROOM, key="a")
                await anyio.sleep(100)
            assert looks == pytest.approx(len(alone.looks), abs=2)
            await anyio.sleep(100)
            assert len(service.looks) > looks  # it was taken over


async def test_what_the_api_denies_is_followed_no_more(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    """Its row stays open, and the log says so; an outage is ridden out instead."""
    service = Service(submit=answer(ID), look=answer(code=1011, message="no such task"))
    async with client_of(service, journal=journal, follow=True, _leave_loop=inline) as client:
        await client.submit(ROOM, key="a")
        await anyio.sleep(1000)
    assert len(service.looks) == 1
    assert "is followed no more (InvalidRequest)" in caplog.text
    assert states(journal) == {"a": "submitted"}


OUTAGES: dict[str, Any] = {
    "connect": httpx.ConnectError("down"),
    "1001": answer(code=1001, message="failed"),
    "1003": answer(code=1003, message="busy"),
    "5002": answer(code=5002, message="wrong key"),
    "7777": answer(code=7777, message="a code nobody knows"),
    "http 401": httpx.Response(401),
    "http 404": httpx.Response(404, text="<html>"),
    "http 429": httpx.Response(429),
    "http 503": httpx.Response(503, text="<html>"),
    "json 503": answer(code=503, status=503),
    "no task": answer("nonsense"),
}


@pytest.mark.parametrize("outage", OUTAGES)
async def test_an_outage_is_outlasted(journal: Journal, outage: str, caplog: pytest.LogCaptureFixture) -> None:
    """Longer than a wait would, whoever answers meanwhile: only a denial of this very task would be an end."""
    down = True
    calls: list[str] = []
    service = Service(submit=answer(ID), look=lambda _: OUTAGES[outage] if down else look("Success"))
    more: dict[str, Any] = {"follow": True, "on_end": lambda entry: calls.append(entry.key), "_leave_loop": inline}
    async with client_of(service, journal=journal, retry=Retry(outage=30), **more) as client:
        await client.submit(ROOM, key="a")
        await anyio.sleep(900)
        assert states(journal) == {"a": "submitted"}
        down = False
        await anyio.sleep(100)
        assert states(journal) == {"a": "succeeded"}
    assert calls == ["a"]
    told = [record.levelname for record in caplog.records if "looking failed" in record.message]
    assert told == ["ERROR" if outage == "5002" else "WARNING"]  # a key is mended by a person


@pytest.mark.parametrize("verb", ["find", "settle"])
async def test_a_journal_that_is_away_ends_nothing(
    journal: Journal, verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A database away for a while when a task ends: other waits go on, and the end is delivered once it is back."""
    away = ended = False
    calls: list[str] = []
    waited: list[int] = []

    class Away(Journal):
        def find(self, *args: Any, **more: Any) -> Any:
            if away and verb == "find":
                raise JournalFailed("the database cannot be reached")
            return super().find(*args, **more)

        def settle(self, *args: Any, **more: Any) -> None:
            if away and verb == "settle":
                raise JournalFailed("the database cannot be reached")
            super().settle(*args, **more)

    def respond(request: httpx.Request) -> httpx.Response:
        task_id = int(request.url.params["taskId"])
        return look("Success" if ended and (task_id == ID or not away) else "Processing", task_id)

    ids = iter(range(ID, ID + 3))
    service = Service(submit=lambda _: answer(next(ids)), look=respond)
    journal.__class__ = Away
    more: dict[str, Any] = {"on_end": lambda entry: calls.append(entry.key), "_leave_loop": inline}
    async with client_of(service, journal=journal, follow=True, **more) as client, anyio.create_task_group() as tasks:
        for key in "ab":
            await client.submit(ROOM, key=key)

        async def wait_for_b() -> None:
            waited.append((await client.wait(ID + 1)).id)

        tasks.start_soon(wait_for_b)
        await anyio.sleep(30)
        away = ended = True
        await anyio.sleep(200)
        assert states(journal) == {"a": "submitted", "b": "submitted"}
        away = False
        assert await client.submit(ROOM, key="c") == ID + 2
        await anyio.sleep(200)
    journal.__class__ = Journal
    assert waited == [ID + 1]
    assert sorted(calls) == ["a", "b", "c"]
    assert set(states(journal).values()) == {"succeeded"}
    assert caplog.text.count("JournalFailed: the database cannot be reached") == 1  # of three tries


async def test_a_mistake_of_ours_does_not_end_following(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever nobody foresaw is logged with its traceback, and tried again."""
    after, broken = Forecast.after, True

    def mistaken(*args: Any, **more: Any) -> float:
        if broken:
            raise IndexError
        return after(*args, **more)

    monkeypatch.setattr(Forecast, "after", mistaken)
    ids = iter(range(ID, ID + 2))
    service = Service(
        submit=lambda _: answer(next(ids)),
        look=lambda request: look("Processing" if broken else "Success", int(request.url.params["taskId"])),
    )
    async with client_of(service, journal=journal, follow=True, _leave_loop=inline) as client:
        await client.submit(ROOM, key="a")
        await anyio.sleep(100)
        await client.submit(ROOM, key="b")
        broken = False
        await anyio.sleep(200)
    assert states(journal) == {"a": "succeeded", "b": "succeeded"}
    assert f"task {ID}: looking failed, and is tried every 60 s: IndexError" in caplog.text
    assert KEY not in caplog.text


async def test_prohibited_content_is_delivered_with_its_reason(journal: Journal) -> None:
    """9038 comes in place of a task."""
    ended: list[Entry] = []
    service = Service(submit=answer(ID), look=answer(code=9038, message="prohibited"))
    async with client_of(service, journal=journal, follow=True, on_end=ended.append, _leave_loop=inline) as client:
        await client.submit(ROOM, key="a")
        await anyio.sleep(100)
    assert [(entry.state, entry.task) for entry in ended] == [("failed", None)]
    assert "prohibited" in str(ended[0].reason)


async def test_a_journal_out_of_reach_is_asked_again(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    """A follower outlives a database that is down for a while."""
    asked = 0

    class Down(Journal):
        def follow(self, origin: str, *, account: str = "") -> Any:
            nonlocal asked
            asked += 1
            if asked < 3:
                raise OSError(5, "down")
            return super().follow(origin, account=account)

        def unfollow(self, *_: Any, **__: Any) -> None:
            raise OSError(5, "down")

    journal.__class__ = Down
    async with client_of(Service(), journal=journal, follow=True, _leave_loop=inline):
        await anyio.sleep(100)
    journal.__class__ = Journal
    assert asked == 7
    assert "could not be asked for tasks to follow" in caplog.text
    assert "nobody follows" in caplog.text


async def test_a_pruned_key_has_no_delivery(journal: Journal) -> None:
    """A person has forgotten it; there is no entry to hand over."""
    ended: list[Entry] = []

    class Pruned(Journal):
        def find(self, *_: Any, **__: Any) -> None:
            return None

    journal.__class__ = Pruned
    service = Service(submit=answer(ID), look=look("Success"))
    async with client_of(service, journal=journal, follow=True, on_end=ended.append, _leave_loop=inline) as client:
        await client.submit(ROOM, key="a")
        await anyio.sleep(100)
    journal.__class__ = Journal
    assert ended == []
    assert states(journal) == {"a": "succeeded"}


async def test_what_makes_no_sense_is_refused(journal: Journal) -> None:
    """At construction, with the fix."""
    with pytest.raises(ValueError, match="follow=True needs a journal"):
        client_of(Service(), follow=True)
    with pytest.raises(ValueError, match="pass follow=True as well"):
        client_of(Service(), journal=journal, on_end=print)


async def test_a_page_that_is_reloaded_costs_no_look(journal: Journal) -> None:
    """`fetch(max_age=)` gives the poller's last look, or an earlier fetch, while it is fresh enough."""
    service = Service(submit=answer(ID), look=look(percentage=30))
    async with client_of(service, journal=journal, follow=True, _leave_loop=inline) as client:
        await client.submit(ROOM, key="a")
        await anyio.sleep(60)
        looks = len(service.looks)
        assert (await client.fetch(ID, max_age=60)).percentage == 30
        assert len(service.looks) == looks
    async with client_of(service) as client:
        looks = len(service.looks)
        for _ in range(100):
            await client.fetch(ID, max_age=10)
        assert len(service.looks) == looks + 1
        await anyio.sleep(11)
        await client.fetch(ID, max_age=10)
        await client.fetch(ID)
        assert len(service.looks) == looks + 3


async def test_fetched_looks_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes first."""
    monkeypatch.setattr("ideal_async._looks.KEPT", 2)
    service = Service(look=lambda request: look(task_id=int(request.url.params["taskId"])))
    async with client_of(service) as client:
        for task_id in (1, 2, 3, 3, 2, 1):
            await client.fetch(task_id, max_age=10)
    assert service.looks == [1, 2, 3, 1]


class Counting(Journal):
    """A journal that limits what is in flight, as one for many hosts does."""

    denials: tuple[int, ...] = ()

    def take_over(self, origin: str, *, account: str = "") -> Any:
        """What nobody follows."""
        return self.follow(origin, account=account)

    def denied(self, _origin: str, task_id: int, *, account: str = "") -> None:
        """Note it, once the disk is there."""
        self.denials += (task_id,)
        assert account == ""
        if task_id == ID:
            raise OSError("no disk")


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[Counting]:
    with Counting(tmp_path / "orders.journal") as journal:
        yield journal


async def test_where_places_are_counted_nothing_is_left_alone(counting: Counting) -> None:
    """Neither what was submitted here and nobody awaits, nor what a dead process has left."""
    service = Service(submit=answer(ID), look=lambda request: look("Success", int(request.url.params["taskId"])))
    intent = counting.intend(BASE_URL, "left", ROOM, 20)
    assert isinstance(intent, Intent)
    counting.submitted(intent, ID + 1)
    counting.unfollow(BASE_URL)  # as its death would
    async with client_of(service, journal=counting, _leave_loop=inline) as client:
        await client.submit(ROOM, key="a")
        await anyio.sleep(100)
    assert states(counting) == {"left": "succeeded", "a": "succeeded"}


@pytest.mark.parametrize(("task_id", "code"), [(ID, 1011), (ID + 1, 1011), (ID + 1, 1001)])
async def test_what_is_denied_holds_no_place(counting: Counting, task_id: int, code: int) -> None:
    """The journal hears of it; that it cannot note it ends nothing. What the API cannot do now it does not deny."""
    service = Service(submit=answer(task_id), look=answer(code=code, message="no such task"))
    async with client_of(service, journal=counting, _leave_loop=inline) as client:
        await client.submit(ROOM, key="a")
        await anyio.sleep(100)
    assert counting.denials == (task_id,) * (code == 1011)
    assert states(counting) == {"a": "submitted"}
