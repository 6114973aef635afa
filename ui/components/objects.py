"""The objects that an answer marks with boxes: a list beside the answer, drawn on the scene by the browser."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from client.boxes import Box, geojson
from client.scene import Scene
from ui.components.scene import format_coordinates
from ui.record import RecordedScene, SentPicture


@dataclass(frozen=True)
class ObjectRow:
    """One box."""

    label: str
    shares: tuple[float, float, float, float]
    """Left, top, width and height, in percent of the scene's sides."""
    size: str
    place: str
    """Its centre: coordinates where the scene has a georeference, pixels otherwise."""


@dataclass(frozen=True)
class ObjectsView:
    """The boxes of an answer."""

    source: str
    """The scene that they belong to: where the upload is, or the key of the sample."""
    title: str
    items: tuple[ObjectRow, ...]
    document: str = ""
    """GeoJSON; empty where the scene is gone."""
    document_title: str = ""
    filename: str = ""


def objects_view(boxes: Sequence[Box], recorded: RecordedScene, sent: SentPicture, scene: Scene | None) -> ObjectsView:
    """Returns the boxes as they are listed, drawn and exported.

    Args:
        boxes: of the answer.
        recorded: the scene, as the browser names it.
        sent: the picture that the boxes are counted in.
        scene: None where the file is gone; the boxes are then drawn, and not exported.
    """
    view = ObjectsView(
        source=recorded.upload or recorded.sample or "",
        title="1 object marked on the scene" if len(boxes) == 1 else f"{len(boxes)} objects marked on the scene",
        items=tuple(_row(box, sent, scene) for box in boxes),
    )
    if scene is None:
        return view
    return ObjectsView(
        source=view.source,
        title=view.title,
        items=view.items,
        document=json.dumps(geojson(boxes, scene, sent.window), ensure_ascii=False),
        document_title=f"Save the boxes as GeoJSON, in {'WGS 84' if scene.lattice else 'pixels of the scene'}",
        filename=f"{PurePath(scene.name).stem}-objects.geojson",
    )


def _row(box: Box, sent: SentPicture, scene: Scene | None) -> ObjectRow:
    left, top, right, bottom = box.in_pixels(sent.window)
    across, down = sent.scene_width / 100, sent.scene_height / 100
    x, y = (left + right) / 2, (top + bottom) / 2
    centre = scene.locate(x, y) if scene else None
    return ObjectRow(
        label=box.label,
        shares=(
            round(left / across, 4),
            round(top / down, 4),
            round((right - left) / across, 4),
            round((bottom - top) / down, 4),
        ),
        size=f"{max(right - left, 1):.0f} x {max(bottom - top, 1):.0f} px",
        place=format_coordinates(*centre) if centre else f"at {x:.0f}, {y:.0f}",
    )
