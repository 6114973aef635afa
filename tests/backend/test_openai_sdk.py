"""The official OpenAI SDK against the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator

import openai
import pytest

from backend.engines import EngineFailed, EngineUnavailable, TextPiece
from tests.backend.calls import MODEL, chat, data_url
from tests.backend.running import Running, running_gateway
from tests.backend.scripted_engine import CAPTION, ScriptedEngine

MESSAGES = chat(data_url())["messages"]


def sdk_for(running: Running) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key="unused")


@pytest.fixture
async def sdk() -> AsyncIterator[openai.AsyncOpenAI]:
    async with running_gateway() as running, sdk_for(running) as client:
        yield client


async def test_a_completion_is_created(sdk: openai.AsyncOpenAI) -> None:
    completion = await sdk.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=64, temperature=0)
    assert completion.choices[0].message.content == CAPTION
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.total_tokens == 10


async def test_a_completion_is_streamed(sdk: openai.AsyncOpenAI) -> None:
    stream = await sdk.chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == CAPTION
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens == 7


async def test_the_models_are_listed_and_retrieved(sdk: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in sdk.models.list()] == [MODEL]
    assert (await sdk.models.retrieve(MODEL)).id == MODEL


async def test_errors_become_the_exceptions_of_the_sdk(sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await sdk.chat.completions.create(model="gpt-4", messages=MESSAGES)
    assert MODEL in str(refused.value.body)
    with pytest.raises(openai.NotFoundError):
        await sdk.models.retrieve("gpt-4")


async def test_a_failed_job_is_not_run_again_by_the_sdk() -> None:
    async with running_gateway(EngineFailed("The model broke.")) as running, sdk_for(running) as sdk:
        with pytest.raises(openai.InternalServerError) as failed:
            await sdk.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert failed.value.body == "The model broke."
    assert len(running.queue.requests) == 1


async def test_an_unavailable_engine_is_an_error_of_the_server() -> None:
    async with running_gateway(EngineUnavailable("Nothing answers.")) as running, sdk_for(running) as sdk:
        with pytest.raises(openai.InternalServerError) as failed:
            await sdk.with_options(max_retries=0).chat.completions.create(model=MODEL, messages=MESSAGES)
    assert failed.value.status_code == 503


async def test_a_failure_midway_is_raised_with_its_sentence() -> None:
    script = (TextPiece("One "), ScriptedEngine.GO_ON, EngineFailed("The GPU went away."))
    async with running_gateway(*script) as running, sdk_for(running) as sdk:
        stream = await sdk.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        with pytest.raises(openai.APIError, match="The GPU went away"):
            async for _ in stream:
                running.engine.go_on.set()
