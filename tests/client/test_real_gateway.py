"""The client against Nadir's own gateway and durable queue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from backend.contract import ChatRequest
from backend.engines import Answer, EngineEvent, EngineFailed, RequestRefused, Starting, TextPiece
from backend.gateway import create_gateway
from backend.queues.durable import DurableStore
from backend.services import VQA
from client.batch import Batch
from client.errors import InputError, JobCancelled, JobFailed
from client.events import Done, Running
from client.items import BatchItem, item_ids
from client.jobs import JobClient
from client.retry import RetryPolicy
from tests.backend.running import running_gateway
from tests.backend.scripted_engine import ScriptedEngine
from tests.client.asking import question
from tests.fault_proxy import FaultProxy
from tests.serving import serving

JOBS = 20


class NotingEngine(ScriptedEngine):
    """Notes what it was asked."""

    def __init__(self) -> None:
        super().__init__(Answer("yes"))
        self.asked: list[str] = []

    async def answer(self, request: ChatRequest) -> AsyncIterator[EngineEvent]:
        self.asked.append(request.prompt)
        async for event in super().answer(request):
            yield event


@asynccontextmanager
async def durable_gateway(folder: Path) -> AsyncIterator[tuple[str, NotingEngine]]:
    engine = NotingEngine()
    store = DurableStore(data_dir=folder)
    queue = store.queue(VQA, engine, concurrency=8)
    await store.start()
    try:
        async with serving(create_gateway(VQA, queue)) as url:
            yield url, engine
    finally:
        await store.close()


async def test_the_text_so_far_is_heard_before_the_answer() -> None:
    script = (Starting(), TextPiece("Two "), ScriptedEngine.GO_ON, TextPiece("ships."), Answer("Two ships."))
    async with running_gateway(*script, service=VQA) as gateway, JobClient(VQA, gateway.url) as client:
        events = []
        async for event in (await client.submit(question())).events(live=True):
            events.append(event)
            if isinstance(event, Running):
                gateway.engine.go_on.set()
    assert any(isinstance(event, Running) and event.partial.startswith("Two") for event in events)
    assert isinstance(events[-1], Done)
    assert events[-1].completion.text == "Two ships."


async def test_a_result_takes_one_poll() -> None:
    async with running_gateway(service=VQA) as gateway, JobClient(VQA, gateway.url) as client:
        job = await client.submit(question())
        events = [event async for event in job.events()]
    assert len(events) == 1


async def test_a_job_is_cancelled_and_says_so() -> None:
    async with running_gateway(ScriptedEngine.GO_ON, service=VQA) as gateway, JobClient(VQA, gateway.url) as client:
        job = await client.submit(question())
        await job.cancel()
        await job.cancel()
        with pytest.raises(JobCancelled):
            await job.result()


async def test_a_failure_is_told_in_the_engine_s_words() -> None:
    async with (
        running_gateway(EngineFailed("It broke."), service=VQA) as gateway,
        JobClient(VQA, gateway.url) as client,
    ):
        with pytest.raises(JobFailed, match="It broke"):
            await (await client.submit(question())).result()


async def test_a_refused_request_says_what_to_change() -> None:
    async with (
        running_gateway(RequestRefused("Too long."), service=VQA) as gateway,
        JobClient(VQA, gateway.url) as client,
    ):
        with pytest.raises(InputError, match="messages"):
            await client.submit(question().model_copy(update={"messages": []}))
        with pytest.raises(InputError, match="Too long"):
            await client.complete(question())


async def test_health_models_and_warm_up_are_understood() -> None:
    async with running_gateway(service=VQA) as gateway, JobClient(VQA, gateway.url) as client:
        assert (await client.health()).engine == "scripted"
        models = await client.models()
        assert models is not None
        assert models.data[0].id == VQA.model
        assert await client.warm_up() is True


async def test_a_batch_through_a_bad_road_runs_every_job_once(tmp_path: Path) -> None:
    prompts = [f"question {number}" for number in range(JOBS)]
    ids = item_ids((prompt,) for prompt in prompts)
    items = [BatchItem(item_id, question(prompt)) for item_id, prompt in zip(ids, prompts, strict=True)]
    async with durable_gateway(tmp_path) as (url, engine), FaultProxy(url) as proxy:
        retry = RetryPolicy(attempts=20, first_pause_s=0.01, max_pause_s=0.1)
        async with JobClient(VQA, proxy.url, request_timeout_s=1.0, retry=retry) as client:
            results = [result async for result in Batch(client, items).results()]
    assert [str(result.error) for result in results if result.error] == []
    assert {result.item.id: result.text for result in results} == dict.fromkeys(ids, "yes")
    assert sorted(engine.asked) == sorted(prompts)
