"""Where in a picture things are that move, and how they do: windows, curtains, leaves, flames."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (numpy's stubs leave what is taken from an array of floats unknown)

import math
from collections.abc import Callable

import numpy as np

from ideal_async.sandbox._motion import STILL, Flicker, Life, Movement, Patterns, Sway, Veil
from ideal_async.sandbox._pictures import Floats, blur, resize
from ideal_async.sandbox._plate import Plate
from ideal_async.sandbox._words import find, stirs, wanted

#: Output pixels, each way, to one estimate of what a place shows.
STEP = 4
#: Share of the height, from above, in which a window or the sky is looked for.
HIGH = 0.78
#: Blue over red, in shades of chroma, of daylight and of a night sky. Measured on the rooms that come with the sandbox:
#: windows 1.5 to 4.8 by day and 8.7 to 33 by night, walls -5 to -0.8.
COOL, NIGHTLY = 0.5, 8.0
#: Median luma that parts a room by day from one by night: 164 to 185 and 121 to 132 were measured.
DAY = 145
MOST = 0.6
#: Share of the height below which water is looked for, how little detail it has, and how cool it is at least.
LOW, CALM, NOT_WARM = 0.42, 9.0, -6.0
#: Share of the upper edge that the sky takes outdoors, and the least share of a picture that windows take.
OPEN, WINDOW = 0.5, 0.015
#: Luma from which weather before it is seen dark, and the luma of weather, dark and light.
PALE, DARK, LIGHT = 150, 130, 215
#: How green leaves are, and the least share of a picture that is a plant.
GREEN, SOME = 20, 0.002
#: Red over blue, in shades of chroma, of a flame.
WARM = 20
#: What is seen wherever the prompt speaks of it, and what has to be said to stir.
FALLING = ("rain", "snow", "dust", "steam", "mist", "fire", "candle", "kettle")
STIRRED = ("curtains", "leaves", "clouds", "sea", "river")


def movements(prompt: str) -> tuple[str, ...]:
    """The small movements that a prompt speaks of.

    >>> movements("Static shot, rain on the window, curtains sway")
    ('rain', 'curtains')
    """
    prompt = wanted(prompt)
    things = FALLING + STIRRED if stirs(prompt) else FALLING
    return tuple(thing for thing in things if find(thing, prompt) is not None)


def enliven(plate: Plate, prompt: str) -> Life:
    """Find where in a picture that moves of which the prompt speaks."""
    kinds = movements(prompt)
    if not kinds:
        return STILL
    random = np.random.default_rng([*prompt.encode()])
    colours = plate.colours(STEP)
    size = plate.tall // plate.fine, plate.wide // plate.fine
    found: list[Movement] = []
    for kind in kinds:
        found += MAKES[kind](colours, size, random)
    return Life(tuple(found))


def _smooth(mask: Floats, radius: int, size: tuple[int, int]) -> Floats:
    """A soft mask for every output pixel, exactly nothing where there is next to nothing."""
    soft = blur(blur(mask.astype(np.float32), radius), radius)
    result: Floats = np.clip((resize(soft, *size) - np.float32(0.08)) / np.float32(0.6), 0, 1).astype(np.float32)
    return result


def _swaying(
    mask: Floats, size: tuple[int, int], random: np.random.Generator, *, wave: float, x: float, y: float, hertz: float
) -> list[Movement]:
    """A mask bends in waves of this length in pixels, across or down as it moves."""
    rows, columns = (np.arange(n, dtype=np.float32) for n in size)
    across, down = (0.35, 1.0) if y > x else (1.0, 0.35)
    phase = (columns[None, :] * np.float32(across) + rows[:, None] * np.float32(down)) * np.float32(2 * math.pi / wave)
    phase = phase + np.float32(random.uniform(0, 6))
    return [Sway(np.sin(phase) * mask, np.cos(phase) * mask, x, y, hertz)]


def _curtains(colours: Floats, size: tuple[int, int], random: np.random.Generator) -> list[Movement]:
    """Folds: bright places that change from left to right and not from top to bottom, hung from above."""
    grey = colours[0]
    rows, columns = grey.shape
    across, down = np.gradient(grey, axis=1), np.abs(np.gradient(grey, axis=0))
    ups, downs, flat = (
        blur(_standing(g, rows // 5), 2) for g in (np.clip(across, 0, None), np.clip(-across, 0, None), down)
    )
    folds = np.sqrt(np.clip(np.minimum(ups, downs) - flat, 0, None))  # a fold lightens and darkens; an edge does one
    folds *= (grey > np.quantile(grey, 0.45)) * (1 - np.linspace(0, 1, rows, dtype=np.float32)[:, None] ** 4)
    folds = blur(folds * (1 - np.clip(3 * blur(_outside(colours), 3), 0, 1)), columns // 40)
    mask = (folds > 0.45 * folds.max()).astype(np.float32)
    hangs = np.linspace(0.35, 1, size[0], dtype=np.float32)[:, None]
    return _swaying(_smooth(mask, 2, size) * hangs, size, random, wave=size[1] / 9, x=size[1] / 170, y=0, hertz=0.45)


def _standing(values: Floats, reach: int) -> Floats:
    """Sums along upright lines of this length."""
    sums = np.cumsum(np.pad(values, ((reach // 2 + 1, reach - reach // 2), (0, 0))), axis=0)
    result: Floats = (sums[reach:] - sums[:-reach])[: len(values)]
    return result


def _leaves(colours: Floats, size: tuple[int, int], random: np.random.Generator) -> list[Movement]:
    """Green, and what else has strong colour if nothing is green."""
    _, blue, red = colours
    green = np.clip(126 - blue, 0, 20) * np.clip(130 - red, 0, 12)
    vivid = np.hypot(blue - 128, red - 128)
    mask = green > GREEN if (green > GREEN).mean() > SOME else vivid > max(14.0, float(np.quantile(vivid, 0.9)))
    return _swaying(
        _smooth(mask, 1, size), size, random, wave=size[1] / 14, x=size[1] / 260, y=size[1] / 700, hertz=0.8
    )


def _water(colours: Floats, size: tuple[int, int], random: np.random.Generator) -> list[Movement]:
    """What is low, and cool or smooth."""
    grey, blue, red = colours
    rows, columns = grey.shape
    low = np.linspace(0, 1, rows, dtype=np.float32)[:, None] > LOW
    smooth = blur(np.abs(grey - blur(grey, 2)), 3) < CALM
    mask = low & smooth & (blue - red > NOT_WARM)
    return _swaying(
        _smooth(mask, columns // 60, size), size, random, wave=size[0] / 22, x=size[1] / 800, y=size[1] / 420, hertz=0.7
    )


def _clouds(colours: Floats, size: tuple[int, int], random: np.random.Generator) -> list[Movement]:
    """The sky slides aside."""
    mask = _smooth(_outside(colours), 3, size)
    return _swaying(mask, size, random, wave=size[1] * 3.0, x=size[1] / 50, y=0, hertz=0.04)


def _outside(colours: Floats) -> Floats:
    """The sky, or what a window shows: cooler than a room; by day brighter than most of it, by night darker."""
    grey, cool = colours[0], blur(colours[1] - colours[2], 1)
    middle = np.median(grey)
    high = np.linspace(0, 1, len(grey), dtype=np.float32)[:, None] < HIGH
    if middle > DAY:
        cool_enough = (grey > middle) & (cool > COOL)
    else:
        cool_enough = (grey < middle) & (cool > max(NIGHTLY, 0.75 * float(np.quantile(cool, 0.99))))
    mask = blur((cool_enough & high).astype(np.float32), 2)
    result: Floats = (mask > MOST).astype(np.float32)
    return result


def _is_outdoors(mask: Floats) -> bool:
    """Whether the sky reaches along most of the upper edge."""
    return float(mask[:3].mean()) > OPEN


def _falling(colours: Floats, size: tuple[int, int]) -> tuple[Floats, int]:
    """Where weather is seen, and the luma in which it stands out: outside, or everywhere if nothing looks like it."""
    mask = _outside(colours)
    if _is_outdoors(mask) or mask.mean() < WINDOW:
        mask = np.ones_like(mask)
    bright = float((colours[0] * mask).sum() / mask.sum()) > PALE
    return _smooth(mask, 1, size), DARK if bright else LIGHT


def _rain(colours: Floats, size: tuple[int, int], random: np.random.Generator) -> list[Movement]:
    where, tone = _falling(colours, size)
    layers = []
    for count, length, share, speed in ((900, 16, 0.35, 1.5), (350, 34, 0.6, 2.3)):
        streaks = _scattered(size, count, random, length, slant=0.12) * np.float32(share)
        layers.append((streaks, speed * size[0], -0.12 * speed * size[0]))
    return [Veil.of(where, layers, tone, together=False)]


def _snow(colours: Floats, size: tuple[int, int], random: np.random.Generator) -> list[Movement]:
    where, tone = _falling(colours, size)
    layers = []
    for count, radius, share, speed in ((1200, 1, 0.6, 0.10), (350, 2, 0.9, 0.17)):
        flakes = blur(_scattered(size, count, random, 2 * radius) * np.float32(4 * share), radius)
        layers.append((np.clip(flakes, 0, 1), speed * size[0], 0.03 * size[1] * (1 - radius)))
    return [Veil.of(where, layers, 235 if tone == LIGHT else 180, together=False)]


def _dust(colours: Floats, size: tuple[int, int], random: np.random.Generator) -> list[Movement]:
    del colours
    everywhere = np.ones(size, np.float32)
    layers = []
    for count, share, speed in ((160, 0.5, -0.02), (60, 0.8, -0.035)):
        motes = np.clip(blur(_scattered(size, count, random, 2) * 4, 1), 0, 1) * np.float32(share)
        layers.append((motes, speed * size[0], 0.012 * size[1]))
    return [Veil.of(everywhere, layers, 235, together=False)]


def _scattered(size: tuple[int, int], count: int, random: np.random.Generator, length: int, slant: float = 0) -> Floats:
    """So many strokes of two pixels' width; what leaves at the bottom comes in at the top."""
    rows, columns = size
    result = np.zeros(size, np.float32)
    top, left = random.integers(0, rows, count), random.integers(0, columns, count)
    for step in range(length):
        strong = np.float32(1 - abs(2 * step / length - 1) * 0.7)
        for wide in (0, 1):
            result[(top + step) % rows, (left - round(slant * step) + wide) % columns] = strong
    return result


