"""A batch's rows as files that other programs open: CSV, JSON Lines, Parquet, GeoJSON, GeoPackage."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pyogrio.raw

from client.batch_plan import BatchPlan
from client.batch_rows import Row
from client.footprints import footprint_wkb, geojson_geometry
from client.verdicts import number_in, yes_or_no

COLUMNS: dict[str, pa.DataType] = {
    "scene": pa.string(),
    "tile": pa.string(),
    "prompt": pa.string(),
    "state": pa.string(),
    "answer": pa.string(),
    "yes_no": pa.bool_(),
    "number": pa.float64(),
    "error": pa.string(),
    "service": pa.string(),
    "model": pa.string(),
    "call_id": pa.string(),
    "finish_reason": pa.string(),
    "prompt_tokens": pa.int64(),
    "completion_tokens": pa.int64(),
    "seconds": pa.float64(),
    "ended_at": pa.string(),
    "x": pa.int64(),
    "y": pa.int64(),
    "width": pa.int64(),
    "height": pa.int64(),
    "longitude": pa.float64(),
    "latitude": pa.float64(),
    "gsd_m": pa.float64(),
    "crs": pa.string(),
}
"""Columns of every export, in order. `x`, `y`, `width` and `height` are the part asked about, in the scene's pixels;
`longitude` and `latitude` its centre in degrees (WGS 84); `crs` is that of the scene."""

LAYER = "answers"
WGS84 = "EPSG:4326"
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a spreadsheet take a cell for a formula; OWASP's page on CSV injection."""

Record = dict[str, Any]


def records(plan: BatchPlan, rows: Sequence[Row]) -> list[Record]:
    """Returns a record for each row, with the keys of `COLUMNS`; None where something is not known."""
    return [_record(plan, row) for row in rows]


def write_csv(plan: BatchPlan, rows: Sequence[Row], path: Path) -> None:
    """Writes CSV that spreadsheets open as it is: UTF-8 with a mark, and no cell that they would compute."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for record in records(plan, rows):
            writer.writerow([_safe(record[column]) for column in COLUMNS])


def write_jsonl(plan: BatchPlan, rows: Sequence[Row], path: Path) -> None:
    """Writes one JSON object per line."""
    with path.open("w", encoding="utf-8") as file:
        for record in records(plan, rows):
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def write_parquet(plan: BatchPlan, rows: Sequence[Row], path: Path) -> None:
    """Writes Parquet with the types of `COLUMNS`."""
    table = pa.Table.from_pylist(records(plan, rows), schema=pa.schema(list(COLUMNS.items())))
    pyarrow.parquet.write_table(table, path)


def write_geojson(plan: BatchPlan, rows: Sequence[Row], path: Path) -> None:
    """Writes a GeoJSON feature per row, whose geometry is the footprint; null without georeference (RFC 7946)."""
    features = [
        {"type": "Feature", "geometry": geojson_geometry(plan.footprint(row.job)), "properties": _record(plan, row)}
        for row in rows
    ]
    document = {"type": "FeatureCollection", "name": LAYER, "features": features}
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def write_geopackage(plan: BatchPlan, rows: Sequence[Row], path: Path) -> None:
    """Writes a GeoPackage with one layer, `answers`, of footprints with the rows as attributes."""
    table = records(plan, rows)
    path.unlink(missing_ok=True)
    pyogrio.raw.write(
        path,
        np.array([footprint_wkb(plan.footprint(row.job)) for row in rows] or [None], dtype=object)[: len(rows)],
        [_array(table, column, kind) for column, kind in COLUMNS.items()],
        list(COLUMNS),
        geometry_type="MultiPolygon",
        crs=WGS84,
        driver="GPKG",
        layer=LAYER,
    )


WRITERS: dict[str, Callable[[BatchPlan, Sequence[Row], Path], None]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
    "geojson": write_geojson,
    "gpkg": write_geopackage,
}
"""What writes a file with this ending."""


def _record(plan: BatchPlan, row: Row) -> Record:
    scene, window, completion = plan.scenes[row.job.scene].scene, plan.window(row.job), row.completion
    centre = scene.locate(window.x + window.width / 2, window.y + window.height / 2)
    answer = row.answer
    return {
        "scene": scene.name,
        "tile": row.job.tile or None,
        "prompt": row.job.prompt,
        "state": row.stage.value,
        "answer": answer or None,
        "yes_no": yes_or_no(answer),
        "number": number_in(answer),
        "error": row.error or None,
        "service": plan.settings.service,
        "model": completion.model if completion else None,
        "call_id": row.call_id,
        "finish_reason": completion.finish_reason if completion else None,
        "prompt_tokens": completion.usage.prompt_tokens if completion else None,
        "completion_tokens": completion.usage.completion_tokens if completion else None,
        "seconds": None if row.took_s is None else round(row.took_s, 3),
        "ended_at": _moment(row.ended_at),
        "x": window.x,
        "y": window.y,
        "width": window.width,
        "height": window.height,
        "longitude": (centre[0] + 180) % 360 - 180 if centre else None,
        "latitude": centre[1] if centre else None,
        "gsd_m": scene.gsd_m,
        "crs": scene.crs,
    }


def _moment(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _safe(value: Any) -> Any:
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA_SIGNS):
        return f"'{value}"
    return value


def _array(table: list[Record], column: str, kind: pa.DataType) -> np.ndarray[Any, Any]:
    values = [record[column] for record in table]
    if pa.types.is_string(kind):
        return np.array(values, dtype=object)
    if pa.types.is_boolean(kind):
        # GeoPackage knows no missing boolean through this road: words say it better.
        return np.array([None if value is None else "yes" if value else "no" for value in values], dtype=object)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
