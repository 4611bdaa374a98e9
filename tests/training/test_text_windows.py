"""Windows cover the text once a pass, in another order and cut at other places each time."""

import pytest
import torch

from gpt.training.text_windows import TextWindows

CONTEXT = 16
TEXT = TextWindows(torch.arange(500), CONTEXT, seed=1)
IN_PASS = (500 - CONTEXT) // CONTEXT


def test_a_pass_asks_for_every_place_of_the_text_at_most_once_and_each_pass_cuts_elsewhere():
    first, second = TEXT.read(0, IN_PASS), TEXT.read(IN_PASS, IN_PASS)
    for windows in (first, second):
        assert torch.equal(windows.diff(dim=1), torch.ones(IN_PASS, CONTEXT, dtype=torch.int64))
        assert len(windows[:, 1:].unique()) == IN_PASS * CONTEXT
        assert not torch.equal(windows.sort(0).values, windows)
    assert first[:, 0].min() != second[:, 0].min()


def test_batches_that_straddle_two_passes_hold_the_end_of_one_and_the_start_of_the_next():
    one_by_one = [TEXT.read(number, 1) for number in range(IN_PASS - 2, IN_PASS + 3)]
    assert torch.equal(TEXT.read(IN_PASS - 2, 5), torch.cat(one_by_one))


def test_a_text_shorter_than_a_window_is_refused():
    with pytest.raises(ValueError, match="has 16 tokens: a context of 16 needs at least 17"):
        TextWindows(torch.arange(16), 16, seed=1)


def test_a_text_of_one_window_is_read_again_and_again():
    assert torch.equal(TextWindows(torch.arange(17), 16, seed=1).read(5, 3), torch.arange(17).expand(3, 17))
