"""What stands where in each kind of room, and the colours it comes in."""

import math
from collections.abc import Callable

from ideal_async.sandbox._rooms.furniture import (
    BLACK,
    BRASS,
    STEEL,
    WHITE,
    Palette,
    Piece,
    armchair,
    bed,
    box,
    cabinets,
    chair,
    curtains,
    dining_table,
    floor_lamp,
    hang,
    light,
    nightstand,
    pendant,
    picture,
    plant,
    post,
    put,
    round_table,
    rug,
    shelf,
    sofa,
    stool,
    table_lamp,
    vase,
)
from ideal_async.sandbox._rooms.sight import BACK, LEFT, RIGHT, Lamp, Room, Window
from ideal_async.sandbox._rooms.solids import Finish, Solid

CEILING = Finish((0.95, 0.95, 0.94))

PALETTES = (
    Palette(
        (0.91, 0.90, 0.87),
        (0.91, 0.90, 0.87),
        (0.78, 0.64, 0.48),
        (0.76, 0.60, 0.42),
        (0.52, 0.57, 0.60),
        (0.80, 0.60, 0.26),
        (0.26, 0.36, 0.44),
    ),
    Palette(
        (0.90, 0.87, 0.82),
        (0.58, 0.62, 0.52),
        (0.70, 0.54, 0.38),
        (0.55, 0.38, 0.25),
        (0.88, 0.85, 0.79),
        (0.70, 0.40, 0.28),
        (0.36, 0.42, 0.33),
    ),
    Palette(
        (0.90, 0.88, 0.86),
        (0.20, 0.27, 0.34),
        (0.60, 0.45, 0.32),
        (0.42, 0.28, 0.18),
        (0.62, 0.40, 0.25),
        (0.82, 0.72, 0.55),
        (0.16, 0.24, 0.32),
    ),
    Palette(
        (0.93, 0.90, 0.88),
        (0.82, 0.66, 0.58),
        (0.82, 0.71, 0.57),
        (0.72, 0.55, 0.38),
        (0.90, 0.86, 0.80),
        (0.38, 0.46, 0.42),
        (0.62, 0.34, 0.27),
    ),
)


def _living(p: Palette) -> Room:
    w, h, d = 5.2, 2.75, 5.2
    window = Window(LEFT, 1.5, 4.1, 0.35, 2.35, (3, 1))
    solids = (
        *put(rug(3.0, 2.0, Finish(p.pale, "rug", p.second)), 0.15, 3.15),
        *put(sofa(p), 0.35, 4.45),
        *put(round_table(p), 0.1, 3.15),
        *put(armchair(p), 1.9, 3.0, 1.05),
        *put(floor_lamp(), 1.98, 4.62),
        *put(plant(1.75, 17), -2.1, 4.65),
        *hang(picture(0.72, 0.95, p), BACK, -0.05, 1.68, d),
        *hang(picture(0.72, 0.95, p, swapped=True), BACK, 0.82, 1.68, d),
        *curtains(window, h, w / 2, Finish(p.pale, "cloth")),
        *put(shelf(p, 1.0, 0.8, 2), 2.42, 1.7, math.pi / 2),
        *put(vase(p), 2.40, 1.6, y=0.82),
    )
    lamps = (light((1.98, 1.55, 4.62), 1.25), light((0.0, 2.2, 2.0), 0.85, 1.0))
    return _room(p, (w, h, d), (window,), solids, lamps, yaw=-0.05, eye=(0.25, 1.3, -0.2))


