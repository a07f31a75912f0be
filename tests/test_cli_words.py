"""Words in and out: what a person types, what a terminal shows, what is pasted; exact where it is data."""

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ideal_async import ImageToVideo, Journal
from ideal_async.__main__ import main
from ideal_async.cli._job import Job, State
from ideal_async.cli._names import check_template, name_files
from ideal_async.cli._plan import make_request
from ideal_async.cli._results import Results
from ideal_async.cli._terminal import Refused, printable, put, put_table, say, shell
from ideal_async.cli._words import spell
from ideal_async.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("alone", "loop_elsewhere")]

Start = Callable[..., Sandbox]
Capture = pytest.CaptureFixture[str]

QUICK = ["--min-interval", "0.01"]
ROOM = "https://example.com/room.jpg"
SMALL = ["--duration", "5", "--resolution", "480p"]


@pytest.mark.parametrize(
    ("tokens", "spelled"),
    [
        (["batch", "-"], ["batch", "<stdin>"]),
        (["batch", "-", "--yes", "-"], ["batch", "<stdin>", "--yes", "<stdin>"]),
        (["batch", "--", "-"], ["batch", "--", "-"]),
        (["generate", "x", "--prompt", "-5 degrees"], ["generate", "x", "--prompt=-5 degrees"]),
        (["generate", "x", "--prompt", "--slow, then fast"], ["generate", "x", "--prompt=--slow, then fast"]),
        (["generate", "x", "--prompt", "-"], ["generate", "x", "--prompt=-"]),
        (["generate", "x", "--prompt", "--yes"], ["generate", "x", "--prompt", "--yes"]),
        (["generate", "x", "--prompt", "-y", "--key", "-a b"], ["generate", "x", "--prompt", "-y", "--key=-a b"]),
        (["generate", "x", "--prompt"], ["generate", "x", "--prompt"]),
    ],
)
def test_what_begins_with_a_hyphen(tokens: list[str], spelled: list[str]) -> None:
    """The standard input, and text of a person's, are no options; a forgotten value is not made up."""
    assert spell(tokens) == spelled


def documented() -> list[list[str]]:
    """Every form that help and README name, with what makes it small."""
    return [
        ["batch", "rooms.csv"],
        ["batch", "rooms.csv", "--dry-run"],
        ["batch", "rooms.jsonl", "urls.txt"],
        ["batch", "*.csv"],
        ["batch", "-"],
        ["batch", "--", "-"],
        ["batch", "https://example.com/{living,bath}-day.jpg"],
        ["batch", "https://example.com/room-[001-004].jpg"],
        ["batch", "rooms.csv", "--budget", "4000", "--gallery", "--name", "{key}-{resolution}"],
        ["batch", "rooms.csv", "--prompt", "-5 degrees"],
        ["batch", "rooms.csv", "--prompt=-5 degrees", "-q"],
        ["batch", "rooms.csv", "--verbose", "--json"],
        ["estimate", "rooms.csv", "--resolution", "720p"],
        ["estimate", "-"],
        ["estimate"],
        ["generate", ROOM, *SMALL, "--prompt", "-5 degrees"],
        ["generate", ROOM, *SMALL, "--prompt", "Gentle zoom in", "--out", "videos"],
        ["doctor"],
        ["doctor", "--json"],
        ["completion", "powershell"],
    ]


