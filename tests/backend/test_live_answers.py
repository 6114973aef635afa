"""The synchronous route: answers while the caller stays on the line, streamed or whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from backend.contract import CANCELLED_MESSAGE, Stage
from backend.engines import Answer, EngineFailed, Starting, TextPiece
from backend.gateway import GatewayOptions
from backend.queues import JobStatus, QueueUnavailable
from tests.backend.calls import COMPLETE, MODEL, STATUS, chat, data_url
from tests.backend.running import running_gateway
from tests.backend.scripted_engine import USAGE, ScriptedEngine

GO_ON = ScriptedEngine.GO_ON
BRIEF = GatewayOptions(keep_alive_s=0.01)


async def events_of(answer: httpx.Response) -> AsyncIterator[Any]:
    """Yields what each event of the stream carries: decoded JSON, the text of a comment, or `[DONE]`."""
    async for line in answer.aiter_lines():
        if line.startswith(":"):
            yield line
        elif line == "data: [DONE]":
            yield "[DONE]"
        elif line:
            yield json.loads(line.removeprefix("data: "))


def content_of(event: Any) -> str:
    return event["choices"][0]["delta"].get("content") or "" if isinstance(event, dict) and event["choices"] else ""


async def test_a_streamed_answer_is_openais_sequence_of_chunks() -> None:
    events = []
    async with (
        running_gateway(TextPiece("One "), GO_ON, TextPiece("two."), Answer("One two.", "length")) as running,
        running.http.stream("POST", COMPLETE, json=chat(data_url(), stream=True)) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for event in events_of(answer):
            events.append(event)
            if content_of(event) == "One ":
                running.engine.go_on.set()
    assert [content_of(event) for event in events[:-1]] == ["", "One ", "two.", ""]
    assert events[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [event["choices"][0]["finish_reason"] for event in events[:-1]] == [None, None, None, "length"]
    assert events[-1] == "[DONE]"
    assert {(e["id"], e["object"], e["model"]) for e in events[:-1]} == {
        ("chatcmpl-fc-1", "chat.completion.chunk", MODEL)
    }


async def test_usage_is_streamed_last_and_only_when_it_is_asked_for() -> None:
    async with running_gateway(Answer("Sea.", "stop", USAGE)) as running:
        plain = await running.http.post(COMPLETE, json=chat(stream=True))
        asked = await running.http.post(COMPLETE, json=chat(stream=True, stream_options={"include_usage": True}))
    assert "usage" not in plain.text
    last = [event async for event in events_of(asked)][-2]
    assert last["choices"] == []
    assert last["usage"] == USAGE.model_dump()


async def test_while_nothing_happens_the_stream_is_kept_alive_by_comments() -> None:
    async with running_gateway(Starting(), GO_ON, Answer("Sea."), options=BRIEF) as running:
        events = []
        async with running.http.stream("POST", COMPLETE, json=chat(stream=True)) as answer:
            async for event in events_of(answer):
                events.append(event)
                if events.count(": starting") == 3:
                    running.engine.go_on.set()
    assert events.count(": starting") >= 3
    assert "".join(map(content_of, events)) == "Sea."


async def test_a_failure_midway_ends_the_stream_with_an_error_event() -> None:
    async with running_gateway(TextPiece("One "), GO_ON, EngineFailed("The GPU went away.")) as running:
        events = []
        async with running.http.stream("POST", COMPLETE, json=chat(stream=True)) as answer:
            async for event in events_of(answer):
                events.append(event)
                running.engine.go_on.set()
    assert events[-1] == {"error": {"message": "The GPU went away.", "type": "job_error", "code": 500}}


async def test_a_job_cancelled_by_another_ends_the_stream_with_an_error_event() -> None:
    async with (
        running_gateway(TextPiece("One "), GO_ON) as running,
        running.http.stream("POST", COMPLETE, json=chat(stream=True)) as answer,
    ):
        await running.http.delete(STATUS + "fc-1")
        events = [event async for event in events_of(answer)]
    assert events[-1]["error"]["message"] == CANCELLED_MESSAGE
    assert events[-1]["error"]["code"] == 404


async def test_a_job_that_starts_over_never_streams_a_mixture(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter([JobStatus("fc-1", Stage.RUNNING, partial="A har"), JobStatus("fc-1", Stage.RUNNING, partial="The s")])

    async with running_gateway(Answer("The sea.")) as running:
        status = running.queue.status

        async def restarting(call_id: str, **how: Any) -> JobStatus:
            return next(seen, None) or await status(call_id, wait_s=10)

        monkeypatch.setattr(running.queue, "status", restarting)
        answer = await running.http.post(COMPLETE, json=chat(stream=True))
    events = [event async for event in events_of(answer)]
    assert "restarted midway" in events[-1]["error"]["message"]
    assert "".join(map(content_of, events[:-1])) == "A har"


async def test_a_queue_lost_midway_ends_the_stream_with_an_error_event(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(call_id: str, **how: Any) -> JobStatus:
        raise QueueUnavailable("The job database does not answer.")

    async with (
        running_gateway(TextPiece("One "), GO_ON, TextPiece("two.")) as running,
        running.http.stream("POST", COMPLETE, json=chat(stream=True)) as answer,
    ):
        monkeypatch.setattr(running.queue, "status", lost)
        running.engine.go_on.set()
        events = [event async for event in events_of(answer)]
    assert events[-1]["error"] == {"message": "The job database does not answer.", "type": "job_error", "code": 503}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("script", "stage"), [((GO_ON,), Stage.QUEUED), ((Starting(), GO_ON), Stage.STARTING)], ids=["queued", "starting"]
)
async def test_a_caller_who_leaves_before_the_answer_cancels_the_job(
    stream: bool, script: tuple[object, ...], stage: Stage
) -> None:
    async with running_gateway(*script) as running:
        call = asyncio.create_task(running.http.post(COMPLETE, json=chat(data_url(), stream=stream)))
        await running.queue.until("fc-1", lambda job: job.stage is stage)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await running.queue.until("fc-1", lambda job: job.stage is Stage.CANCELLED)
        async with asyncio.timeout(10):
            await running.engine.abandoned.wait()


async def test_a_caller_who_leaves_a_stream_cancels_the_job() -> None:
    async with running_gateway(TextPiece("One "), GO_ON) as running:
        async with running.http.stream("POST", COMPLETE, json=chat(stream=True)) as answer:
            async for event in events_of(answer):
                if content_of(event):
                    break
        await running.queue.until("fc-1", lambda job: job.stage is Stage.CANCELLED)
        async with asyncio.timeout(10):
            await running.engine.abandoned.wait()


async def test_a_caller_who_stays_to_the_end_cancels_nothing() -> None:
    async with running_gateway(Answer("Sea.")) as running:
        for stream in (False, True):
            await running.http.post(COMPLETE, json=chat(stream=stream))
        answers = [await running.http.get(STATUS + call_id) for call_id in ("fc-1", "fc-2")]
    assert [answer.status_code for answer in answers] == [200, 200]


async def test_a_job_that_cannot_be_cancelled_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()

    async def lost(call_id: str) -> JobStatus:
        asked.set()
        raise QueueUnavailable("The job database does not answer.")

    async with running_gateway(GO_ON) as running:
        monkeypatch.setattr(running.queue, "cancel", lost)
        call = asyncio.create_task(running.http.post(COMPLETE, json=chat()))
        await running.queue.until("fc-1", lambda job: job.stage is Stage.QUEUED)
        call.cancel()
        async with asyncio.timeout(10):
            await asked.wait()
        assert (await running.http.get("/health")).status_code == 200
