"""What is learned from tasks that ended: how long they take, how fast the queue moves, which expert was right."""

import math
from collections.abc import Callable, Sequence

from .pattern import Pattern
from .pooled import Evidence, PooledEvidence, clip
from .progress import Nonlinearity, ProgressCurve, Residuals

#: When a task ended, as far as it is known between two looks: seconds and their probabilities, which sum to 1.
Ends = Sequence[tuple[float, float]]

_CELL = math.log(1.06)  # width of a cell of the histogram: 5 s between two looks tell no finer about a task of 80 s
_LEAST = 1.0  # seconds; the lower edge of the first cell
_CELLS = 160  # up to 1.06 ** 160 s, three hours
_MIDDLES = [_LEAST * math.exp(_CELL * (i + 0.5)) for i in range(_CELLS)]
_EDGES = [_LEAST * math.exp(_CELL * i) for i in range(_CELLS + 1)]
_FORGET = 0.985  # a task counts half as much as one that ended 46 tasks later; flat
_FORGET_EVIDENCE = 0.95  # an expert's log weight from one task counts half as much 14 tasks later; flat
_TRIFLE = 1e-3  # share of the tasks; cells with less at the ends of a histogram are not worth looking at; flat
_UNLIKELY = 1e-6  # of what was seen, given all durations that are left: then it is no pattern; flat
_PRIOR_SIGMA = 0.35  # of the logarithm of durations, before any was seen: half of them within 60 to 95 s; flat
# Standard deviations of the logarithm under the mean at which hardly a task has ended: one in 160, if it is normal. At
# half of it tasks behind a queue cost 11 % more, at twice 3 % (benchmarks/pacing).
_HARDLY_ANY = 2.5
# Share of the experts' log weights that a new kind starts with: enough to quote what others took. Flat, as all kinds of
# benchmarks/pacing begin together.
_INHERITED = 0.3
_PERCENTAGE_STEP = 0.2  # weight of the latest task in the share of tasks that show percentages; flat


class Durations:
    """How long tasks took: a histogram over the logarithm of seconds, smoothed by a kernel."""

    __slots__ = ("_cells", "_gain", "_mean", "_span", "_square", "_table", "_total", "count")

    def __init__(self) -> None:
        self.count = 0.0  # of tasks, each weighing less with age: at most 67
        self._mean = self._square = 0.0  # of the logarithm
        self._cells = [0.0] * _CELLS
        self._total = 0.0
        self._gain = 1.0  # what a new task weighs; it grows, so that old ones fade without being touched
        self._table: Table | None = None
        self._span: tuple[int, int] | None = None  # of the cells that are worth looking at

    def learn(self, ends: Ends) -> None:
        """Add a task that took so many seconds."""
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
        # The next task will be like this one, but not the same; how alike, the spread so far tells. The width of the
        # kernel shrinks with the number of tasks, as in Silverman's rule.
        width = min(max(0.5 * self._sigma * self.count**-0.33, 0.6 * self.count**-0.75, 0.05), 0.4)
        reach = int(3.0 * width / _CELL) + 1
        kernel = [math.exp(-0.5 * (i * _CELL / width) ** 2) for i in range(-reach, reach + 1)]
        norm = self._gain / sum(kernel)
        shares: dict[int, float] = {}  # a kernel a cell: most moments at which a task may have ended share one
        for seconds, chance in ends:
            if chance > 1e-3:  # noqa: PLR2004 - not worth a kernel
                cell = int(math.log(max(seconds, _LEAST) / _LEAST) / _CELL)
                shares[cell] = shares.get(cell, 0.0) + chance * norm
        for cell, share in shares.items():
            for i, weight in enumerate(kernel, cell - reach):
                self._cells[min(max(i, 0), _CELLS - 1)] += weight * share
        self._total = sum(self._cells)
        self._table = self._span = None

    @property
    def table(self) -> "Table":
        """The share of tasks that take longer than some seconds."""
        if self._table is None:
            first, last = self._within(0.0)
            self._table = Table(self._cells[first:last], first)
        return self._table

    def _within(self, least: float) -> tuple[int, int]:
        """Return the first cell that has more than *least*, and the one behind the last."""
        first, last = 0, _CELLS
        while first < last and self._cells[first] <= least:
            first += 1
        while first < last and self._cells[last - 1] <= least:
            last -= 1
        return first, last

    def chance(self, seconds: float) -> float:
        """Return the share of tasks that take longer than *seconds*."""
        return self.table.chance(seconds)

    @property
    def mean(self) -> float:
        """The mean duration, seconds."""
        return self.table.chance_and_mean(_EDGES[-1])[1]

    @property
    def _sigma(self) -> float:
        """The standard deviation of the logarithm, which counts what was usual before any was seen as one task."""
        return math.sqrt((_PRIOR_SIGMA * _PRIOR_SIGMA + self._square) / max(self.count, 1.0))

    def shortest(self, usual: float) -> float:
        """Return the seconds that hardly a task takes less than; *usual* is the median as long as none has ended."""
        return (math.exp(self._mean) if self.count else usual) * math.exp(-_HARDLY_ANY * self._sigma)

    def posterior(self, age: float, likelihoods: Callable[[Sequence[float]], list[float]]) -> "Table | None":
        """Return the durations of tasks older than *age*, weighted by their *likelihoods*; None if there are none."""
        if self._span is None:
            self._span = self._within(_TRIFLE * self._total)
        first, last = self._span
        first = min(max(first, int(math.log(max(age, _LEAST) / _LEAST) / _CELL)), last)
        weights = likelihoods(_MIDDLES[first:last])
        cells = [cell * weight for cell, weight in zip(self._cells[first:last], weights, strict=True)]
        return Table(cells, first) if sum(cells) > _UNLIKELY * self._total else None


