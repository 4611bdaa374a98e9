"""Records in reference.json what TransformerLens says about the seeded model: `python tests/attribution/record.py`.

With a folder it compares TransformerLens with this library on the model in it, and records nothing:
`python tests/attribution/record.py assets/storyteller`. Needs tests/attribution/requirements.txt; downloads nothing.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from torch import Tensor
from transformer_lens import ActivationCache, HookedTransformer, HookedTransformerConfig, patching
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights
from transformers import GPT2LMHeadModel

from gpt.files.weights import load_model, save_model
from gpt.tokenizer import Tokenizer
from tests.attribution.ours import our_values
from tests.attribution.seeded import CASE, Case, digest, seeded_model

REFERENCE = Path(__file__).with_name("reference.json")


def main() -> None:
    """Record, or compare with the model in the folder that is named."""
    if len(sys.argv) > 1:
        compare(Path(sys.argv[1]))
        return
    model = seeded_model()
    with TemporaryDirectory() as folder:
        save_model(model, folder)
        values = their_values(Path(folder), CASE)
    record = {
        "made_by": {name: version(name) for name in ("transformer-lens", "transformers", "torch")},
        "weights_sha256": digest(model),
        "values": {name: _rounded(value) for name, value in values.items()},
    }
    REFERENCE.write_text(json.dumps(record, indent=1) + "\n")


def compare(folder: Path) -> None:
    """Print the largest difference of each kind of value."""
    tokenizer = Tokenizer()
    case = Case(
        tuple(tokenizer.encode("The king was old, and the queen said that the")),
        tuple(tokenizer.encode("The boy was small, and the mother said that the")),
        *tokenizer.encode(" king boy"),
    )
    ours = our_values(load_model(folder), case)
    for name, theirs in their_values(folder, case).items():
        print(f"{name:50} {float((ours[name] - theirs).abs().max()):.1e} of {float(theirs.abs().max()):.3f}")


def their_values(folder: Path, case: Case) -> dict[str, Tensor]:
    """TransformerLens' values by name, for the model in a folder."""
    lens = _hooked(folder)
    layers, heads = range(lens.cfg.n_layers), range(lens.cfg.n_heads)
    ids, others = torch.tensor([case.ids]), torch.tensor([case.other_ids])
    logits, cache = lens.run_with_cache(ids, prepend_bos=False)
    own = logits[0, -1].log_softmax(-1)
    _, other_cache = lens.run_with_cache(others, prepend_bos=False)

    def altered(*hooks: tuple) -> Tensor:
        return lens.run_with_hooks(ids, fwd_hooks=list(hooks), prepend_bos=False)[0, -1]

    def log_p(changed: Tensor) -> Tensor:
        return changed.log_softmax(-1)[case.token_id] - own[case.token_id]

    def difference(each: Tensor) -> Tensor:
        return each[..., case.token_id] - each[..., case.rival_id]

    zeroed = [[altered(_head_hook(layer, head)) for head in heads] for layer in layers]
    averages = [
        [altered(_head_hook(layer, head, other_cache["z", layer][0, :, head].mean(0))) for head in heads]
        for layer in layers
    ]
    without_feed_forward = [altered(_zero_hook("mlp_out", layer)) for layer in layers]
    without_block = [altered(_zero_hook("mlp_out", layer), _zero_hook("attn_out", layer)) for layer in layers]
    return {
        "zero ablation of each head, log p": _grid(zeroed, log_p),
        "zero ablation of each head, logit difference": _grid(
            zeroed, lambda changed: difference(changed) - difference(logits[0, -1])
        ),
        "zero ablation of each head, KL": _grid(
            zeroed, lambda changed: (own.exp() * (own - changed.log_softmax(-1))).sum()
        ),
        "mean ablation of each head, log p": _grid(averages, log_p),
        "zero ablation of each feed-forward, log p": torch.stack([log_p(each) for each in without_feed_forward]),
        "zero ablation of each block, log p": torch.stack([log_p(each) for each in without_block]),
        **_patching(lens, case, cache),
        "attention": torch.stack([cache["pattern", layer][0] for layer in layers]),
        **_attribution(_hooked(folder, fold=True), case),
    }


