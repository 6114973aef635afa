"""From the values of a sensor to 0-255."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.scene import Stretch, Stretching

Values = NDArray[Any]
"""Bands, rows, columns; the type is the scene's."""
Mask = NDArray[np.bool_]
"""Rows, columns; True where there is data."""
Limits = tuple[tuple[float, float], ...]

BRIGHT = 140
"""An 8-bit raster whose 98th percentile is below this is too dark to show as it is."""


def settle(stretch: Stretch, values: Values, valid: Mask, value_range: tuple[float, float] | None) -> Stretch:
    """Returns the stretch with its limits filled in, measured on a sample of the scene.

    Args:
        stretch: of any kind but `AUTOMATIC`.
        values: the bands to show.
        valid: where there is data.
        value_range: what the data type allows, where that has an end.
    """
    if stretch.limits is not None and len(stretch.limits) == len(values):
        return stretch
    if stretch.kind is Stretching.NONE and value_range is not None:
        return replace(stretch, limits=(value_range,) * len(values))
    if stretch.together:
        return replace(stretch, limits=(_limits(stretch, values, np.broadcast_to(valid, values.shape)),) * len(values))
    return replace(stretch, limits=tuple(_limits(stretch, band, valid) for band in values))


def automatic(values: Values, valid: Mask, *, is_picture: bool, is_rgb: bool) -> Stretch:
    """Returns how a scene is shown by rule: 8-bit pictures as they are, everything else by percentiles.

    Args:
        values: the bands to show.
        valid: where there is data.
        is_picture: whether the format is one for pictures, which were made to be looked at.
        is_rgb: whether the file itself says which bands are red, green and blue; one stretch for the three then keeps
            the hues.
    """
    if values.dtype != np.uint8:
        return Stretch(Stretching.PERCENTILE)
    sample = values[:, valid]
    if is_picture or sample.size == 0 or (is_rgb and np.percentile(sample, 98) >= BRIGHT):
        return Stretch(Stretching.NONE)
    return Stretch(Stretching.PERCENTILE, together=is_rgb)


def apply(limits: Limits, values: Values, valid: Mask) -> NDArray[np.uint8]:
    """Returns the bands as 0-255, rows x columns x bands; black where there is no data."""
    picture = np.empty((*values.shape[1:], values.shape[0]), np.uint8)
    for i, (band, (low, high)) in enumerate(zip(values, limits, strict=True)):
        if (low, high) == (0, 255) and band.dtype == np.uint8:
            picture[..., i] = band
        else:
            scaled = (band.astype(np.float32) - low) * (255.0 / ((high - low) or 1.0))
            np.nan_to_num(scaled, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
            picture[..., i] = scaled.clip(0, 255).round()
    picture[~valid] = 0
    return picture


def _limits(stretch: Stretch, values: Values, valid: Mask) -> tuple[float, float]:
    sample = values[valid]
    if sample.dtype.kind == "f":
        sample = sample[np.isfinite(sample)].astype(np.float64)
    if sample.size == 0:
        return 0.0, 1.0
    if stretch.kind is Stretching.PERCENTILE:
        low, high = np.percentile(sample, (stretch.low_percent, stretch.high_percent))
    else:
        low, high = sample.min(), sample.max()
    return float(low), float(high) if high > low else float(low) + 1.0
