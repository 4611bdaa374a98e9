"""The sampler and the token table do what a plain float64 reading of the definitions says."""

from math import exp, inf, log, nan

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from gpt.sampling import Sampling, draw, force, keep, likeliest, pick, rank, score, stretch, token_table
from gpt.seeding import LARGEST_DRAW_SEED, uniform_numbers

SPREAD_LOGITS = st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=40)
TIED_LOGITS = st.lists(st.sampled_from([-2.5, 0.0, 1.0, 1.25, 7.0]), min_size=1, max_size=40)
ANY_LOGITS = SPREAD_LOGITS | TIED_LOGITS
TEMPERATURES = st.just(0.0) | st.floats(0.05, 10) | st.floats(5e-324, 1e308)
TOP_KS = st.integers(0, 45) | st.just(10**30)
TOP_PS = st.just(1.0) | st.floats(0, 1, exclude_min=True)


def nothing_to_draw() -> float:
    raise AssertionError("A number was drawn.")


def reference_softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def reference_keep(logits: list[float], sampling: Sampling) -> dict[int, float]:
    """Probability by token id after temperature, top-k, top-p and renormalising, from the definitions alone."""
    order = sorted(range(len(logits)), key=lambda i: (-logits[i], i))
    if sampling.temperature == 0:
        return {order[0]: 1.0}
    if 0 < sampling.top_k < len(logits):
        level = logits[order[sampling.top_k - 1]]
        order = [i for i in order if logits[i] >= level]
    scores = np.array([logits[i] for i in order])
    with np.errstate(over="ignore"):
        probabilities = reference_softmax((scores - scores.max()) / sampling.temperature)
    if sampling.top_p < 1:
        ends = probabilities.cumsum()
        # Closer than this to the end of a token's stretch, rounding decides: no claim is made.
        assume(np.abs(ends - sampling.top_p).min() > 1e-12)
        order = order[: 1 + int(np.sum(ends < sampling.top_p))]
        probabilities = probabilities[: len(order)] / probabilities[: len(order)].sum()
    return dict(zip(order, probabilities.tolist(), strict=True))


def assert_keeps(logits: torch.Tensor, sampling: Sampling) -> None:
    expected = reference_keep(logits.tolist(), sampling)
    kept = keep(logits, sampling)
    assert kept.ids.tolist() == sorted(expected)
    assert kept.probabilities.tolist() == pytest.approx([expected[i] for i in sorted(expected)], rel=1e-9, abs=1e-300)
    assert kept.probabilities.sum().item() == pytest.approx(1, abs=1e-12)


@given(ANY_LOGITS, TEMPERATURES, TOP_KS, TOP_PS)
def test_filters_as_the_float64_reference(logits, temperature, top_k, top_p):
    assert_keeps(torch.tensor(logits), Sampling(temperature, top_k, top_p))


@given(st.integers(0, 2**32), st.floats(0.01, 8), st.sampled_from([0, 1, 600, 9_000]), st.floats(0.01, 0.9999))
def test_filters_as_the_reference_where_sorting_is_cut_short(seed, spread, top_k, top_p):
    logits = torch.randn(10_000, generator=torch.Generator().manual_seed(seed)) * spread
    assert_keeps(logits, Sampling(1.0, top_k, top_p))


@pytest.mark.parametrize(("n", "top_p", "count"), [(8, 0.5, 4), (8, 0.51, 5), (1024, 0.25, 256), (2**14, 0.5, 2**13)])
def test_top_p_of_equal_tokens_keeps_the_lower_ids(n, top_p, count):
    assert keep(torch.zeros(n), Sampling(1.0, 0, top_p)).ids.tolist() == list(range(count))


def test_the_token_that_crosses_top_p_is_kept():
    logits = torch.tensor([0.25, 0.5, 0.125, 0.125]).log()
    assert keep(logits, Sampling(1, 0, 0.5)).ids.tolist() == [1]
    assert keep(logits, Sampling(1, 0, 0.51)).ids.tolist() == [0, 1]
    assert keep(logits, Sampling(1, 0, 0.76)).ids.tolist() == [0, 1, 2]
    assert keep(logits, Sampling(1, 0, 1e-300)).ids.tolist() == [1]


def test_top_p_counts_the_mass_after_top_k():
    logits = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()
    assert keep(logits, Sampling(1, 2, 0.55)).ids.tolist() == [0]  # 0.4 / 0.7 = 0.57
    assert keep(logits, Sampling(1, 0, 0.55)).ids.tolist() == [0, 1]


def test_tokens_level_with_the_kth_are_kept_with_it():
    assert keep(torch.tensor([1.0, 3.0, 1.0, 0.0]), Sampling(1, 2)).ids.tolist() == [0, 1, 2]


