"""Which tokens mattered: against replacing them one by one, against transformers' gradients, against numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from transformers import GPT2LMHeadModel

from gpt.attribution import token_importance
from gpt.attribution.token_importance import (
    REPLACEMENTS,
    attention_from_last,
    correlation,
    gradient_times_input,
    occlusion,
    occlusion_by_token,
)
from gpt.engine.precision import PRECISIONS
from gpt.files.weights import load_model, save_model
from gpt.model import GPTModel
from gpt.tokenizer import Tokenizer
from gpt.tracing import trace
from tests.attribution.seeded import CASE, seeded_model
from tests.attribution.shapes import models_and_ids

IDS = list(CASE.ids)


def one_by_one(model: GPTModel, ids: list[int], token_id: int) -> torch.Tensor:
    """Occlusion by reading every altered text from its first token on."""

    def logprob(text: list[int]) -> torch.Tensor:
        return model(torch.tensor([text]))[0, -1].log_softmax(0)[token_id]

    stand_ins = {token % model.config.vocab_size for token in REPLACEMENTS}
    falls = []
    for i, replaced in enumerate(ids):
        texts = [[*ids[:i], other, *ids[i + 1 :]] for other in stand_ins - {replaced}]
        falls.append(logprob(ids) - torch.stack([logprob(text) for text in texts]).mean())
    return torch.stack(falls)


@given(models_and_ids())
def test_occlusion_is_the_mean_fall_of_log_p_when_a_token_is_replaced(drawn):
    model, (ids,) = drawn
    torch.testing.assert_close(occlusion(model, ids, 1), one_by_one(model, ids, 1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_occlusion_reads_the_model_in_every_precision(precision, tmp_path):
    save_model(seeded_model(), tmp_path)
    model = load_model(tmp_path, precision)
    found = occlusion(model, IDS, CASE.token_id)
    within = 1e-5 if precision == "float32" else 2e-2
    torch.testing.assert_close(found, one_by_one(model, IDS, CASE.token_id), atol=within, rtol=0)
    assert found.abs().max() > 0.1


def test_what_was_begun_can_be_continued_from_any_token():
    model = seeded_model()
    rest = list(occlusion_by_token(model, IDS, CASE.token_id, first=7))
    assert rest == pytest.approx(occlusion(model, IDS, CASE.token_id)[7:].tolist())


@pytest.mark.parametrize("rows", [1, 100, 10_000])
def test_it_does_not_matter_how_many_texts_are_read_at_a_time(rows, monkeypatch):
    model = seeded_model()
    expected = occlusion(model, IDS, CASE.token_id)
    monkeypatch.setattr(token_importance, "_ROWS_AT_ONCE", rows)
    torch.testing.assert_close(occlusion(model, IDS, CASE.token_id), expected, atol=1e-5, rtol=0)


def test_short_texts_share_a_pass_and_a_long_one_has_its_own(monkeypatch):
    monkeypatch.setattr(token_importance, "_ROWS_AT_ONCE", len(REPLACEMENTS) * 6)
    assert list(token_importance._places_at_once(8, 0)) == [[0], [1], [2], [3], [4], [5, 6, 7]]
    assert list(token_importance._places_at_once(8, 6)) == [[6, 7]]
    assert list(token_importance._places_at_once(8, 8)) == []


def test_a_vocabulary_of_one_token_has_nothing_to_replace_it_with():
    model = GPTModel(seeded_model().config.__class__(1, 4, 8, 2, 1)).eval()
    assert occlusion(model, [0, 0], 0).tolist() == [0, 0]


def test_the_tokens_that_stand_in_are_words_of_gpt_2():
    texts = [Tokenizer().decode([token]) for token in REPLACEMENTS]
    assert texts == [",", " the", " and", " he", " old", " went", " house", " never"]


def test_gradient_times_input_is_that_of_transformers_inputs_embeds(tmp_path):
    save_model(seeded_model(), tmp_path)
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path).eval()
    embeds = theirs.transformer.wte(torch.tensor([IDS])).detach().requires_grad_()
    theirs(inputs_embeds=embeds).logits[0, -1].log_softmax(0)[CASE.token_id].backward()
    expected = (embeds.grad * embeds)[0].sum(-1).detach()
    model = load_model(tmp_path)
    torch.testing.assert_close(gradient_times_input(model, trace(model, IDS), CASE.token_id), expected)
    assert expected.abs().max() > 0.1


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_gradients_of_a_packed_model_are_taken_in_float32(precision, tmp_path):
    save_model(seeded_model(), tmp_path)
    exact, packed = load_model(tmp_path), load_model(tmp_path, precision)
    expected = gradient_times_input(exact, trace(exact, IDS), CASE.token_id)
    found = gradient_times_input(packed, trace(packed, IDS), CASE.token_id)
    torch.testing.assert_close(found, expected, atol=0.1 * float(expected.abs().max()), rtol=0)


def test_attention_from_the_last_token_is_averaged_over_all_heads():
    traced = trace(seeded_model(), IDS)
    expected = torch.stack([block.attention for block in traced.blocks])[:, :, -1].mean((0, 1))
    torch.testing.assert_close(attention_from_last(traced), expected)
    assert float(attention_from_last(traced).sum()) == pytest.approx(1)


def test_correlation_is_pearsons_and_none_without_variation():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(9, generator=generator), torch.randn(9, generator=generator)
    assert correlation(a, b) == pytest.approx(np.corrcoef(a.numpy(), b.numpy())[0, 1])
    assert correlation(a, -2 * a + 7) == pytest.approx(-1)
    assert correlation(a, torch.ones(9)) is None
