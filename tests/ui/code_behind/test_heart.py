"""The code behind Generate, Probabilities and LayerNorm computes what they show."""

import pytest
import torch

from gpt.ui.layernorm.chapter_example import BIASED, INPUTS, OUTPUTS, UNBIASED
from gpt.ui.layernorm.views import VIEWS
from tests.ui.code_behind.conftest import TOKEN
from tests.ui.code_behind.pasted import BLOCK, executed, same, saved, text_of
from tests.ui.visitor import Visitor


def test_the_text_is_written_again_with_the_figures_of_every_token(looking):
    found = executed(looking, "run-code")
    assert tuple(found["ids"]) == looking.run.ids
    for step, shown in zip(found["steps"], looking.run.steps, strict=True):
        assert (step.token_id, step.probability, step.rank) == (shown.token_id, shown.probability, shown.rank)


@pytest.mark.parametrize(
    ("kind", "values"),
    [("untrained", {"beside_seed": 7}), ("precision", {"beside_precision": "int8"})],
)
def test_the_divergence_of_every_token_is_that_of_the_two_models(looking, kind, values):
    looking.put(beside=kind, **values)
    looking.fire("beside", "input")
    found, shown = executed(looking, "beside-code"), saved(looking, "beside-csv")
    same(found["kl"], shown["kl_bits"].astype(float).to_numpy(), atol=1e-3)
    looking.put(beside="nothing")


def test_beside_other_settings_is_the_code_of_their_text(looking):
    looking.put(beside="settings", beside_T=0, beside_k=0, beside_p=1)
    looking.fire("beside", "input")
    found = executed(looking, "beside-code")
    assert looking.value("beside-strip").count("<button") == len(found["ids"])
    assert "temperature=0" in text_of(looking, "beside-code")
    looking.put(beside="nothing")


@pytest.mark.parametrize("position", [TOKEN, 3, 16])
def test_the_candidates_are_those_of_the_selected_token_and_the_sliders(looking, position):
    looking.put(T=0.8, k=12, p=0.9, rows=9)
    looking.fire("probabilities-strip", "select", index=position)
    table = executed(looking, "step-code")["table"]
    shown = saved(looking, "save-step")[: len(table.tokens)]
    for name in ("rank", "token_id", "logit", "probability", "sampling_probability"):
        same([float(getattr(row, name)) for row in table.tokens], shown[name].astype(float).to_numpy())


def test_the_first_token_was_not_predicted_and_has_no_code(looking):
    looking.fire("probabilities-strip", "select", index=0)
    assert text_of(looking, "step-code") == ""


@pytest.fixture
def branched(looking) -> Visitor:
    looking.fire("candidates", "select", index=262)
    looking.fire("take")
    yield looking
    looking.fire("back")


def test_a_branch_is_written_again_from_its_first_prompt(branched):
    assert branched.run.parent is not None
    assert tuple(executed(branched, "step-code")["ids"]) == branched.run.ids
    branched.open_tab("Generate")
    found = executed(branched, "run-code")
    assert tuple(found["ids"]) == branched.run.ids
    assert [step.probability for step in found["steps"]] == [
        step.probability for step in branched.run.steps[-len(found["steps"]) :]
    ]


@pytest.mark.parametrize("norm", ["norm1", "final_norm"])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_a_norm_is_computed_as_it_is_drawn(looking, view, norm):
    looking.put(norm_view=view, norm_block=BLOCK, norm_name=norm)
    looking.fire("norm-view", "input")
    found, shown = executed(looking, "norm-code"), saved(looking, "norm-csv")
    expected = {
        "Distribution": lambda: (torch.stack([*found["features"].values()], 1), shown.loc[:, "before":"after"]),
        "Per token": lambda: (
            torch.stack([found[name][stage] for stage in found["means"] for name in ("means", "variances")], 1),
            shown.loc[:, "mean before":"biased variance after"],
        ),
        "Feature map": lambda: (torch.cat([found["before"], found["after"]]), shown.loc[:, "0":]),
        "Scale and shift": lambda: (torch.stack([found["scale"], found["shift"]], 1), shown[["scale", "shift"]]),
        "Through the depth": lambda: (found["deviations"], shown[[name for name in shown if name[0].isdigit()]]),
        "Without norms": lambda: (
            torch.stack([found["with_norms"], found["without"]], 1),
            shown[["with norms", "without"]],
        ),
    }
    numbers, drawn = expected[view]()
    same(numbers, drawn.to_numpy())


@pytest.mark.parametrize("rows", [INPUTS, OUTPUTS])
@pytest.mark.parametrize("variance", [BIASED, UNBIASED])
def test_the_chapters_example_is_normalized_as_it_is_drawn(looking, rows, variance):
    looking.put(example_rows=rows, example_variance=variance, example_eps=-3)
    looking.fire("example-rows", "input")
    found, shown = executed(looking, "example-code"), saved(looking, "example-csv")
    drawn = shown[shown["row"].str.startswith("normalized")].loc[:, "1" : str(found["x"].shape[1])]
    same(found["normalized"], drawn.to_numpy())
