"""The journal: what was about to be sent, what was paid, and what became of it, across crashes and processes.

The life of a key, each step one durable transaction:

    (nothing) ──intend──> intended ──submitted──> submitted ──settle──> succeeded | failed
                             │  └────unknown────> unknown ──submitted (a late answer)──> submitted
                             ├─refused─> refused     └─release─> refused ──intend──> intended
                             └─withdraw─> as it was before

`intended` says that a request may be leaving right now. When its owner dies there, nobody can know whether it left: it
becomes `unknown`, and is never sent again until a person says so (`release`).
"""

import os
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, get_args

from . import _rows
from ._commits import Commits, explained
from ._entries import Entry, State, read_entry, write_request, write_task, write_text, write_time
from ._errors import JournalFailed
from ._models import ImageToVideo, Task
from ._owners import Owner, bury, lives
from ._rows import Intent
from ._schema import connect, create

__all__ = ["STATES", "Intent", "Journal"]

STATES: tuple[State, ...] = get_args(State)

#: Seconds to wait for another process: hundreds of commits on a slow disk (10 to 20 ms each).
_TIMEOUT = 10.0
#: Entries fetched at once: about half a megabyte.
_PAGE = 500


def _utc_now() -> datetime:
    return datetime.now(UTC)


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
        self._lives = partial(lives, self._folder)
        self._now = now
        self._owner: Owner | None = None
        self._claiming = threading.Lock()
        with explained(self._path):
            create(self._path)
            self._commits = Commits(self._path, lambda: connect(self._path, timeout=timeout), timeout=timeout)
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

    def close(self) -> None:
        """Finish the writes under way and close the file; what is still intended then counts as `unknown`."""
        self._commits.close()
        if self._owner is not None:
            self._owner.release()

    # What a person asks.

    def entries(self, state: State | None = None, *, origin: str | None = None) -> Iterator[Entry]:
        """Go through the entries, oldest first; read in pages, so that a long journal costs little memory.

        Args:
            state: Only entries in this state.
            origin: Only entries of this API, such as `"https://api.ideal.house:443"`; all by default.

        Raises:
            ValueError: There is no such state.
            JournalFailed: The file cannot be read.
        """
        if state is not None and state not in STATES:
            raise ValueError(f"state must be one of {', '.join(STATES)}, not {state!r}")
        self._commits.check()
        return self._pages(state, origin)

    def release(self, key: str, *, origin: str | None = None) -> Entry:
        """Allow an `unknown` key to be sent again: you have made sure that it was not paid, or you accept to pay again.

        The entry becomes `refused`, with the reason "released …", and its credits count as not spent. If the lost
        answer comes after all, the task is not forgotten: it answers for the key if that was not sent again by then,
        and otherwise gets an entry of its own, whose key begins with this one.

        Args:
            key: Of the entry.
            origin: Of the API; needed only if the key was used with several.

        Returns:
            The entry as it is now. One that is `refused` already stays as it is.

        Raises:
            ValueError: There is no such entry, there are several, or it is in another state.
            JournalFailed: The file cannot be written.
        """
        return self._commits.write(partial(_rows.release, key=key, origin=origin, lives=self._lives, now=self._time()))

    def prune(self, *, before: datetime) -> int:
        """Delete what is settled (`succeeded`, `failed`, `refused`) and has not changed since *before*.

        A pruned key is forgotten: using it again sends, and pays, again.

        Returns:
            The number of entries deleted.

        Raises:
            ValueError: *before* has no time zone.
            JournalFailed: The file cannot be written.
        """
        return self._commits.write(partial(_rows.prune, before=write_time(before)))

    # What the client writes and asks.

    def intend(self, origin: str, key: str | None, request: ImageToVideo, credits: int) -> Intent | Entry:
        """Ask to send *request*, in one step with the question whether that key was sent before.

        Args:
            origin: Scheme, host and port of the API.
            key: The caller's; `None` makes one up.
            request: What is to be sent.
            credits: What it costs.

        Returns:
            An `Intent`: go, and then say what came of it: `withdraw`, `submitted`, `refused` or `unknown`. Or the key's
            `Entry`: it is `submitted`, `succeeded`, `failed` or `unknown`; or it is `intended`, which means that a
            living process is sending it: ask again in a moment.

        Raises:
            TypeError: *key* is no text.
            ValueError: The key was used for a different request, or can be no key.
            JournalFailed: Nothing was written, so nothing may be sent.
        """
        intent = Intent(
            origin=origin,
            key=uuid.uuid4().hex if key is None else _check_key(key),
            attempt=uuid.uuid4().hex,
            credits=credits,
            created_at=datetime.fromisoformat(self._time()),
            fingerprint=request.fingerprint,
            request=write_request(request),
        )
        owner = self._claim()
        owner.held[intent.attempt] = intent  # before another thread can see the row
        entry = self._commits.write(partial(_rows.intend, intent=intent, owner=owner.id, lives=self._lives))
        return entry or intent

    def withdraw(self, intent: Intent) -> None:
        """Take an intent back: nothing was sent, and the key is as it was before.

        Raises:
            JournalFailed: It could not be written; it is tried again with the next write.
        """
        self._commits.write(partial(_rows.withdraw, intent=intent, now=self._time()), owed=True)

    def submitted(self, intent: Intent, task_id: int) -> None:
        """Write down the id of a paid task. A late answer is welcome, whatever the key has become meanwhile.

        Raises:
            JournalFailed: It could not be written; it is tried again with the next write. Its `task_id` is the id.
        """
        try:
            self._commits.write(partial(_rows.submit, intent=intent, task_id=task_id, now=self._time()), owed=True)
        except JournalFailed as error:
            raise JournalFailed(f"task {task_id} is paid, and not written down: {error}", task_id=task_id) from error

    def refused(self, intent: Intent, reason: str) -> None:
        """Write down that the API said no: nothing was created, and the key may be used again.

        Raises:
            JournalFailed: It could not be written; it is tried again with the next write.
        """
        self._commits.write(
            partial(_rows.refuse, intent=intent, reason=write_text(reason), now=self._time()), owed=True
        )

    def unknown(self, intent: Intent) -> None:
        """Write down that the request was sent and no answer came.

        Raises:
            JournalFailed: It could not be written; it is tried again with the next write.
        """
        self._commits.write(partial(_rows.doubt, intent=intent, now=self._time()), owed=True)

    def settle(self, origin: str, task_id: int, task: Task | None, *, reason: str | None = None) -> None:
        """Write down how a task ended. A task the journal does not know, or knows to have ended, is left alone.

        Args:
            origin: Scheme, host and port of the API.
            task_id: Its id.
            task: The last look at it; `None` if the API answered with an error that ends it: it has failed.
            reason: Why it failed, where that is known.

        Raises:
            ValueError: *task* still runs.
            JournalFailed: It could not be written. `task_id` names the task.
        """
        if task is not None and not task.done:
            raise ValueError(f"task {task_id} is {task.status}: only Success and Failed settle it")
        work = partial(
            _rows.settle,
            origin=origin,
            task_id=task_id,
            state="succeeded" if task is not None and task.succeeded else "failed",
            task=None if task is None else write_task(task),
            reason=None if reason is None else write_text(reason),
            now=self._time(),
        )
        try:
            self._commits.write(work)
        except JournalFailed as error:
            raise error.about(task_id) from error.__cause__

    def find(self, origin: str, key: str) -> Entry | None:
        """Look a key up, without asking whether its owner lives.

        Raises:
            JournalFailed: The file cannot be read.
        """
        return self._commits.read(partial(_rows.find, origin=origin, key=key))

    def submitted_tasks(self, origin: str) -> Iterator[Entry]:
        """Go through the paid tasks whose end is not known, oldest first, in pages.

        Raises:
            JournalFailed: The file cannot be read.
        """
        return self.entries("submitted", origin=origin)

    def spent(self, origin: str, keys: Iterable[str]) -> int:
        """Add up what *keys* have cost so far, in credits.

        Counts what was paid, is being sent, or may have been paid (`unknown`); not what failed (it is refunded), was
        refused or released. A task whose answer came after the release of its key counts for that key.

        Raises:
            JournalFailed: The file cannot be read.
        """
        return self._commits.read(partial(_rows.add_up, origin=origin, keys=list(keys)))

    def sweep(self) -> int:
        """Turn what dead owners were about to send into `unknown`, and clear their lock files away.

        Returns:
            The number of entries that became `unknown`.

        Raises:
            JournalFailed: The file cannot be written.
        """
        found = self._commits.write(partial(_rows.sweep, lives=self._lives, now=self._time()))
        bury(self._folder)
        return found

    def _claim(self) -> Owner:
        """Be alive, from the first intent on: who only reads leaves no lock file."""
        self._commits.check()
        with self._claiming, explained(self._path):
            if self._owner is None:
                self._owner = Owner(self._folder)
            return self._owner

    def _pages(self, state: State | None, origin: str | None) -> Iterator[Entry]:
        last: int | None = 0
        while last is not None:
            page = self._commits.read(partial(_rows.read_page, state=state, origin=origin, after=last, size=_PAGE))
            for row in page:
                yield read_entry(row[1:])
            last = page[-1][0] if len(page) == _PAGE else None

    def _time(self) -> str:
        return write_time(self._now())


def _check_key(key: str) -> str:
    if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may have no type checker
        raise TypeError(f"a key must be str, not {type(key).__name__}: str(key) will do")
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"a key must be text that can be written as UTF-8, not {key!r}") from error
    if not key:
        raise ValueError("a key must not be empty: name what is ordered, or pass None")
    return key
