"""A seed that is used for a moment leaves no trace and is never mixed with another."""

from concurrent.futures import ThreadPoolExecutor

import torch

from gpt.seeding import seeded


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
