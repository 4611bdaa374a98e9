"""The Calculator in a real Chromium, and its endpoint the way programs call it."""

import json
import re

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Page, expect

from gpt import GPTConfig, count_parameters, estimate_memory
from gpt.estimates.workload import Workload
from gpt.ui.calculator.calculation import answer
from tests.browser.test_links import query_of

QUERY = "?tab=calculator&length=3"


def opened_on_loaded(open_page, **view) -> Page:
    page = open_page(QUERY, **view)
    expect(page.locator("#calc-parameters table")).to_be_visible(timeout=60_000)
    return page


def opened(open_page, **view) -> Page:
    """Opened, and filled with the chapter's model."""
    page = opened_on_loaded(open_page, **view)
    page.locator("#calc-preset-124M").click()
    expect(page.locator("#calc-parameters")).to_contain_text("163,009,536")
    return page


def panel(page: Page, name: str) -> None:
    page.locator("#calc-tabs").get_by_role("tab", name=name).click()


def fill(page: Page, name: str, number: object) -> None:
    page.locator(f"#calc-{name} input").fill(str(number))


def test_it_opens_on_the_loaded_model_whose_button_is_marked(open_page):
    page = opened_on_loaded(open_page)
    expect(page.locator("#calc-emb_dim input")).to_have_value("48")
    expect(page.locator("#calc-seq_len input")).to_have_value("64")
    expect(page.locator("#calc-parameters th").nth(1)).to_have_text("These settings")
    expect(page.locator("#calc-preset-Loaded")).to_have_class(re.compile("primary"))
    panel(page, "Memory")
    expect(page.locator("#calc-kept")).to_contain_text("float32, as it is loaded", timeout=60_000)
    page.locator("#calc-preset-124M").click()
    expect(page.locator("#calc-preset-Loaded")).to_have_class(re.compile("secondary"))
    expect(page.locator("#calc-preset-124M")).to_have_class(re.compile("primary"))
    expect(page.locator("#calc-kept")).to_contain_text("textbook's here")
    expect(page.locator("#calc-kept table")).to_have_count(0)


def test_what_may_be_empty_stays_empty_when_it_comes_into_view(open_page):
    page = opened_on_loaded(open_page)
    page.locator("#calc-more button").first.click()
    for name in ("inner_dim", "drop_rate_emb"):
        expect(page.locator(f"#calc-{name} input")).to_have_value("")
    fill(page, "emb_dim", 96)
    expect(page.locator("#calc-parameters")).to_contain_text("96 · 384")
    expect(page.locator("#calc-config-problem .problem")).to_have_count(0)
    fill(page, "inner_dim", 100)
    expect(page).to_have_url(re.compile(r"calc-emb_dim=96&calc-inner_dim=100(&|$)"))
    fresh = open_page(query_of(page))
    fresh.locator("#calc-more button").first.click()
    expect(fresh.locator("#calc-inner_dim input")).to_have_value("100")


def test_what_only_training_has_a_use_for_appears_with_it(open_page):
    page = opened_on_loaded(open_page)
    expect(page.locator("#calc-optimizer")).to_be_hidden()
    page.get_by_role("radio", name="training").check()
    expect(page.locator("#calc-optimizer")).to_be_visible()
    page.locator("#calc-dtype input").click()
    page.get_by_role("option", name="float16", exact=True).click()
    panel(page, "Measure")
    expect(page.locator("#calc-measure-note")).to_contain_text("a backward pass takes many times as long as in float32")
    page.get_by_role("radio", name="inference").check()
    expect(page.locator("#calc-optimizer")).to_be_hidden()
    expect(page.locator("#calc-measure-note")).to_contain_text("a forward pass takes many times as long as in float32")
    page.locator("#calc-dtype input").click()
    page.get_by_role("option", name="float32", exact=True).click()
    expect(page.locator("#calc-measure-note p")).to_have_count(0)


def test_smaller_caches_and_the_time_at_best_stand_beside_what_this_app_reaches(open_page):
    page = opened_on_loaded(open_page)
    panel(page, "After the chapter")
    expect(page.locator("#calc-variants")).to_contain_text("Grouped-query and window")
    fill(page, "n_kv_groups", 5)
    expect(page.locator("#calc-variants-problem")).to_contain_text("n_kv_groups is 5")
    expect(page.locator("#calc-best")).to_contain_text("The two rates were not measured")
    page.locator("#calc-rates").click()
    expect(page.locator("#calc-best")).to_contain_text("were measured on this machine", timeout=60_000)
    expect(page.locator("#calc-best th")).to_contain_text([", measured"])
    fill(page, "seq_len", 63)
    expect(page.locator("#calc-best th").filter(has_text=", measured")).to_have_count(0)
    fill(page, "bandwidth", 1)
    expect(page.locator("#calc-best")).to_contain_text("The two rates were not measured")


