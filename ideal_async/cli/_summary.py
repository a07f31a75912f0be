"""What a batch is asked to do, and what it says: before, about the money; afterwards, about what came of it."""

import shlex
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs

from ideal_async import ImageToVideo, estimate

from ._job import Board, Job, State
from ._progress import clock
from ._results import Results
from ._rows import Problem
from ._terminal import DONE, FAILED, IN_DOUBT, INTERRUPTED, UNFINISHED, invocation, put, put_json, say

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


def sum_up(board: Board, wishes: Wishes, stopped_by: Exception | None, gallery: Path | None, code: int) -> None:
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
        say(f"What to look for in your account: ideal-async journal show {path} KEY")
        say(f"If there is no such task: ideal-async journal release {path} KEY")
    if code in (INTERRUPTED, UNFINISHED):
        say(f"Go on with: {shlex.join(['ideal-async', *invocation.get()])}")
