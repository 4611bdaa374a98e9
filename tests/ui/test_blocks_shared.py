"""What the panels of the Building blocks tab share."""

from types import SimpleNamespace

from gpt import GPTConfig, Tokenizer
from gpt.ui.blocks_shared import block_in, end_of, explained, source, token_html, tokens_html
from gpt.ui.traces import NO_RUN

LOADED = SimpleNamespace(name="<tiny>", model=SimpleNamespace(config=GPTConfig(context_length=4, n_layers=3)))


def test_without_a_run_a_panel_says_so_and_stays_as_it_is():
    said, *rest = explained(lambda run: [run, run], 2)(None)
    assert said == NO_RUN
    assert all(each["__type__"] == "update" and len(each) == 1 for each in rest)


def test_a_refusal_is_said_in_the_panel():
    def refuse(run):
        raise ValueError(f"{run} is <too> short.")

    said, _ = explained(refuse, 1)("The run")
    assert "The run is &lt;too&gt; short." in said


def test_what_was_drawn_clears_the_note():
    assert explained(lambda run, block: [run + block], 1)(1, 2) == ["", 3]


def test_panels_work_on_the_last_tokens_that_fit_and_say_so():
    assert end_of([1, 2, 3, 4, 5], LOADED) == (2, 3, 4, 5)
    assert end_of([1, 2, 3, 4, 5], LOADED, most=3) == (3, 4, 5)
    assert source(LOADED, (2, 3), (1, 2, 3)).startswith("&lt;tiny&gt; on ")
    assert source(LOADED, (2, 3), (1, 2, 3)).endswith("the last 2 of 3 tokens")
    assert "last" not in source(LOADED, (2, 3), (2, 3))


def test_the_block_slider_ends_at_the_models_last_block():
    assert block_in(LOADED.model.config, 1) == (1, {"__type__": "update", "maximum": 2})
    assert block_in(LOADED.model.config, 11) == (2, {"__type__": "update", "maximum": 2, "value": 2})


def test_tokens_cannot_write_html():
    (bracket,) = Tokenizer().encode("<")
    assert ">&lt;<" in token_html(bracket)


def test_long_texts_are_shortened_in_front():
    assert tokens_html([1, 2, 3], 2).startswith("… ")
    assert tokens_html([1, 2, 3], 2).count("piece") == 2
