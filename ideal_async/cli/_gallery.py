"""A page beside the videos: covers that play, filters, costs, and a timeline of the whole batch."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined

from ._files import anew
from ._job import Board, Job
from ._progress import clock
from ._terminal import printable

#: Height of the timeline in pixels, for few and for many jobs; and of one job where there is room.
LOWEST, HIGHEST, ROW = 48, 320, 12
#: Width of the timeline in its own units; the page stretches it.
WIDTH = 1000
#: Labels below the timeline.
TICKS = 6


#: What jobs do for a while, and how the page calls it. The service does not tell when it was done: the sandbox does.
PHASES = {
    "queue": "queued",
    "render": "rendering",
    "fail": "rendering, failed",
    "find": "until found",
    "save": "downloading",
}


def write_gallery(board: Board, folder: Path, *, title: str = "Videos") -> Path:
    """Write `index.html` into *folder*, where the files of the jobs are; return its path."""
    page = folder / "index.html"
    with anew(page) as file:
        file.write(render(board.jobs, title=title, now=time.time(), charged=board.charged, refunded=board.refunded))
    return page


def render(jobs: Sequence[Job], *, title: str, now: float, charged: int, refunded: int) -> str:
    """Write the page of *jobs*.

    Args:
        jobs: In the order of the page.
        title: Of the page.
        now: When it is written, seconds since 1970.
        charged: Credits.
        refunded: Credits.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("ideal_async.cli").joinpath("gallery.html").read_text("utf-8"))
    kinds = Counter(kind_of(job) for job in jobs)
    states = Counter(job.state for job in jobs)
    return template.render(
        title=title,
        written=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now)),
        cards=[_card(job) for job in jobs],
        kinds=sorted(kinds.items()),
        states=states.most_common(),
        done=states["done"],
        charged=f"{charged:,}",
        refunded=f"{refunded:,}" if refunded else "",
        chart=_chart(jobs),
    )


def kind_of(job: Job) -> str:
    """Name what a job is, for a filter.

    >>> from ideal_async import ImageToVideo
    >>> kind_of(Job(0, "a", ImageToVideo("https://example.com/a.jpg", duration=5, resolution="480p")))
    '480p · 5 s · Flash'
    """
    request = job.request
    words = [request.resolution, f"{request.duration} s", request.model_type]
    if request.generate_audio:
        words.append("audio")
    if request.last_image_url is not None:
        words.append("first-last")
    return " · ".join(words)


def _card(job: Job) -> dict[str, Any]:
    return {
        "key": printable(job.key),
        "state": job.state,
        "kind": kind_of(job),
        "prompt": printable(job.request.prompt or ""),
        "credits": job.credits,
        "refunded": job.state == "failed",
        "paid": job.task_id is not None,
        "task_id": job.task_id,
        "video": job.video and quote(job.video.name),
        "cover": job.cover and quote(job.cover.name),
        "size": f"{job.width} x {job.height}" if job.width and job.height else "",
        "error": printable(job.error or ""),
        "times": list(_times(job)),
    }


def _times(job: Job) -> Iterable[tuple[str, str]]:
    """Say how long a job was in each phase that is known."""
    for phase, begin, end in _spans(job):
        yield PHASES[phase], clock(end - begin) if end - begin >= 60 else f"{end - begin:.1f} s"  # noqa: PLR2004 - a minute


def _spans(job: Job) -> Iterable[tuple[str, float, float]]:
    """Tell the phases of a job, as far as its moments are known; a clock that was set back makes none negative."""
    begin = job.queued_at
    work = "fail" if job.state == "failed" else "render"
    for phase, end in (
        ("queue", job.started_at),
        (work, job.ended_at),
        (work if job.ended_at is None else "find", job.found_at),
        ("save", job.downloaded_at),
    ):
        if begin is not None and end is not None:
            yield phase, begin, max(begin, end)
            begin = max(begin, end)


def _chart(jobs: Sequence[Job]) -> dict[str, Any] | None:
    """Draw each job as a line of its phases, in the order they were queued; `None` when nothing was."""
    rows = sorted((job for job in jobs if job.queued_at is not None), key=lambda job: job.queued_at or 0.0)
    spans = [list(_spans(job)) for job in rows]
    if not any(spans):
        return None
    first = min(span[0][1] for span in spans if span)
    seconds = max(max(span[-1][2] for span in spans if span) - first, 1.0)
    height = min(HIGHEST, max(LOWEST, ROW * len(rows)))
    step = height / len(rows)
    paths: dict[str, list[str]] = {phase: [] for phase in PHASES}
    for number, phases in enumerate(spans):
        for phase, begin, end in phases:
            left, right = ((moment - first) / seconds * WIDTH for moment in (begin, end))
            paths[phase].append(f"M{left:.1f} {(number + 0.5) * step:.2f}H{max(right, left + 0.8):.1f}")
    return {
        "height": height,
        "width": WIDTH,
        "stroke": f"{max(0.5, step * 0.82):.2f}",
        "phases": [(name, label, "".join(paths[name])) for name, label in PHASES.items() if paths[name]],
        "ticks": [clock(seconds * number / (TICKS - 1)) for number in range(TICKS)],
        "rows": [job.index for job in rows],
        "seconds": clock(seconds),
        "count": len(rows),
    }
