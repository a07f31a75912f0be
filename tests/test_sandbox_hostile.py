"""Every kind of fault, seen on the wire by a client that knows nothing: in process, and through a socket."""

import email.utils
import gzip
import json
import time
import zlib
from collections.abc import Callable
from typing import Any

import anyio
import attrs
import httpx
import pytest
from fakes import GENERATE, HALF_READ, RESULT

import ideal_async.sandbox
from ideal_async.sandbox import PROFILES, Sandbox, read_faults, serve
from ideal_async.sandbox._effects import EFFECTS
from ideal_async.sandbox._openapi import describe
from ideal_async.sandbox._script import LANGUAGE
from ideal_async.sandbox._server import GRACE

pytestmark = pytest.mark.anyio

ROOM = {"imageUrl": "https://example.com/room.jpg", "duration": 5, "resolution": "720p"}
KEY = {"APIKEY": "sandbox"}
FIRST = 1234567890123456789


@attrs.frozen
class Heard:
    """An answer as it was on the wire: nothing unpacked, nothing read into it."""

    status: int
    headers: httpx.Headers
    body: bytes
    broken: bool = False

    @property
    def data(self) -> Any:
        """What the JSON says of the task."""
        return json.loads(self.body)["data"]


def quick(faults: str, **more: Any) -> Sandbox:
    """Tasks end as soon as they begin."""
    return Sandbox(render=False, faults=f"{faults}\ntask: takes 0", **more)


def says(**expected: Any) -> Callable[[Heard], bool]:
    """Status, headers by name, and the exact body, as far as they are named."""

    def check(heard: Heard) -> bool:
        found = {name: heard.headers.get(name.replace("_", "-")) for name in expected} | {
            "status": heard.status, "body": heard.body,
        }  # fmt: skip
        return {name: found[name] for name in expected} == expected

    return check


def envelope(code: int, message: str, data: Any) -> bytes:
    return json.dumps({"code": code, "message": message, "data": data}, separators=(",", ":")).encode()


def in_half_a_minute(heard: Heard) -> bool:
    date, retry_after = (email.utils.parsedate_to_datetime(heard.headers[name]) for name in ("date", "retry-after"))
    return heard.status == 503 and (retry_after - date).total_seconds() == 30


