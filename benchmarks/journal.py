"""What the journal costs: writes per second, writes per commit, CPU per write, and what it adds to a submit.

A submit writes intent and id. The confirmation between them only reads, and counts with both; a client asks for it
where the intent is older than a moment, so that its submits should cost what they cost without.

python -m benchmarks.journal [folder on the disk to measure]
"""

import asyncio
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from ideal_async import AsyncClient, ImageToVideo
from ideal_async._books import Books
from ideal_async._journal import Cap, Intent, Journal

API = "https://api.ideal.house:443"
ROOM = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="720p", prompt="Gentle camera zoom in")
SECONDS = 2.0
#: Submits in a round, and rounds.
SUBMITS, ROUNDS = 640, 7


def submit(journal: Journal) -> float:
    """Write what a submit writes, intent and id; return the seconds it took."""
    start = time.perf_counter()
    intent = journal.intend(API, None, ROOM, 20)
    if isinstance(intent, Intent) and journal.confirm(intent):
        journal.submitted(intent, int(intent.key[:15], 16))
    return time.perf_counter() - start


def keep_on(journal: Journal, until: float, taken: list[float]) -> None:
    """Submit until the time is over."""
    while time.perf_counter() < until:
        taken.append(submit(journal))


def measure(name: str, path: Path, threads: int) -> None:
    """Print a line about *threads* threads of one process."""
    commits = 0

    def count(statement: str) -> None:
        nonlocal commits
        commits += statement == "COMMIT"

    taken: list[float] = []
    with Journal(path) as journal:
        submit(journal)
        journal._commits._writer.set_trace_callback(count)  # noqa: SLF001 - nothing public tells
        start, cpu = time.perf_counter(), time.process_time()
        workers = [threading.Thread(target=keep_on, args=(journal, start + SECONDS, taken)) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    report(name, taken, wall, cpu=cpu, commits=commits)


def work(path: Path, start: Any, results: Any) -> None:
    """Be one of several processes."""
    taken: list[float] = []
    with Journal(path) as journal:
        submit(journal)
        start.wait()
        keep_on(journal, time.perf_counter() + SECONDS, taken)
    results.put(taken)


def measure_processes(name: str, path: Path, count: int) -> None:
    """Print a line about *count* processes of one thread each."""
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(count), context.Queue()
    processes = [context.Process(target=work, args=(path, start, results)) for _ in range(count)]
    for process in processes:
        process.start()
    taken = [seconds for _ in processes for seconds in results.get()]
    for process in processes:
        process.join()
    report(name, taken, SECONDS)


def report(name: str, taken: list[float], wall: float, *, cpu: float | None = None, commits: int = 0) -> None:
    """Print a line."""
    writes = 2 * len(taken)
    *_, slow = statistics.quantiles(taken, n=100)
    line = f"{name:<12} {writes / wall:6.0f} writes/s"
    line += f"   submit +{1000 * statistics.median(taken):.2f} ms (p99 {1000 * slow:.1f})"
    if cpu is not None:
        line += f"   {1e6 * cpu / writes:.0f} us CPU/write   {writes / commits:.1f} writes/commit"
    print(line)


def fsyncs_per_second(folder: Path) -> float:
    """Measure the disk alone: 4 KiB appended and synced."""
    descriptor = os.open(folder / "plain", os.O_CREAT | os.O_WRONLY, 0o600)
    count, start = 0, time.perf_counter()
    while time.perf_counter() < start + SECONDS / 2:
        os.write(descriptor, bytes(4096))
        os.fsync(descriptor)
        count += 1
    os.close(descriptor)
    return count / (time.perf_counter() - start)


def measure_opening(path: Path) -> None:
    """Print how long opening, reading and closing a journal of some thousand entries takes."""
    cap = Cap(10**9, datetime.now(UTC) - timedelta(days=30))
    steps: list[tuple[str, Callable[[Journal], object]]] = [
        ("intend", lambda journal: journal.intend(API, None, ROOM, 20) and 1),
        ("intend under a cap", lambda journal: journal.intend(API, None, ROOM, 20, cap=cap) and 1),
        ("idle", lambda journal: journal.idle()),
        ("entries", lambda journal: sum(1 for _ in journal.entries())),
        ("spent, 1000 keys", lambda journal: journal.spent(API, map(str, range(1000)))),
    ]
    start = time.perf_counter()
    with Journal(path) as journal:
        print(f"open: {1000 * (time.perf_counter() - start):.1f} ms", end="")
        for name, step in steps:
            start = time.perf_counter()
            result = step(journal)
            print(f"; {name}: {1000 * (time.perf_counter() - start):.1f} ms ({result})", end="")
    print()


class Paying(httpx.AsyncBaseTransport):
    """Answers every submit, in process, with a new id."""

    def __init__(self) -> None:
        self.count = 0

    async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
        """What httpx calls."""
        self.count += 1
        return httpx.Response(200, content=b'{"code":0,"message":"success","data":%d}' % self.count)


async def submit_many(path: Path, tasks: int) -> float:
    """Return the CPU seconds of one of many submits of a client, by *tasks* at once."""
    each = SUBMITS // tasks
    async with (
        Journal(path) as journal,
        AsyncClient("sandbox", base_url="http://127.0.0.1:1", transport=Paying(), journal=journal) as client,
    ):

        async def keep_submitting() -> None:
            for _ in range(each):
                await client.submit(ROOM)

        await client.submit(ROOM)
        start = time.process_time()
        await asyncio.gather(*(keep_submitting() for _ in range(tasks)))
        return (time.process_time() - start) / (tasks * each)


async def never_ask(*_: object) -> bool:
    """Be a client that confirms nothing."""
    return True


def measure_confirmation(folder: Path) -> None:
    """Print what confirmations add to the CPU of a client's submit, in rounds that take turns."""
    asks = Books.confirm
    ways: dict[str, Any] = {"without": never_ask, "with": asks}
    for tasks in (1, 16):
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(ROUNDS):
            for way in sorted(ways, reverse=number % 2 > 0):
                setattr(Books, "confirm", ways[way])  # noqa: B010 - a checker would want to know why
                try:
                    taken[way].append(asyncio.run(submit_many(folder / f"{way}{tasks}-{number}.journal", tasks)))
                finally:
                    setattr(Books, "confirm", asks)  # noqa: B010
        without, with_ = (statistics.median(taken[way]) for way in ("without", "with"))
        print(
            f"a client's submit, {tasks:2} at once: {1e6 * with_:.0f} us CPU, {1e6 * without:.0f} without "
            f"confirmations: {with_ / without:.2f} times (promised: 1.10)"
        )


def main() -> None:
    """Measure on the disk of the folder given, or of the temporary one."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        folder = Path(name)
        print(f"the disk alone: {fsyncs_per_second(folder):.0f} fsyncs/s")
        for threads in (1, 4, 64):
            measure(f"{threads} thread{'s' * (threads > 1)}", folder / f"{threads}.journal", threads)
        measure_processes("4 processes", folder / "processes.journal", 4)
        measure_opening(folder / "64.journal")
        measure_confirmation(folder)


if __name__ == "__main__":
    main()
