"""The journal in a file: what stands in it, and how it lives."""

import os
import pathlib
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest
from journal_steps import API, MADE, ROOM, Clock, ask, go, is_busy, succeeded

from ideal_async import Intent, Journal, JournalFailed, Task
from ideal_async._wire import read_task


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "orders.journal"


@pytest.fixture
def journal(path: pathlib.Path) -> Iterator[Journal]:
    with Journal(path, now=Clock()) as journal:
        yield journal


# What stands in the file.


def test_times_are_utc(path: pathlib.Path) -> None:
    """Whatever clock it is given, the journal speaks UTC, and text sorts as time does."""
    east = datetime(2026, 3, 25, 1, tzinfo=timezone(timedelta(hours=9)))
    with Journal(path, now=lambda: east) as journal:
        intent = go(journal)
        (entry,) = journal.entries()
        assert entry.created_at == entry.updated_at == intent.created_at == east
        assert entry.created_at.tzinfo == intent.created_at.tzinfo == UTC


def test_a_long_journal_is_read_in_pages(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many that takes, all of it comes, in order."""
    monkeypatch.setattr("ideal_async._journal.reading._PAGE", 3)
    for number in range(9):
        journal.submitted(go(journal, f"{number}"), number + 1)
    assert [entry.key for entry in journal.entries()] == list("012345678")
    assert [entry.key for entry in journal.entries("submitted", keys=list("87654321"))] == list("12345678")


SECRET = "s3cret"


def test_nothing_secret_is_written(journal: Journal, path: pathlib.Path) -> None:
    """No query string, fragment, user or password of any URL, wherever the API or the caller put it."""
    url = f"https://user:p@{SECRET}@example.com/room.jpg?sig={SECRET}#{SECRET}"
    intent = go(journal, request=attrs.evolve(ROOM, image_url=url, last_image_url=url, prompt=f"like {url} please"))
    journal.submitted(intent, 7)
    raw: dict[str, Any] = {
        "id": 7,
        "status": "Success",
        "input": {"imageUrl": url, "lastImageUrl": url, "prompt": f"<{url}>"},
        "output": {"resultUrl": url, "cover": f"/relative?sig={SECRET}"},
        "more": {"thumbnailURL": f"//cdn?{SECRET} {SECRET}", "deep": [[{"note": f"see {url}, or '{url}'"}]]},
    }
    journal.settle(API, 7, read_task(raw))
    journal.refused(go(journal, "refused"), f"cannot fetch {url}")
    journal.submitted(go(journal, "failed"), 8)
    journal.settle(API, 8, None, reason=f"cannot fetch {url}.")
    assert SECRET not in repr(list(journal.entries()))
    written = b"".join(file.read_bytes() for file in path.parent.iterdir() if file.is_file())
    assert b"example.com/room.jpg" in written
    assert SECRET.encode() not in written
    (entry, *_) = journal.entries("succeeded")
    assert entry.request.prompt == "like https://example.com/room.jpg please"
    assert entry.task is not None
    assert entry.task.output is not None
    assert (entry.task.output.result_url, entry.task.output.cover) == ("https://example.com/room.jpg", "/relative")
    assert entry.task.raw["more"] == {
        "thumbnailURL": "//cdn",
        "deep": [[{"note": "see https://example.com/room.jpg or 'https://example.com/room.jpg'"}]],
    }


def test_odd_words_of_the_api_are_kept(journal: Journal) -> None:
    """Half a surrogate pair, a status nobody knows, a value that is no JSON: none costs us the outcome."""
    journal.submitted(go(journal), 7)
    journal.settle(
        API, 7, Task(id=7, status="Success", raw={"note": "\ud800", "when": datetime(2026, 1, 1, tzinfo=UTC)})
    )
    journal.refused(go(journal, "other"), "no \ud800")
    made, other = journal.entries()
    assert made.task is not None
    assert made.task.raw == {"note": "\ud800", "when": "2026-01-01 00:00:00+00:00"}
    assert other.reason == "no \\ud800"


def test_only_the_user_can_read_it(path: pathlib.Path) -> None:
    """Mode 0600 from the first moment on, for SQLite's files as well, whatever the umask."""
    before = os.umask(0)
    try:
        with Journal(path) as journal:
            go(journal)
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.rglob("*")}
            (lock,) = pathlib.Path(f"{path}-owners").iterdir()
            assert modes == {
                "orders.journal": 0o600,
                "orders.journal-wal": 0o600,
                "orders.journal-shm": 0o600,
                "orders.journal-owners": 0o700,
                lock.name: 0o600,
            }
    finally:
        os.umask(before)


def test_a_reader_leaves_no_trace(journal: Journal, path: pathlib.Path) -> None:
    """Looking needs no claim to be alive; a closed journal leaves one file and an empty folder."""
    assert list(journal.entries()) == []
    assert not pathlib.Path(f"{path}-owners").exists()
    journal.submitted(go(journal), 7)
    journal.close()
    assert {file.name for file in path.parent.rglob("*")} == {"orders.journal", "orders.journal-owners"}


