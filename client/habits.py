"""What this process has learnt of a service: whether it holds polls, how long jobs take, when its GPU was last warm."""

from __future__ import annotations

from backend.services import ServiceSpec
from client.clock import Clock
from client.schedule import PollSchedule

DECISIVE_WAIT_S = 1.0
"""Shortest `wait` whose answer shows whether the service held it: shorter ones drown in the time of the road."""

HELD_SHARE = 0.9
"""An answer that took this share of the `wait` was held."""

COLD_SIGN_S = 4.0
"""A first job that is still pending after this time meets a cold start, if jobs do not usually take so long."""


class ServiceHabits:
    """Shared by all jobs of one `JobClient`."""

    def __init__(self, service: ServiceSpec, clock: Clock) -> None:
        self.schedule = PollSchedule(clock.chance)
        self.holds: bool | None = None
        """Whether the service holds a poll with `wait`; None while that was not seen."""
        self._service = service
        self._clock = clock
        self._answered_at: float | None = None

    def note_pending(self, wait_s: float, took_s: float, says_stage: bool) -> None:
        """Takes note of a poll of a pending job that asked to be held for `wait_s` and was answered after `took_s`."""
        if wait_s >= DECISIVE_WAIT_S:
            self.holds = took_s >= wait_s * HELD_SHARE
        elif self.holds is None and says_stage:
            self.holds = True

    def note_done(self, pending_s: float, done_s: float | None) -> None:
        """Takes note of an answer: the GPU is warm, and a job pending at the age of `pending_s` was done at `done_s`.

        `done_s` is None for a job whose age is not known.
        """
        self._answered_at = self._clock.now()
        if done_s is not None:
            self.schedule.learn(pending_s, done_s)

    def seems_cold(self, age_s: float) -> bool:
        """Tells whether a job that is `age_s` old, of which the service says nothing, waits for a cold start.

        So it seems where no job was answered for as long as an idle GPU stays warm, and the job is late, but no later
        than twice the longest cold start that the service's document speaks of.
        """
        idle_s = None if self._answered_at is None else self._clock.now() - self._answered_at
        if idle_s is not None and idle_s < self._service.scaledown_s:
            return False
        late_s = max(COLD_SIGN_S, 2 * (self.schedule.typical_s or 0.0))
        return late_s <= age_s <= late_s + 2 * self._service.cold_start_s[1]
