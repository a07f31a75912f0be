"""Print how well the library paces its looks, and draw the picture.

``python -m benchmarks.pacing`` takes a few minutes, ``--quick`` some seconds, ``--held-out`` adds services of other
durations, spreads and workers than any choice in the rules was made on.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from random import Random

import attrs

from benchmarks.pacing import picture, scale
from benchmarks.pacing.optimum import Optimal, optimum
from benchmarks.pacing.services import Service, services
from benchmarks.pacing.simulation import LOOK_COST, Backoff, Life, Loop, Ours, Pacer, live
from ideal_async._forecast import Pacing

LOOPS = {"2 s": Loop(2.0), "5 s": Loop(5.0), "10 s": Loop(10.0), "6±1.5": Loop(6.0, 1.5)}
TITLES = {
    "truth": "the percentage tells the truth",
    "law": "only past durations tell",
    "distorted": "distorted, always in the same way",
    "nothing": "nothing can be known, or not for long",
    "burst": "all submitted at once, to a client that has seen nothing yet",
    "stream": "one job a second",
}
PROMISES = {
    "truth": "at most half of the 5 s loop's cost",
    "law": "at least 70 % of the optimum's gain over the 5 s loop",
    "distorted": "at least 1.3 times better than the 5 s loop",
    "nothing": "at most 1.05 times the 5 s loop's cost",
    "burst": "at most 1.15 times the 5 s loop's cost, half where percentages tell the truth",
    "stream": "at least 1.3 times better than the 5 s loop; no worse where nothing can be known",
}


#: Seconds that no end goes unnoticed for, where the percentage tells the truth, or a queue that has been seen.
LONGEST = 15.0


@attrs.frozen
class World:
    """Which services, and how much of them."""

    median: float = 75.0
    sigma: float = 0.35
    workers: int = 4
    seeds: tuple[int, ...] = (101, 102, 103, 104)
    jobs: int = 300

    def __str__(self) -> str:
        return f"median {self.median:g} s, sigma {self.sigma:g}, {self.workers} workers"


@attrs.frozen
class Result:
    """One behaviour: the lives it gave each pacer."""

    service: str
    group: str
    lives: dict[str, Life]

    def ratio(self, start: int = 0, stop: int | None = None) -> float:
        """Return our cost over that of the 5 s loop."""
        return self.lives["ours"].cost(start, stop) / self.lives["5 s"].cost(start, stop)

    @property
    def gain(self) -> float | None:
        """Our share of what the optimum saves over the 5 s loop."""
        if "optimum" not in self.lives:
            return None
        fixed = self.lives["5 s"].cost()
        return (fixed - self.lives["ours"].cost()) / (fixed - self.lives["optimum"].cost())

    @property
    def kept(self) -> bool:
        """Whether the promise of the group holds."""
        if self.group == "law":
            return (self.gain or 0.0) >= 0.7  # noqa: PLR2004
        most = {"truth": 0.5, "distorted": 1 / 1.3, "nothing": 1.05, "burst": 1.15, "stream": 1 / 1.3}[self.group]
        return self.ratio() <= (1 / 0.98 if self.service == "stream: very wide" else most)


@cache
def schedule(world: World, name: str) -> Optimal | None:
    """Return the optimum for a service's law, if that is all there is to know."""
    service = find(world, name)
    return None if service.law is None else optimum(service.law)


def find(world: World, name: str) -> Service:
    """Return a service by its name."""
    return next(s for s in services(world.median, world.sigma, world.workers) if s.name == name)


def run(world: World, name: str) -> Result:
    """Let every pacer live the same lives."""
    service = find(world, name)
    pacers: dict[str, Callable[[], Pacer]] = {key: partial(attrs.evolve, loop) for key, loop in LOOPS.items()}
    best = schedule(world, name)
    if best is not None:
        pacers["optimum"] = partial(attrs.evolve, best)
    pacers["ours"] = Ours
    return Result(service.name, service.group, {key: lives(world, service, pacer) for key, pacer in pacers.items()})


def lives(world: World, service: Service, pacer: Callable[[], Pacer]) -> Life:
    """Live a life for each seed, each with a client of its own."""
    tolls = []
    for seed in (seed + 1000 * life for seed in world.seeds for life in range(service.lives)):
        jobs = service.live(Random(seed), world.jobs)
        tolls.append(live(pacer(), jobs, Random(seed + 1)))
    return Life(tolls)


def table(results: list[Result]) -> Iterator[str]:
    """Say what came out, line by line."""
    for group, promise in PROMISES.items():
        yield ""
        yield f"{group}: {promise}"
        yield (
            f"{'':24}|{'cost of loops':^27}| opti- |{'ours':^29}|{'ours / 5 s':^24}|\n"
            f"{'service':24}|{'2 s':>6}{'5 s':>7}{'10 s':>7}{'6±1.5':>7}| mum   "
            f"|{'looks':>6}{'delay':>7}{'worst':>7}{'cost':>7}  |{'life':>7}{'first':>8}{'warm':>7}  | gain"
        )
        for result in results:
            if result.group == group:
                lives, ours = result.lives, result.lives["ours"]
                loops = "".join(f"{lives[key].cost():7.2f}" for key in LOOPS)[1:]
                best = f"{lives['optimum'].cost():6.2f}" if "optimum" in lives else "      "
                gain = "" if result.gain is None else f"{result.gain:5.0%}"
                yield (
                    f"{result.service:24}|{loops}|{best} |{ours.looks:6.2f}{ours.delay:7.2f}{ours.worst:7.1f}"
                    f"{ours.cost():7.2f}  |{result.ratio():7.2f}{result.ratio(0, 10):8.2f}{result.ratio(50):7.2f}  |"
                    f"{gain:5} {'' if result.kept else ' missed'}"
                )


