"""A circuit breaker: when a service is down, callers wait for it together instead of each burning its attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from client.clock import Clock
from client.errors import NadirError
from client.retry import PASSING_ERRORS

FAILURES_TO_OPEN = 3
"""Failures in a row, each after several attempts, after which the service counts as down."""

FIRST_PROBE_S = 0.5
MAX_PROBE_S = 15.0


class Circuit:
    """Closed while the service answers; open while it does not, and then one caller asks for all of them."""

    def __init__(
        self, probe: Callable[[], Awaitable[object]], clock: Clock, on_change: Callable[[], None] = lambda: None
    ) -> None:
        """
        Args:
            probe: asks the service a small thing, and raises what a call raises.
            on_change: called after the circuit opened or closed.
        """
        self._probe = probe
        self._clock = clock
        self._on_change = on_change
        self._failures = 0
        self._closed = asyncio.Event()
        self._closed.set()
        self._probing: asyncio.Task[None] | None = None
        self.reason: str | None = None
        """What is wrong, for a person; None while the circuit is closed."""

    async def passage(self) -> None:
        """Returns when the circuit is closed."""
        await self._closed.wait()

    def note_success(self) -> None:
        """Takes note that the service answered."""
        self._failures = 0

    def note_failure(self, error: NadirError) -> None:
        """Takes note that the service could not be asked, after several attempts."""
        self._failures += 1
        if self._failures >= FAILURES_TO_OPEN and self._closed.is_set():
            self._closed.clear()
            self.reason = str(error)
            self._on_change()
            self._probing = asyncio.create_task(self._wait_for_service())

    async def close(self) -> None:
        """Stops asking."""
        if self._probing:
            self._probing.cancel()
            await asyncio.wait({self._probing})

    async def _wait_for_service(self) -> None:
        pause_s = FIRST_PROBE_S
        while not await self._answers():
            await self._clock.sleep(pause_s * (1 - self._clock.chance() / 2))
            pause_s = min(pause_s * 2, MAX_PROBE_S)
        self._failures = 0
        self.reason = None
        self._closed.set()
        self._on_change()

    async def _answers(self) -> bool:
        try:
            await self._probe()
        except PASSING_ERRORS:
            return False
        except NadirError:
            pass  # An answer all the same: the callers hear it themselves.
        return True
