"""What a person may write for a token."""

from types import SimpleNamespace

import pytest

from gpt.attribution.named_token import one_token
from gpt.config import GPTConfig
from gpt.model import GPTModel
from gpt.tokenizer import Tokenizer

MODEL = GPTModel(GPTConfig(emb_dim=4, n_heads=1, n_layers=1, context_length=4))


@pytest.mark.parametrize(("text", "token_id"), [(" king", 5822), ("#5822", 5822), ("#", 2), ("#0", 0), ("\n", 198)])
def test_a_text_of_one_token_or_its_id_is_that_token(text, token_id):
    assert one_token(MODEL, Tokenizer(), text) == token_id


def test_a_text_of_several_tokens_is_answered_with_the_tokens_it_is_made_of():
    with pytest.raises(ValueError, match=r"' king boy' is 2 tokens, “·king” \(#5822\), “·boy” \(#2933\): give one"):
        one_token(MODEL, Tokenizer(), " king boy")
    with pytest.raises(ValueError, match=r"No token is named"):
        one_token(MODEL, Tokenizer(), "")
    with pytest.raises(ValueError, match=r"50257 is not a token of this model"):
        one_token(MODEL, Tokenizer(), "#50257")


@pytest.mark.parametrize("text", ["a" * 100_000, "#" + "9" * 100_000])
def test_a_text_far_too_long_is_refused_before_it_is_read(text):
    reader = SimpleNamespace(encode=lambda _: pytest.fail("read"))
    with pytest.raises(ValueError, match=r"100,00\d characters is more than one token"):
        one_token(MODEL, reader, text)
