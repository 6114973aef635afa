"""What stands, floats and drives in a drawn scene. Measures are in metres."""

from __future__ import annotations

import math

from assets.drawing.canvas import Canvas, Colour, Point, circle, placed, rectangle

SEA: Colour = (34, 66, 82)
CONTAINERS: tuple[Colour, ...] = (
    (158, 62, 48),
    (44, 84, 130),
    (198, 150, 58),
    (70, 112, 84),
    (150, 150, 152),
    (120, 60, 44),
)
CARS: tuple[Colour, ...] = ((214, 216, 218), (54, 58, 64), (150, 36, 34), (46, 74, 122), (170, 172, 174))
ROOFS: tuple[Colour, ...] = ((150, 86, 66), (168, 102, 80), (132, 124, 118), (176, 168, 158), (120, 74, 62))


def draw_ship(canvas: Canvas, centre: Point, heading_deg: float, length: float, *, moving: bool = False) -> None:
    """Draws a cargo ship, bow in the heading; moving ships trail a wake."""
    half, beam = length / 2, length * 0.15 / 2
    if moving:
        _draw_wake(canvas, centre, heading_deg, half, beam)
    hull = [(half, 0), (half * 0.82, beam * 0.7), (half * 0.6, beam), (-half * 0.92, beam), (-half, beam * 0.7)]
    outline = placed(hull + [(x, -y) for x, y in reversed(hull[1:])], centre, heading_deg)
    canvas.polygon(outline, (96, 44, 40), height_m=9)
    deck = [(x * 0.965, y * 0.84) for x, y in hull]
    canvas.polygon(placed(deck + [(x, -y) for x, y in reversed(deck[1:])], centre, heading_deg), (138, 96, 78))
    rows = int(length * 0.6 / 14)
    for row in range(rows):
        x = -half * 0.5 + row * 14
        for side in (-1, 0, 1):
            colour = CONTAINERS[int(canvas.rng.integers(len(CONTAINERS)))]
            box = rectangle(x, side * beam * 0.52 - beam * 0.24, 12, beam * 0.48)
            canvas.polygon(placed(box, centre, heading_deg), colour)
    bridge = placed(rectangle(-half * 0.86, -beam * 0.86, length * 0.09, beam * 1.72), centre, heading_deg)
    canvas.polygon(bridge, (232, 232, 228), height_m=14)
    canvas.polygon(placed(rectangle(-half * 0.84, -beam * 0.25, 4, beam * 0.5), centre, heading_deg), (196, 96, 44))
    canvas.record("ship", outline)


def _draw_wake(canvas: Canvas, centre: Point, heading_deg: float, half: float, beam: float) -> None:
    for reach, spread, shade in ((6.0, 2.6, 12), (4.0, 1.6, 26), (2.4, 0.9, 52)):
        sides = [(half * 0.7, beam * 0.6), (-half * reach, beam * spread)]
        wake = placed([*sides, *((x, -y) for x, y in reversed(sides))], centre, heading_deg)
        canvas.ground(wake, (SEA[0] + shade, SEA[1] + shade, SEA[2] + shade), grain=9, patch_m=14, depth=7)


