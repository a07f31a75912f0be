"""The course of a batch as a picture: a line for each of a few jobs, a stack for many; seen apart from not seen."""

from collections.abc import Iterable, Sequence
from typing import Any

from ._job import Job
from ._progress import clock

#: Jobs that can be told apart as lines; more are counted.
MOST_LINES = 60
#: Pixels: height of a line, of the lowest and of the highest picture.
ROW, LOWEST, HIGHEST = 12, 48, 280
#: Width in units of its own; the page stretches it.
WIDTH = 1000
#: Moments at which many jobs are counted.
STEPS = 200
#: Seconds between two ticks: what people count in.
ROUND = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
#: Ticks, at most.
TICKS = 8

#: What jobs do for a while, from the bottom of a stack to its top, and how the page calls it. Between two looks nobody
#: knows whether a job still waited, was rendered already, or was done; the sandbox alone tells when it was done.
PHASES = {
    "render": "rendering, seen",
    "fail": "rendering, failed",
    "gap": "between two looks: nobody knows",
    "find": "done, not found yet",
    "save": "downloading",
    "queue": "queued, seen",
}

Span = tuple[str, float, float]


def draw(jobs: Sequence[Job]) -> dict[str, Any] | None:
    """Draw the course of *jobs*; `None` when nothing is known about it."""
    rows = sorted((job for job in jobs if job.queued_at is not None), key=lambda job: job.queued_at or 0.0)
    spans = [list(spans_of(job)) for job in rows]
    known = [span for phases in spans for span in phases]
    if not known:
        return None
    first = min(begin for _, begin, _ in known)
    seconds = max(max(end for _, _, end in known) - first, 1.0)
    moved = [[(phase, begin - first, end - first) for phase, begin, end in phases] for phases in spans]
    chart = _lines(moved, seconds) if len(rows) <= MOST_LINES else _stack(moved, seconds)
    paths: dict[str, str] = chart.pop("paths")
    return {
        "width": WIDTH,
        "phases": [(name, label, paths[name]) for name, label in PHASES.items() if paths.get(name)],
        "ticks": [(clock(tick), f"{100 * tick / seconds:.2f}") for tick in ticks(seconds)],
        "rows": [job.index for job in rows] if len(rows) <= MOST_LINES else [],
        "seconds": clock(seconds),
        "count": len(rows),
        **chart,
    }


def ticks(most: float, *, at_most: int = TICKS, steps: Sequence[int] = ROUND) -> list[int]:
    """Choose round numbers from 0 up to *most*.

    >>> ticks(100), ticks(7), ticks(1000, at_most=4, steps=(1, 10, 100, 500))
    ([0, 15, 30, 45, 60, 75, 90], [0, 1, 2, 3, 4, 5, 6, 7], [0, 500, 1000])
    """
    longest = steps[-1] * (int(most / steps[-1] / at_most) + 1)
    step = next((step for step in steps if most / step < at_most), longest)
    return list(range(0, int(most) + 1, step))


def spans_of(job: Job) -> Iterable[Span]:
    """Tell the phases of a job, as far as its moments are known; a clock that was set back makes none negative."""
    begin = job.queued_at
    work = "fail" if job.state == "failed" else "render"
    last = job.seen_at if job.started_at is not None else None
    for phase, end in (
        ("queue", job.waited_at),
        ("gap", job.started_at),
        (work if job.started_at is not None else "gap", job.ended_at or last),
        ("gap" if job.ended_at is None else "find", job.found_at),
        ("save", job.downloaded_at),
    ):
        if begin is not None and end is not None:
            if end > begin:
                yield phase, begin, end
            begin = max(begin, end)


def _lines(spans: Sequence[Sequence[Span]], seconds: float) -> dict[str, Any]:
    """Draw each job as a line of its phases, in the order they were queued."""
    height = min(HIGHEST, max(LOWEST, ROW * len(spans)))
    step = height / len(spans)
    paths: dict[str, str] = dict.fromkeys(PHASES, "")
    for number, phases in enumerate(spans):
        for phase, begin, end in phases:
            left, right = begin / seconds * WIDTH, end / seconds * WIDTH
            paths[phase] += f"M{left:.1f} {(number + 0.5) * step:.2f}H{max(right, left + 0.8):.1f}"
    return {"height": height, "stroke": f"{step * 0.72:.2f}", "paths": paths, "counts": []}


def _stack(spans: Sequence[Sequence[Span]], seconds: float) -> dict[str, Any]:
    """Draw how many jobs were in each phase, over time: the mean of each step."""
    width = seconds / STEPS
    counts = {phase: [0.0] * STEPS for phase in PHASES}
    for phase, begin, end in (span for phases in spans for span in phases):
        for step in range(int(begin / width), min(STEPS, int(end / width) + 1)):
            counts[phase][step] += max(0.0, min(end, (step + 1) * width) - max(begin, step * width)) / width
    most = max(map(sum, zip(*counts.values(), strict=True)))
    paths: dict[str, str] = {}
    floor = [0.0] * STEPS
    for phase, numbers in counts.items():
        top = [low + number for low, number in zip(floor, numbers, strict=True)]
        if any(numbers):
            paths[phase] = f"M{_outline(top, most)}L{_outline(floor, most, back=True)}Z"
        floor = top
    labels = ticks(
        most, at_most=5, steps=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
    )
    return {
        "height": HIGHEST,
        "stroke": "0",
        "paths": paths,
        "counts": [(f"{label:,}", f"{100 * label / most:.2f}") for label in labels],
    }


def _outline(heights: Sequence[float], most: float, *, back: bool = False) -> str:
    points = [
        f"{x:.0f} {HIGHEST * (1 - height / most):.1f}"
        for step, height in enumerate(heights)
        for x in (step * WIDTH / STEPS, (step + 1) * WIDTH / STEPS)
    ]
    return "L".join(reversed(points) if back else points)
