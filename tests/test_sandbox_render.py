"""A scene becomes a video and a cover."""

import pathlib
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import attrs
import av
import numpy as np
import pytest

from ideal_async.sandbox import _render
from ideal_async.sandbox._pictures import Bytes, read, to_jpeg, to_rgb
from ideal_async.sandbox._render import SIZES, BadImage, Clip, Scene, render

pytestmark = pytest.mark.slow


def drawn(width: int = 854, height: int = 480, hue: int = 0) -> Bytes:
    """Soft waves and a few sharp boxes."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    waves = [120 + 60 * np.sin(4 * x + n + hue) * np.cos(3 * y - n) for n in range(3)]
    picture = np.stack(waves, axis=2).astype(np.uint8)
    for n in range(6):
        top, left = height * n // 8, width * ((5 * n) % 7) // 8
        picture[top : top + height // 9, left : left + width // 12] = 20 + 35 * n
    return picture


def jpeg(picture: Bytes) -> bytes:
    return to_jpeg(av.VideoFrame.from_ndarray(picture, format="rgb24"), bt709=False)


ROOM, OTHER = jpeg(drawn()), jpeg(drawn(hue=2))
SCENE = Scene(ROOM, None, "zoom in", 5, "480p", "Flash", audio=False)


def frames(clip: Clip) -> list[av.VideoFrame]:
    with av.open(str(clip.video)) as container:
        return list(container.decode(video=0))


def shown(frame: av.VideoFrame) -> Bytes:
    """As a screen shows it: videos here are BT.709."""
    return to_rgb(frame.reformat(format="rgb24", src_colorspace="ITU709"))


def likeness(one: Bytes, other: Bytes) -> float:
    """Peak signal to noise ratio in decibels: 30 and more are hard to tell apart."""
    return float(10 * np.log10(255**2 / ((one.astype(float) - other) ** 2).mean()))


@pytest.fixture(scope="module")
def flash(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return render(SCENE, tmp_path_factory.mktemp("flash"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    scene = attrs.evolve(SCENE, model_type="Base", audio=True, prompt="zoom in, rain")
    return render(scene, tmp_path_factory.mktemp("base"))


def test_the_thread_rests_after_every_frame(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that an event loop beside it gets its turn; those of a clip add up to less than a twentieth of a second."""
    rests: list[float] = []
    monkeypatch.setattr("ideal_async.sandbox._render.time.sleep", rests.append)
    render(SCENE, tmp_path)
    assert len(rests) == 5 * 24
    assert 0 < sum(rests) < 0.05


@pytest.mark.parametrize(
    ("resolution", "width", "height"), [("480p", 300, 200), ("480p", 200, 300), ("720p", 200, 300), ("1080p", 300, 200)]
)
def test_the_size_is_exact(tmp_path: pathlib.Path, resolution: str, width: int, height: int) -> None:
    """Whatever the photograph's shape, the video and its cover have the size of the resolution."""
    clip = render(attrs.evolve(SCENE, image=jpeg(drawn(width, height)), resolution=resolution), tmp_path)
    with av.open(str(clip.video)) as container:
        context = container.streams.video[0].codec_context
        assert (context.width, context.height) == SIZES[resolution] == (clip.width, clip.height)
    with av.open(str(clip.cover)) as container:
        cover = next(container.decode(video=0))
        assert (cover.width, cover.height) == SIZES[resolution]


@pytest.mark.parametrize("duration", [5, 10])
@pytest.mark.parametrize("model_type", ["Flash", "Base"])
def test_the_duration_is_exact(tmp_path: pathlib.Path, duration: int, model_type: str) -> None:
    """To the microsecond, of the file and of the video, at the cinema's 24 frames a second."""
    clip = render(attrs.evolve(SCENE, duration=duration, model_type=model_type), tmp_path)
    with av.open(str(clip.video)) as container:
        video = container.streams.video[0]
        assert container.duration == duration * 1_000_000
        assert (video.duration or 0) * (video.time_base or 0) == duration
        assert video.average_rate == 24
        assert video.frames == duration * 24


