"""Every head in turn: the same as switching it off by weights, and no block is read more often than it has to be."""

import pytest
import torch
from torch.nn import functional as F

from gpt.attribution.ablation import ablate
from gpt.attribution.head_effects import change, head_effects, kl_divergence
from gpt.engine.precision import PRECISIONS
from gpt.files.weights import load_model, save_model
from tests.attribution.seeded import CASE, seeded_model

IDS = list(CASE.ids)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("by", ["zero", "mean"])
def test_the_effect_of_a_head_is_that_of_the_model_without_it(precision, by, tmp_path):
    save_model(seeded_model(), tmp_path)
    model = load_model(tmp_path, precision)
    own = model(torch.tensor([IDS]))[0, -1]
    effects = list(head_effects(model, IDS, CASE.token_id, by=by, reference=CASE.other_ids))
    assert [each.block for each in effects] == [0, 1, 2]
    within = 1e-5 if precision == "float32" else 2e-2
    for layer, head in [(0, 0), (1, 3), (2, 1)]:
        altered = ablate(model, heads=[(layer, head)], by=by, reference=CASE.other_ids)
        logits = altered(torch.tensor([IDS]))[0, -1]
        logprob = (logits.log_softmax(0) - own.log_softmax(0))[CASE.token_id]
        difference = (logits - logits.mean() - own + own.mean())[CASE.token_id]
        assert float(effects[layer].logprob[head]) == pytest.approx(float(logprob), abs=within)
        assert float(effects[layer].logit_difference[head]) == pytest.approx(float(difference), abs=within)
        assert abs(float(logprob)) > within


def test_blocks_before_the_head_that_is_off_are_not_read_again():
    model = seeded_model()
    reads = [0, 0, 0]
    for layer, block in enumerate(model.trf_blocks):
        block.ff.register_forward_hook(lambda *_, layer=layer: reads.__setitem__(layer, reads[layer] + 1))
    rows = head_effects(model, IDS, CASE.token_id)
    assert reads == [1, 1, 1]
    next(rows)
    assert reads == [2, 2, 2]
    next(rows)
    assert reads == [2, 3, 3]
    rows.close()
    assert reads == [2, 3, 3]


def test_what_was_begun_can_be_continued_from_any_block():
    model = seeded_model()
    whole, rest = list(head_effects(model, IDS, 1, 2)), list(head_effects(model, IDS, 1, 2, first_block=1))
    assert [each.block for each in rest] == [1, 2]
    assert all(mine.logprob.equal(theirs.logprob) for mine, theirs in zip(rest, whole[1:], strict=True))


def test_a_change_is_between_the_predictions_of_both_models():
    model = seeded_model()
    altered = ablate(model, feed_forwards=[1])
    found = change(model, altered, IDS, 7)
    before, after = (each(torch.tensor([IDS]))[0, -1].log_softmax(0) for each in (model, altered))
    assert found.logprob == pytest.approx(float(after[7] - before[7]), abs=1e-5)
    assert found.kl == pytest.approx(float((before.exp() * (before - after)).sum()), abs=1e-5)
    torch.testing.assert_close(found.after.log_softmax(0), after)
    with pytest.raises(ValueError, match="101 is not a token"):
        change(model, altered, IDS, 101)


def test_divergence_is_that_of_torch_and_none_from_itself():
    logits = torch.randn(2, 3, 50, generator=torch.Generator().manual_seed(0))
    expected = F.kl_div(logits[1].log_softmax(-1), logits[0].log_softmax(-1), reduction="none", log_target=True).sum(-1)
    torch.testing.assert_close(kl_divergence(logits[0], logits[1]).float(), expected)
    assert kl_divergence(logits[0], logits[0]).eq(0).all()


def test_wrong_arguments_are_refused_before_anything_is_read():
    model = seeded_model()
    with pytest.raises(ValueError, match="own rival"):
        head_effects(model, IDS, 5, 5)
    with pytest.raises(ValueError, match="no reference"):
        head_effects(model, IDS, 5, by="mean")
    with pytest.raises(ValueError, match="101 is not a token"):
        head_effects(model, IDS, 101)
