"""From rows to jobs: every field checked, every job named, before anything is spent."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import attrs

from ideal_async import ImageToVideo, safe_name

from ._columns import Problem, Row
from ._job import Job
from ._pictures import Pictures

#: Characters of a key; it names rows of a journal and files.
LONGEST_KEY = 200
#: What no URL holds, and nobody sees: blanks, zero-width characters, a byte order mark in the middle.
_BLANK = re.compile("[\\s\x00-\x1f\x7f\u00ad\u180e\u200b-\u200f\u2060\ufeff]")
#: What every request needs, and what people choose most; options give it to all rows at once.
CHOICES = {"duration": 5, "resolution": "720p"}
#: Publishes pictures of this computer; and what the library says of that.
PUBLISH = "`ideal-async batch ... --upload-to s3://bucket/folder`"
_IN_A_PROGRAM = "or pass a pathlib.Path to a client that publishes it, AsyncClient(uploads=...)"
#: Ends the keys of repeated jobs: see `attempt_of`.
AGAIN = re.compile(r"~\d+$", re.ASCII)


def plan(
    rows: Iterable[Row | Problem], defaults: Mapping[str, Any], pictures: Pictures | None = None
) -> tuple[list[Job], list[Problem]]:
    """Make a job of each row, and collect what is wrong with the others.

    Args:
        rows: As read.
        defaults: For what a row leaves out.
        pictures: Those of this computer, if they are published.
    """
    jobs: list[Job] = []
    problems: list[Problem] = []
    seen = _Seen()
    rows = list(rows)
    lacking = _find_lacking([row for row in rows if isinstance(row, Row)], defaults)
    for source, names in lacking.items():
        if names:
            problems.append(Problem(source, None, f"{say_missing(names)} in all rows: add {write_options(names)}"))
    for row in rows:
        if isinstance(row, Problem):
            problems.append(row)
            continue
        told = {name: CHOICES[name] for name in lacking[row.source]}  # once is enough; what else is wrong is told, too
        try:
            fields = {**told, **defaults, **{k: v for k, v in row.fields.items() if k != "key"}}
            request = make_request(fields if pictures is None else pictures.find(fields, row.source))
            key = seen.name(row, request, None if pictures is None else pictures.by_content(request))
        except (TypeError, ValueError) as error:
            problems.append(Problem(row.source, row.line, str(error)))
        else:
            if not told:
                jobs.append(Job(len(jobs), key, request, line=row.line, earlier=row.earlier or ""))
    return jobs, problems


def _find_lacking(rows: Iterable[Row], defaults: Mapping[str, Any]) -> dict[str, list[str]]:
    """Find what no row of a source names, source by source; a row alone tells that itself."""
    named: dict[str, Counter[str]] = {}
    for row in rows:
        named.setdefault(row.source, Counter()).update(["", *row.fields])
    return {
        source: [name for name in CHOICES if counts[""] > 1 and name not in defaults and not counts[name]]
        for source, counts in named.items()
    }


def say_missing(names: Collection[str]) -> str:
    """Say that something is missing."""
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} missing"


def write_options(names: Iterable[str]) -> str:
    """Write options that give a value to all rows.

    >>> write_options(["duration", "resolution"])
    '--duration 5 --resolution 720p'
    """
    return " ".join(f"--{name} {CHOICES[name]}" for name in names)


def make_request(fields: Mapping[str, Any], publish: str = PUBLISH) -> ImageToVideo:
    """Check the fields of one request; *publish* is the command for a picture of this computer.

    Raises:
        TypeError: A value is of the wrong type.
        ValueError: A value is missing or not allowed; the message names the fix.
    """
    if "image_url" not in fields:
        raise ValueError("image_url is missing: add it")
    missing = [name for name in CHOICES if name not in fields]
    if missing:
        raise ValueError(f"{say_missing(missing)}: add {write_options(missing)}, or name it in the row")
    for name, value in fields.items():
        if isinstance(value, str) and not _is_text(value):
            raise ValueError(f"{name} holds half a character: it cannot be sent")
        if name.endswith("_url") and isinstance(value, str) and "://" in value and (found := _BLANK.search(value)):
            what = unicodedata.name(found[0], f"control character {ord(found[0])}").lower()
            raise ValueError(
                f"{name} holds a {what} (U+{ord(found[0]):04X}) after {value[: found.start()][-30:]!r}: "
                f"{_mend_blank(value, found)}"
            )
    try:
        return ImageToVideo(**fields)
    except ValueError as error:
        raise ValueError(str(error).replace(_IN_A_PROGRAM, f"or let {publish} do that")) from None


def _mend_blank(url: str, found: re.Match[str]) -> str:
    """Tell what to do about a blank in a URL: between words it is part of a name, elsewhere a slip."""
    if unicodedata.category(found[0]) != "Zs" or not url[: found.start()].strip() or not url[found.end() :].strip():
        return "remove it"
    return f"write {quote(found[0])} for it" + ("" if found[0] == " " else ", or remove it")


def _is_text(text: str) -> bool:
    """JSON can spell half of a surrogate pair, UTF-8 cannot."""
    return not re.search("[\ud800-\udfff]", text)


@attrs.define
class _Seen:
    """The keys given so far, and where; the requests of jobs without one."""

    keys: dict[str, Row] = attrs.field(factory=dict[str, Row])
    derived: dict[str, tuple[Row, ImageToVideo]] = attrs.field(factory=dict[str, tuple[Row, ImageToVideo]])
    counts: Counter[str] = attrs.field(factory=Counter[str])

    def name(self, row: Row, request: ImageToVideo, known_as: ImageToVideo | None = None) -> str:
        """Take the key of a row, or make one that will be the same in the next run."""
        if "key" not in row.fields:
            return self._derive(row, request, known_as or request)
        key = _read_key(row.fields["key"])
        if key in self.keys:
            first = self.keys[key]
            raise ValueError(f"key {key!r} is that of {first.source}:{first.line} already: a key names one job")
        self.keys[key] = row
        return key

    def _derive(self, row: Row, request: ImageToVideo, known_as: ImageToVideo) -> str:
        base = derive_key(request, known_as)
        first, other = self.derived.setdefault(base, (row, known_as))
        if other != known_as:
            raise ValueError(
                f"only what follows a ? differs from {first.source}:{first.line}, and that may change: give both a key"
            )
        count = self.counts[base] + 1
        while (key := base if count == 1 else f"{base}-{count}") in self.keys:
            count += 1
        self.counts[base] = count
        self.keys[key] = row
        return key


def _read_key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"key must be text, not {key!r}")
    if not key.strip() or len(key) > LONGEST_KEY or not _is_text(key):
        raise ValueError(f"key must be text of 1 to {LONGEST_KEY} characters")
    if AGAIN.search(key):
        raise ValueError(f"key {key!r} ends like that of a repeated job: leave out the ~ and the number")
    return key


def derive_key(request: ImageToVideo, known_as: ImageToVideo | None = None) -> str:
    """Name a request by what it asks for; query strings do not count, since presigned URLs change.

    >>> derive_key(ImageToVideo("https://example.com/room.jpg?signature=1", duration=5, resolution="480p"))
    'room-de205636'
    """
    return f"{safe_name(stem_of(request.image_url))[:40]}-{(known_as or request).fingerprint[:8]}"


def stem_of(url: str) -> str:
    """Tell the name of a URL's file without its suffix."""
    return PurePosixPath(unquote(urlsplit(url).path, errors="replace")).stem


def attempt_of(key: str, known: Mapping[str, Any]) -> tuple[str, int]:
    """Find the latest attempt at a job: a key is one task for ever, so repeating a failed one takes another key.

    >>> attempt_of("kitchen", {"kitchen": ..., "kitchen~2": ...})
    ('kitchen~2', 2)
    """
    number = 1
    while f"{key}~{number + 1}" in known:
        number += 1
    return (key if number == 1 else f"{key}~{number}"), number
