"""Batches in the browser: many files, a table that fills, closed tabs, restarts, results taken away."""

from __future__ import annotations

import re
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyogrio
import pytest
from axe_playwright_python.async_playwright import Axe
from PIL import Image
from playwright.async_api import BrowserContext, Locator, Page, expect

from backend.services import VQA
from client.samples import SCENES_DIR
from tests.browser.app_process import AppProcess
from tests.contract_server import ContractServer, answer_to
from tests.openai_stub import ANSWER, OpenAIStub
from tests.waiting import until

GEOTIFF = SCENES_DIR / "foz_do_iguacu_landsat8_uint16.tif"
PHOTO = SCENES_DIR / "yellowstone_road.jpg"
HOURS = 7200.0
BROKEN = ("cut off.png", "empty.tif", "poem.jpg")


def pictures(folder: Path, count: int, side: int = 64) -> list[Path]:
    """Returns small pictures of different colours."""
    paths = [folder / f"scene {number:03d}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("RGB", (side, side), (number % 256, 90, 200)).save(path)
    return paths


def broken_files(folder: Path) -> list[Path]:
    cut_off, empty, poem = (folder / name for name in BROKEN)
    cut_off.write_bytes(PHOTO.read_bytes()[:900])
    empty.write_bytes(b"")
    poem.write_text("Tyger Tyger, burning bright")
    return [cut_off, empty, poem]


async def open_batch(page: Page) -> None:
    await page.get_by_role("tab", name="Batch").click()


async def take_look(page: Page, paths: list[Path], prompts: str = "What is there?") -> None:
    await page.set_input_files('[data-bf-input="files"]', paths)
    await expect(page.locator("#batch-look-go")).to_be_enabled()
    await page.fill("#batch-prompts textarea", prompts)
    await page.click("#batch-look-go")


async def start(page: Page, paths: list[Path], prompts: str = "What is there?") -> None:
    await open_batch(page)
    await take_look(page, paths, prompts)
    await page.locator("[data-batch-begin]").click()
    await page.locator(".nd-bt-board").wait_for()


def rows(page: Page) -> Locator:
    return page.locator(".nd-bt-rows .nd-bt-row")


def stage(page: Page, number: int) -> Locator:
    return page.locator(f'[data-bt-row="{number}"] .nd-bt-stage')


async def expect_ended(page: Page, count: int) -> None:
    await expect(page.locator('[data-bt="progress"]')).to_contain_text(f"{count} of {count} ended", timeout=40_000)


async def expect_count(page: Page, group: str, count: int) -> None:
    await expect(page.locator(f'[data-bt-filter="{group}"] .nd-num')).to_have_text(str(count))


async def test_twenty_mixed_files_of_which_three_are_broken(page: Page, model: OpenAIStub, tmp_path: Path) -> None:
    good = [*pictures(tmp_path, 15), GEOTIFF, PHOTO]
    await open_batch(page)
    await take_look(page, [*good[:8], *broken_files(tmp_path), *good[8:]])
    await expect(page.locator(".nd-bl-facts dd").first).to_have_text("17")
    await expect(page.locator(".nd-bf-list li", has_text="empty.tif")).to_contain_text("0 kB")
    await expect(page.locator("#batch-look .nd-bl-out summary")).to_have_text("3 left out")
    for name in BROKEN:
        await expect(page.locator("#batch-look .nd-bl-out")).to_contain_text(name)
    assert model.calls == []
    await page.locator("[data-batch-begin]").click()
    await expect_ended(page, 17)
    await expect(stage(page, 0)).to_have_text("Done")
    await expect(rows(page).first).to_contain_text(ANSWER)
    await expect(page.locator(".nd-bt-out summary")).to_have_text("3 left out")
    assert len(model.calls) == 17


async def test_the_table_can_be_filtered_and_searched_and_a_row_read_in_full(
    page: Page, model: OpenAIStub, tmp_path: Path
) -> None:
    await start(page, pictures(tmp_path, 4), "Where is it?\nWhat is it?")
    await expect_ended(page, 8)
    await page.get_by_label("Search names").fill("002.png")
    await expect(rows(page)).to_have_count(2)
    await page.locator('[data-bt-filter="failed"]').click()
    await expect(page.locator(".nd-bt-none")).to_be_visible()
    await page.locator('[data-bt-filter="done"]').click()
    await rows(page).first.get_by_role("button", name="scene 002.png", exact=True).click()
    await expect(page.get_by_role("dialog")).to_contain_text("Where is it?")
    await expect(page.get_by_role("dialog")).to_contain_text(ANSWER)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()


async def test_a_closed_tab_does_not_stop_the_batch_and_the_next_tab_shows_it(
    page: Page, context: BrowserContext, model: OpenAIStub, shared_app: AppProcess, tmp_path: Path
) -> None:
    model.mode = "hold"
    await start(page, pictures(tmp_path, 6))
    await until(lambda: len(model.calls) == 4)
    await page.close()
    again = await context.new_page()
    await again.goto(shared_app.url)
    await open_batch(again)
    await expect_count(again, "running", 6)
    await expect(again.locator('[data-bt="progress"]')).to_contain_text("0 of 6 ended")
    model.go_on.set()
    await expect_ended(again, 6)
    assert len(model.calls) == 6
    await again.close()


async def test_one_job_is_cancelled_and_then_all(page: Page, model: OpenAIStub, tmp_path: Path) -> None:
    model.mode = "hold"
    await start(page, pictures(tmp_path, 5))
    await expect_count(page, "running", 5)
    await page.get_by_label("Cancel this job: scene 000.png").click()
    await expect(stage(page, 0)).to_have_text("Cancelled")
    await expect_count(page, "running", 4)
    await page.get_by_role("button", name="Cancel all").click()
    await expect_count(page, "cancelled", 5)
    await expect(page.locator('[data-bt="rest"]')).to_have_text("The batch has ended.")
    await expect(page.get_by_role("button", name="Cancel all")).to_be_hidden()


async def test_failed_jobs_say_why_and_are_sent_again_together(page: Page, model: OpenAIStub, tmp_path: Path) -> None:
    model.mode = "400"
    await start(page, pictures(tmp_path, 2))
    await expect_count(page, "failed", 2)
    await expect(rows(page).first).to_contain_text("too long")
    model.mode = "stream"
    await page.get_by_role("button", name="Retry failed").click()
    await expect_count(page, "done", 2)
    await expect(rows(page).first).to_contain_text(ANSWER)


READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    "csv": pd.read_csv,
    "jsonl": lambda path: pd.read_json(path, lines=True),
    "parquet": pd.read_parquet,
    "geojson": lambda path: _attributes(path),
    "gpkg": lambda path: _attributes(path),
}


