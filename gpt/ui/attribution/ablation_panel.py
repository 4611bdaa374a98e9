"""Switch parts off: all heads, feed-forwards and blocks as a field, what one prediction becomes without some of them,
and the text that the model writes then.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from ...attribution.ablation import ablate
from ...attribution.head_effects import BlockEffects, Change, change, head_effects
from ...attribution.reference_text import reference_ids
from ...model import GPTModel
from ...runs import Run, first_difference, grow
from ..common.captions import About, about_run
from ..common.code_behind import code_area, code_value
from ..common.components import note_area
from ..common.downloads import File, csv_file
from ..common.drawing import MODEL_EVENT, Listener, Updates
from ..common.head_field import head_field
from ..common.number_format import chance
from ..common.page_context import Page
from ..common.saved_pictures import pictured
from ..common.stoppable_work import Ongoing, stop_for, stop_when_clicked
from ..common.token_strip import strip_html, strip_token, token_strip
from . import ablation_words as words
from .ablation_words import Off
from .panel_code import switching_code
from .prediction import Prediction, prediction_of
from .view_panel import TAB, Kept, Panel, limits, small_button, streaming

ZERO, MEAN = "nothing", "their mean over a story"

_effects: Kept[BlockEffects] = Kept()


@dataclass(frozen=True)
class _Components:
    area: gr.Column
    off: gr.State  # Off
    field: gr.HTML
    legend: gr.HTML
    by: gr.Radio
    measure: gr.Button
    clear: gr.Button
    stop: gr.Button
    said: gr.HTML
    candidates: gr.HTML
    again: gr.Button
    original: gr.HTML
    rewritten: gr.HTML
    note: gr.HTML
    save: gr.Row
    code: gr.HTML


def build(page: Page, _: gr.HTML) -> Panel:
    """Lay the panel out, hidden, and wire what only it changes."""
    made = _lay_out()

    def draw(run: Run, position: int | None, off: Off, way: str) -> Updates:
        return _drawn(made, prediction_of(page.library, run, position), off, way)

    def switch(event: gr.SelectData, run: Run | None, off: Off) -> Off:
        if run is None:
            return off
        config = page.library.get(run.model_name).model.config
        return off ^ {words.part_at(config, int(event.index))}

    switched = made.field.select(switch, [page.run, made.off], [made.off], api_visibility="private")
    cleared = made.clear.click(frozenset, None, [made.off], api_visibility="private")
    page.remember_in_address(TAB, "off", made.off, words.off_text, lambda query: words.off_from(query.get("off", "")))
    ongoing = Ongoing()
    _wire_long(page, made, ongoing)
    _wire_saving(page, made)
    outputs = [
        made.field,
        made.legend,
        made.measure,
        made.said,
        made.candidates,
        made.again,
        made.original,
        made.rewritten,
        made.code,
    ]
    redraws: list[Listener] = [made.by.input, switched.then, cleared.then]
    return Panel(made.area, made.note, draw, [made.off, made.by], outputs, redraws, ongoing=ongoing)


def _lay_out() -> _Components:
    made: dict[str, Any] = {"off": gr.State(frozenset())}
    with gr.Column(visible=False) as made["area"]:
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=280):
                made["field"] = head_field("off-field")
                made["legend"] = gr.HTML(elem_classes=["flush"])
                made["by"] = gr.Radio(
                    [ZERO, MEAN],
                    value=ZERO,
                    label="In their place",
                    info="What parts that are off add to the stream.",
                    elem_id="off-by",
                    elem_classes=["chips"],
                )
                with gr.Row():
                    made["measure"] = small_button("Measure the other heads", "off-measure")
                    made["clear"] = small_button("Switch all on", "off-clear")
                    made["stop"] = stop_for("off-stop", size="sm")
            with gr.Column(scale=3, min_width=320):
                made["said"] = gr.HTML(elem_id="off-said", elem_classes=["flush"])
                made["candidates"] = gr.HTML(elem_id="off-candidates", elem_classes=["flush"])
                made["again"] = gr.Button("Write it again without them", variant="primary", elem_id="off-again")
        with gr.Row(equal_height=False, elem_classes=["sides", "run-and-branch", "once-written"]):
            with gr.Column(min_width=320):
                gr.HTML('<p class="branch-heading"><b>Original</b></p>')
                made["original"] = token_strip("off-original")
            with gr.Column(min_width=320):
                gr.HTML('<p class="branch-heading branch"><b>Without them</b>, settings and seed as before</p>')
                made["rewritten"] = token_strip("off-rewritten", "tokens of the text without the parts")
        made["note"] = note_area("off-note")
        limits(
            "An effect on one prediction of one text: to name a head, average over many. Other parts may do a part's "
            "work while it is off, so a head without effect need not be useless."
        )
        made["save"] = gr.Row()
        made["code"] = code_area("off-code")
    return _Components(**made)


def _drawn(made: _Components, prediction: Prediction, off: Off, way: str) -> Updates:
    config = prediction.model.config
    effects = _effects.in_a_moment(_question(prediction, way), _steps(prediction, way), config.n_layers)
    found = _changed(prediction, off, way)
    return {
        **_field(made, prediction, off, effects, way),
        made.measure: gr.update(interactive=len(effects) < config.n_layers),
        made.said: words.change_text(prediction, found, words.named(config, off), way),
        made.candidates: "" if found is None else _candidates(prediction, found, off, way),
        made.again: gr.update(interactive=found is not None),
        made.original: "",
        made.rewritten: "",
        made.code: code_value(switching_code(prediction, words.parts_off(config, off), _by(way))),
    }


def _field(made: _Components, prediction: Prediction, off: Off, effects: Sequence[BlockEffects], way: str) -> Updates:
    """The field of all parts, coloured as far as heads were measured, and what its colours mean."""
    about = replace(_about("effect of every head", prediction, off, way), colours=words.colours(effects))
    return {
        made.field: pictured(about, words.field(prediction.model.config, off, effects)),
        made.legend: words.legend(effects),
    }


def _candidates(prediction: Prediction, found: Change, off: Off, way: str) -> str:
    about = _about("candidates before and after", prediction, off, way)
    return pictured(about, words.candidates_table(prediction, found))


def _about(what: str, prediction: Prediction, off: Off, way: str) -> About:
    return _without(about_run(f"Inside: {what}", prediction.run, prediction.position), prediction.model, off, way)


def _without(about: About, model: GPTModel, off: Off, way: str) -> About:
    """The same, and without which parts."""
    names = words.named(model.config, off)
    return about.at(without=f"without {names}" if names else "", by=f"by {_by(way)}")


def _wire_long(page: Page, made: _Components, ongoing: Ongoing) -> None:
    """What takes longer than a redraw may: the effects of all heads, and another text."""

    def measured(run: Run, position: int | None, off: Off, way: str) -> Iterator[Updates]:
        prediction = prediction_of(page.library, run, position)
        for effects in _effects.more(_question(prediction, way), _steps(prediction, way)):
            yield _field(made, prediction, off, effects, way)

    def compare(run: Run | None) -> Updates:
        return {made.original: "" if run is None else _original(run), made.rewritten: ""}

    def rewrite(run: Run, off: Off, way: str) -> Iterator[Updates]:
        model = page.library.get(run.model_name).model
        about = _without(about_run("Inside: text without parts", run), model, off, way)
        original, n_given = _original(run), _n_given(run)
        for other in grow(_altered(model, off, way), replace(run, steps=run.steps[:n_given])):
            again = _strip(other, about, first_difference(run, other), n_given)
            # Both: a redraw that was under way may have emptied them.
            yield {made.original: original, made.rewritten: again}

    made.measure.click(
        streaming(ongoing, made.stop, made.note, measured),
        [page.run, page.position, made.off, made.by],
        [made.field, made.legend, made.stop, made.note],
        **MODEL_EVENT,
    )
    shown = made.again.click(compare, [page.run], [made.original, made.rewritten], api_visibility="private")
    shown.then(
        streaming(ongoing, made.stop, made.note, rewrite),
        [page.run, made.off, made.by],
        [made.original, made.rewritten, made.stop, made.note],
        **MODEL_EVENT,
    )
    stop_when_clicked(made.stop, ongoing)


def _wire_saving(page: Page, made: _Components) -> None:
    def measured(run: Run, position: int | None, way: str) -> File | None:
        prediction = prediction_of(page.library, run, position)
        effects = _effects.of(_question(prediction, way))
        about = about_run("Inside: heads switched off", run, prediction.position).at(by=f"by {_by(way)}")
        return csv_file(about, _EFFECT_COLUMNS, _effect_rows(effects)) if effects else None

    def candidates(run: Run, position: int | None, off: Off, way: str) -> File | None:
        prediction = prediction_of(page.library, run, position)
        found = _changed(prediction, off, way)
        if found is None:
            return None
        about = _about("candidates before and after", prediction, off, way)
        return csv_file(about, words.CANDIDATE_COLUMNS, words.candidate_rows(prediction, found))

    with made.save:
        page.save_button("Save the measured effects as CSV", "off-csv", measured, [page.position, made.by])
        page.save_button(
            "Save the candidates as CSV", "off-candidates-csv", candidates, [page.position, made.off, made.by]
        )


def _question(prediction: Prediction, way: str) -> tuple[object, ...]:
    return prediction.run.model_name, prediction.ids, prediction.token_id, way


def _reference(model: GPTModel, way: str) -> list[int] | None:
    return reference_ids(model) if way == MEAN else None


def _by(way: str) -> str:
    return "mean" if way == MEAN else "zero"


def _steps(prediction: Prediction, way: str) -> Callable[[int], Iterator[BlockEffects]]:
    def steps(first_block: int) -> Iterator[BlockEffects]:
        model, reference = prediction.model, _reference(prediction.model, way)
        return head_effects(model, prediction.ids, prediction.token_id, None, _by(way), reference, first_block)

    return steps


def _altered(model: GPTModel, off: Off, way: str) -> GPTModel:
    return ablate(model, **words.parts_off(model.config, off), by=_by(way), reference=_reference(model, way))


def _changed(prediction: Prediction, off: Off, way: str) -> Change | None:
    """What the prediction becomes, None while all parts are on."""
    if not words.named(prediction.model.config, off):
        return None
    return change(prediction.model, _altered(prediction.model, off, way), prediction.ids, prediction.token_id)


_STRIP_COLOURS = "The stronger the blue, the more probable the token was."
_FIRST_DIFFERENCE = " Framed: the first token that differs."


def _n_given(run: Run) -> int:
    """How many steps of a run stay as they are: those of a branch up to the token that somebody chose."""
    return 0 if run.parted_at is None else run.parted_at + 1 - len(run.prompt_ids)


def _original(run: Run) -> str:
    return _strip(run, about_run("Inside: original text", run), None)


def _strip(run: Run, about: About, differs_at: int | None, n_given: int = 0) -> str:
    """The tokens of a run, those after the given ones coloured by their probability, the first that differs marked."""
    about = replace(about, colours=_STRIP_COLOURS + _FIRST_DIFFERENCE * (differs_at is not None))
    given = [strip_token(run.reader, token_id) for token_id in run.ids[: len(run.prompt_ids) + n_given]]
    new = [
        strip_token(run.reader, step.token_id, chance(step.probability), step.probability, "new")
        for step in run.steps[n_given:]
    ]
    return pictured(about, strip_html([*given, *new], differs_at))


_EFFECT_COLUMNS = ("block", "head", "change of log p, nats", "change of logit minus mean logit", "KL, nats")


def _effect_rows(effects: Sequence[BlockEffects]) -> list[tuple[int, int, float, float, float]]:
    return [
        (each.block, head, float(each.logprob[head]), float(each.logit_difference[head]), float(each.kl[head]))
        for each in effects
        for head in range(len(each.kl))
    ]
