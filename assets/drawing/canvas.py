"""A canvas seen from above: metres, textures, shadows, and a record of every object drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

Point = tuple[float, float]
Colour = tuple[int, int, int]

SAMPLES = 3
"""Pixels drawn per pixel and side; reduced at the end, so that edges are as soft as a sensor's."""
SUN = (0.55, 0.83)
"""Where shadows fall, per metre of height: right and down, for a sun in the north-west."""


@dataclass(frozen=True)
class DrawnObject:
    """Something countable in a scene."""

    label: str
    polygon: tuple[Point, ...]
    """Outline in pixels of the finished scene."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in pixels of the finished scene."""
        xs, ys = [x for x, _ in self.polygon], [y for _, y in self.polygon]
        return min(xs), min(ys), max(xs), max(ys)


@dataclass
class Canvas:
    """A square scene that is being drawn. Coordinates are metres from its top left corner."""

    side: int
    """Pixels of the finished scene."""
    gsd_m: float
    seed: int
    objects: list[DrawnObject] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.image = Image.new("RGB", (self.side * SAMPLES, self.side * SAMPLES))
        self._scale = SAMPLES / self.gsd_m

    @property
    def extent(self) -> float:
        """Side of the scene in metres."""
        return self.side * self.gsd_m

    def fill(self, colour: Colour, *, grain: float = 6, patch_m: float = 40, depth: float = 8) -> None:
        """Covers everything with a ground of some unevenness."""
        self.ground(
            [(0, 0), (self.extent, 0), (self.extent, self.extent), (0, self.extent)], colour, grain, patch_m, depth
        )

    def ground(
        self, outline: Sequence[Point], colour: Colour, grain: float = 5, patch_m: float = 30, depth: float = 6
    ) -> None:
        """Fills an outline with a ground: a colour, patches of this size and depth, and grain."""
        left, top, right, bottom = box = self._box(outline)
        mask = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in self._pixels(outline)], fill=255)
        texture = self._noise(patch_m, mask.size) * depth + self._noise(3 * self.gsd_m, mask.size) * grain
        levels = np.asarray(colour, np.float32) + texture[..., None]
        self.image.paste(Image.fromarray(levels.clip(0, 255).astype(np.uint8)), box, mask)

    def polygon(self, outline: Sequence[Point], colour: Colour, *, height_m: float = 0) -> None:
        """Draws a flat shape; with a height, over its shadow."""
        if height_m:
            self.shadow(outline, height_m)
        ImageDraw.Draw(self.image).polygon(self._pixels(outline), fill=colour)

    def disc(self, centre: Point, radius: float, colour: Colour, *, height_m: float = 0) -> None:
        """Draws a disc; with a height, over its shadow."""
        self.polygon(circle(centre, radius), colour, height_m=height_m)

    def line(self, points: Sequence[Point], colour: Colour, width_m: float) -> None:
        """Draws a line of some width, with round joints."""
        width = max(1, round(width_m * self._scale))
        ImageDraw.Draw(self.image).line(self._pixels(points), fill=colour, width=width, joint="curve")

    def dashes(self, start: Point, end: Point, colour: Colour, width_m: float, dash_m: float) -> None:
        """Draws a broken line, as much dash as gap."""
        length = math.dist(start, end)
        for at in np.arange(0, length - dash_m, 2 * dash_m):
            self.line([along(start, end, at / length), along(start, end, (at + dash_m) / length)], colour, width_m)

    def shadow(self, outline: Sequence[Point], height_m: float, darkness: float = 0.5) -> None:
        """Darkens where something of this height throws its shadow."""
        fallen = [(x + SUN[0] * height_m, y + SUN[1] * height_m) for x, y in outline]
        left, top, right, bottom = box = self._box([*outline, *fallen])
        mask = Image.new("L", (right - left, bottom - top), 255)
        draw = ImageDraw.Draw(mask)
        steps = max(2, math.ceil(height_m * self._scale / 4))
        for step in range(1, steps + 1):
            reach = height_m * step / steps
            moved = self._pixels([(x + SUN[0] * reach, y + SUN[1] * reach) for x, y in outline])
            draw.polygon([(x - left, y - top) for x, y in moved], fill=round(255 * darkness))
        soft = mask.filter(ImageFilter.GaussianBlur(SAMPLES / 3))
        shaded = ImageChops.multiply(self.image.crop(box), Image.merge("RGB", (soft, soft, soft)))
        self.image.paste(shaded, box)

    def tree(self, centre: Point, radius: float) -> None:
        """Draws the crown of a tree."""
        green = int(self.rng.integers(-12, 12))
        self.disc(centre, radius, (38 + green, 62 + green, 34), height_m=radius * 1.2)
        lit = (centre[0] - radius * 0.25, centre[1] - radius * 0.3)
        self.disc(lit, radius * 0.6, (58 + green, 88 + green, 48))

    def record(self, label: str, outline: Sequence[Point]) -> None:
        """Notes an object, in pixels of the finished scene, cut to the scene."""
        inside = [(min(max(x, 0), self.extent), min(max(y, 0), self.extent)) for x, y in outline]
        self.objects.append(DrawnObject(label, tuple((x / self.gsd_m, y / self.gsd_m) for x, y in inside)))

    def finish(self) -> Image.Image:
        """Returns the scene at its own size, as soft as a sensor sees it."""
        return self.image.resize((self.side, self.side), Image.Resampling.BOX)

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self._scale, y * self._scale) for x, y in points]

    def _box(self, outline: Sequence[Point]) -> tuple[int, int, int, int]:
        """Returns the drawn pixels around an outline, with a margin for soft edges, within the canvas."""
        xs, ys = zip(*self._pixels(outline), strict=True)
        edge = self.image.width
        left, top = (min(max(math.floor(min(values)) - SAMPLES, 0), edge - 1) for values in (xs, ys))
        right, bottom = (min(math.ceil(max(values)) + SAMPLES, edge) for values in (xs, ys))
        return left, top, max(right, left + 1), max(bottom, top + 1)

    def _noise(self, size_m: float, size: tuple[int, int]) -> np.ndarray:
        """Returns smooth noise of about -1 to 1 whose patches have this size."""
        columns, rows = (max(2, round(side / self._scale / size_m)) for side in size)
        coarse = self.rng.normal(0, 0.6, (rows, columns)).astype(np.float32)
        return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))


def circle(centre: Point, radius: float, corners: int = 36) -> list[Point]:
    """Returns a circle as a polygon."""
    angles = np.linspace(0, 2 * math.pi, corners, endpoint=False)
    return [(centre[0] + radius * math.cos(a), centre[1] + radius * math.sin(a)) for a in angles]


def rectangle(left: float, top: float, width: float, height: float) -> list[Point]:
    """Returns an upright rectangle."""
    return [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]


def placed(outline: Sequence[Point], centre: Point, heading_deg: float) -> list[Point]:
    """Returns an outline that was drawn around the origin, nose to the right, turned clockwise and moved."""
    cos, sin = math.cos(math.radians(heading_deg)), math.sin(math.radians(heading_deg))
    return [(centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos) for x, y in outline]


def along(start: Point, end: Point, share: float) -> Point:
    """Returns the point at this share of the way."""
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
