"""The strip of tokens that several tabs share: every token is a button, white space is visible, colours show a number.

A gr.HTML whose value is text. Structured data would be slower than the model: with every update, Gradio's page copies
and compares each field of each token. Of a text that grows, only what is new is sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape

import gradio as gr

from ...tokenizer import AnyTokenizer
from .choice_script import CHOOSING
from .colours import probability_colour, text_colour
from .number_format import counted

# A strip that grows is drawn many times, and most of its tokens were there before.
_REMEMBERED = 2**13

_EVENTS = (
    CHOOSING
    + r"""
chooseFrom('.token', () => ({ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity}));
// On a long text the selected token may be far below.
onRedraw(() => {
  const strip = element.querySelector('.strip');
  const selected = element.querySelector('.token.selected');
  if (!selected) return;
  const outer = strip.getBoundingClientRect(), inner = selected.getBoundingClientRect();
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


def strip_token(
    reader: AnyTokenizer, token_id: int, said: str = "", probability: float | None = None, kind: str = "prompt"
) -> StripToken:
    """A token of a model by its id, coloured when a probability is given; `said` is added to its label."""
    return _strip_token(reader.visible(token_id), token_id, said, probability, kind)


@lru_cache(_REMEMBERED)
def _strip_token(text: str, token_id: int, said: str, probability: float | None, kind: str) -> StripToken:
    label = f"{text} · id {token_id}" + (f" · {said}" if said else "")
    if probability is None:
        return StripToken(text, label, kind)
    return StripToken(text, label, f"{kind} scaled", scaled_style(probability))


def scaled_style(probability: float) -> str:
    """CSS variables for an element of class "scaled": its background and text in light and dark."""
    light, dark = probability_colour(probability), probability_colour(probability, dark=True)
    return f"--light:{light};--on-light:{text_colour(light)};--dark:{dark};--on-dark:{text_colour(dark)}"


def strip_html(tokens: Sequence[StripToken], selected: int | None = None, unread: int = 0) -> str:
    """What a `token_strip` shows; `selected` is the index of the marked token, which the Tab key reaches.

    The first `unread` tokens, which stand before the context, are folded into one piece that cannot be chosen.
    """
    reachable = unread if selected is None else selected
    buttons = (_button(tokens[i], i, i == selected, i == reachable) for i in range(unread, len(tokens)))
    return _folded(tokens[:unread]) + "".join(buttons)


def _folded(tokens: Sequence[StripToken]) -> str:
    if not tokens:
        return ""
    said = f"{counted(len(tokens), 'token')} before the context: the model cannot read them"
    text = "".join(token.text for token in tokens)
    return f'<details class="unread"><summary>{said}</summary><p>{escape(text)}</p></details>'


@lru_cache(_REMEMBERED)
def _button(token: StripToken, index: int, is_selected: bool, is_reachable: bool) -> str:
    kind = f"{token.kind} selected" if is_selected else token.kind
    style = f' style="{escape(token.style)}"' if token.style else ""
    return (
        f'<button type="button" class="token {kind}" data-index="{index}" tabindex="{0 if is_reachable else -1}" '
        f'aria-label="{escape(token.label)}"{style}>{escape(token.text)}</button>'
        f"{'<br>' if token.text.endswith('⏎') else ''}"
    )


def probability_legend(said: str = "probability when it was chosen", least: str = "0 %", most: str = "100 %") -> str:
    """HTML that explains the colours of a strip, from the least to the most that they show."""
    light, dark = (_ramp(dark) for dark in (False, True))
    return (
        f'<div class="legend"><span>{said}</span><span>{least}</span>'
        f'<span class="ramp" style="--light:{light};--dark:{dark}"></span><span>{most}</span></div>'
    )


def _ramp(dark: bool) -> str:
    return f"linear-gradient(90deg, {', '.join(probability_colour(step / 8, dark) for step in range(9))})"
