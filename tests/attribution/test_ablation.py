"""Parts are switched off where they are, before the output projection, and the model they come from stays whole."""

import pytest
import torch
from hypothesis import given

from gpt.attribution.ablation import ablate
from gpt.engine.precision import PRECISIONS
from gpt.files.weights import load_model, save_model
from gpt.generation import generate, next_token_table
from gpt.model import GPTModel
from gpt.tracing import trace
from tests.attribution.seeded import CASE, digest, seeded_model
from tests.attribution.shapes import models_and_ids

IDS = torch.tensor([CASE.ids])
HEAD = slice(8, 16)  # head 1 of the seeded model, among the 32 numbers that the output projection reads


@pytest.fixture(params=PRECISIONS)
def packed(request, tmp_path) -> GPTModel:
    save_model(seeded_model(), tmp_path)
    return load_model(tmp_path, request.param)


@given(models_and_ids())
def test_switching_nothing_off_changes_nothing_bit_for_bit(drawn):
    model, texts = drawn
    for by in ("zero", "mean"):
        altered = ablate(model, [], [], [], by, reference=texts[0])
        assert altered(torch.tensor(texts)).equal(model(torch.tensor(texts)))


@given(models_and_ids())
def test_switching_every_block_off_leaves_the_embeddings(drawn):
    model, (ids,) = drawn
    traced = trace(ablate(model, blocks=range(model.config.n_layers)), ids)
    embeddings = model.tok_emb.weight[ids] + model.pos_emb.weight[: len(ids)]
    assert traced.stream.eq(embeddings).all()


def test_switching_off_every_head_and_feed_forward_leaves_the_embeddings_and_the_attentions_biases():
    model = seeded_model()
    heads = [(layer, head) for layer in range(3) for head in range(4)]
    traced = trace(ablate(model, heads, feed_forwards=range(3)), IDS)
    biases = sum(block.att.out_proj.bias for block in model.trf_blocks)
    embeddings = model.tok_emb.weight[IDS[0]] + model.pos_emb.weight[: IDS.shape[1]]
    torch.testing.assert_close(traced.final_norm.before, embeddings + biases)


def test_a_head_is_a_slice_of_what_the_output_projection_reads(packed):
    altered = ablate(packed, heads=[(1, 1)])(IDS)
    projection = packed.trf_blocks[1].att.out_proj

    def before(_module, args):
        context = args[0].clone()
        context[..., HEAD] = 0
        return (context,)

    with_hook(projection.register_forward_pre_hook(before), lambda: close(packed(IDS), altered, packed.precision))


def test_a_slice_of_what_the_output_projection_gives_is_no_head():
    model = seeded_model()
    altered = ablate(model, heads=[(1, 1)])(IDS)

    def after(_module, _args, output):
        output = output.clone()
        output[..., HEAD] = 0
        return output

    def differs():
        assert (model(IDS) - altered)[0, -1].abs().max() > 0.3

    with_hook(model.trf_blocks[1].att.out_proj.register_forward_hook(after), differs)


def test_a_head_of_a_text_of_one_token_is_its_own_mean(packed):
    one = torch.tensor([[7]])
    parts = {"heads": [(0, 2), (2, 0), (2, 3)], "feed_forwards": [1], "blocks": [1]}
    altered = ablate(packed, **parts, by="mean", reference=[7])
    close(altered(one), packed(one), packed.precision)
    assert (altered(IDS) - packed(IDS))[0, -1].abs().max() > 0.1


def test_the_mean_of_a_feed_forward_and_of_a_block_is_taken_over_the_reference():
    model, reference = seeded_model(), list(CASE.other_ids)
    traced = trace(model, reference)
    altered = trace(ablate(model, feed_forwards=[0], blocks=[2], by="mean", reference=reference), IDS)
    close(altered.blocks[0].feed_forward, traced.blocks[0].feed_forward.mean(0).expand(11, -1))
    added = altered.blocks[2].residual - altered.blocks[2].norm1.before
    own = traced.blocks[2].residual - traced.blocks[2].norm1.before
    close(added, own.mean(0).expand(11, -1))


def test_the_shared_model_is_untouched_and_shares_what_is_not_changed(packed):
    before = {name: tensor.clone() for name, tensor in packed.state_dict(keep_vars=True).items()}
    weight = "weight" if packed.precision == "float32" else "panels"
    altered = ablate(packed, heads=[(0, 0)], feed_forwards=[1], by="mean", reference=[1, 2, 3])
    mine, theirs = packed.state_dict(keep_vars=True), altered.state_dict(keep_vars=True)
    assert all(before[name].equal(tensor) for name, tensor in mine.items())
    changed = {name for name, tensor in theirs.items() if tensor is not mine[name]}
    layers = ("trf_blocks.0.att.out_proj", "trf_blocks.1.ff.layers.2")
    assert changed == {f"{layer}.{name}" for layer in layers for name in (weight, "bias")}


def test_whatever_reads_a_model_reads_the_altered_one(packed, tmp_path):
    altered = ablate(packed, heads=[(1, 0), (1, 1)], feed_forwards=[2])
    logits = altered(IDS)[0, -1].detach()
    row = next_token_table(altered, IDS, n=1).tokens[0]
    assert row.token_id == int(logits.argmax())
    close(torch.tensor(row.logit), logits.max(), packed.precision)
    first, second = generate(altered, IDS, 2, temperature=0)
    assert first.token_id == row.token_id
    assert second.token_id == int(altered(torch.tensor([[*CASE.ids, first.token_id]]))[0, -1].argmax())
    if packed.precision == "float32":
        save_model(altered, tmp_path / "altered")
        assert load_model(tmp_path / "altered")(IDS).equal(altered(IDS))


def test_two_models_altered_from_one_do_not_know_of_each_other():
    model = seeded_model()
    first = ablate(model, heads=[(0, 0)])
    both = ablate(first, heads=[(0, 1)])
    close(both(IDS), ablate(model, heads=[(0, 0), (0, 1)])(IDS))
    assert digest(first) != digest(both) != digest(model)


def test_parts_that_are_not_there_are_refused():
    model = seeded_model()
    with pytest.raises(ValueError, match=r"no block 3: this model's blocks run from 0 to 2"):
        ablate(model, heads=[(3, 0)])
    with pytest.raises(ValueError, match=r"no block -1"):
        ablate(model, feed_forwards=[-1])
    with pytest.raises(ValueError, match=r"no block 7"):
        ablate(model, blocks=[7])
    with pytest.raises(ValueError, match=r"Block 2 has no head 4: its heads run from 0 to 3"):
        ablate(model, heads=[(2, 4)])
    with pytest.raises(ValueError, match=r"by is 'noise': choose one of zero, mean"):
        ablate(model, by="noise")
    with pytest.raises(ValueError, match=r"there is no reference"):
        ablate(model, heads=[(0, 0)], by="mean")


def with_hook(handle, check) -> None:
    try:
        check()
    finally:
        handle.remove()


def close(found: torch.Tensor, expected: torch.Tensor, precision: str = "float32") -> None:
    within = {"float32": 1e-5, "bfloat16": 5e-3, "int8": 5e-3}[precision]
    torch.testing.assert_close(found, expected, atol=within, rtol=0)
