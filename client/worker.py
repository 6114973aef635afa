"""The process that decodes: it reads a task per line from its input and writes a reply per line to its output.

Replies are JSON and not pickles, so that a file which subverts a decoder gains no say in the process that asked.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field

from client.decoder import Drawing, Encoding, draw, open_scene
from client.errors import SceneError
from client.scene import Rendering, Scene, Window

_WIRE = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants")

DAMAGED = "The file is damaged, or uses a feature that is not read. Convert it to a plain GeoTIFF or PNG."
OUT_OF_MEMORY = "The file takes too much memory to read. Convert it to a tiled GeoTIFF with overviews."


class OpenTask(BaseModel):
    """Look at a file, and make its preview."""

    kind: Literal["open"] = "open"
    path: Path
    name: str | None
    rendering: Rendering | None


class DrawTask(BaseModel):
    """Draw a window of a scene at a size."""

    model_config = _WIRE
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
    scene: Scene | None = None
    drawing: Drawing | None = None


def perform(task: OpenTask | DrawTask) -> Reply:
    """Returns the reply to a task; what goes wrong is a reply too."""
    try:
        if isinstance(task, OpenTask):
            scene, drawing = open_scene(task.path, task.name, task.rendering)
            return Reply(scene=scene, drawing=drawing)
        return Reply(drawing=draw(task.scene, task.window, task.width, task.height, task.encoding))
    except SceneError as error:
        return Reply(error=str(error))
    except MemoryError:
        return Reply(error=OUT_OF_MEMORY)
    except Exception:
        # Decoders raise what they like on files that lie; the person needs to know only that this one did.
        return Reply(error=DAMAGED)


def serve(lines: BinaryIO, replies: BinaryIO) -> None:
    """Answers tasks until the input ends."""
    for line in lines:
        replies.write(perform(Job.model_validate_json(line).task).model_dump_json().encode() + b"\n")
        replies.flush()


def confine(memory_bytes: int) -> None:
    """Gives up what a decoder has no need of: more memory, writing files, core dumps."""
    if sys.platform == "win32":
        return
    import resource

    for limit, value in ((resource.RLIMIT_DATA, memory_bytes), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (value, value))


def main() -> None:
    """Confines the process and serves."""
    replies = os.fdopen(os.dup(1), "wb")
    # Whatever a decoder prints goes to the error output, not between the replies.
    os.dup2(2, 1)
    confine(int(sys.argv[1]))
    serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
