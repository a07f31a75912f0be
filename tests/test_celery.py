"""A fleet over Celery, in one process with a real Redis: what is sent, repeated, left and waited for."""

import os
import signal
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.from_thread import BlockingPortal
from celery import Celery as App
from celery.exceptions import Reject, Retry
from fakes import BASE_URL
from fleet_steps import Fleet, rooms, until
from processes import free_port
from servers import open_redis

import ideal_async.celery._engine as celery_engine
import ideal_async.celery._task as task
import ideal_async.fleet._body as body
import ideal_async.fleet._run as handle
from ideal_async import AsyncClient, JournalFailed
from ideal_async.celery import Batches, install, run_worker
from ideal_async.celery._engine import app_of
from ideal_async.celery._task import CHUNK, Host, WorkerEnds
from ideal_async.celery._worker import _Process, work_for
from ideal_async.cli._engines import engine_of
from ideal_async.fleet import AGAIN, Chunk, Chunks, Ranges, Report
from ideal_async.postgres import Limits, PostgresJournal

pytestmark = [pytest.mark.slow, pytest.mark.anyio, pytest.mark.usefixtures("real_time")]

Opened = Callable[..., PostgresJournal]


@pytest.fixture(params=["asyncio"])  # a database's answers take real time; one trip is made on both
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look around often: nothing here lasts a second."""
    monkeypatch.setattr(body, "_BEAT", 0.02)
    monkeypatch.setattr(body, "_LOOK_AGAIN", 0.02)
    monkeypatch.setattr(handle, "_ASK_AGAIN", 0.02)
    monkeypatch.setattr(celery_engine, "_ASK_AGAIN", 0.05)
    monkeypatch.setattr(task, "_HELD", 0.3)


@pytest.fixture
def opened(postgres_dsn: str) -> Iterator[Opened]:
    """Opens one more host's journal upon the same database at every call."""
    with ExitStack() as stack:
        yield lambda **more: stack.enter_context(closing(PostgresJournal(postgres_dsn, **more)))


@pytest.fixture
def service() -> Fleet:
    return Fleet()


@asynccontextmanager
async def worker_of(app: Any, chunks: Chunks, chunks_at_once: int = 2) -> AsyncGenerator[None]:
    """A worker beside what the test does."""
    async with anyio.create_task_group() as beside:

        async def work() -> None:
            await work_for(app, chunks, chunks_at_once=chunks_at_once)

        beside.start_soon(work)
        yield
        beside.cancel_scope.cancel()


def batches_of(app: Any, journal: PostgresJournal) -> Batches:
    return Batches(app, journal, base_url=BASE_URL)


# From one end to the other


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_batch_is_made_and_saved(redis_url: str, opened: Opened, service: Fleet, tmp_path: Path) -> None:
    """As the command line has it done, on either backend, by a worker that ends when it is told to."""
    journal = opened()
    engine, address = engine_of(redis_url)
    async with service.client(journal) as client, anyio.create_task_group() as beside:
        ended = anyio.Event()

        async def work() -> None:
            await engine.work(client, address, tmp_path, 2)
            ended.set()

        beside.start_soon(work)
        batches = await engine.open(address, journal, BASE_URL)
        run = await batches.start("spring", rooms(5), chunk=2)
        assert await run.result() == Report(5, made=5, credits=50)
        os.kill(os.getpid(), signal.SIGTERM)
        await ended.wait()
    assert max(service.created.values()) == 1
    assert len(list(tmp_path.glob("*.mp4"))) == 5  # noqa: ASYNC240 - a look at a folder


async def test_a_broker_that_is_not_there_yet(opened: Opened, service: Fleet) -> None:
    """A worker waits for it; whoever orders is told, and orders again."""
    journal = opened()
    with open_redis() as redis:
        address = f"redis://127.0.0.1:{redis.port}"
        await anyio.to_thread.run_sync(redis.kill)
        async with service.client(journal) as client, worker_of(app_of(address), Chunks(client)):
            with pytest.raises(ConnectionError, match="call this again"):
                await batches_of(address, journal).start("spring", rooms(3))
            await anyio.to_thread.run_sync(redis.start)
            run = await batches_of(address, journal).start("spring", rooms(3))
            assert (await run.result()).made == 3


async def test_a_worker_that_ends_by_itself_says_so(opened: Opened, service: Fleet) -> None:
    """Such as one whose app does not wait for its broker."""
    app: Any = App("impatient", broker=f"redis://127.0.0.1:{free_port()}", set_as_current=False)
    app.conf.broker_connection_retry_on_startup = False
    async with service.client(opened()) as client:
        with pytest.raises(RuntimeError, match="ended by itself"):
            await run_worker(client, app)


