"""`ideal-async journal`: what was sent, what was paid, what is in doubt, and freeing a key that is."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from ideal_async import Entry, Journal

from ._files import JOURNAL
from ._terminal import DONE, Refused, put, put_json, put_table, say

State = Literal["intended", "submitted", "succeeded", "failed", "refused", "unknown"]

Json = Annotated[bool, Parameter(name="--json", negative=(), show_default=False)]

Force = Annotated[bool, Parameter(name="--force", negative=(), show_default=False)]

journal_app = App(name="journal", help="What was sent, what was paid, what is in doubt.")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@contextmanager
def opened(path: Path) -> Generator[Journal]:
    """Open the journal at *path*, or that of the batch in the folder *path*; one that is not there is not made."""
    file = path / JOURNAL if path.is_dir() else path
    if not file.exists():
        raise Refused(f"there is no journal {file}")
    with Journal(file) as journal:
        yield journal


@contextmanager
def refused() -> Generator[None]:
    """Say what the journal refuses in the words of the command line."""
    try:
        yield
    except ValueError as error:
        words = str(error).replace("force=True", "--force").replace("task_id=", "--task-id ")
        raise Refused(words.replace("origin=", "--origin ").replace("account=", "--account ")) from None


@journal_app.command(name="list")
def list_(
    path: Path = Path("videos"),
    *,
    state: State | None = None,
    json: Json = False,
) -> int:
    """Write the entries of a journal, oldest first.

    **Example**

    * `ideal-async journal list videos --state unknown`

    Args:
        path: A journal, or the folder of a batch.
        state: Only those in this state.
        json: Write each entry as a line of JSON, for scripts.
    """
    with opened(path) as journal:
        entries = [entry for entry in journal.entries() if state in (None, entry.state)]
    if json:
        for entry in entries:
            put_json(_record(entry))
        return DONE
    put_table(
        ("key", "state", "task", "credits", "sent (UTC)", "why"),
        (
            (
                entry.key,
                entry.state,
                entry.task_id or "",
                entry.credits,
                f"{entry.created_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
                entry.reason or "",
            )
            for entry in entries
        ),
        right=(3,),
    )
    return DONE


@journal_app.command
def show(
    path: Path,
    *keys: str,
    json: Json = False,
) -> int:
    """Write all that a journal knows about some keys: what to look for in your account when one is in doubt.

    **Example**

    * `ideal-async journal show videos order-42`

    Args:
        path: A journal, or the folder of a batch.
        keys: Of the entries.
        json: Write each entry as a line of JSON, for scripts.
    """
    if not keys:
        raise Refused("name the keys to show; `ideal-async journal list` lists them")
    with opened(path) as journal:
        found = {key: [entry for entry in journal.entries() if entry.key == key] for key in keys}
    for key, entries in found.items():
        if not entries:
            raise Refused(f"the journal has no key {key!r}")
        for entry in entries:
            record = _record(entry) | _request(entry)
            if json:
                put_json(record)
            else:
                put_table(("", ""), ((name, "" if value is None else str(value)) for name, value in record.items()))
    return DONE


def _request(entry: Entry) -> dict[str, object]:
    request, output = entry.request, entry.task and entry.task.output
    return {
        "fingerprint": entry.fingerprint,
        "last_image_url": request.last_image_url,
        "duration": request.duration,
        "resolution": request.resolution,
        "model_type": request.model_type,
        "generate_audio": request.generate_audio,
        "prompt": request.prompt,
        "result_url": output.result_url if output else None,
        "released": entry.released,
    }


def _record(entry: Entry) -> dict[str, object]:
    return {
        "key": entry.key,
        "state": entry.state,
        "task_id": entry.task_id,
        "credits": entry.credits,
        "created_at": entry.created_at.isoformat(),
        "updated_at": entry.updated_at.isoformat(),
        "origin": entry.origin,
        "reason": entry.reason,
        "image_url": entry.request.image_url,
    }


@journal_app.command
def release(path: Path, *keys: str, task_id: int | None = None, force: Force = False) -> int:
    """Let unknown keys be sent, and paid, again: your account has no task for them.

    Args:
        path: A journal, or the folder of a batch.
        keys: Of the entries.
        task_id: Of the failed task, to let its key be sent again.
        force: Also what was sent less than two minutes ago, so that its answer may still come.
    """
    with opened(path) as journal:
        for key in keys:
            with refused():
                journal.release(key, task_id=task_id, force=force)
            say(f"{key} will be sent when it is used again")
    return DONE


@journal_app.command
def prune(path: Path, *, older_than: str) -> int:
    """Forget what was settled long ago. A forgotten key is paid again when it is used again.

    Args:
        path: A journal, or the folder of a batch.
        older_than: Such as 90d or 12h.
    """
    found = re.fullmatch(r"(\d{1,6}) ?([smhdw])", older_than.strip())
    if found is None:
        raise Refused(f"--older-than takes a number and a unit, such as 90d or 12h, not {older_than!r}")
    before = datetime.now(UTC) - timedelta(**{_UNITS[found[2]]: int(found[1])})
    with opened(path) as journal:
        count = sum(journal.prune(before=before).values())
    put(f"{count:,} entries deleted; their keys are forgotten, so using one again pays again")
    return DONE
