"""`Batches`: batches that Celery's workers do."""

import logging
from collections.abc import Iterable
from typing import Any

import anyio
from celery import Celery as App  # pyright: ignore[reportMissingTypeStubs]
from kombu.exceptions import OperationalError

from ideal_async import JournalFailed
from ideal_async.fleet import BatchesOf, Chunk, Engine, Ranges
from ideal_async.postgres import PostgresJournal

from ._task import CHUNK

logger = logging.getLogger("ideal_async")

QUEUE = "ideal-async"
#: Seconds for which a message is with one worker before it is given to another as well, which then finds that somebody
#: has its chunk; so a chunk whose worker died is taken up after these. Redis and its kind only.
VISIBILITY = 60.0
#: Seconds between two looks at a batch that is waited for.
_ASK_AGAIN = 0.5
#: Seconds without anything new after which it is said that nobody works.
_TELL = 60.0
#: Seconds at most from one resending to the next, while nobody works.
_PATIENCE = 600.0
#: Seconds for which a cancelled batch waits for workers to let go; whoever takes longer sends nothing all the same.
_LETTING_GO = 30.0


def app_of(address: Any, *, visibility: float = VISIBILITY) -> Any:
    """Make an app for a broker's address; one's own is returned as it is."""
    if not isinstance(address, str):
        return address
    options: dict[str, Any] = {"confirm_publish": True}
    if address.startswith(("redis:", "rediss:")):
        options = {
            "visibility_timeout": visibility,
            # It is for each worker to say, and holds for all messages under these keys: other apps have their own.
            **{name: f"ideal-async.{name}" for name in ("unacked_key", "unacked_index_key", "unacked_mutex_key")},
            "unacked_restore_interval": max(1.0, visibility / 10),
            "unacked_restore_throttle": 1,
            # A broker that is silent, not down, must not be waited for: a blocking read there lasts a second.
            "socket_connect_timeout": 5,
            "socket_timeout": 30,
            "socket_keepalive": True,
        }
    app: Any = App("ideal_async", broker=address, set_as_current=False, fixups=[])
    app.conf.update(
        broker_transport_options=options,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_remote_control=False,
    )
    return app


class Celery(Engine):
    """One message a chunk; what became of it is in the journal, and nowhere else.

    Args:
        app: Sends the messages.
        journal: That all workers share.
        queue: From which workers take chunks.
    """

    def __init__(self, app: Any, journal: PostgresJournal, queue: str) -> None:
        self._app = app
        self._journal = journal
        self._queue = queue

    async def begin(self, chunks: Ranges) -> None:
        """Send what is not reported yet; what is sent twice is done once."""
        manifest = await _ask(self._journal.manifest, chunks.batch)
        if manifest is None or manifest.halted == "cancelled":
            return
        done = {filed.first for filed in await _ask(self._journal.reports, chunks.batch) if filed.final}
        await self._send(chunk for chunk in chunks.cut() if chunk.first not in done)

    async def again(self, chunks: Ranges) -> None:
        """Send it."""
        await self._send(chunks.cut())

    async def _send(self, chunks: Iterable[Chunk]) -> None:
        def send() -> None:
            with self._app.producer_or_acquire() as producer:
                for chunk in chunks:
                    self._app.send_task(
                        CHUNK,
                        [chunk.write()],
                        queue=self._queue,
                        producer=producer,
                        serializer="json",
                        ignore_result=True,
                    )

        try:
            await anyio.to_thread.run_sync(send)
        except OperationalError as error:
            raise ConnectionError(
                f"Celery's broker cannot be reached ({error}): start it, and call this again; what is sent twice is "
                "done once"
            ) from error

    async def cancel(self, name: str) -> None:
        """Wait until nobody has a chunk of it; the messages that are left do nothing."""
        with anyio.move_on_after(_LETTING_GO) as waited:
            while await _ask(self._journal.held_chunks, name):  # noqa: ASYNC110 - who holds them is another process
                await anyio.sleep(_ASK_AGAIN)
        if waited.cancelled_caught:
            logger.warning("batch %s: a worker does not let go; it sends nothing any more", name)

    async def join(self, name: str) -> None:
        """Wait until everything is reported, also while the database is away, and say so if nobody works."""
        seen: object = None
        since, patience = anyio.current_time(), _TELL
        while True:
            now = anyio.current_time()
            try:
                if not await self.works_on(name):
                    return
                state = await self._state(name)
            except JournalFailed as error:
                logger.warning("batch %s: %s", name, error)
                state = None
            if state is None or state != seen:
                seen, since, patience = state, now, _TELL
            elif now - since >= patience:
                logger.warning(
                    "batch %s: for %.0f seconds no worker has taken a chunk: is there one for the queue %r? What "
                    "is not reported is sent again",
                    *(name, patience, self._queue),
                )
                # Redis loses a message if a worker dies, or it does, just when it is handed over.
                since, patience = now, min(2 * patience, _PATIENCE)
                await self._send_again(name)
            await anyio.sleep(_ASK_AGAIN)

    async def _send_again(self, name: str) -> None:
        """Send what is not reported, if the broker and the database are there; `join` tries again."""
        try:
            manifest = await _ask(self._journal.manifest, name)
            if manifest is not None:
                await self.begin(Ranges(name, manifest.chunk, [(0, manifest.size)]))
        except (ConnectionError, JournalFailed) as error:
            logger.warning(
                "batch %s: what is not reported could not be sent again; tried later: %s",
                name,
                error.__cause__ or error,
            )

    async def _state(self, name: str) -> object:
        """Tell how far a batch is; `None` while somebody works, or nobody should."""
        manifest = await _ask(self._journal.manifest, name)
        held = await _ask(self._journal.held_chunks, name)
        if manifest is None or manifest.halted or held:
            return None
        return await _ask(self._journal.finished_chunks, name)

    async def works_on(self, name: str) -> bool:
        """Ask the journal."""
        manifest = await _ask(self._journal.manifest, name)
        if manifest is None:
            return False
        if manifest.halted == "cancelled":
            return bool(await _ask(self._journal.held_chunks, name))
        return await _ask(self._journal.finished_chunks, name) < -(-manifest.size // manifest.chunk)


_ask = anyio.to_thread.run_sync


class Batches(BatchesOf[Celery]):
    """Starts batches that Celery's workers do, and finds them again.

    Args:
        app: Your `celery.Celery`; or a broker's address, such as `"redis://host:6379"`.
        journal: That all workers share.
        queue: From which the workers take chunks.
        base_url: Of the API, as the workers' clients have it.
        account: As the workers' clients have it.

    Raises:
        TypeError: The journal is none that hosts could share.

    Example:
        >>> async def order(app, journal, requests):
        ...     run = await Batches(app, journal).start("spring", requests)
        ...     print(await run.progress())
        ...     return await run.result()
    """

    def __init__(
        self,
        app: App | str,
        journal: PostgresJournal,
        queue: str = QUEUE,
        *,
        base_url: str | None = None,
        account: str | None = None,
    ) -> None:
        super().__init__(Celery(app_of(app), journal, queue), journal, base_url=base_url, account=account)
