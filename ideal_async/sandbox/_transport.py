"""The sandbox in process, as an httpx transport: whatever the host, no socket is opened."""

from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import anyio
import httpx

from ._http import App, Dropped


class SandboxTransport(httpx.AsyncBaseTransport):
    """Hands every request to the sandbox's app; runs on asyncio and trio, in real and in virtual time.

    A dropped connection raises what httpx raises on a network, and read timeouts hold: an answer that is late raises
    `httpx.ReadTimeout`. Closing the transport does nothing, so that several clients can share one sandbox.

    >>> import httpx
    >>> from ideal_async.sandbox import Sandbox
    >>> client = httpx.AsyncClient(transport=Sandbox(render=False).transport)
    """

    def __init__(self, app: App) -> None:
        self._app = app

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
        }
        answer = _Exchange(body)
        wait: float | None = request.extensions.get("timeout", {}).get("read")
        try:
            with anyio.fail_after(wait):
                await self._app(scope, answer.receive, answer.send)
        except TimeoutError:
            raise httpx.ReadTimeout(f"no answer within {wait} seconds", request=request) from None
        except Dropped:
            if answer.status is None:
                raise httpx.RemoteProtocolError(
                    "Server disconnected without sending a response.", request=request
                ) from None
            answer.dropped = True
        return httpx.Response(answer.status or 500, headers=answer.headers, stream=answer, request=request)


class _Exchange(httpx.AsyncByteStream):
    """Both ends of one exchange; afterwards the body, which ends early where the connection was dropped."""

    def __init__(self, body: bytes) -> None:
        self._request = body
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.chunks: list[bytes] = []
        self.dropped = False

    async def receive(self) -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": self._request, "more_body": False}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], message["headers"]
        elif message.get("body"):
            self.chunks.append(message["body"])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
        if self.dropped:
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
