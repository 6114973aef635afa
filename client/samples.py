"""The sample scenes that Nadir ships, with their rights: `assets/scenes/scenes.json` as data."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

SCENES_DIR = Path(__file__).resolve().parent.parent / "assets" / "scenes"


class Sample(BaseModel):
    """A scene to begin with."""

    key: str
    file: str
    """File name within `assets/scenes`."""
    title: str
    attribution: str
    """What has to be shown beside it."""
    rights: str
    question: str
    """A question that the scene is good for."""

    @property
    def path(self) -> Path:
        """Where the file is."""
        return SCENES_DIR / self.file

    @property
    def thumbnail(self) -> Path:
        """A small WebP picture of it."""
        return SCENES_DIR / "thumbnails" / f"{self.key}.webp"


@cache
def load_samples() -> tuple[Sample, ...]:
    """Returns the sample scenes in the order in which the page shows them."""
    return tuple(TypeAdapter(list[Sample]).validate_json((SCENES_DIR / "scenes.json").read_bytes()))
