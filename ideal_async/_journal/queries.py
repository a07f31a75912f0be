"""The questions to the rows of a journal, in SQL that SQLite and PostgreSQL both understand."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from .contract import Intent
from .entries import COLUMNS, State
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


#: The columns of an entry, then its attempt and its id.
Row = Sequence[Any]


SETTLED = {"succeeded", "failed", "refused"}
SELECT = f"SELECT {', '.join(COLUMNS)}, attempt, id FROM entries"
#: The row of an intent, whatever attempt it holds.
KEY = "origin = :origin AND account = :account AND key = :key"


def find(db: Database, origin: str, account: str, key: str) -> Row | None:
    """Look a key up."""
    here = {"origin": origin, "account": account, "key": key}
    row: Row | None = db.execute(f"{SELECT} WHERE {KEY}", here).fetchone()
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
        f"{SELECT} WHERE id IN ({', '.join(map(str, ids)) or 'NULL'}) AND state = coalesce(?, state) ORDER BY id",
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
    return db.execute(f"{SELECT} {where} ORDER BY id LIMIT ?", [*values, size]).fetchall()


def holds(db: Database, intent: Intent) -> bool:
    """Tell whether an intent is still the one to be sent; the index of open rows alone knows."""
    row = db.execute(
        f"SELECT 1 FROM entries WHERE state = 'intended' AND {OPEN} AND task_id IS NULL AND attempt = ?",
        (intent.attempt,),
    ).fetchone()
    return row is not None


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
