"""What the stops compute from: the loaded model, and the text it wrote for the tour."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from ...config import GPTConfig
from ...library import Library, LoadedModel
from ...model import GPTModel
from ...runs import Run, logits_before
from ...sampling import PLAIN_SOFTMAX, TokenTable, token_table
from ..common.traced_run import Traced, traced_run


@dataclass(frozen=True, eq=False)
class Reading:
    """A model, and the tour's text as that model continued it: at least one new token."""

    library: Library
    loaded: LoadedModel
    run: Run

    @property
    def model(self) -> GPTModel:
        """The model that wrote the text."""
        return self.loaded.model

    @property
    def config(self) -> GPTConfig:
        """Its settings."""
        return self.loaded.model.config

    @property
    def prompt(self) -> tuple[int, ...]:
        """The ids of the prompt."""
        return self.run.prompt_ids

    @cached_property
    def traced(self) -> Traced:
        """The pass that the tabs show, the prompt's last token selected."""
        return traced_run(self.library, self.run, len(self.prompt) - 1)

    @cached_property
    def logits(self) -> Tensor:
        """The scores (v,) from which the first new token was chosen."""
        logits = logits_before(self.model, self.run, len(self.prompt))
        assert logits is not None, "a run with a step has the logits of that step"
        return logits

    @cached_property
    def table(self) -> TokenTable:
        """The likeliest ten tokens after the prompt."""
        return token_table(self.logits, PLAIN_SOFTMAX, 10)

    def quoted(self, token_id: int) -> str:
        """“·you”: a token as it is on strips."""
        return f"“{self.run.reader.visible(token_id)}”"

    def listed(self, ids: Iterable[int]) -> str:
        """“Every”, “·effort”, “·moves”."""
        return ", ".join(map(self.quoted, ids))