@given(ANY_LOGITS, st.integers(1, 45))
def test_greedy_takes_the_first_of_the_likeliest_without_drawing(logits, top_k):
    chosen = draw(torch.tensor(logits), Sampling(0, top_k), nothing_to_draw)
    assert chosen.token_id == int(np.argmax(np.float32(logits)))
    assert (chosen.rank, chosen.sampling_probability, chosen.uniform) == (1, 1.0, None)


@given(ANY_LOGITS, TEMPERATURES, TOP_KS, TOP_PS, st.integers(0, LARGEST_DRAW_SEED))
def test_the_drawn_token_is_kept_and_its_uniform_number_falls_on_it(logits, temperature, top_k, top_p, seed):
    sampling = Sampling(temperature, top_k, top_p)
    chosen = draw(torch.tensor(logits), sampling, uniform_numbers(seed))
    expected = reference_keep(logits, sampling)
    assert chosen.token_id in expected
    assert chosen.sampling_probability > 0
    assert chosen.sampling_probability == pytest.approx(expected[chosen.token_id], rel=1e-9)
    if chosen.uniform is not None:
        start = sum(expected[i] for i in sorted(expected) if i < chosen.token_id)
        end = start + expected[chosen.token_id]
        assert start - 1e-9 <= chosen.uniform <= end + 1e-9
        assert stretch(torch.tensor(logits), sampling, chosen.token_id) == pytest.approx((start, end), abs=1e-9)


@given(ANY_LOGITS, st.data())
def test_a_token_is_scored_under_the_softmax_over_the_whole_vocabulary(logits, data):
    token_id = data.draw(st.integers(0, len(logits) - 1))
    expected = reference_softmax(np.array(logits))
    scored = score(torch.tensor(logits), token_id)
    assert scored.token_id == token_id
    assert scored.probability == pytest.approx(expected[token_id], rel=1e-9, abs=1e-300)
    assert scored.logprob == pytest.approx(
        logits[token_id] - max(logits) - log(sum(exp(each - max(logits)) for each in logits)), rel=1e-9, abs=1e-9
    )
    assert scored.rank == 1 + sum((-each, i) < (-logits[token_id], token_id) for i, each in enumerate(logits))
    possible = expected[expected > 0]
    assert scored.entropy_bits == pytest.approx(-(possible * np.log2(possible)).sum(), rel=1e-9, abs=1e-9)
    assert scored.entropy_bits >= 0


@pytest.mark.parametrize("logit", [3e38, -3e38, 0.0])
def test_equal_logits_share_the_probability_however_large_they_are(logit):
    logits = torch.full((7,), logit)
    assert score(logits, 3).probability == pytest.approx(1 / 7)
    table = token_table(logits, Sampling(), 7)
    assert [row.probability for row in table.tokens] == pytest.approx([1 / 7] * 7)


@given(st.lists(st.floats(-(2.0**127), 2.0**127, width=32), min_size=1, max_size=40))
def test_the_probabilities_of_extreme_logits_sum_to_one(logits):
    table = token_table(torch.tensor(logits), Sampling(), 20)
    assert sum(row.probability for row in table.tokens) + table.other_probability == pytest.approx(1)
    assert all(0 <= row.probability <= 1 for row in table.tokens)


def test_entropy_of_equal_tokens_is_the_logarithm_of_their_number():
    assert score(torch.zeros(1024), 0).entropy_bits == pytest.approx(10)
    assert score(torch.zeros(1), 0).entropy_bits == 0


@pytest.mark.parametrize("sampling", [Sampling(1.0, 0, 1.0), Sampling(0.7, 6, 1.0), Sampling(1.5, 0, 0.8)])
def test_drawn_frequencies_pass_a_chi_square_test(sampling):
    logits = torch.tensor([0.3, -1.2, 1.7, 0.9, -0.4, 1.1, 0.0, -2.0])
    next_uniform = uniform_numbers(123)
    n = 3_000
    counts = torch.zeros(len(logits), dtype=torch.float64)
    for _ in range(n):
        counts[draw(logits, sampling, next_uniform).token_id] += 1
    kept = keep(logits, sampling)
    expected = n * kept.probabilities
    assert counts.sum() == counts[kept.ids].sum()
    chi_square = ((counts[kept.ids] - expected) ** 2 / expected).sum()
    freedom = torch.tensor((len(kept.ids) - 1) / 2, dtype=torch.float64)
    assert torch.special.gammaincc(freedom, chi_square / 2) > 0.01  # the probability of straying further by chance


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0, 1, exclude_max=True) | st.just(1 - 2**-53))
def test_pick_never_lands_on_a_token_of_no_probability(weights, uniform):
    assume(sum(weights) > 0)
    probabilities = torch.tensor(weights, dtype=torch.float64) / sum(weights)
    assert probabilities[pick(probabilities, uniform)] > 0


def test_pick_lays_the_probabilities_end_to_end():
    probabilities = torch.tensor([0.25, 0.0, 0.5, 0.25], dtype=torch.float64)
    picked = [pick(probabilities, uniform) for uniform in (0.0, 0.2499, 0.25, 0.7499, 0.75, 1 - 2**-53)]
    assert picked == [0, 0, 2, 2, 3, 3]