def _attributes(path: Path) -> pd.DataFrame:
    meta, _, shapes, columns = pyogrio.raw.read(path)
    assert [shape is None for shape in shapes] == [False, True]
    return pd.DataFrame(dict(zip(meta["fields"], columns, strict=True)))


async def test_every_result_is_opened_by_its_own_reader(page: Page, model: OpenAIStub, tmp_path: Path) -> None:
    box = '[{"bbox_2d": [100, 100, 400, 400], "label": "island"}]'
    model.words = ("A river. ", box)
    await start(page, [GEOTIFF, PHOTO])
    await expect_ended(page, 2)
    for kind, read in READERS.items():
        table = read(await download(page, kind, tmp_path))
        assert list(table["scene"]) == [GEOTIFF.name, PHOTO.name], kind
        assert list(table["answer"]) == ["A river. " + box] * 2, kind
    with zipfile.ZipFile(await download(page, "boxes.zip", tmp_path)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 2


async def download(page: Page, kind: str, folder: Path) -> Path:
    await page.locator(".nd-bt-menu summary").click()
    async with page.expect_download() as started:
        await page.locator(f'[data-bt-export="{kind}"]').click()
    fetched = await started.value
    path = folder / fetched.suggested_filename
    await fetched.save_as(path)
    assert path.name.endswith(f".{kind}") or path.name.endswith(kind)
    return path


async def test_a_scene_cut_into_tiles_is_read_on_a_map(page: Page, model: OpenAIStub) -> None:
    model.words = ("Yes, ", "a river.")
    await open_batch(page)
    await page.get_by_role("button", name="Tiles").click()
    await page.get_by_label("Cut every scene into tiles").check()
    await page.locator("#batch-tile input").fill("256")
    await take_look(page, [GEOTIFF], "Is there a river?")
    await page.locator("[data-batch-begin]").click()
    await expect_ended(page, 4)
    await page.locator('[data-bt-view="map"]').click()
    await expect(page.locator(".nd-bt-tile")).to_have_count(4)
    await expect(page.locator(".nd-bt-map-sheet img")).to_have_js_property("complete", True)
    await expect(page.locator(".nd-bt-legend")).to_have_text(re.compile(r"Yes\s*4"))
    await page.locator(".nd-bt-tile").first.focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.locator(".nd-bt-readout")).to_contain_text("Row 1, column 2")
    await expect(page.locator(".nd-bt-readout")).to_contain_text("Yes, a river.")
    await page.get_by_label("Search names").fill("r2c1")
    await expect(page.locator(".nd-bt-tile[data-dim]")).to_have_count(3)


