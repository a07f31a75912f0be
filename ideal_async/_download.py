"""Downloads: a file that is there is the result, whole; a file that is not can be continued."""

import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import anyio
import attrs
import httpx

from ._attempt import NOT_THERE_YET, SLOWEST, Attempt, DiskFailed, LeaveLoop, Trouble, on_disk
from ._errors import DownloadFailed, IdealError
from ._excerpt import excerpt
from ._identity import redact_url
from ._media import Media
from ._part import Part
from ._ranges import Held
from ._retry import Retry

logger = logging.getLogger("ideal_async")

#: Bytes. Ten seconds in 4K at 100 Mbit/s, the rate of a camera, are 125 MB: whatever is larger is none of our videos.
LARGEST = 1 << 29
#: Seconds that every download may take before it has to be faster than `SLOWEST`: a body that drips ends.
GRACE = 120.0
#: Seconds that an attempt counts at least, so that one byte each is a drip, too.
LEAST = 1.0
#: A CDN needs seconds for a file that was just made; half a second, one, two and four behind each other.
PATIENCE = 10.0
_PATIENT = Retry(wait_max=4.0)

Refresh = Callable[[], Awaitable[str | None]]


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

    def delay(self, retry: Retry, trouble: Trouble, held: Held) -> float | None:
        """Tell the seconds before the next attempt; `None`: it would be in vain."""
        if trouble.final:
            return None
        now, roll = anyio.current_time(), random.random()
        if trouble.status in NOT_THERE_YET:
            self.misses += 1
            if self.misses == 1:
                self.missed_at = now
            if now - self.missed_at >= PATIENCE:
                return None
            return _PATIENT.pause(attempt=self.misses, roll=roll, retry_after=trouble.retry_after)
        # Measured against the best ever: where every attempt starts over, the last one may have been a bad one.
        self.failures = 1 if held.received > self.most else self.failures + 1
        self.most = max(self.most, held.received)
        if self.failures >= retry.attempts:
            return None
        return retry.pause(attempt=self.failures, roll=roll, retry_after=trouble.retry_after)

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
        this = _Download(Part(path), media, identity, task_id)
        try:
            await self._download(url, this, refresh)
        except DiskFailed as failed:
            held, error, place = Held(), failed.__cause__, path
            with suppress(OSError, ValueError):
                place = this.part.file  # there is none beside a name that no file can have here
                held = await self._leave_loop(this.part.held, identity)
            place = getattr(error, "filename", None) or place
            raise this.failure(f"cannot write {place}: {failed.words}", held) from error
        finally:
            self._active.discard(path)

    async def _download(self, url: str, this: _Download, refresh: Refresh) -> None:
        fresh, cause = False, None
        await on_disk(self._leave_loop, this.part.check)
        held: Held = await on_disk(self._leave_loop, this.part.held, this.identity)
        this.most = held.received
        while True:
            trouble = await self._attempt(url.strip(), this, held)
            if trouble is None:
                return
            held = await on_disk(self._leave_loop, this.part.held, this.identity)
            if trouble.other and not fresh:
                fresh = True
                try:
                    url = await refresh() or url
                except IdealError as error:
                    cause = error  # reported if the URL that we have brings nothing either
                continue
            delay = this.delay(self._retry, trouble, held)
            if delay is None or self._client.is_closed:
                raise this.failure(trouble.what, held, trouble.status) from cause
            logger.info("download for task %d: resumed at %d bytes", this.task_id, held.received)
            await anyio.sleep(delay)

    async def _attempt(self, url: str, this: _Download, held: Held) -> Trouble | None:
        """Go on from what is held; `None`: it is done."""
        if not _is_fetchable(url):
            shown = excerpt(redact_url(url))
            what = f"{shown!r} is no URL that begins with https://: the service gave it, report it there"
            return Trouble(what, other=True, final=True)
        slow = Trouble(f"the download is slower than {SLOWEST} bytes a second", final=True)
        if this.seconds >= this.allowed:
            return slow
        async with self._slots:
            began = anyio.current_time()
            with anyio.CancelScope(deadline=began + this.allowed - this.seconds) as scope:
                attempt = Attempt(this.part, this.media, this.identity, held, self._largest, self._leave_loop, scope)
                try:
                    return await attempt.bring(self._client, url)
                finally:
                    this.seconds += max(LEAST, anyio.current_time() - began)
                    this.came += attempt.came
        return slow


def _is_fetchable(url: str) -> bool:
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parts.scheme in ("http", "https") and bool(parts.host)
