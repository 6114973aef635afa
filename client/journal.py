"""The journal of a batch: a JSONL file from which it goes on after a crash without submitting anything twice.

Each line is one thing that happened to one item. The idempotency key is on disk before the submission is sent, so that
a submission whose answer was lost is repeated with the same key.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

from pydantic import BaseModel, ValidationError

from backend.contract import Completion
from client.errors import InputError


class Head(BaseModel):
    """The first line."""

    nadir_batch: Literal[1] = 1
    service: str


class Entry(BaseModel):
    """One line: exactly one of the fields after `item` is filled in."""

    item: str
    key: str | None = None
    """A submission with this idempotency key is about to be sent."""
    call_id: str | None = None
    """The service took it."""
    completion: Completion | None = None
    """It was answered."""
    failure: str | None = None
    """It ended without an answer, and would again."""


@dataclass
class Trace:
    """What the journal knows of an item."""

    key: str | None = None
    call_id: str | None = None
    completion: Completion | None = None
    failure: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do for the item."""
        return self.completion is not None or self.failure is not None


class Journal:
    """One file, for one batch at a time. Every line is handed to the operating system as it is written."""

    def __init__(self, path: Path, service: str) -> None:
        """Opens the file, and reads what an earlier process wrote.

        Raises:
            InputError: the file is no journal, is one of another service, or cannot be opened.
        """
        self.path = path
        self._traces: dict[str, Trace] = {}
        try:
            self._file: IO[str] = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path} cannot be opened: {error.strerror}. Choose another file.") from error
        try:
            self._load(service)
        except BaseException:
            self._file.close()
            raise

    def trace(self, item: str) -> Trace:
        """Returns what is known of an item; an empty trace for one that was never heard of."""
        return self._traces.get(item, Trace())

    def write(self, entry: Entry) -> None:
        """Adds a line."""
        self._append(entry)
        self._note(entry)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _load(self, service: str) -> None:
        head = Head(service=service)
        *lines, torn = self._read_all().split("\n")
        if not lines and _line(head).startswith(torn):
            # Not even the head was written: begin anew.
            self._file.truncate(0)
            self._append(head)
            return
        if not lines:
            raise self._no_journal()
        if torn:
            # The crash came in the middle of a line. What it told is learnt again from the service.
            self._file.truncate(sum(len(line.encode()) + 1 for line in lines))
        self._check_head(lines[0], service)
        for line in lines[1:]:
            self._note(self._read(line))

    def _read_all(self) -> str:
        self._file.seek(0)
        try:
            return self._file.read()
        except UnicodeDecodeError:
            raise self._no_journal() from None

    def _no_journal(self) -> InputError:
        return InputError(f"{self.path} is not the journal of a batch. Choose another file.")

    def _check_head(self, line: str, service: str) -> None:
        try:
            head = Head.model_validate_json(line)
        except ValidationError:
            raise self._no_journal() from None
        if head.service != service:
            raise InputError(f"{self.path} is the journal of a {head.service} batch. Choose another file.")

    def _read(self, line: str) -> Entry:
        try:
            return Entry.model_validate_json(line)
        except ValidationError:
            raise InputError(f"{self.path} is damaged. Choose another file to begin the batch anew.") from None

    def _append(self, entry: BaseModel) -> None:
        self._file.write(_line(entry))
        self._file.flush()

    def _note(self, entry: Entry) -> None:
        trace = self._traces.setdefault(entry.item, Trace())
        if entry.key is not None:
            trace.key, trace.call_id = entry.key, None
        trace.call_id = entry.call_id or trace.call_id
        trace.completion = entry.completion or trace.completion
        trace.failure = entry.failure or trace.failure


def _line(entry: BaseModel) -> str:
    return entry.model_dump_json(exclude_none=True) + "\n"
