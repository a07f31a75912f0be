"""The fixtures as a user's tests meet them: here, and from the wheel in a project outside of this one."""

import importlib
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from ideal_async import AsyncClient, ImageToVideo, SubmissionUnknown, pytest_plugin
from ideal_async.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
ROOM = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """As anyio brings it, without the virtual time of this suite: this is a user's project."""
    return request.param


@pytest.mark.anyio
async def test_a_video_is_made(ideal_client: AsyncClient, ideal_sandbox: Sandbox) -> None:
    """The client spends the sandbox's credits, in a moment of real time."""
    task = await ideal_client.generate(ROOM)
    assert task.succeeded
    assert ideal_sandbox.credits == 10_000 - 10


@pytest.mark.anyio
@pytest.mark.ideal_sandbox(credits=10, faults="submit 2: drop after")
async def test_a_marker_arranges_the_sandbox(ideal_client: AsyncClient, ideal_sandbox: Sandbox) -> None:
    """Its arguments are the Sandbox's."""
    await ideal_client.generate(ROOM)
    assert ideal_sandbox.credits == 0
    with pytest.raises(SubmissionUnknown):
        await ideal_client.submit(ROOM)


@pytest.mark.anyio
@pytest.mark.usefixtures("ideal_virtual_time")
async def test_virtual_time_costs_none(ideal_client: AsyncClient, ideal_sandbox: Sandbox) -> None:
    """The service takes as long as the real one, and the test does not; a client looks at its usual pace."""
    before, real = anyio.current_time(), time.perf_counter()
    await ideal_client.generate(ROOM)
    await anyio.sleep(86_400)
    assert anyio.current_time() - before > 86_410
    assert time.perf_counter() - real < 10
    assert [receipt.status for receipt in ideal_sandbox.created] == ["Success"]


@pytest.mark.anyio
@pytest.mark.usefixtures("ideal_virtual_time")
async def test_virtual_time_sees_what_is_ready_first(ideal_sandbox: Sandbox) -> None:
    """The clock stands still while there is something to do."""
    del ideal_sandbox
    before = anyio.current_time()
    for _ in range(10):
        await anyio.lowlevel.checkpoint()
    assert anyio.current_time() == before


#: What the README shows; someone pastes it into a project of theirs.
PASTED = """
import pytest
from ideal_async import ImageToVideo

@pytest.mark.anyio
async def test_a_tour_is_paid_once(ideal_client, ideal_sandbox, ideal_virtual_time):
    room = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p")
    first = await ideal_client.generate(room, key="order-42")
    again = await ideal_client.generate(room, key="order-42")
    assert first.id == again.id
    assert ideal_sandbox.credits == 10_000 - 10
"""

CONFTEST = """
import sys

AT_START = set(sys.modules)  # every installed plugin is loaded by now

def pytest_configure(config):
    config.at_start = AT_START
"""

IDLE = """
def test_nothing_is_imported_at_the_start(pytestconfig):
    assert "pytest_ideal_async" in pytestconfig.at_start
    assert "ideal_async" not in pytestconfig.at_start

def test_the_fixtures_are_known(request):
    assert request.getfixturevalue("ideal_sandbox").credits == 10_000
"""


#: Plugins of the group `tools` that take two seconds to import, and are about something else.
OTHERS = {"PYTEST_ADDOPTS": "-p no:ddtrace -p no:logfire -p no:pytest_logfire"}


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Lay the package out as an installation does: `"wheel"`, or `"editable"`, in place."""
    from hatchling import build as backend

    def install(kind: str) -> Path:
        place = tmp_path_factory.mktemp(kind)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(ROOT)
            wheel = place / getattr(backend, f"build_{kind}")(str(place))
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(place)
        wheel.unlink()
        return place

    return install


@pytest.mark.slow
@pytest.mark.checkout
@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_a_project_outside_uses_the_installed_plugin(kind: str, build: Callable[[str], Path], tmp_path: Path) -> None:
    """Nothing to configure: the fixtures are there, on both backends, and cost nothing where they are not used."""
    place = build(kind)
    (tmp_path / "conftest.py").write_text(CONFTEST, "utf-8")
    (tmp_path / "test_idle.py").write_text(IDLE, "utf-8")
    (tmp_path / "test_pasted.py").write_text(PASTED, "utf-8")
    # What pip does with an editable installation's .pth is done here by hand: PYTHONPATH knows no .pth.
    lines = [line for file in place.glob("*.pth") for line in file.read_text("utf-8").split()]
    others = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry and Path(entry) != ROOT]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio"],
        cwd=tmp_path,
        env={**os.environ, **OTHERS, "PYTHONPATH": os.pathsep.join([str(place), *lines, *others])},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert "4 passed" in run.stdout, run.stdout + run.stderr


def test_the_entry_point_loads_the_same_fixtures() -> None:
    """Whatever name it is loaded by, it is `pytest_plugin`'s code, from its place on the disk."""
    sys.modules.pop("ideal_async.pytest_ideal_async", None)
    loaded = importlib.import_module("ideal_async.pytest_ideal_async")
    assert str(loaded.__file__).endswith("pytest_plugin.py")
    assert callable(loaded.pytest_configure)


