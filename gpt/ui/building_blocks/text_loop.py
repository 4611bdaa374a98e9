"""Building blocks, section 4.7: the loop that writes text, one turn at a time."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape

import gradio as gr

from ...chapter.text_loop import LoopStep, slow_loop
from ...library import Library
from ...runs import Run
from ...tokenizer import AnyTokenizer
from ..common.address_values import named_place
from ..common.captions import about_run
from ..common.code_behind import code_area, code_value
from ..common.downloads import File, csv_file
from ..common.drawing import Drawing, Updates
from ..common.number_format import chance, percent
from ..common.page_context import Page
from ..common.page_html import bar, table
from .panel_code import turns_code
from .panel_tokens import last_tokens, token_html

KEY = "loop"
LABEL = "Text loop"
SECTION = "section 4.7"
INTRO = (
    "The model reads all the tokens, but only the last row of its logits counts: softmax turns it into probabilities, "
    "and the likeliest token joins the text. Press Next turn and the same begins again, one token longer."
)

_TAB = "building-blocks"  # the key of the tab that the panel stands on
_SHOWN = 24  # tokens of the text on the screen
_MOST_TURNS = 100  # each reads all tokens again, and a link may ask for any of them


def build(page: Page, note: gr.HTML) -> Drawing:
    """Five numbered steps of one turn, and the buttons for the next turn and for the first."""
    number = gr.State(1)  # of the turn, counted from 1
    with gr.Row(elem_classes=["examples"]):
        following = gr.Button("Next turn", variant="primary", size="sm", elem_id="next-turn")
        again = gr.Button("Start over", size="sm", elem_id="start-over")
    turn = gr.HTML(elem_id="turn")

    def draw(run: Run, shown: int) -> Updates:
        loaded = page.library.get(run.model_name)
        ids = last_tokens(run.prompt_ids, loaded)
        step = _step(page.library, run.model_name, ids, shown)
        return {
            turn: _turn(loaded.name, run.reader, step, shown - 1),
            number: shown,
            behind: code_value(turns_code(run, len(ids), shown)),
        }

    def next_turn(run: Run, shown: int) -> Updates:
        if shown == _MOST_TURNS:
            raise ValueError(f"This was turn {_MOST_TURNS}, the last one here: press Start over.")
        return draw(run, shown + 1)

    def file(run: Run, shown: int) -> File:
        """The turn that is shown."""
        ids = last_tokens(run.prompt_ids, page.library.get(run.model_name))
        step = _step(page.library, run.model_name, ids, shown)
        rows = [
            [row.rank, row.token_id, run.reader.visible(row.token_id), row.logit, row.probability]
            for row in step.table.tokens
        ]
        about = about_run("Building blocks: text loop", run).at(tokens=len(step.ids))
        return csv_file(about, ["rank", "token id", "token", "logit", "probability"], rows)

    with gr.Row():
        page.save_button("Save this turn as CSV", "save-turn", file, [number])
    behind = code_area("loop-code")
    changed = [turn, number, behind]
    page.drawing(next_turn, [number], changed, note).draw_on(following.click)
    page.drawing(lambda run: draw(run, 1), [], changed, note).draw_on(again.click)
    page.remember_in_address(_TAB, "turn", number, str, _linked_turn)
    return page.drawing(draw, [number], changed, note)


def _linked_turn(query: Mapping[str, str]) -> int:
    """The turn that a link shows. Raises ValueError where it names none that there is."""
    found = named_place("turn", query)
    if not 1 <= found <= _MOST_TURNS:
        raise ValueError(f"Turns go from 1 to {_MOST_TURNS}.")
    return found


@lru_cache(maxsize=4 * _MOST_TURNS)  # a turn begins with what the one before it appended
def _step(library: Library, model_name: str, ids: tuple[int, ...], number: int) -> LoopStep:
    """The turn with this number, counted from 1, of the loop that begins with ids."""
    before = ids if number == 1 else _step(library, model_name, ids, number - 1).appended
    (step,) = slow_loop(library.get(model_name).model, before, 1)
    return step


def _turn(name: str, reader: AnyTokenizer, step: LoopStep, n_new: int) -> str:
    """One turn as a numbered list; n_new of its ids were appended by earlier turns."""
    likeliest = step.table.tokens[0]
    rows = [
        [token_html(reader, row.token_id), f"{row.logit:.3f}", chance(row.probability), bar(row.probability, "kept")]
        for row in step.table.tokens
    ]
    others = step.table.other_probability
    rows.append(["all other tokens", "", percent(others), bar(others, "cut")])
    _, t, v = step.logits_shape
    steps = [
        ("Ids in", f"{_text(reader, step.window, n_new)} {_shape(1, t)}"),
        ("Logits", f"{escape(name)} gives {_shape(1, t, v)}, of which the last row counts: one score per token"),
        ("Softmax", table(["Token", "logit", "probability", ""], rows)),
        ("Pick", f"{token_html(reader, step.picked, 'new')} the largest of all, {chance(likeliest.probability)}"),
        ("Append", f"{_text(reader, step.appended, n_new + 1)} {_shape(1, len(step.appended))}"),
    ]
    items = "".join(
        f'<li style="--step:{place}"><b>{title}</b><div>{what}</div></li>' for place, (title, what) in enumerate(steps)
    )
    return f'<ol class="turn" data-aloud>{items}</ol>'


def _shape(*lengths: int) -> str:
    return f'<span class="shape">({", ".join(f"{length:,}" for length in lengths)})</span>'


def _text(reader: AnyTokenizer, ids: Sequence[int], n_new: int) -> str:
    """The last tokens with their ids below, the newest marked."""
    pieces = ["… "] if len(ids) > _SHOWN else []
    for place, token_id in list(enumerate(ids))[-_SHOWN:]:
        kind = "new" if place >= len(ids) - n_new else ""
        pieces.append(f'<span class="numbered">{token_html(reader, token_id, kind)}<small>{token_id}</small></span>')
    return "".join(pieces)
