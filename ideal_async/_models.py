"""The vendor's words as values: what is asked for, what a look shows, what comes out.

Field names are the API's own in snake case. What we send is validated here, before anything is spent; what we receive
is kept leniently, so that a field or a value the vendor adds tomorrow breaks nobody today.
"""

# No `from __future__ import annotations` in this file: cattrs reads the annotations as types.
import hashlib
import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, Protocol, Self, cast, get_args
from urllib.parse import urlsplit

import attrs

from ._identity import redact_url

Duration = Literal[5, 10]
Resolution = Literal["480p", "720p", "1080p"]
ModelType = Literal["Flash", "Base"]


def _one_of(choices: Any) -> Any:
    """Accept only a vendor's enum value, of its own type (`True` is no duration, `5.0` neither)."""
    allowed = get_args(choices)

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not any(value == choice and type(value) is type(choice) for choice in allowed):
            listed = ", ".join(repr(choice) for choice in allowed)
            raise ValueError(f"{attribute.name} must be one of {listed}, not {value!r}")

    return check


class Picture(str):
    """The URL of a picture of ours: `file:` if it lies on this machine, then where it is published.

    It is made from a path, or a name in a bucket, only. A string never becomes one: it may have been written by a
    stranger, who would have us publish what is none of theirs.

    Attributes:
        path: Of the file; empty for what lies in a bucket already.
    """

    __slots__ = ("path",)

    def __new__(cls, url: str, path: str) -> Self:
        """Keep the path beside the URL."""
        picture = super().__new__(cls, url)
        picture.path = path
        return picture

    path: str

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]  # str's own are fewer
        return str(self), self.path


class LocalPath(Protocol):
    """What a `pathlib.Path` has that is needed here."""

    def absolute(self) -> Self:
        """Return it with nothing left out in front."""
        ...

    def as_uri(self) -> str:
        """Return it as a `file:` URL."""
        ...

    def __fspath__(self) -> str:
        """Return it as the system takes it."""
        ...


class BucketName(Protocol):
    """What a name in a bucket has that is needed here."""

    @property
    def address(self) -> str:
        """Its URL, without a signature."""
        ...


def _locate(value: str | LocalPath | BucketName) -> str:
    """Give a path, or a name in a bucket, its URL; whatever else there is stays."""
    if not isinstance(value, str) and isinstance(address := getattr(value, "address", None), str):
        return Picture(address, "")
    if isinstance(value, str) or not hasattr(value, "as_uri"):
        return cast("str", value)  # checked next
    value = cast("LocalPath", value)
    path = value.absolute()
    return Picture(path.as_uri(), path.__fspath__())


