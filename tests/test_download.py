"""A file that is there is complete; a file that is not can be continued."""

import errno
import gzip
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import httpx
import pytest
from fakes import BASE_URL, HALF_READ, ID, KEY, RESULT, ROOM, Service, answer, http, look, loopback, read_request

from ideal_async import AsyncClient, DownloadFailed, IdealError, Retry, Task, TaskStatus, VideoOutput
from ideal_async._attempt import CHUNK
from ideal_async._part import Part
from ideal_async._ranges import Held, Start
from ideal_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

#: Begins as an MP4 does; what follows is noise to the client.
FTYP = b"\0\0\0\x20ftypisom"
CONTENT = FTYP + (bytes(range(256)) * 4096)[len(FTYP) :]
#: Another file of the same length.
OTHER = FTYP + CONTENT[: len(FTYP) - 1 : -1]
URL = "https://cdn.example/result.mp4?X-Amz-Signature=1"
TASK = Task(ID, TaskStatus.SUCCESS, 100, output=VideoOutput(URL, "https://cdn.example/cover.jpg"))


async def inline(function: Callable[..., Any], *args: object) -> Any:
    """Stay in the event loop: threads and virtual time do not mix."""
    return function(*args)


def client_of(service: httpx.AsyncBaseTransport, **more: Any) -> AsyncClient:
    return AsyncClient(KEY, base_url=BASE_URL, transport=service, _leave_loop=inline, **more)


class Broken(httpx.AsyncByteStream):
    """A body that breaks off after some bytes, or goes slowly."""

    def __init__(self, content: bytes, error: Exception | None = None, pause: float = 0.0) -> None:
        self._content, self._error, self._pause = content, error, pause

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), 65536):
            await anyio.sleep(self._pause)
            yield self._content[start : start + 65536]
        if self._error is not None:
            raise self._error


