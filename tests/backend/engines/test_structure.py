"""Lines, objects, tone and colours: what is measured of the picture itself."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from backend.engines.pixels.colours import colour_name
from backend.engines.pixels.land_cover import Cover
from backend.engines.pixels.measurements import measure
from backend.images import NotAnImage
from tests.backend.engines import drawn


@pytest.mark.parametrize("ships", [0, 1, 7, 30])
def test_compact_bright_objects_on_water_are_counted(ships: int) -> None:
    objects = measure(drawn.encoded(drawn.harbour(ships))).objects

    assert (objects.count, objects.on_water) == (ships, ships)


def test_the_least_object_that_is_seen_grows_with_the_image() -> None:
    small, large = (measure(drawn.encoded(drawn.flat(drawn.GRASS, side, side))).objects for side in (500, 4096))

    assert (small.least_side, large.least_side) == (2, 8)


@pytest.mark.parametrize(("angle", "low", "high"), [(0, 80, 100), (90, -10, 10), (45, 125, 145)])
def test_straight_edges_have_the_direction_in_which_they_were_drawn(angle: int, low: float, high: float) -> None:
    stripes = drawn.side_by_side(*[drawn.GRASS, drawn.SOIL] * 5, height=800)
    image = Image.fromarray(stripes).resize((800, 800)).rotate(angle, fillcolor=drawn.GRASS)

    edges = measure(drawn.encoded(np.asarray(image))).edges

    assert edges.count >= 8
    assert edges.orientation_deg is not None
    assert low <= (edges.orientation_deg if edges.orientation_deg < 170 else edges.orientation_deg - 180) <= high


@pytest.mark.parametrize("picture", [drawn.side_by_side(drawn.GRASS), drawn.shaded_meadow()])
def test_a_natural_surface_has_no_straight_edges(picture: drawn.Pixels) -> None:
    assert measure(drawn.encoded(picture)).edges.count == 0


def test_pure_noise_has_no_straight_edges() -> None:
    noise = np.random.default_rng(6).integers(0, 255, (512, 512, 3), dtype=np.uint8)

    assert measure(drawn.encoded(noise)).edges.count == 0


@pytest.mark.parametrize(
    ("lab", "name"),
    [
        ((0, 0, 0), "black"),
        ((100, 0, 0), "white"),
        ((50, 1, 1), "grey"),
        ((20, -20, 15), "dark green"),
        ((50, -35, 30), "green"),
        ((85, -35, 40), "light green"),
        ((42, -17, -13), "turquoise"),
        ((16, 9, -29), "dark blue"),
        ((73, 5, 28), "tan"),
        ((40, 12, 15), "brown"),
        ((53, 80, 67), "red"),
        ((76, 15, 8), "pink"),
    ],
)
def test_colours_have_everyday_names(lab: tuple[float, float, float], name: str) -> None:
    assert colour_name(*lab) == name


def test_dominant_colours_come_with_their_shares() -> None:
    colours = measure(
        drawn.encoded(drawn.side_by_side((20, 30, 160), (20, 30, 160), (20, 30, 160), (40, 160, 40)))
    ).colours

    assert [colour.name for colour in colours] == ["dark blue", "green"]
    assert [colour.share for colour in colours] == pytest.approx([0.75, 0.25], abs=0.02)


def test_brightness_and_contrast_are_the_mean_and_deviation_of_lightness() -> None:
    found = measure(drawn.encoded(drawn.side_by_side((24, 24, 24), (241, 241, 241))))

    assert found.brightness == pytest.approx((8 + 95) / 2, abs=2)
    assert found.contrast == pytest.approx((95 - 8) / 2, abs=2)


@pytest.mark.parametrize(
    ("width", "height"), [(1, 1), (2, 1), (3, 3), (10_000, 8), (8, 10_000), (513, 17), (16, 16), (1024, 1)]
)
def test_any_shape_is_measured(width: int, height: int) -> None:
    noise = np.random.default_rng(7).integers(0, 255, (height, width, 3), dtype=np.uint8)

    found = measure(drawn.encoded(noise))

    assert (found.width, found.height) == (width, height)
    assert sum(share for cover, share in found.shares.items() if cover is not Cover.NO_DATA) == pytest.approx(1)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_any_pixel_format_is_measured(mode: str) -> None:
    picture = Image.fromarray(drawn.side_by_side(drawn.WATER, drawn.GRASS))
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 16)
    out = io.BytesIO()
    if mode == "P":
        picture = picture.quantize(16)
    elif mode != "I;16":
        picture = picture.convert(mode)
    picture.save(out, "JPEG" if mode == "CMYK" else "PNG")

    found = measure(out.getvalue())

    if mode in ("1", "L", "LA", "I;16"):
        assert found.greyscale
    else:
        assert found.share(Cover.WATER) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_any_file_format_of_the_contract_is_measured(kind: str) -> None:
    found = measure(drawn.encoded(drawn.side_by_side(drawn.WATER, drawn.GRASS), kind))

    assert found.share(Cover.VEGETATION) == pytest.approx(0.5, abs=0.05)


def test_a_turned_photograph_has_the_size_that_it_is_shown_with() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    Image.fromarray(drawn.side_by_side(drawn.GRASS, height=300)).save(out, "JPEG", exif=exif)

    found = measure(out.getvalue())

    assert (found.width, found.height) == (300, 400)


def test_a_file_that_was_cut_short_is_refused() -> None:
    data = drawn.scene("nile_red_sea")

    with pytest.raises(NotAnImage, match="cannot be unpacked"):
        measure(data[: len(data) // 2])


def test_sixty_four_megapixels_are_measured() -> None:
    out = io.BytesIO()
    Image.fromarray(drawn.side_by_side(drawn.WATER, drawn.GRASS)).resize((8000, 8000)).save(out, "JPEG")

    found = measure(out.getvalue())

    assert (found.width, found.height) == (8000, 8000)
    assert found.share(Cover.WATER) == pytest.approx(0.5, abs=0.02)