def _attribution(lens: HookedTransformer, case: Case) -> dict[str, Tensor]:
    """The account, from a lens with the final norm's scale and shift folded into the output head."""
    logits, cache = lens.run_with_cache(torch.tensor([case.ids]), prepend_bos=False)
    last = logits[0, -1]
    token_id, rival_id = case.token_id, case.rival_id
    directions = {
        "rival": (lens.W_U[:, token_id] - lens.W_U[:, rival_id], last[token_id] - last[rival_id]),
        "mean": (lens.W_U[:, token_id] - lens.W_U.mean(1), last[token_id] - last.mean()),
    }
    shifts = {
        "rival": lens.b_U[token_id] - lens.b_U[rival_id],
        "mean": lens.b_U[token_id] - lens.b_U.mean(),
    }
    stacks = {
        "token and position embedding": (cache["embed"] + cache["pos_embed"])[None, :, -1],
        "heads": cache.stack_head_results(pos_slice=-1),
        "attention biases": lens.b_O[:, None],
        "feed-forwards": torch.stack([cache["mlp_out", layer][:, -1] for layer in range(lens.cfg.n_layers)]),
    }
    values = {}
    for against, (direction, total) in directions.items():
        for name, stack in stacks.items():
            scaled = cache.apply_ln_to_stack(stack, pos_slice=-1)
            values[f"{against}: {name}"] = (scaled @ direction).flatten()
        values[f"{against}: norm shift"] = shifts[against][None]
        values[f"{against}: logit difference"] = total[None]
    return values


def _patching(lens: HookedTransformer, case: Case, cache: ActivationCache) -> dict[str, Tensor]:
    """The patch grid, exact and estimated by gradients."""
    others = torch.tensor([case.other_ids])

    def difference(logits: Tensor) -> Tensor:
        return logits[0, -1, case.token_id] - logits[0, -1, case.rival_id]

    base = difference(lens(others, prepend_bos=False))
    whole = difference(lens(torch.tensor([case.ids]), prepend_bos=False)) - base
    grid = patching.get_act_patch_resid_pre(lens, others, cache, difference)

    streams: dict[int, Tensor] = {}

    def keep(layer: int):
        def hook(stream: Tensor, **_: object) -> Tensor:
            streams[layer] = stream.detach().requires_grad_() if layer == 0 else stream
            streams[layer].retain_grad()
            return streams[layer]

        return f"blocks.{layer}.hook_resid_pre", hook

    with torch.enable_grad():
        hooks = [keep(layer) for layer in range(lens.cfg.n_layers)]
        difference(lens.run_with_hooks(others, fwd_hooks=hooks, prepend_bos=False)).backward()
    estimate = [
        ((cache["resid_pre", layer] - stream) * stream.grad)[0].sum(-1) for layer, stream in sorted(streams.items())
    ]
    return {"patch grid": (grid - base) / whole, "estimated patch grid": torch.stack(estimate).detach() / whole}


def _hooked(folder: Path, fold: bool = False) -> HookedTransformer:
    theirs = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32)
    config = theirs.config
    lens = HookedTransformer(
        HookedTransformerConfig(
            n_layers=config.n_layer,
            d_model=config.n_embd,
            n_ctx=config.n_positions,
            d_head=config.n_embd // config.n_head,
            n_heads=config.n_head,
            d_vocab=config.vocab_size,
            act_fn=config.activation_function,
            eps=config.layer_norm_epsilon,
            normalization_type="LN",
            device="cpu",
        )
    )
    lens.load_and_process_state_dict(
        convert_gpt2_weights(theirs, lens.cfg),
        fold_ln=fold,
        center_writing_weights=False,
        center_unembed=False,
        fold_value_biases=False,  # folded, a head's constant would count as the attention's bias
    )
    return lens.eval().requires_grad_(False)


def _head_hook(layer: int, head: int, value: Tensor | float = 0.0) -> tuple:
    def hook(z: Tensor, **_: object) -> Tensor:  # z (b, t, heads, head_dim)
        z[:, :, head] = value
        return z

    return f"blocks.{layer}.attn.hook_z", hook


def _zero_hook(name: str, layer: int) -> tuple:
    return f"blocks.{layer}.hook_{name}", lambda value, **_: torch.zeros_like(value)


def _grid(rows: list[list[Tensor]], measure) -> Tensor:
    return torch.stack([torch.stack([measure(each) for each in row]) for row in rows])


def _rounded(value: Tensor) -> list:
    return json.loads(json.dumps(value.tolist()), parse_float=lambda text: float(f"{float(text):.7g}"))


if __name__ == "__main__":
    main()
