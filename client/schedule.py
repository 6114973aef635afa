"""When to ask next, of a service that answers every status request at once.

All that a poll tells is whether a job is over, so of a finished job only an interval is known within which it ended.
The schedule explains the intervals of the last jobs by as few job times as possible, and polls a new job where that
costs least: little before its likely end, close around it, and further and further apart after it. Several kinds of
jobs, some quick and some slow, so get polls behind each of their times.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

MIN_INTERVAL_S = 0.25
"""Never faster than 4 polls per second."""

MIN_FIRST_S = 0.01
"""The first poll may come sooner than that after the submission, where jobs are known to be so quick."""

MAX_INTERVAL_S = 5.0

BACKOFF = 0.25
"""A job that takes longer than any before is polled again after this share of its age."""

MEMORY = 32
"""Jobs that are remembered."""

JITTER = 0.02
"""Intervals are longer by up to this share, so that jobs submitted together are not polled together."""

CLOSE_ENOUGH = 0.05
"""A job time that is known to this share of itself, or of a second, is not narrowed down further."""

PROBE = 0.9
"""Where nobody knows how much sooner than found a job was over, the next is polled after this share of the time."""

CURIOSITY = 0.15
"""Share of polls that come early, at any time, to see whether jobs have become quicker, or some kind of them is."""

POLL_PRICE = 0.05
"""What a poll costs, in tenths of the job's time: it is worth making where it saves more delay than that."""


@dataclass(frozen=True)
class JobTime:
    """A time that jobs take, as far as it is known."""

    over_s: float
    """It is longer than this."""
    within_s: float
    """And no longer than this."""
    jobs: int
    """How many of the remembered jobs it explains."""

    @property
    def aim_s(self) -> float:
        """The age at which a job of this time is best polled: surely over, or halfway into what is not known."""
        if self.within_s - self.over_s <= CLOSE_ENOUGH * max(self.within_s, 1.0):
            return self.within_s
        return (self.over_s + self.within_s) / 2 if self.over_s > 0 else self.within_s * PROBE


class PollSchedule:
    """Plans the polls of one service's jobs."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._seen: deque[tuple[float, float]] = deque(maxlen=MEMORY)
        self._times: list[JobTime] = []

    @property
    def typical_s(self) -> float | None:
        """How long a job usually takes, in seconds; None while no job was seen to its end."""
        return max(self._times, key=lambda time: time.jobs).aim_s if self._times else None

    def next_poll_s(self, age_s: float) -> float:
        """Returns the seconds to let pass before the next poll of a job that is `age_s` old and was still pending."""
        possible = [time for time in self._times if time.aim_s > age_s]
        interval_s = cheapest_poll_s(possible, age_s) - age_s if possible else BACKOFF * age_s
        if possible and self._chance() < CURIOSITY:
            interval_s *= self._chance()
        least_s = MIN_INTERVAL_S if age_s > 0 or not possible else MIN_FIRST_S
        return min(max(interval_s, least_s) * (1 + JITTER * self._chance()), MAX_INTERVAL_S)

    def learn(self, pending_s: float, done_s: float) -> None:
        """Takes note of a job that was pending at the age of `pending_s` and done at `done_s`, in seconds."""
        self._seen.append((pending_s, done_s))
        self._times = explain(self._seen)


def explain(intervals: Iterable[tuple[float, float]]) -> list[JobTime]:
    """Returns the fewest job times, in ascending order, of which each interval (from, to] contains one.

    The greedy answer to the stabbing of intervals, which is the best one.
    """
    times: list[JobTime] = []
    for over_s, within_s in sorted(intervals, key=lambda interval: interval[1]):
        last = times[-1] if times else None
        if last and over_s < last.within_s:
            times[-1] = JobTime(max(last.over_s, over_s), last.within_s, last.jobs + 1)
        else:
            times.append(JobTime(over_s, within_s, 1))
    return times


def cheapest_poll_s(times: Sequence[JobTime], age_s: float) -> float:
    """Returns the age at which a job that is `age_s` old and takes one of `times` is best polled next.

    It is the first step of the cheapest plan, found backwards as in optimal segmentation. `cost[i]` is that of the
    jobs from the i-th time on when those before are known to be over. A poll behind the j-th time ends the jobs of
    the times i to j; each of them loses what it ended sooner, and each job from i on pays for the poll. Delay is
    counted in tenths of the job's own time.
    """
    count = len(times)
    cost, step = [0.0] * (count + 1), [0.0] * count
    for i in reversed(range(count)):
        before_s = times[i - 1].aim_s if i else age_s
        earliest_s = before_s + MIN_INTERVAL_S if before_s > 0 else MIN_FIRST_S
        price = POLL_PRICE * sum(time.jobs for time in times[i:])
        plans = []
        for j in range(i, count):
            poll_s = max(times[j].aim_s, earliest_s)
            plans.append((price + _delay(times[i : j + 1], poll_s) + cost[j + 1], poll_s))
        cost[i], step[i] = min(plans)
    return step[0]


def _delay(times: Iterable[JobTime], poll_s: float) -> float:
    return sum(time.jobs * (poll_s - time.aim_s) / (0.1 * time.aim_s + 0.1) for time in times)
