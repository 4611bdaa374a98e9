"""The code that a view offers computes what the page shows there: run as pasted, with the model in the box."""

import io
from html import unescape
from pathlib import Path

import pandas
import pytest
import torch

from gpt.library import Library
from gpt.ui.attribution.switching import MEAN, ZERO
from gpt.ui.common.number_format import percent
from gpt.ui.layernorm.chapter_example import BIASED, INPUTS, OUTPUTS, UNBIASED
from gpt.ui.layernorm.views import VIEWS
from tests.ui.visitor import Visitor

ROOT = Path(__file__).parents[2]
PROMPT = 'She said: "It\'s\na \\ day"'  # a text that has to be quoted with care
TOKEN, BLOCK = 11, 2
N_HEADS = Library().default_config().n_heads


@pytest.fixture(scope="module")
def reader() -> Visitor:
    """A visitor for whom the bundled model wrote eight tokens."""
    visitor = Visitor(Library())
    visitor.put(prompt=PROMPT, length=8, temperature=0.9, top_k=40, top_p=0.95, seed=7)
    visitor.fire("generate")
    return visitor


@pytest.fixture
def looking(reader, monkeypatch) -> Visitor:
    """The same, with a token of its text selected, in a process that stands in the project's folder."""
    monkeypatch.chdir(ROOT)
    reader.fire("probabilities-strip", "select", index=TOKEN)
    return reader


def text_of(visitor: Visitor, elem_id: str) -> str:
    return unescape(visitor.value(elem_id))


def executed(visitor: Visitor, elem_id: str) -> dict:
    """All names that the code defines."""
    names: dict = {}
    exec(compile(text_of(visitor, elem_id), elem_id, "exec"), names)
    return names


def saved(visitor: Visitor, button: str) -> pandas.DataFrame:
    """The numbers that a press of the button saves: those that the page draws."""
    return pandas.read_csv(io.BytesIO(visitor.saved(button)["text"].encode()), encoding="utf-8-sig")


def same(found, shown) -> None:
    torch.testing.assert_close(
        torch.as_tensor(found, dtype=torch.float64),
        torch.tensor(shown, dtype=torch.float64),
        rtol=1e-4,
        atol=1e-5,
    )


def test_the_text_is_written_again_with_the_figures_of_every_token(looking):
    found = executed(looking, "run-code")
    assert tuple(found["ids"]) == looking.run.ids
    for step, shown in zip(found["steps"], looking.run.steps, strict=True):
        assert (step.token_id, step.probability, step.rank) == (shown.token_id, shown.probability, shown.rank)


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


@pytest.fixture
def calculator(looking) -> Visitor:
    looking.put(calc_n_layers=7, calc_tied_head=True, calc_mode="training", calc_seq_len=256, calc_batch_size=3)
    looking.fire("calc-n_layers", "input")
    return looking


def test_parameters_memory_and_operations_are_those_of_the_fields(calculator):
    shown = pandas.read_json(io.StringIO(calculator.saved("calc-json")["text"]), typ="series")
    parameters = executed(calculator, "calc-parameters-code")["parameters"]
    assert parameters.total == shown["parameters"]["total"]
    assert parameters.by_component == shown["parameters"]["by_component"]
    memory = executed(calculator, "calc-memory-code")["memory"]
    assert memory.activations > 0
    assert all(getattr(memory, name) == size for name, size in shown["memory_bytes"].items() if name != "resident")
    found = executed(calculator, "calc-flops-code")
    assert found["operations"] == shown["flops"]["by_component"]
    assert found["forward"] == shown["flops"]["forward"]


# Inside


def columns_after(shown: pandas.DataFrame, name: str) -> pandas.DataFrame:
    """The columns of tokens, which begin with a number."""
    return shown[[column for column in shown.loc[:, name:] if column[0].isdigit()]]


def test_attention_is_that_of_the_selected_head(looking):
    looking.put(inside_view="Attention")
    looking.fire("inside-maps", "select", index=BLOCK * N_HEADS + 3)
    found = executed(looking, "inside-code")
    same(found["weights"], columns_after(saved(looking, "inside-csv"), "looking token").to_numpy())


