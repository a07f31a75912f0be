"""Drawn interiors: the photographs that come with the sandbox."""

import hashlib

import av
import numpy as np

from ideal_async.sandbox._pictures import to_jpeg


def draw_room(name: str, width: int = 1280, height: int = 720) -> bytes:
    """Draw an interior as a JPEG file, always the same for one name; "night" in the name turns the lamps on."""
    night = "night" in name.lower()
    seed = hashlib.sha256(name.lower().replace("night", "").replace("day", "").encode()).digest()
    hue = np.array([seed[0], seed[1], seed[2]], np.float32) / 255 * 0.25 + 0.65
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    far = np.maximum(np.abs(x) / 0.55, np.abs(y) / 0.5)
    light = (0.25 if night else 0.85) / np.maximum(1, far) ** 0.25
    picture = light[..., None] * hue
    picture[(y / 0.5 == far) & (far > 1)] *= np.array([0.7, 0.5, 0.35], np.float32)
    picture[(np.abs(x + 0.1) < 0.25) & (np.abs(y + 0.1) < 0.25)] = (0.05, 0.07, 0.15) if night else (0.75, 0.88, 1)
    frame = av.VideoFrame.from_ndarray((np.clip(picture, 0, 1) * 255).astype(np.uint8), format="rgb24")
    return to_jpeg(frame, bt709=False)
