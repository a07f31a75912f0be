"""Patterns of URLs, and all the URLs that one stands for."""

import re
from collections.abc import Iterator
from itertools import product

from ._columns import short

#: What one pattern may stand for; more is a slip of the keyboard.
MOST_URLS = 100_000
_RANGE = re.compile(r"\[(?P<first>\d+)-(?P<last>\d+)\]|\{(?P<words>[^{}]*,[^{}]*)\}", re.ASCII)
#: What stands before the path, with the address of a host in the brackets of IPv6 (RFC 3986, 3.2.2).
_HOST = re.compile(r"https?://[^/?#\[\]]*\[[0-9a-f.]*:[0-9a-f:.]*(?:%\w+)?\](?=[:/?#]|$)", re.ASCII | re.IGNORECASE)


def expand_urls(pattern: str) -> Iterator[str]:
    """Write out a pattern of URLs: `[001-400]` counts, `{day,night}` lists.

    Raises:
        ValueError: It counts backwards, stands for more than 100,000 URLs, or has a bracket that means neither.

    >>> list(expand_urls("https://example.com/{living,bath}-[09-10].jpg"))[1:3]
    ['https://example.com/living-10.jpg', 'https://example.com/bath-09.jpg']
    """
    parts: list[list[str]] = []
    end = 0
    for found in _RANGE.finditer(pattern):
        parts += [[pattern[end : found.start()]], _choices(found)]
        end = found.end()
    _check_brackets(pattern)
    many = 1
    for part in parts:
        many *= len(part)
    if many > MOST_URLS:
        raise ValueError(f"{short(pattern)} stands for {many:,} URLs; at most {MOST_URLS:,} are meant to be")
    return ("".join(choice) + pattern[end:] for choice in product(*parts))


def _check_brackets(pattern: str) -> None:
    """A slip in a pattern would be one URL that no server knows, and it would be paid for."""
    left = _HOST.sub("", _RANGE.sub(r"\g<words>", pattern))
    found = re.search(r"[][{}]", left)
    if found is not None:
        raise ValueError(
            f"the {found[0]} in {short(left[found.start() :])} neither counts nor lists: write [001-400] or "
            f"{{day,night}}, or %{ord(found[0]):02X} for a real bracket"
        )


def _choices(found: re.Match[str]) -> list[str]:
    if found["words"] is not None:
        return found["words"].split(",")
    first, last = found["first"], found["last"]
    if len(last) > 7 or not int(first) <= int(last) <= int(first) + MOST_URLS:  # noqa: PLR2004 - ten million
        raise ValueError(f"{found[0]} does not count up, or too far")
    return [f"{number:0{len(first)}}" for number in range(int(first), int(last) + 1)]
