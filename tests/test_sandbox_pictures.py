"""Fetched bytes become pictures, or a clear refusal."""

import io
import struct
import time
import zlib
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from ideal_async.sandbox import _pictures
from ideal_async.sandbox._framing import shape, surround
from ideal_async.sandbox._pictures import BadImage, Bytes, blur, read, resize, sample, to_jpeg, to_rgb

pytestmark = pytest.mark.slow


def drawn(width: int = 96, height: int = 54) -> Bytes:
    """A gradient with a red corner at the top left and a blue one at the bottom right."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 1] = np.linspace(40, 200, width).astype(np.uint8)
    picture[: height // 3, : width // 3] = (220, 30, 30)
    picture[-(height // 3) :, -(width // 3) :] = (30, 30, 220)
    return picture


def encoded(picture: Bytes, codec: str, pixels: str, **options: str) -> bytes:
    """A picture's file, for the formats that are one packet of libav's."""
    encoder = VideoCodecContext.create(codec, "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = picture.shape[1], picture.shape[0], pixels
    encoder.time_base, encoder.options = Fraction(1), options
    frame = av.VideoFrame.from_ndarray(picture, format="rgba" if picture.shape[2] == 4 else "rgb24")
    frame = frame.reformat(format=pixels)
    frame.pts = 0
    return b"".join(bytes(packet) for step in (frame, None) for packet in encoder.encode(step))


def png(picture: Bytes) -> bytes:
    return encoded(picture, "png", "rgba" if picture.shape[2] == 4 else "rgb24")


def jpeg(picture: Bytes) -> bytes:
    return to_jpeg(av.VideoFrame.from_ndarray(picture, format="rgb24"), bt709=False)


def webp(picture: Bytes) -> bytes:
    return encoded(picture, "libwebp", "bgra", lossless="1")


def gif(picture: Bytes) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="gif") as container:
        stream = container.add_stream("gif", rate=1)
        stream.width, stream.height, stream.pix_fmt = picture.shape[1], picture.shape[0], "rgb8"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="rgb8")))
        container.mux(stream.encode())
    return file.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def blank_png(width: int, height: int, depth: int = 1) -> bytes:
    """A black picture of any size, in few bytes: so many bits for a pixel."""
    rows = zlib.compress(bytes((width * depth + 7) // 8 + 1) * height, 1)
    head = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def exif(orientation: int, order: str = "<") -> bytes:
    """A TIFF structure with the make of the camera, and the orientation."""
    entries = struct.pack(order + "HHI4s", 0x010F, 2, 4, b"abc\0")
    entries += struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, 2) + entries + bytes(4)


def in_jpeg(file: bytes, block: bytes) -> bytes:
    block = b"Exif\0\0" + block
    return file[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + file[2:]


def in_png(file: bytes, block: bytes) -> bytes:
    return file[:33] + chunk(b"eXIf", block) + file[33:]


def in_webp(file: bytes, block: bytes) -> bytes:
    body = file[8:] + b"EXIF" + struct.pack("<I", len(block)) + block
    return b"RIFF" + struct.pack("<I", len(body)) + body


def difference(one: Bytes, other: Bytes) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def bmp(picture: Bytes) -> bytes:
    return encoded(picture, "bmp", "bgr24")


@pytest.mark.parametrize(("write", "allowed"), [(png, 0), (bmp, 0), (webp, 0), (jpeg, 4), (gif, 16)])
def test_reads_the_five_formats(write: Callable[[Bytes], bytes], allowed: float) -> None:
    """JPEG, PNG, WebP, GIF and BMP decode to the picture that was encoded, as exactly as the format allows."""
    picture = drawn()
    assert difference(read(write(picture), 96, 54), picture) <= allowed


@pytest.mark.parametrize("insert", [(png, in_png), (jpeg, in_jpeg), (webp, in_webp)], ids=["png", "jpeg", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns_pictures_upright(
    insert: tuple[Callable[[Bytes], bytes], Callable[[bytes, bytes], bytes]], orientation: int
) -> None:
    """All eight EXIF orientations are undone, the mirrored ones as well."""
    write, put = insert
    upright = drawn()
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 1)[::-1],
        8: np.rot90(upright, -1),
    }[orientation]
    if orientation == 7:
        stored = upright[::-1, ::-1].transpose(1, 0, 2)
    file = put(write(np.ascontiguousarray(stored)), exif(orientation))
    assert difference(read(file, 96, 54), upright) < 4


def test_reads_both_byte_orders_of_exif() -> None:
    """Cameras write the most or the least significant byte first."""
    stored = np.ascontiguousarray(np.rot90(drawn(), 1))
    assert difference(read(in_png(png(stored), exif(6, ">")), 96, 54), drawn()) == 0


@pytest.mark.parametrize("block", [b"", b"II*\0", exif(6)[:20], exif(6)[:22], exif(0), exif(99)])
def test_broken_exif_is_no_reason_to_refuse(block: bytes) -> None:
    """A picture whose EXIF is cut off or nonsense is shown as it is stored."""
    assert difference(read(in_jpeg(jpeg(drawn()), block), 96, 54), drawn()) < 4


def test_exif_without_an_orientation() -> None:
    """EXIF need not say how the camera was held."""
    block = b"MM" + struct.pack(">HIH", 42, 8, 1) + struct.pack(">HHI4s", 0x010F, 2, 4, b"abc\0") + bytes(4)
    assert difference(read(in_png(png(drawn()), block), 96, 54), drawn()) == 0


def test_another_app1_block_is_not_exif() -> None:
    """XMP lives in the same JPEG segment as EXIF and is passed over."""
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x/>"
    file = jpeg(drawn())
    file = file[:2] + b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp + file[2:]
    assert difference(read(in_jpeg(file, exif(1)), 96, 54), drawn()) < 4


def test_transparency_is_laid_on_white() -> None:
    """What is transparent becomes white, what is half transparent half white."""
    picture = np.dstack([np.full((300, 8, 3), 100, np.uint8), np.zeros((300, 8), np.uint8)])
    picture[150:, :, 3] = 128
    result = read(png(picture), 8, 300)
    assert (result[:150] == 255).all()
    assert (np.abs(result[150:].astype(int) - 177) <= 1).all()


def test_a_palette_with_transparency() -> None:
    """A palette's transparent colour is white as well."""
    palette = chunk(b"PLTE", bytes((200, 0, 0, 0, 0, 200))) + chunk(b"tRNS", bytes((0,)))
    file = blank_png(16, 16)
    file = (
        file[:25]
        + bytes([3])
        + file[26:29]
        + struct.pack(">I", zlib.crc32(file[12:25] + bytes([3]) + file[26:29]))
        + file[33:]
    )
    file = file[:33] + palette + file[33:]
    assert (read(file, 16, 16) == 255).all()


