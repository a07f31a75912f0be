"""`ideal-async status --journal`: keys and ids, from what the journal knows, and no needless look."""

import json
import os
from pathlib import Path

import pytest
from cli_fixtures import Start

from ideal_async import ImageToVideo, Intent, Journal, Task
from ideal_async.__main__ import main
from ideal_async.postgres import PostgresJournal
from ideal_async.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("loop_elsewhere")
Capture = pytest.CaptureFixture[str]
ROOM = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p")
QUICK = ["--min-interval", "0.001"]


@pytest.fixture(params=["file", pytest.param("database", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, alone: Path) -> str:
    """Where a journal is to be."""
    assert alone
    return "orders.journal" if request.param == "file" else str(request.getfixturevalue("postgres_dsn"))


def fill(place: str, sandbox: Sandbox) -> int:
    """Write one key of each state; return the task that runs, which this sandbox has."""
    task_id = 1234567890123456789
    assert main(["generate", ROOM.image_url, "--duration", "5", "--resolution", "480p", "--yes", *QUICK]) == 0
    assert [task.id for task in sandbox.created] == [task_id]
    with PostgresJournal(place) if "://" in place else Journal(place) as journal:
        for number, key in enumerate(("made", "failed", "runs", "refused", "unknown", "12")):
            origin = "https://elsewhere.example" if key == "12" else os.environ["IDEAL_HOUSE_BASE_URL"]
            intent = journal.intend(origin, key, ROOM, 10)
            assert isinstance(intent, Intent)
            if key in {"refused", "unknown"}:
                journal.refused(intent, "no") if key == "refused" else journal.unknown(intent)
            else:
                journal.submitted(intent, task_id - 2 + number)
        made = Task(task_id - 2, "Success", 100)
        journal.settle(os.environ["IDEAL_HOUSE_BASE_URL"], task_id - 2, made)
        journal.settle(os.environ["IDEAL_HOUSE_BASE_URL"], task_id - 1, None, reason="too dark")
    return task_id


def test_what_the_journal_knows_costs_no_look(
    service: Start, capsys: Capture, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Not even a key is needed for it; a key that looks like an id is a key; another API's task is not looked for."""
    task_id = fill(place, service())
    monkeypatch.delenv("IDEAL_HOUSE_API_KEY")
    capsys.readouterr()
    for word, code, said in (
        ("made", 0, "succeeded"),
        (str(task_id - 2), 0, "made"),
        ("failed", 1, "too dark"),
        ("refused", 1, "no"),
        ("unknown", 4, "unknown"),
        ("12", 0, "submitted"),
    ):
        assert main(["status", word, "--journal", place]) == code
        assert said in capsys.readouterr().out
    assert main(["status", "runs", "--journal", place]) == 2
    assert "no API key" in capsys.readouterr().err


def test_what_runs_is_looked_at(service: Start, capsys: Capture, place: str) -> None:
    """By key or by id, and so is an id that the journal does not know; its files can be had."""
    sandbox = service()
    task_id = fill(place, sandbox)
    capsys.readouterr()
    assert main(["status", "runs", "made", str(task_id), "--journal", place, "--json"]) == 0
    made, runs = map(json.loads, capsys.readouterr().out.splitlines())
    assert (made["key"], made["state"], made["look"]) == ("made", "succeeded", None)
    assert (runs["key"], runs["state"], runs["look"]["status"]) == ("runs", "submitted", "Success")
    assert main(["status", "runs", "--journal", place]) == 0
    said = capsys.readouterr().out
    assert "100 %" in said
    assert ".mp4" in said
    with Journal("empty.journal"):
        pass
    assert main(["status", str(task_id), "--journal", "empty.journal", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["look"]["id"] == task_id
    assert main(["status", str(task_id), "--journal", "empty.journal"]) == 0
    assert main(["status", "runs", "--journal", place, "--watch", *QUICK]) == 0
    assert main(["status", "refused", "runs", "--journal", place, "--out", "files", *QUICK]) == 1
    assert Path(f"files/{task_id}.mp4").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name keys or ids of tasks"),
        (["nothing"], "the journal has no key 'nothing'"),
        (["9" * 21], "the journal has no key"),
    ],
)
def test_what_there_is_not_is_refused(alone: Path, capsys: Capture, words: list[str], said: str) -> None:
    """In a line that names the fix."""
    Journal(alone / "orders.journal").close()
    assert main(["status", *words, "--journal", "orders.journal"]) == 2
    assert said in capsys.readouterr().err


def test_a_key_needs_a_journal(alone: Path, capsys: Capture) -> None:
    """Without one there are only ids."""
    assert alone
    assert main(["status", "order-42"]) == 2
    assert "for keys add --journal" in capsys.readouterr().err
