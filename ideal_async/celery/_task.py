"""The task: one chunk of a batch, which Celery repeats until its report is final."""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
from anyio.from_thread import BlockingPortal
from celery.exceptions import Reject  # pyright: ignore[reportMissingTypeStubs]

from ideal_async import JournalFailed
from ideal_async.fleet import AGAIN, Chunk, Chunks, NewerVersion, Report

logger = logging.getLogger("ideal_async")

CHUNK = "ideal_async.chunk"
#: Seconds after which a message is looked at again whose chunk another worker has.
_HELD = 5.0
#: Times that a chunk is begun which breaks off in a way nobody foresaw: a day.
_TRIES = 24 * 3600 / AGAIN


class WorkerEnds(Exception):
    """The chunk is for another worker: this one ends."""


class Host:
    """Runs the chunks of a process, all in one event loop and with one client; its threads hand them in.

    Args:
        portal: Into the event loop.
        chunks: Runs them.
    """

    def __init__(self, portal: BlockingPortal, chunks: Chunks) -> None:
        self._portal = portal
        self._chunks = chunks
        self._running: set[anyio.CancelScope] = set()
        self._held: set[Chunk] = set()
        self._ends = False

    def do(self, payload: Any, tries: int) -> float | None:
        """Run a chunk, from a thread of Celery's.

        Args:
            payload: Says which.
            tries: How often it was tried before.

        Returns:
            Seconds after which to repeat it; `None`: it is done with.

        Raises:
            WorkerEnds: It is not done, and not here.
        """
        try:
            again: float | None = self._portal.call(self._do, payload, tries)
        except RuntimeError as error:  # what is wrong with a chunk does not come out of it: the event loop is gone
            logger.error("this process runs no more chunks: %s", error)  # noqa: TRY400 - all is said
            return AGAIN
        return again

    async def end(self) -> None:
        """Let go of all that runs: what is on its way is waited for, the rest is left to others."""
        self._ends = True
        for scope in self._running:
            scope.cancel()

    async def _do(self, payload: Any, tries: int) -> float | None:
        with anyio.CancelScope() as scope:
            self._running.add(scope)
            if self._ends:
                scope.cancel()
            try:
                return await self._repeat(payload, tries)
            finally:
                self._running.discard(scope)
        raise WorkerEnds

    async def _repeat(self, payload: Any, tries: int) -> float | None:
        """Run a chunk; whatever happens, somebody gets to know."""
        try:
            chunk = Chunk.read(payload)
        except NewerVersion as error:
            logger.warning("%s", error)
            return AGAIN
        except (KeyError, TypeError):
            logger.error("a message is no chunk of a batch, and is thrown away: %r", payload)  # noqa: TRY400 - all is said
            return None
        try:
            async with self._hold(chunk) as mine:
                return (await self._run(chunk)).again if mine else _HELD
        except JournalFailed as error:
            logger.warning("batch %s: %s", chunk.batch, error)
        except LookupError as error:
            logger.error("%s", error.args[0])  # noqa: TRY400 - all is said
        except Exception as error:
            logger.exception("batch %s: a chunk broke off", chunk.batch)
            if tries >= _TRIES:
                reason = f"given up after {tries} times: {error!r}"
                await self._chunks.file(chunk, Report(chunk.size, not_tried=chunk.size, reason=reason))
                return None
        return AGAIN

    @asynccontextmanager
    async def _hold(self, chunk: Chunk) -> AsyncGenerator[bool]:
        """Hold a chunk, so that a second message of it waits: as long as this process lives, and no longer."""
        journal, ask = self._chunks.journal, self._chunks.ask
        if chunk in self._held or not await ask(journal.hold_chunk, chunk.batch, chunk.first):
            yield False
            return
        self._held.add(chunk)
        try:
            yield True
        finally:
            with anyio.CancelScope(shield=True):
                try:
                    await ask(journal.let_go_chunk, chunk.batch, chunk.first)
                finally:
                    self._held.discard(chunk)

    async def _run(self, chunk: Chunk) -> Report:
        """Run a chunk, unless the batch has stopped and nothing of it was tried.

        Raises:
            LookupError: There is no such batch here.
        """
        journal, ask, client = self._chunks.journal, self._chunks.ask, self._chunks.client
        manifest = await ask(journal.manifest, chunk.batch)
        if manifest is None:
            raise LookupError(
                f"batch {chunk.batch!r} is not in {journal}: this worker must have the journal that it was started in"
            )
        stopped = await ask(journal.stopped, chunk.batch)
        if stopped is not None:
            keys = [key for key, _ in await ask(journal.items, manifest, chunk.first, chunk.last)]
            known = partial(journal.entries, keys=keys, origin=client.origin, account=client.account)
            if not await ask(lambda: list(known())):
                reason = Report.load(stopped).reason
                report = Report(chunk.size, not_tried=chunk.size, reason=reason, stops=True)
                await self._chunks.file(chunk, report)
                return report
        return await self._chunks.run(chunk)


def add_task(app: Any, host: Callable[[], Host]) -> None:
    """Give an app the task; *host* is asked in each process that runs it."""

    def chunk(task: Any, payload: Any) -> None:
        tries = task.request.retries
        try:
            again = host().do(payload, tries)
        except WorkerEnds:
            raise Reject("this worker ends: another one goes on", requeue=True) from None
        if again is not None:
            raise task.retry(countdown=again)

    app.task(
        name=CHUNK,
        bind=True,
        shared=False,
        # Acknowledged at the end, so that a worker that dies leaves the chunk to another.
        acks_late=True,
        reject_on_worker_lost=True,
        # The journal knows what became of it.
        ignore_result=True,
        max_retries=None,
    )(chunk)
