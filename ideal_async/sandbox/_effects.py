"""What can go wrong, as values. Each prints as the words that `_script` reads."""

import json
import math
import re
from typing import Any, Literal

import attrs

#: What an answer of somebody in between consists of.
Body = Literal["text", "html", "portal", "empty"]

#: How an id is written: as a decimal string, as a program with floats in it rounds it, or not at all.
IdForm = Literal["text", "rounded", "float", "null"]

#: What is wrong with the text of an answer: see `_garble`.
Flaw = Literal["latin-1", "newline", "surrogate", "bom", "utf-16", "long"]

#: What a result URL looks like while it is not there yet.
UrlForm = Literal["empty", "null", "missing", "relative"]


@attrs.frozen
class Drop:
    """The connection dies without an answer: before the service did anything, or *after* it did its work.

    ``submit: drop after`` is the case that costs money twice: the task was created and paid, and nobody was told its
    id.
    """

    after: bool = False

    def __str__(self) -> str:
        return "drop after" if self.after else "drop"


@attrs.frozen
class Respond:
    """Another answer than the true one: an HTTP *status* with a line of text, a page, nothing, or an error *code*.

    Args:
        status: of HTTP.
        code: the vendor's envelope with this code; its ``data`` is *data*.
        body: without a code: a line of text, a small HTML page, the login page of a portal, or nothing.
        to: where a redirect leads.
        retry_after: seconds, or any text; "date+30" is an HTTP date half a minute after the answer's own.
        by: who says so, the ``Server`` header.
        after: give it once the service did its work (the task exists).

    """

    status: int = attrs.field(validator=[attrs.validators.ge(200), attrs.validators.le(599)])
    code: int | None = None
    data: Any = None
    body: Body = "text"
    to: str | None = None
    retry_after: int | float | str | None = None
    by: str | None = None
    after: bool = False

    def __str__(self) -> str:
        words = [str(self.status)]
        if self.code is not None:
            words.append(f"code {self.code}")
            if self.data is not None:
                words.append(f"data {write_value(self.data)}")
        elif self.body != "text":
            words.append(self.body)
        for name, value in (("to", self.to), ("retry-after", self.retry_after), ("by", self.by)):
            if value is not None:
                words.append(f"{name} {write_value(value)}")
        return " ".join([*words, "after"] if self.after else words)


@attrs.frozen
class Delay:
    """The answer comes *seconds* late; the work itself was done in time."""

    seconds: float

    def __str__(self) -> str:
        return f"delay {plain(self.seconds)}"


@attrs.frozen
class Truncate:
    """A complete HTTP answer whose body ends too early: *share* of it (0 to 1) is left, so the JSON does not parse."""

    share: float = 0.5

    def __str__(self) -> str:
        return f"truncate {plain(self.share * 100)}%"


@attrs.frozen
class Cut:
    """The connection dies in the middle of the body, after *share* of it (0 to 1)."""

    share: float = 0.5

    def __str__(self) -> str:
        return f"cut {plain(self.share * 100)}%"


@attrs.frozen
class Drip:
    """The body comes at *rate* bytes a second."""

    rate: int = attrs.field(default=1, validator=attrs.validators.ge(1))

    def __str__(self) -> str:
        return f"drip {self.rate}"


@attrs.frozen
class Endless:
    """After the body come more bytes, 16 KiB every tenth of a second, until the client hangs up."""

    def __str__(self) -> str:
        return "endless"


@attrs.frozen
class Pack:
    """The body is packed, asked for or not, layer upon layer: gzip, deflate, or a coding nobody knows."""

    codings: tuple[str, ...] = attrs.field(default=("gzip",), validator=attrs.validators.min_len(1))

    def __str__(self) -> str:
        return " ".join(["packed", *self.codings])


@attrs.frozen
class Bomb:
    """The body is followed by *mebibytes* of blanks and packed with gzip: twice, to a few hundred bytes, or *once*."""

    mebibytes: int = attrs.field(default=64, validator=[attrs.validators.ge(1), attrs.validators.le(4096)])
    once: bool = False

    def __str__(self) -> str:
        return f"bomb {self.mebibytes}{' once' if self.once else ''}"


@attrs.frozen
class Expire:
    """The result URL has expired: HTTP 403, as from a presigned URL."""

    def __str__(self) -> str:
        return "expired"


@attrs.frozen
class Show:
    """Fields of a look's `data` are replaced or added, e.g. an unknown status or a percentage that goes backwards.

    A name with dots, ``output.cover``, is a field of a field; nothing happens where the outer one is not there.
    """

    fields: dict[str, Any]

    def __str__(self) -> str:
        return " ".join(["show", *write_fields(self.fields)])


@attrs.frozen
class Hide:
    """Fields of a look's `data` are left out; names as in `Show`."""

    names: tuple[str, ...] = attrs.field(converter=tuple[str, ...], validator=attrs.validators.min_len(1))

    def __str__(self) -> str:
        return " ".join(["hide", *self.names])


