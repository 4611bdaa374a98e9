"""Which tokens the panels of the Building blocks tab work on, and how they are written."""

from types import SimpleNamespace

from gpt import GPTConfig, Tokenizer
from gpt.ui.building_blocks.panel_tokens import last_tokens, model_and_tokens, token_html, tokens_html
from gpt.ui.common.block_choice import block_in

LOADED = SimpleNamespace(
    name="<tiny>", model=SimpleNamespace(config=GPTConfig(context_length=4, n_layers=3), tokenizer=Tokenizer())
)


def test_panels_work_on_the_last_tokens_that_fit_and_say_so():
    assert last_tokens([1, 2, 3, 4, 5], LOADED) == (2, 3, 4, 5)
    assert last_tokens([1, 2, 3, 4, 5], LOADED, most=3) == (3, 4, 5)
    assert model_and_tokens(LOADED, (2, 3), (1, 2, 3)).startswith("&lt;tiny&gt; on ")
    assert model_and_tokens(LOADED, (2, 3), (1, 2, 3)).endswith("the last 2 of 3 tokens")
    assert "last" not in model_and_tokens(LOADED, (2, 3), (2, 3))


def test_the_block_slider_ends_at_the_models_last_block():
    assert block_in(LOADED.model.config, 1) == (1, {"__type__": "update", "maximum": 2})
    assert block_in(LOADED.model.config, 11) == (2, {"__type__": "update", "maximum": 2, "value": 2})


def test_tokens_cannot_write_html():
    (bracket,) = Tokenizer().encode("<")
    assert ">&lt;<" in token_html(Tokenizer(), bracket)


def test_long_texts_are_shortened_in_front():
    assert tokens_html(Tokenizer(), [1, 2, 3], 2).startswith("… ")
    assert tokens_html(Tokenizer(), [1, 2, 3], 2).count("piece") == 2
