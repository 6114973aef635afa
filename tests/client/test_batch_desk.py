"""Batches that belong to the app: drawn up, carried out, steered, and found again by the next process."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from backend.services import CAPTIONING, VQA
from client.batch_desk import BatchDesk, Draft, Reading
from client.batch_input import Collected, Upload, collect
from client.batch_plan import BatchSettings
from client.batch_run import BatchRun
from client.batch_store import LogLine
from client.errors import InputError
from client.imagery import SceneReader
from client.jobs import JobClient
from tests.contract_server import ContractServer, answer_to
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPTS = ["Is there a road?", "Is there a river?"]
HOURS = 7200.0
"""A service time that no test waits for."""


@asynccontextmanager
async def opened(server: ContractServer, reader: SceneReader, folder: Path) -> AsyncIterator[BatchDesk]:
    """A process with its desk: another one over the same folder is the process after a restart."""
    async with JobClient(VQA, server.url) as vqa, JobClient(CAPTIONING, server.url) as captioning:
        desk = BatchDesk({"vqa": vqa, "captioning": captioning}, reader, folder)
        await desk.start()
        try:
            yield desk
        finally:
            await desk.close()


async def drawn_up(desk: BatchDesk, *paths: Path, prompts: list[str] | None = None, tile: int | None = None) -> Draft:
    settings = BatchSettings(service="vqa", prompts=PROMPTS if prompts is None else prompts, tile_size=tile)
    steps = [step async for step in desk.draw_up([Upload(path, path.name) for path in paths], settings)]
    assert all(isinstance(step, Reading) for step in steps[:-1])
    assert isinstance(steps[-1], Draft)
    return steps[-1]


def stages(run: BatchRun) -> list[str]:
    """The stages of the rows, as somebody sees them who looks."""
    run.look()
    return [row.stage.value for row in run.rows]


@pytest.fixture
def road(scenes: Path) -> Path:
    return scenes / "yellowstone_road.jpg"


@pytest.fixture
def foz(scenes: Path) -> Path:
    return scenes / "foz_do_iguacu_landsat8_uint16.tif"


async def test_the_first_look_counts_everything_and_sends_nothing(
    reader: SceneReader, road: Path, foz: Path, tmp_path: Path
) -> None:
    poem = tmp_path / "poem.tif"
    poem.write_text("Tyger Tyger, burning bright")
    async with ContractServer(extended=True) as server, opened(server, reader, tmp_path / "batches") as desk:
        draft = await drawn_up(desk, road, poem, foz)
    assert server.requests == []
    assert (draft.estimate.jobs, draft.estimate.scenes) == (4, 2)
    assert draft.estimate.prompt_tokens > 100
    assert draft.estimate.bytes > 10_000
    assert draft.estimate.seconds is None
    assert [one.name for one in draft.run.plan.refusals] == ["poem.tif"]


async def test_every_job_is_carried_out_and_its_row_tells_its_answer(
    reader: SceneReader, road: Path, foz: Path, tmp_path: Path
) -> None:
    async with ContractServer(extended=True) as server, opened(server, reader, tmp_path / "batches") as desk:
        run = (await drawn_up(desk, road, foz)).run
        run.begin()
        await until(lambda: run.is_over)
    assert [row.answer for row in run.rows] == [answer_to(row.job.prompt) for row in run.rows]
    assert len(server.jobs) == 4


async def test_a_reader_of_rows_is_told_only_what_changed(reader: SceneReader, road: Path, tmp_path: Path) -> None:
    async with (
        ContractServer(lambda prompt: 0.0 if "road" in prompt else HOURS, extended=True) as server,
        opened(server, reader, tmp_path / "batches") as desk,
    ):
        run = (await drawn_up(desk, road)).run
        run.begin()
        await until(lambda: sorted(stages(run)) == ["done", "running"])
        seen = run.rows.version
        assert run.rows.changed_since(seen) == []
        await run.cancel()
        await until(lambda: run.is_over)
    assert [row.job.prompt for row in run.rows.changed_since(seen)] == ["Is there a river?"]


async def test_the_next_process_goes_on_and_submits_nothing_again(
    reader: SceneReader, road: Path, foz: Path, tmp_path: Path
) -> None:
    async with ContractServer(lambda prompt: 0.0 if "road" in prompt else HOURS, extended=True) as server:
        async with opened(server, reader, tmp_path / "batches") as desk:
            run = (await drawn_up(desk, road, foz)).run
            run.begin()
            await until(lambda: sorted(stages(run)) == ["done", "done", "running", "running"])
        async with opened(server, reader, tmp_path / "batches") as desk:
            found = desk.find(run.plan.id)
            for job in server.jobs.values():
                server._end(job)
            await until(lambda: found.is_over)
        assert [row.answer for row in found.rows] == [answer_to(row.job.prompt) for row in found.rows]
        assert len(server.jobs) == 4


async def test_a_paused_batch_sends_nothing_until_it_is_resumed_even_by_the_next_process(
    reader: SceneReader, road: Path, tmp_path: Path
) -> None:
    async with ContractServer(extended=True) as server:
        async with opened(server, reader, tmp_path / "batches") as desk:
            run = (await drawn_up(desk, road)).run
            run.pause()
            run.begin()
        async with opened(server, reader, tmp_path / "batches") as desk:
            found = desk.find(run.plan.id)
            assert found.is_paused
            assert server.jobs == {}
            found.resume()
            await until(lambda: found.is_over)
        assert stages(found) == ["done", "done"]


async def test_cancelling_one_job_leaves_the_others(reader: SceneReader, road: Path, tmp_path: Path) -> None:
    async with (
        ContractServer(HOURS, extended=True) as server,
        opened(server, reader, tmp_path / "batches") as desk,
    ):
        run = (await drawn_up(desk, road)).run
        run.begin()
        await until(lambda: stages(run) == ["running", "running"])
        await run.cancel([run.plan.jobs[0].id])
        await until(lambda: stages(run) == ["cancelled", "running"])
        assert [job.stage for job in server.jobs.values()].count("cancelled") == 1


async def test_what_was_cancelled_stays_so_for_the_next_process(
    reader: SceneReader, road: Path, tmp_path: Path
) -> None:
    async with ContractServer(HOURS, extended=True) as server:
        async with opened(server, reader, tmp_path / "batches") as desk:
            run = (await drawn_up(desk, road)).run
            run.begin()
            await until(lambda: stages(run) == ["running", "running"])
            # The process ends between the wish and its fulfilment.
            run._note("cancel", list(run.rows))
        async with opened(server, reader, tmp_path / "batches") as desk:
            found = desk.find(run.plan.id)
            assert stages(found) == ["cancelled", "cancelled"]
            await until(lambda: all(job.stage == "cancelled" for job in server.jobs.values()))
        assert len(server.jobs) == 2


async def test_jobs_that_failed_are_sent_again_under_a_new_key_and_the_others_are_left_alone(
    reader: SceneReader, road: Path, foz: Path, tmp_path: Path
) -> None:
    async with ContractServer(extended=True) as server:
        async with opened(server, reader, tmp_path / "batches") as desk:
            run = (await drawn_up(desk, road, foz)).run
            missing = run.plan.scenes[1].scene.path
            kept = missing.read_bytes()
            missing.unlink()
            run.begin()
            await until(lambda: run.is_over)
            assert stages(run) == ["done", "done", "failed", "failed"]
            missing.write_bytes(kept)
            assert run.retry() == 2
            await until(lambda: run.is_over)
            assert stages(run) == ["done"] * 4
        async with opened(server, reader, tmp_path / "batches") as desk:
            assert stages(desk.find(run.plan.id)) == ["done"] * 4
    assert len(server.jobs) == 4


async def test_a_job_whose_service_went_away_is_looked_for_under_its_old_key(
    reader: SceneReader, road: Path, tmp_path: Path
) -> None:
    async with ContractServer(HOURS, extended=True) as server, opened(server, reader, tmp_path / "b") as desk:
        run = (await drawn_up(desk, road, prompts=["Is there a road?"])).run
        run._client.timeout_s = 0.0
        run.begin()
        await until(lambda: run.is_over)
        assert stages(run) == ["failed"]
        run._client.timeout_s = 60.0
        run.retry()
        await until(lambda: stages(run) == ["running"])
        server._end(next(iter(server.jobs.values())))
        await until(lambda: stages(run) == ["done"])
    assert len(server.jobs) == 1


async def test_a_scene_cut_into_tiles_asks_about_each_and_knows_where_it_lies(
    reader: SceneReader, foz: Path, tmp_path: Path
) -> None:
    async with ContractServer(extended=True) as server, opened(server, reader, tmp_path / "batches") as desk:
        plan = (await drawn_up(desk, foz, prompts=["Is there water?"], tile=256)).run.plan
    assert [job.tile for job in plan.jobs] == ["r1c1", "r1c2", "r2c1", "r2c2"]
    footprints = [plan.footprint(job) for job in plan.jobs]
    assert len(set(footprints)) == 4
    assert all(-56 < lon < -53 and -27 < lat < -24 for corners in footprints for lon, lat in corners or ())


@pytest.mark.parametrize(
    ("prompts", "tile", "what"), [([], None, "no prompt"), (["x"], 10, "at least"), (["x"] * 20, 64, "jobs")]
)
async def test_a_batch_that_cannot_be_says_why_and_leaves_nothing_behind(
    reader: SceneReader, foz: Path, tmp_path: Path, prompts: list[str], tile: int | None, what: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("client.batch_plan.MAX_JOBS", 100)
    async with ContractServer(extended=True) as server, opened(server, reader, tmp_path / "batches") as desk:
        with pytest.raises(InputError, match=what):
            await drawn_up(desk, foz, prompts=prompts, tile=tile)
        assert list((tmp_path / "batches").iterdir()) == []


async def test_deleting_a_batch_cancels_it_and_leaves_nothing(reader: SceneReader, road: Path, tmp_path: Path) -> None:
    async with ContractServer(HOURS, extended=True) as server, opened(server, reader, tmp_path / "b") as desk:
        run = (await drawn_up(desk, road)).run
        run.begin()
        await until(lambda: stages(run) == ["running", "running"])
        await desk.remove(run.plan.id)
        with pytest.raises(InputError, match="not on the server"):
            desk.find(run.plan.id)
        assert list((tmp_path / "b").iterdir()) == []
        assert {job.stage for job in server.jobs.values()} == {"cancelled"}


async def test_a_torn_log_and_a_damaged_plan_do_not_keep_the_app_from_starting(
    reader: SceneReader, road: Path, tmp_path: Path
) -> None:
    async with ContractServer(extended=True) as server:
        async with opened(server, reader, tmp_path / "batches") as desk:
            run, broken = (await drawn_up(desk, road)).run, (await drawn_up(desk, road)).run
            run.begin()
            await until(lambda: run.is_over)
        with (run.store.root / "log.jsonl").open("a") as log:
            log.write('{"at": 1, "kind": "en')
        (broken.store.root / "plan.json").write_text('{"id":')
        async with opened(server, reader, tmp_path / "batches") as desk:
            assert stages(desk.find(run.plan.id)) == ["done", "done"]
            with pytest.raises(InputError):
                desk.find(broken.plan.id)


async def test_a_batch_is_forgotten_after_a_week(
    reader: SceneReader, road: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ContractServer(extended=True) as server:
        async with opened(server, reader, tmp_path / "batches") as desk:
            run = (await drawn_up(desk, road)).run
            run.begin()
            await until(lambda: run.is_over)
        monkeypatch.setattr("client.batch_desk.RETENTION_DAYS", -1)
        async with opened(server, reader, tmp_path / "batches"):
            assert list((tmp_path / "batches").iterdir()) == []


@pytest.mark.parametrize(
    ("file", "damage"),
    [("log.jsonl", b"\0" * 64), ("log.jsonl", b'{"kind": "moon"}\n'), ("journal.jsonl", b"\0\n")],
    ids=["NULs in the log", "a log line of no kind", "a damaged journal"],
)
async def test_a_damaged_batch_does_not_keep_the_others_from_being_found(
    reader: SceneReader, road: Path, tmp_path: Path, file: str, damage: bytes
) -> None:
    async with ContractServer(HOURS, extended=True) as server:
        async with opened(server, reader, tmp_path / "batches") as desk:
            damaged, sound = (await drawn_up(desk, road)).run, (await drawn_up(desk, road)).run
            for run in (damaged, sound):
                run.begin()
            await until(lambda: stages(damaged) == stages(sound) == ["running", "running"])
        with (damaged.store.root / file).open("ab") as out:
            out.write(damage)
        async with opened(server, reader, tmp_path / "batches") as desk:
            assert desk.find(sound.plan.id).is_begun


async def test_what_is_noted_behind_a_damaged_line_is_read_the_next_time(
    reader: SceneReader, road: Path, tmp_path: Path
) -> None:
    async with ContractServer(extended=True) as server, opened(server, reader, tmp_path / "batches") as desk:
        store = (await drawn_up(desk, road)).run.store
    store.note(LogLine(at=1, kind="begun"))
    store.close()
    with (store.root / "log.jsonl").open("ab") as out:
        out.write(b"\0\0\n")
    assert [line.kind for line in store.load_log()] == ["begun"]
    store.note(LogLine(at=2, kind="paused"))
    store.close()
    assert [line.kind for line in store.load_log()] == ["begun", "paused"]


async def test_rows_end_although_the_disk_is_full(
    reader: SceneReader, road: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with ContractServer(HOURS, extended=True) as server, opened(server, reader, tmp_path / "batches") as desk:
        run = (await drawn_up(desk, road)).run
        run.begin()
        await until(lambda: stages(run) == ["running", "running"])
        monkeypatch.setattr(run.store, "note", full)
        server._end(next(iter(server.jobs.values())))
        await until(lambda: run.is_over)
        assert sorted(stages(run)) == ["done", "failed"]
        await desk.remove(run.plan.id)
        assert list((tmp_path / "batches").iterdir()) == []


async def test_the_next_process_tells_every_row_to_who_saw_the_last_version_of_the_one_before(
    reader: SceneReader, road: Path, tmp_path: Path
) -> None:
    async with ContractServer(extended=True) as server:
        async with opened(server, reader, tmp_path / "batches") as desk:
            run = (await drawn_up(desk, road)).run
            run.begin()
            await until(lambda: run.is_over)
        async with opened(server, reader, tmp_path / "batches") as desk:
            again = desk.find(run.plan.id)
            assert len(again.rows.changed_since(run.rows.version)) == 2


async def test_a_sweep_takes_what_is_over_age_and_leaves_the_rest(
    reader: SceneReader, road: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "batches"
    async with ContractServer(HOURS, extended=True) as server, opened(server, reader, folder) as desk:
        old_draft, draft, begun, old = [(await drawn_up(desk, road)).run for _ in range(4)]
        for run, days in ((old_draft, 1.1), (begun, 6.9), (old, 7.1)):
            run.plan.created_at -= days * 24 * 3600
        for run in (begun, old):
            run.begin()
        for name, days in (("half", 1.1), ("new", 0.1)):
            (folder / name).mkdir()
            os.utime(folder / name, (0, time.time() - days * 24 * 3600))
        await desk.sweep()
        assert {path.name for path in folder.iterdir()} == {draft.plan.id, begun.plan.id, "new"}


async def test_the_oldest_draft_goes_when_there_are_too_many(
    reader: SceneReader, road: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client.batch_desk.MAX_DRAFTS", 2)
    async with ContractServer(HOURS, extended=True) as server, opened(server, reader, tmp_path / "b") as desk:
        begun = (await drawn_up(desk, road)).run
        begun.begin()
        drafts = [(await drawn_up(desk, road)).run for _ in range(3)]
        kept = {run.plan.id for run in (begun, *drafts[1:])}
        assert {path.name for path in (tmp_path / "b").iterdir()} == kept


async def test_a_first_look_that_is_broken_off_leaves_nothing_behind(
    reader: SceneReader, road: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collecting, may_end = threading.Event(), threading.Event()

    def slow(uploads: list[Upload], inputs: Path) -> Collected:
        collecting.set()
        may_end.wait(10)
        return collect(uploads, inputs)

    monkeypatch.setattr("client.batch_desk.collect", slow)
    async with ContractServer(extended=True) as server, opened(server, reader, tmp_path / "b") as desk:
        looking = asyncio.create_task(drawn_up(desk, road))
        await until(collecting.is_set)
        looking.cancel()
        may_end.set()
        await asyncio.wait({looking})
        assert looking.cancelled()
        assert list((tmp_path / "b").iterdir()) == []
