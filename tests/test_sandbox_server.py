"""The sandbox on a port: real sockets, real disconnects, an orderly end."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from ideal_async.sandbox import Sandbox, _server, serve, serve_forever

pytestmark = [pytest.mark.slow]

ROOM = {"imageUrl": "https://example.com/room.jpg", "duration": 5, "resolution": "720p"}
GENERATE = "/api/v1/imageToVideo/generate"
RESULT = "/api/v1/imageToVideo/result"
KEY = {"APIKEY": "sandbox"}
ANYWHERE = "0.0.0.0"  # noqa: S104 - the subject of some tests


def order(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post(GENERATE, json=ROOM | fields, headers=KEY)


def test_the_whole_service_is_there() -> None:
    """Create, look, result, picture, page and document over real HTTP; time is this machine's."""
    sandbox = Sandbox(render=False, speed=1e9)
    with serve(sandbox) as base_url, httpx.Client(base_url=base_url) as client:
        assert base_url.startswith("http://127.0.0.1:")
        task_id = order(client).json()["data"]
        task = client.get(RESULT, params={"taskId": task_id}, headers=KEY).json()["data"]
        assert task["output"]["resultUrl"] == f"{base_url}/output/{task_id}/video_result.mp4"
        assert len(client.get(task["output"]["resultUrl"]).content) == 16384
        assert client.head(task["output"]["cover"]).headers["content-length"] == "16384"
        assert client.get("/room.jpg", headers={"host": "example.com"}).headers["content-type"] == "image/jpeg"
        assert client.get("/").text.startswith("<!doctype html>")
        assert client.get("/openapi.json").json()["servers"] == [{"url": base_url}]
        assert "server" not in client.get("/").headers
    assert sandbox.credits == 9980


def test_a_dropped_connection_is_really_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """Before and after the work; the server goes on serving, and thinks nothing of it.

    Whether the client reads the end or a reset first is the kernel's choice.
    """
    sandbox = Sandbox(render=False, faults="submit 1: drop\nsubmit 2: drop after")
    with serve(sandbox) as base_url, httpx.Client(base_url=base_url) as client:
        for paid in (0, 1):
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                order(client)
            assert len(sandbox.created) == paid
        assert order(client).json()["code"] == 0
    assert caplog.records == [] or all(record.name == "httpx" for record in caplog.records)


def test_a_cut_body_is_really_cut() -> None:
    """The head and the first bytes arrive, then the connection ends; the rest can be had by range."""
    sandbox = Sandbox(render=False, speed=1e9, faults="download 1: cut 25%")
    with serve(sandbox) as base_url, httpx.Client(base_url=base_url) as client:
        url = f"/output/{order(client).json()['data']}/video_result.mp4"
        with pytest.raises(httpx.RemoteProtocolError, match="received 4096 bytes, expected 16384"):
            client.get(url)
        assert len(client.get(url, headers={"range": "bytes=4096-"}).content) == 12288


def test_a_giant_body_does_not_poison_the_connection() -> None:
    """The refusal always arrives, and what was not read is not taken for the next request."""
    with serve(Sandbox(render=False)) as base_url, httpx.Client(base_url=base_url) as client:
        for _ in range(4):  # a connection in use was the first to be reset
            assert order(client).json()["code"] == 0
            refused = order(client, prompt="x" * 2_000_000)
            assert (refused.status_code, refused.json()["code"]) == (413, 1011)


def test_a_client_that_hangs_up_within_its_body_orders_nothing() -> None:
    """Half a body is no order."""
    sandbox = Sandbox(render=False)
    with serve(sandbox) as base_url, httpx.Client(base_url=base_url) as client:
        with socket.create_connection(("127.0.0.1", httpx.URL(base_url).port or 0)) as connection:
            connection.sendall(
                f"POST {GENERATE} HTTP/1.1\r\nhost: x\r\napikey: sandbox\r\ncontent-length: 99\r\n\r\n{{".encode()
            )
        assert order(client).json()["code"] == 0
    assert len(sandbox.created) == 1


def test_it_stops_although_an_answer_is_delayed() -> None:
    """A scripted delay of an hour does not hold up the end; the client sees a broken connection."""
    seen: list[str] = []

    def look() -> None:
        try:
            httpx.get(base_url + RESULT, headers=KEY, timeout=60)
        except httpx.HTTPError as error:
            seen.append(type(error).__name__)

    with serve(Sandbox(render=False, faults="look: delay 3600")) as base_url:
        thread = threading.Thread(target=look)
        thread.start()
        time.sleep(0.2)  # until the request is being answered: sockets are the subject
        stopped = time.monotonic()
    thread.join()
    assert time.monotonic() - stopped < 10
    assert seen in (["RemoteProtocolError"], ["ReadError"])


