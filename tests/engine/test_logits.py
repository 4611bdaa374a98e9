"""Sums, ranks and the largest of a vocabulary's logits: by compiled code and by torch, against the definitions."""

from math import inf, log, log2, nan

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpt.engine import logits

from .tiny import HAS_COMPILER, threads

# More than any vector holds, so that there is a remainder after whole ones and sometimes nothing but one.
MANY = st.lists(st.floats(-1e4, 1e4, width=32), min_size=2, max_size=70)
TIED = st.lists(st.sampled_from([-2.5, 0.0, 1.25, 7.0]), min_size=2, max_size=70)


@pytest.fixture(scope="module", params=["compiled", "torch"], autouse=True)
def way(request):
    """Each test runs both ways."""
    if request.param == "compiled" and not HAS_COMPILER:
        pytest.skip("there is no C compiler")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "torch":
            patch.setattr(logits, "compiled_library", lambda: None)
        yield request.param


@given(MANY | TIED)
def test_sums_of_the_softmax(numbers):
    scores = torch.tensor(numbers).double()
    probabilities = scores.softmax(0)
    bits = -torch.where(probabilities > 0, probabilities * probabilities.log2(), 0).sum()
    largest, log_total, entropy = logits.softmax_sums(torch.tensor(numbers))
    assert largest == max(numbers)
    assert largest + log_total == pytest.approx(scores.logsumexp(0).item(), rel=1e-14, abs=1e-14)
    assert entropy == pytest.approx(bits.item(), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("spread", [0.01, 1, 30])
def test_sums_over_gpt2s_vocabulary(spread):
    numbers = torch.randn(50_257, generator=torch.Generator().manual_seed(1)) * spread
    distribution = torch.distributions.Categorical(logits=numbers.double())
    largest, log_total, entropy = logits.softmax_sums(numbers)
    assert largest + log_total == pytest.approx(numbers.double().logsumexp(0).item(), rel=1e-14)
    assert entropy == pytest.approx(distribution.entropy().item() / torch.log(torch.tensor(2.0).double()).item())


@given(MANY | TIED, st.data())
def test_the_rank_counts_larger_ones_and_equal_ones_before(numbers, data):
    token_id = data.draw(st.integers(0, len(numbers) - 1))
    order = sorted(range(len(numbers)), key=lambda i: (-numbers[i], i))
    assert logits.rank(torch.tensor(numbers), token_id) == 1 + order.index(token_id)


@given(MANY | TIED, st.data())
def test_the_k_largest_come_with_all_that_are_level(numbers, data):
    k = data.draw(st.integers(1, len(numbers) - 1))
    level = sorted(numbers, reverse=True)[k - 1]
    assert logits.top_k(torch.tensor(numbers), k).tolist() == [i for i, each in enumerate(numbers) if each >= level]


@pytest.mark.parametrize("k", [1, 50, 256, 257, 50_256])
def test_the_k_largest_of_logits_in_any_order(k):
    rising = torch.arange(50_257.0)
    assert logits.top_k(rising, k).tolist() == list(range(50_257 - k, 50_257))
    assert logits.top_k(rising.flip(0), k).tolist() == list(range(k))
    shuffled = torch.randperm(50_257)
    assert logits.top_k(shuffled.float(), k).tolist() == (shuffled >= 50_257 - k).nonzero().flatten().tolist()


@pytest.mark.parametrize("n", [1, 7, 64, 129])
@pytest.mark.parametrize("number", [inf, -inf, nan])
def test_a_single_logit_that_is_not_finite_is_found(n, number):
    numbers = torch.full((n,), 3e38)
    assert logits.all_finite(numbers)
    for place in {0, n // 2, n - 1}:
        damaged = numbers.clone()
        damaged[place] = number
        assert not logits.all_finite(damaged)


@given(MANY | TIED, st.sampled_from([1e-300, 1e-3, 0.7, 1.0, 5.0, 1e300]))
def test_softmax_at_every_temperature(numbers, temperature):
    scores = torch.tensor(numbers).double()
    probabilities = logits.softmax(scores, temperature)
    expected = ((scores - scores.max()) / temperature).softmax(0)
    torch.testing.assert_close(probabilities, expected, rtol=1e-12, atol=1e-300)
    assert probabilities.sum().item() == pytest.approx(1, rel=1e-14)


def test_compiled_sums_do_not_depend_on_the_number_of_threads(way):
    if way == "torch":
        pytest.skip("torch adds up in pieces as many as its threads")
    numbers = torch.randn(50_257)
    with threads(1):
        alone = logits.softmax_sums(numbers), logits.softmax(numbers.double(), 0.7).tolist()
    with threads(3):
        assert (logits.softmax_sums(numbers), logits.softmax(numbers.double(), 0.7).tolist()) == alone


@given(st.lists(st.floats(-(2.0**127), 2.0**127, width=32), min_size=1, max_size=40))
def test_sums_of_the_largest_logits_there_are(numbers):
    largest, log_total, entropy = logits.softmax_sums(torch.tensor(numbers))
    assert largest == max(numbers)
    assert -1e-12 <= log_total <= log(len(numbers)) + 1e-12
    assert 0 <= entropy <= log2(len(numbers)) + 1e-9


@pytest.mark.parametrize("token_id", [-1, 9, 2**31])
def test_a_token_that_the_logits_lack_has_no_rank(token_id):
    with pytest.raises(IndexError):
        logits.rank(torch.arange(9.0), token_id)


@pytest.mark.parametrize("k", [0, -1, 10, 2**31])
def test_no_other_number_of_logits_can_be_the_largest(k):
    with pytest.raises(ValueError, match=f"{k} of 9 logits"):
        logits.top_k(torch.arange(9.0), k)


def test_all_logits_can_be_the_largest():
    assert logits.top_k(torch.arange(9.0), 9).tolist() == list(range(9))


def test_infinite_logits_are_numbers_like_others():
    numbers = torch.tensor([0.0, -inf, 3.0, -inf])
    assert logits.top_k(numbers, 1).tolist() == [2]
    assert logits.rank(numbers, 3) == 4


@pytest.mark.parametrize("numbers", [torch.arange(9.0).double(), torch.arange(18.0)[::2]], ids=["float64", "gaps"])
def test_logits_that_compiled_code_cannot_read(numbers):
    assert logits.top_k(numbers, 2).tolist() == [7, 8]
    assert logits.rank(numbers, 0) == 9
    largest, log_total, _ = logits.softmax_sums(numbers)
    assert largest + log_total == pytest.approx(numbers.double().logsumexp(0).item())
    torch.testing.assert_close(logits.softmax(numbers, 1.0), numbers.softmax(0))
