"""Furniture for the drawn rooms: each piece stands on the floor at its own origin and faces the camera (towards -z)."""

import math
from collections.abc import Iterable

import attrs

from ideal_async.sandbox._rooms.sight import LEFT, RIGHT, Lamp, Window
from ideal_async.sandbox._rooms.solids import Finish, Solid, Vector

Piece = tuple[Solid, ...]

WHITE = Finish((0.94, 0.94, 0.92), gloss=0.15)
BLACK = Finish((0.10, 0.10, 0.11), gloss=0.25)
BRASS = Finish((0.72, 0.56, 0.32), gloss=0.55)
STEEL = Finish((0.66, 0.67, 0.68), gloss=0.6)
GLOWING = Finish((0.95, 0.91, 0.84), glow=2.6)
CLAY = Finish((0.74, 0.50, 0.38))
LEAF = Finish((0.20, 0.36, 0.19), "leaf", gloss=0.12)


@attrs.frozen
class Palette:
    """The colours of a room that belong together."""

    wall: Vector
    feature: Vector  # the wall at the back
    floor: Vector
    wood: Vector
    cloth: Vector
    accent: Vector
    second: Vector
    pale: Vector = (0.92, 0.90, 0.86)

    def timber(self, gloss: float = 0.18) -> Finish:
        """Its wood, for furniture."""
        return Finish(self.wood, "wood", gloss=gloss)


def box(
    at: Vector, size: Vector, finish: Finish, rounding: float = 0.008, *, turn: float = 0.0, lean: float = 0.0
) -> Solid:
    """A box by its whole size."""
    return Solid("box", at, (size[0] / 2, size[1] / 2, size[2] / 2), finish, rounding, turn=turn, lean=lean)


def post(at: Vector, radius: float, height: float, finish: Finish, top: float = 1.0, *, shades: bool = True) -> Solid:
    """A round post, dish or shade by its radius and whole height."""
    return Solid("cone", at, (radius, height / 2, radius), finish, 0.006, top, shades=shades)


def put(piece: Iterable[Solid], x: float, z: float, turn: float = 0.0, y: float = 0.0) -> Piece:
    """Stand a piece somewhere, turned about its own middle."""
    c, s = math.cos(turn), math.sin(turn)
    return tuple(
        attrs.evolve(
            solid,
            centre=(
                x + c * solid.centre[0] + s * solid.centre[2],
                y + solid.centre[1],
                z - s * solid.centre[0] + c * solid.centre[2],
            ),
            turn=solid.turn + turn,
        )
        for solid in piece
    )


def _legs(
    width: float, depth: float, height: float, finish: Finish, radius: float = 0.022, *, top: float = 1.5
) -> Piece:
    return tuple(
        post((x * width / 2, height / 2, z * depth / 2), radius, height, finish, top) for x in (-1, 1) for z in (-1, 1)
    )


def cushion(x: float, y: float, z: float, finish: Finish, size: float = 0.46, *, turn: float = 0.0) -> Solid:
    """A throw pillow, leaning back."""
    return Solid("box", (x, y, z), (size / 2, size / 2, 0.075), finish, 0.075, turn=turn, lean=-0.3)


def sofa(palette: Palette, width: float = 2.3, seats: int = 3, cloth: Finish | None = None) -> Piece:
    """A sofa with loose cushions."""
    cloth = cloth or Finish(palette.cloth, "cloth")
    inner, each = width - 0.40, (width - 0.40) / seats
    pieces = [
        box((0, 0.24, 0), (width - 0.06, 0.18, 0.86), cloth, 0.04),
        box((-width / 2 + 0.11, 0.40, 0), (0.22, 0.46, 0.92), cloth, 0.08),
        box((width / 2 - 0.11, 0.40, 0), (0.22, 0.46, 0.92), cloth, 0.08),
        box((0, 0.52, 0.36), (width - 0.1, 0.62, 0.20), cloth, 0.09),
        *_legs(width - 0.25, 0.7, 0.16, Finish(palette.wood)),
    ]
    for seat in range(seats):
        x = -inner / 2 + each * (seat + 0.5)
        pieces.append(box((x, 0.40, -0.06), (each - 0.012, 0.18, 0.76), cloth, 0.065))
        pieces.append(box((x, 0.66, 0.20), (each - 0.03, 0.42, 0.18), cloth, 0.085, lean=-0.16))
    pieces.append(cushion(-inner / 2 + 0.22, 0.68, 0.04, Finish(palette.accent, "cloth"), turn=-0.25))
    pieces.append(cushion(inner / 2 - 0.20, 0.68, 0.04, Finish(palette.pale, "stripes", palette.second), turn=0.22))
    pieces.append(cushion(inner / 2 - 0.52, 0.65, 0.0, Finish(palette.second, "cloth"), 0.40, turn=0.05))
    return tuple(pieces)


