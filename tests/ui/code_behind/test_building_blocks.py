"""The code behind the Building blocks computes what they show."""

import json

import pandas
import pytest

from gpt.ui.common.number_format import percent
from tests.ui.code_behind.pasted import BLOCK, executed, same, saved


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
    listed = pandas.DataFrame(json.loads(looking.saved("save-shapes")["text"])["tensors"])
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
