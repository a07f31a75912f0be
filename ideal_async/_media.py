"""Is this the video, or the picture, that was asked for? Told from the first bytes, which say more than a label."""

import re
from typing import Literal

from ._identity import redact_text

#: What a task has: `output.resultUrl`, `output.cover`.
Media = Literal["video", "cover"]
#: Bytes that tell what a file is.
HEAD = 12
#: ISO base media files that are pictures: AVIF and HEIF, still or moving (MIAF, ISO/IEC 23000-22).
_PICTURE_BRANDS = {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")
#: Content types of what portals, logins and storage services say in place of a file.
_PAGE = re.compile(r"\s*(text/|application/(json|xml|[\w.+-]+\+(json|xml)|javascript)\b)", re.IGNORECASE)
_EXCERPT = 120
#: Signatures and tokens are long words; a page that refuses one may quote it.
_LONG_WORD = re.compile(r"[\w+/=%.~-]{24,}")


def is_media(media: Media, head: bytes) -> bool:
    r"""Tell whether a file that begins with *head* is a video (MP4), or a cover (JPEG, PNG, WebP, GIF, AVIF).

    Example:
        >>> is_media("video", b"\0\0\0\x20ftypisom"), is_media("video", b"<!doctype html>")
        (True, False)
    """
    is_iso = len(head) >= HEAD and head[4:8] == b"ftyp"
    is_picture = is_iso and head[8:12] in _PICTURE_BRANDS
    if media == "video":
        return is_iso and not is_picture
    return is_picture or head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def is_page(content_type: str) -> bool:
    """Tell whether a content type is that of something to be read, such as a login page or an error."""
    return _PAGE.match(content_type) is not None


def excerpt(body: bytes) -> str:
    r"""Show how a body begins, on one line and without what may be secret.

    Example:
        >>> excerpt(b"<html>\n  Sign in, token=0123456789abcdef0123456789abcdef")
        "'<html> Sign in, …'"
    """
    if not body:
        return "an empty body"
    if b"\0" in body:
        return f"bytes {body[:HEAD].hex(' ')}"
    text = " ".join(body[: 8 * _EXCERPT].decode("utf-8", "replace").split())
    text = _LONG_WORD.sub("…", redact_text(text))
    return repr(text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…")
