"""The choice of bands and stretch under the picture."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from client.bands import band_choices
from client.scene import Scene, Stretching

STRETCH_LABELS = {
    Stretching.AUTOMATIC: "Automatic",
    Stretching.PERCENTILE: "2nd to 98th percentile",
    Stretching.MINMAX: "Lowest to highest value",
    Stretching.NONE: "Whole range of the data type",
}


@dataclass(frozen=True)
class QuickChoice:
    """A choice of bands that is one click away."""

    label: str
    bands: tuple[int, int, int]
    is_default: bool
    is_chosen: bool


@dataclass(frozen=True)
class BandControls:
    """What the controls offer for a scene, and what is chosen."""

    shape: str
    """Key under which the browser remembers the choice for the next scene of the same shape."""
    quick: tuple[QuickChoice, ...]
    bands: tuple[tuple[int, str], ...]
    """Number and name of each band."""
    chosen: tuple[int, int, int]
    stretch: Stretching
    stretches: tuple[tuple[Stretching, str], ...] = tuple(STRETCH_LABELS.items())


def band_controls(scene: Scene, stretch: Stretching) -> BandControls:
    """Returns the controls for a scene.

    Args:
        scene: as it is rendered.
        stretch: what was asked for, of which the scene's rendering is the result.
    """
    chosen = scene.rendering.bands or (1, 1, 1)
    choices = band_choices(scene.bands, " ".join([scene.name, *scene.tags.values()]))
    return BandControls(
        shape=shape_key(scene),
        quick=tuple(
            QuickChoice(choice.name.capitalize(), choice.bands, place == 0, choice.bands == chosen)
            for place, choice in enumerate(choices)
        ),
        bands=tuple((band.index, _band_label(band.index, band.name)) for band in scene.bands),
        chosen=chosen,
        stretch=stretch,
    )


def shape_key(scene: Scene) -> str:
    """Returns a short key that is the same for all scenes of the same bands, names and data type."""
    return hashlib.blake2b(scene.shape.encode(), digest_size=8).hexdigest()


def _band_label(index: int, name: str) -> str:
    return name if name == f"Band {index}" else f"{index}: {name}"
