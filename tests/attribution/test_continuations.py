"""Texts that share their beginning: read from where they part, they end as if each had been read alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpt.attribution.continuations import Continuations, last_hidden
from gpt.cache import KVCache
from gpt.engine.precision import PRECISIONS
from gpt.files.weights import load_model, save_model
from gpt.model import GPTModel
from gpt.tracing import structural_copy
from tests.attribution.seeded import CASE, seeded_model
from tests.attribution.shapes import models_and_ids

IDS = list(CASE.ids)


def read_by(model: GPTModel, ids: list[int]) -> KVCache:
    """What the model keeps of a text."""
    cache = KVCache(model.config, len(ids))
    model.hidden(torch.tensor([ids]), cache)
    return cache


def alone(model: GPTModel, ids: list[int], texts: Continuations) -> torch.Tensor:
    """The last hidden vectors of the texts, each read from its first token on."""
    whole = [[*ids[: texts.start], *rest] for rest in texts.ids.tolist()]
    return torch.cat([model.hidden(torch.tensor([each]))[:, -1] for each in whole])


@given(models_and_ids(), st.data())
def test_every_text_ends_with_the_vector_that_it_has_when_it_is_read_alone(drawn, data):
    model, (ids,) = drawn
    token, texts = st.integers(0, model.config.vocab_size - 1), []
    for start in data.draw(st.lists(st.integers(0, len(ids) - 1), min_size=1, max_size=4)):
        rest = st.lists(token, min_size=len(ids) - start, max_size=len(ids) - start)
        texts.append(Continuations(start, torch.tensor(data.draw(st.lists(rest, min_size=1, max_size=3)))))
    expected = torch.cat([alone(model, ids, each) for each in texts])
    torch.testing.assert_close(last_hidden(model, read_by(model, ids), texts), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_texts_of_different_lengths_are_read_side_by_side_in_every_precision(precision, tmp_path):
    save_model(seeded_model(), tmp_path)
    model = load_model(tmp_path, precision)
    texts = [Continuations(2, torch.tensor([[5, 6, 7], [8, 9, 1]])), Continuations(7, torch.tensor([[4]]))]
    expected = torch.cat([alone(model, IDS, each) for each in texts])
    within = 1e-5 if precision == "float32" else 2e-2
    torch.testing.assert_close(last_hidden(model, read_by(model, IDS), texts), expected, atol=within, rtol=0)


def test_nothing_is_read_but_what_follows_and_of_the_last_block_only_the_last_tokens():
    model = structural_copy(seeded_model())
    rows: list[int] = []
    for block in model.trf_blocks:
        block.ff.register_forward_hook(lambda _, args, __: rows.append(args[0].numel() // model.config.emb_dim))
    read = read_by(model, IDS)
    rows.clear()
    last_hidden(model, read, [Continuations(8, torch.tensor([[1, 2, 3]])), Continuations(10, torch.tensor([[4], [5]]))])
    assert rows == [5, 5, 3]
