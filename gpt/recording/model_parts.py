"""The parts of a model on the way from token ids to logits: what each of them made, holds and costs.

Axes: b batch (1), t tokens, d emb_dim, v vocab_size.
"""

from dataclasses import dataclass

from torch import Tensor

from ..estimates.budget import count_parameters
from ..estimates.flops import count_flops
from ..model import GPTModel
from .recorder import Recording


@dataclass(frozen=True, eq=False)
class Part:
    """One part: what it made, its parameters (None: it has no place for any), its share of all operations.

    The operations are those of matrix products; None for a part without one.
    """

    output: Tensor
    parameters: int | None = None
    flops_share: float | None = None


def parts(model: GPTModel, recording: Recording, n_read: int) -> dict[str, Part]:
    """The parts by name, those of a block for the recorded one; n_read tokens were read in all.

    "entering" and "leaving" are the residual stream at both ends of the block, "between" the one between its halves,
    "embedded" and "stacked" the one at both ends of the stack.
    """
    held = count_parameters(model.config)
    cost = count_flops(model.config, 1, n_read)
    n_layers = model.config.n_layers
    share = {name: operations / cost.forward for name, operations in cost.by_component.items()}
    attention = (share["attention"] + share["attention_scores"]) / n_layers
    feed_forward = share["feed_forward"] / n_layers
    path = f"trf_blocks.{recording.block}"
    norm = held.per_block["norms"] // 2
    (embed,) = recording.calls_of("GPTModel.embed")
    (block,) = recording.calls_of("TransformerBlock.forward")
    (final_norm,) = recording.calls_of("LayerNorm.forward", "final_norm")

    def made(function: str, module: str) -> Tensor:
        (call,) = recording.calls_of(function, f"{path}.{module}")
        return call.returned

    return {
        "tok_emb": Part(embed.values("tok_embeds")[0], held.by_component["token_embedding"]),
        "pos_emb": Part(embed.values("pos_embeds")[0], held.by_component["position_embedding"]),
        "embedded": Part(embed.returned),
        "entering": Part(block.arguments["x"]),
        "norm1": Part(made("LayerNorm.forward", "norm1"), norm),
        "attention": Part(made("MultiHeadAttention.forward", "att"), held.per_block["attention"], attention),
        "between": Part(block.values("shortcut")[1]),
        "norm2": Part(made("LayerNorm.forward", "norm2"), norm),
        "feed_forward": Part(made("FeedForward.forward", "ff"), held.per_block["feed_forward"], feed_forward),
        "leaving": Part(block.returned),
        "block": Part(block.returned, sum(held.per_block.values()), attention + feed_forward),
        "stacked": Part(final_norm.arguments["x"]),
        "final_norm": Part(final_norm.returned, norm),
        "output_head": Part(recording.logits, held.by_component["output_head"], share["output_head"]),
    }
