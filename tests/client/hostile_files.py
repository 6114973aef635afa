"""Files that mean harm, or are simply broken, built by program: each with the sentence that a person is to read."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import sqlite3
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio import Affine

DAMAGED = "is damaged or cut off"
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class HostileFile:
    """A file to be refused."""

    name: str
    build: Callable[[], bytes]
    sentence: str
    """What the refusal must say, as a regular expression."""


def picture_bytes(kind: str, size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: object) -> bytes:
    """Returns a sound picture."""
    rng = np.random.default_rng(1)
    channels = {"RGB": (size[1], size[0], 3), "L": (size[1], size[0])}[mode]
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, channels, np.uint8)).save(buffer, kind, **options)
    return buffer.getvalue()


def raster_bytes(
    values: np.ndarray | None = None, *, driver: str = "GTiff", crs: str | None = "EPSG:32633", **options: object
) -> bytes:
    """Returns a sound raster."""
    if values is None:
        values = np.random.default_rng(2).integers(0, 10_000, (3, 64, 64)).astype(np.uint16)
    place = {"crs": crs, "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000)} if crs else {}
    count, height, width = values.shape
    with rasterio.MemoryFile(ext={"GTiff": ".tif", "JP2OpenJPEG": ".jp2"}[driver]) as memory:
        with memory.open(
            driver=driver, width=width, height=height, count=count, dtype=values.dtype, **place, **options
        ) as out:
            out.write(values)
        return memory.read()


def tiff_bytes(entries: dict[int, tuple[int, int, int]], *, tail: bytes = b"", next_ifd: int = 0) -> bytes:
    """Returns a little-endian TIFF of one directory: tag -> (type, count, value or offset)."""
    rows = b"".join(struct.pack("<HHII", tag, *entry) for tag, entry in sorted(entries.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + rows + struct.pack("<I", next_ifd) + tail


def plain_tiff(width: int, height: int, **changes: tuple[int, int, int]) -> bytes:
    """Returns a grey TIFF of one strip whose head says whatever is asked for."""
    entries = {
        256: (4, 1, width),
        257: (4, 1, height),
        258: (3, 1, 8),
        259: (3, 1, 1),
        262: (3, 1, 1),
        273: (4, 1, 200),
        277: (3, 1, 1),
        278: (4, 1, height),
        279: (4, 1, width * height & 0xFFFFFFFF),
    }
    entries |= {int(tag[1:]): entry for tag, entry in changes.items()}
    return tiff_bytes(entries, tail=bytes(512))


def tiled_tiff(side: int) -> bytes:
    """Returns a grey TIFF whose head says that it has tiles of this side."""
    tiles = {322: (4, 1, side), 323: (4, 1, side), 324: (4, 1, 200), 325: (4, 1, 64)}
    return plain_tiff(64, 64, **{f"t{tag}": entry for tag, entry in tiles.items()})


def png_bytes(
    width: int, height: int, depth: int = 8, *, data: bytes | None = None, extra: bytes = b"", colour: int = 2
) -> bytes:
    """Returns a PNG whose head may lie about its data."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = zlib.compress(bytes(1000)) if data is None else data
    return PNG_MAGIC + chunk(b"IHDR", head) + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    """Returns a PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def cut(data: bytes, share: float = 0.5) -> bytes:
    """Returns the beginning of a file."""
    return data[: int(len(data) * share)]


def zip_bytes(name: str, data: bytes) -> bytes:
    """Returns a ZIP archive with one member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def tar_bytes() -> bytes:
    """Returns a TAR archive whose member wants to be written outside."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../../etc/cron.d/scene.tif"))
    return buffer.getvalue()


def database_bytes() -> bytes:
    """Returns an SQLite database."""
    with sqlite3.connect(":memory:") as connection:
        connection.execute("create table gpkg_contents (table_name text)")
        data = connection.serialize()
    connection.close()
    return data


def array_bytes() -> bytes:
    """Returns a numpy array of objects, which is a pickle inside."""
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


class Exploit:
    """What a pickle runs when it is opened."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return (eval, ("__import__('pathlib').Path('opened').touch()",))


