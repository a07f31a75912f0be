"""What one account may do at once over all hosts: decided under the lock of one row, by the database's clock."""

from datetime import timedelta

import attrs

from ideal_async import BudgetExceeded, Busy, Cap, Intent
from ideal_async._journal import encode_time

from ._portable import Portable

#: Seconds before a limit that was reached is asked for again. A POST takes about a second, a task a minute.
ASK_AGAIN, ASK_AGAIN_FULL = 0.25, 1.0
#: After this long a task that nobody saw end does not hold a place in flight any more; the longest took minutes.
STALE = timedelta(days=1)
#: Why submits wait, where a person may want to do something.
PAUSED = "everybody pauses, until somebody calls unpause()"


@attrs.frozen
class Limits:
    """What one account may do at once, over all hosts.

    Attributes:
        posts: Requests on their way, at most: what a disaster can leave in doubt.
        in_flight: Tasks at the service, at most.
        per_second: Requests a second, at most, with a burst of one; `None`: no limit.
        credits: That may be spent in all; `None`: no limit.

    Raises:
        ValueError: A limit is not positive.

    Example:
        >>> Limits(posts=4, per_second=2.5)
        Limits(posts=4, in_flight=500, per_second=2.5, credits=None)
    """

    posts: int = 8
    in_flight: int = 500
    per_second: float | None = None
    credits: int | None = None

    def __attrs_post_init__(self) -> None:
        for name, value in attrs.asdict(self).items():
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be more than 0, not {value!r}")


class Full(Exception):
    """A limit is reached."""

    def __init__(self, reason: str, seconds: float) -> None:
        super().__init__(reason)
        self.busy = Busy(seconds, reason)


def lock_gate(db: Portable, origin: str, account: str) -> tuple[str, str]:
    """Let nobody else decide for this account until the transaction ends; return the session's owner and `fsync`."""
    here = (origin, account)
    while True:
        found = db.execute(
            "SELECT current_setting('ideal_async.owner', true), current_setting('fsync') FROM gates "
            "WHERE origin = ? AND account = ? FOR UPDATE",
            here,
        ).fetchone()
        if found is not None:
            return found[0] or "", found[1]
        db.execute("INSERT INTO gates (origin, account) VALUES (?, ?) ON CONFLICT DO NOTHING", here)


def check_limits(db: Portable, limits: Limits, intent: Intent) -> None:
    """Count what there is, this intent included; what is too much is rolled back.

    Tasks in flight come from totals of ten minutes each; only those of the oldest are looked at one by one.

    Raises:
        Full: A limit is reached that is waited for.
        BudgetExceeded: That of credits is.
    """
    here = {"origin": intent.origin, "account": intent.account, "since": encode_time(intent.created_at - STALE)}
    paused, posts, later, oldest, spent = db.execute(
        "SELECT (SELECT value FROM properties WHERE name = 'paused'), "
        "(SELECT count(*) FROM entries WHERE origin = :origin AND account = :account AND state = 'intended'), "
        "coalesce(sum(in_flight) FILTER (WHERE period > substr(:since, 1, 15)), 0), "
        "coalesce(sum(in_flight) FILTER (WHERE period = substr(:since, 1, 15)), 0), coalesce(sum(credits), 0) "
        "FROM spending WHERE origin = :origin AND account = :account AND period >= substr(:from, 1, 15)",
        {**here, "from": here["since"] if limits.credits is None else ""},
    ).fetchone() or (None, 0, 0, 0, 0)
    if paused == "yes":
        raise Full(PAUSED, ASK_AGAIN_FULL)
    if posts > limits.posts:
        raise Full(f"{limits.posts} requests are on their way", ASK_AGAIN)
    if oldest:
        (oldest,) = db.execute(
            "SELECT count(*) FROM entries WHERE origin = :origin AND account = :account AND state = 'submitted' "
            "AND NOT denied AND created_at > :since AND substr(created_at, 1, 15) = substr(:since, 1, 15)",
            here,
        ).fetchone() or (0,)
    if posts + later + oldest > limits.in_flight:
        raise Full(f"{limits.in_flight} tasks are in flight", ASK_AGAIN_FULL)
    if limits.credits is not None:
        needed = Cap(limits.credits, intent.created_at).check_price(intent.key, intent.credits)
        if spent > limits.credits:
            raise BudgetExceeded(needed=needed, left=max(0, limits.credits + needed - int(spent)))


def take_turn(db: Portable, origin: str, account: str, per_second: float) -> bool | Busy:
    """Take a token of the rate."""
    lock_gate(db, origin, account)
    here = {"origin": origin, "account": account}
    (wait,) = db.execute(
        "SELECT extract(epoch FROM next_send - clock_timestamp())::float8 FROM gates "
        "WHERE origin = :origin AND account = :account",
        here,
    ).fetchone() or (0.0,)
    if wait > 0:
        return Busy(wait, f"{per_second:g} requests a second are allowed")
    db.execute(
        "UPDATE gates SET next_send = clock_timestamp() + :every * interval '1 second' "
        "WHERE origin = :origin AND account = :account",
        {**here, "every": 1 / per_second},
    )
    return True
