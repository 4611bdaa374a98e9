"""A training started from the page: its settings, what it would take, and the buttons that start and stop it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from ...engine.fair_share import ASKING
from ...training.trainer import ENDED, FINISHED, NOTHING, PAUSED, RUNNING, State, Trainer
from ...training.training_forecast import forecast
from ...training.training_history import History
from ...training.training_progress import time_left
from ...training.training_request import Asked
from ..common.components import note_area
from ..common.drawing import KEPT_EVENT, Drawing, Listener, Updates, with_note
from ..common.page_context import Page
from ..common.page_html import problem, status
from . import forecast_words, training_settings
from .training_settings import Settings

STARTS = "The trainer starts: Python and torch take some seconds …"


@dataclass(frozen=True)
class OwnTraining:
    """The buttons, and where it is said how the training stands; `changed` are what happens after a button."""

    trainer: Trainer
    start: gr.Button
    pause: gr.Button
    step: gr.Button
    go_on: gr.Button
    stop: gr.Button
    again: gr.Button
    stands: gr.HTML
    changed: Sequence[Listener]
    in_address: Sequence[Any]  # the settings that a link may fill in

    def outputs(self) -> list[Any]:
        """All that `updates` may change."""
        return [self.start, self.pause, self.step, self.go_on, self.stop, self.again, self.stands]

    def updates(self, state: State, history: History | None) -> Updates:
        """How it stands, and what the visitor who asks may do."""
        mine = self.trainer.is_owned_by(ASKING.get().address)
        return {
            self.start: gr.update(interactive=state.kind != RUNNING),
            self.pause: gr.update(interactive=mine and state.kind == RUNNING),
            self.step: gr.update(interactive=mine and state.can_go_on),
            self.go_on: gr.update(interactive=mine and state.can_go_on),
            self.stop: gr.update(interactive=mine and (state.kind == RUNNING or state.can_go_on)),
            self.again: gr.update(interactive=mine and state.kind not in (NOTHING, RUNNING)),
            self.stands: problem(state.said) if state.kind == ENDED else status(_stands(state, history)),
        }


def own_training(page: Page, trainer: Trainer) -> OwnTraining:
    """Lay it out and wire it; what a button does is drawn by those who listen to `changed`."""
    local = page.library.local_files
    with gr.Accordion("Train a model of your own", open=False, elem_id="train-own") as panel:
        asked = training_settings.settings(local)
        takes = gr.HTML(elem_id="train-forecast", elem_classes=["flush"])
        note = note_area("train-own-note")
        with gr.Row():
            shape: dict[str, Any] = {"scale": 0, "min_width": 130}
            start = gr.Button("Start training", variant="primary", elem_id="train-start", **shape)
            pause = gr.Button("Pause", elem_id="train-pause", interactive=False, **shape)
            step = gr.Button("One step", elem_id="train-one-step", interactive=False, **shape)
            go_on = gr.Button("Go on", elem_id="train-go-on", interactive=False, **shape)
            stop = gr.Button("Stop", elem_id="train-stop", interactive=False, **shape)
            again = gr.Button(
                "Start again from the same weights",
                elem_id="train-again",
                interactive=False,
                **shape | {"min_width": 310},
            )
        if page.options.public:
            gr.HTML('<p class="hint">One training at a time on this server, a minute at a stretch.</p>')
    stands = gr.HTML(elem_id="train-stands", elem_classes=["flush"])
    _wire_forecast(asked, trainer, local, takes, note, panel.expand)
    of_strangers = page.options.public

    def start_it(*values: Any) -> Updates:
        def started() -> Updates:
            what = training_settings.asked(*values, local_files=local)
            _told(what, trainer)  # refuses what cannot be trained, before a process is made
            trainer.start(what, ASKING.get().address if of_strangers else None)
            return {start: gr.update(interactive=False)}

        return with_note(note, started)

    def steering(button: gr.Button, does: Callable[[], None], says: str) -> Listener:
        """What happens after a button of the training that there is, for the visitor who may press it."""

        def done() -> Updates:
            trainer.check_owner(ASKING.get().address)
            does()
            return {button: gr.update(interactive=False), stands: status(says)}

        click = button.click(lambda: with_note(note, done), None, [note, button, stands], **KEPT_EVENT)
        return click.then

    changed: list[Listener] = [
        start.click(start_it, asked.all(), [note, start], **KEPT_EVENT).then,
        steering(pause, trainer.pause, "It ends after this step, and keeps all of it …"),
        steering(step, lambda: trainer.go_on(most_steps=1), STARTS),
        steering(go_on, trainer.go_on, STARTS),
        steering(stop, trainer.stop, "It ends after this step, and writes the best model so far …"),
        steering(again, trainer.start_again, STARTS),
    ]
    filled = [asked.preset, *(each for each in asked.all() if each not in asked.texts())]
    return OwnTraining(trainer, start, pause, step, go_on, stop, again, stands, changed, filled)


def _wire_forecast(
    asked: Settings, trainer: Trainer, local: bool, takes: gr.HTML, note: gr.HTML, opened: Listener
) -> None:
    def tell(*values: Any) -> Updates:
        told = with_note(note, lambda: {takes: _told(training_settings.asked(*values, local_files=local), trainer)})
        return {takes: ""} | told  # what stood there is of other settings than those that are refused

    drawing = Drawing(tell, asked.all(), [note, takes], reads_text=False)
    filled = asked.preset.input(asked.filled, [asked.preset], list(asked.numbers.values()), **KEPT_EVENT)
    typed = [each for each in asked.all() if isinstance(each, gr.Textbox | gr.Number)]
    chosen = [each for each in asked.all() if each not in typed]
    drawing.draw_on(opened, filled.then, *(each.blur for each in typed), *(each.input for each in chosen))


def _told(asked: Asked, trainer: Trainer) -> str:
    """HTML: what the training would take, and what to expect. Raises ValueError for one that cannot be."""
    with training_settings.parsed(asked) as parsed:
        found = forecast(parsed)
    lines = "".join(
        f"<li><b>{about}</b>: {escape(said)}</li>" for about, said in forecast_words.to_expect(found).items()
    )
    takes = forecast_words.takes(found, *forecast_words.rate_of(trainer.history()))
    return f'{status(takes)}<ul class="hints">{lines}</ul>'


def _stands(state: State, history: History | None) -> str:
    """Plain sentence about a training that has not ended by itself."""
    if state.kind == NOTHING:
        return ""
    if history is None:
        return STARTS if state.kind == RUNNING else "Paused."
    at = f"step {history.steps_done:,} of {history.steps_planned:,}"
    if state.kind == FINISHED:
        return f"Finished: {at}."
    if state.kind == PAUSED:
        return f"Paused after {at}. One step and Go on continue from there; Start training begins another one."
    timed = history.latest_seconds
    if not timed:
        return f"Training: {at}."
    seconds = sum(timed) / len(timed)
    schedule = history.about["plan"]["schedule"]
    speed = schedule["batch_size"] * history.about["config"]["context_length"] / seconds
    left = (history.steps_planned - history.steps_done) * seconds
    return f"Training: {at}, {speed:,.0f} tokens/s, {time_left(left)} left, and the time to measure."
