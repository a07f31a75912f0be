"""`ideal-async generate` and `status`: for one job, and for who wants to know what became of it."""

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import anyio

from ideal_async import AsyncClient, IdealError, ImageToVideo, Ledger, Task, TaskStatus, estimate

from ._connection import Connection
from ._endings import code_of, words_of
from ._job import Board, Job
from ._names import NAME, name_files
from ._places import Shared, exists, open_journal
from ._plan import make_request, stem_of
from ._progress import clock, show
from ._results import record_of
from ._run import Run, leave_in_doubt, run_unless_interrupted, save
from ._summary import check_same, doubts, exit_code
from ._terminal import (
    DONE,
    FAILED,
    INTERRUPTED,
    MISUSED,
    UNFINISHED,
    Refused,
    ask_to_spend,
    counted,
    put,
    put_json,
    put_table,
    say,
    shell,
    somebody_watches,
)

#: What an earlier run made of a key, by the state of its entry; the others are to be paid.
EARLIER = {
    "submitted": "paid in an earlier run, 0 credits",
    "succeeded": "paid in an earlier run, 0 credits",
    "failed": "failed in an earlier run, 0 credits; another --key makes it anew",
    "unknown": "may have been paid in an earlier run, so it is not sent again",
}
#: Digits of the largest number of 64 bits.
LONGEST_ID = 20


def generate(
    fields: Mapping[str, Any],
    connection: Connection,
    *,
    key: str | None,
    journal: Path | Shared | None,
    out: Path,
    timeout: float | None,
    yes: bool,
    as_json: bool,
) -> int:
    """Make one video and save it with its cover; return the exit code."""
    try:
        own = shell(["ideal-async", "batch", str(fields["image_url"]), "--upload-to", "s3://bucket/folder"])
        request = make_request(fields, f"`{own}`")
    except (TypeError, ValueError) as error:
        raise Refused(str(error)) from None
    if key is not None and journal is None:
        raise Refused("--key works across runs only with a journal: pass --journal FILE as well")
    known = None if key is None or journal is None else _recall(key, request, journal, connection.origin)
    connection.client()
    job = Job(0, key or stem_of(request.image_url) or "video", request)
    if key is None:
        job.flight_key = None
    if not as_json:
        say(known or counted(estimate(request), "credit"))
    if known is None and not yes and somebody_watches():
        ask_to_spend(estimate(request))
    make_folder(out)
    board = Board([job], time.time())
    with nullcontext() if journal is None else open_journal(journal) as kept:
        client = connection.client(journal=kept, observer=board.outage)
        run = Run(client, board, out, stem=lambda job: name_files(NAME, job.key, job.task_id, job.request))

        async def work() -> None:
            async with client, show(board):
                await run.make_all(timeout=timeout)

        try:
            interrupted = not run_unless_interrupted(work)
        finally:
            board.leave_running()
            if job.state == "unfinished":
                words = ["ideal-async", "status", str(job.task_id), "--out", str(out), *connection.options]
                say(f"Task {job.task_id} is paid. Go on with: {shell(words)}")
    find_doubt(board, client.ledger)
    code = _report_end(board, run.stopped_by, interrupted=interrupted, as_json=as_json)
    if journal is not None:
        for line in doubts(board, journal):
            say(line)
    return code


def _recall(key: str, request: ImageToVideo, journal: Path | Shared, origin: str) -> str | None:
    """Say what an earlier run made of *key*; `None`: nothing that was paid.

    Raises:
        Refused: It is the key of another request.
    """
    if not exists(journal):
        return None
    with open_journal(journal) as kept:
        entry = next(iter(kept.entries(keys=[key], origin=origin, account="")), None)
    if entry is None or entry.state not in EARLIER:
        return None
    check_same(key, entry, request)
    return EARLIER[entry.state]


def find_doubt(board: Board, ledger: Ledger) -> None:
    """Say that a job which was interrupted on its way may have been paid: *ledger* knows what its client sent."""
    for job in board.jobs:
        if job.state == "waiting" and (ledger.unknown or ledger.reserved):
            leave_in_doubt(board, job, since=board.started_at, fingerprint=job.request.fingerprint)


def _report_end(board: Board, stopped_by: Exception | None, *, interrupted: bool, as_json: bool) -> int:
    (job,) = board.jobs
    if as_json:
        put_json(record_of(job))
    elif job.video is not None:
        put(str(job.video))
    if stopped_by is not None:
        say(words_of(stopped_by), style="red")
    return INTERRUPTED if interrupted and job.state != "unknown" else exit_code(board, stopped_by)


