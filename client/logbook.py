"""What this process has seen of one service: jobs in flight, how long the last ones took, and when it last answered.

It is fed by the service's client and asks nobody, so looking at it wakes no GPU. What was not seen is not known.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from backend.contract import Health, Stage
from backend.services import ServiceSpec
from client.clock import Clock
from client.events import Done, FinalEvent, JobEvent, PendingEvent

KEPT_JOBS = 50
"""Ended jobs whose times are kept."""

LOST_AFTER_S = 3600.0
"""A job of which nothing was heard for so long is no longer counted as in flight: nobody asks for it any more."""

TELLING_S = 1.5
"""Longest pause between two polls in which a change of stage can still be dated."""


class Phase(StrEnum):
    """What a job spends its time on."""

    SUBMIT = "submit"
    """Until the service has taken it."""
    QUEUE = "queue"
    START = "start"
    """A cold start."""
    RUN = "run"
    WAIT = "wait"
    """Queue, start or run: the service did not say, or nobody asked."""


PHASE_OF_STAGE = {Stage.QUEUED: Phase.QUEUE, Stage.STARTING: Phase.START, Stage.RUNNING: Phase.RUN}


@dataclass(frozen=True)
class JobTimes:
    """How long an ended job took."""

    call_id: str
    stage: Stage
    """How it ended."""
    seconds: dict[Phase, float]
    """Phases that took no time are absent."""

    @property
    def total_s(self) -> float:
        """All phases together."""
        return sum(self.seconds.values())


@dataclass
class JobInFlight:
    """A job that was not seen to end."""

    call_id: str
    began_at: float
    """When it was submitted, by the clock; for a job of another process, as far as the service says."""
    heard_at: float
    phase: Phase = Phase.WAIT
    phase_since: float = 0.0
    seconds: dict[Phase, float] = field(default_factory=dict)

    def move_on(self, phase: Phase | None, now: float) -> None:
        """Books the time since the last news, and notes what the job does now; None where it has ended."""
        passed_s = now - self.heard_at
        booked = self._booked(phase, passed_s)
        self.seconds[booked] = self.seconds.get(booked, 0.0) + passed_s
        self.heard_at = now
        if phase is not None and phase is not self.phase:
            self.phase, self.phase_since = phase, now

    def _booked(self, phase: Phase | None, passed_s: float) -> Phase:
        """Returns what the time since the last news went into, as far as that can be told."""
        if phase is None:
            # From running only the end follows; between any other phase and the end there was more.
            return self.phase if self.phase is Phase.RUN else Phase.WAIT
        if phase is self.phase:
            return phase
        if passed_s > TELLING_S or phase is Phase.WAIT:
            return Phase.WAIT
        return Phase.QUEUE if self.phase is Phase.SUBMIT else self.phase


class Logbook:
    """Fed by one `JobClient`; times are of its clock, which `now` tells."""

    def __init__(self, service: ServiceSpec, clock: Clock) -> None:
        self.service = service
        self.now = clock.now
        self.opened_at = clock.now()
        self.ended: deque[JobTimes] = deque(maxlen=KEPT_JOBS)
        """The last jobs, oldest first."""
        self.last_end: FinalEvent | None = None
        """How the last job ended."""
        self.answered_at: float | None = None
        """When it was last seen to answer a job; None while that was not seen."""
        self.warm_since: float | None = None
        """Since when answers came without a pause in which an idle GPU is switched off."""
        self.health: Health | None = None
        """What it last said of itself."""
        self._in_flight: dict[str, JobInFlight] = {}

    def submitted(self, call_id: str, began_at: float) -> None:
        """Notes that the service has just taken a job whose sending began at `began_at`."""
        now = self.now()
        job = JobInFlight(call_id, began_at, now, Phase.SUBMIT, now, {Phase.SUBMIT: now - began_at})
        self._in_flight.setdefault(call_id, job)

    def heard(self, event: JobEvent) -> None:
        """Notes what the service said of a job. The end of a job that was never seen pending says nothing new."""
        now, job = self.now(), self._in_flight.get(event.call_id)
        if isinstance(event, PendingEvent):
            job = job or self._found(event, now)
            job.move_on(PHASE_OF_STAGE[event.stage] if event.stage else Phase.WAIT, now)
        elif job is not None and isinstance(event, FinalEvent):
            del self._in_flight[event.call_id]
            job.move_on(None, now)
            self._close(job, event, now)

    def in_flight(self) -> list[JobInFlight]:
        """Returns the jobs that were not seen to end, oldest first."""
        lost = [job.call_id for job in self._in_flight.values() if self.now() - job.heard_at > LOST_AFTER_S]
        for call_id in lost:
            del self._in_flight[call_id]
        return sorted(self._in_flight.values(), key=lambda job: job.began_at)

    def _found(self, event: PendingEvent, now: float) -> JobInFlight:
        job = JobInFlight(event.call_id, now - (event.elapsed_s or 0.0), now, phase_since=now)
        if event.elapsed_s:
            job.seconds[Phase.WAIT] = event.elapsed_s
        return self._in_flight.setdefault(event.call_id, job)

    def _close(self, job: JobInFlight, event: FinalEvent, now: float) -> None:
        self.last_end = event
        spent = {phase: seconds for phase, seconds in job.seconds.items() if seconds > 0}
        self.ended.append(JobTimes(job.call_id, event.stage or Stage.DONE, spent))
        if not isinstance(event, Done):
            return
        if self.answered_at is None or now - self.answered_at > self.service.scaledown_s:
            self.warm_since = now
        self.answered_at = now
