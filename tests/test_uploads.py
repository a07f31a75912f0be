"""Photographs of this machine in requests: named by content, published once, signed for each send, paid once."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from fakes import BASE_URL, KEY, Service, answer, look

from ideal_async import AsyncClient, ConnectionFailed, ImageToVideo, Journal, UploadFailed, batch

pytestmark = pytest.mark.anyio

PHOTO = b"\xff\xd8\xff\xe0 a room"


async def inline(function: Callable[..., Any], *args: object) -> Any:
    """Stay in the event loop: threads and virtual time do not mix."""
    return function(*args)


class Shelf:
    """A bucket in memory."""

    def __init__(self, fail: Exception | None = None) -> None:
        self.stored: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.signed = 0
        self.fail = fail

    def address(self, path: Path) -> str:
        return f"https://photos.example/{hashlib.sha256(path.read_bytes()).hexdigest()}.jpg"

    def put(self, path: Path, address: str) -> None:
        self.asked.append(path.name)
        if self.fail is not None:
            raise self.fail
        self.stored[address] = path.read_bytes()

    def sign(self, address: str) -> str:
        self.signed += 1
        return f"{address}?signature={self.signed}"


def client_of(service: httpx.AsyncBaseTransport, uploads: Any, **more: Any) -> AsyncClient:
    options = {"_leave_loop": inline, **more}
    return AsyncClient(KEY, base_url=BASE_URL, transport=service, uploads=uploads, **options)


@pytest.fixture
def room(tmp_path: Path) -> ImageToVideo:
    (tmp_path / "room.jpg").write_bytes(PHOTO)
    return ImageToVideo(tmp_path / "room.jpg", duration=5, resolution="480p")


def address_of(content: bytes) -> str:
    return f"https://photos.example/{hashlib.sha256(content).hexdigest()}.jpg"


async def test_a_photograph_is_published_before_its_request_is_sent(tmp_path: Path, room: ImageToVideo) -> None:
    """First and last frame alike; what the service gets is a signed URL."""
    (tmp_path / "night.jpg").write_bytes(PHOTO + b" at night")
    request = ImageToVideo(room.image_url, last_image_url=tmp_path / "night.jpg", duration=5, resolution="480p")
    service, shelf = Service(submit=answer(7)), Shelf()
    async with client_of(service, shelf) as client:
        assert await client.submit(request) == 7
    assert shelf.stored == {address_of(PHOTO): PHOTO, address_of(PHOTO + b" at night"): PHOTO + b" at night"}
    (body,) = service.submits
    assert body["imageUrl"] == address_of(PHOTO) + "?signature=1"
    assert body["lastImageUrl"] == address_of(PHOTO + b" at night") + "?signature=2"


async def test_without_a_place_for_it_the_fix_is_told(room: ImageToVideo) -> None:
    """Nothing is sent."""
    service = Service()
    async with client_of(service, None) as client:
        with pytest.raises(ValueError, match=r"room.jpg is on this machine.*AsyncClient\(uploads=Bucket"):
            await client.submit(room)
    assert service.requests == []


async def test_each_send_has_a_signature_of_its_own(room: ImageToVideo) -> None:
    """However long it waited: a request that was refused for the rate is signed anew, and put no second time."""
    service = Service(submit=[answer(code=429, status=429), answer(code=429, status=429), answer(7)])
    async with client_of(service, shelf := Shelf()) as client:
        assert await client.submit(room) == 7
    assert [body["imageUrl"].partition("=")[2] for body in service.submits] == ["1", "2", "3"]
    assert shelf.asked == ["room.jpg"]


async def test_a_second_run_publishes_and_pays_nothing(tmp_path: Path, room: ImageToVideo) -> None:
    """Fresh signatures are no other request; another photograph is, whatever its name."""
    service, shelf = Service(submit=answer(7), look=look("Success", 7)), Shelf()
    with Journal(tmp_path / "journal") as journal:
        for _ in range(2):
            async with client_of(service, shelf, journal=journal) as client:
                assert (await client.generate(room, key="order-42")).id == 7
        assert (len(service.submits), shelf.asked) == (1, ["room.jpg"])
        (entry,) = journal.entries()
        assert entry.request.image_url == address_of(PHOTO)
        (tmp_path / "room.jpg").write_bytes(PHOTO + b", tidied up")
        async with client_of(service, shelf, journal=journal) as client:
            with pytest.raises(ValueError, match="different request"):
                await client.submit(room, key="order-42")
    assert (len(service.submits), shelf.asked) == (1, ["room.jpg"])


async def test_what_was_refused_is_published_again(tmp_path: Path, room: ImageToVideo) -> None:
    """Its key is free, and its photograph may be gone by now."""
    service = Service(submit=[answer(code=9010, message="no"), answer(7)])
    with Journal(tmp_path / "journal") as journal:
        async with client_of(service, shelf := Shelf(), journal=journal) as client:
            with pytest.raises(Exception, match="no"):
                await client.submit(room, key="order-42")
            assert await client.submit(room, key="order-42") == 7
    assert shelf.asked == ["room.jpg"] * 2


async def test_a_batch_takes_photographs_too(tmp_path: Path, room: ImageToVideo) -> None:
    """One that cannot be published is an outcome like others; requests come back as they were."""
    ids = iter(range(1, 10))
    service = Service(submit=lambda _: answer(next(ids)), look=lambda _: look("Success", 1))
    missing = ImageToVideo(tmp_path / "missing.jpg", duration=5, resolution="480p")
    async with client_of(service, Shelf()) as client, batch(client, [("a", room), ("b", missing)]) as outcomes:
        found = {outcome.key: outcome async for outcome in outcomes}
    assert found["a"].task is not None
    assert found["a"].request is room
    assert isinstance(found["b"].error, FileNotFoundError)
    assert len(service.submits) == 1


async def test_a_store_that_says_no_costs_nothing(room: ImageToVideo) -> None:
    """The next attempt with the key begins anew."""
    service, shelf = Service(submit=answer(7)), Shelf(UploadFailed("no such bucket"))
    async with client_of(service, shelf) as client:
        with pytest.raises(UploadFailed, match="no such bucket"):
            await client.submit(room, key="order-42")
        assert (service.submits, client.ledger.spent) == ([], 0)
        shelf.fail = None
        assert await client.submit(room, key="order-42") == 7


async def test_few_photographs_travel_at_once(tmp_path: Path) -> None:
    """The others wait: for the line, the memory and the threads."""
    requests = []
    for number in range(20):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(PHOTO + bytes([number]))
        requests.append(ImageToVideo(path, duration=5, resolution="480p"))
    at_once, most = 0, 0

    async def slow(function: Callable[..., Any], *args: object) -> Any:
        nonlocal at_once, most
        if getattr(function, "__name__", "") == "put":
            at_once += 1
            most = max(most, at_once)
            await anyio.sleep(1)
            at_once -= 1
        return function(*args)

    service = Service(submit=answer(7))
    async with client_of(service, Shelf(), _leave_loop=slow) as client, anyio.create_task_group() as tasks:
        for request in requests:
            tasks.start_soon(client.submit, request)
    assert len(service.submits) == 20
    assert most == 4


async def test_a_deadline_that_ends_while_a_photograph_travels(room: ImageToVideo) -> None:
    """Nothing was sent, and that is told."""

    async def slow(function: Callable[..., Any], *args: object) -> Any:
        await anyio.sleep(60)
        return function(*args)

    service = Service()
    async with client_of(service, Shelf(), _leave_loop=slow) as client:
        began = anyio.current_time()
        with pytest.raises(ConnectionFailed, match="nothing was spent"):
            await client.generate(room, timeout=90)
        assert anyio.current_time() - began == 90
    assert service.requests == []


async def test_a_signature_that_cannot_be_had_costs_nothing(room: ImageToVideo) -> None:
    """The keys ended while the request waited: it was not sent, and the client goes on."""

    class Expired(Shelf):
        def sign(self, address: str) -> str:
            raise ValueError(f"lifetime is beyond these keys: {address}")

    service = Service(submit=answer(7))
    async with client_of(service, Expired()) as client:
        with pytest.raises(ValueError, match="lifetime is beyond"):
            await client.submit(room, key="order-42")
        assert service.submits == []
        assert await client.submit(ImageToVideo("https://example.com/a.jpg", duration=5, resolution="480p")) == 7
        assert client.ledger.spent == 10


@pytest.mark.parametrize("uploads", ["s3://photos", Path("photos"), 5, Shelf])
def test_what_publishes_nothing_is_refused_at_once(uploads: Any) -> None:
    """Not by the first photograph, among many."""
    with pytest.raises(TypeError, match=r"uploads is a bucket, not .*: pass uploads=Bucket"):
        client_of(Service(), uploads)