#: What is said of a submit, whether a task was paid for, and what is on the wire then.
SUBMITS: list[tuple[str, int, Callable[[Heard], bool]]] = [
    ("200 html", 0, lambda h: h.status == 200 and h.body.startswith(b"<!doctype html><title>200 OK")),
    ("200 portal", 0, lambda h: b"<form" in h.body and h.headers["content-type"] == "text/html; charset=utf-8"),
    ("204 after", 1, says(status=204, body=b"", content_length=None)),
    ("200 empty after", 1, says(status=200, body=b"", content_length="0")),
    ("301 to /elsewhere", 0, says(status=301, location="/elsewhere")),
    ("302 to https://login.example.net/hotel after", 1, says(status=302, location="https://login.example.net/hotel")),
    ("307 to https://api.example.net/", 0, says(status=307, location="https://api.example.net/")),
    ("403 html by cloudflare", 0, lambda h: h.status == 403 and h.headers["server"] == "cloudflare"),
    ("502 html by nginx after", 1, lambda h: h.status == 502 and b"<h1>502 Bad Gateway</h1>" in h.body),
    ("200 code 200 data 77", 0, says(status=200, body=envelope(200, "Scripted", 77))),
    ("400 code 1011 data 77", 0, says(status=400, body=envelope(1011, "Request parameter error", 77))),
    ("200 code 4711", 0, says(status=200, body=envelope(4711, "Scripted", None))),
    ("200 code -1 data {}", 0, says(body=envelope(-1, "Scripted", {}))),
    ("envelope code=200", 1, says(body=envelope(200, "success", FIRST))),
    ('envelope code="0"', 1, says(body=b'{"code":"0","message":"success","data":%d}' % FIRST)),
    ("id text", 1, lambda h: h.data == str(FIRST)),
    ("id rounded", 1, lambda h: h.data == 1234567890123456800),
    ("id float", 1, lambda h: b"1.2345678901234568e+18" in h.body),
    ("id null", 1, lambda h: h.data is None),
    ("429 retry-after 0", 0, says(status=429, retry_after="0")),
    ("429 retry-after 0.5", 0, says(retry_after="0.5")),
    ("429 retry-after -5", 0, says(retry_after="-5")),
    ("429 retry-after 1e300", 0, lambda h: float(h.headers["retry-after"]) == 1e300),
    ("429 retry-after soon", 0, says(retry_after="soon")),
    ("503 retry-after date+30", 0, in_half_a_minute),
    ("503 retry-after date", 0, says(retry_after="date")),
    ("garbled latin-1", 1, lambda h: b"cr\xe9dit" in h.body and h.headers["content-type"] == "application/json"),
    ("garbled newline", 1, lambda h: b'success \n"' in h.body),
    ("garbled surrogate", 1, lambda h: b"\\ud83d" in h.body and json.loads(h.body)["data"] == FIRST),
    ("garbled bom", 1, lambda h: h.body.startswith(b"\xef\xbb\xbf{")),
    ("garbled utf-16", 1, lambda h: json.loads(h.body.decode("utf-16"))["data"] == FIRST),
    ("garbled long", 1, lambda h: len(json.loads(h.body)["message"]) == 40_000),
    ("packed gzip", 1, lambda h: json.loads(gzip.decompress(h.body))["data"] == FIRST),
    ("packed deflate", 1, lambda h: json.loads(zlib.decompress(h.body))["data"] == FIRST),
    (
        "packed gzip gzip",
        1,
        lambda h: h.headers["content-encoding"] == "gzip, gzip" and b"data" in gzip.decompress(gzip.decompress(h.body)),
    ),
    ("packed snappy", 1, lambda h: h.headers["content-encoding"] == "snappy" and h.data == FIRST),
    ("bomb 8", 1, lambda h: len(h.body) < 1000 and len(gzip.decompress(gzip.decompress(h.body))) > 8 * 1024**2),
    ("bomb 2 once", 1, lambda h: len(h.body) < 4000 and json.loads(gzip.decompress(h.body))["data"] == FIRST),
    ("truncate 50%", 1, lambda h: len(h.body) == int(h.headers["content-length"]) == 28),
    ("cut 50%", 1, lambda h: h.broken and len(h.body) == 28),
    ("drip 50", 1, lambda h: not h.broken and h.data == FIRST),
    ("drop", 0, lambda h: h.broken and h.status == 0),
    ("drop after", 1, lambda h: h.broken and h.status == 0),
]

URL = "output.resultUrl"
#: What is said of a look at a finished task, and what is on the wire then.
LOOKS: list[tuple[str, Callable[[Heard], bool]]] = [
    ('show percentage="30%"', lambda h: h.data["percentage"] == "30%"),
    ("show percentage=NaN", lambda h: b'"percentage":NaN' in h.body),
    ("show percentage=1e400", lambda h: b'"percentage":Infinity' in h.body),
    ('show waitNumber="" status=null', lambda h: (h.data["waitNumber"], h.data["status"]) == ("", None)),
    (
        'show output.cover=[] output.width="auto"',
        lambda h: (h.data["output"]["cover"], h.data["output"]["width"]) == ([], "auto"),
    ),
    ("show input.imageUrl=7 no.such=7", lambda h: h.data["input"]["imageUrl"] == 7 and "no" not in h.data),
    (f'show {URL}=""', lambda h: h.data["output"]["resultUrl"] == ""),
    (f"hide {URL} id nothing.here", lambda h: "resultUrl" not in h.data["output"] and "id" not in h.data),
    ("id rounded", lambda h: h.data["id"] == 1234567890123456800),
    ("id text", lambda h: h.data["id"] == str(FIRST)),
    ("id null", lambda h: h.data["id"] is None),
    ("say Success=SUCCESS", lambda h: h.data["status"] == "SUCCESS"),
    ("say Failed=FAILED", lambda h: h.data["status"] == "Success"),
    ('say Success="\\u0020success"', lambda h: h.data["status"] == " success"),
    ("200 code 0 data []", says(body=b'{"code":0,"message":"Scripted","data":[]}')),
    ("401 html", lambda h: h.status == 401 and h.body.startswith(b"<!doctype")),
    ("garbled latin-1", lambda h: b"cr\xe9dit" in h.body),
    # Effects that do not fit what is there change nothing.
    (
        "404 html\nlook: garbled newline\nlook: id text\nlook: show a=1",
        lambda h: h.status == 404 and h.body.startswith(b"<!doctype html>"),
    ),
]