@pytest.mark.parametrize("tokens", documented(), ids=" ".join)
def test_every_documented_form_works(
    tokens: list[str], service: Start, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Through the parser that is installed, whichever version that is."""
    sandbox = service()
    table = f"key,image_url,duration,resolution\na,{ROOM},5,480p\n"
    Path("rooms.csv").write_text(table)
    Path("rooms.jsonl").write_text('{"imageUrl": "https://example.com/a.jpg", "duration": 5, "resolution": "720p"}\n')
    Path("urls.txt").write_text("# rooms\nhttps://example.com/b.jpg\n")

    class Stdin(io.StringIO):
        buffer = io.BytesIO(table.encode())

    monkeypatch.setattr("sys.stdin", Stdin())
    more = [*SMALL, "--yes", *QUICK] if tokens[0] == "batch" and "--" not in tokens else []
    if "--" in tokens:
        tokens = ["batch", "--yes", *QUICK, "--", "-"]
    assert main([*tokens, *more]) == 0, capsys.readouterr().err
    if any("-5 degrees" in token for token in tokens):
        assert sandbox.created[0].input["prompt"] == "-5 degrees"


def test_the_standard_input_is_asked_for_again(
    service: Start, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """The command that goes on needs it, too."""
    service(credits=0)

    class Stdin(io.StringIO):
        buffer = io.BytesIO(f"{ROOM}\n".encode())

    monkeypatch.setattr("sys.stdin", Stdin())
    assert main(["batch", "-", *SMALL, "--yes", *QUICK]) == 3
    err = capsys.readouterr().err
    assert "10 credits are needed. Top up, then go on with: ideal-async batch - --duration 5" in err
    assert err.endswith("Give it the same standard input again.\n")


HARMLESS = ["plain", ":bed: [red]", "a\u202fb", "a\u200db", "مطبخ", "客厅", "é́", "~$x 'y'"]
HARMFUL = ["a\x1b[31mb", "\u202ea", "a\u2066b", "a\u2028b", "a\nb", "a\x9bb", "\x00".join("ab")]


@pytest.mark.parametrize("tokens", [["generate", "-"], ["status", "-"], ["journal", "list", "-"], ["demo", "-"]])
def test_who_reads_no_standard_input_says_so(tokens: list[str], capsys: Capture) -> None:
    """A hyphen is nothing else to any command."""
    assert main(tokens) == 2
    assert capsys.readouterr().err == "- is the standard input, which only batch and estimate read\n"


def test_results_are_jobs_beside_their_journal(
    service: Start, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that does not know them would pay again: that is refused, whatever way they come."""
    sandbox = service(faults="task 1: fail")
    Path("jobs.csv").write_text(f"key,image_url,duration,resolution\na,{ROOM},5,480p\n")
    assert main(["batch", "jobs.csv", "--yes", "--out", "mine", "--journal", "my.journal", *QUICK]) == 1
    text = Path("mine/results.csv").read_bytes()
    Path("copy.csv").write_bytes(text)
    Path("link.jsonl").symlink_to("mine/results.jsonl")
    new = ["--out", "new"]
    ways = [
        ["mi*/results.csv", *new],
        ["mine/results.jsonl", *new],
        ["-", *new],
        ["copy.csv", *new],
        ["link.jsonl", *new],
        ["mine/results.csv", "--out", "mine"],
        ["mine/results.csv", "--out", "mine", "--journal", "new.journal"],
        ["mine/results.csv", *new, "--dry-run"],
    ]
    capsys.readouterr()
    for way in ways:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
        assert main(["batch", *way, "--yes", "--retry-failed", *QUICK]) == 2, way
        err = capsys.readouterr().err
        assert "key 'a' stands in results of an earlier run (task 1" in err
        assert "go on with the --out of that run, and with its --journal" in err
        assert not Path("new").exists()
        assert not Path("new.journal").exists()
    Path("other.csv").write_text(f"key,image_url,duration,resolution\nb,{ROOM},5,480p\n")
    assert main(["batch", "other.csv", "--yes", *new, *QUICK]) == 0
    assert main(["batch", "copy.csv", "--yes", *new, *QUICK]) == 2  # the journal is there, and does not know them
    assert len(sandbox.created) == 2
    for source in ("mine/results.csv", "mine/results.jsonl", "copy.csv"):
        assert main(["batch", source, "--yes", "--journal", "my.journal", *QUICK]) == 1
    assert len(sandbox.created) == 2
    assert main(["batch", "copy.csv", "--yes", "--journal", "my.journal", "--retry-failed", *QUICK]) == 0
    assert len(sandbox.created) == 3


@pytest.mark.parametrize("state", ["unknown", "refused"])
def test_results_in_doubt_are_not_sent_again(state: State, capsys: Capture) -> None:
    """What had no answer may have been paid; what was refused was not, and is a job like any other."""
    job = Job(0, "a", ImageToVideo(ROOM, duration=5, resolution="480p"), state=state)
    Results(Path()).write_table([job])
    Results(Path()).write_lines([job])
    for name in ("results.csv", "results.jsonl"):
        assert main(["batch", name, "--dry-run"]) == (2 if state == "unknown" else 0)
        said = "(a request without an answer)" in capsys.readouterr().err
        assert said is (state == "unknown")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("folder", "folder is a folder: name a file in it"),
        pytest.param(
            *("pipe", "pipe is a device, a pipe or a socket: name a file"),
            marks=pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes on this system"),
        ),
        ("jobs.csv", "jobs.csv is no journal: name another path"),
    ],
)
def test_what_can_be_no_journal_is_a_slip(name: str, said: str, service: Start, capsys: Capture) -> None:
    """Exit code 2, for the same command does not go on; an empty file may become one."""
    sandbox = service()
    Path("jobs.csv").write_text(f"key,image_url,duration,resolution\na,{ROOM},5,480p\n")
    Path("folder").mkdir()
    if name == "pipe":
        os.mkfifo("pipe")
    Path("empty").touch()
    for command in (["batch", "jobs.csv"], ["generate", ROOM, *SMALL, "--key", "a"]):
        assert main([*command, "--yes", "--journal", name, *QUICK]) == 2
        err = capsys.readouterr().err
        assert said in err
        assert "the same command goes on" not in err
    assert not sandbox.created
    assert main(["batch", "jobs.csv", "--yes", "--journal", "empty", *QUICK]) == 0
    assert Path("jobs.csv").read_text().startswith("key,")


