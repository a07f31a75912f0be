"""What finished jobs teach: how long jobs take, and what a percentage is worth. Recent jobs count most."""

import math
from collections.abc import Sequence

from ._company import Bend, Evidence, Running, bounded

# A job's end as it is known between two looks: moments and their chances, which sum to 1.
Ends = Sequence[tuple[float, float]]

_RATIO = math.log(1.06)  # a cell of the histogram: 5 s between two looks tell no finer about a job of 80 s

_LEAST = 1.0  # seconds; the lower edge of cell 0
_CELLS = 160  # up to 1.06 ** 160 s, three hours
_EDGES = [_LEAST * math.exp(_RATIO * i) for i in range(_CELLS + 1)]
_FORGET = 0.985  # a job counts half as much as one that finished 46 jobs later
_LOYALTY = 0.95  # trust earned in a job counts half as much 14 jobs later
_SIGMA = 0.35  # of the logarithm of durations, before any was seen


class Durations:
    """How long jobs took: a histogram over the logarithm of seconds, each job spread by what is not known about it."""

    __slots__ = ("_cells", "_gain", "_lived", "_mean", "_running", "_square", "_total", "count")

    def __init__(self) -> None:
        self.count = 0.0  # of jobs, each weighing less with age: at most 67
        self._mean = self._square = 0.0  # of the logarithm
        self._cells = [0.0] * _CELLS
        self._total = 0.0
        self._gain = 1.0  # what a new job weighs; it grows, so that the old need no touch to weigh less
        self._running: list[float] = []  # share still running at each edge
        self._lived: list[float] = []  # and its integral

    def learn(self, ends: Ends) -> None:
        """Add a job that took so many seconds."""
        self.count = self.count * _FORGET + 1.0
        logs = sum(math.log(max(seconds, _LEAST)) * chance for seconds, chance in ends)
        off = logs - self._mean
        self._mean += off / self.count
        self._square = self._square * _FORGET + off * (logs - self._mean)
        self._gain /= _FORGET
        if self._gain > 1e100:  # noqa: PLR2004 - long before floats run out
            self._cells = [cell / self._gain for cell in self._cells]
            self._total /= self._gain
            self._gain = 1.0
        # The next job will be like this one, but not the same. How alike, the earlier ones say; one alone says little.
        sigma = math.sqrt((_SIGMA * _SIGMA + self._square) / self.count)
        width = min(max(0.5 * sigma * self.count**-0.33, 0.6 * self.count**-0.75, 0.05), 0.4)
        reach = int(3.0 * width / _RATIO) + 1
        kernel = [math.exp(-0.5 * (i * _RATIO / width) ** 2) for i in range(-reach, reach + 1)]
        norm = self._gain / sum(kernel)
        for seconds, chance in ends:
            if chance > 1e-3:  # noqa: PLR2004 - not worth a kernel
                first = int(math.log(max(seconds, _LEAST) / _LEAST) / _RATIO) - reach
                for i, weight in enumerate(kernel, first):
                    self._cells[min(max(i, 0), _CELLS - 1)] += weight * norm * chance
        self._total = sum(self._cells)
        self._lived = []

    def _add_up(self) -> None:
        left, area = self._total, _LEAST
        self._running, self._lived = [1.0], [area]
        for i, cell in enumerate(self._cells):
            before, left = left, max(left - cell, 0.0)
            area += (before + left) / (2.0 * self._total) * (_EDGES[i + 1] - _EDGES[i])
            self._running.append(left / self._total)
            self._lived.append(area)

    def alive(self, seconds: float) -> float:
        """Return the share of jobs that take longer than *seconds*."""
        if not self._lived:
            self._add_up()
        if seconds <= _LEAST:
            return 1.0
        i = int(math.log(seconds / _LEAST) / _RATIO)
        if i >= _CELLS:
            return 0.0
        left = self._running[i]
        return left + (self._running[i + 1] - left) * (seconds - _EDGES[i]) / (_EDGES[i + 1] - _EDGES[i])

    def both(self, seconds: float) -> tuple[float, float]:
        """Return it together with its integral from 0 to *seconds*."""
        if not self._lived:
            self._add_up()
        if seconds <= _LEAST:
            return 1.0, seconds
        i = int(math.log(seconds / _LEAST) / _RATIO)
        if i >= _CELLS:
            return 0.0, self._lived[_CELLS]
        edge, before = _EDGES[i], self._running[i]
        alive = before + (self._running[i + 1] - before) * (seconds - edge) / (_EDGES[i + 1] - edge)
        return alive, self._lived[i] + (before + alive) / 2.0 * (seconds - edge)

    @property
    def mean(self) -> float:
        """The mean duration, seconds."""
        return self.both(_EDGES[-1])[1]


