"""What the scene panel is given to show, and what is sent."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import rasterio

from client.imagery import SceneReader, Window
from client.payload import Detail
from client.samples import load_samples
from ui.record import ChosenRendering, RecordedScene
from ui.shelf import SceneShelf, Sizing

SEVEN_BANDS = RecordedScene(sample="great_salt_lake_landsat7_7band")
PLACED = RecordedScene(sample="foz_do_iguacu_landsat8_uint16")
FALSE_COLOUR = {"bands": [4, 3, 2], "stretch": "minmax"}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reader() -> AsyncIterator[SceneReader]:
    reader = SceneReader(workers=1)
    yield reader
    await reader.close()


@pytest.fixture
def shelf(reader: SceneReader, tmp_path: Path) -> SceneShelf:
    return SceneShelf(reader, load_samples(), tmp_path)


def dropped(folder: Path, values: np.ndarray, **tags: str) -> RecordedScene:
    """Returns a scene that was uploaded: bands x rows x columns."""
    path = folder / "dropped.tif"
    bands, height, width = values.shape
    place = rasterio.Affine(10, 0, 500_000, 0, -10, 0)
    with rasterio.open(path, "w", "GTiff", width, height, bands, dtype=values.dtype, transform=place) as file:
        file.write(values)
        file.update_tags(**tags)
    return RecordedScene(upload=str(path), name=path.name)


def value_of(scene: RecordedScene, **changes: Any) -> dict[str, Any]:
    return scene.panel_value | changes


async def test_the_choice_for_the_last_scene_of_the_same_shape_is_taken_again(
    shelf: SceneShelf, tmp_path: Path
) -> None:
    first = await shelf.show(value_of(SEVEN_BANDS, rendering=FALSE_COLOUR), Sizing())
    shape = first["html"].split('data-shape="')[1].split('"')[0]
    remembered = {shape: FALSE_COLOUR}
    again = await shelf.show(value_of(SEVEN_BANDS, remembered=remembered), Sizing())
    assert again["rendering"] == FALSE_COLOUR
    assert "bands 4, 3, 2 as red, green, blue" in again["html"]
    other = dropped(tmp_path, np.zeros((4, 64, 64), np.uint16))
    assert (await shelf.show(value_of(other, remembered=remembered), Sizing()))["rendering"] is None


@pytest.mark.parametrize("junk", [7, {"x": 1}, ["4", "3"]])
async def test_what_was_remembered_wrongly_changes_nothing(shelf: SceneShelf, junk: Any) -> None:
    shown = await shelf.show(value_of(SEVEN_BANDS), Sizing())
    shape = shown["html"].split('data-shape="')[1].split('"')[0]
    for remembered in (junk, {shape: {"bands": "all"}}):
        again = await shelf.show(value_of(SEVEN_BANDS, remembered=remembered), Sizing())
        assert again["rendering"] is None


async def test_the_picture_to_look_at_is_the_one_that_is_sent(shelf: SceneShelf, tmp_path: Path) -> None:
    picture, sent = await shelf.picture(SEVEN_BANDS, Sizing(Detail.FAST))
    assert (tmp_path / sent.file).read_bytes() == picture.data
    shown = await shelf.show(value_of(SEVEN_BANDS), Sizing(Detail.FAST))
    assert f'data-view="gradio_api/file={tmp_path / sent.file}"' in shown["html"]


async def test_an_area_is_sent_at_full_resolution_with_its_footprint(shelf: SceneShelf) -> None:
    window = Window(100, 60, 320, 256)
    whole = (await shelf.picture(PLACED, Sizing()))[1]
    part = (await shelf.picture(PLACED.model_copy(update={"window": window}), Sizing()))[1]
    assert (part.width, part.height, part.window) == (320, 256, window)
    assert part.footprint and whole.footprint
    assert whole.footprint[0][0] < part.footprint[0][0] < part.footprint[2][0] < whole.footprint[2][0]
    assert whole.shows_all and not part.shows_all


async def test_no_more_pixels_are_sent_than_the_service_looks_at(shelf: SceneShelf, tmp_path: Path) -> None:
    large = dropped(tmp_path, np.zeros((1, 1500, 1500), np.uint8))
    _, sent = await shelf.picture(large, Sizing(Detail.FULL, max_pixels=1_000_000))
    assert sent.width * sent.height <= 1_000_000


async def test_a_chip_is_enlarged_only_when_that_is_asked_for(shelf: SceneShelf, tmp_path: Path) -> None:
    chip = dropped(tmp_path, np.zeros((1, 256, 256), np.uint8))
    assert (await shelf.picture(chip, Sizing()))[1].tokens == 64
    assert (await shelf.picture(chip, Sizing(enlarge=True)))[1].tokens == 1024


async def test_a_scene_too_narrow_to_send_is_shown_and_says_what_to_do(shelf: SceneShelf, tmp_path: Path) -> None:
    strip = dropped(tmp_path, np.zeros((1, 4, 2000), np.uint8))
    shown = await shelf.show(value_of(strip), Sizing())
    assert "Select a part of the scene" in shown["html"]
    assert "nd-picture" in shown["html"]
    part = await shelf.show(value_of(strip, window={"x": 0, "y": 0, "width": 400, "height": 4}), Sizing())
    assert "Select a part" not in part["html"]


async def test_tags_and_names_of_a_file_are_shown_as_text(shelf: SceneShelf, tmp_path: Path) -> None:
    scene = dropped(tmp_path, np.zeros((1, 64, 64), np.uint8), NOTE="<script>alert(1)</script>")
    scene = scene.model_copy(update={"name": "<b>x</b>.tif"})
    html = (await shelf.show(value_of(scene), Sizing()))["html"]
    assert "&lt;script&gt;alert(1)" in html
    assert "<script" not in html
    assert "<b>" not in html


@pytest.mark.parametrize("changes", [{"window": {"x": "left"}}, {"rendering": {"bands": [1]}}, {"name": ["a"]}])
async def test_a_value_that_the_page_never_sends_is_refused_with_a_sentence(
    shelf: SceneShelf, changes: dict[str, Any]
) -> None:
    shown = await shelf.show(value_of(PLACED, **changes), Sizing())
    assert shown["source"] is None
    assert "Drop it again" in shown["html"]


async def test_bands_that_a_scene_lacks_are_refused_with_a_sentence(shelf: SceneShelf) -> None:
    rendering = ChosenRendering(bands=(9, 1, 1))
    shown = await shelf.show(PLACED.model_copy(update={"rendering": rendering}).panel_value, Sizing())
    assert "choose from 1 to 3" in shown["html"]


@pytest.mark.parametrize("source", [{"refusal": "The connection broke."}, {"upload": "gone.tif"}])
async def test_a_refused_choice_leaves_the_scene_and_its_area(shelf: SceneShelf, source: dict[str, str]) -> None:
    window = {"x": 8, "y": 8, "width": 64, "height": 64}
    before = await shelf.show(value_of(SEVEN_BANDS, rendering=FALSE_COLOUR, window=window), Sizing())
    after = await shelf.show({"source": source, "name": "x", "kept": before, "turn": 2}, Sizing())
    same = ("source", "name", "rendering", "window", "file", "picture")
    assert [after[key] for key in same] == [before[key] for key in same]
    assert (after["refused"], after["turn"]) == (True, 2)
    assert "data-dismiss" in after["html"] and "nd-picture" in after["html"]


@pytest.mark.parametrize("kept", [None, 7, {}, {"source": {"upload": "gone.tif"}}, {"source": {"sample": 7}}])
async def test_a_refused_choice_without_a_scene_before_it_says_why(shelf: SceneShelf, kept: Any) -> None:
    shown = await shelf.show({"source": {"refusal": "The connection broke."}, "kept": kept}, Sizing())
    assert shown["source"] is None
    assert "The connection broke." in shown["html"]


async def test_a_panel_knows_the_names_of_its_files(shelf: SceneShelf) -> None:
    shown = await shelf.show(value_of(SEVEN_BANDS), Sizing())
    assert shown["file"] == "great_salt_lake_landsat7_7band.tif"
    assert shown["picture"] in ("picture.png", "picture.jpg")
