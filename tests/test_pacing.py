"""When to look next: the rules a poller relies on, and the behaviours the model was made for."""

import itertools
import math
from collections.abc import Callable
from random import Random

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ideal_async._forecast import Forecast, Pacing, Track, experts
from ideal_async._forecast.experts import HISTORY, predict
from ideal_async._forecast.history import QueuePace
from ideal_async._forecast.pooled import NO_EVIDENCE
from ideal_async._forecast.survival import Logistic, ParetoPrior
from ideal_async._models import Eta

Says = Callable[[float], tuple[int, int, bool]]  # share of its life -> percentage, waitNumber, processing


def linear(share: float) -> tuple[int, int, bool]:
    return int(100 * share), 0, True


def silent(share: float) -> tuple[int, int, bool]:
    return 0 * int(share), 0, True


@attrs.frozen
class Lived:
    """One task's life under the forecast."""

    track: Track
    looks: list[float]  # ages at which it was looked at; the last one found the end
    delay: float
    etas: list[Eta | None]


def live(
    forecast: Forecast, duration: float, says: Says = linear, *, kind: object = "a", roll: float = 0.5, at: float = 0.0
) -> Lived:
    track = forecast.track(kind, now=at, submitted_at=at)
    age = forecast.first(track, now=at, roll=roll)
    looks, etas = [age], []
    while age < duration:
        percentage, wait_number, processing = says(age / duration)
        age += forecast.after(
            track,
            percentage=percentage,
            wait_number=wait_number,
            processing=processing,
            now=at + age,
            roll=roll,
        )
        etas.append(forecast.eta(track, now=at + looks[-1]))
        looks.append(age)
    forecast.finish(track, now=at + age, success=True)
    return Lived(track, looks, age - duration, etas)


def taught(says: Says = linear, *, around: float = 75.0, spread: float = 0.35, jobs: int = 60) -> Forecast:
    forecast, random = Forecast(Pacing()), Random(5)
    for _ in range(jobs):
        live(forecast, around * random.lognormvariate(0.0, spread), says)
    return forecast


# --- settings


def test_the_defaults_are_the_vendors_advice() -> None:
    """Every 5 to 10 seconds, says the page; nobody waits a minute for news."""
    assert Pacing() == Pacing(min_interval=5.0, max_interval=60.0, look_cost=1 / 6, usual=75.0)


