"""The steps in the life of a key, in SQL: each runs in a transaction that its caller makes durable.

A step finds its row by origin, account, key and *attempt*: a late answer must not be taken for the answer to a later
attempt.
"""

import json
from collections.abc import Callable
from datetime import timedelta

import attrs

from ideal_async._errors import BudgetExceeded

from .contract import Cap, Intent
from .copies import doubts_since
from .entries import State, encode_time
from .queries import KEY, SELECT, Database, Row, find, sum_spending
from .schema import OPEN

#: Whether the owner of that id lives and is still busy with that attempt.
IsAlive = Callable[[str, str], bool]
#: Its row as long as no later attempt took it.
_ATTEMPT = f"attempt = :attempt AND {KEY}"
#: By how much the clocks of hosts and of a database may differ: Kerberos allows its hosts as much (RFC 4120, 8.2).
_CLOCKS_DIFFER = timedelta(minutes=5)


def intend(db: Database, intent: Intent, cap: Cap | None, *, named: bool, owner: str, is_alive: IsAlive) -> Row | None:
    """Write an intent down and return `None`, or return the row that forbids it; *named* if the key is the caller's."""
    now = encode_time(intent.created_at)
    here = {"origin": intent.origin, "account": intent.account, "key": intent.key}
    found = db.execute(
        f"SELECT state, fingerprint, owner, attempt, updated_at FROM entries WHERE {KEY}", here
    ).fetchone()
    if found is None:
        since = doubts_since(db) if named else None
        if since is not None:
            doubted = attrs.evolve(intent, created_at=since)
            _insert(db, doubted, "unknown", now=now, reason="the copy that was restored does not know it")
            return find(db, intent.origin, intent.account, intent.key)
        _check_cap(db, intent, cap)
        _insert(db, intent, "intended", owner=owner, now=now)
        return None
    state, fingerprint, sender, attempt, updated_at = found
    if fingerprint != intent.fingerprint:
        raise ValueError(f"key {intent.key!r} was used for a different request: one key is one video, use another key")
    since = doubts_since(db, updated_at) if state == "refused" else None
    if since is not None:
        db.execute(
            f"""
            UPDATE entries SET state = 'unknown', credits = :credits, created_at = :since, updated_at = :now,
                reason = 'it is refused in the copy that was restored, and may have been paid since'
            WHERE {KEY}
            """,
            {**here, "credits": intent.credits, "now": now, "since": max(updated_at, encode_time(since))},
        )
    elif state == "refused":
        _check_cap(db, intent, cap)
        db.execute(
            f"""
            UPDATE entries SET
                state = 'intended', owner = :owner, attempt = :attempt, credits = :credits, created_at = :now,
                updated_at = :now, earlier = reason, reason = NULL
            WHERE {KEY}
            """,
            {**here, "owner": owner, "attempt": intent.attempt, "credits": intent.credits, "now": now},
        )
        return None
    if state == "intended" and not is_alive(sender, attempt):
        _mark_unknown(db, attempt, now)
    return find(db, intent.origin, intent.account, intent.key)


def withdraw(db: Database, intent: Intent, now: str) -> None:
    """Take back an intent of which nothing was sent."""
    here = {**_names(intent), "now": now}
    pending = "state IN ('intended', 'unknown')"
    db.execute(f"DELETE FROM entries WHERE {_ATTEMPT} AND {pending} AND earlier IS NULL", here)
    db.execute(
        f"""
        UPDATE entries SET state = 'refused', owner = NULL, reason = earlier, updated_at = :now
        WHERE {_ATTEMPT} AND {pending}
        """,
        here,
    )


def submit(db: Database, intent: Intent, task_id: int, now: str, follower: str | None) -> None:
    """Write down the id that came for an intent, early or late."""
    here = {**_names(intent), "task_id": str(task_id), "now": now, "follower": follower}
    found = db.execute(
        f"""
        UPDATE entries SET state = 'submitted', task_id = :task_id, owner = NULL, follower = :follower, reason = NULL,
            updated_at = :now
        WHERE {_ATTEMPT} AND task_id IS NULL
        """,
        here,
    ).rowcount
    # Its own rows only: a sandbox that was started anew gives the same ids once more.
    same = f"""
        SELECT 1 FROM entries WHERE {_ATTEMPT} AND task_id = :task_id
        UNION ALL SELECT 1 FROM entries
        WHERE late_for = :key AND origin = :origin AND account = :account AND attempt = :attempt AND task_id = :task_id
    """
    if not found and db.execute(same, here).fetchone() is None:
        # The key was released, and sent again or pruned: what is paid gets an entry all the same.
        key = f"{intent.key}~{task_id}"
        while find(db, intent.origin, intent.account, key):  # a caller's own, by a bad joke
            key += "~"
        late = attrs.evolve(intent, key=key)
        _insert(db, late, "submitted", task_id=str(task_id), late_for=intent.key, follower=follower, now=now)


