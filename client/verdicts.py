"""Answers as something to sort and colour by: a yes or a no, a number, or neither."""

from __future__ import annotations

import re

_YES = re.compile(r"^\W*(?:yes|yeah|true|correct)\b", re.I)
_NO = re.compile(r"^\W*(?:no\b(?! (?:doubt|more))|none\b|false\b|there (?:is|are) no\b)", re.I)
_NUMBER = re.compile(r"(?<![\w.])-?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w])|(?<![\w.])-?\d+(?:\.\d+)?(?!\d)")
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_WORD = re.compile(rf"\b({'|'.join(_WORDS)})\b", re.I)
READ_CHARACTERS = 300
"""The verdict stands at the beginning of an answer; numbers far down are about something else."""


def yes_or_no(answer: str) -> bool | None:
    """Returns what an answer begins with; None for one that is neither."""
    if _NO.match(answer):
        return False
    return True if _YES.match(answer) else None


def number_in(answer: str) -> float | None:
    """Returns the first number near the beginning of an answer, in digits or else as a word up to twelve."""
    beginning = answer[:READ_CHARACTERS]
    if digits := _NUMBER.search(beginning):
        return float(digits[0].replace(",", ""))
    word = _WORD.search(beginning)
    return float(_WORDS.index(word[1].lower())) if word else None
