"""When to ask next, of a server that answers every status request at once."""

from __future__ import annotations

from collections.abc import Callable

MIN_INTERVAL_S = 0.25
MAX_INTERVAL_S = 5.0
GROWTH = 1.5


class PollSchedule:
    """Plans the polls of one service's jobs."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance

    @property
    def typical_s(self) -> float | None:
        """How long a job usually takes, in seconds; None while no job was seen to its end."""
        return None

    def next_poll_s(self, age_s: float) -> float:
        """Returns the seconds to let pass before the next poll of a job that is `age_s` old and was still pending."""
        return min(max(MIN_INTERVAL_S, age_s * (GROWTH - 1)), MAX_INTERVAL_S)

    def learn(self, pending_s: float, done_s: float) -> None:
        """Takes note of a job that was pending at the age of `pending_s` and done at `done_s`, in seconds."""