class Elapsed:
    """The law of a job of *age* seconds that is like those which took *durations*."""

    __slots__ = ("_age", "_alive", "_durations", "_lived")

    def __init__(self, durations: Durations, age: float) -> None:
        self._durations, self._age = durations, age
        self._alive, self._lived = durations.both(age)

    def alive(self, x: float) -> float:
        """Return the chance to run longer than *x* seconds."""
        return self._durations.alive(self._age + x) / self._alive

    def both(self, x: float) -> tuple[float, float]:
        """Return it together with how many of the next *x* seconds the job is expected to run."""
        alive, lived = self._durations.both(self._age + x)
        return alive / self._alive, (lived - self._lived) / self._alive


class Errors:
    """How far forecasts were off: a running mean and sum of squares."""

    __slots__ = ("count", "mean", "square")

    def __init__(self, *, mean: float = 0.0) -> None:
        self.mean = mean
        self.count = self.square = 0.0

    def learn(self, off: float, *, weight: float, noise: float) -> None:
        """Add that a forecast corrected by the mean was still *off*, which is known up to a variance of *noise*."""
        keep = 1.0 - 0.05 * weight
        self.count = self.count * keep + weight
        step = off * weight / self.count
        self.mean += step
        self.square = self.square * keep + weight * (off * (off - step) + noise)

    def estimate(self, mean: float, variance: float) -> tuple[float, float]:
        """Return mean and variance of the next error, *mean* and *variance* being what was believed before any.

        The earlier belief counts as one error more; where it was wrong, what is left of it is doubt too.
        """
        n = self.count + 1.0
        rest = (mean - self.mean) / n
        return self.mean + rest, (variance + self.square) / n * (1.0 + 1.0 / n) + rest * rest


_KNOTS = (1, 3, 6, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 100)


def _weigh(percentage: int) -> tuple[tuple[int, float], ...]:
    """Return the knots around *percentage* and how near it is to each."""
    right = next(i for i, knot in enumerate(_KNOTS) if knot >= percentage)
    if right == 0 or _KNOTS[right] == percentage:
        return ((right, 1.0),)
    share = (percentage - _KNOTS[right - 1]) / (_KNOTS[right] - _KNOTS[right - 1])
    return ((right - 1, 1.0 - share), (right, share))


_WEIGHTS = tuple(_weigh(percentage) for percentage in range(101))


def told(percentage: int) -> float:
    """Return the share of the work that *percentage* stands for: the middle of what is cut down to that integer."""
    return min(percentage + 0.5, 99.9) / 100.0


