"""What a fleet is asked for, beside what became of it: batches, their items, and what was reported of their chunks.

A manifest never changes. Its items are filed under its digest, so that one that was left half-written by a crash is
written on by the next, and stands in nobody's way.
"""

import json
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Literal, cast

import attrs

from ideal_async._journal import Controlled

from ._portable import Portable
from ._session import Session

Halted = Literal["", "paused", "cancelled"]

#: Only one at a time makes tables. "Flee" in ASCII.
_LOCK = 0x466C6565
#: Items written in one statement, which then takes about a tenth of a second.
_SLICE = 5_000

# Made when a fleet first uses the journal, and apart from its own: a host that knows nothing of fleets goes on.
_TABLES = """
    CREATE TABLE IF NOT EXISTS batches (
        name text PRIMARY KEY,
        digest text NOT NULL,
        size bigint NOT NULL,
        chunk integer NOT NULL,
        origin text NOT NULL,
        account text NOT NULL,
        halted text NOT NULL DEFAULT '' CHECK (halted IN ('', 'paused', 'cancelled')),
        created_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX IF NOT EXISTS batches_by_digest ON batches (digest);
    CREATE TABLE IF NOT EXISTS batch_items (
        digest text NOT NULL,
        number bigint NOT NULL,
        key text NOT NULL,
        request text NOT NULL,
        PRIMARY KEY (digest, number)
    );
    CREATE INDEX IF NOT EXISTS batch_items_by_key ON batch_items (key);
    CREATE TABLE IF NOT EXISTS batch_reports (
        batch text NOT NULL,
        first bigint NOT NULL,
        report text NOT NULL,
        final boolean NOT NULL,
        began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (batch, first)
    );
"""


@attrs.frozen
class Manifest:
    """A batch of many hosts, but for its items.

    Attributes:
        name: Of the batch.
        digest: Names the content: keys and requests in their order.
        size: Jobs.
        chunk: Jobs that a worker takes at once.
        origin: Scheme, host and port of the API.
        account: That pays.
        halted: `"paused"` or `"cancelled"`, or nothing.

    Example:
        >>> spring = Manifest("spring", "8f14e45f", 250, 100, "https://api.ideal.house", "")
        >>> spring.size, spring.chunk, spring.halted
        (250, 100, '')
    """

    name: str
    digest: str
    size: int
    chunk: int
    origin: str
    account: str
    halted: Halted = ""


@attrs.frozen
class Filed:
    """What was reported of a chunk.

    Attributes:
        first: Of its jobs.
        report: In the words of whoever filed it.
        final: Nothing more will be done about it.
        age: Seconds since the chunk was begun.

    Example:
        >>> Filed(first=100, report='{"jobs": 100}', final=False, age=12.5).final
        False
    """

    first: int
    report: str
    final: bool
    age: float


