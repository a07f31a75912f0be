"""Survival functions of the seconds that a running task has left.

A survival function S is counted from the moment the task was last seen running: S(x) is the chance that the task still
runs x seconds later. Its integral from 0 to x, the restricted mean, is how many of those x seconds it can be expected
to run.
"""

import math
from collections.abc import Sequence
from typing import Protocol

_DAY = 86_400.0  # seconds; a prediction beyond it is of no use to anybody


class Survival(Protocol):
    """A survival function."""

    def chance(self, x: float) -> float:
        """Return S(x)."""
        ...

    def chance_and_mean(self, x: float) -> tuple[float, float]:
        """Return S(x) and its integral from 0 to *x*, at little more than the cost of the first."""
        ...


class ParetoPrior:
    """S(x) = (age / (age + x))^2: the task ends within the next second with chance 2 / *age*.

    A Pareto distribution of the second kind (Lomax). Its hazard falls with age, so that a task which has taken long
    already, and about which nothing else is known, is looked at less often: right for heavy tails, and of little harm
    where there are none.
    """

    __slots__ = ("age",)

    def __init__(self, age: float) -> None:
        self.age = age

    def chance(self, x: float) -> float:
        """Return S(x)."""
        ratio = self.age / (self.age + x)
        return ratio * ratio

    def chance_and_mean(self, x: float) -> tuple[float, float]:
        """Return S(x) and its integral from 0 to *x*."""
        ratio = self.age / (self.age + x)
        return ratio * ratio, ratio * x


class Logistic:
    """A logistic distribution around *location*, predicted *ago* seconds ago, of a task that has not ended since.

    Its tails are longer than those of a normal distribution, as suits a forecast, and its integral is elementary.
    """

    __slots__ = ("_area", "_norm", "_z0", "location", "scale")

    def __init__(self, location: float, scale: float, *, ago: float = 0.0) -> None:
        self.location = location - ago
        self.scale = scale
        # Further out than 30 scales the tail is exponential to the last digit of a float.
        self._z0 = min(-self.location / scale, 30.0)
        self._norm = 1.0 + math.exp(self._z0)
        self._area = _softplus(-self._z0)

    def chance(self, x: float) -> float:
        """Return S(x)."""
        z = self._z0 + x / self.scale
        return self._norm / (1.0 + math.exp(z)) if z < 700.0 else 0.0  # noqa: PLR2004 - exp overflows at 710

    def chance_and_mean(self, x: float) -> tuple[float, float]:
        """Return S(x) and its integral from 0 to *x*."""
        z = self._z0 + x / self.scale
        # log(1 + exp(-z)) is the area beyond x; written so that neither side overflows.
        if z > 0.0:
            power = math.exp(-z)
            share, beyond = power / (1.0 + power), math.log1p(power)
        else:
            power = math.exp(z)
            share, beyond = 1.0 / (1.0 + power), math.log1p(power) - z
        return self._norm * share, self._norm * self.scale * (self._area - beyond)


def _softplus(z: float) -> float:
    """Return log(1 + exp(z)) without overflow."""
    return z + math.log1p(math.exp(-z)) if z > 0 else math.log1p(math.exp(z))


class Mixture:
    """Several survival functions, each right with some chance."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[tuple[float, Survival]]) -> None:
        self.parts = parts  # the chances sum to 1

    def chance(self, x: float) -> float:
        """Return S(x)."""
        total = 0.0
        for weight, survival in self.parts:
            total += weight * survival.chance(x)
        return total

    def chance_and_mean(self, x: float) -> tuple[float, float]:
        """Return S(x) and its integral from 0 to *x*."""
        total = seconds = 0.0
        for weight, survival in self.parts:
            chance, mean = survival.chance_and_mean(x)
            total += weight * chance
            seconds += weight * mean
        return total, seconds


def median(survival: Survival, passed: float) -> float:
    """Return the median of the seconds left *passed* seconds from now, for a task that still runs then.

    Found by bisection, to a tenth of a second; at most about a day.
    """
    half = survival.chance(passed) / 2.0
    low, high = passed, passed + 1.0
    while survival.chance(high) > half and high - passed < _DAY:
        low, high = high, passed + 2.0 * (high - passed)
    while high - low > 0.1:  # noqa: PLR2004 - a tenth of a second
        middle = (low + high) / 2.0
        low, high = (middle, high) if survival.chance(middle) > half else (low, middle)
    return high - passed
