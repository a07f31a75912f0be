"""httpx over aiohttp: the same client for about 30 % less CPU (extra `fast`).

It is worth having where hundreds of jobs are in flight at once; a handful costs next to nothing either way. What it
saves on your machine `python -m benchmarks overhead` says, in a checkout.
"""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from functools import lru_cache
from ssl import SSLContext

import anyio.lowlevel
import httpx

from ._transports import (
    JUST_USED,
    KEEP_ALIVE,
    Proxies,
    aiohttp_sent_nothing,
    httpcore_sent_nothing,
    is_transport_patched,
    trusted,
)

try:
    import aiohttp
    import yarl
    from aiohttp import hdrs
    from multidict import CIMultiDict, CIMultiDictProxy
except ImportError as error:
    raise ImportError("the fast transport needs aiohttp: pip install 'ideal-async[fast]'") from error

#: What httpx calls an error of aiohttp: the first that fits.
_NAMES: dict[type[Exception], type[httpx.TransportError]] = {
    aiohttp.ClientHttpProxyError: httpx.ProxyError,
    aiohttp.ConnectionTimeoutError: httpx.ConnectTimeout,
    aiohttp.ClientConnectorError: httpx.ConnectError,
    asyncio.TimeoutError: httpx.ReadTimeout,
    aiohttp.ServerDisconnectedError: httpx.RemoteProtocolError,
    aiohttp.ClientPayloadError: httpx.RemoteProtocolError,
    aiohttp.ClientResponseError: httpx.RemoteProtocolError,
    aiohttp.InvalidURL: httpx.UnsupportedProtocol,
    aiohttp.NonHttpUrlClientError: httpx.UnsupportedProtocol,
    aiohttp.ClientError: httpx.ReadError,
}
_FAILURES = (aiohttp.ClientError, asyncio.TimeoutError)


def _translate(error: Exception) -> httpx.TransportError:
    if isinstance(error, aiohttp.ClientResponseError):  # its repr shows what was sent: the key, a proxy's password
        error.request_info = error.request_info._replace(headers=CIMultiDictProxy(CIMultiDict[str]()))
        error.args = (error.request_info, error.history)
    name = next(ours for theirs, ours in _NAMES.items() if isinstance(error, theirs))
    return name(str(error))


#: A put-together timeout is as good for the next request; there are two or three of them.
_timeout = lru_cache(maxsize=16)(aiohttp.ClientTimeout)


@lru_cache(maxsize=1000)
def _url(url: str) -> yarl.URL:
    """Read a URL as it was given: aiohttp would write `%2F` and `%27` anew, and a signature covers them.

    Raises:
        httpx.ConnectError: Nobody can have such a host or port. Its cause is a `ValueError`, as of no other.
    """
    try:
        parts = yarl.URL(url, encoded=True)
        _ = parts.port  # is looked at only now
        (parts.raw_host or "").encode("idna")  # as the resolver does it
    except ValueError as error:
        raise httpx.ConnectError(f"no host is called {httpx.URL(url).netloc.decode()} ({error}): correct it") from error
    return parts


