"""How fast the durable queue is: `python -m tests.bench.bench_queue [DATABASE_URL]`; SQLite without a URL."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from backend.contract import ChatRequest, encode_data_url
from backend.engines import Answer, EngineEvent
from backend.queues.durable import DurableStore
from backend.queues.durable_queue import DurableQueue
from backend.services import CAPTIONING, VQA

SUBMISSIONS = 60
JOBS = 200
NOTICES = 40
IMAGE_BYTES = 1_000_000
IDLE_S = 3.0


class Row(NamedTuple):
    """One line of the result."""

    measure: str
    figure: str


class InstantEngine:
    """Answers at once and notes when."""

    name = "instant"
    max_pixels: int | None = None

    def __init__(self) -> None:
        self.answered_at = 0.0

    async def answer(self, request: ChatRequest) -> AsyncIterator[EngineEvent]:
        self.answered_at = time.perf_counter()
        yield Answer("done")

    async def warm_up(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to let go of."""


async def run(database_url: str | None = None) -> list[Row]:
    """Measures on a database in a temporary directory, or on the given one, and returns the rows of the result."""
    engine = InstantEngine()
    with tempfile.TemporaryDirectory() as data_dir:
        store = DurableStore(data_dir=Path(data_dir), database_url=database_url)
        queue, _ = store.queue(CAPTIONING, engine, limit=10_000), store.queue(VQA, engine)
        await store.start()
        try:
            idle = await _measure_idle()
            new = [await _submit(queue, os.urandom(IMAGE_BYTES)) for _ in range(SUBMISSIONS)]
            image = os.urandom(IMAGE_BYTES)
            known = [await _submit(queue, image) for _ in range(SUBMISSIONS)]
            bare = [await _submit(queue) for _ in range(SUBMISSIONS)]
            rate = await _measure_rate(queue)
            notices, turnarounds = zip(*[await _measure_notice(queue, engine) for _ in range(NOTICES)], strict=True)
        finally:
            await store.close()
    return [
        Row("submit, a new 1 MB image", _spread(new)),
        Row("submit, a 1 MB image that is stored already", _spread(known)),
        Row("submit, no image", _spread(bare)),
        Row("submission to answer, instant engine", _spread(turnarounds)),
        Row("answer to notice by a caller who waits", _spread(notices)),
        Row("jobs answered, instant engine, 4 at once", f"{rate:.0f}/s"),
        Row("one core's time while idle", f"{idle:.0%}"),
    ]


async def _submit(queue: DurableQueue, *images: bytes) -> float:
    request = _request(*(encode_data_url(image, "image/png") for image in images))
    began_s = time.perf_counter()
    call_id = await queue.submit(request)
    took_s = time.perf_counter() - began_s
    await queue.status(call_id, wait_s=10)
    return took_s


async def _measure_rate(queue: DurableQueue) -> float:
    async def answer() -> None:
        await queue.status(await queue.submit(_request()), wait_s=60)

    began_s = time.perf_counter()
    await asyncio.gather(*(answer() for _ in range(JOBS)))
    return JOBS / (time.perf_counter() - began_s)


async def _measure_notice(queue: DurableQueue, engine: InstantEngine) -> tuple[float, float]:
    submitted_at = time.perf_counter()
    await queue.status(await queue.submit(_request()), wait_s=10)
    noticed_at = time.perf_counter()
    return noticed_at - engine.answered_at, noticed_at - submitted_at


async def _measure_idle() -> float:
    began_s, used_s = time.perf_counter(), time.process_time()
    await asyncio.sleep(IDLE_S)
    return (time.process_time() - used_s) / (time.perf_counter() - began_s)


def _request(*urls: str) -> ChatRequest:
    content: list[dict[str, object]] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    content.append({"type": "text", "text": "What is this?"})
    return ChatRequest.model_validate({"model": "any", "messages": [{"role": "user", "content": content}]})


def _spread(seconds: list[float] | tuple[float, ...]) -> str:
    p95 = statistics.quantiles(seconds, n=20)[-1]
    return f"{statistics.median(seconds) * 1000:.1f} ms median, {p95 * 1000:.1f} ms p95"


if __name__ == "__main__":
    for measure, figure in asyncio.run(run(*sys.argv[1:2])):
        print(f"{measure:45} {figure}")
