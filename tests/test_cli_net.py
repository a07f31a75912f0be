"""The net below the command line: whatever goes wrong ends in a line with its fix, after what is paid was saved."""

import errno
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from ideal_async import (
    ConnectionFailed,
    ImageToVideo,
    Journal,
    JournalFailed,
    OutOfCredits,
    TaskFailed,
    Unauthorized,
)
from ideal_async.__main__ import main
from ideal_async.cli import _app, _demo, _doctor, _endings, _journal, _prices, _results, _run, _tasks, _terminal
from ideal_async.cli._files import alone_in
from ideal_async.cli._job import Job
from ideal_async.cli._terminal import Refused
from ideal_async.sandbox import Sandbox, _studio

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("alone", "loop_elsewhere")]

Start = Callable[..., Sandbox]
Capture = pytest.CaptureFixture[str]

QUICK = ["--min-interval", "0.01"]
ROOM = "https://example.com/room.jpg"
SMALL = ["--duration", "5", "--resolution", "480p"]

#: What may go wrong, the exit code, and words of the fix.
ERRORS: list[tuple[BaseException, int, str]] = [
    (OSError(errno.ENOSPC, "No space left on device", "videos/a.mp4"), 3, "free some space"),
    (PermissionError(errno.EACCES, "Permission denied", "videos"), 3, "choose another place"),
    (BrokenPipeError(), 1, ""),
    (KeyboardInterrupt(), 130, "Interrupted."),
    (ValueError("Port could not be cast to integer value"), 3, "Please report it"),
    (TypeError("no \ud800 text"), 3, "Please report it"),
    (KeyError("looks"), 3, "IDEAL_ASYNC_TRACEBACK=1"),
    (RuntimeError("dictionary changed size"), 3, "the same command goes on"),
    (RecursionError("maximum recursion depth exceeded"), 3, "Nothing that was paid is lost"),
    (MemoryError(), 3, "Nothing that was paid is lost"),
    (UnicodeEncodeError("ascii", "é", 0, 1, "ordinal not in range"), 3, "Please report it"),
    (sqlite3.OperationalError("disk I/O error"), 3, "the same command goes on"),
    (httpx.ReadError("reset"), 3, "the same command goes on"),
    (JournalFailed("the journal is full: free some space"), 3, "free some space"),
    (ConnectionFailed("the API could not be reached"), 3, "Nothing is lost"),
    (Unauthorized(5002, "API_KEY_INVALID", http_status=200), 2, "set IDEAL_HOUSE_API_KEY"),
    (OutOfCredits(9051, "COINS_NOT_ENOUGH", http_status=200), 3, "9051"),
    (TaskFailed("no", task=None, task_id=5), 1, "task 5 failed"),
    (ModuleNotFoundError("No module named 'av'", name="av.codec"), 2, 'pip install "ideal-async[cli,sandbox]"'),
    (ImportError("a fleet needs the extra: pip install 'ideal-async[temporal]'"), 2, "ideal-async[temporal]"),
    (ModuleNotFoundError("No module named 'rain'", name="rain"), 2, "Please report it"),
    (ExceptionGroup("two", [ExceptionGroup("one", [OSError(errno.ENOSPC, "full")])]), 3, "free some space"),
    (BaseExceptionGroup("two", [ValueError(), KeyboardInterrupt()]), 130, "Interrupted."),
]
#: Each command, and a place in it where something may go wrong.
COMMANDS: dict[str, tuple[list[str], Any, str]] = {
    "batch": (["batch", ROOM, *SMALL, "--yes", *QUICK], _run.Run, "make_all"),
    "generate": (["generate", ROOM, *SMALL, *QUICK], _run.Run, "make_all"),
    "status": (["status", "5"], _tasks, "run_unless_interrupted"),
    "estimate": (["estimate", ROOM, *SMALL], _prices, "read_sources"),
    "doctor": (["doctor"], _doctor, "_look_at_disk"),
    "journal": (["journal", "list", "videos"], _journal, "opened"),
    "sandbox": (["sandbox", "--no-render"], "ideal_async.sandbox", "serve_forever"),
    "demo": (["demo", "--jobs", "1"], _demo, "mix"),
    "worker": (["worker", "redis://x", "--journal", "postgresql://x/y"], "ideal_async.cli._worker", "work"),
    "completion": (["completion", "zsh"], type(_app.app), "generate_completion"),
}


