"""How near each part of a picture is, guessed from the picture alone."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (numpy's stubs leave what is taken from an array of floats unknown)

from typing import NamedTuple

import numpy as np

from ideal_async.sandbox._pictures import Floats, blur, resize
from ideal_async.sandbox._plate import Plate

#: Output pixels, each way, to one estimate of depth.
STEP = 4
#: Share of the way from the vanishing point to the frame's edge at which a room's far wall ends.
FAR_WALL = 0.5
#: How much slower than the floor the ceiling comes nearer: cameras are held below the middle of a room.
CEILING = 0.7
#: Shares of slanting edges that run to one point. Measured: rooms 0.11 to 0.31, other photographs 0.06 to 0.11.
CHANCE, CERTAIN = 0.09, 0.115
#: Shades of luma from one estimate to the next below which a difference is noise.
FAINT = 2


class Vanishing(NamedTuple):
    """Where a room's receding edges meet, 0 to 1 each way, and the share of edges that run there."""

    x: float
    y: float
    share: float


def nearness(plate: Plate) -> Floats:
    """Guess depth from one picture, 0.5 near to -0.5 far, one value for each output pixel of the plate."""
    colours = plate.colours(STEP)
    down, across = (round(n * plate.border / (1 + 2 * plate.border)) for n in colours.shape[1:])
    picture = colours[:, down : colours.shape[1] - down, across : colours.shape[2] - across]
    depth = np.pad(guess(picture), ((down, down), (across, across)), mode="edge")
    return resize(depth, plate.tall // plate.fine, plate.wide // plate.fine)


def guess(colours: Floats) -> Floats:
    """Depth of a room as far as the picture looks like one, and otherwise by what pictures have in common."""
    point = vanishing(colours[0])
    room = min(1.0, max(0.0, (point.share - CHANCE) / (CERTAIN - CHANCE)))
    depth = room * _box(colours[0], point) + (1 - room) * _scene(colours[0])
    low, high = np.quantile(depth, (0.01, 0.99))
    result: Floats = np.clip((depth - low) / (high - low + np.float32(1e-6)), 0, 1).astype(np.float32) - np.float32(0.5)
    return result


def vanishing(grey: Floats) -> Vanishing:
    """Find the point to which most slanting edges run: each strong edge votes for the points on its line."""
    rows, columns = grey.shape
    down, across = (np.asarray(np.gradient(blur(grey, 1), axis=axis), np.float32) for axis in (0, 1))
    strong = np.sqrt(across * across + down * down)
    slanting = np.minimum(np.abs(across), np.abs(down)) > 0.17 * strong  # 10 degrees; upright and level ones fit any
    y, x = np.nonzero(slanting & (strong > np.quantile(strong, 0.85)) & (strong > FAINT))
    if x.size < 50:  # noqa: PLR2004 - nothing to vote
        return Vanishing(0.5, 0.45, 0.0)
    here: Floats = strong[y, x]
    weight = np.sqrt(here)
    a, b = across[y, x] / here, down[y, x] / here
    best = Vanishing(0.5, 0.45, 0.0)
    for at_y in np.linspace(0.25, 0.7, 19):
        for at_x in np.linspace(0.15, 0.85, 29):
            aside, under = x - at_x * columns, y - at_y * rows
            away = np.hypot(aside, under)
            off = np.abs(a * aside + b * under)  # how far the edge's line passes by, times its length
            votes = weight * (off < 0.07 * away + 0.5) * (away > 0.08 * columns)
            share = float(votes.sum() / weight.sum())
            if share > best.share:
                best = Vanishing(float(at_x), float(at_y), share)
    return best


def _box(grey: Floats, point: Vanishing) -> Floats:
    """A room as a box around the vanishing point; nearness grows evenly along a plane: straight lines stay so."""
    rows, columns = grey.shape
    y, x = np.linspace(0, 1, rows, dtype=np.float32)[:, None], np.linspace(0, 1, columns, dtype=np.float32)[None, :]
    sides = np.maximum((point.x - x) / np.float32(point.x), (x - point.x) / np.float32(1 - point.x))
    levels = np.maximum((point.y - y) / np.float32(point.y) * CEILING, (y - point.y) / np.float32(1 - point.y))
    box = np.maximum(np.maximum(sides, levels), np.float32(FAR_WALL))
    result: Floats = blur(box.astype(np.float32), 2)
    return result


def _scene(grey: Floats) -> Floats:
    """What is low, central or in focus is near."""
    rows, columns = grey.shape
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    aside = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    detail = np.sqrt(blur(np.abs(grey - blur(grey, 1)), max(1, columns // 24)))
    depth = 0.5 * down + 0.25 * np.exp(-2 * aside * aside) + 0.3 * detail / (detail.max() + np.float32(1e-6))
    for _ in range(2):
        depth = blur(depth, max(1, columns // 20))
    result: Floats = depth.astype(np.float32)
    return result
