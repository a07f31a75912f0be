"""The file: made for its user alone, opened durable, and brought up to date.

A journal's tables may change from version to version of this library. `MIGRATIONS` only ever grows at its end; SQLite's
`user_version` counts how many of them a file has seen, each applied in a transaction of its own.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from ideal_async._errors import JournalFailed

#: Marks a file as ours in its header (`file` and the sqlite3 shell show it): "IdHv".
APPLICATION_ID = 0x49644876

#: A row that costs, or may have cost, credits. Comparisons: SQLite makes a table of every longer list, at every write.
COUNTED = "state <> 'refused' AND (state <> 'failed' OR refunded IS NULL)"
#: A row that is not over. A query for one such state that also says this uses their index.
OPEN = "state <> 'succeeded' AND state <> 'failed' AND state <> 'refused'"
_NEW_COUNTS, _OLD_COUNTS = (
    f"({row}.state <> 'refused' AND ({row}.state <> 'failed' OR {row}.refunded IS NULL) AND {row}.credits > 0)"
    for row in ("NEW", "OLD")
)
#: The same before it was written down whether a failed task's credits come back.
_COUNTED_2 = "state <> 'failed' AND state <> 'refused'"
_NEW_COUNTS_2, _OLD_COUNTS_2 = (
    f"({row}.state <> 'failed' AND {row}.state <> 'refused' AND {row}.credits > 0)" for row in ("NEW", "OLD")
)
_ADD = """
    INSERT INTO spending VALUES (NEW.origin, NEW.account, substr(NEW.created_at, 1, 15), NEW.credits)
    ON CONFLICT (origin, account, period) DO UPDATE SET credits = credits + excluded.credits;
"""
_SUBTRACT = """
    UPDATE spending SET credits = credits - OLD.credits
    WHERE origin = OLD.origin AND account = OLD.account AND period = substr(OLD.created_at, 1, 15);
