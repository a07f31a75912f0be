"""A connection that waits for no frozen database, and what its errors ask for."""

import math
import re
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")

#: How the SQLSTATE begins of what goes well the next time, or with the next session: connections, deadlocks and
#: serialisation, a transaction that was idle, no slots, locks, what an operator or a timeout ended, the system below.
#: Everything else is the database's answer to this statement, though psycopg may call it operational: its limits (54),
#: those of its configuration (53400), a full disk.
_PASSING = ("08", "25P03", "40", "53000", "53300", "55006", "55P03", "57", "58")
#: Seconds after the timeout of a statement when it is the database that must be frozen, or the way to it.
OVERDUE = 5.0
#: Seconds after which nobody waits for a key any more: twice as long as a submit waits for a database.
_GIVEN_UP = 1200.0
#: Seconds for what may take long: to count ten million rows.
_PATIENTLY = 3600.0
#: What waiting does not mend, and what a person has to do.
_CURES: tuple[tuple[type[psycopg.Error], str], ...] = (
    (psycopg.errors.DiskFull, "make room on the disk of the database; until then nothing is sent"),
    (psycopg.errors.OutOfMemory, "give the database more memory; until then nothing is sent"),
    (psycopg.errors.ReadOnlySqlTransaction, "this database only reads: name the one that writes"),
    (psycopg.errors.InsufficientPrivilege, "its user must own the schema ideal_async, or may create it"),
)
#: The same of a first connection, by libpq's words, for it gives no codes. A server that says them in another language
#: is waited for like any other.
_NO: tuple[tuple[str, str], ...] = (
    ("read-only|not read-write|hot standby", "this database only reads: name the one that writes, or both"),
    ("no password supplied|authentication failed", "set PGPASSWORD, or a line in ~/.pgpass"),
    ("no pg_hba.conf entry|not permitted|permission denied", "let its pg_hba.conf and its roles admit this host"),
    ("database .* does not exist", "make it (createdb), or name another one"),
    ("does not exist|Name or service not known|invalid port|does not support SSL", "mend the DSN"),
)


class Connection(psycopg.Connection[Any]):
    """Does not wait for ever for a database that is frozen: the timeouts of statements are its own affair.

    Attributes:
        seconds: For one answer.
        cut_at: When nobody waits for it any more, by the monotonic clock.
    """

    seconds: float = math.inf
    cut_at: Callable[[], float] = staticmethod(lambda: math.inf)

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **more: Any) -> T:
        """Consume a generator of psycopg's."""
        return super().wait(self._limited(gen), *args, **more)

    def _limited(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        deadline = time.monotonic() + self.seconds
        try:
            state = next(gen)
            while True:
                ready = yield state
                # psycopg comes by every tenth of a second, to see Ctrl-C.
                if not ready and time.monotonic() > min(deadline, self.cut_at()):
                    self.pgconn.finish()
                    raise psycopg.OperationalError("it does not answer")
                state = gen.send(ready)
        except StopIteration as end:
            result: T = end.value
            return result


class Outage:
    """How long somebody has got no answer: as long as nobody has, or as this very key has not.

    A row that somebody else keeps locked is an outage for its key only, and must not be waited for without end because
    others are answered.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._of_keys: dict[str | None, tuple[float, float]] = {}

    def failed(self, key: str | None, now: float) -> float:
        """No answer came; return for how many seconds that has been so."""
        if self._since is None:
            self._since = now
            self._of_keys = {each: when for each, when in list(self._of_keys.items()) if now - when[1] <= _GIVEN_UP}
        begun, _ = self._of_keys.get(key, (now, now))
        self._of_keys[key] = begun, now
        return now - min(begun, self._since)

    def ended(self, key: str | None) -> None:
        """An answer came."""
        self._since = None
        self._of_keys.pop(key, None)


@contextmanager
def patiently(db: psycopg.Connection[Any]) -> Generator[None]:
    """Surround, inside of a transaction, what may take long."""
    db.execute("SET LOCAL statement_timeout = 0")
    db.execute("SET LOCAL lock_timeout = 0")
    seconds = getattr(db, "seconds", math.inf)
    vars(db)["seconds"] = max(seconds, _PATIENTLY)
    try:
        yield
    finally:
        vars(db)["seconds"] = seconds


def is_passing(error: psycopg.Error) -> bool:
    """Tell whether the session may be lost, or the next try go well; else the database says no."""
    if error.sqlstate is None:  # of libpq, or of psycopg itself
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate.startswith(_PASSING)


def cure_of(error: Exception, *, first: bool = False) -> str:
    """Say what a person has to do, where waiting does not help; empty: it may pass.

    Args:
        error: Of the database.
        first: Nothing has ever worked: what it says it means.
    """
    found = next((cure for kind, cure in _CURES if isinstance(error, kind)), None)
    if found is None and first and isinstance(error, psycopg.OperationalError):
        found = next((cure for words, cure in _NO if re.search(words, str(error))), None)
    return f": {found}" if found else ""


def first_line(error: BaseException) -> str:
    """Write an error in a line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
