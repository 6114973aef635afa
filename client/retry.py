"""How often, and how soon, a call is tried again when the road is bad or the service is busy."""

from __future__ import annotations

from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from client.clock import Clock
from client.errors import GarbledAnswer, NadirError, TryAgainError

PASSING_ERRORS: tuple[type[NadirError], ...] = (TryAgainError, GarbledAnswer)
"""What a bad road or a busy service causes. The same call may succeed later."""


@dataclass(frozen=True)
class RetryPolicy:
    """Bounds of trying again. The pauses double, and are shortened by up to a half at random."""

    attempts: int = 10
    first_pause_s: float = 0.25
    max_pause_s: float = 8.0
    errors: tuple[type[NadirError], ...] = PASSING_ERRORS
    """What is tried again."""

    def attempts_until(self, deadline: float, clock: Clock) -> AsyncRetrying:
        """Returns the attempts as tenacity has them. The last error is raised as it is.

        No attempt begins after `deadline`, and none before the service's `Retry-After` has passed.
        """

        def pause_s(state: RetryCallState) -> float:
            pause = min(self.first_pause_s * 2.0 ** (state.attempt_number - 1), self.max_pause_s)
            asked = getattr(state.outcome.exception() if state.outcome else None, "retry_after_s", None)
            return max(pause * (1 - clock.chance() / 2), asked or 0.0)

        def is_over(state: RetryCallState) -> bool:
            return state.attempt_number >= self.attempts or clock.now() + state.upcoming_sleep >= deadline

        return AsyncRetrying(
            sleep=clock.sleep,
            wait=pause_s,
            stop=is_over,
            retry=retry_if_exception_type(self.errors),
            reraise=True,
        )
