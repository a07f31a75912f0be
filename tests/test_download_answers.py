"""What stores, CDNs and those in between answer in place of a plain file, and what becomes of each."""

import gzip
import zlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace

import anyio
import anyio.abc
import httpx
import pytest
from fakes import BASE_URL, HALF_READ, ID, KEY, RESULT, http, look, loopback, read_request
from test_download import TASK, client_of, inline, left_over
from test_media import INDEX, START, box

from ideal_async import AsyncClient, DownloadFailed, Retry, Task, TaskStatus, VideoOutput
from ideal_async._part import Part

pytestmark = [pytest.mark.anyio, HALF_READ]

VIDEO = START + INDEX + box(b"mdat", bytes(range(256)) * 40)
SIZE = len(VIDEO)
CUT = httpx.ReadError("cut")
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)

#: Given the number of the answer and the first byte that is asked for.
Say = Callable[[int, int], httpx.Response]


class Body(httpx.AsyncByteStream):
    """What comes, and then perhaps an error."""

    def __init__(self, *parts: bytes | Exception) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            if isinstance(part, Exception):
                raise part
            yield part


def say(status: int, *parts: bytes | Exception, **headers: str) -> httpx.Response:
    return httpx.Response(
        status, headers={name.replace("_", "-"): value for name, value in headers.items()}, stream=Body(*parts)
    )


class Answers(httpx.AsyncBaseTransport):
    """A store that says what a test wants; a look brings another URL of the same result."""

    def __init__(self, respond: Say) -> None:
        self._respond = respond
        self.asked: list[str] = []
        self.at: list[float] = []
        self.looks = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """What httpx calls."""
        if request.url.path == RESULT:
            self.looks += 1
            return look("Success")
        range_ = request.headers.get("Range", "")
        self.asked.append(range_.removeprefix("bytes="))
        self.at.append(anyio.current_time())
        return self._respond(len(self.asked), int(range_[6:-1] or 0) if range_ else 0)


def rest(first: int, total: int | str = SIZE, *, last: int = SIZE - 1, **headers: str) -> httpx.Response:
    """A 206 as it should be."""
    return say(206, VIDEO[first : last + 1], content_range=f"bytes {first}-{last}/{total}", **headers)


def half(**headers: str) -> httpx.Response:
    return say(200, VIDEO[:5000], CUT, **headers)


GZIP = gzip.compress(VIDEO)
WHOLE: dict[str, tuple[Say, list[str]]] = {
    # packed, in spite of what was asked
    "gzip": (lambda _n, _first: say(200, GZIP, content_encoding="gzip"), [""]),
    "gzip in crumbs": (
        lambda _n, _first: say(200, *(GZIP[at : at + 7] for at in range(0, len(GZIP), 7)), content_encoding="x-gzip"),
        [""],
    ),
    "deflate": (lambda _n, _first: say(200, zlib.compress(VIDEO), content_encoding="deflate"), [""]),
    "gzip that breaks off without a word": (
        lambda n, _first: say(200, GZIP[: -9 if n == 1 else None], content_encoding="gzip"),
        ["", f"{SIZE}-"],
    ),
    "gzip by name only": (lambda _n, _first: say(200, VIDEO, content_encoding="gzip"), [""]),
    "a label of S3": (
        lambda _n, _first: say(200, VIDEO, content_encoding="aws-chunked", content_length=str(SIZE)),
        [""],
    ),
    "a label of nobody": (lambda _n, _first: say(200, VIDEO, content_encoding="UTF-8", content_length=str(SIZE)), [""]),
    # parts
    "a part of unknown length to a plain GET, with an ETag": (
        lambda _n, first: rest(first, "*", last=min(first + 3000, SIZE) - 1, etag='"a"'),
        ["", "3000-", "6000-", "9000-"],
    ),
    "a part of unknown length that is all": (lambda _n, first: rest(first, "*"), [""]),
    "a part from byte 0 to a plain GET": (lambda _n, first: rest(first), [""]),
    "parts, each of which ends before the end": (
        lambda _n, first: rest(first, last=min(first + 6000, SIZE) - 1),
        ["", "6000-"],
    ),
    "other words for bytes": (
        lambda n, first: (
            half(content_length=str(SIZE))
            if n == 1
            else say(206, VIDEO[first:], content_range=f"Bytes={first}-{SIZE - 1}/{SIZE}")
        ),
        ["", "5000-"],
    ),
    "ranges are not heeded": (
        lambda n, _first: half(content_length=str(SIZE)) if n == 1 else say(200, VIDEO, content_length=str(SIZE)),
        ["", "5000-"],
    ),
    "pieces, once": (
        lambda n, _first: (
            half(content_length=str(SIZE), etag='"a"')
            if n == 1
            else say(206, b"--x", content_type="multipart/byteranges; boundary=x")
            if n == 2
            else say(200, VIDEO, content_length=str(SIZE))
        ),
        ["", "5000-", ""],
    ),
    # another ETag in the middle, and a server that does not know If-Range
    "another file in the middle": (
        lambda n, first: (
            half(content_length=str(SIZE), etag='"a"')
            if n == 1
            else rest(first, etag='"b"')
            if first
            else say(200, VIDEO, content_length=str(SIZE), etag='"b"')
        ),
        ["", "5000-", ""],
    ),
    "a weak ETag in the middle": (
        lambda n, first: half(content_length=str(SIZE), etag='"a"') if n == 1 else rest(first, etag='W/"a"'),
        ["", "5000-"],
    ),
    # a body without an announced length
    "cut without a word": (
        lambda n, _first: say(200, VIDEO[: 5000 if n == 1 else None]),
        ["", "5000-"],
    ),
    "cut without a word, with an ETag": (
        lambda n, first: say(200, VIDEO[:5000], etag='"a"') if n == 1 else rest(first, etag='"a"'),
        ["", "5000-"],
    ),
    "more than was announced, once": (
        lambda n, _first: say(200, VIDEO, *([b"<ad>"] if n == 1 else []), content_length=str(SIZE)),
        ["", ""],
    ),
}


