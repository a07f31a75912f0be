"""One commit for many: writes of any number of threads that meet are made durable together.

A commit waits for the disk (`fsync`), which takes far longer than the statements in it. So the first thread to come
leads: it takes every write that waits by then, runs each in a savepoint of one transaction, commits, and wakes the
others. No thread of our own: nothing to start, to stop, or to keep a process alive.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from ideal_async._errors import JournalFailed

from .failures import FAILURES, code_of, journal_failed
from .place import Place
from .schema import leave

T = TypeVar("T")

#: Bytes in the write-ahead log before it is copied into the file: SQLite's own default, 1000 pages of 4 KiB.
_LOG_SIZE = 4_096_000
#: Seconds the writer leaves to SQLite's own waiting before it asks again. SQLite sleeps longer and longer, up to 0.1 s,
#: and then hardly meets a lock that busier processes leave free for a moment: of four, one waited for 2 s.
_PATIENCE = 0.005
#: Seconds a checkpoint waits for readers and writers of other processes. Nothing is lost if it comes to nothing.
_CHECKPOINT_PATIENCE = 0.1


class _Write(Generic[T]):
    """One write that waits for its commit."""

    __slots__ = ("done", "error", "owed", "result", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], T], *, owed: object) -> None:
        self.work = work
        self.owed = owed
        self.done = False
        self.result: T
        self.error: Exception | None = None


class GroupCommit:
    """Two connections to one file, shared by the threads of one process: one writes, the other reads what is committed.

    Args:
        path: Of the database; for messages, and to find its write-ahead log.
        connect: Opens a connection in autocommit mode that any thread may use.
        timeout: Seconds to wait for the locks of other processes.
    """

    def __init__(self, path: str, connect: Callable[[], sqlite3.Connection], *, timeout: float) -> None:
        self._path = path
        self._log = f"{path}-wal"
        self._timeout = timeout
        self._process = os.getpid()
        self._writer = connect()
        try:
            self._reader = connect()
        except BaseException:
            leave(path, self._writer)
            raise
        self._set_patience(_PATIENCE)
        self._log_limit = _LOG_SIZE
        self._place: Place | None = None
        self._reading = threading.Lock()
        self._turn = threading.Condition()
        self._queue: list[_Write[Any]] = []
        self._owed: list[_Write[Any]] = []
        self._led = False
        self._closed = False

    def check(self) -> None:
        """Refuse a closed journal, and one that came through a fork.

        Raises:
            RuntimeError: It is one of the two.
        """
        if self._process != os.getpid():
            raise RuntimeError(f"journal {self._path!r} was opened before a fork: open a Journal in the child process")
        if self._closed:
            raise RuntimeError(f"journal {self._path!r} is closed: open a new Journal")

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run *work*, which leaves no cursor open, over what is committed and return its result.

        Raises:
            JournalFailed: The disk or the database failed.
        """
        self.check()
        with self._reading:
            self.check()
            try:
                return work(self._reader)
            except FAILURES as error:
                raise journal_failed(error, self._path) from error

    def write(self, work: Callable[[sqlite3.Connection], T], *, owed: object = None) -> T:
        """Run *work* in a transaction and return its result once that is on the disk.

        *work* may run twice (if it shared a transaction that was lost), so it does nothing but use the connection. What
        it raises takes back its own statements only.

        Args:
            work: Is given the connection, inside a transaction.
            owed: What it says, if that has happened already: should the write fail, it is done with the next all the
                same, and `owed` tells of it until then.

        Raises:
            JournalFailed: The disk or the database failed; nothing was written (yet, if *owed*).
        """
        self.check()
        write = _Write(work, owed=owed)
        with self._turn:
            self.check()
            self._queue.append(write)
            try:
                self._turn.wait_for(lambda: write.done or not self._led)
            except BaseException:  # KeyboardInterrupt: nobody waits for it any more
                if write in self._queue:
                    self._queue.remove(write)
                raise
            leads = not write.done
            if leads:
                self._led = True
        if leads:
            self._lead(write)
        if write.error is not None:
            try:
                raise write.error
            finally:
                del write  # or this frame and the exception keep each other alive, and with them an intent
        return write.result

    def check_place(self) -> None:
        """Make sure that the file still stands where it was opened.

        Raises:
            JournalFailed: It does not.
        """
        if self._place is not None:
            try:
                self._place.check()
            except OSError as error:
                raise journal_failed(error, self._path) from error

    def owed(self) -> list[Any]:
        """Return what is not written yet though it has happened, newest first."""
        with self._turn:
            return [write.owed for write in reversed(self._owed)]

    def fold(self) -> None:
        """Copy the log into the file, if there is any and nobody is in the way."""
        with self._turn:
            self._turn.wait_for(lambda: not self._led)
            if self._closed:
                return
            self._led = True
        try:
            if self._log_size():
                self._checkpoint()
        finally:
            self._pass_on()

    def close(self) -> list[tuple[Any, Exception]]:
        """Wait for the writes under way and close the file; in a forked child, leave it alone.

        Returns:
            What was owed and is lost, and why.
        """
        if self._process != os.getpid():
            return []
        with self._turn:
            self._turn.wait_for(lambda: not self._led)
            if self._closed:
                return []
            self._closed = True
            if self._owed:
                self._commit(self._owed)
            lost = [(write.owed, write.error) for write in self._owed if write.error is not None]
        with self._reading:
            self._reader.close()
        if self._log_size():
            self._checkpoint()
        self._writer.close()
        if self._place is not None:
            self._place.leave()
        return lost

    def refuse(self) -> None:
        """Close the file as it is, before anything is written: it is none that could be used."""
        self._closed = True
        leave(self._path, self._reader, self._writer)

    def _lead(self, own: _Write[Any]) -> None:
        with self._turn:
            batch, self._queue = self._queue, []
            # An owed write is made anew: whoever asked for it may still be reading what became of it. The old ones stay
            # in sight until it is known whether these were written.
            debts = [_Write[Any](write.work, owed=write.owed) for write in self._owed]
        try:
            self._commit(debts + batch)
            with self._turn:
                for write in batch:
                    write.done = True
                failed = [write for write in batch if write.owed and isinstance(write.error, JournalFailed)]
                self._owed = [write for write in debts if write.error] + failed
                self._turn.notify_all()
            self._fold_long_log()
        finally:
            with self._turn:
                # A leader who is interrupted leaves the others' writes to one of them.
                left = [write for write in batch if not write.done]
                self._queue[:0] = [write for write in left if write is not own]
                self._owed += [write for write in left if write is own and own.owed]
            self._pass_on()

    def _pass_on(self) -> None:
        """Let somebody else lead."""
        with self._turn:
            self._led = False
            self._turn.notify_all()

    def _commit(self, batch: Sequence[_Write[Any]]) -> None:
        """Make *batch* durable in one transaction, or, if that is lost, each write in its own.

        In a file that was moved away only what has happened already is written: it may be brought back.
        """
        try:
            self.check_place()
        except JournalFailed as error:
            self._commit_in_place([write for write in batch if write.owed])
            for write in batch:
                write.error = write.error or JournalFailed(str(error))
        else:
            self._commit_in_place(batch)

    def _commit_in_place(self, batch: Sequence[_Write[Any]]) -> None:
        try:
            self._begin()
        except sqlite3.Error as error:
            for write in batch:
                write.error = journal_failed(error, self._path)
            return
        try:
            for write in batch:
                self._run(write)
            self._writer.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):  # a full disk has rolled back already
                self._writer.execute("ROLLBACK")
            if not isinstance(error, sqlite3.Error):
                raise
            if len(batch) > 1:
                for write in batch:
                    self._commit_in_place([write])
            else:
                batch[0].error = journal_failed(error, self._path)

    def _begin(self) -> None:
        """Wait for our turn among the processes."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                if self._place is None:
                    self._place = Place(self._path)  # SQLite makes its other files no later than now
                break
            except sqlite3.Error as error:
                if code_of(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                    raise

    def _run(self, write: _Write[Any]) -> None:
        write.error = None
        self._writer.execute("SAVEPOINT write")
        try:
            write.result = write.work(self._writer)
        except Exception as error:
            if not self._writer.in_transaction:  # the disk is full: SQLite has rolled back what the others wrote, too
                raise
            self._writer.execute("ROLLBACK TO write")
            if isinstance(error, FAILURES):
                write.error = journal_failed(error, self._path)
            else:
                write.error = error.with_traceback(None)  # whose frames hold the write, which holds the exception
        self._writer.execute("RELEASE write")

    def _fold_long_log(self) -> None:
        size = self._log_size()
        if size >= self._log_limit:
            self._log_limit = 2 * size  # a reader may be in the way for long: do not stop at every commit to see
            if self._checkpoint():
                self._log_limit = _LOG_SIZE

    def _log_size(self) -> int:
        with suppress(OSError):
            return os.stat(self._log).st_size  # noqa: PTH116 - after each write: a Path costs more than the call
        return 0

    def _checkpoint(self) -> bool:
        """Copy the write-ahead log into the file and empty it; tell whether that could be done.

        SQLite would do this by itself, but before 3.51.3 such a checkpoint, met by a commit of another process at the
        wrong moment, could damage the file (sqlite.org/wal.html#walresetbug). This kind keeps writers out meanwhile.
        """
        with suppress(sqlite3.Error):  # all is durable in the log; whatever is wrong, the next write tells
            self._set_patience(_CHECKPOINT_PATIENCE)
            try:
                busy, *_ = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self._set_patience(_PATIENCE)
            return not busy
        return False

    def _set_patience(self, seconds: float) -> None:
        self._writer.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")
