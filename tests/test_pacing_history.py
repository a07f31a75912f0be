"""What finished jobs teach."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideal_async._forecast.history import Durations, KindHistory, QueuePace
from ideal_async._forecast.pattern import Pattern
from ideal_async._forecast.pooled import PooledEvidence, clip
from ideal_async._forecast.progress import Nonlinearity, ProgressCurve, Residuals, work_done

SURE = 1e-6


def test_one_job_says_roughly_what_many_say_exactly() -> None:
    """The more jobs took 75 s, the less anything else is expected."""
    durations = Durations()
    durations.learn([(75.0, 1.0)])
    after_one = durations.chance(50.0) - durations.chance(110.0)
    for _ in range(60):
        durations.learn([(75.0, 1.0)])
    after_many = durations.chance(50.0) - durations.chance(110.0)
    assert 0.5 < after_one < 0.9
    assert after_many > 0.97
    assert durations.mean == pytest.approx(75.0, rel=0.05)


def test_what_lies_between_two_looks_counts_in_parts() -> None:
    """A job that ended at 20 or at 80 s is half a job of each."""
    durations = Durations()
    for _ in range(40):
        durations.learn([(20.0, 0.5), (80.0, 0.5), (500.0, 0.0)])
    assert durations.chance(40.0) == pytest.approx(0.5, abs=0.03)
    assert durations.chance(200.0) < 0.01


def test_recent_jobs_outweigh_old_ones() -> None:
    """A service that has changed is believed after some dozens of jobs."""
    durations = Durations()
    for seconds in [60.0] * 200 + [150.0] * 80:
        durations.learn([(seconds, 1.0)])
    assert durations.chance(100.0) > 0.6


def test_weights_do_not_run_out_of_floats() -> None:
    """A client may live for years."""
    durations = Durations()
    for index in range(16_000):
        durations.learn([(50.0 + index % 7, 1.0)])
    assert durations.count == pytest.approx(1.0 / 0.015, rel=0.01)
    assert durations.chance(40.0) > 0.9
    assert durations.chance(75.0) < 0.1


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=8), st.floats(0.0, 1e6))
def test_any_duration_can_be_learned_and_asked_for(seconds: list[float], x: float) -> None:
    """Instant or of many days: a chance stays a chance."""
    durations = Durations()
    for one in seconds:
        durations.learn([(one, 1.0)])
    assert 0.0 <= durations.chance(x) <= 1.0
    assert 0.0 <= durations.table.chance_and_mean(x)[1] <= x


def test_a_percentage_stands_for_the_middle_of_what_it_was_cut_from() -> None:
    """An integer hides up to one per cent; 100 is not the end as long as the task runs."""
    assert work_done(10) == pytest.approx(0.105)
    assert work_done(100) == pytest.approx(0.999)


@pytest.mark.parametrize("percentage", [1, 2, 25, 50, 99, 100])
def test_until_jobs_finish_the_curve_is_the_straight_line(percentage: int) -> None:
    """No evidence, no opinion."""
    assert ProgressCurve().share(percentage, 0.01) == (work_done(percentage), 0.01)


def test_the_curve_becomes_what_jobs_show() -> None:
    """Front-loaded progress is understood, between the percentages that were seen too, and so is its precision."""
    curve = ProgressCurve()
    for _ in range(30):
        for percentage in (10, 20, 30, 50, 60, 80, 90):
            curve.learn(percentage, (percentage / 100.0) ** 2.0, SURE)
    share, variance = curve.share(55, 0.01)
    assert share == pytest.approx(0.55**2, abs=0.02)
    assert variance < 0.002


def test_a_percentage_that_means_anything_is_known_to() -> None:
    """Contradictions widen the curve instead of moving it to and fro."""
    curve = ProgressCurve()
    for index in range(40):
        curve.learn(50, 0.2 if index % 2 else 0.8, SURE)
    share, variance = curve.share(50, 0.0004)
    assert share == pytest.approx(0.5, abs=0.05)
    assert math.sqrt(variance) > 0.2


def test_ninety_nine_is_a_word_of_its_own() -> None:
    """A service that sticks at 99 says nothing about what 97 means."""
    curve = ProgressCurve()
    for _ in range(30):
        curve.learn(99, 0.7, SURE)
    assert curve.share(99, 0.01)[0] == pytest.approx(0.7, abs=0.03)
    assert curve.share(97, 0.01)[0] == work_done(97)


def test_a_new_kind_starts_with_what_other_kinds_have_shown() -> None:
    """Percentages of one service mostly mean the same; a kind's own evidence then takes over."""
    everything = ProgressCurve()
    one, other = ProgressCurve(everything), ProgressCurve(everything)
    for _ in range(30):
        one.learn(50, 0.8, SURE)
    assert other.share(50, 0.01)[0] == pytest.approx(0.8, abs=0.03)
    for _ in range(60):
        other.learn(50, 0.3, SURE)
    assert other.share(50, 0.01)[0] == pytest.approx(0.3, abs=0.05)