def _room(
    p: Palette,
    size: tuple[float, float, float],
    windows: tuple[Window, ...],
    solids: Piece,
    lamps: tuple[Lamp, ...],
    *,
    floor: Finish | None = None,
    back: Finish | None = None,
    sides: Finish | None = None,
    eye: tuple[float, float, float] = (0.0, 1.3, 0.0),
    yaw: float = 0.0,
    sun: tuple[float, float, float] = (-0.60, 0.50, 0.25),
    focal: float = 1.06,
) -> Room:
    wall, (w, h, d) = sides or Finish(p.wall), size
    trim = Finish((0.94, 0.94, 0.92))
    skirting = (
        box((0, 0.05, d - 0.008), (w, 0.10, 0.016), trim, 0.003),
        box((-w / 2 + 0.008, 0.05, d / 2), (0.016, 0.10, d), trim, 0.003),
        box((w / 2 - 0.008, 0.05, d / 2), (0.016, 0.10, d), trim, 0.003),
    )
    return Room(
        w,
        h,
        d,
        (floor or Finish(p.floor, "planks", gloss=0.22), CEILING, wall, wall, back or Finish(p.feature)),
        windows,
        (*skirting, *solids),
        lamps,
        eye=eye,
        yaw=yaw,
        sun=sun,
        focal=focal,
    )


def _bedroom(p: Palette) -> Room:
    w, h, d = 4.8, 2.7, 5.0
    window = Window(RIGHT, 1.9, 3.9, 0.5, 2.3, (2, 1))
    solids = (
        *put(rug(2.9, 1.9, Finish(p.pale, "rug", p.cloth)), -0.25, 2.75),
        *put(bed(p), -0.25, 3.85),
        *put(nightstand(p), -1.62, 4.68),
        *put(nightstand(p), 1.12, 4.68),
        *put(table_lamp(), -1.62, 4.68, y=0.49),
        *put(table_lamp(), 1.12, 4.68, y=0.49),
        *hang(picture(1.25, 0.72, p, BRASS), BACK, -0.25, 1.72, d),
        *put(plant(1.5, 14), 1.98, 4.5),
        *put(armchair(p), -1.85, 2.5, -1.0),
        *curtains(window, h, w / 2, Finish(p.pale, "cloth")),
    )
    lamps = (light((-1.62, 0.86, 4.66), 0.8), light((1.12, 0.86, 4.66), 0.8), light((0, 2.3, 1.4), 0.6, 1.0))
    return _room(p, (w, h, d), (window,), solids, lamps, sun=(0.6, 0.48, 0.05), yaw=0.04, eye=(-0.1, 1.35, -0.2))


