"""From the number fields of a page, or the numbers of a request, to the Settings of a run."""

from ...generation import Settings
from ...library import Library
from ...runs import check_prompt, encoded_prompt
from ...sampling import Sampling
from ...tokenizer import tokenizer_of
from .number_format import counted


def settings_from(length: float | None, sampling: Sampling, seed: float | None, most_tokens: int) -> Settings:
    """Settings from fields, which may be empty or fractional. Raises ValueError, also for more than most_tokens."""
    if length is None or seed is None:
        raise ValueError("Length and seed each need a whole number.")
    settings = Settings(_whole(length), sampling, _whole(seed))
    if settings.max_new_tokens > most_tokens:
        raise ValueError(
            f"The length is {settings.max_new_tokens:,}: choose at most {counted(most_tokens, 'new token')}."
        )
    return settings


def check_prompt_of(library: Library, reference: str, prompt: str, begin_with_end_of_text: bool) -> None:
    """Raise ValueError for a prompt that a run would refuse, as far as it can be told without loading its model."""
    check_prompt(prompt, begin_with_end_of_text)
    loaded = library.find(reference)
    if loaded is not None:
        encoded_prompt(tokenizer_of(loaded.model), prompt, begin_with_end_of_text)


def _whole(value: float) -> int:
    """A browser sends 50 as 50.0 now and then; what is no number at all is left for Settings to refuse."""
    if not isinstance(value, float):
        return value
    if not value.is_integer():
        raise ValueError(f"{value:g} is not a whole number: choose one.")
    return int(value)
