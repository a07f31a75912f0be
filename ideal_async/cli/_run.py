"""A batch from the first submit to the last file: downloads run while other videos are still being made."""

import signal
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import anyio
import anyio.abc
import attrs

from ideal_async import (
    ApiError,
    AsyncClient,
    BudgetExceeded,
    IdealError,
    OutOfCredits,
    Submission,
    SubmissionUnknown,
    Task,
    TaskFailed,
    TaskStatus,
    Unauthorized,
    UploadFailed,
    batch,
)

from ._endings import words_of
from ._job import Board, Job, State
from ._terminal import say

if TYPE_CHECKING:
    from ideal_async.buckets import Bucket

#: Finished videos waiting for their download, or in it. Reading outcomes stops there, and so does submitting: files
#: should not fall far behind, since result URLs may expire.
DOWNLOADS = 20
#: What stops the whole batch: these jobs are as good as before, and one line tells all of them why.
STOPS = (BudgetExceeded, OutOfCredits, Unauthorized)
#: Signals that ask a process to end; there is no SIGHUP on Windows.
_POLITE = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
#: Suffixes of cover pictures; one that has none of them is called .jpg, as on the vendor's page.
PICTURES = {".jpg", ".jpeg", ".png", ".webp"}


@attrs.define(eq=False)
class Run:
    """Makes every job of a board that is not made yet.

    Attributes:
        client: Does the work.
        board: Its jobs are brought up to date all the time.
        out: The folder for the files; it exists. Or a bucket.
        stem: Names the files of a job, without a suffix.
        known: The jobs that were paid before: with their task if it has succeeded, else with its id.
        stopped_by: What closed the intake before all jobs were submitted, if something did.
    """

    client: AsyncClient
    board: Board
    out: "Path | Bucket"
    stem: Callable[[Job], str]
    known: Mapping[Job, Task | int] = attrs.field(factory=dict[Job, Task | int])
    stopped_by: Exception | None = None
    _slots: anyio.Semaphore = attrs.field(factory=lambda: anyio.Semaphore(DOWNLOADS))

    async def make_all(self, *, max_in_flight: int = 200, timeout: float | None = None) -> None:
        """Submit, follow and download; one failed job never stops the others.

        Args:
            max_in_flight: Jobs submitted and not ended, at most.
            timeout: Seconds for making the videos.
        """
        new = [job for job in self.board.jobs if job.state == "waiting"]
        async with anyio.create_task_group() as followers:

            def begin(submission: Submission) -> None:
                job = new[cast("int", submission.index)]  # in a batch there is one
                if submission.paid:
                    self.board.pay(job, submission.task_id, time.time())
                else:  # by another process, since this one read the journal
                    self.board.find(job, submission.task_id)
                followers.start_soon(self._follow, job, submission.task_id)

            async with anyio.create_task_group() as rest:
                for job, task in self.known.items():
                    if isinstance(task, int):
                        followers.start_soon(self._follow, job, task)
                        rest.start_soon(self._go_on, job, task, timeout, rest)
                    else:
                        rest.start_soon(self._download, job, task)
                async with batch(
                    self.client,
                    ((job.flight_key, job.request) for job in new),
                    max_in_flight=max_in_flight,
                    timeout=timeout,
                    on_submit=begin,
                ) as outcomes:
                    async for outcome in outcomes:
                        await self._settle(new[outcome.index], outcome.task or cast("Exception", outcome.error), rest)
                self.stopped_by = outcomes.stopped_by or self.stopped_by
            followers.cancel_scope.cancel()

    async def _go_on(self, job: Job, task_id: int, timeout: float | None, downloads: anyio.abc.TaskGroup) -> None:
        """Wait for a task of an earlier run; it is paid, so no budget stands in its way."""
        try:
            task = await self.client.wait(task_id, timeout=timeout)
        except IdealError as error:
            await self._settle(job, error, downloads)
        else:
            await self._settle(job, task, downloads)

    async def _follow(self, job: Job, task_id: int) -> None:
        """See what the shared poller sees; it looks no more often for that."""
        try:
            async with self.client.watch(task_id) as looks:
                async for task in looks:
                    job.looks += 1
                    if not task.done and job.state in ("queued", "rendering"):
                        self._see(job, task)
        except IdealError:
            job.looks += 1  # the batch hears the same, and tells why

    def _see(self, job: Job, task: Task) -> None:
        job.percentage, job.wait_number, job.seen_at = task.percentage, task.wait_number, time.time()
        job.expected_at = None if task.eta is None else time.time() + task.eta.seconds
        # "percentage above 0 outweighs waitNumber": the vendor's page shows 30 % with two ahead.
        if task.percentage > 0 or (task.status == TaskStatus.PROCESSING and task.wait_number == 0):
            job.started_at = job.started_at or time.time()
            self.board.move(job, "rendering")
        else:
            job.waited_at = time.time()

    async def _settle(self, job: Job, end: Task | Exception, downloads: anyio.abc.TaskGroup) -> None:
        """A job is over for the service: what is left is to fetch its files, or to say why there are none."""
        job.expected_at = None
        if isinstance(end, Task):
            job.found_at = time.time()
            self.board.move(job, "downloading")
            await self._slots.acquire()
            downloads.start_soon(self._download_and_leave, job, end)
            return
        state = state_after(end)
        if isinstance(end, STOPS):
            self.stopped_by = self.stopped_by or end
        else:
            job.error = end.reason if isinstance(end, TaskFailed) else words_of(end)
        if state == "waiting":
            self.board.trouble = str(end)
        if isinstance(end, TaskFailed):
            job.found_at, job.refunded = time.time(), end.refunded is True
        self.board.move(job, state)

    async def _download_and_leave(self, job: Job, task: Task) -> None:
        try:
            await self._download(job, task)
        finally:
            self._slots.release()

    async def _download(self, job: Job, task: Task) -> None:
        """Bring the video and its cover to the disk."""
        try:
            await self._bring(job, task)
        except (IdealError, OSError, ValueError) as error:  # a ValueError: a name that no file can have here
            job.error = str(error)
            self.board.move(job, "unfinished")
        else:
            job.downloaded_at = time.time()
            self.board.move(job, "done")

    async def _bring(self, job: Job, task: Task) -> None:
        job.video, job.cover = await save(self.client, task, self.out, self.stem(job))
        job.width, job.height = (task.output.width, task.output.height) if task.output else (None, None)


