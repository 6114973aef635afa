"""Photographs and screenshots through Pillow: JPEG, PNG, WebP, AVIF, GIF and BMP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, PngImagePlugin

from client.encoding import save_jpeg
from client.limits import bounded_tags, check_jpeg, check_photo_size
from client.scene import Band, LonLat, Window
from client.sniffing import JPEG, Format
from client.stretch import Mask, Values

# Pillow's own guard warns or raises before ours can say what to do.
Image.MAX_IMAGE_PIXELS = None
ImageFile.LOAD_TRUNCATED_IMAGES = False
PngImagePlugin.MAX_TEXT_CHUNK = 1024 * 1024
PngImagePlugin.MAX_TEXT_MEMORY = 4 * 1024 * 1024

_GREY_MODES = ("1", "L", "LA", "La", "I", "F")
_COLOURS = ("red", "green", "blue")
_SIDEWAYS = range(5, 9)
"""Values of the EXIF orientation that swap width and height."""


class Photo:
    """An open photograph."""

    is_picture = True

    def __init__(self, image: Image.Image) -> None:
        self._image = image
        self._exif = image.getexif()
        self._orientation = self._exif.get(ExifTags.Base.Orientation, 1)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, the right way up."""
        width, height = self._image.size
        return (height, width) if self._orientation in _SIDEWAYS else (width, height)

    @property
    def bands(self) -> tuple[Band, ...]:
        """What the picture has as bands."""
        if self._image.mode in _GREY_MODES:
            return (Band(1, "Grey", "uint8", "gray"),)
        return tuple(Band(i, colour.title(), "uint8", colour) for i, colour in enumerate(_COLOURS, 1))

    def describe(self) -> dict[str, Any]:
        """Returns the fields of a scene that a photograph may have: when and where it was taken, and its tags."""
        details = self._exif.get_ifd(ExifTags.IFD.Exif)
        taken = details.get(ExifTags.Base.DateTimeOriginal) or self._exif.get(ExifTags.Base.DateTime)
        named = {ExifTags.TAGS.get(tag, ""): str(value) for tag, value in self._exif.items() if isinstance(value, str)}
        return {
            "centre_wgs84": _gps(self._exif.get_ifd(ExifTags.IFD.GPSInfo)),
            "acquired": str(taken)[:40] if taken else None,
            "tags": bounded_tags({name: value for name, value in named.items() if name}),
        }

    def value_range(self, band: int) -> tuple[float, float]:
        """Returns what the data type allows."""
        return 0.0, 255.0

    def read(
        self, bands: tuple[int, ...], window: Window, width: int, height: int, *, sampled: bool = False
    ) -> tuple[Values, Mask]:
        """Reads a window of the bands at this size, through Lanczos; `sampled` makes no difference here.

        Returns:
            bands x height x width of 8 bit, and where the picture is not transparent.
        """
        full = self.size
        self._reduce(min(window.width / width, window.height / height))
        image = ImageOps.exif_transpose(self._image) if self._orientation != 1 else self._image
        mode = "RGBA" if image.has_transparency_data else "RGB"
        if image.mode != mode:
            image = image.convert(mode)
        across, down = image.width / full[0], image.height / full[1]
        left, top = window.x * across, window.y * down
        box = (left, top, left + window.width * across, top + window.height * down)
        image = image.resize((width, height), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
        pixels = np.moveaxis(np.asarray(image), -1, 0)
        valid = pixels[3] > 0 if mode == "RGBA" else np.ones((height, width), np.bool_)
        return pixels[[band - 1 for band in bands]], valid

    def recompressed(self) -> bytes | None:
        """Returns a JPEG's own pixels without its metadata, compressed as they were; None for any other picture."""
        if self._image.format != "JPEG" or self._orientation != 1 or self._image.mode not in ("RGB", "L"):
            return None
        return save_jpeg(self._image, quality="keep")

    def _reduce(self, shrink: float) -> None:
        """Has a JPEG unpacked at a half, a quarter or an eighth of its size where that is enough."""
        if self._image.format == "JPEG" and shrink >= 2:
            width, height = self._image.size
            self._image.draft(self._image.mode, (int(width / shrink), int(height / shrink)))


@contextmanager
def open_photo(path: Path, kind: Format) -> Iterator[Photo]:
    """Opens a picture with the one decoder that its bytes call for.

    Raises:
        SceneError: it has no pixels, or too many.
    """
    with path.open("rb") as file, Image.open(file, formats=[kind.driver]) as image:
        check_photo_size(*image.size)
        if kind is JPEG:
            check_jpeg(*image.size, path.read_bytes())
        yield Photo(image)


def _gps(tags: dict[int, Any]) -> LonLat | None:
    """Returns where a camera was, from EXIF's degrees, minutes and seconds."""
    try:
        lat = _degrees(tags[ExifTags.GPS.GPSLatitude]) * (-1 if tags.get(ExifTags.GPS.GPSLatitudeRef) == "S" else 1)
        lon = _degrees(tags[ExifTags.GPS.GPSLongitude]) * (-1 if tags.get(ExifTags.GPS.GPSLongitudeRef) == "W" else 1)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (lon, lat) if abs(lon) <= 180 and abs(lat) <= 90 else None


def _degrees(parts: Any) -> float:
    degrees, minutes, seconds = (Fraction(part) for part in parts)
    return float(degrees + minutes / 60 + seconds / 3600)
