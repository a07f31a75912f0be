"""The sandbox in process: both endpoints to the letter, every refusal, scripted faults, the holder's room."""

import html
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from ideal_async.sandbox import Drop, Exchange, Fault, Sandbox
from ideal_async.sandbox._gallery import GREY
from ideal_async.sandbox._http import Dropped

pytestmark = pytest.mark.anyio

ROOM = {"imageUrl": "https://example.com/room.jpg", "duration": 5, "resolution": "720p"}
GENERATE = "/api/v1/imageToVideo/generate"
RESULT = "/api/v1/imageToVideo/result"
BASE = "https://api.ideal.house"
FIRST = 1234567890123456789


class Customer:
    """A client as small as the vendor's examples."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.http = client

    async def post(self, **fields: Any) -> httpx.Response:
        """Create a task of the page's room, with other fields."""
        return await self.http.post(GENERATE, json=ROOM | fields)

    async def order(self, **fields: Any) -> int:
        """The id of a new task."""
        answer = (await self.post(**fields)).json()
        assert (answer["code"], answer["message"]) == (0, "success")
        assert type(answer["data"]) is int
        return int(answer["data"])

    async def result(self, task_id: object) -> httpx.Response:
        """Look, whatever the answer."""
        return await self.http.get(RESULT, params={"taskId": str(task_id)})

    async def look(self, task_id: int) -> dict[str, Any]:
        """The data of a look."""
        answer = (await self.result(task_id)).json()
        assert (answer["code"], answer["message"]) == (0, "success")
        return dict(answer["data"])


@asynccontextmanager
async def customer_of(sandbox: Sandbox, key: str | None = "sandbox", base: str = BASE) -> AsyncIterator[Customer]:
    headers = {} if key is None else {"APIKEY": key}
    async with httpx.AsyncClient(transport=sandbox.transport, base_url=base, headers=headers) as client:
        yield Customer(client)


def error(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "message": message, "data": None}


# --- the vendor's page


async def test_a_task_goes_through_the_pages_answers() -> None:
    """Every field of the page's answers, in its order, from the queue to the result."""
    sandbox = Sandbox(render=False, workers=1)
    async with customer_of(sandbox) as customer:
        first, second = await customer.order(prompt="Gentle"), await customer.order()
        assert first == FIRST
        echo = {**ROOM, "modelType": "Flash"}
        assert await customer.look(second) == {
            "id": second, "status": "Unprocessed", "waitNumber": 1, "percentage": 0, "input": echo, "output": None,
        }  # fmt: skip
        await anyio.sleep(20)
        processing = await customer.look(first)
        assert 0 < processing.pop("percentage") < 100
        assert processing == {
            "id": first, "status": "Processing", "waitNumber": 0, "input": {**echo, "prompt": "Gentle"}, "output": None,
        }  # fmt: skip
        await anyio.sleep(300)
        answer = await customer.result(first)
        files = f"{BASE}/output/{first}"
        assert answer.text == json.dumps(
            {
                "code": 0,
                "message": "success",
                "data": {
                    "id": first, "status": "Success", "waitNumber": 0, "percentage": 100,
                    "input": {**echo, "prompt": "Gentle"},
                    "output": {
                        "resultUrl": f"{files}/video_result.mp4", "cover": f"{files}/video_cover.jpg",
                        "width": 1280, "height": 720,
                    },
                },
            },
            separators=(",", ":"),
        )  # fmt: skip
        assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("resolution", "size"), [("480p", (854, 480)), ("1080p", (1920, 1080))])
async def test_the_output_has_the_resolution_ordered(resolution: str, size: tuple[int, int]) -> None:
    """In pixels, 16:9."""
    async with customer_of(Sandbox(render=False)) as customer:
        task_id = await customer.order(resolution=resolution)
        await anyio.sleep(1000)
        output = (await customer.look(task_id))["output"]
        assert (output["width"], output["height"]) == size


async def test_a_failed_task_looks_like_the_pages() -> None:
    """Failed, 0 per cent, nobody ahead, no output."""
    async with customer_of(Sandbox(render=False, faults="task 1: fail")) as customer:
        task_id = await customer.order()
        await anyio.sleep(1000)
        assert await customer.look(task_id) == {
            "id": task_id, "status": "Failed", "waitNumber": 0, "percentage": 0,
            "input": {**ROOM, "modelType": "Flash"}, "output": None,
        }  # fmt: skip


@pytest.mark.parametrize("key", [None, "", "wrong", "Sandbox", "sandbox2", "sändbox"])
@pytest.mark.parametrize("url", [GENERATE, RESULT])
async def test_a_bad_key_is_5002(key: str | None, url: str) -> None:
    """Missing or wrong, on both endpoints, before anything else is looked at."""
    sandbox = Sandbox(render=False)
    async with customer_of(sandbox, None) as customer:
        headers = httpx.Headers({} if key is None else {"APIKEY": key}, encoding="utf-8")
        answer = await customer.http.request("POST" if url == GENERATE else "GET", url, headers=headers)
        assert answer.json() == error(5002, "Invalid API Key")
        assert answer.status_code == 200
    assert sandbox.created == []


