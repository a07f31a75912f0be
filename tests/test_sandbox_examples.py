"""The vendor's own examples, word for word, run against the sandbox: only the base URL and the key are changed."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ideal_async.sandbox import Sandbox, serve

pytestmark = [pytest.mark.slow]

Run = Callable[[str, str], str]

EXAMPLES = Path(__file__).parent / "vendor_examples"

RUNNERS = {
    "curl": ["bash", "-e"],
    "python": [sys.executable],
    "node": ["node"],
    # The launcher compiles the file first; a program so short gains nothing from the optimising compiler.
    "java": ["java", "-XX:TieredStopAtLevel=1", "-cp", os.environ.get("OKHTTP_CLASSPATH", ""), "--source", "17"],
}


def needs(there: bool, reason: str) -> pytest.MarkDecorator:
    """A laptop may lack what an example needs; CI may not: there it runs, and fails."""
    return pytest.mark.skipif(not there and "CI" not in os.environ, reason=reason)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run an example against a base URL; what it prints."""
    return lambda name, base_url: _run(name, base_url, tmp_path / "example")


def _run(name: str, base_url: str, path: Path) -> str:
    text = (EXAMPLES / name).read_text()
    assert "https://api.ideal.house" in text
    assert "your_api_key_here" in text
    text = text.replace("https://api.ideal.house", base_url).replace("your_api_key_here", "sandbox")
    text = text.replace("curl -X", "curl -sS -X")  # no progress meter in the output
    path.write_text(text)
    done = subprocess.run(  # noqa: S603 - the vendor's own words, on loopback
        [*RUNNERS[name.partition(".")[2]], path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "no_proxy": "127.0.0.1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs(shutil.which("curl") is not None, "curl is not installed")
def test_the_curl_examples_run(run: Run) -> None:
    """Flash, Base with sound and first-last frame are created; the poll finds the first one finished."""
    sandbox = Sandbox(render=False, speed=1e9)
    with serve(sandbox) as base_url:
        created = run("create.curl", base_url)
        assert created.count('{"code":0,"message":"success","data":') == 3
        assert created.startswith('{"code":0,"message":"success","data":1234567890123456789}')
        assert '"status":"Success","waitNumber":0,"percentage":100' in run("result.curl", base_url)
    assert [paid.credits for paid in sandbox.created] == [20, 64, 40]


@needs(importlib.util.find_spec("requests") is not None, "requests is not installed")
def test_the_python_examples_run(run: Run) -> None:
    """They print the page's id, then the URLs."""
    with serve(Sandbox(render=False, speed=1e9)) as base_url:
        assert run("create.python", base_url) == "Task ID: 1234567890123456789\n"
        assert run("result.python", base_url) == (
            "Status: Success, Progress: 100%, Queue: 0\n"
            f"Video URL: {base_url}/output/1234567890123456789/video_result.mp4\n"
            f"Cover Image: {base_url}/output/1234567890123456789/video_cover.jpg\n"
        )


@needs("NODE_PATH" in os.environ, "set NODE_PATH to where axios is installed")
def test_the_node_examples_run(run: Run) -> None:
    """They too; a JavaScript number cannot hold the id, a BigInt can."""
    with serve(Sandbox(render=False, speed=1e9)) as base_url:
        assert run("create.node", base_url).startswith("Task ID: 12345678901234568")
        assert "Resolution: 1280 x 720" in run("result.node", base_url)


@needs(
    "OKHTTP_CLASSPATH" in os.environ,
    "set OKHTTP_CLASSPATH to the jars of OkHttp 4 or later, okio and kotlin-stdlib; .ci/run shows where npm has them",
)
def test_the_java_examples_run(run: Run) -> None:
    """They compile, and print each answer as it came."""
    sandbox = Sandbox(render=False, speed=1e9)
    with serve(sandbox) as base_url:
        assert run("create.java", base_url) == 'Response: {"code":0,"message":"success","data":1234567890123456789}\n'
        _, _, answer = run("result.java", base_url).partition("Response: ")
    assert [paid.credits for paid in sandbox.created] == [20]
    task = json.loads(answer)["data"]
    assert (task["id"], task["status"]) == (1234567890123456789, "Success")
    assert task["output"] == {
        "resultUrl": f"{base_url}/output/1234567890123456789/video_result.mp4",
        "cover": f"{base_url}/output/1234567890123456789/video_cover.jpg",
        "width": 1280,
        "height": 720,
    }
