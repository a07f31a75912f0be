"""The one session of a process: as long as it lives, its advisory lock says that the owner lives.

What is written is written in that very session, so every commit proves that its owner was alive then. When the session
is lost its id is never used again: the server may keep the old one's lock behind a half-open connection for minutes.
"""

import logging
import math
import os
import threading
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from selectors import EVENT_READ, DefaultSelector
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

import psycopg

from ideal_async import JournalFailed

from ._connection import Connection, cure_of, first_line, is_passing
from ._database import Database
from ._portable import Portable

logger = logging.getLogger("ideal_async")

T = TypeVar("T")

#: Seconds between two tries to reach the database, the longest.
_PAUSE_MAX = 2.0
#: Seconds for which a database that does not answer may hold up the closing; the answer takes a millisecond.
_LETTING_GO = 1.0
#: The same while something that has happened is written down: a disk may take seconds, and then it is written.
_LETTING_GO_OF_FACTS = 5.0
#: Seconds that a client takes to close: its last requests are answered by then.
_CLOSING = 60.0
#: Seconds to connect, and while the journal is being closed.
_CONNECTING = 5
_CONNECTING_LAST = 2
#: Of all advisory locks of a database, those of owners. "owne" in ASCII, read as a number.
_OWNERS = 7
_ALIVE = b"hashtextextended(%%s, %d)" % _OWNERS


class Unreachable(JournalFailed):
    """The database cannot be reached: to be asked again."""