async def test_the_header_name_is_matched_without_case() -> None:
    """HTTP header names have none."""
    async with customer_of(Sandbox(render=False), None) as customer:
        answer = await customer.http.post(GENERATE, json=ROOM, headers={"ApiKey": "sandbox"})
        assert answer.json()["data"] == FIRST


REFUSALS = [
    ({"duration": 7}, 1011, 400),
    ({"prompt": "nude"}, 9010, 422),
    ({"resolution": "1080p", "duration": 10}, 9051, 402),
]


@pytest.mark.parametrize(("fields", "code", "status"), REFUSALS)
@pytest.mark.parametrize("http_errors", [False, True])
async def test_refusals_are_200_unless_asked_otherwise(
    fields: dict[str, Any], code: int, status: int, *, http_errors: bool
) -> None:
    """The same envelope either way, and nothing is charged."""
    sandbox = Sandbox(render=False, credits=50, http_errors=http_errors)
    async with customer_of(sandbox) as customer:
        answer = await customer.post(**fields)
        assert answer.json()["code"] == code
        assert answer.json()["data"] is None
        assert answer.status_code == (status if http_errors else 200)
        assert (sandbox.credits, sandbox.created) == (50, [])
        for task_id, meant in ((5, 404), ("x", 400)):
            look = await customer.result(task_id)
            assert look.json()["code"] == 1011
            assert look.status_code == (meant if http_errors else 200)


async def test_a_giant_body_is_refused_unread() -> None:
    """1011 with HTTP 413."""
    async with customer_of(Sandbox(render=False)) as customer:
        answer = await customer.post(prompt="x" * 1024 * 1024)
        assert (answer.status_code, answer.json()["code"]) == (413, 1011)
        assert "larger than 1048576 bytes" in answer.json()["message"]


@pytest.mark.parametrize(
    ("method", "url", "status", "allow"),
    [
        ("GET", GENERATE, 405, "POST"),
        ("PUT", RESULT, 405, "GET"),
        ("HEAD", RESULT, 405, "GET"),
        ("POST", "/", 405, "GET"),
        ("POST", "/sandbox/faults", 405, "GET, PUT, DELETE"),
        ("GET", "/api/v2/imageToVideo/result", 404, None),
        ("POST", "/output/1/video_result.mp4", 404, None),
        ("GET", "/output/1/video_result.avi", 404, None),
        ("GET", "/images", 404, None),
    ],
)
async def test_calls_the_page_does_not_know(method: str, url: str, status: int, allow: str | None) -> None:
    """HTTP's own statuses, in the vendor's envelope with the general code."""
    async with customer_of(Sandbox(render=False)) as customer:
        answer = await customer.http.request(method, url)
        assert (answer.status_code, answer.headers.get("allow")) == (status, allow)
        if method != "HEAD":
            assert answer.json()["code"] == 1001


async def test_prohibited_output_is_9038_after_the_generation() -> None:
    """The look becomes the error envelope, and the credits are back."""
    sandbox = Sandbox(render=False, faults="task 2: prohibit")
    async with customer_of(sandbox) as customer:
        ids = [await customer.order(prompt="prohibited things"), await customer.order()]
        assert sandbox.credits == 9960
        await anyio.sleep(1000)
        for task_id in ids:
            answer = await customer.result(task_id)
            assert answer.json() == error(9038, "Generated output image contains prohibited content")
    assert sandbox.credits == 10_000


async def test_credits_are_kept_in_books() -> None:
    """Charged at creation, refunded on failure; the ledger adds up; a grant helps out of 9051."""
    sandbox = Sandbox(render=False, credits=50, faults="task 2: fail", accounts={"other": 8})
    async with customer_of(sandbox) as customer, customer_of(sandbox, "other") as other:
        await customer.order()
        await customer.order(lastImageUrl="https://example.com/night.jpg")
        await other.order(resolution="480p", modelType="Base")
        assert (await customer.post()).json()["code"] == 9051
        sandbox.grant(10)
        await customer.order()
        sandbox.grant(92, api_key="other")
        await anyio.sleep(1000)
        assert sandbox.credits == 20
    book: dict[str, int] = {}
    for entry in sandbox.ledger:
        book[entry.account] = book.get(entry.account, 0) + entry.credits
        assert book[entry.account] == entry.balance >= 0
    assert book == {"account-1": 20, "account-2": 92}
    assert [entry.reason for entry in sandbox.ledger].count("refund") == 1
    assert [(paid.credits, paid.status) for paid in sandbox.created] == [
        (20, "Success"), (20, "Failed"), (8, "Success"), (20, "Success"),
    ]  # fmt: skip
    assert sandbox.created[1].input["lastImageUrl"] == "https://example.com/night.jpg"
    assert sandbox.created[0].id == FIRST


