"""Batches over Temporal: what goes through the engine, what its workers do, and what two versions say to each other."""

import asyncio
import json
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
import trio
from fakes import BASE_URL
from fleet_steps import Fleet, rooms, until
from servers import open_temporal
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError, WorkflowHistory
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

import ideal_async.fleet._body as body
import ideal_async.temporal._engine as engine
import ideal_async.temporal._worker as workers
import ideal_async.temporal._workflow as flow
from ideal_async import AsyncClient
from ideal_async.fleet import AGAIN, Chunks, Ranges, Report
from ideal_async.postgres import Limits, PostgresJournal
from ideal_async.temporal import Batches, plugin, run_worker

pytestmark = [pytest.mark.slow, pytest.mark.anyio, pytest.mark.usefixtures("real_time")]
HISTORY = Path(__file__).parent / "temporal_history.json"


@pytest.fixture
def anyio_backend() -> str:
    """Temporal's client knows asyncio only."""
    return "asyncio"


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "_BEAT", 0.05)
    monkeypatch.setattr(body, "AGAIN", 0.2)


@pytest.fixture
def journal(postgres_dsn: str) -> Iterator[PostgresJournal]:
    with closing(PostgresJournal(postgres_dsn, limits=Limits(posts=4))) as journal:
        yield journal


@pytest.fixture
def service() -> Fleet:
    return Fleet()


@asynccontextmanager
async def a_worker(temporal: Client, client: AsyncClient, queue: str, **more: Any) -> AsyncIterator[Worker]:
    """A worker of one's own, with the plugin."""
    async with Worker(temporal, task_queue=queue, plugins=[plugin(client, **more)]) as worker:
        yield worker


def batches_of(temporal: Any, journal: PostgresJournal, queue: str, **more: Any) -> Batches:
    return Batches(temporal, journal, queue, base_url=BASE_URL, **{"heartbeat": 2.0, **more})


async def test_a_batch_from_start_to_retry(
    temporal_address: str, journal: PostgresJournal, service: Fleet, tmp_path: Path
) -> None:
    """One workflow, some chunks at a time, in a worker of one's own; and once more for what failed."""
    temporal = await Client.connect(temporal_address)
    service.ends["7"] = lambda: "Failed"
    batches = batches_of(temporal, journal, "trip", at_once=2)
    run = await batches.start("trip", rooms(25), chunk=5)
    assert (await run.progress()).waiting == 25
    async with service.client(journal) as client, a_worker(temporal, client, "trip", save=tmp_path):
        report = await run.result()
        assert (report.made, report.failed, report.reason) == (24, 1, "")
        again = await batches.start("trip", rooms(25), chunk=5)
        assert not await batches.engine.works_on("trip"), "it is the same batch, and nothing begins anew"
        assert await again.result() == report
        service.ends.clear()
        assert await again.retry_failed() == 1
        assert (await run.result()).complete
    assert len(list(tmp_path.iterdir())) == 25  # noqa: ASYNC240 - a look at a folder
    handle = temporal.get_workflow_handle("ideal-async trip")
    history = (await handle.fetch_history()).to_json()
    assert "example.com" not in history, "only ranges go through the engine"


async def test_after_a_cancel_not_one_task_is_created(
    temporal_address: str, journal: PostgresJournal, service: Fleet
) -> None:
    """It is closed when every worker has let go; a start does not undo it, but `resume` does."""
    temporal = await Client.connect(temporal_address)

    async def slow() -> None:
        await anyio.sleep(0.05)

    service.submits_of = {str(number): slow for number in range(60)}
    batches = batches_of(temporal, journal, "cancel", at_once=3)
    async with service.client(journal) as client, a_worker(temporal, client, "cancel"):
        run = await batches.start("cancel", rooms(60), chunk=10)
        await until(lambda: sum(service.created.values()) > 5)
        await run.cancel()
        paid = sum(service.created.values())
        assert len(service.submits) == paid < 60
        report = await run.result()
        assert (report.reason, report.stops) == ("cancelled", True)
        await run.cancel()
        await anyio.sleep(0.5)
        await batches.start("cancel", rooms(60), chunk=10)
        assert len(service.submits) == paid
        service.submits_of.clear()
        await run.resume()
        assert (await run.result()).made == 60
    assert max(service.created.values()) == 1
    journal.open()


