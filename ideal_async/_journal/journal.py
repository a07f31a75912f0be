"""The journal: what was about to be sent, what was paid, and what became of it, across crashes and processes.

The life of a key, each step one durable transaction:

    (nothing) ──intend──> intended ──submitted──> submitted ──settle──> succeeded | failed
                             │  └────unknown────> unknown ──submitted (a late answer) or adopt──> submitted
                             ├─refused─> refused     └─release─> refused ──intend──> intended
                             └─withdraw─> as it was before

`intended` says that a request may be leaving right now. When its owner dies there, nobody can know whether it left: it
becomes `unknown`, and is never sent again until a person says so (`release`), or which task it became (`adopt`).
"""

import os
from datetime import datetime
from pathlib import Path
from typing import get_args

from ideal_async._errors import JournalFailed

from .control import Controlled
from .copies import UnknownKeys, back_up, restore
from .damage import check_copy, check_log, is_in_use
from .entries import encode_time
from .failures import translate_errors
from .file_store import TIMEOUT, FileStore
from .place import check_file, check_path, opening
from .repair import Repaired, repair
from .store import utc_now


class Journal(FileStore, Controlled):
    """Remembers on disk what every request became, so that no crash makes you pay twice.

    Give it to `AsyncClient(journal=...)`. Any number of clients, threads and processes of one user on one machine may
    use a file at the same time, all by one name: no hard link, no mount of the file alone. It must be on a **local
    disk**: the locks of network file systems cannot be trusted with money. It is made with mode 0600 and holds no
    secret: of every URL it leaves out the query string, the fragment, user and password. Prompts and your keys stand in
    it as they are; a key, and the name of an account, is any text of at most 1,000 bytes of UTF-8 without U+0000.
    Copies are made by `backup`, which marks them; of a plain copy (`cp`, a snapshot of the disk) nothing tells that it
    has forgotten what was paid since, and that would be paid again.

    Close it, or use it in a `with` block, after the clients that use it. It has no thread of its own. Every method may
    be called from any thread; those that write return when it is on the disk.

    Args:
        path: Of the file; its folder must exist. Beside it come SQLite's `-wal` and `-shm` files, which belong to it,
            and a folder `-owners` of lock files, which tell living processes from dead ones.
        timeout: Seconds to wait while another process writes.
        now: Tells the time, with a time zone.

    Raises:
        JournalFailed: The file cannot be used: it has no folder, is not writable, damaged, another program's, of a
            newer version of this library, or locked for longer than *timeout*. The message names the fix.
        ValueError: *path* names no file.

    Example:
        >>> import pathlib, tempfile
        >>> with Journal(pathlib.Path(tempfile.mkdtemp()) / "orders.journal") as journal:
        ...     [(entry.key, entry.credits) for entry in journal.entries("unknown")]
        []
    """

    def backup(self, path: str | os.PathLike[str]) -> None:
        """Copy the journal into a file of its own, in use or not.

        The copy has forgotten what is paid from now on: it is marked, and no journal until `restore` was told what to
        do with keys that it does not know.

        Args:
            path: Of the copy; nothing may be there.

        Raises:
            FileExistsError: Something is there.
            JournalFailed: The disk or the database failed.
        """
        self._commits.check()
        with translate_errors(self._path, FileExistsError):
            back_up(self._path, check_path(path), self._time(), timeout=self._timeout)

    @staticmethod
    def restore(path: str | os.PathLike[str], *, unknown_keys: UnknownKeys) -> datetime:
        """Make a journal of a backup, or of what `repair` has saved only a part of.

        Args:
            path: Of the copy, which becomes the journal; bring it to its place first.
            unknown_keys: What to do with keys that it does not know: `"doubt"` answers `SubmissionUnknown` until a
                person releases or adopts each of them, `"send"` sends, and pays, them. It may be said anew at any time.

        Returns:
            The time from which payments are missing.

        Raises:
            ValueError: It is no such copy, or *unknown_keys* is another word.
            JournalFailed: The disk or the database failed.
        """
        if unknown_keys not in get_args(UnknownKeys):
            raise ValueError(f"unknown_keys must be one of {', '.join(get_args(UnknownKeys))}, not {unknown_keys!r}")
        real = check_file(path)
        with translate_errors(real), opening(real, check_copy):
            check_log(real)
            return restore(real, unknown_keys, timeout=TIMEOUT)

    @staticmethod
    def repair(path: str | os.PathLike[str]) -> Repaired:
        """Save what can be saved of a damaged journal that nobody uses; the damaged file is kept beside it.

        Returns:
            What became of it: how many *entries* are in it now, *missing_since* when what was sent may be missing
            (`None`: nothing is), where the damaged file is *kept*, and *how* it was done.

        Raises:
            JournalFailed: Nothing can be saved, or a living process uses it.
        """
        real = check_file(path)
        with translate_errors(real):
            if is_in_use(real, Path(f"{real}-owners")):
                raise JournalFailed(f"journal {real!r} is in use: end every program that uses it, then repair it")
            check_copy(real)
            return repair(real, encode_time(utc_now()), timeout=TIMEOUT)
