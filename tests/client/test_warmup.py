from __future__ import annotations

import pytest

from backend.contract import ChatRequest
from backend.services import SERVICES, VQA
from backend.validation import parse_request
from client.errors import ServiceUnreachable
from client.jobs import JobClient, encode_request
from client.retry import RetryPolicy
from client.warmup import Asked, Ready, probe_request, warm_up
from tests.contract_server import ContractServer


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_the_probe_is_a_request_that_the_gateway_takes(service) -> None:
    request: ChatRequest = parse_request(encode_request(probe_request(service)), service)
    assert request.max_tokens == 1
    assert len(request.image_urls) == 1


@pytest.mark.parametrize("extended", [True, False])
async def test_a_service_is_ready_when_it_has_answered_and_not_before(extended: bool) -> None:
    async with ContractServer(0.02, extended=extended) as server, JobClient(VQA, server.url) as client:
        events = [event async for event in warm_up(client)]
        assert events[0] == Asked(is_supported=extended)
        assert isinstance(events[-1], Ready)
        assert [job.ended.is_set() for job in server.jobs.values()] == [True]
        assert client.logbook.answered_at is not None


async def test_a_dead_service_is_an_error_and_not_ready() -> None:
    async with JobClient(VQA, "http://127.0.0.1:9", retry=RetryPolicy(attempts=1)) as client:
        with pytest.raises(ServiceUnreachable):
            [event async for event in warm_up(client)]
