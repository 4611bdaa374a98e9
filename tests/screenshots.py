"""Makes the README's pictures from the running app: `python tests/screenshots.py [name ...]`.

The same page gives the same bytes: fixed viewport, locale, time zone, fonts, seed, and no motion.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Browser, sync_playwright

from tests.serving import CHROMIUM, CHROMIUM_FLAGS, ROOT, start_app

FOLDER = ROOT / "assets" / "screenshots"


@dataclass(frozen=True)
class Shot:
    """One picture: where the page is opened, what has to be on it before it is taken, and how large it is."""

    name: str
    query: str
    ready: str
    theme: str = "light"
    width: int = 1280
    height: int = 800


RUN_READY = "#run-status:has-text('tokens/s')"
FIGURE_READY = ".js-plotly-plot .main-svg >> visible=true"
QUERY = "?prompt=Every+effort+moves+you&length=24&seed=123"
SHOTS = (
    Shot("generate", QUERY, RUN_READY),
    Shot("generate-dark", QUERY, RUN_READY, theme="dark"),
    *(Shot(tab, f"{QUERY}&tab={tab}", FIGURE_READY) for tab in ("probabilities", "layernorm", "calculator", "inside")),
    Shot("building-blocks", f"{QUERY}&tab=building-blocks", "#ladder table >> visible=true"),
    Shot("map", f"{QUERY}&tab=map&block=3", ".map-svg >> visible=true"),
)


def take(browser: Browser, address: str, shot: Shot) -> None:
    """Open the page as the shot says and save its picture."""
    context = browser.new_context(
        viewport={"width": shot.width, "height": shot.height},
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(f"{address}/{shot.query}&__theme={shot.theme}")
    page.wait_for_selector(shot.ready, timeout=120_000)
    page.evaluate("document.fonts.ready")
    # What was measured differs from run to run; the picture must not.
    page.add_style_tag(content=".measured { visibility: hidden; }")
    page.wait_for_timeout(1500)
    page.screenshot(path=FOLDER / f"{shot.name}.png", animations="disabled", caret="hide")
    context.close()


def main(names: list[str]) -> None:
    """Take the named pictures, or all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    process, address = start_app()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
            for shot in SHOTS:
                if not names or shot.name in names:
                    take(browser, address, shot)
            browser.close()
    finally:
        process.terminate()
        process.wait(20)


if __name__ == "__main__":
    main(sys.argv[1:])
