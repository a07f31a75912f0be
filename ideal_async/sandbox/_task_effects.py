"""What can go wrong with a task, as values. Each prints as the words that `_script` reads."""

import math
from typing import Literal

import attrs

from ._spelling import plain, write_value

#: What a result URL looks like while it is not there yet.
UrlForm = Literal["empty", "null", "missing", "relative"]


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


TaskEffect = Fail | Prohibit | Percentage | Takes | LateUrl | LateFile | Sign
