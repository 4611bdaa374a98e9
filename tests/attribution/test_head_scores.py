"""What heads do: scores of heads whose habit is known, tokens that a model knows, and the loss on each copy."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from gpt.attribution.head_scores import (
    COPY_LENGTH,
    N_SEQUENCES,
    attention_scores,
    head_scores,
    known_ids,
    repeated_sequences,
)
from gpt.model import GPTModel
from gpt.tracing import trace
from tests.attribution.seeded import CONFIG, seeded_model

PLACES = torch.arange(10)


def looks_at(places: torch.Tensor) -> torch.Tensor:
    """The map of a head that looks at exactly one place from each of ten: (10, 10)."""
    return F.one_hot(places.clamp(0), 10).float()


@pytest.mark.parametrize(
    ("number", "places", "distance"),
    [
        (0, PLACES - 1, 0.9),
        (1, PLACES * 0, 4.5),
        (2, PLACES, 0.0),
        (3, PLACES - 5, 3.5),
        (4, PLACES - 4, 3.0),
    ],
    ids=["previous", "first", "same", "duplicate", "induction"],
)
def test_a_head_with_one_habit_scores_1_for_it_and_knows_no_doubt(number, places, distance):
    scores = attention_scores(looks_at(places)[None])[:, 0]
    assert scores[number] == 1
    assert scores[:5].gt(0.7).sum() == 1
    assert scores[5] == 0
    assert float(scores[6]) == pytest.approx(distance)


def test_a_head_that_looks_everywhere_alike_has_the_entropy_of_its_rows():
    even = torch.ones(10, 10).tril() / torch.arange(1, 11)[:, None]
    scores = attention_scores(even[None])[:, 0]
    assert float(scores[5]) == pytest.approx(float(torch.arange(1.0, 11).log2().mean()))
    assert float(scores[6]) == pytest.approx(4.5 / 2)
    assert float(scores[2]) == pytest.approx(float((1 / torch.arange(1.0, 11)).mean()))
    assert float(scores[4]) == pytest.approx(float((1 / torch.arange(6.0, 11)).mean()))


def test_scores_and_losses_are_means_over_the_sequences():
    model = seeded_model()
    scores = head_scores(model, seed=5)
    sequences = [list(ids) for ids in scores.sequences]
    assert sequences == repeated_sequences(model, 5) and len(sequences) == N_SEQUENCES
    maps = torch.stack([torch.stack([b.attention for b in trace(model, ids).blocks]) for ids in sequences])
    n = len(sequences[0]) // 2
    second = maps[..., n:, :]
    torch.testing.assert_close(scores.induction, second.diagonal(1, -2, -1).mean(-1).mean(0))
    torch.testing.assert_close(scores.previous, maps.diagonal(-1, -2, -1).mean(-1).mean(0))
    assert scores.entropy.shape == scores.distance.shape == (CONFIG.n_layers, CONFIG.n_heads)
    ids = torch.tensor(sequences)
    losses = F.cross_entropy(model(ids)[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none").mean(0)
    torch.testing.assert_close(scores.losses, losses)
    assert scores.first_copy_loss == pytest.approx(float(losses[: n - 1].mean()))
    assert scores.second_copy_loss == pytest.approx(float(losses[n:].mean()))


def test_a_sequence_is_different_tokens_written_twice_and_drawn_by_the_seed():
    model = GPTModel(replace(CONFIG, vocab_size=6000, context_length=64)).eval()
    sequences = repeated_sequences(model, 1)
    for ids in sequences:
        assert ids[:COPY_LENGTH] == ids[COPY_LENGTH:] and len(set(ids)) == COPY_LENGTH
        assert max(ids) < 5000
    assert sequences == repeated_sequences(model, 1) != repeated_sequences(model, 2)
    assert len({tuple(ids) for ids in sequences}) == N_SEQUENCES


@pytest.mark.parametrize("seed", [-1, 2**32, 2**32 + 123, 2**64])
def test_a_seed_of_which_torch_would_take_a_part_is_refused(seed):
    repeated_sequences(seeded_model(), 2**32 - 1)
    with pytest.raises(ValueError, match=f"seed is {seed}: choose a whole number from 0 to 4,294,967,295"):
        repeated_sequences(seeded_model(), seed)


def test_a_token_is_known_when_its_embedding_row_is_its_own():
    model = seeded_model()
    assert known_ids(model).tolist() == list(range(101))
    model.tok_emb.weight[[3, 50, 100]] = model.tok_emb.weight[3].clone()
    model.tok_emb.weight[[8, 9]] = model.tok_emb.weight[8].clone()
    assert known_ids(model).tolist() == [i for i in range(101) if i not in (3, 50, 100, 8, 9)]
    assert {token for ids in repeated_sequences(model, 0) for token in ids}.isdisjoint({3, 50, 100, 8, 9})


def test_a_model_that_cannot_hold_two_copies_is_refused():
    with pytest.raises(ValueError, match=r"knows 101 tokens and reads 3 at a time"):
        head_scores(seeded_model(replace(CONFIG, context_length=3)))
    model = seeded_model()
    model.tok_emb.weight[1:] = 0
    with pytest.raises(ValueError, match=r"knows 1 tokens"):
        head_scores(model)


@pytest.mark.parametrize("seed", [-1, 2**32, 2**70])
def test_a_seed_that_torch_does_not_take_is_refused(seed):
    with pytest.raises(ValueError, match=r"choose a whole number from 0 to 4,294,967,295"):
        head_scores(seeded_model(), seed)
