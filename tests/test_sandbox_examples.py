"""The vendor's own examples, word for word, run against the sandbox: only the base URL and the key are changed."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ideal_async.sandbox import Sandbox, serve

pytestmark = [pytest.mark.slow]

EXAMPLES = Path(__file__).parent / "vendor_examples"

RUNNERS = {
    "curl": ["bash", "-e", "-s"],
    "python": [sys.executable, "-"],
    "node": ["node", "-"],
}


def run(name: str, base_url: str) -> str:
    """Run an example; what it prints."""
    text = (EXAMPLES / name).read_text()
    assert "https://api.ideal.house" in text
    assert "your_api_key_here" in text
    text = text.replace("https://api.ideal.house", base_url).replace("your_api_key_here", "sandbox")
    text = text.replace("curl -X", "curl -sS -X")  # no progress meter in the output
    done = subprocess.run(  # noqa: S603 - the vendor's own words, on loopback
        RUNNERS[name.partition(".")[2]],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "no_proxy": "127.0.0.1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_examples_run() -> None:
    """Flash, Base with sound and first-last frame are created; the poll finds the first one finished."""
    sandbox = Sandbox(render=False, speed=1e9)
    with serve(sandbox) as base_url:
        created = run("create.curl", base_url)
        assert created.count('{"code":0,"message":"success","data":') == 3
        assert created.startswith('{"code":0,"message":"success","data":1234567890123456789}')
        assert '"status":"Success","waitNumber":0,"percentage":100' in run("result.curl", base_url)
    assert [paid.credits for paid in sandbox.created] == [20, 64, 40]


@pytest.mark.skipif(importlib.util.find_spec("requests") is None, reason="requests is not installed")
def test_the_python_examples_run() -> None:
    """They print the page's id, then the URLs."""
    with serve(Sandbox(render=False, speed=1e9)) as base_url:
        assert run("create.python", base_url) == "Task ID: 1234567890123456789\n"
        assert run("result.python", base_url) == (
            "Status: Success, Progress: 100%, Queue: 0\n"
            f"Video URL: {base_url}/output/1234567890123456789/video_result.mp4\n"
            f"Cover Image: {base_url}/output/1234567890123456789/video_cover.jpg\n"
        )


@pytest.mark.skipif("NODE_PATH" not in os.environ, reason="set NODE_PATH to where axios is installed")
def test_the_node_examples_run() -> None:
    """They too; a JavaScript number cannot hold the id, a BigInt can."""
    with serve(Sandbox(render=False, speed=1e9)) as base_url:
        assert run("create.node", base_url).startswith("Task ID: 12345678901234568")
        assert "Resolution: 1280 x 720" in run("result.node", base_url)
