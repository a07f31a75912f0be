"""What a batch is asked to do, and what it says: before, about the money; afterwards, about what came of it."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ideal_async import BudgetExceeded, Entry, ImageToVideo, OutOfCredits, Unauthorized, estimate

from ._columns import Problem, Row
from ._endings import words_of
from ._files import JOURNAL
from ._job import Board, Job, State
from ._names import NAME, name_files
from ._places import HostLimits, Shared
from ._progress import clock
from ._results import Results
from ._terminal import (
    DONE,
    FAILED,
    IN_DOUBT,
    INTERRUPTED,
    MISUSED,
    UNFINISHED,
    Refused,
    counted,
    invocation,
    put,
    put_json,
    say,
    shell,
)

if TYPE_CHECKING:
    from ideal_async.buckets import Bucket

#: What an earlier run made of jobs.
EARLIER: dict[State, str] = {
    "done": "done in an earlier run",
    "queued": "paid in an earlier run, and waited for now",
    "downloading": "made in an earlier run, and downloaded if missing",
    "failed": "failed in an earlier run; --retry-failed makes them anew",
    "unknown": "may have been paid in an earlier run, so they are not sent again",
}
#: Why jobs have no video, in a summary.
WITHOUT: dict[State, str] = {
    "failed": "failed",
    "refused": "refused",
    "unfinished": "unfinished",
    "waiting": "not sent",
    "unknown": "in doubt",
}
#: Keys in one command to paste.
MOST_PASTED = 10
#: Problems shown one by one: what fits on a screen; who has more fixes these first.
MOST_SHOWN = 20


@attrs.frozen(kw_only=True)
class Wishes:
    """What a batch is asked to do, beside its jobs.

    Attributes:
        out: The folder for videos, results and journal.
        journal: Of another place.
        engine: Address of what has workers elsewhere make them.
        limits: Over all hosts that share it.
        budget: Credits these jobs may cost, in all runs together.
        yes: Spend without asking.
        dry_run: Tell what would be done, and stop.
        retry_failed: Make new tasks for failed ones.
        gallery: Write `index.html`.
        max_in_flight: Jobs submitted and not ended, at most.
        timeout: Seconds for making the videos.
        as_json: The summary is for a script.
        name: Template of the files' names.
        quiet: Only errors and the result.
        verbose: A line for each job that ends.
        ignore_columns: Columns of the input that are no fields.
        open_page: Show the gallery in a browser, from the beginning.
        uploads: Where pictures of this computer are published.
        target: A bucket, or a folder in it, where videos go instead of `out`.
    """

    out: Path
    journal: Path | Shared | None = None
    engine: str | None = None
    limits: HostLimits | None = None
    budget: int | None = None
    yes: bool = False
    dry_run: bool = False
    retry_failed: bool = False
    gallery: bool = False
    max_in_flight: int = 200
    timeout: float | None = None
    as_json: bool = False
    name: str = NAME
    quiet: bool = False
    verbose: bool = False
    ignore_columns: Collection[str] = ()
    open_page: bool = False
    uploads: "Bucket | None" = None
    target: "Bucket | None" = None

    def stem(self, job: Job) -> str:
        """Name the files of a job, without a suffix."""
        return name_files(self.name, job.key, job.task_id, job.request)

    @property
    def page(self) -> Path | None:
        """Where the gallery is, if there shall be one."""
        return self.out / "index.html" if self.gallery or self.open_page else None

    @property
    def journal_path(self) -> Path | Shared:
        """Where the journal is."""
        return self.journal or self.out / JOURNAL


def list_problems(problems: Sequence[Problem], good: int) -> str:
    """Write what is wrong, line by line."""
    lines = [str(problem) for problem in problems[:MOST_SHOWN]]
    if len(problems) > MOST_SHOWN:
        lines.append(f"and {len(problems) - MOST_SHOWN:,} more")
    lines.append(f"{len(problems):,} wrong, {good:,} right: nothing was sent")
    return "\n".join(lines)


def count_kinds(requests: Iterable[ImageToVideo]) -> list[tuple[str, int, int]]:
    """Count the kinds of videos: what, how many, credits for all of them."""
    kinds = Counter(request.kind for request in requests)
    prices = {request.kind: estimate(request) for request in requests}
    return [
        (f"{model} {resolution} {duration} s{', audio' if audio else ''}", count, count * prices[kind])
        for kind, count in sorted(kinds.items())
        for model, resolution, duration, audio in [kind]
    ]


def announce(jobs: Sequence[Job], wishes: Wishes) -> None:
    """Tell what stands, and what the rest will cost; of a dry run that is the result."""
    counts = Counter(job.state for job in jobs)
    to_make = [job.request for job in jobs if job.state == "waiting"]
    credits_ = sum(map(estimate, to_make))
    if wishes.dry_run and wishes.as_json:
        kinds = [{"kind": kind, "jobs": count, "credits": cost} for kind, count, cost in count_kinds(to_make)]
        put_json({"jobs": len(jobs), "to_make": len(to_make), "credits": credits_, "kinds": kinds, "counts": counts})
        return
    if wishes.quiet and not wishes.dry_run:
        return
    tell = put if wishes.dry_run else say
    tell(f"{counted(len(jobs), 'job')}, {len(to_make):,} to make for {counted(credits_, 'credit')}")
    for kind, count, cost in count_kinds(to_make):
        tell(f"  {count:>7,} x {kind}: {cost:,} credits")
    for state, words in EARLIER.items():
        if counts[state]:
            tell(f"  {counts[state]:>7,} {words}")
    same = len(to_make) - len(set(to_make))
    if same:
        tell(f"  {same:,} of them {'asks' if same == 1 else 'ask'} for the same as another")


def find_overruled(rows: Iterable[Row | Problem], given: Mapping[str, Any]) -> list[str]:
    """Say which of the fields given for all are not used, because rows name another value."""
    counts = Counter(
        (row.source, name)
        for row in rows
        if isinstance(row, Row)
        for name, value in given.items()
        if row.fields.get(name, value) != value
    )
    return [
        f"{source} names its own {name}: {_write_option(name, given[name])} is not used for {counted(count, 'row')}"
        for (source, name), count in counts.items()
    ]


def _write_option(name: str, value: object) -> str:
    """Write an option as it was given; of one that may be long, or a secret, only its name."""
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{'' if value else 'no-'}{option}"
    return f"--{option}" if name in ("prompt", "last_image_url") else f"--{option} {value}"


def check_same(key: str, entry: Entry, request: ImageToVideo) -> None:
    """Let a key be for one request only.

    Raises:
        Refused: *entry* is of another one.
    """
    if entry.fingerprint != request.fingerprint:
        raise Refused(
            f"key {key!r} was used for another request ({entry.created_at:%Y-%m-%d}): give this one another key"
        )


def exit_code(board: Board, stopped_by: Exception | None = None) -> int:
    """Tell how a batch ended: the most urgent of what happened."""
    counts = board.counts
    if counts["unknown"]:
        return IN_DOUBT
    if isinstance(stopped_by, Unauthorized) and not counts["unfinished"]:
        return MISUSED
    if counts["unfinished"] or counts["waiting"]:
        return UNFINISHED
    return FAILED if counts["failed"] or counts["refused"] else DONE


@attrs.frozen(kw_only=True)
class Ending:
    """How a run of a batch ended.

    Attributes:
        code: The exit code that the jobs ask for.
        stopped_by: What stopped it before all jobs were submitted.
        troubles: What could not be written.
        spent: Tells what these jobs have cost in all runs, in credits.
    """

    code: int
    stopped_by: Exception | None
    troubles: Sequence[str]
    spent: Callable[[], int]

    @property
    def worst(self) -> int:
        """The exit code, with what could not be written: the same command writes it."""
        return UNFINISHED if self.troubles and self.code in (DONE, FAILED) else self.code


def sum_up(board: Board, wishes: Wishes, ending: Ending) -> None:
    """Say what came of a batch, and how it goes on."""
    results = Results(wishes.out)
    if wishes.as_json:
        put_json(
            {
                "jobs": len(board.jobs),
                "counts": {state: count for state, count in board.counts.items() if count},
                "credits": {"charged": board.charged, "refunded": board.refunded},
                "stopped_by": ending.stopped_by and words_of(ending.stopped_by),
                "seconds": round(time.time() - board.started_at, 3),
                "results": str(results.lines),
                "gallery": wishes.page and str(wishes.page),
                "not_written": list(ending.troubles),
                "exit_code": ending.worst,
            }
        )
    else:
        put(f"done     {board.counts['done']:,} of {len(board.jobs):,}, in {wishes.target or wishes.out}")
        for state, words in WITHOUT.items():
            if board.counts[state]:
                put(f"{words:<8} {board.counts[state]:,}")
        lost = sum(job.lost for job in board.jobs)
        unsure = f"; {lost:,} of failed tasks are not refunded as far as known" if lost else ""
        put(f"credits  {board.charged:,} charged, {board.refunded:,} refunded{unsure}")
        put(f"time     {clock(time.time() - board.started_at)}")
        put(f"results  {results.lines} and {results.table.name}")
        if wishes.page is not None:
            put(f"gallery  {wishes.page}")
    sys.stdout.flush()  # before the hints, whatever the two streams are
    for line in (*ending.troubles, *_stops(board, ending.stopped_by)):
        say(line, style="red")
    for line in (*doubts(board, wishes.journal_path), *_ways_on(board, ending)):
        say(line)


def _stops(board: Board, stopped_by: Exception | None) -> Iterable[str]:
    """Say why not everything was sent."""
    if stopped_by is not None:
        yield f"Stopped: {words_of(stopped_by)}"
    else:
        reasons = Counter(job.error for job in board.jobs if job.state == "waiting" and job.error)
        yield from (f"Not sent: {reason}" for reason, _ in reasons.most_common(1))


def doubts(board: Board, journal: Path | Shared) -> Iterable[str]:
    """Say what to do about jobs that may have been paid."""
    keys = [job.flight_key or job.key for job in board.jobs if job.state == "unknown"]
    if not keys:
        return
    named = keys[:MOST_PASTED]
    words = [str(journal), *(["--"] if any(key.startswith("-") for key in named) else []), *named]
    yield f"What to look for in your account: {_command(['journal', 'show', *words])}"
    yield f"If it is there: {_command(['journal', 'adopt', *words[: -len(named)], named[0]])} TASK_ID"
    yield f"Once you know that there is no such task: {_command(['journal', 'release', *words])}"
    if len(keys) > len(named):
        rest = ["journal", "list", str(journal), "--state", "unknown"]
        yield f"{len(keys) - len(named):,} more: {_command(rest)}"


def _ways_on(board: Board, ending: Ending) -> Iterable[str]:
    """Say how a batch that is not complete goes on."""
    if not (board.counts["unfinished"] or board.counts["waiting"] or ending.worst in (INTERRUPTED, UNFINISHED)):
        return
    words = list(invocation.get())
    credits = sum(job.credits for job in board.jobs if job.state == "waiting")
    match ending.stopped_by:
        case BudgetExceeded():
            budget = ending.spent() + credits
            words = [*_without_budget(words), "--budget", str(budget)]
            yield f"With {budget:,} credits it can be completed: {_command(words)}"
        case OutOfCredits():
            yield f"{credits:,} credits are needed. Top up, then go on with: {_command(words)}"
        case Unauthorized():
            yield f"Then go on with: {_command(words)}"
        case _:
            yield f"Go on with: {_command(words)}"
    if "-" in words:
        yield "Give it the same standard input again."


def _without_budget(words: Sequence[str]) -> list[str]:
    kept: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        if word != "--budget" and before != "--budget" and not word.startswith("--budget="):
            kept.append(word)
    return kept


def _command(words: Iterable[str]) -> str:
    return shell(["ideal-async", *words])
