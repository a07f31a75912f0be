"""The best that can be done when the law of the durations is known and nothing else is: dynamic programming.

After Barlow, Hunter and Proschan, "Optimum checking procedures" (1963), with a least interval between two looks added.
"""

from collections.abc import Callable
from random import Random

from benchmarks.pacing.simulation import LOOK_COST

STEP = 0.25  # seconds; halving it again changes the cost in the third digit


def optimum(
    draw: Callable[[Random], float], *, least: float = 5.0, most: float = 60.0, samples: int = 20_000, seed: int = 0
) -> tuple[float, float, float]:
    """Return cost, looks and mean delay per job of the best schedule of looks for durations drawn by *draw*."""
    random = Random(seed)  # noqa: S311
    durations = sorted(max(1.0, draw(random)) for _ in range(samples))
    end = durations[min(samples - 1, int(samples * 0.999))]
    size = int(end / STEP) + 2
    alive = [0.0] * (size + 1)  # share still running at each step
    lived = [0.0] * (size + 1)  # integral of alive up to each step
    index = 0
    for step in range(size + 1):
        while index < samples and durations[index] <= step * STEP:
            index += 1
        alive[step] = 1 - index / samples
        lived[step] = lived[step - 1] + alive[step - 1] * STEP if step else 0.0
    low, high = int(least / STEP), int(most / STEP)
    cost, looks = [0.0] * (size + 1), [0.0] * (size + 1)
    for step in range(size, -1, -1):
        best = float("inf")
        # everything below is per job, not per surviving job: no division by alive[step]
        for to in range(step + (low if step else 1), step + high + 1):
            stop = min(to, size)
            delay = (to - step) * STEP * alive[step] - (lived[stop] - lived[step])
            value = LOOK_COST * alive[step] + delay + cost[stop]
            if value < best:
                best, looks[step] = value, alive[step] + looks[stop]
            if delay > best:
                break
        cost[step] = best
    return cost[0], looks[0], cost[0] - looks[0] * LOOK_COST
