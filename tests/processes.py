"""A process that serves: on a free port of loopback, used when it answers, stopped by its own process id."""

import os
import shutil
import signal
import socket
import subprocess
import sys
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
    """Return where a program lies: in PATH, beside Python, or in the last folder that the pattern *elsewhere* fits."""
    places = sorted(Path("/").glob(elsewhere), reverse=True) if elsewhere else []
    path = os.pathsep.join(map(str, [os.environ.get("PATH", ""), Path(sys.executable).parent, *places]))
    return shutil.which(name, path=path) or missing(name, remedy)


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
            env={**os.environ, "HOME": str(log.parent)},  # no settings, nor credentials, of whoever runs the tests
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
def folder_of(user: str | None) -> Iterator[Path]:
    """Make a folder that another user can get at: pytest's own are for ours alone."""
    with tempfile.TemporaryDirectory(prefix="ideal-async-", ignore_cleanup_errors=True) as name:
        if user:
            shutil.chown(name, user)
        yield Path(name)
