"""Jobs through a proxy that breaks a fifth of all exchanges: `python -m tests.bench.bench_faults [JOBS]`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from typing import NamedTuple

from backend.services import VQA
from client.batch import Batch
from client.items import BatchItem
from client.jobs import JobClient
from tests.bench.processes import KINDS
from tests.client.asking import question
from tests.contract_server import ContractServer, answer_to
from tests.fault_proxy import FaultProxy

JOBS = 1000


class Outcome(NamedTuple):
    """What became of the jobs."""

    right: int
    run_twice: int
    broken: int
    exchanges: int
    took_s: float


async def run(extended: bool, jobs: int) -> Outcome:
    """Runs a batch through the proxy."""
    prompts = [f"question {number}" for number in range(jobs)]
    items = [BatchItem(prompt, question(prompt)) for prompt in prompts]
    async with (
        ContractServer(0.02, slots=32, extended=extended) as server,
        FaultProxy(server.url) as proxy,
        JobClient(VQA, proxy.url, request_timeout_s=1.0) as client,
    ):
        began_at = time.perf_counter()
        results = [result async for result in Batch(client, items).results()]
        took_s = time.perf_counter() - began_at
    runs = Counter(job.prompt for job in server.jobs.values())
    return Outcome(
        right=sum(result.text == answer_to(result.item.id) for result in results),
        run_twice=sum(count > 1 for count in runs.values()),
        broken=proxy.done.total() - proxy.done[None],
        exchanges=proxy.done.total(),
        took_s=took_s,
    )


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else JOBS
    print(f"{'server':14} {'jobs':>5} {'right answers':>14} {'run twice':>10} {'broken':>14} {'took':>8}")
    for kind, extended in KINDS.items():
        outcome = asyncio.run(run(extended, count))
        print(
            f"{kind:14} {count:5} {outcome.right:14} {outcome.run_twice:10} "
            f"{outcome.broken:6} / {outcome.exchanges:5} {outcome.took_s:6.1f} s",
            flush=True,
        )
