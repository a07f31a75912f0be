"""A page beside the videos: covers that play, filters, costs, and the course of the whole batch."""

import time
import webbrowser
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import anyio.to_thread
from jinja2 import Environment, StrictUndefined

from ._chart import draw
from ._files import anew
from ._job import Board, Job
from ._progress import clock, left_in_words
from ._terminal import counted, printable

#: Characters of an error that are read at a glance; the rest is folded away.
GLANCE = 140
#: Seconds between two pages of a batch that runs; a longer one is written less often, so that it costs little.
RENEWAL = 3.0
#: Times as long as a page takes to write, at least, until the next one: two percent of the time.
REST = 50.0
#: Running jobs that the page of a running batch names.
MOST_RUNNING = 12
#: Why a job has no video, and in which order the page tells: what needs somebody comes first.
WITHOUT = {"unknown": 0, "failed": 1, "refused": 2, "unfinished": 3, "waiting": 4}


def write_gallery(board: Board, folder: Path, *, title: str = "Videos", live: bool = False) -> Path:
    """Write `index.html` into *folder*, where the files of the jobs are; return its path.

    Args:
        board: What is shown.
        folder: Of the files.
        title: Of the page.
        live: It renews itself.
    """
    page = folder / "index.html"
    with anew(page) as file:
        file.write(render(board, title=title, now=time.time(), live=live))
    return page


@asynccontextmanager
async def live_gallery(board: Board, folder: Path) -> AsyncGenerator[None]:
    """Open the page of a batch in a browser, and keep it up to date while the block runs."""
    page = write_gallery(board, folder, live=True)
    async with anyio.create_task_group() as group:
        group.start_soon(_keep, board, folder)
        # A browser of the terminal stays until somebody leaves it.
        group.start_soon(_open, page.resolve().as_uri())
        yield
        group.cancel_scope.cancel()


async def _open(url: str) -> None:
    await anyio.to_thread.run_sync(webbrowser.open, url, abandon_on_cancel=True)


async def _keep(board: Board, folder: Path) -> None:
    while True:
        began = time.perf_counter()
        with suppress(OSError):  # a full disk stops no video; at the end it is tried again, and reported
            write_gallery(board, folder, live=True)
        await anyio.sleep(max(RENEWAL, REST * (time.perf_counter() - began)))


def render(board: Board, *, title: str, now: float, live: bool = False) -> str:
    """Write the page of a batch.

    Args:
        board: What is shown.
        title: Of the page.
        now: When it is written, seconds since 1970.
        live: It renews itself.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("ideal_async.cli").joinpath("gallery.html").read_text("utf-8"))
    jobs = board.jobs
    ended = [job for job in jobs if job not in board.running]
    without = sorted((job for job in ended if job.video is None), key=lambda job: WITHOUT.get(job.state, 0))
    running = sorted(board.running, key=lambda job: (-job.share(now), job.index))
    without = [job for job in without if not live or job.state != "waiting"]
    reasons = Counter(STATES.get(job.state, job.state) for job in without)
    return template.render(
        counted=counted,
        title=title,
        written=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now)),
        videos=[_card(job) for job in ended if job.video is not None],
        without=list(map(_card, without)),
        reasons=", ".join(f"{count:,} {words}" for words, count in reasons.items()),
        running=[(printable(job.key), job.state, round(100 * job.share(now))) for job in running[:MOST_RUNNING]],
        more_running=max(0, len(running) - MOST_RUNNING),
        to_send=board.counts["waiting"] if live else 0,
        left=left_in_words(board.seconds_left(now)),
        live=live,
        jobs=len(jobs),
        kinds=sorted(Counter(kind_of(job) for job in ended).items()),
        states=Counter(job.state for job in ended).most_common(),
        done=board.counts["done"],
        charged=f"{board.charged:,}",
        refunded=f"{board.refunded:,}" if board.refunded else "",
        chart=draw(jobs),
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
    error = printable(job.error or "")
    return {
        "index": job.index,
        "state": job.state,
        "words": STATES.get(job.state, job.state),
        "key": printable(job.key),
        "kind": kind_of(job),
        "prompt": printable(job.request.prompt or ""),
        "price": _price(job),
        "task_id": job.task_id,
        "video": job.video and quote(job.video.name),
        "file": job.video and printable(job.video.name),
        "cover": job.cover and quote(job.cover.name),
        "size": f"{job.width} x {job.height}" if job.width and job.height else "",
        "glance": error if len(error) <= GLANCE else f"{error[:GLANCE].rpartition(' ')[0] or error[:GLANCE]}…",
        "rest": "" if len(error) <= GLANCE else error,
        "times": list(_times(job)),
    }


STATES = {"unknown": "in doubt", "waiting": "not sent"}


def _price(job: Job) -> str:
    """Say what a job has cost, as far as anybody knows."""
    earlier = f", and {counted(job.sunk, 'credit')} for earlier tasks, not refunded as far as known" if job.sunk else ""
    return f"{_price_of_latest(job)}{earlier}"


def _price_of_latest(job: Job) -> str:
    credits = counted(job.credits, "credit")
    if job.state == "unknown":
        return f"{credits}, perhaps charged: look into your account"
    if job.task_id is None:
        return "nothing charged"
    if job.state != "failed":
        return credits
    return f"{credits}, {'refunded' if job.refunded else 'not refunded as far as known'}"


def _times(job: Job) -> Iterable[tuple[str, str]]:
    """Say how long a job was in each phase: what was seen bounds what is known."""
    queued, found = job.queued_at, job.found_at
    waited = job.waited_at or queued
    if queued is None or waited is None:
        return
    if job.started_at is not None:
        yield "queued", _between(waited - queued, job.started_at - queued)
    end = job.ended_at or found
    if end is not None and job.started_at is not None:
        least = (job.ended_at or job.seen_at or job.started_at) - job.started_at
        yield "rendering", _between(least, end - waited)
    elif end is not None:
        yield "queued and rendering", _between(0.0 if job.ended_at is None else end - queued, end - queued)
    if found is not None:
        last = job.ended_at or job.seen_at or job.started_at or waited
        yield "to find its end", _between(found - last if job.ended_at is not None else 0.0, found - last)
        if job.downloaded_at is not None:
            yield "downloading", _span(job.downloaded_at - found)


def _between(least: float, most: float) -> str:
    """Write a time that is known to lie between two others.

    >>> _between(0, 5.1), _between(3.2, 5.1), _between(5.1, 5.12)
    ('at most 5.1 s', '3.2 s to 5.1 s', '5.1 s')
    """
    low, high = _span(least), _span(most)
    if low == high:
        return high
    return f"at most {high}" if low == _span(0) else f"{low} to {high}"


def _span(seconds: float) -> str:
    # A clock that was set back makes no time negative.
    return clock(seconds) if seconds >= 60 else f"{max(0.0, seconds):.1f} s"  # noqa: PLR2004 - a minute
