"""What a tab is built with: drawing and saving something of the visitor's run."""

from types import SimpleNamespace

import gradio as gr
import pytest

from gpt import WeightsError
from gpt.generation import Settings
from gpt.library import Library
from gpt.runs import Run
from gpt.ui.common.page_html import NO_RUN
from tests.ui.bare_page import bare_page

RUN = Run("small", "Hello", (15496,), Settings())


@pytest.fixture
def tab():
    """A page under construction, and three components on it."""
    with gr.Blocks() as blocks:
        page = bare_page(Library())
        yield SimpleNamespace(blocks=blocks, page=page, note=gr.HTML(), shown=gr.HTML(), slider=gr.Slider())


def test_a_drawing_gets_the_run_and_the_values_of_its_inputs_and_clears_the_note(tab):
    drawing = tab.page.drawing(
        lambda run, value: {tab.shown: f"{run.prompt} {value}"}, [tab.slider], [tab.shown], tab.note
    )
    assert list(drawing.inputs) == [tab.page.run, tab.slider]
    assert list(drawing.outputs) == [tab.note, tab.shown]
    assert drawing.fn(RUN, 3) == {tab.note: "", tab.shown: "Hello 3"}


def test_without_a_run_the_note_says_so_and_nothing_else_changes(tab):
    drawing = tab.page.drawing(lambda run, _value: {tab.shown: run.prompt}, [tab.slider], [tab.shown], tab.note)
    assert drawing.fn(None, 3) == {tab.note: NO_RUN}


@pytest.mark.parametrize("error", [ValueError, WeightsError])
def test_a_refusal_is_said_in_the_note_and_nothing_else_changes(tab, error):
    def refuse(run):
        raise error(f"{run.prompt} is <too> short.")

    (said,) = tab.page.drawing(refuse, [], [tab.shown], tab.note).fn(RUN).items()
    assert said[0] is tab.note
    assert "Hello is &lt;too&gt; short." in said[1] and 'role="alert"' in said[1]


def test_a_file_is_made_of_the_run_and_none_without_one(tab):
    tab.page.save_button("Save", "save", lambda run, value: {"text": f"{run.prompt} {value}"}, [tab.slider])
    (make,) = [event.fn for event in tab.blocks.fns.values() if event.inputs == [tab.page.run, tab.slider]]
    assert make(RUN, 3) == {"text": "Hello 3"}
    assert make(None, 3) is None
