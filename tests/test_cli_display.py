"""What is seen in a terminal: the live picture, the log lines; in any width, for any number of jobs."""

import io
from contextlib import nullcontext
from typing import Any

import anyio
import pytest
from journal_steps import MADE
from rich.cells import cell_len
from rich.console import Console

from ideal_async import ApiError, ConnectionFailed, ImageToVideo, ServerError
from ideal_async.cli import _progress
from ideal_async.cli._job import Board, Job, State
from ideal_async.cli._progress import clock, picture, show
from ideal_async.cli._terminal import printable

START = 1_000_000.0


def job(index: int, state: State = "waiting", **more: Any) -> Job:
    request = ImageToVideo(f"https://example.com/{index}.jpg", duration=5, resolution="480p")
    made = Job(index, f"room {index}", more.pop("request", request), state=state)
    if state != "waiting":
        made.task_id = 10**18 + index
    for name, value in more.items():
        setattr(made, name, value)
    return made


def drawn(board: Board, width: int, now: float = START, *, encoding: str = "utf-8") -> list[str]:
    data = io.BytesIO()
    with io.TextIOWrapper(data, encoding=encoding, errors="strict") as file:
        console = Console(file=file, width=width, force_terminal=True, color_system=None)
        console.print(picture(board, now, width=width, ascii_only=console.options.ascii_only))
        file.flush()
        return data.getvalue().decode(encoding).splitlines()


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
@pytest.mark.parametrize("width", [30, 60, 80, 120, 200])
def test_the_picture_fits_any_terminal(width: int, encoding: str) -> None:
    """A dozen lines at most, none wider than the terminal, however many jobs there are and whatever it can show."""
    jobs = [job(index, "rendering", percentage=index % 100, expected_at=START + 100) for index in range(3000)]
    jobs[7].key = "a very long key " * 20
    jobs[8].key = "客厅" * 100
    jobs[7].expected_at = jobs[8].expected_at = START + 50
    jobs[8].key = jobs[8].key if encoding == "utf-8" else "b" * 400
    lines = drawn(Board(jobs, START), width, encoding=encoding)
    assert len(lines) <= 12
    assert all(cell_len(line) <= width for line in lines)
    cut = "…" if encoding == "utf-8" else "..."
    assert any("a ve" in line and line.endswith(cut) for line in lines)
    assert encoding != "utf-8" or any("客" in line and line.endswith("…") for line in lines)


def test_the_picture_counts() -> None:
    """Made, failed, in work, sent and to be sent stand apart; the rarer ones only when there are any; the credits."""
    states: list[State] = ["waiting", "queued", "rendering", "downloading", "done", "failed", "refused"]
    board = Board([job(index, state, refunded=state == "failed") for index, state in enumerate(states)], START)
    board.jobs[1].wait_number = 4
    lines = drawn(board, 100, START + 75)
    assert lines[0].endswith("  3 of 7 · 1:15 · time left not known yet")
    assert lines[1] == "done 1 · failed 1 · refused 1 · saving 1 · rendering 1 · queued 1 · to send 1"
    assert lines[2] == "60 credits charged, 10 refunded"
    assert lines[3:] == [
        "     saving         room 3",
        "        0 %         room 2",
        "    4 ahead         room 1",
    ]
    board.move(board.jobs[0], "unknown")
    assert "in doubt 1" in drawn(board, 100)[1]
    assert " ".join(drawn(board, 30)[2:5]).count(" 1") == 7  # no count is cut off


def test_colours_mean_something() -> None:
    """Green is made, red is not, grey has yet to come; the bar has the same parts."""
    board = Board([job(0, "done"), job(1, "failed"), job(2, "rendering", percentage=50), job(3)], START)
    console = Console(file=io.StringIO(), width=40, force_terminal=True, color_system="standard", _environ={})
    console.print(picture(board, START, width=40))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    for part in (
        "32m━━━━━━━━━━",
        "31m┄┄┄┄┄┄┄┄┄┄",
        "32m╌╌╌╌╌",
        "2m──────────",
        "32mdone 1",
        "31mfailed 1",
        "2mto send 1",
    ):
        assert f"\x1b[{part}" in text


def test_a_row_moves_between_looks() -> None:
    """The forecast knows how far a video is; but an end is believed only when it is seen."""
    board = Board([job(0, "rendering", percentage=40, seen_at=START, expected_at=START + 60)], START)
    rows = [drawn(board, 80, START + seconds)[-1].split()[:3] for seconds in (0, 30, 59.5, 600)]
    assert rows == [["40", "%", "1:00"], ["70", "%", "0:30"], ["99", "%", "soon"], ["40", "%", "late"]]


