"""What is seen: the live picture, the log lines, the gallery; in any width, for any number of jobs."""

import io
import re
from contextlib import nullcontext
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import anyio
import pytest
from rich.console import Console

from ideal_async import ImageToVideo
from ideal_async.cli import _progress
from ideal_async.cli._gallery import render, write_gallery
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


def drawn(board: Board, width: int, now: float = START) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(picture(board, now, width=width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [30, 60, 100, 200])
def test_the_picture_fits_any_terminal(width: int) -> None:
    """A dozen lines at most, none wider than the terminal, however many jobs there are."""
    jobs = [job(index, "rendering", percentage=index % 100) for index in range(3000)]
    jobs[7].key = "a very long key " * 20
    jobs[7].percentage = 100
    lines = drawn(Board(jobs, START), width)
    assert len(lines) <= 12
    assert all(len(line) <= width for line in lines)
    assert any("a very lon" in line and line.endswith("…") for line in lines)


def test_the_picture_counts() -> None:
    """Queue, running, done, failed and, only when there are any, the rarer ones; what was charged and refunded."""
    states: list[State] = ["waiting", "queued", "rendering", "downloading", "done", "failed", "refused"]
    board = Board([job(index, state) for index, state in enumerate(states)], START)
    lines = drawn(board, 100, START + 75)
    assert "3/7 · 1:15 · -:-- left" in lines[0]
    assert lines[1] == "queue 2 · running 2 · done 1 · failed 2"
    assert lines[2] == "60 credits charged, 10 refunded"
    assert lines[3:] == ["  saving  room 3", "     0 %  room 2"]
    board.move(board.jobs[0], "unknown")
    assert drawn(board, 100)[1].endswith("unknown 1")


def test_the_end_is_forecast() -> None:
    """By the poller where it knows all that runs, else also by the pace of the ends since the first of them."""
    ticks = iter([START + 10.0, START + 99.0])
    jobs = [job(index, "rendering", expected_at=START + 30) for index in range(6)]
    board = Board(jobs, START, clock=lambda: next(ticks))
    jobs[1].expected_at = START + 90
    assert board.seconds_left(START) == 90
    assert board.seconds_left(START + 95) == 0
    jobs[4].expected_at = None
    for ended in jobs[:3]:
        assert board.seconds_left(START) is None
        board.move(ended, "done")
    assert board.seconds_left(START + 20) == 15  # two more ends in the ten seconds since the first: five seconds each
    jobs[3].expected_at = START + 80
    assert board.seconds_left(START + 20) == 60
    jobs[4].expected_at = START + 80
    board.counts["waiting"] += 1
    assert board.seconds_left(START + 140) == 195


def test_a_forecast_gone_astray_does_not_count() -> None:
    """Of twenty forecasts the latest is left out."""
    jobs = [job(index, "rendering", expected_at=START + index) for index in range(20)]
    jobs[0].expected_at = START + 10_000
    assert Board(jobs, START).seconds_left(START) == 19


def test_ended_jobs_of_earlier_runs_make_no_pace() -> None:
    """Only what ends now tells how fast it goes."""
    assert Board([job(0, "done"), job(1, "failed"), job(2)], START).seconds_left(START + 9) is None


def test_a_move_to_the_same_state_is_none() -> None:
    """Nothing is counted twice, nobody is told twice."""
    told: list[Job] = []
    board = Board([job(0, "queued")], START, on_end=told.append)
    board.move(board.jobs[0], "failed")
    board.move(board.jobs[0], "failed")
    assert (board.counts["failed"], board.refunded, len(told)) == (1, 10, 1)


@pytest.mark.parametrize(("seconds", "text"), [(None, "-:--"), (0.4, "0:00"), (59.6, "1:00"), (3600, "1:00:00")])
def test_time_spans(seconds: float | None, text: str) -> None:
    """Minutes and seconds; hours when there are."""
    assert clock(seconds) == text


@pytest.mark.anyio
async def test_a_log_gets_a_line_now_and_then() -> None:
    """Where nobody watches: plain text, no escape sequence, every ten seconds."""
    console = Console(file=io.StringIO(), width=40)
    async with show(Board([job(0, "queued")], START), console):
        await anyio.sleep(25)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert re.fullmatch(r"(0/1 · queue 1 · running 0 · done 0 · failed 0 · 10 credits charged · -:-- left\n){2}", text)


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
    assert text.count("queue 1") >= 3
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert text.endswith("\x1b[2K")  # the last thing that happens is that a line is erased


def test_nothing_moves_the_cursor() -> None:
    """Control characters and those that turn the writing direction become a mark."""
    assert printable("a\x1b[2J\r\n\u202eb") == "a�[2J���b"


# the gallery


class Page(HTMLParser):
    """Collects what a test asks about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag and its attributes."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.words.append(data.strip())

    def all(self, tag: str, name: str) -> list[str | None]:
        """Tell the values of an attribute of all tags of a kind that have it."""
        return [found[name] for other, found in self.tags if other == tag and name in found]


def page_of(jobs: list[Job]) -> Page:
    return Page(render(jobs, title="T", now=START, charged=1000, refunded=0))


def test_a_card_for_each_job() -> None:
    """Cover, player, facts and how long each phase took; a job without a video says why."""
    made = job(0, "done", video=Path("v/Küche #1?.mp4"), cover=Path("v/Küche #1?.jpg"), width=854, height=480)
    made.queued_at, made.started_at, made.ended_at = START, START + 5, START + 45
    made.found_at, made.downloaded_at = START + 46.5, START + 120
    page = page_of([made, job(1, "failed", error="the service made no video"), job(2)])
    assert page.all("a", "href")[1:] == ["K%C3%BCche%20%231%3F.mp4"]
    assert page.all("img", "src") == ["K%C3%BCche%20%231%3F.jpg"]
    assert page.all("img", "loading") == ["lazy"]
    text = " ".join(filter(None, page.words))
    assert "queued 5.0 s rendering 40.0 s until found 1.5 s downloading 1:14" in text
    assert "the service made no video" in text
    assert "credits 10, refunded" in text
    assert "credits not charged" in text
    assert "1 of 3 made · 1,000 credits charged" in re.sub(r"\s+", " ", text)
    assert page.all("li", "data-state") == ["done", "failed", "waiting"]


def test_kinds_and_states_can_be_chosen() -> None:
    """Every one there is, with its number."""
    base = ImageToVideo(
        "https://example.com/a.jpg",
        duration=10,
        resolution="1080p",
        model_type="Base",
        generate_audio=True,
        last_image_url="https://example.com/b.jpg",
    )
    page = page_of([job(0), job(1), job(2, "done", request=base)])
    assert page.all("option", "value") == [
        "",
        "waiting",
        "done",
        "",
        "1080p · 10 s · Base · audio · first-last",
        "480p · 5 s · Flash",
    ]


def test_hostile_text_stays_text() -> None:
    """Keys, prompts and errors of strangers make no markup."""
    request = ImageToVideo(
        "https://example.com/a.jpg", duration=5, resolution="480p", prompt="</script><script>alert(1)</script>"
    )
    bad = job(0, "failed", request=request, error='"><img src=x onerror=alert(1)>')
    bad.key = "<b>\u202e"
    page = page_of([bad])
    assert [tag for tag, _ in page.tags if tag in {"b", "script", "img"}] == ["script"]
    assert "<b>�" in page.words


def test_the_timeline() -> None:
    """A line for each job that was sent, in the order of the submits; known moments only; failures stand out."""
    first = job(0, "done", queued_at=START + 10, started_at=START + 20, found_at=START + 60, downloaded_at=START + 110)
    second = job(1, "failed", queued_at=START + 10, found_at=START + 60)
    back = job(2, "done", queued_at=START + 60, found_at=START + 10, downloaded_at=START + 110)
    page = page_of([back, first, second, job(3)])
    assert page.all("path", "class") == ["queue", "render", "fail", "save"]
    assert page.all("path", "d") == [
        "M0.0 8.00H100.0",
        "M100.0 8.00H500.0M500.0 40.00H500.8",
        "M0.0 24.00H500.0",
        "M500.0 8.00H1000.0M500.0 40.00H1000.0",
    ]
    assert page.all("svg", "data-rows") == ["0 1 2"]
    assert page_of([job(0)]).all("svg", "id") == []
    assert page_of([job(0, "queued", queued_at=START)]).all("svg", "id") == []


def test_a_page_of_a_thousand(tmp_path: Path) -> None:
    """One self-contained file of moderate size: no script, style or font from anywhere else."""
    jobs = [job(i, "done", video=tmp_path / f"{i}.mp4", queued_at=START, found_at=START + i) for i in range(1000)]
    path = write_gallery(Board(jobs, START), tmp_path)
    text = path.read_text("utf-8")
    assert path.name == "index.html"
    assert len(text) < 1_500_000
    page = Page(text)
    assert len(page.all("a", "href")) == 1001
    assert not [tag for tag, _ in page.tags if tag in {"link", "iframe"}]
    assert not re.search(r"(?:src|href)=\"?(?:https?:)?//", text)
