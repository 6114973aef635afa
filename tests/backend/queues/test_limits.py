"""How many jobs run at once, and how many may wait."""

from __future__ import annotations

import asyncio

import pytest

from backend.contract import Stage
from backend.queues import QueueFull
from tests.backend.queues.conftest import OpenQueue, StartWorker, kill
from tests.backend.queues.fakes import PATIENCE_S, GatedEngine, ask, eventually


async def test_no_more_jobs_run_at_once_than_allowed(open_queue: OpenQueue) -> None:
    engine = GatedEngine()
    queue = await open_queue(engine, concurrency=2)
    ids = [await queue.submit(ask(str(number))) for number in range(6)]
    await eventually(lambda: asyncio.sleep(0, engine.running), lambda running: running == 2)
    engine.gate.set()
    ended = [await queue.status(call_id, wait_s=PATIENCE_S) for call_id in ids]
    assert {status.stage for status in ended} == {Stage.DONE}
    assert engine.most_running == 2


async def test_jobs_run_in_the_order_of_their_submission(open_queue: OpenQueue) -> None:
    engine = GatedEngine()
    engine.gate.set()
    queue = await open_queue(engine, concurrency=1)
    ids = [await queue.submit(ask(str(number))) for number in range(5)]
    await queue.status(ids[-1], wait_s=PATIENCE_S)
    assert engine.prompts == ["0", "1", "2", "3", "4"]


async def test_a_full_queue_says_when_to_come_back(open_queue: OpenQueue) -> None:
    engine = GatedEngine()
    queue = await open_queue(engine, concurrency=1, limit=2)
    await queue.submit(ask("running"))
    await asyncio.wait_for(engine.started.wait(), PATIENCE_S)
    for prompt in ("waits", "waits too"):
        await queue.submit(ask(prompt))
    with pytest.raises(QueueFull) as refusal:
        await queue.submit(ask("too many"))
    assert refusal.value.retry_after_s >= 1
    assert f"Try again in {refusal.value.retry_after_s} s" in str(refusal.value)


async def test_a_refused_job_leaves_nothing_behind(open_queue: OpenQueue) -> None:
    engine = GatedEngine()
    queue = await open_queue(engine, concurrency=1, limit=1)
    await queue.submit(ask("running"))
    await asyncio.wait_for(engine.started.wait(), PATIENCE_S)
    waiting = await queue.submit(ask("waits"))
    for _ in range(2):
        with pytest.raises(QueueFull):
            await queue.submit(ask("refused"), idempotency_key="k")
    engine.gate.set()
    await queue.status(waiting, wait_s=PATIENCE_S)
    accepted = await queue.submit(ask("accepted"), idempotency_key="k")
    assert (await queue.status(accepted, wait_s=PATIENCE_S)).stage is Stage.DONE
    assert engine.prompts == ["running", "waits", "accepted"]


async def test_a_job_that_was_taken_already_is_not_refused(open_queue: OpenQueue) -> None:
    engine = GatedEngine()
    queue = await open_queue(engine, concurrency=1, limit=1)
    await queue.submit(ask("running"))
    await asyncio.wait_for(engine.started.wait(), PATIENCE_S)
    waiting = await queue.submit(ask("waits"), idempotency_key="k")
    assert await queue.submit(ask("waits"), idempotency_key="k") == waiting


async def test_a_process_keeps_its_own_limit_when_another_has_a_higher_one(
    open_queue: OpenQueue, start_worker: StartWorker
) -> None:
    engine = GatedEngine()
    queue = await open_queue(engine, concurrency=1)
    await kill(await start_worker())  # Allows itself two.
    ids = [await queue.submit(ask(str(number))) for number in range(3)]
    await asyncio.wait_for(engine.started.wait(), PATIENCE_S)
    engine.gate.set()
    ended = [await queue.status(call_id, wait_s=PATIENCE_S) for call_id in ids]
    assert {status.stage for status in ended} == {Stage.DONE}
    assert engine.most_running == 1
