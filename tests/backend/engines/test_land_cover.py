"""What is measured of pictures with a known truth, and of the sample scenes."""

from __future__ import annotations

import numpy as np
import pytest

from backend.engines.pixels.land_cover import Cover
from backend.engines.pixels.measurements import Measurements, measure
from tests.backend.engines import drawn


def measured(pixels: drawn.Pixels) -> Measurements:
    return measure(drawn.encoded(pixels))


def test_water_and_vegetation_are_shared_out_as_drawn() -> None:
    found = measured(drawn.side_by_side(drawn.WATER, drawn.GRASS))

    assert found.share(Cover.WATER) == pytest.approx(0.5, abs=0.02)
    assert found.share(Cover.VEGETATION) == pytest.approx(0.5, abs=0.02)
    assert found.certain_water == pytest.approx(0.5, abs=0.02)


def test_four_covers_are_shared_out_as_drawn() -> None:
    fields = drawn.side_by_side(drawn.WATER, drawn.GRASS, drawn.SOIL, drawn.SOIL)
    fields[:200] = drawn.town()[:200]

    found = measured(fields)

    assert found.share(Cover.BUILT_UP) == pytest.approx(0.5, abs=0.06)
    assert found.share(Cover.BARE) == pytest.approx(0.25, abs=0.04)
    assert found.share(Cover.WATER) == pytest.approx(0.125, abs=0.03)
    assert found.share(Cover.VEGETATION) == pytest.approx(0.125, abs=0.05)


def test_the_shares_of_what_has_data_add_up_to_one() -> None:
    found = drawn.measured_scene("itaipu_reservoir")

    assert sum(share for cover, share in found.shares.items() if cover is not Cover.NO_DATA) == pytest.approx(1)


def test_shadow_beside_trees_is_not_water() -> None:
    found = measured(drawn.shaded_meadow())

    assert found.share(Cover.WATER) < 0.005
    assert found.share(Cover.SHADOW) > 0.05


def test_a_pale_haze_is_not_water() -> None:
    assert measured(drawn.side_by_side((190, 200, 214), drawn.GRASS)).share(Cover.WATER) == 0


def test_dark_forest_is_vegetation_and_not_water() -> None:
    random = np.random.default_rng(4)
    forest = (np.array((20, 33, 26)) + random.normal(0, 5, (400, 400, 1))).clip(0, 255).astype(np.uint8)

    found = measured(forest)

    assert found.share(Cover.VEGETATION) > 0.8
    assert found.share(Cover.WATER) == 0


@pytest.mark.parametrize(
    ("left", "right", "covers"),
    [
        ((0, 0, 255), (0, 255, 0), (Cover.WATER, Cover.VEGETATION)),
        ((0, 150, 200), (194, 178, 128), (Cover.WATER, Cover.BARE)),
        ((15, 25, 40), (200, 180, 140), (Cover.WATER, Cover.BARE)),
        ((60, 90, 60), (100, 70, 50), (Cover.VEGETATION, Cover.BARE)),
        ((240, 240, 240), (34, 100, 34), (Cover.WHITE, Cover.VEGETATION)),
        ((25, 60, 110), (128, 128, 128), (Cover.WATER, Cover.UNCLASSIFIED)),
    ],
)
def test_plain_halves_get_their_class(
    left: tuple[int, int, int], right: tuple[int, int, int], covers: tuple[Cover, Cover]
) -> None:
    halves = np.concatenate([drawn.flat(left, 200), drawn.flat(right, 200)], axis=1)

    found = measure(drawn.encoded(halves, "JPEG"))

    assert [found.share(cover) for cover in covers] == pytest.approx([0.5, 0.5], abs=0.03)


def test_a_bright_road_through_grass_is_built_up_and_not_cloud() -> None:
    picture = drawn.side_by_side(drawn.GRASS)
    picture[:, 180:205] = drawn.ASPHALT

    found = measured(picture)

    assert found.share(Cover.BUILT_UP) == pytest.approx(25 / 400, abs=0.015)
    assert found.share(Cover.WHITE) < 0.01


def test_transparent_pixels_hold_no_data_and_count_in_no_other_share() -> None:
    picture = np.concatenate([drawn.flat((*drawn.GRASS, 255), 200), drawn.flat((0, 0, 0, 0), 200)], axis=1)
    picture[::2, :200, :3] += 6

    found = measured(picture)

    assert found.share(Cover.NO_DATA) == pytest.approx(0.5, abs=0.01)
    assert found.share(Cover.VEGETATION) == pytest.approx(1.0, abs=0.02)


