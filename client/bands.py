"""Which bands of a raster are red, green and blue: by colour interpretation, name, sensor, then order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from client.scene import Band, Scene

Triple = tuple[int, int, int]
Roles = Mapping[str, int]
"""`red`, `green`, `blue`, `nir`, each with a band counted from 1."""


@dataclass(frozen=True)
class BandChoice:
    """A named choice of three bands."""

    name: str
    """`true colour`, `false colour` or `grey`."""
    bands: Triple
    """Red, green and blue, counted from 1."""
    reason: str
    """Why, as the end of the sentence `bands 3, 2, 1 as red, green, blue, ...`."""


_SENTINEL2 = {"blue": 2, "green": 3, "red": 4, "nir": 8}
"""Sentinel-2 MSI, ESA: B2 490 nm, B3 560 nm, B4 665 nm, B8 842 nm."""
_LANDSAT8 = {"blue": 2, "green": 3, "red": 4, "nir": 5}
"""Landsat 8 and 9 OLI, USGS: B2 482 nm, B3 561 nm, B4 655 nm, B5 865 nm."""
_LANDSAT7 = {"blue": 1, "green": 2, "red": 3, "nir": 4}
"""Landsat 4 to 7 TM and ETM+, USGS: B1 485 nm, B2 560 nm, B3 660 nm, B4 835 nm."""

_BY_COUNT: dict[int, Roles] = {
    3: {"blue": 1, "green": 2, "red": 3},
    4: _LANDSAT7,
    5: {"blue": 1, "green": 2, "red": 3, "nir": 5},
    6: _LANDSAT7,
    7: _LANDSAT8,
    8: {"blue": 2, "green": 3, "red": 5, "nir": 7},
    10: {"blue": 1, "green": 2, "red": 3, "nir": 7},
    11: _LANDSAT8,
    12: _SENTINEL2,
    13: _SENTINEL2,
}
"""Where the colours are among so many nameless bands of a sensor, which come in the order of wavelength: visible and
infrared stacks (3-5), Landsat TM (6), Landsat OLI (7, 11), WorldView-2 (8), Sentinel-2 (10, 12, 13)."""

_WORDS = {
    "red": re.compile(r"\bred\b(?! ?edge)"),
    "green": re.compile(r"\bgreen\b"),
    "blue": re.compile(r"(?<!coastal )\bblue\b"),
    "nir": re.compile(r"\bnir ?\d?\b|\bnear infra ?red\b"),
}
_NUMBER = re.compile(r"\bb(?:and)? ?0*(\d{1,2})\b")


def scene_choices(scene: Scene) -> list[BandChoice]:
    """Returns the sensible choices for a scene, the default first."""
    return band_choices(scene.bands, " ".join([scene.name, *scene.tags.values()]))


def band_choices(bands: Sequence[Band], hints: str = "") -> list[BandChoice]:
    """Returns the sensible choices for a scene, the default first; false colour follows where infrared is known.

    Args:
        bands: of the scene.
        hints: file name and tags, where a sensor may be named.
    """
    colours = [band for band in bands if band.colour != "alpha"]
    roles, reason = _roles(colours, hints.lower())
    choices = []
    if {"red", "green", "blue"} <= roles.keys():
        choices.append(BandChoice("true colour", (roles["red"], roles["green"], roles["blue"]), reason))
    if {"nir", "red", "green"} <= roles.keys():
        choices.append(BandChoice("false colour", (roles["nir"], roles["red"], roles["green"]), reason))
    return choices or [_in_order(colours or list(bands))]


def _roles(bands: Sequence[Band], hints: str) -> tuple[Roles, str]:
    """Returns which band plays which role, and how that was found out."""
    named = _by_name(bands)
    by_colour = named | {b.colour: b.index for b in reversed(bands) if b.colour in ("red", "green", "blue", "nir")}
    if {"red", "green", "blue"} <= {band.colour for band in bands}:
        # What an aerial survey adds to red, green and blue, without a word, is near infrared.
        fourth = {"nir": bands[3].index} if len(bands) == 4 and bands[3].colour == "undefined" else {}
        return fourth | by_colour, "by their colour interpretation"
    if {"red", "green"} <= named.keys():
        return named, "by their names"
    sensor, roles = _by_sensor(bands, hints)
    if {"red", "green"} <= roles.keys():
        return roles, f"by the band numbers of {sensor}"
    if bands and bands[0].dtype != "uint8":
        return _by_wavelength(bands), "in the order of wavelength, as sensors write them"
    return {}, ""


def _by_name(bands: Sequence[Band]) -> dict[str, int]:
    words = {band.index: _words(band.name) for band in bands}
    found = {}
    for role, word in _WORDS.items():
        # The shortest name that has the word: `green` before `green i`, `nir` before `nir narrow`.
        matching = sorted((len(words[i]), i) for i in words if word.search(words[i]))
        if matching:
            found[role] = matching[0][1]
    return found


def _by_sensor(bands: Sequence[Band], hints: str) -> tuple[str, Roles]:
    words = [_words(band.name) for band in bands]
    numbers = {int(m[1]): band.index for band, word in zip(bands, words, strict=True) if (m := _NUMBER.search(word))}
    if not numbers or all(band.name == f"Band {band.index}" for band in bands):
        return "", {}
    sensor, table = _sensor(set(numbers), " ".join([hints, *words]), bands[0].dtype)
    return sensor, {role: numbers[number] for role, number in table.items() if number in numbers}


def _sensor(present: set[int], hints: str, dtype: str) -> tuple[str, Roles]:
    if re.search(r"sentinel[ _-]?2|\bs2[abc]_|\bb ?0?8a\b", hints) or 12 in present:
        return "Sentinel-2", _SENTINEL2
    if 8 in present and 5 not in present:
        # The bands of 10 m, without those of 20 m; Landsat's band 8 is panchromatic.
        return "Sentinel-2", _SENTINEL2
    if re.search(r"landsat[ _-]?[89]|\blc0[89]|\boli\b", hints) or present & {9, 10, 11}:
        return "Landsat 8 and 9", _LANDSAT8
    # Level-2 files of the older Landsats have no band 6, and their sensors were of 8 bit.
    older = re.search(r"landsat[ _-]?[4567]|\ble07|\blt0[45]|vcid|\betm\b", hints) or dtype == "uint8"
    if older or ({1, 5, 7} <= present and 6 not in present):
        return "Landsat 4 to 7", _LANDSAT7
    return "Landsat 8 and 9", _LANDSAT8


def _by_wavelength(bands: Sequence[Band]) -> Roles:
    table = _BY_COUNT.get(len(bands), {})
    return {role: bands[place - 1].index for role, place in table.items()}


def _in_order(bands: Sequence[Band]) -> BandChoice:
    if len(bands) < 3:
        first = bands[0].index
        return BandChoice("grey", (first, first, first), "the first of too few for colour")
    return BandChoice("true colour", (bands[0].index, bands[1].index, bands[2].index), "by their order")


def _words(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", name.lower())
