"""The steps of a journal, each one durable transaction, whatever database carries them."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Protocol, Self
from weakref import WeakValueDictionary

from ideal_async._errors import JournalFailed
from ideal_async._identity import check_account, find_too_long, origin_of
from ideal_async._models import ImageToVideo, Task, is_refunded

from . import transitions
from .contract import Busy, Cap, Intent, new_intent
from .entries import Entry, encode_task, encode_text, encode_time
from .queries import Row, holds
from .reading import Owed, Reader

#: Seconds before asking again about a key that somebody is sending; a POST takes about a second.
_ASK_AGAIN, _ASK_AGAIN_MAX = 0.05, 1.0


def utc_now() -> datetime:
    return datetime.now(UTC)


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


class Store(Reader):
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
        too_long = find_too_long(intent.key, intent.account)
        if too_long and self.find(intent.origin, intent.key, account=intent.account) is None:
            raise ValueError(too_long)
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
    _intend: Callable[..., Row | None] = staticmethod(transitions.intend)

    def confirm(self, intent: Intent) -> bool | Busy:
        """Ask whether *intent* still holds; immediately before every single send, re-sends included."""
        return self._commits.read(partial(holds, intent=intent))

    def withdraw(self, intent: Intent) -> None:
        """Take an intent back: nothing was sent, and the key is as it was before.

        Raises:
            JournalFailed: It could not be written; it is tried again with the next write.
        """
        owed = Owed(intent.key, intent.attempt, "refused", reason="withdrawn before it was sent")
        self._commits.write(partial(transitions.withdraw, intent=intent, now=self._time()), owed=owed)

    def submitted(self, intent: Intent, task_id: int) -> None:
        """Write down the id of a paid task. A late answer is welcome, whatever the key has become meanwhile.

        Raises:
            JournalFailed: It could not be written; it is tried again with the next write. Its `task_id` is the id.
        """
        work = partial(transitions.submit, intent=intent, task_id=task_id, now=self._time(), follower=self._claimed())
        try:
            self._commits.write(work, owed=Owed(intent.key, intent.attempt, "submitted", task_id))
        except JournalFailed as error:
            raise JournalFailed(f"task {task_id} is paid, and not written down: {error}", task_id=task_id) from error

    def refused(self, intent: Intent, reason: str) -> None:
        """Write down that the API said no: nothing was created, and the key may be used again.

        Raises:
            JournalFailed: It could not be written; it is tried again with the next write.
        """
        reason = encode_text(reason)
        owed = Owed(intent.key, intent.attempt, "refused", reason=reason)
        self._commits.write(partial(transitions.refuse, intent=intent, reason=reason, now=self._time()), owed=owed)

    def unknown(self, intent: Intent) -> None:
        """Write down that the request was sent and no answer came.

        Raises:
            JournalFailed: It could not be written; it is tried again with the next write.
        """
        owed = Owed(intent.key, intent.attempt, "unknown")
        self._commits.write(partial(transitions.doubt, intent=intent, now=self._time()), owed=owed)

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
        """Return what only this process knows of a key, because it could not be written."""
        if not any(owed.key == intent.key for owed in self._commits.owed()):
            return None
        entry = self.find(intent.origin, intent.key, account=intent.account)
        if entry is None or entry.state not in {"submitted", "unknown"} or entry.fingerprint != intent.fingerprint:
            return None
        return entry

    def _time(self) -> str:
        return encode_time(self._now())
