"""One caller's view of one task, kept small: there is one for every task that is waited for."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING

import anyio

from ._errors import WaitTimeout
from ._models import Task

if TYPE_CHECKING:
    import asyncio


class Waiter:
    """One caller's view of one task.

    On asyncio `anyio.Event` stands on an `asyncio.Event`, and that on a deque, 1 kB in all; a future has a tenth of it.

    Attributes:
        task: The last look.
        error: Why the wait is over without a terminal look.
        every_look: Wants to hear of each look, not only of the end.
        max_interval: Seconds between two looks at most, if this caller wants to see more of them.
    """

    __slots__ = ("_changed", "_waiting", "error", "every_look", "max_interval", "task")

    def __init__(self, *, every_look: bool = False, max_interval: float | None = None) -> None:
        self.task: Task | None = None
        self.error: Exception | None = None
        self.every_look = every_look
        self.max_interval = max_interval
        self._changed = False
        self._waiting: asyncio.Future[None] | anyio.Event | None = None

    def notify(self) -> None:
        """Say that there is something new to see."""
        self._changed = True
        if isinstance(self._waiting, anyio.Event):
            self._waiting.set()
        elif self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def next_look(
        self, task_id: int, *, timeout: float | None = None, deadline: float | None = None, paid: bool = False
    ) -> Task:
        """Wait for something new until *deadline*; *task_id*, *timeout* and *paid* are for the error's words.

        Raises:
            WaitTimeout: There was none.
            Exception: Whatever ended the wait.
        """
        task = None
        if deadline is None:  # a scope without a deadline would be a fifth of the memory of a waiting task
            await self._next_change()
            task = self.task
        else:
            with anyio.CancelScope(deadline=deadline):
                await self._next_change()
                task = self.task
        self._changed = False
        if self.error is not None:
            raise self.error
        if task is None:
            raise WaitTimeout(timeout or 0.0, task_id=task_id, task=self.task, paid=paid)
        return task

    def _next_change(self) -> Awaitable[None]:
        """Return what to await: not a coroutine around it, which would be a twelfth of that memory."""
        import asyncio  # at the top it would be a sixth of what importing the package costs

        if self._changed:
            return anyio.lowlevel.checkpoint()
        if isinstance(loop := anyio.lowlevel.current_token().native_token, asyncio.AbstractEventLoop):
            self._waiting = future = loop.create_future()
            return future
        self._waiting = event = anyio.Event()
        return event.wait()
