"""Patterns of URLs, and all the URLs that one stands for."""

import re
from collections.abc import Iterator
from itertools import product

from ._columns import short

#: What one pattern may stand for; more is a slip of the keyboard.
MOST_URLS = 100_000
_RANGE = re.compile(r"\[(?P<first>\d+)-(?P<last>\d+)\]|\{(?P<words>[^{}]*,[^{}]*)\}", re.ASCII)


def expand_urls(pattern: str) -> Iterator[str]:
    """Write out a pattern of URLs: `[001-400]` counts, `{day,night}` lists.

    Raises:
        ValueError: It counts backwards, or stands for more than 100,000 URLs.

    >>> list(expand_urls("https://example.com/{living,bath}-[09-10].jpg"))[1:3]
    ['https://example.com/living-10.jpg', 'https://example.com/bath-09.jpg']
    """
    parts: list[list[str]] = []
    end = 0
    for found in _RANGE.finditer(pattern):
        parts += [[pattern[end : found.start()]], _choices(found)]
        end = found.end()
    many = 1
    for part in parts:
        many *= len(part)
    if many > MOST_URLS:
        raise ValueError(f"{short(pattern)} stands for {many:,} URLs; at most {MOST_URLS:,} are meant to be")
    return ("".join(choice) + pattern[end:] for choice in product(*parts))


def _choices(found: re.Match[str]) -> list[str]:
    if found["words"] is not None:
        return found["words"].split(",")
    first, last = found["first"], found["last"]
    if len(last) > 7 or not int(first) <= int(last) <= int(first) + MOST_URLS:  # noqa: PLR2004 - ten million
        raise ValueError(f"{found[0]} does not count up, or too far")
    return [f"{number:0{len(first)}}" for number in range(int(first), int(last) + 1)]