@pytest.mark.parametrize("name", ["min_interval", "max_interval", "look_cost", "usual"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_settings_must_be_positive_and_finite(name: str, value: float) -> None:
    """The error names the setting."""
    with pytest.raises(ValueError, match=f"{name} must be a positive number"):
        Pacing(**{name: value})


def test_intervals_must_be_in_order() -> None:
    """The error names both."""
    with pytest.raises(ValueError, match=r"max_interval \(60.0 s\) must not be under min_interval \(90.0 s\)"):
        Pacing(min_interval=90.0)


@pytest.mark.parametrize("says", [linear, silent], ids=["linear", "silent"])
def test_what_is_accelerated_is_accelerated_as_a_whole(says: Says) -> None:
    """A service eight times faster gets the same looks eight times sooner, and the same predictions."""
    real, fast = Forecast(Pacing()), Forecast(Pacing().accelerated(8.0))
    random = Random(6)
    for _ in range(30):
        duration, roll = random.uniform(50.0, 100.0), random.random()
        one, other = live(real, duration, says, roll=roll), live(fast, duration / 8.0, says, roll=roll)
        assert [8.0 * look for look in other.looks] == pytest.approx(one.looks)
        assert [eta and (eta.source, pytest.approx(8.0 * eta.seconds, abs=1.0)) for eta in other.etas] == [
            eta and (eta.source, eta.seconds) for eta in one.etas
        ]
    resumed = [forecast.track("a", now=9.0, submitted_at=None) for forecast in (real, fast)]
    assert real.first(resumed[0], now=9.0, roll=0.5) == 8.0 * fast.first(resumed[1], now=9.0, roll=0.5)


# --- bounds that hold whatever the service says

answers = st.tuples(st.integers(-5, 130), st.integers(-2, 50), st.booleans(), st.floats(0.0, 400.0))


@settings(max_examples=60, deadline=None)
@given(
    lives=st.lists(st.tuples(st.booleans(), st.sampled_from("ab"), st.lists(answers, max_size=8)), max_size=6),
    pacing=st.sampled_from([Pacing(), Pacing(min_interval=0.5), Pacing(min_interval=20.0, max_interval=20.0)]),
    roll=st.floats(0.0, 1.0, exclude_max=True),
)
def test_looks_keep_their_distance_whatever_comes(
    lives: list[tuple[bool, str, list[tuple[int, int, bool, float]]]], pacing: Pacing, roll: float
) -> None:
    """Never under min_interval, never over max_interval, however absurd the answers and whenever they come."""
    forecast, now = Forecast(pacing), 100.0
    for known, kind, looks in lives:
        track = forecast.track(kind, now=now, submitted_at=now - 3.0 if known else None)
        assert 0.0 <= forecast.first(track, now=now, roll=roll) <= pacing.max_interval
        for percentage, wait_number, processing, later in looks:
            now += later
            delay = forecast.after(
                track, percentage=percentage, wait_number=wait_number, processing=processing, now=now, roll=roll
            )
            assert pacing.min_interval <= delay <= pacing.max_interval
            eta = forecast.eta(track, now=now)
            assert eta is None or eta.seconds >= 0.0
        now += 1.0
        forecast.finish(track, now=now, success=known)


def test_a_look_at_the_same_moment_is_no_trouble() -> None:
    """A caller may look at once, twice, or when a clock stands still."""
    forecast = Forecast(Pacing())
    track = forecast.track(None, now=5.0, submitted_at=5.0)
    for _ in range(3):
        assert forecast.after(track, percentage=0, wait_number=0, processing=True, now=5.0, roll=0.0) >= 5.0
    forecast.finish(track, now=5.0, success=True)


# --- no evidence


def test_with_no_evidence_the_first_look_comes_at_the_vendors_interval() -> None:
    """5 to 10 seconds after submission, says the page; ours is in the first half of that."""
    forecast = Forecast(Pacing())
    delays = [forecast.first(forecast.track("a", now=0.0, submitted_at=0.0), now=0.0, roll=i / 500) for i in range(500)]
    assert min(delays) == 5.0
    assert max(delays) < 7.5


def test_a_burst_of_submissions_does_not_come_back_as_one() -> None:
    """500 at once spread their first looks over several slots of a quarter of a second, about evenly."""
    forecast, random = Forecast(Pacing()), Random(3)
    delays = [
        forecast.first(forecast.track("a", now=0.0, submitted_at=0.0), now=0.0, roll=random.random())
        for _ in range(500)
    ]
    slots = sorted(set(delays))
    assert len(slots) >= 5
    assert max(delays.count(slot) for slot in slots) <= 2.5 * 500 / len(slots)


def test_with_no_evidence_the_pace_stays_near_the_vendors() -> None:
    """About every 5 s while the task is young, slowly less often once it has outlived what is usual."""
    lived = live(Forecast(Pacing()), 900.0, silent)
    gaps = [b - a for a, b in zip(lived.looks, lived.looks[1:], strict=False)]
    assert max(gaps[:8]) < 6.5
    assert max(gaps) < 25.0
    assert gaps[-2] > gaps[0]


@pytest.mark.parametrize(
    ("min_interval", "look_cost", "pace"), [(0.001, 1 / 6, 5.0), (5.0, 2.0, 17.3), (0.1, 0.02, 1.7)]
)
def test_with_no_evidence_the_pace_follows_from_the_price_of_a_look(
    min_interval: float, look_cost: float, pace: float
) -> None:
    """The square root of twice the price times 75 s; a least interval far below it does not matter."""
    forecast = Forecast(Pacing(min_interval=min_interval, look_cost=look_cost))
    lived = live(forecast, 60.0, silent)
    gaps = [b - a for a, b in zip(lived.looks, lived.looks[1:], strict=False)]
    assert sum(gaps) / len(gaps) == pytest.approx(pace, rel=0.3)


def test_a_task_of_unknown_age_is_looked_at_at_once() -> None:
    """It may be over already; the roll spreads a journal full of them over a second."""
    forecast = Forecast(Pacing())
    track = forecast.track(None, now=50.0, submitted_at=None)
    assert forecast.first(track, now=50.0, roll=0.0) == 0.0
    assert forecast.first(track, now=50.0, roll=0.999) < 1.0


def test_a_task_resumed_long_after_submission_is_looked_at_at_once() -> None:
    """Its first look is not 5 s from now but 5 s from then."""
    forecast = taught()
    track = forecast.track("a", now=5000.0, submitted_at=1000.0)
    assert forecast.first(track, now=5000.0, roll=0.3) <= 1.0


def test_dropping_a_task_teaches_nothing() -> None:
    """Nobody knows how it would have ended."""
    forecast = Forecast(Pacing())
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    forecast.drop(track)
    fresh = forecast.track("a", now=0.0, submitted_at=0.0)
    assert forecast.first(fresh, now=0.0, roll=0.0) == 5.0
    assert forecast.eta(fresh, now=0.0) is None


# --- evidence


def test_a_truthful_percentage_takes_few_looks() -> None:
    """The end is met by aiming, not by looping."""
    forecast = taught()
    lives = [live(forecast, duration) for duration in (55.0, 75.0, 100.0, 140.0)]
    assert sum(len(one.looks) for one in lives) <= 4 * 4
    assert sum(one.delay for one in lives) <= 4 * 2.0


def test_a_steady_percentage_is_believed_in_the_first_task_already() -> None:
    """A command line runs one task: it should not need sixty to be better than a loop."""
    lived = live(Forecast(Pacing()), 75.0)
    assert len(lived.looks) <= 11
    assert lived.delay < 5.0


def test_history_skips_the_time_in_which_nothing_ends() -> None:
    """Without percentages, the first look waits for the first ends."""
    forecast = taught(silent, spread=0.1)
    lived = live(forecast, 75.0, silent)
    assert lived.looks[0] > 45.0
    assert len(lived.looks) <= 7


def test_kinds_do_not_share_durations_once_they_have_their_own() -> None:
    """Ten seconds of 1080p take longer than five of 480p."""
    forecast = Forecast(Pacing())
    for _ in range(30):
        live(forecast, 30.0, silent, kind="short")
        live(forecast, 200.0, silent, kind="long")
    short = forecast.track("short", now=0.0, submitted_at=0.0)
    long = forecast.track("long", now=0.0, submitted_at=0.0)
    assert forecast.first(short, now=0.0, roll=0.5) < 35.0
    assert forecast.first(long, now=0.0, roll=0.5) > 55.0


def test_a_new_kind_starts_from_what_all_kinds_took() -> None:
    """The law of the others is better than none, though little is staked on it."""
    forecast = taught(silent, around=200.0, spread=0.1)
    track = forecast.track("never seen", now=0.0, submitted_at=0.0)
    assert forecast.first(track, now=0.0, roll=0.5) > 8.0


def stuck_at_99(share: float) -> tuple[int, int, bool]:
    return min(99, int(99 * share / 0.7)), 0, True


def test_stuck_at_99_is_understood_if_it_is_always_so() -> None:
    """A third of the time at 99 is a habit like another."""
    forecast = taught(stuck_at_99)
    lives = [live(forecast, duration, stuck_at_99) for duration in (60.0, 80.0, 100.0)]
    assert sum(len(one.looks) for one in lives) <= 3 * 7
    assert sum(one.delay for one in lives) <= 3 * 4.0


def test_stuck_at_99_for_the_first_time_costs_no_more_than_the_loop() -> None:
    """Who has always told the truth is doubted within looks, not within jobs."""
    forecast = taught()
    lived = live(forecast, 300.0, lambda share: (min(99, int(400 * share)), 0, True))
    assert len(lived.looks) <= 300.0 / 5.0
    assert lived.delay <= 10.0


def test_a_percentage_that_falls_back_begins_a_new_attempt() -> None:
    """A retry on their side: the old forecast does not stand, and the new percentages are timed from the fall."""
    forecast = Forecast(Pacing())
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    for now, percentage in [(5.0, 10), (10.0, 20), (15.0, 30), (20.0, 40)]:
        before = see(forecast, track, now, percentage)
    after = see(forecast, track, 25.0, 2)
    assert after < before
    for now, percentage in [(30.0, 12), (35.0, 22), (40.0, 32)]:
        see(forecast, track, now, percentage)
    eta = forecast.eta(track, now=40.0)
    assert eta is not None
    assert eta.seconds == pytest.approx(34.0, rel=0.1)
    assert track.begin() == (0.0, 0.0)


def test_jumps_never_silence_the_loop() -> None:
    """Percentages drawn at random are soon worth nothing, and the cost stays that of the loop."""
    random = Random(9)
    forecast = Forecast(Pacing())
    lives = [
        live(forecast, random.uniform(40.0, 120.0), lambda _share: (random.randrange(100), 0, True)) for _ in range(60)
    ]
    ours = sum(len(one.looks) / 6 + one.delay for one in lives[30:])
    loop = sum((one.looks[-1] - one.delay) / 5.0 / 6 + 0.5 / 6 + 2.5 for one in lives[30:])
    assert ours < 1.05 * loop


def test_the_prior_always_keeps_some_weight() -> None:
    """However right the others were for however long, a fiftieth of doubt stays."""
    forecast = taught(jobs=150)
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    forecast.after(track, percentage=50, wait_number=0, processing=True, now=40.0, roll=0.5)
    predictions = experts.predict(track, QueuePace())
    assert sum(weight for weight, _, _ in predictions) == pytest.approx(1.0)
    assert {expert: weight for weight, expert, _ in predictions}[experts.PRIOR] >= 0.02


def test_an_end_is_placed_finely_where_it_is_likely() -> None:
    """To half a second around what was predicted, to two where hardly anything is; and all of it lies in between."""
    track = Forecast(Pacing()).track("a", now=0.0, submitted_at=0.0)
    predictions: experts.Predictions = [(0.02, experts.PRIOR, ParetoPrior(150.0)), (0.98, HISTORY, Logistic(13.0, 0.3))]
    ends = experts.distribute_end(track, predictions, 24.0)
    moments = [moment for moment, _ in ends]
    gaps = [after - before for before, after in itertools.pairwise(moments)]
    assert sum(chance for _, chance in ends) == pytest.approx(1.0)
    assert moments == sorted(moments)
    assert [min(gaps), max(gaps)] == pytest.approx([0.5, 2.0])
    assert sum(chance for moment, chance in ends if abs(moment - 13.0) < 1.0) > 0.9
    assert min(chance for _, chance in ends) > 0.0
    assert 12.9 < sum(moment * chance for moment, chance in ends) < 13.1


def test_an_end_that_was_seen_at_once_is_placed() -> None:
    """Between two looks at the same moment, by a clock that stood still."""
    forecast = Forecast(Pacing())
    track = forecast.track("a", now=5.0, submitted_at=5.0)
    ends = experts.distribute_end(track, predict(track, QueuePace()), 5.0)
    assert sum(chance for _, chance in ends) == pytest.approx(1.0)
    assert [moment for moment, _ in ends] == pytest.approx([5.0] * len(ends), abs=1e-5)


def test_failures_teach_durations_but_no_curve() -> None:
    """Where a failed task's percentage was leading, nobody knows."""
    forecast = Forecast(Pacing())
    for _ in range(10):
        track = forecast.track("a", now=0.0, submitted_at=0.0)
        forecast.first(track, now=0.0, roll=0.0)
        forecast.after(track, percentage=90, wait_number=0, processing=True, now=10.0, roll=0.0)
        forecast.finish(track, now=15.0, success=False)
    assert track.history.durations.count > 9.0
    assert track.history.curve.share(90, 0.01)[0] == pytest.approx(0.905)


def test_history_has_little_weight_while_it_is_short() -> None:
    """One task is an anecdote; after thirty, history weighs nearly as much as what nobody ever doubts."""

    def weight(tasks: int) -> float:
        forecast = Forecast(Pacing())
        track = forecast.track("a", now=0.0, submitted_at=0.0)
        for _ in range(tasks):
            track.history.learn_duration([(75.0, 1.0)])
        return {expert: weight for weight, expert, _ in experts.predict(track, QueuePace())}[experts.HISTORY]

    assert weight(1) < 0.25
    assert weight(30) > 0.4


# --- many at once


def together(forecast: Forecast, durations: list[float], says: Says = linear) -> list[Lived]:
    """Tasks that were submitted in one moment, looked at in turn, as the poller does it."""
    tracks = [forecast.track("a", now=0.0, submitted_at=0.0) for _ in durations]
    looks: list[list[float]] = [[] for _ in tracks]
    due = [forecast.first(track, now=0.0, roll=i / len(tracks)) for i, track in enumerate(tracks)]
    while (now := min(due)) < math.inf:
        i = due.index(now)
        looks[i].append(now)
        if now < durations[i]:
            percentage, wait_number, processing = says(now / durations[i])
            due[i] = now + forecast.after(
                tracks[i], percentage=percentage, wait_number=wait_number, processing=processing, now=now, roll=0.5
            )
            continue
        due[i] = math.inf
        if forecast.finish(tracks[i], now=now, success=True):
            for other, planned in enumerate(due):
                if now + 5.0 < planned < math.inf:
                    delay = forecast.replan(tracks[other], because=tracks[i], now=now, roll=0.5)
                    assert delay is not None
                    due[other] = min(planned, now + delay)
    return [Lived(tracks[i], looks[i], looks[i][-1] - duration, []) for i, duration in enumerate(durations)]


def burst(number: int = 60) -> list[float]:
    random = Random(8)
    return [random.uniform(60.0, 90.0) for _ in range(number)]


def cost(lives: list[Lived]) -> float:
    """The design's yardstick, seconds a task."""
    return sum(len(one.looks) / 6 + one.delay for one in lives) / len(lives)


def test_a_burst_learns_while_all_of_it_still_runs() -> None:
    """Sixty at once on a client that has seen nothing yet need fewer looks than sixty clients with one each."""
    durations = burst()
    alone = [live(Forecast(Pacing()), duration) for duration in durations]
    lives = together(Forecast(Pacing()), durations)
    assert sum(len(one.looks) for one in lives) < 0.75 * sum(len(one.looks) for one in alone)
    assert cost(lives) < 0.9 * cost(alone)


def test_a_burst_whose_percentages_mislead_costs_little_more_than_the_loop() -> None:
    """All end at 60 %, which nobody can know before the first does: then all are replanned."""
    durations = burst()
    lives = together(Forecast(Pacing()), durations, lambda share: (int(60 * share), 0, True))
    loop = sum(duration / 5.0 / 6 + 0.5 / 6 + 2.5 for duration in durations) / len(durations)
    assert cost(lives) < 1.15 * loop


def see(forecast: Forecast, track: Track, now: float, percentage: int) -> float:
    return forecast.after(track, percentage=percentage, wait_number=0, processing=True, now=now, roll=0.5)


def test_an_end_long_before_its_percentage_said_is_a_surprise_until_three_have_ended() -> None:
    """Later ones are learned from quietly, and so are failures and ends that were foretold."""
    forecast = Forecast(Pacing())

    def ends(at: float, *, success: bool = True) -> bool:
        track = forecast.track("a", now=0.0, submitted_at=0.0)
        for now in (10.0, 20.0, 30.0):
            see(forecast, track, now, int(now / 2))
        return forecast.finish(track, now=at, success=success)

    assert not ends(220.0)
    assert not ends(35.0, success=False)
    assert ends(35.0)
    assert not ends(35.0)


def test_a_replanned_look_never_comes_too_soon() -> None:
    """`min_interval` after the last look, or at once if that is long ago."""
    forecast = Forecast(Pacing())
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    see(forecast, track, 10.0, 10)
    assert 3.0 <= (forecast.replan(track, because=track, now=12.0, roll=0.5) or 0.0) <= 60.0
    assert 0.5 <= (forecast.replan(track, because=track, now=40.0, roll=0.5) or 0.0) <= 60.0


def test_who_is_not_waited_for_any_more_says_nothing() -> None:
    """What a task that everybody left had seen does not count for the others."""
    forecast = Forecast(Pacing())
    tracks = [forecast.track("a", now=0.0, submitted_at=0.0) for _ in range(4)]
    for now in (10.0, 20.0, 30.0):
        for track in tracks:
            see(forecast, track, now, int(now))
    pooled = tracks[0].history.pooled
    assert pooled.of_others(tracks[0].evidence) != NO_EVIDENCE
    for track in (*tracks[1:], tracks[1]):  # twice does no harm
        forecast.drop(track)
    assert pooled.of_others(tracks[0].evidence) == NO_EVIDENCE


def test_what_the_first_ones_show_puts_off_the_first_looks_at_the_others() -> None:
    """They are seen at 60 % after 45 s: nobody else needs a look so early, and is told so when it is due."""
    forecast = Forecast(Pacing())
    tracks = [forecast.track("a", now=0.0, submitted_at=0.0) for _ in range(31)]
    first, other, late = tracks[0], tracks[1], forecast.track("a", now=0.0, submitted_at=0.0)
    due = [forecast.first(track, now=0.0, roll=0.5) for track in (first, other)]
    assert due[0] == due[1]
    assert forecast.reconsider(other, now=due[1], roll=0.5) == 0.0  # nothing new
    for now, percentage in [(5.0, 6), (10.0, 13), (15.0, 20), (22.5, 30), (33.0, 44), (45.0, 60)]:
        for track in tracks[::10]:
            see(forecast, track, now, percentage)
    assert forecast.reconsider(other, now=due[1], roll=0.5) > 2.0
    assert forecast.first(late, now=0.0, roll=0.5) > due[1]
    resumed = forecast.track("a", now=15.0, submitted_at=None)
    assert forecast.reconsider(resumed, now=15.0, roll=0.5) == 0.0


def test_a_burst_takes_half_of_the_looks_of_clients_on_their_own() -> None:
    """What the first ones show is enough to know: three hundred equal ones."""
    lives = together(Forecast(Pacing()), [75.0] * 300)
    assert sum(len(one.looks) for one in lives) / 300 < 5.0
    assert max(one.delay for one in lives) < 5.0


def test_a_first_look_that_is_put_off_again_and_again_comes_in_time() -> None:
    """What others show puts it off, but not beyond `Pacing.max_interval`: so long an end goes unnoticed at most."""
    forecast = Forecast(Pacing(max_interval=30.0))
    others = [forecast.track("a", now=0.0, submitted_at=0.0) for _ in range(21)]
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    now, steps = forecast.first(track, now=0.0, roll=0.5), 0
    while True:
        for other in others:
            see(forecast, other, now, int(now / 4.0))
        delay = forecast.reconsider(track, now=now, roll=0.5)
        if not delay:
            break
        now, steps = now + delay, steps + 1
    assert steps > 1
    assert 15.0 < now <= 30.0


def test_first_looks_that_are_due_together_are_put_off_together() -> None:
    """The answer is the same for tasks of one kind and age, at one time; others are asked anew."""
    forecast = Forecast(Pacing())

    def run(kind: str, percentage: int) -> None:
        see(forecast, forecast.track(kind, now=0.0, submitted_at=0.0), 10.0, percentage)

    def reconsidered(kind: str, submitted_at: float, now: float) -> float:
        track = forecast.track(kind, now=submitted_at, submitted_at=submitted_at)
        forecast.first(track, now=submitted_at, roll=0.5)
        run(kind, 10)
        return forecast.reconsider(track, now=now, roll=0.5)

    for _ in range(21):
        run("a", 10)
        run("b", 4)
    one, same = reconsidered("a", 3.0, 11.0), reconsidered("a", 3.1, 11.1)
    assert one == same > 2.0
    assert reconsidered("b", 3.0, 11.2) != one
    assert reconsidered("a", 3.0, 11.0) != reconsidered("a", 5.5, 11.2)
    before = reconsidered("a", 3.0, 13.0)
    for _ in range(20):
        run("a", 20)
    assert reconsidered("a", 5.0, 15.0) != before


def test_a_surprise_concerns_its_own_kind_only() -> None:
    """What ended too early says nothing of tasks of another kind."""
    forecast = Forecast(Pacing())
    one, like, other = (forecast.track(kind, now=0.0, submitted_at=0.0) for kind in "aab")
    assert forecast.replan(other, because=one, now=20.0, roll=0.5) is None
    assert forecast.replan(like, because=one, now=20.0, roll=0.5) is not None


def weight_of_others(running: int, percentage: int) -> float:
    """How far a task at *percentage* believes what others that run predict of themselves, 75 s, at its age of 10 s."""
    forecast = Forecast(Pacing())
    for _ in range(running):
        see(forecast, forecast.track("a", now=0.0, submitted_at=0.0), 7.5, 10)
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    if percentage:
        see(forecast, track, 7.5, percentage)
    return sum(weight for weight, expert, _ in predict(track, QueuePace()) if expert == HISTORY)


def test_many_that_run_and_agree_are_believed_by_a_task_that_shows_nothing_yet() -> None:
    """One alone less; and whoever has a percentage of its own believes that as much."""
    assert weight_of_others(1, 0) < 0.6
    assert weight_of_others(40, 0) > 0.7
    assert weight_of_others(40, 10) < 0.55


# --- patterns


def steps_of_25(share: float) -> tuple[int, int, bool]:
    return 25 * int(4 * share), 0, True


def falls_back(share: float) -> tuple[int, int, bool]:
    return int(200 * share if share < 0.4 else 166 * (share - 0.4)), 0, True


@pytest.mark.parametrize("says", [steps_of_25, falls_back, stuck_at_99], ids=["steps", "falls back", "stuck"])
def test_whatever_shape_percentages_have_is_known_after_some_tasks(says: Says) -> None:
    """When a percentage changes tells the duration, though the percentage itself says something else."""
    forecast = taught(says)
    durations = [55.0 + 3.0 * number for number in range(17)]
    lives = [live(forecast, duration, says) for duration in durations]
    loop = sum(duration / 5.0 / 6 + 0.5 / 6 + 2.5 for duration in durations) / len(durations)
    assert cost(lives) < 0.8 * loop


def test_a_pattern_that_was_always_wrong_is_not_asked_until_that_fades(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the dearest expert, and no decision depends on one of so little weight."""
    asked: list[float] = []
    by_pattern = Track.by_pattern

    def count(track: Track, age: float) -> object:
        asked.append(age)
        return by_pattern(track, age)

    monkeypatch.setattr(Track, "by_pattern", count)
    forecast = taught(jobs=30)
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    see(forecast, track, 30.0, 40)
    log_weights, before = track.history.log_weights, len(asked)
    for odds, heard in ((-20.0, False), (20.0, True)):
        log_weights[experts.PATTERN] = odds
        weights = {expert: weight for weight, expert, _ in predict(track, QueuePace())}
        assert (experts.PATTERN in weights, len(asked) > before) == (heard, heard)
        assert sum(weights.values()) == pytest.approx(1.0)
    log_weights[experts.PATTERN] = -20.0
    for _ in range(100):
        track.history.learn_evidence(NO_EVIDENCE, percentages=True)
    assert experts.PATTERN in {expert for _, expert, _ in predict(track, QueuePace())}


def test_percentages_of_a_kind_that_were_consistent_are_believed_sooner() -> None:
    """The second task starts with what the comparisons within the first one have earned."""
    forecast = Forecast(Pacing())
    first, second = (forecast.track("a", now=0.0, submitted_at=0.0) for _ in range(2))
    for now in (10.0, 20.0, 40.0, 60.0):
        see(forecast, first, now, int(now))
    earned = first.history.consistency
    assert earned > 0.1
    for now in (10.0, 20.0):
        see(forecast, second, now, int(now))
    alone = Forecast(Pacing()).track("a", now=0.0, submitted_at=0.0)
    for now in (10.0, 20.0):
        alone.observe_work(int(now), QueuePace(), now)
    assert second.consistency is not None
    assert alone.consistency is not None
    assert second.consistency == pytest.approx(alone.consistency + earned)


# --- slots


def test_looks_that_are_nearly_due_go_together() -> None:
    """All looks of a client fall on moments a quarter of a second apart; another client has others."""
    moments: list[set[float]] = []
    for phase in (0.0, 0.5):
        forecast, random = Forecast(Pacing(), phase=phase), Random(4)
        moments.append(set())
        for _ in range(50):
            at = random.uniform(0.0, 100.0)
            lived = live(forecast, random.uniform(50.0, 90.0), at=at)
            moments[-1] |= {round((at + look) % 0.25, 6) % 0.25 for look in lived.looks}
    assert moments == [{0.0}, {0.125}]


def test_slots_are_finer_where_looks_may_be_closer() -> None:
    """A service that is ten times faster is looked at ten times more precisely."""
    forecast = Forecast(Pacing(min_interval=0.5, max_interval=6.0, look_cost=1 / 60))
    lived = live(forecast, 7.5)
    assert {round(look % 0.025, 6) % 0.025 for look in lived.looks} == {0.0}


# --- the queue


def test_a_wait_that_nobody_saw_is_reckoned_with_where_others_waited() -> None:
    """Submitted, and at work at the first look: it may have waited until a moment ago."""
    forecast = Forecast(Pacing())
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    see(forecast, track, 20.0, 15)
    assert track.begin() == (0.0, 0.0)
    waited = forecast.track("a", now=0.0, submitted_at=0.0)
    forecast.after(waited, percentage=0, wait_number=2, processing=False, now=10.0, roll=0.5)
    see(forecast, waited, 20.0, 5)
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    see(forecast, track, 20.0, 15)
    begin = track.begin()
    assert begin is not None
    assert begin[0] == pytest.approx(10.0)
    assert begin[1] > 5.0


def queued(share: float) -> tuple[int, int, bool]:
    return (0, max(1, int(12 - 24 * share)), False) if share < 0.5 else (int(200 * (share - 0.5)), 0, True)


def test_a_queue_is_waited_for_by_its_drain() -> None:
    """Twelve ahead and half a minute each: no look every five seconds."""
    forecast = Forecast(Pacing())
    lives = [live(forecast, 300.0, queued) for _ in range(12)]
    assert len(lives[-1].looks) <= 12
    assert lives[-1].delay <= 5.0
    assert len(lives[-1].looks) < len(lives[0].looks)


def test_moving_up_tells_the_pace_of_the_queue_before_any_task_has_started() -> None:
    """From six ahead to four in a minute and a half: 45 s a place, and the forecast follows."""
    forecast = Forecast(Pacing())
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    forecast.after(track, percentage=0, wait_number=6, processing=False, now=10.0, roll=0.5)
    before = forecast.eta(track, now=10.0)
    forecast.after(track, percentage=0, wait_number=4, processing=False, now=100.0, roll=0.5)
    after = forecast.eta(track, now=100.0)
    assert before is not None
    assert after is not None
    assert after.seconds > before.seconds + 30.0


def in_queue(forecast: Forecast, place: int) -> tuple[Track, float]:
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    return track, forecast.after(track, percentage=0, wait_number=place, processing=False, now=10.0, roll=0.5)


def told() -> QueuePace:
    """Ten seconds a place, of a service that says how many places there are."""
    pace = QueuePace()
    pace.waited_at = 0.0
    return pace


def wide_after_queues() -> Forecast:
    """A client that knows how long tasks wait, and that they work for half a minute to three."""
    forecast, random = Forecast(Pacing()), Random(5)
    for _ in range(60):
        track, _ = in_queue(forecast, 1)
        work = 75.0 * random.lognormvariate(0.0, 0.35)
        see(forecast, track, 20.0, 0)
        for share in (0.3, 0.6, 0.95):
            see(forecast, track, 20.0 + share * work, int(100.0 * share))
        forecast.finish(track, now=20.5 + work, success=True)
    return forecast


@pytest.mark.parametrize("place", [1, 2, 4])
def test_the_next_in_a_queue_may_begin_at_once_and_be_a_short_one(place: int) -> None:
    """However late its end is expected, ten seconds after the soonest one it is looked at."""
    forecast = wide_after_queues()
    track, delay = in_queue(forecast, place)
    shortest = track.history.durations.shortest(75.0)
    assert track.soonest_end(told()) == pytest.approx(shortest)
    assert delay <= shortest + 10.0


def test_a_long_queue_takes_some_time_at_least() -> None:
    """Of hundred places at ten seconds each, eighty are sure to be waited for."""
    forecast = wide_after_queues()
    track, delay = in_queue(forecast, 100)
    shortest = track.history.durations.shortest(75.0)
    assert track.soonest_end(told()) == pytest.approx(800.0 + shortest)
    assert delay > shortest + 10.0


@pytest.mark.parametrize("percentage", [0, 1, 4])
def test_work_that_began_unseen_may_soon_be_over(percentage: int) -> None:
    """At 4 % a minute after it was seen waiting, it has worked for some seconds, or slowly for a minute: nobody knows.

    The middle between says that it takes ten minutes more.
    """
    forecast = wide_after_queues()
    track, _ = in_queue(forecast, 1)
    delay = see(forecast, track, 70.0, percentage)
    shortest = track.history.durations.shortest(75.0)
    assert delay <= (0.0 if not percentage else shortest * (1.0 - percentage / 100.0)) + 10.0


def test_where_nobody_is_told_the_place_no_end_is_the_soonest() -> None:
    """Nor may others have waited because of it: a status that means as much as "soon" is no queue."""
    forecast = Forecast(Pacing())
    hidden, other = (forecast.track("a", now=0.0, submitted_at=0.0) for _ in range(2))
    forecast.after(hidden, percentage=0, wait_number=0, processing=False, now=10.0, roll=0.5)
    see(forecast, other, 20.0, 15)
    assert hidden.place == 1
    assert hidden.soonest_end(forecast._queue_pace) is None
    assert other.begin() == (0.0, 0.0)


def test_a_first_look_that_will_show_a_percentage_does_not_wait_for_the_usual_end() -> None:
    """It tells as much at half of the time, and the task may be one of the shortest: 10 s after those would be over."""
    showing, silent_ones = taught(linear), taught(silent)
    for forecast, capped in ((showing, True), (silent_ones, False)):
        track = forecast.track("a", now=0.0, submitted_at=0.0)
        shortest = track.history.durations.shortest(75.0)
        assert track.soonest_end(QueuePace()) == (pytest.approx(shortest) if capped else None)
        assert (forecast.first(track, now=0.0, roll=0.99) <= shortest + 10.0) is capped
    track = showing.track("a", now=0.0, submitted_at=0.0)
    see(showing, track, 20.0, 25)
    assert track.soonest_end(QueuePace()) is None, "now it tells itself"
    assert showing.track("a", now=0.0, submitted_at=None).soonest_end(QueuePace()) is None


def test_work_that_began_at_submission_has_no_soonest_end() -> None:
    """Its percentage says all there is to know."""
    track = Forecast(Pacing()).track("a", now=0.0, submitted_at=0.0)
    assert track.soonest_end(told()) is None
    track.observe_work(5, QueuePace(), 40.0)
    assert track.soonest_end(told()) is None
    resumed = Forecast(Pacing()).track("a", now=0.0, submitted_at=None)
    resumed.observe_work(5, QueuePace(), 40.0)
    assert resumed.soonest_end(told()) is None


def test_while_one_waits_those_submitted_before_may_have_waited_unseen() -> None:
    """Seen at work at the first look: since its submission, or for a moment. Later ones did not."""
    forecast, begins = Forecast(Pacing()), []
    tracks = [forecast.track("a", now=at, submitted_at=at) for at in (0.0, 0.0, 20.0)]
    forecast.after(tracks[0], percentage=0, wait_number=2, processing=False, now=10.0, roll=0.5)
    for track in tracks[1:]:
        see(forecast, track, 40.0, 15)
        begins.append(track.begin())
    assert begins == [(20.0, pytest.approx(40.0 / math.sqrt(12.0))), (20.0, 0.0)]


def test_a_percentage_outweighs_the_place_in_the_queue() -> None:
    """The page shows 30 % with two ahead: work has begun."""
    forecast = Forecast(Pacing())
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    forecast.after(track, percentage=30, wait_number=2, processing=True, now=20.0, roll=0.5)
    assert track.begun
    assert track.place == 0


def test_a_task_at_zero_per_cent_is_as_far_as_its_place_says() -> None:
    """`Processing` at 0 % with three ahead has not begun: the place counts, whatever the status is called."""
    forecast = Forecast(Pacing())
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    forecast.after(track, percentage=0, wait_number=3, processing=True, now=10.0, roll=0.5)
    eta = forecast.eta(track, now=10.0)
    assert (track.place, track.begun) == (3, False)
    assert eta is not None
    assert eta.source == "queue"


def test_work_is_timed_from_its_start_and_not_from_submission() -> None:
    """Two percentages tell when the work behind them began."""
    forecast = Forecast(Pacing())
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    forecast.after(track, percentage=0, wait_number=3, processing=False, now=100.0, roll=0.5)
    assert track.begin() == (100.0, 0.0)
    forecast.after(track, percentage=20, wait_number=0, processing=True, now=140.0, roll=0.5)
    begin = track.begin()
    assert begin is not None
    assert begin[0] == pytest.approx(120.0)
    assert begin[1] > 10.0
    forecast.after(track, percentage=40, wait_number=0, processing=True, now=160.0, roll=0.5)
    assert track.begin() == pytest.approx((120.0, 0.0))
    eta = forecast.eta(track, now=160.0)
    assert eta is not None
    assert eta.seconds == pytest.approx(60.0, rel=0.15)


def test_the_age_of_a_resumed_task_is_read_off_two_percentages() -> None:
    """Unknown at first, known after the second."""
    forecast = Forecast(Pacing())
    track = forecast.track("a", now=1000.0, submitted_at=None)
    forecast.after(track, percentage=50, wait_number=0, processing=True, now=1000.0, roll=0.5)
    assert track.begin() is None
    forecast.after(track, percentage=60, wait_number=0, processing=True, now=1010.0, roll=0.5)
    assert track.begin() == pytest.approx((950.0, 0.0))


def test_a_task_whose_start_nobody_knows_teaches_no_duration() -> None:
    """Finished at the first look after resuming: it may have taken a minute or a week."""
    forecast = Forecast(Pacing())
    track = forecast.track("a", now=1000.0, submitted_at=None)
    forecast.finish(track, now=1000.5, success=True)
    assert track.history.durations.count == 0.0


def test_half_of_the_wait_since_the_last_place_is_counted_when_work_begins() -> None:
    """It began some time between two looks."""
    forecast = Forecast(Pacing())
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    forecast.after(track, percentage=0, wait_number=10, processing=False, now=10.0, roll=0.5)
    see(forecast, track, 210.0, 1)
    other = forecast.track("a", now=0.0, submitted_at=0.0)
    forecast.after(other, percentage=0, wait_number=10, processing=False, now=10.0, roll=0.5)
    eta = forecast.eta(other, now=10.0)
    assert eta is not None
    assert eta.seconds == pytest.approx(100.0 + 75.0, rel=0.15)


def test_time_in_the_same_place_counts() -> None:
    """A prediction from a place is as old as the place: half a minute later there is half a minute less to wait."""
    forecast = Forecast(Pacing())
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    forecast.after(track, percentage=0, wait_number=3, processing=False, now=10.0, roll=0.5)
    track.seen_at = 40.0
    by_queue = track.by_queue(QueuePace())
    track.seen_at = 10.0
    assert by_queue.location == track.by_queue(QueuePace()).location - 30.0


def test_predictions_from_the_queue_are_corrected_by_what_came_of_earlier_ones() -> None:
    """Tasks that all took twice as long as predicted: the next one is predicted to, and no more than that."""
    forecast = Forecast(Pacing())
    for _ in range(40):
        track = forecast.track("a", now=0.0, submitted_at=0.0)
        track.queued, track.seen_at = (10.0, 50.0), 110.0
        forecast.finish(track, now=111.0, success=False)
    assert track.history.queue_residuals.mean == pytest.approx(math.log(2.0), abs=0.1)


def test_those_who_waited_less_do_not_shorten_the_wait_of_the_others() -> None:
    """In a queue that grows they are the first to end: place times pace stands, however soon those were over."""
    forecast = Forecast(Pacing())
    for _ in range(40):
        track = forecast.track("a", now=0.0, submitted_at=0.0)
        track.queued, track.seen_at = (10.0, 1000.0), 110.0
        forecast.finish(track, now=111.0, success=False)
    waiting = forecast.track("a", now=0.0, submitted_at=0.0)
    waiting.observe_queue(60, QueuePace(), 10.0)
    assert waiting.by_queue(QueuePace()).location >= 600.0


def test_an_uncertain_beginning_makes_a_percentage_vague() -> None:
    """At 10 %, work that began some time in the last half minute may take one minute or five."""
    forecast = Forecast(Pacing())
    sure, unsure = (forecast.track("a", now=0.0, submitted_at=0.0) for _ in range(2))
    see(forecast, sure, 40.0, 10)
    forecast.after(unsure, percentage=0, wait_number=2, processing=False, now=10.0, roll=0.5)
    see(forecast, unsure, 70.0, 10)
    one, other = sure.by_percentage(), unsure.by_percentage()
    assert one is not None
    assert other is not None
    assert other.scale > 2.0 * one.scale


def test_one_look_is_limited_evidence() -> None:
    """However sure an expert was, one look moves the odds by a hundred to one at most."""
    forecast = taught(silent, spread=0.02)
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    see(forecast, track, 400.0, 0)
    assert track.evidence[experts.PRIOR] - track.evidence[experts.HISTORY] < math.log(100.0) + 0.1


def test_an_expert_on_its_own_gains_nothing() -> None:
    """Evidence is relative: who was right earns what others lose."""
    forecast = Forecast(Pacing())
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    see(forecast, track, 200.0, 0)
    assert track.evidence == pytest.approx(NO_EVIDENCE)


# --- what the user is told


def test_an_expert_of_little_weight_is_not_quoted() -> None:
    """One task of another kind is no reason to promise anything."""
    forecast = Forecast(Pacing())
    live(forecast, 75.0, silent, kind="other")
    assert forecast.eta(forecast.track("new", now=0.0, submitted_at=0.0), now=0.0) is None


def test_the_eta_names_its_source() -> None:
    """Percentage, queue or history; nothing when there is nothing to go by."""
    forecast = taught(silent, spread=0.1)
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    history = forecast.eta(track, now=0.0)
    assert history is not None
    assert history.source == "history"
    assert history.seconds == pytest.approx(75.0, rel=0.1)
    forecast.after(track, percentage=0, wait_number=4, processing=False, now=10.0, roll=0.5)
    queue = forecast.eta(track, now=10.0)
    assert queue is not None
    assert queue.source == "queue"
    assert forecast.eta(forecast.track("b", now=0.0, submitted_at=0.0), now=0.0) is not None
    assert Forecast(Pacing()).eta(Forecast(Pacing()).track("a", now=0.0, submitted_at=0.0), now=0.0) is None


def test_the_eta_of_a_truthful_percentage_is_right() -> None:
    """To a tenth of what is left, and it counts down between looks."""
    forecast = taught()
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    forecast.after(track, percentage=40, wait_number=0, processing=True, now=40.0, roll=0.5)
    eta = forecast.eta(track, now=40.0)
    later = forecast.eta(track, now=60.0)
    assert eta is not None
    assert later is not None
    assert eta.source == "percentage"
    assert eta.seconds == pytest.approx(60.0, rel=0.1)
    assert later.seconds == pytest.approx(eta.seconds - 20.0, abs=1.0)


# --- being a light guest


def test_a_track_does_not_grow_without_bound() -> None:
    """A task of a thousand looks remembers a dozen."""
    forecast = Forecast(Pacing())
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    for index in range(1000):
        forecast.after(track, percentage=index % 97 + 1, wait_number=0, processing=True, now=5.0 * index, roll=0.5)
    assert len(track.runs) <= 12
