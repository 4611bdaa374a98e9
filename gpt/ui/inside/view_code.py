"""The code behind the Inside tab's own views: attention, residual stream and logit lens out of one trace."""

from ..common.code_pieces import Code, code
from ..common.run_code import rows, traced_code
from .views import LENS_CANDIDATES, Look, lens_tokens

_RESIDUAL = """
# Before the first block, then after every attention and every feed-forward: (2 L + 1, t).
stream = traced.stream{shown}
lengths = stream.norm(dim=-1)
changes = stream.diff(dim=0).norm(dim=-1)  # of each step between: (2 L, t)
print(lengths, changes)
"""

_LENS = """
stream = traced.stream[{depths}, {start}:{stop}]  # the tokens around the selected one
logits = model.out_head(model.final_norm(stream)).float()
top = logits.softmax(-1).topk({n})  # .values and .indices
answers = logits[-1].argmax(-1)  # of the whole model
of_answers = logits.gather(-1, answers.expand(len(stream), -1)[..., None])
ranks = 1 + (logits > of_answers).sum(-1)
for place in range(len(stream)):
    print(top.indices[place, :, 0].tolist(), top.values[place, :, 0].tolist(), ranks[place].tolist())
"""


def view_code(view: str, look: Look) -> Code:
    """The numbers of a view of the traced run."""
    traced, shown = traced_code(look.traced), rows(look.traced)
    if view == "Attention":
        return traced + code(
            f"weights = traced.blocks[{look.block}].attention[{look.head}]  # a row per token that looks\n"
            f"print(weights{shown}, weights[token, : token + 1])"
        )
    if view == "Residual stream":
        return traced + code(_RESIDUAL.format(shown=shown.replace("[", "[:, ")))
    unseen, tokens = look.traced.window.start - look.traced.window.first_read, lens_tokens(look)
    depths = ":" if look.halves else "::2"
    return traced + code(
        _LENS.format(depths=depths, start=unseen + tokens.start, stop=unseen + tokens.stop, n=LENS_CANDIDATES)
    )
