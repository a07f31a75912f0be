"""Fixtures for tests of code that makes videos: `ideal_sandbox`, `ideal_client`, `ideal_virtual_time`.

    import pytest
    from ideal_async import ImageToVideo

    @pytest.mark.anyio
    async def test_a_tour_is_made(ideal_client, ideal_sandbox):
        room = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p")
        task = await ideal_client.generate(room)
        assert task.output.width == 854
        assert ideal_sandbox.credits == 10_000 - 10

Works with anyio's pytest plugin, which is there wherever this package is, on asyncio and trio; and with pytest-asyncio,
where the fixtures live in the event loop of the test, whatever its `loop_scope`. In pytest-asyncio's auto mode tests
bear no mark of anyio's: that mode runs every asynchronous test itself.

pytest loads this file at its start through `pytest_ideal_async`, so that a run which needs none of this imports neither
this package nor httpx: everything but pytest is imported when a fixture is used.
"""

from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    import asyncio

    from ideal_async import AsyncClient
    from ideal_async.sandbox import Sandbox

#: In real time a test should not wait: a task of half a minute takes some hundredths of a second.
SPEED = 1000.0
#: Seconds between looks in real time, to match.
MIN_INTERVAL, MAX_INTERVAL = 0.01, 0.1

_TRIO_CLOCK = (
    'on trio virtual time is a clock the run starts with: let your anyio_backend fixture return ("trio", {"clock": '
    "trio.testing.MockClock(autojump_threshold=0)}), or leave anyio_backend as anyio brings it"
)
_NO_PLUGIN = "ideal_client is asynchronous: mark the test with @pytest.mark.anyio (or use pytest-asyncio)"
_TWO_PLUGINS = (
    "in its auto mode pytest-asyncio runs every asynchronous test itself, those marked anyio too: set asyncio_mode = "
    '"strict" in pytest\'s configuration, or take the mark @pytest.mark.anyio away'
)

#: What pytest-asyncio's `loop_scope` may be.
_LOOP_SCOPES: tuple[Literal["function", "class", "module", "package", "session"], ...] = (
    "function",
    "class",
    "module",
    "package",
    "session",
)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker; serve pytest-asyncio, if it is there, with fixtures of its kind."""
    config.addinivalue_line("markers", "ideal_sandbox(**options): arguments of the Sandbox behind `ideal_sandbox`.")
    if config.pluginmanager.has_plugin("asyncio") and not config.pluginmanager.has_plugin("ideal_async.asyncio"):
        config.pluginmanager.register(_for_pytest_asyncio(), "ideal_async.asyncio")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Give tests in virtual time a clock of trio's that jumps; asyncio's is replaced while it runs."""
    for item in session.items:
        params: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
        if params.get("anyio_backend") == "trio" and "ideal_virtual_time" in getattr(item, "fixturenames", ()):
            from trio.testing import MockClock

            params["anyio_backend"] = ("trio", {"clock": MockClock(autojump_threshold=0)})


@pytest.fixture
def ideal_sandbox(request: pytest.FixtureRequest) -> "Generator[Sandbox]":
    """The whole service, in process: `.transport`, `.app`, `.credits`, `.created`, `.requests`, `.faults`.

    It is a thousand times as fast as the real one, and in virtual time (`ideal_virtual_time`) exactly as slow. The
    marker `@pytest.mark.ideal_sandbox(credits=30, faults="submit 1: drop after")` passes arguments to it.
    """
    from ideal_async.sandbox import Sandbox

    options: dict[str, Any] = {"render": False, "speed": 1.0 if _is_virtual(request) else SPEED}
    for marker in reversed(list(request.node.iter_markers("ideal_sandbox"))):
        options |= marker.kwargs
    with Sandbox(**options) as sandbox:
        yield sandbox


@pytest.fixture
def ideal_client(request: pytest.FixtureRequest) -> "AsyncClient":
    """A client of `ideal_sandbox`, open for the length of the test."""
    if _is_virtual(request):
        request.getfixturevalue("ideal_virtual_time")  # before anything looks at the clock
    client: AsyncClient = request.getfixturevalue(f"_ideal_client_{_runner(request)}")
    return client


