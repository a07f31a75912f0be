"""A batch of many hosts, whatever moves it: what is kept, repeated and reported, and what is never sent."""

import doctest
import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import anyio
import attrs
import httpcore
import httpx
import psycopg
import pytest
from fakes import BASE_URL, answer
from fleet_steps import Fleet, HomeEngine, batches_of, room, rooms, until
from servers import Postgres, open_postgres

import ideal_async
import ideal_async.fleet._body as body
import ideal_async.fleet._run as handle
from ideal_async import Busy, Intent, Journal, JournalFailed
from ideal_async.fleet import BatchesOf, Chunk, Chunks, Ranges, Report
from ideal_async.fleet._items import read_request
from ideal_async.postgres import Limits, PostgresJournal

pytestmark = [pytest.mark.slow, pytest.mark.anyio, pytest.mark.usefixtures("real_time")]

Opened = Callable[..., PostgresJournal]


@pytest.fixture(params=["asyncio"])  # a database's answers take real time; the waiting itself is tested on both
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look around often: nothing here lasts a second."""
    monkeypatch.setattr(body, "_BEAT", 0.02)
    monkeypatch.setattr(body, "_LOOK_AGAIN", 0.02)
    monkeypatch.setattr(handle, "_ASK_AGAIN", 0.02)


@pytest.fixture
def opened(postgres_dsn: str) -> Iterator[Opened]:
    """Opens one more host's journal upon the same database at every call."""
    with ExitStack() as stack:
        yield lambda **more: stack.enter_context(closing(PostgresJournal(postgres_dsn, **more)))


@pytest.fixture
def service() -> Fleet:
    return Fleet()


def in_a_thread(work: Callable[[], Any]) -> None:
    """CPython 3.11 stops tracing below an event loop in which a task was cancelled: a new thread is traced again."""
    thread = threading.Thread(target=lambda: results.append(anyio.run(work)))
    results: list[Any] = []
    thread.start()
    thread.join()
    assert results == [None]


def nobody_there() -> httpx.ConnectError:
    """As httpcore proves that nothing was sent."""
    error = httpx.ConnectError("down")
    error.__cause__ = httpcore.ConnectError("down")
    return error


# What is kept


async def test_a_batch_is_made_and_saved(opened: Opened, service: Fleet, tmp_path: Path) -> None:
    """Chunk by chunk, in a folder that all see; the report adds up, and the keys are name and place."""
    journal = opened()
    async with service.client(journal) as client:
        engine = HomeEngine(Chunks(client, save=str(tmp_path / "videos")))
        run = await batches_of(engine, journal).start("spring", rooms(5), chunk=2)
        assert repr(run) == "<batch 'spring': 5 jobs>"
        assert (await run.progress()) == Report(5, waiting=5)
        assert await run.result() == Report(5, made=5, credits=5 * 10)
    assert len(list((tmp_path / "videos").glob("*.mp4"))) == 5
    assert [entry.key async for entry in run.entries()] == [f"spring/{number}" for number in range(5)]
    assert [chunk.first for chunk in Ranges("spring", 2, [(0, 5)]).cut()] == [0, 2, 4]


