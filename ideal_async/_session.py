"""HTTP: one call, one answer; the limiters, the brake and the sleeps."""

import json
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from ipaddress import ip_address
from typing import Any, cast

import anyio
import httpx

from ._errors import (
    ApiError,
    ConnectionFailed,
    IdealError,
    ServerError,
    TaskFailed,
    UnexpectedAnswer,
)
from ._models import Task
from ._observer import Observer
from ._retry import INTERNAL_ERROR, Failure, Retry, Sent, asks_to_slow_down
from ._transports import POSTS_AT_ONCE, Sender, Transports, sent_nothing
from ._wire import PROHIBITED_CONTENT, read_answer, read_task, read_task_id

logger = logging.getLogger("ideal_async")

GENERATE = "/api/v1/imageToVideo/generate"
RESULT = "/api/v1/imageToVideo/result"

#: Bytes. An answer of the vendor's page has about 600; a megabyte is a gateway gone wrong.
LARGEST_ANSWER = 1 << 20
#: Seconds. Connecting and writing a kilobyte are quick or broken; the answer to a POST may wait for the text review.
#: To connect, read, write, and get a connection; a tuple, because a fork of httpx does not know httpx's own class.
LOOK_TIMEOUT = (10.0, 30.0, 10.0, 10.0)
SUBMIT_TIMEOUT = (10.0, 60.0, 10.0, 10.0)
#: Seconds for a whole call, however slowly its answer drips in.
LOOK_LIMIT = 45.0
SUBMIT_LIMIT = 90.0


class _Key:
    """The API key, which must not come out of any repr."""

    __slots__ = ("headers",)

    def __init__(self, key: str) -> None:
        self.headers = {"APIKEY": key, "Accept": "application/json"}

    def __repr__(self) -> str:
        return "<API key>"

    def redact(self, text: str) -> str:
        """Leave the key out where somebody else's words repeat it."""
        return text.replace(self.headers["APIKEY"], repr(self))


def check_key(key: str | None) -> str:
    """Return a key that can be a header.

    Raises:
        ValueError: There is none, or it is none; it is not repeated in the message.
    """
    if not key:
        raise ValueError("no API key: pass api_key=..., or set IDEAL_HOUSE_API_KEY")
    if not (key.isascii() and key.isprintable()) or key != key.strip():
        raise ValueError("the API key has characters that cannot be in a header (a line break at its end, perhaps?)")
    return key


def check_base_url(base_url: str) -> httpx.URL:
    """Return the API's base URL without a slash at its end.

    Raises:
        ValueError: It is no http(s) URL, or would carry the key over a network in clear text.
    """
    try:
        url = httpx.URL(base_url.rstrip("/"))
    except (httpx.InvalidURL, AttributeError, TypeError) as error:
        raise ValueError(f"base_url is no URL: {error}") from None
    if url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment or url.userinfo:
        raise ValueError("base_url must look like https://api.ideal.house")
    if url.scheme == "http" and not _is_loopback(url.host):
        raise ValueError("base_url must be https: over plain http everyone on the way can read the API key")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class _Silent(logging.Filter):
    """hpack logs at DEBUG every header that it packs, the key among them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let through what is above DEBUG."""
        return record.levelno > logging.DEBUG


_SILENT = _Silent()


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds of `Retry-After`; its other form, a date, would need the server's clock."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdecimal() else None


