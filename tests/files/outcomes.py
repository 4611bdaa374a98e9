"""What load_model makes of every kind of file, beside what is right; `python -m tests.files.outcomes` prints it."""

import logging
import re
import sys
import tempfile
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import torch
from transformers.utils import logging as transformers_logging

from gpt import GPTModel, WeightsError, load_model, next_token_table

from .kinds import Made, Opens, Refused
from .kinds_refused import REFUSED
from .kinds_that_open import OPENS
from .kinds_with_words import WITH_WORDS, WITHOUT_WORDS

ALL_OPEN = OPENS | WITH_WORDS
ALL_REFUSED = REFUSED | WITHOUT_WORDS
MOST_DIFFERENCE = 1e-4  # of any logit, float32
NO_WORDS = "came without a vocabulary"  # said of most of these small models, and no matter here


@dataclass(frozen=True)
class Outcome:
    """What happened to one kind of file. `wrong` is empty where it is right."""

    name: str
    what: str  # "opened, 3e-07" or "refused"
    sentence: str  # the notes, or the refusal
    wrong: str


def opening(name: str, kind: Opens, folder: Path) -> Outcome:
    """Make a kind of file that should open, and open it."""
    made = kind.make(folder)
    try:
        model = load_model(made.path, **made.options)
    except WeightsError as error:
        return Outcome(name, "refused", str(error), "it should open")
    except Exception as error:
        return Outcome(name, "crashed", f"{type(error).__name__}: {error}", "it should open")
    difference = largest_difference(model, made)
    notes = [note for note in model.notes if NO_WORDS not in note or NO_WORDS in kind.says]
    wrong = [
        *([f"logits differ by {difference:.1e}"] if not difference <= MOST_DIFFERENCE else []),
        *([f"no note says {kind.says!r}"] if not any(re.search(kind.says, note) for note in notes or [""]) else []),
        *(["a note that nobody needs"] if notes and not kind.says else []),
        *(f"{key} is {getattr(model.config, key)!r}" for key, value in kind.config.items()
          if getattr(model.config, key) != value),
        *wrong_words(model, kind),
    ]  # fmt: skip
    return Outcome(name, f"opened, {difference:.0e}", " ".join(notes), "; ".join(wrong))


def largest_difference(model: GPTModel, made: Made) -> float:
    """Of the logits of the modules and of the code that decodes, from the reference's."""
    torch.manual_seed(1)
    ids = torch.randint(model.config.vocab_size, (2, min(16, model.config.context_length)))
    with torch.no_grad():
        expected = made.reference(ids).logits[..., : model.config.vocab_size]
    decoded = next_token_table(model, ids[0], n=model.config.vocab_size).tokens
    last = torch.tensor([row.logit for row in sorted(decoded, key=attrgetter("token_id"))])
    return max(float((model(ids) - expected).abs().max()), float((last - expected[0, -1]).abs().max()))


def wrong_words(model: GPTModel, kind: Opens) -> list[str]:
    if kind.ids is None or model.tokenizer is None:
        agree = (kind.ids is None) == (model.tokenizer is None) or kind.ids == {}
        return [] if agree else [f"its tokenizer is {model.tokenizer}"]
    found = {text: model.tokenizer.encode(text, special=True) for text in kind.ids}
    return [f"{text!r} is {found[text]}" for text, ids in kind.ids.items() if found[text] != ids]


def refusing(name: str, kind: Refused, folder: Path) -> Outcome:
    """Make a kind of file that cannot open, and try it."""
    path = kind.make(folder)
    try:
        load_model(path)
    except WeightsError as error:
        sentence = str(error)
        wrong = "" if re.search(kind.says, sentence, re.DOTALL) else f"it should say {kind.says!r}"
        return Outcome(name, "refused", sentence, wrong)
    except Exception as error:
        return Outcome(name, "crashed", f"{type(error).__name__}: {error}", "it should be refused")
    return Outcome(name, "opened", "", "it should be refused")


def every_outcome() -> list[Outcome]:
    with tempfile.TemporaryDirectory() as home:
        folders = (Path(home) / str(number) for number in range(10**6))
        opened = [opening(name, kind, next(folders)) for name, kind in ALL_OPEN.items()]
        return opened + [refusing(name, kind, next(folders)) for name, kind in ALL_REFUSED.items()]


def main() -> None:
    logging.disable(logging.WARNING)
    transformers_logging.disable_progress_bar()
    outcomes = every_outcome()
    print("| kind of file | | what is said |\n|---|---|---|")
    for outcome in outcomes:
        wrong = f" **WRONG: {outcome.wrong}**" if outcome.wrong else ""
        print(f"| {outcome.name} | {outcome.what}{wrong} | {outcome.sentence.replace(chr(10), ' ⏎ ')} |")
    n_wrong = sum(bool(outcome.wrong) for outcome in outcomes)
    print(f"\n{len(outcomes)} kinds of files, {n_wrong} wrong.")
    sys.exit(n_wrong > 0)


if __name__ == "__main__":
    main()
