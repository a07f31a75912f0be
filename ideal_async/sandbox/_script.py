"""The language of scripted faults: one line each, for a file, an HTTP request or a test.

    submit 2: drop after            # created and paid, and the answer was lost
    submit 3-5: 429 retry-after 10
    look 10%: 503                   # one look in ten, seeded
    look every 4: 500 code 1003     # with the vendor's envelope
    look 2 of task 1: show status=Paused
    task 4: stuck at 99
    download 1: cut 50%

Target: `submit`, `look`, `download` or `task`, then which: nothing (all), `3`, `3-5`, `3-`, `2,4`, `every 4`, `10%`, or
several of these; for looks and downloads `of task N` counts only those of the Nth task. Effects:

    drop [after]        delay SECONDS       truncate [P%]       cut [P%]
    STATUS [html | code N] [retry-after SECONDS] [after]
    show NAME=VALUE ...     (looks)         expired             (downloads)
    fail    prohibit    takes SECONDS    never ends    stuck at N    percentage N N N ...      (tasks)
"""

import math
import re
from collections.abc import Callable, Iterable
from typing import get_args

from ._faults import (
    Call,
    Cut,
    Delay,
    Drop,
    Effect,
    Expire,
    Fail,
    Fault,
    Percentage,
    Prohibit,
    Respond,
    Show,
    Takes,
    Truncate,
    When,
    read_value,
)

TARGET = re.compile(
    r"(?P<call>submit|look|download|task)"
    r"(?: (?P<ranges>\d+(?:-\d*)?(?:,\d+(?:-\d*)?)*))?"
    r"(?: every (?P<every>\d+))?"
    r"(?: (?P<chance>\d+(?:\.\d+)?)%)?"
    r"(?: of task (?P<of_task>\d+))?"
)

Found = re.Match[str]

#: How each effect is said, and what it makes. The first that fits is meant.
EFFECTS: tuple[tuple[str, Callable[[Found], Effect]], ...] = (
    (r"drop( after)?", lambda found: Drop(after=bool(found[1]))),
    (
        r"(\d{3})(?: (?:(html)|code (\d+)))?(?: retry-after (\d+))?( after)?",
        lambda found: Respond(
            int(found[1]), _number(found[3]), html=bool(found[2]), retry_after=_number(found[4]), after=bool(found[5])
        ),
    ),
    (r"delay (\d+(?:\.\d+)?)", lambda found: Delay(float(found[1]))),
    (r"truncate(?: (\d+(?:\.\d+)?)%)?", lambda found: Truncate(_share(found[1]))),
    (r"cut(?: (\d+(?:\.\d+)?)%)?", lambda found: Cut(_share(found[1]))),
    (r"expired", lambda _: Expire()),
    (r"show((?: \w+=\S*)+)", lambda found: Show(dict(map(_read_field, found[1].split())))),
    (r"fail", lambda _: Fail()),
    (r"prohibit", lambda _: Prohibit()),
    (r"(?:stuck at|percentage)((?: \d{1,3})+)", lambda found: Percentage(tuple(map(int, found[1].split())))),
    (r"takes (\d+(?:\.\d+)?)", lambda found: Takes(float(found[1]))),
    (r"never ends", lambda _: Takes(math.inf)),
)


def read_faults(script: "str | Fault | Iterable[str | Fault]") -> tuple[Fault, ...]:
    """The faults in a text (a line each, ``#`` starts a comment), or in a list of lines and `Fault` values.

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
    return tuple(_read_fault(number, line) for number, line in enumerate(lines, 1) if line)


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
        return Fault(call, _read_effect(words), when, _number(found["of_task"]))
    except ValueError as error:
        raise ValueError(f"line {number}: {line!r}: {error}") from None


def _read_ranges(text: str | None) -> tuple[tuple[int, int | None], ...]:
    parts = [part.partition("-") for part in (text or "1-").split(",")]
    return tuple((int(first), int(last) if last else None if dash else int(first)) for first, dash, last in parts)


def _read_effect(text: str) -> Effect:
    for pattern, make in EFFECTS:
        found = re.fullmatch(pattern, text)
        if found is not None:
            return make(found)
    raise ValueError(f"{text!r} is no effect: write e.g. drop after, delay 2, 503, 429 retry-after 5, cut 50%, fail")


def _read_field(text: str) -> tuple[str, object]:
    name, _, value = text.partition("=")
    return name, read_value(value)


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _share(text: str | None) -> float:
    return 0.5 if text is None else min(100.0, float(text)) / 100