async def test_a_first_look_is_forgotten_when_files_or_settings_change(page: Page, tmp_path: Path) -> None:
    look, begin = page.locator("#batch-look"), page.locator("[data-batch-begin]")
    await open_batch(page)
    await take_look(page, pictures(tmp_path, 1))
    await begin.wait_for()
    await page.get_by_role("button", name="Remove scene 000.png").click()
    await expect(look).to_contain_text("No batch yet")
    await take_look(page, pictures(tmp_path, 1))
    await begin.wait_for()
    await page.get_by_role("button", name="Tiles").click()
    await page.get_by_label("Cut every scene into tiles").check()
    await expect(look).to_contain_text("No batch yet")
    await page.locator("#batch-tile input").fill("63")
    await page.click("#batch-look-go")
    await expect(look).to_contain_text("A tile's side must be at least 64 px.")
    await page.locator("#batch-tile input").fill("1024")
    await page.locator("#batch-overlap input").fill("1024")
    await page.click("#batch-look-go")
    await expect(look).to_contain_text("The overlap must be smaller than the tile: 0 to 1023 px.")


async def test_a_zip_with_a_table_asks_each_image_its_own_questions(
    page: Page, model: OpenAIStub, tmp_path: Path
) -> None:
    first, second = pictures(tmp_path, 2)
    archive = tmp_path / "site.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(first, "a/one.png")
        packed.write(second, "b/two.png")
        packed.writestr("questions.csv", "image,question\none.png,Is it blue?\ntwo.png,Is it red?\nghost.png,Why?\n")
    await start(page, [archive])
    await expect_ended(page, 2)
    await expect(rows(page).nth(0)).to_contain_text("Is it blue?")
    await expect(rows(page).nth(1)).to_contain_text("Is it red?")
    await expect(page.locator(".nd-bt-out")).to_contain_text("no image called ghost.png")


async def test_a_row_opens_in_caption_with_everything_filled_in(page: Page, model: OpenAIStub) -> None:
    await start(page, [PHOTO], "Where does the road lead?")
    await expect_ended(page, 1)
    await page.get_by_label(f"Open in Caption: {PHOTO.name}").click()
    await expect(page.locator("#caption-prompt textarea")).to_have_value("Where does the road lead?")
    await expect(page.locator("#caption-scene .nd-picture")).to_be_visible()
    await expect(page.locator("#caption-answer")).to_contain_text(ANSWER)
    assert len(model.calls) == 1


async def test_neither_a_file_name_nor_an_answer_brings_markup(page: Page, model: OpenAIStub, tmp_path: Path) -> None:
    model.words = ('<img src=x onerror="window.owned = 1">',)
    (picture,) = pictures(tmp_path, 1)
    nasty = picture.rename(tmp_path / "<img src=x onerror=window.owned=1>.png")
    await start(page, [nasty], "<b>bold</b>")
    await expect_ended(page, 1)
    await expect(rows(page).first).to_contain_text("<b>bold</b>")
    await rows(page).first.locator("[data-bt-detail]").click()
    await expect(page.get_by_role("dialog")).to_contain_text("onerror")
    assert await page.evaluate("window.owned") is None


