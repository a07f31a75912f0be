"""When to look at a task next, from what was seen of it and what was learned from others."""

import math
from collections.abc import Hashable

from ideal_async._models import Eta

from .experts import (
    HISTORY,
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

_SOURCES = ("", "history", "percentage", "queue")
_WORTH_QUOTING = 0.2  # weight that an expert must have to be quoted
_SPREAD = 0.02  # seconds that a first look may cost more for the sake of a free phase
_NEGLIGIBLE = 0.005  # weight of an expert that no decision depends on

# However steadily percentages rise, nobody knows where they lead before some have led to an end. Until then, the gap
# between two looks at a scout stays under this share of its age.
_SCOUTING = 0.5
_PROVEN = 3  # tasks that showed percentages and ended
_UNFORESEEN = 0.1  # chance, by its percentage, that a task has ended by now: if less, its end is a surprise


class Forecast:
    """What one client expects of its tasks, learned from those that ended.

    Pure: clock and dice are arguments. Times are seconds on one monotonic clock, delays are seconds from *now*, *roll*
    is uniform in [0, 1). A decision costs the same however many tasks are tracked.

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
        # The best fixed interval for a usual task: 5 s at the usual price of a look.
        self._pace = max(pacing.min_interval, math.sqrt(2.0 * pacing.look_cost * USUAL))
        self._all = KindHistory()
        self._kinds: dict[Kind, KindHistory] = {}
        self._queue_pace = QueuePace()
        # Those of the last decision: its `eta` is asked for next.
        self._predicted: tuple[Track, Predictions] | None = None

    def track(self, kind: Kind, *, now: float, submitted_at: float | None) -> Track:
        """Begin to follow a task; *submitted_at* is None if its age is unknown."""
        history = self._kinds.get(kind)
        if history is None:
            history = self._kinds[kind] = KindHistory(self._all)
        if submitted_at is None:
            return Track(history, None, seen_at=now, after=-math.inf, before=now)
        scout = history.pooled.join()
        return Track(history, submitted_at, seen_at=submitted_at, after=submitted_at, before=submitted_at, scout=scout)

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
        self._predicted = None
        update_weights(track, predict(track, self._queue_pace), now, ended=False)
        # The page shows 30 % with two ahead: a percentage above 0 outweighs waitNumber.
        if percentage > 0 or (processing and wait_number <= 0):
            track.observe_work(min(max(percentage, 0), 100), self._queue_pace, now)
        else:
            track.observe_queue(max(wait_number, 1), self._queue_pace, now)
        track.seen_at = now
        return self._decide(track, self.pacing.min_interval, passed=0.0, spread=0.0, roll=roll)

    def finish(self, track: Track, *, now: float, success: bool) -> bool:
        """Take in a look that found the task ended, and learn from its life.

        A failed task teaches how long it takes until one ends, but not what its percentages would have led to.

        Returns:
            Whether the end was a surprise, so that others of its kind should `replan`.
        """
        self._predicted = None
        history, predictions = track.history, predict(track, self._queue_pace)
        surprise = success and self._is_surprise(track, predictions, now)
        ends = distribute_end(track, predictions, now)
        update_weights(track, predictions, now, ended=True)
        history.learn_evidence(track.evidence, percentages=bool(track.marks))
        if track.queued is not None:
            at, predicted = track.queued
            off, noise = _moments([(math.log((max(end - at, 0.0) + 1.0) / (predicted + 1.0)), p) for end, p in ends])
            history.queue_residuals.learn(off - history.queue_residuals.mean, weight=1.0, noise=noise)
        begin = track.begin()
        if begin is None:
            return surprise
        took = [(max(end - begin[0], 0.1), chance) for end, chance in ends]
        history.learn_duration(took)
        if success:
            for at, percentage in track.marks:
                worked = max(at - begin[0], 0.1)
                history.curve.learn(percentage, *_moments([(min(worked / end, 1.0), chance) for end, chance in took]))
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
        passed = max(now - track.seen_at, 0.0)
        soon = roll * min(1.0, self.pacing.min_interval)
        return self._decide(track, max(self.pacing.min_interval - passed, soon), passed=passed, spread=0.0, roll=roll)

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
        return Eta(median(survival, max(now - track.seen_at, 0.0)), _SOURCES[expert])

    def _most(self, track: Track, passed: float) -> float:
        """Return the longest delay to the next look, *passed* seconds after the task was last seen."""
        most = self.pacing.max_interval
        if not track.scout or track.history.ended_with_percentage >= _PROVEN or not track.percentage:
            return most
        age = track.seen_at + passed - (track.submitted_at or 0.0)
        return min(max(self.pacing.min_interval, _SCOUTING * age), most)

    def _decide(self, track: Track, least: float, *, passed: float, spread: float, roll: float) -> float:
        """Return the delay to the next look, at *least* so long, *passed* seconds after the task was last seen."""
        predictions = predict(track, self._queue_pace)
        self._predicted = track, predictions
        log_weights = track.history.log_weights
        # Will a look tell more than "not yet"? As far as percentages come, and are better than history.
        informative = track.history.percentage_share / (1.0 + math.exp(log_weights[HISTORY] - log_weights[PERCENTAGE]))
        for weight, expert, _ in predictions:
            if expert == PERCENTAGE:
                informative = weight
        moment = next_look(
            Mixture([(weight, survival) for weight, _, survival in predictions if weight > _NEGLIGIBLE]),
            earliest=passed + least,
            latest=passed + max(least, self._most(track, passed)),
            interval=self.pacing.min_interval,
            pace=self._pace,
            look_cost=self.pacing.look_cost,
            informative=0.0 if track.place else informative,
            spread=spread,
            roll=roll,
        )
        return moment - passed


def _moments(values: Ends) -> tuple[float, float]:
    """Return mean and variance."""
    mean = sum(value * chance for value, chance in values)
    return mean, sum((value - mean) ** 2 * chance for value, chance in values)
