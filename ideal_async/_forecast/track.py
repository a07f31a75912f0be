"""What was seen of one running task, and what its percentage or its place in the queue predicts."""

import math
from functools import partial

import attrs

from .history import ConditionalSurvival, KindHistory, QueuePace
from .pattern import Run
from .pooled import NO_EVIDENCE, Evidence
from .progress import work_done
from .survival import Logistic

USUAL = 75.0  # seconds; the task for which the vendor's 5 s is the best fixed interval

_LOGISTIC = math.sqrt(3.0) / math.pi  # scale of a logistic distribution of standard deviation 1
_ROUNDING = 0.0029  # standard deviation of what an integer percentage has lost, as a share: 0.01 / sqrt(12)
_LEAST_SCALE = 0.02  # however straight percentages were so far, the next ones may be less so; flat
_LEAST_DEVIATION = 0.004  # standard deviation of the share near its end, where the former vanishes; flat
_STRAIGHT = 0.03  # relative error of a share if percentages are indeed on a straight line; flat
_UNINFORMED = 0.5  # standard deviation of the logarithm of a duration about which nothing is known; flat
_PRIOR_PLACES = 0.5  # and of the time predicted from a place in the queue, before any was seen to its end; flat
# Log odds that percentages can earn by confirming each other, half of it at once. At 4 a burst whose tasks end at 60 %
# costs three times as much (ablation).
_MOST_CONSISTENCY = 2.0
# Weight of the latest comparison in what a task of the kind starts with. At 0.2 that burst costs 69 % more.
_CONSISTENCY_STEP = 0.1
_RUNS = 12  # percentages of a task are enough to learn from, and bound its memory; flat
_LATEST_RUNS = 3  # of them say nearly all that the earlier ones do; flat
_SHOWN = 0.05  # share of tasks; a kind that shows fewer percentages has no pattern worth the effort; flat
_MOSTLY = 0.5  # share of tasks that showed percentages; flat
_BUSY = 0.05  # share of tasks seen waiting; beyond it, one that was not seen to wait may have done so unseen; flat
# Standard deviations of a Poisson process by which the queue may move faster than usual. Half of it costs the same,
# twice 4 % more behind a queue (benchmarks/pacing).
_FLUCTUATION = 2.0
_LEAST_AGE = 0.5  # seconds of work; a percentage shown at once is not taken for infinite speed; flat
_LEAST_SPREAD = 0.1  # seconds; no prediction is finer than that; flat


