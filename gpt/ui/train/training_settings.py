"""The settings of a training on the page, and the options of the command line that they stand for."""

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from ...config import ACTIVATIONS, GPTConfig
from ...training.command_options import parser
from ...training.optimizers import OPTIMIZERS
from ...training.schedule import N_POINTS
from ...training.stories import PATH as STORIES
from ...training.suited_sizes import SMALLEST
from ...training.training_job import UNASKED
from ...training.training_request import Asked
from ..common.number_format import size

N_KEPT = 12
_MOST_FILE_BYTES = 20_000_000  # of a text by its path: more takes long to be cut into tokens
_SUITED = "What suits the text"
# Fields in their order on the page: option, label, hint.
_NUMBERS = (
    ("emb_dim", "Width", "Features of a token."),
    ("n_layers", "Blocks", "One after the other."),
    ("n_heads", "Heads", "They share the width."),
    ("context_length", "Context", "Tokens read at once."),
    ("batch_size", "Batch", "Windows in a step."),
    ("steps", "Steps", "Changes of the weights."),
    ("rate", "Learning rate", "The highest one."),
    ("drop_rate", "Dropout", "Share left out in a step."),
    ("seed", "Seed", "Weights, order, samples."),
)
# Settings that are text, as one that is left empty is not 0: what the trainer does without it stands in its hint.
_OF_TRAINING = (
    ("warmup", "Warm-up", f"Share of the steps; empty: {parser().get_default('warmup'):g}."),
    ("evaluate_every", "Measure every", f"Steps; empty: {N_POINTS} times in all."),
    ("patience", "Patience", "Worse measurements; empty: no end."),
)
_OF_MODEL = (
    ("inner_dim", "Inner width", "Empty: 4 × width."),
    ("norm_eps", "ε of the norms", "Empty: 1e-5."),
    ("drop_rate_emb", "Dropout, embeddings", "Empty: as Dropout above."),
    ("drop_rate_attn", "Dropout, attention", "Empty: as Dropout above."),
    ("drop_rate_shortcut", "Dropout, shortcuts", "Empty: as Dropout above."),
)
_TEXTS = (*_OF_TRAINING, *_OF_MODEL)
_WHOLE = ("evaluate_every", "patience", "inner_dim")
_SWITCHES = (
    ("qkv_bias", "Biases of queries, keys and values"),
    ("tied_head", "Token embedding as output head"),
    ("scale_by_head_dim", "Scores divided by √head_dim"),
    ("scale_by_layer", "Scores divided by the block's number"),
)
# Values of some fields by the name of a size; the others are left to the trainer.
PRESETS: dict[str, Mapping[str, float]] = {
    "Seconds": SMALLEST,
    _SUITED: {},
    "An evening": {
        **{"emb_dim": 256, "n_layers": 8, "n_heads": 4, "context_length": 256},
        **{"batch_size": 16, "steps": 4000},
    },
}


@dataclass(frozen=True)
class Settings:
    """The components; a number of 0 is what suits the text, as a Gradio field without a value shows 0."""

    pasted: gr.Textbox
    path: gr.Textbox
    held_out: gr.Textbox
    preset: gr.Radio
    optimizer: gr.Radio
    numbers: dict[str, gr.Number]
    more: dict[str, Component]  # by the option: those of _TEXTS, the activation, those of _SWITCHES

    def all(self) -> list[Any]:
        """What `asked` takes, in its order."""
        return [*self.texts(), self.optimizer, *self.numbers.values(), *self.more.values()]

    def texts(self) -> list[gr.Textbox]:
        """The texts, which no link fills in: they may be too long for one, and a link opens no path."""
        return [self.pasted, self.path, self.held_out]

    def filled(self, preset: str | None) -> dict[Any, Any]:
        """New values of the numbers: those of a preset, and none for the others."""
        values = PRESETS[preset or _SUITED]
        return {number: values.get(name, 0) for name, number in self.numbers.items() if name != "seed"}


