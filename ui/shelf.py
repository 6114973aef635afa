"""The scenes that the page has open: from what the browser names to a scene, its preview, and the picture to send."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from async_lru import alru_cache
from gradio.processing_utils import save_bytes_to_cache
from pydantic import ValidationError

from backend.contract import encode_data_url
from client.errors import SceneError
from client.imagery import SceneReader
from client.payload import Detail, Picture
from client.samples import Sample
from client.scene import Scene, Stretching, Window
from ui.components.bands import band_controls, shape_key
from ui.components.scene import (
    SceneValue,
    SceneView,
    empty_value,
    preview_alt,
    ready_value,
    refused_value,
    resolve_upload,
    scene_facts,
    scene_notes,
    sent_facts,
)
from ui.components.viewer import PictureView, picture_view
from ui.record import MAX_THUMBNAIL_CHARACTERS, ChosenRendering, RecordedScene, SentPicture

KEPT_S = 24 * 3600
"""How long a picture's file is relied on, in seconds: much less than it is kept."""

OPEN_SCENES = 64
"""Scenes and previews that are remembered, so that a second question about a scene reads nothing anew."""
OPEN_PICTURES = 16
"""Pictures to send that are remembered, each up to 20 MB."""
EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg"}


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sizing:
    """How large the picture for the model may become."""

    detail: Detail = Detail.STANDARD
    enlarge: bool = False
    """Whether a small scene grows to the size of the detail."""
    max_pixels: int | None = None
    """What the service looks at most, where it says so."""


