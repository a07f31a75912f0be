"""When to look at a task next, from what was seen of it and what was learned from others."""

import math
from collections.abc import Hashable

from ideal_async._models import Eta

from .experts import (
    HISTORY,
    PATTERN,
    PERCENTAGE,
    PRIOR,
    Predictions,
    distribute_end,
    predict,
    update_weights,
    withdraw,
)
from .history import Ends, KindHistory, QueuePace
from .inspection import next_look
from .settings import Pacing
from .survival import Mixture, median
from .track import USUAL, Track

Kind = Hashable  # (model type, resolution, duration, audio), or None when unknown

_SOURCES = ("", "history", "percentage", "queue", "percentage")
_WORTH_QUOTING = 0.2  # weight that an expert must have to be quoted; no look depends on it
_SPREAD = 0.02  # seconds that a first look may cost more for the sake of a free phase; flat
_LEAST_TOOK = 0.1  # seconds; no task takes none; flat
# Looks that are nearly due go together: each is made at the next or the last of moments this far apart, whichever costs
# less. A wake-up of a cold process costs as much as a look (200 tasks of 75 s: 4.8 ms of CPU each without slots, 3.0 ms
# with these, 2.8 ms with slots of half a second).
_SLOT = 0.25
# Seconds by which a first look is put off, or not at all. A burst of 200 takes 3.5 looks a job with 2 and 3.2 with 1;
# with a half it takes 3.1, and bursts whose percentages mislead cost more: by the clock a tenth (benchmarks/pacing).
_WORTH_WAITING = 1.0
_ALIKE = 0.5  # seconds between two first looks, and between the ages of two tasks, that are put off alike; flat
_TAIL = 0.05  # share of the likely ends of a task, on either side, that its percentages learn nothing from; flat
_NEGLIGIBLE = 0.01  # weight of an expert that no decision depends on; flat

# Seconds that one of the shortest tasks may have ended unnoticed, if it waited in a queue and its work began unseen, or
# if nobody has looked at it and a look would show a percentage (one of 75 s that took 24 was found 18 s late).
# The rarest are shorter still: an end behind a queue is found 14 s late at worst on benchmarks/pacing, held out 22 s.
_UNNOTICED = 10.0

# However steadily percentages rise, nobody knows where they lead before some have led to an end: that many tasks of the
# kind that showed them; flat.
_PROVEN = 3
_UNFORESEEN = 0.1  # chance, by its percentage, that a task has ended by now: if less, its end is a surprise; flat