@pytest.mark.parametrize("case", WHOLE)
async def test_the_file_comes_out_whole(tmp_path: Path, case: str) -> None:
    """However it travels; and what is asked for is what is missing."""
    respond, asked = WHOLE[case]
    store = Answers(respond)
    async with client_of(store) as client:
        path = await client.download(TASK, tmp_path / "room.mp4")
    assert path.read_bytes() == VIDEO
    assert store.asked == asked
    assert left_over(path) == ["room.mp4"]


NOTHING: dict[str, tuple[Say, str, int]] = {
    "two layers of gzip": (
        lambda _n, _first: say(200, gzip.compress(GZIP), content_encoding="gzip, gzip"),
        "no video came, but HTTP 200, bytes 1f 8b",
        0,
    ),
    "gzip that is none": (
        lambda _n, _first: say(200, GZIP[:40] + bytes(99), content_encoding="gzip"),
        "not the gzip",
        0,
    ),
    "a bomb": (
        lambda _n, _first: say(200, gzip.compress(START + bytes(1 << 23)), content_encoding="gzip"),
        "is larger than 1000000 bytes",
        0,
    ),
    "a part of unknown length": (
        lambda _n, first: rest(first, "*", last=99) if not first else rest(first, "*", last=first + 99),
        "neither a length nor an ETag",
        0,
    ),
    "a refusal that is packed twice": (
        lambda _n, _first: say(410, gzip.compress(gzip.compress(bytes(1 << 20))), content_encoding="gzip, gzip"),
        "HTTP 410, bytes 1f 8b",
        0,
    ),
    "a refusal that is packed": (
        lambda _n, _first: say(410, gzip.compress(b"gone " * 9), content_encoding="gzip"),
        "HTTP 410, 'gone gone",
        0,
    ),
    "a part that begins later": (lambda _n, _first: rest(100), "no Content-Range tells which", 0),
    "pieces": (
        lambda _n, _first: say(206, b"--x", content_type="multipart/byteranges; boundary=x"),
        "it came in pieces (multipart/byteranges), which nobody asked for",
        0,
    ),
    "more than was announced": (
        lambda _n, _first: say(200, VIDEO, b"<ad>", content_length=str(SIZE)),
        f"{SIZE + 4} bytes came, of {SIZE} that were announced",
        0,
    ),
    "cut without a word": (lambda _n, _first: say(200, VIDEO[:5000]), "5000 bytes came, and more belongs to it", 5000),
    "a circle": (lambda _n, _first: say(302, location="https://cdn.example/result.mp4"), "TooManyRedirects", 0),
}


