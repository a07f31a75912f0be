"""`ideal-async batch`: check it all, tell the price, ask, make the videos, and go on where an earlier run ended."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import attrs

from ideal_async import Budget, Entry, JournalFailed, JournalStore, Task, is_result

from ._columns import Problem, Row
from ._connection import Connection
from ._endings import verdict
from ._files import alone_in, tried
from ._fleet import check_fleet, run_of
from ._gallery import live_gallery, write_gallery
from ._job import Board, Job
from ._names import check_names
from ._pictures import Pictures
from ._places import Shared, check_limits, exists, open_journal
from ._plan import attempt_of, plan
from ._progress import show
from ._results import Results, recall_times
from ._run import Run, leave_in_doubt, run_unless_interrupted, suffix_of
from ._sources import read_sources
from ._summary import Ending, Wishes, announce, check_same, exit_code, find_overruled, list_problems, sum_up
from ._terminal import DONE, INTERRUPTED, Refused, ask_to_spend, say, somebody_watches


def make_batch(sources: Sequence[str], defaults: Mapping[str, Any], connection: Connection, wishes: Wishes) -> int:
    """Make all videos that *sources* ask for; return the exit code."""
    check_limits(wishes.journal_path, wishes.limits)
    check_fleet(wishes)
    pictures = None if wishes.uploads is None else Pictures(wishes.uploads)
    rows = list(read_sources(sources, ignore=wishes.ignore_columns, uploads=pictures is not None))
    _check_inputs(rows, wishes)
    jobs, problems = plan(rows, defaults, pictures)
    if problems:
        raise Refused(list_problems(problems, len(jobs)))
    for line in () if wishes.quiet else find_overruled(rows, defaults):
        say(line)
    origin = connection.origin
    if isinstance(wishes.journal, Path) and not wishes.journal.parent.is_dir():
        raise Refused(f"{wishes.journal.parent} is no folder: the journal needs one")
    # Where nothing is yet, nothing is made before it is known that the batch begins.
    kept = exists(wishes.journal_path) if wishes.dry_run or isinstance(wishes.journal_path, Path) else True
    new = not wishes.out.exists() and not kept
    if not kept:
        _check_results(jobs, {}, wishes.journal_path)
    if (new or not kept) and wishes.dry_run:
        check_names(jobs, (), wishes.name)
        announce(jobs, wishes)
        return DONE
    if new:
        check_names(jobs, (), wishes.name)
        _agree(jobs, connection, wishes)
    alone = nullcontext() if wishes.dry_run else alone_in(wishes.out, "batch")
    with alone, open_journal(wishes.journal_path, wishes.limits) as journal:
        known = _recall(jobs, journal, origin, wishes, pictures)
        if wishes.dry_run:
            announce(jobs, wishes)
            return DONE
        if not new:
            _agree(jobs, connection, wishes)
        keys = {key for job in jobs for key in _attempts(job)}
        budget = None
        if wishes.budget is not None:
            budget = Budget(max(0, wishes.budget - journal.spent(origin, keys)))
        board = Board(jobs, time.time())
        client = connection.client(journal=journal, budget=budget, uploads=wishes.uploads, observer=board.outage)
        books = Books(lambda: journal.spent(origin, keys), lambda waiting: _read_attempts(waiting, journal, origin))
        made_by = run_of(wishes, journal, sources, connection.base_url)
        run = made_by(client, board, wishes.target or wishes.out, stem=wishes.stem, known=known)
        return _make(run, wishes, books)


def _check_inputs(rows: Iterable[Row | Problem], wishes: Wishes) -> None:
    """Let no file of jobs be where this run writes its results.

    Raises:
        Refused: It would be written over; results of an earlier run may be, for they are written anew with all it knew.
    """
    results = Results(wishes.out)
    written = [path.resolve() for path in (results.lines, results.table, wishes.page) if path is not None]
    for source in dict.fromkeys(row.source for row in rows if isinstance(row, Row) and row.earlier is None):
        if Path(source).resolve() in written:
            raise Refused(
                f"{source} holds jobs, and this run would write its results over them: give the file another name, or "
                "choose another folder with --out"
            )


def _check_results(jobs: Iterable[Job], known: Mapping[str, Entry], journal: Path | Shared) -> None:
    """Let results of an earlier run be jobs only with the journal that knows what they have cost.

    Raises:
        Refused: They would be paid once more.
    """
    for job in jobs:
        entries = [known[key] for key in _attempts(job) if key in known]
        if job.earlier and all(entry.state == "refused" and not entry.released for entry in entries):
            raise Refused(
                f"key {job.key!r} stands in results of an earlier run ({job.earlier}), and {journal} does not know it, "
                "so it would be paid again: go on with the --out of that run, and with its --journal if it had one. "
                "To pay once more, give the file that the job came from"
            )


def _agree(jobs: Sequence[Job], connection: Connection, wishes: Wishes) -> None:
    """Tell what it costs, and let whoever pays decide.

    Raises:
        Refused: No; or there is no key.
    """
    announce(jobs, wishes)
    connection.client()
    credits = sum(job.credits for job in jobs if job.state == "waiting")
    if not credits or wishes.yes:
        return
    if not somebody_watches():
        raise Refused(f"pass --yes to spend {credits:,} credits without being asked")
    ask_to_spend(credits)


def _attempts(job: Job) -> Iterable[str]:
    """Write out the keys of a job and of its repetitions so far."""
    latest = int((job.flight_key or job.key).removeprefix(job.key).removeprefix("~") or 1)
    return [job.key, *(f"{job.key}~{number}" for number in range(2, latest + 1))]


def _recall(
    jobs: Sequence[Job], journal: JournalStore, origin: str, wishes: Wishes, pictures: Pictures | None
) -> dict[Job, Task | int]:
    """Bring *jobs* to where the journal says they stand; return what is paid and not complete yet."""
    entries = _read_attempts(jobs, journal, origin)
    # The files of others may be in the folder; their entries are read only where names could meet.
    others = journal.entries(origin=origin, account="") if isinstance(wishes.journal_path, Path) else entries.values()
    check_names(jobs, others, wishes.name)
    open_jobs: dict[Job, Task | int] = {}
    for job in jobs:
        job.flight_key, attempt = attempt_of(job.key, entries)
        _check_results([job], entries, wishes.journal_path)
        entry = entries.get(job.flight_key)
        if entry is None or entry.state in ("refused", "intended"):
            continue
        request = job.request if pictures is None else pictures.as_sent(job.request, entry.request)
        check_same(job.key, entry, request)
        if entry.state == "failed" and wishes.retry_failed:
            job.flight_key = f"{job.key}~{attempt + 1}"
            continue
        left = _take_over(job, entry, wishes)
        if left is not None:
            open_jobs[job] = left
    for job in jobs:
        _count_earlier(job, entries)
    recall_times(jobs, Results(wishes.out).lines)
    return open_jobs


def _count_earlier(job: Job, entries: Mapping[str, Entry]) -> None:
    """Note what the tasks of a job have cost that are not its latest: released ones, and those that were repeated."""
    for key in _attempts(job):
        entry = entries.get(key)
        if entry is None:
            continue
        job.sunk += entry.sunk
        if key == job.flight_key or entry.state != "failed":  # a released one stands in `sunk`
            continue
        if entry.refunded:
            job.returned += entry.credits or 0
        else:
            job.sunk += entry.credits or 0


def _read_attempts(jobs: Sequence[Job], journal: JournalStore, origin: str) -> dict[str, Entry]:
    """Read what is known of these jobs and of their repetitions: a journal may have those of everybody."""
    entries: dict[str, Entry] = {}
    names = {job.key: job.key for job in jobs}
    number = 1
    while names:
        found = {entry.key: entry for entry in journal.entries(keys=names, origin=origin, account="")}
        entries |= found
        number += 1
        names = {f"{key}~{number}": key for name, key in names.items() if name in found}
    return entries


def _take_over(job: Job, entry: Entry, wishes: Wishes) -> Task | int | None:
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
        job.refunded = entry.refunded is True
        return None
    output = entry.task.output
    if wishes.target is not None:
        job.state = "downloading"  # what is there already is seen there, and not brought again
        return entry.task
    stem = wishes.out / wishes.stem(job)
    video = stem.with_name(f"{stem.name}.mp4")
    cover = stem.with_name(f"{stem.name}{suffix_of(output.cover)}") if output.cover else None
    if not is_result(video) or (cover is not None and not is_result(cover, "cover")):
        job.state = "downloading"
        return entry.task
    job.state, job.video, job.cover = "done", video, cover
    job.width, job.height = output.width, output.height
    return None


@attrs.frozen
class Books:
    """What the journal tells in the end.

    Attributes:
        spent: Credits of these jobs in all runs together.
        read: What became of some jobs.
    """

    spent: Callable[[], int]
    read: Callable[[Sequence[Job]], Mapping[str, Entry]]


def _make(run: Run, wishes: Wishes, books: Books) -> int:
    results, board = Results(wishes.out), run.board
    broken_by: Exception | None = None
    interrupted = False

    async def work() -> None:
        page = live_gallery(board, wishes.out) if wishes.open_page else nullcontext()
        async with run.client, show(board, quiet=wishes.quiet, verbose=wishes.verbose), page:
            await run.make_all(max_in_flight=wishes.max_in_flight, timeout=wishes.timeout)

    try:
        with results.open(board):
            interrupted = not run_unless_interrupted(work)
    except Exception as error:  # noqa: BLE001 - what is paid is written down first; then it goes on
        broken_by = error
    board.listeners.clear()
    with suppress(JournalFailed):  # then these jobs are shown as this run left them
        # Workers elsewhere go on: what they are sending has somebody who waits for its answer.
        find_out(board, books, interrupted=interrupted and wishes.engine is None)
    board.leave_running()
    # Each for itself: a table that is open in a spreadsheet takes neither the gallery nor the exit code with it.
    troubles = [
        tried(results.lines, lambda: results.write_lines(board.jobs)),
        tried(results.table, lambda: results.write_table(board.jobs)),
    ]
    if wishes.page is not None:
        troubles.append(tried(wishes.page, lambda: write_gallery(board, wishes.out)))
    ending = Ending(
        code=INTERRUPTED if interrupted and not board.counts["unknown"] else exit_code(board, run.stopped_by),
        stopped_by=run.stopped_by,
        troubles=list(filter(None, troubles)),
        spent=books.spent,
    )
    verdict.set(ending.code)
    sum_up(board, wishes, ending)
    if broken_by is not None:
        raise broken_by
    return ending.worst


def find_out(board: Board, books: Books, *, interrupted: bool) -> None:
    """Show what became of the jobs whose answer this run did not see: other hosts made them, or it was interrupted."""
    waiting = [job for job in board.jobs if job.state == "waiting"]
    entries: Mapping[str, Entry] = books.read(waiting) if waiting else {}
    for job in waiting:
        entry = entries.get(job.flight_key or job.key)
        if entry is not None and (entry.state == "unknown" or (interrupted and entry.state == "intended")):
            leave_in_doubt(board, job, since=entry.created_at.timestamp(), fingerprint=entry.fingerprint)
        if entry is None or entry.task_id is None:
            continue
        board.find(job, entry.task_id)
        if entry.state == "failed":
            job.error, job.refunded = entry.reason or "the service made no video", entry.refunded is True
            board.move(job, "failed")
