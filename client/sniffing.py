"""What a file is, by its bytes and never by its name."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from enum import StrEnum

from client.errors import SceneError

HEAD_BYTES = 4096
"""How much of a file's beginning is looked at."""


class Reader(StrEnum):
    """Which library reads a format."""

    RASTER = "raster"
    PHOTO = "photo"


@dataclass(frozen=True)
class Format:
    """A format that is read."""

    name: str
    reader: Reader
    driver: str
    """GDAL's driver, or Pillow's format."""


GEOTIFF = Format("GeoTIFF", Reader.RASTER, "GTiff")
JPEG2000 = Format("JPEG 2000", Reader.RASTER, "JP2OpenJPEG")
DEEP_PNG = Format("PNG", Reader.RASTER, "PNG")
"""16 bit, which Pillow would cut to 8."""
PNG = Format("PNG", Reader.PHOTO, "PNG")
JPEG = Format("JPEG", Reader.PHOTO, "JPEG")
WEBP = Format("WebP", Reader.PHOTO, "WEBP")
AVIF = Format("AVIF", Reader.PHOTO, "AVIF")
GIF = Format("GIF", Reader.PHOTO, "GIF")
BMP = Format("BMP", Reader.PHOTO, "BMP")

READABLE = "GeoTIFF, JPEG 2000, PNG, JPEG, WebP, AVIF, GIF or BMP"
EMPTY = "The file is empty. Choose another one."

_BY_START = (
    (b"II*\0", GEOTIFF),
    (b"MM\0*", GEOTIFF),
    (b"II+\0", GEOTIFF),
    (b"MM\0+", GEOTIFF),
    (b"\0\0\0\x0cjP  \r\n\x87\n", JPEG2000),
    (b"\xff\x4f\xff\x51", JPEG2000),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"BM", BMP),
)

_REFUSED = (
    (0, b"%PDF", "a PDF document: export the picture in it"),
    (0, b"PK", "a ZIP archive or an Office document: unpack it and choose the picture in it"),
    (0, b"\x1f\x8b", "a gzip archive: unpack it and choose the picture in it"),
    (0, b"BZh", "a bzip2 archive: unpack it and choose the picture in it"),
    (0, b"\xfd7zXZ\0", "an xz archive: unpack it and choose the picture in it"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it and choose the picture in it"),
    (0, b"Rar!", "a RAR archive: unpack it and choose the picture in it"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive: unpack it and choose the picture in it"),
    (257, b"ustar", "a TAR archive: unpack it and choose the picture in it"),
    (0, b"\x89HDF", "an HDF5 or NetCDF file: export the layer to show as GeoTIFF"),
    (0, b"CDF", "a NetCDF file: export the layer to show as GeoTIFF"),
    (0, b"GRIB", "a GRIB file: export the layer to show as GeoTIFF"),
    (0, b"NITF", "a NITF file: convert it to GeoTIFF"),
    (0, b"SQLite format 3", "an SQLite or GeoPackage database: export the raster in it as GeoTIFF"),
    (0, b"\0\0\x27\x0a", "a shapefile, which holds no picture"),
    (4, b"ftyphei", "a HEIC photograph: convert it to JPEG"),
    (4, b"ftypmif1", "a HEIF photograph: convert it to JPEG"),
    (4, b"ftyp", "a video: export one frame as PNG or JPEG"),
    (0, b"\x1aE\xdf\xa3", "a video: export one frame as PNG or JPEG"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
    (0, b"%!PS", "a PostScript document: export the picture in it"),
    (0, b"8BPS", "a Photoshop document: export it as PNG or TIFF"),
    (0, b"\x93NUMPY", "a numpy array: save it as GeoTIFF or PNG"),
    (0, b"\x80\x02", "a Python pickle, which is never opened"),
    (0, b"\x80\x03", "a Python pickle, which is never opened"),
    (0, b"\x80\x04", "a Python pickle, which is never opened"),
    (0, b"\x80\x05", "a Python pickle, which is never opened"),
)
"""Offset, bytes there, and what such a file is, as the end of a sentence."""

_MARKUP = (
    (b"<vrtdataset", "a VRT, which points to other files: choose the raster itself"),
    (b"<svg", "an SVG drawing: export it as PNG"),
    (b"<html", "a web page: save the picture in it"),
    (b"<!doctype html", "a web page: save the picture in it"),
    (b"<gdal_wms", "a description of a map service, not a picture: save a view of the map"),
    (b"<kml", "a KML file, which holds no picture"),
    (b"<", "an XML document, not a picture"),
)


def sniff(head: bytes) -> Format:
    """Returns the format of a file that begins with these bytes.

    Raises:
        SceneError: the file is empty or of no format that is read.
    """
    if not head:
        raise SceneError(EMPTY)
    found = _container(head) or next((kind for start, kind in _BY_START if head.startswith(start)), None)
    if found is None:
        raise SceneError(f"The file is {_what_else(head)}. What can be read is {READABLE}.")
    return found


def _container(head: bytes) -> Format | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return DEEP_PNG if head[24:25] == b"\x10" else PNG
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp" and (b"avif" in head[8:64] or b"avis" in head[8:64]):
        return AVIF
    return None


def _what_else(head: bytes) -> str:
    for offset, magic, what in _REFUSED:
        if head.startswith(magic, offset):
            return what
    return _text(head) or "no image that can be recognised"


def _text(head: bytes) -> str | None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1024].lower()
    if start.startswith(b"<"):
        return next(what for tag, what in _MARKUP if tag in start)
    if start.startswith((b"{", b"[")):
        return "JSON text, not a picture"
    return "text, not a picture" if _is_utf8(head) else None


def _is_utf8(head: bytes) -> bool:
    """Whether it is text: no control characters but tabs, line ends and form feeds."""
    try:
        # Incremental, because the head may end within a character.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return not any(character < " " and character not in "\t\n\r\f" for character in text)
