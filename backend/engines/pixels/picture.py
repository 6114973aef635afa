"""From image bytes to the pixels that are measured: decoded safely, reduced to a working size, no-data masked."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps
from scipy import ndimage

from backend.images import FORMATS, NotAnImage, inspect_image

WORKING_SIDE = 512
"""Longer side of the pixels in which land cover and lines are measured."""

DETAIL_SIDE = 1024
"""Longer side of the pixels in which small objects are looked for."""

OPAQUE_ALPHA = 128
"""Least alpha, of 255, of a pixel that holds data."""

FILL_LEVEL = 2
"""Highest 8-bit value of a pixel that may be no-data fill: JPEG leaves a little noise in black."""

FILL_MIN_SHARE = 0.002
"""Smallest fill that is looked for, as a share of the image."""

FILL_MIN_STEP = 12
"""How bright, in 8-bit levels, the surroundings of a fill are at least. Deep water fades to black; a fill ends."""

FILL_MIN_SOLIDITY = 0.97
"""Share of a fill that survives a morphological opening. Fills are solid; black water is speckled."""


@dataclass(frozen=True)
class Picture:
    """What is measured."""

    rgb: NDArray[np.uint8]
    """Height x width x 3, at most `WORKING_SIDE` on its longer side."""
    valid: NDArray[np.bool_]
    """Height x width, as `rgb`; False where there is no data."""
    detail: NDArray[np.uint8]
    """Luma (ITU-R BT.601), height x width, at most `DETAIL_SIDE` on its longer side."""
    width: int
    """Of the original, in pixels."""
    height: int
    """Of the original, in pixels."""


def read_picture(data: bytes) -> Picture:
    """Decodes an image and reduces it to the working sizes. An image smaller than those is not enlarged.

    Raises:
        NotAnImage: no image, damaged, or over `backend.images.MAX_PIXELS`.
    """
    inspect_image(data)
    try:
        with Image.open(io.BytesIO(data), formats=list(FORMATS)) as image:
            return _picture_of(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise NotAnImage("its pixels cannot be unpacked: the file is damaged or cut short") from None


def _picture_of(image: Image.Image) -> Picture:
    width, height = image.size
    if image.getexif().get(ExifTags.Base.Orientation, 1) >= 5:
        width, height = height, width
    image.draft("RGB", (DETAIL_SIDE, DETAIL_SIDE))
    detail = ImageOps.exif_transpose(_reduced(_in_eight_bits(image), DETAIL_SIDE)).convert("RGBA")
    working = np.asarray(_reduced(detail, WORKING_SIDE))
    rgb = np.ascontiguousarray(working[..., :3])
    valid = (working[..., 3] >= OPAQUE_ALPHA) & ~_black_fill(rgb)
    return Picture(rgb=rgb, valid=valid, detail=np.asarray(detail.convert("L")), width=width, height=height)


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """Returns the image in a mode that can be averaged: grey, RGB or RGBA. Deeper grey is scaled to its own maximum."""
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, dtype=np.float32)
        return Image.fromarray((values * (255 / max(float(values.max()), 1.0))).clip(0, 255).astype(np.uint8))
    if image.mode in ("L", "RGB", "RGBA"):
        return image if "transparency" not in image.info else image.convert("RGBA")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _reduced(image: Image.Image, side: int) -> Image.Image:
    """Returns the image, averaged by area to at most `side` pixels on its longer side."""
    scale = side / max(image.size)
    if scale >= 1:
        return image.copy()
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)


def _black_fill(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tells where black fill lies: flat black areas that touch the image's edge and end at a step in brightness."""
    level = rgb.max(axis=-1)
    patches, count = ndimage.label(level <= FILL_LEVEL)
    rim = np.unique(np.concatenate([patches[0], patches[-1], patches[:, 0], patches[:, -1]]))
    fill = np.zeros(level.shape, dtype=np.bool_)
    sizes = np.bincount(patches.ravel(), minlength=count + 1)
    for patch in rim[rim > 0]:
        if sizes[patch] >= FILL_MIN_SHARE * level.size and _ends_at_a_step(patches == patch, level):
            fill |= patches == patch
    # The row of pixels between fill and scene was averaged from both.
    seam = np.asarray(ndimage.binary_dilation(fill, iterations=2)) & (level < 2 * FILL_MIN_STEP)
    return np.asarray(fill | seam)


def _ends_at_a_step(patch: NDArray[np.bool_], level: NDArray[np.uint8]) -> bool:
    core = ndimage.binary_opening(np.pad(patch, 2, mode="edge"), np.ones((3, 3)))[2:-2, 2:-2]
    if core.sum() < FILL_MIN_SOLIDITY * patch.sum():
        return False
    near = ndimage.binary_dilation(patch, iterations=2)
    ring = ndimage.binary_dilation(near) & ~near
    return not ring.any() or float(np.median(level[ring])) >= FILL_MIN_STEP
