"""Real servers in a thread: uvicorn, and hypercorn on trio."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import hypercorn.config
import hypercorn.trio
import trio
import uvicorn


@contextmanager
def on_uvicorn(app: Any) -> Iterator[str]:
    """Serve *app* on asyncio while the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=2, timeout_keep_alive=60
        )
        server = uvicorn.Server(config)
        with _thread(lambda: asyncio.run(server.serve([listener]))) as thread:
            while not server.started and thread.is_alive():
                thread.join(0.01)
            assert server.started, "the application did not start"
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                server.should_exit = True


@contextmanager
def on_hypercorn_trio(app: Any) -> Iterator[str]:
    """Serve *app* on trio while the block runs."""
    config = hypercorn.config.Config()
    config.bind = ["127.0.0.1:0"]
    config.graceful_timeout = 2
    stop, urls, started = threading.Event(), list[str](), threading.Event()

    async def stopped() -> None:
        while not stop.is_set():  # noqa: ASYNC110 - set by another thread
            await trio.sleep(0.02)

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            # hypercorn's stubs know one kind of callable for an application
            serving: Any = hypercorn.trio.serve
            urls.extend(
                await nursery.start(
                    lambda task_status: serving(app, config, shutdown_trigger=stopped, task_status=task_status)
                )
            )
            started.set()

    with _thread(lambda: trio.run(run)) as thread:
        while not started.is_set() and thread.is_alive():
            thread.join(0.01)
        assert urls, "the application did not start"
        try:
            yield urls[0]
        finally:
            stop.set()


@contextmanager
def _thread(run: Callable[[], None]) -> Iterator[threading.Thread]:
    """Run something beside the test; what it raises is the test's."""
    failed: list[BaseException] = []

    def watched() -> None:
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - raised again in the test
            failed.append(error)

    thread = threading.Thread(target=watched)
    thread.start()
    try:
        yield thread
    finally:
        thread.join()
        for error in failed:
            raise error
