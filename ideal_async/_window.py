"""A bounded window over a stream of jobs: taken in while there is room, done at the same time, reported as they end."""

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from functools import partial
from types import TracebackType
from typing import Self, cast

import anyio
import anyio.abc
import attrs

from ._arguments import check_callbacks, check_count
from ._callbacks import OnSubmit, Submission, run_callback
from ._client import AsyncClient, background_of, deliveries_of, last_look_at
from ._delivery import Folder
from ._errors import BudgetExceeded, ConnectionFailed, DownloadFailed, IdealError, OutOfCredits, Unauthorized
from ._models import ImageToVideo, Task
from ._outcome import Failed, Made, Unsaved
from ._progress import Progress, forecast_all, is_running

OnBatchProgress = Callable[[Progress], Awaitable[None] | None]
#: Seconds between two reports of progress, at least and at most.
REPORT_SOONEST, REPORT_LATEST = 1.0, 5.0


@attrs.frozen
class Job:
    """What is to be done for one outcome: given whom to call with the task id, and the seconds left."""

    key: str | None
    request: ImageToVideo
    run: Callable[[OnSubmit, float | None], Awaitable[Task]]


_CLOSED = "the client was closed while the batch ran: what was paid goes on, wait for it with a new client"


class Outcomes:
    """The outcomes of a batch, as they complete; made by `batch` and `resume`.

    The work runs in the client's own task: whoever reads may be an async generator that is left half-way, or another
    task than the one that entered the block.

    Attributes:
        stopped_by: The error that closed the intake before the requests were used up: the account or the budget is
            exhausted, the key was refused, the API was not heard three times in a row, or the batch's deadline passed.
            `None` while there is none.
        submitted: Jobs that were paid so far, by this batch.
        in_flight: Requests taken in whose outcome has not been read yet.
    """

    def __init__(
        self,
        client: AsyncClient,
        jobs: AsyncGenerator[Job],
        *,
        max_in_flight: int,
        deadline: float | None,
        on_submit: OnSubmit | None,
        save: "Folder | None" = None,
        on_progress: "OnBatchProgress | None" = None,
        size: int | None = None,
    ) -> None:
        if not isinstance(client, AsyncClient):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
            raise TypeError(f"a batch is made by an AsyncClient, not {client!r}")
        check_count("max_in_flight", max_in_flight)
        check_callbacks(on_submit=on_submit, on_progress=on_progress)
        self.stopped_by: Exception | None = None
        self.submitted = 0
        self.in_flight = 0
        self._client = client
        self._jobs = jobs
        self._deadline = deadline
        self._on_submit = on_submit
        self._save = save
        self._on_progress = on_progress
        self._size = size
        self._taken = self._saving = self._done = self._failed = 0
        self._paid: dict[int, int] = {}  # the task of each job that runs, by index: two may share one
        self._spent_before, self._began = 0, 0.0
        self._moved = anyio.Event()
        self._broken_by: Exception | None = None
        self._halted_before: Exception | None = None
        self._window = anyio.Semaphore(max_in_flight)
        self._intake = anyio.CancelScope()
        self._scope = anyio.CancelScope()
        self._over: anyio.Event | None = None
        # Unbounded by itself: the window counts outcomes until they are read.
        self._send, self._receive = anyio.create_memory_object_stream[Made | Unsaved | Failed](math.inf)

    async def __aenter__(self) -> Self:
        if self._over is not None:
            raise RuntimeError("a batch is entered once: make a new one")
        background = background_of(self._client)
        try:
            await background.open()
        except BaseException:
            self._send.close()
            self._receive.close()
            raise
        self._over = anyio.Event()
        self._halted_before = self._client.halted_by
        self._spent_before, self._began = self._client.ledger.spent, anyio.current_time()
        if self._deadline is not None:
            self._intake.deadline = self._deadline
        background.start_soon(self._run)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._receive.close()
        self._scope.cancel()
        with anyio.CancelScope(shield=True):
            await cast("anyio.Event", self._over).wait()  # nothing of it is left behind when the block is

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> "Made | Unsaved | Failed":
        if self._over is None:
            raise RuntimeError("nothing runs yet: read the outcomes inside of `async with batch(...) as outcomes:`")
        try:
            outcome = await self._receive.receive()
        except anyio.EndOfStream:
            end, self._broken_by = self._broken_by or StopAsyncIteration(), None
        except anyio.ClosedResourceError:
            end = RuntimeError("read the outcomes inside of the block `async with batch(...)`")
        else:
            self.in_flight -= 1
            self._window.release()
            return outcome
        raise end  # out here, so that it keeps the cause it was raised with

    async def _run(self) -> None:
        """Do all of it, in the client's own task; must not raise."""
        over = cast("anyio.Event", self._over)
        try:
            with self._scope, self._send:
                async with anyio.create_task_group() as reports:
                    if self._on_progress is not None:
                        reports.start_soon(self._report, self._on_progress)
                    async with anyio.create_task_group() as jobs:
                        await self._take_in(jobs)
                    reports.cancel_scope.cancel()
                if self._on_progress is not None:
                    await self._show(self._on_progress)
        except Exception as error:  # noqa: BLE001 - a mistake of ours: the reader must not take it for the end
            self._broken_by = self._broken_by or error
        finally:
            over.set()

    @property
    def progress(self) -> Progress:
        """Where everything stands now; counting costs a glance at each job in flight."""
        seen = [last_look_at(self._client, task_id) for task_id in self._paid.values()]
        running = sum(map(is_running, seen))
        ended = self._done + self._failed
        to_send = None if self._size is None else max(0, self._size - self._taken)
        elapsed = 0.0 if self._over is None else anyio.current_time() - self._began
        return Progress(
            to_send=to_send,
            sending=self._taken - ended - len(self._paid) - self._saving,
            queued=len(seen) - running,
            running=running,
            saving=self._saving,
            done=self._done,
            failed=self._failed,
            credits=self._client.ledger.spent - self._spent_before,
            eta=forecast_all(
                filter(None, seen), left=self._taken - ended + (to_send or 0), ended=ended, elapsed=elapsed
            ),
        )

    def _repr_html_(self) -> str:
        """Where everything stands, where a notebook shows it."""
        return self.progress._repr_html_()  # pyright: ignore[reportPrivateUsage]  # IPython's name

    async def _report(self, on_progress: "OnBatchProgress") -> None:
        """Tell how far it is: soon after each step, and now and then, because tasks go on by themselves."""
        while self._on_progress is not None:
            with anyio.move_on_after(REPORT_LATEST):
                await self._moved.wait()
            self._moved = anyio.Event()
            await self._show(on_progress)
            await anyio.sleep(REPORT_SOONEST)

    async def _show(self, on_progress: "OnBatchProgress") -> None:
        try:
            with background_of(self._client).waited_for():
                await run_callback(on_progress, self.progress)
        except Exception as error:  # noqa: BLE001 - the reader's to see: no video is lost for it
            self._broken_by, self._on_progress = self._broken_by or error, None

    async def _take_in(self, jobs: anyio.abc.TaskGroup) -> None:
        """Read jobs while there is room, and start them."""
        index = 0
        try:
            with self._intake, background_of(self._client).waited_for():  # it must not close the client
                async with aclosing(self._jobs):
                    while True:
                        await self._window.acquire()
                        job = await anext(self._jobs, None)
                        if job is None:
                            return
                        self.in_flight += 1
                        self._taken += 1
                        jobs.start_soon(self._do, index, job)
                        index += 1
        except anyio.get_cancelled_exc_class():
            self._broken_by = ConnectionFailed(_CLOSED)  # or the block was left, and nobody reads it
            raise
        except Exception as error:  # noqa: BLE001 - the reader's to see, once everything before it is out
            self._broken_by = error
        if self._intake.cancelled_caught and self.stopped_by is None:
            self.stopped_by = TimeoutError("the batch's deadline passed: nothing more was read")

    async def _do(self, index: int, job: Job) -> None:
        """One job, whose end is always an outcome."""
        task_id: int | None = None

        async def on_submit(submission: Submission) -> None:
            nonlocal task_id
            task_id = submission.task_id
            self.submitted += submission.paid
            self._paid[index] = task_id
            self._moved.set()
            if self._on_submit is not None:
                await run_callback(self._on_submit, attrs.evolve(submission, key=job.key, index=index))

        left = None if self._deadline is None else max(0.0, self._deadline - anyio.current_time())
        outcome: Made | Unsaved | Failed
        try:
            task = await job.run(on_submit, left)
            self._paid.pop(index, None)
            outcome = await self._keep(index, job, task)
        except anyio.get_cancelled_exc_class():
            if not self._scope.cancel_called:  # the client is being closed: nobody else will say so
                closed = ConnectionFailed(_CLOSED, task_id=task_id)
                self._send.send_nowait(Failed(index, job.key, job.request, task_id, error=closed))
            raise
        except Exception as error:  # noqa: BLE001 - one failed job never stops the others
            known = error.task_id if isinstance(error, IdealError) else None
            outcome = Failed(index, job.key, job.request, known or task_id, error=error)
            if self._closes_the_intake(error):
                self.stopped_by = self.stopped_by or error
                self._intake.cancel()  # also when the next request is still to come, perhaps never
        self._paid.pop(index, None)
        self._done += isinstance(outcome, Made)
        self._failed += not isinstance(outcome, Made)
        self._moved.set()
        with suppress(anyio.BrokenResourceError):  # the block was left this very moment
            self._send.send_nowait(outcome)

    async def _keep(self, index: int, job: Job, task: Task) -> Made | Unsaved:
        """Save a video where it is wanted; whatever goes wrong with that, it is made and paid."""
        named = partial(Made, index, job.key, job.request, task_id=task.id, task=task)
        if self._save is None:
            return named()
        self._saving += 1
        try:
            with anyio.fail_after(None if self._deadline is None else self._deadline - anyio.current_time()):
                return named(file=await deliveries_of(self._client).keep(task, self._save, job.key))
        except TimeoutError:
            error: Exception = DownloadFailed(
                "the batch's deadline passed before the video was saved; call again to go on",
                path=str(self._save),
                received=0,
                task_id=task.id,
            )
        except Exception as raised:  # noqa: BLE001 - of the network, the disk, or a bucket of the user's own
            error = raised
        finally:
            self._saving -= 1
        return Unsaved(index, job.key, job.request, task_id=task.id, task=task, error=error)

    def _closes_the_intake(self, error: Exception) -> bool:
        """After one of these nothing further can succeed."""
        if isinstance(error, Unauthorized | OutOfCredits | BudgetExceeded):
            return True
        halted_by = self._client.halted_by
        return halted_by is not None and halted_by is not self._halted_before
