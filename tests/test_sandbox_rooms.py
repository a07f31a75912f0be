"""The sandbox's own pictures."""

import io

import av
import pytest

from ideal_async.sandbox._rooms import ROOMS, photograph


@pytest.mark.parametrize("light", ["day", "night"])
@pytest.mark.parametrize("kind", ROOMS)
def test_every_room_is_there(kind: str, light: str) -> None:
    """Each kind of room has a picture by day and one by night, which can be decoded."""
    with av.open(io.BytesIO(photograph(f"{kind}-{light}")), "r", format="webp_pipe") as box:
        picture = next(box.decode(video=0))
    assert (picture.width, picture.height) == (1280, 720)


def test_the_vendors_examples_are_one_room() -> None:
    """`room-day` and `room-night` of the vendor's page show the same room in two lights."""
    assert photograph("https://example.com/room.jpg") == photograph("room-day.jpg") == photograph("living")
    assert photograph("https://example.com/room-night.jpg") == photograph("living-night")


def test_other_names_get_a_room_of_their_own_choice() -> None:
    """Any name brings a picture, always the same, and names differ in what they bring."""
    pictures = [photograph(f"https://example.com/{number}.jpg") for number in range(40)]
    assert pictures == [photograph(str(number)) for number in range(40)]
    assert len(set(pictures)) == len(ROOMS)


def test_the_rooms_weigh_less_than_a_megabyte() -> None:
    """Whoever only wants the client installs them too; the README says what they weigh."""
    assert sum(len(photograph(f"{kind}-{light}")) for kind in ROOMS for light in ("day", "night")) < 1_000_000
