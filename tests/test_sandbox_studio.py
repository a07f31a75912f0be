"""The sandbox's picture work: real clips from real images, in threads that leave nothing behind."""

import gc
import io
import threading
from functools import cache
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from ideal_async.sandbox import Sandbox, _studio
from ideal_async.sandbox._orders import Order
from ideal_async.sandbox._studio import CannotFetch, Delivery, Studio

pytestmark = [pytest.mark.slow]

ROOM = {"imageUrl": "https://example.com/room-day.jpg", "duration": 5, "resolution": "480p"}
ORDER = Order("https://example.com/room.jpg", 5, "480p")


def deliver(studio: Studio, fetch: Any, order: Order = ORDER) -> Delivery:
    studio.ask(7, order, fetch)
    return studio.delivered.get(timeout=60)


@cache
def read_room(url: str) -> bytes:
    """Small, because drawing takes its time."""
    from ideal_async.sandbox._rooms import photograph

    return photograph(url)


async def wait_for_the_end(sandbox: Sandbox) -> str:
    """The status its first task ends with."""
    with anyio.fail_after(60):
        while sandbox.created[0].status in {"Unprocessed", "Processing"}:  # noqa: ASYNC110 - as a customer: by looking
            await anyio.sleep(0.05)
    return sandbox.created[0].status


@pytest.mark.anyio
async def test_an_order_becomes_a_real_video(real_time: None) -> None:
    """The result URLs give an MP4 of the right size and duration, and a JPEG of the same size."""
    import av

    del real_time  # clips are rendered in threads
    with Sandbox(speed=1000, faults="download 6: truncate 50%\ndownload 7: cut 50%") as sandbox:
        async with httpx.AsyncClient(
            transport=sandbox.transport, base_url="https://api.ideal.house", headers={"APIKEY": sandbox.api_key}
        ) as client:
            created = (await client.post("/api/v1/imageToVideo/generate", json=ROOM)).json()
            assert await wait_for_the_end(sandbox) == "Success"
            answer = await client.get("/api/v1/imageToVideo/result", params={"taskId": created["data"]})
            output = answer.json()["data"]["output"]
            video, cover = (await client.get(output["resultUrl"]), await client.get(output["cover"]))
            assert (await client.get(output["resultUrl"], headers={"range": "bytes=4-7"})).content == b"ftyp"
            tail = await client.get(output["resultUrl"], headers={"range": "bytes=-70000"})
            assert tail.content == video.content[-70000:]
            head = await client.head(output["resultUrl"])
            assert (head.content, head.headers["content-length"]) == (b"", str(len(video.content)))
            truncated = await client.get(output["resultUrl"])
            assert truncated.content == video.content[: len(video.content) // 2]
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(output["resultUrl"])
        assert (video.headers["content-type"], cover.headers["content-type"]) == ("video/mp4", "image/jpeg")
        with av.open(io.BytesIO(video.content), "r") as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 854, 480)
            assert container.duration == 5_000_000
        with av.open(io.BytesIO(cover.content), "r") as container:
            assert (container.streams.video[0].width, container.streams.video[0].height) == (854, 480)


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["missing.jpg", "broken.jpg"])
async def test_an_image_that_cannot_be_had_fails_the_task(real_time: None, name: str) -> None:
    """Not fetched or not decoded: Failed, refunded, and the reason is in the state."""
    del real_time  # clips are rendered in threads
    with Sandbox(speed=1000) as sandbox:
        async with httpx.AsyncClient(
            transport=sandbox.transport, base_url="https://api.ideal.house", headers={"APIKEY": sandbox.api_key}
        ) as client:
            order = ROOM | {"imageUrl": f"https://example.com/{name}"}
            await client.post("/api/v1/imageToVideo/generate", json=order)
            assert await wait_for_the_end(sandbox) == "Failed"
            state = (await client.get("/sandbox/state")).json()["data"]
        assert sandbox.credits == 10_000
        told = {"missing.jpg": "the image cannot be fetched: its server answered HTTP 404", "broken.jpg": "BadImage"}
        assert state["tasks"][0]["problem"].startswith(told[name])


