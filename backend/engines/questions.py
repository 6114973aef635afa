"""Questions about a scene, answered from its measurements: presence, share, comparison, count, colour, rural or urban,
brightness and size. What else is asked needs a model, and is told so."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from backend.engines import description as words_for
from backend.engines.description import LABEL, NOTICEABLE, cover_name, is_certain_water, percent
from backend.engines.land_cover import Cover
from backend.engines.measurements import Measurements
from backend.engines.vocabulary import Topic, Word, read_words

NEEDS_MODEL = (
    "This needs the vision-language model, which is not connected: set CAPTION_BASE_URL and VQA_BASE_URL to the"
    " deployed services, or UPSTREAM_BASE_URL to an OpenAI-compatible server."
)
"""What to configure for the questions that pixels do not answer."""

COVER_OF = {
    Topic.WATER: Cover.WATER,
    Topic.VEGETATION: Cover.VEGETATION,
    Topic.BARE: Cover.BARE,
    Topic.BUILT_UP: Cover.BUILT_UP,
    Topic.URBAN: Cover.BUILT_UP,
    Topic.WHITE: Cover.WHITE,
    Topic.SHADOW: Cover.SHADOW,
    Topic.NO_DATA: Cover.NO_DATA,
}
"""The class that each topic asks about."""

URBAN_SHARE = 0.25
"""Built-up share from which a scene is called urban."""

MIXED_SHARE = 0.08
"""Built-up share from which a scene is called partly urban."""

_DESCRIBE = re.compile(
    r"\b(?:describe|description|captions?|summari[sz]e|summary|overview|report on|tell me about|"
    r"what (?:do|can) (?:you|we|i) see|what(?:'s| is| are)? (?:\w+ ){0,3}(?:in|shown in|visible in|depicted in)"
    r" (?:the|this) (?:\w+ ){0,2}(?:image|picture|scene|photo)|what does (?:the|this) (?:\w+ ){0,2}"
    r"(?:image|picture|scene|photo) show)\b",
    re.IGNORECASE,
)
_OPTION_MARK = re.compile(r"(?:^|[\s,;(])\(?([A-Ha-h])[).:]\s+")
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*(?:%|per\s?cent)")
_POLAR = frozenset("is are was were do does did has have can could isnt arent doesnt".split())
_COMPARING = frozenset("more less fewer larger bigger greater smaller compare compared than".split())
_SMALLER = frozenset("less fewer smaller".split())
_SHARING = frozenset("much percent percentage share fraction proportion ratio extent amount quantity area part".split())
_MAIN = frozenset(
    "main primary dominant dominate dominates dominated major majority largest biggest greatest principal common"
    " prevailing most".split()
)
_MOSTLY = frozenset("mostly mainly predominantly largely most majority half primarily".split())
_ABSENT = frozenset("without free lack lacking absent empty no".split())
_COUNTING = frozenset("many number count".split())
_COUNTS = (Topic.OBJECTS, Topic.EDGES, Topic.COLOUR, Topic.SIZE)


@dataclass(frozen=True)
class Question:
    """A question, read."""

    text: str
    words: tuple[Word, ...]

    @property
    def topics(self) -> list[Topic]:
        """What it is about, in order, each once."""
        return list(dict.fromkeys(word.topic for word in self.words if word.topic))

    @property
    def covers(self) -> list[Cover]:
        """The classes of land cover that it is about, in order, each once."""
        return list(dict.fromkeys(COVER_OF[topic] for topic in self.topics if topic in COVER_OF))

    @property
    def unknown(self) -> list[str]:
        """The words that it was not written to understand."""
        return [word.text for word in self.words if not word.is_known]

    @property
    def kinds(self) -> list[Word]:
        """The words that ask for one kind of a class, which pixels do not tell: "river", "houses"."""
        return [word for word in self.words if word.is_kind]

    @property
    def is_polar(self) -> bool:
        """Whether yes or no is asked for."""
        return bool(self.words) and self.words[0].text in _POLAR

    def has(self, words: frozenset[str]) -> bool:
        """Tells whether one of the words occurs in it."""
        return any(word.text in words for word in self.words)


def read_question(text: str) -> Question:
    """Reads an English question; case, plurals, synonyms and slight misspellings do not matter."""
    return Question(text, read_words(text))


def answer_question(text: str, measured: Measurements) -> str:
    """Returns the answer to a question about a picture, or what it would take to answer it."""
    if not text.strip() or _DESCRIBE.search(text):
        return _described(text, measured)
    options = _options(text)
    if len(options) > 1:
        return _choose(options, read_question(text), measured)
    question = read_question(text)
    if measured.is_empty and question.topics != [Topic.SIZE]:
        return words_for.describe(measured)
    for applies, answer in _ANSWERS:
        if applies(question):
            return answer(question, measured)
    return _needs_model(question, measured)


def _described(text: str, measured: Measurements) -> str:
    asked = [word for word in read_question(_DESCRIBE.sub(" ", text)).unknown if word not in _DETAIL_WORDS]
    more = f" {NEEDS_MODEL.replace('This', 'What else is asked for', 1)}" if asked else ""
    return words_for.describe(measured) + more


_DETAIL_WORDS = frozenset(
    "detail details detailed briefly brief shortly short sentence sentences caption content contents remote sensing"
    " features feature main generate write provide concise concisely comprehensive thoroughly".split()
)


def _needs_model(question: Question, measured: Measurements) -> str:
    """Says that a model is needed, and the nearest thing that was measured."""
    near = [_share_clause(cover, measured) for cover in question.covers]
    if _asks_count(question) and not near:
        count = measured.objects.count
        which = f"whether they are {question.unknown[-1]} needs the model" if question.unknown else ""
        near = [words_for.objects_phrase(measured) or "no compact bright object stands out"]
        near += [which] if count and which else []
    return f"{NEEDS_MODEL} {LABEL} {'; '.join(near)}." if near else NEEDS_MODEL


def _share_clause(cover: Cover, measured: Measurements) -> str:
    share = measured.share(cover)
    if measured.greyscale and cover is not Cover.NO_DATA:
        return f"the image has no colour, so its share of {cover.value} cannot be told"
    if share <= 0:
        return f"no {cover_name(cover, measured)} was measured"
    of = "the frame" if cover is Cover.NO_DATA else "the image"
    return f"{cover_name(cover, measured)} covers {percent(share)} of {of}"


# Presence, and how much.


def _presence(question: Question, measured: Measurements) -> str:
    cover = question.covers[0]
    if measured.greyscale and cover is not Cover.NO_DATA:
        return f"That cannot be told. {LABEL} {_share_clause(cover, measured)}."
    level = _level_asked(question)
    share = measured.share(cover)
    there = share >= level
    clauses = [_share_clause(other, measured) for other in question.covers]
    clauses += _caveats(question, cover, measured) if share >= NOTICEABLE else []
    if cover is Cover.WATER and not there and measured.share(Cover.SHADOW) >= NOTICEABLE:
        clauses.append(_share_clause(Cover.SHADOW, measured) + " and is dark enough to be mistaken for it")
    return f"{_verdict(question, cover, there, measured)} {LABEL} {'; '.join(clauses)}."


def _level_asked(question: Question) -> float:
    """Returns the share from which the answer is yes."""
    number = _NUMBER.search(question.text)
    if number:
        return float(number[1]) / 100
    return 0.5 if question.has(_MOSTLY) else NOTICEABLE / 2


def _verdict(question: Question, cover: Cover, there: bool, measured: Measurements) -> str:
    absent = question.has(_ABSENT)
    if absent or question.has(frozenset({"not", "isnt", "arent", "doesnt"})):
        yes = there != absent
        fact = f"there is {'' if there else 'no '}{cover.value}"
        return f"{'Yes' if yes else 'No'}, {fact}."
    number = _NUMBER.search(question.text)
    if number and question.has(_SMALLER | {"under", "below"}):
        return "No." if there else "Yes."
    if not there:
        return "No."
    return "Yes." if _is_sure(question, cover, measured) else "Probably."


def _is_sure(question: Question, cover: Cover, measured: Measurements) -> bool:
    clear = measured.share(cover) >= NOTICEABLE and not any(word.topic in COVER_OF for word in question.kinds)
    if cover is Cover.WATER:
        return clear and is_certain_water(measured)
    return clear and cover not in (Cover.WHITE, Cover.SHADOW) and not measured.false_colour


def _caveats(question: Question, cover: Cover, measured: Measurements) -> list[str]:
    kinds = [word.text for word in question.kinds if word.topic and COVER_OF.get(word.topic) is cover]
    if kinds and cover is Cover.WHITE:
        return ["which white it is, colour alone does not tell"]
    return [f"whether it is {words_for.joined(kinds)}, only the model can tell"] if kinds else []


def _share(question: Question, measured: Measurements) -> str:
    clauses = [_share_clause(cover, measured) for cover in question.covers]
    for cover in question.covers:
        clauses += _caveats(question, cover, measured) if measured.share(cover) >= NOTICEABLE else []
    return f"{LABEL} {'; '.join(clauses)}."


def _asks_for_ground_area(question: Question) -> bool:
    return question.has(frozenset({"large", "big", "long", "small"})) and bool(question.covers)


def _ground_area(question: Question, measured: Measurements) -> str:
    return f"{_share(question, measured)[:-1]}; its size on the ground is not known, for the image carries no scale."


# Comparison and ranking.


def _comparison(question: Question, measured: Measurements) -> str:
    first, second = question.covers[:2]
    if measured.greyscale:
        return f"That cannot be told. {LABEL} {_share_clause(first, measured)}."
    smaller = question.has(_SMALLER)
    gap = measured.share(first) - measured.share(second)
    holds = gap < 0 if smaller else gap > 0
    clauses = f"{_share_clause(first, measured)}; {_share_clause(second, measured)}"
    if not question.is_polar:
        larger, rest = (first, second) if (gap > 0) != smaller else (second, first)
        lead = f"There is {'less' if smaller else 'more'} {larger.value} than {rest.value}." if gap else "Neither."
    elif abs(gap) < 0.02:
        lead = "They are about equal."
    else:
        lead = "Yes." if holds != question.has(frozenset({"not"})) else "No."
        if question.has(frozenset({"not"})):
            lead = f"There is {'more' if gap > 0 else 'less'} {first.value} than {second.value}."
    return f"{lead} {LABEL} {clauses}."


def _main_cover(question: Question, measured: Measurements) -> str:
    ranked = words_for.ranked_covers(measured)
    if measured.greyscale or not ranked:
        return f"That cannot be told. {LABEL} the image shows no land cover that colour and texture can tell."
    first = ranked[0]
    others = [_share_clause(cover, measured) for cover in ranked[1:3] if measured.share(cover) >= NOTICEABLE]
    lead = f"{words_for.capitalised(cover_name(first, measured))}."
    if question.is_polar and question.covers:
        lead = "Yes." if question.covers[0] is first else "No."
    clauses = [f"{_share_clause(first, measured)}, more than any other class", *others]
    return f"{lead} {LABEL} {'; '.join(clauses)}."


def _rural_or_urban(question: Question, measured: Measurements) -> str:
    kind = _settlement(measured)
    built_up = _share_clause(Cover.BUILT_UP, measured)
    if kind is None:
        return f"That cannot be told. {LABEL} too little ground can be classified; {built_up}."
    asked = [topic for topic in question.topics if topic in (Topic.RURAL, Topic.URBAN)]
    lead = {"urban": "Urban", "mixed": "Partly urban", "rural": "Rural"}[kind]
    if question.is_polar and len(asked) == 1:
        yes = kind == asked[0].value
        fact = {"urban": "it is urban", "mixed": "it is only partly urban", "rural": "it is rural"}[kind]
        lead = f"{'Yes' if yes else 'No'}, {fact}"
    return f"{lead}. {LABEL} {built_up}; {_share_clause(Cover.VEGETATION, measured)}."


def _settlement(measured: Measurements) -> str | None:
    """Returns "urban", "mixed" or "rural" by the built-up share of what is land; None with too little land to tell."""
    land = sum(measured.share(cover) for cover in (Cover.VEGETATION, Cover.BARE, Cover.BUILT_UP))
    if measured.greyscale or land < 0.1:
        return None
    built_up = measured.share(Cover.BUILT_UP) / land
    if built_up >= URBAN_SHARE:
        return "urban"
    return "mixed" if built_up >= MIXED_SHARE and measured.texture > 4 else "rural"


# The picture itself.


def _asks_count(question: Question) -> bool:
    return question.has(_COUNTING) and not question.has(frozenset({"much"}))


def _count(question: Question, measured: Measurements) -> str:
    topic = next(topic for topic in question.topics if topic in _COUNTS)
    if topic is Topic.OBJECTS:
        return f"{measured.objects.count}. {_objects(question, measured)}"
    if topic is Topic.EDGES:
        return f"{measured.edges.count}. {_edges(question, measured)}"
    return _size(question, measured) if topic is Topic.SIZE else _colours(question, measured)


def _objects(question: Question, measured: Measurements) -> str:
    phrase = words_for.objects_phrase(measured) or "no compact bright object stands out"
    lead = ("Yes. " if measured.objects.count else "No. ") if question.is_polar else ""
    least = f"what is smaller than {measured.objects.least_side} pixels is not seen, and what they are needs the model"
    return f"{lead}{LABEL} {phrase}; {least}."


def _edges(question: Question, measured: Measurements) -> str:
    lead = ("Yes. " if measured.edges.count else "No. ") if question.is_polar else ""
    return f"{lead}{LABEL} {words_for.edges_phrase(measured) or 'no long straight edge was found'}."


def _colours(question: Question, measured: Measurements) -> str:
    shares = [f"{colour.name} ({percent(colour.share)})" for colour in measured.colours if colour.share >= NOTICEABLE]
    asked = [word.text.replace("gray", "grey") for word in question.words if word.topic is Topic.COLOUR]
    named = [name for name in asked if name not in ("color", "colour", "hue")]
    lead = ""
    if question.is_polar and named:
        lead = "Yes. " if any(named[0] in colour.name for colour in measured.colours) else "No. "
    part = " of the whole image" if question.covers else ""
    return f"{lead}{LABEL} the main colours{part} are {words_for.joined(shares)}."


def _brightness(question: Question, measured: Measurements) -> str:
    word = words_for.brightness_word(measured)
    lead = ""
    if question.is_polar and len({Topic.BRIGHT, Topic.DARK} & set(question.topics)) == 1:
        asked = "bright" if Topic.BRIGHT in question.topics else "dark"
        lead = f"Yes, it is {word}. " if word == asked else f"No, it is {word}. "
    return (
        f"{lead}{LABEL} the image is {word}, with a mean lightness of {measured.brightness:.0f} on a scale from 0 (black)"
        f" to 100 (white) and {words_for.contrast_word(measured)} contrast."
    )


def _texture(question: Question, measured: Measurements) -> str:
    return (
        f"{LABEL} the texture is {words_for.texture_word(measured)}, the contrast {words_for.contrast_word(measured)}."
    )


def _size(question: Question, measured: Measurements) -> str:
    megapixels = measured.width * measured.height / 1e6
    size = f"{measured.width} x {measured.height} pixels"
    size += f" ({megapixels:.1f} megapixels)" if megapixels >= 0.1 else ""
    return f"{LABEL} the image is {size}; its size on the ground is not known, for it carries no scale."


# Multiple choice.


def _options(text: str) -> list[str]:
    """Returns the options of a multiple-choice question: lettered ones, or those of a closing "... or ...?"."""
    marks = list(_OPTION_MARK.finditer(text))
    if len(marks) > 1 and [mark[1].lower() for mark in marks] == list("abcdefgh"[: len(marks)]):
        ends = [mark.start() for mark in marks[1:]] + [len(text)]
        return [text[mark.end() : end].strip(" \n,;.?)(") for mark, end in zip(marks, ends, strict=True)]
    return []


def _choose(options: list[str], question: Question, measured: Measurements) -> str:
    """Picks the option that measures largest; hands over to the model when one of them is not measured."""
    read = [read_question(option) for option in options]
    settlement = {frozenset({Topic.URBAN}), frozenset({Topic.RURAL}), frozenset({Topic.URBAN, Topic.RURAL})}
    if all(frozenset(option.topics) in settlement for option in read):
        kind = _settlement(measured)
        scores = [float(kind is not None and kind in [t.value for t in option.topics]) for option in read]
    elif all(len(option.covers) == 1 and not option.unknown for option in read) and not measured.greyscale:
        scores = [measured.share(option.covers[0]) for option in read]
    else:
        return _needs_model(question, measured)
    best = max(range(len(options)), key=scores.__getitem__)
    if not scores[best]:
        return f"None of the options was measured. {LABEL} {_share_clause(Cover.BUILT_UP, measured)}."
    clauses = dict.fromkeys(_share_clause(cover, measured) for option in read for cover in option.covers)
    return f"{'ABCDEFGH'[best]}) {options[best]}. {LABEL} {'; '.join(clauses)}."


def _is_understood(question: Question) -> bool:
    return not question.unknown and bool(question.topics)


def _about(*topics: Topic) -> Callable[[Question], bool]:
    return lambda question: _is_understood(question) and any(topic in question.topics for topic in topics)


def _asks_main_cover(question: Question) -> bool:
    named = Topic.LAND_COVER in question.topics or bool(question.covers) and question.is_polar
    return not question.unknown and question.has(_MAIN) and (named or _asks_for_class(question))


def _asks_for_class(question: Question) -> bool:
    return not question.topics and question.has(frozenset({"cover", "class", "type", "feature", "surface", "category"}))


def _counts_objects_of(question: Question) -> bool:
    """Whether the things of a class are to be counted, which needs something that knows them apart."""
    return _asks_count(question) and bool(question.covers)


def _asks_presence(question: Question) -> bool:
    return _is_understood(question) and question.is_polar and bool(question.covers)


Rule = tuple[Callable[[Question], bool], Callable[[Question, Measurements], str]]

_ANSWERS: tuple[Rule, ...] = (
    (lambda q: bool(q.unknown) or _counts_objects_of(q), _needs_model),
    (lambda q: _is_understood(q) and _asks_count(q) and any(t in _COUNTS for t in q.topics), _count),
    (_about(Topic.RURAL), _rural_or_urban),
    (lambda q: q.topics == [Topic.URBAN] and q.is_polar and not q.has(_SHARING | _MOSTLY), _rural_or_urban),
    (lambda q: len(q.covers) > 1 and q.has(_COMPARING), _comparison),
    (_asks_main_cover, _main_cover),
    (_about(Topic.COLOUR), _colours),
    (_about(Topic.OBJECTS), _objects),
    (_about(Topic.EDGES), _edges),
    (_asks_for_ground_area, _ground_area),
    (lambda q: bool(q.covers) and not q.is_polar and q.has(_SHARING | _COUNTING), _share),
    (_asks_presence, _presence),
    (_about(Topic.BRIGHT, Topic.DARK, Topic.CONTRAST), _brightness),
    (_about(Topic.TEXTURE), _texture),
    (_about(Topic.SIZE), _size),
    (_about(Topic.LAND_COVER), _main_cover),
)
"""Which question is answered how; the first rule that applies."""
