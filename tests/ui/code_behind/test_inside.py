"""The code behind Inside and the panels that tell why a token came computes what they show."""

import re

import pandas
import pytest
import torch

from gpt.ui.attribution.ablation_panel import MEAN, ZERO
from tests.ui.code_behind.pasted import BLOCK, N_HEADS, executed, same, saved


def columns_after(shown: pandas.DataFrame, name: str) -> pandas.DataFrame:
    """The columns of tokens, which begin with a number."""
    return shown[[column for column in shown.loc[:, name:] if column[0].isdigit()]]


def test_attention_is_that_of_the_selected_head(looking):
    looking.put(inside_view="Attention")
    looking.fire("inside-maps", "select", index=BLOCK * N_HEADS + 3)
    found = executed(looking, "inside-code")
    same(found["weights"], columns_after(saved(looking, "inside-csv"), "looking token").to_numpy())


def test_the_residual_stream_is_its_length_and_its_steps(looking):
    looking.put(inside_view="Residual stream")
    looking.fire("inside-view", "input")
    found, shown = executed(looking, "inside-code"), saved(looking, "inside-csv")
    same(found["lengths"].T.flatten(), shown["length"].to_numpy())
    same(found["changes"].T.flatten(), shown["length of the last step"].dropna().to_numpy())


@pytest.mark.parametrize("halves", [False, True])
def test_the_lens_reads_the_same_candidates_at_every_depth(looking, halves):
    looking.put(inside_view="Logit lens", inside_halves=halves)
    looking.fire("inside-view", "input")
    found, shown = executed(looking, "inside-code"), saved(looking, "inside-csv")
    assert found["top"].indices.transpose(0, 1).flatten().tolist() == shown["candidate id"].tolist()
    same(found["top"].values.transpose(0, 1).flatten(), shown["probability"].to_numpy())
    assert found["ranks"].T.flatten().tolist() == shown["rank of the final answer"].tolist()[::5]


# Why this token


def test_the_account_is_that_of_the_selected_tokens_logit(looking):
    looking.fire("account", "expand")
    found = executed(looking, "account-code")
    looking.put(account_rival=None)  # the likeliest of the others
    shown = saved(looking, "account-csv")
    same([part.value for part in found["account"].parts], shown["adds"].to_numpy())


def test_heads_have_the_scores_of_the_chosen_measure(looking):
    looking.put(inside_view="Heads by what they do", heads_measure="Duplicate", heads_seed=5)
    looking.fire("inside-view", "input")
    found, shown = executed(looking, "heads-code"), saved(looking, "heads-csv")
    same(found["values"].flatten(), shown["duplicate"].to_numpy())


def test_every_head_is_switched_off_in_turn_where_none_is_chosen(looking):
    looking.put(inside_view="Switch parts off")
    looking.fire("inside-view", "input")
    looking.fire("off-measure")
    found, shown = executed(looking, "off-code"), saved(looking, "off-csv")
    torch.testing.assert_close(
        found["effects"].flatten().double(),
        torch.tensor(shown["change of log p, nats"].to_numpy()),
        rtol=1e-3,
        atol=1e-4,
    )


@pytest.mark.parametrize("by", [ZERO, MEAN])
def test_the_chosen_parts_change_the_prediction_by_what_is_said(looking, by):
    looking.put(inside_view="Switch parts off", off_by=by)
    looking.fire("inside-view", "input")
    looking.fire("off-field", "select", index=1 * (N_HEADS + 2) + 2)
    found, said = executed(looking, "off-code"), re.sub("<[^>]*>", "", looking.shown("off-said")[-1])
    looking.fire("off-clear")
    assert f"changes by {float(found['change']):+.3f} nats" in said
    assert f"moves by {float(found['divergence']):.3f} nats" in said


def test_the_tokens_matter_as_much_as_is_drawn(looking):
    looking.put(inside_view="Which tokens mattered")
    looking.fire("inside-view", "input")
    looking.fire("tokens-measure")
    found, shown = executed(looking, "tokens-code"), saved(looking, "tokens-csv")
    names = ("falls", "gradient", "attention")
    measures = shown.loc[:, "fall of log p when the token is replaced, nats":"attention from the last token, all heads"]
    torch.testing.assert_close(
        torch.stack([found[name].double() for name in names], 1),
        torch.tensor(measures.to_numpy()),
        rtol=1e-3,
        atol=1e-4,
    )


def test_a_swapped_state_brings_back_the_share_that_is_drawn(looking):
    looking.put(inside_view="Swap a state")
    looking.fire("inside-view", "input")
    looking.fire("swap-measure")
    found, shown = executed(looking, "swap-code"), saved(looking, "swap-csv")
    same(found["shares"].flatten(), shown["share that comes back"].to_numpy())
