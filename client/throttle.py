"""How many jobs of a batch are under way at once: as many as the service can use, found out from how it fares."""

from __future__ import annotations

import asyncio
from statistics import median, quantiles

from client.clock import Clock

START = 16
MOST = 128

QUICK = 1.4
"""Jobs that take up to this many times the shortest time do not wait for each other: there is room for more."""

SLOW = 2.5
"""Jobs that take more than this many times the shortest time queue up at the service for nothing."""

NOISE_S = 0.25
"""Differences below this, the resolution of timed polls, say nothing of the service."""

SHRINK_SLOW = 0.85
SHRINK_BUSY = 0.7
FEW = 4
"""So few jobs do not queue up because of each other: what they take is what the service takes, even if it is long."""


class Throttle:
    """Additive increase, multiplicative decrease, driven by refusals and by the time that jobs take.

    A service that runs `n` jobs at once makes jobs wait for each other as soon as more are under way; twice `n` keeps
    it busy all the time, so the limit settles where jobs take about twice the shortest time.
    """

    def __init__(self, clock: Clock, *, most: int = MOST, start: int = START) -> None:
        self._clock = clock
        self._most = most
        self._limit = float(min(start, most))
        self._under_way = 0
        self._busy_until = 0.0
        self._took_s: list[float] = []
        self._shortest_s = float("inf")
        self._grows_fast = True
        self._changed = asyncio.Event()

    @property
    def limit(self) -> int:
        """Jobs that may be under way now."""
        return int(self._limit)

    @property
    def under_way(self) -> int:
        """Jobs that are under way now."""
        return self._under_way

    async def take(self) -> None:
        """Returns when another job may start, and counts it. For one caller at a time."""
        while self._under_way >= self.limit:
            self._changed.clear()
            await self._changed.wait()
        self._under_way += 1
        await self.rest()

    def give_back(self) -> None:
        """Counts a job as over."""
        self._under_way -= 1
        self._changed.set()

    def note_time(self, took_s: float) -> None:
        """Takes note of how long a job took from its submission to its answer."""
        self._took_s.append(took_s)
        if len(self._took_s) >= max(4, self.limit):
            self._judge()

    def refused(self, retry_after_s: float | None) -> None:
        """Takes note that the service had no room for a job. Several refusals at once count as one."""
        if self._clock.now() >= self._busy_until:
            self._limit = max(1.0, min(self._limit, self._under_way) * SHRINK_BUSY)
            self._grows_fast = False
        self._busy_until = max(self._busy_until, self._clock.now() + (retry_after_s or 1.0))

    async def rest(self) -> None:
        """Returns when the service's last refusal is no longer in force."""
        while (left_s := self._busy_until - self._clock.now()) > 0:
            await self._clock.sleep(left_s)

    def _judge(self) -> None:
        took_s, self._took_s = self._took_s, []
        quick_s = quantiles(took_s, n=4)[0]
        self._shortest_s = quick_s if self.limit <= FEW else min(self._shortest_s, quick_s)
        usual_s = median(took_s)
        has_room = usual_s < max(QUICK * self._shortest_s, self._shortest_s + NOISE_S / 5)
        if has_room:
            self._limit = min(self._most, self._limit * 2 if self._grows_fast else self._limit + 1)
        elif usual_s > max(SLOW * self._shortest_s, self._shortest_s + NOISE_S):
            self._limit = max(1.0, self._limit * SHRINK_SLOW)
        self._grows_fast = self._grows_fast and has_room
        self._changed.set()
