"""The sandbox in process, as an httpx transport: whatever the host, no socket is opened."""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, MutableMapping
from contextlib import contextmanager
from typing import Any

import anyio
import httpx

from ._http import EXTENSION, Answer, Chunks, Dropped, Receive, Scope


class SandboxTransport(httpx.AsyncBaseTransport):
    """Hands every request to the sandbox's app; runs on asyncio and trio, in real and in virtual time.

    A dropped connection raises what httpx raises on a network, and read timeouts hold: an answer that is late raises
    `httpx.ReadTimeout`. Closing the transport does nothing, so that several clients can share one sandbox.

    >>> import httpx
    >>> from ideal_async.sandbox import Sandbox
    >>> client = httpx.AsyncClient(transport=Sandbox(render=False).transport)
    """

    def __init__(self, respond: Callable[[Scope, Receive], Awaitable[Answer]]) -> None:
        self._respond = respond

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange."""
        body = await request.aread()
        port = request.url.port or {"http": 80, "https": 443}.get(request.url.scheme, 80)
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": request.url.raw_path.split(b"?")[0],
            "query_string": request.url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": ("127.0.0.1", 0),
            "server": (request.url.host, port),
            "extensions": {EXTENSION: {"in_process": True, "local": True}},
        }
        wait: float | None = request.extensions.get("timeout", {}).get("read")

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        try:
            with _patience(wait):
                answer = await self._respond(scope, receive)
        except Dropped:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.") from None
        chunks = Chunks(answer, head=request.method == "HEAD")
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=_Body(chunks, wait))


@contextmanager
def _patience(seconds: float | None) -> Generator[None]:
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError:
        raise httpx.ReadTimeout(f"no answer within {seconds} seconds") from None


class _Body(httpx.AsyncByteStream):
    """The body as it comes, each piece within *wait* seconds; it ends early where the connection is dropped."""

    def __init__(self, chunks: Chunks, wait: float | None) -> None:
        self._chunks = chunks
        self._wait = wait

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            with _patience(self._wait):
                return await anext(self._chunks)
        except Dropped:
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body") from None

    async def aclose(self) -> None:
        await self._chunks.aclose()
