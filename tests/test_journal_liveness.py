"""Owners: who lives, told by a lock the kernel drops at death; the same rules with either kernel."""

import errno
import importlib.util
import os
import pathlib
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ideal_async._journal import liveness


class Kernel:
    """File locks of processes that we pretend to be, one after the other.

    A lock belongs to a process and an inode, as `fcntl.lockf` has it; `msvcrt.locking` is told apart by what it raises.
    """

    LOCK_EX, LOCK_NB, LK_NBLCK = 2, 4, 3

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.process = 1
        self.locks: dict[int, int] = {}
        self.on_lock: list[Callable[[], object]] = []
        monkeypatch.setattr(os, "getpid", lambda: self.process)

    def kill(self, process: int) -> None:
        """Drop the locks of a process."""
        self.locks = {inode: holder for inode, holder in self.locks.items() if holder != process}

    def lockf(self, descriptor: int, flags: int, length: int = 0, start: int = 0) -> None:
        """As `fcntl.lockf`."""
        assert (length, start) in {(0, 0), (1, 128)}
        assert flags == self.LOCK_EX | self.LOCK_NB
        self._lock(descriptor, BlockingIOError(errno.EAGAIN, "held"))

    def locking(self, descriptor: int, mode: int, size: int) -> None:
        """As `msvcrt.locking`."""
        assert (mode, size) == (self.LK_NBLCK, 1)
        self._lock(descriptor, PermissionError(errno.EACCES, "held"))

    def _lock(self, descriptor: int, refusal: OSError) -> None:
        if self.on_lock:
            self.on_lock.pop()()
        inode = os.fstat(descriptor).st_ino
        if self.locks.setdefault(inode, self.process) != self.process:
            raise refusal


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


