"""A batch that runs elsewhere, as seen by whoever ordered it: all it tells, and all its verbs, whatever the engine."""

import logging
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Generic, Literal, Protocol, TypeVar

import anyio
import attrs

from ideal_async import AsyncClient, Entry
from ideal_async.postgres import Manifest, PostgresJournal
from ideal_async.typing import Item, State

from ._items import CHUNK, check_name, read_items
from ._reports import Chunk, Report, add_up

logger = logging.getLogger("ideal_async")

T = TypeVar("T")

#: Seconds between two questions whether all workers have let go of a batch.
_ASK_AGAIN = 0.5


class Engine(Protocol):
    """What carries chunks to workers, and repeats each until its report is final. It never decides about money.

    `help(ideal_async.fleet)` has a short one, which does the chunks itself.
    """

    async def begin(self, chunks: "Ranges") -> None:
        """Have a batch done that is new; called again with the same, nothing changes.

        Raises:
            ConnectionError: Who carries chunks cannot be reached.
        """
        ...

    async def again(self, chunks: "Ranges") -> None:
        """Have parts of a known batch done once more, whether the rest of it runs or not.

        Raises:
            ConnectionError: Who carries chunks cannot be reached.
        """
        ...

    async def cancel(self, name: str) -> None:
        """Let go of a batch, and return when no worker has a chunk of it; nothing of it is sent any more."""
        ...

    async def join(self, name: str) -> None:
        """Return when nobody works on a batch any more."""
        ...

    async def works_on(self, name: str) -> bool:
        """Tell whether anything of a batch is still to be done."""
        ...


@attrs.frozen
class Ranges:
    """Parts of a batch.

    Attributes:
        batch: Its name.
        chunk: Jobs in each chunk.
        parts: From the first job to before the last; each begins where a chunk does.

    Example:
        >>> [(chunk.first, chunk.last) for chunk in Ranges("spring", 100, [(0, 250)]).cut()]
        [(0, 100), (100, 200), (200, 250)]
    """

    batch: str
    chunk: int
    parts: Sequence[tuple[int, int]]

    def cut(self) -> Iterable[Chunk]:
        """Cut them into chunks."""
        for first, last in self.parts:
            for start in range(first, last, self.chunk):
                yield Chunk(self.batch, start, min(start + self.chunk, last))