def test_the_end_is_forecast() -> None:
    """By the poller where it knows all that runs; and by the pace so far, in which a video half made counts half."""
    jobs = [job(index, "rendering", expected_at=START + 30) for index in range(4)]
    board = Board(jobs, START)
    assert board.seconds_left(START) == 30
    jobs[0].expected_at = None
    assert board.seconds_left(START) is None
    for some in jobs:
        some.percentage, some.seen_at, some.expected_at = 50, START, None
    assert board.seconds_left(START + 15) == 15  # two videos' worth in 15 s, two more to make
    board.move(jobs[0], "done")
    board.move(jobs[1], "done")
    assert board.seconds_left(START + 30) == 10  # three videos' worth in 30 s
    jobs[2].expected_at = START + 90
    assert board.seconds_left(START + 30) == 60


@pytest.mark.parametrize("workers", [1, 10])
def test_the_forecast_of_the_whole_is_near(workers: int) -> None:
    """A hundred jobs of 20 s on a few workers: from a tenth of the time on, the end is known to a quarter."""
    jobs = [job(index) for index in range(100)]
    board = Board(jobs, START)
    whole = 20.0 * 100 / workers
    for number, one in enumerate(jobs):
        board.pay(one, number + 1, START)
    for tenth in range(1, 10):
        now = START + whole * tenth / 10
        for number, one in enumerate(jobs):
            begins = START + number // workers * 20.0
            if begins + 20 <= now:
                board.move(one, "done")
            elif begins <= now:
                board.move(one, "rendering")
                one.percentage, one.seen_at = int((now - begins) / 20 * 100), now
                one.expected_at = begins + 20
        left = board.seconds_left(now)
        assert left == pytest.approx(START + whole - now, rel=0.25)


def test_nothing_ends_in_no_time() -> None:
    """Where the forecast is over and the jobs are not, no false zero is shown: what is late will be late once more."""
    board = Board([job(0, "rendering", expected_at=START + 1, seen_at=START)], START)
    assert drawn(board, 80, START)[0].endswith("nearly done")
    assert drawn(board, 80, START + 10)[0].endswith("about 0:09 left")
    assert board.jobs[0].share(START + 10) == pytest.approx(10 / 19)


def test_a_forecast_gone_astray_does_not_count() -> None:
    """Of twenty forecasts the latest is left out."""
    jobs = [job(index, "rendering", expected_at=START + index) for index in range(20)]
    jobs[0].expected_at = START + 10_000
    assert Board(jobs, START).seconds_left(START) == 19


def test_a_forecast_beyond_belief_does_not_count() -> None:
    """A video needs little longer than the slowest of its kind; of another kind nobody knows."""
    jobs = [job(index) for index in range(6)]
    jobs[5].request = ImageToVideo("https://example.com/5.jpg", duration=10, resolution="1080p")
    board = Board(jobs, START)
    for number, one in enumerate(jobs):
        board.pay(one, number + 1, START)
    for one in jobs[:4]:
        one.found_at = START + 10
        board.move(one, "downloading")
        board.move(one, "done")
    board.move(jobs[4], "rendering")
    jobs[4].expected_at = START + 300
    assert board.seconds_left(START + 10) == 15
    board.move(jobs[5], "rendering")
    jobs[5].expected_at = START + 300
    jobs[4].expected_at = START + 12
    assert board.seconds_left(START + 10) == 290


def test_ended_jobs_of_earlier_runs_make_no_pace() -> None:
    """Only what ends now tells how fast it goes."""
    assert Board([job(0, "done"), job(1, "failed"), job(2)], START).seconds_left(START + 9) is None


def test_what_another_process_paid_is_not_counted_twice() -> None:
    """Its price and its refund belong to the run that sent it; here it is followed, and nothing else."""
    board = Board([job(0), job(1)], START)
    board.find(board.jobs[0], 10**18)
    board.find(board.jobs[1], 10**18 + 1)
    board.jobs[0].refunded = True
    board.move(board.jobs[0], "failed")
    assert (board.charged, board.refunded) == (0, 0)
    assert (board.jobs[1].task_id, board.jobs[1].state, board.running) == (10**18 + 1, "queued", {board.jobs[1]})


def test_a_move_to_the_same_state_is_none() -> None:
    """Nothing is counted twice, nobody is told twice."""
    told: list[Job] = []
    board = Board([job(0, "queued")], START)
    board.listeners.append(told.append)
    board.jobs[0].refunded = True
    board.move(board.jobs[0], "failed")
    board.move(board.jobs[0], "failed")
    assert (board.counts["failed"], board.refunded, len(told)) == (1, 10, 1)


@pytest.mark.parametrize(("seconds", "text"), [(None, "-:--"), (0.4, "0:00"), (59.6, "1:00"), (3600, "1:00:00")])
def test_time_spans(seconds: float | None, text: str) -> None:
    """Minutes and seconds; hours when there are."""
    assert clock(seconds) == text


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.anyio
async def test_a_log_gets_a_line_now_and_then() -> None:
    """Where nobody watches: plain text, no escape sequence, every ten seconds."""
    console = Console(file=io.StringIO(), width=40)
    async with show(Board([job(0, "queued")], START), console):
        await anyio.sleep(25)
    line = "0 of 1 · done 0 · rendering 0 · queued 1 · to send 0 · 10 credits charged · time left not known yet\n"
    assert written(console) == line * 2


