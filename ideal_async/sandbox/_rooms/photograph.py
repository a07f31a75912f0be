"""The photograph of a room: what the light shows, exposed, developed and printed."""

import math

import numpy as np
from numpy.typing import NDArray

from ideal_async.sandbox._pictures import Bytes, Floats, blur, resize
from ideal_async.sandbox._rooms.finish import linear, outside, paint
from ideal_async.sandbox._rooms.light import SUN, Light, illuminate, patches, reflected, sunlit
from ideal_async.sandbox._rooms.sight import GLASS, SOLIDS, Camera, Ids, Room, Sight, see

#: Pixels of the picture, each way, for which light is worked out once: it changes slowly, but for the sun's.
COARSE = 5
#: Mean brightness (natural logarithm) of the developed picture, and how far its tint is taken out, by day and by night.
DAY, NIGHT = (-1.05, 0.4), (-1.6, 0.18)
#: Points looked at together: arrays of this length stay in the processor's cache.
TOGETHER = 60_000
#: Where a pixel on an edge is looked at, four times, each in a row and a column of its own.
CORNERS = ((0.375, 0.125), (0.875, 0.375), (0.625, 0.875), (0.125, 0.625))
LAMPLIGHT = linear((1.0, 0.93, 0.82))


def shade(room: Room, sight: Sight, falling: Floats, mirrored: Floats, *, night: bool) -> Floats:
    """The light that comes from what is seen, shape (3, n), given what falls on it and what it mirrors."""
    out = np.zeros_like(sight.points)
    numbers: list[int] = np.unique(sight.ids).tolist()
    for number in numbers:
        these = np.flatnonzero(sight.ids == number)
        if number == GLASS:
            out[:, these] = outside(sight.rays[:, these], night=night)
            continue
        finish, points, normals, upright = room.finish(number), sight.points[:, these], sight.normals[:, these], False
        if number >= SOLIDS:
            solid = room.solids[number - SOLIDS]
            points, normals, upright = solid.local(points), solid.axes() @ normals, solid.upright
        light = paint(finish, points, normals, upright=upright) * falling[:, these]
        if night and finish.glow:
            light = light + LAMPLIGHT * np.float32(finish.glow)
        if finish.gloss:
            facing = np.clip(-(sight.normals[:, these] * sight.rays[:, these]).sum(axis=0), 0, 1)
            base = 0.04 + 0.5 * finish.gloss**2 + (0.38 if finish.gloss == 1 else 0)
            share = (base + (1 - base) * (1 - facing) ** 5) * min(
                1, finish.gloss * 2.5
            )  # Schlick's fit of Fresnel, 1994
            light = light + (mirrored[:, these] - light) * share
        out[:, these] = light
    return out


def _fill_mirrors(room: Room, light: Light, sight: Sight, mirrored: Floats, *, night: bool) -> None:
    """Put a sharp image where a surface is a mirror."""
    mirrors = [number for number, solid in enumerate(room.solids, SOLIDS) if solid.finish.gloss == 1]
    these = np.flatnonzero(np.isin(sight.ids, mirrors))
    if these.size:
        ray, start = reflected(sight, these)
        seen = see(room, start, ray)
        patch = patches(room, seen.ids, seen.points)
        mirrored[:, these] = shade(room, seen, light.fallen[:, patch], light.thrown[:, patch], night=night)


