"""Answers about the image itself: colour, brightness, texture, size, straight edges, compact bright objects."""

from __future__ import annotations

from backend.engines.pixels import description as words_for
from backend.engines.pixels.description import LABEL, NOTICEABLE, percent
from backend.engines.pixels.measurements import Measurements
from backend.engines.pixels.questions import Question
from backend.engines.pixels.vocabulary import COLOUR_NAMES, Topic


def answer_objects(question: Question, measured: Measurements) -> str:
    """Answers how many compact bright objects there are, or whether there are any."""
    count = measured.objects.count
    phrase = words_for.objects_phrase(measured) or "no compact bright object stands out"
    limit = f"what is narrower than {measured.objects.least_side} pixels is not seen"
    return f"{_count_lead(question, count)}{LABEL} {phrase}; {limit}, and what they are needs the model."


def answer_edges(question: Question, measured: Measurements) -> str:
    """Answers how many straight edges there are, or whether there are any."""
    phrase = words_for.edges_phrase(measured) or "no long straight edge was found"
    return f"{_count_lead(question, measured.edges.count)}{LABEL} {phrase}."


def _count_lead(question: Question, count: int) -> str:
    if question.is_polar:
        return "Yes. " if count else "No. "
    return f"{count}. " if question.asks_count else ""


def answer_colour(question: Question, measured: Measurements) -> str:
    """Answers what colours the image has, or whether it has one."""
    shares = [f"{colour.name} ({percent(colour.share)})" for colour in measured.colours if colour.share >= NOTICEABLE]
    named = [word.text for word in question.words if word.text in COLOUR_NAMES]
    lead = ""
    if question.is_polar and named:
        lead = "Yes. " if any(named[0] in colour.name for colour in measured.colours) else "No. "
    noun = "colours" if len(shares) > 1 else "colour"
    whole = " of the whole image, not of its parts," if question.covers else ""
    return f"{lead}{LABEL} the main {noun}{whole} {'are' if len(shares) > 1 else 'is'} {words_for.joined(shares)}."


def answer_brightness(question: Question, measured: Measurements) -> str:
    """Answers how bright the image is and how much contrast it has."""
    word = words_for.brightness_word(measured)
    asked = [topic.value for topic in question.topics if topic in (Topic.BRIGHT, Topic.DARK)]
    lead = ""
    if question.is_polar and len(asked) == 1:
        lead = f"{'Yes' if asked[0] == word else 'No'}, it is {word}. "
    elif len(asked) == 2:
        lead = f"{words_for.capitalised(word)}. "
    return (
        f"{lead}{LABEL} the mean lightness is {measured.brightness:.0f} on a scale from 0 (black) to 100 (white),"
        f" which is {word}; the contrast is {words_for.contrast_word(measured)}."
    )


def answer_texture(question: Question, measured: Measurements) -> str:
    """Answers how rough the image is."""
    texture, contrast = words_for.texture_word(measured), words_for.contrast_word(measured)
    lead = ""
    if question.is_polar and question.has("smooth", "rough"):
        lead = f"{'Yes' if question.has(texture) else 'No'}, it is {texture}. "
    return f"{lead}{LABEL} the texture is {texture} and the contrast {contrast}."


def answer_size(question: Question, measured: Measurements) -> str:
    """Answers how many pixels the image has."""
    megapixels = measured.width * measured.height / 1e6
    size = f"{measured.width} x {measured.height} pixels"
    size += f" ({megapixels:.1f} megapixels)" if megapixels >= 0.1 else ""
    return f"{LABEL} the image is {size}; its size on the ground is not known, for it carries no scale."
