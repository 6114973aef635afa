"""Photographs and screenshots through Pillow: JPEG, PNG, WebP, AVIF, GIF and BMP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from client.scene import Band, Window
from client.sniffing import Format
from client.stretch import Mask, Values

_COLOURS = ("red", "green", "blue", "alpha")


class Photo:
    """An open photograph."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image
        self.is_grey = image.mode in ("1", "L", "LA", "La", "I", "F", "I;16")
        self.is_turned = image.getexif().get(0x0112, 1) in range(2, 9)
        self.has_alpha = image.has_transparency_data

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, the right way up."""
        width, height = self._image.size
        turned = self._image.getexif().get(0x0112, 1) in range(5, 9)
        return (height, width) if turned else (width, height)

    @property
    def bands(self) -> tuple[Band, ...]:
        """What the picture has as bands."""
        if self.is_grey:
            return (Band(1, "Grey", "uint8", "gray"),)
        return tuple(Band(i, colour.title(), "uint8", colour) for i, colour in enumerate(_COLOURS[:3], 1))

    def read(self, bands: tuple[int, ...], window: Window, width: int, height: int) -> tuple[Values, Mask]:
        """Reads a window of the bands at this size."""
        whole = window == Window(0, 0, *self.size)
        if whole and self._image.format == "JPEG":
            side = max(width, height)
            self._image.draft(self._image.mode, (side, side))
        image = ImageOps.exif_transpose(self._image).convert("RGBA" if self.has_alpha else "RGB")
        if not whole:
            image = image.crop((window.x, window.y, window.x + window.width, window.y + window.height))
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
        pixels = np.moveaxis(np.asarray(image), -1, 0)
        valid = pixels[3] > 0 if self.has_alpha else np.ones((height, width), np.bool_)
        return pixels[[band - 1 for band in bands]], valid


@contextmanager
def open_photo(path: Path, kind: Format) -> Iterator[Photo]:
    """Opens a picture with the one decoder that its bytes call for."""
    with Image.open(path, formats=[kind.driver]) as image:
        yield Photo(image)
