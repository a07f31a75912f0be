"""Two backends, both in virtual time: sleeping an hour costs nothing."""

import asyncio
import os
import re
import selectors
from typing import Any

import hypothesis
import pytest
from trio.testing import MockClock

# On the other Pythons the suite runs in development mode (nox -s versions), which doubles the cost of asyncio. Programs
# that it starts run as users see them: without asyncio's word on every step that took a tenth of a second, and without
# being traced, for every line has a test that needs no process.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("PYTHONDEVMODE", "COVERAGE_PROCESS_CONFIG"):
        os.environ.pop(name, None)

#: Ours as users have it, only loaded by its name; pytester runs the projects of others.
pytest_plugins = ["browser", "cli_fixtures", "ideal_async.pytest_plugin", "pytester", "servers"]

# Shared machines are slow at random: a property fails for what it says, not for how long it took, and always alike.
hypothesis.settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
)
hypothesis.settings.load_profile("suite")


class JumpSelector(selectors.DefaultSelector):
    """Never waits for a timer: jumps to it."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout is not None else None)
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose clock is its selector's."""

    def __init__(self) -> None:
        self._clock = JumpSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


BACKENDS: dict[str, tuple[str, dict[str, Any]]] = {
    "asyncio": ("asyncio", {"loop_factory": VirtualLoop}),
    "asyncio-real": ("asyncio", {}),
    "trio-real": ("trio", {}),
}


#: Fixtures, rooms of the suite and parameters that stand for a real server, a browser or a tool.
SERVED = {"azurite_url", "chromium", "postgres_dsn", "redis_url", "s3", "s3_url", "temporal_address"}
SERVED_IN = re.compile(r"test_(buckets|celery|cli_fleet|fleet\.|notebook|postgres|servers|sync_recipe|temporal|tools)")
SERVED_BY = {"azure", "database", "postgres"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a real server, a browser or a tool: CI has them (nox -s servers), a laptop may not."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        parameters = {value for value in callspec.params.values() if isinstance(value, str)} if callspec else set()
        if SERVED & set(getattr(item, "fixturenames", ())) or SERVED_IN.match(item.path.name) or SERVED_BY & parameters:
            item.add_marker("servers")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes name no test: packed ones hold the time, and workers that collect a second apart would not agree."""
    return argname if isinstance(val, bytes) and not val.isascii() else None


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Every async test runs on both backends, in virtual time unless `real_time` is asked for."""
    name: str = request.param
    if "real_time" in request.fixturenames:
        return BACKENDS[f"{name}-real"]
    if name == "trio":
        return "trio", {"clock": MockClock(autojump_threshold=0)}
    return BACKENDS[name]


@pytest.fixture
def real_time() -> None:
    """Ask for the wall clock: threads, files, sockets and virtual time do not mix."""
