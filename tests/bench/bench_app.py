"""The whole app in a process of its own: routes per second, submissions, bytes per image, memory.

Run as `python -m tests.bench.bench_app`.
"""

from __future__ import annotations

import asyncio
import io
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from backend.contract import ChatRequest
from backend.services import CAPTIONING
from client.imagery import SceneReader
from client.jobs import JobClient, encode_request
from client.payload import Detail, Picture, chat_request
from client.samples import load_samples
from client.scene import Window
from tests.bench import reference
from tests.browser.app_process import AppProcess

REQUESTS = 1000
AT_ONCE = 16
SUBMISSIONS = 20
NOISE_SIDE = 590
"""Noise of this side is a PNG of about 1 MB."""


class Row(NamedTuple):
    """One line of the result."""

    measure: str
    figure: str


async def run() -> list[Row]:
    """Measures and returns the rows of the result."""
    with tempfile.TemporaryDirectory() as data_dir:
        app = AppProcess(Path(data_dir))
        url = f"{await app.start()}/{CAPTIONING.key}"
        try:
            async with JobClient(CAPTIONING, url) as client:
                idle_mib = app.memory_mib
                rows = [await _health(client), await _status(client), *await _submissions(client)]
                rows.append(Row("memory, idle / afterwards", f"{idle_mib:.0f} / {app.memory_mib:.0f} MiB"))
        finally:
            await app.end()
    return [*rows, *await _image_bytes()]


async def _health(client: JobClient) -> Row:
    return Row("GET /health", f"{await _rate(client.health):.0f}/s")


async def _status(client: JobClient) -> Row:
    job = await client.submit(_noise_request())
    await job.result()
    return Row("GET status of a finished job", f"{await _rate(job.status):.0f}/s")


async def _rate(call: Callable[[], Awaitable[object]]) -> float:
    async def many() -> None:
        for _ in range(REQUESTS // AT_ONCE):
            await call()

    began_at = time.perf_counter()
    await asyncio.gather(*(many() for _ in range(AT_ONCE)))
    return REQUESTS / (time.perf_counter() - began_at)


async def _submissions(client: JobClient) -> list[Row]:
    request = _noise_request()
    took_s = []
    for _ in range(SUBMISSIONS):
        began_at = time.perf_counter()
        job = await client.submit(request)
        took_s.append(time.perf_counter() - began_at)
        await job.cancel()
    size = len(encode_request(request)) / 1e6
    return [Row(f"submit, request of {size:.1f} MB", f"{statistics.median(took_s) * 1000:.0f} ms median")]


async def _image_bytes() -> list[Row]:
    reader = SceneReader(workers=1)
    document = nadir = 0
    try:
        for sample in load_samples():
            scene = await reader.open(sample.path)
            picture = await reader.picture(scene, Detail.STANDARD)
            nadir += len(encode_request(chat_request(CAPTIONING, CAPTIONING.default_prompt, picture)))
            document += len(reference.encode_image(sample.path))
    finally:
        await reader.close()
    count = len(load_samples())
    figure = f"{nadir / count / 1000:.0f} kB; the whole file, as the document has it: {document / count / 1000:.0f} kB"
    return [Row("sent per sample scene, standard detail", figure)]


def _noise_request() -> ChatRequest:
    noise = np.random.default_rng(0).integers(0, 256, (NOISE_SIDE, NOISE_SIDE, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    window = Window(0, 0, NOISE_SIDE, NOISE_SIDE)
    picture = Picture(file.getvalue(), "image/png", NOISE_SIDE, NOISE_SIDE, lossless=True, window=window)
    return chat_request(CAPTIONING, "What is this?", picture)


if __name__ == "__main__":
    for measure, figure in asyncio.run(run()):
        print(f"{measure:45} {figure}")
