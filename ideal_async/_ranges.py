"""Resume a download, or start it over?

Half a file may only be continued with the rest of the *same* file. That is certain with a strong validator (RFC 9110,
13.1.5 If-Range); a result of one task never changes, so without one the same total length has to do.
"""

import re
from collections.abc import Mapping

import attrs

_CONTENT_RANGE = re.compile(r"bytes (?:(?P<first>\d+)-(?P<last>\d+)|\*)/(?P<total>\d+|\*)", re.ASCII)
OK, PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE = 200, 206, 416


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
    """Where the body of an answer belongs: behind *offset* bytes of a file of *total* bytes."""

    offset: int
    total: int | None = None
    etag: str | None = None


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


def begin(status: int, headers: Mapping[str, str], held: Held) -> Start | None:
    """Tell where the body of this answer belongs; `None`: it cannot be used, ask for the whole file.

    Args:
        status: 200, 206 or 416.
        headers: Of the answer, names in lower case or case-insensitive.
        held: What the question was asked with.
    """
    etag = strong(headers.get("etag"))
    # Compressed in spite of `ask`: its lengths and ranges count other bytes than those on the disk.
    compressed = headers.get("content-encoding", "identity") != "identity"
    if status == OK:
        length = headers.get("content-length", "")
        return Start(0, int(length) if length.isdecimal() and not compressed else None, None if compressed else etag)
    found = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    if found is None or found["total"] == "*" or compressed:
        return None
    total = int(found["total"])
    if status == PARTIAL_CONTENT and not held.received:
        # Some proxies answer so to a plain GET: nothing was there, so what begins at the beginning is the file.
        return Start(0, total, etag) if found["first"] == "0" else None
    other = bool(held.etag) and etag not in (None, held.etag)
    if other or (held.total != total and (held.total is not None or held.etag is None)):
        return None
    if status == RANGE_NOT_SATISFIABLE:
        # Everything was there already: the process died between the last byte and the renaming.
        return Start(total, total, held.etag) if total == held.received else None
    return Start(held.received, total, etag or held.etag) if found["first"] == str(held.received) else None
