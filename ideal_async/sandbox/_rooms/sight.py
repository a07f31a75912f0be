"""A room, and what a ray meets in it."""

import math

import attrs
import numpy as np
from numpy.typing import NDArray

from ideal_async.sandbox._pictures import Floats
from ideal_async.sandbox._rooms.solids import Finish, Solid, Vector

FLOOR, CEILING, LEFT, RIGHT, BACK, FRONT, GLASS, FRAME, SOLIDS = range(9)
Ids = NDArray[np.int16]
#: Inward directions of the six sides.
INWARD = np.array([[0, 1, 0], [0, -1, 0], [1, 0, 0], [-1, 0, 0], [0, 0, -1], [0, 0, 1]], np.float32).T
#: How far behind the camera the room goes on, in metres.
BEHIND = 1.5
#: Nearer to the camera than this, in metres, a shape may be anywhere in the picture.
BESIDE = 0.05
#: Widths in metres of a window's frame and of the bars between its panes, and how deep in the wall it sits.
FRAME_WIDTH, BAR_WIDTH, RECESS = 0.06, 0.022, 0.15


@attrs.frozen
class Window:
    """A window in one of the sides; left, right, bottom and top in metres along it and up."""

    wall: int
    left: float
    right: float
    bottom: float
    top: float
    panes: tuple[int, int] = (2, 1)


@attrs.frozen
class Lamp:
    """A lamp, lit by night: where, how strong (metres at which it is as bright as paper), how open its shade is.

    Args:
        open: 1 shines all around, 0 only up and down.
    """

    place: Vector
    strength: float
    open: float = 1.0
    colour: Vector = (1.0, 0.90, 0.77)


@attrs.frozen(eq=False)
class Room:
    """A box of a room, from x = -width / 2, y = 0, and what is in it; metres."""

    width: float
    height: float
    depth: float
    sides: tuple[Finish, Finish, Finish, Finish, Finish]
    windows: tuple[Window, ...]
    solids: tuple[Solid, ...]
    lamps: tuple[Lamp, ...]
    eye: Vector = (0.0, 1.35, 0.0)
    yaw: float = 0.0
    focal: float = 0.82
    horizon: float = -0.10
    sun: Vector = (-0.55, 0.55, 0.6)
    frames: Finish = attrs.field(factory=lambda: Finish((0.93, 0.93, 0.92), gloss=0.2))

    def finish(self, index: int) -> Finish:
        """The finish of what has this number."""
        if index >= SOLIDS:
            return self.solids[index - SOLIDS].finish
        return self.sides[index] if index < len(self.sides) else self.frames if index == FRAME else self.sides[BACK]


@attrs.frozen(eq=False)
class Sight:
    """What rays meet: number of the thing, where, its normal, the ray."""

    ids: Ids
    points: Floats
    normals: Floats
    rays: Floats


def sides_met(room: Room, origin: Floats, rays: Floats) -> tuple[Ids, Floats]:
    """Which side of the room rays from inside end on, and how far away."""
    low = np.array([-room.width / 2, 0, -BEHIND], np.float32)[:, None]
    high = np.array([room.width / 2, room.height, room.depth], np.float32)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.where(rays > 0, high - origin, low - origin) / rays
    far = np.where(np.isfinite(far), far, np.float32(1e9))
    axis = far.argmin(axis=0)
    positive = np.take_along_axis(rays, axis[None], 0)[0] > 0
    ids = np.array([[LEFT, FLOOR, FRONT], [RIGHT, CEILING, BACK]], np.int16)[positive.astype(np.intp), axis]
    return ids, np.take_along_axis(far, axis[None], 0)[0]


def across(wall: int, points: Floats) -> tuple[Floats, Floats]:
    """Places along a wall and up it."""
    return (points[0] if wall in {BACK, FRONT} else points[2]), points[1]


