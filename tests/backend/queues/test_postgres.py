"""The same queue on Postgres, shared by several machines."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from backend.contract import Stage
from backend.queues import QueueFull
from backend.queues.database import open_database
from backend.queues.images import images
from tests.backend.queues.conftest import OpenQueue, StartWorker, kill
from tests.backend.queues.fakes import PATIENCE_S, FakeEngine, GatedEngine, ask, eventually, picture
from tests.backend.queues.postgres import NoPostgres, fresh_database, postgres_server


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    try:
        with postgres_server() as url:
            yield url
    except NoPostgres as reason:
        pytest.skip(f"no Postgres: {reason}")


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    with fresh_database(server_url) as url:
        yield url


async def test_a_job_is_answered(open_queue: OpenQueue) -> None:
    engine = FakeEngine()
    queue = await open_queue(engine)
    call_id = await queue.submit(ask("Where?", picture()))
    status = await queue.status(call_id, wait_s=PATIENCE_S)
    assert status.completion is not None
    assert status.completion.text == "about: Where?"
    assert engine.requests[0].image_urls == [picture()]


async def test_submissions_at_the_same_moment_from_two_machines_give_one_job_and_one_image(
    open_queue: OpenQueue, database_url: str, tmp_path: Path
) -> None:
    engine = FakeEngine()
    here = await open_queue(engine)
    elsewhere = await open_queue(FakeEngine(), answers=False)
    submissions = [
        queue.submit(ask("?", picture()), idempotency_key="k") for _ in range(8) for queue in (here, elsewhere)
    ]
    others = [queue.submit(ask("other", picture())) for _ in range(4) for queue in (here, elsewhere)]
    ids = await asyncio.gather(*submissions, *others)
    for call_id in ids:
        assert (await elsewhere.status(call_id, wait_s=PATIENCE_S)).stage is Stage.DONE
    assert len(set(ids)) == 9
    assert len(engine.requests) == 9
    database = open_database(tmp_path, database_url)
    with database.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(images)).scalar_one() == 1
    database.dispose()


async def test_the_queue_is_bounded_and_the_waiting_can_be_cancelled(open_queue: OpenQueue) -> None:
    engine = GatedEngine()
    queue = await open_queue(engine, concurrency=1, limit=1)
    await queue.submit(ask("running"))
    await asyncio.wait_for(engine.started.wait(), PATIENCE_S)
    waiting = await queue.submit(ask("waits"))
    with pytest.raises(QueueFull):
        await queue.submit(ask("too many"))
    assert (await queue.cancel(waiting)).stage is Stage.CANCELLED
    assert (await queue.status(await queue.submit(ask("next")))).position == 0


async def test_a_job_on_another_machine_is_seen_and_cancelled(open_queue: OpenQueue, start_worker: StartWorker) -> None:
    caller = await open_queue(FakeEngine(), answers=False)
    await start_worker()
    call_id = await caller.submit(ask("one"))
    await eventually(lambda: caller.status(call_id), lambda status: status.partial == "half ")
    assert (await caller.cancel(call_id)).stage is Stage.CANCELLED


async def test_another_machine_takes_over_the_jobs_of_one_that_died(
    open_queue: OpenQueue, start_worker: StartWorker, tmp_path: Path
) -> None:
    caller = await open_queue(FakeEngine(), answers=False)
    doomed = await start_worker()
    call_id = await caller.submit(ask("one", picture()))
    await eventually(lambda: caller.status(call_id), lambda status: status.partial == "half ")
    await start_worker()
    await kill(doomed)
    (tmp_path / "gate").touch()
    status = await caller.status(call_id, wait_s=PATIENCE_S)
    assert status.completion is not None
    assert status.completion.text == "answered: one"
    assert len((tmp_path / "runs").read_text().splitlines()) == 2