def test_the_residual_stream_is_its_length_and_its_steps(looking):
    looking.put(inside_view="Residual stream")
    looking.fire("inside-view", "input")
    found, shown = executed(looking, "inside-code"), saved(looking, "inside-csv")
    same(found["lengths"].T.flatten(), shown["length"].to_numpy())
    same(found["changes"].T.flatten(), shown["length of the last step"].dropna().to_numpy())


@pytest.mark.parametrize("halves", [False, True])
def test_the_lens_reads_the_same_candidates_at_every_depth(looking, halves):
    looking.put(inside_view="Logit lens", inside_halves=halves)
    looking.fire("inside-view", "input")
    found, shown = executed(looking, "inside-code"), saved(looking, "inside-csv")
    assert found["top"].indices.transpose(0, 1).flatten().tolist() == shown["candidate id"].tolist()
    same(found["top"].values.transpose(0, 1).flatten(), shown["probability"].to_numpy())
    assert found["ranks"].T.flatten().tolist() == shown["rank of the final answer"].tolist()[::5]


# Why this token


def test_the_account_is_that_of_the_selected_tokens_logit(looking):
    looking.fire("account", "expand")
    found = executed(looking, "account-code")
    looking.put(account_rival=None)  # the likeliest of the others
    shown = saved(looking, "account-csv")
    same([part.value for part in found["account"].parts], shown["adds"].to_numpy())


def test_heads_have_the_scores_of_the_chosen_measure(looking):
    looking.put(inside_view="Heads by what they do", heads_measure="Duplicate", heads_seed=5)
    looking.fire("inside-view", "input")
    found, shown = executed(looking, "heads-code"), saved(looking, "heads-csv")
    same(found["values"].flatten(), shown["duplicate"].to_numpy())


def test_every_head_is_switched_off_in_turn_where_none_is_chosen(looking):
    looking.put(inside_view="Switch parts off")
    looking.fire("inside-view", "input")
    looking.fire("off-measure")
    found, shown = executed(looking, "off-code"), saved(looking, "off-csv")
    torch.testing.assert_close(
        found["effects"].flatten().double(),
        torch.tensor(shown["change of log p, nats"].to_numpy()),
        rtol=1e-3,
        atol=1e-4,
    )


@pytest.mark.parametrize("by", [ZERO, MEAN])
def test_the_chosen_parts_change_the_prediction_by_what_is_said(looking, by):
    looking.put(inside_view="Switch parts off", off_by=by)
    looking.fire("inside-view", "input")
    looking.fire("off-field", "select", index=1 * (N_HEADS + 2) + 2)
    found, said = executed(looking, "off-code"), looking.shown("off-said")[-1]
    looking.fire("off-clear")
    assert f"changes by {float(found['change']):+.3f} nats" in said
    assert f"moves by {float(found['divergence']):.3f} nats" in said


def test_the_tokens_matter_as_much_as_is_drawn(looking):
    looking.put(inside_view="Which tokens mattered")
    looking.fire("inside-view", "input")
    looking.fire("tokens-measure")
    found, shown = executed(looking, "tokens-code"), saved(looking, "tokens-csv")
    names = ("falls", "gradient", "attention")
    measures = shown.loc[:, "fall of log p when the token is replaced, nats":"attention from the last token, all heads"]
    torch.testing.assert_close(
        torch.stack([found[name].double() for name in names], 1),
        torch.tensor(measures.to_numpy()),
        rtol=1e-3,
        atol=1e-4,
    )


def test_a_swapped_state_brings_back_the_share_that_is_drawn(looking):
    looking.put(inside_view="Swap a state")
    looking.fire("inside-view", "input")
    looking.fire("swap-measure")
    found, shown = executed(looking, "swap-code"), saved(looking, "swap-csv")
    same(found["shares"].flatten(), shown["share that comes back"].to_numpy())


