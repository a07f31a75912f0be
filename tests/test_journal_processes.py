"""One file, many processes: real ones, which are killed."""

import multiprocessing
import pathlib
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from ideal_async import ImageToVideo
from ideal_async._journal import Busy, Entry, Intent, Journal

pytestmark = pytest.mark.slow

API = "https://api.ideal.house:443"
ROOM = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="720p")
HEAD = f"""
import os, resource, signal, sys, time
from ideal_async import ImageToVideo, JournalFailed
from ideal_async._journal import Journal
API = {API!r}
ROOM = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="720p")
path = sys.argv[1]
"""


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "orders.journal"


class Child:
    """Another process that runs *code* after `HEAD`; it says lines, and waits for ours."""

    def __init__(self, code: str, path: pathlib.Path) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own code
            [sys.executable, "-c", HEAD + textwrap.dedent(code), path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hear(self) -> str:
        """Wait for a line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        """Pull the plug."""
        self.process.kill()
        assert self.process.wait() == -signal.SIGKILL

    def end(self) -> int:
        """Let it go on, and wait for its end."""
        self.process.communicate("\n")
        return self.process.returncode


@pytest.fixture
def children() -> Iterator[Any]:
    born: list[Child] = []

    def bear(code: str, path: pathlib.Path) -> Child:
        born.append(Child(code, path))
        return born[-1]

    yield bear
    for child in born:
        child.process.kill()
        child.process.communicate()


SENDER = """
journal = Journal(path)
intent = journal.intend(API, "order", ROOM, 20)
print("intended", flush=True)
sys.stdin.readline()
journal.submitted(intent, 7)
print("submitted", flush=True)
sys.stdin.readline()
"""


def test_a_living_process_is_waited_for(path: pathlib.Path, children: Any) -> None:
    """It may take its time; when it has the id, the key answers with it."""
    with Journal(path) as journal:
        child = children(SENDER, path)
        assert child.hear() == "intended"
        assert journal.sweep() == 0
        assert isinstance(journal.intend(API, "order", ROOM, 20), Busy)
        assert child.end() == 0
        found = journal.find(API, "order")
        assert found is not None
        assert (found.state, found.task_id) == ("submitted", 7)


def test_a_killed_process_leaves_an_unknown(path: pathlib.Path, children: Any) -> None:
    """The kernel tells at once, whatever the clock says; the next to ask with that key is told."""
    with Journal(path) as journal:
        child = children(SENDER, path)
        assert child.hear() == "intended"
        child.kill()
        entry = journal.intend(API, "order", ROOM, 20)
        assert isinstance(entry, Entry)
        assert entry.state == "unknown"
        (own,) = pathlib.Path(f"{path}-owners").iterdir()
        assert journal._owner is not None
        assert own.name == journal._owner.id, "the lock file of the dead is gone"


def test_what_a_killed_process_wrote_is_on_the_disk(path: pathlib.Path, children: Any) -> None:
    """Every call that returned is there, and whoever opens the journal next finds the rest in doubt."""
    child = children(
        """
        journal = Journal(path)
        for number in range(50):
            intent = journal.intend(API, f"{number}", ROOM, 20)
            if number % 2:
                journal.submitted(intent, number)
            print(number, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        path,
    )
    child.process.wait()
    with Journal(path) as journal:
        states = [entry.state for entry in journal.entries()]
        assert states == ["unknown", "submitted"] * 25


def test_a_forked_child_keeps_no_dead_parent_alive(path: pathlib.Path, children: Any) -> None:
    """A worker that a server forked lives on when the server dies; the server's intents are in doubt all the same."""
    parent = children(
        """
        journal = Journal(path)
        intent = journal.intend(API, "order", ROOM, 20)
        if os.fork() == 0:
            sys.stdin.readline()
            os._exit(0)
        print("intended", flush=True)
        time.sleep(60)
        """,
        path,
    )
    assert parent.hear() == "intended"
    with Journal(path) as journal:
        assert journal.sweep() == 0
        parent.kill()
        assert journal.sweep() == 1


def test_a_forked_child_is_refused_and_harms_nothing(path: pathlib.Path, children: Any) -> None:
    """It is told to open its own; what it does with the parent's, even closing it, the parent does not feel."""
    child = children(
        """
        journal = Journal(path)
        intent = journal.intend(API, "order", ROOM, 20)
        child = os.fork()
        if child == 0:
            try:
                journal.submitted(intent, 7)
            except RuntimeError as error:
                assert "open a Journal in the child process" in str(error)
                journal.close()
                with Journal(path) as own:
                    assert own.sweep() == 0, "the parent lives"
                    assert own.find(API, "order").state == "intended"
                    held = own.intend(API, "child", ROOM, 20)
                    own.submitted(held, 8)
                os._exit(42)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 42
        journal.submitted(intent, 7)
        print([entry.task_id for entry in journal.entries("submitted")], flush=True)
        journal.close()
        """,
        path,
    )
    assert child.hear() == "[7, 8]"
    assert child.end() == 0


def test_a_full_disk_is_an_error_before_anything_is_sent(path: pathlib.Path, children: Any) -> None:
    """A real one, as the kernel reports it; the journal is whole afterwards."""
    child = children(
        """
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        journal, went = Journal(path), []
        try:
            for number in range(10_000):
                went.append(journal.intend(API, f"{number}", ROOM, 20))
        except JournalFailed as error:
            print(len(went), error, flush=True)
        """,
        path,
    )
    number, _, message = child.hear().partition(" ")
    assert message.startswith(f"journal {str(path)!r}: ")
    assert "disk" in message
    assert child.end() == 0
    with Journal(path) as journal:
        found = [entry.key for entry in journal.entries("unknown")]
        # One commit may have reached the disk although its writer was told that it failed: that is doubt, not loss.
        assert found[: int(number)] == [f"{went}" for went in range(int(number))]
        assert len(found) - int(number) in {0, 1}


def test_an_id_that_found_no_room_is_told_and_lost_aloud(path: pathlib.Path, children: Any) -> None:
    """A real full disk between intent and id: the key answers in that process, and closing names the id."""
    child = children(
        """
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        journal = Journal(path)
        intent = journal.intend(API, "order", ROOM, 20)
        resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(path + "-wal"), resource.RLIM_INFINITY))
        try:
            journal.submitted(intent, 7)
        except JournalFailed as error:
            print(error.task_id, flush=True)
        print(journal.intend(API, "order", ROOM, 20).task_id, flush=True)
        try:
            journal.close()
        except JournalFailed as error:
            print(error, flush=True)
        """,
        path,
    )
    assert [child.hear(), child.hear()] == ["7", "7"]
    assert "key 'order' is submitted as task 7" in child.hear()
    assert child.end() == 0
    with Journal(path) as journal:
        assert [entry.state for entry in journal.entries()] == ["unknown"]


def test_a_read_only_file_is_an_error_at_once(children: Any) -> None:
    """Found when the journal is opened, long before money is at stake."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "orders.journal"
        Journal(path).close()
        child = children(
            """
            os.chmod(path, 0o400)
            if os.geteuid() == 0:  # no mode stops root: become somebody else, to whom file and folder belong
                for place in (path, os.path.dirname(path)):
                    os.chown(place, 65534, 65534)
                os.setuid(65534)
            try:
                Journal(path)
            except JournalFailed as error:
                print(error, flush=True)
            """,
            path,
        )
        assert "is read-only: make the file and its folder writable for this user" in child.hear()
        assert child.end() == 0


def race(path: str, keys: int, start: Any, answers: Any) -> None:
    """What one of the processes below does."""
    with Journal(path) as journal:
        start.wait()
        went = []
        for number in range(keys):
            answer = journal.intend(API, f"{number}", ROOM, 20)
            if isinstance(answer, Intent):
                journal.submitted(answer, number + 1)
                went.append(number)
        answers.put((went, sum(1 for _ in journal.entries("unknown"))))


def test_of_many_processes_one_sends(path: pathlib.Path) -> None:
    """The same keys from several processes at once: each goes out once, and nobody takes the living for dead."""
    context = multiprocessing.get_context("spawn")
    count, keys = 4, 10
    start, answers = context.Barrier(count), context.Queue()
    processes = [context.Process(target=race, args=(str(path), keys, start, answers)) for _ in range(count)]
    for process in processes:
        process.start()
    went: list[int] = []
    for _ in processes:
        sent, unknown = answers.get()
        went += sent
        assert unknown == 0
    for process in processes:
        process.join()
        assert process.exitcode == 0
        process.close()
    answers.close()
    answers.join_thread()
    assert sorted(went) == list(range(keys))
    with Journal(path) as journal:
        assert len(list(journal.entries("submitted"))) == keys
