"""From a first picture to a last one."""

from collections.abc import Iterator

import av
import numpy as np

from ideal_async.sandbox._camera import Plate, ease


def morph(first: Plate, last: Plate, frames: int) -> Iterator[av.VideoFrame]:
    """Go from exactly the first picture to exactly the last."""
    x, y = first.grid()
    before, after = first.pick(x, y), last.pick(x, y)
    change = after.astype(np.int16) - before
    for index in range(frames):
        share = np.int16(round(128 * ease(index / max(1, frames - 1))))
        yield first.develop((before + (change * share >> 7)).astype(np.uint8))
