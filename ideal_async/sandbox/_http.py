"""ASGI spelled out: reading a request, sending an answer, and breaking off like a bad network."""

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import anyio
import attrs

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Bytes of a file sent at once: a clip of a megabyte takes four trips to the disk.
CHUNK = 256 * 1024


class Dropped(Exception):
    """The connection shall die here; whoever runs the app sees to it."""


class TooLarge(Exception):
    """The request body is larger than allowed."""


@attrs.frozen
class Answer:
    """What is sent back: a status, headers and a body, which may be a part of a file.

    Of a body of n bytes `cut` sends only so many before the connection dies.
    """

    status: int
    body: bytes | Path
    media_type: str = "application/json"
    headers: dict[str, str] = attrs.field(factory=dict[str, str])
    #: Where in the file to start and how many bytes to send.
    start: int = 0
    size: int | None = None
    cut: int | None = None

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return len(self.body) if isinstance(self.body, bytes) else self.size or 0


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole request body.

    Raises:
        TooLarge: after *limit* bytes, without reading on.
        Dropped: the client has gone.

    """
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Dropped
        body += message.get("body", b"")
        if len(body) > limit:
            raise TooLarge
        if not message.get("more_body", False):
            return bytes(body)


async def send_answer(answer: Answer, send: Send, *, head: bool = False) -> None:
    """Send *answer*, or only its headers to a HEAD request.

    Raises:
        Dropped: the answer was to be cut.

    """
    size = answer.length
    headers = {"content-type": answer.media_type, "content-length": str(size), **answer.headers}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    left = 0 if head else size if answer.cut is None else min(answer.cut, size)
    if isinstance(answer.body, bytes):
        await send({"type": "http.response.body", "body": answer.body[:left], "more_body": left < size and not head})
    else:
        async with await anyio.open_file(answer.body, "rb") as file:
            await file.seek(answer.start)
            while left:
                chunk = await file.read(min(CHUNK, left))
                left -= len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if answer.cut is None or head:
            await send({"type": "http.response.body", "body": b""})
    if answer.cut is not None and not head:
        raise Dropped
