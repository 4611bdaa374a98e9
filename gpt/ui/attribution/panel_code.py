"""The code behind the panels that tell why a token came."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...runs import Run
from ...tokenizer import AnyTokenizer, Tokenizer
from ..common.code_pieces import Code, code
from ..common.run_code import ids_code, model_code, tokenizer_code
from .prediction import Prediction

_IMPORTANCE = "gpt.attribution.token_importance"

_CHANGE = """
own, changed = (network(torch.tensor([{before}]))[0, -1].double().log_softmax(-1) for network in (model, altered))
change = changed[{token_id}] - own[{token_id}]  # of log p of the token, nats
divergence = (own.exp() * (own - changed)).sum()  # of the whole distribution, nats
print(change, divergence, next_token_table(altered, {before}).tokens)
"""

_EACH_HEAD = """
def log_p(network):
    return network(torch.tensor([{before}]))[0, -1].double().log_softmax(-1)[{token_id}]


effects = torch.zeros(model.config.n_layers, model.config.n_heads)  # of each head on log p of the token, nats
for block in range(model.config.n_layers):
    for head in range(model.config.n_heads):
        effects[block, head] = log_p(ablate(model, heads=[(block, head)], {by})) - log_p(model)
print(effects)
"""


def account_code(run: Run, first: int, position: int, token_id: int, rival_id: int | None) -> Code:
    """`account` of the logit of a token at `position`, read from the token `first` on."""
    rival = "" if rival_id is None else f", {rival_id}"  # no rival: the mean over the vocabulary
    return ids_code(run) + code(
        f"account = direct_logit_attribution(model, ids[{first or ''}:{position}], {token_id}{rival})\n"
        "for part in account.parts:\n"
        "    print(part.component, part.block, part.head, part.value)\n"
        "print(account.logit_difference, sum(part.value for part in account.parts))  # the same",
        "direct_logit_attribution",
    )


def heads_code(model_name: str, seed: int, field: str, block: int, head: int) -> Code:
    """`scores` of all heads by the chosen measure, and the `attention` of one of them."""
    return model_code(model_name) + code(
        f"scores = head_scores(model, seed={seed})\n"
        f"values = scores.{field}  # (L, h)\n"
        "print(values, scores.first_copy_loss, scores.second_copy_loss)\n"
        f"attention = trace(model, scores.sequences[0]).blocks[{block}].attention[{head}]\n"
        "print(attention)",
        "head_scores",
        "trace",
    )


def switching_code(prediction: Prediction, off: Mapping[str, Sequence[Any]], by: str) -> Code:
    """What the chosen parts do to the prediction; with none chosen, what each head does."""
    chosen = [f"{name}={list(parts)}" for name, parts in off.items() if parts]
    way = f"by={by!r}" + (", reference=reference_ids(model)" if by == "mean" else "")
    uses = ("ablate", "torch", *(["gpt.attribution.reference_text.reference_ids"] if by == "mean" else []))
    before, token_id = _before(prediction), prediction.token_id
    if not chosen:
        return ids_code(prediction.run) + code(_EACH_HEAD.format(before=before, token_id=token_id, by=way), *uses)
    return (
        ids_code(prediction.run)
        + code(f"altered = ablate(model, {', '.join(chosen)}, {way})", *uses)
        + code(_CHANGE.format(before=before, token_id=token_id), "next_token_table")
    )


def tokens_code(prediction: Prediction) -> Code:
    """The three measures of how much each token before the selected one matters."""
    before, token_id = _before(prediction), prediction.token_id
    return ids_code(prediction.run) + code(
        f"falls = occlusion(model, {before}, {token_id})  # of log p when token i is replaced: (t,), nats\n"
        f"traced = trace(model, {before})\n"
        f"gradient = gradient_times_input(model, traced, {token_id})\n"
        "attention = attention_from_last(traced)\n"
        "print(falls, gradient, attention)",
        "occlusion",
        "trace",
        f"{_IMPORTANCE}.gradient_times_input",
        f"{_IMPORTANCE}.attention_from_last",
    )


def swapping_code(
    model_name: str, reader: AnyTokenizer, prompts: tuple[str, str], token_id: int, rival_id: int
) -> Code:
    """`shares` that come back when a state of the first prompt is put into the pass over the second."""
    pair = zip(("ids_from", "ids_into"), prompts, strict=True)
    if isinstance(reader, Tokenizer):
        ids = tokenizer_code(model_name) + code(
            "\n".join(f"{name} = tokenizer.encode({text!r})" for name, text in pair)
        )
    else:
        ids = code("\n".join(f"{name} = {reader.encode(text)}" for name, text in pair))
    return (
        model_code(model_name)
        + ids
        + code(
            f"shares = activation_patching(model, ids_from, ids_into, {token_id}, {rival_id})  # (L, t)\nprint(shares)",
            "activation_patching",
        )
    )


def _before(prediction: Prediction) -> str:
    return f"ids[{prediction.first or ''}:{prediction.position}]"
