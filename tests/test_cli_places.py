"""The command line takes a journal that many hosts share as it takes a file, and never shows its password."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cli_fixtures import Start
from journal_steps import MADE, RUNNING

from ideal_async import ImageToVideo, Intent, Journal
from ideal_async.__main__ import main
from ideal_async.cli._places import Shared, open_journal, place_of, without_password
from ideal_async.cli._run import Run
from ideal_async.postgres import PostgresJournal

Capture = pytest.CaptureFixture[str]
API = "https://api.example:443"
ROOMS = ["https://example.com/[1-3].jpg", "--duration", "5", "--resolution", "480p"]
QUICK = ["--min-interval", "0.001"]
REQUEST = ImageToVideo("https://example.com/1.jpg", duration=5, resolution="480p")


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
        ("POSTGRESQL://me:secret@db/videos", "POSTGRESQL://me@db/videos"),
        ("postgresql+psycopg://me:secret@db/videos", "postgresql+psycopg://me@db/videos"),
        ("host=db password=secret dbname=videos", "host=db dbname=videos"),
        (r"--journal=host=db password = 'se\' cret'", "--journal=host=db"),
        ("https://me:pass@example.com:80/@a.jpg", "https://me:pass@example.com:80/@a.jpg"),
        ("prompt: password=no secret", "prompt: password=no secret"),
    ],
)
def test_a_password_is_taken_out(word: str, shown: str) -> None:
    """Wherever libpq finds one; what is left still names the database."""
    assert without_password(word) == shown


def test_a_place_is_a_file_or_a_database(tmp_path: Path) -> None:
    """Neither is opened yet."""
    assert place_of("videos/batch.journal") == Path("videos/batch.journal")
    for text in ("postgresql://me:secret@db/videos", "host=db password=secret"):
        place = place_of(text)
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
    assert "and %25 for % in a password" in err
    assert "cret" not in err


@pytest.mark.parametrize("place", ["mysql://me:secret@db/videos", "postgresql+psycopg://me:secret@db/videos"])
def test_another_address_is_no_file(alone: Path, capsys: Capture, place: str) -> None:
    """A file of that name would be made, with a password in it."""
    assert main(["batch", *ROOMS, "--journal", place, "--dry-run"]) == 2
    err = capsys.readouterr().err
    assert "a journal is a file or postgresql://..., not" in err
    assert "secret" not in err
    assert not [*alone.iterdir()]


@pytest.mark.parametrize("verb", ["pause", "unpause", "progress", "stale", "recount"])
def test_what_hosts_share_a_file_has_not(alone: Path, capsys: Capture, verb: str) -> None:
    """It is refused in a line, and so are limits over all hosts."""
    Journal(alone / "orders.journal").close()
    assert main(["journal", verb, "orders.journal"]) == 2
    assert "orders.journal is a file, which one host has for itself" in capsys.readouterr().err
    for place, what in (("there is none", "file"), (".", "folder")):
        assert main(["journal", verb, place]) == 2
        told = f"{place} is a {what}, which one host has for itself: this is for postgresql://... only\n"
        assert capsys.readouterr().err == told
    assert [path.name for path in alone.iterdir()] == ["orders.journal"]
    assert main(["batch", *ROOMS, "--limit-posts", "3", "--yes"]) == 2
    assert "limits over all hosts need the journal that they share" in capsys.readouterr().err


@pytest.mark.slow
def test_who_only_looks_makes_no_tables(service: Start, dsn: str, capsys: Capture) -> None:
    """The database may be somebody else's."""
    service()
    assert main(["batch", *ROOMS, "--journal", dsn, "--dry-run"]) == 0
    assert "3 jobs, 3 to make" in capsys.readouterr().out
    for words in (["list"], ["progress"], ["stale"], ["show", "a"], ["release", "a"], ["recount"]):
        assert main(["journal", words[0], dsn, *words[1:]]) == 2
        assert "has no journal yet" in capsys.readouterr().err
    assert main(["status", "a", "--journal", dsn]) == 2
    with PostgresJournal(dsn) as journal:
        assert not journal.exists()
    assert main(["journal", "pause", dsn]) == 0
    with PostgresJournal(dsn) as journal:
        assert journal.exists()
        assert journal.paused
    assert "s3cret" not in "".join(capsys.readouterr())


