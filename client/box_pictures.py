"""Pictures with the boxes of their answers drawn in, as a ZIP: what the model saw, and where it pointed."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from client.batch_plan import BatchPlan
from client.batch_rows import Row
from client.boxes import Box, parse_boxes
from client.errors import InputError
from client.imagery import SceneReader
from client.payload import Picture
from client.scene import Window

LINE = (255, 214, 10)
EDGE = (20, 32, 29)
"""Around the line, so that it is seen on light ground too."""
QUALITY = 88


async def write_box_pictures(plan: BatchPlan, rows: Sequence[Row], reader: SceneReader, path: Path) -> None:
    """Writes a ZIP of JPEG pictures, one for each answer with boxes.

    Raises:
        InputError: no answer has boxes.
        SceneError: a scene cannot be read any more.
    """
    boxed = [(row, boxes) for row in rows if (boxes := parse_boxes(row.answer))]
    if not boxed:
        raise InputError("No answer has boxes in it. Ask for them: Locate every ship and output the boxes as JSON.")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for row, boxes in boxed:
            scene = plan.scenes[row.job.scene].scene
            picture = await reader.picture(
                scene, plan.settings.detail, window=row.job.window, enlarge=plan.settings.enlarge
            )
            drawn = await asyncio.to_thread(draw_boxes, picture, boxes)
            archive.writestr(f"{row.number + 1:05d} {_file_name(plan.label(row.job))}.jpg", drawn)


def draw_boxes(picture: Picture, boxes: Sequence[Box]) -> bytes:
    """Returns the picture as JPEG with its boxes and their labels."""
    with Image.open(io.BytesIO(picture.data)) as opened:
        image = opened.convert("RGB")
    width = max(2, round(max(image.size) / 400))
    font = ImageFont.load_default(size=max(12, round(max(image.size) / 70)))
    pen = ImageDraw.Draw(image)
    whole = Window(0, 0, image.width, image.height)
    for box in boxes:
        corners = box.in_pixels(whole)
        pen.rectangle(corners, outline=EDGE, width=width + 2)
        pen.rectangle(corners, outline=LINE, width=width)
        left, top, right, bottom = pen.textbbox((corners[0], corners[1]), box.label, font=font)
        down = max(0, bottom - top + 6 - corners[1])
        pen.rectangle((left - 2, 2 * top - bottom - 6 + down, right + 4, top - 2 + down), fill=EDGE)
        pen.text((left + 1, 2 * top - bottom - 5 + down), box.label, font=font, fill=LINE, anchor="lt")
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def _file_name(label: str) -> str:
    return "".join(c if c.isalnum() or c in " .-_" else "_" for c in label)[:80].strip(" .") or "scene"
