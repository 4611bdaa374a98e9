"""The views that tell why a token came, as a visitor of the page has them."""

import csv
import json
import re
from dataclasses import replace
from html import unescape

import gradio as gr
import pytest
import torch

from gpt.attribution.ablation import ablate
from gpt.attribution.head_effects import change
from gpt.attribution.head_scores import head_scores
from gpt.runs import grow
from gpt.ui.attribution.ablation_words import CANDIDATE_COLUMNS
from gpt.ui.attribution.view_panels import NAMES
from tests.ui.visitor import Visitor

HEADS = 2  # of the visitor's model


@pytest.fixture(scope="module")
def visitor(uneven_library) -> Visitor:
    """A visitor with a text of their own: what is measured here is kept, and other tests begin without it."""
    visitor = Visitor(uneven_library)
    visitor.put(prompt="She went home and", length=6, temperature=0.7, top_k=30, top_p=0.9, seed=11)
    visitor.fire("generate")
    return visitor


@pytest.fixture
def looking(visitor):
    """Opens a view of the Inside tab, and what was chosen there is as it was before, afterwards."""
    visitor.fire("probabilities-strip", "select", index=5)

    def opened(view: str, **controls: object):
        visitor.put(inside_view=view, **controls)
        visitor.fire("inside-view", "input")
        return visitor

    yield opened
    visitor.put(heads_measure="Induction", heads_seed=123, swap_token=" he", swap_into="The queen said that")
    visitor.fire("off-clear")
    visitor.fire("inside-view", "input")


def picture(html: str) -> dict:
    """The words of a view's picture."""
    (words,) = re.findall(r'data-picture="([^"]*)"', html)
    return json.loads(unescape(words))


# Pictures


def test_the_field_and_the_candidates_are_pictures_that_name_the_parts_that_are_off(looking):
    visitor = looking("Switch parts off")
    visitor.fire("off-field", "select", index=1 * (HEADS + 2) + 1)
    field, candidates = (picture(visitor.shown(name)[-1]) for name in ("off-field", "off-candidates"))
    assert field["title"] == "Inside: effect of every head"
    assert candidates["title"] == "Inside: candidates before and after"
    for words in (field, candidates):
        assert "without head 1.1, by zero" in words["caption"][0] and "token 6" in words["caption"][0]
        assert words["name"].endswith("_without-head-1.1-by-zero_token6")
    largest = re.findall(r"<span>\+([\d.]+)</span>", str(visitor.news))[-1]
    assert field["caption"][-1] == (
        f"Change of log p, nats: blue below 0, orange above, deepest at ±{largest}. Framed: switched off."
    )


def test_both_texts_are_pictures_and_the_new_one_frames_where_it_parts(looking):
    visitor = looking("Switch parts off")
    visitor.fire("off-field", "select", index=0 * (HEADS + 2) + HEADS + 1)
    visitor.fire("off-again")
    original, rewritten = (visitor.shown(name)[-1] for name in ("off-original", "off-rewritten"))
    assert picture(original)["title"] == "Inside: original text"
    words = picture(rewritten)
    assert words["title"] == "Inside: text without parts" and "without block 0, by zero" in words["caption"][0]
    assert ("Framed: the first token that differs." in words["caption"][-1]) == ("selected" in rewritten)
    assert "selected" in rewritten and "Framed" not in picture(original)["caption"][-1]


def test_the_strip_of_tokens_that_mattered_is_a_picture_with_its_scale(looking):
    visitor = looking("Which tokens mattered")
    strip = visitor.shown("inside-strip")[-1]
    falls = [float(fall) for fall in re.findall(r"log p falls by ([+-][\d.]+) nats", strip)]
    words = picture(strip)
    assert words["title"] == "Inside: tokens by what replacing them does"
    assert f"deepest at ±{max(map(abs, falls)):.2f}." in words["caption"][-1]


@pytest.mark.parametrize("view", NAMES)
def test_every_view_has_pictures_numbers_and_code(looking, view):
    visitor = looking(view)
    if view == "Switch parts off":
        visitor.fire("off-field", "select", index=0)
    changed = [value for block, value in visitor.news if block.elem_id and isinstance(value, str)]
    titles = [picture(value)["title"] for value in changed if "data-picture" in value]
    plots = [block.elem_id for block, value in visitor.news if isinstance(block, gr.Plot) and value is not None]
    assert titles or plots
    for block, value in visitor.news:
        if isinstance(value, str) and "<table" in value:
            assert "data-picture" in value, block.elem_id
    assert [value for block, value in visitor.news if "code-behind" in (block.elem_classes or []) and value]


# Switch parts off