def test_what_was_released_is_a_job_again(service: Start, capsys: Capture) -> None:
    """The journal knows the doubt and its end: the results that tell of it may be given once more."""
    sandbox = service(faults="submit 1: drop after")
    Path("jobs.csv").write_text(f"key,image_url,duration,resolution\na,{ROOM},5,480p\n")
    assert main(["batch", "jobs.csv", "--yes", *QUICK]) == 4
    assert main(["batch", "videos/results.csv", "--yes", *QUICK]) == 4
    assert len(sandbox.created) == 1
    assert main(["journal", "release", "videos/batch.journal", "a", "--force"]) == 0
    assert main(["batch", "videos/results.csv", "--yes", *QUICK]) == 0
    assert len(sandbox.created) == 2
    capsys.readouterr()


def test_text_is_shown_as_it_is(capsys: Capture) -> None:
    """No emoji, no markup, joiners and narrow blanks as they are; only what moves cursors or directions is replaced."""
    for text in HARMLESS:
        say(text)
        assert capsys.readouterr().err == f"{text}\n"
        assert printable(text) == text
    for text in HARMFUL:
        assert printable(text).isprintable()
        assert len(printable(text)) == len(text)


@pytest.mark.parametrize("shell_name", ["bash", "zsh"])
def test_a_command_to_paste_is_exact(shell_name: str) -> None:
    """A shell that reads it gets the very words, and nobody's terminal is harmed by seeing it."""
    if shutil.which(shell_name) is None and "CI" not in os.environ:
        pytest.skip(f"no {shell_name}: apt-get install {shell_name}")
    words = [word.replace("\x00", "") for word in (*HARMLESS, *HARMFUL, "-x", "", "\udcff", "it's \\ \x07")]
    command = shell([sys.executable, "-c", "import os, sys; print([os.fsencode(w) for w in sys.argv[1:]])", *words])
    assert printable(command) == command
    done = subprocess.run([shell_name, "-c", command], capture_output=True, check=True, text=True)  # noqa: S603 - ours
    assert done.stdout.strip() == str([os.fsencode(word) for word in words])
    assert shell(["\ud800"]) == "$'\\xef\\xbf\\xbd'"


