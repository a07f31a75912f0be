"""The picture of the results, in SVG by hand: readable on light and on dark pages."""

import math
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

import attrs

WIDTH, HEIGHT = 960, 640
STYLE = """
  text { font: 12px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #57606a }
  .title { font-size: 15px; font-weight: 600; fill: #24292f } .strong { font-weight: 600; fill: #24292f }
  .small { font-size: 11px } .end { text-anchor: end } .middle { text-anchor: middle }
  .axis { stroke: #8c959f; stroke-width: 1 } .grid { stroke: #8c959f; stroke-opacity: .25; stroke-width: 1 }
  .loop { fill: none; stroke: #8c959f; stroke-width: 1.5 } .dot { fill: #8c959f }
  .ours { fill: #1f6feb } .line { fill: none; stroke: #1f6feb; stroke-width: 2 }
  .best { fill: none; stroke: #2da44e; stroke-width: 2 } .bestDot { fill: #2da44e }
  .bar { stroke: #1f6feb; stroke-opacity: .35; stroke-width: 5; stroke-linecap: round }
  .one { stroke: #8c959f; stroke-width: 1.5; stroke-dasharray: 4 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 } .title, .strong { fill: #f0f6fc } .ours { fill: #58a6ff } .line, .bar { stroke: #58a6ff }
    .best { stroke: #3fb950 } .bestDot { fill: #3fb950 }
  }
"""


JITTERED = "6 ± 1.5 s"  # not of the family of the fixed loops


@attrs.frozen
class Point:
    """What a way of looking comes to: looks per job, and mean seconds from end to discovery."""

    looks: float
    delay: float
    label: str = ""


@attrs.frozen
class Row:
    """A behaviour: our cost over that of the 5 s loop, and the optimum's where it is known."""

    service: str
    ratio: float
    best: float | None


@attrs.frozen
class Frontier:
    """Points of the plane of looks and delay, for one service."""

    loops: Sequence[Point]
    ours: Sequence[Point]  # one for each price of a look
    blind: Sequence[Point]  # the same without percentages
    best: Sequence[Point]  # the optimum without percentages


@attrs.frozen
class Scale:
    """A logarithmic axis."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value, pixels."""
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.start + share * (self.end - self.start), 1)


def text(x: float, y: float, what: str, style: str = "") -> str:
    """Write."""
    return f'<text x="{x}" y="{y}" class="{style}">{escape(what)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    """Draw a straight line."""
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" class="{style}"/>'


def curve(points: Sequence[Point], x: Scale, y: Scale, style: str) -> str:
    """Draw a line through points."""
    return f'<polyline points="{" ".join(f"{x(p.looks)},{y(p.delay)}" for p in points)}" class="{style}"/>'


def dot(x: float, y: float, style: str, radius: float = 4.5) -> str:
    """Draw a dot."""
    return f'<circle cx="{x}" cy="{y}" r="{radius}" class="{style}"/>'


def frontier(data: Frontier) -> Iterator[str]:
    """Draw looks against delay."""
    x, y = Scale(1.5, 50.0, 60.0, 420.0), Scale(0.4, 12.0, 590.0, 80.0)
    yield text(20, 30, "Looks against delay", "title")
    yield text(20, 48, "jobs of 75 s (lognormal, sigma 0.35); down and left is better", "small")
    for looks in (2, 5, 10, 20, 50):
        yield line(x(looks), y(0.4), x(looks), y(12.0), "grid") + text(x(looks), 608, str(looks), "small middle")
    for delay in (0.5, 1, 2, 5, 10):
        yield line(x(1.5), y(delay), x(50), y(delay), "grid") + text(52, y(delay) + 4, f"{delay:g}", "small end")
    yield line(x(1.5), y(0.4), x(50), y(0.4), "axis") + line(x(1.5), y(0.4), x(1.5), y(12.0), "axis")
    yield text(240, 628, "looks per job", "middle") + text(60, 72, "seconds from end to discovery")
    yield curve([p for p in data.loops if p.label != JITTERED], x, y, "loop")
    for p in data.loops:
        if p.label:
            yield dot(x(p.looks), y(p.delay), "dot", 3.5) + text(x(p.looks) + 7, y(p.delay) - 5, p.label)
    for points, style, mark in (
        (data.best, "best", "bestDot"),
        (data.blind, "line", "ours"),
        (data.ours, "line", "ours"),
    ):
        yield curve(points, x, y, style)
        yield from (dot(x(p.looks), y(p.delay), mark) for p in points if p.label)
    yield from legend(70, 500)