#: What is said of a download of 16384 bytes.
DOWNLOADS: list[tuple[str, Callable[[Heard], bool]]] = [
    ("200 html", lambda h: h.body.startswith(b"<!doctype") and h.headers["content-type"].startswith("text/html")),
    ("drip 100000", lambda h: len(h.body) == 16384),
    ("packed gzip", lambda h: len(gzip.decompress(h.body)) == 16384),
    ("404", says(status=404)),
    ("expired", lambda h: h.status == 403 and b"expired" in h.body),
]


async def hear(client: httpx.AsyncClient, method: str, url: str, **more: Any) -> Heard:
    """The raw answer, however it ends."""
    status, headers, body = 0, httpx.Headers(), b""
    try:
        async with client.stream(method, url, headers=KEY, **more) as answer:
            status, headers = answer.status_code, answer.headers
            async for chunk in answer.aiter_raw():
                body += chunk
    except httpx.RemoteProtocolError:
        return Heard(status, headers, body, broken=True)
    return Heard(status, headers, body)


@pytest.mark.parametrize(("effect", "paid", "check"), SUBMITS, ids=[effect for effect, *_ in SUBMITS])
async def test_a_submit_is_answered_so(effect: str, paid: int, check: Callable[[Heard], bool]) -> None:
    """What was said, and whether it was paid for."""
    sandbox = Sandbox(render=False, faults=f"submit: {effect}")
    async with httpx.AsyncClient(transport=sandbox.transport, base_url="https://api.example") as client:
        heard = await hear(client, "POST", GENERATE, json=ROOM)
    assert check(heard), heard
    assert len(sandbox.created) == paid


@pytest.mark.parametrize(("effect", "check"), LOOKS, ids=[effect for effect, _ in LOOKS])
async def test_a_look_is_answered_so(effect: str, check: Callable[[Heard], bool]) -> None:
    """Whatever is shown, the task has succeeded."""
    sandbox = quick(f"look: {effect}")
    async with httpx.AsyncClient(transport=sandbox.transport, base_url="https://api.example") as client:
        await client.post(GENERATE, json=ROOM, headers=KEY)
        heard = await hear(client, "GET", RESULT, params={"taskId": FIRST})
    assert check(heard), heard
    assert sandbox.created[0].status == "Success"


@pytest.mark.parametrize(("effect", "check"), DOWNLOADS, ids=[effect for effect, _ in DOWNLOADS])
async def test_a_download_is_answered_so(effect: str, check: Callable[[Heard], bool]) -> None:
    """In place of a video."""
    sandbox = quick(f"download: {effect}")
    async with httpx.AsyncClient(transport=sandbox.transport, base_url="https://api.example") as client:
        await client.post(GENERATE, json=ROOM, headers=KEY)
        heard = await hear(client, "GET", f"/output/{FIRST}/video_result.mp4")
    assert check(heard), heard


def hear_port(client: httpx.Client, method: str, url: str, **more: Any) -> Heard:
    """As `hear`, through a socket: a reset is as good as an end, for an unread body may be on its way."""
    status, headers, body = 0, httpx.Headers(), b""
    try:
        with client.stream(method, url, headers=KEY, **more) as answer:
            status, headers = answer.status_code, answer.headers
            for chunk in answer.iter_raw():
                body += chunk
    except (httpx.RemoteProtocolError, httpx.NetworkError):
        return Heard(status, headers, body, broken=True)
    return Heard(status, headers, body)


