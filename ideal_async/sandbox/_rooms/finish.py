"""Surfaces of a drawn room: paint, planks, tiles, cloth, books, pictures, and the world outside its windows."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (numpy's stubs leave np.where unknown)

from collections.abc import Callable

import numpy as np

from ideal_async.sandbox._pictures import Floats
from ideal_async.sandbox._rooms.solids import Finish, Vector

_SIDE = 256


def _clouds() -> Floats:
    """A tile of noise like nature's, as strong in every octave, -1 to 1."""
    waves = np.fft.fftfreq(_SIDE)
    size = np.hypot(waves[:, None], waves[None, :])
    size[0, 0] = np.inf
    noise = np.fft.ifft2(np.fft.fft2(np.random.default_rng(3).standard_normal((_SIDE, _SIDE))) / size**1.1).real
    result: Floats = np.clip(noise / (2.5 * noise.std()), -1, 1).astype(np.float32)
    return result


_CLOUDS = _clouds()


def cloud(u: Floats, v: Floats) -> Floats:
    """Noise at a place, one period for each unit, -1 to 1."""
    x, y = (u % 1) * _SIDE, (v % 1) * _SIDE
    i, j = x.astype(np.intp), y.astype(np.intp)
    fx, fy = x - i, y - j
    i, j, k, m = i % _SIDE, j % _SIDE, (i + 1) % _SIDE, (j + 1) % _SIDE
    upper = _CLOUDS[j, i] * (1 - fx) + _CLOUDS[j, k] * fx
    lower = _CLOUDS[m, i] * (1 - fx) + _CLOUDS[m, k] * fx
    noise: Floats = upper * (1 - fy) + lower * fy
    return noise.astype(np.float32)


def chance(n: Floats, salt: float = 0.0) -> Floats:
    """A number from 0 to 1 for each whole number, always the same."""
    shaken = np.sin(np.floor(n) * np.float32(12.9898) + np.float32(salt * 3.7 + 1.3)) * np.float32(4375.85)
    picked: Floats = shaken - np.floor(shaken)
    return picked


def linear(colour: Vector) -> Floats:
    """Light of a painter's colour (sRGB), shape (3, 1)."""
    return (np.array(colour, np.float32)[:, None] ** np.float32(2.2)).astype(np.float32)


def _line(at: Floats, period: float, width: float) -> Floats:
    """1 on lines of a width, repeated with a period; 0 elsewhere, soft between."""
    off = np.abs((at / np.float32(period)) % 1 - np.float32(0.5)) * np.float32(period)
    drawn: Floats = np.clip((off - np.float32(period / 2 - width)) / np.float32(width * 0.6), 0, 1)
    return drawn


def _plain(u: Floats, v: Floats, finish: Finish) -> Floats:
    return linear(finish.colour) * (1 + np.float32(0.03) * cloud(u * 0.4, v * 0.4))


def _wood(u: Floats, v: Floats, finish: Finish) -> Floats:
    grain = cloud(u * 0.13, v * 2.1) + np.float32(0.5) * cloud(u * 0.6, v * 7)
    return linear(finish.colour) * (1 + np.float32(0.22) * grain)


def _planks(u: Floats, v: Floats, finish: Finish) -> Floats:
    """Boards along v."""
    wide, long = 0.16, 1.7
    board = np.floor(u / np.float32(wide))
    along = v + chance(board) * np.float32(long)
    piece = board * 31 + np.floor(along / np.float32(long))
    tone = np.float32(0.80) + np.float32(0.34) * chance(piece, 2)
    grain = cloud(along * 0.1 + chance(piece, 5), u * 1.9) + np.float32(0.6) * cloud(
        along * 0.5, u * 6 + chance(piece, 7)
    )
    gap = np.maximum(_line(u, wide, 0.004), _line(along, long, 0.004))
    return linear(finish.colour) * (tone * (1 + np.float32(0.2) * grain) * (1 - np.float32(0.55) * gap))


#: Length of a herringbone board, in widths.
BOARD = 4


def _herringbone(u: Floats, v: Floats, finish: Finish) -> Floats:
    """Short boards at right angles to each other, laid at 45 degrees."""
    wide = np.float32(0.11)
    x, y = (u + v) * np.float32(0.7071) / wide, (v - u) * np.float32(0.7071) / wide
    column, row = np.floor(x), np.floor(y)
    flat = (column - row) % (2 * BOARD) < BOARD
    along, across = np.where(flat, x, y), np.where(flat, y - row, x - column)
    piece = np.where(
        flat, row * 17 + np.floor((x - row) / BOARD) * 5, column * 13 + np.floor((y - column - 1) / BOARD) * 7 + 3
    )
    tone = np.float32(0.78) + np.float32(0.4) * chance(piece, 1)
    grain = cloud(along * 0.02 + chance(piece, 3), across * 0.16 + chance(piece, 4))
    edge = np.clip((np.abs(across - np.float32(0.5)) - np.float32(0.47)) * 40, 0, 1)
    result: Floats = linear(finish.colour) * (tone * (1 + np.float32(0.16) * grain) * (1 - np.float32(0.45) * edge))
    return result


