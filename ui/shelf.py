"""The scenes that the page has open: from what the browser names to a scene, its preview, and the picture to send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from async_lru import alru_cache
from gradio.processing_utils import save_bytes_to_cache

from client.errors import SceneError
from client.imagery import SceneReader
from client.payload import Detail, Picture
from client.samples import Sample
from client.scene import Scene
from ui.components.scene import (
    SceneValue,
    SceneView,
    empty_value,
    payload_fact,
    preview_alt,
    ready_value,
    refused_value,
    resolve_upload,
    scene_facts,
)

OPEN_SCENES = 64
"""Scenes, previews and pictures that are remembered, so that a second question about a scene reads nothing anew."""


class SceneShelf:
    """Opens scenes for the page and remembers the last ones."""

    def __init__(self, reader: SceneReader, samples: Sequence[Sample], upload_dir: Path) -> None:
        self.samples = {sample.key: sample for sample in samples}
        self._reader = reader
        self._upload_dir = upload_dir
        self._open = alru_cache(maxsize=OPEN_SCENES)(self._open_file)
        self._preview_url = alru_cache(maxsize=OPEN_SCENES)(self._make_preview)
        self._picture = alru_cache(maxsize=8)(self._make_picture)

    async def show(self, value: SceneValue | None, detail: Detail) -> SceneValue:
        """Returns the panel's new value: the scene drawn, or why it cannot be read."""
        source = (value or {}).get("source")
        if not isinstance(source, Mapping):
            return empty_value()
        if "refusal" in source:
            return refused_value(str(source["refusal"])[:300])
        try:
            return ready_value(await self._view(source, str((value or {}).get("name") or ""), detail), source)
        except SceneError as error:
            return refused_value(str(error))

    async def picture(self, source: Mapping[str, Any] | None, name: str, detail: Detail) -> tuple[Scene, Picture]:
        """Returns the scene that the browser names and what of it is sent.

        Raises:
            SceneError: there is none, or it cannot be read.
        """
        scene = await self._scene(source or {}, name)
        return scene, await self._picture(Known(scene), detail)

    async def _view(self, source: Mapping[str, Any], name: str, detail: Detail) -> SceneView:
        scene, picture = await self.picture(source, name, detail)
        url, width, height = await self._preview_url(Known(scene))
        sample = self.samples.get(str(source.get("sample")))
        sent = payload_fact(len(picture.data), picture.width, picture.height, picture.tokens)
        return SceneView(
            name=sample.title if sample else scene.name,
            preview_url=url,
            width=width,
            height=height,
            alt=preview_alt(scene),
            facts=(*scene_facts(scene), sent),
            decisions=scene.decisions,
            attribution=sample.attribution if sample else "",
        )

    async def _scene(self, source: Mapping[str, Any], name: str) -> Scene:
        path, version = self._locate(source)
        return await self._open(path, version, name)

    def _locate(self, source: Mapping[str, Any]) -> tuple[Path, int]:
        if sample := self.samples.get(str(source.get("sample"))):
            return sample.path, 0
        path = resolve_upload(str(source.get("upload") or ""), self._upload_dir)
        if path is None:
            raise SceneError("The scene is no longer on the server. Drop it again.")
        return path, path.stat().st_mtime_ns

    async def _open_file(self, path: Path, _version: int, name: str) -> Scene:
        return await self._reader.open(path, name=name or path.name)

    async def _make_preview(self, scene: Known) -> tuple[str, int, int]:
        preview = await self._reader.preview(scene.scene)
        saved = save_bytes_to_cache(preview.data, "preview.webp", cache_dir=str(self._upload_dir))
        return f"gradio_api/file={saved}", preview.width, preview.height

    async def _make_picture(self, scene: Known, detail: Detail) -> Picture:
        return await self._reader.picture(scene.scene, detail)


class Known:
    """A scene as a key of a cache: the same file's bytes, the same rendering, the same scene."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._identity = (scene.digest, scene.path, repr(scene.rendering))

    def __hash__(self) -> int:
        return hash(self._identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Known) and other._identity == self._identity
