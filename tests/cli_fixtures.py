"""What the tests of the command line and of the pages share: a folder, a service on loopback, a browser."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest

from ideal_async.sandbox import Sandbox, serve

Start = Callable[..., Sandbox]


@pytest.fixture
def main_thread() -> None:
    """Ask for event loops in the main thread, for signals come there."""


@pytest.fixture
def loop_elsewhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run event loops in threads of their own, unless `main_thread` is asked for.

    CPython 3.11 stops tracing the frames below an event loop in which a task was cancelled, so that lines which do run
    count as not covered.
    """
    if "main_thread" in request.fixturenames:
        return
    run = anyio.run

    def run_elsewhere(work: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(run, work).result()

    monkeypatch.setattr(anyio, "run", run_elsewhere)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder, without any settings in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("IDEAL_HOUSE_API_KEY", "IDEAL_HOUSE_BASE_URL", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def service(alone: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Give a function that starts a sandbox, to which the environment then points."""
    assert alone
    with ExitStack() as stack:

        def start(**options: Any) -> Sandbox:
            sandbox = Sandbox(**{"render": False, "speed": 1e6, "workers": 100} | options)
            monkeypatch.setenv("IDEAL_HOUSE_BASE_URL", stack.enter_context(serve(sandbox)))
            monkeypatch.setenv("IDEAL_HOUSE_API_KEY", sandbox.api_key)
            return sandbox

        yield start
