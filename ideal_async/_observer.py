"""What a client tells whoever watches it: its calls, what it spends, its looks, the brake."""

import logging
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from types import TracebackType
from typing import Literal, ParamSpec

from ._errors import IdealError
from ._models import ImageToVideo, Task

logger = logging.getLogger("ideal_async")

P = ParamSpec("P")

Call = Literal["submit", "wait", "download"]
#: What became of a request: paid; the API said no; it never left; nobody knows.
Fate = Literal["submitted", "refused", "not_sent", "unknown"]


class Observer:
    """Hears what a client does: override what you need, the rest does nothing.

    One observer may serve several clients. Its methods run in the event loop and must not block; what they raise is
    logged once and goes no further. A client without an observer spends no time on any of this.

    Example:
        >>> class Spending(Observer):
        ...     def submission(self, fate, request, credits):
        ...         print(fate, credits)
        >>> client = AsyncClient("sandbox", observer=Spending())
    """

    def call(self, name: Call, task_id: int | None) -> AbstractContextManager[Callable[[int], None]]:
        """Surround a call of `submit`, `wait` or `download`, in the caller's own context; `generate` is the first two.

        What is entered is called with the task id, once a submit knows it.
        """
        del name, task_id
        return nullcontext(ignore)

    def submission(self, fate: Fate, request: ImageToVideo, credits: int | None) -> None:
        """Hear what became of a request and of its *credits*; `None`: its price is not known."""

    def looked(self, task_id: int, result: Task | IdealError, late: float) -> None:
        """Hear of a look for those who wait: what it brought, and how many seconds after it was due it was made."""

    def ended(self, task_id: int, task: Task | None, credits: int | None) -> None:
        """Hear that a task ended; *credits*: what it cost, if this client paid. Without a video they come back."""

    def braked(self, seconds: float) -> None:
        """Hear that the API asks for a pause."""

    def in_flight(self, change: int) -> None:
        """Hear that this client has more or fewer tasks running."""

    def waiting(self, change: int) -> None:
        """Hear that more or fewer tasks are waited for."""


def ignore(_: object) -> None:
    """Do nothing with it."""


class Guarded(Observer):
    """Passes on to an observer whose mistakes must not cost a paid task."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._reported: set[str] = set()

    def _notify(self, method: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - anybody's code
            self._report(getattr(method, "__name__", "call"), error)

    def _report(self, name: str, error: Exception) -> None:
        if name not in self._reported:
            self._reported.add(name)
            # Without the words of the error: they may be about a request.
            logger.error("the observer failed in %s: %s (reported once)", name, type(error).__name__)

    @contextmanager
    def call(self, name: Call, task_id: int | None) -> Generator[Callable[[int], None]]:
        with ExitStack() as stack:
            known: Callable[[int], None] = ignore
            try:
                context = self._observer.call(name, task_id)
                known = context.__enter__()
                stack.push(partial(self._leave, context))
            except Exception as error:  # noqa: BLE001 - anybody's code
                self._report("call", error)
            yield lambda task_id: self._notify(known, task_id)

    def _leave(
        self,
        context: AbstractContextManager[object],
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Leave the observer's block; what happened in it happened, whatever the observer says to that."""
        try:
            context.__exit__(kind, error, trace)
        except Exception as problem:  # noqa: BLE001 - anybody's code
            self._report("call", problem)
        return False

    def submission(self, fate: Fate, request: ImageToVideo, credits: int | None) -> None:
        self._notify(self._observer.submission, fate, request, credits)

    def looked(self, task_id: int, result: Task | IdealError, late: float) -> None:
        self._notify(self._observer.looked, task_id, result, late)

    def ended(self, task_id: int, task: Task | None, credits: int | None) -> None:
        self._notify(self._observer.ended, task_id, task, credits)

    def braked(self, seconds: float) -> None:
        self._notify(self._observer.braked, seconds)

    def in_flight(self, change: int) -> None:
        self._notify(self._observer.in_flight, change)

    def waiting(self, change: int) -> None:
        self._notify(self._observer.waiting, change)
