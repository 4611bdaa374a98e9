"""Models of one's own through the picker: with a vocabulary of characters, without any, and from a small Hub."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from gpt import GPTModel, save_model
from gpt.seeding import seeded
from tests.files.hub_client import LARGE, NAME, files_of
from tests.files.hub_server import Hub, running
from tests.own_vocabulary import with_characters, with_ids
from tests.serving import start_app

OTHER = "someone/with-characters"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A Hub with a model of 42 MB and one of characters."""
    large = tmp_path_factory.mktemp("large")
    with seeded(2):
        save_model(GPTModel(LARGE), large)
    characters = with_characters(tmp_path_factory.mktemp("characters"))
    with running(Hub({NAME: files_of(large), OTHER: files_of(characters)})) as served:
        yield served


@pytest.fixture(scope="module")
def address(hub: Hub, small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An app on the small model whose Hub is that one, with an empty cache."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HF_ENDPOINT", hub.address)
        environment.setenv("HF_HUB_CACHE", str(tmp_path_factory.mktemp("cache")))
        environment.delenv("HF_HUB_OFFLINE", raising=False)
        process, found = start_app("--model", str(small_folder))
        yield found
        process.terminate()
        process.wait(20)


@pytest.fixture
def opened(open_page: Callable[..., Page], address: str, hub: Hub) -> Callable[..., Page]:
    """Opens that app with its first run finished."""
    hub.trouble.bytes_per_second = 0

    def open_it(query: str = "?length=5") -> Page:
        page = open_page(query, address=address)
        finished(page)
        return page

    return open_it


def finished(page: Page, said: str = "5 new tokens, length reached") -> None:
    expect(page.locator("#run-status")).to_contain_text(said)


def choose(page: Page, name: str) -> None:
    if not page.locator("#model-name input").is_visible():
        page.get_by_text("Change model").click()
    page.locator("#model-name input").fill(name)
    page.locator("#model-name input").press("Enter")


def load(page: Page, name: str, said: str) -> None:
    choose(page, name)
    page.locator("#load-model").click()
    expect(page.locator("#loaded")).to_contain_text(said)
    expect(page.locator("#stop-loading")).to_be_hidden()


def generate(page: Page, prompt: str) -> list[str]:
    """The tokens of a new run of the prompt."""
    page.locator("#prompt textarea").fill(prompt)
    page.locator("#generate").click()
    first = re.split(r"\s", prompt)[0]
    expect(page.locator("#run-strip .token").first).to_have_text(first if first.isdigit() else prompt[0])
    finished(page)
    return page.locator("#run-strip .token").all_inner_texts()


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def test_a_model_of_characters_is_read_in_its_own_letters_on_every_tab(opened, tmp_path):
    page = opened()
    load(page, str(with_characters(tmp_path)), "vocabulary: a table of 60 characters")
    tokens = generate(page, "So it is")
    assert tokens[:8] == ["S", "o", "·", "i", "t", "·", "i", "s"]
    assert len(tokens) == 8 + 5
    assert all(len(token) == 1 for token in tokens)
    open_tab(page, "Probabilities")
    expect(page.locator("#probabilities-strip .token")).to_have_text(tokens)
    expect(page.locator("#candidates")).to_contain_text("all 50 other tokens")
    assert all(len(name) == 1 for name in page.locator("#candidates .candidate").all_inner_texts())
    page.locator("#candidates .candidate").nth(9).click()
    page.locator("#take").click()
    expect(page.locator("#branch-strip .token")).to_have_count(len(tokens))
    open_tab(page, "LayerNorm")
    expect(page.locator("#norm-strip .token")).to_have_count(len(tokens))
    expect(page.locator("#norm-strip .token").first).to_have_text("S")
    open_tab(page, "Inside")
    page.get_by_label("Logit lens").check()
    expect(page.locator("table.lens thead")).to_contain_text("·")
    assert page.locator(".problem").count() == 0
    open_tab(page, "Generate")
    page.locator("#prompt textarea").fill("So it is #1")
    page.locator("#generate").click()
    expect(page.get_by_role("alert")).to_contain_text("'#'")


