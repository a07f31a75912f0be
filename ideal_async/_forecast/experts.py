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
# Log odds against the pattern, a sixth of what predicting costs, from which on it is not asked: its weight would be
# under 0.01, and no decision depends on that. They fade as tasks end, and then it is heard again.
_HOPELESS = 4.6
_TRIFLE = 0.005  # share of an end that is spread evenly, against predictions that are all wrong; flat
# Half a second is all that looks 5 s apart can tell of an end, and where it is unlikely, two seconds are enough: a
# third less CPU, for the same cost of a job (benchmarks/pacing).
_PIECES_A_SECOND, _LEAST_PIECES, _MOST_PIECES = 0.5, 4, 12
_LIKELY, _FINER = 0.08, 4  # share of the end; a piece with more is cut into so many; flat
_AN_INSTANT = 1e-6  # seconds; a divisor that is not zero


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
    own, others, log_weights = track.evidence, history.pooled.of_others(track.evidence), history.log_weights
    odds = [start + log_weights[expert] + others[expert] + own[expert] for start, expert, _ in said]
    top = max(odds)
    if track.runs and history.pattern.count:
        start = _shyness(history.pattern.count)
        odd = start + log_weights[PATTERN] + others[PATTERN] + own[PATTERN]
        by_pattern = track.by_pattern(age) if odd > top - _HOPELESS else None
        if by_pattern is not None:
            said.append((start, PATTERN, by_pattern))
            odds.append(odd)
            top = max(top, odd)
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
    passed = max(now - track.seen_at, _AN_INSTANT)
    mixture = Mixture([(weight, survival) for weight, _, survival in predictions])
    pieces = min(max(int(_PIECES_A_SECOND * passed), _LEAST_PIECES), _MOST_PIECES)
    edges = [passed * i / pieces for i in range(pieces + 1)]
    chances = [*map(mixture.chance, edges)]
    ended = chances[0] - chances[-1]
    for i in range(pieces, 0, -1):
        if chances[i - 1] - chances[i] > _LIKELY * ended:
            edges[i:i] = finer = [edges[i - 1] + passed * j / (pieces * _FINER) for j in range(1, _FINER)]
            chances[i:i] = map(mixture.chance, finer)
    # A trifle is spread evenly: where all experts are wrong, the end is anywhere.
    trifle = (_TRIFLE * ended + 1e-9) / passed
    ends = [
        (track.seen_at + (left + right) / 2.0, before - after + trifle * (right - left))
        for left, right, before, after in zip(edges, edges[1:], chances, chances[1:], strict=False)
    ]
    total = sum([mass for _, mass in ends])
    return [(moment, mass / total) for moment, mass in ends]
