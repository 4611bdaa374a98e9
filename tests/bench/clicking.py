"""From a click on Generate to the first token on the page, in a Chromium: `python tests/bench/clicking.py CLICKS`.

The app runs the bundled model with default settings. Prints the seconds of every click as JSON.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.sync_api import sync_playwright

from tests.serving import CHROMIUM, CHROMIUM_FLAGS, start_app

_FINISHED = "#run-status:has-text('tokens/s')"
# Runs in the page: the old run's tokens are all there when the button is pressed, and the new run's come one by one.
_CLICK = """async () => {
  const count = () => document.querySelectorAll('#run-strip .token.new').length;
  const whole = count(), start = performance.now();
  document.querySelector('#generate').click();
  while (!count() || count() === whole) {
    if (performance.now() - start > 30000) throw new Error('no token came');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return (performance.now() - start) / 1000;
}"""


def main(clicks: int) -> None:
    """Click, wait for the first token, wait for the end of the run, and again."""
    app, address = start_app()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
            page = browser.new_page(reduced_motion="reduce")
            page.goto(address)
            seconds = []
            for _ in range(clicks):
                page.wait_for_selector(_FINISHED)
                page.wait_for_timeout(500)
                seconds.append(page.evaluate(_CLICK))
            browser.close()
    finally:
        app.kill()
        app.communicate()
    print(json.dumps(seconds))


if __name__ == "__main__":
    main(int(sys.argv[1]))
