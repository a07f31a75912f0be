"""The recipes of the README on real servers over loopback, with the sandbox behind: what is shown is what runs."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from recipes import fastapi_app, litestar_app, starlette_app
from recipes.servers import on_hypercorn_trio, on_uvicorn

from ideal_async import Journal, Pacing
from ideal_async.sandbox import Sandbox, serve

pytestmark = pytest.mark.slow

ORDER = {"image_url": "https://example.com/room.jpg", "resolution": "480p"}
PACING = Pacing(min_interval=0.02, max_interval=0.1)
RECIPES: dict[str, Callable[..., Any]] = {
    "fastapi": fastapi_app.create_app,
    "litestar": litestar_app.create_app,
    "starlette": starlette_app.create_app,
}
SERVERS: dict[str, Callable[[Any], AbstractContextManager[str]]] = {
    "uvicorn": on_uvicorn,
    "hypercorn-trio": on_hypercorn_trio,
}


@pytest.fixture(params=RECIPES)
def create_app(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Each recipe."""
    return RECIPES[request.param]


@pytest.fixture(params=SERVERS)
def web(
    request: pytest.FixtureRequest, create_app: Callable[..., Any], ideal_sandbox: Sandbox, tmp_path: Path
) -> Iterator[httpx.Client]:
    """A browser before a recipe on a real server, with the sandbox on a real server behind it."""
    with serve(ideal_sandbox) as base_url:
        app = create_app(str(tmp_path / "journal.db"), api_key=ideal_sandbox.api_key, base_url=base_url, pacing=PACING)
        with SERVERS[request.param](app) as url, httpx.Client(base_url=url, follow_redirects=True) as browser:
            yield browser


def follow(browser: httpx.Client, task_id: str) -> list[dict[str, Any]]:
    """Read server-sent events to their end."""
    with browser.stream("GET", f"/videos/{task_id}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line.startswith("data: ")]


def test_submit_answers_at_once_and_a_page_follows(web: httpx.Client, ideal_sandbox: Sandbox) -> None:
    """The id comes before the video; every change comes as an event, and the last one has the URL."""
    answer = web.post("/videos", json=ORDER)
    assert answer.status_code == 202
    task_id = answer.json()["id"]
    assert task_id == str(ideal_sandbox.created[0].id)
    events = follow(web, task_id)
    assert events[-1]["status"] == "Success"
    assert [event["percentage"] for event in events] == sorted(event["percentage"] for event in events)
    assert web.get(f"/videos/{task_id}").json()["status"] == "Success"


def test_the_finished_video_comes_through(web: httpx.Client) -> None:
    """Awaited in the handler, then fetched: an MP4, as whole as the service made it."""
    task = web.post("/videos/now", json=ORDER).json()
    assert task["status"] == "Success"
    video = web.get(f"/videos/{task['id']}/file")
    assert video.headers["content-type"] == "video/mp4"
    assert video.content == httpx.get(task["url"]).content
    part = web.get(f"/videos/{task['id']}/file", headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")


def test_a_repeated_order_is_one_task(web: httpx.Client, ideal_sandbox: Sandbox, tmp_path: Path) -> None:
    """The same key gives the same task, paid once; for another order it is a conflict."""
    key = {"Idempotency-Key": "order-42"}
    first = web.post("/videos", json=ORDER, headers=key).json()["id"]
    assert web.post("/videos/now", json=ORDER, headers=key).json()["id"] == first
    assert web.post("/videos", json=ORDER, headers=key).json()["id"] == first
    assert len(ideal_sandbox.created) == 1
    assert web.post("/videos", json={**ORDER, "duration": 10}, headers=key).status_code == 409
    with Journal(tmp_path / "journal.db") as journal:
        assert [(entry.key, entry.state) for entry in journal.entries()] == [("order-42", "succeeded")]


@pytest.mark.ideal_sandbox(credits=10)
def test_refusals_speak_http(web: httpx.Client, ideal_sandbox: Sandbox) -> None:
    """What the browser can mend has a status of its own, says how, and costs nothing."""
    for order, status, words in (
        ({**ORDER, "resolution": "1080p"}, 402, "OutOfCredits"),
        ({**ORDER, "prompt": "nsfw"}, 422, "ContentRejected"),
        ({**ORDER, "image_url": "room.jpg"}, 422, "the API fetches the picture itself"),
        ({**ORDER, "generate_audio": True}, 422, "Flash makes no audio"),
        ({}, 422, "image_url"),
    ):
        answer = web.post("/videos", json=order)
        assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert ideal_sandbox.credits == 10


@pytest.mark.parametrize("part", ["", "/events", "/file"])
def test_what_is_no_id_is_not_found(web: httpx.Client, part: str) -> None:
    """Whatever stands in the path, the answer is one that a browser understands, and the service is not asked."""
    for text in ("0", "-5", "abc", "1.5", "1e5", "%20", str(2**64), "9" * 30, "9" * 5000, "0" * 5000, "\u0663"):
        answer = web.get(f"/videos/{text}{part}")
        assert answer.status_code in {404, 422}, (text[:30], answer.text)


def test_a_stream_of_nobodys_task_does_not_begin(web: httpx.Client) -> None:
    """Once it has begun it could only break off."""
    for part in ("/events", "/file"):
        answer = web.get(f"/videos/42{part}")
        assert (answer.status_code, answer.json()["error"]) == (422, "InvalidRequest")


def test_an_unknown_task_is_an_error_of_what_is_behind(web: httpx.Client) -> None:
    """Nobody's id ends in an answer, not in a wait."""
    answer = web.get("/videos/42")
    assert (answer.status_code, answer.json()["error"]) == (422, "InvalidRequest")
