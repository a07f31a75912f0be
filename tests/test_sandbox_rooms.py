"""Drawn rooms: the sandbox's own photographs."""

from typing import Literal

import attrs
import numpy as np
import pytest

from ideal_async.sandbox._flow import match
from ideal_async.sandbox._pictures import Bytes, Floats, read
from ideal_async.sandbox._rooms import draw_room
from ideal_async.sandbox._rooms.photograph import photograph
from ideal_async.sandbox._rooms.plans import KINDS, PALETTES
from ideal_async.sandbox._rooms.solids import Finish, Solid, Vector

pytestmark = pytest.mark.slow


def seen(name: str, width: int = 128, height: int = 72) -> Bytes:
    return read(draw_room(name, width, height), width, height)


def brightness(picture: Bytes) -> Floats:
    return np.asarray(picture.mean(axis=2), np.float32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("light", ["day", "night"])
def test_every_kind_is_a_picture_worth_looking_at(kind: str, light: str) -> None:
    """Well exposed: neither black nor white, with contrast, and with more than one colour."""
    picture = seen(f"{kind}-{light}").astype(int)
    assert 60 < picture.mean() < 215
    assert brightness(picture).std() > 25
    assert np.abs(picture[..., 0] - picture[..., 2]).max() > 60


def test_the_size_is_the_one_asked_for() -> None:
    """In pixels; 1280 x 720 where nothing is said."""
    assert seen("bath", 200, 120).shape == (120, 200, 3)
    assert read(draw_room("bath"), 1280, 720).shape == (720, 1280, 3)


@pytest.mark.parametrize("kind", ["living", "bath"])
def test_night_is_the_same_room_in_another_light(kind: str) -> None:
    """Nothing has moved, and the windows are dark."""
    day, night = (seen(f"{kind}-{light}", 342, 192) for light in ("day", "night"))
    found = match(*(brightness(each)[::2, ::2] for each in (day, night)))
    assert found is not None
    assert found.still
    assert (night.max(axis=2) < 110).mean() > 1.5 * (day.max(axis=2) < 110).mean()


def test_names_are_deterministic() -> None:
    """The same name is the same file; day and night, suffix and folder do not change the room."""
    assert draw_room("loft-7", 64, 36) == draw_room("loft-7", 64, 36)
    assert draw_room("https://example.com/Loft-7.jpg", 64, 36) == draw_room("loft-7", 64, 36)
    assert draw_room("loft-7-day", 64, 36) == draw_room("loft-7", 64, 36)


def test_names_give_different_rooms() -> None:
    """Numbered rooms of a kind come in other colours and seen from the other side, and others are of other kinds."""
    assert len({draw_room(f"bath-{n}", 32, 18) for n in range(24)}) > len(PALETTES)
    assert len({draw_room(f"picture-{n}", 32, 18) for n in range(8)}) > 4


def test_lamps_light_the_night() -> None:
    """Beside a lamp it is bright, and darker further away; without lamps the night would be even."""
    room = KINDS["bedroom"](PALETTES[2])
    lit, unlit = (photograph(each, 128, 72, night=True).mean(axis=2) for each in (room, attrs.evolve(room, lamps=())))
    ratio = lit / (unlit + 1)
    assert np.percentile(ratio, 95) > 1.5 * np.percentile(ratio, 30)


def test_words_choose_the_kind() -> None:
    """A synonym gives the same kind as the word, and "room" alone is a living room."""
    for name, kind in (("room", "living"), ("guest-room", "bedroom"), ("home_office", "study")):
        looks = [photograph(KINDS[kind](palette), 32, 18, night=False) for palette in PALETTES]
        picture = seen(name, 32, 18).astype(int)
        nearest = min(
            np.abs(picture - each).mean() for look in looks for each in (look.astype(int), look[:, ::-1].astype(int))
        )
        assert nearest < 6


FINISH = Finish((0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("solid", "points", "distances"),
    [
        (Solid("box", (0, 0, 0), (1, 2, 3), FINISH, rounding=0.0), [(2, 0, 0), (0, 0, 0), (2, 3, 3)], [1, -1, 2**0.5]),
        (Solid("box", (0, 0, 0), (1, 1, 1), FINISH, rounding=0.5), [(1, 1, 0)], [0.5 * 2**0.5 - 0.5]),
        (Solid("ball", (0, 0, 0), (1, 1, 1), FINISH), [(0, 3, 0), (0.5, 0, 0)], [2, -0.5]),
        (Solid("cone", (0, 0, 0), (1, 1, 1), FINISH, rounding=0.0), [(2, 0, 0), (0, 3, 0)], [1, 2]),
    ],
)
def test_distances_to_solids(solid: Solid, points: list[Vector], distances: list[float]) -> None:
    """How far a point is from a shape, below zero inside it."""
    assert solid.distance(np.array(points, np.float32).T) == pytest.approx(distances, abs=1e-3)


@pytest.mark.parametrize("kind", ["box", "ball", "cone", "folds"])
@pytest.mark.parametrize("turn", [0.0, 0.7])
def test_rays_meet_solids_on_their_surface(kind: Literal["box", "ball", "cone", "folds"], turn: float) -> None:
    """What a ray meets lies on the shape, its normal faces the ray, and rays past the shape meet nothing."""
    half = {"cone": (0.8, 0.9, 0.8), "folds": (0.8, 0.9, 0.06)}.get(kind, (0.8, 0.9, 0.3))
    solid = Solid(kind, (0.1, 0.2, 4), half, FINISH, rounding=0.05, turn=turn, lean=turn / 3)
    x, y = np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-1, 1, 41))
    rays = np.stack([x.ravel(), y.ravel(), np.full(x.size, 2.0)]).astype(np.float32)
    rays /= np.sqrt((rays**2).sum(axis=0))
    eye = np.zeros((3, 1), np.float32)
    met, far = solid.meet(eye, rays)
    assert 100 < met.size < x.size
    points = rays[:, met] * far
    assert np.abs(solid.distance(solid.local(points))).max() < 0.01
    facing = (solid.normals(points) * rays[:, met]).sum(axis=0)
    assert (facing < 0.1).mean() > 0.98
    with np.errstate(divide="ignore"):
        enters = solid.enters(eye, rays, 1 / rays)
    assert np.isinf(enters[[0, 40, -1]]).all()
    assert (enters[met] <= far + 0.25).mean() > 0.7  # the rest pass where it is round


def test_a_box_behind_the_camera_is_not_in_the_picture() -> None:
    """Furniture stands behind the camera in some plans: it must not appear in front."""
    room = KINDS["living"](PALETTES[0])
    behind = Solid("box", (0.0, 1.3, -1.0), (0.3, 0.3, 0.1), Finish((1.0, 0.0, 0.0)))
    beside = Solid("box", (-2.2, 1.3, -0.2), (0.1, 0.3, 0.4), Finish((1.0, 0.0, 0.0)))
    more = attrs.evolve(room, solids=(*room.solids, behind, beside))
    one, other = (photograph(each, 64, 36, night=False).astype(int) for each in (room, more))
    assert np.abs(one - other).mean() < 12
