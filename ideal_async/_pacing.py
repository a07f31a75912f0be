"""When to look next: what is believed about the end of each job, and the look that this makes best.

The yardstick
    A look is worth 1/6 s of delay (`Pacing.look_cost`): the rate at which one look every 5 s, the vendor's advice, is
    itself the best fixed loop for jobs of 75 s. The cost of a job is its looks at this rate plus the seconds from its end
    to its discovery. Two looks at one task are never closer than `Pacing.min_interval`, and nothing else is sacred: the
    phase is free.

Four witnesses
    What a job has left is a survival question, as in reliability engineering: it is known to run up to the last look, and
    to end at some moment after. Four witnesses testify, each with a law (`_laws`) of the seconds left:

    ==========  ==================================================  ===============================================
    witness     testifies from                                      says
    ==========  ==================================================  ===============================================
    vague       the age of the job alone                            a Pareto law around the usual 75 s
    history     durations of finished jobs of the same kind         their law, given that this one has lived so long
    percentage  the share of the time that a percentage stands for  time so far / share, give or take what it was off
    queue       waitNumber, how fast it drains, history             places * seconds each + a job's usual time
    ==========  ==================================================  ===============================================

    Percentages mean what they meant in finished jobs (`_learned.Curve`); until there are any, the straight line. A service
    that counts in steps, sticks at 99 for a third of the time or starts at 60 % is as good as a truthful one if it always
    does so. One that does so at random makes the percentage's law as wide as it deserves.

Whom to believe
    A witness foretells the chance that the next look finds the job running. What the look finds is evidence for those who
    said so (prequential probability, A. P. Dawid 1984), within the job at once, and for later jobs of the kind when it
    ends. Percentages that keep to their own forecast earn belief before any job has ended. The vague witness is never
    silenced, which is what limits the harm when all others are wrong: a job that should have been over long ago is
    looked at like one that nothing is known about.

    An end is only known to lie between two looks. Where between them, all witnesses together say (the E step of the EM
    algorithm), and every lesson is learned from that, so that looks far apart teach too.

Without any evidence
    the first look comes 5 s after submission, give or take 2 s that free the phase, and the next ones about every 5 s,
    slowly stretching as the job outlives what is usual. Percentages that rise steadily are believed from the third look
    on. A task resumed by an id of unknown age is looked at once.

From belief to a moment: `_checking.next_look`.
"""

import math
from collections.abc import Hashable

import attrs

from ._checking import next_look
from ._laws import Law, Mixture, Peak, Vague, median
from ._learned import Curve, Durations, Elapsed, Ends, Errors, told
from ._models import Eta

__all__ = ["Forecast", "Kind", "Pacing", "Track"]

Kind = Hashable  # (model type, resolution, duration, audio), or None when unknown

_VAGUE, _HISTORY, _PERCENTAGE, _QUEUE = range(4)
_SOURCES = ("", "history", "percentage", "queue")

_USUAL = 75.0  # seconds; the job for which the vendor's 5 s is the best fixed loop
_LOGISTIC = math.sqrt(3.0) / math.pi  # scale of a logistic law of standard deviation 1
_ROUNDING = 0.0029  # standard deviation of what an integer percentage has lost, as a share
_LEAST_CHANCE = 0.01  # one look is never more than 100 to 1 against a witness
_FORGET = 0.95  # belief earned in a job counts half as much 14 jobs later
_MOST_EARNED = 3.0  # log odds that one job can move
_STEADY = 2.0  # what steady percentages alone can earn, in units of log odds


def _positive(_: object, attribute: "attrs.Attribute[float]", value: float) -> None:
    if not 0.0 < value < math.inf:
        raise ValueError(f"{attribute.name} must be a positive number of seconds, not {value!r}")


