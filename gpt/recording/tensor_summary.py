"""A recorded tensor in a few numbers and a small picture, for one token and one head.

Axes: t tokens, s tokens attended to, h heads, n whatever else a token has.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

# The picture's most rows and columns: what can still be told apart at the height of a line of code.
ROWS, COLUMNS = 16, 64


@dataclass(frozen=True, eq=False)
class Summary:
    """What a line of code can show of its tensor: mean and deviation are those of the token's own numbers."""

    shape: tuple[int, ...]
    n_numbers: int  # of the token, with the infinite ones
    n_infinite: int  # left out of mean and deviation
    mean: float
    deviation: float  # of all of them: divided by n
    length: float  # Euclidean
    picture: Tensor  # (rows, columns) from -1 to 1: a row a token, of many the numbers farthest from 0
    row: int  # of the picture, the token's


def summarize(tensor: Tensor, token: int, head: int) -> Summary:
    """What a tensor of a recording holds for a token, counted from the first one read, and for a head if it has any."""
    table = by_token(tensor, head)
    own = table[min(token, len(table) - 1)]
    finite = own[own.isfinite()]
    nothing = not len(finite)
    return Summary(
        shape=tuple(tensor.shape),
        n_numbers=len(own),
        n_infinite=len(own) - len(finite),
        mean=0.0 if nothing else float(finite.mean()),
        deviation=0.0 if nothing else float(finite.std(correction=0)),
        length=float(finite.norm()),
        picture=small_picture(table),
        row=min(token, len(table) - 1) * min(len(table), ROWS) // len(table),
    )


def by_token(tensor: Tensor, head: int) -> Tensor:
    """A tensor of the pass as a table (t, n) of float32: of its one text, and of one head where it has heads.

    Takes (b, h, t, n), (b, t, n), (t, n), ids (b, t) and positions (t,), the first text of the batch.
    """
    if tensor.dim() == 4:
        return tensor[0, head].float()
    if tensor.dim() == 3:
        return tensor[0].float()
    if tensor.dim() == 1:
        return tensor[:, None].float()
    return (tensor[0][:, None] if tensor.dtype == torch.int64 else tensor).float()


def small_picture(table: Tensor) -> Tensor:
    """A table (t, n) as at most ROWS rows and COLUMNS columns between -1 and 1, 99 % of its numbers not cut off.

    A cell has the number farthest from 0 of those it stands for; what is infinite is left white.
    """
    known = table.masked_fill(~table.isfinite(), 0.0)
    size = (min(len(known), ROWS), min(known.shape[1], COLUMNS))
    highest = F.adaptive_max_pool2d(known[None], size)[0]
    lowest = -F.adaptive_max_pool2d(-known[None], size)[0]
    farthest = torch.where(highest >= -lowest, highest, lowest)
    sizes = farthest.abs().flatten()
    full = float(sizes.quantile(0.99)) or float(sizes.max())  # nearly all of them may be 0
    return (farthest / full).clamp(-1, 1) if full else farthest