@pytest.fixture
def ideal_virtual_time(request: pytest.FixtureRequest) -> None:
    """Let no time pass: whenever everybody sleeps, the clock jumps to whoever wakes first.

    Threads and sockets live in real time, so they do not go together with this.
    """
    request.getfixturevalue(f"_ideal_virtual_time_{_runner(request)}")


def _is_virtual(request: pytest.FixtureRequest) -> bool:
    return "ideal_virtual_time" in request.fixturenames


def _runner(request: pytest.FixtureRequest) -> str:
    """Whose test this is, and in which of its event loops it runs: so must its fixtures."""
    marker = request.node.get_closest_marker("asyncio")
    if "anyio_backend" in request.fixturenames:
        if marker is not None:
            pytest.fail(_TWO_PLUGINS, pytrace=False)
        return "anyio"
    if not request.config.pluginmanager.has_plugin("ideal_async.asyncio"):
        pytest.fail(_NO_PLUGIN, pytrace=False)
    named: Mapping[str, Any] = {} if marker is None else marker.kwargs
    scope = named.get("loop_scope") or named.get("scope") or request.config.getini("asyncio_default_test_loop_scope")
    return f"asyncio_{scope}"


@pytest.fixture
async def _ideal_client_anyio(
    request: pytest.FixtureRequest, ideal_sandbox: "Sandbox"
) -> "AsyncGenerator[AsyncClient]":
    async with _open_client(ideal_sandbox, virtual=_is_virtual(request)) as client:
        yield client


@pytest.fixture
async def _ideal_virtual_time_anyio() -> AsyncGenerator[None]:
    with _jumping():
        yield


def _for_pytest_asyncio() -> ModuleType:
    """Make the same two once more for each scope of an event loop: pytest-asyncio runs only fixtures that it made."""
    import pytest_asyncio

    plugin = ModuleType("ideal_async.asyncio")
    for scope in _LOOP_SCOPES:

        @pytest_asyncio.fixture(loop_scope=scope)
        async def ideal_client(
            request: pytest.FixtureRequest, ideal_sandbox: "Sandbox"
        ) -> "AsyncGenerator[AsyncClient]":
            async with _open_client(ideal_sandbox, virtual=_is_virtual(request)) as client:
                yield client

        @pytest_asyncio.fixture(loop_scope=scope)
        async def ideal_virtual_time() -> AsyncGenerator[None]:
            with _jumping():
                yield

        vars(plugin)[f"_ideal_client_asyncio_{scope}"] = ideal_client
        vars(plugin)[f"_ideal_virtual_time_asyncio_{scope}"] = ideal_virtual_time
    return plugin


@asynccontextmanager
async def _open_client(sandbox: "Sandbox", *, virtual: bool) -> "AsyncGenerator[AsyncClient]":
    from ideal_async import AsyncClient, Pacing

    pacing = Pacing() if virtual else Pacing(min_interval=MIN_INTERVAL, max_interval=MAX_INTERVAL)
    async with AsyncClient(sandbox.api_key, transport=sandbox.transport, pacing=pacing) as client:
        yield client


@contextmanager
def _jumping() -> Generator[None]:
    """Make the clock of the running event loop virtual."""
    from anyio.lowlevel import current_token

    runner: Any = current_token().native_token
    if hasattr(runner, "call_soon"):
        with _jumping_loop(runner):
            yield
        return
    from trio.lowlevel import current_clock
    from trio.testing import MockClock

    clock = current_clock()
    if not isinstance(clock, MockClock) or clock.autojump_threshold != 0:
        pytest.fail(_TRIO_CLOCK, pytrace=False)
    yield


@contextmanager
def _jumping_loop(loop: "asyncio.AbstractEventLoop") -> Generator[None]:
    selector: Any = getattr(loop, "_selector", None)
    if selector is None:
        pytest.fail(f"virtual time needs asyncio's own event loop, not {type(loop).__name__}", pytrace=False)
    now, wait = loop.time(), selector.select

    def select(timeout: float | None = None) -> Any:
        nonlocal now
        ready = wait(None if timeout is None else 0)
        if not ready and timeout:
            now += timeout  # nobody has anything to do before that timer
        return ready

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selector, "select", select)
        patch.setattr(loop, "time", lambda: now)
        yield