@attrs.frozen(kw_only=True)
class Pacing:
    """How often to look at tasks; the defaults follow the vendor's advice of 5 to 10 seconds.

    Args:
        min_interval: least time between two looks at one task, seconds.
        max_interval: most time between two looks at one task, seconds, and so the longest an end can go unnoticed.
        look_cost: the delay that one look less is worth, seconds. Raise it to look less often.

    Raises:
        ValueError: not positive, or *max_interval* under *min_interval*.

    >>> Pacing(min_interval=10.0)
    Pacing(min_interval=10.0, max_interval=60.0, look_cost=0.16666666666666666)
    """

    min_interval: float = attrs.field(default=5.0, validator=_positive)
    max_interval: float = attrs.field(default=60.0, validator=_positive)
    look_cost: float = attrs.field(default=1 / 6, validator=_positive)

    def __attrs_post_init__(self) -> None:
        if self.max_interval < self.min_interval:
            raise ValueError(
                f"max_interval ({self.max_interval!r} s) must not be under min_interval ({self.min_interval!r} s)"
            )


class _Lessons:
    """What the finished jobs of one kind have taught."""

    __slots__ = ("curve", "durations", "queue", "telling", "trust")

    def __init__(self, others: "_Lessons | None" = None) -> None:
        self.durations = Durations()
        self.curve = Curve(others.curve if others else None)
        self.queue = Errors()  # of the logarithm of the time from a place in the queue to the end
        self.telling = others.telling if others else 0.0  # share of jobs that showed percentages
        # log odds of the witnesses; what other kinds taught is worth a start
        self.trust = [0.3 * trust for trust in others.trust] if others else [0.0, 0.0, 0.0, 0.0]

    def judge(self, evidence: list[float]) -> None:
        """Move the trust in each witness by what one job showed."""
        scale = min(1.0, _MOST_EARNED / (1e-9 + max(map(abs, evidence))))
        self.trust = [_FORGET * trust + scale * earned for trust, earned in zip(self.trust, evidence, strict=True)]


@attrs.define(eq=False)
class Track:
    """What was seen of one running task; made by `Forecast.track`, changed by nothing but the forecast."""

    lessons: _Lessons
    submitted_at: float | None
    seen_at: float  # the last moment at which it is known to have run
    after: float  # its work began between here ...
    before: float  # ... and here
    place: int = 0  # in the queue; 0 once work has begun
    begun: bool = False
    percentage: int = 0
    since: float = -math.inf  # when this percentage, or this place, was first seen
    first: tuple[float, int] | None = None  # the first percentage above 0, and when
    marks: list[float] = attrs.Factory(list)  # moment, percentage, moment, percentage ... to learn from at the end
    queued: tuple[float, float] | None = None  # when first seen waiting, and the seconds then foretold
    steady: float = 0.0  # log odds earned by percentages that kept to their own forecast
    evidence: list[float] = attrs.Factory(lambda: [0.0, 0.0, 0.0, 0.0])


_MARKS = 12  # of a job are enough to learn a curve from, and bound its memory