def legend(x: float, y: float) -> Iterator[str]:
    """Say which line is which."""
    entries = (
        ("loop", "fixed loops, and one of 6 ± 1.5 s"),
        ("best", "optimum that is told the durations' law"),
        ("line", "ideal_async: right without, left with percentages"),
    )
    for row, (style, label) in enumerate(entries):
        yield line(x, y + 18 * row, x + 22, y + 18 * row, style) + text(x + 30, y + 18 * row + 4, label, "small")
    yield text(x, y + 18 * len(entries) + 4, "dots: defaults; along the lines, other prices of a look", "small")


def depth(groups: Sequence[tuple[str, Sequence[Row]]]) -> int:
    """Return how far down the behaviours reach, pixels."""
    return 74 + sum(21 + 15 * len(rows) for _, rows in groups)


def behaviours(groups: Sequence[tuple[str, Sequence[Row]]]) -> Iterator[str]:
    """Draw the cost of each behaviour beside that of the 5 s loop."""
    bottom = depth(groups) - 12
    x = Scale(0.09, 1.25, 640.0, 930.0)
    yield text(480, 30, "Cost, as a share of a 5 s loop's", "title")
    yield text(
        480, 48, "lives of 300 jobs from a cold start; cost = looks / 6 + seconds of delay; green: optimum", "small"
    )
    for share in (0.2, 0.3, 0.5, 1.0):
        yield line(x(share), 62, x(share), bottom, "one" if share == 1.0 else "grid")
        yield text(x(share), bottom + 16, f"{share:.0%}", "small middle")
    at = 74.0
    for title, rows in groups:
        yield text(480, at, title, "strong small")
        at += 15
        for row in rows:
            yield text(632, at, row.service, "small end")
            yield line(x(1.0), at - 4, x(row.ratio), at - 4, "bar") + dot(x(row.ratio), at - 4, "ours")
            if row.best is not None:
                yield line(x(row.best), at - 10, x(row.best), at + 2, "best")
            at += 15
        at += 6


def draw(data: Frontier, groups: Sequence[tuple[str, Sequence[Row]]]) -> str:
    """Return the picture."""
    height = max(HEIGHT, depth(groups) + 20)
    body = [*frontier(data), *behaviours(groups)]
    return _document(WIDTH, height, body, "Looks and delay of ideal_async beside fixed loops and the optimum")


def _document(width: int, height: int, body: Sequence[str], label: str) -> str:
    lines = "\n".join(body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{label}">\n<style>{STYLE}</style>\n{lines}\n</svg>\n'
    )


def simple(loops: Sequence[Point], backoff: Point, blind: Point, ours: Point) -> str:
    """Return the picture for whoever sees the library for the first time: looks against delay, and us.

    *blind* is ours without percentages.
    """
    width, height = 640, 400
    x, y = Scale(2.0, 130.0, 70.0, 600.0), Scale(0.4, 40.0, 340.0, 76.0)
    body = [
        text(20, 26, "Seconds until the end of a job is found, and how many looks it takes", "title"),
        text(20, 46, "jobs of about 75 s that report a truthful percentage; down and left is better", "small"),
    ]
    for looks in (2, 5, 10, 20, 50, 100):
        body += [line(x(looks), y(0.4), x(looks), y(40.0), "grid"), text(x(looks), 358, f"{looks}", "small middle")]
    for delay in (0.5, 1, 2, 5, 10, 20):
        body += [
            line(x(2.0), y(delay), x(130.0), y(delay), "grid"),
            text(62, y(delay) + 4, f"{delay:g} s", "small end"),
        ]
    body += [line(x(2.0), y(0.4), x(130.0), y(0.4), "axis"), line(x(2.0), y(0.4), x(2.0), y(40.0), "axis")]
    body += [text(335, 382, "looks (requests) per job", "middle"), curve(loops, x, y, "loop")]
    for point in (*loops, backoff):
        body += [dot(x(point.looks), y(point.delay), "dot"), text(x(point.looks) + 9, y(point.delay) - 5, point.label)]
    for point, where in ((blind, "strong end"), (ours, "strong")):
        aside = -12 if "end" in where else 12
        body += [
            dot(x(point.looks), y(point.delay), "ours", 7.0),
            text(x(point.looks) + aside, y(point.delay) + 4, point.label, where),
        ]
    return _document(
        width, height, body, "Looks per job against seconds to discovery: fixed loops, backoff, ideal_async"
    )
