"""A tab with several views: what is put on the page, and the file of numbers."""

from dataclasses import replace

import gradio as gr
import pytest

from gpt.generation import Settings
from gpt.library import Library
from gpt.runs import Run
from gpt.ui.common.captions import About
from gpt.ui.common.components import plot
from gpt.ui.common.figure_template import figure
from gpt.ui.common.saved_pictures import pictured
from gpt.ui.common.tab_views import Shown, View, ViewArea, save_numbers
from tests.ui.bare_page import bare_page

RUN = Run("small", "Hello", (15496,), Settings())
ABOUT = About("Norm", "small")
FIRST, SECOND = figure("first"), figure("second")


@pytest.fixture
def blocks():
    with gr.Blocks() as blocks:
        yield blocks


@pytest.mark.usefixtures("blocks")
def test_a_view_fills_its_area_and_hides_the_place_of_a_second_figure_it_has_not():
    with gr.Column() as column:
        area = ViewArea(gr.HTML(), gr.Plot(), gr.Plot(), column, gr.HTML())
    updates = area.updates(Shown("2 < 3", FIRST, table="<table></table>"), ABOUT)
    assert updates == {
        area.said: '<p class="status">2 &lt; 3</p>',
        area.figure: plot(FIRST, ABOUT),
        area.second_area: gr.update(visible=False),
        area.table: pictured(replace(ABOUT, what="Norm, table"), "<table></table>"),
    }
    updates = area.updates(Shown("", FIRST, SECOND, "closer"), ABOUT)
    assert updates[area.second] == plot(SECOND, About("Norm, closer", "small"))
    assert updates[area.second_area] == gr.update(visible=True)
    assert updates[area.table] == ""
    assert set(updates) == set(area.all())


def test_the_numbers_of_the_open_view_are_saved_under_its_name(blocks):
    views = {
        "All of it": View(lambda look: Shown(look, FIRST), lambda look: (["text"], [[look]])),
        "Twice": View(lambda look: Shown(look, FIRST), lambda look: (["text"], [[look], [look]])),
    }
    page = bare_page(Library())
    inputs = [gr.Radio(list(views)), gr.Number()]

    def about(name: str, _: str) -> About:
        return About(f"Norm: {name}", "small")

    save_numbers(page, "csv", views, lambda run, number: f"{run.prompt} {number}", about, inputs)
    (make,) = [event.fn for event in blocks.fns.values() if event.inputs == [page.run, *inputs]]
    file = make(RUN, "Twice", 3)
    assert file["name"] == "norm-twice_small.csv"
    assert file["text"] == "\ufeffmodel,text\r\nsmall,Hello 3\r\nsmall,Hello 3\r\n"
    assert make(RUN, "All of it", 1)["name"] == "norm-all-of-it_small.csv"
    assert make(None, "Twice", 3) is None
