"""One picture under a moving camera, directed by the words of a prompt."""

import math
import re
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

    @classmethod
    def lay(cls, rgb: Bytes, width: int, height: int, fine: int) -> "Plate":
        """Enlarge a picture until it covers the video's window; what the window crops stays within a camera's reach."""
        rows, columns = rgb.shape[:2]
        scale = max(width / columns, height / rows) * fine
        wide, tall = (max(math.ceil(n * scale / 2), m * fine // 2) * 2 for n, m in ((columns, width), (rows, height)))
        picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        full = picture.reformat(wide, tall, "yuv420p", dst_colorspace="ITU709", interpolation="BICUBIC")
        luma, blue, red = (np.ascontiguousarray(plane(full, i)).reshape(-1) for i in range(3))
        return cls(luma, blue, red, width, height, wide, tall, fine)

    @property
    def reach(self) -> tuple[float, float]:
        """Columns and rows the window cannot show at once, in output pixels."""
        return self.wide / self.fine - self.width, self.tall / self.fine - self.height

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
        each = iter(pieces)
        for samples, row, at, side in (
            (self.luma, self.wide, corner, tile),
            (self.blue, half, coloured, tile // 2),
            (self.red, half, coloured, tile // 2),
        ):
            for down in range(side):
                for across in range(side):
                    samples[apart * (down * row + across) :].take(at, out=next(each), mode="clip")
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
    return np.frombuffer(raw, np.uint8).reshape(raw.height, raw.line_size)[:, : raw.width]


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
        roll: radians, clockwise.
        orbit: swing of what is near against what is far, as a share of the width.
    """

    zoom: float = 1.0
    x: float = 0.0
    y: float = 0.0
    roll: float = 0.0
    orbit: float = 0.0


#: What a prompt that directs nothing gets: a slow push with a breath of depth.
GENTLE = Move(zoom=1.12, orbit=0.012)

WORDS: tuple[tuple[str, dict[str, float]], ...] = (
    (r"\bzoom\w*\W+out|\bpull\w*\W+(?:out|back|away)", {"zoom": 0.82}),
    (r"\bzoom|\bpush\w*\W+in\b", {"zoom": 1.28}),
    (r"\bpan\w*\W+(?:\w+\W+){0,3}?left\b", {"x": -1}),
    (r"\bpan\w*\W+(?:\w+\W+){0,3}?right\b", {"x": 1}),
)


def direct(prompt: str) -> Move:
    """Read a camera move out of a prompt."""
    found: dict[str, float] = {}
    for pattern, effect in WORDS:
        if re.search(pattern, prompt, re.IGNORECASE):
            found = effect | found
    return Move(**found) if found else GENTLE


def ease(t: float) -> float:
    """Time 0 to 1 as a heavy camera spends it: setting off and arriving slowly, steady in between."""
    start = 0.2  # share of the way spent getting up to speed
    if t > 0.5:  # noqa: PLR2004 - the second half mirrors the first
        return 1 - ease(1 - t)
    return (t * t / (2 * start) if t < start else t - start / 2) / (1 - start)


def nearness(plate: Plate) -> Floats:
    """Guess depth from one picture, 0.5 near to -0.5 far: what is low, central or in focus is near."""
    grey = plate.brightness(4)
    rows, columns = grey.shape
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    aside = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    detail = np.sqrt(blur(np.abs(grey - blur(grey, 1)), columns // 24))
    depth = 0.5 * down + 0.3 * np.exp(-2 * aside * aside) + 0.3 * detail / (detail.max() + np.float32(1e-6))
    for _ in range(2):
        depth = blur(depth, columns // 20)
    depth = (depth - depth.min()) / (np.ptp(depth) + np.float32(1e-6)) - np.float32(0.5)
    return resize(depth, plate.height // TILE, plate.width // TILE)


def fly(plate: Plate, move: Move, frames: int) -> Iterator[av.VideoFrame]:
    """Fly a move; the first frame is the picture as it is."""
    u, v = plate.grid()
    depth = nearness(plate) if move.orbit else None
    zoom = move.zoom if move.zoom < 1 else max(move.zoom, 1.22 if move.x or move.y else 1.0)
    for index in range(frames):
        gone = ease(index / max(1, frames - 1))
        scale = zoom**-gone
        room_x, room_y = (plate.width * (1 - scale) + r * gone for r in plate.reach)
        x = u * np.float32(scale) + np.float32(move.x * room_x / 2)
        y = v * np.float32(scale) + np.float32(move.y * room_y / 2)
        if depth is not None:
            x = x + depth * np.float32(plate.width * move.orbit * math.sin(1.5 * math.pi * gone))
        yield plate.develop(plate.pick(x, y, scale))
