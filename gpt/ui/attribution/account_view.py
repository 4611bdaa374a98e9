"""Why this token: the account of a logit below the candidates of a step, and what stands behind each of its parts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import gradio as gr

from ...attribution.forward_pass import last_logits
from ...attribution.logit_attribution import Account, Part, account, feed_forward_account
from ...attribution.neurons import neuron
from ...runs import Run
from ...sampling import likeliest
from ...tokenizer import tokenizer_of
from ..common.address_values import named_place, one_of, place_in, text_of_place
from ..common.attention_figure import attention_map
from ..common.captions import About, about_traced
from ..common.code_behind import code_area, code_value
from ..common.code_pieces import Code
from ..common.colours import COLOURS
from ..common.components import note_area, plot, plot_area
from ..common.downloads import File, csv_file
from ..common.drawing import Drawing, Updates, chosen_into, with_note
from ..common.number_format import counted
from ..common.page_context import Page
from ..common.page_html import status
from ..common.saved_pictures import pictured
from ..common.selected_position import valid_position
from ..common.traced_run import Traced, traced_prediction
from . import account_words as words
from .figures import bars, waterfall
from .panel_code import account_code
from .view_panel import limits

_MEAN, _MEAN_NAME = "mean", "the mean of all tokens"
_N_RIVALS = 12
_TAB = "probabilities"  # the key of the tab that it stands on


class Selection(Protocol):
    """What is selected on the tab beside a token."""

    @property
    def chosen(self) -> int | None:
        """The id of the chosen candidate; None for the token that was taken."""


class Seen(Protocol):
    """What the account reads of the tab that it stands on."""

    @property
    def looked_at(self) -> Run:
        """The run whose token is selected. Raises ValueError before there is one."""

    @property
    def position(self) -> int | None:
        """Where in its ids."""

    @property
    def selection(self) -> Selection:
        """What else is selected."""


@dataclass(frozen=True)
class _Components:
    is_open: gr.State
    part: gr.State  # index of the chosen part, None for the largest
    number: gr.State  # of the chosen neuron, None for the largest
    accordion: gr.Accordion
    rival: gr.Dropdown
    said: gr.HTML
    figure: gr.Plot
    parts: gr.HTML
    detail: gr.HTML
    neuron_area: gr.Column
    neurons: gr.HTML
    card: gr.HTML
    detail_figure: gr.Plot
    note: gr.HTML
    save: gr.Row
    code: gr.HTML

    @property
    def drawn(self) -> list[Any]:
        """What drawing changes."""
        detail = [self.detail, self.neuron_area, self.neurons, self.card, self.detail_figure]
        return [self.note, self.rival, self.said, self.figure, self.parts, self.code, *detail]


@dataclass(frozen=True, eq=False)
class _Asked:
    """The account that is asked for, and the trace it is computed from."""

    traced: Traced
    found: Account
    choices: list[tuple[str, str]]  # of rivals

    @property
    def about(self) -> About:
        """What the account is of."""
        rival = _MEAN_NAME if self.found.rival_id is None else f"“{self.visible(self.found.rival_id)}”"
        difference = f"“{self.visible(self.found.token_id)}” rather than {rival}"
        return about_traced("Account of a logit", self.traced).at(difference=difference)

    def visible(self, token_id: int) -> str:
        return tokenizer_of(self.traced.model).visible(token_id)


def build(page: Page, selection: gr.State, seen: Sequence[Any], now: Callable[..., Seen]) -> None:
    """Lay the account out and wire it; seen are components from whose values `now` makes a Seen, selection is one."""
    made = _lay_out()

    def draw(is_open: bool, part: int | None, number: int | None, rival: str | None, *values: Any) -> Updates:
        if not is_open:
            return {made.note: gr.skip()}
        return with_note(made.note, lambda: _drawn(made, _asked(page, now(*values), rival), part, number))

    def choose(event: gr.SelectData) -> Updates:
        return {made.part: int(event.index), made.number: None}

    def file(_: Run, rival: str | None, *values: Any) -> File:
        asked = _asked(page, now(*values), rival)
        found = asked.found
        rows = [[part.component, part.block, part.head, part.value] for part in found.parts]
        return csv_file(asked.about, ["component", "block", "head", "adds"], rows)

    opened = made.accordion.expand(lambda: True, None, [made.is_open], api_visibility="private")
    made.accordion.collapse(lambda: False, None, [made.is_open], api_visibility="private")
    chosen = made.parts.select(choose, None, [made.part, made.number], api_visibility="private")
    inputs = [made.is_open, made.part, made.number, made.rival, *seen]
    Drawing(draw, inputs, made.drawn).draw_on(
        opened.then,
        chosen.then,
        chosen_into(made.number, made.neurons),
        made.rival.input,
        page.position.change,
        selection.change,
    )
    _wire_address(page, made)
    with made.save:
        page.save_button("Save these numbers as CSV", "account-csv", file, [made.rival, *seen])


def _wire_address(page: Page, made: _Components) -> None:
    """Whether the account is open, its rival, the chosen part and neuron have their place in the address."""

    def rival(query: Mapping[str, str]) -> Any:
        asked = query.get("rival", "")
        value = asked if asked == _MEAN else str(place_in(asked))
        return gr.update(choices=[(value, value)], value=value)  # until it is drawn

    def is_open(query: Mapping[str, str]) -> bool:
        return one_of(["true"], query.get("why")) == "true"

    page.in_address(_TAB, {"rival": made.rival})
    page.remember_in_address(_TAB, "why", made.is_open, lambda shown: "true" if shown else "", is_open)
    page.from_address(_TAB, "shown", made.accordion, lambda query: gr.update(open=is_open(query)))
    page.from_address(_TAB, "rival", made.rival, rival)
    page.remember_in_address(_TAB, "part", made.part, text_of_place, partial(named_place, "part"))
    page.remember_in_address(_TAB, "neuron", made.number, text_of_place, partial(named_place, "neuron"))


def _lay_out() -> _Components:
    made: dict[str, Any] = {"is_open": gr.State(False), "part": gr.State(None), "number": gr.State(None)}
    with gr.Accordion("Why this token: an account of its logit", open=False, elem_id="account") as made["accordion"]:
        made["note"] = note_area("account-note")
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=320):
                made["rival"] = gr.Dropdown(
                    [], label="Rather than", info="The rival whose logit is subtracted.", elem_id="account-rival"
                )
                made["said"] = gr.HTML(elem_id="account-said", elem_classes=["flush"])
                made["figure"] = plot_area("account-figure")
            with gr.Column(scale=2, min_width=320):
                made["parts"] = words.part_table("account-parts")
        made["detail"] = gr.HTML(elem_id="account-detail", elem_classes=["flush"])
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=320, visible=False) as made["neuron_area"]:
                made["neurons"] = words.part_table("account-neurons")
            with gr.Column(scale=3, min_width=320):
                made["card"] = gr.HTML(elem_id="account-card", elem_classes=["flush"])
                made["detail_figure"] = plot_area("account-detail-figure")
        limits(
            "These are direct effects, on the logit alone. A part that later blocks read may matter far more, or less, "
            "than its own row says: Inside, Switch parts off measures that."
        )
        made["save"] = gr.Row()
        made["code"] = code_area("account-code")
    return _Components(**made)


def _asked(page: Page, now: Seen, rival: str | None) -> _Asked:
    """The account of the chosen row of the selected step. Raises ValueError for a token that nothing predicts."""
    run = now.looked_at
    position = valid_position(run, now.position)
    traced = traced_prediction(page.library, run, position)
    token_id = run.ids[position] if now.selection.chosen is None else now.selection.chosen
    rivals = [each for each in _likeliest(traced) if each != token_id]
    visible = tokenizer_of(traced.model).visible
    choices = [*((visible(each), str(each)) for each in rivals), (_MEAN_NAME, _MEAN)]
    if rival not in [value for _, value in choices]:
        rival = choices[0][1]
    rival_id = None if rival == _MEAN else int(rival)
    found = account(traced.model, traced.trace, token_id, rival_id, traced.token)
    return _Asked(traced, found, choices)


def _likeliest(traced: Traced) -> list[int]:
    return likeliest(last_logits(traced.model, traced.trace, traced.token), _N_RIVALS)


def _drawn(made: _Components, asked: _Asked, part: int | None, number: int | None) -> Updates:
    found = asked.found
    index = part if part is not None and part < len(found.parts) else _largest(found)
    rival = _MEAN if found.rival_id is None else str(found.rival_id)
    return {
        made.rival: gr.update(choices=asked.choices, value=rival),
        made.said: status(words.said(found, asked.visible, _whose(asked.traced))),
        made.figure: plot(waterfall(words.rises(found)), asked.about),
        made.parts: pictured(replace(asked.about, what="Account of a logit: parts"), words.parts_html(found, index)),
        made.code: code_value(_code(asked)),
    } | _detail(made, asked, found.parts[index], number)


def _whose(traced: Traced) -> str:
    """By which model, after which token, and from where on where the context does not hold the whole text."""
    said = f"Read by {traced.run.model_name}, after “{traced.labels[traced.token]}”"
    if traced.window.first_read:
        said += f", from token {traced.numbers_read[0]} on: the context holds no more"
    return f"{said}."


def _code(asked: _Asked) -> Code:
    traced, found = asked.traced, asked.found
    position = traced.window.start + traced.token + 1
    return account_code(traced.run, traced.window.first_read, position, found.token_id, found.rival_id)


def _detail(made: _Components, asked: _Asked, part: Part, number: int | None) -> Updates:
    """The details of one part: a head's map, a feed-forward's neurons, or a sentence."""
    if part.head is not None and part.block is not None:
        return _head_detail(made, asked, part.block, part.head)
    if part.component == "feed-forward" and part.block is not None:
        return _feed_forward_detail(made, asked, part.block, number)
    said = f"{words.name(part).capitalize()}: {words.MEANINGS[part.component]} Choose a head to see its map."
    return {
        made.detail: status(said),
        made.neuron_area: gr.update(visible=False),
        made.card: "",
        made.detail_figure: None,
    }


def _head_detail(made: _Components, asked: _Asked, block: int, head: int) -> Updates:
    traced = asked.traced
    weights = traced.trace.blocks[block].attention[head]
    figure = attention_map(traced.labels_read, traced.numbers_read[0], weights.numpy(), traced.token)
    about = about_traced("Attention of a head", traced, "Framed: the token that made this prediction.")
    said = f"Head {block}.{head}: what it looks at. The framed row is the token that made this prediction."
    return {
        made.detail: status(said),
        made.neuron_area: gr.update(visible=False),
        made.card: "",
        made.detail_figure: plot(figure, about.at(block=block, head=head)),
    }


def _feed_forward_detail(made: _Components, asked: _Asked, block: int, number: int | None) -> Updates:
    traced = asked.traced
    found = feed_forward_account(traced.model, traced.trace, asked.found, block, traced.token)
    if number is None or number >= len(found.values):
        number = int(found.values.abs().argmax())
    card = neuron(traced.model, traced.trace, block, number)
    figure = bars(traced.labels, card.activations.tolist(), "how strongly it fires", COLOURS["feed-forward"])
    about = about_traced("Activations of a neuron", traced)
    said = (
        f"The feed-forward of block {block} has {counted(len(found.values), 'neuron')}. "
        "Each adds a direction of its own to the stream, as strongly as it fires."
    )
    about_neurons = replace(asked.about, what="Account of a logit: neurons").at(block=block)
    return {
        made.detail: status(said),
        made.neuron_area: gr.update(visible=True),
        made.neurons: pictured(about_neurons, words.neurons_html(found, number)),
        made.card: words.neuron_text(number, card, asked.visible),
        made.detail_figure: plot(figure, about.at(block=block, neuron=number)),
    }


def _largest(found: Account) -> int:
    """The index of the head that adds most, positive or negative."""
    heads = [index for index, part in enumerate(found.parts) if part.head is not None]
    return max(heads, key=lambda index: abs(found.parts[index].value))
