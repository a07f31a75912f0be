"""A fleet over Celery, killed at will: no key is paid twice, none is lost, and no limit is exceeded."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fleet_worker
import pytest
import test_temporal_crash as shared
from fleet_steps import until
from servers import open_redis
from test_crash import FORKS, url_of
from test_temporal_crash import JOBS, KILLS, SOAK, FleetServer, Hosts, check, jobs, wreak

from ideal_async.celery import Batches, run_worker
from ideal_async.fleet import Report
from ideal_async.postgres import PostgresJournal

pytestmark = pytest.mark.slow
fork_server, server = shared.fork_server, shared.server


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis loses a message if a worker dies just when it is handed over: that is noticed soon."""
    monkeypatch.setattr("ideal_async.celery._engine._TELL", 10.0)


@pytest.mark.timeout(1800 if SOAK else 300)
def test_a_fleet_that_is_killed_pays_once(server: FleetServer, postgres_dsn: str, tmp_path: Path) -> None:
    """Workers are killed, Redis is restarted: 0 double, 0 lost, every limit held, every job reported."""
    with open_redis() as engine, PostgresJournal(postgres_dsn) as journal:
        address = f"redis://127.0.0.1:{engine.port}/0"

        def restart() -> None:
            engine.kill()
            time.sleep(0.5)
            engine.start()

        async def run() -> tuple[Report, int]:
            batches = Batches(address, journal, base_url=url_of(server))
            hosts = await asyncio.to_thread(Hosts, url_of(server), postgres_dsn, address, tmp_path / "out")
            try:
                order = await batches.start("spring", jobs(JOBS), chunk=10)
                done = asyncio.ensure_future(order.result())
                kills = await wreak(hosts, KILLS, restart, done)
                return await done, kills
            finally:
                codes = await asyncio.to_thread(hosts.end)
                assert {*codes} <= {0, -signal.SIGTERM}  # the latter of one that had only begun

        began = time.monotonic()
        report, kills = asyncio.run(run())
        took = time.monotonic() - began
        states = check(server, journal, len(list((tmp_path / "out").glob("*.mp4"))))
    print(  # noqa: T201 - the measured figure
        f"{kills} kills, {JOBS} jobs, {took:.0f} s: {dict(states)}, {server.looks / JOBS:.1f} looks a job, "
        f"at most {server.most_at_once} requests and {server.most_in_flight} tasks at once; {report}"
    )
    assert report.made + report.unknown == JOBS
    assert (states["succeeded"], states["unknown"]) == (report.made, report.unknown)
    assert states["unknown"] <= 8 * kills
    assert server.most_at_once <= 8
    assert server.most_in_flight <= 20 + states["unknown"], "a doubt that was paid after all holds no place"


@pytest.mark.timeout(300)
def test_without_the_shared_journal_it_pays_twice(
    server: FleetServer, postgres_dsn: str, redis_url: str, tmp_path: Path
) -> None:
    """The control: the same engine and the same kills, and a journal a host. An engine alone is no protection."""
    with PostgresJournal(postgres_dsn) as journal:

        async def run() -> None:
            batches = Batches(redis_url, journal, base_url=url_of(server))
            where = (url_of(server), postgres_dsn, redis_url, tmp_path / "out")
            hosts = await asyncio.to_thread(lambda: Hosts(*where, alone=tmp_path))
            try:
                order = await batches.start("control", jobs(20), chunk=5)
                await until(lambda: sum(server.created.values()) > 10)
                for number in range(3):
                    await asyncio.to_thread(hosts.kill, number)
                await order.result()
            finally:
                await asyncio.to_thread(hosts.end)

        asyncio.run(run())
    doubles = sum(times > 1 for times in server.created.values())
    print(f"without the shared journal: {doubles} of 20 paid twice")  # noqa: T201 - the measured figure
    assert doubles > 0


@pytest.fixture
def pool(server: FleetServer, postgres_dsn: str, redis_url: str, tmp_path: Path) -> Iterator[Any]:
    """A worker that forks two processes, of an app of one's own."""
    pool = FORKS.Process(target=fleet_worker.fork, args=(url_of(server), postgres_dsn, redis_url, tmp_path / "out"))
    pool.start()
    yield pool
    pool.terminate()
    pool.join()


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="who is whose child is read from Linux")
def test_processes_of_a_pool_are_killed(
    server: FleetServer, pool: Any, postgres_dsn: str, redis_url: str, tmp_path: Path
) -> None:
    """Their chunks are given to others at once; a worker that is told to end gives back what it has."""
    with PostgresJournal(postgres_dsn, limits=fleet_worker.LIMITS) as journal:

        async def run() -> Report:
            batches = Batches(redis_url, journal, base_url=url_of(server))
            order = await batches.start("spring", jobs(60), chunk=15)
            await until(lambda: sum(server.created.values()) > 5)
            for child in children_of(pool.pid):
                os.kill(child, signal.SIGKILL)
            await until(lambda: journal.finished_chunks("spring") >= 1 and journal.held_chunks("spring") >= 1)
            pool.terminate()
            await asyncio.to_thread(pool.join)
            assert pool.exitcode == 0
            assert journal.held_chunks("spring") == 0
            assert journal.finished_chunks("spring") < 4, "it did not wait for its chunks"
            async with fleet_worker.client_of(url_of(server), journal) as client:
                working = asyncio.ensure_future(run_worker(client, redis_url, save=tmp_path / "out"))
                report = await order.result()
                working.cancel()
                await asyncio.wait([working])
                return report

        report = asyncio.run(run())
        check(server, journal, len(list((tmp_path / "out").glob("*.mp4"))))
    assert report.made + report.unknown == 60
