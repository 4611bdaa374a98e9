"""README's own example of a tab, put on a page as README says and opened in a real Chromium."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from gpt import Tokenizer, generate
from gpt.model import GPTModel
from gpt.runs import surprisal_bits
from tests.serving import ROOT, start_app

PROMPT = "Hello, I am"
START = """
import sys

sys.path.insert(0, {root!r})
import app
import gpt.ui

gpt.ui.__path__.append({folder!r})
from gpt.ui import page
from gpt.ui.{package} import tab

page.TABS = (*page.TABS, tab)
app.main()
"""


@pytest.fixture(scope="module")
def address(small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An app whose page has the tab of README's code block as well."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Add a tab\n")[1].split("\n## ")[0]
    (package,) = re.findall(r"`gpt/ui/(\w+)/tab\.py`", section)
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    folder = tmp_path_factory.mktemp("tabs")
    (folder / package).mkdir()
    (folder / package / "__init__.py").touch()
    (folder / package / "tab.py").write_text(code, encoding="utf-8")
    script = folder / "start.py"
    script.write_text(START.format(root=str(ROOT), folder=str(folder), package=package), encoding="utf-8")
    process, address = start_app("--model", str(small_folder), script=script)
    yield address
    process.terminate()
    process.wait(20)


def said_of(model: GPTModel, length: int) -> str:
    steps = list(generate(model, Tokenizer().encode(PROMPT), length, 0.8, 50, 1.0, seed=7))
    bits = sum(surprisal_bits(step.logprob) for step in steps) / length
    return f"{length} new tokens, {bits:.2f} bits each on average."


def test_a_link_to_the_tab_opens_it_on_the_first_run(open_page, address, small_model):
    page = open_page(f"?tab=surprise&prompt={PROMPT}&length=5&seed=7", address=address)
    expect(page.get_by_role("tab", name="Surprise")).to_have_attribute("aria-selected", "true", timeout=60_000)
    expect(page.locator("#surprise-said")).to_have_text(said_of(small_model, 5), timeout=60_000)
    expect(page.locator("#surprise-note")).to_be_hidden()


def test_the_tab_follows_the_run_when_it_is_opened_again(open_page, address, small_model):
    page = open_page(f"?prompt={PROMPT}&length=3&seed=7", address=address)
    expect(page.locator("#run-status")).to_contain_text("tokens/s", timeout=60_000)
    page.get_by_role("tab", name="Surprise").click()
    expect(page.locator("#surprise-said")).to_have_text(said_of(small_model, 3))
    page.get_by_role("tab", name="Generate").click()
    page.locator("#length input[type=number]").fill("9")
    page.locator("#length input[type=number]").press("Enter")
    page.locator("#generate").click()
    expect(page.locator("#run-status")).to_contain_text("9 new tokens, ", timeout=60_000)
    page.get_by_role("tab", name="Surprise").click()
    expect(page.locator("#surprise-said")).to_have_text(said_of(small_model, 9))
