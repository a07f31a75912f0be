"""`ideal-async journal`: what a person decides, and what that costs."""

import io
import os
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from cli_fixtures import Start
from journal_steps import API, HALL, MADE, ROOM, ask, go

from ideal_async import AsyncClient, Intent, Journal
from ideal_async.__main__ import main

Capture = pytest.CaptureFixture[str]
YEAR_AGO = datetime.now(UTC) - timedelta(days=365)


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A batch of a year ago: two videos, a refusal, and two doubts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IDEAL_HOUSE_BASE_URL", raising=False)
    Path("videos").mkdir()
    with Journal("videos/batch.journal", now=lambda: YEAR_AGO) as journal:
        for number, key in enumerate("ab", 1):
            journal.submitted(go(journal, key), number)
            journal.settle(API, number, MADE)
        journal.refused(go(journal, "c"), "no")
        journal.unknown(go(journal, "d"))
        journal.unknown(go(journal, "e"))
    return tmp_path


def keys(path: str = "videos/batch.journal") -> list[str]:
    with Journal(path) as journal:
        return [entry.key for entry in journal.entries()]


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        """Yes."""
        return True


@pytest.mark.usefixtures("videos")
def test_a_doubt_is_adopted_unseen(capsys: Capture) -> None:
    """With the id that was found, and without a key for the API; a mistake is refused in words of the command line."""
    assert main(["journal", "adopt", "videos", "d", "7", "--unseen"]) == 2
    assert "keys 'd', 'e' are in doubt with equal requests" in capsys.readouterr().err
    assert main(["journal", "adopt", "videos", "d", "1", "--force", "--unseen"]) == 2
    assert "task 1 is that of key 'a' already" in capsys.readouterr().err
    assert main(["journal", "adopt", "videos", "d", "7", "--force", "--unseen", "--account", ""]) == 0
    assert "d is task 7" in capsys.readouterr().err
    with Journal("videos/batch.journal") as journal:
        assert (ask(journal, "d").state, ask(journal, "d").task_id) == ("submitted", 7)


@pytest.mark.usefixtures("loop_elsewhere")
def test_a_doubt_is_adopted_after_a_look(service: Start, capsys: Capture) -> None:
    """The task must be what was asked; then the key has it, whatever `force` says."""
    service()
    url = os.environ["IDEAL_HOUSE_BASE_URL"]

    async def submit() -> list[int]:
        async with AsyncClient(os.environ["IDEAL_HOUSE_API_KEY"], base_url=url) as client:
            return [await client.submit(request) for request in (ROOM, HALL)]

    mine, other = anyio.run(submit)
    with Journal("orders.journal") as journal:
        intent = journal.intend(url, "order", ROOM, 20, account="second")
        assert isinstance(intent, Intent)
        journal.unknown(intent)
    assert main(["journal", "adopt", "orders.journal", "order", str(mine)]) == 2
    assert "no key 'order'" in capsys.readouterr().err
    adopt = ["journal", "adopt", "orders.journal", "order", "--account", "second"]
    assert main([*adopt, str(other), "--force"]) == 2
    assert "is not what was asked for: imageUrl" in capsys.readouterr().err
    assert main([*adopt, str(mine)]) == 0
    with Journal("orders.journal") as journal:
        (entry,) = journal.entries()
        assert entry.task_id == mine
        assert entry.state in {"submitted", "succeeded"}


@pytest.mark.usefixtures("videos")
def test_a_failed_key_is_released_by_its_task(capsys: Capture) -> None:
    """Once a person has said which."""
    with Journal("videos/batch.journal") as journal:
        journal.adopt("d", 7, force=True)
        journal.settle(API, 7, None, reason="no")
    assert main(["journal", "release", "videos", "d"]) == 2
    assert "pass --task-id 7 to have it made" in capsys.readouterr().err
    assert main(["journal", "release", "videos", "d", "--task-id", "7"]) == 0


@pytest.mark.usefixtures("videos")
@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, "de"), ("\n", 2, "abcde"), ("", 2, "abcde")])
def test_pruning_asks_before_it_forgets_what_was_paid(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, left: str
) -> None:
    """Who answers nothing, or is nobody, forgets nothing."""
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert main(["journal", "prune", "videos", "--older-than", "90d"]) == code
    assert "Forget 2 paid keys? Using one again pays again." in capsys.readouterr().err
    assert keys() == list(left)


