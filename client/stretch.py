"""From the values of a sensor to 0-255."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.scene import Stretch, Stretching

Values = NDArray[Any]
"""Bands, rows, columns; the type is the scene's."""
Mask = NDArray[np.bool_]
"""Rows, columns; True where there is data."""
Limits = tuple[tuple[float, float], ...]


def settle(stretch: Stretch, values: Values, valid: Mask) -> Stretch:
    """Returns the stretch with its kind and its limits filled in, measured on a sample of the scene."""
    kind = stretch.kind
    if kind is Stretching.AUTOMATIC:
        kind = Stretching.NONE if values.dtype == np.uint8 else Stretching.PERCENTILE
    limits = stretch.limits or tuple(_limits(kind, stretch, band, valid) for band in values)
    return Stretch(kind, stretch.low_percent, stretch.high_percent, limits)


def apply(limits: Limits, values: Values, valid: Mask) -> NDArray[np.uint8]:
    """Returns the bands as 0-255, rows x columns x bands; black where there is no data."""
    picture = np.zeros((*values.shape[1:], values.shape[0]), np.uint8)
    for i, (band, (low, high)) in enumerate(zip(values, limits, strict=True)):
        if (low, high) == (0, 255) and band.dtype == np.uint8:
            picture[..., i] = band
            continue
        scaled = (band.astype(np.float32) - low) * (255.0 / ((high - low) or 1.0))
        picture[..., i] = np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0).clip(0, 255).round()
    picture[~valid] = 0
    return picture


def _limits(kind: Stretching, stretch: Stretch, band: Values, valid: Mask) -> tuple[float, float]:
    if kind is Stretching.NONE and band.dtype.kind in "iu":
        info = np.iinfo(band.dtype)
        return float(info.min), float(info.max)
    sample = band[valid & np.isfinite(band)]
    if sample.size == 0:
        return 0.0, 1.0
    if kind is Stretching.PERCENTILE:
        low, high = np.percentile(sample, (stretch.low_percent, stretch.high_percent))
    else:
        low, high = sample.min(), sample.max()
    return float(low), float(high) if high > low else float(low) + 1.0
