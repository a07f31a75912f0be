"""What a notebook shows, in a real kernel and as text."""

import os
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from fakes import ROOM
from processes import missing

from ideal_async import DownloadFailed, Eta, Failed, Made, Progress, Task, TaskStatus, VideoOutput
from ideal_async.sandbox import Sandbox, serve

RECIPE = Path(__file__).parent / "recipes" / "notebook.ipynb"
NASTY = '"><script>alert(1)</script><img src=x onerror="alert(2)'


class Page(HTMLParser):
    """The elements of a piece of HTML, and its words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: dict[str, dict[str, str | None]] = {}
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] = dict(attrs)

    def handle_data(self, data: str) -> None:
        self.words += data


def made(url: str = "https://cdn.example/7.mp4?signed=a&b=c", **more: Any) -> Task:
    return Task(7, TaskStatus.SUCCESS, percentage=100, output=VideoOutput(url, **more))


def test_a_finished_task_shows_its_video() -> None:
    """With the URL as it is, its cover until it plays, and its size."""
    page = Page(made(cover="https://cdn.example/7.jpg", width=1280, height=720)._repr_html_())
    assert page.elements["video"]["src"] == "https://cdn.example/7.mp4?signed=a&b=c"
    assert page.elements["video"]["poster"] == "https://cdn.example/7.jpg"
    assert page.elements["video"]["width"] == "1280"
    assert page.words == "task 7: Success, 1280 x 720"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:video/mp4;base64,AA", "file:///etc/passwd", "http://[", ""]
)
def test_only_the_web_is_put_into_a_page(url: str) -> None:
    """What else a service may call a URL is left out, as a video and as a cover."""
    assert "video" not in Page(made(url)._repr_html_()).elements
    assert "poster" not in Page(made(cover=url)._repr_html_()).elements["video"]


def test_the_words_of_others_stay_words() -> None:
    """Whatever a URL, a status or an error says."""
    task = Task(7, NASTY, output=VideoOutput(f"https://cdn.example/{NASTY}", f"http://cdn.example/{NASTY}"))
    outcome = Failed(0, NASTY, ROOM, error=ValueError(NASTY))
    for html in (task._repr_html_(), made(f"https://a.example/{NASTY}")._repr_html_(), outcome._repr_html_() or ""):
        assert {*Page(html).elements} <= {"figure", "figcaption", "video"}


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (Task(7, TaskStatus.UNPROCESSED, wait_number=3), "task 7: Unprocessed, 0 %, 3 ahead in the queue"),
        (Task(7, TaskStatus.PROCESSING, 40, eta=Eta(12.4, "history")), "task 7: Processing, 40 %, about 12 s left"),
        (Task(7, TaskStatus.FAILED), "task 7: Failed"),
    ],
)
def test_a_task_without_a_video_says_where_it_stands(task: Task, words: str) -> None:
    """In a line, as it is shown."""
    assert Page(task._repr_html_()).words == words


def test_an_outcome_shows_its_video_or_its_error() -> None:
    """With the key, or else the number of the request."""
    assert "video" in Page(Made(0, "order", ROOM, task_id=7, task=made())._repr_html_() or "").elements
    failed = Failed(3, None, ROOM, error=DownloadFailed("disk full", path="a", received=0))
    assert Page(failed._repr_html_() or "").words == "request 3: DownloadFailed: disk full"


@pytest.mark.parametrize(
    ("progress", "bar", "words"),
    [
        (
            Progress(5, 1, 2, 3, 0, 8, 1, 90, eta=150.0),
            ("20", "9"),
            "8 made · 1 failed · 3 being made · 2 queued · 1 being",
        ),
        (Progress(None, 0, 0, 1, 0, 0, 0, 10), (None, None), "1 being made · 10 credits"),
        (Progress(0, 0, 0, 0, 0, 2, 0, 20, eta=0.0), ("2", "2"), "2 made · 20 credits"),
    ],
)
def test_progress_is_a_bar_and_a_line(progress: Progress, bar: tuple[str | None, ...], words: str) -> None:
    """How much there is to do is not always known."""
    page = Page(progress._repr_html_())
    assert (page.elements["progress"].get("max"), page.elements["progress"].get("value")) == bar
    assert page.words.strip().startswith(words)
    assert page.words.endswith("about 2.5 min left") == (progress.eta == 150.0)


SETUP = """
import functools, ideal_async
quick = ideal_async.Pacing(min_interval=0.02, max_interval=0.1)
ideal_async.AsyncClient = functools.partial(ideal_async.AsyncClient, pacing=quick)
"""


@pytest.mark.slow
def test_the_recipe_runs_in_a_kernel(ideal_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A video under one cell, a bar that ends full under another; run again, it pays for nothing."""
    for module in ("nbclient", "ipykernel"):
        if find_spec(module) is None:
            missing(module, "pip install --group tools")
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("IDEAL_HOUSE_API_KEY", ideal_sandbox.api_key)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_PATH", str(Path(sys.prefix, "share", "jupyter")))
    shown: list[str] = []
    with serve(ideal_sandbox) as base_url:
        monkeypatch.setenv("IDEAL_HOUSE_BASE_URL", base_url)
        for _ in range(2):
            notebook = nbformat.read(RECIPE, as_version=4)
            notebook.cells.insert(0, nbformat.v4.new_code_cell(SETUP))
            NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute(
                env={**os.environ}
            )
            shown += [
                output.data["text/html"]
                for cell in notebook.cells
                for output in cell.get("outputs", [])
                if "text/html" in output.get("data", {})
            ]
    assert len(ideal_sandbox.created) == 6
    one, bar, many = map(Page, shown[:3])
    assert str(one.elements["video"]["src"]).startswith(base_url)
    assert bar.elements["progress"] == {"max": "5", "value": "5"}
    assert "5 made" in bar.words
    assert "video" in many.elements
    assert len(shown) == 6