def settings(local_files: bool) -> Settings:
    """Lay them out; a path is asked for only where the server may read the visitor's files."""
    first = next(iter(PRESETS))
    with gr.Row():
        pasted = gr.Textbox(
            label="Your text",
            info="Paste some pages to learn from. Empty: the bundled little stories.",
            lines=3,
            max_lines=8,
            elem_id="train-text",
        )
        path = gr.Textbox(
            label="Or a file of this machine",
            info="The path of a UTF-8 text.",
            elem_id="train-path",
            visible=local_files,
        )
    preset = gr.Radio(
        list(PRESETS),
        value=first,
        label="Size",
        info="Fills the fields below; 0 is what suits the text.",
        elem_id="train-preset",
        elem_classes=["chips"],
    )
    numbers = {}
    with gr.Row(elem_classes=["train-numbers"]):
        for name, label, info in _NUMBERS:
            value = 123 if name == "seed" else PRESETS[first].get(name, 0)
            whole: dict[str, Any] = {} if name in ("rate", "drop_rate") else {"precision": 0}
            elem_id = f"train-{_flagged(name)}"
            numbers[name] = gr.Number(value, label=label, info=info, minimum=0, min_width=160, elem_id=elem_id, **whole)
    optimizer = gr.Radio(
        list(OPTIMIZERS),
        value=OPTIMIZERS[0],
        label="Optimizer",
        info="Muon (with AdamW) learns faster; the book takes plain AdamW.",
        elem_id="train-optimizer",
        elem_classes=["chips"],
    )
    more: dict[str, Component] = {}
    with gr.Accordion("More settings", open=False, elem_id="train-more"):
        with gr.Row(elem_classes=["train-numbers"]):
            held_out = gr.Textbox(
                label="A text to measure by",
                info="Not trained on. Empty: the end of your text.",
                lines=2,
                max_lines=6,
                min_width=340,
                elem_id="train-held-out",
            )
            more |= _text_fields(_OF_TRAINING)
        with gr.Row(elem_classes=["train-numbers"]):
            more |= _text_fields(_OF_MODEL)
            more["activation"] = gr.Dropdown(
                list(ACTIVATIONS),
                value=GPTConfig(**UNASKED).activation,
                label="Activation",
                info="Of the feed-forward.",
                min_width=170,
                elem_id="train-activation",
            )
        with gr.Row():
            for name, label in _SWITCHES:
                is_on = getattr(GPTConfig(**UNASKED), name)
                more[name] = gr.Checkbox(is_on, label=label, min_width=270, elem_id=f"train-{_flagged(name)}")
    return Settings(pasted, path, held_out, preset, optimizer, numbers, more)


def _text_fields(rows: Sequence[tuple[str, str, str]]) -> dict[str, Component]:
    return {
        name: gr.Textbox(label=label, info=info, min_width=170, elem_id=f"train-{_flagged(name)}")
        for name, label, info in rows
    }


def _flagged(name: str) -> str:
    return name.replace("_", "-")


def asked(
    pasted: str | None, path: str | None, held_out: str | None, optimizer: str | None, *values: Any, local_files: bool
) -> Asked:
    """What the settings ask for. Raises ValueError, with one sentence, for what cannot be asked."""
    return Asked(asked_text(pasted, path, local_files), arguments(optimizer, *values), (held_out or "").strip())


def asked_text(pasted: str | None, path: str | None, local_files: bool) -> Path | str:
    """The text to learn: pasted, or a file. Raises ValueError for both, and for a file that may not be read here."""
    pasted, path = (pasted or "").strip(), (path or "").strip()
    if pasted and path:
        raise ValueError("There are a pasted text and a path: empty one of them.")
    if pasted:
        return pasted
    if not path:
        return STORIES
    if not local_files:
        raise ValueError("This server reads no files of its visitors: paste the text.")
    found = Path(path).expanduser()
    if found.is_file() and found.stat().st_size > _MOST_FILE_BYTES:
        raise ValueError(
            f"{path} has {size(found.stat().st_size)}, and the page takes up to {size(_MOST_FILE_BYTES)}: train on it "
            "with python -m gpt.training."
        )
    return found


def arguments(optimizer: str | None, *values: Any) -> list[str]:
    """The options of the command line for the optimizer, the numbers, and what is folded away, in their order.

    Raises ValueError for a text that is no number.
    """
    found = ["--keep-steps", str(N_KEPT), "--optimizer", optimizer or OPTIMIZERS[0]]
    more = values[len(_NUMBERS) :]
    for (name, _, _), value in zip(_NUMBERS, values[: len(_NUMBERS)], strict=True):
        if value or (name == "seed" and value is not None):
            found += [f"--{_flagged(name)}", str(value)]
    texts, (activation, *switches) = more[: len(_TEXTS)], more[len(_TEXTS) :]
    for (name, label, _), text in zip(_TEXTS, texts, strict=True):
        if (text or "").strip():
            # In one word: the command line takes -1e-5 alone for the name of an option.
            found.append(f"--{_flagged(name)}={_number(label, text.strip(), name in _WHOLE)}")
    found += ["--activation", activation or GPTConfig().activation]
    for (name, _), is_on in zip(_SWITCHES, switches, strict=True):
        found.append(f"--{_flagged(name)}" if is_on else f"--no-{_flagged(name)}")
    return found


def _number(label: str, text: str, whole: bool) -> str:
    """A text that the command line takes for a number, as it is. Raises ValueError for another."""
    try:
        int(text) if whole else float(text)
    except ValueError:
        kind = "a whole number" if whole else "a number"
        raise ValueError(f"{label} is “{text}”: write {kind}, or leave it empty.") from None
    return text


@contextmanager
def parsed(asked: Asked) -> Iterator[argparse.Namespace]:
    """The options as the command line reads them; pasted texts lie in files meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        yield parser().parse_args([*asked.arguments(Path(folder)), "--out", folder])
