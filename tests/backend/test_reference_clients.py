"""Clients as users of the contract have written them: plain httpx polling, batches with backoff, and curl."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.engines import EngineFailed
from tests.backend.calls import MODEL, STATUS, SUBMIT, chat, data_url, picture
from tests.backend.running import Running, running_gateway
from tests.backend.scripted_engine import CAPTION, ScriptedEngine, whole_answer

POLL_S = 0.01


@pytest.fixture
async def gateway() -> AsyncIterator[Running]:
    async with running_gateway() as running:
        yield running


async def submit_image(base_url: str, image: bytes, prompt: str) -> str:
    """What every reference client does first; the data URL says PNG whatever the file is."""
    async with httpx.AsyncClient() as client:
        answer = await client.post(base_url + SUBMIT, json=chat(data_url(image), prompt=prompt))
        answer.raise_for_status()
        call_id: str = answer.json()["call_id"]
        return call_id


async def poll_until_done(base_url: str, call_id: str) -> str:
    """The basic client: 200 ends it, 202 goes on, 404 and everything else raise."""
    async with asyncio.timeout(20), httpx.AsyncClient() as client:
        while True:
            answer = await client.get(base_url + STATUS + call_id)
            match answer.status_code:
                case 200:
                    text: str = answer.json()["choices"][0]["message"]["content"]
                    return text
                case 202:
                    await asyncio.sleep(POLL_S)
                case 404:
                    raise ValueError(answer.json()["error"])
                case _:
                    answer.raise_for_status()


async def poll_safely(base_url: str, call_id: str, attempts: int = 3) -> str:
    """The careful client: it tries again after a 5xx, a few times."""
    for attempt in range(attempts):
        try:
            return await poll_until_done(base_url, call_id)
        except httpx.HTTPStatusError as error:
            if error.response.status_code < 500 or attempt == attempts - 1:
                raise
            await asyncio.sleep(POLL_S)
    raise AssertionError("unreachable")


async def run_curl(*words: str) -> tuple[int, dict[str, Any]]:
    """Returns the HTTP status and the JSON that curl shows."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    process = await asyncio.create_subprocess_exec(
        *(curl, "--silent", "--noproxy", "*", "--max-time", "20", "--write-out", "\n%{http_code}", *words),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    body, _, status = output.decode().rpartition("\n")
    return int(status), json.loads(body)


async def test_the_basic_client_gets_its_caption(gateway: Running) -> None:
    call_id = await submit_image(gateway.url, picture("JPEG"), "Describe this satellite image in detail.")
    assert await poll_until_done(gateway.url, call_id) == CAPTION


async def test_the_basic_client_is_told_that_its_job_is_unknown(gateway: Running) -> None:
    with pytest.raises(ValueError, match="Job not found"):
        await poll_until_done(gateway.url, "fc-abc123xyz")


async def test_the_batch_client_gets_every_answer() -> None:
    async with running_gateway(ScriptedEngine.GO_ON, *whole_answer(CAPTION)) as running:
        call_ids = [await submit_image(running.url, picture(), f"Question {number}?") for number in range(8)]
        async with httpx.AsyncClient(base_url=running.url) as client:
            polled = await asyncio.gather(*(client.get(STATUS + call_id) for call_id in call_ids))
        running.engine.go_on.set()
        answers = await asyncio.gather(*(poll_until_done(running.url, call_id) for call_id in call_ids))
    assert len(set(call_ids)) == 8
    assert [answer.status_code for answer in polled] == [202] * 8
    assert answers == [CAPTION] * 8
    assert [request.prompt for request in running.queue.requests] == [f"Question {number}?" for number in range(8)]


async def test_the_careful_client_sees_a_failed_job_fail_and_no_second_one() -> None:
    async with running_gateway(EngineFailed("The model broke.")) as running:
        call_id = await submit_image(running.url, picture(), "What is it?")
        with pytest.raises(httpx.HTTPStatusError) as failed:
            await poll_safely(running.url, call_id)
    assert failed.value.response.json()["error"] == "The model broke."
    assert len(running.queue.requests) == 1


async def test_curl_submits_polls_and_asks_for_health(gateway: Running) -> None:
    body = json.dumps(chat(data_url(), max_tokens=512))
    words = ("-X", "POST", gateway.url + SUBMIT, "-H", "Content-Type: application/json", "-d", body)
    status, submitted = await run_curl(*words)
    assert (status, submitted["status"], submitted["model"]) == (200, "pending", MODEL)
    status, finished = await run_curl(f"{gateway.url}{STATUS}{submitted['call_id']}?wait=20")
    assert (status, finished["choices"][0]["message"]["content"]) == (200, CAPTION)
    assert await run_curl(gateway.url + "/health") == (200, {"status": "ok", "model": MODEL, "engine": "scripted"})


async def test_curl_sends_a_large_file_and_a_file_that_is_too_large(gateway: Running, tmp_path: Path) -> None:
    """curl asks first (`Expect: 100-continue`) for bodies over a megabyte."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps(chat(data_url(picture("BMP", (1024, 1024))))))
    words = ("-X", "POST", gateway.url + SUBMIT, "-H", "Content-Type: application/json", "--data-binary", f"@{path}")
    assert (await run_curl(*words))[0] == 200
    path.write_bytes(b" " * (31 * 1024 * 1024))
    status, refused = await run_curl(*words)
    assert (status, refused["error"]) == (413, "The request is larger than 30 MiB. Send a smaller image.")
