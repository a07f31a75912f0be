"""Files that are whole or not there, and one process at a time in a folder."""

import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TextIO

from ._terminal import Refused


@contextmanager
def anew(path: Path) -> Generator[TextIO]:
    """Write *path* as UTF-8: it is replaced when the block ends well, and stays as it was otherwise."""
    draft = path.with_name(f".{path.name}.new")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def alone_in(folder: Path) -> Generator[None]:
    """Make *folder*, and keep other processes of this program from writing into it while the block runs.

    Raises:
        Refused: There is another, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # SQLite's lock works on every system and goes with its process, however that ends.
        lock = sqlite3.connect(folder / ".lock", timeout=0, isolation_level=None)
    except (OSError, sqlite3.OperationalError) as error:
        raise Refused(f"the folder {folder} cannot be used: {error}") from None
    with closing(lock):
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise Refused(f"another ideal-async is at work in {folder} ({error}): wait for it") from None
        yield
