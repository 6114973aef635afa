"""Batches against real servers: identity, order, limits, pauses, cancelling, going on after a crash."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from backend.contract import SUBMIT_PATH, ChatRequest
from backend.services import VQA
from client.batch import Batch
from client.errors import AccessError, InputError, JobCancelled, JobFailed, SceneError
from client.items import BatchItem, ItemResult, Progress, item_ids
from client.jobs import JobClient
from client.journal import Entry, Journal
from client.retry import RetryPolicy
from tests.client.asking import question
from tests.client.scripted_service import ScriptedService, submitted
from tests.contract_server import ContractServer, Reply, Request, answer_to
from tests.fault_proxy import Fault, FaultProxy
from tests.waiting import until


def items_of(*prompts: str) -> list[BatchItem]:
    ids = item_ids((prompt,) for prompt in prompts)
    return [BatchItem(i, question(prompt), prompt=prompt) for i, prompt in zip(ids, prompts, strict=True)]


def numbered(count: int) -> list[BatchItem]:
    return items_of(*(f"question {number}" for number in range(count)))


async def results_of(batch: Batch) -> list[ItemResult]:
    return [result async for result in batch.results()]


@asynccontextmanager
async def served(
    service_time_s: float | Callable[[str], float] = 0.01, *, extended: bool = True, **options: int
) -> AsyncIterator[tuple[ContractServer, JobClient]]:
    async with (
        ContractServer(service_time_s, extended=extended, **options) as server,
        JobClient(VQA, server.url) as client,
    ):
        yield server, client


@pytest.mark.parametrize("extended", [False, True], ids=["bare contract", "extended"])
async def test_every_item_gets_its_own_answer(extended: bool) -> None:
    async with served(extended=extended) as (_, client):
        results = await results_of(Batch(client, numbered(40)))
    assert {result.item.prompt: result.text for result in results} == {
        item.prompt: answer_to(item.prompt) for item in numbered(40)
    }


async def test_equal_items_do_not_collide() -> None:
    async with served() as (server, client):
        results = await results_of(Batch(client, items_of("same", "same", "same")))
    assert [result.text for result in results] == [answer_to("same")] * 3
    assert len(server.jobs) == 3


def test_two_items_with_one_id_are_refused() -> None:
    item = BatchItem("a", question())
    with pytest.raises(InputError, match="same id"):
        Batch(ScriptedService().client(), [item, item])


def test_ids_are_the_same_at_every_call_and_differ_for_equal_keys() -> None:
    keys = [("a.tif", "how many?"), ("a.tif", "how many?"), ("a.ti", "fhow many?")]
    assert item_ids(keys) == item_ids(keys)
    assert len(set(item_ids(keys))) == 3


async def test_results_come_as_they_end() -> None:
    async with served(lambda prompt: 0.5 if prompt == "slow" else 0.01) as (_, client):
        results = await results_of(Batch(client, items_of("slow", "quick")))
    assert [result.item.prompt for result in results] == ["quick", "slow"]


async def test_images_are_prepared_when_their_turn_comes() -> None:
    prepared: list[int] = []

    def item(number: int) -> BatchItem:
        async def load() -> ChatRequest:
            prepared.append(number)
            return question(f"question {number}")

        return BatchItem(str(number), load)

    async with served() as (_, client):
        batch = Batch(client, [item(number) for number in range(20)], max_concurrent=3)
        results = batch.results()
        await anext(results)
        assert len(prepared) <= 3 + 2
        await results.aclose()


async def test_a_scene_that_cannot_be_read_fails_alone() -> None:
    async def load() -> ChatRequest:
        raise SceneError("The file is empty.")

    async with served() as (_, client):
        batch = Batch(client, [BatchItem("bad", load), *items_of("good")])
        results = {result.item.id: result for result in await results_of(batch)}
    assert isinstance(results["bad"].error, SceneError)
    assert results[items_of("good")[0].id].text == answer_to("good")
    assert (batch.progress.done, batch.progress.failed) == (1, 1)


async def test_a_fault_of_the_program_is_not_hidden() -> None:
    async def load() -> ChatRequest:
        raise ZeroDivisionError

    async with served() as (_, client):
        with pytest.raises(ZeroDivisionError):
            await results_of(Batch(client, [BatchItem("bad", load)]))


async def test_a_full_queue_slows_the_batch_down_and_loses_nothing() -> None:
    limits: list[int] = []
    async with served(0.02, slots=2, queue_limit=3) as (server, client):
        batch = Batch(client, numbered(20), on_change=lambda progress: limits.append(progress.limit))
        results = await results_of(batch)
    assert all(result.text for result in results)
    assert len(server.jobs) == 20
    assert min(limits) < limits[0]


async def test_wrong_credentials_end_the_batch_instead_of_failing_every_item() -> None:
    service = ScriptedService(answers=[httpx.Response(401)] * 50)
    batch = Batch(service.client(), numbered(50), max_concurrent=2)
    results = await results_of(batch)
    assert all(isinstance(result.error, AccessError) for result in results)
    assert len(service.requests) <= 4


async def test_one_item_can_be_cancelled() -> None:
    async with served(lambda prompt: 60.0 if prompt == "endless" else 0.01) as (server, client):
        items = items_of("endless", "quick")
        batch = Batch(client, items)
        results = batch.results()
        assert (await anext(results)).item.prompt == "quick"
        await batch.cancel(items[0].id)
        assert isinstance((await anext(results)).error, JobCancelled)
        await results.aclose()
    assert [job.stage for job in server.jobs.values() if job.prompt == "endless"] == ["cancelled"]
    assert batch.progress.cancelled == 1


@pytest.mark.parametrize("extended", [False, True], ids=["bare contract", "extended"])
async def test_all_items_can_be_cancelled_and_what_was_answered_stays(extended: bool) -> None:
    times = lambda prompt: 0.01 if prompt == "quick" else 60.0  # noqa: E731
    async with served(times, extended=extended) as (_, client):
        batch = Batch(client, items_of("quick", *["endless"] * 50), max_concurrent=4)
        results = batch.results()
        first = await anext(results)
        await batch.cancel()
        rest = [result async for result in results]
    assert first.text == answer_to("quick")
    assert len(rest) == 50
    assert all(isinstance(result.error, JobCancelled) for result in rest)


async def test_a_paused_batch_submits_nothing_until_it_is_resumed() -> None:
    async with served() as (server, client):
        batch = Batch(client, numbered(10), max_concurrent=2)
        results = batch.results()
        await anext(results)
        batch.pause()
        assert batch.progress.paused
        begun = batch.progress.ended + batch.progress.under_way
        for _ in range(begun - 1):
            await anext(results)
        assert len(server.jobs) == begun < 10
        batch.resume()
        assert len([result async for result in results]) == 10 - begun


async def test_a_batch_waits_for_a_service_that_is_down_and_says_so() -> None:
    progress: list[Progress] = []
    async with ContractServer(0.01, extended=True) as server:
        proxy = FaultProxy(server.url, share=1.0, faults=[Fault.REFUSED])
        async with proxy, JobClient(VQA, proxy.url) as client:

            def mend(now: Progress) -> None:
                progress.append(now)
                if now.paused:
                    proxy.share = 0.0

            results = await results_of(Batch(client, numbered(20), on_change=mend))
    assert all(result.text for result in results)
    assert any(now.paused and "127.0.0.1" in now.paused for now in progress)
    assert progress[-1].paused is None
    assert len(server.jobs) == 20


async def test_a_batch_goes_on_after_a_crash_without_submitting_twice(tmp_path: Path) -> None:
    path, items = tmp_path / "journal", numbered(12)
    async with served(0.05, slots=4) as (server, client):
        with Journal(path, VQA.key) as journal:
            results = Batch(client, items, journal=journal, max_concurrent=6).results()
            for _ in range(3):
                await anext(results)
            await results.aclose()
        with Journal(path, VQA.key) as journal:
            again = await results_of(Batch(client, items, journal=journal))
    assert {result.item.id: result.text for result in again} == {item.id: answer_to(item.prompt) for item in items}
    assert sorted(job.prompt for job in server.jobs.values()) == sorted(item.prompt for item in items)


async def test_a_submission_whose_answer_was_lost_in_the_crash_is_repeated_with_its_key(tmp_path: Path) -> None:
    path, items = tmp_path / "journal", numbered(1)
    async with (
        ContractServer(extended=True) as server,
        FaultProxy(server.url, share=1.0, faults=[Fault.LATE]) as proxy,
    ):
        async with JobClient(VQA, proxy.url, request_timeout_s=0.2, retry=RetryPolicy(attempts=1)) as client:
            with Journal(path, VQA.key) as journal:
                running = asyncio.create_task(results_of(Batch(client, items, journal=journal)))
                await asyncio.wait_for(server.was_asked.wait(), 10)
                running.cancel()
                await asyncio.wait({running})
        async with JobClient(VQA, server.url) as client:
            with Journal(path, VQA.key) as journal:
                (result,) = await results_of(Batch(client, items, journal=journal))
    assert result.text == answer_to(items[0].prompt)
    assert len(server.jobs) == 1


async def test_a_job_that_the_service_forgot_meanwhile_is_submitted_again(tmp_path: Path) -> None:
    path, items = tmp_path / "journal", numbered(1)
    async with served(60.0) as (server, client):
        with Journal(path, VQA.key) as journal:
            running = asyncio.create_task(results_of(Batch(client, items, journal=journal)))
            await asyncio.wait_for(server.was_polled.wait(), 10)
            running.cancel()
            await asyncio.wait({running})
    async with served(0.01) as (_, client):
        with Journal(path, VQA.key) as journal:
            (result,) = await results_of(Batch(client, items, journal=journal))
    assert result.text == answer_to(items[0].prompt)


async def test_a_failed_item_is_not_tried_again_by_the_next_process(tmp_path: Path) -> None:
    path, items = tmp_path / "journal", numbered(1)
    service = ScriptedService(answers=[httpx.Response(400, json={"error": "no image"})])
    for _ in range(2):
        with Journal(path, VQA.key) as journal:
            (result,) = await results_of(Batch(service.client(), items, journal=journal))
            assert isinstance(result.error, InputError | JobFailed)
            assert "no image" in str(result.error)
    assert len(service.requests) == 1


async def test_an_empty_batch_ends() -> None:
    assert await results_of(Batch(ScriptedService().client(), [])) == []


async def test_a_service_that_is_too_busy_to_tell_about_a_job_is_asked_again_later() -> None:
    service = ScriptedService(job_s=0)
    batch = Batch(service.client(), numbered(1), max_concurrent=1)
    busy = httpx.Response(429, json={"error": "slow down"}, headers={"Retry-After": "3"})
    service.answers = [submitted(), busy]
    (result,) = await results_of(batch)
    assert result.text == "A harbor."


class FullDisk(Journal):
    """A journal whose disk has no room for answers."""

    def write(self, entry: Entry) -> None:
        if entry.completion:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(entry)


async def test_an_answer_arrives_although_the_journal_cannot_be_written(tmp_path: Path) -> None:
    async with served() as (_, client):
        with FullDisk(tmp_path / "journal", VQA.key) as journal:
            results = await asyncio.wait_for(results_of(Batch(client, numbered(3), journal=journal)), 10)
    assert sorted(result.text for result in results) == sorted(answer_to(item.prompt) for item in numbered(3))


async def test_a_batch_whose_listener_fails_ends_instead_of_waiting_for_ever() -> None:
    def fail(_: Progress) -> None:
        raise ZeroDivisionError

    async with served() as (_, client):
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(results_of(Batch(client, numbered(1), on_change=fail)), 10)


class SlowToConfirm(ContractServer):
    """A service that takes jobs at once and says so when it is told to."""

    def __init__(self) -> None:
        super().__init__(60.0, extended=True)
        self.may_confirm = asyncio.Event()

    async def _reply(self, request: Request) -> Reply:
        reply = await super()._reply(request)
        if request.path == SUBMIT_PATH:
            await self.may_confirm.wait()
        return reply


async def test_a_job_that_is_called_off_while_it_is_sent_is_cancelled_at_the_service() -> None:
    async with SlowToConfirm() as server, JobClient(VQA, server.url) as client:
        batch = Batch(client, numbered(1))
        running = asyncio.create_task(results_of(batch))
        await asyncio.wait_for(server.was_asked.wait(), 10)
        calling_off = asyncio.create_task(batch.cancel())
        await until(lambda: batch.progress.cancelled == 1)
        server.may_confirm.set()
        await asyncio.wait_for(calling_off, 10)
        (result,) = await asyncio.wait_for(running, 10)
    assert isinstance(result.error, JobCancelled)
    assert [job.stage for job in server.jobs.values()] == ["cancelled"]
