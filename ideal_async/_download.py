"""Downloads: a file that is there is the result, whole; a file that is not can be continued."""

import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import anyio
import attrs
import httpx

from ._errors import DownloadFailed, IdealError
from ._identity import redact_url
from ._media import HEAD, Media, excerpt, is_media, is_page
from ._part import Part, write
from ._ranges import OK, PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE, Held, Start, ask, begin
from ._retry import Retry

logger = logging.getLogger("ideal_async")

#: Bytes handed to the disk at once: large enough that leaving the event loop costs little.
CHUNK = 1 << 18
#: Seconds; between two chunks, so a slow download may take its time and a dead one may not.
#: To connect, read, write, and get a connection.
TIMEOUT = (10.0, 60.0, 10.0, 10.0)
#: Bytes. Ten seconds in 4K at 100 Mbit/s, the rate of a camera, are 125 MB: whatever is larger is none of our videos.
LARGEST = 1 << 29
#: Bytes a second on the average, after `GRACE` seconds: a twentieth of what GPRS carries. A body that drips ends.
SLOWEST = 1 << 10
GRACE = 120.0
#: What storage services answer for a signed URL that is no longer valid.
EXPIRED = {400, 401, 403, 404, 410}
#: What they answer, too, before a file that was just made has reached every corner of a CDN...
NOT_THERE_YET = {403, 404}
#: ...which takes seconds; half a second, one, two and four behind each other.
PATIENCE = 10.0
_PATIENT = Retry(wait_max=4.0)
#: Client errors that say nothing of the URL: 408 Request Timeout, 425 Too Early, 429 Too Many Requests.
LATER = {408, 425, 429}
#: Bytes of an answer that is not the file which are read for the error's sake.
READ_FOR_ERROR = 1 << 10
SERVER_ERROR = 500

LeaveLoop = Callable[..., Awaitable[Any]]
Refresh = Callable[[], Awaitable[str | None]]


class _DiskFailed(Exception):
    """The disk said no; what else raises an `OSError` is the network."""


@attrs.frozen
class _Trouble:
    """Why an attempt did not bring the file.

    Attributes:
        what: In words.
        status: Of the answer, if there was one.
        other: An answer came, and it is something else: a fresh URL may lead to the file.
        final: Another attempt brings the same.
    """

    what: str
    status: int | None = None
    other: bool = False
    final: bool = False


@attrs.define
class _Download:
    """One call of `Downloads.download`.

    Attributes:
        identity: Names the result whatever its URL.
        seconds: Spent with attempts so far.
        came: Bytes that came in them.
        most: Bytes that were ever there.
        failures: Attempts in a row that brought nothing more.
        misses: How often the file was not there.
        missed_at: When it was not there first.
    """

    part: Part
    media: Media
    identity: str
    task_id: int
    seconds: float = 0.0
    came: int = 0
    most: int = 0
    failures: int = 0
    misses: int = 0
    missed_at: float = 0.0

    @property
    def allowed(self) -> float:
        """Seconds that attempts may have taken by now."""
        return GRACE + self.came / SLOWEST

    def delay(self, retry: Retry, trouble: _Trouble, held: Held) -> float | None:
        """Tell the seconds before the next attempt; `None`: it would be in vain."""
        if trouble.final:
            return None
        now, roll = anyio.current_time(), random.random()
        if trouble.status in NOT_THERE_YET:
            self.misses += 1
            if self.misses == 1:
                self.missed_at = now
            return _PATIENT.pause(attempt=self.misses, roll=roll) if now - self.missed_at < PATIENCE else None
        # Measured against the best ever: where every attempt starts over, the last one may have been a bad one.
        self.failures = 1 if held.received > self.most else self.failures + 1
        self.most = max(self.most, held.received)
        return retry.pause(attempt=self.failures, roll=roll) if self.failures < retry.attempts else None

    def failure(self, message: str, held: Held, status: int | None = None) -> DownloadFailed:
        """Make the error to raise."""
        rest = f"{held.received} bytes are kept, call again to resume"
        rest = rest if held.received else "nothing is kept, call again to start over"
        return DownloadFailed(
            f"{message}; {rest}",
            path=str(self.part.target),
            received=held.received,
            task_id=self.task_id,
            http_status=status,
        )


