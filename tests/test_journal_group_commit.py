"""The group commit: one fsync for many writes, and each write's failure its own."""

import contextlib
import gc
import os
import pathlib
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ideal_async import JournalFailed
from ideal_async._journal.failures import _ADVICE, _ANYTHING, journal_failed
from ideal_async._journal.group_commit import GroupCommit

Work = Callable[[sqlite3.Connection], Any]


class Faulty(sqlite3.Connection):
    """A connection that records its statements and fails where a test wants it to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.statements: list[str] = []
        self.faults: dict[str, list[BaseException | None]] = {}  # by beginning of the statement; None lets one pass

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        """Fail, or do it."""
        self.statements.append(sql)
        for beginning, errors in self.faults.items():
            if sql.startswith(beginning) and errors and (error := errors.pop(0)):
                raise error
        return super().execute(sql, *args)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> str:
    path = str(tmp_path / "numbers")
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE numbers (number INTEGER UNIQUE)")
    db.close()
    return path


@pytest.fixture
def commits(path: str) -> Iterator[GroupCommit]:
    commits = GroupCommit(path, lambda: connect(path), timeout=0.0)
    yield commits
    commits.close()


def connect(path: str) -> Faulty:
    return sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False, factory=Faulty)


def writer(commits: GroupCommit) -> Faulty:
    assert isinstance(commits._writer, Faulty)
    return commits._writer


def insert(number: int) -> Work:
    return lambda db: db.execute("INSERT INTO numbers VALUES (?)", (number,)).lastrowid


def failing(error: Exception) -> Work:
    def fail(_: sqlite3.Connection) -> None:
        raise error

    return fail


def numbers(commits: GroupCommit) -> list[int]:
    return [number for (number,) in commits.read(lambda db: db.execute("SELECT number FROM numbers").fetchall())]


def refusal(code: int = sqlite3.SQLITE_IOERR) -> sqlite3.Error:
    error = sqlite3.OperationalError("refused by the test")
    error.sqlite_errorcode = code
    return error


class Crowd:
    """Threads whose writes wait behind one that is under way, so that the next commit takes them all."""

    def __init__(self, commits: GroupCommit) -> None:
        self.commits = commits
        self.results: dict[int, Any] = {}
        self._entered, self._go_on = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=commits.write, args=(self._block,))]
        self._threads[0].start()
        self._entered.wait()

    def _block(self, _: sqlite3.Connection) -> None:
        self._entered.set()
        self._go_on.wait()

    def join(self, work: Work, *, owed: object = None) -> None:
        """Send another write, and see it queue."""
        place = len(self._threads)

        def write() -> None:
            try:
                self.results[place] = self.commits.write(work, owed=owed)
            except BaseException as error:  # noqa: BLE001 - KeyboardInterrupt is a subject of these tests
                self.results[place] = error

        self._threads.append(threading.Thread(target=write))
        self._threads[-1].start()
        while len(self.commits._queue) < place:
            time.sleep(0)

    def disperse(self) -> list[Any]:
        """Let the first one finish, and return what became of the others."""
        self._go_on.set()
        for thread in self._threads:
            thread.join()
        return [self.results[place] for place in sorted(self.results)]


# One commit for many.


def test_writes_that_meet_share_a_commit(commits: GroupCommit) -> None:
    """Ten writes that queue behind one cost one commit more, not ten."""
    crowd = Crowd(commits)
    for number in range(10):
        crowd.join(insert(number))
    assert sorted(crowd.disperse()) == list(range(1, 11))
    assert writer(commits).statements.count("COMMIT") == 2
    assert numbers(commits) == list(range(10))


def test_a_failing_write_spoils_no_other(commits: GroupCommit) -> None:
    """In a shared commit each takes back its own statements, and gets its own exception."""
    crowd = Crowd(commits)

    def twice(db: sqlite3.Connection) -> None:
        insert(1)(db)
        insert(1)(db)

    def misuse(db: sqlite3.Connection) -> None:
        insert(2)(db)
        raise ValueError("one key is one video")

    def unreadable(db: sqlite3.Connection) -> None:
        insert(3)(db)
        raise PermissionError(13, "Permission denied")

    for work in (insert(0), twice, misuse, unreadable, insert(4)):
        crowd.join(work)
    first, second, third, fourth, fifth = crowd.disperse()
    assert (first, fifth) == (1, 2)
    assert isinstance(second, JournalFailed)
    assert str(third) == "one key is one video"
    assert isinstance(fourth, JournalFailed)
    assert "Permission denied: check that the folder is there" in str(fourth)
    assert numbers(commits) == [0, 4]
    assert writer(commits).statements.count("COMMIT") == 2


def test_a_lost_transaction_is_done_again_one_by_one(commits: GroupCommit) -> None:
    """A full disk rolls everything back: whoever needs no room gets through."""
    crowd = Crowd(commits)

    def too_large(db: sqlite3.Connection) -> None:
        insert(1)(db)
        db.execute("ROLLBACK")  # what SQLite does by itself
        raise refusal(sqlite3.SQLITE_FULL)

    for work in (insert(0), too_large, insert(2)):
        crowd.join(work)
    first, second, third = crowd.disperse()
    assert (first, third) == (1, 2)
    assert "the disk is full: free some space" in str(second)
    assert numbers(commits) == [0, 2]


def test_a_failing_commit_is_done_again_one_by_one(commits: GroupCommit) -> None:
    """What cannot be written together may go alone; what cannot go alone fails alone."""
    crowd = Crowd(commits)
    for number in range(3):
        crowd.join(insert(number))
    of_the_first, together, alone = None, refusal(), refusal()
    writer(commits).faults["COMMIT"] = [of_the_first, together, alone]
    results = crowd.disperse()
    assert isinstance(results[0], JournalFailed)
    assert results[1:] == [1, 2]
    assert numbers(commits) == [1, 2]


def test_a_file_locked_by_another_program_fails_all(commits: GroupCommit, path: str) -> None:
    """Once, and not once for each write."""
    crowd = Crowd(commits)
    for number in range(3):
        crowd.join(insert(number))
    writer(commits).statements.clear()
    writer(commits).faults["BEGIN"] = [refusal(sqlite3.SQLITE_BUSY)]
    results = crowd.disperse()
    assert len({id(error) for error in results}) == 3
    assert all("another program keeps it locked: close that program" in str(error) for error in results)
    assert writer(commits).statements.count("BEGIN IMMEDIATE") == 1
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalFailed, match="another program keeps it locked"):
        commits.write(insert(1))
    other.execute("ROLLBACK")
    other.close()
    commits.write(insert(1))


def test_a_file_locked_for_a_moment_is_waited_for(path: str) -> None:
    """In short rounds, until the timeout; any other failure is one at once."""
    commits = GroupCommit(path, lambda: connect(path), timeout=60.0)
    writer(commits).faults["BEGIN"] = [refusal(sqlite3.SQLITE_BUSY), refusal(sqlite3.SQLITE_BUSY | 0x0100)]
    commits.write(insert(1))
    assert writer(commits).statements.count("BEGIN IMMEDIATE") == 3
    writer(commits).faults["BEGIN"] = [refusal(), None]
    with pytest.raises(JournalFailed):
        commits.write(insert(2))
    commits.close()


def test_what_is_not_committed_is_not_read(commits: GroupCommit) -> None:
    """A reader sees what is on the disk, while a write is under way, and does not wait for it."""
    crowd = Crowd(commits)
    crowd.join(insert(1))
    assert numbers(commits) == []
    crowd.disperse()
    assert numbers(commits) == [1]


def test_a_failed_write_is_forgotten_at_once(commits: GroupCommit) -> None:
    """Whoever asks whether an intent is still held must not find it in the remains of an exception."""

    class Held:
        """Something that a write is about."""

    held = Held()
    there = weakref.ref(held)

    def work(_: sqlite3.Connection, _held: Held = held) -> None:
        raise ValueError("no")

    gc.disable()
    try:
        with contextlib.suppress(ValueError):
            commits.write(work)
        del held, work
        assert there() is None
    finally:
        gc.enable()


# Debts: what has happened already is written down in the end.


def test_an_owed_write_is_done_with_the_next(commits: GroupCommit) -> None:
    """Its caller is told that it failed; the next commit takes it along, as often as need be."""
    writer(commits).faults["BEGIN"] = [refusal(), refusal()]
    with pytest.raises(JournalFailed):
        commits.write(insert(1), owed="it")
    with pytest.raises(JournalFailed):
        commits.write(insert(2))
    commits.write(insert(3))
    assert numbers(commits) == [1, 3]
    commits.write(insert(4))
    assert numbers(commits) == [1, 3, 4]


def test_a_debt_that_stays_unpaid_spoils_nothing(commits: GroupCommit) -> None:
    """It fails for itself, and waits."""
    commits.write(insert(1))
    with pytest.raises(JournalFailed):
        commits.write(insert(1), owed="it")
    commits.write(insert(2))
    commits.write(lambda db: db.execute("DELETE FROM numbers WHERE number = 1"))
    assert numbers(commits) == [2]
    commits.write(insert(3))
    assert numbers(commits) == [2, 1, 3]


def test_closing_pays_what_is_owed(path: str) -> None:
    """The last chance to write it down."""
    commits = GroupCommit(path, lambda: connect(path), timeout=0.0)
    writer(commits).faults["BEGIN"] = [refusal()]
    with pytest.raises(JournalFailed):
        commits.write(insert(1), owed="it")
    commits.close()
    other = GroupCommit(path, lambda: connect(path), timeout=0.0)
    assert numbers(other) == [1]
    other.close()


def test_misuse_is_not_owed(commits: GroupCommit) -> None:
    """What was wrong the first time is wrong the second time."""
    with pytest.raises(ValueError, match="no"):
        commits.write(failing(ValueError("no")), owed="it")
    assert commits._owed == []


# Interrupted.


def test_an_interrupted_leader_leaves_the_others_to_go_on(commits: GroupCommit) -> None:
    """Ctrl-C in the thread that writes for all: its own write is gone, nobody else's, and nobody waits for ever."""
    crowd = Crowd(commits)
    interrupts: list[BaseException] = [KeyboardInterrupt()]

    def interrupted(db: sqlite3.Connection) -> None:
        if interrupts:
            raise interrupts.pop()
        insert(0)(db)

    crowd.join(interrupted)
    for number in range(1, 4):
        crowd.join(insert(number))
    results = crowd.disperse()
    assert sum(isinstance(result, KeyboardInterrupt) for result in results) == 1
    assert len(results) == 4
    assert len(numbers(commits)) == 3


