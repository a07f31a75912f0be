"""The laws of the seconds left, and the best moment they imply."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideal_async._checking import next_look
from ideal_async._laws import Law, Mixture, Peak, Vague, median
from ideal_async._learned import Durations, Elapsed


def lived_in(seconds: list[float]) -> Durations:
    durations = Durations()
    for one in seconds:
        durations.learn([(one, 1.0)])
    return durations


def history(*seconds: float, age: float = 0.0) -> Elapsed:
    return Elapsed(lived_in(list(seconds)), age)


LAWS: list[Law] = [
    Vague(150.0),
    Vague(4000.0),
    Peak(30.0, 2.0),
    Peak(30.0, 40.0),
    Peak(30.0, 2.0, ago=25.0),
    Peak(30.0, 2.0, ago=300.0),
    Peak(500.0, 0.1),
    Peak(-3.0, 0.5),
    history(60.0, 75.0, 90.0),
    history(60.0, 75.0, 90.0, age=70.0),
    history(2.0, 3000.0, age=10.0),
    Mixture([(0.5, Vague(150.0)), (0.5, Peak(30.0, 2.0))]),
]


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_a_law_starts_alive_and_only_dies(law: Law) -> None:
    """Just seen running; from then on the chance falls and never rises."""
    assert law.alive(0.0) == pytest.approx(1.0)
    assert law.both(0.0)[1] == pytest.approx(0.0, abs=1e-9)
    chances = [law.alive(x) for x in (0.0, 0.5, 1.0, 5.0, 20.0, 60.0, 400.0, 1e5)]
    assert chances == sorted(chances, reverse=True)
    assert 0.0 <= chances[-1] < 0.01


@pytest.mark.parametrize("law", LAWS, ids=repr)
@pytest.mark.parametrize("x", [1.0, 7.0, 45.0, 200.0])
def test_what_is_lived_is_the_integral_of_the_chance(law: Law, x: float) -> None:
    """Both answers belong to the same law."""
    steps = 4000
    area = sum(law.alive((i + 0.5) * x / steps) for i in range(steps)) * x / steps
    assert law.both(x)[1] == pytest.approx(area, rel=2e-3, abs=1e-3)


@given(middle=st.floats(-1e4, 1e4), scale=st.floats(0.1, 1e3), ago=st.floats(0.0, 1e4), x=st.floats(0.0, 1e5))
def test_a_peak_stays_a_chance_however_extreme(middle: float, scale: float, ago: float, x: float) -> None:
    """No overflow, and never outside of [0, 1] or of the time that passed."""
    peak = Peak(middle, scale, ago=ago)
    assert 0.0 <= peak.alive(x) <= 1.0
    assert -1e-6 <= peak.both(x)[1] <= x * (1.0 + 1e-9) + 1e-6


def test_the_vague_law_expects_old_jobs_to_last() -> None:
    """The longer it has taken, the longer it takes."""
    assert Vague(1000.0).alive(60.0) > Vague(150.0).alive(60.0)


def test_history_forgets_jobs_that_were_over_sooner() -> None:
    """A job of 70 s is not one of those that took 20 s."""
    both = history(20.0, 20.0, 90.0, 90.0, age=70.0)
    assert both.alive(5.0) > 0.9
    assert both.alive(60.0) < 0.15


@pytest.mark.parametrize("law", LAWS, ids=repr)
@pytest.mark.parametrize("passed", [0.0, 12.0])
def test_half_are_over_at_the_median(law: Law, passed: float) -> None:
    """As likely sooner as later, to the tenth of a second that bisection stops at."""
    left = median(law, passed)
    half = law.alive(passed) / 2.0
    assert law.alive(passed + left + 0.1) <= half + 1e-12
    assert law.alive(max(passed + left - 0.1, passed)) >= half - 1e-12


def test_the_median_of_what_never_ends_is_a_day() -> None:
    """A search must end, whatever the law."""

    class Forever(Vague):
        def alive(self, x: float) -> float:
            return 1.0 + 0.0 * x

    assert 86_400.0 <= median(Forever(1.0), 0.0) <= 4 * 86_400.0


def look(law: Law, *, earliest: float = 5.0, telling: float = 0.0, spread: float = 0.0, roll: float = 0.5) -> float:
    hints = [law.middle + scales * law.scale for scales in (0.5, 1.5, 2.5, 4.0)] if isinstance(law, Peak) else []
    return next_look(
        law,
        earliest=earliest,
        latest=60.0,
        interval=5.0,
        pace=5.0,
        look_cost=1 / 6,
        telling=telling,
        hints=hints,
        spread=spread,
        roll=roll,
    )


class Exponential(Vague):
    """No memory: the law for which some fixed loop is the optimum."""

    def alive(self, x: float) -> float:
        """Return the chance to run on."""
        return math.exp(-x / self.age)

    def both(self, x: float) -> tuple[float, float]:
        """Return it and its integral."""
        return math.exp(-x / self.age), self.age * (1.0 - math.exp(-x / self.age))


def test_without_memory_the_vendors_five_seconds_come_out() -> None:
    """The exchange rate was chosen so: 1/6 s a look makes 5 s the best loop for jobs of 75 s."""
    assert look(Exponential(75.0), earliest=1.0) == pytest.approx(5.0, abs=0.5)


def test_slower_jobs_are_looked_at_less_often() -> None:
    """The best interval grows with the square root of the duration (Barlow, Hunter and Proschan)."""
    assert 8.0 < look(Exponential(400.0)) < 20.0


@given(middle=st.floats(20.0, 50.0))
def test_a_sharp_law_is_met_just_after_its_peak(middle: float) -> None:
    """The phase is free: this look, or the one that may follow 5 s later, comes when there is something to see."""
    at = look(Peak(middle, 0.3), telling=1.0)
    assert any(middle < moment < middle + 2.5 for moment in (at, at + 5.0))


def test_a_gap_between_two_populations_is_skipped() -> None:
    """No look where nothing ends."""
    survivor = history(*[20.0, 100.0] * 20, age=35.0)
    assert look(survivor) > 30.0


def test_a_telling_look_is_taken_on_the_way() -> None:
    """A far and vague end is approached by looks that sharpen it; a loop would be spared until the end is near."""
    vague_end = Peak(55.0, 8.0)
    assert look(vague_end, telling=1.0) < look(Peak(55.0, 0.3), telling=1.0) - 5.0


@given(
    law=st.sampled_from(LAWS),
    earliest=st.floats(0.1, 59.0),
    telling=st.sampled_from([0.0, 0.4, 1.0]),
    spread=st.sampled_from([0.0, 0.02]),
    roll=st.floats(0.0, 1.0, exclude_max=True),
)
def test_a_look_is_never_early_and_never_too_late(
    law: Law, earliest: float, telling: float, spread: float, roll: float
) -> None:
    """Whatever is believed, the bounds hold."""
    assert earliest <= look(law, earliest=earliest, telling=telling, spread=spread, roll=roll) <= 60.0


def test_the_roll_spreads_a_vague_look_and_leaves_a_sharp_one() -> None:
    """Where a second makes no difference it may differ; where it does it may not."""
    vague = [look(Vague(150.0), earliest=1.0, spread=0.02, roll=roll) for roll in (0.0, 0.999)]
    sharp = [look(Peak(30.0, 0.3), spread=0.02, roll=roll) for roll in (0.0, 0.999)]
    assert vague[1] - vague[0] > 1.0
    assert sharp[1] - sharp[0] < 1.0
