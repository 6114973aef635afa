"""Dominant colours, by the names that people give them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

CLUSTERS = 6
SAMPLE = 4096
"""Pixels that are clustered: enough for shares to a percentage point or two."""

HUES = (
    (20.0, "pink"),
    (48.0, "red"),
    (80.0, "orange"),
    (108.0, "yellow"),
    (165.0, "green"),
    (225.0, "turquoise"),
    (305.0, "blue"),
    (335.0, "purple"),
    (360.0, "pink"),
)
"""Upper limit of each sector of the CIE L*a*b* hue angle, in degrees, with its name."""


@dataclass(frozen=True)
class NamedColour:
    """A colour that covers a good part of a picture."""

    name: str
    share: float
    """Of the pixels with data, 0 to 1."""


def colour_name(lightness: float, a: float, b: float) -> str:
    """Returns the everyday name of a CIE L*a*b* colour, such as "dark green" or "tan"."""
    chroma = float(np.hypot(a, b))
    if chroma < 5.5:
        return _grey_name(lightness)
    if lightness < 6:
        return "black"
    hue = float(np.degrees(np.arctan2(b, a))) % 360
    name = next(name for limit, name in HUES if hue <= limit)
    return f"{_shade(lightness)}{_earth_name(name, lightness, chroma)}"


def _grey_name(lightness: float) -> str:
    steps = ((12, "black"), (35, "dark grey"), (65, "grey"), (88, "light grey"))
    return next((name for limit, name in steps if lightness < limit), "white")


def _shade(lightness: float) -> str:
    if lightness < 30:
        return "dark "
    return "light " if lightness > 78 else ""


def _earth_name(name: str, lightness: float, chroma: float) -> str:
    """Renames the muted warm colours, which nobody calls orange, red or yellow, and mutes the rest."""
    if name == "pink" and lightness < 55:
        name = "red" if chroma > 25 else "brown"
    if name == "orange" and (chroma < 45 or lightness < 45):
        return "brown" if lightness < 55 else "tan"
    if name == "red" and chroma < 30:
        return "reddish brown" if lightness < 55 else "pink"
    if name == "yellow" and chroma < 45:
        return "olive" if lightness < 55 else "beige"
    return f"greyish {name}" if chroma < 11 and name != "brown" else name


def dominant_colours(lab: NDArray[np.float32], valid: NDArray[np.bool_]) -> tuple[NamedColour, ...]:
    """Returns the named colours of the picture, the most frequent first: k-means in L*a*b*, equal names merged."""
    pixels = lab[valid]
    if not len(pixels):
        return ()
    sample = pixels[:: max(1, len(pixels) // SAMPLE)].astype(np.float64)
    distinct = np.unique(sample.round(1), axis=0)
    if len(distinct) <= CLUSTERS:
        centres = distinct
        nearest = np.linalg.norm(sample[:, None] - centres[None], axis=2).argmin(axis=1)
    else:
        centres, nearest = kmeans2(sample, _seeds(sample), iter=12, minit="matrix", missing="warn")
    shares: dict[str, float] = {}
    counts = np.bincount(nearest, minlength=len(centres)) / len(sample)
    for centre, share in zip(centres, counts, strict=True):
        name = colour_name(*centre)
        shares[name] = shares.get(name, 0.0) + float(share)
    return tuple(NamedColour(name, share) for name, share in sorted(shares.items(), key=lambda item: -item[1]) if share)


def _seeds(sample: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns starting centres that are far apart: each the pixel farthest from those before. The same every time."""
    seeds = [sample[np.linalg.norm(sample - np.median(sample, axis=0), axis=1).argmin()]]
    distance = np.linalg.norm(sample - seeds[0], axis=1)
    for _ in range(CLUSTERS - 1):
        seeds.append(sample[distance.argmax()])
        distance = np.minimum(distance, np.linalg.norm(sample - seeds[-1], axis=1))
    return np.array(seeds)
