"""Reading the language of scripted faults."""

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, cast, get_args

from ._effects import (
    Bomb,
    Cut,
    Delay,
    Drip,
    Drop,
    Effect,
    Endless,
    Envelope,
    Expire,
    Garble,
    Hide,
    Id,
    Pack,
    Respond,
    Say,
    Show,
    Truncate,
)
from ._faults import Call, Fault, When
from ._hostile import PROFILES
from ._spelling import read_value
from ._task_effects import Fail, LateFile, LateUrl, Percentage, Prohibit, Sign, Takes

LANGUAGE = """\
Scripted faults are lines, for an argument, a file, an HTTP request or a test: WHICH CALL: WHAT HAPPENS.

    submit 2: drop after            # created and paid, and the answer was lost
    submit 3-5: 429 retry-after 10
    look 10%: 503                   # one look in ten, seeded
    look every 4: 500 code 1003     # with the vendor's envelope
    look 2 of task 1: show status=Paused
    task 4: stuck at 99
    download 1: cut 50%
    hostile                         # a profile: all kinds mixed, see below

Which: `submit`, `look`, `download` or `task`, then nothing (all), `3`, `3-5`, `3-`, `2,4`, `every 4`, `10%`, or several
of these; for looks and downloads `of task N` counts only those of the Nth task. What happens, to any call:

    drop [after]                    no answer; after: the work was done, the task is paid
    STATUS [html | portal | empty | code N [data VALUE]] [to URL] [retry-after VALUE] [by NAME] [after]
                                    somebody in between, or the service, says something else: a line of text, a page,
                                    nothing, or the envelope with an error code and data. VALUE is JSON or a word;
                                    date+30 is an HTTP date in half a minute
    delay SECONDS                   the answer is late
    truncate [P%]                   a complete answer with half the body
    cut [P%]                        the connection dies within the body
    drip [BYTES]                    the body comes at so many bytes a second
    endless                         the body never ends
    packed CODING ...               gzip, deflate or any word, asked for or not, one or several layers
    bomb [MEBIBYTES] [once]         64 MiB of blanks, in two layers of gzip or one

To submits and looks, both:

    id text | rounded | float | null                            the task's id in other clothes; rounded: by JavaScript
    envelope NAME=VALUE ...                                     fields beside data, e.g. code=200
    garbled latin-1 | newline | surrogate | bom | utf-16 | long the text of the answer

To looks alone (a NAME with dots, output.cover, is a field of a field):

    show NAME=VALUE ...             fields of data replaced or added
    hide NAME ...                   fields of data left out
    say STATUS=VALUE ...            the four statuses in other words, e.g. Success=SUCCESS

To downloads alone: `expired` (403). To tasks:

    fail [as STATUS]    refunded; under another status it is not     prohibit      ends with 9038
    takes SECONDS       never ends       stuck at N       percentage N N N ...
    url after SECONDS | never [empty | null | missing | relative]   Success comes before its resultUrl
    file after SECONDS                                              404 until then
    signed                                                          403 unless the URL is sent exactly as given

`hostile` is the worst day of a service: everything above that still lets every job end, at odds from a seed. Whatever
is said, `created`, `credits` and `ledger` stay the truth.
"""

TARGET = re.compile(
    r"(?P<call>submit|look|download|task)"
    r"(?: (?P<ranges>\d+(?:-\d*)?(?:,\d+(?:-\d*)?)*))?"
    r"(?: every (?P<every>\d+))?"
    r"(?: (?P<chance>\d+(?:\.\d+)?)%)?"
    r"(?: of task (?P<of_task>\d+))?"
)

Found = re.Match[str]

#: A value that travels as one word, and a name with its value.
WORD = r"(\S+)"
FIELDS = r"((?: [\w.]+=\S*)+)"
SHARE = r"(?: (\d+(?:\.\d+)?)%)?"
SECONDS = r"(\d+(?:\.\d+)?)"

RESPOND = (
    r"(?P<status>\d{3})(?: (?P<body>html|portal|empty)| code (?P<code>-?\d+)(?: data (?P<data>\S+))?)?"
    r"(?: to (?P<to>\S+))?(?: retry-after (?P<wait>\S+))?(?: by (?P<by>\S+))?(?P<after> after)?"
)

