"""The client's own task: what runs here outlives the caller that asked for it."""

import asyncio
import contextvars
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import anyio
import anyio.abc
import anyio.lowlevel

T = TypeVar("T")


class Background:
    """One task group for one client, bound to one event loop and one process.

    On asyncio a task of its own holds the group, so that it can be opened and closed from any task (fixtures, start-up
    and shutdown hooks). Trio has no tasks without a parent: there `async with` is the only way.

    Args:
        services: Run from the start to the end.
        on_end: Called when nothing runs here any more, however that came.
    """

    def __init__(self, *services: Callable[[], Coroutine[Any, Any, None]], on_end: Callable[[], None]) -> None:
        self._services = services
        self._on_end = on_end
        self._group: anyio.abc.TaskGroup | None = None
        self._host: asyncio.Task[None] | None = None
        self._loop: object = None
        self._ready: anyio.Event | None = None
        self._pid = 0
        self.closed = False

    async def open(self, *, scoped: bool = False) -> None:
        """Start, unless started; *scoped* promises that `aclose` follows in this very task.

        Raises:
            RuntimeError: Closed, forked, in another event loop, or on trio without `async with`.
        """
        if self.closed:
            raise RuntimeError("this AsyncClient is closed: make a new one")
        if self._ready is None:
            await self._start(scoped=scoped)
            return
        self._check()
        if not self._ready.is_set():
            await self._ready.wait()

    async def _start(self, *, scoped: bool) -> None:
        self._loop, self._pid = anyio.lowlevel.current_token(), os.getpid()
        if isinstance(self._loop.native_token, asyncio.AbstractEventLoop):
            self._ready = anyio.Event()
            # An empty context: looks are shared, so no caller's context variables belong in them.
            self._host = asyncio.get_running_loop().create_task(
                self._hold(self._ready), name="ideal_async", context=contextvars.Context()
            )
            await self._ready.wait()
        elif scoped:
            self._group = await anyio.create_task_group().__aenter__()
            self._ready = anyio.Event()
            self._ready.set()
            self._serve()
        else:
            raise RuntimeError("on trio an AsyncClient works inside its block: use `async with AsyncClient(...)`")

    def _check(self) -> None:
        if self._pid != os.getpid():
            raise RuntimeError("this AsyncClient was made before a fork: make one in each process")
        if self._loop != anyio.lowlevel.current_token():
            raise RuntimeError("this AsyncClient belongs to another event loop: make one in each event loop")

    async def _hold(self, ready: anyio.Event) -> None:
        try:
            async with anyio.create_task_group() as self._group:
                self._serve()
                ready.set()
                await anyio.sleep_forever()
        finally:
            # Reached without `aclose` too, when the event loop is torn down around us.
            self.closed = True
            self._on_end()

    def _serve(self) -> None:
        for service in self._services:
            self.start_soon(service)

    def start_soon(self, function: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
        """Run *function* here; it must not raise."""
        if self._group is None:
            raise RuntimeError("open() comes first")
        self._group.start_soon(function, *args)

    async def call(self, function: Callable[..., Awaitable[T]], *args: object) -> T | None:
        """Run *function* here and return its result; `None`: the client was closed before it came."""
        result: list[T] = []
        over = anyio.Event()

        async def run() -> None:
            try:
                result.append(await function(*args))
            finally:
                over.set()

        self.start_soon(run)
        await over.wait()
        return result[0] if result else None

    async def aclose(self) -> None:
        """Stop: what is shielded is waited for, the rest is cancelled."""
        if self.closed:
            return
        if self._group is None:
            self.closed = True
            return
        self._check()
        self.closed = True
        self._group.cancel_scope.cancel()
        if self._host is None:
            try:
                await self._group.__aexit__(None, None, None)
            finally:
                self._on_end()
        else:
            with anyio.CancelScope(shield=True):
                await asyncio.wait([self._host])
