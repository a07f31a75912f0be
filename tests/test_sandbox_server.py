"""The sandbox on a port: real sockets, real disconnects, an orderly end."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from ideal_async.sandbox import Sandbox, _sandbox, _server, serve, serve_forever

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


def test_what_was_paid_can_be_read_while_it_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server runs in a thread of its own: whoever counts need not wait for it to rest."""
    sandbox = Sandbox(render=False, credits=10**6)
    receipt = _sandbox.Receipt
    with serve(sandbox) as base_url, httpx.Client(base_url=base_url) as client:
        order(client)
        monkeypatch.setattr(_sandbox, "Receipt", lambda *of: (order(client), receipt(*of))[1])
        assert [len(sandbox.created) for _ in range(3)] == [1, 2, 4]


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

    asked, sandbox = threading.Event(), Sandbox(render=False, faults="look: delay 3600")
    app = sandbox.app

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        asked.set()
        await app(scope, receive, send)

    vars(sandbox)["app"] = answer
    with serve(sandbox) as base_url:
        thread = threading.Thread(target=look)
        thread.start()
        assert asked.wait(60)
        stopped = time.monotonic()
    thread.join()
    assert time.monotonic() - stopped < 30
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
    ("host", "url_host"), [("127.0.0.1", "127.0.0.1"), ("localhost", "localhost"), (ANYWHERE, "127.0.0.1")]
)
def test_it_can_be_called_where_it_says(host: str, url_host: str) -> None:
    """The base URL works, whatever it listens on."""
    with serve(Sandbox(render=False), host) as base_url:
        assert httpx.URL(base_url).host == url_host
        assert httpx.get(f"{base_url}/images/a.jpg").status_code == 200


def ask_as(base_url: str, host: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{base_url}/api/v1/imageToVideo/result", headers=KEY | {"host": host} | headers)


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("localhost:8000", None, 200),
        ("LOCALHOST.", None, 200),
        ("app.localhost", None, 200),
        ("127.0.0.1", None, 200),
        ("[::1]:8000", None, 200),
        ("192.168.1.7:8000", None, 200),
        ("testserver", None, 200),
        ("api.ideal.house", None, 200),
        ("cdn.example.com", None, 200),
        ("sandbox.test", None, 200),
        ("allowed.lan", None, 200),
        ("Allowed.LAN:80", "http://allowed.lan", 200),
        ("localhost:8000", "http://localhost:3000", 200),
        ("127.0.0.1", "http://app.localhost", 200),
        ("192.168.1.7:8000", "http://192.168.1.7:8000", 200),
        ("evil.com", None, 403),
        ("localhost.evil.com", None, 403),
        ("evil.com:8000", "http://evil.com:8000", 403),
        ("notexample.com", None, 403),
        ("127.0.0.1.evil.com", None, 403),
        ("<script>", None, 403),
        ("[", None, 403),
        ("localhost", "http://evil.com", 403),
        ("localhost", "null", 403),
        ("localhost", "http://192.168.1.7", 403),
        ("localhost", "http://[", 403),
    ],
)
def test_other_names_are_not_answered(host: str, origin: str | None, status: int) -> None:
    """A page in a browser can point a name of its own at this machine: only names that it cannot own are answered."""
    with serve(Sandbox(render=False, hosts=["Allowed.lan"])) as base_url:
        answer = ask_as(base_url, host, **({} if origin is None else {"origin": origin}))
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    if status == 403:
        header = "Host" if origin is None or "evil.com:8000" in host else "Origin"
        assert f"does not answer to the {header}" in answer.json()["message"]
        named = "Sandbox(hosts=['" in answer.json()["message"] or "by its own address" in answer.json()["message"]
        assert named


def test_any_name_can_be_allowed_and_none_is_needed() -> None:
    """As for a container that others call by the name of their network; HTTP/1.0 knows no Host."""
    with serve(Sandbox(render=False, hosts=["*"])) as base_url:
        assert ask_as(base_url, "sandbox", origin="https://app.company.com").status_code == 200
    with serve(Sandbox(render=False)) as base_url:
        url = httpx.URL(base_url)
        with socket.create_connection((url.host, url.port or 0)) as connection:
            connection.sendall(b"GET /images/a.jpg HTTP/1.0\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_ipv6_is_spoken() -> None:
    """With brackets in the URL, where the machine has it."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serve(Sandbox(render=False), "::1") as base_url:
        assert base_url.startswith("http://[::1]:")
        assert httpx.get(f"{base_url}/images/a.jpg").status_code == 200


@pytest.mark.parametrize(
    ("host", "allow_private", "ending"),
    [
        ("127.0.0.1", None, "Success"),
        (ANYWHERE, None, "Failed"),
        ("127.0.0.1", False, "Failed"),
        (ANYWHERE, True, "Success"),
        (None, None, "Failed"),
    ],
)
def test_a_neighbour_is_not_fetched_by_an_exposed_sandbox(
    tmp_path: Path, host: str | None, allow_private: bool | None, ending: str
) -> None:
    """Server-side request forgery, end to end: on loopback the order works; exposed, or who knows, it is refunded."""
    from ideal_async.sandbox._rooms import photograph

    (tmp_path / "private.jpg").write_bytes(photograph("private"))
    with (
        serve(Sandbox(render=False, images=tmp_path)) as neighbour,
        Sandbox(speed=1e9, allow_private=allow_private) as sandbox,
        serve(sandbox, host) if host else serve_app(sandbox) as base_url,
        httpx.Client(base_url=base_url, headers=KEY) as client,
    ):
        task_id = order(client, imageUrl=f"{neighbour}/images/private.jpg", resolution="480p").json()["data"]
        status = "Unprocessed"
        while status not in {"Success", "Failed"}:
            time.sleep(0.05)  # until the clip is rendered: threads are the subject
            status = client.get(RESULT, params={"taskId": task_id}).json()["data"]["status"]
    assert status == ending


@contextmanager
def serve_app(sandbox: Sandbox) -> Iterator[str]:
    """The app under a server that knows nothing of it, as anybody may run it."""
    import uvicorn

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(sandbox.app, lifespan="off", log_config=None))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


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
