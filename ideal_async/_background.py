"""The client's own task: what runs here outlives the caller that asked for it."""

import logging
import os
from collections.abc import Awaitable, Callable, Coroutine, Generator, Hashable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio

if TYPE_CHECKING:
    import asyncio

    import anyio.abc

logger = logging.getLogger("ideal_async")

T = TypeVar("T")


class _SharedRun:
    """One run of a function for all who asked for it meanwhile."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.over = anyio.Event()
        self.callers = 0
        self.result: object = None
        self.error: Exception | None = None


class Background:
    """One task group for one client, bound to one event loop and one process.

    On asyncio a task of its own holds the group, so that it can be opened and closed from any task (fixtures, start-up
    and shutdown hooks). Trio has no tasks without a parent: there `async with` is the only way.

    Args:
        services: Run from the start to the end.
        on_end: Run, shielded, when nothing else runs here any more, however that came.
    """

    def __init__(
        self, *services: Callable[[], Coroutine[Any, Any, None]], on_end: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        self._services = services
        self._on_end = on_end
        self._group: anyio.abc.TaskGroup | None = None
        self._host: asyncio.Task[None] | None = None
        self._loop: object = None
        self._ready: anyio.Event | None = None
        self._pid = 0
        self._shared: dict[object, _SharedRun] = {}
        self._waited_for: set[int] = set()
        self._over = False
        self.closed = False

    async def open(self, *, scoped: bool = False) -> None:
        """Start, unless started; *scoped* promises that `aclose` follows in this very task.

        Raises:
            RuntimeError: Closed, forked, in another event loop, or on trio without `async with`.
        """
        if self._ready is None and not self.closed:
            self._ready = await self._start(scoped=scoped)
        elif not self.closed:
            self._check()
        if self._ready is not None and not self._ready.is_set():
            await self._ready.wait()  # closing meanwhile waits for this too
        if self.closed:
            raise RuntimeError("this AsyncClient is closed: make a new one")

    async def _start(self, *, scoped: bool) -> "anyio.Event":
        import asyncio  # here and below: at the top it would be a sixth of what importing the package costs
        import contextvars

        self._loop, self._pid = anyio.lowlevel.current_token(), os.getpid()
        ready = anyio.Event()
        if isinstance(self._loop.native_token, asyncio.AbstractEventLoop):
            # An empty context: looks are shared, so no caller's context variables belong in them.
            self._host = asyncio.get_running_loop().create_task(
                self._hold(ready), name="ideal_async", context=contextvars.Context()
            )
        elif scoped:
            self._group = await anyio.create_task_group().__aenter__()
            self._serve()
            ready.set()
        else:
            raise RuntimeError("on trio an AsyncClient works inside its block: use `async with AsyncClient(...)`")
        return ready

    def _check(self) -> None:
        if self._pid != os.getpid():
            raise RuntimeError("this AsyncClient was made before a fork: make one in each process")
        if self._loop != anyio.lowlevel.current_token():
            raise RuntimeError("this AsyncClient belongs to another event loop: make one in each event loop")

    async def _hold(self, ready: "anyio.Event") -> None:
        try:
            async with anyio.create_task_group() as self._group:
                self._serve()
                ready.set()
                if self.closed:  # before it had begun
                    self._group.cancel_scope.cancel()
                await anyio.sleep_forever()
        finally:
            # Reached without `aclose` too, when the event loop is torn down around us.
            await self._end()

    def add(self, service: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run one more service from the start to the end; before the start."""
        self._services = (*self._services, service)

    def _serve(self) -> None:
        for service in self._services:
            self.start_soon(service)

    def start_soon(self, function: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
        """Run *function* here; should it raise, that is a mistake of ours, and everything else goes on."""
        if self._group is None:
            raise RuntimeError("open() comes first")
        self._group.start_soon(_guarded, function, *args, name=function.__qualname__)

    @contextmanager
    def waited_for(self) -> Generator[None]:
        """Surround a callback for which `aclose` waits, so that it cannot wait for itself."""
        task = anyio.get_current_task().id
        self._waited_for.add(task)
        try:
            yield
        finally:
            self._waited_for.discard(task)

    async def run(self, function: Callable[..., Awaitable[T]], *args: Hashable) -> T | None:
        """Run *function* here and return its result; `None`: the client was closed before it came.

        Callers that ask for the same thing at the same time share one run. Unlike what `start_soon` runs, it ends when
        the last of its callers leaves.
        """
        asked = (function, args)
        run = self._shared.get(asked)
        if run is None:
            run = self._shared[asked] = _SharedRun()
            self.start_soon(self._run_shared, asked, run)
        run.callers += 1
        try:
            await run.over.wait()
        finally:
            run.callers -= 1
            if not run.callers:
                run.scope.cancel()
                self._forget_run(asked, run)
        if run.error is not None:
            raise run.error
        return cast("T | None", run.result)

    async def _run_shared(
        self, asked: tuple[Callable[..., Awaitable[Any]], tuple[Hashable, ...]], run: "_SharedRun"
    ) -> None:
        try:
            with run.scope:
                run.result = await asked[0](*asked[1])
        except Exception as error:  # noqa: BLE001 - it is the callers', and nobody else's
            run.error = error
        finally:
            self._forget_run(asked, run)
            run.over.set()

    def _forget_run(self, asked: object, run: "_SharedRun") -> None:
        if self._shared.get(asked) is run:
            del self._shared[asked]

    async def aclose(self) -> None:
        """Stop: what is shielded is waited for, the rest is cancelled.

        Raises:
            RuntimeError: In another process or event loop than it was opened in, or in a callback that it waits for.
        """
        if self._over:
            return
        if self._ready is None:
            await self._end()
            return
        self._check()
        if anyio.get_current_task().id in self._waited_for or (self._host is not None and _runs_in(self._host)):
            raise RuntimeError(
                "closing waits for what runs in the client: close it outside of on_submit, on_end, and whatever else "
                "it calls"
            )
        first, self.closed = not self.closed, True
        if self._group is not None:
            self._group.cancel_scope.cancel()
        if self._host is not None:
            await _outlast(self._host)
        elif first and self._group is not None:
            try:
                await self._group.__aexit__(None, None, None)
            finally:
                await self._end()

    async def _end(self) -> None:
        self.closed = self._over = True
        with anyio.CancelScope(shield=True):
            await self._on_end()


async def _guarded(function: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
    try:
        await function(*args)
    except Exception:
        logger.exception("%s ended with an error that nobody foresaw", function.__qualname__)


def _runs_in(host: "asyncio.Task[None]") -> bool:
    """Tell whether this code runs in a task that is part of *host*, which could not end before it."""
    parents = {task.id: task.parent_id for task in anyio.get_running_tasks()}
    task: int | None = anyio.get_current_task().id
    while task is not None and task != id(host):
        task = parents.get(task)
    return task is not None


async def _outlast(task: "asyncio.Task[None]") -> None:
    """Wait until *task* is done, and only then be cancelled: requests that may cost money are finished first."""
    import asyncio

    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            with anyio.CancelScope(shield=True):
                await asyncio.wait([task])
        except asyncio.CancelledError as error:  # asyncio's own passes our shield
            cancelled = error
    if cancelled is not None:
        raise cancelled
