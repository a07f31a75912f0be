"""What a person decides about a key, in SQL: free it, say which task it became, forget it."""

import uuid
from datetime import datetime
from typing import Any, cast

import attrs

from .copies import doubts_since
from .queries import Database, Row, find
from .schema import OPEN
from .transitions import IsAlive, sweep

#: Seconds after which the answer to a request will not come any more: twice what a POST may take.
SETTLING = 120.0


@attrs.frozen
class _Found:
    """The row that a person means."""

    origin: str
    account: str
    key: str
    state: str
    owner: str | None
    task_id: str | None
    reason: str | None
    refunded: int | None
    fingerprint: str
    created_at: str
    updated_at: str

    @property
    def name(self) -> dict[str, object]:
        """What its row is found by."""
        return {"origin": self.origin, "account": self.account, "key": self.key}

    def age(self, now: str) -> float:
        """Return the seconds since it may have been sent: its owner died some time after it began."""
        since = self.updated_at if self.owner is None else self.created_at
        return (datetime.fromisoformat(now) - datetime.fromisoformat(since)).total_seconds()


def release(
    db: Database,
    key: str,
    origin: str | None,
    account: str | None,
    *,
    task_id: int | None,
    force: bool,
    is_alive: IsAlive,
    now: str,
) -> Row:
    """Let an `unknown` key be sent again, or one whose task failed."""
    sweep(db, is_alive, now)
    found = _find_one(db, key, origin, account)
    if found.state == "unknown":
        age = found.age(now)
        if age < SETTLING and not force:
            raise ValueError(
                f"key {key!r} was sent {age:.0f} s ago and its answer may still come: look into your account in "
                f"{SETTLING - age:.0f} s, or pass force=True"
            )
        _free(db, found, f"sent {found.created_at}, released {now}", attempt=None, now=now)
    elif found.state == "failed":
        if task_id is None or str(task_id) != found.task_id:
            raise ValueError(
                f"key {key!r} failed as task {found.task_id}, {'so' if task_id is None else f'not {task_id}:'} pass "
                f"task_id={found.task_id} to have it made, and paid, again"
            )
        if doubts_since(db, found.updated_at) is not None and not force:
            raise ValueError(
                f"key {key!r} failed in the copy that was restored, and may have been released and paid since: look "
                "into your account for a later task, then pass force=True"
            )
        kept = "" if found.refunded else ", not refunded as far as known"
        note = f"task {found.task_id} failed ({found.reason or 'no reason given'}{kept}), released {now}"
        _free(db, found, note, attempt=uuid.uuid4().hex, now=now)  # the failed attempt has its answer
    elif found.state == "intended":
        raise ValueError(f"key {key!r} is being sent by a living process: wait for what becomes of it")
    elif found.state != "refused":
        raise ValueError(f"key {key!r} is {found.state} and its task is known: use another key to make another video")
    return _read(db, found)


def adopt(
    db: Database,
    key: str,
    task_id: int,
    origin: str | None,
    account: str | None,
    *,
    force: bool,
    is_alive: IsAlive,
    now: str,
) -> Row:
    """Write down which task an `unknown` key has become."""
    sweep(db, is_alive, now)
    found = _find_one(db, key, origin, account)
    if found.task_id == str(task_id):
        return _read(db, found)
    if found.state == "intended":
        raise ValueError(f"key {key!r} is being sent by a living process: wait for what becomes of it")
    if found.state != "unknown":
        raise ValueError(f"key {key!r} is {found.state}: only a key in doubt can be given a task")
    others: list[Any] = db.execute(
        "SELECT key FROM entries WHERE task_id = ? AND origin = ?", (str(task_id), found.origin)
    ).fetchall()
    if others:
        raise ValueError(f"task {task_id} is that of key {others[0][0]!r} already: look for another one")
    doubts: list[Any] = db.execute(
        f"""
        SELECT key FROM entries WHERE state = 'unknown' AND {OPEN} AND fingerprint = :fingerprint
            AND origin = :origin AND account = :account AND key <> :key ORDER BY id
        """,
        {**found.name, "fingerprint": found.fingerprint},
    ).fetchall()
    if doubts and not force:
        names = ", ".join(repr(name) for name in (key, *(row[0] for row in doubts)))
        raise ValueError(
            f"keys {names} are in doubt with equal requests, so task {task_id} may be that of either: find out whose "
            "it is (by the time it was created), then pass force=True"
        )
    db.execute(
        """
        UPDATE entries SET state = 'submitted', task_id = :task_id, owner = NULL, follower = NULL, reason = NULL,
            updated_at = :now
        WHERE origin = :origin AND account = :account AND key = :key
        """,
        {**found.name, "task_id": str(task_id), "now": now},
    )
    return _read(db, found)


def prune(db: Database, before: str, *, dry_run: bool) -> dict[Any, int]:
    """Delete what is settled and old; what it cost still counts as spent."""
    old = "FROM entries WHERE state IN ('succeeded', 'failed', 'refused') AND updated_at < ?"
    counts = dict(db.execute(f"SELECT state, count(*) {old} GROUP BY state", (before,)).fetchall())
    if not dry_run:
        db.execute(f"DELETE {old}", (before,))
    return counts


def _find_one(db: Database, key: str, origin: str | None, account: str | None) -> _Found:
    rows = db.execute(
        f"""
        SELECT {", ".join(field.name for field in attrs.fields(_Found))} FROM entries
        WHERE key = ? AND origin = coalesce(?, origin) AND account = coalesce(?, account)
        """,
        (key, origin, account),
    ).fetchall()
    if not rows:
        raise ValueError(f"the journal has no key {key!r}: entries() lists what there is")
    found = [_Found(*row) for row in rows]
    if len({row.origin for row in found}) > 1:
        raise ValueError(
            f"key {key!r} was used with several APIs: add origin= with one of {[row.origin for row in found]}"
        )
    if len(found) > 1:
        raise ValueError(
            f"key {key!r} was used by several accounts: add account= with one of {[row.account for row in found]}"
        )
    return found[0]


def _free(db: Database, found: _Found, note: str, *, attempt: str | None, now: str) -> None:
    db.execute(
        """
        UPDATE entries SET state = 'refused', owner = NULL, task_id = NULL, task = NULL, updated_at = :now,
            sunk = CASE WHEN state = 'failed' AND refunded IS NULL THEN sunk + coalesce(credits, 0) ELSE sunk END,
            refunded = NULL, reason = 'released ' || :now, attempt = coalesce(:attempt, attempt),
            released = coalesce(released || '; ', '') || :note
        WHERE origin = :origin AND account = :account AND key = :key
        """,
        {**found.name, "note": note, "attempt": attempt, "now": now},
    )


def _read(db: Database, found: _Found) -> Row:
    row = find(db, found.origin, found.account, found.key)
    return cast("Row", row)  # it was there a moment ago, in this transaction
