"""The scene panel in the browser: bands, area, what the model sees, detail, and the objects of an answer."""

from __future__ import annotations

import asyncio
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from axe_playwright_python.async_playwright import Axe
from fastapi import FastAPI
from PIL import Image
from playwright.async_api import BrowserContext, Locator, Page, expect

from backend.contract import HEALTH_PATH, MODELS_PATH, Health, ModelCard, ModelList
from backend.images import decode_data_url
from client.payload import model_size
from tests.browser.app_process import AppProcess
from tests.browser.test_main_job import GEOTIFF, PHOTO, answer, upload
from tests.openai_stub import OpenAIStub
from tests.serving import serving

BOXES = (
    '```json\n[{"bbox_2d": [100, 200, 300, 400], "label": "reservoir"},',
    ' {"bbox_2d": [500, 500, 560, 640], "label": "<b>dam</b>"}]\n```',
)
SIDE = 320


@pytest.fixture
def infrared(tmp_path: Path) -> Path:
    """A 16-bit scene of four bands, with a georeference: green in true colour, red in false colour."""
    ramp = np.linspace(0, 1000, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)
    noise = np.random.default_rng(7).normal(0, 40, (4, SIDE, SIDE))
    red, green, blue, nir = (0.2 * ramp, ramp, 0.2 * ramp, ramp[::-1])
    values = (np.stack([red, green, blue, nir]) + noise + 1000).astype(np.uint16)
    path = tmp_path / "infrared.tif"
    place = rasterio.Affine(10, 0, 500_000, 0, -10, 4_000_000)
    with rasterio.open(path, "w", "GTiff", SIDE, SIDE, 4, "EPSG:32633", place, "uint16") as file:
        file.write(values)
        file.descriptions = ("Red", "Green", "Blue", "NIR")
    return path


def received(model: OpenAIStub) -> Image.Image:
    """Returns the picture that the model was given last."""
    return Image.open(io.BytesIO(received_bytes(model)))


def received_bytes(model: OpenAIStub) -> bytes:
    part = model.calls[-1]["messages"][0]["content"][0]
    return decode_data_url(part["image_url"]["url"])


def panel(page: Page, selector: str) -> Locator:
    return page.locator(f"#caption-scene {selector}")


async def choose_bands(page: Page, name: str) -> None:
    await panel(page, ".nd-quick").get_by_role("button", name=name).click()
    await expect_bands(page, name)


async def expect_bands(page: Page, name: str) -> None:
    await expect(panel(page, ".nd-quick [aria-pressed=true]")).to_have_text(name)


