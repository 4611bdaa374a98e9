"""The optimizers of the trainer: Muon for the matrices of the blocks, AdamW for everything else.

Muon: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon; step sizes: Liu et al. 2025, arXiv 2502.16982.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .model import GPTModel

# Jordan's quintic a x + b x^3 + c x^5: five rounds bring every singular value near 1.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5


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
    W_qkv, three square matrices one below the other, is taken apart first.
    """

    def __init__(self, matrices: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            same_shape = defaultdict(list)
            for matrix in group["params"]:
                same_shape[matrix.shape].append(matrix)
            for matrices in same_shape.values():
                self._step_together(matrices, **{name: group[name] for name in ("lr", "momentum", "weight_decay")})

    def _step_together(self, matrices: list[nn.Parameter], lr: float, momentum: float, weight_decay: float) -> None:
        directions = []
        for matrix in matrices:
            assert matrix.grad is not None
            state = self.state[matrix]
            if not state:
                state["momentum"] = torch.zeros_like(matrix)
            state["momentum"].lerp_(matrix.grad, 1 - momentum)
            directions.append(matrix.grad.lerp(state["momentum"], momentum))  # Nesterov
        rows, columns = matrices[0].shape
        if rows == 3 * columns:
            rows = columns
        updates = orthogonalize(torch.stack(directions).view(-1, rows, columns)).float()
        size = 0.2 * max(rows, columns) ** 0.5
        for matrix, update in zip(matrices, updates.view(len(matrices), -1, columns), strict=True):
            matrix.mul_(1 - lr * weight_decay).sub_(update, alpha=lr * size)


def make_optimizers(model: GPTModel) -> tuple[Muon, torch.optim.AdamW]:
    """Muon for the blocks' matrices, AdamW for embeddings, biases and norms; learning rates are set at each step."""
    blocks = [parameter for parameter in model.trf_blocks.parameters() if parameter.ndim == 2]
    in_blocks = set(map(id, blocks))
    others = [parameter for parameter in model.parameters() if id(parameter) not in in_blocks]
    # No decay on embeddings, biases and norms: a rare token's row would fade between the times it is seen.
    adamw = torch.optim.AdamW(others, lr=0.0, betas=(0.9, 0.98), eps=1e-10, weight_decay=0.0, fused=True)
    return Muon(blocks, lr=0.0), adamw
