"""The sample scenes that come with Nadir, with their rights, and with their truth where it is known."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

SCENES_DIR = Path(__file__).resolve().parent.parent / "assets" / "scenes"


class Sample(BaseModel):
    """A sample scene."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    """Path within `assets/scenes/`."""
    title: str
    short_title: str
    """For a row of thumbnails."""
    attribution: str
    """To be shown with the scene."""
    rights: str
    source: str
    prompt: str
    """For captioning."""
    questions: tuple[str, ...]
    truth: str | None = None
    """File with the exact truth, within `assets/scenes/`; only scenes drawn by program have one."""

    @property
    def key(self) -> str:
        """The file's name without its ending; names the sample on the page."""
        return Path(self.file).stem

    @property
    def thumbnail(self) -> Path:
        """A small WebP picture of it; `python -m assets.draw_thumbnails` makes it."""
        return SCENES_DIR / "thumbnails" / f"{self.key}.webp"

    @property
    def path(self) -> Path:
        """Where the scene is."""
        return SCENES_DIR / self.file

    @property
    def is_drawn(self) -> bool:
        """Whether it was drawn by program rather than photographed."""
        return self.truth is not None


class TrueObject(BaseModel):
    """Something countable in a drawn scene."""

    label: str
    pixels: tuple[float, float, float, float]
    """Left, top, right and bottom."""
    polygon: tuple[tuple[float, float], ...]
    """Outline in pixels."""


class TrueAnswer(BaseModel):
    """A question about a drawn scene and its answer."""

    question: str
    answer: str


class Truth(BaseModel):
    """What is exactly known of a drawn scene."""

    scene: str
    title: str
    files: tuple[str, ...]
    width: int
    height: int
    gsd_m: float
    crs: str
    caption: str
    counts: dict[str, int]
    questions: tuple[TrueAnswer, ...]
    objects: tuple[TrueObject, ...]


@cache
def load_samples() -> tuple[Sample, ...]:
    """Returns the sample scenes in the order in which the page shows them."""
    return TypeAdapter(tuple[Sample, ...]).validate_json((SCENES_DIR / "samples.json").read_bytes())


def load_truth(sample: Sample) -> Truth:
    """Returns what is exactly known of a drawn sample.

    Raises:
        ValueError: it is a photograph.
    """
    if sample.truth is None:
        raise ValueError(f"{sample.title} is a photograph; nobody knows its exact truth")
    return Truth.model_validate_json((SCENES_DIR / sample.truth).read_bytes())
