"""httpx over aiohttp: the same client for about a quarter less CPU (extra `fast`).

It is worth having where hundreds of jobs are in flight at once; a handful costs next to nothing either way. What it
saves on your machine `python -m benchmarks overhead` says, in a checkout.
"""

import asyncio
from contextvars import ContextVar
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
    from httpx_aiohttp import AiohttpTransport
except ImportError as error:
    raise ImportError("the fast transport needs aiohttp: pip install 'ideal-async[fast]'") from error

#: The URL of the request that is being sent.
_url: ContextVar[str] = ContextVar("_url")


async def _keep_url(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Put the URL on the wire as it was given: aiohttp writes `%2F` and `%27` anew, and a signature covers them."""
    request.url = yarl.URL(_url.get(), encoded=True)
    return await send(request)


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
        if way not in self._transports:
            self._transports[way] = self._open(JUST_USED if way[0] else KEEP_ALIVE, proxy=way[1], by_httpx=way[2])
        _url.set(str(request.url))
        return await self._transports[way].handle_async_request(request)

    @staticmethod
    def sent_nothing(error: BaseException) -> bool:
        """Tell whether a request that ended in *error* certainly never left."""
        return aiohttp_sent_nothing(error) or httpcore_sent_nothing(error)

    def _open(self, keep_alive: float, *, proxy: str | None, by_httpx: bool) -> httpx.AsyncBaseTransport:
        limits = httpx.Limits(
            max_connections=self._max_connections, max_keepalive_connections=None, keepalive_expiry=keep_alive
        )
        loop = anyio.lowlevel.current_token().native_token
        if by_httpx or not isinstance(loop, asyncio.AbstractEventLoop):
            return httpx.AsyncHTTPTransport(verify=self._verify, limits=limits, proxy=proxy)
        connector = aiohttp.TCPConnector(limit=self._max_connections, keepalive_timeout=keep_alive, ssl=self._verify)
        session = aiohttp.ClientSession(connector=connector, middlewares=[_keep_url])
        through = None if proxy is None else httpx.Proxy(proxy)
        return AiohttpTransport(verify=self._verify, limits=limits, client=session, proxy=through)

    async def aclose(self) -> None:
        """Close the connections."""
        transports, self._transports = self._transports, {}
        for transport in transports.values():
            await transport.aclose()
