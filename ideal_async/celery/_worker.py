"""Workers: the short form, and the task for an app of one's own."""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, ExitStack, suppress
from signal import SIGINT, SIGTERM
from typing import Any

import anyio
from anyio import open_signal_receiver
from anyio.from_thread import BlockingPortal, start_blocking_portal
from celery import Celery as App  # pyright: ignore[reportMissingTypeStubs]
from celery import signals as _signals  # pyright: ignore[reportMissingTypeStubs]
from celery.worker import state  # pyright: ignore[reportMissingTypeStubs]

from ideal_async import AsyncClient
from ideal_async.fleet import Chunks

from ._engine import QUEUE, app_of
from ._task import CHUNK, Host, add_task

logger = logging.getLogger("ideal_async")


async def run_worker(
    client: AsyncClient,
    address_or_app: str | App,
    *,
    save: Any = None,
    queue: str = QUEUE,
    chunks_at_once: int = 8,
) -> None:
    """Work for batches until SIGTERM or Ctrl-C: then requests on their way are waited for, and the rest is left.

    It waits for a broker that is not there yet, and through its restarts. One to a process.

    Args:
        client: Does the work, with a `PostgresJournal` that all hosts share; close it afterwards.
        address_or_app: Of the broker, `redis://host:6379`; or a `celery.Celery` of your own.
        save: A folder, or a bucket or a folder in it, that all hosts see; `None`: videos are not saved.
        queue: As `Batches` has it.
        chunks_at_once: Chunks that this process does at the same time.

    Raises:
        TypeError: The client's journal is none that hosts could share.

    Example:
        >>> async def work(journal):
        ...     async with AsyncClient(journal=journal) as client:
        ...         await run_worker(client, "redis://redis:6379", save="/mnt/videos")
    """
    await work_for(app_of(address_or_app), Chunks(client, save=save), queue=queue, chunks_at_once=chunks_at_once)


async def work_for(app: Any, chunks: Chunks, *, queue: str = QUEUE, chunks_at_once: int) -> None:
    """Work for batches, with what runs chunks."""
    ended, by_itself = anyio.Event(), False
    async with BlockingPortal() as portal:
        host = Host(portal, chunks)
        app.tasks.pop(CHUNK, None)  # of a worker that this app was before
        add_task(app, lambda: host)
        app.set_default()  # in whose name Celery's threads look for the task
        worker = app.WorkController(
            pool="threads",
            concurrency=chunks_at_once,
            queues=[queue],
            without_gossip=True,
            without_heartbeat=True,
            without_mingle=True,
        )

        async def work() -> None:
            await anyio.to_thread.run_sync(worker.start, limiter=anyio.CapacityLimiter(1))
            ended.set()

        async with anyio.create_task_group() as beside:
            beside.start_soon(work)
            logger.info("a worker of %s begins", queue)
            try:
                await _until_asked_to_end(ended)
            finally:
                with anyio.CancelScope(shield=True):
                    by_itself = ended.is_set()
                    state.should_stop = 0
                    await host.end()
                    await ended.wait()
                    state.should_stop = None
    if by_itself:
        raise RuntimeError("Celery's worker has ended by itself: its log says why")
    logger.info("a worker of %s has let go", queue)


async def _until_asked_to_end(ended: anyio.Event) -> None:
    """Wait for SIGTERM or Ctrl-C, once: the second time they do what they always do. Or for the end itself."""
    async with anyio.create_task_group() as both:

        async def hear() -> None:
            # Outside of the main thread, and on Windows, whoever runs it cancels it.
            with (
                suppress(RuntimeError, ValueError, NotImplementedError),
                open_signal_receiver(SIGTERM, SIGINT) as heard,
            ):
                async for _ in heard:
                    both.cancel_scope.cancel()
                    return

        both.start_soon(hear)
        await ended.wait()
        both.cancel_scope.cancel()


def install(app: App, open_client: Callable[[], AbstractAsyncContextManager[AsyncClient]], *, save: Any = None) -> None:
    """Make the workers of a Celery app of one's own work for batches: `celery -A tasks worker -Q ideal-async`.

    Each process has one event loop and one client, made when its first chunk comes, after the fork, and closed with it.
    The pools `prefork`, `threads` and `solo` are fine.

    Args:
        app: Yours. It should have `worker_prefetch_multiplier=1`, or else a worker keeps chunks from others.
        open_client: Gives a client with a `PostgresJournal` that all hosts share, made anew at every call.
        save: A folder, or a bucket or a folder in it, that all hosts see; `None`: videos are not saved.

    Example:
        >>> def prepare(app, dsn):
        ...     install(app, lambda: AsyncClient(journal=PostgresJournal(dsn)), save="/mnt/videos")
    """
    process = _Process(open_client, save)
    add_task(app, process.host)
    signals: Any = _signals
    for signal, hear in (
        (signals.worker_init, process.before_forks),
        (signals.worker_process_init, process.after_fork),
        (signals.worker_shutting_down, process.let_go),
        (signals.worker_process_shutdown, process.close),
        (signals.worker_shutdown, process.close),
    ):
        signal.connect(hear, weak=False)


class _Process:
    """The event loop and the client of a process, for its tasks to share."""

    def __init__(self, open_client: Callable[[], AbstractAsyncContextManager[AsyncClient]], save: Any) -> None:
        self._open_client = open_client
        self._save = save
        self._made = threading.Lock()
        self._host: Host | None = None
        self._opened = ExitStack()
        # A pipe, whose end the processes of a pool see when their worker ends, however it does: they get no signal.
        self._leash: list[int] = []
        self._worker = 0

    def host(self) -> Host:
        """Return the process's host, made at the first call."""
        with self._made:
            if self._host is None:
                with ExitStack() as stack:
                    portal = stack.enter_context(start_blocking_portal("asyncio"))
                    client = stack.enter_context(portal.wrap_async_context_manager(self._open_client()))
                    self._host = host = Host(portal, Chunks(client, save=self._save))
                    if self._leash:
                        watch = portal.start_task_soon(_end_with, self._leash[0], host)
                        stack.callback(watch.cancel)
                    self._opened = stack.pop_all()
            return self._host

    def before_forks(self, **_: Any) -> None:
        """Make what tells the processes that their worker ends."""
        self._leash, self._worker = [*os.pipe()], os.getpid()

    def after_fork(self, **_: Any) -> None:
        """Leave the other end to the worker alone, unless this is it: not every pool forks."""
        if os.getpid() != self._worker:
            self.let_go()

    def let_go(self, **_: Any) -> None:
        """Tell all processes of this worker that it ends."""
        for end in self._leash[1:]:
            os.close(end)
        del self._leash[1:]

    def close(self, **_: Any) -> None:
        """Close the client, and the loop."""
        self.let_go()
        opened, self._opened, self._host = self._opened, ExitStack(), None
        opened.close()
        for end in self._leash:
            os.close(end)
        self._leash = []


async def _end_with(leash: int, host: Host) -> None:
    await anyio.wait_readable(leash)
    await host.end()
