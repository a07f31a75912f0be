"""Ambience keyed by a prompt."""

import contextlib
import itertools
import re
from fractions import Fraction

import av
import av.logging
import numpy as np
import pytest
from av.filter import Graph

from ideal_async.sandbox._loudness import CEILING, level, loudness
from ideal_async.sandbox._pictures import Floats
from ideal_async.sandbox._sound import AIRS, AS, RATE, ambience, hear
from ideal_async.sandbox._words import THINGS

pytestmark = pytest.mark.slow
PROMPTS = {
    "rain": "rain on the window",
    "sea": "waves roll in",
    "river": "a river runs by",
    "fire": "a crackling fire",
    "kettle": "the kettle boils",
    "birds": "birds in the garden",
    "insects": "crickets at dusk",
    "wind": "a windy day",
    "street": "a busy street",
    "people": "people in a restaurant",
    "clock": "a clock on the wall",
    "music": "soft piano music",
    "room": "Peaceful living room ambiance",
}


def ebur128(sound: Floats) -> float:
    """Integrated loudness in LUFS as FFmpeg measures it: its filter says it in the log when it is done."""
    graph = Graph()
    source = graph.add_abuffer(sample_rate=RATE, format="fltp", layout="stereo", time_base=Fraction(1, RATE))
    meter, sink = graph.add("ebur128", "framelog=quiet"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts = RATE, 0
    before = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        with av.logging.Capture() as lines:
            source.push(frame)
            source.push(None)
            with contextlib.suppress(EOFError):
                while True:
                    sink.pull()
            del source, meter, sink, graph
    finally:
        av.logging.set_level(before)
    found = re.search(r"I:\s+(-?[\d.]+) LUFS", "".join(line[2] for line in lines))
    assert found is not None
    return float(found[1])


def brightness(sound: Floats) -> float:
    """Mean frequency in hertz."""
    power = np.abs(np.fft.rfft(sound[0])) ** 2
    return float((power * np.fft.rfftfreq(sound.shape[1], 1 / RATE)).sum() / power.sum())


def spectrogram(sound: Floats) -> Floats:
    """Decibels, one row for each of 29 bands of a quarter octave and a column for each 20 ms."""
    pieces = sound.mean(axis=0)[: sound.shape[1] // 960 * 960].reshape(-1, 960)
    power = np.abs(np.fft.rfft(pieces * np.hanning(960), 4096, axis=1)) ** 2
    edges = np.searchsorted(np.fft.rfftfreq(4096, 1 / RATE), 100 * 2 ** (np.arange(30) / 4))
    return np.stack([10 * np.log10(power[:, a:b].mean(axis=1) + 1e-7) for a, b in itertools.pairwise(edges)])


def features(sound: Floats) -> Floats:
    """How loud each band is on the whole, and how much it comes and goes, in decibels."""
    bands = spectrogram(sound)[:, 25:-25]
    return np.concatenate([bands.mean(axis=1), bands.std(axis=1), np.abs(np.diff(bands, axis=1)).mean(axis=1)])


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
@pytest.mark.parametrize("seconds", [5, 10])
def test_every_air_is_as_loud(prompt: str, seconds: int) -> None:
    """-20 LUFS by FFmpeg's measure of EBU R 128, in stereo of exactly this length, its peaks below distortion."""
    sound = ambience(prompt, seconds)
    assert sound.shape == (2, seconds * RATE)
    assert sound.dtype == np.float32
    assert ebur128(sound) == pytest.approx(-20, abs=0.5)
    assert np.abs(sound).max() <= CEILING


def test_every_air_is_another() -> None:
    """In the spectrum or in the course of time, any two differ more than two takes of one."""
    takes = {air: [features(ambience(prompt + end, 5)) for end in ("", ".")] for air, prompt in PROMPTS.items()}
    assert set(takes) == set(AIRS)
    alike = {air: float(np.abs(one - two).mean()) for air, (one, two) in takes.items()}
    for first, second in itertools.combinations(takes, 2):
        apart = float(np.abs(takes[first][0] - takes[second][0]).mean())
        assert apart > 1.5 * max(alike[first], alike[second]), (first, second)
        assert apart > 2, (first, second)


@pytest.mark.parametrize(("air", "prompt"), list(PROMPTS.items()))
def test_hears_what_the_prompt_speaks_of(air: str, prompt: str) -> None:
    """Each thing by its own words."""
    assert hear(prompt) == (air,)


@pytest.mark.parametrize(
    ("prompt", "airs"),
    [
        ("", ("room",)),
        ("Peaceful living room, no rain", ("room",)),
        ("Fire in the hearth, rain on the roof", ("fire", "rain")),
        ("Rain, fire, and waves", ("rain", "fire")),
        ("a carpet, a fired clay pot, springs", ("room",)),
        ("Curtains sway", ("wind",)),
        ("candles by the window", ("fire",)),
        ("SEA VIEW", ("sea",)),
    ],
)
def test_hears_the_first_two(prompt: str, airs: tuple[str, ...]) -> None:
    """In the prompt's order; what is not wanted is not heard; nothing at all is a quiet room."""
    assert hear(prompt) == airs


def test_all_that_is_heard_has_words() -> None:
    """Of every air but the quiet room's, and of what sounds like another."""
    assert {*AIRS, *AS} - {"room"} <= set(THINGS)
    assert set(AS.values()) <= set(AIRS)


def test_two_airs_are_both_there() -> None:
    """Fire behind rain: it rumbles more than rain alone, and hisses more than fire alone."""
    rain, fire, both = (spectrogram(ambience(prompt, 5)).mean(axis=1) for prompt in ("rain", "fire", "rain and fire"))
    assert both[1] > rain[1] + 6
    assert both[-4] > fire[-4] + 6


def test_the_same_prompt_sounds_the_same() -> None:
    """Nothing is left to chance, and another prompt of the same kind is another rain."""
    assert (ambience("rain", 5) == ambience("rain", 5)).all()
    assert (ambience("rain", 5) != ambience("heavy rain", 5)).any()


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_it_comes_and_goes_softly(prompt: str) -> None:
    """The first and the last samples are silent, and both ears hear something."""
    sound = ambience(prompt, 5)
    assert np.abs(sound[:, :20]).max() < 0.002
    assert np.abs(sound[:, -20:]).max() < 0.002
    assert sound.std(axis=1).min() > 0.01


def test_rain_hisses_and_streets_rumble() -> None:
    """Noise is coloured as its source is."""
    assert brightness(ambience("rain", 5)) > 3000
    assert brightness(ambience("traffic", 5)) < 500


def test_waves_swell() -> None:
    """The loudest second of the sea is twice as loud as the quietest."""
    seconds = ambience("ocean", 10)[0].reshape(10, RATE).std(axis=1)[1:-1]
    assert seconds.max() > 2 * seconds.min()


def test_fire_crackles() -> None:
    """Its high sounds are bursts; those of rain are steady."""

    def burst(prompt: str) -> float:
        high = np.abs(np.diff(ambience(prompt, 5)[0], 2, append=[0, 0])).reshape(-1, 480).max(axis=1)[100:-100]
        return float(np.quantile(high, 0.98) / np.median(high))

    assert burst("fire") > 4
    assert burst("rain") < 2


def test_a_kettle_begins_to_whistle() -> None:
    """Above the boiling there is a tone in the last second that was not there in the first."""
    sound = ambience("kettle", 5)[0]
    power = [np.abs(np.fft.rfft(sound[start : start + RATE] * np.hanning(RATE))) ** 2 for start in (RATE, 3 * RATE)]
    whistle = [float(p[2000:2600].max() / np.median(p[2000:2600])) for p in power]
    assert whistle[1] > 100 * whistle[0]


def test_birds_sing_high_and_in_phrases() -> None:
    """Nearly all of it is above 1,500 hertz, and there is quiet between the phrases."""
    sound = ambience("birds", 5)
    assert brightness(sound) > 1500
    steps = sound[0].reshape(-1, 960).std(axis=1)[25:-25]
    assert np.quantile(steps, 0.9) > 4 * np.quantile(steps, 0.1)


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


@pytest.mark.parametrize("hertz", [100, 1000, 8000])
@pytest.mark.parametrize("loud", [0.01, 0.3])
def test_loudness_agrees_with_ffmpeg(hertz: float, loud: float) -> None:
    """For low, middle and high tones, half of the time away: the gates count as well."""
    time = np.arange(5 * RATE, dtype=np.float32) / RATE
    tone = (np.sin(2 * np.pi * hertz * time) * loud * (time < 2.5)).astype(np.float32)
    sound = np.stack([tone, tone * np.float32(0.5)])
    assert loudness(sound) == pytest.approx(ebur128(sound), abs=0.15)


def test_silence_stays_silent() -> None:
    """There is nothing to make louder, and nothing to divide by."""
    assert loudness(np.zeros((2, RATE), np.float32)) == -70


def test_peaks_are_rounded_off_and_not_cut() -> None:
    """A click above the ceiling comes below it; the loudness asked for is reached all the same."""
    sound = np.random.default_rng(1).standard_normal((2, 2 * RATE)).astype(np.float32) * np.float32(0.02)
    sound[:, RATE : RATE + 200] *= 90
    result = level(sound, -20)
    assert np.abs(result).max() < CEILING
    loudest = np.abs(result)[np.abs(result) > 0.9 * np.abs(result).max()]
    assert np.unique(loudest).size == loudest.size
    assert loudness(result) == pytest.approx(-20, abs=0.5)
