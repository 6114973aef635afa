"""How a job ended, wherever it ran."""

from __future__ import annotations

from dataclasses import dataclass

from backend.contract import Completion, Stage


@dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    stage: Stage
    completion: Completion | None = None
    error: str | None = None
    error_status: int = 500
    traceback: str | None = None
