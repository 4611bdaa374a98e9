"""The header: which model is loaded, said in one place, and the picker that changes it for this visitor."""

from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr

from ..library import CHAPTER_SEED, UNTRAINED, Library, LoadedModel, Reference
from ..precision import PRECISIONS
from ..weights import WeightsError
from .loading import loading
from .numbers import exact_size
from .shared import problem

TITLE = "GPT-2 explorer"


def build(library: Library, model: gr.State) -> gr.HTML:
    """Lay the header out and wire the picker to the visitor's model; returns the line that says what is loaded."""
    with gr.Row(elem_id="header", equal_height=True):
        gr.HTML(f"<h1>{TITLE}</h1>", scale=0, min_width=170)
        loaded_line = gr.HTML(_line("Loading the model …"), elem_id="loaded", scale=1, min_width=280)
    with gr.Accordion("Change model", open=False, elem_id="picker"):
        with gr.Row(equal_height=True):
            names = gr.Dropdown(
                _choices(library),
                value=Reference.parse(library.default).name,
                label="Model",
                info="All tabs use it; other visitors keep theirs.",
                elem_id="model-name",
                allow_custom_value=library.local_files,
                scale=3,
            )
            precision = gr.Radio(
                list(PRECISIONS), value="float32", label="Precision", info="int8 is smallest and fastest.", scale=2
            )
            seed = gr.Number(
                CHAPTER_SEED,
                label="Weight seed",
                info="Untrained model only.",
                precision=0,
                minimum=0,
                visible=Reference.parse(library.default).name == UNTRAINED,
            )
            load = gr.Button("Load", variant="primary", scale=1, min_width=90, elem_id="load-model")
        if library.local_files:
            gr.HTML('<p class="hint">Or type the path of a .safetensors file or of a folder with one into Model.</p>')
        trouble = gr.HTML(elem_id="model-problem")

    def change(current: str, name: str, chosen_precision: str, chosen_seed: float | None) -> Iterator[tuple[Any, ...]]:
        reference = str(
            Reference(name or "", chosen_precision, CHAPTER_SEED if chosen_seed is None else int(chosen_seed))
        )
        try:
            for said in loading(library, reference):
                yield gr.skip(), _line(said), problem("")
            loaded = library.get(reference)
            yield loaded.reference, loaded_text(loaded), problem("")
        except (ValueError, WeightsError) as error:
            yield gr.skip(), loaded_text(library.get(current)), problem(str(error))

    names.change(
        lambda name: gr.update(visible=name == UNTRAINED),
        [names],
        [seed],
        api_visibility="private",
    )
    load.click(
        change,
        [model, names, precision, seed],
        [model, loaded_line, trouble],
        api_visibility="private",
        concurrency_limit=4,
    )
    return loaded_line


def loaded_text(loaded: LoadedModel) -> str:
    """HTML that says what is loaded: name, parameters, trained or not, precision, bytes, assumptions."""
    config = loaded.model.config
    tied = (
        "head tied to the embedding"
        if config.tied_head
        else f"{loaded.parameters - config.emb_dim * config.vocab_size:,} if the head were tied"
    )
    parts = [
        f"<b>{escape(Reference.parse(loaded.reference).name)}</b>",
        f"{loaded.parameters:,} parameters ({tied})",
        "trained" if loaded.trained else f"<mark>untrained</mark>, seed {Reference.parse(loaded.reference).seed}",
        loaded.precision,
        f"weights {exact_size(loaded.weight_bytes)}",
        *map(escape, loaded.model.notes),
    ]
    return _line(" · ".join(parts), safe=True)


def _choices(library: Library) -> list[tuple[str, str]]:
    return [(f"{info.name}: {info.description}", info.name) for info in library.models()]


def _line(text: str, safe: bool = False) -> str:
    return f'<p class="loaded" role="status">{text if safe else escape(text)}</p>'
