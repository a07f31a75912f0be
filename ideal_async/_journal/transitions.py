"""The steps in the life of a key, in SQL: each runs in a transaction that its caller makes durable.

A step finds its row by origin, account, key and *attempt*: a late answer must not be taken for the answer to a later
attempt.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import attrs

from ideal_async._errors import BudgetExceeded

from .contract import Cap, Intent
from .copies import doubts_since
from .entries import COLUMNS, State, encode_time
from .schema import COUNTED, OPEN


class Rows(Protocol):
    """What a statement has found or changed."""

    @property
    def rowcount(self) -> int:
        """How many rows were found or changed."""
        ...

    def fetchone(self) -> Any:
        """Return the next row; `None`: there is none."""
        ...

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        ...


class Database(Protocol):
    """A connection inside a transaction: SQL that SQLite and PostgreSQL both understand, with `:name` and `?`."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Rows:
        """Run one statement."""
        ...


#: Whether the owner of that id lives and is still busy with that attempt.
IsAlive = Callable[[str, str], bool]
#: The columns of an entry, then its attempt and its id.
Row = Sequence[Any]

SETTLED = {"succeeded", "failed", "refused"}
_SELECT = f"SELECT {', '.join(COLUMNS)}, attempt, id FROM entries"
#: The row of an intent, whatever attempt it holds.
_KEY = "origin = :origin AND account = :account AND key = :key"
#: Its row as long as no later attempt took it.
_ATTEMPT = f"attempt = :attempt AND {_KEY}"


def find(db: Database, origin: str, account: str, key: str) -> Row | None:
    """Look a key up."""
    here = {"origin": origin, "account": account, "key": key}
    row: Row | None = db.execute(f"{_SELECT} WHERE {_KEY}", here).fetchone()
    return row


def find_ids(db: Database, keys: Iterable[str], origin: str | None, account: str | None) -> list[int]:
    """Return the ids of the rows of *keys*, oldest first."""
    where = "key IN (SELECT value FROM json_each(:keys))"
    # Both together have an index.
    where += " AND origin = :origin" * (origin is not None) + " AND account = :account" * (account is not None)
    here = {"keys": _encode_keys(keys), "origin": origin, "account": account}
    return sorted(id_ for (id_,) in db.execute(f"SELECT id FROM entries WHERE {where}", here).fetchall())


def find_ids_of_tasks(db: Database, task_ids: Iterable[int]) -> list[int]:
    """Return the ids of the rows of some tasks, oldest first."""
    rows = db.execute(
        "SELECT id FROM entries WHERE task_id IN (SELECT value FROM json_each(:tasks))",
        {"tasks": json.dumps([str(task_id) for task_id in task_ids])},
    )
    return sorted(id_ for (id_,) in rows.fetchall())


def read_rows(db: Database, ids: Sequence[int], state: State | None) -> list[Row]:
    """Read the rows of some ids."""
    return db.execute(
        f"{_SELECT} WHERE id IN ({', '.join(map(str, ids)) or 'NULL'}) AND state = coalesce(?, state) ORDER BY id",
        (state,),
    ).fetchall()


def read_page(
    db: Database, state: State | None, origin: str | None, account: str | None, *, after: int, size: int
) -> list[Row]:
    """Read *size* rows with ids above *after*; the id is a row's last column."""
    where = "WHERE id > ? AND origin = coalesce(?, origin) AND account = coalesce(?, account)"
    values: list[object] = [after, origin, account]
    if state is not None:
        where += " AND state = ?" if state in SETTLED else f" AND state = ? AND {OPEN}"
        values.append(state)
    return db.execute(f"{_SELECT} {where} ORDER BY id LIMIT ?", [*values, size]).fetchall()


