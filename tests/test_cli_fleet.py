"""`ideal-async batch --engine` and `ideal-async worker`: ordered here, made elsewhere, brought here."""

import asyncio
import os
import signal
import threading
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fleet_steps import HomeEngine
from temporalio.client import Client
from test_cli_batch import QUICK, Start, results, write_jobs

import ideal_async.fleet._body as body
from ideal_async import AsyncClient, ImageToVideo, Pacing
from ideal_async.__main__ import main
from ideal_async.cli import _batch as batch
from ideal_async.cli import _engines as engines
from ideal_async.cli import _fleet as fleet
from ideal_async.fleet import BatchesOf, Chunks
from ideal_async.postgres import PostgresJournal
from ideal_async.temporal import Batches

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("alone", "loop_elsewhere")]


class Elsewhere(HomeEngine):
    """An engine whose one worker lives while somebody waits for the result."""

    async def join(self, name: str) -> None:
        pacing = Pacing(min_interval=0.01, max_interval=0.1)
        async with AsyncClient(journal=self.journal, pacing=pacing) as client:
            self.chunks = Chunks(client)
            await super().join(name)

    journal: Any = None


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    """The engine at home://."""
    elsewhere = Elsewhere()

    async def find(_: Any, journal: Any, base_url: str | None) -> Any:
        elsewhere.journal = journal
        return BatchesOf(elsewhere, journal, base_url=base_url)

    monkeypatch.setitem(engines.ENGINES, "home", engines.Engine("fleet", "home://host", find, None))  # type: ignore[arg-type]
    monkeypatch.setattr(fleet, "_EVERY", 0.1)
    monkeypatch.setattr(engines, "STARTING", 0.5)
    monkeypatch.setattr(body, "_BEAT", 0.05)
    return elsewhere


def order(dsn: str, *more: str) -> int:
    return main(["batch", "jobs.csv", "--journal", dsn, "--engine", "home://host", *more, *QUICK])