class Forecast:
    """What one client expects of its tasks, learned from those that ended.

    Pure: clock and dice are arguments. Times are seconds on one monotonic clock, delays are seconds from *now*, *roll*
    is uniform in [0, 1). A decision costs the same however many tasks are tracked.

    Args:
        pacing: The settings.
        phase: Where between two slots this client looks, from 0 to 1: at random, clients do not all look at once.

    >>> forecast = Forecast(Pacing())
    >>> track = forecast.track("Flash 720p", now=0.0, submitted_at=0.0)
    >>> forecast.first(track, now=0.0, roll=0.0)
    5.0
    >>> delay = forecast.after(track, percentage=10, wait_number=0, processing=True, now=6.0, roll=0.0)
    >>> eta = forecast.eta(track, now=6.0)
    >>> eta.source, round(eta.seconds)
    ('history', 61)
    """

    def __init__(self, pacing: Pacing, *, phase: float = 0.0) -> None:
        self.pacing = pacing
        # All rules are written for tasks of `USUAL` seconds: inside, the clock runs so fast that these are.
        self._speed = USUAL / pacing.usual
        self._settings = settings = pacing.accelerated(1.0 / self._speed)
        self._slot = min(_SLOT, settings.min_interval / 20.0)
        self._phase = phase * self._slot
        # The best fixed interval for a usual task: 5 s at the usual price of a look.
        self._pace = max(settings.min_interval, math.sqrt(2.0 * settings.look_cost * USUAL))
        self._all = KindHistory()
        self._kinds: dict[Kind, KindHistory] = {}
        self._queue_pace = QueuePace()
        # The last first look that was put off: kind, when, age, and for how long.
        self._reconsidered: tuple[KindHistory, float, float, float] = self._all, -math.inf, 0.0, 0.0
        # Those of the last decision: its `eta` is asked for next.
        self._predicted: tuple[Track, Predictions] | None = None

    def track(self, kind: Kind, *, now: float, submitted_at: float | None) -> Track:
        """Begin to follow a task; *submitted_at* is None if its age is unknown."""
        history = self._kinds.get(kind)
        if history is None:
            history = self._kinds[kind] = KindHistory(self._all)
        now *= self._speed
        if submitted_at is None:
            return Track(history, None, seen_at=now, after=-math.inf, before=now)
        submitted_at *= self._speed
        return Track(history, submitted_at, seen_at=submitted_at, after=submitted_at, before=submitted_at)

    def first(self, track: Track, *, now: float, roll: float) -> float:
        """Return the delay to the first look: `Pacing.min_interval` after submission or later; soon if that is past."""
        now *= self._speed
        soon = roll * min(1.0, self._settings.min_interval)
        if track.submitted_at is None:
            return soon / self._speed
        passed = max(now - track.seen_at, 0.0)
        least = max(self._settings.min_interval - passed, soon)
        track.planned_with = math.inf if track.history.durations.count else track.history.expected.count
        return self._decide(track, least, passed=passed, spread=_SPREAD, roll=roll)

    def reconsider(self, track: Track, *, now: float, roll: float) -> float:
        """Return the delay to the first look at a task that is due now, in view of what others have shown since."""
        if track.planned_with in (math.inf, track.history.expected.count) or track.submitted_at is None:
            return 0.0
        # Those that were submitted together are due together, and the answer is the same for all.
        at, passed = now * self._speed, now * self._speed - track.seen_at
        history, then, age, delay = self._reconsidered
        if history is not track.history or at - then > _ALIKE or abs(passed - age) > _ALIKE:
            delay = self.first(track, now=now, roll=roll)
            self._reconsidered = track.history, at, passed, delay
        return delay if delay * self._speed > _WORTH_WAITING else 0.0

    def after(
        self, track: Track, *, percentage: int, wait_number: int, processing: bool, now: float, roll: float
    ) -> float:
        """Take in a look that found the task running, and return the delay to the next."""
        self._predicted = None
        now *= self._speed
        update_weights(track, predict(track, self._queue_pace), now, ended=False)
        # The page shows 30 % with two ahead: a percentage above 0 outweighs waitNumber.
        if percentage > 0 or (processing and wait_number <= 0):
            track.observe_work(min(max(percentage, 0), 100), self._queue_pace, now)
        else:
            track.observe_queue(wait_number, self._queue_pace, now)
        track.seen_at = now
        return self._decide(track, self._settings.min_interval, passed=0.0, spread=0.0, roll=roll)

    def finish(self, track: Track, *, now: float, success: bool) -> bool:
        """Take in a look that found the task ended, and learn from its life.

        A failed task teaches how long it takes until one ends, but not what its percentages would have led to.

        Returns:
            Whether the end was a surprise, so that others of its kind should `replan`.
        """
        self._predicted = None
        now *= self._speed
        history, predictions = track.history, predict(track, self._queue_pace)
        surprise = success and self._is_surprise(track, predictions, now)
        ends = distribute_end(track, predictions, now)
        update_weights(track, predictions, now, ended=True)
        history.learn_evidence(track.evidence, percentages=track.first is not None)
        if track.queued is not None:
            at, predicted = track.queued
            off, noise = _moments([(math.log((max(end - at, 0.0) + 1.0) / (predicted + 1.0)), p) for end, p in ends])
            history.queue_residuals.learn(off - history.queue_residuals.mean, weight=1.0, noise=noise)
        begin, attempt = track.begin(), track.attempt()
        if begin is None or attempt is None:
            return surprise
        took = [(max(end - begin[0], _LEAST_TOOK), chance) for end, chance in ends]
        history.learn_duration(took)
        if success:
            history.pattern.learn(track.runs, begin[0], took)
            last = [(max(end - attempt[0], _LEAST_TOOK), chance) for end, chance in ends]
            for percentage, at, _ in track.runs:
                if percentage and at >= attempt[0]:
                    worked = max(at - attempt[0], _LEAST_TOOK)
                    shares = [(min(worked / duration, 1.0), chance) for duration, chance in last]
                    history.curve.learn(percentage, *_moments(shares))
        return surprise

    @staticmethod
    def _is_surprise(track: Track, predictions: Predictions, now: float) -> bool:
        """Return whether one of the first ends of a kind came long before its percentage predicted it."""
        if track.history.ended_with_percentage >= _PROVEN:
            return False
        passed = max(now - track.seen_at, 0.0)
        return any(
            1.0 - survival.chance(passed) < _UNFORESEEN for _, expert, survival in predictions if expert == PERCENTAGE
        )

    def replan(self, track: Track, *, because: Track, now: float, roll: float) -> float | None:
        """Return the new delay to the next look after *because* ended by surprise; None if *track* is not concerned."""
        if track.history is not because.history:
            return None
        passed = max(now * self._speed - track.seen_at, 0.0)
        soon = roll * min(1.0, self._settings.min_interval)
        return self._decide(
            track, max(self._settings.min_interval - passed, soon), passed=passed, spread=0.0, roll=roll
        )

    def drop(self, track: Track) -> None:
        """Stop following a task that nobody waits for any more: nothing is learned from it, and nothing kept."""
        self._predicted = None
        withdraw(track)

    def eta(self, track: Track, *, now: float) -> Eta | None:
        """Return when the task is expected to end; None as long as there is nothing to go by."""
        predicted, self._predicted = self._predicted, None
        fresh = predicted is not None and predicted[0] is track
        predictions = predicted[1] if predicted is not None and fresh else predict(track, self._queue_pace)
        weight, expert, survival = max(predictions, key=lambda said: (said[1] != PRIOR, said[0]))
        if expert == PRIOR or weight < _WORTH_QUOTING:
            return None
        return Eta(median(survival, max(now * self._speed - track.seen_at, 0.0)) / self._speed, _SOURCES[expert])

    def _most(self, track: Track) -> float:
        """Return the longest delay to the next look at a task, from when it was last seen."""
        most = self._settings.max_interval
        soonest = track.soonest_end(self._queue_pace)
        return most if soonest is None else min(most, max(soonest, 0.0) + _UNNOTICED)

    def _decide(self, track: Track, least: float, *, passed: float, spread: float, roll: float) -> float:
        """Return the delay to the next look, at *least* so long, *passed* seconds after the task was last seen."""
        predictions = predict(track, self._queue_pace)
        self._predicted = track, predictions
        log_weights = track.history.log_weights
        # Will a look tell more than "not yet"? As far as percentages come, and are better than history.
        informative = track.history.shows_percentages / (1.0 + math.exp(log_weights[HISTORY] - log_weights[PERCENTAGE]))
        for weight, expert, _ in predictions:
            if expert == PERCENTAGE:
                informative = weight
        informative += sum(weight for weight, expert, _ in predictions if expert == PATTERN)
        mixture = Mixture([(weight, survival) for weight, _, survival in predictions if weight > _NEGLIGIBLE])
        moment = next_look(
            mixture,
            earliest=passed + least,
            latest=max(passed + least, self._most(track)),
            interval=self._settings.min_interval,
            pace=self._pace,
            look_cost=self._settings.look_cost,
            informative=0.0 if track.place else min(informative, 1.0),
            spread=spread,
            roll=roll,
            slot=self._slot,
            offset=self._phase - track.seen_at,
        )
        return (moment - passed) / self._speed


def _moments(values: Ends) -> tuple[float, float]:
    """Return mean and variance of what lies between the tails: a trace of doubt about an hour is no wide spread."""
    below = 0.0
    kept: list[tuple[float, float]] = []
    for value, chance in values:
        left, below = below, below + chance
        inside = min(below, 1.0 - _TAIL) - max(left, _TAIL)
        if inside > 0.0:
            kept.append((value, inside / (1.0 - 2.0 * _TAIL)))
    mean = sum([value * chance for value, chance in kept])
    return mean, sum([(value - mean) ** 2 * chance for value, chance in kept])
