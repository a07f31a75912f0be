"""Four experts, each with a survival function of the seconds left, weighted by how well it has predicted so far."""

import math

from .history import ConditionalSurvival, Ends, QueuePace
from .survival import Mixture, ParetoPrior, Survival
from .track import USUAL, Track

PRIOR, HISTORY, PERCENTAGE, QUEUE, PATTERN = range(5)

#: (weight, expert, survival function); the weights sum to 1.
Predictions = list[tuple[float, int, Survival]]

_LEAST_CHANCE = 0.01  # one look is never more than 100 to 1 against an expert; flat
_PRIOR_FLOOR = 0.02  # weight of the prior for ever: bounds the harm when all other experts are wrong; flat
_PRIOR_START = 0.1  # what is added to it while nothing is known of the kind; half is flat, twice costs 5 % more
_SHY = 3.0  # tasks after which history is given half of its weight; flat
# Log odds of what many running tasks predict that agree, for a task that shows nothing yet. At 1 a burst of 300 takes
# half a look more a task; at 2 one with percentages by the clock (benchmarks/pacing) costs 7 % more.
_AGREED = 1.5
_INHERITED_COUNT = 0.5  # tasks that the history of other kinds counts for, at most; flat
_OUTLIVED = 0.02  # of a task; history that has less left at some age says nothing about it; flat
_TRIFLE = 0.005  # share of an end that is spread evenly, against predictions that are all wrong; flat
_PIECES_A_SECOND, _LEAST_PIECES, _MOST_PIECES = (
    2.0,
    4,
    40,
)  # half a second is all that looks 5 s apart can tell; at most 40 for the CPU


def predict(track: Track, pace: QueuePace) -> Predictions:
    """Return what each expert says of the seconds left since *track* was last seen, and the weight it has."""
    history = track.history
    begin = track.begin()
    age = max(track.seen_at - (track.before if begin is None else begin[0]), 0.0)
    said: list[tuple[float, int, Survival]] = [(0.0, PRIOR, ParetoPrior(2.0 * USUAL + age))]
    if track.place:
        said.append((0.0, QUEUE, track.by_queue(pace)))
    else:
        said += _by_history(track, age)
        by_percentage = track.by_percentage()
        if by_percentage is not None:
            consistency = history.consistency if track.consistency is None else track.consistency
            said.append((consistency, PERCENTAGE, by_percentage))
        by_pattern = track.by_pattern(age) if track.runs and history.pattern.count else None
        if by_pattern is not None:
            said.append((_shyness(history.pattern.count), PATTERN, by_pattern))
    own, others, log_weights = track.evidence, history.pooled.of_others(track.evidence), history.log_weights
    odds = [start + log_weights[expert] + others[expert] + own[expert] for start, expert, _ in said]
    top = max(odds)
    weights = [math.exp(odd - top) for odd in odds]
    prior = _PRIOR_FLOOR + _PRIOR_START / (1.0 + history.durations.count + history.nonlinearity.seen)
    rest = (1.0 - prior) / sum(weights)
    return [
        (weight * rest + (prior if expert == PRIOR else 0.0), expert, survival)
        for weight, (_, expert, survival) in zip(weights, said, strict=True)
    ]


def _by_history(track: Track, age: float) -> Predictions:
    """Return what ended tasks predict, or while there are none of the kind, those that run.

    They say nothing of ages that none of them has reached, and have little weight while they are few.
    """
    history, durations = track.history, track.history.usual_durations
    running = None if history.durations.count else track.by_running(age)
    if running is not None:
        return [(0.0 if track.percentage else _AGREED + _shyness(history.expected.count), HISTORY, running)]
    count = history.durations.count or min(durations.count, _INHERITED_COUNT)
    if not count or durations.chance(age) <= _OUTLIVED / count:
        return []
    return [(_shyness(count), HISTORY, ConditionalSurvival(durations.table, age))]


def _shyness(count: float) -> float:
    """Return the log odds that an expert starts with that has seen *count* tasks."""
    return math.log(count / (count + _SHY))


def update_weights(track: Track, predictions: Predictions, now: float, *, ended: bool) -> None:
    """Give each expert evidence by the chance that it gave to what a look found, relative to the mixture's.

    An expert that predicted nothing gains and loses nothing (sleeping experts: Freund, Schapire, Singer, Warmuth 1997).
    """
    passed = max(now - track.seen_at, 0.0)
    chances: list[tuple[float, int, float]] = []
    for weight, expert, survival in predictions:
        chance = survival.chance(passed)
        chances.append((weight, expert, max(1.0 - chance if ended else chance, _LEAST_CHANCE)))
    mixture = sum(weight * chance for weight, _, chance in chances)
    evidence = list(track.evidence)
    for _, expert, chance in chances:
        evidence[expert] += math.log(chance / mixture)
    before = track.evidence if track.pooled else None
    prior, history, percentage, queue, pattern = evidence
    track.evidence = after = prior, history, percentage, queue, pattern
    track.pooled = not ended
    track.history.pooled.replace(before, None if ended else after)


def withdraw(track: Track) -> None:
    """Take back the evidence that a task shares with the others: it is not watched any more."""
    if track.pooled:
        track.pooled = False
        track.history.pooled.replace(track.evidence, None)


def distribute_end(track: Track, predictions: Predictions, now: float) -> Ends:
    """Return when a task may have ended: moments between its last look and *now*, with their probabilities."""
    passed = max(now - track.seen_at, 0.0)
    mixture = Mixture([(weight, survival) for weight, _, survival in predictions])
    pieces = min(max(int(_PIECES_A_SECOND * passed), _LEAST_PIECES), _MOST_PIECES)
    chances = [mixture.chance(passed * i / pieces) for i in range(pieces + 1)]
    # A trifle is spread evenly: where all experts are wrong, the end is anywhere.
    trifle = _TRIFLE * (chances[0] - chances[-1]) / pieces + 1e-9
    masses = [chances[i] - chances[i + 1] + trifle for i in range(pieces)]
    total = sum(masses)
    return [(track.seen_at + passed * (i + 0.5) / pieces, mass / total) for i, mass in enumerate(masses)]
