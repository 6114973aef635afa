"""What is known in memory about jobs: those that run in this process, and who waits for news of which."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from backend.contract import Stage
from backend.queues import JobStatus


@dataclass(eq=False)
class LiveJob:
    """A job while it runs in this process."""

    call_id: str
    run_id: str
    created_at: float
    """Unix time in seconds."""
    stage: Stage = Stage.RUNNING
    partial: str = ""
    is_written: bool = True
    """Whether the database has this stage and text already."""
    is_ending: bool = False
    """The engine is done, and how it ended is being written down."""
    is_lost: bool = False
    """The job was cancelled or taken by another run; what this one yields no longer counts."""
    work: asyncio.Future[Any] | None = field(default=None, repr=False)

    def advance(self, stage: Stage, text: str = "") -> None:
        """Notes a new stage, and text to add to what is there."""
        self.stage = stage
        self.partial += text
        self.is_written = False

    def stop(self) -> None:
        """Stops the engine's work, unless it is done."""
        if self.is_ending:
            return
        self.is_lost = True
        if self.work is not None:
            self.work.cancel()

    def status(self, now: float) -> JobStatus:
        """Returns what a caller may know of the job."""
        elapsed_s = max(0.0, now - self.created_at)
        return JobStatus(self.call_id, self.stage, elapsed_s=elapsed_s, partial=self.partial)


@dataclass(eq=False)
class Bell:
    """Rings for one caller who waits for news of one job."""

    is_for_any_change: bool
    """False where only the job's end is of interest."""
    rung: asyncio.Event = field(default_factory=asyncio.Event)
    last_seen: JobStatus | None = None
    """What the database last said of the job."""


class Bells:
    """Wakes those who wait for news of a job. Used from one event loop only."""

    def __init__(self) -> None:
        self._bells: dict[str, set[Bell]] = {}

    @property
    def call_ids(self) -> set[str]:
        """The jobs that somebody waits for."""
        return set(self._bells)

    @contextmanager
    def listen(self, call_id: str, *, to_any_change: bool) -> Iterator[asyncio.Event]:
        """Yields an event that is set at the job's end, or at any change of it."""
        bell = Bell(to_any_change)
        self._bells.setdefault(call_id, set()).add(bell)
        try:
            yield bell.rung
        finally:
            self._bells[call_id].discard(bell)
            if not self._bells[call_id]:
                del self._bells[call_id]

    def ring(self, call_id: str, *, has_ended: bool = False) -> None:
        """Wakes those who wait for this job."""
        for bell in self._bells.get(call_id, ()):
            if has_ended or bell.is_for_any_change:
                bell.rung.set()

    def ring_all(self) -> None:
        """Wakes everybody."""
        for call_id in self.call_ids:
            self.ring(call_id, has_ended=True)

    def tell(self, call_id: str, status: JobStatus | None) -> None:
        """Wakes those for whom what the database says of the job is news. None means that it knows no such job."""
        for bell in self._bells.get(call_id, ()):
            if status is None or status.stage.is_final:
                bell.rung.set()
            elif bell.is_for_any_change and (bell.last_seen is None or differs(bell.last_seen, status)):
                bell.last_seen = status
                bell.rung.set()


def differs(before: JobStatus, after: JobStatus) -> bool:
    """Returns whether anything but the time has changed."""
    return replace(before, elapsed_s=None) != replace(after, elapsed_s=None)
