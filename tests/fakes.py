"""Small stand-ins: a service that says whatever a test wants, and a network that breaks where a test wants."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.abc
import httpx
import pytest

from ideal_async import AsyncClient, ImageToVideo, Submission
from ideal_async._transports import httpcore_sent_nothing

ID = 1234567890123456789
KEY = "sk-do-not-show-me"
BASE_URL = "https://api.example"
#: httpx 0.28.1 and httpcore 1.0.9 leave their own generators behind when a body is not read to its end; trio says so.
HALF_READ = pytest.mark.filterwarnings(
    "ignore:Exception ignored .*<async_generator object",
    "ignore:Async generator 'http(x|core)[.]:ResourceWarning",  # from Python 3.14 on trio's own words come first
)
GENERATE, RESULT = "/api/v1/imageToVideo/generate", "/api/v1/imageToVideo/result"
ROOM = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="720p")


def envelope(data: Any = None, code: int = 0, message: str = "success") -> dict[str, Any]:
    return {"code": code, "message": message, "data": data}


def answer(
    data: Any = None, code: int = 0, message: str = "success", *, status: int = 200, **headers: str
) -> httpx.Response:
    return httpx.Response(status, json=envelope(data, code, message), headers=headers)


def look(status: str = "Processing", task_id: int = ID, **fields: Any) -> httpx.Response:
    output = {"resultUrl": f"https://cdn.example/{task_id}.mp4", "cover": f"https://cdn.example/{task_id}.jpg"}
    data = {"id": task_id, "status": status, "output": output if status == "Success" else None, **fields}
    return answer(data)


Reply = httpx.Response | Exception
Handler = Callable[[httpx.Request], Reply | Awaitable[Reply]]


class Service(httpx.AsyncBaseTransport):
    """Answers in process with what *submit*, *look* and *file* return, and keeps what it was asked.

    Each of them is one reply for all, a list of replies (the last one stays), or a function, sync or async.
    """

    @staticmethod
    def sent_nothing(error: BaseException) -> bool:
        """Be believed like httpcore, whose exceptions a test may use."""
        return httpcore_sent_nothing(error)

    def __init__(
        self,
        *,
        submit: Reply | Sequence[Reply] | Handler | None = None,
        look: Reply | Sequence[Reply] | Handler | None = None,
        file: Reply | Sequence[Reply] | Handler | None = None,
    ) -> None:
        self.requests: list[httpx.Request] = []
        self.times: list[float] = []
        self._file = list(file) if isinstance(file, Sequence) else file
        self._replies: dict[str, Any] = {
            path: list(reply) if isinstance(reply, Sequence) else reply
            for path, reply in ((GENERATE, submit), (RESULT, look))
        }

    def of(self, path: str) -> list[httpx.Request]:
        """The requests of one endpoint."""
        return [request for request in self.requests if request.url.path == path]

    @property
    def submits(self) -> list[dict[str, Any]]:
        """The bodies of the submits."""
        return [json.loads(request.content) for request in self.of(GENERATE)]

    @property
    def looks(self) -> list[int]:
        """The ids that were looked at."""
        return [int(request.url.params["taskId"]) for request in self.of(RESULT)]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """What httpx calls."""
        await request.aread()
        self.requests.append(request)
        self.times.append(anyio.current_time())
        reply = self._replies.get(request.url.path, self._file)
        if isinstance(reply, list):
            reply = reply.pop(0) if len(reply) > 1 else reply[0]
        if callable(reply):
            reply = reply(request)
        if isinstance(reply, Awaitable):
            reply = await reply
        if isinstance(reply, Exception):
            raise reply
        assert isinstance(reply, httpx.Response), f"nothing was expected of {request.url.path}"
        # A new object each time: a response is read once.
        return httpx.Response(reply.status_code, headers=reply.headers, stream=_Body(await reply.aread()))


class _Body(httpx.AsyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> Any:
        yield self._content


def note_id(ids: list[int]) -> Callable[[Submission], None]:
    """An `on_submit` that keeps the ids."""
    return lambda submission: ids.append(submission.task_id)


def client_of(service: httpx.AsyncBaseTransport, **more: Any) -> AsyncClient:
    return AsyncClient(KEY, base_url=BASE_URL, transport=service, **more)


@asynccontextmanager
async def loopback(serve: Callable[[anyio.abc.SocketStream], Awaitable[None]], port: int = 0) -> AsyncGenerator[str]:
    """A real socket server on 127.0.0.1 that treats each connection with *serve*; gives its base URL."""

    async def handle(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await serve(stream)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"  # noqa: S610 - no Django here
        await anyio.wait_all_tasks_blocked()  # what has just been accepted is handled, and so closed
        tasks.cancel_scope.cancel()


async def read_request(stream: anyio.abc.SocketStream) -> bytes:
    """One HTTP request, head and body."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += await stream.receive()
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += await stream.receive()
    return head + b"\r\n\r\n" + body


def http(content: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """An HTTP answer as bytes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content