def _kitchen(p: Palette) -> Room:
    w, h, d = 5.0, 2.7, 5.0
    window = Window(LEFT, 1.7, 3.7, 0.95, 2.25, (2, 1))
    fronts = Finish(p.second, gloss=0.2)
    stone = Finish((0.93, 0.92, 0.90), "marble", (0.45, 0.44, 0.43), gloss=0.45)
    solids = (
        box(
            (0.0, 1.19, d - 0.008),
            (w, 0.58, 0.012),
            Finish((0.93, 0.92, 0.89), "subway", (0.78, 0.77, 0.74), gloss=0.35),
            0.001,
        ),
        *put(cabinets(7, 0.6, 0.86, 0.6, fronts), -1.72, d - 0.31),
        box((0.38, 0.885, d - 0.32), (4.24, 0.04, 0.64), stone, 0.006),
        box((-2.1, 1.12, d - 0.34), (0.72, 2.24, 0.66), Finish((0.80, 0.80, 0.79), gloss=0.35), 0.01),
        box((-2.1, 1.35, d - 0.68), (0.70, 1.72, 0.02), Finish((0.84, 0.84, 0.83), gloss=0.35), 0.004),
        box((-1.79, 1.35, d - 0.71), (0.02, 0.6, 0.02), STEEL),
        *put(cabinets(2, 0.6, 0.66, 0.34, fronts), -1.70, d - 0.17, y=1.48),
        *put(cabinets(2, 0.6, 0.66, 0.34, fronts), 1.28, d - 0.17, y=1.48),
        box((0.40, 1.62, d - 0.22), (0.72, 0.10, 0.44), STEEL, 0.01),
        box((0.40, 2.10, d - 0.15), (0.28, 0.90, 0.28), STEEL, 0.01),
        box((0.40, 0.912, d - 0.32), (0.58, 0.012, 0.48), BLACK, 0.004),
        post((1.55, 1.02, d - 0.12), 0.012, 0.26, STEEL),
        box((1.55, 1.15, d - 0.2), (0.022, 0.022, 0.18), STEEL, 0.01),
        *put(vase(p), -0.62, d - 0.24, y=0.905),
        post((-0.95, 1.00, d - 0.2), 0.055, 0.19, Finish(p.wood)),
        post((-1.15, 0.98, d - 0.2), 0.05, 0.15, WHITE),
        box((2.05, 1.05, d - 0.08), (0.26, 0.34, 0.02), p.timber(), 0.01, lean=-0.12),
        box((0.25, 0.44, 2.95), (2.2, 0.84, 0.72), Finish(p.pale, gloss=0.15), 0.006),
        box((0.25, 0.885, 2.90), (2.4, 0.05, 0.95), stone, 0.008),
        *put(stool(p), -0.40, 2.30),
        *put(stool(p), 0.25, 2.28),
        *put(stool(p), 0.90, 2.30),
        post((0.85, 0.945, 3.0), 0.12, 0.07, Finish(p.wood), 1.6),
        *(
            Solid("ball", (0.85 + x, 1.0, 3.0 + z), (0.05, 0.05, 0.05), Finish((0.82, 0.62, 0.12), gloss=0.2))
            for x, z in ((-0.06, 0), (0.05, 0.04), (0.02, -0.06))
        ),
        *put(pendant(0.95, h, Finish(p.accent, gloss=0.2)), -0.30, 2.95),
        *put(pendant(0.95, h, Finish(p.accent, gloss=0.2)), 0.80, 2.95),
        *put(plant(1.2, 12), 2.1, 3.4),
    )
    lamps = (
        light((-0.30, h - 0.98, 2.95), 0.95, 0.7),
        light((0.80, h - 0.98, 2.95), 0.95, 0.7),
        light((-0.9, 1.42, d - 0.2), 0.45, 1),
        light((1.7, 1.42, d - 0.2), 0.45, 1),
        light((0, 2.4, 1.0), 0.7, 1),
    )
    return _room(
        p,
        (w, h, d),
        (window,),
        solids,
        lamps,
        sides=Finish(p.wall),
        back=Finish(p.wall),
        yaw=-0.03,
        sun=(-0.62, 0.50, 0.0),
    )


