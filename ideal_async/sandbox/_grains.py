"""Small sounds, each made in a moment: a drop, a crackle, a bird's phrase, a passing car."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (numpy's stubs leave ranges of floats unknown)

import math
from collections.abc import Callable

import numpy as np

from ideal_async.sandbox._pictures import Floats

#: Samples each second, for each ear: what video files use.
RATE = 48_000
TURN = np.float32(2 * math.pi)


def _time(seconds: float) -> Floats:
    return np.arange(int(seconds * RATE), dtype=np.float32) / np.float32(RATE)


def _struck(time: Floats, decay: float) -> Floats:
    """How loud something struck at the start still is."""
    result: Floats = np.exp(-time * np.float32(decay)) * np.minimum(1, time * np.float32(2000))
    return result


def _bell(time: Floats) -> Floats:
    """From nothing to nothing, loudest in the middle."""
    result: Floats = np.sin(np.linspace(0, math.pi, time.size, dtype=np.float32)) ** 2
    return result


def _drop(random: np.random.Generator) -> Floats:
    time = _time(0.05)
    pitch = random.uniform(900, 3200)
    return _struck(time, 110) * np.sin(time * TURN * np.float32(pitch) * (1 + 3 * time)) * _chance(random)


def _bubble(random: np.random.Generator) -> Floats:
    """A bubble that breaks: a short tone that rises (Minnaert, 1933)."""
    time = _time(0.09)
    pitch = random.uniform(280, 900)
    return _struck(time, 45) * np.sin(TURN * np.float32(pitch) * (time + 5 * time * time)) * _chance(random)


def _crackle(random: np.random.Generator) -> Floats:
    time = _time(0.02)
    return _struck(time, random.uniform(300, 1500)) * random.standard_normal(time.size, np.float32) * _chance(random)


def _snap(random: np.random.Generator) -> Floats:
    """A log that cracks: a few crackles close together, and the thud of wood."""
    time = _time(0.16)
    thud = np.sin(time * TURN * np.float32(random.uniform(140, 260))) * np.float32(0.5)
    noise = random.standard_normal(time.size, np.float32) * (random.random(time.size) < np.exp(-time * 18) * 0.12)
    result: Floats = _struck(time, 28) * (thud + noise * 2).astype(np.float32)
    return result


def _chirp(random: np.random.Generator) -> Floats:
    """A small bird: one syllable, some times."""
    count, pitch, bend = random.integers(2, 6), random.uniform(3200, 5200), random.uniform(-9000, 9000)
    time = _time(random.uniform(0.05, 0.09))
    syllable = np.sin(TURN * (np.float32(pitch) * time + np.float32(bend) * time * time)) * _bell(time)
    pause = np.zeros(int(random.uniform(0.03, 0.06) * RATE), np.float32)
    result: Floats = np.tile(np.concatenate([syllable, pause]), count) * np.float32(random.uniform(0.3, 0.8))
    return result


def _song(random: np.random.Generator) -> Floats:
    """A thrush: whistled notes, each gliding to where the next one might begin."""
    notes: list[Floats] = []
    for _ in range(random.integers(3, 6)):
        time = _time(random.uniform(0.09, 0.22))
        start, end = random.uniform(1900, 3400, 2)
        phase = start * time + (end - start) * time * time / (2 * time[-1])
        notes += [np.sin(TURN * phase.astype(np.float32)) * _bell(time), np.zeros(int(0.05 * RATE), np.float32)]
    return np.concatenate(notes) * np.float32(0.7)


def _cricket(random: np.random.Generator) -> Floats:
    time = _time(random.uniform(0.4, 0.8))
    trill = np.clip(np.sin(time * TURN * 31), 0, 1) * _bell(time)
    result: Floats = trill * np.sin(time * TURN * np.float32(random.uniform(4100, 4600)))
    return result


def _tick(random: np.random.Generator) -> Floats:
    time = _time(0.03)
    result: Floats = _struck(time, 260) * np.sin(time * TURN * np.float32(random.choice([1900.0, 2300.0])))
    return result


def _car(random: np.random.Generator) -> Floats:
    """A car that passes: tyres hiss and an engine hums, lower once it has gone by (Doppler, 1842)."""
    time = _time(random.uniform(2.2, 3.4))
    hiss = random.standard_normal(time.size, np.float32)
    for size in (23, 13, 7):  # three means in a row leave what is below 1,500 hertz
        hiss = np.convolve(hiss, np.full(size, 1 / size, np.float32), "same")
    gone = np.tanh((time - time[-1] / 2) * 2)
    pitch = np.cumsum(np.float32(random.uniform(75, 110)) * (1 - np.float32(0.09) * gone)) / np.float32(RATE)
    engine = (
        np.sin(TURN * pitch) + np.float32(0.6) * np.sin(TURN * pitch * 2) + np.float32(0.3) * np.sin(TURN * pitch * 3)
    )
    return (2.2 * hiss + 0.3 * engine).astype(np.float32) * _bell(time) ** 2


def _horn(random: np.random.Generator) -> Floats:
    """Somebody sounds a horn some streets away."""
    time = _time(random.uniform(0.18, 0.4))
    pitch = np.float32(random.uniform(380, 460))
    chord = sum(np.sin(TURN * pitch * np.float32(n) * time) / np.float32(n) for n in (1, 1.25, 2, 2.5, 3))
    return np.asarray(chord * np.minimum(1, np.minimum(time, time[-1] - time) * 40), np.float32) * np.float32(0.25)


def _voice(random: np.random.Generator) -> Floats:
    """A murmur across the room: a few syllables of a voice, no words."""
    pitch = random.uniform(95, 220)
    parts: list[Floats] = []
    for _ in range(random.integers(3, 8)):
        time = _time(random.uniform(0.09, 0.2))
        first, second = random.uniform(300, 800), random.uniform(900, 2200)
        tone = np.zeros_like(time)
        for n in range(1, 16):
            hertz = n * pitch
            strong = math.exp(-(((hertz - first) / 180) ** 2)) + 0.5 * math.exp(-(((hertz - second) / 250) ** 2)) + 0.02
            tone += np.sin(TURN * np.float32(hertz) * (1 - np.float32(0.3) * time) * time) * np.float32(strong)
        parts += [tone * _bell(time), np.zeros(int(random.uniform(0.01, 0.09) * RATE), np.float32)]
        pitch *= random.uniform(0.92, 1.06)
    return np.concatenate(parts) * np.float32(random.uniform(0.3, 0.8))


def _clink(random: np.random.Generator) -> Floats:
    """A cup set down on its saucer."""
    time = _time(0.12)
    pitch = random.uniform(2600, 4200)
    return (
        _struck(time, 50)
        * sum(
            (np.sin(time * TURN * np.float32(pitch * n)) / np.float32(n) for n in (1, 1.52, 2.31)), np.zeros_like(time)
        )
        * np.float32(0.5)
    )


def _chance(random: np.random.Generator) -> np.float32:
    """A strength: most are weak and a few strong, as drops and sparks are."""
    return np.float32(0.1 + 0.9 * random.random() ** 3)


GRAINS: dict[str, Callable[[np.random.Generator], Floats]] = {
    "drop": _drop,
    "bubble": _bubble,
    "crackle": _crackle,
    "snap": _snap,
    "chirp": _chirp,
    "song": _song,
    "cricket": _cricket,
    "tick": _tick,
    "car": _car,
    "horn": _horn,
    "voice": _voice,
    "clink": _clink,
}
