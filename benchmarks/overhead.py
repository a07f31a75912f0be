"""What one look and one submit cost: ours, bare httpx, each transport, a raw socket."""

import asyncio
import gc
import itertools
import json
import socket
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx

from ideal_async import AsyncClient, ImageToVideo, Pacing

from .server import FIRST_ID, Load, Server, running

#: Requests in flight, as our client has them when many tasks are due at once.
AT_ONCE = 4
#: Looks of one contender in one round, and rounds.
LOOKS, ROUNDS = 300, 9
#: Tasks that are waited for.
TASKS = 50

REQUEST = ImageToVideo(
    "https://example.com/room.jpg", duration=5, resolution="720p", prompt="Gentle camera zoom in with soft lighting"
)
BODY = {
    "imageUrl": "https://example.com/room.jpg",
    "duration": 5,
    "resolution": "720p",
    "prompt": "Gentle camera zoom in with soft lighting",
}
KEY = {"APIKEY": "key", "Accept": "application/json"}

#: Does that many requests, and no more than `AT_ONCE` at a time.
Work = Callable[[int], Awaitable[None]]


def http_clients() -> dict[str, Callable[[], Any]]:
    """Every client and transport that is installed, made the way our documentation recommends."""
    limits = httpx.Limits(max_connections=20, keepalive_expiry=75.0)
    makers: dict[str, Callable[[], Any]] = {"httpx": lambda: httpx.AsyncClient(limits=limits)}
    try:
        from ideal_async.fast import FastTransport

        makers["aiohttp"] = lambda: httpx.AsyncClient(transport=FastTransport())
    except ImportError:
        pass
    try:
        from pyreqwest.client import ClientBuilder
        from pyreqwest.compatibility.httpx import HttpxTransport

        makers["pyreqwest"] = lambda: httpx.AsyncClient(
            transport=HttpxTransport(ClientBuilder().follow_redirects(enable=False).build())
        )
    except ImportError:
        pass
    try:
        import httpx2

        makers["httpx2"] = lambda: httpx2.AsyncClient(limits=httpx2.Limits(max_connections=20, keepalive_expiry=75.0))
    except ImportError:
        pass
    return makers


