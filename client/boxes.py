"""Boxes in answers: Qwen3-VL's JSON, read leniently, placed on the scene, and exported as GeoJSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from client.scene import Scene, Window

SIDE = 1000
"""Boxes count from 0 to 1000 along each side of the picture, whatever its size; Qwen3-VL's cookbook on grounding."""
MAX_BOXES = 500
"""Most boxes that are read from one answer; a model that repeats itself writes until it is stopped."""
MAX_LABEL_LENGTH = 100
DEGREE_DIGITS = 7
"""Digits of a longitude or latitude in GeoJSON: a centimetre."""

_NUMBER = r"\s*[\"']?(-?\d{1,7}(?:\.\d{1,9})?)[\"']?\s*"
_CORNERS = re.compile(r"b(?:ounding[_ ]?)?box(?:_2d)?[\"']?\s*[:=]\s*[\[(]" + r"[,\s]".join([_NUMBER] * 4), re.I)
_LABEL = re.compile(r"[\"']?(?:label|name|class|category|object)[\"']?\s*[:=]\s*(?:\"([^\"\n}]*)|'([^'\n}]*))", re.I)
_OLDER = re.compile(
    r"(?:<\|object_ref_start\|>([^<]{0,200})<\|object_ref_end\|>\s*)?<\|box_start\|>\s*"
    r"\((\d{1,4}),\s*(\d{1,4})\),\s*\((\d{1,4}),\s*(\d{1,4})\)"
)
"""How Qwen2-VL wrote boxes, which fine-tuned models may still do."""


@dataclass(frozen=True)
class Box:
    """A labelled rectangle in an answer, in thousandths of the picture's sides."""

    label: str
    left: float
    top: float
    right: float
    bottom: float

    def in_pixels(self, window: Window) -> tuple[float, float, float, float]:
        """Returns left, top, right and bottom in the scene's pixels; `window` is what the model was shown."""
        return (
            window.x + self.left * window.width / SIDE,
            window.y + self.top * window.height / SIDE,
            window.x + self.right * window.width / SIDE,
            window.y + self.bottom * window.height / SIDE,
        )


def parse_boxes(answer: str) -> list[Box]:
    """Returns the boxes of an answer, in order and without repeats; none where there are none.

    It looks for boxes and not for JSON, because the JSON is often faulty: cut off at the last token, commas missing or
    too many, single quotes, numbers in quotes, corners swapped, text around it.
    """
    boxes: dict[Box, None] = {}
    for label, corners in _written(answer):
        box = _box(label, corners)
        if box is not None:
            boxes[box] = None
        if len(boxes) >= MAX_BOXES:
            break
    return list(boxes)


def geojson(boxes: Sequence[Box], scene: Scene, window: Window) -> dict[str, Any]:
    """Returns the boxes as a GeoJSON feature collection (RFC 7946).

    In WGS 84 where the scene has a georeference; otherwise in the scene's pixels, which the collection then says.
    """
    collection: dict[str, Any] = {
        "type": "FeatureCollection",
        "name": scene.name,
        "features": [_feature(box, scene, window) for box in boxes],
    }
    if scene.lattice is None:
        collection["coordinates"] = "pixels of the scene, from its top left corner"
    return collection


def _written(answer: str) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Yields labels and corners as they stand in the answer."""
    for piece in answer.split("{"):
        corners = _CORNERS.search(piece)
        if corners:
            label = _LABEL.search(piece)
            yield (label[1] or label[2] or "") if label else "", tuple(map(float, corners.groups()))
    for match in _OLDER.finditer(answer):
        yield match[1] or "", tuple(map(float, match.groups()[1:]))


def _box(label: str, corners: tuple[float, ...]) -> Box | None:
    x0, y0, x1, y1 = (min(max(corner, 0.0), float(SIDE)) for corner in corners)
    if x0 == x1 or y0 == y1:
        return None
    words = " ".join("".join(c if c.isprintable() else " " for c in label).split())[:MAX_LABEL_LENGTH]
    return Box(words or "object", min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


def _feature(box: Box, scene: Scene, window: Window) -> dict[str, Any]:
    left, top, right, bottom = pixels = box.in_pixels(window)
    # Counter-clockwise on the ground, where north is up and rows run south.
    ring = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
    return {
        "type": "Feature",
        "properties": {"label": box.label, "pixels": [round(pixel, 1) for pixel in pixels]},
        "geometry": {"type": "Polygon", "coordinates": [[_position(scene, x, y) for x, y in ring]]},
    }


def _position(scene: Scene, x: float, y: float) -> list[float]:
    place = scene.locate(x, y)
    return [round(x, 1), round(y, 1)] if place is None else [round(degrees, DEGREE_DIGITS) for degrees in place]