def _bath(p: Palette) -> Room:
    w, h, d = 3.9, 2.7, 4.3
    window = Window(BACK, -0.1, 1.5, 1.0, 2.3, (2, 1))
    enamel = Finish((0.96, 0.96, 0.95), gloss=0.4)
    stone = Finish((0.90, 0.88, 0.85), "marble", (0.52, 0.48, 0.45), gloss=0.4)
    tub = (
        box((0, 0.12, 0), (1.66, 0.20, 0.74), enamel, 0.09),
        box((0, 0.36, -0.36), (1.70, 0.50, 0.07), enamel, 0.034),
        box((0, 0.36, 0.36), (1.70, 0.50, 0.07), enamel, 0.034),
        box((-0.83, 0.36, 0), (0.07, 0.50, 0.76), enamel, 0.034),
        box((0.83, 0.36, 0), (0.07, 0.50, 0.76), enamel, 0.034),
        post((0.95, 0.45, 0.2), 0.016, 0.9, BRASS),
        box((0.86, 0.90, 0.2), (0.2, 0.024, 0.024), BRASS, 0.011),
        box((-0.25, 0.63, 0), (0.24, 0.018, 0.82), p.timber(), 0.006),
        box((-0.25, 0.66, -0.1), (0.14, 0.05, 0.2), Finish(p.accent, "cloth"), 0.02),
        box((0.45, 0.40, -0.40), (0.42, 0.46, 0.03), Finish(p.accent, "cloth"), 0.014),
        box((0.45, 0.62, -0.36), (0.42, 0.03, 0.10), Finish(p.accent, "cloth"), 0.014),
    )
    solids = (
        *put(tub, 0.62, 3.55),
        *put(
            (
                box((0, 0.55, 0), (1.3, 0.42, 0.48), p.timber(), 0.01),
                box((0, 0.78, 0), (1.34, 0.035, 0.52), stone, 0.006),
                post((0, 0.85, -0.02), 0.19, 0.11, enamel, 1.2),
                post((0, 0.92, 0.19), 0.014, 0.26, BRASS),
                box((0, 1.04, 0.12), (0.024, 0.024, 0.16), BRASS, 0.01),
                box((0, 1.62, 0.238), (1.12, 1.0, 0.02), BRASS, 0.01),
                box((0, 1.62, 0.225), (1.08, 0.96, 0.012), Finish((0.75, 0.78, 0.78), gloss=1.0), 0),
                *put(vase(p), 0.5, 0.05, y=0.80),
                post((-0.45, 0.86, 0), 0.035, 0.12, Finish(p.accent)),
                post((-0.54, 0.85, 0.04), 0.03, 0.1, WHITE),
                box((0, 0.55, -0.245), (1.26, 0.19, 0.01), p.timber(), 0.003),
            ),
            -w / 2 + 0.25,
            2.55,
            -math.pi / 2,
        ),
        *hang(
            (post((0, 0, -0.09), 0.05, 0.2, Finish((0.95, 0.91, 0.84), glow=2.4), shades=False),),
            LEFT,
            1.72,
            1.75,
            w / 2,
        ),
        *hang(
            (post((0, 0, -0.09), 0.05, 0.2, Finish((0.95, 0.91, 0.84), glow=2.4), shades=False),),
            LEFT,
            3.38,
            1.75,
            w / 2,
        ),
        *put(rug(1.5, 0.85, Finish(p.pale, "stripes", p.second)), 0.45, 2.55),
        *put(plant(1.35, 13), -1.45, 3.95),
        *hang(
            (
                box((0, 0, -0.06), (0.8, 0.02, 0.02), BRASS, 0.009),
                box((-0.1, -0.32, -0.062), (0.45, 0.68, 0.035), Finish(p.pale, "cloth"), 0.016),
            ),
            RIGHT,
            2.6,
            1.45,
            w / 2,
        ),
        post((1.55, 0.24, 2.15), 0.19, 0.44, p.timber(), 0.9),
        box((1.55, 0.49, 2.15), (0.26, 0.07, 0.22), Finish(p.pale, "cloth"), 0.03),
        box((1.55, 0.56, 2.15), (0.25, 0.07, 0.21), Finish(p.accent, "cloth"), 0.03),
    )
    tiled = Finish(p.pale, "tiles", (0.70, 0.68, 0.65), gloss=0.3)
    lamps = (
        light((-w / 2 + 0.16, 1.75, 1.72), 0.7, 0.8),
        light((-w / 2 + 0.16, 1.75, 3.38), 0.7, 0.8),
        light((0.3, 2.5, 2.4), 0.75, 1),
    )
    return _room(
        p,
        (w, h, d),
        (window,),
        solids,
        lamps,
        floor=Finish((0.78, 0.76, 0.73), "tiles", (0.6, 0.58, 0.55), gloss=0.35),
        back=Finish(p.feature, "subway", p.pale, gloss=0.3),
        sides=tiled,
        sun=(0.25, 0.5, 0.75),
        yaw=-0.08,
        eye=(0.35, 1.4, -0.3),
    )


