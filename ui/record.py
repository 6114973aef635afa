"""A job as the browser remembers it: enough to find it again, to send it again, and to go on asking about its scene."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backend.contract import MAX_OUTPUT_TOKENS
from client.payload import Detail, Turn

MAX_PROMPT_CHARACTERS = 8000
MAX_TURNS = 8
"""Earlier turns that are sent along; more would not fit the model's context beside a large picture."""


class RecordedTurn(BaseModel):
    """An earlier question about the same scene."""

    question: str = Field(max_length=MAX_PROMPT_CHARACTERS)
    answer: str = Field(max_length=20_000)


class RecordedScene(BaseModel):
    """Where the job's scene is: an upload on the server, or a sample."""

    upload: str | None = Field(default=None, max_length=4096)
    sample: str | None = Field(default=None, max_length=100)
    name: str = Field(default="", max_length=1000)


class JobRecord(BaseModel):
    """What the browser keeps of one job, under one storage key."""

    model_config = ConfigDict(extra="ignore")

    key: str = Field(min_length=8, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")
    """Made in the browser before the submission; the idempotency key, so that sending it twice is one job."""
    service: str
    call_id: str = Field(default="", max_length=200)
    """Empty until the service has taken the job."""
    prompt: str = Field(default="", max_length=MAX_PROMPT_CHARACTERS)
    scene: RecordedScene | None = None
    max_tokens: int = Field(default=512, ge=1, le=MAX_OUTPUT_TOKENS)
    temperature: float = Field(default=0.7, ge=0, le=2)
    detail: Detail = Detail.STANDARD
    submitted_at: float = 0
    """Unix time in seconds, by the browser's clock."""
    turns: list[RecordedTurn] = Field(default_factory=list, max_length=100)
    state: str = ""
    """How the job ended; empty while it goes on."""
    answer: str = Field(default="", max_length=20_000)

    @property
    def history(self) -> list[Turn]:
        """The earlier turns to send along."""
        return [Turn(turn.question, turn.answer) for turn in self.turns[-MAX_TURNS:]]


def read_record(value: Any) -> JobRecord | None:
    """Returns what the browser sent as a record; None when there is none, or it is not one."""
    try:
        return JobRecord.model_validate(value)
    except ValidationError:
        return None
