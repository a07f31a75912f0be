"""Tools that watch or replay what goes over httpx, as they are on the package index: what they see, what is paid."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from processes import missing

from ideal_async import AsyncClient, ImageToVideo, Pacing
from ideal_async.sandbox import Sandbox, serve

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ROOM = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p")
KEY = "sk-do-not-show-me"
GENERATE, RESULT = "/api/v1/imageToVideo/generate", "/api/v1/imageToVideo/result"
#: Seconds until a program is done, on a slow machine.
PATIENCE = 100


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[Sandbox, str]]:
    """A real server, which counts what it is asked; its base URL."""
    with Sandbox(api_key=KEY, render=False, speed=1000) as sandbox, serve(sandbox) as base_url:
        yield sandbox, base_url


def need(*modules: str) -> None:
    for module in modules:
        if find_spec(module) is None:
            missing(module, "pip install --group tools")


def start(tool: str, base_url: str, *options: str, path: str = "") -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, str(HERE / "tools_worker.py"), tool, base_url, *options],
        env={**os.environ, "PYTHONPATH": path, "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("tool", "module", "options"),
    [
        ("sentry", "sentry_sdk", ["fast"]),
        ("datadog", "ddtrace", []),
        ("opentelemetry", "opentelemetry.instrumentation.httpx", ["fast"]),
        ("logfire", "logfire", []),
    ],
)
def test_a_tool_sees_what_is_paid_and_what_is_looked_at(
    service: tuple[Sandbox, str], tool: str, module: str, options: list[str]
) -> None:
    """Of a client from before it came, and of one from after; never the key, whatever it was told to capture."""
    need(module.partition(".")[0], module)
    _, base_url = service
    with start(tool, base_url, *options) as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    seen = json.loads(out)
    for when in ("before", "after"):
        assert [call for call in seen[when] if call.startswith("POST")] == [f"POST {base_url}{GENERATE}"]
        assert [call for call in seen[when] if call.startswith(f"GET {base_url}{RESULT}")]
    assert KEY not in err


@pytest.mark.parametrize("version", ["5.1.0", "7.0.0", "today's"])
def test_a_replayed_cassette_never_reaches_a_server(service: tuple[Sandbox, str], version: str) -> None:
    """Up to 5 vcrpy patched `send`, up to 7 `_send_single_request`, since then the transport: no money is spent."""
    need("vcr")
    old = Path(sys.prefix, "old", f"vcrpy=={version}")
    if version != "today's" and not old.is_dir():
        missing(old.name, f"pip install --no-deps --target '{old}' {old.name}")
    sandbox, base_url = service
    paid, options = len(sandbox.created), [] if version == "today's" else ["without_aiohttp"]
    with start("vcrpy", base_url, *options, path=str(old)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = process.stdout.readline()
        known, after_recording = len(sandbox.requests), len(sandbox.created)
        _, err = process.communicate("\n", timeout=PATIENCE)
    assert process.returncode == 0, err
    recorded = json.loads(said)
    assert version in {recorded["version"], "today's"}
    assert {*recorded["recorded"]} == {"POST", "GET"}
    assert after_recording == paid + 2
    assert len(sandbox.requests) == known


MOCKED = """
import anyio, httpx, pytest, respx
from ideal_async import AsyncClient, ImageToVideo, Pacing, SubmissionUnknown
from ideal_async.fast import FastTransport

BASE_URL = "BASE-URL"
ROOM = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p")
QUICK = Pacing(min_interval=0.01, max_interval=0.1)
PAID = {"code": 0, "message": "success", "data": 7}
MADE = {"code": 0, "message": "success", "data": {"id": 7, "status": "Success", "output": {"resultUrl": "https://a.example/7.mp4"}}}

pytestmark = pytest.mark.anyio  # of the project that this text is

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.fixture
async def client():
    # Made before anything is mocked.
    async with AsyncClient("key", base_url=BASE_URL, pacing=QUICK) as client:
        yield client

async def use(client):
    async with (
        AsyncClient("key", base_url=BASE_URL, pacing=QUICK) as after,
        AsyncClient("key", base_url=BASE_URL, pacing=QUICK, transport=FastTransport()) as fast,
    ):
        for each in (client, after, fast):
            assert (await each.generate(ROOM, timeout=60)).id == 7

async def test_respx(client):
    with respx.mock:
        paid = respx.post(f"{BASE_URL}/api/v1/imageToVideo/generate").respond(json=PAID)
        looks = respx.get(url__startswith=f"{BASE_URL}/api/v1/imageToVideo/result").respond(json=MADE)
        await use(client)
        assert (paid.call_count, looks.call_count) == (3, 3)
        paid.mock(side_effect=httpx.ConnectError("mocked"))
        with pytest.raises(SubmissionUnknown, match="mocked"):  # nobody proved that nothing was sent
            await client.submit(ROOM)

async def test_pytest_httpx(client, httpx_mock):
    httpx_mock.add_response(method="POST", json=PAID, is_reusable=True)
    httpx_mock.add_response(method="GET", json=MADE, is_reusable=True)
    await use(client)
    assert [request.method for request in httpx_mock.get_requests()] == ["POST", "GET"] * 3
"""


def test_a_mocked_service_answers_in_place_of_the_real_one(
    service: tuple[Sandbox, str], pytester: pytest.Pytester
) -> None:
    """With respx and pytest-httpx, a client from before they came and one from after; the server hears nothing."""
    need("respx", "pytest_httpx")
    sandbox, base_url = service
    known = len(sandbox.requests)
    pytester.makepyfile(MOCKED.replace("BASE-URL", base_url))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        plugins = [word for name in ("anyio.pytest_plugin", "pytest_httpx") for word in ("-p", name)]
        result = pytester.runpytest_subprocess(*plugins, timeout=PATIENCE)
    result.assert_outcomes(passed=2)
    assert len(sandbox.requests) == known


@pytest.mark.anyio
@pytest.mark.usefixtures("real_time")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cache_beneath_a_client_does_not_keep_a_wait_from_its_end(tmp_path: Path) -> None:
    """As it comes hishel keeps every answer for ever, whatever its headers say."""
    need("hishel", "anysqlite")
    import hishel
    from hishel.httpx import AsyncCacheTransport

    with Sandbox(render=False, speed=20) as sandbox:
        cache = AsyncCacheTransport(sandbox.transport, hishel.AsyncSqliteStorage(database_path=tmp_path / "cache.db"))
        pacing = Pacing(min_interval=0.05, max_interval=0.1)
        async with AsyncClient(sandbox.api_key, transport=cache, pacing=pacing) as client:
            task = await client.generate(ROOM, timeout=PATIENCE)
        assert task.succeeded
        await cache.aclose()
    assert sum(exchange.method == "GET" for exchange in sandbox.requests) > 1