def test_nothing_is_left_when_it_ends() -> None:
    """No thread, and the port is free again at once."""
    before = threading.active_count()
    with serve(Sandbox(render=False)) as base_url:
        port = httpx.URL(base_url).port or 0
        with httpx.Client(base_url=base_url) as client:
            order(client)
    assert threading.active_count() == before
    with serve(Sandbox(render=False), port=port) as again:
        assert again == base_url


def test_a_taken_port_is_told() -> None:
    """With the ways out; nothing was started."""
    with (
        serve(Sandbox(render=False)) as base_url,
        pytest.raises(OSError, match=r"port \d+ on 127\.0\.0\.1 is taken: choose another, or 0 for any free one"),
        serve(Sandbox(render=False), port=httpx.URL(base_url).port or 0),
    ):
        pass


def test_a_foreign_host_is_told() -> None:
    """An address of some other machine cannot be listened on (TEST-NET-1, RFC 5737)."""
    with (
        pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1 port 0"),
        serve(Sandbox(render=False), "192.0.2.1"),
    ):
        pass


def test_what_goes_wrong_in_the_thread_is_raised_in_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that cannot run does not hang, and does not fail in silence."""

    async def fail(*_: object) -> None:
        raise LookupError("no loop today")

    import uvicorn

    monkeypatch.setattr(uvicorn.Server, "startup", fail)
    with pytest.raises(LookupError, match="no loop today"), serve(Sandbox(render=False)):
        pass


@pytest.mark.parametrize(
    ("host", "allowed", "url_host"),
    [("127.0.0.1", None, "127.0.0.1"), ("localhost", None, "localhost"), (ANYWHERE, False, "127.0.0.1")],
)
def test_private_images_are_refused_once_others_can_reach_it(host: str, allowed: bool | None, url_host: str) -> None:
    """Bound to loopback anything may be fetched; otherwise private addresses are refused unless allowed."""
    sandbox = Sandbox(render=False)
    with serve(sandbox, host) as base_url:
        assert httpx.URL(base_url).host == url_host
        assert sandbox.allow_private is allowed
        assert httpx.get(f"{base_url}/images/a.jpg").status_code == 200
    for decided in (True, False):
        sandbox = Sandbox(render=False, allow_private=decided)
        with serve(sandbox, host):
            assert sandbox.allow_private is decided


def test_ipv6_is_spoken() -> None:
    """With brackets in the URL, where the machine has it."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serve(Sandbox(render=False), "::1") as base_url:
        assert base_url.startswith("http://[::1]:")
        assert httpx.get(f"{base_url}/images/a.jpg").status_code == 200


def test_a_loopback_neighbour_is_not_fetched_by_an_exposed_sandbox(tmp_path: Path) -> None:
    """Server-side request forgery, end to end: the same order works on loopback and fails, refunded, when exposed."""
    from ideal_async.sandbox._rooms import photograph

    (tmp_path / "private.jpg").write_bytes(photograph("private"))
    with serve(Sandbox(render=False, images=tmp_path)) as neighbour:
        for allow_private, ending in ((True, "Success"), (False, "Failed")):
            with (
                Sandbox(speed=1e9, allow_private=allow_private) as sandbox,
                serve(sandbox) as base_url,
                httpx.Client(base_url=base_url, headers=KEY) as client,
            ):
                task_id = order(client, imageUrl=f"{neighbour}/images/private.jpg", resolution="480p").json()["data"]
                status = "Unprocessed"
                while status not in {"Success", "Failed"}:
                    time.sleep(0.05)  # until the clip is rendered: threads are the subject
                    status = client.get(RESULT, params={"taskId": task_id}).json()["data"]["status"]
                assert status == ending


SERVE_FOREVER = """
import sys
from ideal_async.sandbox import Sandbox, serve_forever
with Sandbox(render=False) as sandbox:
    serve_forever(sandbox, on_ready=lambda url: print(url, flush=True))
print("closed", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_foreground_it_ends_at_a_signal(number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM both return to the program, which can close the sandbox."""
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", SERVE_FOREVER],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        assert httpx.get(f"{base_url}/images/a.jpg").status_code == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (out, err, process.returncode) == ("closed\n", "", 0)


def test_in_the_foreground_signal_handlers_are_put_back() -> None:
    """The program's own handlers are there again afterwards."""
    before = signal.getsignal(signal.SIGTERM)
    urls: list[str] = []

    def stop(url: str) -> None:
        urls.append(url)
        signal.raise_signal(signal.SIGTERM)

    serve_forever(Sandbox(render=False), on_ready=stop)
    assert urls[0].startswith("http://127.0.0.1:")
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        (ANYWHERE, False),
        ("", False),
        ("example.com", False),
    ],
)
def test_loopback_hosts_are_known(host: str, loopback: bool) -> None:
    """Everything that is not surely loopback counts as reachable by others."""
    assert _server.is_loopback(host) is loopback
