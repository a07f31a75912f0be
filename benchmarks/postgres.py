"""What a journal in PostgreSQL costs: p50 of each step among many rows, their size, the time of counts, CPU a job.

python -m benchmarks.postgres postgresql://... [rows, by default 100000]

The database must be an empty one: its schema `ideal_async` is dropped in the end.
"""

import math
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import anyio
import psycopg

from ideal_async import AsyncClient, ImageToVideo, Intent, Task, VideoOutput, batch
from ideal_async.postgres import Limits, PostgresJournal
from ideal_async.sandbox import Sandbox, serve

API = "https://api.ideal.house:443"
ROOM = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="720p", prompt="Gentle camera zoom in")
STEPS = 300
#: Jobs of a whole worker, and some keys of the rows that it works among.
JOBS = 200
KEYS = [f"batch-0/{number}" for number in range(1, 101)]

#: Copies one row, whose task has ended, as many times as there shall be rows: in batches of 10,000 jobs.
FILL = """
    INSERT INTO entries (origin, account, key, attempt, state, owner, fingerprint, request, credits,
        task_id, task, created_at, updated_at)
    SELECT origin, account, 'batch-' || number / 10000 || '/' || number, md5(number::text), state, owner, fingerprint,
        request, credits, (10::numeric ^ 15 + number)::bigint::text, task, created_at, updated_at
    FROM entries, generate_series(1, %s) AS number WHERE key = 'first'
"""


def timed(work: Callable[[], object]) -> float:
    """Return the milliseconds it took."""
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def measure(journal: PostgresJournal, task: Callable[[int], Task]) -> None:
    """Print a line about jobs, one after another."""
    taken: dict[str, list[float]] = {"intend": [], "confirm": [], "submitted": [], "settle": []}
    for number in range(STEPS):
        start = time.perf_counter()
        intent = journal.intend(API, f"measured/{number}", ROOM, 20)
        taken["intend"].append(1000 * (time.perf_counter() - start))
        if not isinstance(intent, Intent):
            raise SystemExit(f"the database must be an empty one, but there is {intent}")
        taken["confirm"].append(timed(lambda intent=intent: journal.confirm(intent)))  # type: ignore[misc]
        taken["submitted"].append(timed(lambda intent=intent, number=number: journal.submitted(intent, number + 1)))  # type: ignore[misc]
        taken["settle"].append(timed(lambda number=number: journal.settle(API, number + 1, task(number + 1))))  # type: ignore[misc]
    print("p50: " + ", ".join(f"{name} {statistics.median(times):.2f} ms" for name, times in taken.items()))


def main() -> None:
    """Fill a database, measure, and empty it."""
    dsn, count = [*sys.argv, "100000"][1:3]
    rows = int(count)
    with psycopg.connect(dsn, autocommit=True) as db, PostgresJournal(dsn, limits=Limits(credits=10**9)) as journal:
        if journal.exists():
            raise SystemExit("the database must be an empty one, but it has a journal")
        try:
            first = cast("Intent", journal.intend(API, "first", ROOM, 20))
            journal.submitted(first, 10**15)
            journal.settle(API, 10**15, ended(10**15))
            db.execute("SET search_path = ideal_async")
            filling = timed(lambda: db.execute(FILL, (rows,)))
            db.execute("VACUUM ANALYZE entries")
            (size,) = db.execute("SELECT pg_total_relation_size('entries')").fetchone() or (0,)
            print(f"{rows:,} rows: {size / 1e6:.0f} MB, {size / rows:.0f} B a row, filled in {filling / 1000:.0f} s")
            db.execute("CREATE TABLE yardstick (number integer)")
            plain = [timed(lambda: db.execute("INSERT INTO yardstick VALUES (1)")) for _ in range(STEPS)]
            print(f"p50: a commit of any row by this disk {statistics.median(plain):.2f} ms")
            before = cpu_of_database(db), time.process_time()
            measure(journal, ended)
            steps = cpu_of_database(db) - before[0], time.process_time() - before[1]
            show_cpu("the journal's four steps", STEPS, *steps)
            for name, work in (
                ("progress of 10,000 jobs", lambda: journal.progress("batch-1", API)),
                ("progress of all batches", lambda: journal.batches(API)),
                ("spent", lambda: journal.spent(API)),
                ("100 of them by key", lambda: [*journal.entries(keys=KEYS, origin=API, account="")]),
                ("stale", lambda: journal.stale(API)),
                ("recount", journal.recount),
            ):
                print(f"{name}: {timed(work):.1f} ms")
            work_with(db, journal)
            work_with(db, None)
        finally:
            db.execute("DROP SCHEMA IF EXISTS ideal_async CASCADE")


def show_cpu(what: str, jobs: int, database: float, ours: float) -> None:
    """Print CPU time a job; that of a database on another machine is not known."""
    there = "not on this machine" if math.isnan(database) else f"{1000 * database / jobs:.1f} ms"
    print(f"CPU a job, {what}: worker {1000 * ours / jobs:.1f} ms, database {there}")


def cpu_of_database(db: psycopg.Connection[Any]) -> float:
    """Return the CPU seconds of all processes of the server so far."""
    (pid,) = db.execute("SELECT pg_backend_pid()").fetchone() or (0,)
    try:
        server = fields_of(pid)[1]
        total = 0
        for other in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended meanwhile
                fields = fields_of(other.name)
                if server in (fields[1], other.name):
                    total += int(fields[11]) + int(fields[12])
    except OSError:
        return math.nan
    return total / os.sysconf("SC_CLK_TCK")


def fields_of(pid: object) -> list[str]:
    """Read a line of /proc: state, parent, ...; user and system time are the 12th and 13th."""
    name, _, fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")
    if "postgres" not in name:
        return ["", "", *["0"] * 11]
    return fields.split()


def work_with(db: psycopg.Connection[Any], journal: PostgresJournal | None) -> None:
    """Print what a whole worker costs, with the journal and without one."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    service = context.Process(target=serve_until_told, args=(there,))
    service.start()
    url = here.recv()
    before = cpu_of_database(db), time.process_time()
    anyio.run(make_all, url, journal)
    taken = cpu_of_database(db) - before[0], time.process_time() - before[1]
    here.send(None)
    service.join()
    show_cpu(f"a whole batch of {JOBS} with{'out a' if journal is None else ' this'} journal", JOBS, *taken)


def serve_until_told(told: Any) -> None:
    """Be the service, in a process of its own."""
    with serve(Sandbox(render=False, speed=8.0, workers=60)) as url:
        told.send(url)
        told.recv()


async def make_all(url: str, journal: PostgresJournal | None) -> None:
    """Be a worker with 60 jobs in flight."""
    requests = [(f"worker/{number}", ROOM) for number in range(JOBS)]
    async with (
        AsyncClient("sandbox", base_url=url, journal=journal) as client,
        batch(client, requests, max_in_flight=60) as outcomes,
    ):
        async for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error


def ended(task_id: int) -> Task:
    """Make a task that has succeeded."""
    return Task(task_id, "Success", 100, output=VideoOutput("https://cdn.example/v.mp4", "https://cdn.example/c.jpg"))


if __name__ == "__main__":
    main()
