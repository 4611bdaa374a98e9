"""A model over the tokens of one text learns, and then says, what one over all 50,257 would."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from gpt.config import GPTConfig
from gpt.model import GPTModel
from gpt.tokenizer import VOCAB_SIZE
from gpt.training import vocabulary
from gpt.training.vocabulary import TextVocabulary

TEXT = torch.tensor([7] * 5 + [50256] * 3 + [40_000] * 2 + [11])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, VOCAB_SIZE - 1), min_size=1))
def test_numbers_run_from_the_commonest_token_and_lead_back_to_the_text(ids: list[int]):
    text = torch.tensor(ids)
    words = TextVocabulary.of(text)
    numbers = words.number(text)
    assert torch.equal(words.ids[numbers], text)
    assert torch.equal(torch.bincount(numbers), words.counts)
    assert words.counts.tolist() == sorted(words.counts.tolist(), reverse=True)
    assert len(words.ids) + words.n_unseen == VOCAB_SIZE


def test_all_tokens_outside_the_text_have_one_number():
    words = TextVocabulary.of(TEXT)
    assert words.number(torch.tensor([7, 50256, 40_000, 11, 0, 123])).tolist() == [0, 1, 2, 3, 4, 4]


def small_model(words: TextVocabulary) -> GPTModel:
    torch.manual_seed(0)
    return GPTModel(GPTConfig(words.size, 8, 16, 2, 1, drop_rate=0.0, tied_head=True)).eval()


def test_the_loss_of_a_small_vocabulary_is_the_cross_entropy_over_all_of_gpt2s_tokens():
    words = TextVocabulary.of(TEXT)
    model = small_model(words)
    ids = torch.tensor([[7, 11, 50256, 40_000, 7]])
    hidden = model.hidden(words.number(ids))[0]
    targets = torch.tensor([11, 50256, 40_000, 7, 11])
    # In float64: a float32 sum over all tokens loses more than the two may differ by on some processors.
    expected = F.cross_entropy(words.expand(model)(ids)[0].double(), targets).float()
    loss = words.loss(hidden, words.number(targets), model.tok_emb.weight)
    torch.testing.assert_close(loss, expected)


def test_the_exact_loss_counts_every_token_also_those_the_text_lacks():
    words = TextVocabulary.of(TEXT)
    model = small_model(words)
    ids, targets = torch.tensor([[7, 11, 50256, 40_000, 7]]), torch.tensor([11, 50256, 123, 7, 0])
    logits = model(words.number(ids))[0]
    expected = F.cross_entropy(words.expand(model)(ids)[0].double(), targets, reduction="sum").float()
    torch.testing.assert_close(words.exact_loss(logits, words.number(targets)), expected)


@pytest.mark.parametrize("tied_head", [True, False])
def test_weights_taken_from_a_whole_model_and_expanded_again_are_the_same(tied_head):
    torch.manual_seed(0)
    whole = GPTModel(GPTConfig(VOCAB_SIZE, 8, 16, 2, 1, drop_rate=0.0, tied_head=tied_head)).eval()
    words = TextVocabulary.for_weights(TEXT, whole.tok_emb.weight)
    assert len(words.ids) == VOCAB_SIZE  # every row is another one, so none may stand for others
    model = GPTModel(GPTConfig(words.size, 8, 16, 2, 1, drop_rate=0.0, tied_head=tied_head)).eval()
    model.load_state_dict(words.restrict(whole.state_dict()))
    assert torch.equal(words.expand(model)(TEXT[None, :8]), whole(TEXT[None, :8]))


def test_a_model_in_which_all_tokens_outside_the_text_are_alike_goes_on_with_the_texts_tokens():
    words = TextVocabulary.of(TEXT)
    model = small_model(words)
    whole = words.expand(model)
    again = TextVocabulary.for_weights(TEXT, whole.tok_emb.weight)
    assert torch.equal(again.ids, words.ids)
    for name, value in again.restrict(whole.state_dict()).items():
        assert torch.equal(value, model.state_dict()[name])


def test_the_loss_of_a_sampled_vocabulary_is_right_on_average(monkeypatch):
    monkeypatch.setattr(vocabulary, "N_COMMON", 20)
    monkeypatch.setattr(vocabulary, "N_SAMPLED", 60)
    torch.manual_seed(0)
    text = torch.cat([torch.arange(400), torch.randint(100, (1000,))])
    words = TextVocabulary.of(text)
    model = small_model(words)
    targets = words.number(torch.randint(400, (64,)))
    hidden, embedding = torch.randn(64, 16), model.tok_emb.weight.detach() / 2
    exact = F.cross_entropy(words.expand(model).out_head.weight[None] * 0.5 @ hidden.T, words.ids[targets][None])
    losses = torch.stack([words.loss(hidden, targets, embedding) for _ in range(200)])
    assert losses.std() > 0
    assert losses.mean().item() == pytest.approx(exact.item(), abs=0.02)


def test_gradients_of_a_sampled_vocabulary_point_where_the_exact_ones_do(monkeypatch):
    torch.manual_seed(0)
    text = torch.cat([torch.arange(400), torch.randint(100, (1000,))])
    words = TextVocabulary.of(text)
    hidden, targets = torch.randn(64, 16), torch.randint(400, (64,))
    # Logits of a deviation of about 1.2: with far sharper ones 60 draws would be too few for any estimate.
    embedding = (0.3 * torch.randn(words.size, 16)).requires_grad_()
    words.loss(hidden, targets, embedding).backward()
    exact, embedding.grad = embedding.grad, None
    monkeypatch.setattr(vocabulary, "N_COMMON", 20)
    monkeypatch.setattr(vocabulary, "N_SAMPLED", 60)
    for _ in range(200):
        (words.loss(hidden, targets, embedding) / 200).backward()
    assert F.cosine_similarity(exact.flatten(), embedding.grad.flatten(), dim=0) > 0.97
