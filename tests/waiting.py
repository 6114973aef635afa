"""Waiting for what no event announces: another process, another thread, another host."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

TIMEOUT_S = 20


async def until(condition: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
    """Returns once the condition holds; raises `TimeoutError` when it does not in time."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def until_true(condition: Callable[[], Awaitable[bool]], timeout_s: float = TIMEOUT_S) -> None:
    """Returns once the condition, which has to be awaited, holds; raises `TimeoutError` when it does not in time."""
    async with asyncio.timeout(timeout_s):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
