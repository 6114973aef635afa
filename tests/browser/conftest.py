"""A real Chromium before a real app, which asks a small OpenAI-compatible server that does what a test tells it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.browser.app_process import AppProcess
from tests.browser.chromium import FLAGS, MISSING, find_chromium
from tests.openai_stub import OpenAIStub
from tests.serving import serving

EXECUTABLE = find_chromium()
PATIENCE_MS = 30_000
"""How long the page may take over anything, on a slow machine."""

expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs the browser tests on one event loop, so that they share a browser and an app."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    assert EXECUTABLE is not None, MISSING
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=EXECUTABLE, args=list(FLAGS))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_model() -> AsyncIterator[tuple[OpenAIStub, str]]:
    model = OpenAIStub()
    async with serving(model.app) as url:
        yield model, url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_app(
    shared_model: tuple[OpenAIStub, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    app = AppProcess(tmp_path_factory.mktemp("data"), UPSTREAM_BASE_URL=f"{shared_model[1]}/v1")
    await app.start()
    yield app
    await app.end()


@pytest.fixture
def model(shared_model: tuple[OpenAIStub, str]) -> Iterator[OpenAIStub]:
    """The model behind the shared app, as new. What it was told to hold is let go afterwards."""
    stub = shared_model[0]
    stub.reset()
    yield stub
    stub.go_on.set()


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A browser profile of its own. Whatever the page logs as an error fails the test."""
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext, shared_app: AppProcess, model: OpenAIStub) -> AsyncIterator[Page]:
    """The shared app's page, open."""
    errors: list[str] = []
    page = await context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(shared_app.url)
    await page.locator("#caption-go").wait_for()
    yield page
    assert errors == []
