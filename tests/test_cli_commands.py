"""The other commands, each in process, against a sandbox on loopback where one is needed."""

import builtins
import json
import logging
import os
import re
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from ideal_async import PRICES, ImageToVideo, Intent, Journal
from ideal_async.__main__ import main
from ideal_async.cli import _app, _demo, _run, _tasks
from ideal_async.cli._demo import MOVES, Picture, drawn_rooms, linked, mean_delay, mix, photographs
from ideal_async.cli._job import Board, Job
from ideal_async.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("alone", "loop_elsewhere")]

Start = Callable[..., Sandbox]

QUICK = ["--min-interval", "0.01"]
ROOM = "https://example.com/room.jpg"
SMALL = ["--duration", "5", "--resolution", "480p"]

Capture = pytest.CaptureFixture[str]


# generate


def test_generate_makes_one_video(service: Start, capsys: Capture) -> None:
    """The price on stderr, the path of the video on stdout, the cover beside it."""
    sandbox = service()
    assert main(["generate", ROOM, *SMALL, "--prompt", "Gentle zoom", *QUICK]) == 0
    out, err = capsys.readouterr()
    (task,) = sandbox.created
    assert out == f"room-{task.id}.mp4\n"
    assert err.startswith("10 credits\n")
    assert Path(f"room-{task.id}.mp4").exists()
    assert Path(f"room-{task.id}.jpg").exists()
    assert task.input["prompt"] == "Gentle zoom"


def test_generate_with_every_field(service: Start, capsys: Capture) -> None:
    """All the API's fields have their option; the record goes to scripts."""
    sandbox = service()
    Path("out").mkdir()
    more = ["--model-type", "Base", "--generate-audio", "--last-image-url", "https://example.com/night.jpg"]
    assert main(["generate", "https://example.com/", *SMALL, *more, "--out", "out", "--json", *QUICK]) == 0
    record = json.loads(capsys.readouterr().out)
    (task,) = sandbox.created
    assert task.input["generateAudio"] is True
    assert record["video"] == f"video-{task.id}.mp4"
    assert (record["status"], record["credits"], record["width"]) == ("done", 16, 854)


