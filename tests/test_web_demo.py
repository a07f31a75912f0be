"""The demo page: its application, its command, and what somebody sees in a real browser."""

import json
import re
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import uvicorn

from ideal_async import (
    AsyncClient,
    Budget,
    BudgetExceeded,
    ConnectionFailed,
    ContentRejected,
    Eta,
    ImageToVideo,
    OutOfCredits,
    Pacing,
    Task,
    TaskFailed,
    TaskStatus,
)
from ideal_async.sandbox import Sandbox
from ideal_async.webdemo import Board, Job, _app, _jobs, create_app
from ideal_async.webdemo.__main__ import main

ROOM = ImageToVideo("https://example.com/living-day.jpg", duration=5, resolution="480p")
ORDER = {"image_url": ROOM.image_url, "duration": 5, "resolution": "480p"}
PHOTOS = [(ROOM.image_url, "http://127.0.0.1/images/living-day.jpg")]


@asynccontextmanager
async def demo(sandbox: Sandbox, folder: Path, board: Board) -> AsyncGenerator[httpx.AsyncClient]:
    """The application, started, and a browser before it."""
    budget = Budget(100)
    connect = partial(
        AsyncClient,
        sandbox.api_key,
        transport=sandbox.transport,
        pacing=Pacing(min_interval=0.02, max_interval=0.1),
        budget=budget,
    )
    app = create_app(connect, budget=budget, folder=folder, photos=PHOTOS, board=board)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as browser:
            yield browser


async def order(browser: httpx.AsyncClient, key: str = "k", **fields: Any) -> httpx.Response:
    return await browser.post("/videos", json={**ORDER, **fields}, headers={"Idempotency-Key": key})


async def until(board: Board, key: str, stage: str) -> Job:
    with anyio.fail_after(20):
        while key not in board.jobs or board.jobs[key].stage != stage:  # noqa: ASYNC110 - what is watched is the board
            await anyio.sleep(0.01)
    return board.jobs[key]


@pytest.mark.anyio
@pytest.mark.usefixtures("real_time")
async def test_an_order_becomes_a_file(ideal_sandbox: Sandbox, tmp_path: Path) -> None:
    """Answered at once, followed to the end, downloaded with its cover, and served in ranges; the account knows."""
    board = Board()
    async with demo(ideal_sandbox, tmp_path, board) as browser:
        assert "Rooms" in (await browser.get("/")).text
        start = (await browser.get("/start")).json()
        assert start["photos"] == [{"url": PHOTOS[0][0], "picture": PHOTOS[0][1]}]
        assert (start["prices"]["flash,false,480p,5"], start["left"]) == (10, 100)
        answer = await order(browser)
        assert (answer.status_code, answer.json()["stage"], answer.json()["picture"]) == (202, "sending", PHOTOS[0][1])
        assert (await order(browser)).json()["key"] == "k"
        job = await until(board, "k", "ready")
        part = await browser.get(f"/files/{job.task_id}.mp4", headers={"Range": "bytes=4-7"})
        assert (part.status_code, part.content) == (206, b"ftyp")
        assert (await browser.get(f"/files/{job.task_id}.jpg")).status_code == 200
        assert (await browser.get("/files/1.mp4")).status_code == 404
        assert (await browser.get(f"/files/{job.task_id}.part")).status_code == 404
        assert (await browser.get("/account")).json() == {"left": 90, "spent": 10, "refunded": 0}
    assert len(ideal_sandbox.created) == 1


