"""The History page in the browser: what was sent is found again, in every tab, and can be sent away for good."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path

from playwright.async_api import BrowserContext, Page, expect

from client.samples import SCENES_DIR
from tests.browser.app_process import AppProcess
from tests.openai_stub import ANSWER, OpenAIStub
from tests.serving import serving

PHOTO = SCENES_DIR / "yellowstone_road.jpg"
ROWS = ".nd-history-table tbody tr"
STORED = (
    "Object.keys(localStorage).filter(key => key.startsWith('nadir.job.')).map(key => JSON.parse(localStorage[key]))"
)


async def choose_scene(page: Page, view: str = "caption") -> None:
    await page.set_input_files(f"#{view}-scene .nd-file", PHOTO)
    await page.locator(f"#{view}-scene .nd-picture").wait_for()


async def send(page: Page, prompt: str, view: str = "caption", state: str = "done") -> None:
    await page.fill(f"#{view}-prompt textarea", prompt)
    before = len(await page.evaluate(STORED))
    await page.click(f"#{view}-go")
    await page.wait_for_function(f"count => {STORED}.length === count", arg=before + 1)
    await expect(page.locator(f"#{view}-status .nd-job")).to_have_attribute("data-state", state)
    if state == "done":
        await page.wait_for_function(f"prompt => {STORED}.find(job => job.prompt === prompt).state", arg=prompt)


async def remember(page: Page, count: int, **fields: object) -> None:
    """Puts jobs that have ended into the browser's storage, as if they had been sent."""
    await page.evaluate(
        """([count, fields]) => { for (let n = 0; n < count; n++) nadir.putJob({
            key: `key-${n}-${crypto.randomUUID()}`, service: "captioning", call_id: `fc-${n}`, prompt: `Prompt ${n}`,
            scene: { sample: "yellowstone_road", name: "road.jpg" }, max_tokens: 512, temperature: 0.7, turns: [],
            detail: "standard", submitted_at: Date.now() / 1000 - n - 60, state: "done", answer: `Answer ${n}`,
            took_s: 2.5, engine: "openai", thumbnail: "", trouble: "", ...fields }); }""",
        [count, fields],
    )


async def show_history(page: Page) -> None:
    await page.get_by_role("tab", name="History").click()
    await page.locator(".nd-history").wait_for()


async def test_before_the_first_job_the_page_offers_the_first_step(page: Page) -> None:
    await show_history(page)
    await expect(page.locator(".nd-history")).to_contain_text("No jobs yet")
    await page.get_by_role("button", name="Describe a scene").click()
    await expect(page.locator("#caption-go")).to_be_visible()


async def test_a_job_is_listed_with_picture_prompt_answer_and_time_and_is_there_after_a_reload(page: Page) -> None:
    await choose_scene(page)
    await send(page, "Describe the road.")
    await page.reload()
    await show_history(page)
    row = page.locator(ROWS)
    await expect(row).to_have_count(1)
    for words in ("Describe the road.", ANSWER, "Caption", "Done"):
        await expect(row).to_contain_text(words)
    await expect(row.locator("[data-took]")).to_contain_text(" s")
    assert await row.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 30
    [stored] = await page.evaluate(STORED)
    assert len(stored["thumbnail"]) < 16_000
    await expect(page.locator("[data-stored]")).to_contain_text("kept for 7 days")


async def test_a_job_is_opened_again_with_scene_prompt_settings_and_answer(page: Page, model: OpenAIStub) -> None:
    await choose_scene(page)
    await send(page, "Describe the road.")
    await page.get_by_role("tab", name="Ask").click()
    await choose_scene(page, "ask")
    await send(page, "Is there a road?", "ask")
    await page.get_by_role("tab", name="Caption").click()
    await send(page, "Describe the trees.")
    await show_history(page)
    await expect(page.locator(ROWS)).to_have_count(3)
    await page.get_by_role("button", name="Open in Caption: Describe the road.").click()
    await expect(page.locator("#caption-prompt textarea")).to_have_value("Describe the road.")
    await expect(page.locator("#caption-answer")).to_contain_text(ANSWER)
    await expect(page.locator("#caption-scene .nd-picture")).to_be_visible()
    await show_history(page)
    await page.get_by_role("button", name="Open in Ask: Is there a road?").click()
    await expect(page.locator("#ask-prompt textarea")).to_have_value("Is there a road?")
    await expect(page.locator("#ask-answer")).to_contain_text(ANSWER)
    assert len(model.calls) == 3


