"""The one place that spends: reserve, send once, remember what became of it."""

import inspect
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from ._background import Background
from ._errors import BudgetExceeded, ConnectionFailed, IdealError, JournalFailed, SubmissionUnknown, TaskFailed
from ._models import ImageToVideo, Task
from ._observer import Fate, Observer
from ._pricing import PRICES, Budget, Ledger, estimate
from ._retry import Failure, Sent
from ._session import Session
from ._wire import write_request

if TYPE_CHECKING:
    from ._journal import Entry, Intent, JournalStore

logger = logging.getLogger("ideal_async")

#: Seconds before asking the journal again about a key that another process is sending; a POST takes about a second.
ASK_AGAIN = 0.05
ASK_AGAIN_MAX = 1.0

LeaveLoop = Callable[..., Awaitable[Any]]
#: Seconds a callback may take; longer than any request, so that it can make some.
CALLBACK_LIMIT = 120.0

OnSubmit = Callable[[int], Awaitable[None] | None]


async def call(callback: Callable[..., Any], *args: object) -> None:
    """Call a callback of the user's, sync or async."""
    result = callback(*args)
    if inspect.isawaitable(result):
        await result


class _Claim:
    """One caller of a flight."""

    __slots__ = ("deadline", "error", "on_submit", "waiting")

    def __init__(self, on_submit: OnSubmit | None, deadline: float | None) -> None:
        self.on_submit = on_submit
        self.deadline = deadline
        self.error: BaseException | None = None
        self.waiting = True

    async def tell(self, task_id: int) -> None:
        """Run the caller's callback; what it raises is the caller's."""
        if self.on_submit is None:
            return
        import asyncio  # not at the top, where it would be a sixth of what importing the package costs

        error: BaseException
        try:
            # Shielded, but not for ever: a callback that waits for somebody who has left must not hold the client.
            with anyio.fail_after(CALLBACK_LIMIT, shield=True):
                await call(self.on_submit, task_id)
        except Exception as raised:  # noqa: BLE001 - handed on to the caller
            error = raised
        except asyncio.CancelledError as raised:
            if _is_cancelled():
                raise
            # It awaited something that somebody else had cancelled: its own affair, not ours.
            error = RuntimeError("on_submit was cancelled by what it waited for")
            error.__cause__ = raised
        else:
            return
        error.add_note(f"raised by on_submit for task {task_id}, which is paid and goes on")
        self.error = error


def _is_cancelled() -> bool:
    """Tell whether this very task is being cancelled."""
    import asyncio

    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


class Flight:
    """One request on its way, and all who wait for it.

    Attributes:
        request: What was asked for.
        key: The caller's, or the one the journal made up.
        credits: What it costs.
        claims: Its callers.
        scope: Cancels it.
        landed: Set when it is over.
        intent: The journal's permission to send.
        sent_at: When it left, while it may have been received.
        task_id: The paid task.
        task: The finished task, if the journal knows it already.
        error: Why there is none.
        reserved: Its credits are set aside.
        paid_here: This client spent its credits, not an earlier one.
        withdrawn: It was cancelled before it left.
        born: When the task was created, on this event loop's clock in seconds.
    """

    __slots__ = (
        *("request", "key", "credits", "claims", "scope", "landed", "intent", "sent_at"),
        *("task_id", "task", "error", "reserved", "paid_here", "withdrawn", "born"),
    )

    def __init__(self, request: ImageToVideo, key: str | None, credits: int) -> None:
        self.request = request
        self.key = key
        self.credits = credits
        self.claims: list[_Claim] = []
        self.scope = anyio.CancelScope()
        self.landed = anyio.Event()
        self.intent: Intent | None = None
        self.sent_at: datetime | None = None
        self.task_id: int | None = None
        self.task: Task | None = None
        self.error: Exception | None = None
        self.reserved = self.paid_here = self.withdrawn = False
        self.born = 0.0

    @property
    def fingerprint(self) -> str:
        """Names the request by its content. Asked for in doubt, or when a key is used again: not worth keeping."""
        return self.request.fingerprint

    @property
    def over(self) -> bool:
        """It is known what became of it."""
        return self.task_id is not None or self.error is not None

    def is_wanted(self, now: float) -> bool:
        """Somebody still waits for it whose deadline has not come."""
        return any(claim.waiting and (claim.deadline is None or claim.deadline > now) for claim in self.claims)

    def unknown(self, why: str) -> SubmissionUnknown:
        """Tell all that a person needs to find out what became of it."""
        sent_at = self.sent_at or datetime.now(UTC)
        name = f"key {self.key!r}, " if self.key is not None else ""
        return SubmissionUnknown(
            f"the request may have been received and paid ({why}); it is not sent again. Look for a task created at "
            f"{sent_at:%Y-%m-%d %H:%M:%S} UTC ({name}request {self.fingerprint}) before you repeat it",
            key=self.key,
            fingerprint=self.fingerprint,
            sent_at=sent_at,
            task_id=self.task_id,
        )


