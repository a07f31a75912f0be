"""From a first picture to a last one: along what moved between them, or by a dissolve where nothing corresponds."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import av
import numpy as np

from ideal_async.sandbox._camera import Plate, ease
from ideal_async.sandbox._pictures import Bytes, Floats, blur, resize, sample

#: Rows of the small pictures on which movement is looked for: enough for furniture, few enough for 0.2 seconds.
ROWS = 96
#: Side in output pixels of the tiles that move as one piece along the flow.
TILE = 4
#: Least correlation of two matched pictures. Measured on photographs: same scene 0.57 to 1, different scenes up to 0.39.
ALIKE = 0.48
#: Enlargements of one picture at which it is compared with the other: a close-up of the same room is found as well.
SCALES = (1.0, 1.15, 1.33, 1.6)
#: Least peak of a phase correlation to start from. Measured: 0.15 to 0.66 for the right scale, 0.03 to 0.08 for chance.
PEAK = 0.1
#: How much earlier than the mean, as a share of the time, the places that change most do so in a dissolve.
SPREAD = 0.3
#: Enlargement that a dissolve ends or begins with: it hides that nothing else moves.
PUSH = 1.16


class Flow(NamedTuple):
    """Displacement of every point, in columns and rows."""

    x: Floats
    y: Floats

    def resized(self, rows: int, columns: int, unit: float) -> "Flow":
        """The same on another grid, measured in another unit."""
        return Flow(resize(self.x, rows, columns) * np.float32(unit), resize(self.y, rows, columns) * np.float32(unit))


class Match(NamedTuple):
    """Where the points of the first picture are in the last, and the reverse; in output pixels, a value for each tile."""

    forth: Flow
    back: Flow
    still: bool  # same things at the same place: only the light differs


def match(first: Plate, last: Plate) -> Match | None:
    """Find what moved where between two pictures; None when they do not show the same things."""
    step = first.height // ROWS
    a, b = (_level(shrunk(plate, step)) for plate in (first, last))
    still = Flow(np.zeros_like(a), np.zeros_like(a))
    ahead, behind = _guess(a, b) or (still, still)
    forth, back = _follow(a, b, ahead), _follow(b, a, behind)
    resting, moving = _likeness(a, b, still), min(_likeness(a, b, forth), _likeness(b, a, back))
    if max(resting, moving) < ALIKE:
        return None
    if resting > 0.9 * moving:  # what little a flow explains better is noise
        forth = back = still
    rows, columns = -(-first.height // TILE), -(-first.width // TILE)
    return Match(forth.resized(rows, columns, step), back.resized(rows, columns, step), forth is still)


def shrunk(plate: Plate, step: int) -> Floats:
    """Brightness in the window, a mean for each step x step pixels."""
    pixels = plate.develop(plate.pick(*plate.grid()))
    luma = np.frombuffer(memoryview(pixels.planes[0]), np.uint8).reshape(plate.height, -1)[:, : plate.width]
    rows, columns = plate.height // step, plate.width // step
    tiles = luma[: rows * step, : columns * step].reshape(rows, step, columns, step)
    means: Floats = tiles.mean(axis=(1, 3), dtype=np.float32)
    return means


def _level(grey: Floats) -> Floats:
    """Take out local brightness and contrast: a lamp that is switched on must not look like a movement."""
    detail = grey - blur(grey, 8)
    return detail / (np.sqrt(np.maximum(blur(detail * detail, 8), 0)) + np.float32(4))


def _grid(like: Floats) -> Flow:
    rows, columns = like.shape
    return Flow(np.arange(columns, dtype=np.float32)[None, :], np.arange(rows, dtype=np.float32)[:, None])


def _guess(a: Floats, b: Floats) -> tuple[Flow, Flow] | None:
    """The shift and enlargement of one picture as a whole that come nearest to the other, and their way back."""
    candidates = []
    for scale in SCALES:
        peak, flow = _displaced(a, b, scale)
        candidates.append((peak, flow, _reverse(flow)))
        peak, flow = _displaced(b, a, scale)
        candidates.append((peak, _reverse(flow), flow))
    peak, ahead, behind = max(candidates, key=lambda found: found[0])
    return (ahead, behind) if peak > PEAK else None


def _displaced(a: Floats, b: Floats, scale: float) -> tuple[float, Flow]:
    """The shift that turns a into an enlarged b, by phase correlation (Kuglin and Hines, 1975), and how sure it is."""
    rows, columns = a.shape
    at = _grid(a)
    larger = Flow(
        (at.x - columns / 2) * np.float32(scale) + columns / 2, (at.y - rows / 2) * np.float32(scale) + rows / 2
    )
    window = (np.hanning(rows)[:, None] * np.hanning(columns)[None, :]).astype(np.float32)
    one, other = np.fft.rfft2(a * window), np.fft.rfft2(sample(b, larger.x, larger.y) * window)
    cross = np.conj(one) * other
    size = np.abs(cross)
    peaks = np.fft.irfft2(cross / (size + 1e-3 * size.max() + 1e-9), s=a.shape)
    down, across = divmod(int(peaks.argmax()), columns)
    across, down = across - columns * (across > columns // 2), down - rows * (down > rows // 2)
    return float(peaks.max()), _whole(larger.x + np.float32(across * scale), larger.y + np.float32(down * scale), at)


def _whole(x: Floats, y: Floats, at: Flow) -> Flow:
    """Displacement of a whole grid to a row x and a column y of new places."""
    size = (at.y.size, at.x.size)
    return Flow(
        np.broadcast_to((x - at.x).astype(np.float32), size), np.broadcast_to((y - at.y).astype(np.float32), size)
    )


def _reverse(flow: Flow) -> Flow:
    """The way back of a displacement that is a shift and an enlargement."""
    at = _grid(flow.x)
    wider = 1 + (flow.x[0, -1] - flow.x[0, 0]) / np.float32(at.x.size - 1)
    return _whole((at.x - flow.x[0, 0]) / wider, (at.y - flow.y[0, 0]) / wider, at)


def _follow(a: Floats, b: Floats, guess: Flow, levels: int = 4, rounds: int = 5) -> Flow:
    """Dense displacement from a to b: Lucas and Kanade's least squares (1981), robust, from coarse to fine."""
    flow = guess
    for level in reversed(range(levels)):
        rows, columns = (n >> level for n in a.shape)
        p, q = (resize(blur(grey, (1 << level) // 2), rows, columns) for grey in (a, b))
        flow = flow.resized(rows, columns, columns / flow.x.shape[1])
        at = _grid(p)
        for _ in range(rounds):
            moved = sample(q, at.x + flow.x, at.y + flow.y)
            down, across = np.gradient((p + moved) / 2)
            error = moved - p
            products = np.stack(
                [across * across + 0.01, down * down + 0.01, across * down, across * error, down * error]
            ).astype(np.float32)
            # dividing by the error makes outliers (what is hidden in one picture) count little
            xx, yy, xy, xe, ye = blur(products / (np.abs(error) + np.float32(0.3)), 4)
            whole = xx * yy - xy * xy
            flow = Flow(
                blur(flow.x + np.clip((xy * ye - yy * xe) / whole, -1.5, 1.5), 2),
                blur(flow.y + np.clip((xy * xe - xx * ye) / whole, -1.5, 1.5), 2),
            )
    return flow


def _likeness(a: Floats, b: Floats, flow: Flow) -> float:
    """Correlation of a with b seen through the flow, 1 for equal, where both can be seen; 0 if that is too little."""
    rows, columns = a.shape
    at = _grid(a)
    x, y = at.x + flow.x, at.y + flow.y
    seen = (x >= 0) & (x <= columns - 1) & (y >= 0) & (y <= rows - 1)
    if seen.mean() < 0.3:  # noqa: PLR2004 - a sliver in common is chance
        return 0.0
    return float(np.corrcoef(a[seen], sample(b, x, y)[seen])[0, 1])


def morph(first: Plate, last: Plate, frames: int) -> Iterator[av.VideoFrame]:
    """Go from exactly the first picture to exactly the last."""
    found = match(first, last)
    pieces = _travel(first, last, found) if found and not found.still else _dissolve(first, last, still=bool(found))
    for index in range(frames):
        yield first.develop(pieces(ease(index / max(1, frames - 1))))


def _travel(first: Plate, last: Plate, found: Match) -> Callable[[float], Bytes]:
    """Move along the flow: both pictures are bent to where things are at a time between, and mixed."""
    u, v = first.grid(TILE)
    forth, back = found.forth, found.back
    turns = _turns(first, last, *forth.x.shape)

    def at(t: float) -> Bytes:
        # where a point between came from and goes to, from both flows (Jiang et al., "Super SloMo", 2018, equation 4)
        one, two, three, four = (np.float32(n) for n in (t * t - t, t * t, (1 - t) ** 2, t * t - t))
        before = u + forth.x * one + back.x * two, v + forth.y * one + back.y * two
        after = u + forth.x * three + back.x * four, v + forth.y * three + back.y * four
        share = _share(t, turns)
        seen, coming = _seen(first, *before) * (1 - share), _seen(last, *after) * share
        return _mixed(first.pick(*before, 1.0, TILE), last.pick(*after, 1.0, TILE), coming / (seen + coming))

    return at


def _seen(plate: Plate, x: Floats, y: Floats) -> Floats:
    """1 where the window shows what is at x, y; falling to nearly 0 where it is outside."""
    inside = np.minimum(plate.width / 2 - np.abs(x), plate.height / 2 - np.abs(y))
    return np.clip(inside / np.float32(12), np.float32(0.02), 1)


def _dissolve(first: Plate, last: Plate, *, still: bool) -> Callable[[float], Bytes]:
    """Mix the pictures while the camera pushes into the first and comes back out of the last, or only breathes."""
    u, v = first.grid()
    turns = _turns(first, last, v.size, u.size)

    def at(t: float) -> Bytes:
        if still:
            scales = (1 / (1 + 0.05 * math.sin(math.pi * t) ** 2),) * 2
        else:
            scales = PUSH**-t, PUSH ** (t - 1)
        before, after = (
            plate.pick(u * np.float32(scale), v * np.float32(scale), scale)
            for plate, scale in zip((first, last), scales, strict=True)
        )
        return _mixed(before, after, _share(t, turns))

    return at


def _turns(first: Plate, last: Plate, rows: int, columns: int) -> Floats:
    """When a place changes, -1 first to 1 last: what darkens goes ahead of what lights up, as at dusk."""
    step = first.height // ROWS
    change = blur(shrunk(last, step) - shrunk(first, step), 3)
    change -= change.mean()
    return resize(change / (np.abs(change).max() + np.float32(1)), rows, columns)


def _share(t: float, turns: Floats) -> Floats:
    """How much of the last picture each place shows at a time."""
    wide = np.clip((1 + 2 * SPREAD) * t - SPREAD - SPREAD * turns, 0, 1).astype(np.float32)
    return wide * wide * (3 - 2 * wide)


def _mixed(before: Bytes, after: Bytes, share: Floats) -> Bytes:
    """Mix pieces in whole numbers: sixteen bits are twice as fast as floats, and 128 shades of mixing are enough."""
    mix = np.subtract(after, before, dtype=np.int16)
    mix *= (share * np.float32(128)).astype(np.int16)
    mix >>= 7
    mix += before
    return mix.astype(np.uint8)
