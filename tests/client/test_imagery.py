"""Opening scenes and drawing them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from client.errors import SceneError
from client.imagery import SceneReader, Window
from client.payload import Detail

SCENES = Path(__file__).parents[2] / "assets" / "scenes"


@pytest.fixture
async def reader() -> AsyncIterator[SceneReader]:
    reader = SceneReader(workers=1)
    yield reader
    await reader.close()


async def test_a_sixteen_bit_scene_knows_where_it_is_and_how_it_is_shown(reader: SceneReader) -> None:
    scene = await reader.open(SCENES / "foz_do_iguacu_landsat8_uint16.tif")
    assert (scene.width, scene.height, scene.dtype, scene.crs) == (512, 512, "uint16", "EPSG:32621")
    assert scene.gsd_m == pytest.approx(30, rel=0.01)
    assert scene.rendering.bands == (3, 2, 1)


async def test_a_picture_of_a_window_has_the_size_of_the_model(reader: SceneReader) -> None:
    scene = await reader.open(SCENES / "yellowstone_road.jpg")
    picture = await reader.picture(scene, Detail.FAST, window=Window(700, 700, 300, 300))
    assert picture.window == Window(700, 700, 100, 100)
    assert (picture.width, picture.height, picture.tokens) == (256, 256, 64)


async def test_a_text_called_tif_is_refused_with_a_sentence(reader: SceneReader, tmp_path: Path) -> None:
    (tmp_path / "scene.tif").write_text("not a raster")
    with pytest.raises(SceneError, match="is text, not a picture"):
        await reader.open(tmp_path / "scene.tif")
