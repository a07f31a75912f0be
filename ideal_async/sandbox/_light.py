"""Light in a drawn room: what a camera sees, how bright it is, and the photograph of it."""

import math

import attrs
import numpy as np
from numpy.typing import NDArray

from ideal_async.sandbox._finish import linear, outside, paint
from ideal_async.sandbox._pictures import Bytes, Floats, blur, resize
from ideal_async.sandbox._solids import Finish, Solid, Vector

FLOOR, CEILING, LEFT, RIGHT, BACK, FRONT, GLASS, FRAME, SOLIDS = range(9)
Ids = NDArray[np.int16]
#: Inward directions of the six sides.
INWARD = np.array([[0, 1, 0], [0, -1, 0], [1, 0, 0], [-1, 0, 0], [0, 0, -1], [0, 0, 1]], np.float32).T
#: How far behind the camera the room goes on, in metres.
BEHIND = 1.5
#: Pixels of the picture, each way, for which light is worked out once: it changes slowly, but for the sun's.
COARSE = 5
#: Each side is cut into CUTS x CUTS patches, whose mean light is thrown back into the room.
CUTS = 4
#: Directions from which thrown light is gathered at a point; neighbours in 4 x 4 take others and share.
GATHERED = 6
#: Light of a sunbeam on what faces it; a real one is ten times as bright as a room, film would see nothing else.
SUN = (linear((1.0, 0.93, 0.82)) * 9).astype(np.float32)
#: Samples of a window's light, and of a lamp's, at a point; shared in the same way.
SAMPLED = 4


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
    frames: Finish = Finish((0.93, 0.93, 0.92), gloss=0.2)

    def finish(self, index: int) -> Finish:
        """The finish of what has this number."""
        if index >= SOLIDS:
            return self.solids[index - SOLIDS].finish
        return self.sides[index] if index < len(self.sides) else self.frames if index == FRAME else self.sides[BACK]


@attrs.define(eq=False)
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


def across(room: Room, wall: int, points: Floats) -> tuple[Floats, Floats]:
    """Places along a wall and up it."""
    del room
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
    for number in np.unique(ids):
        these = np.flatnonzero(ids == number)
        if number >= SOLIDS:
            normals[:, these] = room.solids[number - SOLIDS].normals(points[:, these])
        else:
            normals[:, these] = INWARD[:, number : number + 1]
    for window in room.windows:
        _glaze(room, window, ids, points, rays)
    return Sight(ids, points, normals, rays)


def _glaze(room: Room, window: Window, ids: Ids, points: Floats, rays: Floats) -> None:
    """Put glass and frame where a wall is cut open, 15 centimetres behind it."""
    these = np.flatnonzero(ids == window.wall)
    u, v = across(room, window.wall, points[:, these])
    open_ = (u > window.left) & (u < window.right) & (v > window.bottom) & (v < window.top)
    these = these[open_]
    ray = rays[:, these]
    straight = -(INWARD[:, window.wall] @ ray)
    u, v = across(room, window.wall, points[:, these] + ray * np.float32(0.15) / np.maximum(straight, np.float32(0.05)))
    x, y = (u - window.left) / (window.right - window.left), (v - window.bottom) / (window.top - window.bottom)
    through = (x > 0) & (x < 1) & (y > 0) & (y < 1)
    bar = np.zeros_like(x)
    for share, count, size in (
        (x, window.panes[0], window.right - window.left),
        (y, window.panes[1], window.top - window.bottom),
    ):
        off = np.abs(share * count - np.round(share * count)) / count * size
        edge = (share * count < 0.5) | (share * count > count - 0.5)
        bar = np.maximum(bar, off < np.where(edge, 0.06, 0.022))
    ids[these[through & (bar == 0)]] = GLASS
    ids[these[~(through & (bar == 0))]] = FRAME


