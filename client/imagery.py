"""Any raster a user has to a scene with its georeference, safely and with bounded memory."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path

from client.errors import SceneError
from client.payload import Detail, Picture, model_size
from client.scene import PREVIEW_SIDE, Band, Preview, Rendering, Scene, Stretch, Stretching, Window, fit
from client.tasks import Drawing, DrawTask, Encoding, OpenTask
from client.workers import WorkerPool

__all__ = ["Band", "Preview", "Rendering", "Scene", "SceneReader", "Stretch", "Stretching", "Window"]

MIB = 1024 * 1024
KEPT_PREVIEWS = 32
"""Previews that are kept from opening; a page asks for each a moment later."""
THUMBNAIL_SIDE = 128
"""Longest side of a thumbnail, in pixels: about 4 KB."""


class SceneReader:
    """Opens scenes and draws them, in processes of its own that are killed when a file takes too much."""

    def __init__(self, *, workers: int = 2, timeout_s: float = 60.0, memory_mib: int = 1024) -> None:
        self._pool = WorkerPool(workers, memory_mib * MIB, timeout_s)
        self._previews: OrderedDict[tuple[str, Rendering], Preview] = OrderedDict()

    async def start(self) -> None:
        """Starts the processes ahead of the first file."""
        await self._pool.start()

    async def close(self) -> None:
        """Ends the processes."""
        await self._pool.close()

    @property
    def worker_ids(self) -> list[int]:
        """The process ids of the workers that run."""
        return self._pool.pids

    async def open(self, path: Path, *, name: str | None = None, rendering: Rendering | None = None) -> Scene:
        """Returns what is known of the scene in a file.

        Args:
            path: where the file is.
            name: what the user calls it, if that differs from the path's last part.
            rendering: bands and stretch; chosen by rule where absent.

        Raises:
            SceneError: the file is no scene that can be read.
        """
        path = await asyncio.to_thread(_existing, path)
        reply = await self._pool.perform(OpenTask(path=path, name=name, rendering=rendering))
        assert reply.scene and reply.drawing
        self._keep(reply.scene, reply.drawing)
        return reply.scene

    async def preview(self, scene: Scene, *, max_side: int = PREVIEW_SIDE) -> Preview:
        """Returns a small picture of the scene for the page.

        Raises:
            SceneError: the file cannot be read any more.
        """
        kept = self._previews.get((scene.digest, scene.rendering))
        if kept and max_side == PREVIEW_SIDE:
            return kept
        width, height = fit(scene.width, scene.height, max_side)
        drawing = await self._draw(scene, scene.whole, width, height, Encoding.PREVIEW)
        return Preview(drawing.data, drawing.width, drawing.height, drawing.mime)

    async def thumbnail(self, scene: Scene, *, max_side: int = THUMBNAIL_SIDE) -> Preview:
        """Returns a picture of a few kilobytes for lists.

        Raises:
            SceneError: the file cannot be read any more.
        """
        width, height = fit(scene.width, scene.height, max_side)
        drawing = await self._draw(scene, scene.whole, width, height, Encoding.THUMBNAIL)
        return Preview(drawing.data, drawing.width, drawing.height, drawing.mime)

    async def picture(
        self,
        scene: Scene,
        detail: Detail = Detail.STANDARD,
        *,
        window: Window | None = None,
        enlarge: bool = False,
        max_pixels: int | None = None,
    ) -> Picture:
        """Returns what the model is to see: the scene, or a window of it, at the size that the model works at.

        Args:
            scene: an opened scene.
            detail: how many pixels at most.
            window: the part to send; the whole scene where absent.
            enlarge: whether a small scene grows, up to four times per side within the detail.
            max_pixels: what the service takes at most, where it says so.

        Raises:
            SceneError: the file cannot be read any more, or the window is too narrow for the model.
        """
        part = (window or scene.whole).within(scene.width, scene.height)
        most = min(detail.max_pixels, max_pixels or detail.max_pixels)
        width, height = model_size(part.width, part.height, max_pixels=most, enlarge=enlarge)
        drawing = await self._draw(scene, part, width, height, Encoding.PICTURE)
        return Picture(drawing.data, drawing.mime, drawing.width, drawing.height, drawing.lossless, part)

    async def _draw(self, scene: Scene, window: Window, width: int, height: int, encoding: Encoding) -> Drawing:
        task = DrawTask(scene=scene, window=window, width=width, height=height, encoding=encoding)
        reply = await self._pool.perform(task)
        assert reply.drawing
        return reply.drawing

    def _keep(self, scene: Scene, drawing: Drawing) -> None:
        self._previews[scene.digest, scene.rendering] = Preview(
            drawing.data, drawing.width, drawing.height, drawing.mime
        )
        while len(self._previews) > KEPT_PREVIEWS:
            self._previews.popitem(last=False)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise SceneError("The file is not there any more. Choose it again.")
    return path.absolute()
