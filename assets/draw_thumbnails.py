"""Draws the thumbnails of the sample scenes: `python -m assets.draw_thumbnails`."""

from __future__ import annotations

import asyncio

from client.imagery import SceneReader
from client.samples import load_samples

SIDE = 160


async def draw_thumbnails() -> None:
    """Writes a WebP picture of each sample, at most 160 pixels a side."""
    reader = SceneReader()
    await reader.start()
    for sample in load_samples():
        thumbnail = await reader.thumbnail(await reader.open(sample.path), max_side=SIDE)
        sample.thumbnail.write_bytes(thumbnail.data)
    await reader.close()


if __name__ == "__main__":
    asyncio.run(draw_thumbnails())