@attrs.frozen
class Say:
    """The vendor's statuses in other words, e.g. ``{"Success": "SUCCESS"}``; those not named stay as they are."""

    words: dict[str, Any]

    def __str__(self) -> str:
        return " ".join(["say", *write_fields(self.words)])


@attrs.frozen
class Id:
    """The task's id in another *form*, in the answer to a submit as in that to a look."""

    form: IdForm

    def __str__(self) -> str:
        return f"id {self.form}"


@attrs.frozen
class Envelope:
    """Fields around `data` are replaced or added, e.g. ``{"code": 200}`` on an answer that carries an id."""

    fields: dict[str, Any]

    def __str__(self) -> str:
        return " ".join(["envelope", *write_fields(self.fields)])


@attrs.frozen
class Garble:
    """The text of a JSON answer has a *flaw*; it says the same, for whoever is not too particular.

    "latin-1" is no UTF-8, "newline" a raw one in a string, "surrogate" half a pair, all in the message; "long" is a
    message of one word of 40,000 letters; "bom" and "utf-16" are how the whole is written.
    """

    flaw: Flaw

    def __str__(self) -> str:
        return f"garbled {self.flaw}"


@attrs.frozen
class Fail:
    """The task ends as Failed and is refunded; or it ends under another *status*, and is not: nobody promised it."""

    status: str = "Failed"

    def __str__(self) -> str:
        return "fail" if self.status == "Failed" else f"fail as {write_value(self.status)}"


@attrs.frozen
class Prohibit:
    """The task ends with prohibited output: looks answer 9038, and it is refunded."""

    def __str__(self) -> str:
        return "prohibit"


@attrs.frozen
class Percentage:
    """The task shows these percentages in equal shares of its time; a single one is stuck."""

    values: tuple[int, ...] = attrs.field(converter=tuple[int, ...], validator=attrs.validators.min_len(1))

    def __str__(self) -> str:
        return " ".join(["percentage", *map(str, self.values)])


@attrs.frozen
class Takes:
    """The task needs *seconds* of processing, before `speed`; infinity means for ever."""

    seconds: float = attrs.field(validator=attrs.validators.ge(0))

    def __str__(self) -> str:
        return "never ends" if self.seconds == math.inf else f"takes {plain(self.seconds)}"


@attrs.frozen
class LateUrl:
    """For *seconds* after its end the task says Success, but its `resultUrl` is no URL yet; infinity means for ever.

    It is empty, null, missing, or relative: a path without a host.
    """

    seconds: float
    form: UrlForm = "empty"

    def __str__(self) -> str:
        return f"url {'never' if self.seconds == math.inf else f'after {plain(self.seconds)}'} {self.form}"


@attrs.frozen
class LateFile:
    """For *seconds* after the end of the task its result URLs answer 404: the CDN has not heard of them yet."""

    seconds: float

    def __str__(self) -> str:
        return f"file after {plain(self.seconds)}"


@attrs.frozen
class Sign:
    """The result URLs are signed: any other target on the wire, %2F and %27 unescaped for instance, answers 403."""

    def __str__(self) -> str:
        return "signed"


AnswerEffect = Drop | Respond | Delay | Truncate | Cut | Drip | Endless | Pack | Bomb
CallEffect = AnswerEffect | Expire | Show | Hide | Say | Id | Envelope | Garble
TaskEffect = Fail | Prohibit | Percentage | Takes | LateUrl | LateFile | Sign
Effect = CallEffect | TaskEffect

_ANY_ANSWER = (Drop, Respond, Delay, Truncate, Cut, Drip, Endless, Pack, Bomb)

#: Which effects make sense at which call.
EFFECTS: dict[str, tuple[type, ...]] = {
    "submit": (*_ANY_ANSWER, Id, Envelope, Garble),
    "look": (*_ANY_ANSWER, Show, Hide, Say, Id, Envelope, Garble),
    "download": (*_ANY_ANSWER, Expire),
    "task": (Fail, Prohibit, Percentage, Takes, LateUrl, LateFile, Sign),
}


def plain(number: float) -> str:
    """A number without an exponent or needless zeros.

    >>> plain(50.0), plain(0.1 * 3)
    ('50', '0.3')
    """
    return f"{number:.10f}".rstrip("0").rstrip(".")


def read_value(text: str) -> Any:
    """What `show NAME=` is followed by: JSON, or else just a word."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def write_value(value: Any) -> str:
    """As one word that `read_value` reads.

    >>> write_value("Paused"), write_value(5), write_value(None)
    ('Paused', '5', 'null')
    """
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_/][\w+:/.-]*", value, re.ASCII) and read_value(value) == value:
        return value
    # A script's words stand between spaces, so those inside a value are escaped.
    return json.dumps(value, separators=(",", ":")).replace(" ", "\\u0020").replace("#", "\\u0023")


def write_fields(fields: dict[str, Any]) -> list[str]:
    """A word for each field.

    >>> write_fields({"status": "Paused", "eta": 5})
    ['status=Paused', 'eta=5']
    """
    return [f"{name}={write_value(value)}" for name, value in fields.items()]
