"""From one place to another in one movement: the camera goes on sideways, and the other place is next door."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (numpy's stubs leave what is taken from an array of floats unknown)

import math
from collections.abc import Callable

import attrs
import numpy as np
from numpy.typing import NDArray

from ideal_async.sandbox._depth import nearness
from ideal_async.sandbox._pictures import Bytes, Floats, resize
from ideal_async.sandbox._plate import Plate

#: Share of the window over which one place becomes the other, half way: wide enough that no edge is seen to pass.
SOFT = 0.34
#: Share of the window by which the change comes earlier where it gets darker: no straight line goes by, either.
UNEVEN = 0.16
#: Share of the window by which what is near hurries ahead of what is far, half way.
HURRY = 0.07
#: Enlargement half way: the camera leans into the turn.
LEAN = 0.06


@attrs.frozen
class Way:
    """Where the camera goes from one place to the other: to the right or the left, or down or up."""

    upright: bool = False
    backwards: bool = False


RIGHT = Way()


def pass_on(first: Plate, last: Plate, turns: Floats, way: Way) -> Callable[[float], Bytes]:
    """Go on from the first place to the last, which lies beside it.

    A dissolve of two places shows both at once, two rooms through each other; here every part of a frame shows one
    of them, but for a soft strip where the first has ended and the last begins.
    """
    u, v = first.grid()
    turns = resize(turns, v.size, u.size)
    sign = np.float32(-1 if way.backwards else 1)
    along, length = (v, first.height) if way.upright else (u, first.width)
    places = tuple(_Place(plate, way.upright) for plate in (first, last))

    def at(t: float) -> Bytes:
        half = math.sin(math.pi * t)
        scale = 1 - LEAN * half * half
        here = sign * along * np.float32(scale) + np.float32(t * length)  # on the way, from the middle of the first
        soft = max(SOFT * length * min(1.0, 4 * half), 1.0)  # the first and the last frame show none of it
        border = length / 2 + turns * np.float32(UNEVEN * length * half)
        share = np.clip((here - border) / np.float32(soft) + np.float32(0.5), 0, 1)
        share = share * share * (3 - 2 * share)
        hurry = np.float32(HURRY * length * half)
        across = (u if way.upright else v) * np.float32(scale)
        pictures: list[tuple[slice, Bytes]] = []
        for place, gone, of in ((places[0], 0, share < 1), (places[1], length, share > 0)):
            part = _extent(of, 0 if way.upright else 1)
            there = sign * (here - np.float32(gone))
            pictures.append((part, place.pick(there, across, part, hurry, scale)))
        return _joined(share, pictures, 0 if way.upright else 1)

    return at


class _Place:
    """A picture with its depth."""

    def __init__(self, plate: Plate, upright: bool) -> None:
        self.plate, self.upright = plate, upright
        self.depth = nearness(plate)

    def pick(self, along: Floats, across: Floats, part: slice, hurry: np.float32, scale: float) -> Bytes:
        """The rows or columns of this part, what is near ahead of what is far."""
        if self.upright:
            x, y = across, along[part]
        else:
            x, y = along[:, part], across
        rows, columns = self.depth.shape
        row = np.clip(y + np.float32(rows / 2), 0, rows - 1).astype(np.intp)
        column = np.clip(x + np.float32(columns / 2), 0, columns - 1).astype(np.intp)
        ahead: Floats = self.depth.reshape(-1).take(row * columns + column) * hurry
        return self.plate.pick(x, y + ahead, scale) if self.upright else self.plate.pick(x + ahead, y, scale)


def _extent(some: NDArray[np.bool_], axis: int) -> slice:
    """The first to the last row or column in which there is any."""
    found = np.flatnonzero(some.any(axis=1 - axis))
    return slice(int(found[0]), int(found[-1]) + 1) if found.size else slice(0, 0)


def _joined(share: Floats, pictures: list[tuple[slice, Bytes]], axis: int) -> Bytes:
    """Lay both pictures side by side, mixed where they meet."""
    (one, before), (other, after) = pictures
    pieces = np.empty((len(before), *share.shape), np.uint8)

    def strip(part: slice, of: slice | None = None) -> tuple[slice, ...]:
        at = part if of is None else slice(part.start - of.start, part.stop - of.start)
        return (slice(None), at) if axis == 0 else (slice(None), slice(None), at)

    pieces[strip(one)] = before
    pieces[strip(other)] = after
    both = slice(max(one.start, other.start), min(one.stop, other.stop))
    if both.start < both.stop:
        meeting = share[strip(both)[1:]]
        pieces[strip(both)] = mix(before[strip(both, one)], after[strip(both, other)], meeting)
    return pieces


def mix(before: Bytes, after: Bytes, share: Floats) -> Bytes:
    """Mix pieces in whole numbers: sixteen bits are twice as fast as floats, and 128 shades of mixing are enough."""
    mixed = np.subtract(after, before, dtype=np.int16)
    mixed *= (share * np.float32(128)).astype(np.int16)
    mixed >>= 7
    mixed += before
    return mixed.astype(np.uint8)