async def test_the_guide_shows_an_engine(opened: Opened, service: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch goes through it, and is paid once however often it is ordered; so does one that was cancelled."""
    monkeypatch.setenv("IDEAL_HOUSE_BASE_URL", BASE_URL)
    shown: dict[str, Any] = {**vars(ideal_async), **vars(ideal_async.fleet)}
    for example in doctest.DocTestParser().get_examples(ideal_async.fleet.__doc__ or ""):
        exec(example.source, shown)  # noqa: S102 - our own guide
    journal = opened()
    async with service.client(journal) as client:
        engine = shown["Here"](Chunks(client))
        for _ in range(2):
            assert await shown["order"](engine, journal, rooms(5)) == Report(5, made=5, credits=5 * 10)
        run = await BatchesOf(engine, journal).start("summer", rooms(3))
        assert await engine.works_on("summer")
        await run.cancel()
        assert not await engine.works_on("summer")
        assert (await run.result()).not_tried == 3
        await run.resume()
        assert (await run.result()).made == 3
    assert service.created.total() == 5 + 3


async def test_a_second_start_is_the_same_batch(opened: Opened, service: Fleet) -> None:
    """In any process, with any chunk: nothing is begun or paid twice."""
    first, second = opened(), opened()
    async with service.client(first) as client:
        engine = HomeEngine(Chunks(client))
        await batches_of(engine, first).start("spring", rooms(3), chunk=2)
        again = await batches_of(engine, second).start("spring", rooms(3), chunk=50)
        assert len(engine.order) == 1
        assert (await again.result()).made == 3
        found = await batches_of(engine, second).get("spring")
        assert (await found.result()).made == 3
    assert max(service.created.values()) == 1


async def test_another_batch_of_that_name_is_refused(opened: Opened) -> None:
    """Other requests, another order, other keys, another service or account: a batch never changes."""
    journal = opened()
    batches = batches_of(HomeEngine(), journal)
    await batches.start("spring", rooms(3))
    others: list[Any] = [rooms(2), rooms(3)[::-1], [("a", room("0")), *rooms(3)[1:]]]
    for requests in others:
        with pytest.raises(ValueError, match="there is a batch 'spring' already, with 3 other jobs"):
            await batches.start("spring", requests)
    for more in ({"base_url": "https://other.example"}, {"account": "b"}):
        elsewhere = BatchesOf(HomeEngine(), journal, **{"base_url": BASE_URL, **more})
        with pytest.raises(ValueError, match="another name"):
            await elsewhere.start("spring", rooms(3))
    with pytest.raises(ValueError, match="chunk must be 1 or more"):
        await batches.start("summer", rooms(3), chunk=0)
    with pytest.raises(KeyError, match="no batch 'summer'"):
        await batches.get("summer")


async def test_a_half_written_manifest_is_written_on(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between two slices leaves nothing in the way, of the same batch or another."""
    journal = opened()
    batches = batches_of(HomeEngine(), journal)
    monkeypatch.setattr("ideal_async.postgres._manifests._SLICE", 2)
    with monkeypatch.context() as patch:
        patch.setattr("ideal_async.postgres._manifests._add_batch", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await batches.start("spring", rooms(5))
    run = await batches.start("spring", rooms(5))
    manifest = await batches.manifest("spring")
    assert [key for key, _ in journal.items(manifest, 0, 9)] == [f"spring/{number}" for number in range(5)]
    assert run.size == 5


async def test_only_a_journal_that_hosts_share(opened: Opened, service: Fleet, tmp_path: Path) -> None:
    """A file of one machine is refused where it is handed in."""
    with Journal(tmp_path / "journal") as alone:
        async with service.client(alone) as client:
            with pytest.raises(TypeError, match="PostgresJournal"):
                Chunks(client)
            assert Chunks(client, journal=opened()).save is None
        with pytest.raises(TypeError, match="not in a Journal"):
            batches_of(HomeEngine(), alone)  # type: ignore[arg-type]


# What is repeated


async def test_a_chunk_may_run_twice_at_once(
    opened: Opened, service: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On two hosts, at the same time: one payment and one file a job, and both tell the same."""
    hosts = opened(), opened()
    await batches_of(HomeEngine(), hosts[0]).start("spring", rooms(4))
    reports: list[Report] = []
    chunk = Chunk("spring", 0, 4)

    async def work(journal: PostgresJournal) -> None:
        async with service.client(journal) as client:
            chunks = Chunks(client, save=tmp_path)
            while (report := await chunks.run(chunk)).again:  # the other one is writing that file
                assert report.unsaved
            reports.append(report)

    async with anyio.create_task_group() as both:
        for host in hosts:
            both.start_soon(work, host)
    assert reports == [Report(4, made=4, credits=40)] * 2
    assert sum(service.created.values()) == 4
    async with service.client(hosts[0]) as client:  # a third time, long after: it is not even read
        monkeypatch.setattr(hosts[0], "items", None)
        assert await Chunks(client).run(chunk) == reports[0]


async def test_only_a_promised_refund_is_no_cost(opened: Opened, service: Fleet) -> None:
    """What ended otherwise than `Failed` stays spent, in the report as in the journal."""
    journal = opened()
    service.ends["1"], service.ends["2"] = lambda: "Failed", lambda: "Cancelled"
    async with service.client(journal) as client:
        run = await batches_of(HomeEngine(Chunks(client)), journal).start("spring", rooms(3))
        assert await run.result() == Report(3, made=1, failed=2, credits=20)
        assert journal.spent(client.origin) == 20


async def test_a_poisoned_job_does_not_hold_its_chunk(opened: Opened, service: Fleet) -> None:
    """Refused by the service, failed, in doubt, or not to be read: the others are made, and each is counted."""
    journal = opened()
    service.submits_of["1"] = lambda: answer(None, 1011, "bad picture")
    service.submits_of["2"] = lambda: httpx.ReadError("reset")
    service.ends["3"] = lambda: "Failed"
    async with service.client(journal) as client:
        run = await batches_of(HomeEngine(Chunks(client)), journal).start("spring", rooms(6))
        manifest = await run._batches.manifest("spring")
        journal._session.write(
            lambda db: db.execute(
                "UPDATE batch_items SET request = ? WHERE number = 4 AND digest = ?", ('{"v": 2}', manifest.digest)
            )
        )
        report = await run.result()
    assert attrs.evolve(report, reason="") == Report(6, made=2, refused=2, unknown=1, failed=1, credits=30)
    assert "bad picture" in report.reason or "cannot be read" in report.reason
    assert [entry.key async for entry in run.entries("failed")] == ["spring/3"]


@pytest.mark.parametrize(
    "trouble",
    [nobody_there(), answer(None, 1003, "busy")],
    ids=["unreachable", "busy"],
)
async def test_an_outage_is_waited_out(opened: Opened, service: Fleet, trouble: Any) -> None:
    """Nothing was created, so the engine runs the chunk again, and all is made once the service is back."""
    journal = opened()
    down = True
    for prompt in map(str, range(5)):
        service.submits_of[prompt] = lambda: trouble if down else None
    await batches_of(HomeEngine(), journal).start("spring", rooms(5))
    async with service.client(journal) as client:
        report = await Chunks(client).run(Chunk("spring", 0, 5))
        assert (report.again, report.waiting, report.not_tried) == (body.AGAIN, 5, 0)
        assert report.reason
    down = False
    async with service.client(journal) as client:
        report = await Chunks(client).run(Chunk("spring", 0, 5))
    assert (report.again, report.made) == (None, 5)


def test_an_outage_is_not_waited_out_for_ever(opened: Opened, service: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some hours what could not be tried is reported so, and `resume` tries it."""
    journal = opened()
    service.submits_of = dict.fromkeys("012", nobody_there)
    chunk = Chunk("spring", 0, 3)

    async def begin() -> None:
        await batches_of(HomeEngine(), journal).start("spring", rooms(3))
        async with service.client(journal) as client:
            assert (await Chunks(client).run(chunk)).again

    async def give_up() -> None:
        async with service.client(journal) as client:
            report = await Chunks(client).run(chunk)
        assert (report.not_tried, report.waiting, report.again) == (3, 0, None)
        assert "down" in report.reason

    async def go_on() -> None:
        async with service.client(journal) as client:
            run = await batches_of(HomeEngine(Chunks(client)), journal).get("spring")
            assert (await run.resume()).not_tried == 3
            assert (await run.result()).made == 3

    in_a_thread(begin)
    monkeypatch.setattr(body, "PATIENCE", 0.0)
    in_a_thread(give_up)
    service.submits_of = {}
    in_a_thread(go_on)


async def test_what_is_not_saved_is_saved_later(opened: Opened, service: Fleet, tmp_path: Path) -> None:
    """It is made and paid; the chunk is repeated, and costs nothing."""
    journal = opened()
    service.files["1"] = lambda: httpx.Response(200, html="Sign in")
    async with service.client(journal) as client:
        engine = HomeEngine(Chunks(client, save=tmp_path))
        await batches_of(engine, journal).start("spring", rooms(3))
        report = await engine.chunks.run(Chunk("spring", 0, 3))  # type: ignore[union-attr]
        assert (report.made, report.unsaved, report.again) == (2, 1, body.AGAIN)
        service.files.clear()
        run = await batches_of(engine, journal).get("spring")
        assert await run.result() == Report(3, made=3, credits=30)
    assert sum(service.created.values()) == 3


async def test_a_client_that_is_closed_leaves_the_chunk_to_others(opened: Opened, service: Fleet) -> None:
    """Nothing is lost, and nothing is final."""
    journal = opened()
    client = service.client(journal)
    async with client:
        chunks = Chunks(client)
        await batches_of(HomeEngine(), journal).start("spring", rooms(2))
    report = await chunks.run(Chunk("spring", 0, 2))
    assert (report.again, report.waiting) == (body.AGAIN, 2)
    assert "closed" in report.reason


# What is reported and not repeated


async def test_a_budget_that_ends_in_the_middle(opened: Opened, service: Fleet, tmp_path: Path) -> None:
    """Done, failed and not tried are all; what was not tried goes on when there is more."""
    journal = opened(limits=Limits(credits=60))
    service.ends["1"] = lambda: "Failed"
    async with service.client(journal) as client:
        engine = HomeEngine(Chunks(client, save=tmp_path))
        run = await batches_of(engine, journal).start("spring", rooms(20), chunk=4)
        report = await run.result()
    assert report.made + report.failed + report.not_tried == 20
    assert report.not_tried >= 13  # six are paid, and one more where a failure was refunded in time
    assert report.stops
    assert "left in the budget" in report.reason
    assert sum(service.created.values()) in (6, 7)
    richer = opened()
    async with service.client(richer) as client:
        engine.chunks = Chunks(client, save=tmp_path)
        service.ends.clear()
        run = await batches_of(engine, richer).get("spring")
        await run.resume()
        assert (await run.result()).made == 19
        assert await run.retry_failed() == 1
        assert (await run.result()).complete
    assert service.created["1"] == 2
    assert sum(service.created.values()) == 21


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (answer(None, 9051, "COINS_NOT_ENOUGH"), "COINS_NOT_ENOUGH"),
        (answer(None, 5002, "API_KEY_INVALID"), "API_KEY_INVALID"),
        (httpx.Response(404, text="<h1>Welcome</h1>", headers={"server": "nginx"}), "somebody in between"),
        (httpx.ReadError("reset"), ""),
    ],
    ids=["credits", "key", "wrong host", "doubts"],
)
async def test_what_has_to_be_mended_is_reported(opened: Opened, service: Fleet, reply: Any, reason: str) -> None:
    """The account, the key, the host, or three doubts in a row: the rest is not tried, and not repeated."""
    journal = opened()
    service.submits_of = {str(number): lambda: reply for number in range(30)}
    async with service.client(journal) as client:
        engine = HomeEngine(Chunks(client))
        run = await batches_of(engine, journal).start("spring", rooms(30), chunk=20)
        report = await engine.chunks.run(Chunk("spring", 0, 20))  # type: ignore[union-attr]
    assert report.stops
    assert report.again is None
    assert reason in report.reason
    assert report.not_tried + report.unknown == 20
    assert report.unknown <= 3
    assert (await run.progress()).waiting == 10
    assert not service.created


async def test_a_host_that_must_not_do_it(opened: Opened, service: Fleet, postgres: Postgres) -> None:
    """Another service, another account, another database: nothing is sent, and the report says which."""
    journal = opened()
    chunk = Chunk("spring", 0, 2)
    batches = BatchesOf(HomeEngine(), journal, base_url="https://other.example", account="b")
    await batches.start("spring", rooms(2))
    async with service.client(journal) as client:
        report = await Chunks(client).run(chunk)
    assert "for https://other.example:443 (account 'b'), and a worker's client for https://api.example:443" in (
        report.reason
    )
    assert (report.not_tried, report.stops, report.again) == (2, True, None)
    with postgres.database() as dsn, closing(PostgresJournal(dsn)) as elsewhere:
        async with service.client(elsewhere) as client:
            report = await Chunks(client).run(chunk)
    assert "another database" in report.reason
    assert report.not_tried == 2


async def test_what_was_paid_behind_the_back_of_a_chunk_is_counted(opened: Opened, service: Fleet) -> None:
    """A request whose answer came when the chunk had ended already was tried, and is paid."""
    journal = opened()
    async with service.client(journal) as client:
        await batches_of(HomeEngine(), journal).start("spring", rooms(4))
        origin, items = client.origin, journal.items(journal.manifest("spring"), 0, 4)  # type: ignore[arg-type]
        intents = [journal.intend(origin, key, read_request(text), 10) for key, text in items[:3]]
        journal.submitted(intents[0], 1)  # type: ignore[arg-type]
        journal.unknown(intents[1])  # type: ignore[arg-type]
        journal.refused(intents[2], "no")  # type: ignore[arg-type]
        part = body._Pass(Chunks(client), Chunk("spring", 0, 4), items)
        part._handed = {0, 1, 2, 3}
        await part._let_go()
    report = part._sum_up(None)
    assert (report.unfinished, report.unknown, report.not_tried) == (1, 1, 2)


def test_reports_of_late_hosts(opened: Opened) -> None:
    """What is final stays so, whoever comes late; a pause is no time in which something was tried in vain."""
    journal = opened()
    journal.manifest("spring")
    for first in (0, 10):
        journal.file_report("spring", first, "interim", final=False)
    journal.file_report("spring", 0, "final", final=True)
    journal.file_report("spring", 0, "late", final=False)
    journal._session.write(lambda db: db.execute("UPDATE batch_reports SET began_at = 'epoch'"))
    assert [(one.report, one.final) for one in journal.reports("spring")] == [("final", True), ("interim", False)]
    journal.halt("spring", "")
    assert [one.age > 1e6 for one in journal.reports("spring")] == [True, False]
    assert [one.first for one in journal.reports("spring", 10)] == [10]
    journal.withdraw_reports("spring", [0])
    assert [one.first for one in journal.reports("spring")] == [10]


# Pause, cancel, retry


async def test_a_halted_batch_gets_no_permission(opened: Opened) -> None:
    """Neither to begin nor to go on; whoever is deciding about one this moment is waited for."""
    asking, halting = opened(), opened()
    await batches_of(HomeEngine(), halting).start("spring", rooms(3))
    manifest = asking.manifest("spring")
    assert manifest is not None
    (first, _), (second, _), (third, _) = asking.items(manifest, 0, 3)
    intent = asking.intend(manifest.origin, first, room("0"), 10)
    assert isinstance(intent, Intent)
    assert asking.confirm(intent) is True
    with psycopg.connect(halting._session._database.dsn) as deciding:
        deciding.execute("SELECT 1 FROM ideal_async.gates FOR UPDATE")
        thread = threading.Thread(target=halting.halt, args=("spring", "paused"))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        deciding.rollback()
    thread.join()
    assert isinstance(asking.confirm(intent), Busy)
    busy = asking.intend(manifest.origin, second, room("1"), 10)
    assert isinstance(busy, Busy)
    assert "paused or cancelled" in busy.reason
    assert isinstance(asking.intend(manifest.origin, "another", room("1"), 10), Intent)
    halting.halt("spring", "")
    assert asking.confirm(intent) is True
    assert isinstance(asking.intend(manifest.origin, third, room("2"), 10), Intent)


async def test_a_paused_batch_sends_nothing(opened: Opened, service: Fleet) -> None:
    """What runs is finished, the rest stands still until it is let go; a chunk that begins meanwhile waits."""
    journal = opened(limits=Limits(posts=1))
    async with service.client(journal) as client:
        engine = HomeEngine(Chunks(client))
        run = await batches_of(engine, journal).start("spring", rooms(30))
        paid: list[int] = []

        async def pause() -> None:
            await run.pause()
            paid.append(sum(service.created.values()) + 1)

        service.submits_of["5"] = pause
        report = await engine.chunks.run(Chunk("spring", 0, 30))  # type: ignore[union-attr]
        assert paid == [sum(service.created.values())]
        assert report.made + report.running == paid[0]  # its answer came when nothing else ran
        assert (report.waiting, report.again) == (30 - paid[0], body.AGAIN)
        assert (await engine.chunks.run(Chunk("spring", 0, 30))).waiting == 30  # type: ignore[union-attr]
        assert (await run.progress()).reason == "paused"
        await run.unpause()
        assert (await run.result()).made == 30
    assert max(service.created.values()) == 1


async def test_a_pause_that_ends_soon(opened: Opened, service: Fleet) -> None:
    """A chunk whose tasks run meanwhile goes on in the same run."""
    journal = opened(limits=Limits(posts=1))
    async with service.client(journal) as client:
        chunks = Chunks(client)
        run = await batches_of(HomeEngine(), journal).start("spring", rooms(12))
        seen: list[Report] = []
        let_go = anyio.Event()
        posts: list[str] = []

        async def pause() -> None:
            posts.append("")
            if len(posts) == 4:
                await run.pause()

        for prompt in map(str, range(12)):
            service.submits_of[prompt] = pause
            service.ends[prompt] = lambda: None if let_go.is_set() else "Processing"

        async def lift() -> None:
            await until(lambda: len(posts) == 4 and journal.manifest("spring").halted)  # type: ignore[union-attr]
            await anyio.sleep(0.2)  # it has seen that, and what was ahead of it waits
            assert seen[-1].running in (3, 4)
            await run.unpause()
            let_go.set()

        async with anyio.create_task_group() as beside:
            beside.start_soon(lift)
            report = await chunks.run(Chunk("spring", 0, 12), beat=seen.append)
    assert (report.made, report.again) == (12, None)


async def test_after_a_cancel_not_one_task_is_created(opened: Opened, service: Fleet) -> None:
    """Neither by who is sending, nor by who has asked already, nor by a host that slept."""
    hosts = [opened(limits=Limits(posts=2)) for _ in range(3)]
    run = await batches_of(HomeEngine(), hosts[0]).start("spring", rooms(40), chunk=20)
    manifest = await run._batches.manifest("spring")
    asleep = hosts[2]
    asleep.manifest("spring")  # it has worked for fleets before
    (key, _), *_ = asleep.items(manifest, 39, 40)
    sleeping = asleep.intend(manifest.origin, key, room("39"), 10)
    reports: list[Report] = []
    after: int | None = None

    async def slow() -> None:
        await anyio.sleep(0.1)

    service.submits_of = {str(number): slow for number in range(40)}

    async def work(journal: PostgresJournal, chunk: Chunk) -> None:
        async with service.client(journal) as client:
            reports.append(await Chunks(client).run(chunk))

    async with anyio.create_task_group() as workers:
        for host, chunk in zip(hosts, [Chunk("spring", 0, 20), Chunk("spring", 20, 40)], strict=False):
            workers.start_soon(work, host, chunk)
        await until(lambda: sum(service.created.values()) >= 3)
        with anyio.move_on_after(0.5) as waited:
            await run.cancel()
        assert waited.cancelled_caught, "somebody holds the right to send still"
        assert not asleep.confirm(sleeping), "but it is not granted any more"  # type: ignore[arg-type]
        asleep.withdraw(sleeping)  # type: ignore[arg-type]
        del sleeping
        gc.collect()
        await run.cancel()
        after = len(service.submits)
    assert after == sum(service.created.values()) < 40
    assert all(report.stops and report.reason == "cancelled" for report in reports)
    assert sum(report.not_tried for report in reports) >= 40 - after
    async with service.client(hosts[0]) as client:
        engine = HomeEngine(Chunks(client))
        batches = batches_of(engine, hosts[0])
        again = await batches.start("spring", rooms(40), chunk=20)  # by somebody who calls it at least once
        report = await again.result()
        assert (report.reason, report.stops) == ("cancelled", True)
        assert len(service.submits) == after
        for verb in (again.pause, again.unpause):
            with pytest.raises(RuntimeError, match="resume"):
                await verb()
        await again.resume()
        assert (await again.result()).made == 40
    assert max(service.created.values()) == 1


async def test_a_key_of_two_batches(opened: Opened, service: Fleet) -> None:
    """As long as one of its batches goes on, it is made."""
    journal = opened()
    both = [("kitchen", room("kitchen"))]
    async with service.client(journal) as client:
        engine = HomeEngine(Chunks(client))
        spring = await batches_of(engine, journal).start("spring", both)
        summer = await batches_of(engine, journal).start("summer", both)
        await spring.cancel()
        assert (await summer.result()).made == 1
        assert (await spring.result()).not_tried == 1
    assert service.created == {"kitchen": 1}


async def test_a_worker_that_is_told_to_end_lets_go(opened: Opened, service: Fleet) -> None:
    """What is on its way is waited for; the rest is for others."""
    journal = opened()
    sent = anyio.Event()

    async def slow() -> None:
        sent.set()
        await anyio.sleep(0.2)

    service.submits_of = {str(number): slow for number in range(30)}
    await batches_of(HomeEngine(), journal).start("spring", rooms(30))
    async with service.client(journal) as client:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as beside:

                async def end() -> None:
                    await sent.wait()
                    scope.cancel()

                beside.start_soon(end)
                await Chunks(client).run(Chunk("spring", 0, 30))
        assert scope.cancelled_caught
        assert not list(journal.entries("intended"))
        assert len(list(journal.entries("submitted"))) == sum(service.created.values()) < 30
        service.submits_of = {}
        assert (await Chunks(client).run(Chunk("spring", 0, 30))).made == 30


async def test_a_failure_is_released_once(opened: Opened, service: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever saw the failure before somebody else released it changes nothing."""
    hosts = [opened()]
    service.ends["1"] = lambda: "Failed"
    async with service.client(hosts[0]) as client:
        engine = HomeEngine(Chunks(client))
        run = await batches_of(engine, hosts[0]).start("spring", rooms(3))
        assert await run.retry_failed() == 0, "it is being done"
        assert (await run.result()).failed == 1
        service.ends.clear()
        failed = [entry async for entry in run.entries("failed")]
        assert await run.retry_failed() == 1
        assert (await run.result()).complete

        async def stale(*_: Any) -> Any:
            return failed

        with monkeypatch.context() as patch:
            patch.setattr(run, "_entries", stale)
            assert await run._release(0, 3) == 0, "it is made by now"
        assert await run.retry_failed() == 0, "all is made"
        assert not engine.order
    assert service.created["1"] == 2


async def test_what_has_no_price_is_made_all_the_same(
    opened: Opened, service: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted as free, because nobody knows better."""

    def unknown(_: object) -> int:
        raise ValueError("no price")

    monkeypatch.setattr(body, "estimate", unknown)
    journal = opened()
    async with service.client(journal) as client:
        run = await batches_of(HomeEngine(Chunks(client)), journal).start("spring", rooms(1))
        assert await run.result() == Report(1, made=1)


async def test_a_database_that_goes_away_in_the_middle(service: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    """A chunk lives through it, shows that it does, and lets go when it is back."""
    with open_postgres() as server, closing(PostgresJournal(server.dsn())) as journal:
        await batches_of(HomeEngine(), journal).start("spring", rooms(3))
        gone = anyio.Event()
        service.ends["0"] = lambda: None if gone.is_set() else "Processing"
        beats: list[Report] = []

        async def crash() -> None:
            await until(lambda: beats and beats[-1].made == 2)
            await anyio.to_thread.run_sync(server.kill)
            await until(lambda: "cannot be reached" in caplog.text)
            seen = len(beats)
            await until(lambda: len(beats) >= seen + 3)
            await anyio.to_thread.run_sync(server.start)
            gone.set()

        async with service.client(journal) as client, anyio.create_task_group() as beside:
            beside.start_soon(crash)
            report = await Chunks(client).run(Chunk("spring", 0, 3), beat=beats.append)
        assert report.made == 3


async def test_letting_go_outlives_the_database(
    opened: Opened, service: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether anything is on its way cannot be told: it is asked again, for a while."""
    journal = opened()
    run = await batches_of(HomeEngine(), journal).start("spring", rooms(1))
    sweep = journal.sweep
    fails = [JournalFailed("away")]

    def tried() -> int:
        if fails:
            raise fails.pop()
        return sweep()

    async with service.client(journal) as client:
        service.ends["0"] = run.cancel
        monkeypatch.setattr(journal, "count_intended", lambda _: 0)
        service.ends["0"] = lambda: "Processing"
        seen: list[Report] = []

        async def cancel() -> None:
            await until(lambda: seen and seen[-1].running)
            monkeypatch.setattr(journal, "sweep", tried)
            await run.cancel()

        async with anyio.create_task_group() as beside:
            beside.start_soon(cancel)
            report = await Chunks(client).run(Chunk("spring", 0, 1), beat=seen.append)
    assert (report.unfinished, report.reason) == (1, "cancelled")
    assert "away" in caplog.text
