"""What SQLite and the disk say, as an error that names the fix."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from ideal_async._errors import JournalFailed

#: What to do about SQLite's primary result codes (sqlite.org/rescode.html); the others get `_ANYTHING`.
_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space and call again",
    sqlite3.SQLITE_READONLY: "it is read-only: make the file and its folder writable for this user",
    sqlite3.SQLITE_PERM: "access was denied: make the file and its folder writable for this user",
    sqlite3.SQLITE_AUTH: "access was denied: make the file and its folder writable for this user",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: check that it is there, and that this user may read and write it",
    sqlite3.SQLITE_BUSY: "another program keeps it locked: close that program (a database browser?) and call again",
    sqlite3.SQLITE_LOCKED: "another program keeps it locked: close that program (a database browser?) and call again",
    sqlite3.SQLITE_CORRUPT: "it is damaged: `ideal-async journal repair` says what can be saved, else restore a backup",
    sqlite3.SQLITE_NOTADB: "it is no journal: name another path, or move the file aside",
    sqlite3.SQLITE_NOMEM: "memory ran out: free some and call again",
}
_ANYTHING = "check the disk, and that it is a local one with space left"

#: What the database and the disk raise; the last where a damaged name cannot be read as text.
FAILURES = (sqlite3.Error, OSError, UnicodeDecodeError)


def journal_failed(error: sqlite3.Error | OSError | UnicodeDecodeError, path: str) -> JournalFailed:
    """Turn a failure of the database or of the disk into ours, which names the fix."""
    if isinstance(error, OSError):
        advice = f"{error.strerror or error}: check that the folder is there, local, and writable for this user"
    elif isinstance(error, UnicodeDecodeError):
        advice = _ADVICE[sqlite3.SQLITE_CORRUPT]
    else:
        advice = _ADVICE.get(code_of(error), _ANYTHING)
    return JournalFailed(f"journal {path!r}: {advice} ({error})")


def code_of(error: sqlite3.Error) -> int:
    """Return the primary result code, which is the low byte; errors of the sqlite3 module itself have none."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


@contextmanager
def translate_errors(path: str, but: type[OSError] | tuple[()] = ()) -> Generator[None, None, None]:
    """Let no exception of the database or of the disk out, but some that say all there is to say."""
    try:
        yield
    except but:
        raise
    except FAILURES as error:
        raise journal_failed(error, path) from error
