"""Images apart from requests."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from backend.contract import Stage
from backend.queues.database import open_database
from backend.queues.images import images, put_back, take_out
from backend.queues.records import jobs
from tests.backend.queues.conftest import OpenQueue
from tests.backend.queues.fakes import PATIENCE_S, FakeEngine, ask, picture


async def test_ten_questions_on_one_image_store_it_once(open_queue: OpenQueue, tmp_path: Path) -> None:
    engine = FakeEngine()
    queue = await open_queue(engine)
    ids = [await queue.submit(ask(f"question {number}", picture())) for number in range(10)]
    for call_id in ids:
        await queue.status(call_id, wait_s=PATIENCE_S)
    assert _count(tmp_path, images) == 1
    assert {url for request in engine.requests for url in request.image_urls} == {picture()}


async def test_images_are_kept_out_of_the_jobs(open_queue: OpenQueue, tmp_path: Path) -> None:
    queue = await open_queue(FakeEngine(), answers=False)
    await queue.submit(ask("two", picture(1), picture(2)))
    database = open_database(tmp_path, None)
    with database.connect() as connection:
        [request] = connection.execute(sa.select(jobs.c.request)).scalars()
    database.dispose()
    assert "base64" not in request
    assert _count(tmp_path, images) == 2


async def test_the_address_of_an_image_elsewhere_stays_as_it_is(open_queue: OpenQueue, tmp_path: Path) -> None:
    engine = FakeEngine()
    queue = await open_queue(engine)
    await queue.status(await queue.submit(ask("far", "https://example.org/scene.png")), wait_s=PATIENCE_S)
    assert engine.requests[0].image_urls == ["https://example.org/scene.png"]
    assert _count(tmp_path, images) == 0


async def test_a_job_whose_image_is_gone_fails_with_a_sentence(open_queue: OpenQueue, tmp_path: Path) -> None:
    caller = await open_queue(FakeEngine(), answers=False)
    call_id = await caller.submit(ask("gone", picture()))
    database = open_database(tmp_path, None)
    with database.begin() as connection:
        connection.execute(sa.delete(images))
    database.dispose()
    await open_queue(FakeEngine())
    status = await caller.status(call_id, wait_s=PATIENCE_S)
    assert status.stage is Stage.FAILED
    assert "no longer stored" in (status.error or "")


def test_a_request_comes_back_as_it_was_sent() -> None:
    request = ask("both", picture(1), "https://example.org/a.png", picture(2), picture(1))
    lean, taken = take_out(request)
    assert len(taken) == 2
    assert len(lean.model_dump_json()) < 1000
    assert put_back(lean, taken) == request


def test_what_is_no_image_stays_where_it_is() -> None:
    request = ask("odd", "data:,nothing")
    assert take_out(request) == (request, {})


def _count(data_dir: Path, table: sa.Table) -> int:
    database = open_database(data_dir, None)
    with database.connect() as connection:
        number = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
    database.dispose()
    return int(number)
