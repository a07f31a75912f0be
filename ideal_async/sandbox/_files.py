"""Serving bytes that a player can seek in and a downloader can resume: ranges, entity tags, HEAD."""

import re
from hashlib import shake_256
from pathlib import Path

import attrs

from ._http import Answer

#: Size of the stand-in for a result file when nothing is rendered, in bytes: enough for a few ranges.
STAND_IN = 16 * 1024


@attrs.frozen
class File:
    """Something to serve: a file on disk or bytes, how large it is, and the entity tag of exactly this content."""

    content: Path | bytes
    size: int
    media_type: str
    etag: str


def stand_in(task_id: int, name: str) -> File:
    """The result file of a task that was not rendered: the right first bytes, then noise, always the same."""
    magic = b"\0\0\0\x18ftypmp42" if name.endswith(".mp4") else b"\xff\xd8\xff\xe0"
    content = magic + shake_256(f"{task_id}/{name}".encode()).digest(STAND_IN - len(magic))
    return File(content, STAND_IN, media_type_of(name), f'"{task_id:x}-{STAND_IN:x}"')


def file_on_disk(path: Path, version: str) -> File:
    """A file that never changes under this *version*. Blocking, briefly."""
    size = path.stat().st_size
    return File(path, size, media_type_of(path.name), f'"{version}-{size:x}"')


def media_type_of(name: str) -> str:
    """The media type for a file name.

    >>> media_type_of("room.JPEG")
    'image/jpeg'
    """
    types = {
        "mp4": "video/mp4",
        "jpg": "image/jpeg",
        "jpeg": "image/jpeg",
        "png": "image/png",
        "webp": "image/webp",
        "gif": "image/gif",
        "bmp": "image/bmp",
    }
    return types.get(name.lower().rpartition(".")[2], "application/octet-stream")


def answer_file(file: File, headers: dict[str, str]) -> Answer:
    """The answer to a GET or HEAD with these request *headers* (RFC 9110, sections 13 and 14)."""
    own = {"etag": file.etag, "accept-ranges": "bytes", "cache-control": "private, max-age=3600"}
    known = headers.get("if-none-match", "")
    if known.strip() == "*" or file.etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
        return Answer(304, b"", file.media_type, own)
    # If-Range with another tag (or a date, which we never gave): the part would not fit, so the whole is sent.
    fits = headers.get("if-range", file.etag) == file.etag
    try:
        part = read_range(headers.get("range", ""), file.size) if fits else None
    except Unsatisfiable:
        return Answer(416, b"", file.media_type, own | {"content-range": f"bytes */{file.size}"})
    if part is None:
        return _part(file, 0, file.size, 200, own)
    start, stop = part
    return _part(file, start, stop, 206, own | {"content-range": f"bytes {start}-{stop - 1}/{file.size}"})


class Unsatisfiable(Exception):
    """The range begins after the end."""


def read_range(header: str, size: int) -> tuple[int, int] | None:
    """Start and stop (exclusive) of the one range asked for.

    None when there is none, or one we do not understand, or several: RFC 9110 allows to ignore it and send the whole.

    >>> read_range("bytes=-100", 1000)
    (900, 1000)

    Raises:
        Unsatisfiable: nothing of it exists.

    """
    found = re.fullmatch(r"\s*bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", header)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, stop = max(0, size - int(found[2])), size
    else:
        start, stop = int(found[1]), min(int(found[2] or size) + 1, size)
        if found[2] and int(found[2]) < start:
            return None
    if start >= size:
        raise Unsatisfiable
    return start, stop


def _part(file: File, start: int, stop: int, status: int, headers: dict[str, str]) -> Answer:
    if isinstance(file.content, bytes):
        return Answer(status, file.content[start:stop], file.media_type, headers)
    return Answer(status, file.content, file.media_type, headers, start=start, size=stop - start)