def make_folder(folder: Path) -> None:
    """Make the folder for files, if it is not there.

    Raises:
        Refused: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"the folder {folder} cannot be used: {error.strerror}") from None


def read_ids(words: Sequence[str]) -> list[int]:
    """Read the ids of tasks.

    Raises:
        Refused: A word is none.
    """
    for word in words:
        if not is_id(word.removeprefix("-")):
            raise Refused(f"{word!r} is no id of a task, such as 1234567890123456789; for keys add --journal")
    return [int(word) for word in words]


def is_id(word: str) -> bool:
    """Tell whether a word can be the id of a task: a number of 64 bits."""
    return word.isascii() and word.isdecimal() and len(word) <= LONGEST_ID


def look(task_ids: Sequence[int], connection: Connection, *, watch: bool, out: Path | None, as_json: bool) -> int:
    """Tell how tasks stand: once, or until they end, with their files saved in *out*; return the exit code."""
    if not task_ids:
        raise Refused("name the tasks by their ids, as in: ideal-async status 1234567890123456789")
    client = connection.client()
    new = out is not None and not out.exists()
    if out is not None:
        make_folder(out)
    looks = _Looks(client, out, watch=watch, as_json=as_json)
    looks.codes.update(dict.fromkeys(task_ids, UNFINISHED))
    interrupted = not run_unless_interrupted(looks.look_at_all)
    if new and out is not None:
        with suppress(OSError):  # something was saved
            out.rmdir()
    if not watch and out is None:
        _put_tasks([looks.tasks[task_id] for task_id in looks.codes if task_id in looks.tasks], as_json=as_json)
    return INTERRUPTED if interrupted else max(looks.codes.values())


class _Looks:
    """Looks at tasks, and what came of them."""

    def __init__(self, client: AsyncClient, out: Path | None, *, watch: bool, as_json: bool) -> None:
        self._client, self._out, self._watch, self._as_json = client, out, watch, as_json
        self.codes: dict[int, int] = {}
        self.tasks: dict[int, Task] = {}

    async def look_at_all(self) -> None:
        """Look at all of them at the same time."""
        async with self._client, anyio.create_task_group() as group:
            for task_id in self.codes:
                group.start_soon(self.look_at, task_id)

    async def look_at(self, task_id: int) -> None:
        """Look, or follow to the end; save the files if there is a folder for them."""
        try:
            await self._look_at(task_id)
        except (IdealError, OSError, ValueError) as error:
            say(f"{task_id}: {words_of(error)}", style="red")
            self.codes[task_id] = MISUSED if isinstance(error, ValueError) else code_of(error)

    async def _look_at(self, task_id: int) -> None:
        if self._watch or self._out is not None:
            await _follow(self._client, task_id, self.tasks, as_json=self._as_json)
        else:
            self.tasks[task_id] = await self._client.fetch(task_id)
        task = self.tasks[task_id]
        if self._out is not None and task.succeeded:
            for path in filter(None, await save(self._client, task, self._out, str(task_id))):
                say(f"saved {path}")
        self.codes[task_id] = FAILED if task.status == TaskStatus.FAILED else DONE


async def _follow(client: AsyncClient, task_id: int, tasks: dict[int, Task], *, as_json: bool) -> None:
    """Write and keep each change of a task until it ended."""
    async with client.watch(task_id) as looks:
        async for task in looks:
            tasks[task_id] = task
            if as_json:
                put_json(record_of_look(task))
            else:
                left = f", {clock(task.eta.seconds)} left" if task.eta is not None else ""
                put(f"{task.id} {task.status} {task.percentage} %, {task.wait_number} ahead{left}")


def look_once(task_ids: Sequence[int], connection: Connection) -> tuple[dict[int, Task], int]:
    """Look at tasks; return what was seen, and the exit code that it asks for."""
    looks = _Looks(connection.client(), None, watch=False, as_json=False)
    looks.codes.update(dict.fromkeys(task_ids, UNFINISHED))
    interrupted = not run_unless_interrupted(looks.look_at_all)
    return looks.tasks, INTERRUPTED if interrupted else max(looks.codes.values(), default=DONE)


def _put_tasks(tasks: Sequence[Task], *, as_json: bool) -> None:
    if as_json:
        for task in tasks:
            put_json(record_of_look(task))
    elif tasks:
        rows = (
            (
                task.id,
                task.status,
                f"{task.percentage} %",
                task.wait_number,
                task.output.result_url if task.output else "",
            )
            for task in tasks
        )
        put_table(("task", "status", "done", "ahead", "video"), rows, right=(2, 3))


def record_of_look(task: Task) -> dict[str, Any]:
    """Write a look as a record, with all that the API said."""
    return {
        "id": task.id,
        "status": task.status,
        "percentage": task.percentage,
        "wait_number": task.wait_number,
        "seconds_left": task.eta and task.eta.seconds,
        "video": task.output and task.output.result_url,
        "cover": task.output and task.output.cover,
        "raw": task.raw,
    }