def _steam(colours: Floats, size: tuple[int, int], random: np.random.Generator) -> list[Movement]:
    """A plume that rises from what stands out most near the middle, wider and thinner the higher it is."""
    source_y, source_x = _focus(colours)
    rows, columns = size
    y, x = np.arange(rows, dtype=np.float32)[:, None], np.arange(columns, dtype=np.float32)[None, :]
    risen = (source_y * rows - y) / np.float32(0.42 * rows)
    width = np.float32(0.035 * columns) * (1 + 1.5 * np.clip(risen, 0, 1))
    aside = (x - source_x * columns - np.float32(0.012 * columns) * np.sin(risen * 5)) / width
    plume = np.exp(-aside * aside) * np.clip(risen * 6 + 0.4, 0, 1) * np.clip(1 - risen, 0, 1)
    plume = np.clip(plume - np.float32(0.04), 0, 1)
    return [
        Veil.of(
            plume.astype(np.float32) * np.float32(0.95), _smoke(size, random, 0.028, (-0.22, -0.34)), 225, together=True
        )
    ]


def _mist(colours: Floats, size: tuple[int, int], random: np.random.Generator) -> list[Movement]:
    low = np.clip(np.linspace(-0.4, 1, size[0], dtype=np.float32), 0, 1)[:, None] * np.float32(0.6)
    del colours
    where = np.broadcast_to(low, size).copy()
    (one, _, _), (other, _, _) = _smoke(size, random, 0.12, (0, 0))
    return [Veil.of(where, ((one, 0.0, 0.03 * size[1]), (other, 0.0, -0.02 * size[1])), 215, together=True)]