def _study(p: Palette) -> Room:
    w, h, d = 4.6, 2.7, 4.8
    window = Window(BACK, -1.35, 0.75, 0.85, 2.35, (3, 1))
    desk = (
        box((0, 0.735, 0), (1.7, 0.04, 0.78), p.timber(0.25), 0.01),
        box((-0.78, 0.36, 0), (0.04, 0.72, 0.70), p.timber(), 0.01),
        box((0.62, 0.42, 0), (0.40, 0.58, 0.66), p.timber(), 0.01),
        *(box((0.62, 0.24 + 0.19 * n, -0.335), (0.37, 0.17, 0.015), p.timber(), 0.004) for n in range(3)),
        box((-0.1, 1.09, 0.18), (0.82, 0.48, 0.025), BLACK, 0.008),
        box(
            (-0.1, 1.09, 0.165),
            (0.79, 0.45, 0.006),
            Finish((0.16, 0.22, 0.28), "art", p.accent, gloss=0.4, glow=0.0),
            0,
        ),
        box((-0.1, 0.84, 0.2), (0.05, 0.2, 0.03), STEEL),
        box((-0.1, 0.762, 0.18), (0.26, 0.012, 0.18), STEEL),
        box((-0.1, 0.765, -0.12), (0.42, 0.016, 0.14), WHITE),
        box((0.28, 0.77, -0.12), (0.06, 0.025, 0.1), WHITE, 0.012),
        box((-0.6, 0.775, -0.05), (0.21, 0.04, 0.29), Finish(p.accent), turn=0.2),
        post((0.45, 0.81, 0.1), 0.038, 0.10, Finish(p.second, gloss=0.3)),
        *put(table_lamp(), 0.68, 0.14, y=0.755),
    )
    seat = (
        box((0, 0.48, 0), (0.50, 0.09, 0.48), Finish(p.cloth, "cloth"), 0.04),
        box((0, 0.86, 0.24), (0.46, 0.56, 0.07), Finish(p.cloth, "cloth"), 0.035, lean=-0.12),
        post((0, 0.26, 0), 0.025, 0.40, STEEL),
        *(
            box((0.16 * math.cos(a), 0.06, 0.16 * math.sin(a)), (0.36, 0.035, 0.05), BLACK, 0.015, turn=-a)
            for a in (0.3, 1.56, 2.8, 4.07, 5.3)
        ),
    )
    solids = (
        *put(rug(2.6, 1.8, Finish(p.pale, "rug", p.accent)), -0.3, 3.1),
        *put(desk, -0.35, 4.1),
        *put(seat, -0.55, 3.35, 2.6),
        *put(shelf(p, 1.5, 2.15, 6), 2.12, 3.3, math.pi / 2),
        *put(shelf(p, 0.9, 2.15, 6), 1.55, 4.62),
        *put(plant(1.6, 15), -1.9, 4.2),
        *put(armchair(p), 1.35, 2.35, 0.85),
        *put(floor_lamp(BRASS), -1.95, 3.45),
        *hang(picture(0.6, 0.8, p), LEFT, 2.15, 1.6, w / 2),
        *hang(picture(0.6, 0.8, p, swapped=True), LEFT, 2.85, 1.6, w / 2),
    )
    lamps = (light((0.33, 1.12, 4.22), 0.7), light((-1.95, 1.55, 3.45), 1.0), light((-0.2, 2.45, 2.2), 0.75, 1))
    return _room(
        p,
        (w, h, d),
        (window,),
        solids,
        lamps,
        floor=Finish(p.floor, "herringbone", gloss=0.25),
        sun=(-0.35, 0.5, 0.75),
        yaw=0.06,
        eye=(-0.25, 1.4, -0.1),
    )


def _dining(p: Palette) -> Room:
    w, h, d = 5.0, 2.8, 5.2
    window = Window(RIGHT, 1.6, 4.3, 0.15, 2.35, (3, 1))
    cloth = Finish(p.cloth, "cloth")
    seats = tuple(
        s
        for x in (-0.62, 0.0, 0.62)
        for z, turn in ((-0.72, math.pi), (0.72, 0.0))
        for s in put(chair(p, cloth), x, z, turn)
    )
    solids = (
        *put(rug(3.2, 2.3, Finish(p.pale, "rug", p.second)), 0, 3.2),
        *put((*dining_table(p, 2.2), *seats), 0.0, 3.25, 0.0),
        *put(pendant(1.15, h, Finish(p.accent, gloss=0.25), 0.30), -0.45, 3.25),
        *put(pendant(1.15, h, Finish(p.accent, gloss=0.25), 0.30), 0.55, 3.25),
        *put(cabinets(4, 0.5, 0.80, 0.42, p.timber()), -1.25, d - 0.24),
        box((-0.25, 0.81, d - 0.24), (2.06, 0.03, 0.45), p.timber(), 0.006),
        *put(table_lamp(), -0.95, d - 0.24, y=0.83),
        *put(vase(p), 0.4, d - 0.24, y=0.83),
        post((0.15, 0.88, d - 0.22), 0.05, 0.12, Finish(p.accent, gloss=0.3), 0.6),
        *hang(picture(1.5, 0.9, p, BRASS), BACK, -0.25, 1.62, d),
        *put(plant(1.8, 18), 1.95, 4.75),
        *curtains(window, h, w / 2, Finish(p.pale, "cloth")),
        *put(shelf(p, 1.1, 2.0, 5), -2.33, 3.6, -math.pi / 2),
    )
    lamps = (
        light((-0.45, h - 1.2, 3.25), 1.05, 0.55),
        light((0.55, h - 1.2, 3.25), 1.05, 0.55),
        light((-0.95, 1.19, d - 0.24), 0.7),
        light((0, 2.5, 1.0), 0.6, 1),
    )
    return _room(
        p,
        (w, h, d),
        (window,),
        solids,
        lamps,
        floor=Finish(p.floor, "herringbone", gloss=0.25),
        sun=(0.62, 0.5, 0.1),
        yaw=0.05,
        eye=(-0.3, 1.45, -0.2),
    )


