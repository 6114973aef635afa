"""Images within requests: `data:` URLs to bytes and back, and a look at what the bytes really are."""

from __future__ import annotations

import base64
import binascii
import io
import re
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 64_000_000
"""Largest image that is accepted, in pixels, so that a small file cannot unpack into all of the memory."""

FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif", "BMP": "image/bmp"}
"""Pillow formats that a request may carry, with their MIME types."""

_DATA_URL = re.compile(r"data:(?P<mime>[\w.+/-]*)(?:;[\w=.+-]+)*;base64,", re.ASCII)


class NotAnImage(ValueError):
    """What was sent is no image that can be read. `str()` says why, as the end of a sentence about the image."""


@dataclass(frozen=True)
class EmbeddedImage:
    """An image that travelled within a request."""

    data: bytes
    mime: str
    """What the bytes are, whatever the URL said."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""


def decode_data_url(url: str) -> bytes:
    """Returns the bytes of a base64 `data:` URL.

    Raises:
        NotAnImage: the URL is not one, or its base64 is damaged.
    """
    head = _DATA_URL.match(url[:200])
    if head is None:
        raise NotAnImage("its URL is not a base64 data URL")
    try:
        data = base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise NotAnImage("its base64 is damaged") from None
    if not data:
        raise NotAnImage("it is empty")
    return data


def inspect_image(data: bytes) -> EmbeddedImage:
    """Reads the image's head, without unpacking its pixels.

    Raises:
        NotAnImage: no format of `FORMATS`, damaged, or over `MAX_PIXELS`.
    """
    try:
        with Image.open(io.BytesIO(data), formats=list(FORMATS)) as image:
            width, height, kind = image.width, image.height, image.format or ""
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise NotAnImage(f"it has more than {MAX_PIXELS // 1_000_000} megapixels") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        raise NotAnImage("its bytes are not a PNG, JPEG, WebP, GIF or BMP image") from None
    if width * height > MAX_PIXELS:
        raise NotAnImage(f"it has {width} x {height} pixels, more than {MAX_PIXELS // 1_000_000} megapixels")
    return EmbeddedImage(data=data, mime=FORMATS[kind], width=width, height=height)