class Store(httpx.AsyncBaseTransport):
    """A storage service that follows RFC 9110, on a bad line: *cuts* says after how many bytes each answer breaks."""

    def __init__(
        self,
        content: bytes = CONTENT,
        *,
        cuts: list[int] | None = None,
        etag: str | None = '"v1"',
        ranges: bool = True,
        error: Exception | None = None,
    ) -> None:
        self.content, self.etag, self.ranges = content, etag, ranges
        self.requests: list[httpx.Request] = []
        self._cuts = cuts or []
        self._error = error or httpx.ReadError("cut")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """What httpx calls."""
        self.requests.append(request)
        headers = {"ETag": self.etag} if self.etag else {}
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        same = request.headers.get("If-Range", self.etag) == self.etag
        first = int(asked[1]) if asked and self.ranges and same else 0
        if first >= len(self.content):
            return httpx.Response(416, headers={**headers, "Content-Range": f"bytes */{len(self.content)}"})
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(self.content) - 1}/{len(self.content)}"
        body = self.content[first:]
        headers["Content-Length"] = str(len(body))
        cut = self._cuts.pop(0) if self._cuts else None
        stream = Broken(body) if cut is None else Broken(body[:cut], self._error)
        encoded = httpx.Headers(headers, encoding="utf-8")
        return httpx.Response(206 if first else 200, headers=encoded, stream=stream)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def left_over(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


# The good case


async def test_a_result_is_brought_whole(tmp_path: Path) -> None:
    """Video and cover; nothing else is left in the folder; the path comes back."""
    sandbox = Sandbox(render=False)
    async with AsyncClient(sandbox.api_key, transport=sandbox.transport, _leave_loop=inline) as client:
        task = await client.generate(ROOM)
        video = await client.download(task, tmp_path / "room.mp4")
        cover = await client.download(task, str(tmp_path / "room.jpg"), part="cover")
        assert task.output is not None
        async with httpx.AsyncClient(transport=sandbox.transport) as http_client:
            for path, url in ((video, task.output.result_url), (cover, task.output.cover)):
                assert path.read_bytes() == (await http_client.get(str(url))).content
    assert (video, cover) == (tmp_path / "room.mp4", tmp_path / "room.jpg")
    assert left_over(video) == ["room.jpg", "room.mp4"]


async def test_the_result_host_does_not_see_the_key(tmp_path: Path) -> None:
    """It is somebody else's; nor does a host it redirects to, which is followed here."""
    service = Service(
        file=[
            httpx.Response(302, headers={"Location": "https://other.example/result.mp4"}),
            httpx.Response(200, content=CONTENT),
        ]
    )
    async with client_of(service) as client:
        await client.download(TASK, tmp_path / "room.mp4")
    assert [request.url.host for request in service.requests] == ["cdn.example", "other.example"]
    assert all(KEY not in str(request.headers.raw) for request in service.requests)
    assert all("apikey" not in request.headers for request in service.requests)
    assert service.requests[0].headers["Accept-Encoding"] == "identity"


async def test_an_existing_file_is_replaced_when_the_new_one_is_complete(tmp_path: Path) -> None:
    """Whoever reads it meanwhile reads the old one, whole."""
    path = tmp_path / "room.mp4"
    path.write_bytes(b"old")
    async with client_of(Store(cuts=[100] + [0] * 10)) as client:
        with pytest.raises(DownloadFailed):
            await client.download(TASK, path)
        assert path.read_bytes() == b"old"
    async with client_of(Store()) as client:
        await client.download(TASK, path)
    assert path.read_bytes() == CONTENT


# Broken lines


@pytest.mark.parametrize("etag", ['"v1"', None, 'W/"v1"'])
@pytest.mark.parametrize(
    "error", [httpx.ReadError("cut"), ConnectionResetError("cut"), TimeoutError(), ValueError("?")]
)
async def test_a_broken_download_goes_on_where_it_stopped(tmp_path: Path, etag: str | None, error: Exception) -> None:
    """In one call: only what is missing is asked for, on condition that it is the same file."""
    store = Store(cuts=[300_000, 400_000], etag=etag, error=error)
    async with client_of(store) as client:
        path = await client.download(TASK, tmp_path / "room.mp4")
    assert path.read_bytes() == CONTENT
    assert [request.headers.get("Range") for request in store.requests] == [None, "bytes=300000-", "bytes=700000-"]
    strong = etag if etag == '"v1"' else None
    assert [request.headers.get("If-Range") for request in store.requests] == [None, strong, strong]
    assert left_over(path) == ["room.mp4"]


async def test_a_download_that_fails_is_resumed_by_calling_again(tmp_path: Path) -> None:
    """The exception tells what is kept; another client, even another process, goes on from there."""
    path = tmp_path / "room.mp4"
    store = Store(cuts=[300_000] + [0] * 10)
    async with client_of(store) as client:
        with pytest.raises(DownloadFailed) as caught:
            await client.download(TASK, path)
    assert (caught.value.path, caught.value.received, caught.value.task_id) == (str(path), 300_000, ID)
    assert "call again to resume" in str(caught.value)
    assert not path.exists()
    assert len(store.requests) == 5
    async with client_of(again := Store()) as client:
        await client.download(TASK, path)
    assert again.requests[0].headers["Range"] == "bytes=300000-"
    assert path.read_bytes() == CONTENT


async def test_progress_gives_new_patience(tmp_path: Path) -> None:
    """Twenty breaks, each after a few bytes, are no reason to give up."""
    content = CONTENT[:200]
    store = Store(content, cuts=[7] * 20)
    async with client_of(store, retry=Retry(attempts=2)) as client:
        path = await client.download(TASK, tmp_path / "room.mp4")
    assert path.read_bytes() == content
    assert len(store.requests) == 21


async def test_more_than_last_time_is_no_progress_if_it_was_there_before(tmp_path: Path) -> None:
    """A server without ranges that breaks off now early, now late brings nothing new, however long it goes on."""
    store = Store(cuts=[300_000, 600_000] * 50, ranges=False)
    async with client_of(store, retry=Retry(attempts=3)) as client:
        with pytest.raises(DownloadFailed):
            await client.download(TASK, tmp_path / "room.mp4")
    assert len(store.requests) == 4  # the second brought more than ever, the third and the fourth did not


async def test_a_body_that_is_too_short_is_not_complete(tmp_path: Path) -> None:
    """The line ended politely, but too early."""

    async def respond(request: httpx.Request) -> httpx.Response:
        if "Range" in request.headers:
            return httpx.Response(206, headers={"Content-Range": "bytes 3-19/20"}, content=CONTENT[3:20])
        return httpx.Response(200, headers={"Content-Length": "20"}, stream=Broken(CONTENT[:3]))

    async with client_of(httpx.MockTransport(respond)) as client:
        path = await client.download(TASK, tmp_path / "room.mp4")
    assert path.read_bytes() == CONTENT[:20]


async def test_a_changed_file_is_started_over(tmp_path: Path) -> None:
    """Half of one and half of another would be neither."""
    path = tmp_path / "room.mp4"
    async with client_of(Store(cuts=[300_000] + [0] * 10)) as client:
        with pytest.raises(DownloadFailed):
            await client.download(TASK, path)
    changed = Store(OTHER, etag='"v2"')
    async with client_of(changed) as client:
        await client.download(TASK, path)
    assert path.read_bytes() == OTHER
    assert len(changed.requests) == 1


async def test_a_changed_file_without_a_validator_is_noticed_by_its_length(tmp_path: Path) -> None:
    """The part is thrown away and asked for anew."""
    path = tmp_path / "room.mp4"
    async with client_of(Store(cuts=[300_000] + [0] * 10, etag=None)) as client:
        with pytest.raises(DownloadFailed):
            await client.download(TASK, path)
    changed = Store(CONTENT[:-1], etag=None)
    async with client_of(changed) as client:
        await client.download(TASK, path)
    assert path.read_bytes() == CONTENT[:-1]
    assert [request.headers.get("Range") for request in changed.requests] == ["bytes=300000-", None]


async def test_a_server_without_ranges_starts_over(tmp_path: Path) -> None:
    """It answers 200 with everything."""
    store = Store(cuts=[300_000], ranges=False)
    async with client_of(store) as client:
        path = await client.download(TASK, tmp_path / "room.mp4")
    assert path.read_bytes() == CONTENT


async def test_a_part_that_is_complete_needs_no_more_bytes(tmp_path: Path) -> None:
    """The process died between the last byte and the renaming: HTTP 416 says that nothing is missing."""
    path = tmp_path / "room.mp4"
    part = Part(path)
    part.file.write_bytes(CONTENT)
    part.note.write_text(json.dumps({"identity": f"{ID}/video", "total": len(CONTENT), "etag": '"v1"'}))
    store = Store()
    async with client_of(store) as client:
        await client.download(TASK, path)
    assert path.read_bytes() == CONTENT
    assert len(store.requests) == 1
    assert left_over(path) == ["room.mp4"]


@pytest.mark.parametrize(
    "note",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        "{}",
        json.dumps({"identity": "another task/video", "total": 5, "etag": None}),
        json.dumps({"identity": f"{ID}/video", "total": "5", "etag": None}),
        json.dumps({"identity": f"{ID}/video", "total": 5, "etag": 7}),
        None,
    ],
)
async def test_a_part_of_something_else_is_not_continued(tmp_path: Path, note: str | None) -> None:
    """Nor one whose note is missing or damaged."""
    path = tmp_path / "room.mp4"
    part = Part(path)
    part.file.write_bytes(b"other")
    if note is not None:
        part.note.write_text(note)
    assert part.held(f"{ID}/video") == Held()
    async with client_of(Store()) as client:
        await client.download(TASK, path)
    assert path.read_bytes() == CONTENT