class Session:
    """A connection that is made again when it is lost, with what was owed.

    Args:
        dsn: As libpq takes it.
        patience: Seconds for which a write is tried of what has happened already.
        reconnect: Seconds for which everything else is tried.
        statement_timeout: Seconds for one statement.

    Attributes:
        id: Names the owner that this session is.
        held: The intents this process is busy with, by attempt.
        clock_offset: How far the database's clock is ahead of ours.
    """

    def __init__(self, dsn: str, *, patience: float, reconnect: float, statement_timeout: float) -> None:
        self.id = ""
        self.held: WeakValueDictionary[str, object] = WeakValueDictionary()
        self.clock_offset = timedelta()
        self._database = Database(dsn, statement_timeout=statement_timeout)
        self._patience = patience
        self._reconnect = reconnect
        self._process = os.getpid()
        self._using = threading.RLock()
        self._db: Connection | None = None
        self._ends_at = math.inf
        self._hurried_at = -math.inf
        self._former: set[str] = set()
        self._owed: list[tuple[Callable[[Any], object], object]] = []
        self._closing = threading.Event()

    def __repr__(self) -> str:
        return f"PostgresJournal({self.name})"

    @property
    def name(self) -> str:
        """Where the database is, without a password."""
        return self._database.name

    def check(self) -> None:
        """Refuse a closed journal, and one that came through a fork.

        Raises:
            RuntimeError: It is one of the two.
        """
        if self._process != os.getpid():
            raise RuntimeError(f"journal {self.name} was opened before a fork: make a PostgresJournal in each process")
        if self._closing.is_set():
            raise RuntimeError(f"journal {self.name} is closed: make a new PostgresJournal")

    def hurry(self) -> None:
        """Somebody closes: whoever waits for a database that is away gets an error soon, and is not tried for again."""
        self._hurried_at = time.monotonic()

    def _cut_at(self, began: float, seconds: float) -> float:
        return self._ends_at if self._hurried_at < began else min(self._ends_at, self._hurried_at + seconds)

    def let_go(self, work: Callable[[Any], object]) -> None:
        """Run *work*, which is only polite, if the database answers at once: a session that is lost says the same."""
        if self._process != os.getpid() or not self._using.acquire(timeout=_LETTING_GO):
            return
        try:
            db = self._db
            if db is not None and not db.closed:
                db.seconds = _LETTING_GO
                try:
                    self._run(db, work)
                finally:
                    db.seconds = self._database.answers_within
        except psycopg.Error:
            self._drop_if_broken()
        finally:
            self._using.release()

    def exists(self) -> bool:
        """Tell whether there are tables; none are made.

        Raises:
            JournalFailed: The database cannot be asked.
        """
        self.check()
        try:
            with self._open() as db:
                row = db.execute("SELECT to_regclass('ideal_async.entries')").fetchone()
        except psycopg.Error as error:
            raise self._database.failure(error) from error
        return row is not None and row[0] is not None

    def owed(self) -> list[Any]:
        """Return what is not written yet though it has happened, newest first."""
        return [owed for _, owed in reversed(self._owed)]

    def read(self, work: Callable[[Any], T]) -> T:
        """Run *work* over what is committed and return its result."""
        self.check()
        return self._translated(work, self._reconnect, strict=False)

    def write(self, work: Callable[[Any], T], *, owed: object = None, patience: float | None = None) -> T:
        """Run *work* in a transaction and return its result once that is durable; it may run twice.

        Args:
            work: Is given the `Portable` connection.
            owed: What it says, if that has happened already: should the write fail, it is done with the next session.
            patience: Seconds for which it is tried.

        Raises:
            Unreachable: The database cannot be reached.
            JournalFailed: It can, and says no.
        """
        self.check()
        if patience is None:
            patience = self._reconnect if owed is None else self._patience
        try:
            return self._translated(work, patience, fact=owed is not None)
        except JournalFailed:
            if owed is not None:  # whatever it was: it has happened
                with self._using:
                    self._owed.append((work, owed))
            raise

    def _translated(self, work: Callable[[Any], T], patience: float, *, strict: bool = True, fact: bool = False) -> T:
        try:
            return self._try(work, patience, strict=strict, fact=fact)
        except psycopg.Error as error:
            raise self._database.failure(error) from error

    def _try(self, work: Callable[[Any], T], patience: float, *, strict: bool, fact: bool) -> T:
        # What happens while a client closes, and has happened, is not tried for long either.
        began = time.monotonic() - (_CLOSING if fact else 0.0)
        deadline = time.monotonic() + patience
        pause = 0.05
        while True:
            # However long the first took, there is a second; unless somebody is in a hurry.
            last = time.monotonic() >= deadline or self._hurried_at > began
            try:
                with self._connected(strict=strict) as db:
                    db.cut_at = lambda: self._cut_at(began, _LETTING_GO_OF_FACTS if fact else _LETTING_GO)
                    return self._run(db, work)
            except psycopg.Error as error:
                self._drop_if_broken()
                if not is_passing(error) or cure_of(error, first=not self.id):
                    raise
                failed = error
            if last or self._closing.wait(pause) or self._hurried_at > began:
                break
            pause = min(2 * pause, _PAUSE_MAX)
        raise Unreachable(
            f"journal {self.name}: the database cannot be reached ({first_line(failed)}); check that it runs, and the "
            "way to it"
        ) from failed

    def _run(self, db: psycopg.Connection[Any], work: Callable[[Any], T]) -> T:
        try:
            with db.transaction():
                return work(Portable(db))
        finally:
            if db.broken:
                self._drop_if_broken()

    def is_alive(self, owner: str, attempt: str | None = None) -> bool:
        """Tell whether an owner lives; to be asked inside of a write."""
        if owner == self.id or owner in self._former:
            return attempt is None or attempt in self.held
        db = cast("psycopg.Connection[Any]", self._db)
        # Whoever lives holds it exclusively; ours is shared, and lasts as long as this transaction.
        (dead,) = db.execute(b"SELECT pg_try_advisory_xact_lock_shared(%s)" % _ALIVE, (owner,)).fetchone() or (False,)
        return not dead

    def check_owner(self, owner: str, fsync: str) -> None:
        """Make sure that this is the session that took the lock: a pooler may have given us another one.

        Args:
            owner: That the session of this transaction says it is of.
            fsync: As it is set now.

        Raises:
            JournalFailed: It is not; or the database forgets from now on.
        """
        if owner != self.id:
            raise self._database.pooled()
        self._database.check_fsync(fsync)

    def now(self) -> datetime:
        """Tell the time by the database's clock."""
        return datetime.now(UTC) + self.clock_offset

    @contextmanager
    def _connected(self, *, strict: bool) -> Generator[Connection]:
        with self._using:
            db = self._connect() if self._db is None or self._db.closed else self._db
            self._write_owed(db, strict=strict)
            yield db

    def _write_owed(self, db: psycopg.Connection[Any], *, strict: bool) -> None:
        """Write what has happened; one thing that the database does not take is no reason to hold up the rest.

        Args:
            db: Where.
            strict: Something is to be written behind it, which must not be as long as this finds no room.
        """
        for entry in list(self._owed):
            try:
                self._run(db, entry[0])
            except psycopg.Error as error:
                cure = cure_of(error)
                if db.closed or (strict and cure) or is_passing(error):
                    raise
                logger.warning("journal %s: %s is not written down yet: %s", self.name, entry[1], first_line(error))
            else:
                self._owed.remove(entry)

    def _connect(self) -> Connection:
        db = self._open()
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        self._db = db
        return db

    def _open(self) -> Connection:
        db = self._database.connect(timeout=_CONNECTING_LAST if self._closing.is_set() else _CONNECTING)
        db.cut_at = lambda: self._ends_at
        if self._closing.is_set() and self._ends_at < time.monotonic():
            db.close()
            raise psycopg.OperationalError("closed meanwhile")
        return db

    def _prepare(self, db: psycopg.Connection[Any]) -> None:
        self.clock_offset = self._database.prepare(db, self._open)
        if self.id:
            self._former.add(self.id)
        self.id = uuid.uuid4().hex
        db.execute("SELECT set_config('ideal_async.owner', %s, false)", (self.id,))
        db.execute(b"SELECT pg_advisory_lock(%s)" % _ALIVE, (self.id,))
        if self._former:
            self._take_over_from_ourselves(db)

    def _take_over_from_ourselves(self, db: psycopg.Connection[Any]) -> None:
        """What this process was busy with in a lost session it is busy with still, unless somebody gave it up."""
        logger.info("journal %s: in touch again", self.name)
        former = list(self._former)
        held = list(self.held.keys())
        with db.transaction():
            db.execute(
                "UPDATE entries SET owner = %s WHERE state = 'intended' AND owner = ANY(%s) AND attempt = ANY(%s)",
                (self.id, former, held),
            )
            db.execute(
                "UPDATE entries SET follower = %s WHERE state = 'submitted' AND follower = ANY(%s)", (self.id, former)
            )

    def _drop_if_broken(self) -> None:
        with self._using:
            if self._db is not None and (self._db.broken or self._db.closed):
                self._db = None

    def close(self) -> list[tuple[Any, Exception]]:
        """Write what is owed, if the database is there, and let go.

        Returns:
            What was owed and is lost, and why.
        """
        if self._process != os.getpid() or self._closing.is_set():
            return []
        self._ends_at = time.monotonic() + _LETTING_GO
        self._closing.set()
        if not self._using.acquire(timeout=2 * _LETTING_GO):  # somebody tries to connect, and sees it afterwards
            return [(owed, Unreachable("the database cannot be reached")) for _, owed in self._owed]
        try:
            return self._finish()
        finally:
            self._using.release()

    def _finish(self) -> list[tuple[Any, Exception]]:
        lost: list[tuple[Any, Exception]] = []
        if self._owed:
            try:
                with self._connected(strict=True):
                    pass
            except (psycopg.Error, JournalFailed) as error:
                lost = [(owed, error) for _, owed in self._owed]
            else:
                lost = [(owed, Unreachable("the database did not take it")) for _, owed in self._owed]
        if self._db is not None:
            with suppress(psycopg.Error):
                _let_go(self._db)
        self._db = None
        return lost


def _let_go(db: psycopg.Connection[Any]) -> None:
    """Give the locks back before the connection ends: the server takes its time to notice that."""
    db.pgconn.send_query(b"SELECT pg_advisory_unlock_all()")
    db.pgconn.flush()
    with DefaultSelector() as selector:
        selector.register(db.pgconn.socket, EVENT_READ)
        selector.select(_LETTING_GO)
    db.close()
