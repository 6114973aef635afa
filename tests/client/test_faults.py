"""Through a road that breaks a fifth of all exchanges in ten ways, every job ends with its right answer."""

from __future__ import annotations

import asyncio

import pytest

from backend.services import VQA
from client.jobs import JobClient
from client.retry import RetryPolicy
from tests.client.asking import question
from tests.contract_server import ContractServer, answer_to
from tests.fault_proxy import Fault, FaultProxy

JOBS = 60
QUICK_RETRIES = RetryPolicy(attempts=20, first_pause_s=0.01, max_pause_s=0.1)


def impatient(url: str) -> JobClient:
    return JobClient(VQA, url, request_timeout_s=0.5, retry=QUICK_RETRIES)


async def answers_of(client: JobClient, prompts: list[str]) -> list[str]:
    async def ask(prompt: str) -> str:
        return (await (await client.submit(question(prompt))).result()).text

    return list(await asyncio.gather(*(ask(prompt) for prompt in prompts)))


@pytest.mark.parametrize("extended", [False, True], ids=["bare contract", "extended"])
async def test_all_jobs_through_a_bad_road_end_with_their_right_answers(extended: bool) -> None:
    prompts = [f"question {number}" for number in range(JOBS)]
    async with (
        ContractServer(0.02, slots=16, extended=extended) as server,
        FaultProxy(server.url) as proxy,
        impatient(proxy.url) as client,
    ):
        answers = await answers_of(client, prompts)
    assert answers == [answer_to(prompt) for prompt in prompts]
    assert len(proxy.done) > len(Fault) / 2


async def test_no_job_runs_twice_where_idempotency_keys_are_known() -> None:
    prompts = [f"question {number}" for number in range(JOBS)]
    async with (
        ContractServer(0.02, slots=16, extended=True) as server,
        FaultProxy(server.url) as proxy,
        impatient(proxy.url) as client,
    ):
        await answers_of(client, prompts)
    assert sorted(job.prompt for job in server.jobs.values()) == sorted(prompts)
    assert {job.runs for job in server.jobs.values()} == {1}


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
async def test_jobs_survive_each_way_of_breaking_half_of_all_exchanges(fault: Fault) -> None:
    prompts = [f"question {number}" for number in range(5)]
    async with (
        ContractServer(0.01, extended=True) as server,
        FaultProxy(server.url, share=0.5, faults=[fault]) as proxy,
        impatient(proxy.url) as client,
    ):
        assert await answers_of(client, prompts) == [answer_to(prompt) for prompt in prompts]
        assert len(server.jobs) == len(prompts)
        assert proxy.done[fault] > 0
