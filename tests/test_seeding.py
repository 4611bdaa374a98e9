"""A seed that is used for a moment leaves no trace and is never mixed with another."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from gpt.generation import Settings
from gpt.seeding import LARGEST_DRAW_SEED, LARGEST_WEIGHT_SEED, seeded, uniform_numbers


def test_the_global_generator_is_where_it_was():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    with seeded(123):
        inside = torch.rand(2)
    assert torch.equal(torch.rand(2), expected)
    torch.manual_seed(123)
    assert torch.equal(inside, torch.rand(2))


def test_threads_with_seeds_get_the_numbers_of_their_own_seed():
    def numbers(seed: int) -> list[float]:
        with seeded(seed):
            return [torch.rand(1).item() for _ in range(200)]

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(numbers, [1, 2, 3, 4] * 3))
    assert together == [numbers(seed) for seed in [1, 2, 3, 4] * 3]


def first_numbers(seed: int) -> list[float]:
    next_uniform = uniform_numbers(seed)
    return [next_uniform() for _ in range(3)]


@pytest.mark.parametrize("seed", [0, 123, LARGEST_WEIGHT_SEED])
def test_draws_of_a_seed_below_two_to_the_32_are_those_of_torchs_generator(seed):
    generator = torch.Generator().manual_seed(seed)
    assert first_numbers(seed) == torch.rand(3, dtype=torch.float64, generator=generator).tolist()


def test_every_bit_of_a_draw_seed_counts():
    seeds = [5, 2**32 + 5, 2**33 + 5, 2**52 + 5, LARGEST_DRAW_SEED - 1, LARGEST_DRAW_SEED]
    assert len({tuple(first_numbers(seed)) for seed in seeds}) == len(seeds)
    for seed in seeds:
        assert first_numbers(seed) == first_numbers(seed)
        assert all(0 <= number < 1 for number in first_numbers(seed))


def test_every_draw_seed_is_exact_in_a_browser():
    assert float(LARGEST_DRAW_SEED) == LARGEST_DRAW_SEED == 2**53 - 1
    assert Settings(seed=LARGEST_DRAW_SEED).seed == LARGEST_DRAW_SEED
    for seed in (-1, LARGEST_DRAW_SEED + 1):
        with pytest.raises(ValueError, match=f"seed is {seed}: "):
            Settings(seed=seed)
