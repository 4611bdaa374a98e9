"""Building blocks, section 4.7: the loop that writes text, one turn at a time."""

from collections.abc import Sequence
from html import escape

import gradio as gr

from ...chapter.text_loop import LoopStep, slow_loop
from ...runs import Run
from ...tokenizer import AnyTokenizer
from ..common.about import about_run
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

_SHOWN = 24  # tokens of the text on the screen


def build(page: Page, note: gr.HTML) -> Drawing:
    """Five numbered steps of one turn, and the buttons for the next turn and for the first."""
    text = gr.State(())
    with gr.Row(elem_classes=["examples"]):
        following = gr.Button("Next turn", variant="primary", size="sm", elem_id="next-turn")
        again = gr.Button("Start over", size="sm", elem_id="start-over")
    turn = gr.HTML(elem_id="turn")

    def first_turn(run: Run) -> Updates:
        return next_turn(run, last_tokens(run.prompt_ids, page.library.get(run.model_name)))

    def next_turn(run: Run, ids: Sequence[int]) -> Updates:
        loaded = page.library.get(run.model_name)
        (step,) = slow_loop(loaded.model, ids, 1)
        n_prompt = len(last_tokens(run.prompt_ids, loaded))
        n_new = len(ids) - n_prompt
        return {
            turn: _turn(loaded.name, run.reader, step, n_new),
            text: step.appended,
            behind: code_value(turns_code(run, n_prompt, n_new + 1)),
        }

    def file(run: Run, shown: Sequence[int]) -> File | None:
        """The turn that is shown: what was appended last is what it picked."""
        if not shown:
            return None
        (step,) = slow_loop(page.library.get(run.model_name).model, shown[:-1], 1)
        rows = [
            [row.rank, row.token_id, run.reader.visible(row.token_id), row.logit, row.probability]
            for row in step.table.tokens
        ]
        about = about_run("Building blocks: text loop", run).at(tokens=len(step.ids))
        return csv_file(about, ["rank", "token id", "token", "logit", "probability"], rows)

    with gr.Row():
        page.save_button("Save this turn as CSV", "save-turn", file, [text])
    behind = code_area("loop-code")
    page.drawing(next_turn, [text], [turn, text, behind], note).draw_on(following.click)
    drawing = page.drawing(first_turn, [], [turn, text, behind], note)
    drawing.draw_on(again.click)
    return drawing


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
    return f'<ol class="turn" aria-live="polite">{items}</ol>'


def _shape(*lengths: int) -> str:
    return f'<span class="shape">({", ".join(f"{length:,}" for length in lengths)})</span>'


def _text(reader: AnyTokenizer, ids: Sequence[int], n_new: int) -> str:
    """The last tokens with their ids below, the newest marked."""
    pieces = ["… "] if len(ids) > _SHOWN else []
    for place, token_id in list(enumerate(ids))[-_SHOWN:]:
        kind = "new" if place >= len(ids) - n_new else ""
        pieces.append(f'<span class="numbered">{token_html(reader, token_id, kind)}<small>{token_id}</small></span>')
    return "".join(pieces)