@pytest.fixture(params=["linux", "win32"])
def owners(request: pytest.FixtureRequest, kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The room as it is on POSIX and as it is on Windows, upon that kernel."""
    monkeypatch.setattr(sys, "platform", request.param)
    for name in ("fcntl", "msvcrt"):
        monkeypatch.setitem(sys.modules, name, kernel)
    spec = importlib.util.spec_from_file_location("owners_of_a_test", liveness.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "owners"


class Thing:
    """Something an owner is busy with."""


@pytest.fixture
def busy(owners: Any, folder: pathlib.Path) -> Iterator[tuple[Any, Thing]]:
    """An owner of process 1, busy with "job"."""
    owner, thing = owners.Owner(folder), Thing()
    owner.held["job"] = thing
    yield owner, thing
    owner._file.close()


def test_an_owner_lives_until_its_process_dies(owners: Any, kernel: Kernel, folder: pathlib.Path, busy: Any) -> None:
    """Other processes see the lock; when it is gone, so is the owner, and its file goes too."""
    owner, _ = busy
    assert owners.is_alive(folder, owner.id, "job")
    kernel.process = 2
    assert owners.is_alive(folder, owner.id, "job")
    kernel.kill(1)
    assert not owners.is_alive(folder, owner.id, "job")
    assert not list(folder.iterdir())
    assert not owners.is_alive(folder, owner.id, "job")


def test_our_own_file_is_never_opened_again(
    owners: Any, folder: pathlib.Path, busy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing it would drop the lock (POSIX): an owner of this process is known without a look."""
    owner, _ = busy
    monkeypatch.setattr(owners, "_is_locked", pytest.fail)
    assert owners.is_alive(folder, owner.id, "job")
    owners.remove_dead(folder)


def test_an_owner_forgets_what_nobody_remembers(owners: Any, folder: pathlib.Path) -> None:
    """It is dead for that job, though its process lives."""
    owner, thing = owners.Owner(folder), Thing()
    owner.held["job"] = thing
    assert owners.is_alive(folder, owner.id, "job")
    assert not owners.is_alive(folder, owner.id, "another job")
    del thing
    assert not owners.is_alive(folder, owner.id, "job")
    owner.release()


def test_a_released_owner_is_dead(owners: Any, kernel: Kernel, folder: pathlib.Path, busy: Any) -> None:
    """Its file is gone, at once and for everybody, whatever it was busy with."""
    owner, _ = busy
    owner.release()
    assert not owners.is_alive(folder, owner.id, "job")
    assert not list(folder.iterdir())
    kernel.process = 2
    assert not owners.is_alive(folder, owner.id, "job")


def test_a_forked_child_is_not_its_parent(owners: Any, kernel: Kernel, folder: pathlib.Path, busy: Any) -> None:
    """It inherits the table but not the lock: it asks the kernel, and cannot release for its parent."""
    owner, _ = busy
    kernel.process = 2
    owner.release()
    owners.remove_dead(folder)
    assert owners.is_alive(folder, owner.id, "a job the child cannot know")
    kernel.kill(1)
    assert not owners.is_alive(folder, owner.id, "job")


def test_only_the_dead_are_removed(owners: Any, kernel: Kernel, folder: pathlib.Path, busy: Any) -> None:
    """Tidying up deletes the files that nobody has locked."""
    owner, _ = busy
    kernel.process = 2
    dead = owners.Owner(folder)
    kernel.process = 3
    kernel.kill(2)
    owners.remove_dead(folder)
    assert [path.name for path in folder.iterdir()] == [owner.id]
    dead._file.close()


def test_tidying_up_may_find_nothing_or_nothing_allowed(owners: Any, folder: pathlib.Path) -> None:
    """No folder, or one whose entries cannot be deleted: nobody needs it that much."""
    owners.remove_dead(folder)
    (folder / "a folder").mkdir(parents=True)
    owners.remove_dead(folder)
    assert (folder / "a folder").is_dir()


def test_a_file_taken_away_before_it_was_locked_is_made_anew(owners: Any, kernel: Kernel, folder: pathlib.Path) -> None:
    """Somebody who tidies up may come between: the owner takes another id, and nobody is locked out or in."""

    def tidy_up() -> None:
        for path in folder.iterdir():
            path.unlink()

    kernel.on_lock = [tidy_up]
    owner = owners.Owner(folder)
    assert [path.name for path in folder.iterdir()] == [owner.id]
    assert len(owners._ours) == 1
    owner.release()


def test_a_file_locked_by_who_tidies_up_is_made_anew(owners: Any, kernel: Kernel, folder: pathlib.Path) -> None:
    """The same, a moment earlier: the other has the lock and is about to delete the file."""

    def look_at_it() -> None:
        (path,) = folder.iterdir()
        kernel.locks[path.stat().st_ino] = 2

    kernel.on_lock = [look_at_it]
    owner = owners.Owner(folder)
    assert [path.name for path in folder.iterdir()] == [owner.id]
    owner.release()


def test_a_disk_without_locks_is_an_error(owners: Any, kernel: Kernel, folder: pathlib.Path) -> None:
    """No claim is better than one that nobody can check; and nothing is left open."""

    def fail() -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    kernel.on_lock = [fail]
    with pytest.raises(OSError, match="No locks available"):
        owners.Owner(folder)
    assert not list(folder.iterdir())


def test_windows_deletes_no_open_file(
    owners: Any, kernel: Kernel, folder: pathlib.Path, busy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There a dead owner's file goes when it is closed, or stays until somebody can delete it."""
    owner, _ = busy
    owner._file.close()
    kernel.kill(1)
    kernel.process = 2
    tries: list[pathlib.Path] = []
    unlink = pathlib.Path.unlink

    def refuse_at_first(path: pathlib.Path) -> None:
        tries.append(path)
        if len(tries) < 2:
            raise PermissionError(errno.EACCES, "in use")
        unlink(path)

    monkeypatch.setattr(pathlib.Path, "unlink", refuse_at_first)
    assert not owners.is_alive(folder, owner.id, "job")
    assert len(tries) == 2
    assert not list(folder.iterdir())


def test_a_look_that_fails_is_no_death(owners: Any, folder: pathlib.Path) -> None:
    """Without a descriptor left nobody knows; the caller is told instead of guessing."""
    (folder / "an owner").mkdir(parents=True)  # opening a folder fails for every user
    with pytest.raises(OSError, match="an owner"):
        owners.is_alive(folder, "an owner", "job")


def test_a_database_of_another_process_is_told_by_its_lock(owners: Any, kernel: Kernel, tmp_path: pathlib.Path) -> None:
    """The one that SQLite holds on its shared memory; Windows cannot tell. No file, no process."""
    shared = tmp_path / "orders.journal-shm"
    assert not owners.is_mapped_elsewhere(shared)
    shared.touch()
    kernel.locks[shared.stat().st_ino] = 2
    assert owners.is_mapped_elsewhere(shared) == (sys.platform != "win32")
    kernel.kill(2)
    assert not owners.is_mapped_elsewhere(shared)


def test_anyone_alive_is_found(owners: Any, kernel: Kernel, folder: pathlib.Path, busy: Any) -> None:
    """Of this process or of another; a dead one is nobody."""
    assert not owners.is_anyone_alive(folder / "nowhere")
    assert owners.is_anyone_alive(folder)
    kernel.process = 2
    assert owners.is_anyone_alive(folder)
    kernel.kill(1)
    assert not owners.is_anyone_alive(folder)
    del busy


def test_the_room_in_use_is_the_one_of_this_system() -> None:
    """The tests above load a copy; this is about the original."""
    assert isinstance(liveness, types.ModuleType)
    assert hasattr(liveness, "msvcrt") == (sys.platform == "win32")
