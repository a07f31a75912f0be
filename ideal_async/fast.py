"""httpx over aiohttp: the same client for half the CPU (extra `fast`)."""

import asyncio
from ssl import SSLContext

import anyio.lowlevel
import httpx

from ._transports import JUST_USED, KEEP_ALIVE

try:
    from httpx_aiohttp import AiohttpTransport
except ImportError as error:
    raise ImportError("the fast transport needs aiohttp: pip install 'ideal-async[fast]'") from error


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
        return await self._transports[request.method != "POST"].handle_async_request(request)

    def _open(self, keep_alive: float) -> httpx.AsyncBaseTransport:
        self._verify = self._verify or httpx.create_ssl_context()  # reads the certificates once
        limits = httpx.Limits(
            max_connections=self._max_connections, max_keepalive_connections=None, keepalive_expiry=keep_alive
        )
        on_asyncio = isinstance(anyio.lowlevel.current_token().native_token, asyncio.AbstractEventLoop)
        transport = AiohttpTransport if on_asyncio else httpx.AsyncHTTPTransport
        return transport(verify=self._verify, limits=limits)

    async def aclose(self) -> None:
        """Close the connections."""
        for sender in self._transports or ():
            await sender.aclose()
