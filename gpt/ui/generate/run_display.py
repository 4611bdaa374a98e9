"""Where the run of the Generate tab is kept and shown, and what the page shows of it while it grows."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from threading import Event
from time import monotonic
from typing import Any

import gradio as gr

from ...runs import Run, finish_reason, finished, n_unread
from ...tokenizer import StreamDecoder
from ..common.captions import about_run
from ..common.code_behind import code_value
from ..common.drawing import Updates
from ..common.linked_branch import branch_text
from ..common.number_format import chance, counted
from ..common.redraw_pace import paced
from ..common.saved_pictures import pictured
from ..common.stoppable_work import Ongoing, stop_button
from ..common.time_limit import time_is_over, within
from ..common.token_strip import strip_html, strip_token
from ..common.waiting_events import Waits
from .run_steps_code import run_steps_code


@dataclass(frozen=True)
class RunDisplay:
    """Where a run is kept and shown as it grows, its prompt, the button that stops it, and the line about its model."""

    run: gr.State
    prompt: gr.Textbox
    strip: gr.HTML
    text: gr.Textbox
    status: gr.HTML
    stop: gr.Button
    code: gr.HTML  # of the run as it is when it has ended
    whose: gr.HTML  # says so when the run is not of the model that is loaded
    branch: gr.Textbox  # `Page.branch`
    beside: gr.Column  # what stands beside the run, hidden while another one grows

    def all(self) -> list[Any]:
        """As a list."""
        return list(vars(self).values())

    def shown(self, run: Run) -> Updates:
        """The run as a strip and as plain text."""
        return {self.strip: run_strip(run), self.text: "".join(_pieces(run))}

    def behind(self, run: Run) -> Updates:
        """The code that writes the run."""
        return {self.code: code_value(run_steps_code(run))}

    def buttons(self, running: bool) -> Updates:
        """Start or Stop, whichever can be pressed now."""
        return {self.stop: stop_button(running)}

    def waits(self, ongoing: Ongoing, place: gr.HTML, stopped: str) -> Waits:
        """What `place` says while an event waits for its model or its turn; `stopped` where Stop has ended that."""
        return Waits(
            ongoing,
            say=lambda said: {place: status(said)} | self.buttons(running=True),
            stopped=lambda: {place: status(stopped)} | self.buttons(running=False),
        )

    def growing(self, runs: Iterator[Run], stopped: Event, most_seconds: float | None) -> Iterator[Updates]:
        """What the page shows of a run by the loaded model: at a rate the eye can follow, and how it ended."""
        written, started = 0, monotonic()

        def watched() -> Iterator[Run]:
            nonlocal written
            for run in runs:
                written += not run.steps[-1].forced  # a branch keeps what was written before, and one token is given
                yield run

        beginning = self.buttons(running=True) | {self.whose: "", self.beside: gr.update(visible=False)}
        for run, is_last in paced(within(watched(), most_seconds), stopped):
            shown = {self.run: run, self.branch: branch_text(run)} | self.shown(run)
            if is_last:
                limit = None if stopped.is_set() else most_seconds
                rate = written / max(monotonic() - started, 1e-9)
                ending = {self.status: _ending(run, rate, limit), self.whose: ""} | self.behind(run)
                yield shown | ending | self.buttons(running=False)
            else:
                yield shown | {self.status: status(f"{length(run)} …")} | beginning
                beginning = {}


def run_strip(run: Run, what: str = "Generate: tokens", marked: int | None = None) -> str:
    """The strip of a run. Generated tokens are coloured by probability, prompt tokens are not; one may be marked."""
    prompt = [strip_token(run.reader, token_id, "prompt") for token_id in run.prompt_ids]
    new = [
        strip_token(
            run.reader, step.token_id, f"{chance(step.probability)}, rank {step.rank:,}", step.probability, "new"
        )
        for step in run.steps
    ]
    colours = "The stronger the blue, the more probable the token was when it was chosen."
    return pictured(about_run(what, run, colours=colours), strip_html([*prompt, *new], marked, n_unread(run)))


def status(text: str, safe: bool = False, aloud: str = "") -> str:
    """HTML of the line under the strip; text is plain unless it is safe.

    Screen readers say it with `aloud` behind it, unless it ends in an ellipsis: then something is still under way.
    """
    told = "" if text.endswith("…") else f' data-aloud="{escape(aloud)}"'
    return f'<p class="status"{told}>{text if safe else escape(text)}</p>'


def length(run: Run) -> str:
    """How many tokens a run has got."""
    return counted(len(run.steps), "new token")


def _ending(run: Run, rate: float, limit: float | None) -> str:
    """How a run ended; one that is not finished reached the limit of seconds, or without one was stopped.

    rate is in tokens/s.
    """
    if not finished(run):
        said = f"{length(run)}, stopped." if limit is None else f"{length(run)}. {time_is_over(limit)}"
        return status(said, aloud=_new_text(run))
    ending = "the model ended the text" if finish_reason(run) == "eos" else "length reached"
    said = f'{length(run)}, {ending}. <span class="measured">{rate:,.1f} tokens/s</span>'
    return status(said, safe=True, aloud=_new_text(run))


def _new_text(run: Run) -> str:
    return "".join(_pieces(run)[len(run.prompt_ids) :])


def _pieces(run: Run) -> list[str]:
    """What each token adds to the text: an incomplete character is held back until the rest of it is there."""
    return list(map(StreamDecoder(run.reader).push, run.ids))
