"""The code behind the Map: what the open box makes of the run's tokens."""

from ..common.code_pieces import Code, code
from ..common.run_code import rows, traced_read
from .boxes import Look

# The modules of boxes that have none of their own in `words`.
_MODULES = {"token-embedding": "tok_emb", "position-embedding": "pos_emb", "output-head": "out_head"}
_BLOCK = "trf_blocks.{block}"
_N_CANDIDATES = 8


def box_code(look: Look) -> Code:
    """`output` of the box's module and the `row` of the selected token; of the ends of the map ids, or candidates."""
    run, token = traced_read(look.traced)
    if look.box.key == "prompt":
        return run + code(f"print(read{rows(look.traced)})")
    if look.box.key in ("softmax", "token"):
        return (
            run
            + token
            + code(
                f"table = next_token_table(model, read[: token + 1], n={_N_CANDIDATES})\n"
                "for candidate in table.tokens:\n"
                "    print(candidate.rank, candidate.token_id, candidate.logit, candidate.probability)",
                "next_token_table",
            )
        )
    module = look.box.module or _MODULES.get(look.box.key, _BLOCK)
    return (
        run
        + token
        + code(
            "made = []\n"
            f"module = model.get_submodule({module.format(block=look.block)!r})\n"
            "module.register_forward_hook(lambda module, inputs, output: made.append(output))\n"
            "logits = model(torch.tensor([read]))  # (1, t, v)\n"
            "output = made[0]\n"
            "row = output.flatten(0, -2)[token]  # of the selected token\n"
            "print(output.shape, row, row.norm())",
            "torch",
        )
    )
