"""The scene panel: a drop zone that becomes the picture with its facts.

The panel's value is what travels between browser and server, a JSON object with `html` (what is drawn), `source` (where
the file is: an upload, or a sample by key), `name`, and what the user chose: `rendering` and `window`. The browser adds
`kept`, the same of the scene that was shown before; the server adds `file` and `picture`, the names of the scene's file
and of the picture for the model, and `refused` where it returned to `kept`. Nothing of it is kept on the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from client.scene import LonLat, Scene, Window
from ui.components.bands import BandControls
from ui.components.viewer import PictureView
from ui.fragments import format_bytes, render
from ui.record import RecordedScene, SentPicture

SceneValue = dict[str, Any]
ACCEPTED = "GeoTIFF, JPEG 2000, PNG, JPEG, WebP and others, any number of bands"


@dataclass(frozen=True)
class Fact:
    """One thing known of a scene, as a chip."""

    text: str
    title: str = ""


@dataclass(frozen=True)
class SceneView:
    """A scene as it is drawn."""

    name: str
    file: str
    """The file's name."""
    preview_url: str
    width: int
    height: int
    """Size of the preview in pixels."""
    scene_width: int
    scene_height: int
    """Size of the scene in pixels."""
    alt: str
    facts: tuple[Fact, ...]
    decisions: tuple[str, ...]
    notes: tuple[tuple[str, str], ...]
    """What the file says of itself: names and values."""
    controls: BandControls
    window: Window | None = None
    """The selected area; None for the whole scene."""
    picture: PictureView | None = None
    """What the model gets; None where no picture can be made."""
    trouble: str = ""
    """Why no picture can be made."""
    attribution: str = ""


def scene_panel(elem_id: str) -> gr.HTML:
    """Returns an empty scene panel.

    Its `input` event tells that the user chose another source, or none; its `edit` event that bands, stretch or area
    changed.
    """
    return gr.HTML(
        empty_value(),
        html_template="${value.html}",
        js_on_load=f"nadir.attachScene(element, '{elem_id}', props, trigger, watch)",
        elem_id=elem_id,
        elem_classes=["nd-scene-host"],
        apply_default_css=False,
    )


def empty_value(turn: int = 0) -> SceneValue:
    """Returns the value of a panel without a scene. `turn` counts the panel's changes in the browser."""
    return {"html": _draw("empty", turn), "source": None, "name": "", "turn": turn}


def refused_value(message: str, turn: int = 0) -> SceneValue:
    """Returns the value of a panel whose file could not be read; `message` says why."""
    return {"html": _draw("refused", turn, message=message), "source": None, "name": "", "turn": turn}


def ready_value(view: SceneView, recorded: RecordedScene, turn: int = 0, refusal: str = "") -> SceneValue:
    """Returns the value of a panel that shows a scene; `refusal` says why another one was not taken in its place."""
    drawn = {"html": _draw("ready", turn, view=view, message=refusal), "turn": turn, "refused": bool(refusal)}
    picture = view.picture.file if view.picture else None
    return recorded.panel_value | drawn | {"name": view.name, "file": view.file, "picture": picture}


def preview_alt(scene: Scene) -> str:
    """Returns the picture's text alternative."""
    return f"Scene {scene.name}, {scene.width} by {scene.height} pixels"


def scene_facts(scene: Scene) -> tuple[Fact, ...]:
    """Returns the facts under the picture: size, bands, type, ground resolution, place."""
    facts = [Fact(f"{scene.width} x {scene.height} px", "Width and height")]
    bands = "1 band" if len(scene.bands) == 1 else f"{len(scene.bands)} bands"
    facts.append(Fact(f"{bands} {scene.dtype}", ", ".join(band.name for band in scene.bands[:12])))
    facts.append(Fact(scene.format))
    if scene.gsd_m is not None:
        facts.append(Fact(f"{format_gsd(scene.gsd_m)} / px", "Ground resolution at the centre"))
    if scene.centre_wgs84 is not None:
        facts.append(Fact(format_coordinates(*scene.centre_wgs84), "Centre of the scene"))
    if scene.crs is not None:
        facts.append(Fact(scene.crs, "Coordinate system"))
    if scene.acquired:
        facts.append(Fact(scene.acquired, "Acquired"))
    facts.append(Fact(format_bytes(scene.byte_size), "Size of the file"))
    return tuple(facts)


def scene_notes(scene: Scene) -> tuple[tuple[str, str], ...]:
    """Returns what else the file says: where its corners are, and its tags."""
    corners = scene.footprint_wgs84
    # Each corner stays on one line.
    places = [format_coordinates(*corner).replace(" ", "\N{NO-BREAK SPACE}") for corner in corners or ()]
    return (*([("Corners", "; ".join(places))] if places else ()), *scene.tags.items())


def sent_facts(sent: SentPicture) -> tuple[Fact, ...]:
    """Returns the facts about what would be sent: the selected area, bytes and tokens."""
    cost = Fact(
        f"sends {format_bytes(sent.size_bytes)}, {sent.tokens} tokens",
        f"The model gets {sent.width} x {sent.height} pixels",
    )
    if sent.shows_all:
        return (cost,)
    window = sent.window
    area = Fact(f"area {window.width} x {window.height} px", f"From {window.x}, {window.y} of the scene")
    return area, cost


def format_gsd(metres: float) -> str:
    """Returns a ground resolution: `10 cm`, `30 m`, `2.1 km`."""
    if metres < 1:
        return f"{metres * 100:.3g} cm"
    if metres < 1000:
        return f"{metres:.3g} m"
    return f"{metres / 1000:.3g} km"


def format_coordinates(longitude: float, latitude: float) -> str:
    """Returns a place as `25.4321° S 54.5861° W`. Longitudes may run on over the date line."""
    longitude = (longitude + 180) % 360 - 180
    north_south = "N" if latitude >= 0 else "S"
    east_west = "E" if longitude >= 0 else "W"
    return f"{abs(latitude):.4f}° {north_south} {abs(longitude):.4f}° {east_west}"


def format_area(footprint: Sequence[LonLat]) -> str:
    """Returns a footprint by its first and its opposite corner."""
    return f"{format_coordinates(*footprint[0])} to {format_coordinates(*footprint[2])}"


def resolve_upload(value: str, upload_dir: Path) -> Path | None:
    """Returns the uploaded file that the browser names, or None where that is not a file below `upload_dir`."""
    path = Path(value)
    try:
        resolved = path.resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        return None
    return resolved if resolved.is_file() and resolved.is_relative_to(upload_dir.resolve()) else None


def _draw(state: str, turn: int, *, view: SceneView | None = None, message: str = "") -> str:
    return render("scene.html", state=state, turn=turn, view=view, message=message, accepted=ACCEPTED)