"""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # One row for each origin and key. `attempt` names one intent to send: a late answer must find its own.
        # An id is kept as text: an unsigned 64-bit number does not fit SQLite's integers.
        """
        CREATE TABLE entries (
            id INTEGER PRIMARY KEY,
            origin TEXT NOT NULL,
            key TEXT NOT NULL,
            attempt TEXT NOT NULL,
            state TEXT NOT NULL
                CHECK (state IN ('intended', 'submitted', 'succeeded', 'failed', 'refused', 'unknown')),
            owner TEXT,
            fingerprint TEXT NOT NULL,
            request TEXT NOT NULL,
            credits INTEGER NOT NULL,
            task_id TEXT,
            task TEXT,
            reason TEXT,
            earlier TEXT,   -- the reason of the refusal that this attempt comes after: withdrawn, it is refused again
            released TEXT,  -- every release so far, in words, for whoever asks later why a key was sent twice
            late_for TEXT,  -- the key whose lost answer came when the key had been released and sent again
            created_at TEXT NOT NULL,
            updated_at TEXT NOT NULL,
            UNIQUE (origin, key)
        )
        """,
        "CREATE INDEX states ON entries (state)",
        "CREATE INDEX tasks ON entries (task_id) WHERE task_id IS NOT NULL",
        "CREATE INDEX late_answers ON entries (late_for) WHERE late_for IS NOT NULL",
        f"PRAGMA application_id = {APPLICATION_ID}",
    ),
    (
        # Rows of two accounts are apart, a price may be unknown, and a submitted task may have a follower.
        """
        CREATE TABLE entries_of_accounts (
            id INTEGER PRIMARY KEY,
            origin TEXT NOT NULL,
            account TEXT NOT NULL,
            key TEXT NOT NULL,
            attempt TEXT NOT NULL,
            state TEXT NOT NULL
                CHECK (state IN ('intended', 'submitted', 'succeeded', 'failed', 'refused', 'unknown')),
            owner TEXT,     -- who is sending it, or was when it died
            follower TEXT,  -- the owner that waits for its task
            fingerprint TEXT NOT NULL,
            request TEXT NOT NULL,
            credits INTEGER,
            task_id TEXT,
            task TEXT,
            reason TEXT,
            earlier TEXT,   -- the reason of the refusal that this attempt comes after: withdrawn, it is refused again
            released TEXT,  -- every release so far, in words, for whoever asks later why a key was sent twice
            late_for TEXT,  -- the key whose lost answer came when the key had been released and sent again
            created_at TEXT NOT NULL,
            updated_at TEXT NOT NULL,
            UNIQUE (origin, account, key)
        )
        """,
        """
        INSERT INTO entries_of_accounts (id, origin, account, key, attempt, state, owner, fingerprint, request, credits,
            task_id, task, reason, earlier, released, late_for, created_at, updated_at)
        SELECT id, origin, '', key, attempt, state, owner, fingerprint, request, credits,
            task_id, task, reason, earlier, released, late_for, created_at, updated_at FROM entries
        """,
        "DROP TABLE entries",  # with its indexes
        "ALTER TABLE entries_of_accounts RENAME TO entries",
        f"CREATE INDEX open ON entries (state, task_id) WHERE {OPEN}",  # small, however long the journal is
        "CREATE INDEX late_answers ON entries (late_for) WHERE late_for IS NOT NULL",
        "CREATE INDEX times ON entries (created_at)",
        # What was or may have been paid, by the ten minutes: a limit need not read every row, and outlives pruned ones.
        """
        CREATE TABLE spending (
            origin TEXT NOT NULL,
            account TEXT NOT NULL,
            period TEXT NOT NULL,  -- the first 15 characters of created_at
            credits INTEGER NOT NULL,
            PRIMARY KEY (origin, account, period)
        ) WITHOUT ROWID
        """,
        f"""
        INSERT INTO spending SELECT origin, account, substr(created_at, 1, 15), sum(credits) FROM entries
        WHERE {_COUNTED_2} GROUP BY 1, 2, 3
        """,
        f"""
        CREATE TRIGGER spend_at_once AFTER INSERT ON entries WHEN {_NEW_COUNTS_2}
        BEGIN {_ADD} END
        """,
        f"""
        CREATE TRIGGER spend AFTER UPDATE OF state ON entries
        WHEN {_NEW_COUNTS_2} AND NOT {_OLD_COUNTS_2}
        BEGIN {_ADD} END
        """,
        f"""
        CREATE TRIGGER refund AFTER UPDATE OF state ON entries
        WHEN {_OLD_COUNTS_2} AND NOT {_NEW_COUNTS_2}
        BEGIN {_SUBTRACT} END
        """,
        f"""
        CREATE TRIGGER withdraw AFTER DELETE ON entries WHEN OLD.state <> 'succeeded' AND {_OLD_COUNTS_2}
        BEGIN {_SUBTRACT} END
        """,
        "CREATE TABLE properties (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
    ),
    (
        # Of a task that ended otherwise than `Failed` nobody promises the credits back. Before, all were taken to be.
        "ALTER TABLE entries ADD COLUMN refunded INTEGER",  # 1: a failed task's credits come back; NULL: nobody knows
        "ALTER TABLE entries ADD COLUMN sunk INTEGER NOT NULL DEFAULT 0",  # credits of released tasks that may not
        "DROP TRIGGER spend_at_once",
        "DROP TRIGGER spend",
        "DROP TRIGGER refund",
        "DROP TRIGGER withdraw",
        "DROP INDEX open",
        f"CREATE INDEX open ON entries (state, task_id, attempt) WHERE {OPEN}",  # all that a confirmation asks for
        "UPDATE entries SET refunded = 1 WHERE state = 'failed'",
        f"""
        CREATE TRIGGER spend_at_once AFTER INSERT ON entries WHEN {_NEW_COUNTS}
        BEGIN {_ADD} END
        """,
        f"""
        CREATE TRIGGER spend AFTER UPDATE OF state ON entries
        WHEN {_NEW_COUNTS} AND NOT {_OLD_COUNTS}
        BEGIN {_ADD} END
        """,
        f"""
        CREATE TRIGGER refund AFTER UPDATE OF state ON entries
        WHEN {_OLD_COUNTS} AND NOT {_NEW_COUNTS} AND NEW.sunk = OLD.sunk
        BEGIN {_SUBTRACT} END
        """,
        f"""
        CREATE TRIGGER withdraw AFTER DELETE ON entries
        WHEN OLD.state <> 'succeeded' AND OLD.state <> 'failed' AND {_OLD_COUNTS}
        BEGIN {_SUBTRACT} END
        """,
    ),
)

#: Seconds between two tries where SQLite does not wait by itself; a switch to WAL takes about a millisecond.
_SWITCH_INTERVAL = 0.005

#: Windows cannot open a folder.
_SYNCS_FOLDERS = os.name == "posix"

_creating = threading.Lock()


def create(path: str) -> None:
    """Make the file, empty and private, if it is not there.

    SQLite gives its `-wal` and `-shm` files the mode of the database. An existing file is never opened here: closing it
    would drop the locks that SQLite holds on it for other journals of this process (POSIX), hence also the mutex.

    Raises:
        JournalFailed: The folder is not there, or something else than a file is.
        OSError: The disk says no.
    """
    if Path(path).is_dir():
        raise JournalFailed(f"journal {path!r} is a folder: name a file in it")
    folder = Path(path).parent
    if not folder.is_dir():
        raise JournalFailed(f"journal {path!r}: there is no folder {str(folder)!r}: make it, or name another path")
    with _creating:
        try:
            make_private(path)
        except FileExistsError:
            return
    if _SYNCS_FOLDERS:  # the new name must survive a power cut, too
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_private(path: str) -> None:
    """Make an empty file that only this user may read and write.

    Raises:
        FileExistsError: Something is there.
        OSError: The disk says no.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def leave(path: str, *connections: sqlite3.Connection) -> None:
    """Close a file that is refused as it is: the last connection folds the log into it, unless it may not write."""
    with ExitStack() as open_:
        # The file may be gone, and then nothing is folded; what SQLite says of damage may be no text.
        with suppress(sqlite3.Error, UnicodeDecodeError):
            last = open_.enter_context(closing(sqlite3.connect(f"{Path(path).as_uri()}?mode=ro", uri=True)))
            last.execute("SELECT 1 FROM sqlite_master").fetchone()
        for connection in connections:
            connection.close()


