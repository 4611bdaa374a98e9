"""What fills the fields: the default model at first, another when the tab is opened, a preset when it is pressed."""

from dataclasses import replace

import gradio as gr

from gpt import GPTConfig
from gpt.library import Library
from gpt.model_reference import STORYTELLER, UNTRAINED
from gpt.ui.calculator.calculated_results import PRESETS
from gpt.ui.calculator.loaded_weights import loaded_weights
from gpt.ui.calculator.presets import (
    LOADED,
    Filled,
    filled_with,
    filled_with_loaded,
    first_settings,
    marks,
    preset_buttons,
    untouched,
)
from gpt.ui.calculator.setting_controls import config_values, settings_by_name

GPT2 = GPTConfig.preset("gpt2-124M")


def settings(config: GPTConfig = GPT2, mode: str = "inference", seq_len: int = 1024) -> dict:
    return settings_by_name(*config_values(config).values(), mode, "float32", 1, seq_len, "adamw", "none")


def marked(config: GPTConfig | None, loaded=None) -> list[str]:
    with gr.Blocks():
        buttons = preset_buttons(GPT2)
        changed = marks(buttons, config, loaded)
    return [name for name, button in buttons.items() if changed[button]["variant"] == "primary"]


def test_it_starts_from_the_default_model_without_reading_its_weights(uneven_library, uneven_model):
    config, workload = first_settings(uneven_library)
    assert config == uneven_model.config
    assert workload.seq_len == min(1024, config.context_length)
    assert first_settings(Library(UNTRAINED + ":int8"))[1].dtype == "int8"
    assert first_settings(Library("gpt2-355M"))[0] == replace(PRESETS["gpt2-355M"], qkv_bias=True, tied_head=True)


def test_the_button_whose_configuration_is_shown_is_marked():
    assert marked(PRESETS["gpt2-774M"]) == ["gpt2-774M"]
    assert marked(replace(GPT2, inner_dim=4 * 768, drop_rate_attn=0.1)) == ["gpt2-124M"]  # the same, said in full
    assert marked(replace(GPT2, tied_head=True)) == marked(None) == []


def test_the_loaded_models_button_is_marked_too():
    loaded = Library().get(STORYTELLER)
    assert marked(loaded.model.config, loaded) == [LOADED]
    assert marked(GPT2, loaded) == ["gpt2-124M"]


def test_a_sequence_that_filled_the_context_fills_the_new_one_and_a_longer_one_is_shortened():
    small = replace(GPT2, context_length=128)
    assert filled_with(settings(), small)["seq_len"] == 128
    assert filled_with(settings(small, seq_len=128), GPT2)["seq_len"] == 1024
    assert filled_with(settings(seq_len=500), small)["seq_len"] == 128
    assert filled_with(settings(seq_len=50), small)["seq_len"] == 50
    assert filled_with(settings() | {"seq_len": None}, small)["seq_len"] is None


def test_the_loaded_model_brings_its_precision_where_nothing_is_trained():
    loaded = Library().get(f"{STORYTELLER}:int8")
    assert filled_with_loaded(settings(), loaded)["dtype"] == "int8"
    assert filled_with_loaded(settings(mode="training"), loaded)["dtype"] == "float32"


def test_fields_that_were_changed_are_not_filled_by_themselves():
    filled = Filled("a model", GPT2)
    assert untouched(settings(), filled)
    assert not untouched(settings() | {"n_layers": 13}, filled)
    assert not untouched(settings() | {"n_layers": None}, filled)


def test_bytes_of_the_loaded_model_are_those_of_the_header():
    for precision in ("float32", "bfloat16", "int8"):
        loaded = Library().get(f"{STORYTELLER}:{precision}" if precision != "float32" else STORYTELLER)
        said = loaded_weights(loaded)
        assert f"<b>{precision}, as it is loaded</b>" in said
        assert f" = {loaded.weight_bytes:,} bytes" in said
        assert f"{loaded.held_bytes - loaded.weight_bytes:,} bytes" in said
