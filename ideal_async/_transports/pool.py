"""Connections of our own that are replaced when they have lost slots."""

from collections.abc import AsyncIterator, Callable

import httpx

from .proof import httpcore_sent_nothing


class _Generation:
    """One pool, and how many requests use it."""

    __slots__ = ("retired", "transport", "users")

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self.transport = transport
        self.users = 0
        self.retired = False

    async def leave(self) -> None:
        """A request has ended; the last one closes what was replaced."""
        self.users -= 1
        if self.retired and self.users == 0:
            await self.transport.aclose()


class _Stream(httpx.AsyncByteStream):
    """A body whose end is the end of its request."""

    def __init__(self, stream: httpx.AsyncByteStream, generation: _Generation) -> None:
        self._stream = stream
        self._generation: _Generation | None = generation

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        generation, self._generation = self._generation, None
        try:
            await self._stream.aclose()
        finally:
            if generation is not None:
                await generation.leave()


class RenewedTransport(httpx.AsyncBaseTransport):
    """A pool that is replaced when it claims to be full although it is not.

    httpcore 1.0.9 loses a slot for ever when TLS fails inside the tunnel of a proxy: after a few of those there is
    nothing but `PoolTimeout`, also when the proxy is well again.

    Args:
        make: Makes a pool.
        size: Its connections, at most.
    """

    def __init__(self, make: Callable[[], httpx.AsyncBaseTransport], *, size: int) -> None:
        self._make = make
        self._size = size
        self._now = _Generation(make())

    @staticmethod
    def sent_nothing(error: BaseException) -> bool:
        """Tell whether a request that ended in *error* certainly never left."""
        return httpcore_sent_nothing(error)

    @property
    def pool(self) -> httpx.AsyncBaseTransport:
        """The pool that takes new requests."""
        return self._now.transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the old pool is closed when its last one has ended."""
        generation = self._now
        try:
            return await self._send(request, generation)
        except httpx.PoolTimeout:
            if generation is self._now:  # it is as full as it says
                raise
        return await self._send(request, self._now)  # nothing was sent

    async def _send(self, request: httpx.Request, generation: _Generation) -> httpx.Response:
        generation.users += 1
        try:
            response = await generation.transport.handle_async_request(request)
        except BaseException as error:
            if isinstance(error, httpx.PoolTimeout) and generation.users <= self._size and not generation.retired:
                generation.retired, self._now = True, _Generation(self._make())
            await generation.leave()
            raise
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _Stream(response.stream, generation)
        return response

    async def aclose(self) -> None:
        """Close what takes new requests; what was replaced is closed by its last request."""
        await self._now.transport.aclose()