class Curve:
    """Which share of its time a job has used up when it shows a percentage.

    The straight line until jobs finish; then a broken line through what they showed, with its uncertainty.
    """

    __slots__ = ("_errors", "_others")

    def __init__(self, others: "Curve | None" = None) -> None:
        self._errors: list[Errors | None] = [None] * len(_KNOTS)
        self._others = others  # the curve of all kinds: what a kind believes before it has seen

    def learn(self, percentage: int, share: float, noise: float) -> None:
        """Add that *percentage* was shown at a *share* of the time, which is known up to a variance of *noise*."""
        around = [(self._taught(i), weight) for i, weight in _WEIGHTS[percentage]]
        off = share - told(percentage) - sum(weight * errors.mean for errors, weight in around)
        for errors, weight in around:
            errors.learn(off, weight=weight, noise=noise)
        if self._others is not None:
            self._others.learn(percentage, share, noise)

    def _taught(self, i: int) -> Errors:
        """Return the errors at a knot, starting from what is believed of other kinds."""
        errors = self._errors[i]
        if errors is None:
            errors = self._errors[i] = Errors(mean=self._knot(i, 0.0)[0])
        return errors

    def share(self, percentage: int, doubt: float) -> tuple[float, float]:
        """Return the share used up at *percentage* and its variance, *doubt* being the variance before any evidence."""
        mean, variance = self._estimate(percentage, doubt)
        return min(max(told(percentage) + mean, 0.01), 1.0), variance

    def _estimate(self, percentage: int, doubt: float) -> tuple[float, float]:
        mean = variance = 0.0
        for i, weight in _WEIGHTS[percentage]:
            at_knot = self._knot(i, doubt)
            mean += weight * at_knot[0]
            variance += weight * at_knot[1]
        return mean, variance

    def _knot(self, i: int, doubt: float) -> tuple[float, float]:
        believed = (0.0, doubt) if self._others is None else self._others._knot(i, doubt)  # noqa: SLF001 - a curve too
        errors = self._errors[i]
        return believed if errors is None else errors.estimate(*believed)


#: A queue that stands still says so for ever; an hour a place is as slow as anybody waits.
_SLOWEST, _STANDSTILL = 3600.0, 1e-9


class Drain:
    """How fast the queue moves. There is one for all kinds: they share the service's workers."""

    __slots__ = ("_places", "_seconds")

    def __init__(self) -> None:
        self._seconds, self._places = 5.0, 0.5  # ten seconds a place, until half a place was seen to say otherwise

    def learn(self, seconds: float, places: float) -> None:
        """Add that a task moved up so many *places* in so many *seconds*."""
        self._seconds = 0.98 * self._seconds + seconds
        self._places = 0.98 * self._places + places

    @property
    def pace(self) -> float:
        """Seconds a place."""
        return min(_SLOWEST, self._seconds / max(self._places, _STANDSTILL))


class Lessons:
    """What the finished jobs of one kind have taught, on top of what those of all kinds have."""

    __slots__ = ("bend", "curve", "durations", "others", "proven", "queue", "running", "telling", "trust")

    def __init__(self, others: "Lessons | None" = None) -> None:
        self.others = others
        self.durations: Durations = Durations()
        self.curve: Curve = Curve(others.curve if others else None)
        self.bend: Bend = Bend(others.bend if others else None)
        self.running: Running = Running()
        self.proven: int = 0  # of the jobs that showed percentages, so many have ended
        self.queue: Errors = Errors()  # of the logarithm of the time foretold from a place in the queue
        self.telling: float = others.telling if others else 0.0  # share of jobs that showed percentages
        # The log odds of the witnesses; what other kinds have taught is worth a start.
        self.trust: list[float] = [0.3 * trust for trust in others.trust] if others else [0.0, 0.0, 0.0, 0.0]

    @property
    def usual(self) -> Durations:
        """The durations of the kind, or of all kinds as long as none of it has finished."""
        return self.durations if self.durations.count or self.others is None else self.others.usual

    def judge(self, evidence: Evidence, *, told: bool) -> None:
        """Move the trust in each witness by what one job showed; *told*: it showed percentages."""
        self.trust = [_LOYALTY * trust + earned for trust, earned in zip(self.trust, bounded(evidence), strict=True)]
        self.proven += told
        self.telling += 0.2 * (told - self.telling)
        if self.others is not None:
            self.others.judge(evidence, told=told)

    def time(self, took: Ends) -> None:
        """Add how long a job took."""
        self.durations.learn(took)
        if self.others is not None:
            self.others.time(took)
