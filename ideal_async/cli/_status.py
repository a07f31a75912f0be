"""`ideal-async status --journal`: how keys and tasks stand, as far as the journal knows without a look."""

from collections.abc import Sequence
from pathlib import Path

from ideal_async import Entry, Task

from ._connection import Connection
from ._entries import record_of
from ._places import opened
from ._tasks import is_id, look, look_once, record_of_look
from ._terminal import DONE, FAILED, IN_DOUBT, UNFINISHED, Refused, put_json, put_table

#: What a script does next, by the state of an entry; that of a task that runs is told by a look.
CODES = {"intended": UNFINISHED, "submitted": DONE, "succeeded": DONE, "failed": FAILED, "refused": FAILED}


def look_up(
    words: Sequence[str], journal: str, connection: Connection, *, watch: bool, out: Path | None, as_json: bool
) -> int:
    """Tell how keys and tasks stand, and look only at what had not ended; return the exit code."""
    entries, strangers = _find(words, journal)
    wanted = [entry for entry in entries if _needs_look(entry, connection, saved=out is not None)]
    ids = [*{entry.task_id: None for entry in wanted if entry.task_id is not None}, *strangers]
    seen: dict[int, Task] = {}
    code = DONE
    if ids and not watch and out is None:
        seen, code = look_once(ids, connection)
    shown = entries if not watch and out is None else [entry for entry in entries if entry not in wanted]
    _put(shown, [task_id for task_id in strangers if task_id in seen], seen, as_json=as_json)
    codes = [code, *(CODES.get(entry.state, IN_DOUBT) for entry in shown)]
    if ids and (watch or out is not None):
        codes.append(look(ids, connection, watch=watch, out=out, as_json=as_json))
    return max(codes)


def _find(words: Sequence[str], journal: str) -> tuple[list[Entry], list[int]]:
    """Find the entries of keys and ids; and the ids that the journal does not know.

    Raises:
        Refused: It knows no such key, and that is no id.
    """
    if not words:
        raise Refused("name keys or ids of tasks; `ideal-async journal list` lists them")
    with opened(journal) as kept:
        entries = list(kept.entries(keys=words))
        keys = {entry.key for entry in entries}
        numbers = [int(word) for word in words if word not in keys and is_id(word)]
        entries += [entry for entry in kept.entries_of_tasks(numbers) if entry.key not in keys]
    unknown = next((word for word in words if word not in keys and not is_id(word)), None)
    if unknown is not None:
        raise Refused(f"the journal has no key {unknown!r}")
    known = {entry.task_id for entry in entries}
    return entries, [number for number in numbers if number not in known]


def _needs_look(entry: Entry, connection: Connection, *, saved: bool) -> bool:
    """Tell whether the service knows more; of another one's tasks it does not."""
    return entry.origin == connection.origin and (entry.state == "submitted" or (saved and entry.state == "succeeded"))


def _put(entries: Sequence[Entry], strangers: Sequence[int], seen: dict[int, Task], *, as_json: bool) -> None:
    if as_json:
        for entry in entries:
            task = seen.get(entry.task_id or 0)
            put_json({**record_of(entry), "look": None if task is None else record_of_look(task)})
        for task_id in strangers:
            put_json({"key": None, "task_id": task_id, "look": record_of_look(seen[task_id])})
        return
    rows = [_row(entry.key, entry.state, seen.get(entry.task_id or 0), entry) for entry in entries]
    rows += [_row("", "", seen[task_id], None) for task_id in strangers]
    if rows:
        put_table(("key", "state", "task", "status", "done", "credits", "video or why"), rows, right=(4, 5))


def _row(key: str, state: str, task: Task | None, entry: Entry | None) -> tuple[object, ...]:
    last = task or (entry and entry.task)
    return (
        key,
        state,
        (entry.task_id if entry else task and task.id) or "",
        task.status if task else "",
        f"{task.percentage} %" if task else "",
        "" if entry is None or entry.credits is None else entry.credits,
        (last and last.output and last.output.result_url) or (entry and entry.reason) or "",
    )
