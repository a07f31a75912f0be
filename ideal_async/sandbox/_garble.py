"""Bodies as no client likes them: packed, packed again, garbled."""

import gzip
import json
import zlib
from functools import cache
from typing import Any, cast

from ._codes import write_json
from ._effects import Flaw

#: Letters in the message of an answer that is "long".
LONG = 40_000

_MEBIBYTE = 1024 * 1024


def pack(body: bytes, codings: tuple[str, ...]) -> bytes:
    """*body* in these content codings, the first applied first; an unknown one changes nothing but the header."""
    for coding in codings:
        if coding == "gzip":
            body = gzip.compress(body, mtime=0)
        elif coding == "deflate":
            body = zlib.compress(body)
    return body


@cache
def bomb(body: bytes, mebibytes: int, *, once: bool) -> bytes:
    """*body* and so many blanks in one or two layers of gzip: 64 MiB are 64 KB, or 400 bytes."""
    packer = zlib.compressobj(9, wbits=31)
    blanks = b" " * _MEBIBYTE
    packed = packer.compress(body) + b"".join(packer.compress(blanks) for _ in range(mebibytes)) + packer.flush()
    return packed if once else gzip.compress(packed, mtime=0)


def garble(body: bytes, flaw: Flaw) -> bytes:
    """A JSON *body* with this flaw in its message or in the whole; another body stays as it is."""
    try:
        fields = cast("dict[str, Any]", json.loads(body))
    except ValueError:
        return body
    if flaw == "utf-16":
        return body.decode("utf-8").encode("utf-16")
    if flaw == "bom":
        return b"\xef\xbb\xbf" + body
    if flaw == "long":
        return write_json(fields | {"message": "x" * LONG})
    flawed = {"latin-1": "crédit".encode("latin-1"), "newline": b"\n", "surrogate": b"\\ud83d"}[flaw]
    marked = write_json(fields | {"message": f"{fields['message']} @flaw@"})
    return marked.replace(b"@flaw@", flawed)
