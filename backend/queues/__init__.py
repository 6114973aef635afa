"""Where jobs wait: the JobQueue protocol, the status it reports, and the errors it may raise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from backend.contract import ChatRequest, Completion, Stage


@dataclass(frozen=True)
class JobStatus:
    """What is known of a job at one moment."""

    call_id: str
    stage: Stage
    position: int | None = None
    """Jobs ahead of this one; only while queued."""
    elapsed_s: float | None = None
    """Seconds since submission, up to now or up to the job's end."""
    partial: str = ""
    """The text so far."""
    completion: Completion | None = None
    """Present exactly when the stage is `done`."""
    error: str | None = None
    """One or two sentences for a person; present exactly when the stage is `failed`."""
    error_status: int = 500
    """HTTP status that the synchronous route gives a failed job: 400 refused, 500 failed, 503 unavailable."""
    traceback: str | None = None
    """For the operator; the gateway shows it only when told to."""


class QueueError(Exception):
    """The queue did not do what it was asked. `str()` is a sentence for the person who asked."""


class QueueFull(QueueError):
    """Too many jobs wait already."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class QueueUnavailable(QueueError):
    """The place where the queue keeps its jobs cannot be reached right now."""


class UnknownJob(QueueError):
    """No job has this call id: never submitted here, or removed after its retention."""


class JobQueue(Protocol):
    """Keeps the jobs of one service and has an engine answer them.

    Every method but `start` and `close` may be called from any number of requests at once, and none blocks the
    event loop.
    """

    @property
    def engine_name(self) -> str:
        """Which engine answers this queue's jobs."""

    @property
    def max_pixels(self) -> int | None:
        """Most pixels of an image that the engine looks at; None when there is no such limit."""

    async def start(self) -> None:
        """Begins to take and run jobs, first those that an earlier process left unfinished."""

    async def close(self) -> None:
        """Stops running jobs. What is unfinished goes on at the next start."""

    async def submit(self, request: ChatRequest, *, idempotency_key: str | None = None) -> str:
        """Takes a job and returns its call id, at once. The same key gives the same call id and no second job.

        Raises:
            QueueFull, QueueUnavailable.
        """

    async def status(self, call_id: str, *, wait_s: float = 0.0, seen: JobStatus | None = None) -> JobStatus:
        """Tells what the job is doing.

        With `wait_s` the answer is held until the job has ended, or, where `seen` is given, until something is
        different from `seen`, but no longer than `wait_s` seconds.

        Raises:
            UnknownJob, QueueUnavailable.
        """

    async def cancel(self, call_id: str) -> JobStatus:
        """Cancels the job unless it has ended, and returns its status afterwards. Cancelling twice is harmless.

        Raises:
            UnknownJob, QueueUnavailable.
        """

    async def warm_up(self) -> None:
        """Has the engine load its model. Returns at once."""