class Downloads:
    """Streams results to disk, resumed and without the API key.

    Args:
        client: Has no key of its own.
        at_once: Downloads in flight; a limiter of their own, so that they never hold up the looks.
        retry: How often a broken download is taken up again without any progress.
        leave_loop: Runs a blocking function outside of the event loop.
        largest: Bytes of a result, at most.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        at_once: int,
        retry: Retry,
        leave_loop: LeaveLoop,
        largest: int = LARGEST,
    ) -> None:
        self._client = client
        self._slots = anyio.CapacityLimiter(at_once)
        self._retry = retry
        self._leave_loop = leave_loop
        self._largest = largest
        self._active: set[Path] = set()

    async def download(
        self, url: str, path: Path, *, media: Media, identity: str, task_id: int, refresh: Refresh
    ) -> None:
        """Bring *url* to *path*.

        Args:
            url: Of the result.
            path: Of the file.
            media: What it has to be.
            identity: Names the result whatever its URL; a part of something else is not continued.
            task_id: For the errors.
            refresh: Asks for a fresh URL when this one leads to something else; `None`: there is none.

        Raises:
            DownloadFailed: The file is not complete; calling again resumes it.
            RuntimeError: This path is being downloaded already.
        """
        if path in self._active:
            raise RuntimeError(f"{path} is being downloaded already: wait for that, or choose another path")
        self._active.add(path)
        try:
            await self._download(url, _Download(Part(path), media, identity, task_id), refresh)
        finally:
            self._active.discard(path)

    async def _download(self, url: str, this: _Download, refresh: Refresh) -> None:
        fresh, cause = False, None
        held: Held = await self._leave_loop(this.part.held, this.identity)
        this.most = held.received
        while True:
            try:
                trouble = await self._attempt(url.strip(), this, held)
            except _DiskFailed as failed:
                held = await self._leave_loop(this.part.held, this.identity)
                error = failed.__cause__
                words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                raise this.failure(f"cannot write {this.part.file}: {words}", held) from error
            if trouble is None:
                return
            held = await self._leave_loop(this.part.held, this.identity)
            if trouble.other and not fresh:
                fresh = True
                try:
                    url = await refresh() or url
                except IdealError as error:
                    cause = error  # told if the URL that we have brings nothing either
                continue
            delay = this.delay(self._retry, trouble, held)
            if delay is None or self._client.is_closed:
                raise this.failure(trouble.what, held, trouble.status) from cause
            logger.info("download for task %d: resumed at %d bytes", this.task_id, held.received)
            await anyio.sleep(delay)

    async def _attempt(self, url: str, this: _Download, held: Held) -> _Trouble | None:
        """Go on from what is held; `None`: it is done."""
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            what = f"{redact_url(url)!r} is no URL that begins with https://: the service gave it, report it there"
            return _Trouble(what, other=True, final=True)
        async with self._slots:
            began = anyio.current_time()
            with anyio.CancelScope(deadline=began + this.allowed - this.seconds) as scope:
                try:
                    return await self._bring(url, this, held, scope)
                finally:
                    this.seconds += anyio.current_time() - began
        return _Trouble(f"the download is slower than {SLOWEST} bytes a second", final=True)

    async def _bring(self, url: str, this: _Download, held: Held, scope: anyio.CancelScope) -> _Trouble | None:
        file: FileIO | None = None
        try:
            async with self._client.stream(
                "GET", url, headers=ask(held), timeout=TIMEOUT, follow_redirects=True
            ) as response:
                if response.status_code not in (OK, PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE):
                    return await _other(response)
                start = begin(response.status_code, response.headers, held)
                if start is None:
                    await self._disk(this.part.forget)
                    return _Trouble("it is another file now", response.status_code, other=not held.received)
                if (start.total or 0) > self._largest:
                    return self._too_large()
                file = sink = cast("FileIO", await self._disk(this.part.open, this.identity, start, held))
                received = start.offset
                if response.status_code != RANGE_NOT_SATISFIABLE:
                    received = await self._pour(response, sink, this, start, scope)
                return await self._conclude(response, sink, this, start, received)
        except _DiskFailed:
            raise
        except Exception as error:  # noqa: BLE001 - transports raise what they like; all of it means: not all came
            return _Trouble(f"the download broke off ({type(error).__name__})")
        finally:
            if file is not None and not file.closed:
                with anyio.CancelScope(shield=True):
                    await self._disk(file.close)

    async def _conclude(
        self, response: httpx.Response, sink: FileIO, this: _Download, start: Start, received: int
    ) -> _Trouble | None:
        """Put in place what came, if it is all and what was asked for."""
        head = await self._disk(this.part.head, READ_FOR_ERROR)
        cut = start.total is not None and received != start.total
        if received > self._largest:
            trouble = self._too_large()
        elif not is_media(this.media, head) and not (cut and len(head) < HEAD):
            what = f"no {this.media} came, but {_words(response, head)}"
            trouble = _Trouble(what, response.status_code, other=True)
        elif cut:
            return _Trouble(f"the download broke off ({received} of {start.total} bytes)")
        else:
            await self._disk(this.part.complete, sink, start.total)
            return None
        await self._disk(this.part.discard, sink)
        return trouble

    async def _pour(
        self, response: httpx.Response, sink: FileIO, this: _Download, start: Start, scope: anyio.CancelScope
    ) -> int:
        """Write a body as it comes, few but large pieces; when it breaks off, all that came of it is kept."""
        received, piece = start.offset, bytearray()
        suspect = start.offset == 0 and is_page(response.headers.get("content-type", ""))
        try:
            async for chunk in response.aiter_bytes():
                received += len(chunk)
                this.came += len(chunk)
                scope.deadline += len(chunk) / SLOWEST
                piece += chunk
                if len(piece) >= CHUNK:
                    full, piece = piece, bytearray()
                    await self._disk(write, sink, full)
                    if received > self._largest or (suspect and not is_media(this.media, bytes(full[:HEAD]))):
                        break  # an endless body, or a long page: the caller says so
                    suspect = False
        finally:
            if piece:
                with anyio.CancelScope(shield=True):
                    await self._disk(write, sink, piece)
        return received

    def _too_large(self) -> _Trouble:
        return _Trouble(f"it is larger than {self._largest} bytes, so no result of this service", final=True)

    async def _disk(self, function: Callable[..., Any], *args: object) -> Any:
        try:
            return await self._leave_loop(function, *args)
        except OSError as error:
            raise _DiskFailed from error


async def _other(response: httpx.Response) -> _Trouble:
    """Tell of an answer whose status says that it is not the file."""
    body = bytearray()
    with suppress(Exception):  # whatever breaks here, the status is known
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) >= READ_FOR_ERROR:
                break
    status = response.status_code
    return _Trouble(
        _words(response, bytes(body)),
        status,
        other=status < SERVER_ERROR and status not in LATER,
        final=status in EXPIRED - NOT_THERE_YET,
    )


def _words(response: httpx.Response, body: bytes) -> str:
    label = response.headers.get("content-type", "").partition(";")[0]
    return ", ".join(filter(None, (f"HTTP {response.status_code}", label[:60], excerpt(body))))
