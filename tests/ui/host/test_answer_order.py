"""Of two drawings of one place the newer event's stays."""

import asyncio
from threading import Event

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from gpt.engine.fair_share import ASKING, Client
from gpt.ui.common.drawing import Drawing
from gpt.ui.host.answer_order import AnswerOrder, keep_answers_in_order
from tests.own_loop import in_own_loop

HERE, OTHER = Client("an address", "a page"), Client("an address", "another page")


@pytest.fixture
def places():
    with gr.Blocks():
        return gr.HTML(), gr.HTML()


def test_an_older_events_late_answer_changes_only_what_no_newer_one_has_changed(places):
    left, right = places

    async def three():
        order = AnswerOrder()
        async with order.begun(HERE) as oldest, order.begun(HERE) as older:
            async with order.begun(HERE) as newer:
                assert await order.still_true(newer, {left: "new"}) == {left: "new"}
            async with oldest.sent:
                assert await order.still_true(oldest, {left: "old", right: "old"}) == {right: "old"}
            assert await order.still_true(older, {left: "old"}) == {left: gr.skip()}

    in_own_loop(three())


def test_answers_in_their_order_all_stay_and_other_visitors_are_not_concerned(places):
    left, _ = places

    async def several():
        order = AnswerOrder()
        async with order.begun(HERE) as second, order.begun(OTHER) as theirs:
            assert await order.still_true(second, {left: 2}) == {left: 2}
            assert await order.still_true(theirs, {left: 3}) == {left: 3}
        for of_no_places in ("a text", {"tokens": [], "entropy_bits": 1.0}, {}):
            async with order.begun(HERE) as first:
                assert await order.still_true(first, of_no_places) == of_no_places

    in_own_loop(several())


def test_nothing_is_kept_of_events_that_are_over(places):
    left, _ = places

    async def one():
        order = AnswerOrder()
        async with order.begun(HERE) as event:
            await order.still_true(event, {left: 1})
        assert not order._sessions

    in_own_loop(one())


class Slow(gr.HTML):
    """A component whose values are prepared when it is let."""

    def __init__(self) -> None:
        self.before, self.after = Event(), Event()
        self.after.set()  # for its first value
        super().__init__()
        self.after.clear()

    def preprocess(self, payload):
        assert self.before.wait(30)
        return payload

    def postprocess(self, value):
        assert self.after.wait(30)
        return value


@pytest.mark.parametrize("is_slow_before", [True, False])
def test_an_event_of_slow_values_is_not_shown_over_a_newer_one(is_slow_before):
    with gr.Blocks() as page:
        slow, place, button = Slow(), gr.HTML(), gr.Button()
        Drawing(lambda _: {place: "older", slow: "older"}, [slow], [place, slow], False).draw_on(button.click)
        Drawing(lambda: {place: "newer"}, [], [place], False).draw_on(button.click)
    keep_answers_in_order(page)
    older, newer = page.fns.values()
    (slow.after if is_slow_before else slow.before).set()
    shown, state = [], SessionState(page)

    async def answered(event, inputs):
        ASKING.set(HERE)
        value = (await page.process_api(event, inputs, state))["data"][0]
        shown.append(value if isinstance(value, str) else None)  # None: an update without a value

    async def both():
        first = asyncio.create_task(answered(older, [""]))
        await asyncio.sleep(0.2)
        second = asyncio.create_task(answered(newer, []))
        await asyncio.sleep(0.2)
        assert shown == (["newer"] if is_slow_before else [])
        (slow.before if is_slow_before else slow.after).set()
        await asyncio.gather(first, second)

    in_own_loop(both())
    assert shown == (["newer", None] if is_slow_before else ["older", "newer"])
