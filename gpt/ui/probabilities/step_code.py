"""The code behind the Probabilities tab: what could stand in the selected token's place."""

from ...runs import Run
from ...sampling import Sampling
from ..common.code_pieces import Code, code
from ..common.run_code import ids_code, read_before, shown_token


def step_code(run: Run, position: int, sampling: Sampling, n: int) -> Code:
    """`table`: what could stand at `position`, under the settings of the sliders."""
    settings = f"temperature={sampling.temperature!r}, top_k={sampling.top_k!r}, top_p={sampling.top_p!r}, n={n}"
    before = read_before(run, position)
    return ids_code(run) + code(
        f"table = next_token_table(model, {before}, {settings})\n"
        "for row in table.tokens:\n"
        f"    token = {shown_token(run, 'row.token_id')}\n"
        "    print(row.rank, token, row.logit, row.probability, row.sampling_probability, row.kept)\n"
        'print("all others", table.other_probability, "entropy in bits", table.entropy_bits)',
        "next_token_table",
    )
