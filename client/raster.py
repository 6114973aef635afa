"""Rasters through GDAL: facts, and bounded reads of any window at any size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.windows import Window as RasterWindow

from client.georeference import georeference
from client.limits import bounded_tags, check_raster_size, check_work
from client.scene import Band, Window
from client.sniffing import Format
from client.stretch import Mask, Values

GDAL_OPTIONS: dict[str, Any] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_CACHEMAX": 96,
    "GDAL_NUM_THREADS": "2",
    "GDAL_MAX_DATASET_POOL_SIZE": 2,
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "CPL_CURL_ENABLE_VSIMEM": "NO",
    "GDAL_HTTP_MAX_RETRY": "0",
    "PROJ_NETWORK": "OFF",
}
SWATH_BYTES = 32 * 1024 * 1024
"""Most bytes of a raster that are unpacked at a time."""
SAMPLED_BYTES = 256 * 1024 * 1024
"""From this much work on, a preview is made of samples."""
SAMPLES = 3
"""Samples per pixel of such a preview, along each side."""
ACQUISITION_TAGS = ("ACQUISITIONDATETIME", "ACQUISITION_DATE", "DATE_ACQUIRED", "SENSING_TIME", "TIFFTAG_DATETIME")
"""Tags that say when a scene was taken, the surest first."""


class Raster:
    """An open raster."""

    is_picture = False

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        block = max(math.prod(shape) for shape in dataset.block_shapes)
        pixel_bytes = max(_item_bytes(dtype) for dtype in dataset.dtypes)
        together = dataset.count if dataset.interleaving and dataset.interleaving.name == "pixel" else 1
        check_raster_size(dataset.width, dataset.height, dataset.count, block * pixel_bytes * together)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._dataset.width, self._dataset.height

    @property
    def bands(self) -> tuple[Band, ...]:
        """What is known of the bands."""
        d = self._dataset
        rows = zip(d.indexes, d.descriptions, d.dtypes, d.colorinterp, d.nodatavals, strict=True)
        return tuple(
            Band(i, (name or f"Band {i}")[:60], dtype, colour.name, nodata) for i, name, dtype, colour, nodata in rows
        )

    def describe(self) -> dict[str, Any]:
        """Returns the fields of a scene that only a raster has: its place on Earth and its tags."""
        place = georeference(self._dataset)
        tags = self._dataset.tags() | self._dataset.tags(ns="IMAGERY")
        return {
            "crs": place.crs,
            "transform": place.transform,
            "lattice": place.lattice,
            "centre_wgs84": place.centre_wgs84,
            "gsd_m": place.gsd_m,
            "acquired": next((tags[name][:40] for name in ACQUISITION_TAGS if name in tags), None),
            "tags": bounded_tags(tags),
        }

    def value_range(self, band: int) -> tuple[float, float] | None:
        """Returns what the data type allows, or fewer bits where the file says so; None for floating point."""
        dtype = np.dtype(_plain(self._dataset.dtypes[band - 1]))
        if dtype.kind not in "iu":
            return None
        bits = self._dataset.tags(band, ns="IMAGE_STRUCTURE").get("NBITS")
        if bits and bits.isdigit() and dtype.kind == "u":
            return 0.0, float(2 ** int(bits) - 1)
        return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)

    def read(
        self, bands: tuple[int, ...], window: Window, width: int, height: int, *, sampled: bool = False
    ) -> tuple[Values, Mask]:
        """Reads a window of the bands at this size: averaged or interpolated, a swath at a time.

        Args:
            bands: counted from 1, in the order wanted.
            window: the part to read.
            width: of the result.
            height: of the result.
            sampled: whether nine pixels may stand for all that become one, where unpacking all would take seconds.

        Returns:
            bands x height x width in the raster's data type, and where there is data.

        Raises:
            SceneError: too much would have to be unpacked.
        """
        work = self._unpacked_bytes(window, width, height)
        check_work(work)
        palette = self._palette(bands)
        wanted = [bands[0]] if palette is not None else sorted(set(bands))
        parts = []
        for rows, part in self._swaths(window, height):
            if palette is not None:
                parts.append(self._read_palette(bands[0], palette, rows, part, width))
            elif sampled and work > SAMPLED_BYTES:
                parts.append(self._read_samples(wanted, rows, part, width))
            else:
                parts.append(self._read_average(wanted, rows, part, width))
        values = np.concatenate([part for part, _ in parts], axis=1)
        valid = np.concatenate([part for _, part in parts], axis=0)
        return (values if palette is not None else values[[wanted.index(band) for band in bands]]), valid

    def recompressed(self) -> None:
        """Returns None: a raster is always drawn anew."""
        return

    def _read_average(self, wanted: list[int], rows: int, part: RasterWindow, width: int) -> tuple[Values, Mask]:
        resampling = _resampling(part, width, rows)
        values = self._dataset.read(wanted, window=part, out_shape=(len(wanted), rows, width), resampling=resampling)
        if np.iscomplexobj(values):
            values = np.abs(values)
        return values, self._valid(wanted, values, part)

    def _read_samples(self, wanted: list[int], rows: int, part: RasterWindow, width: int) -> tuple[Values, Mask]:
        shape = (len(wanted), rows * SAMPLES, width * SAMPLES)
        fine = self._dataset.read(wanted, window=part, out_shape=shape)
        if np.iscomplexobj(fine):
            fine = np.abs(fine)
        there = self._valid(wanted, fine, part)
        blocks = np.where(there, fine, 0).reshape(len(wanted), rows, SAMPLES, width, SAMPLES)
        count = there.reshape(rows, SAMPLES, width, SAMPLES).sum(axis=(1, 3))
        values = blocks.sum(axis=(2, 4), dtype=np.float32) / np.maximum(count, 1)
        return values.astype(fine.dtype), count > 0

    def _valid(self, wanted: list[int], values: Values, part: RasterWindow) -> Mask:
        flags = self._dataset.mask_flag_enums[wanted[0] - 1]
        shape = values.shape[1:]
        if MaskFlags.per_dataset in flags:
            mask = self._dataset.read_masks(wanted[0], window=part, out_shape=shape, resampling=Resampling.average)
            return np.asarray(mask >= 128)
        valid = np.zeros(shape, np.bool_)
        for band, plane in zip(wanted, values, strict=True):
            # Seen in the averaged values: the mask of a nodata value has no overviews, and would unpack everything.
            nodata = self._dataset.nodatavals[band - 1]
            there = np.isfinite(plane) if plane.dtype.kind == "f" else np.ones(shape, np.bool_)
            valid |= there if nodata is None or math.isnan(nodata) else there & (plane != np.array(nodata, plane.dtype))
        return valid

    def _palette(self, bands: tuple[int, ...]) -> NDArray[np.uint8] | None:
        if len(set(bands)) > 1 or self._dataset.colorinterp[bands[0] - 1] is not ColorInterp.palette:
            return None
        table = np.zeros((65_536, 4), np.uint8)
        for entry, colour in self._dataset.colormap(bands[0]).items():
            table[entry] = colour
        return table

    def _read_palette(
        self, band: int, palette: NDArray[np.uint8], rows: int, part: RasterWindow, width: int
    ) -> tuple[Values, Mask]:
        """Averages colours, because the average of two entries of a palette is some third colour."""
        fine = RasterWindow(part.col_off, round(part.row_off), part.width, max(1, round(part.height)))
        # Never more than four entries per side of a pixel: enough to average, and bounded.
        shape = (min(int(fine.height), 4 * rows), min(int(fine.width), 4 * width))
        entries = self._dataset.read(band, window=fine, out_shape=shape)
        colours = palette[entries]
        nodata = self._dataset.nodatavals[band - 1]
        if nodata is not None:
            colours[entries == nodata] = 0
        image = Image.fromarray(colours, "RGBA").resize((width, rows), Image.Resampling.BOX)
        planes = np.moveaxis(np.asarray(image), -1, 0)
        return planes[:3], planes[3] >= 128

    def _swaths(self, window: Window, height: int) -> Iterator[tuple[int, RasterWindow]]:
        """Yields rows of the result and the part of the raster that they show, so that each is unpacked once."""
        scale = window.height / height
        row_bytes = window.width * sum(map(_item_bytes, self._dataset.dtypes))
        step = max(1, int(SWATH_BYTES / (row_bytes * max(scale, 1.0))))
        for top in range(0, height, step):
            rows = min(step, height - top)
            yield rows, RasterWindow(window.x, window.y + top * scale, window.width, rows * scale)

    def _unpacked_bytes(self, window: Window, width: int, height: int) -> float:
        """Returns how much has to be unpacked for a read, with the overview that serves it best."""
        shrink = max(1.0, min(window.width / width, window.height / height))
        factor = max((level for level in self._dataset.overviews(1) if level <= shrink), default=1)
        return window.width * window.height * sum(map(_item_bytes, self._dataset.dtypes)) / factor**2


@contextmanager
def open_raster(path: Path, kind: Format) -> Iterator[Raster]:
    """Opens a raster with the one driver that its bytes call for, and none of its neighbours.

    Raises:
        SceneError: its head asks for too much.
    """
    with rasterio.Env(**GDAL_OPTIONS), rasterio.open(path, driver=kind.driver, sharing=False) as dataset:
        yield Raster(dataset)


def _resampling(window: RasterWindow, width: int, height: int) -> Resampling:
    """Area average where at least two pixels become one, Lanczos otherwise."""
    if (width, height) == (window.width, window.height):
        return Resampling.nearest
    shrink = math.sqrt(window.width * window.height / (width * height))
    return Resampling.average if shrink >= 2 else Resampling.lanczos


def _plain(dtype: str) -> str:
    """GDAL's complex integers have no numpy type; they are read as complex floating point."""
    return "complex64" if dtype.startswith("complex_int") else dtype


def _item_bytes(dtype: str) -> int:
    return np.dtype(_plain(dtype)).itemsize
