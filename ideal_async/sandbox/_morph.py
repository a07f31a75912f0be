"""From a first picture to a last one: along what moved between them, or on from one place to the other."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (numpy's stubs leave what is taken from an array of floats unknown)

import math
from collections.abc import Callable, Iterator
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ideal_async.sandbox._camera import ease
from ideal_async.sandbox._flow import Flow, Match, fit, match
from ideal_async.sandbox._passage import RIGHT, Way, mix, pass_on
from ideal_async.sandbox._pictures import Bytes, Floats, blur, resize
from ideal_async.sandbox._plate import Plate, plane

#: Rows of the small pictures on which movement is looked for: enough for furniture, few enough for 0.2 seconds.
ROWS = 96
#: Side in output pixels of the tiles that move as one piece along the flow.
TILE = 4
#: How much earlier than the mean, as a share of the time, the places that change most do so in a dissolve.
SPREAD = 0.3
#: Columns and rows, from the centre, in output pixels.
Places = tuple[Floats, Floats]
Affine = NDArray[np.floating[Any]]  # shape (3, 3), of (x, y, 1)


def morph(first: Plate, last: Plate, frames: int, way: Way = RIGHT) -> Iterator[av.VideoFrame]:
    """Go from exactly the first picture to exactly the last; from one place to another, the camera goes this way."""
    step = first.height // ROWS
    before, after = _brightness(first, step), _brightness(last, step)
    change = blur(after - before, 3)
    change -= change.mean()
    turns = change / (np.abs(change).max() + np.float32(1))
    found = match(before, after)
    if found is None:
        mixed = pass_on(first, last, turns, way)
    elif found.still:
        mixed = _dissolve(first, last, turns)
    else:
        mixed = _travel(first, last, found, turns)
    for index in range(frames):
        yield first.develop(mixed(ease(index / max(1, frames - 1))))


def _brightness(plate: Plate, step: int) -> Floats:
    """Luma in the window, one mean for each step x step pixels."""
    luma = plane(plate.develop(plate.pick(*plate.grid())), 0)
    rows, columns = plate.height // step, plate.width // step
    tiles = luma[: rows * step, : columns * step].reshape(rows, step, columns, step)
    means: Floats = tiles.mean(axis=(1, 3), dtype=np.float32)
    return means


def _travel(first: Plate, last: Plate, found: Match, turns: Floats) -> Callable[[float], Bytes]:
    """Move along the flow: both pictures are bent to where things are at a time between, and mixed.

    A thing at a in the first picture and at b in the last is at (1 - t) a + t b in between. The movement of the whole
    is undone exactly, so that a pan or a zoom stays sharp; what moves otherwise is followed from both ends.
    """
    u, v = first.grid(TILE)
    rows, columns = v.size, u.size
    turns = resize(turns, rows, columns)
    unit = first.height / found.forth.x.shape[0]
    there = np.vstack([fit(found.forth), [0, 0, 1]])
    there[:2, 2] *= unit
    back = np.linalg.inv(there)
    larger = math.sqrt(abs(np.linalg.det(there)))
    forth_rest = _rest(found.forth.resized(rows, columns, unit), there, u, v)
    back_rest = _rest(found.back.resized(rows, columns, unit), back, u, v)

    def at(t: float) -> Bytes:
        a1, b1 = _meet((u, v), there, forth_rest, t)
        b2, a2 = _meet((u, v), back, back_rest, 1 - t)
        before, after = _between(a1, a2, t), _between(b1, b2, t)
        share = _share(t, turns)
        going, coming = _seen(first, *before) * (1 - share), _seen(last, *after) * share
        scale = 1 / math.sqrt(abs(np.linalg.det((1 - t) * np.eye(3) + t * there)))
        pieces = first.pick(*before, scale, TILE), last.pick(*after, scale * larger, TILE)
        return mix(*pieces, coming / (going + coming))

    return at


def _moved(whole: Affine, x: Floats, y: Floats) -> Places:
    (a, b, c), (d, e, f) = whole[:2].astype(np.float32)
    return a * x + b * y + c, d * x + e * y + f


def _rest(flow: Flow, whole: Affine, u: Floats, v: Floats) -> Flow:
    """What is left of a flow without the movement of the whole."""
    x, y = _moved(whole, u, v)
    return Flow(flow.x - (x - u), flow.y - (y - v))


def _meet(here: Places, whole: Affine, rest: Flow, t: float) -> tuple[Places, Places]:
    """The places in a picture, and in the other, of what is here when t of the way from one to the other is gone."""
    half = np.linalg.inv((1 - t) * np.eye(3) + t * whole)
    rows, columns = rest.x.shape
    x, y = _moved(half, *here)
    # the rest of the flow belongs to places of the picture: look it up where the whole says this one came from
    nearest = np.clip((y / TILE + rows / 2).astype(np.intp), 0, rows - 1) * columns
    nearest += np.clip((x / TILE + columns / 2).astype(np.intp), 0, columns - 1)
    aside: Floats = rest.x.take(nearest)
    down: Floats = rest.y.take(nearest)
    one = _moved(half, here[0] - np.float32(t) * aside, here[1] - np.float32(t) * down)
    x, y = _moved(whole, *one)
    return one, (x + aside, y + down)


def _between(one: Places, other: Places, t: float) -> Places:
    part = np.float32(t)
    return one[0] + (other[0] - one[0]) * part, one[1] + (other[1] - one[1]) * part


def _seen(plate: Plate, x: Floats, y: Floats) -> Floats:
    """1 where the window shows what is at x, y; falling to nearly 0 where it is outside."""
    inside = np.minimum(plate.width / 2 - np.abs(x), plate.height / 2 - np.abs(y))
    return np.clip(inside / np.float32(12), np.float32(0.02), 1)


def _dissolve(first: Plate, last: Plate, turns: Floats) -> Callable[[float], Bytes]:
    """Mix two pictures of the same view while the camera only breathes."""
    u, v = first.grid()
    turns = resize(turns, v.size, u.size)

    def at(t: float) -> Bytes:
        scale = 1 / (1 + 0.05 * math.sin(math.pi * t) ** 2)
        before, after = (plate.pick(u * np.float32(scale), v * np.float32(scale), scale) for plate in (first, last))
        return mix(before, after, _share(t, turns))

    return at


def _share(t: float, turns: Floats) -> Floats:
    """How much of the last picture each place shows: what darkens goes ahead of what lights up, as at dusk."""
    part = np.clip(np.float32((1 + 2 * SPREAD) * t - SPREAD) - np.float32(SPREAD) * turns, 0, 1)
    result: Floats = part * part * (3 - 2 * part)
    return result
