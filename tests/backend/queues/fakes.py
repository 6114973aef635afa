"""Engines and requests for tests of the queue."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from PIL import Image

from backend.contract import ChatRequest, Message, Usage, encode_data_url
from backend.engines import Answer, EngineEvent, Starting, TextPiece

PATIENCE_S = 60.0
"""How long a test waits for something that has to happen."""

T = TypeVar("T")


class FakeEngine:
    """Answers at once with the prompt, and remembers the requests."""

    name = "fake"
    max_pixels: int | None = 1_000_000

    def __init__(self) -> None:
        self.requests: list[ChatRequest] = []

    async def answer(self, request: ChatRequest) -> AsyncIterator[EngineEvent]:
        self.requests.append(request)
        yield Answer(f"about: {request.prompt}", usage=Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5))

    async def warm_up(self) -> None:
        pass

    async def close(self) -> None:
        pass

    @property
    def prompts(self) -> list[str]:
        return [request.prompt for request in self.requests]


class ScriptedEngine(FakeEngine):
    """Yields these events, raises this error, then waits for ever if told to."""

    def __init__(self, *events: EngineEvent, error: Exception | None = None, hangs: bool = False) -> None:
        super().__init__()
        self.events: Sequence[EngineEvent] = events
        self.error = error
        self.hangs = hangs
        self.closed = asyncio.Event()

    async def answer(self, request: ChatRequest) -> AsyncIterator[EngineEvent]:
        self.requests.append(request)
        try:
            for event in self.events:
                yield event
            if self.hangs:
                await asyncio.Event().wait()
            if self.error:
                raise self.error
        finally:
            self.closed.set()


class GatedEngine(FakeEngine):
    """Starts, says half of its answer, and says the rest when the gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.started = asyncio.Event()
        self.stopped: list[str] = []
        self.running = 0
        self.most_running = 0

    async def answer(self, request: ChatRequest) -> AsyncIterator[EngineEvent]:
        self.requests.append(request)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.started.set()
        try:
            yield Starting()
            yield TextPiece("half ")
            await self.gate.wait()
            yield TextPiece("whole")
            yield Answer("half whole")
        except (asyncio.CancelledError, GeneratorExit):
            self.stopped.append(request.prompt)
            raise
        finally:
            self.running -= 1


def ask(prompt: str = "What is this?", *urls: str, **fields: object) -> ChatRequest:
    """A request with this prompt and these images."""
    content: list[dict[str, object]] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    content.append({"type": "text", "text": prompt})
    message = Message.model_validate({"role": "user", "content": content})
    return ChatRequest.model_validate({"model": "any", "messages": [message], **fields})


def picture(shade: int = 0) -> str:
    """The data URL of a small PNG image."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, shade, shade)).save(buffer, "PNG")
    return encode_data_url(buffer.getvalue(), "image/png")


async def eventually(look: Callable[[], Awaitable[T]], is_right: Callable[[T], bool]) -> T:
    """Looks again and again until what is seen is right, and returns it."""
    until = time.monotonic() + PATIENCE_S
    while not is_right(seen := await look()):
        assert time.monotonic() < until, f"in vain; last seen: {seen}"
        await asyncio.sleep(0.01)
    return seen
