"""One attempt at a download: what comes is judged by its first bytes and its length, and kept as far as it goes."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime
from io import FileIO
from typing import Any, cast

import anyio
import attrs
import httpx

from ._answers import read_retry_after
from ._credentials import words_of
from ._excerpt import excerpt
from ._media import HEAD, Media, describe, is_media, is_page
from ._part import Part, write
from ._ranges import OK, PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE, UNBOUND, Held, Start, ask, begin
from ._transports import Unpacker

#: Bytes handed to the disk at once: large enough that leaving the event loop costs little.
CHUNK = 1 << 18
#: Seconds; between two chunks, so a slow download may take its time and a dead one may not.
#: To connect, read, write, and get a connection.
TIMEOUT = (10.0, 60.0, 10.0, 10.0)
#: Bytes a second on the average, beyond the time that every download has: a twentieth of what GPRS carries.
SLOWEST = 1 << 10
#: What storage services answer for a signed URL that is no longer valid.
EXPIRED = {400, 401, 403, 404, 410}
#: What they answer, too, before a file that was just made has reached every corner of a CDN.
NOT_THERE_YET = {403, 404}
#: Client errors that say nothing of the URL: 408 Request Timeout, 425 Too Early, 429 Too Many Requests.
LATER = {408, 425, 429}
#: Bytes of an answer that is not the file which are read for the error's sake.
READ_FOR_ERROR = 1 << 10
#: As many as httpx follows.
MOST_REDIRECTS = 20
BAD_REQUEST, SERVER_ERROR = 400, 500

LeaveLoop = Callable[..., Awaitable[Any]]


class DiskFailed(Exception):
    """The disk said no; what else raises an `OSError` is the network."""

    @property
    def words(self) -> str:
        """What it said."""
        error = self.__cause__
        if isinstance(error, UnicodeEncodeError):
            return (
                f"names of files are written in {error.encoding} here, which has no {error.object[error.start]!a}: "
                "set PYTHONUTF8=1, or choose another name"
            )
        return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


async def on_disk(leave_loop: LeaveLoop, function: Callable[..., Any], *args: object) -> Any:
    """Do something with the disk, outside of the event loop.

    Raises:
        DiskFailed: It said no.
    """
    try:
        return await leave_loop(function, *args)
    except (OSError, ValueError) as error:  # a ValueError: a name with a NUL
        raise DiskFailed from error


@attrs.frozen
class Trouble:
    """Why an attempt did not bring the file.

    Attributes:
        what: In words.
        status: Of the answer, if there was one.
        other: An answer came, and it is something else: a fresh URL may lead to the file.
        final: Another attempt brings the same.
        retry_after: Seconds that the server asked to wait.
    """

    what: str
    status: int | None = None
    other: bool = False
    final: bool = False
    retry_after: float | None = None


@attrs.define
class Attempt:
    """One request, whose answer goes on behind what is held.

    Attributes:
        part: Where the bytes go.
        media: What it has to be.
        identity: Names the result whatever its URL.
        held: What is there already.
        largest: Bytes of a result, at most.
        leave_loop: Runs a blocking function outside of the event loop.
        scope: Ends the attempt; its deadline moves on with each byte.
        came: Bytes that have come.
    """

    part: Part
    media: Media
    identity: str
    held: Held
    largest: int
    leave_loop: LeaveLoop
    scope: anyio.CancelScope
    came: int = 0

    async def bring(self, client: httpx.AsyncClient, url: str) -> Trouble | None:
        """Go on from what is held; `None`: the file is in its place.

        Raises:
            DiskFailed: It could not be written.
        """
        try:
            async with _open(client, url, ask(self.held)) as response:
                if response.status_code not in (OK, PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE):
                    return await _refused(response)
                start = begin(response.status_code, response.headers, self.held)
                if isinstance(start, str):
                    await self._disk(self.part.forget)
                    return Trouble(start, response.status_code, other=not self.held.received)
                if (start.total or 0) > self.largest:
                    return self._too_large()
                return await self._take(response, start)
        except DiskFailed:
            raise
        except Exception as error:  # noqa: BLE001 - transports raise what they like; all of it means: not all came
            seen: Any = getattr(error, "response", None)  # by a response hook of the user's, which raised
            status = getattr(seen, "status_code", None)
            if isinstance(status, int) and status >= BAD_REQUEST:
                with suppress(Exception):  # it may be no response of HTTP at all
                    return _trouble_of(status, seen.headers, b"")
            words = ": ".join(filter(None, (type(error).__name__, excerpt(words_of(error)))))
            return Trouble(f"the download broke off ({words})")

    async def _take(self, response: httpx.Response, start: Start) -> Trouble | None:
        """Bring what an answer holds behind what is held."""
        file = cast("FileIO", await self._disk(self.part.open, self.identity, start, self.held))
        try:
            received, whole = start.offset, True
            if response.status_code != RANGE_NOT_SATISFIABLE:
                received, whole = await self._pour(response, file, start)
            return await self._conclude(response, file, start, received, whole=whole)
        finally:
            if not file.closed:
                with anyio.CancelScope(shield=True):
                    await self._disk(file.close)

    async def _pour(self, response: httpx.Response, file: FileIO, start: Start) -> tuple[int, bool]:
        """Write a body as it comes, few but large pieces; when it breaks off, all that came of it is kept.

        Returns:
            The bytes that are there, and whether packing, if there was any, came to its end.
        """
        received, piece = start.offset, bytearray()
        suspect = start.offset == 0 and is_page(response.headers.get("content-type", ""))
        bodies, unpacker = _body_of(response)
        try:
            async with aclosing(cast("AsyncGenerator[bytes]", bodies)) as chunks:
                async for chunk in chunks:
                    self.came += len(chunk)
                    self.scope.deadline += len(chunk) / SLOWEST
                    bytes_ = unpacker.unpack(chunk, self.largest + 1)
                    received += len(bytes_)
                    piece += bytes_
                    if len(piece) >= CHUNK:
                        full, piece = piece, bytearray()
                        await self._disk(write, file, full)
                        if received > self.largest or (suspect and not is_media(self.media, bytes(full[:HEAD]))):
                            break  # an endless body, or a long page: the caller says so
                        suspect = False
        finally:
            if piece:
                with anyio.CancelScope(shield=True):
                    await self._disk(write, file, piece)
        return received, unpacker.complete

    async def _conclude(
        self, response: httpx.Response, file: FileIO, start: Start, received: int, *, whole: bool
    ) -> Trouble | None:
        """Put in place what came, or keep it for the next attempt, or throw it away."""
        head = await self._disk(self.part.head, READ_FOR_ERROR)
        status, total = response.status_code, start.total
        short = total is not None and received < total
        if received > self.largest:
            trouble = self._too_large()
        elif not is_media(self.media, head) and not (short and len(head) < HEAD):
            trouble = Trouble(f"no {self.media} came, but {_words(status, response.headers, head)}", status, other=True)
        elif total is not None and received > total:
            trouble = Trouble(f"{received} bytes came, of {total} that were announced", status)
        elif short:
            return Trouble(f"the download broke off ({received} of {total} bytes)")
        elif total is not None or (whole and await self._has_an_end(start)):
            await self._disk(self.part.complete, file, total)
            return None
        elif start.ends is None or start.etag is not None:
            return Trouble(f"the download broke off ({received} bytes came, and more belongs to it)")
        else:
            trouble = Trouble(UNBOUND, status, other=True)
        await self._disk(self.part.discard, file)
        return trouble

    async def _has_an_end(self, start: Start) -> bool:
        """Look for the end in the file itself, since nobody has announced it."""
        found = await self._disk(self.part.is_whole)
        return start.ends is None if found is None else found

    def _too_large(self) -> Trouble:
        return Trouble(f"it is larger than {self.largest} bytes, so no result of this service", final=True)

    async def _disk(self, function: Callable[..., Any], *args: object) -> Any:
        return await on_disk(self.leave_loop, function, *args)


@asynccontextmanager
async def _open(client: httpx.AsyncClient, url: str, headers: dict[str, str]) -> AsyncGenerator[httpx.Response]:
    """Ask for a file, and go where it has moved; httpx itself would read and unpack whatever a redirect brings."""
    request = client.build_request("GET", url, headers=headers, timeout=TIMEOUT)
    for _ in range(MOST_REDIRECTS + 1):
        response = await client.send(request, stream=True, follow_redirects=False)
        if response.next_request is None:
            break
        await _close(response)
        request = response.next_request
    else:
        raise httpx.TooManyRedirects(f"more than {MOST_REDIRECTS} redirects", request=request)
    try:
        yield response
    finally:
        await _close(response)


async def _close(response: httpx.Response) -> None:
    with anyio.CancelScope(shield=True):
        await response.aclose()


def _body_of(response: httpx.Response) -> tuple[AsyncIterator[bytes], Unpacker]:
    """Tell where the bytes of a body come from, and what unpacks them."""
    if response.is_stream_consumed:  # by a response hook of the user's: httpx has unpacked it
        return response.aiter_bytes(), Unpacker("")
    try:
        unpacker = Unpacker(response.headers.get("content-encoding", ""))
    except ValueError:  # it may be a label only, as S3's `aws-chunked` is: the first bytes tell
        unpacker = Unpacker("")
    return response.aiter_raw(), unpacker


async def _refused(response: httpx.Response) -> Trouble:
    """Tell of an answer whose status says that it is not the file."""
    body = bytearray()
    with suppress(Exception):  # whatever breaks here, the status is known
        bodies, unpacker = _body_of(response)
        async with aclosing(cast("AsyncGenerator[bytes]", bodies)) as chunks:
            async for chunk in chunks:
                body += unpacker.unpack(chunk, READ_FOR_ERROR)
                if len(body) >= READ_FOR_ERROR:
                    break
    return _trouble_of(response.status_code, response.headers, bytes(body))


def _trouble_of(status: int, headers: Mapping[str, str], body: bytes) -> Trouble:
    return Trouble(
        _words(status, headers, body),
        status,
        other=status < SERVER_ERROR and status not in LATER,
        final=status in EXPIRED - NOT_THERE_YET,
        retry_after=read_retry_after(headers.get("retry-after", ""), headers.get("date"), datetime.now(UTC)),
    )


def _words(status: int, headers: Mapping[str, str], body: bytes) -> str:
    label = headers.get("content-type", "").partition(";")[0]
    return ", ".join(filter(None, (f"HTTP {status}", label[:60], describe(body))))
