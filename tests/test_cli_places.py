"""The command line takes a journal that many hosts share as it takes a file, and never shows its password."""

import sys
from pathlib import Path

import pytest
from cli_fixtures import Start

from ideal_async import ImageToVideo, Intent, Journal
from ideal_async.__main__ import main
from ideal_async.cli._places import Shared, open_journal, place_of, without_password
from ideal_async.postgres import PostgresJournal

Capture = pytest.CaptureFixture[str]
API = "https://api.example:443"
ROOMS = ["https://example.com/[1-3].jpg", "--duration", "5", "--resolution", "480p"]
QUICK = ["--min-interval", "0.001"]


@pytest.fixture
def dsn(postgres_dsn: str) -> str:
    """A DSN with a password, which this server does not ask for."""
    return postgres_dsn.replace("tests@", "tests:s3cret@")


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("rooms.csv", "rooms.csv"),
        ("postgresql://db.example/videos", "postgresql://db.example/videos"),
        ("postgresql://me:secret@db.example:5433/videos", "postgresql://me@db.example:5433/videos"),
        ("postgres://me:se/cr@et@db.example", "postgres://me@db.example"),
        ("--journal=postgresql://me:secret@db/videos", "--journal=postgresql://me@db/videos"),
        ("postgresql://db/videos?password=secret", "postgresql://db/videos"),
        ("postgresql://db/v?user=me&p%61ssword=secret&sslmode=require", "postgresql://db/v?user=me&sslmode=require"),
        ("postgresql://db/videos?sslmode=require", "postgresql://db/videos?sslmode=require"),
    ],
)
def test_a_password_is_taken_out(word: str, shown: str) -> None:
    """Wherever libpq finds one; what is left still names the database."""
    assert without_password(word) == shown


def test_a_place_is_a_file_or_a_database(tmp_path: Path) -> None:
    """Neither is opened yet."""
    assert place_of("videos/batch.journal") == Path("videos/batch.journal")
    place = place_of("postgresql://me:secret@db/videos")
    assert isinstance(place, Shared)
    assert "secret" not in f"{place} {place!r}"
    with open_journal(place) as journal:
        assert isinstance(journal, PostgresJournal)
    with open_journal(tmp_path / "a.journal") as journal:
        assert isinstance(journal, Journal)


def test_the_extra_is_named(alone: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg the message says how to get it."""
    assert alone
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "ideal_async.postgres", raising=False)
    assert main(["journal", "list", "postgresql://db.example/videos"]) == 2
    assert "pip install 'ideal-async[postgres]'" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [["backup", "PLACE", "copy"], ["restore", "PLACE", "--unknown-keys", "doubt"]])
def test_a_file_s_verbs_are_refused_to_a_database(alone: Path, capsys: Capture, verb: list[str]) -> None:
    """It has tools of its own."""
    assert alone
    place = "postgresql://me:secret@db.example/videos"
    assert main(["journal", *(place if word == "PLACE" else word for word in verb)]) == 2
    err = capsys.readouterr().err
    assert "postgresql://me@db.example/videos is a database: use pg_" in err
    assert "secret" not in err


def test_a_dsn_that_cannot_be_read_is_not_repeated(alone: Path, capsys: Capture) -> None:
    """The words of libpq would have the part that it does not understand: the password."""
    assert alone
    assert main(["journal", "list", "postgresql://me:se%cret@db.example/videos"]) != 0
    err = capsys.readouterr().err
    assert "with %40 for @ and %25 for % in a password" in err
    assert "cret" not in err


@pytest.mark.slow
def test_two_hosts_make_a_batch_once(service: Start, dsn: str, capsys: Capture) -> None:
    """The second has another folder, pays nothing, and has all the videos; a failed job goes again when asked."""
    sandbox = service()
    order = ["batch", *ROOMS, "--journal", dsn, "--yes", *QUICK]
    assert main([*order, "--out", "one", "--budget", "10"]) != 0
    err = capsys.readouterr().err
    assert f"--journal {dsn.replace(':s3cret', '')}" in err, "the command to go on with"
    assert "s3cret" not in err
    assert main([*order, "--out", "one"]) == 0
    assert main([*order, "--out", "other", "--dry-run"]) == 0
    assert main([*order, "--out", "other"]) == 0
    assert len(sandbox.created) == 3
    assert [len([*Path(folder).glob("*.mp4")]) for folder in ("one", "other")] == [3, 3]
    assert not [*Path().rglob("*.journal")]
    assert main(["journal", "list", dsn]) == 0
    assert "s3cret" not in "".join(capsys.readouterr())


@pytest.mark.slow
def test_a_failed_job_is_repeated_by_another_host(service: Start, dsn: str) -> None:
    """Its repetitions are found by their keys."""
    sandbox = service(faults="task 1: fail")
    order = ["batch", "https://example.com/1.jpg", *ROOMS[1:], "--journal", dsn, "--yes", *QUICK]
    assert main([*order, "--out", "one"]) != 0
    assert main([*order, "--out", "other", "--retry-failed"]) == 0
    assert main([*order, "--out", "third"]) == 0
    assert len(sandbox.created) == 2


@pytest.mark.slow
def test_generate_with_a_key_pays_once(service: Start, dsn: str) -> None:
    """On whatever host."""
    sandbox = service()
    order = ["generate", "https://example.com/1.jpg", *ROOMS[1:], "--key", "order-42", "--journal", dsn, *QUICK]
    assert [main(order), main(order)] == [0, 0]
    assert len(sandbox.created) == 1


@pytest.mark.slow
def test_a_person_decides_about_a_database_s_entries(alone: Path, dsn: str, capsys: Capture) -> None:
    """Shown, adopted, released and pruned as those of a file."""
    assert alone
    request = ImageToVideo("https://example.com/1.jpg", duration=5, resolution="480p")
    with PostgresJournal(dsn) as journal:
        for key in ("a", "b"):
            intent = journal.intend(API, key, request, 10)
            assert isinstance(intent, Intent)
            journal.unknown(intent)
    assert main(["journal", "show", dsn, "a"]) == 0
    assert main(["journal", "adopt", dsn, "a", "7", "--unseen", "--force", "--base-url", "https://api.example"]) == 0
    assert main(["journal", "release", dsn, "b", "--force"]) == 0
    assert main(["journal", "prune", dsn, "--older-than", "0s"]) == 0
    with PostgresJournal(dsn) as journal:
        assert [(entry.key, entry.state, entry.task_id) for entry in journal.entries()] == [("a", "submitted", 7)]
    assert "s3cret" not in "".join(capsys.readouterr())
