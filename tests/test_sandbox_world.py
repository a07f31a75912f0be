"""The sandbox's world: a queue, workers and credits as pure functions of time."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideal_async.sandbox._codes import Refused
from ideal_async.sandbox._orders import Order
from ideal_async.sandbox._prices import PRICES, price
from ideal_async.sandbox._timing import draw_percentage, draw_seconds, roll, typical_seconds
from ideal_async.sandbox._world import FIRST_ID, Account, Clip, World

ROOM = Order("https://example.com/room.jpg", 5, "720p")


def world_of(workers: int = 1, credits: int = 1000, **options: Any) -> tuple[World, Account]:
    world = World(workers=workers, **options)
    return world, world.open_account("demo", credits)


def test_prices_are_the_vendors_tables() -> None:
    """Flash costs 10 to 80 credits, Base four fifths of it, and sound doubles Base."""
    for resolution, flash in (("480p", 10), ("720p", 20), ("1080p", 40)):
        for duration, times in ((5, 1), (10, 2)):
            assert price("Flash", resolution, duration, audio=False) == flash * times
            assert price("Base", resolution, duration, audio=False) == flash * times * 8 // 10
            assert price("Base", resolution, duration, audio=True) == flash * times * 16 // 10
    assert sum(map(len, PRICES.values())) == 18


def test_ids_begin_with_the_examples_and_are_distinct_longs() -> None:
    """The page's examples poll 1234567890123456789; the next ids are other 64-bit numbers that a double cannot hold."""
    world, account = world_of(credits=10**6)
    ids = [world.create(account, ROOM, 0).id for _ in range(1000)]
    assert ids[0] == FIRST_ID == 1234567890123456789
    assert len(set(ids)) == 1000
    assert ids == sorted(ids)
    assert all(2**53 < number < 2**63 for number in ids)
    assert any(int(float(number)) != number for number in ids)


def test_a_task_is_charged_at_creation_and_kept_after_success() -> None:
    """Credits are deducted upon successful creation."""
    world, account = world_of(credits=50)
    task = world.create(account, ROOM, 0)
    assert account.credits == 30
    world.advance(1000)
    assert task.status == "Success"
    assert account.credits == 30


def test_a_failed_task_is_refunded_when_it_ends() -> None:
    """If the task ultimately fails, the credits come back: then, not earlier, and once."""
    world, account = world_of(credits=50)
    task = world.create(account, ROOM, 0, seconds=10, ending="Failed")
    world.advance(9.9)
    assert (task.status, account.credits) == ("Processing", 30)
    world.advance(10)
    world.advance(11)
    assert (task.status, account.credits) == ("Failed", 50)
    assert [(entry.reason, entry.credits, entry.balance, entry.at) for entry in world.ledger] == [
        ("grant", 50, 50, 0),
        ("charge", -20, 30, 0),
        ("refund", 20, 50, 10),
    ]


def test_without_credits_nothing_is_created() -> None:
    """9051, and neither a task nor a line in the ledger."""
    world, account = world_of(credits=19)
    with pytest.raises(Refused) as refused:
        world.create(account, ROOM, 0)
    assert refused.value.code.number == 9051
    assert not world.tasks
    assert len(world.ledger) == 1
    world.grant(account, 1)
    assert world.create(account, ROOM, 0).id == FIRST_ID


def test_the_queue_is_first_come_first_served() -> None:
    """With one worker the others wait in order; waitNumber counts down and 0 means processing."""
    world, account = world_of()
    tasks = [world.create(account, ROOM, 0, seconds=10) for _ in range(3)]
    assert [world.wait_number(task) for task in tasks] == [0, 1, 2]
    assert [task.status for task in tasks] == ["Processing", "Unprocessed", "Unprocessed"]
    assert world.waiting == 2
    world.advance(10)
    assert [world.wait_number(task) for task in tasks] == [0, 0, 1]
    assert [task.status for task in tasks] == ["Success", "Processing", "Unprocessed"]


def test_time_may_leap_over_many_ends() -> None:
    """One advance by an hour leaves the same world as a thousand small ones."""
    leaped, walked = world_of(workers=2), world_of(workers=2)
    for world, account in (leaped, walked):
        for _ in range(9):
            world.create(account, ROOM, 0)
    for step in range(1000):
        walked[0].advance(step * 3.6)
    leaped[0].advance(3600)
    ends = [[task.ended_at for task in world.tasks.values()] for world, _ in (leaped, walked)]
    assert ends[0] == ends[1]
    assert None not in ends[0]