def test_every_name_of_a_file_leads_to_one_journal(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a link, or relative: the same rows and the same owners. A dangling link makes its target, private."""
    (tmp_path / "deep").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "deep" / "orders.journal")
    monkeypatch.chdir(tmp_path / "deep")
    with Journal(link) as one, Journal("orders.journal") as two:
        intent = go(one)
        assert is_busy(two)
        one.submitted(intent, 7)
        assert ask(two).state == "submitted"
    assert stat.S_IMODE((tmp_path / "deep" / "orders.journal").stat().st_mode) == 0o600
    assert not pathlib.Path(f"{link}-owners").exists()


def test_an_odd_path_is_a_path(tmp_path: pathlib.Path) -> None:
    """Characters that mean something in a URI mean nothing here."""
    for name in ("a?mode=memory", "50%41 off#1", "schöne.journal"):
        with Journal(str(tmp_path / name)) as journal:
            go(journal)
        assert (tmp_path / name).is_file()


@pytest.mark.parametrize("path", ["", ":memory:"])
def test_a_journal_is_a_file(path: str) -> None:
    """One in memory would forget what was paid."""
    with pytest.raises(ValueError, match="must outlive its process: name a file"):
        Journal(path)


@pytest.mark.parametrize("task", ["[]", "[" * 100_000])
def test_a_damaged_row_is_named(journal: Journal, path: pathlib.Path, task: str) -> None:
    """Somebody edited the file: the error says which row."""
    succeeded(journal)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE entries SET task = ?", (task,))
    db.close()
    with pytest.raises(
        JournalFailed, match=r"entry of key 'order' is damaged .*: restore a backup, or delete that row"
    ):
        list(journal.entries())


# Its life.


def test_a_closed_journal_says_so(journal: Journal) -> None:
    """Every method names the fix; closing twice is fine."""
    intent = go(journal)
    journal.close()
    journal.close()
    calls: list[Callable[[], object]] = [
        journal.entries,
        lambda: journal.release("order", force=True),
        lambda: journal.prune(before=datetime(2026, 1, 1, tzinfo=UTC)),
        lambda: journal.intend(API, "order", ROOM, 20),
        lambda: journal.withdraw(intent),
        lambda: journal.submitted(intent, 7),
        lambda: journal.refused(intent, "no"),
        lambda: journal.unknown(intent),
        lambda: journal.settle(API, 7, MADE),
        lambda: journal.find(API, "order"),
        lambda: journal.spent(API, ["order"]),
        journal.sweep,
    ]
    for call in calls:
        with pytest.raises(RuntimeError, match="is closed: open a new Journal"):
            call()


def test_closing_gives_up_what_was_in_the_air(path: pathlib.Path) -> None:
    """A closed journal hears no answers any more; nor does anyone count on its owner."""
    with Journal(path) as one, Journal(path) as two:
        intent = go(one)
        assert two.sweep() == 0
        one.close()
        assert two.sweep() == 1
        assert ask(two).state == "unknown"
        two.submitted(intent, 7)
        assert ask(two).state == "submitted"


def test_opening_finds_what_a_crash_left(path: pathlib.Path) -> None:
    """The first look after a crash shows every key in doubt."""
    with Journal(path) as crashed:
        intents = [go(crashed, key) for key in "abc"]
    with Journal(path) as journal:
        assert [entry.key for entry in journal.entries("unknown")] == ["a", "b", "c"]
    del intents


def test_two_journals_of_one_process_share_a_file(path: pathlib.Path) -> None:
    """Locks of one process never conflict with each other: the owners still know each other."""
    with Journal(path) as one, Journal(path) as two:
        mine, yours = go(one, "mine"), go(two, "yours")
        for journal in (one, two):
            assert journal.sweep() == 0
            assert all(is_busy(journal, key) for key in ("mine", "yours"))
        one.submitted(mine, 1)
        two.submitted(yours, 2)
        assert [entry.task_id for entry in one.entries()] == [1, 2]


def test_a_journal_says_where_it_is(journal: Journal, path: pathlib.Path) -> None:
    """Its repr is its path."""
    assert repr(journal) == f"Journal({str(path)!r})"


def test_any_number_of_threads_may_write(journal: Journal) -> None:
    """Every write of every thread arrives, and one key goes out once."""
    went: list[Intent] = []

    def work(number: int) -> None:
        for turn in range(5):
            journal.submitted(go(journal, f"{number}-{turn}"), 1000 + 10 * number + turn)
        answer = journal.intend(API, "shared", ROOM, 20)
        if isinstance(answer, Intent):
            went.append(answer)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(went) == 1
    assert len(list(journal.entries("submitted"))) == 80


def test_a_journal_starts_no_thread(journal: Journal) -> None:
    """Nothing of it can keep a process alive."""
    before = threading.active_count()
    succeeded(journal)
    assert threading.active_count() == before