def armchair(palette: Palette) -> Piece:
    """An upholstered chair on wooden legs."""
    cloth, wood = Finish(palette.accent, "cloth"), Finish(palette.wood, gloss=0.2)
    return (
        box((0, 0.36, -0.02), (0.62, 0.17, 0.66), cloth, 0.07),
        box((0, 0.66, 0.29), (0.66, 0.62, 0.15), cloth, 0.07, lean=-0.18),
        box((-0.35, 0.46, 0.0), (0.11, 0.34, 0.68), cloth, 0.055),
        box((0.35, 0.46, 0.0), (0.11, 0.34, 0.68), cloth, 0.055),
        *_legs(0.58, 0.56, 0.28, wood),
    )


def round_table(palette: Palette, radius: float = 0.46, height: float = 0.38) -> Piece:
    """A low round table with books and a vase."""
    wood = palette.timber(0.25)
    return (
        post((0, height - 0.02, 0), radius, 0.04, wood),
        *_legs(radius * 1.1, radius * 1.1, height - 0.04, wood, 0.02),
        box((-0.12, height + 0.015, -0.06), (0.30, 0.03, 0.21), Finish(palette.second), turn=0.35),
        box((-0.12, height + 0.042, -0.06), (0.26, 0.025, 0.19), Finish(palette.pale), turn=0.2),
        *put(vase(palette), 0.16, 0.08, y=height),
    )


def vase(palette: Palette, finish: Finish | None = None) -> Piece:
    """A vase with a few dry twigs."""
    clay = finish or Finish(palette.pale, gloss=0.3)
    twigs = tuple(
        Solid(
            "ball",
            (0.05 * math.cos(a), 0.36 + 0.03 * (n % 3), 0.05 * math.sin(a)),
            (0.012, 0.16, 0.012),
            Finish(palette.accent),
            turn=-a - math.pi / 2,
            lean=0.28,
        )
        for n, a in enumerate(k * 1.05 for k in range(6))
    )
    return (Solid("ball", (0, 0.10, 0), (0.085, 0.11, 0.085), clay), post((0, 0.21, 0), 0.032, 0.08, clay, 1.2), *twigs)


def plant(height: float = 1.3, leaves: int = 15, pot: Finish = CLAY) -> Piece:
    """A large plant in a pot."""
    pieces = [post((0, 0.19, 0), 0.17, 0.38, pot, 1.25), post((0, 0.375, 0), 0.20, 0.02, Finish((0.16, 0.11, 0.08)))]
    for n in range(leaves):
        about = n * 2.399963  # the golden angle: no two leaves above one another
        up = (n + 0.5) / leaves
        out, lean = 0.10 + 0.22 * (1 - up) + 0.08 * (n % 2), 1.15 - 0.85 * up
        y = 0.48 + (height - 0.62) * up
        size = 0.21 + 0.07 * (n % 3)
        x, z = math.cos(about), math.sin(about)
        pieces.append(
            Solid("ball", (out * x, y, out * z), (0.085, size, 0.012), LEAF, turn=-about - math.pi / 2, lean=lean)
        )
        if n % 3 == 0:
            pieces.append(
                Solid(
                    "ball",
                    (out * x * 0.4, 0.38 + (y - 0.38) * 0.45, out * z * 0.4),
                    (0.01, (y - 0.3) * 0.5, 0.01),
                    LEAF,
                    turn=-about - math.pi / 2,
                    lean=0.25,
                )
            )
    return tuple(pieces)


def floor_lamp(finish: Finish = BLACK, height: float = 1.55) -> Piece:
    """A standing lamp."""
    return (
        post((0, 0.012, 0), 0.15, 0.024, finish),
        post((0, height / 2, 0), 0.012, height, finish),
        post((0, height + 0.02, 0), 0.21, 0.28, GLOWING, 0.78, shades=False),
    )


def table_lamp(finish: Finish = BRASS) -> Piece:
    """A lamp for a table or a shelf."""
    return (
        Solid("ball", (0, 0.12, 0), (0.075, 0.12, 0.075), finish),
        post((0, 0.25, 0), 0.01, 0.10, finish),
        post((0, 0.36, 0), 0.14, 0.19, GLOWING, 0.72, shades=False),
    )


def pendant(drop: float, ceiling: float, finish: Finish = BLACK, radius: float = 0.2) -> Piece:
    """A lamp on a cord; its light hangs `drop` metres under the ceiling."""
    y = ceiling - drop
    return (
        post((0, ceiling - drop / 2 + 0.1, 0), 0.006, drop - 0.2, BLACK),
        Solid("cone", (0, y + 0.09, 0), (radius, 0.10, radius), finish, 0.01, 0.28, shades=False),
        Solid("ball", (0, y - 0.01, 0), (0.055, 0.055, 0.055), attrs.evolve(GLOWING, glow=5.0), shades=False),
    )