def test_time_never_runs_backwards() -> None:
    """A second event loop may count from an earlier moment: what was is not undone."""
    world, account = world_of()
    task = world.create(account, ROOM, 5, seconds=10)
    world.advance(15)
    world.advance(3)
    assert (world.now, task.status) == (15, "Success")


def test_percentage_follows_the_pages_examples() -> None:
    """0 while waiting and when failed, 100 with the result, in between less than 100."""
    world, account = world_of()
    first = world.create(account, ROOM, 0, seconds=10)
    second = world.create(account, ROOM, 0, seconds=10, ending="Failed")
    assert world.percentage(second) == 0
    world.advance(9.999)
    assert 50 < world.percentage(first) < 100
    world.advance(19)
    assert world.percentage(first) == 100
    assert world.percentage(second) > 0
    world.advance(20)
    assert world.percentage(second) == 0


def test_percentages_can_be_scripted() -> None:
    """The values are shown in equal shares of the task's time; one value is stuck, whatever it is."""
    world, account = world_of(workers=3)
    stuck = world.create(account, ROOM, 0, seconds=10, percentages=(99,))
    steps = world.create(account, ROOM, 0, seconds=9, percentages=(10, 60, 30))
    at_once = world.create(account, ROOM, 0, seconds=0)
    seen: list[tuple[int, int]] = []
    for now in (0, 2.9, 3, 6, 8.9):
        world.advance(now)
        seen.append((world.percentage(stuck), world.percentage(steps)))
    assert seen == [(99, 10), (99, 10), (99, 60), (99, 30), (99, 30)]
    assert at_once.status == "Success"


def test_a_task_that_never_ends_keeps_its_worker() -> None:
    """Infinity is a duration; the percentage stays where it begins."""
    world, account = world_of(workers=1)
    task = world.create(account, ROOM, 0, seconds=math.inf)
    world.advance(1e9)
    assert (task.status, world.percentage(task)) == ("Processing", 0)


def test_prohibited_output_is_an_error_answer_once_the_task_is_over() -> None:
    """9038 concerns the *generated* image, so a look says Processing until the generation is over."""
    world, account = world_of()
    task = world.create(account, Order(ROOM.image_url, 5, "480p", prompt="Something Prohibited here"), 0, seconds=10)
    assert world.look(account, task.id, 9).status == "Processing"
    with pytest.raises(Refused) as refused:
        world.look(account, task.id, 10)
    assert refused.value.code.number == 9038
    assert account.credits == 1000


@pytest.mark.parametrize("task_id", [FIRST_ID + 1, 0, 7])
def test_an_unknown_id_is_a_parameter_error(task_id: int) -> None:
    """1011: asking again cannot help."""
    world, account = world_of()
    world.create(account, ROOM, 0)
    with pytest.raises(Refused) as refused:
        world.look(account, task_id, 0)
    assert refused.value.code.number == 1011


def test_accounts_do_not_see_each_other() -> None:
    """Another customer's task is as unknown as any number; the queue is shared all the same."""
    world, first = world_of()
    second = world.open_account("other", 100)
    theirs = world.create(first, ROOM, 0)
    own = world.create(second, ROOM, 0)
    assert world.wait_number(world.look(second, own.id, 0)) == 1
    with pytest.raises(Refused):
        world.look(second, theirs.id, 0)
    assert (first.credits, second.credits) == (980, 80)


def test_a_task_ends_when_its_time_and_its_clip_are_both_there() -> None:
    """A late clip prolongs the task, and its worker stays busy; an early one waits for the schedule."""
    world, account = world_of(workers=1, pictures=True)
    late, early = (world.create(account, ROOM, 0, seconds=10) for _ in range(2))
    world.deliver(early.id, Clip(1, 1280, 720))
    world.advance(14)
    assert (late.status, world.percentage(late), early.status) == ("Processing", 99, "Unprocessed")
    world.deliver(late.id, Clip(15, 1280, 720))
    world.advance(100)
    assert (late.ended_at, early.started_at, early.ended_at) == (15, 15, 25)


def test_a_clip_reported_late_does_not_rewrite_what_was_shown() -> None:
    """It was ready at 11, but at 20 a look still said Processing: the task ends at 20."""
    world, account = world_of(pictures=True)
    first, second = (world.create(account, ROOM, 0, seconds=10) for _ in range(2))
    world.advance(20)
    world.deliver(first.id, Clip(11, 1280, 720))
    world.advance(20)
    assert (first.ended_at, second.started_at) == (20, 20)


def test_a_bad_picture_fails_the_task_at_once_and_refunds() -> None:
    """There is nothing to process without an image; the reason is kept for the holder of the key."""
    world, account = world_of(pictures=True)
    task = world.create(account, ROOM, 0, seconds=10)
    world.deliver(task.id, Clip(2, 0, 0, "no such image"))
    world.advance(2)
    assert (task.status, task.problem, task.ended_at, account.credits) == ("Failed", "no such image", 2, 1000)


