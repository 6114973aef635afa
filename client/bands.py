"""Which bands of a raster are red, green and blue: by colour interpretation, by name and sensor, then by order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from client.scene import Band

Triple = tuple[int, int, int]

NATURAL = "true colour"
FALSE = "false colour"
GREY = "grey"

_WORDS = {
    "nir": re.compile(r"\b(nir|near[ _-]?infra[ _-]?red|infrared|b8a)\b", re.I),
    "red": re.compile(r"\bred\b", re.I),
    "green": re.compile(r"\bgreen\b", re.I),
    "blue": re.compile(r"\bblue\b", re.I),
}
_NUMBERED = re.compile(r"\b(?:sr_|s2_|toa_|b|band[ _-]?)0*(\d{1,2})a?\b", re.I)


@dataclass(frozen=True)
class BandChoice:
    """A named choice of three bands."""

    name: str
    """`true colour`, `false colour` or `grey`."""
    bands: Triple
    """Red, green and blue, counted from 1."""
    reason: str
    """Why, as the end of the sentence `bands 3, 2, 1 as red, green, blue, ...`."""


def default_choice(bands: Sequence[Band]) -> BandChoice:
    """Returns the choice that a scene is first shown with."""
    return band_choices(bands)[0]


def band_choices(bands: Sequence[Band]) -> list[BandChoice]:
    """Returns the sensible choices for a scene, the default first; false colour follows where infrared is known."""
    colours = [band for band in bands if band.colour != "alpha"]
    roles, reason = _roles(colours)
    choices = []
    if {"red", "green", "blue"} <= roles.keys():
        choices.append(BandChoice(NATURAL, (roles["red"], roles["green"], roles["blue"]), reason))
    if {"nir", "red", "green"} <= roles.keys():
        choices.append(BandChoice(FALSE, (roles["nir"], roles["red"], roles["green"]), reason))
    return choices or [_by_order(colours or list(bands))]


def _roles(bands: Sequence[Band]) -> tuple[dict[str, int], str]:
    """Returns which band plays which role, and how that was found out."""
    by_colour = {band.colour: band.index for band in reversed(bands) if band.colour in ("red", "green", "blue", "nir")}
    if {"red", "green", "blue"} <= by_colour.keys():
        return by_colour, "by their colour interpretation"
    by_word = {role: band.index for band in reversed(bands) for role, word in _WORDS.items() if word.search(band.name)}
    if {"red", "green"} <= by_word.keys():
        return by_word, "by their names"
    return _by_sensor(bands), "by the sensor's band numbers"


def _by_sensor(bands: Sequence[Band]) -> dict[str, int]:
    if all(band.name == f"Band {band.index}" for band in bands):
        return {"blue": 1, "green": 2, "red": 3, "nir": 4} if len(bands) in (3, 4) and bands[0].dtype != "uint8" else {}
    numbers = {int(m[1]): band.index for band in reversed(bands) if (m := _NUMBERED.search(band.name))}
    if len(numbers) < min(len(bands), 3):
        return {}
    thematic_mapper = max(numbers) <= 7 and 1 in numbers and not any("sr_" in band.name.lower() for band in bands)
    order = {"blue": 1, "green": 2, "red": 3, "nir": 4} if thematic_mapper else {"blue": 2, "green": 3, "red": 4}
    if not thematic_mapper:
        order["nir"] = 8 if 8 in numbers else 5
    return {role: numbers[number] for role, number in order.items() if number in numbers}


def _by_order(bands: Sequence[Band]) -> BandChoice:
    if len(bands) < 3:
        first = bands[0].index
        return BandChoice(GREY, (first, first, first), "the first of too few for colour")
    return BandChoice(NATURAL, (bands[0].index, bands[1].index, bands[2].index), "by their order")
