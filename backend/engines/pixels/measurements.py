"""Everything that is measured of a picture, in one place: image bytes in, a frozen record out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy import ndimage
from skimage.color import rgb2lab

from backend.engines.pixels.colours import NamedColour, dominant_colours
from backend.engines.pixels.land_cover import Cover, classify
from backend.engines.pixels.picture import Picture, read_picture
from backend.engines.pixels.structure import BrightObjects, StraightEdges, bright_objects, straight_edges


@dataclass(frozen=True)
class Measurements:
    """What the pixels of one image say."""

    width: int
    """In pixels."""
    height: int
    """In pixels."""
    shares: Mapping[Cover, float]
    """Share of the pixels with data that each class has, 0 to 1; of `NO_DATA`, of all pixels."""
    certain_water: float
    """Share of the pixels with data that are water by colour alone. The rest of the water is likely, not certain."""
    greyscale: bool
    """Whether there is no colour to tell land cover by."""
    false_colour: bool
    """Whether red seems to show near infrared."""
    brightness: float
    """Mean L*, 0 (black) to 100 (white)."""
    contrast: float
    """Standard deviation of L*."""
    texture: float
    """Median local roughness of L*, at the working size."""
    colours: tuple[NamedColour, ...]
    """Dominant colours, the most frequent first."""
    edges: StraightEdges
    objects: BrightObjects

    @property
    def is_empty(self) -> bool:
        """Whether there is no pixel with data."""
        return self.shares[Cover.NO_DATA] == 1.0

    def share(self, cover: Cover) -> float:
        """Returns the share of one class, 0 to 1."""
        return self.shares[cover]


def measure(data: bytes) -> Measurements:
    """Measures an image file.

    Raises:
        backend.images.NotAnImage: no image, damaged, or too large.
    """
    return measure_picture(read_picture(data))


def measure_picture(picture: Picture) -> Measurements:
    """Measures a decoded picture."""
    cover = classify(picture)
    lab = rgb2lab(picture.rgb).astype(np.float32)
    lightness = lab[..., 0]
    seen = lightness[picture.valid] if picture.valid.any() else np.zeros(1, np.float32)
    water = cover.is_class(Cover.WATER)
    return Measurements(
        width=picture.width,
        height=picture.height,
        shares=MappingProxyType({kind: cover.share(kind) for kind in Cover}),
        certain_water=cover.blue_share,
        greyscale=cover.greyscale,
        false_colour=cover.false_colour,
        brightness=float(seen.mean()),
        contrast=float(seen.std()),
        texture=_texture(lightness, picture),
        colours=dominant_colours(lab, picture.valid),
        edges=straight_edges(lightness, picture.valid),
        objects=bright_objects(picture.detail, water, max(1.0, picture.width / picture.detail.shape[1])),
    )


def _texture(lightness: np.ndarray, picture: Picture) -> float:
    if not picture.valid.any():
        return 0.0
    detail = lightness - ndimage.gaussian_filter(lightness, 1.0)
    power = ndimage.uniform_filter(detail * detail, 11)
    return float(np.sqrt(max(float(np.median(power[picture.valid])), 0.0)))
