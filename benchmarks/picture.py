"""The results as a picture: bars of CPU per job, and of requests, drawn by hand as SVG."""

from html import escape
from typing import Any

WIDTH, LEFT, BAR, GAP, HEAD = 860, 210, 16, 6, 46
OURS, THEIRS, INK, PAPER, FAINT = "#1f7a5c", "#b9bec6", "#22262b", "#ffffff", "#6b7280"


def draw(results: dict[str, Any]) -> str:
    """Return an SVG document."""
    jobs = results.get("peers", [])
    panels: list[tuple[str, str, list[tuple[str, float]]]] = []
    groups = sorted({(one["jobs"], one["percentage"]) for one in jobs}, key=lambda group: (-group[0], not group[1]))
    for group in groups:
        mine = [one for one in jobs if (one["jobs"], one["percentage"]) == group]
        title = f"{group[0]} jobs of 75 s at once" + ("" if group[1] else ", percentage stuck at 0")
        for figure, unit in (("cpu_ms", "ms of CPU per job"), ("late_mean", "s late, mean")):
            bars = sorted(((one["contender"], one[figure]) for one in mine), key=lambda bar: bar[1])
            panels.append((title, unit, bars))
    parts: list[str] = []
    y = 10
    for number, (title, unit, bars) in enumerate(panels):
        left = (number % 2) * WIDTH // 2
        height = HEAD + len(bars) * (BAR + GAP)
        parts.append(_panel(left + 10, y, title, unit, bars))
        if number % 2:
            y += height + 12
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" font-family="system-ui, sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="{PAPER}"/>{"".join(parts)}</svg>\n'
    )


def _panel(x: int, y: int, title: str, unit: str, bars: list[tuple[str, float]]) -> str:
    room = WIDTH // 2 - LEFT + 30
    longest = max((value for _, value in bars), default=1.0)
    parts = [
        f'<text x="{x}" y="{y + 14}" fill="{INK}" font-size="13" font-weight="600">{escape(title)}</text>',
        f'<text x="{x}" y="{y + 30}" fill="{FAINT}">{escape(unit)}</text>',
    ]
    for number, (name, value) in enumerate(bars):
        top = y + HEAD - 8 + number * (BAR + GAP)
        length = max(1.0, (room - 50) * value / longest)
        colour = OURS if name.startswith("ideal_async") else THEIRS
        parts.append(
            f'<text x="{x + 142}" y="{top + 12}" fill="{INK}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{x + 148}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2" fill="{colour}"/>'
            f'<text x="{x + 152 + length:.1f}" y="{top + 12}" fill="{INK}">{value:.1f}</text>'
        )
    return "".join(parts)
