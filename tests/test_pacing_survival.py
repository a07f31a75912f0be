"""The laws of the seconds left, and the best moment they imply."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideal_async._forecast.history import ConditionalSurvival, Durations
from ideal_async._forecast.inspection import next_look
from ideal_async._forecast.survival import Logistic, Mixture, ParetoPrior, Survival, median


def lived_in(seconds: list[float]) -> Durations:
    durations = Durations()
    for one in seconds:
        durations.learn([(one, 1.0)])
    return durations


def history(*seconds: float, age: float = 0.0) -> ConditionalSurvival:
    return ConditionalSurvival(lived_in(list(seconds)).table, age)


SURVIVALS: dict[str, Survival] = {
    "prior of a usual task": ParetoPrior(150.0),
    "prior of an old task": ParetoPrior(4000.0),
    "logistic, narrow": Logistic(30.0, 2.0),
    "logistic, wide": Logistic(30.0, 40.0),
    "logistic, made before": Logistic(30.0, 2.0, ago=25.0),
    "logistic, overdue": Logistic(30.0, 2.0, ago=300.0),
    "logistic, far and sharp": Logistic(500.0, 0.1),
    "logistic, past": Logistic(-3.0, 0.5),
    "history": history(60.0, 75.0, 90.0),
    "history, given an age": history(60.0, 75.0, 90.0, age=70.0),
    "history, two far apart": history(2.0, 3000.0, age=10.0),
    "mixture": Mixture([(0.5, ParetoPrior(150.0)), (0.5, Logistic(30.0, 2.0))]),
}


@pytest.mark.parametrize("survival", SURVIVALS.values(), ids=SURVIVALS)
def test_the_chance_starts_at_one_and_only_falls(survival: Survival) -> None:
    """Just seen running; from then on the chance falls and never rises."""
    assert survival.chance(0.0) == pytest.approx(1.0)
    assert survival.chance_and_mean(0.0)[1] == pytest.approx(0.0, abs=1e-9)
    chances = [survival.chance(x) for x in (0.0, 0.5, 1.0, 5.0, 20.0, 60.0, 400.0, 1e5)]
    assert chances == sorted(chances, reverse=True)
    assert 0.0 <= chances[-1] < 0.01


@pytest.mark.parametrize("survival", SURVIVALS.values(), ids=SURVIVALS)
@pytest.mark.parametrize("x", [1.0, 7.0, 45.0, 200.0])
def test_the_mean_is_the_integral_of_the_chance(survival: Survival, x: float) -> None:
    """Both answers belong to the same survival function."""
    steps = 4000
    area = sum(survival.chance((i + 0.5) * x / steps) for i in range(steps)) * x / steps
    assert survival.chance_and_mean(x)[1] == pytest.approx(area, rel=2e-3, abs=1e-3)


@given(middle=st.floats(-1e4, 1e4), scale=st.floats(0.1, 1e3), ago=st.floats(0.0, 1e4), x=st.floats(0.0, 1e5))
def test_a_logistic_chance_stays_one_however_extreme(middle: float, scale: float, ago: float, x: float) -> None:
    """No overflow, and never outside of [0, 1] or of the time that passed."""
    logistic = Logistic(middle, scale, ago=ago)
    assert 0.0 <= logistic.chance(x) <= 1.0
    assert -1e-6 <= logistic.chance_and_mean(x)[1] <= x * (1.0 + 1e-9) + 1e-6


def test_the_prior_expects_old_tasks_to_last() -> None:
    """The longer it has taken, the longer it takes."""
    assert ParetoPrior(1000.0).chance(60.0) > ParetoPrior(150.0).chance(60.0)


def test_history_forgets_jobs_that_were_over_sooner() -> None:
    """A job of 70 s is not one of those that took 20 s."""
    both = history(20.0, 20.0, 90.0, 90.0, age=70.0)
    assert both.chance(5.0) > 0.9
    assert both.chance(60.0) < 0.15


@pytest.mark.parametrize("survival", SURVIVALS.values(), ids=SURVIVALS)
@pytest.mark.parametrize("passed", [0.0, 12.0])
def test_half_are_over_at_the_median(survival: Survival, passed: float) -> None:
    """As likely sooner as later, to the tenth of a second that bisection stops at."""
    left = median(survival, passed)
    half = survival.chance(passed) / 2.0
    assert survival.chance(passed + left + 0.1) <= half + 1e-12
    assert survival.chance(max(passed + left - 0.1, passed)) >= half - 1e-12


def test_the_median_of_what_never_ends_is_a_day() -> None:
    """A search must end, whatever it searches."""

    class Forever(ParetoPrior):
        def chance(self, x: float) -> float:
            return 1.0 + 0.0 * x

    assert 86_400.0 <= median(Forever(1.0), 0.0) <= 4 * 86_400.0


def look(
    survival: Survival, *, earliest: float = 5.0, informative: float = 0.0, spread: float = 0.0, roll: float = 0.5
) -> float:
    return next_look(
        survival,
        earliest=earliest,
        latest=60.0,
        interval=5.0,
        pace=5.0,
        look_cost=1 / 6,
        informative=informative,
        spread=spread,
        roll=roll,
        slot=1e-3,
        offset=0.0,
    )


class Exponential(ParetoPrior):
    """No memory: here some fixed loop is the optimum."""

    def chance(self, x: float) -> float:
        """Return the chance to run on."""
        return math.exp(-x / self.age)

    def chance_and_mean(self, x: float) -> tuple[float, float]:
        """Return it and its integral."""
        return math.exp(-x / self.age), self.age * (1.0 - math.exp(-x / self.age))


def test_without_memory_the_vendors_five_seconds_come_out() -> None:
    """The exchange rate was chosen so: 1/6 s a look makes 5 s the best loop for jobs of 75 s."""
    assert look(Exponential(75.0), earliest=1.0) == pytest.approx(5.0, abs=0.5)


def test_slower_jobs_are_looked_at_less_often() -> None:
    """The best interval grows with the square root of the duration (Barlow, Hunter and Proschan)."""
    assert 8.0 < look(Exponential(400.0)) < 20.0


@pytest.mark.parametrize("mean", [200.0, 400.0, 1600.0])
def test_the_minimum_is_met_more_closely_than_by_the_moments_tried(mean: float) -> None:
    """Between them it is interpolated: to 0.3 s, where they are seconds apart."""
    # The minimum of x + (5 + 1/6) * (the looks it takes at x, x + 5, x + 10, ...), whose sum is a geometric series.
    best = mean * math.log((5.0 + 1 / 6) / (mean * -math.expm1(-5.0 / mean)))
    assert look(Exponential(mean)) == pytest.approx(best, abs=0.3)


@given(middle=st.floats(20.0, 50.0))
def test_a_sharp_prediction_is_met_just_after_its_moment(middle: float) -> None:
    """The phase is free: this look, or the one that may follow 5 s later, comes when there is something to see."""
    at = look(Logistic(middle, 0.3), informative=1.0)
    assert any(middle < moment < middle + 2.5 for moment in (at, at + 5.0))


def test_a_gap_between_two_populations_is_skipped() -> None:
    """No look where nothing ends."""
    survivor = history(*[20.0, 100.0] * 20, age=35.0)
    assert look(survivor) > 30.0


def test_an_informative_look_is_taken_on_the_way() -> None:
    """A far and vague end is approached by looks that sharpen it; a loop would be spared until the end is near."""
    vague_end = Logistic(55.0, 8.0)
    assert look(vague_end, informative=1.0) < look(Logistic(55.0, 0.3), informative=1.0) - 5.0


@given(
    survival=st.sampled_from(list(SURVIVALS.values())),
    earliest=st.floats(0.1, 59.0),
    informative=st.sampled_from([0.0, 0.4, 1.0]),
    spread=st.sampled_from([0.0, 0.02]),
    roll=st.floats(0.0, 1.0, exclude_max=True),
)
def test_a_look_is_never_early_and_never_too_late(
    survival: Survival, earliest: float, informative: float, spread: float, roll: float
) -> None:
    """Whatever is believed, the bounds hold."""
    assert earliest <= look(survival, earliest=earliest, informative=informative, spread=spread, roll=roll) <= 60.0


def test_the_roll_spreads_a_vague_look_and_leaves_a_sharp_one() -> None:
    """Where a second makes no difference it may differ; where it does it may not."""
    vague = [look(ParetoPrior(150.0), earliest=1.0, spread=0.02, roll=roll) for roll in (0.0, 0.999)]
    sharp = [look(Logistic(30.0, 0.3), spread=0.02, roll=roll) for roll in (0.0, 0.999)]
    assert vague[1] - vague[0] > 1.0
    assert sharp[1] - sharp[0] < 1.0