def picture(width: float, height: float, palette: Palette, frame: Finish = BLACK, *, swapped: bool = False) -> Piece:
    """A framed print; its origin is its middle on the wall behind it."""
    one, other = (palette.second, palette.accent) if swapped else (palette.accent, palette.second)
    return (
        box((0, 0, -0.018), (width, height, 0.036), frame),
        box((0, 0, -0.034), (width - 0.05, height - 0.05, 0.012), Finish((0.95, 0.94, 0.91)), 0.002),
        box((0, 0, -0.038), (width * 0.74, height * 0.74, 0.012), Finish(other, "art", one), 0.002),
    )


def shelf(palette: Palette, width: float = 1.2, height: float = 2.0, rows: int = 5, depth: float = 0.32) -> Piece:
    """A book case, filled in part."""
    wood = palette.timber(0.12)
    pieces = [box((side * width / 2, height / 2, 0), (0.03, height, depth), wood) for side in (-1, 1)]
    pieces.append(box((0, height / 2, depth / 2 - 0.01), (width, height, 0.02), wood))
    step = (height - 0.05) / rows
    pieces.extend(box((0, 0.02 + row * step, 0), (width, 0.03, depth), wood) for row in range(rows + 1))
    for row in range(rows):
        y, tall = 0.035 + row * step, step * (0.62 + 0.06 * (row % 3))
        share = (0.62, 0.40, 0.78, 0.52, 0.66)[row % 5]
        left = row % 2 == 0
        wide = (width - 0.06) * share
        x = -(width - 0.06) / 2 + wide / 2 if left else (width - 0.06) / 2 - wide / 2
        pieces.append(
            box((x, y + tall / 2, 0.02), (wide, tall, depth * 0.68), Finish((0.72, 0.66, 0.60), "books"), 0.002)
        )
        free = (x + wide / 2 + (width - 0.06) / 2) / 2 if left else (x - wide / 2 - (width - 0.06) / 2) / 2
        if row % 3 == 0:
            pieces.append(Solid("ball", (free, y + 0.09, 0), (0.07, 0.09, 0.07), Finish(palette.pale, gloss=0.3)))
        elif row % 3 == 1:
            pieces.append(box((free, y + 0.10, 0.02), (0.15, 0.20, 0.03), Finish(palette.accent), lean=-0.1))
        else:
            pieces.append(post((free, y + 0.07, 0), 0.06, 0.14, Finish(palette.second, gloss=0.3), 0.7))
    return tuple(pieces)


def bed(palette: Palette, width: float = 1.8) -> Piece:
    """A made bed, its head towards the back."""
    linen, throw = Finish((0.93, 0.92, 0.89), "cloth"), Finish(palette.accent, "cloth")
    head = Finish(palette.cloth, "cloth")
    pillows = [
        Solid("box", (side * width * 0.25, 0.70, 0.74), (0.33, 0.21, 0.09), linen, 0.088, lean=-0.55)
        for side in (-1, 1)
    ]
    front = [
        Solid(
            "box",
            (side * width * 0.22, 0.68, 0.52),
            (0.25, 0.20, 0.075),
            Finish(palette.second, "cloth"),
            0.074,
            lean=-0.5,
            turn=side * 0.05,
        )
        for side in (-1, 1)
    ]
    return (
        box((0, 0.20, 0), (width + 0.06, 0.20, 2.08), palette.timber(), 0.02),
        box((0, 0.40, 0), (width, 0.24, 2.02), linen, 0.07),
        box((0, 0.50, -0.22), (width + 0.09, 0.16, 1.56), linen, 0.075),
        box((0, 0.515, -0.62), (width + 0.12, 0.15, 0.62), throw, 0.07),
        box((0, 0.62, 1.05), (width + 0.25, 0.95, 0.12), head, 0.05),
        *pillows,
        *front,
        cushion(0, 0.66, 0.34, Finish(palette.accent, "cloth"), 0.36),
        *_legs(width - 0.1, 1.9, 0.12, Finish(palette.wood)),
    )


def nightstand(palette: Palette) -> Piece:
    """A small cupboard with two drawers."""
    wood = palette.timber()
    return (
        box((0, 0.29, 0), (0.48, 0.40, 0.38), wood, 0.015),
        box((0, 0.38, -0.19), (0.44, 0.16, 0.02), wood),
        box((0, 0.20, -0.19), (0.44, 0.16, 0.02), wood),
        post((0, 0.38, -0.21), 0.014, 0.028, BRASS),
        post((0, 0.20, -0.21), 0.014, 0.028, BRASS),
        *_legs(0.40, 0.30, 0.10, wood),
    )


