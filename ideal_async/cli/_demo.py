"""A hundred videos from one command, offline: the sandbox on loopback, and everything through the public face."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit

import attrs

from ideal_async import AsyncClient, ImageToVideo, Pacing, safe_name
from ideal_async.sandbox import Sandbox, serve

from ._files import alone_in, tried
from ._gallery import write_gallery
from ._job import Board, Job
from ._progress import clock, show
from ._results import Results
from ._run import Run, run_unless_interrupted
from ._sources import PICTURES
from ._summary import exit_code
from ._terminal import INTERRUPTED, UNFINISHED, Refused, counted, put, put_json, say

Resolution = Literal["480p", "720p", "1080p"]

#: What the sandbox draws; `-day` and `-night` of one name show the same room.
ROOMS = ("living", "bedroom", "kitchen", "bath", "study", "dining", "loft")
#: What moves, and how; the name is part of the file's.
MOVES = (
    ("zoom-in", "Zoom in slowly towards the window"),
    ("pan-left", "Pan left across the room"),
    ("orbit", "Orbit around the middle of the room"),
    ("pan-right", "Pan right, steady and calm"),
    ("zoom-out", "Zoom out to show the whole room"),
    ("tilt-up", "Tilt up from the floor to the ceiling"),
    ("dolly-in", "Dolly in at eye level"),
    ("tilt-down", "Tilt down from the ceiling to the floor"),
)
#: Every so many jobs differ from a quick one (480p, 5 s, Flash) in these places.
CYCLE = 50
SPECIAL: dict[int, dict[str, Any]] = {
    4: {"resolution": "720p"},
    9: {"model_type": "Base"},
    12: {"model_type": "Base", "generate_audio": True},
    18: {"resolution": "720p"},
    25: {"resolution": "1080p"},
    28: {"duration": 10},
    34: {"resolution": "720p"},
    41: {"model_type": "Base", "generate_audio": True},
    44: {"resolution": "720p"},
}
#: One in so many jobs goes from a first to a last frame, where there is one.
PAIRS = 8
HUNDRED = 100
#: How much faster the demo looks, at most: ten times a second at one video, which is rendered on this machine, too.
FASTEST = 50.0
PHOTOGRAPHS = {".jpg", ".jpeg", ".png", ".webp"}


@attrs.frozen
class Picture:
    """A picture a job may start from, and one of the same place at another hour, if there is one."""

    name: str
    url: str
    last_url: str | None = None


def drawn_rooms() -> list[Picture]:
    """List the rooms the sandbox draws."""
    day, night = "https://example.com/{}-day.jpg", "https://example.com/{}-night.jpg"
    return [Picture(room, day.format(room), night.format(room)) for room in ROOMS]


def photographs(names: Sequence[str], base_url: str) -> list[Picture]:
    """List the user's photographs as served under *base_url*; `-day` and `-night` of one name make a pair."""
    usable = {name: f"{base_url}/{quote(name)}" for name in names if Path(name).suffix.lower() in PHOTOGRAPHS}
    pictures: list[Picture] = []
    for name, url in usable.items():
        night = re.sub(r"\bday\b", "night", name)
        pictures.append(Picture(Path(name).stem, url, usable.get(night) if night != name else None))
    return pictures


def linked(urls: Sequence[str]) -> list[Picture]:
    """List pictures of the web."""
    return [Picture(Path(unquote(urlsplit(url).path)).stem or "picture", url) for url in urls]


