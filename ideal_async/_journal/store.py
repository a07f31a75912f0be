"""The steps of a journal, each one durable transaction, whatever database carries them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar
from weakref import WeakValueDictionary

import attrs

from ideal_async._errors import JournalFailed
from ideal_async._identity import check_account, check_key, origin_of
from ideal_async._models import ImageToVideo, Task, is_refunded

from . import transitions
from .contract import Busy, Cap, Intent, new_intent
from .entries import STATES, Entry, State, decode_entry, encode_task, encode_text, encode_time

T = TypeVar("T")

#: Entries fetched at once: about half a megabyte.
_PAGE = 500
#: Seconds before asking again about a key that somebody is sending; a POST takes about a second.
_ASK_AGAIN, _ASK_AGAIN_MAX = 0.05, 1.0


def utc_now() -> datetime:
    return datetime.now(UTC)


@attrs.frozen
class _Told:
    """What was said of an attempt; kept while it cannot be written."""

    key: str
    attempt: str
    state: State
    task_id: int | None = None
    reason: str | None = None

    def __str__(self) -> str:
        return f"{self.state}{'' if self.task_id is None else f' as task {self.task_id}'}"


class Transactions(Protocol):
    """What carries a store's steps: each runs whole or not at all, and is durable when its caller goes on."""

    def check(self) -> None:
        """Refuse a store that is closed, or came through a fork."""

    def read(self, work: Callable[[Any], T]) -> T:
        """Run *work* over what is committed and return its result."""
        ...

    def write(self, work: Callable[[Any], T], *, owed: object = None) -> T:
        """Run *work* in a transaction and return its result once that is durable; it may run twice.

        Args:
            work: Is given the `Database`, inside a transaction.
            owed: What it says, if that has happened already: should the write fail, it is done later all the same, and
                `owed` tells of it until then.
        """
        ...

    def owed(self) -> list[Any]:
        """Return what is not written yet though it has happened, newest first."""
        ...


class Claim(Protocol):
    """That a store's owner is alive."""

    @property
    def id(self) -> str:
        """Names the owner; never used a second time."""
        ...

    @property
    def held(self) -> WeakValueDictionary[str, object]:
        """What it is busy with, by attempt."""
        ...


