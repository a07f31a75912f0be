"""What was said in answer to a request, and by whom: the API itself, or somebody in between.

The API speaks in JSON objects with an integer `code`. Anything else comes from a gateway, a proxy or a portal, and
proves little about the request behind it.
"""

import codecs
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import attrs

from ._errors import (
    ApiError,
    ContentRejected,
    IdealError,
    InvalidRequest,
    NotTheApi,
    OutOfCredits,
    RateLimited,
    RequestFailed,
    ServerError,
    TaskFailed,
    Unauthorized,
    UnexpectedAnswer,
)
from ._excerpt import LONGEST_EXCERPT, LOOKED_AT, excerpt, readable
from ._models import Task
from ._retry import TOO_MANY_REQUESTS, Failure, Sent
from ._wire import LARGEST_ANSWER, is_absolute, is_id, read_id, read_task, read_task_id

#: Vendor's page, Error Code Reference.
ERRORS: dict[int, type[ApiError]] = {
    1001: RequestFailed,
    1003: ServerError,
    1011: InvalidRequest,
    5002: Unauthorized,
    9010: ContentRejected,
    9038: ContentRejected,
    9051: OutOfCredits,
}
PROHIBITED_CONTENT = 9038
_SERVER_ERRORS = range(500, 600)
#: A request that timed out on its way may have been received.
_BY_GATEWAYS = {408, *_SERVER_ERRORS}
#: What somebody in between answers to a request that it did not pass on, but for those that may mean the opposite: 302
#: and 303 follow upon a POST that was carried out, 408 and 499 upon one that was cut off, 409 upon one that is known.
_TURNED_AWAY = frozenset(range(300, 500)) - {302, 303, 408, 409, 499}
#: Of those, the ones that are believed without their body.
_REFUSED = {400, 401, 403, 404, TOO_MANY_REQUESTS}
_UNAUTHORIZED = 401

#: Characters. Whole sentences fit; a page of HTML in a log does not.
LONGEST_MESSAGE = 500
#: Seconds for which a task that succeeded may go without the URL of its video.
LATE_RESULT = 60.0
#: Digits in a row that may be a task's id in free text: the page's have 19, and a time in milliseconds has 13.
_LIKE_AN_ID = re.compile(r"(?<!\d)\d{15,20}(?!\d)")
#: Families of encodings that keep JSON's own characters where they are; others can be slow, or are no text at all.
_CHARSETS = ("utf", "gb", "big5", "euc", "shift_jis", "iso8859", "cp12", "cp93", "koi8", "ascii")

_JSON = json.JSONDecoder(strict=False)  # a raw line break in a message hides no code


def read_retry_after(value: str, date: str | None, now: datetime) -> float | None:
    """Read the header `Retry-After`: seconds, or a date, which counts from the answer's own *date* if it has one.

    Args:
        value: Of `Retry-After`.
        date: Of `Date`: the clock that the other date was read from.
        now: Our own clock, for an answer without one.
    """
    value = value.strip()
    if re.fullmatch(r"[0-9]{1,18}(\.[0-9]{0,18})?", value):
        return float(value)
    until = _read_date(value)
    return None if until is None else max(0.0, (until - (_read_date(date or "") or now)).total_seconds())


def _read_date(value: str) -> datetime | None:
    if not value[:1].isalpha():
        return None
    from email.utils import parsedate_to_datetime  # rarely needed

    try:
        date = parsedate_to_datetime(value[:40])
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


class Answer:
    """An answer over HTTP, before anybody asked who gave it.

    Attributes:
        http_status: Of the answer.
        content: Its body, unpacked.
        complete: The body was read to its announced end.
        content_type: The header of this name.
        age: The header of this name.
        answered_by: The header `Server`, or else `Via`.
        location: Where a redirect leads.
        retry_after: Seconds of the header `Retry-After`.
        problem: Why the body was not read.
        status_only: All that is known is the status: a response hook of the user's raised before the body was read.
        envelope: What the API says; `None`: it is not the API that speaks.
    """

    __slots__ = (
        *(
            "age",
            "answered_by",
            "complete",
            "content",
            "content_type",
            "envelope",
            "http_status",
            "location",
            "problem",
        ),
        *("retry_after", "status_only"),
    )

    def __init__(
        self,
        http_status: int,
        content: bytes,
        *,
        complete: bool = True,
        content_type: str = "",
        answered_by: str | None = None,
        location: str | None = None,
        retry_after: float | None = None,
        age: str = "",
        problem: str = "",
        status_only: bool = False,
    ) -> None:
        self.http_status = http_status
        self.content = content
        self.complete = complete
        self.content_type = content_type
        self.answered_by = answered_by
        self.location = location
        self.retry_after = retry_after
        self.age = age
        self.problem = problem
        self.status_only = status_only
        self.envelope = _open_envelope(self)