@pytest.mark.parametrize("case", NOTHING)
async def test_what_cannot_be_trusted_is_told(tmp_path: Path, case: str) -> None:
    """In words that say what came; nothing stands under the name, and nothing is waited for without end."""
    respond, told, kept = NOTHING[case]
    path = tmp_path / "room.mp4"
    store = Answers(respond)
    async with client_of(store) as client:
        client._downloads._largest = 1_000_000
        with pytest.raises(DownloadFailed) as caught:
            await client.download(TASK, path)
        assert anyio.current_time() < 60
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.received == kept == (Part(path).file.stat().st_size if kept else 0)
    assert not path.exists()
    assert store.looks <= 1


@pytest.mark.parametrize("status", [302, 404, 410, 503])
async def test_what_comes_beside_a_status_is_read_up_to_a_limit(tmp_path: Path, status: int) -> None:
    """A few bytes, packed twice, would be gigabytes; and some bodies never end."""
    read = 0
    packed = gzip.compress(gzip.compress(bytes(1 << 24)))

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal read
            while True:
                read += 1
                yield packed

    def respond(n: int, _first: int) -> httpx.Response:
        if n > 1:
            return say(200, VIDEO, content_length=str(SIZE))
        headers = {"Content-Encoding": "gzip, gzip", "Location": "https://cdn.example/moved.mp4"}
        return httpx.Response(status, headers=headers, stream=Endless())

    async with client_of(Answers(respond)) as client:
        assert (await client.download(TASK, tmp_path / "room.mp4")).read_bytes() == VIDEO
    assert read <= 1024 // len(packed) + 1


@pytest.mark.parametrize("hops", [20, 21])
async def test_a_file_that_moved_is_followed(tmp_path: Path, hops: int) -> None:
    """Twenty times, as httpx does, and with the same question."""

    def respond(n: int, first: int) -> httpx.Response:
        if n == 1:
            return half(content_length=str(SIZE), etag='"a"')
        return say(307, location=f"/{n}.mp4") if (n - 1) % (hops + 1) else rest(first, etag='"a"')

    store = Answers(respond)
    async with client_of(store, retry=Retry(attempts=2)) as client:
        if hops == 20:
            assert (await client.download(TASK, tmp_path / "room.mp4")).read_bytes() == VIDEO
            assert store.asked == ["", *["5000-"] * 21]
        else:
            with pytest.raises(DownloadFailed, match="TooManyRedirects: more than 20 redirects"):
                await client.download(TASK, tmp_path / "room.mp4")


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("7", 7, 7),
        ("1.5", 1.5, 1.5),
        (format_datetime(NOW + timedelta(seconds=40), usegmt=True), 40, 40),
        ("0", 0.25, 0.5),
        ("-5", 0.25, 0.5),
        ("soon", 0.25, 0.5),
        ("nan", 0.25, 0.5),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0.25, 0.5),
        ("86400", 120, 120),
        ("9" * 18, 120, 120),
        ("9" * 400, 0.25, 0.5),
    ],
)
@pytest.mark.parametrize("status", [429, 503, 404, 403])
async def test_a_store_that_asks_to_wait_is_heeded(
    tmp_path: Path, status: int, asked: str, least: float, most: float
) -> None:
    """Seconds, fractions and dates; never less than our own pause, and never longer than `Retry` believes."""
    headers = {"retry_after": asked, "date": format_datetime(NOW, usegmt=True)}
    store = Answers(lambda n, _first: say(status, **headers) if n <= 2 else say(200, VIDEO, content_length=str(SIZE)))
    async with client_of(store) as client:
        assert (await client.download(TASK, tmp_path / "room.mp4")).read_bytes() == VIDEO
    pause = store.at[-1] - store.at[-2]
    doubled = 2 if status in (429, 503) else 1  # there the second failure is one in a row
    assert least <= pause <= max(most, 0.5 * doubled)


