"""What may be sent again, and after what delay."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideal_async import (
    ApiError,
    ConnectionFailed,
    ContentRejected,
    IdealError,
    InvalidRequest,
    OutOfCredits,
    RateLimited,
    RequestFailed,
    Retry,
    ServerError,
    Unauthorized,
    UnexpectedAnswer,
)
from ideal_async._retry import Failure, Sent


def no(cls: type[ApiError], code: int, *, http_status: int = 200, retry_after: float | None = None) -> ApiError:
    return cls(code, "no", http_status=http_status, retry_after=retry_after)


LOST = ConnectionFailed("lost")
BROKEN = UnexpectedAnswer(["? @ $"], http_status=200)
#: What nobody can know from outside is settled by what certainly happened: the request was answered with a refusal.
REFUSALS_THAT_PASS = [
    no(ServerError, 1003),
    no(ServerError, 1003, http_status=500),
    no(RateLimited, 429, http_status=429),
    no(RateLimited, 7777, http_status=429),
    no(RequestFailed, 1001, http_status=429),
]
REFUSALS_THAT_STAY = [
    no(Unauthorized, 5002),
    no(InvalidRequest, 1011),
    no(OutOfCredits, 9051),
    no(ContentRejected, 9010),
    no(ContentRejected, 9038),
    no(RequestFailed, 1001),
    no(ApiError, 7777),
    no(ApiError, 7777, http_status=500),
    no(ServerError, 503, http_status=503),
    BROKEN,
]


def name(error: Any) -> str:
    return f"{type(error).__name__} {getattr(error, 'code', '')} {getattr(error, 'http_status', '')}"


def test_a_submit_that_was_not_sent_is_sent_again_at_least_three_times() -> None:
    """And not for ever."""
    delays = [Retry().submit_delay(Failure(Sent.NO, LOST), attempt=attempt, roll=0.999) for attempt in range(1, 6)]
    assert delays == [pytest.approx(delay, rel=0.01) for delay in (0.5, 1.0, 2.0, 4.0)] + [None]


@pytest.mark.parametrize("error", REFUSALS_THAT_PASS, ids=name)
def test_a_refusal_that_passes_is_sent_again(error: IdealError) -> None:
    """The API answered that it created nothing, and that later may be better."""
    assert Retry().submit_delay(Failure(Sent.ANSWERED, error), attempt=1, roll=0.0) is not None
    assert Retry().submit_delay(Failure(Sent.ANSWERED, error), attempt=5, roll=0.0) is None


@pytest.mark.parametrize("error", REFUSALS_THAT_STAY, ids=name)
def test_a_refusal_that_stays_is_told_at_once(error: IdealError) -> None:
    """The same request would bring the same answer."""
    assert Retry().submit_delay(Failure(Sent.ANSWERED, error), attempt=1, roll=0.0) is None


@pytest.mark.parametrize("error", [LOST, BROKEN, *REFUSALS_THAT_PASS, *REFUSALS_THAT_STAY], ids=name)
def test_what_may_have_been_received_is_never_sent_again(error: IdealError) -> None:
    """Money is never spent twice: whatever else is known, this rule is first."""
    assert Retry(attempts=1000).submit_delay(Failure(Sent.MAYBE, error), attempt=1, roll=0.0) is None


@pytest.mark.parametrize(
    "error",
    [LOST, no(ServerError, 503, http_status=503), no(ApiError, 7777, http_status=502), *REFUSALS_THAT_PASS],
    ids=name,
)
@pytest.mark.parametrize("sent", Sent)
def test_a_look_rides_out_an_outage(error: IdealError, sent: Sent) -> None:
    """However often it fails, until the outage has lasted too long: a look costs nothing, the job is paid."""
    failure = Failure(sent, error)
    assert Retry(outage=600).look_delay(failure, attempt=1000, elapsed=599.9, roll=0.5) is not None
    assert Retry(outage=600).look_delay(failure, attempt=1, elapsed=600.0, roll=0.5) is None
    failure.limit = 60.0
    assert Retry(outage=600).look_delay(failure, attempt=1, elapsed=59.9, roll=0.5) is not None
    assert Retry(outage=600).look_delay(failure, attempt=1, elapsed=60.0, roll=0.5) is None


@pytest.mark.parametrize(
    "error",
    [no(RequestFailed, 1001), no(ContentRejected, 9010), no(OutOfCredits, 9051), no(ApiError, 7777), BROKEN],
    ids=name,
)
def test_a_look_believes_a_strange_answer_the_third_time(error: IdealError) -> None:
    """Once may be a hiccup; three times in a row is an answer."""
    failure = Failure(Sent.ANSWERED, error)
    verdicts = [Retry().look_delay(failure, attempt=attempt, elapsed=0.0, roll=0.5) is None for attempt in (1, 2, 3)]
    assert verdicts == [False, False, True]


@pytest.mark.parametrize("http_status", [200, 400, 429, 500])
@pytest.mark.parametrize(("cls", "code"), [(Unauthorized, 5002), (InvalidRequest, 1011)])
def test_a_look_takes_a_wrong_key_or_a_wrong_id_at_its_word(cls: type[ApiError], code: int, http_status: int) -> None:
    """The same question brings the same answer."""
    failure = Failure(Sent.ANSWERED, no(cls, code, http_status=http_status))
    assert Retry().look_delay(failure, attempt=1, elapsed=0.0, roll=0.0) is None


@pytest.mark.parametrize(
    ("asked", "pause"), [(0.0, 1.5), (1.49, 1.5), (7.0, 7.0), (120.0, 120.0), (1e9, 120.0), (float("inf"), 120.0)]
)
def test_what_the_api_asks_for_goes_before_our_own_pause_within_reason(asked: float, pause: float) -> None:
    """A `Retry-After` of a month is a mistake of somebody, and one of 0 is no reason to send a hundred at once."""
    failure = Failure(Sent.ANSWERED, no(RateLimited, 429, http_status=429, retry_after=asked))
    assert Retry().submit_delay(failure, attempt=3, roll=0.5) == pause
    assert Retry().look_delay(failure, attempt=3, elapsed=0.0, roll=0.5) == pause


@given(attempt=st.integers(1, 10_000), roll=st.floats(0, 1, exclude_max=True))
def test_a_pause_doubles_up_to_its_limit_and_half_of_it_is_jitter(attempt: int, roll: float) -> None:
    """However many attempts, it is finite, and callers that failed together do not come back together."""
    retry = Retry(wait_initial=0.5, wait_max=30.0)
    longest = min(30.0, 0.5 * 2.0 ** min(attempt - 1, 100))
    assert retry.pause(attempt=attempt, roll=0.0) == longest / 2
    assert longest / 2 <= retry.pause(attempt=attempt, roll=roll) <= longest


@pytest.mark.parametrize("name", ["outage", "wait_initial", "wait_max", "retry_after_max"])
@pytest.mark.parametrize("value", [-1.0, float("nan")])
def test_a_negative_number_of_seconds_is_refused(name: str, value: float) -> None:
    """With the name of the setting."""
    with pytest.raises(ValueError, match=f"{name} must be 0 or more, not {value}"):
        Retry(**{name: value})  # type: ignore[arg-type]  # one name of several


def test_at_least_one_attempt_is_made() -> None:
    """`attempts` counts the first one too."""
    assert Retry(attempts=1).submit_delay(Failure(Sent.NO, LOST), attempt=1, roll=0.0) is None
    with pytest.raises(ValueError, match="attempts must be 1 or more, not 0"):
        Retry(attempts=0)


def test_no_patience_is_allowed() -> None:
    """`outage=0` gives up at the first failed look."""
    assert Retry(outage=0).look_delay(Failure(Sent.NO, LOST), attempt=1, elapsed=0.0, roll=0.5) is None
