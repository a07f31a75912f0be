"""What a client may ask for: reading a request body or a query, or refusing it with the documented code."""

import json
import re
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import attrs

from ._codes import PARAM_ERROR, SCAN_TEXT_ERROR, Refused
from ._prices import price

MODEL_TYPES = ("Flash", "Base")
RESOLUTIONS = ("480p", "720p", "1080p")
DURATIONS = (5, 10)

#: What the clip measures when nothing is rendered, in pixels. The page shows 1280x720 for 720p.
SIZES = {"480p": (854, 480), "720p": (1280, 720), "1080p": (1920, 1080)}

#: A prompt with one of these words fails text review (9010). The vendor publishes no list: this one is ours.
REVIEWED_WORDS = ("gore", "nsfw", "nude", "weapon")

#: A prompt with this word passes review, is paid for, and ends as prohibited output (9038) with a refund.
PROHIBITED_WORD = "prohibited"

#: Longest URL taken, in characters: what browsers and CDNs are known to carry.
URL_LIMIT = 2048

#: Task ids are a Java `long`.
LARGEST_ID = 2**63 - 1


@attrs.frozen
class Order:
    """A valid request body of "Create Image to Video Task", defaults filled in."""

    image_url: str
    duration: int
    resolution: str
    model_type: str = "Flash"
    generate_audio: bool = False
    prompt: str | None = None
    last_image_url: str | None = None

    @property
    def credits(self) -> int:
        """What the vendor's table says it costs."""
        return price(self.model_type, self.resolution, self.duration, audio=self.generate_audio)

    def echo(self) -> dict[str, Any]:
        """The `input` object of a look: the page's fields in the page's order, optional ones only where they apply."""
        shown: dict[str, Any] = {"imageUrl": self.image_url}
        if self.last_image_url is not None:
            shown["lastImageUrl"] = self.last_image_url  # "only present in first-last frame mode"
        shown |= {"duration": self.duration, "resolution": self.resolution, "modelType": self.model_type}
        if self.model_type == "Base":
            shown["generateAudio"] = self.generate_audio  # "Base model only"
        if self.prompt is not None:
            shown["prompt"] = self.prompt  # "if provided"
        return shown


def read_order(body: bytes) -> Order:
    """The order in a request *body*.

    Raises:
        Refused: 1011 for anything the page does not allow, 9010 for a prompt that fails text review.

    """
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(PARAM_ERROR, "the body is not valid JSON") from None
    if not isinstance(parsed, dict):
        raise Refused(PARAM_ERROR, "the body must be a JSON object")
    fields = cast("dict[str, Any]", parsed)
    for name in ("imageUrl", "duration", "resolution"):
        if name not in fields:
            raise Refused(PARAM_ERROR, f"{name} is required")
    order = Order(
        image_url=_read_url(fields, "imageUrl"),
        duration=_read_choice(fields, "duration", DURATIONS),
        resolution=_read_choice(fields, "resolution", RESOLUTIONS),
        model_type=_read_choice(fields, "modelType", MODEL_TYPES, "Flash"),
        generate_audio=_read(fields, "generateAudio", bool, "a boolean", default=False),
        prompt=_read(fields, "prompt", str, "a string", default=None),
        last_image_url=_read_url(fields, "lastImageUrl") if "lastImageUrl" in fields else None,
    )
    if order.generate_audio and order.model_type != "Base":
        raise Refused(PARAM_ERROR, "generateAudio is only applicable when modelType is Base")
    if order.prompt is not None and REVIEWED.search(order.prompt):
        raise Refused(SCAN_TEXT_ERROR)
    return order


def read_task_id(query: bytes) -> int:
    """The `taskId` of a *query* string.

    Raises:
        Refused: 1011 when it is missing, given twice, or no 64-bit decimal number.

    """
    values = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("taskId", [])
    if not values:
        raise Refused(PARAM_ERROR, "taskId is required")
    if len(values) > 1:
        raise Refused(PARAM_ERROR, "taskId is given more than once")
    # Nineteen digits at most: int() of a very long string is slow on purpose.
    if not re.fullmatch(r"[0-9]{1,19}", values[0]) or int(values[0]) > LARGEST_ID:
        raise Refused(PARAM_ERROR, "taskId must be a 64-bit decimal number")
    return int(values[0])


REVIEWED = re.compile(rf"\b({'|'.join(REVIEWED_WORDS)})\b", re.IGNORECASE)


def _read(fields: dict[str, Any], name: str, kind: type, wanted: str, *, default: Any) -> Any:
    value = fields.get(name, default)
    # `type(...) is`, because a JSON true is no integer whatever Python thinks; a null is not "left out" either.
    if name in fields and type(value) is not kind:
        raise Refused(PARAM_ERROR, f"{name} must be {wanted}")
    return value


def _read_choice(fields: dict[str, Any], name: str, choices: tuple[Any, ...], default: Any = None) -> Any:
    kind = cast("type[object]", type(choices[0]))
    value = _read(fields, name, kind, "an integer" if kind is int else "a string", default=default)
    if value not in choices:
        raise Refused(PARAM_ERROR, f"{name} must be one of {', '.join(map(str, choices))}")
    return value


def _read_url(fields: dict[str, Any], name: str) -> str:
    value: str = _read(fields, name, str, "a string", default=None)
    if len(value) > URL_LIMIT:
        raise Refused(PARAM_ERROR, f"{name} is longer than {URL_LIMIT} characters")
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        parts = urlsplit("")
    clean = not re.search(r"[\x00-\x20\x7f\ud800-\udfff]", value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not clean:
        raise Refused(PARAM_ERROR, f"{name} must be an http or https URL")
    return value
