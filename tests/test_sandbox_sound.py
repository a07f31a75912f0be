"""Ambience keyed by a prompt."""

import numpy as np
import pytest

from ideal_async.sandbox._pictures import Floats
from ideal_async.sandbox._sound import AIRS, RATE, ambience

pytestmark = pytest.mark.slow
PROMPTS = ["waves", "rain", "a river", "by the fire", "a garden", "at night", "wind", "traffic", "a study", "anything"]


def brightness(sound: Floats) -> float:
    """Mean frequency in hertz."""
    power = np.abs(np.fft.rfft(sound[0])) ** 2
    return float((power * np.fft.rfftfreq(sound.shape[1], 1 / RATE)).sum() / power.sum())


@pytest.mark.parametrize("prompt", PROMPTS)
def test_every_air_is_heard_and_never_clipped(prompt: str) -> None:
    """Stereo of exactly five seconds, neither silent nor distorted, and different in each ear."""
    sound = ambience(prompt, 5)
    assert sound.shape == (2, 5 * RATE)
    assert sound.dtype == np.float32
    assert 0.005 < sound.std() < 0.2
    assert np.abs(sound).max() < 0.95
    assert np.abs(sound[0] - sound[1]).max() > 0.001


def test_the_prompts_above_call_all_airs() -> None:
    """Each prompt calls another air."""
    assert len({brightness(ambience(prompt, 5)) for prompt in PROMPTS}) == len(AIRS)


def test_ten_seconds() -> None:
    """Twice as long has twice as many samples, and something to hear to the end."""
    sound = ambience("anything", 10)
    assert sound.shape == (2, 10 * RATE)
    assert sound[:, 8 * RATE : 9 * RATE].std() > 0.002


def test_the_same_prompt_sounds_the_same() -> None:
    """Nothing is left to chance, and another prompt of the same kind is another rain."""
    assert (ambience("rain", 5) == ambience("rain", 5)).all()
    assert (ambience("rain", 5) != ambience("heavy rain", 5)).any()


def test_it_comes_and_goes_softly() -> None:
    """The first and the last samples are silent."""
    sound = ambience("waves", 5)
    assert np.abs(sound[:, :20]).max() < 0.001
    assert np.abs(sound[:, -20:]).max() < 0.001


def test_rain_hisses_and_traffic_rumbles() -> None:
    """Noise is coloured as its source is."""
    assert brightness(ambience("rain", 5)) > 1500
    assert brightness(ambience("traffic", 5)) < 250


def test_waves_swell() -> None:
    """The loudest second of the sea is twice as loud as the quietest."""
    seconds = ambience("ocean", 10)[0].reshape(10, RATE).std(axis=1)[1:-1]
    assert seconds.max() > 2 * seconds.min()


def test_a_clock_ticks_every_second() -> None:
    """A study has a clock: the loudest moments are a second apart."""
    loud = np.abs(np.diff(ambience("a study", 5)[0], 3))  # which leaves the high sounds
    ticks = [int(loud[n * RATE : n * RATE + RATE // 10].argmax()) for n in range(1, 5)]
    assert max(ticks) < RATE // 50


def test_a_quiet_room_has_a_chord() -> None:
    """Where no word calls a sound there are tones: A minor's 110 hertz stand out of the air around them."""
    sound = ambience("Peaceful living room", 5)[0, : 2 * RATE]
    power = np.abs(np.fft.rfft(sound * np.hanning(sound.size))) ** 2
    hertz = np.fft.rfftfreq(sound.size, 1 / RATE)
    tone, air = power[np.abs(hertz - 110) < 2].max(), np.median(power[np.abs(hertz - 130) < 10])
    assert tone > 300 * air
