"""A text is read as UTF-8 and divided so that there is always something to train on and something to score."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpt.tokenizer import END_OF_TEXT_ID, Tokenizer
from gpt.training.held_out_windows import least_tokens
from gpt.training.training_texts import MOST_HELD_OUT, divide, read_ids


def test_end_of_text_is_one_token_and_a_mark_of_byte_order_is_none(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes("\ufeffOne.<|endoftext|>Two.".encode())
    assert read_ids(path, Tokenizer()).tolist() == [
        *Tokenizer().encode("One."),
        END_OF_TEXT_ID,
        *Tokenizer().encode("Two."),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "text.txt is empty"),
        (b" \n\n ", "text.txt is empty"),
        (b"caf\xe9", "not UTF-8 text .byte 0xe9 at position 3.: save it as UTF-8"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path, content, message):
    (tmp_path / "text.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_ids(tmp_path / "text.txt", Tokenizer())


def test_a_path_without_a_readable_file_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"There is no file .*none.txt: give the path"):
        read_ids(tmp_path / "none.txt", Tokenizer())
    with pytest.raises(ValueError, match="is a folder: give the path"):
        read_ids(tmp_path, Tokenizer())
    closed = tmp_path / "closed.txt"
    closed.write_text("Closed.")
    monkeypatch.setattr("pathlib.Path.read_text", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "Denied")))
    with pytest.raises(ValueError, match=r"closed.txt cannot be read \(Denied\)"):
        read_ids(closed, Tokenizer())


@given(n_tokens=st.integers(0, 400), context_length=st.integers(1, 200))
def test_both_parts_are_long_enough_or_the_text_is_refused_with_the_context_that_would_do(n_tokens, context_length):
    ids = torch.arange(n_tokens)
    try:
        train, held_out = divide(ids, context_length)
    except ValueError as error:
        assert f"has {n_tokens} tokens" in str(error)
        fits = [context for context in range(1, context_length) if _can_be_divided(ids, context)]
        if fits:
            assert f"a context of {max(fits)} or less" in str(error)
            assert max(fits) < context_length
        else:
            assert "too little to learn from" in str(error)
    else:
        assert torch.equal(torch.cat([train, held_out]), ids)
        assert len(train) > context_length
        assert len(held_out) >= least_tokens(context_length)


def _can_be_divided(ids: torch.Tensor, context_length: int) -> bool:
    try:
        divide(ids, context_length)
    except ValueError:
        return False
    return True


def test_a_tenth_is_held_out_but_not_more_than_takes_a_moment_to_score():
    assert len(divide(torch.arange(85_000), 256)[1]) == 8500
    assert len(divide(torch.arange(1_000_000), 256)[1]) == MOST_HELD_OUT
