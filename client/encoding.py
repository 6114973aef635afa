"""From pixels to bytes, by measurement: lossless where it is small enough, else JPEG at a quality that keeps roads."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

LOSSLESS_BITS_PER_PIXEL = 5
"""A PNG is sent up to this size: drawings, maps, flat water. A photograph takes three times as much."""
QUALITIES = (92, 88, 84, 80, 76, 70, 62, 54)
"""JPEG qualities that are tried, best first, until the picture is no larger than its original: thin roads and text keep
their edges at the first; the last are for originals that were compressed as hard themselves."""
FULL_COLOUR = 0
"""Pillow's number for 4:4:4. Colour at half the resolution, which is usual, blurs thin roads and red roofs."""
_SAMPLE_SIDE = 96
_SAMPLES = 16


def encode(picture: NDArray[np.uint8], *, most_bytes: int | None = None) -> tuple[bytes, str, bool]:
    """Returns the picture as bytes, their MIME type, and whether nothing was lost.

    Args:
        picture: rows x columns x 3, 0-255.
        most_bytes: what the original of the same pixels takes; the best quality below it is chosen.
    """
    image = Image.fromarray(picture)
    if bool((picture[..., :1] == picture[..., 1:]).all()):
        image = image.getchannel(0)
    budget = LOSSLESS_BITS_PER_PIXEL / 8 * image.width * image.height
    png = _save(image, "PNG") if _png_estimate(image) <= budget else None
    if png is not None and len(png) <= min(budget, most_bytes or budget):
        return png, "image/png", True
    jpeg = _jpeg(image, most_bytes)
    if png is not None and len(png) <= len(jpeg):
        return png, "image/png", True
    return jpeg, "image/jpeg", False


def encode_preview(picture: NDArray[np.uint8], valid: NDArray[np.bool_], *, quality: int) -> bytes:
    """Returns a WebP for the page, transparent where there is no data."""
    if valid.all():
        return _save(Image.fromarray(picture), "WEBP", quality=quality, method=2)
    alpha = np.where(valid, 255, 0).astype(np.uint8)
    return _save(Image.fromarray(np.dstack([picture, alpha])), "WEBP", quality=quality, method=2)


def save_jpeg(image: Image.Image, **options: object) -> bytes:
    """Returns the picture as JPEG with the best Huffman tables."""
    # Pillow hands the optimiser a buffer of a byte per pixel, which speckle at full colour does not fit into.
    ImageFile.MAXBLOCK = max(ImageFile.MAXBLOCK, 4 * image.width * image.height)
    return _save(image, "JPEG", optimize=True, **options)


def _jpeg(image: Image.Image, most_bytes: int | None) -> bytes:
    data = b""
    for quality in QUALITIES:
        data = save_jpeg(image, quality=quality, subsampling=FULL_COLOUR)
        if most_bytes is None or len(data) <= most_bytes:
            break
    return data


def _png_estimate(image: Image.Image) -> float:
    """Returns about how many bytes the PNG would take, from squares along the diagonals: the whole takes seconds."""
    side = min(_SAMPLE_SIDE, image.width, image.height)
    shares = np.linspace(0, 1, _SAMPLES // 2)
    places = [(x, y) for x in shares for y in (x, 1 - x)]
    total = 0
    for x, y in places:
        left, top = int(x * (image.width - side)), int(y * (image.height - side))
        total += len(_save(image.crop((left, top, left + side, top + side)), "PNG"))
    return total / (len(places) * side * side) * image.width * image.height


def _save(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
