"""`PostgresJournal`: the journal for any number of hosts."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import attrs

from ideal_async import BudgetExceeded, Busy, Cap, Entry, ImageToVideo, Intent, JournalFailed
from ideal_async._identity import origin_of
from ideal_async._journal import Row, encode_time, intend, sum_spending

from ._connection import first_line, patiently
from ._manifests import Manifested
from ._portable import Portable
from ._session import Session, Unreachable

logger = logging.getLogger("ideal_async")

#: Seconds for which a paid id, and other news, is tried to be written before the caller hears that it was not.
PATIENCE = 10.0
#: Seconds for everything else, which is asked again: a session that was ended is made anew in a tenth of that.
RECONNECT = 1.0
#: Seconds for one statement; the longest, a count over a million rows, took 0.8.
STATEMENT_TIMEOUT = 10.0
#: Seconds for which submits wait for a database that is away before they fail: a failover takes a minute or two.
OUTAGE = 600.0
#: Seconds before a limit that was reached is asked for again. A POST takes about a second, a task a minute.
_ASK_AGAIN, _ASK_AGAIN_FULL = 0.25, 1.0
#: Why submits wait, where a person may want to do something.
_PAUSED, _AWAY = "everybody pauses, until somebody calls unpause()", "the database cannot be reached"
_HALTED = "its batch is paused or cancelled"
#: After this long a task that nobody saw end does not hold a place in flight any more; the longest took minutes.
STALE = timedelta(days=1)


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
    """

    posts: int = 8
    in_flight: int = 500
    per_second: float | None = None
    credits: int | None = None

    def __attrs_post_init__(self) -> None:
        for name, value in attrs.asdict(self).items():
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be more than 0, not {value!r}")


class _Full(Exception):
    """A limit is reached."""

    def __init__(self, reason: str, seconds: float) -> None:
        super().__init__(reason)
        self.busy = Busy(seconds, reason)


