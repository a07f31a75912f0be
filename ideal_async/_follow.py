"""Somebody follows every paid task to its end, also when nobody awaits it, and whichever process paid it."""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import anyio
import attrs

from ._background import Background
from ._books import Books, Purchase
from ._callbacks import run_shielded
from ._errors import IdealError, InvalidRequest, TaskFailed, Unauthorized
from ._models import Task, is_refunded
from ._poller import Poller
from ._waiter import Waiter

if TYPE_CHECKING:
    from ._client_journal import ClientJournal
    from ._journal import Entry

logger = logging.getLogger("ideal_async")

T = TypeVar("T")
OnEnd = Callable[["Entry"], Awaitable[None] | None]

#: Seconds between two questions for tasks whose follower has died: a restart takes about as long.
TAKE_OVER_EVERY = 15.0
#: Seconds before a task is looked at again whose looks or whose delivery failed: an outage outlasts `Retry.outage`.
TRY_AGAIN = 60.0


class Follower:
    """Waits for each task that this client submits, and takes over those whose follower is dead.

    The end is written into the journal behind `on_end`: what could not be delivered is delivered again, by this process
    or by whoever takes the task over.

    Args:
        books: Know the running tasks.
        journal: Where their ends are written down.
        poller: Looks.
        background: Where it runs.
        on_end: Called with the entry of each task that has ended, sync or async, at least once.
        asked: The application asked for it; else only what would hold a place in flight for ever is taken over.
    """

    def __init__(
        self,
        books: Books,
        journal: "ClientJournal",
        poller: Poller,
        background: Background,
        on_end: OnEnd | None,
        *,
        asked: bool = True,
    ) -> None:
        self._books = books
        self._journal = journal
        self._poller = poller
        self._background = background
        self._on_end = on_end
        self._asked = asked
        self._followed: set[int] = set()
        books.follow_with(self.follow, self._delivers)

    def follow(self, purchase: Purchase) -> None:
        """Wait for a running task, unless it is followed already."""
        task_id = purchase.task_id
        if task_id is not None and task_id not in self._followed:
            self._followed.add(task_id)
            self._background.start_soon(self._follow, task_id, purchase)

    def _delivers(self, task_id: int) -> bool:
        """Tell whether a task is to be delivered, before its end is written down."""
        return self._asked and task_id in self._followed

    async def run(self) -> None:
        """Take over what nobody follows, now and every so often; until cancelled."""
        while True:
            try:
                await self.take_over()
            except Exception as error:  # noqa: BLE001 - the journal may be out of reach for a while
                logger.warning("the journal could not be asked for tasks to follow: %s", type(error).__name__)
            await anyio.sleep(TAKE_OVER_EVERY)

    async def take_over(self) -> None:
        """Follow what nobody alive follows.

        Raises:
            JournalFailed: It cannot be asked.
        """
        for entry in await self._journal.take_over(asked=self._asked):
            purchase = Purchase(entry.request, entry.key, entry.credits)
            self._books.recall(purchase, entry)
            self.follow(purchase)

    async def let_go(self) -> None:
        """Follow nothing any more, so that another process may."""
        await self._journal.unfollow()

    async def _follow(self, task_id: int, purchase: Purchase) -> None:
        """Wait for a task and deliver it, however often each step has to be tried."""
        try:
            end = await _outlast("looking", self._wait_for_end, task_id, purchase)
            if end is _DENIED or not self._asked:
                return  # what nobody is called for was written down when it was seen
            await _outlast("its delivery (on_end)", self._deliver, task_id, purchase, end)
            await _outlast("writing down its end", self._settle, task_id, end)
        finally:
            self._followed.discard(task_id)

    async def _wait_for_end(self, task_id: int, purchase: Purchase) -> "_End":
        """Return how a task ended.

        Raises:
            Exception: It could not be looked at, which is to be tried again.
        """
        waiter = Waiter()
        self._poller.join(task_id, waiter, kind=purchase.request.kind, submitted_at=purchase.created_at)
        try:
            return _End(await waiter.next_look(task_id), None)
        except TaskFailed as error:
            return _End(None, error.reason)
        except InvalidRequest as error:  # about this very task; whatever else is answered may pass
            await self._journal.denied(task_id)
            logger.warning("task %d is followed no more (%s); its row stays open", task_id, type(error).__name__)
            return _DENIED
        finally:
            self._poller.leave(task_id, waiter)

    async def _deliver(self, task_id: int, purchase: Purchase, end: "_End") -> None:
        """Call `on_end`.

        Raises:
            Exception: It has to be called again, or the journal cannot be read.
        """
        if self._on_end is not None and (entry := await self._entry_of(purchase, end)) is not None:
            with self._background.waited_for():
                error = await run_shielded(self._on_end, entry, about=f"on_end for task {task_id}")
            if error is not None:
                raise error

    async def _settle(self, task_id: int, end: "_End") -> None:
        """Write the end down: what was delivered is not delivered again.

        Raises:
            Exception: The journal cannot be written.
        """
        with anyio.CancelScope(shield=True):
            await self._journal.write_end(task_id, end.task, end.reason)

    async def _entry_of(self, purchase: Purchase, end: "_End") -> "Entry | None":
        """Return what the journal is about to say, with the URLs as they came: their signatures are needed now."""
        entry = None if purchase.key is None else await self._journal.find(purchase.key)
        if entry is None:  # it was pruned meanwhile
            return None
        succeeded = end.task is not None and end.task.succeeded
        return attrs.evolve(
            entry,
            state="succeeded" if succeeded else "failed",
            task=end.task,
            reason=end.reason,
            refunded=True if not succeeded and is_refunded(end.task) else None,
        )


@attrs.frozen
class _End:
    """How a task ended: its last look, or the reason that came in place of one."""

    task: Task | None
    reason: str | None


_DENIED = _End(None, None)


async def _outlast(what: str, step: Callable[..., Awaitable[T]], task_id: int, *args: object) -> T:
    """Return what a step of following returns; whatever it raises, it is tried again. Each trouble is told once."""
    told = None
    while True:
        try:
            return await step(task_id, *args)
        except Exception as error:  # of the network, the journal, `on_end`, or nobody foresaw it
            if type(error) is not told:
                known = isinstance(error, IdealError)
                passes = known and not isinstance(error, Unauthorized)  # else somebody has to mend it
                logger.log(
                    logging.WARNING if passes else logging.ERROR,
                    "task %d: %s failed, and is tried every %g s: %s: %s",
                    *(task_id, what, TRY_AGAIN, type(error).__name__, error),
                    exc_info=None if known else error,
                )
            told = type(error)
        await anyio.sleep(TRY_AGAIN)


def follower_of(
    books: Books,
    journal: "ClientJournal | None",
    poller: Poller,
    background: Background,
    *,
    follow: bool,
    on_end: OnEnd | None,
) -> Follower | None:
    """Return who follows, if somebody is asked to, or if the journal limits what is in flight.

    Raises:
        ValueError: It has no journal, or there is an `on_end` that nobody would call.
    """
    if not follow:
        if on_end is not None:
            raise ValueError("on_end is called for followed tasks: pass follow=True as well")
        if journal is None or not journal.counts_places:
            return None
        return Follower(books, journal, poller, background, None, asked=False)
    if journal is None:
        raise ValueError("follow=True needs a journal, which knows what is to be followed: journal=Journal(path)")
    return Follower(books, journal, poller, background, on_end)