class Forecast:
    """What one client expects of its tasks, learned from those that finished.

    Pure: the clock and the dice are arguments. Times are seconds on one monotonic clock, *roll* is uniform in [0, 1),
    delays are seconds from *now*. A decision costs the same however many tasks are tracked.

    >>> forecast = Forecast(Pacing())
    >>> track = forecast.track("Flash 720p", now=0.0, submitted_at=0.0)
    >>> round(forecast.first(track, now=0.0, roll=0.5))
    5
    """

    def __init__(self, pacing: Pacing) -> None:
        self.pacing = pacing
        self._all = _Lessons()
        self._kinds: dict[Kind, _Lessons] = {}
        # Seconds for which queues were watched, and places by which they moved meanwhile; a start of 10 s a place.
        self._watched, self._moved = 5.0, 0.5

    # --- the life of a task --------------------------------------------------------------------------------------------

    def track(self, kind: Kind, *, now: float, submitted_at: float | None) -> Track:
        """Begin to follow a task; *submitted_at* is None if its age is unknown."""
        lessons = self._kinds.get(kind)
        if lessons is None:
            lessons = self._kinds[kind] = _Lessons(self._all)
        if submitted_at is None:
            return Track(lessons, None, now, -math.inf, now)
        return Track(lessons, submitted_at, submitted_at, submitted_at, submitted_at)

    def first(self, track: Track, *, now: float, roll: float) -> float:
        """Return the delay to the first look, which may be under `Pacing.min_interval` when jobs are that short."""
        if track.submitted_at is None:
            return roll * min(1.0, self.pacing.min_interval)
        passed = max(now - track.seen_at, 0.0)
        soon = min(1.0, self.pacing.min_interval)
        return self._decide(track, passed, soon * roll if passed > self.pacing.max_interval else soon, roll)

    def after(
        self, track: Track, *, percentage: int, wait_number: int, processing: bool, now: float, roll: float
    ) -> float:
        """Take in a look that found the task running, and return the delay to the next."""
        self._weigh_evidence(track, now, ended=False)
        percentage = min(max(percentage, 0), 100)
        # The page shows 30 % with two ahead: a percentage above 0 outweighs waitNumber.
        if percentage > 0 or (processing and wait_number <= 0):
            self._see_work(track, percentage, now)
        else:
            self._see_queue(track, max(wait_number, 1), now)
        track.seen_at = now
        return self._decide(track, 0.0, self.pacing.min_interval, roll)

    def finish(self, track: Track, *, now: float, success: bool) -> None:
        """Take in a look that found the task ended, and learn from its life.

        A failed task teaches how long tasks of its kind take to end, but not what percentages lead to.
        """
        ends = self._ends(track, now)
        self._weigh_evidence(track, now, ended=True)
        lessons = track.lessons
        for taught in (lessons, self._all):
            taught.judge(track.evidence)
            taught.telling += 0.2 * ((1.0 if track.marks else 0.0) - taught.telling)
        if track.queued is not None:
            at, foretold = track.queued
            logs = [(math.log((max(end - at, 0.0) + 1.0) / (foretold + 1.0)), chance) for end, chance in ends]
            mean, noise = _moments(logs)
            lessons.queue.learn(mean - lessons.queue.mean, weight=1.0, noise=noise)
        begin = self._begin(track)
        if begin is None:
            return
        took = [(max(end - begin[0], 0.0), chance) for end, chance in ends]
        lessons.durations.learn(took)
        self._all.durations.learn(took)
        if success:
            for at, percentage in zip(track.marks[::2], track.marks[1::2], strict=True):
                shares = [(min(max(at - begin[0], 0.1) / max(end, 0.1), 1.0), chance) for end, chance in took]
                lessons.curve.learn(int(percentage), *_moments(shares))

    def drop(self, track: Track) -> None:
        """Stop following a task that nobody waits for any more: nothing is kept of it, and nothing learned."""

    def eta(self, track: Track, *, now: float) -> Eta | None:
        """Return when the task is expected to end, None as long as there is nothing to go by."""
        testimony = self._testimony(track)
        weight, witness, law = max((weight, witness, law) for weight, witness, law in testimony)
        if witness == _VAGUE:
            return None
        return Eta(median(law, max(now - track.seen_at, 0.0)), _SOURCES[witness])

    # --- what a look shows ---------------------------------------------------------------------------------------------

    def _see_queue(self, track: Track, place: int, now: float) -> None:
        if 0 < place <= track.place:
            self._drain(now - track.seen_at, track.place - place)
        track.place = place
        track.since = track.after = track.before = now
        if track.queued is None:
            track.queued = now, self._from_place(track)

    def _drain(self, seconds: float, places: int) -> None:
        self._watched = 0.98 * self._watched + seconds
        self._moved = 0.98 * self._moved + places

    def _see_work(self, track: Track, percentage: int, now: float) -> None:
        if not track.begun:
            track.begun = True
            if track.place or track.submitted_at is None:
                track.before = now
            if track.place:
                self._drain((now - track.after) / 2.0, track.place)
                track.place = 0
        if percentage == track.percentage:
            return
        expected = self._whole(track)
        track.percentage, track.since = percentage, now
        if track.first is None:
            track.first = now, percentage
        if percentage and len(track.marks) < 2 * _MARKS:
            track.marks += (now, percentage)
        whole = self._whole(track)
        if expected is not None and whole is not None:
            # Two forecasts of the same duration: do they agree better than two that know nothing (log sd 0.5)?
            variance = expected[1] + whole[1]
            off = math.log(whole[0] / expected[0])
            odds = 0.5 * math.log(0.25 / variance) - 0.5 * off * off * (1.0 / variance - 1.0 / 0.25)
            track.steady = min(max(track.steady + min(max(odds, -1.0), 1.0), -_STEADY), _STEADY)

    def _begin(self, track: Track) -> tuple[float, float] | None:
        """Return when the work began and the standard deviation of that; None if that is anyone's guess."""
        if track.after == track.before:
            return track.before, 0.0
        if track.first is not None and track.percentage > track.first[1]:
            at, percentage = track.first
            begin = at - percentage * (track.since - at) / (track.percentage - percentage)
            return min(max(begin, track.after), track.before), 0.0
        if track.after == -math.inf:
            return None
        return (track.after + track.before) / 2.0, (track.before - track.after) / math.sqrt(12.0)

    def _share(self, track: Track, model: float) -> tuple[float, float, float] | None:
        """Return the seconds of work up to the current percentage, the share they are of all, and its variance."""
        begin = self._begin(track)
        if begin is None or track.percentage == 0:
            return None
        age = max(track.since - begin[0], 0.5)
        share = told(track.percentage)
        doubt = (share * model) ** 2 + _ROUNDING**2 + (share * begin[1] / age) ** 2
        return age, *track.lessons.curve.share(track.percentage, doubt)

    def _whole(self, track: Track) -> tuple[float, float] | None:
        """Return the seconds the work is expected to take, and the variance of their logarithm, if the curve holds."""
        known = self._share(track, 0.03)  # a straight line that is one bends by no more
        if known is None:
            return None
        age, share, variance = known
        return age / share, variance / (share * share)

    # --- the witnesses -------------------------------------------------------------------------------------------------

    def _testimony(self, track: Track) -> list[tuple[float, int, Law]]:
        """Return what each witness says of the seconds left since the task was last seen, and how far it is believed."""
        lessons, at = track.lessons, track.seen_at
        begin = self._begin(track)
        age = max(at - (track.before if begin is None else begin[0]), 0.0)
        said: list[tuple[float, int, Law]] = [(0.0, _VAGUE, Vague(2.0 * _USUAL + age))]
        if track.place:
            said.append((0.0, _QUEUE, self._queue(track)))
        else:
            durations = lessons.durations if lessons.durations.count else self._all.durations
            count = lessons.durations.count or 0.5
            # Silent about what none of its jobs has lived to see.
            if durations.count and durations.alive(age) > 0.02 / count:
                said.append((math.log(count / (count + 1.0)), _HISTORY, Elapsed(durations, age)))
            # A percentage not understood yet may be off by a quarter of what is left.
            known = self._share(track, 0.25 * (1.0 - told(track.percentage)) + 0.004)
            if known is not None:
                worked, share, variance = known
                scale = worked / (share * share) * math.sqrt(variance) * _LOGISTIC
                peak = Peak(worked / share - worked, max(scale, 0.1), ago=at - track.since)
                said.append((track.steady, _PERCENTAGE, peak))
        odds = [start + lessons.trust[k] + track.evidence[k] for start, k, _ in said]
        top = max(odds)
        weights = [math.exp(odd - top) for odd in odds]
        # The vague witness keeps a tenth while nothing is known of the kind, and a fiftieth for ever.
        vague = 0.02 + 0.1 / (1.0 + lessons.durations.count)
        rest = (1.0 - vague) / sum(weights)
        return [
            (weight * rest + (vague if k == _VAGUE else 0.0), k, law)
            for weight, (_, k, law) in zip(weights, said, strict=True)
        ]

    def _from_place(self, track: Track) -> float:
        """Return the seconds foretold to the end from the current place in the queue."""
        durations = track.lessons.durations if track.lessons.durations.count else self._all.durations
        return track.place * self._watched / self._moved + (durations.mean if durations.count else _USUAL)

    def _queue(self, track: Track) -> Peak:
        # Before any was seen to its end, a forecast from the queue may be off by a factor of 1.6.
        mean, variance = track.lessons.queue.estimate(0.0, 0.25)
        expected = (self._from_place(track) + 1.0) * math.exp(mean)
        return Peak(expected - 1.0, expected * math.sqrt(variance) * _LOGISTIC, ago=track.seen_at - track.since)

    def _weigh_evidence(self, track: Track, now: float, *, ended: bool) -> None:
        passed = max(now - track.seen_at, 0.0)
        chances: list[tuple[float, int, float]] = []
        for weight, witness, law in self._testimony(track):
            alive = law.alive(passed)
            chances.append((weight, witness, max(1.0 - alive if ended else alive, _LEAST_CHANCE)))
        mean = sum(weight * chance for weight, _, chance in chances)
        for _, witness, chance in chances:
            track.evidence[witness] += math.log(chance / mean)

    def _ends(self, track: Track, now: float) -> Ends:
        """Return when the task may have ended: moments between the last look and *now*, with their chances."""
        passed = max(now - track.seen_at, 0.0)
        law = Mixture([(weight, law) for weight, _, law in self._testimony(track)])
        pieces = min(max(int(2.0 * passed), 4), 40)  # half a second each, if they are not too many
        alive = [law.alive(passed * i / pieces) for i in range(pieces + 1)]
        mass = alive[0] - alive[-1] + 1e-9
        # A little evenly: where all witnesses are wrong, the end is anywhere.
        chances = [0.995 * (alive[i] - alive[i + 1] + 1e-9 / pieces) / mass + 0.005 / pieces for i in range(pieces)]
        return [(track.seen_at + passed * (i + 0.5) / pieces, chance) for i, chance in enumerate(chances)]

    # --- the decision --------------------------------------------------------------------------------------------------

    def _decide(self, track: Track, passed: float, least: float, roll: float) -> float:
        """Return the delay to the next look, *passed* seconds after the task was last seen."""
        testimony = self._testimony(track)
        trust = track.lessons.trust
        # Will a look tell more than "not yet"? As far as percentages come and are worth more than history.
        telling = track.lessons.telling / (1.0 + math.exp(trust[_HISTORY] - trust[_PERCENTAGE]))
        hints: list[float] = []
        for weight, witness, law in testimony:
            if witness == _PERCENTAGE:
                telling = weight
            if isinstance(law, Peak):
                hints += [law.middle + scales * law.scale for scales in (-1.5, 0.5, 1.5, 2.5, 4.0)]
        at = next_look(
            Mixture([(weight, law) for weight, _, law in testimony if weight > 0.005]),  # noqa: PLR2004 - not worth its time
            earliest=passed + least,
            latest=passed + self.pacing.max_interval,
            interval=self.pacing.min_interval,
            look_cost=self.pacing.look_cost,
            telling=0.0 if track.place else telling,
            hints=hints,
            roll=roll,
            spread=0.02 if track.seen_at == track.submitted_at else 0.0,
        )
        return at - passed


def _moments(values: Ends) -> tuple[float, float]:
    """Return mean and variance."""
    mean = sum(value * chance for value, chance in values)
    return mean, sum((value - mean) ** 2 * chance for value, chance in values)