async def test_a_batch_that_is_cancelled_in_temporal_itself(
    temporal_address: str, journal: PostgresJournal, service: Fleet
) -> None:
    """By somebody who knows nothing of ours: its workers hear of it with their next sign of life, and let go."""
    temporal = await Client.connect(temporal_address)
    service.ends["3"] = lambda: "Processing"
    run = await batches_of(temporal, journal, "theirs", at_once=2, heartbeat=1.0).start("theirs", rooms(5), chunk=3)
    async with service.client(journal) as client, a_worker(temporal, client, "theirs"):
        await until(lambda: sum(service.created.values()) == 5)
        await temporal.get_workflow_handle("ideal-async theirs").cancel()
        report = await run.result()
        assert (report.jobs, report.made + report.unfinished + report.not_tried) == (5, 5)
        service.ends.clear()
        await run.resume()
        assert (await run.result()).complete
    assert sum(service.created.values()) == 5


async def test_a_budget_that_ends_in_the_middle(
    temporal_address: str, postgres_dsn: str, service: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    """What is not tried is told, and no worker is bothered with it."""
    temporal = await Client.connect(temporal_address)
    with closing(PostgresJournal(postgres_dsn, limits=Limits(credits=100))) as journal:
        run = await batches_of(temporal, journal, "budget", at_once=1).start("budget", rooms(40), chunk=4)
        async with service.client(journal) as client, a_worker(temporal, client, "budget"):
            report = await run.result()
        reports = journal.reports("budget")
    assert (report.made, report.not_tried, report.stops) == (10, 30, True)
    assert "left in the budget" in report.reason
    assert len(reports) == 3
    assert "not_tried" in caplog.text


async def test_an_outage_is_waited_out_by_the_engine(
    temporal_address: str, journal: PostgresJournal, service: Fleet
) -> None:
    """The chunk is repeated after the seconds that its report says, and the batch is done."""
    temporal = await Client.connect(temporal_address)
    from test_fleet import nobody_there

    tries: list[str] = []

    def down() -> Any:
        tries.append("")
        return nobody_there() if len(tries) < 3 else None

    service.submits_of["0"] = down
    run = await batches_of(temporal, journal, "outage").start("outage", rooms(2))
    async with service.client(journal) as client, a_worker(temporal, client, "outage"):
        assert (await run.result()).made == 2
    assert len(tries) == 3


async def test_a_long_history_ends_and_goes_on(
    temporal_address: str, journal: PostgresJournal, service: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million jobs are many runs of the workflow; who waits for the result does not see that."""
    temporal = await Client.connect(temporal_address)
    monkeypatch.setattr(flow, "is_long", lambda: workflow.info().get_current_history_length() > 30)
    run = await batches_of(temporal, journal, "long", at_once=2).start("long", rooms(20), chunk=1)
    async with service.client(journal) as client, a_worker(temporal, client, "long"):
        assert (await run.result()).made == 20
    runs = [one async for one in temporal.list_workflows("WorkflowId = 'ideal-async long'")]
    assert len(runs) > 1


async def test_a_chunk_that_is_given_up_does_not_hold_the_batch(
    temporal_address: str, journal: PostgresJournal, caplog: pytest.LogCaptureFixture
) -> None:
    """Workers died of it for days: its jobs are not tried, the others go on; a later version's words are left out."""
    temporal = await Client.connect(temporal_address)
    seen: list[Any] = []

    @activity.defn(name=flow.CHUNK)
    async def do(payload: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        seen.append(payload)
        if payload["first"] == 0:
            raise ApplicationError("died", non_retryable=True)
        report = Report(2, made=2).dump()
        await asyncio.to_thread(journal.file_report, "given", payload["first"], report, final=True)
        return {**json.loads(report), "later": "word"}

    batches = batches_of(temporal, journal, "given")
    batches.engine._options["later"] = ["word"]
    run = await batches.start("given", rooms(4), chunk=2)
    mine = plugin(AsyncClient("key", journal=journal))
    mine.activities = [do]
    async with Worker(temporal, task_queue="given", plugins=[mine]):
        report = await run.result()
    assert (report.made, report.not_tried) == (2, 2)
    assert seen[0] == {"v": 1, "batch": "given", "first": 0, "last": 2}
    assert "jobs 0 to 1 were given up" in caplog.text


# Versions


async def test_a_history_of_the_first_version_is_replayed() -> None:
    """Workers of two versions take turns at one workflow: whoever changes it keeps what has happened."""
    history = WorkflowHistory.from_json("ideal-async trip", HISTORY.read_text("utf-8"))
    replayer = Replayer(workflows=[flow.BatchWorkflow], workflow_runner=workers._let_through(SandboxedWorkflowRunner()))
    result = await replayer.replay_workflow(history)
    assert result.replay_failure is None


async def test_a_chunk_of_another_version(journal: PostgresJournal, service: Fleet) -> None:
    """What is added is left out; what cannot be understood is for a newer worker, soon."""
    async with service.client(journal) as client:
        run = workers.ChunkActivity(Chunks(client)).run
        payload = {"v": 1, "batch": "nowhere", "first": 0, "last": 3, "color": "blue"}
        answer = await ActivityEnvironment().run(run, payload)
        assert answer["not_tried"] == 3
        with pytest.raises(ApplicationError, match="version 2 was written by a newer ideal_async") as caught:
            await ActivityEnvironment().run(run, {**payload, "v": 2})
    assert caught.value.next_retry_delay is not None
    assert caught.value.next_retry_delay.total_seconds() == AGAIN


def test_a_sandbox_of_ones_own_stays() -> None:
    """Only the usual one is told to let this package through."""
    runner = UnsandboxedWorkflowRunner()
    assert workers._let_through(runner) is runner
    assert isinstance(workers._let_through(None), SandboxedWorkflowRunner)


# Workers


async def test_a_worker_that_is_told_to_end_hands_its_chunk_over(
    temporal_address: str, journal: PostgresJournal, postgres_dsn: str, service: Fleet
) -> None:
    """SIGTERM: what is on its way is finished, what runs goes on, and another worker has the chunk at once."""
    held = True
    service.ends["3"] = lambda: "Processing" if held else None
    temporal = await Client.connect(temporal_address)
    run = await batches_of(temporal, journal, "drain", heartbeat=60.0).start("drain", rooms(5))
    async with service.client(journal) as client:
        working = asyncio.create_task(run_worker(client, temporal_address, task_queue="drain"))
        await until(lambda: sum(service.created.values()) == 5)
        os.kill(os.getpid(), signal.SIGTERM)
        await working
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    held = False
    with closing(PostgresJournal(postgres_dsn)) as other:
        async with service.client(other) as client, a_worker(temporal, client, "drain"):
            assert (await run.result()).made == 5
    assert sum(service.created.values()) == 5


async def test_a_worker_waits_for_the_server(
    journal: PostgresJournal, service: Fleet, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says for what, and ends when it is told to, also before the server came."""
    monkeypatch.setattr(workers, "_KNOCK", 0.05)
    async with service.client(journal) as client:
        with open_temporal() as server:
            server.stop()
            working = asyncio.create_task(run_worker(client, f"127.0.0.1:{server.port}"))
            await until(lambda: "waiting for Temporal at 127.0.0.1" in caplog.text)
            await anyio.sleep(0.2)
            assert caplog.text.count("waiting for Temporal") == 1
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.wait_for(working, 30)
            await asyncio.to_thread(server.start)
            caplog.set_level("INFO", "ideal_async")
            working = asyncio.create_task(run_worker(client, await Client.connect(f"127.0.0.1:{server.port}")))
            await until(lambda: "begins" in caplog.text)
            working.cancel()
            with pytest.raises(asyncio.CancelledError):
                await working


def test_a_worker_in_a_thread(temporal_address: str, postgres_dsn: str, service: Fleet) -> None:
    """Signals are the main thread's; whoever runs a worker elsewhere cancels it."""
    ended: list[str] = []

    async def work() -> None:
        with closing(PostgresJournal(postgres_dsn)) as journal:
            async with service.client(journal) as client:
                with anyio.move_on_after(1):
                    await run_worker(client, temporal_address, task_queue="thread")
        ended.append("in peace")

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    thread.join()
    assert ended == ["in peace"]


async def test_trio_is_refused(journal: PostgresJournal, service: Fleet) -> None:
    """Clearly, and before anything is asked."""
    batches = batches_of(None, journal, "q")

    def call(function: Callable[[], Any]) -> None:
        with pytest.raises(RuntimeError, match="runs on asyncio"):
            trio.run(function)

    client = service.client(journal)
    for function in (
        lambda: run_worker(client, "nowhere:1"),
        lambda: batches.engine.begin(Ranges("a", 1, [(0, 1)])),
        lambda: batches.engine.join("a"),
    ):
        await asyncio.to_thread(call, function)


# What Temporal may say


def said(status: RPCStatusCode) -> RPCError:
    return RPCError("no", status, b"")


class FakeTemporal:
    """Says one thing after the other."""

    def __init__(self, **says: Any) -> None:
        self.says = {name: list(words) for name, words in says.items()}
        self.started: list[dict[str, Any]] = []

    def _say(self, name: str) -> Any:
        word = self.says[name].pop(0)
        if isinstance(word, Exception):
            raise word
        return word

    def get_workflow_handle(self, _: str) -> Any:
        return self

    async def cancel(self) -> Any:
        return self._say("cancel")

    async def result(self) -> Any:
        return self._say("result")

    async def describe(self) -> Any:
        return self._say("describe")

    async def start_workflow(self, *args: Any, **more: Any) -> Any:
        self.started.append({"args": args, **more})
        return self._say("start")


def engine_of(**says: Any) -> tuple[engine.Temporal, FakeTemporal]:
    fake = FakeTemporal(**says)
    return engine.Temporal(cast("Client", fake), "q", at_once=1, heartbeat=30.0), fake


async def test_a_workflow_that_is_there_is_not_begun() -> None:
    """Whoever calls twice has one batch."""
    temporal, fake = engine_of(start=[WorkflowAlreadyStartedError("a", "b")])
    await temporal.begin(Ranges("a", 1, [(0, 1)]))
    assert fake.started[0]["args"][1]["parts"] == [[0, 1]]


async def test_very_many_parts_are_one() -> None:
    """A message holds two megabytes; a chunk that is done already costs a question."""
    temporal, fake = engine_of(start=[None])
    await temporal.again(Ranges("a", 1, [(number, number + 1) for number in range(0, 20_000, 2)]))
    assert fake.started[0]["start_signal_args"] == [[[0, 19_999]]]


async def test_the_end_of_a_workflow(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Temporal may be away, or have forgotten it, or somebody terminated it: the report tells what is made."""
    monkeypatch.setattr(engine, "_ASK_AGAIN", 0.0)
    away, gone = said(RPCStatusCode.UNAVAILABLE), said(RPCStatusCode.NOT_FOUND)
    temporal, _ = engine_of(result=[away, {}, gone, WorkflowFailureError(cause=ValueError("terminated"))])
    await temporal.join("a")
    assert "cannot be reached" in caplog.text
    await temporal.join("a")
    caplog.set_level("INFO", "ideal_async")
    await temporal.join("a")
    assert "terminated" in caplog.text


async def test_errors_of_temporal_come_out() -> None:
    """What is no answer to the question is not taken for one."""
    away, gone = said(RPCStatusCode.UNAVAILABLE), said(RPCStatusCode.NOT_FOUND)
    temporal, _ = engine_of(cancel=[gone, away], result=[{}], describe=[gone, away])
    await temporal.cancel("a")
    assert not await temporal.works_on("a")
    for ask in (temporal.cancel, temporal.works_on):
        with pytest.raises(RPCError):
            await ask("a")
