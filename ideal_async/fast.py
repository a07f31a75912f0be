"""httpx over aiohttp: the same client for half the CPU (extra `fast`)."""

import asyncio
from contextvars import ContextVar
from ssl import SSLContext

import anyio.lowlevel
import httpx

from ._transports import JUST_USED, KEEP_ALIVE, aiohttp_sent_nothing, httpcore_sent_nothing

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

    It speaks HTTP/1.1 and takes no proxies from the environment; for those pass a
    `httpx_aiohttp.HttpxAiohttpClient` of your own as `http_client`.

    Args:
        verify: Whom to trust, as `httpx.create_ssl_context` makes it; by default the usual authorities.
        max_connections: At most; the client's own limits are far below.

    Example:
        >>> from ideal_async import AsyncClient
        >>> client = AsyncClient("your-key", transport=FastTransport())
    """

    def __init__(self, *, verify: SSLContext | None = None, max_connections: int = 100) -> None:
        self._verify = verify
        self._max_connections = max_connections
        self._transports: tuple[httpx.AsyncBaseTransport, httpx.AsyncBaseTransport] | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one request: those that may cost money on a fresh or just used connection."""
        if self._transports is None:
            self._transports = self._open(JUST_USED), self._open(KEEP_ALIVE)
        _url.set(str(request.url))
        return await self._transports[request.method != "POST"].handle_async_request(request)

    @staticmethod
    def sent_nothing(error: BaseException) -> bool:
        """Tell whether a request that ended in *error* certainly never left."""
        return aiohttp_sent_nothing(error) or httpcore_sent_nothing(error)

    def _open(self, keep_alive: float) -> httpx.AsyncBaseTransport:
        self._verify = self._verify or httpx.create_ssl_context()  # reads the certificates once
        limits = httpx.Limits(
            max_connections=self._max_connections, max_keepalive_connections=None, keepalive_expiry=keep_alive
        )
        if not isinstance(anyio.lowlevel.current_token().native_token, asyncio.AbstractEventLoop):
            return httpx.AsyncHTTPTransport(verify=self._verify, limits=limits)
        connector = aiohttp.TCPConnector(limit=self._max_connections, keepalive_timeout=keep_alive, ssl=self._verify)
        session = aiohttp.ClientSession(connector=connector, middlewares=[_keep_url])
        return AiohttpTransport(verify=self._verify, limits=limits, client=session)

    async def aclose(self) -> None:
        """Close the connections."""
        for sender in self._transports or ():
            await sender.aclose()
