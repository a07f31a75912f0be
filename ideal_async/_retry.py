"""May this be sent again, and after what delay?

A lost answer to the one call that spends money is the expensive case, so the rules never see an exception of the HTTP
library: only whether the request was certainly *not* sent, was *maybe* sent, or was *answered*.
"""

import math
from enum import Enum

import attrs

from ._errors import (
    ApiError,
    ConnectionFailed,
    IdealError,
    InvalidRequest,
    RateLimited,
    ServerError,
    Unauthorized,
)

INTERNAL_ERROR = 1003  # vendor's page: "Retry after a short delay"


TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = range(500, 600)


def asks_to_slow_down(error: IdealError) -> bool:
    """HTTP 429 says so whatever the envelope says."""
    return isinstance(error, RateLimited) or (isinstance(error, ApiError) and error.http_status == TOO_MANY_REQUESTS)


def is_outage(error: IdealError) -> bool:
    """The service or the way to it is down: that ends by itself, while an answer to the question may be final."""
    unnamed = type(error) is ApiError and error.http_status in _SERVER_ERRORS
    return unnamed or asks_to_slow_down(error) or isinstance(error, ConnectionFailed | ServerError)


class Sent(Enum):
    """What is known about a request that brought no result."""

    NO = "not sent"
    MAYBE = "maybe sent"
    ANSWERED = "answered"


class Failure:
    """A request that brought no result.

    Attributes:
        sent: What became of it.
        error: What to tell.
        passes: It ends by itself, while an answer to the question may be final.
        limit: Seconds for which it is ridden out, at most.
    """

    __slots__ = ("error", "limit", "passes", "sent")

    def __init__(self, sent: Sent, error: IdealError, *, passes: bool | None = None, limit: float = math.inf) -> None:
        self.sent = sent
        self.error = error
        self.passes = is_outage(error) if passes is None else passes
        self.limit = limit

    @property
    def retry_after(self) -> float | None:
        """Seconds the API asked us to wait."""
        return self.error.retry_after if isinstance(self.error, ApiError) else None


@attrs.frozen
class Retry:
    """How stubborn to be.

    Args:
        outage: Seconds for which looks may fail in a row before a wait gives up. The task is paid, so this is long.
        attempts: How often a request that was certainly not received is sent, at most.
        wait_initial: Seconds before the first repetition; each further pause doubles.
        wait_max: Seconds; no pause of our own is longer.
        retry_after_max: Seconds; a `Retry-After` beyond this is not believed.

    Example:
        >>> Retry(outage=60).pause(attempt=3, roll=0.0)
        1.0
    """

    outage: float = 600.0
    attempts: int = 5
    wait_initial: float = 0.5
    wait_max: float = 30.0
    retry_after_max: float = 120.0

    def __attrs_post_init__(self) -> None:
        for field in attrs.fields(Retry):
            value = getattr(self, field.name)
            if not value >= (1 if field.name == "attempts" else 0):
                raise ValueError(f"{field.name} must be {1 if field.name == 'attempts' else 0} or more, not {value!r}")

    def pause(self, *, attempt: int, roll: float, retry_after: float | None = None) -> float:
        """Tell the delay in seconds behind the *attempt*-th failure in a row, from 1; *roll* is a number in [0, 1).

        Half of the pause is jitter, so that callers that failed together do not come back together.
        """
        longest: float = min(self.wait_max, self.wait_initial * 2.0 ** min(attempt - 1, 60))
        own = longest * (0.5 + roll / 2)
        # What the API asks for, but never less than our own: a `Retry-After: 0` would make a hundred requests at once.
        return own if retry_after is None else max(own, min(retry_after, self.retry_after_max))

    def submit_delay(self, failure: Failure, *, attempt: int, roll: float) -> float | None:
        """Tell the delay before a *submit* is sent again; `None`: it must not be."""
        refused = asks_to_slow_down(failure.error) or (
            isinstance(failure.error, ServerError) and failure.error.code == INTERNAL_ERROR
        )
        harmless = failure.sent is Sent.NO or (failure.sent is Sent.ANSWERED and refused)
        if not harmless or attempt >= self.attempts:
            return None
        return self.pause(attempt=attempt, roll=roll, retry_after=failure.retry_after)

    def look_delay(
        self, failure: Failure, *, attempt: int, elapsed: float, roll: float, alike: float | None = None
    ) -> float | None:
        """Tell the delay before the next look; `None`: this wait is over.

        Args:
            failure: Of the last look.
            attempt: How many looks failed like this in a row, from 1.
            elapsed: Seconds since the first failed look.
            roll: A number in [0, 1).
            alike: Seconds since the first that failed like this; by default *elapsed*.
        """
        error = failure.error
        if isinstance(error, Unauthorized | InvalidRequest):
            return None  # the same question brings the same answer
        if failure.passes:
            if elapsed >= self.outage or (elapsed if alike is None else alike) >= failure.limit:
                return None  # an outage ends; the job it hides goes on meanwhile
        elif attempt >= _FEW:
            return None
        return self.pause(attempt=attempt, roll=roll, retry_after=failure.retry_after)


_FEW = 3  # a generic 1001 or a broken answer may be a hiccup; the third in a row is an answer
