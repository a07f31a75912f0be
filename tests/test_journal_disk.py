"""Disks that fill up, files that go away, copies: what is known is told, and nothing is paid into the void."""

import os
import pathlib
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from fakes import Service, answer
from journal_steps import API, HALL, REACH, ROOM, Clock, ask, go, refused, submitted, succeeded

from ideal_async import AsyncClient, Intent, Journal, JournalFailed
from ideal_async._journal import copies, place

Fault = Callable[[], None]


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "orders.journal"


@pytest.fixture
def journal(path: pathlib.Path) -> Iterator[Journal]:
    journal = Journal(path, now=Clock())
    yield journal
    with suppress(JournalFailed):
        journal.close()


class Disk:
    """A disk on which nothing can be written for a while; reading goes on."""

    def __init__(self, journal: Journal, kind: str) -> None:
        self._writer = journal._commits._writer
        self._kind = kind

    def fill(self) -> None:
        """Let every write fail: each by itself, as for want of room, or as soon as a transaction begins."""
        if self._kind == "full":
            self._writer.set_authorizer(
                lambda action, *_: sqlite3.SQLITE_DENY if action in WRITES else sqlite3.SQLITE_OK
            )
        else:
            self._writer.execute("PRAGMA query_only = ON")

    def free(self) -> None:
        """Let them succeed again."""
        self._writer.set_authorizer(None)
        self._writer.execute("PRAGMA query_only = OFF")


WRITES = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}


@pytest.fixture(params=["full", "read-only"])
def disk(request: pytest.FixtureRequest, journal: Journal) -> Disk:
    return Disk(journal, request.param)


# What is owed is told.


def test_an_id_that_could_not_be_written_answers_for_its_key(journal: Journal, disk: Disk) -> None:
    """The very process that holds it would wait for itself, for ever."""
    intent = go(journal)
    disk.fill()
    with pytest.raises(JournalFailed) as failed:
        journal.submitted(intent, 7)
    assert failed.value.task_id == 7
    for _ in range(2):
        assert (ask(journal).state, ask(journal).task_id) == ("submitted", 7)
    with pytest.raises((ValueError, JournalFailed)):
        journal.intend(API, "order", HALL, 20)
    found = journal.find(API, "order")
    assert found is not None
    assert (found.state, found.task_id) == ("submitted", 7)
    assert [entry.task_id for entry in journal.entries()] == [7]
    disk.free()
    journal.sweep()
    assert (ask(journal).state, ask(journal).task_id) == ("submitted", 7)


def test_a_doubt_that_could_not_be_written_is_told(journal: Journal, disk: Disk) -> None:
    """Nobody waits for an answer that will not come."""
    intent = go(journal)
    disk.fill()
    with pytest.raises(JournalFailed):
        journal.unknown(intent)
    assert ask(journal).state == "unknown"


@pytest.mark.parametrize("what", ["withdraw", "refused"])
def test_what_was_not_paid_may_go_again_when_that_can_be_written(journal: Journal, disk: Disk, what: str) -> None:
    """Until then nothing is sent, and the error says why."""
    intent = go(journal)
    disk.fill()
    with pytest.raises(JournalFailed):
        getattr(journal, what)(intent, *(["no"] if what == "refused" else []))
    with pytest.raises(JournalFailed, match=r"may go again, but its last attempt cannot be written off yet|read-only"):
        journal.intend(API, "order", ROOM, 20)
    found = journal.find(API, "order")
    assert found is not None
    assert found.state == "refused"
    disk.free()
    assert isinstance(journal.intend(API, "order", ROOM, 20), Intent)


def test_closing_names_what_was_lost(journal: Journal, disk: Disk, path: pathlib.Path) -> None:
    """The ids stand nowhere else; opened again, their keys are in doubt."""
    intents = [go(journal, key) for key in "abc"]
    disk.fill()
    for number, intent in enumerate(intents[:2], 7):
        with pytest.raises(JournalFailed):
            journal.submitted(intent, number)
    with pytest.raises(JournalFailed):
        journal.unknown(intents[2])
    with pytest.raises(JournalFailed) as lost:
        journal.close()
    message = str(lost.value)
    assert "key 'a' is submitted as task 7, key 'b' is submitted as task 8, key 'c' is unknown" in message
    assert "for this user" in message
    journal.close()
    with Journal(path) as again:
        assert [entry.state for entry in again.entries()] == ["unknown"] * 3
        again.adopt("a", 7, force=True)


