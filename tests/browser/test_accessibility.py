"""Every page in both themes, as axe sees it."""

from __future__ import annotations

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from tests.browser.test_history import remember

TABS = ("Caption", "Ask", "Batch", "History", "Services")
READY = {
    "Caption": "#caption-go",
    "Ask": "#ask-go",
    "Batch": "[data-bf-drop]",
    "History": ".nd-history-table tbody tr",
    "Services": "#service-vqa .nd-line-good",
}


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing(page: Page, theme: str) -> None:
    await page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
    await page.reload()
    await page.locator("#caption-go").wait_for()
    await page.locator(".nd-badge", has_text="Own server").wait_for()
    await remember(page, 2)
    await remember(page, 1, state="failed", answer="", trouble="Out of memory")
    found = []
    for tab in TABS:
        await page.get_by_role("tab", name=tab).click()
        await page.locator(READY[tab]).first.wait_for()
        result = await Axe().run(page)
        found += [(tab, violation["id"], violation["nodes"][0]["html"]) for violation in result.response["violations"]]
    assert found == []
