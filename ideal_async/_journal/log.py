"""SQLite's write-ahead log, read without SQLite: it drops every frame behind a broken one, and says nothing.

A frame is a page and its header, whose checksum covers all frames before it. But each goes on from the checksum that
stands in the frame before, so that intact frames *behind* a broken one can be told (sqlite.org/fileformat2.html, 4).
"""

import struct
from contextlib import suppress
from pathlib import Path

import attrs

_HEADER = struct.Struct(">8I")  # magic, version, page size, checkpoint number, two salts, two checksums
_FRAME = struct.Struct(">6I")  # page, pages of the database after a commit or 0, two salts, two checksums
#: The last bit of the magic number says in which byte order checksums are made.
_MAGIC = 0x377F0682
_VERSION = 3007000
_PAGE_SIZES = {1 << power for power in range(9, 17)}


@attrs.frozen
class Frame:
    """One frame of a log.

    Attributes:
        offset: Where it begins, in bytes.
        end: Where the next one begins.
        ours: It belongs to this log, not to an older one whose place this one took.
        valid: SQLite will read it: it and all before it are intact.
        intact: It goes on from the checksum that stands before it, whatever that is.
        commits: It ends a transaction.
    """

    offset: int
    end: int
    ours: bool
    valid: bool
    intact: bool
    commits: bool


@attrs.frozen
class Log:
    """What a log holds.

    Attributes:
        frames: In order; only those that are there as a whole.
        damage: What is wrong with it, in words; `None` if SQLite will read all that was committed.
    """

    frames: list[Frame]
    damage: str | None


def read_log(path: Path) -> Log:
    """Read the log at *path*; one that is not there is empty.

    Raises:
        OSError: It cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    if len(content) < _HEADER.size + _FRAME.size:
        return Log([], None)  # no frame was written as a whole, so nothing was committed
    magic, _, page_size, _, *salts, first, second = _HEADER.unpack_from(content)
    order = ">" if magic & 1 else "<"
    sums = (first, second)
    sound = magic & ~1 == _MAGIC and page_size in _PAGE_SIZES
    if not sound or add_up(content[: _HEADER.size - 8], order, (0, 0)) != sums:
        return Log([], "its first bytes are broken")
    frames: list[Frame] = []
    before = computed = sums
    whole = True
    step = _FRAME.size + page_size
    for offset in range(_HEADER.size, len(content) - step + 1, step):
        _, pages, *frame_salts, first, second = _FRAME.unpack_from(content, offset)
        data = offset + _FRAME.size
        covered = content[offset : offset + 8] + content[data : data + page_size]
        # One flipped bit spoils one salt at most; an older log had two others.
        ours = any(mine == salt for mine, salt in zip(frame_salts, salts, strict=True))
        computed = add_up(covered, order, before)
        intact = frame_salts == salts and computed == (first, second)
        whole = whole and intact
        frames.append(Frame(offset, offset + step, ours=ours, valid=whole, intact=intact, commits=pages > 0))
        before = (first, second)
    return Log(frames, _judge(frames))


def _judge(frames: list[Frame]) -> str | None:
    broken = next((number for number, frame in enumerate(frames) if not frame.valid), len(frames))
    behind = frames[broken:]
    lost = sum(frame.intact and frame.commits for frame in behind)
    if lost:
        return f"frame {broken + 1} of {len(frames)} is broken, and {lost} transactions behind it would be lost"
    if behind and behind[0].ours:  # a process that is killed leaves half a frame, not a whole one with a wrong sum
        return "its last transaction is broken: torn by a power cut, or damaged since"
    return None


def add_up(content: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    """Go on with a checksum over 32-bit words in pairs."""
    first, second = sums
    for one, other in struct.iter_unpack(f"{order}II", content):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    return first, second


def mend(path: Path, database: Path) -> None:
    """Make every frame of this log valid, broken ones as they are: SQLite reads on, and what it reads is to be checked.

    Raises:
        OSError: It cannot be read or written.
    """
    content = bytearray(path.read_bytes())
    magic, _, page_size, *_ = _HEADER.unpack_from(content)
    order = ">" if magic & 1 else "<"
    if add_up(bytes(content[: _HEADER.size - 8]), order, (0, 0)) != _HEADER.unpack_from(content)[6:]:
        # The size of a page stands in the database, 1 for 65,536; the salts stand in each frame.
        (page_size,) = struct.unpack_from(">H", database.read_bytes()[:100], 16)
        page_size = 1 << 16 if page_size == 1 else page_size
        order = "<"  # of every machine that this is likely to run on
        head = struct.pack(">4I", _MAGIC, _VERSION, page_size, 0) + content[_HEADER.size + 8 : _HEADER.size + 16]
        content[: _HEADER.size] = head + struct.pack(">2I", *add_up(bytes(head), order, (0, 0)))
        path.write_bytes(content)
    salts = content[16:24]
    before = struct.unpack_from(">2I", content, 24)
    for frame in read_log(path).frames:
        if not frame.ours:
            break
        offset, data = frame.offset, frame.offset + _FRAME.size
        before = add_up(bytes(content[offset : offset + 8] + content[data : data + page_size]), order, before)
        content[offset + 8 : offset + 16] = salts
        content[offset + 16 : data] = struct.pack(">2I", *before)
    path.write_bytes(content)


def cut(path: Path) -> None:
    """Leave out what SQLite would not read.

    Raises:
        OSError: It cannot be read or written.
    """
    valid = [frame for frame in read_log(path).frames if frame.valid]
    with suppress(FileNotFoundError), path.open("r+b") as file:
        file.truncate(valid[-1].end if valid else 0)
