"""The API over HTTP: what may be sent now, and again; the limiters, the brake and the sleeps."""

import json
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
import httpx

from ._answers import Answer, read_look, read_submit
from ._caches import Ages
from ._errors import ApiError, IdealError, JournalFailed, NotTheApi, TaskFailed
from ._exchange import Exchange
from ._models import Task
from ._observer import Observer
from ._retry import Failure, Retry, Sent, asks_to_slow_down
from ._transports import POSTS_AT_ONCE, Sender, Trace, Transports

logger = logging.getLogger("ideal_async")

T = TypeVar("T")

GENERATE = "/api/v1/imageToVideo/generate"
RESULT = "/api/v1/imageToVideo/result"

#: Seconds. Connecting and writing a kilobyte are quick or broken; the answer to a POST may wait for the text review.
#: To connect, read, write, and get a connection; a tuple, because a fork of httpx does not know httpx's own class.
LOOK_TIMEOUT = (10.0, 30.0, 10.0, 10.0)
SUBMIT_TIMEOUT = (10.0, 60.0, 10.0, 10.0)
#: Seconds for a whole call, however slowly its answer drips in.
LOOK_LIMIT = 45.0
SUBMIT_LIMIT = 90.0
#: Seconds for which a confirmation of a send counts: a process may be frozen behind it, or connect slowly.
CONFIRMED_FOR = 5.0
#: Times in a row that it may come too late: about as long as a journal for many hosts may be away.
#: Not seconds: a computer that slept for a night was late once.
MOST_LATE = 100
#: Seconds for which a wait rides out what somebody in between says, as long as the API itself was never heard: by then
#: it is no outage, but a wrong base URL.
STRANGERS_ONLY = 60.0


_CACHED = (
    "a cache answers in the API's place: the last look's answer is %s seconds old, and looks do not reach it. A wait "
    "behind it ends late, or never: take the cache out of the transport, http_client or proxy, or let /api/ pass it"
)
_LATE = (
    "the journal's word that a request may leave came %.1f s after it was asked for, and counts for %g s only: asking "
    "again until it comes in time. Unless this process stood still: look at the load of the journal's database or disk"
)


class Confirmed:
    """The journal's word that a request may leave, as long as it is fresh by the clocks of this process."""

    def __init__(self, confirm: Callable[[], Awaitable[None]]) -> None:
        self._confirm = confirm
        self._asked = (-math.inf, -math.inf)

    async def renew(self) -> None:
        """Ask, until an answer is fresh when it comes; what must not go any more raises, or is cancelled.

        Raises:
            JournalFailed: None was, a hundred times.
        """
        late = 0
        while True:
            self._asked = _clocks()
            await self._confirm()
            if self._is_fresh():
                return
            late += 1
            if late == 1:
                logger.warning(_LATE, self._age(), CONFIRMED_FOR)
            if late == MOST_LATE:
                raise JournalFailed(
                    f"{late} times in a row the journal's word that a request may leave came more than "
                    f"{CONFIRMED_FOR:g} s after it was asked for: nothing was sent. Look at the load of the journal's "
                    "database or disk, and call again"
                )

    async def keep(self) -> None:
        """Ask once more if the last answer is too old."""
        if not self._is_fresh():
            await self.renew()

    def _is_fresh(self) -> bool:
        return self._age() <= CONFIRMED_FOR

    def _age(self) -> float:
        return max(now - then for now, then in zip(_clocks(), self._asked, strict=True))


def _clocks() -> tuple[float, float]:
    """The event loop's clock, and the wall's: the first stands still while a computer sleeps."""
    return anyio.current_time(), time.time()


