"""The contract with a real vLLM behind it. The words are nonsense; tokens, limits, errors and timing are real."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from backend.engines.vllm_server import VLLMServer
from backend.services import CAPTIONING
from tests.waiting import until_true

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

COMPLETE = "/v1/chat/completions"
SUBMIT = "/v1/chat/completions/async"
QUESTION = "What is in this image?"


def png(width: int, height: int) -> bytes:
    pixels = np.random.default_rng(width).integers(0, 255, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def a_request(*images: bytes, text: str = QUESTION, **fields: Any) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
    for data in images:
        url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        parts.append({"type": "image_url", "image_url": {"url": url}})
    fields = {"max_tokens": 8, "temperature": 0.0} | fields
    return {"model": CAPTIONING.model, "messages": [{"role": "user", "content": parts}], **fields}


async def complete(road: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = await road.post(COMPLETE, json=body)
    assert answer.status_code == 200, answer.text
    completion: dict[str, Any] = answer.json()
    return completion


async def running_requests(server: VLLMServer) -> float:
    """Returns how many requests vLLM says that it is answering."""
    async with httpx.AsyncClient() as client:
        metrics = (await client.get(f"{server.base_url}/metrics")).text
    lines = [line for line in metrics.splitlines() if line.startswith("vllm:num_requests_running")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


@pytest.mark.parametrize(
    ("width", "height", "tokens"),
    [(512, 512, 16 * 16), (100, 20, 18 * 4), (640, 480, 20 * 15), (2048, 2048, 64 * 64), (3000, 2500, 70 * 58)],
)
async def test_an_image_takes_the_tokens_that_its_pixels_and_the_budget_say(
    road: httpx.AsyncClient, width: int, height: int, tokens: int
) -> None:
    """One token per 32 x 32 pixels after resizing between 65,536 and 4,194,304 pixels, and one for each of its ends."""
    without = await complete(road, a_request())
    with_image = await complete(road, a_request(png(width, height)))

    assert with_image["usage"]["prompt_tokens"] - without["usage"]["prompt_tokens"] == tokens + 2


async def test_an_answer_that_is_cut_off_says_so_and_counts_its_tokens(road: httpx.AsyncClient) -> None:
    completion = await complete(road, a_request(png(64, 64), max_tokens=5))

    assert completion["choices"][0]["finish_reason"] == "length"
    assert completion["usage"]["completion_tokens"] == 5
    usage = completion["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


async def test_the_asynchronous_route_gives_the_same_answer_as_the_synchronous_one(road: httpx.AsyncClient) -> None:
    body = a_request(png(256, 256), max_tokens=24)
    call_id = (await road.post(SUBMIT, json=body)).json()["call_id"]
    job = await road.get(f"/v1/chat/completions/status/{call_id}", params={"wait": 25})

    assert job.status_code == 200
    assert job.json()["choices"] == (await complete(road, body))["choices"]


async def test_a_stop_sequence_ends_the_answer(road: httpx.AsyncClient) -> None:
    body = a_request(png(64, 64), max_tokens=64)
    words = (await complete(road, body))["choices"][0]["message"]["content"]
    letter = next(character for character in words[4:] if character.isascii() and character.isprintable())
    choice = (await complete(road, body | {"stop": [letter]}))["choices"][0]

    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"] == words.partition(letter)[0]


async def test_a_streamed_answer_comes_in_pieces_and_is_the_whole_answer(road: httpx.AsyncClient) -> None:
    body = a_request(max_tokens=600)
    async with road.stream("POST", COMPLETE, json=body | {"stream": True}) as answer:
        lines = [line async for line in answer.aiter_lines() if line.startswith("data: {")]
    deltas = [json.loads(line.removeprefix("data: "))["choices"][0]["delta"] for line in lines]
    pieces = [delta["content"] for delta in deltas if delta.get("content")]

    assert len(pieces) > 1
    assert "".join(pieces) == (await complete(road, body))["choices"][0]["message"]["content"]


async def test_cancelling_a_running_job_frees_the_server(road: httpx.AsyncClient, server: VLLMServer) -> None:
    call_id = (await road.post(SUBMIT, json=a_request(max_tokens=4000))).json()["call_id"]
    path = f"/v1/chat/completions/status/{call_id}"

    async def has_begun() -> bool:
        return bool((await road.get(path)).json().get("partial"))

    async def is_busy() -> bool:
        return await running_requests(server) > 0

    async def is_idle() -> bool:
        return not await is_busy()

    await until_true(has_begun)
    await until_true(is_busy)
    await road.delete(path)
    await until_true(is_idle)

    assert (await road.get(path)).status_code == 404


async def test_jobs_run_side_by_side(road: httpx.AsyncClient) -> None:
    image = png(128, 128)
    completions = await asyncio.gather(
        *(complete(road, a_request(image, text=f"Question {number}")) for number in range(12))
    )

    assert len({completion["id"] for completion in completions}) == 12


async def test_a_damaged_image_is_refused(road: httpx.AsyncClient) -> None:
    answer = await road.post(COMPLETE, json=a_request(png(256, 256)[:2000]))

    assert answer.status_code == 400
    assert "image" in answer.json()["error"]


async def test_too_long_a_prompt_is_refused_with_the_limit(road: httpx.AsyncClient) -> None:
    answer = await road.post(COMPLETE, json=a_request(text="x" * 9000))

    assert answer.status_code == 400
    assert "8192" in answer.json()["error"]


async def test_a_second_image_is_refused(road: httpx.AsyncClient) -> None:
    answer = await road.post(COMPLETE, json=a_request(png(64, 64), png(64, 64)))

    assert answer.status_code == 400


async def test_too_narrow_an_image_is_refused(road: httpx.AsyncClient) -> None:
    answer = await road.post(COMPLETE, json=a_request(png(3000, 10)))

    assert answer.status_code == 400


async def test_the_server_itself_fetches_nothing(server: VLLMServer) -> None:
    body = a_request()
    image = {"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/scene.png"}}
    body["messages"][0]["content"].append(image)
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{server.base_url}{COMPLETE}", json=body)

    assert answer.status_code == 400
    assert "allowed domains" in answer.text
