"""Photographs of this machine to videos in a bucket, and through a kill on the way: paid once, whole in the end."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import pytest
from test_buckets import s3

from ideal_async.sandbox import Sandbox, serve

pytest.importorskip("obstore", reason="pip install 'ideal-async[buckets]'")
pytest.importorskip("uvicorn", reason="pip install 'ideal-async[sandbox]'")
import obstore
from obstore.store import from_url
from trip_worker import trip

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.usefixtures("real_time", "s3")]

__all__ = ["s3"]  # a fixture

PHOTOS = 14
#: The others in the soak.
DOOMS = [(kind, number) for kind in ("image", "video") for number in range(1, PHOTOS + 1)]
DOOMS = DOOMS if os.environ.get("IDEAL_ASYNC_SOAK") else [("image", 6), ("video", 6)]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(PHOTOS):
        (tmp_path / f"room {number:02}.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes([number]) * 300_000)
    return tmp_path


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(render=False, speed=1000, credits=PHOTOS * 10)


@pytest.fixture
def url(sandbox: Sandbox) -> Iterator[str]:
    with serve(sandbox) as url:
        yield url


def stored(s3_url: str, folder: str) -> dict[str, tuple[int, str]]:
    """What is in a folder of the bucket: size and version by name."""
    store = from_url("s3://photos/tour", client_options={"allow_http": True})
    pages = obstore.list(store, prefix=folder)
    assert s3_url.startswith("http://127.0.0.1")
    return {each["path"]: (each["size"], str(each["e_tag"])) for page in pages for each in page}


async def test_photographs_become_videos_in_a_bucket(s3_url: str, photos: Path, sandbox: Sandbox, url: str) -> None:
    """Fourteen of them, all at once; a second run costs nothing and puts nothing; nothing is left here."""
    assert await trip(url, photos, at_once=PHOTOS) == PHOTOS
    assert sandbox.credits == 0
    first = stored(s3_url, "")
    assert len(first) == 2 * PHOTOS
    assert len(stored(s3_url, "videos")) == PHOTOS
    async with httpx.AsyncClient() as client:
        for receipt in sandbox.created:
            photo = (await client.get(receipt.input["imageUrl"])).raise_for_status().content
            assert photo[:4] == b"\xff\xd8\xff\xe0"
            assert len(photo) == 300_004
    assert await trip(url, photos, at_once=PHOTOS) == PHOTOS
    assert (len(sandbox.created), stored(s3_url, "")) == (PHOTOS, first)
    assert [each.name for each in (photos / "scratch").iterdir()] == []


@pytest.mark.parametrize("doom", DOOMS)
async def test_a_kill_on_the_way_costs_nothing(
    s3_url: str, photos: Path, sandbox: Sandbox, url: str, doom: tuple[str, int]
) -> None:
    """In the middle of putting a photograph or a video: the next run goes on, and every video is paid once."""
    kind, number = doom
    worker = [sys.executable, str(Path(__file__).with_name("trip_worker.py")), url, str(photos), kind, str(number)]
    done = await anyio.run_process(worker, check=False, env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert len(sandbox.created) == number - (kind == "image")
    whole = {size for size, _ in stored(s3_url, "").values()}
    assert whole <= {300_004, 16 * 1024}  # nothing half
    assert await trip(url, photos) == PHOTOS
    assert len(sandbox.created) == PHOTOS
    assert sandbox.credits == 0
    assert len(stored(s3_url, "")) == 2 * PHOTOS
