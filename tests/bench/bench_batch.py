"""Batches against the ideal, jobs x job time / slots: `python -m tests.bench.bench_batch`."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from backend.services import VQA
from client.batch import Batch
from client.items import BatchItem
from client.jobs import JobClient
from tests.bench import reference
from tests.bench.processes import KINDS, contract_server
from tests.client.asking import question


class Load(NamedTuple):
    """So many jobs of so many seconds on so many slots."""

    jobs: int
    job_s: float
    slots: int

    @property
    def ideal_s(self) -> float:
        return self.jobs * self.job_s / self.slots


LOADS = {Load(64, 0.5, 8): 1.10, Load(1000, 0.02, 32): 1.5}
"""What is asked of a batch: the share of the ideal time that it may take."""


async def run_nadir(url: str, prompts: list[str]) -> float:
    """Runs a batch and returns the seconds it took."""
    items = [BatchItem(str(number), question(prompt)) for number, prompt in enumerate(prompts)]
    async with JobClient(VQA, url) as client:
        began_at = time.perf_counter()
        results = [result async for result in Batch(client, items).results()]
        took_s = time.perf_counter() - began_at
    assert all(result.text for result in results)
    return took_s


async def main() -> None:
    """Measures and prints."""
    print(f"{'jobs':>5} {'job':>7} {'slots':>6} {'server':14} {'client':10} {'took':>8} {'of ideal':>9} {'target':>7}")
    for load, target in LOADS.items():
        prompts = [f"question {number}" for number in range(load.jobs)]
        for kind, extended in KINDS.items():
            for client, run in (("reference", reference.run_batch), ("Nadir", run_nadir)):
                async with contract_server(load.job_s, load.slots, extended=extended) as server:
                    took_s = await run(server.url, prompts)
                print(
                    f"{load.jobs:5} {load.job_s:5.2f} s {load.slots:6} {kind:14} {client:10} {took_s:6.2f} s "
                    f"{took_s / load.ideal_s:9.2f} {target:7.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    asyncio.run(main())
