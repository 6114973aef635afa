"""All batches of the app: drawn up, begun, found again after a restart, forgotten after a week.

Whoever knows a batch's id may see and steer it; ids cannot be guessed.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from backend.contract import RETENTION_DAYS
from client.batch_estimate import Estimate, estimate
from client.batch_input import InputImage, Upload, collect
from client.batch_plan import Asked, BatchPlan, BatchSettings, PlannedScene, Refusal, plan_jobs
from client.batch_run import BatchRun
from client.batch_store import BatchStore
from client.errors import InputError, SceneError
from client.imagery import SceneReader
from client.jobs import JobClient
from client.scene import display_name

DRAFT_DAYS = 1
"""How long a batch that was looked at and never begun is kept."""
READ_AT_ONCE = 3
FEWEST_FOR_PACE = 4
"""Jobs that a batch must have answered for its pace to mean anything."""
UNKNOWN = "This batch is not on the server any more. Batches are kept for 7 days."
_DAY_S = 24 * 3600.0


class BatchGone(InputError):
    """There is no such batch here any more."""


@dataclass(frozen=True)
class Reading:
    """How far a new batch's files are read."""

    done: int
    total: int


@dataclass(frozen=True)
class Draft:
    """A batch that could be begun."""

    run: BatchRun
    estimate: Estimate


class BatchDesk:
    """Keeps every batch of the app, each in a directory of its own."""

    def __init__(self, clients: Mapping[str, JobClient], reader: SceneReader, directory: Path) -> None:
        self._clients = clients
        self._reader = reader
        self._directory = directory.absolute()
        self._runs: dict[str, BatchRun] = {}

    async def start(self) -> None:
        """Finds the batches of earlier processes, and goes on with those that were going on."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for folder in sorted(self._directory.iterdir()):
            run = await asyncio.to_thread(self._load, folder)
            if run is not None:
                self._runs[run.plan.id] = run
                run.go_on()

    async def close(self) -> None:
        """Stops watching; what the services have goes on there."""
        for run in self._runs.values():
            await run.close()
        self._runs.clear()

    def find(self, batch_id: str) -> BatchRun:
        """Returns a batch.

        Raises:
            BatchGone: there is none with this id.
        """
        if run := self._runs.get(batch_id):
            return run
        raise BatchGone(UNKNOWN)

    async def remove(self, batch_id: str) -> None:
        """Cancels a batch and deletes all that belongs to it. Harmless when there is none."""
        if run := self._runs.pop(batch_id, None):
            await run.cancel()
            await run.close()
            await asyncio.to_thread(run.store.remove)

    async def draw_up(self, uploads: list[Upload], settings: BatchSettings) -> AsyncIterator[Reading | Draft]:
        """Reads what was handed over, sends nothing, and ends with the draft of a batch.

        Raises:
            InputError: nothing that could be asked about is left, or there is too much of it.
        """
        batch_id = secrets.token_urlsafe(16).replace("-", "0").replace("_", "1")
        store = BatchStore(self._directory / batch_id)
        await asyncio.to_thread(store.create)
        drawn_up = False
        try:
            found = await asyncio.to_thread(collect, uploads, store.inputs)
            asked: list[Asked] = []
            refusals = found.refusals
            reading = Reading(0, len(found.images))
            yield reading
            async for image, opened in self._open_all(found.images, store):
                if isinstance(opened, Refusal):
                    refusals.append(opened)
                else:
                    asked.append(Asked(opened, image.questions))
                reading = Reading(reading.done + 1, reading.total)
                yield reading
            plan = _plan(batch_id, asked, settings, refusals)
            await asyncio.to_thread(store.save_plan, plan)
            run = self._runs[batch_id] = BatchRun(store, plan, self._clients[settings.service], self._reader)
            pace = self.seconds_per_job(settings.service)
            drawn_up = True
            yield Draft(run, await estimate(plan, self._reader, seconds_per_job=pace))
        finally:
            if not drawn_up:
                store.remove()

    def seconds_per_job(self, service: str) -> float | None:
        """Returns the pace of the last batch that a service answered; None where there was none."""
        for run in sorted(self._runs.values(), key=lambda run: run.plan.created_at, reverse=True):
            ends = sorted(row.ended_at for row in run.rows if row.completion and row.ended_at)
            if run.plan.settings.service == service and len(ends) >= FEWEST_FOR_PACE:
                return (ends[-1] - ends[0]) / (len(ends) - 1)
        return None

    async def _open_all(
        self, images: list[InputImage], store: BatchStore
    ) -> AsyncIterator[tuple[InputImage, PlannedScene | Refusal]]:
        """Yields images with what became of them, a few at a time, in no order."""
        for first in range(0, len(images), READ_AT_ONCE):
            few = images[first : first + READ_AT_ONCE]
            for image, opened in zip(few, await asyncio.gather(*(self._open(one, store) for one in few)), strict=True):
                yield image, opened

    async def _open(self, image: InputImage, store: BatchStore) -> PlannedScene | Refusal:
        try:
            scene = await self._reader.open(image.path, name=display_name(image.name))
            thumbnail = await self._reader.thumbnail(scene)
        except SceneError as error:
            await asyncio.to_thread(image.path.unlink, missing_ok=True)
            return Refusal(name=display_name(image.name), reason=str(error))
        path = store.thumbnails / f"{image.path.stem}.webp"
        await asyncio.to_thread(path.write_bytes, thumbnail.data)
        return PlannedScene(file=image.path.name, scene=scene)

    def _load(self, folder: Path) -> BatchRun | None:
        store = BatchStore(folder)
        plan = store.load_plan()
        if plan is None or plan.settings.service not in self._clients:
            return None
        run = BatchRun(store, _moved_here(plan, store), self._clients[plan.settings.service], self._reader)
        days = RETENTION_DAYS if run.is_begun else DRAFT_DAYS
        if time.time() - plan.created_at > days * _DAY_S:
            store.remove()
            return None
        return run


def _plan(batch_id: str, asked: list[Asked], settings: BatchSettings, refusals: list[Refusal]) -> BatchPlan:
    asked = sorted(asked, key=lambda each: each.scene.file)
    jobs, uncut = plan_jobs(asked, settings)
    if not jobs:
        reason = f" {uncut[0].reason}" if uncut else f" {refusals[0].name}: {refusals[0].reason}" if refusals else ""
        raise InputError(f"There is nothing to ask about in these files.{reason}")
    scenes = [each.scene for each in asked]
    return BatchPlan(
        id=batch_id,
        created_at=time.time(),
        settings=settings,
        scenes=scenes,
        jobs=jobs,
        refusals=[*refusals, *uncut],
    )


def _moved_here(plan: BatchPlan, store: BatchStore) -> BatchPlan:
    """Returns the plan with its scenes where they are now; the data directory may have moved."""
    for planned in plan.scenes:
        planned.scene = replace(planned.scene, path=store.inputs / planned.file)
    return plan
