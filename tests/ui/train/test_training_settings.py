"""The settings of a training on the page become options of the command line."""

from dataclasses import fields

import pytest

from gpt.config import GPTConfig
from gpt.training.command_options import model_fields, parser
from gpt.ui.train import training_settings

TEXT = "A fox ran over the hill and looked for the red ball. " * 60

# What is folded away as it is when nobody has touched it: of the training, of the model.
OF_TRAINING, OF_MODEL = ["", "", ""], ["", "", "", "", "", "gelu_tanh", True, True, True, False]


def test_a_number_of_0_is_left_to_the_trainer():
    found = training_settings.arguments("adamw", 32, 0, 0, 0, 0, 0, 0.004, 0, 0, *OF_TRAINING, *OF_MODEL)
    given = ["--keep-steps", "12", "--optimizer", "adamw", "--emb-dim", "32", "--rate", "0.004", "--seed", "0"]
    assert found[: len(given)] == given
    asked = parser().parse_args(["a text", "--out", "a folder", *found])
    for field in fields(GPTConfig):
        if field.name not in ("vocab_size", "emb_dim", "activation") and field.type is not bool:
            assert getattr(asked, field.name) is None, field.name


def test_every_setting_of_the_model_can_be_chosen():
    of_model = ["99", "0.001", "0", "0.3", "", "relu", True, True, False, True]
    asked = parser().parse_args(
        ["t", "--out", "f", *training_settings.arguments("muon", *[0] * 9, *OF_TRAINING, *of_model)]
    )
    chosen = {name: value for name in model_fields() if (value := getattr(asked, name)) is not None}
    assert chosen == {
        "inner_dim": 99,
        "norm_eps": 0.001,
        "drop_rate_emb": 0.0,
        "drop_rate_attn": 0.3,
        "activation": "relu",
        "qkv_bias": True,
        "tied_head": True,
        "scale_by_head_dim": False,
        "scale_by_layer": True,
    }
    on_the_page = {
        name for name, *_ in (*training_settings._NUMBERS, *training_settings._OF_MODEL, *training_settings._SWITCHES)
    } | {"activation"}
    assert set(model_fields()) <= on_the_page


def test_warm_up_measurements_an_early_end_and_a_text_to_measure_by_can_be_chosen():
    values = ["muon", *[0] * 9, " 0.2", "50", "3 ", *OF_MODEL]
    asked = training_settings.asked(TEXT, "", " Another text. ", *values, local_files=False)
    with training_settings.parsed(asked) as found:
        assert (found.warmup, found.evaluate_every, found.patience) == (0.2, 50, 3)
        assert found.text.read_text() == TEXT.strip()
        assert found.held_out.read_text() == "Another text."
    with training_settings.parsed(
        training_settings.asked(TEXT, "", "", "muon", *[0] * 9, *OF_TRAINING, *OF_MODEL, local_files=False)
    ) as found:
        assert found.held_out is None
        assert (found.warmup, found.evaluate_every, found.patience) == (0.05, None, None)


def test_a_setting_that_is_no_number_is_one_sentence():
    with pytest.raises(ValueError, match="Inner width is “wide”: write a whole number, or leave it empty"):
        training_settings.arguments("muon", *[0] * 9, *OF_TRAINING, "wide", *OF_MODEL[1:])


def test_a_file_is_read_where_the_server_is_the_visitors_own(tmp_path):
    (tmp_path / "mine.txt").write_text(TEXT)
    assert training_settings.asked_text("", str(tmp_path / "mine.txt"), local_files=True) == tmp_path / "mine.txt"
    with (tmp_path / "long.txt").open("wb") as long:
        long.truncate(30_000_000)
    with pytest.raises(ValueError, match=r"has 28\.61 MiB, and the page takes up to"):
        training_settings.asked_text("", str(tmp_path / "long.txt"), local_files=True)
