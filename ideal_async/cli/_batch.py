"""`ideal-async batch`: check it all, tell the price, ask, make the videos, and go on where an earlier run ended."""

import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from ideal_async import AsyncClient, Budget, Entry, ImageToVideo, Journal, Task, estimate

from ._connection import Connection
from ._files import alone_in
from ._gallery import write_gallery
from ._job import Board, Job, State
from ._plan import attempt_of, bare, plan, safe_name
from ._progress import clock, show
from ._results import Results, recall_times
from ._rows import Problem
from ._run import Run, run_unless_interrupted, suffix_of
from ._sources import read_sources
from ._terminal import (
    DONE,
    FAILED,
    IN_DOUBT,
    INTERRUPTED,
    UNFINISHED,
    Refused,
    invocation,
    people,
    put,
    put_json,
    say,
)

#: In the folder of the videos, so that whoever has that can go on.
JOURNAL = "batch.journal"
#: What an earlier run made of jobs.
EARLIER: dict[State, str] = {
    "done": "done in an earlier run",
    "queued": "paid in an earlier run, and waited for now",
    "downloading": "made in an earlier run, and downloaded now",
    "failed": "failed in an earlier run and refunded; --retry-failed makes them anew",
    "unknown": "may have been paid in an earlier run, so they are not sent again",
}
#: Problems shown one by one: what fits on a screen; who has more fixes these first.
MOST_SHOWN = 20


@attrs.frozen(kw_only=True)
class Wishes:
    """What a batch is asked to do, beside its jobs.

    Attributes:
        out: The folder for videos, results and journal.
        journal: Of another place.
        budget: Credits these jobs may cost, in all runs together.
        yes: Spend without asking.
        dry_run: Tell what would be done, and stop.
        retry_failed: Make new tasks for failed ones.
        gallery: Write `index.html`.
        max_in_flight: Jobs submitted and not ended, at most.
        timeout: Seconds for making the videos.
        as_json: The summary is for a script.
    """

    out: Path
    journal: Path | None = None
    budget: int | None = None
    yes: bool = False
    dry_run: bool = False
    retry_failed: bool = False
    gallery: bool = False
    max_in_flight: int = 200
    timeout: float | None = None
    as_json: bool = False

    @property
    def journal_path(self) -> Path:
        """Where the journal is."""
        return self.journal or self.out / JOURNAL


def make_batch(sources: Sequence[str], defaults: Mapping[str, Any], connection: Connection, wishes: Wishes) -> int:
    """Make all videos that *sources* ask for; return the exit code."""
    jobs, problems = plan(read_sources(sources), defaults)
    if problems:
        raise Refused(list_problems(problems, len(jobs)))
    if wishes.dry_run and not wishes.journal_path.exists():
        _announce(jobs, wishes)
        return DONE
    with alone_in(wishes.out), Journal(wishes.journal_path) as journal:
        known = _recall(jobs, journal, connection.origin, wishes)
        _announce(jobs, wishes)
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


def list_problems(problems: Sequence[Problem], good: int) -> str:
    """Write what is wrong, line by line."""
    lines = [str(problem) for problem in problems[:MOST_SHOWN]]
    if len(problems) > MOST_SHOWN:
        lines.append(f"and {len(problems) - MOST_SHOWN:,} more")
    lines.append(f"{len(problems):,} wrong, {good:,} right: nothing was sent")
    return "\n".join(lines)


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
    if not video.exists() or (cover is not None and not cover.exists()):
        job.state = "downloading"
        return entry.task
    job.state, job.video, job.cover = "done", video, cover
    job.width, job.height = output.width, output.height
    return None


def stem(job: Job) -> str:
    """Name the files of a job: by its key for people, by its id so that no two can meet."""
    return f"{safe_name(job.key)}-{job.task_id}"


