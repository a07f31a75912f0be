"""The one place that sends: each request once, each key one flight."""

import logging
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from ._background import Background
from ._books import Books
from ._callbacks import OnSubmit
from ._errors import ApiError, ConnectionFailed, IdealError, NotTheApi, TaskFailed
from ._flight import Claim, Flight, ways_out
from ._models import ImageToVideo
from ._retry import Failure, Sent
from ._session import Session

if TYPE_CHECKING:
    from ._journal import Entry

logger = logging.getLogger("ideal_async")

#: POSTs in a row without a word of the API after which the rest is not sent: one may be chance, two bad luck.
SILENCE = 3
#: Seconds for which nothing is sent then: what waits is given back at once, and one request tries again after that.
HALT = 5.0
_WITHDRAWN = "the client was closed, or the caller left, before the request was sent: nothing was spent"


class _AskAgain(Exception):
    """It may not be sent now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Submissions:
    """Sends requests, each once.

    After three requests in a row that brought no word of the API whatever waits to be sent in the next seconds is given
    back, unpaid; a later request is tried again.

    Args:
        session: Sends.
        background: Where a request flies, whatever becomes of its callers.
        books: What became of each request and its credits.
        write: Makes the body of one send.

    Attributes:
        halted_by: The error in which three requests in a row have ended; `None` once the API has spoken again.
    """

    def __init__(
        self,
        session: Session,
        background: Background,
        books: Books,
        *,
        write: Callable[[ImageToVideo], Awaitable[dict[str, Any]]],
    ) -> None:
        self._write = write
        self._session = session
        self._background = background
        self._books = books
        self._by_key: dict[str, Flight] = {}
        self._over: tuple[anyio.Event, anyio.CancelScope] | None = None
        self._silence = 0
        self._halted_until = -math.inf
        self.halted_by: Exception | None = None

    async def submit(
        self, request: ImageToVideo, *, key: str | None, on_submit: OnSubmit | None, deadline: float | None
    ) -> Flight:
        """Send *request*, or join the flight of its key; return when its task id is known.

        Raises:
            IdealError: One of those of `AsyncClient.submit`.
        """
        claim = Claim(on_submit, deadline)
        flight = self._by_key.get(key) if key is not None else None
        if flight is not None and flight.purchase.request.fingerprint != request.fingerprint:
            raise ValueError(f"key {key!r} was used for a different request: one key is one video, use another key")
        if flight is None or flight.may_go_again:
            flight = self._start(request, key)
        if flight.landed.is_set() or flight.purchase.task_id is not None:
            await flight.announce(claim)
        else:
            flight.claims.append(claim)
            await self._wait_for(flight, claim)
        if flight.error is not None:
            raise flight.error.again() if isinstance(flight.error, IdealError) else flight.error
        if claim.error is not None:
            raise claim.error
        return flight

    def _start(self, request: ImageToVideo, key: str | None) -> Flight:
        flight = Flight(self._books.open(request, key))
        if key is not None:
            self._by_key[key] = flight
        self._background.start_soon(self._fly, flight)
        return flight

    async def _wait_for(self, flight: Flight, claim: Claim) -> None:
        """Wait for a flight; one that nobody waits for any more does not take off."""
        try:
            if (
                claim.deadline is None
            ):  # a task that has never been in a scope is half a kilobyte smaller while it waits
                await flight.landed.wait()
            else:
                with anyio.CancelScope(deadline=claim.deadline):
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
                await flight.landed.wait()  # what was withdrawn is booked before anybody hears of it
            if not flight.withdrawn:
                return  # it was answered, and that was being written down
        if flight.sent_at is not None:
            raise self._doubt_about(
                flight, "the deadline passed while it was on its way; it goes on, and so does its task"
            )
        raise ConnectionFailed("the deadline passed before the request could be sent: nothing was spent")

    async def _fly(self, flight: Flight) -> None:
        """Take a request to its end, in the client's own task."""
        try:
            with flight.scope:
                await self._send_in_turn(flight)
        finally:
            try:
                if not flight.over:
                    with anyio.CancelScope(shield=True):
                        await self._book_cancelled(flight)
                with self._background.waited_for():
                    for claim in flight.claims:
                        await flight.announce(claim)
            finally:
                self._conclude(flight)

    def _conclude(self, flight: Flight) -> None:
        """Wake all who wait, and keep no more of the flight than its key needs."""
        flight.landed.set()
        flight.claims.clear()
        if self._books.journal is not None or flight.may_go_again:
            self._forget(flight)  # the journal remembers, for longer and for everybody
        if self._over is None:
            self._over = flight.landed, flight.scope
        flight.landed, flight.scope = self._over  # one pair for all that is over: each is a kilobyte
        if flight.error is not None:
            _drop_tracebacks(flight.error)

    def _forget(self, flight: Flight) -> None:
        key = flight.purchase.key
        if key is not None and self._by_key.get(key) is flight:
            del self._by_key[key]

    def _withdraw(self, flight: Flight) -> None:
        flight.scope.cancel()
        self._forget(flight)  # whoever uses its key from now on begins anew

    async def _send_in_turn(self, flight: Flight) -> None:
        """Send, as one of the few that may be in doubt at a time."""
        while True:
            async with self._session.post_slots:
                if anyio.current_time() < self._halted_until:
                    await self._give_back(flight, self._halted())
                    return
                try:
                    if await self._may_send(flight):
                        await self._send(flight)
                except _AskAgain as busy:
                    seconds = busy.seconds
                else:
                    return
            await anyio.sleep(seconds)

    async def _may_send(self, flight: Flight) -> bool:
        """Ask the journal; if the request must not be sent, it says what the key became."""
        try:
            found = await self._books.intend(flight.purchase)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing is sent, and the caller gets it
            flight.error = error
            return False
        if found is None:
            return True
        from ._journal import Busy

        if isinstance(found, Busy):
            raise _AskAgain(found.seconds)
        self._recall(flight, found)
        return False

    async def _send(self, flight: Flight) -> None:
        try:
            outcome = await self._session.submit(
                partial(self._write, flight.purchase.request),
                confirm=partial(self._confirm, flight),
                on_wire=partial(self._on_wire, flight),
            )
        except _AskAgain:
            raise
        except Exception as error:  # noqa: BLE001 - of the journal, of whoever signs URLs, or nobody foresaw it
            with anyio.CancelScope(shield=True):
                if flight.sent_at is None:
                    await self._give_back(flight, error)
                else:
                    await self._book_doubt(flight, f"its answer could not be read ({type(error).__name__})", error)
            return
        with anyio.CancelScope(shield=True):
            await self._book(flight, outcome)

    async def _confirm(self, flight: Flight) -> None:
        """Let nothing leave that the journal has lost meanwhile, or after the last caller's deadline."""
        answer = await self._books.confirm(flight.purchase)
        if answer is False:
            raise _AskAgain(0.0)
        if answer is not True:
            raise _AskAgain(answer.seconds)
        if not flight.is_wanted(anyio.current_time()):
            self._withdraw(flight)

    def _on_wire(self, flight: Flight, may_be_received: bool) -> None:
        """Note whether the request may have reached the API."""
        flight.sent_at = datetime.now(UTC) if may_be_received else None
        if not may_be_received and not any(claim.waiting for claim in flight.claims):
            self._withdraw(flight)  # it was refused, and those who would have sent it again have left

    def _recall(self, flight: Flight, entry: "Entry") -> None:
        """What the journal knows of a key is the answer."""
        self._books.recall(flight.purchase, entry)
        flight.task = entry.task
        if entry.state == "unknown":
            flight.sent_at = entry.created_at
            flight.error = self._doubt_about(flight, "an earlier attempt got no answer")
        elif entry.state == "failed" and entry.task_id is not None:
            if entry.reason is None and entry.task is not None:
                flight.error = TaskFailed.of(entry.task)
            else:
                reason = entry.reason or "the journal does not say why"
                flight.error = TaskFailed(reason, task=entry.task, task_id=entry.task_id)

    async def _book(self, flight: Flight, outcome: int | Failure) -> None:
        """Enter what became of a request."""
        self._count_silence(outcome)
        if not isinstance(outcome, Failure):
            failed = await self._books.paid(flight.purchase, outcome)
            flight.error = failed and failed.about(outcome)
        elif outcome.sent is Sent.MAYBE:
            await self._book_doubt(flight, str(outcome.error), outcome.error.__cause__)
        else:
            flight.sent_at = None  # nothing was paid: that is certain, even while it is being written down
            await self._give_back(flight, outcome.error, refused=outcome.sent is Sent.ANSWERED)

    async def _give_back(self, flight: Flight, error: Exception, *, refused: bool = False) -> None:
        if refused:
            await self._books.refused(flight.purchase, str(error))
        else:
            await self._books.not_sent(flight.purchase)
        flight.error = error

    async def _book_doubt(self, flight: Flight, why: str, cause: BaseException | None = None) -> None:
        await self._books.doubted(flight.purchase)
        flight.error = self._doubt_about(flight, why)
        flight.error.__cause__ = cause
        purchase = flight.purchase
        logger.warning(
            "a submission is in doubt: request %s, key %r%s",
            purchase.request.fingerprint,
            purchase.key,
            "" if self._books.journal is None else ways_out(purchase.key),
        )

    async def _book_cancelled(self, flight: Flight) -> None:
        """Enter a flight that was cancelled: by its last caller, by the closing client, or with its event loop."""
        if flight.sent_at is not None:
            await self._book_doubt(flight, "the event loop was torn down while it was on its way")
            return
        flight.withdrawn = True
        await self._give_back(flight, ConnectionFailed(_WITHDRAWN))

    def _doubt_about(self, flight: Flight, why: str) -> IdealError:
        return flight.doubt(why, has_journal=self._books.journal is not None)

    def _count_silence(self, outcome: int | Failure) -> None:
        """Halt when several requests in a row brought no word of the API that tells whether they were paid."""
        if not isinstance(outcome, Failure):
            self._silence, self.halted_by = 0, None
        elif outcome.sent is Sent.MAYBE or isinstance(outcome.error, NotTheApi):  # a 502 of a gateway, too
            self._silence += 1
            if self._silence >= SILENCE:
                self.halted_by = outcome.error
                self._halted_until = anyio.current_time() + HALT
        elif isinstance(outcome.error, ApiError):
            self._silence, self.halted_by = 0, None

    def _halted(self) -> ConnectionFailed:
        error = ConnectionFailed(
            f"{self._silence} requests in a row brought no usable word of the API (last: {self.halted_by}): this one "
            "was not sent, and nothing was spent for it. Mend the network, the proxy or the base URL; "
            f"after {HALT:g} s the next one is tried again"
        )
        error.__cause__ = self.halted_by
        return error


def _drop_tracebacks(error: BaseException) -> None:
    """A traceback keeps every frame it went through; chains may be cyclic (`raise error from error`)."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        link.__traceback__, link = None, link.__cause__