def test_it_answers_the_chapters_question(open_page):
    page = opened(open_page)
    expect(page.locator("#calc-parameters")).to_contain_text("163,009,536")
    expect(page.locator("#calc-parameters")).to_contain_text("L · (4 · d² + d) = 12 · (4 · 768² + 768)")
    expect(page.locator("#calc-head-answer")).to_contain_text("163M or 124M?")
    expect(page.locator("#calc-own .bars").first).to_be_visible()


def test_a_preset_fills_the_fields_and_the_head_can_be_tied(open_page):
    page = opened(open_page)
    page.locator("#calc-preset-355M").click()
    expect(page.locator("#calc-emb_dim input")).to_have_value("1024")
    expect(page.locator("#calc-parameters tr.strong td").first).to_have_text("406,212,608")
    page.locator("#calc-tied_head input").check()
    expect(page.locator("#calc-parameters tr.strong td").first).to_have_text("354,749,440")


def test_what_is_impossible_is_said_at_once_and_nothing_is_lost(open_page):
    page = opened(open_page)
    fill(page, "emb_dim", 770)
    expect(page.locator("#calc-config-problem")).to_contain_text("emb_dim is 770 and n_heads is 12")
    expect(page.locator("#calc-parameters")).to_contain_text("163,009,536")
    fill(page, "emb_dim", 10**12)
    expect(page.locator("#calc-config-problem")).to_contain_text("emb_dim is 1,000,000,000,000")
    fill(page, "emb_dim", 768)
    expect(page.locator("#calc-config-problem .problem")).to_have_count(0)
    fill(page, "seq_len", 2000)
    expect(page.locator("#calc-workload-problem")).to_contain_text("seq_len is 2,000")
    expect(page.locator("#calc-parameters")).to_contain_text("163,009,536")


def test_memory_of_training_with_its_curve_and_the_machines_it_fits(open_page):
    page = opened(open_page)
    page.get_by_role("radio", name="training").check()
    panel(page, "Memory")
    estimate = estimate_memory(GPTConfig.preset("gpt2-124M"), mode="training")
    table = page.locator("#calc-memory")
    expect(table).to_contain_text(f"{estimate.optimizer:,}")
    expect(table).to_contain_text("2 · N · B = 2 · 163,009,536 · 4")
    expect(table).to_contain_text("Korthikanti")
    expect(page.locator("#calc-devices li.fits")).not_to_have_count(0)
    page.get_by_role("radio", name="over sequences in the batch").check()
    expect(page.locator("#calc-growth")).to_contain_text("sequences in the batch")
    fill(page, "batch_size", 1000)
    expect(page.locator("#calc-devices li.full")).not_to_have_count(0)


def test_a_figure_drawn_in_a_hidden_panel_fills_it_when_shown(open_page):
    page = opened(open_page)
    panel(page, "Memory")
    expect(page.locator("#calc-memory-bar .bars").first).to_be_visible()
    panel(page, "Parameters")
    page.locator("#calc-preset-774M").click()
    expect(page.locator("#calc-parameters tr.strong td").first).to_have_text("838,220,800")
    panel(page, "Memory")
    page.wait_for_function(
        """() => {
            const drawn = document.querySelector('#calc-memory-bar .main-svg')?.getBoundingClientRect().width;
            return drawn && Math.abs(drawn - document.querySelector('#calc-memory').clientWidth) < 40;
        }"""
    )


def test_a_figure_is_not_clipped_by_an_address_that_may_change(open_page):
    """Chromium shows nothing of what is clipped by an element of another page: the bars were there, and not seen."""
    page = opened(open_page)
    panel(page, "FLOPs")
    expect(page.locator("#calc-flops-bar .bars path").first).to_be_visible()
    clips = page.evaluate("[...document.querySelectorAll('[clip-path]')].map((each) => each.getAttribute('clip-path'))")
    assert clips and all(re.match(r"url\(['\"]?#", clip) for clip in clips), clips


def test_operations_last_as_long_as_the_stated_speed_says(open_page):
    page = opened(open_page)
    panel(page, "FLOPs")
    expect(page.locator("#calc-flops")).to_contain_text("291,648,307,200")
    expect(page.locator("#calc-flops")).to_contain_text("2.92 s")
    fill(page, "speed", 1000)
    expect(page.locator("#calc-flops")).to_contain_text("292 ms")


def test_a_measurement_stands_beside_its_estimate(open_page):
    page = opened(open_page)
    page.get_by_role("button", name="Loaded model").click()
    expect(page.locator("#calc-emb_dim input")).to_have_value("48")
    expect(page.locator("#calc-seq_len input")).to_have_value("64")
    page.get_by_role("radio", name="training").check()
    panel(page, "Measure")
    page.locator("#calc-measure").click()
    expect(page.locator("#calc-measure-status progress")).to_be_visible(timeout=30_000)
    expect(page.locator("#calc-measured table")).to_be_visible(timeout=120_000)
    rows = page.locator("#calc-measured tbody tr").all_inner_texts()
    for name in ("Weights", "Gradients", "Optimizer state", "Activations", "Logits", "Fullest moment"):
        row = next(row for row in rows if row.startswith(name))
        assert float(row.split()[-1]) == pytest.approx(1, abs=0.05), row
    expect(page.locator("#calc-measured")).to_contain_text("Whole process")
    with page.expect_download() as started:
        page.locator("#calc-json").click()
    assert json.loads(started.value.path().read_text())["measurement"]["resident_peak"] > 2**20


