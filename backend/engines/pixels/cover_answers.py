"""Answers about land cover: presence, share, comparison, the main class, rural or urban."""

from __future__ import annotations

from backend.engines.pixels import description as words_for
from backend.engines.pixels.description import LABEL, NOTICEABLE, cover_name, percent
from backend.engines.pixels.land_cover import Cover
from backend.engines.pixels.measurements import Measurements
from backend.engines.pixels.questions import Question
from backend.engines.pixels.vocabulary import Topic

UNTOLD = "That cannot be told."

LEAST_PRESENT = {cover: 0.03 if cover is Cover.WHITE else 0.01 for cover in Cover}
"""Least share at which a class is said to be there at all. Bright roofs and bare trunks make some white."""

PARTLY = 0.2
"""Least share at which a scene is said to be partly one thing."""

EQUAL = 0.02
"""Shares closer than this are about equal: the measurement is no better."""

URBAN_SHARE = 0.25
"""Built-up share of the land from which a scene is urban."""

MIXED_SHARE = 0.12
"""Built-up share of the land from which a scene is partly urban."""

LEAST_LAND = 0.1
"""Share of land below which neither rural nor urban can be said."""


def share_clause(cover: Cover, measured: Measurements) -> str:
    """Returns how much of a class there is, as a clause."""
    share = measured.share(cover)
    if measured.greyscale and cover is not Cover.NO_DATA:
        return f"the image has no colour, so its share of {cover.value} cannot be told"
    if share <= 0:
        return f"no {cover.value} was measured"
    if cover is Cover.NO_DATA:
        return f"{percent(share)} of the frame holds no data"
    return f"{cover_name(cover, measured)} covers {percent(share)} of the image"


def answer_presence(question: Question, measured: Measurements) -> str:
    """Answers whether a class is there, or covers as much as the question says."""
    if measured.greyscale and question.covers != [Cover.NO_DATA]:
        return f"{UNTOLD} {LABEL} {share_clause(question.covers[0], measured)}."
    level = _level(question)
    reached = [cover for cover in question.covers if measured.share(cover) >= (level or LEAST_PRESENT[cover])]
    there = bool(reached) if question.has("or") else len(reached) == len(question.covers)
    clauses = [share_clause(cover, measured) for cover in question.covers]
    clauses += _kind_caveats(question, measured) + _shadow_caveat(question, measured)
    return f"{_verdict(question, there, reached, measured)} {LABEL} {'; '.join(clauses)}."


def _level(question: Question) -> float | None:
    """Returns the share from which the answer is yes; None where being there is enough."""
    if question.percentage is not None:
        return question.percentage
    most = question.has("mostly", "mainly", "predominantly", "primarily", "largely", "most", "majority", "half")
    return 0.5 if most or question.asks_identity else None


def _verdict(question: Question, there: bool, reached: list[Cover], measured: Measurements) -> str:
    certainty = _overall_certainty(question, reached, measured)
    if question.asks_absence or question.is_negated:
        fact = _fact(question, there, words_for.joined([cover_name(cover, measured) for cover in question.covers]))
        if question.asks_absence:
            return f"{_NOT[certainty] if there else 'Yes'}, {fact}."
        return f"{certainty if there else 'No'}, {fact}."
    if question.percentage is not None or question.has("half"):
        return "Yes." if there != question.asks_smaller else "No."
    if not there:
        least = min(measured.share(cover) for cover in question.covers)
        return "Partly." if least >= PARTLY and question.asks_identity else "No."
    return f"{certainty}."


def _fact(question: Question, there: bool, what: str) -> str:
    if _level(question) is not None:
        return f"it is mostly {what}" if there else f"it is not mostly {what}"
    return f"there is {'' if there else 'no '}{what}"


_CERTAINTIES = ("Possibly", "Probably", "Yes")
_NOT = {"Possibly": "Possibly not", "Probably": "Probably not", "Yes": "No"}


def _overall_certainty(question: Question, reached: list[Cover], measured: Measurements) -> str:
    """Returns how sure it is that all of the classes are there, or, where one is enough, that one is."""
    ranks = [_CERTAINTIES.index(_certainty(question, cover, measured)) for cover in reached]
    return _CERTAINTIES[(max if question.has("or") else min)(ranks, default=0)]


def _certainty(question: Question, cover: Cover, measured: Measurements) -> str:
    share = measured.share(cover)
    if cover is Cover.WHITE:
        cloud = share >= words_for.CLOUDY and not question.has("snow", "snowy", "ice", "salt")
        return "Probably" if cloud else "Possibly"
    doubtful = question.names_kind_of(cover) or measured.false_colour or words_for.is_flat(measured)
    doubtful |= cover is Cover.SHADOW or (cover is Cover.WATER and not words_for.is_certain_water(measured))
    if share < NOTICEABLE:
        return "Possibly"
    return "Probably" if doubtful else "Yes"