async def test_opening_another_job_leaves_the_running_one_running_and_its_end_is_heard(
    page: Page, model: OpenAIStub
) -> None:
    await choose_scene(page)
    await send(page, "The first")
    model.mode = "hold"
    await send(page, "The second", state="running")
    await show_history(page)
    await expect(page.locator(ROWS).first).to_contain_text("In progress")
    await page.get_by_role("button", name="Open in Caption: The first").click()
    await expect(page.locator("#caption-prompt textarea")).to_have_value("The first")
    await expect(page.locator("#caption-status .nd-job")).to_have_attribute("data-state", "done")
    model.go_on.set()
    await show_history(page)
    await expect(page.locator(ROWS).first).to_contain_text("Done")
    await expect(page.locator(ROWS).first).to_contain_text(ANSWER)
    await page.get_by_role("tab", name="Caption").click()
    await expect(page.locator("#caption-prompt textarea")).to_have_value("The first")
    assert len(model.calls) == 2


async def test_two_tabs_lose_no_job_to_each_other_and_see_each_others(
    page: Page, context: BrowserContext, shared_app: AppProcess
) -> None:
    other = await context.new_page()
    await other.goto(shared_app.url)
    await other.locator("#caption-go").wait_for()
    await show_history(other)
    await choose_scene(page)
    for number in range(3):
        await send(page, f"From the first tab {number}")
    await expect(other.locator(ROWS)).to_have_count(3)
    await other.get_by_role("tab", name="Caption").click()
    await choose_scene(other)
    await send(other, "From the second tab")
    await show_history(page)
    await expect(page.locator(ROWS)).to_have_count(4)
    await expect(page.locator(ROWS).first).to_contain_text("From the second tab")
    await other.close()


async def test_jobs_left_running_finish_in_front_of_the_user_after_a_restart(
    context: BrowserContext, tmp_path: Path
) -> None:
    model = OpenAIStub("hold")
    async with serving(model.app) as url:
        app = AppProcess(tmp_path, UPSTREAM_BASE_URL=f"{url}/v1")
        await app.start()
        tabs = [await context.new_page() for _ in range(2)]
        for tab in tabs:
            await tab.goto(app.url)
            await choose_scene(tab)
        for tab in tabs:
            await send(tab, "Left running", state="running")
        for tab in tabs:
            await tab.close()
        await app.end(signal.SIGKILL)
        await app.start()
        page = await context.new_page()
        await page.goto(app.url)
        await show_history(page)
        await expect(page.locator(f"{ROWS}[data-row-state=going]")).to_have_count(2)
        model.go_on.set()
        await expect(page.locator(f"{ROWS}[data-row-state=done]")).to_have_count(2)
        await expect(page.locator(ROWS).last).to_contain_text(ANSWER)
        await page.close()
        await app.end()


async def test_searching_and_filtering_narrow_the_list(page: Page) -> None:
    await remember(page, 12)
    await remember(page, 1, service="vqa", prompt="How many ships?", state="failed", answer="", trouble="Out of memory")
    await show_history(page)
    await expect(page.locator(ROWS)).to_have_count(13)
    await page.get_by_label("Search the jobs").fill("ANSWER 7")
    await expect(page.locator(ROWS)).to_have_count(1)
    await expect(page.locator("[data-stored]")).to_contain_text("1 of 13 jobs")
    await page.get_by_label("Search the jobs").fill("")
    await page.get_by_label("State").select_option("Failed")
    await expect(page.locator(ROWS)).to_have_count(1)
    await expect(page.locator(ROWS)).to_contain_text("Out of memory")
    await page.locator("[data-filter=service]").select_option("Caption")
    await expect(page.locator(".nd-history")).to_contain_text("No job matches")
    await page.get_by_role("button", name="Show all jobs").click()
    await expect(page.locator(ROWS)).to_have_count(13)


async def test_a_long_answer_is_folded_until_it_is_asked_for(page: Page) -> None:
    await remember(page, 1, answer="A very long answer. " * 60)
    await show_history(page)
    folded = (await page.locator(ROWS).bounding_box() or {})["height"]
    await page.get_by_role("button", name="Show all of this job").click()
    await expect(page.locator("[data-facts]")).to_contain_text("fc-0")
    assert (await page.locator(ROWS).bounding_box() or {})["height"] > 2 * folded
    await page.get_by_role("button", name="Show less of this job").click()
    await expect(page.locator("[data-facts]")).to_be_hidden()


async def test_what_models_and_users_write_is_never_markup(page: Page) -> None:
    hostile = '<img src=x onerror="window.owned = 1"><script>window.owned = 1</script>'
    scene = {"sample": "x", "name": hostile}
    await remember(page, 1, prompt=hostile, answer=hostile, engine=hostile, call_id=hostile, scene=scene)
    await remember(page, 1, state='"><b>', thumbnail='javascript:alert("x")', trouble=hostile, answer="")
    await show_history(page)
    for row in await page.locator(ROWS).all():
        await row.locator("[data-expand]").click()
    await expect(page.locator(ROWS).first).to_contain_text("<script>")
    assert await page.evaluate("window.owned") is None
    assert await page.locator(f"{ROWS} img:not([hidden])").count() == 0


