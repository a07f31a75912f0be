"""What a video costs, and that no more is spent than allowed."""

from datetime import date, datetime, timedelta, timezone
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideal_async import PRICES, Budget, BudgetExceeded, Cap, ImageToVideo, Ledger, Prices, estimate
from ideal_async.sandbox._prices import price as sandbox_price

URL = "https://example.com/room.jpg"

#: Vendor's page, Credits Deduction, row by row: Flash, Base, Base with audio.
TABLE = [
    ("480p", 5, 10, 8, 16),
    ("480p", 10, 20, 16, 32),
    ("720p", 5, 20, 16, 32),
    ("720p", 10, 40, 32, 64),
    ("1080p", 5, 40, 32, 64),
    ("1080p", 10, 80, 64, 128),
]


@pytest.mark.parametrize(("resolution", "duration", "flash", "base", "audio"), TABLE)
def test_the_price_is_the_pages(resolution: Any, duration: Any, flash: int, base: int, audio: int) -> None:
    """All three tables; a prompt and a last frame cost nothing."""
    kind: dict[str, Any] = {"resolution": resolution, "duration": duration}
    assert estimate(ImageToVideo(URL, **kind)) == flash
    assert estimate(ImageToVideo(URL, **kind, prompt="zoom", last_image_url=URL)) == flash
    assert estimate(ImageToVideo(URL, **kind, model_type="Base")) == base
    assert estimate(ImageToVideo(URL, **kind, model_type="Base", generate_audio=True)) == audio


def test_the_sandbox_charges_the_same() -> None:
    """Two tables typed from one page: a slip in one of them shows as a difference."""
    for (model_type, audio, resolution, duration), credits in PRICES.credits.items():
        assert sandbox_price(model_type, resolution, duration, audio=audio) == credits
    assert len(PRICES.credits) == 18
    assert PRICES.date == "2026-03-25"


def test_the_price_table_is_data_that_can_be_replaced() -> None:
    """The vendor may change it before we do, and what it lacks is said."""
    prices = Prices("2027-01-01", {("Flash", False, "480p", 5): 11})
    assert estimate(ImageToVideo(URL, duration=5, resolution="480p"), prices=prices) == 11
    with pytest.raises(ValueError, match=r"price table of 2027-01-01 has no price for \('Flash', '720p', 5, False\)"):
        estimate(ImageToVideo(URL, duration=5, resolution="720p"), prices=prices)
    assert "480p" not in repr(prices)


def test_only_a_request_has_a_price() -> None:
    """Said in words, to callers without types."""
    other: Any = "room.jpg"
    with pytest.raises(TypeError, match="the price of an ImageToVideo is told, not of a str"):
        estimate(other)


def test_a_ledger_follows_every_credit() -> None:
    """Reserved, then spent, released or unknown; a failed task's credits come back."""
    ledger = Ledger()
    for _ in range(5):
        ledger.reserve(10)
    ledger.charge(10)
    ledger.charge(10)
    ledger.release(10)
    ledger.hold(10)
    ledger.refund(10)
    assert repr(ledger) == "Ledger(reserved=10, spent=10, refunded=10, unknown=10)"
    ledger.charge(10, held=True)
    assert (ledger.reserved, ledger.spent, ledger.refunded, ledger.unknown) == (10, 20, 10, 0)


def test_a_plain_ledger_has_no_limit() -> None:
    """It only counts."""
    ledger = Ledger()
    ledger.reserve(10**9)
    assert ledger.reserved == 10**9


def test_a_budget_refuses_what_it_does_not_cover_and_says_what_is_left() -> None:
    """Before anything is sent; what was refused is not reserved."""
    budget = Budget(30)
    budget.reserve(20)
    with pytest.raises(BudgetExceeded) as caught:
        budget.reserve(20)
    assert (caught.value.needed, caught.value.left) == (20, 10)
    assert budget.left == 10
    budget.reserve(10)
    assert budget.left == 0


@pytest.mark.parametrize("give_back", ["release", "refund after charge"])
def test_what_comes_back_can_be_spent_again(give_back: str) -> None:
    """A refusal and a failed task cost nothing."""
    budget = Budget(20)
    budget.reserve(20)
    if give_back == "release":
        budget.release(20)
    else:
        budget.charge(20)
        budget.refund(20)
    budget.reserve(20)
    assert budget.left == 0


def test_what_may_have_been_paid_stays_out_of_reach() -> None:
    """An unknown credit is counted as spent until somebody knows better."""
    budget = Budget(20)
    budget.reserve(20)
    budget.hold(20)
    with pytest.raises(BudgetExceeded):
        budget.reserve(8)


def test_a_negative_budget_is_refused() -> None:
    """It would be a typing error."""
    with pytest.raises(ValueError, match="a budget is 0 credits or more, not -1"):
        Budget(-1)


@pytest.mark.parametrize("since", [date(2026, 3, 25), "2026-03-25", 0, 1774396800.0])
def test_a_time_is_a_datetime(since: Any) -> None:
    """A day begins at another time in each zone."""
    with pytest.raises(TypeError, match=r"since is a datetime with a time zone, not .*: pass datetime.now\(UTC\)"):
        Budget(30, since=since)


@pytest.mark.parametrize(
    "since",
    [
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-11))),
    ],
)
def test_a_time_is_one_everywhere(since: datetime) -> None:
    """In UTC, too: there is no year 0 and no year 10000."""
    with pytest.raises(ValueError, match="is beyond the years 1 to 9999 in UTC: pass one within them"):
        Budget(30, since)
    with pytest.raises(ValueError, match="is beyond the years 1 to 9999 in UTC: pass one within them"):
        Cap(30, since)


def test_an_empty_budget_is_one() -> None:
    """Nothing may be spent."""
    with pytest.raises(BudgetExceeded):
        Budget(0).reserve(8)


MOVES = ["charge", "release", "hold", "refund", "charge held", "release held"]


@given(
    limit=st.integers(0, 200),
    steps=st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 128))),
)
def test_a_budget_is_never_overspent(limit: int, steps: list[tuple[str, int]]) -> None:
    """Whatever happens in whatever order, reserved + spent + unknown stays within the limit and nothing gets lost."""
    budget = Budget(limit)
    open_, spent, unknown = list[int](), list[int](), list[int]()
    for step, credits in steps:
        try:
            budget.reserve(credits)
            open_.append(credits)
        except BudgetExceeded as error:
            assert error.left == budget.left < credits  # noqa: PT017 - both ways are right
        verb, *held = step.split()
        source = {"refund": spent}.get(verb, unknown if held else open_)
        target = {"charge": spent, "hold": unknown}.get(verb)
        if source:
            getattr(budget, verb)(moved := source.pop(), **({"held": True} if held else {}))
            if target is not None:
                target.append(moved)
        assert (budget.reserved, budget.spent, budget.unknown) == (sum(open_), sum(spent), sum(unknown))
        assert 0 <= budget.left <= limit


@pytest.mark.slow
def test_a_budget_holds_between_threads() -> None:
    """Clients of several event loops share it: a check and a reservation are one step."""
    budget = Budget(1000)
    covered: list[int] = []

    def spend() -> None:
        for _ in range(100):
            try:
                budget.reserve(8)
            except BudgetExceeded:
                return
            covered.append(8)
            budget.charge(8)

    threads = [Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(covered) == budget.spent == 1000
    assert budget.left == budget.reserved == 0
