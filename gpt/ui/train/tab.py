"""The Train tab: a training's curves, what its losses mean, what it writes, and looks inside at the steps it kept.

It is the recorded training, or the one that was started here: that is read from its log, again and again while it runs.
"""

from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from ...training.trainer import FINISHED, NOTHING, RUNNING, State, Trainer
from ...training.training_history import History, recorded_history
from ...training.training_request import Asked
from ..common.address_values import by_id
from ..common.code_behind import code_area, code_value
from ..common.components import intro, note_area, plot, plot_area
from ..common.downloads import File, csv_file, save_button
from ..common.drawing import KEPT_EVENT, Drawing, Listener, Updates, with_note
from ..common.page_context import Page
from ..common.page_html import status
from . import figures, words
from .own_training import OwnTraining, own_training
from .saved_step_model import open_step
from .saved_step_view import KeptStep, kept_step
from .training_code import curves_code

KEY = "train"
LABEL = "Train"
_ACCEPTED, _NORM = "share of its sentences that the grammar accepts", "norm of all gradients"
RECORDED, OWN = "Recorded", "Started here"
_POLL_SECONDS = 1.5
_MOST_QUIET = 1200  # looks: whoever watches a paused training for half an hour may have left the page open
_STRANGERS_SECONDS = 60.0
_NOTHING_YET = "Nothing has been trained here yet: open “Train a model of your own”, and start."
_AT_HOME = "This server shows a recorded training. On your own machine the page can train, too: see the README."


@dataclass(frozen=True)
class Seen:
    """What the page has drawn of the training that was started here."""

    training: str
    records: int
    points: int
    last_kept: int | None
    quiet: int = 0  # looks in a row at a training that does not run

    def looks_inside(self) -> tuple[Any, ...]:
        """What changes when there is more than another point of the curves to draw."""
        return self.training, self.points, self.last_kept