def test_speed_divides_durations() -> None:
    """Speed 10 means ten times faster, scripted durations included."""
    slow, quick = world_of(), world_of(speed=10)
    slow_task, quick_task = (world.create(account, ROOM, 0) for world, account in (slow, quick))
    assert quick_task.seconds == pytest.approx(slow_task.seconds / 10)
    assert quick[0].create(quick[1], ROOM, 0, seconds=20).seconds == 2


@pytest.mark.parametrize(("option", "value"), [("workers", 0), ("speed", 0), ("speed", -1)])
def test_impossible_worlds_are_refused(option: str, value: int) -> None:
    """A queue without workers never moves, and time does not stand still."""
    with pytest.raises(ValueError, match=option):
        World(**{option: value})  # type: ignore[arg-type]


def test_durations_follow_the_wishes() -> None:
    """More pixels, more seconds, the slower model, sound and a second image all take longer."""
    plain = Order("https://example.com/room.jpg", 5, "720p")
    base = Order("https://example.com/room.jpg", 5, "720p", "Base")
    kinds = [
        Order("https://example.com/room.jpg", 5, "480p"),
        plain,
        Order("https://example.com/room.jpg", 5, "1080p"),
        Order("https://example.com/room.jpg", 10, "1080p"),
    ]
    seconds = list(map(typical_seconds, kinds))
    assert seconds == sorted(set(seconds))
    assert typical_seconds(plain) < typical_seconds(base)
    assert typical_seconds(base) < typical_seconds(Order(plain.image_url, 5, "720p", "Base", generate_audio=True))
    assert typical_seconds(plain) < typical_seconds(Order(plain.image_url, 5, "720p", last_image_url="https://x.test/"))


def test_durations_scatter_around_the_typical_one() -> None:
    """Log-normal: the median is the typical duration, and two of three are within 18 per cent."""
    drawn = sorted(draw_seconds(ROOM, 0, number) / typical_seconds(ROOM) for number in range(2000))
    assert 0.97 < drawn[1000] < 1.03
    within = sum(math.exp(-0.18) < ratio < math.exp(0.18) for ratio in drawn) / 2000
    assert 0.64 < within < 0.72
    assert drawn == sorted(draw_seconds(ROOM, 0, number) / typical_seconds(ROOM) for number in range(2000))
    assert drawn != sorted(draw_seconds(ROOM, 1, number) / typical_seconds(ROOM) for number in range(2000))


@given(st.integers(0, 2**32), st.integers(1, 10**6))
def test_drawn_percentages_never_fall(seed: int, number: int) -> None:
    """From 0 to 99, upwards only, for every habit."""
    shown = [draw_percentage(step / 100, seed, number) for step in range(101)]
    assert shown == sorted(shown)
    assert (shown[0], shown[-1]) == (0, 99)


@given(st.integers(), st.text())
def test_dice_stay_below_one(seed: int, word: str) -> None:
    """[0, 1): a logarithm of what is left to 1 must exist."""
    assert 0 <= roll(seed, word) < 1


@given(
    st.integers(1, 4),
    st.lists(
        st.tuples(st.floats(0, 50), st.floats(0, 30), st.sampled_from(["Success", "Failed", "Prohibited"])), max_size=25
    ),
    st.lists(st.floats(0, 200), max_size=10),
)
def test_the_books_balance_and_no_worker_does_two_things(
    workers: int, orders: list[tuple[float, float, Any]], looks: list[float]
) -> None:
    """Whatever is ordered whenever: balances are sums of the ledger, and tasks start in order, on a free worker."""
    world, account = world_of(workers=workers, credits=10_000)
    now = 0.0
    for gap, seconds, ending in orders:
        now += gap
        world.create(account, ROOM, now, seconds=seconds, ending=ending)
    for look in sorted(looks):
        world.advance(look)
    world.advance(1e9)
    tasks = list(world.tasks.values())
    failed = sum(task.ending != "Success" for task in tasks)
    assert account.credits == 10_000 - 20 * (len(tasks) - failed)
    assert account.credits == sum(entry.credits for entry in world.ledger) == world.ledger[-1].balance
    starts = [task.started_at or 0.0 for task in tasks]
    assert starts == sorted(starts)
    for task, start in zip(tasks, starts, strict=True):
        busy = sum(s <= start < (other.ended_at or 0.0) for s, other in zip(starts, tasks, strict=True))
        assert busy <= workers
        assert task.status in {"Success", "Failed"}
