"""What a visitor of the page waits for, in a Chromium: `python tests/bench/visiting.py ROUNDS`.

The app runs the bundled model with default settings; each round is a visitor with an empty cache. Prints by wait, as
JSON, the seconds of every round, and the bytes that came before the plot library was asked for.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.sync_api import Browser, sync_playwright

from tests.browser.visitor import SCRIPT
from tests.serving import CHROMIUM, CHROMIUM_FLAGS, start_app

_WATCH = """
window.firstToken = new Promise((resolve) => {
  const look = () => document.querySelector('#run-strip .token.new')
    ? resolve(performance.now() / 1000) : requestAnimationFrame(look);
  look();
});
window.settled = () => visitor.settled(5, 60);
const element = ({target}) => target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement;
const isSeen = (change) => !['role', 'aria-label'].includes(change.attributeName) &&
  element(change)?.checkVisibility({opacityProperty: true, visibilityProperty: true});
// Seconds from an action to the last change that is seen on the page, once all answers are there.
window.untilStill = async (act) => {
  const start = performance.now();
  let last = start;
  const changes = new MutationObserver((found) => { if (found.some(isSeen)) last = performance.now(); });
  changes.observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true});
  act();
  await settled();
  changes.disconnect();
  return (last - start) / 1000;
};
window.plotLibrary = () =>
  performance.getEntriesByType('resource').find(({name}) => name.includes('/PlotlyPlot-'));
window.bytesBefore = (other) => ['navigation', 'resource'].flatMap((type) => performance.getEntriesByType(type))
  .filter(({startTime}) => startTime < other.startTime).reduce((sum, {transferSize}) => sum + transferSize, 0);
window.openTab = (name) =>
  [...document.querySelectorAll('#tabs [role=tab]')].find((tab) => tab.textContent.trim() === name).click();
window.choose = (id, name) => [...document.querySelectorAll(`#${id} label`)].find((label) =>
  label.textContent.trim() === name).querySelector('input').click();
window.slide = (id, value) => {
  const slider = document.querySelector(`#${id} input[type=range]`);
  slider.value = value;
  ['input', 'pointerup'].forEach((name) => slider.dispatchEvent(new Event(name, {bubbles: true})));
};
"""
# Each in one visit, in this order. What a name in brackets says is only a way there.
_ACTIONS = {
    "first figure": "openTab('LayerNorm')",
    "block to settled figure": "slide('norm-block', 3)",
    "view to settled figure": "choose('norm-view', 'Per token')",
    "(away)": "openTab('Probabilities')",
    "tab again": "openTab('LayerNorm')",
    "(back)": "openTab('Probabilities')",
    "slider to table": "slide('rows', 20)",
}


def main(rounds: int) -> None:
    """One visitor after the other."""
    app, address = start_app()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
            visits = [_visit(browser, address) for _ in range(rounds)]
            browser.close()
    finally:
        app.kill()
        app.communicate()
    print(json.dumps({what: [visit[what] for visit in visits] for what in visits[0]}))


def _visit(browser: Browser, address: str) -> dict[str, float]:
    """A first visit: the page, then one action after the other."""
    context = browser.new_context(reduced_motion="reduce")
    context.add_init_script(SCRIPT + _WATCH)
    page = context.new_page()
    page.goto(address)
    found = {"page to first token": page.evaluate("window.firstToken")}
    page.wait_for_selector("#run-status:has-text('tokens/s')")
    page.wait_for_function("plotLibrary()")
    page.evaluate("settled()")
    found["bytes before the plot library"] = page.evaluate("bytesBefore(plotLibrary())")
    waits = {what: page.evaluate(f"untilStill(() => {action})") for what, action in _ACTIONS.items()}
    context.close()
    return found | {what: seconds for what, seconds in waits.items() if not what.startswith("(")}


if __name__ == "__main__":
    main(int(sys.argv[1]))
