"""What the page's script may ask of the batches, and what it gets for asking nonsense."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from backend.services import CAPTIONING, VQA
from client.batch_desk import BatchDesk, Draft
from client.batch_input import Upload
from client.batch_plan import MAX_REFUSALS, BatchSettings, Refusal
from client.imagery import SceneReader
from client.jobs import JobClient
from client.samples import SCENES_DIR
from tests.contract_server import ContractServer, answer_to
from tests.waiting import until_true
from ui.batch_room import NOT_UNDERSTOOD, BatchRoom
from ui.record import read_record

Ask = Callable[[str, Any], Awaitable[dict[str, Any]]]


@pytest_asyncio.fixture
async def room(tmp_path: Path) -> AsyncIterator[BatchRoom]:
    reader = SceneReader(workers=1)
    (tmp_path / "uploads").mkdir()
    async with ContractServer(extended=True) as server, JobClient(VQA, server.url) as vqa:
        desk = BatchDesk({VQA.key: vqa, CAPTIONING.key: vqa}, reader, tmp_path / "batches")
        await desk.start()
        yield BatchRoom(desk, reader, tmp_path / "uploads")
        await desk.close()
    await reader.close()


@pytest.fixture
def ask(room: BatchRoom) -> Ask:
    by_name = {answer.__name__: answer for answer in room.answers}
    return lambda name, data: by_name[name](data)


async def drafted(room: BatchRoom) -> str:
    path = SCENES_DIR / "yellowstone_road.jpg"
    settings = BatchSettings(service="vqa", prompts=["Is there a road?"])
    steps = [step async for step in room.desk.draw_up([Upload(path, path.name)], settings)]
    assert isinstance(steps[-1], Draft)
    return steps[-1].run.plan.id


@pytest.mark.parametrize("data", [None, 7, "x", [], {}, {"id": 3}, {"id": "x", "since": -1}, {"id": "x" * 1000}])
@pytest.mark.parametrize("name", ["batch_rows", "batch_do", "batch_export", "batch_open", "batch_scene"])
async def test_nonsense_is_answered_with_a_sentence(ask: Ask, name: str, data: Any) -> None:
    assert await ask(name, data) == {"error": NOT_UNDERSTOOD}


async def test_whoever_does_not_know_the_id_learns_nothing(room: BatchRoom, ask: Ask) -> None:
    await drafted(room)
    assert (await ask("batch_rows", {"id": "guess", "since": 0}))["gone"] is True
    assert await ask("batch_list", {"ids": ["guess"]}) == {"batches": []}


async def test_rows_are_told_in_full_once_and_then_only_what_changed(room: BatchRoom, ask: Ask) -> None:
    batch = await drafted(room)
    first = await ask("batch_rows", {"id": batch, "since": 0})
    assert [row["name"] for row in first["fixed"]["rows"]] == ["yellowstone_road.jpg"]
    assert first["summary"]["begun"] is False
    await ask("batch_do", {"id": batch, "action": "begin"})

    async def is_over() -> bool:
        return bool((await ask("batch_rows", {"id": batch, "since": 0}))["summary"]["over"])

    await until_true(is_over)
    told = await ask("batch_rows", {"id": batch, "since": first["version"]})
    assert "fixed" not in told
    assert [(row["stage"], row["answer"]) for row in told["changed"]] == [("done", answer_to("Is there a road?"))]
    assert (await ask("batch_rows", {"id": batch, "since": told["version"]}))["changed"] == []


async def test_a_reader_from_before_a_restart_is_told_everything(room: BatchRoom, ask: Ask) -> None:
    batch = await drafted(room)
    assert len((await ask("batch_rows", {"id": batch, "since": 9999}))["changed"]) == 1


async def test_a_row_becomes_a_record_that_caption_and_ask_read(room: BatchRoom, ask: Ask) -> None:
    batch = await drafted(room)
    job = room.desk.find(batch).plan.jobs[0].id
    record = read_record((await ask("batch_open", {"id": batch, "job": job}))["record"])
    assert record is not None
    assert (record.prompt, record.service, record.state) == ("Is there a road?", "vqa", "waiting")
    assert record.scene is not None
    assert Path(record.scene.upload or "").is_relative_to(room.uploads)
    assert (await ask("batch_open", {"id": batch, "job": "other"}))["error"] == NOT_UNDERSTOOD


@pytest.mark.parametrize("kind", ["../../plan", "exe", ""])
async def test_only_known_formats_are_written(room: BatchRoom, ask: Ask, kind: str) -> None:
    batch = await drafted(room)
    assert (await ask("batch_export", {"id": batch, "kind": kind}))["error"] == NOT_UNDERSTOOD


async def test_exports_lie_in_folders_of_their_own_that_do_not_tell_the_id(room: BatchRoom, ask: Ask) -> None:
    batch = await drafted(room)
    first, second = [await ask("batch_export", {"id": batch, "kind": "csv"}) for _ in range(2)]
    assert first["url"] != second["url"]
    assert batch not in first["url"] and batch[:6] not in first["url"]


async def test_a_removed_batch_takes_its_exports_with_it(room: BatchRoom, ask: Ask) -> None:
    batch, other = await drafted(room), await drafted(room)
    path, kept = [
        Path((await ask("batch_export", {"id": one, "kind": "csv"}))["url"].removeprefix("gradio_api/file="))
        for one in (batch, other)
    ]
    assert await ask("batch_do", {"id": batch, "action": "remove"}) == {}
    assert not path.parent.exists()
    assert kept.exists()


async def test_what_was_left_out_is_told_once_and_up_to_a_number(room: BatchRoom, ask: Ask) -> None:
    batch = await drafted(room)
    refusal = Refusal(name="poem.tif", reason="It is no image.")
    room.desk.find(batch).plan.refusals = [refusal] * (MAX_REFUSALS + 50)
    first = await ask("batch_rows", {"id": batch, "since": 0})
    assert (len(first["fixed"]["left_out"]), first["fixed"]["left_out_count"]) == (MAX_REFUSALS, MAX_REFUSALS + 50)
    assert "poem" not in str(await ask("batch_rows", {"id": batch, "since": first["version"]}))
    assert "poem" not in str(await ask("batch_list", {"ids": [batch]}))