# Building blocks


def test_the_placeholder_agrees_with_the_whole_model_as_far_as_is_drawn(looking):
    looking.put(parts=["attention", "shortcuts"])
    looking.open_tab("Placeholder")
    found, shown = executed(looking, "placeholder-code"), saved(looking, "save-placeholder")
    same([float(each) for each in found["agreements"]], shown["agreement"].to_numpy()[::3])
    assert [i for each in found["likeliest"] for i in each.tolist()] == shown["token id"].tolist()


def test_the_curves_are_those_of_the_range_and_the_numbers_those_of_the_block(looking):
    looking.put(reach=2.5, gelu_block=BLOCK)
    looking.open_tab("GELU")
    found, shown = executed(looking, "gelu-code"), saved(looking, "save-gelu")
    for name, values in found["curves"].items():
        same(values.detach(), shown[name].to_numpy())
        same(found["derivatives"][name], shown[f"{name}_derivative"].to_numpy())
    lowest, highest = (f"{float(end):.2f}".replace("-", "−") for end in found["preactivations"].aminmax())
    assert f"from {lowest} to {highest}" in looking.value("gelu-said")


def test_the_neurons_are_those_of_the_selected_token(looking):
    looking.put(feed_forward_block=BLOCK)
    looking.open_tab("Feed-forward")
    found, shown = executed(looking, "feed-forward-code"), saved(looking, "save-neurons")
    same(found["preactivations"], shown["preactivation"].to_numpy())
    same(found["activations"], shown["activation"].to_numpy())


def test_the_gradients_are_the_chapters_and_the_models(looking):
    looking.open_tab("Shortcuts")
    found = executed(looking, "shortcuts-code")
    chapters, models = saved(looking, "save-chapter-gradients"), saved(looking, "save-gradients")
    same(found["chapters"], chapters[["mean_with", "mean_without"]].T.to_numpy())
    same(found["models"], models[["norm_with", "norm_without"]].T.to_numpy())


@pytest.mark.parametrize("text", ["The chapter's two sentences", "The prompt", "Any batch"])
def test_the_shapes_are_those_that_are_listed(looking, text):
    looking.put(shapes_text=text, shapes_batch=3, shapes_length=5)
    looking.open_tab("Shapes")
    shapes = executed(looking, "shapes-code")["shapes"]
    listed = pandas.read_json(io.StringIO(looking.saved("save-shapes")["text"]))
    for name, line in {"tok_emb": "tok_emb(ids)", "logits": listed["code"].iloc[-1]}.items():
        assert tuple(shapes[name]) == tuple(listed.loc[listed["code"] == line, "shape"].iloc[-1])


def test_the_turns_of_the_loop_end_with_the_one_that_is_shown(looking):
    looking.open_tab("Text loop")
    looking.fire("next-turn")
    found, shown = executed(looking, "loop-code"), saved(looking, "save-turn")
    assert found["top"].indices.tolist() == shown["token id"].tolist()
    same(found["top"].values, shown["probability"].to_numpy())


def test_dropout_leaves_the_tokens_that_are_listed(looking):
    looking.put(rate_drop_emb=0.2, rate_dropout=0.1, rate_drop_shortcut=0.3)
    looking.open_tab("Dropout")
    found, html = executed(looking, "dropout-code"), looking.shown("dropout-passes")[-1]
    listed = html[html.index("likeliest next tokens") :]
    shares = [percent(float(value)) for each in found["passes"] for value in each.values]
    assert len(shares) == 12 and all(share in listed for share in shares)


def test_the_printed_figures_are_the_chapters(looking):
    looking.open_tab("Printed figures")
    found, html = executed(looking, "printed-code"), looking.shown("printed-figures")[-1]
    for logits in (found["placeholder"], found["logits"]):
        assert all(f"{value:.4f}" in html for row in logits.flatten(0, 1)[:, :3].tolist() for value in row)
    assert all(f"<small>{token_id}</small>" in html for token_id in found["ids"])
