"""A batch's results, opened again by the programs that people open them with."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyogrio
import pytest
import pytest_asyncio
from PIL import Image

from backend.contract import Choice, Completion, Stage
from client.batch_plan import BatchPlan, BatchSettings, PlannedJob, PlannedScene
from client.batch_rows import Row, Rows
from client.batch_store import LogLine
from client.box_pictures import write_box_pictures
from client.errors import InputError
from client.exports import COLUMNS, WRITERS
from client.imagery import SceneReader
from client.scene import LonLat, Scene, Window

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTILE = '=HYPERLINK("http://evil.example","Click")'
FOREIGN = "Ein Fluss — 河流, نهر, 🛰"
MULTILINE = 'Yes.\nMore lines, a comma, and "quotes".'


def completion(text: str) -> Completion:
    message = {"role": "assistant", "content": text}
    return Completion(id="c-1", model="stub", choices=[Choice(index=0, message=message, finish_reason="stop")])


@pytest_asyncio.fixture(loop_scope="module")
async def foz(reader: SceneReader, scenes: Path) -> Scene:
    return await reader.open(scenes / "foz_do_iguacu_landsat8_uint16.tif")


@pytest_asyncio.fixture(loop_scope="module")
async def photo(reader: SceneReader, scenes: Path) -> Scene:
    return await reader.open(scenes / "yellowstone_road.jpg")


@pytest.fixture
def batch(foz: Scene, photo: Scene) -> tuple[BatchPlan, list[Row]]:
    """Tiles of a scene on the map, a photo that is not, and a job that failed."""
    answers = [FOREIGN, HOSTILE, MULTILINE, "There are 7 ponds.", None]
    jobs = [
        PlannedJob(id="a", scene=0, prompt="What?", tile="r1c1", window=Window(0, 0, 200, 200)),
        PlannedJob(id="b", scene=0, prompt="+1", tile="r1c2", window=Window(200, 0, 200, 200)),
        PlannedJob(id="c", scene=0, prompt="Is there?", tile="r2c1", window=Window(0, 200, 200, 200)),
        PlannedJob(id="d", scene=1, prompt="How many?"),
        PlannedJob(id="e", scene=1, prompt="Failed?"),
    ]
    scenes = [PlannedScene(file="1.tif", scene=foz), PlannedScene(file="2.jpg", scene=photo)]
    settings = BatchSettings(service="vqa")
    plan = BatchPlan(id="batch", created_at=0.0, settings=settings, scenes=scenes, jobs=jobs, refusals=[])
    rows = Rows.of(jobs, [])
    for row, answer in zip(rows, answers, strict=True):
        ended = {"completion": completion(answer), "stage": Stage.DONE} if answer else {"error": "It broke."}
        rows.end(row, LogLine(at=1_800_000_000, kind="ended", jobs=[row.job.id], took_s=1.25, call_id="fc-1", **ended))
    return plan, rows.rows


@pytest.fixture
def written(batch: tuple[BatchPlan, list[Row]], tmp_path: Path) -> Callable[[str], Path]:
    def write(kind: str) -> Path:
        path = tmp_path / f"answers.{kind}"
        WRITERS[kind](*batch, path)
        return path

    return write


READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    "csv": pd.read_csv,
    "jsonl": lambda path: pd.read_json(path, lines=True),
    "parquet": pd.read_parquet,
}


@pytest.mark.parametrize("kind", READERS)
async def test_pandas_reads_every_row_with_its_answer_in_any_script(written: Callable[[str], Path], kind: str) -> None:
    table = READERS[kind](written(kind))
    assert list(table.columns) == list(COLUMNS)
    assert table["answer"][0] == FOREIGN
    assert table["answer"][2] == MULTILINE
    assert list(table["state"]) == ["done"] * 4 + ["failed"]
    assert table["error"][4] == "It broke."
    assert pd.isna(table["answer"][4])
    assert bool(table["yes_no"][2]) is True
    assert table["number"][3] == 7
    assert list(table["x"][:2]) == [0, 200]


async def test_no_cell_of_a_csv_is_a_formula(written: Callable[[str], Path]) -> None:
    table = pd.read_csv(written("csv"), dtype=str, keep_default_na=False)
    cells = [cell for column in ("scene", "tile", "prompt", "answer", "error") for cell in table[column]]
    assert f"'{HOSTILE}" in cells
    assert "'+1" in cells
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []


async def test_a_spreadsheet_sees_by_the_first_bytes_that_a_csv_is_unicode(written: Callable[[str], Path]) -> None:
    assert written("csv").read_bytes().startswith(b"\xef\xbb\xbf")


async def test_parquet_has_the_types_that_it_says(written: Callable[[str], Path]) -> None:
    table = pd.read_parquet(written("parquet"), dtype_backend="pyarrow")
    assert {name: str(kind) for name, kind in table.dtypes.items() if name in ("yes_no", "x", "number")} == {
        "yes_no": "bool[pyarrow]",
        "x": "int64[pyarrow]",
        "number": "double[pyarrow]",
    }


@pytest.mark.parametrize("kind", ["geojson", "gpkg"])
async def test_gis_reads_footprints_where_they_belong_with_the_answers(
    written: Callable[[str], Path], foz: Scene, kind: str
) -> None:
    path = written(kind)
    info = pyogrio.read_info(path, layer=None)
    assert (info["crs"], info["features"]) == ("EPSG:4326", 5)
    meta, _, shapes, columns = pyogrio.raw.read(path)
    fields = dict(zip(meta["fields"], columns, strict=True))
    assert list(fields["answer"][:2]) == [FOREIGN, HOSTILE]
    assert [shape is None for shape in shapes] == [False, False, False, True, True]
    _, bounds = pyogrio.read_bounds(path)
    corners = np.array(foz.footprint(Window(0, 0, 200, 200)))
    np.testing.assert_allclose(bounds[:, 0], [*corners.min(axis=0), *corners.max(axis=0)], atol=1e-7)
    assert np.isnan(fields["number"].astype(float)).tolist() == [True, True, True, False, True]


async def test_rasterio_goes_on_reading_beside_the_writer_of_geopackages(
    written: Callable[[str], Path], reader: SceneReader, scenes: Path
) -> None:
    import rasterio

    written("gpkg")
    with rasterio.open(scenes / "foz_do_iguacu_landsat8_uint16.tif") as dataset:
        assert dataset.crs.to_epsg() == 32621


@pytest.mark.parametrize("east", [-179.0, 181.0], ids=["wrapped", "running on"])
async def test_a_footprint_over_the_date_line_is_cut_there(
    batch: tuple[BatchPlan, list[Row]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, east: float
) -> None:
    plan, rows = batch
    corners: tuple[LonLat, ...] = ((179.0, 10.0), (east, 10.0), (east, 9.0), (179.0, 9.0))
    monkeypatch.setattr(BatchPlan, "footprint", lambda *_: corners)
    WRITERS["geojson"](plan, rows[:1], tmp_path / "a.geojson")
    shape = json.loads((tmp_path / "a.geojson").read_text())["features"][0]["geometry"]
    assert shape["type"] == "MultiPolygon"
    longitudes = [sorted({lon for lon, _ in ring}) for polygon in shape["coordinates"] for ring in polygon]
    assert longitudes == [[179.0, 180.0], [-180.0, -179.0]]
    WRITERS["gpkg"](plan, rows[:1], tmp_path / "a.gpkg")
    _, bounds = pyogrio.read_bounds(tmp_path / "a.gpkg")
    np.testing.assert_allclose(bounds[:, 0], [-180, 9, 180, 10])


@pytest.mark.parametrize("kind", WRITERS)
async def test_a_batch_without_rows_is_still_a_file(
    batch: tuple[BatchPlan, list[Row]], tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"none.{kind}"
    WRITERS[kind](batch[0], [], path)
    assert path.exists()


async def test_boxes_are_drawn_where_the_answer_says(
    batch: tuple[BatchPlan, list[Row]], reader: SceneReader, tmp_path: Path
) -> None:
    plan, rows = batch
    boxed = '[{"bbox_2d": [250, 250, 750, 750], "label": "../../island"}]'
    rows[0].completion = completion(boxed)
    path = tmp_path / "boxes.zip"
    await write_box_pictures(plan, rows, reader, path)
    with zipfile.ZipFile(path) as archive:
        (name,) = archive.namelist()
        picture = np.asarray(Image.open(io.BytesIO(archive.read(name)))).astype(int)
    assert name == "00001 foz_do_iguacu_landsat8_uint16.tif r1c1.jpg"
    height, width, _ = picture.shape
    edge = picture[height // 2, width // 4 - 3 : width // 4 + 4]
    assert (np.abs(edge - (255, 214, 10)).sum(axis=1) < 60).any()


async def test_pictures_without_boxes_are_refused_with_what_to_ask_for(
    batch: tuple[BatchPlan, list[Row]], reader: SceneReader, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="boxes as JSON"):
        await write_box_pictures(*batch, reader, tmp_path / "boxes.zip")
