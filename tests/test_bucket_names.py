"""A picture that lies in a bucket already is named there, and signed just before each send."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("obstore", reason="pip install 'ideal-async[buckets]'")
from fakes import BASE_URL, ID, KEY, Service, answer
from test_download import inline

from ideal_async import AsyncClient, ImageToVideo, Journal, UploadFailed
from ideal_async.buckets import Bucket
from ideal_async.buckets._store import StoreFailed
from ideal_async.fleet._items import read_request, write_request

pytestmark = pytest.mark.anyio


def client_of(service: Service, **more: Any) -> AsyncClient:
    return AsyncClient(KEY, base_url=BASE_URL, transport=service, _leave_loop=inline, **more)


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket(f"file://{tmp_path}/photos", url="https://cdn.example/photos")


def room(picture: Any, **more: Any) -> ImageToVideo:
    return ImageToVideo(picture, duration=5, resolution="480p", **more)


async def test_a_name_in_a_bucket_is_signed_for_each_send(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """In folders, too, and with words that a URL writes otherwise; what is known of it has no signature."""
    service = Service(submit=answer(ID))
    signed: list[str] = []
    sign = type(bucket._store).sign

    def note(store: Any, name: str, lifetime: float) -> str:
        signed.append(name)
        return sign(store, name, lifetime) + f"?signature={len(signed)}"

    monkeypatch.setattr(type(bucket._store), "sign", note)
    asked = room(bucket / "tour/living room.jpg", last_image_url=bucket / "end.jpg")
    assert asked.image_url == "https://cdn.example/photos/tour/living%20room.jpg"
    async with client_of(service, uploads=bucket) as client:
        await client.submit(asked)
        await client.submit(read_request(write_request(asked, 0)))
    for body in service.submits:
        assert body["imageUrl"].startswith("https://cdn.example/photos/tour/living%20room.jpg?signature=")
        assert body["lastImageUrl"].startswith("https://cdn.example/photos/end.jpg?signature=")
    assert "tour/living room.jpg" in signed


async def test_a_client_without_the_bucket(bucket: Bucket, tmp_path: Path) -> None:
    """Or with another one: nothing is sent, nothing is in doubt, and the message says what is missing."""
    service = Service(submit=answer(ID))
    asked = room(bucket / "room.jpg")
    other = Bucket(f"file://{tmp_path}/other", url="https://cdn.example/other")
    with Journal(tmp_path / "journal") as journal:
        for uploads, words in (
            (None, r"lies in a bucket.*uploads=bucket"),
            (other, r"does not lie in file://.*/other"),
        ):
            async with client_of(service, uploads=uploads, journal=journal) as client:
                with pytest.raises(ValueError, match=words):
                    await client.submit(asked, key="a")
        assert [entry.state for entry in journal.entries()] == []
    assert not service.submits


async def test_a_store_that_cannot_sign(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, wherever it is asked."""

    def fail(_: Any, name: str, lifetime: float) -> str:
        raise StoreFailed(f"no keys for {name}, {lifetime}")

    with monkeypatch.context() as patch:
        patch.setattr(type(bucket._store), "sign", fail)
        with pytest.raises(UploadFailed, match="no keys"):
            room(bucket / "room.jpg")
    address = str(room(bucket / "room.jpg").image_url)
    monkeypatch.setattr(type(bucket._store), "sign", fail)
    with pytest.raises(UploadFailed, match=r"could not be published.*no keys for room\.jpg"):
        bucket.sign(address)


def test_a_string_never_becomes_one() -> None:
    """It may have been written by a stranger, who would have us sign what is none of theirs."""
    assert type(room("https://cdn.example/photos/room.jpg").image_url) is str
