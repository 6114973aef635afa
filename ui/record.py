"""A job as the browser remembers it: enough to find it again, to send it again, and to go on asking about its scene."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backend.contract import MAX_OUTPUT_TOKENS
from client.payload import MAX_PROMPT_CHARACTERS, Detail, Turn, image_tokens
from client.scene import LonLat, Rendering, Stretch, Stretching, Window

MAX_ANSWER_CHARACTERS = 20_000
MAX_TROUBLE_CHARACTERS = 2000
MAX_THUMBNAIL_CHARACTERS = 16_000
"""Longest data URL of a thumbnail; most take a third of it."""
MAX_TURNS = 8
"""Earlier turns that are sent along; more would not fit the model's context beside a large picture."""


class RecordedTurn(BaseModel):
    """An earlier question about the same scene."""

    question: str = Field(max_length=MAX_PROMPT_CHARACTERS)
    answer: str = Field(max_length=MAX_ANSWER_CHARACTERS)


class ChosenRendering(BaseModel):
    """The bands and the stretch that the user chose."""

    model_config = ConfigDict(frozen=True)

    bands: tuple[int, int, int] | None = None
    """Counted from 1; None has them chosen by rule."""
    stretch: Stretching = Stretching.AUTOMATIC

    @property
    def rendering(self) -> Rendering:
        """The same for a reader of scenes, which measures the limits."""
        return Rendering(self.bands, None if self.stretch is Stretching.AUTOMATIC else Stretch(self.stretch))


class RecordedScene(BaseModel):
    """Where the job's scene is, an upload on the server or a sample, and what of it was chosen how."""

    upload: str | None = Field(default=None, max_length=4096)
    sample: str | None = Field(default=None, max_length=100)
    name: str = Field(default="", max_length=1000)
    rendering: ChosenRendering | None = None
    window: Window | None = None
    """The selected area, in the scene's pixels; None for the whole scene."""

    @property
    def source(self) -> dict[str, str]:
        """The file, as the browser names it."""
        return self.model_dump(include={"upload", "sample"}, exclude_none=True)

    @property
    def panel_value(self) -> dict[str, Any]:
        """What a scene panel is given to show it."""
        chosen = self.model_dump(mode="json", include={"rendering", "window"})
        return {"source": self.source, "name": self.name} | chosen


class SentPicture(BaseModel):
    """The picture that the model was given, and the part of the scene that it shows."""

    file: str = Field(max_length=300, pattern=r"^[0-9a-f]+/picture\.(png|jpg)$")
    """Its place below the directory of uploads."""
    mime: str = Field(max_length=40)
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    size_bytes: int
    window: Window
    scene_width: int = Field(gt=0)
    scene_height: int = Field(gt=0)
    footprint: tuple[LonLat, ...] | None = None
    """Corners of the window in WGS 84: top left, top right, bottom right, bottom left; None without georeference."""

    @property
    def tokens(self) -> int:
        """How many image tokens it takes."""
        return image_tokens(self.width, self.height)

    @property
    def shows_all(self) -> bool:
        """Whether it shows the whole scene."""
        return self.window == Window(0, 0, self.scene_width, self.scene_height)

    @property
    def source(self) -> dict[str, str]:
        """The same as the scene panel has it."""
        return self.model_dump(exclude={"name"}, exclude_none=True)


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
    enlarge: bool = False
    """Whether a small scene grows to the size of the detail."""
    sent: SentPicture | None = None
    """None until the picture is made."""
    submitted_at: float = 0
    """Unix time in seconds, by the browser's clock."""
    turns: list[RecordedTurn] = Field(default_factory=list, max_length=100)
    state: str = ""
    """How the job ended; empty while it goes on."""
    answer: str = Field(default="", max_length=MAX_ANSWER_CHARACTERS)
    trouble: str = Field(default="", max_length=MAX_TROUBLE_CHARACTERS)
    """Why it ended without an answer."""
    took_s: float | None = None
    """Seconds from submission to the end; None where nobody saw that."""
    engine: str = Field(default="", max_length=100)
    """What answered, by the name that the service gives."""
    thumbnail: str = Field(default="", max_length=MAX_THUMBNAIL_CHARACTERS)
    """The scene as a data URL; empty when there was none, or its room was needed."""

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
