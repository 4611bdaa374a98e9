"""The Generate tab: a prompt goes in, tokens come out one at a time, coloured by their probability."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from time import monotonic
from typing import Any

import gradio as gr

from ..generation import Run
from ..sampling import Sampling
from ..tokenizer import StreamDecoder, Tokenizer
from ..weights import WeightsError
from .numbers import percent
from .runs import finish_reason, finished, grow, new_run, settings_from
from .shared import MODEL_EVENT, Page, intro, problem
from .strip import probability_legend, strip_token, strip_value, token_strip

KEY = "generate"
LABEL = "Generate"
DEFAULT_PROMPT = "Every effort moves you"
EXAMPLES = (
    DEFAULT_PROMPT,
    "Hello, I am",
    "Once upon a time there was a little",
    '"Where are you going?" asked the',
)
DEFAULT_LENGTH = 50

# The page is redrawn at most this often: faster than the eye follows costs time and shows nothing.
_REDRAW_SECONDS = 0.04

_TOKENIZER = Tokenizer()


@dataclass(frozen=True)
class Controls:
    """The inputs of a run, in the order `stream` takes them; their elem_ids name them in the address bar."""

    prompt: gr.Textbox
    length: gr.Slider
    temperature: gr.Slider
    top_k: gr.Slider
    top_p: gr.Slider
    seed: gr.Number
    greedy: gr.Checkbox

    def all(self) -> list[Any]:
        """As a list."""
        return list(vars(self).values())


@dataclass(frozen=True)
class Generating:
    """The controls and strip of the tab, what starts a run (a function, inputs and outputs), and that event."""

    controls: Controls
    strip: gr.HTML
    fn: Callable[..., Any]
    inputs: list[Any]
    outputs: list[Any]
    running: Any


def build(page: Page) -> Generating:
    """Lay the tab out and wire all but Stop."""
    intro(
        "Type a beginning and watch the model continue it one token at a time; the deeper the blue, the more "
        "probable the token was. Click a token to see what else it could have been.",
        "section 4.7",
    )
    with gr.Row(elem_id="generating"):
        with gr.Column(min_width=0, elem_classes=["asking"]):
            prompt, start, stop = _asking()
        with gr.Column(min_width=0, elem_classes=["answer"]):
            strip = token_strip("run-strip")
            gr.HTML(probability_legend())
            status = gr.HTML(elem_id="run-status")
            with gr.Accordion("Plain text", open=False):
                text = gr.Textbox(show_label=False, container=False, lines=4, buttons=["copy"], elem_id="run-text")
        with gr.Column(min_width=0, elem_classes=["settings"]):
            controls = Controls(prompt, *_settings())

    def stream(
        reference: str,
        prompt: str,
        length: float,
        temperature: float,
        top_k: float,
        top_p: float,
        seed: float,
        greedy: bool,
    ) -> Iterator[tuple[Any, ...]]:
        try:
            if not page.library.is_loaded(reference):
                yield gr.skip(), gr.skip(), gr.skip(), _said("Loading the model …"), *_buttons(running=True)
            sampling = Sampling(0.0 if greedy else temperature, int(top_k), top_p)
            run = new_run(page.library, reference, prompt, settings_from(length, sampling, seed))
            yield from _drawn(run, grow(page.library, run))
        except (ValueError, WeightsError) as error:
            yield gr.skip(), gr.skip(), gr.skip(), problem(str(error)), *_buttons(running=False)

    outputs = [page.run, strip, text, status, start, stop]
    inputs = [page.model, *controls.all()]
    running = gr.on([start.click, controls.prompt.submit], stream, inputs, outputs, **MODEL_EVENT)
    return Generating(controls, strip, stream, inputs, outputs, running)


def one_run_at_a_time(page: Page, generating: Generating, first_run: Any) -> None:
    """Make Stop, and whatever starts another run, end those that are growing; what they have shown stays."""
    _, strip, text, status, start, stop = generating.outputs
    here = [generating.running, first_run]
    elsewhere = [running.event for running in page.running]

    def stopped(run: Run | None) -> tuple[Any, ...]:
        said = gr.skip() if run and finished(run) else _said(f"{_length(run)}, stopped.")
        return *_redrawn(run), said, *_buttons(running=False)

    def end(trigger: Callable[..., Any], events: list[Any]) -> None:
        trigger(None, cancels=events, api_visibility="private").then(
            stopped,
            [page.run],
            [strip, text, status, start, stop],
            api_visibility="private",
        )

    end(stop.click, here + elsewhere)
    for running in page.running:
        end(running.trigger, [event for event in here + elsewhere if event is not running.event])
    if elsewhere:
        gr.on([start.click, generating.controls.prompt.submit], None, cancels=elsewhere, api_visibility="private")


def redraw_when_opened(page: Page, generating: Generating) -> None:
    """Another tab may have made the run that is shown: draw it again when this tab comes back."""
    _, strip, text, *_ = generating.outputs
    page.when_opened(KEY, _redrawn, [page.run], [strip, text])


def _redrawn(run: Run | None) -> tuple[Any, Any]:
    return (gr.skip(), gr.skip()) if run is None else (run_strip(run), _text(run))


def _asking() -> tuple[gr.Textbox, gr.Button, gr.Button]:
    prompt = gr.Textbox(
        DEFAULT_PROMPT, label="Prompt", lines=2, max_lines=8, elem_id="prompt", info="Shift + Enter starts."
    )
    with gr.Row(elem_classes=["examples"]):
        for example in EXAMPLES:
            button = gr.Button(example, size="sm", variant="secondary", min_width=60)
            button.click(lambda text=example: text, None, [prompt], api_visibility="private")
    start = gr.Button("Generate", variant="primary", elem_id="generate")
    stop = gr.Button("Stop", variant="stop", visible=False, elem_id="stop")
    return prompt, start, stop


def _settings() -> tuple[Any, ...]:
    with gr.Row():
        length = gr.Slider(
            1, 500, DEFAULT_LENGTH, step=1, label="Length", info="New tokens to write.", elem_id="length"
        )
        temperature = gr.Slider(
            0.05, 2, 0.8, step=0.05, label="Temperature", info="Low is safe, high surprises.", elem_id="temperature"
        )
    greedy = gr.Checkbox(False, label="Greedy: always the most probable token, no chance", elem_id="greedy")
    with gr.Accordion("Top-k, top-p, seed", open=False), gr.Row():
        top_k = gr.Slider(0, 200, 50, step=1, label="Top-k", info="Only the k likeliest; 0 is off.", elem_id="top_k")
        top_p = gr.Slider(
            0.05, 1, 1, step=0.01, label="Top-p", info="Only the likeliest with this share; 1 is off.", elem_id="top_p"
        )
        seed = gr.Number(
            123, label="Seed", precision=0, minimum=0, info="Same seed, same text.", min_width=120, elem_id="seed"
        )
    return length, temperature, top_k, top_p, seed, greedy


def run_strip(run: Run, opened: int | None = None) -> dict:
    """The strip of a run: prompt tokens plain, generated ones coloured by probability."""
    prompt = [strip_token(token_id, "prompt") for token_id in run.prompt_ids]
    new = [
        strip_token(step.token_id, f"{percent(step.probability)}, rank {step.rank:,}", step.probability, "new")
        for step in run.steps
    ]
    return strip_value([*prompt, *new], "prompt and generated tokens", opened)


def _drawn(empty: Run, runs: Iterator[Run]) -> Iterator[tuple[Any, ...]]:
    """What the page shows of a growing run, at a rate the eye can follow, and how it ended."""
    shown = monotonic()
    run, started, shown_steps = empty, shown, 0
    for run in runs:
        now = monotonic()
        if shown_steps and now - shown < _REDRAW_SECONDS:
            continue
        shown, shown_steps = now, len(run.steps)
        yield run, run_strip(run), _text(run), _said(f"{_length(run)} …"), *_buttons(running=True)
    rate = len(run.steps) / max(monotonic() - started, 1e-9)
    ending = "the model ended the text" if finish_reason(run) == "eos" else "length reached"
    said = f'{_length(run)}, {ending}. <span class="measured">{rate:,.1f} tokens/s</span>'
    yield run, run_strip(run), _text(run), _said(said, safe=True), *_buttons(running=False)


def _text(run: Run) -> str:
    decoder = StreamDecoder(_TOKENIZER)  # a character still in pieces is held back, not shown broken
    return "".join(map(decoder.push, run.ids))


def _length(run: Run | None) -> str:
    count = 0 if run is None else len(run.steps)
    return f"{count} new token{'' if count == 1 else 's'}"


def _said(text: str, safe: bool = False) -> str:
    return f'<p class="status" role="status">{text if safe else escape(text)}</p>'


def _buttons(running: bool) -> tuple[dict, dict]:
    return gr.update(visible=not running), gr.update(visible=running)
