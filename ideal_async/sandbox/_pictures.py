"""Still pictures: fetched bytes in, JPEG out; grids of numbers blurred, sampled and resized."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (what PyAV's stubs say of packets is not complete)

import io
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]

#: Largest file read, in bytes: a 48-megapixel phone photograph takes 10 to 25 MB.
MAX_BYTES = 40_000_000
#: Largest picture decoded, in pixels: today's phones reach 50 million; above it a small file can ask for gigabytes.
MAX_PIXELS = 50_000_000
#: Longest side, in pixels; WebP ends at 16,383, and no camera makes a longer one.
MAX_SIDE = 20_000
#: How the eight EXIF orientations are undone: transpose, flip top to bottom, flip left to right, in this order.
UPRIGHT = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
ORIENTATION = 0x0112  # the tag's number in EXIF 2.3, table 4
APP1, START_OF_SCAN, END_OF_IMAGE = 0xE1, 0xDA, b"\xff\xd9"  # markers of ITU-T T.81, table B.1
GIF_EXTENSION, GIF_IMAGE = 0x21, 0x2C  # block introducers of GIF89a, appendix A


class BadImage(ValueError):
    """The bytes are not a picture that can be read."""


def read(data: bytes, width: int, height: int) -> Bytes:
    """Decode a JPEG, PNG, WebP, GIF or BMP picture, upright, on white where it is transparent.

    A picture much larger than width x height pixels comes back smaller, yet still covers them twice over.

    Returns:
        Red, green and blue, shape (rows, columns, 3).

    Raises:
        BadImage: empty, truncated, too large or no picture at all.

    >>> read(b"hello", 854, 480)
    Traceback (most recent call last):
        ...
    ideal_async.sandbox._pictures.BadImage: not a JPEG, PNG, WebP, GIF or BMP picture: it begins with b'hello'
    """
    if len(data) > MAX_BYTES:
        raise BadImage(f"{len(data)} bytes are over the limit of {MAX_BYTES}; send a smaller picture")
    demuxer = _recognise(data)
    _check_whole(data)
    limit = {"max_pixels": str(MAX_PIXELS)}  # twice: libav decodes a frame to probe the file, before the one we ask for
    try:
        # The demuxer is named: left to guess, libav would follow a playlist in the bytes to other files and hosts.
        with av.open(io.BytesIO(data), "r", format=demuxer, options=limit) as container:
            container.streams.video[0].codec_context.options = limit
            frame = next(container.decode(video=0))
    except (FFmpegError, StopIteration, IndexError) as error:
        raise BadImage(f"the picture is damaged, empty or over {MAX_PIXELS} pixels ({demuxer})") from error
    if max(frame.width, frame.height) > MAX_SIDE:
        raise BadImage(f"{frame.width}x{frame.height} is longer than {MAX_SIDE} pixels; send a smaller picture")
    turned, flip_rows, flip_columns = UPRIGHT.get(_orientation(data), UPRIGHT[1])
    rgb = _opaque(frame, *((height, width) if turned else (width, height)))
    rgb = rgb.transpose(1, 0, 2) if turned else rgb
    return np.ascontiguousarray(rgb[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1])


def _recognise(data: bytes) -> str:
    """Name libav's demuxer from the first bytes."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg_pipe"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png_pipe"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        if data[12:16] == b"VP8X" and int.from_bytes(data[20:21]) & 2:
            raise BadImage("an animated WebP cannot be read; send a still picture")
        return "webp_pipe"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data.startswith(b"BM"):
        return "bmp_pipe"
    raise BadImage(f"not a JPEG, PNG, WebP, GIF or BMP picture: it begins with {data[:12]!r}")


def _check_whole(data: bytes) -> None:
    """Refuse what libav would complete with grey: a JPEG or a GIF whose end is missing."""
    if data.startswith(b"\xff\xd8"):
        scan = next((at for marker, at, _ in _jpeg_segments(data) if marker == START_OF_SCAN), len(data))
        whole = data.find(END_OF_IMAGE, scan) >= 0  # within a scan, 0xff is always followed by another byte
    else:
        whole = not data.startswith(b"GIF8") or _gif_ends(data)
    if not whole:
        raise BadImage("the picture is truncated; send the whole file")


def _gif_ends(data: bytes) -> bool:
    """Whether the blocks of a GIF reach the end of its first picture."""

    def table(flags: int) -> int:  # size of the colour table that these flags announce
        return 3 << ((flags & 7) + 1) if flags & 0x80 else 0

    try:
        at = 13 + table(data[10])
        while data[at] == GIF_EXTENSION:
            at = _gif_chain(data, at + 2)
        if data[at] == GIF_IMAGE:
            _gif_chain(data, at + 11 + table(data[at + 9]))
    except IndexError:
        return False
    return True


def _gif_chain(data: bytes, at: int) -> int:
    """Follow sub-blocks to the empty one that ends them, and past it."""
    while size := data[at]:
        at += 1 + size
    return at + 1


