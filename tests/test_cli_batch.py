"""`ideal-async batch` against a sandbox over real HTTP: what it shows, spends, writes, survives and refuses."""

import csv
import json
import os
import re
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ideal_async import ImageToVideo, Journal, Ledger
from ideal_async.__main__ import main
from ideal_async.cli import _batch, _outage, _progress, _run, _summary, _tasks
from ideal_async.cli._files import alone_in, anew
from ideal_async.cli._job import Board, Job
from ideal_async.cli._terminal import Refused
from ideal_async.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("alone", "loop_elsewhere")]

Start = Callable[..., Sandbox]

#: Looks come quickly, because the sandbox is quick.
QUICK = ["--min-interval", "0.01"]
GENERATE = ["generate", "https://example.com/1.jpg", "--duration", "5", "--resolution", "480p", "--yes"]


def write_jobs(count: int, name: str = "jobs.csv") -> str:
    lines = [f"job {number},https://example.com/{number}.jpg,5,480p" for number in range(1, count + 1)]
    Path(name).write_text("key,image_url,duration,resolution\n" + "\n".join(lines) + "\n")
    return name


def results() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("videos/results.jsonl").read_text("utf-8").splitlines()]


def test_a_batch_from_a_file_to_files(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """Every job becomes a video and a cover; price, summary and results agree with what the service charged."""
    sandbox = service(faults="task 3: fail")
    assert main(["batch", write_jobs(5), "--yes", "--gallery", *QUICK]) == 1
    out, err = capsys.readouterr()
    assert "5 jobs, 5 to make for 50 credits\n        5 x Flash 480p 5 s: 50 credits" in err
    assert "done     4 of 5, in videos\nfailed   1\ncredits  50 charged, 10 refunded" in out
    assert "failed: the service says Failed; the credits are refunded" in err
    assert sandbox.credits == 10_000 - 40
    rows = results()
    assert [row["key"] for row in rows] == [f"job {number}" for number in range(1, 6)]
    assert sum(row["credits"] for row in rows) == 40
    for row in rows:
        if row["status"] == "done":
            assert row["video"] == f"{row['key']}-{row['task_id']}.mp4"
            assert Path("videos", row["video"]).stat().st_size == 16384
            assert Path("videos", row["cover"]).stat().st_size == 16384
            assert row["queued_at"] <= row["found_at"] <= row["downloaded_at"]
        else:
            assert (row["status"], row["video"]) == ("failed", None)
    with Path("videos/results.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == [row["status"] for row in rows]
    assert "job 1" in Path("videos/index.html").read_text("utf-8")


def test_the_same_command_again_costs_nothing(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """What is done is known from the journal and the disk; its times come from the results before."""
    sandbox = service(faults="task 2: fail")
    assert main(["batch", write_jobs(3), "--yes", *QUICK]) == 1
    before = results()
    (gone,) = Path("videos").glob("job 1-*.mp4")
    gone.unlink()
    capsys.readouterr()
    assert main(["batch", "jobs.csv", *QUICK]) == 1
    assert len(sandbox.created) == 3
    assert gone.exists()
    assert [row["queued_at"] for row in results()] == [row["queued_at"] for row in before]
    out, err = capsys.readouterr()
    assert "3 jobs, 0 to make for 0 credits" in err
    for line in ("1 done in an earlier run", "1 made in an earlier run", "1 failed in an earlier run"):
        assert line in err
    assert "credits  30 charged, 10 refunded" in out


def test_failed_jobs_are_repeated_when_asked(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """A failed key is failed for ever, so a repetition has another; the latest attempt is what counts afterwards."""
    sandbox = service(faults="task 1: fail\ntask 2: fail")
    assert main(["batch", write_jobs(1), "--yes", *QUICK]) == 1
    assert main(["batch", "jobs.csv", "--yes", "--retry-failed", *QUICK]) == 1
    assert main(["batch", "jobs.csv", "--yes", "--retry-failed", "--budget", "10", *QUICK]) == 0
    assert main(["batch", "jobs.csv", "--yes", "--retry-failed", *QUICK]) == 0
    assert len(sandbox.created) == 3
    assert sandbox.credits == 10_000 - 10
    with Journal("videos/batch.journal") as journal:
        assert [entry.key for entry in journal.entries()] == ["job 1", "job 1~2", "job 1~3"]
    capsys.readouterr()


def test_what_is_not_refunded_counts_in_all_runs(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """Another word for an end than `Failed` promises nothing: charged, in summary, results, gallery and budget."""
    sandbox = service(faults="task 1: fail as Cancelled")
    for _ in range(2):
        assert main(["batch", write_jobs(1), "--yes", "--gallery", "--budget", "10", *QUICK]) == 1
        out, _ = capsys.readouterr()
        assert "credits  10 charged, 0 refunded; 10 of failed tasks are not refunded as far as known" in out
        assert [row["credits"] for row in results()] == [10]
        assert "not refunded as far as known" in Path("videos/index.html").read_text("utf-8")
    assert main(["batch", "jobs.csv", "--yes", "--retry-failed", "--budget", "15", *QUICK]) == 3
    assert "10 credits needed, 5 left in the budget: nothing was sent" in capsys.readouterr().err
    assert len(sandbox.created) == 1


def test_what_earlier_attempts_cost_stands_in_the_sums(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """Eight tasks for five jobs, one lost and two refunded, then a released key: each sum is that of the account."""
    sandbox = service(faults="task 1: fail as Cancelled\ntask 2: fail\ntask 6: fail")
    again = ["batch", "jobs.csv", "--yes", "--retry-failed", *QUICK]
    assert main(["batch", write_jobs(5), "--yes", *QUICK]) == 1
    assert main(again) == 1
    assert main([*again, "--gallery"]) == 0
    assert (len(sandbox.created), sandbox.credits) == (8, 10_000 - 60)
    out, _ = capsys.readouterr()
    assert out.count("; 10 of failed tasks are not refunded as far as known") == 3
    assert "credits  80 charged, 20 refunded; 10 of failed tasks are" in out
    assert sum(row["credits"] for row in results()) == 60
    assert "and 10 credits for earlier tasks, not refunded" in Path("videos/index.html").read_text("utf-8")
    assert main([*again, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["credits"] == {"charged": 80, "refunded": 20}


def test_a_released_task_stands_in_the_sums(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """The journal keeps one entry for a key that was released and paid again: both tasks count."""
    sandbox = service(faults="task 1: fail as Cancelled")
    assert main(["batch", write_jobs(1), "--yes", *QUICK]) == 1
    task = str(results()[0]["task_id"])
    assert main(["journal", "release", "videos", "job 1", "--task-id", task]) == 0
    capsys.readouterr()
    assert main(["batch", "jobs.csv", "--yes", *QUICK]) == 0
    assert sandbox.credits == 10_000 - 20
    assert "credits  20 charged, 0 refunded; 10 of failed tasks are not" in capsys.readouterr().out


def test_a_batch_that_doubts_stop_advises_in_commands(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """Several requests without an answer close the intake; what a program would do about it is not said to a person."""
    sandbox = service(faults="submit: drop after")
    assert main(["batch", write_jobs(12), "--yes", "--max-in-flight", "1", *QUICK]) == 4
    err = capsys.readouterr().err
    assert "Stopped: " in err
    assert "ideal-async journal adopt videos/batch.journal" in err
    assert "await client" not in err
    assert len(sandbox.created) < 12
    assert main(["batch", "jobs.csv", "--yes", "--max-in-flight", "1", "--json", *QUICK]) == 4
    assert "await client" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("order", [["batch", "jobs.csv", "--yes"], GENERATE])
def test_an_outage_is_told_while_it_lasts(
    order: list[str], service: Start, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks are paid and the API stops answering: a line says that nothing is lost, and then it goes on."""
    service(faults="look 1: 503")
    write_jobs(1)
    monkeypatch.setattr(_outage, "PATIENCE", 0.0)
    monkeypatch.setattr(_progress, "REPORT", 0.02)
    assert main([*order, *QUICK]) == 0
    assert "no answer for 0:00; nothing is lost, it is tried for 10 minutes: " in capsys.readouterr().err


def test_one_of_them_asks(capsys: pytest.CaptureFixture[str]) -> None:
    """And two ask."""
    room = "https://example.com/a.jpg"
    for more, words in ((2, "1 of them asks for the same as another"), (3, "2 of them ask for the same as another")):
        assert main(["batch", *[room] * more, "--duration", "5", "--resolution", "480p", "--dry-run"]) == 0
        assert words in capsys.readouterr().out


def test_the_budget_counts_all_runs(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """Jobs beyond it wait; raising it goes on; what was paid before is not paid again and needs no room in it."""
    sandbox = service()
    assert main(["batch", write_jobs(5), "--yes", "--budget", "30", *QUICK]) == 3
    assert len(sandbox.created) == 3
    out, err = capsys.readouterr()
    assert "not sent 2" in out
    assert "Stopped: 10 credits needed, 0 left in the budget: nothing was sent" in err
    with_more = "ideal-async batch jobs.csv --yes --min-interval 0.01 --budget 50"
    assert f"With 50 credits it can be completed: {with_more}\n" in err
    assert main(["batch", "jobs.csv", "--yes", "--budget", "30", *QUICK]) == 3
    assert len(sandbox.created) == 3
    assert main(with_more.split()[1:]) == 0
    assert len(sandbox.created) == 5


def test_a_task_paid_before_needs_no_budget(service: Start) -> None:
    """An earlier run paid and went away: its task is waited for, though the budget is used up."""
    sandbox = service(speed=1e-6)
    assert main(["batch", write_jobs(2), "--yes", "--timeout", "0.5", *QUICK]) == 3
    assert [row["status"] for row in results()] == ["unfinished"] * 2
    assert len(sandbox.created) == 2
    sandbox.faults = "look: show status=Success"
    assert main(["batch", "jobs.csv", "--yes", "--budget", "20", "--timeout", "0.5", *QUICK]) == 3
    assert len(sandbox.created) == 2


def test_nothing_is_sent_without_consent(
    service: Start, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No terminal, no `--yes`: no. A terminal: only a yes is one. Afterwards it goes through."""
    sandbox = service()
    write_jobs(1)

    class Terminal:
        def __init__(self, answer: str, *, tty: bool) -> None:
            self.answer, self.tty = answer, tty

        def isatty(self) -> bool:
            return self.tty

        def readline(self) -> str:
            return self.answer

    monkeypatch.setattr("sys.stdin", Terminal("y\n", tty=False))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    assert main(["batch", "jobs.csv", *QUICK]) == 2
    assert "pass --yes to spend 10 credits without being asked" in capsys.readouterr().err
    for answer in ("\n", "n\n", "", "yess\n"):
        monkeypatch.setattr("sys.stdin", Terminal(answer, tty=True))
        assert main(["batch", "jobs.csv", *QUICK]) == 2
        assert "Nothing was sent." in capsys.readouterr().err
    assert not sandbox.created
    assert not Path("videos").exists()
    monkeypatch.setattr("sys.stdin", Terminal("Y\n", tty=True))
    assert main(["batch", "jobs.csv", *QUICK]) == 0
    assert "Spend 10 credits? [y/N]" in capsys.readouterr().err
    assert len(sandbox.created) == 1


def test_a_dry_run_only_tells(capsys: pytest.CaptureFixture[str]) -> None:
    """No key, no network, no folder; the price is in words or in JSON."""
    write_jobs(2)
    assert main(["batch", "jobs.csv", "jobs.csv", "--dry-run"]) == 2
    assert "key 'job 1' is that of jobs.csv:2 already" in capsys.readouterr().err
    urls = ["https://example.com/a.jpg", "https://example.com/a.jpg", "--duration", "10", "--resolution", "1080p"]
    assert main(["batch", *urls, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "2 x Flash 1080p 10 s: 160 credits" in out
    assert "1 of them asks for the same as another" in out
    assert main(["batch", "jobs.csv", "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["credits"] == 20
    assert told["kinds"] == [{"kind": "Flash 480p 5 s", "jobs": 2, "credits": 20}]
    assert not Path("videos").exists()


def test_a_dry_run_knows_what_was_done(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """With a journal there, only the rest is priced."""
    sandbox = service()
    assert main(["batch", write_jobs(1), "--yes", *QUICK]) == 0
    capsys.readouterr()
    assert main(["batch", write_jobs(3), "--dry-run"]) == 0
    assert "3 jobs, 2 to make for 20 credits" in capsys.readouterr().out
    assert len(sandbox.created) == 1


def test_a_summary_for_scripts(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """With `--json` stdout holds one JSON object and nothing else."""
    service(credits=20)
    assert main(["batch", write_jobs(3), "--yes", "--json", "--gallery", "--max-in-flight", "1", *QUICK]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["counts"] == {"done": 2, "waiting": 1}
    assert told["credits"] == {"charged": 20, "refunded": 0}
    assert "9051" in told["stopped_by"]
    assert told["exit_code"] == 3
    assert Path(told["gallery"]).exists()


def test_a_lost_answer_is_never_paid_twice(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """It is in doubt until somebody releases it, and the summary says how."""
    sandbox = service(faults="submit 2: drop after")
    assert main(["batch", write_jobs(3), "--yes", *QUICK]) == 4
    assert len(sandbox.created) == 3
    err = capsys.readouterr().err
    (doubtful,) = [row["key"] for row in results() if row["status"] == "unknown"]
    assert f"no such task: ideal-async journal release videos/batch.journal '{doubtful}'" in err
    assert err.count("may have been received and paid") == 1  # nobody tells it twice
    assert "await client" not in err  # nor what to do in a program
    assert main(["batch", "jobs.csv", "--yes", *QUICK]) == 4
    assert "1 may have been paid in an earlier run" in capsys.readouterr().err
    assert len(sandbox.created) == 3
    assert main(["journal", "release", "videos/batch.journal", doubtful, "--force"]) == 0
    assert main(["batch", "jobs.csv", "--yes", *QUICK]) == 0
    assert len(sandbox.created) == 4


def test_a_key_names_one_request_for_ever(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """An edited row under an old key is found out before anything is sent; a new signature is no edit."""
    sandbox = service()
    assert main(["batch", write_jobs(1), "--yes", *QUICK]) == 0
    jobs = Path("jobs.csv")
    jobs.write_text(jobs.read_text().replace("1.jpg", "1.jpg?signature=2"))
    assert main(["batch", "jobs.csv", "--yes", *QUICK]) == 0
    jobs.write_text(jobs.read_text().replace("480p", "720p") + "new,https://example.com/n.jpg,5,480p\n")
    assert main(["batch", "jobs.csv", "--yes", *QUICK]) == 2
    assert "key 'job 1' was used for another request" in capsys.readouterr().err
    assert len(sandbox.created) == 1


def test_hostile_keys_and_prompts(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """No file leaves the folder, no formula reaches a spreadsheet, no escape sequence reaches the terminal."""
    service(faults="task 1: fail")
    rows = [
        {"key": "../../../etc/x", "prompt": "=cmd|' /C calc'!A0"},
        {"key": "\x1b[31mred\x1b[0m\u202e", "prompt": "+1"},
        {"key": "=1+1", "prompt": "<script>alert(1)</script>"},
    ]
    fields = {"imageUrl": "https://u:secret@example.com/a.jpg?signature=secret", "duration": 5, "resolution": "480p"}
    Path("jobs.jsonl").write_text("\n".join(json.dumps(row | fields) for row in rows))
    main(["batch", "jobs.jsonl", "--yes", "--gallery", "--out", "deep/er", *QUICK])
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert {path.parent for path in Path().rglob("*.mp4")} == {Path("deep/er")}
    with Path("deep/er/results.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert "'=cmd|' /C calc'!A0" in cells
    assert not any(cell.startswith(("=", "+", "@")) for cell in cells)
    page = Path("deep/er/index.html").read_text("utf-8")
    assert "&lt;script&gt;alert(1)" in page
    assert "signature=secret" not in page + Path("deep/er/results.jsonl").read_text("utf-8")


def test_many_mistakes_are_cut_short(capsys: pytest.CaptureFixture[str]) -> None:
    """A screenful is listed, the rest is counted."""
    Path("jobs.csv").write_text("image_url\n" + "x\n" * 30 + "https://example.com/a.jpg\n")
    assert main(["batch", "jobs.csv", "--duration", "5", "--resolution", "480p"]) == 2
    err = capsys.readouterr().err
    assert err.count("image_url must be") == 20
    assert "and 10 more\n30 wrong, 1 right: nothing was sent" in err


def test_a_batch_needs_jobs_and_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    """Both are asked for before anything else happens."""
    assert main(["batch"]) == 2
    assert "name the jobs" in capsys.readouterr().err
    assert main(["batch", write_jobs(1), "--yes"]) == 2
    assert "no API key: set IDEAL_HOUSE_API_KEY, or pass --api-key-file FILE" in capsys.readouterr().err


def interrupt_when(ready: Callable[[], bool], number: int) -> threading.Thread:
    """Send a signal to ourselves as soon as *ready*."""

    def watch() -> None:
        while not ready():
            time.sleep(0.005)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("main_thread")
def test_an_interrupted_batch_goes_on(service: Start, capsys: pytest.CaptureFixture[str], number: int) -> None:
    """Ctrl-C or a polite kill: the results are written, one line tells how to go on, and nothing is paid twice."""
    before = signal.getsignal(number)
    sandbox = service(workers=5, speed=500)
    thread = interrupt_when(lambda: len(sandbox.created) >= 10 and Path("videos/results.jsonl").exists(), number)
    assert main(["batch", write_jobs(40), "--yes", "--max-in-flight", "15", *QUICK]) == 130
    thread.join()
    assert signal.getsignal(number) is before
    err = capsys.readouterr().err
    assert err.splitlines()[-1] == (
        "Go on with: ideal-async batch jobs.csv --yes --max-in-flight 15 --min-interval 0.01"
    )
    paid = len(sandbox.created)
    assert 10 <= paid < 40
    states = {row["status"] for row in results()}
    assert len(results()) == 40
    assert states <= {"done", "unfinished", "waiting"}
    assert main(["batch", "jobs.csv", "--yes", *QUICK]) == 0
    assert len(sandbox.created) == 40
    assert {row["status"] for row in results()} == {"done"}


def test_two_at_once_do_not_share_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is told; and a folder that cannot be made is, too."""
    monkeypatch.setenv("IDEAL_HOUSE_API_KEY", "never sent")
    write_jobs(1)
    with alone_in(Path("videos"), "batch"):
        assert main(["batch", "jobs.csv", "--yes"]) == 2
    assert "another ideal-async is at work in videos" in capsys.readouterr().err
    assert main(["batch", "jobs.csv", "--yes", "--out", "jobs.csv/deep"]) == 2
    assert "the folder jobs.csv/deep cannot be used" in capsys.readouterr().err
    assert tmp_path.exists()


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    """What goes wrong half-way leaves the old one, and no litter."""
    path = tmp_path / "page"
    path.write_text("old")

    def fail() -> None:
        with anew(path) as file:
            file.write("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [file.name for file in tmp_path.iterdir()] == ["page"]
    assert path.read_text() == "old"


def test_a_download_that_breaks_is_unfinished(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """The video is paid: the same command fetches it."""
    sandbox = service()
    Path("videos").mkdir()
    assert main(["batch", write_jobs(1), "--yes", *QUICK]) == 0
    (video,) = Path("videos").glob("*.mp4")
    video.unlink()
    video.with_name(f"{video.name}.part").mkdir()  # the disk will not have it
    assert main(["batch", "jobs.csv", *QUICK]) == 3
    assert "job 1: unfinished: cannot write" in capsys.readouterr().err
    video.with_name(f"{video.name}.part").rmdir()
    assert main(["batch", "jobs.csv", *QUICK]) == 0
    assert len(sandbox.created) == 1


def test_results_that_cannot_be_written(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """The videos are there and paid; the computer's own words tell what to mend; summary and gallery come too."""
    sandbox = service()
    Path("videos/results.csv").mkdir(parents=True)
    assert main(["batch", write_jobs(1), "--yes", "--gallery", *QUICK]) == 3
    out, err = capsys.readouterr()
    assert "videos/results.csv cannot be written (Is a directory): if it is open in another program" in err
    assert "done     1 of 1" in out
    assert Path("videos/index.html").exists()
    assert results()[0]["status"] == "done"
    assert len(list(Path("videos").glob("*.mp4"))) == len(sandbox.created) == 1


def test_a_slow_queue_is_seen(service: Start) -> None:
    """Jobs wait for a worker, then they are rendered: both moments are noted; prohibited output is a failed job."""
    seen = "look 2: show status=Processing percentage=30 waitNumber=0 output=null"  # whatever else the machine does
    service(workers=1, speed=400, faults=f"task 3: prohibit\n{seen}")
    assert main(["batch", write_jobs(6), "--yes", *QUICK]) == 1
    rows = results()
    assert sorted(row["status"] for row in rows) == ["done"] * 5 + ["failed"]
    assert any(row["started_at"] and row["started_at"] > row["queued_at"] for row in rows)
    assert all(row["looks"] >= 1 for row in rows)


def test_a_job_never_seen_at_work(service: Start) -> None:
    """Between two looks it left the queue and ended: it waited until the first of them, at least."""
    service(workers=1, faults="look 1: show status=Unprocessed percentage=0 waitNumber=3 output=null")
    assert main(["batch", write_jobs(1), "--yes", *QUICK]) == 0
    (row,) = results()
    assert row["queued_at"] < row["waited_at"] < row["found_at"]
    assert row["started_at"] is None


def test_refused_jobs_cost_nothing(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """A prompt that fails the review stops no other; an account that is refused leaves all jobs as they were."""
    sandbox = service()
    rows = ["image_url,prompt", "https://example.com/1.jpg,nude", "https://example.com/2.jpg,zoom in"]
    Path("jobs.csv").write_text("\n".join(rows))
    command = ["batch", "jobs.csv", "--yes", "--duration", "5", "--resolution", "480p", *QUICK]
    assert main(command) == 1
    assert [row["status"] for row in results()] == ["refused", "done"]
    assert re.search(r"refused: .* \(code 9010", capsys.readouterr().err)
    assert len(sandbox.created) == 1
    Path("key").write_text("wrong")
    assert main([*command, "--out", "other", "--api-key-file", "key"]) == 2
    (stopped,) = [line for line in capsys.readouterr().err.splitlines() if "5002" in line]
    assert stopped.startswith("Stopped: ")
    assert stopped.endswith(": set IDEAL_HOUSE_API_KEY to a key of your account, or pass --api-key-file FILE")


def test_many_errors_are_cut_short(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """A screenful is shown; the results have them all."""
    service(faults="task: fail")
    assert main(["batch", write_jobs(23), "--yes", *QUICK]) == 1
    assert "and 3 more, which the results list\n" in capsys.readouterr().err


def test_what_was_noted_before_may_be_damaged(service: Start) -> None:
    """A half-written line of an earlier run is left out, whatever it holds."""
    service()
    assert main(["batch", write_jobs(2), "--yes", *QUICK]) == 0
    before = results()
    lines = Path("videos/results.jsonl").read_text("utf-8").splitlines()
    first = json.loads(lines[0]) | {"queued_at": "yesterday", "found_at": 5}
    garbage = ["[]", "[" * 100_000, '{"task_id": "x"}', lines[1][:30]]
    Path("videos/results.jsonl").write_text("\n".join([json.dumps(first), *garbage]), "utf-8")
    assert main(["batch", "jobs.csv", *QUICK]) == 0
    assert results()[0]["downloaded_at"] == before[0]["downloaded_at"]
    assert results()[1]["downloaded_at"] is None
    Path("videos/results.jsonl").write_bytes(b"\xff")
    assert main(["batch", "jobs.csv", *QUICK]) == 0


def test_a_video_without_a_cover(service: Start) -> None:
    """The vendor may leave it out one day; then there is just no picture, also for the next run."""
    sandbox = service()
    video = f"{os.environ['IDEAL_HOUSE_BASE_URL']}/output/1234567890123456789/video_result.mp4"
    sandbox.faults = f'look: show output={{"resultUrl":"{video}"}}'
    assert main(["batch", write_jobs(1), "--yes", *QUICK]) == 0
    assert main(["batch", "jobs.csv", *QUICK]) == 0
    (row,) = results()
    assert (row["status"], row["cover"]) == ("done", None)
    assert [path.suffix for path in Path("videos").glob("job*")] == [".mp4"]


def test_a_page_that_was_saved_as_a_video_is_not_done(service: Start) -> None:
    """An earlier version did that: the video is brought now, and not paid again."""
    sandbox = service()
    assert main(["batch", write_jobs(1), "--yes", *QUICK]) == 0
    (video,) = Path("videos").glob("job*.mp4")
    content = video.read_bytes()
    video.write_text("<html>Sign in</html>")
    assert main(["batch", "jobs.csv", *QUICK]) == 0
    assert video.read_bytes() == content
    assert len(sandbox.created) == 1


def board_of(*states: Any) -> Board:
    request = ImageToVideo("https://example.com/a.jpg", duration=5, resolution="480p")
    return Board([Job(index, str(index), request, state=state) for index, state in enumerate(states)], 0.0)


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (("done",), 0),
        (("done", "failed"), 1),
        (("done", "refused"), 1),
        (("failed", "waiting"), 3),
        (("failed", "unfinished"), 3),
        (("unfinished", "unknown"), 4),
    ],
)
def test_the_exit_code_tells_the_most_urgent(states: tuple[str, ...], code: int) -> None:
    """In doubt before unfinished before failed before done."""
    assert _summary.exit_code(board_of(*states)) == code


def test_other_errors_leave_a_job_to_the_next_run() -> None:
    """What is no answer of the service costs nothing and is tried again; what the client itself refuses is not."""
    assert _run.state_after(None) == "waiting"
    assert _run.state_after(ValueError("another request")) == "refused"
    assert _run.suffix_of("https://example.com/cover.PNG?x=.gif") == ".png"
    assert _run.suffix_of("https://example.com/cover.php") == ".jpg"


def test_refusals_have_a_code() -> None:
    """2, unless told otherwise."""
    assert Refused("no").code == 2


def test_a_batch_that_is_killed_twice_pays_once(service: Start) -> None:
    """No farewell at all: what was in the air is in doubt and told, everything else goes on; no job is paid twice."""
    sandbox = service(workers=8, speed=500, faults="task 10%: fail")
    command = [sys.executable, "-m", "ideal_async", "batch", write_jobs(60), "--yes", "--max-in-flight", "20", *QUICK]
    for paid in (15, 35):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:  # noqa: S603
            while len(sandbox.created) < paid:
                assert process.poll() is None
                time.sleep(0.005)
            process.kill()
    assert main(["batch", "jobs.csv", "--yes", *QUICK]) in (1, 4)
    rows = results()
    doubtful = [row["key"] for row in rows if row["status"] == "unknown"]
    assert {row["status"] for row in rows} <= {"done", "failed", "unknown"}
    assert len(doubtful) <= 2 * 4  # the client has four submits in the air at once
    assert len(sandbox.created) <= 60
    known = {row["task_id"]: row["credits"] for row in rows if row["task_id"]}
    assert len(known) == 60 - len(doubtful)
    lost = [receipt for receipt in sandbox.created if receipt.id not in known]
    assert len(lost) <= len(doubtful)
    assert 10_000 - sandbox.credits == sum(known.values()) + sum(
        receipt.credits for receipt in lost if receipt.status == "Success"
    )


def test_why_nothing_was_sent_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Jobs that never reached the service did not fail; the commonest reason is told, and the way on."""
    jobs = [
        Job(index, f"job {index}", ImageToVideo("https://example.com/", duration=5, resolution="480p"))
        for index in range(5)
    ]
    for job in jobs:
        job.error = "no way" if job.index < 3 else "another"
    ending = _summary.Ending(code=3, stopped_by=None, troubles=[], spent=lambda: 0)
    _summary.sum_up(Board(jobs, 0.0), _summary.Wishes(out=Path("videos")), ending)
    out, err = capsys.readouterr()
    assert "not sent 5" in out
    assert err.startswith("Not sent: no way\nGo on with: ideal-async")
    assert err.count("Not sent") == 1


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (signal.SIGINT, GENERATE, "1: in doubt: interrupted before its answer came"),
        (signal.SIGTERM, [*GENERATE, "--json"], '"status": "unknown"'),
        (signal.SIGINT, [*GENERATE, "--journal", "my.journal", "--key", "a"], "ideal-async journal show my.journal a"),
        (signal.SIGINT, ["batch", "jobs.csv", "--yes"], "ideal-async journal show videos/batch.journal 'job "),
        (signal.SIGTERM, ["batch", "jobs.csv", "--yes", "--journal", "my.journal"], "in doubt 1\n"),
    ],
)
def test_a_second_ctrl_c_leaves_a_doubt(service: Start, number: int, words: list[str], said: str) -> None:
    """What left and has no answer may be paid: exit code 4, with what to look for, and nothing goes out silently."""
    answer = threading.Event()

    class Silent(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            assert self.rfile.readline().startswith(b"POST")
            asked.set()
            answer.wait(60)

    service()
    write_jobs(2)
    asked = threading.Event()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = os.environ | {"IDEAL_HOUSE_BASE_URL": f"http://127.0.0.1:{server.server_address[1]}"}
        command = [sys.executable, "-m", "ideal_async", *words]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:  # noqa: S603
            assert asked.wait(60)
            process.send_signal(number)
            time.sleep(0.5)
            assert process.poll() is None  # the first one waits for the answer
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
        answer.set()
        server.shutdown()
    assert process.returncode == 4, err
    assert said in out + err
    assert re.search(r"Look for a task created since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(request [0-9a-f]+\)", err)


def test_what_an_interruption_left_behind(capsys: pytest.CaptureFixture[str]) -> None:
    """A journal tells which jobs left; without one the client's ledger tells whether the only one did."""
    with Journal("my.journal") as journal:
        board = board_of("waiting", "waiting", "done")
        for job in board.jobs[:1]:
            assert journal.intend("https://x.example", job.key, job.request, 10) is not None

        def read(jobs: Any) -> Any:
            return {entry.key: entry for entry in journal.entries() if entry.key in {job.key for job in jobs}}

        _batch.find_out(board, _batch.Books(lambda: 0, read), interrupted=False)
        assert [job.state for job in board.jobs] == ["waiting", "waiting", "done"]
        _batch.find_out(board, _batch.Books(lambda: 0, read), interrupted=True)
    assert [job.state for job in board.jobs] == ["unknown", "waiting", "done"]
    assert "0: in doubt: interrupted before its answer came" in capsys.readouterr().err
    board, ledger = board_of("waiting"), Ledger()
    _tasks.find_doubt(board, ledger)
    assert board.counts["unknown"] == 0
    ledger.reserve(10)
    _tasks.find_doubt(board, ledger)
    assert board.counts["unknown"] == 1
    assert _tasks._report_end(board, None, interrupted=True, as_json=True) == 4
    assert json.loads(capsys.readouterr().out)["status"] == "unknown"


@pytest.mark.parametrize("name", ["results.csv", "results.jsonl", "index.html", "link.csv"])
def test_a_file_of_jobs_is_not_written_over(name: str, service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """By whatever name it is given; elsewhere it may be called as it likes."""
    sandbox = service()
    Path("own").mkdir()
    file = Path("own", "results.csv" if name == "link.csv" else name)
    text = '{"key": "a", "imageUrl": "https://example.com/1.jpg", "duration": 5, "resolution": "480p"}'
    if name.endswith("csv"):
        text = "key,image_url,duration,resolution\na,https://example.com/1.jpg,5,480p\n"
        Path("own/link.csv").symlink_to("results.csv")
    file.write_text(text)
    assert main(["batch", f"own/{name}", "--out", "own", "--yes", "--gallery", *QUICK]) == 2
    assert f"own/{name} holds jobs, and this run would write its results over them" in capsys.readouterr().err
    assert file.read_text() == text
    assert main(["batch", f"own/{name}", "--out", "new", "--yes", "--gallery", *QUICK]) == 0
    assert file.read_text() == text
    assert len(sandbox.created) == 1


def test_a_name_that_no_file_can_have_stops_no_other(service: Start) -> None:
    """Where file names are ASCII that job is unfinished, with the fix; the others are done, also in the next run."""
    sandbox = service()
    lines = [f"{key},https://example.com/{number}.jpg,5,480p" for number, key in enumerate(("bad", "küche", "hall"))]
    Path("jobs.csv").write_text("key,image_url,duration,resolution\n" + "\n".join(lines) + "\n", "utf-8")
    ascii_only = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "ideal_async", "batch", "jobs.csv", "--yes", *QUICK]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, env=ascii_only, timeout=60, check=False)  # noqa: S603 - ours
        assert done.returncode == 3, done.stderr
        assert [row["status"] for row in results()] == ["done", "unfinished", "done"]
        assert "set PYTHONUTF8=1, or choose another name" in results()[1]["error"]
    assert main(["batch", "jobs.csv", "--yes", *QUICK]) == 0
    assert len(sandbox.created) == 3
