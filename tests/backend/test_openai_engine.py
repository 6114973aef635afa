"""The engine `openai` against a real server that behaves in each of the ways that servers do."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from backend.contract import ChatRequest, Usage
from backend.engines import (
    Answer,
    EngineError,
    EngineEvent,
    EngineFailed,
    EngineUnavailable,
    RequestRefused,
    Starting,
    TextPiece,
)
from backend.engines.openai import OpenAIEngine
from tests.openai_stub import ANSWER, USAGE, WORDS, OpenAIStub
from tests.serving import serving

MODEL = "qwen-caption-special"
KEY = "sk-very-secret"

EngineFactory = Callable[..., OpenAIEngine]


@pytest.fixture
def stub() -> OpenAIStub:
    return OpenAIStub()


@pytest.fixture
async def base_url(stub: OpenAIStub) -> AsyncIterator[str]:
    async with serving(stub.app) as url:
        yield f"{url}/v1"


@pytest.fixture
async def engine(base_url: str) -> AsyncIterator[OpenAIEngine]:
    engine = OpenAIEngine(base_url, api_key=KEY, models={MODEL: "stub-model"}, retry_s=0.001)
    yield engine
    await engine.close()


def chat(**fields: Any) -> ChatRequest:
    return ChatRequest.model_validate(
        {"model": MODEL, "messages": [{"role": "user", "content": "Describe it."}], "max_tokens": 64, "temperature": 0}
        | fields
    )


async def events_of(engine: OpenAIEngine, request: ChatRequest | None = None) -> list[EngineEvent]:
    return [event async for event in engine.answer(request or chat())]


async def failure_of(engine: OpenAIEngine) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await events_of(engine)
    assert KEY not in str(caught.value)
    return caught.value


async def test_an_answer_comes_in_pieces_and_then_whole(engine: OpenAIEngine) -> None:
    assert await events_of(engine) == [*map(TextPiece, WORDS), Answer(ANSWER, "stop", Usage(**USAGE))]


async def test_the_server_gets_its_own_model_name_the_key_and_the_sampling(
    engine: OpenAIEngine, stub: OpenAIStub
) -> None:
    await events_of(engine, chat(top_p=0.9, top_k=20, seed=7, stop=["END"], presence_penalty=0.5, frequency_penalty=1))
    assert stub.authorizations == [f"Bearer {KEY}"]
    assert stub.calls == [
        {
            "model": "stub-model",
            "messages": [{"role": "user", "content": "Describe it."}],
            "max_tokens": 64,
            "temperature": 0,
            "top_p": 0.9,
            "top_k": 20,
            "seed": 7,
            "stop": ["END"],
            "presence_penalty": 0.5,
            "frequency_penalty": 1,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]


async def test_images_are_passed_on_as_they_are(engine: OpenAIEngine, stub: OpenAIStub) -> None:
    content = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    await events_of(engine, chat(messages=[{"role": "user", "content": content}]))
    assert stub.calls[0]["messages"] == [{"role": "user", "content": content}]


@pytest.mark.parametrize(
    ("offered", "used"), [(("only",), "only"), (("first", "second"), "first"), (("other", MODEL), MODEL)]
)
async def test_without_a_configured_name_the_server_is_asked_for_its_model(
    base_url: str, stub: OpenAIStub, offered: tuple[str, ...], used: str
) -> None:
    stub.models = offered
    engine = OpenAIEngine(base_url)
    await events_of(engine)
    await engine.close()
    assert stub.calls[0]["model"] == used


async def test_a_server_without_models_is_said_to_have_none(base_url: str, stub: OpenAIStub) -> None:
    stub.models = ()
    engine = OpenAIEngine(base_url)
    error = await failure_of(engine)
    await engine.close()
    assert isinstance(error, EngineUnavailable)
    assert "offers no model" in str(error)


@pytest.mark.parametrize(
    ("mode", "answer"),
    [
        ("json", Answer(ANSWER, "stop", Usage(**USAGE))),
        ("no-usage", Answer(ANSWER, "stop", Usage())),
        ("reasoning", Answer(ANSWER, "stop", Usage(**USAGE))),
        ("length", Answer(ANSWER, "length", Usage(**USAGE))),
        ("empty", Answer("", "stop", Usage(**USAGE))),
    ],
)
async def test_servers_that_differ_give_the_same_whole_answer(
    engine: OpenAIEngine, stub: OpenAIStub, mode: str, answer: Answer
) -> None:
    stub.mode = mode
    events = await events_of(engine)
    assert events[-1] == answer
    assert "".join(event.text for event in events if isinstance(event, TextPiece)) == answer.text


async def test_a_server_that_loads_its_model_is_waited_for(engine: OpenAIEngine, stub: OpenAIStub) -> None:
    stub.loading_answers = 3
    events = await events_of(engine)
    assert events[0] == Starting()
    assert isinstance(events[-1], Answer)
    assert events.count(Starting()) == 1


async def test_a_server_that_never_gets_ready_is_given_up(base_url: str, stub: OpenAIStub) -> None:
    stub.loading_answers = 1_000_000
    engine = OpenAIEngine(base_url, models={MODEL: "stub-model"}, retry_s=0.001, start_up_s=0.05)
    error = await failure_of(engine)
    await engine.close()
    assert isinstance(error, EngineUnavailable)
    assert "is not ready: Loading model." in str(error)


async def test_warming_up_waits_until_the_model_is_loaded(engine: OpenAIEngine, stub: OpenAIStub) -> None:
    stub.loading_answers = 2
    await engine.warm_up()
    assert stub.loading_answers == 0


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (400, RequestRefused, "refused the request: The prompt is too long"),
        (413, RequestRefused, "refused the request"),
        (422, RequestRefused, "refused the request"),
        (401, EngineUnavailable, "UPSTREAM_API_KEY"),
        (403, EngineUnavailable, "UPSTREAM_API_KEY"),
        (404, EngineUnavailable, "CAPTION_MODEL"),
        (429, EngineUnavailable, "overloaded"),
        (502, EngineUnavailable, "not ready"),
        (504, EngineUnavailable, "not ready"),
        (500, EngineFailed, "broke while it answered"),
    ],
)
async def test_the_servers_errors_say_what_to_do(
    engine: OpenAIEngine, stub: OpenAIStub, status: int, kind: type[EngineError], words: str
) -> None:
    stub.mode = str(status)
    error = await failure_of(engine)
    assert type(error) is kind
    assert words in str(error)


async def test_a_long_complaint_of_the_server_is_cut(engine: OpenAIEngine, stub: OpenAIStub) -> None:
    stub.mode, stub.message = "400", "data:image/png;base64," + "A" * 100_000
    assert len(str(await failure_of(engine))) < 400


async def test_a_refused_key_is_not_repeated_in_the_words_of_the_server(engine: OpenAIEngine, stub: OpenAIStub) -> None:
    stub.mode, stub.message = "401", f"Incorrect API key provided: {KEY}"
    assert isinstance(await failure_of(engine), EngineUnavailable)


@pytest.mark.parametrize("mode", ["cut", "drop", "garbage", "error-midway"])
async def test_an_answer_that_breaks_off_is_a_failure_and_never_half_an_answer(
    engine: OpenAIEngine, stub: OpenAIStub, mode: str
) -> None:
    stub.mode = mode
    events: list[EngineEvent] = []
    with pytest.raises(EngineFailed):
        async for event in engine.answer(chat()):
            events.append(event)  # noqa: PERF401 - what came before the failure counts
    assert events == [TextPiece(WORDS[0])]


async def test_a_server_that_falls_silent_is_not_waited_for_without_end(base_url: str, stub: OpenAIStub) -> None:
    stub.mode = "stall"
    engine = OpenAIEngine(base_url, models={MODEL: "stub-model"}, stall_s=0.05)
    error = await failure_of(engine)
    await engine.close()
    assert isinstance(error, EngineFailed)
    assert "fell silent" in str(error)


async def test_leaving_an_answer_early_closes_the_connection(engine: OpenAIEngine, stub: OpenAIStub) -> None:
    stub.mode = "hold"
    async with aclosing(engine.answer(chat())) as events:
        assert await anext(events) == TextPiece(WORDS[0])
    async with asyncio.timeout(10):
        await stub.left.wait()


async def test_cancelling_the_task_closes_the_connection(engine: OpenAIEngine, stub: OpenAIStub) -> None:
    stub.mode = "hold"
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in engine.answer(chat()):
            begun.set()

    task = asyncio.create_task(read())
    async with asyncio.timeout(10):
        await begun.wait()
        task.cancel()
        await stub.left.wait()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_address_where_nothing_answers_is_named_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    engine = OpenAIEngine(f"http://me:{KEY}@127.0.0.1:{port}/v1", api_key=KEY, retry_s=0.001)
    error = await failure_of(engine)
    await engine.close()
    assert isinstance(error, EngineUnavailable)
    assert f"http://127.0.0.1:{port}/v1 cannot be reached" in str(error)
