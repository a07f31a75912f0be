"""Where the file is: a path that SQLite can open, and whether what is open still stands there."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from ideal_async._errors import JournalFailed

#: What belongs to a journal that is open; a second program that found only some of them would see another journal.
_SUFFIXES = ("", "-wal", "-shm")
#: SQLite's longest path on POSIX (MAX_PATHNAME in its os.h), less the longest suffix that it may add, "-journal".
_LONGEST_PATH, _LONGEST_NAME = 512 - 8, 255 - 8

#: What is mounted where (proc(5), mountinfo); the fifth field is the place.
_MOUNTS = Path("/proc/self/mountinfo")

Identity = tuple[int, int]

_open_here: Counter[Identity] = Counter()
_lock = threading.Lock()
_opening: Counter[str] = Counter()
_checking = threading.Lock()


def check_path(path: str | os.PathLike[str]) -> str:
    """Return the one path that all names of a file lead to.

    Raises:
        TypeError: It is no text.
        ValueError: It names no file that could outlive this process.
        JournalFailed: It is too long.
    """
    name = os.fspath(path)
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
        raise TypeError(f"the path of a journal is a str or a pathlib.Path, not {name!r}: pass os.fsdecode(path)")
    if name in {"", ":memory:"}:
        raise ValueError(f"a journal must outlive its process: name a file, not {name!r}")
    if "\0" in name:
        raise ValueError(f"the path of a journal has a NUL character in it, which no file name can have: {name!r}")
    real = os.path.realpath(name)
    size, last = len(os.fsencode(real)), len(os.fsencode(Path(real).name))
    if size > _LONGEST_PATH or last > _LONGEST_NAME:
        raise JournalFailed(
            f"journal {real!r}: its path has {size} bytes and its name {last}, but SQLite opens no more than "
            f"{_LONGEST_PATH} and {_LONGEST_NAME}: name a shorter path"
        )
    return real


def check_file(path: str | os.PathLike[str]) -> str:
    """Return the path of a file that is there already.

    Raises:
        ValueError: It names no file that could outlive this process.
        JournalFailed: There is no such file, or its path is too long.
    """
    real = check_path(path)
    if not Path(real).is_file():
        raise JournalFailed(f"there is no journal {real!r}: name one that is there")
    check_alone(real)
    return real


def check_alone(path: str) -> None:
    """Refuse a file that has a second name: its log and its locks have the first one, and so are not found from there.

    Two processes that do not see each other's would pay the same key. A folder may have as many names as it likes.

    Raises:
        JournalFailed: It has a hard link, or is mounted by itself (`docker run -v a.journal:/b.journal`; Linux).
    """
    if os.stat(path).st_nlink > 1:  # noqa: PTH116 - as in `identify`
        raise JournalFailed(
            f"journal {path!r} has another name (a hard link), by which its log would not be found, and keys be paid "
            f"again: delete the other name; `find -samefile` finds it, `journal backup` makes copies"
        )
    # Not by the device, which an overlay gives to each of its layers.
    with suppress(OSError):
        mounts = {line.split(b" ")[4] for line in _MOUNTS.read_bytes().splitlines()}
        if _in_mounts(path) in mounts:
            raise JournalFailed(
                f"journal {path!r} is mounted by itself, so that its log stays outside the mount, and keys are paid "
                "again: mount the folder, not the file"
            )


def _in_mounts(path: str) -> bytes:
    """Write a path as the kernel does there."""
    name = os.fsencode(path).replace(b"\\", rb"\134")
    return name.replace(b" ", rb"\040").replace(b"\t", rb"\011").replace(b"\n", rb"\012")


def identify(path: str) -> Identity | None:
    """Name the file that stands at *path*, whatever it is called; `None` if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - thrice at each write: a Path costs more than the call
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


class Place:
    """The files of an open journal, to be found there again before each write.

    Args:
        path: Of the database, whose files are all there.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._files = [(path + suffix, identify(path + suffix)) for suffix in _SUFFIXES]
        with _lock:
            _open_here[self._main] += 1

    @property
    def _main(self) -> Identity:
        return self._files[0][1] or (0, 0)

    def leave(self) -> None:
        """The journal is closed."""
        with _lock:
            _open_here[self._main] -= 1

    def check(self) -> None:
        """Make sure that what is open still stands in its place.

        Raises:
            JournalFailed: It does not: what is written now would be found by nobody.
        """
        for path, identity in self._files:
            if identify(path) != identity:
                raise JournalFailed(
                    f"journal {self._path!r}: {path!r} was deleted, moved or replaced while it was open, so that "
                    "nothing more is sent: put it back where it was, or close this journal and open it again"
                )


@contextmanager
def opening(path: str, check: Callable[[str], None]) -> Generator[None, None, None]:
    """Let *check* read the file before SQLite does, unless SQLite has it open in this process already.

    To close a file drops the locks that SQLite holds on it for the whole process (POSIX). Whoever came before has read
    it, and whoever comes next waits until that is done.
    """
    with _checking:
        if not _opening[path] and not is_open_here(path):
            check(path)
        _opening[path] += 1
    try:
        yield
    finally:
        with _checking:
            _opening[path] -= 1


def is_open_here(path: str) -> bool:
    """Tell whether a journal of this process has the file open."""
    with _lock:
        return _open_here[identify(path) or (0, 0)] > 0