@pytest.mark.slow
@pytest.mark.parametrize("call", ["submit", "look", "download"])
def test_a_real_server_says_the_same(call: str) -> None:
    """Through a socket, byte for byte."""
    cases = {"submit": [(effect, check) for effect, _, check in SUBMITS], "look": LOOKS, "download": DOWNLOADS}
    for effect, check in cases[call]:
        sandbox = quick(f"{call}: {effect}")
        with serve(sandbox) as base_url, httpx.Client(base_url=base_url) as client:
            heard = hear_port(client, "POST", GENERATE, json=ROOM)
            if call == "look":
                heard = hear_port(client, "GET", RESULT, params={"taskId": FIRST})
            elif call == "download":
                heard = hear_port(client, "GET", f"/output/{FIRST}/video_result.mp4")
        assert check(heard), (effect, heard)


@pytest.mark.slow
def test_an_endless_body_ends_with_its_reader() -> None:
    """Through a socket: megabytes come, without a length; once the client has hung up the server is at rest."""
    sandbox = quick("download: endless")
    with serve(sandbox) as base_url, httpx.Client(base_url=base_url) as client:
        hear_port(client, "POST", GENERATE, json=ROOM)
        with client.stream("GET", f"/output/{FIRST}/video_result.mp4") as answer:
            assert "content-length" not in answer.headers
            size = 0
            for chunk in answer.iter_raw():
                size += len(chunk)
                if size > 300_000:
                    break
        stopping = time.monotonic()
    assert time.monotonic() - stopping < GRACE + 5


@HALF_READ
async def test_an_endless_body_and_a_drip_take_their_time() -> None:
    """In process: bytes as they come, so that a reader may stop; time is the event loop's."""
    sandbox = quick("download 1: endless\ndownload 2: drip 1000\ndownload 3: drip 1")
    url = f"/output/{FIRST}/video_result.mp4"
    async with httpx.AsyncClient(transport=sandbox.transport, base_url="https://api.example") as client:
        await client.post(GENERATE, json=ROOM, headers=KEY)
        began, size = anyio.current_time(), 0
        async with client.stream("GET", url) as answer:
            assert "content-length" not in answer.headers
            async for chunk in answer.aiter_raw():
                size += len(chunk)
                if size > 800_000:
                    break
        assert 4 < anyio.current_time() - began < 6
        began = anyio.current_time()
        assert len((await hear(client, "GET", url)).body) == 16384
        assert anyio.current_time() - began == pytest.approx(16.384)
        with anyio.move_on_after(60) as scope:
            await hear(client, "GET", url)
        assert scope.cancelled_caught


async def order_and_end(client: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """One task, looked at the moment it has ended."""
    await client.post(GENERATE, json=ROOM, headers=KEY)
    await anyio.sleep(10)
    assert sandbox.created[0].ended_at == 10


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("", ""),
        (" empty", ""),
        (" null", None),
        (" missing", "not there"),
        (" relative", f"/output/{FIRST}/video_result.mp4"),
    ],
)
async def test_success_may_come_before_its_url(form: str, expected: object) -> None:
    """Empty, null, missing or a mere path at first, and there later."""
    sandbox = Sandbox(render=False, faults=f"task: url after 20{form}\ntask: takes 10")
    async with httpx.AsyncClient(transport=sandbox.transport, base_url="https://api.example") as client:
        await order_and_end(client, sandbox)
        for seconds, there in ((0, False), (19, False), (1, True)):
            await anyio.sleep(seconds)
            data = (await hear(client, "GET", RESULT, params={"taskId": FIRST})).data
            assert data["status"] == "Success"
            shown = data["output"].get("resultUrl", "not there")
            assert shown == (f"https://api.example/output/{FIRST}/video_result.mp4" if there else expected)


async def test_a_file_may_come_after_its_url() -> None:
    """404 just after Success, as a CDN that has not heard of it yet."""
    sandbox = Sandbox(render=False, faults="task: file after 8\ntask: takes 10")
    url = f"/output/{FIRST}/video_result.mp4"
    async with httpx.AsyncClient(transport=sandbox.transport, base_url="https://api.example") as client:
        await order_and_end(client, sandbox)
        assert (await hear(client, "GET", url)).status == 404
        await anyio.sleep(8)
        assert (await hear(client, "GET", url)).status == 200


