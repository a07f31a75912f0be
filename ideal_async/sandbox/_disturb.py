"""Doing to an answer what the script of faults says."""

import json
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.to_thread
import attrs

from ._codes import CODES, failure, write_json
from ._effects import (
    Bomb,
    CallEffect,
    Cut,
    Delay,
    Drip,
    Drop,
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
from ._garble import bomb, garble, pack
from ._http import Answer, Dropped
from ._spelling import plain

#: What object stores say when a presigned URL is too old.
EXPIRED = Answer(
    403,
    b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>',
    "application/xml",
)

Rewriting = Show | Hide | Say | Id | Envelope
Change = Rewriting | Garble | Truncate | Bomb | Pack | Cut | Drip | Endless

#: From what is said to how it is written, packed and sent, whatever the order in the script.
_STAGES = (Say, Show, Hide, Id, Envelope, Garble, Truncate, Bomb, Pack, Cut, Drip, Endless)


async def disturb(effects: list[CallEffect], work: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer of *work*, or what the *effects* make of it; delays come last, when the work is done.

    Raises:
        Dropped: the connection shall die.

    """
    stops = [effect for effect in effects if isinstance(effect, Drop | Respond | Expire)]
    spared = any(isinstance(stop, Expire) or not stop.after for stop in stops)
    answer = Answer(500, b"") if spared else await work()
    for effect in effects:
        if isinstance(effect, Delay):
            await anyio.sleep(effect.seconds)
    for stop in stops[:1]:
        if isinstance(stop, Drop):
            raise Dropped
        answer = EXPIRED if isinstance(stop, Expire) else respond(stop)
    changes: list[Change] = [effect for kind in _STAGES for effect in effects if isinstance(effect, kind)]
    if isinstance(answer.body, Path) and any(isinstance(effect, Pack | Bomb) for effect in changes):
        answer = await anyio.to_thread.run_sync(partial(read_part, answer))
    for effect in changes:
        answer = change(answer, effect)
    return answer


def change(answer: Answer, effect: Change) -> Answer:  # noqa: PLR0911 - one line for each effect
    """The *answer* with one flaw more."""
    match effect:
        case Truncate():
            return truncate(answer, effect.share)
        case Cut():
            return attrs.evolve(answer, cut=int(answer.length * effect.share))
        case Drip():
            return attrs.evolve(answer, rate=effect.rate)
        case Endless():
            return attrs.evolve(answer, endless=True)
        case Pack():
            return packed(answer, pack(cast("bytes", answer.body), effect.codings), effect.codings)
        case Bomb():
            body = bomb(cast("bytes", answer.body), effect.mebibytes, once=effect.once)
            return packed(answer, body, ("gzip",) if effect.once else ("gzip", "gzip"))
        case Garble():
            return attrs.evolve(answer, body=garble(cast("bytes", answer.body), effect.flaw))
        case _:
            return rewrite(answer, effect)


def respond(effect: Respond) -> Answer:
    """The scripted answer: the vendor's envelope, a page, a line of text, or nothing."""
    headers: dict[str, str] = {} if effect.by is None else {"server": effect.by}
    if effect.to is not None:
        headers["location"] = effect.to
    if effect.retry_after is not None:
        headers |= retry_after(effect.retry_after)
    phrase = HTTPStatus(effect.status).phrase if effect.status in set(HTTPStatus) else "Scripted"
    if effect.code is not None:
        message = CODES[effect.code].message if effect.code in CODES else "Scripted"
        return Answer(effect.status, write_json(failure(effect.code, message) | {"data": effect.data}), headers=headers)
    if effect.body == "empty" or effect.status in BODILESS:
        return Answer(effect.status, b"", "text/plain; charset=utf-8", headers)
    if effect.body == "text":
        return Answer(effect.status, f"{phrase}\n".encode(), "text/plain; charset=utf-8", headers)
    title = "Sign in to the network" if effect.body == "portal" else f"{effect.status} {phrase}"
    return Answer(
        effect.status, PAGES[effect.body].replace("TITLE", title).encode(), "text/html; charset=utf-8", headers
    )


#: HTTP statuses whose answers have no body (RFC 9110, section 6.4.1).
BODILESS = {204, 205, 304}

PAGES = {
    "html": "<!doctype html><title>TITLE</title><h1>TITLE</h1>\n",
    "portal": (
        "<!doctype html><title>TITLE</title><h1>TITLE</h1>\n"
        "<form method=post action=/login><input name=room placeholder='Room number'><button>Accept</button></form>\n"
    ),
}


def retry_after(value: float | str) -> dict[str, str]:
    """The header, and for a date also the answer's own, against which it is to be read."""
    word, _, seconds = value.partition("+") if isinstance(value, str) else ("", "", "")
    if word == "date" and seconds.isdecimal():
        now = time.time()
        return {"date": formatdate(now, usegmt=True), "retry-after": formatdate(now + int(seconds), usegmt=True)}
    return {"retry-after": value if isinstance(value, str) else plain(value)}


def rewrite(answer: Answer, effect: Rewriting) -> Answer:
    """Say something else in a JSON answer; an error answer has no fields, and a page none at all."""
    try:
        envelope = cast("dict[str, Any]", json.loads(cast("bytes", answer.body)))
    except (ValueError, TypeError):
        return answer
    if isinstance(effect, Envelope):
        envelope |= effect.fields
    elif isinstance(envelope["data"], dict):
        rewrite_data(cast("dict[str, Any]", envelope["data"]), effect)
    elif isinstance(effect, Id) and envelope["data"] is not None:
        envelope["data"] = write_id(envelope["data"], effect.form)
    return attrs.evolve(answer, body=write_json(envelope))


def rewrite_data(data: dict[str, Any], effect: Show | Hide | Say | Id) -> None:
    """Say something else of a task."""
    match effect:
        case Say():
            data["status"] = effect.words.get(data["status"], data["status"])
        case Show():
            for name, value in effect.fields.items():
                fields, last = owner(data, name)
                fields[last] = value
        case Hide():
            for name in effect.names:
                fields, last = owner(data, name)
                fields.pop(last, None)
        case _:
            data["id"] = write_id(data["id"], effect.form)


def write_id(task_id: int, form: str) -> Any:
    """An id as others write it.

    >>> write_id(1234567890123456789, "rounded"), write_id(1234567890123456789, "float")
    (1234567890123456800, 1.2345678901234568e+18)
    """
    if form == "rounded":  # what JavaScript prints: the shortest digits that mean the same float, then zeros
        return int(Decimal(repr(float(task_id))))
    return {"text": str(task_id), "float": float(task_id), "null": None}[form]


def owner(data: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """The object that a dotted *name* means a field of, and the field; an object apart if there is none."""
    *path, last = name.split(".")
    for step in path:
        inner = data.get(step)
        data = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}
    return data, last


def truncate(answer: Answer, share: float) -> Answer:
    """Complete as HTTP goes, but only the first *share* of the body."""
    length = int(answer.length * share)
    if isinstance(answer.body, bytes):
        return attrs.evolve(answer, body=answer.body[:length])
    return attrs.evolve(answer, size=length)


def packed(answer: Answer, body: bytes, codings: tuple[str, ...]) -> Answer:
    """The same answer, packed."""
    return attrs.evolve(answer, body=body, headers=answer.headers | {"content-encoding": ", ".join(codings)})


def read_part(answer: Answer) -> Answer:
    """The same answer with its part of the file read. Blocking."""
    with cast("Path", answer.body).open("rb") as file:
        file.seek(answer.start)
        return attrs.evolve(answer, body=file.read(answer.length), start=0, size=None)