def see(room: Room, eye: Floats, rays: Floats, framed: list[NDArray[np.intp]] | None = None) -> Sight:
    """Follow rays (unit length) from the eye, or from a point each, to what they meet.

    framed: for each solid the rays that can meet it at all, if that is known.
    """
    ids, far = sides_met(room, eye, rays)
    for index, solid in enumerate(room.solids):
        if framed is None:
            met, at = solid.meet(eye, rays)
        elif framed[index].size:
            met, at = solid.meet(eye, rays[:, framed[index]])
            met = framed[index][met]
        else:
            continue
        closer = at < far[met] - np.float32(1e-4)
        ids[met[closer]], far[met[closer]] = SOLIDS + index, at[closer]
    points = eye + rays * far
    normals = np.zeros_like(points)
    numbers: list[int] = np.unique(ids).tolist()
    for number in numbers:
        these = np.flatnonzero(ids == number)
        if number >= SOLIDS:
            normals[:, these] = room.solids[number - SOLIDS].normals(points[:, these])
        else:
            normals[:, these] = INWARD[:, number : number + 1]
    for window in room.windows:
        _glaze(window, ids, points, rays)
    return Sight(ids, points, normals, rays)


def _glaze(window: Window, ids: Ids, points: Floats, rays: Floats) -> None:
    """Put glass and frame where a wall is cut open, 15 centimetres behind it."""
    these = np.flatnonzero(ids == window.wall)
    u, v = across(window.wall, points[:, these])
    open_ = (u > window.left) & (u < window.right) & (v > window.bottom) & (v < window.top)
    these = these[open_]
    ray = rays[:, these]
    straight = -(INWARD[:, window.wall] @ ray)
    u, v = across(window.wall, points[:, these] + ray * np.float32(RECESS) / np.maximum(straight, np.float32(0.05)))
    width, height = window.right - window.left, window.top - window.bottom
    x, y = (u - window.left) / width, (v - window.bottom) / height
    clear = (x > 0) & (x < 1) & (y > 0) & (y < 1)
    for share, count, size in ((x, window.panes[0], width), (y, window.panes[1], height)):
        bar = np.round(share * count)
        outer = (bar == 0) | (bar == count)
        clear &= np.abs(share - bar / count) * size > np.where(outer, FRAME_WIDTH, BAR_WIDTH)
    ids[these[clear]] = GLASS
    ids[these[~clear]] = FRAME


@attrs.frozen(eq=False)
class Camera:
    """A camera in a room, for pictures of one shape (width over height)."""

    room: Room
    ratio: float
    frames: tuple[tuple[float, float, float, float], ...]  # left, top, right, bottom of each solid, 0 to 1

    @classmethod
    def place(cls, room: Room, ratio: float) -> "Camera":
        """Set it up where the room's plan says."""
        return cls(room, ratio, tuple(_framed(room, solid, ratio) for solid in room.solids))

    def look(self, x: Floats, y: Floats) -> Sight:
        """What is at places of the picture, 0 to 1 from its left and its top."""
        room = self.room
        c, s = math.cos(room.yaw), math.sin(room.yaw)
        # uprights stay upright, as architects want them: the camera is shifted, not tilted
        right, up = (x * 2 - 1) / room.focal, (1 - y * 2) / (room.focal * self.ratio) + room.horizon
        rays = np.stack([right * c + s, up, c - right * s]).astype(np.float32)
        rays /= np.sqrt((rays**2).sum(axis=0))
        framed = [
            np.flatnonzero((x >= left) & (x <= right_) & (y >= top) & (y <= bottom))
            for left, top, right_, bottom in self.frames
        ]
        return see(room, np.array(room.eye, np.float32)[:, None], rays, framed)


def _framed(room: Room, solid: Solid, ratio: float) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a solid in the picture."""
    c, s = math.cos(room.yaw), math.sin(room.yaw)
    x, y, z = solid.corners() - np.array(room.eye, np.float32)[:, None]
    right, ahead = x * c - z * s, x * s + z * c
    if ahead.min() < BESIDE:
        return (0.0, 0.0, 1.0, 1.0) if ahead.max() > BESIDE else (2.0, 2.0, -1.0, -1.0)
    across_ = (right / ahead * room.focal + 1) / 2
    down = (1 - (y / ahead - room.horizon) * room.focal * ratio) / 2
    return float(across_.min()), float(down.min()), float(across_.max()), float(down.max())
