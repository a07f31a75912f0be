"""The disk: a file that is there is complete; a file that is not can be continued."""

import errno
import json
import logging
import os
import random
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, cast

import anyio
import attrs
import httpx

from ._errors import DownloadFailed
from ._ranges import OK, PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE, Held, Start, ask, begin
from ._retry import Retry

logger = logging.getLogger("ideal_async")

#: Bytes handed to the disk at once: large enough that leaving the event loop costs little.
CHUNK = 1 << 18
#: Seconds; between two chunks, so a slow download may take its time and a dead one may not.
#: To connect, read, write, and get a connection.
TIMEOUT = (10.0, 60.0, 10.0, 10.0)
ON_POSIX = os.name == "posix"
fcntl: Any = import_module("fcntl") if ON_POSIX else None
#: What storage services answer for a signed URL that is no longer valid.
EXPIRED = {400, 401, 403, 404, 410}

#: What file systems without locks answer, as some network shares; `Part.complete` looks all the same.
NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}

LeaveLoop = Callable[..., Awaitable[Any]]


class _DiskFailed(Exception):
    """The disk said no; what else raises an `OSError` is the network."""


@attrs.frozen
class Part:
    """The unfinished file beside the one that will be, and a note of what it is a part of."""

    target: Path

    @property
    def file(self) -> Path:
        """The bytes so far."""
        return self.target.with_name(self.target.name + ".part")

    @property
    def note(self) -> Path:
        """Which file they belong to."""
        return self.target.with_name(self.target.name + ".part.json")

    def held(self, identity: str) -> Held:
        """Tell what stands there of the file *identity*; what belongs to another one is of no use."""
        try:
            note = json.loads(self.note.read_text("utf-8"))
            received = self.file.stat().st_size
        except (OSError, ValueError):
            return Held()
        match note:
            case {"identity": str() as whose, "total": int() | None as total, "etag": str() | None as etag}:
                return Held(received, total, etag) if whose == identity else Held()
            case _:
                return Held()

    def open(self, identity: str, start: Start, held: Held) -> BinaryIO:
        """Note what comes, and open the file where it belongs."""
        # Never through a link, which in a shared folder somebody else may have laid.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        file = os.fdopen(os.open(self.file, flags, 0o666), "ab")
        try:
            self._claim(file)
            # What was held was read without the lock, before a pause perhaps: by now it may be a part of another file.
            if start.offset and self.held(identity) != held:
                raise OSError(errno.ESTALE, "somebody else changed it meanwhile")  # noqa: TRY301 - the try is there to close it
            file.truncate(start.offset)
            if start.offset == 0:
                self.note.unlink(missing_ok=True)
                with self.note.open("x", encoding="utf-8") as note:
                    json.dump({"identity": identity, "total": start.total, "etag": start.etag}, note)
        except BaseException:
            file.close()
            raise
        return file

    def _claim(self, file: BinaryIO) -> None:
        """Be the only one who writes, in any process: the kernel lets go of the lock with the file."""
        if ON_POSIX:
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OSError(errno.EBUSY, "somebody else is downloading to this path") from None
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
        self._check(file)

    def _check(self, file: BinaryIO, total: int | None = None) -> None:
        """Make sure that *file* is still what stands under this name, and complete if *total* is given."""
        here = os.fstat(file.fileno())
        if not os.path.samestat(here, self.file.stat()) or total not in (None, here.st_size):
            raise OSError(errno.ESTALE, "somebody else was downloading to this path")

    def forget(self) -> None:
        """Let the next attempt start over."""
        self.note.unlink(missing_ok=True)

    def complete(self, file: BinaryIO, total: int | None) -> None:
        """Put the file in its place, whole or not at all, and so that it survives a power cut."""
        file.flush()
        os.fsync(file.fileno())
        self._check(file, total)
        if not ON_POSIX:
            file.close()  # Windows renames no open file
        self.file.replace(self.target)
        file.close()  # and only now the next one may write
        self.note.unlink(missing_ok=True)
        if ON_POSIX:  # elsewhere a folder cannot be opened
            folder = os.open(self.target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


class Downloads:
    """Streams results to disk, resumed and without the API key.

    Args:
        client: Has no key of its own.
        at_once: Downloads in flight; a limiter of their own, so that they never hold up the looks.
        retry: How often a broken download is taken up again without any progress.
        leave_loop: Runs a blocking function outside of the event loop.
    """

    def __init__(self, client: httpx.AsyncClient, *, at_once: int, retry: Retry, leave_loop: LeaveLoop) -> None:
        self._client = client
        self._slots = anyio.CapacityLimiter(at_once)
        self._retry = retry
        self._leave_loop = leave_loop
        self._active: set[Path] = set()

    async def download(
        self, url: str, path: Path, *, identity: str, task_id: int, refresh: Callable[[], Awaitable[str]]
    ) -> None:
        """Bring *url* to *path*.

        Args:
            url: Of the result.
            path: Of the file.
            identity: Names the result whatever its URL; a part of something else is not continued.
            task_id: For the errors.
            refresh: Asks for a fresh URL when this one has expired.

        Raises:
            DownloadFailed: The file is not complete; calling again resumes it.
            RuntimeError: This path is being downloaded already.
        """
        if path in self._active:
            raise RuntimeError(f"{path} is being downloaded already: wait for that, or choose another path")
        self._active.add(path)
        try:
            await self._download(url, Part(path), identity, task_id, refresh)
        finally:
            self._active.discard(path)

    async def _download(
        self, url: str, part: Part, identity: str, task_id: int, refresh: Callable[[], Awaitable[str]]
    ) -> None:
        fresh, failures = False, 0
        held: Held = await self._leave_loop(part.held, identity)
        most = held.received
        while True:
            try:
                async with self._slots:
                    problem = await self._attempt(url, part, identity, held)
            except _DiskFailed as failed:
                error = failed.__cause__
                words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                raise _failure(f"cannot write {part.file}: {words}", part, held, task_id) from error
            if problem is None:
                return
            held = await self._leave_loop(part.held, identity)
            if isinstance(problem, int) and problem in EXPIRED and not fresh:
                url, fresh = await refresh(), True
                continue
            # Measured against the best ever: where every attempt starts over, the last one may have been a bad one.
            failures = 1 if held.received > most else failures + 1
            most = max(most, held.received)
            hopeless = self._client.is_closed or (isinstance(problem, int) and problem in EXPIRED)
            if hopeless or failures >= self._retry.attempts:
                what = f"HTTP {problem}" if isinstance(problem, int) else problem
                raise _failure(f"the download broke off ({what})", part, held, task_id)
            logger.info("download for task %d: resumed at %d bytes", task_id, held.received)
            await anyio.sleep(self._retry.pause(attempt=failures, roll=random.random()))

    async def _attempt(self, url: str, part: Part, identity: str, held: Held) -> str | int | None:
        """Go on from what is held: `None`, or what went wrong as an HTTP status or in words."""
        file: BinaryIO | None = None
        try:
            async with self._client.stream(
                "GET", url, headers=ask(held), timeout=TIMEOUT, follow_redirects=True
            ) as response:
                if response.status_code not in (OK, PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE):
                    return response.status_code
                start = begin(response.status_code, response.headers, held)
                if start is None:
                    await self._disk(part.forget)
                    return "it is another file now"
                file = sink = cast("BinaryIO", await self._disk(part.open, identity, start, held))
                received = start.offset
                if response.status_code != RANGE_NOT_SATISFIABLE:
                    received += await self._pour(response, sink)
                if start.total is not None and received != start.total:
                    return f"{received} of {start.total} bytes"
                await self._disk(part.complete, sink, start.total)
                return None
        except _DiskFailed:
            raise
        except Exception as error:  # noqa: BLE001 - transports raise what they like; all of it means: not all came
            return type(error).__name__
        finally:
            if file is not None and not file.closed:
                with anyio.CancelScope(shield=True):
                    await self._disk(file.close)

    async def _pour(self, response: httpx.Response, sink: BinaryIO) -> int:
        """Write a body as it comes, few but large pieces; when it breaks off, all that came of it is kept."""
        received, piece = 0, bytearray()
        try:
            async for chunk in response.aiter_bytes():
                received += len(chunk)
                piece += chunk
                if len(piece) >= CHUNK:
                    full, piece = piece, bytearray()
                    await self._disk(sink.write, full)
        finally:
            if piece:
                with anyio.CancelScope(shield=True):
                    await self._disk(sink.write, piece)
        return received

    async def _disk(self, function: Callable[..., Any], *args: object) -> Any:
        try:
            return await self._leave_loop(function, *args)
        except OSError as error:
            raise _DiskFailed from error


def _failure(message: str, part: Part, held: Held, task_id: int) -> DownloadFailed:
    message = f"{message}; {held.received} bytes are kept, call again to resume"
    return DownloadFailed(message, path=str(part.target), received=held.received, task_id=task_id)
