"""What is asked of a worker process and what it replies, one line of JSON each.

JSON and not pickles, so that a file which subverts a decoder gains no say in the process that asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from client.scene import Rendering, Scene, Window

_WIRE = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants")


class Encoding(StrEnum):
    """What a drawing is for."""

    PICTURE = "picture"
    """The model: PNG or JPEG."""
    PREVIEW = "preview"
    """The page: WebP with transparency."""
    THUMBNAIL = "thumbnail"
    """Lists: WebP of a few kilobytes."""


@dataclass(frozen=True)
class Drawing:
    """A window of a scene as an encoded picture."""

    data: bytes
    mime: str
    width: int
    height: int
    lossless: bool


class OpenTask(BaseModel):
    """Look at a file, and draw its preview."""

    kind: Literal["open"] = "open"
    path: Path
    name: str | None = None
    rendering: Rendering | None = None


class DrawTask(BaseModel):
    """Draw a window of a scene at a size."""

    kind: Literal["draw"] = "draw"
    scene: Scene
    window: Window
    width: int
    height: int
    encoding: Encoding


class Job(BaseModel):
    """A line of input."""

    model_config = _WIRE
    task: Annotated[OpenTask | DrawTask, Field(discriminator="kind")]


class Reply(BaseModel):
    """A line of output: an error, or a drawing and, after opening, the scene."""

    model_config = _WIRE
    error: str | None = None
    """A sentence for the person who chose the file."""
    scene: Scene | None = None
    drawing: Drawing | None = None
