from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from client.imagery import SceneReader
from client.samples import SCENES_DIR

PHOTO = SCENES_DIR / "yellowstone_road.jpg"


async def test_no_cancellation_however_often_costs_a_worker(tmp_path: Path) -> None:
    reader = SceneReader(workers=1)
    await reader.start()
    try:
        for _ in range(3):
            task = asyncio.create_task(reader.open(PHOTO))
            await asyncio.sleep(0)
            while not task.done():
                task.cancel()
                await asyncio.sleep(0)
            with contextlib.suppress(asyncio.CancelledError):
                await task
        async with asyncio.timeout(60):
            scene = await reader.open(PHOTO)
        assert (scene.width, scene.height) == (800, 800)
    finally:
        await reader.close()
