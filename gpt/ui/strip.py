"""The strip of tokens that several tabs share: every token a button, white space visible, coloured by a number.

A factory around gr.HTML: the page gets structured data, and the escaping is done once, here.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import gradio as gr

from ..figures import probability_colour, text_colour
from ..tokenizer import Tokenizer
from .choosing import CHOOSING

_TOKENIZER = Tokenizer()

# One JavaScript expression over the value. Text goes through `escape` before it becomes HTML.
_TEMPLATE = r"""${(() => {
  const escape = (text) => String(text).replace(/[&<>"'`]/g, (c) => '&#' + c.charCodeAt(0) + ';');
  const tokens = (value && value.tokens) || [];
  const reachable = value && value.opened !== null ? value.opened : 0;
  const token = (t, i) => '<button type="button" class="token ' + escape(t.kind) +
    (value.opened === i ? ' opened' : '') + '" data-index="' + i + '" tabindex="' + (i === reachable ? 0 : -1) +
    '" aria-label="' + escape(t.label) + '" data-tip="' + escape(t.label) + '"' +
    (t.style ? ' style="' + escape(t.style) + '"' : '') + '>' +
    escape(t.text) + '</button>' + (t.text.endsWith('⏎') ? '<br>' : '');
  return '<div class="strip" role="group" aria-label="' + escape(value ? value.label : '') + '">' +
    tokens.map(token).join('') + '</div>';
})()}"""

_EVENTS = (
    CHOOSING
    + r"""
chooseFrom('.token', () => ({ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity}));
// On a long text the opened token may be far below.
onRedraw(() => {
  const strip = element.querySelector('.strip');
  const opened = element.querySelector('.token.opened');
  if (!opened) return;
  const outer = strip.getBoundingClientRect(), inner = opened.getBoundingClientRect();
  if (inner.top < outer.top || inner.bottom > outer.bottom)
    strip.scrollTop += inner.top - outer.top - (outer.height - inner.height) / 2;
});
"""
)


@dataclass(frozen=True)
class StripToken:
    """One token of a strip: what is shown, what is said about it, how it is coloured."""

    text: str
    label: str  # on hover, on focus, and for screen readers
    kind: str = "prompt"  # CSS classes: "prompt" or "new", and "scaled" when coloured
    style: str = ""  # CSS variables with its colours in light and dark


def token_strip(elem_id: str) -> gr.HTML:
    """An empty strip; its `select` event carries the index of the chosen token."""
    return gr.HTML(
        value=strip_value([], "tokens"),
        html_template=_TEMPLATE,
        js_on_load=_EVENTS,
        elem_id=elem_id,
        elem_classes=["token-strip"],
    )


def strip_token(token_id: int, said: str = "", probability: float | None = None, kind: str = "prompt") -> StripToken:
    """A token by its id, coloured when a probability is given; `said` is added to its label."""
    text = _TOKENIZER.visible(token_id)
    label = f"{text} · id {token_id}" + (f" · {said}" if said else "")
    if probability is None:
        return StripToken(text, label, kind)
    return StripToken(text, label, f"{kind} scaled", scaled_style(probability))


def scaled_style(probability: float) -> str:
    """CSS variables for an element of class "scaled": its background and text in light and dark."""
    light, dark = probability_colour(probability), probability_colour(probability, dark=True)
    return f"--light:{light};--on-light:{text_colour(light)};--dark:{dark};--on-dark:{text_colour(dark)}"


def strip_value(tokens: Sequence[StripToken], label: str, opened: int | None = None) -> dict:
    """What a `token_strip` shows; `opened` is the index of the marked token."""
    return {"tokens": [asdict(token) for token in tokens], "label": label, "opened": opened}


def probability_legend(said: str = "probability when it was chosen") -> str:
    """HTML that explains the colours of a strip."""
    light, dark = (_ramp(dark) for dark in (False, True))
    return (
        f'<div class="legend"><span>{said}</span><span>0 %</span>'
        f'<span class="ramp" style="--light:{light};--dark:{dark}"></span><span>100 %</span></div>'
    )


def _ramp(dark: bool) -> str:
    return f"linear-gradient(90deg, {', '.join(probability_colour(step / 8, dark) for step in range(9))})"
