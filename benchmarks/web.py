"""A web application with this client inside: what the crowd, the neighbours and a restart feel.

    python -m benchmarks.web [--jobs 300]

Four processes over loopback: the sandbox, the FastAPI recipe on uvicorn, the crowd, and somebody who asks a trivial
endpoint of the same application a hundred times a second. Every number is of one run on this machine.
"""

import argparse
import http.client
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx

from ideal_async import Journal
from ideal_async.sandbox import Sandbox, serve_forever

TESTS = Path(__file__).parent.parent / "tests"
ORDER = {"image_url": "https://example.com/room.jpg", "resolution": "480p"}
#: Seconds that uvicorn gives to running handlers.
GRACE = 1

Visit = Callable[[httpx.AsyncClient, int], Awaitable[None]]


def run_sandbox(ready: Any) -> None:
    """A task takes some ten seconds."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve_forever(Sandbox(render=False, workers=300, speed=4), on_ready=ready.put)


def ask_neighbour(url: str, stop: Any, answers: Any) -> None:
    """Ask the trivial endpoint a hundred times a second, and note how long each answer took."""
    parts, took = urlsplit(url), list[float]()
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    while not stop.wait(0.01):
        began = time.perf_counter()
        connection.request("GET", "/ping")
        connection.getresponse().read()
        took.append(time.perf_counter() - began)
    connection.close()
    answers.put(took)


@contextmanager
def neighbour(url: str, took: list[float]) -> Generator[None]:
    """Collect what somebody beside the crowd feels."""
    answers: multiprocessing.SimpleQueue[list[float]] = multiprocessing.SimpleQueue()
    stop = multiprocessing.Event()
    process = multiprocessing.Process(target=ask_neighbour, args=(url, stop, answers))
    process.start()
    try:
        yield
    finally:
        stop.set()
        took.extend(answers.get())
        process.join()


@contextmanager
def sandbox() -> Generator[str]:
    """The service, in a process of its own."""
    ready: Any = multiprocessing.SimpleQueue()
    process = multiprocessing.Process(target=run_sandbox, args=(ready,))
    process.start()
    try:
        yield ready.get()
    finally:
        process.terminate()
        process.join()


def start(stack: ExitStack, service: str, journal: Path) -> tuple[subprocess.Popen[bytes], str]:
    """The application, in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "uvicorn", "--factory", "web_worker:create_app", "--app-dir", str(TESTS)]
    options = ["--port", port, "--log-level", "critical", "--timeout-graceful-shutdown", str(GRACE)]
    environment = {"IDEAL_HOUSE_BASE_URL": service, "IDEAL_HOUSE_API_KEY": "sandbox", "WEB_JOURNAL": str(journal)}
    process = subprocess.Popen(  # noqa: S603 - our own server
        [*command, *options], env={**os.environ, **environment, "WEB_PACE": "5.0"}
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            httpx.get(f"{url}/ping", timeout=30)
        except httpx.ConnectError:
            time.sleep(0.05)
        else:
            return process, url


async def crowd(url: str, jobs: int, visit: Visit, patience: Callable[[int], float]) -> int:
    """Let everybody come at once; return how many walked away."""
    gone = 0

    async def come(browser: httpx.AsyncClient, number: int) -> None:
        nonlocal gone
        with anyio.move_on_after(patience(number)) as scope:
            await visit(browser, number)
        gone += scope.cancelled_caught

    limits = httpx.Limits(max_connections=None)
    async with (
        httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as browser,
        anyio.create_task_group() as people,
    ):
        for number in range(jobs):
            people.start_soon(come, browser, number)
    return gone


async def only_sleep(browser: httpx.AsyncClient, _: int) -> None:
    """What a handler costs that waits as long and does nothing."""
    await browser.get("/sleep", params={"seconds": 12})


async def order(browser: httpx.AsyncClient, number: int) -> None:
    """Wait for a video in the handler."""
    answer = await browser.post("/videos/now", json=ORDER, headers={"Idempotency-Key": f"order-{number}"})
    answer.raise_for_status()


async def submit(browser: httpx.AsyncClient, number: int) -> None:
    """Order a video, and do not mind a server that stops."""
    try:
        await browser.post("/videos", json=ORDER, headers={"Idempotency-Key": f"late-{number}"})
    except httpx.TransportError:
        return


def told(name: str, took: list[float], lag: float | None) -> str:
    """One row of the table, in milliseconds."""
    cuts = [cut * 1000 for cut in quantiles(took, n=100)]
    at = "" if lag is None else f"{lag * 1000:.1f}"
    return f"| {name} | {cuts[49]:.1f} | {cuts[98]:.1f} | {at} | {len(took)} |"


def states(journal: Path) -> Counter[str]:
    """How many submissions are where."""
    with Journal(journal) as memory:
        return Counter(entry.state for entry in memory.entries())


def measure_neighbour(url: str, jobs: int) -> None:
    """What somebody feels who asks the same process for something trivial."""
    print("| the application is | /ping p50 ms | p99 ms | loop lag p99 ms | pings |\n|---|---|---|---|---|")
    situations: list[tuple[str, Visit | None]] = [
        ("idle", None),
        (f"holding {jobs} requests that only sleep", only_sleep),
        (f"holding {jobs} requests that await a video", order),
    ]
    for name, visit in situations:
        httpx.get(f"{url}/internals")  # forget the lag so far
        took: list[float] = []
        with neighbour(url, took):
            if visit is None:
                time.sleep(4)
            else:
                anyio.run(crowd, url, jobs, visit, lambda _: 120.0)
        print(told(name, took, httpx.get(f"{url}/internals").json()["lag"]), flush=True)


def measure_leaving(url: str, jobs: int, journal: Path, tasks: int) -> None:
    """What is left behind when a third of the callers walk away."""
    dice, before = random.Random(1), states(journal)["succeeded"]

    async def late_order(browser: httpx.AsyncClient, number: int) -> None:
        await order(browser, number + jobs)

    gone = anyio.run(crowd, url, jobs, late_order, lambda n: dice.uniform(0, 5) if n % 3 == 0 else 120.0)
    while set(states(journal)) != {"succeeded"}:
        time.sleep(0.1)
    time.sleep(1)
    after = httpx.get(f"{url}/internals").json()
    left = {name: after[name] for name in ("waiting", "looks in flight", "API slots", "POST slots", "connections")}
    paid = states(journal)["succeeded"] - before
    print(f"\n{gone} of {jobs} callers walked away: {paid} tasks paid, all finished and in the journal")
    print(f"left behind: {left}, tasks {tasks} -> {after['tasks']}", flush=True)


async def stop_in_the_middle(process: subprocess.Popen[bytes], url: str, jobs: int, journal: Path) -> float:
    """Send SIGTERM during a fan-out, and return the seconds until the process is gone."""
    enough = states(journal).total() + jobs // 4
    async with anyio.create_task_group() as group:
        group.start_soon(crowd, url, jobs, submit, lambda _: 120.0)
        while states(journal).total() < enough:  # noqa: ASYNC110 - another process
            await anyio.sleep(0.01)
        began = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        await anyio.to_thread.run_sync(process.wait)
        took = time.perf_counter() - began
    return took  # noqa: RET504 - not before the crowd has gone


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m benchmarks.web", description=__doc__)
    parser.add_argument("--jobs", type=int, default=300)
    jobs: int = parser.parse_args().jobs
    with ExitStack() as stack:
        journal = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "journal.db"
        service = stack.enter_context(sandbox())
        process, url = start(stack, service, journal)
        tasks: int = httpx.get(f"{url}/internals").json()["tasks"]
        measure_neighbour(url, jobs)
        measure_leaving(url, jobs, journal, tasks)

        took = anyio.run(stop_in_the_middle, process, url, jobs, journal)
        found = states(journal)
        print(f"\nSIGTERM during a fan-out of {jobs}: out after {took:.2f} s (grace {GRACE} s)")
        print(f"journal: {found['submitted']} running, {found['unknown'] + found['intended']} in doubt", flush=True)
        began = time.perf_counter()
        start(stack, service, journal)
        while set(states(journal)) != {"succeeded"}:
            time.sleep(0.05)
        print(f"after the restart all of them are finished in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
