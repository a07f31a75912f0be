"""Connections of our own for looks: each in a pool of one, so that a look costs the same however many there are."""

import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import cast

import anyio
import httpx

from .proof import httpcore_sent_nothing

#: Lanes that nobody uses, each with when it was last used: the latest at the right.
_Idle = deque[tuple[httpx.AsyncBaseTransport, float]]


class LaneTransport(httpx.AsyncBaseTransport):
    """Lanes of one connection each; the one that was used last goes first, so that few are open.

    httpcore 1.0.9 examines all connections of a pool twice a request, and asks the kernel about each that is idle: on
    seven connections that was a tenth of the CPU of a look. It also loses the slot of a request that is cancelled while
    it connects: what goes wrong on a lane is the end of that lane, and the next request opens another. How many there
    are at once is up to those who send.

    Args:
        make: Makes a lane: a transport of one connection.
        keep_alive: Seconds after which a lane that nobody used is closed.
    """

    def __init__(self, make: Callable[[], httpx.AsyncBaseTransport], *, keep_alive: float) -> None:
        self._make = make
        self._keep_alive = keep_alive
        self._idle: _Idle = deque()

    def __len__(self) -> int:
        return len(self._idle)

    @staticmethod
    def sent_nothing(error: BaseException) -> bool:
        """Tell whether a request that ended in *error* certainly never left."""
        return httpcore_sent_nothing(error)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; it has its lane until its body is closed."""
        idle = self._idle
        lane = idle.pop()[0] if idle else self._make()
        try:
            if idle and idle[0][1] + self._keep_alive < time.monotonic():
                await idle.popleft()[0].aclose()  # before there is an answer that could be lost meanwhile
            response = await lane.handle_async_request(request)
        except BaseException:
            await close(lane)
            raise
        response.stream = _Stream(cast("httpx.AsyncByteStream", response.stream), lane, self, idle)
        return response

    async def give_back(self, lane: httpx.AsyncBaseTransport, idle: _Idle) -> None:
        """Take a lane back whose request is over; close it if all others were closed meanwhile."""
        if idle is self._idle:
            idle.append((lane, time.monotonic()))
        else:
            await lane.aclose()

    async def aclose(self) -> None:
        """Close the lanes that nobody uses now, and the others when they are given back."""
        idle, self._idle = self._idle, deque()
        for lane, _ in idle:
            await lane.aclose()


async def close(lane: httpx.AsyncBaseTransport) -> None:
    """Close a lane on which something went wrong, whoever is cancelled meanwhile."""
    with anyio.CancelScope(shield=True):
        await lane.aclose()


class _Stream(httpx.AsyncByteStream):
    """A body whose end gives its lane back."""

    def __init__(
        self, stream: httpx.AsyncByteStream, lane: httpx.AsyncBaseTransport, lanes: LaneTransport, idle: _Idle
    ) -> None:
        self._stream = stream
        self._lane: httpx.AsyncBaseTransport | None = lane
        self._lanes = lanes
        self._idle = idle

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        lane, self._lane = self._lane, None
        if lane is not None:
            try:
                await self._stream.aclose()
            except BaseException:
                await close(lane)
                raise
            await self._lanes.give_back(lane, self._idle)
