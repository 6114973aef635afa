"""The app as one process: page, gateways, durable queue and preview engine, over real HTTP."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import openai
import pytest
import pytest_asyncio

from backend.contract import encode_data_url
from client.samples import SCENES_DIR
from tests.browser.app_process import ROOT, AppProcess

IMAGE_URL = encode_data_url((SCENES_DIR / "itaipu_reservoir.jpg").read_bytes(), "image/jpeg")


def messages(text: str) -> list[dict[str, object]]:
    image = {"type": "image_url", "image_url": {"url": IMAGE_URL}}
    return [{"role": "user", "content": [{"type": "text", "text": text}, image]}]


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AppProcess]:
    app = AppProcess(tmp_path_factory.mktemp("data"))
    await app.start()
    yield app
    assert "Traceback" not in await app.end()


async def test_a_job_goes_the_whole_road_over_the_contract(app: AppProcess) -> None:
    async with httpx.AsyncClient(base_url=f"{app.url}/captioning", timeout=60) as http:
        body = {"model": "qwen-caption-special", "messages": messages("Describe this satellite image.")}
        submitted = (await http.post("/v1/chat/completions/async", json=body)).raise_for_status().json()
        assert submitted["status"] == "pending"
        async with asyncio.timeout(60):
            while True:
                status = await http.get(f"/v1/chat/completions/status/{submitted['call_id']}", params={"wait": 25})
                if status.status_code != 202:
                    break
    assert status.status_code == 200
    completion = status.json()
    assert completion["id"] == f"chatcmpl-{submitted['call_id']}"
    assert "water covers" in completion["choices"][0]["message"]["content"]


async def test_the_openai_sdk_asks_and_streams(app: AppProcess) -> None:
    async with openai.AsyncOpenAI(base_url=f"{app.url}/vqa/v1", api_key="none") as client:
        answer = await client.chat.completions.create(
            model="qwen-vqa-special",
            messages=messages("Is there water in this image?"),  # type: ignore[arg-type]
        )
        assert (answer.choices[0].message.content or "").startswith("Yes")
        stream = await client.chat.completions.create(
            model="qwen-vqa-special",
            messages=messages("Is there water in this image?"),  # type: ignore[arg-type]
            stream=True,
        )
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
    assert text == answer.choices[0].message.content


async def test_the_short_routes_answer_at_once_and_then_with_the_answer(app: AppProcess) -> None:
    async with httpx.AsyncClient(base_url=app.url, timeout=60) as http:
        asked = {"image_url": IMAGE_URL, "question": "Is there water?"}
        taken = (await http.post("/api/vqa/async", json=asked)).raise_for_status().json()
        async with asyncio.timeout(60):
            while (state := (await http.get(taken["poll_url"])).json())["status"] == "pending":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert state["answer"].startswith("Yes")


@pytest.mark.parametrize("path", ["/captioning/nowhere", "/vqa/v1/chat/completions/status/fc-0"])
async def test_errors_are_the_json_of_the_contract(app: AppProcess, path: str) -> None:
    async with httpx.AsyncClient(base_url=app.url) as http:
        answer = await http.get(path)
    assert answer.status_code == 404
    assert set(answer.json()) == {"error", "traceback"}


async def test_the_page_shows_nothing_of_the_server(app: AppProcess) -> None:
    async with httpx.AsyncClient(base_url=app.url) as http:
        assert (await http.get("/monitoring")).status_code in (403, 404)
        assert (await http.get("/gradio_api/file=/etc/passwd")).status_code == 403
        assert (await http.get(f"/gradio_api/file={ROOT / 'app.py'}")).status_code == 403
        named = (await http.get("/gradio_api/info")).json()["named_endpoints"]
    assert named == {}


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"CAPTION_BASE_URL": "ftp://example.org"}, "CAPTION_BASE_URL"),
        ({"PORT": "70000"}, "PORT"),
        ({"HOST": "256.0.0.1"}, "Set PORT or HOST"),
    ],
)
async def test_a_setting_that_cannot_be_is_named_in_a_sentence(
    environment: dict[str, str], words: str, tmp_path: Path
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "app.py",
        cwd=ROOT,
        env=os.environ | {"DATA_DIR": str(tmp_path)} | environment,
        stdout=PIPE,
        stderr=STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 1
    assert words in printed.decode()
    assert "Traceback" not in printed.decode()
