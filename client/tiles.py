"""A scene cut into tiles, each with its footprint, to be asked about one by one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from client.errors import InputError
from client.scene import LonLat, Scene, Window

MIN_TILE_SIDE = 64
MAX_TILES = 10_000
"""Most tiles of one scene: a day's work of one GPU."""


@dataclass(frozen=True)
class Tile:
    """A part of a scene."""

    name: str
    """Row and column, counted from 1: `r2c5`."""
    window: Window
    footprint: tuple[LonLat, ...] | None
    """Corners in WGS 84: top left, top right, bottom right, bottom left; None without georeference."""


def cut_tiles(scene: Scene, *, size: int, overlap: int = 0) -> list[Tile]:
    """Returns the tiles of a scene, row by row.

    All tiles have the same size, unless the scene is smaller: the last of a row and of a column are moved inwards.

    Args:
        scene: to cut.
        size: side of a tile, in pixels.
        overlap: what neighbours share at least, in pixels.

    Raises:
        InputError: the size is too small, the overlap not below it, or the tiles are too many.
    """
    check_tiling(size, overlap)
    columns, rows = _starts(scene.width, size, overlap), _starts(scene.height, size, overlap)
    if len(columns) * len(rows) > MAX_TILES:
        raise InputError(
            f"That makes {len(columns) * len(rows):,} tiles; up to {MAX_TILES:,} are cut. Choose a larger size."
        )
    windows = [
        (f"r{r}c{c}", Window(x, y, min(size, scene.width), min(size, scene.height)))
        for r, y in enumerate(rows, 1)
        for c, x in enumerate(columns, 1)
    ]
    return [Tile(name, window, scene.footprint(window)) for name, window in windows]


def check_tiling(size: int, overlap: int) -> None:
    """Sees that tiles of this size and overlap, both in pixels, can be cut.

    Raises:
        InputError: the size is too small, or the overlap not below it.
    """
    if size < MIN_TILE_SIDE:
        raise InputError(f"A tile's side must be at least {MIN_TILE_SIDE} px.")
    if not 0 <= overlap < size:
        raise InputError(f"The overlap must be smaller than the tile: 0 to {size - 1} px.")


def _starts(length: int, size: int, overlap: int) -> list[int]:
    if length <= size:
        return [0]
    count = math.ceil((length - overlap) / (size - overlap))
    return [min(i * (size - overlap), length - size) for i in range(count)]
