"""The fixtures as a user's tests meet them: from this project, and from the wheel in a project outside of it."""

import pytest

from ideal_async import AsyncClient, ImageToVideo
from ideal_async.sandbox import Sandbox

pytest_plugins = ["ideal_async.pytest_plugin"]

ROOM = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p")


@pytest.mark.anyio
@pytest.mark.usefixtures("real_time")
async def test_a_video_is_made(ideal_client: AsyncClient, ideal_sandbox: Sandbox) -> None:
    """The client spends the sandbox's credits, in a moment of real time."""
    task = await ideal_client.generate(ROOM)
    assert task.succeeded
    assert ideal_sandbox.credits == 10_000 - 10
