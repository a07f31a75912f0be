"""Somebody else's words, as far as they are shown: short, on one line, printable, without secrets."""

import re

from ._identity import redact_text

#: Characters. Enough to recognise a login page by.
LONGEST_EXCERPT = 200
#: Characters that an excerpt is taken from: a page may begin with blanks and secrets.
LOOKED_AT = 4000
#: Signatures and tokens are long words; a page that refuses one may quote it. Of a URL host and names are kept.
_LONG_WORD = re.compile(r"(?P<url>:(?://|\\/\\/)[^\s<>\"']+)|[\w+/=%.~-]{24,}")
_LONG_NAME = re.compile(r"[\w+=%~-]{32,}")


def readable(text: str, length: int) -> str:
    """Cut foreign words to *length* characters that any file and terminal can take."""
    cut = text if len(text) <= length else text[: length - 1] + "…"
    return cut.encode(errors="replace").decode()


def excerpt(text: str, length: int = LONGEST_EXCERPT) -> str:
    r"""Return the beginning of a text, fit to be shown.

    Example:
        >>> excerpt("<html>\n  Sign in at https://portal.example/login?t=1, token=0123456789abcdef0123456789abcdef")
        '<html> Sign in at https://portal.example/login …'
    """
    line = redact_text(" ".join(text[:LOOKED_AT].split()))
    line = _LONG_WORD.sub(lambda found: _LONG_NAME.sub("…", found[0]) if found["url"] else "…", line)
    return readable("".join(letter if letter.isprintable() else "�" for letter in line), length)
