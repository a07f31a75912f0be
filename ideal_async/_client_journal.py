"""A journal as one client asks it: outside of the event loop, for its API and account, and tidied up when it is quiet.

Loaded for a client that has one.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, ParamSpec, TypeVar, cast

import anyio

from ._adoption import check_adoption
from ._errors import JournalFailed
from ._journal import Busy, Cap, Entry, Intent, JournalControl, JournalStore
from ._models import ImageToVideo, Task

logger = logging.getLogger("ideal_async")

LeaveLoop = Callable[..., Awaitable[Any]]

#: Journal entries read at once.
PAGE = 200
#: Seconds without a question after which the journal may tidy up.
QUIET = 1.0

P = ParamSpec("P")
T = TypeVar("T")


class ClientJournal:
    """The journal of one client.

    Args:
        store: What was handed in.
        origin: Of the API; scopes the keys.
        account: The name of the account that pays; scopes them too.
        leave_loop: Runs a blocking function outside of the event loop.
    """

    def __init__(self, store: JournalStore, *, origin: str, account: str, leave_loop: LeaveLoop) -> None:
        self.store = store
        self._origin = origin
        self._account = account
        self._leave_loop = leave_loop
        self._asked = anyio.Event()
        self._asked_at = 0.0

    def scope(self, key: str) -> object:
        """Return what tells a key from all others, those of other journals included, as long as this is kept."""
        return id(self.store), self._origin, self._account, key

    async def intend(
        self, key: str | None, request: ImageToVideo, credits: int | None, cap: Cap | None
    ) -> Intent | Entry | Busy:
        """Ask to send a request: see `JournalStore`."""
        ask = partial(self.store.intend, account=self._account, cap=cap)
        return await self._ask(ask, self._origin, key, request, credits)

    async def confirm(self, intent: Intent) -> bool | Busy:
        """Ask whether an intent still holds."""
        return await self._ask(self.store.confirm, intent)

    async def withdraw(self, intent: Intent) -> JournalFailed | None:
        """Nothing was sent."""
        return await self._write(intent, self.store.withdraw)

    async def submitted(self, intent: Intent, task_id: int) -> JournalFailed | None:
        """It is paid."""
        return await self._write(intent, self.store.submitted, task_id)

    async def refused(self, intent: Intent, reason: str) -> JournalFailed | None:
        """The API said no."""
        return await self._write(intent, self.store.refused, reason)

    async def unknown(self, intent: Intent) -> JournalFailed | None:
        """It was sent, and no usable answer came."""
        return await self._write(intent, self.store.unknown)

    async def _write(
        self, intent: Intent, write: Callable[..., None], *what_became_of_it: object
    ) -> JournalFailed | None:
        """Write what became of an intent, or return why not; the journal itself tries that again."""
        try:
            await self._ask_at_any_price(write, intent, *what_became_of_it)
        except JournalFailed as error:
            failed = error
        except Exception as error:  # noqa: BLE001 - it was closed, or nobody foresaw it: paid all the same
            failed = JournalFailed(f"the journal could not be written ({type(error).__name__}: {error})")
            failed.__cause__ = error
        else:
            return None
        logger.warning("key %r: the journal could not be written: %s", intent.key, type(failed).__name__)
        return failed

    async def write_end(self, task_id: int, task: Task | None, reason: str | None) -> None:
        """Write the end of a task.

        Raises:
            Exception: It is not written.
        """
        await self._ask(partial(self.store.settle, self._origin, task_id, task, reason=reason, account=self._account))

    async def settle(self, task_id: int, task: Task | None, reason: str | None) -> None:
        """Write the end of a task that nobody delivers."""
        try:
            await self.write_end(task_id, task, reason)
        except Exception:  # noqa: BLE001 - whatever it is, the video is there and paid
            # Better a row that stays open, to be looked at again, than an error here.
            logger.warning("the journal could not note the end of task %d", task_id)

    async def find(self, key: str) -> Entry | None:
        """Return what is known of a key."""
        return await self._ask(partial(self.store.find, account=self._account), self._origin, key)

    async def knows(self, key: str) -> bool:
        """Tell whether a key stands for something that will not be sent again."""
        entry = await self.find(key)
        return entry is not None and entry.state != "refused"

    async def adopt(self, key: str, task_id: int, task: Task | None, *, force: bool) -> Entry:
        """A person says which task a key in doubt has become: let it be so if that is what was asked for.

        Raises:
            ValueError: The key is not in doubt, the task is not what was asked for, or nobody can know.
        """
        if not isinstance(self.store, JournalControl):
            raise TypeError(f"{type(self.store).__name__} cannot adopt: it lacks the verbs of a person")
        entry = await self.find(key)
        if entry is None:
            raise ValueError(f"the journal has no key {key!r} of this API and account: nothing to adopt")
        check_adoption(entry.request, task, task_id, force=force)
        adopt = partial(self.store.adopt, origin=self._origin, account=self._account, force=force)
        return await self._ask(adopt, key, task_id)

    async def unsettled(self) -> AsyncGenerator[Entry]:
        """Go through what has no end yet: submissions in doubt, then tasks that run."""
        await self._ask(self.store.sweep)
        for state in ("unknown", "submitted"):
            entries = self.store.entries(state, origin=self._origin, account=self._account)
            while page := await self._ask(_read_page, entries):
                for entry in page:
                    yield entry

    @property
    def counts_places(self) -> bool:
        """Whether it limits what is in flight, so that a task which nobody follows is in everybody's way."""
        return hasattr(self.store, "take_over")

    async def take_over(self, *, asked: bool) -> Sequence[Entry]:
        """Return the running tasks that nobody alive follows: from now on they are this client's.

        Args:
            asked: The application wants to have them; else they are only taken where nobody does.
        """
        await self._ask(self.store.sweep)
        take: Callable[..., Sequence[Entry]] = self.store.follow if asked else cast("Any", self.store).take_over
        return await self._ask(partial(take, account=self._account), self._origin)

    async def denied(self, task_id: int) -> None:
        """The API does not know a paid task: where places in flight are counted, it holds none any more."""
        if self.counts_places:
            try:
                await self._ask(partial(cast("Any", self.store).denied, account=self._account), self._origin, task_id)
            except Exception as error:  # noqa: BLE001 - in a day it holds none anyway
                logger.warning("the journal could not note that task %d is denied: %s", task_id, type(error).__name__)

    async def unfollow(self) -> None:
        """Follow nothing any more, so that another process may."""
        try:
            await self._ask(partial(self.store.unfollow, account=self._account), self._origin)
        except Exception as error:  # noqa: BLE001 - the end of this process says the same
            logger.warning("the journal could not note that nobody follows: %s", type(error).__name__)

    def hurry(self) -> None:
        """The client closes: whoever waits for a journal that cannot be reached shall not hold that up."""
        hurry: Callable[[], None] | None = getattr(self.store, "hurry", None)
        if hurry is not None:
            hurry()

    async def run(self) -> None:
        """Let it tidy up whenever it was asked for nothing for a while; until cancelled."""
        while True:
            await self._asked.wait()
            while (left := self._asked_at + QUIET - anyio.current_time()) > 0:  # noqa: ASYNC110 - it may be asked again
                await anyio.sleep(left)
            self._asked = anyio.Event()
            try:
                await self._leave_loop(self.store.idle)
            except Exception as error:  # noqa: BLE001 - it is only tidiness, and no thread may be to be had
                logger.warning("the journal could not tidy up: %s: %s", type(error).__name__, error)

    async def _ask(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask outside of the event loop; the store is opened by whoever comes first."""
        self._note_question()
        return cast("T", await self._leave_loop(partial(_open_and_call, self.store, function, *args, **kwargs)))

    async def _ask_at_any_price(self, function: Callable[..., None], *args: object) -> None:
        """Ask in the event loop where no thread can be started: better it stands still than that a paid id is lost."""
        begun = False

        def ask() -> None:
            nonlocal begun
            begun = True
            _open_and_call(self.store, function, *args)

        self._note_question()
        try:
            await self._leave_loop(ask)
        except Exception:
            if begun:
                raise
            ask()

    def _note_question(self) -> None:
        self._asked_at = anyio.current_time()
        self._asked.set()


def _open_and_call(store: JournalStore, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    store.open()
    return function(*args, **kwargs)


def _read_page(entries: Iterator[Entry]) -> list[Entry]:
    return list(islice(entries, PAGE))
