"""A look at a task that somebody asks for: one for all who ask at the same time, kept for those who accept some age."""

import math
from collections import OrderedDict
from operator import itemgetter

import anyio

from ._background import Background
from ._books import Books
from ._errors import ConnectionFailed, TaskFailed
from ._models import Task
from ._poller import Poller
from ._retry import Failure
from ._session import Session

#: Looks that are kept, about two kilobytes each.
KEPT = 1000


class Looks:
    """The looks of one client that are not the poller's.

    Args:
        session: Looks.
        background: Where a look goes on when one of those who share it leaves.
        poller: May have looked a moment ago.
        books: Hear of a task that has ended.
    """

    def __init__(self, session: Session, background: Background, poller: Poller, books: Books) -> None:
        self._session = session
        self._background = background
        self._poller = poller
        self._books = books
        self._kept: OrderedDict[int, tuple[float, Task]] = OrderedDict()

    async def fetch(self, task_id: int, max_age: float | None) -> Task:
        """Look at a task, or return a look that is not older than *max_age* seconds: see `AsyncClient.fetch`."""
        if max_age is not None and (known := self._newest(task_id, max_age)) is not None:
            return known
        seen = await self.look(task_id)
        if isinstance(seen, TaskFailed):
            await self._books.ended(task_id, None, seen.reason)
            raise seen
        self._kept[task_id] = anyio.current_time(), seen
        self._kept.move_to_end(task_id)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        if seen.done:
            await self._books.ended(task_id, seen)
        return seen

    async def look(self, task_id: int) -> Task | TaskFailed:
        """Look at a task, and tell nobody; prohibited content, which comes in place of a task, is an end as well.

        Raises:
            IdealError: It cannot be seen.
        """
        outcome = await self._background.run(self._session.look_again, task_id)
        if outcome is None:
            raise ConnectionFailed("the client was closed during the look", task_id=task_id)
        if not isinstance(outcome, Failure):
            return outcome
        error = outcome.error.again()  # others may have asked for the same look
        if isinstance(error, TaskFailed):
            return error
        raise error

    def _newest(self, task_id: int, max_age: float) -> Task | None:
        """Return the newest look that the poller or a `fetch` made in the last *max_age* seconds."""
        looks = [look for look in (self._poller.last_look(task_id), self._kept.get(task_id)) if look is not None]
        at, task = max(looks, key=itemgetter(0), default=(-math.inf, None))
        return task if at >= anyio.current_time() - max_age else None
