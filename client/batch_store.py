"""The directory of one batch: its plan, its inputs, the journal of its submissions, and a log of all that happened.

The journal, which belongs to `client.batch`, keeps submissions from being repeated. The log says what a person sees.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ValidationError

from backend.contract import Completion, Stage
from client.batch_plan import BatchPlan


class LogLine(BaseModel):
    """One thing that happened, to the batch or to some of its jobs."""

    at: float
    """Unix time in seconds."""
    kind: Literal["begun", "paused", "resumed", "cancel", "ended", "again"]
    """`cancel` is the wish, written before anything is done about it; `again` sends jobs another time."""
    jobs: list[str] = []
    attempts: list[int] = []
    """With `again`: the number of the attempt, for each job."""
    stage: Stage | None = None
    """With `ended`, as the fields after it."""
    call_id: str | None = None
    completion: Completion | None = None
    error: str | None = None
    lasting: bool = False
    """Whether the job would fail again under the same idempotency key."""
    took_s: float | None = None


class BatchStore:
    """Reads and writes one batch's directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.inputs = root / "inputs"
        self.thumbnails = root / "thumbnails"
        self.journal_path = root / "journal.jsonl"
        self._plan_path = root / "plan.json"
        self._log_path = root / "log.jsonl"
        self._log: IO[str] | None = None

    def create(self) -> None:
        """Makes the directories."""
        for folder in (self.inputs, self.thumbnails):
            folder.mkdir(parents=True, exist_ok=True)

    def save_plan(self, plan: BatchPlan) -> None:
        """Writes the plan; either the whole of it or nothing is there afterwards."""
        fresh = self._plan_path.with_suffix(".new")
        fresh.write_text(plan.model_dump_json(), encoding="utf-8")
        fresh.replace(self._plan_path)

    def load_plan(self) -> BatchPlan | None:
        """Returns the plan; None where there is none, or it was written by another version."""
        try:
            return BatchPlan.model_validate_json(self._plan_path.read_bytes())
        except (OSError, ValidationError):
            return None

    def load_log(self) -> list[LogLine]:
        """Returns what happened, in order. A line that a crash tore is cut off."""
        if not self._log_path.exists():
            return []
        raw = self._log_path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        if len(whole) < len(raw):
            with self._log_path.open("r+b") as file:
                file.truncate(len(whole))
        return [LogLine.model_validate_json(line) for line in whole.splitlines()]

    def note(self, line: LogLine) -> None:
        """Adds a line to the log."""
        if self._log is None:
            self._log = self._log_path.open("a", encoding="utf-8")
        self._log.write(line.model_dump_json(exclude_defaults=True) + "\n")
        self._log.flush()

    def close(self) -> None:
        """Closes the log."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def remove(self) -> None:
        """Deletes the batch with all that belongs to it."""
        self.close()
        shutil.rmtree(self.root, ignore_errors=True)
