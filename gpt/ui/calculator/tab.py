"""The Calculator tab: parameters, memory and operations of any configuration, and a measurement beside them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, fields, replace
from functools import partial
from typing import Any

import gradio as gr

from ...config import GPTConfig
from ...estimates.budget import count_parameters
from ...estimates.formula import Formula
from ...estimates.workload import Workload
from ...library import LoadedModel
from ...model_reference import Reference
from ..common.address_values import by_id
from ..common.components import intro, note_area
from ..common.downloads import File, csv_file, json_file, save_button
from ..common.drawing import Drawing, Updates, with_note
from ..common.page_context import Page
from ..common.page_html import problem
from . import estimate_tables as tables
from . import presets
from .after_chapter import Values
from .after_chapter_inputs import FITTED, refilled
from .calculated_results import PRESETS, Asked, asked_from, calculated
from .calculation import Measured, about_settings, answer, measured_rows, record, sums
from .loaded_weights import loaded_weights, textbook_note
from .measured_rates import wire_rates
from .measuring_panel import wire_measuring
from .presets import Fields, Filled
from .result_panels import Panels, build_panels
from .setting_controls import (
    as_labelled,
    config_controls,
    config_from,
    same_model,
    settings_by_name,
    settings_from,
    workload_controls,
    workload_from,
)

KEY = "calculator"
LABEL = "Calculator"
# One queue for all that fills the results: a slower answer never replaces a later one.
_IN_ORDER: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "calculator", "concurrency_limit": 1}


@dataclass(frozen=True)
class _Parts:
    """Everything on the tab that changes."""

    page: Page
    buttons: Mapping[str, gr.Button]
    fields: Fields
    panels: Panels
    filled: gr.State  # Filled
    training_choices: gr.Row

    def outputs(self) -> list[Any]:
        """What a calculation changes."""
        return [*self.panels.results.all(), self.panels.kept, *self.buttons.values()]


def build(page: Page) -> None:
    """Lay the tab out and wire it."""
    measures = page.options.allow_measuring
    intro(
        "How many parameters a model of any size has, and how much memory and computing it takes: each figure with "
        "its formula. Choose a size or type your own, switch to training"
        + (", then measure the real thing on this machine." if measures else "."),
        "section 4.6",
    )
    first = presets.first_settings(page.library)
    filled = gr.State(Filled(str(Reference.parse(page.library.default)), first[0]))
    measured = gr.State(None)
    with gr.Row(equal_height=False, elem_classes=["sides"]):
        with gr.Column(scale=2, min_width=320, elem_id="calc-controls"):
            buttons = presets.preset_buttons(first[0])
            config = config_controls(first[0])
            config_note = note_area("calc-config-problem")
            workload, training_choices = workload_controls(first[1])
            settings = Fields(config, workload)
            workload_note = note_area("calc-workload-problem")
            saving = gr.Row()
            gr.HTML(tables.symbols_line())
        with gr.Column(scale=5, min_width=320), gr.Tabs(elem_id="calc-tabs", overflow_behavior="wrap") as tabs:
            panels = build_panels(*first, config_note, workload_note, page.options.allow_measuring)
    with saving:
        saved = [measured, *panels.asked(), *settings.all()]
        save_button("Save JSON", "calc-json", json_of, saved)
        save_button("Save CSV", "calc-csv", csv_of, saved)
    # A figure drawn while its panel was hidden takes its width when the panel is shown.
    tabs.select(
        None, None, None, js="() => setTimeout(() => dispatchEvent(new Event('resize')), 50)", api_visibility="private"
    )
    _wire(_Parts(page, buttons, settings, panels, filled, training_choices))
    page.in_address(KEY, {"view": tabs} | by_id([*settings.all(), *panels.asked()]))
    if panels.measuring is not None:
        wire_measuring(panels.measuring, measured, settings.all(), page.options.public)


def _wire(parts: _Parts) -> None:
    """Each change calculates; buttons, and the opening of the tab, fill the fields first."""
    asked = parts.panels.asked()
    inputs = [parts.page.model, *asked, *parts.fields.all()]

    def calculate(reference: str, *values: Any) -> Updates:
        return _shown(parts, parts.page.library.find(reference), *_split(values))

    listeners = [each.input for each in inputs[1:] if not isinstance(each, gr.State)]
    # A text box says only of keys that there was an input: what was pasted is found when the box is left.
    texts = [each for each in inputs if isinstance(each, gr.Textbox)]
    listeners += [listen for each in texts for listen in (each.blur, each.submit)]
    gr.on(listeners, calculate, inputs, parts.outputs(), trigger_mode="always_last", **_IN_ORDER)
    wire_rates(parts.page, parts.panels.after, calculate, inputs, parts.fields, parts.outputs())
    outputs = [parts.filled, *parts.fields.all(), *_fitted(parts).values(), *parts.outputs()]
    for name, button in parts.buttons.items():
        fill = (
            partial(_fill_with_loaded, parts) if name == presets.LOADED else partial(_fill_with, parts, PRESETS[name])
        )
        button.click(fill, inputs, outputs, **_IN_ORDER)
    # Not on the page from the start: it needs the model, which may still be loading when the page is built.
    parts.panels.memory.select(calculate, inputs, parts.outputs(), **_IN_ORDER)
    opened = Drawing(partial(_opened, parts), [parts.filled, *inputs], outputs)
    arrived = Drawing(partial(_arrived, parts), [parts.filled, *inputs], [*outputs, parts.training_choices])
    parts.page.when_opened(KEY, opened, arrived)


def _split(values: tuple[Any, ...]) -> tuple[Asked, dict[str, Any]]:
    """What the panels ask, and the settings, from the values of all inputs but the model."""
    asked, rest = asked_from(values)
    return asked, settings_by_name(*rest)


def _fill_with(parts: _Parts, config: GPTConfig, reference: str, *values: Any) -> Updates:
    asked, settings = _split(values)
    filled = presets.filled_with(settings, config)
    return _fill(parts, parts.page.library.find(reference), asked, settings, filled)


def _fill_with_loaded(parts: _Parts, reference: str, *values: Any) -> Updates:
    def filled() -> Updates:
        loaded = parts.page.library.get(reference)
        asked, settings = _split(values)
        known = {parts.filled: Filled(loaded.reference, loaded.model.config)}
        return known | _fill(parts, loaded, asked, settings, presets.filled_with_loaded(settings, loaded))

    return with_note(parts.panels.results.config_note, filled)


def _fill(
    parts: _Parts, loaded: LoadedModel | None, asked: Asked, before: Mapping[str, Any], settings: Mapping[str, Any]
) -> Updates:
    """Another configuration in the fields, and in those of its attention that stand as the one before filled them."""
    with suppress(ValueError):  # the one before may be impossible
        asked = replace(asked, after=refilled(asked.after, config_from(before), config_from(settings)))
    fitted = {component: getattr(asked.after, name) for name, component in _fitted(parts).items()}
    return fitted | parts.fields.updates(settings) | _shown(parts, loaded, asked, settings)


def _fitted(parts: _Parts) -> dict[str, gr.Number]:
    inputs = parts.panels.after.inputs
    return {name: getattr(inputs, name) for name in FITTED}


def _opened(parts: _Parts, filled: Filled, reference: str, *values: Any) -> Updates:
    """Another model than before fills the fields, unless the visitor has changed them."""

    def drawn() -> Updates:
        loaded = parts.page.library.get(reference)
        asked, settings = _split(values)
        if filled.reference == loaded.reference:
            return {parts.filled: gr.skip()}  # nothing: the visitor may have begun to change something meanwhile
        if presets.untouched(settings, filled):
            return _fill_with_loaded(parts, reference, *values)
        return _shown(parts, loaded, asked, settings)

    return with_note(parts.panels.results.config_note, drawn)


def _arrived(parts: _Parts, filled: Filled, reference: str, *values: Any) -> Updates:
    """A page that opens on this tab: what its link says stays, and no model fills the fields afterwards."""
    asked, settings = _split(values)
    first = asked_from([each.value for each in parts.panels.asked()])[0]
    if settings == settings_by_name(*[each.value for each in parts.fields.all()]) and asked == first:
        return _opened(parts, filled, reference, *values)

    def drawn() -> Updates:
        loaded = parts.page.library.get(reference)
        is_training = {parts.training_choices: gr.update(visible=settings["mode"] == "training")}
        known = {parts.filled: Filled(loaded.reference, loaded.model.config)}
        return known | is_training | _shown(parts, loaded, asked, settings)

    return with_note(parts.panels.results.config_note, drawn)


def _shown(parts: _Parts, loaded: LoadedModel | None, asked: Asked, settings: Mapping[str, Any]) -> Updates:
    """All results, the marked buttons, and what this app keeps where the settings are those of the loaded model."""
    values = calculated_or_refused(asked, settings)
    try:
        config = config_from(settings)
    except ValueError:
        config = None
    whose = presets.marks(parts.buttons, config, loaded)
    if config is not None and loaded is not None:
        is_loaded = same_model(config, loaded.model.config)
        whose |= {parts.panels.kept: loaded_weights(loaded) if is_loaded else textbook_note(loaded.name)}
    return parts.panels.results.updates(values) | whose


def calculated_or_refused(asked: Asked, settings: Mapping[str, Any]) -> Values:
    """All results; what is impossible is said beside its cause, and everything else stays as it was."""
    try:
        config = config_from(settings)
        count_parameters(config)
    except ValueError as error:
        return {"config_note": _refused(error), "workload_note": ""}
    try:
        results = calculated(config, workload_from(settings), asked)
    except ValueError as error:
        return {"config_note": "", "workload_note": _refused(error)}
    return {"config_note": "", "workload_note": ""} | results


def _refused(error: ValueError) -> str:
    return problem(f"{as_labelled(str(error))} The figures on this tab are still those of the settings before.")


def json_of(measured: Measured | None, *values: Any) -> File:
    """The calculation of what the panels ask and of the fields as JSON. Raises ValueError when it is impossible."""
    asked, settings = asked_from(values)
    possible = _possible(settings)
    return json_file(about_settings("calculation", *possible), record(*possible, asked.after, measured))


def csv_of(measured: Measured | None, *values: Any) -> File:
    """Its formulas as CSV, and below them what was measured. Raises ValueError when the settings are impossible."""
    asked, settings = asked_from(values)
    possible = _possible(settings)
    names = [field.name for field in fields(Formula)]
    rows = [*sums(*possible, asked.after), *measured_rows(*possible, measured)]
    return csv_file(
        about_settings("calculation", *possible),
        ["section", *names],
        [[section, *astuple(row)] for section, row in rows],
    )


def _possible(settings: Sequence[Any]) -> tuple[GPTConfig, Workload]:
    """The settings. Raises ValueError when they are impossible."""
    try:
        config, workload = settings_from(*settings)
        answer(config, workload)
    except ValueError as error:
        raise ValueError(f"Nothing is saved. {as_labelled(str(error))}") from error
    return config, workload