@pytest.fixture
def _service(service: Start) -> None:
    service()


def test_no_command_is_left_out() -> None:
    """A new one gets its line in the table."""
    assert {name for name in _app.app if not name.startswith("-")} == set(COMMANDS)


@pytest.mark.usefixtures("_service")
@pytest.mark.parametrize("command", COMMANDS)
def test_whatever_is_thrown_ends_in_a_line(command: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Two dozen exceptions in every command: no traceback, one line that names the fix, an exit code of the list."""
    tokens, place, name = COMMANDS[command]
    for error, code, words in ERRORS:

        def throw(*_: object, __error: BaseException = error, **___: object) -> None:
            raise __error

        with monkeypatch.context() as patched:
            # What leaves stdout for good would leave that of the tests too.
            patched.setattr(_app, "leave_stdout", lambda: None)
            if isinstance(place, str):
                patched.setattr(f"{place}.{name}", throw)
            else:
                patched.setattr(place, name, throw)
            if command == "sandbox" and isinstance(error, OSError | ValueError):
                code, words = 2, ""  # noqa: PLW2901 - it refuses to serve, in the same words
            assert main(tokens) == code, repr(error)
        lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
        assert words in "\n".join(lines), repr(error)
        assert "Traceback" not in "\n".join(lines)
        if command not in {"batch", "generate", "demo"}:
            assert len(lines) <= 1


def test_the_traceback_is_shown_when_asked_for(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """For a report."""

    def throw(*_: object, **__: object) -> None:
        raise KeyError("looks")

    monkeypatch.setattr(_prices, "read_sources", throw)
    monkeypatch.setenv("IDEAL_ASYNC_TRACEBACK", "1")
    assert main(["estimate", ROOM]) == 3
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["_see", "_settle", "_bring", "_follow"])
def test_what_is_paid_is_saved_first(
    place: str, service: Start, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """An error of ours in the middle of a batch: results, summary and gallery come, and the same command goes on."""
    sandbox = service(speed=20)  # slow enough for looks at running tasks, on a busy machine too

    async def throw(*_: object) -> None:
        raise KeyError("ours")

    def throw_now(*_: object) -> None:
        raise KeyError("ours")

    urls = ["https://example.com/[1-5].jpg", *SMALL, "--yes", "--gallery", *QUICK]
    with monkeypatch.context() as patched:
        patched.setattr(_run.Run, place, throw_now if place == "_see" else throw)
        assert main(["batch", *urls]) == 3
    out, err = capsys.readouterr()
    assert "This should not have happened (KeyError: 'ours')" in err
    assert "Go on with: ideal-async batch" in err
    assert "credits " in out
    assert Path("videos/index.html").exists()
    rows = [json.loads(line) for line in Path("videos/results.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 5
    with Journal("videos/batch.journal") as journal:
        known = {entry.task_id for entry in journal.entries() if entry.task_id}
    assert {receipt.id for receipt in sandbox.created} == known
    assert main(["batch", *urls]) == 0
    assert len(sandbox.created) == 5


def test_generate_without_a_journal_names_what_is_paid(
    service: Start, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Nothing else would remember it; the command to paste leads to the same service and folder."""
    sandbox = service()

    async def throw(*_: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr(_run.Run, "_settle", throw)
    url = os.environ["IDEAL_HOUSE_BASE_URL"]
    assert main(["generate", ROOM, *SMALL, "--out", "a b", "--base-url", url, *QUICK]) == 3
    (task,) = sandbox.created
    line = f"Task {task.id} is paid. Go on with: ideal-async status {task.id} --out 'a b' --base-url {url}\n"
    assert line in capsys.readouterr().err


@pytest.mark.parametrize("name", ["results.csv", "index.html"])
def test_a_file_that_cannot_be_replaced_changes_no_doubt(service: Start, capsys: Capture, name: str) -> None:
    """A job in doubt is exit code 4, whatever else goes wrong; the other files and the summary come."""
    service(faults="submit 2: drop after")
    Path("videos", name).mkdir(parents=True)
    assert main(["batch", "https://example.com/[1-3].jpg", *SMALL, "--yes", "--gallery", *QUICK]) == 4
    out, err = capsys.readouterr()
    assert "in doubt 1" in out
    assert f"videos/{name} cannot be written (Is a directory)" in err
    assert "ideal-async journal release videos/batch.journal" in err
    for other in {"results.csv", "results.jsonl", "index.html"} - {name}:
        assert Path("videos", other).is_file()


def test_a_demo_that_cannot_be_written_down_is_summed_up(capsys: Capture) -> None:
    """A table that is open in a spreadsheet takes neither the gallery nor the summary with it."""
    Path("demo/results.csv").mkdir(parents=True)
    assert main(["demo", "--jobs", "1", "--speed", "1000"]) == 3
    out, err = capsys.readouterr()
    assert "videos    1 of 1, in demo" in out
    assert "demo/results.csv cannot be written (Is a directory)" in err
    assert Path("demo/index.html").is_file()


def test_a_full_stdout_changes_no_doubt(service: Start, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """The summary cannot be read; the exit code tells."""
    service(faults="submit 2: drop after")

    def throw(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ideal_async.cli._summary.put", throw)
    monkeypatch.setattr(_app, "leave_stdout", lambda: None)
    assert main(["batch", "https://example.com/[1-3].jpg", *SMALL, "--yes", *QUICK]) == 4
    assert "free some space" in capsys.readouterr().err


def test_results_that_cannot_be_begun_cost_nothing(service: Start, capsys: Capture) -> None:
    """Where no job can be written down, none is sent."""
    sandbox = service()
    Path("videos/results.jsonl").mkdir(parents=True)
    assert main(["batch", ROOM, *SMALL, "--yes", *QUICK]) == 3
    assert "videos/results.jsonl cannot be written (Is a directory)" in capsys.readouterr().err
    assert not sandbox.created


def test_half_a_character_of_the_service() -> None:
    """JSON can spell it, UTF-8 cannot: it is escaped in the results and stops nothing."""
    job = Job(0, "a", ImageToVideo(ROOM, duration=5, resolution="480p"), state="failed", error="bad \ud800")
    results = _results.Results(Path())
    results.write_lines([job])
    results.write_table([job])
    assert r"bad \ud800" in results.table.read_text("utf-8")
    assert json.loads(results.lines.read_text("utf-8"))["error"] == "bad \ud800"


def run(command: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    program = f"{sys.executable} -m ideal_async"
    env = {**os.environ, **environment}
    return subprocess.run(  # noqa: S603 - our own program
        ["bash", "-c", command.replace("ideal-async", program)],  # noqa: S607
        capture_output=True,
        check=False,
        env=env,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("ideal-async estimate >&-", 0, b""),
        ("ideal-async estimate 2>&-", 0, b""),
        ("ideal-async estimate nothing.csv 2>&-", 2, b""),
        ("ideal-async estimate - <&-", 2, b"stdin: there are no jobs in it"),
        ("ideal-async estimate >&- 2>&- <&-", 0, b""),
        ("ideal-async estimate >/dev/full", 3, b"free some space"),
        ("ideal-async batch https://x.example/a.jpg --duration 5 --resolution 480p --dry-run >/dev/full", 3, b"free"),
        (r"ideal-async estimate $'\xff.csv'", 2, b".csv: cannot be read"),
        (r"ideal-async batch $'\xff.csv' --out $'v\xff' --yes", 2, b"cannot be read"),
        ("ideal-async status 5 --base-url http://localhost:80a0", 2, b"base_url is no URL"),
        ("ideal-async estimate http://host:80a0/x.jpg --duration 5 --resolution 480p", 2, b"argument:1: "),
        ("ideal-async estimate 'http://[::1/x.jpg' --duration 5 --resolution 480p", 2, b"argument:1: "),
        ("ideal-async generate 'http://[::1/x.jpg' --duration 5 --resolution 480p", 2, b"image_url"),
    ],
)
def test_streams_and_names_of_any_kind(command: str, code: int, words: bytes) -> None:
    """Closed and full streams, names that are no UTF-8, URLs that are none."""
    done = run(command, IDEAL_HOUSE_API_KEY="never sent")
    assert done.returncode == code, done
    assert words in done.stdout + done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8", "ascii:strict"])
def test_streams_that_cannot_show_everything(encoding: str) -> None:
    """What the encoding lacks is escaped."""
    Path("jobs.csv").write_text(f"key,image_url\nKüche 客厅,{ROOM}\nKüche 客厅,{ROOM}\n", "utf-8")
    done = run("ideal-async batch jobs.csv --duration 5 --resolution 480p --dry-run", PYTHONIOENCODING=encoding)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert "Küche 客厅".encode(encoding.partition(":")[0], "backslashreplace") in done.stderr


@pytest.mark.parametrize(
    ("module", "command", "extra"),
    [
        ("av", "ideal-async demo --jobs 1", b'pip install "ideal-async[cli,sandbox]"'),
        ("uvicorn", "ideal-async sandbox", b'pip install "ideal-async[cli,sandbox]"'),
        ("rich", "ideal-async --help", b'pip install "ideal-async[cli]"'),
        ("starlette", f"{sys.executable} -m ideal_async.webdemo", b"pip install 'ideal-async[webdemo]'"),
    ],
)
def test_a_missing_extra_is_named(module: str, command: str, extra: bytes) -> None:
    """One line with the command that installs it."""
    Path("sitecustomize.py").write_text(f"import sys\nsys.modules[{module!r}] = None\n")
    done = run(command, PYTHONPATH=str(Path.cwd()))
    assert done.returncode == 2, done
    assert extra in done.stderr
    assert b"Traceback" not in done.stderr
    assert not Path("demo").exists()


def test_a_module_that_is_not_there_is_named(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program's words, and not those for a program of one's own."""
    monkeypatch.setattr(_studio, "find_spec", lambda _: None)
    assert main(["demo", "--jobs", "1"]) == 2
    err = capsys.readouterr().err
    assert err == 'This needs more packages (there is no av): pip install "ideal-async[cli,sandbox]"\n'
    assert not Path("demo").exists()


def test_a_foreign_lock_is_not_touched(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """A file of our name that is another's is told; a read-only folder too."""
    monkeypatch.setenv("IDEAL_HOUSE_API_KEY", "never sent")
    Path("videos").mkdir()
    Path("videos/.ideal-async").write_text("not ours, and long enough to be told from an empty file" * 40)
    assert main(["batch", ROOM, *SMALL, "--yes"]) == 2
    assert "videos/.ideal-async is another program's file: move it away" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told apart from one in which somebody is at work."""

    class ReadOnly(sqlite3.Connection):
        def execute(self, *_: object) -> sqlite3.Cursor:
            raise sqlite3.OperationalError("attempt to write a readonly database")

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **options: connect(path, factory=ReadOnly, **options))
    with (
        pytest.raises(Refused, match="cannot be used: attempt to write a readonly database"),
        alone_in(tmp_path, "demo"),
    ):
        pass


def test_closed_streams_are_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of videos gets the number of one that is closed; what is written there is lost, and nothing else."""
    opened: list[str] = []
    true_stat = os.fstat

    def fail_for_one(number: int) -> os.stat_result:
        if number == 1:
            raise OSError(errno.EBADF, "Bad file descriptor")
        return true_stat(number)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", fail_for_one)
        patched.setattr(os, "open", lambda path, _: opened.append(path))
        monkeypatch.setattr("sys.stdout", None)
        monkeypatch.setattr("sys.stdin", None)
        _terminal.prepare_streams()
    assert opened == [os.devnull]
    assert sys.stdout.name == sys.stdin.name == os.devnull
    for stream in (sys.stdout, sys.stdin):
        stream.close()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [({"api_key": "other"}, 2, "set IDEAL_HOUSE_API_KEY to a key of your account"), ({"credits": 5}, 3, "9051")],
)
def test_generate_says_why_nothing_was_sent(
    options: dict[str, Any], code: int, words: str, service: Start, capsys: Capture
) -> None:
    """A key that is refused, an account that is empty: the reason, and the exit code of a batch."""
    sandbox = service(**options)
    Path("key").write_text("sandbox")
    assert main(["generate", ROOM, *SMALL, "--api-key-file", "key", *QUICK]) == code
    assert words in capsys.readouterr().err
    assert not sandbox.created


def test_a_demo_writes_over_no_batch(service: Start, capsys: Capture) -> None:
    """The folder of another kind is refused, both ways; also one that does not say what it is."""
    service()
    assert main(["batch", ROOM, *SMALL, "--yes", *QUICK]) == 0
    assert main(["demo", "--jobs", "1", "--out", "videos"]) == 2
    assert "videos holds the videos of a batch: choose another folder with --out" in capsys.readouterr().err
    Path("videos/.ideal-async").unlink()
    assert main(["demo", "--jobs", "1", "--out", "videos"]) == 2
    with alone_in(Path("other"), "demo"):
        pass
    assert main(["batch", ROOM, *SMALL, "--yes", "--out", "other", *QUICK]) == 2
    assert "other holds the videos of a demo" in capsys.readouterr().err


def test_a_refused_batch_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """No key, no consent, no place for the journal, wrong names: the folder is not made."""
    Path("rooms.csv").write_text(f"key,image_url\na/b,{ROOM}\na_b,{ROOM}\n")
    batch = ["batch", "rooms.csv", *SMALL]
    assert main([*batch, "--yes"]) == 2
    monkeypatch.setenv("IDEAL_HOUSE_API_KEY", "never sent")
    assert main(batch) == 2
    assert main([*batch, "--yes", "--journal", "nowhere/journal"]) == 2
    assert main([*batch, "--yes", "--name", "{key}"]) == 2
    assert main([*batch, "--yes", "--base-url", "http://api.example"]) == 2
    assert [path.name for path in Path().iterdir()] == ["rooms.csv"]
    err = capsys.readouterr().err
    for words in (
        "no API key",
        "pass --yes",
        "nowhere is no folder: the journal needs one",
        "the jobs 'a/b' and 'a_b' would both be called 'a_b': put {task_id} into --name",
        "base_url must be https",
    ):
        assert words in err


@pytest.mark.parametrize(
    ("error", "code"), [(Refused("no", code=3), 3), (sqlite3.DatabaseError("malformed"), 3), (StopAsyncIteration(), 3)]
)
def test_what_no_line_fits_can_be_tried_again(error: BaseException, code: int) -> None:
    """Nothing is lost: that is the default."""
    assert _endings.code_of(error) == code


def test_a_reader_that_left_is_called_otherwise_on_windows(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """There a closed pipe is an invalid argument; that of a file is still told."""
    monkeypatch.setattr(_endings, "_CLOSED_PIPE", {errno.EINVAL})
    assert _endings.report_error(OSError(errno.EINVAL, "Invalid argument")) == 1
    assert capsys.readouterr().err == ""
    assert _endings.report_error(OSError(errno.EINVAL, "Invalid argument", "a:b.mp4")) == 3
    assert "a:b.mp4" in capsys.readouterr().err


def test_results_keep_no_secret_of_a_url() -> None:
    """User, password, query and fragment are left out; that it was shortened is said."""
    secret = ImageToVideo("https://user:secret@example.com/a.jpg?s=1#token", duration=5, resolution="480p")
    record = _results.record_of(Job(0, "a", secret))
    assert (record["image_url"], record["url_shortened"]) == ("https://example.com/a.jpg", True)
    assert not re.search("secret|token|s=1", json.dumps(record))
