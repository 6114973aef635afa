"""Finished jobs and their images are kept for the retention, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from backend.contract import RETENTION_DAYS, Stage
from backend.queues import UnknownJob
from backend.queues.database import open_database
from backend.queues.durable import DurableStore
from backend.services import CAPTIONING
from tests.backend.queues.fakes import PATIENCE_S, FakeEngine, GatedEngine, ask, picture

DAY_S = 24 * 3600.0


class Clock:
    def __init__(self) -> None:
        self.time_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time_s


async def test_a_finished_job_answers_until_its_retention_has_passed(open_store: Callable[..., DurableStore]) -> None:
    clock = Clock()
    queue = open_store(now=clock).queue(CAPTIONING, FakeEngine())
    await queue.start()
    call_id = await queue.submit(ask())
    await queue.status(call_id, wait_s=PATIENCE_S)
    clock.time_s += RETENTION_DAYS * DAY_S - 60
    assert (await queue.status(call_id)).stage is Stage.DONE
    clock.time_s += 120
    with pytest.raises(UnknownJob):
        await queue.status(call_id)


async def test_a_sweep_removes_old_jobs_and_the_images_that_no_job_needs(
    open_store: Callable[..., DurableStore], tmp_path: Path
) -> None:
    clock = Clock()
    store = open_store(now=clock)
    queue = store.queue(CAPTIONING, FakeEngine())
    await store.start()
    for urls in ((picture(1),), (picture(1), picture(2))):
        await queue.status(await queue.submit(ask("old", *urls)), wait_s=PATIENCE_S)
    clock.time_s += (RETENTION_DAYS - 1) * DAY_S
    recent = await queue.submit(ask("recent", picture(2)))
    await queue.status(recent, wait_s=PATIENCE_S)
    clock.time_s += 2 * DAY_S

    assert await store.sweep() == 2
    assert (await queue.status(recent)).stage is Stage.DONE
    counts = _count_rows(tmp_path)
    assert counts["nadir_jobs"] == 1
    assert counts["nadir_images"] == 1
    assert counts["nadir_job_images"] == 1
    assert counts["workflow_status"] == 1
    assert await store.sweep() == 0


async def test_a_sweep_leaves_jobs_that_have_not_ended(open_store: Callable[..., DurableStore]) -> None:
    clock = Clock()
    engine = GatedEngine()
    store = open_store(now=clock)
    queue = store.queue(CAPTIONING, engine)
    await store.start()
    call_id = await queue.submit(ask("long", picture()))
    await asyncio.wait_for(engine.started.wait(), PATIENCE_S)
    clock.time_s += 30 * DAY_S
    assert await store.sweep() == 0
    engine.gate.set()
    assert (await queue.status(call_id, wait_s=PATIENCE_S)).stage is Stage.DONE


async def test_a_key_can_be_used_again_when_its_job_was_removed(open_store: Callable[..., DurableStore]) -> None:
    clock = Clock()
    engine = FakeEngine()
    store = open_store(now=clock)
    queue = store.queue(CAPTIONING, engine)
    await store.start()
    await queue.status(await queue.submit(ask(), idempotency_key="k"), wait_s=PATIENCE_S)
    clock.time_s += 8 * DAY_S
    await store.sweep()
    again = await queue.submit(ask(), idempotency_key="k")
    assert (await queue.status(again, wait_s=PATIENCE_S)).stage is Stage.DONE
    assert len(engine.requests) == 2


def _count_rows(data_dir: Path) -> dict[str, int]:
    database = open_database(data_dir, None)
    with database.connect() as connection:
        counts = {
            table: connection.execute(sa.select(sa.func.count()).select_from(sa.table(table))).scalar_one()
            for table in ("nadir_jobs", "nadir_images", "nadir_job_images", "workflow_status")
        }
    database.dispose()
    return counts