async def save(client: AsyncClient, task: Task, folder: Any, name: str) -> tuple[Any, Any]:
    """Bring the video of *task*, and its cover if it has one, into *folder*; return where they are.

    Raises:
        DownloadFailed: Not complete; calling again resumes it.
    """
    video = await client.download(task, folder / f"{name}.mp4")
    url = task.output and task.output.cover
    if not url:
        return video, None
    return video, await client.download(task, folder / f"{name}{suffix_of(url)}", part="cover")


def run_unless_interrupted(work: Callable[[], Awaitable[None]]) -> bool:
    """Run *work* in an event loop; `False`: Ctrl-C, or a polite kill, came first, and it was cancelled.

    A second Ctrl-C ends it at once, also the requests under way that may cost money; the journal has them.
    """
    try:
        with _terminable():
            anyio.run(work)
    except KeyboardInterrupt:
        return False
    return True


def leave_in_doubt(board: Board, job: Job, *, since: float, fingerprint: str) -> None:
    """Note that the request of *job* left before an interruption, and that nobody waits for its answer any more.

    Args:
        board: Its jobs.
        job: One of them.
        since: When it may have left at the earliest, seconds since 1970.
        fingerprint: Of the request that was sent.
    """
    job.error = (
        "interrupted before its answer came: it may have been paid. Look for a task created since "
        f"{datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M:%S} UTC (request {fingerprint}) before you repeat it"
    )
    board.move(job, "unknown")
    say(f"{job.key}: in doubt: {job.error}", style="red")


@contextmanager
def _terminable() -> Generator[None]:
    """Let SIGTERM and a closed terminal do what Ctrl-C does."""

    def interrupt(_: int, __: object) -> None:
        signal.raise_signal(signal.SIGINT)

    former = [(number, signal.signal(number, interrupt)) for number in _POLITE]
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts what runs in its background like this; a polite kill must end it all the same.
        former.append((signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler)))
    try:
        yield
    finally:
        for number, handler in former:
            signal.signal(number, handler)


def state_after(error: Exception | None) -> State:
    """Tell where a job stands that ended with *error*."""
    match error:
        case TaskFailed():
            return "failed"
        case SubmissionUnknown():
            return "unknown"
        case IdealError() if error.task_id is not None:
            return "unfinished"
        case UploadFailed() | OSError() | ValueError():
            return "refused"  # by the bucket, the disk or the client, before the service heard of it
        case ApiError() if not isinstance(error, STOPS):
            return "refused"
        case _:
            return "waiting"


def suffix_of(url: str) -> str:
    """Choose the suffix for a cover picture from its URL."""
    suffix = PurePosixPath(urlsplit(url).path).suffix.lower()
    return suffix if suffix in PICTURES else ".jpg"
