"""What each idea of the forecast earns, and how flat the cost is around each of its constants.

``python -m benchmarks.pacing.ablation`` switches the ideas off, one at a time, and prints by how much the cost of a job
rises (geometric mean over all services, and the three services that lose most), and how late the latest end behind a
known queue is found. ``--constants`` halves and doubles each constant instead. The first lines draw the rolls anew and
change nothing else: what chance alone does to a mean, and to one service. Ten CPU minutes for the ideas, an hour for
the constants; ``--quick`` takes a third and says less. ``--median`` is how long tasks take.

Two ideas about queues earn less than half a per cent of the mean, and stay for the latest end. In four lives of 200
jobs it is 13 s late instead of 6 without the first, with tasks of 40 s behind four workers, and 25 s instead of 10
without the second, with tasks of 150 s in bursts behind three.
"""

import argparse
import importlib
import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Any

from benchmarks.pacing.services import services
from benchmarks.pacing.simulation import Life, Ours, live

ROOMS = (
    "settings",
    "survival",
    "pooled",
    "progress",
    "pattern",
    "history",
    "track",
    "experts",
    "inspection",
    "forecast",
)
WHERE = "ideal_async._forecast"

#: An idea: the room, what to replace there, and by what.
Patch = tuple[str, str, Any]


def _nothing(*_: Any, **__: Any) -> None:
    """In place of a method that learns or predicts."""


def _no(*_: Any, **__: Any) -> bool:
    return False


def _zero(*_: Any, **__: Any) -> float:
    return 0.0


IDEAS: dict[str, Patch] = {
    "evidence of others that run": ("pooled", "_MOST_TASKS", 0.0),
    "new plans after a surprise": ("forecast", "Forecast._is_surprise", _no),
    "first looks put off": ("forecast", "Forecast.reconsider", _zero),
    "durations that running tasks predict": ("track", "Track.by_running", _nothing),
    "percentages that confirm each other": ("track", "_MOST_CONSISTENCY", 0.0),
    "how straight percentages are": ("progress", "Nonlinearity.learn", _nothing),
    "curve of percentages": ("progress", "ProgressCurve.learn", _nothing),
    "pattern of percentages": ("track", "Track.by_pattern", _nothing),
    "new attempt after a fall": ("track", "Track._begin_attempt", _nothing),
    "waits that nobody saw": ("history", "QueuePace.learn_start", _nothing),
    "pace of the queue": ("history", "QueuePace.learn", _nothing),
    "durations of ended tasks": ("history", "KindHistory.learn_duration", _nothing),
    "weights from ended tasks": ("history", "_FORGET_EVIDENCE", 0.0),
    "weight of the prior for ever": ("experts", "_PRIOR_FLOOR", 0.0),
    "closer search where most tasks end": ("inspection", "_CLOSELY", ()),
    "slots": ("forecast", "_SLOT", 1e-6),
    "free phase of first looks": ("forecast", "_SPREAD", 0.0),
}


#: Constants that are not varied: grids that others are computed from, identities, and guards of arithmetic.
FIXED = {"_CELL", "_LEAST", "_CELLS", "_WORD_COUNT", "_LOGISTIC", "_ROUNDING", "_DAY", "_STANDSTILL"}

CHANCE = 4  # times that the rolls are drawn anew


@contextmanager
def patched(patch: Patch | None) -> Iterator[None]:
    """Replace something in a room for a while."""
    if patch is None:
        yield
        return
    room, path, value = patch
    owner: Any = importlib.import_module(f"{WHERE}.{room}")
    *names, last = path.split(".")
    for name in names:
        owner = getattr(owner, name)
    before = owner.__dict__[last]
    setattr(owner, last, value)
    try:
        yield
    finally:
        setattr(owner, last, before)


def measure(
    name: str, patch: Patch | None, rolls: int, *, median: float, seeds: tuple[int, ...], jobs: int
) -> tuple[float, float]:
    """Return our cost of a job on one service with another sequence of *rolls*, and the longest delay behind a queue.

    Both in seconds; *median* is what its tasks take.
    """
    service = next(service for service in services(median) if service.name == name)
    with patched(patch):
        life = Life([live(Ours(), service.live(Random(seed), jobs), Random(seed + 1 + 1000 * rolls)) for seed in seeds])
        return life.cost(), life.worst_with_queue if "queue" in name else 0.0


def constants(rooms: Iterable[str]) -> Iterator[tuple[str, Patch]]:
    """Go through all constants of some *rooms* of the forecast, halved and doubled."""
    for room in rooms:
        for name, value in vars(importlib.import_module(f"{WHERE}.{room}")).items():
            if name.startswith("_") and name.isupper() and isinstance(value, int | float) and name not in FIXED:
                for factor in (0.5, 2.0):
                    other = vary(value, factor)
                    yield f"{room}.{name} = {value:g} -> {other:g}", (room, name, other)


def vary(value: float, factor: float) -> float:
    """Return *value* times *factor*; of what is nearly 1, such as what is kept at each step, the distance from 1."""
    if 0.9 <= value <= 1.2 and isinstance(value, float):  # noqa: PLR2004 - what is left of what was learned; a stride
        return 1.0 + (value - 1.0) * factor
    return type(value)(value * factor)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pacing.ablation", description=__doc__)
    parser.add_argument("--constants", action="store_true", help="halve and double constants instead")
    parser.add_argument("--quick", action="store_true", help="fewer jobs")
    parser.add_argument("--median", type=float, default=75.0, metavar="SECONDS", help="of the tasks' durations")
    parser.add_argument("--rooms", nargs="+", choices=ROOMS, default=ROOMS, help="of the constants")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every N-th service only")
    parser.add_argument("--processes", type=int, help="at once; as many as there are cores")
    arguments = parser.parse_args()
    names = [service.name for service in services()][:: arguments.every]
    seeds = (101,) if arguments.quick else (101, 102, 103)
    one = partial(measure, median=arguments.median, seeds=seeds, jobs=100)
    trials: list[tuple[str, Patch | None, int]] = [("chance alone", None, rolls) for rolls in range(1, CHANCE + 1)]
    trials += [
        (idea, patch, 0) for idea, patch in (constants(arguments.rooms) if arguments.constants else IDEAS.items())
    ]
    with ProcessPoolExecutor(arguments.processes) as pool:
        full = list(pool.map(one, names, [None] * len(names), [0] * len(names)))
        for idea, patch, rolls in trials:
            lives = list(pool.map(one, names, [patch] * len(names), [rolls] * len(names)))
            ratios = [without / all_on for (without, _), (all_on, _) in zip(lives, full, strict=True)]
            mean = math.exp(sum(map(math.log, ratios)) / len(ratios)) - 1.0
            worst = sorted(zip(ratios, names, strict=True), reverse=True)[:3]
            losers = ", ".join(f"{name} {ratio - 1.0:+.0%}" for ratio, name in worst)
            latest = max(late for _, late in lives)
            print(f"{idea:44} {mean:+7.2%}   {latest:4.1f} s   {losers}", flush=True)


if __name__ == "__main__":
    main()
