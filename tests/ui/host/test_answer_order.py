"""Of two answers for one place the newer event's stays."""

import gradio as gr
import pytest

from gpt.engine.fair_share import Client
from gpt.ui.host.answer_order import AnswerOrder

HERE, OTHER = Client("an address", "a page"), Client("an address", "another page")


@pytest.fixture
def places():
    with gr.Blocks():
        return gr.HTML(), gr.HTML()


def test_an_older_events_late_answer_changes_only_what_no_newer_one_has_changed(places):
    order, (left, right) = AnswerOrder(), places
    with order.begun(HERE) as older, order.begun(HERE) as newer:
        assert order.still_true(HERE, newer, {left: "new"}) == {left: "new"}
        assert order.still_true(HERE, older, {left: "old", right: "old"}) == {right: "old"}
        assert order.still_true(HERE, older, {left: "old"}) == {left: gr.skip()}


def test_answers_in_their_order_all_stay_and_other_visitors_are_not_concerned(places):
    order, (left, _) = AnswerOrder(), places
    with order.begun(HERE) as first, order.begun(OTHER) as theirs, order.begun(HERE) as second:
        assert order.still_true(HERE, first, {left: 1}) == {left: 1}
        assert order.still_true(HERE, second, {left: 2}) == {left: 2}
        assert order.still_true(OTHER, theirs, {left: 3}) == {left: 3}
        for of_an_endpoint in ("a text", {"tokens": [], "entropy_bits": 1.0}, {}):
            assert order.still_true(HERE, first, of_an_endpoint) == of_an_endpoint


def test_nothing_is_kept_of_events_that_are_over(places):
    order, (left, _) = AnswerOrder(), places
    with order.begun(HERE) as number:
        order.still_true(HERE, number, {left: 1})
    assert not order._under_way and not order._newest
