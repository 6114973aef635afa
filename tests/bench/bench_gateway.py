"""What gateway and engine cost on top of vLLM: `make bench-gateway`, or `python -m tests.bench.bench_gateway`.

The same requests go to a real vLLM directly and through the gateway's synchronous route, in turns and in one run, so
that whatever else the machine does meets both alike. The gateway runs in a process of its own, with the engine and a
queue in memory behind it. No image is sent twice, so that vLLM's prefix cache helps neither. The model computes on one
core, for the GPU that it would have, and leaves the others to the servers.
"""

from __future__ import annotations

import asyncio
import base64
import io
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn
from PIL import Image

from backend.engines.vllm import VLLMEngine
from backend.engines.vllm_server import VLLMServer
from backend.gateway import create_gateway
from backend.services import CAPTIONING
from tests.backend.fake_queue import FakeQueue
from tests.vllm.real_server import build_model, real_server

ROUNDS = 3
CONCURRENCY = 16
REQUESTS_PER_ROUND = 32
LONE_REQUESTS_PER_ROUND = 8
IMAGE_SIDE = 256
MAX_TOKENS = 128
PATH = "/v1/chat/completions"


def bodies() -> Iterator[dict[str, Any]]:
    """Yields request bodies, each with an image of its own."""
    for seed in itertools.count():
        pixels = np.random.default_rng(seed).integers(0, 255, (IMAGE_SIDE, IMAGE_SIDE, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG")
        encoded = base64.b64encode(buffer.getvalue()).decode()
        parts = [
            {"type": "text", "text": CAPTIONING.default_prompt},
            {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{encoded}"}},
        ]
        yield {
            "model": CAPTIONING.model,
            "messages": [{"role": "user", "content": parts}],
            "max_tokens": MAX_TOKENS,
            "temperature": 0.0,
        }


@dataclass
class Road:
    """One way for a request to vLLM and back, and what was measured on it."""

    name: str
    client: httpx.AsyncClient
    is_streamed: bool = False
    rates: list[float] = field(default_factory=list)
    """Requests per second, by round."""
    latencies_s: list[float] = field(default_factory=list)
    """Of requests that were alone, in seconds."""
    own_process: int | None = None
    """The process that stands on this road and not on the direct one."""
    cpu_s: list[float] = field(default_factory=list)
    """That process's CPU time per request, in seconds, by round."""

    @property
    def rate(self) -> float:
        """Median of the rounds, in requests per second."""
        return statistics.median(self.rates)

    @property
    def latency_ms(self) -> float:
        """Median of the requests that were alone, in milliseconds."""
        return 1000 * statistics.median(self.latencies_s)

    async def ask(self, body: dict[str, Any]) -> float:
        """Returns how long one request took, in seconds."""
        began = time.perf_counter()
        answer = await self.client.post(PATH, json=body | {"stream": self.is_streamed})
        answer.raise_for_status()
        return time.perf_counter() - began

    async def run_round(self, requests: Iterator[dict[str, Any]]) -> None:
        """Measures the rate with `CONCURRENCY` requests under way, then some requests alone."""
        slots = asyncio.Semaphore(CONCURRENCY)
        batch = list(itertools.islice(requests, REQUESTS_PER_ROUND))

        async def ask(body: dict[str, Any]) -> None:
            async with slots:
                await self.ask(body)

        began, used_s = time.perf_counter(), cpu_time_s(self.own_process)
        await asyncio.gather(*map(ask, batch))
        self.rates.append(len(batch) / (time.perf_counter() - began))
        self.cpu_s.append((cpu_time_s(self.own_process) - used_s) / len(batch))
        self.latencies_s += [await self.ask(body) for body in itertools.islice(requests, LONE_REQUESTS_PER_ROUND)]

    def forget(self) -> None:
        """Drops what was measured so far: the servers were warming up."""
        self.cpu_s.clear()
        self.rates.clear()
        self.latencies_s.clear()


def cpu_time_s(process: int | None) -> float:
    """Returns how long a process has computed, in seconds (`proc(5)`: fields 14 and 15 of `stat`); 0 for none."""
    if process is None:
        return 0.0
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(roads: Sequence[Road]) -> None:
    """Measures all roads in turns."""
    requests = bodies()
    for number in range(ROUNDS + 1):
        for road in roads:
            await road.run_round(requests)
            if number == 0:
                road.forget()


@asynccontextmanager
async def gateway_process(server: VLLMServer) -> AsyncIterator[tuple[str, int]]:
    """Runs the gateway in a process of its own. Yields its base URL and its process id."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.bench_gateway", server.base_url, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().strip(), process.pid
    finally:
        process.terminate()
        await process.wait()


class ForeignServer(VLLMServer):
    """A vLLM that another process looks after."""

    def __init__(self, base_url: str) -> None:
        super().__init__([], port=0, model=CAPTIONING.model)
        self.base_url = base_url


async def serve_gateway(base_url: str) -> None:
    """Serves the gateway in front of a vLLM, and prints its address."""
    engine = VLLMEngine(ForeignServer(base_url), CAPTIONING, max_pixels=4_194_304)
    app = create_gateway(CAPTIONING, FakeQueue(engine))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    await serving


async def main() -> None:
    """Starts vLLM and the gateway, measures, and prints the result."""
    with tempfile.TemporaryDirectory() as weights:
        build_model(Path(weights))
        async with (
            real_server(Path(weights), VLLM_CPU_OMP_THREADS_BIND="0") as server,
            gateway_process(server) as (gateway_url, gateway_pid),
            httpx.AsyncClient(base_url=server.base_url, timeout=120) as direct,
            httpx.AsyncClient(base_url=gateway_url, timeout=120) as through,
        ):
            roads = [
                Road("direct", direct),
                Road("direct, streamed", direct, is_streamed=True),
                Road("through gateway and engine", through, own_process=gateway_pid),
            ]
            await measure(roads)
    print(f"{ROUNDS} rounds of {REQUESTS_PER_ROUND} requests, {CONCURRENCY} at once, on {os.cpu_count()} cores")
    for road in roads:
        print(f"{road.name:28} {road.rate:5.1f} requests/s  {road.latency_ms:5.0f} ms median alone", end="  ")
        print(f"{road.rate / roads[0].rate:.2f} of direct, {road.latency_ms - roads[0].latency_ms:+.1f} ms")
    print(f"The gateway's process computed {1000 * statistics.median(roads[-1].cpu_s):.1f} ms per request.")


if __name__ == "__main__":
    asyncio.run(serve_gateway(sys.argv[1]) if len(sys.argv) > 1 else main())
