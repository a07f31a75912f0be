"""A store in a file: opened when it is made, alive by a lock file, never on a network's disk."""

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from ideal_async._errors import JournalFailed

from .contract import Intent
from .copies import check_complete
from .damage import check_copy, check_log, check_pages, is_in_use
from .failures import translate_errors
from .group_commit import GroupCommit
from .liveness import Owner, is_alive, remove_dead
from .place import check_alone, check_path, opening
from .schema import connect, create
from .store import Store, utc_now

#: Seconds to wait for another process: hundreds of commits on a slow disk (10 to 20 ms each).
TIMEOUT = 10.0
#: Seconds in which nobody can take an intent away: that needs a person, and the end of the process, whose lock says
#: that it lives. A process that was frozen is late, and asks. To ask each time made a submit 13 to 24 % dearer.
HOLDS_FOR = 0.05


def _check_early(db: sqlite3.Connection, path: str) -> None:
    """Refuse a copy before anything is changed in it; what is damaged is told later, and better."""
    with suppress(sqlite3.Error):
        check_complete(db, path)


class FileStore(Store):
    """A store in a file of SQLite's; its arguments are described at `Journal`."""

    _holds_for = HOLDS_FOR

    def __init__(
        self, path: str | os.PathLike[str], *, timeout: float = TIMEOUT, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._path = check_path(path)
        self._folder = Path(f"{self._path}-owners")
        self._name = f"journal {self._path!r}"
        self._timeout = timeout
        self._now = now
        self._owner: Owner | None = None
        self._claiming = threading.Lock()
        with translate_errors(self._path):
            create(self._path)
            check_alone(self._path)
        with translate_errors(self._path), opening(self._path, check_copy):
            self._open()

    def _open(self) -> None:
        in_use = is_in_use(self._path, self._folder)
        if not in_use:
            check_log(self._path)
        connect_ = partial(connect, self._path, timeout=self._timeout, check=_check_early)
        self._file = GroupCommit(self._path, connect_, timeout=self._timeout)
        try:
            if not in_use:
                self._commits.read(partial(check_pages, path=self._path))
            self._commits.read(partial(check_complete, path=self._path))
        except BaseException:
            self._file.refuse()
            raise
        try:
            self.sweep()
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"Journal({self._path!r})"

    @property
    def _commits(self) -> GroupCommit:
        return self._file

    def open(self) -> None:
        """Do nothing: the constructor has opened the file."""
        self._commits.check()

    def close(self) -> None:
        """Finish the writes under way and close the file; what is still intended then counts as `unknown`.

        Raises:
            JournalFailed: Something that has happened could not be written, now neither; the message names the ids.
        """
        lost = self._commits.close()
        if self._owner is not None:
            self._owner.release()
        if lost:
            listed = ", ".join(f"key {owed.key!r} is {owed}" for owed, _ in lost)
            raise JournalFailed(f"lost with the closing of journal {self._path!r}: {listed} ({lost[0][1]})")

    def idle(self) -> None:
        """Fold SQLite's log into the file, which then holds everything by itself; damage to a log costs most."""
        self._commits.fold()

    def confirm(self, intent: Intent) -> bool:
        """Ask whether *intent* still holds, in the file that this was; immediately before every single send."""
        self._commits.check_place()
        return bool(super().confirm(intent))

    def sweep(self) -> int:
        """Turn what dead owners were about to send into `unknown`, and clear their lock files away.

        Returns:
            The number of entries that became `unknown`.

        Raises:
            JournalFailed: It cannot be written.
        """
        found = super().sweep()
        remove_dead(self._folder)
        return found

    def _is_alive(self, owner: str, attempt: str | None = None) -> bool:
        return is_alive(self._folder, owner, attempt)

    def _claim(self) -> Owner:
        """Be alive, from the first intent on: who only reads leaves no lock file."""
        self._commits.check()
        if self._owner is not None:
            return self._owner
        with self._claiming, translate_errors(self._path):
            if self._owner is None:
                self._commits.check_place()
                self._owner = Owner(self._folder)
            return self._owner

    def _claimed(self) -> str | None:
        return None if self._owner is None else self._owner.id
