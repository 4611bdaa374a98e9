"""The optimizers of the trainer: Muon for the matrices of the blocks and AdamW for the rest, or AdamW for everything.

Muon: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon; step sizes: Liu et al. 2025, arXiv 2502.16982.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ..model import GPTModel

OPTIMIZERS = ("muon", "adamw")  # Muon and AdamW together, or the book's plain AdamW (chapter 5)
# AdamW's rate in parts of Muon's: a step of both then changes embeddings and matrices by about the same share.
ADAMW_SHARE = 1 / 2

# Jordan's quintic a x + b x^3 + c x^5: five rounds bring every singular value near 1.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5
_SETTINGS = ("lr", "momentum", "weight_decay", "stacked")


def orthogonalize(matrices: Tensor) -> Tensor:
    """The matrices (n, rows, columns) with their singular values moved to about 1, in bfloat16."""
    x = matrices.bfloat16()
    if x.shape[1] > x.shape[2]:
        return orthogonalize(x.mT.contiguous()).mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = _QUINTIC
    for _ in range(_ROUNDS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


class Muon(torch.optim.Optimizer):
    """Momentum, made orthogonal: every direction of a matrix moves equally far, however small its gradient.

    The update of an (r, c) matrix is scaled by 0.2 sqrt(max(r, c)), which gives it about the size of an AdamW update.
    The matrices of a group with `stacked` n are n matrices one below the other, as in W_qkv: each moves on its own.
    """

    def __init__(self, matrices: Iterable[Any], lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "stacked": 1})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            same_shape = defaultdict(list)
            for matrix in group["params"]:
                same_shape[matrix.shape].append(matrix)
            for matrices in same_shape.values():
                self._step_together(matrices, **{name: group[name] for name in _SETTINGS})

    def _step_together(
        self, matrices: list[nn.Parameter], lr: float, momentum: float, weight_decay: float, stacked: int
    ) -> None:
        directions = []
        for matrix in matrices:
            assert matrix.grad is not None
            state = self.state[matrix]
            if not state:
                state["momentum"] = torch.zeros_like(matrix)
            state["momentum"].lerp_(matrix.grad, 1 - momentum)
            directions.append(matrix.grad.lerp(state["momentum"], momentum))  # Nesterov
        rows, columns = matrices[0].shape
        rows //= stacked
        updates = orthogonalize(torch.stack(directions).view(-1, rows, columns)).float()
        size = 0.2 * max(rows, columns) ** 0.5
        for matrix, update in zip(matrices, updates.view(len(matrices), -1, columns), strict=True):
            matrix.mul_(1 - lr * weight_decay).sub_(update, alpha=lr * size)


def make_optimizers(model: GPTModel, name: str = "muon") -> list[torch.optim.Optimizer]:
    """What takes the steps; `set_step_size` sets rate and weight decay before each of them.

    "muon": Muon for the blocks' matrices, AdamW for embeddings, an untied head, biases and norms. "adamw": AdamW for
    all. Raises ValueError for any other name.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"There is no optimizer called {name!r}: choose one of {', '.join(OPTIMIZERS)}.")
    if name == "adamw":
        return [_adamw(list(model.parameters()), (0.9, 0.999), 1e-8, share=1.0, decays=True)]
    groups: dict[int, list[nn.Parameter]] = {1: [], 3: []}
    others = []
    for path, parameter in model.named_parameters():
        if path.startswith("trf_blocks.") and parameter.ndim == 2:
            groups[3 if path.endswith("W_qkv.weight") else 1].append(parameter)
        else:
            others.append(parameter)
    own = {"share": 1.0, "decays": True}
    muon = Muon([{"params": matrices, "stacked": stacked, **own} for stacked, matrices in groups.items()], lr=0.0)
    # No decay on embeddings, biases and norms: a rare token's row would fade between the times it is seen.
    return [muon, _adamw(others, (0.9, 0.98), 1e-10, share=ADAMW_SHARE, decays=False)]


def set_step_size(optimizers: Iterable[torch.optim.Optimizer], rate: float, weight_decay: float) -> None:
    """Give every group of parameters its share of the rate, and the weight decay if it has any."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["share"]
            group["weight_decay"] = weight_decay if group["decays"] else 0.0


def _adamw(
    parameters: list[nn.Parameter], betas: tuple[float, float], eps: float, share: float, decays: bool
) -> torch.optim.AdamW:
    group: dict[str, Any] = {"params": parameters, "share": share, "decays": decays}
    return torch.optim.AdamW([group], lr=0.0, betas=betas, eps=eps, fused=True)
