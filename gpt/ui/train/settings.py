"""The settings of a training on the page, and the options of the command line that they stand for."""

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from ...config import ACTIVATIONS, GPTConfig
from ...training.forecast import Forecast, flops_per_second
from ...training.life import Life, recorded_life
from ...training.optimizers import OPTIMIZERS
from ...training.options import parser
from ...training.progress import time_left
from ...training.stories import PATH as STORIES
from ...training.suited_sizes import SMALLEST
from ...training.training_job import UNASKED
from ..common.number_format import counted, size

N_KEPT = 12
_MOST_FILE_BYTES = 20_000_000  # of a text by its path: more takes long to be cut into tokens
_SUITED = "What suits the text"
# Fields in their order on the page: option, label, hint.
_NUMBERS = (
    ("emb_dim", "Width", "Features of a token."),
    ("n_layers", "Blocks", "One after the other."),
    ("n_heads", "Heads", "In a block; they share its width."),
    ("context_length", "Context", "Tokens read at once."),
    ("batch_size", "Batch", "Windows in a step."),
    ("steps", "Steps", "How often weights change."),
    ("rate", "Learning rate", "The highest one."),
    ("drop_rate", "Dropout", "Share left out in a step."),
    ("seed", "Seed", "Weights, order, samples."),
)
# The other settings of GPTConfig: a number left empty is None there, a switch is one of the command line's.
_FURTHER = (
    ("inner_dim", "Inner width", "Of the feed-forward; empty: 4 × width."),
    ("norm_eps", "ε of the norms", "Added to each variance; empty: 1e-5."),
    ("drop_rate_emb", "Dropout, embeddings", "Empty: as Dropout above."),
    ("drop_rate_attn", "Dropout, attention", "Empty: as Dropout above."),
    ("drop_rate_shortcut", "Dropout, shortcuts", "Empty: as Dropout above."),
)
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
    preset: gr.Radio
    optimizer: gr.Radio
    numbers: dict[str, gr.Number]
    further: dict[str, Component]  # by the setting of GPTConfig

    def all(self) -> list[Any]:
        """What `asked_text` and `arguments` take, in this order: text, path, optimizer, numbers, further settings."""
        return [self.pasted, self.path, self.optimizer, *self.numbers.values(), *self.further.values()]

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
            info="Paste some pages to learn from. Empty: the little stories in the box.",
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
            numbers[name] = gr.Number(value, label=label, info=info, minimum=0, min_width=130, elem_id=elem_id, **whole)
    optimizer = gr.Radio(
        list(OPTIMIZERS),
        value=OPTIMIZERS[0],
        label="Optimizer",
        info="Muon (with AdamW) learns faster; the book takes plain AdamW.",
        elem_id="train-optimizer",
        elem_classes=["chips"],
    )
    return Settings(pasted, path, preset, optimizer, numbers, _further())


def _further() -> dict[str, Component]:
    """The settings that a first model leaves as they are, folded."""
    given = GPTConfig(**UNASKED)
    made: dict[str, Component] = {}
    with gr.Accordion("Further settings of the model", open=False, elem_id="train-further"):
        with gr.Row(elem_classes=["train-numbers"]):
            for name, label, info in _FURTHER:
                made[name] = gr.Textbox(label=label, info=info, min_width=170, elem_id=f"train-{_flagged(name)}")
            made["activation"] = gr.Dropdown(
                list(ACTIVATIONS),
                value=given.activation,
                label="Activation",
                info="Between the feed-forward's layers.",
                min_width=170,
                elem_id="train-activation",
            )
        with gr.Row():
            for name, label in _SWITCHES:
                made[name] = gr.Checkbox(
                    getattr(given, name), label=label, min_width=270, elem_id=f"train-{_flagged(name)}"
                )
    return made


def _flagged(name: str) -> str:
    return name.replace("_", "-")


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
    """The options of the command line for the optimizer, the numbers and the further settings in their order.

    Raises ValueError for a text that is no number.
    """
    found = ["--keep-steps", str(N_KEPT), "--optimizer", optimizer or OPTIMIZERS[0]]
    further = values[len(_NUMBERS) :]
    for (name, _, _), value in zip(_NUMBERS, values[: len(_NUMBERS)], strict=True):
        if value or (name == "seed" and value is not None):
            found += [f"--{_flagged(name)}", str(value)]
    texts, (activation, *switches) = further[: len(_FURTHER)], further[len(_FURTHER) :]
    for (name, label, _), text in zip(_FURTHER, texts, strict=True):
        if (text or "").strip():
            # In one word: the command line takes -1e-5 alone for the name of an option.
            found.append(f"--{_flagged(name)}={_number(label, text.strip(), whole=name == 'inner_dim')}")
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
def parsed(text: Path | str, options: list[str]) -> Iterator[argparse.Namespace]:
    """The options as the command line reads them; a pasted text lies in a file meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(text, str):
            path = Path(folder) / "pasted.txt"
            path.write_text(text, encoding="utf-8")
            text = path
        yield parser().parse_args([str(text), "--out", folder, *options])


def expected(found: Forecast, rate: float, whose: str) -> str:
    """Plain sentences: what there is to learn, the model, memory, and time at a rate (FLOP/s) reached by `whose`."""
    flop = found.steps * found.step_flops
    seconds, teraflop = flop / rate, flop / 1e12
    work = f"{teraflop:,.1f}" if teraflop >= 1 else f"{teraflop:.1g}"  # a small one is not 0.0
    time = time_left(seconds) if seconds >= 1 else "less than a second"
    passes = found.steps * found.tokens_in_step / found.tokens
    return (
        f"{found.tokens:,} tokens to learn, {found.distinct_tokens:,} different ones, {found.held_out_tokens:,} kept "
        f"back. {found.parameters:,} parameters, about {size(found.step_bytes)} of memory for a step. "
        f"{counted(found.steps, 'step')} of {counted(found.tokens_in_step, 'token')} read the text {passes:.1f} times: "
        f"{work} TFLOP, {time} at the rate of {whose}. "
        "A model this small learns words and the manner of its text, and no facts."
    )


def expected_rate(life: Life | None) -> tuple[float, str]:
    """A rate (FLOP/s) to expect, and whose it is: that of the last training here, or of the recorded one."""
    own = None if life is None else flops_per_second(life)
    if own is not None:
        return own, "the last training here"
    recorded = flops_per_second(recorded_life())
    assert recorded is not None
    return recorded, "the recorded training, on the machine it ran on"