def test_errors_shrink_with_evidence_and_grow_with_noise() -> None:
    """An error known up to some noise is at least that noisy."""
    precise, noisy = Residuals(), Residuals()
    for _ in range(50):
        precise.learn(0.5 - precise.mean, weight=1.0, noise=0.0)
        noisy.learn(0.5 - noisy.mean, weight=1.0, noise=0.09)
    mean, variance = precise.estimate(0.0, 0.25)
    assert mean == pytest.approx(0.5, abs=0.05)
    assert variance < 0.05
    assert noisy.estimate(0.0, 0.25)[1] > 0.08


def test_hardly_a_task_takes_less_than_the_shortest() -> None:
    """By mean and spread of those that ended; by what is usual until then."""
    durations, random = Durations(), Random(3)
    assert durations.shortest(100.0) == pytest.approx(100.0 * math.exp(-2.5 * 0.35))
    took = [40.0 * random.lognormvariate(0.0, 0.2) for _ in range(400)]
    for seconds in took:
        durations.learn([(seconds, 1.0)])
    shortest = durations.shortest(100.0)
    assert shortest == pytest.approx(40.0 * math.exp(-2.5 * 0.2), rel=0.1)
    assert sum(seconds < shortest for seconds in took) <= 6


def test_about_the_last_twenty_errors_count() -> None:
    """A service that begins to mean something else is understood after forty more, however long it meant the former."""
    residuals = Residuals()
    for error in [0.5] * 200 + [0.0] * 40:
        residuals.learn(error - residuals.mean, weight=1.0, noise=0.0)
    assert residuals.count == pytest.approx(20.0, rel=0.01)
    assert abs(residuals.estimate(0.0, 0.01)[0]) < 0.1


def test_the_pace_of_the_queue_is_learned() -> None:
    """Ten seconds a place until it was watched."""
    pace = QueuePace()
    assert pace.seconds_per_place == pytest.approx(10.0)
    for _ in range(30):
        pace.learn(60.0, 2.0)
    assert pace.seconds_per_place == pytest.approx(30.0, rel=0.1)


def test_lessons_reach_all_kinds() -> None:
    """A kind teaches the others its durations, and some of its weights."""
    everything = KindHistory()
    one = KindHistory(everything)
    for _ in range(10):
        one.learn_duration([(30.0, 1.0)])
        one.learn_evidence((-2.0, 0.0, 2.0, 0.0, 0.0), percentages=True)
    other = KindHistory(everything)
    assert other.usual_durations is everything.durations
    assert one.usual_durations is one.durations
    assert other.log_weights[2] > 0.5
    assert other.log_weights[0] < -0.5
    assert other.log_weights[2] < one.log_weights[2]
    assert other.percentage_share > 0.8


