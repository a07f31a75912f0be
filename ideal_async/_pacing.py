"""When to look next: what is believed about the end of each task, and the look that follows from it.

The yardstick
    A look is worth 1/6 s of delay (`Pacing.look_cost`): the rate at which one look every 5 s, the vendor's advice, is
    itself the best fixed loop for tasks of 75 s. The cost of a task is its looks at this rate plus the seconds from its
    end to its discovery. Two looks at one task are never closer than `Pacing.min_interval`, nor further apart than
    `Pacing.max_interval`; the phase is free.

Four witnesses
    How long a running task has left is a question of survival, as in reliability engineering: it is known to run up to
    its last look, and ends at some moment after. Four witnesses testify, each with a law (`_laws`) of the seconds left:

    ==========  ==========================================  ==========================================================
    witness     knows                                       says
    ==========  ==========================================  ==========================================================
    vague       the age of the task                         a Pareto law around the usual 75 s
    history     how long finished tasks of its kind took    their law, given that this one has lived so long
    percentage  what share of the time percentages meant    time so far / share, give or take what that was off by
    queue       waitNumber, how fast it drains, history     places * seconds a place + a usual task
    ==========  ==========================================  ==========================================================

    Percentages mean what they meant in finished tasks (`_learned.Curve`), and until there are any, a straight line. A
    service that counts in steps, stays at 0 for half of the time or at 99 for a third is as good as a truthful one, if
    it always does so. One that does so at random makes the percentage's law as wide as it deserves.

Whom to believe
    Each witness foretells the chance that the next look finds the task running. What the look finds is evidence for who
    foretold it (prequential statistics: A. P. Dawid 1984), at once within the task, and for later tasks of its kind
    when it ends. Percentages that keep to their own forecast earn belief before any task has ended. The vague witness
    is never silenced, which bounds the harm when all others are wrong: a task that should have been over long ago is
    looked at like one that nothing is known about.

In company
    Hundreds that were submitted at once need not each find out alone whom to believe. What the witnesses have earned in
    the tasks that run now counts for their neighbours of the same kind before any of them has ended, and so does how
    straight their percentages are (`_company`). What nobody can know yet is where percentages lead that
    have led to no end so far. Every tenth task is therefore a scout: until three have ended it is never left alone for
    longer than half of its age, and when one ends long before its percentage said, all others think again.

    An end is only known to lie between two looks. Where between them, all witnesses together say, and every lesson is
    learned from that (the E and M steps of the EM algorithm), so that looks far apart teach too. Old lessons fade: a
    service may change.

Without any evidence
    the first look comes 5 to 6 s after submission, where the roll frees the phase, and the next ones about every 5 s,
    slowly stretching as the task outlives what is usual. Percentages that rise steadily are believed after a few looks.
    A task resumed by an id of unknown age is looked at within a second.

From belief to a moment: `_checking`. What it comes to, on services truthful and not: ``python -m benchmarks.pacing``.
"""

import math
from collections.abc import Hashable

import attrs

from ._checking import next_look
from ._laws import Mixture, Peak, median
from ._learned import Drain, Ends, Lessons
from ._models import Eta
from ._witnesses import HISTORY, PERCENTAGE, USUAL, VAGUE, Testimony, Track, hear, locate, silence, testify

__all__ = ["Forecast", "Kind", "Pacing", "Track"]

Kind = Hashable  # (model type, resolution, duration, audio), or None when unknown

_SOURCES = ("", "history", "percentage", "queue")
_WORTH_TELLING = 0.2  # how far a witness must be believed to be quoted
_SPREAD = 0.02  # seconds that a first look may cost more for the sake of a free phase


# Percentages of which none has led to an end yet may lead anywhere, however steadily they rise. Until a few have, the
# gap between two looks at a scout stays under this share of its age.
_SCOUTING = 0.5
_PROVEN = 3  # jobs that showed percentages and ended
_UNFORESEEN = 0.1  # chance that a job has ended by now, according to its percentage: less is news for the others


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


