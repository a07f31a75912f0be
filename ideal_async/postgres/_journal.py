"""`PostgresJournal`: the journal for any number of hosts."""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from ideal_async import Busy, Cap, Entry, ImageToVideo, Intent, JournalFailed
from ideal_async._identity import origin_of
from ideal_async._journal import Row, intend, unfollow

from ._connection import Outage, first_line
from ._gate import ASK_AGAIN, ASK_AGAIN_FULL, PAUSED, Full, Limits, check_limits, lock_gate, take_turn
from ._portable import Portable
from ._session import Session, Unreachable
from ._totals import Counted

logger = logging.getLogger("ideal_async")

#: Seconds for which a paid id, and other news, is tried to be written before the caller hears that it was not.
PATIENCE = 10.0
#: Seconds for everything else, which is asked again: a session that was ended is made anew in a tenth of that.
RECONNECT = 1.0
#: Seconds for one statement; the longest, a count over a million rows, took 0.8.
STATEMENT_TIMEOUT = 10.0
#: Seconds for which submits wait for a database that is away before they fail: a failover takes a minute or two.
OUTAGE = 600.0
#: Why submits wait, where a person may want to do something.
_AWAY = "the database cannot be reached"
_HALTED = "its batch is paused or cancelled"


class PostgresJournal(Counted):
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
        self._outage = Outage()
        self._logged = ""
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
                return  # whoever asks gets an error, or waits
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
            listed = ", ".join(f"key {owed.key!r} is {owed}" for owed, _ in lost)
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
        except Full as full:
            self._outage.ended(key)
            if full.busy.seconds == ASK_AGAIN:
                self.sweep()  # the places of the dead
            return self._log_wait(full.busy)
        except Unreachable as error:
            return self._wait_or_fail(error, key)
        self._logged = ""
        self._outage.ended(key)
        return found

    def confirm(self, intent: Intent) -> bool | Busy:
        """Ask whether *intent* still holds, nobody pauses, and the rate allows it; immediately before every send."""
        try:
            answer: bool | Busy = self._session.write(partial(self._confirm, intent=intent), patience=RECONNECT)
        except Unreachable as error:
            return self._wait_or_fail(error, intent.key)
        self._outage.ended(intent.key)
        return answer if isinstance(answer, bool) else self._log_wait(answer)

    def _wait_or_fail(self, error: Unreachable, key: str | None) -> Busy:
        if self._outage.failed(key, time.monotonic()) > OUTAGE:
            raise JournalFailed(f"{error}; it has been away for {OUTAGE:g} s") from error
        return self._log_wait(Busy(ASK_AGAIN_FULL, f"{_AWAY} ({first_line(error.__cause__ or error)})"))

    def _log_wait(self, busy: Busy) -> Busy:
        """Log why submits wait, once; they may for long."""
        if busy.reason[:12] != self._logged[:12]:  # the number in it may be another every time
            self._logged = busy.reason
            loud = busy.reason.startswith((PAUSED, _AWAY, _HALTED))
            logger.log(logging.WARNING if loud else logging.INFO, "%s: submits wait: %s", self._name, busy.reason)
        return busy

    def _intend(self, db: Portable, intent: Intent, cap: Cap | None, **more: Any) -> Row | None:
        """Write an intent down within the limits, under the lock of its account's gate."""
        self._session.check_owner(*lock_gate(db, intent.origin, intent.account))
        here = {"origin": intent.origin, "account": intent.account, "key": intent.key, "attempt": intent.attempt}
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
            if self._is_halted(db, intent.key):
                raise Full(_HALTED, ASK_AGAIN_FULL)
            check_limits(db, self._limits, intent)
        return row

    def _confirm(self, db: Portable, intent: Intent) -> bool | Busy:
        owner, fsync, paused, holds = db.execute(
            "SELECT current_setting('ideal_async.owner', true), current_setting('fsync'), "
            "(SELECT value FROM properties WHERE name = 'paused'), EXISTS (SELECT 1 FROM entries WHERE "
            "attempt = :attempt AND origin = :origin AND account = :account AND key = :key AND state = 'intended' "
            "AND owner = :owner)",
            {
                "attempt": intent.attempt,
                "origin": intent.origin,
                "account": intent.account,
                "key": intent.key,
                "owner": self._session.id,
            },
        ).fetchone() or ("", "", None, False)
        self._session.check_owner(owner, fsync)
        if not holds:
            return False
        if paused == "yes":
            return Busy(ASK_AGAIN_FULL, PAUSED)
        if self._is_halted(db, intent.key):
            return Busy(ASK_AGAIN_FULL, _HALTED)
        if self._limits.per_second is None:
            return True
        return take_turn(db, intent.origin, intent.account, self._limits.per_second)

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
        return self._session.read(_is_paused)

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

    def unfollow(self, origin: str, *, account: str = "") -> None:
        """Let go of what this journal follows, so that another process may take it over; its death says the same."""
        work = partial(unfollow, origin=origin_of(origin), account=account, owner=self._session.id)
        self._session.let_go(work)

    def hurry(self) -> None:
        """Do not wait for a database that is away any longer: called by a client that closes."""
        self._session.hurry()

    def _is_alive(self, owner: str, attempt: str | None = None) -> bool:
        return self._session.is_alive(owner, attempt)

    def _claim(self) -> Session:
        self._session.check()
        return self._session

    def _claimed(self) -> str | None:
        return self._session.id or None


def _is_paused(db: Portable) -> bool:
    row = db.execute("SELECT value FROM properties WHERE name = 'paused'").fetchone()
    return row is not None and row[0] == "yes"


def _set_paused(db: Portable, value: str) -> None:
    db.execute(
        "INSERT INTO properties VALUES ('paused', :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        {"value": value},
    )


def _note_followed(db: Portable, origin: str, account: str) -> None:
    db.execute(
        "INSERT INTO gates (origin, account, followed) VALUES (?, ?, true) ON CONFLICT (origin, account) "
        "DO UPDATE SET followed = true WHERE NOT gates.followed",
        (origin, account),
    )


def _is_followed(db: Portable, here: tuple[str, str]) -> bool:
    row = db.execute("SELECT followed FROM gates WHERE origin = ? AND account = ?", here).fetchone()
    return row is not None and bool(row[0])
