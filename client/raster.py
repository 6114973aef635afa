"""Rasters through GDAL: facts, georeference, and bounded reads of any window at any size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, Resampling
from rasterio.windows import Window as RasterWindow

from client.scene import Band, Window
from client.sniffing import Format
from client.stretch import Mask, Values

GDAL_OPTIONS: dict[str, Any] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_CACHEMAX": 128,
    "GDAL_NUM_THREADS": "1",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "PROJ_NETWORK": "OFF",
}
SWATH_BYTES = 32 * 1024 * 1024
"""Most bytes of a raster that are unpacked at a time."""


class Raster:
    """An open raster."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

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
            Band(index, name or f"Band {index}", dtype, colour.name, nodata)
            for index, name, dtype, colour, nodata in rows
        )

    @property
    def dataset(self) -> Any:
        """The open rasterio dataset."""
        return self._dataset

    def read(self, bands: tuple[int, ...], window: Window, width: int, height: int) -> tuple[Values, Mask]:
        """Reads a window of the bands at this size, averaged or interpolated, a swath at a time."""
        if self._is_palette(bands):
            return self._read_palette(window, width, height)
        wanted = sorted(set(bands))
        values = np.empty((len(wanted), height, width), self._dataset.dtypes[wanted[0] - 1])
        valid = np.empty((height, width), np.bool_)
        resampling = _resampling(window, width, height)
        for rows, part in self._swaths(window, height):
            shape = (len(wanted), rows.stop - rows.start, width)
            values[:, rows] = self._dataset.read(wanted, window=part, out_shape=shape, resampling=resampling)
            masks = self._dataset.read_masks(wanted, window=part, out_shape=shape, resampling=Resampling.average)
            valid[rows] = masks.max(axis=0) >= 128
        if np.iscomplexobj(values):
            values = np.abs(values)
        return values[[wanted.index(band) for band in bands]], valid

    def _is_palette(self, bands: tuple[int, ...]) -> bool:
        return len(set(bands)) == 1 and self._dataset.colorinterp[bands[0] - 1] is ColorInterp.palette

    def _read_palette(self, window: Window, width: int, height: int) -> tuple[Values, Mask]:
        part = RasterWindow(window.x, window.y, window.width, window.height)
        index = self._dataset.read(1, window=part, out_shape=(height, width))
        mask = self._dataset.read_masks(1, window=part, out_shape=(height, width))
        table = np.zeros((256, 4), np.uint8)
        for entry, colour in self._dataset.colormap(1).items():
            if entry < 256:
                table[entry] = colour
        colours: NDArray[np.uint8] = table[index]
        return np.moveaxis(colours[..., :3], -1, 0), (mask > 0) & (colours[..., 3] > 0)

    def _swaths(self, window: Window, height: int) -> Iterator[tuple[slice, RasterWindow]]:
        row_bytes = window.width * sum(np.dtype(d).itemsize for d in self._dataset.dtypes)
        scale = window.height / height
        rows = max(1, int(SWATH_BYTES / (row_bytes * max(scale, 1e-9))))
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            yield (
                slice(top, bottom),
                RasterWindow(window.x, window.y + top * scale, window.width, (bottom - top) * scale),
            )


@contextmanager
def open_raster(path: Path, kind: Format) -> Iterator[Raster]:
    """Opens a raster with the one driver that its bytes call for, and none of its neighbours."""
    with rasterio.Env(**GDAL_OPTIONS), rasterio.open(path, driver=kind.driver, sharing=False) as dataset:
        yield Raster(dataset)


def _resampling(window: Window, width: int, height: int) -> Resampling:
    """Area average where at least two pixels become one, Lanczos otherwise."""
    if (width, height) == (window.width, window.height):
        return Resampling.nearest
    shrink = math.sqrt(window.width * window.height / (width * height))
    return Resampling.average if shrink >= 2 else Resampling.lanczos
