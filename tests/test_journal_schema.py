"""The file: refused with the fix before any money is spent, and brought up to date by whoever comes first."""

import itertools
import os
import pathlib
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from journal_steps import CANCELLED

from ideal_async import Entry, ImageToVideo, Intent, JournalFailed
from ideal_async._journal import Journal, encode_request, schema
from ideal_async._journal.schema import APPLICATION_ID, MIGRATIONS, connect, create, leave, migrate

API = "https://api.ideal.house:443"
ROOM = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="720p")
NOTE = ("ALTER TABLE entries ADD COLUMN note TEXT", "UPDATE entries SET note = 'from version 1'")


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "orders.journal"


def pragma(path: pathlib.Path, name: str) -> Any:
    db = sqlite3.connect(path)
    (value,) = db.execute(f"PRAGMA {name}").fetchone()
    db.close()
    return value


def pages(journal: Journal) -> int:
    (count,) = journal._commits._writer.execute("PRAGMA page_count").fetchone()
    return int(count)


# Refused.


def test_the_folder_must_exist(tmp_path: pathlib.Path) -> None:
    """Nobody's typo makes folders."""
    with pytest.raises(JournalFailed, match=r"there is no folder '.*nowhere': make it, or name another path"):
        Journal(tmp_path / "nowhere" / "orders.journal")


def test_a_folder_is_no_journal(tmp_path: pathlib.Path) -> None:
    """Its name is half of a good path."""
    with pytest.raises(JournalFailed, match="is a folder: name a file in it"):
        Journal(tmp_path)


