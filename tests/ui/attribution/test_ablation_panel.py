"""Parts that are switched off, as the page names and shows them."""

import re
from dataclasses import replace

import pytest
import torch

from gpt.attribution.ablation import ablate
from gpt.attribution.head_effects import change, head_effects
from gpt.attribution.reference_text import reference_ids
from gpt.generation import Settings
from gpt.runs import Run
from gpt.ui.attribution import ablation_panel
from gpt.ui.attribution import ablation_words as words
from gpt.ui.attribution.prediction import Prediction, prediction_of

IDS = (6109, 3626, 6100, 345, 318, 262)


@pytest.fixture
def prediction(library) -> Prediction:
    return prediction_of(library, Run("small", "", IDS, Settings()), 5)


def test_columns_are_heads_then_the_feed_forward_then_the_block(model):
    off = frozenset(words.part_at(model.config, place) for place in (3, 10, 17, 6)) | {(7, 0), (0, 9)}
    parts = words.parts_off(model.config, off)
    assert parts == {"heads": [(0, 3), (1, 0)], "feed_forwards": [1], "blocks": [2]}
    assert words.named(model.config, off) == "head 0.3, head 1.0, feed-forward 1, block 2"
    assert words.named(model.config, frozenset({(7, 0)})) == ""


def test_a_part_keeps_its_meaning_in_a_model_with_more_heads(model):
    ff_and_block = frozenset(words.part_at(model.config, place) for place in (10, 17))
    wider = replace(model.config, emb_dim=60, n_heads=12)
    assert words.named(wider, ff_and_block) == words.named(model.config, ff_and_block) == "feed-forward 1, block 2"
    assert words.off_from(words.off_text(ff_and_block | {(0, 11)})) == ff_and_block | {(0, 11)}
    assert words.off_text(ff_and_block) == "1.ff,2.all"


def test_the_field_has_a_cell_for_every_part_and_colours_what_was_measured(model, prediction):
    effects = list(head_effects(model, prediction.ids, prediction.token_id))[:2]
    html = words.field(model.config, frozenset({(1, 2)}), effects)
    cells = re.findall(r'<button[^>]*data-index="(\d+)"[^>]*aria-pressed="(\w+)"[^>]*style="([^"]*)"', html)
    assert [int(index) for index, _, _ in cells] == list(range(3 * 6))
    assert [int(index) for index, pressed, _ in cells if pressed == "true"] == [8]
    assert [int(index) for index, _, style in cells if style] == [0, 1, 2, 3, 6, 7, 8, 9]
    said = f"block 1, head 2: without it log p {float(effects[1].logprob[2]):+.3f} nats"
    assert said in html
    largest = max(float(each.logprob.abs().max()) for each in effects)
    assert f"{largest:.2f}" in words.legend(effects) and words.legend([]) == ""


def test_candidates_are_the_likeliest_of_both_models_and_the_token_that_came(model, prediction):
    found = change(model, ablate(model, blocks=[0]), prediction.ids, prediction.token_id)
    rows = words.candidate_rows(prediction, found)
    ids = {row[0] for row in rows}
    assert ids == {*found.before.topk(8).indices.tolist(), *found.after.topk(8).indices.tolist(), prediction.token_id}
    before = model(torch.tensor([prediction.ids]))[0, -1].softmax(0)
    assert [row[2] for row in rows] == pytest.approx([float(before[row[0]]) for row in rows], rel=1e-4)
    assert [row[2] for row in rows] == sorted((row[2] for row in rows), reverse=True)
    html = words.candidates_table(prediction, found)
    assert html.count("came</b>") == 1


def test_the_sentence_says_what_the_change_is_and_whose(prediction, model):
    found = change(model, ablate(model, heads=[(0, 1)]), prediction.ids, prediction.token_id)
    said = re.sub("<[^>]*>", "", words.change_text(prediction, found, "head 0.1", "nothing"))
    assert "Without head 0.1 (nothing in place of what it adds)" in said
    assert f"log p of “·the” changes by {found.logprob:+.3f} nats" in said and "predicted by small" in said
    assert "of what they add)" in words.change_text(prediction, found, "head 0.1, block 2", "nothing")
    said = re.sub("<[^>]*>", "", words.change_text(prediction, None, "", "nothing"))
    assert "Choose heads" in said


def test_the_mean_is_taken_over_the_story_that_comes_with_the_model(model):
    ids = reference_ids(model)
    assert len(ids) == 64 and ids[:4] == [464, 1468, 8801, 287]
    off = frozenset({(1, 2)})
    by_mean = ablation_panel._altered(model, off, ablation_panel.MEAN)
    expected = ablate(model, heads=[(1, 2)], by="mean", reference=ids)
    assert by_mean(torch.tensor([IDS])).equal(expected(torch.tensor([IDS])))
    assert not ablation_panel._altered(model, off, ablation_panel.ZERO)(torch.tensor([IDS])).equal(
        expected(torch.tensor([IDS]))
    )


def test_rows_for_a_file_hold_every_measured_head(model, prediction):
    effects = list(head_effects(model, prediction.ids, prediction.token_id))
    rows = ablation_panel._effect_rows(effects)
    assert len(rows) == 3 * 4 and all(len(row) == len(ablation_panel._EFFECT_COLUMNS) for row in rows)
    assert rows[6][:3] == (1, 2, float(effects[1].logprob[2]))
