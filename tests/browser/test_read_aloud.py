"""What a screen reader says by itself: a region that stays, in which a text is told once, when it has ended."""

import re

from playwright.sync_api import expect

from tests.browser.in_page import in_page
from tests.browser.test_generate import finished

# All that a screen reader would have said.
_LISTEN = """
window.addEventListener('load', () => {
  window.said = [];
  let last = null;
  new MutationObserver(() => {
    const words = document.querySelector('#read-aloud [role=status] p');
    if (words && words !== last) window.said.push(words.textContent);
    last = words;
  }).observe(document.body, {childList: true, subtree: true, characterData: true});
});
"""


def test_a_text_is_told_once_with_its_words_when_it_has_ended(open_page, bundled_app):
    page = open_page("?length=60&prompt=Hello", address=bundled_app, script=_LISTEN)
    finished(page)
    region = page.locator("#read-aloud [role=status]")
    expect(region).to_contain_text("60 new tokens")
    in_page(page, "said.length = 0; find('#generate').click(); await until(() => said.length);")
    finished(page)
    page.wait_for_timeout(1000)
    told = page.evaluate("said")
    tokens = "".join(page.locator("#run-strip .token.new").all_inner_texts())
    assert [words for words in told if "new token" in words] == told[-1:]
    assert told[-1].startswith("60 new tokens")
    assert re.findall("[A-Za-z]+", tokens.replace("·", " ")) == re.findall("[A-Za-z]+", told[-1].split("tokens/s")[1])
    expect(page.locator("#run-status [role=status]")).to_have_count(0)


def test_the_same_sentence_is_told_again(open_page):
    page = open_page("?length=8", script=_LISTEN)
    finished(page)
    page.evaluate("""() => {
      window.regions = 0;
      new MutationObserver(() => { window.regions += 1; })
        .observe(document.querySelector('#read-aloud [role=status]'), {childList: true});
    }""")
    for count in (1, 2):
        page.evaluate("document.querySelector('#run-status p').textContent = 'Stopped.'")
        page.wait_for_function(f"window.regions === {count}")
        page.wait_for_timeout(300)
