"""The steps in the life of a key, in SQL: each runs in a transaction that its caller makes durable.

A step finds its row by origin, key and *attempt*: a late answer must not be taken for the answer to a later attempt.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import attrs

from ._entries import Entry, State, read_entry, write_time

#: Whether the owner of that id lives and is still busy with that attempt.
Lives = Callable[[str, str], bool]

_SELECT = """
    SELECT id, key, request, state, task_id, credits, created_at, updated_at, task, origin, reason, released
    FROM entries
"""


@attrs.frozen(eq=False)
class Intent:
    """The right to send one request once. Keep it until you have told what came of it; forgotten, it is `unknown`.

    Attributes:
        origin: Scheme, host and port of the API.
        key: The caller's, or one made up.
        attempt: Names this intent among all that the key ever had.
        credits: What the request costs.
        created_at: In UTC.
        fingerprint: Of the request.
        request: As it stands in the journal.
    """

    origin: str
    key: str
    attempt: str
    credits: int
    created_at: datetime
    fingerprint: str
    request: str = attrs.field(repr=False)


def find(db: sqlite3.Connection, origin: str, key: str) -> Entry | None:
    """Look a key up."""
    known = db.execute("SELECT 1 FROM entries WHERE origin = ? AND key = ?", (origin, key)).fetchone()
    return _read(db, origin, key) if known else None


def read_page(
    db: sqlite3.Connection, state: State | None, origin: str | None, *, after: int, size: int
) -> Sequence[tuple[Any, ...]]:
    """Read *size* rows with ids above *after*: the id, then what `read_entry` needs."""
    where, values = "WHERE id > ? AND origin = ifnull(?, origin)", [after, origin]
    if state is not None:
        where += " AND state = ?"
        values.append(state)
    return db.execute(_SELECT + where + " ORDER BY id LIMIT ?", [*values, size]).fetchall()


def intend(db: sqlite3.Connection, intent: Intent, owner: str, lives: Lives) -> Entry | None:
    """Write an intent down and return `None`, or return the entry that forbids it."""
    now = write_time(intent.created_at)
    found = db.execute(
        "SELECT state, fingerprint, owner, attempt FROM entries WHERE origin = ? AND key = ?",
        (intent.origin, intent.key),
    ).fetchone()
    if found is None:
        _insert(db, intent, "intended", owner=owner, now=now)
        return None
    state, fingerprint, sender, attempt = found
    if fingerprint != intent.fingerprint:
        raise ValueError(f"key {intent.key!r} was used for a different request: one key is one video, use another key")
    if state == "refused":
        db.execute(
            """
            UPDATE entries SET
                state = 'intended', owner = ?, attempt = ?, credits = ?, created_at = ?, updated_at = ?,
                earlier = reason, reason = NULL
            WHERE origin = ? AND key = ?
            """,
            (owner, intent.attempt, intent.credits, now, now, intent.origin, intent.key),
        )
        return None
    if state == "intended" and not lives(sender, attempt):
        _give_up(db, attempt, now)
    return _read(db, intent.origin, intent.key)


def withdraw(db: sqlite3.Connection, intent: Intent, now: str) -> None:
    """Take back an intent of which nothing was sent."""
    here = (intent.attempt, intent.origin, intent.key)
    db.execute(
        """
        DELETE FROM entries WHERE attempt = ? AND origin = ? AND key = ?
            AND state IN ('intended', 'unknown') AND earlier IS NULL
        """,
        here,
    )
    db.execute(
        """
        UPDATE entries SET state = 'refused', owner = NULL, reason = earlier, updated_at = ?
        WHERE attempt = ? AND origin = ? AND key = ? AND state IN ('intended', 'unknown')
        """,
        (now, *here),
    )


def submit(db: sqlite3.Connection, intent: Intent, task_id: int, now: str) -> None:
    """Write down the id that came for an intent, early or late."""
    task = str(task_id)
    # Its own row only: a sandbox that was started anew gives the same ids once more.
    here = (intent.origin, task, intent.attempt)
    if db.execute("SELECT 1 FROM entries WHERE origin = ? AND task_id = ? AND attempt = ?", here).fetchone():
        return
    found = db.execute(
        """
        UPDATE entries SET state = 'submitted', task_id = ?, owner = NULL, reason = NULL, updated_at = ?
        WHERE attempt = ? AND origin = ? AND key = ? AND task_id IS NULL
        """,
        (task, now, intent.attempt, intent.origin, intent.key),
    ).rowcount
    if not found:  # the key was released, and sent again or pruned: what is paid gets an entry all the same
        key = f"{intent.key}~{task}"
        while find(db, intent.origin, key):  # a caller's own, by a bad joke
            key += "~"
        _insert(db, attrs.evolve(intent, key=key), "submitted", task_id=task, late_for=intent.key, now=now)


def refuse(db: sqlite3.Connection, intent: Intent, reason: str, now: str) -> None:
    """Write down that nothing was created; a late refusal clears an `unknown` up."""
    db.execute(
        """
        UPDATE entries SET state = 'refused', owner = NULL, reason = ?, updated_at = ?
        WHERE attempt = ? AND origin = ? AND key = ? AND state IN ('intended', 'unknown')
        """,
        (reason, now, intent.attempt, intent.origin, intent.key),
    )


def doubt(db: sqlite3.Connection, intent: Intent, now: str) -> None:
    """Write down that no answer came."""
    _give_up(db, intent.attempt, now)


def settle(
    db: sqlite3.Connection, origin: str, task_id: int, state: State, *, task: str | None, reason: str | None, now: str
) -> None:
    """Write down how a task ended."""
    db.execute(
        """
        UPDATE entries SET state = ?, task = ?, reason = ?, updated_at = ?
        WHERE origin = ? AND task_id = ? AND state = 'submitted'
        """,
        (state, task, reason, now, origin, str(task_id)),
    )


def release(db: sqlite3.Connection, key: str, origin: str | None, lives: Lives, now: str) -> Entry:
    """Let an `unknown` key be sent again."""
    rows = db.execute(
        "SELECT origin, state, owner, attempt FROM entries WHERE key = ? AND origin = ifnull(?, origin)", (key, origin)
    ).fetchall()
    if not rows:
        raise ValueError(f"the journal has no key {key!r}: entries() lists what there is")
    if len(rows) > 1:
        raise ValueError(f"key {key!r} was used with several APIs: add origin= with one of {[row[0] for row in rows]}")
    ((where, state, owner, attempt),) = rows
    if state == "unknown" or (state == "intended" and not lives(owner, attempt)):
        db.execute(
            """
            UPDATE entries SET state = 'refused', owner = NULL, reason = 'released ' || :now, updated_at = :now,
                released = ifnull(released || '; ', '') || 'sent ' || created_at || ', released ' || :now
            WHERE origin = :origin AND key = :key
            """,
            {"now": now, "origin": where, "key": key},
        )
    elif state == "intended":
        raise ValueError(f"key {key!r} is being sent by a living process: wait for what becomes of it")
    elif state != "refused":
        raise ValueError(f"key {key!r} is {state} and its task is known: use another key to make another video")
    return _read(db, where, key)


def prune(db: sqlite3.Connection, before: str) -> int:
    """Delete what is settled and old."""
    return db.execute(
        "DELETE FROM entries WHERE state IN ('succeeded', 'failed', 'refused') AND updated_at < ?", (before,)
    ).rowcount


def sweep(db: sqlite3.Connection, lives: Lives, now: str) -> int:
    """Give up what dead owners were about to send."""
    rows = db.execute("SELECT owner, attempt FROM entries WHERE state = 'intended'").fetchall()
    dead = [attempt for owner, attempt in rows if not lives(owner, attempt)]
    for attempt in dead:
        _give_up(db, attempt, now)
    return len(dead)


def add_up(db: sqlite3.Connection, origin: str, keys: Iterable[str]) -> int:
    """Add up the credits that *keys* have cost, or may have."""
    (credits_,) = db.execute(
        """
        WITH wanted AS (SELECT value FROM json_each(:keys))
        SELECT ifnull(sum(credits), 0) FROM entries
        WHERE state IN ('intended', 'submitted', 'succeeded', 'unknown') AND id IN (
            SELECT id FROM entries WHERE origin = :origin AND key IN wanted
            UNION SELECT id FROM entries WHERE origin = :origin AND late_for IN wanted
        )
        """,
        {"origin": origin, "keys": json.dumps(list(keys))},
    ).fetchone()
    return int(credits_)


def _read(db: sqlite3.Connection, origin: str, key: str) -> Entry:
    row = db.execute(_SELECT + "WHERE origin = ? AND key = ?", (origin, key)).fetchone()
    return read_entry(row[1:])


def _give_up(db: sqlite3.Connection, attempt: str, now: str) -> None:
    db.execute(
        "UPDATE entries SET state = 'unknown', owner = NULL, updated_at = ? WHERE attempt = ? AND state = 'intended'",
        (now, attempt),
    )


def _insert(
    db: sqlite3.Connection,
    intent: Intent,
    state: State,
    *,
    now: str,
    owner: str | None = None,
    task_id: str | None = None,
    late_for: str | None = None,
) -> None:
    db.execute(
        """
        INSERT INTO entries (origin, key, attempt, fingerprint, request, credits, created_at, updated_at,
            state, owner, task_id, late_for)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            *(intent.origin, intent.key, intent.attempt, intent.fingerprint, intent.request, intent.credits),
            *(write_time(intent.created_at), now, state, owner, task_id, late_for),
        ),
    )
