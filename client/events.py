"""What a caller hears of a job: one frozen dataclass for each thing that a job can be doing.

JobEvent
├── PendingEvent         the job has not ended
│   ├── Queued, Starting, Running   what the service says the job is doing
│   └── Waiting          the service does not say; nothing is wrong
├── Unreachable          the road is bad at present; the job goes on, and so does the waiting
└── Done, Failed, Cancelled, Expired   final: nothing follows
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from backend.contract import Completion, Stage


@dataclass(frozen=True)
class JobEvent:
    """One thing heard of a job."""

    call_id: str
    stage: ClassVar[Stage | None] = None
    """The job's stage; None where it is not known."""

    @property
    def is_final(self) -> bool:
        """Whether nothing follows."""
        return self.stage is not None and self.stage.is_final


@dataclass(frozen=True)
class PendingEvent(JobEvent):
    """The job has not ended."""

    elapsed_s: float | None = None
    """Seconds since submission; None for a job that another process submitted to a service that does not say."""


@dataclass(frozen=True)
class Queued(PendingEvent):
    """The job waits for others."""

    position: int | None = None
    """Jobs ahead of it; None where the service does not say."""
    stage: ClassVar[Stage | None] = Stage.QUEUED


@dataclass(frozen=True)
class Starting(PendingEvent):
    """The service loads its model: a cold start."""

    inferred: bool = False
    """True where the service does not say so itself: it was idle, and the job takes longer than a job should."""
    stage: ClassVar[Stage | None] = Stage.STARTING


@dataclass(frozen=True)
class Running(PendingEvent):
    """The model is answering."""

    partial: str = ""
    """The text so far."""
    stage: ClassVar[Stage | None] = Stage.RUNNING


@dataclass(frozen=True)
class Waiting(PendingEvent):
    """The job is pending, and the service does not say more."""


@dataclass(frozen=True)
class Unreachable(JobEvent):
    """The service could not be asked. It is asked again; the job is not lost."""

    message: str = ""
    """What went wrong, for a person."""
    attempt: int = 1
    """How many times in a row the service could not be asked."""
    since_s: float = 0.0
    """Seconds since it last answered."""


@dataclass(frozen=True)
class Done(JobEvent):
    """The job ended with an answer."""

    completion: Completion
    stage: ClassVar[Stage | None] = Stage.DONE


@dataclass(frozen=True)
class Failed(JobEvent):
    """The job ended without an answer."""

    message: str
    traceback: str | None = None
    """From the service, where its operator turned that on."""
    stage: ClassVar[Stage | None] = Stage.FAILED


@dataclass(frozen=True)
class Cancelled(JobEvent):
    """The job was cancelled."""

    message: str = "The job was cancelled."
    stage: ClassVar[Stage | None] = Stage.CANCELLED


@dataclass(frozen=True)
class Expired(JobEvent):
    """The service does not know the job any more, or never did."""

    message: str
    stage: ClassVar[Stage | None] = Stage.EXPIRED


FinalEvent = Done | Failed | Cancelled | Expired
