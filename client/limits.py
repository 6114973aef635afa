"""What a file may ask for, checked before memory is spent on it."""

from __future__ import annotations

from client.errors import SceneError

MAX_SIDE = 500_000
"""Longest side of a raster, in pixels."""
MAX_BANDS = 512
"""Most bands of a raster; hyperspectral sensors have about 250."""
MAX_PHOTO_PIXELS = 120_000_000
"""Most pixels of a format that can only be unpacked as a whole; three times that many bytes."""
MAX_JPEG_PIXELS_PER_BYTE = 512
"""Most pixels that a byte of JPEG stands for: blocks of 8 x 8, at least one bit each for brightness, and for colour
at half the resolution; rounded up."""
MAX_JPEG_SCANS = 100
"""Most scans of a progressive JPEG; encoders write about ten."""
MAX_BLOCK_BYTES = 128 * 1024 * 1024
"""Largest tile or strip, unpacked."""
MAX_UNPACKED_BYTES = 6 * 1024**3
"""Most bytes that are unpacked for one picture: about a minute's work, and a raster without overviews needs all."""
MAX_TAGS = 40
"""Most tags that are kept of a file."""
MAX_TAG_LENGTH = 200
"""Longest value of a tag that is kept, in characters."""

TILED = "Convert it to a tiled GeoTIFF with overviews, or cut out the part that matters."


def check_photo_size(width: int, height: int) -> None:
    """Refuses a picture that would take too much memory.

    Raises:
        SceneError: it has no pixels, or too many.
    """
    if width < 1 or height < 1:
        raise SceneError("The picture has no pixels. Choose another one.")
    if width * height > MAX_PHOTO_PIXELS:
        raise SceneError(
            f"The picture has {width:,} x {height:,} pixels; this format is read up to "
            f"{MAX_PHOTO_PIXELS // 1_000_000} megapixels. {TILED}"
        )


def check_jpeg(width: int, height: int, data: bytes) -> None:
    """Refuses a JPEG that cannot have all its pixels, or that repeats them.

    Raises:
        SceneError: it is cut off, where its decoder would fill in grey and say nothing, or has too many scans, each of
            which is unpacked over the whole picture.
    """
    if len(data) * MAX_JPEG_PIXELS_PER_BYTE < width * height:
        raise SceneError(damaged("JPEG"))
    scans = data.count(b"\xff\xda")
    if scans > MAX_JPEG_SCANS:
        raise SceneError(f"The JPEG file has {scans:,} scans; up to {MAX_JPEG_SCANS} are read. Export it anew.")


def damaged(kind: str) -> str:
    """Returns the sentence about a file that begins like an image and goes on like none."""
    return f"The {kind} file is damaged or cut off. Fetch it again, or export it anew."


def check_raster_size(width: int, height: int, bands: int, block_bytes: int) -> None:
    """Refuses a raster whose head alone says that it cannot be read in bounded memory.

    Raises:
        SceneError: too many bands, too long a side, or a tile or strip that is too large.
    """
    if bands < 1 or width < 1 or height < 1:
        raise SceneError("The file has no raster in it. Choose another one.")
    if bands > MAX_BANDS:
        raise SceneError(f"The raster has {bands:,} bands; up to {MAX_BANDS} are read. Choose a few of them.")
    if max(width, height) > MAX_SIDE:
        raise SceneError(f"The raster is {width:,} x {height:,} pixels; sides are read up to {MAX_SIDE:,}. {TILED}")
    if block_bytes > MAX_BLOCK_BYTES:
        raise SceneError(f"The raster is stored in pieces of {block_bytes / 1e6:,.0f} MB, too large to unpack. {TILED}")


def check_work(unpacked_bytes: float) -> None:
    """Refuses a read that would have to unpack too much.

    Raises:
        SceneError: it would.
    """
    if unpacked_bytes > MAX_UNPACKED_BYTES:
        raise SceneError(f"The raster unpacks to {unpacked_bytes / 1e9:,.0f} GB and has no overviews. {TILED}")


def bounded_tags(tags: dict[str, str]) -> dict[str, str]:
    """Returns the tags, cut to a number and a length that can be shown."""
    printable = {_printable(name)[:60]: _printable(value)[:MAX_TAG_LENGTH] for name, value in tags.items()}
    return dict(list(printable.items())[:MAX_TAGS])


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[: 4 * MAX_TAG_LENGTH]).strip()
