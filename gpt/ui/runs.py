"""From what a visitor typed to a growing Run: the one way in for the page and the endpoints."""

from collections.abc import Iterator
from dataclasses import replace

from ..generation import Run, Settings, generate
from ..library import Library
from ..sampling import Sampling
from ..tokenizer import END_OF_TEXT_ID, VOCAB_SIZE, Tokenizer

MOST_CHARACTERS = 20_000  # far beyond any context window: more is a mistake
MOST_TOKENS = 1_000

_TOKENIZER = Tokenizer()


def prompt_ids(prompt: str) -> tuple[int, ...]:
    """Token ids of a prompt. Raises ValueError for one that is empty or too long."""
    if not isinstance(prompt, str) or not prompt:
        raise ValueError("The prompt is empty: type a few words for the model to continue.")
    if len(prompt) > MOST_CHARACTERS:
        raise ValueError(f"The prompt has {len(prompt):,} characters: shorten it to {MOST_CHARACTERS:,}.")
    return tuple(_TOKENIZER.encode(prompt))


def new_run(library: Library, reference: str, prompt: str, settings: Settings) -> Run:
    """A run with no steps yet. Raises ValueError or WeightsError with the sentence to show."""
    if settings.max_new_tokens > MOST_TOKENS:
        raise ValueError(f"The length is {settings.max_new_tokens:,}: choose at most {MOST_TOKENS:,} new tokens.")
    ids = prompt_ids(prompt)
    loaded = library.get(reference)
    if loaded.model.config.vocab_size != VOCAB_SIZE:
        raise ValueError(
            f"This model has {loaded.model.config.vocab_size:,} tokens and GPT-2's tokenizer {VOCAB_SIZE:,}: "
            f"choose a model with GPT-2's vocabulary."
        )
    return Run(loaded.reference, prompt, ids, settings)


def settings_from(length: float | None, sampling: Sampling, seed: float | None) -> Settings:
    """Settings from a page's number fields, which may be empty or fractional. Raises ValueError."""
    if length is None or seed is None:
        raise ValueError("Length and seed each need a whole number.")
    return Settings(_whole(length), sampling, _whole(seed))


def grow(library: Library, run: Run) -> Iterator[Run]:
    """The run with one step more each time, until its length or the end-of-text token."""
    sampling = run.settings.sampling
    steps = generate(
        library.get(run.model_name).model,
        run.ids,
        run.settings.max_new_tokens,
        sampling.temperature,
        sampling.top_k,
        sampling.top_p,
        run.settings.seed,
        stop_id=END_OF_TEXT_ID,
    )
    for step in steps:
        run = replace(run, steps=(*run.steps, step))
        yield run


def finished(run: Run) -> bool:
    """Whether nothing more is to come, even if nobody stops it."""
    return len(run.steps) >= run.settings.max_new_tokens or finish_reason(run) == "eos"


def finish_reason(run: Run) -> str:
    """Why a finished run ended: "eos" or "length"."""
    return "eos" if run.steps and run.steps[-1].token_id == END_OF_TEXT_ID else "length"


def _whole(value: float) -> int:
    if value != int(value):
        raise ValueError(f"{value:g} is not a whole number: choose one.")
    return int(value)