def test_a_measurement_can_be_stopped_and_one_that_does_not_fit_is_refused(open_page):
    page = opened(open_page)
    panel(page, "Measure")
    page.locator("#calc-measure").click()
    page.locator("#calc-stop").click(timeout=30_000)
    expect(page.locator("#calc-measure-status")).to_contain_text("Stopped.", timeout=30_000)
    expect(page.locator("#calc-measure")).to_be_visible()
    page.locator("#calc-preset-1558M").click()
    expect(page.locator("#calc-emb_dim input")).to_have_value("1600")
    fill(page, "batch_size", 10_000)
    page.locator("#calc-measure").click()
    expect(page.locator("#calc-measure-status")).to_contain_text("GiB are free", timeout=30_000)


def test_the_sums_can_be_saved(open_page, tmp_path):
    page = opened(open_page)
    for name in ("json", "csv"):
        with page.expect_download() as started:
            page.locator(f"#calc-{name}").click()
        started.value.save_as(tmp_path / f"saved.{name}")
    config = GPTConfig.preset("gpt2-124M")
    saved = json.loads((tmp_path / "saved.json").read_text())
    assert saved["parameters"] == answer(config, Workload())["parameters"]
    assert "291648307200" in (tmp_path / "saved.csv").read_text()


@pytest.mark.parametrize(("width", "theme"), [(390, "light"), (1280, "dark")])
def test_no_panel_is_wider_than_the_page(open_page, width, theme):
    page = opened(open_page, width=width, theme=theme)
    for name in ("Parameters", "Memory", "FLOPs", "Measure", "After the chapter"):
        panel(page, name)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.fixture(scope="module")
def client(app):
    return Client(app, verbose=False)


def test_calculate_answers_with_the_librarys_numbers(client):
    told = client.predict(64, 2, 4, 128, 500, True, True, "bfloat16", 3, 100, "training", "sgd", api_name="/calculate")
    config = GPTConfig(500, 128, 64, 4, 2, qkv_bias=True, tied_head=True)
    assert told == answer(config, Workload("bfloat16", 3, 100, "training", "sgd"))
    assert told["parameters"]["total"] == count_parameters(config).total


def test_calculate_takes_dropout_recomputation_and_the_feed_forward_of_other_files(client):
    sizes = {"emb_dim": 64, "n_layers": 2, "n_heads": 4, "context_length": 128, "vocab_size": 500, "seq_len": 100}
    asked = {"drop_rate": 0.0, "inner_dim": 100, "activation": "relu", "drop_rate_attn": 0.2}
    told = client.predict(**sizes, **asked, mode="training", recompute="full", api_name="/calculate")
    config = GPTConfig(500, 128, 64, 4, 2, **asked)
    assert told == answer(config, Workload(seq_len=100, mode="training", recompute="full"))


def test_calculate_refuses_a_setting_that_it_would_ignore(client):
    with pytest.raises(AppError, match="inference has no optimizer"):
        client.predict(768, 12, 12, dtype="bfloat16", optimizer="adamw_mixed", api_name="/calculate")


def test_calculate_has_the_contracts_defaults(client):
    told = client.predict(768, 12, 12, api_name="/calculate")
    assert told["parameters"]["total"] == 163_009_536
    assert told["memory_bytes"]["weights"] == 652_038_144
    assert told["flops"]["forward"] == 291_648_307_200


@pytest.mark.parametrize(("sizes", "sentence"), [
    ((770, 12, 12), "n_heads divides"),
    ((0, 12, 12), "emb_dim is 0"),
    ((-768, 12, 12), "emb_dim is -768"),
    ((10**12, 12, 12), "emb_dim is 1,000,000,000,000"),
    ((10**6, 10**6, 1), "64-bit"),
    ((768, "twelve", 12), 'n_layers is "twelve"'),
])  # fmt: skip
def test_calculate_refuses_in_one_sentence(client, sizes, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(*sizes, api_name="/calculate")


def test_a_value_that_was_pasted_counts_when_its_field_is_left(open_page):
    page = open_page("?tab=calculator&length=4")
    page.get_by_text("Feed-forward and dropout by place").click(timeout=60_000)
    field = page.locator("#calc-drop_rate_emb input")
    for value, n_refusals in (("1", 1), ("0.5", 0)):
        field.fill(value)  # as a paste: no key is pressed
        field.press("Tab")
        expect(page.locator(".problem", has_text="drop_rate_emb is 1")).to_have_count(n_refusals)
