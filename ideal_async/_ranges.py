"""Resume a download, or start it over?

Half a file may only be continued with the rest of the *same* file. That is certain with a strong validator (RFC 9110,
13.1.5 If-Range); a result of one task never changes, so without one the same total length has to do.
"""

import re
from collections.abc import Mapping

import attrs

#: A unit's case does not count (RFC 9110, 14.1), and some write it as the question has it, `bytes=`.
_CONTENT_RANGE = re.compile(r"bytes[ =](?:(?P<first>\d+)-(?P<last>\d+)|\*)/(?P<total>\d+|\*)", re.ASCII | re.IGNORECASE)
#: Codings behind which other bytes travel than those of the file. Others are mere labels, such as S3's `aws-chunked`.
_PACKED = {"gzip", "x-gzip", "deflate", "compress", "br", "zstd"}
OK, PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE = 200, 206, 416

ANOTHER = "it is another file now"
PACKED = "a part of it came packed, so nobody knows which"
PIECES = "it came in pieces (multipart/byteranges), which nobody asked for"
NOWHERE = "a part of it came, and no Content-Range tells which"
UNBOUND = "a part of it came, and neither a length nor an ETag tells of how much"


@attrs.frozen
class Held:
    """What stands on the disk of an unfinished download.

    Attributes:
        received: Bytes.
        total: Bytes of the whole file, if known.
        etag: Its strong validator, if it has one.
    """

    received: int = 0
    total: int | None = None
    etag: str | None = None


@attrs.frozen
class Start:
    """Where the body of an answer belongs: behind *offset* bytes of a file of *total* bytes.

    Attributes:
        offset: Bytes.
        total: Bytes of the whole file, if known.
        etag: Its strong validator, if it has one.
        ends: Bytes of the file when the body has come; more may follow where the total is not known.
    """

    offset: int
    total: int | None = None
    etag: str | None = None
    ends: int | None = None


def strong(etag: str | None) -> str | None:
    """Return *etag* if it can be sent back as a strong validator; others have no value here.

    Example:
        >>> strong('"v1"'), strong('W/"v1"'), strong('"vé"')
        ('"v1"', None, None)
    """
    # Headers are ASCII: httpx refuses to send another one, and without a validator the length has to do.
    fits = etag and etag.isascii() and etag.isprintable() and not etag.startswith("W/")
    return etag if fits else None


def ask(held: Held) -> dict[str, str]:
    """Write the headers that ask for what is missing."""
    # A length in bytes has to be that of the file, so the transfer must not be compressed.
    headers = {"Accept-Encoding": "identity"}
    if held.received:
        headers["Range"] = f"bytes={held.received}-"
        if held.etag is not None:
            headers["If-Range"] = held.etag
    return headers


def begin(status: int, headers: Mapping[str, str], held: Held) -> Start | str:
    """Tell where the body of this answer belongs; a text says why it cannot be used: ask for the whole file.

    Args:
        status: 200, 206 or 416.
        headers: Of the answer, names in lower case or case-insensitive.
        held: What the question was asked with.
    """
    etag = strong(headers.get("etag"))
    # In spite of `ask`: its lengths and ranges count other bytes than those on the disk.
    packed = not _PACKED.isdisjoint(re.split(r"[\s,]+", headers.get("content-encoding", "").lower()))
    if status == OK:
        length = headers.get("content-length", "")
        known = length.isascii() and length.isdecimal() and not packed
        return Start(0, int(length) if known else None, None if packed else etag)
    found = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    if found is None or packed:
        pieces = "multipart/byteranges" in headers.get("content-type", "").lower()
        return PACKED if packed else PIECES if pieces else NOWHERE
    total = None if found["total"] == "*" else int(found["total"])
    if held.received and not _is_same(held, total, etag):
        return ANOTHER
    if status == RANGE_NOT_SATISFIABLE and total == held.received:
        # Everything was there already: the process died between the last byte and the renaming.
        return Start(held.received, total, held.etag)
    if found["first"] != str(held.received):
        return ANOTHER if held.received else NOWHERE
    # Some proxies answer so to a plain GET: nothing was there, so what begins at the beginning is the file.
    return Start(held.received, total, etag or (held.etag if held.received else None), int(found["last"]) + 1)


def _is_same(held: Held, total: int | None, etag: str | None) -> bool:
    """Tell whether an answer speaks of the file that is held in part."""
    if held.etag is None:
        return held.total is not None and held.total == total
    return etag in (None, held.etag) and (None in (held.total, total) or held.total == total)
