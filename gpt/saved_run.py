"""A run as a file: what was asked for, the tokens that came, and the digest of the weights that wrote them.

No figure is kept. Whoever opens it reads the text again with the same weights, and every token has to come out again.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from .config import GPTConfig
from .generation import Settings
from .model import GPTModel
from .runs import MOST_CHARACTERS, MOST_TOKENS, Run, branch, grow, new_run
from .sampling import Sampling
from .version import full_version

# Far more than a text of the longest prompt takes.
MOST_BYTES = 2**17

_FORMAT = "GPT-2 explorer: a run"
_FORMAT_VERSION = 1
_DIGEST_DIGITS = 64
_LONGEST_NAME = 1_000  # characters of a model's name
_LONGEST_VERSION = 60
_LONGEST_SHOWN = 40  # characters of a value in a sentence
_NO_RUN = "This file is no saved run: choose one that was made with “Save this run”."


@dataclass(frozen=True)
class SavedBranch:
    """Where a branch parts from the run before it: a position in that run's ids, and its own ids from there on."""

    position: int
    token_ids: tuple[int, ...]


@dataclass(frozen=True)
class SavedRun:
    """What a file holds of a run: of a branch also all it came from, the text of the first prompt at the beginning."""

    model: str  # its reference, as a link names it
    weights: str  # what `engine.weights_digest` gives
    config: GPTConfig
    code: str  # version of the code that wrote the text
    prompt: str
    begin_with_end_of_text: bool
    prompt_ids: tuple[int, ...]
    settings: Settings
    token_ids: tuple[int, ...]
    branches: tuple[SavedBranch, ...] = ()

    @property
    def n_written(self) -> int:
        """How many tokens have to be read again to open it."""
        return len(self.token_ids) + sum(len(each.token_ids) for each in self.branches)


def saved_run(run: Run, model: str, weights: str, config: GPTConfig) -> SavedRun:
    """What a file holds of a run with at least one new token; weights is the digest of its model's."""
    first, *later = _from_the_first(run)
    return SavedRun(
        model=model,
        weights=weights,
        config=config,
        code=full_version(),
        prompt=first.prompt,
        begin_with_end_of_text=first.begin_with_end_of_text,
        prompt_ids=first.prompt_ids,
        settings=first.settings,
        token_ids=first.ids[len(first.prompt_ids) :],
        branches=tuple(SavedBranch(each.parted_at or 0, each.ids[each.parted_at :]) for each in later),
    )


