"""The strip of tokens that several tabs share: every token a button, white space visible, coloured by a number.

A factory around gr.HTML whose value is text: of structured data, Gradio's page clones and compares every field of
every token with each news, which took longer than the model; and a text that grows is sent as what is new.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape

import gradio as gr

from ..figures import probability_colour, text_colour
from ..tokenizer import Tokenizer
from .choosing import CHOOSING

_TOKENIZER = Tokenizer()

# A strip that grows is drawn again and again, and most of its tokens are those of the last time.
_REMEMBERED = 2**13

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


def token_strip(elem_id: str, label: str = "tokens of the run") -> gr.HTML:
    """An empty strip; its `select` event carries the index of the chosen token."""
    return gr.HTML(
        value="",
        html_template=f'<div class="strip" role="group" aria-label="{escape(label)}">${{value}}</div>',
        js_on_load=_EVENTS,
        elem_id=elem_id,
        elem_classes=["token-strip"],
    )


@lru_cache(_REMEMBERED)
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


def strip_html(tokens: Sequence[StripToken], opened: int | None = None) -> str:
    """What a `token_strip` shows; `opened` is the index of the marked token, which the Tab key reaches."""
    reachable = opened or 0
    return "".join(_button(token, i, i == opened, i == reachable) for i, token in enumerate(tokens))


@lru_cache(_REMEMBERED)
def _button(token: StripToken, index: int, is_opened: bool, is_reachable: bool) -> str:
    kind = f"{token.kind} opened" if is_opened else token.kind
    style = f' style="{escape(token.style)}"' if token.style else ""
    return (
        f'<button type="button" class="token {kind}" data-index="{index}" tabindex="{0 if is_reachable else -1}" '
        f'aria-label="{escape(token.label)}"{style}>{escape(token.text)}</button>'
        f"{'<br>' if token.text.endswith('⏎') else ''}"
    )


def probability_legend(said: str = "probability when it was chosen") -> str:
    """HTML that explains the colours of a strip."""
    light, dark = (_ramp(dark) for dark in (False, True))
    return (
        f'<div class="legend"><span>{said}</span><span>0 %</span>'
        f'<span class="ramp" style="--light:{light};--dark:{dark}"></span><span>100 %</span></div>'
    )


def _ramp(dark: bool) -> str:
    return f"linear-gradient(90deg, {', '.join(probability_colour(step / 8, dark) for step in range(9))})"