# What is sent twice


async def test_duplicates_after_the_visibility_timeout_are_harmless(
    redis_url: str, opened: Opened, service: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk that takes longer is given out again and again: it is held, and every key is paid once."""
    journal = opened()
    given: list[Any] = []
    do = Host.do

    def count(host: Host, payload: Any, tries: int) -> float | None:
        given.append(payload)
        return do(host, payload, tries)

    monkeypatch.setattr(Host, "do", count)
    service.ends = {str(number): lambda: "Processing" if len(given) < 3 else None for number in range(4)}
    async with service.client(journal) as client, worker_of(app_of(redis_url, visibility=0.5), Chunks(client)):
        run = await batches_of(redis_url, journal).start("spring", rooms(4))
        assert await run.result() == Report(4, made=4, credits=40)
    assert len(given) >= 3
    assert service.created == {str(number): 1 for number in range(4)}


async def test_a_chunk_is_held_by_one(opened: Opened, service: Fleet) -> None:
    """Of all processes, and of all threads of one, until it lets go or dies."""
    hosts = [opened(), opened()]
    chunk = Chunk("spring", 0, 2)
    async with service.client(hosts[0]) as one, service.client(hosts[1]) as other, BlockingPortal() as portal:
        here, there = Host(portal, Chunks(one)), Host(portal, Chunks(other))
        async with here._hold(chunk) as mine, here._hold(chunk) as twice, there._hold(chunk) as theirs:
            assert (mine, twice, theirs) == (True, False, False)
            assert await there._repeat(chunk.write(), 0) == task._HELD
            assert hosts[1].held_chunks("spring") == 1
        assert hosts[0].hold_chunk("spring", 0)
        assert not hosts[1].hold_chunk("spring", 0)
        hosts[0].close()
        await until(lambda: hosts[1].hold_chunk("spring", 0))


async def test_start_again_sends_what_is_not_reported(redis_url: str, opened: Opened, service: Fleet) -> None:
    """So a broker that has lost all its messages costs nothing; and what is done is not sent."""
    journal = opened()
    sent: list[Chunk] = []
    batches = batches_of(redis_url, journal)
    run = await batches.start("spring", rooms(5), chunk=2)
    async with service.client(journal) as client:
        await Chunks(client).run(Chunk("spring", 2, 4))

    async def send(chunks: Any) -> None:
        sent.extend(chunks)

    batches.engine._send = send  # type: ignore[method-assign]
    await batches.start("spring", rooms(5), chunk=2)
    assert [chunk.first for chunk in sent] == [0, 4]
    await run.cancel()
    await batches.start("spring", rooms(5), chunk=2)
    await batches.engine.begin(Ranges("autumn", 2, [(0, 4)]))
    assert len(sent) == 2
    assert not await batches.engine.works_on("autumn")


# What ends a batch


async def test_after_a_cancel_not_one_task_is_created(redis_url: str, opened: Opened, service: Fleet) -> None:
    """Whatever is in the queue still; and it goes on when it is resumed."""
    journal = opened(limits=Limits(posts=2))

    async def slow() -> None:
        await anyio.sleep(0.05)

    service.submits_of = {str(number): slow for number in range(30)}
    async with service.client(journal) as client, worker_of(app_of(redis_url), Chunks(client)):
        run = await batches_of(redis_url, journal).start("spring", rooms(30), chunk=5)
        await until(lambda: sum(service.created.values()) >= 3)
        await run.cancel()
        after = len(service.submits)
        assert journal.held_chunks("spring") == 0
        report = await run.result()
        assert (report.reason, report.stops) == ("cancelled", True)
        await until(lambda: journal.finished_chunks("spring") == 6)  # the messages that were left
        assert len(service.submits) == after == sum(service.created.values()) < 30
        await run.resume()
        assert (await run.result()).made == 30
    assert max(service.created.values()) == 1


async def test_a_cancel_waits_for_no_frozen_worker(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """For a while it does, because it looks as if it worked."""
    monkeypatch.setattr(celery_engine, "_LETTING_GO", 0.2)
    journal, frozen = opened(), opened()
    engine = batches_of("memory://", journal).engine
    assert frozen.hold_chunk("spring", 0)
    await engine.cancel("spring")
    assert "does not let go" in caplog.text


async def test_a_budget_that_ends_in_the_middle(redis_url: str, opened: Opened, service: Fleet) -> None:
    """All is reported: what is left is not even tried, and not repeated until there is more."""
    journal = opened(limits=Limits(credits=60))
    app = app_of(redis_url)
    async with service.client(journal) as client, worker_of(app, Chunks(client)):
        run = await batches_of(redis_url, journal).start("spring", rooms(20), chunk=2)
        report = await run.result()
    assert (report.made, report.not_tried, report.stops) == (6, 14, True)
    assert "left in the budget" in report.reason
    assert sum(service.created.values()) == 6
    richer = opened()
    async with service.client(richer) as client, worker_of(app, Chunks(client)):
        run = await batches_of(redis_url, richer).get("spring")
        await run.resume()
        assert (await run.result()).complete
    assert max(service.created.values()) == 1


async def test_a_stopped_batch_makes_no_more_doubts(opened: Opened, service: Fleet) -> None:
    """A chunk of which nothing was tried is left alone; another one is told in full."""
    journal = opened()
    async with service.client(journal) as client, BlockingPortal() as portal:
        chunks = Chunks(client)
        engine = batches_of("memory://", journal)
        await engine.start("spring", rooms(4), chunk=2)
        await client.generate(rooms(3)[2], key="spring/2")
        await chunks.file(Chunk("spring", 0, 2), Report(2, not_tried=2, reason="no credits", stops=True))
        report = await Host(portal, chunks)._run(Chunk("spring", 2, 4))
        assert report.made == 2
        await engine.start("summer", rooms(4), chunk=2)
        await chunks.file(Chunk("summer", 0, 2), Report(2, not_tried=2, reason="no credits", stops=True))
        assert await Host(portal, chunks)._repeat(Chunk("summer", 2, 4).write(), 0) is None
    assert [Report.load(one.report).not_tried for one in journal.reports("summer")] == [2, 2]
    assert sum(service.created.values()) == 2


# What is repeated


async def test_whatever_happens_somebody_gets_to_know(
    opened: Opened, service: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What may succeed later is repeated, what never can is thrown away; all of it is in the log."""
    journal = opened()
    await batches_of("memory://", journal).start("spring", rooms(2))
    chunk = Chunk("spring", 0, 2)
    async with service.client(journal) as client, BlockingPortal() as portal:
        chunks = Chunks(client)
        host = Host(portal, chunks)

        async def do(payload: Any, tries: int = 0) -> float | None:
            caplog.clear()
            return await anyio.to_thread.run_sync(host.do, payload, tries)

        assert await do({**chunk.write(), "v": 99}) == AGAIN
        assert "upgrade it" in caplog.text
        assert await do({"v": 1, "batch": "spring"}) is None
        assert "thrown away" in caplog.text
        assert await do(Chunk("autumn", 0, 2).write()) == AGAIN
        assert "must have the journal that it was started in" in caplog.text

        def away(*_: Any) -> Any:
            raise JournalFailed("away")

        with monkeypatch.context() as patch:
            patch.setattr(journal, "hold_chunk", away)
            assert await do(chunk.write()) == AGAIN
            assert "batch spring: away" in caplog.text
        with monkeypatch.context() as patch:

            async def broken(*_: Any) -> Any:
                raise ZeroDivisionError

            patch.setattr(chunks, "run", broken)
            assert await do(chunk.write(), 7) == AGAIN
            assert "broke off" in caplog.text
            assert not journal.reports("spring")
            assert await do(chunk.write(), 100_000) is None
        (filed,) = journal.reports("spring")
        assert (filed.final, Report.load(filed.report).not_tried) == (True, 2)
        assert "given up after 100000 times: ZeroDivisionError()" in filed.report
        assert await do({**chunk.write(), "and": "more"}) is None


async def test_a_worker_that_ends_leaves_the_rest_to_others(opened: Opened, service: Fleet) -> None:
    """What is on its way is waited for; what comes after is not begun."""
    journal = opened()
    sent = threading.Event()

    async def slow() -> None:
        sent.set()
        await anyio.sleep(0.2)

    service.submits_of = {str(number): slow for number in range(30)}
    await batches_of("memory://", journal).start("spring", rooms(30))
    payload = Chunk("spring", 0, 30).write()
    async with service.client(journal) as client:
        async with BlockingPortal() as portal:
            host = Host(portal, Chunks(client))

            async def end() -> None:
                await until(sent.is_set)
                await host.end()

            async with anyio.create_task_group() as beside:
                beside.start_soon(end)
                for _ in range(2):
                    with pytest.raises(WorkerEnds):
                        await anyio.to_thread.run_sync(host.do, payload, 0)
            assert not list(journal.entries("intended"))
            assert 0 < sum(service.created.values()) < 30
        assert await anyio.to_thread.run_sync(host.do, payload, 0) == AGAIN, "the loop is closed"


async def test_who_waits_is_told_that_nobody_works(
    redis_url: str, opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And goes on waiting, also while the database is away, or the batch is paused."""
    monkeypatch.setattr(celery_engine, "_TELL", 0.3)
    journal = opened()
    run = await batches_of(redis_url, journal).start("spring", rooms(2))
    finished = journal.finished_chunks
    fails = [JournalFailed("away")]

    def tried(name: str) -> int:
        if fails:
            raise fails.pop()
        return finished(name)

    monkeypatch.setattr(journal, "finished_chunks", tried)
    async with anyio.create_task_group() as beside:
        beside.start_soon(run.result)
        await until(lambda: "no worker has taken a chunk: is there one for the queue 'ideal-async'?" in caplog.text)
        assert "batch spring: away" in caplog.text
        await run.pause()
        await anyio.sleep(0.1)
        caplog.clear()
        await anyio.sleep(0.5)
        assert not caplog.text
        beside.cancel_scope.cancel()


async def test_a_broker_that_is_away_is_named_by_who_starts(opened: Opened) -> None:
    """As `start` says; the batch is kept, so that the same call goes on with it."""
    journal = opened()
    app = app_of(f"redis://127.0.0.1:{free_port()}")
    with pytest.raises(ConnectionError, match="start it, and call this again"):
        await batches_of(app, journal).start("spring", rooms(2))
    assert journal.manifest("spring") is not None


async def test_a_resend_that_fails_is_reported(
    redis_url: str, opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever waits learns why nothing moves: the broker that has lost the messages may be away."""
    monkeypatch.setattr(celery_engine, "_TELL", 0.1)
    run = await batches_of(redis_url, opened()).start("spring", rooms(2))
    engine = run._batches.engine

    async def begin(_: Ranges) -> None:
        raise ConnectionError("the broker cannot be reached")

    monkeypatch.setattr(engine, "begin", begin)
    async with anyio.create_task_group() as beside:
        beside.start_soon(run.result)
        await until(lambda: "could not be sent again; tried later: the broker cannot be reached" in caplog.text)
        beside.cancel_scope.cancel()


# An app of one's own


def test_a_process_has_one_loop_and_one_client(postgres_dsn: str, service: Fleet) -> None:
    """Made at its first chunk, told of the worker's end, closed with the process, and made anew after that."""
    opened: list[AsyncClient] = []

    @asynccontextmanager
    async def open_client() -> AsyncGenerator[AsyncClient]:
        with PostgresJournal(postgres_dsn) as journal:
            async with service.client(journal) as client:
                opened.append(client)
                yield client

    process = _Process(open_client, None)
    process.close()
    process.before_forks()
    host = process.host()
    assert process.host() is host
    assert len(opened) == 1
    process.after_fork()
    assert not host._ends, "this is the worker itself"
    process._worker = 0
    process.after_fork()
    while not host._ends:
        time.sleep(0.01)
    with pytest.raises(WorkerEnds):
        host.do(Chunk("spring", 0, 2).write(), 0)
    process.close()
    assert process.host() is not host
    assert len(opened) == 2
    process.close()
    assert process._leash == []


def test_the_task_repeats_or_gives_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Celery has it: a retry, or a rejection; a chunk that is done is acknowledged."""
    app: Any = App("own", broker="memory://", set_as_current=False)
    install(app, lambda: pytest.fail("not asked"))
    answers: list[Any] = [None, 15.0, WorkerEnds()]

    class Told:
        def do(self, _payload: Any, tries: int) -> float | None:
            assert tries == 0
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer  # type: ignore[no-any-return]

    task.add_task(other := app_of("memory://"), Told)  # type: ignore[arg-type]
    assert app.tasks[CHUNK].acks_late
    assert app.tasks[CHUNK].reject_on_worker_lost
    chunk = other.tasks[CHUNK]
    assert chunk({}) is None
    with monkeypatch.context() as patch:
        patch.setattr(chunk, "retry", lambda *, countdown: Retry(when=countdown))
        with pytest.raises(Retry) as repeated:
            chunk({})
    assert repeated.value.when == 15.0
    with pytest.raises(Reject) as left:
        chunk({})
    assert left.value.requeue
