"""Videos where nothing is asynchronous: a Celery task, a Django view, a script, a cell of a notebook.

    from sync_world import generate
    task = generate(ImageToVideo("https://example.com/room.jpg"), key="order-42", timeout=600)

`celery_tasks.py`, `django_view.py` and `notebook.ipynb`, beside this file, are such things.

One event loop in a thread of its own, and in it one client, which all threads of the process share. A worker that was
forked gets its own, whether it was forked before the first call or after it. It needs IDEAL_HOUSE_API_KEY; a task that
was paid is found again after a restart, in `journal.db`.
"""

import asyncio
import atexit
import os
import threading
from functools import cache
from typing import Any

from ideal_async import AsyncClient, ImageToVideo, Journal, Task

opening = threading.Lock()


@cache
def open_client(process: int) -> tuple[AsyncClient, asyncio.AbstractEventLoop]:
    """Open the client and its loop in a process; both are closed when it ends."""
    loop, journal = asyncio.new_event_loop(), Journal("journal.db")
    client = AsyncClient(journal=journal)
    threading.Thread(target=loop.run_forever, name="videos", daemon=True).start()
    atexit.register(close, process, client, journal, loop)
    return client, loop


def close(process: int, client: AsyncClient, journal: Journal, loop: asyncio.AbstractEventLoop) -> None:
    """Let requests that may cost money come to their end. A forked child inherits this call, but no thread."""
    if process == os.getpid():
        asyncio.run_coroutine_threadsafe(client.aclose(), loop).result()
        journal.close()


def generate(request: ImageToVideo, **more: Any) -> Task:
    """Pay for a video and wait for it; the arguments are those of `AsyncClient.generate`."""
    with opening:
        client, loop = open_client(os.getpid())
    return asyncio.run_coroutine_threadsafe(client.generate(request, **more), loop).result()