async def _write_body(request: ImageToVideo) -> dict[str, Any]:
    return write_request(request)


_WITHDRAWN = "the client was closed, or the caller left, before the request was sent: nothing was spent"


class Submissions:
    """Sends requests, each once.

    Args:
        session: Sends.
        background: Where a request flies, whatever becomes of its callers.
        budget: A limit shared with others.
        journal: Remembers across restarts.
        origin: Of the API; scopes the journal's keys.
        leave_loop: Runs a blocking function outside of the event loop.
        on_task: Told of each flight whose task is to be followed to its end, whoever still waits for it.
        observer: Told what became of each request.
    """

    def __init__(
        self,
        session: Session,
        background: Background,
        *,
        budget: Budget | None,
        journal: "JournalStore | None",
        origin: str,
        leave_loop: LeaveLoop,
        on_task: Callable[[Flight], None],
        observer: Observer | None = None,
    ) -> None:
        self._on_task = on_task
        self._observer = observer
        self._session = session
        self._background = background
        self._budget = budget
        self._journal = journal
        self._origin = origin
        self._leave_loop = leave_loop
        self._by_key: dict[str, Flight] = {}
        self._over: tuple[anyio.Event, anyio.CancelScope] | None = None
        self.ledger = Ledger()
        self._books = [self.ledger] if budget is None else [budget, self.ledger]

    async def submit(
        self, request: ImageToVideo, *, key: str | None, on_submit: OnSubmit | None, deadline: float | None
    ) -> Flight:
        """Send *request*, or join the flight of its key; return when its task id is known.

        Raises:
            See `AsyncClient.submit`.
        """
        claim = _Claim(on_submit, deadline)
        flight = self._by_key.get(key) if key is not None else None
        if flight is not None and flight.fingerprint != request.fingerprint:
            raise ValueError(f"key {key!r} was used for a different request: one key is one video, use another key")
        if flight is None or self._may_go_again(flight):
            flight = self._depart(request, key)
        if flight.landed.is_set() or flight.task_id is not None:
            if flight.task_id is not None:
                await claim.tell(flight.task_id)
        else:
            flight.claims.append(claim)
            await self._arrive(flight, claim, deadline)
        if flight.error is not None:
            raise flight.error.again() if isinstance(flight.error, IdealError) else flight.error
        if claim.error is not None:
            raise claim.error
        return flight

    @staticmethod
    def _may_go_again(flight: Flight) -> bool:
        """A refused key is free again; one that may have been paid is not."""
        return flight.error is not None and not isinstance(flight.error, SubmissionUnknown)

    def _depart(self, request: ImageToVideo, key: str | None) -> Flight:
        prices = PRICES if self._budget is None else self._budget.prices
        flight = Flight(request, key, estimate(request, prices=prices))
        if self._journal is None:  # else the journal is asked first: what it knows already costs nothing
            self._reserve(flight)
        if key is not None:
            self._by_key[key] = flight
        self._background.start_soon(self._fly, flight)
        return flight

    def _reserve(self, flight: Flight) -> None:
        for book in self._books:  # the budget comes first: what it refuses is in no book
            book.reserve(flight.credits)
        flight.reserved = True

    def _mark(self, flight: Flight, on_the_wire: bool) -> None:
        """Note whether the request may have reached the API."""
        flight.sent_at = datetime.now(UTC) if on_the_wire else None
        if not on_the_wire and not any(claim.waiting for claim in flight.claims):
            self._withdraw(flight)  # it was refused, and those who would have sent it again have left

    async def _confirm(self, flight: Flight) -> None:
        """Let nothing leave after the last caller's deadline, be it past from the start."""
        if not flight.is_wanted(anyio.current_time()):
            self._withdraw(flight)

    def _withdraw(self, flight: Flight) -> None:
        flight.scope.cancel()
        self._forget(flight)  # whoever uses its key from now on begins anew

    async def _arrive(self, flight: Flight, claim: _Claim, deadline: float | None) -> None:
        """Wait for a flight; one that nobody waits for any more does not take off."""
        try:
            if deadline is None:  # a task that has never been in a scope is half a kilobyte smaller as long as it waits
                await flight.landed.wait()
            else:
                with anyio.CancelScope(deadline=deadline):
                    await flight.landed.wait()
        finally:
            claim.waiting = False
            # Once the request is in the air the claim stays: its callback still runs.
            if not flight.over and flight.sent_at is None:
                flight.claims.remove(claim)
                if not any(other.waiting for other in flight.claims):
                    self._withdraw(flight)
        if flight.over:
            return
        if flight.scope.cancel_called:
            with anyio.CancelScope(shield=True):
                await flight.landed.wait()  # what was withdrawn is booked before anybody is told
            if not flight.withdrawn:
                return  # it was answered, and that was being written down
        if flight.sent_at is not None:
            raise flight.unknown("the deadline passed while it was on its way; it goes on, and so does its task")
        raise ConnectionFailed("the deadline passed before the request could be sent: nothing was spent")

    async def _fly(self, flight: Flight) -> None:
        try:
            with flight.scope:
                await self._take_off(flight)
        finally:
            try:
                if not flight.over:
                    with anyio.CancelScope(shield=True):
                        await self._divert(flight)
                for claim in flight.claims:
                    if flight.task_id is not None:
                        await claim.tell(flight.task_id)
            finally:
                self._land(flight)

    def _land(self, flight: Flight) -> None:
        """Tell all who wait, and keep no more of the flight than its key needs."""
        flight.landed.set()
        flight.claims.clear()
        if self._journal is not None or self._may_go_again(flight):
            self._forget(flight)  # the journal remembers, for longer and for everybody
        if self._over is None:
            self._over = flight.landed, flight.scope
        flight.landed, flight.scope = self._over  # one pair for all that is over: each is a kilobyte
        error: BaseException | None = flight.error
        while error is not None:  # a traceback keeps every frame it went through
            error.__traceback__, error = None, error.__cause__

    def _forget(self, flight: Flight) -> None:
        if flight.key is not None and self._by_key.get(flight.key) is flight:
            del self._by_key[flight.key]

    async def _take_off(self, flight: Flight) -> None:
        """Send, as one of the few that may be in doubt at a time."""
        pause = ASK_AGAIN
        while True:
            async with self._session.post_slots:
                if await self._intend(flight):
                    outcome = await self._session.submit(
                        partial(_write_body, flight.request),
                        confirm=partial(self._confirm, flight),
                        on_wire=partial(self._mark, flight),
                    )
                    with anyio.CancelScope(shield=True):
                        await self._settle(flight, outcome)
            if flight.over:
                return
            await anyio.sleep(pause)  # a living process is sending this key: it will know more in a moment
            pause = min(2 * pause, ASK_AGAIN_MAX)

    async def _intend(self, flight: Flight) -> bool:
        """Ask the journal whether this may be sent; if not, it tells what the key became."""
        if self._journal is None:
            return True
        from ._journal import Busy, Intent

        try:
            found = await self._leave_loop(
                self._journal.intend, self._origin, flight.key, flight.request, flight.credits
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing is sent, and the caller is told
            self._release(flight, error)
            return False
        if isinstance(found, Intent):
            flight.intent, flight.key = found, found.key
            try:
                self._reserve(flight)
            except BudgetExceeded as error:
                with anyio.CancelScope(shield=True):
                    await self._note("withdraw", flight)
                flight.error = error
            return flight.error is None
        if not isinstance(found, Busy):
            self._recall(flight, found)
        return False

    def _recall(self, flight: Flight, entry: "Entry") -> None:
        """What the journal knows of a key is the answer; nothing is sent or spent."""
        self._release(flight, None)
        flight.task_id, flight.task = entry.task_id, entry.task
        age = (datetime.now(UTC) - entry.created_at).total_seconds()
        flight.born = anyio.current_time() - max(0.0, age)
        if entry.state == "unknown":
            flight.sent_at = entry.created_at
            flight.error = flight.unknown(
                "an earlier attempt got no answer; if there is no such task, journal.release(key) frees the key"
            )
        elif entry.state == "failed" and entry.task_id is not None:
            reason = entry.reason or "the service says Failed; the credits are refunded"
            flight.error = TaskFailed(reason, task=entry.task, task_id=entry.task_id)
        elif entry.task is None:
            self._on_task(flight)

    async def _settle(self, flight: Flight, outcome: int | Failure) -> None:
        """Book what became of a request."""
        if not isinstance(outcome, Failure):
            flight.paid_here, flight.born = True, anyio.current_time()
            logger.info("task %d submitted: %d credits", outcome, flight.credits)
            for book in self._books:
                book.charge(flight.credits)
            flight.task_id = outcome  # known from here on, whatever becomes of the journal
            self._on_task(flight)
            self._tell("submitted", flight)
            failed = await self._note("submitted", flight, outcome)
            flight.error = failed and failed.about(outcome)
        elif outcome.sent is Sent.MAYBE:
            await self._doubt(flight, str(outcome.error), outcome.error.__cause__)
        else:
            flight.sent_at = None  # nothing was paid: that is certain, even while it is being written down
            if outcome.sent is Sent.NO:
                await self._note("withdraw", flight)
            else:
                await self._note("refused", flight, str(outcome.error))
            self._release(flight, outcome.error)
            self._tell("not_sent" if outcome.sent is Sent.NO else "refused", flight)

    async def _doubt(self, flight: Flight, why: str, cause: BaseException | None = None) -> None:
        await self._note("unknown", flight)
        flight.error = flight.unknown(why)
        flight.error.__cause__ = cause
        logger.warning("a submission is in doubt: request %s", flight.fingerprint)
        for book in self._books:
            book.hold(flight.credits)
        self._tell("unknown", flight)

    async def _divert(self, flight: Flight) -> None:
        """Book a flight that was cancelled: by its last caller, by the closing client, or with its event loop."""
        if flight.sent_at is not None:
            await self._doubt(flight, "the event loop was torn down while it was on its way")
            return
        await self._note("withdraw", flight)
        flight.withdrawn = True
        self._release(flight, ConnectionFailed(_WITHDRAWN))
        self._tell("not_sent", flight)

    def _tell(self, fate: Fate, flight: Flight) -> None:
        if self._observer is not None:
            self._observer.submission(fate, flight.request, flight.credits)

    def _release(self, flight: Flight, error: Exception | None) -> None:
        flight.error = error
        if flight.reserved:
            flight.reserved = False
            for book in self._books:
                book.release(flight.credits)

    async def _note(self, what: str, flight: Flight, *more: object) -> JournalFailed | None:
        """Write into the journal what became of an intent; what it could not write it tries again by itself."""
        if self._journal is None or flight.intent is None:
            return None
        try:
            await self._leave_loop(getattr(self._journal, what), flight.intent, *more)
        except JournalFailed as error:
            logger.warning("the journal could not note %r: %s", what, type(error).__name__)
            return error
        except Exception as error:  # noqa: BLE001 - it was closed, or no thread can be started: paid all the same
            logger.warning("the journal could not note %r: %s", what, type(error).__name__)
            failed = JournalFailed(f"the journal could not be written ({type(error).__name__}: {error})")
            failed.__cause__ = error
            return failed
        return None

    async def settle(self, flight: Flight | None, task_id: int, task: Task | None, reason: str | None = None) -> None:
        """A task ended: book a refund, and write its end into the journal."""
        if flight is not None and flight.paid_here and (task is None or not task.succeeded):
            for book in self._books:
                book.refund(flight.credits)
        if self._journal is None:
            return
        settle = partial(self._journal.settle, self._origin, task_id, task, reason=reason)
        try:
            await self._leave_loop(settle)
        except Exception:  # noqa: BLE001 - as above
            # The video is there and paid: better a row that stays open, to be looked at again, than an error here.
            logger.warning("the journal could not note the end of task %d", task_id)
