"""Scene, prompt and detail to the request body: model-sized pixels, the right MIME type, the conversation so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from backend.contract import ChatRequest, ImagePart, ImageURL, Message, TextPart, encode_data_url
from backend.services import ServiceSpec
from client.errors import SceneError
from client.scene import Window

TOKEN_SIDE = 32
"""Side of the square that one image token covers, in pixels: Qwen3-VL's patches of 16, merged 2 by 2."""
MIN_PIXELS = 256 * 256
"""Fewest pixels that the model looks at; `size.shortest_edge` of Qwen3-VL's preprocessor_config.json, an area."""
MAX_PIXELS = 4096 * 4096
"""Most pixels that the model looks at; `size.longest_edge` of Qwen3-VL's preprocessor_config.json, an area."""
MAX_ASPECT = 200
"""Largest ratio of the sides that the model takes; `smart_resize` of transformers' image_processing_qwen2_vl.py."""
MAX_PROMPT_CHARACTERS = 8000
MAX_ENLARGEMENT = 4
"""Largest factor per side by which a chip is enlarged when that is asked for; more only blurs."""


class Detail(StrEnum):
    """How many pixels the model gets."""

    FAST = "fast"
    STANDARD = "standard"
    FULL = "full"

    @property
    def max_pixels(self) -> int:
        """Most pixels of the picture; 1,024 of them are one image token."""
        return {"fast": 1024 * 1024, "standard": 2048 * 2048, "full": MAX_PIXELS}[self.value]


def offered_details(max_pixels: int | None) -> tuple[Detail, ...]:
    """Returns the details that a service does not throw away; `max_pixels` is what it takes at most, None if all."""
    return tuple(
        detail
        for detail in Detail
        if detail is Detail.FAST or max_pixels is None or detail.max_pixels <= max(max_pixels, MIN_PIXELS)
    )


@dataclass(frozen=True)
class Picture:
    """What the model sees: an encoded picture of a window of a scene."""

    data: bytes
    mime: str
    width: int
    height: int
    lossless: bool
    window: Window
    """What part of the scene it shows, in the scene's pixels."""

    @property
    def tokens(self) -> int:
        """How many image tokens it takes."""
        return image_tokens(self.width, self.height)


@dataclass(frozen=True)
class Turn:
    """A question that was asked and the answer that came."""

    question: str
    answer: str


def image_tokens(width: int, height: int) -> int:
    """Returns how many tokens a picture of model size takes."""
    return (width // TOKEN_SIDE) * (height // TOKEN_SIDE)


def model_size(
    width: int, height: int, *, max_pixels: int = MAX_PIXELS, min_pixels: int = MIN_PIXELS, enlarge: bool = False
) -> tuple[int, int]:
    """Returns the width and height to which the model would resize a picture: multiples of 32, same aspect.

    The same arithmetic as `smart_resize` in transformers' image_processing_qwen2_vl.py, which vLLM calls for Qwen3-VL
    with a factor of 32, so that a picture of this size is not resized again. With `enlarge` a small picture grows by
    up to 4 per side within `max_pixels`.

    Raises:
        SceneError: one side is more than 200 times the other.
    """
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise SceneError(
            f"{width} x {height} pixels is too long and narrow for the model, which takes sides up to 200 to 1. "
            "Select a part of the scene."
        )
    max_pixels = max(min(max_pixels, MAX_PIXELS), min_pixels)
    scale = _enlargement(width * height, max_pixels) if enlarge else 1.0
    x, y = width * scale / TOKEN_SIDE, height * scale / TOKEN_SIDE
    columns, rows = round(x), round(y)
    if columns * rows * TOKEN_SIDE**2 > max_pixels:
        shrink = math.sqrt(max_pixels / (x * y)) / TOKEN_SIDE
        columns, rows = max(1, math.floor(x * shrink)), max(1, math.floor(y * shrink))
    elif columns * rows * TOKEN_SIDE**2 < min_pixels:
        grow = math.sqrt(min_pixels / (x * y)) / TOKEN_SIDE
        columns, rows = math.ceil(x * grow), math.ceil(y * grow)
    # Rounding may push a strip over the aspect that the model takes.
    columns, rows = min(columns, MAX_ASPECT * rows), min(rows, MAX_ASPECT * columns)
    return columns * TOKEN_SIDE, rows * TOKEN_SIDE


def _enlargement(pixels: int, max_pixels: int) -> float:
    return min(MAX_ENLARGEMENT, max(1.0, math.sqrt(max_pixels / pixels)))


def chat_request(
    service: ServiceSpec,
    prompt: str,
    picture: Picture | None,
    *,
    history: Sequence[Turn] = (),
    max_tokens: int | None = None,
    temperature: float | None = None,
) -> ChatRequest:
    """Returns the body of a submission: the picture in the first user turn, the history after it, the prompt last."""
    messages: list[Message] = []
    for turn in history:
        messages += [Message(role="user", content=turn.question), Message(role="assistant", content=turn.answer)]
    messages.append(Message(role="user", content=prompt))
    if picture is not None:
        messages[0] = _with_picture(messages[0].text, picture)
    return ChatRequest(
        model=service.model,
        messages=messages,
        max_tokens=service.max_tokens if max_tokens is None else max_tokens,
        temperature=service.temperature if temperature is None else temperature,
    )


def _with_picture(text: str, picture: Picture) -> Message:
    # The picture comes first, so that several questions about one scene share their beginning, which vLLM caches.
    image = ImagePart(type="image_url", image_url=ImageURL(url=encode_data_url(picture.data, picture.mime)))
    return Message(role="user", content=[image, TextPart(type="text", text=text)])
