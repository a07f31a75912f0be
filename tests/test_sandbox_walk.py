"""The thinnest walk through the sandbox in process."""

import anyio
import httpx
import pytest

from ideal_async.sandbox import Sandbox

ORDER = {"imageUrl": "https://example.com/room.jpg", "duration": 5, "resolution": "720p"}


@pytest.mark.anyio
async def test_an_order_becomes_a_video_url_in_virtual_time() -> None:
    """Post, look until Success, and the result URL answers: no thread, no second of real time."""
    sandbox = Sandbox(render=False)
    async with httpx.AsyncClient(
        transport=sandbox.transport, base_url="https://api.ideal.house", headers={"APIKEY": "sandbox"}
    ) as client:
        created = (await client.post("/api/v1/imageToVideo/generate", json=ORDER)).json()
        assert created == {"code": 0, "message": "success", "data": 1234567890123456789}
        await anyio.sleep(600)
        task = (await client.get("/api/v1/imageToVideo/result", params={"taskId": created["data"]})).json()["data"]
        assert task["status"] == "Success"
        assert (await client.get(task["output"]["resultUrl"])).status_code == 200
    assert sandbox.credits == 10_000 - 20
