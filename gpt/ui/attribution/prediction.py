"""The prediction that a visitor asks about: a token of the run, and the tokens before it that the model reads."""

from dataclasses import dataclass

from ...library import Library
from ...model import GPTModel
from ...runs import Run
from ...tokenizer import AnyTokenizer, tokenizer_of
from ...tracing import WINDOW
from ..common.number_format import counted
from ..common.selected_position import valid_position


@dataclass(frozen=True, eq=False)
class Prediction:
    """Token `token_id` at `position` of the run, predicted from `ids`, the last tokens before it."""

    run: Run
    model: GPTModel
    position: int
    ids: tuple[int, ...]

    @property
    def token_id(self) -> int:
        """The token that came."""
        return self.run.ids[self.position]

    @property
    def reader(self) -> AnyTokenizer:
        """What turns the model's ids into text."""
        return tokenizer_of(self.model)

    @property
    def first(self) -> int:
        """The position in the run of the first token that is read."""
        return self.position - len(self.ids)

    @property
    def labels(self) -> list[str]:
        """The tokens that are read, as they are on strips."""
        return [self.visible(token_id) for token_id in self.ids]

    @property
    def token(self) -> str:
        """The token that came, as it is on strips."""
        return self.visible(self.token_id)

    def visible(self, token_id: int) -> str:
        """A token as it is on strips."""
        return self.reader.visible(token_id)

    @property
    def said(self) -> str:
        """Whose figures these are, and which stretch of a long text was read: plain text."""
        where = f"“{self.token}”, token {self.position + 1} of {len(self.run.ids)}, predicted by {self.run.model_name}"
        if self.first:
            return (
                f"{where}. The text is long: only the {len(self.ids)} tokens before it are read here, as if the text "
                f"began with token {self.first + 1}."
            )
        return f"{where} from the {counted(len(self.ids), 'token')} before it."


def prediction_of(library: Library, run: Run, position: int | None) -> Prediction:
    """The prediction of the token at `position`, or of the first new one when the run has none there.

    At most WINDOW tokens are read. Raises ValueError for the first token, which nothing predicts.
    """
    position = valid_position(run, position)
    if position == 0:
        raise ValueError("Nothing comes before the first token, so nothing predicts it: select a later one.")
    model = library.get(run.model_name).model
    most = min(WINDOW, model.config.context_length)
    return Prediction(run, model, position, run.ids[max(0, position - most) : position])
