"""The directory of one batch: its plan, its inputs, the journal of its submissions, and a log of all that happened.

The journal, which belongs to `client.batch`, keeps submissions from being repeated. The log says what a person sees.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Container
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ValidationError

from backend.contract import RETENTION_DAYS, Completion, Stage
from client.batch_plan import BatchPlan

DRAFT_DAYS = 1
"""How long a batch that was looked at and never begun is kept."""
_PLAN = "plan.json"
_DAY_S = 24 * 3600.0


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
        self._plan_path = root / _PLAN
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
        """Returns what happened, in order. The log is cut off at the first line that a crash or a full disk damaged."""
        if not self._log_path.exists():
            return []
        lines: list[LogLine] = []
        with self._log_path.open("r+b") as file:
            good_bytes = 0
            for raw in file:
                if not raw.endswith(b"\n") or (line := _read(raw)) is None:
                    # What is noted from now on would be lost behind a line at which every reading stops.
                    file.truncate(good_bytes)
                    break
                good_bytes += len(raw)
                lines.append(line)
        return lines

    def note(self, line: LogLine) -> None:
        """Adds a line to the log."""
        if self._log is None:
            self._log = self._log_path.open("a", encoding="utf-8")
        self._log.write(line.model_dump_json(exclude_defaults=True) + "\n")
        self._log.flush()

    def close(self) -> None:
        """Closes the log."""
        log, self._log = self._log, None
        if log is not None:
            # Closing writes what a full disk did not take, and fails again; the file is closed all the same.
            with contextlib.suppress(OSError):
                log.close()

    def remove(self) -> None:
        """Deletes the batch with all that belongs to it."""
        self.close()
        shutil.rmtree(self.root, ignore_errors=True)


def remove_strays(directory: Path, known: Container[str], now: float) -> None:
    """Deletes folders that are no batch: those without a plan after a day, those that cannot be used after a week.

    Args:
        known: names of the folders that are in use.
        now: Unix time in seconds.
    """
    for folder in directory.iterdir():
        plan = folder / _PLAN
        if folder.name in known:
            continue
        with contextlib.suppress(OSError):
            written_at, days = (
                (plan.stat().st_mtime, RETENTION_DAYS) if plan.exists() else (folder.stat().st_mtime, DRAFT_DAYS)
            )
            if now - written_at > days * _DAY_S:
                shutil.rmtree(folder, ignore_errors=True)


def _read(raw: bytes) -> LogLine | None:
    try:
        return LogLine.model_validate_json(raw)
    except ValidationError:
        return None
