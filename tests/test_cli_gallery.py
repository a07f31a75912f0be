"""The page beside the videos: what it says, what it draws, and what somebody does with it in a real browser."""

import re
import webbrowser
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from ideal_async import ImageToVideo
from ideal_async.cli import _gallery
from ideal_async.cli._chart import spans_of, ticks
from ideal_async.cli._gallery import live_gallery, render, write_gallery
from ideal_async.cli._job import Board, Job, State

START = 1_000_000.0


def job(index: int, state: State = "waiting", **more: Any) -> Job:
    request = ImageToVideo(f"https://example.com/{index}.jpg", duration=5, resolution="480p")
    made = Job(index, f"room {index}", more.pop("request", request), state=state)
    if state != "waiting":
        made.task_id = 10**18 + index
    for name, value in more.items():
        setattr(made, name, value)
    return made


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


def page_of(jobs: list[Job], **options: Any) -> Page:
    return Page(render(Board(jobs, START), title="T", now=START, **options))


def words_of(page: Page) -> str:
    return re.sub(r"\s+", " ", " ".join(filter(None, page.words)))


def made(index: int, **more: Any) -> Job:
    return job(index, "done", video=Path(f"v/{index}.mp4"), cover=Path(f"v/{index}.jpg"), **more)


def test_a_card_for_each_video() -> None:
    """Cover, player, facts; what was seen bounds what is known of the time in each phase."""
    one = made(0, width=854, height=480)
    one.video, one.cover = Path("v/Küche #1?.mp4"), Path("v/Küche #1?.jpg")
    one.queued_at, one.waited_at, one.started_at = START, START + 3, START + 5
    one.seen_at, one.found_at, one.downloaded_at = START + 40, START + 46.5, START + 120
    page = page_of([one])
    assert page.all("a", "href")[1] == "K%C3%BCche%20%231%3F.mp4"
    assert page.all("img", "src") == ["K%C3%BCche%20%231%3F.jpg"]
    assert page.all("img", "loading") == ["lazy"]
    text = words_of(page)
    assert "queued 3.0 s to 5.0 s rendering 35.0 s to 43.5 s to find its end at most 6.5 s downloading 1:14" in text
    assert "480p · 5 s · Flash · 10 credits" in text
    one.ended_at = START + 45
    assert "rendering 40.0 s to 42.0 s to find its end 1.5 s" in words_of(page_of([one]))


def test_a_first_look_is_no_start() -> None:
    """With workers free it waited five seconds for a look, not for a worker: nobody knows how long it was queued."""
    one = made(0, queued_at=START, started_at=START + 5.1, seen_at=START + 20, found_at=START + 25)
    assert "queued at most 5.1 s" in words_of(page_of([one]))
    assert [phase for phase, _, _ in spans_of(one)] == ["gap", "render", "gap"]
    never = made(0, queued_at=START, found_at=START + 25)
    assert "queued and rendering at most 25.0 s" in words_of(page_of([never]))
    never.ended_at = START + 20
    assert "queued and rendering 20.0 s" in words_of(page_of([never]))
    assert "queued" not in words_of(page_of([made(0)]))


def test_what_has_no_video_comes_first() -> None:
    """In doubt before failed before the rest, with the reason, and with what is known about the money."""
    jobs = [
        made(0),
        job(1, "waiting"),
        job(2, "failed", error="no", refunded=True),
        job(3, "unknown", task_id=None, error="lost"),
        job(4, "refused", task_id=None, error="words " * 60),
        job(5, "unfinished"),
    ]
    page = page_of(jobs)
    assert page.all("li", "id") == ["job-3", "job-2", "job-4", "job-5", "job-1", "job-0"]
    text = words_of(page)
    assert "in doubt room 3 lost 10 credits, perhaps charged: look into your account" in text
    assert "failed room 2 no 10 credits, refunded" in text
    assert "nothing charged" in text
    assert "unfinished room 5 10 credits" in text
    assert "Without a video 1 in doubt, 1 failed, 1 refused, 1 unfinished, 1 not sent" in text
    assert text.count("words " * 60) == 1  # folded: the beginning, and all of it
    assert "1 of 6 made · 30 credits charged, 10 refunded" in text
    jobs[2].refunded = False
    text = words_of(page_of(jobs))
    assert "failed room 2 no 10 credits, not refunded as far as known" in text
    assert "1 of 6 made · 30 credits charged ·" not in text.replace("refunded", "refunded ·")


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
    page = page_of([job(0), job(1), job(2, "unknown", request=base)])
    kinds = ["", "1080p · 10 s · Base · audio · first-last", "480p · 5 s · Flash"]
    assert page.all("option", "value") == ["", "waiting", "unknown", *kinds]
    assert "in doubt (1)" in words_of(page)


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


