"""Every format that analysts have: what is known of it, and that its colours are right."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.warp
from PIL import Image, ImageCms, ImageDraw
from rasterio import Affine
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp, Resampling

from client.imagery import Rendering, Scene, SceneReader, Stretch, Stretching, Window
from client.payload import Detail, Picture
from client.raster import open_raster
from client.sniffing import GEOTIFF
from tests.client.pictures import colours_of, decode, quarters

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning:affine"),
]

UTM = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000)}
RED_GREEN_BLUE_WHITE = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]


def write(path: Path, values: np.ndarray, **profile: object) -> Path:
    """Writes a raster; bands x rows x columns."""
    count, height, width = values.shape
    with rasterio.open(
        path,
        "w",
        **{"driver": "GTiff", "width": width, "height": height, "count": count, "dtype": values.dtype} | profile,
    ) as out:
        out.write(values)
    return path


async def seen(reader: SceneReader, path: Path, rendering: Rendering | None = None) -> tuple[Scene, Picture]:
    """Opens a scene and draws what the model would see."""
    scene = await reader.open(path, rendering=rendering)
    return scene, await reader.picture(scene, Detail.FAST)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tiled": True, "compress": "deflate", "predictor": 2},
        {"compress": "lzw", "interleave": "band"},
        {"compress": "packbits", "interleave": "pixel"},
        {"compress": "zstd", "tiled": True},
        {"compress": "lerc", "tiled": True},
        {"compress": "webp", "tiled": True, "WEBP_LOSSLESS": "YES"},
        {"compress": "jpeg", "photometric": "ycbcr", "tiled": True, "interleave": "pixel"},
        {"BIGTIFF": "YES"},
        {"ENDIANNESS": "BIG"},
        {"driver": "COG", "compress": "deflate"},
        {"driver": "JP2OpenJPEG", "REVERSIBLE": "YES", "QUALITY": "100"},
    ],
    ids=lambda options: " ".join(map(str, options.values())) or "plain",
)
async def test_an_eight_bit_raster_keeps_its_colours(
    options: dict[str, str], reader: SceneReader, tmp_path: Path
) -> None:
    suffix = ".jp2" if options.get("driver") == "JP2OpenJPEG" else ".tif"
    scene, picture = await seen(reader, write(tmp_path / f"scene{suffix}", quarters(256), **UTM | options))
    assert scene.crs == "EPSG:32633"
    assert colours_of(picture) == pytest.approx(np.array(RED_GREEN_BLUE_WHITE), abs=12)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "uint32", "int32", "float32", "float64", "int8"])
async def test_every_number_type_is_stretched_to_what_can_be_seen(
    dtype: str, reader: SceneReader, tmp_path: Path
) -> None:
    low, high = (-100, 100) if dtype in ("int8", "int16", "float32") else (5000, 9000)
    values = np.where(quarters(256) > 0, high, low).astype(dtype)
    scene, picture = await seen(reader, write(tmp_path / "scene.tif", values[::-1], **UTM))
    assert scene.dtype == dtype
    assert "stretched to the 2-98 percentile per band" in scene.decisions
    # Bands in the order of wavelength: blue first.
    assert colours_of(picture) == pytest.approx(np.array(RED_GREEN_BLUE_WHITE), abs=12)


async def test_not_a_number_and_infinity_are_no_data(reader: SceneReader, tmp_path: Path) -> None:
    values = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (3, 256, 1))
    values[:, :64] = np.nan
    values[:, 64:128] = np.inf
    scene, picture = await seen(reader, write(tmp_path / "scene.tif", values, **UTM))
    assert scene.nodata_share == 0.5
    assert "nodata masked: 50 %" in scene.decisions
    assert decode(picture)[:126].max() < 8
    assert decode(picture)[192, 250].min() > 240


async def test_nodata_is_masked_and_transparent_and_does_not_count_in_the_stretch(
    reader: SceneReader, tmp_path: Path
) -> None:
    values = np.random.default_rng(1).integers(7000, 9000, (3, 256, 256)).astype(np.uint16)
    values[:, :, :64] = 0
    scene = await reader.open(write(tmp_path / "scene.tif", values, nodata=0, **UTM))
    assert scene.nodata_share == 0.25
    assert scene.rendering.stretch is not None
    assert scene.rendering.stretch.limits is not None
    assert scene.rendering.stretch.limits[0][0] > 6900
    preview = decode(await reader.preview(scene), "RGBA")
    assert preview[:, :60, 3].max() == 0
    assert preview[:, 70:, 3].min() == 255


async def test_an_alpha_band_and_an_internal_mask_are_masks(reader: SceneReader, tmp_path: Path) -> None:
    values = np.vstack([quarters(256), np.full((1, 256, 256), 255, np.uint8)])
    values[3, :128] = 0
    with_alpha = write(tmp_path / "alpha.tif", values, photometric="rgb", alpha="yes", **UTM)
    masked = tmp_path / "masked.tif"
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(masked, "w", driver="GTiff", width=256, height=256, count=3, dtype="uint8", **UTM) as out,
    ):
        out.write(values[:3])
        out.write_mask(values[3])
    for path in (with_alpha, masked):
        scene = await reader.open(path)
        assert scene.nodata_share == 0.5
        assert scene.rendering.bands == (1, 2, 3)


async def test_a_palette_shows_its_colours_and_averages_them(reader: SceneReader, tmp_path: Path) -> None:
    values = np.indices((3000, 3000)).sum(axis=0)[np.newaxis] % 2
    path = write(tmp_path / "classes.tif", values.astype(np.uint8), **UTM)
    with rasterio.open(path, "r+") as out:
        out.colorinterp = [ColorInterp.palette]
        out.write_colormap(1, {0: (255, 0, 0, 255), 1: (0, 0, 255, 255)})
    _, picture = await seen(reader, path)
    assert colours_of(picture) == pytest.approx(np.array([(127, 0, 127)] * 4), abs=40)


async def test_complex_radar_is_shown_by_its_magnitude(reader: SceneReader, tmp_path: Path) -> None:
    values = np.where(quarters(256)[:1] > 0, 3 + 4j, 0.5j).astype(np.complex64)
    scene, picture = await seen(reader, write(tmp_path / "radar.tif", values))
    assert scene.dtype == "complex64"
    assert colours_of(picture)[:, 0] == pytest.approx([255, 0, 0, 255], abs=12)


async def test_one_bit_is_black_and_white(reader: SceneReader, tmp_path: Path) -> None:
    values = (quarters(256)[:1] > 0).astype(np.uint8)
    rendering = Rendering(stretch=Stretch(Stretching.NONE))
    scene, picture = await seen(reader, write(tmp_path / "mask.tif", values, nbits=1), rendering)
    assert scene.rendering.bands == (1, 1, 1)
    assert colours_of(picture)[:, 0] == pytest.approx([255, 0, 0, 255], abs=3)


async def test_overviews_serve_the_picture_and_the_full_resolution_serves_a_window(
    reader: SceneReader, tmp_path: Path
) -> None:
    path = write(tmp_path / "scene.tif", quarters(4096), tiled=True, compress="deflate", photometric="rgb", **UTM)
    with rasterio.open(path, "r+") as out:
        out.build_overviews([2, 4], Resampling.average)
    scene, picture = await seen(reader, path)
    assert (picture.width, picture.height) == (1024, 1024)
    assert colours_of(picture) == pytest.approx(np.array(RED_GREEN_BLUE_WHITE), abs=3)
    part = await reader.picture(scene, window=Window(2048 - 128, 2048 - 128, 256, 256))
    assert colours_of(part) == pytest.approx(np.array(RED_GREEN_BLUE_WHITE), abs=3)
    assert part.lossless


async def test_a_preview_of_samples_looks_like_one_of_all_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(1).normal(1000, 50, (3, 900, 900)).astype(np.float32) + quarters(900) * 4
    values[:, :300] = -9999
    path = write(tmp_path / "scene.tif", values, nodata=-9999, **UTM)
    monkeypatch.setattr("client.raster.SAMPLED_BYTES", 0)
    with open_raster(path, GEOTIFF) as raster:
        whole = Window(0, 0, 900, 900)
        sampled, sampled_valid = raster.read((1, 2, 3), whole, 100, 100, sampled=True)
        averaged, averaged_valid = raster.read((1, 2, 3), whole, 100, 100)
    assert np.abs(sampled - averaged)[:, 34:].mean() < 20
    assert (sampled_valid != averaged_valid).sum() <= 100
    assert not sampled_valid[:33].any()


async def test_a_rotated_raster_knows_its_corners(reader: SceneReader, tmp_path: Path) -> None:
    place = Affine(7, 7, 500_000, 7, -7, 5_000_000)
    scene = await reader.open(write(tmp_path / "s.tif", quarters(100), crs="EPSG:32633", transform=place))
    assert scene.gsd_m == pytest.approx(9.9, rel=0.01)
    lons, lats = rasterio.warp.transform(
        "EPSG:32633", "EPSG:4326", [500_000, 500_700, 501_400, 500_700], [5_000_000, 5_000_700, 5_000_000, 4_999_300]
    )
    assert scene.footprint_wgs84 is not None
    assert np.array(scene.footprint_wgs84) == pytest.approx(np.column_stack([lons, lats]), abs=1e-7)


async def test_ground_control_points_place_a_raster(reader: SceneReader, tmp_path: Path) -> None:
    path = write(tmp_path / "s.tif", quarters(100))
    points = [
        GroundControlPoint(row, column, 10 + column * 1e-4, 50 - row * 1e-4)
        for row, column in [(0, 0), (0, 100), (100, 0), (100, 100)]
    ]
    with rasterio.open(path, "r+") as out:
        out.gcps = points, rasterio.CRS.from_epsg(4326)
    scene = await reader.open(path)
    assert scene.centre_wgs84 == pytest.approx((10.005, 49.995), abs=1e-6)


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:3857", "EPSG:4326", "EPSG:3035", "EPSG:3031"])
async def test_positions_between_the_lattice_are_right_to_a_fraction_of_a_pixel(
    crs: str, reader: SceneReader, tmp_path: Path
) -> None:
    step = 0.001 if crs == "EPSG:4326" else 100
    x, y = {"EPSG:32633": (5e5, 5e6), "EPSG:3857": (1e6, 6e6), "EPSG:4326": (11, 48), "EPSG:3035": (4e6, 3e6)}.get(
        crs, (-1e6, 1e6)
    )
    scene = await reader.open(
        write(tmp_path / "s.tif", quarters(1000), crs=crs, transform=Affine(step, 0, x, 0, -step, y))
    )
    pixels = np.random.default_rng(1).uniform(0, 1000, (50, 2))
    lons, lats = rasterio.warp.transform(crs, "EPSG:4326", x + pixels[:, 0] * step, y - pixels[:, 1] * step)
    assert scene.gsd_m is not None
    for (column, row), lon, lat in zip(pixels, lons, lats, strict=True):
        there = scene.locate(column, row)
        assert there is not None
        off = np.hypot((there[0] - lon) * np.cos(np.radians(lat)), there[1] - lat) * 111_195
        assert off < 0.5 * scene.gsd_m


async def test_a_scene_over_the_date_line_keeps_its_corners_together(reader: SceneReader, tmp_path: Path) -> None:
    path = write(tmp_path / "s.tif", quarters(100), crs="EPSG:32601", transform=Affine(1000, 0, 1.2e5, 0, -1000, 2e6))
    scene = await reader.open(path)
    assert scene.footprint_wgs84 is not None
    lons = [lon for lon, _ in scene.footprint_wgs84]
    assert max(lons) - min(lons) < 2
    world = write(tmp_path / "w.tif", quarters(360), crs="EPSG:4326", transform=Affine(1, 0, -180, 0, -0.5, 90))
    whole = (await reader.open(world)).footprint_wgs84
    assert whole is not None
    assert [lon for lon, _ in whole] == pytest.approx([-180, 180, 180, -180])


async def test_tags_tell_when_a_scene_was_taken(reader: SceneReader, tmp_path: Path) -> None:
    path = write(tmp_path / "s.tif", quarters(64), **UTM)
    with rasterio.open(path, "r+") as out:
        out.update_tags(TIFFTAG_DATETIME="2024:05:06 07:08:09", SATELLITE="Sentinel-2B")
    scene = await reader.open(path)
    assert scene.acquired == "2024:05:06 07:08:09"
    assert scene.tags["SATELLITE"] == "Sentinel-2B"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF"])
async def test_a_picture_is_known_by_its_bytes_whatever_its_name(
    kind: str, reader: SceneReader, tmp_path: Path
) -> None:
    path = tmp_path / "scene.xyz"
    Image.fromarray(np.moveaxis(quarters(256), 0, -1)).save(path, kind)
    scene, picture = await seen(reader, path)
    assert scene.format.upper().removeprefix("GEO") == kind
    assert colours_of(picture) == pytest.approx(np.array(RED_GREEN_BLUE_WHITE), abs=12)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F"])
async def test_every_colour_mode_is_shown(mode: str, reader: SceneReader, tmp_path: Path) -> None:
    image = Image.new("L", (256, 256), 0)
    ImageDraw.Draw(image).rectangle((0, 0, 127, 255), fill=255)
    kind = {"CMYK": "JPEG", "F": "TIFF"}.get(mode, "PNG")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 100 + 1000)
    elif mode == "CMYK":
        image = image.convert("RGB").convert("CMYK")
    else:
        image = image.convert(mode)
    image.save(tmp_path / "scene", kind)
    _, picture = await seen(reader, tmp_path / "scene")
    assert colours_of(picture)[:, 0] == pytest.approx([255, 0, 255, 0], abs=12)


async def test_a_sixteen_bit_colour_png_is_not_black(reader: SceneReader, tmp_path: Path) -> None:
    values = quarters(256).astype(np.uint16) * 4 + 300
    path = write(tmp_path / "scene.png", values, driver="PNG")
    scene, picture = await seen(reader, path)
    assert (scene.format, scene.dtype) == ("PNG", "uint16")
    assert colours_of(picture) == pytest.approx(np.array(RED_GREEN_BLUE_WHITE), abs=12)


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_a_photograph_is_turned_the_right_way_up(orientation: int, reader: SceneReader, tmp_path: Path) -> None:
    upright = Image.fromarray(np.moveaxis(quarters(256), 0, -1)).crop((0, 0, 256, 192)).resize((512, 256))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "photo.jpg", exif=exif, quality=95)
    scene, picture = await seen(reader, tmp_path / "photo.jpg")
    assert (scene.width, scene.height) == (512, 256)
    corners = decode(picture)[[10, 10], [10, -10]]
    assert corners == pytest.approx(np.array(RED_GREEN_BLUE_WHITE[:2]), abs=20)
    part = await reader.picture(scene, window=Window(256, 0, 256, 128))
    assert decode(part)[10, -10] == pytest.approx(np.array(RED_GREEN_BLUE_WHITE[1]), abs=20)


async def test_a_photograph_tells_when_and_where_it_was_taken(reader: SceneReader, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0110] = "Camera <b>9</b>"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    exif.get_ifd(0x8825).update({1: "S", 2: (25.0, 30.0, 0.0), 3: "W", 4: (54.0, 36.0, 36.0)})
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.jpg", exif=exif)
    scene = await reader.open(tmp_path / "photo.jpg")
    assert scene.acquired == "2024:05:06 07:08:09"
    assert scene.centre_wgs84 == pytest.approx((-54.61, -25.5))
    assert scene.tags["Model"] == "Camera <b>9</b>"
    assert scene.crs is None


async def test_the_first_frame_of_an_animation_is_the_scene(reader: SceneReader, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (256, 256), colour) for colour in ("red", "blue", "lime")]
    for kind in ("GIF", "WEBP"):
        frames[0].save(tmp_path / kind, kind, save_all=True, append_images=frames[1:])
        _, picture = await seen(reader, tmp_path / kind)
        assert colours_of(picture)[0] == pytest.approx([255, 0, 0], abs=4)


async def test_a_colour_profile_does_no_harm(reader: SceneReader, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (256, 256), (200, 100, 50)).save(tmp_path / "photo.jpg", icc_profile=profile, quality=95)
    _, picture = await seen(reader, tmp_path / "photo.jpg")
    assert colours_of(picture)[0] == pytest.approx([200, 100, 50], abs=4)
