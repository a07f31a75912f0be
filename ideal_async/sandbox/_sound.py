"""What a clip sounds like: the air of the places that its prompt names, at the loudness of television."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (numpy's stubs leave ranges of floats unknown)

import math

import attrs
import numpy as np
from numpy.typing import NDArray

from ideal_async.sandbox._grains import GRAINS, RATE
from ideal_async.sandbox._loudness import level
from ideal_async.sandbox._pictures import Floats
from ideal_async.sandbox._words import find, wanted

__all__ = ["RATE", "ambience"]

#: Loudness of every clip in LUFS: between television (-23, EBU R 128) and streams (-14), as quiet as a background.
LOUDNESS = -20.0
#: Loudness of a second thing in the air beside the first, in LUFS.
BEHIND = LOUDNESS - 4
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
class Noise:
    """Air, leaves or water: coloured noise.

    Args:
        low: hertz under which it falls off.
        high: hertz over which it falls off.
        slope: how much weaker higher noise is; 0 hisses, 1 rumbles.
        level: root mean square, beside the other layers.
        swell: seconds from wave to wave; 0 is steady.
        late: seconds its waves come after those of another layer.
        gust: how much of it comes and goes at random, 0 to 1.
        rises: how much stronger it has become at the end, 0 to 1.
    """

    low: float
    high: float
    slope: float
    level: float
    swell: float = 0.0
    late: float = 0.0
    gust: float = 0.0
    rises: float = 0.0


@attrs.frozen
class Grains:
    """Small sounds at random moments, from random sides: how many in a second, and how loud."""

    kind: str
    often: float
    level: float
    steady: bool = False  # at every second instead, from the middle


@attrs.frozen
class Tones:
    """Slow soft chords, or the whistle of a kettle."""

    kind: str
    level: float


Layer = Noise | Grains | Tones
Spectrum = NDArray[np.complex64]

#: What each thing sounds like.
AIRS: dict[str, tuple[Layer, ...]] = {
    "rain": (Noise(700, 11000, 0.15, 1.0, gust=0.2), Noise(90, 500, 0.5, 0.25), Grains("drop", 90, 1.6)),
    "sea": (
        Noise(35, 350, 1.0, 0.7, swell=4.6),
        Noise(250, 6000, 0.7, 1.0, swell=4.6, late=0.5),
        Noise(2500, 12000, 0.2, 0.25, swell=4.6, late=1.0),
    ),
    "river": (Noise(250, 4500, 0.5, 0.7, gust=0.3), Grains("bubble", 45, 1.3)),
    "fire": (
        Noise(30, 220, 0.9, 0.5, gust=0.7),
        Noise(900, 5000, 0.6, 0.06, gust=0.8),
        Grains("crackle", 30, 2.5),
        Grains("snap", 2.2, 1.4),
    ),
    "kettle": (Noise(250, 1800, 0.3, 0.3, gust=0.3, rises=0.8), Grains("bubble", 60, 1.0), Tones("whistle", 1.0)),
    "birds": (Noise(150, 2500, 0.9, 0.05, swell=6.0), Grains("chirp", 1.6, 1.0), Grains("song", 0.8, 1.0)),
    "insects": (Noise(60, 700, 1.0, 0.06, swell=7.0), Grains("cricket", 4.0, 1.0)),
    "wind": (Noise(90, 500, 0.7, 1.0, gust=0.9), Noise(450, 1100, 0.2, 0.35, gust=1.0)),
    "street": (Noise(30, 350, 1.0, 0.5, swell=9.0), Grains("car", 0.6, 1.2), Grains("horn", 0.25, 0.6)),
    "people": (Noise(120, 1500, 0.9, 0.1), Grains("voice", 5.0, 0.8), Grains("clink", 0.8, 0.5)),
    "clock": (Noise(60, 500, 1.0, 0.05), Grains("tick", 1.0, 1.0, steady=True)),
    "music": (Tones("chords", 1.0),),
    "room": (Noise(50, 450, 1.0, 0.15), Noise(400, 3000, 0.6, 0.02), Tones("chords", 0.35)),
}
#: Things that are heard as another one is.
AS = {"snow": "wind", "curtains": "wind", "leaves": "wind", "candle": "fire"}


def hear(prompt: str) -> tuple[str, ...]:
    """The one or two airs that a prompt speaks of, in its order; a quiet room when it speaks of none.

    >>> hear("Rain on the window, a fire in the hearth")
    ('rain', 'fire')
    """
    prompt = wanted(prompt)
    found = sorted((at, AS.get(thing, thing)) for thing in (*AIRS, *AS) if (at := _place(thing, prompt)) is not None)
    return tuple(dict.fromkeys(air for _, air in found))[:2] or ("room",)


def _place(thing: str, prompt: str) -> int | None:
    return None if thing == "room" else find(thing, prompt)


def ambience(prompt: str, seconds: int) -> Floats:
    """Stereo sound of exactly this length, the same for the same prompt, -1 to 1, shape (2, samples).

    >>> ambience("Waves at the beach", 5).shape
    (2, 240000)
    """
    random = np.random.default_rng([*prompt.encode(), seconds])
    time = np.arange(seconds * RATE, dtype=np.float32) / np.float32(RATE)
    first, *others = hear(prompt)
    sound = level(_play(AIRS[first], time, random), LOUDNESS)
    for other in others:
        sound = sound + level(_play(AIRS[other], time, random), BEHIND)
    fade = np.minimum(1, np.minimum(time, seconds - time) / np.float32(FADE))
    return level(sound * fade, LOUDNESS)


def _play(layers: tuple[Layer, ...], time: Floats, random: np.random.Generator) -> Floats:
    sound = np.zeros((2, time.size), np.float32)
    white = random.standard_normal((2, time.size // 2 + 1, 2), np.float32).view(np.complex64)[..., 0]
    for number, layer in enumerate(layers):
        if isinstance(layer, Noise):
            sound += _noise(layer, white, number, time, random)
        elif isinstance(layer, Grains):
            _scatter(layer, sound, random)
        else:
            sound += (_chords(time) if layer.kind == "chords" else _whistle(time)) * np.float32(layer.level)
    return sound


def _noise(layer: Noise, white: Spectrum, number: int, time: Floats, random: np.random.Generator) -> Floats:
    """Noise of a colour, which comes and goes."""
    hertz = np.maximum(np.fft.rfftfreq(time.size, 1 / RATE), 1.0).astype(np.float32)
    colour = hertz ** np.float32(-layer.slope) / (1 + (layer.low / hertz) ** 4) / (1 + (hertz / layer.high) ** 4)
    noise = np.fft.irfft(white * colour, time.size).astype(np.float32)
    noise = np.roll(noise, number * RATE, axis=1)  # the same dice from another moment on: new ones cost more than this
    noise *= np.float32(layer.level / noise.std())
    if layer.swell:
        wave = np.float32(0.5) - np.float32(0.5) * np.cos(
            (time - np.float32(layer.late)) * np.float32(2 * math.pi / layer.swell)
        )
        noise *= np.float32(0.15) + np.float32(1.2) * wave * wave
    if layer.gust:
        noise *= 1 - np.float32(layer.gust) * _wander(time, random)
    if layer.rises:
        noise *= 1 - np.float32(layer.rises) * (1 - time / time[-1])
    return noise


def _wander(time: Floats, random: np.random.Generator) -> Floats:
    """0 to 1 and back at random, a new aim every half second."""
    aims = random.random(int(time[-1] * 2) + 3).astype(np.float32)
    at = time * 2
    before = at.astype(np.intp)
    part = (1 - np.cos((at - before) * np.float32(math.pi))) / 2
    result: Floats = aims[before] * (1 - part) + aims[before + 1] * part
    return result


def _scatter(layer: Grains, sound: Floats, random: np.random.Generator) -> None:
    seconds = sound.shape[1] / RATE
    # one in each equal stretch of time, and not all by chance in the same second
    count = max(1, round(seconds * layer.often))
    moments: Floats = (
        np.arange(seconds) if layer.steady else (np.arange(count) + random.random(count)) * seconds / count
    )
    for moment in moments.tolist():
        grain = GRAINS[layer.kind](random)
        start = int(moment * RATE)
        room = sound[:, start : start + grain.size]
        side = 0.5 if layer.steady else random.uniform(0.15, 0.85)
        ears = np.array([[math.sqrt(1 - side)], [math.sqrt(side)]], np.float32) * np.float32(layer.level)
        room += ears * grain[: room.shape[1]]


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


def _whistle(time: Floats) -> Floats:
    """A kettle that begins to whistle half way: two tones that beat, and climb to their pitch."""
    begun = np.clip(time / time[-1] * 2.5 - 1, 0, 1)
    pitch = 1700 + 650 * begun ** np.float32(0.3) + 12 * np.sin(time * np.float32(2 * math.pi * 6))
    phase = np.cumsum(pitch, dtype=np.float64) * (2 * math.pi / RATE)
    tone = (np.sin(phase) + 0.35 * np.sin(phase * 1.19)).astype(np.float32) * begun * begun
    return np.stack([tone, tone * np.float32(0.8)])