def over_all(results: list[Result]) -> Iterator[str]:
    """Say what is promised of many services together."""
    stream = [-math.log(result.ratio()) for result in results if result.group == "stream"]
    mean = math.exp(sum(stream) / len(stream))
    yield f"stream: the 5 s loop's cost over ours, geometric mean {mean:.2f} (at least 2)"
    for result in results:
        ours = result.lives["ours"]
        if result.group == "truth" or result.service.startswith("stream: linear"):
            if ours.worst > LONGEST:
                yield f"{result.service}: found {ours.worst:.1f} s late at worst (at most {LONGEST:g} s)  missed"
        elif result.service.startswith(("queue,", "stream: queue", "stream: few")):
            verdict = "" if ours.worst_with_queue <= LONGEST else "  missed"
            yield (
                f"{result.service}: found {ours.worst_with_queue:.1f} s late at worst (at most {LONGEST:g} s){verdict}"
                f"; {ours.worst:.1f} s with those submitted before any was seen waiting"
            )


def frontier(world: World) -> picture.Frontier:
    """Return what can be traded: looks against delay, at several prices of a look."""
    prices = (0.04, 0.08, LOOK_COST, 0.35, 0.7, 1.4)

    def point(name: str, pacer: Callable[[], Pacer], label: str = "") -> picture.Point:
        life = lives(world, find(world, name), pacer)
        return picture.Point(life.looks, life.delay, label)

    def ours(name: str) -> list[picture.Point]:
        return [
            point(name, partial(Ours, Pacing(look_cost=price)), "ours" if price == LOOK_COST else "")
            for price in prices
        ]

    law = find(world, "no percentage").law
    assert law is not None  # noqa: S101 - that service has one
    best = []
    for price in prices:
        known = optimum(law, look_cost=price)
        best.append(point("no percentage", partial(attrs.evolve, known), "best" if price == LOOK_COST else ""))
    named = {2.0: "2 s", 5.0: "5 s", 10.0: "10 s", 20.0: "20 s"}
    loops = [
        point("linear", partial(Loop, interval), named.get(interval, ""))
        for interval in (1.7, 2.0, 3.0, 5.0, 7.0, 10.0, 14.0, 20.0, 23.0)
    ]
    loops.append(point("linear", partial(Loop, 6.0, 1.5), picture.JITTERED))
    return picture.Frontier(loops, ours("linear"), ours("no percentage"), best)


def first_sight(world: World) -> str:
    """Return the simple picture."""

    def point(pacer: Callable[[], Pacer], label: str, name: str = "linear") -> picture.Point:
        life = lives(world, find(world, name), pacer)
        return picture.Point(life.looks, life.delay, label)

    return picture.simple(
        [point(partial(Loop, interval), f"every {interval:g} s") for interval in (1.0, 2.0, 5.0, 10.0, 30.0)],
        point(Backoff, "backoff: 1, 2, 4 ... 60 s"),
        point(Ours, "ideal_async, no percentage", "no percentage"),
        point(Ours, "ideal_async"),
    )


def rows(results: list[Result]) -> Iterator[tuple[str, list[picture.Row]]]:
    """Return the groups of behaviours as the picture shows them."""
    for group, title in TITLES.items():
        members = [result for result in results if result.group == group]
        yield (
            title,
            [
                picture.Row(
                    result.service,
                    result.ratio(),
                    result.lives["optimum"].cost() / result.lives["5 s"].cost() if "optimum" in result.lives else None,
                )
                for result in members
            ],
        )


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pacing", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short life per service, no picture")
    parser.add_argument("--held-out", action="store_true", help="other durations, spreads and workers too")
    arguments = parser.parse_args()
    world = World(seeds=(101,), jobs=100) if arguments.quick else World()
    names = [service.name for service in services()]
    with ProcessPoolExecutor() as pool:
        print(f"{world}; {len(world.seeds)} lives of {world.jobs} jobs. Looks and cost per job, seconds.")
        print("first: the first 10 jobs of a client, warm: after 50.")
        results = list(pool.map(run, [world] * len(names), names))
        print("\n".join([*table(results), "", *over_all(results)]), flush=True)
        if arguments.held_out:
            print("\nheld out: promises kept, and the worst of each group (cost over that of the 5 s loop)")
            for other in held_out():
                print(summary(other, list(pool.map(run, [other] * len(names), names))), flush=True)
    if not arguments.quick:
        path = Path(__file__).parent.parent / "pacing.svg"
        path.write_text(picture.draw(frontier(world), list(rows(results))), encoding="utf-8")
        first = path.with_name("looks.svg")
        first.write_text(first_sight(world), encoding="utf-8")
        print(f"\ndrawn: {path.name}, {first.name}")
    print("\n" + "\n".join(scale.report()))


def held_out() -> Iterator[World]:
    """Name the services no choice was made on."""
    seeds = (201, 202)
    for median in (20.0, 40.0, 150.0, 400.0):
        yield World(median=median, seeds=seeds)
    for sigma in (0.15, 0.6):
        yield World(sigma=sigma, seeds=seeds)
    for workers in (2, 12):
        yield World(workers=workers, seeds=seeds)


def summary(world: World, results: list[Result]) -> str:
    """Say how the groups fared, in a line."""
    said = []
    for group in PROMISES:
        members = [result for result in results if result.group == group]
        worst = max(members, key=lambda result: result.ratio())
        kept = sum(result.kept for result in members)
        said.append(f"{group} {kept}/{len(members)}, worst {worst.ratio():.2f} {worst.service}")
    return f"{world!s:40} " + "; ".join(said)


if __name__ == "__main__":
    main()