def _tiles(
    u: Floats, v: Floats, finish: Finish, *, across: float = 0.6, down: float = 0.6, brick: float = 0.0
) -> Floats:
    row = np.floor(v / np.float32(down))
    u = u + (row % 2) * np.float32(brick * across)
    joint = np.maximum(_line(u + across / 2, across, 0.006), _line(v + down / 2, down, 0.006))
    piece = row * 57 + np.floor(u / np.float32(across))
    tone = np.float32(0.93) + np.float32(0.1) * chance(piece, 4) + np.float32(0.05) * cloud(u * 0.5, v * 0.5)
    result: Floats = linear(finish.colour) * tone * (1 - joint) + linear(finish.second) * joint
    return result


def _subway(u: Floats, v: Floats, finish: Finish) -> Floats:
    return _tiles(u, v, finish, across=0.24, down=0.09, brick=0.5)


def _brick(u: Floats, v: Floats, finish: Finish) -> Floats:
    rough = 1 + np.float32(0.3) * cloud(u * 1.3, v * 1.3)
    row = np.floor(v / np.float32(0.085))
    piece = row * 31 + np.floor((u + (row % 2) * np.float32(0.125)) / np.float32(0.25))
    result: Floats = (
        _tiles(u, v, finish, across=0.25, down=0.085, brick=0.5)
        * rough
        * (np.float32(0.75) + np.float32(0.5) * chance(piece, 9))
    )
    return result


def _marble(u: Floats, v: Floats, finish: Finish) -> Floats:
    bent = u * 0.5 + v * 0.35 + np.float32(0.5) * cloud(u * 0.3, v * 0.3)
    vein = np.exp(-np.abs(np.sin(bent * 5)) * 14) + np.float32(0.5) * np.exp(-np.abs(np.sin(bent * 11 + u)) * 20)
    vein = vein * (np.float32(0.6) + np.float32(0.4) * cloud(u * 0.7, v * 0.5))
    result: Floats = linear(finish.colour) * (1 - vein * np.float32(0.5)) + linear(finish.second) * vein * np.float32(
        0.5
    )
    return result


def _cloth(u: Floats, v: Floats, finish: Finish) -> Floats:
    weave = cloud(u * 5, v * 5) * np.float32(0.10) + cloud(u * 0.9, v * 0.9) * np.float32(0.09)
    result: Floats = linear(finish.colour) * (1 + weave)
    return result


def _rug(u: Floats, v: Floats, finish: Finish) -> Floats:
    """Lozenges."""
    x, y = u / np.float32(0.5), v / np.float32(0.5)
    inner = np.abs(x % 1 - np.float32(0.5)) + np.abs(y % 1 - np.float32(0.5))
    drawn = np.clip((np.float32(0.035) - np.abs(inner - np.float32(0.5))) * 40, 0, 1)
    drawn = np.maximum(drawn, np.clip((np.float32(0.1) - inner) * 30, 0, 1)) * np.float32(0.8)
    pile = 1 + np.float32(0.14) * cloud(u * 3, v * 3) + np.float32(0.1) * cloud(u, v)
    result: Floats = (linear(finish.colour) * (1 - drawn) + linear(finish.second) * drawn) * pile
    return result


def _stripes(u: Floats, v: Floats, finish: Finish) -> Floats:
    drawn = np.clip(np.sin(u * np.float32(62)) * 6 + np.float32(0.5), 0, 1) * np.float32(0.75)
    cloth = 1 + np.float32(0.1) * cloud(u * 4, v * 4)
    result: Floats = (linear(finish.colour) * (1 - drawn) + linear(finish.second) * drawn) * cloth
    return result


def _books(u: Floats, v: Floats, finish: Finish) -> Floats:
    """Backs of books, 2 to 5 centimetres wide, in muted colours."""
    shifted = u / np.float32(0.036) + np.float32(0.45) * np.sin(u * np.float32(23))
    one = np.floor(shifted)
    hue = chance(one, 3) * np.float32(6.283)
    deep = np.float32(0.16) + np.float32(0.5) * chance(one, 8) ** 2
    shades = np.stack([1 + np.float32(0.42) * np.cos(hue - np.float32(turn)) for turn in (0.2, 1.1, 2.2)]) * deep
    shades = shades * linear(finish.colour) * 1.6
    inside = shifted - one
    round_back = np.clip(np.float32(1.25) - np.float32(1.6) * (inside - np.float32(0.45)) ** 2 * 4, 0.15, 1)
    band = 1 + np.float32(0.9) * _line(v + chance(one, 6) * np.float32(0.2), 0.11, 0.006) * (
        chance(one, 2) > np.float32(0.4)
    )
    result: Floats = shades * round_back * band
    return result


