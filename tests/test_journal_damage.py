"""Damage on the disk: nothing that was paid is paid again without a word, and what can be saved is."""

import pathlib
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable

import pytest
from journal_steps import API, ROOM, Clock, go

from ideal_async import Busy, Entry, Intent, Journal, JournalFailed
from ideal_async._journal import damage
from ideal_async._journal.log import add_up, mend, read_log

#: SQLite's own size of a page.
PAGE = 4096
KEYS = [f"order-{number}" for number in range(8)]


def leave(tmp_path: pathlib.Path, *, folded: bool = False) -> pathlib.Path:
    """What a process leaves that is killed behind its last commit: the file, and its log unless that is *folded* in."""
    path = tmp_path / "crashed" / "orders.journal"
    path.parent.mkdir()
    with Journal(tmp_path / "orders.journal") as journal:
        for number, key in enumerate(KEYS, 1):
            journal.submitted(go(journal, key), number)
        if folded:
            journal.idle()
        for suffix in ("", "-wal"):
            shutil.copy(f"{tmp_path / 'orders.journal'}{suffix}", f"{path}{suffix}")
    return path


def log_of(path: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(f"{path}-wal")


def flip(path: pathlib.Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def paid_again(journal: Journal) -> list[str]:
    """Use every key once more, and return those that would be sent."""
    sent = []
    for key in KEYS:
        try:
            answer = journal.intend(API, key, ROOM, 20)
        except (JournalFailed, ValueError):
            continue  # not silent
        if isinstance(answer, Intent):
            sent.append(key)
    return sent


def use_repaired(path: pathlib.Path) -> str:
    """Repair, restore if that is asked for, and see that nothing is paid again."""
    try:
        repaired = Journal.repair(path)
    except JournalFailed:
        return "lost"
    if repaired.missing_since is not None:
        with pytest.raises(JournalFailed, match="restore"):
            Journal(path)
        assert Journal.restore(path, unknown_keys="doubt") == repaired.missing_since
    with Journal(path) as journal:
        assert len(list(journal.entries())) == repaired.entries
        assert paid_again(journal) == []
    assert repaired.kept.exists()
    return "whole" if repaired.missing_since is None else "partly"


@pytest.mark.parametrize("seed", range(4))
def test_a_flipped_bit_in_the_log_is_no_second_payment(tmp_path: pathlib.Path, seed: int) -> None:
    """SQLite drops the frame and all behind it: opening is refused, and repair brings all of it back."""
    path = leave(tmp_path)
    dice = random.Random(seed)
    results = []
    for turn in range(6):
        copy = tmp_path / f"{turn}" / path.name
        shutil.copytree(path.parent, copy.parent)
        flip(log_of(copy), dice.randrange(log_of(copy).stat().st_size * 8))
        with pytest.raises(JournalFailed, match=r"is damaged: of its log .* Nothing was changed; `ideal-async journal"):
            Journal(copy)
        results.append(use_repaired(copy))
    assert results.count("whole") >= 4
    assert "lost" not in results


@pytest.mark.parametrize("seed", range(4))
def test_a_flipped_bit_in_the_file_is_no_second_payment(tmp_path: pathlib.Path, seed: int) -> None:
    """Where it matters opening is refused; a key may be in doubt then, but is not sent."""
    path = leave(tmp_path, folded=True)
    dice = random.Random(seed)
    refused = 0
    for turn in range(20):
        copy = tmp_path / f"{turn}" / path.name
        shutil.copytree(path.parent, copy.parent)
        flip(copy, dice.randrange(copy.stat().st_size * 8))
        try:
            journal = Journal(copy)
        except JournalFailed:
            refused += 1
            use_repaired(copy)
        else:
            with journal:
                assert paid_again(journal) == []
    assert refused


def test_a_hole_in_the_log_is_damage(tmp_path: pathlib.Path) -> None:
    """A whole frame is gone, as a lost sector takes it: what stands behind it was committed."""
    path = leave(tmp_path)
    frames = read_log(log_of(path)).frames
    hole = frames[len(frames) // 2]
    content = bytearray(log_of(path).read_bytes())
    content[hole.offset : hole.end] = bytes(hole.end - hole.offset)
    log_of(path).write_bytes(content)
    with pytest.raises(
        JournalFailed, match=r"frame \d+ of \d+ is broken, and \d+ transactions behind it would be lost"
    ):
        Journal(path)
    assert use_repaired(path) == "partly"


def test_what_a_kill_leaves_is_no_damage(tmp_path: pathlib.Path) -> None:
    """Half a frame at the end was never told to anybody: the rest is all there."""
    path = leave(tmp_path)
    with log_of(path).open("r+b") as log:
        log.truncate(log_of(path).stat().st_size - 1000)
    with Journal(path) as journal:
        assert paid_again(journal) == []
        assert [entry.state for entry in journal.entries()] == ["submitted"] * 7 + ["unknown"]


def test_a_torn_end_is_left_to_a_person(tmp_path: pathlib.Path) -> None:
    """Nobody can tell whether it was ever told that it is written: repair leaves it out, and says since when."""
    path = leave(tmp_path)
    content = bytearray(log_of(path).read_bytes())
    content[-4000:] = bytes(4000)
    log_of(path).write_bytes(content)
    with pytest.raises(JournalFailed, match="its last transaction is broken: torn by a power cut, or damaged since"):
        Journal(path)
    repaired = Journal.repair(path)
    assert repaired.how == "the damaged end of its log was left out"
    with pytest.raises(JournalFailed, match=r"or was repaired: what was sent after .* would be paid again"):
        Journal(path)
    since = Journal.restore(path, unknown_keys="doubt")
    with Journal(path) as journal:
        assert paid_again(journal) == []
        assert [entry.created_at for entry in journal.entries("unknown")] == [since], "the last thing it knows"


def test_what_was_refused_may_have_been_paid_in_the_end_that_is_left_out(tmp_path: pathlib.Path) -> None:
    """The last row that is left may be the very refusal: its key is in doubt."""
    path = tmp_path / "copy"
    with Journal(tmp_path / "orders.journal") as journal:
        journal.refused(go(journal, KEYS[0]), "out of credits")
        size = log_of(tmp_path / "orders.journal").stat().st_size
        journal.submitted(go(journal, KEYS[0]), 1)
        for suffix in ("", "-wal"):
            shutil.copy(f"{tmp_path / 'orders.journal'}{suffix}", f"{path}{suffix}")
    content = log_of(path).read_bytes()
    log_of(path).write_bytes(content[: size + 100] + bytes(2 * PAGE) + content[size + 100 + 2 * PAGE :])
    assert Journal.repair(path).how == "the damaged end of its log was left out"
    Journal.restore(path, unknown_keys="doubt")
    with Journal(path) as journal:
        assert paid_again(journal) == []


def test_a_broken_beginning_of_the_log_is_made_anew(tmp_path: pathlib.Path) -> None:
    """SQLite takes such a log for empty. All of it can be saved."""
    for bit in (5, 8 * 9 + 4, 8 * 17, 8 * 30):
        (tmp_path / f"{bit}").mkdir()
        path = leave(tmp_path / f"{bit}")
        flip(log_of(path), bit)
        with pytest.raises(JournalFailed, match="its first bytes are broken"):
            Journal(path)
        assert use_repaired(path) == "whole"


def test_nothing_to_repair_is_said(tmp_path: pathlib.Path) -> None:
    """And changes nothing."""
    path = leave(tmp_path)
    repaired = Journal.repair(path)
    assert (repaired.how, repaired.missing_since, repaired.entries) == ("there was nothing to repair", None, 8)
    assert Journal.repair(path).kept.name == "orders.journal-damaged-2"


def test_a_refused_file_is_as_it_was(tmp_path: pathlib.Path) -> None:
    """Damage stays where it was found: the log that may be all that is in order is not folded into the file."""
    path, copy = tmp_path / "orders.journal", tmp_path / "copy"
    with Journal(path) as journal:
        for number in range(40):
            go(journal, f"{number}")
        journal.idle()
        go(journal, "in the log")
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    content = bytearray(copy.read_bytes())
    page = content.index(b'"image_url":"https://example.com/room.jpg"') // PAGE * PAGE  # not in the log
    content[page + 8 : page + PAGE] = b"\xff" * (PAGE - 8)
    copy.write_bytes(content)
    before = copy.read_bytes(), log_of(copy).read_bytes()
    with pytest.raises(JournalFailed, match="is damaged"):
        Journal(copy)
    assert (copy.read_bytes(), log_of(copy).read_bytes()) == before


def test_rows_are_saved_one_by_one(tmp_path: pathlib.Path) -> None:
    """A page is gone: what stands on the others is copied into a new file."""
    path = leave(tmp_path, folded=True)
    content = bytearray(path.read_bytes())
    page = content.rindex(b'"image_url":"https://example.com/room.jpg"') // PAGE * PAGE
    content[page + 8 : page + PAGE] = b"\xff" * (PAGE - 8)
    path.write_bytes(content)
    with pytest.raises(JournalFailed, match="is damaged"):
        Journal(path)
    repaired = Journal.repair(path)
    assert repaired.how == "every row that can be read was copied into a new file"
    assert repaired.entries < len(KEYS)
    Journal.restore(path, unknown_keys="doubt")
    with Journal(path) as journal:
        assert paid_again(journal) == []
    assert not list(path.parent.glob("*.reading*"))


def test_a_gap_outlives_a_repair_row_by_row(tmp_path: pathlib.Path) -> None:
    """A restored journal is damaged: what was missing in it before is missing in what is saved of it."""
    path = tmp_path / "backup"
    with Journal(tmp_path / "orders.journal", now=Clock()) as journal:
        journal.backup(path)
    since = Journal.restore(path, unknown_keys="doubt")
    with Journal(path) as journal:
        for key in KEYS:
            journal.submitted(go(journal, None), int(key[-1]))
    content = bytearray(path.read_bytes())
    page = content.rindex(b'"image_url":"https://example.com/room.jpg"') // PAGE * PAGE
    content[page + 8 : page + PAGE] = b"\xff" * (PAGE - 8)
    path.write_bytes(content)
    repaired = Journal.repair(path)
    assert repaired.how == "every row that can be read was copied into a new file"
    assert repaired.missing_since == Journal.restore(path, unknown_keys="doubt") == since


def test_rows_are_saved_from_file_and_log(tmp_path: pathlib.Path) -> None:
    """Both are damaged: what can be read of either is saved."""
    path = tmp_path / "copy"
    with Journal(tmp_path / "orders.journal") as journal:
        for number in range(40):
            journal.submitted(go(journal, f"{number}"), number + 1)
            if number == 29:
                journal.idle()
        for suffix in ("", "-wal"):
            shutil.copy(f"{tmp_path / 'orders.journal'}{suffix}", f"{path}{suffix}")
    content = bytearray(path.read_bytes())
    page = content.rindex(b"https://api.ideal.house:4430") // PAGE * PAGE  # origin, account and key of the first row
    content[page + 8 : page + PAGE] = b"\xff" * (PAGE - 8)
    path.write_bytes(content)
    flip(log_of(path), 8 * 100)
    repaired = Journal.repair(path)
    assert repaired.how == "every row that can be read was copied into a new file"
    assert 25 < repaired.entries < 40
    Journal.restore(path, unknown_keys="doubt")
    with Journal(path) as journal:
        assert not [number for number in range(40) if isinstance(journal.intend(API, f"{number}", ROOM, 20), Intent)]


def test_what_sqlite_cannot_say_is_damage(tmp_path: pathlib.Path) -> None:
    """Its check itself fails."""
    with sqlite3.connect(tmp_path / "file") as db:
        db.set_authorizer(lambda *_: sqlite3.SQLITE_DENY)
        assert damage.find_damage(db) == "not authorized"
    db.close()


def test_what_cannot_be_saved_stays_as_it_is(tmp_path: pathlib.Path) -> None:
    """The first page tells all the others: without it there is only the backup."""
    path = leave(tmp_path, folded=True)
    path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 8000)
    before = path.read_bytes()
    with pytest.raises(JournalFailed, match="nothing of it can be saved; it is as it was: restore a backup"):
        Journal.repair(path)
    assert path.read_bytes() == before


def test_a_row_that_says_something_else_is_damage(tmp_path: pathlib.Path) -> None:
    """A request that is not the one of its fingerprint: the row is left out, and its key is in doubt."""
    path = leave(tmp_path, folded=True)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE entries SET request = replace(request, '720p', '480p') WHERE key = 'order-3'")
        db.execute("UPDATE entries SET task = '[]' WHERE key = 'order-4'")
    db.close()
    repaired = Journal.repair(path)
    assert repaired.entries == len(KEYS) - 2
    Journal.restore(path, unknown_keys="doubt")
    with Journal(path) as journal:
        assert paid_again(journal) == []
        assert [entry.key for entry in journal.entries("unknown")] == ["order-3", "order-4"]


def test_only_what_nobody_uses_is_repaired(tmp_path: pathlib.Path) -> None:
    """Neither another process nor this one may be writing meanwhile; a file must be there."""
    with (
        Journal(tmp_path / "orders.journal"),
        pytest.raises(JournalFailed, match="is in use: end every program that uses it"),
    ):
        Journal.repair(tmp_path / "orders.journal")
    with pytest.raises(JournalFailed, match="there is no journal"):
        Journal.repair(tmp_path / "nothing")


def test_a_large_file_is_not_read_through(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening stays quick; damage is met where it is met."""
    path = leave(tmp_path, folded=True)
    monkeypatch.setattr(damage, "CHECKED_SIZE", 1000)
    monkeypatch.setattr(damage, "find_damage", pytest.fail)
    Journal(path).close()


@pytest.mark.slow
def test_a_log_that_is_being_written_is_no_damage(tmp_path: pathlib.Path) -> None:
    """A living process knows what of it counts, whatever its end looks like to others at that moment."""
    path = leave(tmp_path)
    code = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('SELECT * FROM entries').fetchone()"
    with subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, "-c", f"{code}; print('open', flush=True); input()", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
        flip(log_of(path), 8 * (log_of(path).stat().st_size - 100))
        with Journal(path) as journal:
            assert len(list(journal.entries("submitted"))) == len(KEYS)
        reader.communicate("\n")


# The log by itself.


def write_log(path: pathlib.Path, order: str, edit: Callable[[bytearray], object] = len) -> None:
    """A log of two frames with one transaction each, by the description of its format."""
    head = struct.pack(">6I", 0x377F0682 + (order == ">"), 3007000, 512, 0, 7, 8)
    sums = add_up(head, order, (0, 0))
    content = bytearray(head + struct.pack(">2I", *sums))
    for page in (1, 2):
        frame = struct.pack(">2I", page, page)
        sums = add_up(frame + bytes([page] * 512), order, sums)
        content += frame + struct.pack(">4I", 7, 8, *sums) + bytes([page] * 512)
    edit(content)
    path.write_bytes(content)


@pytest.mark.parametrize("order", ["<", ">"])
def test_sums_are_made_in_either_order(tmp_path: pathlib.Path, order: str) -> None:
    """The machine that wrote it decides."""
    write_log(tmp_path / "log", order)
    log = read_log(tmp_path / "log")
    assert log.damage is None
    assert [(frame.valid, frame.intact, frame.ours, frame.commits) for frame in log.frames] == [(True,) * 4] * 2


def test_frames_of_an_older_log_are_no_damage(tmp_path: pathlib.Path) -> None:
    """SQLite begins again at the front; what stands behind has been copied into the file long ago."""

    def make_old(content: bytearray) -> None:
        content[32 + 536 + 8 : 32 + 536 + 16] = struct.pack(">2I", 1, 2)

    write_log(tmp_path / "log", "<", make_old)
    log = read_log(tmp_path / "log")
    assert log.damage is None
    assert [frame.valid for frame in log.frames] == [True, False]


def test_mending_leaves_an_older_log_alone(tmp_path: pathlib.Path) -> None:
    """Only frames of this log are made valid, broken ones too."""

    def harm(content: bytearray) -> None:
        content[60] ^= 1
        content[32 + 536 + 8 : 32 + 536 + 16] = struct.pack(">2I", 1, 2)

    write_log(tmp_path / "log", "<", harm)
    assert read_log(tmp_path / "log").damage is not None
    mend(tmp_path / "log", tmp_path / "database")
    log = read_log(tmp_path / "log")
    assert log.damage is None
    assert [frame.valid for frame in log.frames] == [True, False]


def test_a_log_without_a_whole_frame_is_empty(tmp_path: pathlib.Path) -> None:
    """Or one that is not there."""
    assert read_log(tmp_path / "log").frames == []
    write_log(tmp_path / "log", "<", lambda content: content.__delitem__(slice(50, None)))
    assert read_log(tmp_path / "log").damage is None


def test_a_busy_key_is_no_entry() -> None:
    """What `paid_again` relies on."""
    assert not isinstance(Busy(1.0), Intent | Entry)