def count_kinds(requests: Iterable[ImageToVideo]) -> list[tuple[str, int, int]]:
    """Count the kinds of videos: what, how many, credits for all of them."""
    kinds = Counter(request.kind for request in requests)
    prices = {request.kind: estimate(request) for request in requests}
    return [
        (f"{model} {resolution} {duration} s{', audio' if audio else ''}", count, count * prices[kind])
        for kind, count in sorted(kinds.items())
        for model, resolution, duration, audio in [kind]
    ]


def _announce(jobs: Sequence[Job], wishes: Wishes) -> None:
    """Tell what stands, and what the rest will cost."""
    counts = Counter(job.state for job in jobs)
    to_make = [job.request for job in jobs if job.state == "waiting"]
    credits_ = sum(map(estimate, to_make))
    if wishes.dry_run and wishes.as_json:
        kinds = [{"kind": kind, "jobs": count, "credits": cost} for kind, count, cost in count_kinds(to_make)]
        put_json({"jobs": len(jobs), "to_make": len(to_make), "credits": credits_, "kinds": kinds, "counts": counts})
        return
    say(f"{len(jobs):,} jobs, {len(to_make):,} to make for {credits_:,} credits")
    for kind, count, cost in count_kinds(to_make):
        say(f"  {count:>7,} x {kind}: {cost:,} credits")
    for state, words in EARLIER.items():
        if counts[state]:
            say(f"  {counts[state]:>7,} {words}")
    same = len(to_make) - len(set(to_make))
    if same:
        say(f"  {same:,} of them ask for the same as another")


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
    _sum_up(board, wishes, run.stopped_by, gallery, code)
    return code


def exit_code(board: Board) -> int:
    """Tell how a batch ended: the most urgent of what happened."""
    counts = board.counts
    if counts["unknown"]:
        return IN_DOUBT
    if counts["unfinished"] or counts["waiting"]:
        return UNFINISHED
    return FAILED if counts["failed"] or counts["refused"] else DONE


def tell_errors(board: Board) -> None:
    """Say why jobs of this run have no video."""
    errors = [job for job in board.jobs if job.error is not None and job not in board.ended_before]
    for job in errors[:MOST_SHOWN]:
        say(f"{job.key}: {job.state}: {job.error}", style="red")
    if len(errors) > MOST_SHOWN:
        say(f"and {len(errors) - MOST_SHOWN:,} more")


def _sum_up(board: Board, wishes: Wishes, stopped_by: Exception | None, gallery: Path | None, code: int) -> None:
    results = Results(wishes.out)
    tell_errors(board)
    if wishes.as_json:
        put_json(
            {
                "jobs": len(board.jobs),
                "counts": {state: count for state, count in board.counts.items() if count},
                "credits": {"charged": board.charged, "refunded": board.refunded},
                "stopped_by": stopped_by and str(stopped_by),
                "seconds": round(time.time() - board.started_at, 3),
                "results": str(results.lines),
                "gallery": gallery and str(gallery),
                "exit_code": code,
            }
        )
    else:
        put(f"done     {board.counts['done']:,} of {len(board.jobs):,}, in {wishes.out}")
        for state in ("failed", "refused", "unfinished", "waiting", "unknown"):
            if board.counts[state]:
                put(f"{state:<8} {board.counts[state]:,}")
        put(f"credits  {board.charged:,} charged, {board.refunded:,} refunded")
        put(f"time     {clock(time.time() - board.started_at)}")
        put(f"results  {results.lines} and {results.table.name}")
        if gallery is not None:
            put(f"gallery  {gallery}")
    if stopped_by is not None:
        say(f"Stopped: {stopped_by}", style="red")
    if board.counts["unknown"]:
        path = shlex.quote(str(wishes.journal_path))
        say(f"If your account has no such task: ideal-async journal release {path} KEY")
    if code in (INTERRUPTED, UNFINISHED):
        say(f"Go on with: {shlex.join(['ideal-async', *invocation.get()])}")