@pytest.mark.usefixtures("engine")
def test_a_batch_that_others_make(service: Start, postgres_dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The files, the results and the gallery are here; the same command again costs nothing and brings what is gone."""
    sandbox = service()
    write_jobs(5)
    assert order(postgres_dsn, "--yes", "--gallery") == 0
    out, _ = capsys.readouterr()
    assert "done     5 of 5, in videos\ncredits  50 charged, 0 refunded" in out
    assert Path("videos/index.html").exists()
    assert [row["status"] for row in results()] == ["done"] * 5
    gone = next(Path("videos").glob("*.mp4"))
    gone.unlink()
    assert order(postgres_dsn) == 0
    assert gone.exists()
    assert len(sandbox.created) == 5


@pytest.mark.usefixtures("engine")
def test_what_becomes_of_jobs_elsewhere(service: Start, postgres_dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Failed, refused, in doubt: each is told as if it had been made here."""
    service(faults="task 1: fail\nsubmit 2: drop after\nsubmit 3: 200 code 1011 data null")
    write_jobs(5)
    assert order(postgres_dsn, "--yes") == 4
    out, err = capsys.readouterr()
    states = sorted(row["status"] for row in results())
    assert states == ["done", "done", "failed", "refused", "unknown"]
    assert "1 refunded" in out or "10 refunded" in out
    assert "1011" in err


def test_a_budget_that_ends_elsewhere(
    engine: Elsewhere, service: Start, postgres_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was not tried is told; the same command goes on when there is more."""
    sandbox = service()
    write_jobs(6)
    assert order(postgres_dsn, "--yes", "--limit-credits", "20") == 3
    out, err = capsys.readouterr()
    assert "done     2 of 6" in out
    assert "0 left in the budget: nothing was sent (4 jobs were not tried)" in err
    assert not engine.order
    assert order(postgres_dsn, "--yes") == 0
    assert len(sandbox.created) == 6


@pytest.mark.usefixtures("engine")
def test_a_timeout_leaves_the_batch_to_the_workers(service: Start, postgres_dsn: str) -> None:
    """The same command comes back to it."""
    sandbox = service(speed=1.0)
    write_jobs(2)
    assert order(postgres_dsn, "--yes", "--timeout", "1") == 3
    assert {row["status"] for row in results()} <= {"unfinished", "waiting"}
    assert order(postgres_dsn, "--yes", "--timeout", "2") == 3
    assert len(sandbox.created) <= 2


@pytest.mark.usefixtures("engine")
def test_an_interruption_here_leaves_no_doubt_elsewhere(
    service: Start, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a worker is sending has somebody who waits for its answer."""
    service()
    write_jobs(1)
    with closing(PostgresJournal(postgres_dsn)) as journal:
        room = ImageToVideo("https://example.com/1.jpg", duration=5, resolution="480p")
        journal.intend(os.environ["IDEAL_HOUSE_BASE_URL"], "job 1", room, 10)
        monkeypatch.setattr(batch, "run_unless_interrupted", lambda _: False)
        assert order(postgres_dsn, "--yes") == 130
        assert [row["status"] for row in results()] == ["waiting"]


@pytest.mark.usefixtures("alone")
def test_a_batch_is_ordered_of_temporal(postgres_dsn: str, temporal_address: str) -> None:
    """By the address of the command line, with or without a namespace."""
    with closing(PostgresJournal(postgres_dsn)) as journal:
        for namespace in ("", "/", "/default"):
            engine, address = engines.engine_of(f"temporal://{temporal_address}{namespace}")
            assert isinstance(asyncio.run(_opened(engine.open(address, journal, None))), Batches)


async def _opened(opening: Any) -> Any:
    return await opening


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--journal", "here.journal", "--engine", "home://host"], "--journal postgresql://"),
        (["--engine", "home://host", "--budget", "50"], "ideal-async worker ... --limit-credits"),
        (["--engine", "home://host", "--upload-to", "s3://photos"], "publish them first"),
        (["--engine", "abacus://host"], "looks like temporal://host:7233.*, not abacus://host"),
        (["--engine", "temporal:7233"], "not temporal:7233"),
        (["--engine", "temporal://127.0.0.1:1"], "nobody answers at 127.0.0.1:1"),
    ],
)
def test_what_cannot_be_had_elsewhere(
    service: Start, postgres_dsn: str, more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused, with what can be done instead, and nothing is spent."""
    import re

    sandbox = service()
    write_jobs(1)
    journal = [] if "--journal" in more else ["--journal", postgres_dsn]
    assert main(["batch", "jobs.csv", "--yes", *journal, *more]) == 2
    assert re.search(words, " ".join(capsys.readouterr().err.split()))
    assert not sandbox.created


@pytest.mark.usefixtures("engine")
def test_a_signature_is_not_kept(service: Start, postgres_dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A worker might send it when it has ended."""
    service()
    Path("jobs.csv").write_text("image_url,duration,resolution\nhttps://example.com/1.jpg?X-Signature=abc,5,480p\n")
    assert order(postgres_dsn, "--yes") == 2
    assert "has a query, which may be a signature" in " ".join(capsys.readouterr().err.split())


def test_an_engine_without_its_extra(
    engine: Elsewhere, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says which one."""
    del engine

    def missing(_: str) -> Any:
        raise ImportError("a fleet over Temporal needs the extra: pip install 'ideal-async[temporal]'")

    monkeypatch.setattr(engines, "importlib", SimpleNamespace(import_module=missing))
    assert main(["worker", "temporal://127.0.0.1:1", "--journal", "postgresql://nowhere"]) == 2
    assert "ideal-async[temporal]" in capsys.readouterr().err


def test_a_worker_needs_the_shared_journal(capsys: pytest.CaptureFixture[str]) -> None:
    """A file is one host's own."""
    assert main(["worker", "temporal://127.0.0.1:1", "--journal", "orders.journal"]) == 2
    assert "the journal that all hosts share" in capsys.readouterr().err


@pytest.mark.usefixtures("main_thread")
def test_a_worker_at_a_terminal(
    service: Start, postgres_dsn: str, temporal_address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It works until it is told to end, in an orderly way."""
    sandbox = service()
    reports: list[Any] = []

    async def have_made() -> None:
        temporal = await Client.connect(temporal_address)
        with closing(PostgresJournal(postgres_dsn)) as journal:
            room = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p")
            run = await Batches(temporal, journal).start(f"terminal {temporal_address}", [room, room])
            reports.append(await run.result())

    def other() -> None:
        try:
            asyncio.run(have_made())
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=other)
    thread.start()
    url = f"temporal://{temporal_address}/default"
    code = main(["worker", url, "--journal", postgres_dsn, "--out", "made", "--chunks-at-once", "2", *QUICK])
    thread.join()
    assert code == 0
    assert reports[0].made == 2
    assert len(sandbox.created) == len(list(Path("made").glob("*.mp4"))) == 2
    assert "working for temporal://" in capsys.readouterr().err
