"""How bright it is in a room: daylight, sun and lamps, and what every surface throws back."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (numpy's stubs leave np.where unknown)

from collections.abc import Callable, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from ideal_async.sandbox._pictures import Floats
from ideal_async.sandbox._rooms.finish import linear, outside
from ideal_async.sandbox._rooms.sight import (
    BACK,
    BAR_WIDTH,
    BEHIND,
    FRAME_WIDTH,
    GLASS,
    INWARD,
    LEFT,
    SOLIDS,
    Ids,
    Lamp,
    Room,
    Sight,
    Window,
    across,
    sides_met,
)
from ideal_async.sandbox._rooms.solids import Solid

#: Each side is cut into CUTS x CUTS patches, whose mean light is thrown back into the room.
CUTS = 4
#: Directions from which thrown light is gathered at a point; neighbours in 4 x 4 take others and share.
GATHERED = 6
#: Spots of a window, and of a lamp, from which light arrives at a point; shared in the same way.
WINDOW_SPOTS, LAMP_SPOTS = 4, 2
#: Times that light is thrown back and forth; the fifth would add under 2 %.
BOUNCES = 4
#: Light of a sunbeam on what faces it; a real one is ten times as bright as a room, film would see nothing else.
SUN = (linear((1.0, 0.93, 0.82)) * 9).astype(np.float32)
#: Light of the sky on a window, and what is left of daylight at night.
SKY, DUSK = linear((0.93, 0.97, 1.0)) * np.float32(2.6), linear((0.20, 0.24, 0.36)) * np.float32(0.05)


@attrs.frozen(eq=False)
class Light:
    """The light of a room: on a coarse grid over the picture, and on its patches."""

    rows: int
    columns: int
    falling: Floats  # (3, n) on the grid, without the sun's
    mirrored: Floats  # (3, n) what polish would show there
    packed: Floats  # (n, 12) points, normals, falling and mirrored, side by side because they are read together
    thrown: Floats  # (3, patches) what each throws back
    fallen: Floats  # (3, patches) what falls on it

    def near(self, sight: Sight, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Light and its reflection at fine points, from those of the four around it that are on the same surface."""
        x = np.clip(x * self.columns - 0.5, 0, self.columns - 1.001)
        y = np.clip(y * self.rows - 0.5, 0, self.rows - 1.001)
        left, top = x.astype(np.intp), y.astype(np.intp)
        fx, fy = x - left, y - top
        total, weights = np.zeros((6, x.size), np.float32), np.zeros(x.size, np.float32)
        for down in (0, 1):
            for aside in (0, 1):
                at = (top + down) * self.columns + left + aside
                there = np.ascontiguousarray(self.packed.take(at, axis=0).T)
                same = _same_surface(there[:3], there[3:6], sight.points, sight.normals)
                weight = (same + 2e-4) * np.abs(1 - down - fy) * np.abs(1 - aside - fx) + 1e-6
                total += there[6:] * weight
                weights += weight
        total /= weights
        return total[:3], total[3:]


def _same_surface(points: Floats, normals: Floats, others: Floats, directions: Floats) -> Floats:
    """1 where two points lie on one surface, 0 where they face elsewhere or are centimetres apart."""
    apart = np.abs(((points - others) * directions).sum(axis=0))
    result: Floats = np.clip((normals * directions).sum(axis=0), 0, 1) ** 4 * np.exp(apart * np.float32(-25))
    return result


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
        u, v = across(window.wall, leaving)
        soft = np.float32(0.012) * far + np.float32(0.004)
        share = np.ones_like(u)
        sides = (u, window.left, window.right, window.panes[0]), (v, window.bottom, window.top, window.panes[1])
        for at, one, other, count in sides:
            size = (other - one) / count
            inside = np.minimum(at - one, other - at) - FRAME_WIDTH
            bar = np.abs(((at - one) / size + 0.5) % 1 - 0.5) * size - BAR_WIDTH
            share = share * np.clip(inside / soft + 0.5, 0, 1) * np.clip(bar / soft + 0.5, 0, 1)
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
    flat: NDArray[np.intp] = np.where(ids < LEFT, x * CUTS + z, np.where(ids < BACK, z * CUTS + y, x * CUTS + y))
    return np.where(ids < GLASS, ids * CUTS * CUTS + flat, GLASS * CUTS * CUTS + ids - GLASS)


