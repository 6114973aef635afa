"""Five places: a harbour, an apron, a tank farm, fields, and a river with a bridge. Measures are in metres."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from assets.drawing.canvas import Canvas, Colour, Point, along, circle, placed, rectangle
from assets.drawing.things import (
    CONTAINERS,
    SEA,
    draw_car,
    draw_crane,
    draw_hall,
    draw_house,
    draw_plane,
    draw_ship,
    draw_tank,
)

ASPHALT: Colour = (88, 90, 94)
CONCRETE: Colour = (168, 166, 160)
GRASS: Colour = (92, 112, 66)
WHITE: Colour = (226, 226, 222)
YELLOW: Colour = (206, 178, 66)


@dataclass(frozen=True)
class Place:
    """A scene to draw, and what can be asked about it."""

    key: str
    title: str
    gsd_m: float
    draw: Callable[[Canvas], None]
    caption: str
    questions: tuple[tuple[str, str], ...]
    """Questions about what is there, apart from counts, with their answers."""


def draw_harbour(canvas: Canvas) -> None:
    """Seven ships: three along the quay and the pier, two at anchor, two under way."""
    canvas.fill(SEA, grain=4, patch_m=90, depth=5)
    canvas.ground(rectangle(0, 0, 230, canvas.extent), CONCRETE, 5, 40, 6)
    canvas.ground(rectangle(0, 0, 96, canvas.extent), (126, 122, 112), 6, 30, 9)
    canvas.polygon(rectangle(230, 330, 330, 44), (160, 158, 152), height_m=5)
    canvas.line([(88, 0), (88, canvas.extent)], ASPHALT, 14)
    canvas.dashes((88, 0), (88, canvas.extent), WHITE, 0.8, 8)
    for top, height, colour in ((20, 90, (150, 152, 156)), (130, 120, (176, 148, 128)), (520, 130, (138, 146, 152))):
        draw_hall(canvas, 12, top, 60, height, colour)
    for block_top in (30, 150, 430, 560):
        _draw_container_block(canvas, 112, block_top)
    for top in (90, 210, 500, 620):
        draw_crane(canvas, (222, top), 46)
    draw_ship(canvas, (250, 150), -90, 170)
    draw_ship(canvas, (250, 590), 90, 190)
    draw_ship(canvas, (400, 312), 0, 150)
    draw_ship(canvas, (600, 150), 35, 120)
    draw_ship(canvas, (420, 520), -20, 100)
    draw_ship(canvas, (620, 640), -155, 130, moving=True)
    draw_ship(canvas, (470, 60), 170, 70, moving=True)


def _draw_container_block(canvas: Canvas, left: float, top: float) -> None:
    for row in range(6):
        for column in range(6):
            if canvas.rng.random() < 0.82:
                colour = CONTAINERS[int(canvas.rng.integers(len(CONTAINERS)))]
                canvas.polygon(rectangle(left + column * 14, top + row * 10, 12.2, 7), colour, height_m=3)


def draw_apron(canvas: Canvas) -> None:
    """Six planes at the gates of a terminal, one on the taxiway and one on the runway."""
    canvas.fill(GRASS, grain=6, patch_m=50, depth=9)
    canvas.ground(rectangle(0, 90, canvas.extent, 235), CONCRETE, 3, 60, 4)
    for x in range(0, int(canvas.extent), 30):
        canvas.line([(x, 90), (x, 325)], (154, 152, 147), 0.5)
    canvas.ground(rectangle(0, 345, canvas.extent, 34), ASPHALT, 3, 40, 4)
    canvas.line([(0, 362), (canvas.extent, 362)], YELLOW, 0.8)
    canvas.ground(rectangle(0, 436, canvas.extent, 58), (72, 74, 78), 4, 60, 5)
    canvas.dashes((0, 465), (canvas.extent, 465), WHITE, 1.2, 18)
    for y in (439, 491):
        canvas.line([(0, y), (canvas.extent, y)], WHITE, 1.0)
    for i in range(6):
        canvas.polygon(rectangle(8, 442 + i * 4 + (20 if i > 2 else 0), 32, 2), WHITE)
    canvas.ground([(430, 379), (470, 379), (500, 436), (440, 436)], ASPHALT, 3, 40, 4)
    canvas.polygon(rectangle(30, 24, canvas.extent - 60, 58), (182, 184, 188), height_m=16)
    for i in range(13):
        canvas.polygon(rectangle(48 + i * 35, 34, 18, 36), (150, 158, 168))
    for i in range(6):
        x = 66 + i * 80
        canvas.line([(x, 86), (x, 300)], YELLOW, 0.6)
        canvas.polygon(rectangle(x + 9, 82, 5, 42), (150, 154, 160), height_m=5)
        draw_plane(canvas, (x, 152), -90, 58 if i % 3 else 66)
        draw_car(canvas, (x - 24, 120 + i * 3), 90, lorry=i % 2 == 0)
    draw_plane(canvas, (220, 362), 180, 60)
    draw_plane(canvas, (330, 465), 0, 64)


def draw_tanks(canvas: Canvas) -> None:
    """Twelve storage tanks in three rows, each row behind its own bund."""
    canvas.fill((158, 142, 116), grain=7, patch_m=30, depth=9)
    canvas.ground(rectangle(0, canvas.extent - 62, canvas.extent, 20), ASPHALT, 3, 40, 4)
    middle = canvas.extent - 52
    canvas.dashes((0, middle), (canvas.extent, middle), WHITE, 0.6, 6)
    rows: tuple[tuple[float, float, int], ...] = ((76, 30, 4), (186, 26, 5), (284, 18, 3))
    for y, radius, count in rows:
        step = (canvas.extent - 40) / 5
        width = step * count
        canvas.ground(rectangle(20, y - radius - 14, width, 2 * radius + 28), (172, 160, 138), 4, 20, 5)
        bund = rectangle(20, y - radius - 14, width, 2 * radius + 28)
        canvas.line([*bund, bund[0]], (134, 122, 100), 3)
        canvas.line([(26, y + radius + 8), (14 + width, y + radius + 8)], (112, 112, 110), 1.6)
        for i in range(count):
            draw_tank(canvas, (20 + step * (i + 0.5), y), radius)
    draw_hall(canvas, 268, 262, 86, 40, (142, 150, 158))
    for x, lorry in ((60.0, True), (150.0, False), (262.0, True)):
        draw_car(canvas, (x, middle - 5), 0, lorry=lorry)
    draw_car(canvas, (310.0, middle + 5), 180, lorry=False)


def draw_fields(canvas: Canvas) -> None:
    """Four circles of centre-pivot irrigation among ploughed and green parcels, and two farms."""
    canvas.fill((150, 128, 90), grain=6, patch_m=120, depth=10)
    crops: tuple[Colour, ...] = (
        (122, 134, 66),
        (98, 120, 58),
        (176, 152, 98),
        (142, 112, 82),
        (158, 150, 84),
        (86, 106, 56),
    )
    edges = np.linspace(0, canvas.extent, 6)
    for row in range(5):
        for column in range(5):
            left, top, width = edges[column] + 6, edges[row] + 6, edges[1] - 12
            colour = crops[int(canvas.rng.integers(len(crops)))]
            canvas.ground(rectangle(left, top, width, width), colour, 5, 60, 8)
            _draw_furrows(canvas, left, top, width, colour, upright=bool(canvas.rng.integers(2)))
    pivots: tuple[tuple[int, int, float], ...] = ((0, 0, 20), (1, 3, 140), (3, 1, 250), (4, 4, 75))
    for row, column, angle in pivots:
        centre = ((edges[column] + edges[column + 1]) / 2, (edges[row] + edges[row + 1]) / 2)
        _draw_pivot(canvas, centre, (edges[1] - 20) / 2, angle)
    for x, y in ((edges[2] + 30, edges[3] + 30), (edges[4] + 40, edges[1] + 40)):
        _draw_farm(canvas, (x, y))


def _draw_furrows(canvas: Canvas, left: float, top: float, width: float, colour: Colour, *, upright: bool) -> None:
    dark: Colour = (colour[0] - 9, colour[1] - 9, colour[2] - 7)
    for at in np.arange(5, width, 9):
        ends = [(left + at, top), (left + at, top + width)] if upright else [(left, top + at), (left + width, top + at)]
        canvas.line(ends, dark, 2.2)


def _draw_pivot(canvas: Canvas, centre: Point, radius: float, angle: float) -> None:
    canvas.ground(circle(centre, radius, 90), (62, 98, 48), 4, 70, 7)
    for share in (0.25, 0.5, 0.75):
        ring = circle(centre, radius * share, 90)
        canvas.line([*ring, ring[0]], (74, 108, 56), 2)
    arm = placed([(0, 0), (radius, 0)], centre, angle)
    canvas.line(arm, (196, 198, 196), 2.6)
    canvas.disc(centre, 4, (206, 206, 204))
    canvas.record("pivot field", circle(centre, radius, 90))


def _draw_farm(canvas: Canvas, corner: Point) -> None:
    canvas.ground(rectangle(corner[0] - 16, corner[1] - 16, 110, 84), (146, 134, 110), 6, 20, 8)
    draw_house(canvas, (corner[0] + 14, corner[1] + 14), 24, 16, 0)
    draw_house(canvas, (corner[0] + 62, corner[1] + 24), 46, 20, 90)
    for _ in range(9):
        x, y = canvas.rng.uniform(0, 92), canvas.rng.uniform(40, 62)
        canvas.tree((corner[0] - 8 + x, corner[1] + y), canvas.rng.uniform(4, 7))


def draw_river(canvas: Canvas) -> None:
    """A river from north to south under one road bridge, a village on its east bank, forest on its west bank."""
    canvas.fill((96, 114, 70), grain=6, patch_m=45, depth=9)
    rows = np.linspace(-10, canvas.extent + 10, 80)
    middle = [(canvas.extent * 0.42 + 46 * math.sin(y / 92) + 16 * math.sin(y / 37), y) for y in rows]
    for width, colour in ((86, (142, 132, 100)), (72, (54, 84, 84))):
        bank = [(x - width / 2, y) for x, y in middle] + [(x + width / 2, y) for x, y in reversed(middle)]
        canvas.ground(bank, colour, 4, 60, 6)
    _draw_forest(canvas, middle)
    road = 210.0
    canvas.line([(0, road), (canvas.extent, road)], ASPHALT, 9)
    over = min(middle, key=lambda point: abs(point[1] - road))[0]
    deck = rectangle(over - 56, road - 6.5, 112, 13)
    canvas.polygon(deck, (178, 174, 166), height_m=8)
    canvas.line([(over - 56, road), (over + 56, road)], (98, 100, 104), 8.5)
    canvas.dashes((0, road), (canvas.extent, road), WHITE, 0.5, 4)
    canvas.record("bridge", deck)
    for at, heading in ((0.08, 0), (0.3, 0), (0.47, 180), (0.66, 180), (0.9, 0)):
        x, y = along((0, road), (canvas.extent, road), at)
        draw_car(canvas, (x, y + (2.2 if heading == 0 else -2.2)), heading, lorry=at == 0.3)
    _draw_village(canvas, road)


def _draw_forest(canvas: Canvas, middle: list[Point]) -> None:
    for _ in range(620):
        y = canvas.rng.uniform(0, canvas.extent)
        shore = min(middle, key=lambda point: abs(point[1] - y))[0] - 50
        x = canvas.rng.uniform(0, shore)
        if abs(y - 210) > 14:
            canvas.tree((x, y), canvas.rng.uniform(3, 5.5))


def _draw_village(canvas: Canvas, road: float) -> None:
    street = canvas.extent * 0.8
    canvas.line([(street, 20), (street, canvas.extent - 20)], (120, 120, 118), 5.5)
    for y in np.arange(34, canvas.extent - 20, 30):
        if abs(y - road) < 18:
            continue
        for side in (-1, 1):
            centre = (street + side * (19 + 3 * canvas.rng.random()), float(y))
            draw_house(canvas, centre, 14 + 3 * canvas.rng.random(), 10, 90)
            canvas.record("house", rectangle(centre[0] - 6, centre[1] - 8, 12, 16))
            canvas.tree((centre[0] + side * 15, y + 6), canvas.rng.uniform(2.5, 4))


PLACES = (
    Place(
        "harbour",
        "Harbour with ships",
        1.0,
        draw_harbour,
        "A container port on the west side of a harbour basin. Ships lie along the quay and a pier, some are at anchor "
        "and some are under way. Stacks of containers, gantry cranes and halls stand on the quay.",
        (("Are there any ships with a wake?", "yes"), ("Which side of the image is land?", "the left side")),
    ),
    Place(
        "apron",
        "Airport apron with planes",
        0.75,
        draw_apron,
        "An airport apron with airliners parked at the gates of a terminal. A taxiway and a runway run parallel to the "
        "terminal, with one plane on each of them.",
        (("Is there a plane on the runway?", "yes"), ("What colour is the taxiway line?", "yellow")),
    ),
    Place(
        "tanks",
        "Storage tanks",
        0.55,
        draw_tanks,
        "A tank farm with round storage tanks in three rows, each row within a bund. A road runs along the south side, "
        "and a hall stands beside the smallest tanks.",
        (("Is there a road in the image?", "yes"), ("In how many rows do the tanks stand?", "3")),
    ),
    Place(
        "fields",
        "Fields with pivot irrigation",
        2.0,
        draw_fields,
        "Farmland in a grid of square parcels, green, brown and yellow. Some parcels are green circles of centre-pivot "
        "irrigation. Two farms stand between the fields.",
        (("What is the main land cover?", "cropland"), ("Is there a river in the image?", "no")),
    ),
    Place(
        "river",
        "River with a bridge",
        0.6,
        draw_river,
        "A river winds from north to south. A road crosses it on a single bridge. Forest covers the west bank, and a "
        "village street with houses lies on the east bank.",
        (("Which bank is covered by forest?", "the west bank"), ("Does the road cross the river?", "yes")),
    ),
)