def photograph(room: Room, width: int, height: int, *, night: bool) -> Bytes:
    """Take a picture of the room: red, green and blue, shape (height, width, 3)."""
    camera = Camera.place(room, width / height)
    rows, columns = max(2, height // COARSE), max(2, width // COARSE)
    sight = camera.look(*_places(0, rows, columns, rows))
    light = illuminate(room, sight, rows, columns, night=night)
    develop = _exposure(
        shade(room, sight, light.falling, light.mirrored, night=night)[:, sight.ids != GLASS], night=night
    )

    def look(x: Floats, y: Floats) -> tuple[Floats, Sight]:
        sight = camera.look(x, y)
        falling, mirrored = light.near(sight, x, y)
        if not night:
            falling += SUN * sunlit(room, sight)
        _fill_mirrors(room, light, sight, mirrored, night=night)
        return _developed(shade(room, sight, falling, mirrored, night=night) * develop), sight

    picture, normals = np.empty((3, height * width), np.float32), np.empty((3, height * width), np.float32)
    ids, band = np.empty(height * width, np.int16), max(1, TOGETHER // width)
    for top in range(0, height, band):
        bottom = min(height, top + band)
        part = slice(top * width, bottom * width)
        picture[:, part], sight = look(*_places(top, bottom, width, height))
        ids[part], normals[:, part] = sight.ids, sight.normals
    y, x = np.nonzero(_edges(ids.reshape(height, width), normals.reshape(3, height, width)))
    for begin in range(0, x.size, TOGETHER):
        px, py = x[begin : begin + TOGETHER], y[begin : begin + TOGETHER]
        corners = [
            look(((px + a) / width).astype(np.float32), ((py + b) / height).astype(np.float32))[0] for a, b in CORNERS
        ]
        picture[:, py * width + px] = np.mean(corners, axis=0)
    return _printed(picture.reshape(3, height, width))


def _places(top: int, bottom: int, width: int, height: int) -> tuple[Floats, Floats]:
    """Centres of the pixels in some rows of a picture, 0 to 1."""
    x, y = (np.arange(width, dtype=np.float32) + 0.5) / width, (np.arange(top, bottom, dtype=np.float32) + 0.5) / height
    return np.tile(x, bottom - top).astype(np.float32), np.repeat(y, width).astype(np.float32)


def _edges(ids: Ids, normals: Floats) -> NDArray[np.bool_]:
    """Pixels next to something else, or to another side of the same."""
    edge = np.zeros(ids.shape, np.bool_)
    step = (np.diff(ids, axis=0) != 0) | ((np.diff(normals, axis=1) ** 2).sum(axis=0) > 0.15)  # noqa: PLR2004 - 22 degrees
    edge[:-1] |= step
    edge[1:] |= step
    step = (np.diff(ids, axis=1) != 0) | ((np.diff(normals, axis=2) ** 2).sum(axis=0) > 0.15)  # noqa: PLR2004
    edge[:, :-1] |= step
    edge[:, 1:] |= step
    return edge


def _exposure(light: Floats, *, night: bool) -> Floats:
    """How long each layer of the film is exposed: for a mean brightness, and against too strong a tint."""
    wanted, neutral = NIGHT if night else DAY
    bright = np.log(np.maximum(light.mean(axis=0), 1e-4))
    low, high = np.percentile(bright, (3, 92))
    tint = light.mean(axis=1, keepdims=True)
    exposure = (tint.mean() / tint) ** neutral * math.exp(wanted - float(np.clip(bright, low, high).mean()))
    result: Floats = exposure.astype(np.float32)
    return result


def _developed(light: Floats) -> Floats:
    """Film: bright light is compressed, not cut (Narkowicz's fit of the ACES curve, 2015)."""
    light = light * np.float32(0.8)
    film = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    return np.clip(film, 0, 1) ** np.float32(1 / 2.2)


def _printed(picture: Floats) -> Bytes:
    """A breath of glow around what is bright, a little darker in the corners, a little grain."""
    _, height, width = picture.shape
    small = np.stack([resize(channel, height // 4 + 1, width // 4 + 1) for channel in picture])
    glow = np.maximum(small - np.float32(0.82), 0)
    for _ in range(2):
        glow = blur(glow, max(1, width // 160))
    picture = 1 - (1 - picture) * (1 - 0.6 * np.stack([resize(channel, height, width) for channel in glow]))
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    picture = picture * (1 - 0.10 * (x * x * 0.7 + y * y * 0.5)).astype(np.float32)
    grain = np.random.default_rng(5).standard_normal((height, width), np.float32) * np.float32(0.004)
    return (np.clip(np.moveaxis(picture + grain, 0, 2), 0, 1) * 255 + 0.5).astype(np.uint8)
