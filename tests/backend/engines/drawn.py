"""Pictures drawn with a known truth, and the sample scenes, as the bytes that a request would carry."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.engines.pixels.measurements import Measurements, measure

SCENES = Path(__file__).resolve().parents[3] / "assets" / "scenes"

WATER = (30, 95, 130)
GRASS = (70, 125, 55)
SOIL = (170, 130, 95)
ASPHALT = (200, 200, 198)

Pixels = NDArray[np.uint8]


def encoded(pixels: Pixels, kind: str = "PNG") -> bytes:
    """Returns the pixels as an image file."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def scene(name: str) -> bytes:
    """Returns the bytes of a sample scene."""
    return (SCENES / f"{name}.jpg").read_bytes()


@cache
def measured_scene(name: str) -> Measurements:
    """Returns the measurements of a sample scene, measured once for all tests."""
    return measure(scene(name))


def flat(colour: tuple[int, ...], width: int = 400, height: int = 400) -> Pixels:
    """Returns a picture of one colour."""
    return np.full((height, width, len(colour)), colour, dtype=np.uint8)


def side_by_side(*colours: tuple[int, int, int], height: int = 400) -> Pixels:
    """Returns vertical stripes of equal width, 400 pixels together, with the faint noise of a sensor."""
    width = 400 // len(colours)
    stripes = np.concatenate([flat(colour, width, height) for colour in colours], axis=1).astype(np.float64)
    noise = np.random.default_rng(1).normal(0, 1.0, stripes.shape)
    return (stripes + noise).clip(0, 255).astype(np.uint8)


def town(side: int = 400) -> Pixels:
    """Returns a street grid of roofs of every brightness and some gardens, a few pixels each, as seen at 10-30 m."""
    random = np.random.default_rng(2)
    cells = random.integers(70, 250, (side // 4, side // 4, 1)) + random.integers(-14, 15, (side // 4, side // 4, 3))
    gardens = random.random((side // 4, side // 4)) < 0.15
    cells[gardens] = GRASS
    return np.kron(cells.clip(0, 255), np.ones((4, 4, 1))).astype(np.uint8)


def harbour(ships: int, side: int = 800) -> Pixels:
    """Returns open water with ships of 6 x 16 pixels on it, and a quay of asphalt."""
    picture = side_by_side(WATER).repeat(2, axis=0).repeat(2, axis=1)[:side, :side].copy()
    picture[: side // 8] = ASPHALT
    for number in range(ships):
        top, left = side // 4 + 60 * (number // 10), 60 + 60 * (number % 10)
        picture[top : top + 6, left : left + 16] = (235, 235, 235)
    return picture


def shaded_meadow(side: int = 400) -> Pixels:
    """Returns grass under scattered bluish shadows, as trees throw them."""
    random = np.random.default_rng(3)
    picture = np.full((side, side, 3), (140, 160, 100), dtype=np.float64) + random.normal(0, 14, (side, side, 1))
    rows, columns = np.mgrid[:side, :side]
    for top in range(30, side, 60):
        for left in range(30, side, 60):
            picture[((rows - top) / 8) ** 2 + ((columns - left) / 16) ** 2 < 1] = (44, 68, 90)
    return picture.clip(0, 255).astype(np.uint8)
