"""The code behind two models side by side: how far the second one's predictions lie from the first's."""

from ...runs import Run
from ..common.code_pieces import Code, code
from ..common.run_code import ids_code, model_code

_COMPARED = """
second = model


@torch.no_grad()
def log_p(network, n):  # of what could stand at ids[n]
    start = max(0, max(n, {n_prompt}) - network.config.context_length)
    return network(torch.tensor([ids[start:n]]))[0, -1].double().log_softmax(-1)


kl = []  # from the first to the second, bits, for each of ids[{first}:]
for n in range({first}, len(ids)):
    p, q = log_p(first, n), log_p(second, n)
    kl.append(float((p.exp() * (p - q)).sum()) / math.log(2))
print(kl)
"""


def beside_code(run: Run, second: str, first_position: int) -> Code:
    """`kl` of each token of a run from `first_position` on, by its own model and by another one."""
    lines = _COMPARED.format(n_prompt=len(run.prompt_ids), first=first_position)
    return ids_code(run) + code("first = model") + model_code(second) + code(lines, "torch", "math")
