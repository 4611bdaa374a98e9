"""The chapter's printed figures of section 4.2."""

import pytest
import torch

from gpt.chapter.layernorm_example import chapter_example, normalize_rows
from gpt.model import LayerNorm


def printed(values: torch.Tensor) -> list:
    """Rounded to the four decimals the chapter prints."""
    return (values.double() * 1e4).round().div(1e4).squeeze(-1).tolist()


def test_chapter_example_gives_its_printed_figures():
    # Section 4.2: the layer's outputs, then their mean and unbiased variance.
    _, activations = chapter_example()
    assert printed(activations) == [[0.2260, 0.3470, 0, 0.2216, 0, 0], [0.2133, 0.2394, 0, 0.5198, 0.3297, 0]]
    rows = normalize_rows(activations, eps=0, unbiased=True)
    assert printed(rows.mean) == [0.1324, 0.2170]
    assert printed(rows.unbiased_variance) == [0.0231, 0.0398]
    assert printed(rows.normalized_unbiased_variance) == [1.0, 1.0]


def test_chapter_example_is_the_one_after_seed_123():
    torch.manual_seed(123)
    batch = torch.randn(2, 5)
    layer = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.ReLU())
    inputs, activations = chapter_example()
    assert inputs.equal(batch) and activations.equal(layer(batch))


def test_with_biased_variance_and_eps_the_result_falls_just_short_of_1():
    # Section 4.2 with the LayerNorm class on the layer's outputs.
    _, activations = chapter_example()
    rows = normalize_rows(activations)
    assert printed(rows.normalized_biased_variance) == [0.9995, 0.9997]
    torch.testing.assert_close(rows.normalized, LayerNorm(6)(activations))
    torch.testing.assert_close(rows.normalized_biased_variance, rows.biased_variance / (rows.biased_variance + 1e-5))
    torch.testing.assert_close(rows.unbiased_variance, rows.biased_variance * 6 / 5)


def test_negative_eps_is_refused():
    with pytest.raises(ValueError, match="eps is -1"):
        normalize_rows(torch.ones(1, 3), eps=-1)
