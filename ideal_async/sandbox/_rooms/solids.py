"""Shapes a drawn room is furnished with, and what a ray meets."""

from typing import Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from ideal_async.sandbox._pictures import Floats

#: Nearer than this, in metres, a ray has arrived: a third of a pixel at four metres.
ARRIVED = 0.0015
#: Steps after which a ray that only grazes a shape is let go.
STEPS = 22

Vector = tuple[float, float, float]


@attrs.frozen
class Finish:
    """What a surface looks like.

    Args:
        colour: red, green and blue as a painter mixes them (sRGB, 0 to 1).
        pattern: a name in the table of patterns.
        second: the other colour of a pattern that has two.
        gloss: 0 matt to 1 mirror.
        glow: light given off by night, 0 for none.
    """

    colour: Vector
    pattern: str = "plain"
    second: Vector = (0.5, 0.5, 0.5)
    gloss: float = 0.0
    glow: float = 0.0


@attrs.frozen(eq=False)
class Solid:
    """A shape: a rounded box, a ball (ellipsoid), a cone (upright, capped) or hanging folds of cloth; sizes in metres.

    Args:
        kind: which shape.
        centre: right, up, ahead.
        half: half its extent each way.
        finish: its surface.
        rounding: radius of its edges.
        top: of a cone, the upper radius as a share of the lower.
        turn: radians about the upright axis.
        lean: radians towards its own front.
        shades: whether it throws a shadow; the shade of a lamp does not.
    """

    kind: Literal["box", "ball", "cone", "folds"]
    centre: Vector
    half: Vector
    finish: Finish
    rounding: float = 0.01
    top: float = 1.0
    turn: float = 0.0
    lean: float = 0.0
    shades: bool = True

    def axes(self) -> Floats:
        """Rows turn a direction of the room into one of the shape."""
        c, s, k, m = np.cos(self.turn), np.sin(self.turn), np.cos(self.lean), np.sin(self.lean)
        upright = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
        leaning = np.array([[1, 0, 0], [0, k, -m], [0, m, k]])
        result: Floats = (leaning @ upright).astype(np.float32)
        return result

    def local(self, points: Floats) -> Floats:
        """Points of the room, shape (3, n), seen from the shape."""
        local: Floats = self.axes() @ (points - np.array(self.centre, np.float32)[:, None])
        return local

    def distance(self, p: Floats) -> Floats:
        """How far its own points are from its surface, below 0 inside."""
        hx, hy, hz = (np.float32(h) for h in self.half)
        r = np.float32(min(self.rounding, *self.half))
        if self.kind == "ball":
            size = np.array([[hx], [hy], [hz]], np.float32)
            near = np.sqrt(((p / size) ** 2).sum(axis=0))
            ball: Floats = near * (near - 1) / (np.sqrt(((p / size**2) ** 2).sum(axis=0)) + np.float32(1e-6))
            return ball
        if self.kind == "cone":
            slope = np.float32(hx * (1 - self.top) / (2 * hy))
            radius = hx * np.float32((1 + self.top) / 2) - slope * p[1]
            wide = (np.sqrt(p[0] ** 2 + p[2] ** 2) - radius) / np.float32(np.sqrt(1 + slope**2)) + r
            high = np.abs(p[1]) - hy + r
            cone: Floats = (
                np.hypot(np.maximum(wide, 0), np.maximum(high, 0)) + np.minimum(np.maximum(wide, high), 0) - r
            )
            return cone
        x, y, z = p
        if self.kind == "folds":
            z = z + np.float32(0.45) * hz * np.sin(x * np.float32(42) + np.sin(x * np.float32(9)))
            hz = hz * np.float32(0.4)
            r = min(r, hz)
        qx, qy, qz = np.abs(x) - hx + r, np.abs(y) - hy + r, np.abs(z) - hz + r
        out = np.sqrt(np.maximum(qx, 0) ** 2 + np.maximum(qy, 0) ** 2 + np.maximum(qz, 0) ** 2)
        box: Floats = out + np.minimum(np.maximum(np.maximum(qx, qy), qz), 0) - r
        return box * np.float32(0.6) if self.kind == "folds" else box

    def span(self, origin: Floats, ray: Floats) -> tuple[Floats, Floats]:
        """Where rays of the shape's own space enter and leave the box around it; leaving first means missing."""
        half = np.array(self.half, np.float32)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):  # rays along an axis
            inverse = 1 / ray
            middle, reach = origin * -inverse, half * np.abs(inverse)
            x, y, z = middle - reach
            u, v, w = middle + reach
        return np.maximum(np.maximum(x, y), z), np.minimum(np.minimum(u, v), w)

    def meet(self, origin: Floats, ray: Floats) -> tuple[NDArray[np.intp], Floats]:
        """Which of the rays (room space, unit length) meet it, and how far along."""
        axes = self.axes()
        start, way = self.local(origin), axes @ ray
        enter, leave = self.span(start, way)
        going = np.flatnonzero((leave > np.maximum(enter, 0)) & np.isfinite(enter))
        if self.kind == "box" and self.rounding == 0:
            return going, np.maximum(enter[going], 0)
        at, stop = np.maximum(enter[going], 0), leave[going]
        start = np.broadcast_to(start, way.shape)
        arrived: list[NDArray[np.intp]] = []
        lengths: list[Floats] = []
        for _ in range(STEPS):
            gap = self.distance(start[:, going] + way[:, going] * at)
            there = gap < ARRIVED
            arrived.append(going[there])
            lengths.append(at[there])
            at = at + gap
            on = ~there & (at < stop)
            going, at, stop = going[on], at[on], stop[on]
            if not going.size:
                break
        return np.concatenate(arrived), np.concatenate(lengths)

    def normals(self, points: Floats) -> Floats:
        """Directions straight out of the surface at points of the room."""
        p, step = self.local(points), np.float32(0.002)
        out = np.zeros_like(p)
        for corner in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):  # a tetrahedron: four looks, not six
            away = np.array(corner, np.float32)[:, None]
            out += away * self.distance(p + away * step)
        normals: Floats = self.axes().T @ (out / (np.sqrt((out**2).sum(axis=0)) + np.float32(1e-9)))
        return normals

    def enters(self, origin: Floats, ray: Floats, inverse: Floats) -> Floats:
        """How far along rays it begins, by the box around it, a little smaller where it is round; infinity for never.

        The inverse is 1 / ray: many shapes are asked about the same rays.
        """
        slim = np.float32(1.0 if self.kind in {"box", "folds"} else 0.84)
        half = np.array(self.half, np.float32)[:, None] * slim
        if self.turn or self.lean:
            start = self.local(origin)
            with np.errstate(divide="ignore"):
                inverse = 1 / (self.axes() @ ray)
        else:
            start = origin - np.array(self.centre, np.float32)[:, None]
        with np.errstate(invalid="ignore"):
            middle, reach = start * -inverse, half * np.abs(inverse)
            x, y, z = middle - reach
            enter = np.maximum(np.maximum(x, y), z)  # numpy reduces an axis of three at a fifth of this speed
            x, y, z = middle + reach
            leave = np.minimum(np.minimum(x, y), z)
        return np.where(leave > np.maximum(enter, np.float32(0.01)), np.maximum(enter, 0), np.float32(np.inf))

    @property
    def upright(self) -> bool:
        """Whether it is taller than wide and deep."""
        return self.half[1] > max(self.half[0], self.half[2])

    @property
    def small(self) -> bool:
        """Whether its shadow would be lost in the light of a room."""
        return sorted(self.half)[1] < 0.05  # noqa: PLR2004 - metres: legs, handles, cords, twigs

    def corners(self) -> Floats:
        """The corners of the box around it, in the room, shape (3, 8)."""
        signs = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32).T
        box: Floats = self.axes().T @ (signs * np.array(self.half, np.float32)[:, None])
        return box + np.array(self.centre, np.float32)[:, None]