def test_one_task_does_not_decide_which_expert_to_believe() -> None:
    """However absurd its life, what one job moves is bounded, and in proportion."""
    history = KindHistory()
    history.learn_evidence((-300.0, 150.0, 0.0, 0.0, 0.0), percentages=False)
    assert history.log_weights == pytest.approx([-3.0, 1.5, 0.0, 0.0, 0.0])


def test_percentages_that_foretell_each_other_are_straight() -> None:
    """A few tasks seen from 10 to 50 % are enough; a kind nobody has seen starts from what the others showed."""
    everything = Nonlinearity()
    kind = Nonlinearity(everything)
    assert kind.scale == pytest.approx(0.25)
    for _ in range(10):
        kind.learn(0.0, left=0.9, then=0.5, noise=0.0)
    assert kind.scale < 0.06
    assert everything.scale < 0.1
    assert Nonlinearity(everything).scale == pytest.approx(everything.scale)


def test_percentages_that_contradict_each_other_are_crooked() -> None:
    """But nothing is so crooked that it says nothing at all."""
    nonlinearity = Nonlinearity()
    for _ in range(10):
        nonlinearity.learn(0.8, left=0.9, then=0.5, noise=0.0)
    assert nonlinearity.scale == 0.5


def test_what_rounding_explains_is_not_held_against_the_line() -> None:
    """An integer percentage of 6 may be off by a twelfth."""
    exact, rounded = Nonlinearity(), Nonlinearity()
    for _ in range(10):
        exact.learn(0.08, left=0.94, then=0.8, noise=0.0)
        rounded.learn(0.08, left=0.94, then=0.8, noise=0.08**2)
    assert rounded.scale < exact.scale / 2


def test_pooled_evidence_is_that_of_the_others() -> None:
    """A task's own evidence would otherwise count twice."""
    pooled = PooledEvidence()
    mine, yours = (-1.0, 0.0, 1.0, 0.0, 0.0), (-0.5, 0.25, 0.5, 0.0, 0.0)
    pooled.replace(None, mine)
    assert pooled.of_others(mine) == (0.0, 0.0, 0.0, 0.0, 0.0)
    pooled.replace(None, yours)
    assert pooled.of_others(mine) == pytest.approx(yours)
    assert pooled.of_others(yours) == pytest.approx(mine)
    pooled.replace(yours, mine)  # it has seen more meanwhile
    assert pooled.of_others(mine) == pytest.approx(mine)
    pooled.replace(mine, None)
    assert pooled.of_others(mine) == (0.0, 0.0, 0.0, 0.0, 0.0)


def test_a_crowd_counts_no_more_than_ten() -> None:
    """Tasks of one moment have much in common: a hundred of them are not a hundred proofs."""
    pooled, each = PooledEvidence(), (0.0, 0.0, 1.0, 0.0, 0.0)
    for _ in range(101):
        pooled.replace(None, each)
    assert pooled.of_others(each)[2] == pytest.approx(10.0)


def test_the_evidence_of_one_task_is_limited() -> None:
    """A task that has run for hours has much of it; it is scaled down to what one task may say."""
    assert clip((-1.0, 0.5, 3.0, 0.0, 0.0)) == (-1.0, 0.5, 3.0, 0.0, 0.0)
    assert clip((-300.0, 150.0, 0.0, 0.0, 0.0)) == pytest.approx((-3.0, 1.5, 0.0, 0.0, 0.0))


def test_a_wrong_prior_leaves_doubt() -> None:
    """Where the first observations contradict what was believed, neither is quite believed."""
    agreeing, contradicting = Residuals(), Residuals()
    agreeing.learn(0.0, weight=1.0, noise=0.01)
    contradicting.learn(2.0, weight=1.0, noise=0.01)
    assert contradicting.estimate(0.0, 0.01)[1] > agreeing.estimate(0.0, 0.01)[1] + 0.9


