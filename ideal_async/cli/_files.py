"""Files that are whole or not there, and one process at a time in a folder."""

import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal, TextIO

from ._terminal import Refused

#: Who makes the videos of a folder: real ones are never written over by a demonstration.
Kind = Literal["batch", "demo"]
#: In the folder of the videos, so that whoever has that can go on.
JOURNAL = "batch.journal"
LOCK = ".ideal-async"


@contextmanager
def anew(path: Path) -> Generator[TextIO]:
    """Write *path* as UTF-8: it is replaced when the block ends well, and stays as it was otherwise.

    Half a character, which JSON can spell and UTF-8 cannot, is written as an escape.
    """
    draft = path.with_name(f".{path.name}.new")
    try:
        with draft.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def tried(path: Path, write: Callable[[], object]) -> str | None:
    """Write a file, or tell why it could not be."""
    try:
        write()
    except Exception as error:  # noqa: BLE001 - reported, with all the rest
        reason = error.strerror if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
        return f"{path} cannot be written ({reason}): if it is open in another program, close it there"
    return None


@contextmanager
def alone_in(folder: Path, kind: Kind) -> Generator[None]:
    """Make *folder*, and keep other processes of this program from writing into it while the block runs.

    Raises:
        Refused: There is another, the folder cannot be made, or it holds the videos of another kind of command.
    """
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # SQLite's lock works on every system and goes with its process, however that ends.
        lock = sqlite3.connect(path, timeout=0, isolation_level=None)
    except (OSError, sqlite3.OperationalError) as error:
        raise Refused(f"the folder {folder} cannot be used: {error}") from None
    with closing(lock):
        try:
            lock.execute("BEGIN EXCLUSIVE")
            lock.execute("CREATE TABLE IF NOT EXISTS folder (kind TEXT)")
            known = lock.execute("SELECT kind FROM folder").fetchone()
            found = known[0] if known else _kind_of(folder)
            if found not in (None, kind):
                raise Refused(f"{folder} holds the videos of a {found}: choose another folder with --out")
            if not known:
                lock.execute("INSERT INTO folder VALUES (?)", (kind,))
            lock.execute("COMMIT")
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise Refused(f"the folder {folder} cannot be used: {error}") from None
            raise Refused(f"another ideal-async is at work in {folder}: wait for it") from None
        except sqlite3.DatabaseError:
            raise Refused(f"{path} is another program's file: move it away, or choose another --out") from None
        yield


def _kind_of(folder: Path) -> Kind | None:
    """Tell whose results are in a folder that does not say so."""
    if (folder / JOURNAL).exists():
        return "batch"
    return None
