"""What a GPU container hands back for a job: always a value, never an exception.

An exception that crosses Modal is raised again in whoever polls, where a `TimeoutError` of the engine could not be told
from "not finished yet". So success and failure travel alike, as plain JSON.
"""

from __future__ import annotations

from pydantic import BaseModel

from backend.contract import Completion, ErrorBody
from backend.queues.outcome import Outcome


class Envelope(BaseModel):
    """A job's end."""

    status: int
    """HTTP status: 200 done, 400 refused, 500 failed, 503 the engine is unavailable."""
    completion: Completion | None = None
    """Present exactly when the status is 200."""
    error: ErrorBody | None = None
    """Present exactly when it is not."""
    finished_at: float
    """Unix time in seconds."""

    @classmethod
    def of(cls, outcome: Outcome, finished_at: float) -> Envelope:
        """Returns the envelope of a job that ended so."""
        if outcome.completion is not None:
            return cls(status=200, completion=outcome.completion, finished_at=finished_at)
        error = ErrorBody(error=outcome.error or "The job ended without an answer.", traceback=outcome.traceback)
        return cls(status=outcome.error_status, error=error, finished_at=finished_at)
