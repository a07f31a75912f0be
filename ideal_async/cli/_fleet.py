"""A batch that workers elsewhere make: it is ordered, watched, and what is made is brought here."""

import hashlib
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio
import attrs

from ideal_async import Entry, IdealError, Task

from ._engines import engine_of
from ._job import ENDED, Job
from ._run import Run
from ._terminal import Refused

if TYPE_CHECKING:
    from ideal_async.fleet import Run as Batch
    from ideal_async.postgres import PostgresJournal

    from ._summary import Wishes

#: Seconds between two looks into the journal.
_EVERY = 1.0
#: Jobs that are asked for at a time.
_AT_ONCE = 1_000


class NotTried(IdealError):
    """The workers have stopped before everything was tried."""


def check_fleet(wishes: "Wishes") -> None:
    """Let an engine be there only with what it can do.

    Raises:
        Refused: Something else is asked for.
    """
    if wishes.engine is None:
        return
    engine_of(wishes.engine)
    if isinstance(wishes.journal_path, Path):
        raise Refused("workers elsewhere need the journal that all hosts share: --journal postgresql://...")
    if wishes.uploads is not None:
        raise Refused(
            "workers elsewhere cannot read pictures of this computer: publish them first, and let the jobs be URLs"
        )
    if wishes.budget is not None:
        raise Refused("the workers spend: give them the limit, ideal-async worker ... --limit-credits")


def name_batch(sources: Sequence[str], jobs: Sequence[Job]) -> str:
    """Name a batch by what it consists of, so that the same command goes on with it, and another file does not."""
    digest = hashlib.sha256()
    for job in jobs:
        digest.update(f"{job.flight_key}\0{job.request.fingerprint}\0".encode())
    stem = Path(sources[0].partition("?")[0]).stem or "batch"
    return f"{stem[:40]}-{digest.hexdigest()[:12]}"


@attrs.define(eq=False, kw_only=True)
class FleetRun(Run):
    """Has every job of a board made by workers elsewhere.

    Attributes:
        engine: Its address.
        journal: That all hosts share.
        base_url: Of the API.
        name: Of the batch.
    """

    engine: str
    journal: "PostgresJournal"
    base_url: str | None
    name: str

    async def make_all(self, *, max_in_flight: int = 200, timeout: float | None = None) -> None:
        """Order the batch, or find it again, and bring what is made; leaving early leaves it to the workers.

        Args:
            max_in_flight: The workers have limits of their own.
            timeout: Seconds for making the videos.
        """
        del max_in_flight
        engine, address = engine_of(self.engine)
        batches = await engine.open(address, self.journal, self.base_url)
        try:
            batch = await batches.start(self.name, [(job.flight_key, job.request) for job in self.board.jobs])
        except ValueError as error:
            raise Refused(str(error)) from None
        if not await batches.engine.works_on(self.name) and not (await batch.progress()).complete:
            await batch.resume()
        with anyio.move_on_after(timeout):
            async with anyio.create_task_group() as bringing:
                for job, task in self.known.items():
                    if isinstance(task, Task):
                        bringing.start_soon(self._download, job, task)
                await self._watch(batch, bringing)

    async def _watch(self, batch: "Batch", bringing: anyio.abc.TaskGroup) -> None:
        """Follow the batch to its end."""
        over = anyio.Event()

        async def wait() -> None:
            report = await batch.result()
            if report.not_tried:
                many = "job was" if report.not_tried == 1 else "jobs were"
                self.stopped_by = NotTried(f"{report.reason} ({report.not_tried:,} {many} not tried)")
            over.set()

        bringing.start_soon(wait)
        last = False
        while not last:
            last = over.is_set()  # looked at once more, when everything is written
            for job, entry in await self._read():
                await self._see_entry(job, entry, bringing)
            with anyio.move_on_after(_EVERY):
                await over.wait()
        if self.stopped_by is None:  # else a refusal may have been that of an empty account
            for job in self.board.jobs:
                if job.state == "waiting" and job.error:
                    self.board.move(job, "refused")

    async def _read(self) -> list[tuple[Job, Entry]]:
        """Read what became of the jobs that have not ended."""
        left = iter([job for job in self.board.jobs if job.state not in (*ENDED, "downloading")])
        found: list[tuple[Job, Entry]] = []
        while jobs := {cast("str", job.flight_key): job for job in islice(left, _AT_ONCE)}:
            entries = await anyio.to_thread.run_sync(self._entries, list(jobs))
            found += [(jobs[entry.key], entry) for entry in entries]
        return found

    def _entries(self, keys: list[str]) -> list[Entry]:
        return list(self.journal.entries(keys=keys, origin=self.client.origin, account=""))

    async def _see_entry(self, job: Job, entry: Entry, bringing: anyio.abc.TaskGroup) -> None:
        if entry.task_id is not None and job.task_id != entry.task_id:
            self.board.pay(job, entry.task_id, entry.created_at.timestamp())  # for this order: it was not known before
        match entry.state:
            case "succeeded" if entry.task is not None:
                job.found_at = entry.updated_at.timestamp()
                self.board.move(job, "downloading")
                await self._slots.acquire()
                bringing.start_soon(self._download_and_leave, job, entry.task)
            case "failed":
                job.error, job.found_at = entry.reason or "the service made no video", time.time()
                job.refunded = entry.refunded is True
                self.board.move(job, "failed")
            case "unknown":
                job.error = "a worker got no answer: it may have been paid"
                self.board.move(job, "unknown")
            case "refused":
                job.error = entry.reason
            case _:
                pass


def run_of(wishes: "Wishes", journal: Any, sources: Sequence[str], base_url: str | None) -> Any:
    """Choose who makes the videos: a function that makes a `Run`, as that class does."""
    if wishes.engine is None:
        return Run

    def make(client: Any, board: Any, out: Any, **more: Any) -> FleetRun:
        return FleetRun(
            client,
            board,
            out,
            engine=cast("str", wishes.engine),
            journal=journal,
            base_url=base_url,
            name=name_batch(sources, board.jobs),
            **more,
        )

    return make