#: How each effect is said, and what it makes. The first that fits is meant.
EFFECTS: tuple[tuple[str, Callable[[Found], Effect]], ...] = (
    (r"drop( after)?", lambda found: Drop(after=bool(found[1]))),
    (
        RESPOND,
        lambda found: _read_respond(found.groupdict()),
    ),
    (rf"delay {SECONDS}", lambda found: Delay(float(found[1]))),
    (rf"truncate{SHARE}", lambda found: Truncate(_share(found[1]))),
    (rf"cut{SHARE}", lambda found: Cut(_share(found[1]))),
    (r"drip(?: (\d+))?", lambda found: Drip(int(found[1] or 1))),
    (r"endless", lambda _: Endless()),
    (r"packed((?: [\w-]+)+)", lambda found: Pack(tuple(found[1].split()))),
    (r"bomb(?: (\d+))?( once)?", lambda found: Bomb(int(found[1] or 64), once=bool(found[2]))),
    (r"expired", lambda _: Expire()),
    (rf"show{FIELDS}", lambda found: Show(_read_fields(found[1]))),
    (r"hide((?: [\w.]+)+)", lambda found: Hide(tuple(found[1].split()))),
    (rf"say{FIELDS}", lambda found: Say(_read_fields(found[1]))),
    (rf"envelope{FIELDS}", lambda found: Envelope(_read_fields(found[1]))),
    (r"id (text|rounded|float|null)", lambda found: Id(cast("Any", found[1]))),
    (r"garbled (latin-1|newline|surrogate|bom|utf-16|long)", lambda found: Garble(cast("Any", found[1]))),
    (rf"fail(?: as {WORD})?", lambda found: Fail() if found[1] is None else Fail(str(read_value(found[1])))),
    (r"prohibit", lambda _: Prohibit()),
    (r"(?:stuck at|percentage)((?: \d{1,3})+)", lambda found: Percentage(tuple(map(int, found[1].split())))),
    (rf"takes {SECONDS}", lambda found: Takes(float(found[1]))),
    (r"never ends", lambda _: Takes(math.inf)),
    (
        rf"url (?:after {SECONDS}|never)(?: (empty|null|missing|relative))?",
        lambda found: LateUrl(math.inf if found[1] is None else float(found[1]), cast("Any", found[2] or "empty")),
    ),
    (rf"file after {SECONDS}", lambda found: LateFile(float(found[1]))),
    (r"signed", lambda _: Sign()),
)


def read_faults(script: "str | Fault | Iterable[str | Fault]") -> tuple[Fault, ...]:
    """The faults in a text (a line each, ``#`` starts a comment), or in a list of lines and `Fault` values.

    A line can also be the name of a profile, "hostile"; `help(ideal_async.sandbox)` has the whole language.

    >>> for fault in read_faults("submit 2: drop after   # paid, and nobody was told"):
    ...     print(fault.call, fault.effect)
    submit drop after

    Raises:
        ValueError: a line that says nothing this language knows; the message names the line.

    """
    if isinstance(script, Fault):
        return (script,)
    if not isinstance(script, str):
        return tuple(fault for part in script for fault in read_faults(part))
    lines = (" ".join(line.partition("#")[0].split()) for line in re.split(r"\r?\n", script))
    return tuple(fault for number, line in enumerate(lines, 1) if line for fault in _read_line(number, line))


def _read_line(number: int, line: str) -> tuple[Fault, ...]:
    return read_faults(PROFILES[line].values()) if line in PROFILES else (_read_fault(number, line),)


def _read_fault(number: int, line: str) -> Fault:
    target, _, words = (part.strip() for part in line.partition(":"))
    try:
        found = TARGET.fullmatch(target)
        if found is None:
            raise ValueError("write WHICH CALL: WHAT HAPPENS, e.g. 'submit 2: drop after'")  # noqa: TRY301 - the line is added below
        call: Call = next(call for call in get_args(Call) if call == found["call"])
        when = When(
            _read_ranges(found["ranges"]), every=int(found["every"] or 1), chance=float(found["chance"] or 100) / 100
        )
        return Fault(call, _read_effect(words), when, _check_count(_number(found["of_task"])))
    except ValueError as error:
        raise ValueError(f"line {number}: {line!r}: {error}") from None


def _read_ranges(text: str | None) -> tuple[tuple[int, int | None], ...]:
    parts = [part.partition("-") for part in (text or "1-").split(",")]
    ranges = tuple((int(first), int(last) if last else None if dash else int(first)) for first, dash, last in parts)
    for first, last in ranges:
        _check_count(first)
        if last is not None and last < first:
            raise ValueError(f"{first}-{last} counts backwards and never comes: write {last}-{first}")
    return ranges


def _check_count(count: int | None) -> int | None:
    if count == 0:
        raise ValueError("calls and tasks are counted from 1: a 0th never comes")
    return count


def _read_effect(text: str) -> Effect:
    for pattern, make in EFFECTS:
        found = re.fullmatch(pattern, text)
        if found is not None:
            return make(found)
    raise ValueError(f"{text!r} is no effect: write e.g. drop after, delay 2, 503, 429 retry-after 5, cut 50%, fail")


def _read_respond(said: dict[str, str | None]) -> Respond:
    return Respond(
        int(said["status"] or 0),
        _number(said["code"]),
        data=_value(said["data"]),
        body=cast("Any", said["body"] or "text"),
        to=said["to"] and str(read_value(said["to"])),
        retry_after=_value(said["wait"]),
        by=said["by"] and str(read_value(said["by"])),
        after=bool(said["after"]),
    )


def _read_fields(text: str) -> dict[str, Any]:
    pairs = (field.partition("=") for field in text.split())
    return {name: read_value(value) for name, _, value in pairs}


def _value(text: str | None) -> Any:
    return None if text is None else read_value(text)


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _share(text: str | None) -> float:
    return 0.5 if text is None else min(100.0, float(text)) / 100