class Manifested(Controlled):
    """A journal that keeps manifests as well, for `ideal_async.fleet`. Its methods block."""

    _session: Session
    _manifests_ready = False

    def keep_manifest(self, manifest: Manifest, items: Sequence[tuple[str, str]]) -> Manifest:
        """Keep what a batch consists of, unless there is one of that name.

        Args:
            manifest: Of the batch.
            items: Keys and requests, in the words of whoever reads them again.

        Returns:
            What is kept under that name now; another `digest` tells that it is another batch.

        Raises:
            JournalFailed: It cannot be written.
        """
        known = self.manifest(manifest.name)
        if known is not None:
            return known
        numbered = enumerate(items)
        while rows := [(number, key, request) for number, (key, request) in islice(numbered, _SLICE)]:
            self._session.write(partial(_add_items, digest=manifest.digest, rows=json.dumps(rows)))
        return self._session.write(partial(_add_batch, manifest=manifest))

    def manifest(self, name: str) -> Manifest | None:
        """Find a batch by its name.

        Raises:
            JournalFailed: It cannot be read.
        """
        if not self._manifests_ready:
            self._session.write(_make_tables)
            self._manifests_ready = True
        return self._session.read(partial(_find_batch, name=name))

    def items(self, manifest: Manifest, first: int, last: int) -> list[tuple[str, str]]:
        """Read keys and requests of a part of a batch, from *first* to before *last*.

        Raises:
            JournalFailed: They cannot be read.
        """
        return self._session.read(partial(_read_items, digest=manifest.digest, first=first, last=last))

    def halt(self, name: str, halted: Halted) -> None:
        """Let nothing of a batch be sent from now on, or let it go on; what is on its way is finished.

        When this returns, every host has asked its last permission for a job of that batch, or sees the change.

        Raises:
            JournalFailed: It cannot be written.
        """
        self._session.write(partial(_halt, name=name, halted=halted))

    def count_intended(self, manifest: Manifest) -> int:
        """Count the jobs of a batch that somebody is about to send, or is sending.

        Raises:
            JournalFailed: They cannot be read.
        """
        self.sweep()  # the dead send nothing
        return self._session.read(partial(_count_intended, manifest=manifest))

    def file_report(self, name: str, first: int, report: str, *, final: bool) -> None:
        """File what became of a chunk; a final report stays until it is withdrawn.

        Raises:
            JournalFailed: It cannot be written.
        """
        self._session.write(partial(_file, name=name, first=first, report=report, final=final))

    def reports(self, name: str, first: int | None = None) -> list[Filed]:
        """Read what was reported of the chunks of a batch, or of one of them.

        Raises:
            JournalFailed: They cannot be read.
        """
        return self._session.read(partial(_read_reports, name=name, first=first))

    def withdraw_reports(self, name: str, firsts: Sequence[int]) -> None:
        """Forget what was reported of chunks: they are begun anew.

        Raises:
            JournalFailed: It cannot be written.
        """
        self._session.write(partial(_withdraw, name=name, firsts=json.dumps(list(firsts))))

    def finished_chunks(self, name: str) -> int:
        """Count the chunks of a batch whose report is final.

        Raises:
            JournalFailed: They cannot be read.
        """
        return self._session.read(partial(_count_final, name=name))

    def stopped(self, name: str) -> str | None:
        """Find the final report of a chunk that says that the rest of its batch need not be tried.

        Raises:
            JournalFailed: It cannot be read.
        """
        return self._session.read(partial(_find_stop, name=name))

    def hold_chunk(self, name: str, first: int) -> bool:
        """Hold a chunk as long as this journal is open, unless another one holds it.

        Raises:
            JournalFailed: The database cannot be asked.
        """
        return self._session.write(partial(_hold, name=name, first=first))

    def let_go_chunk(self, name: str, first: int) -> None:
        """Hold a chunk no more.

        Raises:
            JournalFailed: The database cannot be asked.
        """
        self._session.write(partial(_let_go, name=name, first=first))

    def held_chunks(self, name: str) -> int:
        """Count the chunks of a batch that somebody holds.

        Raises:
            JournalFailed: The database cannot be asked.
        """
        return self._session.read(partial(_count_held, name=name))

    def _is_halted(self, db: Portable, key: str) -> bool:
        """Tell whether all batches that have this key are halted; asked with each intent and before each send."""
        if not self._manifests_ready:
            return False
        (halted,) = db.execute(
            "SELECT bool_and(halted <> '') FROM batch_items JOIN batches USING (digest) WHERE key = ?", (key,)
        ).fetchone() or (None,)
        return bool(halted)


def _make_tables(db: Portable) -> None:
    db.execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
    (there,) = db.execute("SELECT to_regclass('batch_reports') IS NOT NULL").fetchone() or (False,)
    if not there:
        db.connection.execute(_TABLES.encode())


def _add_items(db: Portable, digest: str, rows: str) -> None:
    db.execute(
        "INSERT INTO batch_items SELECT :digest, (item->>0)::bigint, item->>1, item->>2 "
        "FROM json_array_elements(:rows::json) AS rows (item) ON CONFLICT DO NOTHING",
        {"digest": digest, "rows": rows},
    )


def _add_batch(db: Portable, manifest: Manifest) -> Manifest:
    db.execute(
        "INSERT INTO batches VALUES (:name, :digest, :size, :chunk, :origin, :account) ON CONFLICT DO NOTHING",
        attrs.asdict(manifest),
    )
    return cast("Manifest", _find_batch(db, manifest.name))