class PostgresJournal(Manifested):
    """Remembers in a database what every request became, for any number of hosts.

    Give it to `AsyncClient(journal=...)`: it does everything that `Journal` does, and decides about limits of all hosts
    together. It connects when it is first used. Each process has one session of the database; a connection
    that is lost is made again, and what could not be written meanwhile follows. Close it after the clients that use it.

    Args:
        dsn: Of the database, as libpq takes it: `"postgresql://user:password@host/database"`. The user may create a
            schema `ideal_async` in it, or owns one.
        limits: Over all hosts, of each account; give all hosts the same.
        now: Tells the time, with a time zone; by default the database does.

    Example:
        >>> journal = PostgresJournal("postgresql://db.example/videos", limits=Limits(posts=4, credits=10_000))
        >>> journal.close()
    """

    def __init__(self, dsn: str, *, limits: Limits | None = None, now: Callable[[], datetime] | None = None) -> None:
        self._session = Session(dsn, patience=PATIENCE, reconnect=RECONNECT, statement_timeout=STATEMENT_TIMEOUT)
        self._limits = limits or Limits()
        self._now = now or self._session.now
        self._name = f"journal {self._session.name}"
        self._opened = False
        self._away_since: float | None = None
        self._told = ""
        self._gates: set[tuple[str, str]] = set()

    def __repr__(self) -> str:
        return repr(self._session)

    @property
    def _commits(self) -> Session:
        return self._session

    def open(self) -> None:
        """Connect, and make the tables if they are not there; called by the client.

        Raises:
            JournalFailed: The database says no; the message names the fix.
        """
        self._session.check()
        if not self._opened:
            try:
                self.sweep()
            except Unreachable:
                return  # whoever asks is told, or waits
            self._opened = True

    def exists(self) -> bool:
        """Tell whether the database has a journal; unlike everything else this makes none.

        Raises:
            JournalFailed: It cannot be asked.
        """
        return self._session.exists()

    def close(self) -> None:
        """Let go; what is still intended then counts as `unknown`.

        Raises:
            JournalFailed: Something that has happened could not be written, now neither; the message names the ids.
        """
        lost = self._session.close()
        if lost:
            listed = ", ".join(f"key {told.key!r} is {told}" for told, _ in lost)
            raise JournalFailed(f"lost with the closing of {self._name}: {listed} ({lost[0][1]})")

    def idle(self) -> None:
        """Do nothing: the database tidies up by itself."""

    def intend(
        self,
        origin: str,
        key: str | None,
        request: ImageToVideo,
        credits: int | None,
        *,
        account: str = "",
        cap: Cap | None = None,
    ) -> Intent | Entry | Busy:
        """Ask to send *request*: see `JournalStore`. While the database is away the answer is `Busy`, for ten minutes.

        Raises:
            BudgetExceeded: The cap, or the limit of credits, does not cover it.
            JournalFailed: The database says no, or is away for too long; nothing may be sent.
            TypeError: *key* is no text.
            ValueError: The key was used for a different request, or can be no key.
        """
        try:
            found = super().intend(origin, key, request, credits, account=account, cap=cap)
        except _Full as full:
            if full.busy.seconds == _ASK_AGAIN:
                self.sweep()  # the places of the dead
            return self._tell(full.busy)
        except Unreachable as error:
            return self._wait_or_fail(error)
        self._away_since, self._told = None, ""
        return found

    def confirm(self, intent: Intent) -> bool | Busy:
        """Ask whether *intent* still holds, nobody pauses, and the rate allows it; immediately before every send."""
        try:
            answer: bool | Busy = self._session.write(partial(self._confirm, intent=intent), patience=RECONNECT)
        except Unreachable as error:
            return self._wait_or_fail(error)
        return answer if isinstance(answer, bool) else self._tell(answer)

    def _wait_or_fail(self, error: Unreachable) -> Busy:
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
        if now - self._away_since > OUTAGE:
            raise JournalFailed(f"{error}; it has been away for {OUTAGE:g} s") from error
        return self._tell(Busy(_ASK_AGAIN_FULL, f"{_AWAY} ({first_line(error.__cause__ or error)})"))

    def _tell(self, busy: Busy) -> Busy:
        """Log why submits wait, once; they may for long."""
        if busy.reason[:12] != self._told[:12]:  # the number in it may be another every time
            self._told = busy.reason
            loud = busy.reason.startswith((_PAUSED, _AWAY, _HALTED))
            logger.log(logging.WARNING if loud else logging.INFO, "%s: submits wait: %s", self._name, busy.reason)
        return busy

    def _intend(self, db: Portable, intent: Intent, cap: Cap | None, **more: Any) -> Row | None:
        """Write an intent down within the limits, under the lock of its account's gate."""
        self._session.check_backend(db)
        here = {"origin": intent.origin, "account": intent.account, "key": intent.key, "attempt": intent.attempt}
        self._lock_gate(db, intent.origin, intent.account)
        # A late answer, a person or another host may be changing it this moment.
        mine = db.execute(
            "SELECT attempt = :attempt AND state = 'intended' FROM entries "
            "WHERE origin = :origin AND account = :account AND key = :key FOR UPDATE",
            here,
        ).fetchone()
        if mine is not None and mine[0]:  # it was written, and the session lost before that was known
            db.execute(
                "UPDATE entries SET owner = :owner WHERE attempt = :attempt", {**here, "owner": self._session.id}
            )
            return None
        more["owner"] = self._session.id
        row = intend(db, intent, cap, **more)
        if row is None:
            self._check_limits(db, intent)
        return row

    def _lock_gate(self, db: Portable, origin: str, account: str) -> None:
        here = (origin, account)
        db.execute("INSERT INTO gates (origin, account) VALUES (?, ?) ON CONFLICT DO NOTHING", here)
        db.execute("SELECT 1 FROM gates WHERE origin = ? AND account = ? FOR UPDATE", here)

    def _check_limits(self, db: Portable, intent: Intent) -> None:
        """Count what there is, this intent included; what is too much is rolled back."""
        if self._is_paused(db):
            raise _Full(_PAUSED, _ASK_AGAIN_FULL)
        if self._is_halted(db, intent.key):
            raise _Full(_HALTED, _ASK_AGAIN_FULL)
        limits = self._limits
        here = {"origin": intent.origin, "account": intent.account}
        (posts,) = db.execute(
            "SELECT count(*) FROM entries WHERE origin = :origin AND account = :account AND state = 'intended'", here
        ).fetchone() or (0,)
        in_flight = posts + _count_flying(db, {**here, "since": encode_time(intent.created_at - STALE)})
        if posts > limits.posts:
            raise _Full(f"{limits.posts} requests are on their way", _ASK_AGAIN)
        if in_flight > limits.in_flight:
            raise _Full(f"{limits.in_flight} tasks are in flight", _ASK_AGAIN_FULL)
        if limits.credits is not None:
            needed = Cap(limits.credits, intent.created_at).check_price(intent.key, intent.credits)
            left = limits.credits + needed - sum_spending(db, intent.origin, intent.account, None)
            if needed > left:
                raise BudgetExceeded(needed=needed, left=max(0, left))

    def _confirm(self, db: Portable, intent: Intent) -> bool | Busy:
        self._session.check_backend(db)
        row = db.execute(
            "SELECT 1 FROM entries WHERE attempt = :attempt AND origin = :origin AND account = :account "
            "AND key = :key AND state = 'intended' AND owner = :owner",
            {
                "attempt": intent.attempt,
                "origin": intent.origin,
                "account": intent.account,
                "key": intent.key,
                "owner": self._session.id,
            },
        ).fetchone()
        if row is None:
            return False
        if self._is_paused(db):
            return Busy(_ASK_AGAIN_FULL, _PAUSED)
        if self._is_halted(db, intent.key):
            return Busy(_ASK_AGAIN_FULL, _HALTED)
        return True if self._limits.per_second is None else self._take_turn(db, intent, self._limits.per_second)

    def _take_turn(self, db: Portable, intent: Intent, per_second: float) -> bool | Busy:
        """Take a token of the rate, by the database's clock."""
        here = {"origin": intent.origin, "account": intent.account}
        self._lock_gate(db, intent.origin, intent.account)
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

    def pause(self) -> None:
        """Let no host send anything until `unpause`: what is on its way is finished, tasks go on.

        Raises:
            JournalFailed: It cannot be written.
        """
        self._session.write(partial(_set_paused, value="yes"))

    def unpause(self) -> None:
        """Let all hosts send again.

        Raises:
            JournalFailed: It cannot be written.
        """
        self._session.write(partial(_set_paused, value="no"))

    @property
    def paused(self) -> bool:
        """Whether everybody pauses."""
        return self._session.read(self._is_paused)

    @staticmethod
    def _is_paused(db: Portable) -> bool:
        row = db.execute("SELECT value FROM properties WHERE name = 'paused'").fetchone()
        return row is not None and row[0] == "yes"

    def progress(self, batch: str, origin: str, *, account: str = "") -> Mapping[str, tuple[int, int]]:
        """Count the jobs of a batch, and their credits, by state; quick however many there are.

        Args:
            batch: What stands before the last slash of its keys; `""`: of those without one.
            origin: Any URL of the API.
            account: That pays.

        Returns:
            For each state that there is, jobs and credits.

        Raises:
            JournalFailed: It cannot be read.
        """
        return self.batches(origin, account=account, only=batch).get(batch, {})

    def batches(
        self, origin: str, *, account: str = "", only: str | None = None
    ) -> Mapping[str, Mapping[str, tuple[int, int]]]:
        """Count the jobs of all batches: see `progress`.

        Args:
            origin: Any URL of the API.
            account: That pays.
            only: Only this batch.

        Raises:
            JournalFailed: It cannot be read.
        """
        work = partial(_count_batches, batch=only, origin=origin_of(origin), account=account)
        return self._session.read(work)

    def stale(self, origin: str, *, account: str = "") -> list[Entry]:
        """List the tasks that the API denies, or that nobody saw end for a day; oldest first.

        They are spent, and hold no place in flight.

        Raises:
            JournalFailed: It cannot be read.
        """
        here = {"origin": origin_of(origin), "account": account, "since": encode_time(self._now() - STALE)}
        ids = self._session.read(partial(_find_stale, here=here))
        return list(self._pages_of(ids, "submitted"))

    def denied(self, origin: str, task_id: int, *, account: str = "") -> None:
        """Write down that the API does not know a paid task: it holds no place in flight any more.

        Raises:
            JournalFailed: It could not be written.
        """
        here = {"origin": origin_of(origin), "account": account, "task_id": str(task_id)}
        self._session.write(
            lambda db: db.execute(
                "UPDATE entries SET denied = true WHERE task_id = :task_id AND origin = :origin "
                "AND account = :account AND state = 'submitted'",
                here,
            )
        )

    def follow(self, origin: str, *, account: str = "") -> Sequence[Entry]:
        """Take over the `submitted` tasks that nobody follows: their follower is dead, has let go, or never was.

        From now on the tasks of this account are for those who ask for them so, and deliver their ends; `take_over`
        leaves them alone.

        Raises:
            JournalFailed: It cannot be written.
        """
        self._session.write(partial(_note_followed, origin=origin_of(origin), account=account))
        return super().follow(origin, account=account)

    def take_over(self, origin: str, *, account: str = "") -> Sequence[Entry]:
        """Take over the tasks that nobody follows, so that they hold no place in flight for longer than they run.

        Every client does this. Nothing is taken over where somebody uses `follow`, and delivers what has ended.

        Raises:
            JournalFailed: It cannot be written.
        """
        here = (origin_of(origin), account)
        if self._session.read(partial(_is_followed, here=here)):
            return []
        return super().follow(origin, account=account)

    def recount(self) -> int:
        """Make all totals anew from the rows: of tasks in flight, credits and batches. Others wait meanwhile.

        Triggers keep the totals, so they are right unless somebody has changed the tables in another way.

        Returns:
            How many of them were wrong.

        Raises:
            JournalFailed: It cannot be done.
        """
        return self._session.write(_recount)

    def _is_alive(self, owner: str, attempt: str | None = None) -> bool:
        return self._session.is_alive(owner, attempt)

    def _claim(self) -> Session:
        self._session.check()
        return self._session

    def _claimed(self) -> str | None:
        return self._session.id or None