class Table:
    """A survival function of durations, linear between the edges of the cells."""

    __slots__ = ("_chances", "_first", "_means")

    def __init__(self, cells: Sequence[float], first: int = 0) -> None:
        self._first = first
        left = total = sum(cells)
        area = _EDGES[first]
        self._chances, self._means = [1.0], [area]
        for i, cell in enumerate(cells, first + 1):
            before, left = left, max(left - cell, 0.0)
            area += (before + left) / (2.0 * total) * (_EDGES[i] - _EDGES[i - 1])
            self._chances.append(left / total)
            self._means.append(area)

    def chance(self, seconds: float) -> float:
        """Return the share of tasks that take longer than *seconds*."""
        if seconds <= _EDGES[self._first]:
            return 1.0
        cell = int(math.log(seconds / _LEAST) / _CELL)
        i = cell - self._first
        if i >= len(self._chances) - 1:
            return 0.0
        before, edge = self._chances[i], _EDGES[cell]
        return before + (self._chances[i + 1] - before) * (seconds - edge) / (_EDGES[cell + 1] - edge)

    def chance_and_mean(self, seconds: float) -> tuple[float, float]:
        """Return that share and its integral from 0 to *seconds*."""
        if seconds <= _EDGES[self._first]:
            return 1.0, seconds
        cell = int(math.log(seconds / _LEAST) / _CELL)
        i = cell - self._first
        if i >= len(self._chances) - 1:
            return 0.0, self._means[-1]
        before, edge = self._chances[i], _EDGES[cell]
        chance = before + (self._chances[i + 1] - before) * (seconds - edge) / (_EDGES[cell + 1] - edge)
        return chance, self._means[i] + (before + chance) / 2.0 * (seconds - edge)


class ConditionalSurvival:
    """The survival function of a task of *age* seconds that is like those in *table*."""

    __slots__ = ("_age", "_chance", "_mean", "_table")

    def __init__(self, table: Table, age: float) -> None:
        self._table, self._age = table, age
        self._chance, self._mean = table.chance_and_mean(age)

    def chance(self, x: float) -> float:
        """Return S(x)."""
        return self._table.chance(self._age + x) / self._chance

    def chance_and_mean(self, x: float) -> tuple[float, float]:
        """Return S(x) and its integral from 0 to *x*."""
        chance, mean = self._table.chance_and_mean(self._age + x)
        return chance / self._chance, (mean - self._mean) / self._chance