class SceneShelf:
    """Opens scenes for the page and remembers the last ones."""

    def __init__(self, reader: SceneReader, samples: Sequence[Sample], upload_dir: Path) -> None:
        self.samples = {sample.key: sample for sample in samples}
        self._reader = reader
        self._upload_dir = upload_dir
        self._open = alru_cache(maxsize=OPEN_SCENES)(self._open_file)
        self._preview_url = alru_cache(maxsize=OPEN_SCENES, ttl=KEPT_S)(self._make_preview)
        self._picture = alru_cache(maxsize=OPEN_PICTURES, ttl=KEPT_S)(self._make_picture)
        self._thumbnail = alru_cache(maxsize=OPEN_SCENES)(self._make_thumbnail)

    async def show(self, value: SceneValue | None, sizing: Sizing) -> SceneValue:
        """Returns the panel's new value: the scene drawn, or why not, over the one that was there before."""
        value = value or {}
        turn = value["turn"] if isinstance(value.get("turn"), int) else 0
        source = value.get("source")
        if not isinstance(source, Mapping):
            return empty_value(turn)
        try:
            return await self._ready(value, sizing, turn)
        except SceneError as error:
            return await self._refused(value.get("kept"), sizing, turn, str(error))

    async def scene(self, recorded: RecordedScene) -> Scene:
        """Returns the scene that the browser names, rendered as it was chosen.

        Raises:
            SceneError: it is not there any more, or cannot be read.
        """
        chosen = recorded.rendering or ChosenRendering()
        if sample := self.samples.get(recorded.sample or ""):
            return await self._open(sample.path, 0, "", chosen)
        path = resolve_upload(recorded.upload or "", self._upload_dir)
        if path is None:
            raise SceneError("The scene is no longer on the server. Drop it again.")
        return await self._open(path, path.stat().st_mtime_ns, recorded.name, chosen)

    async def picture(self, recorded: RecordedScene, sizing: Sizing) -> tuple[Picture, SentPicture]:
        """Returns what of a scene is sent, and the record of it.

        Raises:
            SceneError: the scene cannot be read, or the selected area is too narrow for the model.
        """
        return await self._picture(Known(await self.scene(recorded)), recorded.window, sizing)

    async def thumbnail(self, recorded: RecordedScene) -> str:
        """Returns a data URL of a few kilobytes that shows the scene in lists; empty where it cannot be shown."""
        try:
            return await self._thumbnail(Known(await self.scene(recorded)))
        except SceneError:
            return ""

    def view_of(self, sent: SentPicture, title: str) -> PictureView | None:
        """Returns a picture that was sent, for the viewer; None where it is no longer on the server."""
        path = resolve_upload(str(self._upload_dir / sent.file), self._upload_dir)
        return picture_view(sent, _url(path), title) if path else None

    async def _ready(self, value: Mapping[str, Any], sizing: Sizing, turn: int, refusal: str = "") -> SceneValue:
        try:
            recorded = await self._recall(_read_scene(value), value.get("remembered"))
            return ready_value(await self._view(recorded, sizing), recorded, turn, refusal)
        except OSError:
            logger.exception("a scene could not be kept")
            raise SceneError("The server could not keep the picture. Its disk may be full.") from None

    async def _refused(self, kept: Any, sizing: Sizing, turn: int, message: str) -> SceneValue:
        if isinstance(kept, Mapping) and isinstance(kept.get("source"), Mapping):
            # What was there before may be gone by now, too.
            with suppress(SceneError):
                return await self._ready(kept, sizing, turn, message)
        return refused_value(message, turn)

    async def _recall(self, recorded: RecordedScene, remembered: Any) -> RecordedScene:
        """Returns the scene with the rendering that was chosen for the last scene of the same shape, if any."""
        if recorded.rendering is not None or not isinstance(remembered, Mapping) or not remembered:
            return recorded
        try:
            rendering = ChosenRendering.model_validate(remembered.get(shape_key(await self.scene(recorded))))
        except ValidationError:
            return recorded
        return recorded.model_copy(update={"rendering": rendering})

    async def _view(self, recorded: RecordedScene, sizing: Sizing) -> SceneView:
        scene = await self.scene(recorded)
        url, width, height = await self._preview_url(Known(scene))
        sent, trouble = await self._try_picture(recorded, sizing)
        sample = self.samples.get(recorded.sample or "")
        return SceneView(
            name=sample.title if sample else scene.name,
            file=sample.path.name if sample else scene.name,
            preview_url=url,
            width=width,
            height=height,
            scene_width=scene.width,
            scene_height=scene.height,
            alt=preview_alt(scene),
            facts=(*scene_facts(scene), *(sent_facts(sent) if sent else ())),
            decisions=scene.decisions,
            notes=scene_notes(scene),
            controls=band_controls(scene, recorded.rendering.stretch if recorded.rendering else Stretching.AUTOMATIC),
            window=recorded.window and recorded.window.within(scene.width, scene.height),
            picture=self.view_of(sent, "What the model sees") if sent else None,
            trouble=trouble,
            attribution=sample.attribution if sample else "",
        )

    async def _try_picture(self, recorded: RecordedScene, sizing: Sizing) -> tuple[SentPicture | None, str]:
        try:
            return (await self.picture(recorded, sizing))[1], ""
        except SceneError as error:
            return None, str(error)

    async def _open_file(self, path: Path, _version: int, name: str, chosen: ChosenRendering) -> Scene:
        return await self._reader.open(path, name=name or path.name, rendering=chosen.rendering)

    async def _make_preview(self, scene: Known) -> tuple[str, int, int]:
        preview = await self._reader.preview(scene.scene)
        return _url(await self._save(preview.data, "preview.webp")), preview.width, preview.height

    async def _make_picture(self, known: Known, window: Window | None, sizing: Sizing) -> tuple[Picture, SentPicture]:
        scene = known.scene
        picture = await self._reader.picture(
            scene, sizing.detail, window=window, enlarge=sizing.enlarge, max_pixels=sizing.max_pixels
        )
        path = await self._save(picture.data, f"picture.{EXTENSIONS[picture.mime]}")
        return picture, SentPicture(
            file=path.relative_to(self._upload_dir).as_posix(),
            mime=picture.mime,
            width=picture.width,
            height=picture.height,
            size_bytes=len(picture.data),
            window=picture.window,
            scene_width=scene.width,
            scene_height=scene.height,
            footprint=scene.footprint(picture.window),
        )

    async def _save(self, data: bytes, name: str) -> Path:
        """Returns where the bytes are kept, in a folder named by their hash."""
        return await asyncio.to_thread(self._keep, data, name)

    def _keep(self, data: bytes, name: str) -> Path:
        path = Path(save_bytes_to_cache(data, name, cache_dir=str(self._upload_dir)))
        path.touch()
        return path

    async def _make_thumbnail(self, scene: Known) -> str:
        drawn = await self._reader.thumbnail(scene.scene)
        url = encode_data_url(drawn.data, drawn.mime)
        return url if len(url) <= MAX_THUMBNAIL_CHARACTERS else ""


class Known:
    """A scene as a key of a cache: the same file's bytes, the same rendering, the same scene."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._identity = (scene.digest, scene.path, scene.rendering)

    def __hash__(self) -> int:
        return hash(self._identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Known) and other._identity == self._identity


def _read_scene(value: Mapping[str, Any]) -> RecordedScene:
    source = value["source"]
    if "refusal" in source:
        raise SceneError(str(source["refusal"])[:300])
    wanted = {key: value.get(key) for key in ("rendering", "window")}
    try:
        return RecordedScene.model_validate({**source, "name": value.get("name") or "", **wanted})
    except ValidationError:
        raise SceneError("The scene is no longer on the server. Drop it again.") from None


def _url(path: Path) -> str:
    return f"gradio_api/file={path}"