def refuse(db: Database, intent: Intent, reason: str, now: str) -> None:
    """Write down that nothing was created; a late refusal clears an `unknown` up."""
    db.execute(
        f"""
        UPDATE entries SET state = 'refused', owner = NULL, reason = :reason, updated_at = :now
        WHERE {_ATTEMPT} AND state IN ('intended', 'unknown')
        """,
        {**_names(intent), "reason": reason, "now": now},
    )


def doubt(db: Database, intent: Intent, now: str) -> None:
    """Write down that no answer came; without an owner, for it lives."""
    db.execute(
        f"""
        UPDATE entries SET state = 'unknown', owner = NULL, updated_at = :now
        WHERE {_ATTEMPT} AND state = 'intended'
        """,
        {**_names(intent), "now": now},
    )


def settle(
    db: Database,
    origin: str,
    account: str,
    task_id: int,
    state: State,
    *,
    task: str | None,
    reason: str | None,
    refunded: bool,
    now: str,
) -> None:
    """Write down how a task ended, and whether its credits come back."""
    db.execute(
        f"""
        UPDATE entries SET state = ?, task = ?, reason = ?, refunded = ?, follower = NULL, updated_at = ?
        WHERE task_id = ? AND origin = ? AND account = ? AND state = 'submitted' AND {OPEN}
        """,
        (state, task, reason, 1 if refunded else None, now, str(task_id), origin, account),
    )


def sweep(db: Database, is_alive: IsAlive, now: str) -> int:
    """Mark as unknown what dead owners were about to send."""
    rows = db.execute(f"SELECT owner, attempt FROM entries WHERE state = 'intended' AND {OPEN}").fetchall()
    dead = [attempt for owner, attempt in rows if not is_alive(owner, attempt)]
    for attempt in dead:
        _mark_unknown(db, attempt, now)
    return len(dead)


def follow(db: Database, origin: str, account: str, owner: str, is_alive: Callable[[str], bool]) -> list[Row]:
    """Make *owner* the follower of the submitted tasks that have none alive, and return them."""
    here = {"origin": origin, "account": account, "owner": owner}
    open_ = f"state = 'submitted' AND {OPEN} AND origin = :origin AND account = :account"
    followers = db.execute(f"SELECT DISTINCT follower FROM entries WHERE {open_}", here).fetchall()
    dead = [follower for (follower,) in followers if follower is None or not is_alive(follower)]
    if not dead:
        return []
    dead_ones = "coalesce(follower, '') IN (SELECT value FROM json_each(:dead))"
    here["dead"] = json.dumps([follower or "" for follower in dead])
    rows = db.execute(f"{SELECT} WHERE {open_} AND {dead_ones} ORDER BY id", here).fetchall()
    db.execute(f"UPDATE entries SET follower = :owner WHERE {open_} AND {dead_ones}", here)
    return rows


def unfollow(db: Database, origin: str, account: str, owner: str) -> None:
    """Let go of what *owner* follows."""
    db.execute(
        f"""
        UPDATE entries SET follower = NULL
        WHERE state = 'submitted' AND {OPEN} AND origin = ? AND account = ? AND follower = ?
        """,
        (origin, account, owner),
    )


def _check_cap(db: Database, intent: Intent, cap: Cap | None) -> None:
    if cap is None:
        return
    since, ahead = cap.since, cap.since - intent.created_at
    if ahead > _CLOCKS_DIFFER:
        raise ValueError(
            f"the budget counts from {cap.since} on, but by the journal's clock it is {intent.created_at}, so that it "
            "would limit nothing: pass a since= that is past, or set the clocks right"
        )
    if ahead > timedelta(0):  # a budget that has just begun, by a clock that is a little fast
        since = intent.created_at - _CLOCKS_DIFFER
    needed = cap.check_price(intent.key, intent.credits)
    left = cap.credits - sum_spending(db, intent.origin, intent.account, encode_time(since))
    if needed > left:
        raise BudgetExceeded(needed=needed, left=max(0, left))


def _names(intent: Intent) -> dict[str, object]:
    """Return what names the row of *intent*."""
    return {"origin": intent.origin, "account": intent.account, "key": intent.key, "attempt": intent.attempt}


def _mark_unknown(db: Database, attempt: str, now: str) -> None:
    db.execute(
        f"UPDATE entries SET state = 'unknown', updated_at = ? WHERE attempt = ? AND state = 'intended' AND {OPEN}",
        (now, attempt),
    )


def _insert(
    db: Database,
    intent: Intent,
    state: State,
    *,
    now: str,
    owner: str | None = None,
    task_id: str | None = None,
    late_for: str | None = None,
    follower: str | None = None,
    reason: str | None = None,
) -> None:
    db.execute(
        """
        INSERT INTO entries (origin, account, key, attempt, fingerprint, request, credits, created_at, updated_at,
            state, owner, task_id, late_for, follower, reason)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            *(intent.origin, intent.account, intent.key, intent.attempt, intent.fingerprint, intent.request),
            *(intent.credits, encode_time(intent.created_at), now, state, owner, task_id, late_for, follower, reason),
        ),
    )
