"""What differs on Windows and macOS, each behind one seam; here its other branch runs, on whatever system this is.

| what differs | seam | tests |
|---|---|---|
| the lock of a download, open files that are renamed, folders | `_part.ON_POSIX` | `test_download.py` |
| file systems without locks | `_part.NO_LOCKS` | `test_download.py` |
| links that are not followed (`O_NOFOLLOW`) | `_part.Part.open` | `test_download.py` |
| the lock that tells whether a journal's owner lives | `_journal.liveness` | `test_journal_liveness.py` |
| a journal's new name survives a power cut | `_journal.schema._SYNCS_FOLDERS` | `test_journal_schema.py` |
| mode 0600 of a journal, its backups and locks | `_journal.schema.make_private` | `test_journal.py`, and below |
| files that are mounted by themselves, as Linux lists them | `_journal.place._MOUNTS` | `test_journal_disk.py` |
| a scratch folder of this user alone | `buckets.Bucket.scratch` | below |
| names that Windows keeps for itself | `_names.safe_name` | below |
| a pipe whose reader has left | `cli._endings._CLOSED_PIPE` | `test_cli_net.py` |
| there is no SIGHUP on Windows | `cli._run._POLITE` | below |
| asyncio hears no signals on Windows | `temporal._worker._signals` | below |
| fork | `_background` | `test_client.py` |
"""

import ast
import asyncio
import importlib.util
import os
import signal
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

import ideal_async
from ideal_async import Journal, safe_name
from ideal_async.buckets import Bucket
from ideal_async.cli import _run
from ideal_async.temporal import _worker

PACKAGE = Path(ideal_async.__path__[0])
#: The files that may ask which system this is: the seams above.
SEAMS = {
    "_part.py",
    "_journal/liveness.py",
    "_journal/schema.py",
    "buckets/_bucket.py",
    "cli/_endings.py",
    "cli/_run.py",
}


def asks_for_the_system(tree: ast.AST) -> bool:
    """Tell whether code looks at `os.name` or `sys.platform`, or whether `os` or `signal` has something."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute() if ast.unparse(node) in {"os.name", "sys.platform"}:
                return True
            case ast.Call(func=ast.Name("hasattr" | "getattr"), args=[ast.Name("os" | "signal"), *_]):
                return True
            case _:
                pass
    return False


@pytest.mark.checkout
def test_there_is_no_other_seam() -> None:
    """Whoever needs another one writes it into the table above, with its test."""
    asking = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if asks_for_the_system(ast.parse(path.read_text("utf-8")))
    }
    assert asking == SEAMS


def test_where_there_are_no_users_the_scratch_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has neither `os.getuid` nor a folder for all: the temporary one is the user's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delattr(os, "getuid", raising=False)
    folder = Bucket("s3://photos").scratch
    assert folder.parent == tmp_path
    assert Bucket("s3://photos").scratch == folder


def test_somebody_elses_scratch_folder_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a temporary folder is for all, anybody could have made it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mine = Bucket("s3://photos").scratch
    theirs = mine.with_name("theirs")
    mine.rmdir()
    theirs.mkdir()
    mine.symlink_to(theirs, target_is_directory=True)
    with pytest.raises(PermissionError, match="belongs to somebody else: pass scratch="):
        _ = Bucket("s3://photos").scratch


@pytest.mark.skipif(sys.platform == "win32", reason="has no modes")
def test_a_journal_is_private_whatever_the_mask(tmp_path: Path) -> None:
    """Mode 0600, also where everything else may be read by all."""
    before = os.umask(0)
    try:
        with Journal(tmp_path / "orders.journal"):
            modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("orders.journal*") if path.is_file()}
    finally:
        os.umask(before)
    assert modes == {0o600}


@pytest.mark.parametrize(
    ("text", "name"),
    [("con", "_con"), ("COM1.backup", "_COM1.backup"), ("lpt¹", "_lpt¹"), ("nul .txt", "_nul .txt"), ("a:b", "a_b")],
)
def test_names_of_windows_are_nobodys(text: str, name: str) -> None:
    """On every system, for folders travel."""
    assert safe_name(text) == name


def test_where_there_is_no_sighup_sigterm_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The room is loaded once more, as on Windows."""
    monkeypatch.delattr(signal, "SIGHUP", raising=False)
    spec = importlib.util.spec_from_file_location("ideal_async.cli._run_elsewhere", _run.__file__)
    assert spec is not None
    assert spec.loader is not None
    room = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(room)
    assert room._POLITE == [signal.SIGTERM]


def test_where_asyncio_hears_no_signals_a_worker_runs_all_the_same() -> None:
    """It is then ended by whoever runs it."""

    def refuse(*_: object) -> None:
        raise NotImplementedError

    async def main() -> bool:
        loop: Any = asyncio.get_running_loop()
        loop.add_signal_handler = refuse
        asked = asyncio.Event()
        with _worker._signals(asked):
            return asked.is_set()

    assert not asyncio.run(main())
