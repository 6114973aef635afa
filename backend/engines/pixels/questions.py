"""A question about a scene, read: what it is about, what form of answer it asks for, what in it is not understood."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from backend.engines.pixels.land_cover import Cover
from backend.engines.pixels.vocabulary import Topic, Word, read_words

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
"""The class of land cover that a topic asks about."""

_DESCRIBE = re.compile(
    r"\b(?:describe|description|caption|summari[sz]e|summary|overview|tell me about|"
    r"what (?:do|can) (?:you|we|i) see|"
    r"what(?:'s| is| are)? (?:there |shown |visible |depicted |seen |present )?(?:in|on)"
    r" (?:the|this) (?:\w+ ){0,2}(?:image|picture|scene|photo)|"
    r"what does (?:the|this) (?:\w+ ){0,2}(?:image|picture|scene|photo) show)\b",
    re.IGNORECASE,
)
_OPTION_MARK = re.compile(r"(?:^|[\s,;(])\(?([A-Ha-h])[).:]\s*(?=\S)")
_PERCENTAGE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:%|per\s?cent)")


@dataclass(frozen=True)
class Question:
    """A question and what was made of it."""

    text: str

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """Its words, in order."""
        return read_words(self.text)

    @cached_property
    def topics(self) -> list[Topic]:
        """What it is about, in order, each once."""
        return list(dict.fromkeys(word.topic for word in self.words if word.topic))

    @cached_property
    def covers(self) -> list[Cover]:
        """The classes of land cover that it is about, in order, each once."""
        return list(dict.fromkeys(COVER_OF[topic] for topic in self.topics if topic in COVER_OF))

    @property
    def unknown(self) -> list[str]:
        """The words that it was not understood for."""
        return [word.text for word in self.words if not word.is_known]

    @property
    def names_kind(self) -> bool:
        """Whether it asks for one kind of a class, such as a river: pixels tell the class only."""
        return any(word.is_kind for word in self.words)

    def names_kind_of(self, cover: Cover) -> bool:
        """Tells whether it asks for one kind of this class."""
        return any(word.is_kind and word.topic and COVER_OF.get(word.topic) is cover for word in self.words)

    def has(self, *words: str) -> bool:
        """Tells whether one of the words occurs in it."""
        return any(word.text in words for word in self.words)

    @cached_property
    def opening(self) -> list[str]:
        """Its first words, less those that only lead on from an earlier question: "and", "so"."""
        words = [word.text for word in self.words]
        start = next(
            (i for i, word in enumerate(words) if word not in ("and", "so", "then", "also", "but", "please")), 0
        )
        return words[start : start + 2]

    @property
    def is_polar(self) -> bool:
        """Whether yes or no is asked for."""
        polar = ("is", "are", "was", "were", "do", "does", "did", "has", "have", "can", "could", "any")
        return bool(self.opening) and self.opening[0] in polar

    @property
    def is_negated(self) -> bool:
        """Whether it says "not", as in "isn't there": which of yes and no is meant then, people disagree on."""
        return self.has("not")

    @property
    def asks_absence(self) -> bool:
        """Whether yes means that something is not there."""
        return self.has("without", "free", "lack", "lacking", "absent", "empty", "no", "none")

    @property
    def asks_description(self) -> bool:
        """Whether it asks what the scene shows, or nothing at all."""
        return not self.text.strip() or bool(_DESCRIBE.search(self.text))

    @property
    def asks_main(self) -> bool:
        """Whether it asks what there is most of."""
        most = ("main", "primary", "dominant", "dominate", "dominated", "dominating", "major", "largest", "biggest")
        return self.has(*most, "greatest", "principal", "common", "prevailing") or (
            not self.is_polar and self.has("most")
        )

    @property
    def asks_smaller(self) -> bool:
        """Whether it compares downwards."""
        return self.has("less", "fewer", "smaller", "least", "smallest", "under", "below")

    @property
    def asks_comparison(self) -> bool:
        """Whether it sets one thing against another."""
        return self.has(
            "more", "less", "fewer", "larger", "bigger", "greater", "smaller", "compare", "compared", "than"
        )

    @property
    def asks_count(self) -> bool:
        """Whether it asks how many."""
        return self.has("many", "count", "number")

    @property
    def asks_extent(self) -> bool:
        """Whether it asks how large something is."""
        return not self.is_polar and self.has("large", "big", "small", "long") and self.has("how")

    @property
    def percentage(self) -> float | None:
        """The share that it mentions, 0 to 1."""
        found = _PERCENTAGE.search(self.text)
        return float(found[1]) / 100 if found else None

    @property
    def asks_identity(self) -> bool:
        """Whether it asks what the whole scene is, as in "is this a desert": a little of it is not enough then."""
        within = ("there", "any", "some", "contain", "containing", "include", "visible", "present", "see", "seen", "in")
        whole = self.opening in (["is", "it"], ["is", "this"], ["is", "that"], ["is", "the"])
        return whole and not self.has(*within) and not self.asks_absence

    @cached_property
    def options(self) -> list[Question]:
        """The lettered options of a multiple-choice question; empty when it has none."""
        marks = list(_OPTION_MARK.finditer(self.text))
        letters = [mark[1].lower() for mark in marks]
        if len(marks) < 2 or letters != list("abcdefgh"[: len(marks)]):
            return []
        ends = [mark.start() for mark in marks[1:]] + [len(self.text)]
        return [Question(self.text[m.end() : end].strip(" \n,;.?)(")) for m, end in zip(marks, ends, strict=True)]

    @property
    def beyond_description(self) -> list[str]:
        """What a request for a description asks for besides, in words that are not understood."""
        return Question(_DESCRIBE.sub(" ", self.text)).unknown

    @property
    def counted(self) -> str:
        """The things that are to be counted, in the asker's words, where they are not known; else empty."""
        words = list(self.words)
        start = next((i for i, word in enumerate(words) if not word.is_known), len(words))
        end = next((i for i in range(start, len(words)) if words[i].is_known), len(words))
        return " ".join(word.text for word in words[start:end])