@pytest.mark.anyio
async def test_what_keeps_jobs_from_being_sent_is_shown() -> None:
    """While nothing leaves, the reason stands there; it is gone once something does."""
    board = Board([job(0), job(1)], START)
    board.trouble = "no network\N{ESCAPE}[31m"
    assert "not sent: no network\N{REPLACEMENT CHARACTER}[31m" in drawn(board, 80)
    console = Console(file=io.StringIO(), width=40)
    async with show(board, console):
        await anyio.sleep(15)
        board.pay(board.jobs[0], 1, START)
        await anyio.sleep(10)
    first, second = written(console).splitlines()
    assert first.endswith("not sent: no network\N{REPLACEMENT CHARACTER}[31m")
    assert "not sent" not in second
    assert not any("not sent" in line for line in drawn(board, 80))


def test_an_outage_is_shown_when_it_lasts() -> None:
    """From ten seconds on, with what is done about it first, until a look is answered."""
    board = Board([job(0, "rendering")], START)
    board.outage.looked(1, ConnectionFailed("the API could not be reached (\N{ESCAPE}[31m)"), 0.0)
    began = board.outage.since
    assert began is not None
    board.outage.looked(2, ServerError(503, "Busy", http_status=503), 0.0)
    assert board.outage.since == began
    assert not any("no answer" in line for line in drawn(board, 120, began + 9))
    told = "no answer for 0:12; nothing is lost, it is tried for 10 minutes: Busy (code 503, HTTP 503)"
    assert told in drawn(board, 120, began + 12)
    assert "nothing is lost, it is tried for 10 minutes" in "".join(drawn(board, 72, began + 12))
    for answer in (ApiError(1001, "FAILED", http_status=200), MADE):
        board.outage.since = began
        board.outage.looked(1, answer, 0.0)
        assert not any("no answer" in line for line in drawn(board, 120, began + 600))


@pytest.mark.anyio
async def test_a_log_hears_of_each_outage_once() -> None:
    """However long it lasts; the next one is another."""
    board = Board([job(0, "rendering")], START)
    console = Console(file=io.StringIO(), width=40)
    async with show(board, console):
        for why in ("first", "second"):
            board.outage.looked(1, ConnectionFailed(why), 0.0)
            assert board.outage.since is not None
            board.outage.since -= 12
            await anyio.sleep(25)
            board.outage.since = None
            await anyio.sleep(10)
    lines = [line for line in written(console).splitlines() if line.startswith("no answer for 0:1")]
    assert [line.rpartition(" ")[2] for line in lines] == ["first", "second"]


@pytest.mark.anyio
@pytest.mark.parametrize("terminal", [False, True])
async def test_a_failure_is_told_when_it_happens(terminal: bool) -> None:
    """Each for itself, up to a screenful; with `verbose` all of them, and what was made; `quiet` tells no more."""
    jobs = [job(index, "rendering") for index in range(30)]
    for failing in jobs[1:]:
        failing.error = "no :bed: in it\x1b[2J"
    for options, lines in (({"quiet": True}, 21), ({"verbose": True}, 30)):
        board = Board(jobs, START)
        console = Console(
            file=io.StringIO(), width=60, emoji=False, markup=False, force_terminal=terminal, _environ={"TERM": "dumb"}
        )
        async with show(board, console, **options):
            board.move(jobs[0], "done")
            assert written(console).count("done") == (options == {"verbose": True})
            for number, failing in enumerate(jobs[1:], 1):
                board.move(failing, "failed")
                if number == 1:
                    assert "room 1: failed: no :bed: in it�[2J" in written(console)
        assert len(written(console).splitlines()) == lines
        assert not board.listeners
        for one in jobs:
            one.state = "rendering"
    assert "and 9 more, which the results list" not in written(console)


@pytest.mark.anyio
@pytest.mark.parametrize("failing", [False, True])
async def test_the_terminal_is_left_clean(failing: bool) -> None:
    """The picture is drawn again and again, and gone at the end, however that comes; the cursor is back."""
    console = Console(file=io.StringIO(), width=80, force_terminal=True, _environ={"TERM": "xterm"})
    with pytest.raises(ExceptionGroup) if failing else nullcontext():
        async with show(Board([job(0, "queued")], START), console):
            await anyio.sleep(5 * _progress.REFRESH)
            if failing:
                raise RuntimeError
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert text.count("queued 1") >= 3
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert text.endswith("\x1b[2K")  # the last thing that happens is that a line is erased


def test_nothing_moves_the_cursor() -> None:
    """Control characters and those that turn the writing direction become a mark."""
    assert printable("a\x1b[2J\r\n\u202eb") == "a�[2J���b"
