"""Light in a drawn room: what a camera sees, how bright it is, and the photograph of it."""

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


def see(room: Room, eye: Floats, rays: Floats, near: NDArray[np.bool_] | None = None) -> Sight:
    """Follow rays (unit length) from the eye, or from a point each, to what they meet."""
    ids, far = sides_met(room, eye, rays)
    for number, solid in enumerate(room.solids, SOLIDS):
        met, at = solid.meet(eye, rays)
        closer = at < far[met] - np.float32(1e-4)
        ids[met[closer]], far[met[closer]] = number, at[closer]
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
        for at, one, other, count in ((u, window.left, window.right, window.panes[0]), (v, window.bottom, window.top, window.panes[1])):
            size = (other - one) / count
            inside = np.minimum(at - one, other - at)
            pane = np.abs(((at - one) / size + 0.5) % 1 - 0.5) * size
            share = share * np.clip((inside - 0.05) / soft + 0.5, 0, 1) * np.clip((pane - 0.022) / soft + 0.5, 0, 1)
        beam = np.maximum(beam, share * (walls == window.wall))
    shone = np.flatnonzero(beam > 0)
    for solid in room.solids:
        if solid.shades and shone.size:
            free = np.isinf(solid.enters(start[:, shone], ray[:, shone]))
            beam[shone[~free]] = 0
            shone = shone[free]
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
    thrown: Floats  # (3, patches): what a patch throws back
    fallen: Floats  # (3, patches): what falls on it


def illuminate(room: Room, sight: Sight, rows: int, columns: int, *, night: bool) -> Light:
    """Work out the light at what a coarse grid of rays meets."""
    random = np.random.default_rng(11)
    count = sight.ids.size
    start = sight.points + sight.normals * np.float32(0.015)
    across_, down = np.meshgrid(np.arange(columns), np.arange(rows))
    kind = ((across_ % 4) * 4 + down % 4).reshape(-1)  # sixteen neighbours look in sixteen different directions
    casting = [solid for solid in room.solids if solid.shades]

    def open_way(ray: Floats, far: Floats, which: NDArray[np.intp]) -> NDArray[np.bool_]:
        free = np.ones(which.size, np.bool_)
        for solid in casting:
            free &= solid.enters(start[:, which], ray) > far - np.float32(0.02)
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
        for number, solid in enumerate(room.solids, SOLIDS):
            enters = solid.enters(start, ray)
            nearer = enters < far
            ids[nearer], far[nearer] = number, enters[nearer]
        met.append(patches(room, ids, start + ray * far))
    here = patches(room, sight.ids, sight.points)
    total = GLASS * CUTS * CUTS + SOLIDS - GLASS + len(room.solids)
    shown = np.bincount(here, minlength=total)
    colour = np.zeros((3, total), np.float32)
    for number in range(SOLIDS + len(room.solids)):
        mean = linear(room.finish(number).colour)
        slot = slice(number * CUTS * CUTS, (number + 1) * CUTS * CUTS) if number < GLASS else slice(
            GLASS * CUTS * CUTS + number - GLASS, GLASS * CUTS * CUTS + number - GLASS + 1
        )
        colour[:, slot] = mean
    falling = direct
    thrown = fallen = np.zeros((3, total), np.float32)
    for _ in range(4):
        mean = falling[:, sight.ids != GLASS].mean(axis=1)
        fallen = np.stack([
            np.where(shown > 0, np.bincount(here, falling[c], total) / np.maximum(shown, 1), mean[c]) for c in range(3)
        ]).astype(np.float32)
        thrown = fallen * colour
        falling = direct + sum(thrown[:, patch] for patch in met) / np.float32(GATHERED)
    falling = _shared(falling - direct, sight, rows, columns) + direct - beam
    return Light(sight, rows, columns, falling.astype(np.float32), thrown, fallen)


def _lamp_light(lamp, sight, start, random, kind, open_way):
    places = np.array(lamp.place, np.float32) + random.uniform(-0.07, 0.07, (SAMPLED, 16, 3)).astype(np.float32)
    total = np.zeros(start.shape, np.float32)
    every = np.arange(kind.size)
    for each in places:
        way = each[kind].T - start
        far = np.sqrt((way**2).sum(axis=0))
        ray = way / far
        facing = np.maximum((ray * sight.normals).sum(axis=0), 0)
        steep = np.abs(ray[1])
        beam = lamp.open + (1 - lamp.open) * 2.2 * np.clip((steep - 0.72) * 8, 0, 1)
        free = open_way(ray, far, every)
        total += linear(lamp.colour) * (lamp.strength**2 * facing * beam * free / np.maximum(far, 0.25) ** 2)
    return total / SAMPLED


