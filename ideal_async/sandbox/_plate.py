"""A picture enlarged once, so that every frame of a clip is nothing but picking pixels."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (numpy's stubs leave what is taken from an array of floats unknown)

import math

import attrs
import av
import numpy as np

from ideal_async.sandbox._pictures import Bytes, Floats

#: Frames each second of every clip, the cinema's.
FRAMES = 24
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
    border: float = 0  # what surrounds the picture on every side, as a share of its size

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
        return cls(luma, blue, red, width, height, wide, tall, fine, reach, border)

    def grid(self, tile: int = TILE) -> tuple[Floats, Floats]:
        """Centres of the window's tiles, from the window's centre, in output pixels: a row and a column."""
        across = np.arange((self.width + tile - 1) // tile, dtype=np.float32)
        down = np.arange((self.height + tile - 1) // tile, dtype=np.float32)
        half = np.float32(tile / 2)
        return (across * tile + half - self.width / 2)[None, :], (down * tile + half - self.height / 2)[:, None]

    def colours(self, step: int) -> Floats:
        """Luma, blue and red of the whole plate, one value for each step x step output pixels."""
        apart = self.fine * step
        planes = (
            (self.luma.reshape(self.tall, self.wide), apart),
            *((chroma.reshape(self.tall // 2, self.wide // 2), apart / 2) for chroma in (self.blue, self.red)),
        )
        rows, columns = self.tall // apart, self.wide // apart
        fine = 4  # so many samples each way make a mean
        return np.stack(
            [
                samples[
                    ((np.arange(rows * fine) + 0.5) * size / fine).astype(np.intp)[:, None],
                    ((np.arange(columns * fine) + 0.5) * size / fine).astype(np.intp)[None, :],
                ]
                .reshape(rows, fine, columns, fine)
                .mean(axis=(1, 3), dtype=np.float32)
                for samples, size in planes
            ]
        )

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
