"""What a terminal shows of a running batch, and what a log file gets instead."""

import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

import anyio
from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from ._job import Board, Job, State
from ._outage import TRIED
from ._terminal import people, printable

#: Seconds between two pictures; faster is not seen, slower looks stuck.
REFRESH = 0.2
#: Seconds between two lines where nobody watches: a log of an hour stays readable.
REPORT = 10.0
#: Jobs shown one by one, those nearest to their end.
SHOWN = 6
#: Columns below which the bar shares its line with nothing.
NARROW = 72
#: Failures shown one by one, when they happen; what fits on a screen.
MOST_SHOWN = 20
#: Seconds below which a forecast says no more than that it is nearly over.
SOON = 1.5

#: A video is not made because its time is up: an end is believed when it is seen.
MOST_SHARE = 0.99
#: Green is made, red is not and will not be, yellow needs somebody, grey has yet to come.
STYLES: dict[State, str] = {
    "done": "green",
    "failed": "red",
    "refused": "red",
    "unknown": "yellow",
    "unfinished": "yellow",
    "downloading": "green",
    "rendering": "",
    "queued": "dim",
    "waiting": "dim",
}
#: How the states are called where jobs are counted, and whether that is said also when there are none.
NAMES: tuple[tuple[State, str, bool], ...] = (
    ("done", "done", True),
    ("failed", "failed", False),
    ("refused", "refused", False),
    ("unknown", "in doubt", False),
    ("unfinished", "unfinished", False),
    ("downloading", "saving", False),
    ("rendering", "rendering", True),
    ("queued", "queued", True),
    ("waiting", "to send", True),
)
_WORDS = {state: words for state, words, _ in NAMES}


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


def left_in_words(seconds: float | None) -> str:
    """Say how long it will take; nothing is promised to the second.

    >>> left_in_words(75), left_in_words(0.2), left_in_words(None)
    ('about 1:15 left', 'nearly done', 'time left not known yet')
    """
    if seconds is None:
        return "time left not known yet"
    return "nearly done" if seconds < SOON else f"about {clock(seconds)} left"


def counts_of(board: Board) -> list[tuple[State, str]]:
    """Say how many jobs stand where; what rarely happens is left out until it does."""
    return [
        (state, f"{name} {board.counts[state]:,}") for state, name, always in NAMES if always or board.counts[state]
    ]


def credits_of(board: Board) -> str:
    """Say in one line what the batch has cost so far."""
    line = f"{board.charged:,} credits charged"
    return f"{line}, {board.refunded:,} refunded" if board.refunded else line


def outage_of(board: Board, now: float) -> str:
    """Say that the API has not answered for a while; empty if it has."""
    seconds = board.outage.seconds(now)
    return "" if seconds is None else f"no answer for {clock(seconds)}; {TRIED}: {printable(board.outage.why)}"


def picture(board: Board, now: float, *, width: int, ascii_only: bool = False) -> RenderableType:
    """Draw the board for a terminal of *width* columns."""
    between = ", " if ascii_only else " · "
    figures = between.join(
        (
            f"{board.ended:,} of {len(board.jobs):,}",
            clock(now - board.started_at),
            left_in_words(board.seconds_left(now)),
        )
    )
    lines: list[Text] = []
    if width < NARROW:
        lines += [_bar(board, now, width, ascii_only=ascii_only), Text(figures)]
    else:
        bar = _bar(board, now, width - cell_len(figures) - 2, ascii_only=ascii_only)
        lines.append(Text.assemble(bar, "  ", figures))
    lines += _wrapped(counts_of(board), between, width)
    lines.append(Text(credits_of(board)))
    if board.trouble:
        lines.append(Text(f"not sent: {printable(board.trouble)}", "yellow"))
    if outage := outage_of(board, now):
        lines.append(Text(outage, "yellow"))
    lines += [_row(job, now) for job in _nearest(board)]
    for line in lines:
        _fit(line, width, "..." if ascii_only else "…")
    return Group(*lines)


def _bar(board: Board, now: float, width: int, *, ascii_only: bool) -> Text:
    """Draw what is made, what failed, what is half made and what is to come as parts of a line."""
    total = max(1, len(board.jobs))
    failed = board.counts["failed"] + board.counts["refused"] + board.counts["unknown"]
    half_made = sum(job.share(now) for job in board.running)
    parts = (
        (board.ended - failed, "=" if ascii_only else "━", "green"),
        (failed, "x" if ascii_only else "┄", "red"),
        (half_made, "-" if ascii_only else "╌", "green"),
    )
    bar = Text()
    reached = 0.0
    for count, mark, style in parts:
        reached += count
        bar.append(mark * (int(reached / total * width) - len(bar)), style)
    bar.append((" " if ascii_only else "─") * (width - len(bar)), "dim")
    return bar


