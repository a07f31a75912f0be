"""Which failures of which transport prove that nothing was sent: by their classes, and by httpcore's own events."""

import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.abc
import httpcore
import httpx
import pytest
from fakes import KEY, ROOM, http, loopback, read_request

from ideal_async import AsyncClient, ConnectionFailed, Retry, SubmissionUnknown
from ideal_async._transports import Trace, sent_nothing

NOT_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout"}
#: Every exception a transport of httpx can raise. A new one has to be looked into before it is believed.
TRANSPORT_ERRORS = {
    "CloseError",
    "ConnectError",
    "ConnectTimeout",
    "DecodingError",
    "LocalProtocolError",
    "NetworkError",
    "PoolTimeout",
    "ProtocolError",
    "ProxyError",
    "ReadError",
    "ReadTimeout",
    "RemoteProtocolError",
    "RequestError",
    "TimeoutException",
    "TooManyRedirects",
    "TransportError",
    "UnsupportedProtocol",
    "WriteError",
    "WriteTimeout",
}


class Derived(httpx.AsyncHTTPTransport):
    """May send twice, for all we know."""


def traced(*events: tuple[str, Any]) -> Trace:
    trace = Trace()
    for event, info in events:
        with pytest.raises(StopIteration):
            trace(event, info).send(None)
    return trace


def own(method: bytes = b"POST") -> dict[str, Any]:
    return {"request": httpcore.Request(method, "https://api.example/")}


CONNECTED = ("connection.connect_tcp.complete", {"return_value": None})
TUNNEL = ("http11.send_request_headers.started", own(b"CONNECT"))
TUNNEL_ASKED_FOR = ("http11.send_request_headers.complete", {"return_value": None})
HEADERS = ("http11.send_request_headers.started", own())
HEADERS_2 = ("http2.send_request_headers.started", own())


def test_every_exception_of_httpx_has_been_looked_into() -> None:
    """This fails when httpx grows a new one."""
    errors = {
        name for name, value in vars(httpx).items() if isinstance(value, type) and issubclass(value, httpx.RequestError)
    }
    assert errors == TRANSPORT_ERRORS


@pytest.mark.parametrize("name", sorted(TRANSPORT_ERRORS))
def test_without_events_only_three_errors_of_httpcore_are_believed(name: str) -> None:
    """Those it raises before the first byte of a request is written; and only of a transport that sends once."""
    error: Exception = getattr(httpx, name)("broken")
    error.__cause__ = getattr(httpcore, name, httpcore.NetworkError)("broken")
    assert sent_nothing(httpx.AsyncHTTPTransport(), error, Trace()) is (name in NOT_SENT)
    for unknown in (Derived(), httpx.MockTransport(lambda _: httpx.Response(200)), None, object()):
        assert not sent_nothing(unknown, error, Trace())
    error.__cause__ = httpcore.ReadError("broken")
    assert not sent_nothing(httpx.AsyncHTTPTransport(), error, Trace())
    error.__cause__ = None
    assert not sent_nothing(httpx.AsyncHTTPTransport(), error, Trace())


@pytest.mark.parametrize("name", sorted(TRANSPORT_ERRORS))
@pytest.mark.parametrize("transport", [httpx.AsyncHTTPTransport(), Derived(), None])
def test_events_tell_whatever_an_exception_is_called(transport: object, name: str) -> None:
    """A tunnel that was refused sent nothing; headers that were begun in any try may have arrived."""
    error: Exception = getattr(httpx, name)("broken")
    error.__cause__ = getattr(httpcore, name, httpcore.NetworkError)("broken")
    assert sent_nothing(transport, error, traced(CONNECTED))
    assert sent_nothing(transport, error, traced(CONNECTED, TUNNEL, TUNNEL_ASKED_FOR))
    for headers in (HEADERS, HEADERS_2):
        assert not sent_nothing(transport, error, traced(CONNECTED, TUNNEL, headers))
        assert not sent_nothing(transport, error, traced(headers, CONNECTED))


