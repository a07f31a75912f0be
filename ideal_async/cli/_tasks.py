"""`ideal-async generate` and `status`: for one job, and for who wants to know what became of it."""

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import anyio

from ideal_async import ApiError, AsyncClient, IdealError, Journal, Task, TaskStatus, estimate

from ._batch import stem
from ._connection import Connection
from ._job import Board, Job
from ._plan import make_request, stem_of
from ._progress import clock, show
from ._results import record_of
from ._run import Run, run_unless_interrupted, save, state_after
from ._summary import exit_code
from ._terminal import (
    DONE,
    FAILED,
    IN_DOUBT,
    INTERRUPTED,
    UNFINISHED,
    Refused,
    people,
    put,
    put_json,
    put_table,
    say,
)


def generate(
    fields: Mapping[str, Any],
    connection: Connection,
    *,
    key: str | None,
    journal: Path | None,
    out: Path,
    timeout: float | None,
    as_json: bool,
) -> int:
    """Make one video and save it with its cover; return the exit code."""
    try:
        request = make_request(fields)
    except (TypeError, ValueError) as error:
        raise Refused(str(error)) from None
    if key is not None and journal is None:
        raise Refused("--key works across runs only with a journal: pass --journal FILE as well")
    if not out.is_dir():
        raise Refused(f"{out} is no folder: make it, or pass another --out")
    job = Job(0, key or stem_of(request.image_url) or "video", request)
    if key is None:
        job.flight_key = None
    board = Board([job], time.time())
    if not as_json:
        say(f"{estimate(request)} credits")
    with nullcontext() if journal is None else Journal(journal) as kept:
        client = connection.client(journal=kept)
        run = Run(client, board, out, stem=stem)

        async def work() -> None:
            async with client, show(board, people()):
                await run.make_all(timeout=timeout)

        try:
            interrupted = not run_unless_interrupted(work)
        finally:
            board.leave_running()
    return _tell(board, job, interrupted=interrupted, as_json=as_json)


def _tell(board: Board, job: Job, *, interrupted: bool, as_json: bool) -> int:
    if as_json:
        put_json(record_of(job))
    elif job.video is not None:
        put(str(job.video))
    if job.error is not None:
        say(f"{job.state}: {job.error}", style="red")
    if job.state == "unfinished":
        say(f"Task {job.task_id} is paid. Go on with: ideal-async status {job.task_id} --out .")
    return INTERRUPTED if interrupted else exit_code(board)


def look(task_ids: Sequence[int], connection: Connection, *, watch: bool, out: Path | None, as_json: bool) -> int:
    """Tell how tasks stand: once, or until they end, with their files saved in *out*; return the exit code."""
    if out is not None and not out.is_dir():
        raise Refused(f"{out} is no folder: make it, or pass another --out")
    client = connection.client()
    codes = dict.fromkeys(task_ids, UNFINISHED)
    tasks: dict[int, Task] = {}

    async def look_at(task_id: int) -> None:
        try:
            if watch or out is not None:
                await _follow(client, task_id, tasks, as_json=as_json)
            else:
                tasks[task_id] = await client.fetch(task_id)
            codes[task_id] = FAILED if tasks[task_id].status == TaskStatus.FAILED else DONE
            if out is not None and tasks[task_id].succeeded:
                for path in filter(None, await save(client, tasks[task_id], out, str(task_id))):
                    say(f"saved {path}")
        except (IdealError, OSError) as error:
            say(f"{task_id}: {error}", style="red")
            codes[task_id] = code_after(error)

    async def work() -> None:
        async with client, anyio.create_task_group() as group:
            for task_id in codes:
                group.start_soon(look_at, task_id)

    interrupted = not run_unless_interrupted(work)
    if not watch and out is None:
        _put_tasks([tasks[task_id] for task_id in codes if task_id in tasks], as_json=as_json)
    return INTERRUPTED if interrupted else max(codes.values(), default=DONE)


async def _follow(client: AsyncClient, task_id: int, tasks: dict[int, Task], *, as_json: bool) -> None:
    """Write and keep each change of a task until it ended."""
    async with client.watch(task_id) as looks:
        async for task in looks:
            tasks[task_id] = task
            if as_json:
                put_json(_record(task))
            else:
                left = f", {clock(task.eta.seconds)} left" if task.eta is not None else ""
                put(f"{task.id} {task.status} {task.percentage} %, {task.wait_number} ahead{left}")


def code_after(error: Exception) -> int:
    """Tell what a script should do after *error*."""
    if isinstance(error, ApiError):
        return FAILED
    return {"failed": FAILED, "refused": FAILED, "unknown": IN_DOUBT}.get(state_after(error), UNFINISHED)


def _put_tasks(tasks: Sequence[Task], *, as_json: bool) -> None:
    if as_json:
        for task in tasks:
            put_json(_record(task))
    else:
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


def _record(task: Task) -> dict[str, Any]:
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