def test_generate_with_a_key_pays_once(service: Start, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a journal the same key gives the same video, as often as it is asked for."""
    sandbox = service()
    order = ["generate", ROOM, *SMALL, "--key", "order/42", "--journal", "orders.journal", *QUICK]
    assert [main(order), main(order)] == [0, 0]
    assert len(sandbox.created) == 1
    assert capsys.readouterr().out == f"order_42-{sandbox.created[0].id}.mp4\n" * 2
    moved = Board.pay
    paid = list[int]()

    def pay(board: Board, job: Job, task_id: int, now: float) -> None:
        paid.append(task_id)
        moved(board, job, task_id, now)

    monkeypatch.setattr(Board, "pay", pay)
    assert main(order) == 0
    assert paid == []


def test_a_key_that_is_paid_is_not_asked_about(
    service: Start, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever would say no to the price gets the video; a key of another request is refused before any price."""
    sandbox = service(faults="task 2: fail")
    asked = list[int]()
    monkeypatch.setattr(_tasks, "somebody_watches", lambda: True)
    monkeypatch.setattr(_tasks, "ask_to_spend", asked.append)
    order = ["generate", ROOM, *SMALL, "--journal", "orders.journal", *QUICK, "--key"]
    assert main([*order, "a"]) == 0
    assert "10 credits" in capsys.readouterr().err
    assert asked == [10]
    (video,) = Path().glob("a-*.mp4")
    video.unlink()
    assert main([*order, "a"]) == 0
    assert video.exists()
    err = capsys.readouterr().err
    assert "paid in an earlier run, 0 credits" in err
    assert "10 credits" not in err
    assert main([*order, "a", "--prompt", "Zoom"]) == 2
    err = capsys.readouterr().err
    assert "key 'a' was used for another request" in err
    assert "credits" not in err
    assert main([*order, "b"]) == 1
    assert asked == [10, 10]
    assert main([*order, "b"]) == 1
    assert "failed in an earlier run, 0 credits; another --key makes it anew" in capsys.readouterr().err
    task = str(sandbox.created[1].id)
    assert main(["journal", "release", "orders.journal", "b", "--task-id", task]) == 0
    assert main([*order, "b"]) == 0
    assert asked == [10, 10, 10]
    assert len(sandbox.created) == 3


def test_generate_in_doubt(service: Start, capsys: Capture) -> None:
    """The commands that end it, where a journal knows of it; else what to look for."""
    sandbox = service(faults="submit: drop after")
    order = ["generate", ROOM, *SMALL, *QUICK]
    assert main([*order, "--key", "a b", "--journal", "j"]) == 4
    err = capsys.readouterr().err
    assert "release j 'a b'" in err
    assert "await client" not in err
    assert main(order) == 4
    assert "before you repeat it" in capsys.readouterr().err
    assert len(sandbox.created) == 2


def test_what_the_library_warns_of_is_told(service: Start, capsys: Capture) -> None:
    """In a line of its own, whatever the words of the service would do to a terminal."""
    sandbox = service(faults="look 1: say Success=\N{ESCAPE}[31mDone")
    assert main(["generate", ROOM, *SMALL, *QUICK]) == 0
    assert "unknown task status" in capsys.readouterr().err
    assert len(sandbox.created) == 1
    assert not logging.getLogger("ideal_async").handlers


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([ROOM], "duration and resolution are missing: add --duration 5 --resolution 720p"),
        (["room.jpg", *SMALL], "image_url must be an http(s) URL, not 'room.jpg': the API fetches the picture itself"),
        (["my room.jpg", *SMALL], "let `ideal-async batch 'my room.jpg' --upload-to s3://bucket/folder` do that"),
        ([ROOM, *SMALL, "--last-image-url", "b.jpg"], "--upload-to s3://bucket/folder` do that"),
        ([ROOM, *SMALL, "--key", "a"], "--key works across runs only with a journal"),
        ([ROOM, *SMALL, "--out", "/dev/null/nowhere"], "the folder /dev/null/nowhere cannot be used: Not a directory"),
        (
            ["https://x.example/a b.jpg", *SMALL],
            "image_url holds a space (U+0020) after 'https://x.example/a': write %20 for it",
        ),
        ([ROOM, *SMALL, "--generate-audio"], 'generate_audio needs model_type="Base"'),
    ],
)
def test_generate_refuses_before_spending(service: Start, capsys: Capture, arguments: list[str], message: str) -> None:
    """What cannot work is told, with the fix; nothing is sent."""
    sandbox = service()
    assert main(["generate", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "pathlib" not in err
    assert not sandbox.created


def test_generate_tells_how_to_go_on(service: Start, capsys: Capture) -> None:
    """A task that still runs is paid: `status` waits for it and saves its files."""
    sandbox = service(speed=1e-6)
    assert main(["generate", ROOM, *SMALL, "--timeout", "0.3", *QUICK]) == 3
    (task,) = sandbox.created
    assert f"Go on with: ideal-async status {task.id} --out ." in capsys.readouterr().err


def test_status_of_a_task_that_nobody_knows(service: Start, capsys: Capture) -> None:
    """The error is all there is: no table without rows."""
    service()
    assert main(["status", "99"]) != 0
    out, err = capsys.readouterr()
    assert err.startswith("99: ")
    assert not out


@pytest.mark.usefixtures("main_thread")
def test_generate_can_be_interrupted(service: Start, capsys: Capture) -> None:
    """The id of what was paid is told."""
    sandbox = service(speed=1e-6)

    def interrupt() -> None:
        while not sandbox.created:
            time.sleep(0.005)
        time.sleep(0.1)  # the answer is on its way
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert main(["generate", ROOM, *SMALL, *QUICK]) == 130
    thread.join()
    assert f"Task {sandbox.created[0].id} is paid" in capsys.readouterr().err


def test_a_failed_task_is_told(service: Start, capsys: Capture) -> None:
    """Why there is no video, and that the same again would not help."""
    service(faults="task 1: fail")
    assert main(["generate", ROOM, *SMALL, *QUICK]) == 1
    assert "failed: the service says Failed; the credits are refunded" in capsys.readouterr().err


# status


def submit(sandbox: Sandbox, **fields: Any) -> int:
    answer = httpx.post(
        f"{os.environ['IDEAL_HOUSE_BASE_URL']}/api/v1/imageToVideo/generate",
        headers={"APIKEY": sandbox.api_key},
        json={"imageUrl": ROOM, "duration": 5, "resolution": "480p"} | fields,
    )
    task_id: int = answer.json()["data"]
    return task_id


def test_status_looks_once(service: Start, capsys: Capture) -> None:
    """A table for people; with --json a line for each task, with all that the API said."""
    sandbox = service(faults="task 2: fail")
    good, bad = submit(sandbox), submit(sandbox)
    assert main(["status", str(good)]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["task", "status", "done", "ahead", "video"]
    assert row.split()[:4] == [str(good), "Success", "100", "%"]
    assert main(["status", str(good), str(bad), "--json"]) == 1
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["id"], first["raw"]["status"], second["status"]) == (good, "Success", "Failed")
    assert first["video"].endswith("video_result.mp4")


def test_status_of_a_running_task(service: Start, capsys: Capture) -> None:
    """It runs: nothing is wrong, so the code is 0."""
    sandbox = service(speed=1e-6)
    assert main(["status", str(submit(sandbox))]) == 0
    assert "Processing" in capsys.readouterr().out


def test_status_follows_and_saves(service: Start, capsys: Capture) -> None:
    """Each change is a line; at the end come the files."""
    sandbox = service(speed=200)
    task_id = submit(sandbox)
    assert main(["status", str(task_id), "--out", ".", *QUICK]) == 0
    out, err = capsys.readouterr()
    assert err.splitlines() == [f"saved {task_id}.mp4", f"saved {task_id}.jpg"]
    assert out.splitlines()[-1] == f"{task_id} Success 100 %, 0 ahead"
    assert Path(f"{task_id}.mp4").stat().st_size == 16384
    assert main(["status", str(task_id), "--watch", "--json", *QUICK]) == 0
    assert json.loads(capsys.readouterr().out)["percentage"] == 100


def test_status_says_when_it_will_be_done(service: Start, capsys: Capture) -> None:
    """The poller's own forecast, once it has one."""
    sandbox = service(speed=50, workers=1)
    first, second = submit(sandbox), submit(sandbox)
    assert main(["status", str(first), str(second), "--watch", *QUICK]) == 0
    assert " left\n" in capsys.readouterr().out


def test_status_of_a_failed_task(service: Start) -> None:
    """Followed to its end, it has no files."""
    sandbox = service(faults="task 1: fail")
    assert main(["status", str(submit(sandbox)), "--out", ".", *QUICK]) == 1
    assert list(Path().iterdir()) == []


def test_status_of_what_is_not_there(service: Start, capsys: Capture) -> None:
    """Each id is told for itself; the code is that of the worst."""
    sandbox = service(faults="look of task 2: show output={}")
    good = submit(sandbox)
    assert main(["status", "5", str(good)]) == 1
    out, err = capsys.readouterr()
    assert "there is no task 5 (code 1011" in err
    assert str(good) in out
    assert main(["status", str(submit(sandbox))]) == 3
    assert "unexpected answer" in capsys.readouterr().err
    assert main(["status", str(good), "--out", "/dev/null/nowhere"]) == 2
    assert main(["status", "5", "--out", "never"]) == 1
    assert not Path("never").exists()
    assert main(["status", str(good), "--out", "new/folder", *QUICK]) == 0
    assert Path(f"new/folder/{good}.mp4").exists()
    assert main(["status"]) == 2
    assert "name the tasks by their ids" in capsys.readouterr().err
    assert main(["status", "-5"]) == 2
    assert "a task id is a positive number of 64 bits" in capsys.readouterr().err


# estimate


def test_the_price_table(capsys: Capture) -> None:
    """Every price of the vendor's page, with its date; no key is needed."""
    assert main(["estimate"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 20
    assert lines[1].split() == ["Flash", "no", "480p", "5", "s", "10"]
    assert lines[-1] == f"The vendor's prices of {PRICES.date}. A task that fails is refunded."
    assert main(["estimate", "--json"]) == 0
    assert {"model_type": "Base", "generate_audio": True, "resolution": "1080p", "duration": 10, "credits": 128} in (
        json.loads(capsys.readouterr().out)["prices"]
    )


def test_the_price_of_jobs(capsys: Capture) -> None:
    """Kind by kind, and the sum; or why not."""
    jobs = ["https://example.com/[1-3].jpg", "--duration", "10", "--resolution", "720p"]
    assert main(["estimate", *jobs]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "kind             jobs  credits",
        "Flash 720p 10 s     3      120",
        "total               3      120",
    ]
    assert main(["estimate", *jobs, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["credits"] == 120
    assert main(["estimate", "https://example.com/1.jpg"]) == 2
    assert (
        "argument:1: duration and resolution are missing: add --duration 5 --resolution 720p, or"
        in capsys.readouterr().err
    )


def test_what_a_file_names_itself_is_not_overruled_silently(service: Start, capsys: Capture) -> None:
    """A line for each option that rows do not use, in a price and in a batch; none where both name the same."""
    service()
    rows = [
        '{"imageUrl": "https://x.example/1", "resolution": "720p", "generateAudio": true, "modelType": "Base"}',
        '{"imageUrl": "https://x.example/2", "resolution": "480p", "prompt": "Zoom"}',
        '{"imageUrl": "https://x.example/3", "resolution": "1080p"}',
    ]
    Path("rooms.jsonl").write_text("\n".join(rows))
    given = [
        "--duration",
        "5",
        "--resolution",
        "480p",
        "--no-generate-audio",
        "--prompt",
        "Pan",
        "--model-type",
        "Base",
    ]
    told = [
        "rooms.jsonl names its own resolution: --resolution 480p is not used for 2 rows",
        "rooms.jsonl names its own generate_audio: --no-generate-audio is not used for 1 row",
        "rooms.jsonl names its own prompt: --prompt is not used for 1 row",
    ]
    assert main(["estimate", "rooms.jsonl", *given]) == 0
    assert capsys.readouterr().err.splitlines() == told
    assert main(["batch", "rooms.jsonl", *given, "--dry-run"]) == 0
    assert capsys.readouterr().err.splitlines() == told
    assert main(["batch", "rooms.jsonl", *given, "--dry-run", "--quiet"]) == 0
    assert not capsys.readouterr().err
    assert main(["estimate", "--help"]) == 0
    assert "for the rows that name none" in capsys.readouterr().out


# journal


@pytest.fixture
def journal(alone: Path) -> Path:
    """A batch's folder, whose journal has a key in doubt and a refused one."""
    folder = alone / "videos"
    folder.mkdir()
    request = ImageToVideo(ROOM, duration=5, resolution="480p")
    with Journal(folder / "batch.journal") as journal:
        for key in ("a", "b"):
            intent = journal.intend("https://api.example:443", key, request, 10)
            assert isinstance(intent, Intent)
            if key == "a":
                journal.unknown(intent)
            else:
                journal.refused(intent, "1011 no")
    return folder


@pytest.mark.usefixtures("journal")
def test_a_key_is_shown_whole(capsys: Capture) -> None:
    """What a person needs to find a request in the account: time, fingerprint and all that was asked for."""
    assert main(["journal", "show", "videos", "a", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    with Journal("videos/batch.journal") as journal:
        (entry,) = [entry for entry in journal.entries() if entry.key == "a"]
    assert shown["fingerprint"] == entry.fingerprint
    assert (shown["key"], shown["state"], shown["resolution"]) == ("a", "unknown", entry.request.resolution)
    assert main(["journal", "show", "videos", "a"]) == 0
    assert entry.fingerprint in capsys.readouterr().out
    assert main(["journal", "show", "videos", "nobody"]) == 2
    assert main(["journal", "show", "videos"]) == 2
    assert "name the keys" in capsys.readouterr().err


@pytest.mark.usefixtures("journal")
def test_the_journal_is_listed(capsys: Capture) -> None:
    """For people and for scripts, whole or by state."""
    assert main(["journal", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [["a", "unknown", "10"], ["b", "refused", "10"]]
    assert lines[2].endswith("1011 no")
    assert main(["journal", "list", "videos/batch.journal", "--state", "unknown", "--json"]) == 0
    (entry,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (entry["key"], entry["origin"], entry["image_url"]) == ("a", "https://api.example:443", ROOM)


@pytest.mark.usefixtures("journal")
def test_a_key_is_released(capsys: Capture) -> None:
    """Only one in doubt; after that it may be sent again."""
    assert main(["journal", "release", "videos", "a"]) != 0
    assert "--force" in capsys.readouterr().err
    assert main(["journal", "release", "videos", "a", "--force"]) == 0
    assert "a will be sent when it is used again" in capsys.readouterr().err
    assert main(["journal", "release", "videos", "nobody"]) == 2
    with Journal("videos/batch.journal") as journal:
        assert [entry.state for entry in journal.entries()] == ["refused", "refused"]


def test_what_is_settled_is_pruned(journal: Path, capsys: Capture) -> None:
    """By age; what is in doubt stays."""
    assert main(["journal", "prune", "videos", "--older-than", "1d"]) == 0
    assert "0 entries deleted" in capsys.readouterr().out
    assert main(["journal", "prune", "videos", "--older-than", "0s"]) == 0
    assert "1 entry deleted" in capsys.readouterr().out
    assert main(["journal", "prune", "videos", "--older-than", "soon"]) == 2
    assert "such as 90d or 12h, not 'soon'" in capsys.readouterr().err
    with Journal(journal / "batch.journal") as kept:
        assert [entry.key for entry in kept.entries()] == ["a"]
        assert next(kept.entries()).created_at > datetime.now(UTC) - timedelta(hours=1)


def test_reading_a_journal_makes_none(capsys: Capture) -> None:
    """A path that is wrong stays empty."""
    assert main(["journal", "list", "nothing"]) == 2
    assert "there is no journal nothing" in capsys.readouterr().err
    assert not Path("nothing").exists()
    Path("text").write_text("This is no database, and long enough for one." * 100)
    assert main(["journal", "list", "text"]) == 2
    assert "text" in capsys.readouterr().err


# the key and the URL


def test_the_key_comes_from_a_file(service: Start, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """With a byte order mark and a line end, as editors leave them; it wins over the environment."""
    sandbox = service(api_key="from-a-file")
    task_id = submit(sandbox)
    monkeypatch.setenv("IDEAL_HOUSE_API_KEY", "wrong")
    Path("key").write_bytes("\ufefffrom-a-file\r\n".encode())
    assert main(["status", str(task_id), "--api-key-file", "key"]) == 0
    assert main(["status", str(task_id)]) == 2
    assert re.search("5002.*: set IDEAL_HOUSE_API_KEY to a key of your account", capsys.readouterr().err)


@pytest.mark.parametrize(
    "content", [None, b"", b" \n", b"\xff\xfe", b"k" * 20_000, b"two\nlines", "two\u00e9".encode()]
)
def test_a_file_without_a_key(content: bytes | None, capsys: Capture) -> None:
    """Told by its name, never by what it holds."""
    if content is not None:
        Path("orders.txt").write_bytes(content)
    assert main(["status", "1", "--api-key-file", "orders.txt"]) == 2
    err = capsys.readouterr().err
    assert "orders.txt" in err
    assert "two" not in err
    assert "kkk" not in err


def test_the_key_is_no_option(capsys: Capture) -> None:
    """Whoever tries is told of the option there is, and does not read the key on the screen."""
    assert main(["status", "1", "--api-key", "sk-secret"]) == 2
    out, err = capsys.readouterr()
    assert "--api-key-file" in err
    assert "sk-secret" not in out + err


def test_a_url_that_would_give_the_key_away(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Plain http is for loopback."""
    monkeypatch.setenv("IDEAL_HOUSE_API_KEY", "key")
    assert main(["status", "1", "--base-url", "http://api.example"]) == 2
    assert "base_url must be https" in capsys.readouterr().err


# the program


def test_help_has_examples(capsys: Capture) -> None:
    """Every command tells what it does, with an example; the exit codes are documented once."""
    for command in ("batch", "generate", "status", "estimate", "doctor", "sandbox", "demo", "completion"):
        assert main([command, "--help"]) == 0
        out = capsys.readouterr().out
        assert f"ideal-async {command}" in out
        assert "Example" in out
        assert "130: interrupted" not in out
    for command in ("list", "show", "release", "prune"):
        assert main(["journal", command, "--help"]) == 0
        assert "130: interrupted" not in capsys.readouterr().out
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.count("130: interrupted") == 1
    assert main(["--version"]) == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_a_slip_of_the_keyboard(capsys: Capture) -> None:
    """Wrong use is exit code 2, told on stderr."""
    assert main(["batsh"]) == 2
    assert main(["batch", "x.csv", "--max-in-flight", "0"]) == 2
    assert main(["batch", "x.csv", "--budget", "-1"]) == 2
    out, err = capsys.readouterr()
    assert "batsh" in err
    assert out == ""


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_shell_completion(shell: str, capsys: Capture) -> None:
    """The script knows the commands and their options."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "retry-failed" in script


def test_ctrl_c_before_anything_runs(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """While it reads or asks: one line, no traceback."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_app, "app", interrupt)
    assert main([]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """One clear line tells what to install; another missing module is another error."""
    missing = "cyclopts"
    true_import = builtins.__import__

    def refuse(name: str, *more: Any, **named: Any) -> Any:
        if name == "cli" or name.endswith(".cli"):
            raise ModuleNotFoundError(name=missing)
        return true_import(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert main(["--help"]) == 2
    assert capsys.readouterr().err == 'The command line needs its extra: pip install "ideal-async[cli]"\n'
    missing = "email"
    with pytest.raises(ModuleNotFoundError):
        main(["--help"])


def test_a_reader_that_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is still to be written goes nowhere."""

    def leave(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(_app, "app", leave)
    with Path("pipe").open("w", encoding="utf-8") as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        assert main([]) == 1
        pipe.write("lost")
    assert Path("pipe").read_text() == ""


def test_the_module_is_a_program(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """`python -m ideal_async` is the command line."""
    monkeypatch.setattr("sys.argv", ["ideal-async", "--version"])
    monkeypatch.delitem(sys.modules, "ideal_async.__main__")
    with pytest.raises(SystemExit) as exit_:
        runpy.run_module("ideal_async", run_name="__main__")
    assert exit_.value.code == 0
    assert capsys.readouterr().out


def test_a_kill_is_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends the work; the handlers of signals are as they were before."""

    def interrupt(_: object) -> None:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(anyio, "run", interrupt)
    assert _run.run_unless_interrupted(anyio.sleep_forever) is False
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_kill_reaches_what_a_shell_started_in_its_background(number: int) -> None:
    """There Ctrl-C is ignored from the start, and what came of it would be nothing."""
    script = (
        "import os, signal, anyio\n"
        "from ideal_async.cli import _run\n"
        "async def work():\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "    await anyio.sleep(60)\n"
        "print(_run.run_unless_interrupted(work), signal.getsignal(signal.SIGINT) is signal.SIG_IGN)\n"
    )
    ignored = f"trap '' INT; exec {sys.executable} -c \"$1\""
    done = subprocess.run(["bash", "-c", ignored, "-", script], capture_output=True, text=True, timeout=50, check=False)  # noqa: S603, S607 - ours
    assert done.stdout.split() == ["False", "True"], done.stderr


def test_whoever_reads_may_leave() -> None:
    """As `head` does: no traceback."""
    command = f"{sys.executable} -m ideal_async estimate | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)  # noqa: S603, S607 - ours
    assert done.stdout.split() == ["model", "audio", "resolution", "duration", "credits"]
    assert done.stderr == ""


# the sandbox


def test_the_sandbox_serves_until_it_is_told_to_stop() -> None:
    """A process of its own: its first line is where it listens, and the vendor's protocol answers there."""
    Path("faults.txt").write_text("task 1: fail\n")
    Path("pictures").mkdir()
    command = [sys.executable, "-m", "ideal_async", "sandbox", "--port", "0", "--no-render", "--speed", "1e6"]
    command += ["--faults", "faults.txt", "--images", "pictures", "--credits", "25", "--api-key", "k"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", base_url)
        body = {"imageUrl": ROOM, "duration": 5, "resolution": "480p"}
        url = f"{base_url}/api/v1/imageToVideo/generate"
        codes = [httpx.post(url, headers={"APIKEY": "k"}, json=body).json()["code"] for _ in range(4)]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert codes == [0, 0, 0, 9051]
    assert process.returncode == 0
    assert f"export IDEAL_HOUSE_BASE_URL={base_url} IDEAL_HOUSE_API_KEY=k" in err
    assert "Traceback" not in err


def test_the_sandbox_can_tell_what_it_is_asked() -> None:
    """Each request and its answer as a line of the output, as they come; a profile of faults goes by its name."""
    command = [sys.executable, "-m", "ideal_async", "sandbox", "--port", "0", "--no-render", "--log"]
    command += ["--faults", "hostile", "--hosts", "sandbox.lan", "other.lan"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        try:
            script = httpx.get(f"{base_url}/sandbox/faults", headers={"APIKEY": "sandbox", "host": "other.lan"}).text
            httpx.get(f"{base_url}/api/v1/imageToVideo/nothing%1b[31m")
            line = process.stdout.readline()
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
    assert "submit 1%: drop after\n" in script
    assert re.fullmatch(r" *\d+\.\d\d GET  nothing.\[31m 404 code 1001\n", line)
    assert "\x1b" not in line


def test_a_line_for_each_request_is_asked_for(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """With --log, and nothing without it."""

    def serve_forever(sandbox: Sandbox, *_: object, **__: object) -> None:
        async def ask() -> None:
            async with httpx.AsyncClient(transport=sandbox.transport, headers={"APIKEY": "sandbox"}) as client:
                await client.get("http://sandbox/api/v1/imageToVideo/result?taskId=5")

        anyio.run(ask)

    monkeypatch.setattr("ideal_async.sandbox.serve_forever", serve_forever)
    for flags, told in ((["--log"], "0.00 GET  result 200 code 1011 task 5"), ([], "")):
        assert main(["sandbox", "--no-render", *flags]) == 0
        assert capsys.readouterr().out.strip() == told


def test_the_sandbox_tells_how_to_use_it(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """The address alone on stdout, for scripts; the settings beside it."""

    def serve_forever(_: Sandbox, host: str, port: int, *, on_ready: Callable[[str], object]) -> None:
        on_ready(f"http://{host}:{port}")

    monkeypatch.setattr("ideal_async.sandbox.serve_forever", serve_forever)
    assert main(["sandbox", "--port", "8001"]) == 0
    out, err = capsys.readouterr()
    assert out == "http://127.0.0.1:8001\n"
    assert err.startswith("export IDEAL_HOUSE_BASE_URL=http://127.0.0.1:8001 IDEAL_HOUSE_API_KEY=sandbox\n")


@pytest.mark.parametrize(
    ("flags", "status", "private"),
    [((), 200, None), (("--http-errors", "--allow-private"), 401, True), (("--no-allow-private",), 200, False)],
)
def test_the_sandbox_is_as_strict_as_it_is_told_to_be(
    monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], status: int, private: bool | None
) -> None:
    """Errors with an HTTP status of their own, and images from private addresses, as from Python."""
    seen: list[tuple[int, bool | None]] = []

    def serve_forever(sandbox: Sandbox, *_: object, **__: object) -> None:
        async def ask() -> int:
            async with httpx.AsyncClient(transport=sandbox.transport) as client:
                answer = await client.get(
                    "http://sandbox/api/v1/imageToVideo/result?taskId=1", headers={"APIKEY": "no"}
                )
                return answer.status_code

        seen.append((anyio.run(ask), sandbox.allow_private))

    monkeypatch.setattr("ideal_async.sandbox.serve_forever", serve_forever)
    assert main(["sandbox", "--no-render", *flags]) == 0
    assert seen == [(status, private)]


def test_a_sandbox_that_cannot_be(capsys: Capture) -> None:
    """A wrong script or address is told in one line."""
    Path("faults.txt").write_text("rain\n")
    assert main(["sandbox", "--faults", "faults.txt"]) == 2
    assert main(["sandbox", "--faults", "look 1: rain"]) == 2
    assert main(["sandbox", "--faults", "nothing.txt"]) == 2
    assert main(["sandbox", "--host", "192.0.2.1", "--no-render"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert "--faults nothing.txt: No such file or directory: name a file, the profile hostile, or write" in lines[2]


# the demo


def test_the_demo_makes_real_videos(capsys: Capture) -> None:
    """The user's photographs, moving: playable files, a gallery, and the figures of the run."""
    draw_photographs(Path("mine"))
    command = ["demo", "--jobs", "4", "--images", "mine", "--speed", "1000", "--out", "v", "--json"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert "left out, since they are no JPEG, PNG or WebP: notes.gif" in err
    assert told["counts"] == {"done": 4}
    assert told["looks_per_job"] >= 1
    assert told["seconds_from_end_to_discovery"] >= 0
    videos = sorted(path.name for path in Path("v").glob("*.mp4"))
    assert [name[:9] for name in videos] == ["001-bath-", "002-sofa-", "003-bath-", "004-sofa-"]
    assert b"ftyp" in Path("v", videos[0]).read_bytes()[:16]
    assert "bath" in Path("v/index.html").read_text("utf-8")


def draw_photographs(folder: Path) -> None:
    import av
    import numpy as np

    from ideal_async.sandbox._pictures import to_jpeg

    folder.mkdir()
    frame = av.VideoFrame.from_ndarray(np.full((90, 160, 3), 120, np.uint8), format="rgb24")
    for name in ("bath.jpg", "sofa.jpeg", "notes.gif"):
        (folder / name).write_bytes(to_jpeg(frame))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (["nowhere"], "--images takes one folder of photographs, or http(s) URLs, not nowhere"),
        ([".", "https://example.com/a.jpg"], "--images takes one folder"),
        (["."], ". holds no JPEG, PNG or WebP photographs"),
    ],
)
def test_a_demo_of_nothing(images: list[str], message: str, capsys: Capture) -> None:
    """What is no folder of photographs is told."""
    assert main(["demo", "--jobs", "1", "--images", *images]) == 2
    assert message in capsys.readouterr().err


def test_a_demo_of_what_it_cannot_show(capsys: Capture) -> None:
    """Photographs as telephones keep them are named, not passed over."""
    Path("IMG_1.HEIC").write_bytes(b"")
    assert main(["demo", "--jobs", "1", "--images", "."]) == 2
    assert ". holds no JPEG, PNG or WebP photographs, only IMG_1.HEIC" in capsys.readouterr().err


def test_the_mix_of_a_hundred() -> None:
    """Mostly quick ones, some of every kind, and pairs of day and night; each room moves in many ways."""
    jobs = mix(drawn_rooms(), 100)
    requests = [job.request for job in jobs]
    assert len({job.key for job in jobs}) == 100
    quick = [
        r for r in requests if (r.resolution, r.duration, r.model_type, r.last_image_url) == ("480p", 5, "Flash", None)
    ]
    assert len(quick) > 60
    assert sum(request.resolution == "720p" for request in requests) == 8
    assert sum(request.resolution == "1080p" for request in requests) == 2
    assert sum(request.generate_audio for request in requests) == 4
    assert sum(request.last_image_url is not None for request in requests) >= 5
    assert len({request.prompt for request in requests if request.image_url.endswith("living-day.jpg")}) >= len(MOVES)
    assert {request.resolution for request in (job.request for job in mix(drawn_rooms(), 60, resolution="720p"))} == {
        "720p"
    }


def test_pictures_and_their_pairs() -> None:
    """`-day` and `-night` of one name are a pair, in a folder; URLs are named by their file."""
    base = "http://127.0.0.1:1/images"
    assert photographs(["a day.jpg", "a night.jpg", "b.PNG", "day.gif"], base) == [
        Picture("a day", f"{base}/a%20day.jpg", f"{base}/a%20night.jpg"),
        Picture("a night", f"{base}/a%20night.jpg"),
        Picture("b", f"{base}/b.PNG"),
    ]
    assert [picture.name for picture in linked(["https://x.example/K%C3%BC.jpg", "https://x.example"])] == [
        "Kü",
        "picture",
    ]


@pytest.mark.usefixtures("main_thread")
def test_a_demo_can_be_interrupted(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is summed up; figures that nobody can know are left out."""

    async def interrupt(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep_forever()

    monkeypatch.setattr(_run.Run, "make_all", interrupt)
    assert main(["demo", "--jobs", "2", "--images", "https://example.com/a.jpg"]) == 130
    out = capsys.readouterr().out
    assert "videos    0 of 2, in demo" in out
    assert "looks" not in out
    assert "found" not in out


def test_the_summary_of_a_demo(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Videos, credits, looks, discovery, time, gallery: a line each."""
    monkeypatch.setattr(_demo, "Sandbox", lambda **options: Sandbox(**options, render=False))
    Path("one.jpg").write_bytes(b"never read")
    assert main(["demo", "--jobs", "3", "--speed", "1000", "--images", "."]) == 0
    out, err = capsys.readouterr()
    assert "left out" not in err
    assert [line.split()[0] for line in out.splitlines()] == ["videos", "credits", "looks", "found", "time", "gallery"]


def test_discovery_is_counted_from_the_end() -> None:
    """The sandbox's clock and ours are brought together by the quickest answer to a submit."""

    class Receipt:
        def __init__(self, id: int, created_at: float, ended_at: float | None) -> None:
            self.id, self.created_at, self.ended_at = id, created_at, ended_at

    class Ended:
        created = (Receipt(1, 0.0, 40.0), Receipt(2, 1.0, 50.0), Receipt(3, 2.0, None), Receipt(4, 9.0, 60.0))

    jobs = [Job(index, str(index), ImageToVideo(ROOM, duration=5, resolution="480p")) for index in range(4)]
    for job, (task_id, queued, found) in zip(
        jobs, [(1, 1000.5, 1042.0), (2, 1001.0, 1051.0), (3, 1002.5, None), (None, None, None)], strict=True
    ):
        job.task_id, job.queued_at, job.found_at = task_id, queued, found
    assert mean_delay(jobs, Ended()) == 1.5  # type: ignore[arg-type]  # a stand-in with the one attribute it reads
    assert [job.ended_at for job in jobs] == [1040.0, 1050.0, None, None]
    assert mean_delay([], Ended()) is None  # type: ignore[arg-type]  # as above
