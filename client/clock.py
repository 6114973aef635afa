"""Time and chance as the client sees them, handed in so that a test of waiting needs no time and has no luck."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """A clock, a way to let time pass, and a source of chance."""

    now: Callable[[], float] = time.monotonic
    """Seconds since some fixed moment; never runs backwards."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Returns after this many seconds."""
    chance: Callable[[], float] = random.random
    """A number from 0 up to 1, evenly spread."""