async def test_a_compressed_answer_is_not_resumed(tmp_path: Path) -> None:
    """Its ranges count other bytes than those on the disk."""
    squeezed = gzip.compress(CONTENT)
    requests: list[httpx.Request] = []

    async def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        headers = {"Content-Encoding": "gzip", "ETag": '"v1"', "Content-Length": str(len(squeezed))}
        if "Range" in request.headers:
            headers["Content-Range"] = f"bytes 5-{len(squeezed) - 1}/{len(squeezed)}"
            return httpx.Response(206, headers=headers, stream=Broken(squeezed[5:]))
        error = httpx.ReadError("cut") if len(requests) == 1 else None
        return httpx.Response(200, headers=headers, stream=Broken(squeezed, error))

    async with client_of(httpx.MockTransport(respond)) as client:
        path = await client.download(TASK, tmp_path / "room.mp4")
    assert path.read_bytes() == CONTENT


# Expired URLs


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_an_expired_url_is_asked_for_anew_once(tmp_path: Path, status: int) -> None:
    """And the download goes on where it was."""
    requests: list[httpx.Request] = []
    store = Store(cuts=[300_000])

    async def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        if request.url.path == RESULT:
            output = {"resultUrl": "https://cdn.example/fresh.mp4"}
            return answer({"id": ID, "status": "Success", "output": output})
        if request.url.path == "/result.mp4" and len(requests) > 1:
            return httpx.Response(status)
        return await store.handle_async_request(request)

    async with client_of(httpx.MockTransport(respond)) as client:
        path = await client.download(TASK, tmp_path / "room.mp4")
    assert path.read_bytes() == CONTENT
    assert [request.url.path for request in requests] == ["/result.mp4", "/result.mp4", RESULT, "/fresh.mp4"]
    assert requests[-1].headers["Range"] == "bytes=300000-"
    assert "apikey" in requests[2].headers
    assert "apikey" not in requests[3].headers


async def test_a_url_that_stays_expired_is_told(tmp_path: Path) -> None:
    """Once is enough."""
    service = Service(look=look("Success"), file=httpx.Response(403))
    async with client_of(service) as client:
        with pytest.raises(DownloadFailed, match="HTTP 403") as caught:
            await client.download(TASK, tmp_path / "room.mp4")
    assert len(service.looks) == 1
    assert caught.value.received == 0


async def test_the_sandboxs_urls_expire_too(tmp_path: Path) -> None:
    """Looks give new ones."""
    sandbox = Sandbox(render=False, url_lifetime=60)
    async with AsyncClient(sandbox.api_key, transport=sandbox.transport, _leave_loop=inline) as client:
        task = await client.generate(ROOM)
        await anyio.sleep(3600)
        assert (await client.download(task, tmp_path / "room.mp4")).stat().st_size > 0


async def test_a_server_in_trouble_is_tried_again(tmp_path: Path) -> None:
    """HTTP 503 is no expired URL."""
    service = Service(file=[httpx.Response(503), httpx.Response(500), httpx.Response(200, content=CONTENT)])
    async with client_of(service) as client:
        assert (await client.download(TASK, tmp_path / "room.mp4")).read_bytes() == CONTENT