def test_a_black_border_holds_no_data() -> None:
    picture = drawn.side_by_side(drawn.GRASS)
    picture[:100] = 0

    assert measured(picture).share(Cover.NO_DATA) == pytest.approx(0.25, abs=0.01)


def test_black_water_that_fades_in_is_data() -> None:
    ramp = np.linspace(0, 1, 400)[None, :, None] ** 2 * np.array(drawn.WATER)

    assert measured(np.broadcast_to(ramp, (400, 400, 3)).astype(np.uint8)).share(Cover.NO_DATA) == 0


def test_a_greyscale_picture_has_no_land_cover() -> None:
    found = measured(np.random.default_rng(5).integers(0, 255, (200, 200), dtype=np.uint8))

    assert found.greyscale
    assert found.share(Cover.UNCLASSIFIED) == 1


def test_vegetation_in_false_colour_is_noticed_and_counted() -> None:
    picture = drawn.side_by_side((200, 40, 45), (12, 14, 40))

    found = measured(picture)

    assert found.false_colour
    assert found.share(Cover.VEGETATION) == pytest.approx(0.5, abs=0.03)
    assert found.share(Cover.BARE) < 0.02


def test_red_soil_among_green_fields_is_no_false_colour() -> None:
    assert not measured(drawn.side_by_side((170, 60, 45), drawn.GRASS)).false_colour


SCENES = [
    # What a person sees, in percent: a range per class. Left out is what cannot be told by eye.
    ("foz_do_iguacu_city", {Cover.WATER: (11, 19), Cover.BUILT_UP: (30, 48), Cover.VEGETATION: (26, 42)}),
    ("foz_do_iguacu_city", {Cover.BARE: (2, 10), Cover.WHITE: (0, 3), Cover.NO_DATA: (0, 0)}),
    ("hurricane_miriam", {Cover.WHITE: (50, 68), Cover.WATER: (26, 42), Cover.BUILT_UP: (0, 1)}),
    ("hurricane_miriam", {Cover.VEGETATION: (0.5, 4), Cover.BARE: (0.5, 5), Cover.NO_DATA: (0, 0)}),
    ("itaipu_reservoir", {Cover.WATER: (35, 44), Cover.VEGETATION: (34, 48), Cover.BARE: (6, 16)}),
    ("itaipu_reservoir", {Cover.BUILT_UP: (2, 8), Cover.NO_DATA: (2, 4), Cover.WHITE: (0, 2)}),
    ("nile_red_sea", {Cover.WATER: (15, 21), Cover.BARE: (72, 83), Cover.VEGETATION: (0.8, 6)}),
    ("nile_red_sea", {Cover.BUILT_UP: (0, 0.5), Cover.WHITE: (0, 0.5), Cover.SHADOW: (0, 0.5)}),
    ("salt_lake_ponds", {Cover.WATER: (18, 34), Cover.BARE: (45, 68), Cover.WHITE: (5, 14)}),
    ("salt_lake_ponds", {Cover.VEGETATION: (0, 5), Cover.BUILT_UP: (0, 1.5), Cover.NO_DATA: (0, 0)}),
    ("yellowstone_meadow", {Cover.VEGETATION: (70, 84), Cover.SHADOW: (12, 22), Cover.WATER: (0, 0.5)}),
    ("yellowstone_meadow", {Cover.BUILT_UP: (0, 0.5), Cover.WHITE: (0, 3), Cover.BARE: (0, 5)}),
    ("yellowstone_road", {Cover.VEGETATION: (48, 66), Cover.SHADOW: (22, 36), Cover.WATER: (0, 0.5)}),
    ("yellowstone_road", {Cover.BUILT_UP: (6, 9), Cover.WHITE: (0, 3), Cover.BARE: (0, 3)}),
]


@pytest.mark.parametrize(("name", "expected"), SCENES)
def test_a_sample_scene_measures_what_a_person_sees(name: str, expected: dict[Cover, tuple[float, float]]) -> None:
    found = drawn.measured_scene(name)

    for cover, (low, high) in expected.items():
        assert low <= 100 * found.share(cover) <= high, cover


@pytest.mark.parametrize("name", sorted({name for name, _ in SCENES}))
def test_no_sample_scene_is_taken_for_false_colour_or_greyscale(name: str) -> None:
    found = drawn.measured_scene(name)

    assert (found.false_colour, found.greyscale) == (False, False)


@pytest.mark.parametrize(
    ("name", "certain"),
    [("itaipu_reservoir", True), ("nile_red_sea", True), ("hurricane_miriam", False), ("salt_lake_ponds", False)],
)
def test_only_blue_water_is_certain(name: str, certain: bool) -> None:
    found = drawn.measured_scene(name)

    assert (found.certain_water > 0.5 * found.share(Cover.WATER)) is certain
