"""The one place that spends: reserve, send once, remember what became of it."""

import inspect
import logging
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import anyio
import attrs

from ._background import Background
from ._errors import ConnectionFailed, SubmissionUnknown
from ._models import ImageToVideo
from ._pricing import Budget, Ledger, estimate
from ._retry import Failure, Sent
from ._session import Session
from ._wire import fingerprint, write_request

logger = logging.getLogger("ideal_async")

OnSubmit = Callable[[int], Awaitable[None] | None]


async def call(callback: Callable[..., Any], *args: object) -> None:
    """Call a callback of the user's, sync or async."""
    result = callback(*args)
    if inspect.isawaitable(result):
        await result


@attrs.define(eq=False)
class _Claim:
    """One caller of a flight."""

    on_submit: OnSubmit | None
    error: BaseException | None = None

    async def tell(self, task_id: int) -> None:
        """Run the caller's callback; what it raises is the caller's."""
        if self.on_submit is None:
            return
        try:
            await call(self.on_submit, task_id)
        except Exception as error:  # noqa: BLE001 - handed on to the caller
            error.add_note(f"raised by on_submit for task {task_id}, which is paid and goes on")
            self.error = error


@attrs.define(eq=False)
class Flight:
    """One request on its way, and all who wait for it."""

    request: ImageToVideo
    key: str | None
    fingerprint: str
    credits: int
    claims: list[_Claim] = attrs.field(factory=list[_Claim])
    scope: anyio.CancelScope = attrs.field(factory=anyio.CancelScope)
    landed: anyio.Event = attrs.field(factory=anyio.Event)
    sent_at: datetime | None = None
    task_id: int | None = None
    error: Exception | None = None
    born: float = 0.0

    def mark(self, on_the_wire: bool) -> None:
        """Note whether the request may have reached the API."""
        self.sent_at = datetime.now(UTC) if on_the_wire else None

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


class Submissions:
    """Sends requests, each once.

    Args:
        session: Sends.
        background: Where a request flies, whatever becomes of its callers.
        budget: A limit shared with others.
    """

    def __init__(self, session: Session, background: Background, *, budget: Budget | None) -> None:
        self._session = session
        self._background = background
        self._budget = budget
        self._by_key: dict[str, Flight] = {}
        self.ledger = Ledger()
        self._books = [self.ledger] if budget is None else [budget, self.ledger]

    async def submit(
        self, request: ImageToVideo, *, key: str | None, on_submit: OnSubmit | None, deadline: float | None
    ) -> Flight:
        """Send *request*, or join the flight of its key; return when its task id is known.

        Raises:
            See `AsyncClient.submit`.
        """
        claim = _Claim(on_submit)
        flight = self._by_key.get(key) if key is not None else None
        if flight is not None and flight.fingerprint != fingerprint(request):
            raise ValueError(f"key {key!r} was used for a different request: one key is one video")
        if flight is None or self._may_go_again(flight):
            flight = self._depart(request, key)
        if flight.landed.is_set():
            if flight.task_id is not None:
                await claim.tell(flight.task_id)
        else:
            flight.claims.append(claim)
            await self._arrive(flight, claim, deadline)
        if flight.error is not None:
            raise flight.error
        if claim.error is not None:
            raise claim.error
        return flight

    @staticmethod
    def _may_go_again(flight: Flight) -> bool:
        """A refused key is free again; one that may have been paid is not."""
        return flight.error is not None and not isinstance(flight.error, SubmissionUnknown)

    def _depart(self, request: ImageToVideo, key: str | None) -> Flight:
        prices = {} if self._budget is None else {"prices": self._budget.prices}
        flight = Flight(request, key, fingerprint(request), estimate(request, **prices))
        for book in self._books:
            book.reserve(flight.credits)
        if key is not None:
            self._by_key[key] = flight
        self._background.start_soon(self._fly, flight)
        return flight

    async def _arrive(self, flight: Flight, claim: _Claim, deadline: float | None) -> None:
        """Wait for a flight; one that nobody waits for any more does not take off."""
        try:
            with anyio.CancelScope(deadline=math.inf if deadline is None else deadline):
                await flight.landed.wait()
        finally:
            if not flight.landed.is_set():
                # The claim stays: when the request is in the air its callback still runs.
                flight.claims.remove(claim)
                if not flight.claims:
                    flight.scope.cancel()
                if flight.sent_at is not None:
                    flight.claims.append(claim)
        if flight.landed.is_set():
            return
        if flight.sent_at is not None:
            raise flight.unknown("the deadline passed while it was on its way; it goes on, and so does its task")
        raise ConnectionFailed("the deadline passed before the request could be sent: nothing was spent")

    async def _fly(self, flight: Flight) -> None:
        try:
            with flight.scope:
                async with self._session.post_slots:
                    outcome = await self._session.submit(write_request(flight.request), mark=flight.mark)
                    with anyio.CancelScope(shield=True):
                        self._settle(flight, outcome)
                if flight.task_id is not None:
                    with anyio.CancelScope(shield=True):
                        for claim in flight.claims:
                            await claim.tell(flight.task_id)
        finally:
            if flight.task_id is None and flight.error is None:
                self._divert(flight)
            flight.landed.set()

    def _settle(self, flight: Flight, outcome: int | Failure) -> None:
        """Book what became of a request."""
        if not isinstance(outcome, Failure):
            flight.task_id, flight.born = outcome, anyio.current_time()
            logger.info("task %d submitted: %d credits", outcome, flight.credits)
            for book in self._books:
                book.charge(flight.credits)
        elif outcome.sent is Sent.MAYBE:
            flight.error = flight.unknown(str(outcome.error))
            flight.error.__cause__ = outcome.error.__cause__
            logger.warning("a submission is in doubt: request %s", flight.fingerprint)
            for book in self._books:
                book.hold(flight.credits)
        else:
            flight.error = outcome.error
            for book in self._books:
                book.release(flight.credits)

    def _divert(self, flight: Flight) -> None:
        """The flight was cancelled: by its last caller or by the closing client before it left, or torn apart with the loop."""
        if flight.sent_at is not None:
            flight.error = flight.unknown("the event loop was torn down while it was on its way")
            for book in self._books:
                book.hold(flight.credits)
            return
        flight.error = ConnectionFailed("the client was closed before the request was sent: nothing was spent")
        for book in self._books:
            book.release(flight.credits)

    def refund(self, credits: int) -> None:
        """A task failed: the service gives its credits back."""
        for book in self._books:
            book.refund(credits)
