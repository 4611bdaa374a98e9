"""One neuron of a feed-forward: how strongly it fires at each token, and which words it makes likelier.

A neuron writes one direction to the residual stream, as strongly as it fires. Reading that direction as the output
head would read the stream names the words it stands for. Idea: Geva et al., "Transformer Feed-Forward Layers Build
Predictions by Promoting Concepts in the Vocabulary Space" (2022). Axes: t tokens, d emb_dim, v vocab_size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..model import GPTModel
from ..tracing import Trace
from .forward_pass import blocks_of, feed_forward_output, logits_after, weight_column


@dataclass(frozen=True, eq=False)
class Neuron:
    """What is known of one neuron; its words are by how much their logit rises when the neuron fires by 1."""

    activations: Tensor  # (t,)
    promoted: tuple[tuple[int, float], ...]  # token ids and logits, the most promoted first
    suppressed: tuple[tuple[int, float], ...]  # the most suppressed first


@torch.no_grad()
def neuron(model: GPTModel, traced: Trace, block: int, number: int, n_words: int = 8) -> Neuron:
    """Neuron `number` of a block's feed-forward, over the tokens of a trace.

    The final norm's deviation is left out: it makes all words' figures larger or smaller by the same factor. Raises
    ValueError for a block or a neuron that the model does not have.
    """
    if not 0 <= block < model.config.n_layers:
        raise ValueError(f"There is no block {block}: this model's blocks run from 0 to {model.config.n_layers - 1}.")
    layer = blocks_of(model)[block]
    output = feed_forward_output(layer)
    if not 0 <= number < output.in_features:
        raise ValueError(f"There is no neuron {number}: this model's run from 0 to {output.in_features - 1}.")
    direction = weight_column(output, number)
    logits = logits_after(model, (model.final_norm.scale * (direction - direction.mean()))[None])[0]
    return Neuron(
        activations=layer.ff.layers[:-1](traced.blocks[block].norm2.after)[:, number].clone(),
        promoted=_first(logits.topk(min(n_words, len(logits)))),
        suppressed=_first(logits.topk(min(n_words, len(logits)), largest=False)),
    )


def _first(found: torch.return_types.topk) -> tuple[tuple[int, float], ...]:
    return tuple(zip(found.indices.tolist(), found.values.tolist(), strict=True))