def intend(db: Database, intent: Intent, cap: Cap | None, *, named: bool, owner: str, is_alive: IsAlive) -> Row | None:
    """Write an intent down and return `None`, or return the row that forbids it; *named* if the key is the caller's."""
    now = encode_time(intent.created_at)
    here = {"origin": intent.origin, "account": intent.account, "key": intent.key}
    found = db.execute(f"SELECT state, fingerprint, owner, attempt FROM entries WHERE {_KEY}", here).fetchone()
    if found is None:
        since = doubts_since(db) if named else None
        if since is not None:
            doubted = attrs.evolve(intent, created_at=since)
            _insert(db, doubted, "unknown", now=now, reason="the copy that was restored does not know it")
            return find(db, intent.origin, intent.account, intent.key)
        _check_cap(db, intent, cap)
        _insert(db, intent, "intended", owner=owner, now=now)
        return None
    state, fingerprint, sender, attempt = found
    if fingerprint != intent.fingerprint:
        raise ValueError(f"key {intent.key!r} was used for a different request: one key is one video, use another key")
    if state == "refused":
        _check_cap(db, intent, cap)
        db.execute(
            f"""
            UPDATE entries SET
                state = 'intended', owner = :owner, attempt = :attempt, credits = :credits, created_at = :now,
                updated_at = :now, earlier = reason, reason = NULL
            WHERE {_KEY}
            """,
            {**here, "owner": owner, "attempt": intent.attempt, "credits": intent.credits, "now": now},
        )
        return None
    if state == "intended" and not is_alive(sender, attempt):
        _mark_unknown(db, attempt, now)
    return find(db, intent.origin, intent.account, intent.key)


def holds(db: Database, intent: Intent) -> bool:
    """Tell whether an intent is still the one to be sent; the index of open rows alone knows."""
    row = db.execute(
        f"SELECT 1 FROM entries WHERE state = 'intended' AND {OPEN} AND task_id IS NULL AND attempt = ?",
        (intent.attempt,),
    ).fetchone()
    return row is not None


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
    rows = db.execute(f"{_SELECT} WHERE {open_} AND {dead_ones} ORDER BY id", here).fetchall()
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


def sum_credits(db: Database, origin: str, account: str, keys: Iterable[str], since: str | None) -> int:
    """Add up the credits that *keys* have cost, or may have."""
    (credits_,) = db.execute(
        f"""
        WITH wanted AS (SELECT value FROM json_each(:keys))
        SELECT coalesce(sum(sunk + CASE WHEN {COUNTED} THEN coalesce(credits, 0) ELSE 0 END), 0) FROM entries
        WHERE created_at >= coalesce(:since, '') AND id IN (
            SELECT id FROM entries WHERE origin = :origin AND account = :account AND key IN (SELECT value FROM wanted)
            UNION SELECT id FROM entries WHERE origin = :origin AND account = :account
                AND late_for IN (SELECT value FROM wanted)
        )
        """,
        {"origin": origin, "account": account, "keys": _encode_keys(keys), "since": since},
    ).fetchone()
    return int(credits_)


def sum_spending(db: Database, origin: str, account: str, since: str | None) -> int:
    """Add up what was spent from *since* on, pruned rows included: those of the ten minutes around it all count."""
    here = {"origin": origin, "account": account, "since": since or ""}
    (total,) = db.execute(
        """
        SELECT coalesce(sum(credits), 0) FROM spending
        WHERE origin = :origin AND account = :account AND period >= substr(:since, 1, 15)
        """,
        here,
    ).fetchone()
    (earlier,) = db.execute(
        f"""
        SELECT coalesce(sum(credits), 0) FROM entries
        WHERE created_at >= substr(:since, 1, 15) AND created_at < :since
            AND origin = :origin AND account = :account AND {COUNTED}
        """,
        here,
    ).fetchone()
    return int(total) - int(earlier)


def _encode_keys(keys: Iterable[str]) -> str:
    """Write as JSON those of *keys* that there can be: no half a surrogate pair, no U+0000.

    Raises:
        TypeError: They are one text, or not all are text.
    """
    if isinstance(keys, str):
        raise TypeError(f"keys is a list of keys: pass keys=[{keys!r}]")
    keys = list(keys)
    if wrong := [key for key in keys if not isinstance(key, str)]:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"a key must be str, not {type(wrong[0]).__name__}: str(...) will do")
    return json.dumps([key for key in keys if _is_text(key)])


def _is_text(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in key


def _check_cap(db: Database, intent: Intent, cap: Cap | None) -> None:
    if cap is None:
        return
    needed = cap.check_price(intent.key, intent.credits)
    left = cap.credits - sum_spending(db, intent.origin, intent.account, encode_time(cap.since))
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
