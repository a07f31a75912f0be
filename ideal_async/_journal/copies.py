"""Copies of a journal: a backup has forgotten what was paid since, and must not be taken for the journal."""

import os
import shlex
import sqlite3
import uuid
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from ideal_async._errors import JournalFailed

from .schema import connect, make_private

#: What to do with keys that a restored journal does not know: they are in doubt until a person adopts or releases them,
#: or they were not sent before, and so are sent.
UnknownKeys = Literal["doubt", "send"]

MISSING_SINCE, UNKNOWN_KEYS = "missing_since", "unknown_keys"
#: When its last row had changed when it became a journal: `missing_since` may be earlier, and no clock is asked.
_COPIED = "copied"


def read_property(db: Any, name: str) -> str | None:
    """Return what the file says about itself."""
    row = db.execute("SELECT value FROM properties WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def write_property(db: sqlite3.Connection, name: str, value: str) -> None:
    """Let the file say something about itself."""
    db.execute("INSERT OR REPLACE INTO properties VALUES (?, ?)", (name, value))


def doubts_since(db: Any, updated_at: str | None = None) -> datetime | None:
    """Return from when on a key may have been paid without a word of it in the file; `None` if it knows all.

    Args:
        db: Inside a transaction.
        updated_at: When the key's row last changed; one that changed here since is trusted. `None`: it has no row.
    """
    if read_property(db, UNKNOWN_KEYS) != "doubt" or (updated_at or "") > str(read_property(db, _COPIED)):
        return None
    return datetime.fromisoformat(str(read_property(db, MISSING_SINCE)))


def forget_since(db: sqlite3.Connection, since: str) -> str:
    """Let the file say from when on payments are missing, and that nobody has said yet what to do about them.

    What was missing before is still missing, unless somebody said that nothing was.
    """
    earlier = read_property(db, MISSING_SINCE)
    if earlier is not None and read_property(db, UNKNOWN_KEYS) != "send":
        since = min(earlier, since)
    write_property(db, MISSING_SINCE, since)
    db.execute("DELETE FROM properties WHERE name IN (?, ?)", (UNKNOWN_KEYS, _COPIED))
    return since


def check_complete(db: sqlite3.Connection, path: str) -> None:
    """Refuse a copy that does not know what was paid since, until a person has said what to do about that.

    Raises:
        JournalFailed: Nobody has.
    """
    # Asked before anything is changed in it: a file that is new, or of an older version, has no such table.
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'properties'").fetchone():
        return
    since = read_property(db, MISSING_SINCE)
    if since is not None and read_property(db, UNKNOWN_KEYS) is None:
        raise JournalFailed(
            f"journal {path!r} is a backup, or was repaired: what was sent after {since} is not in it, and would be "
            f"paid again. `ideal-async journal restore {shlex.quote(path)} --unknown-keys doubt` makes it a journal"
        )


def back_up(path: str, target: str, now: str, *, timeout: float) -> None:
    """Copy the journal at *path*, which may be in use, and mark the copy.

    Raises:
        FileExistsError: There is something at *target*.
        sqlite3.Error: It cannot be read or written.
        OSError: As above.
    """
    if os.path.lexists(target):
        raise FileExistsError(f"{target!r} exists: name another file")
    part = f"{target}.{uuid.uuid4().hex[:8]}.part"  # whatever has a name that can be guessed may be somebody's
    make_private(part)
    try:
        with closing(connect(path, timeout=timeout)) as source, closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
            with copy:
                forget_since(copy, now)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, complete in itself
        Path(part).rename(target)
    except BaseException:
        for suffix in ("", "-journal", "-wal", "-shm"):
            Path(part + suffix).unlink(missing_ok=True)
        raise


def restore(path: str, unknown_keys: UnknownKeys, *, timeout: float) -> datetime:
    """Make a journal of a backup, and return from when on it knows nothing.

    Raises:
        ValueError: It is no backup.
    """
    with closing(connect(path, timeout=timeout)) as db:
        since = read_property(db, MISSING_SINCE)
        if since is None:
            raise ValueError(f"journal {path!r} is neither a backup nor repaired: use it as it is")
        db.execute("INSERT OR IGNORE INTO properties SELECT ?, ifnull(max(updated_at), '') FROM entries", (_COPIED,))
        write_property(db, UNKNOWN_KEYS, unknown_keys)
    return datetime.fromisoformat(since)
