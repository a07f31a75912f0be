"""One picture under a moving camera, directed by the words of a prompt."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (numpy's stubs leave what is taken from an array of floats unknown)

import math
from collections.abc import Iterator

import attrs
import av
import numpy as np

from ideal_async.sandbox._pictures import Bytes, Floats, blur, resize

#: Side, in output pixels, of the square of frame that is copied as one piece: chroma has one value for each.
TILE = 2


@attrs.frozen(eq=False)
class Plate:
    """A picture enlarged once, so that every frame of a move is nothing but picking pixels.

    Sub-pixel movement is smooth because one output pixel is `fine` x `fine` pixels here. `fine` is odd: a camera at
    rest then picks exactly the pixels the picture itself would have at the size of the video.
    """

    luma: Bytes
    blue: Bytes
    red: Bytes
    width: int  # of the video, in pixels
    height: int
    wide: int  # of the plate, in its own finer pixels
    tall: int
    fine: int
    reach: tuple[float, float]  # columns and rows of the picture that the window crops, in output pixels

    @classmethod
    def lay(cls, rgb: Bytes, width: int, height: int, fine: int, border: float = 0) -> "Plate":
        """Enlarge a picture until it covers the window; what the window crops stays within a camera's reach.

        The picture may have a border, the share of its own size on every side, which lies outside the window.
        """
        rows, columns = rgb.shape[:2]
        rows, columns = rows / (1 + 2 * border), columns / (1 + 2 * border)
        scale = max(width / columns, height / rows)
        reach = columns * scale - width, rows * scale - height
        wide, tall = (
            max(math.ceil(n * scale * fine / 2), m * fine // 2) * 2
            for n, m in ((rgb.shape[1], width), (rgb.shape[0], height))
        )
        picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        full = picture.reformat(wide, tall, "yuv420p", dst_colorspace="ITU709", interpolation="BICUBIC")
        luma, blue, red = (np.ascontiguousarray(plane(full, index)).reshape(-1) for index in range(3))
        return cls(luma, blue, red, width, height, wide, tall, fine, reach)

    def grid(self, tile: int = TILE) -> tuple[Floats, Floats]:
        """Centres of the window's tiles, from the window's centre, in output pixels: a row and a column."""
        across = np.arange((self.width + tile - 1) // tile, dtype=np.float32)
        down = np.arange((self.height + tile - 1) // tile, dtype=np.float32)
        half = np.float32(tile / 2)
        return (across * tile + half - self.width / 2)[None, :], (down * tile + half - self.height / 2)[:, None]

    def brightness(self, step: int) -> Floats:
        """Luma of the whole plate, one value for each step x step output pixels."""
        whole = self.luma.reshape(self.tall, self.wide)[self.fine // 2 :: self.fine, self.fine // 2 :: self.fine]
        return blur(whole.astype(np.float32), step // 2)[step // 2 :: step, step // 2 :: step]

    def pick(self, x: Floats, y: Floats, scale: float = 1.0, tile: int = TILE) -> Bytes:
        """Pick tiles centred on x, y (output pixels from the plate's centre), magnified 1 / scale times.

        What lies outside the plate is its mirror image.

        Returns:
            Shape (pieces, rows, columns): the tile's pixels of luma, row by row, then of each chroma.
        """
        apart = max(1, round(self.fine * scale))
        span = (tile - 1) * apart
        left = _inside(x * np.float32(self.fine) + np.float32((self.wide - span) / 2), self.wide - 1 - span)
        top = _inside(y * np.float32(self.fine) + np.float32((self.tall - span) / 2), self.tall - 1 - span)
        half, middle = self.wide // 2, (apart + 1) // 2
        corner = top * self.wide + left
        coloured = ((top + middle) >> 1) * half + ((left + middle) >> 1)
        pieces = np.empty((tile * tile * 3 // 2, *corner.shape), np.uint8)
        index = 0
        for samples, row, at, side in (
            (self.luma, self.wide, corner, tile),
            (self.blue, half, coloured, tile // 2),
            (self.red, half, coloured, tile // 2),
        ):
            for down in range(side):
                for across in range(side):
                    np.take(samples[apart * (down * row + across) :], at, out=pieces[index], mode="clip")
                    index += 1
        return pieces

    def develop(self, pieces: Bytes) -> av.VideoFrame:
        """Lay picked tiles out as a frame."""
        frame, each = av.VideoFrame(self.width, self.height, "yuv420p"), iter(pieces)
        tile = math.isqrt(len(pieces) * 2 // 3)
        for index, side in enumerate((tile, tile // 2, tile // 2)):
            pixels = plane(frame, index)
            for down in range(side):
                for across in range(side):
                    hole = pixels[down::side, across::side]
                    hole[...] = next(each)[: hole.shape[0], : hole.shape[1]]
        return frame


def plane(frame: av.VideoFrame, index: int) -> Bytes:
    """One plane of a frame as an array that shares its memory."""
    raw = frame.planes[index]
    result: Bytes = np.frombuffer(memoryview(raw), np.uint8).reshape(raw.height, raw.line_size)[:, : raw.width]
    return result


def _inside(at: Floats, last: int) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    """Mirror what is outside 0 to last, and round."""
    folded = np.float32(last) - np.abs(np.float32(last) - np.abs(at))
    return folded.astype(np.intp)


@attrs.frozen
class Move:
    """Where a camera ends, having begun on the whole picture.

    Args:
        zoom: magnification at the end; below 1 the camera has gone back.
        x: sideways, -1 as far left as the picture gives, 1 as far right.
        y: up and down, -1 as far up as the picture gives, 1 as far down.
        roll: radians the camera turns about its own axis, clockwise.
        orbit: sideways swing of what is near against what is far, as a share of the width; above 0 to the right.
    """

    zoom: float = 1.0
    x: float = 0.0
    y: float = 0.0
    roll: float = 0.0
    orbit: float = 0.0


#: Share of the window a pan or a tilt travels, so that it is seen to move.
TRAVEL = 0.18
#: Share by which near things grow faster than far ones for each doubling: the difference of a dolly and a zoom.
DEPTH = 0.2


def nearness(plate: Plate) -> Floats:
    """Guess depth from one picture, 0.5 near to -0.5 far: what is low, central or in focus is near."""
    grey = plate.brightness(4)
    rows, columns = grey.shape
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    aside = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    detail = np.sqrt(blur(np.abs(grey - blur(grey, 1)), max(1, columns // 24)))
    depth = 0.5 * down + 0.25 * np.exp(-2 * aside * aside) + 0.3 * detail / (detail.max() + np.float32(1e-6))
    for _ in range(2):
        depth = blur(depth, max(1, columns // 20))
    depth = (depth - depth.min()) / (np.ptp(depth) + np.float32(1e-6)) - np.float32(0.5)
    return resize(depth.astype(np.float32), plate.tall // plate.fine, plate.wide // plate.fine)


def ease(t: float) -> float:
    """Time 0 to 1 as a heavy camera spends it: setting off and arriving slowly, steady in between."""
    start = 0.2  # share of the time spent getting up to speed
    if t > 0.5:  # noqa: PLR2004 - the second half mirrors the first
        return 1 - ease(1 - t)
    return (t * t / (2 * start) if t < start else t - start / 2) / (1 - start)


def fly(plate: Plate, move: Move, frames: int) -> Iterator[av.VideoFrame]:
    """Fly a move; the first frame is the picture as it is."""
    u, v = plate.grid()
    depth = nearness(plate)
    rows, columns = depth.shape
    zoom = _closest(plate, move)
    for index in range(frames):
        gone = ease(index / max(1, frames - 1))
        scale = zoom**-gone
        cosine, sine = np.float32(scale * math.cos(move.roll * gone)), np.float32(scale * math.sin(move.roll * gone))
        room_x, room_y = (
            size * (1 - scale) + r for size, r in zip((plate.width, plate.height), plate.reach, strict=True)
        )
        x = cosine * u + np.float32(move.x * gone * room_x / 2)
        y = cosine * v + np.float32(move.y * gone * room_y / 2)
        if move.roll:
            x, y = x - sine * v, y + sine * u
        near: Floats = depth.reshape(-1).take(
            np.clip(y + np.float32(rows / 2), 0, rows - 1).astype(np.intp) * columns
            + np.clip(x + np.float32(columns / 2), 0, columns - 1).astype(np.intp)
        )
        grown = 1 + near * np.float32(DEPTH * math.log2(scale))
        swing = math.sin(gone * math.pi / 2) * move.orbit
        x = x * grown + near * np.float32(swing * plate.width)
        y = y * grown * (1 + u * np.float32(2 * swing / plate.width))  # a camera that swings round sees a keystone
        yield plate.develop(plate.pick(x, y, scale))


def _closest(plate: Plate, move: Move) -> float:
    """The zoom that a move ends with: its own, or as much as keeps the picture's edges out of sight."""
    if move.zoom < 1:
        return move.zoom
    spare = (
        min(
            r / size
            for r, size, way in zip(plate.reach, (plate.width, plate.height), (move.x, move.y), strict=True)
            if way
        )
        if move.x or move.y
        else TRAVEL
    )
    turned = abs(math.sin(move.roll)) * plate.width / plate.height + math.cos(move.roll)
    return max(move.zoom, 1 / (1 - max(0.0, TRAVEL - spare)), turned, 1 + 2 * abs(move.orbit))