class Forecast:
    """What one client expects of its tasks, learned from those that finished.

    Pure: the clock and the dice are arguments. Times are seconds on one monotonic clock, delays are seconds from *now*,
    *roll* is uniform in [0, 1). A decision costs the same however many tasks are tracked.

    >>> forecast = Forecast(Pacing())
    >>> track = forecast.track("Flash 720p", now=0.0, submitted_at=0.0)
    >>> forecast.first(track, now=0.0, roll=0.0)
    5.0
    >>> delay = forecast.after(track, percentage=10, wait_number=0, processing=True, now=6.0, roll=0.0)
    >>> eta = forecast.eta(track, now=6.0)
    >>> eta.source, round(eta.seconds)
    ('percentage', 51)
    """

    def __init__(self, pacing: Pacing) -> None:
        self.pacing = pacing
        # The best loop for a usual task: 5 s at the usual price of a look.
        self._pace = max(pacing.min_interval, math.sqrt(2.0 * pacing.look_cost * USUAL))
        self._all = Lessons()
        self._kinds: dict[Kind, Lessons] = {}
        self._drain = Drain()
        self._said: tuple[Track, Testimony] | None = None  # of the last decision, whose `eta` is asked for next

    def track(self, kind: Kind, *, now: float, submitted_at: float | None) -> Track:
        """Begin to follow a task; *submitted_at* is None if its age is unknown."""
        lessons = self._kinds.get(kind)
        if lessons is None:
            lessons = self._kinds[kind] = Lessons(self._all)
        if submitted_at is None:
            return Track(lessons, None, seen_at=now, after=-math.inf, before=now)
        scout = lessons.running.enlist()
        return Track(lessons, submitted_at, seen_at=submitted_at, after=submitted_at, before=submitted_at, scout=scout)

    def first(self, track: Track, *, now: float, roll: float) -> float:
        """Return the delay to the first look: `Pacing.min_interval` after submission or later; soon if that is past."""
        soon = roll * min(1.0, self.pacing.min_interval)
        if track.submitted_at is None:
            return soon
        passed = max(now - track.seen_at, 0.0)
        return self._decide(
            track, max(self.pacing.min_interval - passed, soon), passed=passed, spread=_SPREAD, roll=roll
        )

    def after(
        self, track: Track, *, percentage: int, wait_number: int, processing: bool, now: float, roll: float
    ) -> float:
        """Take in a look that found the task running, and return the delay to the next."""
        self._said = None
        hear(track, testify(track, self._drain), now, ended=False)
        # The page shows 30 % with two ahead: a percentage above 0 outweighs waitNumber.
        if percentage > 0 or (processing and wait_number <= 0):
            track.see_work(min(max(percentage, 0), 100), self._drain, now)
        else:
            track.see_queue(max(wait_number, 1), self._drain, now)
        track.seen_at = now
        return self._decide(track, self.pacing.min_interval, passed=0.0, spread=0.0, roll=roll)

    def finish(self, track: Track, *, now: float, success: bool) -> bool:
        """Take in a look that found the task ended, and learn from its life.

        A failed task teaches how long it takes until one ends, but not what its percentages would have led to.

        Returns:
            Whether it ended so unlike what its percentages said that its neighbours should think `again`.
        """
        self._said = None
        lessons, testimony = track.lessons, testify(track, self._drain)
        news = success and self._surprises(track, testimony, now)
        ends = locate(track, testimony, now)
        hear(track, testimony, now, ended=True)
        lessons.judge(track.evidence, told=bool(track.marks))
        if track.queued is not None:
            at, foretold = track.queued
            off, noise = _moments([(math.log((max(end - at, 0.0) + 1.0) / (foretold + 1.0)), p) for end, p in ends])
            lessons.queue.learn(off - lessons.queue.mean, weight=1.0, noise=noise)
        begin = track.begin()
        if begin is None:
            return news
        took = [(max(end - begin[0], 0.1), chance) for end, chance in ends]
        lessons.time(took)
        if success:
            for at, percentage in track.marks:
                worked = max(at - begin[0], 0.1)
                lessons.curve.learn(percentage, *_moments([(min(worked / end, 1.0), chance) for end, chance in took]))
        return news

    @staticmethod
    def _surprises(track: Track, testimony: Testimony, now: float) -> bool:
        """Tell whether one of the first ends of a kind came long before its percentage said."""
        if track.lessons.proven >= _PROVEN:
            return False
        passed = max(now - track.seen_at, 0.0)
        return any(1.0 - law.alive(passed) < _UNFORESEEN for _, witness, law in testimony if witness == PERCENTAGE)

    def again(self, track: Track, *, now: float, roll: float) -> float:
        """Return the delay to the next look at a task that was planned before others of its kind brought news."""
        passed = max(now - track.seen_at, 0.0)
        soon = roll * min(1.0, self.pacing.min_interval)
        return self._decide(track, max(self.pacing.min_interval - passed, soon), passed=passed, spread=0.0, roll=roll)

    def drop(self, track: Track) -> None:
        """Stop following a task that nobody waits for any more: nothing is learned from it, and nothing kept."""
        self._said = None
        silence(track)

    def eta(self, track: Track, *, now: float) -> Eta | None:
        """Return when the task is expected to end; None as long as there is nothing to go by."""
        said, self._said = self._said, None
        testimony = said[1] if said is not None and said[0] is track else testify(track, self._drain)
        weight, witness, law = max(testimony, key=lambda said: (said[1] != VAGUE, said[0]))
        if witness == VAGUE or weight < _WORTH_TELLING:
            return None
        return Eta(median(law, max(now - track.seen_at, 0.0)), _SOURCES[witness])

    def _most(self, track: Track, passed: float) -> float:
        """Return the longest delay to the next look, *passed* seconds after the task was last seen."""
        most = self.pacing.max_interval
        if not track.scout or track.lessons.proven >= _PROVEN or not track.percentage:
            return most
        age = track.seen_at + passed - (track.submitted_at or 0.0)
        return min(max(self.pacing.min_interval, _SCOUTING * age), most)

    def _decide(self, track: Track, least: float, *, passed: float, spread: float, roll: float) -> float:
        """Return the delay to the next look, at *least* so long, *passed* seconds after the task was last seen."""
        testimony = testify(track, self._drain)
        self._said = track, testimony
        trust = track.lessons.trust
        # Will a look tell more than "not yet"? As far as percentages come, and are better than history.
        telling = track.lessons.telling / (1.0 + math.exp(trust[HISTORY] - trust[PERCENTAGE]))
        hints: list[float] = []
        for weight, witness, law in testimony:
            if witness == PERCENTAGE:
                telling = weight
            if isinstance(law, Peak):
                hints += [law.middle + scales * law.scale for scales in (-1.5, 0.5, 1.5, 2.5, 4.0)]
        moment = next_look(
            Mixture([(weight, law) for weight, _, law in testimony if weight > 0.005]),  # noqa: PLR2004 - changes nothing
            earliest=passed + least,
            latest=passed + max(least, self._most(track, passed)),
            interval=self.pacing.min_interval,
            pace=self._pace,
            look_cost=self.pacing.look_cost,
            telling=0.0 if track.place else telling,
            hints=hints,
            spread=spread,
            roll=roll,
        )
        return moment - passed


def _moments(values: Ends) -> tuple[float, float]:
    """Return mean and variance."""
    mean = sum(value * chance for value, chance in values)
    return mean, sum((value - mean) ** 2 * chance for value, chance in values)
