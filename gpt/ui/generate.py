"""The Generate tab: a prompt goes in, tokens come out one at a time, coloured by their probability."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from threading import Event
from time import monotonic
from typing import Any

import gradio as gr

from ..generation import Run
from ..library import Library
from ..sampling import Sampling
from ..tokenizer import StreamDecoder, Tokenizer
from ..weights import WeightsError
from .loading import loading
from .numbers import percent
from .ongoing import stop_button, stop_when_clicked
from .runs import finish_reason, finished, grow, new_run, prompt_ids, settings_from
from .shared import MODEL_EVENT, Page, intro, problem
from .strip import probability_legend, strip_html, strip_token, token_strip

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
    """The controls and strip of the tab, and what starts a run: a function, its inputs and outputs."""

    controls: Controls
    strip: gr.HTML
    fn: Callable[..., Any]
    inputs: list[Any]
    outputs: list[Any]


def build(page: Page) -> Generating:
    """Lay the tab out and wire it."""
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
        request: gr.Request,
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
            sampling = Sampling(0.0 if greedy else temperature, int(top_k), top_p)
            settings = settings_from(length, sampling, seed)
            prompt_ids(prompt)  # refused here, it neither ends what is growing nor waits for a model
        except ValueError as error:
            yield _news(problem(str(error)), gr.skip(), gr.skip())
            return
        with page.ongoing.begin(request) as stopped:
            try:
                yield from _waiting(page.library, reference, stopped)
                if stopped.is_set():
                    yield _news(_said("Stopped before the first token."), *_buttons(running=False))
                else:
                    run = new_run(page.library, reference, prompt, settings)
                    yield from _drawn(run, grow(page.library, run), stopped)
            except (ValueError, WeightsError) as error:
                yield _news(problem(str(error)), *_buttons(running=False))

    outputs = [page.run, strip, text, status, start, stop]
    inputs = [page.model, *controls.all()]
    gr.on([start.click, controls.prompt.submit], stream, inputs, outputs, **MODEL_EVENT)
    stop_when_clicked(stop, page.ongoing)
    return Generating(controls, strip, stream, inputs, outputs)


def redraw_when_opened(page: Page, generating: Generating) -> None:
    """Another tab may have made the run that is shown: draw it again when this tab comes back."""
    _, strip, text, *_ = generating.outputs

    def redrawn(run: Run | None) -> tuple[Any, Any]:
        return (gr.skip(), gr.skip()) if run is None else (run_strip(run), _text(run))

    page.when_opened(KEY, redrawn, [page.run], [strip, text])


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


def run_strip(run: Run) -> str:
    """The strip of a run: prompt tokens plain, generated ones coloured by probability."""
    prompt = [strip_token(token_id, "prompt") for token_id in run.prompt_ids]
    new = [
        strip_token(step.token_id, f"{percent(step.probability)}, rank {step.rank:,}", step.probability, "new")
        for step in run.steps
    ]
    return strip_html([*prompt, *new])


def _waiting(library: Library, reference: str, stopped: Event) -> Iterator[tuple[Any, ...]]:
    """What the page shows while the model of a run is not there yet."""
    if library.is_loaded(reference):
        return
    buttons = _buttons(running=True)
    for said in loading(library, reference):
        if stopped.is_set():
            return
        yield _news(_said(said), *buttons)
        buttons = gr.skip(), gr.skip()


def _drawn(empty: Run, runs: Iterator[Run], stopped: Event) -> Iterator[tuple[Any, ...]]:
    """What the page shows of a growing run, at a rate the eye can follow, and how it ended."""
    run, started, drawn_at = empty, monotonic(), 0.0
    buttons = _buttons(running=True)
    for run in runs:
        if stopped.is_set():
            break
        if monotonic() - drawn_at < _REDRAW_SECONDS:
            continue
        yield run, run_strip(run), _text(run), _said(f"{_length(run)} …"), *buttons
        drawn_at = monotonic()  # once it is done, or a slow redraw would leave time for a single token
        buttons = gr.skip(), gr.skip()
    yield run, run_strip(run), _text(run), _ending(run, monotonic() - started), *_buttons(running=False)


def _ending(run: Run, seconds: float) -> str:
    if not finished(run):
        return _said(f"{_length(run)}, stopped.")
    ending = "the model ended the text" if finish_reason(run) == "eos" else "length reached"
    rate = len(run.steps) / max(seconds, 1e-9)
    return _said(f'{_length(run)}, {ending}. <span class="measured">{rate:,.1f} tokens/s</span>', safe=True)


def _text(run: Run) -> str:
    decoder = StreamDecoder(_TOKENIZER)  # a character still in pieces is held back, not shown broken
    return "".join(map(decoder.push, run.ids))


def _news(said: str, start: dict, stop: dict) -> tuple[Any, ...]:
    """What is said, and the two buttons; run, strip and text stay as they are."""
    return gr.skip(), gr.skip(), gr.skip(), said, start, stop


def _length(run: Run) -> str:
    count = len(run.steps)
    return f"{count} new token{'' if count == 1 else 's'}"


def _said(text: str, safe: bool = False) -> str:
    return f'<p class="status" role="status">{text if safe else escape(text)}</p>'


def _buttons(running: bool) -> tuple[dict, dict]:
    return gr.update(visible=not running), stop_button(running)
