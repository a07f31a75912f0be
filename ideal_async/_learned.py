"""What finished jobs teach: how long jobs take, and what a percentage is worth. Recent jobs count most."""

import math
from collections.abc import Sequence

import attrs

# --- durations: a histogram over the logarithm of seconds ----------------------------------------------------------------

_RATIO = math.log(1.06)  # a cell is 6 % wide, finer than the 5 s between two looks tells the end of a job of 80 s
_LEAST = 1.0  # seconds; the lower edge of cell 0
_CELLS = 160  # up to 1.06 ** 160 s, about 3 h
_EDGES = [_LEAST * math.exp(_RATIO * i) for i in range(_CELLS + 1)]
_FORGET = 0.97  # a job counts half as much as one finished 23 jobs later


class Durations:
    """How long jobs of one kind took, in seconds."""

    __slots__ = ("_cells", "_gain", "_lived", "_running", "count", "total")

    def __init__(self) -> None:
        self.count = 0.0
        self.total = 0.0
        self._gain = 1.0
        self._cells = [0.0] * _CELLS
        self._running: list[float] = []
        self._lived: list[float] = []

    def learn(self, ends: Sequence[tuple[float, float]]) -> None:
        """Add one job that took so many seconds with such a probability, *ends* being pairs that sum to 1."""
        self.count = self.count * _FORGET + 1.0
        self._gain /= _FORGET
        if self._gain > 1e100:  # noqa: PLR2004  long before floats run out
            self._cells = [cell / self._gain for cell in self._cells]
            self.total /= self._gain
            self._gain = 1.0
        # One job could have taken a little more or less; many jobs say so themselves.
        width = min(0.3, max(0.05, 0.5 / math.sqrt(self.count)))
        reach = int(3.0 * width / _RATIO) + 1
        kernel = [math.exp(-0.5 * (i * _RATIO / width) ** 2) for i in range(-reach, reach + 1)]
        norm = self._gain / sum(kernel)
        for seconds, probability in ends:
            if probability < 1e-3:  # noqa: PLR2004
                continue
            at = int(math.log(max(seconds, _LEAST) / _LEAST) / _RATIO) - reach
            share = norm * probability
            for i, weight in enumerate(kernel, at):
                self._cells[min(max(i, 0), _CELLS - 1)] += weight * share
        self.total = self.total + self._gain
        self._lived = []

    def _prepare(self) -> None:
        running, lived, left, area = [1.0], [0.0], self.total, _LEAST
        lived[0] = area
        for i, cell in enumerate(self._cells):
            before = left
            left = max(left - cell, 0.0)
            running.append(left / self.total)
            area += (before + left) / (2 * self.total) * (_EDGES[i + 1] - _EDGES[i])
            lived.append(area)
        self._running, self._lived = running, lived

    def alive(self, seconds: float) -> tuple[float, float]:
        """Return the share of jobs that take longer than *seconds*, and its integral from 0."""
        if not self._lived:
            self._prepare()
        if seconds <= _LEAST:
            return 1.0, max(seconds, 0.0)
        i = int(math.log(seconds / _LEAST) / _RATIO)
        if i >= _CELLS:
            return 0.0, self._lived[_CELLS]
        left, right = self._running[i], self._running[i + 1]
        into = seconds - _EDGES[i]
        at = left + (right - left) * into / (_EDGES[i + 1] - _EDGES[i])
        return at, self._lived[i] + (left + at) / 2 * into

    @property
    def mean(self) -> float:
        """The mean, seconds."""
        return self.alive(1e9)[1]

    def spread(self) -> float:
        """The standard deviation of the logarithm."""
        if not self._lived:
            self._prepare()
        s1 = s2 = 0.0
        for i, cell in enumerate(self._cells):
            s1 += cell * i
            s2 += cell * i * i
        s1 /= self.total
        return math.sqrt(max(s2 / self.total - s1 * s1, 0.0)) * _RATIO


@attrs.frozen
class Elapsed:
    """The law of the seconds left to a job of this *age* if it is like the earlier ones."""

    durations: Durations
    age: float
    here: tuple[float, float]  # durations.alive(age)

    def alive(self, x: float) -> tuple[float, float]:
        """Return the chance to run longer than *x* seconds, and its integral."""
        running, lived = self.here
        then, until = self.durations.alive(self.age + x)
        return then / running, (until - lived) / running


# --- percentages: how far the straight line was off ---------------------------------------------------------------------

_KNOTS = (1, 3, 6, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 94, 97, 99, 100)


@attrs.define
class Errors:
    """A running mean and variance of logarithms of (what was / what was foretold)."""

    count: float = 0.0
    mean: float = 0.0
    square: float = 0.0  # sum of squared deviations

    def learn(self, value: float, weight: float, noise: float) -> None:
        """Add a value known up to a variance of *noise*."""
        keep = 1.0 - 0.1 * weight
        self.count = self.count * keep + weight
        self.square *= keep
        off = value - self.mean
        self.mean += off * weight / self.count
        self.square += weight * (off * (value - self.mean) + noise)


class Curve:
    """How long it took from each percentage to the end, compared with what a straight line would have said."""

    __slots__ = ("_knots", "prior")

    def __init__(self, prior: "Curve | None" = None) -> None:
        self._knots: dict[int, Errors] = {}
        self.prior = prior

    def _weights(self, percentage: float) -> list[tuple[int, float]]:
        for i, knot in enumerate(_KNOTS):
            if percentage <= knot:
                if percentage == knot or i == 0:
                    return [(i, 1.0)]
                if knot >= 99:  # noqa: PLR2004  98 is no hint of what 99 means
                    return [(i - 1, 1.0)]
                share = (percentage - _KNOTS[i - 1]) / (knot - _KNOTS[i - 1])
                return [(i - 1, 1.0 - share), (i, share)]
        return [(len(_KNOTS) - 1, 1.0)]

    def learn(self, percentage: float, error: float, noise: float) -> None:
        """Add what one finished job showed at *percentage*."""
        for i, weight in self._weights(percentage):
            if weight > 0.05:  # noqa: PLR2004
                self._knots.setdefault(i, Errors()).learn(error, weight, noise)
        if self.prior is not None:
            self.prior.learn(percentage, error, noise)

    def at(self, percentage: float, doubt: float) -> tuple[float, float]:
        """Return the mean and the variance of the error at *percentage*, *doubt* being the variance without evidence."""
        mean = variance = 0.0
        for i, weight in self._weights(percentage):
            one = self._knot(i, doubt)
            mean += weight * one[0]
            variance += weight * one[1]
        return mean, variance

    def _knot(self, i: int, doubt: float) -> tuple[float, float]:
        mean, variance = self.prior._knot(i, doubt) if self.prior else (0.0, doubt)
        seen = self._knots.get(i)
        if seen is None:
            return mean, variance
        # normal with unknown mean and variance, the prior worth one job (mean) and two jobs (variance)
        n = seen.count
        off = seen.mean - mean
        return (
            mean + off * n / (n + 1.0),
            (2.0 * variance + seen.square + off * off * n / (n + 1.0)) / (n + 2.0) * (1.0 + 1.0 / (n + 1.0)),
        )
