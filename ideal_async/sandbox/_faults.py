"""Scripted faults: an effect, and the calls it strikes."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal

import attrs

from ._effects import EFFECTS, CallEffect, Effect
from ._spelling import plain
from ._task_effects import TaskEffect
from ._timing import roll

Call = Literal["submit", "look", "download", "task"]


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
