"""The job's timeline: five steps on one rail, what the job is doing in words, and what to expect next."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from backend.contract import Stage
from backend.services import ServiceSpec
from client.events import JobEvent, Queued, Running, Starting, Unreachable, Waiting
from ui.fragments import render


class Step(StrEnum):
    """A stop on the rail."""

    SUBMITTED = "submitted"
    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    DONE = "done"


STEPS = tuple(Step)
LABELS = {
    Step.SUBMITTED: "Submitted",
    Step.QUEUED: "Queued",
    Step.STARTING: "Starting GPU",
    Step.RUNNING: "Running",
    Step.DONE: "Done",
}
STEP_OF_STAGE = {
    Stage.QUEUED: Step.QUEUED,
    Stage.STARTING: Step.STARTING,
    Stage.RUNNING: Step.RUNNING,
    Stage.DONE: Step.DONE,
}
STAGE_ICONS = {
    "submitting": "send",
    Stage.QUEUED: "clock-3",
    Stage.STARTING: "power",
    Stage.RUNNING: "loader",
    Stage.DONE: "circle-check",
    Stage.FAILED: "circle-x",
    Stage.CANCELLED: "circle-slash",
    Stage.EXPIRED: "hourglass",
    "waiting": "clock-3",
}
STAGE_WORDS = {
    "submitting": "Submitting",
    Stage.QUEUED: "Queued",
    Stage.STARTING: "Starting GPU",
    Stage.RUNNING: "Running",
    Stage.DONE: "Done",
    Stage.FAILED: "Failed",
    Stage.CANCELLED: "Cancelled",
    Stage.EXPIRED: "Expired",
    "waiting": "Waiting",
}


@dataclass(frozen=True)
class RailStop:
    """One step as it is drawn."""

    label: str
    state: str
    """`past`, `current`, `ahead`, `skipped` (not seen), or `stopped` (where a job ended without an answer)."""
    seconds: float | None
    """How long the step took, or has taken so far; None when it is not known."""
    remark: str = ""
    """Stands in place of the seconds."""


@dataclass
class JobCourse:
    """Follows one job and remembers how long each step took.

    After a reload the course begins in the middle: steps that were over by then have no seconds.
    """

    service: ServiceSpec
    call_id: str = ""
    clock: Callable[[], float] = time.monotonic
    state: str = "submitting"
    note: str = ""
    position: int | None = None
    _step: Step = Step.SUBMITTED
    _entered: dict[Step, float] = field(default_factory=dict)
    _left: dict[Step, float] = field(default_factory=dict)
    _began_at: float | None = None
    """When it was submitted, by the clock; None while that is not known."""
    _ended_at: float | None = None

    @classmethod
    def submitting(cls, service: ServiceSpec, *, clock: Callable[[], float] = time.monotonic) -> JobCourse:
        """Returns the course of a job that is being prepared and sent."""
        course = cls(service, clock=clock)
        course._began_at = course._entered[Step.SUBMITTED] = clock()
        course.note = "Preparing the picture and sending it."
        return course

    def submitted(self, call_id: str) -> None:
        """Notes that the service has taken the job."""
        self.call_id = call_id
        self._move_to(Step.QUEUED)
        self.state = Stage.QUEUED
        self.note = "The service has taken the job."

    def observe(self, event: JobEvent) -> bool:
        """Takes in what the client saw, and returns whether the timeline has to be drawn anew."""
        before = (self.state, self.note, self.position)
        elapsed_s = getattr(event, "elapsed_s", None)
        if self._began_at is None and elapsed_s is not None:
            self._began_at = self.clock() - elapsed_s
        self.position = event.position if isinstance(event, Queued) else None
        if isinstance(event, Unreachable):
            self.note = event.message
        else:
            self._enter_stage(event)
        return (self.state, self.note, self.position) != before

    def total_s(self) -> float | None:
        """Returns the seconds since submission, up to the job's end; None where nobody told when it was submitted."""
        if self._began_at is None:
            return None
        return (self.clock() if self._ended_at is None else self._ended_at) - self._began_at

    def stops(self) -> list[RailStop]:
        """Returns the rail as it stands now."""
        return [self._stop(step) for step in STEPS]

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self.state in tuple(stage for stage in Stage if stage.is_final)

    def _enter_stage(self, event: JobEvent) -> None:
        stage = event.stage
        if stage is None:
            self.state = "waiting"
        elif stage != self.state:
            self.state = stage
            if stage in STEP_OF_STAGE:
                self._move_to(STEP_OF_STAGE[stage])
            if stage.is_final:
                self._ended_at = self._left[self._step] = self.clock()
        self.note = expectation(event, self.service)

    def _move_to(self, step: Step) -> None:
        now = self.clock()
        if self._step in self._entered:
            self._left.setdefault(self._step, now)
        self._step = step
        self._entered.setdefault(step, now)

    def _stop(self, step: Step) -> RailStop:
        place, here = STEPS.index(step), STEPS.index(self._step)
        if place > here:
            return RailStop(LABELS[step], "ahead", None)
        if place == here:
            state = "past" if self.state == Stage.DONE else "stopped" if self.is_final else "current"
            return RailStop(LABELS[step], state, self._seconds(step) if step is not Step.DONE else None)
        if step is Step.STARTING and step not in self._entered:
            return RailStop(LABELS[step], "skipped", None, "not needed" if Step.QUEUED in self._entered else "")
        return RailStop(LABELS[step], "past", self._seconds(step))

    def _seconds(self, step: Step) -> float | None:
        if step not in self._entered:
            return None
        return self._left.get(step, self.clock()) - self._entered[step]


def expectation(event: JobEvent, service: ServiceSpec) -> str:
    """Returns what is going on and what comes next, in a sentence or two."""
    match event:
        case Queued(position=None):
            return "Waiting for its turn."
        case Queued(position=0):
            return "Next in line."
        case Queued(position=position):
            return f"{position} {'job' if position == 1 else 'jobs'} ahead. It starts when they have finished."
        case Starting(inferred=inferred):
            low, high = service.cold_start_s
            likely = "It was idle, so the GPU is probably starting." if inferred else "The GPU is starting."
            return f"{likely} This usually takes {low} to {high} s, then the answer begins."
        case Waiting():
            return "The service has the job. It says no more until the answer is there."
        case Running(partial=partial):
            return "The text appears as it is written." if partial else "The model is looking at the picture."
    return ""


def render_status(course: JobCourse, *, cancel_target: str = "", notice: str = "") -> str:
    """Renders the timeline.

    Args:
        course: the job.
        cancel_target: element id of the button that cancels the job; no Cancel is offered without it.
        notice: a further sentence, such as that a cancellation is under way.
    """
    return render(
        "job_status.html",
        word=STAGE_WORDS[course.state],
        icon_name=STAGE_ICONS[course.state],
        state=str(course.state),
        ticking=not course.is_final,
        total_s=course.total_s(),
        note=notice or course.note,
        call_id=course.call_id,
        stops=course.stops(),
        cancel_target="" if course.is_final else cancel_target,
    )
