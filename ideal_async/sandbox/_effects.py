"""What can go wrong with a call, as values. Each prints as the words that `_script` reads."""

from typing import Any, Literal

import attrs

from ._spelling import plain, write_fields, write_value
from ._task_effects import Fail, LateFile, LateUrl, Percentage, Prohibit, Sign, Takes, TaskEffect

#: What an answer of somebody in between consists of.
Body = Literal["text", "html", "portal", "empty"]

#: How an id is written: as a decimal string, as a program with floats in it rounds it, or not at all.
IdForm = Literal["text", "rounded", "float", "null"]

#: What is wrong with the text of an answer: see `_garble`.
Flaw = Literal["latin-1", "newline", "surrogate", "bom", "utf-16", "long"]


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


AnswerEffect = Drop | Respond | Delay | Truncate | Cut | Drip | Endless | Pack | Bomb
CallEffect = AnswerEffect | Expire | Show | Hide | Say | Id | Envelope | Garble
Effect = CallEffect | TaskEffect

_ANY_ANSWER = (Drop, Respond, Delay, Truncate, Cut, Drip, Endless, Pack, Bomb)

#: Which effects make sense at which call.
EFFECTS: dict[str, tuple[type, ...]] = {
    "submit": (*_ANY_ANSWER, Id, Envelope, Garble),
    "look": (*_ANY_ANSWER, Show, Hide, Say, Id, Envelope, Garble),
    "download": (*_ANY_ANSWER, Expire),
    "task": (Fail, Prohibit, Percentage, Takes, LateUrl, LateFile, Sign),
}