async def test_the_same_seed_is_the_same_world() -> None:
    """Ids, durations and percentages; another seed is another world."""
    worlds = []
    for seed in (7, 7, 8):
        async with customer_of(Sandbox(render=False, seed=seed, workers=2)) as customer:
            ids = [await customer.order() for _ in range(5)]
            seen = []
            for _ in range(30):
                await anyio.sleep(5)
                seen.append([(await customer.look(task_id))["percentage"] for task_id in ids])
        worlds.append((ids, seen))
    assert worlds[0] == worlds[1]
    assert worlds[0][0][1:] != worlds[2][0][1:]
    assert worlds[0][1] != worlds[2][1]


# --- result files and pictures


async def test_result_urls_point_to_where_the_question_was_asked() -> None:
    """So they work in process, on loopback, and behind another name; a host that is none falls back."""
    sandbox = Sandbox(render=False)
    async with customer_of(sandbox, base="http://127.0.0.1:8000") as customer:
        task_id = await customer.order()
        await anyio.sleep(1000)
        assert (await customer.look(task_id))["output"]["cover"].startswith("http://127.0.0.1:8000/output/")
        answer = await customer.http.get(RESULT, params={"taskId": str(task_id)}, headers={"host": "<script>"})
        assert answer.json()["data"]["output"]["cover"].startswith("http://localhost/output/")


async def test_a_result_needs_no_key_and_can_be_resumed() -> None:
    """GET, HEAD and ranges; unfinished and unknown tasks have no file."""
    sandbox = Sandbox(render=False)
    async with customer_of(sandbox) as customer, customer_of(sandbox, None) as stranger:
        task_id = await customer.order()
        url = f"/output/{task_id}/video_result.mp4"
        assert (await stranger.http.get(url)).status_code == 404
        await anyio.sleep(1000)
        whole = await stranger.http.get(url)
        assert (whole.status_code, len(whole.content)) == (200, 16384)
        part = await stranger.http.get(url, headers={"range": "bytes=10-19", "if-range": whole.headers["etag"]})
        assert (part.status_code, part.content) == (206, whole.content[10:20])
        head = await stranger.http.head(url)
        assert (head.content, head.headers["content-length"]) == (b"", "16384")
        assert (await stranger.http.get(f"/output/{task_id + 1}/video_cover.jpg")).status_code == 404


async def test_result_urls_can_expire() -> None:
    """After the lifetime 403, and every look gives fresh ones; a missing or broken time is expired too."""
    sandbox = Sandbox(render=False, url_lifetime=60)
    async with customer_of(sandbox) as customer:
        task_id = await customer.order()
        await anyio.sleep(1000)
        url = (await customer.look(task_id))["output"]["resultUrl"]
        assert (await customer.http.get(url)).status_code == 200
        await anyio.sleep(61)
        expired = await customer.http.get(url)
        assert (expired.status_code, expired.headers["content-type"]) == (403, "application/xml")
        assert b"expired" in expired.content
        fresh = (await customer.look(task_id))["output"]["resultUrl"]
        assert (await customer.http.get(fresh)).status_code == 200
        assert (await customer.http.get(fresh.partition("?")[0])).status_code == 403
        assert (await customer.http.get(fresh.partition("?")[0] + "?expires=never")).status_code == 403


@pytest.mark.parametrize("host", ["example.com", "example.org", "cdn.example.net", "EXAMPLE.com."])
async def test_pictures_of_the_examples_are_served(host: str) -> None:
    """Whatever the name, if it is a picture's; with nothing rendered they are grey."""
    async with customer_of(Sandbox(render=False), None, f"https://{host}") as customer:
        picture = await customer.http.get("/a/b/room-day.png?w=5")
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")
        assert picture.content == GREY
        part = await customer.http.get("/room.jpg", headers={"range": "bytes=0-1"})
        assert (part.status_code, part.content) == (206, b"\xff\xd8")
        assert (await customer.http.get("/missing-room.jpg")).status_code == 404
        assert (await customer.http.get("/broken.jpg")).content == b"This is no picture."
        assert (await customer.http.get("/index.html")).status_code == 404


async def test_other_hosts_have_no_pictures() -> None:
    """Only the documentation's names and the sandbox's own folder."""
    async with customer_of(Sandbox(render=False), None) as customer:
        assert (await customer.http.get("/room.jpg")).status_code == 404
        assert (await customer.http.get("/images/room.jpg")).content == GREY
        assert (await customer.http.get("https://myexample.com/room.jpg")).status_code == 404


