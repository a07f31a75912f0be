"""`ideal-async doctor`: what it looks at, what it says about it, and that it costs nothing."""

import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ideal_async.__main__ import main
from ideal_async.cli import _doctor
from ideal_async.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("alone", "loop_elsewhere")]

Start = Callable[..., Sandbox]
Capture = pytest.CaptureFixture[str]


def examined(capsys: Capture, *options: str, code: int) -> dict[str, tuple[str, str]]:
    assert main(["doctor", "--json", *options]) == code
    findings: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return {found["what"]: (found["verdict"], found["words"]) for found in findings}


def test_everything_is_in_order(service: Start, capsys: Capture, caplog: pytest.LogCaptureFixture) -> None:
    """The service answers, the key is not refused, nothing was paid; a table for people."""
    sandbox = service()
    found = examined(capsys, code=0)
    assert found["service"][0] == "good"
    assert found["key"] == ("good", "not refused; only making a video shows that it is accepted")
    assert found["disk"][0] in {"good", "look"}
    assert found["proxy"] == ("good", "none")
    installed = ["sandbox", "webdemo", "buckets", "photos", "postgres", "temporal", "celery", "fast", "http2", "otel"]
    assert [what for what in found if what.startswith("extra")] == [f"extra {name}" for name in installed]
    assert found["extra sandbox"] == ("good", "installed")
    assert not sandbox.created
    assert main(["doctor"]) == 0
    assert caplog.text == ""  # the client has nothing to warn of
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["what", "found"]
    assert any(line.startswith("ok") and " key " in line for line in lines)
    assert not any(line.startswith("BAD") for line in lines)


def test_a_key_that_is_refused(service: Start, capsys: Capture) -> None:
    """Exit code 2, and what to set; no key at all, too; a table marks it."""
    service()
    Path("key").write_text("wrong")
    verdict, words = examined(capsys, "--api-key-file", "key", code=2)["key"]
    assert verdict == "bad"
    assert "5002" in words
    assert "set IDEAL_HOUSE_API_KEY" in words
    Path("key").write_text("")
    assert examined(capsys, "--api-key-file", "key", code=2)["key"] == ("bad", "key holds no API key")
    assert main(["doctor", "--api-key-file", "key"]) == 2
    assert "BAD" in capsys.readouterr().out


class Answer(NamedTuple):
    """What a server says to everything."""

    status: int
    body: bytes
    ahead: float | None = None


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(answer.status)
            if answer.ahead is not None:
                now = time.time()
                self.send_header("Date", formatdate(now - answer.ahead, usegmt=True))
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


NO_TASK = b'{"code": 1011, "message": "PARAM_ERROR", "data": null}'


@pytest.mark.parametrize(
    ("ahead", "verdict", "words"),
    [
        (0.0, "good", "within 1 s of the service's"),
        (3600.0, "bad", " s ahead of the service's: set it"),
        (-3600.0, "bad", " s behind the service"),
        (None, None, ""),
    ],
)
def test_a_clock_that_is_wrong(
    ahead: float | None, verdict: str | None, words: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the service's own; where that tells no time, nothing is said."""
    monkeypatch.setenv("IDEAL_HOUSE_API_KEY", "k")
    with serving(Answer(200, NO_TASK, ahead)) as url:
        found = examined(capsys, "--base-url", url, code=1 if verdict == "bad" else 0)
    assert found.get("clock", (None, ""))[0] == verdict
    assert words in found.get("clock", ("", ""))[1]
    assert ahead != -3600.0 or "behind" in found["clock"][1]


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (Answer(503, b"down"), 3, "has trouble"),
        (Answer(429, b"slow down"), 3, "has trouble"),
        (Answer(200, b"<html>Log in to the hotel's network</html>"), 3, "is somebody else (HTTP 200)"),
        (Answer(200, NO_TASK), 0, "answers"),
        (Answer(200, b'{"code": 1003, "message": "INTERNAL_ERROR", "data": null}'), 3, "has trouble"),
    ],
)
def test_a_service_with_trouble(
    answer: Answer, code: int, words: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Down, braking, or somebody in between: told apart from a key that is refused."""
    monkeypatch.setenv("IDEAL_HOUSE_API_KEY", "k")
    monkeypatch.setattr(_doctor, "PATIENCE", 2.0)
    with serving(answer) as url:
        found = examined(capsys, "--base-url", url, code=code)
    assert words in found["service"][1]
    assert ("key" in found) == (code == 0)


def test_a_portal_is_told_once(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to look at, in the words of the command line."""
    monkeypatch.setenv("IDEAL_HOUSE_API_KEY", "sandbox")
    with serving(Answer(403, b"<html>Log in</html>")) as url:
        words = examined(capsys, "--base-url", url, code=3)["service"][1]
    assert "is not reached: somebody in between" in words
    assert words.endswith("; check --base-url, the proxy and the network")


def test_nobody_there(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed port is told at once, one that never answers after a while; it does not hang."""
    monkeypatch.setenv("IDEAL_HOUSE_API_KEY", "k")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setattr(_doctor, "PATIENCE", 0.5)
        found = examined(capsys, "--base-url", url, code=3)
    assert "is not reached" in found["service"][1]
    monkeypatch.setattr(_doctor, "PATIENCE", 15.0)
    assert "is not reached" in examined(capsys, "--base-url", url, code=3)["service"][1]


def test_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writable, and with room for some videos."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: FREE(10**8))
    assert _doctor._look_at_disk(tmp_path).verdict == "look"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: FREE(10**11))
    assert _doctor._look_at_disk(tmp_path).words == "100.0 GB free here"
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = _doctor._look_at_disk(tmp_path)
    assert (found.verdict, found.code) == ("bad", 1)
    assert "choose another place with --out" in found.words


class FREE(NamedTuple):
    """What `disk_usage` tells, as far as it is asked."""

    free: int


def test_a_proxy_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything goes through it, so somebody should know."""
    monkeypatch.setattr(_doctor, "getproxies", lambda: {"https": "http://me:secret@proxy.example:8080", "no": "x"})
    found = _doctor._look_at_proxies()
    assert (found.verdict, found.words) == ("look", "https goes through http://proxy.example:8080")


def test_extras_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with the command that installs it; none is an error."""
    monkeypatch.setattr(_doctor, "find_spec", lambda name: None if name == "av" else object())
    found = {finding.what: finding for finding in _doctor._look_at_extras()}
    assert found["extra sandbox"].words == 'not installed (av): pip install "ideal-async[sandbox]"'
    assert (found["extra sandbox"].code, found["extra fast"].verdict) == (0, "good")
