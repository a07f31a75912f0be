"""The vendor's JSON to our values and back: camelCase, the envelope, data or an error."""

import math
from functools import cache
from typing import Any, NoReturn, cast

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from ._errors import UnexpectedAnswer
from ._models import ImageToVideo, Task, TaskInput, TaskStatus, VideoOutput, vendor_name

_BEYOND_64_BITS = 2**64
_LONGEST_ID = 20  # digits of the largest unsigned 64-bit number


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


def _read_count(value: object, _: Any) -> int:
    """Read a percentage, a place in the queue or a number of pixels; a `null` counts as 0, a fraction is cut off."""
    if isinstance(value, float) and math.isfinite(value):
        return int(value)
    return 0 if value is None else read_id(value, int)


def _keep(value: Any, _: Any) -> Any:
    return value


def _read_flag(value: object, _: Any) -> bool:
    return value if isinstance(value, bool) else _refuse("true or false", value)


def _read_text(value: object, _: Any) -> str:
    return value if isinstance(value, str) else _refuse("string", value)


def _read_status(value: object, _: Any) -> TaskStatus | str:
    text = _read_text(value, str)
    return TaskStatus(text) if text in _STATUSES else text


_STATUSES = frozenset(TaskStatus)


@cache
def _converter() -> cattrs.Converter:
    """Built at its first use: it writes and compiles code, which importing the package need not wait for."""
    converter = cattrs.Converter(detailed_validation=True)
    converter.register_structure_hook(int, _read_count)
    converter.register_structure_hook(bool, _read_flag)  # a bool is an int, and would be read as a count
    converter.register_structure_hook(str, _read_text)
    converter.register_structure_hook(TaskStatus | str, _read_status)
    for model in (TaskInput, VideoOutput, Task):
        names = {field.name: override(rename=vendor_name(field.name)) for field in attrs.fields(model)}
        if model is Task:
            names["id"] = override(struct_hook=read_id)
            names["raw"] = names["input"] = override(struct_hook=_keep)
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
    """Read what the API repeats of a request; an echo that cannot be read is no reason to lose sight of a paid task."""
    try:
        return _converter().structure({} if echo is None else echo, TaskInput)
    except (cattrs.BaseValidationError, TypeError):
        return TaskInput()


def _say(error: BaseException, _: Any) -> str:
    """Put a problem into words that repeat nothing of the answer."""
    match error:
        case KeyError():
            return "required field missing"
        case ValueError():
            return str(error)
        case _:
            return "object expected"


def _in_their_words(problem: str) -> str:
    """Cattrs names our fields; whoever reads this looks for the vendor's."""
    what, at, where = problem.partition(" @ ")
    return what + at + vendor_name(where)


def _has_result(output: Any) -> bool:
    match output:
        case {"resultUrl": url}:
            return bool(url)
        case _:
            return False


def read_task(data: Any, *, http_status: int = 200) -> Task:
    """Read a task out of the `data` of *Get Task Result*; what is not needed to follow it is read leniently.

    Raises:
        UnexpectedAnswer: It is no task; `.problems` lists why.
    """
    if not isinstance(data, dict):
        raise UnexpectedAnswer(["object expected @ $.data"], http_status=http_status)
    data = cast("dict[str, Any]", data)
    fields: dict[str, Any] = {**data, "raw": data, "input": _read_input(data.get("input"))}
    if fields.get("status") != TaskStatus.SUCCESS and not _has_result(fields.get("output")):
        fields["output"] = None  # the frame of an output that is not there yet
    try:
        task = _converter().structure(fields, Task)
    except cattrs.BaseValidationError as error:
        problems = [_in_their_words(line) for line in cattrs.transform_error(error, "$.data", format_exception=_say)]
        raise UnexpectedAnswer(problems, http_status=http_status) from None
    if task.succeeded and task.output is None:
        raise UnexpectedAnswer(["required field missing @ $.data.output"], http_status=http_status)
    return task
