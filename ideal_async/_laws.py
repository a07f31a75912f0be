"""What may still come: laws of the seconds that a running job has left.

A law answers one question, counted from the moment the job was last seen running: what is the chance that it still runs
after x seconds, and what is the integral of that chance from 0 to x, which is how long it is expected to run within them.
"""

import math
from typing import Protocol

import attrs


class Law(Protocol):
    """The law of the seconds left."""

    def alive(self, x: float) -> tuple[float, float]:
        """Return the chance to run longer than *x* seconds, and its integral over [0, x]."""
        ...


@attrs.frozen
class Vague:
    """Knows nothing but an order of magnitude: half of all jobs are over when as much time again as *scale* has passed.

    The chance to run on is scale / (scale + x): a Pareto law of the second kind, whose hazard falls with age, so that who
    knows nothing waits longer for what has taken long already.
    """

    scale: float

    def alive(self, x: float) -> tuple[float, float]:
        """Return the chance to run longer than *x* seconds, and its integral."""
        scale = self.scale
        return scale / (scale + x), scale * math.log1p(x / scale)


@attrs.frozen
class Peak:
    """Expects the end *mean* seconds after a look, give or take *scale*, and that look was *age* seconds ago.

    A logistic law: its tails are longer than the normal's, as suits forecasts, and its integral is elementary.
    """

    mean: float
    scale: float
    age: float = 0.0

    def alive(self, x: float) -> tuple[float, float]:
        """Return the chance to run longer than *x* seconds, and its integral."""
        scale = self.scale
        now = min((self.age - self.mean) / scale, 30.0)  # beyond, the tail is an exponential to the last digit
        then = now + x / scale
        grown = 1.0 + math.exp(now)
        alive = grown / (1.0 + math.exp(then)) if then < 700.0 else 0.0  # noqa: PLR2004  exp overflows at 710
        return alive, grown * scale * (_softplus(-now) - _softplus(-then))


def _softplus(z: float) -> float:
    """Return log(1 + exp(z)) without overflow."""
    return z + math.log1p(math.exp(-z)) if z > 0 else math.log1p(math.exp(z))
