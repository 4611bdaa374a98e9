"""States swapped between two prompts: against a hook that swaps them one by one, and when it makes no sense."""

import pytest
import torch
from hypothesis import assume, given

from gpt.attribution import patching
from gpt.attribution.patching import activation_patching, estimated_patching, patched_rows, prompt_pair
from gpt.engine.precision import PRECISIONS
from gpt.files.weights import load_model, save_model
from gpt.model import GPTModel
from gpt.tracing import trace
from tests.attribution.seeded import CASE, seeded_model
from tests.attribution.shapes import models_and_ids

QUESTION = (CASE.ids, CASE.other_ids, CASE.token_id, CASE.rival_id)


def one_by_one(model: GPTModel, ids_from, ids_into, token_id: int, rival_id: int) -> torch.Tensor:
    """The grid by a hook in front of each block, every text read from its first token on."""

    def difference(ids) -> torch.Tensor:
        logits = model(torch.tensor([list(ids)]))[0, -1]
        return logits[token_id] - logits[rival_id]

    whole, base = difference(ids_from), difference(ids_into)
    states = [block.norm1.before for block in trace(model, ids_from).blocks]
    grid = torch.zeros(len(states), len(ids_into))
    for layer, state in enumerate(states):
        for i in range(len(ids_into)):

            def swap(_, args, i=i, state=state):
                x = args[0].clone()
                x[0, i] = state[i]
                return (x, *args[1:])

            handle = model.trf_blocks[layer].register_forward_pre_hook(swap)
            grid[layer, i] = (difference(ids_into) - base) / (whole - base)
            handle.remove()
    return grid


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_grid_is_what_swapping_one_state_at_a_time_gives(precision, tmp_path):
    save_model(seeded_model(), tmp_path)
    model = load_model(tmp_path, precision)
    within = 1e-4 if precision == "float32" else 2e-2
    grid = activation_patching(model, *QUESTION)
    torch.testing.assert_close(grid, one_by_one(model, *QUESTION), atol=within, rtol=0)
    assert grid.shape == (3, 11)


@given(models_and_ids(n_texts=2))
def test_swapping_what_is_the_same_brings_nothing_back(drawn):
    model, (ids_from, ids_into) = drawn
    try:
        grid = activation_patching(model, ids_from, ids_into, 0, 1)
    except ValueError:
        assume(False)
    same = torch.tensor(ids_from) == torch.tensor(ids_into)
    if same.any():
        assert grid[0, same].abs().max() < 1e-2
    if len(ids_from) == 1:
        torch.testing.assert_close(grid, torch.ones_like(grid), atol=1e-2, rtol=0)


def test_a_long_text_is_read_a_few_copies_at_a_time(monkeypatch):
    model = seeded_model()
    grid = activation_patching(model, *QUESTION)
    monkeypatch.setattr(patching, "_TOKENS_AT_ONCE", 25)
    torch.testing.assert_close(activation_patching(model, *QUESTION), grid)


def test_rows_come_one_by_one_and_read_no_block_before_theirs():
    model = seeded_model()
    reads = [0, 0, 0]
    for layer, block in enumerate(model.trf_blocks):
        block.register_forward_hook(lambda *_, layer=layer: reads.__setitem__(layer, reads[layer] + 1))
    rows = patched_rows(prompt_pair(model, *QUESTION))
    found = []
    for expected in ([3, 3, 3], [3, 4, 4], [3, 4, 5]):
        found.append(next(rows))
        assert reads == expected
    rest = list(patched_rows(prompt_pair(model, *QUESTION), first_block=1))
    assert len(rest) == 2 and rest[0].equal(found[1]) and rest[1].equal(found[2])


def test_the_estimate_is_exact_in_the_limit_of_a_small_change(monkeypatch):
    monkeypatch.setattr(patching, "SMALLEST_DIFFERENCE", 1e-4)
    model = seeded_model()
    model.tok_emb.weight[8] = model.tok_emb.weight[7] + 0.003 * model.tok_emb.weight[60]
    question = ([7, 30, 99, 7], [7, 30, 99, 8], 17, 88)
    pair = prompt_pair(model, *question)
    torch.testing.assert_close(estimated_patching(pair), activation_patching(model, *question), atol=0.01, rtol=0)


def test_prompts_that_cannot_be_compared_are_refused():
    model = seeded_model()
    with pytest.raises(ValueError, match=r"have 2 and 3 tokens.*same number of tokens"):
        activation_patching(model, [1, 2], [1, 2, 3], 4, 5)
    with pytest.raises(ValueError, match=r"own rival"):
        activation_patching(model, [1, 2], [1, 3], 4, 4)
    with pytest.raises(ValueError, match=r"at least 0.01 apart"):
        activation_patching(model, [1, 2], [1, 2], 4, 5)
    with pytest.raises(ValueError, match=r"101 is not a token"):
        activation_patching(model, [1, 2], [1, 3], 4, 101)