def sunlit(room: Room, sight: Sight) -> Floats:
    """How much of the sun's beam reaches the points, 0 to 1, through the windows and past the furniture."""
    sun = np.array(room.sun, np.float32)[:, None]
    sun = sun / np.sqrt((sun**2).sum())
    facing = (sight.normals * sun).sum(axis=0)
    lit = np.zeros(sight.ids.size, np.float32)
    these = np.flatnonzero((facing > 0) & (sight.ids != GLASS))
    start = sight.points[:, these] + sight.normals[:, these] * np.float32(0.01)
    ray = np.broadcast_to(sun, start.shape)
    walls, far = sides_met(room, start, ray)
    leaving = start + ray * far
    beam = np.zeros(these.size, np.float32)
    for window in room.windows:
        u, v = across(room, window.wall, leaving)
        soft = np.float32(0.012) * far + np.float32(0.004)
        share = np.ones_like(u)
        for at, one, other, count in (
            (u, window.left, window.right, window.panes[0]),
            (v, window.bottom, window.top, window.panes[1]),
        ):
            size = (other - one) / count
            inside = np.minimum(at - one, other - at)
            pane = np.abs(((at - one) / size + 0.5) % 1 - 0.5) * size
            share = share * np.clip((inside - 0.05) / soft + 0.5, 0, 1) * np.clip((pane - 0.022) / soft + 0.5, 0, 1)
        beam = np.maximum(beam, share * (walls == window.wall))
    shone = np.flatnonzero(beam > 0)
    start, blocked = start[:, shone], np.zeros(shone.size, np.bool_)
    ray = ray[:, shone]
    with np.errstate(divide="ignore"):
        inverse = np.broadcast_to(1 / sun, start.shape)
    for solid in room.solids:
        if solid.shades:
            blocked |= np.isfinite(solid.enters(start, ray, inverse))
    beam[shone[blocked]] = 0
    lit[these] = beam * facing[these]
    return lit


def patches(room: Room, ids: Ids, points: Floats) -> NDArray[np.intp]:
    """The patch of a side, or the shape, that each point belongs to."""
    size = np.array([room.width, room.height, room.depth + BEHIND], np.float32)[:, None]
    corner = np.array([-room.width / 2, 0, -BEHIND], np.float32)[:, None]
    cell = np.clip(((points - corner) / size * CUTS).astype(np.intp), 0, CUTS - 1)
    x, y, z = cell
    flat = np.where(ids < LEFT, x * CUTS + z, np.where(ids < BACK, z * CUTS + y, x * CUTS + y))
    return np.where(ids < GLASS, ids * CUTS * CUTS + flat, GLASS * CUTS * CUTS + ids - GLASS)


@attrs.define(eq=False)
class Light:
    """The light of a room on a coarse grid over the picture, and on its patches."""

    sight: Sight
    rows: int
    columns: int
    falling: Floats  # (3, n) on the grid
    mirrored: Floats  # (3, n) what polish would show there
    packed: Floats  # (n, 12) points, normals, falling and mirrored, side by side to be read together
    thrown: Floats  # (3, patches): what a patch throws back
    fallen: Floats  # (3, patches): what falls on it