class Run:
    """One batch of a fleet, made by `Batches`; any number of processes may hold it.

    Attributes:
        name: Of the batch.
        size: Jobs in it.
    """

    def __init__(self, name: str, size: int, batches: "BatchesOf[Any]") -> None:
        self.name = name
        self.size = size
        self._batches = batches
        self._journal = batches.journal

    def __repr__(self) -> str:
        return f"<batch {self.name!r}: {self.size} jobs>"

    async def progress(self) -> Report:
        """Tell how the batch stands, as its workers said last: at most some seconds ago; `waiting` is to come.

        Raises:
            JournalFailed: The database cannot be asked.
        """
        return await self._add_up(over=not await self._batches.engine.works_on(self.name))

    async def result(self) -> Report:
        """Wait until nobody works on the batch any more, and tell what became of it.

        Every job is in it: made, failed, refused, in doubt, or not tried, with the reason.

        Raises:
            JournalFailed: The database cannot be asked.
        """
        await self._batches.engine.join(self.name)
        return await self._add_up(over=True)

    async def _add_up(self, *, over: bool) -> Report:
        filed = await _ask(self._journal.reports, self.name)
        report = add_up((Report.load(one.report) for one in filed), self.size, over=over)
        manifest = await self._batches.manifest(self.name)
        if manifest.halted and not report.complete:
            report = attrs.evolve(report, reason=manifest.halted, stops=manifest.halted == "cancelled")
        return report

    async def pause(self) -> None:
        """Let no worker send anything of this batch until `unpause`; tasks go on, and are saved.

        Raises:
            JournalFailed: It cannot be written.
            RuntimeError: The batch is cancelled.
        """
        await self._halt_unless_cancelled("paused")

    async def unpause(self) -> None:
        """Let it go on, within half a minute.

        Raises:
            JournalFailed: It cannot be written.
            RuntimeError: The batch is cancelled.
        """
        await self._halt_unless_cancelled("")

    async def _halt_unless_cancelled(self, halted: Literal["", "paused"]) -> None:
        if (await self._batches.manifest(self.name)).halted == "cancelled":
            raise RuntimeError(f"batch {self.name!r} is cancelled: resume() makes it go on")
        await _ask(self._journal.halt, self.name, halted)

    async def cancel(self) -> None:
        """End the batch: when this returns every worker has let go, and not one task more is created.

        What was paid goes on, and is saved if the batch is resumed.

        Raises:
            JournalFailed: The database cannot be asked.
        """
        await _ask(self._journal.halt, self.name, "cancelled")
        manifest = await self._batches.manifest(self.name)
        await self._batches.engine.cancel(self.name)
        while left := await _ask(
            self._journal.count_intended, manifest
        ):  # their workers live, or their death is noticed
            logger.info("batch %s is cancelled: %d requests are on their way, and waited for", self.name, left)
            await anyio.sleep(_ASK_AGAIN)

    async def entries(self, state: State | None = None) -> AsyncGenerator[Entry]:
        """Go through what the journal knows of its jobs, in the order of the batch.

        Args:
            state: Only those in it, such as `"failed"` or `"unknown"`.

        Raises:
            JournalFailed: The database cannot be asked.
        """
        manifest = await self._batches.manifest(self.name)
        for first in range(0, self.size, manifest.chunk):
            for entry in await self._entries(state, first, first + manifest.chunk):
                yield entry

    async def _entries(self, state: State | None, first: int, last: int) -> list[Entry]:
        manifest = await self._batches.manifest(self.name)
        keys = [key for key, _ in await _ask(self._journal.items, manifest, first, last)]
        ask = partial(self._journal.entries, state, keys=keys, origin=manifest.origin, account=manifest.account)
        found = {entry.key: entry for entry in await _ask(lambda: list(ask()))}
        return [found[key] for key in keys if key in found]

    async def resume(self) -> Report:
        """Go on with a batch that has ended, or was cancelled, before all was made, once its reason is mended.

        What was not tried, refused, not saved or not seen to end is tried; what failed is not, and what is in doubt
        is for a person to decide.

        Returns:
            How it stood.

        Raises:
            JournalFailed: The database cannot be asked.
            ConnectionError: As in `BatchesOf.start`.
        """
        return await self._go_on(release=False)

    async def retry_failed(self) -> int:
        """Let the jobs go again that failed, refunded or not, and have them done with all that `resume` does.

        Each failure is released once, however many call this at the same time.

        Returns:
            How many were released.

        Raises:
            JournalFailed: The database cannot be asked.
            ConnectionError: As in `BatchesOf.start`.
        """
        before = await self._go_on(release=True)
        return before.failed

    async def _go_on(self, *, release: bool) -> Report:
        manifest = await self._batches.manifest(self.name)
        filed = {one.first: one for one in await _ask(self._journal.reports, self.name)}
        reports = {first: Report.load(one.report) for first, one in filed.items()}
        busy = await self._batches.engine.works_on(self.name)
        released, parts = 0, list[tuple[int, int]]()
        for first in range(0, self.size, manifest.chunk):
            last = min(first + manifest.chunk, self.size)
            report = reports.get(first)
            if report is None or not filed[first].final:
                if busy:
                    continue  # it is being done, or will be
            elif report.complete:
                continue
            if release and report is not None and report.failed:
                released += await self._release(first, last)
            if parts and parts[-1][1] == first:
                parts[-1] = parts[-1][0], last
            else:
                parts.append((first, last))
        before = add_up(reports.values(), self.size, over=False)
        if parts:
            firsts = [chunk.first for chunk in Ranges(self.name, manifest.chunk, parts).cut()]
            await _ask(self._journal.withdraw_reports, self.name, [one for one in firsts if one in filed])
            if manifest.halted:
                await _ask(self._journal.halt, self.name, "")
            await self._batches.engine.again(Ranges(self.name, manifest.chunk, parts))
        return attrs.evolve(before, failed=released) if release else before

    async def _release(self, first: int, last: int) -> int:
        released = 0
        for entry in await self._entries("failed", first, last):
            release = partial(
                self._journal.release,
                entry.key,
                origin=entry.origin,
                account=entry.account,
                task_id=entry.task_id,
            )
            try:
                await _ask(release)
            except ValueError:
                continue  # somebody else did, and it is being made again already
            released += 1
        return released


