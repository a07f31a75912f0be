"""The books: what became of each request and its credits, from intent to end, in ledgers and journal alike.

Every step of a purchase is booked here and nowhere else:

    open ──intend──> (confirm)* ──> paid ──────> ended: it stays spent, or is refunded
                        │  └──────> doubted      held until a person knows more
                        ├─────────> refused      given back
                        └─────────> not sent     given back, and the key is as it was

The registry of running tasks is part of the books: a task that this client paid is known by its id until it ends, so
that a refund is booked once, to whom it belongs, whoever sees the end first.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio

from ._errors import BudgetExceeded, JournalFailed
from ._models import ImageToVideo, Task, is_refunded, shorten
from ._observer import Fate, Observer
from ._pricing import PRICES, Budget, Ledger, Prices, price

if TYPE_CHECKING:
    from ._client_journal import ClientJournal
    from ._journal import Busy, Cap, Entry, Intent

logger = logging.getLogger("ideal_async")

#: Running tasks whose price and kind are remembered until they end, about half a kilobyte each.
REMEMBERED = 200_000


class Purchase:
    """One request and its money.

    Attributes:
        request: What was asked for.
        key: The caller's, or the one the journal made up.
        credits: What it costs; `None` if that is not known.
        intent: The journal's permission to send.
        holds_until: When that needs to be confirmed, on this event loop's clock in seconds.
        reserved: Its credits are set aside.
        paid: This client spent its credits, not an earlier one.
        task_id: The paid task.
        created_at: When the task was created, on this event loop's clock in seconds.
    """

    __slots__ = (*("created_at", "credits", "holds_until", "intent", "key", "paid", "request", "reserved", "task_id"),)

    def __init__(self, request: ImageToVideo, key: str | None, credits: int | None) -> None:
        self.request = request
        self.key = key
        self.credits = credits
        self.intent: Intent | None = None
        self.reserved = self.paid = False
        self.task_id: int | None = None
        self.created_at = self.holds_until = 0.0

    @property
    def name(self) -> str:
        """What a log line begins with."""
        return "" if self.key is None else f"key {self.key!r}: "

    @property
    def amount(self) -> int:
        """What ledgers count: an unknown price is no credits."""
        return self.credits or 0


#: What may have been paid, the ledgers that hold it, and the journal it stands in.
_Doubt = tuple[Purchase | None, list[Ledger], "ClientJournal | None"]


class Books:
    """One client's books.

    Args:
        budget: A limit shared with others.
        prices: The price table; the budget's own by default.
        journal: Remembers across restarts.
        observer: Notified of what became of each request and task.
    """

    def __init__(
        self,
        *,
        budget: Budget | None,
        prices: Prices | None,
        journal: "ClientJournal | None",
        observer: Observer | None = None,
    ) -> None:
        self.ledger = Ledger()
        self.journal = journal
        self._ledgers = [self.ledger] if budget is None else [budget, self.ledger]
        self._budget = budget
        self._cap = _cap_of(budget)
        self._prices = prices or (PRICES if budget is None else budget.prices)
        self._observer = observer
        self._running: OrderedDict[int, Purchase] = OrderedDict()
        # Whoever shares the budget may be the one to learn that a doubt is over.
        self._doubts: dict[object, _Doubt] = {} if budget is None else budget.doubts
        self._follow: Callable[[Purchase], None] | None = None
        self._is_delivered: Callable[[int], bool] = _nobody_delivers

    def open(self, request: ImageToVideo, key: str | None) -> Purchase:
        """Price a request; without a journal its credits are set aside at once.

        Raises:
            BudgetExceeded: The budget does not cover it.
            ValueError: There is a budget, and no price to count with.
        """
        credits_ = price(request, self._prices)
        if credits_ is None and self._budget is not None:
            raise ValueError(
                f"the price table of {self._prices.date} has no price for {request.kind}, so a budget cannot cover it: "
                "pass prices= with its price, or no budget"
            )
        purchase = Purchase(request, key, credits_)
        if self.journal is None:  # else the journal is asked first: what it knows already costs nothing
            self._reserve(purchase)
        return purchase

    def _reserve(self, purchase: Purchase) -> None:
        for ledger in self._ledgers:  # the budget comes first: what it refuses is in no ledger
            ledger.reserve(purchase.amount)
        purchase.reserved = True

    def _release(self, purchase: Purchase) -> None:
        if purchase.reserved:
            purchase.reserved = False
            for ledger in self._ledgers:
                ledger.release(purchase.amount)

    async def intend(self, purchase: Purchase) -> "Entry | Busy | None":
        """Ask the journal whether this may be sent; `None`: yes, and its credits are set aside.

        Raises:
            BudgetExceeded: The budget does not cover it.
            JournalFailed: The journal cannot be asked, so nothing may be sent.
            ValueError: The key was used for a different request, or can be no key.
        """
        if self.journal is None or purchase.intent is not None:
            return None
        from ._journal import Intent

        asked_at = anyio.current_time()
        found = await self.journal.intend(purchase.key, purchase.request, purchase.credits, self._cap)
        if not isinstance(found, Intent):
            return found
        purchase.intent, purchase.key, purchase.holds_until = found, found.key, asked_at + found.holds_for
        self._forget_doubt(self.journal, found.key)  # a person has released it meanwhile
        try:
            self._reserve(purchase)
        except BudgetExceeded:
            with anyio.CancelScope(shield=True):
                await self.journal.withdraw(found)
            raise
        return None

    async def confirm(self, purchase: Purchase) -> "bool | Busy":
        """Ask once more, immediately before a send, unless it was just asked; what was lost must be intended anew.

        Raises:
            JournalFailed: It cannot be known, so nothing may be sent.
        """
        if self.journal is None or purchase.intent is None or anyio.current_time() < purchase.holds_until:
            return True
        answer = await self.journal.confirm(purchase.intent)
        if answer is False:
            await self.journal.withdraw(purchase.intent)
            self._release(purchase)
            purchase.intent = None
        return answer

    async def paid(self, purchase: Purchase, task_id: int) -> JournalFailed | None:
        """The task id came. It is known from here on, whatever becomes of the journal."""
        purchase.paid, purchase.reserved, purchase.created_at = True, False, anyio.current_time()
        purchase.task_id = task_id
        for ledger in self._ledgers:
            ledger.charge(purchase.amount)
        logger.info("%stask %d submitted: %s credits", purchase.name, task_id, purchase.credits)
        self._register(task_id, purchase)
        self._observe("submitted", purchase)
        failed = None
        if self.journal is not None and purchase.intent is not None:
            failed = await self.journal.submitted(purchase.intent, task_id)
        if self._follow is not None:
            self._follow(purchase)
        return failed

    async def refused(self, purchase: Purchase, reason: str) -> None:
        """The API said no: nothing was created."""
        if self.journal is not None and purchase.intent is not None:
            await self.journal.refused(purchase.intent, reason)
        self._release(purchase)
        self._observe("refused", purchase)

    async def not_sent(self, purchase: Purchase) -> None:
        """Nothing left: the key is as it was before."""
        if self.journal is not None and purchase.intent is not None:
            await self.journal.withdraw(purchase.intent)
        self._release(purchase)
        self._observe("not_sent", purchase)

    async def doubted(self, purchase: Purchase) -> None:
        """It was sent and no usable answer came: what it costs is held, since it may be spent."""
        if self.journal is not None and purchase.intent is not None:
            await self.journal.unknown(purchase.intent)
        purchase.reserved = False
        for ledger in self._ledgers:
            ledger.hold(purchase.amount)
        if purchase.key is not None and self.journal is not None:
            self._doubts[self.journal.scope(purchase.key)] = purchase, self._ledgers, self.journal
        self._observe("unknown", purchase)

    def _forget_doubt(self, journal: "ClientJournal", key: str) -> None:
        doubt, ledgers, _ = self._doubts.pop(journal.scope(key), (None, [], None))
        if doubt is not None:
            for ledger in ledgers:
                ledger.release(doubt.amount, held=True)

    def recall(self, purchase: Purchase, entry: "Entry") -> None:
        """What the journal knows of a key is the answer; nothing is sent or spent."""
        self._release(purchase)
        purchase.task_id, purchase.credits = entry.task_id, entry.credits
        age = (datetime.now(UTC) - entry.created_at).total_seconds()
        purchase.created_at = anyio.current_time() - max(0.0, age)
        if entry.state == "submitted" and entry.task_id is not None:
            self._register(entry.task_id, purchase)

    def _register(self, task_id: int, purchase: Purchase) -> None:
        """Know a task until it ends, whoever waits for it; the one that paid keeps its place, for its refund."""
        before = len(self._running)
        self._running.setdefault(task_id, purchase)
        if len(self._running) > REMEMBERED:
            self._running.popitem(last=False)
        if self._observer is not None:
            self._observer.in_flight(len(self._running) - before)

    def running(self, task_id: int) -> Purchase | None:
        """Return what is known of a task that this client submitted or recalled, and that has not ended."""
        return self._running.get(task_id)

    async def ended(self, task_id: int, task: Task | None, reason: str | None = None) -> None:
        """A task ended: book a refund where one is promised, and write its end into the journal.

        Where somebody delivers it, that one writes its end down behind the delivery, whoever sees it first.

        Args:
            task_id: Its id.
            task: The last look; `None` if the API answered 9038 instead.
            reason: Why it failed, where that is known.
        """
        purchase = self._running.pop(task_id, None)
        paid = purchase is not None and purchase.paid
        if purchase is not None:
            status = "prohibited content" if task is None else task.status
            seconds = anyio.current_time() - purchase.created_at
            logger.info("%stask %d ended after %.1f s: %s", purchase.name, task_id, seconds, shorten(status))
        if self._observer is not None:
            if purchase is not None:
                self._observer.in_flight(-1)
            self._observer.ended(task_id, task, purchase.credits if purchase is not None and paid else None)
        if purchase is not None and paid and is_refunded(task):
            for ledger in self._ledgers:
                ledger.refund(purchase.amount)
        if self.journal is not None and not self._is_delivered(task_id):
            await self.journal.settle(task_id, task, reason)

    def follow_with(self, follow: Callable[[Purchase], None], is_delivered: Callable[[int], bool]) -> None:
        """Call *follow* with each task that runs from now on; it writes down the ends that it says it delivers."""
        self._follow, self._is_delivered = follow, is_delivered

    def close(self) -> None:
        """This client follows nothing any more."""
        if self._observer is not None:
            self._observer.in_flight(-len(self._running))

    def adopted(self, journal: "ClientJournal", entry: "Entry") -> None:
        """A doubt was confirmed: its key has become a task, and what is held for it is spent."""
        purchase, ledgers, _ = self._doubts.pop(journal.scope(entry.key), (None, [], None))
        if purchase is None:
            purchase = Purchase(entry.request, entry.key, entry.credits)
        else:
            purchase.paid = ledgers is self._ledgers  # of another client's money a refund is not booked here
            for ledger in ledgers:
                ledger.charge(purchase.amount, held=True)
        self.recall(purchase, entry)

    def _observe(self, fate: Fate, purchase: Purchase) -> None:
        if self._observer is not None:
            self._observer.submission(fate, purchase.request, purchase.credits)


def _nobody_delivers(_: int) -> bool:
    return False


def _cap_of(budget: Budget | None) -> "Cap | None":
    """What the journal counts itself: over restarts and processes."""
    if budget is None or budget.since is None:
        return None
    from ._journal import Cap

    return Cap(budget.credits, budget.since)
