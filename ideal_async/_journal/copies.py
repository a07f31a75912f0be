"""Copies of a journal: a backup has forgotten what was paid since, and must not be taken for the journal."""

import os
import shlex
import sqlite3
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


def read_property(db: Any, name: str) -> str | None:
    """Return what the file says about itself."""
    row = db.execute("SELECT value FROM properties WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def write_property(db: sqlite3.Connection, name: str, value: str) -> None:
    """Let the file say something about itself."""
    db.execute("INSERT OR REPLACE INTO properties VALUES (?, ?)", (name, value))


def doubts_since(db: Any) -> datetime | None:
    """Return from when on a key that the file does not know may have been paid; `None` if it knows all."""
    if read_property(db, UNKNOWN_KEYS) != "doubt":
        return None
    return datetime.fromisoformat(str(read_property(db, MISSING_SINCE)))


def check_complete(db: sqlite3.Connection, path: str) -> None:
    """Refuse a copy that does not know what was paid since, until a person has said what to do about that.

    Raises:
        JournalFailed: Nobody has.
    """
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
    part = f"{target}.part"
    Path(part).unlink(missing_ok=True)
    if os.path.lexists(target):
        raise FileExistsError(f"{target!r} exists: name another file")
    make_private(part)
    with closing(connect(path, timeout=timeout)) as source, closing(sqlite3.connect(part)) as copy:
        source.backup(copy)
        with copy:
            write_property(copy, MISSING_SINCE, now)
            copy.execute("DELETE FROM properties WHERE name = ?", (UNKNOWN_KEYS,))
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, complete in itself
    Path(part).rename(target)


def restore(path: str, unknown_keys: UnknownKeys, *, timeout: float) -> datetime:
    """Make a journal of a backup, and return from when on it knows nothing.

    Raises:
        ValueError: It is no backup.
    """
    with closing(connect(path, timeout=timeout)) as db:
        since = read_property(db, MISSING_SINCE)
        if since is None:
            raise ValueError(f"journal {path!r} is neither a backup nor repaired: use it as it is")
        write_property(db, UNKNOWN_KEYS, unknown_keys)
    return datetime.fromisoformat(since)