@attrs.frozen(eq=False)
class Coarse:
    """A coarse grid of points over the picture at which light is worked out."""

    room: Room
    sight: Sight
    rows: int
    columns: int
    start: Floats  # the points, a little off their surface
    turn: NDArray[np.intp]  # which of sixteen a point is: each looks elsewhere, and they share what they see
    large: Sequence[tuple[int, Solid]]  # with their numbers: those whose shadow can be seen

    @classmethod
    def over(cls, room: Room, sight: Sight, rows: int, columns: int) -> "Coarse":
        """The grid of what is seen, row by row."""
        aside, down = np.meshgrid(np.arange(columns), np.arange(rows))
        large = [(number, each) for number, each in enumerate(room.solids, SOLIDS) if each.shades and not each.small]
        start = sight.points + sight.normals * np.float32(0.015)
        return cls(room, sight, rows, columns, start, ((aside % 4) * 4 + down % 4).reshape(-1), large)

    def arriving(self, spots: Floats, brightness: Callable[[Floats, Floats], Floats]) -> Floats:
        """Light from spots, shape (n, 16, 3), past the furniture; brightness is asked with rays and distances."""
        total = np.zeros(self.turn.size, np.float32)
        for each in spots.astype(np.float32):
            way = each[self.turn].T - self.start
            far = np.sqrt((way**2).sum(axis=0))
            ray = way / far
            facing = np.maximum((ray * self.sight.normals).sum(axis=0), 0)
            with np.errstate(divide="ignore"):
                inverse = 1 / ray
            for _, solid in self.large:
                facing *= solid.enters(self.start, ray, inverse) > far - 0.02
            total += facing * brightness(ray, far)
        return total / len(spots)

    def gathering(self, ray: Floats) -> NDArray[np.intp]:
        """The patches that rays from the points end on."""
        ids, far = sides_met(self.room, self.start, ray)
        furnish(self.large, self.start, ray, ids, far)
        return patches(self.room, ids, self.start + ray * far)

    def shared(self, light: Floats) -> Floats:
        """Mean over neighbours on the same surface, near ones and then farther."""
        for stride in (1, 3):
            light = self._mean(light, stride)
        return light

    def _mean(self, light: Floats, stride: int) -> Floats:
        shape, edge = (-1, self.rows, self.columns), 2 * stride
        values, points, normals = (a.reshape(shape) for a in (light, self.sight.points, self.sight.normals))
        padded = [np.pad(a, ((0, 0), (edge, edge), (edge, edge)), mode="edge") for a in (values, points, normals)]
        total, weights = np.zeros_like(values), np.zeros(shape[1:], np.float32)
        for down in range(5):
            for aside in range(5):
                rows = slice(down * stride, down * stride + self.rows)
                columns = slice(aside * stride, aside * stride + self.columns)
                other, place, normal = (a[:, rows, columns] for a in padded)
                weight = _same_surface(place, normal, points, normals) + 1e-5
                weight = weight * ((0.5 if down in {0, 4} else 1) * (0.5 if aside in {0, 4} else 1))
                total += other * weight
                weights += weight
        return (total / weights).reshape(3, -1)


def furnish(solids: Sequence[tuple[int, Solid]], start: Floats, ray: Floats, ids: Ids, far: Floats) -> None:
    """Let rays end, roughly, at solids nearer than the sides of the room."""
    with np.errstate(divide="ignore"):
        inverse = 1 / ray
    for number, solid in solids:
        enters = solid.enters(start, ray, inverse)
        nearer = enters < far
        ids[nearer], far[nearer] = number, enters[nearer]


def illuminate(room: Room, sight: Sight, rows: int, columns: int, *, night: bool) -> Light:
    """Work out the light at what a coarse grid of rays meets."""
    random = np.random.default_rng(11)
    coarse = Coarse.over(room, sight, rows, columns)
    direct = np.zeros((3, sight.ids.size), np.float32)
    for lamp in room.lamps if night else ():
        spots = np.array(lamp.place) + random.uniform(-0.07, 0.07, (LAMP_SPOTS, 16, 3))
        direct += linear(lamp.colour) * coarse.arriving(spots, _shining(lamp))
    for window in () if night else room.windows:
        direct += SKY * coarse.arriving(_spots(room, window, random), _daylight(window))
    direct = coarse.shared(direct) + (DUSK if night else 0)
    beam = np.zeros_like(direct) if night else SUN * sunlit(room, sight)
    ways = random.standard_normal((GATHERED, 16, 3)).astype(np.float32)
    ways /= np.sqrt((ways**2).sum(axis=2, keepdims=True))
    met: list[NDArray[np.intp]] = []
    for way in ways:
        ray = sight.normals + way[coarse.turn].T * np.float32(0.999)  # evenly lit paper sends light like this (Lambert)
        met.append(coarse.gathering((ray / np.sqrt((ray**2).sum(axis=0))).astype(np.float32)))
    here, colours = patches(room, sight.ids, sight.points), _colours(room)
    shown = np.bincount(here, minlength=colours.shape[1])
    gathered, thrown, fallen = np.zeros_like(direct), np.zeros_like(colours), np.zeros_like(colours)
    for _ in range(BOUNCES):
        falling = direct + beam + gathered
        means = falling[:, sight.ids != GLASS].mean(axis=1)  # for the patches that the picture does not show
        sums = np.stack([np.bincount(here, channel, colours.shape[1]) for channel in falling])
        fallen = np.where(shown > 0, sums / np.maximum(shown, 1), means[:, None]).astype(np.float32)
        thrown = fallen * colours
        gathered = np.mean([thrown[:, patch] for patch in met], axis=0)
    falling = direct + coarse.shared(gathered)
    mirrored = _mirror(coarse, thrown, night=night)
    packed = np.concatenate([sight.points, sight.normals, falling, mirrored]).T.astype(np.float32)
    return Light(rows, columns, falling, mirrored, np.ascontiguousarray(packed), thrown, fallen)


