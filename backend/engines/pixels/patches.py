"""Connected patches of a mask, and their shapes."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
PerPatch = NDArray[np.float64]
"""One value per patch. Index 0 is the background, and its value means nothing."""


class Patches:
    """The 4-connected patches of a mask."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._numbers, self._count = ndimage.label(mask)

    @cached_property
    def depth(self) -> NDArray[np.float64]:
        """How far each pixel lies from the nearest one outside its patch, in pixels. The image's edge is no border."""
        if self._mask.all():
            return np.full(self._mask.shape, float(max(self._mask.shape)))
        return np.asarray(ndimage.distance_transform_edt(self._mask))

    @cached_property
    def areas(self) -> PerPatch:
        """Pixels of each patch."""
        return np.bincount(self._numbers.ravel(), minlength=self._count + 1).astype(np.float64)

    @cached_property
    def radii(self) -> PerPatch:
        """Radius of the largest circle within each patch, as a share of the image's longer side."""
        deepest = np.zeros(self._count + 1)
        np.maximum.at(deepest, self._numbers.ravel(), self.depth.ravel())
        return np.asarray(deepest / max(self._mask.shape))

    def mean(self, values: NDArray[Any], where: Mask | None = None) -> PerPatch:
        """Returns the mean of the values over each patch, or over its part in `where`; 0 for a patch without pixels."""
        numbers = self._numbers.ravel() if where is None else np.where(where, self._numbers, 0).ravel()
        sums = np.bincount(numbers, weights=values.ravel(), minlength=self._count + 1)
        return np.asarray(sums / np.maximum(np.bincount(numbers, minlength=self._count + 1), 1))

    def select(self, chosen: NDArray[np.bool_]) -> Mask:
        """Returns the mask of the chosen patches; `chosen` has one value per patch."""
        return np.asarray(chosen[self._numbers] & self._mask)


def thick(mask: Mask, radius: float) -> Mask:
    """Returns the patches that hold a circle of this radius, given as a share of the image's longer side."""
    patches = Patches(mask)
    return patches.select(patches.radii >= radius)