def test_closing_says_nothing_where_nothing_is_lost(journal: Journal, disk: Disk) -> None:
    """The last write may go through after all."""
    intent = go(journal)
    disk.fill()
    with pytest.raises(JournalFailed):
        journal.submitted(intent, 7)
    disk.free()
    journal.close()


@pytest.mark.anyio
async def test_a_client_on_a_full_disk_pays_once(journal: Journal, disk: Disk) -> None:
    """The first call raises with the id, the second returns it, and so does the first after a restart."""
    service = Service(submit=lambda _: fill_and_answer(disk))
    async with AsyncClient("key", base_url="https://api.example", transport=service, journal=journal) as client:
        with pytest.raises(JournalFailed) as failed:
            await client.submit(ROOM, key="a")
        assert failed.value.task_id == 7
        assert await client.submit(ROOM, key="a") == 7
        disk.free()
        assert await client.submit(ROOM, key="a") == 7
    assert len(service.submits) == 1


def fill_and_answer(disk: Disk) -> Any:
    disk.fill()
    return answer(7)


@pytest.mark.anyio
async def test_a_journal_closes_in_an_async_block(path: pathlib.Path) -> None:
    """Beside `with`: the event loop is not held up, and what was lost is said."""
    async with Journal(path) as journal:
        submitted(journal)
    with pytest.raises(RuntimeError, match="is closed"):
        journal.sweep()
    with pytest.raises(RuntimeError, match="is closed"):
        journal.open()


# A file that goes away.


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
@pytest.mark.parametrize("how", ["deleted", "moved", "replaced"])
def test_nothing_is_paid_into_a_file_that_went_away(
    journal: Journal, path: pathlib.Path, suffix: str, how: str
) -> None:
    """Neither a new intent nor one that was about to be sent; what was paid by then is told, and lost only aloud."""
    journal.submitted(go(journal, "before"), 1)
    waiting, sent = go(journal, "waiting"), go(journal, "sent")
    assert journal.confirm(waiting)
    file = pathlib.Path(f"{path}{suffix}")
    if how == "deleted":
        file.unlink()
    else:
        file.rename(path.with_name("elsewhere"))
    if how == "replaced":
        shutil.copy(path.with_name("elsewhere"), file)
    gone = "was deleted, moved or replaced while it was open, so that nothing more is sent"
    with pytest.raises(JournalFailed, match=gone):
        journal.intend(API, "order", ROOM, 20)
    with pytest.raises(JournalFailed, match=gone):
        journal.confirm(waiting)
    with pytest.raises(JournalFailed, match=gone) as failed:
        journal.submitted(sent, 7)
    assert failed.value.task_id == 7
    assert [entry.state for entry in journal.entries(keys=["sent"])] == ["submitted"]
    if how == "moved":
        path.with_name("elsewhere").rename(file)
        assert isinstance(journal.intend(API, "order", ROOM, 20), Intent)
        journal.close()
        with Journal(path) as again:
            assert [entry.task_id for entry in again.entries("submitted")] == [1, 7]
    else:
        with pytest.raises(JournalFailed, match="key 'sent' is submitted as task 7"):
            journal.close()
    del waiting


def test_what_was_paid_is_written_into_the_file_that_was_moved(journal: Journal, path: pathlib.Path) -> None:
    """Whoever moved it has it: the id is there, although closing says that it may be lost."""
    intent = go(journal)
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(JournalFailed):
        journal.submitted(intent, 7)
    with pytest.raises(JournalFailed, match="key 'order' is submitted as task 7"):
        journal.close()
    with Journal(path.with_name("elsewhere")) as moved:
        assert ask(moved).task_id == 7


def test_a_folder_that_goes_away_takes_the_file_along(journal: Journal, path: pathlib.Path) -> None:
    """Found out as well."""
    path.parent.rename(path.parent.with_name("elsewhere"))
    with pytest.raises(JournalFailed, match="was deleted, moved or replaced"):
        journal.intend(API, "order", ROOM, 20)
    path.parent.with_name("elsewhere").rename(path.parent)


# A file by itself.


def test_the_file_holds_everything_when_new_idle_or_closed(journal: Journal, path: pathlib.Path) -> None:
    """A copy of it alone is a journal then, and pays nothing again."""
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    with sqlite3.connect(copy) as db:
        assert db.execute("SELECT count(*) FROM entries").fetchone() == (0,)
    db.close()
    Journal(copy).close()
    submitted(journal)
    journal.idle()
    assert pathlib.Path(f"{path}-wal").stat().st_size == 0
    shutil.copy(path, path.with_name("second"))
    with Journal(path.with_name("second")) as second:
        assert ask(second).state == "submitted"
    journal.close()
    assert not pathlib.Path(f"{path}-wal").exists()


