"""Callers come and go; no slot, connection or task is lost for it."""

import os
import random
from pathlib import Path

import anyio
import anyio.abc
import anyio.lowlevel
import httpx
import pytest
from fakes import ID, envelope, http, loopback, read_request

from ideal_async import AsyncClient, IdealError, ImageToVideo, Task, TaskStatus, VideoOutput

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.usefixtures("real_time")]

SECONDS = 6.0 if os.environ.get("IDEAL_ASYNC_SOAK") else 1.5
CALLERS = 300
POOL = 100


async def serve_slowly(stream: anyio.abc.SocketStream) -> None:
    """Answer each request a little late, so that there is always one to be torn in two."""
    try:
        while True:
            request = await read_request(stream)
            await anyio.sleep(random.uniform(0, 0.05))
            data: object = ID if request.startswith(b"POST") else {"id": ID, "status": "Processing"}
            await stream.send(http(httpx.Response(200, json=envelope(data)).content))
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return


async def come_and_go(client: AsyncClient, task: Task, folder: Path, number: int, until: float) -> None:
    """Start something and lose patience, again and again."""
    dice = random.Random(number)
    room = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p")
    while anyio.current_time() < until:
        with anyio.move_on_after(dice.uniform(0, 0.06)):
            try:
                match number % 4:
                    case 0:
                        await client.download(task, folder / f"{number}.mp4")
                    case 1:
                        await client.fetch(ID)
                    case 2:
                        await client.wait(ID)
                    case _:
                        await client.submit(room)
            except IdealError:
                pass  # what counts is what is left behind
        await anyio.lowlevel.checkpoint()


async def test_a_crowd_of_impatient_callers_leaks_nothing(tmp_path: Path) -> None:
    """300 callers are cancelled all the time on a pool of 100: afterwards no slot is taken and the client works.

    Plain httpx 0.28.1 has lost all of its 100 slots by then: httpcore forgets a connection that was assigned to a
    request which is cancelled before it connects.
    """
    pool = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=POOL), retries=0)
    async with loopback(serve_slowly) as url, httpx.AsyncClient(transport=pool) as http_client:
        task = Task(ID, TaskStatus.SUCCESS, output=VideoOutput(f"{url}/video.mp4"))
        client = AsyncClient("key", base_url=url, http_client=http_client, max_requests_at_once=POOL - 10)
        async with client:
            until = anyio.current_time() + SECONDS
            async with anyio.create_task_group() as callers:
                for number in range(CALLERS):
                    callers.start_soon(come_and_go, client, task, tmp_path, number, until)
            with anyio.fail_after(20):
                await client.fetch(ID)
                while client._session._slots.borrowed_tokens or client._downloads._slots.borrowed_tokens:
                    await anyio.wait_all_tasks_blocked()
                assert (await client.fetch(ID)).id == ID
            assert len(client._poller) == 0
            busy = [connection for connection in pool._pool.connections if not connection.is_idle()]
            assert busy == []
