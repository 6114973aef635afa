from __future__ import annotations

import asyncio
import contextlib

from client.imagery import SceneReader
from client.samples import SCENES_DIR

PHOTO = SCENES_DIR / "yellowstone_road.jpg"


async def give_up(reader: SceneReader, after_turns: int) -> None:
    """Begins to open a scene, and cancels it again and again after some turns of the event loop."""
    task = asyncio.create_task(reader.open(PHOTO))
    for _ in range(after_turns):
        await asyncio.sleep(0)
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_no_cancellation_however_often_costs_a_worker() -> None:
    reader = SceneReader(workers=1)
    await reader.start()
    try:
        for after_turns in (1, 50, 2_000):
            await give_up(reader, after_turns)
            async with asyncio.timeout(30):
                assert (await reader.open(PHOTO)).width == 800
    finally:
        await reader.close()