class FastTransport(httpx.AsyncBaseTransport):
    """Carries requests with aiohttp on asyncio, and with httpx's own transport on trio, where there is no aiohttp.

    What has patched httpx's own transport to watch, mock or replay requests (OpenTelemetry, respx, pytest-httpx, vcrpy)
    is not passed by: then requests go through that one. Tools for aiohttp see the others.

    It speaks HTTP/1.1, and heeds the environment's proxies (`HTTPS_PROXY` and its like, but not `NO_PROXY`). aiohttp
    knows no SOCKS proxies. Once closed it may be used again.

    Args:
        verify: Whom to trust, as `httpx.create_ssl_context` makes it; by default the usual authorities.
        max_connections: At most; the client's own limits are far below.

    Raises:
        ValueError: A proxy of the environment is for SOCKS, or no URL; or the certificates cannot be read.

    Example:
        >>> from ideal_async import AsyncClient
        >>> client = AsyncClient("your-key", transport=FastTransport())
    """

    def __init__(self, *, verify: SSLContext | None = None, max_connections: int = 100) -> None:
        self._verify = verify or trusted()
        self._max_connections = max_connections
        self._proxies = Proxies()
        for name in self._proxies.variables("socks5", "socks5h"):
            raise ValueError(
                f"{name} names a SOCKS proxy, which aiohttp does not know: leave out transport=FastTransport()"
            )
        self._transports: dict[tuple[bool, str | None, bool], httpx.AsyncBaseTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one request: those that may cost money on a fresh or just used connection."""
        way = request.method == "POST", self._proxies.for_url(request.url), is_transport_patched()
        transport = self._transports.get(way)
        if transport is None:
            transport = self._open(JUST_USED if way[0] else KEEP_ALIVE, proxy=way[1], by_httpx=way[2])
            self._transports[way] = transport
        if not isinstance(transport, _SessionTransport):  # that one does so itself
            _url(str(request.url))  # one that leads nowhere, before anything is sent
        return await transport.handle_async_request(request)

    @staticmethod
    def sent_nothing(error: BaseException) -> bool:
        """Tell whether a request that ended in *error* certainly never left."""
        cause = error.__cause__
        if isinstance(cause, aiohttp.ClientResponseError) and cause.request_info.method == hdrs.METH_CONNECT:
            return True  # what a proxy said instead of opening the tunnel
        nowhere = isinstance(error, httpx.ConnectError) and isinstance(cause, ValueError)
        return nowhere or aiohttp_sent_nothing(error) or httpcore_sent_nothing(error)

    def _open(self, keep_alive: float, *, proxy: str | None, by_httpx: bool) -> httpx.AsyncBaseTransport:
        through = None if proxy is None else httpx.Proxy(proxy)
        if through is not None:
            _url(str(through.url))
        loop = anyio.lowlevel.current_token().native_token
        if by_httpx or not isinstance(loop, asyncio.AbstractEventLoop):
            limits = httpx.Limits(
                max_connections=self._max_connections, max_keepalive_connections=None, keepalive_expiry=keep_alive
            )
            return httpx.AsyncHTTPTransport(verify=self._verify, limits=limits, proxy=through)
        connector = aiohttp.TCPConnector(limit=self._max_connections, keepalive_timeout=keep_alive, ssl=self._verify)
        jar = aiohttp.DummyCookieJar()  # httpx's transports keep no cookies either
        session = aiohttp.ClientSession(connector=connector, cookie_jar=jar, auto_decompress=False)
        return _SessionTransport(session, proxy=through)

    async def aclose(self) -> None:
        """Close the connections."""
        transports, self._transports = self._transports, {}
        for transport in transports.values():
            await transport.aclose()


class _SessionTransport(httpx.AsyncBaseTransport):
    """Carries requests by a session of aiohttp, which it closes.

    Args:
        session: It neither keeps cookies nor unpacks bodies.
        proxy: With its password, if it asks for one.
    """

    def __init__(self, session: aiohttp.ClientSession, *, proxy: httpx.Proxy | None) -> None:
        self.session = session
        # The password is not in the URL, which aiohttp shows in its errors, and it may be of any characters.
        self._proxy = None if proxy is None else _url(str(proxy.url))
        self._password: dict[str, str] = {}
        if proxy is not None and proxy.raw_auth is not None:
            self._password["Proxy-Authorization"] = f"Basic {b64encode(b':'.join(proxy.raw_auth)).decode()}"

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one request; a redirect is an answer like another."""
        times = request.extensions.get("timeout", {})
        headers: Mapping[str, str] = request.headers
        if self._password and request.url.scheme == "http":
            headers = {**headers, **self._password}  # aiohttp shows `proxy_headers` only to a proxy that makes a tunnel
        content: bytes | AsyncIterable[bytes] | None
        if isinstance(request.stream, httpx.ByteStream):
            content = request.read() or None  # httpx has not read that of a redirected request
        else:
            content = request.stream  # type: ignore[assignment]  # the request of an asynchronous client
            headers = {
                name: value for name, value in headers.items() if name != "transfer-encoding"
            }  # aiohttp's to write
        try:
            answer = await self.session.request(
                request.method,
                _url(str(request.url)),
                headers=headers,
                data=content,
                allow_redirects=False,
                timeout=_timeout(
                    connect=times.get("pool"), sock_connect=times.get("connect"), sock_read=times.get("read")
                ),
                server_hostname=request.extensions.get("sni_hostname"),
                proxy=self._proxy,
                proxy_headers=self._password,
            )
        except _FAILURES as error:
            raise _translate(error) from error
        return httpx.Response(
            answer.status,
            headers=answer.raw_headers,
            stream=_Stream(answer),
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": (answer.reason or "").encode("ascii", "replace")},
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self.session.close()


class _Stream(httpx.AsyncByteStream):
    """A body as aiohttp reads it."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.content.iter_any():
                yield chunk
        except _FAILURES as error:
            # aiohttp raises ahead of what it has received; no public way leads there.
            for chunk in tuple(getattr(self._answer.content, "_buffer", ())):
                yield chunk
            raise _translate(error) from error

    async def aclose(self) -> None:
        self._answer.release()
