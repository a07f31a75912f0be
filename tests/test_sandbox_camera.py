"""A camera flies over one picture as a prompt directs."""

import av
import numpy as np
import pytest

from ideal_async.sandbox._camera import Move, ease, fly
from ideal_async.sandbox._depth import nearness
from ideal_async.sandbox._direction import GENTLE, direct
from ideal_async.sandbox._framing import surround
from ideal_async.sandbox._pictures import Bytes, blur, read, to_rgb
from ideal_async.sandbox._plate import Plate, plane
from ideal_async.sandbox._rooms import ROOMS, photograph

pytestmark = pytest.mark.slow
WIDTH, HEIGHT = 160, 90


def drawn(width: int = WIDTH, height: int = HEIGHT) -> Bytes:
    """Grey waves, a white dot in the middle and a coloured quarter in each corner."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    picture = np.repeat((110 + 30 * np.sin(x * 9) * np.cos(y * 7))[..., None], 3, axis=2).astype(np.uint8)
    picture[: height // 4, : width // 4] = (200, 60, 60)
    picture[: height // 4, -width // 4 :] = (60, 200, 60)
    picture[-height // 4 :, : width // 4] = (60, 60, 200)
    picture[-height // 4 :, -width // 4 :] = (200, 200, 60)
    picture[np.hypot(x * width / height, y) < 0.12] = 250
    return picture


def flown(move: Move, picture: Bytes | None = None, frames: int = 5, border: float = 0.0) -> list[Bytes]:
    plate = Plate.lay(drawn() if picture is None else picture, WIDTH, HEIGHT, 5, border)
    return [shown(frame) for frame in fly(plate, move, frames)]


def dot(frame: Bytes) -> tuple[float, float, int]:
    """Column, row and pixels of the white dot."""
    y, x = np.nonzero(frame.min(axis=2) > 190)
    return float(x.mean()), float(y.mean()), x.size


def shown(frame: av.VideoFrame) -> Bytes:
    """As a screen shows it: videos here are BT.709."""
    return to_rgb(frame.reformat(format="rgb24", src_colorspace="ITU709"))


def difference(one: Bytes, other: Bytes) -> float:
    return float(np.abs(one.astype(int) - other).mean())


MOVES = [
    GENTLE,
    Move(zoom=1.3),
    Move(x=-1),
    Move(x=1),
    Move(y=-1),
    Move(y=1),
    Move(roll=0.1),
    Move(orbit=0.05),
    Move(orbit=-0.05, zoom=1.3),
]


@pytest.mark.parametrize("move", MOVES)
def test_the_first_frame_is_the_picture(move: Move) -> None:
    """Whatever the move, it begins with the picture as it is."""
    assert difference(flown(move)[0], drawn()) < 4


@pytest.mark.parametrize("move", MOVES)
def test_every_move_moves(move: Move) -> None:
    """The last frame is another than the first, and no frame shows a hole."""
    frames = flown(move)
    assert difference(frames[0], frames[-1]) > 3
    assert min(int(frame.max(axis=2).min()) for frame in frames) > 30


def test_zooming_in_enlarges() -> None:
    """At a zoom of 1.3 the dot in the middle has about 1.3 x 1.3 as many pixels, and stays in the middle."""
    frames = flown(Move(zoom=1.3))
    (x0, y0, before), (x1, y1, after) = dot(frames[0]), dot(frames[-1])
    assert 1.45 < after / before < 2.0
    assert (x1, y1) == pytest.approx((x0, y0), abs=2)


def test_zooming_out_shows_more() -> None:
    """At a zoom of 0.8 the picture has shrunk within a surrounding that was not there before."""
    move = Move(zoom=0.8)
    frames = flown(move, surround(drawn(), 0.125), border=0.125)
    assert difference(frames[0], drawn()) < 4
    assert 0.5 < dot(frames[-1])[2] / dot(frames[0])[2] < 0.8
    corner = frames[-1][HEIGHT // 8 + 3, WIDTH // 8 + 3].astype(int)
    assert corner[0] > corner[1] + 40  # the red quarter begins further in now


@pytest.mark.parametrize(
    ("move", "axis", "sign"), [(Move(x=1), 0, -1), (Move(x=-1), 0, 1), (Move(y=1), 1, -1), (Move(y=-1), 1, 1)]
)
def test_pan_and_tilt_go_the_right_way(move: Move, axis: int, sign: int) -> None:
    """A camera that goes right sees things go left, and it travels a tenth of the picture at least."""
    frames = flown(move)
    went = dot(frames[-1])[axis] - dot(frames[0])[axis]
    assert sign * went > 0.08 * (WIDTH, HEIGHT)[axis]
    assert abs(dot(frames[-1])[1 - axis] - dot(frames[0])[1 - axis]) < 3


def test_a_tilt_uses_what_the_crop_left() -> None:
    """A photograph taller than 16:9 has rows above the window: a tilt shows them without zooming."""
    tall = drawn(WIDTH, 120)
    tall[:15] = (250, 20, 200)  # cut off in the beginning
    frames = flown(Move(y=-1), tall)
    assert (frames[0][..., 0].astype(int) - frames[0][..., 1]).max() < 200
    assert difference(frames[-1][2:12], np.array((250, 20, 200), np.uint8)) < 12
    assert dot(frames[-1])[2] == pytest.approx(dot(frames[0])[2], rel=0.1)


def test_a_roll_turns() -> None:
    """The camera turns clockwise, so what is right of the middle goes up."""
    picture = np.full((HEIGHT, WIDTH, 3), 80, np.uint8)
    picture[40:50, 120:130] = 250
    frames = flown(Move(roll=0.15), picture)
    assert dot(frames[-1])[1] < dot(frames[0])[1] - 3


def test_an_orbit_shifts_near_against_far() -> None:
    """Swinging round, what is low in the picture goes one way and what is high the other."""
    picture = np.full((HEIGHT, WIDTH, 3), 80, np.uint8)
    picture[6:12, 78:82] = picture[-12:-6, 78:82] = 250
    last = flown(Move(orbit=0.08), picture)[-1]
    assert dot(last[HEIGHT // 2 :])[0] < dot(last[: HEIGHT // 2])[0] - 3


def test_a_single_frame_is_the_picture() -> None:
    """One frame is enough to be asked for."""
    assert difference(flown(GENTLE, frames=1)[0], drawn()) < 4


def test_movement_is_smoother_than_pixels() -> None:
    """In a slow zoom no step of the dot's size is more than a quarter away from the steps around it."""
    sizes = []
    for frame in fly(Plate.lay(drawn(), WIDTH, HEIGHT, 5), Move(zoom=1.1), 30):
        luma = plane(frame, 0).astype(float)
        sizes.append(np.clip(luma - 150, 0, None).sum())
    bend = np.abs(np.diff(sizes, 2))[3:-3]
    assert bend.max() < 0.03 * sizes[0]