def _art(u: Floats, v: Floats, finish: Finish) -> Floats:
    """An abstract landscape: a disc over hills, on paper, inside a mount."""
    paper = np.array([[0.93], [0.90], [0.84]], np.float32) ** 2
    disc = np.clip((np.float32(0.10) - np.hypot(u - np.float32(0.06), v - np.float32(0.10))) * 250 + 0.5, 0, 1)
    picture = paper + (linear(finish.second) - paper) * disc
    for level, (strength, salt) in enumerate(((0.55, 0.1), (0.8, 0.43), (1.0, 0.77))):
        ridge = np.float32(0.02 - 0.09 * level) + np.float32(0.09) * cloud(u * 0.5 + salt, np.full_like(u, salt))
        hill = np.clip((ridge - v) * 250 + 0.5, 0, 1)
        picture = picture + (linear(finish.colour) * strength + paper * (1 - strength) * 0.6 - picture) * hill
    result: Floats = picture * (1 + np.float32(0.05) * cloud(u * 3, v * 3))
    return result


def _leaf(u: Floats, v: Floats, finish: Finish) -> Floats:
    return linear(finish.colour) * (np.float32(0.85) + np.float32(0.5) * cloud(u * 2, v * 2))


PATTERNS: dict[str, Callable[[Floats, Floats, Finish], Floats]] = {
    "plain": _plain,
    "wood": _wood,
    "planks": _planks,
    "herringbone": _herringbone,
    "tiles": _tiles,
    "subway": _subway,
    "brick": _brick,
    "marble": _marble,
    "cloth": _cloth,
    "rug": _rug,
    "stripes": _stripes,
    "books": _books,
    "art": _art,
    "leaf": _leaf,
}


def paint(finish: Finish, points: Floats, normals: Floats, *, upright: bool = False) -> Floats:
    """The share of light a surface throws back, shape (3, n), at points and with normals of its own space."""
    u: Floats = np.where(np.abs(normals[0]) > 0.7, points[2], points[0])  # noqa: PLR2004 - 45 degrees
    v: Floats = np.where(np.abs(normals[1]) > 0.7, points[2], points[1])  # noqa: PLR2004
    if upright and finish.pattern == "wood":  # grain runs along the longest side
        u, v = v, u
    return PATTERNS[finish.pattern](u, v, finish).astype(np.float32)


def outside(ray: Floats, *, night: bool) -> Floats:
    """The world in a direction, shape (3, n): sky over hills and trees, or over the lights of a town."""
    x, y, z = ray
    bearing, height = np.arctan2(x, z), y / np.hypot(x, z)
    puffs = np.clip(cloud(bearing * 0.35 + 0.2, height * 0.9 + 0.3) * 2, 0, 1) * np.clip(height * 6, 0, 1)
    far = np.float32(0.035) + np.float32(0.05) * cloud(bearing * 0.25, np.full_like(x, 0.1))
    near = (
        np.float32(-0.02)
        + np.float32(0.06) * cloud(bearing * 0.6, np.full_like(x, 0.6))
        + np.float32(0.02) * cloud(bearing * 5, np.full_like(x, 0.3))
    )
    rise = np.clip(height * np.float32(1.6), 0, 1)
    if night:
        low, high = np.array([[0.055], [0.062], [0.13]]), np.array([[0.010], [0.016], [0.05]])
        sky = low + (high - low) * rise
        sky = np.where(height < far, np.array([[0.012], [0.016], [0.035]]), sky)
        sky = np.where(height < near, np.array([[0.006], [0.008], [0.014]]), sky)
        cell_u, cell_v = bearing * 85, height * 85
        lit = chance(np.floor(cell_u) * 91 + np.floor(cell_v), 6) > np.float32(0.86)
        dot = np.hypot(cell_u % 1 - np.float32(0.5), cell_v % 1 - np.float32(0.5)) < np.float32(0.2)
        return np.where(lit & dot & (height < far - np.float32(0.01)), np.array([[1.0], [0.66], [0.28]]), sky).astype(
            np.float32
        )
    low, high = np.array([[1.02], [1.06], [1.08]]), np.array([[0.42], [0.66], [1.0]])
    sky = low + (high - low) * rise
    sky = sky + (np.array([[1.1], [1.1], [1.1]]) - sky) * puffs * np.float32(0.8)
    green = np.float32(0.75) + np.float32(0.5) * cloud(bearing * 3, height * 3)
    sky = np.where(height < far, np.array([[0.50], [0.62], [0.66]]), sky)
    sky = np.where(height < near, np.array([[0.22], [0.36], [0.14]]) * green, sky)
    haze = np.array([[0.98], [1.0], [1.0]])  # a camera set for the room sees the garden too bright
    return ((sky + (haze - sky) * 0.18) * 1.8).astype(np.float32)