def mix(pictures: Sequence[Picture], count: int, *, resolution: Resolution | None = None) -> list[Job]:
    """Plan *count* jobs over *pictures*: most of them quick, some of every kind the service offers.

    Args:
        pictures: At least one.
        count: Of the jobs.
        resolution: The same for all; `None`: mixed.
    """
    jobs: list[Job] = []
    digits = max(3, len(str(count)))
    for index in range(count):
        picture = pictures[index % len(pictures)]
        # Another move each time a picture comes round, also when pictures and moves are equally many.
        label, prompt = MOVES[(index % len(pictures) + index // len(pictures)) % len(MOVES)]
        wishes: dict[str, Any] = {"duration": 5, "resolution": "480p"} | SPECIAL.get(index % CYCLE, {})
        if picture.last_url is not None and index % PAIRS == PAIRS - 1:
            label, prompt = "day-to-night", "Smooth day to night transition"
            wishes["last_image_url"] = picture.last_url
        if resolution is not None:
            wishes["resolution"] = resolution
        request = ImageToVideo(picture.url, prompt=prompt, **wishes)
        jobs.append(Job(index, f"{index + 1:0{digits}}-{picture.name}-{label}", request))
    return jobs


def run_demo(
    out: Path,
    *,
    jobs: int,
    images: Sequence[str],
    speed: float,
    workers: int,
    resolution: Resolution | None,
    as_json: bool,
) -> int:
    """Start a sandbox, have it make *jobs* videos over real HTTP, and save them in *out*; return the exit code.

    Raises:
        Refused: *images* names nothing that can be used, or *out* cannot be.
    """
    folder = _folder(images)
    with (
        Sandbox(credits=0, speed=speed, workers=workers, images=folder) as sandbox,
        serve(sandbox) as base_url,
    ):
        if folder is not None:
            pictures = _photographs_in(folder, sandbox, base_url)
        else:
            pictures = linked(images) if images else drawn_rooms()
        planned = mix(pictures, jobs, resolution=resolution)
        with alone_in(out, "demo"):  # only now: what cannot begin leaves no folder
            return _make(planned, out, sandbox, base_url, min(speed, FASTEST), as_json=as_json)


def _make(planned: Sequence[Job], out: Path, sandbox: Sandbox, base_url: str, haste: float, *, as_json: bool) -> int:
    credits = sum(job.credits for job in planned)
    sandbox.grant(credits)
    say(f"{counted(len(planned), 'video')} for {credits:,} credits, from a sandbox on {base_url}")
    board = Board(planned, time.time())
    client = AsyncClient(sandbox.api_key, base_url=base_url, pacing=Pacing().accelerated(haste))
    run = Run(client, board, out, stem=lambda job: safe_name(job.key))

    async def work() -> None:
        async with client, show(board):
            await run.make_all()

    interrupted = not run_unless_interrupted(work)
    board.leave_running()
    delay = mean_delay(planned, sandbox)
    results, page = Results(out), out / "index.html"
    title = "A hundred videos, offline" if len(planned) == HUNDRED else "Videos, offline"
    troubles = [
        tried(results.lines, lambda: results.write_lines(board.jobs)),
        tried(results.table, lambda: results.write_table(board.jobs)),
        tried(page, lambda: write_gallery(board, out, title=title)),
    ]
    code = INTERRUPTED if interrupted else exit_code(board)
    # Now, and not below: the sandbox still finishes the clips it has begun.
    _sum_up(board, delay, page, time.time(), code, as_json=as_json)
    for trouble in filter(None, troubles):
        say(trouble, style="red")
        code = code or UNFINISHED
    return code


def _photographs_in(folder: Path, sandbox: Sandbox, base_url: str) -> list[Picture]:
    pictures = photographs(sandbox.images, f"{base_url}/images")
    others = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in PICTURES - PHOTOGRAPHS)
    if not pictures:
        only = f", only {' '.join(others)}" if others else ""
        raise Refused(f"{folder} holds no JPEG, PNG or WebP photographs{only}")
    if others:
        say(f"left out, since they are no JPEG, PNG or WebP: {' '.join(others)}")
    return pictures


def _folder(images: Sequence[str]) -> Path | None:
    """Tell the folder of *images*; `None` if they are URLs, or none at all."""
    if all(image.startswith(("http://", "https://")) for image in images):
        return None
    folder = Path(images[0])
    if len(images) > 1 or not folder.is_dir():
        raise Refused(f"--images takes one folder of photographs, or http(s) URLs, not {' '.join(images)}")
    return folder


def _sum_up(board: Board, delay: float | None, page: Path, now: float, code: int, *, as_json: bool) -> None:
    found = [job for job in board.jobs if job.found_at is not None]
    looks = sum(job.looks for job in found) / len(found) if found else None
    if as_json:
        put_json(
            {
                "jobs": len(board.jobs),
                "counts": {state: count for state, count in board.counts.items() if count},
                "credits": {"charged": board.charged, "refunded": board.refunded},
                "looks_per_job": looks,
                "seconds_from_end_to_discovery": delay,
                "seconds": round(now - board.started_at, 3),
                "gallery": str(page),
                "exit_code": code,
            }
        )
    else:
        put(f"videos    {board.counts['done']:,} of {len(board.jobs):,}, in {page.parent}")
        put(f"credits   {board.charged:,} charged, {board.refunded:,} refunded")
        if looks is not None:
            put(f"looks     {looks:.1f} per job")
        if delay is not None:
            put(f"found     {delay:.1f} s after its end, on average")
        put(f"time      {clock(now - board.started_at)}")
        put(f"gallery   {page}")


def mean_delay(jobs: Sequence[Job], sandbox: Sandbox) -> float | None:
    """Note when each task ended in the sandbox; return the mean seconds until it was found, `None` without any.

    The sandbox counts from its first request. An id is heard of no earlier than its task was created, so the smallest
    difference between the two is where the sandbox's count began, but for the way of one answer.
    """
    paid = {job.task_id: job for job in jobs if job.queued_at is not None}
    receipts = [receipt for receipt in sandbox.created if receipt.id in paid]
    began = min(((paid[receipt.id].queued_at or 0.0) - receipt.created_at for receipt in receipts), default=0.0)
    waits: list[float] = []
    for receipt in receipts:
        job = paid[receipt.id]
        if receipt.ended_at is not None and job.found_at is not None:
            job.ended_at = began + receipt.ended_at
            waits.append(job.found_at - job.ended_at)
    return sum(waits) / len(waits) if waits else None