def test_old_evidence_for_an_expert_fades() -> None:
    """Twenty tasks at most: a service may change, and should not need as many tasks as it took to be believed."""
    history = KindHistory()
    for _ in range(300):
        history.learn_evidence((0.0, 0.0, 3.0, 0.0, 0.0), percentages=True)
    assert history.log_weights[2] == pytest.approx(60.0, rel=0.01)
    history.learn_evidence((0.0, 0.0, 0.0, 0.0, 0.0), percentages=False)
    assert history.shows_percentages == pytest.approx(0.8)


def test_a_queue_that_stands_still_is_taken_to_move_once_an_hour() -> None:
    """Otherwise it would predict no end at all."""
    pace = QueuePace()
    for _ in range(1000):
        pace.learn(86_400.0, 0.0)
    assert pace.seconds_per_place == 3600.0


def chance(pattern: Pattern, percentage: int, share: float) -> float:
    return pattern.likelihoods([(100.0 * share, percentage)], [100.0])[0]


def test_a_pattern_knows_when_a_percentage_is_shown() -> None:
    """From 30 % of the time on nothing but 99 was shown; recent tasks count most; what nobody has seen is possible."""
    pattern = Pattern()
    for _ in range(20):
        pattern.learn([(50, 10.0, 39.0), (99, 41.0, 100.0)], 10.0, [(100.0, 1.0)])
    assert chance(pattern, 50, 0.1) > 0.9
    assert chance(pattern, 99, 0.1) < 0.05
    assert chance(pattern, 99, 0.8) > 0.9
    assert 0.0 < chance(pattern, 7, 0.8) < 0.05
    assert chance(pattern, 99, 1.7) == chance(pattern, 99, 0.999)  # beyond its end it would be as at its end
    assert chance(pattern, 50, -7.0) == chance(pattern, 50, 0.0)  # seen before its work began anew
    for _ in range(60):
        pattern.learn([(80, 10.0, 110.0)], 10.0, [(100.0, 1.0)])
    assert chance(pattern, 80, 0.8) > 0.8


def test_an_uncertain_end_blurs_a_pattern() -> None:
    """A task that ended after 50 or after 100 s was at a half or at a quarter of its time."""
    pattern = Pattern()
    pattern.learn([(30, 25.0, 25.0)], 0.0, [(50.0, 0.5), (100.0, 0.5)])
    assert chance(pattern, 30, 0.5) == chance(pattern, 30, 0.25) > 0.5
    assert chance(pattern, 30, 0.375) < 0.1


def test_durations_can_be_asked_for_in_view_of_what_was_seen() -> None:
    """Those that are too short are out, the others count by their likelihood; None if none is left."""
    durations = Durations()
    for seconds in [40.0, 80.0, 160.0] * 20:
        durations.learn([(seconds, 1.0)])
    table = durations.posterior(50.0, lambda some: [1.0 if duration < 110.0 else 0.1 for duration in some])
    assert table is not None
    assert table.chance(49.0) == 1.0
    assert table.chance(110.0) == pytest.approx(1.0 / 11.0, abs=0.03)
    assert table.chance(500.0) == 0.0
    assert table.chance_and_mean(40.0) == (1.0, 40.0)
    assert table.chance_and_mean(500.0)[1] == pytest.approx((80.0 + 16.0) / 1.1, rel=0.05)
    assert durations.posterior(50.0, lambda some: [0.0] * len(some)) is None
    assert durations.posterior(5000.0, lambda some: [1.0] * len(some)) is None


def test_as_long_as_none_has_ended_those_that_run_tell_whether_percentages_come() -> None:
    """A kind whose running tasks show some is one that shows them."""
    history = KindHistory()
    assert history.shows_percentages == 0.0
    history.expected.learn(4.3, weight=1.0, noise=0.0)
    assert history.shows_percentages == 1.0
    history.learn_duration([(75.0, 1.0)])
    assert history.shows_percentages == 0.0
