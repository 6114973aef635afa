"""The deployed gateway over HTTP, with the container's own environment, against the stand-in and a played GPU."""

from __future__ import annotations

import asyncio
import json

import httpx
from grpclib import GRPCError, Status

from backend.contract import CANCELLED_MESSAGE
from backend.engines import Answer, EngineUnavailable, RequestRefused, TextPiece
from backend.services import CAPTIONING, VQA
from tests.backend.on_modal.container import a_request, gpu_container
from tests.backend.scripted_engine import CAPTION, USAGE, ScriptedEngine
from tests.modal_stub.control_plane import ControlPlane
from tests.modal_stub.server import RunningStub

SUBMIT = "/v1/chat/completions/async"
COMPLETE = "/v1/chat/completions"


def status_path(call_id: str) -> str:
    return f"/v1/chat/completions/status/{call_id}"


async def submit(gateway: httpx.AsyncClient, **headers: str) -> str:
    answer = await gateway.post(SUBMIT, json=a_request(), headers=headers)
    assert answer.status_code == 200, answer.text
    call_id: str = answer.json()["call_id"]
    return call_id


async def poll_until(gateway: httpx.AsyncClient, call_id: str, stage: str) -> dict[str, object]:
    async with asyncio.timeout(15):
        while True:
            body: dict[str, object] = (await gateway.get(status_path(call_id))).json()
            if body.get("stage") == stage and body.get("partial") != "":
                return body
            await asyncio.sleep(0.02)


async def test_a_job_goes_from_submission_to_its_completion(gateway: httpx.AsyncClient, stub: RunningStub) -> None:
    async with gpu_container(stub, ScriptedEngine()):
        call_id = await submit(gateway)
        answer = await gateway.get(status_path(call_id), params={"wait": 20})

    body = answer.json()
    assert answer.status_code == 200
    assert body["id"] == f"chatcmpl-{call_id}"
    assert body["choices"][0] == {
        "index": 0,
        "message": {"role": "assistant", "content": CAPTION},
        "finish_reason": "stop",
    }
    assert body["usage"] == USAGE.model_dump()


async def test_the_poller_sees_the_text_while_the_job_runs(gateway: httpx.AsyncClient, stub: RunningStub) -> None:
    engine = ScriptedEngine(TextPiece("A runway"), ScriptedEngine.GO_ON, Answer(CAPTION, usage=USAGE))
    async with gpu_container(stub, engine):
        call_id = await submit(gateway)
        body = await poll_until(gateway, call_id, "running")
        engine.go_on.set()
        end = await gateway.get(status_path(call_id), params={"wait": 20})

    assert body["partial"] == "A runway"
    assert end.status_code == 200


async def test_cancelling_stops_the_engine_and_later_polls_say_so(
    gateway: httpx.AsyncClient, stub: RunningStub
) -> None:
    engine = ScriptedEngine(TextPiece("A"), ScriptedEngine.GO_ON)
    async with gpu_container(stub, engine):
        call_id = await submit(gateway)
        await poll_until(gateway, call_id, "running")
        await gateway.delete(status_path(call_id))
        async with asyncio.timeout(10):
            await engine.abandoned.wait()
        answer = await gateway.get(status_path(call_id))

    assert (answer.status_code, answer.json()["error"]) == (404, CANCELLED_MESSAGE)


async def test_the_synchronous_route_answers_what_the_engine_refuses_with_400(
    gateway: httpx.AsyncClient, stub: RunningStub
) -> None:
    async with gpu_container(stub, ScriptedEngine(RequestRefused("The prompt is too long"))):
        answer = await gateway.post(COMPLETE, json=a_request())

    assert answer.status_code == 400
    assert "too long" in answer.json()["error"]


async def test_the_synchronous_route_answers_503_when_the_engine_is_gone(
    gateway: httpx.AsyncClient, stub: RunningStub
) -> None:
    async with gpu_container(stub, ScriptedEngine(EngineUnavailable("The model server broke"))):
        answer = await gateway.post(COMPLETE, json=a_request())

    assert answer.status_code == 503


async def test_a_streamed_answer_arrives_in_pieces(gateway: httpx.AsyncClient, stub: RunningStub) -> None:
    engine = ScriptedEngine(TextPiece("A runway"), ScriptedEngine.GO_ON, TextPiece(" ends."), Answer("A runway ends."))
    pieces: list[str] = []
    async with (
        gpu_container(stub, engine),
        gateway.stream("POST", COMPLETE, json=a_request(stream=True)) as answer,
    ):
        async for line in answer.aiter_lines():
            if not line.startswith("data: {"):
                continue
            delta = json.loads(line.removeprefix("data: "))["choices"][0]["delta"]
            if delta.get("content"):
                pieces.append(delta["content"])
                engine.go_on.set()

    assert pieces == ["A runway", " ends."]


async def test_health_and_polls_start_no_gpu(gateway: httpx.AsyncClient, plane: ControlPlane) -> None:
    health = await gateway.get("/health")
    unknown = await gateway.get(status_path("fc-unknown"))

    assert health.json() == {"status": "ok", "model": CAPTIONING.model, "engine": "vllm"}
    assert unknown.status_code == 404
    assert plane.calls == {}


async def test_health_answers_while_modal_cannot_be_reached(gateway: httpx.AsyncClient, plane: ControlPlane) -> None:
    plane.refusal = GRPCError(Status.UNAVAILABLE, "maintenance")

    assert (await gateway.get("/health")).status_code == 200


async def test_warming_up_starts_a_gpu_and_answers_at_once(gateway: httpx.AsyncClient, plane: ControlPlane) -> None:
    answer = await gateway.post("/warmup")

    assert answer.status_code == 202
    assert [call.method for call in plane.calls.values()] == ["warm"]


async def test_a_gateway_keeps_another_services_result_to_itself(
    gateway: httpx.AsyncClient, vqa_gateway: httpx.AsyncClient, stub: RunningStub
) -> None:
    async with gpu_container(stub, ScriptedEngine()):
        call_id = await submit(gateway)
        await gateway.get(status_path(call_id), params={"wait": 20})

    assert (await vqa_gateway.get(status_path(call_id))).status_code == 404
    assert (await vqa_gateway.delete(status_path(call_id))).status_code == 404
    assert (await gateway.get(status_path(call_id))).status_code == 200


async def test_a_repeated_submission_starts_no_second_job(gateway: httpx.AsyncClient, plane: ControlPlane) -> None:
    first = await submit(gateway, **{"Idempotency-Key": "scene-1"})
    second = await submit(gateway, **{"Idempotency-Key": "scene-1"})

    assert first == second
    assert len(plane.calls) == 1


async def test_an_unreachable_control_plane_is_answered_503_with_a_time_to_try_again(
    gateway: httpx.AsyncClient, plane: ControlPlane
) -> None:
    call_id = await submit(gateway)
    plane.refusal = GRPCError(Status.UNAVAILABLE, "maintenance")

    answer = await gateway.get(status_path(call_id))

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["traceback"] is None


async def test_the_model_list_tells_the_image_budget(vqa_gateway: httpx.AsyncClient) -> None:
    (card,) = (await vqa_gateway.get("/v1/models")).json()["data"]

    assert (card["id"], card["max_pixels"]) == (VQA.model, 4_194_304)