async def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drags with the mouse between two places of the scene, in shares of its sides."""
    (x0, y0), (x1, y1) = await places(page, start, end)
    await page.mouse.move(x0, y0)
    await page.mouse.down()
    await page.mouse.move((x0 + x1) / 2, (y0 + y1) / 2)
    await page.mouse.move(x1, y1)
    await page.mouse.up()


async def places(page: Page, *shares: tuple[float, float]) -> list[tuple[float, float]]:
    box = await panel(page, ".nd-stage").bounding_box()
    assert box is not None
    return [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in shares]


async def selected(page: Page) -> list[int]:
    """Returns x, y, width and height of the area that the server has taken."""
    await panel(page, "[data-region-clear]").wait_for()
    return [int(number) for number in (await panel(page, ".nd-region").get_attribute("data-set") or "").split(",")]


async def describe(page: Page) -> None:
    """Sends a job and waits for its end, not for that of the job before it."""
    before = await page.evaluate("document.querySelector('#caption-status .nd-call-id')?.dataset.copy ?? ''")
    await page.click("#caption-go")
    done = "document.querySelector('#caption-status .nd-job[data-state=done] .nd-call-id')"
    await page.wait_for_function(f"before => ({done}?.dataset.copy ?? before) !== before", arg=before)


async def test_false_colour_is_one_click_away_and_changes_what_is_sent(
    page: Page, model: OpenAIStub, infrared: Path
) -> None:
    await upload(page, infrared)
    await expect_bands(page, "True colour")
    await choose_bands(page, "False colour")
    await expect(panel(page, ".nd-meta")).to_contain_text("bands 4, 1, 2 as red, green, blue")
    await describe(page)
    red, green, _ = np.asarray(received(model).convert("RGB"))[:20].mean(axis=(0, 1))
    assert red > 200
    assert green < 60


async def test_the_choice_of_bands_is_remembered_for_scenes_of_the_same_shape_only(
    page: Page, context: BrowserContext, shared_app: AppProcess, infrared: Path, tmp_path: Path
) -> None:
    await upload(page, infrared)
    await choose_bands(page, "False colour")
    second = await context.new_page()
    await second.goto(shared_app.url)
    sister = Path(shutil.copy(infrared, tmp_path / "sister.tif"))
    await upload(second, sister)
    await expect_bands(second, "False colour")
    await choose_bands(second, "True colour")
    await upload(second, infrared)
    await expect(panel(second, ".nd-chip-name")).to_have_text("infrared.tif")
    await expect_bands(second, "True colour")
    await second.close()


async def test_bands_and_stretch_can_be_picked_one_by_one(page: Page, infrared: Path) -> None:
    await upload(page, infrared)
    await panel(page, ".nd-bands summary").click()
    await panel(page, "[data-band='2']").select_option("4")
    await expect(panel(page, ".nd-meta")).to_contain_text("bands 1, 2, 4 as red, green, blue, as chosen")
    await panel(page, "[data-stretch]").select_option("minmax")
    await expect(panel(page, ".nd-meta")).to_contain_text("from the lowest to the highest value")
    await expect(panel(page, "[data-band='2']")).to_be_visible()
    await expect(panel(page, "[data-band='2']")).to_have_value("4")


async def test_only_the_area_that_was_dragged_is_sent_and_the_answer_says_where_it_is(
    page: Page, model: OpenAIStub
) -> None:
    await upload(page, GEOTIFF)
    await drag(page, (0.25, 0.25), (0.75, 0.5))
    x, y, width, height = await selected(page)
    assert (x, y, width, height) == pytest.approx((128, 128, 256, 128), abs=3)
    await expect(panel(page, ".nd-chips")).to_contain_text(f"area {width} x {height} px")
    await describe(page)
    assert received(model).size == model_size(width, height)
    await expect(answer(page)).to_contain_text(f"area {width} x {height} px, 25.4")
    await page.reload()
    assert await selected(page) == [x, y, width, height]
    await expect(answer(page)).to_contain_text(f"area {width} x {height} px, 25.4")
    await panel(page, "[data-region-clear]").click()
    await expect(panel(page, "[data-region-clear]")).to_have_count(0)
    await describe(page)
    await expect(answer(page)).not_to_contain_text("area")
    assert received(model).size == (512, 512)


async def test_a_file_that_is_refused_leaves_scene_area_and_answer(
    page: Page, model: OpenAIStub, tmp_path: Path
) -> None:
    await upload(page, GEOTIFF)
    await drag(page, (0.25, 0.25), (0.75, 0.5))
    area = await selected(page)
    await describe(page)
    poem = tmp_path / "poem.tif"
    poem.write_text("Tyger Tyger, burning bright")
    await page.set_input_files("#caption-scene .nd-file", poem)
    await expect(panel(page, "[role=alert]")).to_be_visible()
    await expect(panel(page, ".nd-chip-name")).to_have_text(GEOTIFF.name)
    assert await selected(page) == area
    await panel(page, "[data-dismiss]").click()
    await expect(panel(page, "[role=alert]")).to_have_count(0)
    await expect(panel(page, ".nd-frame-tools [data-choose]")).to_be_focused()
    await expect(answer(page)).to_contain_text(f"area {area[2]} x {area[3]} px")
    await describe(page)
    assert received(model).size == model_size(*area[2:])
    await upload(page, PHOTO)
    await expect(panel(page, ".nd-chip-name")).to_have_text(PHOTO.name)
    await expect(answer(page)).not_to_contain_text("area")


async def test_a_drag_too_small_to_select_says_so(page: Page) -> None:
    await upload(page, GEOTIFF)
    await drag(page, (0.5, 0.5), (0.505, 0.505))
    await expect(panel(page, ".nd-region-note")).to_have_text(re.compile(r"Too small: drag at least \d+ px\."))
    await expect(panel(page, "[data-region-clear]")).to_have_count(0)


async def test_a_job_ends_the_selection_of_an_area(page: Page, model: OpenAIStub) -> None:
    await upload(page, GEOTIFF)
    await panel(page, "[data-region-start]").focus()
    await page.keyboard.press("Enter")
    await expect(panel(page, ".nd-region")).to_be_visible()
    await describe(page)
    await expect(panel(page, ".nd-stage[data-armed]")).to_have_count(0)
    await expect(panel(page, ".nd-region")).to_be_hidden()
    assert received(model).size == (512, 512)


async def test_the_picture_can_be_saved_for_the_code_that_asks_for_it(page: Page) -> None:
    await upload(page, GEOTIFF)
    await page.locator("#caption-go").scroll_into_view_if_needed()
    await page.get_by_role("button", name="Use via API").first.click()
    dialog = page.get_by_role("dialog", name="Use via API")
    await expect(dialog).to_contain_text("download it from What the model sees")
    await expect(dialog).to_contain_text(f'Path("{GEOTIFF.name}")')
    await page.keyboard.press("Escape")
    await panel(page, "[data-view]").click()
    async with page.expect_download() as download:
        await page.locator("dialog.nd-viewer").get_by_role("link", name="Download").click()
    saved = await download.value
    curl = await page.locator("#caption-api-dialog code").last.text_content() or ""
    assert f"IMAGE={saved.suggested_filename}\n" in curl
    with Image.open(await saved.path()) as picture:
        assert picture.size == (512, 512)


async def test_an_area_can_be_selected_with_keys_alone(page: Page) -> None:
    await upload(page, GEOTIFF)
    await panel(page, "[data-region-start]").focus()
    await page.keyboard.press("Enter")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowLeft"):
        await page.keyboard.press(key)
    await page.keyboard.press("Enter")
    assert await selected(page) == [138, 123, 251, 256]
    await expect(panel(page, "[data-region-start]")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Escape")
    assert await selected(page) == [138, 123, 251, 256]


async def test_an_area_can_be_selected_with_a_finger(page: Page, context: BrowserContext) -> None:
    touch = await context.new_cdp_session(page)
    await upload(page, GEOTIFF)
    await panel(page, "[data-region-start]").click()
    (x0, y0), (x1, y1) = await places(page, (0.5, 0.5), (0.9, 0.9))
    await send_touches(touch, "touchStart", (x0, y0))
    for step in (0.5, 1.0):
        await send_touches(touch, "touchMove", (x0 + (x1 - x0) * step, y0 + (y1 - y0) * step))
    await send_touches(touch, "touchEnd")
    assert await selected(page) == pytest.approx([256, 256, 205, 205], abs=4)


async def send_touches(session: Any, kind: str, *points: tuple[float, float]) -> None:
    touches = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
    await session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})


async def test_the_viewer_shows_the_very_bytes_that_are_sent_before_and_after(page: Page, model: OpenAIStub) -> None:
    await upload(page, PHOTO)
    before = panel(page, "[data-view]")
    url = await before.get_attribute("data-view")
    await before.click()
    viewer = page.locator("dialog.nd-viewer")
    await expect(viewer).to_be_visible()
    shown = await (await page.request.get(str(await viewer.locator("img").evaluate("image => image.src")))).body()
    width, height = Image.open(io.BytesIO(shown)).size
    await expect(viewer).to_contain_text(f"{width} x {height} px")
    await expect(viewer).to_contain_text(f"{width // 32 * (height // 32):,} tokens")
    await expect(viewer).to_contain_text("image/")
    await page.keyboard.press("Escape")
    await expect(viewer).not_to_be_visible()
    await describe(page)
    assert received_bytes(model) == shown
    after = answer(page).get_by_role("button", name="What the model saw")
    assert await after.get_attribute("data-view") == url
    await page.reload()
    await expect(after).to_have_attribute("data-view", str(url))


async def test_the_viewer_begins_at_one_to_one_and_is_zoomed_and_moved(page: Page, context: BrowserContext) -> None:
    await upload(page, PHOTO)
    await panel(page, "[data-view]").click()
    viewer = page.locator("dialog.nd-viewer")
    scale, picture = viewer.locator(".nd-viewer-scale"), viewer.locator("img")
    await expect(scale).to_have_text("100 %")
    await page.keyboard.press("+")
    await expect(scale).to_have_text("150 %")
    before = await picture.bounding_box()
    await page.keyboard.press("ArrowDown")
    after = await picture.bounding_box()
    assert before and after and after["y"] == pytest.approx(before["y"] - 64, abs=1)
    await page.keyboard.press("1")
    await expect(scale).to_have_text("100 %")
    await viewer.locator(".nd-viewer-stage").hover()
    await page.mouse.wheel(0, -400)
    await expect(scale).to_have_text("200 %")
    touch = await context.new_cdp_session(page)
    await send_touches(touch, "touchStart", (600, 500), (800, 500))
    await send_touches(touch, "touchMove", (500, 500), (900, 500))
    await send_touches(touch, "touchEnd")
    await expect(scale).to_have_text("400 %")
    await viewer.get_by_role("button", name="Fit").click()
    fitted = await picture.bounding_box()
    assert fitted and fitted["height"] <= 900
    await viewer.get_by_role("button", name="Close").click()
    await expect(panel(page, "[data-view]")).to_be_focused()


async def test_small_chips_are_enlarged_when_that_is_asked_for(page: Page, model: OpenAIStub, infrared: Path) -> None:
    await upload(page, infrared)
    await expect(panel(page, ".nd-chips")).to_contain_text("100 tokens")
    await page.locator("#caption-go").scroll_into_view_if_needed()
    await page.get_by_role("button", name="Settings").first.click()
    await page.get_by_label("Enlarge small chips").first.check()
    await expect(panel(page, ".nd-chips")).to_contain_text("1600 tokens")
    await describe(page)
    assert received(model).size == (1280, 1280)
    await page.reload()
    await expect(panel(page, ".nd-chips")).to_contain_text("1600 tokens")


async def test_the_objects_of_an_answer_are_drawn_listed_and_exported(page: Page, model: OpenAIStub) -> None:
    model.words = BOXES
    await upload(page, GEOTIFF)
    await drag(page, (0.5, 0.5), (1, 1))
    x, y, width, height = await selected(page)
    await describe(page)
    rows, boxes = answer(page).locator(".nd-object"), panel(page, ".nd-box")
    await expect(rows).to_have_count(2)
    await expect(boxes).to_have_count(2)
    await expect(rows.nth(1)).to_contain_text("<b>dam</b>")
    stage, box = await panel(page, ".nd-stage").bounding_box(), await box_of(page, 1).bounding_box()
    assert stage and box
    scale = stage["width"] / 512
    assert box["x"] - stage["x"] == pytest.approx((x + 0.1 * width) * scale, abs=2)
    assert box["y"] - stage["y"] == pytest.approx((y + 0.2 * height) * scale, abs=2)
    assert box["width"] == pytest.approx(0.2 * width * scale, abs=2)
    await rows.nth(1).focus()
    await expect(box_of(page, 2)).to_have_attribute("data-lit", "")
    await box_of(page, 1).hover()
    await expect(rows.nth(0)).to_have_attribute("data-lit", "")
    async with page.expect_download() as download:
        await answer(page).get_by_role("button", name="GeoJSON").click()
    collection = json.loads(await asyncio.to_thread((await (await download.value).path()).read_text))
    longitude, latitude = collection["features"][0]["geometry"]["coordinates"][0][0]
    assert (longitude, latitude) == pytest.approx((-54.6, -25.5), abs=0.1)
    await page.reload()
    await expect(boxes).to_have_count(2)
    await page.locator("[data-sample]").first.click()
    await expect(boxes).to_have_count(0)


def box_of(page: Page, number: int) -> Locator:
    return panel(page, f".nd-box[data-object='{number}']")


async def test_axe_finds_nothing_in_the_panel_the_objects_and_the_viewer(page: Page, model: OpenAIStub) -> None:
    model.words = BOXES
    await page.emulate_media(reduced_motion="reduce")
    await upload(page, GEOTIFF)
    await drag(page, (0.25, 0.25), (0.75, 0.75))
    await selected(page)
    for fold in ("bands", "decisions", "notes"):
        await panel(page, f"[data-fold={fold}] summary").click()
    await describe(page)
    await answer(page).locator(".nd-object").first.wait_for()
    assert await violations(page) == []
    await panel(page, "[data-view]").click()
    await expect(page.locator("dialog.nd-viewer")).to_be_visible()
    assert await violations(page) == []


async def violations(page: Page) -> list[tuple[str, str]]:
    result = await Axe().run(page)
    return [(violation["id"], violation["nodes"][0]["html"]) for violation in result.response["violations"]]


async def test_an_answer_in_words_has_no_list_of_objects(page: Page) -> None:
    await upload(page, PHOTO)
    await describe(page)
    await expect(answer(page).locator(".nd-objects")).to_have_count(0)


async def test_no_detail_is_offered_that_the_service_would_throw_away(context: BrowserContext, tmp_path: Path) -> None:
    service = FastAPI()
    models = ModelList(data=[ModelCard(id="m", max_pixels=2048 * 2048)])
    service.add_api_route(HEALTH_PATH, lambda: Health(model="m"), methods=["GET"])
    service.add_api_route(MODELS_PATH, lambda: models, methods=["GET"])
    async with serving(service) as url:
        app = AppProcess(tmp_path, CAPTION_BASE_URL=url)
        await app.start()
        page = await context.new_page()
        await page.goto(app.url)
        await page.get_by_role("button", name="Settings").first.click()
        await expect(page.get_by_text("this service looks at up to 4.2 megapixels")).to_be_visible()
        await page.get_by_label("Detail").first.click()
        await expect(page.get_by_role("option")).to_have_text([re.compile("Fast"), re.compile("Standard")])
        await page.close()
        await app.end()