async def test_a_folder_of_photographs_is_served(tmp_path: Path, real_time: None) -> None:
    """By name and with the right type, under /images and for example.com; no other name, file or link out of it."""
    del real_time  # files are read in a thread
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "my kitchen.webp").write_bytes(b"RIFF")
    (tmp_path / "images" / "notes.txt").write_text("private")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "images" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (tmp_path / "images" / "linked.jpg").symlink_to(tmp_path / "images" / "notes.txt")
    (tmp_path / "images" / "again.webp").symlink_to("my kitchen.webp")
    (tmp_path / "images" / "round.jpg").symlink_to("round.jpg")
    sandbox = Sandbox(render=False, images=tmp_path / "images")
    assert sandbox.images == ["again.webp", "my kitchen.webp"]
    async with customer_of(sandbox, None) as customer:
        for url in ("/images/my%20kitchen.webp", "https://example.com/my%20kitchen.webp"):
            picture = await customer.http.get(url)
            assert (picture.content, picture.headers["content-type"]) == (b"RIFF", "image/webp")
        for url in ("/images/..%2Fsecret.jpg", "/images/../secret.jpg", "/images/%2e%2e/secret.jpg"):
            assert (await customer.http.get(url)).content != b"secret"
        assert (await customer.http.get("/images/again.webp")).content == b"RIFF"
        for name in ("notes.txt", "..%5Csecret.jpg", "%00.jpg", "link.jpg", "linked.jpg", "round.jpg", "living.jpg"):
            assert (await customer.http.get(f"/images/{name}")).status_code == 404
        for url in (f"/images/{'x' * 300}.jpg", "https://example.com/room.jpg"):
            assert (await customer.http.get(url)).status_code == 404


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    """When the sandbox is made, not when the first picture is wanted."""
    with pytest.raises(ValueError, match="is not a folder: give one"):
        Sandbox(render=False, images=tmp_path / "nowhere")


# --- scripted faults


async def test_an_answer_lost_after_creation() -> None:
    """What costs money twice: the task exists and is paid, and the caller gets a broken connection."""
    sandbox = Sandbox(render=False, faults=[Fault("submit", Drop(after=True))])
    async with customer_of(sandbox) as customer:
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            await customer.post()
    assert (len(sandbox.created), sandbox.credits) == (1, 9980)


async def test_a_connection_dropped_before_creation() -> None:
    """The same to the caller, but nothing was done."""
    sandbox = Sandbox(render=False, faults="submit 1: drop")
    async with customer_of(sandbox) as customer:
        with pytest.raises(httpx.RemoteProtocolError):
            await customer.post()
        assert sandbox.created == []
        assert await customer.order() == FIRST


async def test_a_late_answer_is_a_read_timeout_and_the_task_exists() -> None:
    """As on a network: httpx gives up, the service does not know."""
    sandbox = Sandbox(render=False, faults="submit 1: delay 30\nsubmit 2: delay 3")
    async with customer_of(sandbox) as customer:
        start = anyio.current_time()
        with pytest.raises(httpx.ReadTimeout, match=r"no answer within 5\.0 seconds"):
            await customer.post()
        assert anyio.current_time() - start == 5
        assert len(sandbox.created) == 1
        await customer.order()
        assert anyio.current_time() - start == 8


@pytest.mark.parametrize(
    ("effect", "status", "media_type", "body", "retry_after"),
    [
        ("429 retry-after 7", 429, "text/plain; charset=utf-8", b"Too Many Requests\n", "7"),
        ("503", 503, "text/plain; charset=utf-8", b"Service Unavailable\n", None),
        ("520", 520, "text/plain; charset=utf-8", b"Scripted\n", None),
        ("502 html", 502, "text/html; charset=utf-8", b"<!doctype html><title>502 Bad Gateway</title>", None),
        ("200 html", 200, "text/html; charset=utf-8", b"<!doctype html><title>200 OK</title>", None),
        (
            "500 code 1003",
            500,
            "application/json",
            b'{"code":1003,"message":"Internal server error","data":null}',
            None,
        ),
        ("200 code 4711", 200, "application/json", b'{"code":4711,"message":"Scripted","data":null}', None),
    ],
)
async def test_other_answers(effect: str, status: int, media_type: str, body: bytes, retry_after: str | None) -> None:
    """With and without the envelope; before creation, or after it."""
    sandbox = Sandbox(render=False, faults=f"submit 1: {effect}\nsubmit 2: {effect} after")
    async with customer_of(sandbox) as customer:
        for paid in (0, 1):
            answer = await customer.post()
            assert (answer.status_code, answer.headers["content-type"]) == (status, media_type)
            assert answer.content.startswith(body)
            assert answer.headers.get("retry-after") == retry_after
            assert len(sandbox.created) == paid


async def test_bodies_can_end_early() -> None:
    """Truncated: a complete answer with half the JSON. Cut: the connection dies within the body."""
    async with customer_of(Sandbox(render=False, faults="look 1: truncate 50%\nlook 2: cut 50%")) as customer:
        task_id = await customer.order()
        truncated = await customer.result(task_id)
        assert (truncated.status_code, len(truncated.content)) == (200, int(truncated.headers["content-length"]))
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            truncated.json()
        with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection without sending complete"):
            await customer.result(task_id)
        assert (await customer.look(task_id))["id"] == task_id


async def read_until_it_breaks(client: httpx.AsyncClient, url: str) -> bytes:
    received = b""
    try:
        async with client.stream("GET", url) as answer:
            async for chunk in answer.aiter_bytes():
                received += chunk
    except httpx.RemoteProtocolError:
        return received
    raise AssertionError("the download was complete")


