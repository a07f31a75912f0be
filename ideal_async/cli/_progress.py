"""What a terminal shows of a running batch, and what a log file gets instead."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ._job import Board, Job
from ._terminal import printable

#: Seconds between two pictures; faster is not seen, slower looks stuck.
REFRESH = 0.2
#: Seconds between two lines where nobody watches: a log of an hour stays readable.
REPORT = 10.0
#: Running jobs shown one by one, those nearest to their end.
SHOWN = 6
#: Columns below which the bar shares its line with nothing.
NARROW = 72


def clock(seconds: float | None) -> str:
    """Write a time span.

    >>> clock(75), clock(7325), clock(None)
    ('1:15', '2:02:05', '-:--')
    """
    if seconds is None:
        return "-:--"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def counts_of(board: Board) -> str:
    """Say in one line how many jobs stand where; what never happens is left out."""
    counts = board.counts
    always = [
        f"queue {counts['waiting'] + counts['queued']:,}",
        f"running {counts['rendering'] + counts['downloading']:,}",
        f"done {counts['done']:,}",
        f"failed {counts['failed'] + counts['refused']:,}",
    ]
    rarely = [f"{state} {counts[state]:,}" for state in ("unknown", "unfinished") if counts[state]]
    return " · ".join(always + rarely)


def credits_of(board: Board) -> str:
    """Say in one line what the batch has cost so far."""
    line = f"{board.charged:,} credits charged"
    return f"{line}, {board.refunded:,} refunded" if board.refunded else line


def picture(board: Board, now: float, *, width: int) -> RenderableType:
    """Draw the board for a terminal of *width* columns."""
    total = len(board.jobs)
    share = f"{board.ended:,}/{total:,}"
    times = f"{clock(now - board.started_at)} · {clock(board.seconds_left(now))} left"
    bar = ProgressBar(total=max(1, total), completed=board.ended, width=None)
    head = Table.grid(padding=(0, 1), expand=True)
    if width < NARROW:
        head.add_column(ratio=1)
        head.add_row(bar)
        head.add_row(Text(f"{share} · {times}", no_wrap=True, overflow="ellipsis"))
    else:
        head.add_column(ratio=1)
        head.add_column(no_wrap=True)
        head.add_row(bar, f"{share} · {times}")
    lines: list[RenderableType] = [head]
    lines += [Text(line, no_wrap=True, overflow="ellipsis") for line in (counts_of(board), credits_of(board))]
    running = [job for job in board.running if job.state != "queued"]
    running.sort(key=lambda job: (job.state != "downloading", -job.percentage, job.index))
    lines += [_line(job) for job in running[:SHOWN]]
    return Group(*lines)


def _line(job: Job) -> Text:
    where = "saving" if job.state == "downloading" else f"{job.percentage:3} %"
    return Text(f"  {where:>6}  {printable(job.key)}", style="dim", no_wrap=True, overflow="ellipsis")


@asynccontextmanager
async def show(board: Board, console: Console) -> AsyncGenerator[None]:
    """Keep *console* up to date while the block runs, and leave it clean however the block ends."""
    async with anyio.create_task_group() as group:
        if console.is_terminal and not console.is_dumb_terminal:
            with Live(console=console, auto_refresh=False, transient=True) as live:
                group.start_soon(_redraw, board, live)
                yield
                group.cancel_scope.cancel()
        else:
            group.start_soon(_report, board, console)
            yield
            group.cancel_scope.cancel()


async def _redraw(board: Board, live: Live) -> None:
    while True:
        live.update(picture(board, time.time(), width=live.console.width), refresh=True)
        await anyio.sleep(REFRESH)


async def _report(board: Board, console: Console) -> None:
    while True:
        await anyio.sleep(REPORT)
        left = clock(board.seconds_left(time.time()))
        line = f"{board.ended:,}/{len(board.jobs):,} · {counts_of(board)} · {credits_of(board)} · {left} left"
        console.print(line, soft_wrap=True, highlight=False)
