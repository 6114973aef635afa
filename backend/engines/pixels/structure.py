"""What is drawn on the ground, whatever it is: straight edges and compact bright objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import canny
from skimage.transform import probabilistic_hough_line

from backend.engines.pixels.patches import Mask

LINE_SHARE = 0.08
"""Least length of a straight edge, as a share of the picture's longer side."""

OBJECT_SHARE = 0.02
"""Greatest width of a compact object, as a share of the picture's longer side."""

OBJECT_STEP = 28.0
"""How much brighter than its surroundings an object is at least, in 8-bit levels."""

OBJECT_MIN_PIXELS = 4
OBJECT_MIN_FILL = 0.4
"""Least share of its bounding box that a compact object fills; less is a ragged patch or a slanting line."""

OBJECT_MAX_ASPECT = 6.0

MAX_EDGE_SHARE = 0.28
"""Where more of the picture than this is edge, lines would be found by chance: none are looked for."""

Box = tuple[slice, slice]


@dataclass(frozen=True)
class StraightEdges:
    """Straight edges of at least `LINE_SHARE` of the picture. A road has two, a field's border one."""

    count: int
    orientation_deg: float | None
    """Direction that most of their length has, 0 to 180 degrees, anticlockwise from horizontal; None without one."""


@dataclass(frozen=True)
class BrightObjects:
    """Small compact patches that are brighter than what surrounds them."""

    count: int
    on_water: int
    """How many of them have mostly water around them."""
    least_side: int
    """Shortest side that an object must have to be seen, in pixels of the original image."""


def straight_edges(lightness: NDArray[np.float32], valid: Mask) -> StraightEdges:
    """Finds straight edges: Canny's detector, then the progressive probabilistic Hough transform.

    Args:
        lightness: L*, height x width.
        valid: False where there is no data; edges of the data itself do not count.

    Source of the methods: Canny 1986, doi:10.1109/TPAMI.1986.4767851; Galamhos et al. 1999,
    doi:10.1109/CVPR.1999.786993, as scikit-image has them.
    """
    if min(lightness.shape) < 16:
        return StraightEdges(0, None)
    edges = canny(lightness, sigma=1.5, low_threshold=4.0, high_threshold=10.0)  # type: ignore[no-untyped-call]
    edges &= ndimage.binary_erosion(valid, iterations=5, border_value=1)
    if edges.mean() > MAX_EDGE_SHARE:
        return StraightEdges(0, None)
    length = round(LINE_SHARE * max(lightness.shape))
    angles = np.linspace(-np.pi / 2, np.pi / 2, 120, endpoint=False)
    found = probabilistic_hough_line(  # type: ignore[no-untyped-call]
        edges, threshold=length // 3, line_length=length, line_gap=2, theta=angles, rng=np.random.default_rng(0)
    )
    return StraightEdges(len(found), _orientation(np.asarray(found, dtype=np.float64)))


def _orientation(segments: NDArray[np.float64]) -> float | None:
    """Returns the mean direction, weighted by length, if the directions agree: on doubled angles, a resultant over
    0.5 (Mardia and Jupp, Directional Statistics, 2000, section 9.1)."""
    if len(segments) < 3:
        return None
    steps = segments[:, 1] - segments[:, 0]
    doubled = 2 * np.arctan2(-steps[:, 1], steps[:, 0])
    resultant = np.average(np.exp(1j * doubled), weights=np.hypot(steps[:, 0], steps[:, 1]))
    if abs(resultant) < 0.5:
        return None
    return float(np.degrees(np.angle(resultant)) / 2 % 180)


def bright_objects(detail: NDArray[np.uint8], water: Mask, scale: float) -> BrightObjects:
    """Finds compact bright objects with a white top-hat (Meyer 1979): what a square of `OBJECT_SHARE` does not fit in.

    Args:
        detail: luma, height x width.
        water: where water is, at any size.
        scale: pixels of the original image per pixel of `detail`, at least 1.
    """
    width = max(5, round(OBJECT_SHARE * max(detail.shape)) | 1)
    hat = ndimage.white_tophat(detail, size=(width, width), mode="nearest")
    patches, count = ndimage.label(hat > OBJECT_STEP)
    sizes = np.bincount(patches.ravel(), minlength=count + 1)
    boxes = ndimage.find_objects(patches)
    compact = [box for number, box in enumerate(boxes, 1) if _is_compact(box, int(sizes[number]), width)]
    objects = [box for box in compact if _stands_out(detail, box)]
    ratio = (water.shape[0] / detail.shape[0], water.shape[1] / detail.shape[1])
    on_water = sum(_share_of_rim(water, _scaled(box, ratio)) > 0.5 for box in objects)
    return BrightObjects(len(objects), on_water, least_side=max(2, round(2 * scale)))


def _is_compact(box: Box, size: int, width: int) -> bool:
    height, breadth = (side.stop - side.start for side in box)
    long, short = max(height, breadth), min(height, breadth)
    fills = size >= OBJECT_MIN_FILL * height * breadth
    return (
        size >= OBJECT_MIN_PIXELS and short >= 2 and long <= 2 * width and long <= OBJECT_MAX_ASPECT * short and fills
    )


def _stands_out(detail: NDArray[np.uint8], box: Box) -> bool:
    """Tells whether the object is brighter than its surroundings on every side, not only than those on two."""
    level = float(np.median(detail[box]))
    return _share_of_rim(detail < level - OBJECT_STEP, box) > 0.9


def _scaled(box: Box, ratio: tuple[float, float]) -> Box:
    rows, columns = (
        slice(int(side.start * step), int(np.ceil(side.stop * step))) for side, step in zip(box, ratio, strict=True)
    )
    return rows, columns


def _share_of_rim(mask: Mask, box: Box) -> float:
    """Returns the share of the mask in a rim of three pixels around the box; 0 when there is no such rim."""
    rows, columns = box
    inner = mask[box]
    outer = mask[max(rows.start - 3, 0) : rows.stop + 3, max(columns.start - 3, 0) : columns.stop + 3]
    rim = outer.size - inner.size
    return float((np.count_nonzero(outer) - np.count_nonzero(inner)) / rim) if rim else 0.0