async def test_downloads_can_be_cut_truncated_and_expired() -> None:
    """Counted over video and cover; what came before the cut is there."""
    faults = "download 1: cut 25%\ndownload 2: truncate 25%\ndownload 3: expired\ndownload 1 of task 2: 503"
    async with customer_of(Sandbox(render=False, faults=faults)) as customer:
        ids = [await customer.order(), await customer.order()]
        await anyio.sleep(1000)
        video, cover = f"/output/{ids[0]}/video_result.mp4", f"/output/{ids[0]}/video_cover.jpg"
        received = await read_until_it_breaks(customer.http, video)
        assert len(received) == 4096
        assert len((await customer.http.get(cover)).content) == 4096
        assert (await customer.http.get(cover)).status_code == 403
        assert (await customer.http.get(video)).content.startswith(received)
        assert [(await customer.http.get(f"/output/{ids[1]}/video_cover.jpg")).status_code for _ in "12"] == [503, 200]


async def test_looks_can_show_what_the_page_does_not_know() -> None:
    """Unknown statuses and fields, percentages backwards; an error answer has no fields to change."""
    faults = "look 2 of task 1: show status=Paused eta=12 percentage=7\nlook: show note=odd"
    async with customer_of(Sandbox(render=False, faults=faults)) as customer:
        task_id = await customer.order()
        assert (await customer.look(task_id))["status"] == "Processing"
        look = await customer.look(task_id)
        assert (look["status"], look["eta"], look["percentage"], look["note"]) == ("Paused", 12, 7, "odd")
        assert (await customer.result(5)).json()["data"] is None


async def test_tasks_can_be_stuck_slow_and_endless() -> None:
    """What misleads a poller."""
    faults = "task 1: stuck at 99\ntask 2: takes 5\ntask 3: never ends"
    async with customer_of(Sandbox(render=False, faults=faults)) as customer:
        ids = [await customer.order() for _ in range(3)]
        assert [(await customer.look(task_id))["percentage"] for task_id in ids] == [99, 0, 0]
        await anyio.sleep(5)
        assert [(await customer.look(task_id))["status"] for task_id in ids] == ["Processing", "Success", "Processing"]
        await anyio.sleep(80_000)
        assert [(await customer.look(task_id))["status"] for task_id in ids] == ["Success", "Success", "Processing"]


async def test_a_refused_order_is_no_task_to_the_script() -> None:
    """`task 1` is the first one created, whatever was refused before."""
    sandbox = Sandbox(render=False, credits=20, faults="task 1: fail")
    async with customer_of(sandbox) as customer:
        assert (await customer.post(duration=10)).json()["code"] == 9051
        assert (await customer.post(duration=3)).json()["code"] == 1011
        await customer.order()
        await anyio.sleep(1000)
        assert sandbox.created[0].status == "Failed"


async def test_the_script_can_be_changed_on_the_way() -> None:
    """Counting starts anew; what was there before is forgotten."""
    sandbox = Sandbox(render=False, faults="submit: 503")
    async with customer_of(sandbox) as customer:
        assert (await customer.post()).status_code == 503
        sandbox.faults = "submit 1: 429"
        assert (await customer.post()).status_code == 429
        assert (await customer.post()).status_code == 200
        assert [str(fault) for fault in sandbox.faults] == ["submit 1: 429"]