def _window_light(room, window, sight, start, random, kind, open_way):
    spots = random.random((SAMPLED, 16, 2))
    spots = (spots + np.stack(np.meshgrid(np.arange(4), np.arange(4)), -1).reshape(1, 16, 2)[:, random.permutation(16)]) / 4
    u = window.left + (window.right - window.left) * (spots[..., 0] % 1)
    v = window.bottom + (window.top - window.bottom) * (spots[..., 1] % 1)
    inward = INWARD[:, window.wall]
    offset = -np.abs(inward) * inward * np.array([room.width / 2, 0, room.depth])
    area = (window.right - window.left) * (window.top - window.bottom)
    total = np.zeros(start.shape, np.float32)
    every = np.arange(kind.size)
    for n in range(SAMPLED):
        place = np.stack([u[n], v[n], np.zeros(16)] if window.wall == BACK else [np.zeros(16), v[n], u[n]]) + offset[:, None]
        way = place.astype(np.float32)[:, kind] - start
        far = np.sqrt((way**2).sum(axis=0))
        ray = way / far
        facing = np.maximum((ray * sight.normals).sum(axis=0), 0) * np.maximum(-(inward @ ray), 0)
        free = open_way(ray, far, every)
        high = np.float32(0.75) + np.float32(0.5) * ray[1]  # light from the ground is dimmer than from the sky
        total += linear((0.93, 0.97, 1.0)) * (facing * free * high * np.float32(area * 2.6) / np.maximum(far, 0.3) ** 2)
    return total / SAMPLED


def _shared(light: Floats, sight: Sight, rows: int, columns: int) -> Floats:
    """Mean over 4 x 4 neighbours of the same surface: each has looked in other directions."""
    def grid(values: Floats) -> Floats:
        return values.reshape(-1, rows, columns)

    values, points, normals = grid(light), grid(sight.points), grid(sight.normals)
    padded = [np.pad(a, ((0, 0), (2, 2), (2, 2)), mode="edge") for a in (values, points, normals)]
    total, weights = np.zeros_like(values), np.zeros((rows, columns), np.float32)
    for down in range(5):
        for aside in range(5):
            other, place, normal = (a[:, down : down + rows, aside : aside + columns] for a in padded)
            off = np.abs(((place - points) * normals).sum(axis=0))
            same = np.clip((normal * normals).sum(axis=0), 0, 1) ** 4 * np.exp(-off * 25) + np.float32(1e-5)
            same = same * np.float32((0.5 if down in {0, 4} else 1) * (0.5 if aside in {0, 4} else 1))
            total += other * same
            weights += same
    return (total / weights).reshape(3, -1)


def _nearby(light: Light, sight: Sight, x: Floats, y: Floats) -> Floats:
    """Read the coarse light at fine points, from those of the four neighbours that are on the same surface."""
    x, y = np.clip(x, 0, light.columns - 1.001), np.clip(y, 0, light.rows - 1.001)
    left, top = x.astype(np.intp), y.astype(np.intp)
    fx, fy = x - left, y - top
    total, weights = np.zeros_like(sight.points), np.zeros_like(x)
    for down in (0, 1):
        for aside in (0, 1):
            at = (top + down) * light.columns + left + aside
            off = np.abs(((light.sight.points[:, at] - sight.points) * sight.normals).sum(axis=0))
            same = np.clip((light.sight.normals[:, at] * sight.normals).sum(axis=0), 0, 1) ** 4 * np.exp(-off * 25)
            weight = (same + np.float32(2e-4)) * np.abs(1 - down - fy) * np.abs(1 - aside - fx) + np.float32(1e-6)
            total += light.falling[:, at] * weight
            weights += weight
    return total / weights


