"""The process that decodes: it reads a task per line from its input and writes a reply per line to its output."""

from __future__ import annotations

import os
import sys
import warnings
from typing import BinaryIO

from client.decoder import draw, open_scene, sniff_file
from client.errors import SceneError
from client.limits import damaged
from client.tasks import DrawTask, Job, OpenTask, Reply

OUT_OF_MEMORY = "The file takes too much memory to read. Convert it to a tiled GeoTIFF with overviews."
GONE = "The file is not there any more. Choose it again."
FORBIDDEN = "The file cannot be opened: its owner does not allow it. Choose another one."


def perform(task: OpenTask | DrawTask) -> Reply:
    """Returns the reply to a task; what goes wrong is a reply too."""
    try:
        if isinstance(task, OpenTask):
            scene, drawing = open_scene(task.path, task.name, task.rendering)
            return Reply(scene=scene, drawing=drawing)
        return Reply(drawing=draw(task.scene, task.window, task.width, task.height, task.encoding))
    except SceneError as error:
        return Reply(error=str(error))
    except FileNotFoundError:
        return Reply(error=GONE)
    except PermissionError:
        return Reply(error=FORBIDDEN)
    except MemoryError:
        return Reply(error=OUT_OF_MEMORY)
    except Exception as error:
        # Decoders raise what they like on files that lie; the person needs to know only that this one did.
        wants_memory = any(word in f"{error} {error.__cause__}".lower() for word in ("memory", "alloc"))
        return Reply(error=OUT_OF_MEMORY if wants_memory else damaged(_kind(task)))


def serve(lines: BinaryIO, replies: BinaryIO) -> None:
    """Answers tasks until the input ends."""
    for line in lines:
        replies.write(perform(Job.model_validate_json(line).task).model_dump_json().encode() + b"\n")
        replies.flush()


def _kind(task: OpenTask | DrawTask) -> str:
    return sniff_file(task.path if isinstance(task, OpenTask) else task.scene.path).name


def main() -> None:
    """Serves on the standard streams."""
    replies = os.fdopen(os.dup(1), "wb")
    # Whatever a decoder prints goes to the error output, not between the replies.
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
