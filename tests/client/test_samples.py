"""The sample scenes: complete, with their rights, and shown as they should be."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assets.draw_scenes import draw_place
from assets.drawing.places import PLACES
from client.imagery import SceneReader
from client.payload import Detail
from client.samples import SCENES_DIR, Sample, Truth, load_samples, load_truth
from tests.client.pictures import decode

SAMPLES = load_samples()
DRAWN = [sample for sample in SAMPLES if sample.is_drawn]


def named(sample: Sample) -> str:
    """Returns the name of a test's sample."""
    return Path(sample.file).name


def test_every_scene_that_ships_is_listed_with_its_rights() -> None:
    shipped = {
        path.relative_to(SCENES_DIR).as_posix() for path in SCENES_DIR.rglob("*") if path.suffix in (".tif", ".jpg")
    }
    assert {sample.file for sample in SAMPLES} == shipped
    rights = (SCENES_DIR / "SCENES.md").read_text()
    assert all(sample.attribution in rights for sample in SAMPLES if not sample.is_drawn)
    assert all(sample.rights and sample.source and sample.prompt and sample.questions for sample in SAMPLES)


def test_no_drawn_scene_is_larger_than_it_need_be() -> None:
    assert all(path.stat().st_size < 300_000 for path in (SCENES_DIR / "drawn").iterdir())


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("sample", SAMPLES, ids=named)
async def test_every_sample_is_shown_with_contrast_and_without_a_cast(sample: Sample, reader: SceneReader) -> None:
    scene = await reader.open(sample.path)
    pixels = decode(await reader.picture(scene, Detail.FAST))
    assert np.percentile(pixels, 98) - np.percentile(pixels, 2) > 90
    assert 40 < pixels.mean() < 215


@pytest.mark.asyncio(loop_scope="module")
async def test_the_landsat_samples_know_their_bands_place_and_resolution(reader: SceneReader, scenes: Path) -> None:
    foz = await reader.open(scenes / "foz_do_iguacu_landsat8_uint16.tif")
    assert (foz.rendering.bands, foz.crs, foz.dtype) == ((3, 2, 1), "EPSG:32621", "uint16")
    assert foz.gsd_m == pytest.approx(30, rel=0.01)
    assert foz.centre_wgs84 == pytest.approx((-54.61, -25.46), abs=0.01)
    lake = await reader.open(scenes / "great_salt_lake_landsat7_7band.tif")
    assert lake.rendering.bands == (3, 2, 1)
    assert "bands 3, 2, 1 as red, green, blue, by the band numbers of Landsat 4 to 7" in lake.decisions
    bay = await reader.open(scenes / "san_francisco_landsat7_false_colour.tif")
    # Metres of web Mercator shrink with the cosine of the latitude.
    assert bay.gsd_m == pytest.approx(30 * np.cos(np.radians(37.77)), rel=0.01)


@pytest.mark.parametrize("sample", DRAWN, ids=named)
def test_a_drawn_scene_agrees_with_its_truth(sample: Sample) -> None:
    truth = load_truth(sample)
    labels = [thing.label for thing in truth.objects]
    assert truth.counts == {label: labels.count(label) for label in labels}
    for thing in truth.objects:
        left, top, right, bottom = thing.pixels
        assert 0 <= left < right <= truth.width
        assert 0 <= top < bottom <= truth.height
    asked = {answer.question: answer.answer for answer in truth.questions}
    assert all(question in asked for question in sample.questions)
    for name in truth.files:
        with Image.open(SCENES_DIR / "drawn" / name) as image:
            assert image.size == (truth.width, truth.height)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.key)
def test_the_program_still_draws_what_ships(place: object) -> None:
    image, truth = draw_place(place)  # type: ignore[arg-type]
    sample = next(sample for sample in DRAWN if sample.truth == f"drawn/{truth['scene']}.json")
    assert Truth.model_validate(truth) == load_truth(sample)
    shipped = np.asarray(Image.open(sample.path.with_suffix(".png")).convert("RGB")).astype(int)
    # Libraries may round a random texture otherwise; what is drawn stays.
    assert np.abs(shipped - np.asarray(image.convert("RGB"))).mean() < 6


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("sample", DRAWN, ids=named)
async def test_a_drawn_geotiff_is_placed_in_open_sea(sample: Sample, reader: SceneReader) -> None:
    scene = await reader.open(sample.path)
    assert scene.gsd_m == pytest.approx(load_truth(sample).gsd_m, rel=0.01)
    assert scene.centre_wgs84 == pytest.approx((-3, 0.36), abs=0.02)
    assert "Drawn by program" in scene.tags["TIFFTAG_IMAGEDESCRIPTION"]


def test_only_a_drawn_scene_has_a_truth() -> None:
    with pytest.raises(ValueError, match="is a photograph"):
        load_truth(SAMPLES[0])
