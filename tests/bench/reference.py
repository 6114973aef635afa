"""How the service's document shows that it is called, written anew: what Nadir's client is measured against."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

POLL_S = 2.0
FIRST_BATCH_POLL_S = 1.0
BATCH_BACKOFF = 1.5
MAX_BATCH_POLL_S = 10.0


async def submit(http: httpx.AsyncClient, prompt: str, image_url: str | None = None) -> str:
    """Submits a job and returns its call id."""
    content: list[dict[str, object]] = [{"type": "text", "text": prompt}]
    if image_url:
        content.append({"type": "image_url", "image_url": {"url": image_url}})
    body = {"model": "qwen-vqa-special", "messages": [{"role": "user", "content": content}], "max_tokens": 128}
    answer = await http.post("/v1/chat/completions/async", json=body, timeout=30)
    answer.raise_for_status()
    call_id: str = answer.json()["call_id"]
    return call_id


async def poll(http: httpx.AsyncClient, call_id: str) -> str:
    """Asks every two seconds until the job is done, and returns its answer."""
    while True:
        answer = await http.get(f"/v1/chat/completions/status/{call_id}", timeout=10)
        if answer.status_code == 200:
            text: str = answer.json()["choices"][0]["message"]["content"]
            return text
        if answer.status_code != 202:
            answer.raise_for_status()
        await asyncio.sleep(POLL_S)


async def run_batch(base_url: str, prompts: Sequence[str]) -> float:
    """Submits one job after the other, polls all together ever more seldom, and returns the seconds it took."""
    began_at = time.perf_counter()
    async with httpx.AsyncClient(base_url=base_url) as http:
        pending = {await submit(http, prompt) for prompt in prompts}
        pause_s = FIRST_BATCH_POLL_S
        while pending:
            ids = list(pending)
            answers = await asyncio.gather(*(http.get(f"/v1/chat/completions/status/{call_id}") for call_id in ids))
            pending -= {call_id for call_id, answer in zip(ids, answers, strict=True) if answer.status_code == 200}
            if pending:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * BATCH_BACKOFF, MAX_BATCH_POLL_S)
    return time.perf_counter() - began_at


def encode_image(path: Path) -> str:
    """Returns the file's bytes, whatever they are, as a PNG data URL."""
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
