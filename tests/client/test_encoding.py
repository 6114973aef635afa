"""From pixels to bytes."""

import io

import numpy as np
import pytest
from PIL import Image

from client.encoding import encode
from client.samples import load_samples


def photograph(side: int = 512) -> np.ndarray:
    """Returns a real scene's pixels."""
    sample = next(sample for sample in load_samples() if sample.file == "yellowstone_road.jpg")
    return np.asarray(Image.open(sample.path).convert("RGB").crop((0, 0, side, side)))


def speckle(side: int = 512) -> np.ndarray:
    """Returns noise, which compresses worst."""
    return np.random.default_rng(5).integers(0, 255, (side, side, 3), np.uint8)


def drawing(side: int = 512) -> np.ndarray:
    """Returns a flat ground with thin lines."""
    pixels = np.full((side, side, 3), (90, 110, 70), np.uint8)
    pixels[::40] = (200, 40, 40)
    return pixels


def decode(data: bytes) -> np.ndarray:
    """Returns rows x columns x 3."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_a_drawing_is_sent_as_it_is() -> None:
    data, mime, lossless = encode(drawing())
    assert (mime, lossless) == ("image/png", True)
    assert (decode(data) == drawing()).all()


@pytest.mark.parametrize("picture", [photograph(), speckle()], ids=["photograph", "speckle"])
def test_a_photograph_is_sent_as_jpeg_at_full_colour_resolution(picture: np.ndarray) -> None:
    data, mime, lossless = encode(picture)
    assert (mime, lossless) == ("image/jpeg", False)
    image = Image.open(io.BytesIO(data))
    assert image.format == "JPEG"
    assert [component[1:3] for component in image.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]


def test_a_road_of_one_pixel_survives_with_its_colour() -> None:
    picture = photograph().copy()
    picture[100], picture[:, 300] = (220, 30, 30), (250, 250, 250)
    data, mime, _ = encode(picture)
    seen = decode(data)
    assert mime == "image/jpeg"
    assert np.abs(seen[100, :290] - (220, 30, 30)).mean() < 12
    assert np.abs(seen[110:, 300] - 250).mean() < 12


def test_a_photograph_takes_a_fraction_of_its_png() -> None:
    png = io.BytesIO()
    Image.fromarray(photograph()).save(png, "PNG")
    assert len(encode(photograph())[0]) < 0.45 * len(png.getvalue())


@pytest.mark.parametrize("quality", [60, 75, 90])
def test_a_picture_takes_no_more_bytes_than_its_original(quality: int) -> None:
    original = io.BytesIO()
    Image.fromarray(photograph()).save(original, "JPEG", quality=quality, subsampling=0)
    data, _, _ = encode(decode(original.getvalue()).astype(np.uint8), most_bytes=len(original.getvalue()))
    assert len(data) <= len(original.getvalue())


def test_grey_is_sent_as_one_channel() -> None:
    grey = np.repeat(photograph()[..., :1], 3, axis=2)
    assert Image.open(io.BytesIO(encode(grey)[0])).mode == "L"
    assert len(encode(grey)[0]) < len(encode(photograph())[0])