@pytest.mark.anyio
@pytest.mark.usefixtures("real_time")
@pytest.mark.ideal_sandbox(faults="task 1: fail")
async def test_what_cannot_be_made_is_said(ideal_sandbox: Sandbox, tmp_path: Path) -> None:
    """Refused orders have a reason; failed ones too, and their credits come back."""
    board = Board()
    async with demo(ideal_sandbox, tmp_path, board) as browser:
        assert "Flash makes no audio" in (await order(browser, generate_audio=True)).json()["detail"]
        assert (await order(browser, duration=7)).status_code == 422
        assert "Idempotency-Key" in (await browser.post("/videos", json=ORDER)).json()["detail"]
        assert not board.jobs
        await order(browser, "fails")
        assert (await order(browser, "fails", duration=10)).status_code == 409
        assert "credits came back" in (await until(board, "fails", "failed")).problem
        await order(browser, "reviewed", prompt="nsfw")
        assert "another prompt or photograph may do" in (await until(board, "reviewed", "failed")).problem
        await order(browser, "dear", resolution="1080p", duration=10)
        await until(board, "dear", "ready")
        answer = await order(browser, "dearer", resolution="1080p", duration=10)
        assert answer.status_code == 402
        assert answer.json()["detail"] == "This one costs 80 credits, and 20 are left."
        assert "dearer" not in board.jobs
        assert (await browser.get("/account")).json()["refunded"] == 10


def test_credits_come_back_only_where_that_is_promised() -> None:
    """The service refunds what it calls `Failed`; of `Cancelled` it says nothing."""
    job = Job("a", ROOM, 10, "picture")
    for status, words in ((TaskStatus.FAILED, "came back"), ("Cancelled", "is not known")):
        task = Task(7, status)
        job.see(task)
        assert (job.stage, words in job.problem) == ("failed", True)
        assert _app.in_words(TaskFailed.of(task)) == job.problem


@pytest.mark.anyio
async def test_a_page_hears_everything_once() -> None:
    """A new page gets all jobs; then changes, the latest of each; signs of life in between; and an end."""
    board, heard = Board(), list[Any]()
    first, second = (Job(key, ROOM, 10, "picture") for key in ("a", "b"))
    board.put(first)

    async def listen() -> None:
        async for event in board.stream():
            heard.append(json.loads(event[6:])["key"] if event.startswith("data: ") else event)
            if event.startswith("data: ") and heard[1:] == ["a"]:
                board.put(first)  # while this page is busy: two changes of one job are one event
                board.put(first)
                board.put(second)

    async with anyio.create_task_group() as pages:
        pages.start_soon(listen)
        await anyio.sleep(_jobs.SIGN_OF_LIFE + 1)
        assert heard == [f"event: run\ndata: {board.run}\n\n", "a", "a", "b", ": still here\n\n"]
        board.close()
    assert heard[5:] == []


@pytest.mark.anyio
async def test_the_events_are_for_event_sources(ideal_sandbox: Sandbox, tmp_path: Path) -> None:
    """The stream has the type `EventSource` insists on; a closed board ends it."""
    board = Board()
    board.put(Job("a", ROOM, 10, "picture"))
    closing = board.stream()
    assert await anext(closing) == f"event: run\ndata: {board.run}\n\n"
    assert json.loads((await anext(closing)).removeprefix("data: "))["task"] is None
    await closing.aclose()
    board.close()
    async with demo(ideal_sandbox, tmp_path, board) as browser:
        answer = await browser.get("/events")
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.text == f"event: run\ndata: {board.run}\n\n"


def test_stages_follow_the_looks() -> None:
    """Queued while it waits, working once it grows, whatever the queue says."""
    job = Job(
        "a", ImageToVideo(ROOM.image_url, duration=5, resolution="480p", model_type="Base", generate_audio=True), 16, ""
    )
    stages: list[tuple[str, Any]] = []
    for task in (
        Task(1, "Unprocessed", wait_number=2),
        Task(1, "Processing", wait_number=2),
        Task(1, "Processing", 30, wait_number=2, eta=Eta(4.25, "percentage")),
        Task(1, "Success", 100),
        Task(1, "Failed"),
    ):
        job.see(task)
        stages.append((job.stage, job.show()["eta"]))
    assert stages == [("queued", None), ("queued", None), ("working", 4.2), ("fetching", None), ("failed", None)]
    assert job.show()["made"] == "480p · 5 s · Base · sound"


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    """Asked for before `page`, it outlives it: with its stream still open."""
    with httpx.Client(timeout=20) as browser:
        yield browser


