from __future__ import annotations

from typing import Any

from backend.services import VQA
from client.jobs import JobClient
from client.payload import chat_request
from client.retry import RetryPolicy
from tests.contract_server import ContractServer, answer_to
from ui.pickup import MAX_FOLLOWED, Pickup


def client_of(url: str) -> JobClient:
    return JobClient(VQA, url, retry=RetryPolicy(attempts=1))


async def told(client: JobClient, pending: Any) -> list[dict[str, Any]]:
    return [value async for value in Pickup({VQA.key: client}).follow({"pending": pending})]


def pending(call_id: str, **changes: Any) -> dict[str, Any]:
    return {"key": f"key-{call_id}", "service": VQA.key, "call_id": call_id, **changes}


async def test_the_end_of_a_left_job_is_told_with_answer_and_time() -> None:
    async with ContractServer(0.05, extended=True) as server, client_of(server.url) as client:
        job = await client.submit(chat_request(VQA, "Water?", None))
        values = await told(client, [pending(job.call_id)])
    [news] = values[-1]["news"]
    assert values[-1]["over"]
    assert not any(value["over"] for value in values[:-1])
    assert (news["key"], news["state"], news["answer"]) == (f"key-{job.call_id}", "done", answer_to("Water?"))
    assert news["took_s"] > 0


async def test_what_a_left_job_is_doing_is_told_before_its_end() -> None:
    async with ContractServer(0.2, extended=True) as server, client_of(server.url) as client:
        job = await client.submit(chat_request(VQA, "Water?", None))
        values = await told(client, [pending(job.call_id)])
    assert (values[0]["news"][0]["stage"], values[0]["news"][0]["state"]) == ("Running", "")


async def test_a_job_that_is_gone_is_told_as_expired_with_the_reason() -> None:
    async with ContractServer(extended=True) as server, client_of(server.url) as client:
        values = await told(client, [pending("fc-unknown")])
    [news] = values[-1]["news"]
    assert (news["state"], news["trouble"]) == ("expired", "Job result expired (older than 7 days)")


async def test_a_job_of_a_dead_service_stays_as_it_was() -> None:
    async with client_of("http://127.0.0.1:9") as client:
        values = await told(client, [pending("fc-1")])
    assert values[-1]["news"] == []
    assert values[-1]["over"]


async def test_what_is_no_job_is_left_out_and_no_tab_follows_without_bound() -> None:
    async with ContractServer(extended=True) as server, client_of(server.url) as client:
        assert (await told(client, "nonsense"))[-1]["news"] == []
        values = await told(client, [7, {}, pending("fc-1", service="weather"), pending("fc-2", key="k" * 101)])
        assert values[-1]["news"] == []
        values = await told(client, [pending(f"fc-{number}") for number in range(MAX_FOLLOWED + 5)])
        assert len(values[-1]["news"]) == MAX_FOLLOWED
