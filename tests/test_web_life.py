"""What happens to a web application: a crowd, people who leave, a restart in the middle, several workers."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import attrs
import httpx
import pytest

from ideal_async import Journal
from ideal_async.sandbox import Sandbox, serve

pytestmark = [pytest.mark.slow, pytest.mark.anyio, pytest.mark.usefixtures("real_time")]

HERE = Path(__file__).parent
#: Seconds that uvicorn gives to running handlers; the recipes' command line says 5.
GRACE = 1
#: Seconds from SIGTERM to the end of the process: the grace, requests that are being paid, and the interpreter.
OUT_WITHIN = GRACE + 5
ORDER = {"image_url": "https://example.com/room.jpg", "resolution": "480p"}


@pytest.fixture
def anyio_backend() -> str:
    """The crowd is the test's; what is tested are real processes."""
    return "asyncio"


@attrs.define
class Server:
    """A recipe in a process, or in several."""

    process: subprocess.Popen[bytes]
    url: str

    def terminate(self) -> float:
        """Ask it to stop, as a container does, and return the seconds it took."""
        began = time.perf_counter()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        return time.perf_counter() - began


@pytest.fixture
def calls(ideal_sandbox: Sandbox) -> Counter[str]:
    """How often the service was asked, by method."""
    calls, app = Counter[str](), ideal_sandbox.app

    async def counting(scope: Any, receive: Any, send: Any) -> None:
        calls[scope["method"]] += 1
        await app(scope, receive, send)

    vars(ideal_sandbox)["app"] = counting
    return calls


Start = Callable[..., Server]