def draw_plane(canvas: Canvas, centre: Point, heading_deg: float, length: float) -> None:
    """Draws an airliner, nose in the heading."""
    half, body = length / 2, length * 0.052
    fuselage = [(half, 0), (half * 0.93, body * 0.7), (half * 0.8, body), (-half * 0.55, body), (-half, body * 0.2)]
    wing = [(half * 0.22, body), (-half * 0.22, half * 0.95), (-half * 0.34, half * 0.95), (-half * 0.14, body)]
    tail = [
        (-half * 0.72, body * 0.5),
        (-half * 0.94, half * 0.36),
        (-half * 1.02, half * 0.36),
        (-half * 0.9, body * 0.4),
    ]
    shapes = [_mirrored(fuselage), *_both_sides(wing), *_both_sides(tail)]
    for shape in shapes:
        canvas.shadow(placed(shape, centre, heading_deg), 5, darkness=0.55)
    for shape, shade in zip(shapes, (240, 214, 214, 206, 206), strict=True):
        canvas.polygon(placed(shape, centre, heading_deg), (shade, shade, shade + 3))
    for side in (-1, 1):
        engine = rectangle(half * 0.06, side * half * 0.36 - body * 0.4, length * 0.09, body * 0.8)
        canvas.polygon(placed(engine, centre, heading_deg), (120, 124, 130))
    canvas.polygon(
        placed(_mirrored([(half, 0), (half * 0.82, body), (-half * 0.6, body * 0.5)]), centre, heading_deg), (248,) * 3
    )
    fin = rectangle(-half * 0.98, -body * 0.16, length * 0.14, body * 0.32)
    canvas.polygon(placed(fin, centre, heading_deg), (34, 78, 148))
    outline = [(half, 0), (-half * 0.34, half * 0.95), (-half * 1.02, half * 0.36), (-half * 1.02, -half * 0.36)]
    canvas.record("plane", placed([*outline, (-half * 0.34, -half * 0.95)], centre, heading_deg))


def draw_tank(canvas: Canvas, centre: Point, radius: float) -> None:
    """Draws a storage tank with a floating roof inside its rim."""
    canvas.disc(centre, radius, (226, 226, 222), height_m=14)
    canvas.disc(centre, radius * 0.93, (176, 178, 178))
    canvas.disc((centre[0] + radius * 0.06, centre[1] + radius * 0.08), radius * 0.86, (214, 214, 210))
    canvas.line([centre, (centre[0] + radius * 0.9, centre[1] - radius * 0.2)], (150, 152, 152), 1.2)
    canvas.disc(centre, radius * 0.08, (140, 142, 142))
    canvas.record("storage tank", circle(centre, radius))


def draw_house(canvas: Canvas, centre: Point, width: float, depth: float, heading_deg: float) -> None:
    """Draws a house with a ridge, lit from the north-west."""
    roof = ROOFS[int(canvas.rng.integers(len(ROOFS)))]
    shade: Colour = (int(roof[0] * 0.78), int(roof[1] * 0.78), int(roof[2] * 0.78))
    outline = rectangle(-width / 2, -depth / 2, width, depth)
    canvas.polygon(placed(outline, centre, heading_deg), roof, height_m=6)
    canvas.polygon(placed(rectangle(-width / 2, 0, width, depth / 2), centre, heading_deg), shade)


def draw_car(canvas: Canvas, centre: Point, heading_deg: float, *, lorry: bool = False) -> None:
    """Draws a car or a lorry."""
    length, width = (11.0, 2.8) if lorry else (4.6, 2.0)
    colour = CARS[int(canvas.rng.integers(len(CARS)))]
    outline = placed(rectangle(-length / 2, -width / 2, length, width), centre, heading_deg)
    canvas.polygon(outline, colour, height_m=2)
    canvas.record("vehicle", outline)


def draw_hall(canvas: Canvas, left: float, top: float, width: float, height: float, colour: Colour) -> None:
    """Draws a flat-roofed hall with skylights."""
    canvas.polygon(rectangle(left, top, width, height), colour, height_m=11)
    light: Colour = (min(colour[0] + 26, 255), min(colour[1] + 28, 255), min(colour[2] + 32, 255))
    for i in range(1, int(width // 18)):
        canvas.polygon(rectangle(left + i * 18 - 3, top + height * 0.15, 5, height * 0.7), light)


def draw_crane(canvas: Canvas, foot: Point, reach: float) -> None:
    """Draws a gantry crane whose boom points along the positive x axis."""
    canvas.polygon(rectangle(foot[0] - 12, foot[1] - 9, 14, 18), (70, 104, 140), height_m=26)
    canvas.line([(foot[0] - 16, foot[1]), (foot[0] + reach, foot[1])], (90, 126, 164), 3.4)


def _mirrored(half_outline: list[Point]) -> list[Point]:
    return half_outline + [(x, -y) for x, y in reversed(half_outline) if not math.isclose(y, 0)]


def _both_sides(outline: list[Point]) -> list[list[Point]]:
    return [outline, [(x, -y) for x, y in outline]]
