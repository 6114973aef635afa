"""The wire format, once: request, job states, completion, error, paths and header names.

Everything a caller sends or receives is a pydantic model of this module. What the original contract has keeps its
names and its meaning; what Nadir adds is optional for the caller and absent from a server that lacks it.
"""

from __future__ import annotations

import base64
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt

SUBMIT_PATH = "/v1/chat/completions/async"
STATUS_PATH = "/v1/chat/completions/status/{call_id}"
COMPLETIONS_PATH = "/v1/chat/completions"
HEALTH_PATH = "/health"
WARMUP_PATH = "/warmup"
MODELS_PATH = "/v1/models"
MODEL_PATH = "/v1/models/{model}"

IDEMPOTENCY_KEY_HEADER = "Idempotency-Key"
RETRY_AFTER_HEADER = "Retry-After"

MAX_WAIT_S = 25
"""Longest that a status request may be held with `?wait=`, in seconds. Below the idle limits of common proxies."""

MAX_OUTPUT_TOKENS = 4096
"""Largest `max_tokens` that a request may ask for."""

MAX_MESSAGES = 200
"""Most turns of a conversation."""

MAX_PARTS = 64
"""Most parts, text or image, of one turn."""

MAX_STOPS = 16
"""Most stop sequences."""

RETENTION_DAYS = 7
"""Days for which a finished job's result can be fetched."""

CANCELLED_MESSAGE = "Job was cancelled"
EXPIRED_MESSAGE = f"Job result expired (older than {RETENTION_DAYS} days)"
UNKNOWN_MESSAGE = f"Job not found: the call id is unknown, or its result expired (older than {RETENTION_DAYS} days)"


class Stage(StrEnum):
    """What a job is doing."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """Whether a job in this stage stays in it for good."""
        return self not in PENDING_STAGES


PENDING_STAGES = frozenset({Stage.QUEUED, Stage.STARTING, Stage.RUNNING})


class TextPart(BaseModel):
    """Words within a message."""

    type: Literal["text"]
    text: str


class ImageURL(BaseModel):
    """Where an image is: a `data:` URL, or an `http(s)` URL of a host that the operator allows."""

    url: str
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(BaseModel):
    """An image within a message."""

    type: Literal["image_url"]
    image_url: ImageURL


ContentPart = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class Message(BaseModel):
    """One turn of the conversation."""

    role: Literal["system", "user", "assistant"]
    content: str | Annotated[list[ContentPart], Field(min_length=1, max_length=MAX_PARTS)]

    @property
    def text(self) -> str:
        """The words of the turn, its text parts joined by newlines."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def image_urls(self) -> list[str]:
        """The URLs of the turn's images, in order."""
        if isinstance(self.content, str):
            return []
        return [part.image_url.url for part in self.content if isinstance(part, ImagePart)]


class StreamOptions(BaseModel):
    """OpenAI's options of a streamed answer."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """The body of a submission and of a synchronous request.

    Fields of OpenAI's API that are not listed here are accepted and ignored.
    """

    model_config = ConfigDict(extra="ignore")

    model: str
    messages: list[Message] = Field(min_length=1, max_length=MAX_MESSAGES)
    max_tokens: int | None = Field(default=None, ge=1, le=MAX_OUTPUT_TOKENS)
    """Most tokens to generate; the service's own default when absent."""
    max_completion_tokens: int | None = Field(default=None, ge=1, le=MAX_OUTPUT_TOKENS)
    """OpenAI's newer name of `max_tokens`; wins where both are given."""
    temperature: float | None = Field(default=None, ge=0.0, le=2.0)
    """Sampling temperature; the service's own default when absent."""
    top_p: float | None = Field(default=None, gt=0.0, le=1.0)
    top_k: int | None = Field(default=None, ge=-1)
    presence_penalty: float | None = Field(default=None, ge=-2.0, le=2.0)
    frequency_penalty: float | None = Field(default=None, ge=-2.0, le=2.0)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    stop: str | Annotated[list[str], Field(max_length=MAX_STOPS)] | None = None
    n: Literal[1] | None = None
    stream: bool = False
    """Synchronous route only: answer with server-sent events."""
    stream_options: StreamOptions | None = None

    @property
    def prompt(self) -> str:
        """The words of the last user turn; empty when there is none."""
        return next((m.text for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def image_urls(self) -> list[str]:
        """The URLs of all images of the conversation, in order."""
        return [url for message in self.messages for url in message.image_urls]


class Usage(BaseModel):
    """Tokens that a job took. Zeros where a server does not count them."""

    prompt_tokens: NonNegativeInt = 0
    completion_tokens: NonNegativeInt = 0
    total_tokens: NonNegativeInt = 0


class AnswerMessage(BaseModel):
    """The generated turn."""

    role: Literal["assistant"] = "assistant"
    content: str


class Choice(BaseModel):
    """The one alternative of a completion."""

    index: int = 0
    message: AnswerMessage
    finish_reason: str | None = "stop"
    """`stop` when the answer is whole, `length` when it was cut off at `max_tokens`."""


class Completion(BaseModel):
    """A finished job's result."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int = 0
    """Unix time in seconds; 0 where a server does not say."""
    model: str
    choices: list[Choice] = Field(min_length=1)
    usage: Usage = Field(default_factory=Usage)

    @property
    def text(self) -> str:
        """The answer itself."""
        return self.choices[0].message.content

    @property
    def finish_reason(self) -> str | None:
        """Why the answer ended: `stop`, or `length` when it was cut off."""
        return self.choices[0].finish_reason


class Submitted(BaseModel):
    """The answer to a submission."""

    call_id: str
    status: Literal["pending"] = "pending"
    model: str


class Pending(BaseModel):
    """The 202 answer to a status request."""

    status: Literal["pending"] = "pending"
    call_id: str
    stage: Stage | None = None
    position: NonNegativeInt | None = None
    """Jobs ahead of this one; only while queued."""
    elapsed: NonNegativeFloat | None = None
    """Seconds since submission."""
    partial: str | None = None
    """The text so far; only while running."""


class Health(BaseModel):
    """The answer of the health route. It never starts a GPU."""

    status: str = "ok"
    model: str
    engine: str | None = None
    """What answers: `preview`, `openai`, `vllm`; absent from a server that does not say."""
    detail: str | None = None
    """One sentence about what is wrong, when `status` is not `ok`."""


class WarmUp(BaseModel):
    """The 202 answer of the warm-up route."""

    status: Literal["warming"] = "warming"
    model: str


class ModelCard(BaseModel):
    """One entry of the model list, in OpenAI's form, with what Nadir adds."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "nadir"
    max_pixels: int | None = None
    """Most pixels of an image that the model is given; a larger image is reduced by the server."""
    max_output_tokens: int | None = None


class ModelList(BaseModel):
    """The answer of the model list route."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class ErrorBody(BaseModel):
    """Every answer with an error status."""

    error: str
    traceback: str | None = None
    """Filled in only when the operator turned that on."""


class ChunkDelta(BaseModel):
    """What a streamed chunk adds to the answer."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChunkChoice(BaseModel):
    """The one alternative of a streamed chunk."""

    index: int = 0
    delta: ChunkDelta
    finish_reason: str | None = None


class CompletionChunk(BaseModel):
    """One server-sent event of a streamed answer, as OpenAI has it."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int = 0
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None


def encode_data_url(data: bytes, mime: str) -> str:
    """Returns a base64 `data:` URL."""
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


JSONObject = dict[str, Any]
"""A decoded JSON object on its way into one of the models above."""
