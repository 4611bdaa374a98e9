"""What a freshly opened library has to show beside `self_check`: that a whole pass of it is one of the modules.

A module of its own, because it uses modules that import `compiled`. `gpt.engine` tells `compiled` to call it.
"""

import torch
from torch import Tensor

from ..config import GPTConfig
from ..model import GPTModel
from .compiled import Library
from .compiled_pass import Piece, Room, Text, read_pieces
from .packed_model import pack_model


def pass_difference(library: Library) -> str:
    """What the library computes wrongly in a pass; "" if nothing is wrong."""
    for what, found, expected in zip(("vectors", "logits"), *_whole_pass(library), strict=True):
        if not torch.allclose(found, expected, rtol=1e-4, atol=1e-3):
            return f"the {what} of a whole pass"
    return ""


@torch.no_grad()
def _whole_pass(library: "Library") -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Vectors (n, d) and the last logits (v,) of a small model, read in two pieces, and by its own modules."""
    ids = [7, 40, 0, 18, 18, 3, 29]
    model = _small_model()
    packed = pack_model(library, model)
    text, room = Text(packed, len(ids)), Room()
    ((first, _),) = read_pieces(packed, [Piece(text, ids[:4], False)], room)
    ((second, logits),) = read_pieces(packed, [Piece(text, ids[4:], True)], room)
    assert logits is not None
    hidden = model.hidden(torch.tensor([ids]))[0]
    return (torch.cat([first, second]), logits), (hidden, model.out_head(hidden[-1]))


def _small_model() -> GPTModel:
    """A model whose numbers are made without drawing any."""
    config = GPTConfig(vocab_size=41, context_length=9, emb_dim=42, n_heads=3, n_layers=2, qkv_bias=True)
    with torch.device("meta"):
        model = GPTModel(config)
    model.to_empty(device="cpu").eval().requires_grad_(False)
    for number, (name, parameter) in enumerate(model.named_parameters()):
        waves = torch.linspace(number, number + 0.7 * parameter.numel(), parameter.numel()).sin()
        parameter.copy_((0.2 * waves + float("scale" in name)).view_as(parameter))
    return model
