"""Evidence that the tasks which run now share, before any of them has ended."""

#: Log odds for each expert (prior, history, percentage, queue, pattern).
Evidence = tuple[float, float, float, float, float]

NO_EVIDENCE: Evidence = (0.0, 0.0, 0.0, 0.0, 0.0)

_MOST_PER_TASK = 3.0  # log odds that a single task can move; flat
_MOST_TASKS = 10.0  # tasks that run at the same time have much in common: together they count as ten at most; flat


def clip(evidence: Evidence) -> Evidence:
    """Return *evidence* scaled down to what a single task may say: no component beyond `_MOST_PER_TASK`."""
    most = max(*evidence, -min(evidence))
    if most <= _MOST_PER_TASK:
        return evidence
    prior, history, percentage, queue, pattern = evidence
    scale = _MOST_PER_TASK / most
    return scale * prior, scale * history, scale * percentage, scale * queue, scale * pattern


class PooledEvidence:
    """The evidence of all tasks of one kind that run now.

    Without it, each of three hundred tasks submitted together would have to find out alone which expert to believe.
    """

    __slots__ = ("_sums", "_tasks")

    def __init__(self) -> None:
        self._sums = NO_EVIDENCE
        self._tasks = 0

    def replace(self, before: Evidence | None, after: Evidence | None) -> None:
        """Replace what one task contributed *before* by *after*; `None` for a task that contributes nothing."""
        a, b, c, d, e = self._sums
        if before is not None:
            self._tasks -= 1
            v, w, x, y, z = clip(before)
            a, b, c, d, e = a - v, b - w, c - x, d - y, e - z
        if after is not None:
            self._tasks += 1
            v, w, x, y, z = clip(after)
            a, b, c, d, e = a + v, b + w, c + x, d + y, e + z
        self._sums = (a, b, c, d, e)

    def of_others(self, own: Evidence) -> Evidence:
        """Return the evidence of all tasks but the one that contributed *own*."""
        if self._tasks < 2:  # noqa: PLR2004 - there are no others
            return NO_EVIDENCE
        (a, b, c, d, e), (v, w, x, y, z) = self._sums, clip(own)
        share = min(1.0, _MOST_TASKS / (self._tasks - 1))
        return share * (a - v), share * (b - w), share * (c - x), share * (d - y), share * (e - z)