def test_events_of_one_try_prove_nothing_of_an_error_from_elsewhere() -> None:
    """A fallback to a transport without events may have sent it."""
    for error in (httpx.ReadError("lost"), OSError("lost"), TimeoutError()):
        assert not sent_nothing(Derived(), error, traced(CONNECTED))
        assert sent_nothing(httpx.AsyncHTTPTransport(), error, traced(CONNECTED))


@pytest.mark.anyio
async def test_a_trace_passes_on_what_it_hears() -> None:
    """A user's own trace goes on."""
    heard: list[str] = []

    async def listen(event: str, _: Any) -> None:
        heard.append(event)

    trace = Trace(listen)
    await trace(*HEADERS)
    assert heard == [HEADERS[0]]
    assert trace.started


@pytest.mark.anyio
async def test_a_start_may_be_refused_once() -> None:
    """Whoever goes on after that may have sent it."""
    asked: list[int] = []

    async def refuse() -> None:
        asked.append(1)
        raise LookupError("not any more")

    trace = Trace(before=refuse)
    await trace(*TUNNEL)
    with pytest.raises(LookupError):
        await trace(*HEADERS)
    assert isinstance(trace.refused, LookupError)
    assert not trace.started
    await trace(*HEADERS)
    assert trace.refused is None
    assert trace.started
    assert len(asked) == 1


def imitate(cls: str, module: str, base: type[BaseException] = Exception) -> BaseException:
    error: BaseException = type(cls, (base,), {"__module__": module})("broken")
    return error


@pytest.mark.parametrize(
    ("transport", "error", "cause", "proven"),
    [
        # a call-compatible fork, by its classes' names
        ("httpx2.AsyncHTTPTransport", imitate("ConnectError", "httpx2"), imitate("ConnectError", "httpcore2"), True),
        ("httpx2.AsyncHTTPTransport", imitate("ReadError", "httpx2"), imitate("ReadError", "httpcore2"), False),
        # httpx-aiohttp 0.2.0 says ConnectTimeout when the answer is reset, so only aiohttp's own word counts
        *(
            (
                "httpx_aiohttp.AiohttpTransport",
                httpx.ConnectTimeout(""),
                imitate(name, "aiohttp.client_exceptions"),
                proven,
            )
            for name, proven in [
                ("ServerTimeoutError", False),
                ("ClientOSError", False),
                ("ServerDisconnectedError", False),
                ("ClientConnectorError", True),
                ("ConnectionTimeoutError", True),
                ("ClientHttpProxyError", True),
            ]
        ),
        (
            "httpx_aiohttp.AiohttpTransport",
            httpx.ConnectError(""),
            imitate("DNSError", "aiohttp", type(imitate("ClientConnectorError", "aiohttp"))),
            True,
        ),
        ("httpx_aiohttp.AiohttpTransport", httpx.ConnectError(""), httpcore.ConnectError(""), False),
        ("elsewhere.AiohttpTransport", httpx.ConnectError(""), imitate("ClientConnectorError", "aiohttp"), False),
        ("httpx.AsyncHTTPTransport", OSError(), httpcore.ConnectError(""), False),
    ],
)
def test_other_transports_are_believed_what_was_looked_up(
    transport: str, error: Exception, cause: BaseException, proven: bool
) -> None:
    """By the names of their classes."""
    module, _, name = transport.partition(".")
    error.__cause__ = cause
    assert sent_nothing(type(name, (), {"__module__": f"{module}.transport"})(), error, Trace()) is proven


# Behind a proxy, on real sockets

Serve = Callable[[anyio.abc.SocketStream], Awaitable[None]]


def refuse(status: str) -> Serve:
    async def serve(stream: anyio.abc.SocketStream) -> None:
        await read_request(stream)
        await stream.send(http(b"<html>not today</html>", status))

    return serve


async def close(stream: anyio.abc.SocketStream) -> None:
    await read_request(stream)


async def open_and_close(stream: anyio.abc.SocketStream) -> None:
    await read_request(stream)
    await stream.send(b"HTTP/1.1 200 Connection established\r\n\r\n")


async def speak_plainly(stream: anyio.abc.SocketStream) -> None:
    await open_and_close(stream)
    await stream.receive()
    await stream.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


