"""The files of the Building blocks tab, panel by panel."""

import json
from dataclasses import asdict

import pytest
import torch
from torch.nn import functional as F

from gpt.chapter.shortcuts import block_gradients
from gpt.chapter.tensor_shapes import tensor_shapes

from .tables import BLOCK, TOKEN, TOKENIZER, columns, same, table


def test_the_curves_are_gelu_and_relu_and_their_derivatives(visitor):
    visitor.put(reach=2.5)
    header, rows = table(visitor.saved("save-gelu"), "building-blocks-gelu-relu-and-their-derivatives")
    functions = {
        "relu": F.relu,
        "gelu_exact": F.gelu,
        "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    }
    assert header == ["x", *functions, *(f"{name}_derivative" for name in functions)]
    x = torch.linspace(-2.5, 2.5, len(rows), dtype=torch.float64, requires_grad=True)
    values = [function(x) for function in functions.values()]
    derivatives = [torch.autograd.grad(value.sum(), x)[0] for value in values]
    same(rows, torch.stack([x, *values, *derivatives], 1).detach())


def test_the_neurons_are_what_gelu_reads_and_leaves_for_the_selected_token(visitor, traced, uneven_model):
    visitor.put(feed_forward_block=BLOCK)
    header, rows = table(visitor.saved("save-neurons"), "building-blocks-feed-forward")
    assert header == ["neuron", "preactivation", "activation"]
    assert [row[0] for row in rows] == [str(i) for i in range(4 * 24)]
    read = uneven_model.trf_blocks[BLOCK].ff.layers[0](traced.blocks[BLOCK].norm2.after[TOKEN])
    same(columns(rows, 1), torch.stack([read, F.gelu(read, approximate="tanh")], 1))


def test_the_gradients_are_those_of_every_block_with_and_without_shortcuts(visitor, uneven_model, ids):
    header, rows = table(visitor.saved("save-gradients"), "building-blocks-gradients-of-the-model")
    assert header == ["block", "norm_with", "norm_without"]
    assert [row[0] for row in rows] == ["0", "1", "2"]
    expected = [gradients.norms for gradients in block_gradients(uneven_model, ids[:4])]
    same(columns(rows, 1), torch.tensor(expected).T)


def test_the_chapters_gradients_are_those_it_prints(visitor):
    header, rows = table(visitor.saved("save-chapter-gradients"), "building-blocks-gradients-of-the-chapter-s-netwo")
    assert header == ["layer", "mean_with", "mean_without"]
    # As section 4.4 prints the first layer and the last, with shortcuts and without.
    same(columns(rows, 0)[::4], torch.tensor([[1, 0.22169792, 0.00020173], [5, 1.32585418, 0.00504964]]))


def test_the_placeholder_table_has_the_tokens_of_every_network(visitor, uneven_model, ids):
    header, rows = table(visitor.saved("save-placeholder"), "building-blocks-placeholder")
    assert header[0] == "network" and header[-2:] == ["agreement", "divergence in bits"]
    whole = [row for row in rows if row[1:5] == ["1"] * 4]
    likeliest = uneven_model(torch.tensor([ids[:4]]))[0, -1].softmax(-1).topk(3)
    assert [int(row[6]) for row in whole] == likeliest.indices.tolist()
    same(columns(whole, 8, 9), likeliest.values[:, None])
    same(columns(whole, 9), torch.tensor([[1.0, 0.0]] * 3))


@pytest.mark.usefixtures("ids")
def test_a_turn_of_the_loop_is_the_likeliest_tokens_after_its_text(visitor, uneven_model):
    visitor.fire("start-over")
    visitor.fire("next-turn")
    read = TOKENIZER.encode("Every effort moves you")
    read.append(int(uneven_model(torch.tensor([read]))[0, -1].argmax()))
    header, rows = table(visitor.saved("save-turn"), "building-blocks-text-loop")
    assert header == ["rank", "token id", "token", "logit", "probability"]
    logits = uneven_model(torch.tensor([read]))[0, -1]
    assert [int(row[1]) for row in rows] == logits.topk(5).indices.tolist()
    same(columns(rows, 3), torch.stack([logits.topk(5).values, logits.softmax(-1).topk(5).values], 1))


@pytest.mark.parametrize("text", ["The chapter's two sentences", "The prompt"])
def test_the_shapes_are_those_of_the_chosen_text(visitor, uneven_model, ids, text):
    visitor.put(shapes_text=text)
    batch = [TOKENIZER.encode("Every effort moves you"), TOKENIZER.encode("Every day holds a")]
    expected = tensor_shapes(uneven_model, torch.tensor(batch if "two" in text else [ids[:4]]))
    file = visitor.saved("save-shapes")
    assert file["name"].startswith("building-blocks-tensor-shapes_")
    saved = json.loads(file["text"])
    assert saved["tensors"] == json.loads(json.dumps([asdict(shape) for shape in expected]))
    assert saved["text"] == text
