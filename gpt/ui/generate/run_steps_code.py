"""The code behind the Generate tab: a run is written again, each new token with its probability and rank."""

from ...runs import Run
from ..common.code_pieces import Code, code
from ..common.run_code import decoded, ids_code, shown_token


def run_steps_code(run: Run) -> Code:
    """`ids` of the whole run, and `steps` of its new tokens: of a branch, those after the chosen one."""
    return ids_code(run, keep_steps=True) + code(
        f"print({decoded(run, 'ids')})\n"
        "for step in steps:\n"
        f"    print({shown_token(run, 'step.token_id')}, step.probability, step.rank)"
    )
