"""What the panels of the Building blocks tab share: drawing on an event, which tokens are used, small HTML."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import gradio as gr

from ..config import GPTConfig
from ..figures import COLOURS
from ..generation import Run
from ..library import LoadedModel
from ..tokenizer import Tokenizer
from ..tracing import WINDOW
from ..weights import WeightsError
from .shared import MODEL_EVENT, problem
from .traces import NO_RUN

# What a panel's build returns: a function, its inputs with the run first, and the components it fills.
Drawn = tuple[Callable[..., Sequence[Any]], Sequence[Any], Sequence[Any]]

_TOKENIZER = Tokenizer()


def show_on(events: Sequence[Callable[..., Any]], note: gr.HTML, drawn: Drawn) -> None:
    """Draw on any of the events; a refusal is said in the note."""
    fn, inputs, outputs = drawn
    for event in events:
        event(explained(fn, len(outputs)), list(inputs), [note, *outputs], trigger_mode="always_last", **MODEL_EVENT)


def explained(fn: Callable[..., Sequence[Any]], n_outputs: int) -> Callable[..., list[Any]]:
    """fn with one result more in front: a sentence when it cannot be done, and then all else is left as it is."""

    def answer(run: Run | None, *values: Any) -> list[Any]:
        if run is None:
            return [NO_RUN, *[gr.skip()] * n_outputs]
        try:
            return ["", *fn(run, *values)]
        except (ValueError, WeightsError) as error:
            return [problem(str(error)), *[gr.skip()] * n_outputs]

    return answer


def end_of(ids: Sequence[int], loaded: LoadedModel, most: int = WINDOW) -> tuple[int, ...]:
    """The last of these tokens, as many as a panel works on."""
    return tuple(ids[-min(most, loaded.model.config.context_length) :])


def block_slider(elem_id: str, info: str) -> gr.Slider:
    """A slider over a model's blocks; `block_in` fits it to the model."""
    return gr.Slider(0, 11, 0, step=1, label="Block", info=info, elem_id=elem_id)


def block_in(config: GPTConfig, block: float) -> tuple[int, dict[str, Any]]:
    """The chosen block, or the model's last where it has fewer, and what the slider has to change for it."""
    last = config.n_layers - 1
    if block <= last:
        return int(block), gr.update(maximum=last)
    return last, gr.update(maximum=last, value=last)


def source(loaded: LoadedModel, ids: Sequence[int], of: Sequence[int]) -> str:
    """HTML that says which model and which tokens the figures come from: ids, the last of the tokens `of`."""
    cut = "" if len(ids) == len(of) else f", the last {len(ids)} of {len(of):,} tokens"
    return f"{escape(loaded.name)} on {tokens_html(ids, 12)}{cut}"


def tokens_html(ids: Sequence[int], most: int) -> str:
    """The last `most` tokens as they are on the strip, white space visible."""
    dots = "… " if len(ids) > most else ""
    return dots + "".join(token_html(token_id) for token_id in ids[-most:])


def token_html(token_id: int, kind: str = "") -> str:
    """One token in a box, its id on hover."""
    return f'<span class="piece {kind}" title="id {token_id}">{escape(_TOKENIZER.visible(token_id))}</span>'


def bar(share: float, idea: str) -> str:
    """HTML of a bar in a table cell: share from 0 to 1, idea a colour of the palette."""
    return f'<span class="bar" style="--share:{100 * share:.2f}%;--colour:{COLOURS[idea]}"></span>'
