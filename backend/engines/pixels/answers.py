"""Questions answered from measurements: which question gets which answer, and which need a model."""

from __future__ import annotations

from collections.abc import Callable

from backend.engines.pixels import description as words_for
from backend.engines.pixels.cover_answers import (
    answer_choice,
    answer_comparison,
    answer_main_cover,
    answer_presence,
    answer_rural_or_urban,
    answer_share,
    settlement,
    share_clause,
)
from backend.engines.pixels.description import LABEL
from backend.engines.pixels.image_answers import (
    answer_brightness,
    answer_colour,
    answer_edges,
    answer_objects,
    answer_size,
    answer_texture,
)
from backend.engines.pixels.measurements import Measurements
from backend.engines.pixels.questions import Question
from backend.engines.pixels.vocabulary import Topic

CONFIGURE = (
    "set CAPTION_BASE_URL and VQA_BASE_URL to the deployed services, or UPSTREAM_BASE_URL to a server that speaks"
    " OpenAI's protocol"
)
"""What to do for a model."""

NEEDS_MODEL = f"This needs the vision-language model, which is not connected here: {CONFIGURE}."
"""The answer to what pixels do not tell."""


def answer_question(text: str, measured: Measurements) -> str:
    """Returns the answer to a question about a picture, or what it would take to answer it."""
    question = Question(text)
    if question.asks_description:
        return _describe(question, measured)
    if measured.is_empty and question.topics != [Topic.SIZE]:
        return words_for.describe(measured)
    if question.options:
        return _choose_option(question, measured)
    answer = next((answer for applies, answer in _ANSWERS if applies(question)), _refer_to_model)
    return answer(question, measured)


def _describe(question: Question, measured: Measurements) -> str:
    text = words_for.describe(measured)
    if not question.beyond_description:
        return text
    return f"{text} What else is asked for needs the vision-language model: {CONFIGURE}."


def _refer_to_model(question: Question, measured: Measurements) -> str:
    """Says that a model is needed, and the nearest thing that was measured."""
    near = [share_clause(cover, measured) for cover in question.covers]
    if question.asks_count and not near:
        near.append(words_for.objects_phrase(measured) or "no compact bright object stands out")
        if measured.objects.count and question.counted:
            near.append(f"whether they are {question.counted} needs the model")
    return f"{NEEDS_MODEL} {LABEL} {'; '.join(near)}." if near else NEEDS_MODEL


def _choose_option(question: Question, measured: Measurements) -> str:
    """Picks the lettered option that measures largest; refers to the model when one of them is not measured."""
    scores = _option_scores(question.options, measured)
    if scores is None:
        return _refer_to_model(question, measured)
    covers = dict.fromkeys(cover for option in question.options for cover in option.covers)
    measured_shares = f"{LABEL} {'; '.join(share_clause(cover, measured) for cover in covers)}."
    best = max(range(len(scores)), key=scores.__getitem__)
    if not scores[best]:
        return f"None of the options was measured. {measured_shares}"
    return f"{'ABCDEFGH'[best]}) {question.options[best].text}. {measured_shares}"


def _option_scores(options: list[Question], measured: Measurements) -> list[float] | None:
    if measured.greyscale or any(option.unknown for option in options):
        return None
    if all(option.topics in ([Topic.URBAN], [Topic.RURAL]) for option in options):
        kind = settlement(measured)
        return None if kind is None else [float(option.topics[0].value == kind) for option in options]
    if all(len(option.covers) == 1 for option in options):
        return [measured.share(option.covers[0]) for option in options]
    return None


def _about(*topics: Topic) -> Callable[[Question], bool]:
    return lambda question: any(topic in question.topics for topic in topics)


def _needs_model(question: Question) -> bool:
    """Whether something in it is not understood, or things of one class are to be counted, or named more closely."""
    named = question.names_kind and not question.is_polar and question.has("what", "which")
    counted = question.asks_count and bool(question.covers) and Topic.OBJECTS not in question.topics
    return bool(question.unknown) or counted or (named and not _asks_share(question) and len(question.covers) < 2)


def _asks_share(question: Question) -> bool:
    shares = (
        "much",
        "percent",
        "percentage",
        "share",
        "fraction",
        "proportion",
        "ratio",
        "extent",
        "amount",
        "quantity",
    )
    return bool(question.covers) and (question.has(*shares, "area", "part") or question.asks_extent)


def _asks_rural_or_urban(question: Question) -> bool:
    plain = (
        question.is_polar and question.percentage is None and not question.has("any", "some", "there", "half", "most")
    )
    return Topic.RURAL in question.topics or (question.topics == [Topic.URBAN] and plain)


def _asks_main_cover(question: Question) -> bool:
    classes = question.has("cover", "class", "type", "feature", "surface", "category", "kind")
    named = Topic.LAND_COVER in question.topics or bool(question.covers) or classes
    return question.asks_main and named and Topic.COLOUR not in question.topics


def _asks_between_covers(question: Question) -> bool:
    return len(question.covers) > 1 and question.has("or") and not question.has("there", "any")


def _asks_size(question: Question) -> bool:
    return Topic.SIZE in question.topics or (question.asks_extent and not question.topics)


Rule = tuple[Callable[[Question], bool], Callable[[Question, Measurements], str]]

_ANSWERS: tuple[Rule, ...] = (
    (_needs_model, _refer_to_model),
    (_asks_rural_or_urban, answer_rural_or_urban),
    (lambda q: len(q.covers) == 2 and q.asks_comparison, answer_comparison),
    (_asks_main_cover, answer_main_cover),
    (_asks_between_covers, answer_choice),
    (_about(Topic.COLOUR), answer_colour),
    (_about(Topic.OBJECTS), answer_objects),
    (_about(Topic.EDGES), answer_edges),
    (lambda q: bool(q.covers) and q.is_polar, answer_presence),
    (lambda q: bool(q.covers), answer_share),
    (_about(Topic.BRIGHT, Topic.DARK, Topic.CONTRAST), answer_brightness),
    (_about(Topic.TEXTURE), answer_texture),
    (_asks_size, answer_size),
    (_about(Topic.LAND_COVER), answer_main_cover),
)
"""Which question is answered how; the first rule that applies."""
