"""The best that can be done when the law of the durations is known and nothing else is: dynamic programming.

After Barlow, Hunter and Proschan, "Optimum checking procedures" (1963), with a least interval between two looks added.
"""

from bisect import bisect_right
from random import Random
from typing import Any

import attrs

from benchmarks.pacing.services import Draw, Job
from benchmarks.pacing.simulation import LOOK_COST

STEP = 0.25  # seconds; halving it changes the cost in the third digit


@attrs.frozen
class Optimal:
    """Looks at the best moments for jobs whose law it was told: ages in seconds, the same for every job."""

    ages: list[float]

    def first(self, job: Job, now: float, random: Random) -> tuple[Any, float]:
        """Wait for the first age."""
        return job.submitted_at, self.after(job.submitted_at, job, now, random)

    def reconsider(self, track: Any, now: float, random: Random) -> float:  # noqa: ARG002
        """Look."""
        return 0.0

    def after(self, track: Any, job: Job, now: float, random: Random) -> float:  # noqa: ARG002 - a pacer's signature
        """Wait for the next age; past the last one, all jobs of the law were over."""
        age = now - track
        at = bisect_right(self.ages, age + STEP / 2)
        return self.ages[at] - age if at < len(self.ages) else 5.0

    def finish(self, track: Any, now: float) -> bool:  # noqa: ARG002
        """Learn nothing."""
        return False

    def replan(self, track: Any, because: Any, now: float, random: Random) -> float | None:  # noqa: ARG002
        """Nothing changes."""
        return None


def optimum(
    draw: Draw,
    *,
    least: float = 5.0,
    most: float = 60.0,
    look_cost: float = LOOK_COST,
    samples: int = 20_000,
) -> Optimal:
    """Return the best looks for durations drawn by *draw*, no closer than *least* and no further apart than *most*."""
    random = Random(0)
    durations = sorted(max(1.0, draw(random)) for _ in range(samples))
    size = int(durations[int(samples * 0.999)] / STEP) + 2
    alive = [1.0 - bisect_right(durations, step * STEP) / samples for step in range(size + 1)]
    lived = [0.0]
    for share in alive:
        lived.append(lived[-1] + share * STEP)
    low, high = round(least / STEP), round(most / STEP)
    # Per job, not per surviving job: nothing is divided by the share alive.
    cost, following = [0.0] * (size + 1), [0] * (size + 1)
    for step in range(size, -1, -1):
        best = float("inf")
        for to in range(step + (low if step else 1), step + high + 1):
            until = min(to, size)
            delay = (to - step) * STEP * alive[step] - (lived[until] - lived[step])
            if delay > best:
                break
            value = look_cost * alive[step] + delay + cost[until]
            if value < best:
                best, following[step] = value, to
        cost[step] = best
    ages, step = [], 0
    while step < size:
        step = following[step]
        ages.append(step * STEP)
    return Optimal(ages)
