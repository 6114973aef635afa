from __future__ import annotations

import asyncio
from contextlib import aclosing

from backend.services import VQA
from client.events import Done, Expired, JobEvent
from client.following import follow
from client.jobs import JobClient
from client.payload import chat_request
from client.retry import RetryPolicy
from tests.contract_server import ContractServer, answer_to


def client_of(url: str) -> JobClient:
    return JobClient(VQA, url, retry=RetryPolicy(attempts=1))


async def ends_of(client: JobClient, call_ids: list[str]) -> dict[str, JobEvent]:
    ends = {}
    async for event in follow([client.job(call_id) for call_id in call_ids], timeout_s=30, beat_s=5):
        if event is not None and event.is_final:
            ends[event.call_id] = event
    return ends


async def test_every_job_is_followed_to_its_end() -> None:
    async with ContractServer(0.05, extended=True) as server, client_of(server.url) as client:
        jobs = [await client.submit(chat_request(VQA, f"Question {number}", None)) for number in range(5)]
        ends = await ends_of(client, [job.call_id for job in jobs])
        for number, job in enumerate(jobs):
            end = ends[job.call_id]
            assert isinstance(end, Done)
            assert end.completion.text == answer_to(f"Question {number}")


async def test_a_job_that_the_service_does_not_know_ends_as_expired_and_holds_up_no_other() -> None:
    async with ContractServer(extended=True) as server, client_of(server.url) as client:
        job = await client.submit(chat_request(VQA, "Water?", None))
        ends = await ends_of(client, ["fc-unknown", "not an id", job.call_id])
        assert isinstance(ends["fc-unknown"], Expired)
        assert isinstance(ends["not an id"], Expired)
        assert isinstance(ends[job.call_id], Done)


async def test_a_service_that_cannot_be_asked_lets_its_jobs_fall_out() -> None:
    async with client_of("http://127.0.0.1:9") as client:
        assert await ends_of(client, ["fc-1", "fc-2"]) == {}


async def test_silence_is_broken_by_beats() -> None:
    async with ContractServer(3600.0, extended=True) as server, client_of(server.url) as client:
        job = await client.submit(chat_request(VQA, "Water?", None))
        async with aclosing(follow([job], timeout_s=30, beat_s=0.01)) as events:
            while await anext(events) is not None:
                pass
            assert await anext(events) is None


async def test_leaving_stops_asking() -> None:
    async with ContractServer(3600.0, extended=True) as server, client_of(server.url) as client:
        job = await client.submit(chat_request(VQA, "Water?", None))
        before = asyncio.all_tasks()
        async with aclosing(follow([job], timeout_s=30, beat_s=5)) as events:
            await anext(events)
        left = [task for task in asyncio.all_tasks() - before if "_listen" in repr(task)]
        assert left == []


async def test_nothing_to_follow_ends_at_once() -> None:
    assert [event async for event in follow([], timeout_s=30, beat_s=5)] == []
