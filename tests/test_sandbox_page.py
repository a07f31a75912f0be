"""The sandbox's page in a real browser: ordering, watching, finding, and what happened."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from ideal_async.sandbox import Sandbox, serve

pytestmark = pytest.mark.slow

Wait = Callable[[str], Any]
GENERATE = "/api/v1/imageToVideo/generate"


@contextmanager
def page_of(sandbox: Sandbox, chromium: Any, path: str = "/") -> Iterator[tuple[str, Wait]]:
    """The page, open; gives its address, and waits for what a script says."""
    from selenium.webdriver.support.ui import WebDriverWait

    def wait(script: str) -> Any:
        return WebDriverWait(chromium, 60, 0.05).until(lambda driver: driver.execute_script(f"return {script}"))

    with sandbox, serve(sandbox) as base_url:
        chromium.get(base_url + path)
        yield base_url, wait
        severe = [line["message"] for line in chromium.get_log("browser") if "favicon" not in line["message"]]
        assert severe == []


def order(base_url: str, **fields: Any) -> None:
    body = {"imageUrl": "https://example.com/room.jpg", "duration": 5, "resolution": "480p"} | fields
    assert httpx.post(base_url + GENERATE, headers={"APIKEY": "sandbox"}, json=body).json()["code"] == 0


def test_somebody_orders_from_two_pictures_and_watches(chromium: Any) -> None:
    """The price is on the button; both frames come from thumbnails; the tile plays without shading its picture."""
    with page_of(Sandbox(speed=50), chromium) as (_, wait):
        run = chromium.execute_script
        wait("document.querySelectorAll('#thumbs img').length === 4")
        assert run("return send.textContent") == "Create video · 10 credits"
        run("document.querySelector('#order [value=Base]').click(); generateAudio.click()")
        assert run("return send.textContent") == "Create video · 16 credits"
        run("document.querySelector('[value=\"1080p\"]').click(); document.querySelector('[value=Flash]').click()")
        assert run("return send.textContent") == "Create video · 40 credits"
        run("document.querySelector('[value=\"480p\"]').click(); thumbs.children[2].click()")
        run("document.querySelector('[value=lastImageUrl]').click(); thumbs.children[1].click()")
        assert run("return [imageUrl.value, lastImageUrl.value].map(url => url.split('/').pop())") == [
            "kitchen-day.jpg",
            "living-night.jpg",
        ]
        assert run("return [...thumbs.children].map(it => it.className)") == ["", "last", "first", ""]
        chromium.find_element("id", "send").click()
        wait("document.querySelector('.task.Success .play')")
        assert run("return document.querySelector('.stage video').controls") is False
        run("document.querySelector('.play').click()")
        wait("document.querySelector('.stage video').currentTime > 0 && document.querySelector('.stage.playing')")
        run("document.querySelector('.play').click()")
        assert run("return document.querySelector('.stage video').paused") is True
        assert run(r"return [credits.textContent, document.querySelector('.tags').innerText.split(/\s+/).at(-1)]") == [
            "9,990",
            "first–last",  # noqa: RUF001 - the page's dash
        ]


def test_tasks_are_found_and_tell_their_course(chromium: Any) -> None:
    """A filter by status and by words; a task's own page has its facts and what happened, requests and all."""
    faults = "task 2: fail\nsubmit 3: 502 html after\nlook 1: 503"
    with page_of(Sandbox(speed=1e9, render=False, faults=faults), chromium) as (base_url, wait):
        run = chromium.execute_script
        wait("empty.offsetParent && empty.innerText.includes('No videos yet')")
        order(base_url, prompt="Gentle zoom")
        order(base_url)
        httpx.post(base_url + GENERATE, headers={"APIKEY": "sandbox"}, json={
            "imageUrl": "https://example.com/a.jpg", "duration": 5, "resolution": "480p", "prompt": "slow pan",
        })  # fmt: skip
        httpx.get(f"{base_url}/api/v1/imageToVideo/result?taskId=1234567890123456789", headers={"APIKEY": "sandbox"})
        wait("tasks.children.length === 3")
        wait("exchanges.children.length === 4")
        log = run("return [...exchanges.children].map(it => it.innerText.split('\\n').slice(1).join(' '))")
        assert log[0] == "GET result 503 fault: 503"
        assert log[1] == "POST generate 502 fault: 502 html after"
        assert log[2] == "POST generate 200 · 0"
        run("document.getElementById('status').value = 'Failed'; document.getElementById('status').onchange()")
        wait("tasks.children.length === 1 && tasks.innerText.includes('10 credits refunded')")
        run("document.getElementById('status').value = ''; text.value = 'GENTLE'; text.oninput()")
        wait("tasks.children.length === 1 && tasks.innerText.includes('Gentle zoom')")
        run("text.value = 'nothing like it'; text.oninput()")
        wait("tasks.children.length === 0 && empty.innerText === 'No such task'")
        run("exchanges.querySelector('button').click()")
        wait("dialog.open && timeline.children.length > 3")
        told = run("return [...timeline.children].map(it => it.className + ': ' + it.lastChild.textContent)")
        assert told == [
            "created: 10 credits charged",
            "processing: 0.0 s in the queue",
            "ended: success: 10 credits stay spent",
            "request: POST generate: HTTP 200, code 0",
            "request: GET result: HTTP 503 (503)",
        ]
        assert "Gentle zoom" in run("return facts.innerText")
        run("document.getElementById('close').click()")
        assert run("return dialog.open") is False
        run("hostile.click()")
        wait("document.getElementById('faults').value.includes('submit 1%: drop after')")


def test_a_folder_of_photographs_is_offered(chromium: Any, tmp_path: Path) -> None:
    """Its first picture is what a click orders; the example's would be 404."""
    from ideal_async.sandbox._rooms import photograph

    folder = tmp_path / "photographs"
    folder.mkdir()
    (folder / "my room.jpg").write_bytes(photograph("loft"))
    with page_of(Sandbox(render=False, images=folder), chromium) as (base_url, wait):
        wait("thumbs.children.length === 1")
        assert chromium.execute_script("return imageUrl.value") == f"{base_url}/images/my%20room.jpg"


@pytest.mark.parametrize("width", [390, 1280, 1920])
@pytest.mark.parametrize("path", ["/", "/docs"])
def test_nothing_sticks_out(chromium: Any, path: str, width: int) -> None:
    """On a telephone, a laptop and a large screen."""
    with page_of(Sandbox(render=False), chromium, path) as (base_url, _):
        order(base_url, prompt="a" * 300, imageUrl=f"https://example.com/{'b' * 200}.jpg")
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 400}
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        chromium.refresh()
        assert chromium.execute_script("return document.documentElement.scrollWidth <= innerWidth")
