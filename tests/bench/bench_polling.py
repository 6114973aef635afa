"""Time lost between a job's end and the caller's knowing it, and requests per job: `python -m tests.bench.bench_polling`.

Each job time has a server and a client of its own; the jobs before the measured ones are there to learn from.
"""

from __future__ import annotations

import asyncio
from statistics import mean, median
from typing import NamedTuple

import httpx

from backend.services import VQA
from client.jobs import JobClient
from tests.bench import reference
from tests.bench.processes import KINDS
from tests.client.asking import question
from tests.contract_server import ContractServer, ScriptedJob

JOB_TIMES_S = (0.3, 1.0, 3.0, 10.0)
LONG_JOB_S = 60.0
LEARNING_JOBS = 3
JOBS = 6


class Row(NamedTuple):
    """One line of the result. Times are in seconds."""

    server: str
    client: str
    job_s: float
    mean_lost: float
    median_lost: float
    allowed: float
    polls: float


async def run() -> list[Row]:
    """Measures everything at once, as nearly all of the time is spent waiting."""
    cases = [
        _measure(kind, client, job_s, JOBS)
        for kind in KINDS
        for client in ("reference", "Nadir")
        for job_s in JOB_TIMES_S
    ]
    cases.append(_measure("with wait", "Nadir", LONG_JOB_S, 1, learning=0))
    return list(await asyncio.gather(*cases))


async def _measure(kind: str, client: str, job_s: float, jobs: int, learning: int = LEARNING_JOBS) -> Row:
    async with ContractServer(job_s, extended=KINDS[kind]) as server:
        if client == "Nadir":
            await _wait_with_nadir(server.url, learning + jobs)
        else:
            await _wait_with_reference(server.url, jobs)
        measured = list(server.jobs.values())[-jobs:]
    return _row(kind, client, job_s, measured)


async def _wait_with_nadir(url: str, jobs: int) -> None:
    async with JobClient(VQA, url) as client:
        for _ in range(jobs):
            await (await client.submit(question())).result()


async def _wait_with_reference(url: str, jobs: int) -> None:
    async with httpx.AsyncClient(base_url=url) as http:
        for _ in range(jobs):
            await reference.poll(http, await reference.submit(http, "What is this?"))


def _row(kind: str, client: str, job_s: float, jobs: list[ScriptedJob]) -> Row:
    lost = [job.lost_s for job in jobs]
    return Row(kind, client, job_s, mean(lost), median(lost), 0.1 * job_s + 0.1, mean(job.polls for job in jobs))


if __name__ == "__main__":
    print(f"{'server':14} {'client':10} {'job':>6} {'lost, mean':>11} {'median':>8} {'target':>8} {'polls':>6}")
    for row in asyncio.run(run()):
        target = 0.05 if row.server == "with wait" else row.allowed
        print(
            f"{row.server:14} {row.client:10} {row.job_s:4.1f} s {row.mean_lost:9.3f} s {row.median_lost:6.3f} s "
            f"{target:6.2f} s {row.polls:6.1f}"
        )
