"""The servers that other tests lean on: they answer, they come back after a crash, and nothing of them is left."""

import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx
import processes
import pytest
from processes import PORTS, Server, find_program, free_port, listens
from servers import Postgres, open_postgres, open_redis, open_temporal

pytestmark = pytest.mark.slow

REMEDY = "get it from its shop"


def test_what_is_missing_is_skipped_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop is told how to get it; CI must not be content."""
    for ci, outcome in (("", pytest.skip.Exception), ("true", pytest.fail.Exception)):
        monkeypatch.setenv("CI", ci)
        with pytest.raises(outcome, match=f"no-such-server is not installed: {REMEDY}"):
            find_program("no-such-server", REMEDY, "usr/lib/*/bin")


def test_a_port_is_free_and_not_the_kernels() -> None:
    """Of those that no connection is given by chance."""
    port = free_port()
    assert port in PORTS
    assert not listens(port)


def python(program: str, _port: int) -> list[str]:
    return [sys.executable, "-c", program]


def a_web_server(port: int) -> list[str]:
    return [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]


def test_a_port_that_is_taken_is_changed_for_another(tmp_path: Path) -> None:
    """Somebody came between the choice and the start."""
    first = Server(a_web_server, tmp_path)
    (tmp_path / "second").mkdir()
    with first.serving():
        second = Server(a_web_server, tmp_path / "second", answers=lambda port: port != first.port and listens(port))
        second.port = first.port
        with second.serving():
            assert second.port != first.port
            assert listens(second.port)
    assert not listens(first.port)
    assert not listens(second.port)


def test_who_does_not_answer_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It died, or it takes too long."""
    monkeypatch.setattr(processes, "PATIENCE", 0.5)
    for program in ("raise SystemExit('I will not')", "import time; print('I will not', flush=True); time.sleep(60)"):
        mute = Server(partial(python, program), tmp_path)
        with pytest.raises(pytest.fail.Exception, match="I will not"):
            mute.start()


def test_who_does_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test run ends."""
    monkeypatch.setattr(processes, "GRACE", 0.2)
    program = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(99)"
    deaf = Server(partial(python, program), tmp_path, answers=lambda _: "deaf" in deaf.log)
    with deaf.serving():
        pass
    deaf.start()
    deaf.kill()


def test_each_test_has_a_database_of_its_own(postgres: Postgres, postgres_dsn: str) -> None:
    """Empty when it begins, gone when it is over."""
    with postgres.database() as another:
        assert another != postgres_dsn
        assert postgres_dsn.endswith(tuple(postgres.say("SELECT datname FROM pg_database").split()))
    assert not another.endswith(tuple(postgres.say("SELECT datname FROM pg_database").split()))


def test_postgres_comes_back_after_a_crash() -> None:
    """What was committed is there; the port is the same; no file and no process is left in the end."""
    with open_postgres() as server:
        dsn = server.dsn()
        server.say("CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)")
        server.kill()
        assert not listens(server.port)
        server.start()
        assert server.dsn() == dsn
        assert server.say("SELECT n FROM kept") == "42\n"
        assert "not properly shut down" in server.log
        folder = Path(server.say("SHOW data_directory").strip()).parent
    assert not folder.exists()
    assert not listens(server.port)


def say_to_redis(url: str, *words: str) -> bytes:
    with socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0)) as connection:
        connection.sendall(" ".join(words).encode() + b"\r\n")
        return connection.recv(1000)


def test_redis_is_empty_and_survives_a_crash(redis_url: str) -> None:
    """A queue is there again when its server is."""
    assert say_to_redis(redis_url, "DBSIZE") == b":0\r\n"
    with open_redis() as server:
        url = f"redis://127.0.0.1:{server.port}"
        assert say_to_redis(url, "SET", "kept", "42") == b"+OK\r\n"
        server.kill()
        server.start()
        assert say_to_redis(url, "GET", "kept") == b"$2\r\n42\r\n"


@pytest.mark.parametrize("time", ["first", "second"])
def test_s3_forgets(s3_url: str, time: str) -> None:
    """Each test begins without buckets."""
    assert "<Name>photos</Name>" not in httpx.get(s3_url).text, time
    assert httpx.put(f"{s3_url}/photos").status_code == 200
    assert "<Name>photos</Name>" in httpx.get(s3_url).text


def test_azurite_knows_its_account(azurite_url: str) -> None:
    """Whoever does not sign is told so by the real thing."""
    refused = httpx.get(azurite_url, params={"comp": "list"})
    assert (refused.status_code, refused.headers["server"][:13]) == (403, "Azurite-Blob/")


def test_temporal_remembers_after_a_crash() -> None:
    """What was started goes on."""
    with open_temporal() as server:
        temporal = find_program("temporal", "")

        def say(*words: str) -> str:
            command = [temporal, *words, "--address", f"127.0.0.1:{server.port}"]
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603

        say("workflow", "start", "--type", "Tour", "--task-queue", "nobody", "--workflow-id", "tour-1")
        server.kill()
        server.start()
        assert "tour-1" in say("workflow", "describe", "--workflow-id", "tour-1")


def test_temporal_serves(temporal_address: str) -> None:
    """The shared one."""
    assert listens(int(temporal_address.rpartition(":")[2]))