def build(page: Page) -> None:
    """Lay the tab out and wire it: curves are drawn again when they change, the kept step whenever one is chosen."""
    intro(
        "A small model learns to write, from random weights on. Follow its loss from knowing nothing down to the best "
        "that is possible, then move through the saved steps: probabilities and attention are noise at first, and "
        "become clear.",
        "after section 4.7; training is chapter 5",
    )
    trains = page.options.allow_training
    source = gr.Radio(
        [RECORDED, OWN],
        value=RECORDED,
        label="Training",
        elem_id="train-source",
        elem_classes=["chips"],
        visible=trains,
    )
    own = own_training(page, Trainer(_STRANGERS_SECONDS if page.options.public else None)) if trains else None
    if own is None:
        gr.HTML(f'<p class="hint">{_AT_HOME}</p>')
    note = note_area("train-note")
    said = gr.HTML(elem_id="train-said", elem_classes=["flush"])
    over = gr.Radio(
        [figures.STEPS, figures.TOKENS], value=figures.STEPS, label="Over", elem_id="train-over", elem_classes=["chips"]
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            loss = plot_area("train-loss")
        with gr.Column(scale=2, min_width=320):
            course = plot_area("train-course")
    save = gr.Row()
    behind = code_area("train-code")
    inside = kept_step(recorded_history())

    def history_of(chosen: str | None) -> History:
        if chosen != OWN or own is None:
            return recorded_history()
        history = own.trainer.history()
        if history is None:
            raise ValueError(_NOTHING_YET if own.trainer.state().kind != RUNNING else "The trainer starts …")
        return history

    def asked_of(chosen: str | None) -> Asked | None:
        return own.trainer.asked if chosen == OWN and own is not None else None

    def draw_curves(chosen: str | None, axis: str | None) -> Updates:
        def drawn() -> Updates:
            history = history_of(chosen)
            return {
                said: status(words.about(history)),
                loss: plot(_losses(history, axis or figures.STEPS), words.of_training("loss", history)),
                course: plot(_course(history, axis or figures.STEPS), words.of_training("course", history)),
                behind: code_value(curves_code(asked_of(chosen), history, _field(axis or figures.STEPS))),
            }

        return {said: "", loss: None, course: None, behind: ""} | with_note(note, drawn)

    def draw_step(chosen: str | None, *values: Any) -> Updates:
        # Of a training that is not there nothing is shown: what stood there is another's.
        return inside.nothing() | with_note(note, lambda: inside.updates(history_of(chosen), asked_of(chosen), *values))

    def draw(chosen: str | None, axis: str | None, *values: Any) -> Updates:
        return draw_curves(chosen, axis) | draw_step(chosen, *values)

    curves = [note, said, loss, course, behind]
    everything = Drawing(
        draw, [source, over, *inside.inputs()], [*curves, *inside.outputs()], reads_text=own is not None
    )
    page.reachable(KEY, training=source, over=over, saved=inside.step, scores=inside.measure, head=inside.head)
    if own is not None:
        page.in_address(KEY, by_id(own.in_address))
    page.when_opened(KEY, everything)
    (chosen_is_drawn,) = everything.draw_on(source.input)
    of_curves = Drawing(draw_curves, [source, over], curves, reads_text=False)
    of_curves.draw_on(over.input)
    of_step = Drawing(draw_step, [source, *inside.inputs()], [note, *inside.outputs()], reads_text=own is not None)
    _wire_step(inside, of_step)
    if own is not None:
        with inside.opening:
            best = open_step(page, own.trainer, inside.step, source, OWN)
        _follow(page, own, source, chosen_is_drawn, best, of_curves, everything)

    def file(chosen: str | None) -> File | None:
        try:
            history = history_of(chosen)
            return csv_file(words.of_training("measurements", history), *words.rows_of(history))
        except ValueError:
            return None

    with save:
        save_button("Save the measurements as CSV", "train-csv", file, [source])


def _follow(
    page: Page,
    own: OwnTraining,
    source: gr.Radio,
    chosen_is_drawn: Listener,
    best: gr.Button,
    curves: Drawing,
    everything: Drawing,
) -> None:
    """Draw the training that was started here while it runs, also for those who did not start it."""
    clock = gr.Timer(_POLL_SECONDS, active=False)
    drawn = gr.State(None)  # Seen: what the page has drawn of it

    def stands(state: State, history: History | None, chosen: str | None, quiet: int = 0) -> Updates:
        # Somebody else may go on with what is paused: who watches it is to see that.
        watches = chosen == OWN and state.kind != NOTHING and quiet < _MOST_QUIET
        told = own.updates(state, history) | {clock: gr.Timer(active=state.kind == RUNNING or watches)}
        return told | {best: gr.update(interactive=chosen == OWN and state.kind == FINISHED)}

    def look(before: Seen | None, chosen: str | None, axis: str | None, step: str | None, *values: Any) -> Updates:
        state = own.trainer.state()  # before its log is read: what it wrote last would else never be drawn
        history = own.trainer.history()
        quiet = 0 if before is None or state.kind == RUNNING else before.quiet + 1
        told = stands(state, history, chosen, quiet)
        if history is None or chosen != OWN:
            return told
        now = Seen(
            own.trainer.name, len(history.records), len(history.points), history.nearest_kept(history.steps_done)
        )
        told[drawn] = replace(now, quiet=quiet)
        if before is None or now.looks_inside() != before.looks_inside():
            # Who looks at the newest step goes on to the next one.
            follows = before is None or step is None or int(step) >= (before.last_kept or 0)
            step = None if follows else step
            return told | everything.fn(chosen, axis, step, *values)
        return told | (curves.fn(chosen, axis) if now.records != before.records else {})

    def begin(chosen: str | None) -> Updates:
        return stands(own.trainer.state(), own.trainer.history(), chosen)

    def show_own() -> Updates:
        if own.trainer.state().kind == NOTHING:  # the start was refused
            return {clock: gr.Timer(active=False)}
        return {source: OWN, drawn: None, clock: gr.Timer(active=True)}

    outputs = [clock, best, drawn, *own.outputs(), *everything.outputs]
    clock.tick(look, [drawn, *everything.inputs], outputs, trigger_mode="once", **KEPT_EVENT)
    page.when_opened(KEY, Drawing(begin, [source], [clock, best, *own.outputs()], reads_text=False))
    # Not before: a look that still brings the other training's saved step would be refused.
    chosen_is_drawn(begin, [source], [clock, best, *own.outputs()], **KEPT_EVENT)
    for listen in own.changed:
        listen(show_own, None, [source, drawn, clock], **KEPT_EVENT)


def _wire_step(inside: KeptStep, drawing: Drawing) -> None:
    def choose(event: gr.SelectData) -> Updates:
        return {inside.head: int(event.index)}

    chosen = [field.select(choose, None, [inside.head], **KEPT_EVENT).then for field in (inside.maps, inside.field)]
    drawing.draw_on(inside.step.input, inside.measure.input, *chosen)


def _x(record: Any, over: str) -> float:
    return float(record[_field(over)])


def _field(over: str) -> str:
    """The field of a record that the curves are drawn over."""
    return "tokens_seen" if over == figures.TOKENS else "step"


def _losses(history: History, over: str) -> Any:
    trained = [record for record in history.records if record.get("loss") is not None]
    return figures.loss_figure(
        ([_x(each, over) for each in trained], [each["loss"] for each in trained]),
        ([_x(each, over) for each in history.points], [each["heldout_loss"] for each in history.points]),
        words.lines(history),
        over,
    )


def _course(history: History, over: str) -> Any:
    trained = [record for record in history.records if record.get("loss") is not None]
    shares = [(_x(each, over), share) for each in history.points if (share := words.accepted_share(each)) is not None]
    curves: dict[str, figures.Curve] = {}
    if shares:
        curves[_ACCEPTED] = ([x for x, _ in shares], [y for _, y in shares])
    x = [_x(each, over) for each in trained]
    curves["learning rate"] = (x, [each["rate"] for each in trained])
    curves[_NORM] = (x, [each["gradient_norm"] for each in trained])
    return figures.course_figure(curves, [_NORM], [_ACCEPTED], over)
