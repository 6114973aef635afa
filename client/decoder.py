"""From a file to a scene and its pictures. Runs in a worker process, because it trusts no file."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np

from client.bands import default_choice
from client.encoding import encode, encode_preview
from client.errors import SceneError
from client.georeference import georeference
from client.photo import Photo, open_photo
from client.raster import Raster, open_raster
from client.scene import Band, Rendering, Scene, Stretch, Stretching, Window, display_name
from client.sniffing import HEAD_BYTES, Format, Reader, sniff
from client.stretch import Mask, Values, apply, settle

PREVIEW_SIDE = 1280
"""Longest side of a scene's preview, in pixels. Stretch and nodata share are measured on it too."""


class Encoding(StrEnum):
    """What a drawing is for."""

    PICTURE = "picture"
    PREVIEW = "preview"
    THUMBNAIL = "thumbnail"


@dataclass(frozen=True)
class Drawing:
    """A window of a scene as an encoded picture."""

    data: bytes
    mime: str
    width: int
    height: int
    lossless: bool


def open_scene(path: Path, name: str | None, rendering: Rendering | None) -> tuple[Scene, Drawing]:
    """Returns the scene in a file and its preview.

    Raises:
        SceneError: the file is no scene that can be read.
    """
    kind = sniff_file(path)
    with _source(path, kind) as source:
        width, height = source.size
        wanted = rendering or Rendering()
        choice = default_choice(source.bands)
        bands = wanted.bands or choice.bands
        if max(bands) > len(source.bands) or min(bands) < 1:
            raise SceneError(f"The scene has {len(source.bands)} bands; choose three of them.")
        values, valid = source.read(bands, Window(0, 0, width, height), *fit(width, height, PREVIEW_SIDE))
        stretch = settle(wanted.stretch or Stretch(), values, valid)
        share = 1.0 - float(valid.mean())
        reason = choice.reason if bands == choice.bands else "as chosen"
        scene = Scene(
            path=path,
            name=display_name(name or path.name),
            format=kind.name,
            byte_size=path.stat().st_size,
            digest=_digest(path),
            width=width,
            height=height,
            bands=source.bands,
            dtype=source.bands[0].dtype,
            rendering=Rendering(bands, stretch),
            decisions=tuple(_decisions(source.bands, bands, reason, stretch, share)),
            nodata_share=share,
        )
        if isinstance(source, Raster):
            scene = _placed(scene, source)
    return scene, _preview(values, valid, stretch, 80)


def draw(scene: Scene, window: Window, width: int, height: int, encoding: Encoding) -> Drawing:
    """Returns a window of a scene, rendered at this size.

    Raises:
        SceneError: the file cannot be read any more.
    """
    stretch = scene.rendering.stretch
    bands = scene.rendering.bands
    if bands is None or stretch is None or stretch.limits is None:
        raise SceneError("The scene has no rendering yet. Open it first.")
    with _source(scene.path, sniff_file(scene.path)) as source:
        values, valid = source.read(bands, window, width, height)
    if encoding is not Encoding.PICTURE:
        return _preview(values, valid, stretch, 80 if encoding is Encoding.PREVIEW else 55)
    share = window.width * window.height / (scene.width * scene.height)
    same = width * height >= 0.9 * window.width * window.height and scene.dtype == "uint8"
    data, mime, lossless = encode(
        apply(stretch.limits, values, valid), most_bytes=int(scene.byte_size * share) if same else None
    )
    return Drawing(data, mime, width, height, lossless)


def fit(width: int, height: int, side: int) -> tuple[int, int]:
    """Returns the size at which the longest side is at most `side`; never larger than it is."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def sniff_file(path: Path) -> Format:
    """Returns the format of a file.

    Raises:
        SceneError: it is no format that is read.
    """
    with path.open("rb") as file:
        return sniff(file.read(HEAD_BYTES))


def _source(path: Path, kind: Format) -> AbstractContextManager[Raster] | AbstractContextManager[Photo]:
    return open_raster(path, kind) if kind.reader is Reader.RASTER else open_photo(path, kind)


def _placed(scene: Scene, source: Raster) -> Scene:
    place = georeference(source.dataset)
    return replace(
        scene,
        crs=place.crs,
        transform=place.transform,
        footprint_wgs84=place.footprint_wgs84,
        centre_wgs84=place.centre_wgs84,
        gsd_m=place.gsd_m,
    )


def _preview(values: Values, valid: Mask, stretch: Stretch, quality: int) -> Drawing:
    picture = apply(stretch.limits or (), values, valid)
    return Drawing(
        encode_preview(picture, valid, quality=quality), "image/webp", picture.shape[1], picture.shape[0], False
    )


def _decisions(
    bands: tuple[Band, ...], chosen: tuple[int, int, int], reason: str, stretch: Stretch, share: float
) -> list[str]:
    said = []
    if len(bands) > 1:
        said.append(f"bands {', '.join(map(str, chosen))} as red, green, blue, {reason}")
    if stretch.kind is Stretching.PERCENTILE:
        said.append(f"stretched to the {stretch.low_percent:g}-{stretch.high_percent:g} percentile per band")
    elif stretch.kind is Stretching.MINMAX:
        said.append("stretched from the lowest to the highest value per band")
    if share > 0:
        said.append(f"nodata masked: {np.ceil(share * 100):.0f} %")
    return said


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
