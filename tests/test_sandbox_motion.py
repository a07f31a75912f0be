"""Small movements in the picture: steam, rain, curtains, while the camera stands still or moves."""

import itertools
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest

from ideal_async.sandbox._camera import Move, fly
from ideal_async.sandbox._motion import STILL, Sway, Veil
from ideal_async.sandbox._pictures import Bytes, Floats, read, to_jpeg
from ideal_async.sandbox._plate import Plate, plane
from ideal_async.sandbox._render import Scene, render
from ideal_async.sandbox._rooms import photograph
from ideal_async.sandbox._scenery import MAKES, enliven, movements

pytestmark = pytest.mark.slow
WIDTH, HEIGHT = 854, 480


@cache
def laid(name: str) -> Plate:
    return Plate.lay(read(photograph(name), WIDTH, HEIGHT), WIDTH, HEIGHT, 3)


def seen(plate: Plate, prompt: str, frames: int = 49, move: Move | None = None) -> list[Floats]:
    """Luma of each frame, as numbers."""
    life = enliven(plate, prompt)
    return [plane(frame, 0).astype(np.float32) for frame in fly(plate, move or Move(), frames, life)]


def changed(frames: list[Floats]) -> Floats:
    """By how many shades each pixel has ever been off its first value."""
    result: Floats = np.abs(np.stack(frames[1:]) - frames[0]).max(axis=0)
    return result


@pytest.mark.parametrize(
    ("prompt", "kinds"),
    [
        ("", ()),
        ("A living room with curtains and plants", ()),
        ("curtains sway", ("curtains",)),
        ("the plants rustle in the breeze", ("leaves",)),
        ("Static shot, rain on the window, curtains sway", ("rain", "curtains")),
        ("steam rises from the cup", ("steam",)),
        ("a boiling kettle", ("kettle",)),
        ("snow, no rain", ("snow",)),
        ("dust in the light, mist, candles, fire", ("dust", "mist", "fire", "candle")),
        ("waves, clouds drift", ("clouds", "sea")),
        ("water ripples", ("river",)),
    ],
)
def test_what_moves(prompt: str, kinds: tuple[str, ...]) -> None:
    """Rain and steam always do, curtains and leaves when it is said; what is not wanted does not."""
    assert movements(prompt) == kinds


def test_nothing_moves_unasked() -> None:
    """Without a word of it there is nothing to compute, either."""
    assert enliven(laid("living"), "static shot") is STILL


PROMPTS = {
    "rain": "rain",
    "snow": "snow",
    "dust": "dust",
    "steam": "steam",
    "kettle": "kettle",
    "mist": "mist",
    "fire": "fire",
    "candle": "candle",
    "curtains": "curtains sway",
    "leaves": "leaves rustle",
    "clouds": "clouds drift",
    "sea": "waves at sea",
    "river": "water ripples",
}


@pytest.mark.parametrize("kind", MAKES)
@pytest.mark.parametrize("room", ["living-day", "bath-night"])
def test_every_movement_begins_with_the_picture_and_moves(kind: str, room: str) -> None:
    """Frame 0 is the picture as it is, to the bit; two seconds later something is visibly different."""
    assert kind in movements(PROMPTS[kind])
    frames = seen(laid(room), PROMPTS[kind])
    (still,) = seen(laid(room), "", 1)
    assert (frames[0] == still).all()
    assert np.quantile(changed(frames), 0.9995) > 5


@pytest.mark.parametrize(
    ("room", "prompt", "where"),
    [
        ("living-day", "rain", np.s_[50:360, 690:]),
        ("living-night", "rain", np.s_[50:360, 690:]),
        ("living-day", "curtains sway", np.s_[100:330, 640:740]),
        ("bedroom-day", "curtains sway", np.s_[100:330, 130:230]),
        ("living-day", "leaves rustle", np.s_[120:340, 540:700]),
        ("kitchen-day", "steam", np.s_[40:330, 300:560]),
    ],
)
def test_only_the_thing_itself_moves(room: str, prompt: str, where: tuple[slice, slice]) -> None:
    """Rain is outside of the window, a curtain hangs beside it: nine tenths of all change are there."""
    change = changed(seen(laid(room), prompt))
    assert change[where].sum() > 0.9 * change.sum()
    assert change[where].max() > 12
    assert (change == 0).mean() > 0.7


def test_a_static_video_is_static(tmp_path: Path) -> None:
    """Encoded as well: outside of the window a pixel is off by one or two shades, by the codec and not by a camera."""
    scene = Scene(photograph("living-day"), None, "Static shot, rain on the window", 5, "480p", "Base", audio=False)
    with av.open(str(render(scene, tmp_path).video)) as container:
        frames = [plane(frame, 0).astype(np.float32) for frame in container.decode(video=0)]
    change = np.stack([np.abs(frame - frames[0]) for frame in frames[1:]])
    still, window = change[:, :, :560], change[:, 150:300, 760:]
    assert still.mean() < 1.2
    assert np.quantile(still, 0.99) < 8
    assert window.mean() > 3 * still.mean()


