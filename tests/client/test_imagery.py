"""Opening scenes and drawing them, in processes of their own."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from client.bands import scene_choices
from client.errors import SceneError
from client.imagery import Rendering, SceneReader, Stretch, Stretching, Window
from client.payload import Detail, model_size
from client.workers import ROOT
from tests.client.hostile_files import write_sparse_scene
from tests.client.pictures import decode

pytestmark = pytest.mark.asyncio(loop_scope="module")
needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux: reads /proc")


@pytest.fixture
def foz(scenes: Path) -> Path:
    """A 16-bit scene of three bands."""
    return scenes / "foz_do_iguacu_landsat8_uint16.tif"


async def test_bands_and_stretch_can_be_chosen_and_the_choice_serves_the_next_scene(
    reader: SceneReader, scenes: Path, foz: Path
) -> None:
    lake = scenes / "great_salt_lake_landsat7_7band.tif"
    scene = await reader.open(lake)
    false_colour = scene_choices(scene)[1]
    assert false_colour.name == "false colour"
    chosen = Rendering(false_colour.bands, Stretch(Stretching.MINMAX))
    shown = await reader.open(lake, rendering=chosen)
    assert shown.rendering.bands == (4, 3, 2)
    assert shown.decisions == (
        "bands 4, 3, 2 as red, green, blue, as chosen",
        "stretched from the lowest to the highest value per band",
    )
    assert shown.rendering.choice == chosen
    assert (await reader.preview(shown)).data != (await reader.preview(scene)).data
    assert shown.shape == scene.shape != (await reader.open(foz)).shape


async def test_a_band_that_is_not_there_cannot_be_chosen(reader: SceneReader, foz: Path) -> None:
    with pytest.raises(SceneError, match="has 3 bands; choose from 1 to 3"):
        await reader.open(foz, rendering=Rendering((1, 2, 4)))


async def test_a_window_is_stretched_like_the_whole(reader: SceneReader, foz: Path) -> None:
    scene = await reader.open(foz)
    whole = decode(await reader.picture(scene))
    part = decode(await reader.picture(scene, window=Window(0, 0, 256, 256)))
    assert np.abs(whole[:256, :256] - part).mean() < 6


async def test_a_window_is_cut_to_the_scene(reader: SceneReader, foz: Path) -> None:
    scene = await reader.open(foz)
    picture = await reader.picture(scene, window=Window(400, -50, 300, 300))
    assert picture.window == Window(400, 0, 112, 250)


@pytest.mark.parametrize("detail", list(Detail))
async def test_a_picture_has_exactly_the_size_of_the_model(detail: Detail, reader: SceneReader, scenes: Path) -> None:
    scene = await reader.open(scenes / "hurricane_miriam.jpg")
    picture = await reader.picture(scene, detail, enlarge=True)
    assert (picture.width, picture.height) == decode(picture).shape[1::-1]
    assert model_size(picture.width, picture.height) == (picture.width, picture.height)
    assert picture.width * picture.height <= detail.max_pixels


async def test_what_a_service_would_throw_away_is_not_sent(reader: SceneReader, scenes: Path) -> None:
    scene = await reader.open(scenes / "yellowstone_road.jpg")
    picture = await reader.picture(scene, Detail.FULL, max_pixels=256 * 256)
    assert (picture.width, picture.height) == (256, 256)


async def test_a_photograph_of_the_right_size_is_not_compressed_twice(reader: SceneReader, scenes: Path) -> None:
    path = scenes / "itaipu_reservoir.jpg"
    picture = await reader.picture(await reader.open(path))
    assert len(picture.data) <= path.stat().st_size
    with Image.open(path) as original:
        assert np.abs(decode(picture) - np.asarray(original)).mean() < 0.5


async def test_previews_and_thumbnails_are_small_webp(reader: SceneReader, scenes: Path) -> None:
    scene = await reader.open(scenes / "yellowstone_road.jpg")
    preview, small, thumbnail = (
        await reader.preview(scene),
        await reader.preview(scene, max_side=200),
        await reader.thumbnail(scene),
    )
    assert (preview.width, small.width, thumbnail.width) == (800, 200, 128)
    assert all(picture.data[8:12] == b"WEBP" for picture in (preview, small, thumbnail))
    assert len(thumbnail.data) < 6000


async def test_a_scene_whose_file_is_gone_says_so(reader: SceneReader, scenes: Path, tmp_path: Path) -> None:
    path = tmp_path / "scene.jpg"
    path.write_bytes((scenes / "nile_red_sea.jpg").read_bytes())
    scene = await reader.open(path)
    path.unlink()
    with pytest.raises(SceneError, match="is not there any more"):
        await reader.picture(scene)


async def test_the_same_bytes_have_the_same_digest_whatever_their_name(
    reader: SceneReader, scenes: Path, tmp_path: Path
) -> None:
    path = tmp_path / "copy.bin"
    path.write_bytes((scenes / "nile_red_sea.jpg").read_bytes())
    assert (await reader.open(path)).digest == (await reader.open(scenes / "nile_red_sea.jpg")).digest


async def test_many_scenes_may_be_opened_at_once(reader: SceneReader, scenes: Path) -> None:
    paths = [scenes / name for name in ("nile_red_sea.jpg", "yellowstone_road.jpg", "hurricane_miriam.jpg")]
    opened = await asyncio.gather(*(reader.open(path) for path in paths))
    assert [scene.path for scene in opened] == paths


async def test_a_caller_that_gives_up_frees_the_worker(scenes: Path, tmp_path: Path) -> None:
    write_sparse_scene(tmp_path / "slow.tif", 40_000)
    reader = SceneReader(workers=1)
    try:
        await reader.open(scenes / "nile_red_sea.jpg")
        workers = reader.worker_ids
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.open(tmp_path / "slow.tif"), timeout=1)
        assert reader.worker_ids != workers
        assert (await reader.open(scenes / "nile_red_sea.jpg")).width == 780
    finally:
        await reader.close()


@needs_linux
async def test_a_worker_that_dies_is_replaced(scenes: Path) -> None:
    reader = SceneReader(workers=1)
    try:
        await reader.open(scenes / "nile_red_sea.jpg")
        os.kill(reader.worker_ids[0], 9)
        with pytest.raises(SceneError, match="broke its decoder"):
            await reader.open(scenes / "nile_red_sea.jpg")
        assert (await reader.open(scenes / "nile_red_sea.jpg")).width == 780
    finally:
        await reader.close()


@needs_linux
async def test_a_worker_has_neither_secrets_nor_the_right_to_write_nor_the_network(
    scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODAL_SECRET", "as-12345")
    reader = SceneReader(workers=1, memory_mib=700)
    try:
        await reader.open(scenes / "nile_red_sea.jpg")
        process = Path(f"/proc/{reader.worker_ids[0]}")
        environment, limits, network = await asyncio.to_thread(_facts_of, process)
        assert "MODAL_SECRET" not in environment
        assert limits["Max file size"] == "0"
        assert limits["Max data size"] == str(700 * 1024 * 1024)
        skipped = set(environment["GDAL_SKIP"].split(","))
        assert {"VRT", "HTTP", "WMS", "PDF", "netCDF"} <= skipped
        assert not {"GTiff", "JP2OpenJPEG", "PNG"} & skipped
        if _may_leave_network():
            assert network != _network(Path("/proc/self"))
    finally:
        await reader.close()


@needs_linux
async def test_closing_leaves_no_process_behind(scenes: Path) -> None:
    reader = SceneReader(workers=2)
    await reader.start()
    await reader.open(scenes / "nile_red_sea.jpg")
    workers = reader.worker_ids
    assert len(workers) == 2
    await reader.close()
    assert reader.worker_ids == []
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


def _facts_of(process: Path) -> tuple[dict[str, str], dict[str, str], Path]:
    """Returns the environment, the limits and the network of a process."""
    variables = (process / "environ").read_text().split("\0")
    limits = (process / "limits").read_text().splitlines()[1:]
    return (
        dict(variable.split("=", 1) for variable in variables if variable),
        {line[:26].strip(): line[26:].split()[0] for line in limits},
        _network(process),
    )


def _network(process: Path) -> Path:
    return (process / "ns" / "net").readlink()


def _may_leave_network() -> bool:
    """Whether this kernel lets a process leave the network; many containers do not."""
    code = "from client.confinement import leave_network; exit(not leave_network())"
    return subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
