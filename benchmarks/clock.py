"""A clock that skips the time in which nothing happens: 75 s of waiting take as long as the work in them.

Client and server are two processes that share one number, the seconds skipped so far. Whenever the client's event loop
has nothing to do but wait for a timer, it makes sure that the server has answered everything, and then skips to that
timer. Rates, intervals, time-outs and keep-alive are those of a real run; only idle waiting is left out. While a
contender is busy time passes as it does on any clock, so who keeps the processor busy is late here too.
"""

import asyncio
import math
import mmap
import selectors
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_real = time.monotonic


class Clock:
    """Seconds on the shared clock.

    Args:
        path: Of the file that holds the seconds skipped; `None` makes one.
    """

    def __init__(self, path: Path | None = None) -> None:
        if path is None:
            with tempfile.NamedTemporaryFile(prefix="skipped-", delete=False) as fresh:
                fresh.write(bytes(8))
            path = Path(fresh.name)
        self.path = path
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 8)

    @property
    def skipped(self) -> float:
        """Seconds skipped so far, by everybody."""
        (value,) = struct.unpack("d", self._shared)
        return float(value)

    def now(self) -> float:
        """Tell the time."""
        return _real() + self.skipped

    def skip(self, seconds: float) -> None:
        """Go forward."""
        self._shared[:] = struct.pack("d", self.skipped + seconds)

    def install(self) -> None:
        """Let this whole process go by this clock. Libraries look `time.monotonic` up when they need it."""
        time.monotonic = self.now


class SkippingSelector(selectors.DefaultSelector):
    """Waits for sockets; skips the wait for a timer once the server owes no answer.

    Args:
        clock: Shared with the server.
        barrier: A connection to it, on which it answers once it has answered everything else.
    """

    def __init__(self, clock: Clock, barrier: socket.socket) -> None:
        super().__init__()
        self._clock = clock
        self._barrier = barrier
        #: CPU seconds spent here, which are none of the contender's.
        self.overhead = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready, after waiting or skipping."""
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        before = time.thread_time()
        self._barrier.send(b"?")
        (answer_due,) = struct.unpack("d", self._barrier.recv(8, socket.MSG_WAITALL))
        ready = super().select(0)
        self.overhead += time.thread_time() - before
        if not ready:
            pause = min(math.inf if timeout is None else timeout, answer_due - self._clock.now())
            if pause == math.inf:
                return super().select(None)
            self._clock.skip(max(0.0, pause))
        return ready


def run(main: Callable[[], Coroutine[Any, Any, T]], selector: SkippingSelector) -> T:
    """Run on asyncio by a skipping clock."""
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        return runner.run(main())
