"""Requests and images as callers send them."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image

MODEL = "qwen-caption-special"
SUBMIT = "/v1/chat/completions/async"
STATUS = "/v1/chat/completions/status/"
COMPLETE = "/v1/chat/completions"


def picture(kind: str = "PNG", size: tuple[int, int] = (8, 6)) -> bytes:
    """Returns a small image of the Pillow format."""
    file = io.BytesIO()
    Image.new("RGB", size, (20, 90, 60)).save(file, kind)
    return file.getvalue()


def data_url(data: bytes | None = None, mime: str = "image/png") -> str:
    """Returns the bytes, a small PNG when None, as a data URL that claims the MIME type."""
    return f"data:{mime};base64,{base64.b64encode(picture() if data is None else data).decode()}"


def image_part(url: str) -> dict[str, Any]:
    """Returns an image part of a message."""
    return {"type": "image_url", "image_url": {"url": url}}


def chat(*images: str, prompt: str = "Describe this satellite image in detail.", **fields: Any) -> dict[str, Any]:
    """Returns a request body about the images; `fields` replace or add to its own."""
    content = [{"type": "text", "text": prompt}, *map(image_part, images)]
    return {"model": MODEL, "messages": [{"role": "user", "content": content}]} | fields
