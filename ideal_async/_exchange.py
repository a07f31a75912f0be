"""One HTTP exchange: the request built and sent, its answer read up to a limit, and the key in no word of either."""

import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import httpx

from ._answers import LONGEST_MESSAGE, Answer, read_retry_after
from ._credentials import ApiKey, keep_headers_out_of_logs, words_of
from ._errors import ConnectionFailed
from ._excerpt import readable
from ._retry import Failure, Sent
from ._transports import ClientSender, DirectSender, Sender, Trace, read_body, sent_nothing
from ._wire import LARGEST_ANSWER

logger = logging.getLogger("ideal_async")

#: Lets hishel heed `Cache-Control: no-cache`, which it does not by itself; from version 2 on, and before.
_PAST_CACHES = {"caching": {"rfc": True}, "cache_disabled": True}
_HOOK = "a response hook of http_client raised"
_POOL_FULL = (
    ": the pool of your http_client gave no connection. It is full, or has lost slots, as httpcore does when TLS fails "
    "behind a proxy: make a new one with room for max_requests_at_once and ten downloads"
)


class Exchange:
    """Exchanges requests of one client for answers.

    Args:
        api_key: Sent along, and kept out of all that is said.
    """

    def __init__(self, api_key: str) -> None:
        self.key = ApiKey(api_key)
        keep_headers_out_of_logs()
        package = sys.modules[__package__ or ""]  # its face is above this room
        headers = {**self.key.headers, "User-Agent": f"ideal-async/{getattr(package, '__version__', '')}"}
        # Caches on the way shall ask the API about looks (RFC 9111, 5.2.1.4).
        self._headers = {"POST": headers, "GET": {**headers, "Cache-Control": "no-cache"}}
        self._look: httpx.Request | None = None  # all are alike but for their URLs, timeouts included

    def build(self, sender: Sender, method: str, url: str, **more: Any) -> httpx.Request | Failure:
        """Make a request with the key; a user's client that cannot has sent nothing."""
        if sender.is_closed:
            return Failure(Sent.NO, ConnectionFailed("the http client is closed: nothing was sent"))
        try:
            repeats = method == "GET" and isinstance(sender, DirectSender)
            if repeats and self._look is not None:
                return DirectSender.repeat(self._look, url)
            request: httpx.Request = sender.build_request(method, url, **more)
            if method == "GET":
                request.extensions.update(_PAST_CACHES)
            name = request.headers.get("User-Agent", "") if isinstance(sender, ClientSender) else ""
            # Here, and not among the arguments, so that no frame of ours has the key in a printable variable.
            request.headers.update(self._headers[method])
            if name and not name.startswith("python-"):  # somebody's own
                request.headers["User-Agent"] = name
            if repeats:
                self._look = request
                return DirectSender.repeat(request, url)  # what is sent may be changed on its way
        except Exception as error:  # noqa: BLE001 - a user's http_client may be of any making
            why = f"http_client cannot make this request ({self._describe(error)}); it was not sent"
            return self._failure(Sent.NO, why, error)
        return request

    async def send(self, sender: Sender, request: httpx.Request) -> Answer:
        """Send, and read the answer up to a limit."""
        # Not even when the user's own client follows redirects: httpx would carry the APIKEY header along.
        response = await sender.send(request, stream=True, follow_redirects=False)
        content, complete, problem = b"", False, ""
        try:
            content, complete = await read_body(response, LARGEST_ANSWER)
        except ValueError as error:
            problem = str(error)
        finally:
            await response.aclose()
        logger.debug("%s %s", request.method, response.status_code)
        return self._answer(response.status_code, response.headers, content, complete=complete, problem=problem)

    def _answer(self, status: int, headers: Any, content: bytes, *, complete: bool, problem: str) -> Answer:
        fields: dict[str, str] = {name.lower(): value for name, value in headers.items()}  # httpx searches a list
        return Answer(
            status,
            self.key.redact_bytes(content),
            complete=complete,
            content_type=fields.get("content-type", ""),
            answered_by=fields.get("server") or fields.get("via"),
            location=fields.get("location"),
            age=fields.get("age", ""),
            retry_after=read_retry_after(fields.get("retry-after", ""), fields.get("date"), datetime.now(UTC)),
            problem=problem,
            status_only=bool(problem) and not complete and problem.startswith(_HOOK),
        )

    def after_error(self, error: Exception, sender: Sender, request: httpx.Request, trace: Trace) -> Answer | Failure:
        """Tell what became of a request that ended with an exception."""
        answer = self._answer_behind(error, sender, request, trace)
        if answer is not None:
            return answer
        # Behind an answer a hook may ask another service, whose failure says nothing of this request.
        may_be_of_a_hook = _has_hooks(sender) and not trace.seen
        unsent = not may_be_of_a_hook and sent_nothing(sender.carrier(request), error, trace)
        sent = Sent.NO if unsent else Sent.MAYBE
        why = f"the API could not be reached ({self._describe(error)})"
        if isinstance(sender, ClientSender) and type(error).__name__ == "PoolTimeout":
            why += _POOL_FULL
        return self._failure(sent, why, error)

    def _answer_behind(self, error: Exception, sender: Sender, request: httpx.Request, trace: Trace) -> Answer | None:
        """Return the answer that a response hook of the user's raised about; httpx has closed it by now."""
        if not _has_hooks(sender):
            return None
        response: Any = getattr(error, "response", None)
        status, headers = trace.http_status, {}
        if _is_answer_to(request, response):
            status, headers = response.status_code, response.headers
        elif isinstance(error, httpx.TransportError | TimeoutError) or "httpx" in type(error).__module__:
            return None  # it was no hook that raised
        if status is None:
            return None
        content: bytes | None = None
        with suppress(Exception):  # it was not read, or there is none
            content = getattr(response, "content", None)  # the hook may have read it
        problem = f"{_HOOK} {self._describe(error)}" if content is None else ""
        return self._answer(status, headers, content or b"", complete=content is not None, problem=problem)

    def _failure(self, sent: Sent, why: str, cause: Exception) -> Failure:
        failure = ConnectionFailed(why)
        failure.__cause__ = cause
        self.key.redact_error(failure)
        return Failure(sent, failure)

    def _describe(self, error: Exception) -> str:
        """Say what went wrong, without the key."""
        name, words = type(error).__name__, words_of(error)
        return self.key.redact(readable(f"{name}: {words}" if words else name, LONGEST_MESSAGE))


def _has_hooks(sender: Sender) -> bool:
    """Tell whether code of the user's sees answers first."""
    return isinstance(sender, ClientSender) and sender.has_response_hooks()


def _is_answer_to(request: httpx.Request, response: Any) -> bool:
    """Tell whether what an exception carries is the answer to this request, not another service's to a hook."""
    with suppress(Exception):  # it may be of any making, or none
        return response.request is request
    return False