async def test_a_store_that_always_asks_to_wait_is_given_up(tmp_path: Path) -> None:
    """After as many attempts as `Retry` has; nothing waits for a day."""
    store = Answers(lambda _n, _first: say(503, b"busy", retry_after="86400"))
    async with client_of(store, retry=Retry(attempts=3, retry_after_max=60)) as client:
        began = anyio.current_time()
        with pytest.raises(DownloadFailed, match="HTTP 503, 'busy'"):
            await client.download(TASK, tmp_path / "room.mp4")
    assert (len(store.asked), anyio.current_time() - began) == (3, 120)


async def test_a_byte_an_attempt_is_a_drip(tmp_path: Path) -> None:
    """It brings more each time, and would for days."""
    store = Answers(lambda _n, first: rest(first, last=first, etag='"a"'))
    async with client_of(store) as client:
        with pytest.raises(DownloadFailed, match="slower than 1024 bytes a second") as caught:
            await client.download(TASK, tmp_path / "room.mp4")
    assert 100 < caught.value.received == len(store.asked) < 200


async def test_a_response_hook_that_raises_hides_no_expired_url(tmp_path: Path) -> None:
    """`raise_for_status` is in httpx's own documentation; its status counts."""

    async def check(response: httpx.Response) -> None:
        response.raise_for_status()

    store = Answers(lambda n, _first: say(410) if n == 1 else say(200, VIDEO, content_length=str(SIZE)))
    http_client = httpx.AsyncClient(transport=store, event_hooks={"response": [check]})
    client = AsyncClient(KEY, base_url=BASE_URL, http_client=http_client, _leave_loop=inline)
    async with http_client, client:
        assert (await client.download(TASK, tmp_path / "room.mp4")).read_bytes() == VIDEO
    assert (store.looks, len(store.asked)) == (1, 2)


@pytest.mark.parametrize("headers", [None, {}, {"Retry-After": None}, [("Retry-After", "1")]])
async def test_what_a_response_hook_raises_may_carry_anything(tmp_path: Path, headers: object) -> None:
    """The download ends as one that broke off, not with an error of ours; the video is paid, and can be had again."""

    class Odd(Exception):
        response = SimpleNamespace(status_code=403, headers=headers)

    async def refuse(_: httpx.Response) -> None:
        raise Odd("no")

    store = Answers(lambda _n, _first: say(200, VIDEO, content_length=str(SIZE)))
    http_client = httpx.AsyncClient(transport=store, event_hooks={"response": [refuse]})
    async with http_client, AsyncClient(KEY, base_url=BASE_URL, http_client=http_client, _leave_loop=inline) as client:
        with pytest.raises(DownloadFailed) as caught:
            await client.download(TASK, tmp_path / "room.mp4")
    assert caught.value.task_id == ID


async def test_a_response_hook_may_have_read_the_file(tmp_path: Path) -> None:
    """Then httpx has unpacked it."""

    async def read(response: httpx.Response) -> None:
        await response.aread()

    store = Answers(lambda _n, _first: say(200, GZIP, content_encoding="gzip"))
    http_client = httpx.AsyncClient(transport=store, event_hooks={"response": [read]})
    client = AsyncClient(KEY, base_url=BASE_URL, http_client=http_client, _leave_loop=inline)
    async with http_client, client:
        assert (await client.download(TASK, tmp_path / "room.mp4")).read_bytes() == VIDEO


async def test_what_the_line_said_is_told(tmp_path: Path) -> None:
    """On one line, without what may be secret."""

    def respond(_n: int, _first: int) -> httpx.Response:
        raise httpx.ConnectError("certificate verify failed\n for https://cdn.example/a?token=secret")

    async with client_of(Answers(respond)) as client:
        with pytest.raises(DownloadFailed) as caught:
            await client.download(TASK, tmp_path / "room.mp4")
    words = "broke off (ConnectError: certificate verify failed for https://cdn.example/a); nothing is kept"
    assert words in str(caught.value)


PACKED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n" + GZIP
CLOSED = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + VIDEO
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + b"%x\r\n%b\r\n0\r\n\r\n" % (
    SIZE,
    VIDEO,
)
MOVED = http(bytes(100_000), "302 Found", Location="/a%2Fb'c.mp4?d=%7e", Connection="close")


