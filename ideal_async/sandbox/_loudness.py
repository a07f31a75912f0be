"""How loud a sound is to people, as broadcasters measure it: ITU-R BS.1770-4."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (numpy's stubs leave ranges of floats unknown)

from functools import cache

import numpy as np

from ideal_async.sandbox._pictures import Floats

#: The two filters of annex 1 at 48,000 samples a second, b0 b1 b2 a1 a2: a head in the sound field, and no rumble.
K_WEIGHTING = (
    (1.53512485958697, -2.69169618940638, 1.19839281085285, -1.69065929318241, 0.73248077421585),
    (1.0, -2.0, 1.0, -1.99004745483398, 0.99007225036621),
)
RATE = 48_000
BLOCK, HOP = 19_200, 4_800  # 400 ms, three quarters of which overlap
SILENCE, QUIETER = -70.0, -10.0  # gates: what is below either, in LUFS and in LU, does not count
#: Highest sample: above it, AAC and cheap loudspeakers distort (EBU R 128 asks for -1 dBTP).
CEILING, KNEE = 0.82, 0.5


def loudness(sound: Floats) -> float:
    """Integrated loudness of a stereo sound, shape (2, samples), in LUFS."""
    size = sound.shape[1]
    heard = np.fft.irfft(np.fft.rfft(sound) * _weights(size), size)
    sums = np.concatenate([[0.0], np.cumsum((heard * heard).sum(axis=0, dtype=np.float64))])
    starts = np.arange(0, size - BLOCK + 1, HOP)
    power = (sums[starts + BLOCK] - sums[starts]) / BLOCK + 1e-12
    for gate in (_power(SILENCE), _power(_lufs(power[power > _power(SILENCE)]) + QUIETER)):
        power = power[power > gate]
    return _lufs(power)


def level(sound: Floats, lufs: float) -> Floats:
    """The same sound at this loudness, its highest peaks rounded off below the ceiling."""
    for _ in range(3):  # rounding peaks off takes some loudness away again
        sound = _rounded(sound * np.float32(10 ** ((lufs - loudness(sound)) / 20)))
    return sound


def _rounded(sound: Floats) -> Floats:
    size = np.abs(sound)
    if size.max() <= KNEE:
        return sound
    room = np.float32(CEILING - KNEE)
    over = size > KNEE
    result = sound.copy()
    result[over] = np.sign(sound[over]) * (KNEE + room * np.tanh((size[over] - np.float32(KNEE)) / room))
    return result


def _lufs(power: Floats) -> float:
    return float(-0.691 + 10 * np.log10(power.mean())) if power.size else SILENCE


def _power(lufs: float) -> float:
    return float(10 ** ((lufs + 0.691) / 10))


@cache
def _weights(size: int) -> Floats:
    """What the filters do to each frequency's strength; what they do to its phase is not heard."""
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(size))
    weight = np.ones(turn.size)
    for b0, b1, b2, a1, a2 in K_WEIGHTING:
        weight *= np.abs((b0 + turn * (b1 + turn * b2)) / (1 + turn * (a1 + turn * a2)))
    return weight.astype(np.float32)
