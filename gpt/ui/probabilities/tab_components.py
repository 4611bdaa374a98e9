"""The components of the Probabilities tab, laid out, and what a visitor has selected in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ...generation import Settings
from ...runs import Run
from ...sampling import Sampling
from ..common.address_values import place_in, text_of_place
from ..common.code_behind import code_area
from ..common.components import note_area, plot_area
from ..common.stoppable_work import stop_for
from ..common.token_strip import token_strip
from .candidate_table import candidate_table
from .softmax_formula import DELIMITERS

_ORIGINAL = "original"  # in the address
_POLL_SECONDS = 0.5  # between two looks for new tokens while a run grows elsewhere


@dataclass(frozen=True)
class Selection:
    """What a visitor has selected here, beside the run and the position that all tabs share, and what was drawn."""

    original: bool = False  # the selected token is one of the run that the shown branch came from
    chosen: int | None = None  # token id of the chosen row; None for the token that was taken
    settings: Settings | None = None  # those of the run when the sliders last followed it
    model_name: str = ""  # that of the run that was last drawn
    drawn: int = 0  # hash of the run that was last drawn
    drawn_length: int = 0  # its tokens
    drawn_at: float = 0.0
    keeps_sliders: bool = False  # a link has set them: the first run does not


def chosen_text(selection: Selection) -> str:
    """The chosen row as it stands in the address, "" for the token that was taken."""
    return text_of_place(selection.chosen)


def strip_text(selection: Selection) -> str:
    """Whose strip the selected token stands on, where there are two, as in the address: "" for the branch."""
    return _ORIGINAL if selection.original else ""


def selection_from(query: Mapping[str, str]) -> Selection:
    """What a link selects and sets. Raises ValueError where it does neither."""
    keeps_sliders = any(name in query for name in ("T", "k", "p"))
    chosen, original = query.get("chosen", ""), query.get("strip") == _ORIGINAL
    if not (chosen.isdecimal() or original or keeps_sliders):
        raise ValueError("The link selects nothing.")
    return Selection(original, place_in(chosen) if chosen else None, keeps_sliders=keeps_sliders)


@dataclass(frozen=True)
class Seen:
    """What every handler reads: the visitor's model and run, what is selected, and the sliders."""

    reference: str
    run: Run | None
    position: int | None
    selection: Selection
    temperature: float
    top_k: int
    top_p: float
    n: int

    @property
    def sampling(self) -> Sampling:
        """The settings of the sliders."""
        return Sampling(self.temperature, self.top_k, self.top_p)

    @property
    def looked_at(self) -> Run:
        """The run whose token is selected. Raises ValueError before there is one."""
        if self.run is None:
            raise ValueError("There is no run yet: write one on the Generate tab, or below.")
        return self.run.parent if self.selection.original and self.run.parent else self.run


@dataclass(frozen=True)
class TabComponents:
    """The components that handlers read and change."""

    selection: gr.State
    clock: gr.Timer
    summary: gr.HTML
    heading: gr.HTML
    strip: gr.HTML
    branch_heading: gr.HTML
    branch_strip: gr.HTML
    back: gr.Button
    stop: gr.Button
    note: gr.HTML
    selected: gr.HTML
    temperature: gr.Slider
    top_k: gr.Slider
    top_p: gr.Slider
    as_run: gr.Button
    formula: gr.Markdown
    n: gr.Slider
    table: gr.HTML
    take: gr.Button
    step_file: gr.Row
    why: gr.Column  # where the account of the step's logit is laid out
    figure: gr.Plot
    run_file: gr.Row
    prompt: gr.Textbox
    again: gr.Button
    again_note: gr.HTML
    code: gr.HTML

    def sliders(self) -> list[gr.Slider]:
        """What reshapes the distribution of the selected token, and how many of its tokens are listed."""
        return [self.temperature, self.top_k, self.top_p, self.n]

    def all(self) -> list[Any]:
        """As a list."""
        return list(vars(self).values())


def lay_out() -> TabComponents:
    """Make the components, top to bottom."""
    made: dict[str, Any] = {"selection": gr.State(Selection()), "clock": gr.Timer(_POLL_SECONDS, active=False)}
    made |= _run_and_branch()
    made["summary"] = gr.HTML(elem_id="probabilities-summary")
    made["note"] = note_area("probabilities-note")
    with gr.Row(equal_height=False, elem_classes=["sides"]):
        with gr.Column(scale=2, min_width=320):
            made |= _reshaping()
        with gr.Column(scale=3, min_width=320, elem_classes=["selected-column"]):
            made["selected"] = gr.HTML(elem_id="opened-token")
            made["table"] = candidate_table("candidates")
            with gr.Row(equal_height=True) as made["step_file"]:
                made["take"] = gr.Button("Branch", variant="primary", elem_id="take", interactive=False)
    made["why"] = gr.Column()
    with gr.Accordion("Over the run", open=True):
        made["figure"] = plot_area("over-the-run")
        made["run_file"] = gr.Row()
    with gr.Accordion("Run again: with the settings of the sliders, or another prompt", open=False):
        made["prompt"] = gr.Textbox(label="Prompt", lines=2, max_lines=8, elem_id="own-prompt")
        made["again"] = gr.Button("Run with the settings of the sliders", elem_id="run-again")
        made["again_note"] = note_area("run-again-note")
    made["code"] = code_area("step-code")
    return TabComponents(**made)


def _run_and_branch() -> dict[str, Any]:
    made: dict[str, Any] = {}
    with gr.Row(equal_height=False, elem_classes=["sides", "run-and-branch"]):
        with gr.Column(min_width=320):
            made["heading"] = gr.HTML(visible=False)
            made["strip"] = token_strip("probabilities-strip")
        # The stylesheet hides it while its strip is empty: see `stoppable_work` about Gradio's `visible`.
        with gr.Column(min_width=320, elem_classes=["branch-column"]):
            made["branch_heading"] = gr.HTML()
            made["branch_strip"] = token_strip("branch-strip", "tokens of the branch")
            with gr.Row():
                made["back"] = gr.Button("Back to the original", size="sm", elem_id="back")
                made["stop"] = stop_for("stop-branch", size="sm")
    return made


def _reshaping() -> dict[str, Any]:
    made: dict[str, Any] = {}
    with gr.Row():
        made["temperature"] = gr.Slider(
            0, 2, 1, step=0.05, label="Temperature", info="Low sharpens; 0 is greedy.", elem_id="T"
        )
        made["top_k"] = gr.Slider(0, 200, 0, step=1, label="Top-k", info="Only the k likeliest; 0 is off.", elem_id="k")
    with gr.Row():
        made["top_p"] = gr.Slider(0.05, 1, 1, step=0.01, label="Top-p", info="Only this share; 1 is off.", elem_id="p")
        made["n"] = gr.Slider(1, 50, 10, step=1, label="Rows", info="Tokens to list.", elem_id="rows")
    made["as_run"] = gr.Button("Back to the settings of the run", size="sm", elem_id="as-run")
    made["formula"] = gr.Markdown(latex_delimiters=DELIMITERS, elem_id="formula")
    return made
