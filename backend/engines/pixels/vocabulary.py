"""The English that questions about a scene are asked in: words in, topics out.

A question is understood only when each of its words is known, as a topic or as a word that carries none. A word that
is not known may be what the question is about ("Is the river navigable?"), so it is kept for whoever answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum


class Topic(StrEnum):
    """Something that can be measured and asked about."""

    WATER = "water"
    VEGETATION = "vegetation"
    BARE = "bare ground"
    BUILT_UP = "built-up surface"
    WHITE = "cloud or snow"
    SHADOW = "shadow"
    NO_DATA = "no data"
    URBAN = "urban"
    RURAL = "rural"
    LAND_COVER = "land cover"
    COLOUR = "colour"
    BRIGHT = "bright"
    DARK = "dark"
    CONTRAST = "contrast"
    TEXTURE = "texture"
    SIZE = "size"
    OBJECTS = "compact bright objects"
    EDGES = "straight edges"


@dataclass(frozen=True)
class Word:
    """A word of a question and what it stands for."""

    text: str
    """The word as the vocabulary has it: singular, spelled right."""
    topic: Topic | None = None
    is_kind: bool = False
    """Whether it names one kind of the topic only: "river" for water."""
    is_known: bool = True


NAMES = {
    Topic.WATER: "water",
    Topic.VEGETATION: "vegetation plant greenery green vegetated",
    Topic.BARE: "bare barren bareground",
    Topic.BUILT_UP: "builtup impervious paved",
    Topic.WHITE: "white",
    Topic.SHADOW: "shadow shade",
    Topic.NO_DATA: "nodata",
    Topic.URBAN: "urban",
    Topic.RURAL: "rural countryside",
    Topic.LAND_COVER: "landcover",
    Topic.COLOUR: "colour color hue",
    Topic.BRIGHT: "bright brightness light",
    Topic.DARK: "dark darkness dim",
    Topic.CONTRAST: "contrast",
    Topic.TEXTURE: "texture textured smooth rough",
    Topic.SIZE: "size dimension resolution width height wide tall pixel megapixel",
    Topic.OBJECTS: "brightobject",
    Topic.EDGES: "straightedge",
}
"""Words that name a topic itself."""

KINDS = {
    Topic.WATER: "river lake sea ocean pond stream reservoir creek canal lagoon bay",
    Topic.VEGETATION: "tree forest wood woodland crop grass grassland farmland field meadow agriculture agricultural"
    " jungle bush shrub farm lawn",
    Topic.BARE: "soil sand desert rock mud dirt earth dune sandy",
    Topic.BUILT_UP: "building house roof road street city town village settlement highway",
    Topic.WHITE: "cloud cloudy overcast cloudcover snow snowy ice salt",
}
"""Words that name one kind of a topic, which colour and texture do not tell from its other kinds."""

COLOUR_NAMES = frozenset(
    (
        "red",
        "orange",
        "yellow",
        "turquoise",
        "blue",
        "purple",
        "pink",
        "brown",
        "tan",
        "beige",
        "olive",
        "black",
        "grey",
    )
)

PLAIN_WORDS = """
a an the but this that these those it its here there i we you me us my our your and or of in on at to for from by with
as than then if so is are am was were be been being do does did done can could would will shall should may might must
has have had what whats which how much many lot any some all no not none nor without free lack lacking absent empty
see seen seeing show shown visible view find found detect detected detectable identify contain containing include
including included present presence exist cover covered covering coverage area land ground surface terrain region part
portion place image picture photo photograph scene satellite aerial remote sensing remotely sensed frame tile whole
entire total overall general generally mostly mainly predominantly primarily largely most main primary dominant
dominate dominated dominating major majority largest biggest greatest principal common prevailing more less fewer
larger bigger greater smaller least smallest amount quantity extent compare compared comparison relative percent
percentage share fraction proportion ratio over under above below about approximately roughly half third quarter
number count tell say give please answer question option choose following either rather yes true false one word type
kind class category feature quite very big large small patch body bodies only just also called estimate exactly object
high low detail detailed brief briefly short shortly sentence caption content write generate provide concise concisely
comprehensive
"""
"""Words without a topic. "Where", "why" and the like ask for what is not measured, and are left out on purpose."""

_PHRASES = (
    (r"\b(is|are|was|were|do|does|has|have|can)n['\u2019]?t\b", r"\1 not"),
    (r"built[\s-]+up", "builtup"),
    (r"land[\s-]*(?:cover|use)", "landcover"),
    (r"(?:bare|open|exposed)\s+(?:ground|soil|land|earth)", "bareground"),
    (r"no[\s-]data", "nodata"),
    (r"cloud[\s-]+cover(?:age)?", "cloudcover"),
    (r"cloud[\s-]*(?:free|less)", "without cloud"),
    (
        r"(?:(?:compact|small|tiny|bright|white|shiny)\s+)+(?:object|spot|dot|point|patche?|blob|thing)s?",
        "brightobject",
    ),
    (r"(?:straight|linear|long)\s+(?:edge|line|feature|structure)s?", "straightedge"),
    (r"\bgray", "grey"),
)
"""Expressions of several words, and the one word that stands for each."""


def _topics_by_word() -> dict[str, Word]:
    names = {word: Word(word, topic) for topic, words in NAMES.items() for word in words.split()}
    kinds = {word: Word(word, topic, is_kind=True) for topic, words in KINDS.items() for word in words.split()}
    colours = {word: Word(word, Topic.COLOUR) for word in COLOUR_NAMES}
    plain = {word: Word(word) for word in PLAIN_WORDS.split()}
    return plain | colours | names | kinds


_WORDS = _topics_by_word()


def read_words(text: str) -> tuple[Word, ...]:
    """Returns the words of an English text with their topics; case, plurals and slight misspellings do not matter."""
    text = text.lower()
    for pattern, replacement in _PHRASES:
        text = re.sub(pattern, replacement, text)
    return tuple(_read_word(word) for word in re.findall(r"[a-z]+|\d+(?:\.\d+)?", text.replace("'", "")))


def _read_word(word: str) -> Word:
    if word[0].isdigit():
        return Word(word)
    for form in _singulars(word):
        if form in _WORDS:
            return _WORDS[form]
    return _misspelled(word) or Word(word, is_known=False)


def _misspelled(word: str) -> Word | None:
    """Returns the word that was meant. In short words, and in first letters, a change makes another word: "driver" is
    no "river", and "train" no "terrain"."""
    if len(word) < 5:
        return None
    alike = [known for known in _WORDS if known[0] == word[0] and len(known) >= 5]
    close = get_close_matches(word, alike, n=1, cutoff=0.82 if len(word) > 5 else 0.85)
    return _WORDS[close[0]] if close else None


def _singulars(word: str) -> tuple[str, ...]:
    forms = [word]
    if word.endswith("ies"):
        forms.append(word[:-3] + "y")
    if word.endswith("es"):
        forms.append(word[:-2])
    if word.endswith("s") and len(word) > 3:
        forms.append(word[:-1])
    return tuple(forms)
