"""Services to wait for: how long jobs take there, and what they say about themselves meanwhile.

Each behaviour is a recipe for a client's life: several hundred jobs, overlapping. They are grouped by what can be known
there, since that is what a promise can be made about:

* ``truth``: the percentage tells the truth;
* ``law``: only the durations of earlier jobs tell anything;
* ``distorted``: percentage or queue mislead at first sight, but always in the same way;
* ``nothing``: nothing helps, or what used to help stops helping;
* ``burst``: all of a life is submitted within seconds, to a client that has seen nothing yet;
* ``stream``: one job a second, so that more of them run at once than have ended for a long time.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Hashable
from random import Random

import attrs

# (elapsed, duration) since the start of the work, in seconds -> what the service says, 0 to 100
Progress = Callable[[float, float], float]
Draw = Callable[[Random], float]


@attrs.frozen
class Job:
    """One job as the service sees it; times in seconds."""

    kind: Hashable
    submitted_at: float
    started_at: float
    duration: float
    progress: Progress
    ahead: Callable[[float], int]

    @property
    def ended_at(self) -> float:
        """When it ended."""
        return self.started_at + self.duration

    def look(self, now: float) -> tuple[int, int, bool]:
        """Return percentage, waitNumber, processing of a job that has not ended."""
        if now < self.started_at:
            return 0, self.ahead(now), False
        return min(max(int(self.progress(now - self.started_at, self.duration)), 0), 100), 0, True


#: All jobs of a burst learn from the same few ends: of 24 lives of "stuck at 99" one costs 1.65 times what the loop
#: does, and the mean of them 1.04.
_BURSTS = 4
#: Where tasks are over before the second look the optimum saves 8 %, which four lives cannot tell from nothing.
_SHORT = 16


@attrs.frozen
class Service:
    """A behaviour: a name, its group, and a life of jobs for any seed."""

    name: str
    group: str
    live: Callable[[Random, int], list[Job]]
    law: Draw | None = None  # the law of durations where it is all there is to know
    lives: int = 1  # of each seed: more where a few of them show little but chance


# --- durations


def lognormal(median: float, sigma: float) -> Draw:
    """Durations around *median* seconds."""
    return lambda random: median * math.exp(random.gauss(0.0, sigma))


def bimodal(short: float, long: float, share: float = 0.5, sigma: float = 0.08) -> Draw:
    """Two populations, such as cache hits and misses."""
    return lambda random: (short if random.random() < share else long) * math.exp(random.gauss(0.0, sigma))


def pareto(least: float, alpha: float, most: float = 3600.0) -> Draw:
    """Heavy tail: the longer it has taken, the longer it will take."""
    return lambda random: min(least * random.paretovariate(alpha), most)


def exponential(mean: float) -> Draw:
    """No memory: having waited says nothing."""
    return lambda random: 1.0 + random.expovariate(1.0 / mean)


# --- what the service says


def linear(elapsed: float, duration: float) -> float:
    """Tell the truth."""
    return 100.0 * elapsed / duration


def silent(_elapsed: float, _duration: float) -> float:
    """Stay at 0 to the end."""
    return 0.0


def steps(size: int) -> Progress:
    """Count finished stages only."""
    return lambda elapsed, duration: size * int(100.0 * elapsed / duration / size)


def power(exponent: float) -> Progress:
    """Fast first and slow last (below 1), or the other way round (above 1)."""
    return lambda elapsed, duration: 100.0 * (elapsed / duration) ** exponent


def stuck(at: float, share: float) -> Progress:
    """Rise to *at* in *share* of the time and stay there."""
    return lambda elapsed, duration: min(at, at * elapsed / (share * duration))


def late(share: float) -> Progress:
    """Stay at 0 for *share* of the time, then tell the truth about the rest."""
    return lambda elapsed, duration: max(0.0, 100.0 * (elapsed / duration - share) / (1.0 - share))


def by_the_clock(full: float) -> Progress:
    """Pretend: rise with time to 99 in *full* seconds, whatever is going on."""
    return lambda elapsed, _duration: min(99.0, 100.0 * elapsed / full)


# --- lives


def nobody(_now: float) -> int:
    """Nobody is ahead."""
    return 0


Recipe = Callable[[Random, int], tuple[Hashable, float, Progress]]  # kind, duration and progress of the n-th job


def alike(draw: Draw, say: Progress) -> Recipe:
    """Make jobs that differ in their duration only."""
    return lambda random, _index: ("a", draw(random), say)


def changing(when: Callable[[int], bool], before: Draw, after: Draw, say: Progress) -> Recipe:
    """Make jobs with another law while *when* holds."""
    return lambda random, index: ("a", (after if when(index) else before)(random), say)


def told_by_each(draw: Draw, make: Callable[[Random], Progress]) -> Recipe:
    """Make jobs that each talk in their own way."""
    return lambda random, _index: ("a", draw(random), make(random))


def mixed(kinds: dict[str, tuple[Draw, Progress]]) -> Recipe:
    """Make jobs of several kinds."""

    def recipe(random: Random, _index: int) -> tuple[Hashable, float, Progress]:
        kind = random.choice(list(kinds))
        draw, say = kinds[kind]
        return kind, draw(random), say

    return recipe


def life(recipe: Recipe, *, every: float) -> Callable[[Random, int], list[Job]]:
    """Jobs that start at once, one submitted *every* so many seconds on average."""

    def jobs(random: Random, count: int) -> list[Job]:
        now, made = 0.0, []
        for index in range(count):
            now += random.expovariate(1.0 / every)
            kind, duration, say = recipe(random, index)
            made.append(Job(kind, now, now, max(1.0, duration), say, nobody))
        return made

    return jobs


def queue(
    draw: Draw, say: Progress, *, workers: int, burst: int, every: float, tells: bool = True
) -> Callable[[Random, int], list[Job]]:
    """Few workers, first come first served; *burst* jobs arrive together *every* so many seconds on average."""

    def jobs(random: Random, count: int) -> list[Job]:
        free = [0.0] * workers
        now = 0.0
        arrivals: list[float] = []
        starts: list[float] = []
        durations: list[float] = []
        while len(arrivals) < count:
            now += random.expovariate(1.0 / every)
            for _ in range(min(burst, count - len(arrivals))):
                free.sort()
                start, duration = max(now, free[0]), max(1.0, draw(random))
                free[0] = start + duration
                arrivals.append(now)
                starts.append(start)  # never decreasing: first come first served
                durations.append(duration)

        def job(index: int) -> Job:
            def ahead(now: float) -> int:
                return max(1, index - bisect_right(starts, now) + 1) if tells else 0

            return Job("a", arrivals[index], starts[index], durations[index], say, ahead)

        return [job(index) for index in range(count)]

    return jobs


def unrelated(random: Random) -> Progress:
    """Run to some random percentage, at a random moment, and stay there."""
    at, full = random.uniform(5, 99), random.uniform(5, 200)
    return lambda elapsed, _duration: min(at, at * elapsed / full)


def backwards(random: Random) -> Progress:
    """Tell the truth about a first attempt, fall back to 0 at a random moment, and tell the truth about a second."""
    share = random.uniform(0.2, 0.8)

    def progress(elapsed: float, duration: float) -> float:
        if elapsed < share * duration:
            return 100.0 * elapsed / (duration * max(share, 1 - share)) * 0.95
        return 100.0 * (elapsed / duration - share) / (1 - share)

    return progress


def jumpy(random: Random) -> Progress:
    """Show a number drawn anew every few seconds."""
    salt = random.random()
    return lambda elapsed, _duration: Random(f"{salt} {elapsed // 7}").uniform(0, 99)


def stuck_at_random(random: Random) -> Progress:
    """Tell nearly the truth to 99, reached at a random moment, and stay there."""
    return stuck(99.0, random.uniform(0.15, 1.0))


def fading(elapsed: float, duration: float) -> float:
    """Tell the truth about a plan of which only three fifths are needed."""
    return 60.0 * elapsed / duration


def late_half(index: int) -> bool:
    """Tell the second half of a life of 300 jobs."""
    return index >= 150  # noqa: PLR2004 - half of 300


def services(median: float = 75.0, sigma: float = 0.35, workers: int = 4) -> list[Service]:
    """All behaviours, for jobs of *median* seconds spread by *sigma* (of the logarithm)."""
    usual = lognormal(median, sigma)
    scale = median / 75.0
    every = 10.0 * scale
    slow = lognormal(2.2 * median, sigma)

    def only(draw: Draw, name: str, group: str = "law", lives: int = 1) -> Service:
        return Service(name, group, life(alike(draw, silent), every=every), draw, lives)

    two = bimodal(0.4 * median, 1.8 * median)
    heavy = pareto(0.3 * median, 1.1)
    kinds: dict[str, tuple[Draw, Progress]] = {
        "Flash 480p": (lognormal(0.4 * median, sigma), linear),
        "Flash 720p": (usual, linear),
        "Base 1080p": (lognormal(2.5 * median, sigma), linear),
        "Base audio": (lognormal(3.0 * median, sigma), linear),
    }
    muddle: dict[str, tuple[Draw, Progress]] = {
        "linear": (usual, linear),
        "silent": (usual, silent),
        "steps": (usual, steps(25)),
        "stuck": (usual, stuck(99.0, 0.75)),
    }
    load = median / workers  # seconds between departures of a busy queue
    return [
        Service("linear", "truth", life(alike(usual, linear), every=every)),
        Service("linear, bimodal", "truth", life(alike(two, linear), every=every)),
        Service("linear, heavy tail", "truth", life(alike(heavy, linear), every=every)),
        Service("linear, slows midway", "truth", life(changing(late_half, usual, slow, linear), every=every)),
        Service("linear, four kinds", "truth", life(mixed(kinds), every=every)),
        only(usual, "no percentage"),
        only(lognormal(median, 0.1), "no percentage, narrow"),
        only(two, "no percentage, bimodal"),
        only(lognormal(6.0, 0.35), "very short", lives=_SHORT),
        Service("late: 0 until 60 %", "distorted", life(alike(usual, late(0.6)), every=every)),
        Service("stuck at 99 from 70 %", "distorted", life(alike(usual, stuck(99.0, 0.7)), every=every)),
        Service("steps of 25", "distorted", life(alike(usual, steps(25)), every=every)),
        Service("front-loaded", "distorted", life(alike(usual, power(0.4)), every=every)),
        Service("back-loaded", "distorted", life(alike(usual, power(2.5)), every=every)),
        Service("queue, few workers", "distorted", queue(usual, linear, workers=workers, burst=1, every=1.15 * load)),
        Service("queue, bursts", "distorted", queue(usual, linear, workers=workers, burst=25, every=40 * load)),
        Service("queue, no percentage", "distorted", queue(usual, silent, workers=workers, burst=25, every=40 * load)),
        Service("kinds that differ", "distorted", life(mixed(muddle), every=every)),
        only(heavy, "heavy tail", "nothing"),
        only(exponential(median), "exponential", "nothing"),
        only(lognormal(median, 1.2), "very wide", "nothing"),
        Service("slows midway", "nothing", life(changing(late_half, usual, slow, silent), every=every)),
        Service("quickens midway", "nothing", life(changing(late_half, slow, usual, silent), every=every)),
        Service(
            "see-saw every 10",
            "nothing",
            life(changing(lambda index: index // 10 % 2 == 1, usual, slow, silent), every=every),
        ),
        Service(
            "hidden queue, bursts",
            "nothing",
            queue(usual, silent, workers=workers, burst=25, every=40 * load, tells=False),
        ),
        Service("unrelated percentage", "nothing", life(told_by_each(usual, unrelated), every=every)),
        Service("unrelated, heavy tail", "nothing", life(told_by_each(heavy, unrelated), every=every)),
        Service("by the clock", "nothing", life(alike(exponential(median), by_the_clock(median)), every=every)),
        Service("backwards", "nothing", life(told_by_each(usual, backwards), every=every)),
        Service("jumpy", "nothing", life(told_by_each(usual, jumpy), every=every)),
        Service("stuck at 99 anywhere", "nothing", life(told_by_each(heavy, stuck_at_random), every=every)),
        *(
            Service(f"burst: {name}", "burst", life(alike(draw, say), every=0.025), lives=_BURSTS)
            for name, draw, say in (
                ("linear", usual, linear),
                ("linear, narrow", lognormal(median, 0.1), linear),
                ("no percentage", usual, silent),
                ("late", usual, late(0.6)),
                ("stuck at 99", usual, stuck(99.0, 0.7)),
                ("steps of 25", usual, steps(25)),
                ("front-loaded", usual, power(0.4)),
                ("back-loaded", usual, power(2.5)),
                ("ends at 60", usual, fading),
                ("by the clock", usual, by_the_clock(median)),
            )
        ),
        Service("burst: unrelated", "burst", life(told_by_each(usual, unrelated), every=0.025), lives=_BURSTS),
        *(
            Service(f"stream: {name}", "stream", life(alike(draw, say), every=scale))
            for name, draw, say in (
                ("linear", usual, linear),
                ("linear, narrow", lognormal(median, 0.1), linear),
                ("linear, bimodal", two, linear),
                ("steps of 10", usual, steps(10)),
                ("steps of 25", usual, steps(25)),
                ("steps of 33", usual, steps(33)),
                ("stuck at 99", usual, stuck(99.0, 0.7)),
                ("stuck at 99 for long", usual, stuck(99.0, 0.5)),
                ("very wide", lognormal(median, 1.0), silent),
            )
        ),
        Service("stream: backwards", "stream", life(told_by_each(usual, backwards), every=scale)),
        Service("stream: queue grows", "stream", queue(usual, linear, workers=50, burst=1, every=scale)),
        Service("stream: few workers", "stream", queue(usual, linear, workers=workers, burst=1, every=scale)),
    ]
