"""What was seen of a running task, and what four witnesses make of it.

The model is explained in `_pacing`; here each witness gets its law, and its weight by what it foretold so far.
"""

import math

import attrs

from ._company import Evidence
from ._laws import Law, Mixture, Peak, Vague
from ._learned import Drain, Elapsed, Ends, Lessons, told

VAGUE, HISTORY, PERCENTAGE, QUEUE = range(4)

# (how far it is believed, which witness, what it says); the first sum to 1
Testimony = list[tuple[float, int, Law]]

USUAL = 75.0  # seconds; the job for which the vendor's 5 s is the best fixed loop
_LOGISTIC = math.sqrt(3.0) / math.pi  # scale of a logistic law of standard deviation 1
_ROUNDING = 0.0029  # standard deviation of what an integer percentage has lost, as a share
_LEAST_BENT = 0.05  # however straight percentages were so far, what comes is not known to be
_STRAIGHT = 0.03  # how far it is off if the line is indeed straight, as a share of what is over
_IGNORANT = 0.5  # standard deviation of the logarithm of a duration, for who knows nothing
_PLACES = 0.5  # and of the time foretold from a place in the queue, before any was seen to its end
_STEADY = 2.0  # log odds that percentages can earn by keeping to their own forecast, half of it at once
_LEAST_CHANCE = 0.01  # one look is never more than 100 to 1 against a witness
_MARKS = 12  # of a task are enough to learn a curve from, and bound its memory


_NONE: Evidence = (0.0, 0.0, 0.0, 0.0)


@attrs.define(eq=False, weakref_slot=False)
class Track:
    """What was seen of one running task; made and changed by `_pacing.Forecast` alone. Times in seconds."""

    lessons: Lessons
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
    queued: tuple[float, float] | None = None  # when first seen waiting, and the seconds then foretold
    steady: float = 0.0  # log odds that its percentages have earned by keeping to their own forecast
    evidence: Evidence = _NONE  # log odds that the witnesses have earned
    counted: bool = False  # among those that run
    scout: bool = False  # looks out for the others as long as none of its kind has finished

    # --- looks that found it running

    def see_queue(self, place: int, drain: Drain, now: float) -> None:
        """Take in that *place* - 1 others go first."""
        if 0 < place <= self.place:
            drain.learn(now - self.seen_at, self.place - place)
        self.place = place
        self.since = self.after = self.before = now
        if self.queued is None:
            self.queued = now, self.from_place(drain)

    def see_work(self, percentage: int, drain: Drain, now: float) -> None:
        """Take in that work has come to *percentage*."""
        if not self.begun:
            self.begun = True
            if self.place or self.submitted_at is None:
                self.before = now
            if self.place:
                drain.learn((now - self.after) / 2.0, self.place)
                self.place = 0
        if percentage == self.percentage:
            return
        expected, before = self._whole(), self.percentage
        self.percentage, self.since = percentage, now
        if percentage:
            self.first = self.first or (now, percentage)
            self.marks = (*self.marks, (now, percentage))[:_MARKS]
        whole = self._whole()
        if expected is not None and whole is not None:
            # Two forecasts of the same duration: do they agree better than those of two who know nothing?
            variance, ignorant = expected[1] + whole[1], _IGNORANT**2
            off = math.log(whole[0] / expected[0])
            if before < percentage:
                bend = self.lessons.bend
                bend.learn(off, left=1.0 - told(before), then=1.0 - told(percentage), noise=variance)
            odds = 0.5 * math.log(ignorant / variance) - 0.5 * off * off * (1.0 / variance - 1.0 / ignorant)
            odds = min(max(odds, -_STEADY / 2.0), _STEADY / 2.0)
            self.steady = min(max(self.steady + odds, -_STEADY), _STEADY)

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

    def from_place(self, drain: Drain) -> float:
        """Return the seconds foretold to the end from the current place in the queue."""
        usual = self.lessons.usual
        return self.place * drain.pace + (usual.mean if usual.count else USUAL)

    def _share(self, doubt: float) -> tuple[float, float, float] | None:
        """Return the seconds of work up to the percentage, the share they are of all of them, and its variance."""
        begin = self.begin()
        if begin is None or self.percentage == 0:
            return None
        age = max(self.since - begin[0], 0.5)
        share = told(self.percentage)
        variance = (share * doubt) ** 2 + _ROUNDING**2 + (share * begin[1] / age) ** 2
        return age, *self.lessons.curve.share(self.percentage, variance)

    def _whole(self) -> tuple[float, float] | None:
        """Return the seconds that all work will take if the curve holds, and the variance of their logarithm."""
        known = self._share(_STRAIGHT)
        if known is None:
            return None
        age, share, variance = known
        return age / share, variance / (share * share)

    def by_percentage(self) -> Peak | None:
        """Return the law of the seconds left that the percentage speaks for."""
        bent = max(self.lessons.bend.scale, _LEAST_BENT)
        known = self._share(bent * (1.0 - told(self.percentage)) + 0.004)
        if known is None:
            return None
        age, share, variance = known
        scale = max(age / (share * share) * math.sqrt(variance) * _LOGISTIC, 0.1)
        return Peak(age / share - age, scale, ago=self.seen_at - self.since)

    def by_queue(self, drain: Drain) -> Peak:
        """Return the law of the seconds left that the place in the queue speaks for."""
        mean, variance = self.lessons.queue.estimate(0.0, _PLACES**2)
        expected = (self.from_place(drain) + 1.0) * math.exp(mean)
        return Peak(expected - 1.0, expected * math.sqrt(variance) * _LOGISTIC, ago=self.seen_at - self.since)