@contextmanager
def served(*options: str) -> Iterator[str]:
    """The demo as somebody starts it, and ends it with Ctrl-C."""
    command = [sys.executable, "-m", "ideal_async.webdemo", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own demo
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        try:
            yield found[0]
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0


@pytest.fixture
def page() -> Iterator[str]:
    """The demo with one worker, so that the second video waits."""
    with served("--port", "0", "--speed", "8", "--workers", "1") as address:
        yield address


@pytest.mark.slow
def test_the_command_serves_until_interrupted(browser: httpx.Client, page: str) -> None:
    """The photographs it offers can be seen; a page that is open does not keep it from ending (the fixture ends it)."""
    photos = browser.get(f"{page}/start").json()["photos"]
    assert len(photos) == 14
    assert {browser.get(photo["picture"]).headers["content-type"] for photo in photos} == {"image/webp"}
    stream = browser.send(browser.build_request("GET", f"{page}/events"), stream=True)
    assert stream.status_code == 200


def test_the_command_tells_its_pages_before_it_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says where to look; a signal closes the streams first, and its handlers are gone afterwards."""
    events: list[str] = []

    def run(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        events.append(f"Open http://127.0.0.1:{sockets[0].getsockname()[1]} ")
        signal.raise_signal(signal.SIGTERM)  # as uvicorn does when it is done: ours by then
        server.handle_exit(signal.SIGTERM, None)
        assert server.should_exit

    monkeypatch.setattr(uvicorn.Server, "run", run)
    monkeypatch.setattr(Board, "close", lambda _: events.append("closed"))
    before = signal.getsignal(signal.SIGTERM)
    assert main(["--port", "0"]) == 0
    assert signal.getsignal(signal.SIGTERM) is before
    assert capsys.readouterr().out.startswith(events[0])
    assert events[1:] == ["closed"]


def test_the_command_names_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without its packages it says how to get them."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.setattr(sys, "argv", ["webdemo"])
    monkeypatch.delitem(sys.modules, "ideal_async.webdemo.__main__")
    with pytest.raises(SystemExit, match="2"):
        runpy.run_module("ideal_async.webdemo", run_name="__main__")
    assert "pip install 'ideal-async[webdemo]'" in capsys.readouterr().err


@pytest.mark.slow
def test_somebody_orders_two_videos_and_watches_them(chromium: Any, page: str, tmp_path: Path) -> None:
    """Form, queue place, percentage, time left, gallery: all of it on the screen, and the videos play."""
    from selenium.webdriver.support.ui import WebDriverWait

    wait: Callable[[str], Any] = lambda script: WebDriverWait(chromium, 60, 0.05).until(  # noqa: E731 - one line, used below
        lambda driver: driver.execute_script(f"return {script}")
    )
    chromium.get(page)
    wait("document.querySelectorAll('.photos img').length === 14")
    wait("[...document.querySelectorAll('.photos img')].slice(0, 8).every(image => image.naturalWidth === 1280)")
    assert chromium.execute_script("return price.textContent") == "10 credits"
    chromium.execute_script("document.querySelector('[value=Base]').click(); audio.click()")
    assert chromium.execute_script("return price.textContent") == "16 credits"
    chromium.execute_script("document.querySelector('[value=Flash]').click()")
    # What a page shows only for a moment is written down by the page itself.
    chromium.execute_script(
        "window.seen = new Set(); new MutationObserver(() => document.querySelectorAll('.state').forEach(state =>"
        " seen.add(state.innerText.replace(/\\s+/g, ' ').trim()))).observe(gallery, {subtree: true, childList: true,"
        " characterData: true})"
    )
    order = chromium.find_element("id", "order")
    order.click()
    order.click()
    wait("document.querySelectorAll('article').length === 2")
    wait("document.querySelector('[data-stage=working]')")
    chromium.save_screenshot(str(tmp_path / "working.png"))
    wait("document.querySelectorAll('[data-stage=ready] video').length === 2")
    wait("[...document.querySelectorAll('video')].every(video => video.currentTime > 0 && !video.paused)")
    videos = chromium.execute_script(
        "return [...document.querySelectorAll('video')].map(v => [v.videoWidth, v.videoHeight, Math.round(v.duration)])"
    )
    assert videos == [[854, 480, 5]] * 2
    chromium.save_screenshot(str(tmp_path / "ready.png"))
    seen = "\n".join(chromium.execute_script("return [...seen]"))
    assert "1 ahead of it" in seen or "Next in line" in seen
    assert re.search(r"^\d+ %", seen, re.MULTILINE)
    assert re.search(r"(about \d+ s|any moment) left", seen)
    assert chromium.execute_script("return [left.textContent, spent.textContent, videos.textContent]") == [
        "980",
        "20",
        "2",
    ]
    # Somebody who comes later sees the same.
    chromium.refresh()
    wait("document.querySelectorAll('[data-stage=ready] video').length === 2")
    assert chromium.get_log("browser") == []


@pytest.mark.slow
def test_a_restart_takes_its_cards_along(chromium: Any) -> None:
    """Sound is heard when asked for; without credits the button says so; a new server has no dead cards."""
    from selenium.webdriver.support.ui import WebDriverWait

    wait: Callable[[str], Any] = lambda script: WebDriverWait(chromium, 60, 0.05).until(  # noqa: E731 - one line, used below
        lambda driver: driver.execute_script(f"return {script}")
    )
    with served("--port", "0", "--speed", "50", "--credits", "20") as address:
        chromium.get(address)
        wait("account.left === 20")
        chromium.execute_script("document.querySelector('[value=Base]').click(); audio.click()")
        chromium.execute_script("document.getElementById('prompt').value = 'waves'")
        chromium.find_element("id", "order").click()
        wait("document.querySelector('[data-stage=ready] .hear')")
        wait("document.getElementById('order').disabled")
        assert "There are 4 credits left, and every video costs more" in wait("poor.textContent")
        chromium.find_element("class name", "hear").click()
        wait("!document.querySelector('article video').muted")
        assert wait("document.querySelector('.hear').textContent") == "Sound off"
        chromium.find_element("class name", "hear").click()
        wait("document.querySelector('article video').muted")
    wait("!lost.hidden")
    with served("--port", address.rpartition(":")[2], "--credits", "20"):
        wait("lost.hidden && document.readyState === 'complete' && !document.querySelector('article')")
        wait("account.left === 20")
        assert wait("document.getElementById('prompt').value") == "waves"
        chromium.execute_script("document.querySelector('[value=\"1080p\"]').click()")
        assert "There are 20 credits left: choose a cheaper kind." in wait("poor.textContent")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ContentRejected(9010, "SCAN_TEXT_ERROR", http_status=200), "another prompt or photograph may do"),
        (BudgetExceeded(needed=10, left=5), "not enough credits"),
        (OutOfCredits(9051, "COINS_NOT_ENOUGH", http_status=200), "not enough credits"),
        (ConnectionFailed("no"), "cannot be reached"),
        (OSError("full"), "Is the disk full?"),
        (KeyError("ours"), "Something went wrong on our side."),
    ],
)
@pytest.mark.anyio
async def test_errors_are_said_in_words_of_a_person(
    error: Exception, words: str, ideal_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No code, no class, no trace; and an order that comes to nothing takes no other with it."""

    async def fail(*_: object, **__: object) -> None:
        raise error

    board = Board()
    async with demo(ideal_sandbox, tmp_path, board) as browser:
        with monkeypatch.context() as patched:
            patched.setattr(AsyncClient, "submit", fail)
            await order(browser)
            problem = (await until(board, "k", "failed")).problem
        assert words in problem
        assert not re.search(r"\d{4}|Error|_", problem)
        await order(browser, "other")
        assert "other" in board.jobs
