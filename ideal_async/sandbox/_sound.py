"""Ambience for a clip, keyed by the words of its prompt."""

import re

import numpy as np

from ideal_async.sandbox._pictures import Floats

#: Samples each second, for each ear: what video files use.
RATE = 48_000

#: Words; low and high cut in hertz, slope of the noise, swell in seconds, loudness, tones in hertz.
AIRS: tuple[tuple[str, float, float, float, float, float, tuple[float, ...]], ...] = (
    (r"\b(?:sea|ocean|wave|beach)", 40, 2500, 0.9, 6.0, 0.9, ()),
    (r"\b(?:rain|storm|shower|water)", 400, 9000, 0.2, 0.0, 0.4, ()),
    (r"\b(?:wind|breeze|mountain|snow)", 120, 900, 0.8, 4.0, 0.8, ()),
    (r"\b(?:city|street|traffic)", 30, 400, 1.1, 9.0, 0.9, ()),
    (r"", 60, 500, 1.0, 8.0, 0.25, (110.0, 164.8, 220.0, 277.2)),
)


def ambience(prompt: str, seconds: int) -> Floats:
    """Stereo sound of exactly this length, the same for the same prompt, shape (2, samples)."""
    _, low, high, slope, swell, level, tones = next(a for a in AIRS if re.search(a[0], prompt, re.IGNORECASE))
    count = seconds * RATE
    time = np.arange(count, dtype=np.float32) / np.float32(RATE)
    hertz = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 1.0).astype(np.float32)
    noise = np.random.default_rng([1, *prompt.encode()]).standard_normal((2, count), np.float32)
    coloured = np.fft.rfft(noise) * (hertz**-slope / (1 + (low / hertz) ** 4) / (1 + (hertz / high) ** 4))
    sound = np.fft.irfft(coloured, count).astype(np.float32)
    sound *= np.float32(0.25 * level) / sound.std()
    if swell:
        sound *= np.float32(0.55) + np.float32(0.45) * np.sin(time * np.float32(2 * np.pi / swell))
    for index, tone in enumerate(tones):
        breath = np.float32(0.6) + np.float32(0.4) * np.sin(time * np.float32(2 * np.pi / (5 + index)))
        sound += np.float32(0.05) * np.sin(time * np.float32(2 * np.pi * tone)) * breath
    fade = np.minimum(1, np.minimum(time, seconds - time) / np.float32(0.4))
    faded: Floats = np.clip(sound * fade, -1, 1).astype(np.float32)
    return faded
