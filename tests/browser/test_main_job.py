"""The main job in the browser: a scene in, the true state of the job all the way, an answer out."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from client.samples import SCENES_DIR
from tests.browser.app_process import AppProcess
from tests.openai_stub import ANSWER, OpenAIStub
from tests.serving import serving

GEOTIFF = SCENES_DIR / "foz_do_iguacu_landsat8_uint16.tif"
PHOTO = SCENES_DIR / "yellowstone_road.jpg"


async def upload(page: Page, path: Path, view: str = "caption") -> None:
    await page.set_input_files(f"#{view}-scene .nd-file", path)
    await page.locator(f"#{view}-scene .nd-picture").wait_for()


async def expect_state(page: Page, state: str, view: str = "caption") -> None:
    await expect(page.locator(f"#{view}-status .nd-job")).to_have_attribute("data-state", state)


def answer(page: Page, view: str = "caption"):
    return page.locator(f"#{view}-answer")


async def test_an_uploaded_scene_is_described_and_every_stage_is_shown(page: Page, model: OpenAIStub) -> None:
    model.mode, model.loading_answers = "hold", 1_000
    await upload(page, GEOTIFF)
    await expect(page.locator("#caption-scene .nd-chips")).to_contain_text("EPSG:32621")
    await page.evaluate(
        """() => { window.seen = new Set(); new MutationObserver(() => {
            const job = document.querySelector('#caption-status .nd-job'); if (job) seen.add(job.dataset.state);
        }).observe(document.body, {subtree: true, childList: true, attributes: true}); }"""
    )
    await page.click("#caption-go")
    await expect_state(page, "starting")
    model.loading_answers = 0
    await expect_state(page, "running")
    await expect(answer(page)).to_contain_text("Two")
    await expect(answer(page)).not_to_contain_text("harbour")
    model.go_on.set()
    await expect_state(page, "done")
    await expect(answer(page)).to_contain_text(ANSWER)
    await expect(answer(page)).to_contain_text("1042 + 5 tokens")
    seen = set(await page.evaluate("[...window.seen]"))
    assert {"submitting", "starting", "running", "done"} <= seen


async def test_cancelling_stops_the_job_on_the_server(page: Page, model: OpenAIStub) -> None:
    model.mode = "hold"
    await upload(page, PHOTO)
    await page.click("#caption-go")
    await expect_state(page, "running")
    await page.get_by_role("button", name="Cancel job").click()
    await expect_state(page, "cancelled")
    await model.left.wait()
    await expect(page.locator("#caption-go button, button#caption-go")).to_be_enabled()
    await expect(page.locator("#caption-scene .nd-picture")).to_be_visible()


async def test_a_reload_in_the_middle_finds_the_job_and_its_scene_again(page: Page, model: OpenAIStub) -> None:
    model.mode = "hold"
    await upload(page, PHOTO)
    await page.fill("#caption-prompt textarea", "Describe the road.")
    await page.click("#caption-go")
    await expect(answer(page)).to_contain_text("Two")
    call_id = await page.locator(".nd-call-id").get_attribute("data-copy")
    await page.reload()
    await expect_state(page, "running")
    assert await page.locator(".nd-call-id").get_attribute("data-copy") == call_id
    await expect(page.locator("#caption-prompt textarea")).to_have_value("Describe the road.")
    await expect(page.locator("#caption-scene .nd-picture")).to_be_visible()
    model.go_on.set()
    await expect(answer(page)).to_contain_text(ANSWER)
    assert len(model.calls) == 1


async def test_a_finished_job_is_shown_again_in_a_new_tab(
    page: Page, context: BrowserContext, model: OpenAIStub, shared_app: AppProcess
) -> None:
    await upload(page, PHOTO)
    await page.click("#caption-go")
    await expect_state(page, "done")
    await page.close()
    again = await context.new_page()
    await again.goto(shared_app.url)
    await expect_state(again, "done")
    await expect(answer(again)).to_contain_text(ANSWER)
    assert len(model.calls) == 1
    await again.close()


async def test_the_call_id_is_in_the_browser_before_the_job_ends(page: Page, model: OpenAIStub) -> None:
    model.mode = "hold"
    await upload(page, PHOTO)
    await page.click("#caption-go")
    await expect_state(page, "running")
    kept = await page.evaluate(
        """Object.keys(localStorage).filter(key => key.startsWith('nadir.job.'))
            .map(key => JSON.parse(localStorage[key]).call_id)"""
    )
    assert kept == [await page.locator(".nd-call-id").get_attribute("data-copy")]
    model.go_on.set()
    await expect_state(page, "done")


async def test_a_job_that_fails_says_why_and_can_be_sent_again(page: Page, model: OpenAIStub) -> None:
    model.mode = "400"
    await upload(page, PHOTO)
    await page.fill("#caption-prompt textarea", "A prompt that I typed")
    await page.click("#caption-go")
    await expect_state(page, "failed")
    await expect(answer(page)).to_contain_text("too long")
    await expect(page.locator("#caption-prompt textarea")).to_have_value("A prompt that I typed")
    model.mode = "stream"
    await page.get_by_role("button", name="Send again").click()
    await expect(answer(page)).to_contain_text(ANSWER)


async def test_a_file_that_is_no_scene_gets_a_sentence_and_the_page_goes_on(page: Page, tmp_path: Path) -> None:
    poem = tmp_path / "poem.tif"
    poem.write_text("Tyger Tyger, burning bright")
    await page.set_input_files("#caption-scene .nd-file", poem)
    await expect(page.locator("#caption-scene .nd-refusal")).to_be_visible()
    await upload(page, PHOTO)
    await expect(page.locator("#caption-scene .nd-refusal")).to_have_count(0)


async def test_describing_without_a_scene_says_what_is_missing(page: Page) -> None:
    await page.click("#caption-go")
    await expect(answer(page)).to_contain_text("There is no scene yet")


async def test_an_answer_cannot_bring_markup_of_its_own(page: Page, model: OpenAIStub) -> None:
    model.words = ('A <img src=x onerror="window.owned = 1">', " <script>window.owned = 1</script> dam")
    await upload(page, PHOTO)
    await page.click("#caption-go")
    await expect_state(page, "done")
    await expect(answer(page)).to_contain_text("<script>")
    assert await page.evaluate("window.owned") is None


async def test_a_follow_up_question_takes_the_earlier_turns_along_and_a_new_scene_starts_anew(
    page: Page, model: OpenAIStub
) -> None:
    await page.get_by_role("tab", name="Ask").click()
    await upload(page, PHOTO, "ask")
    for question in ("Is there a road?", "Is it paved?"):
        await page.fill("#ask-prompt textarea", question)
        await page.click("#ask-go")
        await expect(answer(page, "ask").locator(".nd-question").first).to_have_text(question)
        await expect_state(page, "done", "ask")
        await expect(answer(page, "ask")).to_contain_text("5 tokens")
    spoken = [turn["role"] for turn in model.calls[-1]["messages"]]
    assert spoken == ["user", "assistant", "user"]
    await expect(answer(page, "ask")).to_contain_text("Is there a road?")
    await upload(page, GEOTIFF, "ask")
    await expect(answer(page, "ask")).not_to_contain_text("Is there a road?")
    await page.fill("#ask-prompt textarea", "Is there a river?")
    await page.click("#ask-go")
    await expect(answer(page, "ask").locator(".nd-question").first).to_have_text("Is there a river?")
    await expect_state(page, "done", "ask")
    assert len(model.calls[-1]["messages"]) == 1


async def test_two_tabs_keep_their_own_jobs(
    page: Page, context: BrowserContext, model: OpenAIStub, shared_app: AppProcess
) -> None:
    await upload(page, PHOTO)
    await page.fill("#caption-prompt textarea", "First tab")
    await page.click("#caption-go")
    await expect_state(page, "done")
    other = await context.new_page()
    await other.goto(shared_app.url)
    await expect_state(other, "done")
    await other.fill("#caption-prompt textarea", "Second tab")
    await other.click("#caption-go")
    await expect(other.locator("#caption-go")).to_be_enabled()
    await page.reload()
    await expect(page.locator("#caption-prompt textarea")).to_have_value("First tab")
    await other.reload()
    await expect(other.locator("#caption-prompt textarea")).to_have_value("Second tab")
    await other.close()


async def test_on_a_phone_nothing_is_wider_than_the_screen_and_the_action_is_in_reach(
    page: Page, model: OpenAIStub
) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    await upload(page, GEOTIFF)
    await expect(page.locator("#caption-go")).to_be_in_viewport()
    await page.click("#caption-go")
    await expect_state(page, "done")
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


async def test_a_killed_app_goes_on_with_the_job_when_it_is_started_again(
    context: BrowserContext, tmp_path: Path
) -> None:
    model = OpenAIStub("hold")
    async with serving(model.app) as url:
        app = AppProcess(tmp_path, UPSTREAM_BASE_URL=f"{url}/v1")
        await app.start()
        page = await context.new_page()
        await page.goto(app.url)
        await upload(page, PHOTO)
        await page.click("#caption-go")
        await expect_state(page, "running")
        await page.fill("#caption-prompt textarea", "My next prompt")
        await app.end(signal.SIGKILL)
        await expect(page.get_by_text("The connection to Nadir is lost")).to_be_visible()
        await app.start()
        await expect(page.get_by_text("The connection to Nadir is lost")).to_be_hidden()
        await expect_state(page, "running")
        await expect(page.locator("#caption-prompt textarea")).to_have_value("My next prompt")
        model.go_on.set()
        await expect(answer(page)).to_contain_text(ANSWER)
        assert "Traceback" not in await app.end()
        await page.close()


async def test_a_service_that_does_not_answer_is_named_before_anything_is_sent(
    context: BrowserContext, tmp_path: Path
) -> None:
    app = AppProcess(tmp_path, CAPTION_BASE_URL="http://127.0.0.1:9", VQA_BASE_URL="http://127.0.0.1:9")
    await app.start()
    page = await context.new_page()
    await page.goto(app.url)
    await expect(page.locator("#nd-banner")).to_contain_text("127.0.0.1")
    await expect(page.locator(".nd-badge")).to_have_text(re.compile("not reached"))
    await page.close()
    await app.end()


async def test_the_code_for_the_request_carries_the_prompt_of_the_page(page: Page) -> None:
    await page.fill("#caption-prompt textarea", "Describe the bridge.")
    await page.get_by_role("button", name="Use via API").first.click()
    dialog = page.get_by_role("dialog", name="Use via API")
    await expect(dialog).to_contain_text("Describe the bridge.")
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()


@pytest.mark.parametrize("width", [1440, 390])
async def test_enter_asks_the_question_at_any_width(page: Page, model: OpenAIStub, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 844})
    await page.get_by_role("tab", name="Ask").click()
    await upload(page, PHOTO, "ask")
    await page.fill("#ask-prompt textarea", "Is there a road?")
    await page.press("#ask-prompt textarea", "Enter")
    await expect_state(page, "done", "ask")
    await expect(answer(page, "ask").locator(".nd-question").first).to_have_text("Is there a road?")