_SLOWEST = 3600.0  # seconds a place: a queue that stands still would otherwise predict no end at all; flat
_STANDSTILL = 1e-9  # places; a divisor that is not zero
_BUSY_STEP = 0.1  # about the last ten tasks count; flat
_FORGET_PLACES = 0.98  # about the last fifty moves of the queue count; flat


class QueuePace:
    """How fast the queue moves. There is one for all kinds: they share the service's workers."""

    __slots__ = ("_places", "_seconds", "busy", "waited_at")

    def __init__(self) -> None:
        # Ten seconds a place, until half a place was seen to say otherwise.
        self._seconds, self._places = 5.0, 0.5
        self.busy = 0.0  # share of the latest ten tasks or so that were seen waiting
        self.waited_at = -math.inf  # when a task last had a place: any submitted before may have waited unseen

    def learn(self, seconds: float, places: float) -> None:
        """Add that a task moved up so many *places* in so many *seconds*."""
        self._seconds = _FORGET_PLACES * self._seconds + seconds
        self._places = _FORGET_PLACES * self._places + places

    def learn_start(self, *, waited: bool) -> None:
        """Add that a task has begun, and whether it was seen to wait before."""
        self.busy += _BUSY_STEP * (waited - self.busy)

    @property
    def seconds_per_place(self) -> float:
        """Seconds a place."""
        return min(_SLOWEST, self._seconds / max(self._places, _STANDSTILL))


class KindHistory:
    """What is known of one kind of task.

    Args:
        parent: What is known of all kinds, which a kind starts from.
    """

    __slots__ = (
        *("consistency", "curve", "durations", "ended_with_percentage", "expected", "log_weights"),
        *("nonlinearity", "parent", "pattern", "percentage_share", "pooled", "queue_residuals"),
    )

    def __init__(self, parent: "KindHistory | None" = None) -> None:
        self.parent = parent
        self.durations: Durations = Durations()
        self.curve: ProgressCurve = ProgressCurve(parent.curve if parent else None)
        self.pattern: Pattern = Pattern(parent.pattern if parent else None)
        self.nonlinearity: Nonlinearity = Nonlinearity(parent.nonlinearity if parent else None)
        self.pooled: PooledEvidence = PooledEvidence()
        self.ended_with_percentage: int = 0  # tasks that showed percentages and ended
        self.expected: Residuals = Residuals()  # logarithm of the durations that running tasks predict of themselves
        self.queue_residuals: Residuals = Residuals()  # of the logarithm of the time predicted from a place
        self.consistency: float = parent.consistency if parent else 0.0  # of tasks that run, log odds
        self.percentage_share: float = parent.percentage_share if parent else 0.0  # of tasks that showed percentages
        self.log_weights: list[float] = [_INHERITED * w for w in parent.log_weights] if parent else [0.0] * 5

    @property
    def usual_durations(self) -> Durations:
        """The durations of the kind, or of all kinds as long as no task of the kind has ended."""
        return self.durations if self.durations.count or self.parent is None else self.parent.usual_durations

    @property
    def shows_percentages(self) -> float:
        """How far percentages can be expected: the share of tasks that ended with some, or 1 if those that run do."""
        return 1.0 if self.expected.count and not self.durations.count else self.percentage_share

    def learn_evidence(self, evidence: Evidence, *, percentages: bool) -> None:
        """Move the experts' weights by the *evidence* of a task that ended, and showed *percentages* or did not."""
        earned = clip(evidence)
        self.log_weights = [_FORGET_EVIDENCE * w + e for w, e in zip(self.log_weights, earned, strict=True)]
        self.ended_with_percentage += percentages
        self.percentage_share += _PERCENTAGE_STEP * (percentages - self.percentage_share)
        if self.parent is not None:
            self.parent.learn_evidence(evidence, percentages=percentages)

    def learn_duration(self, took: Ends) -> None:
        """Add how long a task took."""
        self.durations.learn(took)
        if self.parent is not None:
            self.parent.learn_duration(took)