def _wrapped(counts: Iterable[tuple[State, str]], between: str, width: int) -> list[Text]:
    """Write the counts in as few lines as they need; none is cut off."""
    lines = [Text()]
    for state, words in counts:
        if lines[-1] and lines[-1].cell_len + cell_len(between + words) > width:
            lines.append(Text())
        lines[-1].append(between if lines[-1] else "").append(words, STYLES[state])
    return lines


def _nearest(board: Board) -> list[Job]:
    """Choose the jobs to show: those that are being saved, then those that end next."""
    order: dict[State, int] = {"downloading": 0, "rendering": 1, "queued": 2}
    running = sorted(board.running, key=lambda job: (order[job.state], job.expected_at or float("inf"), job.index))
    return running[:SHOWN]


def _row(job: Job, now: float) -> Text:
    left = ""
    share = f"{min(MOST_SHARE, job.share(now)):.0%}".replace("%", " %")
    if job.expected_at is not None:
        left = clock(job.expected_at - now) if job.expected_at > now + SOON else "soon"
        if job.expected_at < now - SOON:
            left, share = "late", f"{job.percentage} %"  # the forecast was wrong: what was seen is all that is known
    what = {
        "downloading": "saving",
        "rendering": share,
        "queued": f"{job.wait_number:,} ahead" if job.wait_number else "queued",
    }[job.state]
    return Text(
        f"  {what:>9}  {left if job.state != 'downloading' else '':>5}  {printable(job.key)}", STYLES[job.state]
    )


def _fit(line: Text, width: int, ellipsis: str) -> None:
    """Cut what does not fit, in cells: one of them holds half of a Chinese character."""
    if line.cell_len > width:
        keep = len(set_cell_size(line.plain, width - len(ellipsis)).rstrip(" "))
        line.right_crop(len(line.plain) - keep)
        line.append(ellipsis)


class _Endings:
    """Says what ended, when it ends: failures to everybody, up to a screenful, the rest to who asked for it."""

    def __init__(self, console: Console, *, verbose: bool) -> None:
        self._console, self._verbose, self._failures = console, verbose, 0

    def hear(self, job: Job) -> None:
        if job.error is None:
            if self._verbose and job.state == "done":
                self._print(f"{job.key}: done: {job.video}", "green")
            return
        self._failures += 1
        if self._verbose or self._failures <= MOST_SHOWN:
            self._print(f"{job.key}: {_WORDS[job.state]}: {job.error}", STYLES[job.state])

    def finish(self) -> None:
        if not self._verbose and self._failures > MOST_SHOWN:
            self._print(f"and {self._failures - MOST_SHOWN:,} more, which the results list", "")

    def _print(self, text: str, style: str) -> None:
        self._console.print(printable(text), style=style, soft_wrap=True)


@asynccontextmanager
async def show(
    board: Board, console: Console | None = None, *, quiet: bool = False, verbose: bool = False
) -> AsyncGenerator[None]:
    """Keep *console* up to date while the block runs, and leave it clean however the block ends.

    Args:
        board: What is shown.
        console: By default stderr.
        quiet: Tell of failures only.
        verbose: Tell of each job that ends.
    """
    console = console or people()
    endings = _Endings(console, verbose=verbose)
    board.listeners.append(endings.hear)
    try:
        async with anyio.create_task_group() as group:
            if quiet:
                yield
            elif console.is_terminal and not console.is_dumb_terminal:
                with Live(console=console, auto_refresh=False, transient=True) as live:
                    group.start_soon(_redraw, board, live)
                    yield
                    group.cancel_scope.cancel()
            else:
                group.start_soon(_report, board, console)
                yield
                group.cancel_scope.cancel()
    finally:
        board.listeners.remove(endings.hear)
        endings.finish()


async def _redraw(board: Board, live: Live) -> None:
    console = live.console
    while True:
        drawn = picture(board, time.time(), width=console.width, ascii_only=console.options.ascii_only)
        live.update(drawn, refresh=True)
        await anyio.sleep(REFRESH)


async def _report(board: Board, console: Console) -> None:
    between = ", " if console.options.ascii_only else " · "
    told: float | None = None
    while True:
        await anyio.sleep(REPORT)
        now = time.time()
        if (outage := outage_of(board, now)) and board.outage.since != told:  # a log hears of each once
            told = board.outage.since
            console.print(outage, soft_wrap=True, highlight=False)
        words = [words for _, words in counts_of(board)]
        line = [
            f"{board.ended:,} of {len(board.jobs):,}",
            *words,
            credits_of(board),
            left_in_words(board.seconds_left(now)),
            *([f"not sent: {printable(board.trouble)}"] if board.trouble else []),
        ]
        console.print(between.join(line), soft_wrap=True, highlight=False)
