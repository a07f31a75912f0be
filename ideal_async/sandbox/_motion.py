"""What moves in the picture while the camera looks on: steam, rain, curtains, flames."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (numpy's stubs leave what is taken from an array of floats unknown)

import math
from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from ideal_async.sandbox._pictures import Bytes, Floats
from ideal_async.sandbox._plate import FRAMES

Places = NDArray[np.intp]
#: Seconds in which a movement sets in: the first frame is the picture as it is.
ONSET = 0.8
Whole = NDArray[np.int16]
#: Two patterns, each with its way in rows and columns a second.
Patterns = Sequence[tuple[Floats, float, float]]


def _whole(shares: Floats) -> Whole:
    return np.ascontiguousarray(shares * np.float32(128)).astype(np.int16)


@attrs.frozen(eq=False)
class Sway:
    """A part of the picture that bends to and fro: where, each place at its own moment, and how far in pixels."""

    sine: Floats
    cosine: Floats
    x: float
    y: float
    hertz: float

    def shift(self, at: Places, seconds: float) -> tuple[Floats, Floats]:
        """How far aside and down what these places show has come from."""
        turn = 2 * math.pi * self.hertz * seconds
        strength = _onset(seconds) * (0.75 + 0.25 * math.sin(turn * 0.37))
        moved: Floats = self.sine.take(at) * np.float32(strength * math.cos(turn))
        moved += self.cosine.take(at) * np.float32(strength * math.sin(turn))
        return moved * np.float32(self.x), moved * np.float32(self.y)


@attrs.frozen(eq=False)
class Veil:
    """Something light that goes over a part of the picture: two patterns without an end, and how fast they go.

    Args:
        where: how much of it each place of the picture can get, 0 to 1.
        patterns: what goes by, 0 to 1, as many columns as the picture, and its way in rows and columns a second.
        tone: luma that it has.
        together: whether the patterns are seen one through the other, and not side by side.
    """

    where: Whole
    patterns: tuple[tuple[Whole, float, float], tuple[Whole, float, float]]
    tone: int
    together: bool

    @classmethod
    def of(cls, where: Floats, patterns: Patterns, tone: int, *, together: bool) -> "Veil":
        """From shares of 0 to 1. Whole numbers are twice as fast as floats, and 128 shades of a veil are enough."""
        one, other = (
            # twice, so that a place below the end is the same place further up
            (np.tile(_whole(pattern).reshape(-1), 2), down, aside)
            for pattern, down, aside in patterns
        )
        return cls(_whole(where), (one, other), tone, together)

    def shade(self, at: Places, seconds: float) -> Whole:
        """How much of the veil covers each of these places, 0 to 128."""
        (one, *first), (other, *second) = self.patterns
        columns = self.where.shape[1]
        a, b = (
            pattern.take(at + (-round(down * seconds) * columns - round(aside * seconds)) % self.where.size)
            for pattern, (down, aside) in ((one, first), (other, second))
        )
        cover = a * b >> 7 if self.together else np.maximum(a, b)
        share = self.where.take(at) * cover
        result: Whole = (share >> 7) * np.int16(128 * _onset(seconds)) >> 7
        return result


@attrs.frozen(eq=False)
class Flicker:
    """Light that is unsteady: how much, in shades of luma, each place has of it."""

    where: Floats
    phase: float

    def light(self, at: Places, seconds: float) -> Floats:
        """Shades to add to these places."""
        turn = 2 * math.pi * seconds
        wave = (
            math.sin(turn * 1.9 + self.phase) + 0.7 * math.sin(turn * 4.3 + 2 * self.phase) + 0.4 * math.sin(turn * 7.1)
        )
        result: Floats = self.where.take(at) * np.float32(_onset(seconds) * wave / 2)
        return result


Movement = Sway | Veil | Flicker


def _onset(seconds: float) -> float:
    part = min(1.0, seconds / ONSET)
    return part * part * (3 - 2 * part)


@attrs.frozen(eq=False)
class Life:
    """All small movements in a picture, by its places: row by row, one for each output pixel of the plate."""

    movements: tuple[Movement, ...] = ()

    def bend(self, at: Places, frame: int) -> tuple[Floats, Floats] | None:
        """How far aside and down what these places show has come from; None if nothing bends."""
        shifts = [each.shift(at, frame / FRAMES) for each in self.movements if isinstance(each, Sway)]
        if not shifts:
            return None
        return sum((x for x, _ in shifts[1:]), shifts[0][0]), sum((y for _, y in shifts[1:]), shifts[0][1])

    def light(self, at: Places, pieces: Bytes, frame: int) -> None:
        """Lay veils and flickering light over picked pieces; a part without any stays as it is."""
        brightness = pieces[: len(pieces) * 2 // 3]
        for each in self.movements:
            if isinstance(each, Sway):
                continue
            box = _box(each.where, at)
            here = at[box]
            old = brightness[(slice(None), *box)].astype(np.int16)
            if isinstance(each, Veil):
                old += (np.int16(each.tone) - old) * each.shade(here, frame / FRAMES) >> 7
            else:
                old += each.light(here, frame / FRAMES).astype(np.int16)
            brightness[(slice(None), *box)] = np.clip(old, 0, 255)


def _box(where: Floats | Whole, at: Places) -> tuple[slice, slice]:
    """The least rows and columns of a window outside of which there is nothing of this."""
    coarse = 8
    some = where.take(at[::coarse, ::coarse]) > 0
    sides: list[slice] = []
    for axis in (1, 0):
        found = np.flatnonzero(some.any(axis=axis))
        sides.append(slice(max(0, found[0] - 1) * coarse, (found[-1] + 2) * coarse) if found.size else slice(0, 0))
    return sides[0], sides[1]


#: Nothing moves.
STILL = Life()
