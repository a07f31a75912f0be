"""What was seen of one running task, and what its percentage or its place in the queue predicts."""

import math

import attrs

from .history import KindHistory, QueuePace
from .pooled import NO_EVIDENCE, Evidence
from .progress import work_done
from .survival import Logistic

USUAL = 75.0  # seconds; the task for which the vendor's 5 s is the best fixed interval

_LOGISTIC = math.sqrt(3.0) / math.pi  # scale of a logistic distribution of standard deviation 1
_ROUNDING = 0.0029  # standard deviation of what an integer percentage has lost, as a share: 0.01 / sqrt(12)
_LEAST_SCALE = 0.05  # however straight percentages were so far, the next ones may be less so
_LEAST_DEVIATION = 0.004  # standard deviation of the share near its end, where the former vanishes
_STRAIGHT = 0.03  # relative error of a share if percentages are indeed on a straight line
_UNINFORMED = 0.5  # standard deviation of the logarithm of a duration about which nothing is known
_PRIOR_PLACES = 0.5  # and of the time predicted from a place in the queue, before any was seen to its end
_MOST_CONSISTENCY = 2.0  # log odds that percentages can earn by confirming each other, half of it at once
_MARKS = 12  # observations of a task are enough to learn a curve from, and bound its memory
_LEAST_AGE = 0.5  # seconds of work; a percentage shown at once is not taken for infinite speed
_LEAST_SPREAD = 0.1  # seconds; no prediction is finer than that


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
    percentage: int = 0
    since: float = -math.inf  # when this percentage, or this place, was first seen
    first: tuple[float, int] | None = None  # the first percentage above 0, and when
    marks: tuple[tuple[float, int], ...] = ()  # moments and percentages, to learn from at the end
    queued: tuple[float, float] | None = None  # when first seen waiting, and the seconds predicted then
    consistency: float = 0.0  # log odds that its percentages have earned by confirming each other
    evidence: Evidence = NO_EVIDENCE  # log odds that the experts have earned
    pooled: bool = False  # whether its evidence counts for the others
    scout: bool = False  # is looked at more often as long as no task of its kind has ended

    # --- looks that found it running

    def observe_queue(self, place: int, pace: QueuePace, now: float) -> None:
        """Take in that *place* - 1 others go first."""
        if 0 < place <= self.place:
            pace.learn(now - self.seen_at, self.place - place)
        self.place = place
        self.since = self.after = self.before = now
        if self.queued is None:
            self.queued = now, self.from_place(pace)

    def observe_work(self, percentage: int, pace: QueuePace, now: float) -> None:
        """Take in that work has come to *percentage*."""
        if not self.begun:
            self.begun = True
            if self.place or self.submitted_at is None:
                self.before = now
            if self.place:
                pace.learn((now - self.after) / 2.0, self.place)
                self.place = 0
        if percentage == self.percentage:
            return
        expected, before = self._duration(), self.percentage
        self.percentage, self.since = percentage, now
        if percentage:
            self.first = self.first or (now, percentage)
            self.marks = (*self.marks, (now, percentage))[:_MARKS]
        found = self._duration()
        if expected is not None and found is not None:
            # Two forecasts of the same duration: do they agree better than two that know nothing?
            variance, uninformed = expected[1] + found[1], _UNINFORMED**2
            off = math.log(found[0] / expected[0])
            if before < percentage:
                self.history.nonlinearity.learn(
                    off, left=1.0 - work_done(before), then=1.0 - work_done(percentage), noise=variance
                )
            odds = 0.5 * math.log(uninformed / variance) - 0.5 * off * off * (1.0 / variance - 1.0 / uninformed)
            odds = min(max(odds, -_MOST_CONSISTENCY / 2.0), _MOST_CONSISTENCY / 2.0)
            self.consistency = min(max(self.consistency + odds, -_MOST_CONSISTENCY), _MOST_CONSISTENCY)

    # --- what follows from them

    def begin(self) -> tuple[float, float] | None:
        """Return when the work began and the standard deviation of that; None if it is anyone's guess."""
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

    def _share(self, deviation: float) -> tuple[float, float, float] | None:
        """Return the seconds worked up to the percentage, the share they are of the duration, and its variance.

        *deviation* is the relative standard deviation of the share before any task has ended.
        """
        begin = self.begin()
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

    def by_queue(self, pace: QueuePace) -> Logistic:
        """Return the survival function that the place in the queue predicts."""
        mean, variance = self.history.queue_residuals.estimate(0.0, _PRIOR_PLACES**2)
        expected = (self.from_place(pace) + 1.0) * math.exp(mean)
        return Logistic(expected - 1.0, expected * math.sqrt(variance) * _LOGISTIC, ago=self.seen_at - self.since)