def drift(frames: list[Floats]) -> int:
    """How many rows what changes goes down from one frame to the next: the best of all shifts."""
    reach = 70
    shifts = range(-reach, reach + 1)
    score = np.zeros(len(shifts))
    pooled = np.stack(frames)[:, :, 7:-7].reshape(len(frames), HEIGHT, -1, 12).mean(axis=3)  # it may go aside as well
    for one, other in itertools.pairwise(pooled - pooled.mean(axis=0)):
        for place, shift in enumerate(shifts):
            a, b = np.roll(one, shift, axis=0)[70:-70], other[70:-70]
            score[place] += float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-9))
    return shifts[int(score.argmax())]


def grey() -> Plate:
    return Plate.lay(np.full((HEIGHT, WIDTH, 3), 60, np.uint8), WIDTH, HEIGHT, 3)


@pytest.mark.parametrize(
    ("prompt", "gap", "least", "most"),
    [("rain", 1, 25, 50), ("snow", 4, 4, 18), ("steam", 6, -50, -15), ("dust", 10, -12, -2)],
)
def test_rain_falls_and_steam_rises(prompt: str, gap: int, least: int, most: int) -> None:
    """Rows in so many frames: rain goes down fast, snow slowly; steam and dust climb."""
    assert least <= drift(seen(grey(), prompt, 24 + 12 * gap)[24::gap]) <= most


def test_weather_is_everywhere_where_nothing_looks_like_a_window() -> None:
    """A picture without sky or window: rain is in all parts of it."""
    change = changed(seen(grey(), "rain"))
    assert all(change[y : y + 160, x : x + 200].max() > 10 for y in (0, 160, 320) for x in (0, 300, 650))


def test_weather_is_everywhere_under_the_sky() -> None:
    """Outdoors, where the sky reaches along the upper edge, it also rains before the ground."""
    picture = np.full((HEIGHT, WIDTH, 3), (70, 80, 60), np.uint8)
    picture[:200] = (170, 190, 230)
    change = changed(seen(Plate.lay(picture, WIDTH, HEIGHT, 3), "rain"))
    assert change[250:].max() > 10


@pytest.mark.parametrize("prompt", ["steam", "curtains sway", "leaves rustle"])
def test_things_keep_their_place_under_a_moving_camera(prompt: str) -> None:
    """The camera zooms in: what moves goes with what it is part of."""
    move, plate = Move(zoom=1.5), laid("living-day")
    plain, alive = (seen(plate, words, 49, move) for words in ("", prompt))
    rest = seen(plate, prompt)
    late = changed(rest) > 6
    y, x = (float(at.mean()) for at in np.nonzero(late))
    moved = np.abs(alive[-1] - plain[-1]) > 6
    at_y, at_x = (float(at.mean()) for at in np.nonzero(moved))
    assert at_y == pytest.approx(HEIGHT / 2 + (y - HEIGHT / 2) * 1.5, abs=60)
    assert at_x == pytest.approx(WIDTH / 2 + (x - WIDTH / 2) * 1.5, abs=60)


def test_a_veil_that_is_out_of_sight_costs_nothing_and_shows_nothing() -> None:
    """The camera has gone where there is none of it."""
    where = np.zeros((90, 160), np.float32)
    where[:20, :20] = 1
    veil = Veil.of(where, [(np.ones_like(where), 0, 0)] * 2, 235, together=False)
    picture = np.full((90, 160, 3), 60, np.uint8)
    plate = Plate.lay(picture, 160, 90, 3)
    from ideal_async.sandbox._motion import Life

    *_, last = fly(plate, Move(zoom=2), 49, Life((veil,)))
    assert np.ptp(plane(last, 0)) <= 1


def test_leaves_are_green_or_else_what_has_colour() -> None:
    """Flowers sway where no leaf is seen."""
    picture = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    noise = np.random.default_rng(1).integers(150, 255, (100, 100))
    picture[200:300, 400:500, 0], picture[200:300, 400:500, 1:] = noise, 40
    change = changed(seen(Plate.lay(picture, WIDTH, HEIGHT, 3), "flowers sway"))
    assert change[180:320, 380:520].sum() > 0.95 * change.sum() > 0


def test_sway_comes_back() -> None:
    """To and fro, not away: over some seconds the mean of a swaying place is near where it began."""
    (sway,) = enliven(laid("living-day"), "curtains sway").movements
    assert isinstance(sway, Sway)
    place = np.array([int(np.hypot(sway.sine, sway.cosine).argmax())])
    way = [float(sway.shift(place, second)[0][0]) for second in np.arange(0, 20, 0.1)]
    assert max(way) > 2
    assert abs(float(np.mean(way))) < 0.15 * max(way)


def test_a_still_picture_of_the_same_prompt_moves_the_same() -> None:
    """Nothing is left to chance."""
    one, other = (seen(grey(), "rain", 5) for _ in range(2))
    assert all((a == b).all() for a, b in zip(one, other, strict=True))


def test_a_jpeg_of_any_shape_can_have_weather(tmp_path: Path) -> None:
    """A portrait is framed, a tiny picture enlarged: it snows all the same."""
    picture: Bytes = np.random.default_rng(1).integers(0, 255, (90, 50, 3)).astype(np.uint8)
    jpeg = to_jpeg(av.VideoFrame.from_ndarray(picture, format="rgb24"), bt709=False)
    clip = render(Scene(jpeg, None, "zoom out, snow and steam, leaves sway", 5, "480p", "Flash", audio=False), tmp_path)
    assert clip.video.stat().st_size > 10_000