def _loft(p: Palette) -> Room:
    w, h, d = 6.4, 3.6, 6.0
    windows = (Window(LEFT, 0.9, 2.9, 0.55, 3.1, (3, 4)), Window(LEFT, 3.4, 5.4, 0.55, 3.1, (3, 4)))
    leather = Finish((0.50, 0.29, 0.17), "cloth", gloss=0.18)
    solids = (
        *put(rug(3.4, 2.2, Finish(p.pale, "rug", p.second)), 0.3, 3.4),
        *put(sofa(p, 2.6, 3, leather), 0.5, 4.85),
        *put(armchair(p), -1.35, 3.5, -1.0),
        *put(armchair(p), 2.15, 3.2, 1.1),
        *put(
            (
                box((0, 0.34, 0), (1.2, 0.05, 0.65), p.timber(0.25), 0.01),
                *(box((x, 0.16, z), (0.03, 0.32, 0.03), BLACK) for x in (-0.55, 0.55) for z in (-0.28, 0.28)),
                box((-0.25, 0.385, 0), (0.32, 0.04, 0.22), Finish(p.second), turn=0.3),
                *put(vase(p), 0.3, 0.05, y=0.365),
            ),
            0.4,
            3.45,
        ),
        *put(shelf(p, 1.5, 2.6, 7), 2.3, 5.78),
        *put(floor_lamp(BLACK, 1.75), -1.35, 5.2),
        *put(plant(2.1, 20), -2.4, 5.45),
        *hang(picture(1.35, 1.0, p), BACK, 0.25, 1.9, d),
        *put(pendant(1.5, h, BLACK, 0.26), 0.0, 3.3),
        *put(pendant(1.35, h, BLACK, 0.26), 0.9, 3.5),
        *(box((x, h - 0.13, d / 2), (0.16, 0.24, d + 3), p.timber(0.05), 0.01) for x in (-2.0, 0.0, 2.0)),
        Solid("cone", (0.0, h - 0.42, 0.0), (0.14, 0.14, 0.14), STEEL),
    )
    solids = tuple(s for s in solids if s.finish is not STEEL)
    lamps = (
        light((-1.35, 1.77, 5.2), 1.4),
        light((0.0, h - 1.55, 3.3), 1.1, 0.6),
        light((0.9, h - 1.4, 3.5), 1.1, 0.6),
        light((0, 2.8, 1.2), 0.9, 1),
    )
    return _room(
        p,
        (w, h, d),
        windows,
        solids,
        lamps,
        floor=Finish(p.floor, "planks", gloss=0.25),
        back=Finish((0.64, 0.47, 0.41), "brick", (0.74, 0.70, 0.66)),
        sun=(-0.62, 0.55, 0.12),
        yaw=-0.04,
        eye=(0.3, 1.45, -0.3),
    )


#: The kinds of room there are.
KINDS: dict[str, Callable[[Palette], Room]] = {
    "living": _living,
    "bedroom": _bedroom,
    "kitchen": _kitchen,
    "bath": _bath,
    "study": _study,
    "dining": _dining,
    "loft": _loft,
}
