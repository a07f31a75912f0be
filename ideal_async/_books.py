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
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import anyio

from ._adoption import check_adoption
from ._errors import BudgetExceeded, JournalFailed
from ._models import ImageToVideo, Task, is_refunded, shorten
from ._observer import Fate, Observer
from ._pricing import PRICES, Budget, Ledger, Prices, price

if TYPE_CHECKING:
    from ._journal import Busy, Cap, Entry, Intent, JournalStore

logger = logging.getLogger("ideal_async")

LeaveLoop = Callable[..., Awaitable[Any]]

#: Running tasks whose price and kind are remembered until they end, about half a kilobyte each.
REMEMBERED = 200_000
#: Journal entries read at once.
PAGE = 200
#: Seconds without a question after which the journal may tidy up.
QUIET = 1.0

P = ParamSpec("P")
T = TypeVar("T")


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
        followed: Somebody waits for its end, delivers it, and then writes it down.
        created_at: When the task was created, on this event loop's clock in seconds.
    """

    __slots__ = (
        *("created_at", "credits", "followed", "holds_until", "intent", "key", "paid", "request", "reserved"),
        "task_id",
    )

    def __init__(self, request: ImageToVideo, key: str | None, credits: int | None) -> None:
        self.request = request
        self.key = key
        self.credits = credits
        self.intent: Intent | None = None
        self.reserved = self.paid = self.followed = False
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


class Books:
    """One client's books.

    Args:
        budget: A limit shared with others.
        prices: The price table; the budget's own by default.
        journal: Remembers across restarts.
        origin: Of the API; scopes the journal's keys.
        account: The name of the account that pays; scopes them too.
        leave_loop: Runs a blocking function outside of the event loop.
        observer: Told what became of each request and task.
    """

    def __init__(
        self,
        *,
        budget: Budget | None,
        prices: Prices | None,
        journal: "JournalStore | None",
        origin: str,
        account: str,
        leave_loop: LeaveLoop,
        observer: Observer | None = None,
    ) -> None:
        self.ledger = Ledger()
        self.journal = journal
        self._ledgers = [self.ledger] if budget is None else [budget, self.ledger]
        self._budget = budget
        self._cap = _cap_of(budget)
        self._prices = prices or (PRICES if budget is None else budget.prices)
        self._origin = origin
        self._account = account
        self._leave_loop = leave_loop
        self._observer = observer
        self._running: OrderedDict[int, Purchase] = OrderedDict()
        self._doubts: dict[str, Purchase] = {}
        self._follow: Callable[[Purchase], None] | None = None
        self._asked = anyio.Event()
        self._asked_at = 0.0

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
        ask = partial(self.journal.intend, account=self._account, cap=self._cap)
        found = await self._ask(ask, self._origin, purchase.key, purchase.request, purchase.credits)
        if not isinstance(found, Intent):
            return found
        purchase.intent, purchase.key, purchase.holds_until = found, found.key, asked_at + found.holds_for
        self._forget_doubt(found.key)  # a person has released it meanwhile
        try:
            self._reserve(purchase)
        except BudgetExceeded:
            with anyio.CancelScope(shield=True):
                await self._write(purchase, self.journal.withdraw)
            raise
        return None

    async def confirm(self, purchase: Purchase) -> "bool | Busy":
        """Ask once more, immediately before a send, unless it was just asked; what was lost must be intended anew.

        Raises:
            JournalFailed: It cannot be told, so nothing may be sent.
        """
        if self.journal is None or purchase.intent is None or anyio.current_time() < purchase.holds_until:
            return True
        answer = await self._ask(self.journal.confirm, purchase.intent)
        if answer is False:
            await self._write(purchase, self.journal.withdraw)
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
        if self.journal is not None:
            failed = await self._write(purchase, partial(_submitted, self.journal, task_id))
        if self._follow is not None:
            self._follow(purchase)
        return failed

    async def refused(self, purchase: Purchase, reason: str) -> None:
        """The API said no: nothing was created."""
        if self.journal is not None:
            await self._write(purchase, partial(_refused, self.journal, reason))
        self._release(purchase)
        self._observe("refused", purchase)

    async def not_sent(self, purchase: Purchase) -> None:
        """Nothing left: the key is as it was before."""
        if self.journal is not None:
            await self._write(purchase, self.journal.withdraw)
        self._release(purchase)
        self._observe("not_sent", purchase)

    async def doubted(self, purchase: Purchase) -> None:
        """It was sent and no usable answer came: what it costs is held, since it may be spent."""
        if self.journal is not None:
            await self._write(purchase, self.journal.unknown)
        purchase.reserved = False
        for ledger in self._ledgers:
            ledger.hold(purchase.amount)
        if purchase.key is not None and self.journal is not None:
            self._doubts[purchase.key] = purchase
        self._observe("unknown", purchase)

    def _forget_doubt(self, key: str) -> None:
        doubt = self._doubts.pop(key, None)
        if doubt is not None:
            for ledger in self._ledgers:
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
        if self.journal is not None and not (purchase is not None and purchase.followed):
            await self.settle(task_id, task, reason)

    async def settle(self, task_id: int, task: Task | None, reason: str | None) -> None:
        """Write the end of a task into the journal; who follows it does so once it is delivered."""
        journal = cast("JournalStore", self.journal)
        settle = partial(journal.settle, self._origin, task_id, task, reason=reason, account=self._account)
        try:
            await self._ask(settle)
        except Exception:  # noqa: BLE001 - whatever it is, the video is there and paid
            # Better a row that stays open, to be looked at again, than an error here.
            logger.warning("the journal could not note the end of task %d", task_id)

    def follow_with(self, follow: "Callable[[Purchase], None]") -> None:
        """Call *follow* with each task that is running from now on; it writes their ends down."""
        self._follow = follow

    @property
    def counts_places(self) -> bool:
        """Whether the journal limits what is in flight, so that a task which nobody follows is in everybody's way."""
        return hasattr(self.journal, "take_over")

    async def take_over(self, *, asked: bool) -> "Sequence[Entry]":
        """Return the running tasks that nobody alive follows: from now on they are this client's.

        Args:
            asked: The application wants to have them; else they are only taken where nobody does.
        """
        journal = self._journal_or_raise("follow=True")
        await self._ask(journal.sweep)
        take: Callable[..., Sequence[Entry]] = journal.follow if asked else cast("Any", journal).take_over
        return await self._ask(partial(take, account=self._account), self._origin)

    async def denied(self, task_id: int) -> None:
        """The API does not know a paid task: where places in flight are counted, it holds none any more."""
        if self.counts_places:
            try:
                await self._ask(partial(cast("Any", self.journal).denied, account=self._account), self._origin, task_id)
            except Exception as error:  # noqa: BLE001 - in a day it holds none anyway
                logger.warning("the journal could not note that task %d is denied: %s", task_id, type(error).__name__)

    def hurry(self) -> None:
        """This client closes: whoever waits for a journal that cannot be reached shall not hold that up."""
        hurry: Callable[[], None] | None = getattr(self.journal, "hurry", None)
        if hurry is not None:
            hurry()

    async def let_go(self) -> None:
        """Follow nothing any more, so that another process may."""
        if self.journal is not None and self._follow is not None:
            try:
                await self._ask(partial(self.journal.unfollow, account=self._account), self._origin)
            except Exception as error:  # noqa: BLE001 - the end of this process says the same
                logger.warning("the journal could not be told that nobody follows: %s", type(error).__name__)

    def close(self) -> None:
        """This client follows nothing any more."""
        if self._observer is not None:
            self._observer.in_flight(-len(self._running))

    async def lookup(self, key: str) -> "Entry | None":
        """Return what the journal knows of a key."""
        journal = self._journal_or_raise("lookup")
        return await self._ask(partial(journal.find, account=self._account), self._origin, key)

    async def knows(self, key: str | None) -> bool:
        """Tell whether a key stands for something that will not be sent again."""
        if self.journal is None or key is None:
            return False
        entry = await self.lookup(key)
        return entry is not None and entry.state != "refused"

    async def adopt(self, key: str, task_id: int, task: Task | None, *, force: bool) -> "Entry":
        """A doubt is confirmed: its key has become this task, which is what was asked for.

        Raises:
            ValueError: The key is not in doubt, the task is not what was asked for, or it cannot be told.
        """
        journal = self._journal_or_raise("adopt")
        from ._journal import JournalControl

        if not isinstance(journal, JournalControl):
            raise TypeError(f"{type(journal).__name__} cannot adopt: it lacks the verbs of a person")
        entry = await self.lookup(key)
        if entry is None:
            raise ValueError(f"the journal has no key {key!r} of this API and account: nothing to adopt")
        check_adoption(entry.request, task, task_id, force=force)
        entry = await self._ask(
            partial(journal.adopt, origin=self._origin, account=self._account, force=force), key, task_id
        )
        purchase = self._doubts.pop(key, None)
        if purchase is None:
            purchase = Purchase(entry.request, key, entry.credits)
        else:  # this client holds what it costs
            purchase.paid = True
            for ledger in self._ledgers:
                ledger.charge(purchase.amount, held=True)
        self.recall(purchase, entry)
        return entry

    async def unsettled(self) -> AsyncGenerator["Entry"]:
        """Go through what the journal has not seen the end of: submissions in doubt, then tasks that run."""
        journal = self._journal_or_raise("resume")
        await self._ask(journal.sweep)
        for state in ("unknown", "submitted"):
            entries = journal.entries(state, origin=self._origin, account=self._account)
            while page := await self._ask(_read_page, entries):
                for entry in page:
                    yield entry

    def _journal_or_raise(self, what: str) -> "JournalStore":
        if self.journal is None:
            raise RuntimeError(f"{what} needs a journal: AsyncClient(..., journal=Journal(path))")
        return self.journal

    def _observe(self, fate: Fate, purchase: Purchase) -> None:
        if self._observer is not None:
            self._observer.submission(fate, purchase.request, purchase.credits)

    async def _ask(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the journal, outside of the event loop; it is opened by whoever comes first."""
        self._asked_at = anyio.current_time()
        self._asked.set()
        journal = cast("JournalStore", self.journal)
        return cast("T", await self._leave_loop(partial(_open_and_call, journal, function, *args, **kwargs)))

    async def run(self) -> None:
        """Let the journal tidy up whenever it was asked for nothing for a while; until cancelled."""
        while self.journal is not None:
            await self._asked.wait()
            while (left := self._asked_at + QUIET - anyio.current_time()) > 0:  # noqa: ASYNC110 - it may be asked again
                await anyio.sleep(left)
            self._asked = anyio.Event()
            with suppress(OSError):  # no thread can be started: it is only tidiness
                await self._leave_loop(self.journal.idle)

    async def _write(self, purchase: Purchase, write: "Callable[[Intent], None]") -> JournalFailed | None:
        """Write into the journal what became of an intent; what it could not write it tries again by itself."""
        if purchase.intent is None:
            return None
        try:
            await self._ask(write, purchase.intent)
        except JournalFailed as error:
            failed = error
        except Exception as error:  # noqa: BLE001 - it was closed, or no thread can be started: paid all the same
            failed = JournalFailed(f"the journal could not be written ({type(error).__name__}: {error})")
            failed.__cause__ = error
        else:
            return None
        logger.warning("%sthe journal could not be written: %s", purchase.name, type(failed).__name__)
        return failed


def _open_and_call(journal: "JournalStore", function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    journal.open()
    return function(*args, **kwargs)


def _cap_of(budget: Budget | None) -> "Cap | None":
    """What the journal counts itself: over restarts and processes."""
    if budget is None or budget.since is None:
        return None
    from ._journal import Cap

    return Cap(budget.credits, budget.since)


def _submitted(journal: "JournalStore", task_id: int, intent: "Intent") -> None:
    journal.submitted(intent, task_id)


def _refused(journal: "JournalStore", reason: str, intent: "Intent") -> None:
    journal.refused(intent, reason)


def _read_page(entries: "Iterator[Entry]") -> "list[Entry]":
    return list(islice(entries, PAGE))