async def test_a_bug_of_the_sandbox_is_1003(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Told as the page has it, and logged, without the key."""

    def explode(_: bytes) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("ideal_async.sandbox._app.read_order", explode)
    async with customer_of(Sandbox(render=False)) as customer:
        answer = await customer.post()
    assert (answer.status_code, answer.json()) == (500, error(1003, "Internal server error"))
    assert "ZeroDivisionError" in caplog.text
    assert "'sandbox'" not in caplog.text


# --- the room of the key's holder


async def test_the_holder_sees_the_state() -> None:
    """Queue, accounts, tasks newest first, with ids that JavaScript can hold, and no keys."""
    sandbox = Sandbox(render=False, workers=1, api_key="secret-key", accounts={"other-key": 5}, faults="task 1: fail")
    async with customer_of(sandbox, "secret-key") as customer:
        ids = [await customer.order(prompt="prohibited"), await customer.order(imageUrl="https://a.test/x.jpg")]
        await anyio.sleep(1000)
        await customer.order()
        answer = await customer.http.get("/sandbox/state")
        state = answer.json()["data"]
        assert state["counts"] == {"Unprocessed": 0, "Processing": 1, "Success": 1, "Failed": 1}
        assert state["workers"] == 1
        assert [account["credits"] for account in state["accounts"]] == [9960, 5]
        assert [task["id"] for task in state["tasks"]][1:] == [str(ids[1]), str(ids[0])]
        assert [task["preview"] for task in state["tasks"]] == ["/images/room.jpg", None, "/images/room.jpg"]
        assert [task["prohibited"] for task in state["tasks"]] == [False, False, False]
        assert "-key" not in answer.text
        assert "-key" not in repr(sandbox) + repr(sandbox.app) + repr(sandbox.transport)


async def test_the_holder_finds_tasks() -> None:
    """By status, and by a part of the id, the prompt or a URL; the newest first, at most sixty."""
    async with customer_of(Sandbox(render=False, workers=2, faults="task 1: fail")) as customer:
        ids = [
            await customer.order(prompt="Gentle zoom"),
            await customer.order(lastImageUrl="https://example.com/B.jpg"),
        ]
        await anyio.sleep(1000)
        ids += [await customer.order(prompt="Größe") for _ in range(70)]

        async def find(**wanted: str) -> list[int]:
            tasks = (await customer.http.get("/sandbox/state", params=wanted)).json()["data"]["tasks"]
            return [int(task["id"]) for task in tasks]

        assert await find() == ids[: -60 - 1 : -1]
        assert await find(status="Failed") == ids[:1]
        assert await find(status="Processing") == [ids[3], ids[2]]
        assert await find(text="gentle") == ids[:1]
        assert await find(text="/b.jpg") == ids[1:2]
        assert await find(text=str(ids[40])) == [ids[40]]
        assert len(await find(text="GRÖSSE")) == 0 < len(await find(text="größe"))
        assert await find(text="gentle", status="Success") == []
        assert (await customer.http.get("/sandbox/state")).json()["data"]["prices"]["Base|True|1080p|10"] == 128


async def test_the_holder_sees_the_course_of_a_task() -> None:
    """From the world's books, with what was asked about it in between, whatever the script makes of it."""
    faults = "look 1: 503\ndownload 1: drop\ntask 2: takes 30\ntask 2: fail as Cancelled\nlook 3: show status=Odd"
    sandbox = Sandbox(render=False, workers=1, faults=["task 1: takes 10", faults])
    async with customer_of(sandbox) as customer:
        await customer.order()
        task_id = await customer.order(lastImageUrl="https://example.com/night.jpg")
        await customer.result(task_id)
        queued = (await customer.http.get("/sandbox/task", params={"taskId": str(task_id)})).json()["data"]
        assert [event["event"] for event in queued["timeline"]] == ["created", "fault", "fault", "request", "request"]
        await anyio.sleep(20)
        await customer.result(task_id)
        with pytest.raises(httpx.RemoteProtocolError):
            await customer.http.get(f"/output/{task_id}/video_cover.jpg")
        await anyio.sleep(30)
        await customer.result(task_id)
        task = (await customer.http.get("/sandbox/task", params={"taskId": str(task_id)})).json()["data"]
        assert (task["id"], task["status"], task["refunded"]) == (str(task_id), "Failed", False)
        assert (task["preview"], task["lastPreview"]) == ("/images/room.jpg", "/images/night.jpg")
        assert [tuple(event.values()) for event in task["timeline"]] == [
            (0, "created", "20 credits charged"),
            (0, "fault", "takes 30"),
            (0, "fault", "fail as Cancelled"),
            (0, "request", "POST generate: HTTP 200, code 0"),
            (0, "request", "GET result: HTTP 503 (503)"),
            (10, "processing", "10.0 s in the queue"),
            (20, "request", "GET result: HTTP 200, code 0"),
            (20, "request", "GET video_cover.jpg: dropped (drop)"),
            (40, "ended", "unrefunded: 20 credits stay spent"),
            (50, "request", "GET result: HTTP 200, code 0 (show status=Odd)"),
        ]
        for unknown, status in (("5", 404), ("x", 400)):
            answer = await customer.http.get("/sandbox/task", params={"taskId": unknown})
            assert (answer.status_code, answer.json()["code"]) == (status, 1011)


@pytest.mark.slow
async def test_the_course_of_a_real_video(real_time: None) -> None:
    """When it was rendered, or why it was not, and what came back."""
    del real_time  # clips are rendered in threads
    with Sandbox(speed=1e9, faults="download 1: packed gzip") as sandbox:
        async with customer_of(sandbox) as customer:
            ids = [
                await customer.order(resolution="480p"),
                await customer.order(imageUrl="https://example.com/broken.jpg"),
            ]
            for task_id in ids:
                while (await customer.look(task_id))["status"] not in {"Success", "Failed"}:  # noqa: ASYNC110 - as a customer
                    await anyio.sleep(0.05)
            packed, plain = [
                (await customer.http.get(f"/output/{ids[0]}/video_cover.jpg", headers={"range": "bytes=5-1004"}))
                for _ in range(2)
            ]
            assert packed.headers["content-encoding"] == "gzip"
            assert packed.content == plain.content != b""
            courses = [
                [
                    (event["event"], event["detail"])
                    for event in (await customer.http.get(f"/sandbox/task?taskId={task_id}")).json()["data"]["timeline"]
                    if event["event"] in {"rendered", "ended"}
                ]
                for task_id in ids
            ]
    assert courses[0] == [("rendered", "854 by 480 pixels"), ("ended", "success: 10 credits stay spent")]
    assert "not a JPEG" in courses[1][0][1]
    assert courses[1][1] == ("ended", "failed: 20 credits refunded")


async def test_requests_are_kept_and_told() -> None:
    """Submits, looks, downloads and calls nobody knows, with what was said; not what the sandbox's own pages ask."""
    told: list[Exchange] = []
    faults = "look 1: drop\nsubmit 2: 502 html after\nlook 2: delay 3\nlook 2: show a=1"
    sandbox = Sandbox(render=False, faults=faults, on_request=told.append)
    async with customer_of(sandbox) as customer:
        task_id = await customer.order()
        with pytest.raises(httpx.RemoteProtocolError):
            await customer.result(task_id)
        await customer.post()
        await customer.result(task_id)
        await customer.http.get("/api/v2/nothing")
        for own in ("/openapi.json", "/docs", "/images/a.jpg", "/sandbox/state"):
            await customer.http.get(own)
        page = {"sec-fetch-site": "same-origin", "sec-fetch-dest": "video"}
        await customer.http.get(f"/output/{task_id}/video_result.mp4", headers=page)
        await customer.http.get(f"/output/{task_id}/video_result.mp4", headers=page | {"sec-fetch-site": "cross-site"})
        assert told == sandbox.requests
        assert [str(exchange).split(maxsplit=1)[1] for exchange in told] == [
            f"POST generate 200 code 0 task {task_id}",
            f"GET  result dropped task {task_id} (drop)",
            f"POST generate 502 task {sandbox.created[1].id} (502 html after)",
            f"GET  result 200 code 0 task {task_id} (delay 3, show a=1)",
            "GET  nothing 404 code 1001",
            f"GET  video_result.mp4 404 task {task_id}",
        ]
        assert told[3].at == 3
        shown = (await customer.http.get("/sandbox/requests?after=4")).json()["data"]
        assert [(line["number"], line["status"], line["code"]) for line in shown] == [(5, 404, 1001), (6, 404, None)]
        assert (await customer.http.get("/sandbox/requests")).json()["data"][1]["faults"] == ["drop"]
        for bad in ("x", "-1", "9" * 30):
            assert (await customer.http.get("/sandbox/requests", params={"after": bad})).status_code == 400


async def test_a_listener_that_fails_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the answer is what it was."""

    def fail(_: Exchange) -> None:
        raise ZeroDivisionError

    async with customer_of(Sandbox(render=False, on_request=fail)) as customer:
        assert await customer.order() == FIRST
    assert "on_request failed" in caplog.text


async def test_the_newest_thousand_requests_are_kept() -> None:
    """A long run does not fill the memory."""
    sandbox = Sandbox(render=False)
    async with customer_of(sandbox) as customer:
        for _ in range(1001):
            await customer.result("x")
    assert [sandbox.requests[0].number, len(sandbox.requests)] == [2, 1000]


async def test_the_holder_sees_the_ledger() -> None:
    """The same lines as in Python."""
    sandbox = Sandbox(render=False)
    async with customer_of(sandbox) as customer:
        task_id = await customer.order()
        lines = (await customer.http.get("/sandbox/ledger")).json()["data"]
        assert lines[1] == {
            "at": 0.0, "account": "account-1", "reason": "charge", "credits": -20, "balance": 9980, "taskId": task_id,
        }  # fmt: skip


async def test_the_holder_scripts_faults() -> None:
    """PUT replaces, GET shows, DELETE clears; a bad line changes nothing."""
    async with customer_of(Sandbox(render=False)) as customer:
        put = await customer.http.put("/sandbox/faults", content="# none yet\nsubmit 1 : drop   after\nlook: 503\n")
        assert put.text == "submit 1: drop after\nlook: 503\n"
        for bad in (b"nonsense", b"\xff"):
            refused = await customer.http.put("/sandbox/faults", content=bad)
            assert (refused.status_code, refused.json()["code"]) == (400, 1011)
        assert (await customer.http.get("/sandbox/faults")).text == put.text
        assert (await customer.http.delete("/sandbox/faults")).text == ""
        assert (await customer.look(await customer.order()))["id"] == FIRST


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "/sandbox/state"),
        ("GET", "/sandbox/ledger"),
        ("GET", "/sandbox/task?taskId=1234567890123456789"),
        ("GET", "/sandbox/requests"),
        ("GET", "/sandbox/faults"),
        ("PUT", "/sandbox/faults"),
        ("DELETE", "/sandbox/faults"),
    ],
)
@pytest.mark.parametrize("key", [None, "other"])
async def test_nobody_else_does(method: str, url: str, key: str | None) -> None:
    """Not without the key, and not with another customer's."""
    sandbox = Sandbox(render=False, accounts={"other": 5}, faults="task 1: fail")
    async with customer_of(sandbox, key) as customer:
        answer = await customer.http.request(method, url)
        assert (answer.status_code, answer.json()) == (401, error(5002, "Invalid API Key"))
    assert len(sandbox.faults) == 1


async def test_the_page_is_served_whole(real_time: None) -> None:
    """One file that brings everything along and may load nothing from elsewhere."""
    del real_time  # it is read in a thread
    async with customer_of(Sandbox(render=False), None) as customer:
        page = await customer.http.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert page.text.startswith("<!doctype html>")
        assert page.text.count("<script") == page.text.count("</script>") == 1
        assert "sandbox2" not in page.text
        assert (await customer.http.head("/")).headers["content-length"] == str(len(page.content))


async def test_the_document_can_be_read_offline() -> None:
    """As a page that brings everything along: every call, field, code and example, and the language of faults."""
    async with customer_of(Sandbox(render=False), None) as customer:
        page = await customer.http.get("/docs")
        document = (await customer.http.get("/openapi.json")).json()
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    text = html.unescape(page.text)
    for path, methods in document["paths"].items():
        assert f"<code>{path}</code>" in page.text
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page.text
    for word in ("lastImageUrl", "output.resultUrl", "input.prompt", "9051", "Insufficient coins / credits", "taskId"):
        assert word in text
    assert f"curl -X POST {BASE}{GENERATE}" in text
    assert "submit 2: drop after            # created and paid, and the answer was lost" in text
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page.text)
    assert "<script" not in page.text


