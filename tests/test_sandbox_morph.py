"""The way from a first picture to a last one."""

from collections.abc import Callable

import av
import numpy as np
import pytest

from ideal_async.sandbox._flow import Flow, fit, match
from ideal_async.sandbox._morph import ROWS, _brightness, morph
from ideal_async.sandbox._passage import Way
from ideal_async.sandbox._pictures import Bytes, Floats, blur, read, sample, to_rgb
from ideal_async.sandbox._plate import Plate
from ideal_async.sandbox._rooms import photograph

pytestmark = pytest.mark.slow
WIDTH, HEIGHT = 342, 192


def landscape(seed: int, width: int = 2 * WIDTH, height: int = 2 * HEIGHT) -> Bytes:
    """Blots and boxes of many sizes: something to recognise everywhere."""
    random = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 120, np.uint8)
    for size in (90, 60, 40, 40, 25, 25, 25, 15, 15, 15, 15):
        for _ in range(12):
            x, y = random.integers(0, width - size), random.integers(0, height - size)
            picture[y : y + size, x : x + random.integers(size // 2, size)] = random.integers(20, 235, 3)
    soft = blur(np.moveaxis(picture, 2, 0).astype(np.float32), 1)
    return np.moveaxis(soft, 0, 2).astype(np.uint8)


def view(picture: Bytes, x: float = 0, y: float = 0, zoom: float = 1, turn: float = 0) -> Bytes:
    """What a camera sees of a landscape."""
    u, v = np.arange(WIDTH) - WIDTH / 2, (np.arange(HEIGHT) - HEIGHT / 2)[:, None]
    c, s = np.cos(turn) / zoom, np.sin(turn) / zoom
    at = c * u - s * v + picture.shape[1] / 2 + x, s * u + c * v + picture.shape[0] / 2 + y
    return np.stack([sample(picture[..., n].astype(np.float32), *at) for n in range(3)], axis=2).astype(np.uint8)


def small(picture: Bytes) -> Floats:
    return np.asarray(picture[..., 1].reshape(HEIGHT // 2, 2, WIDTH // 2, 2).mean(axis=(1, 3)), np.float32)


def shown(frame: av.VideoFrame) -> Bytes:
    """As a screen shows it: videos here are BT.709."""
    return to_rgb(frame.reformat(format="rgb24", src_colorspace="ITU709"))


def difference(one: Bytes, other: Bytes) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def morphed(first: Bytes, last: Bytes, frames: int = 5) -> list[Bytes]:
    one, other = (Plate.lay(picture, WIDTH, HEIGHT, 3) for picture in (first, last))
    return [shown(frame) for frame in morph(one, other, frames)]


SCENES: dict[str, tuple[dict[str, float], dict[str, float]]] = {
    "panned": ({}, {"x": 30, "y": -8}),
    "panned far": ({"x": -60}, {"x": 60}),
    "closer": ({}, {"zoom": 1.35, "x": 5}),
    "farther": ({"zoom": 1.35}, {}),
    "turned": ({}, {"turn": 0.1}),
}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("way", SCENES)
def test_finds_how_the_camera_moved(way: str, seed: int) -> None:
    """Panned, nearer, farther or turned: the flow says where in the last picture the first one's middle is."""
    before, after = SCENES[way]
    world = landscape(seed)
    found = match(small(view(world, **before)), small(view(world, **after)))
    assert found is not None
    assert not found.still
    x, y = np.meshgrid(np.arange(WIDTH // 2, dtype=np.float32), np.arange(HEIGHT // 2, dtype=np.float32))
    first, last = small(view(world, **before)), small(view(world, **after))
    middle = np.s_[30:-30, 50:-50]
    bent = sample(last, x + found.forth.x, y + found.forth.y)
    assert np.abs(bent - first)[middle].mean() < 0.5 * np.abs(last - first)[middle].mean()


@pytest.mark.parametrize(("one", "other"), [(1, 2), (3, 4), (5, 6)])
def test_different_scenes_do_not_match(one: int, other: int) -> None:
    """Two landscapes have nothing in common, and no flow is made up."""
    assert match(small(view(landscape(one))), small(view(landscape(other)))) is None


@pytest.mark.parametrize("light", [lambda p: p, lambda p: p * 0.3, lambda p: 255 * (p / 255) ** 2.5])
def test_another_light_is_no_movement(light: Callable[[Floats], Floats]) -> None:
    """The same view, darker or harder: nothing has moved."""
    picture = view(landscape(1))
    found = match(small(picture), small(light(picture.astype(np.float32)).astype(np.uint8)))
    assert found is not None
    assert found.still


def test_flat_pictures_do_not_match() -> None:
    """Where there is nothing to see there is nothing to follow."""
    flat = np.full((HEIGHT // 2, WIDTH // 2), 90, np.float32)
    assert match(flat, small(view(landscape(1)))) is None


@pytest.mark.parametrize("last", [{"x": 30}, {"zoom": 1.35}, None, {}], ids=["panned", "closer", "elsewhere", "same"])
def test_begins_with_the_first_and_ends_with_the_last(last: dict[str, float] | None) -> None:
    """Frame 0 is the first picture and the last frame is the last one, whatever lies between them."""
    first = view(landscape(1))
    final = view(landscape(2)) if last is None else view(landscape(1), **last) // 2
    frames = morphed(first, final)
    assert difference(frames[0], first) < 4
    assert difference(frames[-1], final) < 4


def test_a_pan_is_seen_half_way() -> None:
    """Half way through a pan the picture is what a camera half way would have seen, not a double image."""
    world = landscape(1)
    first, last, between = view(world, x=-24), view(world, x=24), view(world)
    middle = morphed(first, last)[2]
    inner = np.s_[20:-20, 60:-60]
    assert difference(middle[inner], between[inner]) < 0.2 * difference(
        ((first.astype(int) + last) // 2)[inner], between[inner]
    )


def test_a_closer_look_is_seen_half_way() -> None:
    """Half way through a zoom that also goes aside as well."""
    world = landscape(2)
    first, last, between = view(world), view(world, x=30, zoom=1.7), view(world, x=30 * 1.7 / 2.7, zoom=1.35)
    middle = morphed(first, last)[2]
    inner = np.s_[50:-50, 90:-90]
    double = (first.astype(int) + last) // 2
    assert difference(middle[inner], between[inner]) < 0.115 * difference(double[inner], between[inner])


def test_what_has_no_counterpart_goes_with_the_whole() -> None:
    """A window that shows another sky after a pan is not dragged about to look like the old one."""
    first, last = view(landscape(1), x=-10), view(landscape(1), x=10)
    last[50:130, 90:230] = view(landscape(9))[50:130, 90:230]
    found = match(small(first), small(last))
    assert found is not None
    inside = np.s_[32:58, 62:100]
    astray = np.hypot(found.forth.x[inside] + 10, found.forth.y[inside])
    assert astray.mean() < 1


def test_a_dissolve_shows_something_of_both() -> None:
    """Between two scenes there is a mixture that both pictures are in."""
    first, last = np.full((HEIGHT, WIDTH, 3), 60, np.uint8), view(landscape(1))
    middle = morphed(first, last)[2]
    assert difference(middle, first) > 5
    assert difference(middle, last) > 5


def test_dusk_falls_before_the_lamps_are_lit() -> None:
    """Where it gets darker the change comes ahead of where it gets brighter."""
    day = np.tile(view(landscape(1)) // 2 + 60, (1, 1, 1))
    night = day.copy()
    night[:, : WIDTH // 2] -= 55
    night[:, WIDTH // 2 :] += 55
    early = morphed(day, night, 9)[3].astype(int)
    dark = np.abs(early - day)[:, : WIDTH // 3].mean()
    lit = np.abs(early - day)[:, -WIDTH // 3 :].mean()
    assert dark > lit + 5


def test_fit_is_not_misled() -> None:
    """The movement of the whole is found although a quarter of the picture moves otherwise."""
    x, y = np.meshgrid(np.arange(80) - 39.5, np.arange(60) - 29.5)
    flow_x, flow_y = (0.1 * x - 0.05 * y + 2).astype(np.float32), (0.05 * x + 0.1 * y - 1).astype(np.float32)
    flow_x[20:45, 20:55] += 9
    whole = fit(Flow(flow_x, flow_y))
    assert whole == pytest.approx(np.array([[1.1, -0.05, 2], [0.05, 1.1, -1]]), abs=0.12)


def blue_and_orange() -> tuple[Bytes, Bytes]:
    """Two places that have nothing in common, each of one colour, with detail."""
    one, other = view(landscape(1)).astype(int), view(landscape(2)).astype(int)
    first, last = (picture.mean(axis=2, keepdims=True) / 2 for picture in (one, other))
    return (first + np.array([0, 20, 110])).astype(np.uint8), (last + np.array([110, 70, 0])).astype(np.uint8)


def orange(frame: Bytes) -> Floats:
    """How much of each pixel is of the second place, 0 to 1."""
    result: Floats = np.clip((frame[..., 0].astype(float) - frame[..., 2] + 110) / 220, 0, 1)
    return result


@pytest.mark.parametrize(
    ("way", "axis", "first_side"),
    [(Way(), 1, 0), (Way(backwards=True), 1, -1), (Way(upright=True), 0, 0), (Way(True, True), 0, -1)],
)
def test_from_one_place_to_another_the_camera_goes_on(way: Way, axis: int, first_side: int) -> None:
    """Half way the frame shows the first place on the side it came from, the last on the other, and no double image."""
    first, last = blue_and_orange()
    one, other = (Plate.lay(picture, WIDTH, HEIGHT, 3) for picture in (first, last))
    frames = [shown(frame) for frame in morph(one, other, 9, way)]
    share = np.moveaxis(orange(frames[4]), axis, 0)
    share = share if first_side == 0 else share[::-1]
    assert share[: len(share) // 4].mean() < 0.1
    assert share[-len(share) // 4 :].mean() > 0.9
    mixed = [float(((of > 0.25) & (of < 0.75)).mean()) for of in map(orange, frames)]
    assert max(mixed) < 0.35
    assert difference(frames[0], first) < 4
    assert difference(frames[-1], last) < 4


def test_no_edge_passes_by() -> None:
    """Where two places meet the light changes no faster than it does within them."""
    first, last = (np.full((HEIGHT, WIDTH, 3), grey, np.uint8) for grey in (60, 200))
    for frame in morphed(first, last, 9)[1:-1]:
        assert np.abs(np.diff(frame[..., 1].astype(int), axis=1)).max() < 8


def test_what_is_near_hurries_ahead() -> None:
    """On the way, what is low in the picture is farther on than what is high: the camera has parallax."""
    first, last = blue_and_orange()
    first[10:22, 160:172] = first[-22:-10, 160:172] = 255
    frame = morphed(first, last, 9)[3]
    bright = frame.min(axis=2) > 200
    high, low = (float(np.nonzero(half)[1].mean()) for half in (bright[: HEIGHT // 2], bright[HEIGHT // 2 :]))
    assert high - low > 3


def room(name: str) -> Floats:
    """One of the sandbox's own rooms, as small as pictures are compared."""
    plate = Plate.lay(read(photograph(name), 854, 480), 854, 480, 3)
    return _brightness(plate, 480 // ROWS)


@pytest.mark.parametrize("one", ["living-day", "bedroom-night"])
@pytest.mark.parametrize("other", ["bath-day", "loft-night", "dining-night"])
def test_two_rooms_are_two_places(one: str, other: str) -> None:
    """However alike their walls stand, nothing of one room is followed into another."""
    assert match(*(room(name) for name in (one, other))) is None


@pytest.mark.parametrize("name", ["living", "bath", "loft", "study"])
def test_a_room_by_day_and_by_night_is_one_place(name: str) -> None:
    """Only the light differs."""
    found = match(*(room(f"{name}-{time}") for time in ("day", "night")))
    assert found is not None
    assert found.still