def test_ease_sets_off_and_arrives_slowly() -> None:
    """It starts at 0, ends at 1, never turns back and is steepest in the middle."""
    way = np.array([ease(t) for t in np.linspace(0, 1, 101)])
    assert way[0] == 0
    assert way[50] == pytest.approx(0.5)
    assert way[-1] == 1
    assert (np.diff(way) > 0).all()
    assert np.diff(way)[50] > 3 * np.diff(way)[0]


def test_nearness_of_a_scene() -> None:
    """What is low is near, what is high is far, and a picture without any detail is no trouble."""
    depth = nearness(Plate.lay(np.full((HEIGHT, WIDTH, 3), 90, np.uint8), WIDTH, HEIGHT, 3))
    assert depth.shape == (HEIGHT, WIDTH)
    assert depth[-5].mean() > 0.2
    assert depth[5].mean() < -0.2


@pytest.mark.parametrize("name", [f"{room}-{time}" for room in ROOMS for time in ("day", "night")])
def test_nearness_of_a_room(name: str) -> None:
    """The far wall is far and flat; floor, ceiling and both side walls come nearer towards the frame's edges."""
    depth = nearness(Plate.lay(read(photograph(name), 854, 480), 854, 480, 3))
    assert depth[200:240, 390:460].max() < -0.3
    for edge in (depth[-10:], depth[:, :10], depth[:, -10:], depth[:10]):
        assert edge.mean() > -0.2
    assert depth[-10:].mean() > 0.3


def test_a_picture_of_no_room_has_no_vanishing_point() -> None:
    """Blots run nowhere: what is at the sides is no nearer than the middle."""
    noise = blur(np.random.default_rng(1).normal(128, 400, (3, 360, 640)).astype(np.float32), 4)
    picture = np.clip(np.moveaxis(noise, 0, 2), 0, 255).astype(np.uint8)
    depth = nearness(Plate.lay(picture, 640, 360, 3))
    assert depth[:, :20].mean() < depth[:, 300:340].mean()


def test_what_surrounds_a_picture_is_no_part_of_its_depth() -> None:
    """Before a border is added and after, the room is the same room."""
    picture = read(photograph("living"), 854, 480)
    plain = nearness(Plate.lay(picture, 854, 480, 3))
    bordered = nearness(Plate.lay(surround(picture, 0.125), 854, 480, 3, 0.125))
    top, left = (bordered.shape[0] - 480) // 2, (bordered.shape[1] - 854) // 2
    assert np.abs(bordered[top : top + 480, left : left + 854] - plain).mean() < 0.03