def test_the_candidates_are_saved_with_what_becomes_of_each(looking, uneven_model):
    visitor = looking("Switch parts off")
    visitor.fire("off-candidates-csv")
    assert not [value for block, value in visitor.news if isinstance(block, gr.JSON) and value]
    visitor.fire("off-field", "select", index=2 * (HEADS + 2) + HEADS)
    lines = visitor.saved("off-candidates-csv")["text"].lstrip("\ufeff").splitlines()
    header, *rows = csv.reader(lines)
    assert header[-5:] == list(CANDIDATE_COLUMNS)
    found = change(uneven_model, ablate(uneven_model, feed_forwards=[2]), visitor.run.ids[:5], visitor.run.ids[5])
    after = found.after.softmax(0)
    at = {int(row[header.index("token id")]) for row in rows}
    assert visitor.run.ids[5] in at and {*after.topk(8).indices.tolist()} <= at
    rise = [float(row[-1]) for row in rows if int(row[header.index("token id")]) == visitor.run.ids[5]]
    torch.testing.assert_close(torch.tensor(rise), torch.tensor([found.logprob]), atol=1e-4, rtol=1e-4)


def test_a_branch_keeps_its_tokens_up_to_the_chosen_one_and_is_written_on_without_the_parts(uneven_library):
    visitor = Visitor(uneven_library, length="6", inside_view="off", branch="7.262,9.11")
    visitor.load()
    visitor.put(inside_view="Switch parts off")
    visitor.open_tab("Inside")
    visitor.fire("inside-view", "input")
    visitor.fire("off-field", "select", index=0)
    visitor.fire("off-again")
    run = visitor.run
    altered = ablate(uneven_library.get(run.model_name).model, heads=[(0, 0)])
    given = replace(run, steps=run.steps[: run.parted_at + 1 - len(run.prompt_ids)])
    *_, other = grow(altered, given)
    strip = visitor.shown("off-rewritten")[-1]
    assert [int(token_id) for token_id in re.findall(r"· id (\d+)", strip)] == list(other.ids)
    assert strip.count("new scaled") == len(run.ids) - run.parted_at - 1


# Heads by what they do


def test_the_test_of_induction_is_repeated_with_other_tokens(looking, uneven_model):
    visitor = looking("Heads by what they do", heads_measure="Distance", heads_seed=7)
    visitor.fire("heads-again")
    assert visitor.value("heads-measure") == "Induction" and visitor.value("heads-seed") == 8
    scores = head_scores(uneven_model, seed=8)
    said = visitor.shown("heads-said")[-1]
    assert f"{scores.first_copy_loss:.2f} nats a token in the first copy" in said
    best = int(scores.induction.argmax())
    assert f"head {best // HEADS}.{best % HEADS} has most" in said
    framed = re.findall(r'data-index="(\d+)"[^>]*aria-pressed="true"', visitor.shown("heads-field")[-1])
    assert framed == [str(best)]


def test_after_the_last_seed_comes_the_first(looking):
    visitor = looking("Heads by what they do", heads_seed=2**32 - 1)
    visitor.fire("heads-again")
    assert visitor.value("heads-seed") == 0


# Refusals


@pytest.mark.parametrize(
    ("controls", "sentence"),
    [
        ({"swap_token": " king boy"}, "is 2 tokens, “·king” (#5822), “·boy” (#2933): give one of them."),
        ({"swap_into": "The queen said"}, "The prompts have 4 and 3 tokens"),
        ({"swap_into": ""}, "The prompt is empty"),
        ({"swap_into": "a" * 30_000}, "The prompt has 30,000 characters"),
        ({"swap_into": "The king said that"}, "choose prompts, or tokens, for which they are at least 0.01 apart"),
    ],
)
def test_what_cannot_be_swapped_is_one_sentence_and_the_grid_stays(looking, controls, sentence):
    visitor = looking("Swap a state")
    assert visitor.shown("swap-note") == [""]
    visitor.put(**controls)
    visitor.fire(next(iter(controls)).replace("_", "-"), "submit")
    (note,) = visitor.shown("swap-note")
    assert sentence in note and note.count("<p") == 1
    assert not visitor.shown("swap-figure") and not visitor.shown("swap-said")


@pytest.mark.parametrize("view", ["Switch parts off", "Which tokens mattered"])
def test_of_the_first_token_there_is_no_prediction_and_what_is_off_stays_off(looking, view):
    visitor = looking(view)
    visitor.fire("off-field", "select", index=1)
    visitor.fire("inside-strip", "select", index=0)
    notes = [note for name in ("off-note", "tokens-note") for note in visitor.shown(name) if note]
    assert len(notes) == 1 and "Nothing comes before the first token" in notes[0]
    visitor.fire("inside-strip", "select", index=5)
    said = visitor.shown("off-said" if view == "Switch parts off" else "tokens-said")[-1]
    assert "0.1 (nothing in place of what it adds)" in said if view == "Switch parts off" else said
