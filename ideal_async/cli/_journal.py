"""`ideal-async journal`: what was sent, what was paid, what is in doubt, and a person's word on all of it."""

import re
import shlex
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import anyio
from cyclopts import App, Parameter

from ideal_async import Entry, Journal

from ._connection import Connection
from ._files import JOURNAL
from ._places import Shared, exists, open_journal, open_shared, place_of
from ._terminal import DONE, IN_DOUBT, Refused, people, put, put_json, put_table, say

if TYPE_CHECKING:
    from ideal_async.postgres import PostgresJournal

State = Literal["intended", "submitted", "succeeded", "failed", "refused", "unknown"]

Json = Annotated[bool, Parameter(name="--json", negative=(), show_default=False)]

Force = Annotated[bool, Parameter(name="--force", negative=(), show_default=False)]
Unseen = Annotated[bool, Parameter(name="--unseen", negative=(), show_default=False)]
DryRun = Annotated[bool, Parameter(name="--dry-run", negative=(), show_default=False)]
Yes = Annotated[bool, Parameter(name=("--yes", "-y"), negative=(), show_default=False)]
UnknownKeys = Literal["doubt", "send"]

journal_app = App(name="journal", help="What was sent, what was paid, what is in doubt.")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@contextmanager
def opened(text: str) -> Generator["Journal | PostgresJournal"]:
    """Open a journal, or that of the batch in a folder; one that is not there is not made.

    Raises:
        Refused: It is not there.
    """
    with open_journal(_find(place_of(text))) as journal:
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
        _put_entries(journal.entries(state), as_json=json)
    return DONE


def _put_entries(entries: Iterable[Entry], *, as_json: bool) -> None:
    if as_json:
        for entry in entries:
            put_json(record_of(entry))
        return
    put_table(
        ("key", "state", "task", "credits", "sent (UTC)", "why"),
        (
            (
                entry.key,
                entry.state,
                entry.task_id or "",
                "?" if entry.credits is None else entry.credits,
                f"{entry.created_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
                entry.reason or "",
            )
            for entry in entries
        ),
        right=(3,),
    )


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
            record = record_of(entry) | _request(entry)
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
        "refunded": entry.refunded,
    }


def record_of(entry: Entry) -> dict[str, object]:
    """Write an entry as a record."""
    return {
        "key": entry.key,
        "state": entry.state,
        "task_id": entry.task_id,
        "credits": entry.credits,
        "created_at": entry.created_at.isoformat(),
        "updated_at": entry.updated_at.isoformat(),
        "origin": entry.origin,
        "account": entry.account,
        "reason": entry.reason,
        "image_url": entry.request.image_url,
    }


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
        force: Also what was sent less than two minutes ago, so that its answer may still come.
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
        words = f"{sum(counts.values()):,} entries"
        if dry_run:
            put(f"{words} would be deleted, {paid:,} of them paid")
            return DONE
        if paid and not yes:
            _ask(paid)
        deleted = sum(journal.prune(before=before).values())
    put(f"{deleted:,} entries deleted; their keys are forgotten, so using one again pays again")
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
        raise Refused(f"pass --yes to forget {paid:,} paid keys without being asked")
    people().print(f"Forget {paid:,} paid keys? Using one again pays again. [y/N] ", end="")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Refused("nothing was forgotten")


@journal_app.command
def backup(path: str, target: Path) -> int:
    """Copy a journal, in use or not. The copy has forgotten what is paid from now on: see restore.

    Args:
        path: A journal, or the folder of a batch.
        target: The copy; nothing may be there.
    """
    with Journal(_file(path, "pg_dump")) as journal:
        try:
            journal.backup(target)
        except FileExistsError:
            raise Refused(f"{target} exists: name another file") from None
    say(f"{target} holds all that was paid until now; `ideal-async journal restore` makes a journal of it")
    return DONE


@journal_app.command
def restore(path: str, *, unknown_keys: UnknownKeys) -> int:
    """Make a journal of a backup, or of what repair has saved a part of.

    Args:
        path: The backup, brought to where the journal is to be.
        unknown_keys: What to do with keys that it does not know: "doubt" sends none of them until you release or adopt
            it, "send" sends, and pays, them.
    """
    with refused():
        since = Journal.restore(_file(path, "pg_restore, and release what is in doubt"), unknown_keys=unknown_keys)
    say(f"payments are missing from {since:%Y-%m-%d %H:%M:%S} UTC on: look for tasks in your account since then")
    return DONE


