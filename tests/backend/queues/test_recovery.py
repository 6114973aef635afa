"""Restarts, crashes and other processes."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from backend.contract import Stage
from backend.queues import QueueUnavailable, running
from backend.queues.database import open_database
from backend.queues.durable import DurableStore
from backend.queues.records import jobs
from backend.services import CAPTIONING
from tests.backend.queues.conftest import OpenQueue, StartWorker, kill
from tests.backend.queues.fakes import PATIENCE_S, FakeEngine, GatedEngine, ask, eventually, picture


async def test_after_kill_9_queued_and_interrupted_jobs_run_and_finished_ones_still_answer(
    open_queue: OpenQueue, start_worker: StartWorker, tmp_path: Path
) -> None:
    caller = await open_queue(FakeEngine(), answers=False)
    gate = tmp_path / "gate"

    worker = await start_worker()
    gate.touch()
    finished = await caller.submit(ask("finished"))
    done = await caller.status(finished, wait_s=PATIENCE_S)
    gate.unlink()

    others = [await caller.submit(ask(prompt, picture())) for prompt in ("one", "two", "three")]
    for call_id in others[:2]:
        await eventually(lambda call_id=call_id: caller.status(call_id), lambda status: status.partial == "half ")
    assert (await caller.status(others[2])).stage is Stage.QUEUED
    await kill(worker)
    assert not (await caller.status(others[0])).stage.is_final

    gate.touch()
    await start_worker()
    ended = [await caller.status(call_id, wait_s=PATIENCE_S) for call_id in others]
    texts = [status.completion.text for status in ended if status.completion]
    assert texts == ["answered: one", "answered: two", "answered: three"]
    assert await caller.status(finished) == done
    runs = [line.split()[1:] for line in (tmp_path / "runs").read_text().splitlines()]
    assert runs.count(["finished", "0"]) == 1
    assert [runs.count([prompt, "1"]) for prompt in ("one", "two", "three")] == [2, 2, 1]


async def test_stage_and_text_are_seen_and_the_job_is_cancelled_from_another_process(
    open_queue: OpenQueue, start_worker: StartWorker, tmp_path: Path
) -> None:
    caller = await open_queue(FakeEngine(), answers=False)
    await start_worker()
    call_id = await caller.submit(ask("one"))
    queued = await caller.status(call_id)
    status = queued
    while not status.partial:
        status = await caller.status(call_id, wait_s=PATIENCE_S, seen=status)
    assert (status.stage, status.partial) == (Stage.RUNNING, "half ")
    waiter = asyncio.create_task(caller.status(call_id, wait_s=PATIENCE_S))
    await caller.cancel(call_id)
    assert (await waiter).stage is Stage.CANCELLED
    (tmp_path / "gate").touch()
    following = await caller.status(await caller.submit(ask("two")), wait_s=PATIENCE_S)
    assert following.stage is Stage.DONE
    assert (await caller.status(call_id)).stage is Stage.CANCELLED


async def test_a_closed_store_can_be_started_again_and_goes_on(open_store: Callable[..., DurableStore]) -> None:
    engine = GatedEngine()
    store = open_store()
    queue = store.queue(CAPTIONING, engine, concurrency=1)
    await store.start()
    interrupted, waiting = await queue.submit(ask("interrupted")), await queue.submit(ask("waiting"))
    await asyncio.wait_for(engine.started.wait(), PATIENCE_S)
    await store.close()
    assert engine.stopped == ["interrupted"]
    engine.gate.set()
    await store.start()
    ended = [await queue.status(call_id, wait_s=PATIENCE_S) for call_id in (interrupted, waiting)]
    assert [status.stage for status in ended] == [Stage.DONE, Stage.DONE]
    assert engine.prompts == ["interrupted", "interrupted", "waiting"]


async def test_a_job_that_a_shutdown_stopped_waits_again(open_queue: OpenQueue) -> None:
    engine = GatedEngine()
    queue = await open_queue(engine)
    caller = await open_queue(FakeEngine(), answers=False)
    call_id = await queue.submit(ask())
    await eventually(lambda: caller.status(call_id), lambda status: status.partial == "half ")
    await queue.close()
    status = await caller.status(call_id)
    assert (status.stage, status.position, status.partial) == (Stage.QUEUED, 0, "")


async def test_closing_wakes_those_who_wait(open_queue: OpenQueue) -> None:
    queue = await open_queue(GatedEngine())
    call_id = await queue.submit(ask())
    waiter = asyncio.create_task(queue.status(call_id, wait_s=10 * PATIENCE_S))
    await eventually(lambda: asyncio.sleep(0, queue.awaited), bool)
    await queue.close()
    with pytest.raises(QueueUnavailable):
        await asyncio.wait_for(waiter, PATIENCE_S)


async def test_a_closed_queue_says_so(open_queue: OpenQueue) -> None:
    queue = await open_queue(FakeEngine())
    await queue.close()
    await queue.close()
    with pytest.raises(QueueUnavailable):
        await queue.submit(ask())


async def test_starting_twice_is_harmless(open_queue: OpenQueue) -> None:
    queue = await open_queue(FakeEngine())
    await queue.start()
    assert (await queue.status(await queue.submit(ask()), wait_s=PATIENCE_S)).stage is Stage.DONE


async def test_a_job_that_kills_its_process_again_and_again_is_given_up(open_queue: OpenQueue, tmp_path: Path) -> None:
    engine = FakeEngine()
    caller = await open_queue(engine, answers=False)
    call_id = await caller.submit(ask())
    database = open_database(tmp_path, None)
    with database.begin() as connection:
        connection.execute(sa.update(jobs).values(attempts=running.MAX_ATTEMPTS))
    database.dispose()
    await open_queue(engine)
    status = await caller.status(call_id, wait_s=PATIENCE_S)
    assert status.stage is Stage.FAILED
    assert "was given up" in (status.error or "")
    assert engine.requests == []


async def test_a_database_that_cannot_be_reached_is_said_at_the_start(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Nobody listens here.
        url = f"postgresql://nadir:secret@127.0.0.1:{taken.getsockname()[1]}/jobs"
        queue = DurableStore(data_dir=tmp_path, database_url=url).queue(CAPTIONING, FakeEngine())
        with pytest.raises(QueueUnavailable) as refusal:
            await queue.start()
    assert "cannot be reached" in str(refusal.value)
    assert "secret" not in str(refusal.value)
    with pytest.raises(QueueUnavailable):
        await queue.submit(ask())


def test_a_database_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be a Postgres URL"):
        open_database(tmp_path, "mysql://nadir@127.0.0.1/jobs")


async def test_dbos_keeps_quiet(
    open_queue: OpenQueue, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    root_handlers = list(logging.root.handlers)
    queue = await open_queue(GatedEngine())
    call_id = await queue.submit(ask())
    await eventually(lambda: queue.status(call_id), lambda status: status.stage is Stage.RUNNING)
    await queue.cancel(call_id)
    await queue.submit(ask())
    await queue.close()
    assert [record.getMessage() for record in caplog.records if record.name.startswith("dbos")] == []
    assert "".join(capfd.readouterr()) == ""
    assert logging.root.handlers == root_handlers
