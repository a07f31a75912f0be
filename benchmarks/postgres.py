"""What a journal in PostgreSQL costs: p50 of each step among many rows, the size of them, and the time of progress().

python -m benchmarks.postgres postgresql://... [rows, by default 100000]

The database must be an empty one: its schema `ideal_async` is dropped in the end.
"""

import statistics
import sys
import time
from collections.abc import Callable

import psycopg

from ideal_async import ImageToVideo, Intent, Task, VideoOutput
from ideal_async.postgres import Limits, PostgresJournal

API = "https://api.ideal.house:443"
ROOM = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="720p", prompt="Gentle camera zoom in")
STEPS = 300

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
        try:
            first = journal.intend(API, "first", ROOM, 20)
            if not isinstance(first, Intent):
                raise SystemExit(f"the database must be an empty one, but there is {first}")
            journal.submitted(first, 10**15)
            journal.settle(API, 10**15, ended(10**15))
            db.execute("SET search_path = ideal_async")
            filling = timed(lambda: db.execute(FILL, (rows,)))
            db.execute("VACUUM ANALYZE entries")
            (size,) = db.execute("SELECT pg_total_relation_size('entries')").fetchone() or (0,)
            print(f"{rows:,} rows: {size / 1e6:.0f} MB, {size / rows:.0f} B a row, filled in {filling / 1000:.0f} s")
            measure(journal, ended)
            print(f"progress of 10,000: {timed(lambda: journal.progress('batch-1', API)):.2f} ms", end="; ")
            print(f"spent: {timed(lambda: journal.spent(API)):.2f} ms")
        finally:
            db.execute("DROP SCHEMA IF EXISTS ideal_async CASCADE")


def ended(task_id: int) -> Task:
    """Make a task that has succeeded."""
    return Task(task_id, "Success", 100, output=VideoOutput("https://cdn.example/v.mp4", "https://cdn.example/c.jpg"))


if __name__ == "__main__":
    main()
