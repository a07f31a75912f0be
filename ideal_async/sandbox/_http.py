"""ASGI spelled out: reading a request, sending an answer, and breaking off like a bad network."""

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import anyio
import attrs

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Bytes of a file sent at once: a clip of a megabyte takes four trips to the disk.
CHUNK = 256 * 1024

#: What follows an endless body, and how often, in seconds.
BLANKS = b" " * 16 * 1024
ENDLESS_INTERVAL = 0.1

#: Statuses that may not announce a length (RFC 9110, section 8.6).
NO_LENGTH = {204}


#: What may stand in a Host header, so that a result URL built from it is one.
HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


#: ASGI's place for what a server of ours knows of a request, and no other does: the last fields of `Request`.
EXTENSION = "ideal_async.sandbox"


class Dropped(Exception):
    """The connection shall die here; whoever runs the app sees to it."""


class TooLarge(Exception):
    """The request body is larger than allowed."""


@attrs.define
class Notes:
    """What is found out about a request on the way, for the log."""

    faults: list[str] = attrs.field(factory=list[str])
    task_id: int | None = None


@attrs.frozen
class Request:
    """One request, read as far as its headers."""

    method: str
    path: str
    #: Path and query as they were on the wire, escapes and all.
    target: bytes
    query: bytes
    headers: dict[str, str] = attrs.field(repr=False)  # the key is among them
    scheme: str
    host: str
    receive: Receive
    #: Called by the program that holds the sandbox, without a server in between.
    in_process: bool = False
    #: Whether nobody but this machine can have sent it, as far as that is known.
    local: bool = False
    #: The name the server listens on.
    served_as: str | None = None
    notes: Notes = attrs.field(factory=Notes)

    @property
    def base(self) -> str:
        """The address the client used: result URLs begin with it, so they work wherever the call worked."""
        return f"{self.scheme}://{self.host}"


def read_head(scope: Scope, receive: Receive) -> Request:
    """The request that a *scope* of type "http" describes."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    host = headers.get("host", "")
    query: bytes = scope["query_string"]
    path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()  # ASGI makes it optional
    return Request(
        method=scope["method"],
        path=scope["path"],
        target=path + b"?" + query if query else path,
        query=query,
        headers=headers,
        scheme=scope["scheme"],
        host=host if HOST.fullmatch(host) else "localhost",
        receive=receive,
        **scope.get("extensions", {}).get(EXTENSION, {}),
    )


@attrs.frozen
class Answer:
    """What is sent back: a status, headers and a body, which may be a part of a file.

    Of a body of n bytes `cut` sends only so many before the connection dies; `rate` is in bytes a second; an `endless`
    one goes on with blanks, and announces no length.
    """

    status: int
    body: bytes | Path
    media_type: str = "application/json"
    headers: dict[str, str] = attrs.field(factory=dict[str, str])
    #: Where in the file to start and how many bytes to send.
    start: int = 0
    size: int | None = None
    cut: int | None = None
    rate: int | None = None
    endless: bool = False

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return len(self.body) if isinstance(self.body, bytes) else self.size or 0

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """All headers, as ASGI and httpx have them."""
        headers = {
            "date": formatdate(time.time(), usegmt=True),
            "content-type": self.media_type,
            "content-length": str(self.length),
            # What is said to be text or a picture shall not become a page because it looks like one.
            "x-content-type-options": "nosniff",
            **self.headers,
        }
        if self.endless or self.status in NO_LENGTH:
            del headers["content-length"]
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


class Chunks:
    """The body of an answer, a piece at a time, at the answer's pace. To be closed.

    Raises:
        Dropped: the answer was to be cut here.

    """

    def __init__(self, answer: Answer, *, head: bool = False) -> None:
        self._answer = answer
        self._sent = 0
        self._stop = answer.length if answer.cut is None else min(answer.cut, answer.length)
        self._file: anyio.AsyncFile[bytes] | None = None
        if head:
            self._answer, self._stop = attrs.evolve(answer, cut=None, endless=False), 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        answer = self._answer
        if self._sent == self._stop:
            if answer.cut is not None:
                raise Dropped
            if not answer.endless:
                raise StopAsyncIteration
            await anyio.sleep(ENDLESS_INTERVAL)
            return BLANKS
        size = min(CHUNK, self._stop - self._sent)
        if answer.rate is not None:
            size = min(size, answer.rate)
            await anyio.sleep(size / answer.rate)
        chunk = await self._read(size)
        self._sent += len(chunk)
        return chunk

    async def _read(self, size: int) -> bytes:
        start = self._answer.start + self._sent
        if isinstance(self._answer.body, bytes):
            return self._answer.body[start : start + size]
        if self._file is None:
            self._file = await anyio.open_file(self._answer.body, "rb")
            await self._file.seek(start)
        return await self._file.read(size)

    async def aclose(self) -> None:
        """Close the file, if one was opened."""
        if self._file is not None:
            await self._file.aclose()


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
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.raw_headers})
    chunks = Chunks(answer, head=head)
    try:
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    finally:
        with anyio.CancelScope(shield=True):
            await chunks.aclose()
    await send({"type": "http.response.body", "body": b""})
