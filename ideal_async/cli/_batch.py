"""`ideal-async batch`: check it all, tell the price, ask, make the videos, and go on where an earlier run ended."""

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ideal_async import AsyncClient, Budget, Entry, Journal, Task, is_result

from ._connection import Connection
from ._files import alone_in
from ._gallery import write_gallery
from ._job import Board, Job
from ._plan import attempt_of, bare, plan, safe_name
from ._progress import show
from ._results import Results, recall_times
from ._run import Run, run_unless_interrupted, suffix_of
from ._sources import read_sources
from ._summary import Wishes, announce, exit_code, list_problems, sum_up
from ._terminal import DONE, INTERRUPTED, Refused, people


def make_batch(sources: Sequence[str], defaults: Mapping[str, Any], connection: Connection, wishes: Wishes) -> int:
    """Make all videos that *sources* ask for; return the exit code."""
    jobs, problems = plan(read_sources(sources), defaults)
    if problems:
        raise Refused(list_problems(problems, len(jobs)))
    if wishes.dry_run and not wishes.journal_path.exists():
        announce(jobs, wishes)
        return DONE
    with alone_in(wishes.out), Journal(wishes.journal_path) as journal:
        known = _recall(jobs, journal, connection.origin, wishes)
        announce(jobs, wishes)
        if wishes.dry_run:
            return DONE
        budget = None
        if wishes.budget is not None:
            keys = {key for job in jobs for key in _attempts(job)}
            budget = Budget(max(0, wishes.budget - journal.spent(connection.origin, keys)))
        client = connection.client(journal=journal, budget=budget)
        to_make = [job for job in jobs if job.state == "waiting"]
        if to_make:
            _ask(sum(job.credits for job in to_make), yes=wishes.yes)
        return _make(Board(jobs, time.time()), known, client, wishes)


def _attempts(job: Job) -> Iterable[str]:
    """Write out the keys of a job and of its repetitions so far."""
    latest = int((job.flight_key or job.key).removeprefix(job.key).removeprefix("~") or 1)
    return [job.key, *(f"{job.key}~{number}" for number in range(2, latest + 1))]


def _recall(jobs: Sequence[Job], journal: Journal, origin: str, wishes: Wishes) -> dict[Job, Task | int]:
    """Bring *jobs* to where the journal says they stand; return what is paid and not complete yet."""
    entries = {entry.key: entry for entry in journal.entries(origin=origin)}
    open_jobs: dict[Job, Task | int] = {}
    for job in jobs:
        job.flight_key, attempt = attempt_of(job.key, entries)
        entry = entries.get(job.flight_key)
        if entry is None or entry.state in ("refused", "intended"):
            continue
        if bare(entry.request) != bare(job.request):
            raise Refused(
                f"key {job.key!r} was used for another request ({entry.created_at:%Y-%m-%d}): give this one another key"
            )
        if entry.state == "failed" and wishes.retry_failed:
            job.flight_key = f"{job.key}~{attempt + 1}"
            continue
        left = _take_over(job, entry, wishes.out)
        if left is not None:
            open_jobs[job] = left
    recall_times(jobs, Results(wishes.out).lines)
    return open_jobs


def _take_over(job: Job, entry: Entry, out: Path) -> Task | int | None:
    """Note what an earlier run made of a job; return what is left to be done: a task to save, or an id to wait for."""
    job.task_id = entry.task_id
    job.queued_at = entry.created_at.timestamp()
    if entry.state == "submitted":
        job.state = "queued"
        return entry.task_id
    if entry.state == "unknown":
        job.state, job.error = "unknown", "an earlier run got no answer: it may have been paid"
        return None
    job.found_at = entry.updated_at.timestamp()
    if entry.state == "failed" or entry.task is None or entry.task.output is None:
        job.state, job.error = "failed", entry.reason or "the service made no video"
        return None
    output = entry.task.output
    video = out / f"{stem(job)}.mp4"
    cover = out / f"{stem(job)}{suffix_of(output.cover)}" if output.cover else None
    if not is_result(video) or (cover is not None and not is_result(cover, "cover")):
        job.state = "downloading"
        return entry.task
    job.state, job.video, job.cover = "done", video, cover
    job.width, job.height = output.width, output.height
    return None


def stem(job: Job) -> str:
    """Name the files of a job: by its key for people, by its id so that no two can meet."""
    return f"{safe_name(job.key)}-{job.task_id}"


def _ask(credits: int, *, yes: bool) -> None:
    """Let the user decide about the money.

    Raises:
        Refused: No.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused(f"pass --yes to spend {credits:,} credits without being asked")
    people().print(f"Spend {credits:,} credits? [y/N] ", end="")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Refused("Nothing was sent.")


def _make(board: Board, known: Mapping[Job, Task | int], client: AsyncClient, wishes: Wishes) -> int:
    results = Results(wishes.out)
    run = Run(client, board, wishes.out, stem=stem, known=known)
    gallery: Path | None = None

    async def work() -> None:
        async with client, show(board, people()):
            await run.make_all(max_in_flight=wishes.max_in_flight, timeout=wishes.timeout)

    try:
        with results.open(board):
            interrupted = not run_unless_interrupted(work)
    finally:
        board.on_end = lambda _: None
        board.leave_running()
        results.finish(board)
        if wishes.gallery:
            gallery = write_gallery(board, wishes.out)
    code = INTERRUPTED if interrupted else exit_code(board)
    sum_up(board, wishes, run.stopped_by, gallery, code)
    return code