async def test_on_a_phone_nothing_is_wider_than_the_screen(page: Page, model: OpenAIStub, tmp_path: Path) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    await start(page, pictures(tmp_path, 3))
    await expect_ended(page, 3)
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_in_table_map_and_dialog(page: Page, model: OpenAIStub, theme: str) -> None:
    await page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
    await page.reload()
    await page.locator("#caption-go").wait_for()
    model.words = ("Yes, ", "a river.")
    await open_batch(page)
    await page.get_by_role("button", name="Tiles").click()
    await page.get_by_label("Cut every scene into tiles").check()
    await page.locator("#batch-tile input").fill("256")
    await take_look(page, [GEOTIFF], "Is there a river?")
    await page.locator("[data-batch-begin]").wait_for()
    found = [await violations(page)]
    await page.locator("[data-batch-begin]").click()
    await expect_ended(page, 4)
    found.append(await violations(page))
    await rows(page).first.locator("[data-bt-detail]").click()
    found.append(await violations(page))
    await page.keyboard.press("Escape")
    await page.locator('[data-bt-view="map"]').click()
    await page.locator(".nd-bt-tile").first.hover()
    found.append(await violations(page))
    assert found == [[]] * 4


async def violations(page: Page) -> list[tuple[str, str]]:
    result = await Axe().run(page)
    return [(found["id"], found["nodes"][0]["html"]) for found in result.response["violations"]]


async def test_another_task_brings_its_own_prompt_and_leaves_a_written_one(page: Page) -> None:
    await open_batch(page)
    await page.get_by_label("Ask", exact=True).check()
    await expect(page.locator("#batch-prompts textarea")).to_have_value(VQA.default_prompt)
    await page.fill("#batch-prompts textarea", "Is there water?")
    await page.get_by_label("Caption", exact=True).check()
    await expect(page.locator("#batch-prompts textarea")).to_have_value("Is there water?")


async def test_a_killed_app_goes_on_with_the_batch_and_submits_nothing_again(
    context: BrowserContext, tmp_path: Path
) -> None:
    async with ContractServer(lambda prompt: 0.0 if prompt == "Quick?" else HOURS, extended=True) as server:
        app = AppProcess(tmp_path / "data", CAPTION_BASE_URL=server.url, VQA_BASE_URL=server.url)
        await app.start()
        page = await context.new_page()
        await page.goto(app.url)
        await start(page, pictures(tmp_path, 2), "Quick?\nSlow?")
        await expect_count(page, "done", 2)
        await expect_count(page, "running", 2)
        await until(lambda: len(server.jobs) == 4)
        await app.end(signal.SIGKILL)
        await expect(page.locator(".nd-bt-trouble")).to_contain_text("Connection lost. The batch goes on")
        await expect(page.locator("body.nd-lost")).to_be_visible()
        await app.start()
        await expect(page.locator("body.nd-lost")).to_have_count(0)
        await open_batch(page)
        await expect_count(page, "done", 2)
        for job in server.jobs.values():
            server._end(job)
        await expect_ended(page, 4)
        await expect(rows(page).nth(1)).to_contain_text(answer_to("Slow?"))
        assert server.requests.count("POST /v1/chat/completions/async") == 4
        await page.close()
        await app.end()


async def test_of_five_hundred_rows_only_those_in_sight_are_drawn(context: BrowserContext, tmp_path: Path) -> None:
    async with ContractServer(0.0, slots=64, extended=True) as server:
        app = AppProcess(tmp_path / "data", CAPTION_BASE_URL=server.url, VQA_BASE_URL=server.url)
        await app.start()
        page = await context.new_page()
        await page.goto(app.url)
        prompts = "\n".join(f"Question {number}?" for number in range(20))
        await start(page, pictures(tmp_path, 25), prompts)
        await expect_count(page, "all", 500)
        assert await rows(page).count() < 60
        await page.locator(".nd-bt-scroll").evaluate("node => node.scrollTo(0, node.scrollHeight)")
        await expect(page.locator('[data-bt-row="499"]')).to_contain_text("Question 19?")
        assert await rows(page).count() < 60
        await page.close()
        await app.end()
