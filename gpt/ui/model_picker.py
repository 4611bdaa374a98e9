"""The picker of a model: by name, by the path of a file, or by a repository of the Hub, described before it comes."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

import gradio as gr

from ..engine.precision import PRECISIONS
from ..files.hub import Description
from ..files.hub_progress import asking, moments_until
from ..files.layouts import WeightsError
from ..library import Library
from ..model_catalogue import ModelInfo
from ..model_reference import CHAPTER_SEED, UNTRAINED, Reference
from ..seeding import LARGEST_WEIGHT_SEED
from .common.components import note_area
from .common.drawing import Updates
from .common.model_loading import loading
from .common.number_format import exact_size, size
from .common.page_html import problem, status
from .common.stoppable_work import Ongoing, stop_button, stop_for, stop_when_clicked
from .loaded_model_line import line, loaded_text

_AS_THE_FILE_SAYS = ""
_ACTIVATIONS = [
    ("As the file says", _AS_THE_FILE_SAYS),
    ("GELU, tanh form", "gelu_tanh"),
    ("GELU, exact", "gelu"),
    ("ReLU", "relu"),
]
_ANOTHER = "another choice leaves it"
_STOPPED = "Stopped. What was downloaded is kept, and Load continues from there."


@dataclass(frozen=True)
class Picker:
    """The fields of the picker, and what loads the model that they name."""

    name: gr.Dropdown
    precision: gr.Radio
    seed: gr.Number
    load: gr.Button
    stop: gr.Button
    of_files: gr.Row
    n_heads: gr.Number
    activation: gr.Dropdown
    about: gr.HTML  # what the chosen repository holds
    note: gr.HTML

    def choice(self) -> list[Any]:
        """What makes a reference, in the order of `_reference`."""
        return [self.name, self.precision, self.seed, self.n_heads, self.activation]

    def names(self, library: Library, reference: str) -> Updates:
        """The fields when they name this model."""
        named = Reference.parse(reference)
        return {
            self.name: gr.update(choices=choices(library), value=named.name),
            self.precision: named.precision,
            self.seed: named.seed,
            self.n_heads: named.n_heads or 0,
            self.activation: named.activation or _AS_THE_FILE_SAYS,
        }


def build(
    library: Library, models: tuple[gr.State, gr.State], loaded_line: gr.HTML, wanted: gr.HTML, wanted_model: gr.State
) -> Picker:
    """Lay the picker out and wire it to the visitor's model and to the line that says what is loaded.

    models are those of `Page`: the visitor's, and the one that they have chosen.
    A press of the button in `wanted` loads the model whose reference `wanted_model` holds.
    """
    made = _lay_out(library)
    model, chosen = models
    ongoing, describing = Ongoing(), Ongoing()

    def shown(name: str | None) -> Updates:
        is_untrained = name == UNTRAINED
        return {made.seed: gr.update(visible=is_untrained), made.of_files: gr.update(visible=not is_untrained)}

    def described(request: gr.Request, name: str | None) -> Iterator[Updates]:
        # It is work of its own: it may reach the server after a click on Load, and must not stop that.
        with describing.begin(request) as stopped:
            try:
                coming = library.description(name) if name else None
                if coming is None:
                    yield {made.about: ""}
                    return
                began = monotonic()
                for _ in moments_until(coming):
                    if stopped.is_set():
                        yield {made.about: ""}
                        return
                    yield {made.about: status(asking(str(name), monotonic() - began, _ANOTHER))}
                yield {made.about: _described(coming.result())}
            except (ValueError, WeightsError) as error:
                yield {made.about: problem(str(error))}

    def change(request: gr.Request, current: str, *choice: Any) -> Iterator[Updates]:
        describing.stop(request)
        with ongoing.begin(request) as stopped:
            ended: Updates = {made.stop: stop_button(running=False), made.about: ""}
            try:
                reference = _reference(*choice)
                yield {made.stop: stop_button(running=True), made.note: ""}
                for said in loading(library, reference):
                    if stopped.is_set():
                        yield ended | {loaded_line: loaded_text(library.get(current)), made.note: status(_STOPPED)}
                        return
                    yield {loaded_line: line(said)}
                loaded = library.get(reference)
                yield ended | {model: loaded.reference, chosen: loaded.reference, loaded_line: loaded_text(loaded)}
            except (ValueError, WeightsError) as error:
                yield ended | {loaded_line: loaded_text(library.get(current)), made.note: problem(str(error))}

    private: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": None}
    made.name.change(shown, [made.name], [made.seed, made.of_files], api_visibility="private")
    made.name.change(described, [made.name], [made.about], **private)
    asked = wanted.select(lambda reference: made.names(library, reference), [wanted_model], made.choice(), **private)
    changed = [model, chosen, loaded_line, made.note, made.about, made.stop]
    for listen in (made.load.click, asked.then):
        listen(change, [model, *made.choice()], changed, **private)
    stop_when_clicked(made.stop, ongoing)
    return made


def choices(library: Library) -> list[tuple[str, str]]:
    """What the list of models shows, and what it stands for.

    A name stands before those that contain it: Enter takes the first entry that what was typed is found in.
    """
    listed: list[ModelInfo] = []
    for info in library.models():
        longer = (place for place, other in enumerate(listed) if info.name in other.name)
        listed.insert(next(longer, len(listed)), info)
    return [(f"{info.name}: {info.description}", info.name) for info in listed]


def _lay_out(library: Library) -> Picker:
    made: dict[str, Any] = {}
    reference = Reference.parse(library.default)
    default = reference.name
    any_repository = library.hub_models is None
    with gr.Row(equal_height=True):
        made["name"] = gr.Dropdown(
            choices(library),
            value=default,
            label="Model",
            info="All tabs use it; other visitors keep theirs.",
            elem_id="model-name",
            allow_custom_value=library.local_files or any_repository,
            scale=3,
        )
        made["precision"] = gr.Radio(
            list(PRECISIONS),
            value=reference.precision,
            label="Precision",
            info="int8 is smallest and fastest.",
            scale=2,
            elem_id="model-precision",
        )
        made["seed"] = gr.Number(
            reference.seed,
            label="Weight seed",
            info="Untrained model only.",
            precision=0,
            minimum=0,
            maximum=LARGEST_WEIGHT_SEED,
            visible=default == UNTRAINED,
            elem_id="model-seed",
        )
        made["load"] = gr.Button("Load", variant="primary", scale=1, min_width=90, elem_id="load-model")
        made["stop"] = stop_for("stop-loading", scale=1, min_width=90)
    hint = _hint(library.local_files, any_repository)
    if hint:
        gr.HTML(f'<p class="hint">{hint}</p>')
    made["about"] = note_area("model-about")
    made["note"] = note_area("model-problem")
    with gr.Row(equal_height=True, visible=default != UNTRAINED) as made["of_files"]:
        made["n_heads"] = gr.Number(
            reference.n_heads or 0,
            label="Heads",
            info="0 is as many as the file says.",
            precision=0,
            minimum=0,
            elem_id="model-heads",
        )
        made["activation"] = gr.Dropdown(
            _ACTIVATIONS,
            value=reference.activation or _AS_THE_FILE_SAYS,
            label="Activation",
            info="If the file does not say, the line above tells what was taken and why.",
            elem_id="model-activation",
        )
    return Picker(**made)


def _hint(local_files: bool, any_repository: bool) -> str:
    path = "the path of a .safetensors file or of a folder with one" if local_files else ""
    repository = "owner/name of a repository on the Hugging Face Hub, or its address" if any_repository else ""
    both = ", or ".join(filter(None, (path, repository)))
    return f"Or type into Model {both}." if both else ""


def _reference(name: str | None, precision: str, seed: float | None, n_heads: float | None, activation: str) -> str:
    whole = int(n_heads or 0) or None
    return str(
        Reference(
            (name or "").strip(), precision, CHAPTER_SEED if seed is None else int(seed), activation or None, whole
        )
    )


def _described(found: Description) -> str:
    """HTML of what a repository holds, or why it cannot be opened."""
    if found.refusal:
        return problem(found.refusal)
    notes = "".join(f" {note}" for note in found.notes)
    return status(
        f"{found.repository} holds a GPT-2 of {found.parameters:,} parameters: {exact_size(found.bytes)} to download, "
        f"about {size(8 * found.parameters)} of memory in float32. Press Load to get it.{notes}"
    )
