"""The files of the LayerNorm tab: each view, and the chapter's example."""

import pytest
import torch

from gpt import trace
from gpt.chapter.layernorm_example import chapter_example
from gpt.chapter.without_norms import without_norms
from gpt.ui.layernorm.chapter_example import BIASED, INPUTS, OUTPUTS, UNBIASED

from .tables import BLOCK, TOKEN, columns, same, table, token_columns, visible


def norm_file(visitor, view: str, norm: str = "norm2") -> tuple[list[str], list[list[str]]]:
    visitor.put(norm_view=view, norm_block=BLOCK, norm_name=norm)
    return table(visitor.saved("norm-csv"), f"layernorm-{view.lower().replace(' ', '-')}")


def stages(norm) -> list[torch.Tensor]:
    """Before, normalized, after: (t, d) each, the middle one by the chapter's formula."""
    x = norm.before
    normalized = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
    return [x, normalized, norm.after]


@pytest.mark.parametrize("norm", ["norm1", "norm2", "final_norm"])
def test_distribution_is_the_selected_token_feature_by_feature(visitor, traced, norm):
    header, rows = norm_file(visitor, "Distribution", norm)
    assert header == ["feature", "before", "normalized", "after"]
    assert [row[0] for row in rows] == [str(i) for i in range(24)]
    same(columns(rows, 1), torch.stack([x[TOKEN] for x in stages(traced.norm(BLOCK, norm))], 1))


def test_per_token_is_mean_and_biased_variance_of_every_stage(visitor, traced, ids):
    header, rows = norm_file(visitor, "Per token")
    names = [f"{name} {stage}" for stage in ("before", "normalized", "after") for name in ("mean", "biased variance")]
    assert header == ["token number", "id", "token", *names]
    assert columns(rows, 0, 3) == [
        [str(i), str(token_id), text] for i, (token_id, text) in enumerate(zip(ids, visible(ids), strict=True), 1)
    ]
    expected = [each for x in stages(traced.norm(BLOCK, "norm2")) for each in (x.mean(1), x.var(1, correction=0))]
    same(columns(rows, 3), torch.stack(expected, 1))


def test_the_feature_map_is_every_feature_of_every_token_before_and_after(visitor, traced, ids):
    header, rows = norm_file(visitor, "Feature map")
    assert header == ["stage", "token number", "id", "token", *map(str, range(24))]
    t = len(ids)
    assert [row[0] for row in rows] == ["before"] * t + ["after"] * t
    assert [row[1:4] for row in rows[:t]] == [row[1:4] for row in rows[t:]]
    assert [row[2] for row in rows[:t]] == list(map(str, ids))
    before, _, after = stages(traced.norm(BLOCK, "norm2"))
    same(columns(rows, 4), torch.cat([before, after]))


@pytest.mark.parametrize("norm", ["norm1", "norm2", "final_norm"])
def test_scale_and_shift_are_the_norms_own(visitor, uneven_model, norm):
    header, rows = norm_file(visitor, "Scale and shift", norm)
    module = uneven_model.final_norm if norm == "final_norm" else getattr(uneven_model.trf_blocks[BLOCK], norm)
    assert header == ["feature", "scale", "shift"]
    same(columns(rows, 1), torch.stack([module.scale, module.shift], 1))


PLACES = ["block 0, norm1", "block 0, norm2", "block 1, norm1", "block 1, norm2", "block 2, norm1", "block 2, norm2"]


def test_through_the_depth_is_the_deviation_that_enters_every_norm(visitor, traced, ids):
    header, rows = norm_file(visitor, "Through the depth")
    assert header == ["entering", *token_columns(ids)]
    assert [row[0] for row in rows] == [*PLACES, "final_norm"]
    same(columns(rows, 1), torch.stack([norm.before.std(1, correction=0) for norm in traced.norms]))


def test_without_norms_sets_the_selected_token_of_both_networks_side_by_side(visitor, traced, uneven_model, ids):
    header, rows = norm_file(visitor, "Without norms")
    assert header == ["entering", "with norms", "without"]
    assert [row[0] for row in rows] == [*PLACES, "final_norm"]
    bare = trace(without_norms(uneven_model), ids)
    deviations = [[norm.before[TOKEN].std(correction=0) for norm in each.norms] for each in (traced, bare)]
    same(columns(rows, 1), torch.tensor(deviations).T)


@pytest.mark.parametrize("which", [OUTPUTS, INPUTS])
@pytest.mark.parametrize("variance", [BIASED, UNBIASED])
def test_the_example_is_the_chapters_rows_and_their_figures_before_and_after(visitor, which, variance):
    visitor.put(example_rows=which, example_variance=variance, example_eps=-2)
    header, rows = table(visitor.saved("example-csv"), "layernorm-2-5-example")
    inputs, outputs = chapter_example()
    x = inputs if which == INPUTS else outputs
    features = [str(i) for i in range(1, x.shape[1] + 1)]
    assert header == ["row", *features, "mean", "biased var.", "unbiased var."]
    stages = ("before", "normalized", "without eps")
    assert [row[0] for row in rows] == [f"{name}, example {i}" for name in stages for i in (1, 2)]
    spread = x.var(1, keepdim=True, correction=int(variance == UNBIASED))
    centred = x - x.mean(1, keepdim=True)
    all_three = torch.cat([x, centred / (spread + 0.01).sqrt(), centred / spread.sqrt()])
    figures = [all_three.mean(1), all_three.var(1, correction=0), all_three.var(1, correction=1)]
    same(columns(rows, 1), torch.cat([all_three, torch.stack(figures, 1)], 1))