def test_an_interrupted_leader_still_owes(commits: GroupCommit) -> None:
    """What has happened already is not forgotten because somebody pressed Ctrl-C."""
    writer(commits).faults["BEGIN"] = [refusal(), KeyboardInterrupt(), KeyboardInterrupt()]
    with pytest.raises(JournalFailed):
        commits.write(insert(1), owed="it")
    with pytest.raises(KeyboardInterrupt):
        commits.write(insert(2), owed="it")
    with pytest.raises(KeyboardInterrupt):
        commits.write(insert(3))
    commits.write(insert(4))
    assert numbers(commits) == [1, 2, 4]


def test_who_is_interrupted_while_waiting_writes_nothing(commits: GroupCommit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for that write any more, so nobody does it."""
    wait_for = commits._turn.wait_for

    def interrupt(_: Callable[[], bool]) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(commits._turn, "wait_for", interrupt)
    with pytest.raises(KeyboardInterrupt):
        commits.write(insert(1))
    monkeypatch.setattr(commits._turn, "wait_for", wait_for)
    commits.write(insert(2))
    assert numbers(commits) == [2]


def test_who_is_interrupted_while_another_writes_for_him_leaves_it(
    commits: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is under way and cannot be called back."""

    def interrupt(_: Callable[[], bool]) -> bool:
        commits._queue.clear()  # a leader has taken it
        raise KeyboardInterrupt

    monkeypatch.setattr(commits._turn, "wait_for", interrupt)
    with pytest.raises(KeyboardInterrupt):
        commits.write(insert(1))


# Explained.


def exceptions(cls: type[sqlite3.Error]) -> set[type[sqlite3.Error]]:
    return {cls}.union(*(exceptions(child) for child in cls.__subclasses__()))


#: Primary result codes are 1 to 28; the module also names authorizer actions and limits among its constants.
CODES = sorted(
    {value & 0xFF for name, value in vars(sqlite3).items() if name.startswith("SQLITE_") and isinstance(value, int)}
    & set(range(1, 29))
)


@pytest.mark.parametrize("cls", sorted(exceptions(sqlite3.Error), key=str))
def test_every_error_of_sqlite_is_explained(commits: GroupCommit, cls: type[sqlite3.Error]) -> None:
    """Each becomes a JournalFailed that names the file and the fix, wherever it comes from."""
    for code in [None, *CODES]:
        error = cls("disk I/O error")
        if code is not None:
            error.sqlite_errorcode = code | 0x0300  # an extended code, as SQLite gives them
        for call in (commits.read, commits.write):
            with pytest.raises(JournalFailed) as caught:
                call(failing(error))
            assert _ADVICE.get(code or 0, _ANYTHING) in str(caught.value)
            assert repr(commits._path) in str(caught.value)
            assert caught.value.task_id is None
        for statement in ("BEGIN", "SAVEPOINT", "RELEASE", "COMMIT"):
            writer(commits).faults[statement] = [error]
            with pytest.raises(JournalFailed):
                commits.write(lambda _: None)
        commits.write(lambda _: None)


def test_every_advice_is_about_a_real_code() -> None:
    """The table names no code twice or wrong."""
    assert set(_ADVICE) <= set(CODES)
    assert len(CODES) >= 25


def test_an_error_of_the_system_is_explained() -> None:
    """With its words, or its class if it has none."""
    assert "Too many open files: check" in str(journal_failed(OSError(24, "Too many open files"), "j"))
    assert "odd: check" in str(journal_failed(OSError("odd"), "j"))


def test_a_name_that_is_no_text_is_damage() -> None:
    """A flipped bit in what SQLite gives as text is no mistake of the caller's."""
    error = UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid continuation byte")
    assert "journal repair" in str(journal_failed(error, "j"))


# Opened and closed.


def test_a_connection_that_cannot_be_opened_leaves_none(path: str) -> None:
    """The first is closed when the second fails (an open one would be a ResourceWarning)."""
    opened: list[Faulty] = []

    def open_once() -> Faulty:
        if opened:
            raise refusal()
        opened.append(connect(path))
        return opened[0]

    with pytest.raises(sqlite3.OperationalError):
        GroupCommit(path, open_once, timeout=0.0)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")


@pytest.mark.parametrize("method", ["read", "write"])
def test_who_comes_while_it_closes_is_told(commits: GroupCommit, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Closed between the first look and the lock: the same RuntimeError, and none of sqlite3's."""
    check = commits.check

    def check_and_close() -> None:
        check()
        commits.close()

    monkeypatch.setattr(commits, "check", check_and_close)
    with pytest.raises(RuntimeError, match="is closed: open a new Journal"):
        getattr(commits, method)(lambda db: db.execute("SELECT 1").fetchone())


def test_a_forked_child_may_not_use_it(commits: GroupCommit, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's locks do not survive a fork; closing there leaves the parent's file alone."""
    parent = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)
    for call in (commits.read, commits.write):
        with pytest.raises(RuntimeError, match="opened before a fork: open a Journal in the child process"):
            call(lambda _: None)
    commits.close()
    monkeypatch.undo()
    commits.write(insert(1))


# The log.


def test_a_long_log_is_copied_into_the_file(commits: GroupCommit, path: str) -> None:
    """And emptied, so that it does not grow for ever; a reader in the way only puts it off."""
    log = pathlib.Path(f"{path}-wal")
    usual, commits._log_limit = commits._log_limit, 20_000
    with_reader = range(10)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM numbers").fetchall()
    for number in with_reader:
        commits.write(insert(number))
    assert log.stat().st_size > 20_000
    assert writer(commits).statements.count("PRAGMA wal_checkpoint(TRUNCATE)") <= 2, "at twice the size again"
    reader.close()
    written = len(with_reader)
    while log.stat().st_size:
        assert written < 100
        commits.write(insert(written))
        written += 1
    assert numbers(commits) == list(range(written))
    assert commits._log_limit == usual


def test_a_failing_checkpoint_costs_nobody_anything(commits: GroupCommit, path: str) -> None:
    """All is durable in the log; without a log there is nothing to do."""
    commits._log_limit = 0
    writer(commits).faults["PRAGMA wal_checkpoint"] = [refusal()]
    commits.write(insert(1))
    assert "PRAGMA wal_checkpoint(TRUNCATE)" in writer(commits).statements
    assert writer(commits).statements[-1] == "PRAGMA busy_timeout = 5"
    commits._log = f"{path}-elsewhere"
    commits.write(insert(2))
    assert numbers(commits) == [1, 2]