class Session:
    """The API over HTTP: submits and looks, never more at once than agreed.

    Args:
        api_key: Sent with API requests only.
        base_url: Of the API.
        transports: The ways out.
        requests_at_once: API requests in flight, at most.
        retry: What is sent again.
        observer: Told of the brake.
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
        self._key = _Key(api_key)
        for name in ("hpack.hpack", "hpack.table"):
            logging.getLogger(name).addFilter(_SILENT)  # the same one again is none
        self._generate_url = str(base_url.copy_with(path=base_url.path.rstrip("/") + GENERATE))
        self._result_url = str(base_url.copy_with(path=base_url.path.rstrip("/") + RESULT))
        self._transports = transports
        self._retry = retry
        self._observer = observer
        # Held until the body is read: httpcore 1.0.9 loses pool slots for ever when requests that queue in the pool
        # are cancelled, so the pool must never queue.
        self._slots = anyio.CapacityLimiter(requests_at_once)
        #: Hold one around a submit: few are in doubt at a time.
        self.post_slots = anyio.CapacityLimiter(min(POSTS_AT_ONCE, requests_at_once))
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
            on_wire: Told whether the request may be in the API's hands now.
        """
        attempt = 0
        while True:
            attempt += 1
            content = json.dumps(await write_body(), ensure_ascii=False, separators=(",", ":")).encode()
            outcome = await self._call(
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
            if isinstance(outcome, Failure):
                failure = self._judge_refusal(outcome)
            else:
                try:
                    return read_task_id(outcome)
                except ValueError as error:
                    problem = UnexpectedAnswer([f"{error} @ $.data"], http_status=200)
                    failure = Failure(Sent.MAYBE, problem)
            delay = self._retry.submit_delay(failure, attempt=attempt, roll=random.random())
            if delay is None:
                return failure
            on_wire(False)
            logger.info("submit: %s, sending again in %.1f s", failure.error.__class__.__name__, delay)
            await anyio.sleep(delay)

    @staticmethod
    def _judge_refusal(failure: Failure) -> Failure:
        """An answer to a POST that is no error of the API itself proves nothing: a task may have been created."""
        error = failure.error
        by_gateway = isinstance(error, ServerError) and error.code != INTERNAL_ERROR
        if by_gateway or isinstance(error, UnexpectedAnswer):
            return Failure(Sent.MAYBE, error)
        return failure

    async def look(self, task_id: int) -> Task | Failure:
        """Look at a task once.

        Source: vendor's page, 2. Get Task Result.
        """
        outcome = await self._call(
            self._transports.looks,
            "GET",
            f"{self._result_url}?taskId={task_id:d}",
            limit=LOOK_LIMIT,
            timeout=LOOK_TIMEOUT,
        )
        try:
            if not isinstance(outcome, Failure):
                task = read_task(outcome)
                if task.id == task_id:
                    return task
                # A cache that does not read the query?
                error: IdealError = UnexpectedAnswer(["another task's id @ $.data.id"], http_status=200)
            else:
                error = outcome.error
            if isinstance(error, ApiError) and error.code == PROHIBITED_CONTENT:
                error = TaskFailed(error.message, task=None, task_id=task_id)
        except UnexpectedAnswer as unexpected:
            error = unexpected
        return Failure(Sent.ANSWERED if not isinstance(outcome, Failure) else outcome.sent, error.about(task_id))

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
    ) -> Any | Failure:
        """Make one request: return the `data` of its answer, or what became of it."""
        outcome: Any | Failure = None
        try:
            self._slots.acquire_nowait()  # saves a turn of the event loop
        except anyio.WouldBlock:
            await self._slots.acquire()
        try:
            if self._brake_until:
                await self._heed_brake()  # it may have been put on while this waited for its slot
            if sender.is_closed:
                return Failure(Sent.NO, ConnectionFailed("the http client is closed: nothing was sent"))
            try:
                request = sender.build_request(method, url, timeout=timeout, **more)
                # Here, and not among the arguments, so that no frame of ours has the key in a printable variable.
                request.headers.update(self._key.headers)
            except Exception as error:  # noqa: BLE001 - a user's http_client may be of any making
                failure = ConnectionFailed(
                    f"http_client cannot make this request ({self._describe(error)}); it was not sent"
                )
                failure.__cause__ = error
                return Failure(Sent.NO, failure)
            if confirm is not None:
                await confirm()
                while self._brake_until > anyio.current_time():
                    await self._heed_brake()
                    await confirm()
            if on_wire is not None:
                await anyio.lowlevel.checkpoint_if_cancelled()  # the last moment to withdraw
                on_wire(True)
            try:
                # Shielded: whoever asked may go, a submit on its way is never torn in two.
                # What `anyio.fail_after` does, without its generator.
                with anyio.CancelScope(deadline=anyio.current_time() + limit, shield=on_wire is not None) as scope:
                    outcome = self._read(*await self._exchange(sender, request))
                if scope.cancelled_caught:
                    raise TimeoutError  # noqa: TRY301 - it is told like all that a transport raises
            except Exception as error:  # noqa: BLE001 - transports raise what they like; all of it means: no answer
                failure = ConnectionFailed(f"the API could not be reached ({self._describe(error)})")
                failure.__cause__ = error
                return Failure(Sent.NO if sent_nothing(error) else Sent.MAYBE, failure)
        finally:
            self._slots.release()
        return outcome

    def _describe(self, error: Exception) -> str:
        """Say what went wrong, without the key."""
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return self._key.redact(reason)

    async def _exchange(self, sender: Sender, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        """Send, and read the answer up to a limit."""
        # Not even when the user's own client follows redirects: httpx would carry the APIKEY header along.
        response = await sender.send(request, stream=True, follow_redirects=False)
        try:
            content = bytearray()
            async with aclosing(cast("AsyncGenerator[bytes]", response.aiter_bytes())) as chunks:
                async for chunk in chunks:
                    content += chunk
                    if len(content) > LARGEST_ANSWER:
                        break
            return response, bytes(content)
        finally:
            await response.aclose()

    def _read(self, response: httpx.Response, content: bytes) -> Any | Failure:
        status, retry_after = response.status_code, _retry_after(response)
        logger.debug("%s %s", response.request.method, status)
        try:
            if len(content) > LARGEST_ANSWER:
                raise UnexpectedAnswer([f"more than {LARGEST_ANSWER} bytes @ $"], http_status=status)
            data = read_answer(status, content, retry_after=retry_after)
        except IdealError as error:
            if isinstance(error, ApiError):  # there are services that repeat a wrong key in their message
                error.message, error.args = self._key.redact(error.message), (self._key.redact(str(error)),)
            self._brake(error)
            return Failure(Sent.ANSWERED, error)
        self._braked = 0
        return data

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
