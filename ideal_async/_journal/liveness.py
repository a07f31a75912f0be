"""Who lives: one locked file for each owner, and a lock that the kernel drops when its process dies.

Neither a clock nor a process id can tell a dead owner from a slow one: clocks jump, ids are used again, and containers
number their processes each for themselves. A lock can. On POSIX it is a record lock (`fcntl.lockf`), because

- a forked child does not inherit it (it would inherit `flock`, and keep a dead parent alive), but
- it never conflicts within a process, and closing *any* descriptor of the file drops it.

So an owner of this very process is looked up in a table and its file is never opened a second time. On Windows it is a
byte-range lock (`msvcrt.locking`); the system releases it when the process ends, though not always at once.
"""

import io
import os
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from weakref import WeakValueDictionary

if sys.platform == "win32":
    import msvcrt

    def is_mapped_elsewhere(_: Path) -> bool:
        """Tell whether another process uses a database, by its `-shm` file; Windows cannot tell."""
        return False

    def _lock(descriptor: int) -> bool:
        """Take the lock; `False` if another process has it."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True
else:
    import fcntl

    def is_mapped_elsewhere(path: Path) -> bool:
        """Tell whether another process uses a database, by its `-shm` file, which this process must not have open.

        As long as it does, SQLite holds a shared lock on byte 128 (UNIX_SHM_DMS in its os_unix.c).
        """
        with suppress(FileNotFoundError), path.open("r+b", buffering=0) as file:
            try:
                fcntl.lockf(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 128)
            except (BlockingIOError, PermissionError):
                return True
        return False

    def _lock(descriptor: int) -> bool:
        """Take the lock; `False` if another process has it."""
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # POSIX leaves it open which of the two
            return False
        return True


class Owner:
    """A claim to be alive, good until `release` or the death of this process.

    Attributes:
        id: Names the claim; never used a second time.
        held: What this owner is busy with, by name. It holds them weakly: what nobody in this process remembers any
            more will not be finished, however long the process lives.

    Raises:
        OSError: The file cannot be made or locked.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self.held: WeakValueDictionary[str, object] = WeakValueDictionary()
        self._process = os.getpid()
        while not self._claim(folder):
            pass

    def _claim(self, folder: Path) -> bool:
        self.id = uuid.uuid4().hex
        self._path = folder / self.id
        _ours[self.id] = self  # before the file exists, so that no thread of ours ever opens it
        self._file = io.FileIO(self._path, "x", opener=_private)
        claimed = False
        try:
            # Who tidies up may have found the file before it was locked: then it is gone, or about to go.
            claimed = _lock(self._file.fileno()) and os.fstat(self._file.fileno()).st_nlink > 0
        finally:
            if not claimed:
                self.release()
        return claimed

    def release(self) -> None:
        """Stop being alive; in a forked child, leave the parent's claim alone."""
        if self.inherited:
            return
        self._file.close()
        with suppress(OSError):  # somebody looks at it right now, or was faster
            self._path.unlink()
        _ours.pop(self.id, None)

    @property
    def inherited(self) -> bool:
        """It is our parent's, from before a fork."""
        return self._process != os.getpid()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


_ours: WeakValueDictionary[str, Owner] = WeakValueDictionary()


def is_alive(folder: Path, owner: str, name: str | None = None) -> bool:
    """Tell whether *owner* lives and, if it is of this process and a *name* is given, is still busy with that.

    Raises:
        OSError: It cannot be known: no descriptor is left, or the file is another user's.
    """
    ours = _ours.get(owner)
    if ours is None or ours.inherited:
        return _is_locked(folder / owner)
    return name is None or name in ours.held


def is_anyone_alive(folder: Path) -> bool:
    """Tell whether any owner lives; delete the files of those who do not.

    Raises:
        OSError: It cannot be known.
    """
    try:
        return any(is_alive(folder, path.name) for path in folder.iterdir())
    except FileNotFoundError:
        return False


def remove_dead(folder: Path) -> None:
    """Delete the files of dead owners."""
    with suppress(OSError):  # this is only tidiness
        for path in folder.iterdir():
            ours = _ours.get(path.name)
            if ours is None or ours.inherited:
                _is_locked(path)


def _is_locked(path: Path) -> bool:
    """Tell whether another process has the lock on *path*; delete the file if none has."""
    try:
        file = path.open("r+b", buffering=0)
    except FileNotFoundError:
        return False
    with file:
        if not _lock(file.fileno()):
            return True
        # Deleted while we have the lock: its owner may have made it just now, and must not lock a file that goes away.
        # No id is used twice, so the path means this file or nothing.
        with suppress(OSError):
            path.unlink()
    with suppress(OSError):  # Windows deletes no open file, neither ours nor that of an owner who has come to life
        path.unlink()
    return False
