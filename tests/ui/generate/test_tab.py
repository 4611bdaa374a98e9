"""What the Generate tab says and shows of a run is what the run holds."""

import re
from itertools import chain, repeat

import pytest

from gpt import Tokenizer
from gpt.ui.common.colours import probability_colour, text_colour
from gpt.ui.common.number_format import percent
from gpt.ui.common.stoppable_work import stop_button

TOKENIZER = Tokenizer()


@pytest.fixture
def generated(visitor, monkeypatch):
    """The visitor's run, written again by a clock that shows three seconds from the first token on."""
    clock = chain([0.0], repeat(3.0))
    monkeypatch.setattr("gpt.ui.generate.run_display.monotonic", lambda: next(clock))
    visitor.put(length=6)
    visitor.fire("generate")
    return visitor


def attributes(strip: str, name: str) -> list[str]:
    return re.findall(rf'<button [^>]*\b{name}="([^"]*)"', strip)


def test_the_status_counts_the_new_tokens_and_ends_with_their_rate(generated):
    first, *_, last = generated.shown("run-status")
    assert "1 new token …" in first
    assert "6 new tokens, length reached." in last
    assert "2.0 tokens/s" in last  # six of them in three seconds


def test_every_token_has_its_place_id_probability_rank_and_colour(generated):
    run, strip = generated.run, generated.shown("run-strip")[-1]
    assert attributes(strip, "data-index") == [str(i) for i in range(10)]
    names = [f"{TOKENIZER.visible(token_id)} · id {token_id}" for token_id in run.ids]
    said = ["prompt"] * 4 + [f"{percent(step.probability)}, rank {step.rank:,}" for step in run.steps]
    assert attributes(strip, "aria-label") == [f"{name} · {each}" for name, each in zip(names, said, strict=True)]
    assert attributes(strip, "class") == ["token prompt"] * 4 + ["token new scaled"] * 6
    expected = []
    for step in run.steps:
        light, dark = probability_colour(step.probability), probability_colour(step.probability, dark=True)
        expected.append(f"--light:{light};--on-light:{text_colour(light)};--dark:{dark};--on-dark:{text_colour(dark)}")
    assert attributes(strip, "style") == expected


def test_the_plain_text_is_that_of_the_run_with_broken_characters_held_back(generated):
    text = TOKENIZER.decode(generated.run.ids)
    assert generated.shown("run-text")[-1] == text.rstrip("\ufffd")


def test_stop_is_there_while_it_runs(generated):
    shown = [value for block, value in generated.news if block.elem_id == "stop"]
    assert shown == [stop_button(running=True), stop_button(running=False)]
