"""A running app on a small model, and a Chromium page that notices requests to the outside."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.serving import CHROMIUM, CHROMIUM_FLAGS, start_app

# Machines that run tests are busy: waiting longer for the same thing does not make a claim weaker.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def app(small_folder: Path) -> Iterator[str]:
    """Address of an app that runs the small model."""
    process, address = start_app("--model", str(small_folder))
    yield address
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="session")
def bundled_app() -> Iterator[str]:
    """Address of an app as it comes: with a model that takes some time for a long text."""
    process, address = start_app()
    yield address
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A Chromium; a machine without one fails the test."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, app: str) -> Iterator[Callable[..., Page]]:
    """Opens the app: open_page("?tab=…", width=1280, theme="light"). Fails on outside requests and page errors.

    `script` runs in the page before its own.
    """
    contexts, wrong, ours = [], [], ["data:", "blob:"]

    def note(request: object) -> None:
        url = getattr(request, "url", "")
        if not url.startswith(tuple(ours)):
            wrong.append(f"request to {url}")

    def hear(message: ConsoleMessage) -> None:
        if "js_on_load" in message.text:  # Gradio only writes down that a script of a component does not run
            wrong.append(f"console: {message.text}")

    def opened(
        query: str = "",
        width: int = 1280,
        height: int = 800,
        theme: str = "light",
        address: str = app,
        script: str = "",
    ) -> Page:
        ours.append(address)
        context = chromium.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
        contexts.append(context)
        context.add_init_script(script)
        page = context.new_page()
        page.on("request", note)
        page.on("console", hear)
        page.on("pageerror", lambda error: wrong.append(f"page error: {error}"))
        page.goto(f"{address}/{query}{'&' if query else '?'}__theme={theme}")
        page.wait_for_selector("#tabs", timeout=60_000)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not wrong, wrong


@pytest.fixture
def save_picture(tmp_path: Path) -> Callable[..., Path]:
    """Saves the picture of a view on an open page: save_picture(page, "#candidates", "SVG")."""

    def save(page: Page, where: str, kind: str = "SVG") -> Path:
        button = page.locator(where).get_by_role("button", name=f"Save picture as {kind}")
        button.wait_for(timeout=60_000)
        with page.expect_download() as download:
            button.press("Enter")
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}-{download.value.suggested_filename}"
        download.value.save_as(path)
        return path

    return save