@journal_app.command
def repair(path: str) -> int:
    """Save what can be saved of a damaged journal that nobody uses; the damaged file is kept beside it.

    Args:
        path: A journal, or the folder of a batch.
    """
    repaired = Journal.repair(_file(path, "its own tools"))
    say(f"{repaired.how}: {repaired.entries:,} entries; the file as it was is {repaired.kept}")
    if repaired.missing_since is None:
        return DONE
    say(
        f"What was sent since {repaired.missing_since:%Y-%m-%d %H:%M:%S} UTC may be missing. To go on: "
        f"ideal-async journal restore {shlex.quote(path)} --unknown-keys doubt"
    )
    return IN_DOUBT


@contextmanager
def shared(text: str) -> Generator["PostgresJournal"]:
    """Open a journal that hosts share, which must be there.

    Raises:
        Refused: It is not, or it is a file.
    """
    with open_shared(_find(place_of(text))) as journal:
        yield journal


@journal_app.command
def pause(path: str) -> int:
    """Let no host send anything until unpause; what is on its way is finished, tasks go on.

    Args:
        path: A journal that hosts share, postgresql://...
    """
    with open_shared(place_of(path)) as journal:
        journal.pause()
    say("no host sends anything now; `ideal-async journal unpause` lets them go on")
    return DONE


@journal_app.command
def unpause(path: str) -> int:
    """Let all hosts send again.

    Args:
        path: A journal that hosts share, postgresql://...
    """
    with open_shared(place_of(path)) as journal:
        journal.unpause()
    say("all hosts may send again")
    return DONE


@journal_app.command
def progress(
    path: str, batch: str | None = None, connection: Connection | None = None, *, account: str = "", json: Json = False
) -> int:
    """Tell how batches stand and what they cost, whatever host makes them; quick however many jobs there are.

    **Example**

    * `ideal-async journal progress postgresql://db.example/videos spring/tour`

    Args:
        path: A journal that hosts share, postgresql://...
        batch: What stands before the last slash of its keys; all batches by default.
        connection: Where the service is.
        account: That pays.
        json: Write each count as a line of JSON, for scripts.
    """
    with shared(path) as journal:
        batches = journal.batches((connection or Connection()).origin, account=account, only=batch)
        paused = journal.paused
    counts = [(name, state, *figures) for name, states in batches.items() for state, figures in states.items()]
    for name, state, jobs, credits in counts if json else ():
        put_json({"batch": name, "state": state, "jobs": jobs, "credits": credits})
    if not json:
        rows = ((name, state, f"{jobs:,}", f"{credits:,}") for name, state, jobs, credits in counts)
        put_table(("batch", "state", "jobs", "credits"), rows, right=(2, 3))
    if paused:
        say("everybody pauses; `ideal-async journal unpause` lets them go on")
    return DONE


@journal_app.command
def stale(path: str, connection: Connection | None = None, *, account: str = "", json: Json = False) -> int:
    """Write the tasks that the service denies, or that nobody saw end for a day: they are paid, and hold no place.

    Args:
        path: A journal that hosts share, postgresql://...
        connection: Where the service is.
        account: That pays.
        json: Write each entry as a line of JSON, for scripts.
    """
    with shared(path) as journal:
        _put_entries(journal.stale((connection or Connection()).origin, account=account), as_json=json)
    return DONE


@journal_app.command
def recount(path: str) -> int:
    """Make all totals anew from the rows: of tasks in flight, credits and batches; hosts wait meanwhile.

    Args:
        path: A journal that hosts share, postgresql://...
    """
    with shared(path) as journal:
        wrong = journal.recount()
    put(f"{wrong:,} totals were wrong" if wrong else "all totals were right")
    return DONE


def _file(text: str, instead: str) -> Path:
    """Find a journal that must be a file."""
    place = place_of(text)
    if not isinstance(place, Path):
        raise Refused(f"{place} is a database: use {instead}")
    return cast("Path", _find(place))


def _find(place: Path | Shared) -> Path | Shared:
    """Find the journal of a batch by its folder.

    Raises:
        Refused: There is none.
    """
    if isinstance(place, Path) and place.is_dir():
        place /= JOURNAL
    if not exists(place):
        raise Refused(f"there is no journal {place}" if isinstance(place, Path) else f"{place} has no journal yet")
    return place