def _find_batch(db: Portable, name: str) -> Manifest | None:
    row = db.execute(
        "SELECT name, digest, size, chunk, origin, account, halted FROM batches WHERE name = ?", (name,)
    ).fetchone()
    return None if row is None else Manifest(*row)


def _read_items(db: Portable, digest: str, first: int, last: int) -> list[tuple[str, str]]:
    return cast(
        "list[tuple[str, str]]",
        db.execute(
            "SELECT key, request FROM batch_items WHERE digest = ? AND number >= ? AND number < ? ORDER BY number",
            (digest, first, last),
        ).fetchall(),
    )


def _halt(db: Portable, name: str, halted: str) -> None:
    # Whoever decides about an intent holds one of these locks until that is committed.
    db.execute("SELECT 1 FROM gates ORDER BY origin, account FOR UPDATE")
    db.execute("UPDATE batches SET halted = ? WHERE name = ?", (halted, name))
    # What stood still has not been tried in vain meanwhile.
    db.execute("UPDATE batch_reports SET began_at = clock_timestamp() WHERE batch = ? AND NOT final", (name,))


def _count_intended(db: Portable, manifest: Manifest) -> int:
    (number,) = db.execute(
        "SELECT count(*) FROM entries AS entry WHERE origin = :origin AND account = :account AND state = 'intended' "
        "AND EXISTS (SELECT 1 FROM batch_items WHERE key = entry.key AND digest = :digest)",
        {"origin": manifest.origin, "account": manifest.account, "digest": manifest.digest},
    ).fetchone() or (0,)
    return int(number)


def _file(db: Portable, name: str, first: int, report: str, final: bool) -> None:
    db.execute(
        "INSERT INTO batch_reports VALUES (:name, :first, :report, :final) ON CONFLICT (batch, first) DO UPDATE "
        "SET report = excluded.report, final = excluded.final WHERE excluded.final OR NOT batch_reports.final",
        {"name": name, "first": first, "report": report, "final": final},
    )


def _read_reports(db: Portable, name: str, first: int | None) -> list[Filed]:
    rows = db.execute(
        "SELECT first, report, final, extract(epoch FROM clock_timestamp() - began_at)::float8 FROM batch_reports "
        "WHERE batch = :name AND first = coalesce(:first, first) ORDER BY first",
        {"name": name, "first": first},
    ).fetchall()
    return [Filed(*row) for row in rows]


def _withdraw(db: Portable, name: str, firsts: str) -> None:
    db.execute(
        "DELETE FROM batch_reports WHERE batch = :name "
        "AND first IN (SELECT value::bigint FROM json_array_elements_text(:firsts::json) AS each (value))",
        {"name": name, "firsts": firsts},
    )


def _count_final(db: Portable, name: str) -> int:
    (number,) = db.execute("SELECT count(*) FROM batch_reports WHERE batch = ? AND final", (name,)).fetchone() or (0,)
    return int(number)


def _find_stop(db: Portable, name: str) -> str | None:
    row = db.execute(
        "SELECT report FROM batch_reports WHERE batch = ? AND final AND (report::json->>'stops')::boolean LIMIT 1",
        (name,),
    ).fetchone()
    return None if row is None else cast("str", row[0])


# The session's own locks, which end with it: two numbers, where owners have one. Two names that are one number only
# wait for each other.
def _hold(db: Portable, name: str, first: int) -> bool:
    (mine,) = db.execute(
        "SELECT pg_try_advisory_lock(hashtext('chunk ' || ?), ?::integer)", (name, first)
    ).fetchone() or (False,)
    return bool(mine)


def _let_go(db: Portable, name: str, first: int) -> None:
    db.execute("SELECT pg_advisory_unlock(hashtext('chunk ' || ?), ?::integer)", (name, first))


def _count_held(db: Portable, name: str) -> int:
    (number,) = db.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND classid = hashtext('chunk ' || :name)::oid",
        {"name": name},
    ).fetchone() or (0,)
    return int(number)
