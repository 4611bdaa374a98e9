"""What is kept of visitors: light, bounded, ended when idle; the page of nobody who is here is ended for another."""

from types import SimpleNamespace

import gradio as gr
import pytest

from gpt.ui.host import sessions as module
from gpt.ui.host.sessions import Sessions


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=1_000.0)
    monkeypatch.setattr(module, "monotonic", lambda: now.seconds)
    return now


@pytest.fixture
def sessions(clock):  # noqa: ARG001 - time stands still from the beginning
    with gr.Blocks() as page:
        page.model, page.run = gr.State(""), gr.State(None)
        gr.Textbox()
    sessions = Sessions(60.0)
    sessions.set_blocks(page)
    return sessions


def test_an_idle_session_ends_and_its_visitor_is_told_once_and_keeps_the_model(sessions, clock):
    page = sessions.blocks
    with sessions.connected("ann"):
        sessions["ann"][page.model._id] = "gpt2-124M"
        sessions["ann"][page.run._id] = object()
        clock.seconds += 59
        sessions.end_idle(set())
        assert "ann" in sessions
        clock.seconds += 2
        sessions.end_idle(set())
        assert "ann" not in sessions
        assert sessions["ann"][page.model._id] == "gpt2-124M"
        assert sessions["ann"][page.run._id] is None
        assert [sessions.was_ended("ann"), sessions.was_ended("ann")] == [True, False]


def test_a_session_whose_event_is_under_way_does_not_end(sessions, clock):
    assert sessions["ann"]
    clock.seconds += 1_000
    sessions.end_idle({"ann"})
    assert "ann" in sessions


def test_five_thousand_invented_sessions_end_nobodys_who_is_here(sessions):
    with sessions.connected("ann"):
        run = sessions["ann"][sessions.blocks.run._id] = object()
        for number in range(5_000):
            assert sessions[f"invented{number}"]
        sessions.end_idle(set())
        assert sessions["ann"][sessions.blocks.run._id] is run
        assert not sessions.was_ended("ann")
        assert len(sessions.session_data) < 200


def test_a_session_without_a_page_is_soon_forgotten(sessions, clock):
    sessions._idle_seconds = 3_600.0
    assert sessions["a program"]
    with sessions.connected("a reader"):
        assert sessions["a reader"]
    clock.seconds += 130
    sessions.end_idle(set())
    assert "a program" not in sessions
    assert "a reader" in sessions  # who may come back


def test_a_call_without_a_session_leaves_nothing_once_it_is_over(sessions):
    sessions.is_a_call("call")
    assert sessions["call"]
    sessions.end_idle({"call"})
    assert "call" in sessions
    sessions.end_idle(set())
    assert "call" not in sessions
    assert not sessions._used
    assert not sessions._calls


def test_what_is_remembered_of_those_who_left_is_bounded(sessions, clock, monkeypatch):
    monkeypatch.setattr(module, "_MOST_REMEMBERED", 10)
    for number in range(50):
        with sessions.connected(f"visitor{number}"):
            assert sessions[f"visitor{number}"]
    assert sessions.n_connected == 0
    clock.seconds += 100
    sessions.end_idle(set())
    assert not sessions.session_data
    assert len(sessions._ended) == 10
    assert not sessions._had_page
