"""What is known of a scene: its size, bands, georeference, and how it is turned into a picture."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

MAX_NAME_LENGTH = 80
"""Longest file name that is shown, in characters."""
PREVIEW_SIDE = 1280
"""Longest side of a scene's preview, in pixels. Stretch and nodata share are measured on it too."""

LonLat = tuple[float, float]
"""Longitude and latitude in degrees, WGS 84."""


class Stretching(StrEnum):
    """How the values of a band become 0-255."""

    AUTOMATIC = "automatic"
    """As they are for 8 bit, by percentiles for everything else."""
    NONE = "none"
    """The whole range of the data type."""
    PERCENTILE = "percentile"
    """Between two percentiles of each band."""
    MINMAX = "minmax"
    """Between the lowest and the highest value of each band."""


@dataclass(frozen=True)
class Stretch:
    """How the values of a band become 0-255."""

    kind: Stretching = Stretching.AUTOMATIC
    low_percent: float = 2.0
    high_percent: float = 98.0
    together: bool = False
    """Whether the three bands share their limits, which keeps the hues of a picture."""
    limits: tuple[tuple[float, float], ...] | None = None
    """The value that becomes 0 and the value that becomes 255, per rendered band; None until measured."""


@dataclass(frozen=True)
class Rendering:
    """Which bands are shown as red, green and blue, and how they are stretched."""

    bands: tuple[int, int, int] | None = None
    """Counted from 1; None has them chosen by rule. Three times the same band is grey."""
    stretch: Stretch | None = None
    """None has it chosen by rule."""

    @property
    def choice(self) -> Rendering:
        """The same choice for another scene, on which its limits are to be measured anew."""
        return replace(self, stretch=self.stretch and replace(self.stretch, limits=None))


@dataclass(frozen=True)
class Window:
    """A rectangle of a scene, in the scene's pixels, from its top left corner."""

    x: int
    y: int
    width: int
    height: int

    def within(self, width: int, height: int) -> Window:
        """Returns the part of the window that lies in a scene of this size, at least one pixel."""
        left, top = min(max(self.x, 0), width - 1), min(max(self.y, 0), height - 1)
        right, bottom = min(self.x + self.width, width), min(self.y + self.height, height)
        return Window(left, top, max(right - left, 1), max(bottom - top, 1))


@dataclass(frozen=True)
class Band:
    """One band of a scene."""

    index: int
    """Counted from 1."""
    name: str
    dtype: str
    """numpy's name of the data type."""
    colour: str
    """GDAL's colour interpretation in lower case: `red`, `gray`, `palette`, `alpha`, `undefined`, ..."""
    nodata: float | None = None


@dataclass(frozen=True)
class Scene:
    """An image with its georeference, and every decision that was taken to show it."""

    path: Path
    name: str
    """The file's name, safe to show."""
    format: str
    """`GeoTIFF`, `JPEG`, `PNG`, ..."""
    byte_size: int
    digest: str
    """BLAKE2b of the file's bytes, in hexadecimal."""
    width: int
    height: int
    bands: tuple[Band, ...]
    dtype: str
    rendering: Rendering
    """The one used: bands and stretch limits filled in."""
    decisions: tuple[str, ...] = ()
    nodata_share: float = 0.0
    """Share of the scene that has no data, 0-1."""
    crs: str | None = None
    """`EPSG:32621`, or the name of a coordinate system that has no code."""
    transform: tuple[float, float, float, float, float, float] | None = None
    """Affine transform from pixel to `crs`, in the order a, b, c, d, e, f; None without georeference."""
    lattice: tuple[tuple[LonLat, ...], ...] | None = None
    """Where an even grid of points over the scene lies, row by row, edges included."""
    centre_wgs84: LonLat | None = None
    gsd_m: float | None = None
    """Ground distance between two pixels at the scene's centre, in metres."""
    acquired: str | None = None
    """When it was taken, as the file says it."""
    tags: dict[str, str] = field(default_factory=dict)
    """What else the file says of itself, bounded in number and length."""

    @property
    def whole(self) -> Window:
        """The window that covers the scene."""
        return Window(0, 0, self.width, self.height)

    @property
    def shape(self) -> str:
        """What scenes have in common for which the same rendering makes sense: bands, their names and data type."""
        return f"{self.dtype}: {', '.join(f'{band.name} ({band.colour})' for band in self.bands)}"

    @property
    def footprint_wgs84(self) -> tuple[LonLat, ...] | None:
        """The corners of the scene: top left, top right, bottom right, bottom left."""
        return self.footprint(self.whole)

    def footprint(self, window: Window) -> tuple[LonLat, ...] | None:
        """Returns the corners of a window, in the same order; None without georeference."""
        right, bottom = window.x + window.width, window.y + window.height
        corners = ((window.x, window.y), (right, window.y), (right, bottom), (window.x, bottom))
        places = tuple(place for x, y in corners if (place := self.locate(x, y)))
        return places or None

    def locate(self, x: float, y: float) -> LonLat | None:
        """Returns where a pixel position of the scene is; None without georeference.

        Interpolates within the lattice, whose cells are so small that the error stays below a pixel.
        """
        if self.lattice is None:
            return None
        cells = len(self.lattice) - 1
        column, across = _cell(x / self.width, cells)
        row, down = _cell(y / self.height, cells)
        upper, lower = self.lattice[row], self.lattice[row + 1]
        top, bottom = _between(upper[column : column + 2], across), _between(lower[column : column + 2], across)
        return _between((top, bottom), down)


@dataclass(frozen=True)
class Preview:
    """A small picture of a scene for the page: WebP, transparent where the scene has no data."""

    data: bytes
    width: int
    height: int
    mime: str = "image/webp"


def fit(width: int, height: int, side: int) -> tuple[int, int]:
    """Returns the size at which the longest side is at most `side`; never larger than it is."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def display_name(name: str) -> str:
    """Returns the last part of a file name, without control and direction characters, at most 80 characters long."""
    last = name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    visible = "".join(c for c in last if _is_visible(c)).strip()
    visible = visible if visible.strip(".") else "unnamed"
    if len(visible) <= MAX_NAME_LENGTH:
        return visible
    keep = (MAX_NAME_LENGTH - 1) // 2
    return f"{visible[: MAX_NAME_LENGTH - 1 - keep]}…{visible[-keep:]}"


def _is_visible(character: str) -> bool:
    category = unicodedata.category(character)
    return not category.startswith("C") and category not in ("Zl", "Zp")


def _cell(share: float, cells: int) -> tuple[int, float]:
    position = min(max(share, 0.0), 1.0) * cells
    index = min(int(position), cells - 1)
    return index, position - index


def _between(places: Sequence[LonLat], share: float) -> LonLat:
    (lon, lat), (next_lon, next_lat) = places
    return lon + (next_lon - lon) * share, lat + (next_lat - lat) * share
