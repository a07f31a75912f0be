"""Scripted faults as values: what goes wrong, and at which call. Each prints as the words that `_script` reads."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal

import attrs

from ._timing import roll

Call = Literal["submit", "look", "download", "task"]


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
    """Another answer than the true one: an HTTP *status* with a line of text, an HTML page or an error *code*.

    *after* gives it once the service did its work (the task exists); *retry_after* is in seconds.
    """

    status: int = attrs.field(validator=[attrs.validators.ge(200), attrs.validators.le(599)])
    code: int | None = None
    html: bool = False
    retry_after: int | None = None
    after: bool = False

    def __str__(self) -> str:
        body = " html" if self.html else "" if self.code is None else f" code {self.code}"
        wait = "" if self.retry_after is None else f" retry-after {self.retry_after}"
        return f"{self.status}{body}{wait}{' after' if self.after else ''}"


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
class Expire:
    """The result URL has expired: HTTP 403, as from a presigned URL."""

    def __str__(self) -> str:
        return "expired"


@attrs.frozen
class Show:
    """Fields of a look's `data` are replaced or added, e.g. an unknown status or a percentage that goes backwards."""

    fields: dict[str, Any]

    def __str__(self) -> str:
        return " ".join(["show", *(f"{name}={_write_value(value)}" for name, value in self.fields.items())])


@attrs.frozen
class Fail:
    """The task ends as Failed and is refunded."""

    def __str__(self) -> str:
        return "fail"


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


CallEffect = Drop | Respond | Delay | Truncate | Cut | Expire | Show
TaskEffect = Fail | Prohibit | Percentage | Takes
Effect = CallEffect | TaskEffect

#: Which effects make sense at which call.
EFFECTS: dict[str, tuple[type, ...]] = {
    "submit": (Drop, Respond, Delay, Truncate, Cut),
    "look": (Drop, Respond, Delay, Truncate, Cut, Show),
    "download": (Drop, Respond, Delay, Truncate, Cut, Expire),
    "task": (Fail, Prohibit, Percentage, Takes),
}


@attrs.frozen
class When:
    """Which of the calls, counted from 1: those in *ranges*, of them every *every*th, of them a *chance* (0 to 1).

    >>> [count for count in range(1, 10) if count in When(((2, 3), (7, None)))]
    [2, 3, 7, 8, 9]
    """

    ranges: tuple[tuple[int, int | None], ...] = ((1, None),)
    every: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    chance: float = attrs.field(default=1.0, validator=[attrs.validators.ge(0), attrs.validators.le(1)])

    def __contains__(self, count: int) -> bool:
        """Whether the *count*th call is meant, dice aside."""
        named = any(first <= count and (last is None or count <= last) for first, last in self.ranges)
        return named and count % self.every == 0

    def __str__(self) -> str:
        ranges = ",".join(
            str(first) if first == last else f"{first}-{'' if last is None else last}" for first, last in self.ranges
        )
        words = [
            "" if ranges == "1-" else ranges,
            "" if self.every == 1 else f"every {self.every}",
            "" if self.chance == 1 else f"{plain(self.chance * 100)}%",
        ]
        return " ".join(filter(None, words))


@attrs.frozen
class Fault:
    """An effect on certain calls; *of_task* counts only the looks at, or downloads of, the so-manyth task.

    >>> print(Fault("submit", Drop(after=True), When(((2, 2),))))
    submit 2: drop after
    """

    call: Call = attrs.field(validator=attrs.validators.in_(EFFECTS))
    effect: Effect
    when: When = When()
    of_task: int | None = None

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.effect, EFFECTS[self.call]):
            names = ", ".join(kind.__name__ for kind in EFFECTS[self.call])
            problem = f"{type(self.effect).__name__} cannot happen to a {self.call}: choose from {names}"
            raise ValueError(problem)  # noqa: TRY004 - it is an effect; only its place is wrong

    def __str__(self) -> str:
        task = "" if self.of_task is None else f"of task {self.of_task}"
        return f"{' '.join(filter(None, [self.call, str(self.when), task]))}: {self.effect}"


class Script:
    """Faults and the calls counted so far. Counting starts when the script is given.

    >>> script = Script([Fault("look", Delay(2.0), When(((2, 2),)))])
    >>> script.on_call("look"), script.on_call("look")
    ([], [Delay(seconds=2.0)])
    """

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        self.faults = tuple(faults)
        self._seed = seed
        self._counts: Counter[tuple[str, int | None]] = Counter()
        self._tasks: dict[int, int] = {}

    def on_call(self, call: Literal["submit", "look", "download"], task_id: int | None = None) -> list[CallEffect]:
        """The effects on the call that is happening now, about *task_id*."""
        task = None if task_id is None else self._tasks.get(task_id)
        if task is not None:
            self._counts[call, task] += 1
        return self._effects(call, task)

    def on_task(self) -> list[TaskEffect]:
        """The effects on the task that is about to be created."""
        return self._effects("task", None)

    def name_task(self, task_id: int) -> None:
        """The task just created is the next one."""
        self._tasks[task_id] = len(self._tasks) + 1

    def _effects(self, call: Call, task: int | None) -> list[Any]:
        self._counts[call, None] += 1
        effects: list[Effect] = []
        for number, fault in enumerate(self.faults):
            if fault.call != call or fault.of_task not in {None, task}:
                continue
            count = self._counts[call, fault.of_task]
            if count in fault.when and roll(self._seed, "fault", number, count) < fault.when.chance:
                effects.append(fault.effect)
        return effects


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


def _write_value(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_]\w*", value, re.ASCII) and read_value(value) == value:
        return value
    # A script's words stand between spaces, so those inside a value are escaped.
    return json.dumps(value, separators=(",", ":")).replace(" ", "\\u0020").replace("#", "\\u0023")
