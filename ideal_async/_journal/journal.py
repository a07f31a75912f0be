"""The journal: what was about to be sent, what was paid, and what became of it, across crashes and processes.

The life of a key, each step one durable transaction:

    (nothing) ──intend──> intended ──submitted──> submitted ──settle──> succeeded | failed
                             │  └────unknown────> unknown ──submitted (a late answer) or adopt──> submitted
                             ├─refused─> refused     └─release─> refused ──intend──> intended
                             └─withdraw─> as it was before

`intended` says that a request may be leaving right now. When its owner dies there, nobody can know whether it left: it
becomes `unknown`, and is never sent again until a person says so (`release`), or which task it became (`adopt`).
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs

from ideal_async._errors import JournalFailed
from ideal_async._identity import origin_of
from ideal_async._models import ImageToVideo, Task

from . import decisions, transitions
from .contract import Busy, Cap, Intent, check_account, new_intent
from .entries import STATES, Entry, State, decode_entry, encode_task, encode_text, encode_time
from .group_commit import GroupCommit, translate_errors
from .liveness import Owner, is_alive, remove_dead
from .schema import connect, create

#: Seconds to wait for another process: hundreds of commits on a slow disk (10 to 20 ms each).
_TIMEOUT = 10.0
#: Entries fetched at once: about half a megabyte.
_PAGE = 500
#: Seconds before asking again about a key that somebody is sending; a POST takes about a second.
_ASK_AGAIN, _ASK_AGAIN_MAX = 0.05, 1.0


def _utc_now() -> datetime:
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


class Journal:
    """Remembers on disk what every request became, so that no crash makes you pay twice.

    Give it to `AsyncClient(journal=...)`. Any number of clients, threads and processes of one user on one machine may
    use a file at the same time. It must be on a **local disk**: the locks of network file systems cannot be trusted
    with money. It is made with mode 0600 and holds no secret: of every URL it leaves out the query string, the
    fragment, user and password. Prompts and your keys stand in it as they are.

    Close it, or use it in a `with` block, after the clients that use it. It has no thread of its own. Every method may
    be called from any thread; those that write return when it is on the disk.

    Args:
        path: Of the file; its folder must exist. Beside it come SQLite's `-wal` and `-shm` files, which belong to it,
            and a folder `-owners` of lock files, which tell living processes from dead ones.
        timeout: Seconds to wait while another process writes.
        now: Tells the time, with a time zone.

    Raises:
        JournalFailed: The file cannot be used: it has no folder, is not writable, damaged, another program's, of a
            newer version of this library, or locked for longer than *timeout*. The message names the fix.
        ValueError: *path* names no file.

    Example:
        >>> import pathlib, tempfile
        >>> with Journal(pathlib.Path(tempfile.mkdtemp()) / "orders.journal") as journal:
        ...     [(entry.key, entry.credits) for entry in journal.entries("unknown")]
        []
    """

    def __init__(
        self, path: str | os.PathLike[str], *, timeout: float = _TIMEOUT, now: Callable[[], datetime] = _utc_now
    ) -> None:
        if os.fspath(path) in {"", ":memory:"}:
            raise ValueError(f"a journal must outlive its process: name a file, not {os.fspath(path)!r}")
        # Links are followed once and for all: other names of one file must lead to the same owners.
        self._path = os.path.realpath(path)
        self._folder = Path(f"{self._path}-owners")
        self._is_alive = partial(is_alive, self._folder)
        self._now = now
        self._owner: Owner | None = None
        self._claiming = threading.Lock()
        with translate_errors(self._path):
            create(self._path)
            self._commits = GroupCommit(self._path, lambda: connect(self._path, timeout=timeout), timeout=timeout)
        try:
            self.sweep()
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"Journal({self._path!r})"

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

    def open(self) -> None:
        """Do nothing: the constructor has opened the file."""
        self._commits.check()

    def close(self) -> None:
        """Finish the writes under way and close the file; what is still intended then counts as `unknown`.

        Raises:
            JournalFailed: Something that has happened could not be written, now neither; the message names the ids.
        """
        lost = self._commits.close()
        if self._owner is not None:
            self._owner.release()
        if lost:
            listed = ", ".join(f"key {told.key!r} is {told}" for told, _ in lost)
            raise JournalFailed(f"lost with the closing of journal {self._path!r}: {listed} ({lost[0][1]})")

    async def aclose(self) -> None:
        """Close the file without holding up the event loop."""
        import anyio.to_thread

        await anyio.to_thread.run_sync(self.close)

    def idle(self) -> None:
        """Fold SQLite's log into the file, which then holds everything by itself; damage to a log costs most."""
        self._commits.fold()

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
        intent = new_intent(origin, key, request, credits, account=account, now=datetime.fromisoformat(now))
        owner = self._claim()
        owner.held[intent.attempt] = intent  # before another thread can see the row
        row = self._commits.write(
            partial(transitions.intend, intent=intent, cap=cap, owner=owner.id, is_alive=self._is_alive)
        )
        if row is None:
            return intent
        (entry,) = self._entries([row])
        if entry.state == "intended":
            age = (intent.created_at - entry.created_at).total_seconds()
            return Busy(min(max(_ASK_AGAIN, age / 2), _ASK_AGAIN_MAX), f"key {entry.key!r} is being sent")
        if entry.state == "refused":
            raise JournalFailed(
                f"journal {self._path!r}: key {entry.key!r} may go again, but its last attempt cannot be written off "
                "yet: free some space on the disk and call again"
            )
        return entry

    def confirm(self, intent: Intent) -> bool:
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
        follower = self._owner.id if self._owner is not None else None
        work = partial(transitions.submit, intent=intent, task_id=task_id, now=self._time(), follower=follower)
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
            JournalFailed: The file cannot be read.
        """
        row = self._commits.read(partial(transitions.find, origin=origin_of(origin), account=account, key=key))
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
            JournalFailed: The file cannot be read.
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

    def spent(
        self, origin: str, keys: Iterable[str] | None = None, since: datetime | None = None, *, account: str = ""
    ) -> int:
        """Add up what was spent so far, in credits.

        Counts what was paid, is being sent, or may have been paid (`unknown`); not what failed (it is refunded), was
        refused or released. A task whose answer came after the release of its key counts for that key. Pruned entries
        still count, unless *keys* are named.

        Args:
            origin: Any URL of the API.
            keys: Only these.
            since: Only what was sent from then on.
            account: That paid.

        Raises:
            ValueError: *since* has no time zone.
            JournalFailed: The file cannot be read.
        """
        begin = None if since is None else encode_time(since)
        work = transitions.sum_spending if keys is None else partial(transitions.sum_credits, keys=keys)
        return self._commits.read(partial(work, origin=origin_of(origin), account=account, since=begin))

    def follow(self, origin: str, *, account: str = "") -> Sequence[Entry]:
        """Take over the `submitted` tasks that nobody follows: their follower is dead, has let go, or never was.

        Raises:
            JournalFailed: The file cannot be written.
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
            JournalFailed: The file cannot be written.
        """
        owner = self._claim()
        self._commits.write(partial(transitions.unfollow, origin=origin_of(origin), account=account, owner=owner.id))

    def sweep(self) -> int:
        """Turn what dead owners were about to send into `unknown`, and clear their lock files away.

        Returns:
            The number of entries that became `unknown`.

        Raises:
            JournalFailed: The file cannot be written.
        """
        found = self._commits.write(partial(transitions.sweep, is_alive=self._is_alive, now=self._time()))
        remove_dead(self._folder)
        return found

    # What a person decides.

    def release(
        self,
        key: str,
        *,
        origin: str | None = None,
        account: str | None = None,
        task_id: int | None = None,
        force: bool = False,
    ) -> Entry:
        """Allow an `unknown` key to be sent again: you have made sure that it was not paid, or you accept to pay again.

        The entry becomes `refused`, with the reason "released …", and its credits count as not spent. If the lost
        answer comes after all, the task is not forgotten: it answers for the key if that was not sent again by then,
        and otherwise gets an entry of its own, whose key begins with this one.

        A `failed` key may go again as well, if you name the task that failed: called twice, this frees it once.

        Args:
            key: Of the entry.
            origin: Of the API; needed only if the key was used with several.
            account: That pays; needed only if the key was used by several.
            task_id: Of the failed task.
            force: Also if it was sent less than two minutes ago, so that its answer may still come.

        Returns:
            The entry as it is now. One that is `refused` already stays as it is.

        Raises:
            ValueError: There is no such entry, there are several, it is in another state, or it is too early.
            JournalFailed: The file cannot be written.
        """
        work = partial(decisions.release, task_id=task_id, force=force)
        return self._decide(work, key, origin, account)

    def adopt(
        self, key: str, task_id: int, *, origin: str | None = None, account: str | None = None, force: bool = False
    ) -> Entry:
        """Say which task an `unknown` key has become: you have found it in your account.

        The entry becomes `submitted`. If another id comes as the late answer after all, that task gets an entry of its
        own. `AsyncClient.adopt` also looks at the task, and compares it with what was asked.

        Args:
            key: Of the entry.
            task_id: Of its task.
            origin: Of the API; needed only if the key was used with several.
            account: That pays; needed only if the key was used by several.
            force: Also if another key is in doubt with an equal request.

        Raises:
            ValueError: There is no such entry, there are several, it is in another state, another key has that task,
                or the task may just as well be that of another key.
            JournalFailed: The file cannot be written.
        """
        return self._decide(partial(decisions.adopt, task_id=task_id, force=force), key, origin, account)

    def prune(self, *, before: datetime, dry_run: bool = False) -> dict[State, int]:
        """Delete what is settled (`succeeded`, `failed`, `refused`) and has not changed since *before*.

        A pruned key is forgotten: using it again sends, and pays, again. What it cost is not: `spent` still counts it.

        Args:
            before: With a time zone.
            dry_run: Only count.

        Returns:
            The number of entries deleted, or to be deleted, of each state.

        Raises:
            ValueError: *before* has no time zone.
            JournalFailed: The file cannot be written.
        """
        return self._commits.write(partial(decisions.prune, before=encode_time(before), dry_run=dry_run))

    def _decide(self, work: Callable[..., transitions.Row], key: str, origin: str | None, account: str | None) -> Entry:
        where = None if origin is None else origin_of(origin)
        row = self._commits.write(
            partial(work, key=key, origin=where, account=account, is_alive=self._is_alive, now=self._time())
        )
        return self._entries([row])[0]

    def _claim(self) -> Owner:
        """Be alive, from the first intent on: who only reads leaves no lock file."""
        self._commits.check()
        with self._claiming, translate_errors(self._path):
            if self._owner is None:
                self._owner = Owner(self._folder)
            return self._owner

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
