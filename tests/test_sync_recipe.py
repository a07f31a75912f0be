"""The recipe for code that is not asynchronous, in a process of its own, with the sandbox behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ideal_async import Journal
from ideal_async.sandbox import Sandbox, serve

pytestmark = pytest.mark.slow

PROGRAM = """
import os, sys, threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
import sync_world
from ideal_async import AsyncClient, ImageToVideo, Pacing

sync_world.AsyncClient = partial(AsyncClient, pacing=Pacing(min_interval=0.02, max_interval=0.1))
room = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p")

def make(key):
    return sync_world.generate(room, key=key, timeout=60).status

with ThreadPoolExecutor(8) as views:
    print(*views.map(make, ["a", "b"] * 4))
print([thread.name for thread in threading.enumerate()].count("videos"))
worker = os.fork()
if not worker:  # as Celery does it, but later than anybody should
    print(make("a"), make("c"), flush=True)
    sys.exit(0)
print(os.waitpid(worker, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_threads_share_a_client_and_a_forked_worker_has_its_own(ideal_sandbox: Sandbox, tmp_path: Path) -> None:
    """Each key is paid once, whoever asks; the process ends by itself, and so does its child."""
    with serve(ideal_sandbox) as base_url:
        done = subprocess.run(  # noqa: S603 - our own recipe
            [sys.executable, "-u", "-c", PROGRAM],
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parent / "recipes"),
                "IDEAL_HOUSE_BASE_URL": base_url,
                "IDEAL_HOUSE_API_KEY": ideal_sandbox.api_key,
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert ("Traceback" in done.stderr, done.returncode) == (False, 0), done.stderr
    assert done.stdout.splitlines() == [" ".join(["Success"] * 8), "1", "Success Success", "0"]
    with Journal(tmp_path / "journal.db") as journal:
        assert sorted((entry.key, entry.state) for entry in journal.entries()) == [(key, "succeeded") for key in "abc"]
    assert len(ideal_sandbox.created) == 3