def test_an_empty_page_says_so() -> None:
    """No video yet, or none at all."""
    assert "There is no video here yet." in words_of(page_of([job(0)]))
    assert "The first video is on its way." in words_of(page_of([job(0, "queued")], live=True))


def test_a_running_batch_is_followed() -> None:
    """What is in work, what is to be sent, when it ends; the page reads itself anew, a finished one does not."""
    jobs = [job(i, "rendering", percentage=i, seen_at=START, expected_at=START + 60) for i in range(14)]
    page = page_of([*jobs, job(14, "queued"), job(15)], live=True)
    text = words_of(page)
    assert "In work 15, and 1 to send" in text
    assert "and 3 more" in text
    assert "rendering room 13 13 %" in text
    assert page.all("body", "data-live") == [None]
    assert page_of([made(0)]).all("body", "data-live") == []


@pytest.mark.anyio
async def test_the_live_page_costs_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is opened once and written every few seconds; a disk that is full stops nothing."""
    opened: list[str] = []
    written: list[float] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)

    def write(*_: object, **__: object) -> Path:
        written.append(anyio.current_time())
        if len(written) > 2:
            raise OSError
        return tmp_path / "index.html"

    monkeypatch.setattr(_gallery, "write_gallery", write)
    monkeypatch.setattr(anyio.to_thread, "run_sync", lambda function, *args, **_: run_now(function, *args))
    async with live_gallery(Board([job(0, "queued")], START), tmp_path):
        await anyio.sleep(10 * _gallery.RENEWAL)
    assert opened == [(tmp_path / "index.html").as_uri()]
    assert 9 <= len(written) <= 12


async def run_now(function: Any, *args: Any) -> None:
    function(*args)


# the course of the batch


def test_a_few_jobs_are_lines() -> None:
    """One for each that was sent, in the order of the submits; known moments only; failures stand out."""
    first = made(0, queued_at=START + 10, waited_at=START + 15, started_at=START + 20, seen_at=START + 50)
    first.found_at, first.downloaded_at = START + 60, START + 110
    second = job(1, "failed", queued_at=START + 10, started_at=START + 20, seen_at=START + 60, found_at=START + 60)
    back = made(2, queued_at=START + 60, found_at=START + 10, downloaded_at=START + 110)
    page = page_of([back, first, second, job(3)])
    assert dict(zip(page.all("path", "class"), page.all("path", "d"), strict=True)) == {
        "queue": "M0.0 8.00H50.0",
        "gap": "M50.0 8.00H100.0M400.0 8.00H500.0M0.0 24.00H100.0",
        "render": "M100.0 8.00H400.0",
        "fail": "M100.0 24.00H500.0",
        "save": "M500.0 8.00H1000.0M500.0 40.00H1000.0",
    }
    assert page.all("svg", "data-rows") == ["0 1 2"]
    assert page_of([job(0)]).all("svg", "id") == []
    assert page_of([job(0, "queued", queued_at=START)]).all("svg", "id") == []


def test_many_jobs_are_counted() -> None:
    """A stack over time: its heights are the numbers of jobs, and nothing is drawn twice."""
    jobs = [made(i, queued_at=START, started_at=START + 0.0, seen_at=START + 100 + i) for i in range(100)]
    for one in jobs:
        one.found_at = one.seen_at
    page = page_of(jobs)
    (path,) = page.all("path", "d")
    assert path is not None
    assert path.startswith("M0 0.0L5 0.0")
    assert page.all("svg", "data-rows") == [""]
    assert "100 jobs in 3:19" in words_of(page)


@pytest.mark.parametrize("most", [0.5, 1, 7, 59, 61, 100, 1000, 3600, 10_000, 86_400, 900_000])
def test_ticks_are_round(most: float) -> None:
    """A handful of numbers that people count in, evenly spaced, none beyond the end."""
    found = ticks(most)
    assert 1 <= len(found) <= 9
    assert found[0] == 0
    assert found[-1] <= most
    assert len({later - earlier for earlier, later in pairwise(found)}) <= 1


def test_a_page_of_a_thousand(tmp_path: Path) -> None:
    """One self-contained file of moderate size: no script, style or font from anywhere else."""
    jobs = [job(i, "done", video=tmp_path / f"{i}.mp4", queued_at=START, found_at=START + i) for i in range(1000)]
    path = write_gallery(Board(jobs, START), tmp_path)
    text = path.read_text("utf-8")
    assert path.name == "index.html"
    assert len(text) < 1_500_000
    page = Page(text)
    assert len(page.all("a", "data-file")) == 1000
    assert not [tag for tag, _ in page.tags if tag in {"link", "iframe"}]
    assert not re.search(r"(?:src|href)=\"?(?:https?:)?//", text)


@pytest.mark.slow
def test_somebody_looks_at_the_videos(chromium: Any, tmp_path: Path) -> None:
    """Arrow keys work at once, among the covers and in the player, with prompt, price, file; no match is said."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    jobs = [made(index) for index in range(3)]
    for one in jobs:
        one.request = ImageToVideo(
            f"https://x.example/{one.index}", duration=5, resolution="480p", prompt=f"move {one.index}"
        )
    jobs.append(job(3, "failed", error="word " * 100, queued_at=START, started_at=START + 1, found_at=START + 9))
    page = write_gallery(Board(jobs, START), tmp_path)
    script = chromium.execute_script
    focused = "return document.activeElement.getAttribute('aria-label')"

    def press(*keys: str) -> None:
        ActionChains(chromium).send_keys(*keys).perform()

    chromium.get(page.as_uri())
    assert script("return document.getElementById('course').open") is False
    press(Keys.ARROW_RIGHT)
    assert script(focused) == "Play room 0"
    press(Keys.ARROW_RIGHT)
    assert script(focused) == "Play room 1"
    outlined = "return getComputedStyle(document.activeElement.closest('.card')).outlineStyle"
    assert script(outlined) == "solid"  # around the card, since a cover hides what is drawn within
    press(Keys.ENTER)
    assert script("return player.open && playing.querySelector('h2').textContent") == "room 1"
    facts = [script(f"return document.getElementById('{name}').textContent") for name in ("prompt", "facts", "file")]
    assert facts == ["move 1", "480p · 5 s · Flash · 10 credits", "1.mp4"]
    press(Keys.ARROW_RIGHT)
    press(Keys.ARROW_RIGHT)
    assert script("return document.getElementById('playing').textContent") == "room 0"
    script("screen.focus()")
    press(Keys.ARROW_LEFT)
    assert script("return document.getElementById('playing').textContent") == "room 2"
    press(Keys.ESCAPE)
    assert script(focused) == "Play room 2"
    script("filter.elements.state.value = 'failed'; filter.dispatchEvent(new Event('input'))")
    assert script("return document.getElementById('empty').innerText").startswith("No video fits.")
    assert script("return document.getElementById('count').textContent") == "1 of 4 shown"
    script("document.getElementById('all').click()")
    assert script("return document.getElementById('count').textContent") == "4 of 4 shown"
    for width in (390, 1280, 1920):
        chromium.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        )
        assert script("return document.documentElement.scrollWidth <= innerWidth")
    assert [entry for entry in chromium.get_log("browser") if "ERR_FILE_NOT_FOUND" not in entry["message"]] == []