E = TypeVar("E", bound=Engine)


class BatchesOf(Generic[E]):
    """Starts batches that an engine's workers do, and finds them again.

    Args:
        engine: Carries their chunks.
        journal: That all workers share.
        base_url: Of the API, as the workers' clients have it.
        account: As the workers' clients have it.
    """

    def __init__(
        self, engine: E, journal: PostgresJournal, *, base_url: str | None = None, account: str | None = None
    ) -> None:
        if not isinstance(journal, PostgresJournal):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
            raise TypeError(
                f"batches are kept in a PostgresJournal that all workers share, not in a {type(journal).__name__}"
            )
        self.engine = engine
        self.journal = journal
        self._origin = AsyncClient("only-for-its-url", base_url=base_url).origin
        self._account = account or ""

    async def start(
        self,
        name: str,
        requests: Iterable[Item] | AsyncIterable[Item],
        *,
        chunk: int = CHUNK,
        keep_queries: bool = False,
    ) -> Run:
        """Start a batch, unless it is started already; call it as often as you like.

        Args:
            name: Of the batch, for ever.
            requests: As `ideal_async.batch` takes them. They are kept in the database; those without a key get
                `name/index`. Pictures are URLs without a query, or names in a bucket, `bucket / "room.jpg"`, which
                the worker signs just before it sends.
            chunk: Jobs that a worker takes at once.
            keep_queries: Take URLs with a query as well, and keep it in the database.

        Raises:
            TypeError: Something is no request.
            ValueError: The name belongs to a batch with other content; or a request cannot be sent by other hosts.
            JournalFailed: The database cannot be asked; nothing was started.
            ConnectionError: The broker of Celery cannot be reached: the batch is kept, and the same call goes on with
                it. What Temporal raises is its own (`temporalio.service.RPCError`), and means the same.
        """
        if chunk < 1:
            raise ValueError(f"chunk must be 1 or more, not {chunk}")
        digest, items = await read_items(check_name(name), requests, keep_queries=keep_queries)
        manifest = Manifest(name, digest, len(items), chunk, self._origin, self._account)
        kept = await _ask(self.journal.keep_manifest, manifest, items)
        if (kept.digest, kept.origin, kept.account) != (digest, self._origin, self._account):
            raise ValueError(
                f"there is a batch {name!r} already, with {kept.size} other jobs for {kept.origin}: a batch never "
                "changes; give this one another name"
            )
        await self.engine.begin(Ranges(name, kept.chunk, [(0, kept.size)]))
        return Run(name, kept.size, self)

    async def get(self, name: str) -> Run:
        """Find a batch again, in any process.

        Raises:
            KeyError: There is none of that name.
            JournalFailed: The database cannot be asked.
        """
        return Run(name, (await self.manifest(name)).size, self)

    async def manifest(self, name: str) -> Manifest:
        """Find what a batch was made of.

        Raises:
            KeyError: There is none of that name.
            JournalFailed: The database cannot be asked.
        """
        manifest = await _ask(self.journal.manifest, name)
        if manifest is None:
            raise KeyError(f"there is no batch {name!r} in {self.journal}: start(...) makes it")
        return manifest


async def _ask(function: Callable[..., T], *args: object) -> T:
    """Ask the database, outside of the event loop."""
    return await anyio.to_thread.run_sync(function, *args)