def test_what_an_encoding_lacks_is_escaped() -> None:
    """But the bytes of a file name that is no text are written as they are; reading is no business of this rule."""
    assert "é\udcff客".encode("ascii", "ideal-async") == b"\\xe9\xff\\u5ba2"
    assert "v\udcff".encode("utf-8", "ideal-async") == b"v\xff"
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("utf-8", "ideal-async")


def test_results_are_exact_for_programs(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pipe the path is the path; at a terminal it is made harmless."""
    put("videos/a\u202eb")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    put("videos/a\u202eb")
    assert capsys.readouterr().out == "videos/a\u202eb\nvideos/a�b\n"


def test_columns_count_cells(capsys: Capture) -> None:
    """A Chinese character takes two, a combining accent none."""
    put_table(("key", "n"), (("客厅", 1), ("é́", 22), ("abcd", 333)), right=(1,))
    assert capsys.readouterr().out.splitlines() == ["key     n", "客厅    1", "é́      22", "abcd  333"]


def test_a_key_comes_through_whole(service: Start, capsys: Capture) -> None:
    """With joiners, emoji names and narrow blanks: the same in the file, the journal, the results and the hint."""
    key = "-a\u200db\u202fc :bed:"
    Path("jobs.csv").write_text(f'key,image_url\n"{key}",{ROOM}\n', "utf-8")
    service(faults="submit 1: drop after")
    assert main(["batch", "jobs.csv", *SMALL, "--yes", *QUICK]) == 4
    err = capsys.readouterr().err
    assert f"ideal-async journal release videos/batch.journal -- '{key}'\n" in err
    with Journal("videos/batch.journal") as journal:
        assert [entry.key for entry in journal.entries()] == [key]
    assert main(["journal", "release", "videos/batch.journal", "--force", "--", key]) == 0


def test_many_doubts_have_a_list(service: Start, capsys: Capture) -> None:
    """Ten keys in a command, and the way to the others."""
    service(faults="submit: drop after")
    command = ["batch", "https://example.com/[01-14].jpg", *SMALL, "--yes", *QUICK]
    code = main(command)
    while "more: ideal-async journal list videos/batch.journal --state unknown" not in (err := capsys.readouterr().err):
        assert code == 4
        assert "12 more" not in err
        code = main(command)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{key", "expected '}'"),
        ("{prompt}-{key}", "may only have {key}, {task_id}"),
        ("{key!r}", "may only have"),
        ("{key:>5}", "may only have"),
        ("{key.x}", "may only have"),
        ("{key}{key}", "every part once"),
        ("{key}" + "x" * 99, "is too long"),
        ("{resolution}/{key}", "a name is no path"),
        ("{resolution}", "put {key} or {task_id} into it"),
        ("room", "put {key} or {task_id} into it"),
    ],
)
def test_a_template_that_names_nothing_well(template: str, words: str) -> None:
    """Said with what would do."""
    with pytest.raises(Refused) as refused:
        check_template(template)
    assert words in str(refused.value)


def test_names_from_a_template(service: Start, capsys: Capture) -> None:
    """Files are called as asked for, found again by the next run, and never those of another job."""
    sandbox = service()
    batch = ["batch", "jobs.csv", *SMALL, "--yes", "--name", "{resolution} {key}", *QUICK]
    Path("jobs.csv").write_text(f"key,image_url\nKüche,{ROOM}\n", "utf-8")
    assert main(batch) == 0
    assert Path("videos/480p Küche.mp4").exists()
    assert main(batch) == 0
    Path("jobs.csv").write_text(f"key,image_url\nküche,{ROOM}\n", "utf-8")
    assert main(batch) == 2
    assert "the jobs 'küche' and 'Küche' would both be called '480p Küche'" in capsys.readouterr().err
    assert len(sandbox.created) == 1
    request = make_request({"image_url": ROOM, "duration": 5, "resolution": "480p"})
    assert name_files(".{image}.{task_id}-{model_type}-{duration}", "k", 7, request) == "room.7-Flash-5"


def test_generate_asks_who_sits_at_a_terminal(service: Start, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A yes is needed there, or `--yes`; a script runs as ever."""
    sandbox = service()

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    for answer, options, code in (("\n", [], 2), ("y\n", [], 0), ("", ["--yes"], 0)):
        monkeypatch.setattr("sys.stdin", Terminal(answer))
        assert main(["generate", ROOM, *SMALL, "--out", "new", *options, *QUICK]) == code
    assert len(sandbox.created) == 2
    err = capsys.readouterr().err
    assert err.count("Spend 10 credits? [y/N]") == 2
    assert "Nothing was sent." in err


@pytest.mark.parametrize(("way", "key"), [("fpath", "batch "), ("fpath", ""), ("source", "batch ")])
def test_zsh_completes(way: str, key: str) -> None:
    """As a file of `$fpath`, where completions usually are, and sourced: at the first Tab, files after `batch` too."""
    if shutil.which("zsh") is None and "CI" not in os.environ:
        pytest.skip("no zsh: apt-get install zsh")
    Path("fpath").mkdir()
    Path("rooms.csv").touch()
    with Path("fpath/_ideal-async").open("w", encoding="utf-8") as script:
        subprocess.run([sys.executable, "-m", "ideal_async", "completion", "zsh"], stdout=script, check=True)
    setup = "fpath=($PWD/fpath $fpath); autoload -Uz compinit; compinit -u -d $PWD/dump; PS1='> '"
    setup += "" if way == "fpath" else "; rm fpath/_ideal-async dump"
    source = "" if way == "fpath" else "source $PWD/saved;"
    Path("saved").write_text(Path("fpath/_ideal-async").read_text("utf-8"), "utf-8")
    seen = at_a_terminal(
        ["zsh", "-f"], [f"{setup};{source}\n", f"ideal-async {key}\t", "\t"], until="rooms.csv" if key else "estimate"
    )
    assert ("rooms.csv" if key else "estimate") in seen


def at_a_terminal(command: list[str], lines: list[str], *, until: str) -> str:
    """Type *lines* at a terminal, and read what it shows until it shows *until*, for ten seconds at most."""
    import pty
    import select
    import time

    number, name = pty.openpty()
    with subprocess.Popen(command, stdin=name, stdout=name, stderr=name, start_new_session=True) as process:  # noqa: S603
        os.close(name)
        seen = ""
        end = time.monotonic() + 10
        for line in [*lines, ""]:
            os.write(number, line.encode())
            pause = time.monotonic() + (1 if line else 10)
            while time.monotonic() < min(pause, end) and until not in seen:
                if select.select([number], [], [], 0.1)[0]:
                    seen += os.read(number, 65536).decode(errors="replace")
        process.kill()
        os.close(number)
    return seen


def test_bash_completes_files() -> None:
    """After `batch`, and after nothing else that takes no file."""
    done = subprocess.run(
        [sys.executable, "-m", "ideal_async", "completion", "bash"],
        capture_output=True,
        text=True,
        check=True,
    )
    Path("rooms.csv").touch()
    script = f"{done.stdout}\nCOMP_WORDS=(ideal-async batch roo); COMP_CWORD=2; _ideal_async; echo ${{COMPREPLY[@]}}"
    shown: Any = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)  # noqa: S603, S607
    assert shown.stdout.split() == ["rooms.csv"]