def _kind_caveats(question: Question, measured: Measurements) -> list[str]:
    """Says of which classes the question wants to know more than the class."""
    covers = [c for c in question.covers if question.names_kind_of(c) and measured.share(c) >= LEAST_PRESENT[c]]
    if not covers or measured.greyscale:
        return []
    if covers == [Cover.WHITE]:
        return ["which of these it is, colour and texture do not tell"]
    return [f"what kind of {words_for.joined([c.value for c in covers])} it is, colour and texture do not tell"]


def _shadow_caveat(question: Question, measured: Measurements) -> list[str]:
    hidden = Cover.WATER in question.covers and measured.share(Cover.WATER) < LEAST_PRESENT[Cover.WATER]
    if not hidden or measured.share(Cover.SHADOW) < NOTICEABLE:
        return []
    return [f"{percent(measured.share(Cover.SHADOW))} is dark and bluish, but lies like shadow"]


def answer_share(question: Question, measured: Measurements) -> str:
    """Answers how much of the image one or more classes cover."""
    clauses = [share_clause(cover, measured) for cover in question.covers] + _kind_caveats(question, measured)
    if question.asks_extent:
        clauses.append("how large that is on the ground is not known, for the image carries no scale")
    return f"{LABEL} {'; '.join(clauses)}."


def answer_comparison(question: Question, measured: Measurements) -> str:
    """Answers of which of two classes there is more."""
    first, second = question.covers[:2]
    if measured.greyscale:
        return f"{UNTOLD} {LABEL} {share_clause(first, measured)}."
    gap = measured.share(first) - measured.share(second)
    return (
        f"{_comparison_lead(question, first, second, gap)} {LABEL} {share_clause(first, measured)};"
        f" {share_clause(second, measured)}."
    )


def _comparison_lead(question: Question, first: Cover, second: Cover, gap: float) -> str:
    if abs(gap) < EQUAL:
        return "They are about equal."
    if question.is_polar and not question.is_negated:
        return "Yes." if (gap < 0) == question.asks_smaller else "No."
    more, less = (first, second) if gap > 0 else (second, first)
    if question.asks_smaller and not question.is_polar:
        return f"There is less {less.value} than {more.value}."
    return f"There is more {more.value} than {less.value}."


def answer_choice(question: Question, measured: Measurements) -> str:
    """Answers which of several classes there is most of: "water or forest?"."""
    if measured.greyscale:
        return f"{UNTOLD} {LABEL} {share_clause(question.covers[0], measured)}."
    ranked = sorted(question.covers, key=measured.share, reverse=True)
    lead = (
        words_for.capitalised(ranked[0].value) if measured.share(ranked[0]) >= LEAST_PRESENT[ranked[0]] else "Neither"
    )
    clauses = [share_clause(cover, measured) for cover in ranked] + _kind_caveats(question, measured)
    return f"{lead}. {LABEL} {'; '.join(clauses)}."


def answer_main_cover(question: Question, measured: Measurements) -> str:
    """Answers what covers most of the image."""
    ranked = words_for.ranked_covers(measured)
    if measured.greyscale or not ranked:
        return f"{UNTOLD} {LABEL} {words_for.ground_sentence(measured)}"
    others = [share_clause(cover, measured) for cover in ranked[1:3] if measured.share(cover) >= NOTICEABLE]
    lead = f"{words_for.capitalised(cover_name(ranked[0], measured))}."
    if question.is_polar and question.covers:
        lead = "Yes." if question.covers[0] is ranked[0] else "No."
    first = f"{share_clause(ranked[0], measured)}, more than any other class"
    return f"{lead} {LABEL} {'; '.join([first, *others])}."


def answer_rural_or_urban(question: Question, measured: Measurements) -> str:
    """Answers whether the scene is rural or urban."""
    kind = settlement(measured)
    built_up = share_clause(Cover.BUILT_UP, measured)
    if kind is None:
        return f"{UNTOLD} {LABEL} too little land can be made out; {built_up}."
    asked = [topic for topic in question.topics if topic in (Topic.RURAL, Topic.URBAN)]
    lead = {"urban": "Urban", "mixed": "Partly urban, partly rural", "rural": "Rural"}[kind]
    if question.is_polar and len(asked) == 1:
        yes = kind == asked[0].value
        lead = f"{'Yes' if yes else 'No'}, it is {'partly urban and partly rural' if kind == 'mixed' else kind}"
    return f"{lead}. {LABEL} {built_up}; {share_clause(Cover.VEGETATION, measured)}."


def settlement(measured: Measurements) -> str | None:
    """Returns "urban", "mixed" or "rural" by the built-up share of the land; None with too little land to tell."""
    land = 1 - measured.share(Cover.WATER) - measured.share(Cover.WHITE)
    if measured.greyscale or measured.false_colour or land < LEAST_LAND:
        return None
    built_up = measured.share(Cover.BUILT_UP) / land
    if built_up >= URBAN_SHARE:
        return "urban"
    return "mixed" if built_up >= MIXED_SHARE else "rural"
