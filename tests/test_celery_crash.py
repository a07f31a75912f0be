"""A fleet over Celery, killed at will: no key is paid twice, none is lost, and no limit is exceeded."""

import asyncio
import time
from pathlib import Path

import pytest
import test_temporal_crash as shared
from fleet_steps import until
from servers import open_redis
from test_crash import url_of
from test_temporal_crash import JOBS, KILLS, SOAK, FleetServer, Hosts, check, jobs, wreak

from ideal_async.celery import Batches
from ideal_async.fleet import Report
from ideal_async.postgres import PostgresJournal

pytestmark = pytest.mark.slow
fork_server, server = shared.fork_server, shared.server


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
                assert codes == [0, 0, 0]

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
    assert server.most_in_flight <= 20


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
