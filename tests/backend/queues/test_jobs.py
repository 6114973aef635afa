"""What a caller sees of a job in the durable queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from backend.contract import Stage
from backend.engines import Answer, EngineFailed, EngineUnavailable, RequestRefused, Starting, TextPiece
from backend.queues import UnknownJob
from backend.queues.durable import DurableStore
from backend.services import CAPTIONING, VQA
from tests.backend.queues.conftest import OpenQueue
from tests.backend.queues.fakes import PATIENCE_S, FakeEngine, GatedEngine, ScriptedEngine, ask, eventually


async def test_a_job_is_answered_with_a_completion_of_the_service(open_queue: OpenQueue) -> None:
    queue = await open_queue(FakeEngine())
    call_id = await queue.submit(ask("Where is the river?"))
    status = await queue.status(call_id, wait_s=PATIENCE_S)
    assert status.stage is Stage.DONE
    assert status.completion is not None
    assert status.completion.id == f"chatcmpl-{call_id}"
    assert status.completion.model == CAPTIONING.model
    assert status.completion.text == "about: Where is the river?"
    assert status.completion.usage.total_tokens == 5
    assert status.completion.created > 0


async def test_a_call_id_looks_like_those_of_the_deployed_services(open_queue: OpenQueue) -> None:
    queue = await open_queue(FakeEngine())
    assert (await queue.submit(ask())).startswith("fc-")


async def test_the_engine_gets_the_defaults_of_the_service(open_queue: OpenQueue) -> None:
    engine = FakeEngine()
    queue = await open_queue(engine)
    await queue.status(await queue.submit(ask()), wait_s=PATIENCE_S)
    [request] = engine.requests
    assert (request.model, request.max_tokens, request.temperature) == (
        CAPTIONING.model,
        CAPTIONING.max_tokens,
        CAPTIONING.temperature,
    )


async def test_the_engine_gets_what_the_caller_asked_for(open_queue: OpenQueue) -> None:
    engine = FakeEngine()
    queue = await open_queue(engine)
    request = ask(max_tokens=7, max_completion_tokens=9, temperature=0.0)
    await queue.status(await queue.submit(request), wait_s=PATIENCE_S)
    assert (engine.requests[0].max_tokens, engine.requests[0].temperature) == (9, 0.0)


async def test_text_is_seen_as_it_arrives(open_queue: OpenQueue) -> None:
    engine = GatedEngine()
    queue = await open_queue(engine)
    call_id = await queue.submit(ask())
    half = await eventually(lambda: queue.status(call_id), lambda status: status.partial == "half ")
    assert half.stage is Stage.RUNNING
    engine.gate.set()
    seen = await queue.status(call_id, wait_s=PATIENCE_S)
    assert seen.completion is not None
    assert seen.completion.text == "half whole"


async def test_a_caller_who_waits_for_news_is_told_each_change(open_queue: OpenQueue) -> None:
    engine = GatedEngine()
    queue = await open_queue(engine)
    call_id = await queue.submit(ask())
    status = await queue.status(call_id)
    stages = [status.stage]
    while not status.stage.is_final:
        status = await queue.status(call_id, wait_s=PATIENCE_S, seen=status)
        stages.append(status.stage)
        if status.partial:
            engine.gate.set()
    assert stages[0] is Stage.QUEUED
    assert Stage.RUNNING in stages
    assert stages[-1] is Stage.DONE


async def test_starting_is_told_while_the_model_loads(open_queue: OpenQueue) -> None:
    queue = await open_queue(ScriptedEngine(Starting(), hangs=True))
    call_id = await queue.submit(ask())
    status = await eventually(lambda: queue.status(call_id), lambda status: status.stage is Stage.STARTING)
    assert status.partial == ""


async def test_a_wait_ends_when_its_time_is_up(open_queue: OpenQueue) -> None:
    queue = await open_queue(GatedEngine())
    status = await queue.status(await queue.submit(ask()), wait_s=0.05)
    assert not status.stage.is_final


async def test_a_queued_job_knows_how_many_are_ahead(open_queue: OpenQueue) -> None:
    engine = GatedEngine()
    queue = await open_queue(engine, concurrency=1)
    first = await queue.submit(ask("first"))
    await eventually(lambda: queue.status(first), lambda status: status.stage is Stage.RUNNING)
    waiting = [await queue.submit(ask(prompt)) for prompt in ("second", "third")]
    assert [(await queue.status(call_id)).position for call_id in waiting] == [0, 1]
    assert (await queue.status(first)).position is None


async def test_a_new_position_is_news(open_queue: OpenQueue) -> None:
    engine = GatedEngine()
    queue = await open_queue(engine, concurrency=1)
    for prompt in ("first", "second"):
        await queue.submit(ask(prompt))
    await asyncio.wait_for(engine.started.wait(), PATIENCE_S)
    third = await queue.submit(ask("third"))
    seen = await queue.status(third)
    engine.gate.set()
    news = await queue.status(third, wait_s=PATIENCE_S, seen=seen)
    assert news.position != seen.position


async def test_elapsed_time_runs_from_submission_to_the_end(open_store: Callable[..., DurableStore]) -> None:
    clock = [1000.0]
    engine = GatedEngine()
    queue = open_store(now=lambda: clock[0]).queue(CAPTIONING, engine)
    await queue.start()
    call_id = await queue.submit(ask())
    clock[0] += 3
    assert (await queue.status(call_id)).elapsed_s == pytest.approx(3)
    await asyncio.wait_for(engine.started.wait(), PATIENCE_S)
    engine.gate.set()
    await queue.status(call_id, wait_s=PATIENCE_S)
    clock[0] += 60
    assert (await queue.status(call_id)).elapsed_s == pytest.approx(3)


@pytest.mark.parametrize(
    ("error", "http_status"),
    [
        (RequestRefused("The prompt is too long. Shorten it."), 400),
        (EngineFailed("The model ran out of memory."), 500),
        (EngineUnavailable("The model server cannot be reached."), 503),
    ],
)
async def test_an_engine_error_fails_the_job_with_its_sentence(
    open_queue: OpenQueue, error: Exception, http_status: int
) -> None:
    queue = await open_queue(ScriptedEngine(TextPiece("hal"), error=error))
    status = await queue.status(await queue.submit(ask()), wait_s=PATIENCE_S)
    assert (status.stage, status.error, status.error_status) == (Stage.FAILED, str(error), http_status)


async def test_a_broken_engine_fails_the_job_and_keeps_the_traceback_for_the_operator(
    open_queue: OpenQueue, caplog: pytest.LogCaptureFixture
) -> None:
    queue = await open_queue(ScriptedEngine(error=ZeroDivisionError("secret detail")))
    call_id = await queue.submit(ask())
    status = await queue.status(call_id, wait_s=PATIENCE_S)
    assert status.stage is Stage.FAILED
    assert status.error is not None
    assert call_id in status.error
    assert "secret detail" not in status.error
    assert "ZeroDivisionError: secret detail" in (status.traceback or "")
    assert call_id in caplog.text


async def test_an_answer_that_breaks_off_fails_the_job(open_queue: OpenQueue) -> None:
    queue = await open_queue(ScriptedEngine(TextPiece("half")))
    status = await queue.status(await queue.submit(ask()), wait_s=PATIENCE_S)
    assert status.stage is Stage.FAILED
    assert "before its answer was whole" in (status.error or "")


async def test_a_job_that_takes_too_long_is_stopped_and_says_so(open_store: Callable[..., DurableStore]) -> None:
    engine = ScriptedEngine(hangs=True)
    service: Any = replace(CAPTIONING, timeout_s=0.05)
    queue = open_store().queue(service, engine)
    await queue.start()
    status = await queue.status(await queue.submit(ask()), wait_s=PATIENCE_S)
    assert status.stage is Stage.FAILED
    assert "ran longer than 0.05 s" in (status.error or "")
    assert engine.closed.is_set()


async def test_an_unknown_call_id_is_unknown(open_queue: OpenQueue) -> None:
    queue = await open_queue(FakeEngine())
    with pytest.raises(UnknownJob):
        await queue.status("fc-nothing")
    with pytest.raises(UnknownJob):
        await queue.status("fc-nothing", wait_s=PATIENCE_S)
    with pytest.raises(UnknownJob):
        await queue.cancel("fc-nothing")


async def test_a_service_does_not_know_the_jobs_of_the_other(open_store: Callable[..., DurableStore]) -> None:
    store = open_store()
    captioning, vqa = store.queue(CAPTIONING, FakeEngine()), store.queue(VQA, FakeEngine())
    await store.start()
    call_id = await captioning.submit(ask())
    with pytest.raises(UnknownJob):
        await vqa.status(call_id)
    with pytest.raises(UnknownJob):
        await vqa.cancel(call_id)
    assert (await captioning.status(call_id, wait_s=PATIENCE_S)).stage is Stage.DONE


async def test_both_services_answer_side_by_side(open_store: Callable[..., DurableStore]) -> None:
    store = open_store()
    queues = [store.queue(service, FakeEngine()) for service in (CAPTIONING, VQA)]
    await store.start()
    ids = [await queue.submit(ask()) for queue in queues]
    ended = [await queue.status(call_id, wait_s=PATIENCE_S) for queue, call_id in zip(queues, ids, strict=True)]
    assert [status.completion.model for status in ended if status.completion] == [CAPTIONING.model, VQA.model]


async def test_a_caller_who_goes_away_leaves_nothing_behind(open_queue: OpenQueue) -> None:
    queue = await open_queue(GatedEngine())
    call_id = await queue.submit(ask())
    callers = [asyncio.create_task(queue.status(call_id, wait_s=PATIENCE_S)) for _ in range(3)]
    await eventually(lambda: asyncio.sleep(0, queue.awaited), lambda awaited: awaited == {call_id})
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    assert queue.awaited == set()


async def test_the_engine_is_introduced(open_queue: OpenQueue) -> None:
    queue = await open_queue(FakeEngine())
    assert (queue.engine_name, queue.max_pixels) == ("fake", 1_000_000)


async def test_a_warm_up_returns_at_once_and_its_failure_is_only_logged(
    open_queue: OpenQueue, caplog: pytest.LogCaptureFixture
) -> None:
    engine = FakeEngine()
    may_fail = asyncio.Event()

    async def fail() -> None:
        await may_fail.wait()
        raise EngineUnavailable("no such host")

    engine.warm_up = fail  # type: ignore[method-assign]
    queue = await open_queue(engine)
    await queue.warm_up()
    may_fail.set()
    await eventually(lambda: asyncio.sleep(0, caplog.text), lambda text: "no such host" in text)


async def test_a_finished_text_is_whole_even_when_it_came_at_once(open_queue: OpenQueue) -> None:
    queue = await open_queue(ScriptedEngine(TextPiece("a"), Answer("a", finish_reason="length")))
    status = await queue.status(await queue.submit(ask()), wait_s=PATIENCE_S)
    assert status.completion is not None
    assert (status.completion.text, status.completion.finish_reason) == ("a", "length")
