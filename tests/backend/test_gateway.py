"""The contract over real HTTP: submission, polling, cancelling, and the routes beside them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from backend.contract import CANCELLED_MESSAGE, EXPIRED_MESSAGE, Completion, Stage
from backend.engines import EngineFailed, EngineUnavailable, RequestRefused, Starting, TextPiece
from backend.gateway import GatewayOptions, create_gateway
from backend.queues import JobStatus, QueueUnavailable
from backend.services import VQA
from tests.backend.calls import COMPLETE, MODEL, STATUS, SUBMIT, chat, data_url, picture
from tests.backend.fake_queue import FakeQueue
from tests.backend.running import Running, running_gateway
from tests.backend.scripted_engine import CAPTION, USAGE, ScriptedEngine, whole_answer
from tests.serving import serving

GO_ON = ScriptedEngine.GO_ON


@pytest.fixture
async def gateway() -> AsyncIterator[Running]:
    async with running_gateway() as running:
        yield running


async def submit(running: Running, **headers: str) -> str:
    answer = await running.http.post(SUBMIT, json=chat(data_url()), headers=headers)
    assert answer.status_code == 200, answer.text
    call_id: str = answer.json()["call_id"]
    return call_id


async def test_a_submission_answers_as_the_contract_has_it(gateway: Running) -> None:
    answer = await gateway.http.post(SUBMIT, json=chat(data_url()))
    assert answer.status_code == 200
    assert answer.json() == {"call_id": "fc-1", "status": "pending", "model": MODEL}


async def test_a_finished_job_answers_as_the_contract_has_it(gateway: Running) -> None:
    call_id = await submit(gateway)
    answer = await gateway.http.get(STATUS + call_id, params={"wait": 10})
    assert answer.status_code == 200
    assert answer.json() == {
        "id": f"chatcmpl-{call_id}",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": CAPTION}, "finish_reason": "stop"}],
        "usage": USAGE.model_dump(),
    }


async def test_a_pending_job_says_what_it_is_doing() -> None:
    async with running_gateway(Starting(), GO_ON, TextPiece("A runway"), GO_ON) as running:
        call_id = await submit(running)
        await running.queue.until(call_id, lambda job: job.stage is Stage.STARTING)
        starting = await running.http.get(STATUS + call_id)
        running.engine.go_on.set()
        await running.queue.until(call_id, lambda job: job.stage is Stage.RUNNING)
        running_answer = await running.http.get(STATUS + call_id)

    assert starting.status_code == running_answer.status_code == 202
    assert starting.json().items() >= {"status": "pending", "call_id": call_id, "stage": "starting"}.items()
    assert starting.json()["elapsed"] >= 0
    assert "partial" not in starting.json()
    assert running_answer.json()["stage"] == "running"
    assert running_answer.json()["partial"] == "A runway"
    assert int(starting.headers["retry-after"]) >= 1


async def test_a_queued_job_says_how_many_are_ahead() -> None:
    async with running_gateway(GO_ON) as running:
        answer = await running.http.get(STATUS + await submit(running))
    assert answer.json().items() >= {"stage": "queued", "position": 0}.items()


async def test_a_held_poll_answers_as_soon_as_the_job_ends() -> None:
    async with running_gateway(GO_ON, *whole_answer(CAPTION)) as running:
        call_id = await submit(running)
        poll = asyncio.create_task(running.http.get(STATUS + call_id, params={"wait": 25}, timeout=30))
        short = await running.http.get(STATUS + call_id, params={"wait": 0.01})
        assert not poll.done()
        running.engine.go_on.set()
        held = await poll
    assert short.status_code == 202
    assert held.status_code == 200


async def test_a_wait_beyond_the_longest_is_cut_to_it(monkeypatch: pytest.MonkeyPatch, gateway: Running) -> None:
    waits: list[float] = []

    async def status(call_id: str, *, wait_s: float = 0.0, seen: JobStatus | None = None) -> JobStatus:
        waits.append(wait_s)
        return JobStatus(call_id, Stage.QUEUED)

    monkeypatch.setattr(gateway.queue, "status", status)
    for wait in ("3600", "1e9", "25", "0.5"):
        assert (await gateway.http.get(STATUS + "fc-1", params={"wait": wait})).status_code == 202
    assert waits == [25, 25, 25, 0.5]


async def test_the_request_that_is_queued_is_complete_and_says_what_its_images_are(gateway: Running) -> None:
    await gateway.http.post(SUBMIT, json=chat(data_url(picture("JPEG"), mime="image/png")))
    request = gateway.queue.requests[0]
    assert (request.model, request.max_tokens, request.temperature) == (MODEL, 512, 0.7)
    assert request.image_urls == [data_url(picture("JPEG"), mime="image/jpeg")]


async def test_the_same_idempotency_key_gives_the_same_job(gateway: Running) -> None:
    headers = {"Idempotency-Key": "2b6f0cc9-run-7"}
    assert await submit(gateway, **headers) == await submit(gateway, **headers)
    assert await submit(gateway) != await submit(gateway)
    assert len(gateway.queue.requests) == 3


async def test_a_cancelled_job_answers_404() -> None:
    async with running_gateway(TextPiece("A"), GO_ON) as running:
        call_id = await submit(running)
        answers = [await running.http.delete(STATUS + call_id), await running.http.delete(STATUS + call_id)]
        answers.append(await running.http.get(STATUS + call_id))
        await running.queue.until(call_id, lambda job: job.stage is Stage.CANCELLED)
    for answer in answers:
        assert answer.status_code == 404
        assert answer.json() == {"error": CANCELLED_MESSAGE, "traceback": None}


async def test_cancelling_a_finished_job_leaves_its_result(gateway: Running) -> None:
    call_id = await submit(gateway)
    await gateway.queue.until(call_id, lambda job: job.stage is Stage.DONE)
    assert (await gateway.http.delete(STATUS + call_id)).status_code == 200
    assert (await gateway.http.get(STATUS + call_id)).status_code == 200


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("call_id", ["fc-unknown", "x" * 5000, "%00", "fc%0a1", "🛰", "' OR 1=1 --", "fc-1;"])
async def test_an_unknown_call_id_answers_404(gateway: Running, method: str, call_id: str) -> None:
    answer = await gateway.http.request(method, STATUS + call_id)
    assert answer.status_code == 404
    assert "Job not found" in answer.json()["error"]


async def test_the_job_of_another_service_is_unknown() -> None:
    vqa = FakeQueue(ScriptedEngine(), id_prefix="vqa-")
    async with (
        running_gateway() as captioning,
        serving(create_gateway(VQA, vqa)) as url,
        httpx.AsyncClient(base_url=url) as http,
    ):
        assert (await http.get(STATUS + await submit(captioning))).status_code == 404


async def test_an_expired_job_answers_404(monkeypatch: pytest.MonkeyPatch, gateway: Running) -> None:
    async def status(call_id: str, **_: object) -> JobStatus:
        return JobStatus(call_id, Stage.EXPIRED)

    monkeypatch.setattr(gateway.queue, "status", status)
    answer = await gateway.http.get(STATUS + "fc-1")
    assert (answer.status_code, answer.json()["error"]) == (404, EXPIRED_MESSAGE)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RequestRefused("The prompt is too long."), 400),
        (EngineFailed("The model broke."), 500),
        (EngineUnavailable("Nothing answers at the model server."), 503),
    ],
)
async def test_a_failed_job_ends_the_polling_and_tells_the_one_who_waits_why(error: Exception, status: int) -> None:
    async with running_gateway(error) as running:
        polled = await running.http.get(STATUS + await submit(running), params={"wait": 10})
        waited = await running.http.post(COMPLETE, json=chat(data_url()))
        streamed = await running.http.post(COMPLETE, json=chat(data_url(), stream=True))
    assert polled.status_code == 500
    assert waited.status_code == streamed.status_code == status
    for answer in (polled, waited, streamed):
        assert answer.json() == {"error": str(error), "traceback": None}
    assert ("retry-after" in waited.headers) == (status == 503)


@pytest.mark.parametrize("show", [False, True])
async def test_a_traceback_is_shown_only_to_an_operator_who_asked_for_it(
    monkeypatch: pytest.MonkeyPatch, show: bool
) -> None:
    async def status(call_id: str, **_: object) -> JobStatus:
        return JobStatus(call_id, Stage.FAILED, error="It broke.", traceback="Traceback: line 1")

    async with running_gateway(options=GatewayOptions(show_tracebacks=show)) as running:
        monkeypatch.setattr(running.queue, "status", status)
        failed = (await running.http.get(STATUS + "fc-1")).json()
        monkeypatch.setattr(running.queue, "status", None)
        broken = await running.http.get(STATUS + "fc-1")
    assert failed["traceback"] == ("Traceback: line 1" if show else None)
    assert broken.status_code == 500
    assert "unexpected problem" in broken.json()["error"]
    assert ("TypeError" in (broken.json()["traceback"] or "")) is show


async def test_a_full_queue_answers_429_and_when_to_come_back() -> None:
    async with running_gateway(GO_ON, limit=1) as running:
        await submit(running)
        answers = [await running.http.post(path, json=chat(data_url())) for path in (SUBMIT, COMPLETE)]
    for answer in answers:
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "7"
        assert answer.json()["error"] == "1 jobs wait already. Try again in 7 seconds."


async def test_a_queue_that_cannot_be_reached_answers_503(monkeypatch: pytest.MonkeyPatch, gateway: Running) -> None:
    async def unavailable(*_: object, **__: object) -> None:
        raise QueueUnavailable("The job database does not answer. Try again in a moment.")

    for name in ("submit", "status", "cancel", "warm_up"):
        monkeypatch.setattr(gateway.queue, name, unavailable)
    answers = [
        await gateway.http.post(SUBMIT, json=chat(data_url())),
        await gateway.http.post(COMPLETE, json=chat(data_url())),
        await gateway.http.get(STATUS + "fc-1"),
        await gateway.http.delete(STATUS + "fc-1"),
        await gateway.http.post("/warmup"),
    ]
    for answer in answers:
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["error"].startswith("The job database")


async def test_waiting_for_the_answer_gives_the_completion(gateway: Running) -> None:
    answer = await gateway.http.post(COMPLETE, json=chat(data_url()))
    assert answer.status_code == 200
    assert Completion.model_validate(answer.json()).text == CAPTION


async def test_health_names_the_engine_and_leaves_it_alone(gateway: Running) -> None:
    answer = await gateway.http.get("/health")
    assert answer.json() == {"status": "ok", "model": MODEL, "engine": "scripted"}
    assert gateway.queue.requests == []
    assert gateway.queue.warm_ups == 0


async def test_warming_up_answers_202_at_once(gateway: Running) -> None:
    answer = await gateway.http.post("/warmup")
    assert (answer.status_code, answer.json()) == (202, {"status": "warming", "model": MODEL})
    assert gateway.queue.warm_ups == 1


async def test_the_model_list_has_the_one_model_of_the_service(gateway: Running) -> None:
    listed = (await gateway.http.get("/v1/models")).json()
    assert listed["object"] == "list"
    assert [card["id"] for card in listed["data"]] == [MODEL]
    assert listed["data"][0] == (await gateway.http.get(f"/v1/models/{MODEL}")).json()
    assert (await gateway.http.get("/v1/models/gpt-4")).status_code == 404


async def test_a_page_of_another_origin_may_call_and_read_every_answer(
    monkeypatch: pytest.MonkeyPatch, gateway: Running
) -> None:
    origin = {"Origin": "https://map.example"}
    asked = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "content-type,modal-key"}
    preflight = await gateway.http.options(STATUS + "fc-1", headers=origin | asked)
    assert preflight.status_code == 200
    monkeypatch.setattr(gateway.queue, "cancel", None)
    for method, path in (
        ("GET", "/health"),
        ("GET", STATUS + "none"),
        ("GET", "/nowhere"),
        ("DELETE", STATUS + "fc-1"),
    ):
        answer = await gateway.http.request(method, path, headers=origin)
        assert answer.headers["access-control-allow-origin"] == "*", path
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("mount", ["", "/captioning"])
async def test_the_reference_explains_every_route_wherever_the_gateway_is(mount: str) -> None:
    app = create_gateway(VQA, FakeQueue(ScriptedEngine()))
    parent = FastAPI()
    parent.mount(mount, app)
    async with serving(parent if mount else app) as url, httpx.AsyncClient(base_url=url + mount) as http:
        document = (await http.get("/openapi.json")).json()
        page = (await http.get("/docs")).text
        assert re.findall(r"""(?:src|href)=["']?([^"' >]+)""", page)[1] == "openapi.json"
        assert not re.findall(r"""(?:src|href)=["']?(https?:|//)""", page), "the page must load nothing from elsewhere"
        assert f"curl {url}{mount}/health" in page
        for path, operations in document["paths"].items():
            assert path in page
            for operation in operations.values():
                assert operation["description"].endswith(".")
                for answer in operation["responses"].values():
                    assert answer["content"]["application/json"]["example"]
        example = document["paths"][SUBMIT]["post"]["requestBody"]["content"]["application/json"]["example"]
        assert (await http.post(SUBMIT, json=example)).status_code == 200
        assert "ChatRequest" in document["components"]["schemas"]
        assert "HTTPValidationError" not in document["components"]["schemas"]
