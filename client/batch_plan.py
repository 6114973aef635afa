"""What a batch is to do: its scenes, its jobs, what was left out and why. Data, kept as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from backend.contract import MAX_OUTPUT_TOKENS
from backend.services import SERVICES, ServiceSpec
from client.errors import InputError
from client.items import item_ids
from client.payload import MAX_PROMPT_CHARACTERS, Detail, model_size
from client.scene import LonLat, Scene, Window
from client.tiles import cut_tiles

MAX_JOBS = 10_000
"""Most jobs of one batch: a day's work of one GPU."""
MAX_PROMPTS = 20
MAX_REFUSALS = 200
"""Most refusals that are told one by one."""

Prompt = Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)]


class BatchSettings(BaseModel):
    """What is the same for every job of a batch."""

    service: str
    prompts: list[Prompt] = Field(default_factory=list, max_length=MAX_PROMPTS)
    """Asked of every scene, or of every tile; those that a table names have questions of their own."""
    detail: Detail = Detail.STANDARD
    enlarge: bool = False
    """Whether small scenes and tiles grow to the size of the detail."""
    max_tokens: int = Field(default=512, ge=1, le=MAX_OUTPUT_TOKENS)
    temperature: float = Field(default=0.7, ge=0, le=2)
    tile_size: int | None = None
    """Side of the tiles that scenes are cut into, in pixels; None sends whole scenes."""
    overlap: int = 0
    """What neighbouring tiles share, in pixels."""

    @field_validator("service")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in SERVICES:
            raise ValueError("is no service")
        return value

    @property
    def spec(self) -> ServiceSpec:
        """The service that answers."""
        return SERVICES[self.service]


class Refusal(BaseModel):
    """What was left out of a batch."""

    name: str
    """The file, or the row of a table."""
    reason: str
    """A sentence for the person who chose it."""


def shortened(refusals: list[Refusal]) -> list[Refusal]:
    """Returns the first `MAX_REFUSALS`, and how many more there are."""
    more = len(refusals) - MAX_REFUSALS
    if more <= 0:
        return refusals
    return [*refusals[:MAX_REFUSALS], Refusal(name=f"and {more:,} more", reason="")]


class PlannedScene(BaseModel):
    """A scene of the batch."""

    model_config = ConfigDict(ser_json_inf_nan="constants")

    file: str
    """Its name among the batch's inputs."""
    scene: Scene


class PlannedJob(BaseModel):
    """One question about one scene or tile."""

    id: str
    """Its own within the batch."""
    scene: int
    """Place of its scene in `BatchPlan.scenes`."""
    prompt: str
    tile: str = ""
    """Name of the tile; empty for a whole scene."""
    window: Window | None = None
    """The part of the scene that is asked about; None for a whole scene."""


class BatchPlan(BaseModel):
    """A batch before its first job is sent."""

    model_config = ConfigDict(ser_json_inf_nan="constants")

    id: str
    """Who knows it may see and steer the batch."""
    created_at: float
    """Unix time in seconds."""
    settings: BatchSettings
    scenes: list[PlannedScene]
    jobs: list[PlannedJob]
    refusals: list[Refusal]

    def window(self, job: PlannedJob) -> Window:
        """Returns the part of its scene that a job asks about."""
        return job.window or self.scenes[job.scene].scene.whole

    def footprint(self, job: PlannedJob) -> tuple[LonLat, ...] | None:
        """Returns the corners of what a job asks about, longitude and latitude; None without georeference."""
        return self.scenes[job.scene].scene.footprint(self.window(job))

    def label(self, job: PlannedJob) -> str:
        """Returns what people call what a job asks about: `harbour.tif`, or `harbour.tif r2c5`."""
        name = self.scenes[job.scene].scene.name
        return f"{name} {job.tile}" if job.tile else name


@dataclass(frozen=True)
class Asked:
    """A scene with the questions that are asked of it."""

    scene: PlannedScene
    questions: tuple[str, ...]
    """Of a table; empty where the batch's own prompts are asked."""


def plan_jobs(asked: Sequence[Asked], settings: BatchSettings) -> tuple[list[PlannedJob], list[Refusal]]:
    """Returns a job for every prompt about every scene or tile, and the scenes that cannot be cut, with the reasons.

    Raises:
        InputError: no prompt is left for a scene, or the jobs are too many.
    """
    jobs: list[PlannedJob] = []
    refusals: list[Refusal] = []
    for place, each in enumerate(asked):
        prompts = list(each.questions) or settings.prompts
        if not prompts:
            raise InputError("There is no prompt yet. Write one, or give a table with a question for every image.")
        try:
            parts = _parts(each.scene.scene, settings)
        except InputError as error:
            refusals.append(Refusal(name=each.scene.scene.name, reason=str(error)))
            continue
        jobs += [
            PlannedJob(id="", scene=place, prompt=prompt, tile=tile, window=window)
            for tile, window in parts
            for prompt in prompts
        ]
        if len(jobs) > MAX_JOBS:
            raise InputError(
                f"That makes more than {MAX_JOBS:,} jobs. Choose fewer scenes or prompts, or larger tiles."
            )
    ids = item_ids((asked[job.scene].scene.file, job.tile, job.prompt) for job in jobs)
    return [job.model_copy(update={"id": own}) for job, own in zip(jobs, ids, strict=True)], refusals


def _parts(scene: Scene, settings: BatchSettings) -> list[tuple[str, Window | None]]:
    if settings.tile_size is None:
        model_size(scene.width, scene.height)
        return [("", None)]
    return [(tile.name, tile.window) for tile in cut_tiles(scene, size=settings.tile_size, overlap=settings.overlap)]