def testify(track: Track, drain: Drain) -> Testimony:
    """Return what each witness says of the seconds left since *track* was last seen, and how far it is believed."""
    lessons = track.lessons
    begin = track.begin()
    age = max(track.seen_at - (track.before if begin is None else begin[0]), 0.0)
    said: list[tuple[float, int, Law]] = [(0.0, VAGUE, Vague(2.0 * USUAL + age))]
    if track.place:
        said.append((0.0, QUEUE, track.by_queue(drain)))
    else:
        durations = lessons.usual
        # History is silent about what none of its jobs has lived to see, and shy while it has seen few.
        count = lessons.durations.count or min(durations.count, 0.5)
        if count and durations.alive(age) > 0.02 / count:
            said.append((math.log(count / (count + 3.0)), HISTORY, Elapsed(durations, age)))
        peak = track.by_percentage()
        if peak is not None:
            said.append((track.steady, PERCENTAGE, peak))
    evidence, others, trust = track.evidence, lessons.running.tell(track.evidence), lessons.trust
    odds = [start + trust[witness] + others[witness] + evidence[witness] for start, witness, _ in said]
    top = max(odds)
    weights = [math.exp(odd - top) for odd in odds]
    # The vague witness keeps a tenth while nothing is known of the kind, and a fiftieth for ever.
    vague = 0.02 + 0.1 / (1.0 + lessons.durations.count + lessons.bend.seen)
    rest = (1.0 - vague) / sum(weights)
    return [
        (weight * rest + (vague if witness == VAGUE else 0.0), witness, law)
        for weight, (_, witness, law) in zip(weights, said, strict=True)
    ]


def hear(track: Track, testimony: Testimony, now: float, *, ended: bool) -> None:
    """Let each witness earn what it foretold better than all together: that the task runs on until *now*, or not.

    Who has said nothing earns nothing (sleeping experts: Freund, Schapire, Singer and Warmuth 1997).
    """
    passed = max(now - track.seen_at, 0.0)
    chances: list[tuple[float, int, float]] = []
    for weight, witness, law in testimony:
        alive = law.alive(passed)
        chances.append((weight, witness, max(1.0 - alive if ended else alive, _LEAST_CHANCE)))
    together = sum(weight * chance for weight, _, chance in chances)
    evidence = list(track.evidence)
    for _, witness, chance in chances:
        evidence[witness] += math.log(chance / together)
    before = track.evidence if track.counted else None
    track.evidence = after = (evidence[VAGUE], evidence[HISTORY], evidence[PERCENTAGE], evidence[QUEUE])
    track.counted = not ended
    track.lessons.running.hear(before, None if ended else after)


def silence(track: Track) -> None:
    """Let a task that is no longer watched say nothing to the others."""
    if track.counted:
        track.counted = False
        track.lessons.running.hear(track.evidence, None)


def locate(track: Track, testimony: Testimony, now: float) -> Ends:
    """Return when a task may have ended: moments between its last look and *now*, with their chances."""
    passed = max(now - track.seen_at, 0.0)
    law = Mixture([(weight, law) for weight, _, law in testimony])
    pieces = min(max(int(2.0 * passed), 4), 40)  # half a second each, unless that were too many
    alive = [law.alive(passed * i / pieces) for i in range(pieces + 1)]
    # A trifle is spread evenly: where all witnesses are wrong, the end is anywhere.
    trifle = 0.005 * (alive[0] - alive[-1]) / pieces + 1e-9
    masses = [alive[i] - alive[i + 1] + trifle for i in range(pieces)]
    total = sum(masses)
    return [(track.seen_at + passed * (i + 0.5) / pieces, mass / total) for i, mass in enumerate(masses)]
