"""The best moment of the next look: an optimum checking procedure, one step at a time.

R. E. Barlow, L. C. Hunter and F. Proschan asked in 1963 ("Optimum checking procedures", Journal of the Society for
Industrial and Applied Mathematics 11) when to inspect a machine that may have failed unnoticed, each inspection costing
something and so does each hour between failure and discovery. A job that ends unseen is the same machine. With S(u) the
chance that it still runs u seconds from now, a look now worth c seconds, and looks at x, x + m, x + 2m ... from then on,
the expected cost, up to a constant, is

    J(x) = x + (m + c) * (S(x) + S(x + m) + S(x + 2m) + ...)

because each look is paid for by those that run until the one before, and waiting costs those that do not. We take the x
where J is least, look, and think again with what was seen. Since the plain loop (x = m) is among the choices, one step
of thought never does worse than the loop under the law it believes in. The sum is cut after two terms by the trapezoid
rule, which turns its tail into an integral of S.

A look that shows a telling percentage does more than find an end: it makes the law sharp, and what follows it is no longer
a loop but one well-aimed look or two. To the degree that looks are *telling*, the tail of the sum is therefore replaced by
what aimed looks were measured to cost.
"""

from collections.abc import Iterable

from ._laws import Law

# What is still to be paid, in seconds, after a telling look that came too early, and for each second that is then left:
# measured on benchmarks/pacing, where both may be halved or doubled before the cost changes by a tenth.

_AIMED = 2.3
_AIMED_PER_SECOND = 1 / 90

# The roll may move a look as far as it expects to cost this many seconds more than the best: enough to spread a burst
# over some seconds when the law is vague, and next to nothing when it is sharp.
_SPREAD = 0.03


def next_look(
    law: Law,
    *,
    earliest: float,
    latest: float,
    interval: float,
    look_cost: float,
    telling: float,
    hints: Iterable[float],
    roll: float,
    spread: float,
) -> float:
    """Return the best moment to look, in seconds from when the job was last seen running, within [earliest, latest].

    *law* is what is believed of the seconds left, *interval* the least time between two looks, *look_cost* the seconds of
    delay that a look is worth, *telling* (0 to 1) how far looks can be expected to sharpen the law, *hints* moments
    worth trying besides an even spread of them, *roll* a uniform random number in [0, 1) that frees the phase.
    """
    toll = interval + look_cost
    alive, lived = law.alive, law.lived
    loop = 1.0 - telling
    loop_tail = loop * toll / interval
    aimed_tail = telling * (1.0 + _AIMED_PER_SECOND)

    def cost(x: float) -> float:
        then = x + interval
        after = alive(then)
        value = x + toll * alive(x) + (loop * toll + telling * _AIMED) * after
        if telling:
            value -= aimed_tail * lived(then)
        if loop:
            value += loop * toll * 0.5 * alive(then + interval) - loop_tail * lived(then + interval)
        return value

    moments = [earliest, latest]
    moments += [hint for hint in hints if earliest < hint < latest]
    x = earliest
    while (x := x * 1.15 + 0.3) < latest:
        moments.append(x)
    best, at = min((cost(x), x) for x in moments)
    # A parabola through three points tells where the bottom is.
    step = 0.04 * at + 0.2
    left, right = cost(max(at - step, 0.0)), cost(at + step)
    bend = left + right - 2.0 * best
    if bend > 0.0:
        bottom = min(max(at + step * min(max((left - right) / (2.0 * bend), -1.0), 1.0), earliest), latest)
        best, at = min((best, at), (cost(bottom), bottom))
    shift = (2.0 * roll - 1.0) * 0.5 * at
    while spread and cost(at + shift) > best + spread:
        shift *= 0.6
    return min(max(at + shift if spread else at, earliest), latest)