def test_large_pictures_come_back_smaller() -> None:
    """No larger than needed to cover the video twice over, in the shape they had."""
    assert read(png(drawn(960, 540)), 96, 54).shape == (108, 192, 3)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "begins with b''"),
        (b"<html>", "not a JPEG"),
        (b"#EXTM3U\nhttp://127.0.0.1/", "not a JPEG"),
        (b"ffconcat version 1.0\nfile secret.png", "not a JPEG"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "not a JPEG"),
        (b"RIFF\x10\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0", "animated"),
        (b"GIF89a", "truncated"),
        (b"\xff\xd8\xff\xe0", "truncated"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"BM" + bytes(60), "damaged"),
    ],
)
def test_refuses_what_is_no_picture(data: bytes, says: str) -> None:
    """The refusal says what is wrong."""
    with pytest.raises(BadImage, match=says):
        read(data, 96, 54)


@pytest.mark.parametrize("write", [png, bmp, webp, jpeg, gif])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_refuses_truncated_files(write: Callable[[Bytes], bytes], share: float) -> None:
    """A download that broke off is refused, though libav would fill the rest with grey."""
    file = write(drawn(200, 120))
    with pytest.raises(BadImage):
        read(file[: int(len(file) * share)], 96, 54)


def test_a_jpeg_may_be_padded_before_its_markers() -> None:
    """Any number of fill bytes (FF) may stand before a marker: the picture is the same, and checked to its end."""
    file = jpeg(drawn(200, 120))
    segments = [at - 4 for _, at, _ in _pictures._jpeg_segments(file)]
    padded = file
    for at in reversed(segments):
        padded = padded[:at] + b"\xff" * 3 + padded[at:]
    assert len(padded) == len(file) + 3 * len(segments) > len(file) + 9
    assert np.array_equal(read(padded, 96, 54), read(file, 96, 54))
    with pytest.raises(BadImage):
        read(padded[: int(len(padded) * 0.6)], 96, 54)
    with pytest.raises(BadImage):
        read(b"\xff\xd8" + b"\xff" * 50, 96, 54)


