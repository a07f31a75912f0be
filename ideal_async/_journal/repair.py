"""What can be saved of a damaged file, tried from the best on; the damaged one is kept."""

import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from ideal_async._errors import JournalFailed

from .copies import forget_since, write_property
from .damage import find_damage
from .entries import COLUMNS, decode_entry
from .log import cut, mend, read_log
from .schema import connect, create

#: Bytes that a row takes at least: no more ids than that are looked for in a file.
_SMALLEST_ROW = 200


@attrs.frozen
class Repaired:
    """What became of a damaged journal.

    Attributes:
        entries: That are in it now.
        missing_since: What was sent from then on may be missing, so that it is refused as a journal until it is
            restored; `None` if nothing is missing.
        kept: Where the damaged file is, with its log beside it.
        how: What was done.
    """

    entries: int
    missing_since: datetime | None
    kept: Path
    how: str


def repair(path: str, now: str, *, timeout: float) -> Repaired:
    """Try to save all; then all with indexes made anew; then all but the end of the log; then row by row.

    Raises:
        JournalFailed: Nothing can be saved; the file is as it was.
        OSError: The disk says no.
    """
    kept = _free_name(path)
    _copy(path, kept)
    log = read_log(Path(f"{kept}-wal"))
    for attempt in (_all, _all_with_new_indexes, _all_but_the_end, _row_by_row):
        _copy(kept, path)
        Path(f"{path}-shm").unlink(missing_ok=True)
        with suppress(sqlite3.Error, UnicodeDecodeError, JournalFailed):
            how, since = attempt(path, kept, timeout)
            with closing(connect(path, timeout=timeout)) as db:
                _check(db)
                if since is not None:
                    with db:
                        since = forget_since(db, since or now)
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                (entries,) = db.execute("SELECT count(*) FROM entries").fetchone()
            if since is None and log.damage is None:
                how = "there was nothing to repair"
            return Repaired(entries, None if since is None else datetime.fromisoformat(since), Path(kept), how)
    _copy(kept, path)
    raise JournalFailed(f"journal {path!r}: nothing of it can be saved; it is as it was: restore a backup")


def _all(path: str, _: str, __: float) -> tuple[str, str | None]:
    if read_log(Path(f"{path}-wal")).damage is not None:
        mend(Path(f"{path}-wal"), Path(path))
        damage = read_log(Path(f"{path}-wal")).damage
        if damage is not None:  # a frame is gone, and what stands behind it cannot be had without it
            raise JournalFailed(damage)
    return "the sums of its log were wrong, but all that they stand for is in order", None


def _all_with_new_indexes(path: str, _: str, timeout: float) -> tuple[str, str | None]:
    """A key that is not the same in table and index may be wrong in either, so it may be missing now."""
    _all(path, _, timeout)
    with closing(connect(path, timeout=timeout)) as db:
        db.execute("REINDEX")
        return "its indexes were made anew", _first(db, "min(created_at)")


def _all_but_the_end(path: str, _: str, timeout: float) -> tuple[str, str | None]:
    cut(Path(f"{path}-wal"))
    with closing(connect(path, timeout=timeout)) as db:
        return "the damaged end of its log was left out", _first(db, "max(updated_at)")


def _row_by_row(path: str, kept: str, timeout: float) -> tuple[str, str | None]:
    for suffix in ("", "-wal", "-shm"):
        Path(path + suffix).unlink(missing_ok=True)
    create(path)
    work = f"{kept}.reading"
    _copy(kept, work)
    try:
        if read_log(Path(f"{work}-wal")).damage is not None:
            mend(Path(f"{work}-wal"), Path(work))
        with closing(connect(path, timeout=timeout)) as db, closing(connect(work, timeout=timeout)) as damaged, db:
            columns = [row[1] for row in db.execute("PRAGMA table_info(entries)")]
            names, marks = ", ".join(columns), ", ".join("?" * len(columns))
            for id_ in range(1, Path(work).stat().st_size // _SMALLEST_ROW):
                with suppress(sqlite3.Error, UnicodeDecodeError):
                    row = damaged.execute(f"SELECT {names} FROM entries WHERE id = ?", (id_,)).fetchone()
                    if row is not None and _decodes(dict(zip(columns, row, strict=True))):
                        db.execute(f"INSERT INTO entries ({names}) VALUES ({marks})", row)
            with suppress(sqlite3.Error, UnicodeDecodeError):  # what it had missed before
                for name, value in damaged.execute("SELECT name, value FROM properties").fetchall():
                    write_property(db, name, value)
            return "every row that can be read was copied into a new file", _first(db, "min(created_at)")
    finally:
        for suffix in ("", "-wal", "-shm"):
            Path(work + suffix).unlink(missing_ok=True)


def _first(db: sqlite3.Connection, what: str) -> str:
    """Return a time, or nothing from a journal that is empty."""
    (value,) = db.execute(f"SELECT ifnull({what}, '') FROM entries").fetchone()
    return str(value)


def _check(db: sqlite3.Connection) -> None:
    """Make sure that every page, index and row is what it should be."""
    damage = find_damage(db)
    if damage is not None:
        raise JournalFailed(damage)
    cursor = db.execute(f"SELECT {', '.join(COLUMNS)}, fingerprint FROM entries")
    names = [*COLUMNS, "fingerprint"]
    for row in cursor:
        if not _decodes(dict(zip(names, row, strict=True))):
            raise JournalFailed(f"the row of key {row[0]!r} is damaged")


def _decodes(row: dict[str, Any]) -> bool:
    try:
        entry = decode_entry([row[name] for name in COLUMNS])
    except JournalFailed:
        return False
    return bool(entry.fingerprint == row["fingerprint"])


def _free_name(path: str) -> str:
    number = 1
    while Path(f"{path}-damaged-{number}").exists():
        number += 1
    return f"{path}-damaged-{number}"


def _copy(source: str, target: str) -> None:
    """Copy a database and its log, private as they are."""
    for suffix in ("", "-wal"):
        if Path(source + suffix).exists():
            shutil.copy2(source + suffix, target + suffix)
        else:
            Path(target + suffix).unlink(missing_ok=True)
