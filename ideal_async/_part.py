"""The disk: an unfinished file beside the one that will be, and a note of what it is a part of."""

import errno
import json
import os
from hashlib import sha256
from importlib import import_module
from io import FileIO
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

import attrs

from ._media import HEAD, Media, is_media, is_whole
from ._ranges import Held, Start, strong

ON_POSIX = os.name == "posix"
fcntl: Any = import_module("fcntl") if ON_POSIX else None
#: What file systems without locks answer, as some network shares; `Part.complete` looks all the same.
NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
#: Bytes of a name that leave room for the suffixes: file systems take 255, encrypted ones 143 (eCryptfs).
LONGEST_NAME = 100


def is_result(path: str | os.PathLike[str], part: Media = "video") -> bool:
    """Tell whether a file is there and begins as a video (MP4) or a cover (picture) does, unlike a saved login page.

    It reads some bytes, blocking.

    Example:
        >>> is_result("missing.mp4")
        False
    """
    try:
        with Path(path).open("rb") as file:
            return is_media(part, file.read(HEAD))
    except (OSError, ValueError):  # a ValueError: a name that no file can have here
        return False


@attrs.frozen
class Part:
    """The unfinished file beside the one that will be, and a note of what it is a part of."""

    target: Path

    @property
    def file(self) -> Path:
        """The bytes so far."""
        return self._beside(".part")

    @property
    def note(self) -> Path:
        """Which file they belong to."""
        return self._beside(".part.json")

    def _beside(self, suffix: str) -> Path:
        """Name a file beside the target that fits wherever the target's name does."""
        name = self.target.name
        encoded = os.fsencode(name)
        if len(encoded) > LONGEST_NAME:
            name = f"{encoded[:LONGEST_NAME].decode('utf-8', 'ignore')}~{sha256(encoded).hexdigest()[:16]}"
        return self.target.with_name(name + suffix)

    def check(self) -> None:
        """Find out before anything is brought whether it can be put in its place."""
        if not self.target.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.target))
        try:
            mode = self.target.stat().st_mode
        except FileNotFoundError:
            return
        if S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder: name a file in it", str(self.target))
        if not S_ISREG(mode):  # `os.replace` would put the video in the place of a device
            raise FileExistsError(
                errno.EEXIST,
                "it is a device, a pipe or a socket: name a file, whose place the video takes",
                str(self.target),
            )

    def held(self, identity: str) -> Held:
        """Tell what stands there of the file *identity*; what belongs to another one is of no use."""
        try:
            note = json.loads(self.note.read_text("utf-8"))
            received = self.file.stat().st_size
        except (OSError, ValueError, RecursionError):
            return Held()
        match note:
            case {"identity": str() as whose, "total": int() | None as total, "etag": str() | None as etag}:
                return Held(received, total, strong(etag)) if whose == identity else Held()
            case _:
                return Held()

    def open(self, identity: str, start: Start, held: Held) -> FileIO:
        """Note what comes, and open the file where it belongs."""
        # Never through a link, which in a shared folder somebody else may have laid.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        # Without a buffer, so that what was written is what stands there, also on a full disk.
        file = os.fdopen(os.open(self.file, flags, 0o666), "ab", buffering=0)
        try:
            self._claim(file)
            # What was held was read without the lock, before a pause perhaps: by now it may be a part of another file.
            if start.offset and self.held(identity) != held:
                raise OSError(errno.ESTALE, "somebody else changed it meanwhile")  # noqa: TRY301 - the try is there to close it
            file.truncate(start.offset)
            if start.offset == 0:
                self.note.unlink(missing_ok=True)
                with self.note.open("x", encoding="utf-8") as note:
                    json.dump({"identity": identity, "total": start.total, "etag": start.etag}, note)
        except BaseException:
            file.close()
            raise
        return file

    def _claim(self, file: FileIO) -> None:
        """Be the only one who writes, in any process: the kernel lets go of the lock with the file."""
        if ON_POSIX:
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OSError(errno.EBUSY, "somebody else is downloading to this path") from None
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
        self._check(file)

    def _check(self, file: FileIO, total: int | None = None) -> None:
        """Make sure that *file* is still what stands under this name, and complete if *total* is given."""
        here = os.fstat(file.fileno())
        if not os.path.samestat(here, self.file.stat()) or total not in (None, here.st_size):
            raise OSError(errno.ESTALE, "somebody else was downloading to this path")

    def forget(self) -> None:
        """Let the next attempt start over."""
        self.note.unlink(missing_ok=True)

    def head(self, length: int) -> bytes:
        """Read how the bytes so far begin."""
        with self.file.open("rb") as file:
            return file.read(length)

    def is_whole(self) -> bool | None:
        """Tell whether the bytes so far are a video that ends where it should; `None`: they do not say."""
        with self.file.open("rb") as file:

            def read(at: int, length: int) -> bytes:
                file.seek(at)
                return file.read(length)

            return is_whole(read, self.file.stat().st_size)

    def discard(self, file: FileIO) -> None:
        """Remove what is no part of a result."""
        self._check(file)
        self.forget()
        if not ON_POSIX:
            file.close()  # Windows removes no open file
        self.file.unlink()
        file.close()

    def complete(self, file: FileIO, total: int | None) -> None:
        """Put the file in its place, whole or not at all, and so that it survives a power cut."""
        os.fsync(file.fileno())
        self._check(file, total)
        if not ON_POSIX:
            file.close()  # Windows renames no open file
        self.file.replace(self.target)
        file.close()  # and only now the next one may write
        self.note.unlink(missing_ok=True)
        if ON_POSIX:  # elsewhere a folder cannot be opened
            folder = os.open(self.target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def write(file: FileIO, piece: bytearray) -> None:
    """Write all of *piece*, or as much as the disk takes."""
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]
