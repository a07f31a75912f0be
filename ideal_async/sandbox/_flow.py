"""What moved where between two pictures."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ideal_async.sandbox._pictures import Floats, blur, resize, sample

#: Least correlation of matched pictures. Measured: one scene 0.75 to 1, two rooms of the sandbox up to 0.54.
ALIKE = 0.62
#: Enlargements of one picture at which it is compared with the other: a close-up of the same room is found as well.
#: A correlation still peaks 5 % beside the right one, hence the steps of 8 %.
SCALES = tuple(1.08**n for n in range(9))
#: Least correlation of two pictures after a shift of one as a whole, to start from it.
#: Measured: 0.35 to 1 for the right shift, up to 0.09 for chance.
SHIFTED = 0.2


class Flow(NamedTuple):
    """Displacement of every point, in columns and rows."""

    x: Floats
    y: Floats

    def resized(self, rows: int, columns: int, unit: float) -> "Flow":
        """The same on another grid, measured in another unit."""
        return Flow(resize(self.x, rows, columns) * np.float32(unit), resize(self.y, rows, columns) * np.float32(unit))


class Match(NamedTuple):
    """Where the points of the first picture are in the last, and the reverse, in units of the grid they came on."""

    forth: Flow
    back: Flow
    still: bool  # the camera stood on a tripod: only the light differs


def match(first: Floats, last: Floats) -> Match | None:
    """Find what moved where between two small pictures of brightness; None when they do not show the same things."""
    a, b = _level(first), _level(last)
    still = Flow(np.zeros_like(a), np.zeros_like(a))
    guess = _guess(a, b)
    if guess and not guess[0].x.any() and not guess[0].y.any():
        return Match(still, still, still=True)
    ahead, behind = guess or (still, still)
    forth, back = _settle(a, b, ahead), _settle(b, a, behind)
    if min(_likeness(a, b, forth), _likeness(b, a, back)) < ALIKE:
        return None
    return Match(_trusted(a, b, forth, back), _trusted(b, a, back, forth), still=False)


def _level(grey: Floats) -> Floats:
    """Take out local brightness and contrast: a lamp that is switched on must not look like a movement."""
    detail = grey - blur(grey, 8)
    return detail / (np.sqrt(np.maximum(blur(detail * detail, 8), 0)) + np.float32(4))


def _grid(like: Floats) -> Flow:
    rows, columns = like.shape
    return Flow(np.arange(columns, dtype=np.float32)[None, :], np.arange(rows, dtype=np.float32)[:, None])


def _guess(a: Floats, b: Floats) -> tuple[Flow, Flow] | None:
    """The shift and enlargement of one picture as a whole that come nearest to the other, and their way back."""
    candidates: list[tuple[float, Flow, Flow]] = []
    for scale in SCALES:
        peak, flow = _displaced(a, b, scale)
        candidates.append((peak, flow, _reverse(flow)))
        peak, flow = _displaced(b, a, scale)
        candidates.append((peak, _reverse(flow), flow))
    _, ahead, behind = max(candidates, key=lambda found: found[0])
    return (ahead, behind) if _likeness(a, b, ahead) > SHIFTED else None


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


def _settle(a: Floats, b: Floats, guess: Flow) -> Flow:
    """Follow from a guess, and once more from the plain movement of the whole that this finds.

    What b does not show goes with the whole: there is nothing to follow it by.
    """
    flow = _follow(a, b, guess)
    whole = _spread(fit(flow), flow)
    flow = _follow(a, b, whole, levels=2)
    hidden = blur((~_seen(whole)).astype(np.float32), 2)
    return Flow(flow.x + hidden * (whole.x - flow.x), flow.y + hidden * (whole.y - flow.y))


def _trusted(a: Floats, b: Floats, flow: Flow, back: Flow) -> Flow:
    """Keep a flow where it explains a clearly better than the movement of the whole, and where the way back agrees.

    A window that shows another sky, or a lamp that was off, has no counterpart: it goes with the whole.
    """
    at, whole = _grid(a), _spread(fit(flow), flow)
    by_flow, by_whole = (
        blur(a * sample(b, at.x + way.x, at.y + way.y), 4) / (blur(a * a, 4) + np.float32(0.1)) for way in (flow, whole)
    )
    x, y = at.x + flow.x, at.y + flow.y
    astray = np.hypot(flow.x + sample(back.x, x, y), flow.y + sample(back.y, x, y))
    trust = np.clip((by_flow - np.maximum(by_whole, 0)) * 6, 0, 1) * np.clip((by_flow - 0.4) * 5, 0, 1)
    trust = blur(trust * np.clip(2.5 - astray, 0, 1), 2)
    return Flow(whole.x + trust * (flow.x - whole.x), whole.y + trust * (flow.y - whole.y))


def fit(flow: Flow) -> NDArray[np.floating[Any]]:
    """The affine movement of the whole, robust against what moves otherwise.

    Returns:
        Shape (2, 3): the place in the other picture is this times (x, y, 1), from the grid's centre.
    """
    seen = _seen(flow)
    x, y = (place[seen].astype(np.float64) for place in _centred(flow.x))
    points = np.stack([x, y, np.ones_like(x)])
    there = np.stack([x + flow.x[seen], y + flow.y[seen]])
    weight = np.ones_like(x)
    whole: NDArray[np.floating[Any]] = np.eye(2, 3)
    for _ in range(6):
        system = points * weight
        whole = np.linalg.solve(system @ points.T + 1e-6 * np.eye(3), system @ there.T).T
        weight = 1 / (1 + ((whole @ points - there) ** 2).sum(axis=0))
    return whole


def _centred(like: Floats) -> tuple[Floats, Floats]:
    rows, columns = like.shape
    x, y = _grid(like)
    return np.broadcast_to(x - (columns - 1) / 2, like.shape), np.broadcast_to(y - (rows - 1) / 2, like.shape)


def _spread(whole: NDArray[np.floating[Any]], like: Flow) -> Flow:
    """The displacement of every point under an affine movement."""
    x, y = _centred(like.x)
    (a, b, c), (d, e, f) = whole.astype(np.float32)
    return Flow(a * x + b * y + c - x, d * x + e * y + f - y)


def _seen(flow: Flow) -> NDArray[np.bool_]:
    """Which points the other picture shows, by their displacement."""
    rows, columns = flow.x.shape
    at = _grid(flow.x)
    x, y = at.x + flow.x, at.y + flow.y
    result: NDArray[np.bool_] = (x >= 0) & (x <= columns - 1) & (y >= 0) & (y <= rows - 1)
    return result


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
    seen = _seen(flow)
    if seen.mean() < 0.3:  # noqa: PLR2004 - a sliver in common is chance
        return 0.0
    at = _grid(a)
    one, other = a[seen], sample(b, at.x + flow.x, at.y + flow.y)[seen]
    one, other = one - one.mean(), other - other.mean()
    return float(
        (one * other).sum() / (np.sqrt((one * one).sum() * (other * other).sum()) + 1e-6)
    )  # flat is unlike all
