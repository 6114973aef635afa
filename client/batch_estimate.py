"""What a batch takes: jobs, tokens, bytes, time, said only as far as it is known."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from client.batch_plan import BatchPlan, PlannedJob
from client.imagery import SceneReader
from client.payload import image_tokens, model_size

SAMPLES = 4
"""Pictures that are made to see how many bytes a pixel takes."""
CHARACTERS_PER_TOKEN = 4
"""Of a prompt, roughly."""
BASE64 = 4 / 3
ENDS_KEPT = 40
FEWEST_ENDS = 3
"""Jobs that must have ended before anything is said of the rest."""


@dataclass(frozen=True)
class Estimate:
    """What is known of a batch before it is sent."""

    jobs: int
    scenes: int
    prompt_tokens: int
    """Of pictures and prompts together; those of pictures are exact."""
    answer_tokens: int
    """The most that the answers may have."""
    bytes: int
    """Of all submissions together, from a sample of their pictures."""
    seconds: float | None
    """How long it takes at the pace of the last batch on this service; None where there was none."""


class Pace:
    """How fast jobs end, from those that ended last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends: deque[float] = deque(maxlen=ENDS_KEPT)

    def note(self) -> None:
        """Takes note that a job ended just now."""
        self._ends.append(self._clock())

    def forget(self) -> None:
        """Begins anew, as after a pause."""
        self._ends.clear()

    def seconds_for(self, jobs: int) -> float | None:
        """Returns how long so many jobs take; None while too few have ended.

        The time since the last end counts, so that a batch which has come to a halt says so.
        """
        if len(self._ends) < FEWEST_ENDS:
            return None
        return jobs * (self._clock() - self._ends[0]) / (len(self._ends) - 1)


async def estimate(plan: BatchPlan, reader: SceneReader, *, seconds_per_job: float | None) -> Estimate:
    """Returns what a batch takes.

    Args:
        seconds_per_job: the pace of the last batch on the same service; None where there was none.

    Raises:
        SceneError: a file of the sample cannot be read any more.
    """
    pixels = [_pixels(plan, job) for job in plan.jobs]
    per_pixel = await _bytes_per_pixel(plan, reader)
    texts = sum(len(job.prompt) for job in plan.jobs)
    return Estimate(
        jobs=len(plan.jobs),
        scenes=len({job.scene for job in plan.jobs}),
        prompt_tokens=sum(image_tokens(*size) for size in pixels) + texts // CHARACTERS_PER_TOKEN,
        answer_tokens=plan.settings.max_tokens * len(plan.jobs),
        bytes=round(sum(width * height for width, height in pixels) * per_pixel * BASE64) + texts,
        seconds=None if seconds_per_job is None else seconds_per_job * len(plan.jobs),
    )


def _pixels(plan: BatchPlan, job: PlannedJob) -> tuple[int, int]:
    window = plan.window(job)
    settings = plan.settings
    return model_size(window.width, window.height, max_pixels=settings.detail.max_pixels, enlarge=settings.enlarge)


async def _bytes_per_pixel(plan: BatchPlan, reader: SceneReader) -> float:
    step = max(1, len(plan.jobs) // SAMPLES)
    size, pixels = 0, 0
    for job in plan.jobs[::step][:SAMPLES]:
        scene = plan.scenes[job.scene].scene
        picture = await reader.picture(scene, plan.settings.detail, window=job.window, enlarge=plan.settings.enlarge)
        size, pixels = size + len(picture.data), pixels + picture.width * picture.height
    return size / pixels if pixels else 0.0
