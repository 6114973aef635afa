"""Files that mean harm, or are broken: refused with a sentence, in bounded memory, with nothing else opened."""

import io
import os
import threading
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import ClassVar

import numpy as np
import pytest
import rasterio
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from client.errors import SceneError
from client.imagery import SceneReader, Window
from tests.client.hostile_files import (
    HOSTILE_FILES,
    HostileFile,
    picture_bytes,
    png_bytes,
    raster_bytes,
    tiff_of_directories,
    tiff_of_metadata,
    vrt,
    write_sparse_scene,
)
from tests.client.watching import CAN_WATCH, opened_files

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
]
needs_linux = pytest.mark.skipif(not CAN_WATCH, reason="needs Linux: the kernel has to tell what is opened")


class CountingHandler(BaseRequestHandler):
    """Counts who calls."""

    calls: ClassVar[list[str]]

    def handle(self) -> None:
        self.calls.append(self.request.recv(1024).decode())


@pytest.fixture
def bait() -> Iterator[tuple[str, list[str]]]:
    """The address of a server that nobody should call, and the calls it got."""
    calls: list[str] = []
    handler = type("Handler", (CountingHandler,), {"calls": calls})
    server = ThreadingTCPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", calls
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("hostile", HOSTILE_FILES, ids=lambda hostile: hostile.name)
async def test_a_hostile_file_gets_one_sentence(hostile: HostileFile, reader: SceneReader, tmp_path: Path) -> None:
    path = tmp_path / hostile.name
    path.write_bytes(hostile.build())
    workers = reader.worker_ids
    with pytest.raises(SceneError, match=hostile.sentence):
        await reader.open(path)
    assert reader.worker_ids == workers, "the file should be refused, and not survived"
    assert names_in(tmp_path) == [hostile.name]


@needs_linux
async def test_all_of_them_took_little_memory(reader: SceneReader) -> None:
    assert peak_memory_mib(reader.worker_ids[0]) < 300


async def test_a_small_file_that_unpacks_to_gigabytes_is_refused_before_it_does(
    reader: SceneReader, tmp_path: Path
) -> None:
    write_sparse_scene(tmp_path / "bomb.tif", 100_000)
    with pytest.raises(SceneError, match="unpacks to 30 GB and has no overviews"):
        await reader.open(tmp_path / "bomb.tif")


@needs_linux
async def test_a_raster_opens_neither_its_neighbours_nor_what_they_name(
    reader: SceneReader, tmp_path: Path, bait: tuple[str, list[str]]
) -> None:
    address, calls = bait
    plain = tmp_path / "alone" / "scene.tif"
    baited = tmp_path / "baited" / "scene.tif"
    for path in (plain, baited):
        path.parent.mkdir()
        path.write_bytes(raster_bytes(crs=None))
    source = vrt(f"/vsicurl/{address}/a.tif").decode()
    for suffix in (".aux.xml", ".ovr", ".msk", ".vrt", ".ige", ".xml"):
        baited.with_name(f"scene.tif{suffix}").write_text(f"<PAMDataset>{source}</PAMDataset>")
    for suffix in (".tfw", ".tifw", ".wld", ".tab", ".IMD", ".RPB", ".aux", ".msk", "_RPC.TXT", "_metadata.txt"):
        baited.with_name(f"scene{suffix}").write_text("10\n0\n0\n-10\n500000\n5000000\n")
    with opened_files(baited.parent) as opened:
        scene = await reader.open(baited)
        await reader.picture(scene)
    assert opened == {"scene.tif"}
    assert calls == []
    alone = await reader.open(plain)
    assert (scene.digest, scene.transform, scene.rendering, scene.tags) == (
        alone.digest,
        alone.transform,
        alone.rendering,
        alone.tags,
    )


async def test_a_virtual_raster_reaches_neither_a_file_nor_an_address(
    reader: SceneReader, tmp_path: Path, bait: tuple[str, list[str]]
) -> None:
    address, calls = bait
    for target in (f"/vsicurl/{address}/a.tif", f"{address}/b.tif", str(tmp_path / "secret.tif")):
        (tmp_path / "scene.tif").write_bytes(vrt(target))
        with pytest.raises(SceneError, match="VRT"):
            await reader.open(tmp_path / "scene.tif")
    assert calls == []


async def test_a_jpeg2000_whose_coordinate_system_is_an_address_contacts_nobody(
    reader: SceneReader, tmp_path: Path, bait: tuple[str, list[str]]
) -> None:
    address, calls = bait
    data = raster_bytes(np.zeros((3, 64, 64), np.uint8), driver="JP2OpenJPEG", GMLJP2="YES", GeoJP2="NO")
    name = b"urn:ogc:def:crs:EPSG::32633"
    assert data.count(name) > 0
    (tmp_path / "scene.jp2").write_bytes(data.replace(name, f"{address}/".encode().ljust(len(name), b"a")))
    await reader.open(tmp_path / "scene.jp2")
    assert calls == []


@needs_linux
async def test_a_coordinate_system_that_names_a_grid_file_does_not_have_it_opened(
    reader: SceneReader, tmp_path: Path
) -> None:
    grids = tmp_path / "grids"
    grids.mkdir()
    (grids / "shift.gsb").write_bytes(bytes(400))
    crs = f"+proj=utm +zone=33 +ellps=bessel +nadgrids={grids / 'shift.gsb'} +units=m +no_defs"
    path = tmp_path / "scene.tif"
    path.write_bytes(raster_bytes(crs=rasterio.CRS.from_proj4(crs).to_wkt()))
    with opened_files(grids) as opened:
        await reader.open(path)
    assert opened == set()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
