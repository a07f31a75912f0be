"""The database: how its DSN is read and named, and what each connection must be before a journal stands on it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ideal_async import JournalFailed

from ._connection import OVERDUE, Connection, cure_of, first_line
from ._schema import migrate

#: Seconds, and how often: a server asks for two hours otherwise before it believes that a host is dead, and its locks.
_KEEPALIVES = {"idle": 10, "interval": 5, "count": 3}
_POOLER = (
    "statements go to different sessions of the database, as behind a pooler in transaction mode: connect to the "
    "database itself, or set the pooler to session mode"
)


class Database:
    """Where the tables are.

    Args:
        dsn: As libpq takes it.
        statement_timeout: Seconds for one statement.
    """

    def __init__(self, dsn: str, *, statement_timeout: float) -> None:
        self.dsn = dsn
        #: Seconds for one answer, when it must be the database that is frozen, or the way to it.
        self.answers_within = statement_timeout + OVERDUE
        self._statement_timeout = statement_timeout

    @property
    def name(self) -> str:
        """Where it is, without a password."""
        try:
            parts = conninfo_to_dict(self.dsn)
            _check_parts(parts)
        except psycopg.ProgrammingError:
            return "a database"
        host, port, database = (parts.get(name) or "" for name in ("host", "port", "dbname"))
        return f"{host}:{port}/{database}" if host else str(database or "the default database")

    def failure(self, error: psycopg.Error) -> JournalFailed:
        """Say what the database said, and what mends it."""
        return JournalFailed(f"journal {self.name}: {first_line(error)}{cure_of(error, first=True)}")

    def connect(self, *, timeout: int) -> Connection:
        """Connect, in *timeout* seconds.

        Raises:
            psycopg.Error: It cannot be reached.
            JournalFailed: The DSN cannot be read.
        """
        try:
            db = Connection.connect(
                self._conninfo(timeout), autocommit=True, cursor_factory=psycopg.ClientCursor, prepare_threshold=None
            )
        except psycopg.Error as error:  # frames of psycopg hold the password, which a reporter of crashes may show
            raise error.with_traceback(None) from None
        db.seconds = self.answers_within
        return db

    def _conninfo(self, timeout: int) -> str:
        try:
            _check_parts(conninfo_to_dict(self.dsn))
            return make_conninfo(
                self.dsn,
                target_session_attrs="read-write",
                connect_timeout=str(timeout),
                application_name="ideal_async",
                # A dead network is noticed in about ten seconds, not in two hours.
                keepalives="1",
                keepalives_idle="5",
                keepalives_interval="2",
                keepalives_count="3",
                tcp_user_timeout="10000",
            )
        except psycopg.ProgrammingError:  # its words may hold the password
            raise JournalFailed(
                "the DSN of the journal cannot be read: postgresql://user:password@host/database, "
                "with %40 for @, %2F for /, %3A for : and %25 for % in a password"
            ) from None

    def prepare(self, db: psycopg.Connection[Any], another: Callable[[], psycopg.Connection[Any]]) -> timedelta:
        """Make a connection fit for a journal, and the tables if they are not there.

        Args:
            db: The connection.
            another: Opens one more.

        Returns:
            How far the database's clock is ahead of ours.

        Raises:
            JournalFailed: It forgets what it has promised to keep; or a pooler shares this session with others.
        """
        settings = db.execute(
            "SELECT current_setting('fsync'), current_setting('synchronous_commit'), pg_backend_pid(), "
            "clock_timestamp(), current_setting('ideal_async.owner', true)"
        ).fetchone()
        fsync, commit, backend, clock, owner = cast("tuple[str, str, int, datetime, str | None]", settings)
        self.check_fsync(fsync)
        if owner or (backend != db.info.backend_pid and _shares_backend(backend, another)):
            raise self.pooled()
        if commit not in {"on", "remote_apply"}:  # those wait for the disk; a stricter setting stays
            db.execute("SET synchronous_commit = on")
        db.execute(b"SET statement_timeout = %d" % int(self._statement_timeout * 1000))
        db.execute(b"SET lock_timeout = %d" % int(self._statement_timeout * 500))
        # Nobody else waits for long for a process that was frozen in the middle, or for a host that is gone.
        db.execute(b"SET idle_in_transaction_session_timeout = %d" % int(self._statement_timeout * 1000))
        for name, seconds in _KEEPALIVES.items():
            db.execute(b"SET tcp_keepalives_%s = %d" % (name.encode(), seconds))
        ahead = clock - datetime.now(UTC)
        migrate(db)
        return ahead

    def check_fsync(self, fsync: str) -> None:
        """Make sure that what is committed stays.

        Raises:
            JournalFailed: It does not.
        """
        if fsync != "on":
            raise JournalFailed(
                f"journal {self.name}: the database has fsync = off, so a crash loses what was paid: switch it on"
            )

    def pooled(self) -> JournalFailed:
        """Say that this is not the session that took the lock: a pooler has given us another one."""
        return JournalFailed(f"journal {self.name}: {_POOLER}")


def _shares_backend(backend: int, another: Callable[[], psycopg.Connection[Any]]) -> bool:
    """Behind a pooler: tell whether it gives our session to the next who comes, while we ask for nothing."""
    with another() as other, other.transaction():
        (found,) = other.execute("SELECT pg_backend_pid()").fetchone() or (0,)
    return bool(found == backend)


def _check_parts(parts: Mapping[str, Any]) -> None:
    """Refuse what a password with unusual characters makes of a DSN: a part of it is taken for a host.

    Raises:
        psycopg.ProgrammingError: It is not to be repeated.
    """
    if any("@" in str(parts.get(name) or "") for name in ("host", "hostaddr", "port", "dbname")):
        raise psycopg.ProgrammingError
