"""`ideal-async journal`: what was sent, what was paid, what is in doubt, and a person's word on all of it."""

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import anyio
from cyclopts import App, Parameter

from ._connection import Connection
from ._entries import Json, put_entries, record_of, request_of
from ._journal_files import backup, repair, restore
from ._journal_shared import pause, progress, recount, stale, unpause
from ._places import opened
from ._terminal import DONE, Refused, counted, people, put, put_json, put_table, refused, say

State = Literal["intended", "submitted", "succeeded", "failed", "refused", "unknown"]

Force = Annotated[bool, Parameter(name="--force", negative=(), show_default=False)]
Unseen = Annotated[bool, Parameter(name="--unseen", negative=(), show_default=False)]
DryRun = Annotated[bool, Parameter(name="--dry-run", negative=(), show_default=False)]
Yes = Annotated[bool, Parameter(name=("--yes", "-y"), negative=(), show_default=False)]

journal_app = App(name="journal", help="What was sent, what was paid, what is in doubt.")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@journal_app.command(name="list")
def list_(
    path: str = "videos",
    *,
    state: State | None = None,
    json: Json = False,
) -> int:
    """Write the entries of a journal, oldest first.

    **Example**

    * `ideal-async journal list videos --state unknown`

    Args:
        path: A journal, a file or postgresql://...; or the folder of a batch.
        state: Only those in this state.
        json: Write each entry as a line of JSON, for scripts.
    """
    with opened(path) as journal:
        put_entries(journal.entries(state), as_json=json)
    return DONE


@journal_app.command
def show(
    path: str,
    *keys: str,
    json: Json = False,
) -> int:
    """Write all that a journal knows about some keys: what to look for in your account when one is in doubt.

    **Example**

    * `ideal-async journal show videos order-42`

    Args:
        path: A journal, a file or postgresql://...; or the folder of a batch.
        keys: Of the entries.
        json: Write each entry as a line of JSON, for scripts.
    """
    if not keys:
        raise Refused("name the keys to show; `ideal-async journal list` lists them")
    with opened(path) as journal:
        known = list(journal.entries(keys=keys))
    found = {key: [entry for entry in known if entry.key == key] for key in keys}
    for key, entries in found.items():
        if not entries:
            raise Refused(f"the journal has no key {key!r}")
        for entry in entries:
            record = record_of(entry) | request_of(entry)
            if json:
                put_json(record)
            else:
                put_table(("", ""), ((name, "" if value is None else str(value)) for name, value in record.items()))
    return DONE


@journal_app.command
def release(
    path: str,
    *keys: str,
    task_id: int | None = None,
    origin: str | None = None,
    account: str | None = None,
    force: Force = False,
) -> int:
    """Let unknown keys be sent, and paid, again: your account has no task for them.

    Args:
        path: A journal, a file or postgresql://...; or the folder of a batch.
        keys: Of the entries.
        task_id: Of the failed task, to let its key be sent again.
        origin: Of the API, if a key was used with several.
        account: That pays, if a key was used by several.
        force: Also what was sent less than two minutes ago, so that its answer may still come; or what failed in a
            copy that was restored.
    """
    with opened(path) as journal:
        for key in keys:
            with refused():
                journal.release(key, task_id=task_id, origin=origin, account=account, force=force)
            say(f"{key} will be sent when it is used again")
    return DONE


@journal_app.command
def adopt(
    path: str,
    key: str,
    task_id: int,
    connection: Connection | None = None,
    *,
    account: str | None = None,
    force: Force = False,
    unseen: Unseen = False,
) -> int:
    """Say which task an unknown key has become: you have found it in your account. It is compared with what was asked.

    **Example**

    * `ideal-async journal adopt videos order-42 1234567890123456789`

    Args:
        path: A journal, a file or postgresql://...; or the folder of a batch.
        key: Of the entry.
        task_id: Of its task.
        connection: Where the service is.
        account: That pays, if the key was used by several.
        force: Also if the service does not repeat what was asked, or another key is in doubt with an equal request.
        unseen: Write it down without a look at the task.
    """
    connection = connection or Connection()
    with opened(path) as journal, refused():
        if unseen:
            journal.adopt(key, task_id, origin=connection.origin, account=account, force=force)
        else:
            client = connection.client(journal=journal, account=account)

            async def look_and_adopt() -> None:
                async with client:
                    await client.adopt(key, task_id, force=force)

            anyio.run(look_and_adopt)
    say(f"{key} is task {task_id}, which is waited for when the key is used again")
    return DONE


@journal_app.command
def prune(path: str, *, older_than: str, dry_run: DryRun = False, yes: Yes = False) -> int:
    """Forget what was settled long ago. A forgotten key is paid again when it is used again.

    Args:
        path: A journal, a file or postgresql://...; or the folder of a batch.
        older_than: Such as 90d or 12h.
        dry_run: Only say how many there are.
        yes: Forget paid keys without asking.
    """
    before = _before(older_than)
    with opened(path) as journal:
        counts = journal.prune(before=before, dry_run=True)
        paid = counts.get("succeeded", 0)
        words = counted(sum(counts.values()), "entry", "entries")
        if dry_run:
            put(f"{words} would be deleted, {paid:,} of them paid")
            return DONE
        if paid and not yes:
            _ask(paid)
        deleted = sum(journal.prune(before=before).values())
    put(f"{counted(deleted, 'entry', 'entries')} deleted; their keys are forgotten, so using one again pays again")
    return DONE


def _before(older_than: str) -> datetime:
    found = re.fullmatch(r"(\d+) ?([smhdw])", older_than.strip(), re.ASCII)
    if found is None:
        raise Refused(f"--older-than takes a number and a unit, such as 90d or 12h, not {older_than!r}")
    try:
        return datetime.now(UTC) - timedelta(**{_UNITS[found[2]]: int(found[1])})
    except (OverflowError, ValueError):
        raise Refused(f"--older-than {older_than:.20} is longer ago than any date: nothing is as old") from None


def _ask(paid: int) -> None:
    if not sys.stdin.isatty():
        raise Refused(f"pass --yes to forget {counted(paid, 'paid key')} without being asked")
    people().print(f"Forget {counted(paid, 'paid key')}? Using one again pays again. [y/N] ", end="")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Refused("nothing was forgotten")


for _command in (backup, restore, repair, pause, unpause, progress, stale, recount):
    journal_app.command(_command)
