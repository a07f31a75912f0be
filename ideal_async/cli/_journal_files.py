"""`ideal-async journal` about the file: copied, made a journal of again, repaired."""

import shlex
from pathlib import Path
from typing import Literal, cast

from ideal_async import Journal

from ._places import find, place_of
from ._terminal import DONE, IN_DOUBT, Refused, counted, refused, say

#: What the library says of a journal that is in order; the copy it made of it is not needed.
_SOUND = "there was nothing to repair"
UnknownKeys = Literal["doubt", "send"]


def backup(path: str, target: Path) -> int:
    """Copy a journal, in use or not. The copy has forgotten what is paid from now on: see restore.

    Args:
        path: A journal, or the folder of a batch.
        target: The copy; nothing may be there.
    """
    with Journal(_file_of(path, "pg_dump")) as journal:
        try:
            journal.backup(target)
        except FileExistsError:
            raise Refused(f"{target} exists: name another file") from None
    say(f"{target} holds all that was paid until now; `ideal-async journal restore` makes a journal of it")
    return DONE


def restore(path: str, *, unknown_keys: UnknownKeys) -> int:
    """Make a journal of a backup, or of what repair has saved a part of.

    Args:
        path: The backup, brought to where the journal is to be.
        unknown_keys: What to do with keys that it does not know: "doubt" sends none of them until you release or adopt
            it, "send" sends, and pays, them.
    """
    with refused():
        since = Journal.restore(_file_of(path, "pg_restore, and release what is in doubt"), unknown_keys=unknown_keys)
    say(f"payments are missing from {since:%Y-%m-%d %H:%M:%S} UTC on: look for tasks in your account since then")
    return DONE


def repair(path: str) -> int:
    """Save what can be saved of a damaged journal that nobody uses; the damaged file is kept beside it.

    Args:
        path: A journal, or the folder of a batch.
    """
    repaired = Journal.repair(_file_of(path, "its own tools"))
    said = f"{repaired.how}: {counted(repaired.entries, 'entry', 'entries')}"
    if repaired.how == _SOUND:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{repaired.kept}{suffix}").unlink(missing_ok=True)
        say(said)
        return DONE
    say(f"{said}; the file as it was is {repaired.kept}")
    if repaired.missing_since is None:
        return DONE
    say(
        f"What was sent since {repaired.missing_since:%Y-%m-%d %H:%M:%S} UTC may be missing. To go on: "
        f"ideal-async journal restore {shlex.quote(path)} --unknown-keys doubt"
    )
    return IN_DOUBT


def _file_of(text: str, instead: str) -> Path:
    """Find a journal that must be a file."""
    place = place_of(text)
    if not isinstance(place, Path):
        raise Refused(f"{place} is a database: use {instead}")
    return cast("Path", find(place))
