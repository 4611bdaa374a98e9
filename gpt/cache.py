"""The key-value cache: what attention has already computed for the tokens so far.

With it a new token costs one position of work instead of all of them; the results are the same.
"""

import torch
from torch import Tensor

from .config import GPTConfig


class KVCache:
    """Keys and values of up to `capacity` tokens for every layer, 2 L b d values a token."""

    def __init__(self, config: GPTConfig, capacity: int, batch_size: int = 1, dtype: torch.dtype = torch.float32):
        shape = (config.n_layers, batch_size, config.n_heads, capacity, config.head_dim)
        self.keys = torch.empty(shape, dtype=dtype)
        self.values = torch.empty(shape, dtype=dtype)
        self.length = 0
        self._layers = list(zip(self.keys, self.values, strict=True))

    @property
    def capacity(self) -> int:
        """How many tokens fit."""
        return self.keys.shape[3]

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write one layer's new keys and values, each (b, h, t, head_dim); return all so far, (b, h, s, head_dim).

        Raises ValueError for more tokens than there is room for.
        """
        all_keys, all_values = self._layers[layer]
        t = keys.shape[2]
        if self.length + t > self.capacity:
            raise ValueError(f"{self.length + t} tokens do not fit: there is room for {self.capacity}.")
        all_keys.narrow(2, self.length, t).copy_(keys)
        all_values.narrow(2, self.length, t).copy_(values)
        s = self.length + t
        return all_keys.narrow(2, 0, s).to(keys.dtype), all_values.narrow(2, 0, s).to(values.dtype)

    def advance(self, t: int) -> None:
        """Count t tokens as held, once every layer has written them."""
        self.length += t
