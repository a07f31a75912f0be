"""What the guide says is so: its commands, word for word, and its program, on both event loops."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cli_fixtures import Start
from processes import find_program, free_port
from servers import Postgres

import ideal_async.postgres

pytestmark = pytest.mark.slow
GUIDE = ideal_async.postgres.__doc__ or ""


@pytest.fixture
def from_here(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let libpq find the server as a person's computer does."""
    for name, value in (("PGHOST", "127.0.0.1"), ("PGPORT", str(postgres.port)), ("PGUSER", "tests")):
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("from_here", "alone")
def test_three_commands_show_it() -> None:
    """The second host has all the videos, and pays nothing."""
    (commands,) = re.findall("```console\n(.*?)```", GUIDE, re.DOTALL)
    assert len(re.findall(r"(?<!\\)\n", commands)) == 3
    port = str(free_port())  # somebody may have the usual one
    commands = commands.replace("sandbox --speed", f"sandbox --port {port} --speed").replace(":8000", f":{port}")
    places = [find_program("createdb", "", "usr/lib/postgresql/*/bin"), find_program("ideal-async", "")]
    path = os.pathsep.join([*(str(Path(place).parent) for place in places), os.environ["PATH"]])
    script = f"set -e; trap 'kill $(jobs -p); dropdb --force videos' EXIT\n{commands}"
    run = ["bash", "-c", script]
    done = subprocess.run(run, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert [len([*Path(host).glob("*.mp4")]) for host in ("one", "two")] == [3, 3]
    assert done.stderr.count("3 jobs, 3 to make for 30 credits") == 1
    assert "3 jobs, 0 to make for 0 credits" in done.stderr


@pytest.mark.usefixtures("from_here")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("scoped", ["async with", "with"])
def test_the_program_runs(service: Start, postgres_dsn: str, backend: str, scoped: str) -> None:
    """As it stands there, twice, and pays once."""
    sandbox = service(speed=100.0)
    program = textwrap.dedent(f"    import anyio{GUIDE.partition('    import anyio')[2].partition('The tables')[0]}")
    assert len([line for line in program.splitlines() if line.strip()]) <= 12
    for there, here in (
        ("async with PostgresJournal", f"{scoped} PostgresJournal"),
        ("/videos", urlsplit(postgres_dsn).path),
        ("anyio.run(main)", f"anyio.run(main, backend={backend!r})"),
    ):
        assert program.count(there) == 1
        program = program.replace(there, here)
    run = [sys.executable, "-c", program]
    said = [subprocess.run(run, capture_output=True, text=True, check=True).stdout for _ in range(2)]  # noqa: S603
    assert said[0] == said[1]
    assert said[0].endswith(".mp4\n")
    assert len(sandbox.created) == 1
