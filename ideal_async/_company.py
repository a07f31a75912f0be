"""What the tasks that run now teach each other, before any of them has ended."""

import math

Evidence = tuple[float, float, float, float]  # log odds that the four witnesses have earned

_MOST_EARNED = 3.0  # log odds that one job can move
_COMPANY = 10.0  # so many of the tasks that run now count, however many there are: they have much in common
_SCOUTS = 10  # one task in so many looks out for the others


def bounded(evidence: Evidence) -> Evidence:
    """Return what one task may say to others: all in proportion, and no more than `_MOST_EARNED`."""
    most = max(*evidence, -min(evidence))
    if most <= _MOST_EARNED:
        return evidence
    vague, history, percentage, queue = evidence
    scale = _MOST_EARNED / most
    return scale * vague, scale * history, scale * percentage, scale * queue


class Running:
    """What the tasks that run now tell each other, long before the first of them ends.

    Three hundred that were submitted together would otherwise each have to find out alone whom to believe.
    """

    __slots__ = ("_count", "_enlisted", "_sums")

    def __init__(self) -> None:
        self._sums = (0.0, 0.0, 0.0, 0.0)
        self._count = 0
        self._enlisted = 0

    def enlist(self) -> bool:
        """Begin with one more task; tell whether it is a scout."""
        self._enlisted += 1
        return self._enlisted % _SCOUTS == 1

    def hear(self, before: Evidence | None, after: Evidence | None) -> None:
        """Put what one task says now in the place of what it said before; `None`: it does not run."""
        a, b, c, d = self._sums
        if before is not None:
            self._count -= 1
            w, x, y, z = bounded(before)
            a, b, c, d = a - w, b - x, c - y, d - z
        if after is not None:
            self._count += 1
            w, x, y, z = bounded(after)
            a, b, c, d = a + w, b + x, c + y, d + z
        self._sums = (a, b, c, d)

    def tell(self, own: Evidence) -> Evidence:
        """Return the log odds earned by the others."""
        if self._count < 2:  # noqa: PLR2004 - nobody but oneself
            return 0.0, 0.0, 0.0, 0.0
        (a, b, c, d), (w, x, y, z) = self._sums, bounded(own)
        share = min(1.0, _COMPANY / (self._count - 1))
        return share * (a - w), share * (b - x), share * (c - y), share * (d - z)


# How far percentages that nobody understands yet may be off, as a share of what is left; and at most.
_BENT, _MOST_BENT = 0.25, 0.5
_BELIEF = 0.3  # of the former: as much as one task tells that was seen at 10 and at 40 %


class Bend:
    """How crooked percentages are, learned while tasks still run: does the next one foretell what the last one did?

    Args:
        others: The bend of all kinds, which a kind starts from.
    """

    __slots__ = ("_others", "_square", "seen")

    def __init__(self, others: "Bend | None" = None) -> None:
        self._others = others
        self._square = 0.0
        self.seen = 0.0  # in tasks that were watched from their beginning to their end; old ones fade

    def learn(self, off: float, *, left: float, then: float, noise: float) -> None:
        """Add that two forecasts of one task were off from each other.

        Args:
            off: Logarithm of their ratio.
            left: Share of the work that was still to do at the first one.
            then: And at the second.
            noise: Variance that rounding explains.
        """
        self._square = 0.99 * self._square + off * off - noise
        self.seen = 0.99 * self.seen + left * left - then * then
        if self._others is not None:
            self._others.learn(off, left=left, then=then, noise=noise)

    @property
    def scale(self) -> float:
        """Standard deviation of the logarithm of a forecast that is made when all work is still to do."""
        before = _BENT if self._others is None else self._others.scale
        square = (before * before * _BELIEF + max(self._square, 0.0)) / (_BELIEF + self.seen)
        return min(math.sqrt(square), _MOST_BENT)
