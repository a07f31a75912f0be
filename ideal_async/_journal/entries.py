"""What a journal says about a key, and how that is written into columns without its secrets."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

import attrs

from ideal_async._errors import JournalFailed
from ideal_async._identity import redact_text, redact_url
from ideal_async._models import ImageToVideo, Task, TaskInput, TaskStatus, VideoOutput

State = Literal["intended", "submitted", "succeeded", "failed", "refused", "unknown"]
STATES: tuple[State, ...] = get_args(State)

# ASCII, because an answer may hold half a surrogate pair, and UTF-8 cannot. What is no JSON becomes its text.
_JSON = json.JSONEncoder(separators=(",", ":"), default=str)
_REQUEST_FIELDS = tuple(field.name for field in attrs.fields(ImageToVideo))

#: What `decode_entry` reads, in this order.
COLUMNS = (
    *("key", "request", "state", "task_id", "credits", "created_at", "updated_at", "task"),
    *("origin", "account", "reason", "released", "refunded", "sunk"),
)


@attrs.frozen
class Entry:
    """What the journal knows about one key.

    Attributes:
        key: The caller's idempotency key, or one made up for a request without.
        request: What was asked for; URLs without their query strings.
        state: One of

            - `"intended"`: about to be sent, or being sent, by a living process
            - `"submitted"`: paid; the task runs, as far as the journal knows
            - `"succeeded"`: the video was made
            - `"failed"`: the task ended without a video; `refunded` tells what is known of its credits
            - `"refused"`: nothing was created, or it was released: the key is sent again when it is used again
            - `"unknown"`: sent, and no answer came: it may have been paid
        task_id: Of the paid task, once it is known.
        credits: What the request costs; `None` if that is not known.
        created_at: When it was about to be sent, in UTC; of the latest time, if it was sent again.
        updated_at: When the state changed last, in UTC.
        task: The last look at a finished task; its URLs without their query strings.
        origin: Scheme, host and port of the API it was sent to.
        reason: Why it failed or was refused, where that is known.
        released: When it was sent and released, for each time this happened, with the task that failed.
        account: Name of the account that pays.
        refunded: Of a failed task, `True`: the service promises its credits back; `None`: nobody knows, so they count
            as spent.
        sunk: Credits of earlier tasks of this key that ended without that promise and were released; they count, too.
    """

    key: str
    request: ImageToVideo
    state: State
    task_id: int | None
    credits: int | None
    created_at: datetime
    updated_at: datetime
    task: Task | None = None
    origin: str = attrs.field(default="", kw_only=True)
    reason: str | None = attrs.field(default=None, kw_only=True)
    released: str | None = attrs.field(default=None, kw_only=True)
    account: str = attrs.field(default="", kw_only=True)
    refunded: bool | None = attrs.field(default=None, kw_only=True)
    sunk: int = attrs.field(default=0, kw_only=True)

    @property
    def fingerprint(self) -> str:
        """Names the request by its content, as `SubmissionUnknown.fingerprint` does."""
        return self.request.fingerprint


def decode_entry(row: Sequence[Any]) -> Entry:
    """Read an entry out of its `COLUMNS`.

    Raises:
        JournalFailed: It is damaged.
    """
    key, request, state, task_id, credits_, created_at, updated_at, task, *others = row
    origin, account, reason, released, refunded, sunk = others
    try:
        return Entry(
            key=key,
            request=ImageToVideo(**json.loads(request)),
            state=cast("State", state),
            task_id=None if task_id is None else int(task_id),
            credits=credits_,
            created_at=datetime.fromisoformat(created_at),
            updated_at=datetime.fromisoformat(updated_at),
            task=None if task is None else _decode_task(json.loads(task)),
            origin=origin,
            reason=reason,
            released=released,
            account=account,
            refunded=True if refunded else None,
            sunk=sunk,
        )
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        # A recursion's own words differ from one Python to the next.
        why = "nested too deep" if isinstance(error, RecursionError) else error
        raise JournalFailed(
            f"the journal's entry of key {key!r} is damaged ({why}): restore a backup, or delete that row"
        ) from error


def encode_request(request: ImageToVideo) -> str:
    """Write a request as JSON, by our own names."""
    values = {name: getattr(request, name) for name in _REQUEST_FIELDS}
    for name in ("image_url", "last_image_url"):
        if values[name] is not None:
            values[name] = redact_url(values[name])
    if request.prompt is not None:
        values["prompt"] = redact_text(request.prompt)
    return _JSON.encode(values)


def encode_task(task: Task) -> str:
    """Write a look as JSON, by our own names and with all that the API said; without the forecast."""
    return _encode({**attrs.asdict(task, filter=attrs.filters.exclude("eta", "raw")), "raw": task.raw})


def encode_text(text: str) -> str:
    """Write somebody else's words: without the query strings of the URLs in them, and in characters a file can hold."""
    return redact_text(text).encode(errors="backslashreplace").decode()


def check_time(when: datetime, name: str = "a time") -> None:
    """Let through an instant that everybody understands alike.

    Raises:
        TypeError: It is none.
        ValueError: It has no time zone, or no year in UTC.
    """
    if not isinstance(when, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
        raise TypeError(f"{name} is a datetime with a time zone, not {when!r}: pass datetime.now(UTC) or the like")
    if when.tzinfo is None:
        raise ValueError(f"{name} {when} has no time zone: pass datetime.now(UTC) or the like")
    try:
        when.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{name} {when} is beyond the years 1 to 9999 in UTC: pass one within them") from None


def encode_time(when: datetime) -> str:
    """Write an instant so that text sorts as time does.

    Raises:
        TypeError: It is none.
        ValueError: It has no time zone.
    """
    check_time(when)
    return when.astimezone(UTC).isoformat(timespec="microseconds")


def _encode(value: Any) -> str:
    return _JSON.encode(_redact(value))


def _redact(value: Any, name: str = "") -> Any:
    if isinstance(value, str):
        is_url = name.lower().endswith(("url", "cover"))
        return redact_url(value) if is_url else redact_text(value)
    if isinstance(value, Mapping):
        fields: Mapping[Any, Any] = cast("Any", value)
        return {str(key): _redact(item, str(key)) for key, item in fields.items()}
    if isinstance(value, list):
        items: list[Any] = cast("Any", value)
        return [_redact(item, name) for item in items]
    return value


def _decode_task(fields: dict[str, Any]) -> Task:
    status, asked, output = fields.pop("status"), fields.pop("input"), fields.pop("output")
    return Task(
        status=TaskStatus(status) if status in set(TaskStatus) else status,
        input=TaskInput(**asked),
        output=None if output is None else VideoOutput(**output),
        **fields,
    )