def test_idling_waits_for_nobody(journal: Journal, path: pathlib.Path) -> None:
    """Another program in the middle of something: the log stays as it is, until the next time."""
    submitted(journal)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM entries").fetchall()
    journal.submitted(go(journal, "more"), 8)
    journal.idle()
    assert pathlib.Path(f"{path}-wal").stat().st_size > 0
    reader.close()
    journal.idle()
    assert pathlib.Path(f"{path}-wal").stat().st_size == 0


# Backups.


@pytest.fixture
def backup(journal: Journal, path: pathlib.Path) -> pathlib.Path:
    """Made while in use: what is paid afterwards is not in it."""
    succeeded(journal)
    intent = go(journal, "in the air")
    backup = path.with_name("backup")
    journal.backup(backup)
    journal.submitted(intent, 8)
    journal.submitted(go(journal, "later"), 9)
    return backup


def test_a_backup_is_no_journal(backup: pathlib.Path) -> None:
    """It would pay again what was paid since: refused, until it is said what to do about that."""
    fix = r"is a backup.*: what was sent after 2026-03-25T.* would be paid again. `ideal-async journal restore .*backup"
    for _ in range(2):
        with pytest.raises(JournalFailed, match=fix):
            Journal(backup)
    assert {file.name for file in backup.parent.glob("backup*")} == {"backup"}
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_a_restored_backup_doubts_what_it_does_not_know(backup: pathlib.Path) -> None:
    """Such a key may have been paid: a person adopts or releases it. Keys that are made up are always new."""
    since = Journal.restore(backup, unknown_keys="doubt")
    assert since.date() == datetime(2026, 3, 25, tzinfo=UTC).date()
    with Journal(backup) as restored:
        assert ask(restored).state == "succeeded"
        assert ask(restored, "in the air").state == "unknown"
        entry = ask(restored, "later")
        assert (entry.state, entry.created_at, entry.request) == ("unknown", since, ROOM)
        assert entry.reason == "the copy that was restored does not know it"
        assert restored.spent(API, ["later"]) == 20
        restored.adopt("later", 9, force=True)
        assert restored.release("in the air").state == "refused"
        assert isinstance(restored.intend(API, None, ROOM, 20), Intent)
    assert Journal.restore(backup, unknown_keys="send") == since
    with Journal(backup) as restored:
        assert ask(restored, "later").state == "submitted"
        assert isinstance(restored.intend(API, "new", ROOM, 20), Intent)


@pytest.mark.parametrize("state", REACH)
def test_a_restored_backup_doubts_that_its_word_is_the_last(journal: Journal, path: pathlib.Path, state: str) -> None:
    """Whatever a key was when it was copied, it may have been released and paid since: none goes without a person."""
    REACH[state](journal)
    journal.backup(path.with_name("backup"))
    Journal.restore(path.with_name("backup"), unknown_keys="doubt")
    with Journal(path.with_name("backup")) as restored:
        assert ask(restored).state == ("unknown" if state == "refused" else state)


def test_what_is_refused_after_the_restore_goes_again(journal: Journal, path: pathlib.Path) -> None:
    """By the API or by a person: the doubt is over. Until then it counts as spent from when on it may have been."""
    refused(journal)
    journal.backup(path.with_name("backup"))
    since = Journal.restore(path.with_name("backup"), unknown_keys="doubt")
    with Journal(path.with_name("backup")) as restored:
        entry = ask(restored)
        assert entry.reason == "it is refused in the copy that was restored, and may have been paid since"
        assert (entry.created_at, restored.spent(API, since=since)) == (since, 20)
        restored.release("order", force=True)
        assert restored.spent(API) == 0
        restored.refused(go(restored), "out of credits")
        go(restored)


def test_a_restored_backup_without_an_entry_trusts_its_own(journal: Journal, path: pathlib.Path) -> None:
    """All that is in it came after."""
    journal.backup(path.with_name("backup"))
    Journal.restore(path.with_name("backup"), unknown_keys="doubt")
    with Journal(path.with_name("backup")) as restored:
        ask(restored)
        restored.release("order", force=True)
        go(restored)