def jpeg_of_size(width: int, height: int) -> bytes:
    """Returns a JPEG whose head says another size than its data has."""
    data = bytearray(picture_bytes("JPEG"))
    start = data.index(b"\xff\xc0") + 5
    data[start : start + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def jpeg_of_scans(count: int) -> bytes:
    """Returns a progressive JPEG whose last scan is repeated."""
    data = picture_bytes("JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def tiff_of_directories(count: int) -> bytes:
    """Returns a TIFF with this many pictures in it."""
    one = plain_tiff(8, 8)[8 : -512 - 4]
    starts = [8 + i * (len(one) + 4) for i in range(1, count)]
    return (
        b"II*\0" + struct.pack("<I", 8) + b"".join(one + struct.pack("<I", start) for start in [*starts, 0]) + bytes(64)
    )


def tiff_of_metadata(xml: bytes) -> bytes:
    """Returns a TIFF with this as GDAL's metadata."""
    return plain_tiff(8, 8, t42112=(2, len(xml), 1024)).ljust(1024, b"\0") + xml


def gif_of_size(width: int, height: int) -> bytes:
    """Returns a GIF whose canvas and frame say another size than their data has."""
    data = bytearray(picture_bytes("GIF"))
    data[6:10] = struct.pack("<HH", width, height)
    frame = data.index(b"\x2c", 13)
    data[frame + 5 : frame + 9] = struct.pack("<HH", width, height)
    return bytes(data)


def bmp_of_size(width: int, height: int) -> bytes:
    """Returns a BMP whose head says another size than its data has."""
    data = bytearray(picture_bytes("BMP"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def webp_of_size(width: int, height: int) -> bytes:
    """Returns an extended WebP with a canvas of this size and nothing on it."""
    side = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + side
    return b"RIFF" + struct.pack("<I", len(body)) + body


def codestream_of_size(width: int, height: int, components: int = 3) -> bytes:
    """Returns a JPEG 2000 codestream whose head says this size."""
    data = bytearray(raster_bytes(np.zeros((3, 64, 64), np.uint8), driver="JP2OpenJPEG", crs=None))
    start = data.index(b"\xff\x4f\xff\x51") + 4
    struct.pack_into(">II", data, start + 4, width, height)
    struct.pack_into(">H", data, start + 36, components)
    return bytes(data[start - 4 :])


def scrambled(data: bytes, start: int = 300) -> bytes:
    """Returns a file whose head is sound and whose body is noise."""
    rng = np.random.default_rng(3)
    return data[:start] + rng.integers(0, 255, max(0, len(data) - start), np.uint8).tobytes()


def compressed_raster(compress: str) -> bytes:
    """Returns a GeoTIFF whose compressed blocks are noise; its directories stand before them."""
    values = np.random.default_rng(4).integers(0, 255, (3, 256, 256)).astype(np.uint8)
    return scrambled(raster_bytes(values, compress=compress, COPY_SRC_OVERVIEWS="NO"), 1500)


def vrt(source: str) -> bytes:
    """Returns a virtual raster that points somewhere else."""
    return (
        '<VRTDataset rasterXSize="64" rasterYSize="64"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f'<SourceFilename relativeToVRT="0">{source}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>'
    ).encode()


BILLION_LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">'
    + b"".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">'.encode() for i in range(9))
    + b"]><l>&j;</l>"
)
WMS = b'<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1:9/${z}/${x}/${y}</ServerUrl></Service></GDAL_WMS>'
ENTITY_SVG = b'\n <!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg><text>&x;</text></svg>'

NOT_PICTURES = [
    HostileFile("empty.tif", lambda: b"", "The file is empty"),
    HostileFile("one_byte.png", lambda: b"\x89", "no image that can be recognised"),
    HostileFile("noise.jpg", lambda: scrambled(b"", 0) + b"\x01\x02" * 500, "no image that can be recognised"),
    HostileFile("zeros.tif", lambda: bytes(1_000_000), "no image that can be recognised"),
    HostileFile("text.tif", lambda: b"II* is how it begins\n", "is text, not a picture"),
    HostileFile("script.png", lambda: b"#!/bin/sh\nrm -rf /\n", "is text, not a picture"),
    HostileFile("page.jpg", lambda: b"<html><script>alert(1)</script></html>", "is a web page"),
    HostileFile("doctype.gif", lambda: b"\xef\xbb\xbf\n<!DOCTYPE html><body>", "is a web page"),
    HostileFile("drawing.png", lambda: b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>", "is an SVG drawing"),
    HostileFile("entity.png", lambda: ENTITY_SVG, "is an SVG drawing"),
    HostileFile("laughs.tif", lambda: BILLION_LAUGHS, "is an XML document"),
    HostileFile("password.tif", lambda: vrt("/etc/passwd"), "is a VRT, which points to other files"),
    HostileFile("url.tif", lambda: vrt("/vsicurl/http://127.0.0.1:9/a.tif"), "is a VRT, which points to other files"),
    HostileFile("wms.tif", lambda: WMS, "is a description of a map service"),
    HostileFile("places.tif", lambda: b"<?xml version='1.0'?><kml/>", "is a KML file"),
    HostileFile("stac.tif", lambda: json.dumps({"assets": {"a": {"href": "http://127.0.0.1:9"}}}).encode(), "is JSON"),
    HostileFile("document.tif", lambda: b"%PDF-1.7\n1 0 obj\n", "is a PDF document"),
    HostileFile("archive.tif", lambda: zip_bytes("scene.tif", raster_bytes()), "is a ZIP archive"),
    HostileFile("bomb.tif", lambda: zip_bytes("0.zip", zip_bytes("1", bytes(10**7))), "is a ZIP archive"),
    HostileFile("scene.tif.gz.tif", lambda: gzip.compress(raster_bytes()), "is a gzip archive"),
    HostileFile("tape.tif", tar_bytes, "is a TAR archive"),
    HostileFile("seven.tif", lambda: b"7z\xbc\xaf\x27\x1c\0\4" + bytes(64), "is a 7-Zip archive"),
    HostileFile("pickle.tif", lambda: pickle.dumps(Exploit()), "is a Python pickle"),
    HostileFile("array.tif", array_bytes, "is a numpy array"),
    HostileFile("program.tif", lambda: b"\x7fELF\2\1\1" + bytes(64), "is a program"),
    HostileFile("cube.tif", lambda: b"\x89HDF\r\n\x1a\n" + bytes(64), "is an HDF5 or NetCDF file"),
    HostileFile("classic.tif", lambda: b"CDF\1" + bytes(64), "is a NetCDF file"),
    HostileFile("military.tif", lambda: b"NITF02.10" + bytes(512), "is a NITF file"),
    HostileFile("database.tif", database_bytes, "is an SQLite or GeoPackage database"),
    HostileFile("phone.jpg", lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is a HEIC photograph"),
    HostileFile("film.jpg", lambda: b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "is a video"),
]
"""What is no picture at all, under the names of pictures."""

BROKEN_PICTURES = [
    HostileFile("cut.jpg", lambda: cut(picture_bytes("JPEG")), f"The JPEG file {DAMAGED}"),
    HostileFile("no_scan.jpg", lambda: b"\xff\xd8\xff\xd9", f"The JPEG file {DAMAGED}"),
    HostileFile("huge.jpg", lambda: jpeg_of_size(65_500, 65_500), "65,500 x 65,500 pixels; this format is read up to"),
    HostileFile("lying.jpg", lambda: jpeg_of_size(9000, 9000), f"The JPEG file {DAMAGED}"),
    HostileFile("scans.jpg", lambda: jpeg_of_scans(3000), "scans; up to 100 are read"),
    HostileFile("cut.png", lambda: cut(picture_bytes("PNG")), f"The PNG file {DAMAGED}"),
    HostileFile("magic_only.png", lambda: PNG_MAGIC, f"The PNG file {DAMAGED}"),
    HostileFile("huge.png", lambda: png_bytes(200_000, 200_000), "200,000 x 200,000 pixels; this format is read up to"),
    HostileFile("lying.png", lambda: png_bytes(8000, 8000), f"The PNG file {DAMAGED}"),
    HostileFile("no_width.png", lambda: png_bytes(0, 10), f"The PNG file {DAMAGED}|has no pixels"),
    HostileFile("bad_depth.png", lambda: png_bytes(8, 8, 7), f"The PNG file {DAMAGED}"),
    HostileFile(
        "text_bomb.png",
        lambda: png_bytes(8, 8, extra=chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50_000_000), 9))),
        f"The PNG file {DAMAGED}",
    ),
    HostileFile(
        "profile_bomb.png",
        lambda: png_bytes(8, 8, extra=chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(50_000_000), 9)), data=b""),
        f"The PNG file {DAMAGED}",
    ),
    HostileFile("deep_lying.png", lambda: png_bytes(5000, 5000, 16), f"The PNG file {DAMAGED}"),
    HostileFile("deep_huge.png", lambda: png_bytes(1_000_000, 1_000_000, 16), f"{DAMAGED}|sides are read up to"),
    HostileFile("huge.gif", lambda: gif_of_size(65_535, 65_535), "this format is read up to"),
    HostileFile("lying.gif", lambda: cut(picture_bytes("GIF", (200, 200)), 0.6), f"The GIF file {DAMAGED}"),
    HostileFile("script.gif", lambda: b"GIF89a/*" + b"*/=1;alert(1);" * 20, f"{DAMAGED}|this format is read up to"),
    HostileFile("no_frame.gif", lambda: b"GIF89a\x08\0\x08\0\0\0\0;", f"The GIF file {DAMAGED}"),
    HostileFile("huge.bmp", lambda: bmp_of_size(2**31 - 1, 2**31 - 1), f"{DAMAGED}|this format is read up to"),
    HostileFile("negative.bmp", lambda: bmp_of_size(-5, 5), f"{DAMAGED}|this format is read up to"),
    HostileFile("cut.bmp", lambda: cut(picture_bytes("BMP")), f"The BMP file {DAMAGED}"),
    HostileFile("cut.webp", lambda: cut(picture_bytes("WEBP", (300, 300))), f"The WebP file {DAMAGED}"),
    HostileFile("huge.webp", lambda: webp_of_size(2**14 - 1, 2**14 - 1), f"{DAMAGED}|this format is read up to"),
    HostileFile("cut.avif", lambda: cut(picture_bytes("AVIF", (300, 300))), f"The AVIF file {DAMAGED}"),
    HostileFile("brand_only.avif", lambda: b"\0\0\0\x14ftypavif\0\0\0\0avif", f"The AVIF file {DAMAGED}"),
]
"""Pictures whose bytes are damaged or lie."""