# Something else


@HALF_READ
@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (httpx.Response(200, html="<html>Sign in</html>"), "HTTP 200, text/html, '<html>Sign in</html>'"),
        (httpx.Response(200, json={"error": "no"}), 'HTTP 200, application/json, \'{"error":"no"}\''),
        (httpx.Response(200, content=b"<Error/>", headers={"Content-Type": "video/mp4"}), "video/mp4, '<Error/>'"),
        (httpx.Response(200, content=b""), "HTTP 200, an empty body"),
        (httpx.Response(200, content=b"\xff\xd8\xff\xe0\0JFIF and more"), "bytes ff d8 ff e0"),
        (httpx.Response(200, html="<p>" * CHUNK), "text/html, '<p><p>"),
        (httpx.Response(206, content=CONTENT), "no Content-Range tells which"),
        (httpx.Response(204), "HTTP 204, an empty body"),
        (httpx.Response(302), "HTTP 302, an empty body"),
        (httpx.Response(451, text="gone to court"), "HTTP 451, text/plain, 'gone to court'"),
    ],
)
async def test_what_is_no_video_is_not_saved(tmp_path: Path, reply: httpx.Response, told: str) -> None:
    """Whatever its status and label: a fresh URL is tried once, then patience, then it is told what came."""
    service = Service(look=look("Success"), file=reply)
    async with client_of(service) as client:
        with pytest.raises(DownloadFailed) as caught:
            await client.download(TASK, tmp_path / "room.mp4")
    assert told in str(caught.value)
    assert str(caught.value).endswith("; nothing is kept, call again to start over")
    assert (caught.value.received, caught.value.http_status) == (0, reply.status_code)
    assert (len(service.looks), len(service.requests)) == (1, 1 + 1 + Retry().attempts)
    assert left_over(tmp_path / "room.mp4") == []


async def test_what_is_wrong_with_the_first_url_may_be_right_with_the_next(tmp_path: Path) -> None:
    """A login page first, the video then; a label says less than the bytes."""
    video = httpx.Response(200, content=CONTENT, headers={"Content-Type": "text/plain"})
    service = Service(look=look("Success"), file=[httpx.Response(200, html="Sign in"), video])
    async with client_of(service) as client:
        assert (await client.download(TASK, tmp_path / "room.mp4")).read_bytes() == CONTENT
    assert [request.url.path for request in service.requests] == ["/result.mp4", RESULT, f"/{ID}.mp4"]


async def test_a_look_that_fails_does_not_hide_what_came(tmp_path: Path) -> None:
    """Neither is the URL better for it: the error tells of the file, and its cause of the look."""
    service = Service(look=answer(code=5002, message="no"), file=httpx.Response(200, html="Sign in"))
    async with client_of(service) as client:
        with pytest.raises(DownloadFailed, match="Sign in") as caught:
            await client.download(TASK, tmp_path / "room.mp4")
    assert isinstance(caught.value.__cause__, IdealError)


async def test_a_look_without_a_url_changes_nothing(tmp_path: Path) -> None:
    """The one that is known is tried on."""
    service = Service(
        look=look("Processing"), file=[httpx.Response(200, html="Sign in"), httpx.Response(200, content=CONTENT)]
    )
    async with client_of(service) as client:
        assert (await client.download(TASK, tmp_path / "room.mp4")).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [403, 404])
async def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path: Path, status: int) -> None:
    """A CDN needs some seconds after `Success`; the user's `Retry` is about broken lines and has no part in it."""
    began = anyio.current_time()

    def file(_: httpx.Request) -> httpx.Response:
        late = anyio.current_time() - began < 6
        return httpx.Response(status) if late else httpx.Response(200, content=CONTENT)

    async with client_of(Service(look=look("Success"), file=file), retry=Retry(attempts=1)) as client:
        assert (await client.download(TASK, tmp_path / "room.mp4")).read_bytes() == CONTENT


async def test_a_file_that_stays_away_is_waited_for_seconds_only(tmp_path: Path) -> None:
    """And the body of the refusal is quoted without what looks secret."""
    secret = "AKIA" + "0123456789ABCDEF" * 3
    service = Service(look=look("Success"), file=httpx.Response(404, text=f"NoSuchKey {secret} https://a.b/c?d=e"))
    async with client_of(service) as client:
        began = anyio.current_time()
        with pytest.raises(
            DownloadFailed, match=re.escape("HTTP 404, text/plain, 'NoSuchKey … https://a.b/c'")
        ) as caught:
            await client.download(TASK, tmp_path / "room.mp4")
    assert 5 < anyio.current_time() - began < 20
    assert caught.value.http_status == 404


