"""A scene in, an MP4 and its cover out."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (what PyAV's stubs say of streams and packets is not complete)

import hashlib
import pathlib
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from fractions import Fraction

import attrs
import av

from ideal_async.sandbox._camera import fly
from ideal_async.sandbox._direction import direct
from ideal_async.sandbox._framing import shape, surround
from ideal_async.sandbox._morph import morph
from ideal_async.sandbox._passage import Way
from ideal_async.sandbox._pictures import BadImage, Bytes, read, to_jpeg
from ideal_async.sandbox._plate import FRAMES, Plate
from ideal_async.sandbox._scenery import enliven
from ideal_async.sandbox._sound import RATE, ambience

__all__ = ["SIZES", "BadImage", "Clip", "Scene", "render"]

#: Width and height of a video, in pixels, whatever the photograph's shape.
SIZES = {"480p": (854, 480), "720p": (1280, 720), "1080p": (1920, 1080)}
#: Pixels of a plate to one of the video, each way: more is smoother, until it no longer fits the processor's caches.
FINE = {"480p": 5, "720p": 3, "1080p": 3}
#: Part of every key: raise it when the same scene would look different, and old clips are not served again.
EDITION = 3


#: x264's constant rate factor for each model type; 6 less doubles the file.
QUALITY = {"Flash": 27, "Base": 22}
#: x264's ultrafast with the few tools that pay: a quarter of its file size, and sharper, for the same time. Seven B
#: frames without CABAC make the same file as three with it, in a fifth less time (measured: 45.1 dB, not 46.0).
X264 = "subme=1:bframes=7:b-adapt=0:cabac=0:no-deblock=0:keyint=48"
#: Seconds of rest after each frame. A thread that never sleeps is put aside when its share of a core is up,
#: often with the interpreter's lock in its hand: without rests, a loop beside two of them is a third later (p99).
REST = 0.0003
BT709 = 1  # the code of ITU-R BT.709 in the tables of ITU-T H.273 for matrix, primaries and transfer
LIMITED = 1  # libav's AVCOL_RANGE_MPEG: 16 to 235


@attrs.frozen
class Scene:
    """What a clip is made from.

    Args:
        image: the first picture's file (JPEG, PNG, WebP, GIF or BMP).
        last_image: the last picture's file, or None.
        prompt: directs the camera and the sound.
        duration: seconds.
        resolution: 480p, 720p or 1080p.
        model_type: Flash or Base.
        audio: whether the clip has sound.
    """

    image: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    last_image: bytes | None = attrs.field(repr=lambda data: data and f"<{len(data)} bytes>")
    prompt: str
    duration: int = attrs.field(validator=attrs.validators.in_((5, 10)))
    resolution: str = attrs.field(validator=attrs.validators.in_(SIZES))
    model_type: str = attrs.field(validator=attrs.validators.in_(QUALITY))
    audio: bool

    def key(self) -> str:
        """Name the scene by its content: equal scenes have equal keys."""
        words = (EDITION, self.prompt, self.duration, self.resolution, self.model_type, self.audio)
        digest = hashlib.sha256(repr(words).encode())
        for picture in (self.image, self.last_image):
            digest.update(b"-" if picture is None else hashlib.sha256(picture).digest())
        return digest.hexdigest()[:32]


@attrs.frozen
class Clip:
    """A finished video and its cover, sizes in pixels."""

    video: pathlib.Path
    cover: pathlib.Path
    width: int
    height: int


_flights: dict[tuple[pathlib.Path, str], Future[Clip]] = {}
_boarding = threading.Lock()


def render(scene: Scene, folder: pathlib.Path) -> Clip:
    """Make a clip, or find it made: blocking, for a thread; libav and numpy leave the interpreter free meanwhile.

    Clips are kept in the folder under the scene's key. A second caller with an equal scene waits for the first.

    Raises:
        BadImage: one of the pictures cannot be read.
        OSError: the folder is not there, or full.
    """
    flight = (folder.resolve(), scene.key())
    with _boarding:
        ours = flight not in _flights
        future = _flights.setdefault(flight, Future())
    if not ours:
        return future.result()
    try:
        future.set_result(_render(scene, folder))
    except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is; so do we below
        future.set_exception(error)
    finally:
        with _boarding:
            del _flights[flight]
    return future.result()


def _render(scene: Scene, folder: pathlib.Path) -> Clip:
    name, (width, height) = scene.key(), SIZES[scene.resolution]
    clip = Clip(folder / f"{name}.mp4", folder / f"{name}.jpg", width, height)
    if clip.video.exists() and clip.cover.exists():
        return clip
    with tempfile.TemporaryDirectory(prefix=f"{name}.", dir=folder) as desk:
        video, cover = pathlib.Path(desk, "video.mp4"), pathlib.Path(desk, "cover.jpg")
        frames = _shoot(scene, width, height, FRAMES * scene.duration)
        _write(scene, frames, video, cover)
        cover.replace(clip.cover)
        video.replace(clip.video)
    return clip


def _shoot(scene: Scene, width: int, height: int, frames: int) -> Iterator[av.VideoFrame]:
    first = _picture(scene.image, "first", width, height)
    move = direct(scene.prompt)
    if scene.last_image is not None:
        last = _picture(scene.last_image, "last", width, height)
        way = Way(upright=bool(move.y), backwards=min(move.x, move.y, move.orbit) < 0)
        return morph(Plate.lay(first, width, height, 3), Plate.lay(last, width, height, 3), frames, way)
    fine = FINE[scene.resolution]
    border = max(0.0, (1 / move.zoom - 1) / 2)
    plate = Plate.lay(surround(first, border) if border else first, width, height, fine, border)
    return fly(plate, move, frames, enliven(plate, scene.prompt))


def _picture(data: bytes, which: str, width: int, height: int) -> Bytes:
    try:
        return shape(read(data, width, height), width, height)
    except BadImage as error:
        raise BadImage(f"the {which} image: {error}") from error


def _write(scene: Scene, frames: Iterator[av.VideoFrame], video: pathlib.Path, cover: pathlib.Path) -> None:
    width, height = SIZES[scene.resolution]
    options = {"preset": "ultrafast", "crf": str(QUALITY[scene.model_type]), "x264-params": X264}
    with av.open(str(video), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=FRAMES, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.thread_count = 1  # clips run side by side, each on a core of its own
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED
        air = container.add_stream("aac", rate=RATE, layout="stereo") if scene.audio else None
        for index, frame in enumerate(frames):
            if index == 0:
                cover.write_bytes(to_jpeg(frame))
            frame.pts, frame.time_base = index, Fraction(1, FRAMES)
            container.mux(stream.encode(frame))
            time.sleep(REST)
        container.mux(stream.encode())
        if air is not None:
            sound = av.AudioFrame.from_ndarray(ambience(scene.prompt, scene.duration), format="fltp", layout="stereo")
            sound.sample_rate, sound.pts, sound.time_base = RATE, 0, Fraction(1, RATE)
            container.mux(air.encode(sound))
            container.mux(air.encode())
