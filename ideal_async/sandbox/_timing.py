"""How long a task takes and how its percentage grows: the same for the same seed, for ever."""

import math
from hashlib import blake2b

from ._orders import Order

#: Seconds of processing for a silent five-second Flash clip. The vendor names no figure ("video generation takes
#: longer than image tasks"); the middle one is about what services of this kind take.
SECONDS = {"480p": 40.0, "720p": 60.0, "1080p": 100.0}

#: How much longer each wish takes: twice the frames cost less than twice the time, Flash is "faster generation speed".
LONGER = {"ten seconds": 1.75, "Base": 1.5, "audio": 1.2, "first-last": 1.15}

#: Spread of the durations: standard deviation of their logarithm, so two of three are within 18 %.
SPREAD = 0.18


def roll(*keys: object) -> float:
    """A number from 0 up to 1 that depends on *keys* alone: dice without a state.

    >>> roll(0, "look", 1) == roll(0, "look", 1)
    True
    """
    digest = blake2b(repr(keys).encode("utf-8", "replace"), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / 2**53


def typical_seconds(order: Order) -> float:
    """The median processing time of *order*'s kind, in seconds at speed 1.

    >>> typical_seconds(Order("https://example.com/room.jpg", 5, "720p"))
    60.0
    """
    seconds = SECONDS[order.resolution]
    for wish, wanted in (
        ("ten seconds", order.duration == 10),  # noqa: PLR2004 - the page's second duration
        ("Base", order.model_type == "Base"),
        ("audio", order.generate_audio),
        ("first-last", order.last_image_url is not None),
    ):
        seconds *= LONGER[wish] if wanted else 1
    return seconds


def draw_seconds(order: Order, seed: int, number: int) -> float:
    """The processing time of the *number*th task: log-normal around the typical one."""
    radius = math.sqrt(-2 * math.log(1 - roll(seed, number, "radius")))  # Box-Muller
    return typical_seconds(order) * math.exp(SPREAD * radius * math.cos(math.tau * roll(seed, number, "angle")))


def draw_percentage(share: float, seed: int, number: int) -> int:
    """What the *number*th task shows when *share* (0 to 1) of its time is over: 0 to 99, never falling.

    Four habits seen in services of this kind, one per task: even, slow at both ends, slower and slower, in big steps.
    """
    habit = int(4 * roll(seed, number, "habit"))
    if habit == 0:
        grown = share
    elif habit == 1:
        grown = share * share * (3 - 2 * share)
    elif habit == 2:  # noqa: PLR2004 - the third of four
        grown = 1 - (1 - share) ** 2
    else:
        steps = 4 + int(7 * roll(seed, number, "steps"))
        grown = int(share * steps) / steps
    return min(99, int(100 * grown))