@pytest.mark.usefixtures("videos")
def test_pruning_can_be_tried_and_told(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run counts; a script says that it means it; what is younger stays."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["journal", "prune", "videos", "--older-than", "90d", "--dry-run"]) == 0
    assert capsys.readouterr().out == "3 entries would be deleted, 2 of them paid\n"
    assert main(["journal", "prune", "videos", "--older-than", "90d"]) == 2
    assert "pass --yes to forget 2 paid keys" in capsys.readouterr().err
    assert keys() == list("abcde")
    assert main(["journal", "prune", "videos", "--older-than", "53 w", "--yes"]) == 0
    assert keys() == list("abcde")
    assert main(["journal", "prune", "videos", "--older-than", "90d", "--yes"]) == 0
    assert "3 entries deleted; their keys are forgotten" in capsys.readouterr().out
    assert keys() == list("de")


@pytest.mark.usefixtures("videos")
@pytest.mark.parametrize(
    ("age", "message"),
    [
        ("999999w", "--older-than 999999w is longer ago than any date"),
        ("9" * 5000 + "d", "is longer ago than any date"),
        ("-5d", "such as 90d or 12h"),
        ("\u0665d", "such as 90d or 12h"),
        ("90", "such as 90d or 12h"),
    ],
)
def test_an_age_is_one_that_a_date_can_have(capsys: Capture, age: str, message: str) -> None:
    """Anything else is refused in one line, before anything is opened."""
    assert main(["journal", "prune", "videos", f"--older-than={age}"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error) < 6000
    assert "Traceback" not in error


@pytest.mark.usefixtures("videos")
def test_a_backup_is_made_and_restored(capsys: Capture) -> None:
    """It says from when on payments are missing."""
    assert main(["journal", "backup", "videos", "copy"]) == 0
    assert main(["journal", "backup", "videos", "copy"]) == 2
    assert "copy exists: name another file" in capsys.readouterr().err
    assert main(["journal", "list", "copy"]) != 0
    assert "ideal-async journal restore" in capsys.readouterr().err
    assert main(["journal", "restore", "copy", "--unknown-keys", "doubt"]) == 0
    assert f"payments are missing from {datetime.now(UTC):%Y-%m-%d}" in capsys.readouterr().err
    with Journal("copy") as journal:
        assert ask(journal, "new").state == "unknown"
    assert main(["journal", "restore", "copy", "--unknown-keys", "send"]) == 0
    with Journal("copy") as journal:
        assert isinstance(journal.intend(API, "newer", ROOM, 20), Intent)
    assert main(["journal", "restore", "videos", "--unknown-keys", "send"]) == 2
    assert "neither a backup nor repaired" in capsys.readouterr().err
    assert main(["journal", "restore", "nothing", "--unknown-keys", "send"]) == 2
    assert "there is no journal nothing" in capsys.readouterr().err


@pytest.mark.usefixtures("videos")
@pytest.mark.parametrize(("harm", "code"), [(None, 0), ("UPDATE entries SET task = '[]' WHERE key = 'a'", 4)])
def test_a_journal_is_repaired(capsys: Capture, harm: str | None, code: int) -> None:
    """It says what was saved, where the damaged file is, and how to go on."""
    if harm is not None:
        with sqlite3.connect("videos/batch.journal") as db:
            db.execute(harm)
        db.close()
    assert main(["journal", "repair", "videos"]) == code
    error = capsys.readouterr().err
    kept = {path.name for path in Path("videos").iterdir() if "damaged" in path.name}
    if code:
        assert "batch.journal-damaged-1" in error
        assert "batch.journal-damaged-1" in kept
        assert "4 entries" in error
        assert "To go on: ideal-async journal restore videos --unknown-keys doubt" in error
    else:
        assert error == "there was nothing to repair: 5 entries\n"
        assert not kept
        assert main(["journal", "list", "videos"]) == 0


@pytest.mark.usefixtures("alone")
def test_a_log_with_a_wrong_sum_is_repaired_whole(capsys: Capture) -> None:
    """Nothing is missing, but the file was not in order: it is kept."""
    with Journal("orders.journal") as journal:
        go(journal)
        shutil.copy("orders.journal", "copy")
        log = bytearray(Path("orders.journal-wal").read_bytes())
    log[32 + 16] ^= 1  # the first sum of the first frame: https://sqlite.org/fileformat2.html, 4.1
    Path("copy-wal").write_bytes(log)
    assert main(["journal", "repair", "copy"]) == 0
    told = "the sums of its log were wrong, but all that they stand for is in order: 1 entry; the file as it was is "
    assert told in capsys.readouterr().err
    assert [*Path().glob("copy-damaged-1")]


def test_every_command_of_the_journal_has_help(capsys: Capture) -> None:
    """Each says what it does."""
    for command in ("list", "show", "release", "adopt", "prune", "backup", "restore", "repair"):
        assert main(["journal", command, "--help"]) == 0
        assert command in capsys.readouterr().out