def _opaque(frame: av.VideoFrame, width: int, height: int) -> Bytes:
    """The frame's red, green and blue, laid on white, no larger than needed to cover width x height twice."""
    if frame.format.has_palette or any(c.is_alpha for c in frame.format.components):
        rgba = frame.to_ndarray(format="rgba")
        rgb = np.empty((*rgba.shape[:2], 3), np.uint8)
        for top in range(0, len(rgba), 256):  # in bands: the sixteen-bit products of 50 million pixels are 300 MB
            band = rgba[top : top + 256].astype(np.uint16)
            rgb[top : top + 256] = 255 - ((255 - band[..., :3]) * band[..., 3:] + 127) // 255
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    shrink = max(2 * width / frame.width, 2 * height / frame.height)
    if shrink < 1:
        smaller = max(1, round(frame.width * shrink)), max(1, round(frame.height * shrink))
        frame = frame.reformat(*smaller, format="rgb24", interpolation="AREA")
    return to_rgb(frame)


def to_rgb(frame: av.VideoFrame) -> Bytes:
    """The red, green and blue of a frame."""
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def _orientation(data: bytes) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none."""
    try:
        return next((_orientation_tag(block) for block in _exif_blocks(data)), 1)
    except struct.error:  # a broken block is no reason to refuse a picture that decodes
        return 1


def _exif_blocks(data: bytes) -> Iterator[bytes]:
    """The TIFF structures in which JPEG, PNG and WebP keep EXIF."""
    if data.startswith(b"\xff\xd8"):
        for marker, at, size in _jpeg_segments(data):
            if marker == APP1 and data[at : at + 6] == b"Exif\0\0":
                yield data[at + 6 : at + size]
    elif data.startswith(b"\x89PNG"):
        at = 8
        while at + 8 <= len(data):
            size, name = struct.unpack_from(">I4s", data, at)
            if name == b"eXIf":
                yield data[at + 8 : at + 8 + size]
            at += 12 + size
    elif data.startswith(b"RIFF"):
        at = 12
        while at + 8 <= len(data):
            name, size = struct.unpack_from("<4sI", data, at)
            if name == b"EXIF":
                yield data[at + 8 : at + 8 + size].removeprefix(b"Exif\0\0")
            at += 8 + size + size % 2


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, place and size of what comes before a JPEG's first scan, and of the scan's header."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:  # noqa: PLR2004 - every marker begins with it
        if data[at + 1] == 0xFF:  # noqa: PLR2004 - "any marker may optionally be preceded by any number of fill bytes"
            at += 1
            continue
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        yield marker, at + 4, size - 2
        if marker == START_OF_SCAN:
            return
        at += 2 + size


def _orientation_tag(tiff: bytes) -> int:
    order = "<" if tiff.startswith(b"II") else ">"
    (directory,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, directory)
    for entry in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, _type, _count, value = struct.unpack_from(order + "HHIH", tiff, entry)
        if tag == ORIENTATION:
            return int(value)
    return 1


def to_jpeg(frame: av.VideoFrame, *, bt709: bool = True) -> bytes:
    """Encode one frame as a JPEG file, whose colours are BT.601 full range by its standard (JFIF 1.02)."""
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height = frame.width, frame.height
    encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1)
    encoder.options = {"qmin": "2", "qmax": "2"}  # the encoder's finest: a cover is looked at standing still
    still = frame.reformat(
        format="yuvj420p",
        src_colorspace="ITU709" if bt709 else None,
        dst_colorspace="ITU601",
        interpolation="AREA",
        src_color_range="MPEG" if bt709 else None,
        dst_color_range="JPEG",  # PyAV 15 does not conclude it from the format
    )
    still.pts = 0
    return b"".join(bytes(packet) for step in (still, None) for packet in encoder.encode(step))


def blur(values: Floats, radius: int) -> Floats:
    """Mean over a square of 2 radius + 1 in the last two axes, edges repeated."""
    size = 2 * radius + 1
    for axis in (-1, -2):
        wide = [(0, 0)] * values.ndim
        wide[axis] = (radius + 1, radius)
        sums = np.moveaxis(np.cumsum(np.pad(values, wide, mode="edge"), axis=axis, dtype=np.float32), axis, 0)
        values = np.moveaxis((sums[size:] - sums[:-size]) * np.float32(1 / size), 0, axis)
    return values


def sample(values: Floats, x: Floats, y: Floats) -> Floats:
    """Read a grid of at least 2 x 2 between its points, edges repeated."""
    rows, columns = values.shape
    x = np.clip(x, 0, np.float32(columns - 1.001))
    y = np.clip(y, 0, np.float32(rows - 1.001))
    left, top = x.astype(np.intp), y.astype(np.intp)
    x, y = x - left.astype(np.float32), y - top.astype(np.float32)
    at, flat = top * columns + left, np.ascontiguousarray(values).reshape(-1)
    above: Floats = flat.take(at) * (1 - x) + flat.take(at + 1) * x
    below: Floats = flat.take(at + columns) * (1 - x) + flat.take(at + columns + 1) * x
    mixed: Floats = above * (1 - y) + below * y
    return mixed


def resize(values: Floats, rows: int, columns: int) -> Floats:
    """The same grid with another number of rows and columns."""
    x = (np.arange(columns, dtype=np.float32) + np.float32(0.5)) * np.float32(values.shape[1] / columns) - np.float32(
        0.5
    )
    y = (np.arange(rows, dtype=np.float32) + np.float32(0.5)) * np.float32(values.shape[0] / rows) - np.float32(0.5)
    return sample(values, x[None, :], y[:, None])