@HALF_READ
async def test_a_refusal_that_breaks_off_is_a_refusal(tmp_path: Path) -> None:
    """Its status is known; and of an endless one only the beginning is read."""
    replies: list[httpx.AsyncByteStream] = [Broken(b"no", httpx.ReadError("cut")), Broken(b"no" * 100_000)]

    async def respond(request: httpx.Request) -> httpx.Response:
        return look("Success") if request.url.path == RESULT else httpx.Response(410, stream=replies.pop(0))

    async with client_of(httpx.MockTransport(respond)) as client:
        with pytest.raises(DownloadFailed, match=r"HTTP 410, '(no)*"):
            await client.download(TASK, tmp_path / "room.mp4")
    assert replies == []


@pytest.mark.parametrize(
    "url", ["/result.mp4", "cdn.example/v.mp4", "ftp://cdn.example/v.mp4", "https:///v.mp4?secret"]
)
async def test_a_url_that_leads_nowhere_is_asked_for_anew(tmp_path: Path, url: str) -> None:
    """Nothing is sent to it, and nothing waited for."""
    task = Task(ID, TaskStatus.SUCCESS, 100, output=VideoOutput(url))
    good = Service(look=look("Success"), file=httpx.Response(200, content=CONTENT))
    async with client_of(good) as client:
        assert (await client.download(task, tmp_path / "room.mp4")).read_bytes() == CONTENT
    bad = Service(look=look("Processing"))
    async with client_of(bad) as client:
        began = anyio.current_time()
        with pytest.raises(DownloadFailed, match="is no URL that begins with https://") as caught:
            await client.download(task, tmp_path / "room.mp4")
    assert "secret" not in str(caught.value)
    assert anyio.current_time() == began
    assert len(bad.requests) == 1


async def test_blanks_around_a_url_are_none_of_it(tmp_path: Path) -> None:
    """Some writer of JSON added them."""
    task = Task(ID, TaskStatus.SUCCESS, 100, output=VideoOutput(f" {URL}\n"))
    async with client_of(store := Store()) as client:
        await client.download(task, tmp_path / "room.mp4")
    assert str(store.requests[0].url) == URL


async def test_the_answer_to_a_plain_get_may_be_called_a_part(tmp_path: Path) -> None:
    """HTTP 206 from byte 0 is the file, or its beginning."""
    headers = {"Content-Range": f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"}
    service = Service(file=httpx.Response(206, content=CONTENT, headers=headers))
    async with client_of(service) as client:
        assert (await client.download(TASK, tmp_path / "room.mp4")).read_bytes() == CONTENT
    assert len(service.requests) == 1


async def test_an_etag_that_cannot_be_sent_back_is_none(tmp_path: Path) -> None:
    """Neither one that comes, nor one that an earlier version noted."""
    path = tmp_path / "room.mp4"
    part = Part(path)
    part.file.write_bytes(CONTENT[:1000])
    part.note.write_text(json.dumps({"identity": f"{ID}/video", "total": len(CONTENT), "etag": '"é"'}))
    async with client_of(store := Store(cuts=[3000], etag='"é"')) as client:
        assert (await client.download(TASK, path)).read_bytes() == CONTENT
    assert [request.headers["Range"] for request in store.requests] == ["bytes=1000-", "bytes=4000-"]
    assert all("If-Range" not in request.headers for request in store.requests)


@pytest.mark.usefixtures("real_time")
@pytest.mark.parametrize("fast", [False, True])
async def test_a_signed_url_is_sent_as_it_is(tmp_path: Path, fast: bool) -> None:
    """What is signed is the target, letter by letter: `%2F` is not `/`, and `%7e` not `~`."""
    module = pytest.importorskip("ideal_async.fast", exc_type=ImportError) if fast else None
    target = "/a%2Fb%27c%7ed'e(f)*!+%20?X-Amz-Credential=K%2F2026%2Fs3&p=a+b~[x]&e=%C3%A9&f=%e9&g=%2f&Signature=aB%3D"
    asked: list[bytes] = []

    async def serve(stream: anyio.abc.SocketStream) -> None:
        asked.append((await read_request(stream)).split()[1])
        await stream.send(http(CONTENT, Connection="close"))

    async with loopback(serve) as url:
        task = Task(ID, TaskStatus.SUCCESS, 100, output=VideoOutput(url + target))
        transport = module.FastTransport() if module else None
        async with AsyncClient(KEY, base_url=url, transport=transport) as client:
            await client.download(task, tmp_path / "room.mp4")
    assert asked == [target.encode()]


# What never ends


@HALF_READ
@pytest.mark.parametrize("announced", [True, False])
async def test_what_is_far_too_large_is_not_brought(tmp_path: Path, announced: bool) -> None:
    """Neither if it says so, nor if it just goes on; nothing of it is kept, and nothing tried again."""
    limit = 1_000_000
    headers = {"Content-Length": "1000001"} if announced else {}
    came = 0

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal came
            yield FTYP
            while True:
                came += 100_000
                yield bytes(100_000)

    async def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=headers, stream=Endless())

    async with client_of(httpx.MockTransport(respond)) as client:
        client._downloads._largest = limit
        with pytest.raises(DownloadFailed, match="is larger than 1000000 bytes"):
            await client.download(TASK, tmp_path / "room.mp4")
    assert came == 0 if announced else limit <= came < 2 * limit
    assert left_over(tmp_path / "room.mp4") == []


