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


_PLAIN_WORDS = {
    Topic.WATER: "water",
    Topic.VEGETATION: "vegetation plant greenery green vegetated",
    Topic.BARE: "bare barren bareground baresoil",
    Topic.BUILT_UP: "builtup impervious",
    Topic.WHITE: "white",
    Topic.SHADOW: "shadow shade",
    Topic.NO_DATA: "nodata",
    Topic.URBAN: "urban",
    Topic.RURAL: "rural countryside",
    Topic.LAND_COVER: "landcover landuse",
    Topic.COLOUR: "color colour hue",
    Topic.BRIGHT: "bright brightness light",
    Topic.DARK: "dark darkness dim",
    Topic.CONTRAST: "contrast",
    Topic.TEXTURE: "texture smooth rough textured",
    Topic.SIZE: "size dimension resolution width height wide tall pixel megapixel",
    Topic.OBJECTS: "brightobject",
    Topic.EDGES: "straightedge",
}
"""Words that name a topic itself."""

_KINDS = {
    Topic.WATER: "river lake sea ocean pond stream reservoir creek canal lagoon bay",
    Topic.VEGETATION: "tree forest wood woodland crop grass grassland farmland field meadow agriculture agricultural "
    "jungle bush shrub farm lawn",
    Topic.BARE: "soil sand desert rock mud dirt earth dune sandy",
    Topic.BUILT_UP: "building house roof road street city town village settlement highway",
    Topic.WHITE: "cloud snow ice cloudy snowy overcast cloudcover salt",
}
"""Words that name one kind of a topic, which colour and texture do not tell from the other kinds."""

_FILLER = """
a an the this that these those it its here there i we you me us my our your and or of in on at to for from by with as
than then is are am was were be been being do does did done can could would will shall should may might must has have
had what whats which how much many any some all no not none nor isnt arent doesnt dont wasnt cannot cant without free
lack lacking absent empty s t if so see seen seeing show shown shows showing visible view find found detect detected
identify contain contains containing include includes included including present presence exist exists cover covers
covered covering coverage area areas land ground surface terrain region part portion place image images picture
photo photograph scene satellite aerial frame tile whole entire total overall general mostly mainly predominantly
largely most main primary dominant dominate dominates dominated major majority largest biggest greatest principal
common prevailing more less fewer larger bigger greater smaller least smallest amount quantity extent compare compared
relative percent percentage share fraction proportion ratio over under above below about approximately roughly around
half third quarter number count tell say give please answer question option choose following either rather yes true
false one word single type kind class category feature there's type really quite very big large long small patch
body bodies zone space only just also out up called what's estimate exactly least object
"""


def _topics_by_word() -> dict[str, tuple[Topic, bool]]:
    named = {word: (topic, False) for topic, words in _PLAIN_WORDS.items() for word in words.split()}
    return named | {word: (topic, True) for topic, words in _KINDS.items() for word in words.split()}


_TOPICS = _topics_by_word()
_COLOUR_NAMES = frozenset("red orange yellow turquoise blue purple pink brown tan beige olive black grey gray".split())
_FILLERS = frozenset(_FILLER.split())
_LONG_TOPIC_WORDS = [word for word in _TOPICS if len(word) >= 5]

_PHRASES = (
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
    (r"n['\u2019]t\b", " not"),
)


@dataclass(frozen=True)
class Word:
    """A word of a question and what it stands for."""

    text: str
    topic: Topic | None = None
    is_kind: bool = False
    """Whether it names one kind of the topic only: "river" for water."""
    is_known: bool = True


def read_words(text: str) -> tuple[Word, ...]:
    """Returns the words of an English text with their topics; case, plurals and slight misspellings do not matter."""
    text = text.lower()
    for pattern, replacement in _PHRASES:
        text = re.sub(pattern, replacement, text)
    return tuple(_read_word(word) for word in re.findall(r"[a-z]+|\d+(?:\.\d+)?", text.replace("'", "")))


def _read_word(word: str) -> Word:
    if word in _FILLERS or word[0].isdigit():
        return Word(word)
    if word in _COLOUR_NAMES:
        return Word(word, Topic.COLOUR)
    for form in _singulars(word):
        if form in _TOPICS:
            return Word(form, *_TOPICS[form])
        if form in _FILLERS:
            return Word(form)
    close = get_close_matches(word, _LONG_TOPIC_WORDS, n=1, cutoff=0.82) if len(word) >= 5 else []
    return Word(close[0], *_TOPICS[close[0]]) if close else Word(word, is_known=False)


def _singulars(word: str) -> tuple[str, ...]:
    forms = [word]
    if word.endswith("ies"):
        forms.append(word[:-3] + "y")
    if word.endswith("es"):
        forms.append(word[:-2])
    if word.endswith("s") and len(word) > 3:
        forms.append(word[:-1])
    return tuple(forms)
