"""Damage is found before money depends on it: SQLite alone would go on with what is left, and not say so."""

import shlex
import sqlite3
from pathlib import Path

from ideal_async._errors import JournalFailed

from .liveness import is_anyone_alive, is_mapped_elsewhere
from .log import read_log
from .place import is_open_here

#: Bytes of a file that is checked as a whole when it is opened (0.1 s, 30,000 entries): a key that no index finds would
#: be paid again. A larger one is checked by `repair`.
CHECKED_SIZE = 16_000_000
#: Bytes 18 and 19 of a file that is in no need of a log (sqlite.org/fileformat2.html, 1.3.3); it is 2 with one.
_NO_LOG = b"\1\1"


def is_in_use(path: str, owners: Path) -> bool:
    """Tell whether a living process, perhaps this one, uses the file. One that only reads may go unnoticed.

    Raises:
        OSError: It cannot be known.
    """
    return is_open_here(path) or is_anyone_alive(owners)


def check_log(path: str) -> None:
    """Read the log of a file that nobody seems to use, before SQLite does.

    Raises:
        JournalFailed: Something that was committed would be lost with it.
        OSError: It cannot be read.
    """
    damage = read_log(Path(f"{path}-wal")).damage
    if damage is not None and not is_mapped_elsewhere(
        Path(f"{path}-shm")
    ):  # a log that is being written looks like that
        raise refuse(path, f"of its log {f'{path}-wal'!r}, {damage}")


def check_copy(path: str) -> None:
    """Refuse a backup with the log of another file beside it, which SQLite would play into it.

    A backup needs no log, and says so in its header; a journal that gets its first log has said before that it has one.

    Raises:
        JournalFailed: There is such a log.
        OSError: It cannot be read.
    """
    log = Path(f"{path}-wal")
    if not log.exists() or not log.stat().st_size:
        return
    with Path(path).open("rb") as file:
        versions = file.read(20)[18:]
    if versions == _NO_LOG:
        raise JournalFailed(
            f"journal {path!r} is a backup, and beside it is the log of the journal whose place it took: move "
            f"{str(log)!r} away, or it would be written into the backup. Nothing was changed"
        )


def check_pages(db: sqlite3.Connection, path: str) -> None:
    """Read a file that is not large from its first page to its last, and compare its indexes.

    Raises:
        JournalFailed: Something is wrong with it.
    """
    if Path(path).stat().st_size <= CHECKED_SIZE:
        damage = find_damage(db)
        if damage is not None:
            raise refuse(path, damage)


def find_damage(db: sqlite3.Connection) -> str | None:
    """Return what SQLite finds wrong first."""
    try:
        (found,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        return str(error)
    return None if found == "ok" else " ".join(found.split())


def refuse(path: str, damage: str) -> JournalFailed:
    """Say that nothing was changed, and what to do."""
    return JournalFailed(
        f"journal {path!r} is damaged: {damage}. Nothing was changed; `ideal-async journal repair {shlex.quote(path)}` "
        "says what can be saved"
    )