async def test_one_job_is_forgotten_and_brought_back(page: Page) -> None:
    await remember(page, 3)
    await show_history(page)
    await page.get_by_role("button", name="Forget: Prompt 1").click()
    await expect(page.locator(ROWS)).to_have_count(2)
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator(ROWS)).to_have_count(3)


async def test_forgetting_all_asks_first_and_leaves_nothing(page: Page) -> None:
    await remember(page, 3)
    await show_history(page)
    await page.get_by_role("button", name="Forget all", exact=True).click()
    await expect(page.get_by_role("dialog")).to_contain_text("3 jobs")
    await page.get_by_role("button", name="Keep them").click()
    await expect(page.locator(ROWS)).to_have_count(3)
    await page.get_by_role("button", name="Forget all", exact=True).click()
    await page.get_by_role("button", name="Forget all jobs").click()
    await expect(page.locator(".nd-history")).to_contain_text("No jobs yet")
    assert await page.evaluate(STORED) == []


async def test_a_job_that_was_forgotten_while_it_ran_stays_forgotten(page: Page, model: OpenAIStub) -> None:
    model.mode = "hold"
    await choose_scene(page)
    await send(page, "Describe the road.", state="running")
    await show_history(page)
    await page.get_by_role("button", name="Forget: Describe the road.").click()
    model.go_on.set()
    await page.get_by_role("tab", name="Caption").click()
    await expect(page.locator("#caption-status .nd-job")).to_have_attribute("data-state", "done")
    await expect(page.locator("#caption-go")).to_be_enabled()
    assert await page.evaluate(STORED) == []


async def test_what_is_shown_is_exported_and_can_be_read_again(page: Page, tmp_path: Path) -> None:
    await remember(page, 2)
    await remember(page, 1, prompt='=HYPERLINK("x")', answer='Two lines,\nand "quotes"', trouble="")
    await show_history(page)
    files = {}
    for kind in ("CSV", "JSONL"):
        async with page.expect_download() as started:
            await page.get_by_role("button", name=kind, exact=True).click()
        files[kind] = tmp_path / kind
        await (await started.value).save_as(files[kind])
    with files["CSV"].open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["answer"] for row in rows} == {"Answer 0", "Answer 1", 'Two lines,\nand "quotes"'}
    assert '\'=HYPERLINK("x")' in {row["prompt"] for row in rows}
    records = [json.loads(line) for line in files["JSONL"].read_text(encoding="utf-8").splitlines()]
    assert '=HYPERLINK("x")' in {record["prompt"] for record in records}
    assert {record["took_s"] for record in records} == {2.5}
    assert not any("thumbnail" in record for record in records)


async def test_a_browser_full_of_jobs_lets_go_of_pictures_first_and_then_of_the_oldest_jobs(page: Page) -> None:
    await remember(page, 400, thumbnail="data:image/webp;base64," + "A" * 12_000)
    stored = await page.evaluate(STORED)
    assert len(stored) == 400
    with_picture = sorted(job["submitted_at"] for job in stored if job["thumbnail"])
    without = sorted(job["submitted_at"] for job in stored if not job["thumbnail"])
    assert 0 < len(with_picture) < 400
    assert without[-1] < with_picture[0]
    await remember(page, 200, answer="A" * 20_000)
    assert await page.evaluate("nadir.storedSize()") <= 3_000_000
    await show_history(page)
    await expect(page.locator(ROWS)).to_have_count(100)
    await page.get_by_role("button", name="Show more").click()
    await expect(page.locator(ROWS)).not_to_have_count(100)


async def test_any_job_is_fetched_by_its_call_id(page: Page, context: BrowserContext, shared_app: AppProcess) -> None:
    await choose_scene(page)
    await send(page, "Describe the road.")
    [stored] = await page.evaluate(STORED)
    await show_history(page)
    await page.get_by_role("textbox", name="Call id").fill(f'  "{stored["call_id"]}"  ')
    await page.get_by_role("button", name="Fetch job").click()
    await expect(page.locator("#fetch-status .nd-job")).to_have_attribute("data-state", "done")
    await expect(page.locator("#fetch-answer")).to_contain_text(ANSWER)


async def test_a_call_id_that_no_job_has_says_so(page: Page) -> None:
    await show_history(page)
    await page.get_by_role("button", name="Fetch job").click()
    await expect(page.locator("#fetch-answer")).to_contain_text("No call id yet")
    await page.get_by_role("textbox", name="Call id").fill("fc-never-existed")
    await page.get_by_role("textbox", name="Call id").press("Enter")
    await expect(page.locator("#fetch-answer")).to_contain_text("The job is gone")
