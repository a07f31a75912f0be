"""The best moment of the next look: optimum inspection, one step at a time.

R. E. Barlow, L. C. Hunter and F. Proschan asked in 1963 ("Optimum checking procedures", Journal of the Society for
Industrial and Applied Mathematics 11) when to inspect a machine that may have failed unnoticed, when each inspection
costs something and so does each hour between failure and discovery. A task that ends unseen is the same machine. Let
S(u) be the chance that it still runs u seconds from now, and c the seconds of delay that a look is worth. If we look at
x, and every m seconds from then on, the expected cost is, up to a constant,

    J(x) = x + (m + c) * (S(x) + S(x + m) + S(x + 2m) + ...)

because each look finds running those tasks that S counts, and every such look costs c and puts the discovery off by m.
We take the x where J is least, look, and decide again with what was seen. For m we take the best interval for a usual
task, or the least that is allowed if that is longer. Since the plain loop (x = m) is among the choices, this step is
never worse than the loop, provided that S is right. The sum is cut after two terms by the trapezoidal rule, which turns
its tail into an integral of S.

A look that shows an informative percentage does more than find an end: it narrows S, and what follows is no longer a
loop but a well-aimed look or two, the first of them as soon as is allowed. To the degree that looks are *informative*,
the tail of the sum is therefore replaced by what aimed looks were measured to cost.
"""

from bisect import bisect_left
from collections.abc import Callable
from operator import neg, sub

from .survival import Survival

# What is still to be paid, in seconds, after an informative look that came too early, and for each second then left.
# Measured on benchmarks/pacing: half of either costs no more, twice the first 21 % more and twice the second 5 %
# (ablation).
_AIMED = 2.5
_AIMED_PER_SECOND = 1 / 90

# From one moment to the next one tried. Between 1.15 and 1.3 the cost rises by some 5 % on benchmarks/pacing, and the
# decision becomes a third cheaper, which is a quarter of the CPU of a look on the fast transport.
_STRIDE = 1.2

# Of tasks that still run. Beyond such a moment waiting costs a second a second, and the looks that it may save, of
# some 10 s each, are fewer than one in twenty.
_OVER = 0.05

# And of those: as long as hardly one ends in the two intervals that follow, the later moment is the better one.
_RUNS_ON = 0.99

_CLOSELY = (0.2, 0.4, 0.6, 0.8)  # where to try between the two moments between which most tasks end

_CLIFF = 0.1  # of all ends; fewer between two moments are not worth a closer look

_NEARLY = 0.95  # of looks informative or not: the rest is not worth evaluating S more often


def next_look(
    survival: Survival,
    *,
    earliest: float,
    latest: float,
    interval: float,
    pace: float,
    look_cost: float,
    informative: float,
    spread: float,
    roll: float,
    slot: float,
    offset: float,
) -> float:
    """Return the best moment to look, in seconds from when the task was last seen running, within [earliest, latest].

    Args:
        survival: of the seconds left.
        earliest: the least delay allowed, seconds.
        latest: the most, seconds.
        interval: the least time between two looks, seconds.
        pace: of the loop that would follow, seconds: the best one, or *interval* if that is longer.
        look_cost: the delay that a look is worth, seconds.
        informative: from 0 to 1, how far looks can be expected to narrow the survival function.
        spread: how much worse than the best a moment may be, seconds, so that the phase is free.
        roll: a uniform random number in [0, 1) that chooses among such moments.
        slot: the client looks at all its tasks at moments that are so many seconds apart,
        offset: of which one comes after so many seconds.
    """
    chance, chance_and_mean = survival.chance, survival.chance_and_mean
    aimed = float(round(informative)) if abs(informative - 0.5) > _NEARLY - 0.5 else informative
    loop = 1.0 - aimed
    toll = loop * (pace + look_cost)
    tail = toll / pace
    missed = toll + aimed * (interval + look_cost)
    aimed_mean = aimed * (1.0 + _AIMED_PER_SECOND)

    def cost(x: float, running: float | None = None) -> float:
        value, after = x + missed * (chance(x) if running is None else running), None
        if aimed:
            after, mean = chance_and_mean(x + interval)
            value += aimed * _AIMED * after - aimed_mean * mean
        if loop:
            if after is None or pace != interval:  # by default they are the same
                after = chance(x + pace)
            later, mean = chance_and_mean(x + 2.0 * pace)
            value += toll * (after + 0.5 * later) - tail * mean
        return value

    moments, chances, x = [earliest], [chance(earliest)], earliest
    while chances[-1] > _OVER and x < latest:
        x = min(x * _STRIDE + 0.3, latest)
        moments.append(x)
        chances.append(chance(x))
    last_sure = max(bisect_left(chances, -_RUNS_ON, key=neg) - 1, 0)
    first = bisect_left(moments, moments[last_sure] - 2.0 * pace)
    moments, chances = moments[first:], chances[first:]
    # Between two moments the chance may fall like a cliff, and the best moment is at its foot: look there more closely.
    falls = zip(map(sub, chances, chances[1:]), moments, moments[1:], strict=False)
    drop, low, high = max(falls, default=(0.0, earliest, latest))
    costs = [*map(cost, moments, chances)]
    if drop > _CLIFF:
        moments += [low + share * (high - low) for share in _CLOSELY]
        costs += [*map(cost, moments[len(costs) :])]
    best, at = min(zip(costs, moments, strict=True))
    # The vertex of a parabola through three points is nearer to the minimum than the best of the moments tried.
    step = 0.04 * at + 0.2
    left, right = cost(max(at - step, 0.0)), cost(at + step)
    curvature = left + right - 2.0 * best
    aims = [at]
    if curvature > 0.0:
        slide = step * min(max((left - right) / (2.0 * curvature), -1.0), 1.0)
        aims = [at, min(max(at + slide, earliest), latest)]
    if spread:
        aims = [_spread(cost, at, best + spread, earliest=earliest, latest=latest, roll=roll)]
    # The slot before or the one after: whichever costs less where the cost has an edge, and elsewhere the nearer one.
    both = {x for aim in aims for before in [aim - (aim - offset) % slot] for x in (before, before + slot)}
    slots = [x for x in both if earliest <= x <= latest]
    if drop > _CLIFF:
        return min(((cost(x), x) for x in slots), default=(best, aims[-1]))[1]
    return min(slots, key=lambda x: abs(x - aims[-1]), default=aims[-1])


def _spread(
    cost: Callable[[float], float], at: float, limit: float, *, earliest: float, latest: float, roll: float
) -> float:
    """Return a moment around *at* that costs no more than *limit*."""
    # The roll picks among what is nearly as good, so that a burst of submissions does not come back as one.
    least, most = max(0.5 * at, earliest), min(1.5 * at, latest)
    while cost(least) > limit:
        least = at - 0.7 * (at - least)
    while cost(most) > limit:
        most = at + 0.7 * (most - at)
    return least + roll * (most - least)