@HALF_READ
async def test_a_body_that_drips_ends(tmp_path: Path) -> None:
    """A byte each half a minute is no download, however often the line breaks meanwhile; what came is kept."""

    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for byte in CONTENT:
                await anyio.sleep(30)
                yield bytes([byte])

    async def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Length": str(len(CONTENT)), "ETag": '"v1"'}, stream=Drip())

    async with client_of(httpx.MockTransport(respond)) as client:
        began = anyio.current_time()
        with pytest.raises(DownloadFailed, match="slower than 1024 bytes a second") as caught:
            await client.download(TASK, tmp_path / "room.mp4")
    assert anyio.current_time() - began < 200
    assert caught.value.received == Part(tmp_path / "room.mp4").file.stat().st_size > 0


@HALF_READ
async def test_a_slow_line_may_take_hours(tmp_path: Path) -> None:
    """At two kilobytes a second there is an end."""

    async def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Length": str(len(CONTENT))}, stream=Broken(CONTENT, pause=32))

    async with client_of(httpx.MockTransport(respond)) as client:
        began = anyio.current_time()
        await client.download(TASK, tmp_path / "room.mp4")
    assert anyio.current_time() - began > 500


# Bad arguments


@pytest.mark.parametrize(
    ("task", "part", "fix"),
    [
        (Task(ID, TaskStatus.PROCESSING), "video", r"\(Processing\) has no video: wait for it first"),
        (Task(ID, TaskStatus.SUCCESS, output=VideoOutput(URL)), "cover", "has no cover"),
        (TASK, "audio", 'part must be "video" or "cover"'),
    ],
)
async def test_what_is_not_there_is_not_downloaded(tmp_path: Path, task: Task, part: Any, fix: str) -> None:
    """With the reason, before anything is asked for."""
    service = Service()
    async with client_of(service) as client:
        with pytest.raises(ValueError, match=fix):
            await client.download(task, tmp_path / "x", part=part)
    assert service.requests == []
    assert left_over(tmp_path / "x") == []


async def test_an_id_is_not_downloaded(tmp_path: Path) -> None:
    """A task is, since it knows its URLs."""
    async with client_of(Service()) as client:
        with pytest.raises(TypeError, match="a Task is downloaded, not int: wait for it first"):
            await client.download(ID, tmp_path / "x")  # type: ignore[call-overload]  # that is the point


async def test_one_path_is_written_by_one_download(tmp_path: Path) -> None:
    """Two at once would mix; afterwards it is free again."""
    path = tmp_path / "room.mp4"

    async def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Broken(CONTENT, pause=1))

    async with client_of(httpx.MockTransport(respond)) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.download, TASK, path)
            await anyio.sleep(2)
            with pytest.raises(RuntimeError, match="is being downloaded already"):
                await client.download(TASK, path)
        await client.download(TASK, path)
    assert path.read_bytes() == CONTENT


# The disk


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """In the words of the system."""
    async with client_of(Store()) as client:
        with pytest.raises(DownloadFailed, match=r"cannot write .*: No such file or directory") as caught:
            await client.download(TASK, tmp_path / "missing" / "room.mp4")
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert caught.value.task_id == ID


async def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    """Before anything is asked for."""
    (tmp_path / "room.mp4").mkdir()
    async with client_of(Store()) as client:
        with pytest.raises(DownloadFailed, match="it is a folder: name a file in it"):
            await client.download(TASK, tmp_path / "room.mp4")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes on this system")
async def test_a_device_or_a_pipe_in_the_way_is_left_alone(tmp_path: Path) -> None:
    """A video would take its place: under root that breaks the machine."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    async with client_of(Store()) as client:
        for name in ("pipe", "link"):
            with pytest.raises(DownloadFailed, match="it is a device, a pipe or a socket: name a file"):
                await client.download(TASK, tmp_path / name)
    assert (tmp_path / "pipe").is_fifo()


@HALF_READ
@pytest.mark.parametrize("message", ["No space left on device", ""])
async def test_a_full_disk_is_told_and_what_came_is_kept(tmp_path: Path, message: str) -> None:
    """It is not the network's fault, so it is not tried again."""
    writes = 0

    async def full(function: Callable[..., Any], *args: object) -> Any:
        nonlocal writes
        if getattr(function, "__name__", "") == "write":
            writes += 1
            if writes == 3:
                raise OSError(errno.ENOSPC, message) if message else OSError
        return function(*args)

    store = Store()
    async with AsyncClient(KEY, base_url=BASE_URL, transport=store, _leave_loop=full) as client:
        with pytest.raises(DownloadFailed, match=f"cannot write .*part: {message}") as caught:
            await client.download(TASK, tmp_path / "room.mp4")
    assert len(store.requests) == 1
    assert caught.value.received == Part(tmp_path / "room.mp4").file.stat().st_size == 2 * CHUNK
    async with client_of(store) as client:
        await client.download(TASK, tmp_path / "room.mp4")
    assert store.requests[-1].headers["Range"] == f"bytes={2 * CHUNK}-"
    assert (tmp_path / "room.mp4").read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["x" * 251 + ".mp4", "é" * 125 + ".mp4", "日" * 83 + ".mp4"])