class Session:
    """The API over HTTP: submits and looks, never more at once than agreed.

    Args:
        api_key: Sent with API requests only.
        base_url: Of the API.
        transports: The ways out.
        requests_at_once: API requests in flight, at most.
        retry: What is sent again.
        observer: Notified of the brake.
    """

    def __init__(
        self,
        *,
        api_key: str,
        base_url: httpx.URL,
        transports: Transports,
        requests_at_once: int,
        retry: Retry,
        observer: Observer | None = None,
    ) -> None:
        self._exchange = Exchange(api_key)
        self._generate_url = str(base_url.copy_with(path=base_url.path.rstrip("/") + GENERATE))
        self._result_url = str(base_url.copy_with(path=base_url.path.rstrip("/") + RESULT))
        self._transports = transports
        self._retry = retry
        self._observer = observer
        # Held until the body is read: httpcore 1.0.9 loses pool slots for ever when requests that queue in the pool
        # are cancelled, so the pool must never queue.
        self._slots = anyio.CapacityLimiter(requests_at_once)
        self._queued = 0  # for one of them: the limiter's own statistics cost more than a slot does
        self._posts_at_once = min(POSTS_AT_ONCE, requests_at_once)
        #: Hold one around a submit: few are in doubt at a time, and only one until the API has answered a submit.
        self.post_slots = anyio.CapacityLimiter(1)
        self._heard = False  # the API has answered
        self._warned = False  # of somebody in between, since then
        self._ages = Ages()
        self._brake_until = 0.0
        self._braked = 0

    async def submit(
        self,
        write_body: Callable[[], Awaitable[dict[str, Any]]],
        *,
        confirm: Callable[[], Awaitable[None]],
        on_wire: Callable[[bool], None],
    ) -> int | Failure:
        """Send a request until it is answered or may have been received; return the task id or what became of it.

        Cancellation counts only while nothing was sent; a request on its way is finished first.

        Args:
            write_body: Makes the vendor's JSON object, anew for each send: its URLs may be signed for a short time.
            confirm: Awaited immediately before each send; what must not go any more it cancels.
            on_wire: Called with whether the request may be in the API's hands now.
        """
        attempt = 0
        while True:
            attempt += 1
            content = json.dumps(await write_body(), ensure_ascii=False, separators=(",", ":")).encode()
            outcome = await self._post(content, confirm, on_wire)
            if not isinstance(outcome, Failure):
                return outcome
            delay = self._retry.submit_delay(outcome, attempt=attempt, roll=random.random())
            if delay is None:
                return outcome
            on_wire(False)
            logger.info("submit: %s, sending again in %.1f s", outcome.error.__class__.__name__, delay)
            await anyio.sleep(delay)

    async def _post(
        self, content: bytes, confirm: Callable[[], Awaitable[None]], on_wire: Callable[[bool], None]
    ) -> int | Failure:
        answer = await self._call(
            self._transports.posts,
            "POST",
            self._generate_url,
            limit=SUBMIT_LIMIT,
            timeout=SUBMIT_TIMEOUT,
            confirm=confirm,
            on_wire=on_wire,
            content=content,
            headers={"Content-Type": "application/json"},
        )
        outcome = answer if isinstance(answer, Failure) else self._learn(read_submit(answer), answer)
        if isinstance(outcome, Failure) and outcome.sent is Sent.MAYBE:
            self.post_slots.total_tokens = 1  # what went wrong once may go wrong for all
        elif isinstance(answer, Answer) and answer.envelope is not None:
            self.post_slots.total_tokens = self._posts_at_once
        return outcome

    async def look(self, task_id: int) -> Task | Failure:
        """Look at a task once.

        Source: vendor's page, 2. Get Task Result.
        """
        answer = await self._call(
            self._transports.looks,
            "GET",
            f"{self._result_url}?taskId={task_id:d}",
            limit=LOOK_LIMIT,
            timeout=LOOK_TIMEOUT,
        )
        if isinstance(answer, Answer):
            if answer.age and self._ages.only_older(task_id, answer.age, answer.content):
                logger.warning(_CACHED, answer.age)
            return self._learn(read_look(answer, task_id), answer)
        answer.error.about(task_id)
        return answer

    async def look_again(self, task_id: int) -> Task | Failure:
        """Look at a task once, repeating what brought nothing a few times."""
        attempt = 0
        while True:
            attempt += 1
            outcome = await self.look(task_id)
            if not isinstance(outcome, Failure) or isinstance(outcome.error, TaskFailed):
                return outcome
            delay = self._retry.look_delay(outcome, attempt=attempt, elapsed=0.0, roll=random.random())
            if delay is None or attempt >= self._retry.attempts:
                return outcome
            await anyio.sleep(delay)

    async def _call(
        self,
        sender: Sender,
        method: str,
        url: str,
        *,
        limit: float,
        timeout: tuple[float, float, float, float],
        confirm: Callable[[], Awaitable[None]] | None = None,
        on_wire: Callable[[bool], None] | None = None,
        **more: Any,
    ) -> Answer | Failure:
        """Make one request: return its answer, or what became of it."""
        # Asked before, not tried: until anyio 4.15 `acquire_nowait` raises trio's own WouldBlock there.
        if self._slots.available_tokens and not self._queued:
            self._slots.acquire_nowait()  # saves a turn of the event loop
        else:
            self._queued += 1
            try:
                await self._slots.acquire()
            finally:
                self._queued -= 1
        try:
            if self._brake_until:
                await self._heed_brake()  # it may have been put on while this waited for its slot
            request = self._exchange.build(sender, method, url, timeout=timeout, **more)
            if isinstance(request, Failure):
                return request
            confirmed = None if confirm is None else Confirmed(confirm)
            if confirmed is not None:
                await confirmed.renew()
                while self._brake_until > anyio.current_time():
                    await self._heed_brake()
                    await confirmed.renew()
            if on_wire is not None:
                await anyio.lowlevel.checkpoint_if_cancelled()  # the last moment to withdraw
                on_wire(True)
            trace = None
            if on_wire is not None:
                trace = Trace(request.extensions.get("trace"), None if confirmed is None else confirmed.keep)
                request.extensions["trace"] = trace
            try:
                # Shielded: whoever asked may go, a submit on its way is never torn in two.
                # What `anyio.fail_after` does, without its generator.
                with anyio.CancelScope(deadline=anyio.current_time() + limit, shield=on_wire is not None):
                    return await self._exchange.send(sender, request)
                raise TimeoutError(f"no answer within {limit:g} seconds")  # noqa: TRY301 - as a transport would
            except Exception as error:  # noqa: BLE001 - transports raise what they like; all of it means: no answer
                if trace is not None and trace.refused is not None and on_wire is not None:
                    on_wire(False)
                    raise trace.refused from None
                return self._exchange.after_error(error, sender, request, trace or Trace())
        finally:
            self._slots.release()

    def _learn(self, outcome: T | Failure, answer: Answer) -> T | Failure:
        """Take note of who answered, and of being told to slow down."""
        if answer.envelope is not None:
            self._heard, self._warned = True, False
        if not isinstance(outcome, Failure):
            self._braked = 0
            return outcome
        error = outcome.error
        self._exchange.key.redact_error(error)
        if isinstance(error, NotTheApi):
            if not self._heard:
                outcome.limit = STRANGERS_ONLY
            if not self._warned:
                self._warned = True
                logger.warning("%s", error)
        self._brake(error)
        return outcome

    def _brake(self, error: IdealError) -> None:
        """Slow every request of this client when one of them was told to slow down."""
        if not isinstance(error, ApiError) or not (asks_to_slow_down(error) or error.retry_after is not None):
            return
        self._braked += 1
        # In an exception's handler, not its cause: the roll only spreads several clients.
        pause = self._retry.pause(attempt=self._braked + 1, roll=random.random(), retry_after=error.retry_after)
        self._brake_until = max(self._brake_until, anyio.current_time() + pause)
        logger.warning("the API asks to slow down: no requests for %.1f s", pause)
        if self._observer is not None:
            self._observer.braked(pause)

    async def _heed_brake(self) -> None:
        while (pause := self._brake_until - anyio.current_time()) > 0:  # noqa: ASYNC110 - it may be put on again
            await anyio.sleep(pause)