@pytest.fixture
def start(ideal_sandbox: Sandbox, calls: Counter[str], tmp_path: Path) -> Iterator[Start]:
    """Start the application; every start uses the same journal and the same service."""
    del calls  # counting must begin before the service listens
    with ExitStack() as stack:
        base_url = stack.enter_context(serve(ideal_sandbox))

        def start(*options: str, pace: float = 0.25) -> Server:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            command = [sys.executable, "-m", "uvicorn", "--factory", "web_worker:create_app", "--app-dir", str(HERE)]
            quiet = [
                "--log-level",
                "critical",
                "--timeout-graceful-shutdown",
                str(GRACE),
                "--timeout-keep-alive",  # longer than httpx keeps one, or both give it up at the same moment
                "60",
                "--fd",
                str(listener.fileno()),
            ]
            process = subprocess.Popen(  # noqa: S603 - our own server
                [*command, *quiet, *options],
                pass_fds=[listener.fileno()],
                env={
                    **os.environ,
                    "IDEAL_HOUSE_BASE_URL": base_url,
                    "IDEAL_HOUSE_API_KEY": ideal_sandbox.api_key,
                    "WEB_JOURNAL": str(tmp_path / "journal.db"),
                    "WEB_PACE": str(pace),
                },
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            server = Server(process, f"http://127.0.0.1:{listener.getsockname()[1]}")
            listener.close()
            assert httpx.get(f"{server.url}/ping", timeout=30).text == '"pong"'  # queued until it listens
            return server

        yield start


def states(journal: Path) -> Counter[str]:
    """How many submissions are where."""
    with Journal(journal) as memory:
        return Counter(entry.state for entry in memory.entries())


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for another process."""
    with anyio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - another process has no event
            await anyio.sleep(0.05)


async def ask(browser: httpx.AsyncClient, number: int, answers: dict[int, str]) -> None:
    """Order a video, in one of the two ways, and stay to the end."""
    key = {"Idempotency-Key": f"order-{number}"}
    if number % 2:
        answer = await browser.post("/videos/now", json=ORDER, headers=key)
        answers[number] = answer.json()["status"]
        return
    task_id = (await browser.post("/videos", json=ORDER, headers=key)).json()["id"]
    async with browser.stream("GET", f"/videos/{task_id}/events") as events:
        async for line in events.aiter_lines():
            if line.startswith("data: "):
                answers[number] = json.loads(line.removeprefix("data: "))["status"]


@pytest.mark.ideal_sandbox(workers=60, speed=40)
async def test_three_hundred_at_once_and_a_third_walks_away(
    start: Start, ideal_sandbox: Sandbox, tmp_path: Path
) -> None:
    """Every paid task is finished and in the journal, nothing leaks, and the neighbour's endpoint stays quick."""
    server, dice, answers, gone = start(), random.Random(7), dict[int, str](), set[int]()
    async with httpx.AsyncClient(base_url=server.url, timeout=60, limits=httpx.Limits(max_connections=None)) as browser:
        idle = (await browser.get("/internals")).json()

        async def visit(number: int, patience: float) -> None:
            with anyio.move_on_after(patience) as scope:
                await ask(browser, number, answers)
            if scope.cancelled_caught:
                gone.add(number)

        pings = 0

        async def neighbour() -> None:
            nonlocal pings
            while True:
                await browser.get("/ping")
                pings += 1
                await anyio.sleep(0.02)

        async with anyio.create_task_group() as neighbours:
            neighbours.start_soon(neighbour)
            async with anyio.create_task_group() as crowd:
                for number in range(300):
                    crowd.start_soon(visit, number, dice.uniform(0, 2) if number % 3 == 0 else 60)
            neighbours.cancel_scope.cancel()
    assert len(gone) >= 50
    assert {answers[number] for number in set(range(300)) - gone} == {"Success"}
    await until(lambda: set(states(tmp_path / "journal.db")) == {"succeeded"})
    with Journal(tmp_path / "journal.db") as journal:
        assert {entry.task_id for entry in journal.entries()} == {receipt.id for receipt in ideal_sandbox.created}
    assert {receipt.status for receipt in ideal_sandbox.created} == {"Success"}
    assert pings >= 10  # a stuck event loop would answer none of them meanwhile; how fast is up to the machine

    def settled() -> bool:
        busy = httpx.get(f"{server.url}/internals").json()
        return bool(
            busy["waiting"] == busy["looks in flight"] == busy["API slots"] == busy["POST slots"] == 0
            and busy["tasks"] <= idle["tasks"] + 1  # the connection that asks
            and busy["threads"] <= idle["threads"] + 20  # pools keep theirs
            and busy["connections"] <= 20
        )

    await until(settled)
    server.terminate()


@pytest.mark.ideal_sandbox(workers=60, speed=10, faults="submit every 3: delay 0.4")
async def test_a_restart_in_the_middle_of_a_crowd(
    start: Start, ideal_sandbox: Sandbox, calls: Counter[str], tmp_path: Path
) -> None:
    """SIGTERM: no new orders, what is being paid is noted, looks stop, the process ends; then life goes on, unpaid."""
    journal, server, first = tmp_path / "journal.db", start(), dict[int, str]()

    async def order(browser: httpx.AsyncClient, number: int, ids: dict[int, str]) -> None:
        try:
            answer = await browser.post("/videos", json=ORDER, headers={"Idempotency-Key": f"order-{number}"})
        except httpx.TransportError:
            return  # the server is gone
        if answer.status_code == 202:
            ids[number] = answer.json()["id"]

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.url, timeout=60, limits=limits) as browser:
        async with anyio.create_task_group() as crowd:
            for number in range(80):
                crowd.start_soon(order, browser, number, first)
            await until(lambda: len(ideal_sandbox.created) >= 15)
            took = await anyio.to_thread.run_sync(server.terminate)
        assert took < OUT_WITHIN
        with pytest.raises(httpx.TransportError):
            await browser.get("/ping")
    paid = {str(receipt.id) for receipt in ideal_sandbox.created}
    assert set(first.values()) <= paid
    assert 15 <= len(paid) < 80  # in the middle
    # Each paid task is in the journal by its id, nothing is in doubt, and what was not sent has left no trace.
    with Journal(journal) as memory:
        entries = list(memory.entries())
    assert {str(entry.task_id) for entry in entries} == paid
    assert {entry.state for entry in entries} <= {"submitted", "succeeded"}
    looks = calls["GET"]
    await anyio.sleep(0.3)
    assert calls["GET"] == looks

    server, second = start(), dict[int, str]()
    await until(lambda: states(journal) == {"succeeded": len(paid)})
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as browser, anyio.create_task_group() as crowd:
        for number in range(80):
            crowd.start_soon(order, browser, number, second)
    assert first.items() <= second.items()  # the same key, the same task
    assert len(set(second.values())) == len(ideal_sandbox.created) == 80
    server.terminate()


@pytest.mark.ideal_sandbox(workers=60, speed=40)
async def test_two_workers_share_one_journal(start: Start, ideal_sandbox: Sandbox, tmp_path: Path) -> None:
    """Whichever process a repeated order meets, it is one task, paid once."""
    server, ids, workers = start("--workers", "2"), dict[int, set[str]](), set[int]()

    async def order(number: int) -> None:
        # A connection of its own each time: the kernel deals them out to both.
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as browser:
            answer = await browser.post("/videos", json=ORDER, headers={"Idempotency-Key": f"order-{number}"})
            ids.setdefault(number, set()).add(answer.json()["id"])
            workers.add((await browser.get("/internals")).json()["pid"])

    async with anyio.create_task_group() as crowd:
        for number in range(100):
            crowd.start_soon(order, number % 25)
    assert len(workers) == 2
    assert [len(same) for same in ids.values()] == [1] * 25
    assert len(ideal_sandbox.created) == 25
    await until(lambda: states(tmp_path / "journal.db") == {"succeeded": 25})
    assert server.terminate() < OUT_WITHIN
