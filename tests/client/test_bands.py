"""Which bands are shown as red, green and blue."""

import pytest

from client.bands import band_choices
from client.scene import Band


def bands(*names: str, dtype: str = "uint16", colours: tuple[str, ...] = ()) -> list[Band]:
    """Returns bands of these names."""
    known = dict(enumerate(colours, 1))
    return [Band(i, name or f"Band {i}", dtype, known.get(i, "undefined")) for i, name in enumerate(names, 1)]


SENTINEL2 = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"]
PLANET8 = ["coastal_blue", "blue", "green_i", "green", "yellow", "red", "rededge", "nir"]
WORLDVIEW = ["Coastal Blue", "Blue", "Green", "Yellow", "Red", "Red Edge", "Near Infrared 1", "Near Infrared 2"]


@pytest.mark.parametrize(
    ("found", "natural", "infrared"),
    [
        (bands(*SENTINEL2), (4, 3, 2), (8, 4, 3)),
        (bands("B2", "B3", "B4", "B8"), (3, 2, 1), (4, 3, 2)),
        (bands("B4", "B3", "B2"), (1, 2, 3), None),
        (bands(*(f"SR_B{i}" for i in range(1, 8))), (4, 3, 2), (5, 4, 3)),
        (bands(*(f"SR_B{i}" for i in (1, 2, 3, 4, 5, 7))), (3, 2, 1), (4, 3, 2)),
        (bands(*(f"B{i}" for i in range(1, 12))), (4, 3, 2), (5, 4, 3)),
        (bands("B1", "B2", "B3", "B4", "B5", "B6_VCID_2", "B7", dtype="uint8"), (3, 2, 1), (4, 3, 2)),
        (bands(*PLANET8), (6, 4, 2), (8, 6, 4)),
        (bands(*WORLDVIEW), (5, 3, 2), (7, 5, 3)),
        (bands("nir", "red", "green", "blue"), (2, 3, 4), (1, 2, 3)),
        (bands("Red", "Green", "Blue"), (1, 2, 3), None),
        (bands("", "", ""), (3, 2, 1), None),
        (bands("", "", "", ""), (3, 2, 1), (4, 3, 2)),
        (bands(*[""] * 12), (4, 3, 2), (8, 4, 3)),
        (bands("", "", "", dtype="uint8"), (1, 2, 3), None),
        (bands("", "", "", "", dtype="uint8", colours=("red", "green", "blue", "undefined")), (1, 2, 3), (4, 1, 2)),
        (bands("", "", "", "", dtype="uint8", colours=("red", "green", "blue", "alpha")), (1, 2, 3), None),
        (bands("", "", "", colours=("blue", "green", "red")), (3, 2, 1), None),
        (bands("", "", "", "", colours=("blue", "green", "red", "nir")), (3, 2, 1), (4, 3, 2)),
        (bands(*[""] * 200), (1, 2, 3), None),
    ],
)
def test_true_colour_is_the_default_and_false_colour_follows_where_infrared_is_known(
    found: list[Band], natural: tuple[int, ...], infrared: tuple[int, ...] | None
) -> None:
    choices = band_choices(found)
    assert [choice.name for choice in choices] == ["true colour", "false colour"][: len(choices)]
    assert choices[0].bands == natural
    if infrared is not None:
        assert choices[1].bands == infrared


def test_a_sensor_that_is_named_in_the_tags_decides() -> None:
    plain = bands("B1", "B2", "B3", "B4", "B5", "B6", "B7")
    assert band_choices(plain, "LANDSAT_7")[0].bands == (3, 2, 1)
    assert band_choices(plain, "LC08_L1TP_B1.tif")[0].bands == (4, 3, 2)


@pytest.mark.parametrize("names", [[""], ["VV", "VH"], ["dem"]])
def test_too_few_bands_are_grey(names: list[str]) -> None:
    assert [(choice.name, choice.bands) for choice in band_choices(bands(*names))] == [("grey", (1, 1, 1))]


def test_the_alpha_band_is_never_shown() -> None:
    grey = bands("", "", dtype="uint8", colours=("gray", "alpha"))
    assert band_choices(grey)[0].bands == (1, 1, 1)