@pytest.mark.slow
def test_everybody_is_paused_counted_and_limited(service: Start, dsn: str, capsys: Capture) -> None:
    """From the command line, for all hosts."""
    sandbox = service()
    order = ["batch", "https://example.com/[1-3].jpg", *ROOMS[1:], "--journal", dsn, "--yes", *QUICK]
    assert main(["journal", "pause", dsn]) == 0
    assert main([*order, "--timeout", "0.5"]) != 0
    assert "everybody pauses, until somebody calls unpause()" in capsys.readouterr().err
    assert sandbox.created == []
    assert main(["journal", "progress", dsn]) == 0
    assert "`ideal-async journal unpause` lets them go on" in capsys.readouterr().err
    assert main(["journal", "unpause", dsn]) == 0
    limits = ["--limit-posts", "1", "--limit-in-flight", "2", "--limit-per-second", "50", "--limit-credits", "20"]
    assert main([*order, *limits]) == 3
    assert len(sandbox.created) == 2
    capsys.readouterr()
    assert main(["journal", "progress", dsn, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"batch": "", "state": "succeeded", "jobs": 2, "credits": 20}
    assert main(["journal", "progress", dsn, "spring"]) == 0
    assert "succeeded" not in capsys.readouterr().out
    assert main(["journal", "recount", dsn]) == 0
    assert "all totals were right" in capsys.readouterr().out


@pytest.mark.slow
def test_what_was_lost_is_listed(service: Start, dsn: str, capsys: Capture) -> None:
    """What the service denies, or nobody saw end for a day."""
    service()
    with PostgresJournal(dsn, now=lambda: datetime.now(UTC) - timedelta(days=2)) as journal:
        intent = journal.intend(os.environ["IDEAL_HOUSE_BASE_URL"], "old", REQUEST, 10)
        assert isinstance(intent, Intent)
        journal.submitted(intent, 7)
    assert main(["journal", "stale", dsn, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["key"] == "old"
    with PostgresJournal(dsn) as journal, psycopg.connect(dsn, autocommit=True) as db:
        journal.open()
        db.execute("UPDATE ideal_async.spending SET credits = 7")
    assert main(["journal", "recount", dsn]) == 0
    assert "1 total was wrong" in capsys.readouterr().out


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
def test_two_hosts_at_the_same_time_have_all_of_a_batch(service: Start, dsn: str) -> None:
    """Each shows what the other pays as its own, with task and video; together they pay once."""
    sandbox = service(speed=60.0, workers=6)
    order = [sys.executable, "-m", "ideal_async", "batch", "https://example.com/[1-9].jpg", *ROOMS[1:], "--gallery"]
    order += ["--journal", dsn, "--yes", *QUICK]
    hosts = [subprocess.Popen([*order, "--out", folder], stderr=subprocess.PIPE) for folder in ("one", "other")]  # noqa: S603
    said = b"".join(host.communicate()[1] for host in hosts)
    assert [host.returncode for host in hosts] == [0, 0], said
    assert len(sandbox.created) == 9
    assert b"s3cret" not in said
    for folder in map(Path, ("one", "other")):
        records = [json.loads(line) for line in (folder / "results.jsonl").read_text("utf-8").splitlines()]
        assert {(record["status"], record["credits"]) for record in records} == {("done", 10)}
        assert {record["task_id"] for record in records} == {task.id for task in sandbox.created}
        assert (folder / "results.csv").read_text("utf-8").count(".mp4") == 9
        assert (folder / "index.html").read_text("utf-8").count(".mp4") >= 9


@pytest.mark.slow
@pytest.mark.parametrize(("end", "status"), [(MADE, "unfinished"), (None, "failed"), (RUNNING, "unfinished")])
def test_what_this_run_did_not_come_to_is_shown_as_others_made_it(
    service: Start, dsn: str, end: Any, status: str
) -> None:
    """The budget of this host was used up; another host has paid the rest meanwhile."""
    service()
    order = ["batch", *ROOMS, "--journal", dsn, "--yes", *QUICK, "--budget", "10", "--out", "one"]
    with PostgresJournal(dsn) as journal, pytest.MonkeyPatch.context() as patch:
        make_all = Run.make_all

        async def make_all_and_pay_elsewhere(run: Run, **more: Any) -> None:
            await make_all(run, **more)
            origin = os.environ["IDEAL_HOUSE_BASE_URL"]
            for number, job in enumerate([job for job in run.board.jobs if job.state == "waiting"]):
                intent = journal.intend(origin, job.key, job.request, 10)
                assert isinstance(intent, Intent)
                journal.submitted(intent, number + 1)
                if end is not RUNNING:
                    journal.settle(origin, number + 1, end, reason="too dark")

        patch.setattr(Run, "make_all", make_all_and_pay_elsewhere)
        assert main(order) == (1 if status == "failed" else 3)
    records = [json.loads(line) for line in Path("one/results.jsonl").read_text("utf-8").splitlines()]
    assert sorted(record["status"] for record in records) == sorted(["done", status, status])
    assert all(record["task_id"] for record in records)


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
    with PostgresJournal(dsn) as journal:
        for key in ("a", "b"):
            intent = journal.intend(API, key, REQUEST, 10)
            assert isinstance(intent, Intent)
            journal.unknown(intent)
    assert main(["journal", "show", dsn, "a"]) == 0
    assert main(["journal", "adopt", dsn, "a", "7", "--unseen", "--force", "--base-url", "https://api.example"]) == 0
    assert main(["journal", "release", dsn, "b", "--force"]) == 0
    assert main(["journal", "prune", dsn, "--older-than", "0s"]) == 0
    with PostgresJournal(dsn) as journal:
        assert [(entry.key, entry.state, entry.task_id) for entry in journal.entries()] == [("a", "submitted", 7)]
    assert "s3cret" not in "".join(capsys.readouterr())
