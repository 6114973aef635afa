"""Where on Earth a raster is: coordinate system, a lattice of positions, and ground distance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio.crs
import rasterio.transform
import rasterio.warp
from rasterio.errors import CRSError, RasterioError

from client.scene import LonLat

WGS84 = "EPSG:4326"
EARTH_RADIUS_M = 6_371_008.8
"""Mean radius of the Earth, IUGG."""
LATTICE_CELLS = 16
"""Cells of the lattice along each side. A scene of 100 km bends away from straight lines by about a metre in each."""
Matrix = tuple[float, float, float, float, float, float]
MAX_CRS_NAME = 80
"""Longest name of a coordinate system that is shown, in characters."""


@dataclass(frozen=True)
class Georeference:
    """Where a raster is. Every field is None where it cannot be known."""

    crs: str | None = None
    transform: Matrix | None = None
    lattice: tuple[tuple[LonLat, ...], ...] | None = None
    centre_wgs84: LonLat | None = None
    gsd_m: float | None = None


def georeference(dataset: Any) -> Georeference:
    """Returns where an open raster is, by its geotransform, its ground control points or the offsets of its RPCs."""
    transform, crs = _placement(dataset)
    if transform is None:
        rpcs = dataset.rpcs
        return Georeference(centre_wgs84=(rpcs.long_off, rpcs.lat_off) if rpcs else None)
    matrix = (transform.a, transform.b, transform.c, transform.d, transform.e, transform.f)
    if not all(map(math.isfinite, matrix)) or not crs:
        return Georeference(transform=matrix if all(map(math.isfinite, matrix)) else None)
    x, y = dataset.width / 2, dataset.height / 2
    around = _project(matrix, crs, [(x, y), (x - 0.5, y), (x + 0.5, y), (x, y - 0.5), (x, y + 0.5)])
    if around is None:
        return Georeference(readable_crs(crs), matrix)
    gsd = math.sqrt(distance_m(around[1], around[2]) * distance_m(around[3], around[4]))
    return Georeference(readable_crs(crs), matrix, _lattice(matrix, crs, 2 * x, 2 * y), around[0], gsd or None)


def _placement(dataset: Any) -> tuple[Any, Any]:
    """Returns the affine transform and the coordinate system; no transform where the raster is not placed."""
    if not dataset.transform.is_identity:
        return dataset.transform, dataset.crs
    points, crs = dataset.gcps
    if len(points) < 3:
        return None, None
    return rasterio.transform.from_gcps(points), crs


def _lattice(matrix: Matrix, crs: Any, width: float, height: float) -> tuple[tuple[LonLat, ...], ...] | None:
    steps = [i / LATTICE_CELLS for i in range(LATTICE_CELLS + 1)]
    places = _project(matrix, crs, [(u * width, v * height) for v in steps for u in steps])
    if places is None:
        return None
    lons, lats = np.moveaxis(np.array(places).reshape(len(steps), len(steps), 2), -1, 0)
    # Longitudes run on over the date line, so that the space between two of them is where the scene is.
    lons = np.unwrap(np.unwrap(lons, period=360, axis=1), period=360, axis=0)
    return tuple(tuple(zip(*row, strict=True)) for row in zip(lons.tolist(), lats.tolist(), strict=True))


def _project(matrix: Matrix, crs: Any, pixels: list[LonLat]) -> list[LonLat] | None:
    """Returns pixel positions as longitude and latitude; None where the coordinate system cannot say."""
    a, b, c, d, e, f = matrix
    xs, ys = [a * x + b * y + c for x, y in pixels], [d * x + e * y + f for x, y in pixels]
    try:
        lons, lats = rasterio.warp.transform(_harmless(crs), WGS84, xs, ys)
    except (RasterioError, CRSError, ValueError):
        return None
    if not all(math.isfinite(lon) and abs(lat) <= 90 for lon, lat in zip(lons, lats, strict=True)):
        return None
    return list(zip(lons, lats, strict=True))


def _harmless(crs: Any) -> Any:
    """Returns the coordinate system without file names, which a definition within a file could make PROJ open."""
    authority = crs.to_authority()
    if authority:
        return rasterio.crs.CRS.from_authority(*authority)
    if "grids" in crs.to_wkt().lower():
        raise CRSError("the coordinate system names files")
    return crs


def distance_m(a: LonLat, b: LonLat) -> float:
    """Returns the distance of two near places in metres, on a sphere."""
    east = math.radians((b[0] - a[0] + 180) % 360 - 180) * math.cos(math.radians((a[1] + b[1]) / 2))
    north = math.radians(b[1] - a[1])
    return EARTH_RADIUS_M * math.hypot(east, north)


def readable_crs(crs: Any) -> str:
    """Returns `EPSG:32621`, or the name of a coordinate system that has no code."""
    authority = crs.to_authority()
    if authority:
        return ":".join(authority)
    wkt: str = crs.to_wkt()
    name = wkt.split('"')[1][:MAX_CRS_NAME] if '"' in wkt else ""
    return "".join(c for c in name if c.isprintable()) or "unnamed coordinate system"
