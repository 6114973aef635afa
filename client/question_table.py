"""Tables of image and question: CSV with a head, or JSON Lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.batch_plan import Refusal, shortened
from client.payload import MAX_PROMPT_CHARACTERS
from client.scene import display_name

MAX_TABLE_BYTES = 20_000_000
MAX_ROWS = 10_000
MAX_COLUMNS = 100
"""Most columns of a CSV; each of them costs memory in every row, however short the row is."""
IMAGE_COLUMNS = ("image", "file", "filename", "file_name", "path", "scene", "image_path")
QUESTION_COLUMNS = ("question", "prompt", "text", "query")

_CSV = (".csv", ".tsv")
_LINES = (".jsonl", ".ndjson")


class _TooWide(Exception):
    pass


@dataclass(frozen=True)
class Question:
    """A row of a table."""

    row: int
    """Line of the table, counted from 1 with the head."""
    image: str
    text: str
    """Empty where the table asks nothing, so that the batch's own prompts are asked."""


def is_table(name: str) -> bool:
    """Tells by the name whether a file is a table."""
    return name.lower().endswith(_CSV + _LINES)


def read_table(path: Path, name: str) -> tuple[list[Question], list[Refusal]]:
    """Returns a table's questions, and what of it was left out with the reasons."""
    shown = display_name(name)
    if path.stat().st_size > MAX_TABLE_BYTES:
        return [], [Refusal(name=shown, reason="The table is larger than 20 MB. Split it.")]
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        return [], [Refusal(name=shown, reason="The table is not in UTF-8. Save it as UTF-8 text.")]
    rows = _json_rows(text) if name.lower().endswith(_LINES) else _csv_rows(text)
    questions, refusals = _sort_out(rows, shown)
    return questions, shortened(refusals)


def _sort_out(rows: Iterator[tuple[int, Any]], shown: str) -> tuple[list[Question], list[Refusal]]:
    questions: list[Question] = []
    refusals: list[Refusal] = []
    try:
        for count, (number, row) in enumerate(rows):
            if count >= MAX_ROWS:
                refusals.insert(0, Refusal(name=shown, reason=f"Rows after the first {MAX_ROWS:,} are left out."))
                break
            where = f"{shown}, row {number}"
            if not isinstance(row, Mapping) or not (image := _cell(row, IMAGE_COLUMNS)):
                refusals.append(Refusal(name=where, reason="It names no image. The column is called image."))
            elif len(text := _cell(row, QUESTION_COLUMNS)) > MAX_PROMPT_CHARACTERS:
                refusals.append(Refusal(name=where, reason=f"The question is over {MAX_PROMPT_CHARACTERS} characters."))
            else:
                questions.append(Question(number, image, text))
    except _TooWide:
        refusals.append(
            Refusal(name=shown, reason=f"The table has more than {MAX_COLUMNS} columns. Keep those in use.")
        )
    except csv.Error:
        refusals.append(Refusal(name=shown, reason="The table is damaged. Save it as CSV anew."))
    return questions, refusals


def _csv_rows(text: str) -> Iterator[tuple[int, Any]]:
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    if len(reader.fieldnames or ()) > MAX_COLUMNS:
        raise _TooWide
    for row in reader:
        yield reader.line_num, {str(key).strip().lower(): value for key, value in row.items() if key}


def _json_rows(text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        yield number, {str(key).lower(): value for key, value in row.items()} if isinstance(row, dict) else row


def _cell(row: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((value.strip() for name in names if isinstance(value := row.get(name), str) and value.strip()), "")
