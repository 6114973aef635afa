"""From pixels to bytes, by measurement."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LOSSLESS_BYTES_PER_PIXEL = 0.75
"""A PNG is sent as it is up to this size; above, JPEG at high quality is a fraction of it and looks the same."""
QUALITIES = (92, 88, 84, 80, 75)
"""JPEG qualities that are tried, best first. 4:4:4 throughout, because half the colour resolution blurs thin roads."""


def encode(picture: NDArray[np.uint8], *, most_bytes: int | None = None) -> tuple[bytes, str, bool]:
    """Returns the picture as bytes, their MIME type, and whether nothing was lost.

    Args:
        picture: rows x columns x 3.
        most_bytes: what the original of the same pixels takes; the best quality below it is chosen.
    """
    image = Image.fromarray(picture)
    budget = min(LOSSLESS_BYTES_PER_PIXEL * image.width * image.height, most_bytes or float("inf"))
    png = _save(image, "PNG", compress_level=6)
    if len(png) <= budget:
        return png, "image/png", True
    jpeg = b""
    for quality in QUALITIES:
        jpeg = _save(image, "JPEG", quality=quality, subsampling=0, optimize=True)
        if most_bytes is None or len(jpeg) <= most_bytes:
            break
    return jpeg, "image/jpeg", False


def encode_preview(picture: NDArray[np.uint8], valid: NDArray[np.bool_], *, quality: int = 80) -> bytes:
    """Returns a WebP for the page, transparent where there is no data."""
    if valid.all():
        return _save(Image.fromarray(picture), "WEBP", quality=quality, method=2)
    alpha = np.where(valid, 255, 0).astype(np.uint8)
    return _save(Image.fromarray(np.dstack([picture, alpha])), "WEBP", quality=quality, method=2)


def _save(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
