"""Steps that run in the page: from outside, a small model would have finished before a click arrived."""

from playwright.sync_api import Page

_HELPERS = """
const limit = performance.now() + 120000;
const until = async (ready) => {
  while (!ready()) {
    if (performance.now() > limit) throw new Error(`this never came: ${ready}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
};
const find = (selector) => document.querySelector(selector);
const shown = (selector) => find(selector) && find(selector).offsetParent;
const count = (selector) => document.querySelectorAll(selector).length;
const openTab = (label) =>
  [...document.querySelectorAll('[role=tab]')].find((tab) => tab.textContent.trim() === label).click();
// Lengths of a strip as it grows, until there are three.
const lengths = async (selector) => {
  const seen = [];
  await until(() => {
    if (count(selector) && seen.at(-1) !== count(selector)) seen.push(count(selector));
    return seen.length >= 3;
  });
  return seen;
};
"""


def in_page(page: Page, steps: str) -> object:
    """What JavaScript steps return that know the helpers above."""
    return page.evaluate(f"async () => {{ {_HELPERS} {steps} }}")
