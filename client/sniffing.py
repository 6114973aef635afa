"""What a file is, by its bytes and never by its name."""

from __future__ import annotations

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
PNG = Format("PNG", Reader.PHOTO, "PNG")
JPEG = Format("JPEG", Reader.PHOTO, "JPEG")
WEBP = Format("WebP", Reader.PHOTO, "WEBP")
AVIF = Format("AVIF", Reader.PHOTO, "AVIF")
GIF = Format("GIF", Reader.PHOTO, "GIF")
BMP = Format("BMP", Reader.PHOTO, "BMP")

READABLE = "GeoTIFF, JPEG 2000, PNG, JPEG, WebP, AVIF, GIF or BMP"


def sniff(head: bytes) -> Format:
    """Returns the format of a file that begins with these bytes.

    Raises:
        SceneError: the file is empty or of no format that is read.
    """
    if not head:
        raise SceneError("The file is empty. Choose another one.")
    found = _image(head)
    if found is None:
        raise SceneError(f"The file is no image that can be read: {READABLE}.")
    return found


def _image(head: bytes) -> Format | None:
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return GEOTIFF
    if head[:12] == b"\0\0\0\x0cjP  \r\n\x87\n" or head[:4] == b"\xff\x4f\xff\x51":
        return JPEG2000
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return DEEP_PNG if head[24:25] == b"\x10" else PNG
    if head[:3] == b"\xff\xd8\xff":
        return JPEG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp" and (b"avif" in head[8:64] or b"avis" in head[8:64]):
        return AVIF
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return GIF
    return BMP if head[:2] == b"BM" else None
