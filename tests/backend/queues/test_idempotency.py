"""The same key gives the same job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from backend.contract import Stage
from backend.queues.durable import DurableStore
from backend.services import CAPTIONING, VQA
from tests.backend.queues.conftest import OpenQueue
from tests.backend.queues.fakes import PATIENCE_S, FakeEngine, ask, picture


async def test_a_repeated_submission_gives_the_same_job_once(open_queue: OpenQueue) -> None:
    engine = FakeEngine()
    queue = await open_queue(engine)
    ids = {await queue.submit(ask(), idempotency_key="k") for _ in range(3)}
    [call_id] = ids
    await queue.status(call_id, wait_s=PATIENCE_S)
    assert await queue.submit(ask(), idempotency_key="k") == call_id
    assert len(engine.requests) == 1


async def test_submissions_at_the_same_moment_from_two_processes_give_one_job(open_queue: OpenQueue) -> None:
    engine = FakeEngine()
    here = await open_queue(engine)
    elsewhere = await open_queue(FakeEngine(), answers=False)
    submissions = [
        queue.submit(ask("Where?", picture()), idempotency_key="k") for _ in range(8) for queue in (here, elsewhere)
    ]
    [call_id] = set(await asyncio.gather(*submissions))
    assert (await elsewhere.status(call_id, wait_s=PATIENCE_S)).stage is Stage.DONE
    assert len(engine.requests) == 1


async def test_a_key_is_known_after_a_restart(open_queue: OpenQueue) -> None:
    engine = FakeEngine()
    queue = await open_queue(engine)
    call_id = await queue.submit(ask(), idempotency_key="k")
    done = await queue.status(call_id, wait_s=PATIENCE_S)
    await queue.close()
    queue = await open_queue(engine)
    assert await queue.submit(ask(), idempotency_key="k") == call_id
    assert (await queue.status(call_id)).completion == done.completion
    assert len(engine.requests) == 1


async def test_one_key_means_two_jobs_in_two_services(open_store: Callable[..., DurableStore]) -> None:
    store = open_store()
    captioning, vqa = store.queue(CAPTIONING, FakeEngine()), store.queue(VQA, FakeEngine())
    await store.start()
    assert await captioning.submit(ask(), idempotency_key="k") != await vqa.submit(ask(), idempotency_key="k")


async def test_different_keys_and_no_key_give_different_jobs(open_queue: OpenQueue) -> None:
    queue = await open_queue(FakeEngine())
    keys = ("a", "b", None, None)
    assert len({await queue.submit(ask(), idempotency_key=key) for key in keys}) == 4