class Envelope:
    """What the API says: `code`, `message` and `data`.

    Attributes:
        code: 0 is success.
        message: The API's words, cut to a readable length.
        data: An id, a task, or nothing.
        fields: These three, and whatever else came.
    """

    __slots__ = ("code", "data", "fields", "message")

    def __init__(self, code: int, fields: dict[str, Any]) -> None:
        self.code = code
        self.message = readable(str(fields.get("message") or "no message"), LONGEST_MESSAGE)
        self.data = fields.get("data")
        self.fields = fields


def _open_envelope(answer: Answer) -> Envelope | None:
    for text in _texts(answer.content, answer.content_type):
        try:
            fields: dict[str, Any] = _JSON.decode(text)
            code = read_id(fields["code"])
        except (KeyError, TypeError, ValueError, RecursionError):  # a TypeError: it was JSON, but no object
            continue
        envelope = Envelope(code, fields)
        # Some gateways number their own errors; the API's envelope has all three fields, whatever the code.
        known = code == 0 or code in ERRORS or answer.http_status not in _BY_GATEWAYS
        return envelope if known or {"message", "data"} <= fields.keys() else None
    return None


def _texts(content: bytes, content_type: str) -> Iterator[str]:
    """Read a body as text, and if it is not in Unicode, in each way that it may have been meant."""
    try:
        yield content.decode(json.detect_encoding(content))
    except UnicodeDecodeError:
        declared = re.search(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", content_type, re.IGNORECASE)
        for name, errors in ((declared and declared[1], "replace"), ("gb18030", "strict"), ("utf-8", "replace")):
            try:
                if name and codecs.lookup(name).name.replace("-", "").startswith(_CHARSETS):
                    yield content.decode(name, errors)
            except (LookupError, UnicodeDecodeError):
                continue


def api_error(envelope: Envelope, answer: Answer) -> ApiError:
    """Name the error that the API answered."""
    code, status = envelope.code, answer.http_status
    if code in ERRORS:
        cls = ERRORS[code]
    elif code in _SERVER_ERRORS:  # no code of the vendor's: a gateway that speaks JSON
        cls = ServerError
    else:
        cls = RateLimited if TOO_MANY_REQUESTS in (status, code) else ApiError
    return cls(code, envelope.message, http_status=status, retry_after=answer.retry_after)


def foreign_error(answer: Answer) -> IdealError:
    """Name what somebody in between said in the API's place."""
    status = answer.http_status
    if status == TOO_MANY_REQUESTS:
        return RateLimited(status, "Too many requests", http_status=status, retry_after=answer.retry_after)
    if status in _SERVER_ERRORS:
        return ServerError(status, "No answer of the API", http_status=status, retry_after=answer.retry_after)
    if answer.status_only and status == _UNAUTHORIZED:
        return Unauthorized(status, answer.problem, http_status=status)
    by = None if answer.answered_by is None else readable(answer.answered_by, LONGEST_EXCERPT)
    return NotTheApi(http_status=status, answered_by=by, excerpt=excerpt_of(answer))


def excerpt_of(answer: Answer) -> str:
    """Return the beginning of a body, or where a redirect leads, fit to be shown."""
    text = next(_texts(answer.content[:LOOKED_AT], answer.content_type), "")
    if answer.location is not None:
        text = f"Location: {answer.location} {text}"
    if len(answer.content) > LARGEST_ANSWER:
        text = f"(more than {LARGEST_ANSWER} bytes) {text}"
    return excerpt(answer.problem or text)


def read_submit(answer: Answer) -> int | Failure:
    """Return the id of the task that was created, or what the answer to a submit proves.

    A refusal carries no id: an error code beside one, or one that the vendor's page does not list beside anything, is
    in doubt. Decided here, before anybody thinks of sending again.

    Source: vendor's page, 1. Create Image to Video Task.
    """
    envelope = answer.envelope
    if envelope is None:
        if answer.status_only:
            turned_away = answer.http_status in _REFUSED
        else:
            turned_away = answer.http_status in _TURNED_AWAY and answer.complete and not _names_an_id(answer)
        return Failure(Sent.ANSWERED if turned_away else Sent.MAYBE, foreign_error(answer))
    if envelope.code == 0:
        try:
            return read_task_id(envelope.data)
        except ValueError as error:
            return _doubt(f"{error} @ $.data", answer)
    if _holds_an_id(envelope.data) or _names_its_id(envelope.fields):
        return _doubt(f"an id beside error code {envelope.code} @ $.data", answer)
    listed = envelope.code in ERRORS
    nothing = _is_nothing(envelope.data) and ("data" in envelope.fields or answer.http_status in _TURNED_AWAY)
    refused = listed or (nothing and envelope.code not in _BY_GATEWAYS)
    return Failure(Sent.ANSWERED if refused else Sent.MAYBE, api_error(envelope, answer))


def _doubt(problem: str, answer: Answer) -> Failure:
    return Failure(Sent.MAYBE, _unexpected(problem, answer))


def _unexpected(problem: str, answer: Answer) -> UnexpectedAnswer:
    return UnexpectedAnswer([problem], http_status=answer.http_status, excerpt=excerpt_of(answer))


def _is_nothing(data: object) -> bool:
    """A `null`, something empty, `false` or 0."""
    return not data or (isinstance(data, str) and not data.strip())


def _may_be_id(value: object) -> bool:
    """What a task's id may look like: a positive number of 64 bits, also as a string, or after it has lost digits."""
    if isinstance(value, float):
        return value.is_integer() and value > 0
    return is_id(value.strip() if isinstance(value, str) else value)


def _holds_an_id(data: object) -> bool:
    """Look for an id in *data*, also one level down."""
    whole, inner = data, list[object]()
    if isinstance(data, dict):
        inner = list(cast("dict[str, object]", data).values())
    elif isinstance(data, list):
        inner = cast("list[object]", data)
    return _may_be_id(whole) or any(map(_may_be_id, inner))


def _names_its_id(fields: dict[str, Any]) -> bool:
    """Look for an id under a name that says so."""
    return any(_may_be_id(fields.get(name)) for name in ("id", "taskId", "task_id", "taskid"))


def _names_an_id(answer: Answer) -> bool:
    """Look for what may be an id in an answer that is not the API's."""
    for text in _texts(answer.content, answer.content_type):
        try:
            found = _JSON.decode(text)
        except (ValueError, RecursionError):
            pass
        else:
            if isinstance(found, dict):
                fields = cast("dict[str, Any]", found)
                if _holds_an_id(fields.get("data")) or _names_its_id(fields):
                    return True
            elif _holds_an_id(found):
                return True
        if _LIKE_AN_ID.search(text):
            return True
    return False


def read_look(answer: Answer, task_id: int) -> Task | Failure:
    """Return the task that was looked at, or why it is not to be seen.

    Source: vendor's page, 2. Get Task Result.
    """
    envelope = answer.envelope
    if envelope is None:
        error = foreign_error(answer)
    elif envelope.code == PROHIBITED_CONTENT:
        error = TaskFailed(envelope.message, task=None, task_id=task_id)
    elif envelope.code != 0:
        error = api_error(envelope, answer)
    else:
        return _read_task(envelope.data, answer, task_id)
    return Failure(Sent.ANSWERED, error.about(task_id))


def _read_task(data: Any, answer: Answer, task_id: int) -> Task | Failure:
    try:
        task = read_task(data, task_id=task_id, http_status=answer.http_status)
    except UnexpectedAnswer as error:
        error.excerpt = excerpt_of(answer)
        return Failure(Sent.ANSWERED, error.about(task_id))
    if task.output is not None and is_absolute(task.output.result_url):
        return task
    if not task.succeeded:
        return task if task.output is None else attrs.evolve(task, output=None)
    problem = "required field missing" if task.output is None else "no absolute http(s) URL"
    late = _unexpected(f"{problem} @ $.data.output.resultUrl", answer)
    return Failure(Sent.ANSWERED, late.about(task_id), passes=True, limit=LATE_RESULT)