def test_audio_is_as_long_as_the_video(base: Clip) -> None:
    """AAC in stereo, exactly five seconds, and not silence."""
    with av.open(str(base.video)) as container:
        audio = container.streams.audio[0]
        assert (audio.codec_context.name, audio.codec_context.layout.name) == ("aac", "stereo")
        assert (audio.duration or 0) * (audio.time_base or 0) == 5
        assert container.duration == 5_000_000
        assert np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1).std() > 0.01


def test_no_audio_unless_asked_for(flash: Clip) -> None:
    """A silent clip has no audio track at all."""
    with av.open(str(flash.video)) as container:
        assert not container.streams.audio


def test_every_browser_plays_it(flash: Clip) -> None:
    """H.264 in 4:2:0, tagged BT.709 limited; the index comes first, to play while it loads; it can be sought."""
    with av.open(str(flash.video)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        assert sum(packet.is_keyframe for packet in container.demux(video=0)) >= 2
    data = flash.video.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_the_first_frame_is_the_picture(flash: Clip) -> None:
    """And so is the cover."""
    picture = drawn()
    assert likeness(shown(frames(flash)[0]), picture) > 28
    assert likeness(read(flash.cover.read_bytes(), 854, 480), picture) > 28


def test_the_camera_follows_the_prompt(flash: Clip) -> None:
    """The last frame of a zoom is another picture than the first."""
    assert likeness(shown(frames(flash)[-1]), drawn()) < 22


def test_zooming_out_begins_with_the_picture_as_well(tmp_path: pathlib.Path) -> None:
    """What comes into view is a surrounding of the picture."""
    clip = render(attrs.evolve(SCENE, prompt="zoom out"), tmp_path)
    first, *_, last = frames(clip)
    assert likeness(shown(first), drawn()) > 28
    assert likeness(shown(last), drawn()) < 22


def test_base_costs_more_and_looks_better(flash: Clip, base: Clip) -> None:
    """More bytes, less loss."""
    assert base.video.stat().st_size > 1.3 * flash.video.stat().st_size
    assert likeness(shown(frames(base)[0]), drawn()) > likeness(shown(frames(flash)[0]), drawn())


def test_the_last_frame_is_the_last_image(tmp_path: pathlib.Path) -> None:
    """First-last mode begins with the one picture and ends with the other."""
    clip = render(attrs.evolve(SCENE, last_image=OTHER), tmp_path)
    first, *_, last = frames(clip)
    assert likeness(shown(first), drawn()) > 28
    assert likeness(shown(last), drawn(hue=2)) > 28


@pytest.mark.parametrize(
    "change",
    [
        {"image": OTHER},
        {"last_image": ROOM},
        {"last_image": b""},
        {"prompt": "zoom in."},
        {"duration": 10},
        {"resolution": "720p"},
        {"model_type": "Base"},
        {"audio": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_key_is_the_content(change: dict[str, Any]) -> None:
    """Equal scenes have equal keys; any difference makes another."""
    assert attrs.evolve(SCENE).key() == SCENE.key()
    assert attrs.evolve(SCENE, **change).key() != SCENE.key()


def test_pictures_are_not_printed() -> None:
    """The repr of a scene says how large its pictures are."""
    assert f"<{len(ROOM)} bytes>" in repr(attrs.evolve(SCENE, last_image=b"123"))
    assert "<3 bytes>" in repr(attrs.evolve(SCENE, last_image=b"123"))
    assert "last_image=None" in repr(SCENE)


@pytest.mark.parametrize("change", [{"resolution": "4k"}, {"model_type": "flash"}, {"duration": 7}])
def test_unknown_settings_are_refused(change: dict[str, Any]) -> None:
    """What the API does not have the renderer does not make."""
    with pytest.raises(ValueError, match=next(iter(change))):
        attrs.evolve(SCENE, **change)


def test_a_clip_is_made_once(tmp_path: pathlib.Path) -> None:
    """The second time it is found in the folder; without its cover it is made again."""
    clip = render(SCENE, tmp_path)
    made = clip.video.stat().st_mtime_ns
    assert render(attrs.evolve(SCENE), tmp_path) == clip
    assert clip.video.stat().st_mtime_ns == made
    clip.cover.unlink()
    assert render(SCENE, tmp_path) == clip
    assert clip.cover.exists()
    assert sorted(tmp_path.iterdir()) == sorted([clip.video, clip.cover])


@pytest.mark.parametrize(
    ("change", "says"),
    [({"image": b"?"}, "the first image: not a JPEG"), ({"last_image": b"?"}, "the last image: not a JPEG")],
)
def test_a_bad_image_is_named_and_leaves_nothing(tmp_path: pathlib.Path, change: dict[str, Any], says: str) -> None:
    """The message says which of the two it is; no half-made file stays behind."""
    with pytest.raises(BadImage, match=says):
        render(attrs.evolve(SCENE, **change), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_failure_half_way_leaves_nothing(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the encoder breaks down the folder is as it was."""

    def broken(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(_render, "to_jpeg", broken)
    with pytest.raises(OSError, match="disk full"):
        render(SCENE, tmp_path)
    assert not list(tmp_path.iterdir())


class Studio:
    """Stands in for the rendering itself: counts, and waits until it is let go."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.begun, self.go = threading.Semaphore(0), threading.Event()
        self.error, self.made = error, 0

    def __call__(self, scene: Scene, folder: pathlib.Path) -> Clip:
        """Hand a clip over, once let go."""
        self.made += 1
        self.begun.release()
        assert self.go.wait(30)
        if self.error:
            raise self.error
        return Clip(folder / scene.key(), folder, 1, 1)


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Released whenever a caller begins to wait for another's clip."""
    began = threading.Semaphore(0)

    class Announced(Future[Clip]):
        def result(self, timeout: float | None = None) -> Clip:
            """Say so, and wait."""
            if not self.done():
                began.release()
            return super().result(timeout)

    monkeypatch.setattr(_render, "Future", Announced)
    return began


def test_equal_scenes_in_flight_are_one(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, waiting: threading.Semaphore
) -> None:
    """A second caller waits for the first and gets the same clip; another scene or folder does not wait."""
    studio = Studio()
    monkeypatch.setattr(_render, "_render", studio)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(render, SCENE, tmp_path)
        assert studio.begun.acquire(timeout=30)
        second = pool.submit(render, attrs.evolve(SCENE), tmp_path)
        assert waiting.acquire(timeout=30)
        others = [
            pool.submit(render, SCENE, tmp_path / "b"),
            pool.submit(render, attrs.evolve(SCENE, prompt=""), tmp_path),
        ]
        assert studio.begun.acquire(timeout=30)
        assert studio.begun.acquire(timeout=30)
        studio.go.set()
        assert first.result() is second.result()
        assert len({first.result(), *(other.result() for other in others)}) == 3
    assert studio.made == 3
    assert not _render._flights


def test_a_failure_reaches_everyone_who_waits(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, waiting: threading.Semaphore
) -> None:
    """Both callers get the error, and the next one tries anew."""
    studio = Studio(BadImage("no"))
    monkeypatch.setattr(_render, "_render", studio)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(render, SCENE, tmp_path)
        assert studio.begun.acquire(timeout=30)
        second = pool.submit(render, SCENE, tmp_path)
        assert waiting.acquire(timeout=30)
        studio.go.set()
        assert isinstance(first.exception(), BadImage)
        assert isinstance(second.exception(), BadImage)
    studio.error = None
    assert render(SCENE, tmp_path).width == 1
    assert studio.made == 2
