"""What answers: the Engine protocol and the errors that an engine may raise.

An engine takes a checked chat request and yields events: `Starting` while a model is being loaded, `TextPiece` for
each piece of the answer, and `Answer` once, last. Engines hold no jobs; queues do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from backend.contract import ChatRequest, Usage


@dataclass(frozen=True)
class Starting:
    """The model is being loaded; the answer has not begun."""


@dataclass(frozen=True)
class TextPiece:
    """The next piece of the answer."""

    text: str


@dataclass(frozen=True)
class Answer:
    """The whole answer. Always the last event."""

    text: str
    finish_reason: str = "stop"
    """`stop`, or `length` when the answer was cut off at `max_tokens`."""
    usage: Usage = field(default_factory=Usage)


EngineEvent = Starting | TextPiece | Answer


class EngineError(Exception):
    """The engine did not answer. `str()` is one or two sentences for the person who asked."""


class RequestRefused(EngineError):
    """The engine cannot take this request: too long a prompt, an image that it cannot read. Change the input."""


class EngineUnavailable(EngineError):
    """The engine cannot be reached, or is overloaded. The same request may succeed later."""


class EngineFailed(EngineError):
    """The engine broke while answering."""


class Engine(Protocol):
    """What turns a request into an answer."""

    @property
    def name(self) -> str:
        """Short name for people and for `/health`: `preview`, `openai`, `vllm`."""

    @property
    def max_pixels(self) -> int | None:
        """Most pixels of an image that the engine looks at; None when it has no such limit."""

    def answer(self, request: ChatRequest) -> AsyncIterator[EngineEvent]:
        """Answers one request.

        `request.model` is the service's model name; `max_tokens` and `temperature` are filled in. Closing the
        iterator early stops the work.

        Raises:
            EngineError: one of its three kinds.
        """

    async def warm_up(self) -> None:
        """Loads the model, if that takes time. Returns when it answers.

        Raises:
            EngineUnavailable: it cannot be reached.
        """

    async def close(self) -> None:
        """Lets go of connections and workers."""