def _smoke(size: tuple[int, int], random: np.random.Generator, grain: float, speeds: tuple[float, float]) -> Patterns:
    """Two soft patterns that rise at different speeds: what is seen through both curls."""
    coarse = 4
    rows, columns = (n // coarse for n in size)
    radius, border = max(1, round(grain * columns / 2)), 2
    patterns = []
    for speed in speeds:
        wide = np.pad(random.standard_normal((rows, columns)).astype(np.float32), 4 * radius, mode="wrap")
        for _ in range(3):
            wide = blur(wide, radius)
        edge = 4 * radius - border  # what is left over makes the ends meet when it is enlarged
        noise = resize(wide[edge:-edge, edge:-edge], *((n + 2 * border) * coarse for n in (rows, columns)))
        shades = np.clip(np.float32(0.7) + noise / (noise.std() * np.float32(1.8)), 0, 1)
        whole = np.zeros(size, np.float32)
        part = shades[border * coarse :, border * coarse :][: size[0], : size[1]]
        whole[: part.shape[0], : part.shape[1]] = part
        patterns.append((whole, speed * size[0], 0.0))
    return patterns


def _focus(colours: Floats) -> tuple[float, float]:
    """The place near the middle, 0 to 1 each way, that stands out from the colours of the whole (Achanta, 2009)."""
    soft = blur(colours, 1)
    apart: Floats = ((soft - soft.mean(axis=(1, 2), keepdims=True)) ** 2).sum(axis=0)
    rows, columns = apart.shape
    y, x = np.linspace(-1, 1, rows, dtype=np.float32)[:, None], np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    strong = (blur(np.sqrt(apart), columns // 24) + 1) * np.exp(-4 * x * x - 4 * (y - np.float32(0.05)) ** 2)
    top, left = divmod(int(strong.argmax()), columns)
    return top / rows, left / columns


def _fire(colours: Floats, size: tuple[int, int], random: np.random.Generator) -> list[Movement]:
    """Bright warm places flicker, and all that is lit a little with them; flames lick upwards."""
    grey, blue, red = colours
    bright = max(float(PALE), float(np.quantile(grey, 0.97)))
    warm = ((grey > bright) & (red - blue > WARM)).astype(np.float32)
    flames = _smooth(warm, 1, size)
    lit = resize(blur(blur(warm, 10), 10), *size)
    light = (flames * 26 + lit / np.float32(lit.max() + 1e-6) * 10 + 7).astype(np.float32)
    lick = _swaying(flames, size, random, wave=size[0] / 12, x=size[1] / 500, y=size[1] / 250, hertz=1.6)
    return [Flicker(light, random.uniform(0, 6)), *lick]


Make = Callable[[Floats, tuple[int, int], np.random.Generator], list[Movement]]
MAKES: dict[str, Make] = {
    "rain": _rain,
    "snow": _snow,
    "dust": _dust,
    "steam": _steam,
    "kettle": _steam,
    "mist": _mist,
    "fire": _fire,
    "candle": _fire,
    "curtains": _curtains,
    "leaves": _leaves,
    "clouds": _clouds,
    "sea": _water,
    "river": _water,
}