async def _at_once(one: Callable[[int], Awaitable[None]], count: int) -> None:
    """Do *one* that many times, by `AT_ONCE` workers."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await one(number)

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


def raw_look(server: Server) -> Work:
    """One GET on a plain socket, whose answer is parsed with a `find` and `json.loads`: the floor."""
    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(AT_ONCE)]
    for connection in connections:
        connection.setblocking(False)
    free = list(connections)
    loop = asyncio.get_running_loop()

    async def one(number: int) -> None:
        connection = free.pop()
        path = f"/api/v1/imageToVideo/result?taskId={FIRST_ID + number % TASKS}"
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAPIKEY: key\r\nAccept: application/json\r\n\r\n"
        await loop.sock_sendall(connection, head.encode())
        answer = await loop.sock_recv(connection, 65536)
        json.loads(answer[answer.find(b"\r\n\r\n") + 4 :])
        free.append(connection)

    async def work(count: int) -> None:
        await _at_once(one, count)

    return work


def bare_look(server: Server, client: Any) -> Work:
    """The GET one would write without a library: `await client.get(...)`; its answer is not even parsed."""
    url = f"{server.url}/api/v1/imageToVideo/result"

    async def one(number: int) -> None:
        answer = await client.get(url, params={"taskId": FIRST_ID + number % TASKS}, headers=KEY)
        assert answer.status_code == httpx.codes.OK  # noqa: S101 - a benchmark of errors would be none

    async def work(count: int) -> None:
        await _at_once(one, count)

    return work


def bare_submit(server: Server, client: Any) -> Work:
    """The POST one would write without a library."""
    url = f"{server.url}/api/v1/imageToVideo/generate"

    async def one(_: int) -> None:
        answer = await client.post(url, json=BODY, headers=KEY)
        assert answer.status_code == httpx.codes.OK  # noqa: S101

    async def work(count: int) -> None:
        await _at_once(one, count)

    return work


def our_fetch(client: AsyncClient) -> Work:
    """One look by hand: `await client.fetch(task_id)`."""

    async def one(number: int) -> None:
        await client.fetch(FIRST_ID + number % TASKS)

    async def work(count: int) -> None:
        await _at_once(one, count)

    return work


def our_submit(client: AsyncClient) -> Work:
    """`await client.submit(request)`."""

    async def one(_: int) -> None:
        await client.submit(REQUEST)

    async def work(count: int) -> None:
        await _at_once(one, count)

    return work


@asynccontextmanager
async def our_looks(client: AsyncClient) -> AsyncGenerator[Work]:
    """Looks as they happen: tasks are waited for, and the poller finds that all of them are due all the time."""
    waits = [asyncio.create_task(client.wait(FIRST_ID + number)) for number in range(TASKS)]
    poller = client._poller  # noqa: SLF001 - its counter of looks
    door, closed = asyncio.Event(), asyncio.Event()
    fetch = poller._fetch  # noqa: SLF001 - to stop it between two measurements
    left = 0

    async def counted(task_id: int) -> Any:
        nonlocal left
        if left <= 0:
            closed.set()
            await door.wait()
        left -= 1
        return await fetch(task_id)

    poller._fetch = counted  # noqa: SLF001
    await closed.wait()

    async def work(count: int) -> None:
        nonlocal left
        closed.clear()
        left = count
        door.set()
        await asyncio.sleep(0)
        door.clear()
        await closed.wait()
        while poller._in_flight < AT_ONCE or left > 0:  # noqa: ASYNC110, SLF001
            await asyncio.sleep(0.001)

    yield work
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


async def measure(server: Server, rounds: int = ROUNDS) -> dict[str, float]:
    """Return CPU milliseconds per request, the median of interleaved rounds."""
    # Looks as fast as they go; nothing but the interval is unlike the default.
    pacing = Pacing(min_interval=1e-6, max_interval=1e-6)
    async with AsyncExitStack() as stack:
        works: dict[str, Work] = {"look: raw socket": raw_look(server)}
        for name, make in http_clients().items():
            theirs = await stack.enter_async_context(make())
            works[f"look: {name}"] = bare_look(server, theirs)
            works[f"submit: {name}"] = bare_submit(server, theirs)
            ours = AsyncClient(
                "key",
                base_url=server.url,
                http_client=None if name == "httpx" else await stack.enter_async_context(make()),
                max_requests_at_once=AT_ONCE,
                pacing=pacing,
            )
            await stack.enter_async_context(ours)
            works[f"look: ours on {name}"] = await stack.enter_async_context(our_looks(ours))
            works[f"fetch: ours on {name}"] = our_fetch(ours)
            works[f"submit: ours on {name}"] = our_submit(ours)
        costs: dict[str, list[float]] = {name: [] for name in works}
        for number, (name, work) in itertools.product(range(rounds + 1), works.items()):
            if "submit" in name:
                server.begin(Load(duration=1e6, latency=0.0))
                for _ in range(TASKS):
                    server.create(json.dumps(BODY).encode())
            gc.collect()
            cpu = time.process_time()
            await work(LOOKS)
            cpu = time.process_time() - cpu
            if number:  # the first round warms up
                costs[name].append(1000 * cpu / LOOKS)
    return {name: statistics.median(cost) for name, cost in costs.items()}


def main() -> dict[str, float]:
    """Measure."""
    with running() as server:
        server.begin(Load(duration=1e6, latency=0.0))
        for _ in range(TASKS):
            server.create(json.dumps(BODY).encode())
        return asyncio.run(measure(server))


if __name__ == "__main__":
    for name, cost in main().items():
        print(f"{name:32} {cost:.3f}")
