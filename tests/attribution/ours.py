"""Everything that record.py asks TransformerLens, asked of this library: the same names, the same shapes."""

import torch
from torch import Tensor

from gpt.attribution.ablation import ablate
from gpt.attribution.forward_pass import logprob
from gpt.attribution.head_effects import head_effects
from gpt.attribution.logit_attribution import Account, direct_logit_attribution
from gpt.attribution.patching import activation_patching, estimated_patching, prompt_pair
from gpt.model import GPTModel
from gpt.tracing import trace
from tests.attribution.seeded import Case


def our_values(model: GPTModel, case: Case) -> dict[str, Tensor]:
    """Float32 tensors by name."""
    ids, token_id, rival_id = list(case.ids), case.token_id, case.rival_id
    layers = range(model.config.n_layers)
    effects = list(head_effects(model, ids, token_id, rival_id))
    by_mean = list(head_effects(model, ids, token_id, rival_id, by="mean", reference=case.other_ids))
    pair = prompt_pair(model, ids, case.other_ids, token_id, rival_id)
    values = {
        "zero ablation of each head, log p": torch.stack([each.logprob for each in effects]),
        "zero ablation of each head, logit difference": torch.stack([each.logit_difference for each in effects]),
        "zero ablation of each head, KL": torch.stack([each.kl for each in effects]),
        "mean ablation of each head, log p": torch.stack([each.logprob for each in by_mean]),
        "zero ablation of each feed-forward, log p": torch.stack(
            [_change(model, ablate(model, feed_forwards=[layer]), case) for layer in layers]
        ),
        "zero ablation of each block, log p": torch.stack(
            [_change(model, ablate(model, blocks=[layer]), case) for layer in layers]
        ),
        "patch grid": activation_patching(model, ids, case.other_ids, token_id, rival_id),
        "estimated patch grid": estimated_patching(pair),
        "attention": torch.stack([block.attention for block in trace(model, ids).blocks]),
    }
    values |= _parts("rival", direct_logit_attribution(model, ids, token_id, rival_id))
    values |= _parts("mean", direct_logit_attribution(model, ids, token_id))
    return {name: value.float() for name, value in values.items()}


def _parts(against: str, account: Account) -> dict[str, Tensor]:
    names = {
        "token embedding": "token and position embedding",
        "position embedding": "token and position embedding",
        "head": "heads",
        "attention bias": "attention biases",
        "feed-forward": "feed-forwards",
        "norm shift": "norm shift",
    }
    found: dict[str, list[float]] = {}
    for part in account.parts:
        found.setdefault(names[part.component], []).append(part.value)
    found["token and position embedding"] = [sum(found["token and position embedding"])]
    found["logit difference"] = [account.logit_difference]
    return {f"{against}: {name}": torch.tensor(values) for name, values in found.items()}


def _change(model: GPTModel, altered: GPTModel, case: Case) -> Tensor:
    ids = torch.tensor([case.ids])
    before, after = (logprob(each(ids)[0, -1], case.token_id) for each in (model, altered))
    return after - before
