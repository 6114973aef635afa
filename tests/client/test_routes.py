"""The background routes on an app's own server: they return at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from backend.services import CAPTIONING, VQA
from client.jobs import JobClient
from client.routes import background_routes
from tests.contract_server import ContractServer, answer_to
from tests.serving import serving

IMAGE = "data:image/png;base64,AAAA"


@asynccontextmanager
async def app_over(server: ContractServer) -> AsyncIterator[httpx.AsyncClient]:
    async with JobClient(VQA, server.url) as vqa, JobClient(CAPTIONING, server.url) as captioning:
        app = FastAPI()
        app.include_router(background_routes(vqa, captioning))
        async with serving(app) as url, httpx.AsyncClient(base_url=url) as http:
            yield http


async def poll_to_the_end(http: httpx.AsyncClient, poll_url: str) -> dict[str, object]:
    for _ in range(1000):
        state: dict[str, object] = (await http.get(poll_url)).json()
        if state["status"] != "pending":
            return state
    raise AssertionError("the job did not end")


@pytest.mark.parametrize(
    ("path", "asked", "prompt"),
    [
        ("/api/vqa/async", {"image_url": IMAGE, "question": "How many?"}, "How many?"),
        ("/api/captioning/async", {"image_url": IMAGE, "prompt": "Describe."}, "Describe."),
        ("/api/captioning/async", {"image_url": IMAGE}, CAPTIONING.default_prompt),
    ],
)
@pytest.mark.parametrize("how", ["json", "params"])
async def test_a_job_is_submitted_and_its_answer_polled(
    path: str, asked: dict[str, str], prompt: str, how: str
) -> None:
    async with ContractServer(0.02) as server, app_over(server) as http:
        accepted = (await http.post(path, **{how: asked})).json()
        assert accepted["status"] == "pending"
        state = await poll_to_the_end(http, accepted["poll_url"])
    assert state == {"status": "completed", "call_id": accepted["call_id"], "answer": answer_to(prompt)}


async def test_a_pending_job_is_told_at_once() -> None:
    async with ContractServer(60.0) as server, app_over(server) as http:
        accepted = (await http.post("/api/vqa/async", params={"image_url": IMAGE, "question": "q"})).json()
        state = (await http.get(accepted["poll_url"])).json()
    assert state == {"status": "pending", "call_id": accepted["call_id"]}


async def test_an_unknown_job_is_told_as_an_error() -> None:
    async with ContractServer() as server, app_over(server) as http:
        state = (await http.get("/api/vqa/status/fc-unknown")).json()
    assert state["status"] == "error"
    assert "expired" in state["error"]


async def test_a_request_without_an_image_is_refused() -> None:
    async with ContractServer() as server, app_over(server) as http:
        answer = await http.post("/api/vqa/async", params={"question": "q"})
    assert answer.status_code == 400
    assert "image_url" in answer.json()["error"]


async def test_a_service_that_is_down_is_told_with_a_pause() -> None:
    async with ContractServer() as server:
        pass
    async with app_over(server) as http:
        answer = await http.post("/api/vqa/async", params={"image_url": IMAGE, "question": "q"})
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert "127.0.0.1" in answer.json()["error"]


async def test_a_repeated_submission_with_its_key_starts_no_second_job() -> None:
    async with ContractServer(extended=True) as server, app_over(server) as http:
        for _ in range(2):
            await http.post("/api/vqa/async", json={"image_url": IMAGE}, headers={"Idempotency-Key": "k"})
    assert len(server.jobs) == 1
