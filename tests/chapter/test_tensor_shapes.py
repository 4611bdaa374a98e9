"""Sections 4.1 to 4.6: every tensor on the way, against the tensors themselves."""

import pytest
import torch

from gpt.chapter.tensor_shapes import AXES, tensor_shapes, without_weights
from gpt.config import GPTConfig
from gpt.model import GPTModel

BATCH = torch.tensor([[6109, 3626, 6100, 345], [6109, 1110, 6622, 257]])  # printed in section 4.1


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(123)
    return GPTModel(GPTConfig(emb_dim=24, n_heads=3, n_layers=2, context_length=16)).eval()


@pytest.fixture(scope="module")
def shapes(model):
    return tensor_shapes(model, BATCH)


def test_every_axis_has_the_length_of_its_name(shapes):
    lengths = {"b": 2, "t": 4, "s": 4, "d": 24, "3d": 72, "4d": 96, "h": 3, "d/h": 8, "v": 50257}
    assert lengths.keys() == AXES.keys() - {"inner"}
    for shape in shapes:
        assert shape.shape == tuple(lengths[axis] for axis in shape.axes), shape.code


def test_all_module_outputs_are_listed_in_the_order_they_arise(model, shapes):
    outputs = []
    leaves = [m for m in model.modules() if not list(m.children()) and not isinstance(m, torch.nn.Dropout)]
    hooks = [m.register_forward_hook(lambda _, __, out: outputs.append(tuple(out.shape))) for m in leaves]
    with torch.no_grad():
        model(BATCH)
    for hook in hooks:
        hook.remove()
    listed = iter([shape.shape for shape in shapes])
    assert all(output in listed for output in outputs)  # consumes the iterator: a subsequence, in order


def test_stages_follow_the_data(shapes):
    assert list(dict.fromkeys(shape.stage for shape in shapes)) == ["Embeddings", "Block 0", "Block 1", "Output"]
    assert shapes[0].code == "ids"
    assert shapes[-1].shape == (2, 4, 50257)


def test_blocks_list_the_same_tensors_each_once(shapes):
    first, second = ([s.code for s in shapes if s.stage == stage] for stage in ("Block 0", "Block 1"))
    assert first == second
    assert len(set(first)) == len(first)


def test_chapter_shapes_of_gpt2_124m():
    config = GPTConfig(n_layers=1, vocab_size=7000)
    found = {s.code: s.shape for s in tensor_shapes(GPTModel(config), BATCH)}
    assert found["x = x + feed-forward"] == (2, 4, 768)  # section 4.5
    assert found["GELU(…)"] == (2, 4, 3072)  # section 4.3
    assert found["attention weights"] == (2, 12, 4, 4)


def test_any_batch_of_the_chapters_model_has_its_shapes_without_its_weights():
    # Section 4.3: (2, 3, 768) goes into the feed-forward network and comes out of it.
    found = {s.code: s.shape for s in tensor_shapes(without_weights("gpt2-124M"), torch.zeros(2, 3, dtype=torch.int64))}
    assert found["norm2(x)"] == found["ff.layers[2](…)"] == (2, 3, 768)
    assert found["ff.layers[0](…)"] == (2, 3, 3072)
    assert found["out_head(…)"] == (2, 3, 50257)
    assert without_weights("gpt2-124M").tok_emb.weight.is_meta


def test_the_model_is_left_without_hooks_and_in_its_mode(model):
    model.train()
    tensor_shapes(model, BATCH)
    assert all(m.training and not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())
    model.eval()


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (torch.tensor([1, 2]), r"shape \(2,\)"),
        (torch.empty(1, 0, dtype=torch.int64), r"shape \(1, 0\)"),
        (torch.tensor([[50257]]), "0 to 50256"),
        (torch.zeros(1, 17, dtype=torch.int64), "17 tokens do not fit"),
    ],
)
def test_ids_that_cannot_be_read_are_refused(model, ids, message):
    with pytest.raises(ValueError, match=message):
        tensor_shapes(model, ids)


def test_another_feed_forward_network_is_named_as_it_is():
    config = GPTConfig(emb_dim=24, n_heads=2, n_layers=1, context_length=8, inner_dim=50, activation="relu")
    found = {shape.code: shape for shape in tensor_shapes(GPTModel(config), BATCH)}
    assert found["ff.layers[0](…)"].axes == found["ReLU(…)"].axes == ("b", "t", "inner")
    assert found["ReLU(…)"].shape == (2, 4, 50)
    assert "four times" not in found["ff.layers[0](…)"].holds
    assert not any("GELU" in code for code in found)
