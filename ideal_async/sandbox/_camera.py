"""One picture under a moving camera, directed by the words of a prompt."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (numpy's stubs leave what is taken from an array of floats unknown)

import math
from collections.abc import Iterator
from typing import NamedTuple

import attrs
import av
import numpy as np
from numpy.typing import NDArray

from ideal_async.sandbox._depth import nearness
from ideal_async.sandbox._motion import STILL, Life
from ideal_async.sandbox._pictures import Floats
from ideal_async.sandbox._plate import Plate


@attrs.frozen
class Move:
    """Where a camera ends, having begun on the whole picture.

    Args:
        zoom: magnification at the end; below 1 the camera has gone back.
        x: sideways, -1 as far left as the picture gives, 1 as far right.
        y: up and down, -1 as far up as the picture gives, 1 as far down.
        roll: radians the camera turns about its own axis, clockwise.
        orbit: sideways swing of what is near against what is far, as a share of the width; above 0 to the right.
        depth: 0 as a lens zooms and a head turns, 1 as a camera travels: what is near moves more.
    """

    zoom: float = 1.0
    x: float = 0.0
    y: float = 0.0
    roll: float = 0.0
    orbit: float = 0.0
    depth: float = 0.0


#: A camera at rest.
REST = Move()
#: How much taller than the far side the near side of the picture gets by an orbit, in shares of its swing.
KEYSTONE = 1.0
#: Share of the window a pan or a tilt travels, so that it is seen to move.
TRAVEL = 0.18
#: How much more near things grow, and far ones less, under a lens that zooms and a camera that travels: a picture
#: whose nearest is 0.5 and farthest -0.5 grows there by so many halves more and less than in its middle.
BREATH, TRAVELLING = 0.2, 1.25
#: How much farther near things pass by a camera that travels sideways than those at middle distance, in halves.
PASSING = 1.0


def ease(t: float) -> float:
    """Time 0 to 1 as a heavy camera spends it: setting off and arriving slowly, steady in between."""
    start = 0.2  # share of the time spent getting up to speed
    if t > 0.5:  # noqa: PLR2004 - the second half mirrors the first
        return 1 - ease(1 - t)
    return (t * t / (2 * start) if t < start else t - start / 2) / (1 - start)


def fly(plate: Plate, move: Move, frames: int, life: Life = STILL) -> Iterator[av.VideoFrame]:
    """Fly a move; the first frame is the picture as it is."""
    camera = _Camera(plate, move)
    view = camera.look(0)
    at = camera.places(view.x, view.y)
    for index in range(frames):
        if move != REST and index:
            view = camera.look(ease(index / (frames - 1)))
            at = camera.places(view.x, view.y) if life.movements else at
        bent = life.bend(at, index)
        x, y = (view.x, view.y) if bent is None else (view.x - bent[0], view.y - bent[1])
        pieces = plate.pick(x, y, view.scale)
        life.light(at, pieces, index)
        yield plate.develop(pieces)


class View(NamedTuple):
    """What each tile of the window shows: where it is, in output pixels from the plate's centre, and how large."""

    x: Floats
    y: Floats
    scale: float


class _Camera:
    """A camera on its way over a picture that has depth."""

    def __init__(self, plate: Plate, move: Move) -> None:
        self.plate, self.move, self.zoom = plate, move, _closest(plate, move)
        self.u, self.v = plate.grid()
        self.rows, self.columns = plate.tall // plate.fine, plate.wide // plate.fine
        flat = move.zoom == 1 and not move.orbit and not move.depth  # a head that turns sees no depth
        self.depth = None if flat else nearness(plate).reshape(-1)
        self.last: NDArray[np.intp] | None = None

    def look(self, gone: float) -> View:
        """The view when so much of the move is gone, 0 to 1; asked for frame by frame."""
        move, scale = self.move, self.zoom**-gone
        x, y = self._aim(gone, scale)
        if self.depth is None:
            return View(x, y, scale)
        swing = math.sin(gone * math.pi / 2) * move.orbit
        grows = np.float32((scale - 1) / scale * (BREATH + (TRAVELLING - BREATH) * move.depth))
        aside = swing + PASSING * TRAVEL / 2 * move.depth * move.x * gone
        # What is seen here stood elsewhere, and its own depth moved it: a step ahead, it is nearly where it was last.
        near: Floats = self.depth.take(self.places(x, y) if self.last is None else self.last)
        grown = 1 + near * grows
        x, y = x * grown + near * np.float32(aside * self.plate.width), y * grown
        if swing:
            y = y * (1 + self.u * np.float32(KEYSTONE * swing / self.plate.width))
        self.last = self.places(x, y)
        return View(x, y, scale)

    def _aim(self, gone: float, scale: float) -> tuple[Floats, Floats]:
        """What the window would show of a flat picture."""
        plate, move = self.plate, self.move
        turned = move.roll * gone
        cosine, sine = np.float32(scale * math.cos(turned)), np.float32(scale * math.sin(turned))
        room_x, room_y = (n * (1 - scale) + r for n, r in zip((plate.width, plate.height), plate.reach, strict=True))
        x = cosine * self.u + np.float32(move.x * gone * room_x / 2)
        y = cosine * self.v + np.float32(move.y * gone * room_y / 2)
        return (x - sine * self.v, y + sine * self.u) if move.roll else (x, y)

    def places(self, x: Floats, y: Floats) -> NDArray[np.intp]:
        """The places of the plate at x, y, counted row by row, one for each output pixel."""
        row = np.clip(y + np.float32(self.rows / 2), 0, self.rows - 1).astype(np.intp)
        column = np.clip(x + np.float32(self.columns / 2), 0, self.columns - 1).astype(np.intp)
        result: NDArray[np.intp] = row * self.columns + column
        return result


def _closest(plate: Plate, move: Move) -> float:
    """The zoom that a move ends with: its own, or as much as keeps the picture's edges out of sight."""
    if move.zoom < 1:
        return move.zoom
    travel = TRAVEL * (1 + PASSING * move.depth / 2)
    spare = (
        min(
            r / size
            for r, size, way in zip(plate.reach, (plate.width, plate.height), (move.x, move.y), strict=True)
            if way
        )
        if move.x or move.y
        else travel
    )
    turned = abs(math.sin(move.roll)) * plate.width / plate.height + math.cos(move.roll)
    return max(move.zoom, 1 / (1 - max(0.0, travel - spare)), turned, 1 + 2 * abs(move.orbit))