def _check_url(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """Accept only an absolute http or https URL."""
    if isinstance(value, Picture):
        return
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be a URL as str, not {type(value).__name__}: {_URLS_ONLY}")
    try:
        parts = urlsplit(value)
        absolute = parts.scheme.lower() in {"http", "https"} and bool(parts.hostname)
        _ = parts.port  # a port that is no number is found only when it is read
    except ValueError:
        absolute = False
    if not absolute or any(character <= " " or character == "\x7f" for character in value) or not _is_text(value):
        space = f", and a space in one is %20 (after {shorten(value.partition(' ')[0])!r})" if " " in value else ""
        raise ValueError(f"{attribute.name} must be an http(s) URL{space}, not {shorten(value)!r}: {_URLS_ONLY}")


_URLS_ONLY = (
    "the API fetches the picture itself, so upload it somewhere it can reach and pass that URL, "
    "or pass a pathlib.Path to a client that publishes it, AsyncClient(uploads=...)"
)
_LONG = 80  # characters of a refused value worth repeating in a message


def shorten(text: str) -> str:
    """Cut *text* to what a message can carry; what follows a `?` may be a signature and is left out."""
    bare = text.partition("?")[0]
    return bare if len(bare) <= _LONG else f"{bare[:_LONG]}…"


def _is_text(value: str) -> bool:
    """Half a surrogate pair, such as a badly cut string has at its end, cannot be sent as UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def vendor_name(name: str) -> str:
    """Return a field's name as the API spells it, in camel case."""
    return re.sub(r"(?<=[a-z])_([a-z])", lambda found: found[1].upper(), name)


def _show_url(url: str | None) -> str:
    """Error trackers keep reprs, and a query string may be a signature."""
    return "None" if url is None else repr(redact_url(url))


def _show_prompt(prompt: str | None) -> str:
    """A prompt is somebody's private text: a repr tells only that there is one."""
    return "None" if prompt is None else f"<{len(prompt)} characters>"


def _check_flag(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be True or False, not {value!r}")


def _check_prompt(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be str or None, not {type(value).__name__}")
    if not _is_text(value):
        raise ValueError(f"{attribute.name} has half a surrogate pair in it: it was cut or decoded wrongly")


def _redact(url: str) -> str:
    bare = redact_url(url)
    return Picture(bare, url.path) if isinstance(url, Picture) else bare


@attrs.frozen
class ImageToVideo:
    """One video to be made: the body of *Create Image to Video Task*.

    Args:
        image_url: http(s) URL of the source picture, or a `pathlib.Path`, which a client with `uploads` publishes, or a
            name in its bucket, `bucket / "room.jpg"`, which it signs; the first frame in first-last frame mode.
        duration: Length of the video in seconds, 5 or 10.
        resolution: `"480p"`, `"720p"` or `"1080p"`.
        model_type: `"Flash"` (faster) or `"Base"` (can make audio).
        generate_audio: Background audio; only with `model_type="Base"`.
        prompt: What should move, and how.
        last_image_url: Last frame; giving it switches on first-last frame mode.

    Raises:
        TypeError: A value is of the wrong type.
        ValueError: A value is not one the vendor's page lists, or the values do not go together.

    Example:
        >>> ImageToVideo("https://example.com/room.jpg", duration=5, resolution="720p").model_type
        'Flash'

    Source: vendor's page, 1. Create Image to Video Task, Request Body.
    """

    image_url: str = attrs.field(converter=_locate, validator=_check_url, repr=_show_url)
    duration: Duration = attrs.field(validator=_one_of(Duration), kw_only=True)
    resolution: Resolution = attrs.field(validator=_one_of(Resolution), kw_only=True)
    model_type: ModelType = attrs.field(default="Flash", validator=_one_of(ModelType), kw_only=True)
    generate_audio: bool = attrs.field(default=False, validator=_check_flag, kw_only=True)
    prompt: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(_check_prompt), kw_only=True, repr=_show_prompt
    )
    last_image_url: str | None = attrs.field(
        default=None,
        converter=attrs.converters.optional(_locate),
        validator=attrs.validators.optional(_check_url),
        kw_only=True,
        repr=_show_url,
    )

    def __attrs_post_init__(self) -> None:
        if self.generate_audio and self.model_type != "Base":
            raise ValueError('generate_audio needs model_type="Base": Flash makes no audio (leave it out, or use Base)')

    @property
    def kind(self) -> tuple[str, str, int, bool]:
        """What the running time depends on: model, resolution, duration, audio."""
        return (self.model_type, self.resolution, self.duration, self.generate_audio)

    @property
    def redacted(self) -> Self:
        """The same request with URLs that hold no secret, as journals and results keep it."""
        last = self.last_image_url
        return attrs.evolve(
            self,
            image_url=_redact(self.image_url),
            last_image_url=None if last is None else _redact(last),
        )

    @property
    def fingerprint(self) -> str:
        """Names the request by its content: 16 hexadecimal digits.

        Query strings do not count, since presigned URLs change at every start of a program.
        """
        values = {name: getattr(self, field) for field, name in _REQUEST_NAMES.items()}
        body = {
            name: redact_url(value) if name.endswith("Url") else value
            for name, value in values.items()
            if value is not None and value is not False
        }
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


_REQUEST_NAMES = {field.name: vendor_name(field.name) for field in attrs.fields(ImageToVideo)}


class TaskStatus(StrEnum):
    """Where a task stands.

    Source: vendor's page, Task Status.
    """

    UNPROCESSED = "Unprocessed"
    PROCESSING = "Processing"
    SUCCESS = "Success"
    FAILED = "Failed"


@attrs.frozen
class TaskInput:
    """The parameters of a task as the API repeats them; `None` where it does not.

    Source: vendor's page, 2. Get Task Result, Response Fields `input.*`.
    """

    image_url: str | None = attrs.field(default=None, repr=_show_url)
    last_image_url: str | None = attrs.field(default=None, repr=_show_url)
    duration: int | None = None
    resolution: str | None = None
    model_type: str | None = None
    generate_audio: bool | None = None
    prompt: str | None = attrs.field(default=None, repr=_show_prompt)

    @property
    def kind(self) -> tuple[str, str, int, bool] | None:
        """As `ImageToVideo.kind`; `None` when the answer does not tell."""
        if self.resolution is None or self.duration is None:
            return None
        return (self.model_type or "Flash", self.resolution, self.duration, bool(self.generate_audio))


@attrs.frozen
class VideoOutput:
    """A finished video: where it is and how large.

    Attributes:
        result_url: URL of the MP4. It may expire: `AsyncClient.download` asks for a fresh one by itself.
        cover: URL of the cover picture.
        width: Pixels.
        height: Pixels.

    Source: vendor's page, 2. Get Task Result, Response Fields `output.*`.
    """

    result_url: str = attrs.field(repr=_show_url)
    cover: str | None = attrs.field(default=None, repr=_show_url)
    width: int | None = None
    height: int | None = None


@attrs.frozen
class Eta:
    """A forecast of the end of a task.

    Attributes:
        seconds: From now, at least 0.
        source: What it rests on: `"percentage"`, `"queue"` or `"history"`.
    """

    seconds: float
    source: str


@attrs.frozen
class Task:
    """One look at a task.

    Attributes:
        id: 64-bit task id.
        status: A `TaskStatus`, or the plain string where the API sent one we do not know. Such a task still runs,
            unless the word means an end, such as `"Cancelled"`, and there is no output.
        percentage: 0 to 100.
        wait_number: Tasks ahead in the queue; 0 means it is being processed.
        input: The parameters as the API repeats them.
        output: The video, once the status is `Success`.
        eta: When the end is expected, if anything is known about it.
        raw: The API's own object, for fields we do not know.

    Source: vendor's page, 2. Get Task Result, Response Fields.
    """

    id: int
    status: TaskStatus | str
    percentage: int = 0
    wait_number: int = 0
    input: TaskInput = attrs.field(factory=TaskInput)
    output: VideoOutput | None = None
    eta: Eta | None = None
    raw: Mapping[str, Any] = attrs.field(factory=dict[str, Any], repr=False, eq=False)

    @property
    def succeeded(self) -> bool:
        """The video is there."""
        return self.status == TaskStatus.SUCCESS

    @property
    def done(self) -> bool:
        """Nothing will change any more: `Success`, `Failed`, or another word for an end."""
        return self.status in (TaskStatus.SUCCESS, TaskStatus.FAILED) or self._ended_otherwise

    @property
    def refunded(self) -> bool | None:
        """Whether the service gives the credits back: it promises so for `Failed` only; `None`: it says nothing of it.

        Source: vendor's page, Credits Deduction.
        """
        return None if self._ended_otherwise else self.status == TaskStatus.FAILED

    def _repr_html_(self) -> str:
        """The video, where a notebook shows this task. Its URL may be signed: clear the output before you share it."""
        from ._notebook import about, show_video  # few programs are notebooks

        output = self.output or VideoOutput("")
        if self.done:
            size = f"{output.width} x {output.height}" if output.width and output.height else ""
            words = [f"task {self.id}: {self.status}", size]
        else:
            ahead = f"{self.wait_number} ahead in the queue" if self.wait_number else ""
            eta = about(None if self.eta is None else self.eta.seconds)
            words = [f"task {self.id}: {self.status}, {self.percentage} %", ahead, eta]
        caption = ", ".join(filter(None, words))
        return show_video(caption, output.result_url or None, output.cover, output.width)

    @property
    def _ended_otherwise(self) -> bool:
        known = isinstance(self.status, TaskStatus)
        return not known and self.output is None and _WORD.sub("", self.status.casefold()) in _ENDS


def is_refunded(task: Task | None) -> bool:
    """Only `Failed`, and 9038 in place of a task (`None`), promise that the service gives the credits back.

    Source: vendor's page, Credits Deduction.
    """
    return task is None or task.refunded is True


_WORD = re.compile(r"[\W_]+")
#: Words, without blanks, with which other services say that a task has ended without a result.
_ENDS = frozenset(
    {
        *("fail", "failed", "failure", "error", "errored", "invalid", "timeout", "timedout", "expired"),
        *("cancel", "canceled", "cancelled", "aborted", "terminated", "killed", "stopped", "revoked"),
        *("rejected", "refused", "denied", "blocked", "banned", "deleted", "removed"),
    }
)