@pytest.mark.anyio
async def test_the_users_photographs_move(real_time: None, tmp_path: Path) -> None:
    """A file of the folder is what the clip is made from: another picture gives another clip."""
    del real_time  # clips are rendered in threads
    covers: list[bytes] = []
    for name in ("kitchen", "bedroom"):
        images = tmp_path / name
        images.mkdir()
        (images / "room.jpg").write_bytes(read_room(name))
        with Sandbox(speed=1000, images=images) as sandbox:
            async with httpx.AsyncClient(
                transport=sandbox.transport, base_url="http://sandbox.test", headers={"APIKEY": sandbox.api_key}
            ) as client:
                order = ROOM | {"imageUrl": "http://sandbox.test/images/room.jpg"}
                await client.post("/api/v1/imageToVideo/generate", json=order)
                assert await wait_for_the_end(sandbox) == "Success"
                answer = await client.get(f"/output/{sandbox.created[0].id}/video_cover.jpg")
                covers.append(answer.content)
                assert (await client.get("/images/room.jpg")).status_code == 200
    assert covers[0] != covers[1]


def test_a_delivery_says_how_long_it_took() -> None:
    """From the order to the files, in seconds of this machine."""
    studio = Studio()
    delivery = deliver(studio, read_room)
    assert delivery.reel is not None
    assert (delivery.task_id, delivery.reel.width, delivery.problem) == (7, 854, None)
    assert 0 < delivery.seconds < 60
    studio.close()


def test_equal_orders_share_a_clip() -> None:
    """Rendered once; the entity tags are equal, because the content is."""
    studio = Studio()
    first, second = deliver(studio, read_room).reel, deliver(studio, read_room).reel
    assert first is not None
    assert first == second
    studio.close()


def test_any_failure_is_a_delivery() -> None:
    """What a fetch raises becomes the task's problem; the thread lives on."""
    studio = Studio(threads=1)

    def refuse(_: str) -> bytes:
        raise CannotFetch("no such host")

    def break_down(_: str) -> bytes:
        raise MemoryError("too large")

    assert deliver(studio, refuse).problem == "the image cannot be fetched: no such host"
    assert deliver(studio, break_down).problem == "MemoryError: too large"
    assert deliver(studio, read_room).problem is None
    studio.close()


def test_closing_drops_what_waits_and_removes_every_file() -> None:
    """Work in progress is waited for; what was queued never begins; no thread, no file is left."""
    studio = Studio(threads=1)
    begun, go_on = threading.Event(), threading.Event()
    fetched: list[str] = []

    def wait(url: str) -> bytes:
        fetched.append(url)
        begun.set()
        go_on.wait(60)
        raise CannotFetch("never mind")

    for number in range(3):
        studio.ask(number, ORDER, wait)
    begun.wait(60)
    assert studio.folder.is_dir()
    threading.Timer(0.05, go_on.set).start()
    studio.close()
    studio.close()
    assert fetched == [ORDER.image_url]
    assert not studio.folder.exists()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ideal-sandbox")]


def test_a_forgotten_sandbox_cleans_up() -> None:
    """Without close and without a warning, when it is collected."""
    studio = Studio()
    deliver(studio, read_room)
    folder = studio.folder
    assert folder.is_dir()
    del studio
    gc.collect()
    assert not folder.exists()


def test_an_unused_studio_costs_nothing() -> None:
    """No thread, no folder until the first clip is wanted."""
    before = threading.active_count()
    studio = Studio()
    assert threading.active_count() == before
    studio.close()


@pytest.mark.parametrize("missing", ["av", "numpy"])
def test_a_missing_extra_is_told_at_once(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """When the sandbox is made, with the two ways out; without rendering it works all the same."""
    monkeypatch.setattr(_studio, "find_spec", lambda name: None if name == missing else object())
    with pytest.raises(ImportError, match=rf"needs {missing}: install ideal-async\[sandbox\], or pass render=False"):
        Sandbox()
    Sandbox(render=False)
