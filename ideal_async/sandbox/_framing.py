"""Pictures given the shape of a video, and something around them."""

import av
import numpy as np

from ideal_async.sandbox._pictures import Bytes, blur, resize, to_rgb

#: Least share of a photograph that a crop to the video's shape may keep; 4:3 (0.75) is cropped, 1:1 (0.56) is framed.
KEPT = 0.7


def shape(rgb: Bytes, width: int, height: int) -> Bytes:
    """Give a picture a shape that a width x height video can show.

    A photograph that loses little is left alone, for the camera to crop. One that would lose much (a portrait, a
    panorama) is shown whole, before a blurred and darkened enlargement of itself, with a soft shadow.
    """
    rows, columns = rgb.shape[:2]
    ratio = columns * height / (rows * width)
    if min(ratio, 1 / ratio) >= KEPT:
        return rgb
    larger = max(1.0, min(2.0, max(columns / width, rows / height)))  # keep what detail the photograph has
    wide, tall = round(width * larger / 2) * 2, round(height * larger / 2) * 2
    fit = min(wide / columns, tall / rows)
    across, down = max(1, round(columns * fit)), max(1, round(rows * fit))
    front = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    front = front.reformat(across, down, interpolation="BICUBIC" if fit > 1 else "AREA")
    left, top = (wide - across) // 2, (tall - down) // 2
    result = _backdrop(rgb, wide, tall)
    near = np.ones((tall // 4, wide // 4), np.float32)
    near[top // 4 : (top + down) // 4, left // 4 : (left + across) // 4] = 0
    lit = 0.45 + 0.55 * resize(blur(blur(near, tall // 80), tall // 60), tall, wide)
    result = (result * lit[..., None]).astype(np.uint8)
    result[top : top + down, left : left + across] = to_rgb(front)
    return result


def _backdrop(rgb: Bytes, width: int, height: int) -> Bytes:
    """The middle of a picture, enlarged until it covers, out of focus and a little darker."""
    rows, columns = rgb.shape[:2]
    tall, wide = min(rows, max(1, columns * height // width)), min(columns, max(1, rows * width // height))
    top, left = (rows - tall) // 2, (columns - wide) // 2
    middle = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb[top : top + tall, left : left + wide]), format="rgb24")
    small = to_rgb(middle.reformat(64, 36, interpolation="AREA"))
    soft = np.moveaxis(small, 2, 0).astype(np.float32)
    for _ in range(3):  # three means in a row are nearly a Gaussian
        soft = blur(soft, 3)
    return np.stack([resize(channel * np.float32(0.72), height, width) for channel in soft], axis=2).astype(np.uint8)


def surround(rgb: Bytes, share: float) -> Bytes:
    """Add a border, a share of the size, on every side: the mirror image, more out of focus the farther out."""
    rows, columns = rgb.shape[:2]
    down, across = round(rows * share), round(columns * share)
    wide = np.pad(rgb, ((down, down), (across, across), (0, 0)), mode="symmetric")
    frame = av.VideoFrame.from_ndarray(wide, format="rgb24")
    small = to_rgb(frame.reformat(160, 90, interpolation="AREA"))
    soft = blur(blur(np.moveaxis(small, 2, 0).astype(np.float32), 2), 2)
    y = np.abs(np.linspace(-1, 1, len(wide), dtype=np.float32))[:, None] * np.float32(1 + 2 * share) - 1
    x = np.abs(np.linspace(-1, 1, wide.shape[1], dtype=np.float32))[None, :] * np.float32(1 + 2 * share) - 1
    out = np.clip(np.maximum(x, y) / np.float32(share), 0, 1)
    result = np.empty_like(wide)
    for channel in range(3):
        far = resize(soft[channel], *wide.shape[:2])
        result[..., channel] = wide[..., channel] + out * (far - wide[..., channel])
    return result
