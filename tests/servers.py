"""Real servers for tests: on a free port of loopback, used when they answer, stopped by their own process ids.

A test asks for the fixture `postgres_dsn`: an empty database of its own, on a server that the whole session (one worker
of pytest-xdist) shares. A test that stops or kills a server opens one for itself: `with open_postgres() as server:`.
Where the program is missing the test is skipped and says how to get it; in CI it fails instead.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import SystemRandom
from typing import NoReturn, Self

import pytest

#: Ports that no kernel hands out by itself (Linux: from 32768 on), so that nobody's connection takes one meanwhile.
PORTS = range(20_000, 32_768)
#: Seconds until a server answers, on a machine that is busy with other things; then its own words are shown.
PATIENCE = 60.0
#: Seconds that a server has to stop in an orderly way.
GRACE = 20.0


def missing(what: str, remedy: str) -> NoReturn:
    """Skip the test, with the remedy; where nothing may be missing (CI), fail it."""
    message = f"{what} is not installed: {remedy}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def find_program(name: str, remedy: str, elsewhere: str = "") -> str:
    """Return where a program lies: in PATH, or in the last folder that the pattern *elsewhere* fits."""
    places = sorted(str(path) for path in Path("/").glob(elsewhere)) if elsewhere else []
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(reversed(places))) or missing(name, remedy)


def free_port() -> int:
    """Return a port of loopback on which nobody listens."""
    while True:
        port = SystemRandom().choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def listens(port: int) -> bool:
    """Tell whether somebody accepts connections there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def spawn(command: Sequence[str], log: Path, user: str | None = None) -> subprocess.Popen[bytes]:
    """Start a program in the folder of its log, as another user if one is named."""
    with log.open("wb") as said:
        return subprocess.Popen(  # noqa: S603 - a program that the test needs
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=log.parent,
            user=user,
            group=user,
            extra_groups=[] if user else None,
        )


class Server:
    """A process that serves; it may be stopped or killed, and started again on the same port.

    Args:
        command: The command line for a port.
        folder: Where it runs; its log is made there.
        answers: Whether it serves on a port.
        user: Whose process it is, if not ours.
        stop_with: The signal at which it ends in an orderly way.
        kill_with: The signal at which it and its children end in a disorderly one.
    """

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        folder: Path,
        *,
        answers: Callable[[int], bool] = listens,
        user: str | None = None,
        stop_with: signal.Signals = signal.SIGTERM,
        kill_with: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.port = free_port()
        self._command, self._answers, self._user = command, answers, user
        self._stop_with, self._kill_with = stop_with, kill_with
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it answers. A port that was taken meanwhile is changed for another."""
        assert self._process is None, "it runs already"
        for _ in range(5):
            process = self._process = spawn(self._command(self.port), self._log, self._user)
            deadline = time.monotonic() + PATIENCE
            while process.poll() is None and time.monotonic() < deadline:
                if self._answers(self.port):
                    return
                time.sleep(0.02)
            self.kill()
            if "in use" not in self.log:
                break
            self.port = free_port()
        pytest.fail(f"the server does not answer:\n{self.log[-4000:]}")

    def stop(self) -> None:
        """Ask it to end; if it does not, kill it."""
        self._end(self._stop_with)

    def kill(self) -> None:
        """Pull the plug."""
        self._end(self._kill_with)

    @contextmanager
    def serving(self) -> Iterator[Self]:
        """Start it now, and stop it in the end."""
        self.start()
        try:
            yield self
        finally:
            self.stop()

    @property
    def log(self) -> str:
        """What it said since it was started."""
        return self._log.read_text("utf-8", "replace")

    def _end(self, by: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(by)
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def _folder_of(user: str | None) -> Iterator[Path]:
    """Make a folder that another user can get at: pytest's own are for ours alone."""
    with tempfile.TemporaryDirectory(prefix="ideal-async-", ignore_cleanup_errors=True) as name:
        if user:
            shutil.chown(name, user)
        yield Path(name)


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
    # Durable against the death of its processes. The machine's own is not tested, and syncing is slow.
    settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "max_connections": 200}
    with _folder_of(user) as folder:
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


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of this process that do not stop it."""
    with open_postgres() as server:
        yield server


@pytest.fixture
def postgres_dsn(postgres: Postgres) -> Iterator[str]:
    """An empty database for this test."""
    with postgres.database() as dsn:
        yield dsn
