"""What chapter 4 prints of its own two models: the logits of 4.1 and 4.6 in training mode, and the text of 4.7.

Axes: b texts in the batch, t tokens, v vocab_size.
"""

from dataclasses import dataclass
from functools import cache
from threading import Lock

import torch
from torch import Tensor, nn

from ..config import GPTConfig
from ..model import GPTModel
from ..model_reference import CHAPTER_SEED
from ..seeding import seeded

# "Every effort moves you" and "Every day holds a", and "Hello, I am" of section 4.7.
BATCH = ((6109, 3626, 6100, 345), (6109, 1110, 6622, 257))
START = (15496, 11, 314, 716)
NEW_TOKENS = 6

_one_at_a_time = Lock()  # each model takes hundreds of megabytes while it is there


@dataclass(frozen=True, eq=False)
class PrintedFigures:
    """Logits (b, t, 6) are the first and the last three of each row's 50,257, as the chapter prints them."""

    logits_shape: tuple[int, ...]
    placeholder_logits: Tensor  # section 4.1
    model_logits: Tensor  # section 4.6
    text_ids: tuple[int, ...]  # section 4.7: START, and what the model adds greedily


class DummyGPTModel(nn.Module):
    """Section 4.1: embeddings, dropout and an output head; its blocks and its last norm do nothing."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.tok_emb = nn.Embedding(config.vocab_size, config.emb_dim)
        self.pos_emb = nn.Embedding(config.context_length, config.emb_dim)
        self.drop_emb = nn.Dropout(config.drop_rates.emb)
        self.out_head = nn.Linear(config.emb_dim, config.vocab_size, bias=False)

    def forward(self, ids: Tensor) -> Tensor:  # (b, t) -> (b, t, v)
        positions = torch.arange(ids.shape[1])
        x = self.tok_emb(ids) + self.pos_emb(positions)
        x = self.drop_emb(x)
        return self.out_head(x)  # type: ignore[no-any-return]


def printed_figures() -> PrintedFigures:
    """The chapter's figures, computed once for the whole process; its two models of 124M are there only meanwhile."""
    with _one_at_a_time:
        return _computed()


@cache
@torch.no_grad()
def _computed() -> PrintedFigures:
    config, batch = GPTConfig.preset("gpt2-124M"), torch.tensor(BATCH)
    # As the chapter does it: the seed, the model, and its first pass still in training mode, with dropout.
    with seeded(CHAPTER_SEED):
        placeholder = _ends(DummyGPTModel(config)(batch))
    with seeded(CHAPTER_SEED):
        model = GPTModel(config)
        logits = model(batch)
    ids = list(START)
    model.eval()
    for _ in range(NEW_TOKENS):
        ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    return PrintedFigures(tuple(logits.shape), placeholder, _ends(logits), tuple(ids))


def _ends(logits: Tensor) -> Tensor:
    return torch.cat([logits[..., :3], logits[..., -3:]], dim=-1)
