"""The files of the Probabilities tab: the step, the run, its tokens."""

import json

import pytest
import torch
from torch.nn import functional as F

from gpt.sampling import Sampling, token_table

from .tables import SETTINGS, TOKEN, columns, same, table, visible


def test_the_step_has_every_column_of_the_table_and_all_other_tokens_in_the_last_row(visitor, uneven_model, ids):
    visitor.put(T=0.8, k=12, p=0.95, rows=9)
    header, rows = table(visitor.saved("save-step"), "probabilities-candidates")
    assert header == [
        "rank", "token_id", "token", "logit", "probability", "sampling_probability", "filter", "note",
    ]  # fmt: skip
    sampling = Sampling(0.8, 12, 0.95)
    expected = token_table(uneven_model(torch.tensor([ids[:TOKEN]]))[0, -1], sampling, 9, (ids[TOKEN],))
    *tokens, others = rows
    assert [row[0] for row in tokens] == [str(row.rank) for row in expected.tokens]
    assert [row[1] for row in tokens] == [str(row.token_id) for row in expected.tokens]
    assert [row[2] for row in tokens] == visible(row.token_id for row in expected.tokens)
    figures = [[row.logit, row.probability, row.sampling_probability] for row in expected.tokens]
    same(columns(tokens, 3, 6), torch.tensor(figures))
    assert [row[6] for row in tokens] == ["kept" if row.kept else f"cut by {row.cut_by}" for row in expected.tokens]
    assert [row[7] for row in tokens] == ["drawn" * (row.token_id == ids[TOKEN]) for row in expected.tokens]
    assert others[:4] == ["", "", f"all {50257 - len(tokens)} other tokens", ""]
    same([others[4:6]], torch.tensor([[expected.other_probability, expected.other_sampling_probability]]))
    assert others[6:] == [f"{expected.other_kept} kept", ""]


def test_the_run_has_the_settings_it_was_made_with_and_a_perplexity_of_its_prompt_alone(visitor, uneven_model, ids):
    saved = json.loads(visitor.saved("save-run")["text"])
    assert saved["prompt"] == "Every effort moves you"
    assert {name: saved[name] for name in SETTINGS} == SETTINGS
    assert saved["ids"] == list(ids)
    prompt = torch.tensor(ids[:4])
    loss = F.cross_entropy(uneven_model(prompt[None, :-1])[0], prompt[1:])
    assert saved["prompt_perplexity"] == pytest.approx(float(loss.exp()), rel=1e-3)
    assert len(saved["prompt_tokens"]) == 4


def test_the_tokens_of_the_run_have_their_probability_and_the_first_has_none(visitor, uneven_model, ids):
    header, rows = table(visitor.saved("save-tokens"), "tokens-of-the-run")
    assert header[:4] == ["token number", "token id", "token", "where"]
    assert columns(rows, 1, 3) == [[str(token_id), text] for token_id, text in zip(ids, visible(ids), strict=True)]
    assert [row[3] for row in rows] == ["prompt"] * 4 + ["new"] * (len(ids) - 4)
    assert rows[0][4:] == [""] * 4
    logprobs = uneven_model(torch.tensor([ids]))[0].log_softmax(-1)
    expected = torch.tensor([logprobs[i, token_id] for i, token_id in enumerate(ids[1:])])
    same(columns(rows[1:], 5, 6), expected[:, None])