async def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path, name: str) -> None:
    """The unfinished file beside it has a shorter one, and finds its target again."""
    path = tmp_path / name
    async with client_of(Store(cuts=[300_000] + [0] * 10)) as client:
        with pytest.raises(DownloadFailed):
            await client.download(TASK, path)
    async with client_of(again := Store()) as client:
        assert (await client.download(TASK, path)).read_bytes() == CONTENT
    assert again.requests[0].headers["Range"] == "bytes=300000-"
    assert left_over(path) == [name]
    assert Part(path).file != Part(tmp_path / f"{name[:-5]}a.mp4").file


@HALF_READ
async def test_a_disk_that_takes_half_a_piece_is_told_truly(tmp_path: Path) -> None:
    """`.received` is what stands there."""
    resource = pytest.importorskip("resource")
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        async with client_of(Store()) as client:
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_001, hard))
            with pytest.raises(DownloadFailed, match="File too large; 300001 bytes are kept") as caught:
                await client.download(TASK, tmp_path / "room.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert caught.value.received == Part(tmp_path / "room.mp4").file.stat().st_size == 300_001


async def test_a_part_that_shrank_is_not_filled_with_zeros(tmp_path: Path) -> None:
    """Somebody emptied it between two steps."""
    path = tmp_path / "room.mp4"
    store = Store(cuts=[300_000])

    async def meddle(function: Callable[..., Any], *args: object) -> Any:
        if getattr(function, "__name__", "") == "open" and len(store.requests) == 2:
            empty(Part(path).file)
        return function(*args)

    async with AsyncClient(KEY, base_url=BASE_URL, transport=store, _leave_loop=meddle) as client:
        with pytest.raises(DownloadFailed, match="somebody else changed it meanwhile"):
            await client.download(TASK, path)
        assert (await client.download(TASK, path)).read_bytes() == CONTENT


async def test_a_part_that_became_another_files_in_a_pause_is_not_continued(tmp_path: Path) -> None:
    """Another client brought half of another task to this path: half of one and half of another are neither."""
    path = tmp_path / "room.mp4"
    other = Task(ID + 1, TaskStatus.SUCCESS, 100, output=VideoOutput(URL))
    retry = Retry(wait_initial=1000, wait_max=1000)
    errors: list[DownloadFailed] = []

    async def first() -> None:
        async with client_of(Store(cuts=[300_000]), retry=retry) as client:
            try:
                await client.download(TASK, path)
            except DownloadFailed as error:
                errors.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        await anyio.sleep(1)
        async with client_of(Store(OTHER, cuts=[400_000], etag='"v2"'), retry=Retry(attempts=1)) as client:
            with pytest.raises(DownloadFailed, match="broke off"):
                await client.download(other, path)
    assert "somebody else changed it meanwhile" in str(errors[0])
    assert not path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is locked there")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EIO])
async def test_a_file_system_without_locks_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Some network shares have none; a broken disk is another matter."""

    def flock(_descriptor: int, _flags: int) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr("fcntl.flock", flock)
    async with client_of(Store()) as client:
        if number == errno.EIO:
            with pytest.raises(DownloadFailed, match="cannot write"):
                await client.download(TASK, tmp_path / "room.mp4")
        else:
            assert (await client.download(TASK, tmp_path / "room.mp4")).read_bytes() == CONTENT


async def test_where_folders_cannot_be_opened_the_file_is_there_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere than on POSIX."""
    async with client_of(Store()) as client:
        monkeypatch.setattr("ideal_async._part.ON_POSIX", False)
        assert (await client.download(TASK, tmp_path / "room.mp4")).read_bytes() == CONTENT
    async with client_of(Service(file=httpx.Response(200, html="Sign in"))) as client:
        with pytest.raises(DownloadFailed, match="no video came"):
            await client.download(TASK, tmp_path / "no.mp4")
    assert left_over(tmp_path / "room.mp4") == ["room.mp4"]


# Together with everything else


async def test_ten_slow_downloads_do_not_stop_the_looks(tmp_path: Path) -> None:
    """They have a limiter of their own."""
    downloading = 0

    async def respond(request: httpx.Request) -> httpx.Response:
        nonlocal downloading
        if request.url.path == RESULT:
            return look()
        downloading += 1
        return httpx.Response(200, stream=Broken(CONTENT, pause=60))

    async with client_of(httpx.MockTransport(respond)) as client, anyio.create_task_group() as tasks:
        for number in range(12):
            tasks.start_soon(client.download, TASK, tmp_path / f"{number}.mp4")
        await anyio.sleep(1)
        began = anyio.current_time()
        await client.fetch(ID)
        assert (anyio.current_time(), downloading) == (began, 10)
        tasks.cancel_scope.cancel()


@HALF_READ
@pytest.mark.parametrize("steps", range(0, 90, 3))
async def test_a_download_may_be_cancelled_at_every_await(tmp_path: Path, steps: int) -> None:
    """Nothing is left open, and calling again resumes."""

    async def step(function: Callable[..., Any], *args: object) -> Any:
        await anyio.lowlevel.checkpoint()
        result = function(*args)
        await anyio.lowlevel.cancel_shielded_checkpoint()
        return result

    path = tmp_path / "room.mp4"
    store = Store(cuts=[300_000])
    async with AsyncClient(KEY, base_url=BASE_URL, transport=store, _leave_loop=step) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.download, TASK, path)
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        assert (await client.download(TASK, path)).read_bytes() == CONTENT
    assert left_over(path) == ["room.mp4"]