def test_what_failed_before_the_restore_is_released_by_force(journal: Journal, path: pathlib.Path) -> None:
    """It may have been released before, and its key have a later task; the message says where to look."""
    REACH["failed"](journal)
    journal.backup(path.with_name("backup"))
    Journal.restore(path.with_name("backup"), unknown_keys="doubt")
    with Journal(path.with_name("backup")) as restored:
        with pytest.raises(ValueError, match="look into your account for a later task, then pass force=True"):
            restored.release("order", task_id=7)
        restored.release("order", task_id=7, force=True)
        go(restored)


def test_a_backup_of_a_restored_journal_is_a_backup(backup: pathlib.Path) -> None:
    """What was said of the first does not hold for the second."""
    Journal.restore(backup, unknown_keys="send")
    with Journal(backup) as restored:
        restored.backup(backup.with_name("second"))
    with pytest.raises(JournalFailed, match="is a backup"):
        Journal(backup.with_name("second"))


@pytest.mark.parametrize("answered", ["doubt", "send"])
def test_a_gap_stays_until_somebody_says_that_nothing_is_in_it(backup: pathlib.Path, answered: str) -> None:
    """What the first backup does not know, a backup of what was made of it knows no better."""
    since = Journal.restore(backup, unknown_keys=answered)  # type: ignore[arg-type]  # one of the two
    second = backup.with_name("second")
    with Journal(backup) as restored:
        restored.backup(second)
    assert (Journal.restore(second, unknown_keys="doubt") == since) == (answered == "doubt")


def contents(path: pathlib.Path) -> dict[str, bytes]:
    """The bytes of a file and its log; what SQLite shares between processes is made anew at each start."""
    return {file.name: file.read_bytes() for file in path.parent.glob(f"{path.name}*") if file.name[-4:] != "-shm"}


def test_the_log_of_another_file_is_not_written_into_a_backup(
    backup: pathlib.Path, journal: Journal, path: pathlib.Path
) -> None:
    """It was brought to the place of a journal that crashed, whose log is there still: refused, whoever opens it."""
    journal.submitted(go(journal, "in the log"), 10)
    shutil.copy(f"{path}-wal", f"{backup}-wal")
    before = contents(backup)
    steps: list[Callable[[], object]] = [
        lambda: Journal(backup),
        lambda: Journal.restore(backup, unknown_keys="doubt"),
        lambda: Journal.repair(backup),
    ]
    for step in steps:
        with pytest.raises(JournalFailed, match=r"is the log of the journal whose place it took: move .*backup-wal"):
            step()
        assert contents(backup) == before
    pathlib.Path(f"{backup}-wal").rename(f"{backup}.aside")
    Journal.restore(backup, unknown_keys="doubt")
    with Journal(backup) as restored:
        assert ask(restored, "in the log").reason == "the copy that was restored does not know it"


def test_a_refused_backup_is_as_it_was(backup: pathlib.Path) -> None:
    """To the byte: its header still says that it needs no log."""
    before = contents(backup)
    with pytest.raises(JournalFailed, match="is a backup"):
        Journal(backup)
    assert contents(backup) == before


def test_only_a_backup_is_restored(journal: Journal, path: pathlib.Path) -> None:
    """A journal is used as it is; a word that means nothing, and a file that is not there, are mistakes."""
    journal.close()
    with pytest.raises(ValueError, match="neither a backup nor repaired: use it as it is"):
        Journal.restore(path, unknown_keys="send")
    with pytest.raises(ValueError, match="unknown_keys must be one of doubt, send, not 'pay'"):
        Journal.restore(path, unknown_keys="pay")  # type: ignore[arg-type]  # the mistake is the subject
    with pytest.raises(JournalFailed, match="there is no journal"):
        Journal.restore(path.with_name("nothing"), unknown_keys="send")


def test_a_backup_takes_the_place_of_nothing(journal: Journal, path: pathlib.Path) -> None:
    """What stands there may be the only copy of something; so may what has a name that a half one could have."""
    with pytest.raises(FileExistsError):
        journal.backup(path)
    path.with_name("backup.part").write_text("another's")
    journal.backup(path.with_name("backup"))
    assert path.with_name("backup.part").read_text() == "another's"
    assert {file.name for file in path.parent.glob("backup*")} == {"backup", "backup.part"}
    with pytest.raises(JournalFailed, match="check that the folder is there"):
        journal.backup(path.parent / "nowhere" / "backup")


