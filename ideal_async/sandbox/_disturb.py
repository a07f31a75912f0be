"""Doing to an answer what the script of faults says."""

import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, cast

import anyio
import attrs

from ._codes import CODES, failure, write_json
from ._faults import CallEffect, Cut, Delay, Drop, Expire, Respond, Show, Truncate
from ._http import Answer, Dropped

#: What object stores say when a presigned URL is too old.
EXPIRED = Answer(
    403,
    b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>',
    "application/xml",
)


async def disturb(effects: list[CallEffect], work: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer of *work*, or what the *effects* make of it; delays come last, when the work is done.

    Raises:
        Dropped: the connection shall die.

    """
    stops = [effect for effect in effects if isinstance(effect, Drop | Respond | Expire)]
    spared = any(isinstance(stop, Expire) or not stop.after for stop in stops)
    answer = Answer(500, b"") if spared else await work()
    for effect in effects:
        match effect:
            case Delay():
                await anyio.sleep(effect.seconds)
            case Show():
                answer = show(answer, effect)
            case Truncate():
                answer = truncate(answer, effect.share)
            case Cut():
                answer = attrs.evolve(answer, cut=int(answer.length * effect.share))
            case _:
                pass
    for stop in stops[:1]:
        if isinstance(stop, Drop):
            raise Dropped
        return EXPIRED if isinstance(stop, Expire) else respond(stop)
    return answer


def respond(effect: Respond) -> Answer:
    """The scripted answer: the vendor's envelope, a proxy's HTML page, or a line of text."""
    headers = {} if effect.retry_after is None else {"retry-after": str(effect.retry_after)}
    phrase = HTTPStatus(effect.status).phrase if effect.status in set(HTTPStatus) else "Scripted"
    if effect.code is not None:
        message = CODES[effect.code].message if effect.code in CODES else "Scripted"
        return Answer(effect.status, write_json(failure(effect.code, message)), headers=headers)
    if effect.html:
        page = f"<!doctype html><title>{effect.status} {phrase}</title><h1>{effect.status} {phrase}</h1>\n"
        return Answer(effect.status, page.encode(), "text/html; charset=utf-8", headers)
    return Answer(effect.status, f"{phrase}\n".encode(), "text/plain; charset=utf-8", headers)


def show(answer: Answer, effect: Show) -> Answer:
    """The look with other fields; an error answer has none to replace."""
    envelope = cast("dict[str, Any]", json.loads(cast("bytes", answer.body)))
    if envelope["data"] is None:
        return answer
    envelope["data"] |= effect.fields
    return attrs.evolve(answer, body=write_json(envelope))


def truncate(answer: Answer, share: float) -> Answer:
    """Complete as HTTP goes, but only the first *share* of the body."""
    length = int(answer.length * share)
    if isinstance(answer.body, bytes):
        return attrs.evolve(answer, body=answer.body[:length])
    return attrs.evolve(answer, size=length)
