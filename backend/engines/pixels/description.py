"""Measurements into words: a short description of a scene, and the phrases that answers share with it."""

from __future__ import annotations

from backend.engines.pixels.land_cover import Cover
from backend.engines.pixels.measurements import Measurements
from backend.engines.pixels.structure import LINE_SHARE

LABEL = "Measured from the pixels, without a model:"
"""Begins what is said of a picture, so that nobody takes it for a model's answer."""

LAND_COVERS = (Cover.WATER, Cover.VEGETATION, Cover.BARE, Cover.BUILT_UP, Cover.WHITE)
"""The classes that name what is on the ground."""

NOTICEABLE = 0.02
"""Least share at which a class is worth a mention, and is said to be there."""

CLOUDY = 0.2
"""Share of white from which it is called cloud or snow rather than any white surface."""


def percent(share: float) -> str:
    """Returns a share of 0 to 1 in words: "about 39%", "under 1%", "none"."""
    if share <= 0:
        return "none"
    if share < 0.01:
        return "under 1%"
    if share > 0.99:
        return "practically all" if share < 1 else "all"
    return f"about {round(100 * share)}%"


def cover_name(cover: Cover, measured: Measurements) -> str:
    """Returns what to call a class in this picture, as certain as it is."""
    if cover is Cover.WATER:
        return "water" if is_certain_water(measured) else "likely water"
    if cover is Cover.WHITE:
        return (
            "cloud or snow" if measured.share(cover) >= CLOUDY else "white surface such as cloud, snow, salt or roofs"
        )
    names = {Cover.BARE: "bare or dry ground", Cover.BUILT_UP: "built-up or paved surface"}
    return names.get(cover, cover.value)


def is_certain_water(measured: Measurements) -> bool:
    """Tells whether most of what was counted as water is water by its colour alone."""
    return measured.certain_water >= 0.5 * measured.share(Cover.WATER) and not measured.false_colour


def ranked_covers(measured: Measurements) -> list[Cover]:
    """Returns the land-cover classes that are there at all, the largest first."""
    return sorted((cover for cover in LAND_COVERS if measured.share(cover) > 0), key=lambda c: -measured.share(c))


def describe(measured: Measurements) -> str:
    """Returns a description of two to five sentences."""
    if measured.is_empty:
        return f"{LABEL} the image holds no data; every pixel is transparent or black fill."
    sentences = [ground_sentence(measured), _remainder(measured), _tone(measured), _structure(measured)]
    text = " ".join(capitalised(sentence) for sentence in sentences if sentence)
    return f"{LABEL} {text[0].lower()}{text[1:]}"


def is_flat(measured: Measurements) -> bool:
    """Tells whether the picture is one even colour."""
    return measured.contrast < 0.5 and len(measured.colours) == 1


def ground_sentence(measured: Measurements) -> str:
    """Returns what covers the ground, in a sentence, or why that cannot be told."""
    if measured.greyscale:
        return "the image has no colour, so land cover cannot be told from it."
    if is_flat(measured):
        return f"the image is one even {measured.colours[0].name}, with nothing in it to tell what it shows."
    seen = [cover for cover in ranked_covers(measured) if measured.share(cover) >= NOTICEABLE]
    if not seen:
        return "none of the land-cover classes that colour and texture can tell stands out."
    first, *others = (f"{cover_name(c, measured)} covers {percent(measured.share(c))}" for c in seen[:2])
    text = f"{first} of the scene" + "".join(f" and {other}" for other in others)
    minor = [f"{cover_name(cover, measured)} ({percent(measured.share(cover))})" for cover in seen[2:]]
    text += f", with {joined(minor)} making up smaller parts." if minor else "."
    if measured.false_colour:
        text += (
            " The colours look like false colour, with near infrared shown as red: vegetation was read from red, and"
            " the other classes are less certain than usual."
        )
    return text


def _remainder(measured: Measurements) -> str:
    if measured.greyscale or is_flat(measured):
        return ""
    parts = []
    if measured.share(Cover.SHADOW) >= NOTICEABLE:
        parts.append(f"{percent(measured.share(Cover.SHADOW))} is dark and bluish, most likely shadow")
    if measured.share(Cover.UNCLASSIFIED) >= NOTICEABLE:
        parts.append(f"{percent(measured.share(Cover.UNCLASSIFIED))} fits no class")
    if measured.share(Cover.NO_DATA) >= 0.005:
        parts.append(f"{percent(measured.share(Cover.NO_DATA))} of the frame holds no data")
    return f"{', and '.join(parts)}." if parts else ""


def _tone(measured: Measurements) -> str:
    names = [colour.name for colour in measured.colours if colour.share >= 0.08][:3]
    if is_flat(measured) or not names:
        return ""
    tone = f"the image is {brightness_word(measured)}, with {contrast_word(measured)} contrast"
    colours = f"its main colours are {joined(names)}" if len(names) > 1 else f"almost all of it is {names[0]}"
    return f"{tone} and {texture_word(measured)} texture; {colours}."


def _structure(measured: Measurements) -> str:
    parts = [part for part in (edges_phrase(measured), objects_phrase(measured)) if part]
    return f"{'; '.join(parts)}." if parts else ""


def edges_phrase(measured: Measurements) -> str:
    """Returns a clause about straight edges; empty when there are none."""
    count = measured.edges.count
    if not count:
        return ""
    noun = "straight edge was" if count == 1 else "straight edges were"
    way = orientation_words(measured.edges.orientation_deg)
    run = f", running mostly {way}" if way else ""
    return f"{count} {noun} found that span at least {round(100 * LINE_SHARE)}% of the image{run}"


def orientation_words(degrees: float | None) -> str:
    """Returns a direction within the picture in words; empty without one. Degrees are anticlockwise from horizontal."""
    if degrees is None:
        return ""
    ways = ("left to right", "from lower left to upper right", "top to bottom", "from upper left to lower right")
    return ways[round(degrees / 45) % 4]


def objects_phrase(measured: Measurements) -> str:
    """Returns a clause about compact bright objects; empty when there are none."""
    count, on_water = measured.objects.count, measured.objects.on_water
    if not count:
        return ""
    text = "1 compact bright object stands out" if count == 1 else f"{count} compact bright objects stand out"
    if on_water:
        text += ", on water" if on_water == count else f", {on_water} of them on water"
    return text


def brightness_word(measured: Measurements) -> str:
    """Returns "dark", "of medium brightness" or "bright", by the mean L*."""
    if measured.brightness < 33:
        return "dark"
    return "bright" if measured.brightness > 66 else "of medium brightness"


def contrast_word(measured: Measurements) -> str:
    """Returns "low", "moderate" or "high", by the standard deviation of L*."""
    if measured.contrast < 10:
        return "low"
    return "high" if measured.contrast > 20 else "moderate"


def texture_word(measured: Measurements) -> str:
    """Returns "smooth", "moderate" or "rough", by the median local roughness of L*."""
    if measured.texture < 1.5:
        return "smooth"
    return "rough" if measured.texture > 4 else "moderate"


def joined(parts: list[str]) -> str:
    """Returns the parts as one list in prose: "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def capitalised(sentence: str) -> str:
    """Returns the sentence with a capital letter first."""
    return sentence[:1].upper() + sentence[1:]
