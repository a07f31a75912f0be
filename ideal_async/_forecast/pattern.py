"""What ended tasks showed at each share of their time, whatever shape that has."""

from collections.abc import Sequence

_SHARES = 40  # of the time of a task: 2.5 %, as looks 5 s apart tell no finer about a task of 200 s; flat
_WORDS = [0, *(1 + percentage // 5 for percentage in range(1, 99)), 21, 22]  # what a percentage counts as
_WORD_COUNT = 23
_FORGET = 0.97  # about the last thirty tasks count; flat
_DOUBT = 0.02  # chance of anything, however often something else was shown; flat

#: Percentage, and when it was first and last seen.
Run = tuple[int, float, float]


class Pattern:
    """A histogram of percentages for each share of the time."""

    __slots__ = ("_counts", "_gain", "_parent", "_totals", "count")

    def __init__(self, parent: "Pattern | None" = None) -> None:
        self._counts = [[0.0] * _WORD_COUNT for _ in range(_SHARES)]
        self._totals = [0.0] * _SHARES
        self._gain = 1.0
        self._parent = parent
        self.count = 0.0

    def learn(self, runs: Sequence[Run], begin: float, took: Sequence[tuple[float, float]]) -> None:
        """Add what a task showed that began at *begin* and took so many seconds."""
        self.count = _FORGET * self.count + 1.0
        self._gain /= _FORGET
        every = len(took) // 5 + 1
        points = took[every // 2 :: every]
        norm = self._gain / sum(chance for _, chance in points)
        for duration, chance in points:
            scale = _SHARES / duration
            for percentage, first, last in runs:
                word = _WORDS[percentage]
                low = min(max(int((first - begin) * scale), 0), _SHARES - 1)
                high = min(max(int((last - begin) * scale), 0), _SHARES - 1)
                for i in range(low, high + 1):
                    self._counts[i][word] += norm * chance
                    self._totals[i] += norm * chance

    def likelihoods(self, seen: Sequence[tuple[float, int]], durations: Sequence[float]) -> list[float]:
        """Return how likely each of *durations* makes it that these percentages were *seen* after so many seconds."""
        product = [1.0] * len(durations)
        counts, totals, last = self._counts, self._totals, _SHARES - 1
        doubt = _DOUBT * self._gain
        all_doubt = doubt * _WORD_COUNT
        for at, percentage in seen:
            word, scaled = _WORDS[percentage], at * _SHARES
            for k, duration in enumerate(durations):
                i = min(max(int(scaled / duration), 0), last)  # it may be seen before its work began anew
                product[k] *= (counts[i][word] + doubt) / (totals[i] + all_doubt)
        return product
