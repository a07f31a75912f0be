"""The body that every engine repeats until it returns: it may run twice, anywhere, at any time."""

import logging
import os
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import anyio
import attrs

from ideal_async import (
    AsyncClient,
    Entry,
    ImageToVideo,
    JournalFailed,
    JournalStore,
    Outcome,
    Submission,
    TaskFailed,
    Unsaved,
    batch,
    estimate,
)
from ideal_async.postgres import PostgresJournal

from ._items import read_request
from ._reports import Chunk, Report, counted_as, passes

logger = logging.getLogger("ideal_async")

T = TypeVar("T")

#: Seconds after which a chunk is tried again that met an outage, or whose batch is paused.
AGAIN = 15.0
#: Seconds for which a chunk is tried again and again; longer than outages last, shorter than a result's URL lives.
PATIENCE = 4 * 3600.0
#: Seconds for one run of a chunk. A task that never ends holds it for no longer.
TIMEOUT = 6 * 3600.0
#: Seconds for which requests on their way are waited for at the end; longer than any POST takes.
LETTING_GO = 120.0
#: Seconds between two signs of life, and between two looks whether the batch is halted.
_BEAT = 1.0
#: Seconds between two questions whether anything is on its way.
_LOOK_AGAIN = 0.2
#: Seconds between two interim reports.
_FILING = 5.0


class Chunks:
    """Runs chunks of batches, for any engine: one for all that a process runs.

    Args:
        client: Does the work, with a `PostgresJournal` that all hosts share.
        save: A folder, or a bucket or a folder in it, that all hosts see; `None`: videos are made, and stay where they
            are.
        journal: That holds the batches; by default the client's.

    Raises:
        TypeError: The client's journal is none that hosts could share.
    """

    def __init__(self, client: AsyncClient, *, save: Any = None, journal: PostgresJournal | None = None) -> None:
        shared = client.journal if journal is None else journal
        if not isinstance(shared, PostgresJournal):
            raise TypeError(
                "a fleet decides about money in a journal that all hosts share: "
                "AsyncClient(journal=PostgresJournal(dsn)), of ideal_async.postgres"
            )
        self.client = client
        self.journal = shared
        self.save = Path(cast("str", save)) if isinstance(save, str | os.PathLike) else save
        # The application's own limit of threads is not ours to use up.
        self._threads: anyio.CapacityLimiter | None = None

    async def run(self, chunk: Chunk, *, beat: Callable[[Report], object] = lambda _: None) -> Report:
        """Do a chunk, or what is left of it, and tell what became of it.

        It ends early when the batch is halted, or when it is cancelled itself: then nothing more is sent, requests on
        their way are waited for, and what was paid goes on.

        Args:
            chunk: Of a batch in the journal.
            beat: Called about once a second with how it stands.

        Returns:
            The report. If it says `again`, the engine runs the chunk again, on this host or another; otherwise it is
            final, and is in the journal.

        Raises:
            JournalFailed: The database cannot be asked; nothing was sent. The engine runs the chunk again.
        """
        manifest = await self.ask(self.journal.manifest, chunk.batch)
        if manifest is None:
            where = "another database than the one it was started in"
            return Report(chunk.size, not_tried=chunk.size, reason=f"the worker's journal is {where}", stops=True)
        filed = await self.ask(self.journal.reports, chunk.batch, chunk.first)
        if filed and filed[0].final:
            return Report.load(filed[0].report)
        if manifest.halted == "paused":
            return Report(chunk.size, waiting=chunk.size, again=AGAIN)
        refused = self._refuse(manifest.halted, manifest.origin, manifest.account)
        if refused:
            report = Report(chunk.size, not_tried=chunk.size, reason=refused, stops=True)
        else:
            items = await self.ask(self.journal.items, manifest, chunk.first, chunk.last)
            report = await _Pass(self, chunk, items).run(beat)
            if report.again is not None and filed and filed[0].age > PATIENCE:
                report = attrs.evolve(report, again=None, not_tried=report.not_tried + report.waiting, waiting=0)
        await self.file(chunk, report)
        return report

    def _refuse(self, halted: str, origin: str, account: str) -> str:
        """Tell why this host must not touch a batch."""
        if halted == "cancelled":
            return "cancelled"
        mine, its = (self.client.origin, self.client.account), (origin, account)
        if mine != its:
            shown = [f"{where} (account {who!r})" if who else where for where, who in (its, mine)]
            return f"the batch is for {shown[0]}, and a worker's client for {shown[1]}: mend its base_url or account"
        return ""

    async def file(self, chunk: Chunk, report: Report) -> None:
        """Write down how a chunk stands."""
        final = report.again is None
        await self.ask(partial(self.journal.file_report, chunk.batch, chunk.first, report.dump(), final=final))

    async def ask(self, function: Callable[..., T], *args: object) -> T:
        """Ask the database, outside of the event loop."""
        if self._threads is None:
            self._threads = anyio.CapacityLimiter(4)
        return await anyio.to_thread.run_sync(function, *args, limiter=self._threads)


