"""Cancelling at every stage."""

from __future__ import annotations

import asyncio

from backend.contract import Stage
from backend.engines import Starting
from tests.backend.queues.conftest import OpenQueue
from tests.backend.queues.fakes import PATIENCE_S, FakeEngine, GatedEngine, ScriptedEngine, ask, eventually


async def test_a_job_cancelled_while_queued_never_starts(open_queue: OpenQueue) -> None:
    engine = GatedEngine()
    queue = await open_queue(engine, concurrency=1)
    await queue.submit(ask("first"))
    await asyncio.wait_for(engine.started.wait(), PATIENCE_S)
    second, third = await queue.submit(ask("second")), await queue.submit(ask("third"))
    assert (await queue.cancel(second)).stage is Stage.CANCELLED
    engine.gate.set()
    assert (await queue.status(third, wait_s=PATIENCE_S)).stage is Stage.DONE
    assert engine.prompts == ["first", "third"]
    assert (await queue.status(second)).stage is Stage.CANCELLED


async def test_a_job_cancelled_while_the_model_loads_is_stopped(open_queue: OpenQueue) -> None:
    engine = ScriptedEngine(Starting(), hangs=True)
    queue = await open_queue(engine)
    call_id = await queue.submit(ask())
    await eventually(lambda: queue.status(call_id), lambda status: status.stage is Stage.STARTING)
    assert (await queue.cancel(call_id)).stage is Stage.CANCELLED
    await asyncio.wait_for(engine.closed.wait(), PATIENCE_S)


async def test_a_job_cancelled_while_running_stops_the_engine_and_wakes_those_who_wait(open_queue: OpenQueue) -> None:
    engine = GatedEngine()
    queue = await open_queue(engine)
    call_id = await queue.submit(ask("river"))
    await asyncio.wait_for(engine.started.wait(), PATIENCE_S)
    waiter = asyncio.create_task(queue.status(call_id, wait_s=PATIENCE_S))
    await queue.cancel(call_id)
    assert (await waiter).stage is Stage.CANCELLED
    await eventually(lambda: asyncio.sleep(0, engine.stopped), lambda stopped: stopped == ["river"])
    assert (await queue.status(call_id)).partial == ""


async def test_the_place_of_a_cancelled_job_is_free_again(open_queue: OpenQueue) -> None:
    engine = GatedEngine()
    queue = await open_queue(engine, concurrency=1)
    first = await queue.submit(ask("first"))
    await asyncio.wait_for(engine.started.wait(), PATIENCE_S)
    await queue.cancel(first)
    engine.gate.set()
    assert (await queue.status(await queue.submit(ask("second")), wait_s=PATIENCE_S)).stage is Stage.DONE


async def test_a_finished_job_stays_done_when_it_is_cancelled(open_queue: OpenQueue) -> None:
    queue = await open_queue(FakeEngine())
    call_id = await queue.submit(ask())
    done = await queue.status(call_id, wait_s=PATIENCE_S)
    assert (await queue.cancel(call_id)).completion == done.completion


async def test_cancelling_twice_is_harmless(open_queue: OpenQueue) -> None:
    queue = await open_queue(GatedEngine())
    call_id = await queue.submit(ask())
    assert [(await queue.cancel(call_id)).stage for _ in range(2)] == [Stage.CANCELLED, Stage.CANCELLED]


async def test_a_job_that_runs_in_another_process_is_stopped(open_queue: OpenQueue) -> None:
    engine = GatedEngine()
    await open_queue(engine)
    elsewhere = await open_queue(FakeEngine(), answers=False)
    call_id = await elsewhere.submit(ask("river"))
    await asyncio.wait_for(engine.started.wait(), PATIENCE_S)
    assert (await elsewhere.cancel(call_id)).stage is Stage.CANCELLED
    await eventually(lambda: asyncio.sleep(0, engine.stopped), lambda stopped: stopped == ["river"])


async def test_an_engine_that_ignores_its_cancellation_cannot_bring_the_job_back(open_queue: OpenQueue) -> None:
    class Stubborn(GatedEngine):
        async def answer(self, request):  # type: ignore[no-untyped-def, override]
            self.started.set()
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                async for event in FakeEngine.answer(self, request):
                    yield event

    engine = Stubborn()
    queue = await open_queue(engine)
    call_id = await queue.submit(ask())
    await asyncio.wait_for(engine.started.wait(), PATIENCE_S)
    await queue.cancel(call_id)
    await eventually(lambda: asyncio.sleep(0, engine.requests), bool)
    assert (await queue.status(call_id)).stage is Stage.CANCELLED
