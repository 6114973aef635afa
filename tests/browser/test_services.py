"""The Services page in the browser: what is known of each service, a warm-up, and advice where something is wrong."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.async_api import BrowserContext, Locator, Page, expect

from client.samples import SCENES_DIR
from tests.browser.app_process import AppProcess
from tests.openai_stub import OpenAIStub

PHOTO = SCENES_DIR / "yellowstone_road.jpg"


async def show_services(page: Page) -> None:
    await page.get_by_role("tab", name="Services").click()
    await expect(page.locator("#service-captioning")).to_contain_text(re.compile("Up|Not reached"))


async def test_each_service_shows_where_it_is_and_what_answers_and_looking_wakes_no_model(
    page: Page, model: OpenAIStub, shared_app: AppProcess
) -> None:
    await show_services(page)
    for key, name in (("captioning", "qwen-caption-special"), ("vqa", "qwen-vqa-special")):
        card = page.locator(f"#service-{key}")
        for words in (f"{shared_app.url}/{key}", name, "Own server", "Up"):
            await expect(card).to_contain_text(words)
    assert model.calls == []


async def test_a_finished_job_appears_in_the_plot_and_a_running_one_in_flight(page: Page, model: OpenAIStub) -> None:
    model.mode = "hold"
    await show_services(page)
    card = page.locator("#service-captioning")
    others = await jobs_in_flight(card)
    await page.get_by_role("tab", name="Caption").click()
    await page.set_input_files("#caption-scene .nd-file", PHOTO)
    await page.locator("#caption-scene .nd-picture").wait_for()
    await page.click("#caption-go")
    await expect(page.locator("#caption-status .nd-job")).to_have_attribute("data-state", "running")
    await show_services(page)
    await page.get_by_role("button", name="Look again").click()
    await expect(card).to_contain_text(f"{others + 1} job")
    bars = await card.locator(".nd-latencies g").count()
    model.go_on.set()
    await expect(job_state(page)).to_have_attribute("data-state", "done")
    await page.get_by_role("button", name="Look again").click()
    await expect(card.locator(".nd-latencies g")).to_have_count(min(bars + 1, 50))
    await expect(card.locator(".nd-latencies svg").first).to_have_attribute("aria-label", re.compile("last"))


async def jobs_in_flight(card: Locator) -> int:
    """Returns how many jobs a card counts, those of other tests among them."""
    await expect(card).to_contain_text("Jobs in flight")
    counted = re.search(r"(\d+) jobs?\b", (await card.inner_text()).split("Jobs in flight")[1].split("How long")[0])
    return int(counted[1]) if counted else 0


def job_state(page: Page):
    return page.locator("#caption-status .nd-job")


async def test_a_warm_up_says_ready_only_when_the_model_has_answered(page: Page, model: OpenAIStub) -> None:
    model.mode = "hold"
    await show_services(page)
    await page.locator("#service-vqa").get_by_role("button", name="Warm up").click()
    status = page.locator("#service-vqa-warm-status")
    await expect(status).to_contain_text("is being answered")
    await expect(status).not_to_contain_text("Ready")
    model.go_on.set()
    await expect(status).to_contain_text(re.compile(r"Ready: it answered a tiny job [\d.]+ .+ after"))
    assert [call["max_tokens"] for call in model.calls] == [1]


async def test_a_dead_service_is_shown_with_the_likely_cause_and_what_to_do(
    context: BrowserContext, tmp_path: Path
) -> None:
    dead = "http://operator:hidden@127.0.0.1:9"
    app = AppProcess(tmp_path, CAPTION_BASE_URL=dead)
    await app.start()
    page = await context.new_page()
    await page.goto(app.url)
    await page.get_by_role("tab", name="Services").click()
    card = page.locator("#service-captioning")
    for words in ("Not reached", "http://127.0.0.1:9", "modal app list", "modal app logs qwen3-vlm-captioning"):
        await expect(card).to_contain_text(words)
    assert "hidden" not in await page.locator("#service-captioning").inner_text()
    await expect(page.locator("#service-vqa")).to_contain_text("Needs none")
    await card.get_by_role("button", name="Warm up").click()
    await expect(page.locator("#service-captioning-warm-status")).to_contain_text("Not ready")
    await page.close()
    await app.end()
