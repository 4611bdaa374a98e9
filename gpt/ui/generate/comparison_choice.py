"""What stands beside the run of the Generate tab: the controls that choose it, and the run that they ask for."""

from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from ...engine.precision import PRECISIONS
from ...library import Library
from ...model_reference import CHAPTER_SEED, UNTRAINED, Reference
from ...run_comparison import with_settings
from ...runs import Run, finished
from ...sampling import Sampling
from ...seeding import LARGEST_WEIGHT_SEED
from ..common.drawing import Updates
from ..model_picker import choices

NOTHING, UNTRAINED_SAME, MODEL, PRECISION, SETTINGS = "nothing", "untrained", "model", "precision", "settings"
_KINDS = [
    ("Nothing", NOTHING),
    ("The same model, untrained", UNTRAINED_SAME),
    ("Another model", MODEL),
    ("Another precision", PRECISION),
    ("Other settings", SETTINGS),
]


@dataclass(frozen=True)
class Choice:
    """What stands beside the run. Their elem_ids are their names in the address."""

    kind: gr.Radio
    seed: gr.Number
    model: gr.Dropdown
    precision: gr.Radio
    temperature: gr.Slider
    top_k: gr.Slider
    top_p: gr.Slider

    def all(self) -> list[Any]:
        """As a list."""
        return list(vars(self).values())


def lay_out_choice(library: Library) -> Choice:
    """Make the controls; what the first of them does not ask for is hidden."""
    made: dict[str, Any] = {}
    default = Reference.parse(library.default).name
    names = choices(library)
    made["kind"] = gr.Radio(
        _KINDS,
        value=NOTHING,
        label="Beside this text",
        info="The same prompt and seed, written by something else.",
        elem_id="beside",
        elem_classes=["chips"],
    )
    made["seed"] = gr.Number(
        CHAPTER_SEED,
        label="Its weight seed",
        info="Of the random weights that a training could begin with.",
        precision=0,
        minimum=0,
        maximum=LARGEST_WEIGHT_SEED,
        visible=False,
        elem_id="beside_seed",
    )
    made["model"] = gr.Dropdown(
        names,
        value=next((name for _, name in names if name != default), default),
        label="Its model",
        info="The loaded model stays.",
        allow_custom_value=library.local_files or library.hub_models is None,
        visible=False,
        elem_id="beside_model",
    )
    made["precision"] = gr.Radio(
        list(PRECISIONS),
        value=PRECISIONS[-1],
        label="Its precision",
        info="Of the same model.",
        visible=False,
        elem_id="beside_precision",
    )
    with gr.Row():
        made["temperature"] = gr.Slider(
            0,
            2,
            1,
            step=0.05,
            label="Temperature",
            info="0 is greedy.",
            visible=False,
            elem_id="beside_T",
            min_width=120,
        )
        made["top_k"] = gr.Slider(
            0, 200, 0, step=1, label="Top-k", info="0 is off.", visible=False, elem_id="beside_k", min_width=120
        )
        made["top_p"] = gr.Slider(
            0.05, 1, 1, step=0.01, label="Top-p", info="1 is off.", visible=False, elem_id="beside_p", min_width=120
        )
    return Choice(**made)


def shown_for(choice: Choice, kind: str, library: Library) -> Updates:
    """The controls that a kind needs, and none of the others."""
    settings = gr.update(visible=kind == SETTINGS)
    return {
        choice.seed: gr.update(visible=kind == UNTRAINED_SAME),
        choice.model: gr.update(visible=kind == MODEL, choices=choices(library)),
        choice.precision: gr.update(visible=kind == PRECISION),
        choice.temperature: settings,
        choice.top_k: settings,
        choice.top_p: settings,
    }


def second_run(library: Library, run: Run, kind: str, *values: Any) -> tuple[str, Run]:
    """Reference of the second side's model, and the run as it is asked for.

    Raises ValueError for an impossible choice.
    """
    seed, name, precision, temperature, top_k, top_p = values
    named = Reference.parse(run.model_name)
    if kind == UNTRAINED_SAME:
        if seed is None:
            raise ValueError("The weight seed needs a whole number.")
        named = replace(named, untrained=named.name != UNTRAINED, seed=int(seed))
    elif kind == MODEL:
        named = Reference(name or "")
    elif kind == PRECISION:
        named = replace(named, precision=precision)
    elif kind == SETTINGS:
        run = with_settings(run, replace(run.settings, sampling=Sampling(temperature, int(top_k), top_p)))
    if not finished(run):  # it was stopped: the text beside it gets no more tokens than it has
        run = with_settings(run, replace(run.settings, max_new_tokens=len(run.steps)))
    return str(library.known(str(named))), run
