"""Which failures of which transport prove that nothing was sent.

Money hangs on it: a POST that was certainly not sent is sent again, and one that may have been is not. So an exception
is believed only of transports for which somebody has looked it up, and a transport of another making may say so itself:
it has a method `sent_nothing(error) -> bool`.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

Proof = Callable[[BaseException], bool]


class Trace:
    """Follows one request, whatever transports it passes, by the events of httpcore's `trace` extension.

    Attributes:
        seen: There were events, so that a request which was sent would have been seen.
        started: The request's own headers were begun to be written, in some try; a CONNECT to a proxy is not its own.
        http_status: Of the answer to it, if one was heard.
        refused: What *before* raised, so that it was not started.

    Args:
        following: Hears the events too.
        before: Called when the connection is there, and the request's own headers would leave; may raise.
    """

    __slots__ = ("_before", "_next", "http_status", "refused", "seen", "started")

    def __init__(
        self,
        following: Callable[[str, Any], Awaitable[None]] | None = None,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.seen = self.started = False
        self.http_status: int | None = None
        self.refused: Exception | None = None
        self._next = following
        self._before = before

    async def __call__(self, event: str, info: Any) -> None:
        """Hear of an event."""
        self.seen = True
        is_start = ".send_request" in event and event.endswith(".started")
        if is_start and getattr(info.get("request"), "method", None) != b"CONNECT":
            await self._start()
        if self.started and event.endswith(".receive_response_headers.complete"):
            self.http_status = next((item for item in info["return_value"] if isinstance(item, int)), None)
        if self._next is not None:
            await self._next(event, info)

    async def _start(self) -> None:
        if self._before is not None and not self.started and self.refused is None:
            try:
                await self._before()
            except Exception as error:
                self.refused = error
                raise
        self.started, self.refused = True, None  # also after a no that a transport did not care about


def sent_nothing(transport: object, error: BaseException, trace: Trace) -> bool:
    """Tell whether a request that *transport* ended with *error* certainly never reached the other side."""
    if trace.started:
        return False
    proof: Proof | None = getattr(transport, "sent_nothing", None) or _PROVEN.get(qualified_name(type(transport)))
    if trace.seen and (proof is httpcore_sent_nothing or _is_httpcores(error.__cause__)):
        return True  # whatever it is called: a proxy that refused, a tunnel that was closed
    return proof is not None and proof(error)


def httpcore_sent_nothing(error: BaseException) -> bool:
    """httpcore, and its fork httpcore2, raise these three before the first byte of a request is written."""
    cause = error.__cause__
    names = {"ConnectError", "ConnectTimeout", "PoolTimeout"}
    return _is_httpcores(cause) and type(cause).__name__ in names and type(cause).__name__ == type(error).__name__


def aiohttp_sent_nothing(error: BaseException) -> bool:
    """httpx-aiohttp 0.2.0 calls a reset behind a complete request `ConnectTimeout`: only aiohttp's own word counts."""
    names = set(_bases(error.__cause__, "aiohttp"))
    return not names.isdisjoint({"ClientConnectorError", "ConnectionTimeoutError", "ClientHttpProxyError"})


#: Exactly these classes: one derived from them may send twice.
_PROVEN: dict[str, Proof] = {
    "httpx.AsyncHTTPTransport": httpcore_sent_nothing,
    "httpx2.AsyncHTTPTransport": httpcore_sent_nothing,
    "httpx_aiohttp.AiohttpTransport": aiohttp_sent_nothing,
}


def qualified_name(cls: type) -> str:
    """Return the package and the name of a class, wherever in the package it is."""
    return f"{cls.__module__.partition('.')[0]}.{cls.__name__}"


def _bases(error: BaseException | None, *packages: str) -> Iterator[str]:
    for base in type(error).__mro__:
        if base.__module__.partition(".")[0] in packages:
            yield base.__name__


def _is_httpcores(error: BaseException | None) -> bool:
    return any(_bases(error, "httpcore", "httpcore2"))