@pytest.mark.parametrize("content", [b"once upon a time" * 100, b"SQLite format 3\x00" + b"\xff" * 4080])
def test_another_file_is_no_journal(path: pathlib.Path, content: bytes) -> None:
    """It is left as it is."""
    path.write_bytes(content)
    with pytest.raises(JournalFailed, match=r"name another path, or move the file aside|damaged"):
        Journal(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("mark", [0, 12345])
def test_another_programs_database_is_no_journal(path: pathlib.Path, mark: int) -> None:
    """Whether it is marked or only has tables: nothing in it is changed."""
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA application_id = {mark}")
        db.execute("CREATE TABLE entries (theirs)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(JournalFailed, match="is the database of another program: name another path"):
        Journal(path)
    assert path.read_bytes() == before


def test_a_newer_journal_is_left_alone(path: pathlib.Path) -> None:
    """Its rows may mean something we do not understand."""
    Journal(path).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    known = len(MIGRATIONS)
    fix = rf"newer ideal_async \(schema {known + 1}, this one knows {known}\): upgrade ideal_async"
    with pytest.raises(JournalFailed, match=fix):
        Journal(path)


def use(path: pathlib.Path) -> None:
    with Journal(path) as journal:
        journal.intend(API, "0", ROOM, 20)


def test_a_damaged_journal_says_so(path: pathlib.Path) -> None:
    """Before anything is sent, if the damage is met by then; as a JournalFailed in any case."""
    with Journal(path) as journal:
        for number in range(50):
            journal.intend(API, f"{number}", ROOM, 20)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(JournalFailed, match=r"is damaged: .*journal repair .* says what can be saved"):
        use(path)


def fill(journal: Journal) -> None:
    for number in itertools.count():
        journal.intend(API, f"{number}", ROOM, 20)


def test_a_full_disk_costs_nothing(path: pathlib.Path) -> None:
    """No intent, no permission to send; what is written stays, and what fits again is written again."""
    with Journal(path) as journal:
        writer = journal._commits._writer
        kept = journal.intend(API, "kept", ROOM, 20)
        writer.execute(f"PRAGMA max_page_count = {pages(journal)}")
        with pytest.raises(JournalFailed, match="the disk is full: free some space and call again") as caught:
            fill(journal)
        assert caught.value.task_id is None
        written = [entry.key for entry in journal.entries()]
        assert written == ["kept", *map(str, range(len(written) - 1))]
        writer.execute("PRAGMA max_page_count = 1000000")
        journal.intend(API, "room again", ROOM, 20)
        assert [entry.key for entry in journal.entries()] == [*written, "room again"]
        del kept


def test_a_paid_id_that_cannot_be_written_is_in_the_exception(path: pathlib.Path) -> None:
    """It is recorded nowhere else, until the next write that succeeds takes it along."""
    with Journal(path) as journal:
        writer = journal._commits._writer
        intent = journal.intend(API, "order", ROOM, 20)
        writer.execute("PRAGMA query_only = ON")
        with pytest.raises(JournalFailed, match=r"task 7 is paid, and not written down: .* read-only: make") as caught:
            journal.submitted(intent, 7)  # type: ignore[arg-type]  # an Intent, since the key is new
        assert caught.value.task_id == 7
        with pytest.raises(JournalFailed) as caught:
            journal.settle(API, 7, None)
        assert caught.value.task_id == 7
        writer.execute("PRAGMA query_only = OFF")
        journal.sweep()
        assert [entry.task_id for entry in journal.entries("submitted")] == [7]


def test_a_locked_file_is_waited_for_and_then_refused(path: pathlib.Path) -> None:
    """Another program in the middle of something: no longer than the timeout."""
    with Journal(path, timeout=0.01) as journal:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalFailed, match="another program keeps it locked"):
            journal.intend(API, "order", ROOM, 20)
        with pytest.raises(JournalFailed, match="another program keeps it locked"):
            Journal(path, timeout=0.01)
        other.execute("ROLLBACK")
        other.close()
        journal.intend(API, "order", ROOM, 20)


def test_no_owner_means_no_intent(path: pathlib.Path) -> None:
    """Where no lock file can be made, nothing is sent."""
    with Journal(path) as journal:
        pathlib.Path(f"{path}-owners").write_text("a file in its place")
        with pytest.raises(JournalFailed, match="File exists: check that the folder is there"):
            journal.intend(API, "order", ROOM, 20)
        assert list(journal.entries()) == []


def test_a_refused_file_that_is_gone_is_closed(path: pathlib.Path) -> None:
    """There is nothing left that could be changed (a connection left open would be a ResourceWarning)."""
    Journal(path).close()
    connection = connect(str(path), timeout=1)
    path.unlink()
    leave(str(path), connection)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_journal_that_cannot_be_swept_is_closed(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening fails as a whole (a connection left open would be a ResourceWarning)."""

    def fail(_: Journal) -> int:
        raise JournalFailed("no")

    monkeypatch.setattr(Journal, "sweep", fail)
    with pytest.raises(JournalFailed, match="no"):
        Journal(path)
    assert {file.name for file in path.parent.iterdir()} == {path.name}


# Durable.


def test_every_commit_reaches_the_disk(path: pathlib.Path) -> None:
    """WAL with synchronous=FULL, on both connections; checkpoints are ours."""
    with Journal(path) as journal:
        for db in (journal._commits._writer, journal._commits._reader):
            found = {name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS}
            assert found == PRAGMAS
        assert journal._commits._reader.execute("PRAGMA busy_timeout").fetchone() == (10_000,)
    assert pragma(path, "application_id") == APPLICATION_ID
    assert pragma(path, "user_version") == len(MIGRATIONS)


PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": 2,
    "fullfsync": 1,
    "checkpoint_fullfsync": 1,
    "wal_autocheckpoint": 0,
}


def test_the_new_name_reaches_the_disk(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut must not take the whole file; Windows has no way to ask for that."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    create(str(path))
    create(str(path))
    assert synced == [path.parent.stat().st_ino]
    with monkeypatch.context() as windows:
        windows.setattr(schema, "_SYNCS_FOLDERS", False)
        create(str(path.with_name("other")))
    assert len(synced) == 1
    assert path.stat().st_size == 0


class Odd(sqlite3.Connection):
    """A connection whose switch to WAL goes wrong."""

    answers: list[BaseException | str]

    def execute(self, sql: str, *args: Any) -> Any:
        """Answer oddly, as long as there are answers."""
        if sql.startswith("PRAGMA journal_mode") and self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, BaseException):
                raise answer
            return Answer(answer)
        return super().execute(sql, *args)


class Answer:
    """A cursor with one value."""

    def __init__(self, value: str) -> None:
        self.value = value

    def fetchone(self) -> tuple[str]:
        """Return it."""
        return (self.value,)


def busy(code: int = sqlite3.SQLITE_BUSY) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = code
    return error


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Any:
    original = sqlite3.connect

    def connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        return original(*args, factory=Odd, **kwargs)

    monkeypatch.setattr(sqlite3, "connect", connect)
    return Odd


def test_processes_that_switch_a_new_file_at_once_wait(odd: Any, path: pathlib.Path) -> None:
    """SQLite gives up at once there; we try again until the timeout."""
    odd.answers = [busy(), busy()]
    Journal(path).close()
    assert odd.answers == []
    odd.answers = [busy()] * 100
    with pytest.raises(JournalFailed, match="keeps it locked"):
        Journal(path, timeout=0.0)
    odd.answers = [busy(sqlite3.SQLITE_READONLY)]
    with pytest.raises(JournalFailed, match="is read-only"):
        Journal(path)


def test_a_file_system_without_shared_memory_is_refused(odd: Any, path: pathlib.Path) -> None:
    """There the file would stay in another mode, and SQLite only says so in passing."""
    odd.answers = ["delete"]
    with pytest.raises(JournalFailed, match="shares no memory: name a path on a local disk"):
        Journal(path)


# Migrations.


def version_1(path: pathlib.Path) -> None:
    """A file as the first version leaves it."""
    with Journal(path) as journal:
        journal.intend(API, "order", ROOM, 20)


def test_an_older_file_is_brought_up_to_date(path: pathlib.Path) -> None:
    """Step by step, with its rows."""
    version_1(path)
    db = connect(str(path), timeout=1.0)
    migrate(db, str(path), [*MIGRATIONS, NOTE, ("CREATE INDEX notes ON entries (note)",)])
    assert db.execute("SELECT key, note FROM entries").fetchall() == [("order", "from version 1")]
    assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 2,)
    db.close()


def test_a_file_of_the_first_version_keeps_its_promises(path: pathlib.Path) -> None:
    """Its keys are those of the only account, and what they cost counts: in all, and since any time."""
    create(str(path))
    db = sqlite3.connect(path, isolation_level=None)
    migrate(db, str(path), MIGRATIONS[:1])
    for number, state in enumerate(("submitted", "succeeded", "failed", "refused", "unknown"), 1):
        sent = f"2026-03-25T12:{number}0:00.000000+00:00"
        row = (API, state, f"{number}", state, ROOM.fingerprint, encode_request(ROOM), 20, f"{number}", sent, sent)
        db.execute(
            "INSERT INTO entries (origin, key, attempt, state, fingerprint, request, credits, task_id, created_at, "
            "updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
    db.close()
    with Journal(path) as journal:
        assert [(entry.key, entry.account, entry.task_id) for entry in journal.entries()] == [
            ("submitted", "", 1),
            ("succeeded", "", 2),
            ("failed", "", 3),
            ("refused", "", 4),
            ("unknown", "", 5),
        ]
        assert journal.spent(API) == 60
        assert journal.spent(API, since=datetime(2026, 3, 25, 12, 15, tzinfo=UTC)) == 40
        assert journal.spent(API, ["submitted", "failed"]) == 20
        found = journal.intend(API, "succeeded", ROOM, 20)
        assert isinstance(found, Entry)
        assert isinstance(journal.intend(API, "refused", ROOM, 20), Intent)
        assert [entry.key for entry in journal.follow(API)] == ["submitted"]
        (old,) = journal.entries("failed")
        assert (old.refunded, old.sunk) == (True, 0)
        journal.release("failed", task_id=3)
        assert journal.spent(API, ["failed"]) == 0


def test_a_failure_of_the_second_version_counts_as_refunded(path: pathlib.Path) -> None:
    """That was taken for granted then; what fails from now on is told apart, and forgotten ones keep their sums."""
    create(str(path))
    db = sqlite3.connect(path, isolation_level=None)
    migrate(db, str(path), MIGRATIONS[:2])
    sent = "2026-03-25T12:10:00.000000+00:00"
    for number, (key, state) in enumerate((("old", "failed"), ("running", "submitted"))):
        db.execute(
            "INSERT INTO entries (origin, account, key, attempt, state, fingerprint, request, credits, task_id, "
            "created_at, updated_at) VALUES (?, '', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (API, key, key, state, ROOM.fingerprint, encode_request(ROOM), 20, str(number), sent, sent),
        )
    db.close()
    with Journal(path) as journal:
        assert journal.spent(API) == journal.spent(API, ["old", "running"]) == 20
        journal.settle(API, 1, attrs.evolve(CANCELLED, id=1))
        assert [(entry.key, entry.refunded) for entry in journal.entries("failed")] == [
            ("old", True),
            ("running", None),
        ]
        assert journal.spent(API) == journal.spent(API, ["old", "running"]) == 20
        journal.prune(before=datetime.now(UTC) + timedelta(days=1))
        assert journal.spent(API) == 20


def test_a_migration_happens_whole_or_not_at_all(path: pathlib.Path) -> None:
    """One that fails in the middle leaves the file as it was, and usable."""
    version_1(path)
    db = connect(str(path), timeout=1.0)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        migrate(db, str(path), [*MIGRATIONS, (*NOTE, "UPDATE missing SET x = 1")])
    assert not db.in_transaction
    db.close()
    assert pragma(path, "user_version") == len(MIGRATIONS)
    with Journal(path) as journal:
        assert [entry.key for entry in journal.entries()] == ["order"]


def test_a_migration_that_loses_its_transaction_says_why(path: pathlib.Path) -> None:
    """A full disk rolls back by itself: the error is that of the disk, not of a second rollback."""
    version_1(path)
    db = connect(str(path), timeout=1.0)
    with pytest.raises(sqlite3.OperationalError, match="no such table: after"):
        migrate(db, str(path), [*MIGRATIONS, ("ROLLBACK", "SELECT * FROM after")])
    db.close()


def test_of_many_who_come_at_once_one_migrates(path: pathlib.Path) -> None:
    """A new file opened by many: every one gets a whole journal."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(8)

    def open_it(number: int) -> None:
        barrier.wait()
        try:
            with Journal(path) as journal:
                journal.intend(API, f"{number}", ROOM, 20)
        except Exception as error:  # noqa: BLE001 - none at all is the point
            errors.append(error)

    threads = [threading.Thread(target=open_it, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with Journal(path) as journal:
        assert sorted(entry.key for entry in journal.entries("unknown")) == list("01234567")
