"""Is this the video, or the picture, that was asked for? Told from the first bytes, which say more than a label."""

import re
from collections.abc import Callable
from typing import Literal

from ._excerpt import excerpt

#: What a task has: `output.resultUrl`, `output.cover`.
Media = Literal["video", "cover"]
#: Bytes that tell what a file is.
HEAD = 12
#: Bytes of the smallest box: its length and its kind.
_BOX = 8
_NEEDED = {b"moov", b"mdat"}
#: Those that stand side by side in a file.
_BOXES = {*_NEEDED, b"free", b"skip", b"wide", b"uuid", b"moof", b"mfra", b"sidx", b"styp", b"meta", b"udta"}
#: ISO base media files that are pictures: AVIF and HEIF, still or moving (MIAF, ISO/IEC 23000-22).
_PICTURE_BRANDS = {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
#: What a picture begins with, at which byte; its media type.
_MAGIC = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (8, b"WEBP", "image/webp"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
)
#: Content types of what portals, logins and storage services say in place of a file.
_PAGE = re.compile(r"\s*(text/|application/(json|xml|[\w.+-]+\+(json|xml)|javascript)\b)", re.IGNORECASE)
#: Characters.
_EXCERPT = 120


def is_media(media: Media, head: bytes) -> bool:
    r"""Tell whether a file that begins with *head* is a video (MP4), or a cover (JPEG, PNG, WebP, GIF, AVIF).

    Example:
        >>> is_media("video", b"\0\0\0\x20ftypisom"), is_media("video", b"<!doctype html>")
        (True, False)
    """
    return media_type_of(head).startswith("video/" if media == "video" else "image/")


def media_type_of(head: bytes) -> str:
    r"""Tell the media type of a file that begins with *head*, of those that are results.

    Example:
        >>> media_type_of(b"\xff\xd8\xff\xe0"), media_type_of(b"<html>")
        ('image/jpeg', 'application/octet-stream')
    """
    if len(head) >= HEAD and head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in _PICTURE_BRANDS:
            return "image/avif" if brand.startswith(b"avi") else "image/heif"
        return "video/mp4"
    found = (kind for at, magic, kind in _MAGIC if head.startswith(magic, at))
    return next(found, "application/octet-stream")


def is_whole(read: Callable[[int, int], bytes], size: int) -> bool | None:
    r"""Tell whether a video of *size* bytes ends where its last part does; `None`: it does not say.

    An MP4 is a row of boxes, each with its length in front (ISO/IEC 14496-12, 4.2); without its index and its pictures
    nothing can be played. It counts where nobody has announced a length.

    Args:
        read: Gives so many bytes from so far on, or what there is.
        size: Of the file.

    Example:
        >>> video = b"\0\0\0\x10ftypisom\0\0\0\0" b"\0\0\0\x08moov" b"\0\0\0\x0cmdat1234"
        >>> [is_whole(lambda at, length: video[at : at + length], size) for size in (len(video), len(video) - 1)]
        [True, False]
    """
    at, seen = 0, set[bytes]()
    while at < size:
        head = read(at, 2 * _BOX)
        length, kind = int.from_bytes(head[:4], "big"), head[4:_BOX]
        if length == 1:  # it is long, and follows behind
            length = int.from_bytes(head[_BOX:], "big")
        # Of another make, or bytes that somebody has hung on; or a box that goes to the end, wherever that is.
        if kind not in (_BOXES if at else {b"ftyp"}) or length < _BOX:
            return None
        seen.add(kind)
        at += length
    return True if at == size and seen >= _NEEDED else None if at == size or seen <= {b"ftyp"} else False


def is_page(content_type: str) -> bool:
    """Tell whether a content type is that of something to be read, such as a login page or an error."""
    return _PAGE.match(content_type) is not None


def describe(body: bytes) -> str:
    r"""Show how a body begins, on one line and without what may be secret.

    Example:
        >>> describe(b"<html>\n  Sign in, token=0123456789abcdef0123456789abcdef")
        "'<html> Sign in, …'"
    """
    if not body:
        return "an empty body"
    if b"\0" in body:
        return f"bytes {body[:HEAD].hex(' ')}"
    return repr(excerpt(body.decode("utf-8", "replace"), _EXCERPT))
