"""`AsyncClient`: submit, look, wait, watch, download."""

import math
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast, overload

import anyio
import attrs
import httpx

from ._arguments import check_callbacks, check_count, check_seconds, check_settings, deadline_of
from ._callbacks import OnProgress, OnSubmit, run_callback
from ._errors import ConnectionFailed, TaskFailed
from ._identity import check_id, check_key, find_too_long, origin_of
from ._media import Media
from ._models import ImageToVideo, Task
from ._observer import Call, Observer, ignore
from ._pricing import Budget, Ledger, Prices
from ._retry import Retry
from ._waiter import Waiter

if TYPE_CHECKING:
    from ._background import Background
    from ._client_journal import ClientJournal
    from ._delivery import Deliveries, Target
    from ._flight import Flight
    from ._follow import OnEnd
    from ._forecast import Pacing
    from ._journal import Entry, JournalStore
    from ._photographs import LeaveLoop, Uploads

#: API requests in flight. A look takes a tenth of a second, so ten of them serve hundreds of tasks.
REQUESTS_AT_ONCE = 10

_UNOBSERVED = nullcontext(ignore)

Place = TypeVar("Place", bound="Target")


class AsyncClient:
    """The Ideal House Image to Video API, awaited.

    One client serves any number of tasks of one event loop; all waiting goes through its one poller. It runs on asyncio
    and on trio, and is best used as a context manager: leaving the block waits for requests that may cost money, and
    stops everything else. The tasks themselves go on and can be waited for again by id.

    Args:
        api_key: Your key; by default the environment variable IDEAL_HOUSE_API_KEY. It is sent to the API only.
        base_url: By default IDEAL_HOUSE_BASE_URL, else https://api.ideal.house. Plain http is for loopback only.
        http_client: Your own `httpx.AsyncClient` (proxies, TLS, instrumentation), which you close yourself. Its pool
            should allow *max_requests_at_once* connections and ten more for downloads.
        transport: Any httpx transport instead, such as `Sandbox().transport`.
        through_httpx: Send every request through an `httpx.AsyncClient`, for a tool that has to see it there. Without
            it requests go straight to the transport, which is 18 % cheaper a look, until something has patched that
            class: Sentry, ddtrace and vcrpy are noticed whenever they come.
        max_requests_at_once: API requests in flight, at most.
        retry: How stubborn to be.
        pacing: How often to look.
        journal: Remembers every submission across crashes and restarts; you close it after the client.
        account: A name for the account of the key, where a journal serves several accounts: each has keys of its own.
            At most 1,000 bytes of UTF-8.
        budget: A limit in credits, shared with other clients if you like.
        prices: Another price table. What has no price can be submitted all the same, unless there is a budget.
        follow: Wait for every task that is submitted, also when nobody awaits it, and take over the tasks in the
            journal whose follower has died, so that any number of processes look once. Needs *journal*. With one
            that limits what is in flight it is done anyway, for a task that nobody follows is in everybody's way.
        on_end: Called with the `Entry` of each followed task when it has ended, sync or async: the place to deliver it.
            The end is written down behind it, so a crash or an exception calls it again: at least once a task.
        observer: Hears what this client does; may serve other clients too.
        uploads: Where pictures of this machine are published, such as `ideal_async.buckets.Bucket`: with it the
            pictures of an `ImageToVideo` may be `pathlib.Path`s. Their URLs are signed just before each send.

    Raises:
        ValueError: No key, a key that cannot be a header, or a base URL that would expose it.

    Example:
        >>> import anyio
        >>> from ideal_async.sandbox import Sandbox
        >>> async def main():
        ...     sandbox = Sandbox(render=False, speed=1000)
        ...     async with AsyncClient("sandbox", transport=sandbox.transport) as client:
        ...         room = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p")
        ...         return await client.submit(room)
        >>> anyio.run(main)
        1234567890123456789
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        http_client: httpx.AsyncClient | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        max_requests_at_once: int = REQUESTS_AT_ONCE,
        retry: Retry | None = None,
        pacing: "Pacing | None" = None,
        journal: "JournalStore | None" = None,
        account: str | None = None,
        budget: Budget | None = None,
        prices: Prices | None = None,
        follow: bool = False,
        on_end: "OnEnd | None" = None,
        observer: Observer | None = None,
        uploads: "Uploads | None" = None,
        through_httpx: bool = False,
        _leave_loop: "LeaveLoop | None" = None,
    ) -> None:
        if http_client is not None and transport is not None:
            raise ValueError("pass http_client or transport, not both")
        check_count("max_requests_at_once", max_requests_at_once)
        check_settings(
            retry=retry,
            pacing=pacing,
            journal=journal,
            account=account,
            budget=budget,
            prices=prices,
            observer=observer,
            uploads=uploads,
        )
        check_callbacks(on_end=on_end)
        from ._assembly import assemble  # at the top, who only imports this package would pay for all the rooms

        self._account = account or ""
        made = assemble(
            api_key,
            base_url,
            http_client=http_client,
            transport=transport,
            through_httpx=through_httpx,
            requests_at_once=max_requests_at_once,
            retry=retry or Retry(),
            pacing=pacing,
            journal=journal,
            account=self._account,
            budget=budget,
            prices=prices,
            follow=follow,
            on_end=on_end,
            observer=observer,
            uploads=uploads,
            fetch=self.fetch,
            leave_loop=_leave_loop,
        )
        self._base_url = made.base_url
        self._observer = made.observer
        self._transports = made.transports
        self._session = made.session
        self._journal = made.journal
        self._books = made.books
        self._poller = made.poller
        self._background = made.background
        self._photographs = made.photographs
        self._submissions = made.submissions
        self._follower = made.follower
        self._looks = made.looks
        self._downloads = made.downloads
        self._deliveries = made.deliveries

    def __repr__(self) -> str:
        state = "closed" if self._background.closed else f"{len(self._poller)} tasks waited for"
        return f"<AsyncClient {self._base_url}: {state}>"

    async def __aenter__(self) -> Self:
        await self._background.open(scoped=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Refuse new work, finish the requests that may cost money, stop looking.

        Who waits gets a `ConnectionFailed`; their tasks go on at the service.
        """
        if self._journal is not None:
            self._journal.hurry()
        await self._background.aclose()

    @property
    def origin(self) -> str:
        """Scheme, host and port of the API: what the journal's keys are scoped by."""
        return origin_of(str(self._base_url))

    @property
    def journal(self) -> "JournalStore | None":
        """The journal that was handed in."""
        return None if self._journal is None else self._journal.store

    @property
    def account(self) -> str:
        """The name of the account that pays; empty for the only one."""
        return self._account

    @property
    def ledger(self) -> Ledger:
        """Where this client's credits went."""
        return self._books.ledger

    @property
    def halted_by(self) -> Exception | None:
        """Why three requests in a row brought no word of the API; `None` once it has spoken again.

        What waits to be sent in the five seconds behind the third is given back, unpaid; then the next one is tried.
        """
        return self._submissions.halted_by

    async def submit(self, request: ImageToVideo, *, key: str | None = None, on_submit: OnSubmit | None = None) -> int:
        """Create a task and return its id: the only call that spends.

        It is sent again only when it was certainly not received. A caller that is cancelled before the request left
        withdraws it; after that the task goes on.

        Args:
            request: The video to make.
            key: Your idempotency key: within this client the same key is one task, however often it is submitted. Any
                text but the empty one, of at most 1,000 bytes of UTF-8 and without U+0000.
            on_submit: Called with a `Submission` before anything else can fail, sync or async: the place to keep the
                task id. It is called for a task that was found under the key as well; its `paid` tells which it is.

        Raises:
            BudgetExceeded: Nothing was sent.
            ConnectionFailed: The API could not be reached; nothing was sent.
            ApiError: The API refused; nothing was charged.
            SubmissionUnknown: Sent, but no usable answer came; it may have been paid.
            ValueError: *key* was used for a different request, or can be no key; or a picture is on this machine, and
                there is no `uploads`.
            UploadFailed: A picture could not be published; nothing was sent.
            TaskFailed: The task under the key has failed: `journal.release(key, task_id=error.task_id)` allows another.
            JournalFailed: The journal cannot be written: nothing was sent, unless there is a `.task_id`.

        Example:
            >>> async def order(client, room):
            ...     task_id = await client.submit(room, key="order-42")  # paid, and perhaps hours before
            ...     return await client.wait(task_id)  # here, or in another process

        Source: vendor's page, 1. Create Image to Video Task.
        """
        flight = await self._submit(request, key=key, on_submit=on_submit, deadline=None)
        return _id_of(flight)

    async def _submit(
        self, request: ImageToVideo, *, key: str | None, on_submit: OnSubmit | None, deadline: float | None
    ) -> "Flight":
        if not isinstance(request, ImageToVideo):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
            raise TypeError(f"an ImageToVideo is submitted, not {type(request).__name__}")
        check_callbacks(on_submit=on_submit)
        if key is not None:
            too_long = find_too_long(check_key(key), "")
            if too_long and self._journal is None:  # which may have it from long ago
                raise ValueError(too_long)
        await self._background.open()
        with self._observe("submit") as known:
            request = await self._publish(request, key, deadline)
            flight = await self._submissions.submit(request, key=key, on_submit=on_submit, deadline=deadline)
            known(_id_of(flight))
        return flight

    async def _publish(self, request: ImageToVideo, key: str | None, deadline: float | None) -> ImageToVideo:
        """Give the pictures of this machine a URL; what is known under the key is not sent, so it needs none."""
        located = request
        with anyio.CancelScope(deadline=math.inf if deadline is None else deadline) as scope:
            located = await self._photographs.locate(request)
            if located is not request and not await self._knows(key):
                await self._photographs.publish(located)
        if scope.cancelled_caught:
            raise ConnectionFailed("the deadline passed before the request could be sent: nothing was spent")
        return located

    async def _knows(self, key: str | None) -> bool:
        return self._journal is not None and key is not None and await self._journal.knows(key)

    def _observe(self, name: Call, task_id: int | None = None) -> AbstractContextManager[Callable[[int], None]]:
        return _UNOBSERVED if self._observer is None else self._observer.call(name, task_id)

    async def fetch(self, task_id: int, *, max_age: float | None = None) -> Task:
        """Look at a task once, whatever its status; callers that ask at the same time share one look.

        Args:
            task_id: Of any task of this account.
            max_age: Seconds; a look of this client that is not older is given back instead, so that a page that is
                reloaded costs no request. `None`: always look.

        Raises:
            ConnectionFailed: The API could not be reached, even after some repetitions.
            ApiError: The API said no.
            UnexpectedAnswer: The answer breaks the vendor's contract.
            TaskFailed: The API answered 9038, prohibited content, in place of a task.

        Source: vendor's page, 2. Get Task Result.
        """
        await self._background.open()
        check_id(task_id)
        return await self._looks.fetch(task_id, check_seconds("max_age", max_age))

    async def wait(self, task_id: int, *, timeout: float | None = None, on_progress: OnProgress | None = None) -> Task:
        """Wait until a task succeeded.

        Any number of callers may wait for one id; they share its looks. A cancelled caller leaves, the task goes on.

        Args:
            task_id: Of any task of this account, submitted by whomever.
            timeout: Seconds for the whole call; `None`: no limit.
            on_progress: Called with each look that is not the last, sync or async.

        Raises:
            TaskFailed: It ended without a video; `.refunded` tells what is known of its credits.
            WaitTimeout: Its end was not seen.
            ConnectionFailed: Looks failed for `Retry.outage` seconds; or the client was closed.
            ApiError: The API said no.
            UnexpectedAnswer: The answer breaks the vendor's contract.

        Source: vendor's page, 2. Get Task Result.
        """
        await self._background.open()
        deadline = deadline_of(timeout)
        check_callbacks(on_progress=on_progress)
        return await self._wait(check_id(task_id), timeout, deadline, on_progress)

    async def generate(
        self,
        request: ImageToVideo,
        *,
        key: str | None = None,
        timeout: float | None = None,
        on_submit: OnSubmit | None = None,
        on_progress: OnProgress | None = None,
    ) -> Task:
        """Submit and wait: one call, one video.

        Args:
            request: The video to make.
            key: As in `submit`.
            timeout: Seconds for the whole call; `None`: no limit.
            on_submit: As in `submit`.
            on_progress: As in `wait`.

        Raises:
            BudgetExceeded: Nothing was sent.
            UploadFailed: A picture could not be published; nothing was sent.
            SubmissionUnknown: Sent, but no usable answer came; it may have been paid.
            ApiError: The API refused; nothing was charged, unless there is a `.task_id`.
            ConnectionFailed: The API could not be reached: nothing was sent; or, with a `.task_id`, looks failed for
                `Retry.outage` seconds.
            TaskFailed: It ended without a video.
            WaitTimeout: It still runs, and is paid.
            UnexpectedAnswer: The answer to a look breaks the vendor's contract.
            ValueError: *key* was used for a different request; or a picture is on this machine, and there is no
                `uploads`.
            JournalFailed: The journal cannot be written: nothing was sent, unless there is a `.task_id`.

        Example:
            >>> async def show(client, room):
            ...     task = await client.generate(room, key="order-42", timeout=600)
            ...     print(task.output.result_url)
        """
        deadline = deadline_of(timeout)
        check_callbacks(on_progress=on_progress)
        flight = await self._submit(request, key=key, on_submit=on_submit, deadline=deadline)
        if flight.task is not None:
            return flight.task
        return await self._wait(_id_of(flight), timeout, deadline, on_progress)

    async def _wait(
        self, task_id: int, timeout: float | None, deadline: float | None, on_progress: OnProgress | None
    ) -> Task:
        waiter = Waiter(every_look=on_progress is not None)
        with self._observe("wait", task_id):
            paid = self._join(task_id, waiter)
            try:
                task = await waiter.next_look(task_id, timeout=timeout, deadline=deadline, paid=paid)
                while on_progress is not None and not task.done:
                    await run_callback(on_progress, task)
                    task = await waiter.next_look(task_id, timeout=timeout, deadline=deadline, paid=paid)
            finally:
                self._poller.leave(task_id, waiter)
            if not task.succeeded:
                raise TaskFailed.of(task)
            return task

    @asynccontextmanager
    async def watch(
        self, task_id: int, *, timeout: float | None = None, max_interval: float | None = None
    ) -> AsyncGenerator[AsyncIterator[Task]]:
        """Follow one task: every change, ending with the terminal look, be it `Success` or `Failed`.

        The last known look comes at once; what a slow consumer misses is conflated.

        Args:
            task_id: Of any task of this account.
            timeout: Seconds for the whole block; `None`: no limit.
            max_interval: Seconds between two looks at most, for somebody who watches; not below `Pacing.min_interval`.

        Raises:
            WaitTimeout: Out of the iteration: it still runs.
            ConnectionFailed: Out of the iteration: looks failed for `Retry.outage` seconds; or the client was closed.
            ApiError: Out of the iteration: the API said no.
            UnexpectedAnswer: Out of the iteration: the answer breaks the vendor's contract.
            TaskFailed: Out of the iteration: the API answered 9038, prohibited content, in place of a task.
            ValueError: *max_interval* is no positive number.

        Example:
            >>> async def follow(client, task_id):
            ...     async with client.watch(task_id) as looks:
            ...         async for task in looks:
            ...             print(task.status, task.percentage)
        """
        await self._background.open()
        deadline = deadline_of(timeout)
        max_interval = check_seconds("max_interval", max_interval)
        if max_interval is not None and not max_interval > 0:
            raise ValueError(f"max_interval must be a positive number of seconds, not {max_interval!r}")
        waiter = Waiter(every_look=True, max_interval=max_interval)

        async def looks() -> AsyncGenerator[Task]:
            last = None
            while last is None or not last.done:
                task = await waiter.next_look(task_id, timeout=timeout, deadline=deadline, paid=paid)
                # A forecast that moves on is no change of the task.
                if last is None or attrs.evolve(task, eta=None) != attrs.evolve(last, eta=None):
                    last = task
                    yield task

        changes = looks()
        paid = self._join(check_id(task_id), waiter)
        try:
            yield changes
        finally:
            self._poller.leave(task_id, waiter)
            await changes.aclose()

    def _join(self, task_id: int, waiter: Waiter) -> bool:
        """Let a waiter hear of a task; tell whether it is known to be paid."""
        purchase = self._books.running(task_id)
        if purchase is None:
            self._poller.join(task_id, waiter)
        else:
            self._poller.join(task_id, waiter, kind=purchase.request.kind, submitted_at=purchase.created_at)
        return purchase is not None

    async def lookup(self, key: str) -> "Entry | None":
        """Tell what the journal knows of a key: its state, task, credits and times; `None`: nothing.

        It asks the journal only, so it costs nothing and may be called as often as you like.

        Raises:
            RuntimeError: This client has no journal.
            JournalFailed: The journal cannot be read.

        Example:
            >>> async def show_order(client, number):
            ...     entry = await client.lookup(f"order-{number}")
            ...     return {"state": "new"} if entry is None else {"state": entry.state, "task": entry.task_id}
        """
        await self._background.open()
        return await self._journal_for("lookup").find(key)

    async def adopt(self, key: str, task_id: int, *, force: bool = False) -> "Entry":
        """Confirm a doubt: the request that was sent under *key* has become this task.

        The task is looked at and compared with what was asked for; then the key is `submitted`, or settled if the task
        has ended, and what a budget held for it is spent. With *follow* a task that has ended is settled a little
        later, behind its delivery.

        Args:
            key: In the state `unknown`.
            task_id: The task that you found in your account.
            force: Also if the service does not repeat what was asked for, or another key is in doubt with an equal
                request; never if it repeats something else.

        Returns:
            The entry as it is now.

        Raises:
            RuntimeError: This client has no journal.
            ValueError: The key is not in doubt, another key has that task, or it is not what was asked for.
            ApiError: There is no such task.
            ConnectionFailed: The API could not be reached.
            JournalFailed: The journal cannot be written.

        Example:
            >>> async def confirm(client, key, task_id):
            ...     entry = await client.adopt(key, task_id)
            ...     return await client.wait(entry.task_id)
        """
        await self._background.open()
        journal = self._journal_for("adopt")
        seen = await self._looks.look(check_id(task_id))
        task, reason = (None, seen.reason) if isinstance(seen, TaskFailed) else (seen, None)
        entry = await journal.adopt(key, task_id, task, force=force)
        self._books.adopted(journal, entry)
        if self._follower is not None:
            await self._follower.take_over()
        if task is None or task.done:
            await self._books.ended(task_id, task, reason)
            return await journal.find(key) or entry
        return entry

    async def unsettled(self) -> AsyncGenerator["Entry"]:
        """Go through what the journal has not seen the end of: submissions in doubt, then tasks that run.

        Raises:
            RuntimeError: This client has no journal.
            JournalFailed: The journal cannot be read.
        """
        async with aclosing(self._journal_for("resume").unsettled()) as entries:
            async for entry in entries:
                yield entry

    def _journal_for(self, what: str) -> "ClientJournal":
        if self._journal is None:
            raise RuntimeError(f"{what} needs a journal: AsyncClient(..., journal=Journal(path))")
        return self._journal

    @overload
    async def download(self, task: Task, path: str | os.PathLike[str], *, part: Media = "video") -> Path: ...

    @overload
    async def download(self, task: Task, path: Place, *, part: Media = "video") -> Place: ...

    async def download(self, task: Task, path: Any, *, part: Media = "video") -> Any:
        """Bring a result to *path*: resumed, whole or not at all, and without the API key.

        It is there when it is complete: of the announced length, and a video or a picture by its first bytes. A URL
        that has expired, or leads to anything else, is asked for anew once.

        Args:
            task: A task that succeeded.
            path: Where the file should be; its folder exists. Or a name in a bucket, `bucket / "videos/order-42.mp4"`:
                there it is put in one go, and what is there already from this task is not brought again.
            part: `"video"` (MP4) or `"cover"` (picture).

        Returns:
            The path, or the name.

        Raises:
            DownloadFailed: Not complete; calling again resumes it.
            ValueError: The task has no such result.

        Source: vendor's page, Response Fields `output.resultUrl` and `output.cover`.
        """
        if not isinstance(task, Task):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
            raise TypeError(f"a Task is downloaded, not {type(task).__name__}: wait for it first")
        if part not in ("video", "cover"):
            raise ValueError(f'part must be "video" or "cover", not {part!r}')
        from ._delivery import target_of

        target = target_of(path)
        await self._background.open()
        with self._observe("download", task.id):
            await self._deliveries.bring(task, target, part)
        return target


def background_of(client: AsyncClient) -> "Background":
    """Return the client's own task, for what else must outlive its caller."""
    return client._background  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # the face has two halves


def deliveries_of(client: AsyncClient) -> "Deliveries":
    """Return what brings results of a client to where they are wanted."""
    return client._deliveries  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # as above


def last_look_at(client: AsyncClient, task_id: int) -> Task | None:
    """Return what was seen last of a task that somebody waits for."""
    seen = client._poller.last_look(task_id)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # as above
    return None if seen is None else seen[1]


def _id_of(flight: "Flight") -> int:
    return cast("int", flight.purchase.task_id)  # a flight without one ended with an error
