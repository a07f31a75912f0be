"""One caller's view of one task, kept small: there is one for every task that is waited for."""

from typing import TYPE_CHECKING

import anyio
import attrs

from ._models import Task

if TYPE_CHECKING:
    import asyncio


class Signal:
    """An event that happens once, for one who waits.

    On asyncio `anyio.Event` stands on an `asyncio.Event`, and that on a deque, 1 kB in all; a future has a tenth of it.
    """

    __slots__ = ("_happened", "_waiting")

    def __init__(self) -> None:
        self._happened = False
        self._waiting: asyncio.Future[None] | anyio.Event | None = None

    def set(self) -> None:
        """Let it happen."""
        self._happened = True
        if isinstance(self._waiting, anyio.Event):
            self._waiting.set()
        elif self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def wait(self) -> None:
        """Return when it has happened."""
        import asyncio  # at the top it would be a sixth of what importing the package costs

        if self._happened:
            await anyio.lowlevel.checkpoint()
        elif isinstance(loop := anyio.lowlevel.current_token().native_token, asyncio.AbstractEventLoop):
            self._waiting = future = loop.create_future()
            await future
        else:
            self._waiting = event = anyio.Event()
            await event.wait()


@attrs.define(eq=False, weakref_slot=False)
class Waiter:
    """One caller's view of one task.

    Attributes:
        task: The last look.
        error: Why the wait is over without a terminal look.
        news: Set when there is something new to see.
        every_look: Wants to hear of each look, not only of the end.
        max_interval: Seconds between two looks at most, if this caller wants to see more of them.
    """

    task: Task | None = None
    error: Exception | None = None
    news: Signal = attrs.field(factory=Signal)
    every_look: bool = False
    max_interval: float | None = None

    @property
    def ended(self) -> bool:
        """Nothing more will come."""
        return self.error is not None or (self.task is not None and self.task.done)

    async def next_look(self) -> Task | None:
        """Wait for news; `None`: the wait ended with an error."""
        await self.news.wait()
        if not self.ended:
            self.news = Signal()
        return self.task if self.error is None else None