def test_a_backup_that_fails_leaves_nothing(
    journal: Journal, path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a copy is none."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copies, "forget_since", fail)
    with pytest.raises(JournalFailed, match="No space left"):
        journal.backup(path.with_name("backup"))
    assert not list(path.parent.glob("backup*"))


# Paths.


def test_a_path_is_text(journal: Journal, path: pathlib.Path) -> None:
    """SQLite's paths are; the message says how to make one of bytes."""
    name: Any = os.fsencode(path.with_name("backup"))
    for step in (Journal, Journal.repair, journal.backup):
        with pytest.raises(TypeError, match=r"is a str or a pathlib.Path, not b'.*: pass os.fsdecode\(path\)"):
            step(name)


def test_a_path_may_be_as_long_as_sqlite_takes_it(tmp_path: pathlib.Path) -> None:
    """To the byte; one more is refused with the numbers, as is a name for whose log there is no room."""
    folder = tmp_path
    while len(os.fsencode(folder)) < 504 - 210:
        folder /= "f" * 100
    folder.mkdir(parents=True, exist_ok=True)
    name = "n" * (504 - len(os.fsencode(folder)) - 1)
    Journal(folder / name).close()
    with pytest.raises(JournalFailed, match=r"its path has 505 bytes .* SQLite opens no more than 504 .* shorter path"):
        Journal(folder / f"{name}n")
    with pytest.raises(JournalFailed, match=r"its name 250, .* no more than 504 and 247: name a shorter path"):
        Journal(tmp_path / ("n" * 250))


ways: list[Callable[[pathlib.Path], object]] = [
    Journal,
    Journal.repair,
    lambda path: Journal.restore(path, unknown_keys="send"),
]


@pytest.mark.parametrize("way", ways)
def test_a_file_with_a_second_name_is_refused(
    journal: Journal, path: pathlib.Path, way: Callable[[pathlib.Path], object]
) -> None:
    """By each name there would be a log and locks of its own: what is paid by one is not known by the other."""
    submitted(journal)
    (path.parent / "elsewhere").mkdir()
    other = path.parent / "elsewhere" / "orders.journal"
    os.link(path, other)
    with pytest.raises(JournalFailed, match=r"has another name \(a hard link\).*: delete the other name"):
        way(other)
    assert {file.name for file in other.parent.iterdir()} == {other.name}
    other.unlink()
    other.symlink_to(path)
    with Journal(other) as same:
        assert ask(same).state == "submitted"


@pytest.mark.parametrize("way", ways)
def test_a_file_that_is_mounted_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, way: Callable[[pathlib.Path], object]
) -> None:
    """Its log would stay in the container; a folder that is mounted holds both."""
    path = tmp_path / "my\\ orders\t\n"
    Journal(path).close()
    mounts = tmp_path / "mountinfo"
    line = "36 35 98:0 /a {} rw,noatime master:1 - ext3 /dev/root rw\n"
    monkeypatch.setattr(place, "_MOUNTS", mounts)
    mounts.write_text(line.format(tmp_path))
    Journal(path).close()
    mounts.write_text(line.format("/") + line.format(tmp_path / r"my\134\040orders\011\012"))
    with pytest.raises(JournalFailed, match=r"is mounted by itself.*: mount the folder, not the file"):
        way(path)
    mounts.unlink()
    Journal(path).close()


def test_a_folder_that_became_a_file_is_told(tmp_path: pathlib.Path) -> None:
    """Whether the journal stands in its place cannot be known: nothing is sent, and the message says what to check."""
    folder = tmp_path / "folder"
    folder.mkdir()
    with Journal(folder / "orders.journal") as journal:
        intent = go(journal)
        folder.rename(tmp_path / "aside")
        folder.write_text("a file")
        with pytest.raises(JournalFailed, match="Not a directory: check that the folder is there"):
            journal.confirm(intent)
        folder.unlink()
        (tmp_path / "aside").rename(folder)
        assert journal.confirm(intent)


def test_a_path_has_no_nul(tmp_path: pathlib.Path) -> None:
    """No file system can hold it: the message says so, not that a disk should be checked."""
    with pytest.raises(ValueError, match="has a NUL character in it, which no file name can have"):
        Journal(tmp_path / "a\0b")


def test_a_lost_schema_version_is_said(journal: Journal, path: pathlib.Path) -> None:
    """A dump and reload loses it: the message says how to go on, and that works."""
    submitted(journal)
    journal.close()
    with sqlite3.connect(path) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        db.execute("PRAGMA user_version = 0")
    db.close()
    with pytest.raises(JournalFailed, match=rf"no schema version \(user_version is 0\).* set it to {version}"):
        Journal(path)
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {version}")
    db.close()
    with Journal(path) as again:
        assert ask(again).state == "submitted"
