"""How long the last jobs of a service took, as a small plot: a bar for each job, stacked by what the time went into."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from client.logbook import JobTimes, Phase
from ui.fragments import format_seconds, render

WIDTH, HEIGHT = 480, 132
LEFT, BOTTOM, TOP = 44, 16, 8
"""Room for the seconds on the left and for the base line; pixels."""
MAX_BAR = 18
"""Widest bar, in pixels."""
LISTED = 10
"""Jobs in the table under the plot."""

LABELS = {
    Phase.SUBMIT: "Submit",
    Phase.QUEUE: "Queue",
    Phase.START: "Cold start",
    Phase.RUN: "Run",
    Phase.WAIT: "Not told apart",
}


@dataclass(frozen=True)
class Segment:
    """One part of a bar, in pixels of the plot."""

    phase: str
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """One job."""

    x: float
    width: float
    title: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Tick:
    """A line across the plot."""

    y: float
    label: str


def render_latencies(jobs: Sequence[JobTimes]) -> str:
    """Renders the plot with its legend and, for those who do not see it, a table of the last jobs."""
    top_s = nice_ceiling(max((job.total_s for job in jobs), default=1.0))
    present = [phase for phase in Phase if any(phase in job.seconds for job in jobs)]
    return render(
        "latencies.html",
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        base=HEIGHT - BOTTOM,
        bars=_bars(jobs, top_s),
        ticks=[Tick(_y(share * top_s, top_s), format_seconds(share * top_s)) for share in (0.5, 1.0)],
        legend=[(str(phase), LABELS[phase]) for phase in present],
        summary=summary(jobs),
        columns=[LABELS[phase] for phase in present],
        rows=[
            (str(job.stage), [job.seconds.get(phase) for phase in present], job.total_s)
            for job in list(jobs)[: -LISTED - 1 : -1]
        ],
    )


def summary(jobs: Sequence[JobTimes]) -> str:
    """Returns the plot in words."""
    if not jobs:
        return "No job has ended since Nadir was started."
    totals = [job.total_s for job in jobs]
    counted = "The last job took" if len(jobs) == 1 else f"The last {len(jobs)} jobs: median"
    words = f"{counted} {format_seconds(statistics.median(totals))}"
    if len(jobs) > 1:
        words += f", longest {format_seconds(max(totals))}"
    starts = [job.seconds[Phase.START] for job in jobs if Phase.START in job.seconds]
    if starts:
        words += f"; longest cold start {format_seconds(max(starts))}"
    return words + "."


def nice_ceiling(seconds: float) -> float:
    """Returns the least of 1, 2, 5, 10, 20, 50, ... tenths of a second that is not below `seconds`."""
    if seconds <= 0.1:
        return 0.1
    magnitude = 10.0 ** math.floor(math.log10(seconds))
    return next(step * magnitude for step in (1, 2, 5, 10) if step * magnitude >= seconds * (1 - 1e-9))


def _bars(jobs: Sequence[JobTimes], top_s: float) -> list[Bar]:
    pitch = min(MAX_BAR * 1.25, (WIDTH - LEFT) / max(len(jobs), 1))
    return [_bar(job, LEFT + 4 + index * pitch, pitch * 0.8, top_s) for index, job in enumerate(jobs)]


def _bar(job: JobTimes, x: float, width: float, top_s: float) -> Bar:
    segments, reached_s, parts = [], 0.0, []
    for phase in Phase:
        seconds = job.seconds.get(phase, 0.0)
        if not seconds:
            continue
        upper, lower = _y(reached_s + seconds, top_s), _y(reached_s, top_s)
        segments.append(Segment(str(phase), upper, lower - upper))
        parts.append(f"{LABELS[phase].lower()} {format_seconds(seconds)}")
        reached_s += seconds
    title = f"{str(job.stage).capitalize()} after {format_seconds(job.total_s)}: {', '.join(parts)}"
    return Bar(x, width, title, tuple(segments))


def _y(seconds: float, top_s: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * seconds / top_s
