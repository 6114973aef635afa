"""An engine that says what a test has it say, when the test has it say it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from backend.contract import ChatRequest, Usage
from backend.engines import Answer, EngineEvent, Starting, TextPiece

USAGE = Usage(prompt_tokens=7, completion_tokens=3, total_tokens=10)
CAPTION = "A runway beside the sea."


class ScriptedEngine:
    """Plays a script of events for each request: `GO_ON` waits for `go_on`, and an exception is raised."""

    name = "scripted"
    max_pixels = 1_000_000

    GO_ON = object()

    def __init__(self, *script: object) -> None:
        self.script = script or whole_answer(CAPTION)
        self.go_on = asyncio.Event()
        self.abandoned = asyncio.Event()
        """Set once an answer was given up before its end."""

    async def answer(self, request: ChatRequest) -> AsyncIterator[EngineEvent]:
        try:
            for step in self.script:
                if step is self.GO_ON:
                    await self.go_on.wait()
                elif isinstance(step, Exception):
                    raise step
                else:
                    assert isinstance(step, Starting | TextPiece | Answer)
                    yield step
        except (asyncio.CancelledError, GeneratorExit):
            self.abandoned.set()
            raise

    async def warm_up(self) -> None:
        pass

    async def close(self) -> None:
        pass


def whole_answer(text: str, finish_reason: str = "stop") -> tuple[EngineEvent, ...]:
    """Returns the events of an answer that comes word by word."""
    pieces = [TextPiece(word) for word in text.replace(" ", " \0").split("\0")]
    return Starting(), *pieces, Answer(text, finish_reason, USAGE)