def connect(
    path: str, *, timeout: float, check: Callable[[sqlite3.Connection, str], None] | None = None
) -> sqlite3.Connection:
    """Open an existing file for threads, up to date, in autocommit mode, every commit durable.

    Args:
        path: Of the file.
        timeout: Seconds to wait for the locks of other processes.
        check: May refuse it, before anything is changed.

    Raises:
        JournalFailed: It is another program's database, a newer version's, or not on a local disk.
        sqlite3.Error: It cannot be opened or written.
    """
    connection = sqlite3.connect(
        f"{Path(path).as_uri()}?mode=rw", uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
    )
    try:
        _recognise(connection, path)
        if check is not None:
            check(connection, path)
        _write_ahead(connection, path, timeout)
        connection.execute("PRAGMA synchronous = FULL")
        # On macOS fsync() leaves the data in the drive's cache; these ask for more. No effect elsewhere.
        connection.execute("PRAGMA fullfsync = ON")
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # see GroupCommit.fold
        if migrate(connection, path):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # so that a copy of the file alone is a journal
    except BaseException:
        leave(path, connection)
        raise
    return connection


def migrate(connection: sqlite3.Connection, path: str, migrations: Sequence[tuple[str, ...]] = MIGRATIONS) -> bool:
    """Bring the tables up to date; of many processes at once, one does it.

    Returns:
        Whether there was anything to do.

    Raises:
        JournalFailed: A newer version of this library wrote the file.
        sqlite3.Error: It cannot be written.
    """
    changed = False
    while not _step(connection, path, migrations):
        changed = True
    return changed


def _step(connection: sqlite3.Connection, path: str, migrations: Sequence[tuple[str, ...]]) -> bool:
    """Take one migration, or find that all are done."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            _check_empty(connection, path)
        if version < len(migrations):
            for statement in migrations[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version + 1}")
        else:
            # Changes nothing, but needs the right to: a read-only file is found out before money is at stake. (BEGIN
            # IMMEDIATE alone is content to read.)
            connection.execute("DELETE FROM entries WHERE 0")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    if version > len(migrations):
        raise JournalFailed(
            f"journal {path!r} was written by a newer ideal_async (schema {version}, this one knows "
            f"{len(migrations)}): upgrade ideal_async"
        )
    return version == len(migrations)


def _check_empty(connection: sqlite3.Connection, path: str) -> None:
    if _has_tables(connection):
        raise JournalFailed(
            f"journal {path!r} has tables, but no schema version (user_version is 0), as after a dump and "
            f"reload: restore a backup; or, if this version of ideal_async wrote it, set it to {len(MIGRATIONS)}"
        )


def _has_tables(connection: sqlite3.Connection) -> bool:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return bool(tables)


def _recognise(connection: sqlite3.Connection, path: str) -> None:
    """Refuse the database of another program before anything in it is changed."""
    # In this order: another process may be making our tables, and it makes them together with the mark.
    tables = _has_tables(connection)
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID and (application or tables):
        raise JournalFailed(f"journal {path!r} is the database of another program: name another path")


def _write_ahead(connection: sqlite3.Connection, path: str, timeout: float) -> None:
    """Switch to WAL; SQLite does not wait when several processes switch a new file at once."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_SWITCH_INTERVAL)
    if mode != "wal":
        raise JournalFailed(f"journal {path!r}: this file system shares no memory: name a path on a local disk")