@given(ANY_LOGITS, TEMPERATURES, TOP_KS, TOP_PS, st.integers(1, 50), st.data())
def test_the_table_accounts_for_the_whole_vocabulary(logits, temperature, top_k, top_p, n, data):
    sampling = Sampling(temperature, top_k, top_p)
    extra = data.draw(st.lists(st.integers(0, len(logits) - 1), max_size=3))
    table = token_table(torch.tensor(logits), sampling, n, tuple(extra))
    order = sorted(range(len(logits)), key=lambda i: (-logits[i], i))
    listed = [row.token_id for row in table.tokens]
    assert listed == order[:n] + [i for i in dict.fromkeys(extra) if i not in order[:n]]
    assert [row.rank for row in table.tokens] == [order.index(i) + 1 for i in listed]

    probabilities = reference_softmax(np.array(logits))
    expected = reference_keep(logits, sampling)
    for row in table.tokens:
        assert row.logit == logits[row.token_id]
        assert row.probability == pytest.approx(probabilities[row.token_id], rel=1e-9, abs=1e-300)
        assert row.sampling_probability == pytest.approx(expected.get(row.token_id, 0), rel=1e-9, abs=1e-300)
        assert row.kept == (row.token_id in expected) == (row.cut_by == "")
    others = [i for i in order if i not in listed]
    assert table.other_count == len(others)
    assert table.other_kept == sum(i in expected for i in others)
    assert table.other_probability == pytest.approx(sum(probabilities[i] for i in others), abs=1e-12)
    assert table.other_sampling_probability == pytest.approx(sum(expected.get(i, 0) for i in others), abs=1e-12)


@given(ANY_LOGITS, st.floats(0.05, 10), TOP_KS, TOP_PS)
def test_the_denominators_of_the_table_give_its_probabilities(logits, temperature, top_k, top_p):
    table = token_table(torch.tensor(logits), Sampling(temperature, top_k, top_p), 50)
    for row in table.tokens:
        assert exp(row.logit - table.log_sum) == pytest.approx(row.probability, rel=1e-9, abs=1e-300)
        if row.kept:
            by_hand = exp(row.logit / temperature - table.kept_log_sum)
            assert by_hand == pytest.approx(row.sampling_probability, rel=1e-8, abs=1e-300)


def test_a_row_names_the_filter_that_cut_it():
    logits = torch.tensor([4.0, 3.0, 2.0, 1.0])
    cuts = [row.cut_by for row in token_table(logits, Sampling(1, 3, 0.9), 4).tokens]
    assert cuts == ["", "", "top-p", "top-k"]
    assert [row.cut_by for row in token_table(logits, Sampling(0), 4).tokens] == ["", "greedy", "greedy", "greedy"]


@pytest.mark.parametrize("sampling", [Sampling(0.8, 3), Sampling(0.8, 3, 0.8), Sampling(1.0, 0, 0.9), Sampling(0.0)])
def test_a_forced_token_has_the_probability_it_would_have_been_drawn_with(sampling):
    logits = torch.tensor([4.0, 3.0, 2.0, 1.0])
    rows = token_table(logits, sampling, 4).tokens
    for row in rows:
        forced = force(logits, sampling, row.token_id)
        assert (forced.rank, forced.uniform) == (row.rank, None)
        assert forced.sampling_probability == row.sampling_probability
        assert forced.probability == pytest.approx(row.probability)


@given(ANY_LOGITS, st.integers(1, 50))
def test_the_likeliest_come_by_rank(logits, n):
    tensor = torch.tensor(logits)
    assert [rank(tensor, i) for i in likeliest(tensor, n)] == list(range(1, min(n, len(logits)) + 1))


@pytest.mark.parametrize("number", [nan, inf, -inf, -1, "0.5", None, True, 1j, 10**400])
@pytest.mark.parametrize("setting", ["temperature", "top_k", "top_p"])
def test_settings_that_are_no_such_number_are_refused(setting, number):
    with pytest.raises(ValueError, match=f"{setting} is "):
        Sampling(**{setting: number})


@pytest.mark.parametrize(("setting", "number"), [("top_k", 2.5), ("top_p", 0), ("top_p", 1.01)])
def test_settings_out_of_range_are_refused(setting, number):
    with pytest.raises(ValueError, match=f"{setting} is {number}"):
        Sampling(**{setting: number})


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_scores_that_are_not_finite_are_refused(bad):
    logits = torch.zeros(10)
    logits[3] = bad
    for sampling in (Sampling(0), Sampling()):
        with pytest.raises(ValueError, match="not finite"):
            draw(logits, sampling, nothing_to_draw)
    logits[4] = inf
    with pytest.raises(ValueError, match="not finite"):
        keep(logits, Sampling())
