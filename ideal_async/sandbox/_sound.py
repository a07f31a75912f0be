"""Ambience for a clip: air, now and then a small sound, and a quiet chord, keyed by the words of its prompt."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (numpy's stubs leave ranges of floats unknown)

import math
import re

import attrs
import numpy as np

from ideal_async.sandbox._pictures import Floats

#: Samples each second, for each ear: what video files use.
RATE = 48_000
#: Seconds over which a clip's sound comes and goes: cut off, it would click.
FADE = 0.4
#: Hertz of four chords (A minor 7, F major 7, C major, G sixth) that follow one another without calling attention.
CHORDS = (
    (110.0, 164.8, 196.0, 261.6),
    (87.3, 130.8, 164.8, 220.0),
    (130.8, 164.8, 196.0, 246.9),
    (98.0, 146.8, 196.0, 246.9),
)


@attrs.frozen
class Air:
    """What a place sounds like.

    Args:
        words: a pattern of the words that call it.
        low: hertz under which its noise falls off.
        high: hertz over which it falls off.
        slope: how much weaker higher noise is; 0 hisses, 1 rumbles.
        swell: seconds from wave to wave; 0 is steady.
        level: loudness of the noise, root mean square.
        grain: the small sound in it, if any.
        often: how many of them in a second.
        chord: loudness of the chords.
    """

    words: str
    low: float
    high: float
    slope: float
    swell: float = 0.0
    level: float = 0.1
    grain: str = ""
    often: float = 0.0
    chord: float = 0.0


AIRS = (
    Air(r"\b(?:sea|ocean|wave|beach|coast|surf)", 40, 2500, 0.9, swell=5.5, level=0.16),
    Air(r"\b(?:rain|storm|drizzl|shower|bath)", 400, 9000, 0.2, level=0.07, grain="drop", often=9),
    Air(r"\b(?:river|stream|fountain|water|pool|lake)", 300, 5000, 0.4, swell=2.2, level=0.08, grain="drop", often=4),
    Air(r"\b(?:fire|hearth|candle|flame|cabin)", 50, 900, 1.0, level=0.06, grain="crackle", often=10),
    Air(
        r"\b(?:bird|garden|forest|morning|spring|park|terrace|balcony|sunny|sunrise)",
        150,
        3000,
        0.8,
        6.0,
        0.035,
        "chirp",
        1.6,
    ),
    Air(r"\b(?:cricket|night|evening|midnight)", 60, 700, 1.0, 7.0, 0.03, "cricket", 1.4, 0.02),
    Air(r"\b(?:wind|breez|curtain|snow|mountain|desert)", 120, 900, 0.8, swell=4.0, level=0.12),
    Air(r"\b(?:city|street|traffic|urban|car)\b", 30, 400, 1.1, swell=9.0, level=0.13),
    Air(r"\b(?:study|office|library|clock|desk)", 60, 500, 1.0, 8.0, 0.025, "tick", 1.0, 0.015),
    Air(r"", 60, 500, 1.0, swell=8.0, level=0.02, chord=0.035),
)


def ambience(prompt: str, seconds: int) -> Floats:
    """Stereo sound of exactly this length, the same for the same prompt, -1 to 1, shape (2, samples).

    >>> ambience("Waves at the beach", 5).shape
    (2, 240000)
    """
    air = next(air for air in AIRS if re.search(air.words, prompt, re.IGNORECASE))
    random = np.random.default_rng([*prompt.encode(), seconds])
    time = np.arange(seconds * RATE, dtype=np.float32) / np.float32(RATE)
    sound = _noise(air, time, random)
    if air.grain:
        _scatter(air, sound, random)
    if air.chord:
        sound += _chords(time) * np.float32(air.chord)
    fade = np.minimum(1, np.minimum(time, seconds - time) / np.float32(FADE))
    result: Floats = np.clip(sound * fade, -1, 1).astype(np.float32)
    return result


def _noise(air: Air, time: Floats, random: np.random.Generator) -> Floats:
    """Noise coloured as the air is, rising and falling like waves."""
    hertz = np.maximum(np.fft.rfftfreq(time.size, 1 / RATE), 1.0).astype(np.float32)
    colour = hertz ** np.float32(-air.slope) / (1 + (air.low / hertz) ** 4) / (1 + (hertz / air.high) ** 4)
    noise = np.fft.irfft(np.fft.rfft(random.standard_normal((2, time.size), np.float32)) * colour, time.size)
    noise = (noise * (air.level / noise.std())).astype(np.float32)
    if air.swell:
        noise *= np.float32(0.6) + np.float32(0.4) * np.sin(
            time * np.float32(2 * math.pi / air.swell) - np.float32(0.8)
        )
    result: Floats = noise
    return result


def _scatter(air: Air, sound: Floats, random: np.random.Generator) -> None:
    """Add the air's small sounds at random moments, from random sides; a clock's at every second from the middle."""
    seconds = sound.shape[1] / RATE
    steady = air.grain == "tick"
    moments: Floats = np.arange(seconds) if steady else random.random(round(seconds * air.often)) * seconds
    for moment in moments.tolist():
        grain = GRAINS[air.grain](random)
        start = int(moment * RATE)
        room = sound[:, start : start + grain.size]
        side = 0.5 if steady else random.uniform(0.15, 0.85)
        ears = np.array([[math.sqrt(1 - side)], [math.sqrt(side)]], np.float32)
        room += ears * grain[: room.shape[1]]


def _fading(seconds: float, decay: float) -> tuple[Floats, Floats]:
    """Time, and how loud something struck at its start still is."""
    time = np.arange(int(seconds * RATE), dtype=np.float32) / np.float32(RATE)
    return time, np.exp(-time * np.float32(decay)) * np.minimum(1, time * np.float32(2000))


def _drop(random: np.random.Generator) -> Floats:
    time, loud = _fading(0.06, 90)
    pitch = random.uniform(700, 2200)
    return (
        loud * np.sin(time * np.float32(2 * math.pi * pitch) * (1 + time * 3)) * np.float32(random.uniform(0.01, 0.04))
    )


def _crackle(random: np.random.Generator) -> Floats:
    _, loud = _fading(0.02, random.uniform(300, 1200))
    return loud * random.standard_normal(loud.size, np.float32) * np.float32(random.uniform(0.02, 0.14))


def _chirp(random: np.random.Generator) -> Floats:
    count, pitch, bend = random.integers(1, 5), random.uniform(2600, 4600), random.uniform(-5000, 6000)
    time = np.arange(int(0.07 * RATE), dtype=np.float32) / np.float32(RATE)
    note = (
        np.sin(np.float32(2 * math.pi) * (pitch * time + bend * time * time))
        * np.sin(time * np.float32(math.pi / 0.07)) ** 2
    )
    pause = np.zeros(int(random.uniform(0.03, 0.07) * RATE), np.float32)
    return np.tile(np.concatenate([note, pause]), count).astype(np.float32) * np.float32(random.uniform(0.01, 0.04))


def _cricket(random: np.random.Generator) -> Floats:
    time = np.arange(int(0.45 * RATE), dtype=np.float32) / np.float32(RATE)
    trill = np.clip(np.sin(time * np.float32(2 * math.pi * 31)), 0, 1) * np.sin(time * np.float32(math.pi / 0.45))
    result: Floats = trill * np.sin(time * np.float32(2 * math.pi * random.uniform(4100, 4500))) * np.float32(0.012)
    return result


def _tick(random: np.random.Generator) -> Floats:
    time, loud = _fading(0.03, 260)
    pitch = random.choice([1900.0, 2300.0])
    result: Floats = loud * np.sin(time * np.float32(2 * math.pi * pitch)) * np.float32(0.06)
    return result


GRAINS = {"drop": _drop, "crackle": _crackle, "chirp": _chirp, "cricket": _cricket, "tick": _tick}


def _chords(time: Floats) -> Floats:
    """Slow soft chords, a little different in each ear."""
    both = np.zeros((2, time.size), np.float32)
    each = time.size // 2 if time.size <= 5 * RATE else time.size // 4
    for index in range(0, time.size, each):
        moment = time[index : index + each] - time[index]
        swell = np.sin(moment * np.float32(math.pi * RATE / each)) ** np.float32(0.8 * 2)
        for place, hertz in enumerate(CHORDS[index // each % len(CHORDS)]):
            wave = moment * np.float32(2 * math.pi * hertz)
            tone = (np.sin(wave) + np.float32(0.25) * np.sin(wave * 2)) * swell
            both[0, index : index + each] += tone * np.float32(1 - 0.18 * place)
            both[1, index : index + each] += tone * np.float32(0.46 + 0.18 * place)
    return both