def marked(low: float) -> Bytes:
    """A room with a mark on its far wall and one on its floor, in colours of their own."""
    picture = read(photograph("living"), 854, 480).copy()
    rows, columns = picture.shape[:2]
    for down, across, colour in ((0.42, 0.45, (255, 0, 255)), (low, 0.45, (0, 255, 255))):
        y, x = int(rows * down), int(columns * across)
        picture[y - rows // 60 : y + rows // 60, x - columns // 100 : x + columns // 100] = colour
    return picture


def marks(frame: Bytes) -> tuple[tuple[float, float, int], tuple[float, float, int]]:
    """Column, row and pixels of the far mark and of the near one."""
    red, green, blue = (frame[..., n].astype(int) for n in range(3))
    found = [np.nonzero(mark) for mark in ((np.minimum(red, blue) - green > 90), (np.minimum(green, blue) - red > 90))]
    (y0, x0), (y1, x1) = found
    return (float(x0.mean()), float(y0.mean()), x0.size), (float(x1.mean()), float(y1.mean()), x1.size)


def travelled(move: Move, low: float) -> list[tuple[tuple[float, float, int], tuple[float, float, int]]]:
    first, *_, last = fly(Plate.lay(marked(low), 854, 480, 3), move, 25)
    return [marks(shown(frame)) for frame in (first, last)]


@pytest.mark.parametrize("way", [1, -1])
def test_an_orbit_has_parallax(way: int) -> None:
    """The mark on the floor goes across the frame by more than three hundredths of it against that on the far wall."""
    (far0, near0), (far1, near1) = travelled(Move(orbit=0.045 * way), 0.93)
    assert way * ((near0[0] - near1[0]) - (far0[0] - far1[0])) > 0.03 * 854


def test_a_dolly_has_parallax_and_a_zoom_next_to_none() -> None:
    """Going nearer, the floor before the camera grows by far more than the wall behind; a lens enlarges both alike."""
    ratios = []
    for move in (Move(zoom=1.3, depth=1), Move(zoom=1.3)):
        (far0, near0), (far1, near1) = travelled(move, 0.78)
        ratios.append((near1[2] / near0[2]) / (far1[2] / far0[2]))
    assert ratios[0] > 1.35
    assert ratios[1] < 1.25


def test_a_camera_that_travels_sideways_has_parallax() -> None:
    """What is near passes by faster than what is far; under a head that turns both pass alike."""
    (far0, near0), (far1, near1) = travelled(Move(x=1, depth=1), 0.84)
    assert near0[0] - near1[0] > far0[0] - far1[0] + 0.03 * 854
    (far0, near0), (far1, near1) = travelled(Move(x=1), 0.84)
    assert near0[0] - near1[0] == pytest.approx(far0[0] - far1[0], abs=0.02 * 854)


@pytest.mark.parametrize("move", [Move(orbit=0.045), Move(zoom=1.3, depth=1), Move(x=-1, depth=1)])
def test_a_straight_line_on_a_wall_stays_straight(move: Move) -> None:
    """Walls are planes: after the move the upper edge of the blue wall is still a line, to two pixels."""
    *_, last = fly(Plate.lay(read(photograph("living"), 854, 480), 854, 480, 3), move, 25)
    columns = np.arange(300, 520, 8)
    edge = (plane(last, 0)[:, columns] < 110).argmax(axis=0)
    bend = edge - np.polyval(np.polyfit(columns, edge, 1), columns)
    assert np.abs(bend).max() < 2


def test_a_camera_at_rest_shows_the_same_frame_again_and_again() -> None:
    """Static is static, to the last bit."""
    frames = [plane(frame, 0).copy() for frame in fly(Plate.lay(drawn(), WIDTH, HEIGHT, 5), Move(), 5)]
    assert all((frame == frames[0]).all() for frame in frames)


def test_a_plate_at_rest_gives_the_pictures_own_pixels() -> None:
    """With tiles of two and of four pixels, also where the width is no multiple of four."""
    picture = np.random.default_rng(1).integers(60, 190, (90, 162, 3)).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p", dst_colorspace="ITU709")
    plate = Plate.lay(picture, 162, 90, 3)
    for tile in (2, 4):
        x, y = plate.grid(tile)
        rest = plate.develop(plate.pick(x, y, 1.0, tile))
        assert np.abs(plane(rest, 0).astype(int) - plane(frame, 0)).mean() < 6


@pytest.mark.parametrize(
    ("prompt", "move"),
    [
        ("", GENTLE),
        ("Peaceful living room ambiance", GENTLE),
        ("Smooth day to night transition", GENTLE),
        ("zoom in", Move(zoom=1.3)),
        ("The camera pushes in", Move(zoom=1.3, depth=1)),
        ("dolly forward into the room", Move(zoom=1.3, depth=1)),
        ("walk through the house", Move(zoom=1.3, depth=1)),
        ("a smooth glide forward", Move(zoom=1.3, depth=1)),
        ("close-up of the vase", Move(zoom=1.3)),
        ("Zoom out to reveal the room", Move(zoom=0.8)),
        ("the camera pulls back", Move(zoom=0.8)),
        ("step back", Move(zoom=0.8, depth=1)),
        ("zoom in, then zoom out", Move(zoom=1.3)),
        ("pan left", Move(x=-1)),
        ("The camera slides to the right", Move(x=1, depth=1)),
        ("drift left", Move(x=-1, depth=1)),
        ("We fly over the house and move right", Move(x=1, depth=1)),
        ("pan from left to right", Move(x=1)),
        ("pan from the right to the left", Move(x=-1)),
        ("a panorama", Move(x=1)),
        ("tilt up", Move(y=-1)),
        ("rising shot", Move(y=-1)),
        ("crane shot going down", Move(y=1)),
        ("the camera is rising", Move(y=-1)),
        ("rising sun", GENTLE),
        ("roll", Move(roll=0.1)),
        ("rotate counter-clockwise", Move(roll=-0.1)),
        ("orbit around the table", Move(orbit=0.045)),
        ("orbit to the left", Move(orbit=-0.045)),
        ("rotate around the sofa", Move(orbit=0.045)),
        ("moving around the room", Move(orbit=0.045)),
        ("pan left and zoom in", Move(zoom=1.3, x=-1)),
        ("no zoom, pan left", Move(x=-1)),
        ("don't pan left", GENTLE),
        ("ZOOM IN", Move(zoom=1.3)),
        ("zoom in, then hold, static", Move(zoom=1.3)),
    ],
)
def test_direct(prompt: str, move: Move) -> None:
    """The words of a prompt choose the move; what comes first counts, what is not wanted is left out."""
    assert direct(prompt) == move


@pytest.mark.parametrize(
    "prompt",
    [
        "static shot",
        "Static camera, steam rises from the cup",
        "no camera movement, curtains sway in the breeze",
        "without any camera motion",
        "The camera does not move",
        "the camera doesn't move; waves roll in",
        "camera stays perfectly still while rain falls down",
        "locked-off shot, leaves drift left",
        "fixed camera angle, a fan rotating",
        "tripod shot of a kettle",
        "static shot, no zoom",
        "Nothing moves",
    ],
)
def test_static_is_at_rest(prompt: str) -> None:
    """However it is said, and whatever else moves in the picture."""
    assert direct(prompt) == Move()


@pytest.mark.parametrize(
    "prompt",
    [
        "Steam rising from the cup",
        "Rising steam",
        "rain falling down the window",
        "curtains move to the left",
        "Leaves drift down",
        "clouds move to the right",
        "the ceiling fan is rotating",
        "a rotating fan",
        "rolling hills",
        "a cat walks in",
        "people turn around",
        "A woman walks towards the window",
        "shadows slowly move right",
        "flames twist and rise",
        "Some petals spin, they turn left",
        "the train moves forward",
        "an arc lamp, a tripod lamp",
    ],
)
def test_what_moves_in_the_picture_moves_no_camera(prompt: str) -> None:
    """A verb belongs to its subject: only the camera's own, or one without any, is a direction."""
    assert direct(prompt) == GENTLE


@pytest.mark.parametrize(
    ("prompt", "move"),
    [
        ("the camera pans left while curtains move to the right", Move(x=-1)),
        ("zoom in on the steaming cup", Move(zoom=1.3)),
        ("snow falling as the camera rises", Move(y=-1)),
        ("steam rises, camera pushes in", Move(zoom=1.3, depth=1)),
        ("The curtains sway and the camera orbits left", Move(orbit=-0.045)),
        ("rotating, steam in the air", Move(roll=0.1)),
    ],
)
def test_both_may_move(prompt: str, move: Move) -> None:
    """The camera's move is heard beside what the things do."""
    assert direct(prompt) == move


def test_direct_hears_haste() -> None:
    """Slow moves are smaller and quick ones larger, within what the picture gives."""
    assert 1 < direct("slowly zoom in").zoom < 1.3 < direct("fast zoom in").zoom
    assert direct("zoom out slowly").zoom > 0.8
    assert direct("slow pan left").x == -0.7
    assert direct("quick pan left").x == -1
    assert direct("dramatic orbit").orbit > 0.045