def chair(palette: Palette, finish: Finish | None = None) -> Piece:
    """A dining chair; who sits on it looks towards -z."""
    wood = palette.timber()
    seat = finish or Finish(palette.cloth, "cloth")
    return (
        box((0, 0.46, 0), (0.44, 0.05, 0.43), seat, 0.024),
        box((0, 0.79, 0.21), (0.42, 0.22, 0.035), wood, 0.016, lean=-0.14),
        *(post((x * 0.18, 0.62, 0.20), 0.014, 0.36, wood) for x in (-1, 1)),
        *_legs(0.37, 0.36, 0.44, wood, 0.015, top=1.3),
    )


def dining_table(palette: Palette, width: float = 2.0, depth: float = 0.95) -> Piece:
    """A table with a bowl of fruit and a vase."""
    wood = palette.timber(0.28)
    fruit = tuple(
        Solid(
            "ball",
            (0.07 * math.cos(a), 0.83 + 0.02 * (n % 2), 0.07 * math.sin(a)),
            (0.042, 0.042, 0.042),
            Finish(colour, gloss=0.25),
        )
        for n, (a, colour) in enumerate(
            zip((0, 1.26, 2.5, 3.8, 5.0), ((0.85, 0.45, 0.1), (0.6, 0.65, 0.15), (0.75, 0.2, 0.12)) * 2, strict=False)
        )
    )
    return (
        box((0, 0.735, 0), (width, 0.045, depth), wood, 0.015),
        *_legs(width - 0.22, depth - 0.2, 0.71, wood, 0.026, top=1.5),
        post((0.12, 0.79, 0), 0.10, 0.06, Finish(palette.pale, gloss=0.3), 1.7),
        *put(fruit, 0.12, 0.0),
        *put(vase(palette), -0.42, 0.05, y=0.758),
    )


def curtains(window: Window, ceiling: float, side: float, finish: Finish, spread: float = 0.42) -> Piece:
    """A pair of curtains for a window; side is the x (or z) of its wall."""
    height = ceiling - 0.14
    pieces: list[Solid] = []
    for edge, out in ((window.left, -1), (window.right, 1)):
        along = edge + out * spread * 0.38
        folds = Solid("folds", (0, height / 2 + 0.02, 0), (spread / 2, height / 2, 0.06), finish, 0.02)
        pieces.extend(_on_wall((folds,), window.wall, along, side, 0.10))
    length = window.right - window.left + 2 * spread
    bar = box((0, height + 0.03, 0), (length, 0.022, 0.022), BLACK, 0.01)
    pieces.extend(_on_wall((bar,), window.wall, (window.left + window.right) / 2, side, 0.10))
    return tuple(pieces)


def _on_wall(piece: Piece, wall: int, along: float, side: float, off: float) -> Piece:
    if wall == LEFT:
        return put(piece, -side + off, along, -math.pi / 2)
    if wall == RIGHT:
        return put(piece, side - off, along, math.pi / 2)
    return put(piece, along, side - off)


def hang(piece: Piece, wall: int, along: float, up: float, side: float) -> Piece:
    """Hang a piece on a wall, `side` metres from the middle of the room (or from the camera)."""
    return put(_on_wall(piece, wall, along, side, 0.0), 0, 0, y=up)


def rug(width: float, depth: float, finish: Finish) -> Piece:
    """A rug."""
    return (box((0, 0.009, 0), (width, 0.018, depth), finish, 0.006),)


def cabinets(count: int, each: float, height: float, depth: float, finish: Finish, *, handle: Finish = BRASS) -> Piece:
    """A row of cupboards with handles, its left end at x = 0."""
    pieces = [
        box(
            (count * each / 2, height / 2 + 0.04, 0.01),
            (count * each, height - 0.08, depth - 0.03),
            attrs.evolve(finish, gloss=0),
        )
    ]
    for n in range(count):
        pieces.append(
            box(((n + 0.5) * each, height / 2, -depth / 2 + 0.01), (each - 0.012, height - 0.03, 0.022), finish, 0.004)
        )
        pieces.append(box(((n + 0.5) * each, height - 0.11, -depth / 2 - 0.018), (0.15, 0.014, 0.014), handle, 0.005))
    return tuple(pieces)


def stool(palette: Palette) -> Piece:
    """A bar stool."""
    return (
        post((0, 0.66, 0), 0.19, 0.05, palette.timber(0.25), 0.96),
        *_legs(0.24, 0.24, 0.64, BLACK, 0.016, top=0.8),
        post((0, 0.24, 0), 0.15, 0.014, BLACK),
    )


def light(place: Vector, strength: float, open_: float = 0.45) -> Lamp:
    """A lamp's light."""
    return Lamp(place, strength, open_)