async def test_openapi_describes_both_ways_of_refusing() -> None:
    """With HTTP 200 for everything, an error is one of the shapes of 200."""
    for http_errors in (False, True):
        async with customer_of(Sandbox(render=False, http_errors=http_errors), None) as customer:
            document = (await customer.http.get("/openapi.json")).json()
            assert document["openapi"] == "3.1.0"
            assert document["servers"] == [{"url": BASE}]
            schema = document["paths"][RESULT]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            assert ("oneOf" in schema) is not http_errors
            codes = document["paths"][GENERATE]["post"]["responses"]["default"]["content"]["application/json"][
                "examples"
            ]
            assert list(codes) == [
                "FAILED", "INTERNAL_ERROR", "PARAM_ERROR", "API_KEY_INVALID", "SCAN_TEXT_ERROR", "PROHIBITED_CONTENT",
                "COINS_NOT_ENOUGH",
            ]  # fmt: skip


# --- the object


@pytest.mark.parametrize("key", ["", " key", "key\n", "schlüssel", "a\tb"])
def test_a_key_that_cannot_travel_is_refused(key: str) -> None:
    """It has to fit into a header; the message does not show it."""
    with pytest.raises(ValueError, match="printable ASCII") as error:
        Sandbox(render=False, api_key=key)
    assert key == "" or repr(key) not in str(error.value)
    with pytest.raises(ValueError, match="printable ASCII"):
        Sandbox(render=False, accounts={key: 1})