def shade(room: Room, light: Light, sight: Sight, falling: Floats, *, night: bool, deep: bool = False) -> Floats:
    """The light that comes from what is seen, shape (3, n)."""
    out = np.zeros_like(sight.points)
    gloss = np.zeros(sight.ids.size, np.float32)
    for number in np.unique(sight.ids):
        these = np.flatnonzero(sight.ids == number)
        if number == GLASS:
            out[:, these] = outside(sight.rays[:, these], night=night)
            continue
        finish, points, normals, half = room.finish(int(number)), sight.points[:, these], sight.normals[:, these], (1.0, 1.0, 1.0)
        if number >= SOLIDS:
            solid = room.solids[number - SOLIDS]
            points, normals, half = solid.local(points), solid.axes() @ normals, solid.half
        out[:, these] = paint(finish, points, normals, half) * falling[:, these]
        if night and finish.glow:
            out[:, these] += linear((1.0, 0.93, 0.82)) * finish.glow
        gloss[these] = finish.gloss
    shiny = np.flatnonzero(gloss > 0)
    if shiny.size and not deep:
        out[:, shiny] = _reflect(room, light, sight, shiny, gloss[shiny], out[:, shiny], night=night)
    return out


def _reflect(room, light, sight, shiny, gloss, matt, *, night):
    """Add what polished surfaces mirror: the room, and above all its windows."""
    normals, rays = sight.normals[:, shiny], sight.rays[:, shiny]
    facing = -(normals * rays).sum(axis=0)
    mirrored = rays + 2 * facing * normals
    start = sight.points[:, shiny] + normals * np.float32(0.01)
    clear = np.clip((gloss - 0.9) * 10, 0, 1)
    base = 0.04 + 0.5 * gloss**2 + 0.4 * clear
    share = (base + (1 - base) * (1 - np.clip(facing, 0, 1)) ** 5) * np.minimum(1, gloss * 2.5)
    ids, far = sides_met(room, start, mirrored)
    if clear.any():
        seen = see(room, start, mirrored)
        image = shade(room, light, seen, light.fallen[:, patches(room, seen.ids, seen.points)], night=night, deep=True)
    else:
        for number, solid in enumerate(room.solids, SOLIDS):
            enters = solid.enters(start, mirrored)
            nearer = enters < far
            ids[nearer], far[nearer] = number, enters[nearer]
        points = start + mirrored * far
        image = light.thrown[:, patches(room, ids, points)]
        for window in room.windows:
            u, v = across(room, window.wall, points)
            soft = 0.02 + (0.30 - 0.28 * np.minimum(gloss, 1)) * far * 0.5
            inside = np.minimum(np.minimum(u - window.left, window.right - u), np.minimum(v - window.bottom, window.top - v))
            glass = np.clip(inside / soft + 0.5, 0, 1) * (ids == window.wall)
            image = image * (1 - glass) + glass * (outside(mirrored, night=night) * (1.6 if not night else 1))
    return matt * (1 - share * np.maximum(gloss, 0.3)) + image * share


def photograph(room: Room, width: int, height: int, *, night: bool) -> Bytes:
    """Take a picture of the room: red, green and blue, shape (height, width, 3)."""
    rows, columns = max(2, height // COARSE), max(2, width // COARSE)
    x, y = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
    rays = _rays(room, (x.reshape(-1) + 0.5) / columns, (y.reshape(-1) + 0.5) / rows, width / height)
    eye = np.array(room.eye, np.float32)[:, None]
    light = illuminate(room, see(room, eye, rays), rows, columns, night=night)
    coarse = shade(room, light, light.sight, light.falling, night=night)
    bright = np.log(np.maximum(coarse.mean(axis=0), 1e-4))
    exposure = np.exp((-1.75 if night else -1.05) - np.mean(np.clip(bright, *np.percentile(bright, (3, 92)))))

    def look(px: Floats, py: Floats) -> tuple[Floats, Ids, Floats]:
        sight = see(room, eye, _rays(room, px / width, py / height, width / height))
        falling = _nearby(light, sight, px * (columns / width) - 0.5, py * (rows / height) - 0.5)
        if not night:
            falling += SUN * sunlit(room, sight)
        return _developed(shade(room, light, sight, falling, night=night) * exposure), sight.ids, sight.normals

    picture = np.empty((3, height, width), np.float32)
    ids, normals = np.empty((height, width), np.int16), np.empty((3, height, width), np.float32)
    band = max(1, 60_000 // width)
    for top in range(0, height, band):
        px, py = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(top, min(height, top + band), dtype=np.float32))
        colours, these, ways = look(px.reshape(-1) + 0.5, py.reshape(-1) + 0.5)
        part = slice(top, top + len(px))
        picture[:, part], ids[part], normals[:, part] = (a.reshape(-1, *px.shape) if a.ndim > 1 else a.reshape(px.shape) for a in (colours, these, ways))
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
