"""Pictures given the shape of a video, and something around them."""

import av
import numpy as np
from numpy.typing import NDArray

from ideal_async.sandbox._pictures import Bytes, Floats, to_rgb

#: Least share of a photograph that a crop to the video's shape may keep; 4:3 (0.75) is cropped, 1:1 (0.56) is framed.
KEPT = 0.7
#: Widths of the two pictures, out of focus and far out of focus, that a surrounding fades into, in pixels.
SOFT, SOFTER = 96, 16
#: Share of the shorter side within which a surrounding has gone out of focus, and then far out of focus.
NEAR, FAR = 0.08, 0.5
#: Share of the shorter side that a surrounding mirrors, stretched the farther out: a second face must not appear.
MIRRORED = 0.14
#: How much darker a surrounding is at its far end: the eye stays with the picture.
SHADE = 0.12


def shape(rgb: Bytes, width: int, height: int) -> Bytes:
    """Give a picture a shape that a width x height video can show.

    A photograph that loses little is left alone, for the camera to crop. One that would lose much (a square, a
    portrait, a panorama) is shown whole, and goes on beyond its edges out of focus.
    """
    rows, columns = rgb.shape[:2]
    ratio = columns * height / (rows * width)
    if min(ratio, 1 / ratio) >= KEPT:
        return rgb
    larger = max(1.0, min(1.4, max(columns / width, rows / height)))  # keep what detail the photograph has
    wide, tall = round(width * larger / 2) * 2, round(height * larger / 2) * 2
    fit = min(wide / columns, tall / rows)
    across, down = max(1, round(columns * fit)), max(1, round(rows * fit))
    front = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    front = front.reformat(across, down, interpolation="BICUBIC" if fit > 1 else "AREA")
    left, top = (wide - across) // 2, (tall - down) // 2
    return _surrounded(to_rgb(front), (top, tall - down - top), (left, wide - across - left))


def surround(rgb: Bytes, share: float) -> Bytes:
    """Add a border, a share of the size, on every side."""
    down, across = (round(size * share) for size in rgb.shape[:2])
    return _surrounded(rgb, (down, down), (across, across))


def _surrounded(rgb: Bytes, down: tuple[int, int], across: tuple[int, int]) -> Bytes:
    """A picture that goes on beyond its edges: as its mirror image, which has no seam, soon stretched and out of focus.

    Args:
        rgb: the picture, which stays as it is.
        down: rows to add above and below.
        across: columns to add left and right.
    """
    size = np.float32(min(rgb.shape[:2]))
    (rows, away_y), (columns, away_x) = (
        _beyond(length, border, size * np.float32(MIRRORED))
        for length, border in zip(rgb.shape[:2], (down, across), strict=True)
    )
    wide: Bytes = rgb[rows][:, columns]
    away = away_y[:, None] / size, away_x[None, :] / size
    soft = _unfocused(wide, *away)
    top, bottom, left, right = down[0], rows.size - down[1], across[0], columns.size - across[1]
    for slab in (np.s_[:top, :], np.s_[bottom:, :], np.s_[top:bottom, :left], np.s_[top:bottom, right:]):
        near = _step(np.hypot(away[0][slab[0]], away[1][:, slab[1]]) / np.float32(NEAR)) * np.float32(128)
        sharp = wide[slab].astype(np.int16)  # 255 x 128 fits, and whole numbers are twice as fast
        wide[slab] = sharp + ((soft[slab] - sharp) * near.astype(np.int16)[..., None] >> 7)
    return wide


def _beyond(length: int, border: tuple[int, int], reach: np.float32) -> tuple[NDArray[np.intp], Floats]:
    """For every place on a line with borders: which place of the picture it shows, and how far outside it is."""
    at = np.arange(-border[0], length + border[1])
    away = np.maximum(0, np.maximum(-at, at - (length - 1))).astype(np.float32)
    back = np.minimum(reach * (1 - np.exp(-np.maximum(0, away - 1) / max(reach, np.float32(1)))), length - 1)
    return np.where(at < 0, back, np.where(at >= length, length - 1 - back, at)).astype(np.intp), away


def _step(way: Floats) -> Floats:
    """0 to 1, setting off and arriving without a jolt: an eye sees a bend in the light as a line (Mach, 1865)."""
    way = np.clip(way, 0, 1)
    result: Floats = way * way * (3 - 2 * way)
    return result


def _unfocused(rgb: Bytes, away_y: Floats, away_x: Floats) -> Bytes:
    """The picture out of focus; the farther away from its middle part, the more so, and the darker.

    All this is done with as few columns as are seen in the end.
    """
    rows, columns = rgb.shape[:2]
    small = _scaled(rgb, SOFT, max(2, SOFT * rows // columns), "AREA")
    tall, wide = small.shape[:2]
    softer = _scaled(_scaled(small, SOFTER, max(2, SOFTER * rows // columns), "AREA"), wide, tall, "BICUBIC")
    away = np.hypot(away_y[_middles(tall, rows)], away_x[:, _middles(wide, columns)])
    far = _step(away / np.float32(FAR))[..., None]
    mixed = (small + far * (softer.astype(np.float32) - small)) * (1 - np.float32(SHADE) * far)
    return _scaled(mixed.astype(np.uint8), columns, rows, "BICUBIC")


def _middles(few: int, many: int) -> NDArray[np.intp]:
    """The places in the middle of *few* equal parts of *many*."""
    middles: NDArray[np.intp] = (np.arange(few) * 2 + 1) * many // (2 * few)
    return middles


def _scaled(rgb: Bytes, columns: int, rows: int, way: str) -> Bytes:
    return to_rgb(av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(columns, rows, interpolation=way))