@pytest.mark.usefixtures("real_time")
@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(
    "answers",
    [
        [PACKED],
        [PACKED[:-5000], PACKED],
        [CLOSED[:-5000], CLOSED],
        [CHUNKED[:-5000], CHUNKED],
        [http(VIDEO, Connection="close")[:-5000], CLOSED],
        [MOVED, CLOSED],
        [CLOSED + b"<ad>"],
    ],
    ids=["packed", "packed and cut", "cut", "cut chunks", "cut length", "moved", "more"],
)
async def test_over_a_real_line_too(tmp_path: Path, answers: list[bytes], fast: bool) -> None:
    """With httpx's own transport, and with aiohttp's, which unpacks and breaks off in its own way."""
    module = pytest.importorskip("ideal_async.fast", exc_type=ImportError) if fast else None
    asked: list[bytes] = []

    async def serve(stream: anyio.abc.SocketStream) -> None:
        asked.append((await read_request(stream)).split()[1])
        await stream.send(answers[len(asked) - 1])

    async with loopback(serve) as url:
        task = Task(ID, TaskStatus.SUCCESS, 100, output=VideoOutput(f"{url}/room%2F.mp4"))
        transport = module.FastTransport() if module else None
        async with AsyncClient(KEY, base_url=url, transport=transport, retry=Retry(wait_initial=0.01)) as client:
            path = await client.download(task, tmp_path / "room.mp4")
    assert path.read_bytes()[:SIZE] == VIDEO
    assert len(asked) == len(answers)
    assert answers[0] is not MOVED or asked[1] == b"/a%2Fb'c.mp4?d=%7e"


@pytest.mark.parametrize("label", ["text/html", "video/mp4", "image/jpeg", "application/octet-stream", ""])
@pytest.mark.parametrize(
    ("picture", "good"),
    [
        (b"RIFF\1\2\3\4WEBPVP8 ", True),
        (b"\x89PNG\r\n\x1a\n and more", True),
        (b"\xff\xd8\xff\xdb and more", True),
        (b"\0\0\0\x1cftypavif and more", True),
        (VIDEO, False),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", False),
        (b"<html>Sign in</html>", False),
    ],
)
async def test_a_cover_is_what_its_bytes_say(tmp_path: Path, picture: bytes, good: bool, label: str) -> None:
    """Whatever its label."""
    store = Answers(lambda _n, _first: say(200, picture, content_type=label, content_length=str(len(picture))))
    async with client_of(store) as client:
        if good:
            assert (await client.download(TASK, tmp_path / "c", part="cover")).read_bytes() == picture
        else:
            with pytest.raises(DownloadFailed, match="no cover came"):
                await client.download(TASK, tmp_path / "c", part="cover")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (".", "it is a folder: name a file in it"),
        ("missing/room.mp4", "No such file or directory"),
        ("x" * 256, "File name too long"),
        ("日" * 86, "File name too long"),
        ("a\0b.mp4", "null (byte|character in path)"),
        ("\ud800.mp4", r"names of files are written in utf-8 here, which has no '\\ud800': .* choose another name"),
    ],
)
async def test_what_cannot_be_put_in_its_place_is_not_asked_for(tmp_path: Path, name: str, told: str) -> None:
    """Told at once, not when half a gigabyte has come."""
    store = Answers(lambda _n, _first: say(200, VIDEO, content_length=str(SIZE)))
    async with client_of(store) as client:
        with pytest.raises(DownloadFailed, match=f"cannot write .*{told}; nothing is kept") as caught:
            await client.download(TASK, tmp_path / name)
    assert store.asked == []
    assert caught.value.task_id == ID


@pytest.mark.parametrize("url", ["https://[bad/v.mp4", "https://cdn.example/\0", f"https://cdn.example/{'a' * 70_000}"])
async def test_a_url_of_any_making_ends_with_a_file_or_an_error(tmp_path: Path, url: str) -> None:
    """Never with somebody else's exception, and the message stays short."""
    task = Task(ID, TaskStatus.SUCCESS, 100, output=VideoOutput(url))

    def respond(_n: int, _first: int) -> httpx.Response:
        raise httpx.ConnectError("no such host")

    async with client_of(Answers(respond)) as client:
        with pytest.raises(DownloadFailed) as caught:
            await client.download(task, tmp_path / "room.mp4")
    assert len(str(caught.value)) < 300