def test_the_entry_point_alone_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left over from an installation that was removed by hand."""
    sys.modules.pop("ideal_async.pytest_ideal_async", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ImportError, match="ideal_async, which is not installed"):
        importlib.import_module("ideal_async.pytest_ideal_async")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A user's project."""
    for name, value in OTHERS.items():
        monkeypatch.setenv(name, value)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    return pytester


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_pytest_asyncio_is_served(project: pytest.Pytester, mode: str) -> None:
    """Tests of pytest-asyncio get the same fixtures, in its event loop."""
    project.makepyfile(
        PASTED.replace("anyio", "asyncio")
        + "    assert ideal_sandbox.created[0].status == 'Success'\n"
        + """
@pytest.mark.asyncio
async def test_real_time(ideal_client):
    room = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p")
    assert (await ideal_client.generate(room)).succeeded
"""
    )
    result = project.runpytest_inprocess(
        "-p", "ideal_async.pytest_plugin", "-p", "pytest_asyncio", f"--asyncio-mode={mode}"
    )
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("fixtures", ["function", "session"])
@pytest.mark.parametrize("tests", ["function", "module", "session"])
def test_the_client_lives_in_the_event_loop_of_the_test(project: pytest.Pytester, tests: str, fixtures: str) -> None:
    """Whatever loop pytest-asyncio was told to use, for all tests or for one."""
    project.makeini(
        f"[pytest]\nasyncio_default_test_loop_scope = {tests}\nasyncio_default_fixture_loop_scope = {fixtures}\n"
    )
    marks = ["", *(f'(loop_scope="{scope}")' for scope in ("function", "class", "module", "package", "session"))]
    pasted = PASTED.partition("@pytest.mark.anyio")[2]
    project.makepyfile(
        "import pytest\nfrom ideal_async import ImageToVideo\n"
        + "\n".join(
            f"@pytest.mark.asyncio{mark}" + pasted.replace("paid_once", f"paid_once_{number}")
            for number, mark in enumerate(marks)
        )
    )
    result = project.runpytest_inprocess("-p", "ideal_async.pytest_plugin", "-p", "pytest_asyncio")
    result.assert_outcomes(passed=len(marks))


def test_two_runners_for_one_test_are_told_apart(project: pytest.Pytester) -> None:
    """pytest-asyncio's auto mode takes what is marked for anyio; the message names the setting."""
    project.makepyfile(PASTED)
    result = project.runpytest_inprocess(
        "-p", "ideal_async.pytest_plugin", "-p", "pytest_asyncio", "--asyncio-mode=auto"
    )
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(['*set asyncio_mode = "strict"*'])


def test_without_a_runner_the_message_names_one(project: pytest.Pytester) -> None:
    """A test that is not marked is told how."""
    project.makepyfile("def test_forgotten(ideal_client): ...")
    result = project.runpytest_inprocess("-p", "ideal_async.pytest_plugin", "-p", "no:asyncio")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*mark the test with @pytest.mark.anyio*"])


def test_a_trio_clock_that_does_not_jump_is_refused(project: pytest.Pytester) -> None:
    """Trio takes its clock at the start; a project that chose it says so in one line, and the message is that line."""
    project.makeconftest("import pytest\n@pytest.fixture\ndef anyio_backend(): return 'trio'")
    project.makepyfile(PASTED)
    result = project.runpytest_inprocess("-p", "ideal_async.pytest_plugin", "-p", "no:asyncio")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*MockClock(autojump_threshold=0)*"])


def test_a_foreign_event_loop_is_refused() -> None:
    """A loop without a selector of asyncio's keeps its clock to itself."""
    loop: Any = object()
    with pytest.raises(pytest.fail.Exception, match="asyncio's own event loop, not object"):
        pytest_plugin._jumping_loop(loop).__enter__()
