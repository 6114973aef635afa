"""From a file to a scene and its pictures. Runs in a worker process, because it trusts no file."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from client.bands import scene_choices
from client.encoding import encode, encode_preview
from client.errors import SceneError
from client.photo import Photo, open_photo
from client.raster import Raster, open_raster
from client.scene import PREVIEW_SIDE, Rendering, Scene, Stretch, Stretching, Window, display_name, fit
from client.sniffing import HEAD_BYTES, Format, Reader, sniff
from client.stretch import Mask, Values, apply, automatic, settle
from client.tasks import Drawing, Encoding

PREVIEW_QUALITY = 80
THUMBNAIL_QUALITY = 55
MAX_PICTURE_BYTES = 20_000_000
"""Most bytes of a picture; in base64 it still fits the 30 MiB that a service takes by default."""
HASHED_WHOLE_BYTES = 64 * 1024 * 1024
"""Files up to this size are hashed whole, longer ones in pieces spread over them."""
_PIECES = 64

Source = Raster | Photo


def open_scene(path: Path, name: str | None, rendering: Rendering | None) -> tuple[Scene, Drawing]:
    """Returns the scene in a file and its preview.

    Raises:
        SceneError: the file is no scene that can be read.
    """
    kind = sniff_file(path)
    with _source(path, kind) as source:
        width, height = source.size
        bands = source.bands
        scene = Scene(
            path=path,
            name=display_name(path.name if name is None else name),
            format=kind.name,
            byte_size=path.stat().st_size,
            digest=fingerprint(path),
            width=width,
            height=height,
            bands=bands,
            dtype=bands[0].dtype,
            rendering=rendering or Rendering(),
        )
        return _render(replace(scene, **source.describe()), source)


def draw(scene: Scene, window: Window, width: int, height: int, encoding: Encoding) -> Drawing:
    """Returns a window of a scene, rendered at this size.

    Raises:
        SceneError: the file cannot be read any more.
    """
    bands, stretch = scene.rendering.bands, scene.rendering.stretch
    if bands is None or stretch is None or stretch.limits is None:
        raise SceneError("The scene has no rendering yet. Open it first.")
    with _source(scene.path, sniff_file(scene.path)) as source:
        if encoding is not Encoding.PICTURE:
            return _preview(*source.read(bands, window, width, height, sampled=True), stretch, encoding)
        if (window, width, height) == (scene.whole, scene.width, scene.height) and _is_unchanged(scene):
            original = source.recompressed()
            if original and len(original) <= scene.byte_size:
                return Drawing(original, "image/jpeg", width, height, lossless=False)
        values, valid = source.read(bands, window, width, height)
    same_pixels = width * height >= 0.9 * window.width * window.height
    most = min(MAX_PICTURE_BYTES, _original_bytes(scene, window) if same_pixels else MAX_PICTURE_BYTES)
    data, mime, lossless = encode(apply(stretch.limits, values, valid), most_bytes=most)
    return Drawing(data, mime, width, height, lossless)


def sniff_file(path: Path) -> Format:
    """Returns the format of a file.

    Raises:
        SceneError: it is no format that is read.
    """
    with path.open("rb") as file:
        return sniff(file.read(HEAD_BYTES))


def fingerprint(path: Path) -> str:
    """Returns a BLAKE2b hash of a file: of all its bytes, or of its size and 64 pieces of 1 MiB where it is long."""
    size = path.stat().st_size
    state = hashlib.blake2b(str(size).encode(), digest_size=16)
    with path.open("rb") as file:
        if size <= HASHED_WHOLE_BYTES:
            state.update(file.read())
            return state.hexdigest()
        piece = HASHED_WHOLE_BYTES // _PIECES
        for i in range(_PIECES):
            file.seek(i * (size - piece) // (_PIECES - 1))
            state.update(file.read(piece))
    return state.hexdigest()


def _source(path: Path, kind: Format) -> AbstractContextManager[Raster] | AbstractContextManager[Photo]:
    return open_raster(path, kind) if kind.reader is Reader.RASTER else open_photo(path, kind)


def _render(scene: Scene, source: Source) -> tuple[Scene, Drawing]:
    """Chooses bands and stretch, and draws the preview with them."""
    bands, reason = _bands(scene)
    values, valid = source.read(bands, scene.whole, *fit(scene.width, scene.height, PREVIEW_SIDE), sampled=True)
    wanted = scene.rendering.stretch or Stretch()
    if wanted.kind is Stretching.AUTOMATIC:
        colours = {scene.bands[band - 1].colour for band in bands}
        is_picture = source.is_picture or "palette" in colours
        wanted = automatic(values, valid, is_picture=is_picture, is_rgb=colours == {"red", "green", "blue"})
    stretch = settle(wanted, values, valid, source.value_range(bands[0]))
    share = 1.0 - float(valid.mean())
    decided = _decisions(scene, bands, reason, stretch, share)
    rendered = replace(scene, rendering=Rendering(bands, stretch), nodata_share=share, decisions=decided)
    return rendered, _preview(values, valid, stretch, Encoding.PREVIEW)


def _bands(scene: Scene) -> tuple[tuple[int, int, int], str]:
    wanted = scene.rendering.bands
    choice = scene_choices(scene)[0]
    if wanted is None or wanted == choice.bands:
        return choice.bands, choice.reason
    if min(wanted) < 1 or max(wanted) > len(scene.bands):
        count = len(scene.bands)
        raise SceneError(f"The scene has {count} band{'s' if count > 1 else ''}; choose from 1 to {count}.")
    return wanted, "as chosen"


def _decisions(
    scene: Scene, bands: tuple[int, int, int], reason: str, stretch: Stretch, share: float
) -> tuple[str, ...]:
    said = []
    if len(set(bands)) == 1 and len(scene.bands) > 1:
        said.append(f"band {bands[0]} as grey, {reason}")
    elif len(scene.bands) > 3 or (bands != (1, 2, 3)[: len(bands)] and len(scene.bands) > 1):
        said.append(f"bands {', '.join(map(str, bands))} as red, green, blue, {reason}")
    how = "for the bands together" if stretch.together else "per band"
    if stretch.kind is Stretching.PERCENTILE:
        said.append(f"stretched to the {stretch.low_percent:g}-{stretch.high_percent:g} percentile {how}")
    elif stretch.kind is Stretching.MINMAX:
        said.append(f"stretched from the lowest to the highest value {how}")
    if share > 0:
        said.append(f"nodata masked: {max(share * 100, 1):.0f} %")
    return tuple(said)


def _preview(values: Values, valid: Mask, stretch: Stretch, encoding: Encoding) -> Drawing:
    picture = apply(stretch.limits or (), values, valid)
    quality = PREVIEW_QUALITY if encoding is Encoding.PREVIEW else THUMBNAIL_QUALITY
    data = encode_preview(picture, valid, quality=quality)
    return Drawing(data, "image/webp", picture.shape[1], picture.shape[0], lossless=False)


def _is_unchanged(scene: Scene) -> bool:
    """Whether the rendering shows the file's own colours."""
    stretch = scene.rendering.stretch
    own = (1, 2, 3) if len(scene.bands) == 3 else (1, 1, 1)
    return scene.rendering.bands == own and stretch is not None and stretch.kind is Stretching.NONE


def _original_bytes(scene: Scene, window: Window) -> int:
    """Returns what the window takes in the file, if its bytes are spread evenly."""
    return int(scene.byte_size * window.width * window.height / (scene.width * scene.height))
