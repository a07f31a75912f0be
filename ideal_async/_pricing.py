"""What a video costs, and how much may be spent."""

from datetime import UTC, datetime
from threading import Lock
from typing import Any

import attrs

from ._errors import BudgetExceeded
from ._models import ImageToVideo


@attrs.frozen
class Prices:
    """A price table: replaceable data, since the vendor may change it before we do.

    Attributes:
        date: The `Updated` line of the page the figures are from.
        credits: (model_type, generate_audio, resolution, duration in seconds) to credits.
    """

    date: str
    credits: dict[tuple[str, bool, str, int], int] = attrs.field(eq=False, repr=False)


#: Vendor's page, Credits Deduction.
PRICES = Prices(
    date="2026-03-25",
    credits={
        ("Flash", False, "480p", 5): 10,
        ("Flash", False, "480p", 10): 20,
        ("Flash", False, "720p", 5): 20,
        ("Flash", False, "720p", 10): 40,
        ("Flash", False, "1080p", 5): 40,
        ("Flash", False, "1080p", 10): 80,
        ("Base", False, "480p", 5): 8,
        ("Base", False, "480p", 10): 16,
        ("Base", False, "720p", 5): 16,
        ("Base", False, "720p", 10): 32,
        ("Base", False, "1080p", 5): 32,
        ("Base", False, "1080p", 10): 64,
        ("Base", True, "480p", 5): 16,
        ("Base", True, "480p", 10): 32,
        ("Base", True, "720p", 5): 32,
        ("Base", True, "720p", 10): 64,
        ("Base", True, "1080p", 5): 64,
        ("Base", True, "1080p", 10): 128,
    },
)


def estimate(request: ImageToVideo, *, prices: Prices = PRICES) -> int:
    """Tell what a request costs, in credits, before anything is spent.

    Raises:
        TypeError: It is no request.
        ValueError: The price table has no price for it.

    Example:
        >>> estimate(ImageToVideo("https://example.com/room.jpg", duration=5, resolution="720p"))
        20

    Source: vendor's page, Credits Deduction.
    """
    if not isinstance(request, ImageToVideo):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
        raise TypeError(f"the price of an ImageToVideo is told, not of a {type(request).__name__}")
    credits_ = price(request, prices)
    if credits_ is None:
        raise ValueError(f"the price table of {prices.date} has no price for {request.kind}")
    return credits_


def price(request: ImageToVideo, prices: Prices) -> int | None:
    """Return what a request costs, in credits; `None` where the table does not say."""
    return prices.credits.get((request.model_type, request.generate_audio, request.resolution, request.duration))


class Ledger:
    """Where the credits went, in credits.

    A request is *reserved* before it is sent, then *spent* when its task id came, given back when it was refused, or
    *unknown* when nobody can tell. A task that fails is refunded by the service: its credits leave *spent*;
    where the service does not promise that (`TaskFailed.refunded`), they stay.

    Attributes:
        reserved: Of requests on their way.
        spent: Of tasks that run or succeeded.
        refunded: Of tasks that failed, where the service promises them back.
        unknown: Of requests that may have been paid.
    """

    def __init__(self) -> None:
        self._lock = Lock()  # one budget may serve clients in several threads
        self.reserved = self.spent = self.refunded = self.unknown = 0

    def __repr__(self) -> str:
        counts = f"reserved={self.reserved}, spent={self.spent}, refunded={self.refunded}, unknown={self.unknown}"
        return f"{type(self).__name__}({counts})"

    def reserve(self, credits: int) -> None:
        """Set *credits* aside for a request that is about to be sent."""
        with self._lock:
            self._check(credits)
            self.reserved += credits

    def _check(self, needed: int) -> None:
        """Any amount is fine: a plain ledger only counts."""

    def charge(self, credits: int, *, held: bool = False) -> None:
        """The task id came: what was reserved is spent, or what was *held* since no answer came."""
        with self._lock:
            if held:
                self.unknown -= credits
            else:
                self.reserved -= credits
            self.spent += credits

    def release(self, credits: int, *, held: bool = False) -> None:
        """Nothing was created: what was reserved is free again, or what was *held* since no answer came."""
        with self._lock:
            if held:
                self.unknown -= credits
            else:
                self.reserved -= credits

    def hold(self, credits: int) -> None:
        """No usable answer came: what was reserved may be spent, so it stays out of reach."""
        with self._lock:
            self.reserved -= credits
            self.unknown += credits

    def refund(self, credits: int) -> None:
        """The task failed: what was spent came back."""
        with self._lock:
            self.spent -= credits
            self.refunded += credits


class Budget(Ledger):
    """A limit in credits, shared by any number of clients.

    Args:
        credits: At most this much is spent, reserved or unknown at any time.
        since: `None`: the limit counts what is spent by means of this object, as long as it lives. A time with a time
            zone: it counts everything that the journal of its client knows from then on, of the same API and account,
            over restarts and processes; it is decided in the journal's own transaction. One that is more than
            five minutes to come by the journal's clock would limit nothing, and so every `submit` is a ValueError.
        prices: The price table it counts with.

    Raises:
        ValueError: *credits* is negative, or *since* has no time zone or no year in UTC.

    Example:
        >>> Budget(100).left
        100
    """

    def __init__(self, credits: int, since: datetime | None = None, *, prices: Prices = PRICES) -> None:
        super().__init__()
        if not isinstance(credits, int) or isinstance(credits, bool):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
            raise TypeError(f"a budget is a whole number of credits, not {credits!r}")
        if credits < 0:
            raise ValueError(f"a budget is 0 credits or more, not {credits}")
        if since is not None and not isinstance(since, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"since is a datetime with a time zone, not {since!r}: pass datetime.now(UTC) or the like")
        if since is not None and since.tzinfo is None:
            raise ValueError(f"since={since} has no time zone: pass datetime.now(UTC) or the like")
        try:
            if since is not None:
                since.astimezone(UTC)
        except OverflowError:
            raise ValueError(f"since={since} is beyond the years 1 to 9999 in UTC: pass one within them") from None
        self.credits = credits
        self.since = since
        self.prices = prices
        #: What may have been paid, and by whom it is held; kept by the books of the clients.
        self.doubts: dict[Any, Any] = {}

    @property
    def left(self) -> int:
        """Credits that can still be reserved, as far as this object knows; with *since* the journal knows better."""
        return self.credits - self.reserved - self.spent - self.unknown

    def _check(self, needed: int) -> None:
        if self.since is None and needed > self.left:
            raise BudgetExceeded(needed=needed, left=self.left)
