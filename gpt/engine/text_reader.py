"""Reads the tokens of one text, piece after piece: by the compiled library, or by the model's own modules.

It knows ids and positions. Drawing from the logits belongs to `gpt.generation`.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ..cache import KVCache
from ..model import GPTModel
from .batch import Batch, Client, batch_of
from .compiled_pass import Text, check_ids
from .fair_lock import MACHINE
from .fair_share import ASKING
from .fingerprint import check_memory
from .packed_model import PackedModel, packed_model
from .precision import cache_dtype


class TextReader(Protocol):
    """What reads a text; `length` tokens are read so far."""

    def read(self, ids: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Final hidden vectors (n, d) of the n tokens that come next, and the logits (v,) after the last of them.

        Raises ValueError for ids that the model lacks and for more tokens than there is room for.
        """
        ...

    def restart(self) -> None:
        """Forget what was read: the next tokens are the first of a text."""

    def close(self) -> None:
        """Say that no more is to be read, so that nobody waits for it."""


def text_reader(model: GPTModel, capacity: int, client: Client = None) -> TextReader:
    """A reader for up to `capacity` tokens. `client` says on whose behalf, for sharing the machine among many."""
    packed = packed_model(model)
    if packed is None:
        return ModuleReader(model, capacity)
    return _EngineReader(packed, capacity, ASKING.get() if client is None else client)


class _EngineReader:
    def __init__(self, packed: PackedModel, capacity: int, client: Client) -> None:
        self._batch: Batch = batch_of(packed)
        self._text = Text(packed, capacity)
        self._client = client

    def read(self, ids: Sequence[int]) -> tuple[Tensor, Tensor]:
        return self._batch.read(self._text, ids, self._client)

    def restart(self) -> None:
        self._text.length = 0

    def close(self) -> None:
        self._batch.leave(self._text)


class ModuleReader:
    """The same by GPTModel's own modules, without dropout.

    It reads the weights as they are at each step: who changes them between two steps changes the text.
    """

    def __init__(self, model: GPTModel, capacity: int) -> None:
        self._model = model
        self._capacity = min(capacity, model.config.context_length)
        self.restart()

    def restart(self) -> None:
        self._cache = KVCache(self._model.config, self._capacity, dtype=cache_dtype(self._model))

    @torch.inference_mode()
    def read(self, ids: Sequence[int]) -> tuple[Tensor, Tensor]:
        model = self._model
        check_ids(ids, model.tok_emb.num_embeddings, self._cache.length, self._capacity)
        check_memory(model)
        with MACHINE:
            training = [module for module in model.modules() if module.training]  # all, none, or some
            for module in training:
                module.training = False
            try:
                hidden = model.hidden(torch.tensor([list(ids)]), self._cache)[0]
                return hidden, model.out_head(hidden[-1:])[0].float()
            finally:
                for module in training:
                    module.training = True

    def close(self) -> None:
        pass