async def raw_get(client: httpx.AsyncClient, url: str) -> int:
    """The status for exactly this target on the wire: httpx itself tidies URLs up."""
    request = client.build_request("GET", url)
    host = str(request.url.copy_with(raw_path=b"/"))[:-1]
    request.url = request.url.copy_with(raw_path=url.removeprefix(host).encode())
    return (await client.send(request)).status_code


@pytest.mark.parametrize("lifetime", [None, 60.0])
async def test_a_signed_url_is_to_be_sent_as_it_is(lifetime: float | None) -> None:
    """%2F and %27 are neither unescaped nor written in small letters, and nothing is left out or added."""
    sandbox = quick("task: signed", url_lifetime=lifetime)
    async with httpx.AsyncClient(transport=sandbox.transport, base_url="https://api.example") as client:
        await client.post(GENERATE, json=ROOM, headers=KEY)
        url = (await hear(client, "GET", RESULT, params={"taskId": FIRST})).data["output"]["resultUrl"]
        assert "%2F" in url.partition("?")[0]
        assert "%27" in url.partition("?")[2]
        assert await raw_get(client, url) == 200
        for other in ("%2F", "/"), ("%27", "'"), ("%2F", "%2f"), ("signature=", "signature=0"), ("?", "?a=1&"):
            assert await raw_get(client, url.replace(*other)) == 403, other
        assert await raw_get(client, url.partition("?")[0]) == 403


async def test_a_task_may_end_under_another_word() -> None:
    """Only Failed promises a refund: a cancelled task stays paid for."""
    sandbox = quick("task 1: fail as Cancelled\ntask 2: fail")
    async with httpx.AsyncClient(transport=sandbox.transport, base_url="https://api.example") as client:
        for _ in range(2):
            await client.post(GENERATE, json=ROOM, headers=KEY)
        shown = [
            (await hear(client, "GET", RESULT, params={"taskId": task.id})).data["status"] for task in sandbox.created
        ]
    assert shown == ["Cancelled", "Failed"]
    assert [task.status for task in sandbox.created] == ["Failed", "Failed"]
    assert sandbox.credits == 10_000 - 20


async def test_some_effects_go_together() -> None:
    """What is said is changed first, then how it is written, packed and sent, in whatever order it was scripted."""
    faults = "look: packed gzip\nlook: garbled latin-1\nlook: show percentage=7\nlook: drip 1000\nlook: id null"
    sandbox = quick(faults)
    async with httpx.AsyncClient(transport=sandbox.transport, base_url="https://api.example") as client:
        await client.post(GENERATE, json=ROOM, headers=KEY)
        heard = await hear(client, "GET", RESULT, params={"taskId": FIRST})
    text = gzip.decompress(heard.body)
    assert b"cr\xe9dit" in text
    assert (json.loads(text.decode("latin-1"))["data"]["percentage"], b'"id":null' in text) == (7, True)


def test_the_profile_holds_every_kind_and_can_be_extended() -> None:
    """A name among other lines; its lines read what they print."""
    lines = [line for kind in PROFILES["hostile"].values() for line in kind.split("\n") if line.strip()]
    faults = read_faults("hostile\nsubmit 1: drop")
    assert len(faults) == len(lines) + 1
    known = {effect.__name__ for effects in EFFECTS.values() for effect in effects}
    assert {type(fault.effect).__name__ for fault in faults} == known
    # A NaN equals nothing, so what they print is compared.
    assert [str(fault) for fault in read_faults([str(fault) for fault in faults])] == [str(fault) for fault in faults]


def test_the_whole_language_is_public() -> None:
    """Where people look: the package's own text, which the command line names, and the OpenAPI document."""
    assert ideal_async.sandbox.__doc__ is not None
    examples = LANGUAGE.split("\n\n")[1]
    assert len(read_faults(examples)) > 6
    for name in ("portal", "retry-after", "packed", "garbled", "bomb", "signed", "endless", "hostile", "relative"):
        assert name in ideal_async.sandbox.__doc__
        assert name in json.dumps(describe("http://x", http_errors=False))
