"""Footprints as polygons that GIS reads, also over the antimeridian."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

from client.scene import LonLat

HALF_TURN, TURN = 180.0, 360.0
_POLYGON, _MULTIPOLYGON = 3, 6

Ring = list[LonLat]


def geojson_geometry(footprint: Sequence[LonLat] | None) -> dict[str, Any] | None:
    """Returns a GeoJSON geometry, cut at the antimeridian as RFC 7946 wants it; None without georeference."""
    rings = _rings(footprint)
    if not rings:
        return None
    if len(rings) == 1:
        return {"type": "Polygon", "coordinates": [rings[0]]}
    return {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}


def footprint_wkb(footprint: Sequence[LonLat] | None) -> bytes | None:
    """Returns a multipolygon as well-known binary, little-endian (ISO 19125-1); None without georeference."""
    rings = _rings(footprint)
    if not rings:
        return None
    polygons = b"".join(
        struct.pack("<BIII", 1, _POLYGON, 1, len(ring)) + b"".join(struct.pack("<dd", *place) for place in ring)
        for ring in rings
    )
    return struct.pack("<BII", 1, _MULTIPOLYGON, len(rings)) + polygons


def _rings(footprint: Sequence[LonLat] | None) -> list[Ring]:
    """Returns closed rings, counter-clockwise; two for a footprint that crosses the antimeridian."""
    if not footprint:
        return []
    corners = list(footprint)
    west_most, east_most = min(lon for lon, _ in corners), max(lon for lon, _ in corners)
    if east_most - west_most > HALF_TURN:
        unrolled = [(lon + TURN if lon < 0 else lon, lat) for lon, lat in corners]
    elif west_most < -HALF_TURN:
        unrolled = [(lon + TURN, lat) for lon, lat in corners]
    elif east_most > HALF_TURN:
        unrolled = corners
    else:
        return [_closed(corners)]
    west = _clip(unrolled, keep=lambda lon: lon <= HALF_TURN)
    east = [(lon - TURN, lat) for lon, lat in _clip(unrolled, keep=lambda lon: lon >= HALF_TURN)]
    return [_closed(part) for part in (west, east) if len(part) >= 3]


def _clip(corners: Sequence[LonLat], *, keep: Callable[[float], bool]) -> Ring:
    """Returns the part of a polygon on one side of the antimeridian, after Sutherland and Hodgman."""
    kept: Ring = []
    for (lon, lat), (next_lon, next_lat) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if keep(lon):
            kept.append((lon, lat))
        if keep(lon) != keep(next_lon):
            share = (HALF_TURN - lon) / (next_lon - lon)
            kept.append((HALF_TURN, lat + (next_lat - lat) * share))
    return kept


def _closed(corners: Ring) -> Ring:
    area = sum(
        (next_lon - lon) * (next_lat + lat)
        for (lon, lat), (next_lon, next_lat) in zip(corners, [*corners[1:], corners[0]], strict=True)
    )
    ring = corners if area < 0 else corners[::-1]
    return [*ring, ring[0]]
