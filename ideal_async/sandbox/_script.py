"""The language of scripted faults: one line each, for a file, an HTTP request or a test.

    submit 2: drop after            # created and paid, and the answer was lost
    submit 3-5: 429 retry-after 10
    look 10%: 503                   # one look in ten, seeded
    look every 4: 500 code 1003     # with the vendor's envelope
    look 2 of task 1: show status=Paused
    task 4: stuck at 99
    download 1: cut 50%

Target: `submit`, `look`, `download` or `task`, then which: nothing (all), `3`, `3-5`, `3-`, `2,4`, `every 4`, `10%`; for looks
and downloads `of task N` counts only those of the Nth task. Effects:

    drop [after]        delay SECONDS       truncate [P%]       cut [P%]
    STATUS [html | code N] [retry-after SECONDS] [after]
    show NAME=VALUE ...     (looks)         expired             (downloads)
    fail    prohibit    takes SECONDS    never ends    stuck at N    percentage N N N ...      (tasks)
"""

import json
import math
import re
from collections.abc import Iterable
from typing import Any, get_args

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
)

TARGET = re.compile(
    r"(?P<call>submit|look|download|task)"
    r"(?: (?:every (?P<every>\d+)|(?P<chance>\d+(?:\.\d+)?)%|(?P<ranges>\d+(?:-\d*)?(?:,\d+(?:-\d*)?)*)))?"
    r"(?: of task (?P<of_task>\d+))?"
)
RESPOND = re.compile(
    r"(?P<status>[2-5]\d\d)(?: (?:(?P<html>html)|code (?P<code>\d+)))?(?: retry-after (?P<retry_after>\d+))?(?P<after> after)?"
)
NUMBER = r"(\d+(?:\.\d+)?)"


def read_faults(script: "str | Fault | Iterable[str | Fault]") -> tuple[Fault, ...]:
    """The faults in a text (a line each, `#` starts a comment), or in a list of lines and values.

    Raises:
        ValueError: a line that says nothing this language knows; the message names the line.

    """
    if isinstance(script, Fault):
        return (script,)
    if not isinstance(script, str):
        return tuple(fault for part in script for fault in read_faults(part))
    lines = (line.partition("#")[0].strip() for line in script.splitlines())
    return tuple(_read_fault(number, line) for number, line in enumerate(lines, 1) if line)


def write_fault(fault: Fault) -> str:
    """The line that `read_faults` reads as *fault*."""
    when, target = fault.when, str(fault.call)
    if when.every > 1:
        target += f" every {when.every}"
    elif when.chance < 1:
        target += f" {_plain(when.chance * 100)}%"
    elif when.ranges != When().ranges:
        target += " " + ",".join(
            str(first) if first == last else f"{first}-{'' if last is None else last}" for first, last in when.ranges
        )
    if fault.of_task is not None:
        target += f" of task {fault.of_task}"
    return f"{target}: {_write_effect(fault.effect)}"


def _read_fault(number: int, line: str) -> Fault:
    target, colon, words = (part.strip() for part in line.partition(":"))
    found = TARGET.fullmatch(" ".join(target.split()))
    if not colon or found is None:
        raise ValueError(f"line {number}: {line!r}: write WHICH CALL: WHAT HAPPENS, e.g. 'submit 2: drop after'")
    call: Call = next(call for call in get_args(Call) if call == found["call"])
    try:
        when = When(
            _read_ranges(found["ranges"]),
            every=int(found["every"] or 1),
            chance=float(found["chance"] or 100) / 100,
        )
        return Fault(call, _read_effect(words.split()), when, found["of_task"] and int(found["of_task"]))
    except ValueError as error:
        raise ValueError(f"line {number}: {line!r}: {error}") from None


def _read_ranges(text: str | None) -> tuple[tuple[int, int | None], ...]:
    if text is None:
        return When().ranges
    parts = [part.partition("-") for part in text.split(",")]
    return tuple((int(first), int(last) if last else None if dash else int(first)) for first, dash, last in parts)


def _read_effect(words: list[str]) -> Effect:
    text = " ".join(words)
    plain: dict[str, Effect] = {
        "drop": Drop(),
        "drop after": Drop(after=True),
        "truncate": Truncate(),
        "cut": Cut(),
        "expired": Expire(),
        "fail": Fail(),
        "prohibit": Prohibit(),
        "never ends": Takes(math.inf),
    }
    if text in plain:
        return plain[text]
    if found := re.fullmatch(rf"(delay|takes) {NUMBER}", text):
        return {"delay": Delay, "takes": Takes}[found[1]](float(found[2]))
    if found := re.fullmatch(rf"(truncate|cut) {NUMBER}%", text):
        return {"truncate": Truncate, "cut": Cut}[found[1]](float(found[2]) / 100)
    if found := re.fullmatch(r"(?:stuck at|percentage)((?: \d{1,3})+)", text):
        return Percentage(tuple(map(int, found[1].split())))
    if found := RESPOND.fullmatch(text):
        numbers = {name: found[name] and int(found[name]) for name in ("code", "retry_after")}
        return Respond(int(found["status"]), html=bool(found["html"]), after=bool(found["after"]), **numbers)
    if words[:1] == ["show"] and words[1:] and all(re.match(r"\w+=", word) for word in words[1:]):
        return Show({name: _read_value(value) for name, _, value in (word.partition("=") for word in words[1:])})
    raise ValueError(f"{text!r} is no effect: write e.g. drop after, delay 2, 503, 429 retry-after 5, cut 50%, fail")


def _read_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _write_effect(effect: Effect) -> str:
    match effect:
        case Drop(after=after):
            return "drop after" if after else "drop"
        case Delay(seconds=seconds):
            return f"delay {_plain(seconds)}"
        case Truncate(share=share):
            return f"truncate {_plain(share * 100)}%"
        case Cut(share=share):
            return f"cut {_plain(share * 100)}%"
        case Expire():
            return "expired"
        case Fail():
            return "fail"
        case Prohibit():
            return "prohibit"
        case Percentage(values=values):
            return " ".join(["percentage", *map(str, values)])
        case Takes(seconds=seconds):
            return "never ends" if seconds == math.inf else f"takes {_plain(seconds)}"
        case Show(fields=fields):
            return " ".join(["show", *(f"{name}={_write_value(value)}" for name, value in fields.items())])
        case Respond():
            body = " html" if effect.html else "" if effect.code is None else f" code {effect.code}"
            wait = "" if effect.retry_after is None else f" retry-after {effect.retry_after}"
            return f"{effect.status}{body}{wait}{' after' if effect.after else ''}"


def _write_value(value: Any) -> str:
    written = json.dumps(value, separators=(",", ":"))
    return value if isinstance(value, str) and _read_value(value) == value else written


def _plain(number: float) -> str:
    return f"{number:.10f}".rstrip("0").rstrip(".")
