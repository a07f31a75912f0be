"""The vendor's JSON to our values and back; what is not needed to follow a task is read leniently."""

from decimal import Decimal
from functools import cache
from typing import Any, NoReturn, cast
from urllib.parse import urlsplit

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from ._errors import UnexpectedAnswer
from ._models import ImageToVideo, Task, TaskInput, TaskStatus, VideoOutput, shorten, vendor_name

#: Bytes. An answer of the vendor's page has about 600; a megabyte is a gateway gone wrong.
LARGEST_ANSWER = 1 << 20
_BEYOND_64_BITS = 2**64
_LONGEST_ID = 20  # digits of the largest unsigned 64-bit number
_LONGEST_NUMBER = 40  # characters of a percentage, whoever writes it
_ALL = 100  # per cent


def _refuse(what: str, value: object) -> NoReturn:
    raise ValueError(f"{what} expected, not {type(value).__name__}")


def read_id(value: object, _: Any = int) -> int:
    """Read a 64-bit number exactly: JavaScript gateways send it as a string, and a float has lost digits already.

    Raises:
        ValueError: It is none.
    """
    number = value
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _LONGEST_ID:
        number = int(value)
    if isinstance(number, int) and not isinstance(number, bool) and abs(number) < _BEYOND_64_BITS:
        return number
    _refuse("64-bit integer", value)


def is_id(value: object) -> bool:
    """Tell whether *value* can be the id of a task."""
    try:
        return read_id(value) > 0
    except ValueError:
        return False


def _is_same_id(found: int, asked: int) -> bool:
    """JavaScript on the way rounds an id to 53 bits, and may write it with zeros at its end."""
    rounded = float(asked)
    return found in {asked, int(rounded), int(Decimal(repr(rounded)))}


def _find_id(value: object) -> int | None:
    """Return the id in an answer, even if it has lost digits; `None`: there is none to be read."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        value = value.strip()
    return read_id(value) if is_id(value) else None


def _find_number(value: object) -> float | None:
    """Read a number for watching, however it is written: 30, 30.5, "30%"."""
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER:
        try:
            value = float(value.strip().removesuffix("%"))
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _BEYOND_64_BITS:
        return None
    return value


def _read_count(value: object, _: Any) -> int:
    """Read a percentage, or a place in the queue; what cannot be read counts as 0, a fraction is cut off."""
    return max(0, int(_find_number(value) or 0))


def _read_size(value: object, _: Any) -> int | None:
    found = _find_number(value)
    return None if found is None else int(found)


def _read_flag(value: object, _: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _read_text(value: object, _: Any) -> str | None:
    return value if isinstance(value, str) else None


def _read_status(value: object) -> TaskStatus | str:
    """Read a status: case and blanks do not count, and one that is missing is an unknown one."""
    text = value.strip() if isinstance(value, str) else "" if value is None else str(value)
    return _STATUSES.get(text.casefold()) or shorten(text)


_STATUSES = {status.casefold(): status for status in TaskStatus}


def _keep(value: Any, _: Any) -> Any:
    return value


@cache
def _converter() -> cattrs.Converter:
    """Built at its first use: it writes and compiles code, which importing the package need not wait for."""
    converter = cattrs.Converter()
    # A side field that cannot be read is unknown, never an error: the task is paid.
    converter.register_structure_hook(int, _read_count)
    converter.register_structure_hook(int | None, _read_size)
    converter.register_structure_hook(bool | None, _read_flag)
    converter.register_structure_hook(str | None, _read_text)
    for model in (TaskInput, VideoOutput, Task):
        names = {field.name: override(rename=vendor_name(field.name)) for field in attrs.fields(model)}
        if model is Task:
            for name in ("id", "status", "input", "output", "raw"):
                names[name] = override(struct_hook=_keep)
            names["eta"] = override(omit=True)
        hook = make_dict_structure_fn(model, converter, **names)  # type: ignore[arg-type]  # overrides by field name
        converter.register_structure_hook(model, hook)
    names = {field.name: override(rename=vendor_name(field.name)) for field in attrs.fields(ImageToVideo)}
    converter.register_unstructure_hook(ImageToVideo, make_dict_unstructure_fn(ImageToVideo, converter, **names))  # type: ignore[arg-type]
    return converter


def write_request(request: ImageToVideo) -> dict[str, Any]:
    """Turn a request into the vendor's JSON object; what was not asked for is left out.

    Source: vendor's page, 1. Create Image to Video Task, Request Body.
    """
    body: dict[str, Any] = _converter().unstructure(request)
    return {name: value for name, value in body.items() if value is not None and value is not False}


def read_task_id(data: Any) -> int:
    """Read the id out of the `data` of *Create Image to Video Task*.

    Raises:
        ValueError: It is no positive integer.
    """
    task_id = read_id(data, int)
    return task_id if task_id > 0 else _refuse("positive integer", data)


def _read_input(echo: Any) -> TaskInput:
    """Read what the API repeats of a request."""
    return _converter().structure(echo if isinstance(echo, dict) else {}, TaskInput)


def _read_output(output: Any) -> VideoOutput | None:
    """Read where the video is; `None`: nowhere yet."""
    match output:
        case [{**only}]:
            output = only
        case str() if is_absolute(output.strip()):
            output = {"resultUrl": output}
        case _:
            pass
    match output:
        case {"resultUrl": str(url)} if url.strip():
            cover = output.get("cover")
            cover = cover.strip() or None if isinstance(cover, str) else None
            return _converter().structure({**output, "resultUrl": url.strip(), "cover": cover}, VideoOutput)
        case _:
            return None


def is_absolute(url: str) -> bool:
    """Tell whether a URL leads to a host of the web."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def read_task(data: Any, *, task_id: int | None = None, http_status: int = 200) -> Task:
    """Read a task out of the `data` of *Get Task Result*.

    Only what identifies a task matters, and what delivers: its id, where it is another one's, and the URL of its video.

    Args:
        data: As it came.
        task_id: Of the task that was asked about; `None`: it has to be in there.
        http_status: Of the answer.

    Raises:
        UnexpectedAnswer: It is no task, or another one; `.problems` lists why.
    """
    fields = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    if not fields.keys() & {"id", "status", "output"}:
        problem = "id, status and output missing" if isinstance(data, dict) else "object expected"
        raise UnexpectedAnswer([f"{problem} @ $.data"], http_status=http_status)
    found = _find_id(fields.get("id"))
    if task_id is None:
        try:
            task_id = read_id(fields.get("id"))
        except ValueError as error:
            raise UnexpectedAnswer([f"{error} @ $.data.id"], http_status=http_status) from None
    elif found is not None and not _is_same_id(found, task_id):  # a cache that does not read the query?
        raise UnexpectedAnswer(["another task's id @ $.data.id"], http_status=http_status)
    read = {
        **fields,
        "id": task_id,
        "status": _read_status(fields.get("status")),
        "input": _read_input(fields.get("input")),
        "output": _read_output(fields.get("output")),
        "raw": fields,
    }
    task = _converter().structure(read, Task)
    return task if task.percentage <= _ALL else attrs.evolve(task, percentage=_ALL)