def illuminate(room: Room, sight: Sight, rows: int, columns: int, *, night: bool) -> Light:
    """Work out the light at what a coarse grid of rays meets."""
    random = np.random.default_rng(11)
    count = sight.ids.size
    start = sight.points + sight.normals * np.float32(0.015)
    across_, down = np.meshgrid(np.arange(columns), np.arange(rows))
    kind = ((across_ % 4) * 4 + down % 4).reshape(-1)  # sixteen neighbours look in sixteen different directions
    large = [(number, solid) for number, solid in enumerate(room.solids, SOLIDS) if solid.shades and not solid.small]

    def open_way(ray: Floats, far: Floats) -> NDArray[np.bool_]:
        free = np.ones(count, np.bool_)
        with np.errstate(divide="ignore"):
            inverse = 1 / ray
        for _, solid in large:
            free &= solid.enters(start, ray, inverse) > far - np.float32(0.02)
        return free

    direct = np.zeros((3, count), np.float32)
    if night:
        for lamp in room.lamps:
            direct += _lamp_light(lamp, sight, start, random, kind, open_way)
        direct += linear((0.20, 0.24, 0.36)) * np.float32(0.05)
    else:
        for window in room.windows:
            direct += _window_light(room, window, sight, start, random, kind, open_way)
    direct = _shared(direct, sight, rows, columns)
    beam = np.zeros_like(direct) if night else SUN * sunlit(room, sight)
    direct += beam

    met: list[NDArray[np.intp]] = []
    turns = random.standard_normal((GATHERED, 16, 3)).astype(np.float32)
    turns /= np.sqrt((turns**2).sum(axis=2, keepdims=True))
    for each in turns:
        ray = sight.normals + each[kind].T * np.float32(0.999)
        ray = ray / np.sqrt((ray**2).sum(axis=0))
        ids, far = sides_met(room, start, ray)
        _furnish(large, start, ray, ids, far)
        met.append(patches(room, ids, start + ray * far))
    here = patches(room, sight.ids, sight.points)
    total = GLASS * CUTS * CUTS + SOLIDS - GLASS + len(room.solids)
    shown = np.bincount(here, minlength=total)
    colour = np.zeros((3, total), np.float32)
    for number in range(SOLIDS + len(room.solids)):
        mean = linear(room.finish(number).colour)
        slot = (
            slice(number * CUTS * CUTS, (number + 1) * CUTS * CUTS)
            if number < GLASS
            else slice(GLASS * CUTS * CUTS + number - GLASS, GLASS * CUTS * CUTS + number - GLASS + 1)
        )
        colour[:, slot] = mean
    falling = direct
    thrown = fallen = np.zeros((3, total), np.float32)
    for _ in range(4):
        mean = falling[:, sight.ids != GLASS].mean(axis=1)
        fallen = np.stack(
            [
                np.where(shown > 0, np.bincount(here, falling[c], total) / np.maximum(shown, 1), mean[c])
                for c in range(3)
            ]
        ).astype(np.float32)
        thrown = fallen * colour
        falling = direct + sum(thrown[:, patch] for patch in met) / np.float32(GATHERED)
    falling = _shared(falling - direct, sight, rows, columns) + direct - beam
    falling = falling.astype(np.float32)
    mirrored = _mirror(room, thrown, sight, night=night)
    packed = np.concatenate([sight.points, sight.normals, falling, mirrored]).T.copy()
    return Light(sight, rows, columns, falling, mirrored, packed, thrown, fallen)


def _furnish(solids: list[tuple[int, Solid]], start: Floats, ray: Floats, ids: Ids, far: Floats) -> None:
    """Let rays end, roughly, at solids nearer than the sides of the room."""
    with np.errstate(divide="ignore"):
        inverse = 1 / ray
    for number, solid in solids:
        enters = solid.enters(start, ray, inverse)
        nearer = enters < far
        ids[nearer], far[nearer] = number, enters[nearer]


