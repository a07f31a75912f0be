"""Laws of the seconds a running job has left, as far as the next look needs them.

A law is counted from the moment the job was last seen running, and answers two questions: the chance that it still runs
x seconds later, and how many of these x seconds it is expected to run (the integral of the chance).
"""

import math
from collections.abc import Sequence
from typing import Protocol


class Law(Protocol):
    """The law of the seconds left."""

    def alive(self, x: float) -> float:
        """Return the chance to run longer than *x* seconds."""
        ...

    def both(self, x: float) -> tuple[float, float]:
        """Return it together with how many of the next *x* seconds the job is expected to run: nearly as cheap."""
        ...


class Vague:
    """Knows an order of magnitude and nothing else: a job of *age* seconds ends within a second with chance 2 / *age*.

    A Pareto law of the second kind. Its hazard falls with age, so that who knows nothing about a job that has taken
    long already looks less often: as heavy tails require, and at little loss where there is none.
    """

    __slots__ = ("age",)

    def __init__(self, age: float) -> None:
        self.age = age

    def alive(self, x: float) -> float:
        """Return the chance to run longer than *x* seconds."""
        share = self.age / (self.age + x)
        return share * share

    def both(self, x: float) -> tuple[float, float]:
        """Return it together with how many of the next *x* seconds the job is expected to run."""
        share = self.age / (self.age + x)
        return share * share, share * x


class Peak:
    """Expected, *ago* seconds ago, the end in *middle* seconds, give or take *scale*; it has not come yet.

    A logistic law: its tails are longer than the normal's, as suits a forecast, and its integral is elementary.
    """

    __slots__ = ("_area", "_grown", "_now", "middle", "scale")

    def __init__(self, middle: float, scale: float, *, ago: float = 0.0) -> None:
        self.middle = middle - ago
        self.scale = scale
        # Beyond 30 scales the tail is an exponential to the last digit of a float.
        self._now = min(-self.middle / scale, 30.0)
        self._grown = 1.0 + math.exp(self._now)
        self._area = _softplus(-self._now)

    def alive(self, x: float) -> float:
        """Return the chance to run longer than *x* seconds."""
        then = self._now + x / self.scale
        return self._grown / (1.0 + math.exp(then)) if then < 700.0 else 0.0  # noqa: PLR2004 - exp overflows at 710

    def both(self, x: float) -> tuple[float, float]:
        """Return it together with how many of the next *x* seconds the job is expected to run."""
        then = self._now + x / self.scale
        # log(1 + exp(-then)) is what is left of the area; without overflow on either side.
        if then > 0.0:
            shrunk = math.exp(-then)
            share, left = shrunk / (1.0 + shrunk), math.log1p(shrunk)
        else:
            shrunk = math.exp(then)
            share, left = 1.0 / (1.0 + shrunk), math.log1p(shrunk) - then
        return self._grown * share, self._grown * self.scale * (self._area - left)


def _softplus(z: float) -> float:
    """Return log(1 + exp(z)) without overflow."""
    return z + math.log1p(math.exp(-z)) if z > 0 else math.log1p(math.exp(z))


class Mixture:
    """Several laws, each right with some chance."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[tuple[float, Law]]) -> None:
        self.parts = parts  # the chances sum to 1

    def alive(self, x: float) -> float:
        """Return the chance to run longer than *x* seconds."""
        chance = 0.0
        for weight, law in self.parts:
            chance += weight * law.alive(x)
        return chance

    def both(self, x: float) -> tuple[float, float]:
        """Return it together with how many of the next *x* seconds the job is expected to run."""
        chance = seconds = 0.0
        for weight, law in self.parts:
            alive, lived = law.both(x)
            chance += weight * alive
            seconds += weight * lived
        return chance, seconds


def median(law: Law, passed: float) -> float:
    """Return the seconds after which half of the jobs are over that are not over *passed* seconds from now.

    Found by bisection, to a tenth of a second; at most a day.
    """
    half = law.alive(passed) / 2.0
    low, high = passed, passed + 1.0
    while law.alive(high) > half and high - passed < 86_400.0:  # noqa: PLR2004 - a day
        low, high = high, passed + 2.0 * (high - passed)
    while high - low > 0.1:  # noqa: PLR2004 - a tenth of a second
        middle = (low + high) / 2.0
        low, high = (middle, high) if law.alive(middle) > half else (low, middle)
    return high - passed