class _Pass:
    """One run of one chunk."""

    def __init__(self, chunks: Chunks, chunk: Chunk, items: Sequence[tuple[str, str]]) -> None:
        self._chunks = chunks
        self._chunk = chunk
        self._keys = [key for key, _ in items]
        self._texts = [text for _, text in items]
        self._order: list[int] = []  # by the index in the client's batch, that of the item
        self._handed: set[int] = set()
        self._fates: dict[int, str] = {}
        self._running: set[int] = set()
        self._sunk: set[int] = set()  # failed, and nobody promises the credits back
        self._credits: dict[int, int] = {}
        self._reason = ""
        self._again = False
        self._halted = ""
        self._scope = anyio.CancelScope()

    async def run(self, beat: Callable[[Report], object]) -> Report:
        stopped_by: Exception | None = None
        clean = False
        try:
            async with anyio.create_task_group() as beside:
                beside.start_soon(self._beat, beat)
                beside.start_soon(self._watch)
                with self._scope:
                    stopped_by = await self._work()
                    clean = True
                beside.cancel_scope.cancel()
        finally:
            if not clean:
                with anyio.CancelScope(shield=True):
                    await self._let_go()
        return self._sum_up(stopped_by)

    async def _work(self) -> Exception | None:
        """Do the jobs; return what ended the intake before they were used up."""
        try:
            async with batch(
                self._chunks.client,
                self._feed(),
                max_in_flight=len(self._keys),
                timeout=TIMEOUT,
                on_submit=self._submitted,
                save=self._chunks.save,
            ) as outcomes:
                async for outcome in outcomes:
                    self._ended(outcome)
        except Exception as error:  # such as a client that is closed: another host will do it
            logger.exception("batch %s: a chunk broke off", self._chunk.batch)
            self._again, self._reason = True, self._reason or str(error)
            return None
        return outcomes.stopped_by

    async def _feed(self) -> AsyncGenerator[tuple[str, ImageToVideo]]:
        """Hand jobs over; which of them may be sent, and when, is the journal's to say."""
        for index, (key, text) in enumerate(zip(self._keys, self._texts, strict=True)):
            try:
                request = read_request(text)
            except (ValueError, TypeError) as error:
                self._fates[index] = "refused"
                self._reason = self._reason or f"key {key!r} cannot be read: {error}"
                continue
            self._credits[index] = _price(request)
            self._order.append(index)
            self._handed.add(index)
            yield key, request

    def _submitted(self, submission: Submission) -> None:
        index = self._order[cast("int", submission.index)]  # in a batch there is one
        self._handed.discard(index)
        self._running.add(index)

    def _ended(self, outcome: Outcome) -> None:
        index = self._order[outcome.index]
        fate = self._fates[index] = counted_as(outcome)
        self._handed.discard(index)
        self._running.discard(index)
        if isinstance(outcome.error, TaskFailed) and not outcome.error.refunded:
            self._sunk.add(index)
        if outcome.error is not None and fate not in ("failed", "unknown"):
            logger.warning("batch %s, key %s: %s", self._chunk.batch, outcome.key, fate)
            self._reason = self._reason or str(outcome.error)
            self._again = self._again or passes(outcome.error) or isinstance(outcome, Unsaved)

    async def _beat(self, beat: Callable[[Report], object]) -> None:
        """Show that this host lives, also while the database is away."""
        while True:
            beat(self._standing)
            await anyio.sleep(_BEAT)

    async def _watch(self) -> None:
        """Notice that the batch is halted, and report now and then; what the database does not take can wait."""
        chunks, filed_at = self._chunks, -_FILING
        while True:
            try:
                manifest = await chunks.ask(chunks.journal.manifest, self._chunk.batch)
                self._halted = manifest.halted if manifest is not None else "cancelled"
                if anyio.current_time() - filed_at >= _FILING:
                    filed_at = anyio.current_time()
                    await chunks.file(self._chunk, attrs.evolve(self._standing, again=AGAIN))
            except JournalFailed as error:
                logger.warning("batch %s: %s", self._chunk.batch, error)
            if self._halted == "cancelled" or (self._halted and not self._running):
                self._scope.cancel()
                await anyio.sleep(_BEAT)

    @property
    def _standing(self) -> Report:
        """How it stands in the middle."""
        size = len(self._keys)
        running = len(self._running)
        paid = {index for index, fate in self._fates.items() if fate in _PAID} | self._running | self._sunk
        return Report(
            size,
            **cast("dict[str, Any]", Counter(self._fates.values())),
            running=running,
            waiting=size - running - len(self._fates),
            credits=sum(self._credits.get(index, 0) for index in paid),
            reason=self._reason,
        )

    def _sum_up(self, stopped_by: Exception | None) -> Report:
        """Tell what became of it, whoever ended it."""
        report = self._standing
        left = report.waiting
        if self._halted == "cancelled":
            reason, stops, again = "cancelled", True, None
        elif self._halted:
            reason, stops, again = self._reason, False, AGAIN
        elif stopped_by is not None and not passes(stopped_by):
            reason, stops, again = str(stopped_by), True, None
        else:
            reason, stops, again = self._reason, False, AGAIN if self._again or stopped_by is not None else None
        if again is not None:
            return attrs.evolve(report, waiting=left + report.not_tried, not_tried=0, reason=reason, again=again)
        return attrs.evolve(
            report,
            waiting=0,
            not_tried=report.not_tried + left,
            running=0,
            unfinished=report.unfinished + report.running,
            reason=reason,
            stops=stops,
        )

    async def _let_go(self) -> None:
        """Wait until nothing of this chunk is on its way, so that nothing comes after the end of the batch."""
        chunks = self._chunks
        client = chunks.client

        def look_up() -> list[Entry]:
            journal = cast("JournalStore", client.journal)  # `batch` has worked with it
            journal.sweep()
            keys = [self._keys[index] for index in self._handed]
            return list(journal.entries(keys=keys, origin=client.origin, account=client.account))

        with anyio.move_on_after(LETTING_GO):
            while True:
                try:
                    entries = await chunks.ask(look_up)
                    if all(entry.state != "intended" for entry in entries):
                        return self._notice(entries)
                except JournalFailed as error:
                    logger.warning("batch %s: %s", self._chunk.batch, error)
                await anyio.sleep(_LOOK_AGAIN)

    def _notice(self, entries: Sequence[Entry]) -> None:
        """Count what was paid behind the back of a job that nobody waited for any more."""
        for entry in entries:
            index = self._keys.index(entry.key)
            if entry.state == "unknown":
                self._fates[index] = "unknown"
            elif entry.state in ("submitted", "succeeded"):
                self._running.add(index)


_PAID = ("made", "unsaved", "unknown", "unfinished")


def _price(request: ImageToVideo) -> int:
    try:
        return estimate(request)
    except ValueError:
        return 0  # of a kind that the price table does not have
