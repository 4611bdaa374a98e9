"""The files of the panels that tell why a token came."""

import gradio as gr
import pytest
import torch

from gpt import direct_logit_attribution, head_scores

from .tables import TOKEN, TOKENIZER, columns, same, table


def test_an_account_is_every_part_of_the_logit(visitor, uneven_model, ids):
    header, rows = table(visitor.saved("account-csv"), "account-of-a-logit")
    assert header == ["component", "block", "head", "adds"]
    scores = uneven_model(torch.tensor([ids[:TOKEN]]))[0, -1]
    rival = next(each for each in scores.argsort(descending=True).tolist() if each != ids[TOKEN])
    account = direct_logit_attribution(uneven_model, ids[:TOKEN], ids[TOKEN], rival)
    expected = [
        [part.component, *("" if n is None else str(n) for n in (part.block, part.head))] for part in account.parts
    ]
    assert columns(rows, 0, 3) == expected
    same(columns(rows, 3), torch.tensor([[part.value] for part in account.parts]))


@pytest.mark.usefixtures("ids")
def test_heads_by_what_they_do_are_their_scores(visitor, uneven_model):
    header, rows = table(visitor.saved("heads-csv"), "inside-heads-by-what-they-do")
    scores = head_scores(uneven_model, seed=123)
    assert header[:2] == ["block", "head"]
    assert set(header[2:]) == {"previous", "first", "same", "duplicate", "induction", "entropy", "distance"}
    assert len(rows) == scores.previous.numel()
    for column, name in enumerate(header[2:], 2):
        same(columns(rows, column, column + 1), getattr(scores, name).reshape(-1, 1))


def test_tokens_that_mattered_are_the_tokens_before_the_selected_one(visitor, ids):
    header, rows = table(visitor.saved("tokens-csv"), "inside-which-tokens-mattered")
    assert header[:3] == ["token number", "token id", "token"]
    assert [int(row[1]) for row in rows] == list(ids[:TOKEN])
    assert sum(float(row[5]) for row in rows) == pytest.approx(1, abs=1e-4)  # attention from the last one


@pytest.mark.usefixtures("ids")
def test_heads_switched_off_are_saved_once_they_were_computed(visitor):
    visitor.fire("off-csv")
    assert not [value for block, value in visitor.news if isinstance(block, gr.JSON) and value]


@pytest.mark.usefixtures("ids")
def test_swapped_states_have_every_block_and_token(visitor, uneven_model):
    header, rows = table(visitor.saved("swap-csv"), "inside-swap-a-state")
    of_token = ["token number", "token id taken from", "token id put into", "token"]
    assert header == ["entering block", *of_token, "share that comes back", "estimate"]
    taken_from, put_into = (TOKENIZER.encode(visitor.value(f"swap-{which}")) for which in ("from", "into"))
    ids = [list(map(str, pair)) for pair in zip(taken_from, put_into, strict=True)]
    assert columns(rows, 2, 4)[: len(ids)] == ids
    n_blocks = uneven_model.config.n_layers
    assert sorted({int(row[0]) for row in rows}) == list(range(n_blocks))
    assert len(rows) % n_blocks == 0
