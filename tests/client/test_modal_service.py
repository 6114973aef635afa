"""The document's client, by its names and signatures, without its traps."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator

import pytest

from backend.engines import EngineFailed
from backend.services import CAPTIONING, VQA
from client.environment import Environment
from client.errors import JobFailed
from client.modal_service import ModalServiceClient, process_batch_vqa_async
from tests.backend.running import running_gateway
from tests.contract_server import ContractServer, answer_to

IMAGE = "data:image/png;base64,AAAA"


def face_at(url: str) -> ModalServiceClient:
    services = (CAPTIONING.key, VQA.key)
    return ModalServiceClient(Environment(urls=dict.fromkeys(services, url), timeouts_s=dict.fromkeys(services, 20.0)))


def face_of(server: ContractServer) -> ModalServiceClient:
    return face_at(server.url)


@pytest.fixture(params=[False, True], ids=["bare contract", "extended"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[ContractServer]:
    async with ContractServer(0.01, extended=request.param) as running:
        yield running


async def test_a_question_is_submitted_and_its_answer_polled(server: ContractServer) -> None:
    client = face_of(server)
    call_id = await client.submit_vqa_async(IMAGE, "How many ships?")
    assert await client.poll_vqa_result(call_id) == answer_to("How many ships?")


async def test_a_caption_is_asked_for_with_the_document_s_prompt(server: ContractServer) -> None:
    client = face_of(server)
    call_id = await client.submit_captioning_async_safe(IMAGE)
    assert await client.poll_captioning_result(call_id) == answer_to("Describe this satellite image in detail.")


async def test_the_whole_completion_is_there_too(server: ContractServer) -> None:
    client = face_of(server)
    call_id = await client.submit_vqa_async_safe(IMAGE, "q")
    for poll in (client.poll_job_status, client.poll_job_status_safe):
        completion = await poll(server.url, call_id)
        assert completion["choices"][0]["message"]["content"] == answer_to("q")


async def test_the_synchronous_route_answers_as_well(server: ContractServer) -> None:
    client = face_of(server)
    assert await client.vqa(IMAGE, "q") == answer_to("q")
    assert await client.captioning(IMAGE, "describe") == answer_to("describe")


async def test_a_wait_of_zero_polls_once(server: ContractServer) -> None:
    client = face_of(server)
    call_id = await client.submit_vqa_async(IMAGE, "q")
    await client.poll_vqa_result(call_id)
    assert await client.poll_vqa_result(call_id, timeout=0) == answer_to("q")


async def test_a_wait_that_takes_too_long_is_a_timeout_error() -> None:
    async with ContractServer(60.0) as server:
        client = face_of(server)
        call_id = await client.submit_vqa_async(IMAGE, "q")
        with pytest.raises(TimeoutError):
            await client.poll_vqa_result(call_id, timeout=0)


async def test_an_unknown_job_is_a_value_error(server: ContractServer) -> None:
    with pytest.raises(ValueError, match="expired"):
        await face_of(server).poll_vqa_result("fc-unknown")


async def test_a_failed_job_ends_the_wait() -> None:
    async with running_gateway(EngineFailed("The engine broke."), service=VQA) as gateway:
        client = face_at(gateway.url)
        picture = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
        call_id = await client.submit_vqa_async(picture, "q")
        with pytest.raises(JobFailed, match="The engine broke"):
            await client.poll_vqa_result(call_id)


async def test_several_questions_on_one_image_keep_all_their_answers(server: ContractServer) -> None:
    pairs = [("image-1", "a"), ("image-2", "b"), ("image-1", "c"), ("image-1", "a")]
    answers = await face_of(server).process_batch_vqa_async(pairs, max_concurrent=2)
    assert answers.answers == [answer_to(question) for _, question in pairs]
    assert answers["image-2"] == answer_to("b")
    assert answers["image-1"] == "\n".join([answer_to("a"), answer_to("c"), answer_to("a")])


async def test_an_image_without_an_answer_is_none_in_the_batch(caplog: pytest.LogCaptureFixture) -> None:
    async with ContractServer(60.0) as server:
        client = face_of(server)
        client.timeout = 0.1
        answers = await client.process_batch_vqa_async([("image-1", "a")])
    assert answers == {"image-1": None}
    assert "did not end in time" in caplog.text


async def test_addresses_come_from_the_environment(server: ContractServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VQA_BASE_URL", server.url)
    assert await process_batch_vqa_async([("image-1", "a")], max_concurrent=10) == {"image-1": answer_to("a")}


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("submit_vqa_async", "image_url query max_tokens temperature"),
        ("submit_captioning_async", "image_url prompt max_tokens temperature"),
        ("poll_job_status", "base_url call_id max_wait poll_interval"),
        ("poll_vqa_result", "call_id timeout"),
        ("poll_captioning_result", "call_id timeout"),
        ("submit_vqa_async_safe", "image_url query max_tokens temperature"),
        ("poll_job_status_safe", "base_url call_id max_wait poll_interval max_retries"),
    ],
)
def test_names_and_parameters_are_those_of_the_document(name: str, parameters: str) -> None:
    assert list(inspect.signature(getattr(ModalServiceClient, name)).parameters) == ["self", *parameters.split()]
