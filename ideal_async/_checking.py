"""The best moment of the next look: an optimum checking procedure, one step at a time.

R. E. Barlow, L. C. Hunter and F. Proschan asked in 1963 ("Optimum checking procedures", Journal of the Society for
Industrial and Applied Mathematics 11) when to inspect a machine that may have failed unnoticed, when each inspection
costs something and so does each hour between failure and discovery. A job that ends unseen is the same machine. Let
S(u) be the chance that it still runs u seconds from now, and c the seconds of delay that a look is worth. If we look at
x, and every m seconds from then on, the expected cost is, up to a constant,

    J(x) = x + (m + c) * (S(x) + S(x + m) + S(x + 2m) + ...)

because each look finds running those jobs that S counts, and every such look costs c and puts the discovery off by m.
We take the x where J is least, look, and think again with what was seen. For m we take the best loop for a usual job,
or the least interval that is allowed if that is longer. Since the plain loop (x = m) is among the choices, this one
step of thought is never worse than the loop, under the law it believes in. The sum is cut after two terms by the
trapezoid rule, which turns its tail into an integral of S.

A look that shows a telling percentage does more than find an end: it sharpens the law, and what follows it is no longer
a loop but a well-aimed look or two, the first of them as soon as is allowed. To the degree that looks are *telling*,
the tail of the sum is therefore replaced by what aimed looks were measured to cost.
"""

from collections.abc import Iterable

from ._laws import Law

# What is still to be paid, in seconds, after a telling look that came too early, and for each second that is then left.
# Measured on benchmarks/pacing, where the cost is flat around both: they trade a look for half a second of delay.
_AIMED = 2.5
_AIMED_PER_SECOND = 1 / 90

# From one moment to the next one tried. Between 1.15 and 1.3 the cost rises by some 5 % on benchmarks/pacing, and the
# thinking becomes a third cheaper, which is a quarter of the CPU of a look on the fast transport.
_STRIDE = 1.2

_NEARLY = 0.95  # of looks telling or not: the rest is not worth asking the law more questions


def next_look(
    law: Law,
    *,
    earliest: float,
    latest: float,
    interval: float,
    pace: float,
    look_cost: float,
    telling: float,
    hints: Iterable[float],
    spread: float,
    roll: float,
) -> float:
    """Return the best moment to look, in seconds from when the job was last seen running, within [earliest, latest].

    Args:
        law: what is believed of the seconds left.
        earliest: the least delay allowed, seconds.
        latest: the most, seconds.
        interval: the least time between two looks, seconds.
        pace: of the loop that would follow, seconds: the best one, or *interval* if that is longer.
        look_cost: the delay that a look is worth, seconds.
        telling: from 0 to 1, how far looks can be expected to sharpen the law.
        hints: moments worth trying besides an even spread of them, seconds.
        spread: how much worse than the best a moment may be, seconds, so that the phase is free.
        roll: a uniform random number in [0, 1) that chooses among such moments.
    """
    alive, both = law.alive, law.both
    telling = float(round(telling)) if abs(telling - 0.5) > _NEARLY - 0.5 else telling
    loop = 1.0 - telling
    toll = loop * (pace + look_cost)
    tail = toll / pace
    missed = toll + telling * (interval + look_cost)
    aimed = telling * (1.0 + _AIMED_PER_SECOND)

    def cost(x: float) -> float:
        value = x + missed * alive(x)
        if telling:
            after, lived = both(x + interval)
            value += telling * _AIMED * after - aimed * lived
        if loop:
            later, lived = both(x + 2.0 * pace)
            value += toll * (alive(x + pace) + 0.5 * later) - tail * lived
        return value

    moments = [earliest, latest]
    moments += [hint for hint in hints if earliest < hint < latest]
    x = earliest
    while (x := x * _STRIDE + 0.3) < latest:
        moments.append(x)
    best, at = min([(cost(x), x) for x in moments])
    # A parabola through three points tells where the bottom is.
    step = 0.04 * at + 0.2
    left, right = cost(max(at - step, 0.0)), cost(at + step)
    bend = left + right - 2.0 * best
    if bend > 0.0:
        slide = step * min(max((left - right) / (2.0 * bend), -1.0), 1.0)
        bottom = min(max(at + slide, earliest), latest)
        best, at = min((best, at), (cost(bottom), bottom))
    if not spread:
        return at
    # The roll picks among what is nearly as good, so that a burst of submissions does not come back as one.
    least, most = max(0.5 * at, earliest), min(1.5 * at, latest)
    while cost(least) > best + spread:
        least = at - 0.7 * (at - least)
    while cost(most) > best + spread:
        most = at + 0.7 * (most - at)
    return least + roll * (most - least)