def _lamp_light(lamp, sight, start, random, kind, open_way):
    places = np.array(lamp.place, np.float32) + random.uniform(-0.07, 0.07, (SAMPLED // 2, 16, 3)).astype(np.float32)
    total = np.zeros(start.shape, np.float32)
    for each in places:
        way = each[kind].T - start
        far = np.sqrt((way**2).sum(axis=0))
        ray = way / far
        facing = np.maximum((ray * sight.normals).sum(axis=0), 0)
        steep = np.abs(ray[1])
        beam = lamp.open + (1 - lamp.open) * 2.2 * np.clip((steep - 0.72) * 8, 0, 1)
        free = open_way(ray, far)
        total += linear(lamp.colour) * (lamp.strength**2 * facing * beam * free / np.maximum(far, 0.25) ** 2)
    return total / (SAMPLED // 2)


def _window_light(room, window, sight, start, random, kind, open_way):
    spots = random.random((SAMPLED, 16, 2))
    spots = (
        spots + np.stack(np.meshgrid(np.arange(4), np.arange(4)), -1).reshape(1, 16, 2)[:, random.permutation(16)]
    ) / 4
    u = window.left + (window.right - window.left) * (spots[..., 0] % 1)
    v = window.bottom + (window.top - window.bottom) * (spots[..., 1] % 1)
    inward = INWARD[:, window.wall]
    offset = -np.abs(inward) * inward * np.array([room.width / 2, 0, room.depth])
    area = (window.right - window.left) * (window.top - window.bottom)
    total = np.zeros(start.shape, np.float32)
    for n in range(SAMPLED):
        place = (
            np.stack([u[n], v[n], np.zeros(16)] if window.wall == BACK else [np.zeros(16), v[n], u[n]])
            + offset[:, None]
        )
        way = place.astype(np.float32)[:, kind] - start
        far = np.sqrt((way**2).sum(axis=0))
        ray = way / far
        facing = np.maximum((ray * sight.normals).sum(axis=0), 0) * np.maximum(-(inward @ ray), 0)
        free = open_way(ray, far)
        high = np.float32(0.75) + np.float32(0.5) * ray[1]  # light from the ground is dimmer than from the sky
        total += linear((0.93, 0.97, 1.0)) * (facing * free * high * np.float32(area * 2.6) / np.maximum(far, 0.3) ** 2)
    return total / SAMPLED


def _shared(light: Floats, sight: Sight, rows: int, columns: int) -> Floats:
    """Mean over neighbours of the same surface, near ones and then farther: each has looked in other directions."""
    for stride in (1, 3):
        light = _mean_of_surface(light, sight, rows, columns, stride)
    return light


def _mean_of_surface(light: Floats, sight: Sight, rows: int, columns: int, stride: int) -> Floats:
    def grid(values: Floats) -> Floats:
        return values.reshape(-1, rows, columns)

    values, points, normals = grid(light), grid(sight.points), grid(sight.normals)
    padded = [np.pad(a, ((0, 0), (2 * stride,) * 2, (2 * stride,) * 2), mode="edge") for a in (values, points, normals)]
    total, weights = np.zeros_like(values), np.zeros((rows, columns), np.float32)
    for down in range(5):
        for aside in range(5):
            other, place, normal = (
                a[:, down * stride : down * stride + rows, aside * stride : aside * stride + columns] for a in padded
            )
            off = np.abs(((place - points) * normals).sum(axis=0))
            same = np.clip((normal * normals).sum(axis=0), 0, 1) ** 4 * np.exp(-off * 25) + np.float32(1e-5)
            same = same * np.float32((0.5 if down in {0, 4} else 1) * (0.5 if aside in {0, 4} else 1))
            total += other * same
            weights += same
    return (total / weights).reshape(3, -1)


def _nearby(light: Light, sight: Sight, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Read the coarse light, and its reflection, at fine points, from those of four neighbours on the same surface."""
    x, y = np.clip(x, 0, light.columns - 1.001), np.clip(y, 0, light.rows - 1.001)
    left, top = x.astype(np.intp), y.astype(np.intp)
    fx, fy = x - left, y - top
    total, weights = np.zeros((6, x.size), np.float32), np.zeros_like(x)
    for down in (0, 1):
        for aside in (0, 1):
            there = np.ascontiguousarray(light.packed.take((top + down) * light.columns + left + aside, axis=0).T)
            off = np.abs(((there[:3] - sight.points) * sight.normals).sum(axis=0))
            same = np.clip((there[3:6] * sight.normals).sum(axis=0), 0, 1) ** 4 * np.exp(-off * 25)
            weight = (same + np.float32(2e-4)) * np.abs(1 - down - fy) * np.abs(1 - aside - fx) + np.float32(1e-6)
            total += there[6:] * weight
            weights += weight
    total /= weights
    return total[:3], total[3:]


def shade(room: Room, sight: Sight, falling: Floats, mirrored: Floats, *, night: bool) -> Floats:
    """The light that comes from what is seen, shape (3, n), given what falls on it and what it mirrors."""
    out = np.zeros_like(sight.points)
    for number in np.unique(sight.ids):
        these = np.flatnonzero(sight.ids == number)
        if number == GLASS:
            out[:, these] = outside(sight.rays[:, these], night=night)
            continue
        finish, points, normals, half = (
            room.finish(int(number)),
            sight.points[:, these],
            sight.normals[:, these],
            (1.0, 1.0, 1.0),
        )
        if number >= SOLIDS:
            solid = room.solids[number - SOLIDS]
            points, normals, half = solid.local(points), solid.axes() @ normals, solid.half
        light = paint(finish, points, normals, half) * falling[:, these]
        if night and finish.glow:
            light += linear((1.0, 0.93, 0.82)) * np.float32(finish.glow)
        if finish.gloss:
            facing = np.clip(-(sight.normals[:, these] * sight.rays[:, these]).sum(axis=0), 0, 1)
            base = np.float32(0.04 + 0.5 * finish.gloss**2 + (0.38 if finish.gloss == 1 else 0))
            share = (base + (1 - base) * (1 - facing) ** 5) * np.float32(min(1, finish.gloss * 2.5))  # Schlick, 1994
            light += (mirrored[:, these] - light) * share
        out[:, these] = light
    return out


def _mirror(room: Room, thrown: Floats, sight: Sight, *, night: bool) -> Floats:
    """What polished surfaces show, the blurrier the duller they are: the room, and above all its windows."""
    gloss = np.array([room.finish(number).gloss for number in range(SOLIDS + len(room.solids))], np.float32)[sight.ids]
    image = np.zeros_like(sight.points)
    these = np.flatnonzero((gloss > 0) & (gloss < 1))
    normals, rays = sight.normals[:, these], sight.rays[:, these]
    ray = rays - 2 * (normals * rays).sum(axis=0) * normals
    start = sight.points[:, these] + normals * np.float32(0.01)
    ids, far = sides_met(room, start, ray)
    _furnish(
        [(number, solid) for number, solid in enumerate(room.solids, SOLIDS) if not solid.small], start, ray, ids, far
    )
    points = start + ray * far
    shown = thrown[:, patches(room, ids, points)]
    soft = 0.02 + (0.30 - 0.28 * gloss[these]) * far * 0.5
    for window in room.windows:
        u, v = across(room, window.wall, points)
        inside = np.minimum(
            np.minimum(u - window.left, window.right - u), np.minimum(v - window.bottom, window.top - v)
        )
        glass = np.clip(inside / soft + 0.5, 0, 1) * (ids == window.wall)
        shown = shown + glass * (outside(ray, night=night) * np.float32(1 if night else 1.6) - shown)
    image[:, these] = shown
    return image


def _looking_glass(room: Room, light: Light, sight: Sight, mirrored: Floats, *, night: bool) -> None:
    """Put a sharp image where a surface is a mirror."""
    mirrors = [number for number, solid in enumerate(room.solids, SOLIDS) if solid.finish.gloss == 1]
    these = np.flatnonzero(np.isin(sight.ids, mirrors))
    if these.size:
        normals, rays = sight.normals[:, these], sight.rays[:, these]
        ray = rays - 2 * (normals * rays).sum(axis=0) * normals
        seen = see(room, sight.points[:, these] + normals * np.float32(0.01), ray)
        patch = patches(room, seen.ids, seen.points)
        mirrored[:, these] = shade(room, seen, light.fallen[:, patch], light.thrown[:, patch], night=night)


def photograph(room: Room, width: int, height: int, *, night: bool) -> Bytes:
    """Take a picture of the room: red, green and blue, shape (height, width, 3)."""
    rows, columns, ratio = max(2, height // COARSE), max(2, width // COARSE), width / height
    eye, frames = np.array(room.eye, np.float32)[:, None], _framed(room, ratio)

    def sight_of(x: Floats, y: Floats) -> Sight:
        framed = [
            np.flatnonzero((x >= left) & (x <= right) & (y >= top) & (y <= bottom))
            for left, top, right, bottom in frames
        ]
        return see(room, eye, _rays(room, x, y, ratio), framed)

    x, y = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
    coarse = sight_of((x.reshape(-1) + np.float32(0.5)) / columns, (y.reshape(-1) + np.float32(0.5)) / rows)
    light = illuminate(room, coarse, rows, columns, night=night)
    sample = shade(room, coarse, light.falling, light.mirrored, night=night)[:, coarse.ids != GLASS]
    bright = np.log(np.maximum(sample.mean(axis=0), 1e-4))
    exposure = math.exp((-1.6 if night else -1.05) - float(np.clip(bright, *np.percentile(bright, (3, 92))).mean()))
    tint = sample.mean(axis=1)
    balance = ((tint.mean() / tint) ** np.float32(0.18 if night else 0.4) * np.float32(exposure))[:, None].astype(
        np.float32
    )

    def look(px: Floats, py: Floats) -> tuple[Floats, Ids, Floats]:
        sight = sight_of(px / width, py / height)
        falling, mirrored = _nearby(light, sight, px * (columns / width) - 0.5, py * (rows / height) - 0.5)
        if not night:
            falling += SUN * sunlit(room, sight)
        _looking_glass(room, light, sight, mirrored, night=night)
        return _developed(shade(room, sight, falling, mirrored, night=night) * balance), sight.ids, sight.normals

    picture = np.empty((3, height, width), np.float32)
    ids, normals = np.empty((height, width), np.int16), np.empty((3, height, width), np.float32)
    band = max(1, 60_000 // width)
    for top in range(0, height, band):
        px, py = np.meshgrid(
            np.arange(width, dtype=np.float32), np.arange(top, min(height, top + band), dtype=np.float32)
        )
        colours, these, ways = look(px.reshape(-1) + 0.5, py.reshape(-1) + 0.5)
        part = slice(top, top + len(px))
        picture[:, part], ids[part], normals[:, part] = (
            a.reshape(-1, *px.shape) if a.ndim > 1 else a.reshape(px.shape) for a in (colours, these, ways)
        )
    edge = np.zeros((height, width), np.bool_)
    for axis in (0, 1):
        step = np.diff(ids, axis=axis) != 0
        step |= (np.diff(normals, axis=axis + 1) ** 2).sum(axis=0) > 0.15
        for part in (slice(None, -1), slice(1, None)):
            edge[(part, slice(None)) if axis == 0 else (slice(None), part)] |= step
    y, x = np.nonzero(edge)
    for begin in range(0, x.size, 20_000):  # four looks at each pixel on an edge
        these = slice(begin, begin + 20_000)
        corners = [
            look(x[these].astype(np.float32) + np.float32(a), y[these].astype(np.float32) + np.float32(b))[0]
            for a, b in ((0.375, 0.125), (0.875, 0.375), (0.625, 0.875), (0.125, 0.625))
        ]
        picture[:, y[these], x[these]] = sum(corners) / 4
    return _finished(picture)


def _framed(room: Room, ratio: float) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of each solid in the picture, 0 to 1."""
    c, s, frames = math.cos(room.yaw), math.sin(room.yaw), []
    for solid in room.solids:
        x, y, z = solid.corners() - np.array(room.eye, np.float32)[:, None]
        right, ahead = x * c - z * s, x * s + z * c
        if ahead.max() < 0.05:  # noqa: PLR2004 - behind the camera
            frames.append((2.0, 2.0, -1.0, -1.0))
        elif ahead.min() < 0.05:  # noqa: PLR2004 - beside the camera
            frames.append((0.0, 0.0, 1.0, 1.0))
        else:
            across_ = (right / ahead * room.focal + 1) / 2
            down = (1 - (y / ahead - room.horizon) * room.focal * ratio) / 2
            frames.append((float(across_.min()), float(down.min()), float(across_.max()), float(down.max())))
    return frames


def _rays(room: Room, x: Floats, y: Floats, ratio: float) -> Floats:
    """Unit rays through places of the picture, 0 to 1; uprights stay upright, as architects want them."""
    right, up = (x * 2 - 1) / room.focal, (1 - y * 2) / (room.focal * ratio) + room.horizon
    c, s = np.cos(room.yaw), np.sin(room.yaw)
    rays = np.stack([right * c + s, up, c - right * s]).astype(np.float32)
    unit: Floats = rays / np.sqrt((rays**2).sum(axis=0))
    return unit


def _developed(light: Floats) -> Floats:
    """Film: bright light is compressed, not cut (Narkowicz's fit of the ACES curve, 2015)."""
    light = light * np.float32(0.8)
    film = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    return np.clip(film, 0, 1) ** np.float32(1 / 2.2)


def _finished(picture: Floats) -> Bytes:
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