async def test_a_download_whose_client_is_closed_ends_soon(tmp_path: Path) -> None:
    """Trying again is hopeless."""

    async def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Broken(CONTENT, httpx.ReadError("cut"), pause=1))

    errors: list[Exception] = []

    async def download() -> None:
        try:
            await client.download(TASK, tmp_path / "room.mp4")
        except DownloadFailed as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks:
        async with client_of(httpx.MockTransport(respond), retry=Retry(wait_initial=1000, wait_max=1000)) as client:
            tasks.start_soon(download)
            await anyio.sleep(3)
        closed = anyio.current_time()
    assert anyio.current_time() - closed <= 16
    assert len(errors) == 1


@pytest.mark.usefixtures("real_time")
async def test_the_disk_is_used_in_threads(tmp_path: Path) -> None:
    """As in real life, with the real clock: nothing blocks the event loop."""
    async with AsyncClient(
        KEY, base_url=BASE_URL, transport=Store(cuts=[300_000]), retry=Retry(wait_initial=0)
    ) as client:
        assert (await client.download(TASK, tmp_path / "room.mp4")).read_bytes() == CONTENT


async def test_a_part_file_tells_whose_it_is(tmp_path: Path) -> None:
    """Beside the file that will be, with no URL in its note."""
    path = tmp_path / "room.mp4"
    async with client_of(Store(cuts=[300_000] + [0] * 10)) as client:
        with pytest.raises(DownloadFailed):
            await client.download(TASK, path)
    assert left_over(path) == ["room.mp4.part", "room.mp4.part.json"]
    assert json.loads(Part(path).note.read_text()) == {"identity": f"{ID}/video", "total": len(CONTENT), "etag": '"v1"'}


async def test_two_clients_never_write_to_one_path(tmp_path: Path) -> None:
    """Who comes second is told so at once, in this process or another; the first one's file is whole."""
    store = Store()
    target = tmp_path / "room.mp4"
    part = Part(target)
    first = part.open("1/video", Start(0, 6, None), Held())
    with pytest.raises(OSError, match="somebody else is downloading to this path"):
        part.open("1/video", Start(0, 6, None), Held())
    async with client_of(store) as client:
        with pytest.raises(DownloadFailed, match="somebody else is downloading to this path"):
            await client.download(TASK, target)
        first.write(b"whole!")
        part.complete(first, 6)
        assert target.read_bytes() == b"whole!"
        await client.download(TASK, target)
    assert os.listdir(tmp_path) == ["room.mp4"]  # noqa: PTH208 - the names are what counts


def test_a_file_that_is_not_ours_any_more_is_not_put_in_place(tmp_path: Path) -> None:
    """Whatever somebody else did to it: a wrong length or another file under its name is no result."""
    part = Part(tmp_path / "room.mp4")
    with part.open("1/video", Start(0, 6, None), Held()) as file:
        file.write(b"short")
        with pytest.raises(OSError, match="somebody else was downloading"):
            part.complete(file, 6)
        part.file.unlink()
        part.file.write_bytes(b"other!")
        with pytest.raises(OSError, match="somebody else was downloading"):
            part.complete(file, None)
    assert not part.target.exists()


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="this system opens every link")
def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    """In a shared folder nobody else chooses which of your files is overwritten."""
    precious = tmp_path / "precious.txt"
    precious.write_text("precious")
    part = Part(tmp_path / "room.mp4")
    part.note.symlink_to(precious)
    part.open("1/video", Start(0, None, None), Held()).close()
    part.file.unlink()
    part.file.symlink_to(precious)
    with pytest.raises(OSError, match="symbolic links"):
        part.open("1/video", Start(0, None, None), Held())
    assert precious.read_text() == "precious"