def test_a_sandbox_answers_questions_outside_of_any_loop() -> None:
    """Without a clock it tells what was last seen."""
    sandbox = Sandbox(render=False)
    with sandbox:
        assert (sandbox.credits, sandbox.created, len(sandbox.ledger)) == (10_000, [], 1)
        sandbox.grant(5)
        with pytest.raises(KeyError):
            sandbox.grant(5, api_key="nobody")
    assert repr(sandbox) == "<Sandbox credits=10005 tasks=0>"
    sandbox.close()
    assert sandbox.allow_private is None
    sandbox.allow_private = False
    assert sandbox.allow_private is False


async def test_a_sandbox_that_nobody_has_asked_yet_has_no_clock() -> None:
    """In a loop as outside of one: time begins with the first request."""
    sandbox = Sandbox(render=False)
    await anyio.sleep(100)
    assert (sandbox.credits, sandbox.created) == (10_000, [])
    async with customer_of(sandbox) as customer:
        await customer.order()
    assert sandbox.created[0].created_at == 0


async def test_time_goes_on_in_another_event_loop(real_time: None) -> None:
    """A loop counts from a moment of its own: the world's time continues where it stood."""
    del real_time  # two more loops, in threads
    sandbox = Sandbox(render=False)

    async def order() -> int:
        async with customer_of(sandbox) as customer:
            return await customer.order()

    async def look_later() -> str:
        async with customer_of(sandbox) as customer:
            processing = (await customer.look(task_id))["status"]
            assert processing == "Processing"
            await anyio.sleep(0.05)
            return str((await customer.look(task_id))["status"])

    sandbox.faults = "task 1: takes 0.04"
    task_id = await anyio.to_thread.run_sync(anyio.run, order)
    assert await anyio.to_thread.run_sync(lambda: anyio.run(look_later, backend="trio")) == "Success"


async def test_what_is_no_http_is_left_alone() -> None:
    """A server that speaks of its lifespan or of web sockets gets no answer, and no error."""
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    await Sandbox(render=False).app({"type": "lifespan"}, receive, send)
    assert messages == []


async def test_a_client_that_leaves_within_its_body_is_let_go() -> None:
    """Nothing was ordered, and nobody is there to be told."""
    sandbox = Sandbox(render=False)
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    async def send(_: Any) -> None:
        raise AssertionError

    scope = {
        "type": "http", "method": "POST", "path": GENERATE, "query_string": b"", "scheme": "http",
        "headers": [(b"apikey", b"sandbox")],
    }  # fmt: skip
    with pytest.raises(Dropped):
        await sandbox.app(scope, receive, send)
    assert sandbox.created == []
