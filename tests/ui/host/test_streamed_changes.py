"""Two answers of a stream that reach the page at once: the first is still what it was when the second has been read."""

import copy
from types import SimpleNamespace

import gradio as gr
import pytest

from gpt.ui.host.streamed_changes import send_whole_values

SHOWN = {"__type__": "update", "value": "Stop", "elem_classes": ["shown"], "interactive": True}
NEXT = {"__type__": "update"}


@pytest.fixture
def said():
    """What a page is sent, one answer after the other, of a stream of these values by output."""

    def said(*answers: list) -> list[list]:
        with gr.Blocks() as page:
            pass
        send_whole_values(page)
        event = SimpleNamespace(outputs=answers[0])
        return [
            copy.deepcopy(page.handle_streaming_diffs(event, copy.deepcopy(answer), "session", "run", final=False))
            for answer in answers
        ]

    return said


def read(sent: list, before: object) -> object:
    """As Gradio's page does it: whatever is not replaced as a whole is changed in place."""
    for action, path, value in sent:
        if path:
            assert action == "delete" and isinstance(before, dict)
            del before[path[0]]
        else:
            before = before + value if action == "append" else value
    return before


def test_a_value_is_replaced_and_not_changed_inside(said):
    first, second = said([SHOWN], [NEXT])
    shown = first[0]
    assert read(second[0], shown) == NEXT
    assert shown == SHOWN


def test_what_stays_is_not_sent_again_and_a_text_that_grows_only_with_what_is_new(said):
    _, second = said([SHOWN, "Hello"], [SHOWN, "Hello, I"])
    assert second == [[], [["append", [], ", I"]]]


def test_the_last_answer_is_whole():
    with gr.Blocks() as page:
        pass
    send_whole_values(page)
    event = SimpleNamespace(outputs=[0])
    page.handle_streaming_diffs(event, [SHOWN], "session", "run", final=False)
    assert page.handle_streaming_diffs(event, [None], "session", "run", final=True) == [SHOWN]
