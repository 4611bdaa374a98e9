"""Makes pictures of the running app from links.

`python tests/screenshots.py [name ...]` makes the README's again, all or the named ones, and
`python tests/screenshots.py LINK [FILE]` the picture of any link, which is "?tab=…" or a whole address.
The same link gives the same bytes on one machine: fixed viewport, locale, time zone, fonts, seed, and no motion.
"""

import json
import re
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Browser, sync_playwright

from tests.serving import CHROMIUM, CHROMIUM_FLAGS, ROOT, start_app

FOLDER = ROOT / "assets" / "screenshots"
SHOWN = FOLDER / "shown.json"  # by picture: the digest of the words that stood on the page when it was taken
_TIME_LIMIT_MS = 120_000
_STILL_MS = 4000  # nothing has changed on the page for so long: it shows all that it will, on a busy machine too

# What was measured differs from run to run; the picture must not.
_UNMEASURED = ".measured { visibility: hidden; }"
_STILL = """async ([still, limit]) => {
  const shown = (element) => element.offsetParent !== null;
  const waits = () => [...document.querySelectorAll('.figure .empty, .pending, .generating')].some(shown);
  const end = performance.now() + limit;
  let changed = performance.now();
  const watching = new MutationObserver(() => { changed = performance.now(); });
  watching.observe(document.body, {childList: true, subtree: true, characterData: true, attributes: true});
  await document.fonts.ready;
  while (performance.now() - changed < still || waits()) {
    if (performance.now() > end) throw new Error('the page never came to rest');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  watching.disconnect();
}"""
# All words in the window, top to bottom, but for tokens in lists: which of equally likely ones comes first differs
# between processors.
_WORDS = """() => {
  const found = [], range = document.createRange();
  const walker = document.createTreeWalker(document.querySelector('.gradio-container'), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, style = getComputedStyle(node.parentElement);
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    const isSeen = box.width && box.top < window.innerHeight && box.bottom > 0 && style.visibility === 'visible';
    if (isSeen && node.data.trim() && !node.parentElement.closest('.piece')) found.push(node.data.trim());
  }
  return found.join('\\n');
}"""


class Taken(NamedTuple):
    """A picture as PNG, and the digest of the words in it: they do not depend on how a machine draws letters.

    Nor on its processor, whose last digits may be others: of a number only its length counts.
    """

    png: bytes
    words: str


@dataclass(frozen=True)
class Shot:
    """One picture: the link that it shows, and the size of the window."""

    name: str
    link: str
    width: int = 1280
    height: int = 800


_TEXT = "?prompt=Every+effort+moves+you&length=24&seed=123"
SHOTS = (
    Shot("generate", _TEXT, height=850),
    Shot("generate-dark", f"{_TEXT}&__theme=dark", height=850),
    Shot("probabilities", f"{_TEXT}&tab=probabilities", height=900),
    Shot("branch", f"{_TEXT}&tab=probabilities&branch=6.262", height=980),
    Shot("layernorm", f"{_TEXT}&tab=layernorm"),
    Shot("calculator", f"{_TEXT}&tab=calculator", height=860),
    Shot("inside", f"{_TEXT}&tab=inside", height=1120),
    Shot("logit-lens", f"{_TEXT}&tab=inside&view=Logit+lens", height=1040),
    Shot("building-blocks", f"{_TEXT}&tab=building-blocks"),
    Shot("map", f"{_TEXT}&tab=map&block=3", height=1060),
    Shot("phone", f"{_TEXT}&tab=probabilities", 390, 844),
)


def take(browser: Browser, address: str, shot: Shot) -> Taken:
    """The page at the shot's link, once it is at rest; light, if the link does not say otherwise."""
    context = browser.new_context(
        viewport={"width": shot.width, "height": shot.height},
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    try:
        page = context.new_page()
        page.goto(f"{address}/{in_light(shot.link)}")
        page.wait_for_selector("#tabs", timeout=_TIME_LIMIT_MS)
        page.add_style_tag(content=_UNMEASURED)
        page.evaluate(_STILL, [_STILL_MS, _TIME_LIMIT_MS])
        png = page.screenshot(animations="disabled", caret="hide")
        words = re.sub(r"\d", "0", page.evaluate(_WORDS))
        return Taken(png, sha256(words.encode()).hexdigest())
    finally:
        context.close()


def in_light(link: str) -> str:
    """What follows the address in a link, with the light theme where it names none."""
    parts = urlsplit(link)
    theme = "" if "__theme" in parse_qs(parts.query) else "__theme=light"
    query = "&".join(part for part in (parts.query, theme) if part)
    return f"?{query}" + (f"#{parts.fragment}" if parts.fragment else "")


def words_shown() -> dict[str, str]:
    """Digests of the words in the README's pictures, by their names."""
    return json.loads(SHOWN.read_text(encoding="utf-8")) if SHOWN.exists() else {}


def main(arguments: list[str]) -> None:
    """Take the picture of the link, or the README's named pictures, or all of them."""
    if arguments and ("?" in arguments[0] or "#" in arguments[0]):
        link, *file = arguments
        wanted = {Path(*file) if file else Path("screenshot.png"): Shot("", link)}
    else:
        FOLDER.mkdir(parents=True, exist_ok=True)
        wanted = {FOLDER / f"{shot.name}.png": shot for shot in SHOTS if not arguments or shot.name in arguments}
    process, address = start_app()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
            for path, shot in wanted.items():
                taken = take(browser, address, shot)
                path.write_bytes(taken.png)
                if shot in SHOTS:
                    words = words_shown() | {shot.name: taken.words}
                    SHOWN.write_text(json.dumps(words, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            browser.close()
    finally:
        process.terminate()
        process.wait(20)


if __name__ == "__main__":
    main(sys.argv[1:])