@attrs.define(eq=False, weakref_slot=False)
class Track:
    """What was seen of one running task; times in seconds. Made and changed by the forecast alone."""

    history: KindHistory
    submitted_at: float | None
    seen_at: float  # the last moment at which it is known to have run
    after: float  # its work began between here ...
    before: float  # ... and here
    place: int = 0  # in the queue; 0 once work has begun
    begun: bool = False
    began: tuple[float, float] | None = None  # what `begin` returned before a new attempt took its place
    percentage: int = 0
    since: float = -math.inf  # when this percentage, or this place, was first seen
    first: tuple[float, int] | None = None  # the first percentage above 0, and when
    runs: tuple[Run, ...] = ()  # each percentage, and when it was first and last seen
    queued: tuple[float, float] | None = None  # when first seen waiting, and the seconds predicted then
    consistency: float | None = None  # log odds that its percentages have earned by confirming each other
    evidence: Evidence = NO_EVIDENCE  # log odds that the experts have earned
    pooled: bool = False  # whether its evidence counts for the others
    planned_with: float = 0.0  # what running tasks had shown when its first look was planned; inf: some had ended

    # --- looks that found it running

    def observe_queue(self, wait_number: int, pace: QueuePace, now: float) -> None:
        """Take in that *wait_number* - 1 others go first; 0 if the service does not say how many."""
        place = max(wait_number, 1)
        if 0 < place <= self.place:
            pace.learn(now - self.seen_at, self.place - place)
        self.place = place
        self.since = self.after = self.before = now
        if wait_number > 0:
            pace.waited_at = now
        if self.queued is None:
            self.queued = now, self.from_place(pace)

    def observe_work(self, percentage: int, pace: QueuePace, now: float) -> None:
        """Take in that work has come to *percentage*."""
        if not self.begun:
            self.begun = True
            if self.place or self.submitted_at is None or pace.busy > _BUSY or self.submitted_at < pace.waited_at:
                self.before = now
            pace.learn_start(waited=self.queued is not None)
            if self.place:
                pace.learn((now - self.after) / 2.0, self.place)
                self.place = 0
        first = self.runs[-1][1] if self.runs and self.runs[-1][0] == percentage else now
        self.runs = (*(self.runs[:-1] if first < now else self.runs), (percentage, first, now))[-_RUNS:]
        if percentage == self.percentage:
            return
        expected, before = self._duration(), self.percentage
        if percentage < before:
            self._begin_attempt(now)
        self.percentage, self.since = percentage, now
        if percentage:
            self.first = self.first or (now, percentage)
        found = self._duration()
        if found is not None:
            running = self.history.expected
            noise = ((1.0 - work_done(percentage)) * self.history.nonlinearity.scale) ** 2
            running.learn(math.log(found[0]) - running.mean, weight=1.0, noise=noise)
            if expected is not None:
                self._compare(expected, found, before)

    def _begin_attempt(self, now: float) -> None:
        """Measure what follows from here: the percentage fell, so the service has begun anew since the last look."""
        self.began = self.begin()
        self.after, self.before, self.first = self.seen_at, now, None

    def _compare(self, expected: tuple[float, float], found: tuple[float, float], before: int) -> None:
        """Learn from two predictions of the same duration: do they agree better than two that know nothing?"""
        variance, uninformed = expected[1] + found[1], _UNINFORMED**2
        off = math.log(found[0] / expected[0])
        if before < self.percentage:
            left, then = 1.0 - work_done(before), 1.0 - work_done(self.percentage)
            self.history.nonlinearity.learn(off, left=left, then=then, noise=variance)
        odds = 0.5 * math.log(uninformed / variance) - 0.5 * off * off * (1.0 / variance - 1.0 / uninformed)
        odds = min(max(odds, -_MOST_CONSISTENCY / 2.0), _MOST_CONSISTENCY / 2.0)
        start = self.history.consistency if self.consistency is None else self.consistency
        self.consistency = min(max(start + odds, -_MOST_CONSISTENCY), _MOST_CONSISTENCY)
        self.history.consistency += _CONSISTENCY_STEP * (self.consistency - self.history.consistency)

    # --- what follows from them

    def begin(self) -> tuple[float, float] | None:
        """Return when the work began and the standard deviation of that; None if it is anyone's guess."""
        return self.attempt() if self.began is None else self.began

    def attempt(self) -> tuple[float, float] | None:
        """Return the same for the work that the percentage measures: after it fell, a new attempt has begun."""
        if self.after == self.before:
            return self.before, 0.0
        if self.first is not None and self.percentage > self.first[1]:
            at, percentage = self.first
            begin = at - percentage * (self.since - at) / (self.percentage - percentage)
            return min(max(begin, self.after), self.before), 0.0
        if self.after == -math.inf:
            return None
        return (self.after + self.before) / 2.0, (self.before - self.after) / math.sqrt(12.0)

    def from_place(self, pace: QueuePace) -> float:
        """Return the seconds to the end that the current place in the queue predicts."""
        usual = self.history.usual_durations
        return self.place * pace.seconds_per_place + (usual.mean if usual.count else USUAL)

    def soonest_end(self, pace: QueuePace) -> float | None:
        """Return the seconds from when it was last seen to its end, should it be one of the shortest.

        `None` where percentages or submission tell when its work began, so that nothing but its duration is uncertain,
        and where nobody is told how long the queue is. Only a task that nobody has looked at, of a kind whose first
        look will show a percentage, may be one of the shortest for all that.
        """
        if (
            self.seen_at == self.submitted_at
            and self.history.durations.count
            and self.history.shows_percentages > _MOSTLY
        ):
            return self.history.durations.shortest(USUAL)
        if pace.waited_at == -math.inf:
            return None
        if self.place:
            # Departures are random: this many places fewer may have to pass before it begins.
            least = max(self.place - _FLUCTUATION * math.sqrt(self.place), 0.0)
            return least * pace.seconds_per_place + self.history.usual_durations.shortest(USUAL)
        begin = self.attempt() if self.begun else None
        if begin is None or not begin[1]:
            return None
        shortest = self.history.usual_durations.shortest(USUAL)
        if not self.percentage:
            return self.after + shortest - self.seen_at
        return self.since + (1.0 - work_done(self.percentage)) * shortest - self.seen_at

    def _share(self, deviation: float) -> tuple[float, float, float] | None:
        """Return the seconds worked up to the percentage, the share they are of the duration, and its variance.

        *deviation* is the relative standard deviation of the share before any task has ended.
        """
        begin = self.attempt()
        if begin is None or self.percentage == 0:
            return None
        age = max(self.since - begin[0], _LEAST_AGE)
        share = work_done(self.percentage)
        variance = (share * deviation) ** 2 + _ROUNDING**2 + (share * begin[1] / age) ** 2
        return age, *self.history.curve.share(self.percentage, variance)

    def _duration(self) -> tuple[float, float] | None:
        """Return the duration that the percentage predicts, seconds, and the variance of its logarithm."""
        known = self._share(_STRAIGHT)
        if known is None:
            return None
        age, share, variance = known
        return age / share, variance / (share * share)

    def by_percentage(self) -> Logistic | None:
        """Return the survival function that the percentage predicts."""
        scale = max(self.history.nonlinearity.scale, _LEAST_SCALE)
        known = self._share(scale * (1.0 - work_done(self.percentage)) + _LEAST_DEVIATION)
        if known is None:
            return None
        age, share, variance = known
        spread = max(age / (share * share) * math.sqrt(variance) * _LOGISTIC, _LEAST_SPREAD)
        return Logistic(age / share - age, spread, ago=self.seen_at - self.since)

    def by_pattern(self, age: float) -> ConditionalSurvival | None:
        """Return the survival function that what was shown so far predicts, if it is as it was in ended tasks."""
        begin, pattern = self.begin(), self.history.pattern
        if begin is None or begin[1] or self.history.percentage_share < _SHOWN:
            return None
        latest = self.runs[-_LATEST_RUNS:]
        seen = [(at - begin[0], percentage) for percentage, first, last in latest for at in {first, last}]

        table = self.history.usual_durations.posterior(age, partial(pattern.likelihoods, seen))
        return None if table is None else ConditionalSurvival(table, age)

    def by_running(self, age: float) -> Logistic | None:
        """Return the survival function of a task like those of its kind that run; None if they show no percentages."""
        expected = self.history.expected
        if not expected.count:
            return None
        mean, variance = expected.estimate(math.log(USUAL), _UNINFORMED**2)
        duration = math.exp(mean)
        return Logistic(duration, duration * math.sqrt(variance) * _LOGISTIC, ago=age)

    def by_queue(self, pace: QueuePace) -> Logistic:
        """Return the survival function that the place in the queue predicts."""
        mean, variance = self.history.queue_residuals.estimate(0.0, _PRIOR_PLACES**2)
        # In a queue that grows, those who waited less are the first to end: they must not shorten what is predicted.
        expected = (self.from_place(pace) + 1.0) * math.exp(max(mean, 0.0))
        return Logistic(expected - 1.0, expected * math.sqrt(variance) * _LOGISTIC, ago=self.seen_at - self.since)