BROKEN_RASTERS = [
    HostileFile("head_only.tif", lambda: b"II*\0\x08\0\0\0", f"The GeoTIFF file {DAMAGED}"),
    HostileFile("nowhere.tif", lambda: b"II*\0\xff\xff\xff\x7f", f"The GeoTIFF file {DAMAGED}"),
    HostileFile("big_nowhere.tif", lambda: b"II+\0\x08\0\0\0" + b"\xff" * 8, f"The GeoTIFF file {DAMAGED}"),
    HostileFile("cut.tif", lambda: cut(raster_bytes()), f"The GeoTIFF file {DAMAGED}"),
    HostileFile("no_tags.tif", lambda: tiff_bytes({}), f"The GeoTIFF file {DAMAGED}"),
    HostileFile("no_pixels.tif", lambda: plain_tiff(0, 0), f"{DAMAGED}|no raster"),
    HostileFile("wide.tif", lambda: plain_tiff(2_000_000, 2), f"{DAMAGED}|sides are read up to"),
    HostileFile("endless.tif", lambda: plain_tiff(2**31 - 1, 2**31 - 1), f"{DAMAGED}|sides are read up to"),
    HostileFile("one_strip.tif", lambda: plain_tiff(20_000, 20_000, t259=(3, 1, 8)), f"The GeoTIFF file {DAMAGED}"),
    HostileFile("large_tile.tif", lambda: tiled_tiff(20_000), "in pieces of 400 MB"),
    HostileFile("wide_tiles.tif", lambda: tiled_tiff(2**30), f"{DAMAGED}|stored in pieces"),
    HostileFile("strip_beyond.tif", lambda: plain_tiff(64, 64, t273=(4, 1, 10**9)), f"The GeoTIFF file {DAMAGED}"),
    HostileFile(
        "many_bands.tif", lambda: plain_tiff(4, 4, t277=(3, 1, 60_000), t258=(3, 1, 8)), f"{DAMAGED}|60,000 bands"
    ),
    HostileFile(
        "recursive.tif",
        lambda: tiff_bytes({256: (4, 1, 8), 257: (4, 1, 8), 330: (4, 1, 8)}, next_ifd=8),
        f"The GeoTIFF file {DAMAGED}",
    ),
    HostileFile("odd_type.tif", lambda: plain_tiff(8, 8, t258=(3, 1, 77)), f"The GeoTIFF file {DAMAGED}"),
    HostileFile("odd_codec.tif", lambda: plain_tiff(8, 8, t259=(3, 1, 9999)), f"The GeoTIFF file {DAMAGED}"),
    HostileFile("no_lzw.tif", lambda: compressed_raster("lzw"), f"The GeoTIFF file {DAMAGED}"),
    HostileFile("no_deflate.tif", lambda: compressed_raster("deflate"), f"The GeoTIFF file {DAMAGED}"),
    HostileFile("no_zstd.tif", lambda: compressed_raster("zstd"), f"The GeoTIFF file {DAMAGED}"),
    HostileFile("no_lerc.tif", lambda: compressed_raster("lerc"), f"The GeoTIFF file {DAMAGED}"),
    HostileFile("no_webp.tif", lambda: compressed_raster("webp"), f"The GeoTIFF file {DAMAGED}"),
    HostileFile("signature.jp2", lambda: b"\0\0\0\x0cjP  \r\n\x87\n", f"The JPEG 2000 file {DAMAGED}"),
    HostileFile("cut.jp2", lambda: cut(raster_bytes(driver="JP2OpenJPEG"), 0.1), f"The JPEG 2000 file {DAMAGED}"),
    HostileFile("endless.j2k", lambda: codestream_of_size(2**31, 2**31), f"{DAMAGED}|sides are read up to"),
    HostileFile("large.j2k", lambda: codestream_of_size(400_000, 400_000), f"{DAMAGED}|unpacks to|too large|memory"),
    HostileFile("bands.j2k", lambda: codestream_of_size(64, 64, 16_000), f"{DAMAGED}|16,000 bands"),
]
"""Rasters whose bytes are damaged, recursive or lie."""

HOSTILE_FILES = NOT_PICTURES + BROKEN_PICTURES + BROKEN_RASTERS


def write_sparse_scene(path: Path, side: int) -> None:
    """Writes a GeoTIFF of a few kilobytes that unpacks to gigabytes."""
    shape = {"width": side, "height": side, "count": 3, "dtype": "uint8", "transform": Affine(1, 0, 0, 0, -1, side)}
    with rasterio.open(path, "w", driver="GTiff", tiled=True, sparse_ok=True, compress="deflate", **shape):
        pass
