"""Results that go on to a bucket: collected on this machine, resumed and checked, handed over whole, once."""

import errno
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes import BASE_URL, ID, KEY, Service
from test_download import CONTENT, TASK, Store, inline, left_over

from ideal_async import AsyncClient, DownloadFailed, Retry

pytestmark = pytest.mark.anyio

MARK = f"https://api.example:443 {ID}/video"


class Bin:
    """A name in a bucket in memory."""

    def __init__(self, folder: Path, *, fails: list[str] | None = None) -> None:
        self._folder = folder
        self.fails = fails or []
        self.marks: list[str] = []
        self.media_type = ""
        self.content = b""

    def __str__(self) -> str:
        return "bin://results/room.mp4"

    def _may_fail(self, step: str) -> None:
        if step in self.fails:
            raise OSError(errno.EIO, f"no {step}")

    def holds(self, mark: str) -> bool:
        self._may_fail("look")
        return mark in self.marks

    def local(self, mark: str) -> Path:
        self._may_fail("room")
        return self._folder / mark.rpartition(" ")[2].replace("/", "-")

    def deliver(self, file: Path, media_type: str, mark: str) -> None:
        self._may_fail("put")
        self.content, self.media_type = file.read_bytes(), media_type
        self.marks.append(mark)
        file.unlink()


def client_of(service: httpx.AsyncBaseTransport, **more: Any) -> AsyncClient:
    return AsyncClient(KEY, base_url=BASE_URL, transport=service, _leave_loop=inline, **more)


async def test_a_result_is_delivered_once(tmp_path: Path) -> None:
    """What is there from this task is not brought again; nothing stays on this machine."""
    target, store = Bin(tmp_path), Store()
    async with client_of(store) as client:
        assert await client.download(TASK, target) is target
        await client.download(TASK, target)
    assert (target.content, target.media_type, target.marks) == (CONTENT, "video/mp4", [MARK])
    assert len(store.requests) == 1
    assert left_over(tmp_path / "any") == []


async def test_a_cover_is_delivered_as_what_it_is(tmp_path: Path) -> None:
    """Its first bytes tell the media type."""
    target = Bin(tmp_path)
    async with client_of(Service(file=httpx.Response(200, content=b"\x89PNG\r\n\x1a\n and more"))) as client:
        await client.download(TASK, target, part="cover")
    assert (target.media_type, target.marks) == ("image/png", [f"https://api.example:443 {ID}/cover"])


async def test_a_broken_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """On this machine, in the next call; the bucket sees nothing before."""
    target = Bin(tmp_path)
    async with client_of(Store(cuts=[300_000]), retry=Retry(attempts=1)) as client:
        with pytest.raises(DownloadFailed, match="call again to resume") as caught:
            await client.download(TASK, target)
    assert (caught.value.received, target.marks) == (300_000, [])
    async with client_of(again := Store()) as client:
        await client.download(TASK, target)
    assert again.requests[0].headers["Range"] == "bytes=300000-"
    assert target.content == CONTENT


@pytest.mark.parametrize(("step", "kept"), [("look", 0), ("room", 0), ("put", len(CONTENT))])
async def test_a_bucket_that_says_no_is_told_and_costs_no_second_download(tmp_path: Path, step: str, kept: int) -> None:
    """What was collected stays here for the next call."""
    target, store = Bin(tmp_path, fails=[step]), Store()
    async with client_of(store) as client:
        with pytest.raises(DownloadFailed, match=f"not delivered to bin://results/room.mp4: .*no {step}") as caught:
            await client.download(TASK, target)
        assert (caught.value.path, caught.value.received, caught.value.task_id) == (str(target), kept, ID)
        target.fails.clear()
        await client.download(TASK, target)
    assert target.content == CONTENT
    assert len(store.requests) == 1


async def test_what_was_collected_but_is_gone_is_counted_as_nothing(tmp_path: Path) -> None:
    """Somebody tidied up while it was being put."""

    class Untidy(Bin):
        def deliver(self, file: Path, media_type: str, mark: str) -> None:
            del media_type, mark
            file.unlink()
            raise OSError(errno.EIO, "gone")

    async with client_of(Store()) as client:
        with pytest.raises(DownloadFailed, match="gone; nothing is kept") as caught:
            await client.download(TASK, Untidy(tmp_path))
    assert caught.value.received == 0


async def test_a_target_of_another_kind_is_refused() -> None:
    """With what is possible."""
    async with client_of(Service()) as client:
        with pytest.raises(TypeError, match="to a path, or to a name in a bucket, not to int"):
            await client.download(TASK, 5)  # type: ignore[call-overload]
        with pytest.raises(ValueError, match=r"'s3://videos/a.mp4' is a URL, not a path: for a bucket pass"):
            await client.download(TASK, "s3://videos/a.mp4")
