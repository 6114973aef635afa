"""Waiting for one job: when to ask, what to tell meanwhile, and when to stop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

from tenacity import RetryCallState

from backend.contract import MAX_WAIT_S
from client.clock import Clock
from client.errors import NadirError, WaitTimeout
from client.events import Done, JobEvent, PendingEvent, Running, Starting, Unreachable, Waiting
from client.habits import HELD_SHARE, ServiceHabits
from client.retry import RetryPolicy
from client.schedule import MAX_INTERVAL_S, MIN_INTERVAL_S
from client.status import Answer

Poll = Callable[[str, float], Awaitable[Answer]]
"""Polls the job with this call id once, and has the answer held for so many seconds."""

FIRST_HOLD_S = 0.1
"""How long the first poll is held where somebody watches: a job's stage is wanted at once, so is a quick job's end."""

RUNNING_HOLD_S = 0.4
"""How long a poll is held while the text grows under somebody's eyes."""

QUIET_HOLD_S = 1.0
"""The same before the text begins, and how often somebody who watches hears that the wait goes on."""


@dataclass
class Wait:
    """One wait for one job."""

    call_id: str
    poll: Poll
    habits: ServiceHabits
    retry: RetryPolicy
    clock: Clock
    deadline: float
    """When to give up, by the clock. One poll is made in any case."""
    submitted_at: float | None = None
    """When the job was submitted, by the clock; None for a job that another process submitted."""
    live: bool = False
    """Whether somebody watches: events then come about every second, and more often while the text grows."""

    def __post_init__(self) -> None:
        now = self.clock.now()
        self._began_at = now if self.submitted_at is None else self.submitted_at
        self._heard_at = now
        self._pending_s = 0.0
        self._last: JobEvent = Waiting(self.call_id)
        self._hold_s = self._next_hold_s()
        self._next_at = now + (self.habits.schedule.next_poll_s(0.0) if self.habits.holds is False else 0.0)

    async def events(self) -> AsyncIterator[JobEvent]:
        """Yields what is heard of the job at every poll, and ends with a final event.

        Raises:
            WaitTimeout: the time ran out.
            ServiceUnreachable, ServiceBusy, GarbledAnswer: the service could not be asked, after several tries.
            AccessError, ProtocolError.
        """
        while not self._last.is_final:
            async for event in self._rest():
                yield event
            async for event in self._ask():
                yield event
            if not self._last.is_final and self.clock.now() >= self.deadline:
                raise self._timeout()

    async def _rest(self) -> AsyncIterator[JobEvent]:
        """Lets time pass until the next poll. Somebody who watches hears meanwhile that the wait goes on."""
        until = min(self._next_at, self.deadline)
        while (left_s := until - self.clock.now()) > 0:
            await self.clock.sleep(min(left_s, QUIET_HOLD_S) if self.live else left_s)
            if self.live and self.clock.now() < until:
                yield self._later()

    async def _ask(self) -> AsyncIterator[JobEvent]:
        """Polls once, through troubles on the road: yields each trouble, then what the service says."""
        tried = 0
        try:
            async for attempt in self.retry.attempts_until(self.deadline, self.clock):
                asked_at, answer = self.clock.now(), None
                with attempt:
                    answer = await self.poll(self.call_id, self._hold_s)
                tried = attempt.retry_state.attempt_number
                yield self._trouble(attempt.retry_state) if answer is None else self._heard(answer, asked_at)
        except NadirError as error:
            error.call_id = self.call_id
            if isinstance(error, self.retry.errors) and tried < self.retry.attempts:
                raise self._timeout() from error
            raise

    def _trouble(self, state: RetryCallState) -> Unreachable:
        error = state.outcome.exception() if state.outcome else None
        since_s = self.clock.now() - self._heard_at
        return Unreachable(self.call_id, message=str(error), attempt=state.attempt_number, since_s=since_s)

    def _heard(self, answer: Answer, asked_at: float) -> JobEvent:
        self._heard_at = self.clock.now()
        self._last = self._completed(answer.event)
        if isinstance(answer.event, PendingEvent):
            self._plan_next(answer, asked_at)
        elif isinstance(answer.event, Done):
            self.habits.note_done(self._pending_s, self._age_s if self.submitted_at is not None else None)
        return self._last

    def _plan_next(self, answer: Answer, asked_at: float) -> None:
        took_s, says_stage = self._heard_at - asked_at, not isinstance(answer.event, Waiting)
        self.habits.note_pending(self._hold_s, took_s, says_stage)
        if self.habits.holds:
            # Holding is how such a service sets the pace; its Retry-After is for those who do not ask for it.
            was_held = took_s >= self._hold_s * HELD_SHARE
            self._next_at = self._heard_at if was_held else asked_at + MIN_INTERVAL_S
        else:
            pause_s = self.habits.schedule.next_poll_s(self._age_s)
            self._next_at = self._heard_at + max(pause_s, answer.retry_after_s or 0.0)
        self._pending_s = self._age_s
        self._hold_s = self._next_hold_s()

    def _next_hold_s(self) -> float:
        """Returns how long the next poll is to be held, in seconds."""
        if self.habits.holds is False:
            wanted = MAX_INTERVAL_S
        elif not self.live:
            wanted = MAX_WAIT_S
        elif isinstance(self._last, Waiting):
            wanted = FIRST_HOLD_S if self._pending_s == 0.0 else MAX_INTERVAL_S
        else:
            wanted = RUNNING_HOLD_S if isinstance(self._last, Running) else QUIET_HOLD_S
        return max(0.0, min(wanted, self.deadline - self.clock.now()))

    def _completed(self, event: JobEvent) -> JobEvent:
        """Fills in what a service that says little leaves out: the job's age, and that it meets a cold start."""
        if not isinstance(event, PendingEvent) or event.elapsed_s is not None or self.submitted_at is None:
            return event
        if isinstance(event, Waiting) and self.habits.seems_cold(self._age_s):
            return Starting(self.call_id, elapsed_s=self._age_s, inferred=True)
        return replace(event, elapsed_s=self._age_s)

    def _later(self) -> JobEvent:
        """Returns the last event as it stands now."""
        if not isinstance(self._last, PendingEvent) or self._last.elapsed_s is None:
            return self._last
        return replace(self._last, elapsed_s=self._last.elapsed_s + self.clock.now() - self._heard_at)

    def _timeout(self) -> WaitTimeout:
        return WaitTimeout(
            f"Job {self.call_id} did not end in time. It is still there, and can be picked up by this id later.",
            call_id=self.call_id,
        )

    @property
    def _age_s(self) -> float:
        return self.clock.now() - self._began_at