def test_a_model_without_vocabulary_is_asked_and_shown_in_ids_and_the_page_says_so(opened, tmp_path):
    page = opened()
    load(page, str(with_ids(tmp_path)), "a prompt is ids separated by spaces")
    expect(page.locator("#loaded")).to_contain_text(
        "unlike the chapter's model: the exact GELU, not its tanh form; 50 inner neurons, not 4 × 24; eps 0.000001"
    )
    expect(page.locator("#prompt textarea")).to_have_value("0 1 2")  # in place of the prompt that it came with
    expect(page.locator("#run-strip .token").first).to_have_text("0")
    finished(page)
    tokens = generate(page, "7 100 3")
    assert tokens[:3] == ["7", "100", "3"]
    assert all(token.isdigit() and int(token) <= 100 for token in tokens)
    for tab, strip in (("Probabilities", "probabilities"), ("LayerNorm", "norm"), ("Inside", "inside")):
        open_tab(page, tab)
        expect(page.locator(f"#{strip}-strip .token")).to_have_text(tokens)
    open_tab(page, "Building blocks")
    for label in ("GELU", "Feed-forward", "Shortcuts", "Shapes", "Text loop", "Placeholder"):
        open_tab(page, label)
        page.wait_for_timeout(300)
    expect(page.locator("#ladder .piece").first).to_have_text("7")
    assert page.locator(".problem").count() == 0
    open_tab(page, "Generate")
    page.locator("#prompt textarea").fill("Every effort")
    page.locator("#generate").click()
    expect(page.get_by_role("alert")).to_contain_text("write ids from 0 to 100, separated by spaces")
    page.locator("#prompt textarea").fill("")
    page.locator("#begin_with_end_of_text input").check()
    page.locator("#generate").click()
    expect(page.get_by_role("alert")).to_contain_text("has no end-of-text token")


def test_a_text_begins_with_nothing_but_the_end_of_another_and_a_link_repeats_it(opened):
    page = opened()
    page.locator("#prompt textarea").fill("")
    page.locator("#generate").click()
    expect(page.get_by_role("alert")).to_contain_text("The prompt is empty")
    page.locator("#begin_with_end_of_text input").check()
    page.locator("#generate").click()
    expect(page.locator("#run-strip .token").first).to_have_text("<|endoftext|>")
    finished(page)
    tokens = page.locator("#run-strip .token").all_inner_texts()
    assert len(tokens) == 1 + 5
    page.wait_for_function("location.search.includes('begin_with_end_of_text=true')")
    again = opened(page.url[page.url.index("?") :].replace("__theme=light", "a=b"))
    expect(again.locator("#run-strip .token")).to_have_text(tokens)
    open_tab(again, "Probabilities")
    expect(again.locator("#opened-token")).to_contain_text("Token 2 of 6")
    again.locator("#candidates .candidate").nth(2).click()
    expect(again.locator("#take")).to_be_enabled()
    again.locator("#take").click()
    expect(again.locator("#branch-strip .token").first).to_have_text("<|endoftext|>")


def test_a_repository_is_described_before_it_comes_and_its_progress_is_told_in_bytes(opened, hub):
    page = opened()
    choose(page, "someone/nothing")
    expect(page.get_by_role("alert")).to_contain_text("There is no repository someone/nothing on the Hub (127.0.0.1:")
    asked = len(hub.requests)
    choose(page, f"{hub.address}/{NAME}/tree/main")
    expect(page.locator("#model-about")).to_contain_text(
        f"{NAME} holds a GPT-2 of 10,551,744 parameters: 40.25 MiB = 42,2"
    )
    weights = f"/{NAME}/resolve/main/model.safetensors"
    assert [each for each in hub.requests[asked:] if each.startswith(f"GET {weights}")] == [f"GET {weights} from 0"]
    hub.trouble.bytes_per_second = 1
    page.locator("#load-model").click()
    expect(page.locator("#loaded")).to_contain_text(re.compile(r"\d+ of 42,\d{3},\d{3} bytes. The connection is slow"))
    page.locator("#stop-loading").click()
    expect(page.locator("#model-problem")).to_contain_text("Stopped. What was downloaded is kept")
    hub.trouble.bytes_per_second = 8e6
    page.locator("#load-model").click()
    expect(page.locator("#loaded")).to_contain_text(re.compile(rf"Downloading {NAME}: [1-9]\d* of 40 MiB"))
    hub.trouble.bytes_per_second = 0
    expect(page.locator("#loaded")).to_contain_text(f"{NAME} · 10,551,744 parameters")


def test_a_model_of_the_hub_brings_its_vocabulary(opened):
    page = opened()
    load(page, OTHER, "vocabulary: a table of 60 characters")
    assert generate(page, "So")[:2] == ["S", "o"]


def test_what_the_file_does_not_say_can_be_said_beside_it(opened, tmp_path):
    page = opened()
    folder = str(with_ids(tmp_path))
    page.get_by_text("Change model").click()
    page.locator("#model-heads input").fill("6")
    page.locator("#model-heads input").press("Tab")
    load(page, folder, "you chose its 6 heads")
    page.locator("#model-heads input").fill("5")
    page.locator("#model-heads input").press("Tab")
    page.locator("#load-model").click()
    expect(page.get_by_role("alert")).to_contain_text("n_heads is 5: it has to divide the model's 24 dimensions")
    expect(page.locator("#loaded")).to_contain_text("you chose its 6 heads")