def run_text(saved: SavedRun) -> str:
    """The text of the file, which `read_run` reads."""
    settings = {
        "max_new_tokens": saved.settings.max_new_tokens,
        **asdict(saved.settings.sampling),
        "seed": saved.settings.seed,
    }
    data = {"format": _FORMAT, "format_version": _FORMAT_VERSION, **asdict(saved), "settings": settings}
    lines = (f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in data.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read_run(text: str) -> SavedRun:
    """What a file holds. Raises ValueError with one sentence for any file that `run_text` did not make."""
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise ValueError(f"This file is larger than any saved run, which has at most {MOST_BYTES:,} bytes.")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(_NO_RUN) from None
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        raise ValueError(_NO_RUN)
    version = data.get("format_version")
    if version != _FORMAT_VERSION or isinstance(version, bool):
        raise ValueError(
            f"The file has the format {_shown(version)}, and this version of the explorer reads {_FORMAT_VERSION}."
        )
    names = [field.name for field in fields(SavedRun)]
    return _checked(_object("The file", data, ["format", "format_version", *names]))


def is_by(saved: SavedRun, config: GPTConfig, weights: str) -> bool:
    """Whether a model of these settings and this digest of weights wrote the run."""
    return saved.config == config and saved.weights == weights


def opened(model: GPTModel, model_name: str, saved: SavedRun) -> Iterator[Run]:
    """Yield the run as the model writes it again, with each token, up to the one that was saved.

    Use it with the model that wrote the run. Raises ValueError as soon as a token is another one than in the file.
    """
    begun = new_run(model, model_name, saved.prompt, saved.settings, saved.begin_with_end_of_text)
    if begun.prompt_ids != saved.prompt_ids:
        raise ValueError("The prompt of the file has other tokens than its model gives it: the file was changed.")
    run = begun
    for run in _as_saved(grow(model, begun), saved.token_ids, saved):
        yield run
    for each in saved.branches:
        parent = run
        for run in _as_saved(branch(model, parent, each.position, each.token_ids[0]), each.token_ids, saved):
            yield run


def is_whole(saved: SavedRun, run: Run) -> bool:
    """Whether all tokens of a file have come, so that the run is the one that was saved."""
    found = saved_run(run, saved.model, saved.weights, saved.config)
    return (found.prompt_ids, found.token_ids, found.branches) == (saved.prompt_ids, saved.token_ids, saved.branches)


def _from_the_first(run: Run) -> list[Run]:
    """The run that began with a prompt, then each branch up to this run."""
    runs = [run]
    while runs[-1].parent is not None:
        runs.append(runs[-1].parent)
    return runs[::-1]


def _as_saved(runs: Iterator[Run], token_ids: Sequence[int], saved: SavedRun) -> Iterator[Run]:
    count = 0
    for token_id, run in zip(token_ids, runs, strict=False):
        if run.ids[-1] != token_id:
            written, here = run.reader.visible(token_id), run.reader.visible(run.ids[-1])
            raise ValueError(
                f"Token {len(run.ids)} is {written!r} in the file, and its model writes {here!r} here: the file was "
                f"changed, or its code ({saved.code}) computes otherwise than this one ({full_version()})."
            )
        count += 1
        yield run
    if count < len(token_ids):
        raise ValueError("The text goes on in the file after its model has ended it: the file was changed.")


def _checked(data: Mapping[str, Any]) -> SavedRun:
    config = _config(data["config"])
    settings = _settings(data["settings"])
    prompt_ids = _ids("prompt_ids", data["prompt_ids"], config, MOST_TOKENS)
    token_ids = _ids("token_ids", data["token_ids"], config, settings.max_new_tokens)
    branches = _branches(data["branches"], config, settings)
    _check_places(len(prompt_ids), len(token_ids), branches, settings)
    return SavedRun(
        model=_text("model", data["model"], _LONGEST_NAME),
        weights=_digest(data["weights"]),
        config=config,
        code=_text("code", data["code"], _LONGEST_VERSION),
        prompt=_text("prompt", data["prompt"], MOST_CHARACTERS),
        begin_with_end_of_text=_bool("begin_with_end_of_text", data["begin_with_end_of_text"]),
        prompt_ids=prompt_ids,
        settings=settings,
        token_ids=token_ids,
        branches=branches,
    )


def _config(value: Any) -> GPTConfig:
    return GPTConfig(**_short_values("config", value, [field.name for field in fields(GPTConfig)]))


def _settings(value: Any) -> Settings:
    data = _short_values("settings", value, ["max_new_tokens", "temperature", "top_k", "top_p", "seed"])
    sampling = Sampling(data["temperature"], data["top_k"], data["top_p"])
    return Settings(data["max_new_tokens"], sampling, data["seed"])


def _branches(value: Any, config: GPTConfig, settings: Settings) -> tuple[SavedBranch, ...]:
    branches = []
    for each in _list("branches", value):
        data = _object("A branch", each, ["position", "token_ids"])
        ids = _ids("The token_ids of a branch", data["token_ids"], config, settings.max_new_tokens)
        branches.append(SavedBranch(_whole("The position of a branch", data["position"]), ids))
    return tuple(branches)


def _check_places(n_prompt: int, n_new: int, branches: Iterable[SavedBranch], settings: Settings) -> None:
    """That every branch parts from a token of the run before it, and none is longer than what was asked for."""
    length = n_prompt + n_new
    for each in branches:
        if not 0 < each.position < length:
            raise ValueError(f"A branch of the file begins at {_shown(each.position)}, in a text of {length:,} tokens.")
        n_prompt = min(n_prompt, each.position)
        length = each.position + len(each.token_ids)
        if length - n_prompt > settings.max_new_tokens:
            raise ValueError(f"A branch of the file has more than the {settings.max_new_tokens:,} tokens asked for.")


def _ids(name: str, value: Any, config: GPTConfig, most: int) -> tuple[int, ...]:
    listed = _list(name, value)
    if not 1 <= len(listed) <= most:
        raise ValueError(f"{name} has {len(listed):,} tokens in the file: a run has from 1 to {most:,} there.")
    for token_id in listed:
        if not 0 <= _whole(name, token_id) < config.vocab_size:
            raise ValueError(f"{name} has {_shown(token_id)} in the file: ids run from 0 to {config.vocab_size - 1:,}.")
    return tuple(listed)


def _object(name: str, value: Any, names: Sequence[str]) -> Mapping[str, Any]:
    """The value, where it is an object with exactly these fields."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} is {_shown(value)}: a saved run has an object there.")
    for missing in names:
        if missing not in value:
            raise ValueError(f"{name} lacks the field {missing}: the file is damaged.")
    for unknown in value.keys() - set(names):
        raise ValueError(f"{name} has a field {_shown(unknown)}, which a saved run does not have.")
    return value


def _short_values(name: str, value: Any, names: Sequence[str]) -> Mapping[str, Any]:
    """The same, where no field is longer than a number or a word: the sentence that refuses it quotes it whole."""
    data = _object(name, value, names)
    for each, found in data.items():
        if len(json.dumps(found)) > _LONGEST_SHOWN:
            raise ValueError(f"{each} is {_shown(found)} in the file: a saved run has a number or a word there.")
    return data


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{name} is {_shown(value)} in the file: a saved run has a list there.")
    return value


def _whole(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name} has {_shown(value)} in the file: a saved run has a whole number there.")
    return value


def _bool(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {_shown(value)} in the file: a saved run has true or false there.")
    return value


def _text(name: str, value: Any, most: int) -> str:
    if not isinstance(value, str) or len(value) > most or not _is_unicode(value):
        raise ValueError(f"{name} is {_shown(value)} in the file: a saved run has up to {most:,} characters there.")
    return value


def _digest(value: Any) -> str:
    text = _text("weights", value, _DIGEST_DIGITS)
    if len(text) != _DIGEST_DIGITS or not set(text) <= set("0123456789abcdef"):
        raise ValueError(f"weights is {_shown(value)} in the file: a saved run has a digest there.")
    return text


def _is_unicode(text: str) -> bool:
    """Whether it has no half of a surrogate pair."""
    return text == text.encode("utf-8", "ignore").decode()


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