async def test_what_is_hidden_behind_a_picture_is_not_sent(kind: str, reader: SceneReader, tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("<script>.html", "<script>alert(1)</script>")
    path = tmp_path / "scene.png"
    path.write_bytes(picture_bytes(kind, (256, 256)) + archive.getvalue())
    scene = await reader.open(path)
    picture = await reader.picture(scene)
    assert scene.format == kind
    assert b"script" not in picture.data
    assert b"script" not in (await reader.preview(scene)).data


async def test_tags_are_cut_to_what_can_be_shown(reader: SceneReader, tmp_path: Path) -> None:
    path = tmp_path / "scene.tif"
    path.write_bytes(raster_bytes())
    with rasterio.open(path, "r+") as out:
        out.update_tags(**{f"tag_{i}": "x" * 5000 for i in range(500)}, bell="\u202eevil\x07")
    scene = await reader.open(path)
    assert len(scene.tags) <= 40
    assert max(map(len, scene.tags.values())) <= 200
    assert all(value.isprintable() for value in scene.tags.values())


@pytest.mark.parametrize(
    "data",
    [
        tiff_of_directories(20_000),
        tiff_of_metadata(b'<GDALMetadata><Item name="a">' + b"x" * 20_000_000 + b"</Item></GDALMetadata>"),
        tiff_of_metadata(b"<GDALMetadata>" + b"<Item>" * 500_000),
    ],
    ids=["20,000 directories", "20 MB of metadata", "metadata 500,000 deep"],
)
async def test_a_raster_with_too_much_around_it_is_read_in_bounded_memory(
    data: bytes, reader: SceneReader, tmp_path: Path
) -> None:
    (tmp_path / "scene.tif").write_bytes(data)
    workers = reader.worker_ids
    scene = await reader.open(tmp_path / "scene.tif")
    assert (scene.width, scene.height) == (8, 8)
    assert sum(map(len, scene.tags.values())) <= 200
    assert reader.worker_ids == workers


async def test_a_picture_carries_none_of_the_metadata_of_its_file(reader: SceneReader, tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("Comment", "<script>alert(1)</script>")
    Image.new("RGB", (256, 256), "teal").save(tmp_path / "scene.png", pnginfo=info)
    picture = await reader.picture(await reader.open(tmp_path / "scene.png"))
    assert b"script" not in picture.data


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/vsicurl/http://127.0.0.1/a.tif", "a.tif"),
        ("scene\x00\x1b[31m\r\n.tif", "scene[31m.tif"),
        ("exe\u202efit.tif", "exefit.tif"),
        ("\u2028\u2029\u200b", "unnamed"),
        ("", "unnamed"),
        ("..", "unnamed"),
        ("a" * 300 + ".tif", "a" * 40 + "…" + "a" * 35 + ".tif"),
        ("<img src=x onerror=alert(1)>.png", "<img src=x onerror=alert(1)>.png"),
    ],
)
async def test_a_name_is_only_a_name(name: str, shown: str, reader: SceneReader, scenes: Path) -> None:
    scene = await reader.open(scenes / "nile_red_sea.jpg", name=name)
    assert scene.name == shown
    assert scene.path == scenes / "nile_red_sea.jpg"


@needs_linux
async def test_what_is_no_file_is_refused(reader: SceneReader, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tif")
    for path in (tmp_path, tmp_path / "pipe.tif", tmp_path / "missing.tif", Path("/dev/zero")):
        with pytest.raises(SceneError, match="is not there"):
            await reader.open(path)


async def test_a_file_that_takes_too_long_ends_with_a_sentence_and_the_others_feel_nothing(
    tmp_path: Path, scenes: Path
) -> None:
    write_sparse_scene(tmp_path / "slow.tif", 40_000)
    reader = SceneReader(workers=2, timeout_s=600)
    await reader.start()
    ids = set(reader.worker_ids)
    try:
        impatient = SceneReader(workers=1, timeout_s=2.0)
        with pytest.raises(SceneError, match="takes longer than 2 s"):
            await impatient.open(tmp_path / "slow.tif")
        await impatient.close()
        scene = await reader.open(scenes / "nile_red_sea.jpg")
        assert (await reader.picture(scene, window=Window(0, 0, 256, 256))).width == 256
        assert set(reader.worker_ids) == ids
    finally:
        await reader.close()


async def test_a_file_that_takes_too_much_memory_ends_with_a_sentence(tmp_path: Path, scenes: Path) -> None:
    (tmp_path / "large.png").write_bytes(png_bytes(10_000, 10_000, data=packed_zeros(30_000, 10_000)))
    reader = SceneReader(workers=1, memory_mib=256)
    try:
        with pytest.raises(SceneError, match="too much memory"):
            await reader.open(tmp_path / "large.png")
        assert (await reader.open(scenes / "nile_red_sea.jpg")).width == 780
    finally:
        await reader.close()


def packed_zeros(row_bytes: int, rows: int) -> bytes:
    """Returns the rows of a black PNG, compressed."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(row_bytes + 1)) for _ in range(rows)) + packer.flush()


def names_in(folder: Path) -> list[str]:
    """Returns the names of what is in a folder."""
    return [path.name for path in folder.iterdir()]


def peak_memory_mib(pid: int) -> float:
    """Returns the most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