def _set_paused(db: Portable, value: str) -> None:
    db.execute(
        "INSERT INTO properties VALUES ('paused', :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        {"value": value},
    )


def _count_flying(db: Portable, here: dict[str, str]) -> int:
    """Count the tasks in flight, from totals of ten minutes each; only those of the oldest one are looked at singly."""
    (later, oldest) = db.execute(
        "SELECT coalesce(sum(in_flight) FILTER (WHERE period > substr(:since, 1, 15)), 0), "
        "coalesce(sum(in_flight) FILTER (WHERE period = substr(:since, 1, 15)), 0) FROM spending "
        "WHERE origin = :origin AND account = :account AND period >= substr(:since, 1, 15)",
        here,
    ).fetchone() or (0, 0)
    if oldest:
        (oldest,) = db.execute(
            "SELECT count(*) FROM entries WHERE origin = :origin AND account = :account AND state = 'submitted' "
            "AND NOT denied AND created_at > :since AND substr(created_at, 1, 15) = substr(:since, 1, 15)",
            here,
        ).fetchone() or (0,)
    return int(later) + int(oldest)


def _count_batches(db: Portable, batch: str | None, origin: str, account: str) -> dict[str, dict[str, tuple[int, int]]]:
    rows = db.execute(
        "SELECT batch, state, jobs, credits FROM progress WHERE origin = :origin AND account = :account "
        "AND batch = coalesce(:batch, batch) AND jobs > 0 ORDER BY batch, state",
        {"origin": origin, "account": account, "batch": batch},
    ).fetchall()
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for name, state, jobs, credits_ in rows:
        found.setdefault(name, {})[state] = (int(jobs), int(credits_))
    return found


def _find_stale(db: Portable, here: Mapping[str, str]) -> list[int]:
    rows = db.execute(
        "SELECT id FROM entries WHERE origin = :origin AND account = :account AND state = 'submitted' "
        "AND (denied OR created_at <= :since) ORDER BY id",
        dict(here),
    ).fetchall()
    return [id_ for (id_,) in rows]


def _note_followed(db: Portable, origin: str, account: str) -> None:
    db.execute(
        "INSERT INTO gates (origin, account, followed) VALUES (?, ?, true) ON CONFLICT (origin, account) "
        "DO UPDATE SET followed = true WHERE NOT gates.followed",
        (origin, account),
    )


def _is_followed(db: Portable, here: tuple[str, str]) -> bool:
    row = db.execute("SELECT followed FROM gates WHERE origin = ? AND account = ?", here).fetchone()
    return row is not None and bool(row[0])


def _recount(db: Portable) -> int:
    with patiently(db.connection):
        (wrong,) = db.execute("SELECT recount()").fetchone() or (0,)
    return int(wrong)
