"""A product of the compiled library on its own, against torch's."""

import pytest
import torch
from torch.nn.functional import linear

from gpt.engine.compiled import wait_until_built
from gpt.engine.panel_layout import in_panels
from gpt.engine.product import product_by


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.int8])
@pytest.mark.parametrize(("n_rows", "out", "n_in"), [(1, 1, 1), (3, 33, 7), (13, 64, 30)])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_it_multiplies_and_adds_as_torch_does(kind, n_rows, out, n_in, n_threads):
    library = wait_until_built()
    assert library is not None
    numbers = torch.Generator().manual_seed(1)
    weight = (20 * torch.randn(out, n_in, generator=numbers)).to(kind)
    x, scale = torch.randn(n_rows, n_in, generator=numbers), torch.randn(in_panels(out), generator=numbers)
    factor = scale[:out] if kind is torch.int8 else 1
    found = product_by(library, weight, scale, n_threads)(x)
    # int8 weights meet inputs in whole steps, of which 32,767 reach the largest one of a row.
    torch.testing.assert_close(found, linear(x, weight.float()) * factor + scale[:out], rtol=1e-4, atol=5e-2)


def test_it_keeps_its_weight_and_bias():
    library = wait_until_built()
    assert library is not None
    multiply = product_by(library, torch.ones(1, 1).expand(64, 5), torch.zeros(64))
    [torch.full((64, 5), 7.0) for _ in range(100)]  # would lie where a freed one lay
    assert torch.equal(multiply(torch.ones(2, 5)), torch.full((2, 64), 5.0))