def _shining(lamp: Lamp) -> Callable[[Floats, Floats], Floats]:
    """How bright a lamp is along rays to it: less through its shade than past it, up and down."""

    def brightness(ray: Floats, far: Floats) -> Floats:
        past = np.clip((np.abs(ray[1]) - 0.72) * 8, 0, 1)
        result: Floats = (lamp.open + (1 - lamp.open) * 2.2 * past) * lamp.strength**2 / np.maximum(far, 0.25) ** 2
        return result

    return brightness


def _daylight(window: Window) -> Callable[[Floats, Floats], Floats]:
    """How bright a window is along rays to it; light from the ground is dimmer than from the sky."""
    area = (window.right - window.left) * (window.top - window.bottom)

    def brightness(ray: Floats, far: Floats) -> Floats:
        straight = np.maximum(-(INWARD[:, window.wall] @ ray), 0)
        result: Floats = straight * (0.75 + 0.5 * ray[1]) * area / np.maximum(far, 0.3) ** 2
        return result

    return brightness


def _spots(room: Room, window: Window, random: np.random.Generator) -> Floats:
    """Spots all over a window, shape (n, 16, 3): each of the sixteen somewhere in its own part."""
    parts = np.stack(np.meshgrid(np.arange(4), np.arange(4)), axis=-1).reshape(1, 16, 2)[:, random.permutation(16)]
    u, v = np.moveaxis((random.random((WINDOW_SPOTS, 16, 2)) + parts) / 4, 2, 0)
    u, v = window.left + (window.right - window.left) * u, window.bottom + (window.top - window.bottom) * v
    if window.wall == BACK:
        return np.stack([u, v, np.full_like(u, room.depth)], axis=-1)
    return np.stack([np.full_like(u, room.width / 2 * (-1 if window.wall == LEFT else 1)), v, u], axis=-1)


def _colours(room: Room) -> Floats:
    """What each patch throws back of the light on it, shape (3, patches)."""
    numbers = [number for number in range(GLASS) for _ in range(CUTS * CUTS)]
    numbers += range(GLASS, SOLIDS + len(room.solids))
    return np.concatenate([linear(room.finish(number).colour) for number in numbers], axis=1)


def _mirror(coarse: Coarse, thrown: Floats, *, night: bool) -> Floats:
    """What polished surfaces show, the blurrier the duller they are: the room, and above all its windows."""
    room, sight = coarse.room, coarse.sight
    gloss = np.array([room.finish(number).gloss for number in range(SOLIDS + len(room.solids))], np.float32)[sight.ids]
    image = np.zeros_like(sight.points)
    these = np.flatnonzero((gloss > 0) & (gloss < 1))
    ray, start = reflected(sight, these)
    ids, far = sides_met(room, start, ray)
    furnish(coarse.large, start, ray, ids, far)
    points = start + ray * far
    shown = thrown[:, patches(room, ids, points)]
    soft = 0.02 + (0.30 - 0.28 * gloss[these]) * far * 0.5
    for window in room.windows:
        u, v = across(window.wall, points)
        inside = np.minimum(
            np.minimum(u - window.left, window.right - u), np.minimum(v - window.bottom, window.top - v)
        )
        glass = np.clip(inside / soft + 0.5, 0, 1) * (ids == window.wall)
        shown = shown + glass * (outside(ray, night=night) * (1 if night else 1.6) - shown)
    image[:, these] = shown
    return image


def reflected(sight: Sight, these: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Rays that some of what is seen would reflect to the eye, and where they start."""
    normals, rays = sight.normals[:, these], sight.rays[:, these]
    return rays - 2 * (normals * rays).sum(axis=0) * normals, sight.points[:, these] + normals * np.float32(0.01)
