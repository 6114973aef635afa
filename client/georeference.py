"""Where on Earth a raster is: coordinate system, footprint, centre and ground distance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import rasterio.transform
import rasterio.warp
from rasterio.errors import RasterioError

from client.scene import LonLat

WGS84 = "EPSG:4326"
EARTH_RADIUS_M = 6_371_008.8
"""Mean radius of the Earth, IUGG."""


@dataclass(frozen=True)
class Georeference:
    """Where a raster is. Every field is None where it cannot be known."""

    crs: str | None = None
    transform: tuple[float, float, float, float, float, float] | None = None
    footprint_wgs84: tuple[LonLat, ...] | None = None
    centre_wgs84: LonLat | None = None
    gsd_m: float | None = None


def georeference(dataset: Any) -> Georeference:
    """Returns where an open raster is, from its geotransform or its ground control points."""
    transform, crs = dataset.transform, dataset.crs
    points, points_crs = dataset.gcps
    if transform.is_identity and len(points) >= 3:
        transform, crs = rasterio.transform.from_gcps(points), points_crs
    if transform.is_identity:
        return Georeference(crs=readable_crs(crs) if crs else None)
    matrix = tuple(transform)[:6]
    if not crs:
        return Georeference(transform=matrix)
    width, height = dataset.width, dataset.height
    corners = project(matrix, crs, [(0, 0), (width, 0), (width, height), (0, height)])
    x, y = width / 2, height / 2
    around = project(matrix, crs, [(x, y), (x - 0.5, y), (x + 0.5, y), (x, y - 0.5), (x, y + 0.5)])
    if corners is None or around is None:
        return Georeference(readable_crs(crs), matrix)
    gsd = math.sqrt(distance_m(around[1], around[2]) * distance_m(around[3], around[4]))
    return Georeference(readable_crs(crs), matrix, corners, around[0], gsd)


def project(matrix: Any, crs: Any, pixels: list[tuple[float, float]]) -> tuple[LonLat, ...] | None:
    """Returns pixel positions as longitude and latitude; None where the coordinate system cannot say."""
    a, b, c, d, e, f = matrix
    xs = [a * x + b * y + c for x, y in pixels]
    ys = [d * x + e * y + f for x, y in pixels]
    try:
        lons, lats = rasterio.warp.transform(crs, WGS84, xs, ys)
    except (RasterioError, ValueError):
        return None
    places = tuple(zip(lons, lats, strict=True))
    if not all(math.isfinite(lon) and abs(lat) <= 90 for lon, lat in places):
        return None
    return places


def distance_m(a: LonLat, b: LonLat) -> float:
    """Returns the distance of two near places in metres, on a sphere."""
    east = math.radians(b[0] - a[0]) * math.cos(math.radians((a[1] + b[1]) / 2))
    north = math.radians(b[1] - a[1])
    return EARTH_RADIUS_M * math.hypot(east, north)


def readable_crs(crs: Any) -> str:
    """Returns `EPSG:32621`, or the name of a coordinate system that has no code."""
    authority = crs.to_authority()
    if authority:
        return ":".join(authority)
    wkt: str = crs.to_wkt()
    return wkt.split('"')[1][:80] if '"' in wkt else "unnamed coordinate system"
