"""What a percentage is worth: which share of its time a task has used up when it shows one."""

import math

_FORGET_RESIDUALS = 0.05  # share of the earlier ones that a new one displaces: about the last twenty count; flat


class Residuals:
    """How far forecasts were off: a running mean and sum of squares that forgets."""

    __slots__ = ("count", "mean", "square")

    def __init__(self, *, mean: float = 0.0) -> None:
        self.mean = mean
        self.count = self.square = 0.0

    def learn(self, residual: float, *, weight: float, noise: float) -> None:
        """Add what was left of an error after subtracting the mean; its own measurement has a variance of *noise*."""
        keep = 1.0 - _FORGET_RESIDUALS * weight
        self.count = self.count * keep + weight
        step = residual * weight / self.count
        self.mean += step
        self.square = self.square * keep + weight * (residual * (residual - step) + noise)

    def estimate(self, mean: float, variance: float) -> tuple[float, float]:
        """Return mean and variance of the next error, given the prior *mean* and *variance*.

        The prior counts as one more observation; how far it was off adds to the variance.
        """
        n = self.count + 1.0
        shift = (mean - self.mean) / n
        return self.mean + shift, (variance + self.square) / n * (1.0 + 1.0 / n) + shift * shift


#: Finer at the beginning, which services rush through, and at the end, where they get stuck.
_KNOTS = (1, 3, 6, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 100)


def _interpolation(percentage: int) -> tuple[tuple[int, float], ...]:
    """Return the knots on both sides of *percentage*, with the weights of a linear interpolation."""
    right = next(i for i, knot in enumerate(_KNOTS) if knot >= percentage)
    if right == 0 or _KNOTS[right] == percentage:
        return ((right, 1.0),)
    share = (percentage - _KNOTS[right - 1]) / (_KNOTS[right] - _KNOTS[right - 1])
    return ((right - 1, 1.0 - share), (right, share))


_WEIGHTS = tuple(_interpolation(percentage) for percentage in range(101))


def work_done(percentage: int) -> float:
    """Return the share of the work that *percentage* stands for: the middle of the values that are cut to it."""
    return min(percentage + 0.5, 99.9) / 100.0


class ProgressCurve:
    """The share of its time that a task has used up when it shows a percentage.

    A straight line at first; once tasks have ended, a piecewise linear curve through what they showed.

    Args:
        parent: The curve of all kinds, which a kind starts from.
    """

    __slots__ = ("_parent", "_residuals")

    def __init__(self, parent: "ProgressCurve | None" = None) -> None:
        self._residuals: list[Residuals | None] = [None] * len(_KNOTS)
        self._parent = parent

    def learn(self, percentage: int, share: float, noise: float) -> None:
        """Add that *percentage* was shown at *share* of the time; *noise* is the variance of that share."""
        around = [(self._residuals_at(i), weight) for i, weight in _WEIGHTS[percentage]]
        residual = share - work_done(percentage) - sum(weight * residuals.mean for residuals, weight in around)
        for residuals, weight in around:
            residuals.learn(residual, weight=weight, noise=noise)
        if self._parent is not None:
            self._parent.learn(percentage, share, noise)

    def _residuals_at(self, i: int) -> Residuals:
        """Return the residuals at a knot, which start from what other kinds have shown."""
        residuals = self._residuals[i]
        if residuals is None:
            residuals = self._residuals[i] = Residuals(mean=self._at_knot(i, 0.0)[0])
        return residuals

    def share(self, percentage: int, variance: float) -> tuple[float, float]:
        """Return the share of the time used up at *percentage* and its variance, given the *variance* of the prior."""
        offset = total = 0.0
        for i, weight in _WEIGHTS[percentage]:
            at_knot = self._at_knot(i, variance)
            offset += weight * at_knot[0]
            total += weight * at_knot[1]
        return min(max(work_done(percentage) + offset, 0.01), 1.0), total

    def _at_knot(self, i: int, variance: float) -> tuple[float, float]:
        prior = (0.0, variance) if self._parent is None else self._parent._at_knot(i, variance)  # noqa: SLF001 - a curve
        residuals = self._residuals[i]
        return prior if residuals is None else residuals.estimate(*prior)


# Standard deviation of the logarithm of a forecast from a percentage that nobody understands yet, and the most it gets.
_PRIOR_SCALE, _MOST_SCALE = 0.25, 0.5
_PRIOR_WEIGHT = 0.3  # of the former, in tasks: what one task tells that was seen at 10 and at 40 %; flat
_FORGET_PAIR = 0.99  # about the last hundred pairs of percentages count; flat


class Nonlinearity:
    """How far percentages are from a straight line, learned while tasks run: does each one confirm the one before?

    Args:
        parent: That of all kinds, which a kind starts from.
    """

    __slots__ = ("_parent", "_square", "seen")

    def __init__(self, parent: "Nonlinearity | None" = None) -> None:
        self._parent = parent
        self._square = 0.0
        self.seen = 0.0  # in tasks that were watched from their beginning to their end; old ones fade

    def learn(self, log_ratio: float, *, left: float, then: float, noise: float) -> None:
        """Add two forecasts of the duration of one task.

        Args:
            log_ratio: Logarithm of their ratio.
            left: Share of the work that was still to do at the first one.
            then: And at the second.
            noise: Variance that rounding explains.
        """
        self._square = _FORGET_PAIR * self._square + log_ratio * log_ratio - noise
        self.seen = _FORGET_PAIR * self.seen + left * left - then * then
        if self._parent is not None:
            self._parent.learn(log_ratio, left=left, then=then, noise=noise)

    @property
    def scale(self) -> float:
        """Standard deviation of the logarithm of a forecast made while all of the work is still to do."""
        prior = _PRIOR_SCALE if self._parent is None else self._parent.scale
        square = (prior * prior * _PRIOR_WEIGHT + max(self._square, 0.0)) / (_PRIOR_WEIGHT + self.seen)
        return min(math.sqrt(square), _MOST_SCALE)
