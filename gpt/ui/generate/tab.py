"""The Generate tab: a prompt goes in, tokens come out one at a time, coloured by their probability."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from ...files.layouts import WeightsError
from ...runs import Run, grow, new_run
from ...sampling import Sampling
from ...seeding import LARGEST_DRAW_SEED
from ...tokenizer import tokenizer_of
from ..common.code_behind import code_area
from ..common.components import intro
from ..common.drawing import MODEL_EVENT, Drawing, Updates
from ..common.page_context import Page
from ..common.page_html import problem
from ..common.run_controls import Controls, Generating
from ..common.run_settings import check_prompt_of, settings_from
from ..common.stoppable_work import start_for, stop_for, stop_when_clicked
from ..common.token_strip import probability_legend, token_strip
from ..common.waiting_events import while_waiting
from ..map import tab as model_map
from . import comparison_events
from .first_prompt import DEFAULT_PROMPT, readable
from .run_display import RunDisplay
from .run_files import open_when_clicked, save_and_open

KEY = "generate"
LABEL = "Generate"
EXAMPLES = (
    DEFAULT_PROMPT,
    "Hello, I am",
    "Once upon a time there was a little",
    '"Where are you going?" asked the',
)
DEFAULT_LENGTH = 50


def build(page: Page) -> tuple[Generating, RunDisplay]:
    """Lay the tab out and wire it. Returns what starts a run from other tabs, and where it is shown."""
    intro(
        "Type a beginning and watch the model continue it one token at a time; the stronger the blue, the more "
        "probable the token was. Click a token to see what else it could have been.",
        "section 4.7",
    )
    with gr.Row(elem_id="generating"):
        with gr.Column(min_width=0, elem_classes=["asking"]):
            prompt, begin, start, stop = _asking(page)
        with gr.Column(min_width=0, elem_classes=["answer"]):
            strip = token_strip("run-strip")
            gr.HTML(probability_legend())
            run_status = gr.HTML(elem_id="run-status")
            with gr.Accordion("Plain text", open=False):
                text = gr.Textbox(show_label=False, container=False, lines=4, buttons=["copy"], elem_id="run-text")
            opening = save_and_open(page)
            besides = comparison_events.lay_out(page.library)
        with gr.Column(min_width=0, elem_classes=["settings"]):
            controls = Controls(*(prompt, *_settings(page.options.max_tokens), begin))
    code = code_area("run-code")
    display = RunDisplay(page.run, prompt, strip, text, run_status, stop, code, page.whose, page.branch, besides.area)
    opened = open_when_clicked(opening, page, display, controls)
    stream = _streaming(page, display)

    def redrawn(run: Run | None) -> Updates:
        """Another tab may have made the run that is shown."""
        return {strip: gr.skip()} if run is None else display.shown(run) | display.behind(run)

    outputs = display.all()
    inputs = [page.model, *controls.all()]
    written = gr.on([start.click, controls.prompt.submit], stream, inputs, outputs, **MODEL_EVENT)
    stop_when_clicked(stop, page.ongoing)
    page.when_opened(KEY, Drawing(redrawn, [page.run], [strip, display.text, code], reads_text=False))
    compare_after = comparison_events.wire(page, display, besides, KEY)
    for made in (written, opened):
        compare_after(made.then)
    return Generating(controls, strip, stream, inputs, outputs, compare_after), display


def _asking(page: Page) -> tuple[gr.Textbox, gr.Checkbox, gr.Button, gr.Button]:
    prompt = gr.Textbox(
        DEFAULT_PROMPT, label="Prompt", lines=2, max_lines=8, elem_id="prompt", info="Shift + Enter starts."
    )
    begin = gr.Checkbox(
        False,
        label="Begin with end of text",
        info="The token that closes a text stands first; the prompt may then be empty.",
        elem_id="begin_with_end_of_text",
    )
    with gr.Row(elem_classes=["examples"]):
        for example in EXAMPLES:
            button = gr.Button(example, size="sm", variant="secondary", min_width=60)
            button.click(lambda text=example: text, None, [prompt], api_visibility="private")
    start = start_for("Generate", "generate")
    stop = stop_for("stop")
    with gr.Row(elem_classes=["leads"]):
        gr.Button("Follow the chapter →", size="sm", elem_id="follow-the-chapter", elem_classes=["as-link"])
        whole = gr.Button("See the whole model →", size="sm", elem_id="see-the-model", elem_classes=["as-link"])
    whole.click(lambda: page.opened(model_map.KEY), None, page.openable(), api_visibility="private")
    return prompt, begin, start, stop


def _settings(most_tokens: int) -> tuple[Any, ...]:
    with gr.Row():
        length = gr.Slider(
            1,
            min(500, most_tokens),
            min(DEFAULT_LENGTH, most_tokens),
            step=1,
            label="Length",
            info="New tokens to write.",
            elem_id="length",
        )
        temperature = gr.Slider(
            0.05,
            2,
            0.8,
            step=0.05,
            label="Temperature",
            info="Low: likely tokens. High: surprises.",
            elem_id="temperature",
        )
    greedy = gr.Checkbox(False, label="Greedy: always the most probable token", elem_id="greedy")
    with gr.Accordion("Top-k, top-p, seed", open=False), gr.Row():
        top_k = gr.Slider(0, 200, 50, step=1, label="Top-k", info="Only the k likeliest; 0 is off.", elem_id="top_k")
        top_p = gr.Slider(
            0.05, 1, 1, step=0.01, label="Top-p", info="Only the likeliest with this share; 1 is off.", elem_id="top_p"
        )
        seed = gr.Number(
            123,
            label="Seed",
            precision=0,
            minimum=0,
            maximum=LARGEST_DRAW_SEED,
            info="Same seed, same text.",
            min_width=120,
            elem_id="seed",
        )
    return length, temperature, top_k, top_p, seed, greedy


def _streaming(page: Page, display: RunDisplay) -> Callable[..., Iterator[Updates]]:
    """The function that starts a run: it takes the visitor's model and the values of `Controls`."""

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
        begin_with_end_of_text: bool,
    ) -> Iterator[Updates]:
        try:
            sampling = Sampling(0.0 if greedy else temperature, int(top_k), top_p)
            settings = settings_from(length, sampling, seed, page.options.max_tokens)
            # Wrong settings are refused here, before a growing run is ended and before a model is waited for.
            if prompt != DEFAULT_PROMPT:
                check_prompt_of(page.library, reference, prompt, begin_with_end_of_text)
        except ValueError as error:
            yield {display.status: problem(str(error))}
            return
        with page.ongoing.begin(request, reference) as stopped:
            try:
                loaded = page.library.get(reference)
                asked = readable(tokenizer_of(loaded.model), prompt)
                if asked != prompt:
                    yield {display.prompt: asked}
                run = new_run(loaded.model, loaded.reference, asked, settings, begin_with_end_of_text)
                yield from display.growing(grow(loaded.model, run), stopped, page.options.max_seconds)
            except (ValueError, WeightsError) as error:
                yield display.buttons(running=False) | {display.status: problem(str(error))}

    return while_waiting(stream, display.waits(page.ongoing, display.status, "Stopped before the first token."))