class Again(httpx.AsyncBaseTransport):
    """Somebody's retrying transport: sends a second time what failed, and lets that speak."""

    def __init__(self, first: httpx.AsyncBaseTransport, then: httpx.AsyncBaseTransport) -> None:
        self._first, self._then = first, then

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._first.handle_async_request(request)
        except httpx.TransportError:
            return await self._then.handle_async_request(request)


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@asynccontextmanager
async def behind(proxy: str) -> AsyncGenerator[AsyncClient]:
    async with (
        httpx.AsyncClient(proxy=proxy) as http_client,
        AsyncClient(KEY, http_client=http_client, retry=Retry(attempts=3, wait_initial=0.0)) as client,
    ):
        yield client


@pytest.mark.anyio
@pytest.mark.slow
@pytest.mark.usefixtures("real_time")
@pytest.mark.parametrize(
    "serve",
    [
        *(refuse(status) for status in ("407 Proxy Authentication Required", "403 Forbidden", "502 Bad Gateway")),
        close,
        open_and_close,
        speak_plainly,
    ],
)
async def test_a_tunnel_that_does_not_come_about_has_sent_nothing(serve: Serve) -> None:
    """Nothing is in doubt, and it is tried again like any connection."""
    connections = 0

    async def count(stream: anyio.abc.SocketStream) -> None:
        nonlocal connections
        connections += 1
        await serve(stream)

    async with loopback(count) as proxy, behind(proxy) as client:
        with pytest.raises(ConnectionFailed):
            await client.submit(ROOM)
        assert client.ledger.unknown == 0
    assert connections == 3


@pytest.mark.anyio
@pytest.mark.slow
@pytest.mark.usefixtures("real_time")
async def test_a_retrying_transport_that_sent_and_then_could_not_connect_is_in_doubt() -> None:
    """The last exception says that nothing was sent; the events of the first try know better."""
    received: list[bytes] = []

    async def hear_and_close(stream: anyio.abc.SocketStream) -> None:
        received.append(await read_request(stream))

    nowhere = httpx.AsyncHTTPTransport(proxy=f"http://127.0.0.1:{closed_port()}")
    async with loopback(hear_and_close) as url:
        transport = Again(httpx.AsyncHTTPTransport(), nowhere)
        async with AsyncClient(KEY, base_url=url, transport=transport) as client:
            with pytest.raises(SubmissionUnknown):
                await client.submit(ROOM)
    assert len(received) == 1


@pytest.mark.anyio
@pytest.mark.slow
@pytest.mark.usefixtures("real_time")
async def test_a_retrying_transport_that_never_connected_has_sent_nothing() -> None:
    """Both tries were seen."""
    async with AsyncClient(
        KEY,
        base_url=f"http://127.0.0.1:{closed_port()}",
        transport=Again(httpx.AsyncHTTPTransport(), httpx.AsyncHTTPTransport()),
        retry=Retry(wait_initial=0.0),
    ) as client:
        with pytest.raises(ConnectionFailed):
            await client.submit(ROOM)
        assert client.ledger.unknown == 0


class Overridden(httpx.AsyncClient):
    """Somebody's client that sends in its own way."""


@pytest.mark.anyio
@pytest.mark.parametrize("client_class", [httpx.AsyncClient, Overridden])
async def test_a_client_is_believed_where_it_only_hands_a_request_to_a_proven_transport(
    client_class: type[httpx.AsyncClient],
) -> None:
    """Its class and that of its transport both count: no event was heard."""
    transport, posts = httpx.AsyncHTTPTransport(), 0

    class Pool:
        """Full, as httpcore says it."""

        async def handle_async_request(self, _: object) -> None:
            nonlocal posts
            posts += 1
            raise httpcore.PoolTimeout

        async def __aenter__(self) -> None:
            """Nothing is open."""

        async def __aexit__(self, *_: object) -> None:
            """Nothing was open."""

    transport._pool = Pool()  # type: ignore[assignment]
    async with (
        client_class(transport=transport) as http_client,
        AsyncClient(KEY, http_client=http_client, retry=Retry(attempts=3)) as client,
    ):
        with pytest.raises(ConnectionFailed if client_class is httpx.AsyncClient else SubmissionUnknown):
            await client.submit(ROOM)
    assert posts == (3 if client_class is httpx.AsyncClient else 1)
