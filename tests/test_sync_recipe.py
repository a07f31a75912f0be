"""The recipe for code that is not asynchronous, in a process of its own, with the sandbox behind."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from processes import missing, spawn

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


QUICK = """
from functools import partial
import sync_world
from ideal_async import AsyncClient, Pacing

sync_world.AsyncClient = partial(AsyncClient, pacing=Pacing(min_interval=0.02, max_interval=0.1))
"""

DJANGO = (
    QUICK
    + """
import django
from concurrent.futures import ThreadPoolExecutor
from django.conf import settings
from django.test import RequestFactory

settings.configure(ALLOWED_HOSTS=["*"])
django.setup()
import django_view

def get(order, **query):
    answer = django_view.make(RequestFactory().get(f"/videos/{order}", query), order)
    return answer.status_code

with ThreadPoolExecutor(4) as threads:
    print(*threads.map(lambda order: get(order, url=f"https://example.com/{order}.jpg"), ["a", "b"] * 2))
print(get("c"), get("a", url="https://example.com/other.jpg"))
"""
)

CELERY = """
import celery_tasks
calls = [celery_tasks.make.delay(order, f"https://example.com/{order}.jpg") for order in "abcab"]
print(len({call.get(timeout=60) for call in calls}))
"""


def environment(sandbox: Sandbox, base_url: str, *more: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent / "recipes"), *map(str, more)]),
        "IDEAL_HOUSE_BASE_URL": base_url,
        "IDEAL_HOUSE_API_KEY": sandbox.api_key,
    }


def test_views_of_django_share_a_client(ideal_sandbox: Sandbox, tmp_path: Path) -> None:
    """A key is paid once; what cannot be asked for is 422."""
    if find_spec("django") is None:
        missing("django", "pip install --group tools")
    with serve(ideal_sandbox) as base_url:
        done = subprocess.run(  # noqa: S603 - our own recipe
            [sys.executable, "-c", DJANGO],
            env=environment(ideal_sandbox, base_url),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert done.stdout.splitlines() == ["200 200 200 200", "422 422"], done.stderr
    assert len(ideal_sandbox.created) == 2


def test_workers_of_celery_pay_a_key_once(
    ideal_sandbox: Sandbox, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real ones, forked, on a real broker; a polite end lets them finish."""
    if find_spec("celery") is None:
        missing("celery", "pip install --group tools")
    (tmp_path / "sitecustomize.py").write_text(QUICK, "utf-8")
    monkeypatch.setenv("REDIS_URL", redis_url)
    with serve(ideal_sandbox) as base_url:
        for name, value in environment(ideal_sandbox, base_url, tmp_path).items():
            monkeypatch.setenv(name, value)
        command = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "--concurrency", "2"]
        worker = spawn([*command, "--without-mingle", "--without-gossip"], tmp_path / "worker.log")
        try:
            done = subprocess.run(  # noqa: S603 - our own recipe
                [sys.executable, "-c", CELERY], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
            )
        finally:
            worker.terminate()
            assert worker.wait(60) == 0
    assert done.stdout == "3\n", done.stderr + (tmp_path / "worker.log").read_text("utf-8")
    assert len(ideal_sandbox.created) == 3
