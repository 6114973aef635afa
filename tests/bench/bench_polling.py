"""Time between a job's end and the caller's knowing it, and polls per job: `python -m tests.bench.bench_polling`.

Each job time has a server and a client of its own; the jobs before the measured ones are there to learn from.
"""

from __future__ import annotations

import asyncio
import time
from statistics import mean, median
from typing import NamedTuple

import httpx

from backend.services import VQA
from client.jobs import JobClient
from tests.bench import reference
from tests.bench.processes import KINDS
from tests.client.asking import question
from tests.contract_server import ContractServer

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
    kinds = [(kind, client, job_s) for kind in KINDS for client in CLIENTS for job_s in JOB_TIMES_S]
    cases = [_measure(*case, JOBS) for case in kinds]
    cases.append(_measure("with wait", "Nadir", LONG_JOB_S, 1, learning=0))
    return list(await asyncio.gather(*cases))


async def _measure(kind: str, client: str, job_s: float, jobs: int, learning: int = LEARNING_JOBS) -> Row:
    async with ContractServer(job_s, extended=KINDS[kind]) as server:
        known_at = await CLIENTS[client](server.url, learning + jobs)
        measured = list(server.jobs.values())[-jobs:]
    lost = [at - (job.ended_at or at) for at, job in zip(known_at[-jobs:], measured, strict=True)]
    return Row(kind, client, job_s, mean(lost), median(lost), 0.1 * job_s + 0.1, mean(job.polls for job in measured))


async def _wait_with_nadir(url: str, jobs: int) -> list[float]:
    known_at = []
    async with JobClient(VQA, url) as client:
        for _ in range(jobs):
            await (await client.submit(question())).result()
            known_at.append(time.monotonic())
    return known_at


async def _wait_with_reference(url: str, jobs: int) -> list[float]:
    known_at = []
    async with httpx.AsyncClient(base_url=url) as http:
        for _ in range(jobs):
            await reference.poll(http, await reference.submit(http, "What is this?"))
            known_at.append(time.monotonic())
    return known_at


CLIENTS = {"reference": _wait_with_reference, "Nadir": _wait_with_nadir}
"""Runs so many jobs one after the other, and returns when the client knew each one's end, by `time.monotonic`."""


if __name__ == "__main__":
    print(f"{'server':14} {'client':10} {'job':>6} {'lost, mean':>11} {'median':>8} {'target':>8} {'polls':>6}")
    for row in asyncio.run(run()):
        target = 0.05 if row.server == "with wait" else row.allowed
        print(
            f"{row.server:14} {row.client:10} {row.job_s:4.1f} s {row.mean_lost:9.3f} s {row.median_lost:6.3f} s "
            f"{target:6.2f} s {row.polls:6.1f}"
        )