def test_a_gif_of_garbage_is_refused() -> None:
    """Blocks that lead nowhere are not a picture."""
    with pytest.raises(BadImage):
        read(b"GIF89a" + bytes((16, 0, 16, 0, 0, 0, 0)) + b"\x00" * 40, 96, 54)


@pytest.mark.parametrize(("width", "height", "depth"), [(8000, 7000, 1), (14_000, 14_000, 8), (30_000, 30_000, 1)])
def test_refuses_pictures_that_unpack_to_gigabytes(width: int, height: int, depth: int) -> None:
    """A small file may ask for 196 million pixels: it is refused before anything is unpacked, at once."""
    file = blank_png(width, height, depth)
    begun = time.process_time()
    with pytest.raises(BadImage, match="over 50000000 pixels"):
        read(file, 96, 54)
    assert time.process_time() - begun < 0.1


def test_refuses_pictures_that_are_a_line() -> None:
    """A picture of 20,001 pixels in a row costs more than it shows."""
    with pytest.raises(BadImage, match="longer than 20000"):
        read(blank_png(20_001, 2), 96, 54)


def test_refuses_large_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is decoded."""
    monkeypatch.setattr(_pictures, "MAX_BYTES", 100)
    with pytest.raises(BadImage, match="101 bytes are over the limit of 100"):
        read(bytes(101), 96, 54)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 900), (900, 1), (3, 2)])
def test_reads_and_shapes_the_smallest_pictures(width: int, height: int) -> None:
    """One pixel is a picture."""
    result = shape(read(png(np.full((height, width, 3), 90, np.uint8)), 96, 54), 96, 54)
    assert result.shape[0] >= 1
    assert result.shape[1] >= 1


@pytest.mark.parametrize(("width", "height"), [(160, 90), (150, 100), (120, 90), (200, 100)])
def test_a_landscape_photograph_is_left_to_be_cropped(width: int, height: int) -> None:
    """16:9, 3:2, 4:3 and 2:1 lose little by a crop."""
    picture = drawn(width, height)
    assert shape(picture, 96, 54) is picture


FRAMED = [(60, 90), (90, 90), (300, 60), (540, 960)]


def textured(width: int, height: int) -> Bytes:
    """Waves of every size in three colours, and nothing alike on two sides."""
    y, x = np.mgrid[0 : height / 90 : height * 1j, 0 : width / 90 : width * 1j]
    waves = [130 + 50 * np.sin(7 * x + n + 3 * y) + 40 * np.sin(29 * y - 23 * x + 2 * n) for n in range(3)]
    return np.stack(waves, axis=2).astype(np.uint8)


@pytest.mark.parametrize(("width", "height"), FRAMED)
def test_a_portrait_a_square_or_a_panorama_is_shown_whole(width: int, height: int) -> None:
    """The whole photograph stands in the middle, and what surrounds it has its colours: no black, no bars."""
    picture = textured(width, height)
    result = shape(picture, 160, 90)
    rows, columns = result.shape[:2]
    assert abs(columns / rows - 16 / 9) < 0.02
    fit = min(rows / height, columns / width)
    front = av.VideoFrame.from_ndarray(picture, format="rgb24")
    front = front.reformat(round(width * fit), round(height * fit), interpolation="BICUBIC" if fit > 1 else "AREA")
    top, left = (rows - front.height) // 2, (columns - front.width) // 2
    assert difference(result[top : top + front.height, left : left + front.width], to_rgb(front)) < 1
    edge = result[:, :2] if left else result[:2]
    assert edge.mean() == pytest.approx(picture.mean(), rel=0.25)


@pytest.mark.parametrize(("width", "height"), FRAMED)
def test_a_surrounding_begins_without_a_seam(width: int, height: int) -> None:
    """Across the picture's border the light changes no faster than it does within the picture beside it."""
    result = shape(textured(width, height), 160, 90).astype(int)
    rows, columns = result.shape[:2]
    fit = min(rows / height, columns / width)
    borders = [((rows - round(height * fit)) // 2, 0), ((columns - round(width * fit)) // 2, 1)]
    border, axis = max(borders)
    steps = np.abs(np.diff(np.moveaxis(result, axis, 0), axis=0)).mean(axis=(1, 2))
    for seam in (border - 1, len(steps) - border):
        assert steps[seam - 1 : seam + 2].max() < 1.3 * steps[border + 2 : -border - 2].mean()


def test_a_surrounding_shows_nothing_twice() -> None:
    """A face far from the edge has no twin in what surrounds the picture."""
    picture = np.full((160, 160, 3), 60, np.uint8)
    picture[60:100, 35:75] = 240
    result = shape(picture, 284, 160)
    assert result[:, :62].max() < 75
    assert result[:, -62:].max() < 75


def test_surround_keeps_the_middle_and_blurs_the_border() -> None:
    """A border of a quarter on every side: the picture itself is untouched, the outermost edge has no detail left."""
    picture = drawn(160, 96)
    picture[::2] //= 2
    result = surround(picture, 0.25)
    assert result.shape == (144, 240, 3)
    assert (result[24:-24, 40:-40] == picture).all()
    assert np.abs(np.diff(result[60:90, 0].astype(int), axis=0)).max() < 20


def test_jpeg_keeps_the_colours_of_a_video_frame() -> None:
    """A frame is BT.709 and a JPEG BT.601: red stays the same red."""
    red = np.full((32, 32, 3), (200, 40, 30), np.uint8)
    frame = av.VideoFrame.from_ndarray(red, format="rgb24").reformat(format="yuv420p", dst_colorspace="ITU709")
    assert difference(read(to_jpeg(frame), 32, 32), red) < 4


def test_to_rgb() -> None:
    """Red first."""
    assert to_rgb(av.VideoFrame.from_ndarray(drawn(), format="rgb24"))[0, 0].tolist() == [220, 30, 30]


def test_blur_is_a_mean() -> None:
    """A single bright point is spread over the square around it; a flat picture stays flat up to its edges."""
    point = np.zeros((9, 9), np.float32)
    point[4, 4] = 9
    assert blur(point, 1)[3:6, 3:6] == pytest.approx(1)
    assert blur(point, 1)[2].max() == pytest.approx(0, abs=1e-5)
    assert blur(np.full((2, 5, 5), 7, np.float32), 3) == pytest.approx(7)


def test_sample_reads_between_points() -> None:
    """Half way between two numbers is their mean; outside, the edge is repeated."""
    values = np.array([[0, 10], [20, 30]], np.float32)
    at = np.array([0.5, 0.0, 9.0, -9.0], np.float32), np.array([0.5, 0.5, 9.0, 0.0], np.float32)
    assert sample(values, *at) == pytest.approx([15, 10, 30, 0], abs=0.05)


def test_resize_keeps_a_ramp_a_ramp() -> None:
    """A gradient with twice as many steps goes as far."""
    ramp = np.tile(np.arange(8, dtype=np.float32), (4, 1))
    assert resize(ramp, 8, 16)[3, 1:-1] == pytest.approx(np.arange(1, 15) / 2 - 0.25, abs=0.01)