class Store(ABC):
    """What every journal does for a client; a subclass says where it stands, and who is alive.

    Attributes:
        _name: What messages call it.
        _now: Tells the time, with a time zone.
        _holds_for: See `Intent.holds_for`.
    """

    _name: str
    _now: Callable[[], datetime]
    _holds_for = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    @abstractmethod
    def close(self) -> None:
        """Finish the writes under way and let go; what is still intended then counts as `unknown`."""

    async def aclose(self) -> None:
        """Close it without holding up the event loop."""
        import anyio.to_thread

        await anyio.to_thread.run_sync(self.close)

    @property
    @abstractmethod
    def _commits(self) -> Transactions:
        """What carries the steps."""

    @abstractmethod
    def _is_alive(self, owner: str, attempt: str | None = None) -> bool:
        """Tell whether an owner lives, and is still busy with *attempt* if that is of this process."""

    @abstractmethod
    def _claim(self) -> Claim:
        """Be alive, from the first intent on."""

    @abstractmethod
    def _claimed(self) -> str | None:
        """Return the owner's id, if this store is alive."""

    # What the client writes and asks: see `JournalStore`.

    def intend(
        self,
        origin: str,
        key: str | None,
        request: ImageToVideo,
        credits: int | None,
        *,
        account: str = "",
        cap: Cap | None = None,
    ) -> Intent | Entry | Busy:
        """Ask to send *request*, in one step with the question whether that key was sent before."""
        now = self._time()
        intent = new_intent(
            *(origin, key, request, credits),
            account=account,
            now=datetime.fromisoformat(now),
            holds_for=self._holds_for,
        )
        owner = self._claim()
        owner.held[intent.attempt] = intent  # before another thread can see the row
        work = partial(
            self._intend,
            intent=intent,
            cap=cap,
            named=key is not None,
            owner=owner.id,
            is_alive=self._is_alive,
        )
        try:
            row = self._commits.write(work)
        except JournalFailed:
            known = self._known(intent)
            if known is None:
                raise
            return known
        if row is None:
            return intent
        (entry,) = self._entries([row])
        if entry.state == "intended":
            age = (intent.created_at - entry.created_at).total_seconds()
            return Busy(min(max(_ASK_AGAIN, age / 2), _ASK_AGAIN_MAX), f"key {entry.key!r} is being sent")
        if entry.state == "refused":
            raise JournalFailed(
                f"{self._name}: key {entry.key!r} may go again, but its last attempt cannot be written off "
                "yet: free some space on the disk and call again"
            )
        return entry

    #: What decides about an intent, inside the transaction.
    _intend: Callable[..., transitions.Row | None] = staticmethod(transitions.intend)

    def confirm(self, intent: Intent) -> bool | Busy:
        """Ask whether *intent* still holds; immediately before every single send, re-sends included."""
        return self._commits.read(partial(transitions.holds, intent=intent))

    def withdraw(self, intent: Intent) -> None:
        """Take an intent back: nothing was sent, and the key is as it was before.

        Raises:
            JournalFailed: It could not be written; it is tried again with the next write.
        """
        told = _Told(intent.key, intent.attempt, "refused", reason="withdrawn before it was sent")
        self._commits.write(partial(transitions.withdraw, intent=intent, now=self._time()), owed=told)

    def submitted(self, intent: Intent, task_id: int) -> None:
        """Write down the id of a paid task. A late answer is welcome, whatever the key has become meanwhile.

        Raises:
            JournalFailed: It could not be written; it is tried again with the next write. Its `task_id` is the id.
        """
        work = partial(transitions.submit, intent=intent, task_id=task_id, now=self._time(), follower=self._claimed())
        try:
            self._commits.write(work, owed=_Told(intent.key, intent.attempt, "submitted", task_id))
        except JournalFailed as error:
            raise JournalFailed(f"task {task_id} is paid, and not written down: {error}", task_id=task_id) from error

    def refused(self, intent: Intent, reason: str) -> None:
        """Write down that the API said no: nothing was created, and the key may be used again.

        Raises:
            JournalFailed: It could not be written; it is tried again with the next write.
        """
        reason = encode_text(reason)
        told = _Told(intent.key, intent.attempt, "refused", reason=reason)
        self._commits.write(partial(transitions.refuse, intent=intent, reason=reason, now=self._time()), owed=told)

    def unknown(self, intent: Intent) -> None:
        """Write down that the request was sent and no answer came.

        Raises:
            JournalFailed: It could not be written; it is tried again with the next write.
        """
        told = _Told(intent.key, intent.attempt, "unknown")
        self._commits.write(partial(transitions.doubt, intent=intent, now=self._time()), owed=told)

    def settle(
        self, origin: str, task_id: int, task: Task | None, *, reason: str | None = None, account: str = ""
    ) -> None:
        """Write down how a task ended. A task the journal does not know, or knows to have ended, is left alone.

        Raises:
            ValueError: *task* still runs.
            JournalFailed: It could not be written. `task_id` names the task.
        """
        if task is not None and not task.done:
            raise ValueError(f"task {task_id} is {task.status}: only Success and Failed settle it")
        work = partial(
            transitions.settle,
            origin=origin_of(origin),
            account=account,
            task_id=task_id,
            state="succeeded" if task is not None and task.succeeded else "failed",
            task=None if task is None else encode_task(task),
            reason=None if reason is None else encode_text(reason),
            refunded=is_refunded(task),
            now=self._time(),
        )
        try:
            self._commits.write(work)
        except JournalFailed as error:
            raise error.about(task_id) from error.__cause__

    def find(self, origin: str, key: str, *, account: str = "") -> Entry | None:
        """Look a key up, without asking whether its owner lives.

        Args:
            origin: Any URL of the API.
            key: The caller's.
            account: That pays.

        Raises:
            JournalFailed: It cannot be read.
            TypeError: *key* is no text.
            ValueError: *key* can be no key.
        """
        find = partial(transitions.find, origin=origin_of(origin), account=account, key=check_key(key))
        row = self._commits.read(find)
        return None if row is None else self._entries([row])[0]

    def entries(
        self,
        state: State | None = None,
        *,
        keys: Iterable[str] | None = None,
        origin: str | None = None,
        account: str | None = None,
    ) -> Iterator[Entry]:
        """Go through the entries, oldest first; read in pages, so that a long journal costs little memory.

        Args:
            state: Only entries in this state.
            keys: Only entries of these keys.
            origin: Only entries of this API, such as `"https://api.ideal.house"`; all by default.
            account: Only entries of this account; all by default.

        Raises:
            ValueError: There is no such state.
            JournalFailed: It cannot be read.
        """
        if state is not None and state not in STATES:
            raise ValueError(f"state must be one of {', '.join(STATES)}, not {state!r}")
        self._commits.check()
        origin = None if origin is None else origin_of(origin)
        if keys is None:
            return self._pages(state, origin, account)
        return self._pages_of(
            self._commits.read(partial(transitions.find_ids, keys=keys, origin=origin, account=account)), state
        )

    def entries_of_tasks(self, task_ids: Iterable[int]) -> Iterator[Entry]:
        """Go through the entries of some tasks, oldest first.

        Args:
            task_ids: Their ids; what the journal does not know is left out.

        Raises:
            JournalFailed: It cannot be read.
        """
        return self._pages_of(self._commits.read(partial(transitions.find_ids_of_tasks, task_ids=task_ids)), None)

    def spent(
        self, origin: str, keys: Iterable[str] | None = None, since: datetime | None = None, *, account: str = ""
    ) -> int:
        """Add up what was spent so far, in credits.

        Counts what was paid, is being sent, or may have been paid (`unknown`); not what came back (`Entry.refunded`),
        was refused, or was released from a doubt. A task whose answer came after the release of its key counts for
        that key, and so does one that ended without a promise of refund. Pruned entries still count, unless *keys* are
        named.

        Args:
            origin: Any URL of the API.
            keys: Only these.
            since: Only what was sent from then on.
            account: That paid.

        Raises:
            ValueError: *since* has no time zone.
            JournalFailed: It cannot be read.
        """
        begin = None if since is None else encode_time(since)
        work = transitions.sum_spending if keys is None else partial(transitions.sum_credits, keys=keys)
        return self._commits.read(partial(work, origin=origin_of(origin), account=account, since=begin))

    def follow(self, origin: str, *, account: str = "") -> Sequence[Entry]:
        """Take over the `submitted` tasks that nobody follows: their follower is dead, has let go, or never was.

        Raises:
            JournalFailed: It cannot be written.
        """
        owner = self._claim()
        rows = self._commits.write(
            partial(
                transitions.follow,
                origin=origin_of(origin),
                account=check_account(account),
                owner=owner.id,
                is_alive=self._is_alive,
            )
        )
        return self._entries(rows)

    def unfollow(self, origin: str, *, account: str = "") -> None:
        """Let go of what this journal follows, so that another process may take it over.

        Raises:
            JournalFailed: It cannot be written.
        """
        owner = self._claim()
        self._commits.write(partial(transitions.unfollow, origin=origin_of(origin), account=account, owner=owner.id))

    def sweep(self) -> int:
        """Turn what dead owners were about to send into `unknown`.

        Returns:
            The number of entries that became `unknown`.

        Raises:
            JournalFailed: The journal cannot be written.
        """
        return self._commits.write(partial(transitions.sweep, is_alive=self._is_alive, now=self._time()))

    def _known(self, intent: Intent) -> Entry | None:
        """Return what this very process was told of a key and could not write: nobody else will ever tell."""
        if not any(told.key == intent.key for told in self._commits.owed()):
            return None
        entry = self.find(intent.origin, intent.key, account=intent.account)
        if entry is None or entry.state not in {"submitted", "unknown"} or entry.fingerprint != intent.fingerprint:
            return None
        return entry

    def _pages(self, state: State | None, origin: str | None, account: str | None) -> Iterator[Entry]:
        last: int | None = 0
        while last is not None:
            page = self._commits.read(
                partial(transitions.read_page, state=state, origin=origin, account=account, after=last, size=_PAGE)
            )
            yield from self._entries(page)
            last = page[-1][-1] if len(page) == _PAGE else None

    def _pages_of(self, ids: Sequence[int], state: State | None) -> Iterator[Entry]:
        for first in range(0, len(ids), _PAGE):
            yield from self._entries(
                self._commits.read(partial(transitions.read_rows, ids=ids[first : first + _PAGE], state=state))
            )

    def _entries(self, rows: Sequence[transitions.Row]) -> list[Entry]:
        """Read entries, as what was said of them has made them, written down or not."""
        told = {told.attempt: told for told in self._commits.owed()}
        return [_apply(decode_entry(row[:-2]), told.get(row[-2])) for row in rows]

    def _time(self) -> str:
        return encode_time(self._now())


def _apply(entry: Entry, told: _Told | None) -> Entry:
    if told is None or entry.state not in {"intended", "unknown"}:
        return entry
    return attrs.evolve(entry, state=told.state, task_id=told.task_id, reason=told.reason)
