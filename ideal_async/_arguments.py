"""What a caller hands in: refused by type where it cannot work, with the fix in one line."""

import math
import sys
from typing import Any, cast

import anyio

from ._pricing import Budget, Prices
from ._retry import Retry


def check_settings(
    *, retry: Any, pacing: Any, journal: Any, account: Any, budget: Any, prices: Any, observer: Any, uploads: Any
) -> None:
    """Let through what an `AsyncClient` can use.

    Raises:
        TypeError: Something is of another kind; the message names the fix.
        ValueError: The budget has nobody to count with.
    """
    from ._forecast import Pacing  # with the first client, as all that it is made of

    for name, value, kind in (
        ("retry", retry, Retry),
        ("pacing", pacing, Pacing),
        ("budget", budget, Budget),
        ("prices", prices, Prices),
    ):
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"{name} is a {kind.__name__}, not {value!r}: pass {name}={kind.__name__}(...)")
    # A store may be anybody's, so it is known by what it can do.
    if journal is not None and (isinstance(journal, type) or not hasattr(journal, "intend")):
        raise TypeError(f"journal is an open journal, not {journal!r}: pass journal=Journal(path)")
    if account is not None and not isinstance(account, str):
        raise TypeError(f"account is a name of yours for who pays, not {account!r}: str(...) will do")
    if observer is not None and (isinstance(observer, type) or not hasattr(observer, "submission")):
        raise TypeError(f"observer is an object of a class on top of Observer, not {observer!r}")
    if journal is None and budget is not None and budget.since is not None:
        raise ValueError(
            "Budget(since=...) counts what a journal knows: pass journal=Journal(path) as well, or leave since out"
        )
    if uploads is not None and not callable(getattr(cast("type[object]", type(uploads)), "put", None)):
        raise TypeError(f'uploads is a bucket, not {uploads!r}: pass uploads=Bucket("s3://...") of ideal_async.buckets')


def check_callbacks(**callbacks: Any) -> None:
    """Let through what can be called when it has happened, which may be too late to find out.

    Raises:
        TypeError: One of them cannot.
    """
    for name, callback in callbacks.items():
        if callback is not None and not callable(callback):
            raise TypeError(f"{name} is a function, sync or async, not {callback!r}")


def check_count(name: str, count: int) -> None:
    """Let through a whole number that is 1 or more.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is less.
    """
    if not isinstance(count, int) or isinstance(count, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{name} is a whole number, not {count!r}")
    if count < 1:
        raise ValueError(f"{name} must be 1 or more, not {count}")


def deadline_of(timeout: float | None) -> float | None:
    """Return when *timeout* seconds from now are over, on the event loop's clock.

    Raises:
        TypeError: It is no number.
        ValueError: It is NaN.
    """
    seconds = check_seconds("timeout", timeout)
    return None if seconds is None else anyio.current_time() + seconds


def check_seconds(name: str, seconds: float | None) -> float | None:
    """Return seconds that a clock can count; what is called *name* has them.

    Raises:
        TypeError: It is no number.
        ValueError: It is NaN.
    """
    if seconds is None:
        return None
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
        raise TypeError(f"{name} is a number of seconds or None, not {seconds!r}")
    seconds = min(seconds, sys.float_info.max)  # an int may be larger
    if math.isnan(seconds):
        raise ValueError(f"{name} is NaN: pass a number of seconds, or None for no limit")
    return seconds
